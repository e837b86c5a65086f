//! Patience: what protects a batch besides rules: holds, markers in its name, grace and probation.
//!
//! Holds and first sights are not in the record; they come as they are remembered.
//! Not here: where they are remembered (`state`).

use std::collections::BTreeMap;

use chrono::TimeZone;

use crate::batch::{BatchId, Fact, RuleName};
use crate::clock::Timestamp;
use crate::config::raw::RawRule;

use super::moment::{self, Nanos, SECOND};
use super::record::Record;

/// What is remembered of the account.
#[derive(Debug, Clone, Default)]
pub struct Past<'a> {
    /// Until when batches are held, that instant included.
    pub holds: BTreeMap<&'a BatchId, Timestamp>,
    /// Since when a rule has selected a batch.
    pub selected_since: Option<&'a BTreeMap<RuleName, BTreeMap<BatchId, Timestamp>>>,
    /// Since when a delete rule has been what it is.
    pub unchanged_since: Option<&'a BTreeMap<RuleName, Timestamp>>,
}

/// What the file says of patience.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `guards.probation`, as written.
    pub probation: &'a str,
    /// `guards.name_markers`.
    pub name_markers: bool,
}

/// Who held this batch by hand; `None` where nobody did.
pub(super) fn held(past: &Past<'_>, id: &BatchId, now: Nanos) -> Option<String> {
    let until = past.holds.get(id).map(|until| nanos(*until))?;
    (until >= now).then(|| "held by hand".to_owned())
}

/// What the batch's own name asks for; `None` where it asks for nothing any more.
pub(super) fn marked(record: &Record<'_>, now: Nanos, zone: chrono_tz::Tz) -> Option<String> {
    let Fact::Known(name) = &record.name else {
        return Some("its name cannot be read, so it may ask to be kept".to_owned());
    };
    let small: Vec<char> = name.chars().map(|c| c.to_ascii_lowercase()).collect();
    let starts =
        (0..small.len()).filter_map(|at| small.get(at..)?.strip_prefix(&['[', 'k', 'e', 'e', 'p']));
    let asks = starts
        .filter(|rest| !rest.first().is_some_and(|c| c.is_alphanumeric() || "-_".contains(*c)));
    let mut lasting = asks.filter(|rest| {
        let inside: String = rest.iter().take_while(|c| **c != ']').collect();
        let is_closed = rest.contains(&']');
        let end = inside.trim().strip_prefix("until=").map(str::trim).filter(|_| is_closed);
        end.and_then(|end| is_over(end, now, zone)) != Some(true)
    });
    lasting.next().map(|_| "its name says `[keep …]`".to_owned())
}

/// Whether a day of the zone, or an instant, is over; nothing where it is neither.
fn is_over(end: &str, now: Nanos, zone: chrono_tz::Tz) -> Option<bool> {
    if let Some(instant) = moment::of_file(&end.to_ascii_uppercase()) {
        return Some(instant < now);
    }
    let day = chrono::NaiveDate::parse_from_str(end, "%Y-%m-%d").ok()?;
    let seconds = i64::try_from(now.div_euclid(SECOND)).ok()?;
    let today = zone.timestamp_opt(seconds, 0).single()?.date_naive();
    Some(today > day)
}

/// Why a delete rule that selects the batch still has to wait; `None` where it need not.
pub(super) fn waits(
    (name, raw): (&RuleName, Option<&RawRule>),
    id: &BatchId,
    past: &Past<'_>,
    asked: Asked<'_>,
    now: Nanos,
) -> Option<String> {
    let grace = raw.and_then(|raw| raw.grace.as_ref()).map_or("0s", |text| text.0.as_str());
    let since = past.selected_since.and_then(|rules| rules.get(name)?.get(id));
    let changed = past.unchanged_since.and_then(|rules| rules.get(name));
    lasts(grace, since, now, "its grace")
        .or_else(|| lasts(asked.probation, changed, now, "the rule's probation"))
}

/// Whether a wait from an instant on is not over; what is not remembered began now.
fn lasts(wait: &str, since: Option<&Timestamp>, now: Nanos, what: &str) -> Option<String> {
    match moment::duration(wait) {
        None => Some(format!("{what} cannot be read")),
        Some(0) => None,
        Some(wait) => {
            let began = since.map_or(now, |since| nanos(*since));
            (now - began < wait).then(|| format!("{what} lasts"))
        }
    }
}

fn nanos(at: Timestamp) -> Nanos {
    Nanos::from(at.timestamp()) * SECOND + Nanos::from(at.timestamp_subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::at;

    const NOW: &str = "2026-02-01T12:00:00Z";

    #[test]
    fn a_name_that_asks_to_be_kept_is_marked_until_its_day_is_over() {
        for (name, expected) in [
            ("tmp-1", false),
            ("[keep]", true),
            ("x [KEEP] y", true),
            ("[keepsake]", false),
            ("[keep-7]", false),
            ("[keep", true),
            ("[keep until=2026-02-01]", true),
            ("[keep until=2026-01-31]", false),
            ("[keep until=2026-01-31", true),
            ("[keep until=2026-02-30]", true),
            ("[keep until=2026-02-01T12:00:00Z]", true),
            ("[keep until=2026-02-01T11:59:59Z]", false),
            ("[keep until=2026-01-01] [keep until=2026-03-01]", true),
        ] {
            let raw = format!(r#"{{"id":"A1","name":"{name}"}}"#);
            let record = Record::read(&raw);
            let marked = marked(&record, nanos(at(NOW)), chrono_tz::Europe::Paris);
            assert_eq!(marked.is_some(), expected, "{name}: {marked:?}");
        }
        let nameless = Record::read(r#"{"id":"A1","name":7}"#);
        assert!(marked(&nameless, nanos(at(NOW)), chrono_tz::UTC).is_some());
    }

    #[test]
    fn a_wait_is_over_when_it_was_remembered_long_enough() {
        let rule = RuleName::parse("tmp").unwrap();
        let id = BatchId::parse("A1").unwrap();
        let raw: RawRule = toml::from_str("grace = '24h'").unwrap();
        let says = |since: Option<&str>, changed: Option<&str>| {
            let selected: BTreeMap<_, _> = since
                .map(|since| (rule.clone(), BTreeMap::from([(id.clone(), at(since))])))
                .into_iter()
                .collect();
            let unchanged: BTreeMap<_, _> =
                changed.map(|changed| (rule.clone(), at(changed))).into_iter().collect();
            let past = Past {
                holds: BTreeMap::new(),
                selected_since: Some(&selected),
                unchanged_since: Some(&unchanged),
            };
            let asked = Asked { probation: "1h", name_markers: true };
            waits((&rule, Some(&raw)), &id, &past, asked, nanos(at(NOW)))
        };
        let (long_ago, a_day_ago) = (Some("2025-01-01T00:00:00Z"), Some("2026-01-31T12:00:00Z"));
        assert_eq!(says(a_day_ago, long_ago), None);
        for (since, changed) in [
            (None, long_ago),
            (Some("2026-01-31T12:00:01Z"), long_ago),
            (Some("2026-02-01T12:00:01Z"), long_ago),
            (long_ago, None),
            (long_ago, Some("2026-02-01T11:00:01Z")),
        ] {
            assert!(says(since, changed).is_some(), "{since:?} {changed:?}");
        }
    }
}
