//! What a safe client never does is counted; what it may do is not.

use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_get_and_then_a_delete_is_safe() {
    let rig = Rig::with(&["A", "B"]).await;
    rig.get("/account").await;
    rig.get("/batches?page_size=1000").await;
    for id in ["A", "B"] {
        rig.get(&format!("/batches/{id}")).await;
        rig.pass(10).await;
        assert!(rig.delete(&format!("/batches/{id}")).await.success());
    }
    let violations = rig.emulator.violations();
    assert!(violations.is_empty(), "{violations}");
    assert_eq!(rig.emulator.deleted(), ["A", "B"]);
    let log = rig.emulator.log();
    assert_eq!(log[1].parameter("page_size"), Some("1000"));
    assert!(
        log.iter().all(|entry| entry.key == KeySeen::Right && entry.parameter("api_key").is_none())
    );
    assert_eq!(log[2].elapsed.as_secs(), 0);
    assert_eq!(log[3].elapsed.as_secs(), 10);
    assert_eq!(rig.emulator.count_of(Operation::Get), 2);
    rig.emulator.clear_log();
    assert!(rig.emulator.log().is_empty());
    rig.get("/account").await;
    assert_eq!(rig.emulator.log()[0].status, Some(200));
}

#[tokio::test(start_paused = true)]
async fn a_race_that_no_client_can_win_is_refused_and_not_a_violation() {
    let rig = Rig::with(&["A"]).await;
    rig.get("/batches/A").await;
    rig.emulator.edit(Edit::Run("A".to_owned()));
    assert_eq!(rig.delete("/batches/A").await.status, 400);
    assert!(rig.emulator.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_violation_is_detected() {
    for kind in [
        Violation::ParallelWrites,
        Violation::StateChangingGet,
        Violation::ListRate,
        Violation::BusyDelete,
        Violation::ProtectedDelete,
        Violation::RepeatedDelete,
        Violation::DeleteWithoutGet,
        Violation::StaleDelete,
        Violation::KeyOutOfPlace,
        Violation::UnknownPath,
    ] {
        let rig = Rig::with(&["A", "B"]).await;
        commit(kind, &rig).await;
        let violations = rig.emulator.violations();
        assert!(violations.count(kind) > 0, "{kind:?} in {violations}");
        let also = match kind {
            // What is deleted twice is not there for a Get.
            Violation::RepeatedDelete => {
                vec![Violation::RepeatedDelete, Violation::DeleteWithoutGet]
            }
            Violation::ParallelWrites
            | Violation::StateChangingGet
            | Violation::ListRate
            | Violation::BusyDelete
            | Violation::ProtectedDelete
            | Violation::DeleteWithoutGet
            | Violation::StaleDelete
            | Violation::KeyOutOfPlace
            | Violation::UnknownPath => vec![kind],
        };
        assert_eq!(violations.kinds(), also, "{violations}");
        assert!(!violations.to_string().contains(KEY));
    }
}

/// Does what is to be detected.
async fn commit(kind: Violation, rig: &Rig) {
    match kind {
        Violation::ParallelWrites => {
            rig.emulator.set_latency(Duration::from_secs(1));
            for id in ["A", "B"] {
                rig.get(&format!("/batches/{id}")).await;
            }
            tokio::join!(rig.delete("/batches/A"), rig.delete("/batches/B"));
        }
        Violation::StateChangingGet => {
            rig.get("/batches/A/start").await;
            rig.get("/batches/A/stop").await;
            rig.get("/batches/stopall").await;
            rig.get("/batches/A/results/1/resendwebhook").await;
            assert_eq!(rig.emulator.violations().count(kind), 4);
        }
        Violation::ListRate => {
            for _ in 0..61 {
                rig.get("/batches").await;
            }
        }
        Violation::BusyDelete => {
            rig.emulator.edit(Edit::Run("A".to_owned()));
            rig.get("/batches/A").await;
            rig.delete("/batches/A").await;
        }
        Violation::ProtectedDelete => {
            rig.emulator.protect("A");
            rig.get("/batches/A").await;
            rig.delete("/batches/A").await;
        }
        Violation::RepeatedDelete => {
            for _ in 0..2 {
                rig.get("/batches/A").await;
                rig.delete("/batches/A").await;
            }
        }
        Violation::DeleteWithoutGet => delete_unseen(rig).await,
        Violation::StaleDelete => {
            rig.get("/batches/A").await;
            tokio::time::advance(Duration::from_millis(10_001)).await;
            rig.delete("/batches/A").await;
        }
        Violation::KeyOutOfPlace => misplace_key(rig).await,
        Violation::UnknownPath => {
            rig.get("/batch").await;
        }
    }
}

async fn delete_unseen(rig: &Rig) {
    // The answer of the Get was lost, and the resend has no Get of its own.
    rig.emulator.script(Fault::on(Operation::Get).then(Effect::Reset).after_commit());
    drop(rig.send("GET", "/batches/A", None).await);
    rig.emulator.script(Fault::on(Operation::Delete).once().answer(Answer::empty(502)));
    rig.delete("/batches/A").await;
    rig.delete("/batches/A").await;
    assert_eq!(rig.emulator.violations().count(Violation::DeleteWithoutGet), 2);
}

async fn misplace_key(rig: &Rig) {
    let header = format!("referer: http://x/?api_key={KEY}\r\n");
    rig.raw("GET", &format!("/live/account?api_key={KEY}"), &header, "").await.unwrap();
    rig.get(&format!("/batches/{KEY}")).await;
    rig.get(&format!("/batches?search_term={KEY}")).await;
    rig.put("/batches/A", json!({"name": KEY})).await;
    let file = format!("/files/x.json?api_key={KEY}");
    rig.raw("GET", &file, "", "").await.unwrap();
    assert_eq!(rig.emulator.violations().count(Violation::KeyOutOfPlace), 5);
    assert!(!format!("{:?}", rig.emulator.log()).contains(KEY));
}

#[tokio::test(start_paused = true)]
async fn parallel_edits_are_throttled() {
    let rig = Rig::with(&["A"]).await;
    rig.emulator.set_latency(Duration::from_secs(1));
    let body = json!({"searches": [{"q": "x"}]});
    let (one, two) =
        tokio::join!(rig.put("/batches/A", body.clone()), rig.put("/batches/A", body.clone()));
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [200, 429]);
}
