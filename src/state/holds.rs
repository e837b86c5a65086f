//! Holds: batches that a person protects until a day.

use chrono::TimeDelta;

use super::State;
use super::error::StateError;
use super::link::{Row, Value};
use crate::batch::{AccountName, BatchId};
use crate::clock::Timestamp;

/// A batch that a person protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its account.
    pub account: AccountName,
    /// The batch.
    pub batch: BatchId,
    /// It counts before this instant.
    pub until: Timestamp,
    /// Why, in the person's words.
    pub why: String,
    /// When it was made, or changed.
    pub made_at: Timestamp,
}

impl Hold {
    /// Whether it still protects.
    pub fn protects(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// How long before its end a hold is announced.
const NOTICE: TimeDelta = TimeDelta::days(3);

impl State {
    /// Protects a batch; a hold that it already has is replaced.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn hold(&self, hold: &Hold) -> Result<(), StateError> {
        let mut work = self.write().await?;
        work.run(
            "INSERT INTO batchsweep_holds (account, batch, until, why, made_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account, batch) DO UPDATE SET until = excluded.until, why = excluded.why,
                 made_at = excluded.made_at, announced_at = NULL",
            &[
                Value::Text(hold.account.as_str()),
                Value::Text(hold.batch.as_str()),
                hold.until.into(),
                Value::Text(&hold.why),
                hold.made_at.into(),
            ],
        )
        .await?;
        work.commit().await
    }

    /// Ends a batch's hold; false where it has none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn release(
        &self,
        account: &AccountName,
        batch: &BatchId,
    ) -> Result<bool, StateError> {
        let mut work = self.write().await?;
        let released = work
            .run(
                "DELETE FROM batchsweep_holds WHERE account = $1 AND batch = $2",
                &[Value::Text(account.as_str()), Value::Text(batch.as_str())],
            )
            .await?;
        work.commit().await?;
        Ok(released > 0)
    }

    /// The holds of an account, or of all; also those that have ended and are not pruned yet. By
    /// account and end.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn holds(&self, account: Option<&AccountName>) -> Result<Vec<Hold>, StateError> {
        let mut work = self.read().await?;
        let rows = work
            .rows(
                "SELECT account, batch, until, why, made_at FROM batchsweep_holds
                 WHERE account = $1 OR $1 IS NULL ORDER BY account, until, batch",
                &[Value::MaybeText(account.map(AccountName::as_str))],
            )
            .await?;
        rows.iter().map(hold).collect()
    }

    /// The hold that protects a batch now, if one does.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn held(
        &self,
        account: &AccountName,
        batch: &BatchId,
        now: Timestamp,
    ) -> Result<Option<Hold>, StateError> {
        let mut work = self.read().await?;
        let row = work
            .row(
                "SELECT account, batch, until, why, made_at FROM batchsweep_holds
                 WHERE account = $1 AND batch = $2 AND until > $3",
                &[Value::Text(account.as_str()), Value::Text(batch.as_str()), now.into()],
            )
            .await?;
        row.as_ref().map(hold).transpose()
    }

    /// Holds of an account that end within three days and were not announced before. Each is given
    /// once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn announce_holds(
        &self,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<Vec<Hold>, StateError> {
        let soon = now.checked_add_signed(NOTICE).unwrap_or(now);
        let values = [Value::Text(account.as_str()), now.into(), soon.into()];
        let mut work = self.write().await?;
        let rows = work
            .rows(
                "UPDATE batchsweep_holds SET announced_at = $2
                 WHERE account = $1 AND until > $2 AND until <= $3 AND announced_at IS NULL
                 RETURNING account, batch, until, why, made_at",
                &values,
            )
            .await?;
        let mut ending = rows.iter().map(hold).collect::<Result<Vec<_>, _>>()?;
        drop(rows);
        work.commit().await?;
        ending.sort_by(|a, b| (a.until, &a.batch).cmp(&(b.until, &b.batch)));
        Ok(ending)
    }
}

fn hold(row: &Row<'_>) -> Result<Hold, StateError> {
    Ok(Hold {
        account: row.account(0)?,
        batch: row.batch(1)?,
        until: row.time(2)?,
        why: row.text(3)?,
        made_at: row.time(4)?,
    })
}
