//! The board: what is going on right now, account by account, as events tell it.
//!
//! For whoever looks in while the service runs. Not here: what is remembered of the past (`state`), what a
//! run would do (`run::outlook`), how it is shown (`server`).
//! Invariant: a function of the events alone; bounded by the number of accounts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::{AccountName, RunId};
use crate::clock::{Clock, Timestamp};
use crate::observe::event::{Event, Observer, Scope};
use crate::observe::service::ServiceEvent;

/// What is going on. A clone is the same board.
#[derive(Debug, Clone)]
pub struct Board {
    clock: Arc<dyn Clock>,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug, Default)]
struct Shown {
    service: Service,
    accounts: BTreeMap<AccountName, Activity>,
}

/// What is going on with the service itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Since when it has been ready.
    pub started_at: Option<Timestamp>,
    /// When files were read last and are in use, or will be from the next run on.
    pub loaded_at: Option<Timestamp>,
    /// Why the files as they are now are not used, and since when; `None` where they are.
    pub rejected: Option<(Timestamp, String)>,
}

/// What is going on with one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// The run that is under way.
    pub running: Option<Progress>,
    /// When it runs next, jitter aside; may be sooner than its schedule says, where a run is tried again.
    pub next_at: Option<Timestamp>,
    /// Who has the account, where it is not this process.
    pub held_by: Option<String>,
    /// Why the state cannot be used for it.
    pub state_trouble: Option<String>,
    /// Until when all its calls wait, since the API asked for quiet.
    pub paused_until: Option<Timestamp>,
    /// Firings that were missed, as told last.
    pub missed: Option<(Timestamp, usize)>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The run.
    pub run_id: RunId,
    /// When it began.
    pub began: Timestamp,
    /// Whether it is a dry run.
    pub dry_run: bool,
    /// What it does.
    pub step: Step,
}

/// What a run does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It reads the listing: pages read, and how many there are.
    Listing {
        /// Pages read.
        page: u32,
        /// Pages in all; 0 before the first.
        pages: u32,
    },
    /// It decides.
    Deciding,
    /// It deletes: deletions that had their turn, and how many the plan has.
    Deleting {
        /// Those that had their turn.
        done: usize,
        /// Those of the plan.
        of: usize,
    },
    /// All others had their turn; it waits for so many busy batches.
    Waiting {
        /// How many.
        busy: usize,
    },
    /// It lists once more, to prove the deletions.
    Proving,
}

impl Board {
    /// An empty board.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shown: Arc::default() }
    }

    /// What is going on with the service.
    pub fn service_now(&self) -> Service {
        self.shown().service.clone()
    }

    /// What is going on with an account; nothing where nothing was told.
    pub fn activity(&self, account: &AccountName) -> Activity {
        self.shown().accounts.get(account).cloned().unwrap_or_default()
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        // A panic in between leaves at most one event half told.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Board {
    fn observe(&self, scope: &Scope, event: &Event) {
        let now = self.clock.now();
        let mut shown = self.shown();
        shown.accounts.entry(scope.account.clone()).or_default().take(scope.run_id, event, now);
    }

    fn service(&self, event: &ServiceEvent) {
        let now = self.clock.now();
        self.shown().take(event, now);
    }
}

impl Shown {
    fn account(&mut self, account: &AccountName) -> &mut Activity {
        self.accounts.entry(account.clone()).or_default()
    }

    fn take(&mut self, event: &ServiceEvent, now: Timestamp) {
        match event {
            ServiceEvent::Started { .. } => {
                (self.service.started_at, self.service.loaded_at) = (Some(now), Some(now));
            }
            ServiceEvent::ConfigReloaded { .. } => {
                (self.service.loaded_at, self.service.rejected) = (Some(now), None);
            }
            ServiceEvent::ConfigRejected { cause } => {
                self.service.rejected = Some((now, cause.clone()));
            }
            ServiceEvent::ScheduleNext { account, at, .. } => {
                self.account(account).next_at = Some(*at);
            }
            ServiceEvent::ScheduleMissed { account, missed, .. } => {
                self.account(account).missed = Some((now, *missed));
            }
            ServiceEvent::Standby { account, by } => {
                let activity = self.account(account);
                (activity.held_by, activity.state_trouble) = (Some(by.clone()), None);
            }
            ServiceEvent::StateUnusable { account, cause } => {
                self.account(account).state_trouble = Some(cause.clone());
            }
            ServiceEvent::TakenOver { account } => {
                let activity = self.account(account);
                (activity.held_by, activity.state_trouble) = (None, None);
            }
            ServiceEvent::Stopping { .. }
            | ServiceEvent::ScheduleSkipped { .. }
            | ServiceEvent::AlarmLate { .. }
            | ServiceEvent::AlarmBroken { .. }
            | ServiceEvent::MetricsBeganAnew { .. }
            | ServiceEvent::MetricsNotWritten { .. }
            | ServiceEvent::NotifySent { .. }
            | ServiceEvent::NotifyFailed { .. }
            | ServiceEvent::ClockSetBack { .. } => {}
        }
    }
}

impl Activity {
    fn take(&mut self, run_id: RunId, event: &Event, now: Timestamp) {
        match event {
            Event::RunStarted { dry_run } => {
                let step = Step::Listing { page: 0, pages: 0 };
                self.running = Some(Progress { run_id, began: now, dry_run: *dry_run, step });
            }
            Event::RunFinished { .. } => (self.running, self.paused_until) = (None, None),
            Event::ApiPaused { wait, .. } => {
                let wait = chrono::TimeDelta::from_std(*wait).unwrap_or_default();
                self.paused_until = now.checked_add_signed(wait);
            }
            Event::InventoryPage { page, pages, .. } => {
                self.step(|step| match step {
                    // The listing after a sweep proves what was deleted.
                    Step::Deleting { .. } | Step::Waiting { .. } | Step::Proving => Step::Proving,
                    Step::Listing { .. } | Step::Deciding => {
                        Step::Listing { page: *page, pages: *pages }
                    }
                });
            }
            Event::InventoryListed { .. } => self.step(|step| match step {
                Step::Deleting { .. } | Step::Waiting { .. } | Step::Proving => step,
                Step::Listing { .. } | Step::Deciding => Step::Deciding,
            }),
            Event::PlanMade { counts, .. } => {
                let of = counts.get("delete").copied().unwrap_or(0);
                self.step(|_| Step::Deleting { done: 0, of });
            }
            Event::BatchDeleted { .. } | Event::BatchSkipped { .. } | Event::BatchFailed { .. } => {
                self.step(Step::one_more);
            }
            Event::BusyWaiting { batches, .. } => self.step(|_| Step::Waiting { busy: *batches }),
            Event::InventoryIncomplete { .. }
            | Event::GuardTripped { .. }
            | Event::GuardApproved { .. }
            | Event::BatchWouldDelete { .. }
            | Event::JournalSettled { .. }
            | Event::ProtectionGone { .. }
            | Event::HoldExpires { .. }
            | Event::ApiCalled { .. }
            | Event::ApiRetry { .. } => {}
        }
    }

    fn step(&mut self, next: impl FnOnce(Step) -> Step) {
        if let Some(running) = &mut self.running {
            running.step = next(running.step);
        }
    }
}

impl Step {
    const fn one_more(self) -> Self {
        match self {
            Self::Deleting { done, of } if done < of => Self::Deleting { done: done + 1, of },
            Self::Listing { .. }
            | Self::Deciding
            | Self::Deleting { .. }
            | Self::Waiting { .. }
            | Self::Proving => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batch::{BatchId, RuleName};
    use crate::clock::SetClock;
    use crate::observe::event::Subject;

    const NOW: &str = "2026-11-24T12:00:00Z";

    fn board() -> (Board, Scope) {
        let clock = Arc::new(SetClock::starting_at(NOW.parse().unwrap()));
        let account = AccountName::parse("main").unwrap();
        let run_id = RunId::new(NOW.parse().unwrap(), [7; 10]);
        (Board::new(clock), Scope { account, run_id })
    }

    fn subject() -> Subject {
        let (id, rule) = (BatchId::parse("A1").unwrap(), RuleName::parse("tmp").unwrap());
        Subject { id, name: "tmp-1".to_owned(), rule }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_followed_step_by_step() {
        let (board, scope) = board();
        let listed = Event::InventoryListed {
            batches: 2,
            unreadable: 0,
            statuses: BTreeMap::new(),
            duration: Duration::ZERO,
        };
        let page =
            |page| Event::InventoryPage { page, pages: 2, batches: 1, duration: Duration::ZERO };
        let deleted =
            Event::BatchDeleted { batch: subject(), attempt: 1, duration: Duration::ZERO };
        let skipped =
            Event::BatchSkipped { batch: subject(), outcome: "busy", detail: String::new() };
        let finished = Event::RunFinished {
            outcome: "swept",
            counts: BTreeMap::new(),
            verified: Some(true),
            requests: 1,
            duration: Duration::ZERO,
            exit_code: 0,
            error: None,
        };
        for (event, step) in [
            (Event::RunStarted { dry_run: false }, Some(Step::Listing { page: 0, pages: 0 })),
            (page(1), Some(Step::Listing { page: 1, pages: 2 })),
            (page(2), Some(Step::Listing { page: 2, pages: 2 })),
            (listed.clone(), Some(Step::Deciding)),
            (
                Event::PlanMade { counts: [("delete", 2)].into(), busy: Vec::new() },
                Some(Step::Deleting { done: 0, of: 2 }),
            ),
            (deleted, Some(Step::Deleting { done: 1, of: 2 })),
            (skipped.clone(), Some(Step::Deleting { done: 2, of: 2 })),
            (skipped, Some(Step::Deleting { done: 2, of: 2 })),
            (
                Event::BusyWaiting { batches: 1, wait: Duration::ZERO },
                Some(Step::Waiting { busy: 1 }),
            ),
            (page(1), Some(Step::Proving)),
            (listed, Some(Step::Proving)),
            (finished, None),
        ] {
            board.observe(&scope, &event);
            let running = board.activity(&scope.account).running;
            assert_eq!(running.map(|running| running.step), step, "after {event:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_amiss_is_shown_until_it_is_not() {
        let (board, scope) = board();
        let account = || scope.account.clone();
        let rejected = ServiceEvent::ConfigRejected { cause: "line 1".to_owned() };
        board.service(&rejected);
        assert!(board.service_now().rejected.is_some());
        board.service(&ServiceEvent::ConfigReloaded { accounts: 1, config_hash: String::new() });
        assert_eq!(board.service_now().rejected, None);
        board.service(&ServiceEvent::Standby { account: account(), by: "pid 1".to_owned() });
        assert_eq!(board.activity(&account()).held_by.as_deref(), Some("pid 1"));
        let cause = "disk full".to_owned();
        board.service(&ServiceEvent::StateUnusable { account: account(), cause });
        assert_eq!(board.activity(&account()).state_trouble.as_deref(), Some("disk full"));
        board.service(&ServiceEvent::TakenOver { account: account() });
        assert_eq!(board.activity(&account()), Activity::default());
        let paused = Event::ApiPaused { wait: Duration::from_mins(1), cause: String::new() };
        board.observe(&scope, &paused);
        let until = board.activity(&account()).paused_until;
        assert_eq!(until, Some("2026-11-24T12:01:00Z".parse().unwrap()));
    }
}
