//! A world for a test: an emulated account, a clock, a file and the whole program, in one process on
//! one thread, under tokio's paused time. So an hour of backoff takes no time.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use batchsweep::cli::output::Terminal;
use batchsweep::cli::{self, Outside, Stop};
use batchsweep::clock::{Clock, SetClock, Timestamp};
use batchsweep::daemon::Asked;
use batchsweep::emulator::{Emulator, Product, Record, Running, Seed};
use chrono::TimeDelta;
use serde_json::Value;

/// The key of every test: whatever the program writes must not hold it.
pub(crate) const KEY: &str = "CANARY0KEY0DEADBEEF0123456789ABCD";

/// When every test begins.
pub(crate) const NOW: &str = "2026-11-24T12:00:00Z";

/// The program, its account and its file.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) stop: Stop,
    pub(crate) asked: Asked,
    running: Running,
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
    product: Product,
    /// Of the next command: runs that begin in one millisecond need ids of their own.
    seed: AtomicU64,
}

/// What one command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Guards out of the way, and no pace to speak of: for tests that are about something else.
pub(crate) const OPEN: &str = r#"
dry_run = false
[guards]
max_deletes = "off"
max_delete_percent = "off"
[sweep]
requests_per_second = 1000
busy_wait = "0s"
"#;

/// A rule for batches called `tmp-…`, a week old.
pub(crate) const TMP: &str = r#"
[delete.tmp]
name = "tmp-*"
older_than = "7d"
"#;

impl World {
    /// An empty SerpWow account.
    pub(crate) async fn new() -> Self {
        Self::of(Product::SerpWow).await
    }

    /// An empty account of a product.
    pub(crate) async fn of(product: Product) -> Self {
        let clock = Arc::new(SetClock::starting_at(NOW.parse().unwrap()));
        let emulator = Emulator::new(product, KEY, Arc::clone(&clock) as Arc<dyn Clock>);
        let running = emulator.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let env = [("BATCHSWEEP_API_KEY", KEY), ("BATCHSWEEP__STATE__URL", "memory:")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (stop, asked, seed) = (Stop::default(), Asked::default(), AtomicU64::new(7));
        Self { emulator, clock, stop, asked, running, folder, env, product, seed }
    }

    /// An account with so many old batches, `tmp-0` … with ids `AA000000` …, and the policy
    /// [`OPEN`] + [`TMP`].
    pub(crate) async fn with_tmp(count: usize) -> Self {
        let world = Self::new().await;
        for n in 0..count {
            world.emulator.insert(world.old(&id(n), &format!("tmp-{n}")));
        }
        world.file(&format!("{OPEN}{TMP}"));
        world
    }

    /// The same, of a seed.
    pub(crate) async fn planted(seed: Seed) -> Self {
        let world = Self::new().await;
        world.emulator.plant(seed);
        world
    }

    /// A batch created thirty days ago that ran the day after.
    pub(crate) fn old(&self, id: &str, name: &str) -> Record {
        Record::new(id, name, self.ago_days(30)).ran_at(self.ago_days(29))
    }

    /// So many days before now.
    pub(crate) fn ago_days(&self, days: i64) -> Timestamp {
        self.clock.now() - TimeDelta::days(days)
    }

    /// Where the API is.
    pub(crate) fn base_url(&self) -> String {
        self.running.base_url()
    }

    /// Lets the world go on for a while: every clock moves.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
    }

    /// The program remembers from now on, in a file.
    pub(crate) fn remember(&mut self) {
        let url = format!("sqlite:{}", self.state_file().display());
        self.set("BATCHSWEEP__STATE__URL", Some(&url));
    }

    /// The file of [`World::remember`].
    pub(crate) fn state_file(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    /// Writes the file: an account `main`, and this.
    pub(crate) fn file(&self, text: &str) {
        let (product, url) = (self.product.as_str(), self.base_url());
        self.raw_file(&format!(
            "{text}\n[accounts.main]\nproduct = \"{product}\"\nbase_url = \"{url}\"\n"
        ));
    }

    /// Writes the file: this and nothing else.
    pub(crate) fn raw_file(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Sets a variable of the environment, or takes it away.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        self.env.retain(|(known, _)| known != name);
        self.env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Gives it a state that outlives a run.
    pub(crate) fn remembering(mut self) -> Self {
        self.remember();
        self
    }

    /// Runs a command. Nothing that it writes may hold the key.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        self.run_as(&[], Arc::clone(&self.clock) as Arc<dyn Clock>, args).await
    }

    /// The same with other values of some variables.
    pub(crate) async fn run_with(&self, other: &[(&str, &str)], args: &[&str]) -> Ran {
        self.run_as(other, Arc::clone(&self.clock) as Arc<dyn Clock>, args).await
    }

    /// The same by another clock.
    pub(crate) async fn run_by(&self, clock: Arc<dyn Clock>, args: &[&str]) -> Ran {
        self.run_as(&[], clock, args).await
    }

    async fn run_as(&self, other: &[(&str, &str)], clock: Arc<dyn Clock>, args: &[&str]) -> Ran {
        let is_other = |name: &str| other.iter().any(|(known, _)| *known == name);
        let own = self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (out, err) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let outside = Outside {
            env: own.filter(|(name, _)| !is_other(name)).chain(other.iter().copied()).collect(),
            clock,
            terminal: Terminal::of_streams(
                Arc::clone(&out) as Arc<Mutex<dyn Write + Send>>,
                Arc::clone(&err) as Arc<Mutex<dyn Write + Send>>,
            ),
            seed: self.seed.fetch_add(1, Ordering::Relaxed),
            stop: self.stop.clone(),
            asked: self.asked.clone(),
        };
        let path = self.path();
        let mut all = vec!["batchsweep", "--config", path.to_str().unwrap()];
        all.extend(args);
        let code = cli::run(all.into_iter().map(Into::into).collect(), &outside).await;
        let text = |stream: &Arc<Mutex<Vec<u8>>>| {
            String::from_utf8(stream.lock().unwrap().clone()).unwrap()
        };
        let ran = Ran { code, out: text(&out), err: text(&err) };
        // fault: S3
        assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY), "the key was written: {ran:?}");
        ran
    }

    /// Its environment.
    pub(crate) fn env(&self) -> batchsweep::config::Environment {
        self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// `once`, as JSON, with trace logs: whatever is logged is held against the key.
    pub(crate) async fn once(&self) -> Ran {
        self.run(&["once", "--output", "json", "--log-format", "json", "-vv"]).await
    }

    /// What `history` tells of each deletion, newest first: id and outcome.
    pub(crate) async fn history(&self) -> Vec<(String, String)> {
        let ran = self.run(&["history", "--output", "json", "--limit", "100000"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let document = ran.json();
        let rows = document["deletions"].as_array().unwrap().iter();
        rows.map(|row| (text(&row["batch_id"]), text(&row["outcome"]))).collect()
    }

    /// Asserts that the client kept every rule that the emulator knows.
    pub(crate) fn assert_safe(&self) {
        let violations = self.emulator.violations();
        assert!(violations.is_empty(), "{violations:?}");
    }
}

/// The id of the nth batch of [`World::with_tmp`].
pub(crate) fn id(n: usize) -> String {
    format!("AA{n:06X}")
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The run of the only account.
    pub(crate) fn only_run(&self) -> Value {
        self.json()["runs"][0].clone()
    }

    /// What became of a batch.
    pub(crate) fn outcome_of(&self, id: &str) -> String {
        self.batch(id)["outcome"].as_str().unwrap_or("none").to_owned()
    }

    /// A batch of the only run, as the JSON has it.
    pub(crate) fn batch(&self, id: &str) -> Value {
        let run = self.only_run();
        let batches = run["batches"].as_array().unwrap();
        batches.iter().find(|batch| batch["id"] == id).cloned().unwrap_or_default()
    }

    /// How many batches had that outcome.
    pub(crate) fn count(&self, outcome: &str) -> u64 {
        self.only_run()["counts"][outcome].as_u64().unwrap_or(0)
    }

    /// The logged events, by name.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.err.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.filter(|event: &Value| event["event"].is_string()).collect()
    }
}
