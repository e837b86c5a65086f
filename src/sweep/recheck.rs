//! The second look: whether a batch, looked at again, is still the one that the plan may delete.
//!
//! Pure. Not here: the Get itself, the wait for busy ones (`sweep`).

use crate::batch::{Batch, Fact, Field, Status};

/// What a second look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recheck {
    /// The same batch, idle and unchanged.
    Ready,
    /// At work, or nobody can say.
    Busy(Fact<Status>),
    /// Somebody was at work on it.
    Changed(Vec<Field>),
}

/// Compares a batch as planned with the same batch as it is now. Anything but a known `idle` is
/// busy; every field that both answers have must be equal (contract §4: there is no conditional
/// delete, so this look is all there is).
pub fn recheck(planned: &Batch, now: &Batch) -> Recheck {
    if planned.id != now.id {
        return Recheck::Changed(vec![Field::Id]);
    }
    if now.status != Fact::Known(Status::Idle) {
        return Recheck::Busy(now.status.clone());
    }
    let changes = planned.changes(now);
    if changes.is_empty() { Recheck::Ready } else { Recheck::Changed(changes) }
}
