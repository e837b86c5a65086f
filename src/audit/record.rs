//! One batch's record, read from the very text that the API sent.
//!
//! Not here: `api::wire`, which reads the same text for everybody else; nothing is shared with it.
//! Invariant: a field of another type than the contract gives it (contract §2.2) is unreadable, never
//! converted; a record that repeats a key, or is no JSON object, is unreadable as a whole.

use std::borrow::Cow;

use serde::Deserialize;

use crate::batch::Fact;

use super::moment::{self, Nanos};
use super::object::{self, Broken, Part};

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
    pub(super) destinations: Fact<Vec<String>>,
    pub(super) searches: Fact<u64>,
    pub(super) results_count: Fact<u64>,
    pub(super) next_result_set_id: Fact<u64>,
    /// All of it, for expressions, or why it is unreadable as a whole.
    pub(super) parts: Result<Vec<Part<'a>>, Broken>,
}

impl<'a> Record<'a> {
    /// Reads a record. Nothing fails: what cannot be read is unreadable.
    pub(super) fn read(text: &'a str) -> Self {
        match object::parts(text) {
            Ok(parts) => Self::of(parts),
            Err(broken) => Self::unreadable(broken),
        }
    }

    fn of(parts: Vec<Part<'a>>) -> Self {
        let mut record = Self::empty();
        for (key, text) in parts.iter().filter(|(_, text)| *text != "null") {
            match key.as_ref() {
                "id" => record.id = string(text),
                "name" => record.name = string(text),
                "created_at" => record.created_at = instant(text),
                "last_run" => record.last_run = instant(text),
                "status" => record.status = string(text),
                "schedule_type" => record.schedule_type = string(text),
                "priority" => record.priority = string(text),
                "enabled" => record.enabled = value(text),
                "destination_ids" => record.destinations = value(text),
                "results_count" => record.results_count = value(text),
                "next_result_set_id" => record.next_result_set_id = value(text),
                // Two families, and the spelling that only a Get uses (contract §1.3, §6.1.1).
                "searches_total_count"
                | "search_total_count"
                | "requests_total_count"
                | "request_total_count" => record.searches = agreed(&record.searches, value(text)),
                _other => {}
            }
        }
        record.parts = Ok(parts);
        record
    }

    /// A record that has no field at all.
    const fn empty() -> Self {
        Self {
            id: Fact::Missing,
            name: Fact::Missing,
            created_at: Fact::Missing,
            last_run: Fact::Missing,
            status: Fact::Missing,
            schedule_type: Fact::Missing,
            priority: Fact::Missing,
            enabled: Fact::Missing,
            destinations: Fact::Missing,
            searches: Fact::Missing,
            results_count: Fact::Missing,
            next_result_set_id: Fact::Missing,
            parts: Ok(Vec::new()),
        }
    }

    fn unreadable(broken: Broken) -> Self {
        Self {
            id: odd(broken.as_str()),
            name: odd(broken.as_str()),
            created_at: odd(broken.as_str()),
            last_run: odd(broken.as_str()),
            status: odd(broken.as_str()),
            schedule_type: odd(broken.as_str()),
            priority: odd(broken.as_str()),
            enabled: odd(broken.as_str()),
            destinations: odd(broken.as_str()),
            searches: odd(broken.as_str()),
            results_count: odd(broken.as_str()),
            next_result_set_id: odd(broken.as_str()),
            parts: Err(broken),
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
}

/// Two spellings of one number: both must say the same.
fn agreed(before: &Fact<u64>, now: Fact<u64>) -> Fact<u64> {
    if before.is_missing() || *before == now { now } else { odd("two spellings, two numbers") }
}

/// A value of exactly that type.
fn value<'a, T: Deserialize<'a>>(text: &'a str) -> Fact<T> {
    serde_json::from_str(text).map_or_else(|_cause| odd("of another type"), Fact::Known)
}

fn string(text: &str) -> Fact<Cow<'_, str>> {
    object::string(text).map_or_else(|| odd("no text"), Fact::Known)
}

fn instant(text: &str) -> Fact<Nanos> {
    object::string(text)
        .and_then(|text| moment::of_record(&text))
        .map_or_else(|| odd("no instant"), Fact::Known)
}

fn odd<T>(why: &str) -> Fact<T> {
    Fact::Unreadable(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_odd<T>(fact: &Fact<T>) -> bool {
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
            assert!(is_odd(&record.searches), "{value}");
            assert_eq!(record.id, Fact::Known("A1".into()), "one odd field is not an odd record");
        }
        for value in ["1", "true", "[\"a\"]", "{}", "\"\\ud800\"", "\"a\nb\""] {
            let text = format!(r#"{{"name":{value},"created_at":{value}}}"#);
            let record = Record::read(&text);
            assert!(is_odd(&record.name) && is_odd(&record.created_at), "{value}");
        }
        for value in ["1", "\"true\"", "[]"] {
            assert!(is_odd(&Record::read(&format!(r#"{{"enabled":{value}}}"#)).enabled), "{value}");
        }
        for value in ["\"D1\"", "[1]", "[null]", "{}"] {
            let text = format!(r#"{{"destination_ids":{value}}}"#);
            assert!(is_odd(&Record::read(&text).destinations), "{value}");
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
            assert!(is_odd(&record.id) && is_odd(&record.name), "{text}");
            assert_eq!(record.parts, Err(Broken::Repeated));
        }
    }

    #[test]
    fn two_spellings_of_one_number_must_agree() {
        let same = Record::read(r#"{"searches_total_count":7,"search_total_count":7}"#);
        assert_eq!(same.searches, Fact::Known(7));
        let other = Record::read(r#"{"searches_total_count":7,"requests_total_count":8}"#);
        assert!(is_odd(&other.searches));
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
        for text in ["", "[]", "null", "{", r#"{"id":"A1"} x"#, r#"{"id":"A1""#, "\"A1\""] {
            assert!(is_odd(&Record::read(text).id), "{text}");
        }
    }
}
