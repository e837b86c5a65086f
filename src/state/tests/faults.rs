//! The disk and the database failing under an open state.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Output};

use super::backends::{
    CHILD, child, child_folder, file_in, hold, id, in_file, intent, journal, main_account, now,
    on_server, rule, run_at, settled,
};
use crate::state::{State, StateError};

/// The same database, never larger than it is: as a full disk.
async fn fill(state: &State) {
    let mut work = state.read().await.unwrap();
    let pages = work.row("PRAGMA page_count", &[]).await.unwrap().unwrap().int(0).unwrap();
    assert!(pages > 0);
    let row = work.row("PRAGMA max_page_count = 1", &[]).await.unwrap().unwrap();
    assert_eq!(row.int(0).unwrap(), pages, "no smaller than what is there");
}

async fn empty_again(state: &State) {
    state.read().await.unwrap().row("PRAGMA max_page_count = 1000000", &[]).await.unwrap();
}

/// Intents that fit into no page that is there.
fn many(from: usize) -> Vec<crate::state::Entry> {
    let run = run_at(now());
    (from..from + 500).map(|n| intent(run, &format!("B{n}"), now())).collect()
}

// fault: D1
#[tokio::test]
async fn an_intent_on_a_full_disk_is_refused_and_leaves_nothing() {
    let place = in_file();
    let state = place.open().await;
    fill(&state).await;
    let error = state.record(&[], &many(0)).await.unwrap_err();
    assert_eq!(error, StateError::Full { at: place.file().display().to_string() });
    assert_eq!(journal(&state).await, []);
    // Space comes back, and so does the state.
    empty_again(&state).await;
    assert!(state.record(&[], &many(0)).await.is_ok());
}

// fault: D2
#[tokio::test]
async fn an_outcome_that_finds_no_space_leaves_its_intent_open_for_the_next_start() {
    let place = in_file();
    let state = place.open().await;
    let run = run_at(now());
    assert!(state.record(&[], &[intent(run, "A1", now())]).await.is_ok());
    fill(&state).await;
    let mut outcome = settled(run, "A1", "deleted", now());
    outcome.outcome.detail = Some("x".repeat(50_000));
    let error = state.record(&[outcome], &[]).await.unwrap_err();
    assert!(matches!(error, StateError::Full { .. }), "{error:?}");
    drop(state);
    let state = place.open().await;
    let open = state.open_intents(&main_account()).await.unwrap();
    assert_eq!(open.iter().map(|entry| entry.batch.clone()).collect::<Vec<_>>(), [id("A1")]);
}

/// Runs a child under a limit. A limit cannot be taken back, so it is put on a process of its own.
fn limited(limit: &str, test: &str, folder: &Path) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{limit}; exec \"$0\" --exact --nocapture \"$1\"")])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("state::tests::faults::{test}"))
        .env(CHILD, folder)
        .output()
        .unwrap()
}

// fault: D10
#[test]
fn a_disk_that_fails_in_a_write_is_not_trusted_again() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files fails a write as a broken disk does.
    let limit = "trap '' XFSZ; ulimit -f 600";
    let output = limited(limit, "writes_until_the_disk_fails", folder.path());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("not trusted again"), "{told}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let state = State::open(&file_in(folder.path()), now()).await.unwrap();
        // Each hundred lines count as a whole or not at all.
        let rows = journal(&state).await.len();
        assert!(rows > 0 && rows.is_multiple_of(100), "{rows}");
    });
}

/// The child of the test above; by itself it has nothing to do.
#[tokio::test]
async fn writes_until_the_disk_fails() {
    let Some(folder) = child_folder() else { return };
    let state = State::open(&file_in(&folder), now()).await.unwrap();
    for n in 0..1_000 {
        let Err(error) = state.record(&[], &many(n * 500)).await else { continue };
        assert!(matches!(error, StateError::Write { .. }), "{error:?}");
        let again = state.hold(&hold("A1", now())).await.unwrap_err();
        writeln!(std::io::stderr(), "{again}").unwrap();
        assert!(matches!(again, StateError::Distrusted { .. }), "{again:?}");
        return;
    }
    panic!("the limit was never reached");
}

// fault: K9
#[test]
fn a_process_without_file_descriptors_gets_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let output = limited("ulimit -n 64", "opens_without_file_descriptors", folder.path());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("refused"), "{told}");
}

/// The child of the test above; by itself it has nothing to do.
#[tokio::test]
async fn opens_without_file_descriptors() {
    let Some(folder) = child_folder() else { return };
    let state = State::open(&file_in(&folder), now()).await.unwrap();
    state.close().await.unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        hoard.push(file);
    }
    let error = State::open(&file_in(&folder), now()).await.unwrap_err();
    assert_eq!(error.class(), crate::state::Class::Unusable, "{error:?}");
    hoard.clear();
    State::open(&file_in(&folder), now()).await.unwrap();
    writeln!(std::io::stderr(), "refused: {error:?}").unwrap();
}

// fault: D5
#[tokio::test]
async fn damage_is_found_when_the_state_is_opened() {
    let place = in_file();
    let state = place.open().await;
    assert!(state.record(&[], &many(0)).await.is_ok());
    state.close().await.unwrap();
    let whole = fs::read(place.file()).unwrap();
    let pages = whole.len() / 4_096;
    let mut found = 0;
    for page in 1..pages {
        fs::write(place.file(), &whole).unwrap();
        let mut file = fs::OpenOptions::new().write(true).open(place.file()).unwrap();
        file.seek(SeekFrom::Start(page as u64 * 4_096)).unwrap();
        file.write_all(&[0x5a; 4_096]).unwrap();
        drop(file);
        let error = State::open(&place.location, now()).await.err();
        assert!(matches!(error, Some(StateError::Damaged { .. })), "page {page}: {error:?}");
        found += 1;
    }
    assert!(found > 20, "{found}");
    for length in [100, 4_096, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
        fs::write(place.file(), &whole[..length]).unwrap();
        let error = State::open(&place.location, now()).await.err();
        assert!(matches!(error, Some(StateError::Damaged { .. })), "{length}: {error:?}");
    }
    fs::write(place.file(), &whole).unwrap();
    assert!(State::open(&place.location, now()).await.is_ok());
}

// fault: D5
#[tokio::test]
async fn a_row_that_this_program_cannot_have_written_is_damage() {
    for (sql, what) in [
        ("UPDATE batchsweep_holds SET batch = 'not an id'", "holds"),
        ("UPDATE batchsweep_holds SET until = 9223372036854775807", "holds"),
        ("UPDATE batchsweep_marks SET marks = 'x'", "marks"),
    ] {
        let place = in_file();
        let state = place.open().await;
        state.hold(&hold("A1", now())).await.unwrap();
        let selected = [(rule("t"), [id("A1")].into())].into();
        state.update_marks(&main_account(), now(), &selected).await.unwrap();
        let mut work = state.write().await.unwrap();
        work.run(sql, &[]).await.unwrap();
        work.commit().await.unwrap();
        let error = match what {
            "holds" => state.holds(None).await.unwrap_err(),
            _ => state.marks(&main_account()).await.unwrap_err(),
        };
        assert!(matches!(error, StateError::Damaged { .. }), "{sql}: {error:?}");
    }
}

// fault: D7
#[tokio::test]
async fn a_state_that_another_process_keeps_is_waited_for_and_then_named() {
    let place = in_file();
    let (mine, other) = (place.open().await, place.open().await);
    let work = other.write().await.unwrap();
    mine.read().await.unwrap().row("PRAGMA busy_timeout = 20", &[]).await.unwrap();
    let error = mine.hold(&hold("A1", now())).await.unwrap_err();
    assert_eq!(error, StateError::Busy { at: place.file().display().to_string() });
    // Reading is not kept waiting.
    assert_eq!(mine.holds(None).await.unwrap(), []);
    drop(work);
    mine.read().await.unwrap().row("PRAGMA busy_timeout = 5000", &[]).await.unwrap();
    mine.hold(&hold("A1", now())).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_a_server_ends_is_made_again() {
    let Some(place) = on_server().await else { return };
    let state = place.open().await;
    state.hold(&hold("A1", now())).await.unwrap();
    let mut work = state.read().await.unwrap();
    let ended = work.row("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await;
    assert!(ended.is_err());
    drop(ended);
    drop(work);
    assert_eq!(state.holds(None).await.unwrap().len(), 1);
    // Cut while nobody used it: the next call finds out before it begins.
    let pid = {
        let mut work = state.read().await.unwrap();
        let sql = "SELECT pg_backend_pid()::bigint";
        work.row(sql, &[]).await.unwrap().unwrap().int(0).unwrap()
    };
    let other = place.open().await;
    let mut work = other.read().await.unwrap();
    let cut = "SELECT count(*) FROM pg_terminate_backend($1::int) AS ended WHERE ended";
    let row = work.row(cut, &[crate::state::link::Value::Int(pid)]).await.unwrap().unwrap();
    assert_eq!(row.int(0).unwrap(), 1);
    drop(row);
    drop(work);
    state.inner.seem_idle();
    state.hold(&hold("A2", now())).await.unwrap();
    other.close().await.unwrap();
    place.remove().await;
}

// fault: K2
#[test]
fn what_was_recorded_when_a_process_is_killed_is_there_and_whole() {
    for kill_after in [1, 7, 40] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = child("faults::records_until_it_is_killed", folder.path()).spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let mut told = 0;
        for line in lines {
            if line.unwrap().starts_with("recorded") {
                told += 1;
            }
            if told == kill_after {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(told, kill_after, "the child ended by itself");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let state = State::open(&file_in(folder.path()), now()).await.unwrap();
            let rows = journal(&state).await;
            let open = rows.iter().filter(|(_, outcome)| outcome.is_none()).count();
            assert!(rows.len() >= told, "{} rows, {told} told", rows.len());
            assert_eq!(open, 1, "each call settles the one before it");
        });
    }
}

// fault: D8, K2
#[test]
fn a_process_that_is_killed_while_it_makes_a_state_leaves_one_that_opens() {
    for kill_after in 1..8 {
        let folder = tempfile::tempdir().unwrap();
        let making = "faults::makes_states_until_it_is_killed";
        let mut child = child(making, folder.path()).spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let making = lines.filter(|line| line.as_ref().unwrap().starts_with("making"));
        assert_eq!(making.take(kill_after).count(), kill_after);
        child.kill().unwrap();
        child.wait().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let location = file_in(&entry.unwrap().path());
            let state = runtime.block_on(State::open(&location, now())).unwrap();
            runtime.block_on(state.hold(&hold("A1", now()))).unwrap();
        }
    }
}

/// The child of the test above; by itself it has nothing to do.
#[expect(clippy::print_stdout, reason = "its parent reads it")]
#[tokio::test]
async fn makes_states_until_it_is_killed() {
    let Some(folder) = child_folder() else { return };
    for n in 0..1_000 {
        println!("\nmaking {n}");
        let folder = folder.join(n.to_string());
        fs::create_dir(&folder).unwrap();
        State::open(&file_in(&folder), now()).await.unwrap();
    }
}

/// The child of the test above it; by itself it has nothing to do.
#[expect(clippy::print_stdout, reason = "its parent reads it")]
#[tokio::test]
async fn records_until_it_is_killed() {
    let Some(folder) = child_folder() else { return };
    let state = State::open(&file_in(&folder), now()).await.unwrap();
    let run = run_at(now());
    for n in 0_i32..100_000 {
        let before = (n > 0).then(|| settled(run, &format!("A{}", n - 1), "deleted", now()));
        let intents = [intent(run, &format!("A{n}"), now())];
        assert!(state.record(before.as_slice(), &intents).await.is_ok());
        println!("\nrecorded {n}");
    }
}
