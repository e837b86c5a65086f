//! What the policy is told of the past: protections that people made by hand.
//!
//! Not here: where it is remembered. Without a memory, nothing is held.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::BatchId;
use crate::clock::Timestamp;

/// One batch protected by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Up to and including this instant.
    pub until: Timestamp,
    /// Why, as that person said.
    pub why: Arc<str>,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Protections by batch.
    pub holds: BTreeMap<BatchId, Hold>,
}
