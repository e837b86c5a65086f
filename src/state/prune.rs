//! Pruning: what is older than `keep_history` goes, a bounded piece at a time.
//!
//! Invariant: open intents, open guards, approvals that may still be spent, holds that still protect,
//! marks, rule versions, last inventories and each account's last run stay, however old.

use std::time::Duration;

use chrono::TimeDelta;

use super::State;
use super::error::StateError;
use super::link::Value;
use crate::batch::RunId;
use crate::clock::Timestamp;

/// Rows that one statement removes: so nobody waits long for the database, and a kill loses little.
const PIECE: u64 = 1_000;

/// The most pieces of one kind in one pruning; the rest goes with the next one.
const MOST_PIECES: u32 = 200;

/// How many rows went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows of the journal.
    pub deletions: u64,
    /// Runs.
    pub runs: u64,
    /// Holds, approvals and the rest.
    pub others: u64,
}

const DELETIONS: &str = "DELETE FROM batchsweep_journal WHERE (run_id, batch) IN (
     SELECT run_id, batch FROM batchsweep_journal
     WHERE run_id < $1 AND outcome IS NOT NULL AND settled_at < $2 LIMIT 1000)";

const RUNS: &str = "DELETE FROM batchsweep_runs WHERE run_id IN (
     SELECT run_id FROM batchsweep_runs WHERE run_id < $1 AND began < $2
     AND run_id NOT IN (SELECT max(run_id) FROM batchsweep_runs GROUP BY account)
     AND run_id NOT IN (SELECT run_id FROM batchsweep_journal WHERE outcome IS NULL)
     AND run_id NOT IN (SELECT run_id FROM batchsweep_guards)
     AND run_id NOT IN (SELECT run_id FROM batchsweep_approvals)
     LIMIT 1000)";

const OTHERS: [&str; 3] = [
    "DELETE FROM batchsweep_holds WHERE until < $1",
    "DELETE FROM batchsweep_approvals WHERE expires_at < $1",
    "DELETE FROM batchsweep_list_calls WHERE called_at < $1",
];

impl State {
    /// Removes what is older than `keep`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn prune(&self, now: Timestamp, keep: Duration) -> Result<Pruned, StateError> {
        let before = TimeDelta::from_std(keep).ok().and_then(|keep| now.checked_sub_signed(keep));
        let Some(before) = before.filter(|before| before.timestamp_millis() > 0) else {
            return Ok(Pruned::default());
        };
        // Runs sort by the time they began, so the list by run is also one by time.
        let first_kept = RunId::new(before, [0; 10]).to_string();
        let old = [Value::Text(&first_kept), before.into()];
        let mut pruned = Pruned::default();
        for sql in OTHERS {
            pruned.others += self.remove(sql, &[before.into()]).await?;
        }
        pruned.deletions = self.remove_in_pieces(DELETIONS, &old).await?;
        pruned.runs = self.remove_in_pieces(RUNS, &old).await?;
        Ok(pruned)
    }

    async fn remove_in_pieces(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StateError> {
        let mut removed = 0;
        for _ in 0..MOST_PIECES {
            let piece = self.remove(sql, values).await?;
            removed += piece;
            if piece < PIECE {
                break;
            }
        }
        Ok(removed)
    }

    async fn remove(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StateError> {
        let mut work = self.write().await?;
        let removed = work.run(sql, values).await?;
        work.commit().await?;
        Ok(removed)
    }
}
