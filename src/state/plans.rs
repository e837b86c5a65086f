//! The last plan of each account, by its run: bytes that this module packs and does not read.
//!
//! Invariant: the plan of an open guard, and that of an approval that may still be spent, stay.

use super::State;
use super::error::StateError;
use super::link::Value;
use super::pack;
use crate::batch::{AccountName, RunId};
use crate::clock::Timestamp;

impl State {
    /// Keeps a run's plan in place of the account's earlier ones.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn store_plan(
        &self,
        run_id: RunId,
        account: &AccountName,
        now: Timestamp,
        plan: &[u8],
    ) -> Result<(), StateError> {
        let mut work = self.write().await?;
        let account = Value::Text(account.as_str());
        work.run(
            "DELETE FROM batchsweep_plans WHERE account = $1
             AND run_id NOT IN (SELECT run_id FROM batchsweep_guards)
             AND run_id NOT IN (SELECT run_id FROM batchsweep_approvals
                                WHERE spent_by IS NULL AND expires_at > $2)",
            &[account, now.into()],
        )
        .await?;
        work.run(
            "INSERT INTO batchsweep_plans (run_id, account, plan) VALUES ($1, $2, $3)
             ON CONFLICT (run_id) DO UPDATE SET plan = excluded.plan",
            &[Value::Text(&run_id.to_string()), account, Value::Bytes(&pack::pack(plan))],
        )
        .await?;
        work.commit().await
    }

    /// A run's plan, if it is still kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn plan(&self, run_id: RunId) -> Result<Option<Vec<u8>>, StateError> {
        let mut work = self.read().await?;
        let row = work
            .row(
                "SELECT plan FROM batchsweep_plans WHERE run_id = $1",
                &[Value::Text(&run_id.to_string())],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let plan = pack::unpack(&row.bytes(0)?);
        plan.map(Some).ok_or_else(|| self.inner.damaged(format!("the plan of run {run_id}")))
    }
}
