//! The commands as users and programs read them: texts whole, documents by their keys.

use batchsweep::emulator::{
    Answer, Delivery, Fault, Operation, Record, ResultSet, Schedule, State,
};
use serde_json::Value;

use crate::told::{assert_printable, assert_told};
use crate::world::{OPEN, Ran, TMP, World, id};

const RULES: &str = r#"
[keep.production]
name = "prod-*"
[keep.reports]
name = "report-*"
last = 1
[delete.tmp]
name = "tmp-*"
older_than = "7d"
[delete.reports]
name = "report-*"
idle_for = "3d"
"#;

/// An account with a batch of every verdict.
async fn varied() -> World {
    let world = World::new().await;
    let old = |n: u32, name: &str| world.old(&format!("AA{n:06X}"), name);
    let set = ResultSet::ended(3, world.ago_days(9), 5).webhook(Delivery::Failed);
    let records = [
        old(1, "tmp-import"),
        old(2, "tmp-\u{1b}[31mred"),
        old(3, "tmp-running").in_state(State::Running),
        old(4, "tmp-undelivered").with_results(set),
        old(5, "prod-daily").on(Schedule::daily()),
        old(6, "report-1"),
        Record::new("AA000007", "report-2", world.ago_days(20)).ran_at(world.ago_days(10)),
        old(8, "something else"),
        Record::new("AA000009", "tmp-young", world.ago_days(2)),
        old(10, "tmp-odd").odd("created_at", batchsweep::emulator::Odd::Is(Value::Null)),
        Record::new("AA00000B", "tmp-just-ran", world.ago_days(40)).ran_at(world.ago_days(0)),
    ];
    for record in records {
        world.emulator.insert(record);
    }
    world.file(&format!("{OPEN}{RULES}"));
    world
}

/// Standard output and what is said to people on standard error, without log lines and without the
/// numbers and paths that differ from run to run.
fn shown(world: &World, ran: &Ran) -> String {
    assert_printable("shown", ran);
    let folder = world.path().parent().unwrap().display().to_string();
    let said: Vec<&str> = ran.err.lines().filter(|line| !line.starts_with('{')).collect();
    let text =
        format!("exit code {}\n--- out\n{}--- err\n{}\n", ran.code, ran.out, said.join("\n"));
    let host = world.base_url().replace("http://", "").replace("/live", "");
    text.replace(&folder, "FOLDER").replace(&host, "HOST")
}

#[tokio::test(start_paused = true)]
async fn plan_shows_what_goes_what_stays_and_why() {
    let world = varied().await;
    insta::assert_snapshot!("plan", shown(&world, &world.run(&["plan"]).await));
    insta::assert_snapshot!("plan_all", shown(&world, &world.run(&["plan", "--all"]).await));
    world.file(&format!("dry_run = false\n[guards]\nmax_deletes = 1\n{RULES}"));
    insta::assert_snapshot!("plan_guarded", shown(&world, &world.run(&["plan"]).await));
    assert!(world.emulator.destructive().is_empty());
}

#[tokio::test(start_paused = true)]
async fn once_shows_what_became_of_each_batch() {
    let world = varied().await;
    insta::assert_snapshot!("once_dry", shown(&world, &world.run(&["once", "--dry-run"]).await));
    let no = Answer::refused(400, "emulated: not today");
    world.emulator.script(Fault::on(Operation::Delete).id("AA000002").answer(no));
    insta::assert_snapshot!("once", shown(&world, &world.run(&["once"]).await));
}

#[tokio::test(start_paused = true)]
async fn once_ends_with_an_error_that_names_the_first_of_the_failures() {
    let world = World::with_tmp(6).await;
    let open = OPEN.replace("[guards]", "[guards]\nmax_consecutive_failures = \"off\"");
    world.file(&format!("{open}{TMP}"));
    for n in 0..5 {
        let no = Answer::refused(400, "emulated: not today");
        world.emulator.script(Fault::on(Operation::Delete).id(&id(n)).answer(no));
    }
    let ran = world.run(&["once"]).await;
    let words =
        ["account `main`: 5 of 6 deletions failed", "AA000002: ", "and 2 more, in the table"];
    assert_told("refused", &ran, 1, &words);
    assert!(!ran.err.contains("because: AA000003"), "{ran:?}");
    assert!(ran.out.contains("5  refused by the API"), "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn once_shows_which_guard_stopped_it() {
    let world = varied().await;
    world.file(&format!("dry_run = false\n[guards]\nmax_deletes = 1\n{RULES}"));
    insta::assert_snapshot!("once_guarded", shown(&world, &world.run(&["once"]).await));
}

#[tokio::test(start_paused = true)]
async fn once_in_text_log_lines_reads_as_sentences() {
    let world = varied().await;
    let ran = world.run(&["once", "--log-format", "text"]).await;
    let run_id = ran.err.split("run_id=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let text = shown(&world, &ran).replace(run_id.unwrap_or("no run id"), "RUN");
    insta::assert_snapshot!("once_text_log", text);
}

#[tokio::test(start_paused = true)]
async fn explain_shows_every_rule_s_answer() {
    let world = varied().await;
    for id in ["AA000001", "AA000005", "AA000007", "AA000009", "AA00000A"] {
        let ran = world.run(&["explain", id]).await;
        insta::assert_snapshot!(format!("explain_{id}"), shown(&world, &ran));
    }
    assert!(world.emulator.destructive().is_empty());
}

#[tokio::test(start_paused = true)]
async fn explain_of_what_is_not_there_says_so() {
    let world = varied().await;
    let ran = world.run(&["explain", "BB000000"]).await;
    assert_told("unknown", &ran, 1, &["no batch has the id `BB000000`", "main"]);
    assert_eq!(ran.out, "");
    let ran = world.run(&["explain", "a/b"]).await;
    assert_told("bad", &ran, 2, &["`a/b` cannot be a batch id"]);
}

#[tokio::test(start_paused = true)]
async fn check_shows_the_rules_in_plain_words() {
    let world = varied().await;
    insta::assert_snapshot!("check", shown(&world, &world.run(&["check"]).await));
    let bad = RULES.replace("older_than", "older_then").replace("3d", "3M");
    world.file(&format!("{OPEN}{bad}"));
    insta::assert_snapshot!("check_errors", shown(&world, &world.run(&["check"]).await));
    assert!(world.emulator.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn check_online_tries_the_key() {
    let world = varied().await;
    let ran = world.run(&["check", "--online"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("the key is good, the account holds 11 batches"), "{ran:?}");
    world.emulator.set_key("ANOTHER");
    let ran = world.run(&["check", "--online"]).await;
    assert_told("bad key", &ran, 77, &["account `main`", "refused the key"]);
    let calls = world.emulator.log();
    assert!(calls.iter().all(|call| call.operation == Operation::Account), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn check_strict_takes_warnings_as_errors() {
    let world = World::new().await;
    world.file(&format!("{OPEN}{TMP}[delete.zero]\nname = \"zero-*\"\nolder_than = \"0s\"\n"));
    let ran = world.run(&["check"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("1 warning."), "{ran:?}");
    let ran = world.run(&["check", "--strict"]).await;
    assert_told("strict", &ran, 78, &["1 warning, and --strict allows none"]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_key_is_a_warning_of_check_and_an_error_online() {
    let mut world = varied().await;
    world.set("BATCHSWEEP_API_KEY", None);
    let ran = world.run(&["check"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("warning"), "{ran:?}");
    // As ExecReload= of the unit asks, which has no key.
    let ran = world.run(&["check", "--strict", "--file-only"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("0 warnings"), "{ran:?}");
    assert_eq!(world.run(&["check", "--online", "--file-only"]).await.code, 2);
    assert_eq!(world.run(&["check", "--online"]).await.code, 78);
    assert!(world.emulator.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_file_s_own_cases_are_run_offline() {
    let good =
        "[[test]]\nbatch = { name = \"tmp-1\", age = \"8d\" }\nexpect = \"delete\"\nby = \"tmp\"\n";
    let bad = "[[test]]\nbatch = { name = \"prod-1\", age = \"8d\" }\nexpect = \"delete\"\n";
    let world = World::new().await;
    world.file(&format!("{OPEN}{RULES}{good}"));
    let ran = world.run(&["test"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "1 passed, 0 failed\n"), "{ran:?}");
    world.file(&format!("{OPEN}{RULES}{good}{bad}"));
    insta::assert_snapshot!("test_failed", shown(&world, &world.run(&["test"]).await));
    assert!(world.emulator.log().is_empty(), "offline");
}

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn documents_have_the_keys_of_the_manual() {
    let world = varied().await;
    let document = async |args: &[&str]| {
        let all: Vec<_> = args.iter().copied().chain(["--output", "json"]).collect();
        let json = world.run(&all).await.json();
        assert_eq!(json["version"], 1, "{args:?}");
        json
    };
    let sorted = |text: &str| {
        let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words
    };

    let plan = document(&["plan"]).await;
    let ended = "failures error exit_code";
    assert_eq!(keys(&plan), sorted(&format!("version plans {ended} vanished_state")));
    let plan = &plan["plans"][0];
    let wanted = "account product run_id made_at expires_at dry_run config_hash inventory counts guards \
                  batches requests_needed";
    assert_eq!(keys(plan), sorted(wanted));
    assert_eq!(keys(&plan["inventory"]), sorted("batches hash"));
    assert_eq!(
        keys(&plan["counts"]),
        sorted("delete wait busy too_young unknown kept held unmatched")
    );
    assert_eq!(keys(&plan["guards"][0]), sorted("guard limit value tripped"));
    let wanted = "id name status created_at last_run schedule_type priority enabled destinations searches \
                  results_count next_result_set_id unreadable verdict selected_by kept_by reason eligible_at";
    for batch in plan["batches"].as_array().unwrap() {
        assert_eq!(keys(batch), sorted(wanted));
    }

    let explain = document(&["explain", "AA000001"]).await;
    let wanted = "version account batch verdict reason rules eligible_at holds history";
    assert_eq!(keys(&explain), sorted(&format!("{wanted} {ended} vanished_state")));
    assert_eq!(keys(&explain["batch"]), sorted("id name status created_at last_run"));
    assert_eq!(keys(&explain["rules"][0]), sorted("rule kind answer matchers"));
    assert_eq!(keys(&explain["rules"][0]["matchers"][0]), sorted("matcher wanted seen answer"));

    let check = document(&["check"]).await;
    let wanted = "version ok errors warnings accounts rules next_runs online";
    assert_eq!(keys(&check), sorted(&format!("{wanted} {ended}")));
    assert_eq!(keys(&check["rules"][0]), sorted("account rule"));

    let test = document(&["test"]).await;
    assert_eq!(keys(&test), sorted("version passed failed cases"));

    let once = document(&["once"]).await;
    assert_eq!(keys(&once), sorted("version runs"));
    let run = &once["runs"][0];
    let wanted = "run_id account outcome counts verified guards batches error exit_code requests duration_ms";
    assert_eq!(keys(run), sorted(wanted));
    let wanted = "deleted failed refused busy changed held gone not_reached";
    assert_eq!(keys(&run["counts"]), sorted(wanted));
    assert_eq!(keys(&run["batches"][0]), sorted("id name rule outcome detail attempts"));

    world.file("dry_run = 1\n");
    let check = document(&["check"]).await;
    assert_eq!(check["ok"], false);
    assert_eq!(keys(&check["errors"][0]), sorted("file line column path message help"));
}

// fault: N2
#[tokio::test(start_paused = true)]
async fn what_could_not_be_done_is_in_the_json_too() {
    let world = World::with_tmp(1).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.raw_file(&format!(
        "{OPEN}{TMP}[accounts.main]\nproduct = \"serpwow\"\nbase_url = \"http://{free}/live\"\n"
    ));
    for args in [&["plan"][..], &["explain", &id(0)], &["check", "--online"]] {
        let ran = world.run(&[args, &["--output", "json", "-q"]].concat()).await;
        let document = ran.json();
        assert_eq!((ran.code, &document["exit_code"]), (75, &75.into()), "{args:?}: {ran:?}");
        let error = document["error"].as_str().unwrap();
        assert!(error.starts_with("account `main`: "), "{args:?}: {error}");
        let failure = &document["failures"][0];
        assert_eq!((&failure["account"], &failure["exit_code"]), (&"main".into(), &75.into()));
    }
    let world = World::with_tmp(1).await;
    let ran = world.run(&["explain", "BB000000", "--output", "json", "-q"]).await;
    let document = ran.json();
    assert_eq!((ran.code, &document["exit_code"]), (1, &1.into()), "{ran:?}");
    assert!(document["error"].as_str().unwrap().contains("no batch has the id"), "{document}");
    for args in [&["plan"][..], &["explain", &id(0)], &["check", "--online"]] {
        let document = world.run(&[args, &["--output", "json", "-q"]].concat()).await.json();
        let none = (&document["error"], &document["exit_code"], &document["failures"]);
        assert_eq!(none, (&Value::Null, &0.into(), &Value::Array(Vec::new())), "{args:?}");
    }
}

// fault: C3
#[tokio::test(start_paused = true)]
async fn schedule_shows_the_next_firings_and_what_changes_of_the_clocks_do() {
    let world = World::new().await;
    world.file(
        "[schedule]\ncron = \"30 2 * * *\"\ntimezone = \"Europe/Paris\"\njitter = \"5min\"\n\
         [accounts.by-hand]\nproduct = \"bluecart\"\nschedule.cron = \"off\"\n\
         [delete.tmp]\nname = \"tmp-*\"\nolder_than = \"7d\"\n",
    );
    let text = world.run(&["schedule", "--count", "2"]).await;
    assert_eq!((text.code, text.err.as_str()), (0, ""));
    insta::assert_snapshot!("schedule", text.out);
    let json = world.run(&["schedule", "--count", "1", "--output", "json"]).await;
    insta::assert_snapshot!("schedule_json", json.out);
    let far = world.run(&["schedule", "--count", "0"]).await;
    assert_eq!(far.code, 2, "{far:?}");
}

// fault: K2
#[tokio::test(start_paused = true)]
async fn once_leaves_metrics_in_a_file_that_go_on_over_runs_and_change_no_exit_code() {
    let world = varied().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batchsweep.prom");
    let file = path.to_str().unwrap();
    let runs = || {
        let text = std::fs::read_to_string(&path).unwrap();
        let line = "batchsweep_runs_total{account=\"main\",outcome=\"swept\"} ";
        text.lines().find_map(|one| one.strip_prefix(line)).map(str::to_owned)
    };
    for expected in ["1", "2"] {
        let ran = world.run(&["once", "--metrics-file", file]).await;
        assert_eq!((ran.code, runs().as_deref()), (0, Some(expected)), "{ran:?}");
        assert!(!ran.err.contains("metrics."), "{ran:?}");
    }
    std::fs::write(&path, "up 1\n").unwrap();
    let ran = world.run(&["once", "--metrics-file", file]).await;
    assert_eq!((ran.code, runs().as_deref()), (0, Some("1")));
    assert_eq!(ran.err.matches("metrics.began_anew").count(), 1, "{ran:?}");
    let nowhere = folder.path().join("none/batchsweep.prom");
    let ran = world.run(&["once", "--metrics-file", nowhere.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err.matches("metrics.not_written").count(), 1, "{ran:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("CANARY") && !text.contains("AA0000"), "{text}");
}
