//! Verdicts: what the policy says about each batch of one inventory, each with its cause.
//!
//! Not here: how they are found (`policy::decide`), limits on the plan as a whole (`guards`).

use std::sync::Arc;

use crate::batch::{Fact, Field, RuleName, Status, Undelivered};
use crate::clock::Timestamp;

/// Names of rules, in order. Shared: ten thousand verdicts of a few rules hold a few lists.
pub type Rules = Arc<[RuleName]>;

/// What the policy says about one batch. In order of precedence (the first that holds), bar the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No delete rule answers yes or unknown.
    Unmatched,
    /// Somebody protects this batch by hand.
    Held {
        /// The delete rules that select it; empty where they could only not be answered.
        selected_by: Rules,
        /// Until when.
        until: Timestamp,
        /// Why, as that person said.
        why: Arc<str>,
    },
    /// Selected, and protected by a keep rule.
    Kept {
        /// The delete rules that select it; empty where they could only not be answered.
        selected_by: Rules,
        /// The keep rules that protect it.
        by: Rules,
    },
    /// A rule, or the floor, could not be answered: so it stays.
    Unknown {
        /// The delete rules that select it; empty where they could only not be answered.
        selected_by: Rules,
        /// The field that is missing or odd.
        field: Field,
        /// The rule that asked for it; `None` for the floor `never_younger_than`.
        rule: Option<RuleName>,
    },
    /// Selected, but younger than the floor `never_younger_than`.
    TooYoung {
        /// The delete rules that select it.
        selected_by: Rules,
        /// When the floor ends.
        until: Timestamp,
    },
    /// Selected, but queued, running or in an unknown state.
    Busy {
        /// The delete rules that select it.
        selected_by: Rules,
        /// The state.
        status: Fact<Status>,
        /// Whether undelivered results stand in the way, should it come to rest.
        undelivered: Undelivered,
    },
    /// Selected, protected by nothing, idle and old enough.
    Delete {
        /// The delete rules that select it.
        by: Rules,
        /// Whether undelivered results stand in the way.
        undelivered: Undelivered,
    },
}

impl Verdict {
    /// Every verdict's name, in the order in which tables show them.
    pub const NAMES: [&'static str; 7] =
        ["delete", "busy", "too_young", "unknown", "kept", "held", "unmatched"];

    /// The verdict's name in the output.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delete { .. } => "delete",
            Self::Busy { .. } => "busy",
            Self::TooYoung { .. } => "too_young",
            Self::Unknown { .. } => "unknown",
            Self::Kept { .. } => "kept",
            Self::Held { .. } => "held",
            Self::Unmatched => "unmatched",
        }
    }

    /// The delete rules that select the batch.
    pub fn selected_by(&self) -> &[RuleName] {
        match self {
            Self::Delete { by, .. } => by,
            Self::Busy { selected_by, .. }
            | Self::TooYoung { selected_by, .. }
            | Self::Unknown { selected_by, .. }
            | Self::Kept { selected_by, .. }
            | Self::Held { selected_by, .. } => selected_by,
            Self::Unmatched => &[],
        }
    }

    /// The keep rules that protect the batch.
    pub fn kept_by(&self) -> &[RuleName] {
        match self {
            Self::Kept { by, .. } => by,
            Self::Delete { .. }
            | Self::Busy { .. }
            | Self::TooYoung { .. }
            | Self::Unknown { .. }
            | Self::Held { .. }
            | Self::Unmatched => &[],
        }
    }
}
