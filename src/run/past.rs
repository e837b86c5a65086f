//! The past as a run uses it: what is recalled before deciding, what is remembered after.
//!
//! Not here: the rows (`state`), the journal of a sweep (`sweep::journal`).
//! Invariant: only a complete listing is remembered; what one run deleted never looks like shrinkage to
//! the next.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::audit::patience::Past;
use crate::batch::{AccountName, BatchId, RuleName, RunId};
use crate::clock::Timestamp;
use crate::guards::SinceLast;
use crate::inventory::Inventory;
use crate::plan::{Plan, Stamps};
use crate::policy::{Hold, Memory};
use crate::state::{DeletionFilter, Listing, OpenGuard, State, StateError};

/// What earlier runs left behind, as far as planning needs it.
#[derive(Debug, Clone, Default)]
pub struct Recalled {
    /// What the policy is told.
    pub memory: Memory,
    /// The batches of the last complete listing that this program did not delete since.
    pub last: Option<BTreeSet<BatchId>>,
    /// A stopped plan that a person approved, and that this run starts on.
    pub approved: Option<Stamps>,
    /// A sealed plan: nothing beyond it is deleted.
    pub sealed: Option<Stamps>,
}

impl Recalled {
    /// The same as the second opinion takes it.
    pub(super) fn past(&self) -> Past<'_> {
        Past {
            holds: self.memory.holds.iter().map(|(id, hold)| (id, hold.until)).collect(),
            selected_since: Some(&self.memory.selected_since),
            unchanged_since: Some(&self.memory.unchanged_since),
        }
    }

    /// What of the last listing is left in this one.
    pub(super) fn since_last(&self, inventory: &Inventory) -> Option<SinceLast> {
        let last = self.last.as_ref()?;
        let listed: BTreeSet<_> = inventory.batches().iter().map(|batch| &batch.id).collect();
        let vanished = last.iter().filter(|id| !listed.contains(id)).count();
        Some(SinceLast { batches: last.len(), vanished })
    }
}

/// Whether rules that are seen for the first time are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// A run: they are.
    Counts,
    /// Somebody only looks: they are not.
    LooksOnly,
}

/// Recalls what is known of an account at an instant. `rules` are its delete rules, with their hashes.
///
/// # Errors
/// When the state cannot be read, or written.
pub async fn recall(
    state: &State,
    account: &AccountName,
    rules: &BTreeMap<RuleName, String>,
    now: Timestamp,
    sight: Sight,
) -> Result<Recalled, StateError> {
    let unchanged_since = match sight {
        Sight::Counts => state.see_rules(account, now, rules).await?,
        Sight::LooksOnly => known_rules(state, account, rules).await?,
    };
    let mut selected_since: BTreeMap<RuleName, BTreeMap<BatchId, Timestamp>> = BTreeMap::new();
    for ((rule, batch), since) in state.marks(account).await? {
        selected_since.entry(rule).or_default().insert(batch, since);
    }
    let holds = state.holds(Some(account)).await?;
    let holds = holds.into_iter().filter(|hold| hold.protects(now)).map(|hold| {
        // The state's end is the first instant that is free, the policy's the last that is not.
        let until = hold.until - TimeDelta::milliseconds(1);
        (hold.batch, Hold { until, why: hold.why.into() })
    });
    let memory = Memory { holds: holds.collect(), selected_since, unchanged_since };
    Ok(Recalled { memory, last: last_listed(state, account).await?, approved: None, sealed: None })
}

/// Since when each rule has been what it is, where it is known as it is.
async fn known_rules(
    state: &State,
    account: &AccountName,
    rules: &BTreeMap<RuleName, String>,
) -> Result<BTreeMap<RuleName, Timestamp>, StateError> {
    let known = state.rule_versions(account).await?;
    let same = |(rule, (hash, since)): (RuleName, (String, Timestamp))| {
        (rules.get(&rule) == Some(&hash)).then_some((rule, since))
    };
    Ok(known.into_iter().filter_map(same).collect())
}

/// The batches of the last complete listing, but for those deleted since.
async fn last_listed(
    state: &State,
    account: &AccountName,
) -> Result<Option<BTreeSet<BatchId>>, StateError> {
    let Some(listing) = state.last_listing(account).await? else { return Ok(None) };
    let mut left: BTreeSet<_> = listing.ids.into_iter().collect();
    let filter = DeletionFilter {
        account: Some(account.clone()),
        since: Some(listing.listed_at),
        ..DeletionFilter::default()
    };
    for deletion in state.deletions(&filter).await? {
        let is_deleted = deletion.outcome.is_some_and(|outcome| outcome.outcome == "deleted");
        if is_deleted {
            left.remove(&deletion.entry.batch);
        }
    }
    Ok(Some(left))
}

/// The stopped plan that a person approved, spent by this run; and who approved it, of which run.
///
/// # Errors
/// When the state cannot be read, or written.
pub(super) async fn approved(
    state: &State,
    account: &AccountName,
    by_run: RunId,
    now: Timestamp,
) -> Result<Option<(Stamps, RunId, String)>, StateError> {
    let Some(approval) = state.spend_approval(account, by_run, now).await? else { return Ok(None) };
    let Some(plan) = state.plan(approval.run_id).await? else { return Ok(None) };
    // A plan that cannot be read approves nothing.
    let stamps = serde_json::from_slice(&plan).unwrap_or_default();
    Ok(Some((stamps, approval.run_id, approval.by)))
}

/// Remembers a complete listing and what the rules with a grace selected of it.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn remember(
    state: &State,
    plan: &Plan,
    selected: &BTreeMap<RuleName, BTreeSet<BatchId>>,
) -> Result<(), StateError> {
    let inventory = plan.inventory();
    let listing = Listing {
        account: plan.account().clone(),
        run_id: plan.run_id(),
        listed_at: plan.made_at(),
        hash: inventory.hash(),
        ids: inventory.batches().iter().map(|batch| batch.id.clone()).collect(),
    };
    state.update_marks(plan.account(), plan.made_at(), selected).await?;
    state.store_inventory(&listing, inventory.batches().iter().map(|batch| &*batch.raw)).await
}

/// Keeps a plan that guards stopped, so that it may be approved.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn stay_open(
    state: &State,
    plan: &Plan,
    guards: Vec<String>,
) -> Result<(), StateError> {
    let (account, run_id, since) = (plan.account().clone(), plan.run_id(), plan.made_at());
    let kept = serde_json::to_vec(&plan.stamps()).unwrap_or_default();
    state.open_guard(&OpenGuard { account: account.clone(), run_id, since, guards }).await?;
    state.store_plan(run_id, &account, since, &kept).await
}
