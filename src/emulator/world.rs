//! The world: an account's batches, and how they change with time (contract §4).
//!
//! Not here: what a call is answered (`routes`), what is seen of it (`log`).
//! Invariant: nothing reads a clock. [`World::settle`] moves the world to an instant before each call,
//! and lets everything happen that is due by then, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::edit::Edit;
use super::knobs::{DeadLinks, Knobs, LastRunMoves, Webhooks};
use super::listing::Listing;
use super::product::Product;
use super::record::{Record, State};
use super::results::{Delivery, ResultSet};
use crate::clock::Timestamp;

/// Searches up to which a batch counts as small (contract §3).
const SMALL: u64 = 250;
/// Small batches that may run at once.
const SMALL_SLOTS: usize = 5;
/// Other batches that may run at once.
const BIG_SLOTS: usize = 1;

/// One account.
pub(super) struct World {
    pub(super) product: Product,
    pub(super) key: String,
    pub(super) knobs: Knobs,
    pub(super) destinations: Vec<Destination>,
    /// The last listing that was made, kept while nothing changes.
    pub(super) listing: Option<Listing>,
    /// Where the world is in time.
    pub(super) now: Timestamp,
    records: BTreeMap<Arc<str>, Stored>,
    events: BTreeMap<(Timestamp, u64), Event>,
    queue: Vec<Waiting>,
    buried: BTreeMap<String, Vec<ResultSet>>,
    version: u64,
    serial: u64,
}

/// A destination of results (contract §2.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `s3`, `gcs`, `azure`, `oss` or `s3compatible`.
    pub kind: String,
}

/// A record and what belongs to the emulator alone.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) record: Record,
    /// Its JSON in a listing, if it has been written since it last changed.
    text: Option<Box<str>>,
    /// The run it is in, so that a stopped run does not end.
    run: Option<u64>,
    /// Its deletion is acknowledged, but not yet to be seen.
    going: bool,
}

#[derive(Debug)]
enum Event {
    Edit(Edit),
    Promote,
    Ends { id: String, run: u64 },
    Expires { id: String, set: u64 },
    Bury(String),
}

#[derive(Debug)]
struct Waiting {
    id: String,
    since: Timestamp,
}

impl World {
    pub(super) fn new(product: Product, key: &str, now: Timestamp) -> Self {
        Self {
            product,
            key: key.to_owned(),
            knobs: Knobs::default(),
            destinations: Vec::new(),
            listing: None,
            now,
            records: BTreeMap::new(),
            events: BTreeMap::new(),
            queue: Vec::new(),
            buried: BTreeMap::new(),
            version: 0,
            serial: 0,
        }
    }

    /// Grows with every change that a listing could show.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// All batches that can be seen.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Arc<str>, &Record)> {
        self.records.iter().map(|(id, stored)| (id, &stored.record))
    }

    pub(super) fn count(&self) -> usize {
        self.records.len()
    }

    /// The batch as it is seen.
    pub(super) fn record(&self, id: &str) -> Option<&Record> {
        self.records.get(id).map(|stored| &stored.record)
    }

    /// The batch as a write finds it: none once its deletion is acknowledged.
    pub(super) fn alive(&self, id: &str) -> Option<&Record> {
        self.records.get(id).filter(|stored| !stored.going).map(|stored| &stored.record)
    }

    /// The record's JSON in a listing; empty where there is none.
    pub(super) fn listed_text(&mut self, id: &str) -> &str {
        let family = self.product.family();
        let Some(stored) = self.records.get_mut(id) else { return "" };
        stored.text.get_or_insert_with(|| stored.record.listed(family).into_boxed_str())
    }

    /// Changes a batch, if it is there.
    pub(super) fn change<T>(&mut self, id: &str, how: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let stored = self.records.get_mut(id)?;
        stored.text = None;
        self.version += 1;
        Some(how(&mut stored.record))
    }

    /// The result sets whose files are still there, of a batch that is or was.
    pub(super) fn files_of(&self, id: &str) -> &[ResultSet] {
        self.record(id)
            .map(|record| &record.result_sets)
            .or_else(|| self.buried.get(id))
            .map_or(&[], Vec::as_slice)
    }

    /// Adds a batch, in place of one with the same id.
    pub(super) fn insert(&mut self, record: Record) {
        for set in &record.result_sets {
            let (id, set, at) = (record.id.clone(), set.id, set.expires_at);
            self.serial += 1;
            self.events.insert((at, self.serial), Event::Expires { id, set });
        }
        self.version += 1;
        let stored = Stored { record, text: None, run: None, going: false };
        self.records.insert(stored.record.id.as_str().into(), stored);
    }

    /// Plans an edit for an instant.
    pub(super) fn plan(&mut self, at: Timestamp, edit: Edit) {
        self.schedule(at, Event::Edit(edit));
    }

    /// Deletes a batch; with a lag, it is still seen for that long.
    pub(super) fn delete(&mut self, id: &str, lag: Duration) {
        if lag.is_zero() {
            return self.bury(id);
        }
        if let Some(stored) = self.records.get_mut(id) {
            stored.going = true;
        }
        self.schedule(later(self.now, lag), Event::Bury(id.to_owned()));
    }

    /// Does now, or after a lag, what an edit says.
    pub(super) fn edit_after(&mut self, lag: Duration, edit: Edit) {
        if lag.is_zero() { self.edit(edit) } else { self.plan(later(self.now, lag), edit) }
    }

    /// Lets everything happen that is due at `now`.
    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some(next) = self.events.first_entry() {
            let (at, _) = *next.key();
            if at > now {
                break;
            }
            let event = next.remove();
            self.now = at;
            self.happen(event);
        }
        self.now = now;
    }

    /// Does what an edit says; one about a batch that is not there does nothing.
    pub(super) fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Insert(record) => self.insert(*record),
            Edit::Remove(id) => self.bury(&id),
            Edit::Rename(id, name) => {
                self.change(&id, |record| record.name = name);
            }
            Edit::Start(id) => self.start(&id),
            Edit::Run(id) => self.run(&id),
            Edit::Stop(id) => self.stop(&id),
            Edit::Finish(id) => self.finish(&id),
            Edit::Put(id, state) => self.put(&id, state),
            Edit::Change(id, how) => {
                self.change(&id, how);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Edit(edit) => self.edit(edit),
            Event::Promote => self.promote(),
            Event::Ends { id, run } => {
                if self.records.get(id.as_str()).is_some_and(|stored| stored.run == Some(run)) {
                    self.finish(&id);
                }
            }
            Event::Expires { id, set } => self.expire(&id, set),
            Event::Bury(id) => self.bury(&id),
        }
    }

    fn schedule(&mut self, at: Timestamp, event: Event) {
        self.serial += 1;
        self.events.insert((at, self.serial), event);
    }

    fn bury(&mut self, id: &str) {
        self.queue.retain(|waiting| waiting.id != id);
        let Some(stored) = self.records.remove(id) else { return };
        self.version += 1;
        let links_live = self.knobs.dead_links == DeadLinks::AtExpiry;
        if links_live && !stored.record.result_sets.is_empty() {
            self.buried.insert(id.to_owned(), stored.record.result_sets);
        }
    }

    fn expire(&mut self, id: &str, set: u64) {
        let now = self.now;
        let is_due = |it: &ResultSet| it.id == set && it.expires_at <= now;
        if let Some(sets) = self.buried.get_mut(id) {
            sets.retain(|it| !is_due(it));
        }
        self.change(id, |record| record.result_sets.retain(|it| !is_due(it)));
    }

    fn start(&mut self, id: &str) {
        let is_idle = self.record(id).is_some_and(|record| record.state == State::Idle);
        if !is_idle {
            return;
        }
        self.put(id, State::Queued);
        self.queue.push(Waiting { id: id.to_owned(), since: self.now });
        self.schedule(later(self.now, self.knobs.queued_for), Event::Promote);
    }

    /// Gives free slots to the batches that have waited long enough: by priority, then by age.
    fn promote(&mut self) {
        let mut due: Vec<(_, Timestamp, String)> = self
            .queue
            .iter()
            .filter(|waiting| later(waiting.since, self.knobs.queued_for) <= self.now)
            .filter_map(|waiting| {
                let record = self.record(&waiting.id)?;
                Some((record.priority, waiting.since, waiting.id.clone()))
            })
            .collect();
        due.sort();
        for (_, _, id) in due {
            if self.has_slot(&id) {
                self.run(&id);
            }
        }
    }

    fn has_slot(&self, id: &str) -> bool {
        let is_small = |record: &Record| record.searches.count() <= SMALL;
        let Some(small) = self.record(id).map(is_small) else { return false };
        let taken = self
            .records()
            .filter(|(_, record)| record.state == State::Running && is_small(record) == small)
            .count();
        taken < if small { SMALL_SLOTS } else { BIG_SLOTS }
    }

    fn run(&mut self, id: &str) {
        self.put(id, State::Running);
        let (now, moves) = (self.now, self.knobs.last_run_moves);
        self.serial += 1;
        let run = self.serial;
        let Some(stored) = self.records.get_mut(id) else { return };
        stored.run = Some(run);
        if moves == LastRunMoves::AtStart {
            stored.record.last_run = Some(now);
        }
        let ends = later(now, self.knobs.runs_for);
        self.schedule(ends, Event::Ends { id: id.to_owned(), run });
    }

    fn stop(&mut self, id: &str) {
        self.put(id, State::Idle);
        self.promote();
    }

    fn finish(&mut self, id: &str) {
        let delivery = match self.knobs.webhooks {
            Webhooks::Delivered => Delivery::Sent,
            Webhooks::Failed => Delivery::Failed,
        };
        let (now, moves) = (self.now, self.knobs.last_run_moves);
        self.put(id, State::Idle);
        let made = self.change(id, |record| {
            let number = record.next_result_set_id;
            let set = ResultSet::ended(number, now, record.searches.count());
            let set = match record.notify.webhook {
                Some(_) => set.webhook(delivery),
                None => set,
            };
            let expires_at = set.expires_at;
            record.result_sets.push(set);
            record.next_result_set_id = number + 1;
            if moves == LastRunMoves::AtEnd {
                record.last_run = Some(now);
            }
            (number, expires_at)
        });
        if let Some((set, expires_at)) = made {
            self.schedule(expires_at, Event::Expires { id: id.to_owned(), set });
        }
        self.promote();
    }

    /// Puts a batch into a state, out of the queue and out of its run.
    fn put(&mut self, id: &str, state: State) {
        self.queue.retain(|waiting| waiting.id != id);
        self.change(id, |record| record.state = state);
        if let Some(stored) = self.records.get_mut(id) {
            stored.run = None;
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    TimeDelta::from_std(by).ok().and_then(|by| at.checked_add_signed(by)).unwrap_or(at)
}
