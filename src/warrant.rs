//! The right to delete, as a value.
//!
//! [`Armed`] exists only where the file says `dry_run = false`; a [`Warrant`] is `Armed` bound to the
//! ids of one admitted plan. Whoever lacks the value cannot ask for a deletion, so a dry run is the
//! absence of a value, not the state of a flag.
//! Not here: who may be deleted (`policy`), whether a plan may run (`guards`), the call (`api`).

use std::collections::BTreeSet;

use crate::batch::BatchId;

/// Says that the file allows deletions. Made by `config` alone (an architecture test holds that).
#[derive(Debug)]
pub struct Armed(());

impl Armed {
    /// The right to delete, unless this is a dry run.
    #[expect(clippy::fn_params_excessive_bools, reason = "the one place where the flag ends")]
    pub const fn unless_dry_run(dry_run: bool) -> Option<Self> {
        if dry_run { None } else { Some(Self(())) }
    }

    /// Binds the right to the ids of one plan. Called by `guards` alone.
    pub const fn warrant(self, ids: BTreeSet<BatchId>) -> Warrant {
        Warrant { ids }
    }
}

/// The right to delete these batches and no others.
#[derive(Debug)]
pub struct Warrant {
    ids: BTreeSet<BatchId>,
}

impl Warrant {
    /// Whether this batch may be deleted.
    pub fn covers(&self, id: &BatchId) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_has_nothing_to_delete_with() {
        assert!(Armed::unless_dry_run(true).is_none());
    }

    #[test]
    fn a_warrant_covers_its_own_ids_only() {
        let id = |text| BatchId::parse(text).unwrap();
        let warrant = Armed::unless_dry_run(false).unwrap().warrant(BTreeSet::from([id("A1")]));
        assert!(warrant.covers(&id("A1")));
        assert!(!warrant.covers(&id("A2")));
    }
}
