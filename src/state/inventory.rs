//! The last complete inventory of each account: when, how many, its hash, its ids, and the records as
//! the API sent them.

use super::State;
use super::error::StateError;
use super::link::{Value, Work};
use super::pack::{self, Packer};
use crate::batch::{AccountName, BatchId, RunId};
use crate::clock::Timestamp;

/// A complete inventory, without its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The account.
    pub account: AccountName,
    /// The run that listed it.
    pub run_id: RunId,
    /// When.
    pub listed_at: Timestamp,
    /// A hash over everything in it: two listings of one hash are one.
    pub hash: String,
    /// The ids of its batches. Their number is the inventory's size.
    pub ids: Vec<BatchId>,
}

impl State {
    /// Keeps a complete inventory in place of the account's last one. Where the hash is that of the
    /// last one, only the time and the run are written.
    ///
    /// # Errors
    /// When it cannot be written; then the last one stays.
    pub async fn store_inventory<'r>(
        &self,
        listing: &Listing,
        records: impl IntoIterator<Item = &'r str, IntoIter: Send> + Send,
    ) -> Result<(), StateError> {
        let (run, account) = (listing.run_id.to_string(), Value::Text(listing.account.as_str()));
        let mut work = self.write().await?;
        let is_known = work
            .run(
                "UPDATE batchsweep_inventories SET run_id = $2, listed_at = $3
                 WHERE account = $1 AND hash = $4",
                &[account, Value::Text(&run), listing.listed_at.into(), Value::Text(&listing.hash)],
            )
            .await?
            > 0;
        if is_known {
            return work.commit().await;
        }
        let ids: Vec<_> = listing.ids.iter().map(BatchId::as_str).collect();
        work.run(
            "INSERT INTO batchsweep_inventories (account, run_id, listed_at, hash, ids)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account) DO UPDATE SET run_id = excluded.run_id,
                 listed_at = excluded.listed_at, hash = excluded.hash, ids = excluded.ids",
            &[
                account,
                Value::Text(&run),
                listing.listed_at.into(),
                Value::Text(&listing.hash),
                Value::Bytes(&pack::pack(ids.join("\n").as_bytes())),
            ],
        )
        .await?;
        replace_records(&mut work, account, records.into_iter()).await?;
        work.commit().await
    }

    /// When the account's last complete inventory was made, and its hash.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_listed(
        &self,
        account: &AccountName,
    ) -> Result<Option<(Timestamp, String)>, StateError> {
        let mut work = self.read().await?;
        let sql = "SELECT listed_at, hash FROM batchsweep_inventories WHERE account = $1";
        let row = work.row(sql, &[Value::Text(account.as_str())]).await?;
        row.map(|row| Ok((row.time(0)?, row.text(1)?))).transpose()
    }

    /// The account's last complete inventory, without its records.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_listing(&self, account: &AccountName) -> Result<Option<Listing>, StateError> {
        let mut work = self.read().await?;
        let row = work
            .row(
                "SELECT run_id, listed_at, hash, ids FROM batchsweep_inventories WHERE account = $1",
                &[Value::Text(account.as_str())],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let ids = pack::unpack(&row.bytes(3)?).and_then(|bytes| String::from_utf8(bytes).ok());
        let ids = ids.and_then(|text| text.lines().map(|id| BatchId::parse(id).ok()).collect());
        let Some(ids) = ids else {
            return Err(self.inner.damaged("the ids of an inventory cannot be read"));
        };
        Ok(Some(Listing {
            account: account.clone(),
            run_id: row.run(0)?,
            listed_at: row.time(1)?,
            hash: row.text(2)?,
            ids,
        }))
    }

    /// The records of the account's last complete inventory, as the API sent them; none where there is
    /// no inventory.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn last_records(&self, account: &AccountName) -> Result<Vec<Box<str>>, StateError> {
        let mut records = Vec::new();
        // One connection and one call: nobody else of this process writes in between. Of another one,
        // the lock on the account keeps.
        let mut work = self.read().await?;
        for part in 0_i64.. {
            let row = work
                .row(
                    "SELECT records FROM batchsweep_records WHERE account = $1 AND part = $2",
                    &[Value::Text(account.as_str()), Value::Int(part)],
                )
                .await?;
            let Some(row) = row else { break };
            let Some(texts) = pack::texts(&row.bytes(0)?) else {
                return Err(self.inner.damaged("the records of an inventory cannot be read"));
            };
            records.extend(texts);
        }
        Ok(records)
    }
}

async fn replace_records<'r>(
    work: &mut Work<'_>,
    account: Value<'_>,
    records: impl Iterator<Item = &'r str> + Send,
) -> Result<(), StateError> {
    work.run("DELETE FROM batchsweep_records WHERE account = $1", &[account]).await?;
    let mut packer = Packer::default();
    let mut next = 0;
    for record in records {
        if let Some(part) = packer.add(record) {
            write_part(work, account, next, &part).await?;
            next += 1;
        }
    }
    match packer.finish() {
        Some(part) => write_part(work, account, next, &part).await,
        None => Ok(()),
    }
}

async fn write_part(
    work: &mut Work<'_>,
    account: Value<'_>,
    number: i64,
    part: &[u8],
) -> Result<(), StateError> {
    work.run(
        "INSERT INTO batchsweep_records (account, part, records) VALUES ($1, $2, $3)",
        &[account, Value::Int(number), Value::Bytes(part)],
    )
    .await
    .map(drop)
}
