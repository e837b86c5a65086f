//! `explain`: every rule's answer for one batch, the values seen, and when it becomes eligible.

use std::fmt::Write;

use serde::Serialize;

use crate::batch::{Batch, BatchId, Fact, and_list, escaped};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, AccountFailure, Failure};
use crate::cli::history;
use crate::cli::once;
use crate::cli::output::{Paint, ago, cut, table, verdict_in_words};
use crate::cli::plan::NoPlan;
use crate::cli::session::{Session, Watch};
use crate::cli::vanished::{self, VanishedDocument};
use crate::clock::{self, Timestamp};
use crate::config::Account;
use crate::document::explain::FoundDocument;
use crate::policy::RuleTrace;
use crate::run::explained::{BatchPast, Explained};
use crate::run::fleet;
use crate::run::report::Exit;

/// What one account has to say of the batch.
enum Found {
    Batch(Box<Explained>),
    /// It is not listed; what was done to it before.
    NotHere(BatchPast),
}

/// Runs the command.
pub(super) async fn run(command: &args::Explain, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let id = match BatchId::parse(&command.id) {
        Ok(id) => id,
        Err(problem) => return bad_id(&command.id, &problem.to_string(), outside),
    };
    let past = match session.past().await {
        Ok(past) => past,
        Err(error) => return once::unusable(&error).end_for(global, outside),
    };
    let look = async |account: &Account| look(&session, &past, account, &id).await;
    let found = session.for_each_account(look).await;
    past.close().await;
    let mut exit = Exit::Done;
    let (mut documents, mut gone, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (account, found) in session.config.accounts.iter().zip(&found) {
        match found {
            Ok(Found::Batch(explained)) => {
                tell(&text(account, explained, outside), global, outside);
                documents.push(FoundDocument::of(account, explained));
            }
            Ok(Found::NotHere(past)) if past.deletions.is_empty() => {}
            Ok(Found::NotHere(past)) => {
                tell(&gone_text(account, &id, past, outside), global, outside);
                gone.push(FoundDocument::of_gone(account, &id, past));
            }
            Err(cause) => {
                let failure = Failure { consequence: "", ..cause.failure(account) };
                exit = exit.worse(failure.end(outside));
                failures.push(AccountFailure::of(account.name.as_str(), &failure, outside));
            }
        }
    }
    let found = documents.first().or_else(|| gone.first());
    let mut error = failure::joined(&failures);
    if found.is_none() && exit == Exit::Done {
        let failure = not_found(&id, &session);
        exit = failure.end(outside);
        error = Some(failure.sentence());
    }
    let (exit_code, vanished) = (exit.code(outside.stop.signal()), past.vanished.as_ref());
    let vanished_state = vanished.map(VanishedDocument::of);
    match global.output {
        Shape::Json => outside.terminal.json(&Document {
            version: 1,
            found,
            failures,
            error,
            exit_code,
            vanished_state,
        }),
        Shape::Text => vanished::show(vanished.filter(|_| found.is_some()), outside),
    }
    exit
}

/// What one account has to say, to people.
fn tell(text: &str, global: &Global, outside: &Outside) {
    if global.output == Shape::Text {
        outside.terminal.data(text);
    }
}

async fn look(
    session: &Session,
    past: &fleet::Past,
    account: &Account,
    id: &BatchId,
) -> Result<Found, NoPlan> {
    let (runner, state) = (session.runner(account)?, past.state.as_ref());
    if let Some(state) = state {
        runner.restore_window(state).await?;
    }
    let inventory = runner.list(past.notes.as_ref()).await?;
    let (listed, now) = (inventory.batches(), runner.around().clock.now());
    let memory = session.recall(state, account).await?.memory;
    let past = BatchPast::of(state, &account.name, id, now).await?;
    let index = listed.iter().position(|batch| batch.id == *id);
    let explained = index.and_then(|index| {
        let explanation = account.policy.explain(listed, index, &memory, now)?;
        Some((listed.get(index)?.clone(), explanation))
    });
    Ok(match explained {
        Some((batch, explanation)) => {
            Found::Batch(Box::new(Explained { batch, explanation, past }))
        }
        None => Found::NotHere(past),
    })
}

fn bad_id(id: &str, problem: &str, outside: &Outside) -> Exit {
    Failure {
        what: format!("`{}` cannot be a batch id", cut(&escaped(id), 64)),
        consequence: "",
        causes: vec![problem.to_owned()],
        help: "`batchsweep plan --all` lists every batch with its id".to_owned(),
        exit: Exit::Usage,
    }
    .end(outside)
}

fn not_found(id: &BatchId, session: &Session) -> Failure {
    let names: Vec<_> =
        session.config.accounts.iter().map(|account| format!("`{}`", account.name)).collect();
    let accounts = if names.len() == 1 { "account" } else { "accounts" };
    Failure {
        what: format!("no batch has the id `{id}`"),
        consequence: "",
        causes: vec![format!("looked in {accounts} {}", and_list(&names))],
        help: "ids are case-sensitive; `batchsweep plan --all` lists every batch".to_owned(),
        exit: Exit::SomeFailed,
    }
}

/// The explanation for people: the sentence first, the table after it.
fn text(account: &Account, explained: &Explained, outside: &Outside) -> String {
    let Explained { batch, explanation, past } = explained;
    let (terminal, now) = (&outside.terminal, outside.clock.now());
    let verdict = verdict_in_words(explanation.verdict.name());
    let mut text = format!(
        "{}  {}  in account {}\n\n{}: {}.\n",
        terminal.paint(Paint::Strong, batch.id.as_str()),
        cut(&batch.shown_name(), 80),
        account.name,
        terminal.paint(Paint::Strong, verdict),
        explanation.sentence(),
    );
    if let Some(at) = explanation.eligible_at {
        let _infallible =
            writeln!(text, "If nothing else changes, it may go from {} on.", clock::shown(at));
    }
    if let Some(hold) = past.hold.as_ref().filter(|_| explanation.verdict.name() != "held") {
        let (until, why) = (clock::shown(hold.until), cut(&escaped(&hold.why), 80));
        let _infallible = writeln!(text, "It is held until {until}: {why}.");
    }
    let _infallible = writeln!(
        text,
        "\n  status    {}\n  created   {}\n  last run  {}\n",
        status(batch),
        time(&batch.created_at, now, "unknown"),
        time(&batch.last_run, now, if batch.never_ran().is_some() { "never" } else { "unknown" }),
    );
    let rows = explanation.rules.iter().flat_map(rows_of);
    text.push_str(&table(&["RULE", "ANSWER", "ASKS FOR", "WANTED", "SEEN"], rows));
    text.push_str(&past_text(past));
    text
}

/// A batch that is not there any more, and what was done to it.
fn gone_text(account: &Account, id: &BatchId, past: &BatchPast, outside: &Outside) -> String {
    let id = outside.terminal.paint(Paint::Strong, id.as_str());
    format!("{id}  is not in account {} any more\n{}", account.name, past_text(past))
}

/// What was done to the batch before; nothing where nothing was.
fn past_text(past: &BatchPast) -> String {
    if past.deletions.is_empty() {
        return String::new();
    }
    let head = ["BEFORE", "ACCOUNT", "ID", "NAME", "RULE", "OUTCOME"];
    format!("\n{}", table(&head, past.deletions.iter().map(history::row)))
}

fn status(batch: &Batch) -> String {
    match &batch.status {
        Fact::Known(status) => cut(&escaped(status.as_str()), 60),
        Fact::Missing => "missing".to_owned(),
        Fact::Unreadable(seen) => format!("unreadable: {}", cut(&escaped(seen), 60)),
    }
}

/// A time, and how long ago that is.
fn time(time: &Fact<Timestamp>, now: Timestamp, missing: &str) -> String {
    match time {
        Fact::Known(at) => format!("{} ({})", clock::shown(*at), ago(time, now, missing)),
        Fact::Missing => missing.to_owned(),
        Fact::Unreadable(seen) => format!("unreadable: {}", cut(&escaped(seen), 60)),
    }
}

/// A rule's rows: its answer, then each matcher's.
fn rows_of(rule: &RuleTrace) -> Vec<Vec<String>> {
    let head = vec![
        format!("{} {}", rule.kind.name(), rule.rule),
        rule.answer.name().to_owned(),
        String::new(),
        String::new(),
        String::new(),
    ];
    let matchers = rule.matchers.iter().map(|matcher| {
        vec![
            String::new(),
            matcher.answer.name().to_owned(),
            matcher.matcher.to_owned(),
            cut(&escaped(&matcher.wanted), 60),
            cut(&escaped(&matcher.seen), 60),
        ]
    });
    [head].into_iter().chain(matchers).collect()
}

/// `explain --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    #[serde(flatten)]
    found: Option<&'a FoundDocument<'a>>,
    failures: Vec<AccountFailure<'a>>,
    error: Option<String>,
    exit_code: u8,
    vanished_state: Option<VanishedDocument>,
}
