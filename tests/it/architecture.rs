//! Who may import whom, and which calls stand in one place only. Both are what the safety rests on:
//! planning has no means to delete, the second opinion shares nothing with the policy.
//!
//! Read from the text of every file under `src`, without its tests and comments. A module that has no
//! row yet is a violation: whoever adds one says what it may use.

use crate::source::{Source, rust_files};

/// What each module may use, beside itself and the [`NOUNS`]. The longest path that fits counts.
const MAY_USE: [(&str, Uses); 25] = [
    ("clock", Uses::OnlyThese(&[])),
    ("batch", Uses::OnlyThese(&["clock"])),
    ("warrant", Uses::OnlyThese(&["batch"])),
    ("observe", Uses::Nouns(&["policy", "state"])),
    ("observe::event", Uses::Nouns(&["policy", "observe::service"])),
    ("observe::service", Uses::Nouns(&[])),
    // The closed lists that labels are made of.
    (
        "observe::metrics",
        Uses::Nouns(&[
            "policy::verdict",
            "guards",
            "api::error",
            "sweep::outcome",
            "observe::event",
            "observe::service",
            "observe::journal",
        ]),
    ),
    ("schedule", Uses::Nouns(&[])),
    ("policy", Uses::Nouns(&[])),
    ("api", Uses::Nouns(&["observe::event"])),
    ("inventory", Uses::Nouns(&["api", "observe::event"])),
    ("plan", Uses::Nouns(&["policy", "inventory"])),
    ("audit", Uses::Nouns(&["plan", "config::raw"])),
    ("guards", Uses::Nouns(&["policy", "inventory", "plan", "audit"])),
    ("state", Uses::Nouns(&["policy", "plan", "guards"])),
    ("archive", Uses::Nouns(&["policy", "plan", "guards", "api"])),
    (
        "sweep",
        Uses::Nouns(&[
            "policy::verdict",
            "inventory",
            "plan",
            "guards",
            "api",
            "state",
            "archive",
            "observe::event",
        ]),
    ),
    ("notify", Uses::Nouns(&["api::client", "observe::event", "observe::service"])),
    ("run", Uses::AllBut(&["cli", "daemon", "document", "emulator", "server"])),
    // No runner, no client, no right to delete: it shows.
    (
        "server",
        Uses::OnlyThese(&[
            "clock",
            "batch",
            "observe::board",
            "observe::metrics",
            "policy",
            "plan::Stamps",
            "guards",
            "state",
            "config",
            "document",
            "run::explained",
            "run::outlook",
            "run::standing",
        ]),
    ),
    ("document", Uses::Nouns(&["policy", "guards", "state", "config", "run"])),
    (
        "config",
        Uses::Nouns(&[
            "schedule",
            "policy",
            "api",
            "inventory",
            "audit",
            "guards",
            "sweep",
            "state",
            "archive",
            "notify",
            "observe",
        ]),
    ),
    ("emulator", Uses::OnlyThese(&["clock"])),
    ("daemon", Uses::AllBut(&["cli", "emulator"])),
    ("cli", Uses::AllBut(&[])),
];

/// What every module may use, bar those that say otherwise.
const NOUNS: [&str; 3] = ["clock", "batch", "warrant"];

enum Uses {
    /// These and nothing else.
    OnlyThese(&'static [&'static str]),
    /// These and the nouns.
    Nouns(&'static [&'static str]),
    /// Everything but these.
    AllBut(&'static [&'static str]),
}

impl Uses {
    fn allow(&self, path: &str) -> bool {
        let names = |modules: &[&str]| modules.iter().any(|module| is_within(path, module));
        match self {
            Self::OnlyThese(modules) => names(modules),
            Self::Nouns(modules) => names(modules) || names(&NOUNS),
            Self::AllBut(modules) => !names(modules),
        }
    }
}

/// Calls that stand in few places: the call, the paths it may stand under, and why.
const PLACES: [(&str, &[&str], &str); 7] = [
    (
        "unless_dry_run",
        &["src/config", "src/warrant.rs"],
        "the right to delete comes from the file",
    ),
    (".warrant(", &["src/guards"], "only an admitted plan gives a right to delete"),
    ("Utc::now", &["src/clock.rs"], "time is an argument"),
    ("Local::now", &["src/clock.rs"], "time is an argument"),
    ("SystemTime::now", &["src/clock.rs"], "time is an argument"),
    ("println!", &["src/cli/output.rs"], "what people and programs read has one place"),
    ("stdout", &["src/cli/output.rs"], "what people and programs read has one place"),
];

#[test]
fn every_module_uses_only_what_its_row_allows() {
    let files = rust_files(&["src"]);
    assert!(files.len() > 10, "the files were found");
    let found: Vec<_> = files.iter().flat_map(forbidden_uses).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn calls_that_matter_stand_in_their_places_only() {
    let found: Vec<_> = rust_files(&["src"]).iter().flat_map(misplaced_calls).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_planted_use_is_found() {
    for (path, text, expected) in [
        ("src/audit/rule.rs", "use crate::policy::Glob;", "policy::Glob"),
        (
            "src/audit/mod.rs",
            "use crate::config::{raw::RawRule, settings::Floor};",
            "config::settings::Floor",
        ),
        ("src/audit/mod.rs", "fn f() { super::policy::decide(); }", "policy::decide"),
        (
            "src/audit/rule.rs",
            "use super::super::{plan::Plan,\n    policy::{self}};",
            "policy::self",
        ),
        (
            "src/policy/mod.rs",
            "use crate::{\n  batch::Batch,\n  api::{client::Reader as R}\n};",
            "api::client::Reader",
        ),
        ("src/api/client.rs", "pub(crate) use crate::guards;", "guards"),
        ("src/api/wire.rs", "fn f(x: &crate::config::Settings) {}", "config::Settings"),
        ("src/emulator/mod.rs", "use crate::batch::BatchId;", "batch::BatchId"),
        ("src/observe/event.rs", "use crate::state::Row;", "state::Row"),
        ("src/inventory.rs", "use crate::{*};", "*"),
        ("src/state/mod.rs", "use crate::api::Error;", "api::Error"),
        ("src/daemon/mod.rs", "use crate::cli;", "cli"),
        ("src/utils.rs", "", "no row"),
    ] {
        let found = forbidden_uses(&Source { path: path.into(), text: text.into() });
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        assert!(found[0].contains(expected) && found[0].starts_with(path), "{found:?}");
    }
}

#[test]
fn a_use_that_is_allowed_is_not_found() {
    for (path, text) in [
        ("src/audit/mod.rs", "use crate::config::raw::RawRule;\nuse crate::plan::Plan;"),
        ("src/audit/rule.rs", "use super::glob::Glob;\nuse super::super::plan::Plan;"),
        (
            "src/audit/mod.rs",
            "//! As [`crate::policy`] does.\n#[cfg(test)]\nmod tests { use crate::policy::Glob; }",
        ),
        ("src/api/client/tests/a.rs", "use crate::guards;"),
        ("src/api/tests.rs", "use crate::guards;"),
        ("src/emulator/mod.rs", "use crate::clock::Clock; // not crate::batch"),
        ("src/emulator/mod.rs", "use crate::emulator::answer;"),
        ("src/observe/log.rs", "use crate::state::Row; use crate::observe::event::Event;"),
        ("src/main.rs", "use batchsweep::cli;"),
        ("src/policy/glob.rs", "let a = \"crate\"; pub(crate) fn f() {}"),
    ] {
        let found = forbidden_uses(&Source { path: path.into(), text: text.into() });
        assert_eq!(found, [""; 0], "{path}: {text}");
    }
}

#[test]
fn a_planted_call_is_found() {
    for (call, _, _) in PLACES {
        let text = format!("fn f() {{ {call} }}");
        let found =
            misplaced_calls(&Source { path: "src/api/client.rs".into(), text: text.clone() });
        assert_eq!(found.len(), 1, "{call}: {found:?}");
        let tested = format!("#[cfg(test)]\nmod tests {{ {text} }}");
        let found = misplaced_calls(&Source { path: "src/api/client.rs".into(), text: tested });
        assert_eq!(found, [""; 0], "{call}");
    }
    let fine = "fn f() { eprintln!(); my_stdout2(); x.warrant; } // println!";
    let found = misplaced_calls(&Source { path: "src/api/client.rs".into(), text: fine.into() });
    assert_eq!(found, [""; 0]);
}

/// The uses of this file that its module's row does not allow.
fn forbidden_uses(file: &Source) -> Vec<String> {
    let module = module_of(&file.path);
    if module.is_empty() || is_test(&file.path) {
        return Vec::new();
    }
    let row = MAY_USE
        .iter()
        .filter(|(path, _)| is_within(&module.join("::"), path))
        .max_by_key(|(path, _)| path.len());
    let Some((_, uses)) = row else {
        return vec![format!("{}: its module has no row in {}", file.path, file!())];
    };
    let mut forbidden: Vec<_> = used_paths(&code_of(&file.text), module.len())
        .into_iter()
        .filter(|path| !is_within(path, module[0]) && !uses.allow(path))
        .map(|path| format!("{}: may not use `{path}`", file.path))
        .collect();
    forbidden.dedup();
    forbidden
}

/// The calls of this file that belong elsewhere.
fn misplaced_calls(file: &Source) -> Vec<String> {
    if is_test(&file.path) {
        return Vec::new();
    }
    let code = code_of(&file.text);
    PLACES
        .iter()
        .filter(|(call, places, _)| {
            !places.iter().any(|place| file.path.starts_with(place)) && has_call(&code, call)
        })
        .map(|(call, _, why)| format!("{}: `{call}` does not belong here: {why}", file.path))
        .collect()
}

/// Whether the call stands in the code, as a word of its own.
fn has_call(code: &str, call: &str) -> bool {
    let is_ident = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(call).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_ident);
        let after = code[at + call.len()..].chars().next().is_some_and(is_ident);
        let (starts_word, ends_word) = (call.starts_with(is_ident), call.ends_with(is_ident));
        !(starts_word && before || ends_word && after)
    })
}

/// The module that a file is: `src/api/client.rs` is `api`, `client`; the crate's roots are nothing.
fn module_of(path: &str) -> Vec<&str> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.split('/').filter(|step| !matches!(*step, "mod" | "lib" | "main")).collect()
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|step| matches!(step, "tests" | "tests.rs"))
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The text without comments and without what follows the head of its test module.
fn code_of(text: &str) -> String {
    let code = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod fixtures {"]
        .into_iter()
        .filter_map(|tests| text.find(tests))
        .min()
        .map_or(text, |end| &text[..end]);
    let without_comment = |line: &str| match line.find("//") {
        // `https://` in a string is no comment.
        Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    code.lines().map(|line| without_comment(line) + "\n").collect()
}

/// Every path from the crate's root that the code names, `depth` modules below it.
fn used_paths(code: &str, depth: usize) -> Vec<String> {
    let mut paths = Vec::new();
    for root in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&root) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                expand("", &mut code[at + root.len()..].trim_start(), &mut paths);
            }
        }
    }
    paths
}

/// Reads one path, or a group of them in braces, from the start of `rest`.
fn expand(prefix: &str, rest: &mut &str, paths: &mut Vec<String>) {
    *rest = rest.trim_start();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            expand(prefix, &mut inner, paths);
            let end = inner.find([',', '}']).unwrap_or(inner.len());
            let closes = inner[end..].starts_with('}') || end == inner.len();
            inner = inner.get(end + 1..).unwrap_or("");
            if closes || inner.trim_start().starts_with('}') {
                *rest = inner;
                return;
            }
        }
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    *rest = after;
    let Some(mut below) = after.strip_prefix("::") else {
        return paths.push(path);
    };
    let goes_on = below.starts_with(|c: char| is_name(c) || c == '{');
    if goes_on {
        expand(&path, &mut below, paths);
    } else {
        paths.push(path);
    }
    *rest = below;
}
