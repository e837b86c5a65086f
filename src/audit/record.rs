//! One batch's record, read from the very text that the API sent.
//!
//! Not here: `api::wire`, which reads the same text for everybody else; nothing is shared with it.
//! Invariant: a field of another type than the contract gives it (contract §2.2) is unreadable, never
//! converted; a record that repeats a key, or is no JSON object, is unreadable as a whole.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::batch::Fact;

use super::expression::Subject;
use super::moment::{self, Nanos};

/// The fields that rules speak of, as the record has them.
pub(super) struct Record<'a> {
    pub(super) id: Fact<Cow<'a, str>>,
    pub(super) name: Fact<Cow<'a, str>>,
    pub(super) created_at: Fact<Nanos>,
    pub(super) last_run: Fact<Nanos>,
    pub(super) status: Fact<Cow<'a, str>>,
    pub(super) schedule_type: Fact<Cow<'a, str>>,
    pub(super) priority: Fact<Cow<'a, str>>,
    pub(super) enabled: Fact<bool>,
    pub(super) destinations: Fact<Vec<Cow<'a, str>>>,
    pub(super) searches: Fact<u64>,
    pub(super) results_count: Fact<u64>,
    pub(super) next_result_set_id: Fact<u64>,
    /// The text, for expressions; absent where the record is unreadable as a whole.
    text: Option<&'a str>,
    /// What expressions see of it, made when the first one asks.
    subject: OnceCell<Option<Subject>>,
}

impl<'a> Record<'a> {
    /// Reads a record. Nothing fails: what cannot be read is unreadable.
    pub(super) fn read(text: &'a str) -> Self {
        match serde_json::from_str::<Fields<'a>>(text) {
            Ok(fields) => Self::of(&fields, text),
            Err(error) => Self::unreadable(&error.to_string()),
        }
    }

    fn of(fields: &Fields<'a>, text: &'a str) -> Self {
        Self {
            id: string(fields.get(Key::Id)),
            name: string(fields.get(Key::Name)),
            created_at: instant(fields.get(Key::CreatedAt)),
            last_run: instant(fields.get(Key::LastRun)),
            status: string(fields.get(Key::Status)),
            schedule_type: string(fields.get(Key::ScheduleType)),
            priority: string(fields.get(Key::Priority)),
            enabled: read(fields.get(Key::Enabled)),
            destinations: strings(fields.get(Key::Destinations)),
            searches: fields.searches(),
            results_count: read(fields.get(Key::ResultsCount)),
            next_result_set_id: read(fields.get(Key::NextResultSetId)),
            text: Some(text),
            subject: OnceCell::new(),
        }
    }

    fn unreadable(why: &str) -> Self {
        fn odd<T>(why: &str) -> Fact<T> {
            Fact::Unreadable(why.into())
        }
        Self {
            id: odd(why),
            name: odd(why),
            created_at: odd(why),
            last_run: odd(why),
            status: odd(why),
            schedule_type: odd(why),
            priority: odd(why),
            enabled: odd(why),
            destinations: odd(why),
            searches: odd(why),
            results_count: odd(why),
            next_result_set_id: odd(why),
            text: None,
            subject: OnceCell::new(),
        }
    }

    /// Whether it never ran (contract §6.1.6): no `last_run`, and its next result set is the first.
    pub(super) fn never_ran(&self) -> Option<bool> {
        if self.last_run.known().is_some() {
            return Some(false);
        }
        let expects_its_first = self.next_result_set_id.known().is_some_and(|next| *next <= 1);
        (self.last_run.is_missing() && expects_its_first).then_some(true)
    }

    /// When it was created, unless that is not known or yet to come.
    pub(super) fn creation(&self, now: Nanos) -> Option<Nanos> {
        self.created_at.known().copied().filter(|at| *at <= now)
    }

    /// When anything last happened to it: its last run, or its creation where it never ran or that is
    /// the later one. Nothing where one of them is not known or yet to come.
    pub(super) fn activity(&self, now: Nanos) -> Option<Nanos> {
        let created = self.creation(now)?;
        if self.never_ran()? {
            return Some(created);
        }
        let ran = self.last_run.known().copied().filter(|at| *at <= now)?;
        Some(ran.max(created))
    }

    /// What expressions see of it.
    pub(super) fn subject(&self) -> Option<&Subject> {
        self.subject.get_or_init(|| self.text.and_then(|text| Subject::read(text, self))).as_ref()
    }
}

/// The keys whose values are read, each with its place in [`Fields`].
#[derive(Clone, Copy)]
enum Key {
    Id,
    Name,
    CreatedAt,
    LastRun,
    Status,
    ScheduleType,
    Priority,
    Enabled,
    Destinations,
    ResultsCount,
    NextResultSetId,
    Searches,
    SearchesOfOne,
    Requests,
    RequestsOfOne,
}

impl Key {
    /// How many there are.
    const COUNT: usize = Self::RequestsOfOne as usize + 1;

    /// The four spellings of the number of searches: two families, and the one that only a Get uses
    /// (contract §1.3, §6.1.1).
    const SEARCHES: [Self; 4] =
        [Self::Searches, Self::SearchesOfOne, Self::Requests, Self::RequestsOfOne];

    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "id" => Self::Id,
            "name" => Self::Name,
            "created_at" => Self::CreatedAt,
            "last_run" => Self::LastRun,
            "status" => Self::Status,
            "schedule_type" => Self::ScheduleType,
            "priority" => Self::Priority,
            "enabled" => Self::Enabled,
            "destination_ids" => Self::Destinations,
            "results_count" => Self::ResultsCount,
            "next_result_set_id" => Self::NextResultSetId,
            "searches_total_count" => Self::Searches,
            "search_total_count" => Self::SearchesOfOne,
            "requests_total_count" => Self::Requests,
            "request_total_count" => Self::RequestsOfOne,
            _other => return None,
        })
    }
}

/// The values as the text has them, not yet read.
struct Fields<'a>([Option<&'a RawValue>; Key::COUNT]);

impl<'a> Fields<'a> {
    /// The value's text; `null` is as good as absent.
    fn get(&self, key: Key) -> Option<&'a str> {
        self.0
            .get(key as usize)
            .copied()
            .flatten()
            .map(RawValue::get)
            .filter(|text| *text != "null")
    }

    /// The number of searches under any spelling. Two that differ are no number.
    fn searches(&self) -> Fact<u64> {
        let mut found = Key::SEARCHES.into_iter().filter_map(|key| self.get(key));
        let Some(first) = found.next() else {
            return Fact::Missing;
        };
        if found.any(|other| other != first) {
            return Fact::Unreadable("two spellings, two numbers".into());
        }
        read(Some(first))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

/// Reads an object key by key.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut values = [None; Key::COUNT];
        let mut others = Vec::with_capacity(16);
        let mut repeats = false;
        while let Some(Text(key)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            match Key::of(&key).and_then(|known| values.get_mut(known as usize)) {
                Some(place) => repeats |= place.replace(value).is_some(),
                None => others.push(key),
            }
        }
        others.sort_unstable();
        repeats |= others.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        if repeats { Err(de::Error::custom("a key comes twice")) } else { Ok(Fields(values)) }
    }
}

/// A JSON string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Any)
    }
}

/// Reads a value of exactly that type.
fn read<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> Fact<T> {
    match text.map(serde_json::from_str) {
        None => Fact::Missing,
        Some(Ok(value)) => Fact::Known(value),
        Some(Err(_odd)) => Fact::Unreadable("of another type".into()),
    }
}

fn string(text: Option<&str>) -> Fact<Cow<'_, str>> {
    // What has no escapes is what stands between its quotes; most have none.
    let plain = text
        .and_then(|text| text.strip_prefix('"')?.strip_suffix('"'))
        .filter(|inner| !inner.contains('\\'));
    if let Some(plain) = plain {
        return Fact::Known(Cow::Borrowed(plain));
    }
    match read::<Text<'_>>(text) {
        Fact::Known(Text(text)) => Fact::Known(text),
        Fact::Missing => Fact::Missing,
        Fact::Unreadable(why) => Fact::Unreadable(why),
    }
}

fn strings(text: Option<&str>) -> Fact<Vec<Cow<'_, str>>> {
    match read::<Vec<Text<'_>>>(text) {
        Fact::Known(texts) => Fact::Known(texts.into_iter().map(|Text(text)| text).collect()),
        Fact::Missing => Fact::Missing,
        Fact::Unreadable(why) => Fact::Unreadable(why),
    }
}

fn instant(text: Option<&str>) -> Fact<Nanos> {
    match string(text) {
        Fact::Known(text) => moment::of_record(&text)
            .map_or_else(|| Fact::Unreadable("no time in UTC".into()), Fact::Known),
        Fact::Missing => Fact::Missing,
        Fact::Unreadable(why) => Fact::Unreadable(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd<T: fmt::Debug>(fact: &Fact<T>) -> bool {
        matches!(fact, Fact::Unreadable(_))
    }

    #[test]
    fn a_whole_record_is_read_in_either_spelling() {
        for spelling in [
            "searches_total_count",
            "search_total_count",
            "requests_total_count",
            "request_total_count",
        ] {
            let text = format!(
                r#"{{"id":"A1","name":"caf\u00e9 \"x\"","created_at":"2026-01-01T00:00:00.000Z",
                "last_run":"2026-01-02T00:00:00Z","status":"idle","schedule_type":"manual",
                "priority":"normal","enabled":true,"destination_ids":["D1","D\u0032"],
                "{spelling}":7,"results_count":2,"next_result_set_id":3,"credits_required":{{"a":[1]}}}}"#
            );
            let record = Record::read(&text);
            assert_eq!(record.id, Fact::Known("A1".into()));
            assert_eq!(record.name, Fact::Known("café \"x\"".into()));
            assert_eq!(record.destinations, Fact::Known(vec!["D1".into(), "D2".into()]));
            assert_eq!(record.searches, Fact::Known(7), "{spelling}");
            assert_eq!(record.results_count, Fact::Known(2));
            assert_eq!(record.next_result_set_id, Fact::Known(3));
            assert_eq!(record.enabled, Fact::Known(true));
            assert_eq!(record.never_ran(), Some(false));
        }
    }

    // fault: J7
    #[test]
    fn what_has_another_type_is_unreadable_and_what_is_null_is_missing() {
        for value in ["-1", "3.0", "1e400", "\"3\"", "true", "[]", "{}", "18446744073709551616"] {
            let text = format!(r#"{{"id":"A1","searches_total_count":{value}}}"#);
            let record = Record::read(&text);
            assert!(odd(&record.searches), "{value}");
            assert_eq!(record.id, Fact::Known("A1".into()), "one odd field is not an odd record");
        }
        for value in ["1", "true", "[\"a\"]", "{}", "\"\\ud800\""] {
            let text = format!(r#"{{"name":{value},"created_at":{value}}}"#);
            let record = Record::read(&text);
            assert!(odd(&record.name) && odd(&record.created_at), "{value}");
        }
        for value in ["1", "\"true\"", "[]"] {
            assert!(odd(&Record::read(&format!(r#"{{"enabled":{value}}}"#)).enabled), "{value}");
        }
        for value in ["\"D1\"", "[1]", "[null]", "{}"] {
            let text = format!(r#"{{"destination_ids":{value}}}"#);
            assert!(odd(&Record::read(&text).destinations), "{value}");
        }
        let record = Record::read(r#"{"name":null,"last_run":null,"next_result_set_id":1}"#);
        assert!(record.name.is_missing() && record.priority.is_missing());
        assert_eq!(record.never_ran(), Some(true));
    }

    // fault: J6
    #[test]
    fn a_record_that_repeats_a_key_says_nothing() {
        for text in [
            r#"{"id":"A1","name":"a","name":"b"}"#,
            r#"{"id":"A1","name":"a","na\u006de":"a"}"#,
            r#"{"id":"A1","name":"a","name":null}"#,
            r#"{"id":"A1","other":1,"name":"a","other":2}"#,
        ] {
            let record = Record::read(text);
            assert!(odd(&record.id) && odd(&record.name), "{text}");
            assert!(record.subject().is_none());
        }
    }

    #[test]
    fn two_spellings_of_one_number_must_agree() {
        let same = Record::read(r#"{"searches_total_count":7,"search_total_count":7}"#);
        assert_eq!(same.searches, Fact::Known(7));
        let other = Record::read(r#"{"searches_total_count":7,"requests_total_count":8}"#);
        assert!(odd(&other.searches));
        let null = Record::read(r#"{"searches_total_count":null,"search_total_count":8}"#);
        assert_eq!(null.searches, Fact::Known(8));
    }

    // fault: J9
    #[test]
    fn whether_it_ran_is_known_only_where_the_record_says_so() {
        const RAN: &str = "\"2026-01-02T00:00:00Z\"";
        for (last_run, next, expected) in [
            (RAN, "1", Some(false)),
            (RAN, "null", Some(false)),
            ("null", "0", Some(true)),
            ("null", "1", Some(true)),
            ("null", "2", None),
            ("null", "null", None),
            ("null", "\"1\"", None),
            ("\"yesterday\"", "1", None),
        ] {
            let text = format!(r#"{{"last_run":{last_run},"next_result_set_id":{next}}}"#);
            assert_eq!(Record::read(&text).never_ran(), expected, "{text}");
        }
    }

    #[test]
    fn the_last_activity_is_the_later_of_creation_and_run_and_never_a_guess() {
        let at = |text| moment::of_record(text).unwrap();
        let now = at("2026-02-01T00:00:00Z");
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        for (created, last_run, next, expected) in [
            (early, Some(late), 2, Some(late)),
            (late, Some(early), 2, Some(late)),
            (early, None, 1, Some(early)),
            (early, None, 2, None),
            ("2026-02-01T00:00:00.001Z", Some(early), 2, None),
            (early, Some("2026-03-01T00:00:00Z"), 2, None),
            ("?", Some(early), 2, None),
        ] {
            let last_run = last_run.map_or_else(|| "null".to_owned(), |text| format!("\"{text}\""));
            let text = format!(
                r#"{{"created_at":"{created}","last_run":{last_run},"next_result_set_id":{next}}}"#
            );
            assert_eq!(Record::read(&text).activity(now), expected.map(at), "{text}");
        }
    }

    // fault: J1, J2
    #[test]
    fn text_that_is_no_object_is_unreadable_and_depth_costs_no_stack() {
        let deep = format!(r#"{{"id":"A1","x":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000));
        let record = Record::read(&deep);
        assert_eq!(record.id, Fact::Known("A1".into()));
        assert!(record.subject().is_none());
        for text in ["", "[]", "null", "{", r#"{"id":"A1"} x"#, r#"{"id":"A1""#, "\"A1\""] {
            assert!(odd(&Record::read(text).id), "{text}");
        }
    }

    #[test]
    fn a_million_other_keys_are_compared_in_good_time() {
        let keys: Vec<_> = (0..100_000).map(|n| format!("\"k{n}\":1")).collect();
        let record = format!("{{\"id\":\"A1\",{}}}", keys.join(","));
        assert_eq!(Record::read(&record).id, Fact::Known("A1".into()));
    }
}
