//! What an edit of the rules changes: batches that are on their way now and were not before, and the
//! other way round.
//!
//! On its way is what is selected and protected by nothing but time or the moment: `delete`, `wait`,
//! `too_young`, `busy`. Not here: how verdicts are found (`policy`), who asks (`cli`, `daemon`).

use std::collections::BTreeMap;

use crate::batch::{Batch, RuleName};
use crate::policy::verdict::Verdict;

/// What becomes of one batch, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'b> {
    /// The batch.
    pub batch: &'b Batch,
    /// Its verdict by the old rules.
    pub before: &'static str,
    /// Its verdict by the new ones.
    pub after: &'static str,
    /// The rule that makes the difference, as far as one does: the first that selects it now, or the first
    /// that protects it now, else the first that selected it.
    pub rule: Option<RuleName>,
}

/// What an edit changes for one inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff<'b> {
    /// On their way now, and not before.
    pub newly_deleted: Vec<Change<'b>>,
    /// On their way before, and not now.
    pub newly_kept: Vec<Change<'b>>,
}

/// Compares the verdicts of two policies on the same batches, in the same order.
pub fn diff<'b>(batches: &'b [Batch], before: &[Verdict], after: &[Verdict]) -> Diff<'b> {
    let mut diff = Diff::default();
    for (batch, (before, after)) in batches.iter().zip(before.iter().zip(after)) {
        let first = |rules: &[RuleName]| rules.first().cloned();
        let (to, rule) = match (is_on_its_way(before), is_on_its_way(after)) {
            (false, true) => (&mut diff.newly_deleted, first(after.selected_by())),
            (true, false) => {
                let keeping = first(after.kept_by()).or_else(|| first(before.selected_by()));
                (&mut diff.newly_kept, keeping)
            }
            (true, true) | (false, false) => continue,
        };
        to.push(Change { batch, before: before.name(), after: after.name(), rule });
    }
    diff
}

const fn is_on_its_way(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Delete { .. }
        | Verdict::Wait { .. }
        | Verdict::TooYoung { .. }
        | Verdict::Busy { .. } => true,
        Verdict::Kept { .. }
        | Verdict::Held { .. }
        | Verdict::Unknown { .. }
        | Verdict::Unmatched => false,
    }
}

impl Diff<'_> {
    /// Whether nothing changes.
    pub const fn is_empty(&self) -> bool {
        self.newly_deleted.is_empty() && self.newly_kept.is_empty()
    }

    /// How many, by the rule that makes the difference; the empty name where none does.
    pub fn by_rule(changes: &[Change<'_>]) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for change in changes {
            let rule = change.rule.as_ref().map_or_else(String::new, ToString::to_string);
            *counts.entry(rule).or_default() += 1;
        }
        counts
    }
}
