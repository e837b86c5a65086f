//! What a package brings beside the binary: units, manual pages, completions, and the two lists of files.
//!
//! Not here: the units on a running system (`tests/systemd/run`). Where a tool of the system is missing, a
//! test says so on standard error and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::source::root;

const PROGRAM: &str = env!("CARGO_BIN_EXE_batchsweep");
const UNITS: [&str; 3] = ["batchsweep.service", "batchsweep-once.service", "batchsweep-once.timer"];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// A unit: every key with its values, in order. Keys of different sections have different names.
fn unit(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in read(&format!("systemd/{name}")).lines() {
        if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            keys.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    keys
}

fn one<'a>(unit: &'a BTreeMap<String, Vec<String>>, key: &str) -> &'a str {
    let [value] = &unit[key][..] else { panic!("{key}: {:?}", unit[key]) };
    value
}

/// The units as they would be installed, with the program that was just built.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in UNITS {
        let text = read(&format!("systemd/{name}")).replace("/usr/bin/batchsweep", PROGRAM);
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What a tool says; nothing where it is missing.
fn tool(name: &str, args: &[&str], folder: &Path) -> Option<std::process::Output> {
    let ran = Command::new(name).args(args).current_dir(folder).stdin(Stdio::null()).output();
    if ran.is_err() {
        let said = format!("left out: `{name}` is not on this machine\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    ran.ok()
}

#[test]
fn the_units_are_what_systemd_understands() {
    let folder = installed();
    let paths = UNITS.map(|name| format!("./{name}"));
    let args: Vec<_> =
        ["verify", "--man=no"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let Some(ran) = tool("systemd-analyze", &args, folder.path()) else { return };
    // An unknown key is no error to it, only a line.
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    assert!(ran.status.success());
}

#[test]
fn the_services_may_do_little() {
    let folder = installed();
    for name in ["./batchsweep.service", "./batchsweep-once.service"] {
        let args = ["security", "--offline=true", "--threshold=15", "--no-pager", name];
        let Some(ran) = tool("systemd-analyze", &args, folder.path()) else { return };
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}

// fault: Y1
#[test]
fn what_another_start_would_not_heal_is_not_started_again() {
    let daemon = unit("batchsweep.service");
    assert_eq!(one(&daemon, "Restart"), "on-failure");
    assert_eq!(one(&daemon, "RestartPreventExitStatus"), "2 77 78 CREDENTIALS");
    let once = unit("batchsweep-once.service");
    assert_eq!(one(&once, "Restart"), "on-failure");
    assert_eq!(one(&once, "SuccessExitStatus"), "143");
    // Of all the codes there are, a run is tried again for one: the API could not be reached.
    let mut stays: BTreeSet<_> = one(&once, "RestartPreventExitStatus").split(' ').collect();
    assert!(stays.remove("CREDENTIALS"));
    stays.extend(["0", "143", "75"]);
    let readme = read("README.md");
    let (_, codes) = readme.split_once("\n## Exit codes\n").unwrap();
    let (codes, _) = codes.split_once("\n## ").unwrap();
    let first = codes.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let documented: BTreeSet<_> =
        first.flat_map(|cell| cell.split(", ")).filter(|code| code.parse::<u8>().is_ok()).collect();
    assert_eq!(stays, documented);
}

// fault: Y4
#[test]
fn both_services_are_one_user_with_one_state_and_one_key() {
    let (daemon, once) = (unit("batchsweep.service"), unit("batchsweep-once.service"));
    for (key, value) in [
        ("DynamicUser", "yes"),
        ("User", "batchsweep"),
        ("StateDirectory", "batchsweep"),
        ("StateDirectoryMode", "0750"),
        ("UMask", "0077"),
        ("LoadCredential", "api-key:/etc/batchsweep/api-key"),
        ("LimitCORE", "0"),
    ] {
        assert_eq!((one(&daemon, key), one(&once, key)), (value, value), "{key}");
    }
    let begins = |key: &str| {
        ["Protect", "Private", "Restrict", "SystemCall", "Capab", "NoNew", "Memory", "Lock", "Proc"]
            .iter()
            .any(|word| key.starts_with(word))
    };
    let of = |unit: &BTreeMap<String, Vec<String>>| -> BTreeMap<String, Vec<String>> {
        unit.clone().into_iter().filter(|(key, _)| begins(key)).collect()
    };
    assert_eq!(of(&daemon), of(&once));
    assert!(of(&daemon).len() > 20);
}

#[test]
fn a_reload_looks_at_the_file_before_it_says_so() {
    let daemon = unit("batchsweep.service");
    assert_eq!(
        daemon["ExecReload"],
        ["/usr/bin/batchsweep check --file-only", "/bin/kill -HUP $MAINPID"]
    );
    assert_eq!((one(&daemon, "Type"), one(&daemon, "NotifyAccess")), ("notify", "main"));
    // More than the default of sweep.request_timeout, in which the call in flight ends.
    let seconds = |key| one(&daemon, key).trim_end_matches('s').parse::<u32>().unwrap();
    assert!(seconds("TimeoutStopSec") > 30 + 30);
    assert!(seconds("WatchdogSec") >= 30);
    let drop_in = read("systemd/batchsweep.service.d/notify-reload.conf");
    assert!(drop_in.contains("\nType=notify-reload\nExecReload=\n"), "{drop_in}");
}

#[test]
fn nothing_is_enabled_and_only_one_of_the_two_runs() {
    let preset = read("systemd/50-batchsweep.preset");
    let rules: Vec<_> = preset.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules, ["disable batchsweep.service", "disable batchsweep-once.timer"]);
    assert_eq!(one(&unit("batchsweep.service"), "Conflicts"), "batchsweep-once.timer");
    assert_eq!(one(&unit("batchsweep-once.timer"), "Conflicts"), "batchsweep.service");
    assert_eq!(one(&unit("batchsweep-once.timer"), "Persistent"), "true");
}

/// The program's output.
fn said(args: &[&str]) -> Vec<u8> {
    let ran = Command::new(PROGRAM).args(args).env_clear().output().unwrap();
    assert_eq!((ran.status.code(), ran.stderr.len()), (Some(0), 0), "{args:?}: {ran:?}");
    ran.stdout
}

#[test]
fn every_manual_page_is_written_and_reads_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pages");
    assert_eq!(said(&["man", "--out", out.to_str().unwrap()]), b"");
    let mut pages: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert!(pages.len() > 15 && pages.contains(&"batchsweep-once.8".to_owned()), "{pages:?}");
    assert_eq!(said(&["man"]), fs::read(out.join("batchsweep.8")).unwrap());
    assert_eq!(said(&["man", "batchsweep.toml"]), fs::read(out.join("batchsweep.toml.5")).unwrap());
    fs::copy(root().join("packaging/batchsweepctl.8"), out.join("batchsweepctl.8")).unwrap();
    pages.push("batchsweepctl.8".to_owned());
    for page in pages {
        let page = format!("./{page}");
        let args = ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", &page];
        let Some(ran) = tool("man", &args, &out) else { return };
        assert_eq!(
            (ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()),
            (Some(0), ""),
            "{page}"
        );
    }
}

#[test]
fn a_page_that_is_not_there_is_wrong_usage() {
    let ran = Command::new(PROGRAM).args(["man", "sweep"]).env_clear().output().unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!((ran.status.code(), ran.stdout.len()), (Some(2), 0));
    assert!(told.contains("no manual page `sweep`") && told.contains("batchsweep-once"), "{told}");
}

#[test]
fn every_shell_gets_a_script_and_bash_and_others_understand_theirs() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, check) in [
        ("bash", Some("bash")),
        ("zsh", Some("zsh")),
        ("fish", Some("fish")),
        ("powershell", None),
        ("elvish", None),
    ] {
        let script = said(&["completions", shell]);
        let text = String::from_utf8(script).unwrap();
        assert!(text.contains("once") && text.contains("log-format"), "{shell}");
        fs::write(folder.path().join("script"), &text).unwrap();
        let Some(ran) = check.and_then(|shell| tool(shell, &["-n", "script"], folder.path()))
        else {
            continue;
        };
        assert_eq!((ran.status.code(), ran.stderr.len()), (Some(0), 0), "{shell}: {ran:?}");
    }
}

/// The files that a table of Cargo.toml lists: source and, without its slash, destination.
fn assets(table: &str) -> BTreeSet<(String, String)> {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let list = manifest["package"]["metadata"][table]["assets"].as_array().unwrap();
    let text = |value: &toml::Value| value.as_str().unwrap().trim_start_matches('/').to_owned();
    list.iter()
        .map(|asset| match asset.as_array() {
            Some(asset) => (text(&asset[0]), text(&asset[1])),
            None => (text(&asset["source"]), text(&asset["dest"])),
        })
        .collect()
}

#[test]
fn both_packages_hold_the_same_files() {
    let deb = assets("deb");
    let mut rpm = assets("generate-rpm");
    // A licence has a place of its own in one and is the copyright file of the other; zsh's own differs.
    rpm.retain(|(_, dest)| !dest.starts_with("usr/share/licenses/"));
    let zsh = |dest: &str| dest.replace("/vendor-completions/", "/site-functions/");
    let deb: BTreeSet<_> = deb.into_iter().map(|(source, dest)| (source, zsh(&dest))).collect();
    assert_eq!(deb, rpm);
    for name in UNITS {
        assert!(deb.contains(&(format!("systemd/{name}"), "usr/lib/systemd/system/".to_owned())));
    }
    for (source, _) in deb.iter().filter(|(source, _)| !source.starts_with("target/")) {
        let exists = source.split_once('*').map_or(source.as_str(), |(folder, _)| folder);
        assert!(root().join(exists).exists(), "{source}");
    }
}
