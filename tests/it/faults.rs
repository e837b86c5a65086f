//! The table of faults and the tests that cover it: a row of what exists today has a test that names it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, root, rust_files, test_scripts};

/// The words of the last column for what exists today.
const EXISTS: [&str; 7] = ["sweep", "state", "apply", "daemon", "server", "notify", "packages"];

/// Every word that the last column may have.
const PARTS: [&str; 8] =
    ["sweep", "state", "apply", "daemon", "server", "notify", "archive", "packages"];

/// What marks a test that covers rows, in Rust and in a script.
const MARKS: [&str; 2] = ["// fault:", "# fault:"];

#[test]
fn every_fault_that_exists_today_has_a_test() {
    let table = table();
    let files = tests();
    let named = named(&files);
    let without = |part: &str| -> Vec<_> {
        let of_part = table.iter().filter(|(_, since)| *since == part);
        of_part.map(|(id, _)| id.as_str()).filter(|id| !named.contains_key(*id)).collect()
    };
    let gaps: Vec<_> = PARTS.map(|part| format!("{part}: {}", without(part).join(" "))).into();
    let list = gaps.join("\n");
    let any = EXISTS.into_iter().any(|part| !without(part).is_empty());
    assert!(!any, "rows that no test names, by part:\n{list}");
}

#[test]
fn every_fault_that_a_test_names_is_in_the_table() {
    let table = table();
    for (id, paths) in named(&tests()) {
        assert!(table.contains_key(&id), "{paths:?} name the unknown fault `{id}`");
    }
}

#[test]
fn every_row_says_which_part_it_concerns() {
    let table = table();
    assert_eq!(table.len(), 112, "a row was added or lost: {:?}", table.keys());
    for (id, since) in table {
        assert!(PARTS.contains(&since.as_str()), "{id}: `{since}` is no part");
    }
}

#[test]
fn names_are_found_however_they_are_set_apart() {
    let [rust, script] = MARKS;
    let text = format!(
        "    {rust} H13, J1 X3\n//! {rust} no\n{rust} N2,N3\nlet x = 1; {rust} N4\n{script} Y5\n"
    );
    let files = [Source { path: "a.rs".into(), text }];
    let found = named(&files);
    let ids: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(ids, ["H13", "J1", "N2", "N3", "X3", "Y5"]);
}

/// Where tests are.
fn tests() -> Vec<Source> {
    let mut files = rust_files(&["src", "tests"]);
    files.extend(test_scripts());
    files
}

/// The rows: id and part.
fn table() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _fault, _answer, _exit, since] = cells[..] else {
            panic!("five columns: {line}");
        };
        if id.ends_with(|c: char| c.is_ascii_digit()) {
            let before = rows.insert(id.to_owned(), since.to_owned());
            assert_eq!(before, None, "{id} comes twice");
        }
    }
    rows
}

/// Every id in a marked comment, with the files that name it.
fn named(files: &[Source]) -> BTreeMap<String, BTreeSet<&str>> {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for file in files {
        for line in file.text.lines() {
            let line = line.trim_start();
            let ids = MARKS.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or_default();
            for id in ids.split([',', ' ']).filter(|id| !id.is_empty()) {
                found.entry(id.to_owned()).or_default().insert(&file.path);
            }
        }
    }
    found
}
