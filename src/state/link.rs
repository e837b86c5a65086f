//! The one connection: statements, their values and rows, transactions, and what follows when one fails.
//!
//! Not here: how it is made (`connect`), which statements there are (one file for each part).
//! Invariant: after a disk failed in a write, nothing is written by this process any more.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use sqlx::any::{Any, AnyRow};
use sqlx::query::Query;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Database, Executor, Row as _};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::State;
use super::error::{Said, StateError};
use super::location::{Kind, Location};
use super::patience::Patience;
use super::trouble::{Doing, Trouble};
use crate::batch::{AccountName, BatchId, RuleName, RunId};
use crate::clock::Timestamp;

/// What every clone of a [`State`] shares.
pub(super) struct Inner {
    pub(super) location: Location,
    /// The location as it is shown.
    pub(super) at: String,
    pub(super) access: Access,
    pub(super) misses_the_latest: bool,
    pub(super) connection: Mutex<Option<AnyConnection>>,
    /// When it was last used, as far as is known.
    used: StdMutex<Option<Instant>>,
    /// A disk failed in a write.
    distrusted: AtomicBool,
    patience: Patience,
    /// Accounts owned in this process, where there is nothing beside the state to lock.
    pub(super) owned: StdMutex<BTreeSet<String>>,
}

/// What the state was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything.
    Write,
    /// Reading, and notes that nothing is decided on: list calls.
    Note,
    /// Reading only.
    Read,
}

/// Firewalls and poolers cut what is idle for minutes; asking costs a round trip.
const IDLE: Duration = Duration::from_secs(10);

/// How long a server may take to say that it is there.
const LIFE_LIMIT: Duration = Duration::from_secs(5);

impl Inner {
    pub(super) fn new(location: Location, access: Access, connection: AnyConnection) -> Self {
        Self {
            at: location.to_string(),
            access,
            misses_the_latest: false,
            connection: Mutex::new(Some(connection)),
            used: StdMutex::default(),
            distrusted: AtomicBool::new(false),
            patience: location.patience(),
            location,
            owned: StdMutex::default(),
        }
    }

    const fn is_server(&self) -> bool {
        matches!(self.location.kind, Kind::Postgres(_))
    }

    /// Whether the connection was idle for so long that somebody between may have cut it.
    fn may_be_stale(&self) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.is_none_or(|used| used.elapsed() > IDLE)
    }

    fn note_use(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Makes the next use ask for life.
    #[cfg(test)]
    pub(super) fn seem_idle(&self) {
        *self.used.lock().unwrap() = None;
    }

    /// The error for people; remembers what must not be forgotten.
    fn told(&self, doing: Doing, error: &sqlx::Error) -> StateError {
        let trouble = Trouble::of(error);
        if doing == Doing::Write && trouble == Trouble::Disk {
            self.distrusted.store(true, Ordering::Relaxed);
        }
        trouble.told(doing, &self.at, error)
    }

    pub(super) fn damaged(&self, found: impl Into<String>) -> StateError {
        StateError::Damaged { at: self.at.clone(), found: found.into() }
    }
}

impl State {
    /// The connection, for reading.
    pub(super) async fn read(&self) -> Result<Work<'_>, StateError> {
        self.work(Doing::Read).await
    }

    /// A transaction. What it does counts from its `commit`; without one it never happened.
    pub(super) async fn write(&self) -> Result<Work<'_>, StateError> {
        self.may_write(&[Access::Write])?;
        self.begin().await
    }

    /// The same for a note, which somebody who only looks may leave too.
    pub(super) async fn note(&self) -> Result<Work<'_>, StateError> {
        self.may_write(&[Access::Write, Access::Note])?;
        self.begin().await
    }

    async fn begin(&self) -> Result<Work<'_>, StateError> {
        let mut work = self.work(Doing::Write).await?;
        work.begin().await?;
        Ok(work)
    }

    /// The connection, for one statement that writes: it counts when it returns.
    pub(super) async fn write_at_once(&self) -> Result<Work<'_>, StateError> {
        self.may_write(&[Access::Write])?;
        self.work(Doing::Write).await
    }

    fn may_write(&self, who: &[Access]) -> Result<(), StateError> {
        if !who.contains(&self.inner.access) {
            return Err(StateError::OpenForReading { at: self.inner.at.clone() });
        }
        if self.inner.distrusted.load(Ordering::Relaxed) {
            return Err(StateError::Distrusted { at: self.inner.at.clone() });
        }
        Ok(())
    }

    async fn work(&self, doing: Doing) -> Result<Work<'_>, StateError> {
        let inner = &*self.inner;
        let mut guard = inner.connection.lock().await;
        if inner.is_server() && inner.may_be_stale() {
            ask_for_life(&mut guard, inner.patience).await;
        }
        if guard.is_none() {
            // Only a server is connected to again: a file that went away is looked at by `open`.
            let Kind::Postgres(url) = &inner.location.kind else {
                let source = Said("it was closed".to_owned());
                return Err(StateError::Open { at: inner.at.clone(), source });
            };
            *guard = Some(super::connect::to_server(url, inner.patience, &inner.at).await?);
        }
        Ok(Work { inner, guard, doing, in_transaction: false })
    }
}

/// The connection, taken.
pub(super) struct Work<'a> {
    inner: &'a Inner,
    guard: MutexGuard<'a, Option<AnyConnection>>,
    doing: Doing,
    in_transaction: bool,
}

type Manager = <Any as Database>::TransactionManager;

impl Work<'_> {
    async fn begin(&mut self) -> Result<(), StateError> {
        // SQLite: the right to write is taken at once, where waiting for it is possible.
        let statement = match self.inner.location.kind {
            Kind::Postgres(_) => None,
            Kind::Sqlite { .. } | Kind::Memory => Some("BEGIN IMMEDIATE".into_sql()),
        };
        let inner = self.inner;
        let connection = self.connection()?;
        let begun = inner.patience.wait(Manager::begin(connection, statement)).await;
        self.checked(begun)?;
        self.in_transaction = true;
        Ok(())
    }

    /// Makes what was done count, durably.
    pub(super) async fn commit(mut self) -> Result<(), StateError> {
        let inner = self.inner;
        let connection = self.connection()?;
        let committed = inner.patience.wait(Manager::commit(connection)).await;
        self.in_transaction = committed.is_err();
        self.checked(committed)
    }

    /// Runs a statement; says how many rows it changed.
    pub(super) async fn run(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StateError> {
        let inner = self.inner;
        let connection = self.connection()?;
        let ran = inner.patience.wait(connection.execute(query(sql, values))).await;
        self.checked(ran).map(|result| result.rows_affected())
    }

    /// All rows of a question.
    pub(super) async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row<'_>>, StateError> {
        self.fetch(query(sql, values)).await
    }

    /// All rows of a statement that was put together here, of parts of this program alone.
    pub(super) async fn rows_of(
        &mut self,
        sql: String,
        values: &[Value<'_>],
    ) -> Result<Vec<Row<'_>>, StateError> {
        self.fetch(bound(sqlx::query(AssertSqlSafe(sql)), values)).await
    }

    async fn fetch(&mut self, query: AnyQuery) -> Result<Vec<Row<'_>>, StateError> {
        let inner = self.inner;
        let connection = self.connection()?;
        let rows = inner.patience.wait(connection.fetch_all(query)).await;
        let rows = self.checked(rows)?;
        Ok(rows.into_iter().map(|row| Row { inner, row }).collect())
    }

    /// The one row of a question, if there is one.
    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row<'_>>, StateError> {
        let mut rows = self.rows(sql, values).await?;
        Ok(rows.pop())
    }

    fn connection(&mut self) -> Result<&mut AnyConnection, StateError> {
        let lost = || StateError::Read {
            at: self.inner.at.clone(),
            source: Said("the connection is closed".to_owned()),
        };
        self.guard.as_mut().ok_or_else(lost)
    }

    fn checked<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StateError> {
        result.map_err(|error| {
            let lost = Trouble::of(&error) == Trouble::Disconnected;
            if lost && self.inner.is_server() {
                // Dropped, not closed: a farewell could wait for ever.
                *self.guard = None;
                self.in_transaction = false;
            }
            self.inner.told(self.doing, &error)
        })
    }
}

/// Lets a connection go that does not answer. Nothing was begun on it, so nothing is lost with it.
async fn ask_for_life(connection: &mut Option<AnyConnection>, patience: Patience) {
    if let Some(alive) = connection.as_mut()
        && patience.at_most(LIFE_LIMIT).wait(alive.ping()).await.is_err()
    {
        *connection = None;
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.inner.note_use();
        if !self.in_transaction {
            return;
        }
        if self.inner.is_server() {
            // A rollback would only be sent with the next statement, and hold its locks until then.
            *self.guard = None;
        } else if let Some(connection) = self.guard.as_mut() {
            Manager::start_rollback(connection);
        }
    }
}

/// A value of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    MaybeText(Option<&'a str>),
    Int(i64),
    MaybeInt(Option<i64>),
    Bytes(&'a [u8]),
}

impl From<Timestamp> for Value<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.timestamp_millis())
    }
}

/// A statement with its values.
type AnyQuery = Query<'static, Any, sqlx::any::AnyArguments>;

fn query(sql: &'static str, values: &[Value<'_>]) -> AnyQuery {
    bound(sqlx::query(sql), values)
}

fn bound(query: AnyQuery, values: &[Value<'_>]) -> AnyQuery {
    values.iter().fold(query, |query, value| match *value {
        Value::Text(text) => query.bind(storable(text)),
        Value::MaybeText(text) => query.bind(text.map(storable)),
        Value::Int(number) => query.bind(number),
        Value::MaybeInt(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes.to_vec()),
    })
}

/// PostgreSQL takes no NUL in a text, and a batch may be named so: a name must stop no run.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A row of an answer. A value that is not as it was written is damage.
pub(super) struct Row<'a> {
    inner: &'a Inner,
    row: AnyRow,
}

impl Row<'_> {
    fn get<T>(&self, column: usize) -> Result<T, StateError>
    where
        T: for<'r> sqlx::Decode<'r, Any> + sqlx::Type<Any>,
    {
        self.row.try_get(column).map_err(|error| self.inner.damaged(error.to_string()))
    }

    pub(super) fn text(&self, column: usize) -> Result<String, StateError> {
        self.get(column)
    }

    pub(super) fn maybe_text(&self, column: usize) -> Result<Option<String>, StateError> {
        self.get(column)
    }

    pub(super) fn int(&self, column: usize) -> Result<i64, StateError> {
        self.get(column)
    }

    pub(super) fn maybe_int(&self, column: usize) -> Result<Option<i64>, StateError> {
        self.get(column)
    }

    pub(super) fn bytes(&self, column: usize) -> Result<Vec<u8>, StateError> {
        self.get(column)
    }

    /// A number that is never negative.
    pub(super) fn count<T: TryFrom<i64>>(&self, column: usize) -> Result<T, StateError> {
        let number = self.int(column)?;
        T::try_from(number).map_err(|_unsaid| self.odd(column, &number.to_string()))
    }

    pub(super) fn time(&self, column: usize) -> Result<Timestamp, StateError> {
        let ms = self.int(column)?;
        Timestamp::from_timestamp_millis(ms).ok_or_else(|| self.odd(column, &ms.to_string()))
    }

    pub(super) fn maybe_time(&self, column: usize) -> Result<Option<Timestamp>, StateError> {
        if self.maybe_int(column)?.is_none() { Ok(None) } else { self.time(column).map(Some) }
    }

    pub(super) fn run(&self, column: usize) -> Result<RunId, StateError> {
        self.parsed(column, RunId::parse)
    }

    pub(super) fn batch(&self, column: usize) -> Result<BatchId, StateError> {
        self.parsed(column, BatchId::parse)
    }

    pub(super) fn account(&self, column: usize) -> Result<AccountName, StateError> {
        self.parsed(column, AccountName::parse)
    }

    pub(super) fn rule(&self, column: usize) -> Result<RuleName, StateError> {
        self.parsed(column, RuleName::parse)
    }

    /// JSON that this program wrote.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: usize,
    ) -> Result<T, StateError> {
        self.parsed(column, |text| serde_json::from_str(text))
    }

    /// A text that means something else.
    fn parsed<T, E>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StateError> {
        let text = self.text(column)?;
        parse(&text).map_err(|_unsaid| self.odd(column, &text))
    }

    pub(super) fn damaged(&self, found: impl Into<String>) -> StateError {
        self.inner.damaged(found)
    }

    fn odd(&self, column: usize, value: &str) -> StateError {
        let value: String = crate::batch::escaped(value).chars().take(80).collect();
        self.inner.damaged(format!("column {column} of a row holds `{value}`"))
    }
}

/// Statements of the program's own text.
pub(super) trait IntoSql {
    fn into_sql(self) -> sqlx::SqlStr;
}

impl IntoSql for &'static str {
    fn into_sql(self) -> sqlx::SqlStr {
        sqlx::SqlSafeStr::into_sql_str(self)
    }
}
