//! Settings: the writable fields of a batch, read from the body of a create or update (contract §2.4).
//!
//! JSON and form bodies are taken, and numbers and flags as text, as the vendor's samples send them.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::super::call::Call;
use super::super::record::{Format, Priority, Record};

/// The body as an object.
///
/// # Errors
/// With what is wrong with it.
pub(super) fn body(call: &Call) -> Result<Map<String, Value>, &'static str> {
    if call.content_type.starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(&call.body).into_owned();
        return Ok(pairs.map(|(name, value)| (name, Value::String(value))).collect());
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("the body is not an object"),
        Err(_) => Err("the body is not JSON"),
    }
}

/// Changes a record as the fields say. Fields that it does not know are ignored.
///
/// # Errors
/// With the name of the first field that is not as the contract describes it.
pub(super) fn apply(fields: &Map<String, Value>, record: &mut Record) -> Result<(), String> {
    for (name, value) in fields {
        apply_one(name, value, record).ok_or_else(|| name.clone())?;
    }
    Ok(())
}

fn apply_one(name: &str, value: &Value, record: &mut Record) -> Option<()> {
    match name {
        "name" => record.name = text(value)?,
        "enabled" => record.enabled = flag(value)?,
        "priority" => record.priority = Priority::parse(value.as_str()?)?,
        "destination_ids" => record.destination_ids = texts(value)?,
        "schedule_type" => record.schedule.kind = text(value)?,
        "schedule_minutes" => record.schedule.minutes = Some(text(value)?),
        "schedule_hours" => record.schedule.hours = Some(numbers(value, 0..=23)?),
        "schedule_days_of_week" => record.schedule.days_of_week = Some(numbers(value, 0..=6)?),
        "schedule_days_of_month" => record.schedule.days_of_month = Some(numbers(value, 1..=31)?),
        "notification_email" => record.notify.email = Some(text(value)?),
        "notification_webhook" => record.notify.webhook = Some(text(value)?),
        "notification_csv_fields" => record.notify.csv_fields = Some(text(value)?),
        "notification_as_json" => format(record, Format::Json, value)?,
        "notification_as_jsonlines" => format(record, Format::JsonLines, value)?,
        "notification_as_csv" => format(record, Format::Csv, value)?,
        "searches_type" | "requests_type" | "request_type" => {
            record.searches_type.get_or_insert(text(value)?);
        }
        _ => {}
    }
    Some(())
}

fn format(record: &mut Record, format: Format, wanted: &Value) -> Option<()> {
    let wanted = flag(wanted)?;
    record.notify.formats.retain(|known| *known != format);
    if wanted {
        record.notify.formats.push(format);
    }
    Some(())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

/// A list, or a text with commas.
fn texts(value: &Value) -> Option<Vec<String>> {
    if let Some(list) = value.as_array() {
        return list.iter().map(text).collect();
    }
    Some(value.as_str()?.split(',').map(|part| part.trim().to_owned()).collect())
}

/// A list of numbers, or of numbers as text, or a text with commas.
fn numbers(value: &Value, fit: RangeInclusive<u8>) -> Option<Vec<u8>> {
    let as_text = |value: &Value| match value.as_u64() {
        Some(n) => n.to_string(),
        None => value.as_str().unwrap_or_default().to_owned(),
    };
    let parts = match value.as_array() {
        Some(list) => list.iter().map(as_text).collect(),
        None => texts(value)?,
    };
    let all: Vec<u8> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    all.iter().all(|n| fit.contains(n)).then_some(all)
}
