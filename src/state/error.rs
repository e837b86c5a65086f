//! What can go wrong with the state, what to do about it, and how much it weighs.
//!
//! Not here: which answer of a database means which of these (`trouble`), exit codes (`run::report`).
//! Invariant: no text in here holds a password.

use std::path::PathBuf;

use super::location::BadLocation;
use crate::batch::{BatchId, RunId};

/// How much an error of the state weighs: what its exit code is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Another process has the account.
    Locked,
    /// The file asks for something that cannot be.
    Configuration,
    /// The state cannot be relied on.
    Unusable,
    /// What was remembered is gone; somebody must say that this is known.
    Vanished,
}

/// What a database said, as text. It has no cause of its own: sqlx repeats its causes in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub(super) String);

/// How a database was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The file is not there.
    Missing,
    /// The file has no content.
    Empty,
}

impl Gone {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "empty",
        }
    }
}

/// What went wrong with the state. Nothing is deleted after any of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// This machine has no usual place for it, and the file names none.
    #[error(transparent)]
    NoPlace(BadLocation),
    /// The folder of the file does not exist.
    #[error("the folder {} does not exist", .0.display())]
    NoFolder(PathBuf),
    /// Something else than a file stands in the file's place.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// The folder or the file cannot be written.
    #[error("{} cannot be written: {why}", .path.display())]
    ReadOnly {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The file is on a file system that other machines share.
    #[error("{} is on a network file system ({kind}), where SQLite's log is not safe", .path.display())]
    NetworkFilesystem {
        /// The file.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// The file is a mount by itself, its folder is not.
    #[error("{} is mounted by itself: SQLite's log beside it would not be kept", .0.display())]
    MountedAlone(PathBuf),
    /// The file is not a database of this program.
    #[error("{} is not a state of batchsweep", .0.display())]
    Foreign(PathBuf),
    /// The database contradicts itself, or what it holds cannot be read.
    #[error("the state {at} is damaged: {found}")]
    Damaged {
        /// Where.
        at: String,
        /// What was found first.
        found: String,
    },
    /// A newer version of this program has written it.
    #[error(
        "the state {at} has schema {found}, written by batchsweep {written_by}; this program knows up to {known}"
    )]
    Newer {
        /// Where.
        at: String,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
        /// The version that wrote it last.
        written_by: String,
    },
    /// An older version has written it, and it was opened only to be read.
    #[error("the state {at} has schema {found}; this program reads {known}")]
    Older {
        /// Where.
        at: String,
        /// Its schema.
        found: i64,
        /// The schema that this program reads.
        known: i64,
    },
    /// There were runs, and what was remembered of them is gone.
    #[error("history vanished: the state {} is {}, although there were runs", .path.display(), .gone.as_str())]
    Vanished {
        /// The file.
        path: PathBuf,
        /// How it is gone.
        gone: Gone,
    },
    /// There is no state yet, and it was opened only to be read.
    #[error("there is no state at {at} yet")]
    None {
        /// Where.
        at: String,
    },
    /// It cannot be opened.
    #[error("cannot open the state {at}")]
    Open {
        /// Where.
        at: String,
        /// What the database said.
        source: Said,
    },
    /// The disk, or a quota on it, is full.
    #[error("cannot write the state {at}: no space is left")]
    Full {
        /// Where.
        at: String,
    },
    /// Another process kept it for longer than the wait.
    #[error("the state {at} is in use by another process")]
    Busy {
        /// Where.
        at: String,
    },
    /// Reading failed.
    #[error("cannot read the state {at}")]
    Read {
        /// Where.
        at: String,
        /// What the database said.
        source: Said,
    },
    /// Writing failed.
    #[error("cannot write the state {at}")]
    Write {
        /// Where.
        at: String,
        /// What the database said.
        source: Said,
    },
    /// A write failed before in such a way that nobody knows what is on the disk.
    #[error("the state {at} failed to write before and is not trusted again by this process")]
    Distrusted {
        /// Where.
        at: String,
    },
    /// It was opened only to be read.
    #[error("the state {at} is open for reading only")]
    OpenForReading {
        /// Where.
        at: String,
    },
    /// Another process, or another part of this one, owns the account.
    #[error("account `{name}` is in use by {by}")]
    Held {
        /// The account.
        name: String,
        /// Who, as far as can be told.
        by: String,
    },
    /// The right to the account was lost.
    #[error("the lock on account `{name}` is lost: {why}")]
    LockLost {
        /// The account.
        name: String,
        /// How.
        why: String,
    },
    /// A second intent for a batch in one run.
    #[error("run {run_id} already meant to delete batch {batch}")]
    IntendedTwice {
        /// The run.
        run_id: RunId,
        /// The batch.
        batch: BatchId,
    },
    /// An outcome for a batch that no intent names.
    #[error("run {run_id} never meant to delete batch {batch}")]
    NeverIntended {
        /// The run.
        run_id: RunId,
        /// The batch.
        batch: BatchId,
    },
    /// A second outcome for a batch in one run.
    #[error("run {run_id} already has an outcome for batch {batch}")]
    SettledTwice {
        /// The run.
        run_id: RunId,
        /// The batch.
        batch: BatchId,
    },
    /// The run is unknown, or has ended before.
    #[error("run {0} is not under way")]
    NotUnderWay(RunId),
}

impl StateError {
    /// How much it weighs.
    pub const fn class(&self) -> Class {
        match self {
            Self::Held { .. } | Self::LockLost { .. } => Class::Locked,
            Self::NoPlace(_) | Self::NetworkFilesystem { .. } | Self::MountedAlone(_) => {
                Class::Configuration
            }
            Self::Vanished { .. } => Class::Vanished,
            Self::NoFolder(_)
            | Self::NotAFile(_)
            | Self::ReadOnly { .. }
            | Self::Foreign(_)
            | Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::None { .. }
            | Self::Open { .. }
            | Self::Full { .. }
            | Self::Busy { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Distrusted { .. }
            | Self::OpenForReading { .. }
            | Self::IntendedTwice { .. }
            | Self::NeverIntended { .. }
            | Self::SettledTwice { .. }
            | Self::NotUnderWay(_) => Class::Unusable,
        }
    }

    /// The error and what the database said, in one line.
    pub fn sentence(&self) -> String {
        match std::error::Error::source(self) {
            Some(said) => format!("{self}: {said}"),
            None => self.to_string(),
        }
    }

    /// What to do about it: lower case, no full stop.
    pub fn help(&self) -> String {
        let advice = self.advice();
        if let Self::NoFolder(path) = self {
            return advice.replace("PATH", &path.display().to_string());
        }
        advice.to_owned()
    }

    const fn advice(&self) -> &'static str {
        match self {
            Self::NoPlace(bad) => bad.help(),
            Self::Vanished { .. } => {
                "if a disk is not mounted, mount it; if you have a copy, put it back. If the past (history, holds, grace, open guards) is gone for good, say so: `batchsweep approve --vanished-state`; then runs go on as on the first day"
            }
            Self::NoFolder(_) => {
                "is a disk not mounted? If not, make the folder: install -d -m 0700 PATH"
            }
            Self::NotAFile(_) => {
                "`[state] url` names a file, for example sqlite:/var/lib/batchsweep/state.db"
            }
            Self::ReadOnly { .. } => {
                "the account that runs batchsweep must own the folder; in a container, mount a volume there; `[state] url` says where"
            }
            Self::NetworkFilesystem { .. } => {
                "put the state on a local disk, or use PostgreSQL: `url = \"postgres://…\"` in [state]"
            }
            Self::MountedAlone(_) => "mount the folder that the file is in, not the file",
            Self::Foreign(_) => {
                "`[state] url` must name a file of its own; move the other one away if it is in the way by mistake"
            }
            Self::Damaged { .. } => {
                "put a copy back, or move the file and those beside it away: then there is no memory of holds, grace and open guards. Check the disk"
            }
            Self::Newer { .. } => {
                "use that version or a newer one; there is no way back for the file"
            }
            Self::Older { .. } => {
                "run `batchsweep once` on the original first, or read the copy with the version that wrote it"
            }
            Self::None { .. } => "the first run makes it; check `[state] url` if there were runs",
            Self::Open { .. } => {
                "check `[state] url`, and that the server runs and lets this account in"
            }
            Self::Full { .. } => "make space or raise the quota; the next run settles what is open",
            Self::Busy { .. } => {
                "look for another batchsweep that hangs, or a backup that holds the file; then try again"
            }
            Self::Read { .. } | Self::Write { .. } => {
                "check the disk, or the database server and the way to it; the next run settles what is open"
            }
            Self::Distrusted { .. } => {
                "check the disk (dmesg, smartctl), then start again; the next run settles what is open"
            }
            Self::OpenForReading { .. } => "use the original, not a copy",
            Self::Held { .. } => {
                "wait until it has ended; if nobody should be at work there, end that process"
            }
            Self::LockLost { .. } => {
                "another instance may have the account now; the next run settles what is open"
            }
            Self::IntendedTwice { .. }
            | Self::NeverIntended { .. }
            | Self::SettledTwice { .. }
            | Self::NotUnderWay(_) => {
                "either two instances work on one state without a lock, or this is a bug of batchsweep: please report it"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::batch::fixtures::at;

    fn said() -> Said {
        Said("server closed the connection".to_owned())
    }

    /// The next example after this one: the `match` does not compile when a variant has no row.
    fn next(error: Option<&StateError>) -> Option<StateError> {
        let at = || "/var/lib/batchsweep/state.db".to_owned();
        let path = || PathBuf::from(at());
        let run_id = RunId::new(self::at("2026-11-25T12:00:00Z"), [7; 10]);
        let batch = || BatchId::parse("A1").unwrap();
        Some(match error {
            None => StateError::NoPlace(BadLocation::NoFolder),
            Some(StateError::NoPlace(_)) => StateError::NoFolder("/var/lib/batchsweep".into()),
            Some(StateError::NoFolder(_)) => StateError::NotAFile(path()),
            Some(StateError::NotAFile(_)) => {
                StateError::ReadOnly { path: path(), why: "it is mounted read-only".into() }
            }
            Some(StateError::ReadOnly { .. }) => {
                StateError::NetworkFilesystem { path: path(), kind: "NFS" }
            }
            Some(StateError::NetworkFilesystem { .. }) => StateError::MountedAlone(path()),
            Some(StateError::MountedAlone(_)) => StateError::Foreign(path()),
            Some(StateError::Foreign(_)) => {
                StateError::Damaged { at: at(), found: "page 7 is never used".into() }
            }
            Some(StateError::Damaged { .. }) => {
                StateError::Newer { at: at(), found: 9, known: 1, written_by: "1.4.0".into() }
            }
            Some(StateError::Newer { .. }) => StateError::Older { at: at(), found: 1, known: 2 },
            Some(StateError::Older { .. }) => {
                StateError::Vanished { path: path(), gone: Gone::Missing }
            }
            Some(StateError::Vanished { gone: Gone::Missing, .. }) => {
                StateError::Vanished { path: path(), gone: Gone::Empty }
            }
            Some(StateError::Vanished { gone: Gone::Empty, .. }) => StateError::None { at: at() },
            Some(StateError::None { .. }) => StateError::Open { at: at(), source: said() },
            Some(StateError::Open { .. }) => StateError::Full { at: at() },
            Some(StateError::Full { .. }) => StateError::Busy { at: at() },
            Some(StateError::Busy { .. }) => StateError::Read { at: at(), source: said() },
            Some(StateError::Read { .. }) => StateError::Write { at: at(), source: said() },
            Some(StateError::Write { .. }) => StateError::Distrusted { at: at() },
            Some(StateError::Distrusted { .. }) => StateError::OpenForReading { at: at() },
            Some(StateError::OpenForReading { .. }) => StateError::Held {
                name: "main".into(),
                by: "pid 812 on web-1 since 2026-11-25 02:10 UTC".into(),
            },
            Some(StateError::Held { .. }) => StateError::LockLost {
                name: "main".into(),
                why: "the connection to the database is lost".into(),
            },
            Some(StateError::LockLost { .. }) => {
                StateError::IntendedTwice { run_id, batch: batch() }
            }
            Some(StateError::IntendedTwice { .. }) => {
                StateError::NeverIntended { run_id, batch: batch() }
            }
            Some(StateError::NeverIntended { .. }) => {
                StateError::SettledTwice { run_id, batch: batch() }
            }
            Some(StateError::SettledTwice { .. }) => StateError::NotUnderWay(run_id),
            Some(StateError::NotUnderWay(_)) => return None,
        })
    }

    #[test]
    fn every_error_says_what_happened_what_to_do_and_what_it_weighs() {
        let mut shown = String::new();
        let mut error = next(None);
        while let Some(this) = error {
            writeln!(shown, "{this}\n  help: {}\n  {:?}", this.help(), this.class()).unwrap();
            error = next(Some(&this));
        }
        insta::assert_snapshot!(shown);
    }
}
