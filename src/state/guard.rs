//! Guards that stay open over runs, and approvals that let one stopped plan pass, once.
//!
//! Not here: what a guard is and when it trips (`guards`), which deletions an approval covers (they are
//! in the stored plan of its run).

use super::State;
use super::error::StateError;
use super::link::{Row, Value, Work};
use crate::batch::{AccountName, RunId};
use crate::clock::Timestamp;
use crate::guards;

/// A guard that stopped an account and has not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenGuard {
    /// The account.
    pub account: AccountName,
    /// The last run that it stopped: the one to approve.
    pub run_id: RunId,
    /// When it first stopped one.
    pub since: Timestamp,
    /// The names of the guards that tripped last.
    pub guards: Vec<String>,
}

/// An approval that is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approving {
    /// The run whose plan may pass.
    pub run_id: RunId,
    /// Who says so.
    pub by: String,
    /// When.
    pub now: Timestamp,
    /// Until when it can be spent.
    pub expires_at: Timestamp,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The run whose plan may pass.
    pub run_id: RunId,
    /// Who said so.
    pub by: String,
    /// When it was given.
    pub approved_at: Timestamp,
    /// Until when it could be spent.
    pub expires_at: Timestamp,
}

/// Why an approval is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// No such run is remembered.
    #[error("there is no run {0} in the history")]
    UnknownRun(RunId),
    /// Nothing is stopped in the run's account.
    #[error("no guard is open in account `{account}`: there is nothing to approve")]
    NothingOpen {
        /// The account.
        account: AccountName,
    },
    /// A later run was stopped; its plan is another one.
    #[error("the guard of account `{account}` has stopped a later run, {open}; approve that one")]
    Superseded {
        /// The account.
        account: AccountName,
        /// The run to approve.
        open: RunId,
    },
    /// The second opinion differs: a bug, or a file that nobody understands. Not a matter of limits.
    #[error("the second opinion (guard `audit`) stopped run {0}, and that cannot be approved")]
    Doubted(RunId),
    /// The plan is not kept, so nobody can say what would be approved.
    #[error("the plan of run {0} is not kept any more")]
    NoPlan(RunId),
    /// It was approved before, and a run has started on it.
    #[error("the approval of run {run_id} was spent by run {by}")]
    Spent {
        /// The run that was approved.
        run_id: RunId,
        /// The run that started on it.
        by: RunId,
    },
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
}

impl NotApproved {
    /// What to do: lower case, no full stop.
    pub fn help(&self) -> String {
        match self {
            Self::UnknownRun(_) => {
                "`batchsweep status` names the runs that guards stopped".to_owned()
            }
            Self::NothingOpen { .. } => "a later plan fitted by itself, or was approved".to_owned(),
            Self::Superseded { open, .. } => {
                format!(
                    "look at the plan of now (`batchsweep plan`), then: batchsweep approve {open}"
                )
            }
            Self::Doubted(_) => {
                "`batchsweep plan` names the batch and both answers; this is a bug, please report it"
                    .to_owned()
            }
            Self::NoPlan(_) => "wait for the next run, and approve that one".to_owned(),
            Self::Spent { by, .. } => format!("`batchsweep history` tells what run {by} did"),
            Self::State(error) => error.help(),
        }
    }
}

impl State {
    /// Opens a guard, or keeps it open: the time stays, the run and the names are the newest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn open_guard(&self, guard: &OpenGuard) -> Result<(), StateError> {
        let guards = serde_json::to_string(&guard.guards).unwrap_or_default();
        let mut work = self.write().await?;
        work.run(
            "INSERT INTO batchsweep_guards (account, run_id, since, guards) VALUES ($1, $2, $3, $4)
             ON CONFLICT (account) DO UPDATE SET run_id = excluded.run_id, guards = excluded.guards",
            &[
                Value::Text(guard.account.as_str()),
                Value::Text(&guard.run_id.to_string()),
                guard.since.into(),
                Value::Text(&guards),
            ],
        )
        .await?;
        work.commit().await
    }

    /// Closes the guard of an account; false where none was open.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn close_guard(&self, account: &AccountName) -> Result<bool, StateError> {
        let mut work = self.write().await?;
        let values = [Value::Text(account.as_str())];
        let closed = work.run("DELETE FROM batchsweep_guards WHERE account = $1", &values).await?;
        work.commit().await?;
        Ok(closed > 0)
    }

    /// The open guard of an account.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn guard_open(&self, account: &AccountName) -> Result<Option<OpenGuard>, StateError> {
        open_guard_of(&mut self.read().await?, account).await
    }

    /// Lets the plan of the run that an open guard stopped pass, once. Said again before it is spent,
    /// it only lasts longer.
    ///
    /// # Errors
    /// When there is nothing to approve, or not this; or the state fails.
    pub async fn approve(&self, approving: &Approving) -> Result<(), NotApproved> {
        let run_id = approving.run_id;
        let run = run_id.to_string();
        let mut work = self.write().await?;
        let account = approvable(&mut work, run_id, &run).await?;
        work.run(
            "INSERT INTO batchsweep_approvals (run_id, account, approved_by, approved_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (run_id) DO UPDATE SET approved_by = excluded.approved_by,
                 approved_at = excluded.approved_at, expires_at = excluded.expires_at",
            &[
                Value::Text(&run),
                Value::Text(account.as_str()),
                Value::Text(&approving.by),
                approving.now.into(),
                approving.expires_at.into(),
            ],
        )
        .await?;
        Ok(work.commit().await?)
    }

    /// Takes note that a sealed plan is applied to an account; false where it was before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn spend_seal(
        &self,
        account: &AccountName,
        seal: &str,
        now: Timestamp,
    ) -> Result<bool, StateError> {
        let mut work = self.write().await?;
        let name = format!("applied {account} {seal}");
        let written = work
            .run(
                "INSERT INTO batchsweep_meta (name, value) VALUES ($1, $2)
                 ON CONFLICT (name) DO NOTHING",
                &[Value::Text(&name), Value::Text(&now.to_rfc3339())],
            )
            .await?;
        work.commit().await?;
        Ok(written > 0)
    }

    /// The approval that the account's next run starts on, if there is one; how many deletions it covers
    /// is in the plan of its run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn approval(
        &self,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<Option<Approval>, StateError> {
        let mut work = self.read().await?;
        let row = work
            .row(
                "SELECT run_id, approved_by, approved_at, expires_at FROM batchsweep_approvals
                 WHERE account = $1 AND spent_by IS NULL AND expires_at > $2
                     AND run_id IN (SELECT run_id FROM batchsweep_guards WHERE account = $1)",
                &[Value::Text(account.as_str()), now.into()],
            )
            .await?;
        row.map(|row| approval(&row)).transpose()
    }

    /// Spends the approval of an account's open guard, if there is one that has not expired: whoever
    /// gets it is the only one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn spend_approval(
        &self,
        account: &AccountName,
        by_run: RunId,
        now: Timestamp,
    ) -> Result<Option<Approval>, StateError> {
        let by_run = by_run.to_string();
        let mut work = self.write().await?;
        let row = work
            .row(
                "UPDATE batchsweep_approvals SET spent_by = $2, spent_at = $3
                 WHERE account = $1 AND spent_by IS NULL AND expires_at > $3
                     AND run_id IN (SELECT run_id FROM batchsweep_guards WHERE account = $1)
                 RETURNING run_id, approved_by, approved_at, expires_at",
                &[Value::Text(account.as_str()), Value::Text(&by_run), now.into()],
            )
            .await?;
        let approval = row.map(|row| approval(&row)).transpose()?;
        work.commit().await?;
        Ok(approval)
    }
}

fn approval(row: &Row<'_>) -> Result<Approval, StateError> {
    Ok(Approval {
        run_id: row.run(0)?,
        by: row.text(1)?,
        approved_at: row.time(2)?,
        expires_at: row.time(3)?,
    })
}

/// The account of a run that may be approved now.
async fn approvable(
    work: &mut Work<'_>,
    run_id: RunId,
    run: &str,
) -> Result<AccountName, NotApproved> {
    let values = [Value::Text(run)];
    let row = work.row("SELECT account FROM batchsweep_runs WHERE run_id = $1", &values).await?;
    let Some(row) = row else { return Err(NotApproved::UnknownRun(run_id)) };
    let account = row.account(0)?;
    drop(row);
    let spent = "SELECT spent_by FROM batchsweep_approvals
                 WHERE run_id = $1 AND spent_by IS NOT NULL";
    if let Some(row) = work.row(spent, &values).await? {
        return Err(NotApproved::Spent { run_id, by: row.run(0)? });
    }
    let Some(open) = open_guard_of(work, &account).await? else {
        return Err(NotApproved::NothingOpen { account });
    };
    if open.run_id != run_id {
        return Err(NotApproved::Superseded { account, open: open.run_id });
    }
    if open.guards.iter().any(|guard| guard == guards::AUDIT) {
        return Err(NotApproved::Doubted(run_id));
    }
    let plan = work.row("SELECT 1 FROM batchsweep_plans WHERE run_id = $1", &values).await?;
    if plan.is_none() {
        return Err(NotApproved::NoPlan(run_id));
    }
    Ok(account)
}

async fn open_guard_of(
    work: &mut Work<'_>,
    account: &AccountName,
) -> Result<Option<OpenGuard>, StateError> {
    let row = work
        .row(
            "SELECT run_id, since, guards FROM batchsweep_guards WHERE account = $1",
            &[Value::Text(account.as_str())],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(OpenGuard {
        account: account.clone(),
        run_id: row.run(0)?,
        since: row.time(1)?,
        guards: row.json(2)?,
    }))
}
