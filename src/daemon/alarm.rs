//! The alarm: rings at an instant of the wall clock, for one account each.
//!
//! tokio-cron-scheduler is only that. Left to itself it drifts an hour where clocks change, starts a run
//! beside the one before, and loses a job whose closure panicked; so it is given nothing but one-shot jobs
//! whose closure sends a message, and every next instant is reckoned by `schedule`. An alarm may ring early
//! or not at all: whoever hears it looks at the clock, and the supervisor looks at it besides.
//! Not here: what an alarm means (`agenda`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
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
    Scheduler(JobScheduler),
    /// A clock that tests move; the scheduler knows no other than the machine's.
    Sleeping { clock: Arc<dyn Clock>, sleepers: JoinSet<()> },
}

enum Set {
    Job(Uuid),
    Sleeper(tokio::task::AbortHandle),
}

/// Messages between the scheduler's own tasks: its default of 200 loses some where many are due at once.
const CHANNEL: usize = 4096;

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
            How::Scheduler(scheduler().await?)
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
        let Some(at) = at else { return Ok(()) };
        let ring = self.ring.clone();
        let (name, of) = (account.clone(), account.clone());
        // A full channel means that enough is rung for.
        let ring = move || drop(ring.try_send(of.clone()));
        let set = match &mut self.how {
            How::Scheduler(scheduler) => {
                // The scheduler knows whole seconds only, and cuts both ends of the wait.
                let seconds = (at.timestamp() - now.timestamp()).max(0).unsigned_abs();
                Set::Job(patiently(add(scheduler, seconds, ring)).await?)
            }
            How::Sleeping { clock, sleepers } => {
                while sleepers.try_join_next().is_some() {}
                let until = sleep_until(Arc::clone(clock), at);
                Set::Sleeper(sleepers.spawn_local(until.map(move |()| ring())))
            }
        };
        self.set.insert(name, set);
        Ok(())
    }

    /// Takes an account's alarm away.
    pub(super) async fn clear(&mut self, account: &AccountName) {
        match (self.set.remove(account), &self.how) {
            // It has rung and is gone, or will ring for nothing.
            (Some(Set::Job(id)), How::Scheduler(scheduler)) => {
                drop(
                    patiently(async { scheduler.remove(&id).await.map_err(|error| said(&error)) })
                        .await,
                );
            }
            (Some(Set::Sleeper(sleeper)), _) => sleeper.abort(),
            (Some(Set::Job(_)) | None, _) => {}
        }
    }

    /// Ends all of them.
    pub(super) async fn end(mut self) {
        if let How::Scheduler(scheduler) = &mut self.how {
            drop(
                patiently(async { scheduler.shutdown().await.map_err(|error| said(&error)) }).await,
            );
        }
    }
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
