//! The tables: made, brought up to date, and compared with what this program knows.
//!
//! What is missing is run in one transaction, so a run that was killed never happened and is done again.
//! Not here: SQLite's own settings (`connect`).

use sqlx::any::Any;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection, Executor, Row};

use super::error::{Said, StateError};
use super::link::IntoSql;
use super::patience::Patience;
use super::trouble::{Doing, Trouble};

/// The tables' own list of migrations.
const TABLE: &str = "batchsweep_migrations";

/// Every migration, in order. One that has been released is never edited.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "first", include_str!("migrations/0001_first.sql")),
    (2, "batches of runs", include_str!("migrations/0002_batches_of_runs.sql")),
];

/// The newest schema that this program knows.
pub(super) const KNOWN: i64 = 2;

/// Brings the tables up to date.
///
/// # Errors
/// [`StateError::Newer`] where a newer program has been at work; or when a migration fails.
pub(super) async fn bring_up_to_date(
    connection: &mut AnyConnection,
    patience: Patience,
    at: &str,
) -> Result<(), StateError> {
    let found = version(connection, patience, at).await?;
    refuse_newer(connection, patience, (at, found)).await?;
    if found == KNOWN {
        return Ok(());
    }
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            let kind = MigrationType::Simple;
            Migration::new(*version, (*name).into(), kind, (*sql).into_sql(), false)
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(TABLE);
    migrator.set_locking(false);
    let ran = patience.wait(run(&migrator, connection)).await;
    ran.map_err(|error| Trouble::of(&error).told(Doing::Open, at, &error))?
        .map_err(|error| failed(at, &error))?;
    note(connection, patience, at, ("written_by", env!("CARGO_PKG_VERSION"))).await
}

/// Runs what has not been run, in one transaction: of several that start at once, one does it and the
/// others find it done.
async fn run(
    migrator: &Migrator,
    connection: &mut AnyConnection,
) -> Result<Result<(), MigrateError>, sqlx::Error> {
    let is_file = connection.backend_name() == "SQLite";
    // SQLite: the right to write is taken at once, where waiting for it is possible.
    let begin = if is_file { "BEGIN IMMEDIATE" } else { "BEGIN" };
    let mut transaction = connection.begin_with(begin).await?;
    if !is_file {
        // Given up by the commit; the migrator's own lock would be given up before it. The number is
        // "btch", as in the header of a file.
        transaction.execute("SELECT pg_advisory_xact_lock(1651794792)").await?;
    }
    if let Err(error) = migrator.run_direct(None, &mut *transaction, false).await {
        return Ok(Err(error));
    }
    transaction.commit().await?;
    Ok(Ok(()))
}

fn failed(at: &str, error: &MigrateError) -> StateError {
    if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        return Trouble::of(error).told(Doing::Open, at, error);
    }
    StateError::Open { at: at.to_owned(), source: Said(error.to_string()) }
}

/// The schema that is there; 0 where there is none.
pub(super) async fn version(
    connection: &mut AnyConnection,
    patience: Patience,
    at: &str,
) -> Result<i64, StateError> {
    let told = |error: &sqlx::Error| Trouble::of(error).told(Doing::Open, at, error);
    let is_there = match connection.backend_name() {
        "SQLite" => {
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'batchsweep_migrations'"
        }
        _ => {
            "SELECT count(*) FROM pg_catalog.pg_class
             WHERE oid = pg_catalog.to_regclass('batchsweep_migrations')"
        }
    };
    let row = patience.wait(connection.fetch_one(is_there)).await.map_err(|error| told(&error))?;
    if row.try_get::<i64, _>(0).map_err(|error| told(&error))? == 0 {
        return Ok(0);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM batchsweep_migrations";
    let row = patience.wait(connection.fetch_one(newest)).await.map_err(|error| told(&error))?;
    row.try_get(0).map_err(|error| told(&error))
}

/// Refuses what a newer program has written.
pub(super) async fn refuse_newer(
    connection: &mut AnyConnection,
    patience: Patience,
    (at, found): (&str, i64),
) -> Result<(), StateError> {
    if found <= KNOWN {
        return Ok(());
    }
    // The tables of a newer schema may be others: who wrote it is told where it can be.
    let asked = "SELECT value FROM batchsweep_meta WHERE name = 'written_by'";
    let row = patience.wait(connection.fetch_optional(asked)).await.ok().flatten();
    let written_by = row.and_then(|row| row.try_get::<String, _>(0).ok());
    Err(StateError::Newer {
        at: at.to_owned(),
        found,
        known: KNOWN,
        written_by: written_by.unwrap_or_else(|| "of a newer version".to_owned()),
    })
}

/// Writes a note: a name and its value, in place of the one before.
pub(super) const NOTE: &str = "INSERT INTO batchsweep_meta (name, value) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Notes something while the state is being opened.
pub(super) async fn note(
    connection: &mut AnyConnection,
    patience: Patience,
    at: &str,
    (name, value): (&str, &str),
) -> Result<(), StateError> {
    let written = sqlx::query::<Any>(NOTE).bind(name.to_owned()).bind(value.to_owned());
    patience
        .wait(connection.execute(written))
        .await
        .map(drop)
        .map_err(|error| Trouble::of(&error).told(Doing::Open, at, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_one_by_one_up_to_the_newest_known() {
        let numbers: Vec<_> = MIGRATIONS.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, (1..=KNOWN).collect::<Vec<_>>());
    }
}
