//! An account's agenda: which firings have been dealt with, and what a look at the clock asks for.
//!
//! Pure: `now` is an argument. Not here: waiting (`alarm`), running (`crew`), the arithmetic (`schedule`).
//! Invariant: no firing is dealt with twice, and none is left out, whatever the wall clock does.

use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Timestamp;
use crate::schedule::{CatchUp, Schedule, Timing};

/// What one account has before it.
#[derive(Debug)]
pub(super) struct Agenda {
    timing: Timing,
    /// Every firing up to here has been dealt with.
    considered: Timestamp,
    /// The firing after that: reckoned once, asked for in every turn.
    firing: Option<Timestamp>,
    /// A run was cut off by the end of the process.
    interrupted: bool,
    /// When a run that could not reach the API is tried again, and how often it has been.
    again: Option<Timestamp>,
    tries: u32,
}

/// What is known of an account's last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastRun {
    pub(super) began: Timestamp,
    /// Whether its end was written down.
    pub(super) ended: bool,
}

/// What a look at the clock asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing.
    Nothing,
    /// So many firings came while a run was under way.
    Skipped(usize),
    /// So many firings were missed, and nothing makes up for them.
    Missed(usize),
    /// A run. So many firings before it were missed.
    Run { missed: usize },
}

/// Whether a run of the account is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    Free,
    Running,
}

/// A firing that is noticed later than this was missed: nobody was there for it.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// A clock that is set back by less than this has been corrected: its firings do not come twice.
const CORRECTION: TimeDelta = TimeDelta::minutes(5);

/// How long until a run that could not reach the API is tried again: doubled each time, up to an hour.
const FIRST_AGAIN: Duration = Duration::from_mins(1);
const LAST_AGAIN: Duration = Duration::from_hours(1);

impl Agenda {
    /// The agenda of an account that nothing is known of: nothing was missed.
    pub(super) fn new(timing: Timing, now: Timestamp) -> Self {
        let (interrupted, again, tries) = (false, None, 0);
        let mut agenda = Self { timing, considered: now, firing: None, interrupted, again, tries };
        agenda.consider(now);
        agenda
    }

    /// Every firing up to then has been dealt with.
    fn consider(&mut self, until: Timestamp) {
        self.considered = until;
        self.firing = self.timing.schedule().and_then(|schedule| schedule.next_after(until));
    }

    /// What has come since the last run was missed; a run that was cut off counts as missed itself.
    pub(super) fn recall(&mut self, last: LastRun, now: Timestamp) {
        self.consider(last.began.min(now));
        self.interrupted = !last.ended;
    }

    /// Takes another schedule. Nothing of it has been missed.
    pub(super) fn follow(&mut self, timing: Timing, now: Timestamp) {
        if timing != self.timing {
            (self.timing, self.again) = (timing, None);
            self.consider(now);
        }
    }

    /// Looks at the clock. What is due has then been dealt with.
    pub(super) fn look(&mut self, now: Timestamp, account: Account) -> Look {
        let again = self.again.take_if(|again| *again <= now).is_some();
        let Some(schedule) = self.timing.schedule() else { return Look::Nothing };
        if self.firing.is_none_or(|firing| firing > now) && !self.interrupted {
            return if again && account == Account::Free {
                Look::Run { missed: 0 }
            } else {
                Look::Nothing
            };
        }
        let due = schedule.count_within(self.considered, now);
        let last = schedule.last_within(self.considered, now);
        let on_time = last.is_some_and(|last| now - last <= LATE);
        let catch_up = schedule.catch_up;
        let interrupted = std::mem::take(&mut self.interrupted);
        self.consider(self.considered.max(now));
        if account == Account::Running {
            return Look::Skipped(due);
        }
        let missed = due - usize::from(on_time) + usize::from(interrupted);
        match catch_up {
            _ if on_time => Look::Run { missed },
            CatchUp::Once => Look::Run { missed },
            CatchUp::Skip => Look::Missed(missed),
        }
    }

    /// A run did what it could.
    pub(super) const fn ran(&mut self) {
        (self.again, self.tries) = (None, 0);
    }

    /// A run could not reach the API, or the state: it is tried again before its next firing.
    pub(super) fn could_not_reach(&mut self, now: Timestamp) {
        if self.schedule().is_none() {
            return;
        }
        let wait = FIRST_AGAIN.saturating_mul(1 << self.tries.min(16)).min(LAST_AGAIN);
        self.tries += 1;
        self.again = TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait));
    }

    /// How far the clock was set back, if it was; everything is then reckoned from now on anew.
    pub(super) fn set_back(&mut self, now: Timestamp) -> Option<TimeDelta> {
        let back = self.considered - now;
        if back <= CORRECTION {
            return None;
        }
        self.again = None;
        self.consider(now);
        Some(back)
    }

    /// When it has to be looked at next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.firing.into_iter().chain(self.again).min()
    }

    /// Its schedule, if it has one.
    pub(super) fn schedule(&self) -> Option<&Schedule> {
        self.timing.schedule()
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn daily(catch_up: CatchUp) -> Timing {
        let mut schedule = Schedule::parse("15 3 * * *", None, Tz::UTC).unwrap();
        schedule.catch_up = catch_up;
        Timing::At(Box::new(schedule))
    }

    const START: &str = "2026-11-24T12:00:00Z";

    fn agenda(catch_up: CatchUp) -> Agenda {
        Agenda::new(daily(catch_up), at(START))
    }

    #[test]
    fn a_firing_is_dealt_with_once() {
        let mut agenda = agenda(CatchUp::Once);
        let firing = at("2026-11-25T03:15:00Z");
        assert_eq!(agenda.next(), Some(firing));
        assert_eq!(
            agenda.look(firing - TimeDelta::milliseconds(600), Account::Free),
            Look::Nothing,
            "early"
        );
        assert_eq!(agenda.look(firing, Account::Free), Look::Run { missed: 0 });
        assert_eq!(agenda.look(firing, Account::Free), Look::Nothing);
        assert_eq!(agenda.next(), Some(firing + TimeDelta::days(1)));
    }

    // fault: C4
    #[test]
    fn missed_firings_come_to_one_run_or_none() {
        let monday = at("2026-11-28T12:00:00Z");
        for (catch_up, look) in
            [(CatchUp::Once, Look::Run { missed: 4 }), (CatchUp::Skip, Look::Missed(4))]
        {
            let mut agenda = agenda(catch_up);
            assert_eq!(agenda.look(monday, Account::Free), look);
            assert_eq!(agenda.look(monday, Account::Free), Look::Nothing);
        }
        let mut agenda = agenda(CatchUp::Skip);
        let on_time = at("2026-11-28T03:15:30Z");
        assert_eq!(
            agenda.look(on_time, Account::Free),
            Look::Run { missed: 3 },
            "the last is not missed"
        );
    }

    // fault: C4
    #[test]
    fn what_came_since_the_last_run_was_missed_and_a_run_cut_off_counts() {
        let yesterday = at("2026-11-23T03:15:00Z");
        for (ended, catch_up, look) in [
            (true, CatchUp::Once, Look::Run { missed: 1 }),
            (false, CatchUp::Once, Look::Run { missed: 2 }),
            (true, CatchUp::Skip, Look::Missed(1)),
        ] {
            let mut agenda = agenda(catch_up);
            agenda.recall(LastRun { began: yesterday, ended }, at(START));
            assert_eq!(agenda.look(at(START), Account::Free), look, "ended: {ended}");
        }
        let mut cut_off = agenda(CatchUp::Once);
        let today = at("2026-11-24T03:15:00Z");
        cut_off.recall(LastRun { began: today, ended: false }, at(START));
        assert_eq!(cut_off.look(at(START), Account::Free), Look::Run { missed: 1 });
        let mut done = agenda(CatchUp::Once);
        done.recall(LastRun { began: today, ended: true }, at(START));
        assert_eq!(done.look(at(START), Account::Free), Look::Nothing);
    }

    // fault: C6
    #[test]
    fn a_firing_during_a_run_is_skipped_and_counted() {
        let mut agenda = agenda(CatchUp::Once);
        assert_eq!(agenda.look(at("2026-11-26T04:00:00Z"), Account::Running), Look::Skipped(2));
        assert_eq!(agenda.look(at("2026-11-26T04:00:00Z"), Account::Free), Look::Nothing);
    }

    // fault: C2
    #[test]
    fn a_clock_that_was_far_ahead_does_not_silence_the_schedule() {
        let mut agenda = agenda(CatchUp::Once);
        let ahead = at("2027-11-24T12:00:00Z");
        assert_eq!(agenda.look(ahead, Account::Free), Look::Run { missed: 365 });
        let corrected = at("2026-11-24T12:10:00Z");
        assert_eq!(agenda.set_back(corrected), Some(ahead - corrected));
        assert_eq!(agenda.next(), Some(at("2026-11-25T03:15:00Z")));
        let firing = at("2026-11-25T03:15:00Z");
        assert_eq!(agenda.look(firing, Account::Free), Look::Run { missed: 0 });
        assert_eq!(agenda.set_back(firing - TimeDelta::seconds(30)), None, "a correction");
        assert_eq!(agenda.next(), Some(firing + TimeDelta::days(1)), "and no second firing");
    }

    // fault: Y2
    #[test]
    fn a_run_that_could_not_reach_the_api_is_tried_again_ever_later() {
        let mut agenda = agenda(CatchUp::Once);
        let mut now = at(START);
        let mut waits = Vec::new();
        for _ in 0..8 {
            agenda.could_not_reach(now);
            let again = agenda.next().unwrap();
            waits.push((again - now).num_minutes());
            assert_eq!(agenda.look(again, Account::Free), Look::Run { missed: 0 });
            now = again;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        agenda.ran();
        assert_eq!(agenda.next(), Some(at("2026-11-25T03:15:00Z")));
    }

    #[test]
    fn without_a_schedule_nothing_is_ever_due() {
        for timing in [Timing::Unset, Timing::Off] {
            let mut agenda = Agenda::new(timing, at(START));
            agenda.recall(LastRun { began: at("2020-01-01T00:00:00Z"), ended: false }, at(START));
            agenda.could_not_reach(at(START));
            assert_eq!(
                (agenda.next(), agenda.look(at(START), Account::Free)),
                (None, Look::Nothing)
            );
        }
    }

    #[test]
    fn another_schedule_begins_now_and_the_same_one_goes_on() {
        let mut agenda = agenda(CatchUp::Once);
        let later = at("2026-11-26T12:00:00Z");
        agenda.follow(daily(CatchUp::Once), later);
        assert_eq!(agenda.look(later, Account::Free), Look::Run { missed: 2 }, "the same");
        let other = Timing::At(Box::new(Schedule::parse("0 5 * * *", None, Tz::UTC).unwrap()));
        agenda.follow(other, later);
        assert_eq!(agenda.next(), Some(at("2026-11-27T05:00:00Z")));
    }
}
