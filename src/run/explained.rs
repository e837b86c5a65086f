//! One batch explained: what the rules say of it now, and what was done to it before.
//!
//! Not here: the rules' answers themselves (`policy::explain`), how they are shown (`cli`, `server`).

use crate::batch::{AccountName, Batch, BatchId};
use crate::clock::Timestamp;
use crate::policy::Explanation;
use crate::state::{Deletion, Hold, State, StateError};

/// A batch, what the rules say of it, and its past.
#[derive(Debug)]
pub struct Explained {
    /// The batch.
    pub batch: Batch,
    /// What the rules say.
    pub explanation: Explanation,
    /// What is remembered of it.
    pub past: BatchPast,
}

/// What is remembered of a batch.
#[derive(Debug, Default)]
pub struct BatchPast {
    /// The hold that protects it.
    pub hold: Option<Hold>,
    /// What was done to it, oldest first.
    pub deletions: Vec<Deletion>,
}

impl BatchPast {
    /// What the state knows; nothing without one.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn of(
        state: Option<&State>,
        account: &AccountName,
        id: &BatchId,
        now: Timestamp,
    ) -> Result<Self, StateError> {
        let Some(state) = state else { return Ok(Self::default()) };
        Ok(Self {
            hold: state.held(account, id, now).await?,
            deletions: state.past_of(account, id).await?,
        })
    }
}
