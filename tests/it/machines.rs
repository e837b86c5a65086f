//! Two machines with one key and a memory each: neither knows what the other deletes.

use batchsweep::emulator::Operation;

use crate::told::assert_told;
use crate::world::{Ran, World, id};

/// A command on the second machine.
async fn second(world: &World, args: &[&str]) -> Ran {
    let url = format!("sqlite:{}", world.path().with_file_name("second.db").display());
    world.run_with(&[("BATCHSWEEP__STATE__URL", &url)], args).await
}

// fault: T2
#[tokio::test(start_paused = true)]
async fn two_machines_at_once_delete_each_batch_once_and_claim_each_once() {
    let mut world = World::with_tmp(12).await;
    world.remember();
    let args = ["once", "--output", "json", "-q"];
    let (first, other) = tokio::join!(world.run(&args), second(&world, &args));
    assert_eq!((first.code, other.code), (0, 0), "{first:?} {other:?}");
    assert_eq!(world.emulator.count(), 0);
    let claimed = first.count("deleted") + other.count("deleted");
    assert_eq!(claimed, 12, "{first:?} {other:?}");
    for n in 0..12 {
        let outcomes = [first.outcome_of(&id(n)), other.outcome_of(&id(n))];
        assert_eq!(outcomes.iter().filter(|one| *one == "deleted").count(), 1, "{outcomes:?}");
    }
    let deletes =
        world.emulator.log().into_iter().filter(|call| call.operation == Operation::Delete);
    assert!(deletes.count() <= 24);
}

// fault: T2
#[tokio::test(start_paused = true)]
async fn a_machine_that_finds_most_batches_gone_deletes_nothing_more() {
    let mut world = World::with_tmp(9).await;
    world.emulator.insert(world.old("BB000001", "prod-1"));
    world.remember();
    assert_eq!(second(&world, &["once", "--dry-run", "-q"]).await.code, 0);
    assert_eq!(world.once().await.code, 0);
    world.emulator.insert(world.old(&id(20), "tmp-20"));
    let ran = second(&world, &["once", "-q"]).await;
    assert_told("second", &ran, 3, &["max_shrink_percent", "9 of the 10 batches"]);
    assert_eq!(world.emulator.ids(), [id(20), "BB000001".to_owned()]);
}
