//! The journal of a sweep: an intent is on the disk before its DELETE leaves, its outcome after it.
//!
//! One durable write holds the outcomes of earlier batches and the intents of the next few, and is made
//! while a DELETE between them is in flight: so the disk costs no time where a call takes longer, and
//! little where it does not. A kill leaves a few intents open, which the next start settles.
//! Not here: the rows (`state`), what is settled after a kill ([`super::settle`]).
//! Invariant: a batch whose intent is not written, or that somebody holds, is not deleted.

use std::collections::BTreeSet;

use crate::batch::{AccountName, Batch, BatchId, Fact, RuleName, RunId};
use crate::clock::Timestamp;
use crate::state::{self, Entry, Ownership, Settled, State, StateError};
use crate::sweep::Swept;
use crate::sweep::outcome::Outcome;

/// Where a sweep writes what it does.
#[derive(Debug, Clone, Copy)]
pub struct Journal<'a> {
    /// The state.
    pub state: &'a State,
    /// The right to work on the account.
    pub owner: &'a Ownership,
    /// The account.
    pub account: &'a AccountName,
    /// The run.
    pub run_id: RunId,
}

/// Whether a batch may be deleted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// Its intent is written, and the account is still ours.
    Given,
    /// Somebody holds it since the plan was made.
    Held,
}

impl Journal<'_> {
    /// Whether a batch whose intent is written may still go.
    pub(super) async fn leave(&self, batch: &BatchId, now: Timestamp) -> Result<Leave, StateError> {
        self.owner.check().await?;
        let hold = self.state.held(self.account, batch, now).await?;
        Ok(if hold.is_some() { Leave::Held } else { Leave::Given })
    }
}

/// One sweep's part of the journal.
#[derive(Debug)]
pub(super) struct Ledger<'a> {
    journal: Journal<'a>,
    /// Batches whose intent is written and whose outcome is not known yet.
    open: BTreeSet<BatchId>,
    /// Outcomes not yet written.
    known: Vec<Settled>,
    /// Where nothing outlives the process, intents are worth nothing: they are written at the end.
    late: Vec<Entry>,
}

impl<'a> Ledger<'a> {
    pub(super) const fn new(journal: Journal<'a>) -> Self {
        Self { journal, open: BTreeSet::new(), known: Vec::new(), late: Vec::new() }
    }

    /// Writes what is known by now, and that these batches are about to be deleted, each by a rule.
    /// Which of them somebody holds since the plan was made: they must stay.
    pub(super) async fn intend(
        &mut self,
        batches: &[(&Batch, &RuleName)],
        now: Timestamp,
    ) -> Result<BTreeSet<BatchId>, StateError> {
        let mut held = BTreeSet::new();
        let mut entries = Vec::with_capacity(batches.len());
        for (batch, rule) in batches {
            if !self.open.contains(&batch.id) {
                entries.push(self.entry(batch, rule, now));
            } else if self.journal.leave(&batch.id, now).await? == Leave::Held {
                held.insert(batch.id.clone());
            }
        }
        if !self.journal.state.is_durable() {
            self.open.extend(entries.iter().map(|entry| entry.batch.clone()));
            self.late.extend(entries);
            return Ok(held);
        }
        let recorded = self.journal.state.record(&self.known, &entries).await?;
        self.known.clear();
        let meant = entries.into_iter().map(|entry| entry.batch);
        self.open.extend(meant.filter(|batch| !recorded.held.contains(batch)));
        held.extend(recorded.held);
        self.journal.owner.check().await?;
        Ok(held)
    }

    fn entry(&self, batch: &Batch, rule: &RuleName, now: Timestamp) -> Entry {
        let name = match &batch.name {
            Fact::Known(name) => name.to_string(),
            Fact::Missing | Fact::Unreadable(_) => String::new(),
        };
        Entry {
            run_id: self.journal.run_id,
            account: self.journal.account.clone(),
            batch: batch.id.clone(),
            name,
            rule: rule.clone(),
            intended_at: now,
        }
    }

    /// Takes note of an outcome, where there was an intent; written with the next intent.
    pub(super) fn settle(&mut self, batch: &Batch, one: &Swept, now: Timestamp) {
        if !self.open.remove(&batch.id) {
            return;
        }
        let detail = one.outcome.detail();
        self.known.push(Settled {
            run_id: self.journal.run_id,
            batch: batch.id.clone(),
            outcome: state::Outcome {
                outcome: one.outcome.name().to_owned(),
                detail: (!detail.is_empty()).then_some(detail),
                attempts: one.attempts,
                at: now,
            },
        });
    }

    /// Writes the outcomes that are known by now. Where the account is somebody else's, that one settles
    /// what is open.
    pub(super) async fn write(&mut self) -> Result<(), StateError> {
        self.journal.owner.check().await?;
        let late = self.journal.state.record(&[], &self.late).await?;
        self.late.clear();
        // One that is held all the same has no line that an outcome could go to.
        self.known.retain(|settled| !late.held.contains(&settled.batch));
        let recorded = self.journal.state.record(&self.known, &[]).await?;
        debug_assert!(recorded.held.is_empty(), "no intent was written");
        self.known.clear();
        Ok(())
    }

    /// Corrects outcomes that a last listing disproved.
    pub(super) async fn disprove(
        &self,
        batches: &BTreeSet<BatchId>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let why = Outcome::still_listed().detail();
        self.journal.state.disprove(self.journal.run_id, batches, &why, now).await
    }
}
