//! `when`: an expression in CEL over `batch` and `now`.
//!
//! `batch` has the record's own fields under the spelling of batches; `null` counts as absent, and
//! `created_at` and `last_run` are timestamps, there only when they can be read.
//! Not here: the language itself (the crate `cel`). An error, or a value that is no bool, is unknown.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use cel::common::types::{CelMap, CelMapKey, CelString, CelTimestamp};
use cel::common::value::Val;
use cel::extractors::This;
use cel::objects::{Key, Map, Value};
use cel::{Context, ExecutionError, Program};

use crate::batch::Fact;
use crate::clock::Timestamp;

use super::moment::{Nanos, SECOND};
use super::object;
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
        // Without it, an expression that uses it cannot be answered: the review differs, and stops.
        let _unknown_then = root.add_function("matches", matches());
        Self { now: nanos, root }
    }

    /// The instant.
    pub(super) const fn now(&self) -> Nanos {
        self.now
    }

    /// What a program says of a record; nothing where it cannot say.
    pub(super) fn holds(&self, program: &Program, record: &Record<'_>) -> Option<bool> {
        let mut context = self.root.new_inner_scope();
        context.add_variable_as_val("batch", Box::new(subject(record)?));
        match program.execute(&context) {
            Ok(Value::Bool(holds)) => Some(holds),
            Ok(_no_bool) => None,
            Err(_cause) => None,
        }
    }
}

/// The language's `matches`, which compiles a pattern when it first sees it.
fn matches() -> impl Fn(This<Arc<String>>, Arc<String>) -> Result<bool, ExecutionError> {
    let seen: Mutex<BTreeMap<Arc<String>, Option<regex::Regex>>> = Mutex::default();
    move |This(text), pattern| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || regex::Regex::new(&pattern).ok();
        let regex = seen.entry(Arc::clone(&pattern)).or_insert_with(compile).as_ref();
        regex.map(|regex| regex.is_match(&text)).ok_or_else(|| {
            ExecutionError::function_error("matches", "the pattern cannot be compiled")
        })
    }
}

/// A record as expressions see it. Texts are borrowed; a value that cannot be read, and one that two
/// spellings give differently, is absent.
fn subject<'v>(record: &Record<'v>) -> Option<CelMap<'v>> {
    let parts = record.parts.as_ref().ok()?;
    let mut texts: BTreeMap<Cow<'v, str>, Option<&'v str>> = BTreeMap::new();
    for (key, text) in parts.iter().filter(|(_, text)| *text != "null") {
        texts
            .entry(spelling_of_batches(key))
            .and_modify(|before| *before = before.filter(|before| before == text))
            .or_insert(Some(text));
    }
    let mut fields: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::with_capacity(texts.len());
    for (key, text) in texts {
        let value = match key.as_ref() {
            "created_at" => timestamp(&record.created_at),
            "last_run" => timestamp(&record.last_run),
            _other => text.and_then(value),
        };
        if let Some(value) = value {
            fields.insert(CelMapKey::String(CelString::from(key)), value);
        }
    }
    Some(CelMap::from(fields))
}

/// The field's name in the family of batches (contract §1.3).
fn spelling_of_batches<'v>(key: &Cow<'v, str>) -> Cow<'v, str> {
    ["requests_", "request_", "search_"]
        .into_iter()
        .find_map(|other| key.strip_prefix(other))
        .map_or_else(|| key.clone(), |rest| format!("searches_{rest}").into())
}

/// The value that a JSON text stands for.
fn value(text: &str) -> Option<Box<dyn Val + '_>> {
    if let Some(text) = object::string(text) {
        return Some(Box::new(CelString::from(text)));
    }
    let value: Box<dyn Val> = converted(serde_json::from_str(text).ok()?).try_into().ok()?;
    Some(value)
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

fn timestamp<'v>(fact: &Fact<Nanos>) -> Option<Box<dyn Val + 'v>> {
    let at = fact.known()?;
    let seconds = i64::try_from(at.div_euclid(SECOND)).ok()?;
    let nanos = u32::try_from(at.rem_euclid(SECOND)).ok()?;
    let at = chrono::DateTime::from_timestamp(seconds, nanos)?;
    Some(Box::new(CelTimestamp::from(at.fixed_offset())))
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
            ("batch.name.matches('^tmp-[0-9]')", Some(true)),
            ("matches(batch.name, '^a') || matches(batch.name, '1$')", Some(true)),
            ("batch.name.matches('(')", None),
            ("batch.enabled.matches('t')", None),
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
