//! Stamps: what a plan deletes, and how each batch looked then.
//!
//! An approval and a sealed plan are about batches as they were: one that changed since is another one.
//! Not here: who compares them (`guards`).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::batch::{Batch, Fact, hex};
use crate::plan::Plan;

/// A hash of every field that a change of the batch would show in.
pub type Stamp = String;

/// The stamps of a plan's deletions, by id.
pub type Stamps = BTreeMap<String, Stamp>;

impl Plan {
    /// The stamps of the batches that the plan deletes.
    pub fn stamps(&self) -> Stamps {
        self.deletions().map(|(batch, _)| (batch.id.to_string(), stamp(batch))).collect()
    }

    /// Whether every deletion of this plan is among those, unchanged.
    pub fn is_within(&self, stamps: &Stamps) -> bool {
        self.deletions().all(|(batch, _)| stamps.get(batch.id.as_str()) == Some(&stamp(batch)))
    }
}

/// A batch's stamp: 16 hex digits.
pub fn stamp(batch: &Batch) -> Stamp {
    let mut hash = Sha256::new();
    let mut add = |field: &str| {
        hash.update(field.len().to_le_bytes());
        hash.update(field);
    };
    add(batch.id.as_str());
    add(&text(&batch.name, ToString::to_string));
    add(&text(&batch.created_at, chrono::DateTime::to_rfc3339));
    add(&text(&batch.last_run, chrono::DateTime::to_rfc3339));
    add(&text(&batch.schedule_type, ToString::to_string));
    add(&text(&batch.priority, ToString::to_string));
    add(&text(&batch.enabled, ToString::to_string));
    add(&text(&batch.destinations, |ids| ids.join("\u{0}")));
    add(&text(&batch.searches, ToString::to_string));
    add(&text(&batch.results_count, ToString::to_string));
    add(&text(&batch.next_result_set_id, ToString::to_string));
    let mut digits = hex(&hash.finalize());
    digits.truncate(16);
    digits
}

fn text<T>(fact: &Fact<T>, known: impl FnOnce(&T) -> String) -> String {
    match fact {
        Fact::Known(value) => format!("known {}", known(value)),
        Fact::Missing => "missing".to_owned(),
        Fact::Unreadable(seen) => format!("unreadable {seen}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::{at, batch};
    use crate::batch::{BatchId, word};

    type Change = fn(&mut Batch);

    #[test]
    fn every_change_of_a_batch_changes_its_stamp_but_its_state_does_not() {
        let before = stamp(&batch("A1").build());
        let changes: [Change; 12] = [
            |b| b.id = BatchId::parse("A2").unwrap(),
            |b| b.name = Fact::Known("tmp-2".into()),
            |b| b.name = Fact::Missing,
            |b| b.created_at = Fact::Known(at("2026-01-01T00:00:00.001Z")),
            |b| b.last_run = Fact::Missing,
            |b| b.schedule_type = Fact::Known(word("daily")),
            |b| b.priority = Fact::Unreadable("normal".into()),
            |b| b.enabled = Fact::Known(false),
            |b| b.destinations = Fact::Known(["D1".into()].into()),
            |b| b.searches = Fact::Known(2),
            |b| b.results_count = Fact::Known(0),
            |b| b.next_result_set_id = Fact::Known(3),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            assert_ne!(stamp(&batch("A1").with(change).build()), before, "change {n}");
        }
        let running = batch("A1").status(crate::batch::Status::Running).build();
        assert_eq!(stamp(&running), before);
    }
}
