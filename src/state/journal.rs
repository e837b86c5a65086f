//! The journal: what was meant to be deleted, before it was sent, and what became of it.
//!
//! Invariant: an intent is written once for a run and a batch, an outcome once for an intent, and
//! neither is ever overwritten.

use std::collections::BTreeSet;

use super::State;
use super::error::StateError;
use super::link::{Row, Value, Work};
use crate::batch::{AccountName, BatchId, RuleName, RunId};
use crate::clock::Timestamp;

/// An intent: this batch is about to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The run that means to.
    pub run_id: RunId,
    /// The account.
    pub account: AccountName,
    /// The batch.
    pub batch: BatchId,
    /// Its name as the API said it; whoever shows it escapes it.
    pub name: String,
    /// The first rule that selects it.
    pub rule: RuleName,
    /// When.
    pub intended_at: Timestamp,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In a word: `deleted`, `gone`, `busy`, `changed`, `refused`, `failed`.
    pub outcome: String,
    /// More about it.
    pub detail: Option<String>,
    /// How often the DELETE was sent.
    pub attempts: u32,
    /// When it was known.
    pub at: Timestamp,
}

/// An outcome and the intent that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The run that had the intent.
    pub run_id: RunId,
    /// The batch.
    pub batch: BatchId,
    /// What became of it.
    pub outcome: Outcome,
}

/// An intent as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The intent.
    pub entry: Entry,
    /// What became of it; `None` while nobody knows.
    pub outcome: Option<Outcome>,
}

/// What [`State::record`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a batch that is held must not be deleted"]
pub struct Recorded {
    /// Batches that somebody holds: their intents were not written, and no DELETE may be sent.
    pub held: BTreeSet<BatchId>,
}

/// Which deletions are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletionFilter {
    /// Of this account only.
    pub account: Option<AccountName>,
    /// Meant then or later.
    pub since: Option<Timestamp>,
    /// Of this batch only.
    pub batch: Option<BatchId>,
    /// At most so many, the newest; `None` is all.
    pub limit: Option<u32>,
}

/// A text of all columns, for the questions below.
macro_rules! select_journal {
    ($rest:literal) => {
        concat!(
            "SELECT run_id, account, batch, name, rule, intended_at, outcome, detail, attempts, \
             settled_at FROM batchsweep_journal ",
            $rest
        )
    };
}

impl State {
    /// Writes what became of earlier intents, and new intents, together: when this returns, all of it
    /// is on the disk; when it fails, none of it counts. An intent for a batch that is held when it is
    /// written is left out and told.
    ///
    /// # Errors
    /// When an intent comes twice, an outcome has no intent or comes twice, or it cannot be written.
    pub async fn record(
        &self,
        outcomes: &[Settled],
        intents: &[Entry],
    ) -> Result<Recorded, StateError> {
        let mut recorded = Recorded::default();
        if outcomes.is_empty() && intents.is_empty() {
            return Ok(recorded);
        }
        let mut work = self.write().await?;
        for settled in outcomes {
            settle(&mut work, settled).await?;
        }
        for entry in intents {
            if !intend(&mut work, entry).await? {
                recorded.held.insert(entry.batch.clone());
            }
        }
        work.commit().await?;
        Ok(recorded)
    }

    /// Corrects the record of a run: these batches were said to be deleted, and a complete listing
    /// still shows them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn disprove(
        &self,
        run_id: RunId,
        batches: &BTreeSet<BatchId>,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let run = run_id.to_string();
        let mut work = self.write().await?;
        for batch in batches {
            work.run(
                "UPDATE batchsweep_journal SET outcome = 'failed', detail = $3, settled_at = $4
                 WHERE run_id = $1 AND batch = $2 AND outcome = 'deleted'",
                &[Value::Text(&run), Value::Text(batch.as_str()), Value::Text(why), now.into()],
            )
            .await?;
        }
        work.commit().await
    }

    /// Intents of an account that have no outcome: the deletions of a run that was killed.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn open_intents(&self, account: &AccountName) -> Result<Vec<Entry>, StateError> {
        let mut work = self.read().await?;
        let rows = work
            .rows(
                select_journal!(
                    "WHERE account = $1 AND outcome IS NULL ORDER BY intended_at, run_id, batch"
                ),
                &[Value::Text(account.as_str())],
            )
            .await?;
        rows.iter().map(entry).collect()
    }

    /// Deletions, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn deletions(&self, filter: &DeletionFilter) -> Result<Vec<Deletion>, StateError> {
        let mut work = self.read().await?;
        let rows = work
            .rows(
                select_journal!(
                    "WHERE (account = $1 OR $1 IS NULL) AND (batch = $2 OR $2 IS NULL)
                     AND intended_at >= $3 ORDER BY intended_at DESC, run_id DESC, batch LIMIT $4"
                ),
                &[
                    Value::MaybeText(filter.account.as_ref().map(AccountName::as_str)),
                    Value::MaybeText(filter.batch.as_ref().map(BatchId::as_str)),
                    Value::Int(filter.since.map_or(i64::MIN, |since| since.timestamp_millis())),
                    Value::Int(filter.limit.map_or(i64::MAX, i64::from)),
                ],
            )
            .await?;
        rows.iter().map(deletion).collect()
    }

    /// What was done to a batch before, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn past_of(
        &self,
        account: &AccountName,
        batch: &BatchId,
    ) -> Result<Vec<Deletion>, StateError> {
        let mut work = self.read().await?;
        let rows = work
            .rows(
                select_journal!("WHERE batch = $1 AND account = $2 ORDER BY intended_at, run_id"),
                &[Value::Text(batch.as_str()), Value::Text(account.as_str())],
            )
            .await?;
        rows.iter().map(deletion).collect()
    }
}

async fn settle(work: &mut Work<'_>, settled: &Settled) -> Result<(), StateError> {
    let Settled { run_id, batch, outcome } = settled;
    let run = run_id.to_string();
    let changed = work
        .run(
            "UPDATE batchsweep_journal SET outcome = $3, detail = $4, attempts = $5, settled_at = $6
             WHERE run_id = $1 AND batch = $2 AND outcome IS NULL",
            &[
                Value::Text(&run),
                Value::Text(batch.as_str()),
                Value::Text(&outcome.outcome),
                Value::MaybeText(outcome.detail.as_deref()),
                Value::Int(outcome.attempts.into()),
                outcome.at.into(),
            ],
        )
        .await?;
    if changed > 0 {
        return Ok(());
    }
    let (run_id, batch) = (*run_id, batch.clone());
    let intent = work
        .row(
            "SELECT 1 FROM batchsweep_journal WHERE run_id = $1 AND batch = $2",
            &[Value::Text(&run), Value::Text(batch.as_str())],
        )
        .await?;
    Err(if intent.is_some() {
        StateError::SettledTwice { run_id, batch }
    } else {
        StateError::NeverIntended { run_id, batch }
    })
}

/// Writes an intent; false where somebody holds the batch.
async fn intend(work: &mut Work<'_>, entry: &Entry) -> Result<bool, StateError> {
    let run = entry.run_id.to_string();
    let values = [
        Value::Text(&run),
        Value::Text(entry.account.as_str()),
        Value::Text(entry.batch.as_str()),
        Value::Text(&entry.name),
        Value::Text(entry.rule.as_str()),
        entry.intended_at.into(),
    ];
    let [_, account, batch, .., at] = values;
    // One statement asks for the hold and writes, so that no hold can come in between.
    let written = work
        .run(
            "INSERT INTO batchsweep_journal (run_id, account, batch, name, rule, intended_at)
             SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (
                 SELECT 1 FROM batchsweep_holds WHERE account = $2 AND batch = $3 AND until > $6)
             ON CONFLICT (run_id, batch) DO NOTHING",
            &values,
        )
        .await?;
    if written > 0 {
        return Ok(true);
    }
    let hold = work
        .row(
            "SELECT 1 FROM batchsweep_holds WHERE account = $1 AND batch = $2 AND until > $3",
            &[account, batch, at],
        )
        .await?;
    if hold.is_some() {
        return Ok(false);
    }
    Err(StateError::IntendedTwice { run_id: entry.run_id, batch: entry.batch.clone() })
}

fn entry(row: &Row<'_>) -> Result<Entry, StateError> {
    Ok(Entry {
        run_id: row.run(0)?,
        account: row.account(1)?,
        batch: row.batch(2)?,
        name: row.text(3)?,
        rule: row.rule(4)?,
        intended_at: row.time(5)?,
    })
}

fn deletion(row: &Row<'_>) -> Result<Deletion, StateError> {
    let outcome = match row.maybe_text(6)? {
        Some(outcome) => Some(Outcome {
            outcome,
            detail: row.maybe_text(7)?,
            attempts: row.count(8)?,
            at: row.time(9)?,
        }),
        None => None,
    };
    Ok(Deletion { entry: entry(row)?, outcome })
}
