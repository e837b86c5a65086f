//! The client: a reading half that cannot delete, and a deleting half made of a warrant.
//!
//! Not here: how a call is expressed (`path`), sent (`transport`) and judged (`judge`).
//! Invariant: a [`Reader`] sends GETs only; a [`Deleter`] sends a DELETE only for a batch that its
//! warrant covers, once per call.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use crate::api::error::{Error, Kind, Operation, ServerText};
use crate::api::judge::{self, Reply};
use crate::api::key::{Key, Keys};
use crate::api::pacing::{Left, Line, Pacer};
use crate::api::path::Call;
use crate::api::product::Family;
use crate::api::retry::{self, Retry};
use crate::api::transport::Transport;
use crate::batch::{BatchId, Undelivered};
use crate::observe::event::{Code, Event};
use crate::warrant::Warrant;

pub use crate::api::answer::{Account, DeleteAnswer, Lookup, Page, Record, ResultSet};
pub use crate::api::pacing::ListWindow;
pub use crate::api::path::PAGE_SIZE;
pub use crate::api::settings::{ApiKey, HiddenUrl, KeySource, Proxy, Settings, Surroundings};

/// The half that reads. It has no means to change anything.
pub struct Reader {
    transport: Transport,
    family: Family,
    max_attempts: u32,
    keys: Keys,
    pacer: Pacer,
    around: Surroundings,
    jitter: Mutex<fastrand::Rng>,
    requests: AtomicU64,
    skew: Mutex<Option<TimeDelta>>,
    fingerprint: String,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("scope", &self.around.scope).finish_non_exhaustive()
    }
}

/// An attempt that brought no answer.
struct Failed {
    kind: Kind,
    trace_id: Option<ServerText>,
    /// How long the server asks to wait.
    asked: Option<Duration>,
    /// The key it was made with.
    key: Arc<Key>,
}

impl Reader {
    /// Prepares a client; makes no call.
    ///
    /// # Errors
    /// [`Kind::Setup`] when the machine has no CA certificates, the proxy's URL is not one, or the
    /// address is plain http to another machine.
    pub fn connect(
        settings: Settings,
        key: ApiKey,
        source: Box<dyn KeySource>,
        around: Surroundings,
    ) -> Result<Self, Error> {
        let Settings { product, requests_per_second, max_attempts, .. } = settings;
        let transport = Transport::new(settings).map_err(|kind| Error {
            operation: Operation::Account,
            kind,
            attempts: 0,
            trace_id: None,
        })?;
        let fingerprint = format!("{product} {}", key.fingerprint());
        Ok(Self {
            transport,
            family: product.family(),
            max_attempts,
            keys: Keys::new(key, source),
            pacer: Pacer::new(requests_per_second, around.lists.clone(), Arc::clone(&around.clock)),
            jitter: Mutex::new(fastrand::Rng::with_seed(around.seed)),
            around,
            requests: AtomicU64::new(0),
            skew: Mutex::new(None),
            fingerprint,
        })
    }

    /// Calls made so far, each attempt counted.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Says which product and key this is, without saying the key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The server's clock less ours, by the `Date` header of the last answer that had one.
    pub fn clock_skew(&self) -> Option<TimeDelta> {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// GET `/account`. Retried.
    ///
    /// # Errors
    /// As for [`Reader::list`].
    pub async fn account(&self) -> Result<Account, Error> {
        self.read(&Call::Account, |reply| judge::success(reply, &self.keys)?.account(self.family))
            .await
    }

    /// GET one page of the listing, 1000 a page, by `created_at` ascending. Retried.
    ///
    /// # Errors
    /// When no attempt brought an envelope with `success: true` and a listing in it.
    pub async fn list(&self, page: u32) -> Result<Page, Error> {
        self.read(&Call::List { page }, |reply| {
            judge::success(reply, &self.keys)?.page(self.family, &reply.body)
        })
        .await
    }

    /// GET one batch. Retried.
    ///
    /// # Errors
    /// When no attempt brought the batch, or the proof that there is none.
    pub async fn get(&self, id: &BatchId) -> Result<Lookup, Error> {
        self.read(&Call::Get(id), |reply| judge::lookup(reply, id, self.family, &self.keys)).await
    }

    /// GET the result sets of one batch. Retried.
    ///
    /// # Errors
    /// As for [`Reader::get`]; a batch that does not exist is an error here.
    pub async fn result_sets(&self, id: &BatchId) -> Result<Vec<ResultSet>, Error> {
        self.read(&Call::ResultSets(id), |reply| {
            let sets = judge::success(reply, &self.keys)?.result_sets()?;
            let shown =
                |status: std::borrow::Cow<'_, str>| self.keys.server_text(status.as_bytes());
            Ok(sets
                .into_iter()
                .map(|set| ResultSet { id: set.id, webhook_status: set.webhook_status.map(shown) })
                .collect())
        })
        .await
    }

    /// Tries a GET until it brings an answer or `retry` says that it will not.
    async fn read<T>(
        &self,
        call: &Call<'_>,
        judge: impl Fn(&Reply) -> Result<T, Kind>,
    ) -> Result<T, Error> {
        let operation = call.operation();
        let mut attempt = 0;
        loop {
            let Some(left) = self.turn(call).await else {
                return Err(stopped(operation, attempt));
            };
            attempt += 1;
            let tried = tokio::select! {
                biased;
                tried = self.attempt(call, attempt, &judge) => tried,
                () = self.around.stop.cancelled() => return Err(stopped(operation, attempt)),
            };
            let failed = match tried {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if matches!(failed.kind, Kind::KeyRefused(_)) && self.keys.renew(&failed.key) {
                continue;
            }
            let wait = self.hold_back(&failed, left, attempt);
            match retry::next(&failed.kind, attempt, self.max_attempts, wait) {
                Retry::GiveUp => {
                    let Failed { kind, trace_id, .. } = failed;
                    return Err(Error { operation, kind, attempts: attempt, trace_id });
                }
                Retry::After(wait) => self.wait_to_retry(&failed.kind, call, attempt, wait).await,
            }
        }
    }

    /// How long to wait before DELETE number `attempt + 1` of a batch, where the server did not say.
    pub fn backoff(&self, attempt: u32) -> Duration {
        retry::backoff(attempt, self.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64())
    }

    /// Tells that a call is tried again; for DELETEs, whose resending is not the client's to decide.
    pub fn tell_retry(&self, error: &Error, attempt: u32, wait: Duration) {
        let operation = error.operation.as_str();
        self.tell(&Event::ApiRetry { operation, attempt, wait, cause: error.cause() });
    }

    async fn turn(&self, call: &Call<'_>) -> Option<Left> {
        let line = match call.operation() {
            Operation::List => Line::List,
            Operation::Account | Operation::Get | Operation::ResultSets | Operation::Delete => {
                Line::Other
            }
        };
        self.pacer.turn(line, &self.around.stop).await
    }

    async fn attempt<T>(
        &self,
        call: &Call<'_>,
        attempt: u32,
        judge: impl Fn(&Reply) -> Result<T, Kind>,
    ) -> Result<T, Failed> {
        let (key, reply) = self.exchange(call, attempt).await;
        let reply = reply.map_err(|kind| Failed {
            kind,
            trace_id: None,
            asked: None,
            key: Arc::clone(&key),
        })?;
        judge(&reply).map_err(|kind| Failed {
            kind,
            trace_id: self.trace_id(&reply),
            asked: self.asked_wait(&reply),
            key,
        })
    }

    async fn exchange(&self, call: &Call<'_>, attempt: u32) -> (Arc<Key>, Result<Reply, Kind>) {
        let key = self.keys.current();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (clock, operation) = (&*self.around.clock, call.operation().as_str());
        let began = clock.monotonic();
        let exchange = self.transport.exchange(call, &key, &self.keys, clock).await;
        let duration = clock.monotonic().duration_since(began);
        let code =
            exchange.reply.as_ref().map_or_else(Kind::code, |reply| Code::of_status(reply.status));
        self.tell(&Event::ApiCalled { operation, code, attempt, duration });
        if exchange.skew.is_some() {
            *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = exchange.skew;
        }
        if exchange.reply.as_ref().is_ok_and(|reply| reply.status != 429) {
            self.pacer.answered();
        }
        (key, exchange.reply)
    }

    fn trace_id(&self, reply: &Reply) -> Option<ServerText> {
        reply.trace_id.as_ref().map(|id| self.keys.server_text(id.as_bytes()))
    }

    fn asked_wait(&self, reply: &Reply) -> Option<Duration> {
        retry::asked_for(&reply.asked_wait()?, self.around.clock.now())
    }

    /// Slows and pauses the account as the failure demands. How long to wait before the next try.
    fn hold_back(&self, failed: &Failed, left: Left, attempt: u32) -> Duration {
        let is_429 = matches!(failed.kind, Kind::Throttled { status: 429 });
        let strikes = if is_429 { self.pacer.throttled(left) } else { 0 };
        let random = self.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64();
        let backoff = retry::backoff(attempt.max(strikes), random);
        let Some(pause) = retry::pause(&failed.kind, failed.asked, backoff) else {
            return backoff;
        };
        self.pacer.pause(pause);
        if !pause.is_zero() {
            let cause = failed.kind.to_string();
            self.tell(&Event::ApiPaused { wait: pause, cause });
        }
        pause
    }

    async fn wait_to_retry(&self, kind: &Kind, call: &Call<'_>, attempt: u32, wait: Duration) {
        let operation = call.operation().as_str();
        self.tell(&Event::ApiRetry { operation, attempt, wait, cause: kind.to_string() });
        tokio::select! {
            biased;
            () = self.around.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    fn tell(&self, event: &Event) {
        self.around.observer.observe(&self.around.scope, event);
    }
}

const fn stopped(operation: Operation, attempts: u32) -> Error {
    Error { operation, kind: Kind::Stopped, attempts, trace_id: None }
}

/// The half that deletes, and only what its warrant covers.
#[derive(Debug)]
pub struct Deleter<'r> {
    reader: &'r Reader,
    warrant: Warrant,
}

/// Leave to make one call now; the pace has been waited for. Spent by the call.
#[derive(Debug)]
pub struct Turn(Left);

impl<'r> Deleter<'r> {
    /// The deleting half, for the ids of one warrant.
    pub const fn new(reader: &'r Reader, warrant: Warrant) -> Self {
        Self { reader, warrant }
    }

    /// Waits until the pace allows a call. Ends early, with `None`, when the program is to stop.
    pub async fn turn(&self) -> Option<Turn> {
        let left = self.reader.pacer.turn(Line::Other, &self.reader.around.stop).await?;
        Some(Turn(left))
    }

    /// DELETE one batch, once: one attempt, never resent by itself. Not to be dropped half-way.
    ///
    /// A batch that the warrant does not cover is answered as `Hopeless` and no call is made. A key
    /// that was refused is read again once: if there is another one now, the answer is `Unclear`
    /// and may be resent, for the look before the resend is due in any case.
    ///
    /// `attempt` says which DELETE of this batch it is, from 1; it is only told.
    pub async fn delete(
        &self,
        turn: Turn,
        id: &BatchId,
        undelivered: Undelivered,
        attempt: u32,
    ) -> DeleteAnswer {
        if !self.warrant.covers(id) {
            let kind = Kind::Unexpected(format!("batch {id} is not in the plan that was admitted"));
            let operation = Operation::Delete;
            return DeleteAnswer::Hopeless(Error { operation, kind, attempts: 0, trace_id: None });
        }
        let Turn(left) = turn;
        let (key, reply) = self.reader.exchange(&Call::Delete(id, undelivered), attempt).await;
        match reply {
            Ok(reply) => self.settle(&reply, &key, left),
            Err(kind) => judge::Deletion::Unclear { kind, may_resend: true }.answer(None, None),
        }
    }

    fn settle(&self, reply: &Reply, key: &Arc<Key>, left: Left) -> DeleteAnswer {
        let reader = self.reader;
        let trace_id = reader.trace_id(reply);
        match judge::deletion(reply, &reader.keys) {
            judge::Deletion::Hopeless(kind @ Kind::KeyRefused(_)) if reader.keys.renew(key) => {
                judge::Deletion::Unclear { kind, may_resend: true }.answer(trace_id, None)
            }
            judge::Deletion::Unclear { kind, may_resend } => {
                let asked = reader.asked_wait(reply);
                let key = Arc::clone(key);
                let failed = Failed { kind, trace_id, asked, key };
                reader.hold_back(&failed, left, 1);
                judge::Deletion::Unclear { kind: failed.kind, may_resend }
                    .answer(failed.trace_id, failed.asked)
            }
            settled @ (judge::Deletion::Confirmed
            | judge::Deletion::Refused { .. }
            | judge::Deletion::Hopeless(_)) => settled.answer(trace_id, None),
        }
    }
}

#[cfg(test)]
mod tests;
