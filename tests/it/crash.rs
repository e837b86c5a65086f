//! Killed at any instant: what the history says afterwards is what the account's own log says.
//!
//! The program is a process that is killed when the emulator's log and the journal show the wanted instant.
//! Not here: a state that cannot be written (`disk`), signals that can be obeyed (`locks`).

use std::time::Duration;

use batchsweep::emulator::{Effect, Emulator, Fault, Operation};
use sqlx::{AnyConnection, Connection, Executor, Row};

use crate::victim::{Site, Written, still};
use crate::world::id;

/// Batches that go in these tests.
const TMP: usize = 4;

/// A batch that stays, whatever happens.
const PROD: usize = 900;

/// An account of four batches that go and one that stays.
async fn site() -> Site {
    let site = Site::new().await;
    for n in 0..TMP {
        site.insert(n, &format!("tmp-{n}"));
    }
    site.insert(PROD, "prod-1");
    site.emulator.protect(&id(PROD));
    site
}

/// Asserts that a history, as id and outcome, says what happened: each batch that the account lost by our
/// DELETEs is said to be deleted, once, and no other; nothing is left open.
pub(crate) fn assert_same(history: &[(String, String)], emulator: &Emulator) {
    assert!(history.iter().all(|(_, outcome)| outcome != "open"), "{history:?}");
    let deleted = history.iter().filter(|(_, outcome)| outcome == "deleted");
    let mut said: Vec<_> = deleted.map(|(id, _)| id.clone()).collect();
    let mut done = emulator.deleted();
    said.sort();
    done.sort();
    assert_eq!(said, done, "what is said, what was done: {history:?}");
    let there = emulator.ids();
    assert!(!said.iter().any(|id| there.contains(id)), "{history:?}");
}

/// The same of a site; and that no rule of the account was broken.
async fn assert_true(site: &Site) {
    assert_same(&site.history().await, &site.emulator);
    let violations = site.emulator.violations();
    assert!(violations.is_empty(), "{violations:?}");
}

/// Starts again after a kill, and asserts that all is as if nothing had happened. How many open deletions
/// there were to settle.
async fn recover(site: &Site) -> usize {
    site.emulator.clear_script();
    let done = site.once_alone().await;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_true(site).await;
    assert_eq!(site.emulator.ids(), [id(PROD)], "all that should go went");
    let again = site.once_alone().await;
    assert_eq!((again.status.code(), again.settled()), (Some(0), 0), "{again:?}");
    done.settled()
}

/// When a process is killed, and what must be so then.
struct Instant {
    name: &'static str,
    /// Which call is never answered.
    fault: Fault,
    /// Which calls have come by then.
    calls: (Operation, usize),
    journal: Written,
    /// How many batches are gone from the account by then.
    gone: usize,
}

fn written(intents: i64, outcomes: i64) -> Written {
    Written { intents, outcomes }
}

/// The instants that a call without an answer makes.
fn instants() -> Vec<Instant> {
    use Operation::{Delete, Get, List};
    let get = |n| Fault::on(Get).id(&id(n)).then(Effect::Hang);
    let delete = |n| Fault::on(Delete).id(&id(n)).then(Effect::Hang);
    let done = |n| delete(n).after_commit();
    let list = |nth| Fault::on(List).nth(nth).then(Effect::Hang);
    let at = |name, fault, calls, journal, gone| Instant { name, fault, calls, journal, gone };
    vec![
        at("in the listing", list(1), (List, 1), written(0, 0), 0),
        at("before any intent", get(0), (Get, 1), written(0, 0), 0),
        at("one sent, the next intended", delete(0), (Delete, 1), written(2, 0), 0),
        at("one carried out, the next intended", done(0), (Delete, 1), written(2, 0), 1),
        at("answered, the outcome not written", get(2), (Delete, 2), written(2, 0), 2),
        at("an outcome written", delete(1), (Delete, 2), written(3, 1), 1),
        at("the last one sent", delete(3), (Delete, 4), written(4, 2), 3),
        at("the last one carried out", done(3), (Delete, 4), written(4, 2), 4),
        at("in the listing that proves", list(2), (List, 2), written(4, 4), 4),
    ]
}

// fault: K1, K7
#[test]
fn a_run_that_is_killed_at_any_step_is_settled_by_the_next() {
    still(async {
        for Instant { name, fault, calls: (operation, count), journal, gone } in instants() {
            let site = site().await;
            site.emulator.script(fault);
            let mut victim = site.once();
            let is_there = || {
                let so_far = site.emulator.deleted().len();
                site.calls(operation).0 >= count && so_far == gone
            };
            victim.until(name, is_there).await;
            if site.calls(Operation::Get).0 > 0 {
                site.until_written(&mut victim, journal).await;
            }
            assert!(victim.kill(), "{name}");
            assert_eq!(site.written().await, journal, "{name}");
            let open = usize::try_from(journal.intents - journal.outcomes).unwrap();
            assert_eq!(recover(&site).await, open, "{name}");
        }
    });
}

/// Keeps everybody else from writing, as a slow disk would, until it is closed.
async fn keep_from_writing(site: &Site) -> AnyConnection {
    let mut connection = site.look().await;
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    connection
}

const HELD: Duration = Duration::from_secs(1);

/// A call that is carried out when the test says so.
fn held(fault: Fault) -> Fault {
    fault.then(Effect::Delay(HELD))
}

// fault: K1
#[test]
fn a_run_that_is_killed_between_an_answer_and_its_outcome_is_settled_by_the_next() {
    still(async {
        let site = site().await;
        site.emulator.script(held(Fault::on(Operation::Delete).id(&id(0))));
        site.emulator.script(Fault::on(Operation::Delete).id(&id(1)).then(Effect::Hang));
        let mut victim = site.once();
        victim.until("a DELETE", || site.calls(Operation::Delete).0 == 1).await;
        site.until_written(&mut victim, written(2, 0)).await;
        let lock = keep_from_writing(&site).await;
        tokio::time::advance(HELD).await;
        victim.until("another DELETE", || site.calls(Operation::Delete).0 == 2).await;
        assert!(victim.kill());
        lock.close().await.unwrap();
        assert_eq!(site.emulator.deleted(), [id(0)]);
        assert_eq!(site.written().await, written(2, 0));
        assert_eq!(recover(&site).await, 2);
    });
}

// fault: K1
#[test]
fn a_run_that_is_killed_before_its_last_outcome_is_written_is_settled_by_the_next() {
    still(async {
        let site = site().await;
        let last = id(TMP - 1);
        site.emulator.script(held(Fault::on(Operation::Delete).id(&last)));
        let mut victim = site.once();
        victim.until("all DELETEs", || site.calls(Operation::Delete).0 == TMP).await;
        let lock = keep_from_writing(&site).await;
        tokio::time::advance(HELD).await;
        let is_told = |line: &str| line.contains("batch.deleted") && line.contains(&last);
        while !victim.told().lines().any(is_told) {
            assert!(victim.is_alive());
            tokio::task::yield_now().await;
        }
        assert!(victim.kill());
        lock.close().await.unwrap();
        assert_eq!(site.emulator.deleted().len(), TMP);
        assert_eq!(site.written().await, written(4, 2));
        assert_eq!(recover(&site).await, 2);
    });
}

// fault: K1
#[test]
fn a_run_that_is_killed_before_its_end_is_written_has_nothing_to_settle() {
    still(async {
        let site = site().await;
        site.emulator.script(held(Fault::on(Operation::List).nth(2)));
        let mut victim = site.once();
        victim.until("the last listing", || site.calls(Operation::List).0 == 2).await;
        let lock = keep_from_writing(&site).await;
        tokio::time::advance(HELD).await;
        victim.until("its answer", || site.calls(Operation::List).1 == 2).await;
        assert!(victim.kill());
        lock.close().await.unwrap();
        assert_eq!(site.written().await, written(4, 4));
        assert_eq!(recover(&site).await, 0);
        let mut connection = site.look().await;
        let sql = "SELECT count(*) FROM batchsweep_runs WHERE ended IS NULL";
        let row = connection.fetch_one(sql).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), 1, "the killed one has no end");
    });
}

// fault: K1
#[test]
fn a_run_that_is_killed_while_it_settles_another_is_settled_by_the_next() {
    still(async {
        let site = site().await;
        let delete = Fault::on(Operation::Delete).id(&id(0));
        site.emulator.script(delete.then(Effect::Hang).after_commit());
        let mut victim = site.once();
        victim.until("a DELETE", || site.emulator.deleted().len() == 1).await;
        site.until_written(&mut victim, written(2, 0)).await;
        assert!(victim.kill());
        let before = site.calls(Operation::Get).0;
        site.emulator.script(Fault::on(Operation::Get).id(&id(1)).then(Effect::Hang));
        let mut victim = site.once();
        victim.until("the second look", || site.calls(Operation::Get).0 == before + 2).await;
        site.until_written(&mut victim, written(2, 1)).await;
        assert!(victim.kill());
        assert_eq!(site.written().await, written(2, 1));
        assert_eq!(recover(&site).await, 1);
    });
}

/// How often a run is killed at random in the suite, and on demand.
const KILLS: usize = 15;
pub(crate) const MANY_KILLS: &str = "BATCHSWEEP_TEST_KILLS";

/// What a series of kills came to.
#[derive(Debug, Default)]
struct Figures {
    killed: usize,
    ended_before: usize,
    with_open_intents: usize,
    settled: usize,
    deleted: usize,
}

/// Kills a run, again and again, each at a random instant; new batches come all the time.
async fn kill_at_random(site: &Site, random: &mut fastrand::Rng, kills: usize) -> Figures {
    let mut figures = Figures::default();
    site.insert(PROD, "prod-1");
    site.emulator.protect(&id(PROD));
    for round in 0..kills {
        for n in 0..4 {
            site.insert(round * 4 + n, "tmp-1");
        }
        let calls = site.emulator.log().len() + random.usize(0..16);
        let mut victim = site.once();
        while victim.is_alive() && site.emulator.log().len() < calls {
            tokio::task::yield_now().await;
        }
        for _ in 0..random.usize(0..2_000) {
            tokio::task::yield_now().await;
        }
        figures.settled += victim.settled();
        if victim.kill() {
            figures.killed += 1;
        } else {
            figures.ended_before += 1;
        }
        let journal = site.written_if_any().await;
        figures.with_open_intents += usize::from(journal.intents > journal.outcomes);
    }
    figures.settled += recover(site).await;
    figures.deleted = site.emulator.deleted().len();
    figures
}

/// Kills so often, a few times on each account.
#[expect(clippy::print_stderr, reason = "whoever asks for many kills wants the figures")]
fn kill_often(seed: u64, site: impl AsyncFn() -> Option<Site>) {
    let wanted = std::env::var_os(MANY_KILLS).and_then(|kills| kills.to_str()?.parse().ok());
    let mut left = wanted.unwrap_or(KILLS);
    let mut random = fastrand::Rng::with_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut total = 0;
        while left > 0 {
            let Some(site) = site().await else { return };
            let kills = left.min(KILLS);
            let figures = kill_at_random(&site, &mut random, kills).await;
            if wanted.is_some() {
                eprintln!("{figures:?}");
            }
            total += figures.killed;
            site.forget().await;
            left -= kills;
        }
        assert!(total > KILLS / 2, "{total} were killed: too few for a test");
    });
}

// fault: K1, K2
#[test]
fn runs_that_are_killed_at_random_leave_a_true_history() {
    kill_often(1, async || Some(Site::new().await));
}

// fault: K1, K2
#[test]
fn runs_that_are_killed_at_random_leave_a_true_history_on_a_server() {
    kill_often(2, Site::on_server);
}
