//! Who may work on an account, and how a process that does is told to stop.

use std::time::Duration;

use batchsweep::emulator::{Effect, Emulator, Fault, Operation};
use sqlx::{AnyConnection, Connection, Executor};

use crate::crash::assert_same;
use crate::victim::{Done, Site, Victim, still};
use crate::world::{KEY, World, id};

/// An account of so many batches that go.
async fn site(count: usize) -> Site {
    let site = Site::new().await;
    for n in 0..count {
        site.insert(n, &format!("tmp-{n}"));
    }
    site
}

/// The DELETE of that batch is never answered, whether it was carried out or not.
fn stuck(n: usize) -> Fault {
    Fault::on(Operation::Delete).id(&id(n)).then(Effect::Hang)
}

/// Waits until the DELETE of that batch has come.
async fn until_sent(victim: &mut Victim, emulator: &Emulator, n: usize) {
    let is_there = || emulator.destructive().iter().any(|call| call.id == Some(id(n)));
    victim.until("a DELETE", is_there).await;
}

async fn assert_true(site: &Site) {
    assert_same(&site.history().await, &site.emulator);
    let violations = site.emulator.violations();
    assert!(violations.is_empty(), "{violations:?}");
}

fn code(done: &Done) -> Option<i32> {
    done.status.code()
}

// fault: T1, D7
#[test]
fn a_second_run_of_an_account_leaves_it_alone_and_says_who_has_it() {
    still(async {
        let site = site(3).await;
        site.emulator.script(stuck(1));
        let mut first = site.once();
        until_sent(&mut first, &site.emulator, 1).await;
        let calls = site.emulator.log().len();
        for args in [&["once"][..], &["once", "--dry-run"]] {
            let second = site.run(args).await;
            assert_eq!(code(&second), Some(5), "{second:?}");
            assert!(second.err.contains(&format!("pid {} on ", first.pid())), "{second:?}");
            assert!(second.err.contains("nothing was deleted"), "{second:?}");
        }
        // The first may have looked ahead meanwhile.
        let log = site.emulator.log();
        assert!(log[calls..].iter().all(|call| call.operation == Operation::Get), "{log:?}");
        assert!(first.kill());
        site.emulator.clear_script();
        let third = site.once().end().await;
        assert_eq!(code(&third), Some(0), "{third:?}");
        assert_true(&site).await;
    });
}

// fault: T1
#[test]
fn runs_of_two_accounts_work_on_one_state_at_once() {
    still(async {
        let (main, other) = (site(3).await, site(3).await);
        other.emulator.set_key("CANARYOTHERKEY00");
        let accounts = [main.account("main", KEY), other.account("other", "CANARYOTHERKEY00")];
        main.file(&accounts.concat());
        main.emulator.script(stuck(1).after_commit());
        let mut first = main.begin(&["once", "--account", "main"]);
        until_sent(&mut first, &main.emulator, 1).await;
        let second = main.run(&["once", "--account", "other"]).await;
        assert_eq!((code(&second), other.emulator.count()), (Some(0), 0), "{second:?}");
        // Both: the one that is free has its run, the other one decides the code.
        other.insert(7, "tmp-7");
        let both = main.run(&["once"]).await;
        assert_eq!((code(&both), other.emulator.count()), (Some(5), 0), "{both:?}");
        assert!(first.kill());
        let third = main.run(&["once", "--account", "main"]).await;
        assert_eq!((code(&third), main.emulator.count()), (Some(0), 0), "{third:?}");
    });
}

// fault: T1
#[test]
fn of_runs_that_begin_together_each_batch_is_deleted_by_one() {
    still(async {
        let site = site(6).await;
        let begun: Vec<_> = (0..4).map(|_| site.once()).collect();
        let mut codes = Vec::new();
        for victim in begun {
            codes.push(code(&victim.end().await));
        }
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 5))), "{codes:?}");
        assert_eq!(site.emulator.count(), 0);
        assert_true(&site).await;
    });
}

/// How long a DELETE takes in these tests, of a time that stands still.
const LATE: Duration = Duration::from_secs(1);

/// Moves time on where a DELETE waits for that, and no further.
async fn answer_late(site: &Site) {
    let (sent, answered) = site.calls(Operation::Delete);
    if sent > answered {
        tokio::time::advance(LATE).await;
    }
    while site.calls(Operation::Delete).1 < sent {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
}

// fault: K3
#[test]
fn a_signal_ends_a_run_in_good_order_and_leaves_nothing_open() {
    still(async {
        let site = site(20).await;
        site.emulator.script(Fault::on(Operation::Delete).then(Effect::Delay(LATE)));
        let mut victim = site.once();
        until_sent(&mut victim, &site.emulator, 0).await;
        tokio::time::advance(LATE).await;
        until_sent(&mut victim, &site.emulator, 1).await;
        victim.signal("TERM");
        // The call in flight is finished; where the signal came late, one or two after it.
        while victim.is_alive() {
            answer_late(&site).await;
        }
        let done = victim.end().await;
        assert_eq!(code(&done), Some(143), "{done:?}");
        let deleted = site.emulator.deleted().len();
        assert!((2..20).contains(&deleted), "{deleted}");
        assert_true(&site).await;
        site.emulator.clear_script();
        let next = site.once().end().await;
        assert_eq!((code(&next), next.settled()), (Some(0), 0), "{next:?}");
        assert_eq!(site.emulator.count(), 0);
        assert_true(&site).await;
    });
}

// fault: K4
#[test]
fn a_second_signal_ends_a_run_at_once_and_the_next_one_settles_what_was_open() {
    still(async {
        for fault in [stuck(0), stuck(0).after_commit()] {
            let site = site(3).await;
            site.emulator.script(fault);
            let mut victim = site.once();
            until_sent(&mut victim, &site.emulator, 0).await;
            // Two at once are one: so the second comes when the first was seen.
            while victim.is_alive() {
                victim.signal("TERM");
                tokio::task::yield_now().await;
            }
            let done = victim.end().await;
            assert_eq!(code(&done), Some(143), "{done:?}");
            let said =
                "a deletion under way stays open, and the next run settles it. Exit code 143.";
            assert!(done.err.contains(said), "{done:?}");
            site.emulator.clear_script();
            let next = site.once().end().await;
            assert_eq!(code(&next), Some(0), "{next:?}");
            assert!((1..=2).contains(&next.settled()), "{next:?}");
            assert_eq!(site.emulator.count(), 0);
            assert_true(&site).await;
        }
    });
}

// fault: T1
#[test]
fn an_account_is_given_up_when_the_end_of_its_run_is_written() {
    still(async {
        let world = World::with_tmp(2).await.remembering();
        // The first listing finds the batches, the second one proves that they are gone.
        world.emulator.script(Fault::on(Operation::List).nth(2).then(Effect::Delay(LATE)));
        let (ran, is_kept) = tokio::join!(world.once(), stays_locked(&world));
        assert_eq!((ran.code, is_kept), (0, true), "{ran:?}");
    });
}

/// Whether the account stays locked for as long as the end of a run cannot be written.
async fn stays_locked(world: &World) -> bool {
    let beside = |name| world.path().with_file_name(name);
    while world.emulator.count_of(Operation::List) < 2 {
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let url = format!("sqlite://{}?mode=rw", beside("state.db").display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    tokio::time::advance(LATE).await;
    let lock = std::fs::File::open(beside("state.db-lock-main")).unwrap();
    let mut is_kept = true;
    for _ in 0..5_000 {
        is_kept &= lock.try_lock().is_err();
        tokio::task::yield_now().await;
    }
    connection.close().await.unwrap();
    is_kept
}
