//! The whole program against a deliberately naive model: what goes is exactly what the model says.

use std::collections::BTreeSet;

use batchsweep::emulator::{Answer, Effect, Fault, Operation, Seed};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{KEY, NOW, OPEN, Ran, World};

/// A policy whose rules the model below repeats, one by one.
const POLICY: &str = r#"
[keep.production]
name = "prod-*"
may_be_empty = true
[keep.scheduled]
schedule_type = ["minutes", "daily", "weekly", "monthly"]
enabled = true
may_be_empty = true
[keep.newest]
name_regex = 'Acme [A-Z]+ Batch .*'
group_by = '^Acme ([A-Z]+) '
last = 3
may_be_empty = true
[delete.temporary]
name = ["tmp-*", "test*", "debug*"]
older_than = "7d"
[delete.orphans]
name = "My First *"
idle_for = "3d"
[delete.pipeline]
name = "Acme * Batch *"
idle_for = "15d"
[delete.never-run]
never_run = true
older_than = "30d"
"#;

/// All records as the API serves them.
async fn listed(world: &World) -> Vec<Value> {
    let mut records = Vec::new();
    for page in 1.. {
        let url = url::Url::parse(&world.base_url()).unwrap();
        let address = (url.host_str().unwrap(), url.port().unwrap());
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let path = format!("{}/batches?api_key={KEY}&page={page}&page_size=1000", url.path());
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        records.extend(body["batches"].as_array().unwrap().clone());
        if body["total_pages"].as_u64().unwrap() <= page {
            break;
        }
    }
    world.emulator.clear_log();
    records
}

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn time(record: &Value, field: &str) -> Option<DateTime<Utc>> {
    let at: DateTime<Utc> = record[field].as_str()?.parse().ok()?;
    (at <= now()).then_some(at)
}

/// Whether it never ran, as far as the record says.
fn never_ran(record: &Value) -> Option<bool> {
    if record["last_run"].is_string() {
        return time(record, "last_run").map(|_| false);
    }
    let absent = record["last_run"].is_null();
    (absent && record["next_result_set_id"].as_u64()? <= 1).then_some(true)
}

fn active(record: &Value) -> Option<DateTime<Utc>> {
    let created = time(record, "created_at")?;
    if never_ran(record)? {
        Some(created)
    } else {
        time(record, "last_run").map(|ran| ran.max(created))
    }
}

fn older(at: Option<DateTime<Utc>>, days: i64) -> bool {
    at.is_some_and(|at| now() - at >= TimeDelta::days(days))
}

fn acme_group(name: &str) -> Option<&str> {
    let (group, rest) = name.strip_prefix("Acme ")?.split_once(' ')?;
    let word = !group.is_empty() && group.bytes().all(|b| b.is_ascii_uppercase());
    (word && rest.starts_with("Batch ")).then_some(group)
}

/// Whether keep rule `newest` keeps it: fewer than three of its group are newer.
fn is_among_newest(record: &Value, all: &[Value]) -> bool {
    let Some(group) = acme_group(record["name"].as_str().unwrap()) else { return false };
    let Some(mine) = active(record) else { return true };
    let order =
        |r: &Value| (active(r), time(r, "created_at"), std::cmp::Reverse(r["id"].to_string()));
    let _ = mine;
    let newer = all.iter().filter(|other| {
        other["name"].as_str().and_then(acme_group) == Some(group)
            && active(other).is_some()
            && order(other) > order(record)
    });
    newer.count() < 3
}

/// The naive model: whether a batch may go, by POLICY and the floor of 24 hours.
fn may_go(record: &Value, all: &[Value]) -> bool {
    let Some(name) = record["name"].as_str() else { return false };
    let starts = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    let created = time(record, "created_at");
    let temporary = starts(&["tmp-", "test", "debug"]) && older(created, 7);
    let orphan = starts(&["My First "]) && older(active(record), 3);
    let acme =
        name.starts_with("Acme ") && name.get(5..).is_some_and(|rest| rest.contains(" Batch "));
    let pipeline = acme && older(active(record), 15);
    let never_run = never_ran(record) == Some(true) && older(created, 30);
    let selected = temporary || orphan || pipeline || never_run;
    let manual = record["schedule_type"] == "manual";
    let known_manual_or_off = manual || record["enabled"] == false;
    let free = !name.starts_with("prod-") && known_manual_or_off && !is_among_newest(record, all);
    selected && free && older(active(record), 1) && record["status"] == "idle"
}

fn allowed(records: &[Value]) -> BTreeSet<String> {
    let may = records.iter().filter(|record| may_go(record, records));
    may.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

fn said_deleted(ran: &Ran) -> BTreeSet<String> {
    let run = ran.only_run();
    let batches = run["batches"].as_array().unwrap().clone();
    let deleted = batches.into_iter().filter(|batch| batch["outcome"] == "deleted");
    deleted.map(|batch| batch["id"].as_str().unwrap().to_owned()).collect()
}

fn gone(world: &World) -> BTreeSet<String> {
    world.emulator.deleted().into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_batches_exactly_the_right_ones_go() {
    let world = World::planted(Seed::mixed(10_000, 3, now())).await;
    world.file(&format!("{OPEN}{POLICY}"));
    let records = listed(&world).await;
    let right = allowed(&records);
    assert!(right.len() > 500, "the account is worth sweeping: {}", right.len());

    let ran = world.run(&["once", "--output", "json", "-q"]).await;
    assert_eq!(ran.only_run()["verified"], true, "{}", ran.err);
    assert!(gone(&world).is_subset(&right));
    assert_eq!(gone(&world), said_deleted(&ran));
    // What is left of the right ones was refused: results that were never delivered.
    let left: BTreeSet<_> = right.difference(&gone(&world)).cloned().collect();
    for id in &left {
        assert!(world.emulator.record(id).unwrap().has_failed_webhook(), "{id} stayed");
        assert_eq!(ran.outcome_of(id), "refused");
    }
    let (pages, candidates) = (10, right.len());
    let deletes = world.emulator.destructive().len();
    // Beside them: for each refusal a look and its result sets.
    let refusals = 2 * left.len();
    let requests = usize::try_from(ran.only_run()["requests"].as_u64().unwrap()).unwrap();
    let pages_left = world.emulator.count().div_ceil(1000);
    assert_eq!(requests, 1 + pages + candidates + deletes + refusals + pages_left);
    assert_eq!(deletes, candidates);
    world.assert_safe();

    world.emulator.clear_log();
    let again = world.run(&["once", "--output", "json", "-q"]).await;
    assert_eq!((again.code, gone(&world).len()), (0, 0), "a second run deletes nothing more");
}

/// Whatever goes wrong on the way.
fn fault() -> impl Strategy<Value = Fault> {
    let operation = prop::sample::select(vec![Operation::Get, Operation::Delete, Operation::List]);
    let effect = prop::sample::select(vec![
        Effect::Reset,
        Effect::Hang,
        Effect::Answer(Answer::html(502)),
        Effect::Answer(Answer::empty(204)),
        Effect::Answer(Answer::refused(429, "emulated: too many")),
        Effect::Answer(Answer::refused(200, "emulated: no")),
        Effect::Delay(std::time::Duration::from_secs(9)),
    ]);
    (operation, effect, any::<bool>(), any::<u64>()).prop_map(|(operation, effect, after, seed)| {
        let fault = Fault::on(operation).chance(20, seed).then(effect);
        if after { fault.after_commit() } else { fault }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_goes_wrong_nothing_else_goes_and_nothing_is_claimed(
        seed in any::<u64>(), size in 5..60_usize, faults in prop::collection::vec(fault(), 0..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::planted(Seed::mixed(size, seed, now())).await;
            world.file(&format!("{OPEN}{POLICY}"));
            let right = allowed(&listed(&world).await);
            for fault in faults {
                world.emulator.script(fault);
            }
            let ran = world.run(&["once", "--output", "json", "-q"]).await;
            assert!([0, 1, 4, 75].contains(&ran.code), "{ran:?}");
            assert!(gone(&world).is_subset(&right), "{ran:?}");
            assert!(said_deleted(&ran).is_subset(&gone(&world)), "{ran:?}");
            world.assert_safe();
        });
    }
}
