//! Guards, end to end: one that trips stops everything, and names itself.

use crate::told::assert_nothing_deleted;
use crate::world::{TMP, World, id};

const OFF: &str = "max_deletes = \"off\"\nmax_delete_percent = \"off\"\n";

/// An account of four batches, three of which the rule selects; this in `[guards]`, this after it.
async fn world(guards: &str, more: &str) -> World {
    let world = World::with_tmp(3).await;
    world.emulator.insert(world.old("BB000001", "prod-1"));
    let sweep = "[sweep]\nrequests_per_second = 1000\nbusy_wait = \"0s\"\n";
    world.file(&format!("dry_run = false\n[guards]\n{guards}{sweep}{TMP}{more}"));
    world
}

// fault: F3, F4, P4
#[tokio::test(start_paused = true)]
async fn a_guard_that_trips_stops_everything_and_a_plan_names_it() {
    let keep = "[keep.typo]\nname = \"prodd-*\"\n";
    let pin = |range: &str| format!("[accounts.main]\nexpect_batches = {range}\n");
    let rows: [(&str, &str, &str, &str); 9] = [
        (
            "max_deletes",
            "max_deletes = 2\nmax_delete_percent = \"off\"\n",
            "",
            "deletes 3 batches, and the limit is 2;",
        ),
        (
            "max_deletes",
            "max_deletes = 0\nmax_delete_percent = \"off\"\n",
            "",
            "deletes 3 batches, and the limit is 0;",
        ),
        ("max_delete_percent", "max_delete_percent = 74\n", "", "3 of 4 batches (75.0 %)"),
        ("max_delete_percent", "max_delete_percent = 0\n", "", "3 of 4 batches"),
        ("max_delete_percent", "", "", "the limit is 25 %"),
        ("keep_matches_nothing", OFF, keep, "`typo` matches nothing among 4 batches"),
        ("expect_batches", OFF, &pin("{ min = 5 }"), "another account"),
        ("expect_batches", OFF, &pin("{ max = 3 }"), "another account"),
        ("expect_batches", OFF, &pin("{ min = 100, max = 10000 }"), "100 to 10000"),
    ];
    for (guard, guards, more, words) in rows {
        let case = format!("{guard}: {guards}{more}");
        let world = world(guards, more).await;
        if more.contains("accounts.main") {
            let (product, url) = ("serpwow", world.base_url());
            let text = std::fs::read_to_string(world.path()).unwrap();
            let text = text.rsplit_once("[accounts.main]").unwrap().0.to_owned();
            world.raw_file(&format!("{text}product = \"{product}\"\nbase_url = \"{url}\"\n"));
        }
        let ran = world.run(&["once"]).await;
        assert_nothing_deleted(&case, &world, &ran, 3, &[guard, words]);
        assert_eq!(world.emulator.count(), 4);

        let ran = world.once().await;
        assert_eq!((ran.code, ran.only_run()["outcome"].as_str()), (3, Some("guarded")), "{case}");
        assert_eq!(ran.only_run()["counts"]["delete"], 3, "{case}");
        let tripped: Vec<_> =
            ran.events().into_iter().filter(|event| event["event"] == "guard.tripped").collect();
        assert_eq!(tripped.len(), 1, "{case}: {tripped:?}");

        for args in [&["plan"][..], &["once", "--dry-run"]] {
            let ran = world.run(args).await;
            assert_eq!(ran.code, 0, "{case}: {ran:?}");
            assert!(ran.out.contains(guard) && ran.out.contains(words), "{case}: {ran:?}");
        }
        assert!(world.emulator.destructive().is_empty(), "{case}");
    }
}

// fault: F3
#[tokio::test(start_paused = true)]
async fn a_guard_lets_pass_what_is_at_its_limit() {
    let keep = "[keep.none]\nname = \"prodd-*\"\nmay_be_empty = true\n";
    for (guards, more) in [
        ("max_deletes = 3\nmax_delete_percent = \"off\"\n", ""),
        ("max_deletes = \"off\"\nmax_delete_percent = 75\n", ""),
        (OFF, keep),
        (OFF, ""),
    ] {
        let world = world(guards, more).await;
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 3), "{guards}{more}: {ran:?}");
        assert_eq!(world.emulator.ids(), ["BB000001"]);
        world.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn every_guard_that_trips_is_named() {
    let keep = "[keep.typo]\nname = \"prodd-*\"\n";
    let world = world("max_deletes = 1\nmax_delete_percent = 1\n", keep).await;
    let ran = world.run(&["once"]).await;
    let all = ["max_deletes, max_delete_percent, keep_matches_nothing"];
    assert_nothing_deleted("three", &world, &ran, 3, &all);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_delete_trips_nothing() {
    let world =
        world("max_deletes = 0\nmax_delete_percent = 0\n", "[keep.all]\nname = \"*\"\n").await;
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 0), "{ran:?}");
    let empty = World::new().await;
    empty.file(&format!("dry_run = false\n{TMP}[keep.prod]\nname = \"prod-*\"\n"));
    let ran = empty.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 0), "{ran:?}");
}

// fault: F5
#[tokio::test(start_paused = true)]
async fn a_keep_rule_wins_wherever_it_stands() {
    let keep = format!("[keep.one]\nid = \"{}\"\n", id(1));
    for first in [true, false] {
        let world = world(OFF, "").await;
        let rules = if first { format!("{keep}{TMP}") } else { format!("{TMP}{keep}") };
        world.file(&format!("dry_run = false\n[guards]\n{OFF}{rules}"));
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{ran:?}");
        assert_eq!(world.emulator.ids(), [id(1), "BB000001".to_owned()]);
        let ran = world.run(&["explain", &id(1)]).await;
        assert!(ran.out.contains("kept") && ran.out.contains("keep one"), "{ran:?}");
    }
}
