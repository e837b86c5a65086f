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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::{Builder, at, batch};
    use crate::batch::word;

    type Change = fn(&mut Batch);

    fn looked_at(change: Change) -> Recheck {
        recheck(&batch("A1").build(), &batch("A1").with(change).build())
    }

    #[test]
    fn the_same_idle_batch_is_ready() {
        assert_eq!(looked_at(|_| {}), Recheck::Ready);
    }

    // fault: H13, H14
    #[test]
    fn anything_but_a_known_idle_is_busy() {
        let odd: [(Change, Fact<Status>); 5] = [
            (|b| b.status = Fact::Known(Status::Running), Fact::Known(Status::Running)),
            (|b| b.status = Fact::Known(Status::Queued), Fact::Known(Status::Queued)),
            (
                |b| b.status = Fact::Known(Status::Other("stopping".into())),
                Fact::Known(Status::Other("stopping".into())),
            ),
            (|b| b.status = Fact::Missing, Fact::Missing),
            (|b| b.status = Fact::Unreadable("7".into()), Fact::Unreadable("7".into())),
        ];
        for (change, status) in odd {
            assert_eq!(looked_at(change), Recheck::Busy(status));
        }
    }

    // fault: T4
    #[test]
    fn a_change_of_any_field_that_both_looks_have_is_seen() {
        let changes: [(Change, Field); 10] = [
            (|b| b.name = Fact::Known("mine now".into()), Field::Name),
            (|b| b.created_at = Fact::Known(at("2026-01-01T00:00:00.001Z")), Field::CreatedAt),
            (|b| b.schedule_type = Fact::Known(word("daily")), Field::ScheduleType),
            (|b| b.enabled = Fact::Known(false), Field::Enabled),
            (|b| b.priority = Fact::Known(word("high")), Field::Priority),
            (|b| b.destinations = Fact::Known(["D1".into()].into()), Field::Destinations),
            (|b| b.searches = Fact::Known(2), Field::Searches),
            (|b| b.results_count = Fact::Known(0), Field::ResultsCount),
            (|b| b.next_result_set_id = Fact::Known(3), Field::NextResultSetId),
            (|b| b.last_run = Fact::Known(at("2026-01-03T00:00:00Z")), Field::LastRun),
        ];
        for (change, field) in changes {
            assert_eq!(looked_at(change), Recheck::Changed(vec![field]));
        }
    }

    #[test]
    fn a_field_that_one_look_omits_says_nothing() {
        let omitted: [Change; 4] = [
            |b| b.last_run = Fact::Missing,
            |b| b.next_result_set_id = Fact::Missing,
            |b| b.priority = Fact::Missing,
            |b| b.searches = Fact::Missing,
        ];
        for change in omitted {
            assert_eq!(looked_at(change), Recheck::Ready);
        }
    }

    #[test]
    fn a_first_run_since_the_plan_is_a_change() {
        let never_ran = || -> Builder { batch("A1").with(|b| b.last_run = Fact::Missing) };
        let ran = batch("A1").build();
        assert_eq!(recheck(&never_ran().build(), &ran), Recheck::Changed(vec![Field::LastRun]));
    }

    #[test]
    fn an_unreadable_field_where_there_was_a_value_is_a_change() {
        let odd: Change = |b| b.searches = Fact::Unreadable("-1".into());
        assert_eq!(looked_at(odd), Recheck::Changed(vec![Field::Searches]));
    }

    #[test]
    fn the_answer_about_another_batch_is_a_change() {
        let other = batch("A2").build();
        assert_eq!(recheck(&batch("A1").build(), &other), Recheck::Changed(vec![Field::Id]));
    }
}
