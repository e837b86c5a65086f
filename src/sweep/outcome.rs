//! Outcomes: what became of each batch that the plan deletes.
//!
//! Not here: verdicts, which are given before acting (`policy::verdict`).
//! Invariant: [`Outcome::Deleted`] is said only where the API confirmed the deletion, or a later look
//! proved it.

use crate::api::error::{Error, ServerText};
use crate::batch::{Fact, Field, Status, escaped};

/// What became of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Deleted, confirmed.
    Deleted(Proof),
    /// Queued, running or in an unknown state; the next run looks again.
    Busy(Fact<Status>),
    /// Not the batch any more that the plan is about: these fields differ.
    Changed(Vec<Field>),
    /// It was missing before we asked: not our doing.
    Gone,
    /// Somebody holds it since the plan was made.
    Held,
    /// The API keeps it, since results were never delivered (contract §2.6).
    Undelivered {
        /// The newest result set whose webhook failed.
        result_set: u64,
        /// What the API said.
        message: ServerText,
    },
    /// The API said no although it is idle.
    Refused {
        /// The status.
        status: u16,
        /// What the API said.
        message: ServerText,
    },
    /// It is still there, or nobody can say.
    Failed(Failure),
    /// The sweep ended before its turn.
    NotReached,
}

/// How a deletion was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The API said so.
    Acknowledged,
    /// The answer was lost or odd; a later look found the batch missing.
    Absent,
}

/// Why a batch that should go may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It could not be looked at.
    Look(Error),
    /// The DELETE did not succeed, as often as it was tried; the batch is still there.
    Delete(Error),
    /// The DELETE may have taken effect; the look that was to tell failed.
    Unknown {
        /// What came of the DELETE.
        delete: String,
        /// What came of the look.
        look: Error,
    },
    /// The API confirmed the deletion, but still lists the batch.
    StillListed,
}

impl Outcome {
    /// Every outcome's name, in the order in which tables show them.
    pub const NAMES: [&'static str; 8] =
        ["deleted", "failed", "refused", "busy", "changed", "held", "gone", "not_reached"];

    /// The API confirmed the deletion, and a last listing still shows the batch.
    pub const fn still_listed() -> Self {
        Self::Failed(Failure::StillListed)
    }

    /// The outcome's name in the output.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Deleted(_) => "deleted",
            Self::Busy(_) => "busy",
            Self::Changed(_) => "changed",
            Self::Gone => "gone",
            Self::Held => "held",
            Self::Undelivered { .. } | Self::Refused { .. } => "refused",
            Self::Failed(_) => "failed",
            Self::NotReached => "not_reached",
        }
    }

    /// Whether it asks for exit code 1 and counts as a failure in a row.
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Refused { .. } => true,
            Self::Deleted(_)
            | Self::Busy(_)
            | Self::Changed(_)
            | Self::Gone
            | Self::Held
            | Self::Undelivered { .. }
            | Self::NotReached => false,
        }
    }

    /// Whether the account has it no more.
    pub const fn is_gone(&self) -> bool {
        match self {
            Self::Deleted(_) | Self::Gone => true,
            Self::Failed(_)
            | Self::Refused { .. }
            | Self::Busy(_)
            | Self::Changed(_)
            | Self::Held
            | Self::Undelivered { .. }
            | Self::NotReached => false,
        }
    }

    /// The sentence for people; empty where the name says it all.
    pub fn detail(&self) -> String {
        match self {
            Self::Deleted(Proof::Acknowledged) => String::new(),
            Self::Deleted(Proof::Absent) => "confirmed by its absence".to_owned(),
            Self::Busy(status) => busy(status),
            Self::Changed(fields) => {
                let fields: Vec<_> = fields.iter().map(|field| field.as_str()).collect();
                format!("changed since the plan: {}", fields.join(", "))
            }
            Self::Gone => "already gone, not by us".to_owned(),
            Self::Held => "held by hand since the plan was made".to_owned(),
            Self::Undelivered { result_set, message } => format!(
                "result set {result_set} was never delivered to its webhook ({message}); a rule that \
                 says force_failed_webhooks = true would delete it all the same"
            ),
            Self::Refused { status, message } => {
                format!("the API refused although it is idle: {message} (HTTP {status})")
            }
            Self::Failed(failure) => failure.detail(),
            Self::NotReached => "the sweep ended before its turn".to_owned(),
        }
    }
}

/// What a batch is doing, in words.
fn busy(status: &Fact<Status>) -> String {
    match status {
        Fact::Known(Status::Other(word)) => format!("unknown status `{}`", escaped(word)),
        Fact::Known(status) => status.as_str().to_owned(),
        Fact::Missing => "its status is missing".to_owned(),
        Fact::Unreadable(seen) => format!("its status is unreadable: {}", escaped(seen)),
    }
}

impl Failure {
    fn detail(&self) -> String {
        match self {
            Self::Look(error) => format!("it could not be looked at: {}", error.cause()),
            Self::Delete(error) => format!("still there: {}", error.cause()),
            Self::Unknown { delete, look } => format!(
                "it may be deleted or not: the DELETE ended with {delete}, and the look after it \
                 with {}",
                look.cause()
            ),
            Self::StillListed => "the API confirmed the deletion but still lists it".to_owned(),
        }
    }
}
