//! What is remembered between runs, end to end: grace, probation, shrinkage, open guards and approvals,
//! holds, the past of a batch, the window of list calls.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use batchsweep::batch::{AccountName, RunId};
use batchsweep::clock::Clock;
use batchsweep::emulator::{Edit, Effect, Fault, Operation, State};
use batchsweep::state::{self, Location, OpenGuard};
use chrono::TimeDelta;
use serde_json::Value;
use sqlx::{AnyConnection, Connection, Executor, Row};

use crate::told::{assert_printable, assert_told};
use crate::world::{OPEN, Ran, TMP, World, id};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A URL of a PostgreSQL server on which the tests may make schemas.
const SERVER: &str = "BATCHSWEEP_TEST_POSTGRES";

/// Does this with so many old batches and a state in a file; and again with one on a server, if there is
/// one.
pub(crate) async fn on_each_state(batches: usize, test: impl AsyncFn(&mut World)) {
    let mut world = World::with_tmp(batches).await;
    world.remember();
    test(&mut world).await;
    world.assert_safe();
    let Some((server, schema, url)) = on_server().await else { return };
    let mut world = World::with_tmp(batches).await;
    world.set("BATCHSWEEP__STATE__URL", Some(&url));
    test(&mut world).await;
    world.assert_safe();
    let sql = format!("DROP SCHEMA {schema} CASCADE");
    let mut connection = AnyConnection::connect(&server).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
}

/// A schema of its own on the server, if there is one: the server, the schema, the state's URL.
async fn on_server() -> Option<(String, String, String)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static LEFT_OUT: Once = Once::new();
    let Some(server) = std::env::var_os(SERVER) else {
        LEFT_OUT.call_once(|| {
            let mut stderr = std::io::stderr();
            writeln!(stderr, "left out PostgreSQL: {SERVER} holds no URL of a server").unwrap();
        });
        return None;
    };
    let server = server.into_string().unwrap();
    sqlx::any::install_default_drivers();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let schema = format!("batchsweep_it_{}_{number}", std::process::id());
    // Paused time would jump while a socket is waited for.
    let mut connection = AnyConnection::connect(&server).await.unwrap();
    let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    let mark = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{mark}options[search_path]={schema}");
    Some((server, schema, url))
}

/// Waits until that many calls of a kind have arrived.
pub(crate) async fn called(world: &World, operation: Operation, calls: usize) {
    while world.emulator.count_of(operation) < calls {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Runs `once`, which must end with this code.
pub(crate) async fn once(world: &World, code: u8) -> Ran {
    let ran = world.once().await;
    assert_eq!(ran.code, code, "{ran:?}");
    ran
}

/// What one more run deletes; it ends well.
async fn goes(world: &World) -> Vec<String> {
    let before = world.emulator.deleted().len();
    once(world, 0).await;
    world.emulator.deleted().split_off(before)
}

async fn json(world: &World, args: &[&str]) -> Value {
    let ran = world.run(&[args, &["--output", "json", "-q"]].concat()).await;
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran.json()
}

/// What `plan` says of a batch.
async fn planned(world: &World, id: &str) -> Value {
    let plan = json(world, &["plan"]).await;
    let batches = plan["plans"][0]["batches"].as_array().unwrap().clone();
    batches.into_iter().find(|batch| batch["id"] == id).unwrap()
}

async fn verdict(world: &World, id: &str) -> String {
    planned(world, id).await["verdict"].as_str().unwrap().to_owned()
}

/// The guards that `status` shows as open.
async fn open_guards(world: &World) -> Vec<String> {
    let status = json(world, &["status"]).await;
    let guards = status["accounts"][0]["guards"].as_array().unwrap().clone();
    guards.iter().map(|guard| guard["guard"].as_str().unwrap().to_owned()).collect()
}

/// Every deletion that is remembered, newest first: batch and outcome.
pub(crate) async fn history(world: &World, args: &[&str]) -> Vec<(String, String)> {
    let history = json(world, &[&["history"], args].concat()).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = history["deletions"].as_array().unwrap().clone();
    all.iter().map(|one| (text(&one["batch_id"]), text(&one["outcome"]))).collect()
}

fn events<'r>(ran: &'r [Value], name: &str) -> Vec<&'r Value> {
    ran.iter().filter(|event| event["event"] == name).collect()
}

const GRACE: &str = "[delete.tmp]\nname = \"tmp-*\"\nolder_than = \"7d\"\ngrace = \"24h\"\n";

#[tokio::test(start_paused = true)]
async fn a_rule_with_grace_deletes_only_what_it_has_selected_that_long() {
    on_each_state(2, async |world| {
        world.file(&format!("{OPEN}{GRACE}"));
        let first = world.clock.now();
        assert_eq!(verdict(world, &id(0)).await, "wait", "a plan is no first sight");
        world.pass(HOUR).await;
        assert!(goes(world).await.is_empty(), "first sight");
        let seen = planned(world, &id(0)).await;
        assert_eq!(seen["verdict"], "wait");
        let eligible: batchsweep::clock::Timestamp =
            seen["eligible_at"].as_str().unwrap().parse().unwrap();
        assert!(eligible - first >= TimeDelta::hours(25), "{seen}");
        assert!(eligible - first < TimeDelta::hours(25) + TimeDelta::minutes(1), "{seen}");
        world.pass(23 * HOUR + Duration::from_mins(59)).await;
        assert!(goes(world).await.is_empty(), "a minute early");
        world.pass(Duration::from_mins(1)).await;
        assert_eq!(verdict(world, &id(0)).await, "delete");
        assert_eq!(goes(world).await, [id(0), id(1)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_break_in_the_selection_starts_the_grace_anew_and_another_name_alone_does_not() {
    on_each_state(3, async |world| {
        world.file(&format!("{OPEN}{GRACE}"));
        assert!(goes(world).await.is_empty());
        world.emulator.edit(Edit::Rename(id(1), "mine for now".into()));
        world.emulator.edit(Edit::Rename(id(2), "tmp-under another name".into()));
        world.pass(12 * HOUR).await;
        assert!(goes(world).await.is_empty());
        world.emulator.edit(Edit::Rename(id(1), "tmp-1".into()));
        world.pass(12 * HOUR).await;
        assert_eq!(goes(world).await, [id(0), id(2)]);
        assert_eq!(verdict(world, &id(1)).await, "wait");
        world.pass(DAY).await;
        assert_eq!(goes(world).await, [id(1)]);
    })
    .await;
}

const PROBATION: &str = "dry_run = false\n[guards]\nprobation = \"48h\"\nmax_deletes = \"off\"\nmax_delete_percent = \"off\"\n";

/// Two rules, and the age of the first.
fn two_rules(age: &str) -> String {
    let old = format!("[delete.old]\nname = \"old-*\"\nolder_than = \"{age}\"\n");
    format!("{PROBATION}{old}{TMP}")
}

#[tokio::test(start_paused = true)]
async fn a_new_or_edited_rule_only_plans_and_another_one_is_untouched() {
    on_each_state(1, async |world| {
        world.emulator.insert(world.old("BB000001", "old-1"));
        world.file(&two_rules("7d"));
        assert!(goes(world).await.is_empty(), "both rules are new");
        let seen = planned(world, &id(0)).await;
        assert_eq!(seen["verdict"], "wait");
        assert!(seen["reason"].as_str().unwrap().contains("new or edited"), "{seen}");
        world.pass(47 * HOUR).await;
        assert!(goes(world).await.is_empty());
        world.file(&two_rules("8d"));
        world.pass(HOUR).await;
        assert_eq!(goes(world).await, [id(0)], "only the rule that was not edited");
        world.pass(47 * HOUR).await;
        assert!(goes(world).await.is_empty());
        world.pass(HOUR).await;
        assert_eq!(goes(world).await, ["BB000001"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_or_another_spelling_of_a_rule_is_no_edit() {
    on_each_state(1, async |world| {
        world.file(&format!("{PROBATION}{TMP}"));
        assert!(goes(world).await.is_empty());
        world.pass(47 * HOUR).await;
        let spelt =
            "# why: they are temporary\n[delete.tmp]\nolder_than = \"168h\"\nname = ['tmp-*']\n";
        world.file(&format!("{PROBATION}{spelt}"));
        world.pass(HOUR).await;
        assert_eq!(goes(world).await, [id(0)]);
    })
    .await;
}

// fault: F11
#[tokio::test(start_paused = true)]
async fn what_a_keep_rule_protected_does_not_go_as_soon_as_the_rule_is_taken_away() {
    on_each_state(1, async |world| {
        let keep = "[keep.legal]\nname = \"tmp-0\"\n";
        world.file(&format!("{PROBATION}{keep}{TMP}"));
        assert!(goes(world).await.is_empty());
        world.pass(3 * DAY).await;
        assert!(goes(world).await.is_empty(), "kept");
        world.file(&format!("{PROBATION}{TMP}"));
        assert_eq!(verdict(world, &id(0)).await, "wait");
        let ran = once(world, 0).await;
        assert_eq!(world.emulator.count(), 1, "{ran:?}");
        assert_eq!(events(&ran.events(), "protection.gone")[0]["rule"], "legal");
        assert!(events(&once(world, 0).await.events(), "protection.gone").is_empty(), "told once");
        world.pass(2 * DAY).await;
        assert_eq!(goes(world).await, [id(0)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_a_batch_that_was_not_listed_is_made_with_a_warning() {
    let mut world = World::with_tmp(1).await;
    world.remember();
    assert_eq!(world.run(&["once", "--dry-run", "-q"]).await.code, 0);
    let hold =
        async |id: &str| world.run(&["hold", id, "--until", "2027-01-31", "--why", "x"]).await;
    let slip = hold(&id(0).to_lowercase()).await;
    assert!(slip.code == 0 && slip.err.contains("has no batch `aa000000`"), "{slip:?}");
    assert_eq!(hold(&id(0)).await.err, "");
}

// fault: Y6
#[tokio::test(start_paused = true)]
async fn grace_and_probation_without_a_memory_are_errors_of_the_file() {
    let world = World::with_tmp(1).await;
    world.file(&format!("dry_run = false\n[guards]\nprobation = \"48h\"\n{GRACE}"));
    for command in ["check", "plan", "once"] {
        let ran = world.run(&[command]).await;
        let words =
            ["`probation` needs a state that lasts", "`grace` needs a state that lasts", "^^^^^"];
        assert_eq!(ran.code, 78, "{ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "{command}: no `{word}` in {}", ran.err);
        }
    }
    let zero = "dry_run = false\n[guards]\nprobation = \"0s\"\n[delete.tmp]\nname = \"tmp-*\"\nolder_than = \"7d\"\ngrace = \"0s\"\n";
    world.file(zero);
    assert_eq!(world.run(&["check"]).await.code, 0);
    world.file(&zero.replace("grace = \"0s\"", "grace = \"01d\""));
    assert_eq!(world.run(&["check"]).await.code, 78, "a zero before it makes no zero of it");
    assert!(world.emulator.log().is_empty());
}

// fault: P3
#[tokio::test(start_paused = true)]
async fn an_account_that_others_shrank_stops_every_run_until_it_fits_again() {
    on_each_state(0, async |world| {
        for n in 0..10 {
            world.emulator.insert(world.old(&id(n), "prod"));
        }
        assert!(goes(world).await.is_empty());
        world.emulator.insert(world.old("BB000001", "tmp-1"));
        for n in 0..6 {
            world.emulator.edit(Edit::Remove(id(n)));
        }
        for _ in 0..3 {
            let ran = once(world, 3).await;
            assert_eq!(events(&ran.events(), "guard.tripped").len(), 1, "{ran:?}");
            assert_eq!(open_guards(world).await, ["max_shrink_percent"]);
            let dry = world.run(&["once", "--dry-run"]).await;
            assert!(dry.out.contains("would stop the run: max_shrink_percent"), "{dry:?}");
            world.pass(DAY).await;
        }
        world.emulator.insert(world.old(&id(0), "prod"));
        assert_eq!(goes(world).await, ["BB000001"], "it fits again");
        assert!(open_guards(world).await.is_empty());
    })
    .await;
}

// fault: P3
#[tokio::test(start_paused = true)]
async fn an_empty_listing_after_a_full_one_is_no_licence_for_the_next() {
    on_each_state(3, async |world| {
        world.file(&format!("{OPEN}[delete.other]\nname = \"other-*\"\nolder_than = \"7d\"\n"));
        assert!(goes(world).await.is_empty());
        for n in 0..3 {
            world.emulator.edit(Edit::Remove(id(n)));
        }
        once(world, 3).await;
        world.emulator.insert(world.old("BB000001", "other-1"));
        let stopped = once(world, 3).await;
        assert!(world.emulator.destructive().is_empty());
        let run_id = stopped.only_run()["run_id"].as_str().unwrap().to_owned();
        assert_eq!(world.run(&["approve", &run_id]).await.code, 0);
        assert_eq!(
            goes(world).await,
            ["BB000001"],
            "approved: from now on the account is this one"
        );
        assert!(goes(world).await.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_this_program_deleted_is_no_shrinkage() {
    on_each_state(9, async |world| {
        world.emulator.insert(world.old("BB000001", "prod"));
        assert_eq!(goes(world).await.len(), 9);
        assert!(goes(world).await.is_empty());
        // Not even where the clock was set back in between, as time servers do.
        for n in 0..9 {
            world.emulator.insert(world.old(&id(10 + n), "tmp-again"));
        }
        let clock = std::sync::Arc::clone(&world.clock);
        let back = async {
            called(world, Operation::Delete, 10).await;
            clock.move_by_ms(-60_000);
        };
        let (ran, ()) = tokio::join!(world.once(), back);
        assert_eq!((ran.code, ran.count("deleted")), (0, 9), "{ran:?}");
        assert!(goes(world).await.is_empty());
    })
    .await;
}

/// Runs `once` and drops it, as a kill does, when so many calls of a kind have arrived.
pub(crate) async fn killed_at(world: &World, operation: Operation, calls: usize) {
    tokio::select! {
        biased;
        () = called(world, operation, calls) => {}
        ran = world.once() => panic!("it ended before: {ran:?}"),
    }
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn what_a_killed_run_deleted_is_settled_by_a_look_and_is_no_shrinkage() {
    on_each_state(4, async |world| {
        // The first is deleted, its answer never comes.
        let lost = Fault::on(Operation::Delete).once().after_commit().then(Effect::Hang);
        world.emulator.script(lost);
        killed_at(world, Operation::Delete, 1).await;
        assert_eq!(world.emulator.deleted(), [id(0)]);
        assert_eq!(history(world, &["--batch", &id(0)]).await, [(id(0), "open".to_owned())]);
        world.emulator.edit(Edit::Remove(id(3)));
        world.emulator.edit(Edit::Remove(id(2)));
        // Two of the other three are gone by somebody else's doing, 66 %; with it, it would be 75 %.
        let ran = once(world, 3).await;
        let settled = ran.events();
        let settled = events(&settled, "journal.settled");
        assert!(
            settled.iter().any(|it| it["batch_id"] == id(0) && it["outcome"] == "deleted"),
            "{ran:?}"
        );
        let shrunk = ran.only_run()["guards"][2].clone();
        assert_eq!(
            (&shrunk["guard"], &shrunk["value"]),
            (&"max_shrink_percent".into(), &"66.7".into())
        );
        let of_batch = history(world, &["--batch", &id(0)]).await;
        assert_eq!(of_batch, [(id(0), "deleted".to_owned())]);
    })
    .await;
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn a_deletion_that_a_kill_prevented_is_made_by_the_next_run() {
    on_each_state(3, async |world| {
        world.emulator.script(Fault::on(Operation::Delete).once().then(Effect::Hang));
        killed_at(world, Operation::Delete, 1).await;
        let ran = once(world, 0).await;
        let settled = ran.events();
        let settled = events(&settled, "journal.settled");
        assert!(
            settled.iter().any(|it| it["batch_id"] == id(0) && it["outcome"] == "failed"),
            "{ran:?}"
        );
        assert_eq!(world.emulator.deleted(), [id(0), id(1), id(2)]);
        let first = history(world, &["--batch", &id(0)]).await;
        assert_eq!(first, [(id(0), "deleted".to_owned()), (id(0), "failed".to_owned())]);
    })
    .await;
}

/// A file whose guard stops three deletions.
fn guarded() -> String {
    let open = OPEN.replace("max_deletes = \"off\"", "max_deletes = 2");
    format!("{open}{TMP}")
}

async fn stopped(world: &World) -> String {
    let ran = once(world, 3).await;
    ran.only_run()["run_id"].as_str().unwrap().to_owned()
}

/// `approve`, which is refused with exit code 1 and these words.
async fn refused(world: &World, run_id: &str, words: &[&str]) {
    let ran = world.run(&["approve", run_id]).await;
    assert_told(run_id, &ran, 1, words);
}

#[tokio::test(start_paused = true)]
async fn a_guard_stays_open_over_runs_until_a_plan_fits_by_itself() {
    on_each_state(3, async |world| {
        world.file(&guarded());
        let since = world.clock.now();
        stopped(world).await;
        world.pass(HOUR).await;
        let run_id = stopped(world).await;
        let status = json(world, &["status"]).await;
        let guard = &status["accounts"][0]["guards"][0];
        assert_eq!((&guard["guard"], &guard["run_id"]), (&"max_deletes".into(), &run_id.into()));
        let opened: batchsweep::clock::Timestamp =
            guard["since"].as_str().unwrap().parse().unwrap();
        assert!(opened - since < TimeDelta::minutes(1), "since it first stopped a run: {guard}");
        let dry = world.run(&["once", "--dry-run"]).await;
        assert_eq!(dry.code, 0, "{dry:?}");
        assert_eq!(open_guards(world).await, ["max_deletes"], "a dry run closes nothing");
        world.emulator.edit(Edit::Remove(id(2)));
        assert_eq!(goes(world).await, [id(0), id(1)]);
        assert!(open_guards(world).await.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_lets_exactly_the_stopped_deletions_go_once() {
    on_each_state(3, async |world| {
        world.file(&guarded());
        let run_id = stopped(world).await;
        let ran = world.run(&["approve", &run_id]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let dry = world.run(&["once", "--dry-run"]).await;
        assert_eq!((dry.code, world.emulator.count()), (0, 3), "a dry run spends nothing: {dry:?}");
        let ran = once(world, 0).await;
        assert_eq!(events(&ran.events(), "guard.approved")[0]["of_run"], run_id.as_str());
        assert_eq!(world.emulator.deleted(), [id(0), id(1), id(2)]);
        assert!(open_guards(world).await.is_empty());
        refused(world, &run_id, &["was spent by run"]).await;
        for n in 0..3 {
            world.emulator.insert(world.old(&id(10 + n), &format!("tmp-{n}")));
        }
        stopped(world).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_approved_plan_that_has_changed_is_stopped_whole() {
    type Change = fn(&World) -> Edit;
    let changes: [(&str, Change); 2] = [
        ("one more", |world| Edit::Insert(Box::new(world.old("BB000001", "tmp-new")))),
        ("one changed", |_| Edit::Rename(id(1), "tmp-renamed".into())),
    ];
    for (case, change) in changes {
        on_each_state(3, async |world| {
            world.file(&guarded());
            let run_id = stopped(world).await;
            assert_eq!(world.run(&["approve", &run_id]).await.code, 0);
            world.emulator.edit(change(world));
            let second = stopped(world).await;
            assert!(world.emulator.destructive().is_empty(), "{case}");
            // The approval was spent by the run that started on it.
            refused(world, &run_id, &["was spent by run", &second]).await;
            assert_eq!(world.run(&["approve", &second]).await.code, 0, "{case}");
            once(world, 0).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_lasts_a_day_and_is_about_the_run_that_was_stopped_last() {
    on_each_state(3, async |world| {
        let unknown = "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071";
        world.file(&guarded());
        assert_eq!(world.run(&["approve", "no-run"]).await.code, 2);
        refused(world, unknown, &["no run", unknown]).await;
        let first = stopped(world).await;
        world.pass(HOUR).await;
        let second = stopped(world).await;
        refused(world, &first, &["stopped a later run", &second]).await;
        assert_eq!(world.run(&["approve", &second]).await.code, 0);
        world.pass(24 * HOUR).await;
        let third = stopped(world).await;
        assert_eq!(world.run(&["approve", &third]).await.code, 0);
        assert_eq!(world.run(&["approve", &third]).await.code, 0, "said twice, it lasts longer");
        world.pass(23 * HOUR).await;
        assert_eq!(goes(world).await.len(), 3);
        let swept = once(world, 0).await.only_run()["run_id"].as_str().unwrap().to_owned();
        refused(world, &swept, &["no guard is open"]).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_list_does_not_spend_the_approval() {
    on_each_state(3, async |world| {
        world.file(&guarded());
        let run_id = stopped(world).await;
        assert_eq!(world.run(&["approve", &run_id]).await.code, 0);
        let lie = batchsweep::emulator::Lie::Total(5);
        world.emulator.script(Fault::on(Operation::List).then(Effect::Lie(lie)));
        once(world, 4).await;
        world.emulator.clear_script();
        assert_eq!(goes(world).await.len(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_run_that_failed_does_not_say_that_there_was_nothing_to_do() {
    on_each_state(3, async |world| {
        let lie = batchsweep::emulator::Lie::Total(5);
        world.emulator.script(Fault::on(Operation::List).then(Effect::Lie(lie)));
        once(world, 4).await;
        let failed = world.run(&["status"]).await.out;
        assert!(failed.contains("; no batch was dealt with; exit code 4"), "{failed}");
        assert!(!failed.contains("nothing to do"), "{failed}");
        world.emulator.clear_script();
        once(world, 0).await;
        once(world, 0).await;
        let idle = world.run(&["status"]).await.out;
        assert!(idle.contains("nothing to do; exit code 0"), "{idle}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_doubt_of_the_second_opinion_cannot_be_approved() {
    let mut world = World::with_tmp(3).await;
    world.remember();
    world.file(&guarded());
    let run_id = stopped(&world).await;
    // No record is known on which policy and audit differ: so the open guard is written by hand.
    let url = format!("sqlite:{}", world.state_file().display());
    let location = Location::parse(&url, |_| None).unwrap().holding_paused_time();
    let state = state::State::open(&location, world.clock.now()).await.unwrap();
    let open = OpenGuard {
        account: AccountName::parse("main").unwrap(),
        run_id: RunId::parse(&run_id).unwrap(),
        since: world.clock.now(),
        guards: vec!["audit".into(), "max_deletes".into()],
    };
    state.open_guard(&open).await.unwrap();
    refused(&world, &run_id, &["audit", "cannot be approved"]).await;
    stopped(&world).await;
    assert!(world.emulator.destructive().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_held_batch_stays_until_its_day_is_over_in_the_zone_of_the_schedule() {
    on_each_state(2, async |world| {
        world.file(&format!("{OPEN}{TMP}[schedule]\ntimezone = \"Europe/Paris\"\n"));
        // The world begins at noon of 24 November.
        let ran =
            world.run(&["hold", &id(0), "--until", "2026-11-26", "--why", "audit 2026"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(goes(world).await, [id(1)]);
        let seen = planned(world, &id(0)).await;
        assert_eq!(seen["verdict"], "held");
        assert!(seen["reason"].as_str().unwrap().contains("audit 2026"), "{seen}");
        let explained = json(world, &["explain", &id(0)]).await;
        assert_eq!(explained["holds"][0]["until"], "2026-11-26T23:00:00Z", "{explained}");
        let holds = json(world, &["holds"]).await;
        assert_eq!(
            (&holds["holds"][0]["batch_id"], &holds["holds"][0]["why"]),
            (&id(0).into(), &"audit 2026".into())
        );
        // To 22:59 UTC of the 26th, a minute before midnight in Paris.
        world.pass(58 * HOUR + Duration::from_secs(58 * 60 + 55)).await;
        assert!(goes(world).await.is_empty());
        world.pass(Duration::from_secs(65)).await;
        assert_eq!(json(world, &["holds"]).await["holds"], Value::Array(vec![]));
        assert_eq!(goes(world).await, [id(0)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_released_batch_may_go_and_only_what_is_held_can_be_released() {
    on_each_state(1, async |world| {
        let until = ["--until", "2027-01-31T12:00:00Z", "--why", "legal"];
        assert_eq!(world.run(&[&["hold", &id(0)], &until[..]].concat()).await.code, 0);
        assert!(goes(world).await.is_empty());
        assert_eq!(world.run(&["release", &id(0)]).await.code, 0);
        assert_told("twice", &world.run(&["release", &id(0)]).await, 1, &["is not held"]);
        assert_eq!(goes(world).await, [id(0)]);
        assert_eq!(
            world.run(&[&["hold", "NEVERSEEN"], &until[..]].concat()).await.code,
            0,
            "any id"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_makes_no_sense_is_refused() {
    let mut world = World::with_tmp(1).await;
    let hold = async |world: &World, until: &str, why: &str| {
        world.run(&["hold", &id(0), "--until", until, "--why", why]).await
    };
    assert_told("memory", &hold(&world, "2027-01-31", "x").await, 78, &["nothing is remembered"]);
    world.remember();
    for (until, why, words) in [
        ("31.01.2027", "x", "2027-01-31"),
        ("2027-02-30", "x", "2027-01-31"),
        ("2026-11-23", "x", "is over"),
        ("2026-11-24T11:59:59Z", "x", "is over"),
        ("2027-01-31", " ", "--why is empty"),
        ("2027-01-31", "", "--why is empty"),
    ] {
        assert_told(until, &hold(&world, until, why).await, 2, &[words]);
    }
    assert_eq!(hold(&world, "2026-11-24", "the day is not over").await.code, 0);
    let hostile = hold(&world, "2027-01-31", "\u{1b}[2Jx\u{202e}\n").await;
    assert_eq!(hostile.code, 0, "{hostile:?}");
    for args in [&["holds"][..], &["plan", "--all"], &["explain", &id(0)]] {
        assert_printable("why", &world.run(args).await);
    }
    assert_eq!(world.emulator.destructive().len(), 0);
}

// fault: T4
#[tokio::test(start_paused = true)]
async fn a_hold_made_during_a_run_counts() {
    on_each_state(6, async |world| {
        world
            .emulator
            .script(Fault::on(Operation::Delete).then(Effect::Delay(Duration::from_secs(1))));
        let hold = async {
            called(world, Operation::Delete, 2).await;
            world.run(&["hold", &id(5), "--until", "2027-01-31", "--why", "wait!"]).await
        };
        let (ran, made) = tokio::join!(world.once(), hold);
        assert_eq!((ran.code, made.code), (0, 0), "{ran:?} {made:?}");
        assert_eq!(ran.outcome_of(&id(5)), "held", "{ran:?}");
        assert_eq!(world.emulator.ids(), [id(5)]);
        assert_eq!(ran.count("deleted"), 5);
    })
    .await;
}

/// Holds the only batch when that many calls of a kind have arrived.
async fn hold_at(world: &World, operation: Operation, calls: usize) {
    called(world, operation, calls).await;
    let ran = world.run(&["hold", &id(0), "--until", "2027-01-31", "--why", "wait!"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hold_made_while_a_busy_batch_is_waited_for_counts() {
    on_each_state(1, async |world| {
        world.file(&format!("{OPEN}{TMP}").replace("busy_wait = \"0s\"", "busy_wait = \"5min\""));
        // It starts between the look and the DELETE, which is refused, and rests a minute later.
        let start = Effect::Edit(Edit::Put(id(0), State::Running));
        world.emulator.script(Fault::on(Operation::Get).once().after_commit().then(start));
        let rest = world.clock.now() + TimeDelta::seconds(60);
        world.emulator.edit_at(rest, Edit::Put(id(0), State::Idle));
        let (ran, ()) = tokio::join!(world.once(), hold_at(world, Operation::Get, 3));
        assert_eq!(ran.outcome_of(&id(0)), "held", "{ran:?}");
        assert_eq!(world.emulator.destructive().len(), 1);
        assert_eq!(history(world, &[]).await, [(id(0), "held".to_owned())]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_made_before_a_deletion_is_sent_again_counts() {
    on_each_state(1, async |world| {
        world.emulator.script(Fault::on(Operation::Delete).once().then(Effect::Reset));
        let (ran, ()) = tokio::join!(world.once(), hold_at(world, Operation::Delete, 1));
        assert_eq!(ran.outcome_of(&id(0)), "held", "{ran:?}");
        assert_eq!(world.emulator.destructive().len(), 1);
        assert_eq!(history(world, &[]).await, [(id(0), "held".to_owned())]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_ends_within_three_days_is_announced_once() {
    on_each_state(1, async |world| {
        // Until the end of 1 December, UTC.
        world.run(&["hold", &id(0), "--until", "2026-12-01", "--why", "the \u{1b}auditors"]).await;
        let announced = async |world: &World| {
            let ran = once(world, 0).await;
            events(&ran.events(), "hold.expires").into_iter().cloned().collect::<Vec<_>>()
        };
        assert!(announced(world).await.is_empty(), "a week ahead");
        world.pass(4 * DAY + 13 * HOUR).await;
        let told = announced(world).await;
        assert_eq!(told.len(), 1);
        assert_eq!(
            (&told[0]["batch_id"], &told[0]["until"]),
            (&id(0).into(), &"2026-12-02T00:00:00+00:00".into())
        );
        assert!(told[0]["why"].as_str().unwrap().ends_with("auditors"));
        world.pass(DAY).await;
        assert!(announced(world).await.is_empty(), "once");
        world.run(&["hold", &id(0), "--until", "2026-12-02", "--why", "longer"]).await;
        assert_eq!(announced(world).await.len(), 1, "another hold");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_own_name_says_so_stays_as_long_as_it_says() {
    on_each_state(0, async |world| {
        let names = [
            "tmp-0 [keep]",
            "tmp-1 [KEEP until=2026-11-25]",
            "tmp-2 [keep until=soon]",
            "tmp-3 [keep until=2026-11-23]",
            "tmp-4 [keepsake]",
        ];
        for (n, name) in names.iter().enumerate() {
            world.emulator.insert(world.old(&id(n), name));
        }
        assert_eq!(goes(world).await, [id(3), id(4)]);
        assert_eq!(verdict(world, &id(1)).await, "held");
        world.pass(36 * HOUR).await;
        assert_eq!(goes(world).await, [id(1)], "the 25th is over");
        assert_eq!(world.emulator.ids(), [id(0), id(2)]);
        world.file(&format!("{OPEN}{TMP}").replace("[guards]", "[guards]\nname_markers = false"));
        assert_eq!(goes(world).await.len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_as_a_document_holds_no_other_text() {
    let mut world = World::with_tmp(3).await;
    world.remember();
    world.file(&guarded());
    world.emulator.insert(world.old("BB000001", "other"));
    let run_id = stopped(&world).await;
    let batch = id(0);
    let hold = ["hold", &batch, "--until", "2027-01-31", "--why", "x"];
    assert_eq!(json(&world, &hold).await["holds"][0]["batch_id"], id(0));
    assert_eq!(json(&world, &["release", &batch]).await["released"]["batch_id"], id(0));
    assert_eq!(json(&world, &["approve", &run_id]).await["approved"]["run_id"], run_id.as_str());
    let hold = ["hold", "BB000001", "--until", "2027-01-31", "--why", "asked for by Ann"];
    assert_eq!(world.run(&hold).await.code, 0);
    let explained = world.run(&["explain", "BB000001"]).await;
    assert!(explained.out.contains("unmatched: no delete rule selects it"), "{explained:?}");
    assert!(
        explained.out.contains("It is held until 2027-02-01 00:00 UTC: asked for by Ann"),
        "{explained:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn explain_tells_what_was_done_to_a_batch_also_when_it_is_long_gone() {
    on_each_state(2, async |world| {
        let no = batchsweep::emulator::Answer::refused(400, "emulated: no");
        world.emulator.script(Fault::on(Operation::Delete).id(&id(1)).answer(no));
        once(world, 1).await;
        let refused = json(world, &["explain", &id(1)]).await;
        assert_eq!(refused["history"][0]["outcome"], "refused", "{refused}");
        let text = world.run(&["explain", &id(1)]).await;
        assert!(text.out.contains("refused"), "{text:?}");
        world.pass(100 * DAY).await;
        let gone = world.run(&["explain", &id(0)]).await;
        assert_eq!(gone.code, 0, "{gone:?}");
        assert!(
            gone.out.contains("is not in account main any more") && gone.out.contains("deleted"),
            "{gone:?}"
        );
        let gone = json(world, &["explain", &id(0)]).await;
        assert_eq!((&gone["batch"]["id"], &gone["verdict"]), (&id(0).into(), &Value::Null));
        assert_eq!(gone["history"][0]["outcome"], "deleted", "{gone}");
        assert_told(
            "never",
            &world.run(&["explain", "BB000000"]).await,
            1,
            &["no batch has the id"],
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn history_can_be_asked_for_an_account_a_time_and_a_batch() {
    on_each_state(2, async |world| {
        let (url, more) = (world.base_url(), "product = \"serpwow\"");
        world.set("BATCHSWEEP_API_KEY", Some(crate::world::KEY));
        world.raw_file(&format!(
            "{OPEN}{TMP}[delete.old]\nname = \"old-*\"\nolder_than = \"7d\"\naccounts = [\"other\"]\n\
             [accounts.main]\n{more}\nbase_url = \"{url}\"\n[accounts.other]\n{more}\nbase_url = \"{url}\"\n"
        ));
        world.emulator.insert(world.old("BB000001", "old-1"));
        assert_eq!(once(world, 0).await.json()["runs"].as_array().unwrap().len(), 2);
        let of = async |args: &[&str]| {
            let all = history(world, args).await;
            all.into_iter().map(|(id, _)| id).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(of(&[]).await.len(), 3);
        assert_eq!(of(&["--account", "main"]).await, [id(0), id(1)].into());
        assert_eq!(of(&["--account", "other"]).await, ["BB000001".to_owned()].into());
        assert_eq!(of(&["--batch", &id(1)]).await, [id(1)].into());
        assert_eq!(of(&["--since", "2026-11-24"]).await.len(), 3);
        assert_eq!(of(&["--since", "2026-11-25"]).await.len(), 0);
        assert_eq!(of(&["--limit", "1"]).await.len(), 1);
        let bad = world.run(&["history", "--since", "yesterday"]).await;
        assert_told("since", &bad, 2, &["--since"]);
        assert_told("batch", &world.run(&["history", "--batch", "a/b"]).await, 2, &["a/b"]);
        assert_told("account", &world.run(&["history", "--account", "x"]).await, 2, &["`x`"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_keep_history_is_forgotten() {
    on_each_state(2, async |world| {
        world.file(&format!("{OPEN}{TMP}[state]\nkeep_history = \"30d\"\n"));
        assert_eq!(goes(world).await.len(), 2);
        world.pass(29 * DAY).await;
        once(world, 0).await;
        assert_eq!(history(world, &[]).await.len(), 2);
        world.pass(2 * DAY).await;
        once(world, 0).await;
        assert_eq!(history(world, &[]).await.len(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_only_looks_leaves_the_state_as_it_is() {
    let mut world = World::with_tmp(3).await;
    world.remember();
    for args in [&["plan"][..], &["status"], &["history"], &["holds"], &["explain", &id(0)]] {
        assert_eq!(world.run(args).await.code, 0, "{args:?}");
        assert!(!world.state_file().exists(), "{args:?} made a state");
    }
    world.file(&guarded());
    world.run(&["hold", &id(0), "--until", "2026-11-25", "--why", "x"]).await;
    once(&world, 0).await;
    world.emulator.insert(world.old("BB000001", "tmp-new"));
    world.file(&format!(
        "{}[delete.new]\nname = \"new-*\"\nolder_than = \"7d\"\ngrace = \"1h\"\n",
        guarded()
    ));
    let before = memory(&world).await;
    for args in [&["plan"][..], &["status"], &["history"], &["holds"], &["explain", &id(0)]] {
        assert_eq!(world.run(args).await.code, 0, "{args:?}");
        let log = world.state_file().with_extension("db-wal");
        let logged = std::fs::metadata(log).map_or(0, |file| file.len());
        assert_eq!(logged, 0, "{args:?} left a log");
        assert_eq!(memory(&world).await, before, "{args:?}");
    }
}

/// All that the state holds but list calls, which whoever makes them notes.
async fn memory(world: &World) -> Vec<String> {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=ro", world.state_file().display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    let sql =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'batchsweep_list_calls'";
    let mut all = Vec::new();
    for row in connection.fetch_all(sql).await.unwrap() {
        let name: String = row.get(0);
        let rows = sqlx::AssertSqlSafe(format!(
            "SELECT count(*) || ' ' || coalesce(group_concat(quote_all), '') FROM (SELECT {} AS quote_all FROM {name})",
            columns(&mut connection, &name).await
        ));
        let row = connection.fetch_one(rows).await.unwrap();
        all.push(format!("{name}: {}", row.get::<String, _>(0)));
    }
    connection.close().await.unwrap();
    all
}

/// The columns of a table as one text.
async fn columns(connection: &mut AnyConnection, table: &str) -> String {
    let sql = format!("SELECT name FROM pragma_table_info('{table}')");
    let rows = connection.fetch_all(sqlx::AssertSqlSafe(sql)).await.unwrap();
    let quoted = rows.iter().map(|row| format!("quote({})", row.get::<String, _>(0)));
    quoted.collect::<Vec<_>>().join(" || ' ' || ")
}

/// The most list calls in any 61 seconds.
fn most_lists(world: &World) -> usize {
    let log = world.emulator.log();
    let lists = log.iter().filter(|call| call.operation == Operation::List);
    let at: Vec<_> = lists.map(|call| call.elapsed).collect();
    let window = |from: &Duration| {
        at.iter()
            .filter(|it| *it >= from && it.saturating_sub(*from) < Duration::from_secs(61))
            .count()
    };
    at.iter().map(window).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn list_calls_of_earlier_runs_count_in_the_window() {
    on_each_state(0, async |world| {
        for _ in 0..70 {
            once(world, 0).await;
        }
        assert_eq!(world.emulator.count_of(Operation::List), 70);
        assert!(most_lists(world) <= 54, "{} list calls in a window", most_lists(world));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_and_an_explanation_wait_for_the_window_that_runs_have_filled() {
    on_each_state(1, async |world| {
        world.file(&format!("{OPEN}[delete.other]\nname = \"other-*\"\nolder_than = \"7d\"\n"));
        for _ in 0..54 {
            once(world, 0).await;
        }
        let batch = id(0);
        let explain = ["explain", &batch];
        let (plan, explained) = tokio::join!(world.run(&["plan"]), world.run(&explain));
        for ran in [plan, explained] {
            assert_eq!(ran.code, 0, "{ran:?}");
        }
        // Not how long they waited: the clock of the test may run on while the state's thread works.
        // One more than the limit: the two wait for the same instant, and neither sees the other's call
        // before its own leaves. Without a wait it would be two more.
        assert_eq!(world.emulator.count_of(Operation::List), 56);
        assert!(most_lists(world) <= 55, "{} list calls in a window", most_lists(world));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn list_calls_of_plans_and_explanations_count_for_those_after_them() {
    on_each_state(1, async |world| {
        world.file(&format!("{OPEN}[delete.other]\nname = \"other-*\"\nolder_than = \"7d\"\n"));
        once(world, 0).await;
        let batch = id(0);
        for args in [&["plan"][..], &["once"], &["explain", &batch]].repeat(22) {
            assert_eq!(world.run(args).await.code, 0, "{args:?}");
        }
        assert_eq!(world.emulator.count_of(Operation::List), 67);
        assert!(most_lists(world) <= 54, "{} list calls in a window", most_lists(world));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_written_keeps_nobody_from_looking() {
    let mut world = World::with_tmp(1).await;
    world.remember();
    world.file(&format!("{OPEN}[delete.other]\nname = \"other-*\"\nolder_than = \"7d\"\n"));
    once(&world, 0).await;
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=rw", world.state_file().display());
    let mut somebody = AnyConnection::connect(&url).await.unwrap();
    somebody.execute("BEGIN IMMEDIATE").await.unwrap();
    for args in [&["plan"][..], &["explain", &id(0)]] {
        assert_eq!(world.run(args).await.code, 0, "{args:?}");
    }
    somebody.close().await.unwrap();
    assert_eq!(list_calls(&world).await, 1, "those of the run alone");
}

/// How many list calls are written down.
async fn list_calls(world: &World) -> i64 {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=ro", world.state_file().display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    let row = connection.fetch_one("SELECT count(*) FROM batchsweep_list_calls").await.unwrap();
    connection.close().await.unwrap();
    row.get(0)
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn a_run_that_is_killed_while_it_lists_leaves_its_list_calls() {
    let mut world = World::with_tmp(2_001).await;
    world.remember();
    world.emulator.script(Fault::on(Operation::List).nth(3).then(Effect::Hang));
    tokio::select! {
        biased;
        () = async {
            called(&world, Operation::List, 3).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        } => {}
        ran = world.once() => panic!("it ended before: {ran:?}"),
    }
    assert_eq!(list_calls(&world).await, 3);
}

/// What a reader sees, without ids and times of the machine.
fn shown(text: &str) -> String {
    let run = regex::Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}").unwrap();
    let instant = regex::Regex::new(r"12:00:\d\d").unwrap();
    instant.replace_all(&run.replace_all(text, "RUN"), "12:00:SS").into_owned()
}

#[tokio::test(start_paused = true)]
async fn status_history_and_holds_read_well() {
    let mut world = World::with_tmp(4).await;
    world.remember();
    let mut read = Vec::new();
    let look = async |world: &World, read: &mut Vec<String>, args: &[&str]| {
        let ran = world.run(args).await;
        assert_printable("shown", &ran);
        let errors: Vec<_> = ran.err.lines().filter(|line| !line.starts_with('{')).collect();
        let text = format!("$ {}\n{}{}", args.join(" "), ran.out, errors.join("\n"));
        read.push(shown(text.trim_end()));
    };
    for args in [&["status"][..], &["history"], &["holds"]] {
        look(&world, &mut read, args).await;
    }
    world.run(&["once", "--dry-run"]).await;
    look(&world, &mut read, &["status"]).await;
    look(
        &world,
        &mut read,
        &["hold", &id(3), "--until", "2027-01-31", "--why", "asked for by Ann"],
    )
    .await;
    world.file(&guarded());
    let run_id = stopped(&world).await;
    look(&world, &mut read, &["status"]).await;
    look(&world, &mut read, &["once", "-q"]).await;
    let run_id = {
        let status = json(&world, &["status"]).await;
        let now = status["accounts"][0]["guards"][0]["run_id"].as_str().unwrap().to_owned();
        assert_ne!(now, run_id);
        now
    };
    look(&world, &mut read, &["approve", &run_id]).await;
    let no = batchsweep::emulator::Answer::refused(400, "emulated: no");
    world.emulator.script(Fault::on(Operation::Delete).id(&id(1)).answer(no));
    once(&world, 1).await;
    for args in [
        &["status"][..],
        &["history"],
        &["holds"],
        &["explain", &id(0)],
        &["explain", &id(1)],
        &["explain", &id(3)],
    ] {
        look(&world, &mut read, args).await;
    }
    killed_at(&world, Operation::List, world.emulator.count_of(Operation::List) + 1).await;
    look(&world, &mut read, &["status"]).await;
    insta::assert_snapshot!(read.join("\n\n"));
    insta::assert_snapshot!(
        "status_json",
        shown(&world.run(&["status", "--output", "json"]).await.out)
    );
    insta::assert_snapshot!(
        "history_json",
        shown(&world.run(&["history", "--output", "json", "--limit", "1"]).await.out)
    );
}

// fault: T1
#[tokio::test(start_paused = true)]
async fn a_second_process_leaves_the_account_alone() {
    on_each_state(3, async |world| {
        world
            .emulator
            .script(Fault::on(Operation::Delete).then(Effect::Delay(Duration::from_secs(5))));
        let second = async {
            called(world, Operation::Delete, 1).await;
            world.run(&["once"]).await
        };
        let (first, second) = tokio::join!(world.once(), second);
        assert_eq!(first.code, 0, "{first:?}");
        assert_told("second", &second, 5, &["account `main`", "nothing was deleted"]);
        assert_eq!(world.emulator.deleted().len(), 3);
        let status = json(world, &["status"]).await;
        assert_eq!(status["accounts"][0]["last_run"]["outcome"], "swept", "the loser is no run");
    })
    .await;
}
