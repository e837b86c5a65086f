//! Name markers: `[keep]` and `[keep until=2027-01-31]` in a batch's own name protect it.
//!
//! They are for people who may rename a batch and cannot reach the file. What looks like a marker and
//! cannot be read as one keeps without end: in doubt it stays.
//! Not here: holds that are remembered (`memory`).

use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::policy::day;

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
    match end.and_then(|end| day::last_instant(end.trim(), zone)) {
        Some(until) => Marked::Until(until),
        None => Marked::Always,
    }
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
}
