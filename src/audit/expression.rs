//! `when`: an expression in CEL over `batch` and `now`.
//!
//! `batch` has the record's own fields under the spelling of batches; `null` counts as absent, and
//! `created_at` and `last_run` are timestamps, there only when they can be read.
//! Not here: the language itself (the crate `cel`). An error, or a value that is no bool, is unknown.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::objects::{Key, Map, Value};
use cel::{Context, Program};

use crate::batch::Fact;
use crate::clock::Timestamp;

use super::moment::{Nanos, SECOND};
use super::record::Record;

/// What all expressions of one review stand on: the instant, and the language's own functions.
pub(super) struct Ground {
    now: Nanos,
    root: Context<'static, 'static>,
}

impl Ground {
    /// The ground at an instant.
    pub(super) fn at(now: Timestamp) -> Self {
        let nanos =
            Nanos::from(now.timestamp()) * SECOND + Nanos::from(now.timestamp_subsec_nanos());
        let mut root = Context::default();
        root.add_variable_from_value("now", Value::Timestamp(now.fixed_offset()));
        Self { now: nanos, root }
    }

    /// The instant.
    pub(super) const fn now(&self) -> Nanos {
        self.now
    }

    /// What a program says of a record; nothing where it cannot say.
    pub(super) fn holds(&self, program: &Program, record: &Record<'_>) -> Option<bool> {
        let subject = record.subject()?;
        let mut context = self.root.new_inner_scope();
        context.add_variable_from_value("batch", Value::Map(subject.0.clone()));
        match program.execute(&context) {
            Ok(Value::Bool(holds)) => Some(holds),
            Ok(_no_bool) => None,
            Err(_cause) => None,
        }
    }
}

/// A record as expressions see it.
#[derive(Clone)]
pub(super) struct Subject(Map);

impl Subject {
    /// Reads the text once more, whole.
    pub(super) fn read(text: &str, record: &Record<'_>) -> Option<Self> {
        let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        let mut map = HashMap::with_capacity(fields.len());
        let mut disputed = Vec::new();
        for (key, value) in fields {
            let key = spelling_of_batches(key);
            if value.is_null() || key == "created_at" || key == "last_run" {
                continue;
            }
            let value = converted(value);
            if map.insert(key.clone(), value.clone()).is_some_and(|other| other != value) {
                disputed.push(key);
            }
        }
        for key in disputed {
            map.remove(&key);
        }
        for (key, fact) in [("created_at", &record.created_at), ("last_run", &record.last_run)] {
            if let Some(at) = timestamp(fact) {
                map.insert(key.to_owned(), at);
            }
        }
        let map = map.into_iter().map(|(key, value)| (Key::String(Arc::new(key)), value)).collect();
        Some(Self(Map { map: Arc::new(map) }))
    }
}

/// The field's name in the family of batches (contract §1.3).
fn spelling_of_batches(key: String) -> String {
    ["requests_", "request_", "search_"]
        .into_iter()
        .find_map(|other| key.strip_prefix(other))
        .map(|rest| format!("searches_{rest}"))
        .unwrap_or(key)
}

/// A JSON value as one of the language: whole numbers are `int` as far as they fit.
fn converted(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::String(value) => Value::String(Arc::new(value)),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::UInt))
            .or_else(|| number.as_f64().map(Value::Float))
            .unwrap_or(Value::Null),
        serde_json::Value::Array(values) => {
            Value::List(Arc::new(values.into_iter().map(converted).collect()))
        }
        serde_json::Value::Object(fields) => {
            let field = |(key, value)| (Key::String(Arc::new(key)), converted(value));
            Value::Map(Map { map: Arc::new(fields.into_iter().map(field).collect()) })
        }
    }
}

fn timestamp(fact: &Fact<Nanos>) -> Option<Value> {
    let at = fact.known()?;
    let seconds = i64::try_from(at.div_euclid(SECOND)).ok()?;
    let nanos = u32::try_from(at.rem_euclid(SECOND)).ok()?;
    let at = chrono::DateTime::from_timestamp(seconds, nanos)?;
    Some(Value::Timestamp(at.fixed_offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"id":"A1","name":"tmp-1","created_at":"2026-01-01T02:00:00+02:00",
        "last_run":null,"status":"idle","enabled":true,"requests_total_count":7,"ratio":0.5,
        "request_type":"web","schedule_hours":[8,20],"huge":18446744073709551615,
        "requests_per_type_count":{"web":7},"next_result_set_id":1}"#;

    fn says(when: &str, record: &str) -> Option<bool> {
        let now = Timestamp::from_timestamp(1_769_817_600, 0).unwrap();
        Ground::at(now).holds(&Program::compile(when).unwrap(), &Record::read(record))
    }

    #[test]
    fn expressions_see_the_record_in_the_spelling_of_batches() {
        for (when, expected) in [
            ("batch.name.startsWith('tmp-')", Some(true)),
            ("batch.searches_total_count > 5", Some(true)),
            ("batch.searches_total_count + 1 == 8", Some(true)),
            ("batch.requests_total_count > 5", None),
            ("batch.searches_type == 'web'", Some(true)),
            ("batch.searches_per_type_count.web == 7", Some(true)),
            ("8 in batch.schedule_hours", Some(true)),
            ("batch.ratio < 1.0", Some(true)),
            ("batch.huge > 5u", Some(true)),
            ("batch.enabled", Some(true)),
            ("!batch.enabled", Some(false)),
            ("now - batch.created_at >= duration('720h')", Some(true)),
            ("batch.created_at == timestamp('2026-01-01T00:00:00Z')", Some(true)),
            ("batch.created_at > now", Some(false)),
            ("has(batch.last_run)", Some(false)),
            ("batch.last_run < now", None),
            ("batch.nothing == 1", None),
            ("batch.name", None),
            ("batch.name > 1", None),
            ("nothing", None),
        ] {
            assert_eq!(says(when, RECORD), expected, "{when}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_unknown_even_to_an_expression_that_ignores_it() {
        assert_eq!(says("true", r#"{"id":"A1"}"#), Some(true));
        assert_eq!(says("true", r#"{"id":"A1","id":"A1"}"#), None);
        assert_eq!(says("true", "[]"), None);
    }

    #[test]
    fn two_spellings_that_differ_are_as_good_as_absent() {
        let record = r#"{"searches_total_count":7,"search_total_count":8,"search_page_count":1}"#;
        assert_eq!(says("has(batch.searches_total_count)", record), Some(false));
        assert_eq!(says("batch.searches_page_count == 1", record), Some(true));
    }
}
