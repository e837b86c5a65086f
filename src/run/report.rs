//! How a run ended, and which exit code it asks for.
//!
//! Not here: how that is shown (`cli`). Exit codes are an interface: see the README's table.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::error::{Error, Kind};
use crate::batch::{AccountName, RunId, counted};
use crate::clock::Timestamp;
use crate::guards::Tripped;
use crate::inventory::IncompleteInventory;
use crate::observe::event::{Event, Scope};
use crate::run::apply::Refusal;
use crate::run::{Admission, plan_of};
use crate::state::{Class, RunEnd, StateError};
use crate::sweep::outcome::Outcome;
use crate::sweep::settle::Unsettled;
use crate::sweep::{self, Ended};

/// What is left of a run when it is over.
#[derive(Debug)]
pub struct RunReport {
    /// Whose run.
    pub account: AccountName,
    /// Which run.
    pub run_id: RunId,
    /// How it ended.
    pub ending: Ending,
    /// Calls sent, each attempt counted.
    pub requests: u64,
    /// How long it took.
    pub duration: Duration,
    /// Whether its plan is kept, so that a person may approve it.
    pub is_kept: bool,
    /// The signal that asked the program to end, if one did.
    pub signal: Option<u8>,
    /// Why the end of the run could not be written down, if so.
    pub unrecorded: Option<StateError>,
}

impl RunReport {
    /// A run that could not begin.
    pub fn not_begun(scope: Scope, cause: impl Into<Ending>) -> Self {
        Self {
            account: scope.account,
            run_id: scope.run_id,
            ending: cause.into(),
            requests: 0,
            duration: Duration::ZERO,
            is_kept: false,
            signal: None,
            unrecorded: None,
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// Nothing was begun: the key or the client is not to be had.
    NotBegun(NotBegun),
    /// Another process has the account; nothing was deleted.
    Locked(StateError),
    /// The state cannot be relied on; nothing was deleted.
    NoState(StateError),
    /// A sealed plan does not fit any more; nothing was deleted.
    Refused(Refusal),
    /// What a killed run left open could not be settled; nothing was deleted.
    Unsettled(Error),
    /// The listing could not be proven complete; nothing was deleted.
    Incomplete(IncompleteInventory),
    /// A guard stopped the plan; nothing was deleted.
    Guarded(Box<Tripped>),
    /// A dry run; nothing could be deleted.
    Dry(Admission),
    /// The plan was carried out, as far as it went.
    Swept(Box<sweep::Report>),
    /// A bug ended it; what it left open is in the journal.
    Broken,
}

/// Why a run was not even begun.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// There is no usable key.
    #[error("the key cannot be used")]
    Key(#[source] crate::config::KeyProblem),
    /// There is no usable HTTP client.
    #[error("the HTTP client cannot be built")]
    Client(#[source] Error),
}

/// The exit codes (README has the table). `Stopped` becomes 130 or 143 by the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, also with nothing to do.
    Done,
    /// Some deletions failed.
    SomeFailed,
    /// Wrong usage.
    Usage,
    /// A guard stopped it.
    Guarded,
    /// Another process has the account.
    Locked,
    /// The state cannot be relied on.
    State,
    /// The listing could not be proven complete.
    Incomplete,
    /// A bug.
    Internal,
    /// The API is not reachable, or failing.
    Unavailable,
    /// The key was refused, or payment is due.
    KeyRefused,
    /// The configuration is bad.
    Configuration,
    /// Stopped by a signal with work left.
    Stopped,
}

impl Exit {
    /// The number; `signal` is the one that stopped the program, if one did.
    pub const fn code(self, signal: Option<u8>) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::Usage => 2,
            Self::Guarded => 3,
            Self::Incomplete => 4,
            Self::Locked => 5,
            Self::State => 74,
            Self::Internal => 70,
            Self::Unavailable => 75,
            Self::KeyRefused => 77,
            Self::Configuration => 78,
            Self::Stopped => match signal {
                Some(number) => 128 + number,
                None => 143,
            },
        }
    }

    /// The worse of two, in the order in which several accounts decide.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        const ORDER: [Exit; 12] = [
            Exit::Internal,
            Exit::Configuration,
            Exit::KeyRefused,
            Exit::State,
            Exit::Unavailable,
            Exit::Incomplete,
            Exit::Locked,
            Exit::Guarded,
            Exit::Stopped,
            Exit::SomeFailed,
            Exit::Usage,
            Exit::Done,
        ];
        let weight = |exit| ORDER.iter().position(|one| *one == exit);
        if weight(self) <= weight(other) { self } else { other }
    }
}

/// The exit code that a failed call of the listing asks for.
pub const fn exit_of_call(error: &Error) -> Exit {
    match error.kind() {
        Kind::Unreachable(_)
        | Kind::NotConnected(_)
        | Kind::TimedOut { .. }
        | Kind::Throttled { .. }
        | Kind::Failing { .. } => Exit::Unavailable,
        Kind::KeyRefused(_) | Kind::PaymentRequired(_) => Exit::KeyRefused,
        Kind::WrongPath(_) | Kind::WrongFamily { .. } | Kind::Setup(_) => Exit::Configuration,
        Kind::Redirected { .. }
        | Kind::NotAnEnvelope { .. }
        | Kind::BrokenBody(_)
        | Kind::TooLarge
        | Kind::Refused { .. }
        | Kind::Unexpected(_) => Exit::Incomplete,
        Kind::Stopped => Exit::Stopped,
    }
}

/// The exit code that a state asks for that cannot be relied on.
pub const fn exit_of_state(error: &StateError) -> Exit {
    match error.class() {
        Class::Locked => Exit::Locked,
        Class::Configuration => Exit::Configuration,
        Class::Unusable => Exit::State,
        Class::Vanished => Exit::Guarded,
    }
}

impl From<NotBegun> for Ending {
    fn from(cause: NotBegun) -> Self {
        Self::NotBegun(cause)
    }
}

impl From<StateError> for Ending {
    fn from(error: StateError) -> Self {
        match error.class() {
            Class::Locked => Self::Locked(error),
            Class::Configuration | Class::Unusable | Class::Vanished => Self::NoState(error),
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unsettled> for Ending {
    fn from(cause: Unsettled) -> Self {
        match cause {
            Unsettled::State(error) => error.into(),
            Unsettled::Look { source, .. } => Self::Unsettled(source),
        }
    }
}

/// The exit code that an incomplete listing asks for.
pub const fn exit_of_listing(cause: &IncompleteInventory) -> Exit {
    match cause {
        IncompleteInventory::Page { source, .. } => exit_of_call(source),
        IncompleteInventory::Flawed(_) => Exit::Incomplete,
    }
}

impl RunReport {
    /// `swept`, `dry_run`, `guarded`, `incomplete`, `locked` or `failed`.
    pub fn outcome(&self) -> &'static str {
        match &self.ending {
            Ending::Incomplete(cause) if exit_of_listing(cause) == Exit::Incomplete => "incomplete",
            Ending::Locked(_) => "locked",
            Ending::NotBegun(_)
            | Ending::NoState(_)
            | Ending::Refused(_)
            | Ending::Unsettled(_)
            | Ending::Incomplete(_)
            | Ending::Broken => "failed",
            Ending::Guarded(_) => "guarded",
            Ending::Dry(_) => "dry_run",
            Ending::Swept(report) => match report.ended {
                Ended::Hopeless(_) | Ended::StateFailed(_) => "failed",
                Ended::Whole | Ended::Stopped | Ended::TooManyFailures(_) => "swept",
            },
        }
    }

    /// The exit code it asks for.
    pub fn exit(&self) -> Exit {
        let exit = match &self.ending {
            Ending::NotBegun(_) => Exit::Configuration,
            Ending::Locked(error) | Ending::NoState(error) => exit_of_state(error),
            Ending::Unsettled(error) => exit_of_call(error),
            Ending::Refused(_) => Exit::SomeFailed,
            Ending::Incomplete(cause) => exit_of_listing(cause),
            Ending::Guarded(_) => Exit::Guarded,
            Ending::Dry(_) => Exit::Done,
            Ending::Swept(report) => exit_of_sweep(report),
            Ending::Broken => Exit::Internal,
        };
        self.unrecorded.as_ref().map_or(exit, |problem| exit.worse(exit_of_state(problem)))
    }

    /// The number of that code.
    pub fn exit_code(&self) -> u8 {
        self.exit().code(self.signal)
    }

    /// Batches by what became of them (or, where nothing was done, by verdict).
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        match &self.ending {
            Ending::NotBegun(_)
            | Ending::Locked(_)
            | Ending::NoState(_)
            | Ending::Refused(_)
            | Ending::Unsettled(_)
            | Ending::Incomplete(_)
            | Ending::Broken => BTreeMap::new(),
            Ending::Guarded(tripped) => tripped.plan().counts(),
            Ending::Dry(admission) => plan_of(admission).counts(),
            Ending::Swept(report) => {
                let mut counts: BTreeMap<_, _> = Outcome::NAMES.map(|name| (name, 0)).into();
                for one in &report.swept {
                    *counts.entry(one.outcome.name()).or_default() += 1;
                }
                counts
            }
        }
    }

    /// Whether a last listing proved the deletions.
    pub const fn verified(&self) -> Option<bool> {
        match &self.ending {
            Ending::Swept(report) => report.verified,
            Ending::NotBegun(_)
            | Ending::Locked(_)
            | Ending::NoState(_)
            | Ending::Refused(_)
            | Ending::Unsettled(_)
            | Ending::Incomplete(_)
            | Ending::Guarded(_)
            | Ending::Dry(_)
            | Ending::Broken => None,
        }
    }

    /// What went wrong, in one line, if anything ended the run early.
    pub fn error(&self) -> Option<String> {
        match &self.ending {
            Ending::NotBegun(NotBegun::Key(problem)) => Some(problem.to_string()),
            Ending::NotBegun(NotBegun::Client(error)) => Some(error.cause()),
            Ending::Locked(error) | Ending::NoState(error) => Some(error.sentence()),
            Ending::Refused(refusal) => Some(format!("the sealed plan is refused: {refusal}")),
            Ending::Unsettled(error) => Some(format!(
                "deletions that a killed run left open cannot be looked at: {}",
                error.cause()
            )),
            Ending::Incomplete(cause) => Some(cause.sentence()),
            Ending::Guarded(_) | Ending::Dry(_) => None,
            Ending::Broken => Some("a bug in this program ended the run".to_owned()),
            Ending::Swept(report) => match &report.ended {
                Ended::Whole if report.verified == Some(false) => {
                    Some("the deletions could not be proven by a last listing".to_owned())
                }
                Ended::Whole => None,
                Ended::Stopped => Some("stopped by a signal with work left".to_owned()),
                Ended::TooManyFailures(count) => {
                    let failures = counted(*count, "failure", "failures in a row");
                    Some(format!("{failures} ended the sweep"))
                }
                Ended::Hopeless(error) => Some(error.cause()),
                Ended::StateFailed(error) => Some(error.sentence()),
            },
        }
    }

    /// The same as the state keeps it.
    pub fn end(&self, now: Timestamp) -> RunEnd {
        let counts = self.counts().into_iter();
        RunEnd {
            run_id: self.run_id,
            ended: now,
            outcome: self.outcome().to_owned(),
            exit_code: self.exit_code(),
            counts: counts.map(|(name, count)| (name.to_owned(), count as u64)).collect(),
            verified: self.verified(),
            requests: self.requests,
            duration: self.duration,
            error: self.error(),
            batches: self.batches_left().map(|count| count as u64),
        }
    }

    /// How many batches the account has now, as far as this run knows; `None` where it made no complete
    /// listing.
    pub fn batches_left(&self) -> Option<usize> {
        match &self.ending {
            Ending::NotBegun(_)
            | Ending::Locked(_)
            | Ending::NoState(_)
            | Ending::Refused(_)
            | Ending::Unsettled(_)
            | Ending::Incomplete(_)
            | Ending::Broken => None,
            Ending::Guarded(tripped) => Some(tripped.plan().inventory().len()),
            Ending::Dry(admission) => Some(plan_of(admission).inventory().len()),
            Ending::Swept(report) => {
                let is_gone = |one: &&sweep::Swept| one.outcome.is_gone();
                let gone = report.swept.iter().filter(is_gone).count();
                Some(report.plan.inventory().len().saturating_sub(gone))
            }
        }
    }

    /// The event that says so.
    pub fn finished(&self) -> Event {
        Event::RunFinished {
            outcome: self.outcome(),
            counts: self.counts(),
            verified: self.verified(),
            requests: self.requests,
            duration: self.duration,
            exit_code: self.exit_code(),
            error: self.error(),
        }
    }
}

fn exit_of_sweep(report: &sweep::Report) -> Exit {
    let some_failed = report.swept.iter().any(|one| one.outcome.is_failure());
    match &report.ended {
        Ended::Hopeless(error) => exit_of_call(error),
        Ended::StateFailed(error) => exit_of_state(error),
        Ended::Stopped => Exit::Stopped,
        Ended::TooManyFailures(_) => Exit::SomeFailed,
        Ended::Whole if some_failed || report.verified == Some(false) => Exit::SomeFailed,
        Ended::Whole => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Exit; 12] = [
        Exit::Internal,
        Exit::Configuration,
        Exit::KeyRefused,
        Exit::State,
        Exit::Unavailable,
        Exit::Incomplete,
        Exit::Locked,
        Exit::Guarded,
        Exit::Stopped,
        Exit::SomeFailed,
        Exit::Usage,
        Exit::Done,
    ];

    #[test]
    fn the_worse_of_two_exits_decides_whatever_their_order() {
        for (weight, a) in ALL.into_iter().enumerate() {
            for b in ALL.into_iter().skip(weight) {
                assert_eq!((a.worse(b), b.worse(a)), (a, a), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        let codes = ALL.map(|exit| exit.code(None));
        assert_eq!(codes, [70, 78, 77, 74, 75, 4, 5, 3, 143, 1, 2, 0]);
        assert_eq!((Exit::Stopped.code(Some(2)), Exit::Stopped.code(Some(15))), (130, 143));
    }
}
