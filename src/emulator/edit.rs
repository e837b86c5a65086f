//! Edits: what somebody else does to the account while a client is at work.

use super::record::{Record, State};

/// A colleague's, a schedule's or the platform's doing.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A batch appears.
    Insert(Box<Record>),
    /// The batch with that id vanishes.
    Remove(String),
    /// The batch with that id gets that name.
    Rename(String, String),
    /// The batch with that id is started: queued, and running as soon as there is a slot.
    Start(String),
    /// The batch with that id runs at once, and ends after `Knobs::runs_for`.
    Run(String),
    /// The batch with that id is stopped, without a result set.
    Stop(String),
    /// The run of the batch with that id ends now: idle, `last_run` set, one more result set.
    Finish(String),
    /// The batch with that id is put into that state and stays in it.
    Put(String, State),
    /// Anything else: the batch with that id is changed so.
    Change(String, fn(&mut Record)),
}
