//! Who owns an account: one process at a time.
//!
//! Beside a SQLite file: a locked file for each account. On PostgreSQL: a lock of a session of its own,
//! so a lost connection is a lost lock. In memory: among the parts of this process only.
//! Not here: what the loser does (`run`, `cli`).

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::any::Any;
use sqlx::{AnyConnection, Connection, Executor, Row};
use tokio::sync::Mutex;
use url::Url;

use super::State;
use super::connect;
use super::error::{Said, StateError};
use super::files::Files;
use super::link::Inner;
use super::location::Kind;
use super::patience::Patience;
use super::trouble::{Doing, Trouble, said};
use crate::batch::AccountName;
use crate::clock::Timestamp;

/// The right to work on accounts, until it is dropped.
#[must_use = "dropped, it is given up"]
pub struct Ownership(Held);

enum Held {
    Files(OwnedFiles),
    Session(Session),
    InProcess(OwnedInProcess),
}

struct Session {
    names: Vec<AccountName>,
    keys: Vec<i64>,
    patience: Patience,
    connection: Mutex<AnyConnection>,
}

struct OwnedInProcess {
    names: Vec<String>,
    inner: Arc<Inner>,
}

struct OwnedFiles {
    locked: Vec<LockedFile>,
    database: PathBuf,
    /// Which file it was.
    identity: (u64, u64),
}

struct LockedFile {
    name: AccountName,
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
}

/// How long a server may take to say that a lock is still held.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

impl State {
    /// Takes the accounts, all or none. Does not wait.
    ///
    /// # Errors
    /// [`StateError::Held`] where one is taken; others when the lock cannot be asked for.
    pub async fn own(
        &self,
        names: &[AccountName],
        now: Timestamp,
    ) -> Result<Ownership, StateError> {
        let held = match &self.inner.location.kind {
            Kind::Sqlite { path, .. } => {
                let files = Files::at(path);
                Held::Files(own_files(files, names, now)?)
            }
            Kind::Postgres(url) => self.own_by_session(url, names).await?,
            Kind::Memory => self.own_in_process(names)?,
        };
        Ok(Ownership(held))
    }

    fn own_in_process(&self, names: &[AccountName]) -> Result<Held, StateError> {
        let mut owned = self.inner.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = names.iter().find(|name| owned.contains(name.as_str()));
        if let Some(name) = taken {
            let by = "another run of this process".to_owned();
            return Err(StateError::Held { name: name.to_string(), by });
        }
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        owned.extend(names.iter().cloned());
        drop(owned);
        Ok(Held::InProcess(OwnedInProcess { names, inner: Arc::clone(&self.inner) }))
    }

    async fn own_by_session(&self, url: &Url, names: &[AccountName]) -> Result<Held, StateError> {
        let (at, patience) = (&self.inner.at, self.inner.location.patience());
        let mut connection = connect::to_server(url, patience, at).await?;
        let told = |error: sqlx::Error| Trouble::of(&error).told(Doing::Read, at, &error);
        let schema = introduce(&mut connection, patience).await.map_err(told)?;
        let keys: Vec<_> = names.iter().map(|name| key(&schema, name)).collect();
        for (name, key) in names.iter().zip(&keys) {
            let asked = sqlx::query::<Any>("SELECT pg_try_advisory_lock($1)").bind(*key);
            let row = patience.wait(connection.fetch_one(asked)).await.map_err(told)?;
            if !row.try_get::<bool, _>(0).map_err(told)? {
                let by = holder(&mut connection, patience, *key).await;
                end(connection, patience).await;
                return Err(StateError::Held { name: name.to_string(), by });
            }
        }
        let (names, connection) = (names.to_vec(), Mutex::new(connection));
        Ok(Held::Session(Session { names, keys, patience, connection }))
    }
}

impl Ownership {
    /// Whether the accounts are still this process's: asked before every DELETE.
    ///
    /// # Errors
    /// [`StateError::LockLost`].
    pub async fn check(&self) -> Result<(), StateError> {
        match &self.0 {
            Held::Files(files) => files.check(),
            Held::InProcess(owned) => owned.check(),
            Held::Session(session) => session.check().await,
        }
    }

    /// Gives the accounts up, and waits until a server knows it. Dropping does the same, later.
    pub async fn release(self) {
        if let Held::Session(session) = self.0 {
            end(session.connection.into_inner(), session.patience).await;
        }
    }
}

#[cfg(test)]
impl Ownership {
    /// The number of the first lock of a session.
    pub(super) fn key(&self) -> i64 {
        let Held::Session(session) = &self.0 else { panic!("no session") };
        session.keys[0]
    }
}

impl fmt::Debug for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ownership")
    }
}

impl OwnedInProcess {
    fn check(&self) -> Result<(), StateError> {
        let owned = self.inner.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = self.names.iter().find(|name| !owned.contains(*name));
        lost.map_or(Ok(()), |name| {
            Err(StateError::LockLost { name: name.clone(), why: "it was given up".to_owned() })
        })
    }
}

impl Drop for OwnedInProcess {
    fn drop(&mut self) {
        let mut owned = self.inner.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.retain(|name| !self.names.contains(name));
    }
}

fn own_files(
    files: Files,
    names: &[AccountName],
    now: Timestamp,
) -> Result<OwnedFiles, StateError> {
    let locked = names.iter().map(|name| lock_file(&files, name, now));
    let locked = locked.collect::<Result<_, _>>()?;
    let unreadable = |error: std::io::Error| StateError::Read {
        at: files.database.display().to_string(),
        source: Said(error.to_string()),
    };
    let identity = identity(&files.database).map_err(unreadable)?;
    Ok(OwnedFiles { locked, database: files.database, identity })
}

/// Which file a path leads to.
fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

fn lock_file(files: &Files, name: &AccountName, now: Timestamp) -> Result<LockedFile, StateError> {
    let path = files.lock(name.as_str());
    let unusable = |error: std::io::Error| StateError::Write {
        at: path.display().to_string(),
        source: Said(error.to_string()),
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // Who it is stands in the file: for people only.
            let mut by = String::new();
            let read = (&mut file).take(200).read_to_string(&mut by);
            let told = read.is_ok() && !by.trim().is_empty();
            let by = if told { crate::batch::escaped(by.trim()) } else { "another process".into() };
            return Err(StateError::Held { name: name.to_string(), by });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    file.set_len(0).map_err(unusable)?;
    writeln!(file, "{} since {}", who(), now.format("%Y-%m-%d %H:%M UTC")).map_err(unusable)?;
    Ok(LockedFile { name: name.clone(), path, file })
}

impl OwnedFiles {
    fn check(&self) -> Result<(), StateError> {
        self.locked.iter().try_for_each(LockedFile::check)?;
        // What is written to a file that was moved away, the next start does not find.
        if identity(&self.database).ok() == Some(self.identity) {
            return Ok(());
        }
        let name = self.locked.first().map(|lock| lock.name.to_string()).unwrap_or_default();
        Err(StateError::LockLost { name, why: "the state's file was moved or replaced".to_owned() })
    }
}

impl LockedFile {
    /// A file that was removed or replaced locks nobody out any more.
    fn check(&self) -> Result<(), StateError> {
        let lost =
            |why: &str| StateError::LockLost { name: self.name.to_string(), why: why.to_owned() };
        let ours = self.file.metadata().map_err(|error| lost(&error.to_string()))?;
        let there = identity(&self.path)
            .map_err(|_gone| lost("the lock file beside the state was removed"))?;
        if (ours.dev(), ours.ino()) == there {
            Ok(())
        } else {
            Err(lost("the lock file beside the state was replaced"))
        }
    }
}

/// This process, for people.
fn who() -> String {
    let host = rustix::system::uname();
    let host = crate::batch::escaped(&host.nodename().to_string_lossy());
    format!("pid {} on {host}", std::process::id())
}

/// The number that a lock of PostgreSQL has: the same for one account of one schema.
fn key(schema: &str, name: &AccountName) -> i64 {
    let digest = Sha256::digest(format!("batchsweep lock\n{schema}\n{name}"));
    digest.iter().take(8).fold(0, |key, byte| (key << 8) | i64::from(*byte))
}

/// Tells the server who this is, so that it can tell whoever finds the account taken; asks for the
/// schema that this session works in.
async fn introduce(
    connection: &mut AnyConnection,
    patience: Patience,
) -> Result<String, sqlx::Error> {
    let question = sqlx::query::<Any>(
        "SELECT coalesce(current_schema()::text, '') FROM set_config('application_name', $1, false)",
    )
    .bind(format!("batchsweep {}", who()));
    patience.wait(connection.fetch_one(question)).await?.try_get(0)
}

/// Who has a lock, as far as the server tells.
async fn holder(connection: &mut AnyConnection, patience: Patience, key: i64) -> String {
    let question = sqlx::query::<Any>(
        "SELECT coalesce(nullif(a.application_name, ''), 'process ' || a.pid) || ' since '
             || to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
             AND ((l.classid::bigint << 32) | l.objid::bigint) = $1",
    )
    .bind(key);
    let row = patience.wait(connection.fetch_optional(question)).await.ok().flatten();
    let by = row.and_then(|row| row.try_get::<String, _>(0).ok());
    by.map_or_else(
        || "another process".to_owned(),
        |by| crate::batch::escaped(by.strip_prefix("batchsweep ").unwrap_or(&by)),
    )
}

/// Ends a session. Its locks are free when this returns; whatever goes wrong, they are free soon after.
async fn end(mut connection: AnyConnection, patience: Patience) {
    let patience = patience.at_most(CHECK_LIMIT);
    let unlocked = patience.wait(connection.execute("SELECT pg_advisory_unlock_all()")).await;
    if unlocked.is_ok() {
        let _ended = patience.wait(connection.close()).await;
    }
}

impl Session {
    /// Whether this very session still has the locks. A pooler between could have given us another one.
    async fn check(&self) -> Result<(), StateError> {
        let mut connection = self.connection.lock().await;
        for (name, key) in self.names.iter().zip(&self.keys) {
            let lost = |why: String| StateError::LockLost { name: name.to_string(), why };
            let question = sqlx::query::<Any>(
                "SELECT count(*) FROM pg_locks
                 WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
                     AND ((classid::bigint << 32) | objid::bigint) = $1",
            )
            .bind(*key);
            let patience = self.patience.at_most(CHECK_LIMIT);
            let answer = patience.wait(connection.fetch_one(question)).await;
            let row = answer.map_err(|error| {
                lost(format!("the connection to the database is lost: {}", said(&error)))
            })?;
            if !matches!(row.try_get::<i64, _>(0), Ok(1)) {
                return Err(lost("the database says that it is not held any more".to_owned()));
            }
        }
        Ok(())
    }
}
