//! `status`: each account's last and next run, and the guards that are open.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::Outside;
use crate::cli::args::{Global, Shape};
use crate::cli::once;
use crate::cli::output::{Paint, Terminal};
use crate::cli::schedule;
use crate::cli::session::{Session, Watch};
use crate::clock;
use crate::document::status::AccountDocument;
use crate::guards::AUDIT;
use crate::run::report::Exit;
use crate::run::standing::{Standing, in_words, standings};
use crate::state::StateError;

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

async fn look(session: &Session) -> Result<Vec<Standing>, StateError> {
    let state = session.state_to_read().await?;
    standings(state.as_ref(), &session.config.accounts, session.setting().clock.now()).await
}

fn text(account: &Standing, terminal: &Terminal) -> String {
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

/// `status --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    accounts: Vec<AccountDocument<'a>>,
}
