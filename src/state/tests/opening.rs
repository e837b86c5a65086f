//! Opening: what is made, what is refused, and what each looks like.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use sqlx::{AnyConnection, Connection, Executor};

use super::backends::{begin, durable, file_in, hold, in_file, location, now, runs_as_nobody};
use crate::state::{Class, Gone, Location, RunFilter, State, StateError};

async fn refused(location: &Location) -> StateError {
    State::open(location, now()).await.unwrap_err()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn the_file_and_its_folder_are_for_their_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/b c/ü%20?#");
    let variable = |name: &str| (name == "STATE_DIRECTORY").then(|| folder.clone().into());
    let location = Location::parse("sqlite:", variable).unwrap();
    let state = State::open(&location, now()).await.unwrap();
    state.hold(&hold("A1", now())).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    for file in ["state.db", "state.db-wal", "state.db-shm", "state.db-marker"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    state.close().await.unwrap();
    assert!(State::open(&location, now()).await.is_ok(), "again");
}

#[tokio::test]
async fn a_file_is_written_as_durably_as_sqlite_can() {
    let place = in_file();
    let state = place.open().await;
    let mut work = state.read().await.unwrap();
    let number = async |work: &mut crate::state::link::Work<'_>, sql| {
        work.row(sql, &[]).await.unwrap().unwrap().int(0).unwrap()
    };
    assert_eq!(number(&mut work, "PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(number(&mut work, "PRAGMA foreign_keys").await, 1);
    assert_eq!(number(&mut work, "PRAGMA busy_timeout").await, 5_000);
    let row = work.row("PRAGMA journal_mode", &[]).await.unwrap().unwrap();
    assert_eq!(row.text(0).unwrap(), "wal");
}

// fault: D3
#[tokio::test]
async fn a_missing_folder_and_a_folder_in_the_files_place_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("not/mounted");
    assert_eq!(refused(&file_in(&missing)).await, StateError::NoFolder(missing.clone()));
    assert!(!missing.exists(), "nothing was made");
    let folder = home.path().join("state.db");
    fs::create_dir(&folder).unwrap();
    assert_eq!(refused(&file_in(home.path())).await, StateError::NotAFile(folder));
}

// fault: D3
#[tokio::test]
async fn a_file_that_cannot_be_written_says_why() {
    if runs_as_nobody("state::tests::opening::a_file_that_cannot_be_written_says_why") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o500)).unwrap();
    let error = refused(&file_in(home.path())).await;
    let StateError::ReadOnly { path, why } = &error else { panic!("{error:?}") };
    assert_eq!(path, home.path());
    assert!(why.contains("may not write"), "{why}");
    assert_eq!(error.class(), Class::Unusable);
}

// fault: D5
#[tokio::test]
async fn what_is_not_our_database_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.db");
    let foreign = format!("sqlite://{}?mode=rwc", path.display());
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&foreign).await.unwrap();
    connection.execute("CREATE TABLE other (x TEXT)").await.unwrap();
    connection.close().await.unwrap();
    for content in [fs::read(&path).unwrap(), b"not a database".into(), vec![0; 8_192]] {
        fs::write(&path, &content).unwrap();
        assert_eq!(refused(&file_in(home.path())).await, StateError::Foreign(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), content);
        let read = State::open_read_only(&file_in(home.path())).await.unwrap_err();
        assert_eq!(read, StateError::Foreign(path.clone()));
    }
}

// fault: D6
#[tokio::test]
async fn a_database_that_was_there_and_is_gone_is_not_made_anew() {
    let place = in_file();
    let state = place.open().await;
    state.hold(&hold("A1", now())).await.unwrap();
    state.close().await.unwrap();
    let path = place.file();
    let content = fs::read(&path).unwrap();
    for gone in [Gone::Missing, Gone::Empty] {
        match gone {
            Gone::Missing => fs::remove_file(&path).unwrap(),
            Gone::Empty => fs::write(&path, "").unwrap(),
        }
        let error = refused(&place.location).await;
        assert_eq!(error, StateError::Vanished { path: path.clone(), gone });
        assert_eq!(error.class(), Class::Vanished);
        let read = State::open_read_only(&place.location).await.unwrap_err();
        assert_eq!(read, error);
    }
    // A copy that is put back is as good as ever.
    fs::write(&path, &content).unwrap();
    assert_eq!(place.open().await.holds(None).await.unwrap().len(), 1);
}

// fault: D6
#[tokio::test]
async fn an_empty_database_beside_a_log_is_a_lost_one() {
    let place = in_file();
    let state = place.open().await;
    state.hold(&hold("A1", now())).await.unwrap();
    let log = fs::read(place.file().with_file_name("state.db-wal")).unwrap();
    state.close().await.unwrap();
    fs::remove_file(place.file().with_file_name("state.db-marker")).unwrap();
    fs::write(place.file(), "").unwrap();
    fs::write(place.file().with_file_name("state.db-wal"), log).unwrap();
    let vanished = StateError::Vanished { path: place.file(), gone: Gone::Empty };
    assert_eq!(refused(&place.location).await, vanished);
}

// fault: D6
#[tokio::test]
async fn a_lost_memory_begins_anew_when_somebody_says_so() {
    let place = in_file();
    assert_eq!(State::acknowledge_vanished(&place.location, now()), Ok(None), "never was one");
    let state = place.open().await;
    state.hold(&hold("A1", now())).await.unwrap();
    state.close().await.unwrap();
    assert_eq!(State::acknowledge_vanished(&place.location, now()), Ok(None), "nothing is lost");
    assert_eq!(State::vanished(&place.location), None);
    fs::write(place.file(), "").unwrap();
    fs::write(place.file().with_file_name("state.db-wal"), "log").unwrap();
    let vanished = StateError::Vanished { path: place.file(), gone: Gone::Empty };
    assert_eq!(State::vanished(&place.location), Some(vanished));
    let kept = State::acknowledge_vanished(&place.location, now()).unwrap().unwrap();
    let beside = |name| place.file().with_file_name(name);
    let moved = ["state.db.lost-20261125T120000Z", "state.db-wal.lost-20261125T120000Z"];
    assert_eq!(kept, moved.map(beside));
    assert_eq!(fs::read_to_string(&kept[1]).unwrap(), "log", "moved, not removed");
    assert_eq!(place.open().await.holds(None).await.unwrap(), []);
}

// fault: D8
#[tokio::test]
async fn a_newer_schema_is_refused_and_names_who_wrote_it() {
    for place in durable().await {
        let state = place.open().await;
        let mut work = state.write().await.unwrap();
        for sql in [
            "INSERT INTO batchsweep_migrations (version, description, success, checksum, execution_time)
             SELECT 7, 'later', success, checksum, 0 FROM batchsweep_migrations WHERE version = 1",
            "UPDATE batchsweep_meta SET value = '1.4.0' WHERE name = 'written_by'",
        ] {
            work.run(sql, &[]).await.unwrap();
        }
        work.commit().await.unwrap();
        state.close().await.unwrap();
        for error in [
            refused(&place.location).await,
            State::open_read_only(&place.location).await.unwrap_err(),
        ] {
            assert_eq!(error.class(), Class::Unusable);
            let (at, written_by) = (place.location.to_string(), "1.4.0".to_owned());
            assert_eq!(error, StateError::Newer { at, found: 7, known: 2, written_by });
        }
        place.remove().await;
    }
}

// fault: D8
#[tokio::test]
async fn a_state_of_the_first_schema_is_brought_up_to_date_with_all_it_has() {
    for place in durable().await {
        let state = place.open().await;
        state.hold(&hold("A1", now())).await.unwrap();
        state.begin_run(&begin(now())).await.unwrap();
        let mut work = state.write().await.unwrap();
        for sql in [
            "ALTER TABLE batchsweep_runs DROP COLUMN batches",
            "DELETE FROM batchsweep_migrations WHERE version = 2",
        ] {
            work.run(sql, &[]).await.unwrap();
        }
        work.commit().await.unwrap();
        state.close().await.unwrap();
        let older = State::open_read_only(&place.location).await.unwrap_err();
        let at = place.location.to_string();
        assert_eq!(older, StateError::Older { at, found: 1, known: 2 }, "reading changes nothing");
        let state = place.open().await;
        assert_eq!(state.holds(None).await.unwrap().len(), 1);
        let runs = state.runs(&RunFilter::default()).await.unwrap();
        assert_eq!(runs.iter().map(|run| run.begin.clone()).collect::<Vec<_>>(), [begin(now())]);
        place.remove().await;
    }
}

// fault: D8, K2
#[tokio::test]
async fn a_migration_that_was_cut_short_is_run_again() {
    for place in durable().await {
        let state = place.open().await;
        // As a kill leaves it: the list of migrations is there, the migration never happened.
        let mut work = state.write().await.unwrap();
        work.run("DELETE FROM batchsweep_migrations", &[]).await.unwrap();
        for table in TABLES {
            work.run(table, &[]).await.unwrap();
        }
        work.commit().await.unwrap();
        state.close().await.unwrap();
        let state = place.open().await;
        state.hold(&hold("A1", now())).await.unwrap();
        assert_eq!(state.holds(None).await.unwrap().len(), 1, "{}", place.name);
        place.remove().await;
    }
}

const TABLES: [&str; 12] = [
    "DROP TABLE batchsweep_meta",
    "DROP TABLE batchsweep_runs",
    "DROP TABLE batchsweep_journal",
    "DROP TABLE batchsweep_inventories",
    "DROP TABLE batchsweep_records",
    "DROP TABLE batchsweep_plans",
    "DROP TABLE batchsweep_marks",
    "DROP TABLE batchsweep_rules",
    "DROP TABLE batchsweep_holds",
    "DROP TABLE batchsweep_guards",
    "DROP TABLE batchsweep_approvals",
    "DROP TABLE batchsweep_list_calls",
];

#[tokio::test]
async fn there_is_nothing_to_read_before_the_first_run() {
    for place in durable().await {
        let error = State::open_read_only(&place.location).await.unwrap_err();
        assert!(matches!(error, StateError::None { .. }), "{}: {error:?}", place.name);
        place.remove().await;
    }
}

// fault: D4
#[tokio::test]
async fn a_copy_that_cannot_be_written_is_read_as_it_is() {
    if runs_as_nobody("state::tests::opening::a_copy_that_cannot_be_written_is_read_as_it_is") {
        return;
    }
    let place = in_file();
    let state = place.open().await;
    state.hold(&hold("A1", now())).await.unwrap();
    let live = State::open_read_only(&place.location).await.unwrap();
    assert_eq!(live.holds(None).await.unwrap().len(), 1, "beside a writer, with its log");
    assert!(!live.misses_the_latest());
    live.close().await.unwrap();
    state.close().await.unwrap();
    let folder = place.file().parent().unwrap().to_owned();
    fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
    let copy = State::open_read_only(&place.location).await.unwrap();
    assert_eq!(copy.holds(None).await.unwrap().len(), 1);
    let refused = State::open(&place.location, now()).await.unwrap_err();
    assert!(matches!(refused, StateError::ReadOnly { .. }), "{refused:?}");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_its_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("postgres://ops:CANARY@127.0.0.1:{port}/ops?sslmode=disable");
    let error = refused(&location(&url)).await;
    let StateError::Open { at, source } = &error else { panic!("{error:?}") };
    assert_eq!(*at, format!("postgres://ops@127.0.0.1:{port}/ops"));
    assert!(!format!("{error:?} {source}").contains("CANARY"));
    let odd = refused(&location("postgres://ops@127.0.0.1/ops?sslmode=CANARY")).await;
    assert!(!format!("{odd:?}").contains("CANARY"), "{odd:?}");
}

// fault: T1
#[tokio::test]
async fn many_that_open_a_new_state_at_once_all_get_it() {
    for place in durable().await {
        let opened =
            futures_util::future::join_all((0..4).map(|_| State::open(&place.location, now())))
                .await;
        let states: Vec<_> = opened.into_iter().map(Result::unwrap).collect();
        for (number, state) in states.iter().enumerate() {
            state.hold(&hold(&format!("A{number}"), now())).await.unwrap();
        }
        assert_eq!(states[0].holds(None).await.unwrap().len(), 4, "{}", place.name);
        for state in states {
            state.close().await.unwrap();
        }
        place.remove().await;
    }
}
