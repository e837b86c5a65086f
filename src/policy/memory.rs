//! What the policy is told of the past: protections that people made by hand, and since when.
//!
//! Not here: where it is remembered (`state`). Without a memory nothing is held, and every rule and
//! every selection is as new as this run.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{BatchId, RuleName};
use crate::clock::Timestamp;

/// One batch protected by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Up to and including this instant.
    pub until: Timestamp,
    /// Why, as that person said.
    pub why: Arc<str>,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Protections by batch.
    pub holds: BTreeMap<BatchId, Hold>,
    /// Since when each rule with a `grace` has selected each batch, in every complete run.
    pub selected_since: BTreeMap<RuleName, BTreeMap<BatchId, Timestamp>>,
    /// Since when each delete rule has been what it is.
    pub unchanged_since: BTreeMap<RuleName, Timestamp>,
}

impl Memory {
    /// Since when a rule has selected a batch; `now` where it is not known.
    pub(super) fn selected_since(
        &self,
        rule: &RuleName,
        batch: &BatchId,
        now: Timestamp,
    ) -> Timestamp {
        let of_rule = self.selected_since.get(rule);
        of_rule.and_then(|batches| batches.get(batch)).copied().unwrap_or(now)
    }

    /// Since when a rule has been what it is; `now` where it is not known.
    pub(super) fn unchanged_since(&self, rule: &RuleName, now: Timestamp) -> Timestamp {
        self.unchanged_since.get(rule).copied().unwrap_or(now)
    }
}
