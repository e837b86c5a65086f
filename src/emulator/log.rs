//! The log: every request in order, what became of it, and what a safe client would not have sent.
//!
//! Invariant: no entry holds the key; the query is kept without it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::call::{Call, KeySeen, Operation};
use super::violation::{Violation, Violations};
use crate::clock::Timestamp;

/// The window of the rate limits (contract §3).
const WINDOW: Duration = Duration::from_mins(1);
/// List calls in one window.
const LIST_CALLS: usize = 60;
/// How old a Get's answer may be when its deletion arrives.
const FRESH: Duration = Duration::from_secs(10);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its number, from 0.
    pub number: usize,
    /// When it arrived, by the emulator's clock.
    pub at: Timestamp,
    /// When it arrived, since the emulator was made, by the monotonic clock.
    pub elapsed: Duration,
    /// The verb.
    pub method: String,
    /// The path, decoded.
    pub path: String,
    /// The query without the key.
    pub query: Vec<(String, String)>,
    /// What was seen of the key.
    pub key: KeySeen,
    /// What it asked for.
    pub operation: Operation,
    /// The batch it spoke of.
    pub id: Option<String>,
    /// The status of the answer; `None` while there is none, and for ever if there never was one.
    pub status: Option<u16>,
    /// Whether it changed anything.
    pub changed: bool,
    /// Whether a fault of the script touched it.
    pub faulty: bool,
}

impl Logged {
    /// The first value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What became of a request.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// The status that the client got.
    pub(super) status: Option<u16>,
    pub(super) changed: bool,
    pub(super) faulty: bool,
    /// The client saw this batch: idle, or busy.
    pub(super) saw: Option<Seen>,
    /// The client was told that this deletion was done, and it was.
    pub(super) confirmed: bool,
}

/// What a Get showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Idle,
    Busy,
    Absent,
}

/// Everything that was asked.
#[derive(Debug)]
pub(super) struct Log {
    began: Instant,
    /// Entries that were cleared away: the number of the first that is left.
    cleared: usize,
    entries: Vec<Logged>,
    violations: Violations,
    open_writes: BTreeSet<usize>,
    lists: VecDeque<Instant>,
    admitted: BTreeMap<Operation, VecDeque<Instant>>,
    seen: BTreeMap<String, (Instant, Seen)>,
    confirmed: BTreeSet<String>,
    /// Ids that no client may delete.
    pub(super) protected: BTreeSet<String>,
}

impl Log {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            cleared: 0,
            entries: Vec::new(),
            violations: Violations::default(),
            open_writes: BTreeSet::new(),
            lists: VecDeque::new(),
            admitted: BTreeMap::new(),
            seen: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            protected: BTreeSet::new(),
        }
    }

    pub(super) fn entries(&self) -> &[Logged] {
        &self.entries
    }

    pub(super) const fn violations(&self) -> &Violations {
        &self.violations
    }

    /// Forgets the entries and the violations, but not what the client has seen.
    pub(super) fn clear(&mut self) {
        self.cleared += self.entries.len();
        self.entries.clear();
        self.violations = Violations::default();
    }

    /// Whether another call that changes something is not answered yet.
    pub(super) fn has_open_write_besides(&self, number: usize) -> bool {
        self.open_writes.iter().any(|open| *open != number)
    }

    /// Notes a request that has arrived; the number is for [`Self::close`].
    pub(super) fn open(&mut self, call: &Call, (at, now): (Timestamp, Instant)) -> usize {
        let number = self.cleared + self.entries.len();
        self.judge(call, now);
        if call.operation == Operation::Delete {
            self.judge_delete(call.id(), now);
            if self.protected.contains(call.id()) {
                self.violate(Violation::ProtectedDelete, call);
            }
        }
        if call.operation.is_write() {
            self.open_writes.insert(number);
        }
        self.entries.push(Logged {
            number,
            at,
            elapsed: now.saturating_duration_since(self.began),
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            key: call.key,
            operation: call.operation,
            id: call.id.clone(),
            status: None,
            changed: false,
            faulty: false,
        });
        number
    }

    /// Notes what became of a request, or that its client has left.
    pub(super) fn close(&mut self, number: usize, now: Instant, fate: &Fate) {
        self.open_writes.remove(&number);
        let Some(entry) = self.entry(number) else { return };
        entry.status = fate.status;
        entry.changed |= fate.changed;
        entry.faulty |= fate.faulty;
        let Some(id) = entry.id.clone() else { return };
        if fate.confirmed {
            self.confirmed.insert(id.clone());
        }
        if let Some(seen) = fate.saw {
            self.seen.insert(id, (now, seen));
        }
    }

    /// Notes at once that a request has changed something: its client may be gone before the end.
    pub(super) fn committed(&mut self, number: usize) {
        if let Some(entry) = self.entry(number) {
            entry.changed = true;
        }
    }

    /// Whether one more call of that kind fits into the window, and counts it if so.
    pub(super) fn admit(&mut self, operation: Operation, limit: Option<u32>, now: Instant) -> bool {
        let Some(limit) = limit else { return true };
        let calls = self.admitted.entry(operation).or_default();
        forget_old(calls, now);
        let fits = calls.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        if fits {
            calls.push_back(now);
        }
        fits
    }

    fn entry(&mut self, number: usize) -> Option<&mut Logged> {
        number.checked_sub(self.cleared).and_then(|index| self.entries.get_mut(index))
    }

    fn judge(&mut self, call: &Call, now: Instant) {
        if call.operation.is_write() && !self.open_writes.is_empty() {
            self.violate(Violation::ParallelWrites, call);
        }
        if call.operation.is_state_changing_get() {
            self.violate(Violation::StateChangingGet, call);
        }
        if call.operation == Operation::Unknown {
            self.violate(Violation::UnknownPath, call);
        }
        if let Some(place) = call.key_outside {
            let what = format!("{} {}: the key is in {place}", call.method, call.path);
            self.violations.add(Violation::KeyOutOfPlace, what);
        }
        if call.operation == Operation::File && call.key != KeySeen::Missing {
            self.violate(Violation::KeyOutOfPlace, call);
        }
        if call.operation == Operation::List {
            forget_old(&mut self.lists, now);
            self.lists.push_back(now);
            if self.lists.len() > LIST_CALLS {
                self.violate(Violation::ListRate, call);
            }
        }
    }

    fn judge_delete(&mut self, id: &str, now: Instant) {
        let mut violate = |kind, what: &str| self.violations.add(kind, format!("{id}: {what}"));
        if self.confirmed.contains(id) {
            violate(Violation::RepeatedDelete, "was confirmed as deleted before");
        }
        // A Get is good for one deletion: before a resend, there must be another.
        match self.seen.remove(id) {
            None => violate(Violation::DeleteWithoutGet, "no Get since the last DELETE"),
            Some((_, Seen::Absent)) => {
                violate(Violation::DeleteWithoutGet, "the last Get did not find it");
            }
            Some((_, Seen::Busy)) => {
                violate(Violation::BusyDelete, "the last Get said that it is not idle");
            }
            Some((at, Seen::Idle)) => {
                let age = now.saturating_duration_since(at);
                if age > FRESH {
                    violate(Violation::StaleDelete, &format!("the last Get is {age:?} old"));
                }
            }
        }
    }

    fn violate(&mut self, kind: Violation, call: &Call) {
        self.violations.add(kind, format!("{} {}", call.method, call.path));
    }
}

fn forget_old(calls: &mut VecDeque<Instant>, now: Instant) {
    let is_old = |at: &Instant| now.saturating_duration_since(*at) >= WINDOW;
    while calls.front().is_some_and(is_old) {
        calls.pop_front();
    }
}
