//! Settling: what became of deletions that a killed run left open. Before anything else, a Get for each.
//!
//! Not here: the journal of a sweep under way (`journal`).
//! Invariant: an intent is settled once, and only by an answer; without one it stays open, and the run
//! ends.

use crate::api::client::{Lookup, Reader, Surroundings};
use crate::api::error::Error;
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

/// Settles the account's open intents. How many there were.
///
/// # Errors
/// When one of them cannot be settled; those before it are.
pub async fn settle(
    journal: Journal<'_>,
    reader: &Reader,
    around: &Surroundings,
) -> Result<usize, Unsettled> {
    let open = journal.state.open_intents(journal.account).await?;
    for entry in &open {
        journal.owner.check().await?;
        let found = reader.get(&entry.batch).await.map_err(|source| {
            let open = crate::batch::counted(open.len() as u128, "deletion", "deletions");
            Unsettled::Look { open, source }
        })?;
        let (outcome, detail) = meaning(&found);
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
    }
    Ok(open.len())
}

/// What a look after a kill says of the DELETE that may have been sent before it.
const fn meaning(found: &Lookup) -> (&'static str, &'static str) {
    match found {
        Lookup::Missing => ("deleted", "the run was killed; a later look found the batch missing"),
        Lookup::Found(_) => {
            ("failed", "the run was killed; a later look found the batch still there")
        }
    }
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
