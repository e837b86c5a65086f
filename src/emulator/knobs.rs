//! Knobs: how the emulator answers where the contract says "unknown" (§6.3).
//!
//! Each default is the contract's; each other value is a guess that a client must survive as well.
//! Not here: faults of a single call (`fault`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::call::Operation;

/// The unknowns of contract §6.3, one field each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knobs {
    /// How the deletion (or update, or start) of a running batch is refused.
    pub running_refusal: Refusal,
    /// How the deletion of a batch with an undelivered result set is refused.
    pub webhook_refusal: Refusal,
    /// Whether a queued batch may be deleted and edited.
    pub queued: Queued,
    /// The status of an answer about an id that is not there; also that of a repeated deletion.
    pub unknown_batch: UnknownBatch,
    /// What a wrong path or verb gets, beside its 404.
    pub unknown_path: UnknownPath,
    /// List calls that one key may make in any 60 seconds; `None` for no limit.
    pub list_limit: Option<u32>,
    /// Calls of other kinds that one key may make in any 60 seconds.
    pub route_limits: BTreeMap<Operation, u32>,
    /// The text of `Retry-After` on the emulator's own 429 answers.
    pub retry_after: Option<String>,
    /// What a parameter out of range gets.
    pub invalid_parameter: InvalidParameter,
    /// `total_pages` where nothing matches.
    pub empty_total_pages: u64,
    /// The page of searches of a batch that has none.
    pub empty_searches: EmptySearches,
    /// Whether `last_run_before` and `last_run_after` let batches through that never ran.
    pub never_run_in_date_filter: NeverRun,
    /// Whether the bounds of date filters belong to the range.
    pub date_bounds: DateBounds,
    /// How `sort_by=priority` and `sort_by=status` order.
    pub word_order: WordOrder,
    /// Where batches that never ran stand when sorted by `last_run`, ascending.
    pub null_order: NullOrder,
    /// What becomes of result links when their batch is deleted.
    pub dead_links: DeadLinks,
    /// How long after its acknowledgement a deletion, a start or a stop is seen.
    pub lag: Duration,
    /// Whether searches that are sent twice are there twice.
    pub added_searches: AddedSearches,
    /// `enabled` of a batch created without it.
    pub default_enabled: bool,
    /// `schedule_type` of a batch created without it.
    pub default_schedule_type: String,
    /// How Get spells the counts of searches (contract §6.1.1).
    pub get_spelling: GetSpelling,
    /// Whether Get shows `last_run`; the vendor's sample does not (contract §2.2).
    pub get_last_run: LastRunInGet,
    /// When a run sets `last_run`.
    pub last_run_moves: LastRunMoves,
    /// What becomes of the webhook when a run ends.
    pub webhooks: Webhooks,
    /// Whether the account's body holds the key (contract §1.2).
    pub account_key: AccountKey,
    /// How long a started batch is queued at least.
    pub queued_for: Duration,
    /// How long a batch runs.
    pub runs_for: Duration,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            running_refusal: Refusal::BadRequest,
            webhook_refusal: Refusal::BadRequest,
            queued: Queued::Refuse,
            unknown_batch: UnknownBatch::BadRequest,
            unknown_path: UnknownPath::Envelope,
            list_limit: Some(60),
            route_limits: BTreeMap::new(),
            retry_after: None,
            invalid_parameter: InvalidParameter::Refuse,
            empty_total_pages: 0,
            empty_searches: EmptySearches::ServerError,
            never_run_in_date_filter: NeverRun::Excluded,
            date_bounds: DateBounds::Strict,
            word_order: WordOrder::Rank,
            null_order: NullOrder::First,
            dead_links: DeadLinks::AtOnce,
            lag: Duration::ZERO,
            added_searches: AddedSearches::Append,
            default_enabled: true,
            default_schedule_type: "manual".to_owned(),
            get_spelling: GetSpelling::Plural,
            get_last_run: LastRunInGet::Shown,
            last_run_moves: LastRunMoves::AtEnd,
            webhooks: Webhooks::Delivered,
            account_key: AccountKey::Shown,
            queued_for: Duration::from_secs(1),
            runs_for: Duration::from_secs(30),
        }
    }
}

/// The status of a business refusal; the envelope says `success: false` under each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400.
    BadRequest,
    /// 200.
    Ok,
    /// 409.
    Conflict,
}

impl Refusal {
    /// The status code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Ok => 200,
            Self::Conflict => 409,
        }
    }
}

/// Whether queued batches may be deleted and edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// No, like running ones.
    Refuse,
    /// Yes, like idle ones.
    Allow,
}

/// The status of an answer about an id that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownBatch {
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 200.
    Ok,
}

impl UnknownBatch {
    /// The status code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Ok => 200,
        }
    }
}

/// The body under a wrong path's 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownPath {
    /// An envelope.
    Envelope,
    /// Nothing.
    Empty,
    /// A page for people.
    Html,
}

/// What a parameter out of range gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidParameter {
    /// A 400 with an envelope.
    Refuse,
    /// The nearest good value, or the default.
    Clamp,
}

/// The page of searches of a batch that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptySearches {
    /// 500 with an envelope (contract §2.7, trap).
    ServerError,
    /// 200 with an empty list.
    EmptyList,
}

/// Whether date filters on `last_run` let batches through that never ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeverRun {
    /// No.
    Excluded,
    /// Yes.
    Included,
}

/// Whether the bounds of date filters belong to the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateBounds {
    /// No.
    Strict,
    /// Yes.
    Inclusive,
}

/// How words are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordOrder {
    /// By meaning: `highest` before `lowest`, `idle` before `running`.
    Rank,
    /// By letters.
    Alphabet,
}

/// Where a missing `last_run` stands in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullOrder {
    /// Before every date.
    First,
    /// After every date.
    Last,
}

/// What becomes of result links when their batch is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLinks {
    /// 404 at once.
    AtOnce,
    /// They work until they expire.
    AtExpiry,
}

/// Whether searches that are sent twice are there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddedSearches {
    /// Yes.
    Append,
    /// No: one equal to one that is there is dropped.
    Dedupe,
}

/// How Get spells the counts of searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetSpelling {
    /// `searches_total_count`, as everywhere else.
    Plural,
    /// `search_total_count`, as in the sample of Get.
    Singular,
}

/// Whether Get shows `last_run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastRunInGet {
    /// Yes, as in a listing.
    Shown,
    /// No, as in the sample of Get.
    Omitted,
}

/// When a run sets `last_run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastRunMoves {
    /// When it begins.
    AtStart,
    /// When it ends.
    AtEnd,
}

/// What becomes of the webhook when a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Webhooks {
    /// It is delivered.
    Delivered,
    /// It fails.
    Failed,
}

/// Whether the account's body holds the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKey {
    /// Yes.
    Shown,
    /// No.
    Hidden,
}
