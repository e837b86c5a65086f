//! Verdicts: what the policy says about each batch of one inventory, each with its cause.
//!
//! Not here: how they are found (`policy::decide`), limits on the plan as a whole (`guards`).

use std::sync::Arc;

use crate::batch::{Fact, Field, RuleName, Status, Undelivered, escaped};
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

    /// When the batch may go if nothing else changes; only where the verdict itself knows.
    pub const fn eligible_at(&self) -> Option<Timestamp> {
        match self {
            Self::TooYoung { until, .. } => Some(*until),
            Self::Delete { .. }
            | Self::Busy { .. }
            | Self::Unknown { .. }
            | Self::Kept { .. }
            | Self::Held { .. }
            | Self::Unmatched => None,
        }
    }

    /// The sentence for people: the verdict's cause.
    pub fn reason(&self) -> String {
        match self {
            Self::Delete { by, .. } => format!("{} selects it", listed(by)),
            Self::Busy { selected_by, status } => {
                format!("{} selects it, but {}", listed(selected_by), busy(status))
            }
            Self::TooYoung { selected_by, until } => format!(
                "{} selects it, but it is younger than guards.never_younger_than until {}",
                listed(selected_by),
                until.format("%Y-%m-%d %H:%M UTC")
            ),
            Self::Unknown { field, rule: Some(rule), .. } => {
                format!("`{rule}` cannot be answered, since {field} is missing or odd; so it stays")
            }
            Self::Unknown { field, rule: None, .. } => format!(
                "guards.never_younger_than cannot be answered, since {field} is missing or odd; \
                 so it stays"
            ),
            Self::Kept { selected_by, by } if selected_by.is_empty() => {
                format!("{} protects it", listed(by))
            }
            Self::Kept { selected_by, by } => {
                format!("{} protects it; {} would delete it", listed(by), listed(selected_by))
            }
            Self::Held { until, why, .. } => {
                format!("held until {}: {}", until.format("%Y-%m-%d %H:%M UTC"), escaped(why))
            }
            Self::Unmatched => "no delete rule selects it".to_owned(),
        }
    }
}

/// Names in backticks, separated by commas.
fn listed(rules: &[RuleName]) -> String {
    rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", ")
}

/// What a batch that is not idle is doing, in words.
fn busy(status: &Fact<Status>) -> String {
    match status {
        Fact::Known(Status::Other(word)) => {
            format!("its status `{}` is unknown", escaped(word))
        }
        Fact::Known(status) => format!("it is {}", status.as_str()),
        Fact::Missing => "its status is missing".to_owned(),
        Fact::Unreadable(_) => "its status is unreadable".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(names: &[&str]) -> Rules {
        names.iter().map(|name| RuleName::parse(name).unwrap()).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn every_verdict_says_its_cause() {
        let selected_by = || rules(&["old", "tmp"]);
        let until = at("2026-11-26T03:15:00Z");
        let rule = || Some(RuleName::parse("tmp").unwrap());
        let all = [
            Verdict::Delete { by: selected_by(), undelivered: Undelivered::Respect },
            Verdict::Busy { selected_by: selected_by(), status: Fact::Known(Status::Running) },
            Verdict::Busy {
                selected_by: selected_by(),
                status: Fact::Known(Status::Other("par\u{1b}ked".into())),
            },
            Verdict::TooYoung { selected_by: selected_by(), until },
            Verdict::Unknown { selected_by: rules(&[]), field: Field::Name, rule: rule() },
            Verdict::Unknown { selected_by: selected_by(), field: Field::LastRun, rule: None },
            Verdict::Kept { selected_by: selected_by(), by: rules(&["pinned"]) },
            Verdict::Kept { selected_by: rules(&[]), by: rules(&["pinned"]) },
            Verdict::Held { selected_by: selected_by(), until, why: "audit\n2026".into() },
            Verdict::Unmatched,
        ];
        let said: Vec<_> =
            all.iter().map(|verdict| format!("{}: {}", verdict.name(), verdict.reason())).collect();
        insta::assert_snapshot!(said.join("\n"));
        let named: std::collections::BTreeSet<_> = all.iter().map(Verdict::name).collect();
        assert_eq!(named, Verdict::NAMES.into(), "a verdict has no row");
    }
}
