//! Rule versions: since when each rule of an account has said what it says. What `probation` counts
//! from.

use std::collections::BTreeMap;

use super::State;
use super::error::StateError;
use super::link::{Value, Work};
use crate::batch::{AccountName, RuleName};
use crate::clock::Timestamp;

/// A rule's hash, and since when it has it.
type Versions = BTreeMap<RuleName, (String, Timestamp)>;

impl State {
    /// Takes over the rules of an account, each with its hash, and gives since when each has had it. A
    /// rule that changes, or that was away and comes back, begins anew.
    ///
    /// # Errors
    /// When it cannot be written; then all stays as it was.
    pub async fn see_rules(
        &self,
        account: &AccountName,
        now: Timestamp,
        rules: &BTreeMap<RuleName, String>,
    ) -> Result<BTreeMap<RuleName, Timestamp>, StateError> {
        let before = versions(&mut self.read().await?, account).await?;
        let is_known = before.len() == rules.len()
            && rules.iter().all(|(rule, hash)| before.get(rule).is_some_and(|was| was.0 == *hash));
        if is_known {
            return Ok(before.into_iter().map(|(rule, (_, since))| (rule, since)).collect());
        }
        let mut work = self.write().await?;
        let before = versions(&mut work, account).await?;
        for rule in before.keys().filter(|rule| !rules.contains_key(*rule)) {
            work.run(
                "DELETE FROM batchsweep_rules WHERE account = $1 AND rule = $2",
                &[Value::Text(account.as_str()), Value::Text(rule.as_str())],
            )
            .await?;
        }
        let mut seen = BTreeMap::new();
        for (rule, hash) in rules {
            let known = before.get(rule).filter(|(was, _)| was == hash);
            if known.is_none() {
                write_version(&mut work, account, (rule, hash), now).await?;
            }
            seen.insert(rule.clone(), known.map_or(now, |(_, since)| *since));
        }
        work.commit().await?;
        Ok(seen)
    }
}

impl State {
    /// Each delete rule's hash as last seen, and since when it has it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn rule_versions(
        &self,
        account: &AccountName,
    ) -> Result<BTreeMap<RuleName, (String, Timestamp)>, StateError> {
        versions(&mut self.read().await?, account).await
    }
}

async fn versions(work: &mut Work<'_>, account: &AccountName) -> Result<Versions, StateError> {
    let rows = work
        .rows(
            "SELECT rule, hash, since FROM batchsweep_rules WHERE account = $1",
            &[Value::Text(account.as_str())],
        )
        .await?;
    rows.iter().map(|row| Ok((row.rule(0)?, (row.text(1)?, row.time(2)?)))).collect()
}

async fn write_version(
    work: &mut Work<'_>,
    account: &AccountName,
    (rule, hash): (&RuleName, &str),
    now: Timestamp,
) -> Result<(), StateError> {
    work.run(
        "INSERT INTO batchsweep_rules (account, rule, hash, since) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, rule) DO UPDATE SET hash = excluded.hash, since = excluded.since",
        &[Value::Text(account.as_str()), Value::Text(rule.as_str()), Value::Text(hash), now.into()],
    )
    .await
    .map(drop)
}
