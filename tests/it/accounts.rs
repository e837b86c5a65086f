//! Several accounts in one file, end to end.

use std::time::Duration;

use batchsweep::emulator::{Answer, Fault, Operation, Product, Seed};
use chrono::TimeDelta;

use crate::told::assert_told;
use crate::world::{KEY, NOW, OPEN, TMP, World, id};

/// Two accounts: `main`, and `other` of another product with another key.
async fn two() -> (World, World) {
    let mut main = World::with_tmp(2).await;
    let other = World::of(Product::Rainforest).await;
    other.emulator.insert(other.old(&id(7), "tmp-7"));
    other.emulator.set_key("CANARYOTHERKEY00");
    main.set("OTHER_KEY", Some("CANARYOTHERKEY00"));
    let table = format!(
        "[accounts.other]\nproduct = \"rainforest\"\nbase_url = \"{}\"\napi_key_env = \"OTHER_KEY\"\n",
        other.base_url()
    );
    main.file(&format!("{OPEN}{TMP}{table}"));
    (main, other)
}

#[tokio::test(start_paused = true)]
async fn each_account_is_swept_with_its_own_key() {
    let (main, other) = two().await;
    let ran = main.once().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let runs = ran.json()["runs"].as_array().unwrap().clone();
    let names: Vec<_> = runs.iter().map(|run| run["account"].as_str().unwrap()).collect();
    assert_eq!(names, ["main", "other"]);
    assert_ne!(runs[0]["run_id"], runs[1]["run_id"]);
    assert_eq!((main.emulator.count(), other.emulator.count()), (0, 0));
    main.assert_safe();
    other.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn the_worst_account_decides_and_the_others_are_swept_all_the_same() {
    let rows = [
        (Answer::refused(500, "emulated: no"), 75),
        (Answer::html(200), 4),
        (Answer::refused(401, "emulated: no"), 77),
    ];
    for (answer, code) in rows {
        let (main, other) = two().await;
        other.emulator.script(Fault::on(Operation::List).answer(answer));
        let ran = main.once().await;
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!((main.emulator.count(), other.emulator.count()), (0, 1), "{code}");
        let codes: Vec<_> = ran.json()["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["exit_code"].clone())
            .collect();
        assert_eq!(codes, [0, code]);
        let (main, other) = two().await;
        main.emulator
            .script(Fault::on(Operation::Delete).answer(Answer::refused(400, "emulated: no")));
        other
            .emulator
            .script(Fault::on(Operation::Account).answer(Answer::refused(401, "emulated: no")));
        assert_eq!(main.once().await.code, 77);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_without_a_key_does_not_stop_the_others() {
    let (mut main, other) = two().await;
    main.set("OTHER_KEY", None);
    let ran = main.run(&["once"]).await;
    assert_told("no key", &ran, 78, &["account `other`", "nothing was deleted", "OTHER_KEY"]);
    assert_eq!((main.emulator.count(), other.emulator.count()), (0, 1));
    assert!(other.emulator.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_accounts_that_are_named_are_touched() {
    let (main, other) = two().await;
    let ran = main.run(&["once", "--account", "other"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((main.emulator.count(), other.emulator.count()), (2, 0));
    assert!(main.emulator.log().is_empty());
    let ran = main.run(&["plan", "--account", "main", "--output", "json"]).await;
    assert_eq!(ran.json()["plans"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_not_in_the_file_is_wrong_usage() {
    let (main, other) = two().await;
    for command in
        [&["once"][..], &["plan"], &["explain", "AA000000"], &["test"], &["check", "--online"]]
    {
        let args: Vec<_> = command.iter().copied().chain(["--account", "mian"]).collect();
        let ran = main.run(&args).await;
        assert_told(&format!("{command:?}"), &ran, 2, &["`mian`", "`main` and `other`"]);
    }
    assert!(main.emulator.log().is_empty() && other.emulator.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rule_may_serve_one_account_only() {
    let (main, other) = two().await;
    let text = std::fs::read_to_string(main.path()).unwrap();
    main.raw_file(&text.replace("older_than", "accounts = \"other\"\nolder_than"));
    let ran = main.once().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((main.emulator.count(), other.emulator.count()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn two_names_of_one_account_are_never_swept_at_the_same_time() {
    // However the key comes, and however the place is written, it is one account of the vendor.
    for (key, slash) in [
        ("", ""),
        ("api_key_env = \"SAME_KEY\"\n", ""),
        ("api_key_file = \"KEY_FILE\"\n", ""),
        ("", "/"),
    ] {
        let mut world = World::with_tmp(20).await;
        world.set("SAME_KEY", Some(KEY));
        let file = world.path().with_file_name("api-key");
        std::fs::write(&file, format!("{KEY}\n")).unwrap();
        let key = key.replace("KEY_FILE", file.to_str().unwrap());
        world.emulator.set_latency(Duration::from_millis(50));
        let table = format!(
            "[accounts.again]\nproduct = \"serpwow\"\nbase_url = \"{}{slash}\"\n{key}",
            world.base_url()
        );
        world.file(&format!("{OPEN}{TMP}{table}"));
        let ran = world.once().await;
        assert_eq!(ran.code, 0, "{key}: {ran:?}");
        assert_eq!(world.emulator.deleted().len(), 20, "{key}");
        let violations = world.emulator.violations();
        assert!(violations.is_empty(), "{key}{slash}: {violations}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_of_one_account_share_the_window_of_list_calls() {
    let mut world = World::planted(Seed::bench(10_000, NOW.parse().unwrap())).await;
    world.set("SAME_KEY", Some(KEY));
    let names = ["a", "b", "c", "d", "e", "f"];
    let tables = names.map(|name| {
        let url = world.base_url();
        format!(
            "[accounts.{name}]\nproduct = \"serpwow\"\nbase_url = \"{url}\"\napi_key_env = \"SAME_KEY\"\n"
        )
    });
    world.file(&format!("{OPEN}{TMP}{}", tables.concat()));
    let ran = world.run(&["plan", "-q"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let log = world.emulator.log();
    let lists = log.iter().filter(|call| call.operation == Operation::List);
    let at: Vec<_> = lists.map(|call| call.at).collect();
    assert_eq!(at.len(), 70);
    for window in at.windows(55) {
        assert!(window[54] - window[0] >= TimeDelta::seconds(61), "{window:?}");
    }
    world.assert_safe();
}
