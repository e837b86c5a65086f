//! The backends that the tests run on, and builders of what they store.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AnyConnection, Connection, Executor};

use crate::batch::fixtures::at;
use crate::batch::{AccountName, BatchId, RuleName, RunId};
use crate::clock::Timestamp;
use crate::state::{
    DeletionFilter, Entry, Hold, Location, OpenGuard, Outcome, RunBegin, Settled, State,
};

/// A URL of a PostgreSQL server on which the tests may make schemas.
const SERVER: &str = "BATCHSWEEP_TEST_POSTGRES";

/// Said once, not by each test.
static LEFT_OUT: Once = Once::new();

/// A place for a state of its own.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) location: Location,
    folder: Option<tempfile::TempDir>,
    schema: Option<(String, String)>,
}

impl Place {
    pub(super) async fn open(&self) -> State {
        State::open(&self.location, now()).await.unwrap()
    }

    /// The file, where the state is one.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("state.db")
    }

    /// Takes a schema away again. A test that fails leaves it, for a look.
    pub(super) async fn remove(self) {
        if let Some((server, schema)) = self.schema {
            let mut connection = AnyConnection::connect(&server).await.unwrap();
            let sql = sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"));
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

pub(super) fn location(url: &str) -> Location {
    Location::parse(url, |_| None).unwrap()
}

pub(super) fn file_in(folder: &Path) -> Location {
    location(&format!("sqlite:{}", folder.join("state.db").display()))
}

pub(super) fn in_file() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place { name: "sqlite", location: file_in(folder.path()), folder: Some(folder), schema: None }
}

fn in_memory() -> Place {
    Place { name: "memory", location: location("memory:"), folder: None, schema: None }
}

/// A schema of its own on the server, if there is one.
pub(super) async fn on_server() -> Option<Place> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var_os(SERVER)?.into_string().unwrap();
    sqlx::any::install_default_drivers();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let schema = format!("batchsweep_test_{}_{number}", std::process::id());
    let mut connection = AnyConnection::connect(&server).await.unwrap();
    let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
    let mark = if server.contains('?') { '&' } else { '?' };
    let location = location(&format!("{server}{mark}options[search_path]={schema}"));
    Some(Place { name: "postgres", location, folder: None, schema: Some((server, schema)) })
}

/// The backends whose states outlive the process.
pub(super) async fn durable() -> Vec<Place> {
    let mut places = vec![in_file()];
    match on_server().await {
        Some(place) => places.push(place),
        None => LEFT_OUT.call_once(|| {
            left_out(
                "PostgreSQL, here and elsewhere",
                &format!("{SERVER} holds no URL of a server"),
            );
        }),
    }
    places
}

/// Says what a test left out, also where the tests' output is not shown.
pub(super) fn left_out(what: &str, why: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    writeln!(std::io::stderr(), "{name}: left out {what}: {why}").unwrap();
}

/// What a child of a test is told by: its folder.
pub(super) const CHILD: &str = "BATCHSWEEP_TEST_CHILD";

/// The folder of a test that is a child; by itself it has none, and nothing to do.
pub(super) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// A test of this module's, by its path, as a process of its own that works in a folder. It is read
/// from.
pub(super) fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", &format!("state::tests::{test}")])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Root passes every check of modes; so a test of them, by its path, runs itself as nobody. False where
/// the caller is not root and must do the work.
pub(super) fn runs_as_nobody(test: &str) -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !is_root {
        return false;
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .output();
    match output {
        Ok(ran) if String::from_utf8_lossy(&ran.stdout).contains("running 1 test") => {
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        }
        Ok(_) | Err(_) => left_out(test, "it cannot be run as nobody"),
    }
    true
}

/// Every backend.
pub(super) async fn all() -> Vec<Place> {
    let mut places = durable().await;
    places.push(in_memory());
    places
}

pub(super) fn now() -> Timestamp {
    at("2026-11-25T12:00:00Z")
}

pub(super) fn account(name: &str) -> AccountName {
    AccountName::parse(name).unwrap()
}

pub(super) fn main_account() -> AccountName {
    account("main")
}

pub(super) fn id(text: &str) -> BatchId {
    BatchId::parse(text).unwrap()
}

pub(super) fn rule(name: &str) -> RuleName {
    RuleName::parse(name).unwrap()
}

/// The run that began at that instant.
pub(super) fn run_at(began: Timestamp) -> RunId {
    RunId::new(began, [9; 10])
}

pub(super) fn begin(began: Timestamp) -> RunBegin {
    RunBegin {
        run_id: run_at(began),
        account: main_account(),
        began,
        dry_run: false,
        config_hash: "c0ffee".into(),
        origin: "serpwow https://api.serpwow.com/live 0badcafe".into(),
    }
}

pub(super) fn intent(run_id: RunId, batch: &str, intended_at: Timestamp) -> Entry {
    Entry {
        run_id,
        account: main_account(),
        batch: id(batch),
        name: format!("tmp-{batch}"),
        rule: rule("temporary"),
        intended_at,
    }
}

pub(super) fn settled(run_id: RunId, batch: &str, outcome: &str, at: Timestamp) -> Settled {
    let outcome = Outcome { outcome: outcome.into(), detail: None, attempts: 1, at };
    Settled { run_id, batch: id(batch), outcome }
}

pub(super) fn hold(batch: &str, until: Timestamp) -> Hold {
    Hold { account: main_account(), batch: id(batch), until, why: "legal".into(), made_at: now() }
}

pub(super) fn guard(run_id: RunId, since: Timestamp) -> OpenGuard {
    let guards = vec!["max_deletes".to_owned()];
    OpenGuard { account: main_account(), run_id, since, guards }
}

/// Batches and outcomes of the whole journal, newest first.
pub(super) async fn journal(state: &State) -> Vec<(String, Option<String>)> {
    let all = state.deletions(&DeletionFilter::default()).await.unwrap();
    all.into_iter()
        .map(|row| (row.entry.batch.to_string(), row.outcome.map(|outcome| outcome.outcome)))
        .collect()
}
