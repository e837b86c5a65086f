//! A bad file, end to end: every command refuses it at its line, and nothing is sent to any account.

use std::os::unix::fs::PermissionsExt;

use crate::told::assert_printable;
use crate::world::{KEY, OPEN, Ran, TMP, World};

/// What every command answers to the file as it is now. A mistake must stop each of them.
async fn assert_refused(case: &str, world: &World, words: &[&str]) {
    for command in [
        &["once"][..],
        &["plan"],
        &["check"],
        &["check", "--online"],
        &["test"],
        &["explain", "AA000000"],
    ] {
        let ran = world.run(command).await;
        let case = format!("{case}, {command:?}");
        assert_eq!(ran.code, 78, "{case}: {ran:?}");
        let always = ["error: ", "nothing was sent to any account", "Exit code 78"];
        for word in words.iter().chain(&always) {
            assert!(ran.err.contains(word), "{case}: no `{word}` in: {}", ran.err);
        }
        assert_printable(&case, &ran);
        assert_eq!(ran.out, "", "{case}");
    }
    assert!(world.emulator.log().is_empty(), "{case}");
}

/// A world whose file is good but for this, which is added to it.
async fn with(more: &str) -> World {
    let world = World::with_tmp(1).await;
    world.file(&format!("{OPEN}{TMP}{more}"));
    world
}

// fault: F1, F2, F3, N8
#[tokio::test(start_paused = true)]
async fn a_mistake_is_shown_at_its_line_and_nothing_is_sent() {
    let rule = |keys: &str| format!("[delete.x]\n{keys}\n");
    let account = |keys: &str| format!("[accounts.b]\nproduct = \"serpwow\"\n{keys}\n");
    let rows: [(&str, String, &[&str]); 17] = [
        (
            "unknown key",
            rule("name = \"a\"\nolder_then = \"7d\""),
            &["`older_then`", "`older_than`", "config.toml:15:1"],
        ),
        ("unknown table", "[gaurds]\n".into(), &["`gaurds`", "`guards`"]),
        (
            "a key twice",
            rule("name = \"a\"\nname = \"b\"\nolder_than = \"7d\""),
            &["name", "config.toml:15"],
        ),
        ("a rule twice", TMP.into(), &["tmp", "config.toml:14"]),
        ("a number as text", rule("name = \"a\"\nolder_than = 7"), &["older_than"]),
        ("a truth as text", "[delete.x]\nname = \"a\"\nany_age = \"true\"\n".into(), &["any_age"]),
        ("no age", rule("name = \"a\""), &["rule `x` has no bound", "any_age"]),
        ("no selector", rule("older_than = \"7d\""), &["rule `x` has no selector", "match_all"]),
        ("everything", rule("name_regex = \".*\"\nolder_than = \"7d\""), &["would take any batch"]),
        ("empty prefix", rule("name = \"\"\nolder_than = \"7d\""), &["empty"]),
        ("30M", rule("name = \"a\"\nolder_than = \"30M\""), &["`30M`", "`min`", "`d`"]),
        ("30m", rule("name = \"a\"\nolder_than = \"30m\""), &["`30m`"]),
        ("a fraction", rule("name = \"a\"\nolder_than = \"1.5d\""), &["`1.5d`"]),
        ("a sign", rule("name = \"a\"\nolder_than = \"-1d\""), &["`-1d`"]),
        ("overflow", rule("name = \"a\"\nolder_than = \"99999999999999999999d\""), &["older_than"]),
        (
            "plain http",
            account("base_url = \"http://api.serpwow.com/live\""),
            &["base_url", "https"],
        ),
        (
            "plain http to a look-alike",
            account("base_url = \"http://127.0.0.1.example.com\""),
            &["https"],
        ),
    ];
    for (case, more, words) in rows {
        assert_refused(case, &with(&more).await, words).await;
    }
}

// fault: F1
#[tokio::test(start_paused = true)]
async fn all_mistakes_are_told_at_once() {
    let world = with("[delete.x]\nnaem = \"a\"\nolder_than = \"30M\"\n[keep.y]\nlast = 0\n").await;
    assert_refused("three", &world, &["`naem`", "`30M`", "last", "3 errors"]).await;
}

// fault: F6
#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_text_of_sane_size_is_refused() {
    let world = with("").await;
    let rows: [(&str, Vec<u8>, &[&str]); 5] = [
        ("not UTF-8", b"dry_run = true # \xff\n".to_vec(), &["not UTF-8", "byte 17"]),
        ("over 1 MiB", vec![b'#'; (1 << 20) + 1], &["over 1 MiB"]),
        ("deep", format!("x = {}", "[".repeat(100_000)).into_bytes(), &[]),
        ("deep tables", format!("x = {}", "{a=".repeat(100_000)).into_bytes(), &[]),
        ("raw escape", b"x = \"\x1b[31m\"\n".to_vec(), &["config.toml:1:"]),
    ];
    for (case, bytes, words) in rows {
        std::fs::write(world.path(), bytes).unwrap();
        assert_refused(case, &world, words).await;
    }
    let regex = format!(
        "[delete.x]\nname_regex = '(({}){{1000}}){{1000}}'\nolder_than = \"7d\"\n",
        "a".repeat(50)
    );
    assert_refused("huge regex", &with(&regex).await, &["name_regex"]).await;
}

// fault: F7
#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_or_that_anyone_may_edit_is_refused() {
    let world = with("").await;
    std::fs::set_permissions(world.path(), PermissionsExt::from_mode(0o666)).unwrap();
    assert_refused("mode 0666", &world, &["mode 0666", "anyone can edit", "chmod o-w"]).await;
    std::fs::remove_file(world.path()).unwrap();
    assert_refused("missing", &world, &["there is no such file", "config.toml"]).await;
    std::fs::create_dir(world.path()).unwrap();
    assert_refused("a directory", &world, &["directory"]).await;
}

// fault: F6, F7
#[tokio::test(start_paused = true)]
async fn a_bad_drop_in_stops_everything_too() {
    let world = with("").await;
    let folder = world.path().with_file_name("conf.d");
    std::fs::create_dir(&folder).unwrap();
    let drop_in = folder.join("10-x.toml");
    std::fs::write(&drop_in, TMP).unwrap();
    assert_refused("a rule in two files", &world, &["tmp", "10-x.toml"]).await;
    std::fs::write(&drop_in, b"\xff").unwrap();
    assert_refused("not UTF-8", &world, &["10-x.toml", "UTF-8"]).await;
    std::fs::write(&drop_in, "[keep.more]\nname = \"tmp-*\"\n").unwrap();
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 0), "a keep rule of a drop-in binds: {ran:?}");
}

// fault: F12
#[tokio::test(start_paused = true)]
async fn variables_of_a_service_link_are_not_looked_at() {
    let mut world = with("").await;
    world.set("BATCHSWEEP_PORT", Some("tcp://10.0.0.1:80"));
    world.set("BATCHSWEEP_SERVICE_HOST", Some("10.0.0.1"));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 1), "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn a_variable_sets_what_the_file_says_otherwise() {
    let mut world = World::with_tmp(3).await;
    world.set("BATCHSWEEP__GUARDS__MAX_DELETES", Some("2"));
    assert_eq!(world.once().await.code, 3);
    world.set("BATCHSWEEP__GUARDS__MAX_DELETES", None);
    world.set("BATCHSWEEP__DRY_RUN", Some("true"));
    assert_eq!(world.once().await.only_run()["outcome"], "dry_run");
    assert!(world.emulator.destructive().is_empty());
    world.set("BATCHSWEEP__DRY_RUN", Some("false"));
    assert_eq!(world.once().await.count("deleted"), 3);
}

// fault: F1, F12
#[tokio::test(start_paused = true)]
async fn a_variable_that_sets_nothing_known_is_refused() {
    for (name, value, words) in [
        ("BATCHSWEEP__GAURDS__MAX_DELETES", "2", &["GAURDS"][..]),
        ("BATCHSWEEP__GUARDS__MAX_DELETES", "two", &["BATCHSWEEP__GUARDS__MAX_DELETES"]),
        ("BATCHSWEEP__DRY_RUN", "no", &["BATCHSWEEP__DRY_RUN"]),
        ("BATCHSWEEP__DELETE__NEW__NAME", "*", &["a variable cannot add it"]),
    ] {
        let mut world = with("").await;
        world.set(name, Some(value));
        assert_refused(name, &world, words).await;
    }
}

// fault: S2, S3
#[tokio::test(start_paused = true)]
async fn a_key_as_an_override_is_refused_and_not_shown() {
    let mut world = with("").await;
    world.set("BATCHSWEEP__ACCOUNTS__MAIN__API_KEY", Some(KEY));
    assert_refused("api_key", &world, &["BATCHSWEEP__ACCOUNTS__MAIN__API_KEY"]).await;
}

// fault: S2, S3
#[tokio::test(start_paused = true)]
async fn no_argument_takes_a_key() {
    let world = with("").await;
    for args in [["once", "--api-key=SECRET0SECRET0"], ["once", "--key=SECRET0SECRET0"]] {
        let ran: Ran = world.run(&args).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(!ran.err.contains("SECRET0"), "{ran:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_flag_for_a_dry_run_outweighs_the_file() {
    let world = World::with_tmp(2).await;
    let ran = world.run(&["once", "--dry-run", "--output", "json"]).await;
    assert_eq!((ran.code, ran.outcome_of("AA000000").as_str()), (0, "would_delete"), "{ran:?}");
    assert!(world.emulator.destructive().is_empty());
}
