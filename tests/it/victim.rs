//! The program as a process that a test may kill, and its account in the test's own process.
//!
//! Emulated time stands still ([`still`]): a `Delay` holds a call until the test moves time on, a `Hang`
//! for ever. So a test waits for what the emulator's log or the journal shows, and then acts at that very
//! instant. The program itself lives in real time.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use batchsweep::clock::{Clock, SystemClock};
use batchsweep::emulator::{Emulator, Operation, Product, Record, Running};
use chrono::TimeDelta;
use serde_json::Value;
use sqlx::{AnyConnection, Connection, Executor, Row};

use crate::world::{KEY, OPEN, TMP};

/// A URL of a PostgreSQL server on which the tests may make schemas.
const SERVER: &str = "BATCHSWEEP_TEST_POSTGRES";

/// Runs a test whose time stands still, whatever threads and processes work meanwhile.
pub(crate) fn still(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let mut test = pin!(test);
    runtime.block_on(poll_fn(|context| {
        // Paused time would jump to the next timer whenever the runtime has nothing to do.
        context.waker().wake_by_ref();
        test.as_mut().poll(context)
    }));
}

/// An account, a file for it, and a state.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) emulator: Emulator,
    pub(crate) folder: tempfile::TempDir,
    running: Running,
    state: String,
}

/// The program at work.
#[derive(Debug)]
pub(crate) struct Victim {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// What a process writes to standard error.
#[derive(Debug)]
pub(crate) struct Log(PathBuf);

impl Log {
    /// How many events of a name there are so far.
    pub(crate) fn events(&self, name: &str) -> usize {
        let event = format!("\"event\":\"{name}\"");
        let told = std::fs::read_to_string(&self.0).unwrap();
        told.lines().filter(|line| line.contains(&event)).count()
    }
}

/// What a process did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The journal in short: how many intents, and how many of them have an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) intents: i64,
    pub(crate) outcomes: i64,
}

impl Site {
    /// An account with a state in a file.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = format!("sqlite:{}", folder.path().join("state.db").display());
        Self::with(folder, state).await
    }

    /// An account with a state on a server, if there is one. [`Site::forget`] takes it away again.
    pub(crate) async fn on_server() -> Option<Self> {
        let server = std::env::var_os(SERVER)?.into_string().unwrap();
        let schema = format!(
            "batchsweep_kill_{}_{}",
            std::process::id(),
            SystemClock.now().timestamp_micros()
        );
        run_sql(&server, format!("CREATE SCHEMA {schema}")).await;
        let mark = if server.contains('?') { '&' } else { '?' };
        let state = format!("{server}{mark}options[search_path]={schema}");
        Some(Self::with(tempfile::tempdir().unwrap(), state).await)
    }

    /// Takes the schema on a server away. A test that fails leaves it, for a look.
    pub(crate) async fn forget(self) {
        if let Some((server, schema)) = self.state.split_once("options[search_path]=") {
            run_sql(server, format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }

    async fn with(folder: tempfile::TempDir, state: String) -> Self {
        let emulator = Emulator::new(Product::SerpWow, KEY, Arc::new(SystemClock));
        let running = emulator.start().await.unwrap();
        let site = Self { emulator, folder, running, state };
        site.file(&site.account("main", KEY));
        site
    }

    /// The table of an account of the file.
    pub(crate) fn account(&self, name: &str, key: &str) -> String {
        let url = self.running.base_url();
        std::fs::write(self.folder.path().join(name), key).unwrap();
        let key_file = self.folder.path().join(name);
        format!(
            "[accounts.{name}]\nproduct = \"serpwow\"\nbase_url = \"{url}\"\napi_key_file = \"{}\"\n",
            key_file.display()
        )
    }

    /// Writes the file: old batches called `tmp-…` go, and one intent is written at a time: so each
    /// instant between two writes can be met.
    pub(crate) fn file(&self, accounts: &str) {
        let open = OPEN.replace("[sweep]", "[sweep]\nlookahead = 1");
        let state = format!("[state]\nurl = \"{}\"\n", self.state);
        let text = format!("{open}{TMP}{state}{accounts}");
        std::fs::write(self.folder.path().join("config.toml"), text).unwrap();
    }

    /// Adds an old batch, under an id of that number.
    pub(crate) fn insert(&self, n: usize, name: &str) {
        let ago = |days| SystemClock.now() - TimeDelta::days(days);
        let record = Record::new(crate::world::id(n), name, ago(30)).ran_at(ago(29));
        self.emulator.insert(record);
    }

    /// The program with these arguments, not yet begun; `wrapped` are words before it.
    pub(crate) fn command(&self, wrapped: &[&str], args: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_batchsweep");
        let mut words = wrapped.iter().copied().chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("--config").arg(self.folder.path().join("config.toml")).args(args);
        command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }

    /// Begins a process.
    pub(crate) fn begin(&self, args: &[&str]) -> Victim {
        self.begin_by(&[], args)
    }

    /// Begins a process, wrapped in another command that becomes it.
    pub(crate) fn begin_by(&self, wrapped: &[&str], args: &[&str]) -> Victim {
        // A file takes all that is written; a pipe would have to be read meanwhile.
        let file = || tempfile::NamedTempFile::new_in(self.folder.path()).unwrap().keep().unwrap();
        let ((out, out_path), (err, err_path)) = (file(), file());
        let child = self.command(wrapped, args).stdout(out).stderr(err).spawn().unwrap();
        Victim { child, out: out_path, err: err_path }
    }

    /// Begins the service, with these variables.
    pub(crate) fn serve(&self, env: &[(&str, &str)]) -> Victim {
        let file = || tempfile::NamedTempFile::new_in(self.folder.path()).unwrap().keep().unwrap();
        let ((out, out_path), (err, err_path)) = (file(), file());
        let mut command = self.command(&[], &["run", "--log-format", "json"]);
        let child = command.envs(env.iter().copied()).stdout(out).stderr(err).spawn().unwrap();
        Victim { child, out: out_path, err: err_path }
    }

    /// Begins `once`.
    pub(crate) fn once(&self) -> Victim {
        self.begin(&["once", "--output", "json", "--log-format", "json"])
    }

    /// Runs `once` to its end, as soon as a server knows that those before it are gone.
    pub(crate) async fn once_alone(&self) -> Done {
        loop {
            let done = self.once().end().await;
            let is_server = !self.state.starts_with("sqlite:");
            if !is_server || done.status.code() != Some(5) {
                return done;
            }
        }
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Done {
        self.begin(args).end().await
    }

    /// How many calls of a kind have come, and how many of these were answered.
    pub(crate) fn calls(&self, operation: Operation) -> (usize, usize) {
        let log = self.emulator.log();
        let of_kind = log.iter().filter(|call| call.operation == operation);
        let (all, answered): (Vec<_>, Vec<_>) =
            (of_kind.clone().collect(), of_kind.filter(|call| call.status.is_some()).collect());
        (all.len(), answered.len())
    }

    /// Looks into the state, as somebody else.
    pub(crate) async fn look(&self) -> AnyConnection {
        AnyConnection::connect(&self.state_url()).await.unwrap()
    }

    fn state_url(&self) -> String {
        sqlx::any::install_default_drivers();
        match self.state.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite://{path}?mode=rw"),
            None => self.state.clone(),
        }
    }

    /// What the journal holds.
    pub(crate) async fn written(&self) -> Written {
        let mut connection = self.look().await;
        let written = written(&mut connection).await;
        connection.close().await.unwrap();
        written
    }

    /// What the journal holds, also where no process came so far as to make one.
    pub(crate) async fn written_if_any(&self) -> Written {
        let nothing = Written { intents: 0, outcomes: 0 };
        let Ok(mut connection) = AnyConnection::connect(&self.state_url()).await else {
            return nothing;
        };
        let sql = "SELECT count(*), count(outcome) FROM batchsweep_journal";
        let row = connection.fetch_one(sql).await;
        connection.close().await.unwrap();
        row.map_or(nothing, |row| Written { intents: row.get(0), outcomes: row.get(1) })
    }

    /// Waits until the journal holds that, while the program works.
    pub(crate) async fn until_written(&self, victim: &mut Victim, wanted: Written) {
        let mut connection = self.look().await;
        loop {
            let found = written(&mut connection).await;
            if found == wanted {
                break;
            }
            assert!(victim.is_alive(), "it ended at {found:?}, not {wanted:?}: {}", victim.told());
        }
        connection.close().await.unwrap();
    }

    /// What `history` tells of each deletion, newest first: id and outcome.
    pub(crate) async fn history(&self) -> Vec<(String, String)> {
        let done = self.run(&["history", "--output", "json", "--limit", "100000"]).await;
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let document: Value = serde_json::from_str(&done.out).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = document["deletions"].as_array().unwrap().iter();
        rows.map(|row| (text(&row["batch_id"]), text(&row["outcome"]))).collect()
    }
}

async fn run_sql(url: &str, sql: String) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

async fn written(connection: &mut AnyConnection) -> Written {
    let sql = "SELECT count(*), count(outcome) FROM batchsweep_journal";
    let row = connection.fetch_one(sql).await.unwrap();
    Written { intents: row.get(0), outcomes: row.get(1) }
}

impl Victim {
    /// Waits until something is so, while it works.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn() -> bool) {
        while !is_so() {
            assert!(self.is_alive(), "it ended before {what}: {}", self.told());
            tokio::task::yield_now().await;
        }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn told(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    /// How many deletions of a killed run it settled so far.
    pub(crate) fn settled(&self) -> usize {
        settled(&self.told())
    }

    /// What it writes to standard error, to be looked at while it is waited for.
    pub(crate) fn log(&self) -> Log {
        Log(self.err.clone())
    }

    /// How many events of a name it told so far.
    pub(crate) fn events(&self, name: &str) -> usize {
        self.log().events(name)
    }

    /// How many sockets it listens at.
    pub(crate) fn listening(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid());
        let links = std::fs::read_dir(folder).unwrap().flatten();
        let own: Vec<_> = links
            .filter_map(|link| std::fs::read_link(link.path()).ok())
            .map(|target| target.display().to_string())
            .collect();
        let tables = ["tcp", "tcp6"].map(|table| {
            std::fs::read_to_string(format!("/proc/{}/net/{table}", self.pid())).unwrap()
        });
        let listens = |line: &&str| {
            let fields: Vec<_> = line.split_whitespace().collect();
            // State 0A is LISTEN; the tenth field is the socket's number.
            fields.get(3) == Some(&"0A")
                && fields.get(9).is_some_and(|inode| own.contains(&format!("socket:[{inode}]")))
        };
        tables.iter().flat_map(|table| table.lines()).filter(listens).count()
    }

    /// Its number.
    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let script = r#"kill -s "$1" "$2""#;
        let sent = Command::new("sh").args(["-c", script, "sh", name, &self.pid()]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it, as a lost machine would. Whether it was still there to be killed.
    pub(crate) fn kill(mut self) -> bool {
        let was_alive = self.is_alive();
        drop(self.child.kill());
        let status = self.child.wait().unwrap();
        was_alive && status.code().is_none()
    }

    /// Waits for its end. Nothing that it wrote may hold the key.
    pub(crate) async fn end(mut self) -> Done {
        while self.is_alive() {
            tokio::task::yield_now().await;
        }
        let read = |path| std::fs::read_to_string(path).unwrap();
        let status = self.child.wait().unwrap();
        let done = Done { status, out: read(&self.out), err: read(&self.err) };
        assert!(
            !done.out.contains(KEY) && !done.err.contains(KEY),
            "the key was written: {done:?}"
        );
        done
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Done {
    /// How many deletions of a killed run it settled.
    pub(crate) fn settled(&self) -> usize {
        settled(&self.err)
    }
}

fn settled(log: &str) -> usize {
    log.lines().filter(|line| line.contains("\"journal.settled\"")).count()
}
