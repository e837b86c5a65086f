//! The nouns that everything shares: batch, its id and fields, account, rule and run names.
//!
//! Not here: how a batch is decoded (`api::wire`), what is decided about it (`policy`).
//! Invariant: a field is a [`Fact`]; what the API did not say, or said oddly, stays visible as such
//! and is never replaced by a guess.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::Timestamp;

/// A field as the API sent it. `null` counts as missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact<T> {
    /// The field was there and readable.
    Known(T),
    /// The field was absent or null.
    Missing,
    /// The field was there, but not as the contract describes it; the text says what was seen.
    Unreadable(Box<str>),
}

impl<T> Fact<T> {
    /// The value, if it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }

    /// Whether the field was absent or null.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// The fields of a batch that rules, reasons and change stamps speak of, by their names in the file
/// and in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The batch's id.
    Id,
    /// The batch's name.
    Name,
    /// When it was created.
    CreatedAt,
    /// When it last ran.
    LastRun,
    /// Idle, queued or running.
    Status,
    /// Manual or the kind of its schedule.
    ScheduleType,
    /// Its place in the queue.
    Priority,
    /// Whether its schedule is on.
    Enabled,
    /// Where its results are delivered.
    Destinations,
    /// How many searches it holds.
    Searches,
    /// How many result sets it holds now.
    ResultsCount,
    /// The number that its next result set will get.
    NextResultSetId,
    /// A field that only an expression named.
    Expression,
}

impl Field {
    /// The field's name in the file and in the output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::CreatedAt => "created_at",
            Self::LastRun => "last_run",
            Self::Status => "status",
            Self::ScheduleType => "schedule_type",
            Self::Priority => "priority",
            Self::Enabled => "enabled",
            Self::Destinations => "destinations",
            Self::Searches => "searches",
            Self::ResultsCount => "results_count",
            Self::NextResultSetId => "next_result_set_id",
            Self::Expression => "when",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A batch's id: ASCII letters and digits, and none of the words that stand in an id's place in the
/// API's paths. So it is safe as one path segment (contract §6.2.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BatchId(Box<str>);

/// Why a text cannot be a batch id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBatchId {
    /// The text is empty.
    #[error("a batch id is not empty")]
    Empty,
    /// The text is longer than [`BatchId::MAX_LEN`] bytes.
    #[error("a batch id has at most {} characters", BatchId::MAX_LEN)]
    TooLong,
    /// The text holds something other than ASCII letters and digits.
    #[error("a batch id has only the letters A-Z, a-z and digits")]
    Characters,
    /// The text is a word of the API's paths.
    #[error("`{0}` is a word of the API's own paths, not a batch id")]
    Reserved(&'static str),
}

impl BatchId {
    /// The longest id that is believed; those in use have 8 characters.
    pub const MAX_LEN: usize = 64;

    /// Words that stand where an id stands in the API's paths. `DELETE /batches/clear` and its like
    /// must be unwritable.
    const RESERVED: [&'static str; 10] = [
        "stopall",
        "clear",
        "searches",
        "requests",
        "results",
        "start",
        "stop",
        "json",
        "csv",
        "jsonlines",
    ];

    /// Reads an id.
    ///
    /// # Errors
    /// When the text is empty, too long, holds anything but ASCII letters and digits, or is a word
    /// of the API's paths in any case.
    pub fn parse(text: &str) -> Result<Self, BadBatchId> {
        if text.is_empty() {
            return Err(BadBatchId::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(BadBatchId::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(BadBatchId::Characters);
        }
        if let Some(word) = Self::RESERVED.iter().find(|word| text.eq_ignore_ascii_case(word)) {
            return Err(BadBatchId::Reserved(word));
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that the file gives: lower-case letters, digits and hyphens.
macro_rules! file_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads a name: `[a-z0-9-]+`.
            ///
            /// # Errors
            /// When the text is empty, longer than 64 characters, or holds another character.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                let well_formed = !text.is_empty() && text.len() <= 64 && text.bytes().all(fits);
                if well_formed { Ok(Self(text.into())) } else { Err(BadName) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// A text that cannot name an account or a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 64 lower-case letters, digits and hyphens")]
pub struct BadName;

file_name! {
    /// An account's name in the file: one API key of one product.
    AccountName
}
file_name! {
    /// A keep or delete rule's name in the file.
    RuleName
}

/// One run of one account: a UUID v7, so that runs sort by the time they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RunId(uuid::Uuid);

impl RunId {
    /// An id for a run that begins at `now`; `random` makes it unique within the millisecond.
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let ms = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
    }

    /// Reads an id as it is shown: 36 characters, hexadecimal digits and hyphens.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, BadRunId> {
        let id = uuid::Uuid::try_parse(text).map_err(|_unsaid| BadRunId)?;
        // Other spellings (braces, no hyphens) are the same id, but not as anything shows it.
        if id.to_string() == text { Ok(Self(id)) } else { Err(BadRunId) }
    }
}

/// A text that is no run's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a run's id looks like 019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071, as logs and `history` show it"
)]
pub struct BadRunId;

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a batch is doing. The vendor's words are open: one never seen counts as busy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nothing runs: the only state in which a batch may be deleted.
    Idle,
    /// Waiting for a slot.
    Queued,
    /// Working.
    Running,
    /// A word this program does not know.
    Other(Box<str>),
}

impl Status {
    /// The status as the API writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Idle => "idle",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for Status {
    fn from(word: &str) -> Self {
        match word {
            "idle" => Self::Idle,
            "queued" => Self::Queued,
            "running" => Self::Running,
            other => Self::Other(other.into()),
        }
    }
}

/// Whether a batch whose webhook was never delivered may go all the same (contract §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undelivered {
    /// The API refuses, and that is right: nobody has the results yet.
    Respect,
    /// Every rule that selects the batch says `force_failed_webhooks = true`.
    Force,
}

/// How many batches an account can hold (contract §3): when it is full, no new one can be made.
pub const BATCH_LIMIT: u64 = 10_000;

/// A word of one of the vendor's open lists (schedule types, priorities). Known words take no heap,
/// which matters ten thousand times.
pub type Word = Cow<'static, str>;

/// Reads a [`Word`].
pub fn word(text: &str) -> Word {
    const KNOWN: [&str; 11] = [
        "manual", "minutes", "daily", "weekly", "monthly", "yearly", "highest", "high", "normal",
        "low", "lowest",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == text)
        .map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed)
}

/// One batch of one account (contract §2.2), as a listing or a Get described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Its name; names are neither unique nor trustworthy text.
    pub name: Fact<Box<str>>,
    /// When it was created.
    pub created_at: Fact<Timestamp>,
    /// When it last ran; `Missing` on a batch that never ran, and on answers that omit it.
    pub last_run: Fact<Timestamp>,
    /// Idle, queued, running or a word never seen.
    pub status: Fact<Status>,
    /// `manual`, or how its schedule repeats.
    pub schedule_type: Fact<Word>,
    /// Its place in the queue.
    pub priority: Fact<Word>,
    /// Whether its schedule is on; not a state.
    pub enabled: Fact<bool>,
    /// Ids of the destinations that its results go to.
    pub destinations: Fact<Box<[Box<str>]>>,
    /// Searches in the batch, as last counted by the API (two spellings, contract §6.1.1).
    pub searches: Fact<u64>,
    /// Result sets it holds now; they expire, so zero does not mean never run (contract §6.1.6).
    pub results_count: Fact<u64>,
    /// The number that its next result set will get, from 1.
    pub next_result_set_id: Fact<u64>,
    /// The record as the API sent it: JSON text, for the second opinion and for expressions.
    pub raw: Raw,
}

/// A text of the API, as a part of the answer that it came in. It keeps the whole answer: a page is one
/// piece of memory that goes when its records go. As ten thousand pieces among others they would leave
/// holes that little fits into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// A text that was read in an answer; a copy where it stands elsewhere.
    pub fn of(text: &str, answer: &Bytes) -> Self {
        let (part, whole) = (text.as_bytes().as_ptr_range(), answer.as_ptr_range());
        let is_part = whole.start <= part.start && part.end <= whole.end;
        if is_part { Self(answer.slice_ref(text.as_bytes())) } else { text.into() }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It was text when it came here.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// Characters of a name that are shown: enough to know it, and no log line of a megabyte.
const MAX_SHOWN: usize = 256;

impl Batch {
    /// The name as it may be shown: control and direction characters escaped, cut
    /// after 256 characters.
    pub fn shown_name(&self) -> String {
        match &self.name {
            Fact::Known(name) => match name.char_indices().nth(MAX_SHOWN) {
                Some((cut, _)) => escaped(name.get(..cut).unwrap_or_default()) + "…",
                None => escaped(name),
            },
            Fact::Missing => "(no name)".to_owned(),
            Fact::Unreadable(_) => "(unreadable name)".to_owned(),
        }
    }

    /// Whether it never ran: `last_run` absent and `next_result_set_id` present and at most 1.
    /// `None` where the two do not say (contract §6.1.6, settled: both absent is unknown).
    pub fn never_ran(&self) -> Option<bool> {
        match (&self.last_run, &self.next_result_set_id) {
            (Fact::Known(_), _) => Some(false),
            (Fact::Missing, Fact::Known(next)) if *next <= 1 => Some(true),
            (Fact::Missing | Fact::Unreadable(_), _) => None,
        }
    }

    /// The fields in which `later`, a second look at the same batch, differs from this one: every
    /// field that both answers have, and a `last_run` that was not there before.
    ///
    /// The status is not among them (it is judged by itself), nor is the id.
    pub fn changes(&self, later: &Self) -> Vec<Field> {
        let first_run_since = self.last_run.is_missing() && !later.last_run.is_missing();
        [
            (Field::Name, differ(&self.name, &later.name)),
            (Field::CreatedAt, differ(&self.created_at, &later.created_at)),
            (Field::ScheduleType, differ(&self.schedule_type, &later.schedule_type)),
            (Field::Enabled, differ(&self.enabled, &later.enabled)),
            (Field::Priority, differ(&self.priority, &later.priority)),
            (Field::Destinations, differ(&self.destinations, &later.destinations)),
            (Field::Searches, differ(&self.searches, &later.searches)),
            (Field::ResultsCount, differ(&self.results_count, &later.results_count)),
            (Field::NextResultSetId, differ(&self.next_result_set_id, &later.next_result_set_id)),
            (Field::LastRun, first_run_since || differ(&self.last_run, &later.last_run)),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// Whether two looks at one field contradict each other. A field that one answer omits says nothing.
fn differ<T: PartialEq>(before: &Fact<T>, after: &Fact<T>) -> bool {
    !before.is_missing() && !after.is_missing() && before != after
}

/// Makes text from a server safe to show on a terminal, in a log or in a message: control
/// characters, direction overrides and other invisible format characters become `\u{..}` escapes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = !c.is_control() && !is_invisible(c);
        if plain {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// `1 page`, `2 pages`: how many of something, for people.
pub fn counted(count: impl Into<u128>, one: &str, many: &str) -> String {
    match count.into() {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// `1 batch`, `2 batches`.
pub fn batches(count: usize) -> String {
    counted(count as u128, "batch", "batches")
}

/// `a`, `a and b`, `a, b and c`.
pub fn and_list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Format characters that reorder or hide text: bidirectional marks, embeddings, overrides and
/// isolates, zero-width characters, line and paragraph separators, tags, byte-order mark.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00ad}'
            | '\u{061c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Builders of made-up batches, for tests. What is not said is idle, manual, enabled, created on
/// 2026-01-01 and run the day after.
#[cfg(test)]
pub(crate) mod fixtures {
    use super::{Batch, BatchId, Fact, Status, Timestamp, Word, word};

    /// A batch in the making.
    pub(crate) struct Builder(Batch);

    /// Reads an instant.
    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A batch of which only the record's text is of interest.
    pub(crate) fn of_record(id: &str, raw: &str) -> Batch {
        Batch {
            id: BatchId::parse(id).unwrap(),
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
            raw: raw.into(),
        }
    }

    /// A batch with this id, in every other respect ordinary.
    pub(crate) fn batch(id: &str) -> Builder {
        let known = |text: &str| -> Fact<Word> { Fact::Known(word(text)) };
        Builder(Batch {
            id: BatchId::parse(id).unwrap(),
            name: Fact::Known("tmp-1".into()),
            created_at: Fact::Known(at("2026-01-01T00:00:00Z")),
            last_run: Fact::Known(at("2026-01-02T00:00:00Z")),
            status: Fact::Known(Status::Idle),
            schedule_type: known("manual"),
            priority: known("normal"),
            enabled: Fact::Known(true),
            destinations: Fact::Known(Box::default()),
            searches: Fact::Known(1),
            results_count: Fact::Known(1),
            next_result_set_id: Fact::Known(2),
            raw: "".into(),
        })
    }

    impl Builder {
        pub(crate) fn name(mut self, name: &str) -> Self {
            self.0.name = Fact::Known(name.into());
            self
        }

        pub(crate) fn created(self, time: &str) -> Self {
            self.created_at(Fact::Known(at(time)))
        }

        pub(crate) fn created_at(mut self, time: Fact<Timestamp>) -> Self {
            self.0.created_at = time;
            self
        }

        pub(crate) fn status(mut self, status: Status) -> Self {
            self.0.status = Fact::Known(status);
            self
        }

        /// As a record is taken whose fields cannot be read.
        pub(crate) fn unreadable(mut self) -> Self {
            let odd = || "odd".into();
            self.0.name = Fact::Unreadable(odd());
            self.0.created_at = Fact::Unreadable(odd());
            self.0.status = Fact::Unreadable(odd());
            self
        }

        /// Changes anything.
        pub(crate) fn with(mut self, change: impl FnOnce(&mut Batch)) -> Self {
            change(&mut self.0);
            self
        }

        /// The batch, its raw text made of its known fields.
        pub(crate) fn build(mut self) -> Batch {
            let mut raw = serde_json::Map::new();
            raw.insert("id".into(), self.0.id.as_str().into());
            if let Fact::Known(name) = &self.0.name {
                raw.insert("name".into(), name.as_ref().into());
            }
            let times = [("created_at", &self.0.created_at), ("last_run", &self.0.last_run)];
            raw.extend(times.into_iter().filter_map(|(field, time)| {
                let text = time.known()?.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                Some((field.to_owned(), text.into()))
            }));
            if let Fact::Known(status) = &self.0.status {
                raw.insert("status".into(), status.as_str().into());
            }
            let words = [("schedule_type", &self.0.schedule_type), ("priority", &self.0.priority)];
            raw.extend(words.into_iter().filter_map(|(field, word)| {
                Some((field.to_owned(), word.known()?.as_ref().into()))
            }));
            if let Fact::Known(enabled) = self.0.enabled {
                raw.insert("enabled".into(), enabled.into());
            }
            if let Fact::Known(ids) = &self.0.destinations {
                let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
                raw.insert("destination_ids".into(), ids.into());
            }
            let counts = [
                ("searches_total_count", &self.0.searches),
                ("results_count", &self.0.results_count),
                ("next_result_set_id", &self.0.next_result_set_id),
            ];
            raw.extend(
                counts.into_iter().filter_map(|(field, count)| {
                    Some((field.to_owned(), (*count.known()?).into()))
                }),
            );
            self.0.raw = serde_json::Value::Object(raw).to_string().as_str().into();
            self.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_id_is_read_as_it_is_shown_and_in_no_other_spelling() {
        let id = RunId::new(fixtures::at("2026-11-25T12:00:00Z"), [7; 10]);
        let shown = id.to_string();
        assert_eq!(RunId::parse(&shown), Ok(id));
        for other in
            [shown.to_uppercase(), shown.replace('-', ""), format!("{{{shown}}}"), "x".into()]
        {
            assert_eq!(RunId::parse(&other), Err(BadRunId), "{other}");
        }
    }

    // fault: X3
    #[test]
    fn an_id_that_could_change_a_path_is_refused() {
        let long = "A".repeat(10_000);
        for (text, why) in [
            ("", BadBatchId::Empty),
            ("..", BadBatchId::Characters),
            ("a/b", BadBatchId::Characters),
            ("%2e", BadBatchId::Characters),
            ("a?b", BadBatchId::Characters),
            ("a b", BadBatchId::Characters),
            ("é1", BadBatchId::Characters),
            ("A\0", BadBatchId::Characters),
            ("stopall", BadBatchId::Reserved("stopall")),
            ("StopAll", BadBatchId::Reserved("stopall")),
            ("clear", BadBatchId::Reserved("clear")),
            ("searches", BadBatchId::Reserved("searches")),
            ("requests", BadBatchId::Reserved("requests")),
            ("results", BadBatchId::Reserved("results")),
            ("start", BadBatchId::Reserved("start")),
            ("stop", BadBatchId::Reserved("stop")),
            ("json", BadBatchId::Reserved("json")),
            ("csv", BadBatchId::Reserved("csv")),
            ("jsonlines", BadBatchId::Reserved("jsonlines")),
            (long.as_str(), BadBatchId::TooLong),
        ] {
            assert_eq!(BatchId::parse(text), Err(why), "{text:.20}");
        }
    }

    #[test]
    fn ids_keep_their_case_and_leading_zeros() {
        for text in ["9E867FAA", "00123456", "1E5", "abc"] {
            assert_eq!(BatchId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn one_is_singular_and_the_last_of_several_follows_an_and() {
        assert_eq!((batches(0), batches(1)), ("0 batches".into(), "1 batch".into()));
        let list =
            |parts: &[&str]| and_list(&parts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(list(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }

    // fault: X1
    #[test]
    fn what_could_move_a_cursor_or_reorder_text_is_escaped() {
        assert_eq!(escaped("tmp-1 ünïcode 日本"), "tmp-1 ünïcode 日本");
        assert_eq!(escaped("a\nb\u{1b}[31m\u{7}"), "a\\nb\\u{1b}[31m\\u{7}");
        assert_eq!(escaped("x\u{202e}y\u{2066}z"), "x\\u{202e}y\\u{2066}z");
        assert_eq!(escaped("\u{9b}1m\u{85}"), "\\u{9b}1m\\u{85}");
        assert_eq!(escaped("\u{1b}]8;;http://x\u{1b}\\"), "\\u{1b}]8;;http://x\\u{1b}\\");
    }
}
