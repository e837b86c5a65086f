//! One field of a record: from its JSON text to a [`Fact`].
//!
//! Every function takes the text of one valid JSON value and reads it as one type or not at all.
//! Invariant: `1`, `1.0` and `"1"` are three different things.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Utc};

use crate::batch::Fact;
use crate::clock::Timestamp;

/// As much of an odd number or date as is shown.
const SHOWN: usize = 40;

/// Reads a field: absent and `null` are missing, what `read` does not take is unreadable.
pub(super) fn fact<'a, T>(
    raw: Option<&'a str>,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Fact<T> {
    match raw {
        None | Some("null") => Fact::Missing,
        Some(raw) => read(raw).map_or_else(|| Fact::Unreadable(seen(raw).into()), Fact::Known),
    }
}

/// What kind of value it is. Only a number, or a text of a date's characters, is shown itself.
pub(super) fn seen(raw: &str) -> Cow<'static, str> {
    match raw.as_bytes().first() {
        Some(b'"') => match text(raw) {
            Some(text) if looks_like_a_date(&text) => Cow::Owned(format!("\"{text}\"")),
            Some(_) => Cow::Borrowed("a text of another kind"),
            None => Cow::Borrowed("a text that is not Unicode"),
        },
        Some(b'{') => Cow::Borrowed("an object"),
        Some(b'[') => Cow::Borrowed("a list of another kind"),
        Some(b't') => Cow::Borrowed("true"),
        Some(b'f') => Cow::Borrowed("false"),
        Some(b'n') => Cow::Borrowed("null"),
        Some(_) => Cow::Owned(raw.chars().take(SHOWN).collect()),
        None => Cow::Borrowed("nothing"),
    }
}

fn looks_like_a_date(text: &str) -> bool {
    let of_a_date = |b: u8| b.is_ascii_digit() || b"-+:.TtZz ".contains(&b);
    text.len() <= SHOWN && text.bytes().all(of_a_date)
}

/// A text.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        // Escapes are rare; a lone surrogate among them makes this fail.
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A whole number from 0: digits and nothing else.
pub(super) fn whole(raw: &str) -> Option<u64> {
    raw.bytes().all(|b| b.is_ascii_digit()).then(|| raw.parse().ok())?
}

/// `true` or `false`.
pub(super) fn flag(raw: &str) -> Option<bool> {
    match raw {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A list of texts.
pub(super) fn texts(raw: &str) -> Option<Box<[Box<str>]>> {
    if !raw.starts_with('[') {
        return None;
    }
    serde_json::from_str(raw).ok()
}

/// A time: `2026-01-31T00:00:00Z`, with a fraction or not, with an offset or not. Stricter than the
/// RFC: a capital `T` and `Z`, no leap second, years from 2000; anything else is nobody's age.
pub(super) fn time(raw: &str) -> Option<Timestamp> {
    let text = text(raw)?;
    if !has_the_shape_of_a_time(text.as_bytes()) {
        return None;
    }
    let time = DateTime::parse_from_rfc3339(&text).ok()?.with_timezone(&Utc);
    (2000..=9999).contains(&time.year()).then_some(time)
}

fn has_the_shape_of_a_time(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let fits = |shape: &[u8], text: &[u8]| {
        shape.len() == text.len()
            && shape.iter().zip(text).all(|(s, t)| match s {
                b'd' => t.is_ascii_digit(),
                other => other == t,
            })
    };
    let Some((start, rest)) = text.split_at_checked(SHAPE.len()) else { return false };
    if !fits(SHAPE, start) || start.ends_with(b"60") {
        return false;
    }
    let zone = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            fraction.get(digits..).unwrap_or_default()
        }
        None => rest,
    };
    zone == b"Z" || fits(b"+dd:dd", zone) || fits(b"-dd:dd", zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    // fault: J8
    #[test]
    fn a_time_has_one_shape() {
        for (text, expected) in [
            ("2020-01-01T00:00:01.000Z", Some("2020-01-01T00:00:01Z")),
            ("2020-01-01T00:00:01Z", Some("2020-01-01T00:00:01Z")),
            ("2020-01-01T00:00:01.5Z", Some("2020-01-01T00:00:01.500Z")),
            ("2020-01-01T00:00:01.123456789Z", Some("2020-01-01T00:00:01.123456789Z")),
            ("2020-01-01T02:00:00+02:00", Some("2020-01-01T00:00:00Z")),
            ("2019-12-31T23:30:00-00:30", Some("2020-01-01T00:00:00Z")),
            ("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z")),
            ("9999-12-31T23:59:59-01:00", None),
            ("2000-01-01T00:00:00+01:00", None),
            ("1999-12-31T23:59:59Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("1970-01-01T00:00:00Z", None),
            ("2020-01-01 00:00:01Z", None),
            ("2020-01-01t00:00:01Z", None),
            ("2020-01-01T00:00:01z", None),
            ("2020-01-01T00:00:01", None),
            ("2020-01-01T00:00:60Z", None),
            ("2020-01-01T24:00:00Z", None),
            ("2020-02-30T00:00:00Z", None),
            ("2020-01-01T00:00:01.Z", None),
            ("2020-01-01T00:00:01.1234567890Z", None),
            ("2020-01-01T00:00:01,5Z", None),
            ("2020-01-01T00:00:01+0000", None),
            ("2020-01-01T00:00:01+00", None),
            ("2020-01-01T00:00:01+24:00", None),
            ("2020-01-01T00:00Z", None),
            ("2020-01-01", None),
            ("+2020-01-01T00:00:01Z", None),
            ("12020-01-01T00:00:01Z", None),
            (" 2020-01-01T00:00:01Z", None),
            ("2020-01-01T00:00:01Z ", None),
            ("1577836801", None),
            ("", None),
        ] {
            let read = time(&format!("\"{text}\""));
            assert_eq!(read, expected.map(|at| at.parse().unwrap()), "{text}");
        }
        assert_eq!(time("1577836801"), None, "a number is no time");
        assert_eq!(time(r#""2020-01-01\u005400:00:01Z""#), time(r#""2020-01-01T00:00:01Z""#));
    }

    // fault: J7
    #[test]
    fn a_count_is_digits_and_nothing_else() {
        for (raw, expected) in [
            ("0", Some(0)),
            ("15000", Some(15_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("-0", None),
            ("1.0", None),
            ("1e3", None),
            ("1e400", None),
            ("\"1\"", None),
            ("true", None),
            ("[1]", None),
        ] {
            assert_eq!(whole(raw), expected, "{raw}");
        }
    }

    #[test]
    fn what_was_seen_never_repeats_a_text_of_the_server() {
        for (raw, expected) in [
            ("-1", "-1"),
            ("3.0", "3.0"),
            ("\"2026-13-01T00:00:00Z\"", "\"2026-13-01T00:00:00Z\""),
            ("\"SECRET\"", "a text of another kind"),
            ("\"\\ud800\"", "a text that is not Unicode"),
            ("{\"a\":1}", "an object"),
            ("[1]", "a list of another kind"),
            ("true", "true"),
            ("false", "false"),
        ] {
            assert_eq!(seen(raw), expected, "{raw}");
        }
        assert_eq!(seen(&"9".repeat(400)).len(), SHOWN);
    }

    #[test]
    fn texts_and_flags_are_read_strictly() {
        assert_eq!(text(r#""a\n\u00e9""#).as_deref(), Some("a\né"));
        assert_eq!(text("\"\""), Some(Cow::Borrowed("")));
        assert_eq!(text("1"), None);
        assert_eq!(text(r#""\ud800""#), None);
        assert_eq!(flag("true"), Some(true));
        assert_eq!(flag("\"true\""), None);
        assert_eq!(flag("1"), None);
        assert_eq!(texts("[]").unwrap().len(), 0);
        assert_eq!(texts(r#"["a","b"]"#).unwrap().len(), 2);
        assert_eq!(texts(r#"["a",1]"#), None);
        assert_eq!(texts(r#""a""#), None);
    }
}
