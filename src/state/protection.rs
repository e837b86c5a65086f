//! Protections: the keep rules of an account as they were last seen. What one of them protected may be
//! exposed once it is edited or taken away; `probation` counts from then.
//!
//! Not here: since when delete rules are what they are (`rules`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::State;
use super::error::StateError;
use super::link::{Value, Work};
use super::schema::NOTE;
use crate::batch::{AccountName, RuleName};
use crate::clock::Timestamp;

/// What edits of keep rules may have exposed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposed {
    /// When a keep rule last was edited or taken away; `None` where none ever was.
    pub since: Option<Timestamp>,
    /// The keep rules that were, this time.
    pub by: Vec<RuleName>,
}

/// The keep rules with their hashes, and when one of them last was edited or taken away (milliseconds).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    rules: BTreeMap<String, String>,
    exposed_ms: Option<i64>,
}

impl State {
    /// Takes over the keep rules of an account, each with its hash. A rule that is new exposes nothing.
    ///
    /// # Errors
    /// When it cannot be written; then all stays as it was.
    pub async fn see_keep_rules(
        &self,
        account: &AccountName,
        now: Timestamp,
        rules: &BTreeMap<RuleName, String>,
    ) -> Result<Exposed, StateError> {
        let before = seen(&mut self.read().await?, account).await?;
        let (after, exposed) = compared(&before, now, rules);
        if after != before {
            let text = serde_json::to_string(&after).unwrap_or_default();
            let mut work = self.write().await?;
            work.run(NOTE, &[Value::Text(&name(account)), Value::Text(&text)]).await?;
            work.commit().await?;
        }
        Ok(exposed)
    }

    /// The same for somebody who only looks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn exposed(
        &self,
        account: &AccountName,
        now: Timestamp,
        rules: &BTreeMap<RuleName, String>,
    ) -> Result<Exposed, StateError> {
        let before = seen(&mut self.read().await?, account).await?;
        Ok(compared(&before, now, rules).1)
    }
}

/// What is seen now, and what that may expose: pure.
fn compared(before: &Seen, now: Timestamp, rules: &BTreeMap<RuleName, String>) -> (Seen, Exposed) {
    let rules: BTreeMap<_, _> =
        rules.iter().map(|(rule, hash)| (rule.to_string(), hash.clone())).collect();
    let lost = before.rules.iter().filter(|(rule, hash)| rules.get(*rule) != Some(*hash));
    let by: Vec<_> = lost.filter_map(|(rule, _)| RuleName::parse(rule).ok()).collect();
    let exposed_ms = if by.is_empty() { before.exposed_ms } else { Some(now.timestamp_millis()) };
    let since = exposed_ms.and_then(Timestamp::from_timestamp_millis);
    (Seen { rules, exposed_ms }, Exposed { since, by })
}

async fn seen(work: &mut Work<'_>, account: &AccountName) -> Result<Seen, StateError> {
    let name = name(account);
    let sql = "SELECT value FROM batchsweep_meta WHERE name = $1";
    let row = work.row(sql, &[Value::Text(&name)]).await?;
    row.map_or_else(|| Ok(Seen::default()), |row| row.json(0))
}

fn name(account: &AccountName) -> String {
    format!("keep rules of {account}")
}
