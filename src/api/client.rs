//! The client: a reading half that cannot delete, and a deleting half made of a warrant.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::api::error::{Error, ServerText};
use crate::api::product::Product;
use crate::batch::{Batch, BatchId, Undelivered};
use crate::clock::Clock;
use crate::observe::event::{Observer, Scope};
use crate::warrant::Warrant;

/// Where and how to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which product.
    pub product: Product,
    /// Where its API is: https, or plain http to loopback (`config` sees to that).
    pub base_url: Url,
    /// Calls a second, of all kinds; at least 1.
    pub requests_per_second: u32,
    /// How long one call may take, from its first byte to the last of its answer.
    pub request_timeout: Duration,
    /// How often one call is tried; at least 1.
    pub max_attempts: u32,
    /// The proxy for https, and the environment variable that named it.
    pub proxy: Option<Proxy>,
}

/// A proxy that the environment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The variable's name, for messages.
    pub variable: String,
    /// Its value; may hold credentials, so it is never shown.
    pub url: HiddenUrl,
    /// `NO_PROXY`, as written.
    pub except: Option<String>,
}

/// A URL that may hold credentials: shown as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenUrl(pub String);

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The key of an account.
#[derive(Debug, Clone)]
pub struct ApiKey(pub SecretString);

/// Where the key comes from, so that it can be read again when it is refused: it may have been
/// rotated since (fault H3).
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The key as it is now; `None` where it cannot be read.
    fn read_again(&self) -> Option<ApiKey>;
}

/// What a client works with besides its settings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Whose events it emits.
    pub scope: Scope,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who is told of retries and pauses.
    pub observer: Arc<dyn Observer>,
    /// Seeds the jitter of waits.
    pub seed: u64,
    /// Cancelled when the program is to stop: waits and reads end early, a DELETE in flight does not.
    pub stop: CancellationToken,
}

/// The half that reads. It has no means to change anything.
#[derive(Debug)]
pub struct Reader {}

/// `/account` (contract §2.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// How many batches the account says it holds, if it says.
    pub batches_used: Option<u64>,
}

/// One page of a listing (contract §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `total_count`: all batches of the account.
    pub total_count: u64,
    /// `total_pages`; 0 or 1 where there is nothing.
    pub total_pages: u64,
    /// `current_page`.
    pub current_page: u64,
    /// `count_this_page`.
    pub count_this_page: u64,
    /// The records, in the order of the answer.
    pub records: Vec<Record>,
}

/// One record of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A batch; any of its fields may be unreadable.
    Batch(Box<Batch>),
    /// Its id is text, but not one that may stand in a path: it is kept and never asked for (X3).
    HostileId {
        /// The id as sent.
        id: Box<str>,
    },
    /// It has no id, or one that is not text (faults J5, J6).
    NoId,
}

impl Record {
    /// Whether its fields could be read at all (fault J10).
    pub const fn is_readable(&self) -> bool {
        matches!(self, Self::Batch(_))
    }
}

/// What a Get found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The batch.
    Found(Box<Batch>),
    /// An envelope with `success: false` and a message that says that this very id was not found
    /// (contract §6.2.4).
    Missing,
}

/// One result set of a batch (contract §2.9), as far as a refusal needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSet {
    /// Its number.
    pub id: u64,
    /// `webhook_status.status`, if it has one.
    pub webhook_status: Option<ServerText>,
}

impl Reader {
    /// Prepares a client; makes no call.
    ///
    /// # Errors
    /// [`crate::api::error::Kind::Setup`] when the machine has no CA certificates, or the proxy's URL is not one.
    #[expect(clippy::unimplemented, clippy::needless_pass_by_value, reason = "skeleton")]
    pub fn connect(
        _settings: Settings,
        _key: ApiKey,
        _source: Box<dyn KeySource>,
        _around: Surroundings,
    ) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Calls made so far, each attempt counted.
    #[expect(clippy::unimplemented, reason = "skeleton")]
    pub fn requests(&self) -> u64 {
        unimplemented!()
    }

    /// The server's clock less ours, by the `Date` header of the last answer that had one.
    #[expect(clippy::unimplemented, reason = "skeleton")]
    pub fn clock_skew(&self) -> Option<TimeDelta> {
        unimplemented!()
    }

    /// GET `/account`. Retried.
    ///
    /// # Errors
    /// As for [`Reader::list`].
    #[expect(clippy::unimplemented, clippy::unused_async, reason = "skeleton")]
    pub async fn account(&self) -> Result<Account, Error> {
        unimplemented!()
    }

    /// GET one page of the listing, 1000 a page, by `created_at` ascending. Retried.
    ///
    /// # Errors
    /// When no attempt brought an envelope with `success: true` and a listing in it.
    #[expect(clippy::unimplemented, clippy::unused_async, reason = "skeleton")]
    pub async fn list(&self, _page: u32) -> Result<Page, Error> {
        unimplemented!()
    }

    /// GET one batch. Retried.
    ///
    /// # Errors
    /// When no attempt brought the batch, or the proof that there is none.
    #[expect(clippy::unimplemented, clippy::unused_async, reason = "skeleton")]
    pub async fn get(&self, _id: &BatchId) -> Result<Lookup, Error> {
        unimplemented!()
    }

    /// GET the result sets of one batch. Retried.
    ///
    /// # Errors
    /// As for [`Reader::get`].
    #[expect(clippy::unimplemented, clippy::unused_async, reason = "skeleton")]
    pub async fn result_sets(&self, _id: &BatchId) -> Result<Vec<ResultSet>, Error> {
        unimplemented!()
    }
}

/// The half that deletes, and only what its warrant covers.
#[derive(Debug)]
pub struct Deleter<'r> {
    reader: &'r Reader,
    warrant: Warrant,
}

/// Leave to make one call now; the pace has been waited for. Spent by the call.
#[derive(Debug)]
pub struct Turn(());

/// What became of one DELETE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteAnswer {
    /// 2xx and `success: true`.
    Confirmed,
    /// An envelope with `success: false`: the API did not delete it.
    Refused {
        /// The status.
        status: u16,
        /// What the API said.
        message: ServerText,
    },
    /// Nobody can say whether it took effect: a timeout, a reset, a 5xx, a 3xx, no envelope. A Get
    /// decides, before any resend. Also where it surely did not (connection refused, 429): the time
    /// that passes makes a new look due.
    Unclear {
        /// What went wrong.
        error: Error,
        /// Whether the same call may be sent again, if a Get shows the batch unchanged.
        may_resend: bool,
        /// How long to wait before that, if the server said so.
        wait: Option<Duration>,
    },
    /// The key was refused, or payment is due: no further call makes sense.
    Hopeless(Error),
}

impl<'r> Deleter<'r> {
    /// The deleting half, for the ids of one warrant.
    pub const fn new(reader: &'r Reader, warrant: Warrant) -> Self {
        Self { reader, warrant }
    }

    /// Waits until the pace allows a call. Ends early, with `None`, when the program is to stop.
    #[expect(clippy::unimplemented, clippy::unused_async, reason = "skeleton")]
    pub async fn turn(&self) -> Option<Turn> {
        let _ = (&self.reader, &self.warrant);
        unimplemented!()
    }

    /// DELETE one batch, once: one attempt, never resent by itself. Not to be dropped half-way.
    ///
    /// A batch that the warrant does not cover is answered as `Hopeless` and no call is made.
    #[expect(clippy::unimplemented, clippy::unused_async, reason = "skeleton")]
    pub async fn delete(
        &self,
        _turn: Turn,
        _id: &BatchId,
        _undelivered: Undelivered,
    ) -> DeleteAnswer {
        unimplemented!()
    }
}
impl Reader {
    /// b
    pub fn backoff(&self, _a: u32) -> Duration {
        Duration::ZERO
    }
    /// t
    pub fn tell_retry(&self, _e: &Error, _a: u32, _w: Duration) {}
}
impl ResultSet {
    /// w
    pub fn webhook_failed(&self) -> bool {
        false
    }
}
