//! Inventories read back from what `plan --output json` wrote, for commands that look at no account.
//!
//! Invariant: a field that was not readable stays unreadable, and one that is not there is missing; so an
//! old document, which has fewer fields, selects less.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::batch::{Batch, BatchId, Fact, Field, Raw, Status, Word, word};
use crate::clock::Timestamp;

/// The inventory of one account.
#[derive(Debug)]
pub struct Inventory {
    /// The account's name in the file that planned.
    pub account: String,
    /// When it was listed.
    pub made_at: Timestamp,
    /// Its batches, oldest first.
    pub batches: Vec<Batch>,
}

/// Why there is no inventory in a text.
#[derive(Debug, thiserror::Error)]
pub enum NoInventory {
    /// It is not what `plan` writes.
    #[error("it is not what `batchsweep plan --output json` writes")]
    Shape(#[source] serde_json::Error),
    /// It was written by another version.
    #[error("it has version {0}, and this program reads version 1")]
    Version(u64),
}

#[derive(Debug, Deserialize)]
struct Document {
    version: u64,
    #[serde(default)]
    plans: Vec<Plan>,
}

#[derive(Debug, Deserialize)]
struct Plan {
    account: String,
    made_at: Timestamp,
    batches: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    name: Option<String>,
    status: Option<String>,
    created_at: Option<Timestamp>,
    last_run: Option<Timestamp>,
    schedule_type: Option<String>,
    priority: Option<String>,
    enabled: Option<bool>,
    destinations: Option<Vec<String>>,
    searches: Option<u64>,
    results_count: Option<u64>,
    next_result_set_id: Option<u64>,
    #[serde(default)]
    unreadable: Vec<String>,
}

/// Reads the inventories of a text. Batches whose ids cannot be asked for are left out: they stay.
///
/// # Errors
/// When the text is another one.
pub fn read(text: &str) -> Result<Vec<Inventory>, NoInventory> {
    let document: Document = serde_json::from_str(text).map_err(NoInventory::Shape)?;
    if document.version != 1 {
        return Err(NoInventory::Version(document.version));
    }
    let inventories = document.plans.into_iter().map(|plan| Inventory {
        account: plan.account,
        made_at: plan.made_at,
        batches: plan.batches.into_iter().filter_map(Row::into_batch).collect(),
    });
    Ok(inventories.collect())
}

impl Row {
    fn into_batch(self) -> Option<Batch> {
        let id = BatchId::parse(&self.id).ok()?;
        let raw = Raw::from(self.record().as_str());
        let odd = self.unreadable;
        let words = |text: Option<String>| text.map(|text| word(&text));
        let destinations = self.destinations.map(|ids| ids.into_iter().map(Into::into).collect());
        Some(Batch {
            id,
            name: fact(Field::Name, &odd, self.name.map(Into::into)),
            created_at: fact(Field::CreatedAt, &odd, self.created_at),
            last_run: fact(Field::LastRun, &odd, self.last_run),
            status: fact(Field::Status, &odd, self.status.map(|text| Status::from(text.as_str()))),
            schedule_type: fact::<Word>(Field::ScheduleType, &odd, words(self.schedule_type)),
            priority: fact::<Word>(Field::Priority, &odd, words(self.priority)),
            enabled: fact(Field::Enabled, &odd, self.enabled),
            destinations: fact(Field::Destinations, &odd, destinations),
            searches: fact(Field::Searches, &odd, self.searches),
            results_count: fact(Field::ResultsCount, &odd, self.results_count),
            next_result_set_id: fact(Field::NextResultSetId, &odd, self.next_result_set_id),
            raw,
        })
    }

    /// The record as an expression sees it: the fields that are known, as the API spells them.
    fn record(&self) -> String {
        let time = |at: Timestamp| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let fields = [
            ("id", Some(Value::from(self.id.as_str()))),
            ("name", self.name.as_deref().map(Value::from)),
            ("status", self.status.as_deref().map(Value::from)),
            ("created_at", self.created_at.map(|at| Value::from(time(at)))),
            ("last_run", self.last_run.map(|at| Value::from(time(at)))),
            ("schedule_type", self.schedule_type.as_deref().map(Value::from)),
            ("priority", self.priority.as_deref().map(Value::from)),
            ("enabled", self.enabled.map(Value::from)),
            ("destination_ids", self.destinations.clone().map(Value::from)),
            ("searches_total_count", self.searches.map(Value::from)),
            ("results_count", self.results_count.map(Value::from)),
            ("next_result_set_id", self.next_result_set_id.map(Value::from)),
        ];
        let known = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(known.collect::<Map<_, _>>()).to_string()
    }
}

fn fact<T>(field: Field, unreadable: &[String], value: Option<T>) -> Fact<T> {
    match value {
        _ if unreadable.iter().any(|name| name == field.as_str()) => {
            Fact::Unreadable("as it was when it was listed".into())
        }
        Some(value) => Fact::Known(value),
        None => Fact::Missing,
    }
}
