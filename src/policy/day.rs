//! Days of a time zone, as people write them: `2027-01-31`, or an RFC 3339 instant.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// The first instant that is no part of the day any more; of an instant, itself.
pub fn end(text: &str, zone: Tz) -> Option<Timestamp> {
    if let Some(instant) = instant(text) {
        return Some(instant);
    }
    let next = date(text)?.checked_add_days(Days::new(1))?;
    // Where clocks skip midnight, the day ends after the gap; where they repeat it, with the second one.
    midnights(next, zone).1
}

/// The first instant of the day; of an instant, itself.
pub fn first_instant(text: &str, zone: Tz) -> Option<Timestamp> {
    instant(text).or_else(|| midnights(date(text)?, zone).0)
}

/// The last instant of the day; of an instant, itself.
pub(super) fn last_instant(text: &str, zone: Tz) -> Option<Timestamp> {
    match instant(text) {
        Some(instant) => Some(instant),
        None => end(text, zone)?.checked_sub_signed(TimeDelta::milliseconds(1)),
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(&text.to_ascii_uppercase()).ok().map(|at| at.to_utc())
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// The first and the last instant that is the midnight at which a day begins.
fn midnights(day: NaiveDate, zone: Tz) -> (Option<Timestamp>, Option<Timestamp>) {
    let Some(midnight) = day.and_hms_opt(0, 0, 0) else { return (None, None) };
    let local = zone.from_local_datetime(&midnight);
    let skipped = || zone.from_local_datetime(&(midnight + TimeDelta::hours(2))).earliest();
    let utc = |at: DateTime<Tz>| at.to_utc();
    (local.earliest().or_else(skipped).map(utc), local.latest().or_else(skipped).map(utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::at;

    #[test]
    fn a_day_ends_where_the_zone_says_also_when_clocks_change_at_midnight() {
        let end = |day, zone| last_instant(day, zone).unwrap();
        assert_eq!(end("2026-03-29", chrono_tz::Europe::Paris), at("2026-03-29T21:59:59.999Z"));
        // Midnight is skipped on 5 September 2026 in Santiago, and comes twice on 25 October in the Azores.
        let santiago = end("2026-09-05", chrono_tz::America::Santiago);
        assert!(santiago >= at("2026-09-06T03:59:59.999Z"), "{santiago}");
        assert_eq!(end("2026-12-31", Tz::UTC), at("2026-12-31T23:59:59.999Z"));
    }
}
