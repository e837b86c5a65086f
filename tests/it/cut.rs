//! Cut off at any instant, in this process: a run is dropped, or panics, and the next one goes on.
//!
//! Beside `crash`, where a process is killed: here each call of the account and each look at the clock is an
//! instant of its own, also between two writes.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use batchsweep::clock::{Clock, SetClock, Timestamp};
use batchsweep::emulator::{Effect, Fault};
use futures_util::FutureExt;
use tokio::time::Instant;

use crate::crash::{MANY_KILLS, assert_same};
use crate::world::{Ran, World};

/// Batches that go in these tests.
const TMP: usize = 2;

/// A batch that stays, whatever happens.
const PROD: &str = "BB000001";

async fn world() -> World {
    let world = World::with_tmp(TMP).await.remembering();
    world.emulator.insert(world.old(PROD, "prod-1"));
    world.emulator.protect(PROD);
    world
}

/// Starts again, and asserts that the history says what happened. What the next run did.
async fn recover(world: &World) -> Ran {
    world.emulator.clear_script();
    // A run is told from others by its time.
    world.clock.advance(Duration::from_secs(1));
    let ran = world.once().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_same(&world.history().await, &world.emulator);
    assert_eq!(world.emulator.ids(), [PROD], "all that should go went");
    world.assert_safe();
    ran
}

/// How many deletions of a run that was cut off it settled.
fn settled(ran: &Ran) -> usize {
    ran.events().iter().filter(|event| event["event"] == "journal.settled").count()
}

/// When a run is cut off, once a call has come that is never answered.
#[derive(Debug, Clone, Copy)]
enum Cut {
    AtOnce,
    /// When all is done that can be done meanwhile.
    WhenQuiet,
}

/// Cuts a run off at that call of the account. False where it ended before.
async fn cut_at_call(world: &World, nth: usize, cut: Cut) -> bool {
    let reached = async {
        while world.emulator.log().len() < nth {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if matches!(cut, Cut::WhenQuiet) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = reached => true,
        _ = world.once() => false,
    }
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_off_at_any_call_is_settled_by_the_next() {
    let mut open = 0;
    for nth in 1_u32.. {
        let mut goes_on = false;
        let hang = Fault::on_any().nth(nth.into()).then(Effect::Hang);
        for (fault, cut) in [(hang.clone(), Cut::AtOnce), (hang.after_commit(), Cut::WhenQuiet)] {
            let world = world().await;
            world.emulator.script(fault);
            goes_on = cut_at_call(&world, nth as usize, cut).await;
            open += settled(&recover(&world).await);
        }
        if !goes_on {
            break;
        }
    }
    assert!(open > TMP, "{open} were open: too few for a test");
}

/// A clock that does something at one of the looks at it.
#[derive(Debug)]
struct Trap {
    clock: Arc<SetClock>,
    left: AtomicUsize,
    spring: Spring,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spring {
    /// The run panics.
    Panic,
    /// The run is dropped as soon as it waits for anything.
    Drop,
}

impl Trap {
    fn looked_at(&self) {
        let left =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left != Ok(1) || self.spring == Spring::Drop, "the trap springs");
    }

    fn has_sprung(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

impl Clock for Trap {
    fn now(&self) -> Timestamp {
        self.looked_at();
        self.clock.now()
    }

    fn monotonic(&self) -> Instant {
        self.looked_at();
        self.clock.monotonic()
    }

    fn may_be_paused(&self) -> bool {
        true
    }
}

/// Cuts a run off at that look at the clock. False where it ended before.
async fn cut_at_look(world: &World, nth: usize, spring: Spring) -> bool {
    let trap =
        Arc::new(Trap { clock: Arc::clone(&world.clock), left: AtomicUsize::new(nth), spring });
    let clock = Arc::clone(&trap) as Arc<dyn Clock>;
    let run =
        AssertUnwindSafe(world.run_by(clock, &["once", "--log-format", "json"])).catch_unwind();
    let mut run = pin!(run);
    poll_fn(|context| match run.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(ended.is_err()),
        Poll::Pending if trap.has_sprung() => Poll::Ready(true),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Cuts runs off at one look after the other, from the first of these on; at some of them in the suite, at
/// each on demand.
async fn cut_at_looks(first: usize, spring: Spring) {
    let step = if std::env::var_os(MANY_KILLS).is_some() { 1 } else { 3 };
    let mut nth = first;
    loop {
        let world = world().await;
        let goes_on = cut_at_look(&world, nth, spring).await;
        recover(&world).await;
        if !goes_on {
            break;
        }
        nth += step;
    }
    assert!(nth > 40, "{nth}: too few for a test");
}

// fault: K1
#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_off_at_any_look_at_the_clock_is_settled_by_the_next() {
    cut_at_looks(1, Spring::Drop).await;
}

// fault: K6
#[tokio::test(start_paused = true)]
async fn a_run_that_panics_gives_its_account_up_and_the_next_goes_on() {
    cut_at_looks(2, Spring::Panic).await;
}
