//! Name markers: `[keep]` and `[keep until=2027-01-31]` in a batch's own name protect it.
//!
//! They are for people who may rename a batch and cannot reach the file. What looks like a marker and
//! cannot be read as one keeps without end: in doubt it stays.
//! Not here: holds that are remembered (`memory`).

use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// How every marker begins, in any case.
const OPENING: &str = "[keep";

/// What a name's markers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Marked {
    /// Nothing.
    No,
    /// To be kept up to and including this instant.
    Until(Timestamp),
    /// To be kept, without end.
    Always,
}

/// What a name says; of several markers, the one that keeps longest. A date is a whole day of the zone.
pub(super) fn read(name: &str, zone: Tz) -> Marked {
    let lower = name.to_ascii_lowercase();
    let openings = lower.match_indices(OPENING);
    openings
        .map(|(at, opening)| one(lower.get(at + opening.len()..), zone))
        .max()
        .unwrap_or(Marked::No)
}

/// What follows an opening.
fn one(rest: Option<&str>, zone: Tz) -> Marked {
    let rest = rest.unwrap_or_default();
    let is_word = rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
    if is_word {
        return Marked::No;
    }
    let end = rest.split_once(']').and_then(|(inside, _)| inside.trim().strip_prefix("until="));
    match end.and_then(|end| last_instant(end.trim(), zone)) {
        Some(until) => Marked::Until(until),
        None => Marked::Always,
    }
}

/// The last instant of a day of the zone, or an RFC 3339 instant.
pub(super) fn last_instant(text: &str, zone: Tz) -> Option<Timestamp> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(&text.to_ascii_uppercase()) {
        return Some(instant.to_utc());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let next = day.checked_add_days(Days::new(1))?.and_hms_opt(0, 0, 0)?;
    // Where clocks skip midnight, the day ends with the gap; where they repeat it, with the second one.
    let midnight = zone.from_local_datetime(&next).latest().map(|at| at.to_utc());
    let midnight = midnight.or_else(|| {
        let after = zone.from_local_datetime(&(next + TimeDelta::hours(2))).latest()?;
        Some(after.to_utc())
    })?;
    midnight.checked_sub_signed(TimeDelta::milliseconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::at;

    #[test]
    fn a_name_is_marked_by_its_strongest_marker_and_in_doubt_without_end() {
        let until = |text| Marked::Until(at(text));
        for (name, expected) in [
            ("tmp-1", Marked::No),
            ("keep this", Marked::No),
            ("[keepsake] 1", Marked::No),
            ("[keep-alive]", Marked::No),
            ("[keep]", Marked::Always),
            ("tmp [KEEP] 7", Marked::Always),
            ("tmp [ keep ]", Marked::No),
            ("[keep ]", Marked::Always),
            ("[keep", Marked::Always),
            ("[keep until=2027-01-31", Marked::Always),
            ("[keep until=2027-01-31] x", until("2027-01-31T22:59:59.999Z")),
            ("[Keep Until= 2027-01-31 ]", until("2027-01-31T22:59:59.999Z")),
            ("[keep until=2027-01-31T12:00:00Z]", until("2027-01-31T12:00:00Z")),
            ("[keep until=2027-02-30]", Marked::Always),
            ("[keep until=31.01.2027]", Marked::Always),
            ("[keep until 2027-01-31]", Marked::Always),
            ("[keep until=2020-01-01] [keep until=2021-01-01]", until("2021-01-01T22:59:59.999Z")),
            ("[keep until=2020-01-01][keep]", Marked::Always),
        ] {
            assert_eq!(read(name, chrono_tz::Europe::Paris), expected, "{name}");
        }
    }

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
