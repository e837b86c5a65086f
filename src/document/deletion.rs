//! A past deletion, as `history` and `explain` write it.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::state::Deletion;

/// One deletion.
#[derive(Debug, Serialize)]
pub struct DeletionDocument<'a> {
    run_id: String,
    account: &'a str,
    batch_id: &'a str,
    name: &'a str,
    rule: &'a str,
    outcome: &'a str,
    detail: Option<&'a str>,
    at: Timestamp,
}

impl<'a> DeletionDocument<'a> {
    /// Of a deletion.
    pub fn of(deletion: &'a Deletion) -> Self {
        let entry = &deletion.entry;
        Self {
            run_id: entry.run_id.to_string(),
            account: entry.account.as_str(),
            batch_id: entry.batch.as_str(),
            name: &entry.name,
            rule: entry.rule.as_str(),
            outcome: deletion.word(),
            detail: deletion.outcome.as_ref().and_then(|outcome| outcome.detail.as_deref()),
            at: deletion.at(),
        }
    }
}
