//! Places of keep rules that count: who is among the newest of a group, over the whole inventory.
//!
//! Newest first by last activity; ties by creation, the later first, then by id. A batch that the
//! rule cannot judge, or whose time or group is not known, takes no place and is kept.
//! Not here: what makes a batch match (`rule`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Offset, TimeZone};

use crate::batch::{Batch, RuleName};

use super::expression::Ground;
use super::moment::{Day, Nanos, SECOND};
use super::record::Record;
use super::rule::{Counts, Opinion, Rule};

/// What one keep rule that counts says of every batch of the inventory.
pub(super) struct Standing<'r> {
    /// The rule.
    pub(super) rule: &'r RuleName,
    opinions: Vec<Opinion>,
}

impl Standing<'_> {
    /// What it says of the batch at that place of the inventory.
    pub(super) fn of(&self, place: usize) -> Opinion {
        self.opinions.get(place).copied().unwrap_or(Opinion::Unknown("place"))
    }
}

/// A batch that competes for places of its group.
struct Candidate<'b> {
    place: usize,
    id: &'b str,
    activity: Nanos,
    created: Nanos,
}

/// What is known of one keep rule that counts while the inventory is read, record by record.
pub(super) struct Contest<'r, 'b> {
    name: &'r RuleName,
    rule: &'r Rule<'r>,
    counts: &'r Counts,
    opinions: Vec<Opinion>,
    /// By what `group_by` found; the batches in which it found nothing are a group too.
    groups: BTreeMap<Option<String>, Vec<Candidate<'b>>>,
}

impl<'r, 'b> Contest<'r, 'b> {
    /// A contest for the places of a rule, if it counts.
    pub(super) fn of(name: &'r RuleName, rule: &'r Rule<'r>) -> Option<Self> {
        let counts = rule.counts.as_ref()?;
        Some(Self { name, rule, counts, opinions: Vec::new(), groups: BTreeMap::new() })
    }

    /// Takes the next batch of the inventory. It loses until it is found to win.
    pub(super) fn enter(&mut self, batch: &'b Batch, record: &Record<'_>, ground: &Ground) {
        let opinion = match self.rule.opinion(record, ground) {
            Opinion::Yes => self.compete(batch, record, ground.now()),
            other @ (Opinion::No(_) | Opinion::Unknown(_)) => other,
        };
        self.opinions.push(opinion);
    }

    fn compete(&mut self, batch: &'b Batch, record: &Record<'_>, now: Nanos) -> Opinion {
        let (Some(activity), Some(created)) = (record.activity(now), record.creation(now)) else {
            return Opinion::Unknown("last activity");
        };
        let group = match (&self.counts.group_by, record.name.known()) {
            (None, _) => None,
            (Some(_), None) => return Opinion::Unknown("group_by"),
            (Some(regex), Some(name)) => regex
                .captures(name)
                .and_then(|found| found.get(1))
                .map(|group| group.as_str().to_owned()),
        };
        let place = self.opinions.len();
        let candidate = Candidate { place, id: batch.id.as_str(), activity, created };
        self.groups.entry(group).or_default().push(candidate);
        Opinion::No("counts")
    }

    /// Gives the places away, once every batch was taken.
    pub(super) fn settle(mut self, now: Nanos, zone: chrono_tz::Tz) -> Standing<'r> {
        let mut kept = Vec::new();
        for mut group in self.groups.into_values() {
            group.sort_by_key(|it| (Reverse(it.activity), Reverse(it.created), it.id));
            kept.extend(winners(&group, self.counts, now, zone));
        }
        for place in kept {
            if let Some(opinion) = self.opinions.get_mut(place) {
                *opinion = Opinion::Yes;
            }
        }
        Standing { rule: self.name, opinions: self.opinions }
    }
}

/// The places in the inventory of those that a group, newest first, keeps.
fn winners(
    group: &[Candidate<'_>],
    counts: &Counts,
    now: Nanos,
    zone: chrono_tz::Tz,
) -> Vec<usize> {
    let last = group.iter().take(at_most(counts.last));
    let within = group
        .iter()
        .take_while(|it| counts.within.is_some_and(|within| now - it.activity <= within));
    let mut places: Vec<_> = last.chain(within).map(|it| it.place).collect();
    let calendars = [
        (counts.daily, Day::number as Period),
        (counts.weekly, Day::week),
        (counts.monthly, Day::month),
        (counts.yearly, Day::year),
    ];
    for (count, period) in calendars {
        let mut seen = BTreeSet::new();
        for it in group {
            if seen.len() >= at_most(count) {
                break;
            }
            // An activity without a day cannot be: it is not after now. If it were, it would stay.
            if day(it.activity, zone).is_none_or(|day| seen.insert(period(day))) {
                places.push(it.place);
            }
        }
    }
    places
}

/// The number of the period of some calendar that a day belongs to.
type Period = fn(Day) -> i64;

fn at_most(count: Option<u32>) -> usize {
    count.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// The day on the calendar of a zone. Only the offset comes from the zone's tables.
fn day(at: Nanos, zone: chrono_tz::Tz) -> Option<Day> {
    let seconds = i64::try_from(at.div_euclid(SECOND)).ok()?;
    let utc = chrono::DateTime::from_timestamp(seconds, 0)?.naive_utc();
    Day::of(at, zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::of_record;
    use crate::clock::Timestamp;
    use crate::config::raw::RawRule;

    /// A batch of which only the record is of interest here.
    fn batch(id: &str, fields: &str) -> Batch {
        of_record(id, &format!("{{\"id\":\"{id}\",{fields}}}"))
    }

    /// A batch that ran at that time, created at the start of 2020.
    fn ran(id: &str, name: &str, at: &str) -> Batch {
        let fields =
            format!(r#""name":"{name}","created_at":"2020-01-01T00:00:00Z","last_run":"{at}""#);
        batch(id, &fields)
    }

    /// The ids that the rule keeps, and those that it cannot judge, marked `?`.
    fn kept(rule: &str, zone: chrono_tz::Tz, batches: &[Batch]) -> Vec<String> {
        let raw: RawRule = toml::from_str(rule).unwrap();
        let name = RuleName::parse("rule").unwrap();
        let ground = Ground::at("2026-02-01T00:00:00Z".parse::<Timestamp>().unwrap());
        let rule = Rule::read(&raw);
        let mut contest = Contest::of(&name, &rule).unwrap();
        for batch in batches {
            contest.enter(batch, &Record::read(batch.raw.as_str()), &ground);
        }
        let standing = contest.settle(ground.now(), zone);
        let mut kept = Vec::new();
        for (place, batch) in batches.iter().enumerate() {
            match standing.of(place) {
                Opinion::Yes => kept.push(batch.id.to_string()),
                Opinion::Unknown(_) => kept.push(format!("?{}", batch.id)),
                Opinion::No(_) => {}
            }
        }
        kept
    }

    #[test]
    fn each_count_keeps_the_newest_of_its_own_periods() {
        let batches = [
            ran("A1", "x", "2026-01-30T10:00:00Z"),
            ran("A2", "x", "2026-01-30T09:00:00Z"),
            ran("A3", "x", "2026-01-26T00:00:00Z"), // a Monday, the same week as A1
            ran("A4", "x", "2026-01-25T23:59:59Z"), // a Sunday, the week before
            ran("A5", "x", "2025-12-31T00:00:00Z"),
            ran("A6", "x", "2025-12-30T00:00:00Z"),
            ran("A7", "x", "2024-06-01T00:00:00Z"),
        ];
        for (rule, expected) in [
            ("last = 1", vec!["A1"]),
            ("last = 3", vec!["A1", "A2", "A3"]),
            ("last = 99", vec!["A1", "A2", "A3", "A4", "A5", "A6", "A7"]),
            ("daily = 1", vec!["A1"]),
            ("daily = 3", vec!["A1", "A3", "A4"]),
            ("weekly = 2", vec!["A1", "A4"]),
            ("weekly = 3", vec!["A1", "A4", "A5"]),
            ("monthly = 2", vec!["A1", "A5"]),
            ("monthly = 3", vec!["A1", "A5", "A7"]),
            ("yearly = 2", vec!["A1", "A5"]),
            ("yearly = 9", vec!["A1", "A5", "A7"]),
            ("within = '2d'", vec!["A1", "A2"]),
            ("within = '144h'", vec!["A1", "A2", "A3"]),
            ("within = '0s'", vec![]),
            ("last = 2\nyearly = 3", vec!["A1", "A2", "A5", "A7"]),
            ("id = ['A2', 'A7']\nlast = 1", vec!["A2"]),
        ] {
            assert_eq!(kept(rule, chrono_tz::UTC, &batches), expected, "{rule}");
            let mut backwards = batches.to_vec();
            backwards.reverse();
            let mut again = kept(rule, chrono_tz::UTC, &backwards);
            again.sort();
            assert_eq!(again, expected, "{rule}, listed the other way round");
        }
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let batches = [
            ran("A1", "x", "2026-01-20T04:30:00Z"), // the 19th in New York, the 20th in Paris
            ran("A2", "x", "2026-01-19T22:30:00Z"), // the 19th in both
            ran("A3", "x", "2026-01-18T12:00:00Z"),
        ];
        assert_eq!(kept("daily = 2", chrono_tz::America::New_York, &batches), ["A1", "A3"]);
        assert_eq!(kept("daily = 2", chrono_tz::Europe::Paris, &batches), ["A1", "A2"]);
    }

    #[test]
    fn groups_are_what_the_first_capture_found_and_no_group_is_one_too() {
        let batches = [
            ran("A1", "report-a-1", "2026-01-05T00:00:00Z"),
            ran("A2", "report-a-2", "2026-01-04T00:00:00Z"),
            ran("A3", "report-b-1", "2026-01-03T00:00:00Z"),
            ran("A4", "report-b-2", "2026-01-02T00:00:00Z"),
            ran("A5", "other-1", "2026-01-02T00:00:00Z"),
            ran("A6", "other-2", "2026-01-01T00:00:00Z"),
        ];
        let rule = "group_by = '^(report-[a-z]+)'\nlast = 1";
        assert_eq!(kept(rule, chrono_tz::UTC, &batches), ["A1", "A3", "A5"]);
        assert_eq!(kept("last = 1", chrono_tz::UTC, &batches), ["A1"]);
    }

    #[test]
    fn a_batch_that_cannot_be_judged_stays_and_takes_no_place() {
        let batches = [
            ran("A1", "x", "2026-01-05T00:00:00Z"),
            ran("A2", "x", "2026-01-04T00:00:00Z"),
            ran("A3", "x", "2026-03-01T00:00:00Z"), // yet to come
            batch("A4", r#""name":"x","created_at":"2026-01-01T00:00:00Z""#),
            batch("A5", r#""created_at":"2026-01-31T00:00:00Z","next_result_set_id":1"#),
            batch("A6", r#""name":"x","name":"x""#),
        ];
        let expected = ["A1", "?A3", "?A4", "?A5", "?A6"];
        assert_eq!(kept("name = 'x'\nlast = 1", chrono_tz::UTC, &batches), expected);
        assert_eq!(kept("group_by = '(x)'\nlast = 1", chrono_tz::UTC, &batches), expected);
    }

    // fault: P6
    #[test]
    fn equal_times_are_ordered_by_creation_then_id() {
        let at = |id: &str, created: &str| {
            let fields =
                format!(r#""created_at":"{created}","last_run":"2026-01-05T00:00:00Z","name":"x""#);
            batch(id, &fields)
        };
        let batches = [
            at("B2", "2026-01-01T00:00:00Z"),
            at("B1", "2026-01-01T00:00:00Z"),
            at("C1", "2026-01-02T00:00:00Z"),
        ];
        assert_eq!(kept("last = 1", chrono_tz::UTC, &batches), ["C1"]);
        assert_eq!(kept("last = 2", chrono_tz::UTC, &batches), ["B1", "C1"]);
    }
}
