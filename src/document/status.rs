//! How an account stands, as `status` writes it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::run::standing::Standing;
use crate::state::Run;

/// One account.
#[derive(Debug, Serialize)]
pub struct AccountDocument<'a> {
    account: &'a str,
    last_run: Option<RunDocument<'a>>,
    /// Null where no schedule is known.
    next_run: Option<Timestamp>,
    guards: Vec<GuardDocument<'a>>,
}

/// One run.
#[derive(Debug, Serialize)]
pub struct RunDocument<'a> {
    run_id: String,
    began: Timestamp,
    ended: Option<Timestamp>,
    dry_run: bool,
    outcome: Option<&'a str>,
    exit_code: Option<u8>,
    counts: Option<&'a BTreeMap<String, u64>>,
    verified: Option<bool>,
    error: Option<&'a str>,
}

/// An open guard.
#[derive(Debug, Serialize)]
pub struct GuardDocument<'a> {
    guard: &'a str,
    since: Timestamp,
    run_id: String,
}

impl<'a> AccountDocument<'a> {
    /// Of an account.
    pub fn of(account: &'a Standing) -> Self {
        let guards = account.open_guard.iter().flat_map(|open| {
            let guard = |guard: &'a String| GuardDocument {
                guard,
                since: open.since,
                run_id: open.run_id.to_string(),
            };
            open.guards.iter().map(guard)
        });
        Self {
            account: account.name.as_str(),
            last_run: account.last_run.as_ref().map(RunDocument::of),
            next_run: account.next_run.as_ref().map(|firing| firing.at),
            guards: guards.collect(),
        }
    }
}

impl<'a> RunDocument<'a> {
    /// Of a run.
    pub fn of(run: &'a Run) -> Self {
        let end = run.end.as_ref();
        Self {
            run_id: run.begin.run_id.to_string(),
            began: run.begin.began,
            ended: end.map(|end| end.ended),
            dry_run: run.begin.dry_run,
            outcome: end.map(|end| end.outcome.as_str()),
            exit_code: end.map(|end| end.exit_code),
            counts: end.map(|end| &end.counts),
            verified: end.and_then(|end| end.verified),
            error: end.and_then(|end| end.error.as_deref()),
        }
    }
}
