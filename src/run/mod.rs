//! A run of one account: listing, plan, second opinion, guards, sweep.
//!
//! Each line of [`Runner::plan`] and [`Runner::once`] is one stage and one event. Not here: which accounts run and
//! when (`cli`, later the daemon), what is shown of it (`cli::output`).
//! Invariant: without an [`Armed`] there is nothing to delete with; a dry run is its absence.

pub mod apply;
pub mod explained;
pub mod fleet;
pub mod outlook;
mod past;
pub mod simulation;
pub mod standing;
pub mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use past::last_batches;
pub use past::{Recalled, Sight, recall};

use crate::api::client::{ApiKey, KeySource, Reader, Surroundings};
use crate::api::error::Error;
use crate::audit;
use crate::batch::{BatchId, RuleName, escaped};
use crate::clock::RELEASED;
use crate::config::Account;
use crate::guards::{self, AdmittedPlan, Evidence, Reading, Tripped};
use crate::inventory::{self, IncompleteInventory, Inventory};
use crate::observe::event::{Event, Subject};
use crate::plan::Plan;
use crate::plan::seal::Origin;
use crate::run::apply::{Refusal, Sealed};
use crate::run::report::{Ending, RunReport};
use crate::state::{Entry, Ownership, RunBegin, State, StateError};
use crate::sweep::journal::Journal;
use crate::sweep::settle::{self, Shown};
use crate::sweep::{self, Ended};
use crate::warrant::Armed;

/// One account, ready to be read from.
#[derive(Debug)]
pub struct Runner<'a> {
    account: &'a Account,
    reader: Reader,
    around: Surroundings,
    began: tokio::time::Instant,
}

/// List calls count for so long (contract §3), and a little more.
const WINDOW: chrono::TimeDelta = chrono::TimeDelta::seconds(61);

/// Where a run writes what it did, and for how long that is kept.
#[derive(Debug, Clone, Copy)]
pub struct Memorable<'a> {
    /// The state.
    pub state: &'a State,
    /// The hash of the configuration.
    pub config_hash: &'a str,
    /// How long runs and deletions are remembered.
    pub keep_history: Duration,
    /// The signal that asked the program to end; 0 while none did.
    pub stopped_by: &'a AtomicU8,
    /// Whether the records of the last listing are kept, for whoever looks later.
    pub keeps_records: bool,
}

/// A plan with what the guards say of it, and what the rules with a grace selected.
struct Decided {
    admission: Admission,
    selected: BTreeMap<RuleName, BTreeSet<BatchId>>,
}

/// A plan and what the guards say of it.
pub type Admission = Result<AdmittedPlan, Box<Tripped>>;

impl<'a> Runner<'a> {
    /// Prepares a run; makes no call.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(
        account: &'a Account,
        key: ApiKey,
        source: Box<dyn KeySource>,
        around: Surroundings,
    ) -> Result<Self, Error> {
        let reader = Reader::connect(account.api.clone(), key, source, around.clone())?;
        let began = around.clock.monotonic();
        Ok(Self { account, reader, around, began })
    }

    /// What a run would do: lists, decides, has the decisions reviewed, asks the guards. Cannot
    /// delete. `notes` is as for [`Runner::list`].
    ///
    /// # Errors
    /// When the listing cannot be proven complete.
    pub async fn plan(
        &self,
        recalled: &Recalled,
        notes: Option<&State>,
    ) -> Result<Admission, IncompleteInventory> {
        let inventory = self.list(notes).await?;
        Ok(self.decide(inventory, recalled).admission)
    }

    fn decide(&self, inventory: Inventory, recalled: &Recalled) -> Decided {
        let now = self.around.clock.now();
        let decision = self.account.policy.decide(inventory.batches(), &recalled.memory, now);
        let since_last = recalled.since_last(&inventory);
        let scope = &self.around.scope;
        let plan =
            Plan::new(scope.account.clone(), scope.run_id, now, inventory, decision.verdicts);
        let plan = match &recalled.sealed {
            Some(stamps) => plan.limited_to(stamps),
            None => plan,
        };
        self.tell(&Event::PlanMade { counts: plan.counts(), busy: plan.busy().cloned().collect() });
        let evidence = Evidence {
            keep_matches: decision.keep_matches,
            clock_skew: self.reader.clock_skew(),
            passed: recalled.listed_at.map_or(RELEASED, |listed_at| listed_at.max(RELEASED)),
            findings: audit::review(&plan, &self.account.audit_rules(recalled.past())),
            since_last,
            approved: recalled.approved.clone(),
        };
        let admission = guards::admit(plan, &evidence, &self.account.limits);
        Decided { admission, selected: decision.selected }
    }

    /// One whole run. With `armed` it deletes what the plan says and the guards admit. What it did is
    /// in the state when it returns.
    pub async fn once(self, armed: Option<Armed>, memory: Memorable<'_>) -> RunReport {
        self.go(armed, memory, None).await
    }

    /// The same for somebody who owns the account already, and goes on owning it.
    pub async fn once_as(
        self,
        armed: Option<Armed>,
        memory: Memorable<'_>,
        owner: &Ownership,
    ) -> RunReport {
        self.tell(&Event::RunStarted { dry_run: armed.is_none() });
        let report = self.own(armed, &memory, owner, None).await;
        self.tell(&report.finished());
        report
    }

    /// One whole run that deletes nothing beyond a sealed plan.
    pub async fn apply(
        self,
        sealed: Sealed<'_>,
        armed: Option<Armed>,
        memory: Memorable<'_>,
    ) -> RunReport {
        self.go(armed, memory, Some(sealed)).await
    }

    async fn go(
        self,
        armed: Option<Armed>,
        memory: Memorable<'_>,
        sealed: Option<Sealed<'_>>,
    ) -> RunReport {
        self.tell(&Event::RunStarted { dry_run: armed.is_none() });
        let names = [self.account.name.clone()];
        let report = match memory.state.own(&names, self.around.clock.now()).await {
            Err(error) => self.report(error.into(), &memory),
            Ok(owner) => {
                let report = self.own(armed, &memory, &owner, sealed).await;
                owner.release().await;
                report
            }
        };
        self.tell(&report.finished());
        report
    }

    fn report(&self, ending: Ending, memory: &Memorable<'_>) -> RunReport {
        RunReport {
            account: self.account.name.clone(),
            run_id: self.around.scope.run_id,
            requests: self.reader.requests(),
            duration: self.around.clock.monotonic().duration_since(self.began),
            ending,
            is_kept: memory.state.is_durable(),
            signal: Some(memory.stopped_by.load(Ordering::SeqCst)).filter(|number| *number != 0),
            unrecorded: None,
        }
    }

    /// The run itself, as the account's only owner; also its end is written down as such.
    async fn own(
        &self,
        armed: Option<Armed>,
        memory: &Memorable<'_>,
        owner: &Ownership,
        sealed: Option<Sealed<'_>>,
    ) -> RunReport {
        let (Ok(ending) | Err(ending)) = self.run(armed, memory, owner, sealed).await;
        let mut report = self.report(ending, memory);
        let began = !matches!(report.ending, Ending::Locked(_) | Ending::NoState(_));
        if began && let Err(problem) = self.end(&report, memory).await {
            report.unrecorded = Some(problem);
        }
        report
    }

    /// Recalls, lists, settles what is open, plans, remembers, acts.
    async fn run(
        &self,
        armed: Option<Armed>,
        memory: &Memorable<'_>,
        owner: &Ownership,
        sealed: Option<Sealed<'_>>,
    ) -> Result<Ending, Ending> {
        let (state, account) = (memory.state, &self.account.name);
        let began = self.around.clock.now();
        let journal = Journal { state, owner, account, run_id: self.around.scope.run_id };
        state.begin_run(&self.beginning(armed.as_ref(), memory.config_hash)).await?;
        if let Some(sealed) = sealed {
            apply::check(sealed.plan, account, &self.origin(), began)?;
        }
        self.restore_window(state).await?;
        let rules = &self.account.rule_hashes;
        let mut recalled = recall(state, account, rules, began, Sight::Counts).await?;
        for rule in &recalled.exposed_by {
            self.tell(&Event::ProtectionGone { rule: rule.clone() });
        }
        self.tell_ending_holds(state).await?;
        let (listed, noted) =
            self.noting(state, Box::pin(inventory::list(&self.reader, &self.around))).await;
        noted?;
        let inventory = listed.map_err(Ending::Incomplete)?;
        let in_doubt = self.settle(journal, &inventory, &mut recalled).await?;
        // Not before there is a plan that it could let pass.
        if armed.is_some() {
            recalled.approved = self.approved(state).await?;
        }
        recalled.sealed = sealed.map(|sealed| sealed.plan.stamps());
        let decided = self.decide(inventory, &recalled);
        if let Some(Sealed { plan, seal }) = sealed {
            let now = plan_of(&decided.admission);
            apply::check_listed(plan, now, &self.origin(), memory.config_hash)?;
            // A plan that a guard stops, or that is only looked at, is not spent.
            let acts = armed.is_some() && decided.admission.is_ok();
            if acts && !state.spend_seal(account, seal, began).await? {
                return Err(Refusal::Replayed.into());
            }
        }
        if past::is_believed(&decided.admission) {
            settle::give_up(journal, &self.around, &in_doubt).await?;
        }
        past::remember(memory, &decided.admission, &decided.selected).await?;
        self.act(decided.admission, armed, journal).await
    }

    /// Settles what a killed run left open; the intents that stay open, since this may be another
    /// account. What turns out to be deleted is no shrinkage.
    async fn settle(
        &self,
        journal: Journal<'_>,
        inventory: &Inventory,
        recalled: &mut Recalled,
    ) -> Result<Vec<Entry>, Ending> {
        let (origin, last) = (self.origin().to_string(), recalled.last.as_ref());
        let shown = Shown { origin: &origin, listed: inventory, last };
        let settling = settle::settle(journal, &self.reader, &self.around, shown).await?;
        recalled.forget(&settling.deleted);
        Ok(settling.in_doubt)
    }

    /// Which account of the vendor this is, as sealed plans say it.
    pub fn origin(&self) -> Origin {
        Origin {
            product: self.account.api.product.to_string(),
            base_url: self.account.api.base_url.to_string(),
            key: self.reader.fingerprint().to_owned(),
        }
    }

    fn beginning(&self, armed: Option<&Armed>, config_hash: &str) -> RunBegin {
        RunBegin {
            run_id: self.around.scope.run_id,
            account: self.account.name.clone(),
            began: self.around.clock.now(),
            dry_run: armed.is_none(),
            config_hash: config_hash.to_owned(),
            origin: self.origin().to_string(),
        }
    }

    /// Takes over the list calls that other processes made, before this one or beside it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn restore_window(&self, state: &State) -> Result<(), StateError> {
        let since = self.around.clock.now() - WINDOW;
        let calls = state.list_calls(self.reader.fingerprint(), since).await?;
        self.around.lists.remember(&calls, &*self.around.clock);
        Ok(())
    }

    /// Writes down the list calls that are not yet, for those after it, and takes over those of others.
    async fn save_window(&self, state: &State) -> Result<(), StateError> {
        let calls = self.around.lists.to_note(&*self.around.clock);
        if calls.is_empty() || !state.is_durable() {
            return Ok(());
        }
        let since = self.around.clock.now() - WINDOW;
        state.add_list_calls(self.reader.fingerprint(), &calls, since).await?;
        self.restore_window(state).await
    }

    /// Does something that lists, and writes each list call down while it is under way: a run that is
    /// killed, and those beside it, leave none uncounted. Also says why that could not be done.
    async fn noting<T>(
        &self,
        state: &State,
        work: impl Future<Output = T>,
    ) -> (T, Result<(), StateError>) {
        let done = CancellationToken::new();
        let notes = async {
            let mut goes_on = true;
            while goes_on {
                goes_on = tokio::select! {
                    biased;
                    () = self.around.lists.called() => true,
                    () = done.cancelled() => false,
                };
                self.save_window(state).await?;
            }
            Ok(())
        };
        let work = async {
            let made = work.await;
            done.cancel();
            made
        };
        // Neither is dropped half-way: a sweep must not be, and a note is a transaction.
        tokio::join!(work, notes)
    }

    /// Lists the account, as somebody who only looks; `notes` is where list calls are written down, as
    /// far as that can be done.
    ///
    /// # Errors
    /// When the listing cannot be proven complete.
    pub async fn list(&self, notes: Option<&State>) -> Result<Inventory, IncompleteInventory> {
        let listing = Box::pin(inventory::list(&self.reader, &self.around));
        let Some(notes) = notes else { return listing.await };
        let (listed, _best_effort) = self.noting(notes, listing).await;
        listed
    }

    async fn tell_ending_holds(&self, state: &State) -> Result<(), StateError> {
        let now = self.around.clock.now();
        for hold in state.announce_holds(&self.account.name, now).await? {
            let why = escaped(&hold.why);
            self.tell(&Event::HoldExpires { batch: hold.batch, until: hold.until, why });
        }
        Ok(())
    }

    /// What a person approved; spent from now on.
    async fn approved(&self, state: &State) -> Result<Option<crate::plan::Stamps>, StateError> {
        let (run_id, now) = (self.around.scope.run_id, self.around.clock.now());
        let approved = past::approved(state, &self.account.name, run_id, now).await?;
        Ok(approved.map(|(stamps, of_run, by)| {
            self.tell(&Event::GuardApproved { of_run, by: escaped(&by) });
            stamps
        }))
    }

    async fn act(
        &self,
        admission: Admission,
        armed: Option<Armed>,
        journal: Journal<'_>,
    ) -> Result<Ending, Ending> {
        self.tell_guards(&admission);
        let Some(armed) = armed else {
            self.tell_dry(&admission);
            return Ok(Ending::Dry(admission));
        };
        let admitted = match admission {
            Err(tripped) => {
                let guards = tripped.readings().iter().filter(|reading| reading.tripped);
                let guards = guards.map(|reading| reading.guard.to_owned()).collect();
                past::stay_open(journal.state, tripped.plan(), guards).await?;
                return Ok(Ending::Guarded(tripped));
            }
            Ok(admitted) => admitted,
        };
        journal.state.close_guard(&self.account.name).await?;
        let (reader, around, settings) = (&self.reader, &self.around, &self.account.sweep);
        let sweep = Box::pin(sweep::run(admitted.arm(armed), reader, around, settings, journal));
        // A state that cannot be written is found out by the sweep's own journal.
        let (report, _best_effort) = self.noting(journal.state, sweep).await;
        Ok(Ending::Swept(Box::new(report)))
    }

    /// Writes down how the run ended, and forgets what is older than the file says.
    async fn end(&self, report: &RunReport, memory: &Memorable<'_>) -> Result<(), StateError> {
        let is_broken = matches!(&report.ending, Ending::Swept(swept) if matches!(swept.ended, Ended::StateFailed(_)));
        if is_broken {
            // A disk that failed once is not asked again.
            return Ok(());
        }
        let now = self.around.clock.now();
        memory.state.end_run(&report.end(now)).await?;
        memory.state.prune(now, memory.keep_history).await.map(drop)
    }

    fn tell_guards(&self, admission: &Admission) {
        for reading in readings(admission).iter().filter(|reading| reading.tripped) {
            self.tell(&Event::GuardTripped {
                guard: reading.guard,
                limit: reading.limit.clone(),
                value: reading.value.clone(),
                detail: reading.detail.clone(),
            });
        }
    }

    /// In a dry run the plan's deletions are told, unless a guard would stop them.
    fn tell_dry(&self, admission: &Admission) {
        let Ok(admitted) = admission else { return };
        for (batch, verdict) in admitted.plan().deletions() {
            let Some(rule) = verdict.selected_by().first() else { continue };
            let batch =
                Subject { id: batch.id.clone(), name: batch.shown_name(), rule: rule.clone() };
            self.tell(&Event::BatchWouldDelete { batch });
        }
    }

    fn tell(&self, event: &Event) {
        self.around.observer.observe(&self.around.scope, event);
    }

    /// The half that reads.
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What the run works with.
    pub const fn around(&self) -> &Surroundings {
        &self.around
    }
}

/// The plan of an admission, stopped or not.
pub fn plan_of(admission: &Admission) -> &Plan {
    match admission {
        Ok(admitted) => admitted.plan(),
        Err(tripped) => tripped.plan(),
    }
}

/// The guards' readings of an admission, stopped or not.
pub fn readings(admission: &Admission) -> &[Reading] {
    match admission {
        Ok(admitted) => admitted.readings(),
        Err(tripped) => tripped.readings(),
    }
}
