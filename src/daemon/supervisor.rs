//! The supervisor: one loop that every firing, signal, reload and end of a run passes through.
//!
//! It never waits for a run, a call or a database, so a turn of it is proof that the service lives: the
//! watchdog and `/livez` hang on it. Not here: what a look at the clock means (`agenda`), how an account is
//! run (`crew`), what the service manager and probes are told (`manager`, `health`).
//! Invariant: an account has one run at a time; files that were read again are used only while nothing runs,
//! all accounts at once.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::agenda::{self, Agenda, LastRun, Look};
use super::alarm::{Alarms, Broken};
use super::files::Refused;
use super::manager::{Manager, Next, Status};
use crate::batch::AccountName;
use crate::clock::Clock;
use crate::observe::event::Observer;
use crate::observe::service::ServiceEvent;
use crate::run::report::Exit;
use crate::schedule::Timing;
use crate::server::health::Health;

/// What the supervisor has done by others.
pub(super) trait Work: 'static {
    /// Files that were read again.
    type Loaded;

    /// The accounts and their schedules.
    fn timings(&self) -> Vec<(AccountName, Timing)>;
    /// Takes an account for this process, and says what is known of its last run.
    async fn take(&self, account: &AccountName) -> Taken;
    /// Gives an account up.
    fn give_up(&self, account: &AccountName);
    /// Whether the account is this process's.
    fn is_owned(&self, account: &AccountName) -> bool;
    /// One run.
    async fn run(&self, account: &AccountName) -> Exit;
    /// A hash of the files as they are now.
    fn digest(&self) -> String;
    /// Reads the files again.
    fn load(&self) -> Result<Self::Loaded, Refused>;
    /// How many accounts they have, and their hash.
    fn about(loaded: &Self::Loaded) -> (usize, String);
    /// Uses them from now on.
    fn adopt(&self, loaded: Self::Loaded);
    /// The hash of the configuration in use.
    fn config_hash(&self) -> String;
}

/// What came of asking for an account.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is this process's.
    Owned { last: Option<LastRun> },
    /// Another process has it.
    Held { by: String },
    /// The state cannot be used now.
    Failed { cause: String },
}

/// What people ask a running service for, by a signal.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Read the files again (SIGHUP).
    pub reload: Arc<Notify>,
    /// Run every account now (SIGUSR1).
    pub run_now: Arc<Notify>,
}

/// What the supervisor works with.
pub(super) struct Around {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: CancellationToken,
    pub(super) asked: Asked,
    pub(super) health: Arc<Health>,
    pub(super) manager: Manager,
    /// How often to look at clock and files unasked; the service manager may want it oftener.
    pub(super) turn: Duration,
}

/// An alarm that is later than this did not ring.
const OVERDUE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// Alarms that may have rung and not been heard yet.
const RINGS: usize = 1024;

/// One account.
struct Slot {
    agenda: Agenda,
    doing: Doing,
    /// A run is wanted as soon as one may begin.
    is_wanted: bool,
    /// Who had the account when it was asked for last: told once.
    held_by: Option<String>,
    last: Option<Exit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    Taking,
    Running,
}

enum Done {
    Taken(Taken),
    Ran(Exit),
}

pub(super) struct Supervisor<W: Work> {
    around: Around,
    work: Rc<W>,
    alarms: Alarms,
    rings: mpsc::Receiver<AccountName>,
    slots: BTreeMap<AccountName, Slot>,
    tasks: JoinSet<Done>,
    whose: HashMap<Id, AccountName>,
    /// Files that wait until nothing runs.
    loaded: Option<W::Loaded>,
    /// The files that were looked at last, used or not.
    seen: String,
    is_ready: bool,
}

impl<W: Work> Supervisor<W> {
    /// Sets out the agendas. Nothing runs yet.
    pub(super) async fn new(around: Around, work: W) -> Result<Self, Broken> {
        let (ring, rings) = mpsc::channel(RINGS);
        let alarms = Alarms::new(&around.clock, ring).await?;
        let mut supervisor = Self {
            seen: work.digest(),
            around,
            work: Rc::new(work),
            alarms,
            rings,
            slots: BTreeMap::new(),
            tasks: JoinSet::new(),
            whose: HashMap::new(),
            loaded: None,
            is_ready: false,
        };
        supervisor.set_out();
        Ok(supervisor)
    }

    /// Serves until it is told to stop; then waits for the calls in flight. Must be called within a
    /// `LocalSet`.
    pub(super) async fn serve(mut self) -> Rc<W> {
        let turn = self.around.turn;
        let turn = self.around.manager.watchdog().map_or(turn, |limit| turn.min(limit / 2));
        let mut ticks = tokio::time::interval(turn);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.around.stop.clone();
        let asked = self.around.asked.clone();
        self.take_all();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = asked.reload.notified() => self.reload().await,
                () = asked.run_now.notified() => self.want_all(),
                Some(account) = self.rings.recv() => self.consider(&account).await,
                Some(done) = self.tasks.join_next_with_id() => self.done(done).await,
                _ = ticks.tick() => {
                    self.turn().await;
                    self.around.manager.beat();
                }
            }
            self.beat();
        }
        self.stop(&mut ticks).await;
        self.alarms.end().await;
        self.work
    }

    /// Lets every run end after the call in flight. The stop is their signal too.
    async fn stop(&mut self, ticks: &mut tokio::time::Interval) {
        let running = self.slots.values().filter(|slot| slot.doing == Doing::Running).count();
        self.around.health.stop();
        Manager::stopping();
        self.tell(&ServiceEvent::Stopping { running });
        for account in self.slots.keys() {
            self.alarms.clear(account).await;
        }
        while !self.tasks.is_empty() {
            tokio::select! {
                _ = self.tasks.join_next() => {}
                _ = ticks.tick() => {
                    self.beat();
                    self.around.manager.beat();
                }
            }
        }
    }

    /// A slot for each account; one that is known keeps what it knows.
    fn set_out(&mut self) {
        let now = self.around.clock.now();
        let mut known = std::mem::take(&mut self.slots);
        for (account, timing) in self.work.timings() {
            let slot = match known.remove(&account) {
                Some(mut slot) => {
                    slot.agenda.follow(timing, now);
                    slot
                }
                None => Slot::new(Agenda::new(timing, now)),
            };
            self.slots.insert(account, slot);
        }
    }

    /// Asks for every account that is not this process's.
    fn take_all(&mut self) {
        let accounts: Vec<_> = self.slots.keys().cloned().collect();
        for account in accounts {
            self.take(&account);
        }
    }

    fn take(&mut self, account: &AccountName) {
        let Some(slot) = self.slots.get_mut(account) else { return };
        if slot.doing != Doing::Nothing || self.work.is_owned(account) {
            return;
        }
        slot.doing = Doing::Taking;
        let (work, name) = (Rc::clone(&self.work), account.clone());
        let task = self.tasks.spawn_local(async move { Done::Taken(work.take(&name).await) });
        self.whose.insert(task.id(), account.clone());
    }

    /// Something is over: an account was asked for, or a run ended.
    async fn done(&mut self, done: Result<(Id, Done), JoinError>) {
        let (id, done) = match done {
            Ok((id, done)) => (id, done),
            // The crew catches what a run throws; whatever else breaks is no better.
            Err(broken) => (broken.id(), Done::Ran(Exit::Internal)),
        };
        let Some(account) = self.whose.remove(&id) else { return };
        match done {
            Done::Taken(taken) => self.taken(&account, taken),
            Done::Ran(exit) => self.ran(&account, exit),
        }
        self.adopt().await;
        self.begin_wanted();
        self.rearm(&account).await;
        self.be_ready();
    }

    fn taken(&mut self, account: &AccountName, taken: Taken) {
        let now = self.around.clock.now();
        let Some(slot) = self.slots.get_mut(account) else {
            self.work.give_up(account);
            return;
        };
        slot.doing = Doing::Nothing;
        let event = match taken {
            Taken::Owned { last } => {
                if let Some(last) = last.filter(|_| slot.is_fresh()) {
                    slot.agenda.recall(last, now);
                }
                slot.held_by.take().map(|_| ServiceEvent::TakenOver { account: account.clone() })
            }
            Taken::Held { by } => {
                // Whoever has it runs it.
                slot.is_wanted = false;
                let known = slot.held_by.replace(by.clone());
                (known.as_ref() != Some(&by))
                    .then(|| ServiceEvent::Standby { account: account.clone(), by })
            }
            Taken::Failed { cause } => {
                let known = slot.held_by.replace(cause.clone());
                (known.as_ref() != Some(&cause))
                    .then(|| ServiceEvent::StateUnusable { account: account.clone(), cause })
            }
        };
        if let Some(event) = event {
            self.tell(&event);
        }
        self.look(account);
    }

    fn ran(&mut self, account: &AccountName, exit: Exit) {
        let now = self.around.clock.now();
        if let Some(slot) = self.slots.get_mut(account) {
            slot.doing = Doing::Nothing;
            slot.last = Some(exit);
            if matches!(exit, Exit::Unavailable | Exit::State) {
                slot.agenda.could_not_reach(now);
            } else {
                slot.agenda.ran();
            }
        }
        self.look(account);
    }

    /// An alarm rang.
    async fn consider(&mut self, account: &AccountName) {
        self.look(account);
        self.begin_wanted();
        self.rearm(account).await;
    }

    /// Looks at the clock for an account.
    fn look(&mut self, account: &AccountName) {
        let now = self.around.clock.now();
        let Some(slot) = self.slots.get_mut(account) else { return };
        let account = account.clone();
        let busy = match slot.doing {
            Doing::Running => agenda::Account::Running,
            Doing::Nothing | Doing::Taking => agenda::Account::Free,
        };
        let event = match slot.agenda.look(now, busy) {
            Look::Nothing => None,
            Look::Skipped(skipped) => Some(ServiceEvent::ScheduleSkipped { account, skipped }),
            Look::Missed(missed) => {
                Some(ServiceEvent::ScheduleMissed { account, missed, makes_up: false })
            }
            Look::Run { missed } => {
                slot.is_wanted = true;
                (missed > 0).then_some(ServiceEvent::ScheduleMissed {
                    account,
                    missed,
                    makes_up: true,
                })
            }
        };
        if let Some(event) = event {
            self.tell(&event);
        }
    }

    /// Every account shall run now.
    fn want_all(&mut self) {
        for slot in self.slots.values_mut() {
            slot.is_wanted = slot.doing != Doing::Running;
        }
        self.begin_wanted();
    }

    /// Begins what is wanted, unless new files wait for the end of what runs.
    fn begin_wanted(&mut self) {
        if self.loaded.is_some() {
            return;
        }
        let wanted = self.slots.iter().filter(|(_, slot)| slot.is_wanted);
        let wanted: Vec<_> = wanted.map(|(account, _)| account.clone()).collect();
        for account in wanted {
            if self.work.is_owned(&account) {
                self.begin(&account);
            } else {
                self.take(&account);
            }
        }
    }

    fn begin(&mut self, account: &AccountName) {
        let Some(slot) = self.slots.get_mut(account) else { return };
        if slot.doing != Doing::Nothing {
            return;
        }
        (slot.doing, slot.is_wanted) = (Doing::Running, false);
        let (work, name) = (Rc::clone(&self.work), account.clone());
        let task = self.tasks.spawn_local(async move { Done::Ran(work.run(&name).await) });
        self.whose.insert(task.id(), account.clone());
    }

    /// Sets an account's alarm, and says when it will ring.
    async fn rearm(&mut self, account: &AccountName) {
        let now = self.around.clock.now();
        let Some(slot) = self.slots.get_mut(account) else { return };
        let next = slot.agenda.next();
        if let Err(broken) = self.alarms.set(account, next, now).await {
            // The supervisor looks at the clock in every turn.
            let event = ServiceEvent::AlarmBroken { cause: broken.to_string() };
            self.tell(&event);
        }
        self.show_next();
    }

    /// Tells when each account runs next, where that has changed.
    fn show_next(&mut self) {
        let nexts = self.slots.iter().filter_map(|(account, slot)| {
            let (at, schedule) = (slot.agenda.next()?, slot.agenda.schedule()?);
            let local = at.with_timezone(&schedule.zone()).format("%Y-%m-%d %H:%M:%S %Z");
            Some(Next { account: account.clone(), at, local: local.to_string() })
        });
        let status = Status {
            nexts: nexts.collect(),
            held: self.slots.values().filter(|slot| slot.held_by.is_some()).count(),
            is_unreachable: self.slots.values().any(|slot| slot.last == Some(Exit::Unavailable)),
        };
        let new = self.around.manager.show(&status);
        for Next { account, at, local } in new {
            self.tell(&ServiceEvent::ScheduleNext { account, at, local });
        }
    }

    /// Ready when every account has been asked for once.
    fn be_ready(&mut self) {
        let is_taking = self.slots.values().any(|slot| slot.doing == Doing::Taking);
        if self.is_ready || is_taking {
            return;
        }
        self.is_ready = true;
        let event = ServiceEvent::Started {
            accounts: self.slots.len(),
            config_hash: self.work.config_hash(),
        };
        self.tell(&event);
        self.around.health.be_ready();
        self.around.manager.ready();
    }

    /// What is done unasked: clocks that were set back, alarms that did not ring, accounts that others
    /// have, files that were edited.
    async fn turn(&mut self) {
        let now = self.around.clock.now();
        let accounts: Vec<_> = self.slots.keys().cloned().collect();
        for account in &accounts {
            let Some(slot) = self.slots.get_mut(account) else { continue };
            let back = slot.agenda.set_back(now);
            let late = slot.agenda.next().filter(|next| now - *next > OVERDUE);
            if let Some(back) = back {
                self.tell(&ServiceEvent::ClockSetBack { seconds: back.num_seconds() });
            }
            if let Some(at) = late {
                self.tell(&ServiceEvent::AlarmLate { account: account.clone(), at });
                self.look(account);
            }
            if back.is_some() || late.is_some() {
                self.rearm(account).await;
            }
        }
        self.take_all();
        self.begin_wanted();
        let digest = self.work.digest();
        if digest != self.seen {
            self.reload().await;
        }
    }

    /// Reads the files again: good ones are used from the next run on, bad ones never.
    async fn reload(&mut self) {
        Manager::reloading();
        self.seen = self.work.digest();
        let event = match self.work.load() {
            Ok(loaded) => {
                let (accounts, config_hash) = W::about(&loaded);
                self.loaded = Some(loaded);
                ServiceEvent::ConfigReloaded { accounts, config_hash }
            }
            // What was read well before, and waits for the end of a run, is still the best there is.
            Err(refused) => ServiceEvent::ConfigRejected { cause: refused.to_string() },
        };
        self.tell(&event);
        self.around.manager.ready();
        self.adopt().await;
        self.begin_wanted();
    }

    /// Uses files that were read, if nothing runs.
    async fn adopt(&mut self) {
        let is_busy = self.slots.values().any(|slot| slot.doing != Doing::Nothing);
        let Some(loaded) = self.loaded.take_if(|_| !is_busy) else { return };
        let before: Vec<_> = self.slots.keys().cloned().collect();
        self.work.adopt(loaded);
        self.set_out();
        for gone in before.iter().filter(|account| !self.slots.contains_key(*account)) {
            self.alarms.clear(gone).await;
        }
        self.take_all();
        let accounts: Vec<_> = self.slots.keys().cloned().collect();
        for account in accounts {
            self.rearm(&account).await;
        }
    }

    /// Shows that the loop turns.
    fn beat(&self) {
        self.around.health.beat(self.around.clock.monotonic());
    }

    fn tell(&self, event: &ServiceEvent) {
        self.around.observer.service(event);
    }
}

impl Slot {
    const fn new(agenda: Agenda) -> Self {
        Self { agenda, doing: Doing::Nothing, is_wanted: false, held_by: None, last: None }
    }

    /// Whether this process has not run the account yet since it asked for it.
    fn is_fresh(&self) -> bool {
        self.last.is_none()
    }
}
