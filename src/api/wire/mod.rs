//! The answers as they travel: JSON into this program's words.
//!
//! The vendor's spellings live here and nowhere else. An answer is read strictly as a whole (one
//! JSON object, nothing after it, no key twice, counts that are counts) and leniently inside a
//! record: each field of a batch is read on its own, and an odd one makes only itself unreadable.
//! Not here: what a status means and whether an answer is believed (`judge`).
//! Invariant: nothing is coerced, and no text of the server is in an error or in a
//! [`crate::batch::Fact::Unreadable`] (numbers and dates aside), so that none of them can hold the key.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::answer::{Account, Page, Record};
use crate::api::error::Kind;
use crate::api::product::Family;
use crate::api::wire::record::is_too_deep;
use crate::batch::{Batch, counted};

mod field;
mod record;

pub(super) use record::read_record;

/// Lists and objects may stand this deep in each other, as in `serde_json` (fault J2).
const MAX_DEPTH: usize = 128;

/// Why a body cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not JSON at all, or not an object with `request_info.success`.
    NotAnEnvelope,
    /// It is JSON that was damaged; the sentence says how.
    Broken(String),
    /// It is JSON, but not of the contract's shape; the sentence says where.
    Odd(String),
}

/// An answer whose envelope could be read (contract §2.0).
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// `request_info.success`.
    pub(super) success: bool,
    /// `request_info.message`; empty where there is none.
    pub(super) message: Cow<'a, str>,
    body: Body<'a>,
}

/// What may stand beside `request_info`.
#[derive(Debug, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    request_info: Option<&'a RawValue>,
    #[serde(borrow)]
    total_count: Option<&'a RawValue>,
    #[serde(borrow)]
    total_pages: Option<&'a RawValue>,
    #[serde(borrow)]
    current_page: Option<&'a RawValue>,
    #[serde(borrow)]
    count_this_page: Option<&'a RawValue>,
    #[serde(borrow)]
    batches: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    collections: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    batch: Option<&'a RawValue>,
    #[serde(borrow)]
    collection: Option<&'a RawValue>,
    #[serde(borrow)]
    results: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    account_info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RequestInfo<'a> {
    success: bool,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads a body.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Unread> {
        let text = as_json_text(bytes)?;
        if !text.trim_ascii_start().starts_with('{') {
            // A list or a bare value may be JSON, but never the envelope. (A derived struct would
            // take a list for its fields in order.)
            return Err(Unread::NotAnEnvelope);
        }
        let body: Body<'a> = serde_json::from_str(text).map_err(|error| unread(&error, text))?;
        let info = body.request_info.map(RawValue::get).unwrap_or_default();
        if !info.starts_with('{') {
            return Err(Unread::NotAnEnvelope);
        }
        let info: RequestInfo<'a> =
            serde_json::from_str(info).map_err(|_not_the_envelope| Unread::NotAnEnvelope)?;
        let message = info.message.and_then(|raw| field::text(raw.get())).unwrap_or_default();
        Ok(Self { success: info.success, message, body })
    }

    /// The page of a listing. The records are parts of the body.
    pub(super) fn page(&self, family: Family, body: &Bytes) -> Result<Page, Kind> {
        let (ours, theirs) = match family {
            Family::Batches => (&self.body.batches, &self.body.collections),
            Family::Collections => (&self.body.collections, &self.body.batches),
        };
        let Some(records) = ours else {
            return Err(lacking(family.plural(), theirs.as_ref(), family));
        };
        let records: Result<Vec<Record>, Kind> =
            records.iter().map(|raw| read_record(raw.get(), body, family)).collect();
        Ok(Page {
            total_count: count("total_count", self.body.total_count)?,
            total_pages: count("total_pages", self.body.total_pages)?,
            current_page: count("current_page", self.body.current_page)?,
            count_this_page: count("count_this_page", self.body.count_this_page)?,
            records: records?,
        })
    }

    /// The one batch of a Get.
    pub(super) fn batch(&self, family: Family, body: &Bytes) -> Result<Box<Batch>, Kind> {
        let (ours, theirs) = match family {
            Family::Batches => (self.body.batch, self.body.collection),
            Family::Collections => (self.body.collection, self.body.batch),
        };
        let Some(raw) = ours else {
            return Err(lacking(family.singular(), theirs.as_ref(), family));
        };
        match read_record(raw.get(), body, family)? {
            Record::Batch(batch) => Ok(batch),
            Record::HostileId { .. } | Record::NoId => {
                Err(Kind::Unexpected(format!("the `{}` has no readable id", family.singular())))
            }
        }
    }

    /// The result sets of a batch.
    pub(super) fn result_sets(&self) -> Result<Vec<Delivered<'a>>, Kind> {
        let Some(results) = &self.body.results else {
            return Err(Kind::Unexpected("the answer has no `results`".to_owned()));
        };
        results.iter().map(|raw| result_set(raw.get())).collect()
    }

    /// The account (contract §2.10).
    pub(super) fn account(&self, family: Family) -> Result<Account, Kind> {
        let Some(info) = self.body.account_info.map(RawValue::get) else {
            return Err(Kind::Unexpected("the answer has no `account_info`".to_owned()));
        };
        let info: AccountInfo<'_> = object(info)
            .ok_or_else(|| Kind::Unexpected("`account_info` is not as expected".to_owned()))?;
        let used = match family {
            Family::Batches => info.batches_used,
            Family::Collections => info.collections_used,
        };
        // A counter that is odd is as one that is absent: the listing proves itself without it.
        Ok(Account { batches_used: used.and_then(|raw| field::whole(raw.get())) })
    }
}

/// The wait that an answer without an envelope may ask for in its body (contract §3, 503).
pub(super) fn retry_after(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Wait<'a> {
        #[serde(borrow)]
        retry_after: Option<&'a RawValue>,
    }
    let wait: Wait<'_> = object(as_json_text(bytes).ok()?.trim_ascii_start())?;
    field::whole(wait.retry_after?.get())
}

#[derive(Deserialize)]
struct AccountInfo<'a> {
    #[serde(borrow)]
    batches_used: Option<&'a RawValue>,
    #[serde(borrow)]
    collections_used: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResultSet<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    webhook_status: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delivery<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

/// A result set (contract §2.9), as far as it is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivered<'a> {
    pub(super) id: u64,
    /// `webhook_status.status`, as sent.
    pub(super) webhook_status: Option<Cow<'a, str>>,
}

fn result_set(raw: &str) -> Result<Delivered<'_>, Kind> {
    let odd = || Kind::Unexpected("a result set is not as expected".to_owned());
    let set: ResultSet<'_> = object(raw).ok_or_else(odd)?;
    let id = set.id.and_then(|raw| field::whole(raw.get())).ok_or_else(odd)?;
    let without = Delivered { id, webhook_status: None };
    let Some(delivery) = set.webhook_status else { return Ok(without) };
    let delivery: Delivery<'_> = object(delivery.get()).ok_or_else(odd)?;
    let Some(status) = delivery.status else { return Ok(without) };
    let status = field::text(status.get()).ok_or_else(odd)?;
    Ok(Delivered { id, webhook_status: Some(status) })
}

/// Reads a JSON object into a struct; `None` for anything else, lists included.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    if text.starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

/// A body as text, if it could be JSON with an object or a list.
fn as_json_text(bytes: &[u8]) -> Result<&str, Unread> {
    let starts_as_json = bytes.trim_ascii_start().first().is_some_and(|b| b"{[".contains(b));
    match std::str::from_utf8(bytes) {
        Ok(text) if starts_as_json => Ok(text),
        Err(error) if starts_as_json && error.error_len().is_none() => Err(cut(bytes.len())),
        Err(error) if starts_as_json => {
            Err(Unread::Broken(format!("the answer is no UTF-8 at byte {}", error.valid_up_to())))
        }
        Ok(_) | Err(_) => Err(Unread::NotAnEnvelope),
    }
}

/// Whether a body nests so deeply that its start says nothing but brackets.
pub(super) fn is_nested_too_deeply(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(is_too_deep)
}

/// Says what is wrong with a body, in words that hold none of it.
fn unread(error: &serde_json::Error, text: &str) -> Unread {
    use serde_json::error::Category;
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Eof => cut(text.len()),
        Category::Syntax | Category::Io => {
            Unread::Broken(format!("the answer is no valid JSON at {place}"))
        }
        Category::Data => {
            Unread::Odd(format!("the answer has a field twice, or of the wrong type, at {place}"))
        }
    }
}

fn cut(at: usize) -> Unread {
    Unread::Broken(format!(
        "the answer ends too early, after {}",
        counted(at as u64, "byte", "bytes")
    ))
}

/// The answer has not what was asked for; perhaps what the other family calls the same (fault J11).
fn lacking<T>(word: &str, theirs: Option<&T>, family: Family) -> Kind {
    match theirs {
        Some(_) => Kind::WrongFamily { expected: family.plural() },
        None => Kind::Unexpected(format!("the answer has no `{word}`")),
    }
}

fn count(name: &str, raw: Option<&RawValue>) -> Result<u64, Kind> {
    let Some(raw) = raw else {
        return Err(Kind::Unexpected(format!("the answer has no `{name}`")));
    };
    field::whole(raw.get())
        .ok_or_else(|| Kind::Unexpected(format!("`{name}` is {}", field::seen(raw.get()))))
}

#[cfg(test)]
mod tests;
