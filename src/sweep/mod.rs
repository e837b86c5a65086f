//! The sweep: carries an admitted plan out, one DELETE at a time, looking again before each.
//!
//! For each batch, oldest first: Get → [`recheck()`] → DELETE at most ten seconds after that answer →
//! outcome. An answer that leaves doubt is settled by a Get before anything is sent again. At the
//! end busy batches are polled for a while, and one more listing proves what was deleted.
//! Not here: which batches may go (`policy`, `guards`); the sweep makes no choice but *still true?*.
//! Invariant: a DELETE leaves only for a batch that the last Get, at most [`FRESH`] old, showed idle
//! and unchanged.

mod lookahead;
pub mod outcome;
pub mod recheck;
mod remove;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::client::{Deleter, Lookup, Reader, Surroundings};
use crate::api::error::{Error, Kind};
use crate::batch::{Batch, BatchId, Undelivered};
use crate::guards::{ArmedPlan, Limit, Reading};
use crate::inventory;
use crate::observe::event::{Event, Subject};
use crate::plan::Plan;
use crate::policy::verdict::Verdict;
use crate::sweep::lookahead::{Look, Lookahead};
use crate::sweep::outcome::{Failure, Outcome};

pub use recheck::recheck;

/// How old a look may be when its DELETE leaves. The race with a schedule or a colleague cannot be
/// closed (the API has no conditional delete); this keeps it short.
pub const FRESH: Duration = Duration::from_secs(10);

/// The first and the longest wait between two looks at a busy batch.
const POLL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// How a sweep goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long busy batches are polled at the end.
    pub busy_wait: Duration,
    /// Gets ahead of the DELETE in flight, at least 1.
    pub lookahead: usize,
    /// How many DELETEs one batch gets at most, at least 1.
    pub max_attempts: u32,
    /// Failures in a row that end the sweep.
    pub max_consecutive_failures: Limit,
}

/// One batch and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Which deletion of the plan it is, from 0.
    pub position: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// DELETEs sent for it.
    pub attempts: u32,
}

/// How a sweep ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every batch had its turn.
    Whole,
    /// The program was told to stop.
    Stopped,
    /// This many failures in a row.
    TooManyFailures(u32),
    /// No further call makes sense.
    Hopeless(Error),
}

/// What a sweep did.
#[derive(Debug)]
pub struct Report {
    /// The plan that was carried out.
    pub plan: Plan,
    /// What the guards saw.
    pub readings: Vec<Reading>,
    /// Each deletion of the plan, in its order.
    pub swept: Vec<Swept>,
    /// How it ended.
    pub ended: Ended,
    /// Whether a last listing proved the deletions; `None` where there were none.
    pub verified: Option<bool>,
}

/// Carries a plan out.
///
/// Must not be dropped half-way; it ends soon after `around.stop` is cancelled, once the call in
/// flight is answered.
pub async fn run(
    armed: ArmedPlan,
    reader: &Reader,
    around: &Surroundings,
    settings: &Settings,
) -> Report {
    let ArmedPlan { plan, readings, warrant } = armed;
    let sweep = Sweep {
        todo: plan.deletions().collect(),
        deleter: Deleter::new(reader, warrant),
        reader,
        around,
        settings,
    };
    let (mut swept, ended) = sweep.pass().await;
    let ended = sweep.wait_for_busy(&mut swept, ended).await;
    let verified = sweep.verify(&mut swept, &ended).await;
    for one in &swept {
        sweep.tell_late(one);
    }
    Report { plan, readings, swept, ended, verified }
}

/// A sweep under way.
#[derive(Debug)]
struct Sweep<'a> {
    todo: Vec<(&'a Batch, &'a Verdict)>,
    deleter: Deleter<'a>,
    reader: &'a Reader,
    around: &'a Surroundings,
    settings: &'a Settings,
}

/// What a look makes of a batch that the plan deletes.
enum Judged {
    /// It may be deleted now.
    Ready(Instant),
    /// It has its outcome.
    Over(Outcome),
}

impl<'a> Sweep<'a> {
    /// Gives each batch its turn, looking ahead while a DELETE is in flight.
    async fn pass(&self) -> (Vec<Swept>, Ended) {
        let lookings = self.todo.iter().map(|(batch, _)| self.looking(batch));
        let mut ahead = Lookahead::new(lookings, self.settings.lookahead.max(1));
        let mut swept = Vec::with_capacity(self.todo.len());
        let mut failures = 0;
        let mut ended = Ended::Whole;
        while swept.len() < self.todo.len() {
            if self.around.stop.is_cancelled() {
                ended = Ended::Stopped;
                break;
            }
            let Some(look) = ahead.next().await else { break };
            let turn = self.take_turn(swept.len(), look);
            tokio::pin!(turn);
            let one = loop {
                tokio::select! { biased; one = &mut turn => break one, () = ahead.advance() => {} }
            };
            failures = if one.outcome.is_failure() { failures + 1 } else { 0 };
            let after = self.goes_on(&one.outcome, failures);
            swept.push(one);
            if let Some(reason) = after {
                ended = reason;
                break;
            }
        }
        let rest = swept.len()..self.todo.len();
        swept.extend(rest.map(|position| Swept {
            position,
            outcome: Outcome::NotReached,
            attempts: 0,
        }));
        (swept, ended)
    }

    /// Whether the sweep ends after this outcome, and why.
    fn goes_on(&self, outcome: &Outcome, failures: u32) -> Option<Ended> {
        if let Outcome::Failed(
            Failure::Look(error) | Failure::Delete(error) | Failure::Unknown { look: error, .. },
        ) = outcome
        {
            match error.kind() {
                Kind::KeyRefused(_) | Kind::PaymentRequired(_) => {
                    return Some(Ended::Hopeless(error.clone()));
                }
                Kind::Stopped => return Some(Ended::Stopped),
                Kind::Unreachable(_)
                | Kind::NotConnected(_)
                | Kind::TimedOut { .. }
                | Kind::WrongPath(_)
                | Kind::Throttled { .. }
                | Kind::Failing { .. }
                | Kind::Redirected { .. }
                | Kind::NotAnEnvelope { .. }
                | Kind::BrokenBody(_)
                | Kind::TooLarge
                | Kind::Refused { .. }
                | Kind::Unexpected(_)
                | Kind::WrongFamily { .. }
                | Kind::Setup(_) => {}
            }
        }
        match self.settings.max_consecutive_failures {
            Limit::At(limit) if failures > 0 && failures >= limit => {
                Some(Ended::TooManyFailures(failures))
            }
            Limit::At(_) | Limit::Off => None,
        }
    }

    /// Judges a look and, where the batch may go, removes it. Tells what became of it.
    async fn take_turn(&self, position: usize, look: Look) -> Swept {
        let began = self.around.clock.monotonic();
        let mut one = match self.todo.get(position) {
            Some((batch, verdict)) => match judge(batch, look) {
                Judged::Over(outcome) => Swept { position, outcome, attempts: 0 },
                Judged::Ready(at) => self.remove(position, batch, undelivered(verdict), at).await,
            },
            None => Swept { position, outcome: Outcome::NotReached, attempts: 0 },
        };
        // A stop while waiting leaves the batch for the next run; that is no failure of its own.
        if let Outcome::Failed(Failure::Look(error)) = &one.outcome
            && *error.kind() == Kind::Stopped
            && one.attempts == 0
        {
            one.outcome = Outcome::NotReached;
        }
        self.tell(&one, self.around.clock.monotonic().duration_since(began));
        one
    }

    /// A Get of this batch, not yet begun.
    fn looking(&self, batch: &'a Batch) -> lookahead::Looking<'_> {
        Box::pin(self.look(batch))
    }

    /// Looks at a batch now.
    async fn look(&self, batch: &Batch) -> Look {
        let found = self.reader.get(&batch.id).await;
        Look { found, at: self.around.clock.monotonic() }
    }

    /// Polls the batches found busy until they rest, `busy_wait` is over or the program is to stop.
    async fn wait_for_busy(&self, swept: &mut [Swept], ended: Ended) -> Ended {
        let is_busy = |one: &Swept| matches!(one.outcome, Outcome::Busy(_));
        let deadline = self.around.clock.monotonic() + self.settings.busy_wait;
        let (mut wait, longest) = POLL;
        let mut ended = ended;
        while ended == Ended::Whole && swept.iter().any(is_busy) {
            let now = self.around.clock.monotonic();
            if now + wait > deadline {
                break;
            }
            tokio::select! {
                () = self.around.stop.cancelled() => return Ended::Stopped,
                () = tokio::time::sleep(wait) => {}
            }
            for one in swept.iter_mut().filter(|one| is_busy(one)) {
                ended = self.poll_busy(one, ended).await;
            }
            wait = (wait * 2).min(longest);
        }
        ended
    }

    /// Looks at one busy batch again; deletes it if it rests, unchanged.
    async fn poll_busy(&self, one: &mut Swept, ended: Ended) -> Ended {
        let Some((batch, _)) = self.todo.get(one.position) else { return ended };
        if ended != Ended::Whole {
            return ended;
        }
        if self.around.stop.is_cancelled() {
            return Ended::Stopped;
        }
        let before = one.attempts;
        let look = self.look(batch).await;
        let again = self.take_turn(one.position, look).await;
        if again.outcome == Outcome::NotReached {
            return Ended::Stopped;
        }
        *one = Swept { attempts: before + again.attempts, ..again };
        self.goes_on(&one.outcome, 0).unwrap_or(ended)
    }

    /// Lists once more and holds the deletions against it; one that is still listed has failed.
    async fn verify(&self, swept: &mut [Swept], ended: &Ended) -> Option<bool> {
        let deleted: BTreeSet<BatchId> = swept
            .iter()
            .filter(|one| matches!(one.outcome, Outcome::Deleted(_)))
            .filter_map(|one| self.todo.get(one.position).map(|(batch, _)| batch.id.clone()))
            .collect();
        if deleted.is_empty() {
            return None;
        }
        if matches!(ended, Ended::Hopeless(_) | Ended::Stopped) {
            return Some(false);
        }
        let Ok(left) = inventory::still_listed(self.reader, self.around, &deleted).await else {
            return Some(false);
        };
        for one in swept.iter_mut() {
            let listed =
                self.todo.get(one.position).is_some_and(|(batch, _)| left.contains(&batch.id));
            if listed && matches!(one.outcome, Outcome::Deleted(_)) {
                one.outcome = Outcome::Failed(Failure::StillListed);
            }
        }
        Some(left.is_empty())
    }

    /// Tells what became of a batch, except where that may still change: a busy one is told when
    /// the wait for it is over.
    fn tell(&self, one: &Swept, duration: Duration) {
        let Some(batch) = self.subject(one.position) else { return };
        let event = match &one.outcome {
            Outcome::Busy(_) | Outcome::NotReached => return,
            Outcome::Deleted(_) => Event::BatchDeleted { batch, attempt: one.attempts, duration },
            Outcome::Failed(_) | Outcome::Refused { .. } => {
                Event::BatchFailed { batch, detail: one.outcome.detail(), attempt: one.attempts }
            }
            Outcome::Changed(_) | Outcome::Gone | Outcome::Undelivered { .. } => {
                Event::BatchSkipped {
                    batch,
                    outcome: one.outcome.name(),
                    detail: one.outcome.detail(),
                }
            }
        };
        self.around.observer.observe(&self.around.scope, &event);
    }

    /// Tells what only the end of the sweep decides: who stayed busy, who was listed again.
    fn tell_late(&self, one: &Swept) {
        let Some(batch) = self.subject(one.position) else { return };
        let detail = one.outcome.detail();
        let event = match &one.outcome {
            Outcome::Busy(_) => Event::BatchSkipped { batch, outcome: one.outcome.name(), detail },
            Outcome::Failed(Failure::StillListed) => {
                Event::BatchFailed { batch, detail, attempt: one.attempts }
            }
            Outcome::Deleted(_)
            | Outcome::Changed(_)
            | Outcome::Gone
            | Outcome::Undelivered { .. }
            | Outcome::Refused { .. }
            | Outcome::Failed(_)
            | Outcome::NotReached => return,
        };
        self.around.observer.observe(&self.around.scope, &event);
    }

    fn subject(&self, position: usize) -> Option<Subject> {
        let (batch, verdict) = self.todo.get(position)?;
        let rule = verdict.selected_by().first()?.clone();
        Some(Subject { id: batch.id.clone(), name: batch.shown_name(), rule })
    }
}

/// What a look means before anything was sent for this batch.
fn judge(planned: &Batch, look: Look) -> Judged {
    match look.found {
        Err(error) => Judged::Over(Outcome::Failed(Failure::Look(error))),
        Ok(Lookup::Missing) => Judged::Over(Outcome::Gone),
        Ok(Lookup::Found(now)) => match recheck(planned, &now) {
            recheck::Recheck::Ready => Judged::Ready(look.at),
            recheck::Recheck::Busy(status) => Judged::Over(Outcome::Busy(status)),
            recheck::Recheck::Changed(fields) => Judged::Over(Outcome::Changed(fields)),
        },
    }
}

/// Whether undelivered results stand in the way of this deletion.
fn undelivered(verdict: &Verdict) -> Undelivered {
    match verdict {
        Verdict::Delete { undelivered, .. } => *undelivered,
        Verdict::Wait { .. }
        | Verdict::Busy { .. }
        | Verdict::TooYoung { .. }
        | Verdict::Unknown { .. }
        | Verdict::Kept { .. }
        | Verdict::Held { .. }
        | Verdict::Unmatched => Undelivered::Respect,
    }
}
