//! Time: the only file that reads a clock.
//!
//! Everything else takes `now` as an argument or asks a [`Clock`] that it was given, so that a test
//! can stand at any instant and move on without waiting.
//! Not here: durations as the file writes them (`config::duration`), pacing (`api::pacing`).

use std::fmt::Debug;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// An instant on the wall clock, UTC, as the API writes its times (contract: ISO 8601, `Z`).
pub type Timestamp = DateTime<Utc>;

/// No clock that is right is before this: the month when this version was made. A clock that lost its
/// time (a dead battery, a restored snapshot) usually begins in 1970 or at the machine's own making.
pub const RELEASED: Timestamp = match DateTime::from_timestamp(1_793_491_200, 0) {
    Some(at) => at, // 2026-11-01
    None => Timestamp::UNIX_EPOCH,
};

/// A time for people: `2026-11-24 12:00 UTC`, with seconds where there are some.
pub fn shown(at: Timestamp) -> String {
    let whole_minute = at.timestamp().rem_euclid(60) == 0;
    let shape = if whole_minute { "%Y-%m-%d %H:%M UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
    at.format(shape).to_string()
}

/// Where time comes from.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock: for ages, dates and records. It may jump.
    fn now(&self) -> Timestamp;

    /// The monotonic clock: for waits, freshness and durations. It never goes back, and stands still
    /// under tokio's paused time unless a test moves it.
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// Whether the runtime's time may be paused, so that it must not jump while another thread works.
    fn may_be_paused(&self) -> bool {
        false
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        Utc::now()
    }
}

/// A clock that starts at a given instant and moves with tokio's time: still while tokio's time is
/// paused, and movable by hand. For tests, `demo` and the emulator.
#[derive(Debug)]
pub struct SetClock {
    start: Timestamp,
    began: Instant,
    moved_ms: std::sync::atomic::AtomicI64,
}

impl SetClock {
    /// A clock that reads `start` now.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, began: Instant::now(), moved_ms: std::sync::atomic::AtomicI64::new(0) }
    }

    /// Moves the wall clock forward (or, with a negative number, back) by that many milliseconds.
    pub fn move_by_ms(&self, ms: i64) {
        self.moved_ms.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    }

    /// Moves the wall clock forward.
    pub fn advance(&self, by: Duration) {
        self.move_by_ms(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }
}

impl Clock for SetClock {
    fn may_be_paused(&self) -> bool {
        true
    }

    fn now(&self) -> Timestamp {
        let moved = chrono::TimeDelta::milliseconds(
            self.moved_ms.load(std::sync::atomic::Ordering::SeqCst),
        );
        let elapsed =
            chrono::TimeDelta::from_std(self.began.elapsed()).unwrap_or(chrono::TimeDelta::MAX);
        self.start
            .checked_add_signed(elapsed)
            .and_then(|at| at.checked_add_signed(moved))
            .unwrap_or(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_for_people_has_seconds_only_where_there_are_some() {
        for (at, text) in [
            ("2026-11-24T12:00:00Z", "2026-11-24 12:00 UTC"),
            ("2026-11-24T12:00:00.900Z", "2026-11-24 12:00 UTC"),
            ("2026-11-24T14:00:07+02:00", "2026-11-24 12:00:07 UTC"),
        ] {
            assert_eq!(shown(at.parse().unwrap()), text);
        }
    }
}
