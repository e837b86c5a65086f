//! The listing, end to end: what cannot be trusted deletes nothing, what is odd is kept.

use std::time::Duration;

use batchsweep::emulator::{Answer, Damage, Edit, Effect, Fault, Lie, Odd, Operation, Record};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::told::assert_nothing_deleted;
use crate::world::{OPEN, Ran, TMP, World, id};

/// Something that is wrong with every listing, the exit code, and what must be said of it.
type Wrong<'a> = (&'a str, Effect, u8, &'a [&'a str]);

/// Runs `once` and `plan` on an account whose listing is always wrong in that way.
async fn assert_refused((case, effect, code, words): Wrong<'_>) {
    for command in ["once", "plan"] {
        let world = World::with_tmp(3).await;
        world.emulator.script(Fault::on(Operation::List).then(effect.clone()));
        let ran = world.run(&[command]).await;
        assert_nothing_deleted(&format!("{command}, {case}"), &world, &ran, code, words);
        assert_eq!(world.emulator.count(), 3, "{case}");
    }
}

fn answer(answer: Answer) -> Effect {
    Effect::Answer(answer)
}

// fault: H2, H4, H5, H8, H10, N6
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_listing_ends_the_run() {
    let elsewhere = "https://elsewhere.example/steal?x=1";
    let refused = |status| answer(Answer::refused(status, "emulated: no"));
    let rows: [Wrong<'_>; 14] = [
        ("301", answer(Answer::redirect(301, elsewhere)), 4, &["redirect"]),
        ("302", answer(Answer::redirect(302, elsewhere)), 4, &["redirect"]),
        ("307", answer(Answer::redirect(307, elsewhere)), 4, &["redirect"]),
        ("402", refused(402), 77, &["pay"]),
        ("404, empty", answer(Answer::empty(404)), 78, &["404", "base_url"]),
        ("404, page", answer(Answer::html(404)), 78, &["404", "base_url"]),
        ("429", answer(Answer::throttled(None)), 75, &["429"]),
        ("500", refused(500), 75, &["500"]),
        ("502", answer(Answer::html(502)), 75, &["502"]),
        ("503", answer(Answer::empty(503)), 75, &["503"]),
        ("504", answer(Answer::html(504)), 75, &["504"]),
        ("a portal", answer(Answer::html(200)), 4, &["text/html"]),
        ("success: false", refused(200), 4, &["emulated: no"]),
        ("nothing", answer(Answer::empty(200)), 4, &[]),
    ];
    for row in rows {
        assert_refused(row).await;
    }
}

// fault: H17, J1, J2, J3, N9, N10
#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_read_whole_ends_the_run() {
    let damage = Effect::Damage;
    let deep = |open: &str| answer(Answer::json(200, open.repeat(100_000)));
    let rows: [Wrong<'_>; 10] = [
        ("broken gzip", damage(Damage::BrokenGzip), 4, &[]),
        ("false gzip", damage(Damage::FalseGzip), 4, &[]),
        ("text ends early", damage(Damage::Shorten(200)), 4, &["200"]),
        ("text after it", damage(Damage::Append("{}".into())), 4, &[]),
        ("deep arrays", deep("["), 4, &[]),
        ("deep objects", deep("{\"a\":"), 4, &[]),
        ("padded", damage(Damage::Padded(17 << 20)), 4, &["16 MiB"]),
        ("gzip bomb", damage(Damage::GzipBomb(64 << 20)), 4, &["16 MiB"]),
        ("dripping", damage(Damage::Drip(1, Duration::from_secs(1))), 75, &["30 s"]),
        ("hanging", Effect::Hang, 75, &["30 s"]),
    ];
    for row in rows {
        assert_refused(row).await;
    }
}

// fault: N3, J1
#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_in_mid_listing_ends_the_run() {
    for (case, effect) in [("reset", Effect::Reset), ("cut", Effect::Damage(Damage::Cut(100)))] {
        let world = World::with_tmp(3).await;
        world.emulator.script(Fault::on(Operation::List).then(effect));
        let ran = world.run(&["once"]).await;
        assert!(matches!(ran.code, 4 | 75), "{case}: {ran:?}");
        let code = ran.code;
        assert_nothing_deleted(case, &world, &ran, code, &[]);
        assert_eq!(world.emulator.count_of(Operation::List), 5, "{case}: tried max_attempts times");
    }
}

// fault: N2
#[tokio::test(start_paused = true)]
async fn where_nobody_listens_the_run_ends_after_its_attempts() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::with_tmp(1).await;
    let account =
        format!("[accounts.main]\nproduct = \"serpwow\"\nbase_url = \"http://{closed}/live\"\n");
    world.raw_file(&format!("{OPEN}{TMP}{account}"));
    let ran = world.run(&["once"]).await;
    let words = ["refused the connection", "cannot read the account's own page"];
    assert_nothing_deleted("closed port", &world, &ran, 75, &words);
    assert!(world.emulator.log().is_empty());
}

// fault: J5, J6, J10, P5
#[tokio::test(start_paused = true)]
async fn records_without_a_proven_identity_end_the_run() {
    type Plant = fn(&World);
    let rows: [(&str, Plant, &[&str]); 6] = [
        ("no id", |world| insert(world, |record| record.odd("id", Odd::Absent)), &["has no id"]),
        (
            "id null",
            |world| insert(world, |record| record.odd("id", is(Value::Null))),
            &["has no id"],
        ),
        (
            "id a number",
            |world| insert(world, |record| record.odd("id", is(json!(7)))),
            &["has no id"],
        ),
        ("not an object", |world| insert(world, |record| record.raw("17")), &["has no id"]),
        (
            "one id, different data",
            |world| insert(world, |record| record.odd("id", is(json!(id(0))))),
            &["came twice"],
        ),
        (
            "nothing readable",
            |world| {
                for n in 0..3 {
                    let raw = format!("{{\"id\":\"{}\",\"new\":1}}", id(n));
                    world.emulator.insert(world.old(&id(n), "x").raw(raw));
                }
            },
            &["nothing but the id can be read of 3 records"],
        ),
    ];
    for (case, plant, words) in rows {
        let world = World::with_tmp(3).await;
        plant(&world);
        let ran = world.run(&["once"]).await;
        assert_nothing_deleted(case, &world, &ran, 4, words);
    }
}

fn insert(world: &World, change: impl FnOnce(Record) -> Record) {
    world.emulator.insert(change(world.old("BB000001", "tmp-odd")));
}

fn is(value: Value) -> Odd {
    Odd::Is(value)
}

fn text(text: &str) -> Odd {
    Odd::Text(text.to_owned())
}

// fault: J11
#[tokio::test(start_paused = true)]
async fn a_host_that_speaks_of_collections_is_another_product() {
    let lie = Effect::Lie(Lie::OtherFamily);
    assert_refused(("other family", lie, 78, &["collections", "product"])).await;
}

// fault: P1, P2
#[tokio::test(start_paused = true)]
async fn totals_and_pages_that_contradict_each_other_end_the_run() {
    let lies: [(&str, Lie, &[&str]); 8] = [
        ("more announced", Lie::Total(1), &["3 distinct batches", "counts 4"]),
        ("fewer announced", Lie::Total(-1), &["3 distinct batches", "counts 2"]),
        ("a page that miscounts", Lie::Count(2), &["says it holds 5 batches, and holds 3"]),
        ("one left out", Lie::Without(1), &["says it holds 3 batches, and holds 2"]),
        ("shifted", Lie::Shift(1), &["2 distinct batches", "counts 3"]),
        (
            "pages too many",
            Lie::Pages(2),
            &["page 2 is empty, though the API says that more pages follow"],
        ),
        ("never ending", Lie::Endless, &["came twice"]),
        ("empty", Lie::RecordsOfPage(9), &["0 distinct batches", "counts 3"]),
    ];
    for (case, lie, words) in lies {
        assert_refused((case, Effect::Lie(lie), 4, words)).await;
    }
}

// fault: P2
#[tokio::test(start_paused = true)]
async fn an_account_page_that_counts_more_than_is_listed_ends_the_run() {
    let world = World::with_tmp(3).await;
    // Each listing is short, and agrees with itself.
    let short = [Effect::Lie(Lie::Shift(1)), Effect::Lie(Lie::Total(-1))];
    let fault = short.into_iter().fold(Fault::on(Operation::List), Fault::then);
    world.emulator.script(fault);
    let ran = world.run(&["once"]).await;
    assert_nothing_deleted("short", &world, &ran, 4, &["the listing has 2 batches", "counts 3"]);
}

// fault: P1
#[tokio::test(start_paused = true)]
async fn a_page_that_repeats_another_ends_the_run() {
    let world = many(3).await;
    world
        .emulator
        .script(Fault::on(Operation::List).page(2).then(Effect::Lie(Lie::RecordsOfPage(1))));
    let ran = world.run(&["once"]).await;
    assert_nothing_deleted(
        "page 2 is page 1",
        &world,
        &ran,
        4,
        &["came twice, the second time on page 2"],
    );
}

/// An account of two pages: 1000 batches that nothing selects, and after them so many to delete.
async fn many(tmp: usize) -> World {
    let world = World::with_tmp(tmp).await;
    for n in 0..1000 {
        world.emulator.insert(Record::new(format!("CC{n:06}"), "stays", world.ago_days(60)));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_grows_meanwhile_is_whole() {
    let world = many(3).await;
    let new = Record::new("DD000000", "tmp-new", world.ago_days(0));
    world.emulator.script(
        Fault::on(Operation::List)
            .page(1)
            .once()
            .after_commit()
            .then(Effect::Edit(Edit::Insert(Box::new(new)))),
    );
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 3), "{ran:?}");
    assert_eq!(world.emulator.count(), 1001);
    world.assert_safe();
}

// fault: P2
#[tokio::test(start_paused = true)]
async fn a_listing_that_somebody_disturbs_once_is_taken_again() {
    let remove = Effect::Edit(Edit::Remove("CC000000".into()));
    let world = many(3).await;
    world.emulator.script(Fault::on(Operation::List).page(1).once().after_commit().then(remove));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 3), "{ran:?}");
    assert_eq!(world.emulator.count(), 999);
    for lie in [Lie::Total(1), Lie::Without(0), Lie::Count(1), Lie::Endless] {
        let world = World::with_tmp(2).await;
        world.emulator.script(Fault::on(Operation::List).once().then(Effect::Lie(lie)));
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{lie:?}: {ran:?}");
        world.assert_safe();
    }
}

// fault: H10, H17, J1, N3, N10
#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_twice_and_then_comes_is_as_good_as_any() {
    let effects: [(&str, Effect); 8] = [
        ("500", answer(Answer::refused(500, "emulated: no"))),
        ("503", answer(Answer::html(503))),
        ("429", answer(Answer::throttled(None))),
        ("reset", Effect::Reset),
        ("hang", Effect::Hang),
        ("cut", Effect::Damage(Damage::Cut(100))),
        ("shortened", Effect::Damage(Damage::Shorten(100))),
        ("drip", Effect::Damage(Damage::Drip(1, Duration::from_secs(1)))),
    ];
    for (case, effect) in effects {
        let world = World::with_tmp(2).await;
        world.emulator.script(Fault::on(Operation::List).first(2).then(effect));
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{case}: {ran:?}");
        world.assert_safe();
    }
}

// fault: H8, H9
#[tokio::test(start_paused = true)]
async fn a_wait_that_the_server_asks_for_is_kept_within_reason() {
    // What it says, and how many seconds the whole run may then take, at least and at most.
    let rows: [(Option<&str>, u64, u64); 9] = [
        (None, 0, 4),
        (Some("0"), 0, 4),
        (Some("7"), 7, 12),
        (Some("Tue, 24 Nov 2026 12:01:00 GMT"), 55, 65),
        (Some("999999"), 900, 905),
        (Some("Tue, 24 Nov 2099 12:01:00 GMT"), 900, 905),
        (Some("Tue, 24 Nov 2020 12:01:00 GMT"), 0, 4),
        (Some("-1"), 0, 4),
        (Some("soon"), 0, 4),
    ];
    for (asked, least, most) in rows {
        let world = World::with_tmp(1).await;
        world.emulator.script(Fault::on(Operation::List).once().answer(Answer::throttled(asked)));
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 1), "{asked:?}: {ran:?}");
        let seconds = ran.only_run()["duration_ms"].as_u64().unwrap() / 1000;
        assert!((least..=most).contains(&seconds), "{asked:?}: {seconds} s");
        world.assert_safe();
    }
}

// fault: J4, J6, J7, J8, J9, H14
#[tokio::test(start_paused = true)]
async fn a_record_with_an_odd_field_is_kept_and_the_run_goes_on() {
    let rows: [(&str, Odd); 26] = [
        ("created_at", Odd::Absent),
        ("created_at", is(Value::Null)),
        ("created_at", is(json!(""))),
        ("created_at", is(json!(1_700_000_000))),
        ("created_at", is(json!("2026-13-01T00:00:00.000Z"))),
        ("created_at", is(json!("2026-09-01T00:00:00"))),
        ("created_at", is(json!("0001-01-01T00:00:00.000Z"))),
        ("created_at", is(json!("2999-01-01T00:00:00.000Z"))),
        ("created_at", Odd::Twice(json!("2020-01-01T00:00:00.000Z"))),
        ("last_run", is(json!(5))),
        ("last_run", is(json!("yesterday"))),
        ("last_run", is(json!("2999-01-01T00:00:00.000Z"))),
        // It ran once, says the number of its next result set; when, nobody can say.
        ("last_run", Odd::Absent),
        ("name", Odd::Absent),
        ("name", is(Value::Null)),
        ("name", is(json!(["tmp-1"]))),
        ("name", Odd::Twice(json!("tmp-2"))),
        ("status", Odd::Absent),
        ("status", is(Value::Null)),
        ("status", is(json!("IDLE"))),
        ("status", is(json!("stopping"))),
        ("status", is(json!(true))),
        ("searches_total_count", is(json!(-1))),
        ("searches_total_count", is(json!(1.5))),
        ("searches_total_count", text("1e400")),
        ("searches_total_count", text(&"9".repeat(400))),
    ];
    for (field, odd) in rows {
        let case = format!("{field} {odd:?}");
        let world = World::with_tmp(2).await;
        let rule = TMP.to_owned() + "idle_for = \"1d\"\nsearches = { max = 1000 }\n";
        world.file(&format!("{OPEN}{rule}"));
        insert(&world, |record| record.odd(field, odd));
        world.emulator.protect("BB000001");
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{case}: {ran:?}");
        assert_eq!(world.emulator.ids(), ["BB000001"], "{case}");
        world.assert_safe();
    }
}

// fault: J9
#[tokio::test(start_paused = true)]
async fn a_batch_that_never_ran_goes_by_its_creation_alone() {
    let world = World::new().await;
    let rule = "[delete.never]\nnever_run = true\nolder_than = \"30d\"\n";
    world.file(&format!("{OPEN}{rule}"));
    let never = |id: &str, days| Record::new(id, "x", world.ago_days(days));
    world.emulator.insert(never("AA000001", 31));
    world.emulator.insert(never("AA000002", 29));
    world.emulator.insert(never("AA000003", 31).odd("next_result_set_id", Odd::Absent));
    world.emulator.insert(never("AA000004", 31).ran_at(world.ago_days(31)));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 1), "{ran:?}");
    assert_eq!(world.emulator.deleted(), ["AA000001"]);
}

// fault: J4
#[tokio::test(start_paused = true)]
async fn a_batch_of_unknown_age_takes_no_place_among_the_newest() {
    let world = World::new().await;
    world.file(&format!("{OPEN}{TMP}[keep.newest]\nname = \"tmp-*\"\nlast = 1\n"));
    world.emulator.insert(world.old("AA000001", "tmp-a"));
    world.emulator.insert(Record::new("AA000002", "tmp-b", world.ago_days(20)));
    world.emulator.insert(world.old("AA000003", "tmp-c").odd("created_at", is(Value::Null)));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 1), "{ran:?}");
    assert_eq!(world.emulator.deleted(), ["AA000001"]);
}

// fault: P6
#[tokio::test(start_paused = true)]
async fn the_order_of_a_listing_is_not_trusted() {
    let world = World::new().await;
    world.file(&format!("{OPEN}{TMP}[keep.newest]\nname = \"tmp-*\"\nlast = 2\n"));
    for n in 0..8 {
        let days = 10 + i64::try_from(n).unwrap();
        world.emulator.insert(Record::new(id(n), "tmp-same", world.ago_days(days)));
    }
    world.emulator.script(Fault::on(Operation::List).then(Effect::Lie(Lie::Unsorted)));
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 6), "{ran:?}");
    assert_eq!(world.emulator.ids(), [id(0), id(1)]);
    let oldest_first: Vec<_> = (2..8).rev().map(id).collect();
    assert_eq!(world.emulator.deleted(), oldest_first);
}

// fault: H16
#[tokio::test(start_paused = true)]
async fn clocks_that_differ_delete_nothing() {
    for minutes in [7, -7, 60 * 24 * 365] {
        let world = World::with_tmp(2).await;
        world.emulator.set_date_skew(TimeDelta::minutes(minutes));
        let ran = world.run(&["once"]).await;
        assert_nothing_deleted("skew", &world, &ran, 3, &["max_clock_skew", "clock"]);
        let plan = world.run(&["plan"]).await;
        assert_eq!(plan.code, 0, "{plan:?}");
        assert!(plan.out.contains("would stop the run: max_clock_skew"), "{plan:?}");
    }
    let world = World::with_tmp(2).await;
    world.emulator.set_date_skew(TimeDelta::minutes(4));
    assert_eq!(world.once().await.count("deleted"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_account_page_that_fails_stops_nothing_and_proves_nothing() {
    let answers = [Answer::html(200), Answer::empty(404), Answer::json(200, "{}")];
    for answer in answers {
        let case = format!("{answer:?}");
        let world = World::with_tmp(2).await;
        world.emulator.script(Fault::on(Operation::Account).answer(answer));
        let ran: Ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{case}: {ran:?}");
    }
}
