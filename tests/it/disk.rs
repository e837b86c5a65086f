//! A state that cannot be written in mid-sweep: what is not in the journal is not sent.
//!
//! Not here: what the state itself makes of a disk that fails (`src/state/tests/faults.rs`).

use std::process::Command;
use std::time::Duration;

use batchsweep::emulator::{Effect, Fault, Operation};

use crate::crash::assert_same;
use crate::victim::{Site, Victim, Written, still};
use crate::world::id;

/// Batches that go in these tests.
const TMP: usize = 8;

const LATE: Duration = Duration::from_secs(1);

/// An account whose DELETE of that batch waits until the test moves time on.
async fn site(late: usize) -> Site {
    let site = Site::new().await;
    for n in 0..TMP {
        site.insert(n, &format!("tmp-{n}"));
    }
    let delete = Fault::on(Operation::Delete).id(&id(late));
    site.emulator.script(delete.then(Effect::Delay(LATE)));
    site
}

/// Begins a run whose DELETE of that batch is in flight, with the intent of the next one written.
async fn in_flight(site: &Site, n: usize) -> Victim {
    // A write beyond the limit fails as on a full disk, where the signal that says so is ignored.
    let mut victim = site.begin_by(
        &["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""],
        &["once", "-q", "--log-format", "json"],
    );
    victim.until("a DELETE", || site.calls(Operation::Delete).0 == n + 1).await;
    let n = i64::try_from(n).unwrap();
    site.until_written(&mut victim, Written { intents: n + 2, outcomes: n }).await;
    victim
}

/// From now on nothing more fits into the journal; there is room for a few lines of the log.
fn fill_the_disk(victim: &Victim) {
    let set = Command::new("prlimit").args(["--pid", &victim.pid(), "--fsize=8192"]).status();
    assert!(set.unwrap().success());
}

// fault: D1, D2, D10
#[test]
fn a_disk_that_fails_in_mid_sweep_ends_it_and_the_next_run_settles_what_was_open() {
    still(async {
        for late in [0, 3] {
            let site = site(late).await;
            let victim = in_flight(&site, late).await;
            fill_the_disk(&victim);
            tokio::time::advance(LATE).await;
            let done = victim.end().await;
            assert_eq!(done.status.code(), Some(74), "{done:?}");
            // The one in flight, and the one whose intent was written before the disk failed.
            let sent: Vec<_> = (0..late + 2).map(id).collect();
            assert_eq!(site.emulator.deleted(), sent, "{done:?}");
            assert!(done.err.contains("cannot write the state"), "{done:?}");
            assert!(done.out.contains("deleted"), "{done:?}");
            let next = site.once().end().await;
            assert_eq!((next.status.code(), next.settled()), (Some(0), 2), "{next:?}");
            assert_eq!(site.emulator.count(), 0);
            assert_same(&site.history().await, &site.emulator);
            let violations = site.emulator.violations();
            assert!(violations.is_empty(), "{violations:?}");
        }
    });
}

// fault: T3
#[test]
fn a_state_that_is_moved_away_in_mid_sweep_ends_it() {
    still(async {
        for (file, why) in [("state.db", "moved or replaced"), ("state.db-lock-main", "removed")] {
            let site = site(2).await;
            let victim = in_flight(&site, 2).await;
            let path = site.folder.path().join(file);
            std::fs::rename(&path, site.folder.path().join("elsewhere")).unwrap();
            tokio::time::advance(LATE).await;
            let done = victim.end().await;
            assert_eq!(done.status.code(), Some(5), "{file}: {done:?}");
            assert!(done.err.contains(why), "{file}: {done:?}");
            // The one whose intent was written before goes as well.
            assert_eq!(site.emulator.deleted(), [id(0), id(1), id(2), id(3)], "{file}");
        }
    });
}
