//! The sweep: carries an admitted plan out, one DELETE at a time, looking again before each.
//!
//! For each batch, oldest first: Get → [`recheck()`] → intent, on the disk → DELETE at most ten seconds
//! after the Get's answer → outcome. An answer that leaves doubt is settled by a Get before anything is sent again. At the
//! end busy batches are polled for a while, and one more listing proves what was deleted.
//! Not here: which batches may go (`policy`, `guards`); the sweep makes no choice but *still true?*.
//! Invariant: a DELETE leaves only for a batch that the last Get, at most [`FRESH`] old, showed idle
//! and unchanged, and whose intent is in the journal.

pub mod journal;
mod lookahead;
pub mod outcome;
pub mod recheck;
mod remove;
pub mod settle;

use std::collections::{BTreeSet, VecDeque};
use std::sync::OnceLock;
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
use crate::state::StateError;
use crate::sweep::journal::{Journal, Ledger};
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
    /// The journal cannot be written, or the account is not this process's any more.
    StateFailed(StateError),
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
    journal: Journal<'_>,
) -> Report {
    let ArmedPlan { plan, readings, warrant } = armed;
    let sweep = Sweep {
        todo: plan.deletions().collect(),
        deleter: Deleter::new(reader, warrant),
        reader,
        around,
        settings,
        journal,
        failed: OnceLock::new(),
    };
    let mut ledger = Ledger::new(journal);
    let (mut swept, ended) = sweep.pass(&mut ledger).await;
    let ended = sweep.wait_for_busy(&mut swept, ended, &mut ledger).await;
    let ended = sweep.close(&swept, ended, &mut ledger).await;
    let verified = sweep.verify(&mut swept, &ended).await;
    let ended = sweep.correct(&swept, ended, &ledger).await;
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
    journal: Journal<'a>,
    /// Why a batch whose intent was written could not go after all.
    failed: OnceLock<StateError>,
}

/// What a look makes of a batch that the plan deletes.
enum Judged {
    /// It may be deleted now.
    Ready(Instant),
    /// It has its outcome.
    Over(Outcome),
}

/// What comes next, in the plan's order.
enum Item {
    /// A batch that has its outcome without a DELETE.
    Over(Swept),
    /// A batch whose intent is written.
    Ready(Ready),
}

/// A batch that may be deleted, as of a look.
#[derive(Debug, Clone, Copy)]
struct Ready {
    position: usize,
    looked_at: Instant,
}

/// What has been done so far, in the plan's order.
#[derive(Default)]
struct Tally {
    swept: Vec<Swept>,
    failures: u32,
}

/// With so few batches ready, the next ones are prepared: their intents are written while the last of
/// these is deleted.
const REFILL: usize = 1;

impl<'a> Sweep<'a> {
    /// Gives each batch its turn. While a DELETE is in flight, the next batches are looked at, and the
    /// journal is written.
    async fn pass(&self, ledger: &mut Ledger<'_>) -> (Vec<Swept>, Ended) {
        let lookings = self.todo.iter().map(|(batch, _)| self.looking(batch));
        let mut ahead = Lookahead::new(lookings, self.settings.lookahead.max(1));
        let (mut tally, mut queue) = (Tally::default(), VecDeque::new());
        let ended = loop {
            if queue.is_empty() && tally.swept.len() >= self.todo.len() {
                break Ended::Whole;
            }
            if self.around.stop.is_cancelled() {
                break Ended::Stopped;
            }
            let step = match queue.pop_front() {
                None => self.refill(&mut ahead, &mut queue, tally.swept.len(), ledger).await,
                Some(Item::Over(one)) => {
                    self.tell(&one, Duration::ZERO);
                    self.count(one, &mut tally, ledger)
                }
                Some(Item::Ready(ready)) => {
                    let beside = self.remove_beside(ready, &mut ahead, &mut queue, ledger);
                    let (one, failed) = beside.await;
                    self.count(one, &mut tally, ledger).or(failed)
                }
            };
            if let Some(ended) = step {
                break ended;
            }
        };
        self.leave(&queue, ledger);
        let rest = tally.swept.len()..self.todo.len();
        tally.swept.extend(rest.map(not_reached));
        (tally.swept, ended)
    }

    /// Prepares the next batches; why the sweep ends, if the journal fails.
    async fn refill(
        &self,
        ahead: &mut Lookahead<'_>,
        queue: &mut VecDeque<Item>,
        from: usize,
        ledger: &mut Ledger<'_>,
    ) -> Option<Ended> {
        ahead.reserve(queue.len());
        match self.prepare(ahead, from, ledger).await {
            Ok(items) => {
                queue.extend(items);
                None
            }
            Err(failed) => Some(Ended::StateFailed(failed)),
        }
    }

    /// Counts an outcome; why the sweep ends, if it does.
    fn count(&self, one: Swept, tally: &mut Tally, ledger: &mut Ledger<'_>) -> Option<Ended> {
        tally.failures = if one.outcome.is_failure() { tally.failures + 1 } else { 0 };
        let ended = self.goes_on(&one.outcome, tally.failures);
        self.note(&one, ledger);
        tally.swept.push(one);
        ended
    }

    /// Takes note of an outcome in the journal. One of a busy batch is not final yet.
    fn note(&self, one: &Swept, ledger: &mut Ledger<'_>) {
        let is_final = !matches!(one.outcome, Outcome::Busy(_));
        if let Some((batch, _)) = self.todo.get(one.position).filter(|_| is_final) {
            ledger.settle(batch, one, self.around.clock.now());
        }
    }

    /// Leaves batches whose intents are written and whose turn does not come.
    fn leave(&self, queue: &VecDeque<Item>, ledger: &mut Ledger<'_>) {
        for item in queue {
            if let Item::Ready(ready) = item {
                self.note(&not_reached(ready.position), ledger);
            }
        }
    }

    /// Goes through the looks, in order, up to one whose batch may be deleted, and then through those
    /// that are answered already; writes the intents of all that may be deleted at once. Ends early at a
    /// failure.
    async fn prepare(
        &self,
        ahead: &mut Lookahead<'_>,
        from: usize,
        ledger: &mut Ledger<'_>,
    ) -> Result<VecDeque<Item>, StateError> {
        let mut items = VecDeque::new();
        let mut any_ready = false;
        while !self.around.stop.is_cancelled() {
            let look = if any_ready { ahead.answered() } else { ahead.next().await };
            let Some(look) = look else { break };
            let position = from + items.len();
            let Some((batch, _)) = self.todo.get(position) else { break };
            let item = match judge(batch, look) {
                Judged::Ready(looked_at) => Item::Ready(Ready { position, looked_at }),
                Judged::Over(outcome) => Item::Over(unsent(position, unless_stopped(outcome))),
            };
            any_ready |= matches!(item, Item::Ready(_));
            let is_failure = matches!(&item, Item::Over(one) if one.outcome.is_failure());
            items.push_back(item);
            if is_failure {
                break;
            }
        }
        if any_ready {
            self.intend_all(&mut items, ahead, ledger).await?;
        }
        Ok(items)
    }

    /// Writes the intents of batches that may be deleted. Looks go on meanwhile. One that somebody
    /// holds is over.
    async fn intend_all(
        &self,
        items: &mut VecDeque<Item>,
        ahead: &mut Lookahead<'_>,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), StateError> {
        let ready = items.iter().filter_map(|item| match item {
            Item::Ready(ready) => Some(ready.position),
            Item::Over(_) => None,
        });
        let positions: Vec<_> = ready.collect();
        let held = {
            let intending = self.intend(&positions, ledger);
            tokio::pin!(intending);
            loop {
                tokio::select! {
                    biased;
                    held = &mut intending => break held?,
                    () = ahead.advance() => {}
                }
            }
        };
        for item in items {
            if let Item::Ready(ready) = item
                && held.contains(&ready.position)
            {
                *item = Item::Over(unsent(ready.position, Outcome::Held));
            }
        }
        Ok(())
    }

    /// Writes that these batches are about to be deleted; which of them somebody holds.
    async fn intend(
        &self,
        positions: &[usize],
        ledger: &mut Ledger<'_>,
    ) -> Result<BTreeSet<usize>, StateError> {
        let meant = positions.iter().filter_map(|position| {
            let (batch, verdict) = self.todo.get(*position)?;
            Some((*batch, verdict.selected_by().first()?))
        });
        let meant: Vec<_> = meant.collect();
        let held = ledger.intend(&meant, self.around.clock.now()).await?;
        let is_held = |position: &&usize| {
            // A batch that nothing selects cannot be here; if it is, it stays.
            self.todo.get(**position).is_none_or(|(batch, verdict)| {
                held.contains(&batch.id) || verdict.selected_by().is_empty()
            })
        };
        Ok(positions.iter().filter(is_held).copied().collect())
    }

    /// Deletes a batch, and meanwhile prepares the ones after it, where few are ready. What became of
    /// the batch, and why the sweep ends, if the journal fails.
    async fn remove_beside(
        &self,
        ready: Ready,
        ahead: &mut Lookahead<'_>,
        queue: &mut VecDeque<Item>,
        ledger: &mut Ledger<'_>,
    ) -> (Swept, Option<Ended>) {
        let from = ready.position + 1 + queue.len();
        let removing = self.remove_ready(ready);
        tokio::pin!(removing);
        let mut failed = None;
        if queue.len() <= REFILL && from < self.todo.len() {
            let refilling = self.refill(ahead, queue, from, ledger);
            tokio::pin!(refilling);
            tokio::select! {
                biased;
                one = &mut removing => return (one, refilling.await),
                ended = &mut refilling => failed = ended,
            }
        }
        ahead.reserve(queue.len());
        loop {
            tokio::select! {
                biased;
                one = &mut removing => return (one, failed),
                () = ahead.advance() => {}
            }
        }
    }

    /// Deletes a batch whose intent is written. Tells what became of it.
    async fn remove_ready(&self, Ready { position, looked_at }: Ready) -> Swept {
        let began = self.around.clock.monotonic();
        let Some((batch, verdict)) = self.todo.get(position) else { return not_reached(position) };
        let mut one = self.remove(position, batch, undelivered(verdict), looked_at).await;
        if one.attempts == 0 {
            one.outcome = unless_stopped(one.outcome);
        }
        self.tell(&one, self.around.clock.monotonic().duration_since(began));
        one
    }

    /// Writes the outcomes that are left; the sweep ends badly where they cannot be written.
    async fn close(&self, swept: &[Swept], ended: Ended, ledger: &mut Ledger<'_>) -> Ended {
        for one in swept {
            if let Some((batch, _)) = self.todo.get(one.position) {
                ledger.settle(batch, one, self.around.clock.now());
            }
        }
        if matches!(ended, Ended::StateFailed(_)) {
            // A disk that failed once is not asked again: the next start settles what is open.
            return ended;
        }
        ledger.write().await.map_or_else(Ended::StateFailed, |()| ended)
    }

    /// Corrects in the journal what the last listing disproved.
    async fn correct(&self, swept: &[Swept], ended: Ended, ledger: &Ledger<'_>) -> Ended {
        let listed = |one: &&Swept| one.outcome == Outcome::still_listed();
        let disproved = swept.iter().filter(listed).filter_map(|one| self.todo.get(one.position));
        let disproved: BTreeSet<_> = disproved.map(|(batch, _)| batch.id.clone()).collect();
        if disproved.is_empty() || matches!(ended, Ended::StateFailed(_)) {
            return ended;
        }
        let corrected = ledger.disprove(&disproved, self.around.clock.now()).await;
        corrected.map_or_else(Ended::StateFailed, |()| ended)
    }

    /// Whether the sweep ends after this outcome, and why.
    fn goes_on(&self, outcome: &Outcome, failures: u32) -> Option<Ended> {
        if let Some(failed) = self.failed.get() {
            return Some(Ended::StateFailed(failed.clone()));
        }
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
    async fn wait_for_busy(
        &self,
        swept: &mut [Swept],
        ended: Ended,
        ledger: &mut Ledger<'_>,
    ) -> Ended {
        let is_busy = |one: &Swept| matches!(one.outcome, Outcome::Busy(_));
        let deadline = self.around.clock.monotonic() + self.settings.busy_wait;
        let (mut wait, longest) = POLL;
        let mut ended = ended;
        let batches = swept.iter().filter(|one| is_busy(one)).count();
        if ended == Ended::Whole && batches > 0 && wait <= self.settings.busy_wait {
            let wait = self.settings.busy_wait;
            let event = Event::BusyWaiting { batches, wait };
            self.around.observer.observe(&self.around.scope, &event);
        }
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
                ended = self.poll_busy(one, ended, ledger).await;
            }
            wait = (wait * 2).min(longest);
        }
        ended
    }

    /// Looks at one busy batch again; deletes it if it rests, unchanged.
    async fn poll_busy(&self, one: &mut Swept, ended: Ended, ledger: &mut Ledger<'_>) -> Ended {
        let Some((batch, _)) = self.todo.get(one.position) else { return ended };
        if ended != Ended::Whole {
            return ended;
        }
        if self.around.stop.is_cancelled() {
            return Ended::Stopped;
        }
        let position = one.position;
        let again = match judge(batch, self.look(batch).await) {
            Judged::Over(outcome) => {
                let again = unsent(position, unless_stopped(outcome));
                self.tell(&again, Duration::ZERO);
                again
            }
            Judged::Ready(looked_at) => match self.intend(&[position], ledger).await {
                Err(failed) => return Ended::StateFailed(failed),
                Ok(held) if held.is_empty() => {
                    self.remove_ready(Ready { position, looked_at }).await
                }
                Ok(_held) => {
                    let held = unsent(position, Outcome::Held);
                    self.tell(&held, Duration::ZERO);
                    held
                }
            },
        };
        if again.outcome == Outcome::NotReached {
            return self.goes_on(&again.outcome, 0).unwrap_or(Ended::Stopped);
        }
        *one = Swept { attempts: one.attempts + again.attempts, ..again };
        self.note(one, ledger);
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
        if matches!(ended, Ended::Hopeless(_) | Ended::Stopped | Ended::StateFailed(_)) {
            return Some(false);
        }
        let Ok(left) = inventory::still_listed(self.reader, self.around, &deleted).await else {
            return Some(false);
        };
        for one in swept.iter_mut() {
            let listed =
                self.todo.get(one.position).is_some_and(|(batch, _)| left.contains(&batch.id));
            if listed && matches!(one.outcome, Outcome::Deleted(_)) {
                one.outcome = Outcome::still_listed();
            }
        }
        Some(left.is_empty())
    }

    /// Tells what became of a batch, except where that may still change: a busy one is told when
    /// the wait for it is over.
    fn tell(&self, one: &Swept, duration: Duration) {
        if !matches!(one.outcome, Outcome::Busy(_)) {
            self.observe(one, duration);
        }
    }

    /// Tells what only the end of the sweep decides: who stayed busy, who was listed again.
    fn tell_late(&self, one: &Swept) {
        if matches!(one.outcome, Outcome::Busy(_) | Outcome::Failed(Failure::StillListed)) {
            self.observe(one, Duration::ZERO);
        }
    }

    fn observe(&self, one: &Swept, duration: Duration) {
        let Some(batch) = self.subject(one.position) else { return };
        let (detail, attempt) = (|| one.outcome.detail(), one.attempts);
        let event = match &one.outcome {
            Outcome::NotReached => return,
            Outcome::Deleted(_) => Event::BatchDeleted { batch, attempt, duration },
            Outcome::Failed(_) | Outcome::Refused { .. } => {
                Event::BatchFailed { batch, detail: detail(), attempt }
            }
            Outcome::Busy(_)
            | Outcome::Changed(_)
            | Outcome::Gone
            | Outcome::Held
            | Outcome::Undelivered { .. } => {
                Event::BatchSkipped { batch, outcome: one.outcome.name(), detail: detail() }
            }
        };
        self.around.observer.observe(&self.around.scope, &event);
    }

    fn subject(&self, position: usize) -> Option<Subject> {
        let (batch, verdict) = self.todo.get(position)?;
        let rule = verdict.selected_by().first()?.clone();
        Some(Subject { id: batch.id.clone(), name: batch.shown_name(), rule })
    }
}

/// A batch whose turn did not come.
const fn not_reached(position: usize) -> Swept {
    unsent(position, Outcome::NotReached)
}

/// A batch that has its outcome without a DELETE.
const fn unsent(position: usize, outcome: Outcome) -> Swept {
    Swept { position, outcome, attempts: 0 }
}

/// A stop while waiting leaves a batch for the next run; that is no failure of its own.
fn unless_stopped(outcome: Outcome) -> Outcome {
    if let Outcome::Failed(Failure::Look(error)) = &outcome
        && *error.kind() == Kind::Stopped
    {
        return Outcome::NotReached;
    }
    outcome
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
