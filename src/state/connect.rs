//! Opening: the file, the server or this process's memory.
//!
//! Not here: the checks of the file (`files`) and the tables (`schema`).

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, Row};
use url::Url;

use super::State;
use super::error::{Said, StateError};
use super::files::{APPLICATION_ID, Files, Found};
use super::link::{Access, Inner};
use super::location::{Kind, Location};
use super::patience::Patience;
use super::schema;
use super::trouble::{Doing, Trouble};
use crate::clock::Timestamp;

impl State {
    /// Opens the state for everything, making it where there never was one.
    ///
    /// # Errors
    /// When it cannot be relied on: see [`StateError`]. Nothing is made anew in place of what is
    /// damaged or lost.
    pub async fn open(location: &Location) -> Result<Self, StateError> {
        let (at, patience) = (location.to_string(), location.patience());
        let mut connection = match &location.kind {
            Kind::Sqlite { path, folder } => {
                let files = Files { database: path.clone() };
                let found = files.prepare(*folder)?;
                to_file(&files, found, patience, &at).await?
            }
            Kind::Postgres(url) => to_server(url, patience, &at).await?,
            Kind::Memory => to_memory(patience, &at).await?,
        };
        schema::bring_up_to_date(&mut connection, patience, &at).await?;
        if let Kind::Sqlite { path, .. } = &location.kind {
            settle_log(&mut connection, patience, &at).await?;
            let marked = Files { database: path.clone() }.mark();
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
                let files = Files { database: path.clone() };
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

    /// Says that the memory is known to be lost, so that the next [`State::open`] begins anew. What is
    /// left of the files is moved aside (`….lost-` and the time), not removed.
    ///
    /// # Errors
    /// When there is nothing lost, or the files cannot be moved.
    pub fn acknowledge_vanished(location: &Location, now: Timestamp) -> Result<(), StateError> {
        let at = location.to_string();
        let Kind::Sqlite { path, .. } = &location.kind else {
            return Err(StateError::None { at });
        };
        let files = Files { database: path.clone() };
        match files.look() {
            Err(StateError::Vanished { .. }) => {}
            Ok(_) => return Err(StateError::None { at }),
            Err(other) => return Err(other),
        }
        let suffix = format!(".lost-{}", now.format("%Y%m%dT%H%M%SZ"));
        files.acknowledge(&suffix).map_err(|error| {
            let source = Said(error.to_string());
            StateError::Write { at, source }
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

async fn to_file(
    files: &Files,
    found: Found,
    patience: Patience,
    at: &str,
) -> Result<AnyConnection, StateError> {
    let mut connection = connect(&file_url(&files.database, "mode=rw"), patience, at).await?;
    let complaint = |error: sqlx::Error| Trouble::of(&error).told(Doing::Open, at, &error);
    if found == Found::New {
        // Before the log is switched on: so the header of the file itself says whose it is.
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
        patience.wait(connection.execute(sql)).await.map_err(complaint)?;
    }
    let mode = patience
        .wait(connection.fetch_one("PRAGMA journal_mode = WAL"))
        .await
        .map_err(complaint)?;
    if mode.try_get::<String, _>(0).map_err(complaint)? != "wal" {
        let source = Said("SQLite's log cannot be used here".to_owned());
        return Err(StateError::Open { at: at.to_owned(), source });
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;
         PRAGMA journal_size_limit = 4194304";
    patience.wait(connection.execute(settings)).await.map_err(complaint)?;
    if found == Found::There {
        check(&mut connection, patience, at).await?;
    }
    Ok(connection)
}

/// Has SQLite look for damage before anything is decided on what it says.
async fn check(
    connection: &mut AnyConnection,
    patience: Patience,
    at: &str,
) -> Result<(), StateError> {
    let complaint = |error: sqlx::Error| Trouble::of(&error).told(Doing::Open, at, &error);
    let row =
        patience.wait(connection.fetch_one("PRAGMA quick_check(1)")).await.map_err(complaint)?;
    let found = row.try_get::<String, _>(0).map_err(complaint)?;
    if found == "ok" {
        return Ok(());
    }
    let found = crate::batch::escaped(found.lines().last().unwrap_or_default());
    Err(StateError::Damaged { at: at.to_owned(), found })
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
