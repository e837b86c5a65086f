//! The window of list calls: when pages were asked for, so that a new process keeps the API's limit too.
//!
//! The key of a window says whose limit it is. Invariant: it is a fingerprint, never an API key.

use super::State;
use super::error::StateError;
use super::link::Value;
use crate::clock::Timestamp;

impl State {
    /// The list calls of a window since then, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list_calls(
        &self,
        fingerprint: &str,
        since: Timestamp,
    ) -> Result<Vec<Timestamp>, StateError> {
        let mut work = self.read().await?;
        let rows = work
            .rows(
                "SELECT called_at FROM batchsweep_list_calls
                 WHERE window_key = $1 AND called_at >= $2 ORDER BY called_at",
                &[Value::Text(fingerprint), since.into()],
            )
            .await?;
        rows.iter().map(|row| row.time(0)).collect()
    }

    /// Adds list calls to a window and forgets those before `since`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn add_list_calls(
        &self,
        fingerprint: &str,
        calls: &[Timestamp],
        since: Timestamp,
    ) -> Result<(), StateError> {
        let mut work = self.note().await?;
        let key = Value::Text(fingerprint);
        work.run(
            "DELETE FROM batchsweep_list_calls WHERE window_key = $1 AND called_at < $2",
            &[key, since.into()],
        )
        .await?;
        for call in calls.iter().filter(|call| **call >= since) {
            work.run(
                "INSERT INTO batchsweep_list_calls (window_key, called_at) VALUES ($1, $2)",
                &[key, (*call).into()],
            )
            .await?;
        }
        work.commit().await
    }
}
