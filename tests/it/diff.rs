//! `diff`: what an edit of the rules changes, on the last listing or on a plan that was written down.

use std::path::PathBuf;

use batchsweep::emulator::Seed;

use crate::world::{OPEN, TMP, World, id};

/// The file after the edit, beside the one before.
fn edited(world: &World, text: &str) -> PathBuf {
    let path = world.path().with_file_name("edited.toml");
    let account =
        format!("[accounts.main]\nproduct = \"serpwow\"\nbase_url = \"{}\"\n", world.base_url());
    std::fs::write(&path, format!("{text}\n{account}")).unwrap();
    path
}

/// An account with temporary batches and reports, listed once.
async fn listed() -> World {
    let world = World::with_tmp(3).await.remembering();
    for n in 0..8 {
        world.emulator.insert(world.old(&format!("BB00000{n}"), &format!("report-{n}")));
    }
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    world
}

const EDIT: &str = r#"
[keep.one]
name = "tmp-1"
[delete.reports]
name = "report-*"
older_than = "1d"
"#;

#[tokio::test(start_paused = true)]
async fn an_edit_shows_what_it_puts_on_its_way_and_what_it_takes_off_it() {
    let world = listed().await;
    let calls = world.emulator.log().len();
    let new = edited(&world, &format!("{OPEN}{TMP}{EDIT}"));
    let (old, new) = (world.path(), new.to_str().unwrap().to_owned());
    let ran = world.run(&["diff", old.to_str().unwrap(), &new]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.out);
    let json = world.run(&["diff", old.to_str().unwrap(), &new, "--output", "json"]).await.json();
    assert_eq!(json["newly_deleted"].as_array().unwrap().len(), 8);
    let kept = serde_json::json!([{
        "account": "main", "id": id(1), "name": "tmp-1",
        "before": "delete", "after": "kept", "rule": "one"
    }]);
    assert_eq!(json["newly_kept"], kept);
    let back = world.run(&["diff", &new, old.to_str().unwrap(), "--output", "json"]).await.json();
    assert_eq!(back["newly_kept"].as_array().unwrap().len(), 8, "the other way round");
    assert_eq!(back["newly_deleted"][0]["rule"], "tmp");
    assert_eq!(world.emulator.log().len(), calls, "the API was asked nothing");
}

#[tokio::test(start_paused = true)]
async fn more_than_allowed_is_an_error_of_its_own() {
    let world = listed().await;
    let new = edited(&world, &format!("{OPEN}{TMP}{EDIT}"));
    let (old, new) = (world.path(), new.to_str().unwrap().to_owned());
    for (most, code) in [("7", 1), ("8", 0), ("0", 1)] {
        let ran = world.run(&["diff", old.to_str().unwrap(), &new, "--max-new", most]).await;
        assert_eq!(ran.code, code, "{most}: {ran:?}");
        assert_eq!(ran.err.contains("8 batches newly deleted"), code == 1, "{}", ran.err);
    }
    let same = world.run(&["diff", &new, &new, "--max-new", "0"]).await;
    assert_eq!(same.code, 0);
    assert!(same.out.contains("changes nothing"), "{}", same.out);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_written_down_serves_where_there_is_no_state() {
    let world = World::planted(Seed::mixed(400, 11, Seed::fixture_now())).await;
    world.file(&format!("{OPEN}{TMP}"));
    let plan = world.run(&["plan", "--output", "json"]).await;
    let inventory = world.path().with_file_name("plan.json");
    std::fs::write(&inventory, &plan.out).unwrap();
    let more = "[delete.never]\nnever_run = true\nolder_than = \"3d\"\n[delete.odd]\nwhen = \"batch.priority == 'low'\"\nany_age = true\n[keep.latest]\nname = \"*\"\nlast = 20\n";
    let new = edited(&world, &format!("{OPEN}{TMP}{more}"));
    let (old, new) = (world.path(), new.to_str().unwrap().to_owned());
    let args = ["diff", old.to_str().unwrap(), &new, "--output", "json", "--inventory"];
    let by_file = world.run(&[&args[..], &[inventory.to_str().unwrap()]].concat()).await.json();
    // The same as of the listing itself, but for what was running then.
    let mut remembering = world;
    remembering.remember();
    assert_eq!(remembering.run(&["once", "--dry-run"]).await.code, 0);
    let by_state = remembering.run(&args[..5]).await.json();
    assert!(!by_state["newly_deleted"].as_array().unwrap().is_empty(), "{by_state:#}");
    assert_eq!(by_file["newly_deleted"], by_state["newly_deleted"]);
    assert_eq!(by_file["newly_kept"], by_state["newly_kept"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_compared_is_said() {
    let world = World::with_tmp(1).await.remembering();
    let path = world.path().to_str().unwrap().to_owned();
    let none = world.run(&["diff", &path, &path]).await;
    assert_eq!(none.code, 1);
    assert!(none.err.contains("there is no listing to look at"), "{}", none.err);
    let bad = world.path().with_file_name("bad.json");
    for (text, words) in [
        ("{", "is not what `batchsweep plan --output json` writes"),
        ("{\"version\": 2, \"plans\": []}", "it has version 2"),
        ("{\"version\": 1, \"plans\": []}", "there is no listing to look at"),
        ("[]", "is not what `batchsweep plan --output json` writes"),
    ] {
        std::fs::write(&bad, text).unwrap();
        let ran = world.run(&["diff", &path, &path, "--inventory", bad.to_str().unwrap()]).await;
        assert_eq!(ran.code, 1, "{text}: {ran:?}");
        assert!(ran.err.contains(words), "{text}: {}", ran.err);
    }
    let missing = world.run(&["diff", "/nonexistent.toml", &path]).await;
    assert_eq!(missing.code, 78, "{missing:?}");
}
