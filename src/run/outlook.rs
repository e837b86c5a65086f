//! The outlook: what a run would make of an account's last listing, were it to begin now.
//!
//! Asks the API nothing and changes nothing, so it can be had at any time; a run lists anew, and may decide
//! otherwise. Not here: how it is shown (`server`).
//! Invariant: no plan comes of it, and so nothing that could be carried out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api;
use crate::batch::Batch;
use crate::clock::Timestamp;
use crate::config::Account;
use crate::guards::{self, Reading};
use crate::policy::Memory;
use crate::policy::verdict::Verdict;
use crate::run::{Recalled, Sight, recall};
use crate::state::{State, StateError};

/// The batches of an account's last complete listing, as the API sent them.
#[derive(Debug, Clone)]
pub struct LastListing {
    /// When it was made.
    pub listed_at: Timestamp,
    /// Its hash: two listings of one hash are one.
    pub hash: String,
    /// Its batches, oldest first.
    pub batches: Arc<[Batch]>,
}

/// What a run would make of them.
#[derive(Debug)]
pub struct Outlook {
    /// When the listing was made.
    pub listed_at: Timestamp,
    /// At which instant it is reckoned.
    pub now: Timestamp,
    /// The batches that are left of the listing, oldest first.
    pub batches: Arc<[Batch]>,
    /// The verdict of each.
    pub verdicts: Vec<Verdict>,
    /// When each may go if nothing else changes; `None` where it may go now, or where more than time
    /// stands in the way.
    pub eligible: Vec<Option<Timestamp>>,
    /// What the guards would say; those that need a fresh listing say nothing.
    pub readings: Vec<Reading>,
    /// What the policy was told of the past.
    pub memory: Memory,
}

impl LastListing {
    /// Reads it, unless `known` is it; `None` where there is none.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn read(
        state: &State,
        account: &Account,
        known: Option<Self>,
    ) -> Result<Option<Self>, StateError> {
        let Some((listed_at, hash)) = state.last_listed(&account.name).await? else {
            return Ok(None);
        };
        if let Some(known) = known.filter(|known| known.hash == hash) {
            return Ok(Some(Self { listed_at, ..known }));
        }
        let records = state.last_records(&account.name).await?.into_iter();
        let batches = records.filter_map(|record| api::kept::read(record, account.api.product));
        Ok(Some(Self { listed_at, hash, batches: batches.collect() }))
    }
}

/// Reckons the outlook of an account.
///
/// # Errors
/// When the state cannot be read.
pub async fn outlook(
    state: &State,
    account: &Account,
    listing: &LastListing,
    now: Timestamp,
) -> Result<Outlook, StateError> {
    let rules = &account.rule_hashes;
    let recalled = recall(state, &account.name, rules, now, Sight::LooksOnly).await?;
    Ok(reckon(account, listing, recalled, now))
}

fn reckon(account: &Account, listing: &LastListing, recalled: Recalled, now: Timestamp) -> Outlook {
    let batches = left(&listing.batches, &recalled);
    let (policy, memory) = (&account.policy, recalled.memory);
    let decision = policy.decide(&batches, &memory, now);
    let verdicts = decision.verdicts;
    let eligible = policy.eligible_times(&batches, &verdicts, &memory, now);
    let deletes = |verdict: &&Verdict| matches!(verdict, Verdict::Delete { .. });
    let deletions = verdicts.iter().filter(deletes).count();
    let readings =
        guards::foresee(deletions, batches.len(), &decision.keep_matches, &account.limits);
    let listed_at = listing.listed_at;
    Outlook { listed_at, now, batches, verdicts, eligible, readings, memory }
}

/// The batches that this program did not delete since.
fn left(batches: &Arc<[Batch]>, recalled: &Recalled) -> Arc<[Batch]> {
    let Some(last) = &recalled.last else { return Arc::clone(batches) };
    let is_left = |batch: &&Batch| last.contains(&batch.id);
    if batches.iter().filter(is_left).count() == batches.len() {
        return Arc::clone(batches);
    }
    batches.iter().filter(is_left).cloned().collect()
}

impl Outlook {
    /// Batches by verdict; every verdict is there.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<_, _> = Verdict::NAMES.map(|name| (name, 0)).into();
        for verdict in &self.verdicts {
            *counts.entry(verdict.name()).or_default() += 1;
        }
        counts
    }
}
