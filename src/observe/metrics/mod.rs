//! Metrics: numbers made of events, in the two text formats that Prometheus reads.
//!
//! [`Metrics`] is an [`Observer`]; `families` has what is counted and the labels that exist, `formats` which text a
//! scraper gets. Not here: who serves them (`daemon`), the file of a single run (`cli`).
//! Invariant: a label is an account's or a rule's name, or a word of a closed list; never an id, never text from a
//! server. Every label set exists from the start.

pub mod carried;
mod families;
mod formats;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

pub use self::formats::{CLASSIC, OPENMETRICS, Text, wanted};

use self::families::Families;
use crate::batch::{AccountName, BatchId, RuleName};
use crate::clock::{Clock, Timestamp};
use crate::observe::event::{Event, Observer, Scope};
use crate::observe::journal;
use crate::observe::service::ServiceEvent;

/// Batches that are remembered as busy, for each account. An account runs a few at a time; whatever goes beyond
/// is younger than what is remembered.
const MOST_BUSY: usize = 1000;

/// An account as metrics know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its name.
    pub account: AccountName,
    /// Its delete rules.
    pub rules: Vec<RuleName>,
    /// The longest time between two firings of its schedule; `None` where it has no schedule.
    pub interval: Option<Duration>,
}

/// Who makes the metrics: what only a service knows is no metric of a single run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The service.
    Service,
    /// A single run of each account.
    Once,
}

/// Whose an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// This process's.
    Here,
    /// Another process's, or nobody's.
    Elsewhere,
}

/// What an account's gauges are seeded with: what earlier processes left in the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seed {
    /// When its last run ended, and the exit code it asked for.
    pub last_run: Option<(Timestamp, u8)>,
    /// When its last run ended that asked for exit code 0.
    pub last_success: Option<Timestamp>,
    /// The guards that are open.
    pub guards: Vec<String>,
    /// Batches of the last complete listing that were not deleted since.
    pub batches: Option<usize>,
}

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
}

/// What gauges are worked out from.
#[derive(Debug, Default)]
struct Books {
    served: Vec<Served>,
    accounts: BTreeMap<AccountName, Book>,
}

/// The same of one account.
#[derive(Debug, Default)]
struct Book {
    /// Whether the run that is under way can delete nothing.
    dry_run: bool,
    /// The guards that stopped the run that is under way.
    tripped: BTreeSet<&'static str>,
    /// Since when each busy batch has been found busy.
    busy: BTreeMap<BatchId, Timestamp>,
    /// Until when the account's calls wait.
    paused_until: Option<Instant>,
    /// Whether its inventory was listed, or recalled.
    is_listed: bool,
}

impl Metrics {
    /// Metrics of these accounts, all zero but for what is known by now.
    pub fn new(of: Of, clock: Arc<dyn Clock>, served: Vec<Served>) -> Self {
        let mut registry = Registry::with_prefix("batchsweep");
        let families = Families::new(of, &mut registry);
        families.config_loaded(clock.now());
        families.notified("sent", 0);
        families.notified("failed", 0);
        let metrics = Self { registry, families, clock, books: Mutex::default() };
        metrics.follow(served);
        metrics
    }

    /// Takes other accounts and rules for those of now. What is gone is no gauge any more; what it counted stays.
    pub fn follow(&self, served: Vec<Served>) {
        let mut books = self.books();
        let before = std::mem::take(&mut books.served);
        for gone in &before {
            match served.iter().find(|one| one.account == gone.account) {
                None => {
                    books.accounts.remove(&gone.account);
                    self.families.forget(&gone.account);
                }
                Some(_) => self.families.forget_interval(&gone.account),
            }
        }
        for one in &served {
            self.families.set_out(one);
        }
        books.served = served;
    }

    /// Tells what earlier processes left of an account.
    pub fn recall(&self, account: &AccountName, seed: &Seed) {
        if !self.is_served(account) {
            return;
        }
        let families = &self.families;
        if let Some((at, exit_code)) = seed.last_run {
            families.of_account(&families.last_run, account).set(seconds(at));
            families.of_account(&families.last_exit_code, account).set(f64::from(exit_code));
        }
        if let Some(at) = seed.last_success {
            families.of_account(&families.last_success, account).set(seconds(at));
        }
        for guard in crate::guards::NAMES {
            let is_open = seed.guards.iter().any(|open| open == guard);
            families.guard(account, guard).set(f64::from(u8::from(is_open)));
        }
        if let Some(batches) = seed.batches {
            self.book(account).is_listed = true;
            families.list(account, |status| if status == "unknown" { batches } else { 0 });
        }
    }

    /// Whether the account's inventory is known.
    pub fn is_listed(&self, account: &AccountName) -> bool {
        self.book(account).is_listed
    }

    /// Tells whether the account is this process's.
    pub fn own(&self, account: &AccountName, owned: Owned) {
        let value = match owned {
            Owned::Here => 1.0,
            Owned::Elsewhere => 0.0,
        };
        if self.is_served(account) {
            self.families.of_account(&self.families.owned, account).set(value);
        }
    }

    /// An account that is gone gets no gauge any more.
    fn is_served(&self, account: &AccountName) -> bool {
        self.books().served.iter().any(|one| one.account == *account)
    }

    /// All of it in the format of `OpenMetrics` 1.0.0. Waits for no run, and no run waits for it.
    pub fn openmetrics(&self) -> String {
        self.count_lost_lines();
        let mut out = String::new();
        // A text takes whatever is written to it.
        let _never_fails = text::encode(&mut out, &self.registry);
        out
    }

    /// All of it in the text format 0.0.4, the only one that `node_exporter` and Pushgateway take.
    pub fn classic(&self) -> String {
        self.count_lost_lines();
        let mut out = String::new();
        let _never_fails = prometheus_text::encode(&mut out, &self.registry);
        out
    }

    /// The text for a scraper that sent this `Accept` header, if any.
    pub fn text(&self, accept: Option<&str>) -> (Text, String) {
        let wanted = wanted(accept);
        let text = match wanted {
            Text::OpenMetrics => self.openmetrics(),
            Text::Classic => self.classic(),
        };
        (wanted, text)
    }

    fn count_lost_lines(&self) {
        self.families.set_lost_lines(journal::lost_lines());
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // A poisoned lock means a panic elsewhere; numbers may go on all the same.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The book of one account.
    fn book(&self, account: &AccountName) -> BookOf<'_> {
        let mut books = self.books();
        books.accounts.entry(account.clone()).or_default();
        BookOf { books, account: account.clone() }
    }

    fn plan_made(
        &self,
        account: &AccountName,
        counts: &BTreeMap<&'static str, usize>,
        busy: &[BatchId],
    ) {
        for (verdict, count) in counts {
            self.families.plan(account, verdict).set(number(*count));
        }
        let now = self.clock.now();
        let mut book = self.book(account);
        let is_busy: BTreeSet<_> = busy.iter().collect();
        book.busy.retain(|id, _| is_busy.contains(id));
        for id in busy {
            book.found_busy(id, now);
        }
        drop(book);
        self.show_busy(account, now);
    }

    fn show_busy(&self, account: &AccountName, now: Timestamp) {
        let since = self.book(account).busy.values().min().copied();
        let waited = since.map_or(0.0, |since| seconds(now) - seconds(since));
        let families = &self.families;
        families.of_account(&families.busy_oldest, account).set(waited.max(0.0));
    }

    /// Counts only the time that is not waited for already.
    fn paused(&self, account: &AccountName, wait: Duration) {
        let now = self.clock.monotonic();
        let until = now + wait;
        let mut book = self.book(account);
        let from = book.paused_until.map_or(now, |known| known.max(now));
        book.paused_until = Some(until.max(from));
        drop(book);
        self.families.paused(account).inc_by(until.saturating_duration_since(from).as_secs_f64());
    }

    /// One batch had its turn.
    fn settled(&self, account: &AccountName, rule: &RuleName, outcome: &'static str) {
        self.families.deletions(account, rule, outcome).inc();
        if matches!(outcome, "deleted" | "gone") {
            self.families.one_less(account);
        }
    }

    fn tripped(&self, account: &AccountName, guard: &'static str) {
        let mut book = self.book(account);
        // In a dry run nothing is stopped: there is nothing to approve.
        if book.dry_run {
            return;
        }
        book.tripped.insert(guard);
        drop(book);
        self.families.guard(account, guard).set(1.0);
    }

    fn finished(&self, account: &AccountName, outcome: &'static str, end: End) {
        let (families, now) = (&self.families, seconds(self.clock.now()));
        families.runs(account, outcome).inc();
        families.run_duration(account).observe(end.duration.as_secs_f64());
        families.of_account(&families.last_run, account).set(now);
        families.of_account(&families.last_exit_code, account).set(f64::from(end.exit_code));
        if end.exit_code == 0 {
            families.of_account(&families.last_success, account).set(now);
        }
        if outcome == "locked" {
            families.skipped(account, "locked", 1);
        }
        let book = self.book(account);
        // Runs that came to no plan say nothing of guards.
        let asked_guards = !book.dry_run && matches!(outcome, "swept" | "guarded");
        let tripped = book.tripped.clone();
        drop(book);
        if asked_guards {
            for guard in crate::guards::NAMES {
                let is_open = outcome == "guarded" && tripped.contains(guard);
                families.guard(account, guard).set(f64::from(u8::from(is_open)));
            }
        }
        self.show_busy(account, self.clock.now());
    }
}

/// How a run ended, in numbers.
#[derive(Debug, Clone, Copy)]
struct End {
    exit_code: u8,
    duration: Duration,
}

/// The book of one account, while nobody else writes in it.
struct BookOf<'m> {
    books: MutexGuard<'m, Books>,
    account: AccountName,
}

impl std::ops::Deref for BookOf<'_> {
    type Target = Book;

    fn deref(&self) -> &Book {
        static NONE: Book = Book {
            dry_run: false,
            tripped: BTreeSet::new(),
            busy: BTreeMap::new(),
            paused_until: None,
            is_listed: false,
        };
        self.books.accounts.get(&self.account).unwrap_or(&NONE)
    }
}

impl std::ops::DerefMut for BookOf<'_> {
    fn deref_mut(&mut self) -> &mut Book {
        self.books.accounts.entry(self.account.clone()).or_default()
    }
}

impl Book {
    fn found_busy(&mut self, id: &BatchId, now: Timestamp) {
        if self.busy.len() < MOST_BUSY {
            self.busy.entry(id.clone()).or_insert(now);
        }
    }
}

impl Observer for Metrics {
    fn observe(&self, scope: &Scope, event: &Event) {
        let (account, families) = (&scope.account, &self.families);
        match event {
            Event::RunStarted { dry_run } => {
                let mut book = self.book(account);
                book.dry_run = *dry_run;
                book.tripped.clear();
            }
            Event::InventoryListed { statuses, .. } => {
                self.book(account).is_listed = true;
                families.list(account, |status| statuses.get(status).copied().unwrap_or(0));
            }
            Event::PlanMade { counts, busy } => self.plan_made(account, counts, busy),
            Event::GuardTripped { guard, .. } => self.tripped(account, guard),
            Event::BatchDeleted { batch, .. } => self.settled(account, &batch.rule, "deleted"),
            Event::BatchFailed { batch, .. } => self.settled(account, &batch.rule, "failed"),
            Event::BatchSkipped { batch, outcome, .. } => {
                self.settled(account, &batch.rule, outcome);
                if *outcome == "busy" {
                    self.book(account).found_busy(&batch.id, self.clock.now());
                }
            }
            // Its batch was missing in the listing already.
            Event::JournalSettled { rule, outcome, .. } => {
                families.deletions(account, rule, outcome).inc();
            }
            Event::ApiCalled { operation, code, duration, .. } => {
                families.requests(account, operation, *code).inc();
                families.request_duration(account, operation).observe(duration.as_secs_f64());
            }
            Event::ApiPaused { wait, .. } => self.paused(account, *wait),
            Event::RunFinished { outcome, duration, exit_code, .. } => {
                let end = End { exit_code: *exit_code, duration: *duration };
                self.finished(account, outcome, end);
            }
            Event::InventoryPage { .. }
            | Event::InventoryIncomplete { .. }
            | Event::BatchWouldDelete { .. }
            | Event::BusyWaiting { .. }
            | Event::ProtectionGone { .. }
            | Event::HoldExpires { .. }
            | Event::GuardApproved { .. }
            | Event::ApiRetry { .. } => {}
        }
    }

    fn service(&self, event: &ServiceEvent) {
        let families = &self.families;
        match event {
            ServiceEvent::ConfigReloaded { .. } => families.config_loaded(self.clock.now()),
            ServiceEvent::ConfigRejected { .. } => families.config_rejected(),
            ServiceEvent::ScheduleNext { account, at, .. } => {
                families.of_account(&families.next_run, account).set(seconds(*at));
            }
            ServiceEvent::ScheduleMissed { account, missed, .. } => {
                families.missed(account, *missed as u64);
            }
            ServiceEvent::ScheduleSkipped { account, skipped } => {
                families.skipped(account, "running", *skipped as u64);
            }
            ServiceEvent::NotifySent { .. } => families.notified("sent", 1),
            ServiceEvent::NotifyFailed { .. } => families.notified("failed", 1),
            ServiceEvent::Started { .. }
            | ServiceEvent::Stopping { .. }
            | ServiceEvent::AlarmLate { .. }
            | ServiceEvent::AlarmBroken { .. }
            | ServiceEvent::ClockSetBack { .. }
            // The crew tells who has which account, also where that is no event.
            | ServiceEvent::Standby { .. }
            | ServiceEvent::TakenOver { .. }
            | ServiceEvent::StateUnusable { .. }
            | ServiceEvent::MetricsBeganAnew { .. }
            | ServiceEvent::MetricsNotWritten { .. } => {}
        }
    }
}

/// An instant as Prometheus has it: seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "exact for the next 280,000 years")]
fn seconds(at: Timestamp) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

/// A count as a gauge has it.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
