//! Schedules: at which instants of the wall clock an account is to run.
//!
//! The arithmetic is croner's, in the schedule's own zone: at a gap in spring a firing comes at the first
//! instant after it, at a fold in autumn a fixed time comes once and a wildcard in every pass.
//! Not here: waiting for an instant (`daemon`), what the file says (`config`).
//! Invariant: no clock. The same instants for the same text, zone and question.

mod firing;

use std::fmt;
use std::time::Duration;

use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

pub use firing::{Firing, Note};

use crate::clock::Timestamp;

/// When an account runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// Nobody said: only by hand, or by `once`.
    Unset,
    /// `cron = "off"`: the same, on purpose.
    Off,
    /// At these times.
    At(Box<Schedule>),
}

impl Timing {
    /// The schedule, if there is one.
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Self::Unset | Self::Off => None,
            Self::At(schedule) => Some(schedule),
        }
    }
}

/// Recurring instants, and how they are kept to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    cron: Cron,
    text: String,
    zone: Tz,
    /// The longest random delay of a start.
    pub jitter: Duration,
    /// What becomes of firings that nobody was there for.
    pub catch_up: CatchUp,
}

/// What becomes of a firing that was missed while the service was down, or its machine asleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// One run for all of them, as soon as somebody is there.
    Once,
    /// None.
    Skip,
}

/// What two restricted day fields mean together; crontab(5) and others differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// A day that matches either.
    Or,
    /// A day that matches both.
    And,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// Neither five nor six fields.
    #[error("a schedule has 5 fields, or 6 with seconds first; this has {0}")]
    Fields(usize),
    /// A name such as `@reboot`.
    #[error("`{0}` is no schedule known here")]
    Name(String),
    /// Both day fields are restricted, and they could mean two things.
    #[error("a day of the month and one of the week can mean two things")]
    BothDays,
    /// There is no such day, ever.
    #[error("it never fires: there is no such day")]
    Never,
    /// A field that cannot be read.
    #[error("`{text}` is no {field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it says.
        text: String,
        /// What the parser says.
        why: String,
    },
    /// A text that cannot be read, though each field can.
    #[error("{0}")]
    Unread(String),
}

impl BadSchedule {
    /// What to write instead.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Fields(_) | Self::Name(_) => {
                "minute hour day-of-month month day-of-week, such as `15 3 * * *`: every day at 03:15"
            }
            Self::BothDays => {
                "say which: `cron_days = \"or\"` (either, as crontab has it) or \"and\" (both)"
            }
            Self::Never => "write a day that its month has",
            Self::Field { .. } | Self::Unread(_) => {
                "minute 0-59, hour 0-23, day 1-31, month 1-12 or JAN-DEC, weekday 0-7 or SUN-SAT"
            }
        }
    }
}

/// Firings that are counted one by one; beyond it, "at least".
pub const MOST_COUNTED: usize = 10_000;

/// Whoever looks for a firing looks from here, where no clock is at hand: any instant would do, since
/// the calendar comes round.
const ANY_INSTANT: Timestamp = Timestamp::UNIX_EPOCH;

impl Schedule {
    /// Reads five fields, or six with seconds first.
    ///
    /// # Errors
    /// When the text is no schedule, or one that never fires.
    pub fn parse(text: &str, days: Option<Days>, zone: Tz) -> Result<Self, BadSchedule> {
        let text = text.trim();
        refuse_shapes(text)?;
        let parser = parser(days);
        let cron = parser.parse(text).map_err(|error| {
            wrong_field(text).unwrap_or_else(|| BadSchedule::Unread(in_words(&error)))
        })?;
        let pattern = &cron.pattern;
        if days.is_none() && !pattern.is_dom_wildcard() && !pattern.is_dow_wildcard() {
            return Err(BadSchedule::BothDays);
        }
        let schedule = Self {
            cron,
            text: text.to_owned(),
            zone,
            jitter: Duration::ZERO,
            catch_up: CatchUp::Once,
        };
        match schedule.next_after(ANY_INSTANT) {
            Some(_) => Ok(schedule),
            None => Err(BadSchedule::Never),
        }
    }

    /// The first firing after an instant; `None` past the end of all calendars.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let local = at.with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        Some(next.to_utc())
    }

    /// The firings after an instant, in order, each with what is odd about it.
    pub fn firings(&self, after: Timestamp) -> impl Iterator<Item = Firing> + '_ {
        let next = move |at: &Timestamp| self.next_after(*at);
        let instants = std::iter::successors(next(&after), next);
        instants.map(|at| Firing::of(at, self.zone, &self.cron))
    }

    /// How many firings there are after one instant and up to another: at most [`MOST_COUNTED`].
    pub fn count_within(&self, after: Timestamp, until: Timestamp) -> usize {
        let next = move |at: &Timestamp| self.next_after(*at);
        let instants = std::iter::successors(next(&after), next);
        instants.take_while(|at| *at <= until).take(MOST_COUNTED).count()
    }

    /// The longest time between two firings, as far as the next 400 of them and about two months show it; `None` where
    /// there are not two.
    pub fn interval(&self, after: Timestamp) -> Option<Duration> {
        const FIRINGS: usize = 400;
        const AHEAD: chrono::TimeDelta = chrono::TimeDelta::days(62);
        let next = move |at: &Timestamp| self.next_after(*at);
        let mut last = next(&after)?;
        let mut longest = None;
        for at in std::iter::successors(next(&last), next).take(FIRINGS) {
            longest = longest.max((at - last).to_std().ok());
            if at - after > AHEAD {
                break;
            }
            last = at;
        }
        longest
    }

    /// The last firing up to an instant, if there was one after another instant.
    pub fn last_within(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let local = until.with_timezone(&self.zone);
        let last = self.cron.find_previous_occurrence(&local, true).ok()?.to_utc();
        (last > after).then_some(last)
    }

    /// The zone in which the fields are read.
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same in English.
    pub fn describe(&self) -> String {
        let words = self.cron.describe();
        words.trim_end_matches('.').to_owned()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.zone)
    }
}

/// Refuses what the parser would take otherwise than people mean it.
fn refuse_shapes(text: &str) -> Result<(), BadSchedule> {
    const NAMES: [&str; 7] =
        ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    if text.starts_with('@') {
        let known = NAMES.iter().any(|name| name.eq_ignore_ascii_case(text));
        return if known { Ok(()) } else { Err(BadSchedule::Name(text.to_owned())) };
    }
    match text.split_whitespace().count() {
        5 | 6 => Ok(()),
        fields => Err(BadSchedule::Fields(fields)),
    }
}

fn parser(days: Option<Days>) -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .dom_and_dow(days == Some(Days::And))
        .build()
}

/// Which field is wrong: each is read by itself, since the parser does not say.
fn wrong_field(text: &str) -> Option<BadSchedule> {
    const NAMES: [&str; 6] =
        ["second", "minute", "hour", "day of the month", "month", "day of the week"];
    let fields: Vec<_> = text.split_whitespace().collect();
    let names = NAMES.iter().skip(NAMES.len().saturating_sub(fields.len()));
    fields.iter().zip(names).enumerate().find_map(|(at, (field, name))| {
        let alone: Vec<_> =
            (0..fields.len()).map(|other| if other == at { *field } else { "*" }).collect();
        let error = parser(None).parse(&alone.join(" ")).err()?;
        let (text, why) = ((*field).to_owned(), in_words(&error));
        Some(BadSchedule::Field { field: name, text, why })
    })
}

/// The parser's own words as part of a sentence.
fn in_words(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let text = ["Component error: ", "Invalid pattern: "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(&text);
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().map(|letter| letter.to_lowercase().collect::<String>());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests;
