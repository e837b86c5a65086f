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
use crate::config::RuleHashes;
use crate::guards::SinceLast;
use crate::inventory::Inventory;
use crate::plan::{Plan, Stamps};
use crate::policy::{Hold, Memory};
use crate::run::{Admission, Memorable, plan_of};
use crate::state::{DeletionFilter, Listing, OpenGuard, State, StateError};

/// What earlier runs left behind, as far as planning needs it.
#[derive(Debug, Clone, Default)]
pub struct Recalled {
    /// What the policy is told.
    pub memory: Memory,
    /// The batches of the last complete listing that this program did not delete since.
    pub last: Option<BTreeSet<BatchId>>,
    /// When that listing was made.
    pub listed_at: Option<Timestamp>,
    /// Keep rules that were edited or taken away since the last run.
    pub exposed_by: Vec<RuleName>,
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

    /// Batches that a killed run deleted, as it turned out.
    pub(super) fn forget(&mut self, deleted: &BTreeSet<BatchId>) {
        if let Some(last) = &mut self.last {
            last.retain(|id| !deleted.contains(id));
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

/// Recalls what is known of an account at an instant. `rules` are the hashes of its rules.
///
/// # Errors
/// When the state cannot be read, or written.
pub async fn recall(
    state: &State,
    account: &AccountName,
    rules: &RuleHashes,
    now: Timestamp,
    sight: Sight,
) -> Result<Recalled, StateError> {
    let (mut unchanged_since, exposed) = match sight {
        Sight::Counts => (
            state.see_rules(account, now, &rules.delete).await?,
            state.see_keep_rules(account, now, &rules.keep).await?,
        ),
        Sight::LooksOnly => (
            known_rules(state, account, &rules.delete).await?,
            state.exposed(account, now, &rules.keep).await?,
        ),
    };
    // Whatever a keep rule protected, each delete rule may select it now as if it were new.
    for since in unchanged_since.values_mut() {
        *since = (*since).max(exposed.since.unwrap_or(*since));
    }
    let selected_since = state.marks(account).await?;
    let holds = state.holds(Some(account)).await?;
    let holds = holds.into_iter().filter(|hold| hold.protects(now)).map(|hold| {
        // The state's end is the first instant that is free, the policy's the last that is not.
        let until = hold.until - TimeDelta::milliseconds(1);
        (hold.batch, Hold { until, why: hold.why.into() })
    });
    let memory = Memory { holds: holds.collect(), selected_since, unchanged_since };
    let (listed_at, last) = last_listed(state, account).await?.unzip();
    Ok(Recalled { memory, last, listed_at, exposed_by: exposed.by, approved: None, sealed: None })
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

/// How far back deletions are looked for: a clock may have been set back since the listing, and the API
/// may have listed what was deleted just before. No id is ever given twice, so more does no harm.
const SETBACK: TimeDelta = TimeDelta::days(7);

/// How many batches the account's last complete listing had, less those deleted since.
///
/// # Errors
/// When the state cannot be read.
pub(super) async fn last_batches(
    state: &State,
    account: &AccountName,
) -> Result<Option<usize>, StateError> {
    Ok(last_listed(state, account).await?.map(|(_, left)| left.len()))
}

/// When the last complete listing was made, and its batches, but for those deleted since.
async fn last_listed(
    state: &State,
    account: &AccountName,
) -> Result<Option<(Timestamp, BTreeSet<BatchId>)>, StateError> {
    let Some(listing) = state.last_listing(account).await? else { return Ok(None) };
    let mut left: BTreeSet<_> = listing.ids.into_iter().collect();
    let filter = DeletionFilter {
        account: Some(account.clone()),
        since: Some(listing.listed_at - SETBACK),
        ..DeletionFilter::default()
    };
    for deletion in state.deletions(&filter).await? {
        let is_deleted = deletion.outcome.is_some_and(|outcome| outcome.outcome == "deleted");
        if is_deleted {
            left.remove(&deletion.entry.batch);
        }
    }
    Ok(Some((listing.listed_at, left)))
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

/// Whether the listing is taken as the account's, so that the next one is measured by it.
pub(super) fn is_believed(admission: &Admission) -> bool {
    admission
        .as_ref()
        .err()
        .is_none_or(|tripped| !tripped.doubts_the_listing() && !tripped.doubts_the_clock())
}

/// Remembers a complete listing and what the rules with a grace selected of it. One that is doubted,
/// since so much of the last one is gone, does not take its place: else it would be the measure of the
/// next run, and the guard would open by itself.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn remember(
    memory: &Memorable<'_>,
    admission: &Admission,
    selected: &BTreeMap<RuleName, BTreeSet<BatchId>>,
) -> Result<(), StateError> {
    let (plan, state) = (plan_of(admission), memory.state);
    // Nor is anything dated by a clock that is doubted.
    if admission.as_ref().is_err_and(|tripped| tripped.doubts_the_clock()) {
        return Ok(());
    }
    state.update_marks(plan.account(), plan.made_at(), selected).await?;
    if !is_believed(admission) {
        return Ok(());
    }
    let inventory = plan.inventory();
    let listing = Listing {
        account: plan.account().clone(),
        run_id: plan.run_id(),
        listed_at: plan.made_at(),
        hash: inventory.hash(),
        ids: inventory.batches().iter().map(|batch| batch.id.clone()).collect(),
    };
    let records = inventory.batches().iter().filter(|_| memory.keeps_records);
    state.store_inventory(&listing, records.map(|batch| batch.raw.as_str())).await
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
