//! `hold`, `release`, `holds`: batches that people protect by hand.

use serde::Serialize;

use crate::batch::{AccountName, BatchId, escaped};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, Failure};
use crate::cli::history::{DATE_HELP, batch_id, no_date};
use crate::cli::once;
use crate::cli::output::{cut, table};
use crate::cli::session::{Session, Watch};
use crate::clock::{self, Timestamp};
use crate::document::hold::HoldDocument;
use crate::policy::day;
use crate::run::report::Exit;
use crate::state::{Hold, Location, StateError};

/// Why a command about holds did nothing.
enum NotDone {
    Failure(Failure),
    State(StateError),
}

impl From<Failure> for NotDone {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<StateError> for NotDone {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl NotDone {
    fn end(&self, outside: &Outside) -> Exit {
        match self {
            Self::Failure(failure) => failure.end(outside),
            Self::State(error) => once::no_state(error, outside),
        }
    }
}

/// Runs `hold`.
pub(super) async fn hold(command: &args::Hold, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    match make(command, &session, outside).await {
        Err(not_done) => not_done.end(outside),
        Ok((hold, under_way)) => {
            if under_way == UnderWay::NotListed {
                outside.terminal.error(&not_listed(&hold));
            }
            match global.output {
                Shape::Json => {
                    let holds = vec![HoldDocument::of(&hold)];
                    outside.terminal.json(&Document { version: 1, holds });
                }
                Shape::Text => outside.terminal.data(&made(&hold, under_way)),
            }
            Exit::Done
        }
    }
}

/// Whether a run had written down that it is about to delete the batch, before it was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnderWay {
    Yes,
    No,
    /// The last listing does not have the batch at all.
    NotListed,
}

fn not_listed(hold: &Hold) -> String {
    format!(
        "warning: the last listing of account {} has no batch `{}`; ids are case-sensitive, and \
         `batchsweep plan --all` shows them\n",
        hold.account, hold.batch
    )
}

async fn make(
    command: &args::Hold,
    session: &Session,
    outside: &Outside,
) -> Result<(Hold, UnderWay), NotDone> {
    let account = only_account(session)?;
    let batch = batch_id(&command.id, ID_HELP)?;
    let now = outside.clock.now();
    let until = day::end(&command.until, session.config.zone).ok_or_else(|| {
        failure::of_usage(no_date("--until", &command.until), DATE_HELP.to_owned())
    })?;
    if until <= now {
        let what = format!("--until: {} is over", clock::shown(until));
        return Err(failure::of_usage(what, "write a day to come".to_owned()).into());
    }
    let why = command.why.trim().to_owned();
    if why.is_empty() {
        let help = "say in a few words why the batch must stay, for whoever finds it later";
        return Err(failure::of_usage("--why is empty".to_owned(), help.to_owned()).into());
    }
    durable(session)?;
    let hold = Hold { account, batch, until, why, made_at: now };
    let state = session.state().await?;
    state.hold(&hold).await?;
    let open = state.open_intents(&hold.account).await?;
    let listing = state.last_listing(&hold.account).await?;
    // In good order, so that nothing of it is still at work when the command is over.
    let _closed = state.close().await;
    let is_listed = listing.is_none_or(|listing| listing.ids.contains(&hold.batch));
    let under_way = if open.iter().any(|entry| entry.batch == hold.batch) {
        UnderWay::Yes
    } else if is_listed {
        UnderWay::No
    } else {
        UnderWay::NotListed
    };
    Ok((hold, under_way))
}

fn made(hold: &Hold, under_way: UnderWay) -> String {
    let Hold { batch, account, .. } = hold;
    let until = clock::shown(hold.until);
    let told = format!("{batch} in account {account} is held until {until}");
    match under_way {
        UnderWay::No | UnderWay::NotListed => format!(
            "{told}: no rule deletes it before, not even in a run\nthat is under way. To give it up: \
             batchsweep release {batch}\n"
        ),
        UnderWay::Yes => format!(
            "{told}, but a run had begun to delete it.\nWhether that came first: batchsweep history \
             --batch {batch}\n"
        ),
    }
}

/// Runs `release`.
pub(super) async fn release(command: &args::Release, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    match give_up(command, &session).await {
        Ok((account, batch)) => {
            let (account, batch_id) = (account.as_str(), batch.as_str());
            match global.output {
                Shape::Json => {
                    let released = ReleasedDocument { account, batch_id };
                    outside.terminal.json(&Released { version: 1, released });
                }
                Shape::Text => outside
                    .terminal
                    .data(&format!("{batch_id} in account {account} is not held any more\n")),
            }
            Exit::Done
        }
        Err(not_done) => not_done.end(outside),
    }
}

async fn give_up(
    command: &args::Release,
    session: &Session,
) -> Result<(AccountName, BatchId), NotDone> {
    let account = only_account(session)?;
    let batch = batch_id(&command.id, ID_HELP)?;
    durable(session)?;
    let state = session.state().await?;
    let was_held = state.release(&account, &batch).await?;
    let _closed = state.close().await;
    if !was_held {
        let failure = Failure {
            what: format!("batch `{batch}` in account `{account}` is not held"),
            consequence: "",
            causes: Vec::new(),
            help: "`batchsweep holds` lists what is held".to_owned(),
            exit: Exit::SomeFailed,
        };
        return Err(failure.into());
    }
    Ok((account, batch))
}

/// Runs `holds`.
pub(super) async fn list(global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let holds = match held(&session, outside.clock.now()).await {
        Ok(holds) => holds,
        Err(error) => return once::no_state(&error, outside),
    };
    match global.output {
        Shape::Json => {
            let holds = holds.iter().map(HoldDocument::of).collect();
            outside.terminal.json(&Document { version: 1, holds });
        }
        Shape::Text if holds.is_empty() => outside.terminal.data("No batch is held.\n"),
        Shape::Text => {
            let rows = holds.iter().map(row);
            outside.terminal.data(&table(&["ACCOUNT", "ID", "UNTIL", "WHY"], rows));
        }
    }
    Exit::Done
}

/// Holds of the session's accounts that still protect.
async fn held(session: &Session, now: Timestamp) -> Result<Vec<Hold>, StateError> {
    let mut holds = Vec::new();
    if let Some(state) = session.state_to_read().await? {
        for account in &session.config.accounts {
            holds.extend(state.holds(Some(&account.name)).await?);
        }
    }
    holds.retain(|hold| hold.protects(now));
    Ok(holds)
}

fn row(hold: &Hold) -> Vec<String> {
    vec![
        hold.account.to_string(),
        hold.batch.to_string(),
        clock::shown(hold.until),
        cut(&escaped(&hold.why), 80),
    ]
}

/// The account that a command about one batch means: the only one, or the one that is named.
fn only_account(session: &Session) -> Result<AccountName, Failure> {
    match session.config.accounts.as_slice() {
        [account] => Ok(account.name.clone()),
        accounts => {
            let names: Vec<_> = accounts.iter().map(|account| account.name.as_str()).collect();
            let what = "there are several accounts: which one is the batch in?".to_owned();
            Err(failure::of_usage(what, format!("add --account: {}", names.join(", "))))
        }
    }
}

/// Where ids are listed.
const ID_HELP: &str = "`batchsweep plan --all` lists every batch with its id";

/// A hold that is forgotten at once protects nothing.
fn durable(session: &Session) -> Result<(), Failure> {
    if session.config.state.as_ref().is_ok_and(Location::is_durable) {
        return Ok(());
    }
    Err(Failure {
        what: "nothing is remembered, since [state] url is `memory:`".to_owned(),
        consequence: "",
        causes: Vec::new(),
        help: "give [state] url a place that lasts, or write `[keep]` into the batch's own name"
            .to_owned(),
        exit: Exit::Configuration,
    })
}

/// `holds --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    holds: Vec<HoldDocument<'a>>,
}

/// `release --output json`.
#[derive(Debug, Serialize)]
struct Released<'a> {
    version: u8,
    released: ReleasedDocument<'a>,
}

#[derive(Debug, Serialize)]
struct ReleasedDocument<'a> {
    account: &'a str,
    batch_id: &'a str,
}
