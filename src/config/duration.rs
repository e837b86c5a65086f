//! Durations as the file writes them: a whole number and one unit of a closed list.
//!
//! Not here: ages and dates of batches (`policy`), where a duration may be `"off"` (`settings`).
//! Invariant: one text has one meaning. `m` and `M` (minutes or months?), months and years (how
//! long?), fractions, signs and blanks are refused with what to write instead, since one letter in a
//! retention rule decides what is deleted.

use std::fmt;
use std::time::Duration;

/// A length of time, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// The longest that is believed, 100 years of 365 days: more is a slip, and far below where
    /// arithmetic on dates could overflow.
    pub const MAX: Self = Self::of_secs(36_500 * 86_400);

    /// That many seconds. For defaults.
    pub const fn of_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Reads a whole number and `s`, `min`, `h`, `d` (24 h) or `w` (7 d).
    ///
    /// # Errors
    /// On anything else, naming what is wrong and what to write.
    pub fn parse(text: &str) -> Result<Self, BadDuration> {
        let bad = |why| BadDuration { text: text.to_owned(), why };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
        if number.is_empty() || !unit.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(bad(shape(text)));
        }
        let unit_secs = seconds(unit).ok_or_else(|| bad(wrong_unit(unit, number)))?;
        let count: u64 = number.parse().map_err(|_overflow| bad(Why::TooLong))?;
        let secs = count.checked_mul(unit_secs).ok_or_else(|| bad(Why::TooLong))?;
        let span = Self::of_secs(secs);
        if span > Self::MAX { Err(bad(Why::TooLong)) } else { Ok(span) }
    }
}

/// Written with the largest of `d`, `h`, `min` and `s` that leaves a whole number; a single day is
/// `24h`, which is what it means.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let one_day = secs == 86_400;
        let fits = |unit: u64| secs != 0 && secs.is_multiple_of(unit) && !(one_day && unit == secs);
        let (unit, name) = [(86_400, "d"), (3_600, "h"), (60, "min")]
            .into_iter()
            .find(|(unit, _)| fits(*unit))
            .unwrap_or((1, "s"));
        write!(f, "{}{name}", secs / unit)
    }
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDuration {
    text: String,
    why: Why,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Empty,
    Blank,
    Sign,
    Fraction,
    NoNumber,
    NoUnit,
    MinutesOrMonths,
    Calendar { days: String },
    Several,
    TooFine,
    Spelled { as_written: String },
    UnknownUnit { unit: String },
    TooLong,
}

impl BadDuration {
    /// What to write instead.
    pub fn help(&self) -> String {
        match &self.why {
            Why::Calendar { days } => {
                format!("months and years differ in length; write days, such as `{days}`")
            }
            Why::Spelled { as_written } => format!("write `{as_written}`"),
            Why::Several => "write one number and one unit, such as `90min`".to_owned(),
            Why::Empty
            | Why::Blank
            | Why::Sign
            | Why::Fraction
            | Why::NoNumber
            | Why::NoUnit
            | Why::MinutesOrMonths
            | Why::TooFine
            | Why::UnknownUnit { .. }
            | Why::TooLong => "a whole number and one of `s`, `min`, `h`, `d` (24 h), `w`, \
                               such as `30min` or `7d`"
                .to_owned(),
        }
    }
}

impl fmt::Display for BadDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = super::hide::shown(&self.text);
        match &self.why {
            Why::Empty => f.write_str("a duration cannot be empty"),
            Why::Blank => write!(f, "`{text}`: a duration has no blanks"),
            Why::Sign => write!(f, "`{text}`: a duration has no sign"),
            Why::Fraction => write!(f, "`{text}`: a duration is a whole number of its unit"),
            Why::NoNumber => write!(f, "`{text}` is not a duration"),
            Why::NoUnit => write!(f, "`{text}`: the unit is missing"),
            Why::MinutesOrMonths => write!(f, "`{text}`: minutes are `min`, days are `d`"),
            Why::Calendar { .. } => write!(f, "`{text}`: months and years are no units here"),
            Why::Several => write!(f, "`{text}`: a duration has one number and one unit"),
            Why::TooFine => write!(f, "`{text}`: the smallest unit is the second"),
            Why::Spelled { .. } => write!(f, "`{text}`: units are written short"),
            Why::UnknownUnit { unit } => {
                write!(f, "`{text}`: `{}` is not a unit", super::hide::shown(unit))
            }
            Why::TooLong => write!(f, "`{text}`: longer than 100 years"),
        }
    }
}

impl std::error::Error for BadDuration {}

/// Seconds in a unit.
fn seconds(unit: &str) -> Option<u64> {
    match unit {
        "s" => Some(1),
        "min" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        "w" => Some(7 * 86_400),
        _ => None,
    }
}

/// What is wrong with a text that is not even digits and then letters.
fn shape(text: &str) -> Why {
    if text.is_empty() {
        return Why::Empty;
    }
    if text.chars().any(char::is_whitespace) {
        return Why::Blank;
    }
    if text.starts_with(['-', '+', '\u{2212}']) {
        return Why::Sign;
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Why::NoNumber;
    }
    match text.chars().find(|c| !c.is_ascii_digit()) {
        Some('.' | ',' | '_' | '\'') => Why::Fraction,
        _ => Why::Several,
    }
}

/// What is wrong with a unit that is none.
fn wrong_unit(unit: &str, number: &str) -> Why {
    let spelled = |short: &str| Why::Spelled { as_written: format!("{number}{short}") };
    let days = |each: u64| {
        let count = number.parse::<u64>().ok().and_then(|n| n.checked_mul(each));
        Why::Calendar { days: format!("{}d", count.unwrap_or(each)) }
    };
    if matches!(unit, "m" | "M") {
        return Why::MinutesOrMonths;
    }
    match unit.to_ascii_lowercase().as_str() {
        "" => Why::NoUnit,
        "mo" | "mon" | "month" | "months" => days(30),
        "y" | "yr" | "yrs" | "year" | "years" => days(365),
        "ms" | "us" | "ns" | "msec" | "millis" => Why::TooFine,
        "s" | "sec" | "secs" | "second" | "seconds" => spelled("s"),
        "min" | "mins" | "minute" | "minutes" => spelled("min"),
        "h" | "hr" | "hrs" | "hour" | "hours" => spelled("h"),
        "d" | "day" | "days" => spelled("d"),
        "w" | "wk" | "wks" | "week" | "weeks" => spelled("w"),
        _ => Why::UnknownUnit { unit: unit.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_a_whole_number_and_one_unit() {
        for (text, secs, shown) in [
            ("0s", 0, "0s"),
            ("0d", 0, "0s"),
            ("1s", 1, "1s"),
            ("90s", 90, "90s"),
            ("30min", 1_800, "30min"),
            ("24h", 86_400, "24h"),
            ("36h", 129_600, "36h"),
            ("7d", 604_800, "7d"),
            ("2w", 1_209_600, "14d"),
            ("007d", 604_800, "7d"),
            ("36500d", 3_153_600_000, "36500d"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.duration(), Duration::from_secs(secs), "{text}");
            assert_eq!(span.to_string(), shown, "{text}");
        }
    }

    // fault: F3
    #[test]
    fn what_could_mean_two_things_is_refused_with_what_to_write() {
        let rows = [
            "",
            " ",
            "30m",
            "30M",
            "1mo",
            "3months",
            "2y",
            "1 d",
            "7d ",
            "-1d",
            "+1d",
            "1.5h",
            "1,5h",
            "1_000s",
            "d",
            "soon",
            "7",
            "1h30min",
            "500ms",
            "5sec",
            "10minutes",
            "2H",
            "3days",
            "1week",
            "4q",
            "36501d",
            "99999999999999999999s",
            "18446744073709551615w",
            "٣d",
            "1d\n",
            "1µs",
            "1d!",
        ];
        let said = rows.map(|text| {
            let bad = Span::parse(text).unwrap_err();
            format!("{text:?}\n  {bad}\n  help: {}\n", bad.help())
        });
        insta::assert_snapshot!(said.concat());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn what_is_written_back_reads_the_same(secs in 0..=Span::MAX.duration().as_secs()) {
            let span = Span::of_secs(secs);
            prop_assert_eq!(Span::parse(&span.to_string()), Ok(span));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}") {
            drop(Span::parse(&text).map_err(|bad| (bad.to_string(), bad.help())));
        }
    }
}
