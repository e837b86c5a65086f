//! Marks: since when a rule has selected a batch in every complete run. What `grace` counts from.
//!
//! One row for a rule holds all its marks, packed: most runs change none of ten thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::State;
use super::error::StateError;
use super::link::{Value, Work};
use super::pack;
use crate::batch::{AccountName, BatchId, RuleName};
use crate::clock::Timestamp;

/// The marks of one account: by rule and batch, selected without a break since.
pub type Marks = BTreeMap<RuleName, BTreeMap<BatchId, Timestamp>>;

impl State {
    /// Takes over what the rules of an account select in a complete run: what is new is marked `now`,
    /// what was marked keeps its time, what is not selected any more loses its mark. Gives the marks.
    ///
    /// # Errors
    /// When it cannot be written; then the marks stay as they were.
    pub async fn update_marks(
        &self,
        account: &AccountName,
        now: Timestamp,
        selected: &BTreeMap<RuleName, BTreeSet<BatchId>>,
    ) -> Result<Marks, StateError> {
        // Most runs change nothing: no transaction is begun then.
        let before = read_marks(&mut self.read().await?, account).await?;
        let after = carried(&before, now, selected);
        if after == before {
            return Ok(after);
        }
        let mut work = self.write().await?;
        // What was read before may have changed meanwhile.
        let before = read_marks(&mut work, account).await?;
        let after = carried(&before, now, selected);
        for rule in before.keys().filter(|rule| !after.contains_key(*rule)) {
            work.run(
                "DELETE FROM batchsweep_marks WHERE account = $1 AND rule = $2",
                &[Value::Text(account.as_str()), Value::Text(rule.as_str())],
            )
            .await?;
        }
        for (rule, marks) in after.iter().filter(|(rule, marks)| before.get(*rule) != Some(marks)) {
            work.run(
                "INSERT INTO batchsweep_marks (account, rule, marks) VALUES ($1, $2, $3)
                 ON CONFLICT (account, rule) DO UPDATE SET marks = excluded.marks",
                &[
                    Value::Text(account.as_str()),
                    Value::Text(rule.as_str()),
                    Value::Bytes(&written(marks)),
                ],
            )
            .await?;
        }
        work.commit().await?;
        Ok(after)
    }

    /// The marks of an account.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn marks(&self, account: &AccountName) -> Result<Marks, StateError> {
        read_marks(&mut self.read().await?, account).await
    }
}

/// The marks after a run: pure.
fn carried(
    before: &Marks,
    now: Timestamp,
    selected: &BTreeMap<RuleName, BTreeSet<BatchId>>,
) -> Marks {
    let none = BTreeMap::new();
    selected
        .iter()
        .filter(|(_, batches)| !batches.is_empty())
        .map(|(rule, batches)| {
            let known = before.get(rule).unwrap_or(&none);
            let since = |batch| known.get(batch).copied().unwrap_or(now);
            (rule.clone(), batches.iter().map(|batch| (batch.clone(), since(batch))).collect())
        })
        .collect()
}

async fn read_marks(work: &mut Work<'_>, account: &AccountName) -> Result<Marks, StateError> {
    let rows = work
        .rows(
            "SELECT rule, marks FROM batchsweep_marks WHERE account = $1",
            &[Value::Text(account.as_str())],
        )
        .await?;
    let mut all = Marks::new();
    for row in rows {
        let rule = row.rule(0)?;
        let Some(marks) = read(&row.bytes(1)?) else {
            return Err(row.damaged(format!("the marks of rule `{rule}` cannot be read")));
        };
        all.insert(rule, marks);
    }
    Ok(all)
}

/// A line for each: milliseconds, a space, the id.
fn written(marks: &BTreeMap<BatchId, Timestamp>) -> Vec<u8> {
    let mut text = String::with_capacity(marks.len() * 24);
    for (batch, since) in marks {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "{} {batch}", since.timestamp_millis());
    }
    pack::pack(text.as_bytes())
}

fn read(packed: &[u8]) -> Option<BTreeMap<BatchId, Timestamp>> {
    let text = String::from_utf8(pack::unpack(packed)?).ok()?;
    let line = |line: &str| {
        let (ms, batch) = line.split_once(' ')?;
        let since = Timestamp::from_timestamp_millis(ms.parse().ok()?)?;
        Some((BatchId::parse(batch).ok()?, since))
    };
    text.lines().map(line).collect()
}
