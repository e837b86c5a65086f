//! What the calls bring, in this program's own words.
//!
//! Not here: how an answer is read (`wire`) and judged (`judge`).

use std::time::Duration;

use crate::api::error::{Error, ServerText};
use crate::batch::Batch;

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

impl ResultSet {
    /// Whether its webhook was given up (contract §2.6: then a deletion is refused).
    pub fn webhook_failed(&self) -> bool {
        self.webhook_status.as_ref().is_some_and(|status| status.to_string() == "failed")
    }
}

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
