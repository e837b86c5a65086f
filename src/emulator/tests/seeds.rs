//! Seeds: equal arguments, equal accounts; and each holds what it promises.

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};

use super::*;

fn texts(seed: &Seed) -> Vec<String> {
    seed.records.iter().map(|record| record.listed(Family::Batches)).collect()
}

#[test]
fn equal_arguments_make_equal_accounts() {
    assert_eq!(texts(&Seed::mixed(300, 5, noon())), texts(&Seed::mixed(300, 5, noon())));
    assert_ne!(texts(&Seed::mixed(300, 5, noon())), texts(&Seed::mixed(300, 6, noon())));
    assert_eq!(texts(&Seed::bench(300, noon())), texts(&Seed::bench(300, noon())));
    assert_eq!(texts(&Seed::demo(noon())), texts(&Seed::demo(noon())));
}

#[test]
fn the_fixture_never_changes() {
    let seed = Seed::fixture();
    assert_eq!(Seed::fixture_now(), noon());
    let hash = Sha256::digest(texts(&seed).join("\n"));
    let hash = u64::from_be_bytes(hash[..8].try_into().unwrap());
    insta::assert_snapshot!(format!("{hash:016x}"), @"b9281f6c1715a843");
}

#[test]
fn the_fixture_has_2000_batches_the_protected_one_and_every_family_of_names() {
    let seed = Seed::fixture();
    let ids: std::collections::BTreeSet<&String> =
        seed.records.iter().map(|record| &record.id).collect();
    assert_eq!((ids.len(), seed.records.len()), (2000, 2000));
    assert_eq!(seed.protected, [seed::FIXTURE_PROTECTED]);
    assert!(ids.contains(&seed::FIXTURE_PROTECTED.to_owned()));
    for pattern in [
        "^My First (Batch|Collection)$",
        "^.+_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} Batch$",
        r"^Acme (NEWS|ORGANIC|VIDEO) Batch \d{8}_\d{6}$",
        r"^Stock_Collection_\d\d_\d\d_\d{4}$",
        r"^Product Reviews Collection \(reviews_v\d\)$",
        r"^[^@\s]+@[^@\s]+$",
        r"^Collection\d+$",
        r"^(?i:test|debug|tmp|probe|direct test)\b.*$",
        "^prod-",
        "^report-",
        "^tmp-",
        "^export ",
    ] {
        let pattern = regex::Regex::new(pattern).unwrap();
        let n = seed.records.iter().filter(|record| pattern.is_match(&record.name)).count();
        assert!(n >= 100, "{n} of {pattern}");
    }
}

#[test]
fn a_mixed_account_has_everything_that_rules_must_tell_apart() {
    let seed = Seed::mixed(1000, 1, noon());
    let count = |which: fn(&Record) -> bool| seed.records.iter().filter(|it| which(it)).count();
    assert!(count(|it| it.state == State::Idle) > 900);
    assert!(count(|it| it.state == State::Queued) > 5);
    assert!(count(|it| it.state == State::Running) > 5);
    assert!(count(|it| it.schedule.kind != "manual") > 50);
    assert!(count(|it| it.last_run.is_none()) > 30);
    assert!(count(|it| !it.destination_ids.is_empty()) > 30);
    assert!(count(Record::has_failed_webhook) > 0);
    assert!(count(|it| !it.odd.is_empty()) > 10);
    assert!(count(|it| !it.enabled) > 0);
    let is_hex = |id: &str| {
        id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
    };
    for record in &seed.records {
        assert!(is_hex(&record.id), "{}", record.id);
        let age = noon() - record.created_at;
        assert!(age >= TimeDelta::zero() && age <= TimeDelta::days(60));
        assert!(record.last_run.is_none_or(|at| at >= record.created_at && at <= noon()));
        assert_eq!(record.last_run.is_none(), record.next_result_set_id == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_demo_has_one_batch_that_turns_running_and_one_whose_deletion_fails_once() {
    let rig = Rig::new().await;
    rig.emulator.plant(Seed::demo(noon()));
    assert_eq!(rig.emulator.count(), 300);
    let busy = rig.get(&format!("/batches/{}", seed::DEMO_BUSY)).await.json();
    assert_eq!(busy["batch"]["status"], "running");
    let flaky = format!("/batches/{}", seed::DEMO_FLAKY);
    assert_eq!(rig.delete(&flaky).await.status, 502);
    assert!(rig.delete(&flaky).await.success());
}

#[test]
fn a_quarter_of_a_bench_is_to_go_and_some_of_that_turns_running() {
    let seed = Seed::bench(10_000, noon());
    let ids: std::collections::BTreeSet<&String> =
        seed.records.iter().map(|record| &record.id).collect();
    assert_eq!(ids.len(), 10_000);
    let week = TimeDelta::days(7);
    let old = |record: &&Record| {
        let last = record.last_run.unwrap_or(record.created_at).max(record.created_at);
        record.name.starts_with("tmp-") && noon() - last > week && noon() - record.created_at > week
    };
    let candidates: Vec<&Record> = seed.records.iter().filter(old).collect();
    assert_eq!(candidates.len(), 2500);
    let busy = candidates.iter().filter(|record| record.runs_when_read).count();
    assert_eq!(busy, 75);
    assert!(
        seed.records
            .iter()
            .all(|record| record.created_at <= noon() && record.state == State::Idle)
    );
}
