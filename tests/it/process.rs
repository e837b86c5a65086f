//! The binary as a process of its own: arguments, streams, signals and exit codes as a shell meets them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program, with nothing of this process's environment.
fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_batchsweep"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    program(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An emulator as a process, and a file for it. It ends with the test.
struct Served {
    child: Child,
    folder: tempfile::TempDir,
}

/// What the emulator accepts, as its own greeting says.
const KEY: (&str, &str) = ("BATCHSWEEP_API_KEY", "emulator");

const RULES: &str = r#"
dry_run = false
[guards]
max_deletes = "off"
max_delete_percent = "off"
[sweep]
requests_per_second = 1000
busy_wait = "0s"
[delete.orphans]
name = ["My First Batch", "My First Collection"]
idle_for = "3d"
"#;

impl Served {
    fn new() -> Self {
        Self::with("0")
    }

    /// One that answers that many milliseconds late.
    fn with(latency_ms: &str) -> Self {
        let mut child = program(&["emulator", "--listen", "127.0.0.1:0", "--batches", "200"])
            .args(["--latency-ms", latency_ms])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.split(' ').find(|word| word.starts_with("http://")).unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let file = format!("{RULES}[accounts.main]\nproduct = \"serpwow\"\nbase_url = \"{url}\"\n");
        fs::write(folder.path().join("config.toml"), file).unwrap();
        Self { child, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// A command on the account, with the key.
    fn command(&self, args: &[&str]) -> Command {
        let file = self.file();
        let mut command = program(&["--config", file.to_str().unwrap()]);
        command.args(args).env(KEY.0, KEY.1).env("XDG_STATE_HOME", file.parent().unwrap());
        command
    }

    /// The account's batches and how many of them a run would delete.
    fn left(&self) -> (Vec<String>, u64) {
        let plan = self.command(&["plan", "--output", "json", "-q"]).output().unwrap();
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let plan = &plan["plans"][0];
        let ids = plan["batches"].as_array().unwrap().iter();
        let mut ids: Vec<_> = ids.map(|batch| batch["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        (ids, plan["counts"]["delete"].as_u64().unwrap_or(0))
    }

    fn terminate(&mut self) -> Option<i32> {
        signal(&self.child, "TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn signal(child: &Child, name: &str) {
    let script = r#"kill -s "$1" "$2""#;
    let pid = child.id().to_string();
    let sent = Command::new("sh").args(["-c", script, "sh", name, &pid]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn it_says_its_version() {
    let ran = run(&["--version"]);
    assert_eq!(ran.status.code(), Some(0));
    assert_eq!(text(&ran.stdout), concat!("batchsweep ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn each_command_says_its_use() {
    for command in [
        "",
        "run",
        "plan",
        "once",
        "explain",
        "approve",
        "check",
        "test",
        "schedule",
        "healthcheck",
        "emulator",
        "demo",
    ] {
        let args: Vec<_> = [command, "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let ran = run(&args);
        assert_eq!((ran.status.code(), ran.stderr.len()), (Some(0), 0), "{command}");
        let name = if command.is_empty() { "help" } else { &format!("help_{command}") };
        insta::assert_snapshot!(name, text(&ran.stdout));
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let wrong: [&[&str]; 8] = [
        &[],
        &["--frobnicate"],
        &["sweep"],
        &["plan", "extra"],
        &["explain"],
        &["once", "-v", "-q"],
        &["once", "--output", "yaml"],
        &["emulator", "--listen", "0.0.0.0:0"],
    ];
    for args in wrong {
        let ran = run(args);
        assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), String::new()), "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("broken.toml"), "[accounts.main\n").unwrap();
    fs::write(path("foreign.toml"), b"dry_run = true # \xff\n").unwrap();
    fs::write(path("empty.toml"), "").unwrap();
    for file in [
        path("missing.toml"),
        path(""),
        path("broken.toml"),
        path("foreign.toml"),
        path("empty.toml"),
    ] {
        for command in ["check", "test", "plan", "once"] {
            let ran = run(&["--config", &file, command]);
            assert_eq!(ran.status.code(), Some(78), "{command} {file}: {ran:?}");
            assert_eq!(text(&ran.stdout), "", "{command} {file}");
            assert!(text(&ran.stderr).starts_with("error: "), "{command} {file}: {ran:?}");
        }
    }
}

#[test]
fn the_demonstration_ends_well_and_says_what_it_came_to() {
    let ran = run(&["demo"]);
    let shown = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert!(shown.contains("In short") && shown.contains("verified"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colour without a terminal");
}

// fault: S3
#[test]
fn the_key_is_not_on_the_command_line_and_not_in_what_is_written() {
    // Late answers: so the process is there to be looked at.
    let served = Served::with("200");
    let child = served
        .command(&["once", "-vv", "--log-format", "json"])
        .env(KEY.0, "CANARY0KEY0DEADBEEF0123456789ABCD")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Empty until the process is the program and no longer a copy of this one.
    let read = || fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap();
    let line = (0..10_000).map(|_| read()).find(|line| !line.is_empty()).unwrap_or_default();
    assert!(line.contains("once"), "{line}");
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(77), "{ran:?}");
    for written in [line, text(&ran.stdout), text(&ran.stderr)] {
        assert!(!written.contains("CANARY"), "{written}");
    }
}

// fault: K8
#[test]
fn closed_streams_change_nothing_that_is_deleted() {
    let (watched, alone) = (Served::new(), Served::new());
    let before = alone.left();
    let ran = watched.command(&["once"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let mut child = alone
        .command(&["once", "-vv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(alone.left(), watched.left());
    assert_eq!(before.0.len() as u64 - before.1, alone.left().0.len() as u64);
    assert!(before.1 > 5, "a poor account for a test");
}

// fault: K8
#[test]
fn data_that_finds_no_space_is_told_of_and_changes_nothing_that_is_deleted() {
    let (watched, alone) = (Served::new(), Served::new());
    assert_eq!(watched.command(&["once"]).output().unwrap().status.code(), Some(0));
    for (args, shape) in [(["plan"], "text"), (["plan"], "json"), (["once"], "json")] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = alone.command(&args);
        let ran = command.args(["--output", shape, "-q"]).stdout(full).output().unwrap();
        let told = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(74), "{args:?}: {told}");
        assert!(told.contains("standard output could not be written"), "{told}");
    }
    assert_eq!(alone.left(), watched.left());
}

#[test]
fn json_is_all_there_is_on_standard_output() {
    let served = Served::new();
    let (ids, _) = served.left();
    let id = ids.first().unwrap();
    for args in
        [&["check"][..], &["test"], &["plan"], &["plan", "--all"], &["explain", id], &["once"]]
    {
        let ran = served.command(args).args(["--output", "json", "-vv"]).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{args:?}: {ran:?}");
        let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(document["version"], 1, "{args:?}");
    }
}

#[test]
fn colour_is_for_those_who_want_it() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/batchsweep.toml");
    let coloured = |env: &[(&str, &str)]| {
        let args = ["--config", file, "check"];
        let ran = program(&args).envs(env.iter().copied()).output().unwrap();
        text(&ran.stdout).contains('\u{1b}') || text(&ran.stderr).contains('\u{1b}')
    };
    assert!(!coloured(&[]), "no terminal");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "0")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

// fault: Y8
#[test]
fn no_home_no_temporary_folder_and_a_broken_zone_change_nothing() {
    let served = Served::new();
    let before = served.left();
    let state = served.folder.path().join("state");
    fs::create_dir(&state).unwrap();
    let mut command = served.command(&["once"]);
    command.env_remove("XDG_STATE_HOME").env("STATE_DIRECTORY", &state).current_dir("/");
    command.env("TZ", "Nowhere/At-all").env("TMPDIR", "/nonexistent").env("HOME", "/nonexistent");
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(before.0.len() as u64 - before.1, served.left().0.len() as u64);
    assert!(state.join("state.db").exists());
}

// fault: K3
#[test]
fn a_signal_ends_the_emulator_in_good_order() {
    let mut served = Served::new();
    assert_eq!(served.terminate(), Some(0));
}
