//! Holds that are made while a run is under way.

use std::time::Duration;

use batchsweep::clock::Clock;
use batchsweep::emulator::{Answer, Edit, Effect, Fault, Operation, State};
use chrono::TimeDelta;

use crate::world::{OPEN, Ran, TMP, World, id};

/// Waits until so many DELETEs have come and a second is over.
async fn second_after(world: &World, deletes: usize) {
    while world.emulator.destructive().len() < deletes {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Holds a batch then.
async fn hold_after(world: &World, deletes: usize, batch: usize) -> Ran {
    second_after(world, deletes).await;
    world.run(&["hold", &id(batch), "--until", "2027-01-01", "--why", "mine"]).await
}

/// An answer that comes twenty seconds late.
fn late(batch: usize) -> Fault {
    let delete = Fault::on(Operation::Delete).id(&id(batch));
    delete.then(Effect::Delay(Duration::from_secs(20)))
}

// fault: T4
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_held_while_it_is_busy_stays() {
    let world = World::with_tmp(2).await.remembering();
    world.file(&format!("{OPEN}{TMP}").replace("busy_wait = \"0s\"", "busy_wait = \"5min\""));
    // It is queued just when its DELETE comes, and rests a minute later, unchanged.
    let queued = Fault::on(Operation::Delete).id(&id(0)).once();
    let queued = queued.then(Effect::Edit(Edit::Put(id(0), State::Queued)));
    world.emulator.script(queued.answer(Answer::refused(400, "emulated: it is queued")));
    let later = world.clock.now() + TimeDelta::seconds(60);
    world.emulator.edit_at(later, Edit::Put(id(0), State::Idle));
    let (ran, held) = tokio::join!(world.once(), hold_after(&world, 2, 0));
    assert_eq!((held.code, ran.code), (0, 0), "{held:?} {ran:?}");
    assert_eq!(ran.outcome_of(&id(0)), "held");
    assert_eq!(world.emulator.ids(), [id(0)]);
    assert!(world.history().await.contains(&(id(0), "held".to_owned())));
    let told = ran.events().into_iter().find(|event| event["event"] == "batch.skipped");
    assert_eq!(told.unwrap()["outcome"], "held");
    world.assert_safe();
}

// fault: T4
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_held_while_the_one_before_it_takes_long_stays() {
    let world = World::with_tmp(3).await.remembering();
    world.emulator.script(late(0));
    let (ran, held) = tokio::join!(world.once(), hold_after(&world, 1, 1));
    assert_eq!((held.code, ran.code), (0, 0), "{held:?} {ran:?}");
    // Its intent was written before it was held.
    assert!(held.out.contains("a run had begun to delete it"), "{held:?}");
    assert_eq!(ran.outcome_of(&id(1)), "held");
    assert_eq!(world.emulator.deleted(), [id(0), id(2)]);
    assert_eq!(world.history().await.len(), 3);
    world.assert_safe();
}

// fault: T3
#[tokio::test(start_paused = true)]
async fn an_account_that_is_lost_while_a_deletion_takes_long_sees_no_other() {
    for batches in [2, 4] {
        let world = World::with_tmp(batches).await.remembering();
        world.emulator.script(late(0));
        let lose = async {
            second_after(&world, 1).await;
            std::fs::remove_file(world.path().with_file_name("state.db-lock-main")).unwrap();
        };
        let (ran, ()) = tokio::join!(world.once(), lose);
        assert_eq!((ran.code, ran.only_run()["outcome"].as_str()), (5, Some("failed")), "{ran:?}");
        assert_eq!(world.emulator.deleted(), [id(0)], "{batches}");
        world.assert_safe();
        // Whoever has the account next settles what was open.
        world.clock.advance(Duration::from_secs(1));
        let next = world.once().await;
        assert_eq!((next.code, world.emulator.count()), (0, 0), "{next:?}");
        let deleted = |(_, outcome): &(String, String)| outcome == "deleted";
        let history = world.history().await;
        assert_eq!(history.iter().filter(|row| deleted(row)).count(), batches, "{history:?}");
    }
}
