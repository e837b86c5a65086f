//! Where the state is: `[state] url`, read.
//!
//! Not here: whether anything is there (`files`, `connect`).
//! Invariant: neither `Debug` nor `Display` shows a password or a URL's query.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// Where the state is.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub(super) kind: Kind,
    pub(super) holds_paused_time: bool,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Whose choice the folder was.
        folder: Folder,
    },
    /// A PostgreSQL database.
    Postgres(Url),
    /// This process's memory.
    Memory,
}

/// Who chose the folder of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// A default: made where it is missing.
    Default,
    /// The file's author: must be there. A folder that is missing may be a disk that is not mounted,
    /// and a state made below it would have forgotten everything.
    Chosen,
}

/// Why a text is no location. What the text holds is not shown: it may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// No default folder can be told.
    #[error(
        "no folder for the state: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set to an absolute path"
    )]
    NoFolder,
    /// The path is not absolute.
    #[error("the path of a SQLite file must begin with `/`")]
    Relative,
    /// The path does not name a file.
    #[error("the path of a SQLite file must name a file, not a folder")]
    NoFile,
    /// The path is not UTF-8.
    #[error("the path of the state is not text")]
    NotText,
    /// It begins with none of the words that are known.
    #[error("a state's URL begins with `sqlite:`, `postgres://`, `postgresql://` or is `memory:`")]
    Scheme,
    /// It is not a URL.
    #[error("the URL of the database cannot be read: {0}")]
    Url(url::ParseError),
}

impl BadLocation {
    /// What to write instead.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoFolder => "write the path: url = \"sqlite:/var/lib/batchsweep/state.db\"",
            Self::Relative | Self::NoFile | Self::NotText => {
                "write it as sqlite:/var/lib/batchsweep/state.db"
            }
            Self::Scheme => "write `sqlite:` for a file in the default place",
            Self::Url(_) => {
                "write it as postgres://user:password@host/database, with %40 for an @ in the password"
            }
        }
    }
}

/// The file's name in a default folder.
const FILE: &str = "state.db";

impl Location {
    /// Reads `[state] url`. `variable` looks up an environment variable, for the default folder.
    ///
    /// # Errors
    /// When it cannot be a location.
    pub fn parse(
        text: &str,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, BadLocation> {
        if text == "memory:" {
            return Ok(Self::of(Kind::Memory));
        }
        if let Some(rest) = text.strip_prefix("sqlite:") {
            return sqlite(rest, variable).map(Self::of);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let url = Url::parse(text).map_err(BadLocation::Url)?;
            return Ok(Self::of(Kind::Postgres(url)));
        }
        Err(BadLocation::Scheme)
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, holds_paused_time: false }
    }

    /// The same place, for tests under tokio's paused time. The database works on a thread or in a
    /// process of its own, and the paused clock would jump to the next timer during each wait; so it is
    /// kept still, at the price of a busy core.
    #[must_use]
    pub fn holding_paused_time(self) -> Self {
        Self { holds_paused_time: true, ..self }
    }

    /// Whether what is kept there outlives this process.
    pub const fn is_durable(&self) -> bool {
        match &self.kind {
            Kind::Sqlite { .. } | Kind::Postgres(_) => true,
            Kind::Memory => false,
        }
    }
}

fn sqlite(rest: &str, variable: impl Fn(&str) -> Option<OsString>) -> Result<Kind, BadLocation> {
    if rest.is_empty() {
        let path = default_folder(variable).ok_or(BadLocation::NoFolder)?.join(FILE);
        return text_path(path, Folder::Default);
    }
    // `sqlite:///path` is how others write it.
    let path = rest.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(rest);
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(BadLocation::Relative);
    }
    if path.ends_with('/') || Path::new(path).file_name().is_none() {
        return Err(BadLocation::NoFile);
    }
    text_path(path.into(), Folder::Chosen)
}

fn text_path(path: PathBuf, folder: Folder) -> Result<Kind, BadLocation> {
    if path.to_str().is_none() {
        return Err(BadLocation::NotText);
    }
    Ok(Kind::Sqlite { path, folder })
}

fn default_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    // The service manager may give several, apart by colons; the first is ours.
    let given = variable("STATE_DIRECTORY").and_then(|value| {
        let first = value.to_str().and_then(|text| text.split(':').next()).map(OsString::from);
        absolute(first.unwrap_or(value))
    });
    let of_desktop =
        || variable("XDG_STATE_HOME").and_then(absolute).map(|at| at.join("batchsweep"));
    let of_home =
        || variable("HOME").and_then(absolute).map(|home| home.join(".local/state/batchsweep"));
    given.or_else(of_desktop).or_else(of_home)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Sqlite { path, .. } => path.display().fmt(f),
            Kind::Memory => f.write_str("memory:"),
            Kind::Postgres(url) => {
                f.write_str("postgres://")?;
                if !url.username().is_empty() {
                    write!(f, "{}@", url.username())?;
                }
                f.write_str(url.host_str().unwrap_or_default())?;
                if let Some(port) = url.port() {
                    write!(f, ":{port}")?;
                }
                f.write_str(url.path())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<String, BadLocation> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        Location::parse(text, variable).map(|location| location.to_string())
    }

    #[test]
    fn each_spelling_says_where() {
        let home = ("HOME", "/home/ops");
        let xdg = ("XDG_STATE_HOME", "/home/ops/state");
        let given = ("STATE_DIRECTORY", "/var/lib/batchsweep:/var/lib/other");
        for (text, variables, expected) in [
            ("sqlite:", &[home, xdg, given][..], "/var/lib/batchsweep/state.db"),
            ("sqlite:", &[home, xdg], "/home/ops/state/batchsweep/state.db"),
            ("sqlite:", &[home], "/home/ops/.local/state/batchsweep/state.db"),
            (
                "sqlite:",
                &[home, ("XDG_STATE_HOME", "state")],
                "/home/ops/.local/state/batchsweep/state.db",
            ),
            ("sqlite:/srv/a b/x?.db", &[], "/srv/a b/x?.db"),
            ("sqlite:///srv/x.db", &[], "/srv/x.db"),
            ("memory:", &[], "memory:"),
            ("postgres://db.example:5433/ops", &[], "postgres://db.example:5433/ops"),
        ] {
            assert_eq!(read(text, variables).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_location_is_refused() {
        for (text, expected) in [
            ("sqlite:", BadLocation::NoFolder),
            ("sqlite:state.db", BadLocation::Relative),
            ("sqlite://host/state.db", BadLocation::Relative),
            ("sqlite::memory:", BadLocation::Relative),
            ("sqlite:/srv/", BadLocation::NoFile),
            ("sqlite:/srv/..", BadLocation::NoFile),
            ("mysql://host/x", BadLocation::Scheme),
            ("", BadLocation::Scheme),
            ("memory", BadLocation::Scheme),
            ("postgres://host:port/x", BadLocation::Url(url::ParseError::InvalidPort)),
        ] {
            assert_eq!(read(text, &[]), Err(expected.clone()), "{text}");
            assert!(!expected.help().is_empty());
        }
    }

    // fault: S3
    #[test]
    fn no_password_is_shown() {
        let text = "postgresql://ops:CANARY@db.example/ops?password=CANARY&sslmode=require";
        let location = Location::parse(text, |_| None).unwrap();
        assert_eq!(location.to_string(), "postgres://ops@db.example/ops");
        assert!(!format!("{location:?}").contains("CANARY"));
        let bad = read("postgres://ops:CANARY@db.example:x/ops", &[]).unwrap_err();
        assert!(!bad.to_string().contains("CANARY"));
        let bad = read("mysql://ops:CANARY@db.example/ops", &[]).unwrap_err();
        assert!(!bad.to_string().contains("CANARY"));
    }
}
