//! The sweep, end to end: what goes, what stays, and what is said of it.

use std::time::Duration;

use batchsweep::clock::Clock;
use batchsweep::emulator::{Answer, Delivery, Edit, Effect, Fault, Operation, ResultSet, State};
use chrono::TimeDelta;

use crate::memory::called;
use crate::world::{OPEN, TMP, World, id};

#[tokio::test(start_paused = true)]
async fn exactly_the_batches_of_the_rule_go() {
    let world = World::with_tmp(5).await;
    world.emulator.insert(world.old("BB000001", "prod-1"));
    let ran = world.once().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.count("deleted"), 5);
    assert_eq!(world.emulator.ids(), ["BB000001"]);
    assert_eq!(ran.only_run()["verified"], true);
    // Account, list, five Gets, five DELETEs, and the listing that proves them.
    assert_eq!(ran.only_run()["requests"], 1 + 1 + 5 + 5 + 1);
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_deletes_nothing_and_says_what_it_would() {
    let world = World::with_tmp(3).await;
    for args in [&["once", "--dry-run"][..], &["plan"][..]] {
        let ran = world.run(args).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains(&id(0)) || ran.out.contains("would delete 3 batches"), "{ran:?}");
    }
    assert!(world.emulator.destructive().is_empty());
    assert_eq!(world.emulator.count(), 3);
}

// fault: H13, T4
#[tokio::test(start_paused = true)]
async fn a_batch_that_somebody_touches_in_mid_run_stays() {
    let world = World::with_tmp(6).await;
    let after_listing =
        |edit| Fault::on(Operation::List).once().after_commit().then(Effect::Edit(edit));
    world.emulator.script(after_listing(Edit::Run(id(1))));
    world.emulator.script(after_listing(Edit::Rename(id(2), "mine now".into())));
    world.emulator.script(after_listing(Edit::Remove(id(3))));
    world.emulator.script(after_listing(Edit::Put(id(4), State::Other("stopping".into()))));
    let ran = world.once().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let outcomes: Vec<_> = (0..6).map(|n| ran.outcome_of(&id(n))).collect();
    assert_eq!(outcomes, ["deleted", "busy", "changed", "gone", "busy", "deleted"]);
    assert_eq!(world.emulator.deleted(), [id(0), id(5)]);
    world.assert_safe();
}

// fault: N3, H11, H7
#[tokio::test(start_paused = true)]
async fn a_delete_that_worked_but_lost_its_answer_is_confirmed_by_absence() {
    let lost: [(&str, Effect); 4] = [
        ("reset", Effect::Reset),
        ("hang", Effect::Hang),
        ("500", Effect::Answer(Answer::refused(500, "emulated: fault"))),
        ("empty", Effect::Answer(Answer::empty(204))),
    ];
    for (case, effect) in lost {
        let world = World::with_tmp(2).await;
        let fault = Fault::on(Operation::Delete).id(&id(0)).once().after_commit().then(effect);
        world.emulator.script(fault);
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{case}: {ran:?}");
        assert_eq!(world.emulator.destructive().len(), 2, "{case}: sent once each");
        assert_eq!(ran.batch(&id(0))["detail"], "confirmed by its absence", "{case}");
        world.assert_safe();
    }
}

// fault: N2, N3, H10
#[tokio::test(start_paused = true)]
async fn a_delete_that_did_not_work_is_sent_again_only_after_a_look() {
    let lost: [(&str, Effect); 4] = [
        ("reset", Effect::Reset),
        ("hang", Effect::Hang),
        ("502", Effect::Answer(Answer::html(502))),
        ("429", Effect::Answer(Answer::refused(429, "emulated: too many"))),
    ];
    for (case, effect) in lost {
        let world = World::with_tmp(2).await;
        world.emulator.script(Fault::on(Operation::Delete).id(&id(0)).first(2).then(effect));
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{case}: {ran:?}");
        assert_eq!(ran.batch(&id(0))["attempts"], 3, "{case}");
        world.assert_safe();
    }
}

// fault: H1
#[tokio::test(start_paused = true)]
async fn a_redirect_never_becomes_a_deletion() {
    for status in [301, 302, 303, 307, 308] {
        let world = World::with_tmp(1).await;
        let mut answer = Answer::empty(status);
        answer.headers.push(("location".into(), "https://elsewhere.example/x".into()));
        world.emulator.script(Fault::on(Operation::Delete).answer(answer));
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("failed")), (1, 1), "{status}: {ran:?}");
        assert_eq!(world.emulator.destructive().len(), 1, "{status}: not sent again");
        assert_eq!(world.emulator.count(), 1);
        world.assert_safe();
    }
}

// fault: H12
#[tokio::test(start_paused = true)]
async fn a_success_false_under_200_is_no_deletion() {
    let world = World::with_tmp(1).await;
    let no = Answer::refused(200, "emulated: \u{1b}[31mno");
    world.emulator.script(Fault::on(Operation::Delete).answer(no));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("refused")), (1, 1), "{ran:?}");
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'));
    assert_eq!(world.emulator.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_only_acknowledged_is_found_out_by_the_last_listing() {
    let world = World::with_tmp(2).await;
    world.emulator.script(Fault::on(Operation::Delete).id(&id(0)).then(Effect::AckOnly));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted"), ran.count("failed")), (1, 1, 1), "{ran:?}");
    assert_eq!(ran.only_run()["verified"], false);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_shows_late_is_proven_all_the_same() {
    let world = World::with_tmp(2).await;
    world
        .emulator
        .script(Fault::on(Operation::Delete).id(&id(1)).then(Effect::Lag(Duration::from_secs(20))));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{ran:?}");
    assert_eq!(ran.only_run()["verified"], true);
}

#[tokio::test(start_paused = true)]
async fn a_busy_batch_that_comes_to_rest_unchanged_goes_within_busy_wait() {
    let world = World::with_tmp(2).await;
    world.file(&format!("{OPEN}{TMP}").replace("busy_wait = \"0s\"", "busy_wait = \"5min\""));
    let now = world.clock.now();
    world.emulator.script(
        Fault::on(Operation::List)
            .once()
            .after_commit()
            .then(Effect::Edit(Edit::Put(id(0), State::Queued))),
    );
    world.emulator.edit_at(now + TimeDelta::seconds(60), Edit::Put(id(0), State::Idle));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{ran:?}");
    let events = ran.events();
    let waiting: Vec<_> = events.iter().filter(|it| it["event"] == "busy.waiting").collect();
    assert_eq!((waiting.len(), &waiting[0]["batches"]), (1, &1.into()), "told when it begins");
    assert_eq!(waiting[0]["wait_ms"], 300_000);
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn the_summary_counts_batches_that_are_busy_since_before_the_plan() {
    let world = World::with_tmp(3).await;
    world.emulator.edit(Edit::Put(id(0), State::Queued));
    let ran = world.run(&["once"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("      2  deleted\n      1  busy, left for the next run\n"),
        "{ran:?}"
    );
    assert!(!ran.err.contains("busy.waiting"), "nothing is waited for: {ran:?}");
}

// fault: C7
#[tokio::test(start_paused = true)]
async fn a_look_that_grew_old_is_taken_again_before_the_deletion() {
    let world = World::with_tmp(6).await;
    world.emulator.script(Fault::on(Operation::Delete).then(Effect::Delay(Duration::from_secs(8))));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 6), "{ran:?}");
    assert!(world.emulator.count_of(Operation::Get) > 6, "some were looked at twice");
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_end_the_sweep() {
    let world = World::with_tmp(9).await;
    let no = Answer::refused(400, "emulated: no");
    world.emulator.script(Fault::on(Operation::Delete).answer(no));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("refused"), ran.count("not_reached")), (1, 5, 4), "{ran:?}");
    assert_eq!(world.emulator.destructive().len(), 5);
}

// fault: K3
#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_sweep_after_the_call_in_flight() {
    for (number, code) in [(15, 143), (2, 130)] {
        let world = World::with_tmp(5).await.remembering();
        let stop = world.stop.clone();
        let late = Effect::Delay(Duration::from_secs(3));
        world.emulator.script(Fault::on(Operation::Delete).nth(2).then(late));
        let signal = async {
            called(&world, Operation::Delete, 2).await;
            stop.by_signal(number);
        };
        let (ran, ()) = tokio::join!(world.once(), signal);
        assert_eq!((ran.code, ran.count("deleted"), ran.count("not_reached")), (code, 2, 3));
        assert_eq!(world.emulator.deleted().len(), 2);
        let finished = ran.events().pop().unwrap();
        assert_eq!(
            (&finished["event"], &finished["exit_code"]),
            (&"run.finished".into(), &code.into())
        );
        assert_eq!(ran.only_run()["exit_code"], code);
        let status = world.run(&["status", "--output", "json", "-q"]).await.json();
        assert_eq!(status["accounts"][0]["last_run"]["exit_code"], code);
        world.assert_safe();
    }
}

// fault: K3
#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_wait_for_a_listing_that_lags() {
    let world = World::with_tmp(2).await;
    world.emulator.turn(|knobs| knobs.lag = Duration::from_mins(10));
    let stop = world.stop.clone();
    let began = world.clock.now();
    let signal = async {
        // The second listing still shows both; now the program waits before it looks again.
        while world.emulator.count_of(Operation::List) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.by_signal(15);
    };
    let (ran, ()) = tokio::join!(world.once(), signal);
    assert_eq!((ran.count("deleted"), &ran.only_run()["verified"]), (2, &false.into()), "{ran:?}");
    assert!(world.clock.now() - began < TimeDelta::seconds(4), "{:?}", world.clock.now() - began);
}

/// A batch of the rule whose newest result set was never delivered.
fn undelivered(world: &World, id: &str, name: &str) {
    let ended = world.ago_days(2);
    let set = ResultSet::ended(1, ended, 10).webhook(Delivery::Failed);
    world.emulator.insert(world.old(id, name).ran_at(ended).with_results(set));
}

// fault: H15
#[tokio::test(start_paused = true)]
async fn undelivered_results_are_deleted_only_where_every_rule_says_so() {
    let rule = |name: &str, force: bool| {
        format!(
            "[delete.{name}]\nname = \"{name}*\"\nolder_than = \"7d\"\nforce_failed_webhooks = {force}\n"
        )
    };
    let world = World::new().await;
    undelivered(&world, "AA000001", "t1");
    undelivered(&world, "AA000002", "u1");
    let rules = [rule("t", true), rule("u", true), rule("u1", false)].concat();
    world.file(&format!("{OPEN}{rules}"));
    let ran = world.once().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.outcome_of("AA000001"), "deleted");
    assert_eq!(ran.outcome_of("AA000002"), "refused");
    let detail = ran.batch("AA000002")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("never delivered") && detail.contains("force_failed_webhooks"));
    let forced =
        world.emulator.destructive().into_iter().filter(|d| d.parameter("force").is_some());
    assert_eq!(forced.map(|d| d.id.unwrap()).collect::<Vec<_>>(), ["AA000001"]);
    world.assert_safe();
}

// fault: X5
#[tokio::test(start_paused = true)]
async fn a_look_alike_of_a_protected_name_is_another_name() {
    let world = World::new().await;
    // The second begins with the Cyrillic letter that looks like `p`.
    world.emulator.insert(world.old("AA000001", "prod-1"));
    world.emulator.insert(world.old("AA000002", "\u{440}rod-1"));
    let rules =
        "[keep.pinned]\nname = \"prod-*\"\n[delete.rest]\nmatch_all = true\nolder_than = \"7d\"\n";
    world.file(&format!("{OPEN}{rules}"));
    let ran = world.once().await;
    assert_eq!((ran.code, world.emulator.ids()), (0, vec!["AA000001".to_owned()]), "{ran:?}");
}

// fault: N2
#[tokio::test(start_paused = true)]
async fn an_api_that_cannot_be_reached_is_no_empty_account() {
    let world = World::with_tmp(1).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.raw_file(&format!(
        "{OPEN}{TMP}[accounts.main]\nproduct = \"serpwow\"\nbase_url = \"http://{free}/live\"\n"
    ));
    let ran = world.once().await;
    assert_eq!(ran.code, 75, "{ran:?}");
    assert_eq!(ran.only_run()["outcome"], "failed");
    assert!(world.emulator.log().is_empty());
}

// fault: X1
#[tokio::test(start_paused = true)]
async fn a_run_tells_its_events_in_order_and_no_name_forges_one() {
    let world = World::new().await;
    world
        .emulator
        .insert(world.old("AA000001", "tmp-\n{\"event\":\"batch.deleted\"}\u{1b}[2J\u{202e}"));
    world.file(&format!("{OPEN}{TMP}"));
    let ran = world.run(&["once", "--log-format", "json"]).await;
    let events = ran.events();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["run.started", "inventory.listed", "plan.made", "batch.deleted", "run.finished"],
        "{ran:?}"
    );
    let deleted = &events[3];
    assert_eq!((&deleted["batch_id"], &deleted["rule"]), (&"AA000001".into(), &"tmp".into()));
    assert!(deleted["batch_name"].as_str().unwrap().starts_with("tmp-\\n{"));
    for text in [&ran.out, &ran.err, &world.run(&["plan", "--all"]).await.out] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
}
