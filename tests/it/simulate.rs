//! `simulate`: what runs would do over the coming days.

use std::time::Duration;

use serde_json::Value;

use crate::world::{OPEN, World};

/// Batches that come of age one after the other, by rules with a grace and without; one is held for a
/// while, one runs on a schedule, one expires.
async fn world() -> World {
    let world = World::new().await.remembering();
    for n in 0..9 {
        let created = world.ago_days(1 + n);
        let name = format!("tmp-{n}");
        let record = batchsweep::emulator::Record::new(format!("AA00000{n}"), &name, created);
        world.emulator.insert(record.ran_at(created));
    }
    for n in 0..3 {
        let created = world.ago_days(20 + n);
        let name = format!("report-{n}");
        let record = batchsweep::emulator::Record::new(format!("BB00000{n}"), &name, created);
        world.emulator.insert(record.ran_at(created));
    }
    let created = world.ago_days(58);
    let record = batchsweep::emulator::Record::new("CC000001", "archive-1", created);
    world.emulator.insert(record.ran_at(created));
    world.file(&format!("{OPEN}{RULES}"));
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let held = ["hold", "AA000008", "--until", "2026-11-27", "--why", "audit"];
    assert_eq!(world.run(&held).await.code, 0);
    world
}

const RULES: &str = r#"
[schedule]
cron = "5 12 * * *"
[delete.tmp]
name = "tmp-*"
older_than = "7d"
[delete.reports]
name = "report-*"
older_than = "21d"
grace = "2d"
"#;

fn days(document: &Value) -> Vec<(String, u64)> {
    let days = document["days"].as_array().unwrap().iter();
    let deleted = |day: &Value| {
        let rules = day["deletions"].as_object().unwrap().values();
        rules.map(|count| count.as_u64().unwrap()).sum()
    };
    days.map(|day| (day["date"].as_str().unwrap().to_owned(), deleted(day))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_simulation_is_shown_day_by_day() {
    let world = world().await;
    let calls = world.emulator.log().len();
    let ran = world.run(&["simulate", "--for", "12d"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.out);
    assert_eq!(world.emulator.log().len(), calls, "the API was asked nothing");
    let short = world.run(&["simulate", "--for", "1min"]).await;
    assert!(short.out.contains("Nothing would be deleted"), "{short:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_simulated_is_what_runs_then_do() {
    let world = world().await;
    let told = days(&world.run(&["simulate", "--for", "8d", "--output", "json"]).await.json());
    let mut done = Vec::new();
    world.pass(Duration::from_mins(5)).await;
    for (date, _) in &told {
        let ran = world.once().await;
        assert_eq!(ran.code, 0, "{ran:?}");
        done.push((date.clone(), ran.count("deleted")));
        world.pass(Duration::from_hours(24)).await;
    }
    assert!(told.iter().filter(|(_, count)| *count > 0).count() > 3, "{told:?}");
    assert_eq!(told, done);
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_would_trip_is_marked_and_holds_everything_up() {
    let world = world().await;
    let tight = OPEN.replace("max_deletes = \"off\"", "max_deletes = 1");
    world.file(&format!("{tight}{RULES}"));
    let document = world.run(&["simulate", "--for", "5d", "--output", "json"]).await.json();
    let tripped: Vec<_> = document["days"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|day| day["runs"] == 1)
        .map(|day| !day["guards"].as_array().unwrap().is_empty())
        .collect();
    assert!(tripped.len() == 5 && tripped.iter().all(|tripped| *tripped), "{document:#}");
    assert!(days(&document).iter().all(|(_, count)| *count == 0));
    let text = world.run(&["simulate", "--for", "5d"]).await.out;
    assert!(text.contains("max_deletes") && text.contains("stopped:"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn how_long_is_a_duration_of_the_files_own_form() {
    let world = world().await;
    for (span, words) in [
        ("0d", "nothing happens in no time"),
        ("2y", "months and years are no units"),
        ("367d", "at most 366d"),
        ("30", "30"),
    ] {
        let ran = world.run(&["simulate", "--for", span]).await;
        assert_eq!(ran.code, 2, "{span}: {ran:?}");
        assert!(ran.err.contains(words), "{span}: {}", ran.err);
    }
}
