//! Runs: when each began, and how it ended. One without an end was killed, or is under way.

use std::collections::BTreeMap;
use std::time::Duration;

use super::State;
use super::error::StateError;
use super::link::{Row, Value};
use crate::batch::{AccountName, RunId};
use crate::clock::Timestamp;

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunBegin {
    /// Its id.
    pub run_id: RunId,
    /// Its account.
    pub account: AccountName,
    /// When.
    pub began: Timestamp,
    /// Whether it can delete nothing.
    pub dry_run: bool,
    /// The hash of the configuration that it obeys.
    pub config_hash: String,
    /// Which account of the vendor it works on, without a secret.
    pub origin: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// Its id.
    pub run_id: RunId,
    /// When.
    pub ended: Timestamp,
    /// In a word: `swept`, `dry_run`, `guarded`, `incomplete`, `locked`, `failed`.
    pub outcome: String,
    /// The exit code that it asks for.
    pub exit_code: u8,
    /// How many batches had each outcome.
    pub counts: BTreeMap<String, u64>,
    /// Whether a last listing proved the deletions; `None` where none was made.
    pub verified: Option<bool>,
    /// Requests sent.
    pub requests: u64,
    /// How long it took.
    pub duration: Duration,
    /// What went wrong, as it was shown.
    pub error: Option<String>,
    /// How many batches the account had when it ended; `None` where no complete listing was made.
    pub batches: Option<u64>,
}

/// A run as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its beginning.
    pub begin: RunBegin,
    /// Its end, if it had one.
    pub end: Option<RunEnd>,
}

/// Which runs are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this account only.
    pub account: Option<AccountName>,
    /// Begun then or later.
    pub since: Option<Timestamp>,
    /// At most so many, the newest; `None` is all.
    pub limit: Option<u32>,
}

/// A text of all columns, for the questions below.
macro_rules! select_runs {
    ($rest:literal) => {
        concat!(
            "SELECT run_id, account, began, dry_run, config_hash, origin, ended, outcome, exit_code, \
             counts, verified, requests, duration_ms, error, batches FROM batchsweep_runs ",
            $rest
        )
    };
}

impl State {
    /// Remembers that a run begins.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn begin_run(&self, run: &RunBegin) -> Result<(), StateError> {
        let mut work = self.write().await?;
        work.run(
            "INSERT INTO batchsweep_runs (run_id, account, began, dry_run, config_hash, origin)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                Value::Text(&run.run_id.to_string()),
                Value::Text(run.account.as_str()),
                run.began.into(),
                Value::Int(i64::from(run.dry_run)),
                Value::Text(&run.config_hash),
                Value::Text(&run.origin),
            ],
        )
        .await?;
        work.commit().await
    }

    /// Remembers how a run ended.
    ///
    /// # Errors
    /// When the run never began or has ended before, or it cannot be written.
    pub async fn end_run(&self, run: &RunEnd) -> Result<(), StateError> {
        let counts = serde_json::to_string(&run.counts).unwrap_or_default();
        let duration_ms = i64::try_from(run.duration.as_millis()).unwrap_or(i64::MAX);
        let mut work = self.write().await?;
        let changed = work
            .run(
                "UPDATE batchsweep_runs SET ended = $2, outcome = $3, exit_code = $4, counts = $5,
                 verified = $6, requests = $7, duration_ms = $8, error = $9, batches = $10
                 WHERE run_id = $1 AND ended IS NULL",
                &[
                    Value::Text(&run.run_id.to_string()),
                    run.ended.into(),
                    Value::Text(&run.outcome),
                    Value::Int(run.exit_code.into()),
                    Value::Text(&counts),
                    Value::MaybeInt(run.verified.map(i64::from)),
                    Value::Int(i64::try_from(run.requests).unwrap_or(i64::MAX)),
                    Value::Int(duration_ms),
                    Value::MaybeText(run.error.as_deref()),
                    Value::MaybeInt(run.batches.and_then(|count| i64::try_from(count).ok())),
                ],
            )
            .await?;
        if changed == 0 {
            return Err(StateError::NotUnderWay(run.run_id));
        }
        work.commit().await
    }

    /// Which account of the vendor a run worked on; `None` where the run is forgotten.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn origin_of(&self, run_id: RunId) -> Result<Option<String>, StateError> {
        let mut work = self.read().await?;
        let sql = "SELECT origin FROM batchsweep_runs WHERE run_id = $1";
        let row = work.row(sql, &[Value::Text(&run_id.to_string())]).await?;
        row.map(|row| row.text(0)).transpose()
    }

    /// When an account's last run ended that asked for exit code 0; `None` where none is remembered.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_success(
        &self,
        account: &AccountName,
    ) -> Result<Option<Timestamp>, StateError> {
        let mut work = self.read().await?;
        let sql = "SELECT ended FROM batchsweep_runs WHERE account = $1 AND exit_code = 0
                   ORDER BY ended DESC LIMIT 1";
        let row = work.row(sql, &[Value::Text(account.as_str())]).await?;
        row.map_or(Ok(None), |row| row.maybe_time(0))
    }

    /// The newest run of each account.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_runs(&self) -> Result<BTreeMap<AccountName, Run>, StateError> {
        let mut work = self.read().await?;
        let rows = work
            .rows(
                select_runs!(
                    "WHERE run_id IN (SELECT max(run_id) FROM batchsweep_runs GROUP BY account)"
                ),
                &[],
            )
            .await?;
        rows.iter().map(|row| run(row).map(|run| (run.begin.account.clone(), run))).collect()
    }

    /// One run; `None` where it is forgotten.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn run(&self, run_id: RunId) -> Result<Option<Run>, StateError> {
        let mut work = self.read().await?;
        let row = work
            .row(select_runs!("WHERE run_id = $1"), &[Value::Text(&run_id.to_string())])
            .await?;
        row.as_ref().map(run).transpose()
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StateError> {
        let mut work = self.read().await?;
        let rows = work
            .rows(
                select_runs!(
                    "WHERE (account = $1 OR $1 IS NULL) AND began >= $2
                     ORDER BY began DESC, run_id DESC LIMIT $3"
                ),
                &[
                    Value::MaybeText(filter.account.as_ref().map(AccountName::as_str)),
                    Value::Int(filter.since.map_or(i64::MIN, |since| since.timestamp_millis())),
                    Value::Int(filter.limit.map_or(i64::MAX, i64::from)),
                ],
            )
            .await?;
        rows.iter().map(run).collect()
    }
}

fn run(row: &Row<'_>) -> Result<Run, StateError> {
    let begin = RunBegin {
        run_id: row.run(0)?,
        account: row.account(1)?,
        began: row.time(2)?,
        dry_run: row.int(3)? != 0,
        config_hash: row.text(4)?,
        origin: row.text(5)?,
    };
    let end = match row.maybe_time(6)? {
        Some(ended) => Some(RunEnd {
            run_id: begin.run_id,
            ended,
            outcome: row.text(7)?,
            exit_code: row.count(8)?,
            counts: row.json(9)?,
            verified: row.maybe_int(10)?.map(|verified| verified != 0),
            requests: row.count(11)?,
            duration: Duration::from_millis(row.count(12)?),
            error: row.maybe_text(13)?,
            batches: row.maybe_int(14)?.and_then(|count| u64::try_from(count).ok()),
        }),
        None => None,
    };
    Ok(Run { begin, end })
}
