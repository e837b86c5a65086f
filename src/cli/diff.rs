//! `diff`: which batches an edit of the rules puts on their way, and which it takes off it. Asks the API
//! nothing: it looks at the last listing, or at a plan that was written as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use crate::batch::{Batch, batches};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::check;
use crate::cli::failure::Failure;
use crate::cli::inventories::{self, Nothing};
use crate::cli::output::{Paint, Terminal, cut, table, verdict_in_words};
use crate::cli::session::{self, Session, Watch};
use crate::clock::{self, Timestamp};
use crate::config::{self, Account, Config, Request};
use crate::document::inventory::Inventory;
use crate::plan::diff::{Change, Diff, diff};
use crate::policy::verdict::Verdict;
use crate::run::report::Exit;
use crate::state::{State, StateError};

/// How many batches of each rule the text shows.
const SAMPLES: usize = 5;

/// What is compared, for one account of either file.
struct Compared {
    account: String,
    listed_at: Timestamp,
    batches: Vec<Batch>,
    before: Vec<Verdict>,
    after: Vec<Verdict>,
}

/// Runs the command.
pub(super) async fn run(command: &args::Diff, global: &Global, outside: &Outside) -> Exit {
    let old = match config::load(&Request {
        path: Some(command.old.clone()),
        ..session::request(global, outside)
    }) {
        Ok(old) => old,
        Err(rejected) => {
            check::show_rejected(&rejected, global, outside);
            return Exit::Configuration;
        }
    };
    let new = Global { config: Some(command.new.clone()), ..global.clone() };
    let session = match Session::open(&new, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let compared = match compare(&session, &old, command.inventory.as_deref()).await {
        Ok(compared) => compared,
        Err(cause) => return cause.failure().end_for(global, outside),
    };
    let diffs: Vec<_> =
        compared.iter().map(|one| (one, diff(&one.batches, &one.before, &one.after))).collect();
    match global.output {
        Shape::Json => outside.terminal.json(&Document::of(&diffs)),
        Shape::Text => {
            for (one, diff) in &diffs {
                outside.terminal.data(&text(one, diff, &outside.terminal));
            }
        }
    }
    let newly = diffs.iter().map(|(_, diff)| diff.newly_deleted.len()).sum();
    judge(newly, command, outside)
}

/// Whether so many are too many.
fn judge(newly: usize, command: &args::Diff, outside: &Outside) -> Exit {
    let Some(most) = command.max_new.filter(|most| newly > *most) else { return Exit::Done };
    Failure {
        what: format!("{} newly deleted, and --max-new allows {most}", batches(newly)),
        consequence: "nothing was deleted: this command only compares",
        causes: Vec::new(),
        help: "look at the list above; if it is right, raise --max-new for this edit".to_owned(),
        exit: Exit::SomeFailed,
    }
    .end(outside)
}

async fn compare(
    session: &Session,
    old: &Config,
    inventory: Option<&Path>,
) -> Result<Vec<Compared>, Nothing> {
    let accounts = session.config.accounts.iter().chain(&old.accounts);
    let accounts: BTreeMap<_, _> = accounts.map(|account| (&account.name, account)).collect();
    let listings = inventories::read(session, accounts.into_values(), inventory).await?;
    let state = session.state_to_read().await?;
    let mut compared = Vec::new();
    for Inventory { account, made_at, batches } in listings {
        let find = |config: &Config| -> Option<usize> {
            config.accounts.iter().position(|one| one.name.as_str() == account)
        };
        let (before, after) = (find(old), find(&session.config));
        if before.is_none() && after.is_none() {
            continue;
        }
        let of = async |config: &Config, at: Option<usize>| {
            let account = at.and_then(|at| config.accounts.get(at));
            verdicts(session, state.as_ref(), account, &batches).await
        };
        let (before, after) = (of(old, before).await?, of(&session.config, after).await?);
        compared.push(Compared { account, listed_at: made_at, batches, before, after });
    }
    if compared.is_empty() {
        return Err(Nothing::no_listing(&session.config.accounts));
    }
    Ok(compared)
}

/// What the rules of a file say; where it has no such account, nothing selects anything.
async fn verdicts(
    session: &Session,
    state: Option<&State>,
    account: Option<&Account>,
    batches: &[Batch],
) -> Result<Vec<Verdict>, StateError> {
    let Some(account) = account else {
        return Ok(batches.iter().map(|_| Verdict::Unmatched).collect());
    };
    let recalled = session.recall(state, account).await?;
    let now = session.setting().clock.now();
    Ok(account.policy.decide(batches, &recalled.memory, now).verdicts)
}

fn text(compared: &Compared, diff: &Diff<'_>, terminal: &Terminal) -> String {
    let (account, count) = (compared.account.as_str(), compared.batches.len());
    let mut text = format!(
        "{}  {} listed at {}\n\n",
        terminal.paint(Paint::Strong, account),
        batches(count),
        clock::shown(compared.listed_at),
    );
    if diff.is_empty() {
        text.push_str("  The edit changes nothing for any batch of this listing.\n");
    }
    for (paint, words, changes) in [
        (Paint::Alarm, "newly deleted", &diff.newly_deleted),
        (Paint::Well, "newly kept", &diff.newly_kept),
    ] {
        if changes.is_empty() {
            continue;
        }
        let line = format!("{:>7}  {words}", changes.len());
        text.push_str(&terminal.paint(paint, &line));
        text.push('\n');
        for (rule, count) in Diff::by_rule(changes) {
            let rule = if rule.is_empty() { "no rule" } else { &rule };
            let _infallible = writeln!(text, "           {count} by {rule}");
        }
        text.push_str(&samples(changes));
    }
    text
}

/// The first few of each rule.
fn samples(changes: &[Change<'_>]) -> String {
    let mut shown: BTreeMap<_, usize> = BTreeMap::new();
    let few = changes.iter().filter(|change| {
        let of_rule = shown.entry(change.rule.as_ref()).or_default();
        *of_rule += 1;
        *of_rule <= SAMPLES
    });
    let rows: Vec<_> = few
        .map(|change| {
            vec![
                change.rule.as_ref().map_or_else(String::new, ToString::to_string),
                change.batch.id.to_string(),
                cut(&change.batch.shown_name(), 40),
                verdict_in_words(change.before).to_owned(),
                verdict_in_words(change.after).to_owned(),
            ]
        })
        .collect();
    let more = changes.len() - rows.len();
    let mut text = table(&["RULE", "ID", "NAME", "BEFORE", "AFTER"], rows);
    if more > 0 {
        let _infallible = writeln!(text, "  … and {more} more (--output json has all)");
    }
    text.push('\n');
    text
}

/// `diff --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    newly_deleted: Vec<ChangeDocument<'a>>,
    newly_kept: Vec<ChangeDocument<'a>>,
    accounts: Vec<AccountDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct AccountDocument<'a> {
    account: &'a str,
    listed_at: Timestamp,
    batches: usize,
    newly_deleted: BTreeMap<String, usize>,
    newly_kept: BTreeMap<String, usize>,
}

#[derive(Debug, Serialize)]
struct ChangeDocument<'a> {
    account: &'a str,
    id: &'a str,
    name: Option<&'a str>,
    before: &'static str,
    after: &'static str,
    rule: Option<&'a str>,
}

impl<'a> Document<'a> {
    fn of(diffs: &'a [(&'a Compared, Diff<'a>)]) -> Self {
        let each = |of: fn(&'a Diff<'a>) -> &'a Vec<Change<'a>>| {
            let changes = diffs.iter().flat_map(move |(one, diff)| {
                of(diff).iter().map(|change| ChangeDocument::of(&one.account, change))
            });
            changes.collect()
        };
        let accounts = diffs.iter().map(|(one, diff)| AccountDocument {
            account: &one.account,
            listed_at: one.listed_at,
            batches: one.batches.len(),
            newly_deleted: Diff::by_rule(&diff.newly_deleted),
            newly_kept: Diff::by_rule(&diff.newly_kept),
        });
        Self {
            version: 1,
            newly_deleted: each(|diff| &diff.newly_deleted),
            newly_kept: each(|diff| &diff.newly_kept),
            accounts: accounts.collect(),
        }
    }
}

impl<'a> ChangeDocument<'a> {
    fn of(account: &'a str, change: &'a Change<'a>) -> Self {
        Self {
            account,
            id: change.batch.id.as_str(),
            name: change.batch.name.known().map(AsRef::as_ref),
            before: change.before,
            after: change.after,
            rule: change.rule.as_ref().map(crate::batch::RuleName::as_str),
        }
    }
}
