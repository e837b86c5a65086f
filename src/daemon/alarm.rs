//! The alarm: rings at an instant of the wall clock, for one account each.
//!
//! tokio-cron-scheduler is only that. Left to itself it drifts an hour where clocks change, starts a run
//! beside the one before, and loses a job whose closure panicked; so it is given nothing but one-shot jobs
//! whose closure sends a message, and every next instant is reckoned by `schedule`. An alarm may ring early
//! or not at all: whoever hears it looks at the clock, and the supervisor looks at it besides.
//! It would also look at the clock twice a second for ever; so it is parked, by the lock of its own store,
//! until an alarm is near.
//! Not here: what an alarm means (`agenda`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, TryFutureExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_cron_scheduler::{Job, JobScheduler};
use uuid::Uuid;

use crate::batch::AccountName;
use crate::clock::{Clock, Timestamp};

/// The alarms of all accounts: one each.
pub(super) struct Alarms {
    how: How,
    ring: mpsc::Sender<AccountName>,
    set: BTreeMap<AccountName, Set>,
}

enum How {
    /// The machine's wall clock.
    Scheduler(Machine),
    /// A clock that tests move; the scheduler knows no other than the machine's.
    Sleeping { clock: Arc<dyn Clock>, sleepers: JoinSet<()> },
}

struct Machine {
    scheduler: JobScheduler,
    clock: Arc<dyn Clock>,
    /// The task that holds the store's lock, if one does.
    parked: JoinSet<()>,
}

enum Set {
    Job { id: Uuid, at: Timestamp },
    Sleeper(tokio::task::AbortHandle),
}

/// Messages between the scheduler's own tasks: its default of 200 loses some where many are due at once.
const CHANNEL: usize = 4096;

/// The scheduler is awake for so long before an alarm: it looks twice a second, and rings up to half a
/// second late.
const NEAR: Duration = Duration::from_secs(2);

/// A parked scheduler is woken by the wall clock, which may leap: it is looked at this often.
const LOOK: Duration = Duration::from_secs(30);

/// The scheduler's tasks answer at once, or they hang; the supervisor must not hang with them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why no alarm could be set. The supervisor's own looks at the clock go on.
#[derive(Debug, thiserror::Error)]
#[error("the alarm cannot be set: {0}")]
pub(super) struct Broken(String);

impl Alarms {
    /// No alarm yet. `ring` gets the account's name whenever one rings.
    pub(super) async fn new(
        clock: &Arc<dyn Clock>,
        ring: mpsc::Sender<AccountName>,
    ) -> Result<Self, Broken> {
        let how = if clock.may_be_paused() {
            How::Sleeping { clock: Arc::clone(clock), sleepers: JoinSet::new() }
        } else {
            let (clock, parked) = (Arc::clone(clock), JoinSet::new());
            How::Scheduler(Machine { scheduler: scheduler().await?, clock, parked })
        };
        Ok(Self { how, ring, set: BTreeMap::new() })
    }

    /// Sets an account's alarm, in place of the one before; `None` takes it away.
    pub(super) async fn set(
        &mut self,
        account: &AccountName,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Broken> {
        self.clear(account).await;
        let Some(at) = at else {
            self.park().await;
            return Ok(());
        };
        let ring = self.ring.clone();
        let (name, of) = (account.clone(), account.clone());
        // A full channel means that enough is rung for.
        let ring = move || drop(ring.try_send(of.clone()));
        let set = match &mut self.how {
            How::Scheduler(machine) => {
                // The scheduler knows whole seconds only, and cuts both ends of the wait.
                let seconds = (at.timestamp() - now.timestamp()).max(0).unsigned_abs();
                let id = patiently(add(&machine.scheduler, seconds, ring)).await?;
                Set::Job { id, at }
            }
            How::Sleeping { clock, sleepers } => {
                while sleepers.try_join_next().is_some() {}
                let until = sleep_until(Arc::clone(clock), at);
                Set::Sleeper(sleepers.spawn_local(until.map(move |()| ring())))
            }
        };
        self.set.insert(name, set);
        self.park().await;
        Ok(())
    }

    /// Lets the scheduler sleep until the soonest alarm is near.
    async fn park(&mut self) {
        let How::Scheduler(machine) = &mut self.how else { return };
        let at = |set: &Set| match set {
            Set::Job { at, .. } => Some(*at),
            Set::Sleeper(_) => None,
        };
        machine.park(self.set.values().filter_map(at).min()).await;
    }

    /// Takes an account's alarm away.
    pub(super) async fn clear(&mut self, account: &AccountName) {
        let set = self.set.remove(account);
        match (set, &mut self.how) {
            (Some(Set::Job { id, .. }), How::Scheduler(machine)) => {
                machine.wake().await;
                let removed = machine.scheduler.remove(&id).map_err(|error| said(&error));
                // Where it has rung and is gone, there is nothing to remove.
                drop(patiently(removed).await);
            }
            (None, How::Scheduler(machine)) => machine.wake().await,
            (Some(Set::Sleeper(sleeper)), _) => sleeper.abort(),
            (Some(Set::Job { .. }) | None, How::Sleeping { .. }) => {}
        }
    }

    /// Ends all of them.
    pub(super) async fn end(mut self) {
        if let How::Scheduler(machine) = &mut self.how {
            machine.wake().await;
            let ended = machine.scheduler.shutdown().map_err(|error| said(&error));
            drop(patiently(ended).await);
        }
    }
}

impl Machine {
    /// Lets the scheduler look at the clock, and take orders.
    async fn wake(&mut self) {
        self.parked.shutdown().await;
    }

    /// Holds the scheduler up until an alarm is near; for good where there is none.
    async fn park(&mut self, soonest: Option<Timestamp>) {
        self.wake().await;
        let store = Arc::clone(&self.scheduler.context.metadata_storage);
        let Ok(lock) = tokio::time::timeout(PATIENCE, store.write_owned()).await else { return };
        let clock = Arc::clone(&self.clock);
        let hold = async move {
            while let Some(wait) = far(soonest, clock.now()) {
                tokio::time::sleep(wait.min(LOOK)).await;
            }
            drop(lock);
        };
        self.parked.spawn_local(hold);
    }
}

/// How long until an alarm is near; `None` where it is.
fn far(soonest: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let Some(at) = soonest else { return Some(LOOK) };
    let left = (at - now).to_std().unwrap_or_default();
    left.checked_sub(NEAR).filter(|far| !far.is_zero())
}

async fn sleep_until(clock: Arc<dyn Clock>, at: Timestamp) {
    while let Ok(left) = (at - clock.now()).to_std()
        && !left.is_zero()
    {
        tokio::time::sleep(left).await;
    }
}

async fn scheduler() -> Result<JobScheduler, Broken> {
    patiently(async {
        let scheduler =
            JobScheduler::new_with_channel_size(CHANNEL).await.map_err(|error| said(&error))?;
        scheduler.start().await.map_err(|error| said(&error))?;
        Ok(scheduler)
    })
    .await
}

async fn add(
    scheduler: &JobScheduler,
    seconds: u64,
    mut ring: impl FnMut() + Send + Sync + 'static,
) -> Result<Uuid, Broken> {
    let wait = Duration::from_secs(seconds);
    let job = Job::new_one_shot_async(wait, move |_, _| {
        ring();
        Box::pin(async {})
    });
    let job = job.map_err(|error| said(&error))?;
    scheduler.add(job).await.map_err(|error| said(&error))
}

async fn patiently<T>(work: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    let limit = || Broken(format!("it did not answer within {} seconds", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_elapsed| Err(limit()))
}

fn said(error: &tokio_cron_scheduler::JobSchedulerError) -> Broken {
    Broken(error.to_string())
}
