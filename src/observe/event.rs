//! Events: the closed list of what a run tells the outside.
//!
//! A stage says what happened by one [`Event`]; log lines, the progress bar, metrics and, later,
//! notifications are functions of it. Names and fields are an interface (`events page`).
//! Not here: how an event is written (`observe::log`).
//! Invariant: text that came from a server is in an event only escaped and without the key.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::batch::{AccountName, BatchId, RuleName, RunId};
use crate::clock::Timestamp;
use crate::observe::service::ServiceEvent;

/// Whose event it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The account.
    pub account: AccountName,
    /// Its run.
    pub run_id: RunId,
}

/// A batch as events name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its id.
    pub id: BatchId,
    /// Its name, escaped.
    pub name: String,
    /// The first delete rule, by name, that selects it.
    pub rule: RuleName,
}

/// What a batch does, as counts of an inventory name it. `other`: a word that this program does not know;
/// `unknown`: the status is missing or unreadable, or the batch cannot be asked for.
pub const STATUSES: [&str; 5] = ["idle", "queued", "running", "other", "unknown"];

/// Every way a run ends, as `run.finished` names it.
pub const OUTCOMES: [&str; 6] = ["swept", "dry_run", "guarded", "incomplete", "locked", "failed"];

/// What one attempt of a call brought: the class of its status, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// 2xx.
    Success,
    /// 3xx; never followed.
    Redirect,
    /// 4xx, bar 429.
    ClientError,
    /// 429.
    TooMany,
    /// 5xx, and whatever is no status at all.
    ServerError,
    /// A status came, but not the whole of a body that can be read.
    Broken,
    /// No whole answer within the time limit.
    Timeout,
    /// No answer: not resolved, refused, reset, TLS refused.
    Unreachable,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::TooMany,
        Self::ServerError,
        Self::Broken,
        Self::Timeout,
        Self::Unreachable,
    ];

    /// The class of a status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            429 => Self::TooMany,
            400..=499 => Self::ClientError,
            0..=199 | 500.. => Self::ServerError,
        }
    }

    /// Its name in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::TooMany => "429",
            Self::ServerError => "5xx",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A run of one account began.
    RunStarted {
        /// Whether it is a dry run.
        dry_run: bool,
    },
    /// One page of the listing arrived.
    InventoryPage {
        /// Its number, from 1.
        page: u32,
        /// How many pages the API counts.
        pages: u32,
        /// Batches on it.
        batches: usize,
        /// How long the call took, waits included.
        duration: Duration,
    },
    /// The listing is complete and proven so.
    InventoryListed {
        /// Batches in it.
        batches: usize,
        /// Records whose fields could not be read; those batches are kept.
        unreadable: usize,
        /// Batches by [`STATUSES`].
        statuses: BTreeMap<&'static str, usize>,
        /// How long listing took.
        duration: Duration,
    },
    /// The listing could not be proven complete; nothing is deleted.
    InventoryIncomplete {
        /// Why.
        cause: String,
    },
    /// Each batch has its verdict.
    PlanMade {
        /// Batches by verdict.
        counts: BTreeMap<&'static str, usize>,
        /// Batches that a rule selects, and that are busy. In no log line.
        busy: Vec<BatchId>,
    },
    /// A guard stopped the plan; nothing is deleted.
    GuardTripped {
        /// The guard's name: its setting.
        guard: &'static str,
        /// What is allowed.
        limit: String,
        /// What the plan has.
        value: String,
        /// The sentence for people.
        detail: String,
    },
    /// In a dry run: this batch would be deleted.
    BatchWouldDelete {
        /// The batch.
        batch: Subject,
    },
    /// A batch was deleted: the API confirmed it, or a later look proved it.
    BatchDeleted {
        /// The batch.
        batch: Subject,
        /// Which DELETE it took, from 1.
        attempt: u32,
        /// From the first look before the deletion to its confirmation.
        duration: Duration,
    },
    /// Every other batch had its turn; these are busy, and are looked at again for a while.
    BusyWaiting {
        /// How many.
        batches: usize,
        /// For how long at most.
        wait: Duration,
    },
    /// A batch was left alone, for now.
    BatchSkipped {
        /// The batch.
        batch: Subject,
        /// `busy`, `changed`, `held`, `gone` or `refused`.
        outcome: &'static str,
        /// Why, for people.
        detail: String,
    },
    /// A batch that should go is still there, or nobody can say.
    BatchFailed {
        /// The batch.
        batch: Subject,
        /// Why, for people.
        detail: String,
        /// How many DELETEs were sent.
        attempt: u32,
    },
    /// A deletion that a killed run left open was settled by a look.
    JournalSettled {
        /// The batch.
        batch: BatchId,
        /// The rule that selected it.
        rule: RuleName,
        /// The run that was killed.
        of_run: RunId,
        /// `deleted` or `failed`.
        outcome: &'static str,
    },
    /// A keep rule was edited or taken away since the last run.
    ProtectionGone {
        /// The rule.
        rule: RuleName,
    },
    /// Somebody's protection of a batch ends within three days.
    HoldExpires {
        /// The batch.
        batch: BatchId,
        /// When.
        until: Timestamp,
        /// Why it was held, escaped.
        why: String,
    },
    /// A person approved a plan that a guard had stopped, and this run starts on it.
    GuardApproved {
        /// The run whose plan was approved.
        of_run: RunId,
        /// Who approved it, escaped.
        by: String,
    },
    /// One attempt of a call is over, whatever it brought.
    ApiCalled {
        /// Which call: `list`, `get`, `delete`, `account` or `result_sets`.
        operation: &'static str,
        /// What came of it.
        code: Code,
        /// Which attempt, from 1.
        attempt: u32,
        /// From the request to the whole answer, or to its failure; no wait for a turn.
        duration: Duration,
    },
    /// A call is tried again.
    ApiRetry {
        /// Which call: `list`, `get`, `delete`, `account` or `result_sets`.
        operation: &'static str,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// How long until the next.
        wait: Duration,
        /// Why it failed.
        cause: String,
    },
    /// The API asked for quiet; every call of the account waits.
    ApiPaused {
        /// How long.
        wait: Duration,
        /// What asked for it.
        cause: String,
    },
    /// A run ended.
    RunFinished {
        /// One of [`OUTCOMES`].
        outcome: &'static str,
        /// Batches by what became of them.
        counts: BTreeMap<&'static str, usize>,
        /// Whether a last listing proved the deletions; `None` where there were none.
        verified: Option<bool>,
        /// Calls sent, each attempt counted.
        requests: u64,
        /// How long the run took.
        duration: Duration,
        /// The exit code this run asks for.
        exit_code: u8,
        /// What went wrong, if anything did.
        error: Option<String>,
    },
}

/// Something that is told every event: the log, a progress bar, a test.
pub trait Observer: Debug + Send + Sync {
    /// Takes note of one event. Must not block, and cannot fail: a lost line never changes a run.
    fn observe(&self, scope: &Scope, event: &Event);

    /// Takes note of what happened to the service itself. The same holds.
    fn service(&self, event: &ServiceEvent);
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Scope, _: &Event) {}

    fn service(&self, _: &ServiceEvent) {}
}
