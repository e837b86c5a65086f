//! How an account stands between runs: its last run, its next one, and what waits for a person.
//!
//! Not here: what a run would do now (`outlook`), how it is shown (`cli`, `server`).

use std::collections::BTreeMap;

use crate::batch::AccountName;
use crate::clock::{self, Timestamp};
use crate::config::Account;
use crate::schedule::Firing;
use crate::state::{OpenGuard, Run, RunEnd, State, StateError};

/// What is known of one account without asking the API.
#[derive(Debug)]
pub struct Standing {
    /// The account.
    pub name: AccountName,
    /// Its newest run, if one is remembered.
    pub last_run: Option<Run>,
    /// The guard that stops it.
    pub open_guard: Option<OpenGuard>,
    /// Its next firing; `None` without a schedule.
    pub next_run: Option<Firing>,
}

/// How accounts stand at an instant, in their order; nothing is remembered without a state.
///
/// # Errors
/// When the state cannot be read.
pub async fn standings(
    state: Option<&State>,
    accounts: &[Account],
    now: Timestamp,
) -> Result<Vec<Standing>, StateError> {
    let mut last_runs = match state {
        Some(state) => state.last_runs().await?,
        None => BTreeMap::new(),
    };
    let mut standings = Vec::with_capacity(accounts.len());
    for account in accounts {
        let open_guard = match state {
            Some(state) => state.guard_open(&account.name).await?,
            None => None,
        };
        let schedule = account.timing.schedule();
        standings.push(Standing {
            name: account.name.clone(),
            last_run: last_runs.remove(&account.name),
            open_guard,
            next_run: schedule.and_then(|schedule| schedule.firings(now).next()),
        });
    }
    Ok(standings)
}

/// A run in one line.
pub fn in_words(run: &Run) -> String {
    let kind = if run.begin.dry_run { "dry run of " } else { "" };
    let began = clock::shown(run.begin.began);
    let Some(end) = &run.end else {
        return format!("{kind}{began}: under way, or killed");
    };
    let outcome = match end.outcome.as_str() {
        "dry_run" => String::new(),
        outcome => format!("{outcome}; "),
    };
    let counts = counts_in_words(end);
    format!("{kind}{began}: {outcome}{counts}; exit code {}", end.exit_code)
}

/// What a run came to, by outcomes (where nothing was done, by verdicts).
pub fn counts_in_words(end: &RunEnd) -> String {
    let counts: Vec<_> = end
        .counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    match (counts.is_empty(), end.exit_code) {
        (false, _) => counts.join(", "),
        (true, 0) => "nothing to do".to_owned(),
        // It may have had much to do, and did not come to it.
        (true, _) => "no batch was dealt with".to_owned(),
    }
}
