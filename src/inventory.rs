//! The inventory: one account's complete, verified listing.
//!
//! `list` asks for pages; `prove` judges pages as data. Not here: the call itself (`api`).
//! Invariant: an [`Inventory`] exists only where the pages prove that nothing is missing.

use crate::batch::Batch;

/// A complete listing of one account, oldest first.
#[derive(Debug)]
pub struct Inventory {
    batches: Vec<Batch>,
    hostile_ids: Vec<Box<str>>,
}

impl Inventory {
    /// The batches, in the order listed: by creation, oldest first.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Ids, as sent, of batches that cannot be asked for. They are kept.
    pub fn hostile_ids(&self) -> &[Box<str>] {
        &self.hostile_ids
    }

    /// An inventory from batches that a test or a case made up.
    pub fn of(batches: Vec<Batch>) -> Self {
        Self { batches, hostile_ids: Vec::new() }
    }
}
