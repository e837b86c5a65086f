//! The ready policies: each is valid, passes its own cases, and plans what its golden file says for
//! an account of 2,000 batches in every name family.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use batchsweep::emulator::Seed;
use batchsweep::emulator::seed::FIXTURE_PROTECTED;
use serde_json::Value;

use crate::world::{Ran, World};

const POLICIES: [&str; 9] = [
    "orphans",
    "keyword-chunks",
    "lead-lists",
    "pipeline",
    "daily-stock",
    "per-request",
    "inactive-customers",
    "delivered",
    "probes",
];

/// The fixture account and one policy, its guards open where a test sweeps.
async fn fixture(policy: &str) -> World {
    let mut world = World::planted(Seed::fixture()).await;
    let path = format!("{}/config/policies/{policy}.toml", env!("CARGO_MANIFEST_DIR"));
    world.raw_file(&std::fs::read_to_string(path).unwrap());
    let url = world.base_url();
    world.set("BATCHSWEEP__ACCOUNTS__MAIN__BASE_URL", Some(&url));
    world
}

fn batches(ran: &Ran) -> Vec<Value> {
    ran.json()["plans"][0]["batches"].as_array().unwrap().clone()
}

fn ids_with(ran: &Ran, verdict: &str) -> BTreeSet<String> {
    let with = batches(ran).into_iter().filter(|batch| batch["verdict"] == verdict);
    with.map(|batch| batch["id"].as_str().unwrap().to_owned()).collect()
}

async fn plan(world: &World) -> Ran {
    let ran = world.run(&["plan", "--output", "json", "-q"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

#[tokio::test(start_paused = true)]
async fn every_ready_policy_is_valid_and_passes_its_own_cases() {
    for policy in POLICIES {
        let world = fixture(policy).await;
        let checked = world.run(&["check", "--strict"]).await;
        assert_eq!(checked.code, 0, "{policy}: {checked:?}");
        let tested = world.run(&["test", "--output", "json"]).await;
        assert_eq!(tested.code, 0, "{policy}: {tested:?}");
        assert!(tested.json()["passed"].as_u64().unwrap() >= 4, "{policy}: {tested:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_ready_policy_plans_its_golden_list_with_reasons() {
    for policy in POLICIES {
        let world = fixture(policy).await;
        let ran = plan(&world).await;
        let mut golden = format!("{}\n", ran.json()["plans"][0]["counts"]);
        for batch in batches(&ran).iter().filter(|batch| batch["verdict"] != "unmatched") {
            let text = |field: &str| batch[field].as_str().unwrap_or("-").to_owned();
            let (id, name) = (text("id"), text("name"));
            writeln!(golden, "{} {id} {name}: {}", text("verdict"), text("reason")).unwrap();
        }
        insta::assert_snapshot!(policy, golden);
        assert!(world.emulator.destructive().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_new_is_made_the_newest_stay_however_old_they_are() {
    for (policy, rule, stay) in
        [("pipeline", "latest-of-each-type", 9), ("daily-stock", "stock-week", 7)]
    {
        let world = fixture(policy).await;
        world.clock.advance(Duration::from_hours(30 * 24));
        let plan = plan(&world).await;
        let by_rule = |batch: &&Value| batch["kept_by"].as_array().unwrap().contains(&rule.into());
        let kept: Vec<_> = batches(&plan).iter().filter(by_rule).cloned().collect();
        assert_eq!(kept.len(), stay, "{policy}: {kept:?}");
        assert!(!ids_with(&plan, "delete").is_empty(), "{policy} deletes nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn no_ready_policy_deletes_a_protected_or_a_scheduled_batch() {
    for policy in POLICIES {
        let world = fixture(policy).await;
        let goes = ids_with(&plan(&world).await, "delete");
        assert!(!goes.is_empty(), "{policy} deletes nothing of the fixture");
        assert!(!goes.contains(FIXTURE_PROTECTED), "{policy}");
        for id in goes {
            let record = world.emulator.record(&id).unwrap();
            assert!(record.schedule.kind == "manual" || !record.enabled, "{policy}: {record:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_run_the_next_day_deletes_only_what_became_eligible() {
    for policy in POLICIES {
        let mut world = fixture(policy).await;
        for (name, value) in [
            ("BATCHSWEEP__DRY_RUN", "false"),
            ("BATCHSWEEP__GUARDS__MAX_DELETES", "off"),
            ("BATCHSWEEP__GUARDS__MAX_DELETE_PERCENT", "off"),
            ("BATCHSWEEP__SWEEP__BUSY_WAIT", "0s"),
        ] {
            world.set(name, Some(value));
        }
        let planned = ids_with(&plan(&world).await, "delete");
        let first = world.run(&["once", "--output", "json", "-q"]).await;
        assert_eq!(first.code, 0, "{policy}: {first:?}");
        let gone: BTreeSet<_> = world.emulator.deleted().into_iter().collect();
        assert!(gone.is_subset(&planned), "{policy}");
        world.emulator.clear_log();
        // What is left was refused, since its results were never delivered.
        for id in ids_with(&plan(&world).await, "delete") {
            assert!(world.emulator.record(&id).unwrap().has_failed_webhook(), "{policy}: {id}");
        }
        world.clock.advance(Duration::from_hours(24));
        let eligible = ids_with(&plan(&world).await, "delete");
        let second = world.run(&["once", "--output", "json", "-q"]).await;
        assert_eq!(second.code, 0, "{policy}: {second:?}");
        let gone: BTreeSet<_> = world.emulator.deleted().into_iter().collect();
        assert!(gone.is_subset(&eligible), "{policy}");
        world.assert_safe();
    }
}
