//! The state machine under a moved clock (contract §4), and what others do meanwhile.

use super::*;

async fn state(rig: &Rig, id: &str) -> String {
    let json = rig.get(&format!("/batches/{id}")).await.json();
    json["batch"]["status"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_started_batch_is_queued_then_runs_then_is_idle_with_one_more_result_set() {
    let rig = Rig::new().await;
    let mut record = batch("AAAA0001").with_searches(2);
    record.notify.webhook = Some("https://hooks.example.com".to_owned());
    rig.emulator.insert(record);
    assert!(rig.get("/batches/AAAA0001/start").await.success());
    assert_eq!(state(&rig, "AAAA0001").await, "queued");
    rig.pass(1).await;
    assert_eq!(state(&rig, "AAAA0001").await, "running");
    assert_eq!(rig.get("/batches/AAAA0001/start").await.status, 400);
    assert_eq!(rig.delete("/batches/AAAA0001").await.status, 400);
    rig.pass(30).await;
    let json = rig.get("/batches/AAAA0001").await.json();
    assert_eq!(json["batch"]["status"], "idle");
    assert_eq!(json["batch"]["last_run"], "2026-11-24T12:00:31.000Z");
    assert_eq!(json["batch"]["results_count"], 1);
    assert_eq!(json["batch"]["next_result_set_id"], 2);
    rig.clock.advance(Duration::from_hours(14 * 24));
    let later = rig.get("/batches/AAAA0001").await.json();
    assert_eq!(later["batch"]["results_count"], 0, "result sets expire");
    assert_eq!(later["batch"]["next_result_set_id"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_batch_is_idle_without_a_result_set() {
    let rig = Rig::with(&["AAAA0001", "AAAA0002"]).await;
    assert_eq!(rig.get("/batches/AAAA0001/stop").await.status, 400, "it does nothing");
    rig.get("/batches/AAAA0001/start").await;
    rig.pass(2).await;
    assert!(rig.get("/batches/AAAA0001/stop").await.success());
    rig.pass(60).await;
    let record = rig.emulator.record("AAAA0001").unwrap();
    assert_eq!((record.state, record.last_run), (State::Idle, None));
    for id in ["AAAA0001", "AAAA0002"] {
        rig.emulator.edit(Edit::Start(id.to_owned()));
    }
    let all = rig.get("/batches/stopall").await;
    assert_eq!(all.message(), "2 Batches stopped");
    assert_eq!(
        (&all.json()["batches_stopped"], state(&rig, "AAAA0001").await.as_str()),
        (&2.into(), "idle")
    );
}

#[tokio::test(start_paused = true)]
async fn five_small_batches_run_at_once_and_one_big_one() {
    let rig = Rig::new().await;
    for n in 0..6 {
        rig.emulator.insert(batch(&format!("S{n}")).with_searches(250));
    }
    for n in 0..2 {
        let mut big = batch(&format!("B{n}")).with_searches(251);
        big.priority = if n == 1 { Priority::Highest } else { Priority::Normal };
        rig.emulator.insert(big);
    }
    for id in rig.emulator.ids() {
        rig.emulator.edit(Edit::Start(id));
    }
    rig.pass(1).await;
    assert_eq!(rig.listed("status=running").await, ["B1", "S0", "S1", "S2", "S3", "S4"]);
    rig.pass(30).await;
    assert_eq!(rig.listed("status=running").await, ["B0", "S5"]);
    rig.pass(30).await;
    assert_eq!(rig.listed("status=idle").await.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn edits_happen_when_the_clock_reaches_them() {
    let rig = Rig::with(&["AAAA0001", "AAAA0002"]).await;
    let id = || "AAAA0001".to_owned();
    rig.emulator
        .edit_at(at("2026-11-24T12:01:00Z"), Edit::Put(id(), State::Other("new".to_owned())));
    rig.emulator.edit_at(at("2026-11-24T12:02:00Z"), Edit::Change(id(), |it| it.enabled = false));
    rig.emulator.edit_at(at("2026-11-24T12:03:00Z"), Edit::Finish(id()));
    rig.emulator.edit_at(at("2026-11-24T12:04:00Z"), Edit::Insert(Box::new(batch("NEW"))));
    rig.pass(59).await;
    assert_eq!(state(&rig, "AAAA0001").await, "idle");
    rig.pass(1).await;
    assert_eq!(state(&rig, "AAAA0001").await, "new");
    rig.pass(120).await;
    let record = rig.emulator.record("AAAA0001").unwrap();
    assert!(!record.enabled);
    assert_eq!(record.last_run, Some(at("2026-11-24T12:03:00Z")));
    rig.pass(60).await;
    assert_eq!(rig.emulator.ids(), ["AAAA0001", "AAAA0002", "NEW"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_can_turn_running_at_the_moment_it_is_looked_at() {
    let rig = Rig::new().await;
    let mut record = batch("AAAA0001");
    record.runs_when_read = true;
    rig.emulator.insert(record);
    assert_eq!(rig.listed("status=idle").await, ["AAAA0001"]);
    assert_eq!(state(&rig, "AAAA0001").await, "running");
    assert_eq!(rig.delete("/batches/AAAA0001").await.status, 400);
    rig.pass(30).await;
    assert_eq!(rig.listed("status=idle").await, ["AAAA0001"]);
}

#[tokio::test(start_paused = true)]
async fn a_latency_is_waited_before_each_answer() {
    let rig = Rig::with(&["AAAA0001"]).await;
    rig.emulator.set_latency(Duration::from_millis(20));
    let began = tokio::time::Instant::now();
    rig.get("/batches/AAAA0001").await;
    rig.get("/batches/AAAA0001").await;
    // Tokio's timer has a grain of one millisecond.
    assert!((40..=42).contains(&began.elapsed().as_millis()));
}
