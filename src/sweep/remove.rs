//! One batch from "may go" to its outcome: DELETE, and what to make of its answer.
//!
//! Not here: the first look (`sweep`), the listing that proves all deletions at the end.
//! Invariant: between two DELETEs of one batch lies a Get that showed it idle and unchanged.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::client::{DeleteAnswer, Lookup};
use crate::api::error::{Error, ServerText};
use crate::batch::{Batch, Undelivered};
use crate::sweep::outcome::{Failure, Outcome, Proof};
use crate::sweep::recheck::{Recheck, recheck};
use crate::sweep::{FRESH, Judged, Sweep, Swept, acknowledged};

/// What follows from the answer to one DELETE.
enum After {
    /// The batch has its outcome.
    Over(Outcome),
    /// It is still there, idle and unchanged as of this instant: the DELETE may be sent again.
    Again(Instant),
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
        let mut attempts = 0;
        // Whether a DELETE of ours may have taken effect: then a missing batch is our doing.
        let mut sent = false;
        let outcome = loop {
            let Some(turn) = self.deleter.turn().await else { break Outcome::NotReached };
            if self.around.clock.monotonic().duration_since(looked_at) > FRESH {
                match self.judge_again(batch, sent).await {
                    Judged::Ready(_) => {}
                    Judged::Over(outcome) => break outcome,
                }
            }
            attempts += 1;
            let answer = self.deleter.delete(turn, &batch.id, undelivered).await;
            sent |= may_have_worked(&answer);
            match self.after(batch, answer, attempts, sent).await {
                After::Over(outcome) => break outcome,
                After::Again(at) => looked_at = at,
            }
        };
        Swept { position, outcome, attempts }
    }

    /// Looks again since the last look grew old.
    async fn judge_again(&self, batch: &Batch, sent: bool) -> Judged {
        let look = self.look(batch).await;
        match self.judge(batch, look) {
            Judged::Over(Outcome::Gone) if sent => Judged::Over(Outcome::Deleted(Proof::Absent)),
            judged => judged,
        }
    }

    /// What an answer to the DELETE number `attempts` means. `sent` says whether this or an earlier
    /// one may have taken effect.
    async fn after(&self, batch: &Batch, answer: DeleteAnswer, attempts: u32, sent: bool) -> After {
        match answer {
            DeleteAnswer::Confirmed => After::Over(acknowledged()),
            DeleteAnswer::Hopeless(error) => After::Over(Outcome::Failed(Failure::Delete(error))),
            DeleteAnswer::Refused { status, message } => {
                After::Over(self.after_refusal(batch, status, message, sent).await)
            }
            DeleteAnswer::Unclear { error, may_resend, wait } => {
                let doubt = Doubt { error, attempts, sent, resend: may_resend.then_some(wait) };
                self.after_doubt(batch, doubt).await
            }
        }
    }

    /// The API said no. A Get tells why: no text of it is known (contract §2.6, §6.2.6).
    async fn after_refusal(
        &self,
        batch: &Batch,
        status: u16,
        message: ServerText,
        sent: bool,
    ) -> Outcome {
        let look = self.look(batch).await;
        match look.found {
            Err(look) => Outcome::Failed(Failure::Unknown { delete: format!("`{message}`"), look }),
            // Ours only if an earlier attempt got no clear answer.
            Ok(Lookup::Missing) if sent => Outcome::Deleted(Proof::Absent),
            Ok(Lookup::Missing) => Outcome::Gone,
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
        let failed = sets.iter().find(|set| set.webhook_failed());
        match failed {
            Some(set) => Outcome::Undelivered { result_set: set.id, message },
            None => Outcome::Refused { status, message },
        }
    }

    /// Nobody can say whether the DELETE took effect. A Get decides; only where it shows the batch
    /// idle and unchanged may the call be sent again, after a wait.
    async fn after_doubt(&self, batch: &Batch, doubt: Doubt) -> After {
        let look = self.look(batch).await;
        let at = look.at;
        match look.found {
            Err(look) => {
                After::Over(Outcome::Failed(Failure::Unknown { delete: doubt.error.cause(), look }))
            }
            Ok(Lookup::Missing) if doubt.sent => After::Over(Outcome::Deleted(Proof::Absent)),
            Ok(Lookup::Missing) => After::Over(Outcome::Gone),
            Ok(Lookup::Found(now)) => match recheck(batch, &now) {
                Recheck::Busy(status) => After::Over(Outcome::Busy(status)),
                Recheck::Changed(fields) => After::Over(Outcome::Changed(fields)),
                Recheck::Ready => self.before_resend(doubt, at).await,
            },
        }
    }

    /// Waits before the next DELETE of the same batch, if there is to be one: what the server asked
    /// for, or a backoff.
    async fn before_resend(&self, doubt: Doubt, at: Instant) -> After {
        let Doubt { error, attempts, resend, .. } = doubt;
        let Some(asked) = resend.filter(|_| attempts < self.settings.max_attempts) else {
            return After::Over(Outcome::Failed(Failure::Delete(error)));
        };
        let wait = asked.unwrap_or_else(|| self.reader.backoff(attempts));
        self.reader.tell_retry(&error, attempts, wait);
        tokio::select! {
            () = self.around.stop.cancelled() => {
                After::Over(Outcome::Failed(Failure::Delete(error)))
            }
            () = tokio::time::sleep(wait) => After::Again(at),
        }
    }
}

/// A DELETE that ended without a clear answer.
struct Doubt {
    /// What was seen of it.
    error: Error,
    /// DELETEs sent for the batch so far.
    attempts: u32,
    /// Whether one of them may have taken effect: then a missing batch is our doing.
    sent: bool,
    /// `None` where sending it again would bring the same, else how long the server asked to wait,
    /// if it did.
    resend: Option<Option<Duration>>,
}

/// Whether the DELETE behind this answer may have taken effect.
fn may_have_worked(answer: &DeleteAnswer) -> bool {
    match answer {
        DeleteAnswer::Confirmed => true,
        DeleteAnswer::Refused { .. } => false,
        DeleteAnswer::Unclear { error, .. } | DeleteAnswer::Hopeless(error) => {
            !error.kind().changed_nothing()
        }
    }
}
