//! Opening: the file, the server or this process's memory.
//!
//! Not here: the checks of the file (`files`) and the tables (`schema`).

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, Row};
use tokio::time::Instant;
use url::Url;

use super::State;
use super::error::{Class, Said, StateError};
use super::files::{APPLICATION_ID, Files, Found};
use super::link::{Access, Inner};
use super::location::{Kind, Location};
use super::patience::Patience;
use super::schema;
use super::trouble::{Doing, Trouble};
use crate::clock::Timestamp;

/// How long, and how often, a file is tried that somebody else makes right now.
const BUSY_LIMIT: Duration = Duration::from_secs(4);
const MOST_TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(40);

impl State {
    /// Opens the state for everything, making it where there never was one.
    ///
    /// # Errors
    /// When it cannot be relied on: see [`StateError`]. Nothing is made anew in place of what is
    /// damaged or lost.
    pub async fn open(location: &Location, now: Timestamp) -> Result<Self, StateError> {
        // SQLite does not wait where two processes make one file or switch its log on: it says that it
        // is busy at once. Where it did wait, the time for this is over.
        let began = Instant::now();
        for _ in 0..MOST_TRIES {
            match Self::open_once(location, now).await {
                Err(StateError::Busy { .. }) if began.elapsed() < BUSY_LIMIT => {
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                opened => return opened,
            }
        }
        Self::open_once(location, now).await
    }

    async fn open_once(location: &Location, now: Timestamp) -> Result<Self, StateError> {
        let (at, patience) = (location.to_string(), location.patience());
        let mut connection = match &location.kind {
            Kind::Sqlite { path, folder } => {
                let files = Files::at(path);
                let found = files.prepare(*folder)?;
                let had_log = files.has_log();
                to_file(&Opening { files, found, had_log, now, patience, at: &at }).await?
            }
            Kind::Postgres(url) => to_server(url, patience, &at).await?,
            Kind::Memory => to_memory(patience, &at).await?,
        };
        schema::bring_up_to_date(&mut connection, patience, &at).await?;
        if let Kind::Sqlite { path, .. } = &location.kind {
            settle_log(&mut connection, patience, &at).await?;
            let marked = Files::at(path).mark();
            marked.map_err(|error| StateError::Write { at, source: Said(error.to_string()) })?;
        }
        let inner = Inner::new(location.clone(), Access::Write, connection);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the state for reading only, also a copy on a disk that cannot be written. Makes nothing.
    ///
    /// # Errors
    /// When there is none, or it cannot be read: see [`StateError`].
    pub async fn open_read_only(location: &Location) -> Result<Self, StateError> {
        let (at, patience) = (location.to_string(), location.patience());
        let mut misses_the_latest = false;
        let mut connection = match &location.kind {
            Kind::Sqlite { path, .. } => {
                let files = Files::at(path);
                if files.look()? == Found::New {
                    return Err(StateError::None { at });
                }
                // Reading needs a file beside the database, bar where nothing can ever change.
                let is_copy = !files.folder_is_writable();
                misses_the_latest = is_copy && files.has_log();
                let how = if is_copy { "mode=ro&immutable=1" } else { "mode=ro" };
                connect(&file_url(path, how), patience, &at).await?
            }
            Kind::Postgres(url) => to_server(url, patience, &at).await?,
            Kind::Memory => return Err(StateError::None { at }),
        };
        let found = schema::version(&mut connection, patience, &at).await?;
        schema::refuse_newer(&mut connection, patience, (&at, found)).await?;
        match found {
            0 => return Err(StateError::None { at }),
            schema::KNOWN => {}
            _ => return Err(StateError::Older { at, found, known: schema::KNOWN }),
        }
        let mut inner = Inner::new(location.clone(), Access::Read, connection);
        inner.misses_the_latest = misses_the_latest;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens a state that is there for notes alone, which a looker leaves for those after them: its list
    /// calls. `None` where that cannot be; a looker needs no such right.
    pub async fn open_to_note(location: &Location) -> Option<Self> {
        let (at, patience) = (location.to_string(), location.patience());
        let mut connection = match &location.kind {
            Kind::Sqlite { path, .. } => {
                let files = Files::at(path);
                if files.look() != Ok(Found::There) || !files.are_writable() {
                    return None;
                }
                let mut connection =
                    connect(&file_url(path, "mode=rw"), patience, &at).await.ok()?;
                // A power cut may take notes away, and somebody who looks waits for nobody long.
                let settings = "PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000";
                patience.wait(connection.execute(settings)).await.ok()?;
                connection
            }
            Kind::Postgres(url) => to_server(url, patience, &at).await.ok()?,
            Kind::Memory => return None,
        };
        let found = schema::version(&mut connection, patience, &at).await.ok()?;
        let inner = Inner::new(location.clone(), Access::Note, connection);
        (found == schema::KNOWN).then(|| Self { inner: Arc::new(inner) })
    }

    /// The error of a state that vanished, though there were runs. Looks at the files, opens nothing.
    pub fn vanished(location: &Location) -> Option<StateError> {
        let Kind::Sqlite { path, .. } = &location.kind else { return None };
        Files::at(path).look().err().filter(|error| error.class() == Class::Vanished)
    }

    /// Says that the memory is known to be lost, so that the next [`State::open`] begins anew. What is
    /// left of the files is moved aside (`….lost-` and the time), not removed: where to. `None` where
    /// nothing is lost.
    ///
    /// # Errors
    /// When the files cannot be moved.
    pub fn acknowledge_vanished(
        location: &Location,
        now: Timestamp,
    ) -> Result<Option<Vec<PathBuf>>, StateError> {
        let Kind::Sqlite { path, .. } = &location.kind else { return Ok(None) };
        let files = Files::at(path);
        match files.look() {
            Err(StateError::Vanished { .. }) => {}
            Ok(_) => return Ok(None),
            Err(other) => return Err(other),
        }
        let suffix = format!(".lost-{}", now.format("%Y%m%dT%H%M%SZ"));
        files.acknowledge(&suffix).map(Some).map_err(|error| {
            let source = Said(error.to_string());
            StateError::Write { at: location.to_string(), source }
        })
    }

    /// Closes the connection in good order. Dropping the state is as safe, only later.
    ///
    /// # Errors
    /// When the database says so. What was committed is safe all the same.
    pub async fn close(&self) -> Result<(), StateError> {
        let Some(connection) = self.inner.connection.lock().await.take() else {
            return Ok(());
        };
        let closed = self.inner.location.patience().wait(connection.close()).await;
        closed.map_err(|error| Trouble::of(&error).told(Doing::Write, &self.inner.at, &error))
    }
}

/// A file that is being opened.
struct Opening<'a> {
    files: Files,
    found: Found,
    /// Whether the last process left it in the middle of things.
    had_log: bool,
    now: Timestamp,
    patience: Patience,
    at: &'a str,
}

impl Opening<'_> {
    fn complaint(&self, error: &sqlx::Error) -> StateError {
        Trouble::of(error).told(Doing::Open, self.at, error)
    }

    async fn run(
        &self,
        connection: &mut AnyConnection,
        sql: impl sqlx::SqlSafeStr,
    ) -> Result<Option<String>, StateError> {
        let row = connection.fetch_optional(sql.into_sql_str());
        let row = self.patience.wait(row).await.map_err(|error| self.complaint(&error))?;
        Ok(row.and_then(|row| row.try_get(0).ok()))
    }
}

async fn to_file(opening: &Opening<'_>) -> Result<AnyConnection, StateError> {
    let url = file_url(&opening.files.database, "mode=rw");
    let mut connection = connect(&url, opening.patience, opening.at).await?;
    if opening.found == Found::New {
        // Before the log is switched on: so the header of the file itself says whose it is.
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
        opening.run(&mut connection, sql).await?;
    }
    let mode = opening.run(&mut connection, "PRAGMA journal_mode = WAL").await?;
    if mode.as_deref() != Some("wal") {
        let source = Said("SQLite's log cannot be used here".to_owned());
        return Err(StateError::Open { at: opening.at.to_owned(), source });
    }
    for setting in [
        "PRAGMA synchronous = FULL",
        "PRAGMA busy_timeout = 5000",
        // A run reads little twice; half a MiB of pages instead of two.
        "PRAGMA cache_size = -512",
        "PRAGMA journal_size_limit = 4194304",
    ] {
        opening.run(&mut connection, setting).await?;
    }
    if opening.found == Found::There {
        check(opening, &mut connection).await?;
    }
    Ok(connection)
}

/// How large a file is looked through at every start: it takes some 30 ms.
const ALWAYS_CHECKED: u64 = 32 * 1024 * 1024;

/// How often a larger one is.
const CHECKED_FOR: TimeDelta = TimeDelta::days(1);

/// Has SQLite look for damage before anything is decided on what it says.
async fn check(opening: &Opening<'_>, connection: &mut AnyConnection) -> Result<(), StateError> {
    let size = std::fs::metadata(&opening.files.database).map_or(u64::MAX, |found| found.len());
    // Where there is no such row, or no such table yet, it never was checked.
    let last = "SELECT value FROM batchsweep_meta WHERE name = 'checked_at'";
    let last = opening.run(connection, last).await.ok().flatten();
    let last = last.and_then(|ms| Timestamp::from_timestamp_millis(ms.parse().ok()?));
    if !is_due(size, last.filter(|_| !opening.had_log), opening.now) {
        return Ok(());
    }
    let found = opening.run(connection, "PRAGMA quick_check(1)").await?.unwrap_or_default();
    if found != "ok" {
        let found = crate::batch::escaped(found.lines().last().unwrap_or_default());
        return Err(StateError::Damaged { at: opening.at.to_owned(), found });
    }
    if size > ALWAYS_CHECKED {
        let now = opening.now.timestamp_millis().to_string();
        schema::note(connection, opening.patience, opening.at, ("checked_at", &now)).await?;
    }
    Ok(())
}

/// Whether the file is to be looked through; `last` is when it was, if it was left in good order since.
fn is_due(size: u64, last: Option<Timestamp>, now: Timestamp) -> bool {
    let is_recent = last.is_some_and(|last| last <= now && now - last < CHECKED_FOR);
    size <= ALWAYS_CHECKED || !is_recent
}

/// Brings what is in the log into the file, as far as nobody reads it: so the tables are in the file
/// also where it is copied without its log.
async fn settle_log(
    connection: &mut AnyConnection,
    patience: Patience,
    at: &str,
) -> Result<(), StateError> {
    let settled = patience.wait(connection.fetch_one("PRAGMA wal_checkpoint(PASSIVE)")).await;
    settled.map(drop).map_err(|error| Trouble::of(&error).told(Doing::Open, at, &error))
}

async fn to_memory(patience: Patience, at: &str) -> Result<AnyConnection, StateError> {
    connect("sqlite::memory:", patience, at).await
}

pub(super) async fn to_server(
    url: &Url,
    patience: Patience,
    at: &str,
) -> Result<AnyConnection, StateError> {
    let mut connection = connect(url.as_str(), patience, at).await?;
    let complaint = |error: sqlx::Error| Trouble::of(&error).told(Doing::Open, at, &error);
    // Notices ("already exists") are not news; a client that has gone must not keep its rights.
    let settings = "SET client_min_messages = warning; SET statement_timeout = '30s';
         SET idle_in_transaction_session_timeout = '60s'; SET synchronous_commit = on";
    patience.wait(connection.execute(settings)).await.map_err(complaint)?;
    Ok(connection)
}

async fn connect(url: &str, patience: Patience, at: &str) -> Result<AnyConnection, StateError> {
    sqlx::any::install_default_drivers();
    let complaint = |error: sqlx::Error| Trouble::of(&error).told(Doing::Open, at, &error);
    let options = AnyConnectOptions::from_str(url).map_err(complaint)?.disable_statement_logging();
    patience.wait(options.connect()).await.map_err(complaint)
}

/// A URL of sqlx for a path, whatever characters it has.
fn file_url(path: &Path, how: &str) -> String {
    let encoded = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let path: String = path.to_string_lossy().bytes().map(encoded).collect();
    format!("sqlite://{path}?{how}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::at;

    // fault: D11
    #[test]
    fn a_large_file_is_looked_through_once_a_day_and_after_a_crash() {
        let (small, large) = (ALWAYS_CHECKED, ALWAYS_CHECKED + 1);
        let now = at("2026-11-25T12:00:00Z");
        let ago = |hours| Some(now - TimeDelta::hours(hours));
        for (size, last, expected) in [
            (small, ago(1), true),
            (large, None, true),
            (large, ago(23), false),
            (large, ago(24), true),
            (large, ago(-1), true), // the clock went back
        ] {
            assert_eq!(is_due(size, last, now), expected, "{size} {last:?}");
        }
    }

    #[test]
    fn every_character_of_a_path_arrives() {
        let url = file_url(Path::new("/a b/ü?#%.db"), "mode=ro");
        assert_eq!(url, "sqlite:///a%20b/%C3%BC%3F%23%25.db?mode=ro");
    }
}
