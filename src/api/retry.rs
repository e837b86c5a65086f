//! What is tried again, and after how long: functions from data to an answer, which the client's
//! loop obeys.
//!
//! Not here: the waiting (`pacing`), the pace (`pacing`).
//! Invariant: no clock, no randomness; both are arguments.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::api::error::Kind;
use crate::clock::Timestamp;

/// The first wait at most; it doubles with each attempt.
const BASE: Duration = Duration::from_secs(1);

/// No own wait is longer.
const CAP: Duration = Duration::from_mins(1);

/// No wait that a server asks for is longer: beyond that, the next run is the better place to wait
/// (fault H9).
const MOST_ASKED: Duration = Duration::from_mins(15);

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Try again after this long.
    After(Duration),
    /// Another attempt would bring the same, or there were enough.
    GiveUp,
}

/// Whether an attempt that failed with `kind` is followed by another. `attempt` counts from 1;
/// `wait` is what the server asked for, else what [`backoff`] says.
pub(super) const fn next(kind: &Kind, attempt: u32, max_attempts: u32, wait: Duration) -> Retry {
    if attempt < max_attempts && may_pass(kind) { Retry::After(wait) } else { Retry::GiveUp }
}

/// Whether the failure is of a sort that passes by itself.
const fn may_pass(kind: &Kind) -> bool {
    match kind {
        Kind::Unreachable(_)
        | Kind::NotConnected(_)
        | Kind::TimedOut { .. }
        | Kind::Throttled { .. }
        | Kind::Failing { .. }
        | Kind::BrokenBody(_) => true,
        Kind::KeyRefused(_)
        | Kind::PaymentRequired(_)
        | Kind::WrongPath(_)
        | Kind::Redirected { .. }
        | Kind::NotAnEnvelope { .. }
        | Kind::TooLarge
        | Kind::Refused { .. }
        | Kind::Unexpected(_)
        | Kind::WrongFamily { .. }
        | Kind::Setup(_)
        | Kind::Stopped => false,
    }
}

/// How long every call of the account is to pause after such a failure, if at all: as long as the
/// server asks, and after a 429 in any case.
pub(super) const fn pause(
    kind: &Kind,
    asked: Option<Duration>,
    backoff: Duration,
) -> Option<Duration> {
    match (kind, asked) {
        (Kind::Throttled { .. } | Kind::Failing { .. }, Some(asked)) => Some(asked),
        (Kind::Throttled { status: 429 }, None) => Some(backoff),
        _ => None,
    }
}

/// Full jitter: anything from nothing to 1 s, 2 s, 4 s … 60 s, by `random` from 0 to 1.
pub(super) fn backoff(attempt: u32, random: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let most = CAP.min(BASE.saturating_mul(1 << doublings));
    most.mul_f64(random.clamp(0.0, 1.0))
}

/// What a `Retry-After` asks for: whole seconds, or an HTTP date by our clock; at most 15 minutes,
/// a past date is no wait, anything else is as if it were absent.
pub(super) fn asked_for(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that overflow are a very long wait, not garbage.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MOST_ASKED));
    }
    let until = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    let wait = (until - now).to_std().unwrap_or(Duration::ZERO);
    Some(wait.min(MOST_ASKED))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::error::KeyRefusal;
    use crate::api::error::ServerText;

    fn said() -> ServerText {
        ServerText(String::new())
    }

    // fault: H1, H3, H4, H5, H8, H10, H17, N2, N3
    #[test]
    fn only_what_may_pass_is_tried_again() {
        let wait = Duration::from_secs(3);
        for (kind, again) in [
            (Kind::Unreachable(String::new()), true),
            (Kind::NotConnected(String::new()), true),
            (Kind::TimedOut { limit_ms: 1 }, true),
            (Kind::Throttled { status: 408 }, true),
            (Kind::Throttled { status: 429 }, true),
            (Kind::Failing { status: 503 }, true),
            (Kind::BrokenBody(String::new()), true),
            (Kind::KeyRefused(KeyRefusal { status: 401, message: said() }), false),
            (Kind::PaymentRequired(said()), false),
            (Kind::WrongPath(said()), false),
            (Kind::Redirected { status: 303, to: said() }, false),
            (Kind::NotAnEnvelope { status: 200, excerpt: said() }, false),
            (Kind::TooLarge, false),
            (Kind::Refused { status: 400, message: said() }, false),
            (Kind::Unexpected(String::new()), false),
            (Kind::WrongFamily { expected: "batches" }, false),
            (Kind::Setup(String::new()), false),
            (Kind::Stopped, false),
        ] {
            let expected = if again { Retry::After(wait) } else { Retry::GiveUp };
            assert_eq!(next(&kind, 4, 5, wait), expected, "{kind:?}");
            assert_eq!(next(&kind, 5, 5, wait), Retry::GiveUp, "{kind:?} the last time");
        }
    }

    // fault: H8, H9
    #[test]
    fn the_account_pauses_after_a_429_and_when_it_is_asked_to() {
        let (asked, own) = (Duration::from_secs(7), Duration::from_secs(2));
        for (kind, asks, expected) in [
            (Kind::Throttled { status: 429 }, None, Some(own)),
            (Kind::Throttled { status: 429 }, Some(asked), Some(asked)),
            (Kind::Throttled { status: 408 }, None, None),
            (Kind::Throttled { status: 425 }, Some(asked), Some(asked)),
            (Kind::Failing { status: 503 }, Some(asked), Some(asked)),
            (Kind::Failing { status: 500 }, None, None),
            (Kind::TimedOut { limit_ms: 1 }, None, None),
            (Kind::Refused { status: 400, message: said() }, Some(asked), None),
        ] {
            assert_eq!(pause(&kind, asks, own), expected, "{kind:?}");
        }
    }

    // fault: H9
    #[test]
    fn a_retry_after_is_seconds_or_a_date_and_anything_else_is_absent() {
        let now = "2026-03-29T01:00:00Z".parse().unwrap();
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, expected) in [
            ("16", seconds(16)),
            (" 16 ", seconds(16)),
            ("0", seconds(0)),
            ("900", seconds(900)),
            ("901", seconds(900)),
            ("999999", seconds(900)),
            ("99999999999999999999999999", seconds(900)),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1e3", None),
            ("", None),
            ("soon", None),
            ("Sun, 29 Mar 2026 01:00:30 GMT", seconds(30)),
            ("Sun, 29 Mar 2026 00:59:00 GMT", seconds(0)),
            ("Sun, 29 Mar 2099 00:00:00 GMT", seconds(900)),
            ("2026-03-29T01:00:30Z", None),
        ] {
            assert_eq!(asked_for(text, now), expected, "{text:?}");
        }
    }

    #[test]
    fn the_backoff_doubles_to_a_minute_and_never_passes_it() {
        for (attempt, most) in [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (u32::MAX, 60)] {
            assert_eq!(backoff(attempt, 1.0), Duration::from_secs(most));
            assert_eq!(backoff(attempt, 0.0), Duration::ZERO);
        }
    }

    #[test]
    fn no_text_of_a_server_makes_a_wait_over_15_minutes() {
        let now = "2026-03-29T01:00:00Z".parse().unwrap();
        proptest!(|(text in "\\PC{0,40}|[0-9]{1,30}")| {
            prop_assert!(asked_for(&text, now).is_none_or(|wait| wait <= MOST_ASKED));
        });
    }
}
