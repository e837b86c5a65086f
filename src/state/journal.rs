//! The journal: what was meant to be deleted, before it was sent, and what became of it.
//!
//! Invariant: an intent is written once for a run and a batch, an outcome once for an intent, and
//! neither is ever overwritten.

use std::collections::BTreeSet;

use super::State;
use super::error::StateError;
use super::link::{Row, Value};
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

impl Deletion {
    /// What became of it, in a word; `open` where a run was killed and nothing has settled it yet.
    pub fn word(&self) -> &str {
        self.outcome.as_ref().map_or("open", |outcome| outcome.outcome.as_str())
    }

    /// When its outcome was known; when it was meant, where nobody knows yet.
    pub fn at(&self) -> Timestamp {
        self.outcome.as_ref().map_or(self.entry.intended_at, |outcome| outcome.at)
    }
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
    /// Of this run only.
    pub run: Option<RunId>,
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
    /// Writes what became of earlier intents, and new intents, a hundred lines at a time in one
    /// statement: when this returns, all of it is on the disk. An intent for a batch that is held when it is written is left
    /// out and told.
    ///
    /// # Errors
    /// When an intent comes twice, an outcome has no intent or comes twice (the others then count), or
    /// it cannot be written (then nothing counts).
    pub async fn record(
        &self,
        outcomes: &[Settled],
        intents: &[Entry],
    ) -> Result<Recorded, StateError> {
        let mut recorded = Recorded::default();
        let lines: Vec<_> =
            outcomes.iter().map(Line::Outcome).chain(intents.iter().map(Line::Intent)).collect();
        for lines in lines.chunks(MOST_LINES) {
            let written = self.write_lines(lines).await?;
            for line in lines.iter().filter(|line| !written.contains(line.batch().as_str())) {
                recorded.held.insert(self.why_not(line).await?);
            }
        }
        Ok(recorded)
    }

    /// Writes lines; the batches of those that were written.
    async fn write_lines(&self, lines: &[Line<'_>]) -> Result<BTreeSet<String>, StateError> {
        let runs: Vec<_> = lines.iter().map(|line| line.run_id().to_string()).collect();
        let values: Vec<_> =
            lines.iter().zip(&runs).flat_map(|(line, run)| line.values(run)).collect();
        let mut work = self.write_at_once().await?;
        let rows = work.rows_of(write_lines(lines.len()), &values).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// Why a line was not written: the batch, where somebody holds it; else an error.
    async fn why_not(&self, line: &Line<'_>) -> Result<BatchId, StateError> {
        let (run_id, batch) = (line.run_id(), line.batch().clone());
        match line {
            Line::Outcome(_) => {
                let mut work = self.read().await?;
                let key = [Value::Text(&run_id.to_string()), Value::Text(batch.as_str())];
                let intent = "SELECT 1 FROM batchsweep_journal WHERE run_id = $1 AND batch = $2";
                Err(if work.row(intent, &key).await?.is_some() {
                    StateError::SettledTwice { run_id, batch }
                } else {
                    StateError::NeverIntended { run_id, batch }
                })
            }
            Line::Intent(entry) => {
                match self.held(&entry.account, &batch, entry.intended_at).await? {
                    Some(_) => Ok(batch),
                    None => Err(StateError::IntendedTwice { run_id, batch }),
                }
            }
        }
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
        let run = filter.run.map(|run| run.to_string());
        let mut work = self.read().await?;
        let rows = work
            .rows(
                select_journal!(
                    "WHERE (account = $1 OR $1 IS NULL) AND (batch = $2 OR $2 IS NULL)
                     AND intended_at >= $3 AND (run_id = $5 OR $5 IS NULL)
                     ORDER BY intended_at DESC, run_id DESC, batch LIMIT $4"
                ),
                &[
                    Value::MaybeText(filter.account.as_ref().map(AccountName::as_str)),
                    Value::MaybeText(filter.batch.as_ref().map(BatchId::as_str)),
                    Value::Int(filter.since.map_or(i64::MIN, |since| since.timestamp_millis())),
                    Value::Int(filter.limit.map_or(i64::MAX, i64::from)),
                    Value::MaybeText(run.as_deref()),
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

/// Lines that one statement writes at most.
const MOST_LINES: usize = 100;

/// One line to be written.
#[derive(Debug, Clone, Copy)]
enum Line<'l> {
    Outcome(&'l Settled),
    Intent(&'l Entry),
}

impl<'l> Line<'l> {
    const fn run_id(&self) -> RunId {
        match self {
            Self::Outcome(settled) => settled.run_id,
            Self::Intent(entry) => entry.run_id,
        }
    }

    const fn batch(&self) -> &'l BatchId {
        match self {
            Self::Outcome(settled) => &settled.batch,
            Self::Intent(entry) => &entry.batch,
        }
    }

    /// The line's values, in the statement's order. An outcome brings no intent: its row has one.
    fn values(&self, run: &'l str) -> [Value<'l>; 10] {
        let (run, batch) = (Value::Text(run), Value::Text(self.batch().as_str()));
        let (none, no_number) = (Value::MaybeText(None), Value::MaybeInt(None));
        match self {
            Self::Outcome(Settled { outcome, .. }) => [
                run,
                batch,
                Value::Text(""),
                Value::Text(""),
                Value::Text(""),
                Value::Int(0),
                Value::MaybeText(Some(&outcome.outcome)),
                Value::MaybeText(outcome.detail.as_deref()),
                Value::MaybeInt(Some(outcome.attempts.into())),
                Value::MaybeInt(Some(outcome.at.timestamp_millis())),
            ],
            Self::Intent(entry) => [
                run,
                batch,
                Value::Text(entry.account.as_str()),
                Value::Text(&entry.name),
                Value::Text(entry.rule.as_str()),
                entry.intended_at.into(),
                none,
                none,
                no_number,
                no_number,
            ],
        }
    }
}

/// The statement that writes so many lines, and gives the batches of those that it wrote. It asks for
/// holds and writes at once, so that no hold can come in between.
fn write_lines(count: usize) -> String {
    const TYPES: [&str; 10] =
        ["TEXT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "TEXT", "TEXT", "BIGINT", "BIGINT"];
    let line = |line: usize| {
        let values = TYPES.iter().enumerate();
        let values = values.map(|(at, kind)| format!("CAST(${} AS {kind})", line * 10 + at + 1));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    };
    let lines = (0..count).map(line).collect::<Vec<_>>().join(", ");
    format!(
        "INSERT INTO batchsweep_journal (run_id, batch, account, name, rule, intended_at, outcome, detail,
             attempts, settled_at)
         SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10
         FROM (VALUES {lines}) AS line
         WHERE (column7 IS NULL AND NOT EXISTS (
                 SELECT 1 FROM batchsweep_holds AS held
                 WHERE held.account = column3 AND held.batch = column2 AND held.until > column6))
             OR (column7 IS NOT NULL AND EXISTS (
                 SELECT 1 FROM batchsweep_journal AS intent
                 WHERE intent.run_id = column1 AND intent.batch = column2 AND intent.outcome IS NULL))
         ON CONFLICT (run_id, batch) DO UPDATE SET outcome = excluded.outcome,
             detail = excluded.detail, attempts = excluded.attempts, settled_at = excluded.settled_at
         WHERE batchsweep_journal.outcome IS NULL AND excluded.outcome IS NOT NULL
         RETURNING batch"
    )
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
