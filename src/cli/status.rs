//! `status`: each account's last and next run, and the guards that are open.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::batch::AccountName;
use crate::cli::Outside;
use crate::cli::args::{Global, Shape};
use crate::cli::once;
use crate::cli::output::{Paint, Terminal};
use crate::cli::schedule;
use crate::cli::session::{Session, Watch};
use crate::clock::{self, Timestamp};
use crate::guards::AUDIT;
use crate::run::report::Exit;
use crate::schedule::Firing;
use crate::state::{OpenGuard, Run, State, StateError};

/// What one account has to say.
struct Account {
    name: AccountName,
    last_run: Option<Run>,
    open_guard: Option<OpenGuard>,
    next_run: Option<Firing>,
}

/// Runs the command.
pub(super) async fn run(global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let accounts = match look(&session).await {
        Ok(accounts) => accounts,
        Err(error) => return once::no_state(&error, outside),
    };
    match global.output {
        Shape::Json => {
            let accounts = accounts.iter().map(AccountDocument::of).collect();
            outside.terminal.json(&Document { version: 1, accounts });
        }
        Shape::Text => {
            for account in &accounts {
                outside.terminal.data(&text(account, &outside.terminal));
            }
        }
    }
    Exit::Done
}

async fn look(session: &Session) -> Result<Vec<Account>, StateError> {
    let state = session.state_to_read().await?;
    let mut last_runs = match &state {
        Some(state) => state.last_runs().await?,
        None => BTreeMap::new(),
    };
    let mut accounts = Vec::new();
    for account in &session.config.accounts {
        accounts.push(Account {
            name: account.name.clone(),
            last_run: last_runs.remove(&account.name),
            open_guard: open_guard(state.as_ref(), &account.name).await?,
            next_run: schedule::next(account, session.setting().clock.now()),
        });
    }
    Ok(accounts)
}

async fn open_guard(
    state: Option<&State>,
    account: &AccountName,
) -> Result<Option<OpenGuard>, StateError> {
    match state {
        Some(state) => state.guard_open(account).await,
        None => Ok(None),
    }
}

fn text(account: &Account, terminal: &Terminal) -> String {
    let mut text = format!("{}\n", terminal.paint(Paint::Strong, account.name.as_str()));
    let _infallible = match &account.last_run {
        None => writeln!(text, "  last run    none is remembered"),
        Some(run) => writeln!(text, "  last run    {}", in_words(run)),
    };
    if let Some(next) = &account.next_run {
        let _infallible = writeln!(text, "  next run    {}", schedule::local(next));
    }
    if let Some(open) = &account.open_guard {
        let approve = if open.guards.iter().any(|guard| guard == AUDIT) {
            String::new()
        } else {
            format!(", or\n              you let this one go: batchsweep approve {}", open.run_id)
        };
        let _infallible = writeln!(
            text,
            "  {}  {} since {}: nothing is deleted until a plan fits by itself{approve}",
            terminal.paint(Paint::Alarm, "open guard"),
            open.guards.join(", "),
            clock::shown(open.since),
        );
    }
    text
}

/// A run in one line.
fn in_words(run: &Run) -> String {
    let kind = if run.begin.dry_run { "dry run of " } else { "" };
    let began = clock::shown(run.begin.began);
    let Some(end) = &run.end else {
        return format!("{kind}{began}: under way, or killed");
    };
    let counts: Vec<_> = end
        .counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    let counts = match (counts.is_empty(), end.exit_code) {
        (false, _) => counts.join(", "),
        (true, 0) => "nothing to do".to_owned(),
        // It may have had much to do, and did not come to it.
        (true, _) => "no batch was dealt with".to_owned(),
    };
    let outcome = match end.outcome.as_str() {
        "dry_run" => String::new(),
        outcome => format!("{outcome}; "),
    };
    format!("{kind}{began}: {outcome}{counts}; exit code {}", end.exit_code)
}

/// `status --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    accounts: Vec<AccountDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct AccountDocument<'a> {
    account: &'a str,
    last_run: Option<RunDocument<'a>>,
    /// Null where no schedule is known.
    next_run: Option<Timestamp>,
    guards: Vec<GuardDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct RunDocument<'a> {
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

#[derive(Debug, Serialize)]
struct GuardDocument<'a> {
    guard: &'a str,
    since: Timestamp,
    run_id: String,
}

impl<'a> AccountDocument<'a> {
    fn of(account: &'a Account) -> Self {
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
    fn of(run: &'a Run) -> Self {
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
