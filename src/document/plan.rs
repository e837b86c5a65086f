//! A batch of a plan: what it is, its verdict and why.

use serde::Serialize;

use crate::batch::{Batch, RuleName, Status};
use crate::clock::Timestamp;
use crate::policy::verdict::Verdict;

/// Why a batch with such an id stays.
pub const BAD_ID: &str =
    "its id cannot stand in a path of the API, so it cannot be asked for: it stays";

/// A batch and its verdict. Texts of the API are as they were sent.
#[derive(Debug, Serialize)]
pub struct BatchDocument<'a> {
    id: &'a str,
    name: Option<&'a str>,
    status: Option<&'a str>,
    created_at: Option<Timestamp>,
    last_run: Option<Timestamp>,
    verdict: &'static str,
    selected_by: &'a [RuleName],
    kept_by: &'a [RuleName],
    reason: String,
    eligible_at: Option<Timestamp>,
}

impl<'a> BatchDocument<'a> {
    /// Of a batch that can be asked for.
    pub fn of((batch, verdict): (&'a Batch, &'a Verdict)) -> Self {
        Self {
            id: batch.id.as_str(),
            name: batch.name.known().map(AsRef::as_ref),
            status: batch.status.known().map(Status::as_str),
            created_at: batch.created_at.known().copied(),
            last_run: batch.last_run.known().copied(),
            verdict: verdict.name(),
            selected_by: verdict.selected_by(),
            kept_by: verdict.kept_by(),
            reason: verdict.reason(),
            eligible_at: verdict.eligible_at(),
        }
    }

    /// The same with an instant from which on it may go, where more than the verdict is known.
    #[must_use]
    pub fn eligible_at(self, eligible_at: Option<Timestamp>) -> Self {
        Self { eligible_at, ..self }
    }

    /// Of a batch whose id cannot be asked for: listed, and kept.
    pub fn of_hostile(id: &'a str) -> Self {
        Self {
            id,
            name: None,
            status: None,
            created_at: None,
            last_run: None,
            verdict: "unknown",
            selected_by: &[],
            kept_by: &[],
            reason: BAD_ID.to_owned(),
            eligible_at: None,
        }
    }
}
