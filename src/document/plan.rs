//! A batch of a plan: what it is, its verdict and why.

use serde::Serialize;

use crate::batch::{Batch, Fact, Field, RuleName, Status};
use crate::clock::Timestamp;
use crate::policy::verdict::Verdict;

/// Why a batch with such an id stays.
pub const BAD_ID: &str =
    "its id cannot stand in a path of the API, so it cannot be asked for: it stays";

/// A batch and its verdict. Texts of the API are as they were sent; a field that is null is missing, or
/// could not be read: then `unreadable` names it.
#[derive(Debug, Serialize)]
pub struct BatchDocument<'a> {
    id: &'a str,
    name: Option<&'a str>,
    status: Option<&'a str>,
    created_at: Option<Timestamp>,
    last_run: Option<Timestamp>,
    schedule_type: Option<&'a str>,
    priority: Option<&'a str>,
    enabled: Option<bool>,
    destinations: Option<&'a [Box<str>]>,
    searches: Option<u64>,
    results_count: Option<u64>,
    next_result_set_id: Option<u64>,
    unreadable: Vec<&'static str>,
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
            schedule_type: batch.schedule_type.known().map(AsRef::as_ref),
            priority: batch.priority.known().map(AsRef::as_ref),
            enabled: batch.enabled.known().copied(),
            destinations: batch.destinations.known().map(AsRef::as_ref),
            searches: batch.searches.known().copied(),
            results_count: batch.results_count.known().copied(),
            next_result_set_id: batch.next_result_set_id.known().copied(),
            unreadable: unreadable(batch),
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
            schedule_type: None,
            priority: None,
            enabled: None,
            destinations: None,
            searches: None,
            results_count: None,
            next_result_set_id: None,
            unreadable: Vec::new(),
            verdict: "unknown",
            selected_by: &[],
            kept_by: &[],
            reason: BAD_ID.to_owned(),
            eligible_at: None,
        }
    }
}

/// The fields that were sent and could not be read.
fn unreadable(batch: &Batch) -> Vec<&'static str> {
    fn is_odd<T>(fact: &Fact<T>) -> bool {
        matches!(fact, Fact::Unreadable(_))
    }
    let fields = [
        (Field::Name, is_odd(&batch.name)),
        (Field::Status, is_odd(&batch.status)),
        (Field::CreatedAt, is_odd(&batch.created_at)),
        (Field::LastRun, is_odd(&batch.last_run)),
        (Field::ScheduleType, is_odd(&batch.schedule_type)),
        (Field::Priority, is_odd(&batch.priority)),
        (Field::Enabled, is_odd(&batch.enabled)),
        (Field::Destinations, is_odd(&batch.destinations)),
        (Field::Searches, is_odd(&batch.searches)),
        (Field::ResultsCount, is_odd(&batch.results_count)),
        (Field::NextResultSetId, is_odd(&batch.next_result_set_id)),
    ];
    fields.into_iter().filter(|(_, is_odd)| *is_odd).map(|(field, _)| field.as_str()).collect()
}
