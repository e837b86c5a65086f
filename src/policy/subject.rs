//! A batch at an instant: the facts that many matchers ask for, worked out once.

use crate::batch::{Batch, Fact, Field};
use crate::clock::Timestamp;

/// One batch, looked at at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'b> {
    pub(super) batch: &'b Batch,
    pub(super) now: Timestamp,
    /// When it was created; else the field that cannot tell.
    pub(super) created: Result<Timestamp, Field>,
    /// Its last activity, the later of creation and last run; else the field that cannot tell.
    pub(super) active: Result<Timestamp, Field>,
}

impl<'b> Subject<'b> {
    pub(super) fn new(batch: &'b Batch, now: Timestamp) -> Self {
        let created = past(&batch.created_at, now).ok_or(Field::CreatedAt);
        Self { batch, now, created, active: created.and_then(|at| activity(batch, at, now)) }
    }
}

/// A known time that is not in the future. One that is says that something is wrong with a clock.
fn past(time: &Fact<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    time.known().copied().filter(|time| *time <= now)
}

/// A batch that never ran was last active when it was created; one of which nobody can say whether
/// it ran has no known activity.
fn activity(batch: &Batch, created: Timestamp, now: Timestamp) -> Result<Timestamp, Field> {
    match batch.never_ran() {
        Some(true) => Ok(created),
        Some(false) => past(&batch.last_run, now).map(|ran| ran.max(created)).ok_or(Field::LastRun),
        None => Err(Field::LastRun),
    }
}
