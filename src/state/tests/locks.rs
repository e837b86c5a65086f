//! One owner for each account.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::backends::{
    account, all, child, child_folder, durable, file_in, in_file, main_account, now, on_server,
};
use crate::state::{Class, State, StateError};

// fault: T1
#[tokio::test]
async fn an_account_has_one_owner_until_it_is_given_up() {
    for place in all().await {
        let (first, second) = (place.open().await, place.open().await);
        // What is in memory is nobody else's: there the rival is a part of the same process.
        let rival = if first.is_durable() { second } else { first.clone() };
        let (a, b, c) = (main_account(), account("b"), account("c"));
        let owned = first.own(&[a.clone(), b.clone()], now()).await.unwrap();
        owned.check().await.unwrap();
        let error = rival.own(&[c.clone(), b.clone()], now()).await.unwrap_err();
        let StateError::Held { name, by } = &error else { panic!("{}: {error:?}", place.name) };
        assert_eq!(name, "b");
        if first.is_durable() {
            assert!(by.starts_with(&format!("pid {} on ", std::process::id())), "{by}");
            assert!(by.contains(" since 20") && by.ends_with(" UTC"), "{by}");
        }
        assert_eq!(error.class(), Class::Locked);
        // All or none: `c` is free.
        let other = rival.own(&[c], now()).await.unwrap();
        owned.release().await;
        rival.own(&[a, b], now()).await.unwrap().check().await.unwrap();
        other.check().await.unwrap();
        other.release().await;
        place.remove().await;
    }
}

#[tokio::test]
async fn an_owner_that_is_dropped_gives_up() {
    for place in all().await {
        let state = place.open().await;
        drop(state.own(&[main_account()], now()).await.unwrap());
        let mut again = state.own(&[main_account()], now()).await;
        // A server learns of it a moment later.
        let mut tries = 0;
        while again.is_err() && tries < 1_000 {
            again = state.own(&[main_account()], now()).await;
            tries += 1;
        }
        again.unwrap().release().await;
        place.remove().await;
    }
}

// fault: T3
#[tokio::test]
async fn a_lock_file_that_is_removed_or_replaced_is_a_lost_lock() {
    let place = in_file();
    let state = place.open().await;
    let owned = state.own(&[main_account()], now()).await.unwrap();
    let path = place.file().with_file_name("state.db-lock-main");
    fs::remove_file(&path).unwrap();
    let error = owned.check().await.unwrap_err();
    assert!(matches!(error, StateError::LockLost { .. }), "{error:?}");
    let other = state.own(&[main_account()], now()).await.unwrap();
    other.check().await.unwrap();
    assert!(owned.check().await.is_err());
}

// fault: T3
#[tokio::test]
async fn a_database_that_is_moved_away_is_a_lost_lock() {
    let place = in_file();
    let state = place.open().await;
    let owned = state.own(&[main_account()], now()).await.unwrap();
    let moved = place.file().with_file_name("moved.db");
    fs::rename(place.file(), &moved).unwrap();
    let error = owned.check().await.unwrap_err();
    assert!(matches!(error, StateError::LockLost { .. }), "{error:?}");
    fs::copy(&moved, place.file()).unwrap();
    assert!(owned.check().await.is_err(), "a copy is another file");
    fs::rename(&moved, place.file()).unwrap();
    owned.check().await.unwrap();
}

// fault: T1
#[tokio::test]
async fn two_ways_to_one_database_lead_to_one_lock() {
    let place = in_file();
    let state = place.open().await;
    let other = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(place.file(), other.path().join("state.db")).unwrap();
    let through_a_link = State::open(&file_in(other.path()), now()).await.unwrap();
    let owned = state.own(&[main_account()], now()).await.unwrap();
    let error = through_a_link.own(&[main_account()], now()).await.unwrap_err();
    assert!(matches!(error, StateError::Held { .. }), "{error:?}");
    owned.release().await;
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1, "nothing beside the link");
}

// fault: T3
#[tokio::test]
async fn a_session_that_a_server_ends_is_a_lost_lock() {
    let Some(place) = on_server().await else { return };
    let state = place.open().await;
    let owned = state.own(&[main_account()], now()).await.unwrap();
    owned.check().await.unwrap();
    let mut work = state.read().await.unwrap();
    let ended = work
        .row(
            "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l
             JOIN pg_stat_activity a ON a.pid = l.pid AND a.application_name LIKE 'batchsweep pid %'
             JOIN pg_class c ON c.relname = 'batchsweep_runs'
                 AND c.relnamespace = current_schema()::regnamespace
             WHERE l.locktype = 'advisory' AND (l.classid::bigint << 32 | l.objid::bigint) = $1",
            &[crate::state::link::Value::Int(owned.key())],
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.int(0).unwrap(), 1);
    drop(ended);
    drop(work);
    let error = owned.check().await.unwrap_err();
    assert!(matches!(error, StateError::LockLost { .. }), "{error:?}");
    assert!(owned.check().await.is_err(), "and it stays lost");
    place.remove().await;
}

// fault: T1, D7
#[tokio::test]
async fn another_process_is_named_and_its_end_frees_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("locks::owns_until_it_is_killed", folder.path());
    let mut child = child.stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("owned")));
    let state = State::open(&file_in(folder.path()), now()).await.unwrap();
    let error = state.own(&[main_account()], now()).await.unwrap_err();
    let StateError::Held { by, .. } = &error else { panic!("{error:?}") };
    assert!(by.starts_with(&format!("pid {} on ", child.id())), "{by}");
    assert!(by.ends_with("since 2026-11-25 12:00 UTC"), "{by}");
    child.kill().unwrap();
    child.wait().unwrap();
    state.own(&[main_account()], now()).await.unwrap().check().await.unwrap();
}

/// The child of the test above; by itself it has nothing to do.
#[expect(clippy::print_stdout, reason = "its parent reads it")]
#[tokio::test]
async fn owns_until_it_is_killed() {
    let Some(folder) = child_folder() else { return };
    let state = State::open(&file_in(&folder), now()).await.unwrap();
    let owned = state.own(&[main_account()], now()).await.unwrap();
    println!("\nowned");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    owned.release().await;
}

#[tokio::test]
async fn two_states_do_not_share_their_locks() {
    let (left, right) = (durable().await, durable().await);
    for (left, right) in left.into_iter().zip(right) {
        let one = left.open().await.own(&[main_account()], now()).await.unwrap();
        let two = right.open().await.own(&[main_account()], now()).await.unwrap();
        one.check().await.unwrap();
        two.check().await.unwrap();
        one.release().await;
        two.release().await;
        left.remove().await;
        right.remove().await;
    }
}
