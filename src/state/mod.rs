//! What is remembered between runs: runs, the journal of deletions, the last inventory, grace, holds,
//! open guards and approvals, rule versions, the list window, and who owns an account.
//!
//! SQLite and PostgreSQL behind one interface and one SQL text. One connection; a call waits for the
//! one before it. Not here: what any of it means for a batch (`policy`), a plan (`guards`) or a
//! deletion (`sweep`); when to ask (`run`).
//! Invariant: what a method says is written is on the disk. A state that cannot be relied on is an
//! error, never an empty one.

mod error;
mod location;
mod trouble;
mod patience;
mod files;
mod link;
mod connect;
mod schema;
mod pack;
mod runs;
mod journal;
mod inventory;
mod plans;
mod marks;
mod rules;
mod protection;
mod holds;
mod guard;
mod window;
mod lock;
mod prune;
#[cfg(test)]
mod tests;

pub use error::{Class, Gone, Said, StateError};
pub use guard::{Approval, Approving, NotApproved, OpenGuard};
pub use holds::Hold;
pub use inventory::Listing;
pub use journal::{Deletion, DeletionFilter, Entry, Outcome, Recorded, Settled};
pub use location::{BadLocation, Location};
pub use lock::Ownership;
pub use marks::Marks;
pub use protection::Exposed;
pub use prune::Pruned;
pub use runs::{Run, RunBegin, RunEnd, RunFilter};

use std::fmt;
use std::sync::Arc;

use link::Inner;

/// The state, open. A clone is the same state.
#[derive(Clone)]
pub struct State {
    inner: Arc<Inner>,
}

impl State {
    /// Where it is, without a password.
    pub fn at(&self) -> &str {
        &self.inner.at
    }

    /// Whether what is written outlives this process.
    pub fn is_durable(&self) -> bool {
        self.inner.location.is_durable()
    }

    /// Whether this is a copy that was opened as it is, without the newest rows: they are in a file
    /// beside it (`-wal`) that cannot be read on a read-only disk.
    pub fn misses_the_latest(&self) -> bool {
        self.inner.misses_the_latest
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({})", self.inner.at)
    }
}
