//! A run of one account: listing, plan, second opinion, guards, sweep.
//!
//! Each line of [`Runner::plan`] and [`Runner::once`] is one stage and one event. Not here: which accounts run and
//! when (`cli`, later the daemon), what is shown of it (`cli::output`).
//! Invariant: without an [`Armed`] there is nothing to delete with; a dry run is its absence.

pub mod report;

use std::collections::BTreeSet;

use crate::api::client::{ApiKey, KeySource, Reader, Surroundings};
use crate::api::error::Error;
use crate::audit;
use crate::audit::patience::Past;
use crate::batch::BatchId;
use crate::config::Account;
use crate::guards::{self, AdmittedPlan, Evidence, Reading, SinceLast, Tripped};
use crate::inventory::{self, IncompleteInventory, Inventory};
use crate::observe::event::{Event, Subject};
use crate::plan::Plan;
use crate::policy::Memory;
use crate::run::report::{Ending, RunReport};
use crate::sweep;
use crate::warrant::Armed;

/// One account, ready to be read from.
#[derive(Debug)]
pub struct Runner<'a> {
    account: &'a Account,
    reader: Reader,
    around: Surroundings,
    began: tokio::time::Instant,
}

/// What earlier runs left behind, as far as planning needs it.
#[derive(Debug, Clone, Default)]
pub struct Recalled {
    /// What the policy is told.
    pub memory: Memory,
    /// The batches of the last complete listing that this program did not delete since.
    pub last: Option<BTreeSet<BatchId>>,
}

impl Recalled {
    /// The same as the second opinion takes it.
    fn past(&self) -> Past<'_> {
        Past {
            holds: self.memory.holds.iter().map(|(id, hold)| (id, hold.until)).collect(),
            selected_since: Some(&self.memory.selected_since),
            unchanged_since: Some(&self.memory.unchanged_since),
        }
    }

    /// What of the last listing is left in this one.
    fn since_last(&self, inventory: &Inventory) -> Option<SinceLast> {
        let last = self.last.as_ref()?;
        let listed: BTreeSet<_> = inventory.batches().iter().map(|batch| &batch.id).collect();
        let vanished = last.iter().filter(|id| !listed.contains(id)).count();
        Some(SinceLast { batches: last.len(), vanished })
    }
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
    /// delete.
    ///
    /// # Errors
    /// When the listing cannot be proven complete.
    pub async fn plan(&self, recalled: &Recalled) -> Result<Admission, IncompleteInventory> {
        let inventory = inventory::list(&self.reader, &self.around).await?;
        let now = self.around.clock.now();
        let decision = self.account.policy.decide(inventory.batches(), &recalled.memory, now);
        let since_last = recalled.since_last(&inventory);
        let scope = &self.around.scope;
        let plan =
            Plan::new(scope.account.clone(), scope.run_id, now, inventory, decision.verdicts);
        self.tell(&Event::PlanMade { counts: plan.counts() });
        let evidence = Evidence {
            keep_matches: decision.keep_matches,
            clock_skew: self.reader.clock_skew(),
            findings: audit::review(&plan, &self.account.audit_rules(recalled.past())),
            since_last,
        };
        Ok(guards::admit(plan, &evidence, &self.account.limits))
    }

    /// One whole run. With `armed` it deletes what the plan says and the guards admit.
    pub async fn once(self, armed: Option<Armed>) -> RunReport {
        self.tell(&Event::RunStarted { dry_run: armed.is_none() });
        let ending = match self.plan(&Recalled::default()).await {
            Err(cause) => Ending::Incomplete(cause),
            Ok(admission) => self.act(admission, armed).await,
        };
        let report = RunReport {
            account: self.account.name.clone(),
            run_id: self.around.scope.run_id,
            requests: self.reader.requests(),
            duration: self.around.clock.monotonic().duration_since(self.began),
            ending,
        };
        self.tell(&report.finished());
        report
    }

    async fn act(&self, admission: Admission, armed: Option<Armed>) -> Ending {
        self.tell_guards(&admission);
        let Some(armed) = armed else {
            self.tell_dry(&admission);
            return Ending::Dry(admission);
        };
        match admission {
            Err(tripped) => Ending::Guarded(tripped),
            Ok(admitted) => Ending::Swept(Box::new(
                sweep::run(admitted.arm(armed), &self.reader, &self.around, &self.account.sweep)
                    .await,
            )),
        }
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
