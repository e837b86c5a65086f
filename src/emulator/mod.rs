//! The emulator: a stand-in of the vendor's API, for `emulator`, `demo`, tests and benches.
//!
//! It is written from the contract alone and shares no code with the client, so that the two can
//! disagree. It answers what the contract documents, where the contract says "unknown" what [`Knobs`]
//! say, and what a script of [`Fault`]s makes of it; texts of its own begin with `emulated:`, so that no
//! client learns to match them. It logs every request and counts as [`Violations`] what a safe client
//! never sends.
//! Not here: anything of `api`. Invariant: it reads no clock but its own, which a test can move.

mod answer;
mod call;
mod command;
mod delivery;
mod dice;
mod edit;
mod fault;
mod knobs;
mod listing;
mod log;
mod product;
mod record;
mod results;
mod routes;
pub mod seed;
mod serve;
mod violation;
mod world;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::http::request::Parts;
use bytes::Bytes;
use chrono::{Datelike as _, TimeDelta};

pub use answer::Answer;
pub use call::{KeySeen, Operation};
pub use command::{Kind, Options, run};
pub use edit::Edit;
pub use fault::{Damage, Effect, Fault, Lie};
pub use knobs::*;
pub use log::Logged;
pub use product::{Family, Product};
pub use record::{Format, Notify, Odd, Priority, Record, Schedule, Searches, State};
pub use results::{Delivery, ResultSet};
pub use seed::Seed;
pub use serve::Running;
pub use violation::{Violation, Violations};
pub use world::Destination;

use self::call::Call;
use self::fault::Orders;
use self::log::{Fate, Log};
use self::routes::Said;
use self::world::World;
use crate::clock::{Clock, Timestamp};

/// One account of one product, that any number of listeners can serve. A clone is the same account.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use std::sync::Arc;
///
/// use batchsweep::clock::{Clock, SetClock};
/// use batchsweep::emulator::{Edit, Effect, Emulator, Fault, Operation, Product, Record, Seed};
///
/// let now = Seed::fixture_now();
/// let clock: Arc<dyn Clock> = Arc::new(SetClock::starting_at(now));
/// let emulator = Emulator::new(Product::SerpWow, "KEY", clock);
/// emulator.insert(Record::new("9E867FAA", "tmp-1", now - chrono::TimeDelta::days(8)));
/// // The deletion is carried out, but its answer is lost.
/// emulator.script(Fault::on(Operation::Delete).once().after_commit().then(Effect::Reset));
/// // A colleague starts it right after its third Get.
/// let start = Edit::Start("9E867FAA".to_owned());
/// emulator.script(
///     Fault::on(Operation::Get).id("9E867FAA").nth(3).after_commit().then(Effect::Edit(start)),
/// );
/// let running = emulator.start().await?;
/// assert!(running.base_url().ends_with("/live"));
/// // … a client sweeps it …
/// assert!(emulator.violations().is_empty(), "{}", emulator.violations());
/// assert!(emulator.deleted().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Emulator {
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    world: World,
    script: Vec<Fault>,
    log: Log,
    latency: Duration,
    skew: TimeDelta,
}

impl Emulator {
    /// An empty account that accepts that key and lives by that clock.
    pub fn new(product: Product, key: &str, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            world: World::new(product, key, clock.now()),
            script: Vec::new(),
            log: Log::new(clock.monotonic()),
            latency: Duration::ZERO,
            skew: TimeDelta::zero(),
        };
        Self { clock, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Plants everything of a seed, beside what is there.
    pub fn plant(&self, seed: Seed) {
        let mut inner = self.settled();
        let inner = &mut *inner;
        for record in seed.records {
            inner.world.insert(record);
        }
        for (at, edit) in seed.events {
            inner.world.plan(at, edit);
        }
        inner.world.destinations.extend(seed.destinations);
        inner.log.protected.extend(seed.protected);
        inner.script.extend(seed.faults);
    }

    /// Adds a batch, in place of one with the same id.
    pub fn insert(&self, record: Record) {
        self.edit(Edit::Insert(Box::new(record)));
    }

    /// Does what somebody else might do, now.
    pub fn edit(&self, edit: Edit) {
        self.edit_all(vec![edit]);
    }

    /// Does it as soon as the clock has reached an instant.
    pub fn edit_at(&self, at: Timestamp, edit: Edit) {
        self.lock().world.plan(at, edit);
    }

    /// The batch of that id, as the server knows it now.
    pub fn record(&self, id: &str) -> Option<Record> {
        self.settled().world.record(id).cloned()
    }

    /// The ids of all batches, sorted.
    pub fn ids(&self) -> Vec<String> {
        self.settled().world.records().map(|(id, _)| id.to_string()).collect()
    }

    /// How many batches there are.
    pub fn count(&self) -> usize {
        self.settled().world.count()
    }

    /// Adds a destination to the account.
    pub fn add_destination(&self, destination: Destination) {
        self.lock().world.destinations.push(destination);
    }

    /// Makes every deletion of that batch a violation.
    pub fn protect(&self, id: &str) {
        self.lock().log.protected.insert(id.to_owned());
    }

    /// Accepts another key from now on, and no longer the one before.
    pub fn set_key(&self, key: &str) {
        key.clone_into(&mut self.lock().world.key);
    }

    /// Turns knobs.
    pub fn turn(&self, knobs: impl FnOnce(&mut Knobs)) {
        let mut inner = self.lock();
        knobs(&mut inner.world.knobs);
        // Orders and filters may have changed.
        inner.world.listing = None;
    }

    /// Answers every call that much later.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Moves the `Date` header that much ahead of the clock, or behind it.
    pub fn set_date_skew(&self, skew: TimeDelta) {
        self.lock().skew = skew;
    }

    /// Adds a fault to the script.
    pub fn script(&self, fault: Fault) {
        self.lock().script.push(fault);
    }

    /// Forgets the script.
    pub fn clear_script(&self) {
        self.lock().script.clear();
    }

    /// Every request so far, in order.
    pub fn log(&self) -> Vec<Logged> {
        self.lock().log.entries().to_vec()
    }

    /// How many requests of that kind there were.
    pub fn count_of(&self, operation: Operation) -> usize {
        self.lock().log.entries().iter().filter(|entry| entry.operation == operation).count()
    }

    /// Every request to delete a batch, in order, whatever became of it.
    pub fn destructive(&self) -> Vec<Logged> {
        let mut log = self.log();
        log.retain(|entry| entry.operation == Operation::Delete);
        log
    }

    /// The ids of the batches that clients have deleted, in order.
    pub fn deleted(&self) -> Vec<String> {
        let done = self.destructive().into_iter().filter(|entry| entry.changed);
        done.filter_map(|entry| entry.id).collect()
    }

    /// What a safe client would not have sent.
    pub fn violations(&self) -> Violations {
        self.lock().log.violations().clone()
    }

    /// Forgets the log and the violations, but not what the client has seen.
    pub fn clear_log(&self) {
        self.lock().log.clear();
    }

    /// What it serves.
    pub fn product(&self) -> Product {
        self.lock().world.product
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of a test while it turned a knob must not hide the test's own message.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, with everything done that is due by now.
    fn settled(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        inner.world.settle(self.clock.now());
        inner
    }

    fn latency(&self) -> Duration {
        self.lock().latency
    }

    fn edit_all(&self, edits: Vec<Edit>) {
        if edits.is_empty() {
            return;
        }
        let mut inner = self.settled();
        for edit in edits {
            inner.world.edit(edit);
        }
    }

    fn read(&self, parts: &Parts, body: Bytes) -> Call {
        let inner = self.lock();
        Call::read(parts, body, inner.world.product, &inner.world.key)
    }

    /// Logs a call that has arrived, and asks the script about it.
    fn open(&self, call: &Call) -> (usize, Orders) {
        let mut inner = self.settled();
        let Inner { world, script, log, .. } = &mut *inner;
        let number = log.open(call, (world.now, self.clock.monotonic()));
        (number, Orders::of(script, call))
    }

    /// Carries a call out: edits before it, the call itself, edits after it.
    fn answer(&self, number: usize, call: &Call, orders: &mut Orders, fate: &mut Fate) -> Answer {
        self.edit_all(std::mem::take(&mut orders.edits_before));
        let mut inner = self.settled();
        let Inner { world, log, .. } = &mut *inner;
        let now = self.clock.monotonic();
        let Said { answer, changed, saw } = match routes::refusal(world, log, call, now, number) {
            Some(answer) => Said::only(answer),
            None => routes::answer(world, call, orders),
        };
        if changed {
            log.committed(number);
        }
        fate.changed = changed;
        fate.saw = saw;
        fate.confirmed = call.operation == Operation::Delete && changed;
        for edit in orders.edits_after.drain(..) {
            world.edit(edit);
        }
        answer
    }

    fn close(&self, number: usize, fate: &Fate) {
        let now = self.clock.monotonic();
        self.lock().log.close(number, now, fate);
    }

    /// Adds what every answer has (contract §2.0). What the answer itself says wins.
    fn with_headers(&self, answer: Answer, number: usize) -> Answer {
        let date = date_text(self.clock.now().checked_add_signed(self.lock().skew));
        let mut headers = vec![
            ("date".to_owned(), date),
            ("cache-control".to_owned(), "no-store".to_owned()),
            ("x-trace-id".to_owned(), format!("emulated-{number}")),
        ];
        headers.extend(answer.headers);
        Answer { headers, ..answer }
    }
}

/// The text of a `Date` header; of 1970 where the header could not say the year.
fn date_text(at: Option<Timestamp>) -> String {
    let sayable = at.filter(|at| (1970..=9999).contains(&at.year()));
    httpdate::fmt_http_date(SystemTime::from(sayable.unwrap_or_default()))
}

impl fmt::Debug for Emulator {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("clock", &self.clock).finish_non_exhaustive()
    }
}
