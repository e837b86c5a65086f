//! One batch from "may go" to its outcome: DELETE, and what to make of its answer.
//!
//! Not here: the first look (`sweep`), the listing that proves all deletions at the end.
//! Invariant: between two DELETEs of one batch lies a Get that showed it idle and unchanged.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::client::{DeleteAnswer, Lookup};
use crate::api::error::{Error, ServerText};
use crate::batch::{Batch, Undelivered};
use crate::sweep::journal::Leave;
use crate::sweep::outcome::{Failure, Outcome, Proof};
use crate::sweep::recheck::{Recheck, recheck};
use crate::sweep::{FRESH, Judged, Sweep, Swept, judge};

/// What follows from the answer to one DELETE.
enum After {
    /// The batch has its outcome.
    Over(Outcome),
    /// It is still there, idle and unchanged as of this instant: the DELETE may be sent again.
    Again(Instant),
}

/// The DELETEs of one batch so far.
#[derive(Debug, Clone, Copy)]
struct Tried {
    /// How many were sent.
    attempts: u32,
    /// Whether one of them may have taken effect.
    effect: Effect,
}

/// Whether a batch that is missing now may be missing because of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// No DELETE of ours can have taken effect.
    Impossible,
    /// One of them may have.
    Possible,
}

impl Tried {
    /// What it means that the batch is missing.
    const fn missing(self) -> Outcome {
        match self.effect {
            Effect::Impossible => Outcome::Gone,
            Effect::Possible => Outcome::Deleted(Proof::Absent),
        }
    }

    /// Adds a DELETE and its answer.
    fn and(self, answer: &DeleteAnswer) -> Self {
        let possible = match answer {
            DeleteAnswer::Confirmed => true,
            DeleteAnswer::Refused { .. } => false,
            DeleteAnswer::Unclear { error, .. } | DeleteAnswer::Hopeless(error) => {
                !error.kind().changed_nothing()
            }
        };
        let effect = if possible { Effect::Possible } else { self.effect };
        Self { attempts: self.attempts + 1, effect }
    }
}

/// Whether a DELETE without a clear answer may be sent again.
#[derive(Debug, Clone, Copy)]
enum Resend {
    /// It would bring the same.
    Never,
    /// After the wait that the server asked for.
    After(Duration),
    /// After a backoff.
    Soon,
}

impl Sweep<'_> {
    /// Deletes a batch that was ready at `looked_at`.
    pub(super) async fn remove(
        &self,
        position: usize,
        batch: &Batch,
        undelivered: Undelivered,
        looked_at: Instant,
    ) -> Swept {
        let mut looked_at = looked_at;
        let mut tried = Tried { attempts: 0, effect: Effect::Impossible };
        let outcome = loop {
            let Some(turn) = self.deleter.turn().await else { break Outcome::NotReached };
            let is_old = self.around.clock.monotonic().duration_since(looked_at) > FRESH;
            if is_old && let Judged::Over(outcome) = self.judge_again(batch, tried).await {
                break outcome;
            }
            let attempt = tried.attempts + 1;
            let answer = self.deleter.delete(turn, &batch.id, undelivered, attempt).await;
            tried = tried.and(&answer);
            match self.after(batch, answer, tried).await {
                After::Over(outcome) => break outcome,
                After::Again(at) => looked_at = at,
            }
        };
        Swept { position, outcome, attempts: tried.attempts }
    }

    /// Looks again since the last look grew old: at the batch, and at the holds and the account's lock,
    /// which were asked for with it.
    async fn judge_again(&self, batch: &Batch, tried: Tried) -> Judged {
        let ready = match judge(batch, self.look(batch).await) {
            Judged::Over(Outcome::Gone) => return Judged::Over(tried.missing()),
            over @ Judged::Over(_) => return over,
            ready @ Judged::Ready(_) => ready,
        };
        self.stays(batch).await.map_or(ready, Judged::Over)
    }

    /// What keeps a batch whose intent is written from going, by now: that somebody holds it since, or
    /// that the account was lost. `None` where it may go.
    async fn stays(&self, batch: &Batch) -> Option<Outcome> {
        match self.journal.leave(&batch.id, self.around.clock.now()).await {
            Ok(Leave::Given) => None,
            Ok(Leave::Held) => Some(Outcome::Held),
            Err(failed) => {
                self.failed.get_or_init(|| failed);
                Some(Outcome::NotReached)
            }
        }
    }

    /// What an answer to a DELETE, the last of those tried, means.
    async fn after(&self, batch: &Batch, answer: DeleteAnswer, tried: Tried) -> After {
        match answer {
            DeleteAnswer::Confirmed => After::Over(Outcome::Deleted(Proof::Acknowledged)),
            DeleteAnswer::Hopeless(error) => After::Over(Outcome::Failed(Failure::Delete(error))),
            DeleteAnswer::Refused { status, message } => {
                After::Over(self.after_refusal(batch, (status, message), tried).await)
            }
            DeleteAnswer::Unclear { error, may_resend, wait } => {
                let resend = match wait {
                    _ if !may_resend => Resend::Never,
                    Some(wait) => Resend::After(wait),
                    None => Resend::Soon,
                };
                self.after_doubt(batch, error, tried, resend).await
            }
        }
    }

    /// The API said no. A Get tells why: no text of it is known (contract §2.6, §6.2.6).
    async fn after_refusal(
        &self,
        batch: &Batch,
        (status, message): (u16, ServerText),
        tried: Tried,
    ) -> Outcome {
        match self.look(batch).await.found {
            Err(look) => Outcome::Failed(Failure::Unknown { delete: format!("`{message}`"), look }),
            Ok(Lookup::Missing) => tried.missing(),
            Ok(Lookup::Found(now)) => match recheck(batch, &now) {
                Recheck::Busy(status) => Outcome::Busy(status),
                Recheck::Changed(fields) => Outcome::Changed(fields),
                Recheck::Ready => self.why_refused(batch, status, message).await,
            },
        }
    }

    /// Refused though idle and unchanged: undelivered results are the one known reason.
    async fn why_refused(&self, batch: &Batch, status: u16, message: ServerText) -> Outcome {
        let sets = self.reader.result_sets(&batch.id).await.unwrap_or_default();
        match sets.iter().find(|set| set.webhook_failed()) {
            Some(set) => Outcome::Undelivered { result_set: set.id, message },
            None => Outcome::Refused { status, message },
        }
    }

    /// Nobody can say whether the DELETE took effect. A Get decides; only where it shows the batch
    /// idle and unchanged may the call be sent again, after a wait.
    async fn after_doubt(
        &self,
        batch: &Batch,
        error: Error,
        tried: Tried,
        resend: Resend,
    ) -> After {
        let look = self.look(batch).await;
        match look.found {
            Err(look) => {
                After::Over(Outcome::Failed(Failure::Unknown { delete: error.cause(), look }))
            }
            Ok(Lookup::Missing) => After::Over(tried.missing()),
            Ok(Lookup::Found(now)) => match recheck(batch, &now) {
                Recheck::Busy(status) => After::Over(Outcome::Busy(status)),
                Recheck::Changed(fields) => After::Over(Outcome::Changed(fields)),
                Recheck::Ready => match self.before_resend(error, tried, resend, look.at).await {
                    // Nothing is sent again where that has changed since the first DELETE.
                    again @ After::Again(_) => self.stays(batch).await.map_or(again, After::Over),
                    over @ After::Over(_) => over,
                },
            },
        }
    }

    /// Waits before the next DELETE of the same batch, if there is to be one.
    async fn before_resend(
        &self,
        error: Error,
        tried: Tried,
        resend: Resend,
        looked_at: Instant,
    ) -> After {
        let wait = match resend {
            _ if tried.attempts >= self.settings.max_attempts => None,
            Resend::Never => None,
            Resend::After(wait) => Some(wait),
            Resend::Soon => Some(self.reader.backoff(tried.attempts)),
        };
        let Some(wait) = wait else {
            return After::Over(Outcome::Failed(Failure::Delete(error)));
        };
        self.reader.tell_retry(&error, tried.attempts, wait);
        tokio::select! {
            () = self.around.stop.cancelled() => {
                return After::Over(Outcome::Failed(Failure::Delete(error)));
            }
            () = tokio::time::sleep(wait) => {}
        }
        After::Again(looked_at)
    }
}
