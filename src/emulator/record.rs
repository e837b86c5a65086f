//! Records: what the server knows about one batch, and how that is written as JSON (contract §2.2).
//!
//! What is *known* (filters, refusals and the state machine go by it) and what is *written* can be made
//! to differ: a test gives a field an [`Odd`] spelling, or the whole record another text.
//! Not here: the order and selection of records (`listing`), how they change with time (`world`).

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::{Value, json};

use super::knobs::{GetSpelling, Knobs, LastRunInGet};
use super::product::Family;
use super::results::ResultSet;
use crate::clock::Timestamp;

/// One batch, as the server knows it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its id; any text, so that a test can plant a hostile one.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last ran.
    pub last_run: Option<Timestamp>,
    /// What it is doing.
    pub state: State,
    /// How it is repeated.
    pub schedule: Schedule,
    /// Whether its schedule is on.
    pub enabled: bool,
    /// Its place in the queue.
    pub priority: Priority,
    /// Where its results go.
    pub destination_ids: Vec<String>,
    /// The number of its next result set.
    pub next_result_set_id: u64,
    /// The result sets that it holds now.
    pub result_sets: Vec<ResultSet>,
    /// Its searches.
    pub searches: Searches,
    /// The type lock of its searches.
    pub searches_type: Option<String>,
    /// Who is told of its results.
    pub notify: Notify,
    /// Whether the next Get of it finds it running, although a listing said `idle`.
    pub runs_when_read: bool,
    /// Fields that are written otherwise than they are known, by their names in the JSON.
    pub odd: BTreeMap<String, Odd>,
    /// The text that stands in place of the whole record.
    pub raw: Option<String>,
}

impl Record {
    /// An idle, manual, enabled batch that never ran and holds no searches.
    pub fn new(id: impl Into<String>, name: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            created_at,
            last_run: None,
            state: State::Idle,
            schedule: Schedule::manual(),
            enabled: true,
            priority: Priority::Normal,
            destination_ids: Vec::new(),
            next_result_set_id: 1,
            result_sets: Vec::new(),
            searches: Searches::Made(0),
            searches_type: None,
            notify: Notify::default(),
            runs_when_read: false,
            odd: BTreeMap::new(),
            raw: None,
        }
    }

    /// The same, having run once at that instant; the result set has expired by now.
    #[must_use]
    pub const fn ran_at(mut self, last_run: Timestamp) -> Self {
        self.last_run = Some(last_run);
        self.next_result_set_id = 2;
        self
    }

    /// The same in that state.
    #[must_use]
    pub fn in_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// The same with that schedule.
    #[must_use]
    pub fn on(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// The same with that many searches, made up as they are read.
    #[must_use]
    pub fn with_searches(mut self, total: u64) -> Self {
        self.searches = Searches::Made(total);
        self
    }

    /// The same with one more result set, which keeps its number below the next one's.
    #[must_use]
    pub fn with_results(mut self, set: ResultSet) -> Self {
        self.next_result_set_id = self.next_result_set_id.max(set.id + 1);
        self.result_sets.push(set);
        self
    }

    /// The same with one field written oddly.
    #[must_use]
    pub fn odd(mut self, field: impl Into<String>, odd: Odd) -> Self {
        self.odd.insert(field.into(), odd);
        self
    }

    /// The same with another text in place of the record.
    #[must_use]
    pub fn raw(mut self, text: impl Into<String>) -> Self {
        self.raw = Some(text.into());
        self
    }

    /// Whether a result set of it was never delivered (contract §2.6, second refusal).
    pub fn has_failed_webhook(&self) -> bool {
        self.result_sets.iter().any(ResultSet::has_failed_webhook)
    }

    /// The record as a listing shows it.
    pub(super) fn listed(&self, family: Family) -> String {
        let plural = family.searches();
        self.write(family, plural, LastRunInGet::Shown)
    }

    /// The record as Get shows it.
    pub(super) fn got(&self, family: Family, knobs: &Knobs) -> String {
        let counts = match knobs.get_spelling {
            GetSpelling::Plural => family.searches(),
            GetSpelling::Singular => family.search(),
        };
        self.write(family, counts, knobs.get_last_run)
    }

    fn write(&self, family: Family, counts: &str, last_run: LastRunInGet) -> String {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let total = self.searches.count();
        let mut object = Object::new(&self.odd);
        object.field("id", &self.id);
        object.field("created_at", &written(self.created_at));
        if let (Some(at), LastRunInGet::Shown) = (self.last_run, last_run) {
            object.field("last_run", &written(at));
        }
        object.field("name", &self.name);
        object.field("schedule_type", &self.schedule.kind);
        object.field("priority", self.priority.as_str());
        object.field("destination_ids", &self.destination_ids);
        object.field("enabled", &self.enabled);
        object.field("status", self.state.as_str());
        object.field(&format!("{counts}_total_count"), &total);
        object.field(&format!("{counts}_page_count"), &total.div_ceil(1000));
        object.field("credits_required", &total);
        object.field("next_result_set_id", &self.next_result_set_id);
        object.field("results_count", &self.result_sets.len());
        self.schedule.write(&mut object);
        self.notify.write(&mut object);
        if let Some(kind) = &self.searches_type {
            object.field(family.type_field(), kind);
            object.field(&format!("{}_locked", family.type_field()), &true);
        }
        object.finish()
    }
}

/// What a batch is doing (contract §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Idle,
    /// It waits for a slot.
    Queued,
    /// It runs.
    Running,
    /// A word that the contract does not know; it counts as running.
    Other(String),
}

impl State {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Idle => "idle",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Other(word) => word,
        }
    }

    /// Its rank in a listing sorted by meaning.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::Queued => 1,
            Self::Running => 2,
            Self::Other(_) => 3,
        }
    }
}

/// A batch's place in the queue (contract §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Before all others.
    Highest,
    /// Early.
    High,
    /// The default.
    Normal,
    /// Late.
    Low,
    /// After all others.
    Lowest,
}

impl Priority {
    const ALL: [Self; 5] = [Self::Highest, Self::High, Self::Normal, Self::Low, Self::Lowest];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Highest => "highest",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Lowest => "lowest",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == word)
    }
}

/// How a batch is repeated; the emulator starts nothing by it, only by an edit or a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// `manual`, `daily`, `weekly`, `monthly`, `minutes` or any other word.
    pub kind: String,
    /// Hours of the day, 0 to 23.
    pub hours: Option<Vec<u8>>,
    /// Days of the week, 0 is Sunday.
    pub days_of_week: Option<Vec<u8>>,
    /// Days of the month.
    pub days_of_month: Option<Vec<u8>>,
    /// `every_minute` and its like.
    pub minutes: Option<String>,
}

impl Schedule {
    /// Only by a start call.
    pub fn manual() -> Self {
        Self { kind: "manual".to_owned(), ..Self::default() }
    }

    /// Each day at eight.
    pub fn daily() -> Self {
        Self { kind: "daily".to_owned(), hours: Some(vec![8]), ..Self::default() }
    }

    /// Sundays and Wednesdays at eight.
    pub fn weekly() -> Self {
        Self { kind: "weekly".to_owned(), days_of_week: Some(vec![0, 3]), ..Self::daily() }
    }

    /// The first of each month at eight.
    pub fn monthly() -> Self {
        Self { kind: "monthly".to_owned(), days_of_month: Some(vec![1]), ..Self::daily() }
    }

    /// Every hour.
    pub fn hourly() -> Self {
        let minutes = Some("every_hour".to_owned());
        Self { kind: "minutes".to_owned(), minutes, ..Self::default() }
    }

    fn write(&self, object: &mut Object<'_>) {
        object.optional("schedule_hours", self.hours.as_ref());
        object.optional("schedule_days_of_week", self.days_of_week.as_ref());
        object.optional("schedule_days_of_month", self.days_of_month.as_ref());
        object.optional("schedule_minutes", self.minutes.as_ref());
    }
}

/// Who is told of a batch's results, and in which formats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// An e-mail address.
    pub email: Option<String>,
    /// A webhook's URL.
    pub webhook: Option<String>,
    /// Formats of the results.
    pub formats: Vec<Format>,
    /// Fields of the CSV format.
    pub csv_fields: Option<String>,
}

impl Notify {
    fn write(&self, object: &mut Object<'_>) {
        object.optional("notification_email", self.email.as_ref());
        object.optional("notification_webhook", self.webhook.as_ref());
        object.field("notification_as_json", &self.formats.contains(&Format::Json));
        object.field("notification_as_jsonlines", &self.formats.contains(&Format::JsonLines));
        object.field("notification_as_csv", &self.formats.contains(&Format::Csv));
        object.optional("notification_csv_fields", self.csv_fields.as_ref());
    }
}

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// One JSON value a line.
    JsonLines,
    /// CSV.
    Csv,
}

/// The searches of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Searches {
    /// That many, made up when they are read: always the same.
    Made(u64),
    /// These.
    Listed(Vec<Value>),
}

impl Searches {
    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Made(total) => *total,
            Self::Listed(all) => u64::try_from(all.len()).unwrap_or(u64::MAX),
        }
    }

    /// A run of them, from the `from`th on, counted from 0.
    pub(super) fn slice(&self, from: u64, limit: u64) -> Vec<Value> {
        match self {
            Self::Made(total) => (from..from.saturating_add(limit).min(*total)).map(made).collect(),
            Self::Listed(all) => {
                let (from, limit) = (as_usize(from), as_usize(limit));
                all.iter().skip(from).take(limit).cloned().collect()
            }
        }
    }

    /// Edits all of them as a list.
    pub(super) fn edit<T>(&mut self, change: impl FnOnce(&mut Vec<Value>) -> T) -> T {
        let mut all = match std::mem::replace(self, Self::Made(0)) {
            Self::Made(total) => (0..total).map(made).collect(),
            Self::Listed(all) => all,
        };
        let told = change(&mut all);
        *self = Self::Listed(all);
        told
    }
}

fn made(n: u64) -> Value {
    json!({"q": format!("keyword {n}"), "engine": "google", "custom_id": format!("k{n}"), "id": format!("S{n:015}")})
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// How a field is written when it is not written as it is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Odd {
    /// Not at all.
    Absent,
    /// As this value, `null` included.
    Is(Value),
    /// As this JSON text, which may be none.
    Text(String),
    /// Twice: as it is known, and then as this value.
    Twice(Value),
}

/// One JSON object, written field by field in the vendor's order.
#[derive(Debug)]
struct Object<'a> {
    out: String,
    odd: &'a BTreeMap<String, Odd>,
    met: Vec<&'a str>,
}

impl<'a> Object<'a> {
    fn new(odd: &'a BTreeMap<String, Odd>) -> Self {
        let mut out = String::with_capacity(640);
        out.push('{');
        Self { out, odd, met: Vec::new() }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        let Some((key, odd)) = self.odd.get_key_value(name) else {
            return self.put(name, &json_text(value));
        };
        self.met.push(key);
        match odd {
            Odd::Absent => {}
            Odd::Is(other) => self.put(name, &json_text(other)),
            Odd::Text(text) => self.put(name, text),
            Odd::Twice(other) => {
                self.put(name, &json_text(value));
                self.put(name, &json_text(other));
            }
        }
    }

    fn optional<T: Serialize>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    fn put(&mut self, name: &str, text: &str) {
        if !self.out.ends_with('{') || self.out.len() > 1 {
            self.out.push(',');
        }
        self.out.push_str(&json_text(name));
        self.out.push(':');
        self.out.push_str(text);
    }

    /// Adds the odd fields that the record does not have by itself, and closes the object.
    fn finish(mut self) -> String {
        let odd = self.odd;
        for (name, odd) in odd {
            if self.met.contains(&name.as_str()) {
                continue;
            }
            match odd {
                Odd::Absent => {}
                Odd::Is(value) | Odd::Twice(value) => self.put(name, &json_text(value)),
                Odd::Text(text) => self.put(name, text),
            }
        }
        self.out.push('}');
        self.out
    }
}

/// A value as JSON text. Plain data cannot fail to be written.
pub(super) fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// An instant as the vendor writes it: milliseconds and `Z` (contract §2.2).
pub(super) fn written(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An id in the form that is in use: eight upper-case hex digits (contract §2.2).
pub(super) fn id_text(n: u32) -> String {
    format!("{n:08X}")
}
