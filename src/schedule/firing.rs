//! One firing, and what a change of the clocks did to it.

use chrono::{DateTime, MappedLocalTime, TimeZone as _};
use chrono_tz::Tz;
use croner::Cron;

use crate::clock::Timestamp;

/// One instant of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// When.
    pub at: Timestamp,
    /// The same on the clocks of the schedule's zone.
    pub local: DateTime<Tz>,
    /// What is odd about it.
    pub note: Note,
}

/// What a change of the clocks did to a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    None,
    /// The written time does not exist on that day: the firing comes at the first instant after the gap.
    Gap,
    /// The local time comes twice on that day, and this is the first one.
    FirstOfTwo,
    /// The same, and this is the second one.
    SecondOfTwo,
}

impl Note {
    /// In words; `None` where nothing is odd.
    pub const fn in_words(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gap => Some("clocks go forward: the written time does not exist that day"),
            Self::FirstOfTwo => Some("clocks go back: the first of two such times"),
            Self::SecondOfTwo => Some("clocks go back: the second of two such times"),
        }
    }
}

impl Firing {
    pub(super) fn of(at: Timestamp, zone: Tz, cron: &Cron) -> Self {
        let local = at.with_timezone(&zone);
        let as_written = cron.is_time_matching(&local).unwrap_or(true);
        let note = match zone.from_local_datetime(&local.naive_local()) {
            _ if !as_written => Note::Gap,
            MappedLocalTime::Ambiguous(first, _) if first == local => Note::FirstOfTwo,
            MappedLocalTime::Ambiguous(..) => Note::SecondOfTwo,
            MappedLocalTime::Single(_) | MappedLocalTime::None => Note::None,
        };
        Self { at, local, note }
    }
}
