//! Matchers: one question each about one batch, answered yes, no or unknown.
//!
//! Not here: rules, which are matchers that must all hold (`rule`); keep counts (`keep`).
//! Invariant: a field that is missing, odd or in the future makes the answer unknown.

mod glob;
mod pattern;
mod when;

use std::time::Duration;

use chrono::TimeDelta;

pub use glob::{BadGlob, Glob};
pub use pattern::{BadRegex, GroupBy, WholeRegex};
pub use when::{BadExpression, When};

use crate::batch::{BatchId, Fact, Field, Word, counted};
use crate::clock::{self, Timestamp};
use crate::policy::answer::Answer;
use crate::policy::subject::Subject;

/// One condition of a rule.
#[derive(Debug)]
pub enum Matcher {
    /// The whole name matches one of these.
    Name(Vec<Glob>),
    /// The whole name matches one of these.
    NameRegex(Vec<WholeRegex>),
    /// It is one of these.
    Id(Vec<BatchId>),
    /// Its schedule type is one of these.
    ScheduleType(Vec<Word>),
    /// Its priority is one of these.
    Priority(Vec<Word>),
    /// Its schedule is on, or off.
    Enabled(bool),
    /// One of its destinations matches one of these.
    Destination(Vec<Glob>),
    /// It never ran, or did.
    NeverRun(bool),
    /// It holds result sets, or none.
    HasResults(bool),
    /// It holds so many searches, ends included.
    Searches {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
    },
    /// It was created at least this long ago.
    OlderThan(Duration),
    /// Its last activity was at least this long ago.
    IdleFor(Duration),
    /// It was created before this instant.
    CreatedBefore(Timestamp),
    /// It was created after this instant.
    CreatedAfter(Timestamp),
    /// The expression is true.
    When(Box<When>),
}

impl Matcher {
    /// The answer for one batch.
    pub(super) fn answer(&self, subject: &Subject<'_>) -> Answer {
        let batch = subject.batch;
        match self {
            Self::Name(globs) => {
                ask(&batch.name, Field::Name, |name| globs.iter().any(|glob| glob.matches(name)))
            }
            Self::NameRegex(regexes) => ask(&batch.name, Field::Name, |name| {
                regexes.iter().any(|regex| regex.matches(name))
            }),
            Self::Id(ids) => ids.contains(&batch.id).into(),
            Self::ScheduleType(types) => {
                ask(&batch.schedule_type, Field::ScheduleType, |word| types.contains(word))
            }
            Self::Priority(priorities) => {
                ask(&batch.priority, Field::Priority, |word| priorities.contains(word))
            }
            Self::Enabled(wanted) => {
                ask(&batch.enabled, Field::Enabled, |enabled| enabled == wanted)
            }
            Self::Destination(globs) => ask(&batch.destinations, Field::Destinations, |ids| {
                ids.iter().any(|id| globs.iter().any(|glob| glob.matches(id)))
            }),
            Self::NeverRun(wanted) => match batch.never_ran() {
                Some(never_ran) => (never_ran == *wanted).into(),
                None => Answer::Unknown(Field::LastRun),
            },
            Self::HasResults(wanted) => {
                ask(&batch.results_count, Field::ResultsCount, |count| (*count > 0) == *wanted)
            }
            Self::Searches { min, max } => ask(&batch.searches, Field::Searches, |count| {
                min.is_none_or(|min| *count >= min) && max.is_none_or(|max| *count <= max)
            }),
            Self::OlderThan(_)
            | Self::IdleFor(_)
            | Self::CreatedBefore(_)
            | Self::CreatedAfter(_) => self.answer_by_time(subject),
            Self::When(when) => match when.holds(batch, subject.now) {
                Some(holds) => holds.into(),
                None => Answer::Unknown(Field::Expression),
            },
        }
    }

    /// The answer of a matcher that asks for a time; `No` for the others.
    fn answer_by_time(&self, subject: &Subject<'_>) -> Answer {
        let (time, holds): (_, &dyn Fn(Timestamp) -> bool) = match self {
            Self::OlderThan(age) => (subject.created, &|at| is_past(at, *age, subject.now)),
            Self::IdleFor(age) => (subject.active, &|at| is_past(at, *age, subject.now)),
            Self::CreatedBefore(end) => (subject.created, &|at| at < *end),
            Self::CreatedAfter(start) => (subject.created, &|at| at > *start),
            Self::Name(_)
            | Self::NameRegex(_)
            | Self::Id(_)
            | Self::ScheduleType(_)
            | Self::Priority(_)
            | Self::Enabled(_)
            | Self::Destination(_)
            | Self::NeverRun(_)
            | Self::HasResults(_)
            | Self::Searches { .. }
            | Self::When(_) => return Answer::No,
        };
        match time {
            Ok(at) => holds(at).into(),
            Err(field) => Answer::Unknown(field),
        }
    }

    /// When a matcher that asks for an age comes true, should nothing else change.
    pub(super) fn comes_true_at(&self, subject: &Subject<'_>) -> Option<Timestamp> {
        match self {
            Self::OlderThan(age) => later(subject.created.ok()?, *age),
            Self::IdleFor(age) => later(subject.active.ok()?, *age),
            Self::Name(_)
            | Self::NameRegex(_)
            | Self::Id(_)
            | Self::ScheduleType(_)
            | Self::Priority(_)
            | Self::Enabled(_)
            | Self::Destination(_)
            | Self::NeverRun(_)
            | Self::HasResults(_)
            | Self::Searches { .. }
            | Self::CreatedBefore(_)
            | Self::CreatedAfter(_)
            | Self::When(_) => None,
        }
    }

    /// The matcher's key in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::NameRegex(_) => "name_regex",
            Self::Id(_) => "id",
            Self::ScheduleType(_) => "schedule_type",
            Self::Priority(_) => "priority",
            Self::Enabled(_) => "enabled",
            Self::Destination(_) => "destination",
            Self::NeverRun(_) => "never_run",
            Self::HasResults(_) => "has_results",
            Self::Searches { .. } => "searches",
            Self::OlderThan(_) => "older_than",
            Self::IdleFor(_) => "idle_for",
            Self::CreatedBefore(_) => "created_before",
            Self::CreatedAfter(_) => "created_after",
            Self::When(_) => "when",
        }
    }

    /// What the rule asks for, in the file's words.
    pub fn wanted(&self) -> String {
        match self {
            Self::Name(globs) | Self::Destination(globs) => any_of(globs.iter().map(Glob::as_str)),
            Self::NameRegex(regexes) => any_of(regexes.iter().map(WholeRegex::as_str)),
            Self::Id(ids) => any_of(ids.iter().map(BatchId::as_str)),
            Self::ScheduleType(words) | Self::Priority(words) => {
                any_of(words.iter().map(AsRef::as_ref))
            }
            Self::Enabled(wanted) | Self::NeverRun(wanted) | Self::HasResults(wanted) => {
                wanted.to_string()
            }
            Self::Searches { min, max } => match (min, max) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("at least {min}"),
                (None, Some(max)) => format!("at most {max}"),
                (None, None) => "any number".to_owned(),
            },
            Self::OlderThan(age) | Self::IdleFor(age) => shown(*age),
            Self::CreatedBefore(at) | Self::CreatedAfter(at) => clock::shown(*at),
            Self::When(when) => when.as_str().to_owned(),
        }
    }

    /// The condition in words.
    pub(super) fn in_words(&self) -> String {
        let (name, wanted) = (self.name(), self.wanted());
        match self {
            Self::Name(globs) => format!("name {}", any_quoted(globs.iter().map(Glob::as_str))),
            Self::Destination(globs) => {
                format!("destination {}", any_quoted(globs.iter().map(Glob::as_str)))
            }
            Self::NameRegex(regexes) => {
                let regexes = regexes.iter().map(WholeRegex::as_str);
                format!("name by regex {}", any_quoted(regexes))
            }
            Self::Id(ids) => format!("id {}", any_quoted(ids.iter().map(BatchId::as_str))),
            Self::When(when) => format!("when `{}`", when.as_str()),
            Self::Enabled(true) => "schedule on (enabled)".to_owned(),
            Self::Enabled(false) => "schedule off (not enabled)".to_owned(),
            Self::NeverRun(true) => "never run".to_owned(),
            Self::NeverRun(false) => "run at least once".to_owned(),
            Self::HasResults(true) => "with results".to_owned(),
            Self::HasResults(false) => "without results".to_owned(),
            Self::Searches { .. } => format!("{wanted} searches"),
            Self::ScheduleType(_)
            | Self::Priority(_)
            | Self::OlderThan(_)
            | Self::IdleFor(_)
            | Self::CreatedBefore(_)
            | Self::CreatedAfter(_) => format!("{} {wanted}", name.replace('_', " ")),
        }
    }

    /// What the batch has there, for people.
    pub(super) fn seen(&self, subject: &Subject<'_>) -> String {
        let batch = subject.batch;
        match self {
            Self::Name(_) | Self::NameRegex(_) => fact(&batch.name, ToString::to_string),
            Self::Id(_) => batch.id.to_string(),
            Self::ScheduleType(_) => fact(&batch.schedule_type, ToString::to_string),
            Self::Priority(_) => fact(&batch.priority, ToString::to_string),
            Self::Enabled(_) => fact(&batch.enabled, ToString::to_string),
            Self::Destination(_) => fact(&batch.destinations, |ids| {
                if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
            }),
            Self::NeverRun(_) => match batch.never_ran() {
                Some(true) => "never ran".to_owned(),
                Some(false) => fact(&batch.last_run, |at| format!("ran at {}", clock::shown(*at))),
                None => "nobody can say whether it ran".to_owned(),
            },
            Self::HasResults(_) => {
                fact(&batch.results_count, |count| counted(*count, "result set", "result sets"))
            }
            Self::Searches { .. } => {
                fact(&batch.searches, |count| counted(*count, "search", "searches"))
            }
            Self::OlderThan(_) => age(subject.created, subject.now, "created"),
            Self::IdleFor(_) => age(subject.active, subject.now, "last active"),
            Self::CreatedBefore(_) | Self::CreatedAfter(_) => {
                fact(&batch.created_at, |at| format!("created at {}", clock::shown(*at)))
            }
            Self::When(when) => when
                .holds(batch, subject.now)
                .map_or_else(|| "it has no answer".to_owned(), |holds| holds.to_string()),
        }
    }
}

/// The answer of a matcher that asks for one field.
fn ask<T>(fact: &Fact<T>, field: Field, holds: impl FnOnce(&T) -> bool) -> Answer {
    match fact {
        Fact::Known(value) => holds(value).into(),
        Fact::Missing | Fact::Unreadable(_) => Answer::Unknown(field),
    }
}

/// A time plus a duration; `None` beyond the calendar's end.
pub(super) fn later(at: Timestamp, by: Duration) -> Option<Timestamp> {
    at.checked_add_signed(TimeDelta::from_std(by).ok()?)
}

/// Whether so much time has passed since. A duration beyond the calendar's end never passes.
pub(super) fn is_past(at: Timestamp, age: Duration, now: Timestamp) -> bool {
    later(at, age).is_some_and(|then| then <= now)
}

/// A duration as the file would write it: the largest unit that fits without remainder.
pub fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "min")];
    let fits = |(size, _): &(u64, &str)| seconds >= *size && seconds.is_multiple_of(*size);
    match units.into_iter().find(fits) {
        // Two weeks are 14d to most people: weeks only where the file is likely to have said so.
        Some((604_800, _)) if seconds < 4 * 604_800 => format!("{}d", seconds / 86_400),
        Some((size, unit)) => format!("{}{unit}", seconds / size),
        None => format!("{seconds}s"),
    }
}

/// Alternatives, in words.
fn any_of<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    texts.collect::<Vec<_>>().join(" or ")
}

/// Alternatives as written, each in backticks.
fn any_quoted<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let quoted = texts.map(|text| format!("`{text}`"));
    quoted.collect::<Vec<_>>().join(" or ")
}

/// A fact, in words.
fn fact<T>(fact: &Fact<T>, known: impl FnOnce(&T) -> String) -> String {
    match fact {
        Fact::Known(value) => known(value),
        Fact::Missing => "missing".to_owned(),
        Fact::Unreadable(seen) => format!("unreadable: {seen}"),
    }
}

/// How long ago, in words.
fn age(time: Result<Timestamp, Field>, now: Timestamp, what: &str) -> String {
    match time {
        Ok(at) => {
            let age = now.signed_duration_since(at).to_std().unwrap_or_default();
            let rounded = if age.as_secs() >= 172_800 {
                age.as_secs() / 86_400 * 86_400
            } else {
                age.as_secs()
            };
            format!("{what} {} ago", shown(Duration::from_secs(rounded)))
        }
        Err(field) => format!("{field} is missing, odd or in the future"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::{at, batch};
    use crate::batch::{Batch, word};

    const NOW: &str = "2026-02-01T00:00:00Z";
    type Change = fn(&mut Batch);

    fn days(days: u64) -> Duration {
        Duration::from_secs(days * 86_400)
    }

    fn answer(matcher: &Matcher, change: Change) -> Answer {
        let batch = batch("A1").with(change).build();
        matcher.answer(&Subject::new(&batch, at(NOW)))
    }

    /// For each matcher: a change that makes it answer yes, no, and unknown with its field. Without
    /// `_`, so that a new matcher does not compile until it stands here. An id is always known.
    #[expect(clippy::too_many_lines, reason = "a table: one row for each matcher")]
    fn rows(matcher: &Matcher) -> (Change, Change, Option<(Change, Field)>) {
        match matcher {
            Matcher::Name(_) | Matcher::NameRegex(_) => (
                |b| b.name = Fact::Known("tmp-7".into()),
                |b| b.name = Fact::Known("a tmp-7".into()),
                Some((|b| b.name = Fact::Missing, Field::Name)),
            ),
            Matcher::Id(_) => (|_| {}, |b| b.id = BatchId::parse("A2").unwrap(), None),
            Matcher::ScheduleType(_) => (
                |b| b.schedule_type = Fact::Known(word("daily")),
                |b| b.schedule_type = Fact::Known(word("fortnightly")),
                Some((|b| b.schedule_type = Fact::Unreadable("7".into()), Field::ScheduleType)),
            ),
            Matcher::Priority(_) => (
                |b| b.priority = Fact::Known(word("low")),
                |b| b.priority = Fact::Known(word("high")),
                Some((|b| b.priority = Fact::Missing, Field::Priority)),
            ),
            Matcher::Enabled(_) => (
                |b| b.enabled = Fact::Known(true),
                |b| b.enabled = Fact::Known(false),
                Some((|b| b.enabled = Fact::Unreadable("1".into()), Field::Enabled)),
            ),
            Matcher::Destination(_) => (
                |b| b.destinations = Fact::Known(["X".into(), "D1".into()].into()),
                |b| b.destinations = Fact::Known([].into()),
                Some((|b| b.destinations = Fact::Missing, Field::Destinations)),
            ),
            Matcher::NeverRun(_) => (
                |b| (b.last_run, b.next_result_set_id) = (Fact::Missing, Fact::Known(1)),
                |_| {},
                Some((
                    |b| (b.last_run, b.next_result_set_id) = (Fact::Missing, Fact::Missing),
                    Field::LastRun,
                )),
            ),
            Matcher::HasResults(_) => (
                |b| b.results_count = Fact::Known(3),
                |b| b.results_count = Fact::Known(0),
                Some((|b| b.results_count = Fact::Missing, Field::ResultsCount)),
            ),
            Matcher::Searches { .. } => (
                |b| b.searches = Fact::Known(5),
                |b| b.searches = Fact::Known(6),
                Some((|b| b.searches = Fact::Unreadable("-1".into()), Field::Searches)),
            ),
            Matcher::OlderThan(_) => (
                |b| b.created_at = Fact::Known(at("2026-01-25T00:00:00Z")),
                |b| b.created_at = Fact::Known(at("2026-01-25T00:00:01Z")),
                // fault: J8
                Some((
                    |b| b.created_at = Fact::Known(at("2026-02-01T00:00:01Z")),
                    Field::CreatedAt,
                )),
            ),
            Matcher::IdleFor(_) => (
                |b| b.last_run = Fact::Known(at("2026-01-25T00:00:00Z")),
                |b| b.last_run = Fact::Known(at("2026-01-25T00:00:01Z")),
                // fault: J9
                Some((|b| b.last_run = Fact::Missing, Field::LastRun)),
            ),
            Matcher::CreatedBefore(_) => (
                |b| b.created_at = Fact::Known(at("2026-01-09T23:59:59Z")),
                |b| b.created_at = Fact::Known(at("2026-01-10T00:00:00Z")),
                Some((|b| b.created_at = Fact::Unreadable("soon".into()), Field::CreatedAt)),
            ),
            Matcher::CreatedAfter(_) => (
                |b| b.created_at = Fact::Known(at("2026-01-10T00:00:01Z")),
                |b| b.created_at = Fact::Known(at("2026-01-10T00:00:00Z")),
                Some((|b| b.created_at = Fact::Missing, Field::CreatedAt)),
            ),
            Matcher::When(_) => (
                |b| b.searches = Fact::Known(5),
                |b| b.searches = Fact::Known(6),
                Some((|b| b.searches = Fact::Missing, Field::Expression)),
            ),
        }
    }

    fn one_of_each() -> Vec<Matcher> {
        vec![
            Matcher::Name(vec![Glob::parse("x").unwrap(), Glob::parse("tmp-*").unwrap()]),
            Matcher::NameRegex(vec![WholeRegex::parse(r"tmp-\d").unwrap()]),
            Matcher::Id(vec![BatchId::parse("A1").unwrap()]),
            Matcher::ScheduleType(vec![word("daily"), word("weekly")]),
            Matcher::Priority(vec![word("low")]),
            Matcher::Enabled(true),
            Matcher::Destination(vec![Glob::parse("D*").unwrap()]),
            Matcher::NeverRun(true),
            Matcher::HasResults(true),
            Matcher::Searches { min: Some(1), max: Some(5) },
            Matcher::OlderThan(days(7)),
            Matcher::IdleFor(days(7)),
            Matcher::CreatedBefore(at("2026-01-10T00:00:00Z")),
            Matcher::CreatedAfter(at("2026-01-10T00:00:00Z")),
            Matcher::When(Box::new(When::parse("batch.searches_total_count <= 5").unwrap())),
        ]
    }

    // fault: J4, J7
    #[test]
    fn every_matcher_answers_yes_no_and_unknown() {
        for matcher in one_of_each() {
            let (yes, no, unknown) = rows(&matcher);
            let name = matcher.name();
            assert_eq!(answer(&matcher, yes), Answer::Yes, "{name}");
            assert_eq!(answer(&matcher, no), Answer::No, "{name}");
            if let Some((change, field)) = unknown {
                assert_eq!(answer(&matcher, change), Answer::Unknown(field), "{name}");
            }
        }
    }

    #[test]
    fn what_is_wanted_and_seen_is_said_in_words() {
        let batch = batch("A1").build();
        let subject = Subject::new(&batch, at(NOW));
        let said: Vec<_> = one_of_each()
            .iter()
            .map(|m| {
                let (wanted, seen) = (m.wanted(), m.seen(&subject));
                format!("{}: {}; wants {wanted}; saw {seen}", m.name(), m.in_words())
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_duration_beyond_the_calendar_never_passes() {
        assert!(!is_past(at(NOW), Duration::MAX, at(NOW)));
        assert_eq!(answer(&Matcher::OlderThan(Duration::MAX), |_| {}), Answer::No);
    }

    #[test]
    fn durations_are_shown_as_people_write_them() {
        for (seconds, text) in [
            (0, "0s"),
            (90, "90s"),
            (300, "5min"),
            (86_400, "1d"),
            (7 * 86_400, "7d"),
            (14 * 86_400, "14d"),
            (28 * 86_400, "4w"),
            (90_000, "25h"),
        ] {
            assert_eq!(shown(Duration::from_secs(seconds)), text);
        }
    }
}
