//! One record of a listing, or the object of a Get, into a [`Record`] (contract §2.2).
//!
//! One pass over the record's text finds the fields; each is then read on its own.
//! Invariant: a record with a key that stands twice has no readable field but its id (faults J4,
//! J6): readers differ on which of the two counts.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::answer::Record;
use crate::api::error::Kind;
use crate::api::product::Family;
use crate::api::wire::{MAX_DEPTH, field};
use crate::batch::{Batch, BatchId, Fact, Raw, Status, word};

/// What an ambiguous record's fields say.
const AMBIGUOUS: &str = "the record has a key twice, or one that is not Unicode";

/// Reads a record, which is valid JSON, of a body.
///
/// # Errors
/// When it is nested too deeply (fault J2).
pub(in crate::api) fn read_record(raw: &str, body: &Bytes, family: Family) -> Result<Record, Kind> {
    if is_too_deep(raw) {
        let sentence = format!("the answer is nested more than {MAX_DEPTH} deep");
        return Err(Kind::BrokenBody(sentence));
    }
    // Anything but an object has no id.
    let Ok(fields) = serde_json::Deserializer::from_str(raw).deserialize_map(Scan { family })
    else {
        return Ok(Record::NoId);
    };
    let id = match &fields.id {
        Slot::Once(id) => field::text(id),
        Slot::Absent | Slot::Twice => None,
    };
    let Some(id) = id else { return Ok(Record::NoId) };
    Ok(match BatchId::parse(&id) {
        Ok(id) => Record::Batch(Box::new(fields.batch(id, Raw::of(raw, body)))),
        Err(_kept_and_never_asked_for) => Record::HostileId { id: id.into() },
    })
}

/// Counts brackets first: a text with few of them cannot be deep, and that is nearly every text.
pub(super) fn is_too_deep(raw: &str) -> bool {
    let opening = raw.bytes().filter(|b| matches!(b, b'{' | b'[')).count();
    if opening <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for b in raw.bytes() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest > MAX_DEPTH
}

/// A field's text, and how often it was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Slot<'a> {
    #[default]
    Absent,
    Once(&'a str),
    Twice,
}

impl<'a> Slot<'a> {
    fn put(&mut self, raw: &'a str) -> bool {
        let first = *self == Slot::Absent;
        *self = if first { Slot::Once(raw) } else { Slot::Twice };
        first
    }

    const fn once(self) -> Option<&'a str> {
        match self {
            Self::Once(raw) => Some(raw),
            Self::Absent | Self::Twice => None,
        }
    }
}

/// Where the fields of one record are.
#[derive(Debug, Default)]
struct Fields<'a> {
    id: Slot<'a>,
    name: Slot<'a>,
    created_at: Slot<'a>,
    last_run: Slot<'a>,
    status: Slot<'a>,
    schedule_type: Slot<'a>,
    priority: Slot<'a>,
    enabled: Slot<'a>,
    destinations: Slot<'a>,
    searches: Slot<'a>,
    searches_as_in_get: Slot<'a>,
    results_count: Slot<'a>,
    next_result_set_id: Slot<'a>,
    is_ambiguous: bool,
}

impl<'a> Fields<'a> {
    fn slot(&mut self, key: &str, family: Family) -> Option<&mut Slot<'a>> {
        // Two spellings of one count (contract §6.1.1), in two families (contract §1.3).
        let (total, total_as_in_get) = match family {
            Family::Batches => ("searches_total_count", "search_total_count"),
            Family::Collections => ("requests_total_count", "request_total_count"),
        };
        Some(match key {
            "id" => &mut self.id,
            "name" => &mut self.name,
            "created_at" => &mut self.created_at,
            "last_run" => &mut self.last_run,
            "status" => &mut self.status,
            "schedule_type" => &mut self.schedule_type,
            "priority" => &mut self.priority,
            "enabled" => &mut self.enabled,
            "destination_ids" => &mut self.destinations,
            "results_count" => &mut self.results_count,
            "next_result_set_id" => &mut self.next_result_set_id,
            key if key == total => &mut self.searches,
            key if key == total_as_in_get => &mut self.searches_as_in_get,
            _ => return None,
        })
    }

    fn batch(&self, id: BatchId, raw: Raw) -> Batch {
        if self.is_ambiguous {
            return unreadable(id, raw);
        }
        Batch {
            id,
            name: field::fact(self.name.once(), |raw| field::text(raw).map(Box::from)),
            created_at: field::fact(self.created_at.once(), field::time),
            last_run: field::fact(self.last_run.once(), field::time),
            status: field::fact(self.status.once(), |raw| {
                field::text(raw).map(|word| Status::from(&*word))
            }),
            schedule_type: field::fact(self.schedule_type.once(), read_word),
            priority: field::fact(self.priority.once(), read_word),
            enabled: field::fact(self.enabled.once(), field::flag),
            destinations: field::fact(self.destinations.once(), field::texts),
            searches: self.searches(),
            results_count: field::fact(self.results_count.once(), field::whole),
            next_result_set_id: field::fact(self.next_result_set_id.once(), field::whole),
            raw,
        }
    }

    fn searches(&self) -> Fact<u64> {
        let usual = field::fact(self.searches.once(), field::whole);
        let as_in_get = field::fact(self.searches_as_in_get.once(), field::whole);
        match (usual, as_in_get) {
            (Fact::Missing, other) | (other, Fact::Missing) => other,
            (usual, as_in_get) if usual == as_in_get => usual,
            _ => Fact::Unreadable("two spellings that disagree".into()),
        }
    }
}

fn read_word(raw: &str) -> Option<crate::batch::Word> {
    field::text(raw).map(|text| word(&text))
}

fn unreadable(id: BatchId, raw: Raw) -> Batch {
    fn fact<T>() -> Fact<T> {
        Fact::Unreadable(AMBIGUOUS.into())
    }
    Batch {
        id,
        name: fact(),
        created_at: fact(),
        last_run: fact(),
        status: fact(),
        schedule_type: fact(),
        priority: fact(),
        enabled: fact(),
        destinations: fact(),
        searches: fact(),
        results_count: fact(),
        next_result_set_id: fact(),
        raw,
    }
}

/// Finds the fields of one object.
struct Scan {
    family: Family,
}

impl<'de> Visitor<'de> for Scan {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut others: Vec<Cow<'de, str>> = Vec::with_capacity(24);
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            let Some(key) = field::text(key.get()) else {
                fields.is_ambiguous = true;
                continue;
            };
            if let Some(slot) = fields.slot(&key, self.family) {
                let is_first = slot.put(value.get());
                fields.is_ambiguous |= !is_first;
            } else {
                others.push(key);
            }
        }
        others.sort_unstable();
        let each_once = others.is_sorted_by(|a, b| a < b);
        fields.is_ambiguous |= !each_once;
        Ok(fields)
    }
}
