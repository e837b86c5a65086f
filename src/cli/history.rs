//! `history`: past deletions, newest first, also of batches long gone.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::batch::{BatchId, escaped};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, Failure};
use crate::cli::once;
use crate::cli::output::{cut, table};
use crate::cli::session::{Session, Watch};
use crate::clock;
use crate::document::deletion::DeletionDocument;
use crate::policy::day;
use crate::run::report::Exit;
use crate::state::{Deletion, DeletionFilter, State, StateError};

/// Runs the command.
pub(super) async fn run(command: &args::History, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let filter = match filter(command, &session) {
        Ok(filter) => filter,
        Err(failure) => return failure.end(outside),
    };
    let read = async {
        let state = session.state_to_read().await?;
        past(state.as_ref(), &session, &filter).await
    };
    let deletions = match read.await {
        Ok(deletions) => deletions,
        Err(error) => return once::no_state(&error, outside),
    };
    match global.output {
        Shape::Json => {
            let deletions = deletions.iter().map(DeletionDocument::of).collect();
            outside.terminal.json(&Document { version: 1, deletions });
        }
        Shape::Text => outside.terminal.data(&text(&deletions)),
    }
    Exit::Done
}

/// What the command line asks for.
fn filter(command: &args::History, session: &Session) -> Result<DeletionFilter, Failure> {
    let since = command.since.as_deref().map(|text| {
        day::first_instant(text, session.config.zone)
            .ok_or_else(|| failure::of_usage(no_date("--since", text), DATE_HELP.to_owned()))
    });
    let batch = command.batch.as_deref();
    let batch = batch.map(|text| batch_id(text, "`batchsweep history` lists ids"));
    Ok(DeletionFilter {
        account: None,
        since: since.transpose()?,
        batch: batch.transpose()?,
        run: None,
        limit: Some(command.limit),
    })
}

/// A batch's id as the command line has it; `help` says where ids are listed.
pub(super) fn batch_id(text: &str, help: &str) -> Result<BatchId, Failure> {
    BatchId::parse(text).map_err(|problem| {
        let what = format!("`{}` cannot be a batch id: {problem}", cut(&escaped(text), 64));
        failure::of_usage(what, help.to_owned())
    })
}

/// How dates are written on the command line.
pub(super) const DATE_HELP: &str =
    "write a day, such as 2027-01-31, or an RFC 3339 instant, such as 2027-01-31T12:00:00Z";

/// A text that is no date.
pub(super) fn no_date(option: &str, text: &str) -> String {
    format!("{option}: `{}` is not a date", cut(&escaped(text), 64))
}

/// Deletions of the session's accounts, newest first.
async fn past(
    state: Option<&State>,
    session: &Session,
    filter: &DeletionFilter,
) -> Result<Vec<Deletion>, StateError> {
    let Some(state) = state else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for account in &session.config.accounts {
        let filter = DeletionFilter { account: Some(account.name.clone()), ..filter.clone() };
        all.extend(state.deletions(&filter).await?);
    }
    all.sort_by_key(|deletion| Reverse(deletion.entry.intended_at));
    let limit = filter.limit.and_then(|limit| usize::try_from(limit).ok());
    all.truncate(limit.unwrap_or(usize::MAX));
    Ok(all)
}

fn text(deletions: &[Deletion]) -> String {
    if deletions.is_empty() {
        return "No such deletion is remembered.\n".to_owned();
    }
    let head = ["WHEN", "ACCOUNT", "ID", "NAME", "RULE", "OUTCOME"];
    table(&head, deletions.iter().map(row))
        + &format!("\n{}, the newest first\n", counts(deletions))
}

/// How many had each outcome: `3 deleted, 1 not reached`.
fn counts(deletions: &[Deletion]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for deletion in deletions {
        *counts.entry(deletion.word()).or_default() += 1;
    }
    let words =
        counts.into_iter().map(|(name, count)| format!("{count} {}", name.replace('_', " ")));
    words.collect::<Vec<_>>().join(", ")
}

/// A deletion as a row of a table.
pub(super) fn row(deletion: &Deletion) -> Vec<String> {
    let entry = &deletion.entry;
    vec![
        clock::shown(deletion.at()),
        entry.account.to_string(),
        entry.batch.to_string(),
        cut(&escaped(&entry.name), 40),
        entry.rule.to_string(),
        deletion.word().replace('_', " "),
    ]
}

/// `history --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    deletions: Vec<DeletionDocument<'a>>,
}
