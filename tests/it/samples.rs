//! What a user copies: the commented sample, the ready policies, the examples of README and docs. Each
//! is valid as it stands and keeps its own promises.
//!
//! Not here: what the ready policies make of a whole account.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::World;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The fenced TOML blocks of a Markdown text.
fn toml_blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in markdown.lines() {
        match (block.take(), line.trim()) {
            (None, "```toml") => block = Some(String::new()),
            (None, _) => {}
            (Some(done), "```") => blocks.push(done),
            (Some(so_far), _) => block = Some(so_far + line + "\n"),
        }
    }
    assert!(block.is_none(), "a block does not end");
    blocks
}

/// README and everything else that is Markdown, but for what is built.
fn markdown() -> Vec<PathBuf> {
    let folders = ["", "docs", "config/policies"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

/// Asserts that a file is valid and keeps its own promises, in a world without a key.
async fn is_sound(what: &str, text: &str) {
    let mut world = World::new().await;
    world.remember();
    world.set("BATCHSWEEP_API_KEY", None);
    world.raw_file(text);
    let checked = world.run(&["check", "--output", "json"]).await;
    assert_eq!(
        (checked.code, &checked.json()["ok"]),
        (0, &Value::Bool(true)),
        "{what}: {checked:?}"
    );
    for warning in checked.json()["warnings"].as_array().unwrap() {
        let message = warning["message"].as_str().unwrap();
        assert!(message.contains("no key"), "{what}: {message}");
    }
    let tested = world.run(&["test", "--output", "json"]).await;
    assert_eq!(tested.code, 0, "{what}: {tested:?}");
    assert!(tested.json()["passed"].as_u64().unwrap() > 0, "{what} has no cases of its own");
}

#[tokio::test(start_paused = true)]
async fn the_commented_sample_is_sound() {
    is_sound("the sample", &read("config/batchsweep.toml")).await;
}

#[tokio::test(start_paused = true)]
async fn the_commented_sample_is_sound_with_every_default_written_out() {
    let is_default = |line: &str| {
        let key =
            line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(key, _)| key);
        // Where the key is, is said once; the other two ways are no defaults.
        key.is_some_and(|key| {
            key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !key.starts_with("api_key")
        })
    };
    let sample = read("config/batchsweep.toml");
    let written = sample.lines().filter(|line| is_default(line)).count();
    assert!(written > 10, "only {written} defaults");
    let lines = sample
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|_| is_default(line)).unwrap_or(line));
    is_sound("the sample", &lines.collect::<Vec<_>>().join("\n")).await;
}

#[tokio::test(start_paused = true)]
async fn the_example_of_the_readme_is_sound() {
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## The file by example\n").unwrap();
    let blocks = toml_blocks(section);
    is_sound("README", blocks.first().unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn every_ready_policy_is_sound() {
    let mut count = 0;
    for file in fs::read_dir(root().join("config/policies")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|it| it == "toml") {
            count += 1;
            let text = fs::read_to_string(&path).unwrap();
            is_sound(&path.display().to_string(), &text).await;
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(read("config/policies/README.md").contains(name), "{name} is not in the table");
        }
    }
    assert_eq!(count, 9);
}

#[test]
fn every_block_of_toml_in_the_documentation_parses() {
    let mut count = 0;
    for path in markdown() {
        for block in toml_blocks(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            let parsed: Result<toml::Table, _> = toml::from_str(&block);
            assert!(parsed.is_ok(), "{}: {parsed:?}\n{block}", path.display());
        }
    }
    assert!(count > 0);
}

#[test]
fn what_a_user_edits_fits_into_a_hundred_columns() {
    let mut files = vec![root().join("config/batchsweep.toml")];
    files
        .extend(fs::read_dir(root().join("config/policies")).unwrap().map(|it| it.unwrap().path()));
    for path in files.iter().filter(|path| path.extension().is_some_and(|it| it == "toml")) {
        for (line, n) in fs::read_to_string(path).unwrap().lines().zip(1..) {
            assert!(line.chars().count() <= 100, "{}:{n}: {line}", path.display());
        }
    }
}
