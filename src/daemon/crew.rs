//! The crew: what the supervisor has done. Takes accounts, runs them, reads the files again.
//!
//! Not here: when (`supervisor`, `agenda`), a run itself (`run`).
//! Invariant: an account is run only while this process owns it, and by one task at a time; a panic is one
//! failed run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;

use super::agenda::LastRun;
use super::files::{Files, Refused};
use super::supervisor::{Taken, Work};
use crate::api::client::Surroundings;
use crate::batch::AccountName;
use crate::config::Account;
use crate::observe::metrics::{Metrics, Owned};
use crate::run::Memorable;
use crate::run::fleet::{Fleet, Listed};
use crate::run::report::{Ending, Exit, RunReport};
use crate::schedule::Timing;
use crate::server::Sight;
use crate::state::{Ownership, State, StateError};

/// The accounts of now, the state, and which of the accounts are this process's.
pub(super) struct Crew {
    fleet: RefCell<Rc<Fleet>>,
    files: Files,
    state: State,
    owned: RefCell<BTreeMap<AccountName, Rc<Ownership>>>,
    metrics: Arc<Metrics>,
    /// Whoever looks in, where somebody can.
    sight: Option<Sight>,
}

impl Crew {
    pub(super) fn new(
        fleet: Fleet,
        files: Files,
        state: State,
        metrics: Arc<Metrics>,
        sight: Option<Sight>,
    ) -> Self {
        let fleet = RefCell::new(Rc::new(fleet));
        Self { fleet, files, state, owned: RefCell::default(), metrics, sight }
    }

    pub(super) fn fleet(&self) -> Rc<Fleet> {
        Rc::clone(&self.fleet.borrow())
    }

    fn owner(&self, account: &AccountName) -> Option<Rc<Ownership>> {
        self.owned.borrow().get(account).map(Rc::clone)
    }

    /// The right to an account, asked for anew where it was lost since the last run: a server or what is
    /// between may have cut a session that was idle for a day.
    async fn sound_owner(&self, account: &AccountName) -> Result<Rc<Ownership>, Exit> {
        match self.owner(account) {
            Some(owner) if owner.check().await.is_ok() => return Ok(owner),
            Some(_) | None => self.give_up(account),
        }
        match self.take(account).await {
            Taken::Owned { .. } => self.owner(account).ok_or(Exit::Locked),
            Taken::Held { .. } => Err(Exit::Locked),
            Taken::Failed { .. } => Err(Exit::State),
        }
    }

    /// Gives every account up. What was written is safe.
    pub(super) async fn leave(&self) {
        let owned = std::mem::take(&mut *self.owned.borrow_mut());
        for account in owned.keys() {
            self.metrics.own(account, Owned::Elsewhere);
        }
        for owner in owned.into_values().filter_map(Rc::into_inner) {
            owner.release().await;
        }
        let _closed = self.state.clone().close().await;
    }

    async fn last_run(&self, account: &AccountName) -> Result<Option<LastRun>, StateError> {
        let mut runs = self.state.last_runs().await?;
        let last = runs.remove(account);
        Ok(last.map(|run| LastRun { began: run.begin.began, ended: run.end.is_some() }))
    }

    /// Tells the metrics what the state has of an account. A restart, and whoever stands by, shows the last run.
    /// Numbers that cannot be read now stay what they were.
    async fn seed(&self, account: &AccountName) {
        let listing =
            if self.metrics.is_listed(account) { Listed::Known } else { Listed::ToRecall };
        if let Ok(seed) = self.fleet().seed(&self.state, account, listing).await {
            self.metrics.recall(account, &seed);
        }
    }

    /// One run, or what became of it.
    async fn one(&self, fleet: &Fleet, account: &Account, owner: &Ownership) -> RunReport {
        let around = fleet.surroundings(account);
        let (told, began) = (around.clone(), around.clock.monotonic());
        let runner = match fleet.runner_in(account, around) {
            Ok(runner) => runner,
            Err(cause) => {
                let report = RunReport::not_begun(told.scope.clone(), cause);
                told.observer.observe(&told.scope, &report.finished());
                return report;
            }
        };
        let memory = fleet.memorable(&self.state);
        let keeps_records = memory.keeps_records || self.sight.is_some();
        let memory = Memorable { keeps_records, ..memory };
        let run = runner.once_as(fleet.config.arm(), memory, owner);
        // What it held is dropped; nothing of it is used again.
        match AssertUnwindSafe(run).catch_unwind().await {
            Ok(report) => report,
            Err(_panic) => self.broken(&told, began).await,
        }
    }

    /// A run that a bug ended. Where it was is in the journal, and the next run settles it.
    async fn broken(&self, told: &Surroundings, began: tokio::time::Instant) -> RunReport {
        let report = RunReport {
            account: told.scope.account.clone(),
            run_id: told.scope.run_id,
            ending: Ending::Broken,
            requests: 0,
            duration: told.clock.monotonic().duration_since(began),
            is_kept: self.state.is_durable(),
            signal: None,
            unrecorded: None,
        };
        told.observer.observe(&told.scope, &report.finished());
        let written = self.state.end_run(&report.end(told.clock.now())).await;
        RunReport { unrecorded: written.err(), ..report }
    }
}

impl Work for Crew {
    type Loaded = Fleet;

    fn timings(&self) -> Vec<(AccountName, Timing)> {
        let fleet = self.fleet();
        let accounts = fleet.config.accounts.iter();
        accounts.map(|account| (account.name.clone(), account.timing.clone())).collect()
    }

    async fn take(&self, account: &AccountName) -> Taken {
        let now = self.fleet().setting().clock.now();
        let owner = match self.state.own(std::slice::from_ref(account), now).await {
            Ok(owner) => owner,
            Err(StateError::Held { by, .. }) => {
                self.seed(account).await;
                return Taken::Held { by };
            }
            Err(error) => return Taken::Failed { cause: error.sentence() },
        };
        match self.last_run(account).await {
            Ok(last) => {
                self.seed(account).await;
                self.metrics.own(account, Owned::Here);
                self.owned.borrow_mut().insert(account.clone(), Rc::new(owner));
                Taken::Owned { last }
            }
            Err(error) => Taken::Failed { cause: error.sentence() },
        }
    }

    fn give_up(&self, account: &AccountName) {
        self.metrics.own(account, Owned::Elsewhere);
        drop(self.owned.borrow_mut().remove(account));
    }

    async fn run(&self, account: &AccountName) -> Exit {
        let fleet = self.fleet();
        let stop = fleet.setting().stop.clone();
        let Some(account) = fleet.config.accounts.iter().find(|one| one.name == *account) else {
            return Exit::Done;
        };
        let jitter = account.timing.schedule().map(|schedule| fleet.jitter(schedule.jitter));
        let whose_turn = async {
            if let Some(jitter) = jitter.filter(|jitter| !jitter.is_zero()) {
                tokio::time::sleep(jitter).await;
            }
            fleet.turn(account).await
        };
        let Some(_turn) = stop.run_until_cancelled(whose_turn).await else { return Exit::Stopped };
        let owner = match self.sound_owner(&account.name).await {
            Ok(owner) => owner,
            Err(exit) => return exit,
        };
        let report = self.one(&fleet, account, &owner).await;
        if matches!(&report.ending, Ending::NoState(_) | Ending::Locked(_) | Ending::Broken)
            || owner.check().await.is_err()
        {
            // Whatever is lost or doubtful is asked for anew before the next run.
            self.give_up(&account.name);
        }
        report.exit()
    }

    fn is_owned(&self, account: &AccountName) -> bool {
        self.owned.borrow().contains_key(account)
    }

    fn digest(&self) -> String {
        self.files.digest()
    }

    fn load(&self) -> Result<Fleet, Refused> {
        self.files.load(&self.fleet())
    }

    fn about(fleet: &Fleet) -> (usize, String) {
        (fleet.config.accounts.len(), fleet.config.hash.clone())
    }

    fn adopt(&self, fleet: Fleet) {
        let gone: Vec<_> = self.owned.borrow().keys().cloned().collect();
        let stays = |name: &AccountName| fleet.config.accounts.iter().any(|one| one.name == *name);
        for name in gone.iter().filter(|name| !stays(name)) {
            self.give_up(name);
        }
        if let Some(sight) = &self.sight {
            sight.follow(Arc::clone(&fleet.config));
        }
        self.metrics.follow(fleet.served());
        if let Some(desk) = &fleet.setting().desk {
            desk.adopt(fleet.config.open_channels(&fleet.setting().env));
        }
        *self.fleet.borrow_mut() = Rc::new(fleet);
    }

    fn config_hash(&self) -> String {
        self.fleet().config.hash.clone()
    }
}
