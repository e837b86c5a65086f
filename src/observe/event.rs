//! Events: the closed list of what a run tells the outside.
//!
//! A stage says what happened by one [`Event`]; log lines, the progress bar and, later, metrics and
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
        /// `swept`, `dry_run`, `guarded`, `incomplete`, `locked` or `failed`.
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
