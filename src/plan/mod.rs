//! Plans: a verdict for each batch of one inventory.
//!
//! Not here: how verdicts are found (`policy`), whether the plan may be carried out (`guards`).
//! Invariant: a plan belongs to one proven inventory; verdict `i` is that of batch `i`.

pub mod diff;
pub mod seal;
mod stamps;

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::{AccountName, Batch, BatchId, RunId};
use crate::clock::Timestamp;
use crate::inventory::Inventory;
use crate::policy::verdict::Verdict;

pub use stamps::{Stamp, Stamps, stamp};

/// What would become of each batch of one inventory.
#[derive(Debug)]
pub struct Plan {
    account: AccountName,
    run_id: RunId,
    made_at: Timestamp,
    inventory: Inventory,
    verdicts: Vec<Verdict>,
    /// Deletions are among these only; `None` where nothing limits them.
    only: Option<BTreeSet<BatchId>>,
}

impl Plan {
    /// Puts an inventory and its verdicts together.
    pub fn new(
        account: AccountName,
        run_id: RunId,
        made_at: Timestamp,
        inventory: Inventory,
        verdicts: Vec<Verdict>,
    ) -> Self {
        debug_assert_eq!(inventory.batches().len(), verdicts.len(), "one verdict for each batch");
        Self { account, run_id, made_at, inventory, verdicts, only: None }
    }

    /// The same plan, of which only these batches are deleted, and only as they were.
    #[must_use]
    pub fn limited_to(mut self, stamps: &Stamps) -> Self {
        let as_it_was = |batch: &&Batch| stamps.get(batch.id.as_str()) == Some(&stamp(batch));
        let only = self.inventory.batches().iter().filter(as_it_was);
        self.only = Some(only.map(|batch| batch.id.clone()).collect());
        self
    }

    /// The same without the records' texts, for a sweep: it compares fields.
    #[must_use]
    pub fn without_records(self) -> Self {
        Self { inventory: self.inventory.without_records(), ..self }
    }

    /// Whose plan it is.
    pub const fn account(&self) -> &AccountName {
        &self.account
    }

    /// The run that made it.
    pub const fn run_id(&self) -> RunId {
        self.run_id
    }

    /// The instant for which it was decided.
    pub const fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// The inventory it was made of.
    pub const fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Each batch with its verdict, oldest first, as listed.
    pub fn entries(&self) -> impl Iterator<Item = (&Batch, &Verdict)> {
        self.inventory.batches().iter().zip(&self.verdicts)
    }

    /// The batches to delete, in plan order: oldest first.
    pub fn deletions(&self) -> impl Iterator<Item = (&Batch, &Verdict)> {
        let within = |batch: &Batch| self.only.as_ref().is_none_or(|only| only.contains(&batch.id));
        self.entries().filter(move |(batch, verdict)| {
            matches!(verdict, Verdict::Delete { .. }) && within(batch)
        })
    }

    /// The batches that a rule selects, and that are busy.
    pub fn busy(&self) -> impl Iterator<Item = &BatchId> {
        let busy = self.entries().filter(|(_, verdict)| matches!(verdict, Verdict::Busy { .. }));
        busy.map(|(batch, _)| &batch.id)
    }

    /// Calls that carrying the plan out takes: a Get and a DELETE each, and the listing that proves
    /// them.
    pub fn requests_needed(&self) -> usize {
        let deletions = self.deletions().count();
        let proof = if deletions == 0 { 0 } else { self.inventory.pages() };
        2 * deletions + proof
    }

    /// Batches by verdict; every verdict is named. Batches with an unacceptable id count as unknown.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<_, _> = Verdict::NAMES.map(|name| (name, 0)).into();
        for verdict in &self.verdicts {
            *counts.entry(verdict.name()).or_default() += 1;
        }
        *counts.entry("unknown").or_default() += self.inventory.hostile_ids().len();
        counts
    }
}
