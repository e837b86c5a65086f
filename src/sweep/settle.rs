//! Settling: what became of deletions that a killed run left open. Before anything is decided, a Get for
//! each.
//!
//! A batch that is missing was deleted by us only if this is still the account that it was in, so the
//! account is listed first: the key may have been swapped since. Where that is in doubt, the intent stays
//! open, until the right key is back or the doubt is over ([`give_up`]).
//! Not here: the journal of a sweep under way (`journal`).
//! Invariant: an intent is settled once, and only by an answer; without one it stays open, and the run
//! ends. Nothing is said to be deleted on the word of another account.

use std::collections::BTreeSet;

use crate::api::client::{Lookup, Reader, Surroundings};
use crate::api::error::Error;
use crate::batch::BatchId;
use crate::inventory::Inventory;
use crate::observe::event::Event;
use crate::state::{Entry, Outcome, Settled, StateError};
use crate::sweep::journal::Journal;

/// Why open intents could not be settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// The state cannot be read or written.
    #[error("what a killed run left open cannot be settled")]
    State(#[source] StateError),
    /// The API gave no answer.
    #[error("{open} of a killed run cannot be looked at")]
    Look {
        /// How many were open.
        open: String,
        /// Why not.
        source: Error,
    },
}

impl From<StateError> for Unsettled {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// Which account the API shows now.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Its product, address and key, without the key.
    pub origin: &'a str,
    /// Its complete listing.
    pub listed: &'a Inventory,
    /// The last complete listing before this one, less what was deleted since.
    pub last: Option<&'a BTreeSet<BatchId>>,
}

impl Shown<'_> {
    /// Whether it shows a batch of the account that was listed before, or one that was meant to go. No
    /// id is ever given twice.
    fn is_known(&self, open: &[Entry]) -> bool {
        let was_listed = |id: &BatchId| self.last.is_some_and(|last| last.contains(id));
        let was_meant = |id: &BatchId| open.iter().any(|entry| entry.batch == *id);
        self.listed.batches().iter().any(|batch| was_listed(&batch.id) || was_meant(&batch.id))
    }
}

/// What settling came to.
#[derive(Debug, Default)]
pub struct Settling {
    /// Batches that the killed run deleted.
    pub deleted: BTreeSet<BatchId>,
    /// Intents that are still open: their batches are missing, and the account may be another one.
    pub in_doubt: Vec<Entry>,
}

/// Settles the account's open intents, once the account is listed.
///
/// # Errors
/// When one of them cannot be settled; those before it are.
pub async fn settle(
    journal: Journal<'_>,
    reader: &Reader,
    around: &Surroundings,
    shown: Shown<'_>,
) -> Result<Settling, Unsettled> {
    let open = journal.state.open_intents(journal.account).await?;
    let is_known = shown.is_known(&open);
    let mut settling = Settling::default();
    for entry in &open {
        journal.owner.check().await?;
        let found = reader.get(&entry.batch).await.map_err(|source| {
            let open = crate::batch::counted(open.len() as u128, "deletion", "deletions");
            Unsettled::Look { open, source }
        })?;
        match found {
            Lookup::Found(_) => conclude(journal, around, entry, STILL_THERE).await?,
            Lookup::Missing if is_known || is_same(journal, entry, shown.origin).await? => {
                conclude(journal, around, entry, MISSING).await?;
                settling.deleted.insert(entry.batch.clone());
            }
            Lookup::Missing => settling.in_doubt.push(entry.clone()),
        }
    }
    Ok(settling)
}

/// Settles what stayed in doubt, once the account that is shown now takes the place of the one before:
/// nobody will ever know.
///
/// # Errors
/// When it cannot be written.
pub async fn give_up(
    journal: Journal<'_>,
    around: &Surroundings,
    in_doubt: &[Entry],
) -> Result<(), StateError> {
    for entry in in_doubt {
        conclude(journal, around, entry, NOBODY_KNOWS).await?;
    }
    Ok(())
}

/// Whether an intent is of the account that this origin opens.
async fn is_same(journal: Journal<'_>, entry: &Entry, origin: &str) -> Result<bool, StateError> {
    let meant_in = journal.state.origin_of(entry.run_id).await?;
    Ok(meant_in.is_some_and(|meant_in| meant_in == origin))
}

/// What a look after a kill says of the DELETE that may have been sent before it: outcome and detail.
type Meaning = (&'static str, &'static str);

const MISSING: Meaning = ("deleted", "the run was killed; a later look found the batch missing");
const STILL_THERE: Meaning =
    ("failed", "the run was killed; a later look found the batch still there");
const NOBODY_KNOWS: Meaning = (
    "failed",
    "the run was killed, and the key is another one since; the batch is missing in what it opens, and \
     nobody can say why",
);

/// Writes what became of an intent, and tells it.
async fn conclude(
    journal: Journal<'_>,
    around: &Surroundings,
    entry: &Entry,
    (outcome, detail): Meaning,
) -> Result<(), StateError> {
    let settled = settled(entry, outcome, detail, around);
    let recorded = journal.state.record(&[settled], &[]).await?;
    debug_assert!(recorded.held.is_empty(), "no intent was written");
    let event = Event::JournalSettled {
        batch: entry.batch.clone(),
        rule: entry.rule.clone(),
        of_run: entry.run_id,
        outcome,
    };
    around.observer.observe(&around.scope, &event);
    Ok(())
}

fn settled(entry: &Entry, outcome: &str, detail: &str, around: &Surroundings) -> Settled {
    Settled {
        run_id: entry.run_id,
        batch: entry.batch.clone(),
        outcome: Outcome {
            outcome: outcome.to_owned(),
            detail: Some(detail.to_owned()),
            // How many DELETEs left before the kill nobody knows: none or one.
            attempts: 0,
            at: around.clock.now(),
        },
    }
}
