//! What a database's complaint means, by its code.
//!
//! Codes of SQLite: the low byte is the class, the rest says more. Codes of PostgreSQL: SQLSTATE.

use super::error::{Said, StateError};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Opening.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
}

/// What a complaint means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No space.
    Full,
    /// Somebody else has it.
    Busy,
    /// It cannot be written.
    ReadOnly,
    /// What is there contradicts itself.
    Damaged,
    /// What is there is not a database.
    NotADatabase,
    /// The disk failed: nobody knows what was written.
    Disk,
    /// The connection is gone.
    Disconnected,
    /// Anything else.
    Other,
}

impl Trouble {
    /// Reads an error of sqlx.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "sqlx may add errors; what is not known is `Other`"
    )]
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(complaint) => {
                complaint.code().map_or(Self::Other, |code| Self::of_code(&code))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::PoolClosed => Self::Disconnected,
            _ => Self::Other,
        }
    }

    fn of_code(code: &str) -> Self {
        let is_state = code.len() == 5;
        if is_state {
            return match code {
                "53100" => Self::Full,
                "25006" => Self::ReadOnly,
                "XX001" | "XX002" => Self::Damaged,
                "58030" => Self::Disk,
                "55P03" | "57014" => Self::Busy,
                _ if code.starts_with("08") || code.starts_with("57P") => Self::Disconnected,
                _ => Self::Other,
            };
        }
        match code.parse::<u32>().map(|code| code & 0xff) {
            Ok(5 | 6) => Self::Busy,
            Ok(8) => Self::ReadOnly,
            Ok(10) => Self::Disk,
            Ok(11) => Self::Damaged,
            Ok(13) => Self::Full,
            Ok(26) => Self::NotADatabase,
            _ => Self::Other,
        }
    }

    /// The error for people.
    pub(super) fn told(self, doing: Doing, at: &str, error: &sqlx::Error) -> StateError {
        let at = at.to_owned();
        match (self, doing) {
            (Self::Full, _) => StateError::Full { at },
            (Self::Busy, _) => StateError::Busy { at },
            (Self::ReadOnly, _) => StateError::ReadOnly { path: at.into(), why: said(error) },
            (Self::Damaged | Self::NotADatabase, _) => {
                StateError::Damaged { at, found: said(error) }
            }
            (Self::Disk | Self::Disconnected | Self::Other, doing) => {
                let source = Said(said(error));
                match doing {
                    Doing::Open => StateError::Open { at, source },
                    Doing::Read => StateError::Read { at, source },
                    Doing::Write => StateError::Write { at, source },
                }
            }
        }
    }
}

/// What the database said, without the words that sqlx puts before it.
pub(super) fn said(error: &sqlx::Error) -> String {
    if let sqlx::Error::Database(complaint) = error {
        return crate::batch::escaped(complaint.message());
    }
    if matches!(error, sqlx::Error::Configuration(_)) {
        // What the configuration holds may be a secret, and sqlx may repeat it.
        return "its URL has a part that is not understood".to_owned();
    }
    crate::batch::escaped(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // fault: D1, D10
    #[test]
    fn each_code_has_its_meaning() {
        for (code, expected) in [
            ("13", Trouble::Full),
            ("5", Trouble::Busy),
            ("517", Trouble::Busy),
            ("8", Trouble::ReadOnly),
            ("1032", Trouble::ReadOnly),
            ("10", Trouble::Disk),
            ("1034", Trouble::Disk),
            ("778", Trouble::Disk),
            ("11", Trouble::Damaged),
            ("26", Trouble::NotADatabase),
            ("14", Trouble::Other),
            ("1", Trouble::Other),
            ("53100", Trouble::Full),
            ("25006", Trouble::ReadOnly),
            ("57P01", Trouble::Disconnected),
            ("08006", Trouble::Disconnected),
            ("58030", Trouble::Disk),
            ("23505", Trouble::Other),
            ("", Trouble::Other),
        ] {
            assert_eq!(Trouble::of_code(code), expected, "{code}");
        }
    }

    // fault: S3
    #[test]
    fn what_a_url_holds_is_not_repeated() {
        let error = sqlx::Error::Configuration("unknown value CANARY".into());
        assert!(!said(&error).contains("CANARY"));
    }
}
