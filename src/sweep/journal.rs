//! The journal of a sweep: an intent is on the disk before its DELETE leaves, its outcome after it.
//!
//! One durable write holds the outcome of an earlier batch and the intent of the next one, and is made
//! while the DELETE between them is in flight: so the disk costs no time where a call takes longer.
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
}

impl<'a> Ledger<'a> {
    pub(super) const fn new(journal: Journal<'a>) -> Self {
        Self { journal, open: BTreeSet::new(), known: Vec::new() }
    }

    /// Writes what is known by now, and that this batch is about to be deleted.
    pub(super) async fn intend(
        &mut self,
        batch: &Batch,
        rule: &RuleName,
        now: Timestamp,
    ) -> Result<Leave, StateError> {
        if self.open.contains(&batch.id) {
            return self.journal.leave(&batch.id, now).await;
        }
        let entry = self.entry(batch, rule, now);
        let recorded = self.journal.state.record(&self.known, &[entry]).await?;
        self.known.clear();
        if recorded.held.contains(&batch.id) {
            return Ok(Leave::Held);
        }
        self.open.insert(batch.id.clone());
        self.journal.owner.check().await?;
        Ok(Leave::Given)
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
