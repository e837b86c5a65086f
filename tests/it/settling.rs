//! Settling what a killed run left open: a batch that is missing was deleted by us only if the account is
//! still the one that it was in.
//!
//! Not here: the instants of a kill (`crash`), what a settled deletion does to the guards (`memory`).

use batchsweep::emulator::{Edit, Effect, Fault, Lie, Operation};

use crate::memory::{history, killed_at, on_each_state, once};
use crate::world::{KEY, OPEN, Ran, TMP, World, id};

/// Another key.
const OTHER: &str = "CANARY1OTHER1DEADBEEF0123456789AB";

/// A run deletes the first of the account's batches and is killed before it knows.
async fn killed(world: &World) {
    let lost = Fault::on(Operation::Delete).once().after_commit().then(Effect::Hang);
    world.emulator.script(lost);
    killed_at(world, Operation::Delete, 1).await;
    assert_eq!(world.emulator.deleted(), [id(0)]);
    assert_eq!(of_first(world).await, ["open"]);
}

/// What the history says of the first batch.
async fn of_first(world: &World) -> Vec<String> {
    let first = history(world, &["--batch", &id(0)]).await;
    first.into_iter().map(|(_, outcome)| outcome).collect()
}

/// From now on this key is the one of the file, and the one that the API takes.
fn take_key(world: &mut World, key: &str) {
    world.emulator.set_key(key);
    world.set("BATCHSWEEP_API_KEY", Some(key));
}

/// The key opens another account from now on, with batches of its own.
fn swap_account(world: &mut World, before: usize) {
    take_key(world, OTHER);
    for n in 1..before {
        world.emulator.edit(Edit::Remove(id(n)));
    }
    for n in 100..105 {
        world.emulator.insert(world.old(&id(n), "prod"));
    }
}

fn settled(ran: &Ran) -> usize {
    ran.events().iter().filter(|event| event["event"] == "journal.settled").count()
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn nothing_is_settled_on_the_word_of_another_account() {
    on_each_state(4, async |world| {
        killed(world).await;
        swap_account(world, 4);
        for _ in 0..2 {
            let ran = once(world, 3).await;
            assert_eq!(
                (settled(&ran), of_first(world).await),
                (0, vec!["open".to_owned()]),
                "{ran:?}"
            );
        }
        // The right key is back.
        for n in 100..105 {
            world.emulator.edit(Edit::Remove(id(n)));
        }
        for n in 1..4 {
            world.emulator.insert(world.old(&id(n), "prod"));
        }
        take_key(world, KEY);
        once(world, 0).await;
        assert_eq!(of_first(world).await, ["deleted"]);
    })
    .await;
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn an_account_that_takes_the_place_of_another_leaves_nobody_to_ask() {
    for args in [&["once"][..], &["once", "--dry-run"]] {
        on_each_state(4, async |world| {
            killed(world).await;
            swap_account(world, 4);
            let off = OPEN.replace("[guards]", "[guards]\nmax_shrink_percent = \"off\"");
            world.file(&format!("{off}{TMP}"));
            assert_eq!(world.run(args).await.code, 0, "{args:?}");
            assert_eq!(of_first(world).await, ["failed"], "nobody can say");
            assert_eq!(settled(&once(world, 0).await), 0);
            assert_eq!(of_first(world).await, ["failed"]);
        })
        .await;
    }
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn a_new_key_of_the_same_account_settles_what_the_old_one_left() {
    on_each_state(3, async |world| {
        killed(world).await;
        take_key(world, OTHER);
        once(world, 0).await;
        assert_eq!(of_first(world).await, ["deleted"]);
    })
    .await;
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn the_last_batch_of_an_account_is_settled_by_its_own_key() {
    on_each_state(1, async |world| {
        killed(world).await;
        assert_eq!(settled(&once(world, 0).await), 1);
        assert_eq!(of_first(world).await, ["deleted"]);
    })
    .await;
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn what_is_open_is_settled_only_after_a_proven_listing() {
    on_each_state(2, async |world| {
        killed(world).await;
        let calls = world.emulator.log().len();
        let cut = Fault::on(Operation::List).then(Effect::Lie(Lie::Total(1)));
        world.emulator.script(cut);
        let ran = once(world, 4).await;
        assert_eq!((settled(&ran), of_first(world).await), (0, vec!["open".to_owned()]));
        world.emulator.clear_script();
        let looked = |call: &batchsweep::emulator::Logged| call.operation == Operation::Get;
        assert!(!world.emulator.log()[calls..].iter().any(looked), "nobody looked");
        once(world, 0).await;
        assert_eq!(of_first(world).await, ["deleted"]);
    })
    .await;
}
