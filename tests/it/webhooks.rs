//! Undelivered results, end to end: the API refuses, and only a rule's own word overrides that.

use batchsweep::emulator::{Delivery, Refusal, ResultSet};

use crate::world::{OPEN, TMP, World};

const ID: &str = "BB000001";

/// An account of a batch that holds undelivered results and one that holds none, with these rules.
async fn world(rules: &str) -> World {
    let world = World::with_tmp(1).await;
    let set = ResultSet::ended(7, world.ago_days(10), 5).webhook(Delivery::Failed);
    world.emulator.insert(world.old(ID, "tmp-undelivered").with_results(set));
    world.file(&format!("{OPEN}{rules}"));
    world
}

fn forced(world: &World) -> Vec<bool> {
    let deletes = world.emulator.destructive().into_iter();
    deletes
        .filter(|call| call.id.as_deref() == Some(ID))
        .map(|call| call.parameter("force").is_some())
        .collect()
}

// fault: H15
#[tokio::test(start_paused = true)]
async fn a_batch_with_undelivered_results_stays_and_is_named() {
    for refusal in [Refusal::BadRequest, Refusal::Ok, Refusal::Conflict] {
        let world = world(TMP).await;
        world.emulator.turn(|knobs| knobs.webhook_refusal = refusal);
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 1), "{refusal:?}: {ran:?}");
        assert_eq!(ran.outcome_of(ID), "refused", "{refusal:?}");
        let detail = ran.batch(ID)["detail"].to_string();
        assert!(detail.contains("force_failed_webhooks") && detail.contains('7'), "{detail}");
        assert_eq!(world.emulator.ids(), [ID], "{refusal:?}");
        assert_eq!(forced(&world), [false], "{refusal:?}: not sent again");
        world.assert_safe();
    }
}

// fault: H15
#[tokio::test(start_paused = true)]
async fn a_rule_may_say_that_undelivered_results_go_too() {
    let world = world(&format!("{TMP}force_failed_webhooks = true\n")).await;
    let ran = world.once().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{ran:?}");
    assert_eq!(forced(&world), [true]);
    assert_eq!(world.emulator.count(), 0);
    world.assert_safe();
}

// fault: H15
#[tokio::test(start_paused = true)]
async fn two_rules_must_both_say_so() {
    let other = |force: bool| {
        format!(
            "{TMP}force_failed_webhooks = true\n[delete.other]\nname = \"*undelivered\"\n\
             idle_for = \"2d\"\nforce_failed_webhooks = {force}\n"
        )
    };
    for (force, deleted) in [(false, 1), (true, 2)] {
        let world = world(&other(force)).await;
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, deleted), "{force}: {ran:?}");
        assert_eq!(forced(&world), [force]);
    }
}
