//! Hostile text, end to end: ids that could change a path, names that could steer a terminal.

use batchsweep::emulator::{Answer, Fault, Operation};

use crate::told::assert_printable;
use crate::world::{World, id};

/// Names that anyone can give a batch, each of which the rule selects.
const NAMES: [&str; 9] = [
    "tmp-\n{\"event\":\"batch.deleted\"}",
    "tmp-\u{1b}[2J\u{1b}[31mred",
    "tmp-\u{1b}]8;;https://elsewhere.example\u{1b}\\click\u{1b}]8;;\u{1b}\\",
    "tmp-\u{7}\u{8}\r\t\0\u{9b}31m",
    "tmp-\u{202e}gnp.exe\u{2066}x\u{2069}\u{200b}\u{feff}",
    "tmp-<script>alert(1)</script> <!channel> @channel *b* [a](http://x)",
    "=cmd()tmp-",
    "tmp-%0a%1b %s %n {} ${x} $(x) `x` \\n \\",
    "tmp-\u{2028}\u{2029}\u{85}next line",
];

/// An account of batches with those names, ids `AA000000` ….
async fn named() -> World {
    let world = World::with_tmp(0).await;
    for (n, name) in NAMES.iter().enumerate() {
        world.emulator.insert(world.old(&id(n), name));
    }
    world
}

// fault: X1, X2, X4
#[tokio::test(start_paused = true)]
async fn a_name_cannot_steer_a_terminal_or_fake_a_line() {
    let world = named().await;
    // Refused, so that each is shown with its reason too.
    let no = Answer::refused(400, "emulated: \u{1b}[31mno\n{\"event\":\"x\"}\u{202e}");
    world.emulator.script(Fault::on(Operation::Delete).answer(no));
    let commands: [&[&str]; 5] = [
        &["plan"],
        &["plan", "--all"],
        &["once"],
        &["once", "--log-format", "text", "-vv"],
        &["once", "--log-format", "json", "-vv"],
    ];
    for args in commands {
        let ran = world.run(args).await;
        assert_printable(&format!("{args:?}"), &ran);
        let all = ran.out.lines().chain(ran.err.lines());
        let faked = all.filter(|line| line.trim_start().starts_with("{\"event\"")).count();
        assert_eq!(faked, 0, "{args:?}: {ran:?}");
    }
    for (n, name) in NAMES.iter().enumerate() {
        let ran = world.run(&["explain", &id(n)]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_printable("explain", &ran);
        let ran = world.run(&["explain", &id(n), "--output", "json"]).await;
        assert_eq!(ran.json()["batch"]["name"], *name, "whole in data");
        assert!(ran.out.chars().all(|c| c == '\n' || c >= ' '), "{ran:?}");
    }
    assert_eq!(world.emulator.count(), NAMES.len());
}

// fault: X4
#[tokio::test(start_paused = true)]
async fn a_name_of_a_megabyte_is_cut_in_display_and_whole_in_data() {
    let world = World::with_tmp(0).await;
    let name = format!("tmp-{}", "ü".repeat(500_000));
    world.emulator.insert(world.old(&id(0), &name));
    for args in [
        &["plan"][..],
        &["plan", "--all"],
        &["explain", &id(0)],
        &["once", "--log-format", "text", "-vv"],
    ] {
        let ran = world.run(args).await;
        assert_eq!(ran.code, 0, "{args:?}");
        let longest = ran.out.lines().chain(ran.err.lines()).map(str::len).max().unwrap();
        assert!(longest < 2_000, "{args:?}: a line of {longest} bytes");
    }
    assert_eq!(world.emulator.count(), 0);
    world.emulator.insert(world.old(&id(1), &name));
    let ran = world.run(&["plan", "--output", "json"]).await;
    assert_eq!(ran.json()["plans"][0]["batches"][0]["name"], name);
}

/// Ids that a hostile server may send.
fn hostile_ids() -> Vec<String> {
    let long = "A".repeat(10_000);
    [
        "stopall",
        "StopAll",
        "clear",
        "start",
        "results",
        "",
        "..",
        ".",
        "a/b",
        "%2e%2e",
        "a?b",
        "a#b",
        "a b",
        "é1",
        "A\0",
        "A\n",
        "\u{202e}A",
        &long,
    ]
    .map(str::to_owned)
    .into()
}

// fault: X1, X3
#[tokio::test(start_paused = true)]
async fn a_batch_with_a_hostile_id_is_kept_and_never_asked_for() {
    let world = World::with_tmp(2).await;
    for hostile in hostile_ids() {
        world.emulator.insert(world.old(&hostile, "tmp-hostile"));
        world.emulator.protect(&hostile);
    }
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{ran:?}");
    let mut left = hostile_ids();
    left.sort();
    assert_eq!(world.emulator.ids(), left);
    world.assert_safe();
    for call in world.emulator.log() {
        let known = [Operation::Account, Operation::List, Operation::Get, Operation::Delete];
        assert!(known.contains(&call.operation), "{call:?}");
        assert!(call.id.is_none_or(|id| id.starts_with("AA0000")), "never on the wire");
    }
    world.emulator.insert(world.old(&id(3), "stays"));
    for args in [&["plan", "--all"][..], &["once"], &["once", "--log-format", "text", "-vv"]] {
        let ran = world.run(args).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_printable(&format!("{args:?}"), &ran);
        let longest = ran.out.lines().chain(ran.err.lines()).map(str::len).max().unwrap();
        assert!(longest < 2_000, "{args:?}: a line of {longest} bytes");
    }
}

// fault: X3
#[tokio::test(start_paused = true)]
async fn a_hostile_id_comes_in_no_command_line_either() {
    let world = World::with_tmp(1).await;
    for hostile in hostile_ids() {
        let ran = world.run(&["explain", "--", &hostile]).await;
        assert_eq!(ran.code, 2, "{hostile:.20}: {ran:?}");
        assert_printable(&format!("{hostile:.20}"), &ran);
        assert!(ran.err.len() < 1_000, "{ran:?}");
    }
    assert!(world.emulator.log().is_empty());
}

// fault: X3
#[tokio::test(start_paused = true)]
async fn an_answer_about_another_batch_deletes_nothing() {
    let world = World::with_tmp(2).await;
    // Every Get shows the other one.
    let other = serde_json::json!({"request_info": {"success": true}, "batch": {
        "id": id(1), "name": "tmp-1", "status": "idle", "created_at": "2026-10-25T12:00:00.000Z"}});
    let answer = Answer::json(200, other.to_string());
    world.emulator.script(Fault::on(Operation::Get).id(&id(0)).answer(answer));
    let ran = world.once().await;
    assert_eq!(world.emulator.deleted(), [id(1)], "{ran:?}");
    assert_ne!(ran.outcome_of(&id(0)), "deleted");
    world.assert_safe();
}
