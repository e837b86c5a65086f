//! Instants, civil dates and durations, read and counted by hand.
//!
//! Not here: zones (`rank` asks for an offset), what an instant means for a rule (`record`, `rule`).
//! Invariant: whole nanoseconds in `i128`, which no year up to 9999 and no duration of the file can
//! overflow; what does not have the exact shape is nothing.

/// Nanoseconds: of an instant since 1970-01-01T00:00:00Z, of a duration from its start.
pub(super) type Nanos = i128;

/// Nanoseconds of one second.
pub(super) const SECOND: Nanos = 1_000_000_000;

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±hh:mm)` of a real date from 2000 on, as the API writes
/// its times. Digits after the ninth of a fraction are dropped.
pub(super) fn of_record(text: &str) -> Option<Nanos> {
    /// Before that no batch was made: an older year is a zero or a mistake.
    const FIRST_YEAR: &str = "2000";
    (text.get(..4)? >= FIRST_YEAR).then(|| instant(text)).flatten()
}

/// Reads an instant of the file: the same shape, of any year, in whose place for `T` and `Z` RFC 3339
/// also lets a blank and small letters stand.
pub(super) fn of_file(text: &str) -> Option<Nanos> {
    let mut text = text.to_ascii_uppercase();
    if text.get(10..11) == Some(" ") {
        text.replace_range(10..11, "T");
    }
    instant(&text)
}

/// Reads a whole number and one of the units s, min, h, d (24 h) and w.
pub(super) fn duration(text: &str) -> Option<Nanos> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let seconds = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _other => return None,
    };
    let count: u64 = digits.parse().ok()?;
    Some(Nanos::from(count) * seconds * SECOND)
}

/// A day of some calendar, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(i64);

impl Day {
    /// The day of an instant, `offset` seconds east of UTC.
    pub(super) fn of(at: Nanos, offset: i32) -> Option<Self> {
        let seconds = at.div_euclid(SECOND) + Nanos::from(offset);
        i64::try_from(seconds.div_euclid(86_400)).ok().map(Self)
    }

    /// The day's own number.
    pub(super) const fn number(self) -> i64 {
        self.0
    }

    /// The number of its ISO week: weeks begin on Mondays, and 1970-01-01 was a Thursday.
    pub(super) const fn week(self) -> i64 {
        (self.0 + 3).div_euclid(7)
    }

    /// The number of its month, twelve to a year.
    pub(super) const fn month(self) -> i64 {
        let (year, month) = self.year_and_month();
        year * 12 + month
    }

    /// Its year.
    pub(super) const fn year(self) -> i64 {
        self.year_and_month().0
    }

    /// Year and month (from 1) of the Gregorian calendar: counts in eras of 400 years that begin in
    /// March, so that the leap day is the last of its year.
    const fn year_and_month(self) -> (i64, i64) {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month)
    }
}

/// Days from 1970-01-01 to a real date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _other => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(year.div_euclid(400) * 146_097 + day_of_era - 719_468)
}

/// Reads the one shape.
fn instant(text: &str) -> Option<Nanos> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.digits(4)?;
    rest.byte(b'-')?;
    let month = rest.digits(2)?;
    rest.byte(b'-')?;
    let day = days(year, month, rest.digits(2)?)?;
    rest.byte(b'T')?;
    let hour = rest.digits(2).filter(|hour| *hour < 24)?;
    rest.byte(b':')?;
    let minute = rest.digits(2).filter(|minute| *minute < 60)?;
    rest.byte(b':')?;
    let second = rest.digits(2).filter(|second| *second < 60)?;
    let fraction = rest.fraction()?;
    let offset = rest.offset()?;
    rest.0.is_empty().then_some(())?;
    let seconds = day * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    Some(Nanos::from(seconds) * SECOND + fraction)
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Takes exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let mut number = 0;
        for byte in taken {
            number = number * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        Some(number)
    }

    /// Takes exactly this byte.
    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == wanted).then_some(())
    }

    /// Takes a fraction of a second, if one is there, in nanoseconds.
    fn fraction(&mut self) -> Option<Nanos> {
        if self.0.first() != Some(&b'.') {
            return Some(0);
        }
        self.byte(b'.')?;
        let (mut nanos, mut unit) = (0, SECOND / 10);
        self.0.first().filter(|byte| byte.is_ascii_digit())?;
        while let Some(digit) = self.0.first().filter(|byte| byte.is_ascii_digit()) {
            nanos += Nanos::from(digit - b'0') * unit;
            unit /= 10;
            self.digits(1)?;
        }
        Some(nanos)
    }

    /// Takes `Z` or `±hh:mm`, in seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let (sign, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match sign {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _other => return None,
        };
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        self.byte(b':')?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        Some(sign * (hours * 3_600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    // fault: J8
    #[test]
    fn only_the_exact_shape_of_a_real_date_is_an_instant() {
        let second = 1_769_817_600 * SECOND; // 2026-01-31T00:00:00Z
        for (text, expected) in [
            ("2026-01-31T00:00:00Z", Some(second)),
            ("2026-01-31T00:00:00.000Z", Some(second)),
            ("2026-01-31T00:00:00.5Z", Some(second + SECOND / 2)),
            ("2026-01-31T00:00:00.0000000019Z", Some(second + 1)),
            ("2026-01-31T02:30:00+02:30", Some(second)),
            ("2026-01-30T23:00:00-01:00", Some(second)),
            ("2000-01-01T00:00:00Z", Some(946_684_800 * SECOND)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799 * SECOND)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800 * SECOND)),
            ("2026-02-29T00:00:00Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2026-02-30T00:00:00Z", None),
            ("2026-04-31T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("1999-12-31T00:00:00Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("2026-01-31T24:00:00Z", None),
            ("2026-01-31T00:60:00Z", None),
            ("2026-01-31T00:00:60Z", None),
            ("2026-01-31T00:00:00", None),
            ("2026-01-31T00:00:00.Z", None),
            ("2026-01-31T00:00:00,5Z", None),
            ("2026-01-31T00:00:00+0000", None),
            ("2026-01-31T00:00:00+24:00", None),
            ("2026-01-31T00:00:00+00:60", None),
            ("2026-01-31T00:00:00 Z", None),
            ("2026-01-31 00:00:00Z", None),
            ("2026-01-31t00:00:00z", None),
            ("+2026-01-31T00:00:00Z", None),
            ("12026-01-31T00:00:00Z", None),
            (" 2026-01-31T00:00:00Z", None),
            ("2026-01-31T00:00:00Z ", None),
            ("2026-1-31T00:00:00Z", None),
            ("2026-01-31", None),
            ("1769817600", None),
            ("2O26-01-31T00:00:00Z", None),
            ("日本6-01-31T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(of_record(text), expected, "{text}");
        }
    }

    #[test]
    fn the_file_may_write_an_instant_as_rfc_3339_does() {
        let at = of_record("2026-01-31T00:00:00Z");
        for text in ["2026-01-31T00:00:00Z", "2026-01-31t00:00:00z", "2026-01-31 00:00:00Z"] {
            assert_eq!(of_file(text), at, "{text}");
        }
        assert_eq!(of_file("1970-01-01T00:00:01Z"), Some(SECOND));
        assert_eq!(of_file("2026-01-31T00:00:00"), None);
    }

    #[test]
    fn durations_are_a_whole_number_and_a_unit_of_the_closed_list() {
        for (text, seconds) in [
            ("0s", Some(0)),
            ("90s", Some(90)),
            ("5min", Some(300)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("2w", Some(1_209_600)),
            ("30m", None),
            ("30M", None),
            ("1y", None),
            ("1.5h", None),
            ("-1h", None),
            ("+1h", None),
            ("1 h", None),
            ("h", None),
            ("7", None),
            ("", None),
            ("99999999999999999999d", None),
            ("٣d", None),
        ] {
            assert_eq!(duration(text), seconds.map(|seconds: Nanos| seconds * SECOND), "{text}");
        }
    }

    proptest! {
        #[test]
        fn instants_agree_with_another_reader(seconds in 946_684_800_i64..253_402_300_800, ms in 0_u32..1000) {
            let at = DateTime::from_timestamp(seconds, ms * 1_000_000).unwrap();
            let text = at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            let expected = Nanos::from(seconds) * SECOND + Nanos::from(ms) * 1_000_000;
            prop_assert_eq!(of_record(&text), Some(expected), "{}", text);
        }

        #[test]
        fn calendar_days_agree_with_another_calendar(number in 0_i64..2_932_896) {
            let day = Day(number);
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            let other = epoch + chrono::Days::new(number.unsigned_abs());
            prop_assert_eq!(day.year(), i64::from(other.year()));
            prop_assert_eq!(day.month(), i64::from(other.year()) * 12 + i64::from(other.month()));
            let next = Day(number + 1);
            let new_week = next.week() != day.week();
            prop_assert_eq!(new_week, other.weekday() == chrono::Weekday::Sun);
        }
    }
}
