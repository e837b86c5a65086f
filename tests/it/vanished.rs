//! A state that is gone although there were runs: nothing is deleted until somebody says that this is known;
//! what only looks goes on, and says so.
//!
//! Not here: how it is told from a state that never was (`state`'s own tests).

use serde_json::Value;

use crate::told::{assert_printable, assert_told};
use crate::world::{OPEN, Ran, TMP, World, id};

/// An account of two batches that go and one that is held, whose state is lost.
async fn world() -> World {
    let mut world = World::with_tmp(3).await;
    world.remember();
    let held = world.run(&["hold", &id(2), "--until", "2027-01-31", "--why", "mine"]).await;
    assert_eq!(held.code, 0, "{held:?}");
    std::fs::remove_file(world.state_file()).unwrap();
    world
}

async fn json(world: &World, args: &[&str]) -> (u8, Value) {
    let ran = world.run(&[args, &["--output", "json", "-q"]].concat()).await;
    (ran.code, ran.json())
}

// fault: D6
#[tokio::test(start_paused = true)]
async fn without_its_past_no_run_deletes_anything_until_somebody_says_that_this_is_known() {
    let world = world().await;
    std::fs::write(world.state_file(), "").unwrap();
    let parts = ["history vanished", "is empty", "nothing was deleted", "approve --vanished-state"];
    for args in [&["once"][..], &["once", "--dry-run"]] {
        assert_told(&format!("{args:?}"), &world.run(args).await, 3, &parts);
    }
    world.file(&format!(
        "{OPEN}{TMP}[schedule]\ncron = \"15 3 * * *\"\n[server]\nlisten = \"off\"\n"
    ));
    assert_told("the service", &world.run(&["run"]).await, 3, &parts[..2]);
    let (code, document) = json(&world, &["once"]).await;
    let run = &document["runs"][0];
    assert_eq!((code, &run["exit_code"], &run["outcome"]), (3, &3.into(), &"failed".into()));
    assert!(run["error"].as_str().unwrap().starts_with("history vanished: "), "{run}");
    for args in
        [&["status"][..], &["holds"], &["hold", &id(0), "--until", "2027-01-31", "--why", "x"]]
    {
        assert_eq!(world.run(args).await.code, 3, "{args:?}");
    }
    assert!(world.emulator.log().is_empty(), "nothing was even asked for");

    let said = world.run(&["approve", "--vanished-state"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let again = world.run(&["approve", "--vanished-state"]).await;
    assert_told("again", &again, 1, &["has not vanished", "nothing was changed"]);
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 3), "as on the first day: {ran:?}");
    let again = world.run(&["approve", "--vanished-state"]).await;
    assert_told("with a past", &again, 1, &["has not vanished"]);
    world.assert_safe();
}

// fault: D6
#[tokio::test(start_paused = true)]
async fn what_only_looks_goes_on_without_the_past_and_says_so() {
    let world = world().await;
    let (code, plan) = json(&world, &["plan"]).await;
    assert_eq!((code, &plan["plans"][0]["counts"]["delete"]), (0, &3.into()));
    let (code, explained) = json(&world, &["explain", &id(2)]).await;
    assert_eq!((code, &explained["verdict"]), (0, &"delete".into()));
    for document in [&plan, &explained] {
        let vanished = &document["vanished_state"];
        assert!(
            vanished["error"].as_str().unwrap().starts_with("history vanished: "),
            "{document}"
        );
        assert!(vanished["help"].as_str().unwrap().contains("approve --vanished-state"));
    }
    let (code, check) = json(&world, &["check"]).await;
    let warnings = check["warnings"].as_array().unwrap();
    let warning = warnings.last().unwrap()["message"].as_str().unwrap();
    assert!(code == 0 && warning.contains("history vanished: "), "{check}");
    assert_eq!(world.run(&["check", "--strict"]).await.code, 78);
    assert!(!world.state_file().exists(), "nothing was made in its place");
    let (code, said) = json(&world, &["approve", "--vanished-state"]).await;
    assert_eq!((code, &said["approved"]["vanished_state"]), (0, &true.into()));
    let (_, plan) = json(&world, &["plan"]).await;
    assert_eq!(plan["vanished_state"], Value::Null);
    world.assert_safe();
}

// fault: D6
#[tokio::test(start_paused = true)]
async fn a_vanished_state_reads_well() {
    let world = world().await;
    let log = world.state_file().with_extension("db-wal");
    std::fs::write(log, "log").unwrap();
    let mut read = Vec::new();
    let example = id(2);
    for args in [
        &["check"][..],
        &["plan"],
        &["explain", &example],
        &["once", "-q"],
        &["approve", "--vanished-state"],
        &["approve", "--vanished-state"],
        &["approve"],
    ] {
        let ran: Ran = world.run(args).await;
        assert_printable("shown", &ran);
        let errors: Vec<_> = ran.err.lines().filter(|line| !line.starts_with('{')).collect();
        let text = format!("$ {}\n{}{}", args.join(" "), ran.out, errors.join("\n"));
        let folder = world.state_file().parent().unwrap().display().to_string();
        let text = text.replace(&folder, "/var/lib/batchsweep").replace(&world.base_url(), "URL");
        read.push(text.trim_end().to_owned());
    }
    let port = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    let instant = regex::Regex::new(r"(20261124T1200)\d\dZ").unwrap();
    let text = read.join("\n\n");
    let text = port.replace_all(&text, "127.0.0.1:PORT");
    insta::assert_snapshot!(instant.replace_all(&text, "${1}00Z"));
}
