//! `once`: one run of every account now, then exit.

use std::fmt::Write;

use serde::Serialize;

use crate::api::error::Error;
use crate::batch::{batches, counted};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, Failure, NOTHING};
use crate::cli::output::{Paint, Terminal, cut, table};
use crate::cli::plan;
use crate::cli::session::{Session, Watch};
use crate::cli::textfile::Textfile;
use crate::config::Account;
use crate::guards::{AUDIT, Reading};
use crate::run::apply::Refusal;
use crate::run::report::{Ending, Exit, RunReport, exit_of_call, exit_of_listing};
use crate::run::{Admission, plan_of, readings};
use crate::state::{State, StateError};
use crate::sweep;
use crate::sweep::Ended;
use crate::sweep::outcome::Outcome;

/// How many failed batches an error names; the table has them all.
const CAUSES: usize = 3;

/// Runs the command.
pub(super) async fn run(command: &args::Once, global: &Global, outside: &Outside) -> Exit {
    let mut session = match Session::open(global, outside, Watch::Runs) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let textfile = Textfile::begin(command, outside, &mut session);
    let state = match session.state().await {
        Ok(state) => state,
        Err(error) => {
            if let Some(textfile) = &textfile {
                textfile.end(&not_begun(&session, &error), &session);
            }
            return none_begun(&session, &error, global, outside).await;
        }
    };
    if let Some(textfile) = &textfile {
        textfile.recall(&session, &state).await;
    }
    let reports = sweep_all(&session, &state).await;
    if let Some(textfile) = &textfile {
        let untold = |report: &&RunReport| matches!(report.ending, Ending::NotBegun(_));
        textfile.end(reports.iter().filter(untold), &session);
    }
    session.clear_progress();
    // What was written is safe; a state that cannot even be closed is told by the next run.
    let _closed = state.close().await;
    match global.output {
        Shape::Json => outside.terminal.json(&Document::of(&reports, outside.stop.signal())),
        Shape::Text => {
            for report in &reports {
                show(report, outside);
            }
        }
    }
    session.send_rest().await;
    worst(&reports)
}

/// Runs that cannot begin, since there is no state to rely on.
pub(super) async fn none_begun(
    session: &Session,
    error: &StateError,
    global: &Global,
    outside: &Outside,
) -> Exit {
    let reports = not_begun(session, error);
    for report in &reports {
        session.not_begun(report);
    }
    if global.output == Shape::Json {
        outside.terminal.json(&Document::of(&reports, outside.stop.signal()));
    }
    let exit = no_state(error, outside);
    session.send_rest().await;
    exit
}

/// A report of each account where none has a run.
fn not_begun(session: &Session, error: &StateError) -> Vec<RunReport> {
    let accounts = session.config.accounts.iter();
    let reports = accounts.map(|account| {
        let scope = session.surroundings(account).scope;
        RunReport::not_begun(scope, Ending::NoState(error.clone()))
    });
    reports.collect()
}

/// Without a state no account has a run.
pub(super) fn no_state(error: &StateError, outside: &Outside) -> Exit {
    unusable(error).end(outside)
}

/// A state that cannot be used.
pub(super) fn unusable(error: &StateError) -> Failure {
    failure::of_state("the state cannot be used".to_owned(), error)
}

/// One run of each account.
pub(super) async fn sweep_all(session: &Session, state: &State) -> Vec<RunReport> {
    let one = async |account: &Account| sweep_one(session, state, account).await;
    session.for_each_account(one).await
}

async fn sweep_one(session: &Session, state: &State, account: &Account) -> RunReport {
    match session.runner(account) {
        Ok(runner) => runner.once(session.config.arm(), session.memorable(state)).await,
        Err(cause) => {
            let report = RunReport::not_begun(session.surroundings(account).scope, cause);
            session.not_begun(&report);
            report
        }
    }
}

/// The exit code of all runs: the worst account decides.
pub(super) fn worst(reports: &[RunReport]) -> Exit {
    reports.iter().map(RunReport::exit).fold(Exit::Done, Exit::worse)
}

/// Shows one run to people: data to standard output, trouble to standard error.
pub(super) fn show(report: &RunReport, outside: &Outside) {
    let terminal = &outside.terminal;
    let account = report.account.as_str();
    match &report.ending {
        Ending::NotBegun(cause) => failure::of_begin(account, cause).show(terminal, None),
        Ending::Locked(error) => {
            let what = format!("account `{account}`: somebody else is at work");
            failure::of_state(what, error).show(terminal, None);
        }
        Ending::NoState(error) => {
            let what = format!("account `{account}`: the state cannot be used");
            failure::of_state(what, error).show(terminal, None);
        }
        Ending::Refused(refusal) => refused(account, refusal).show(terminal, None),
        Ending::Unsettled(error) => unsettled(account, error).show(terminal, outside.stop.signal()),
        Ending::Incomplete(cause) => {
            let exit = exit_of_listing(cause);
            failure::of_listing(account, cause, exit).show(terminal, outside.stop.signal());
        }
        Ending::Guarded(tripped) => guarded(report, tripped.readings()).show(terminal, None),
        Ending::Broken => {
            let causes = report.error().into_iter().collect();
            failure::of_bug(format!("account `{account}`: the run broke off"), causes)
                .show(terminal, None);
        }
        Ending::Dry(admission) => {
            terminal.data(&plan::summary(admission, terminal));
            terminal.data(&dry_words(admission));
            for reading in readings(admission).iter().filter(|reading| reading.tripped) {
                let stopped = terminal.paint(Paint::Alarm, "would stop the run:");
                terminal.data(&format!("{stopped} {}: {}\n", reading.guard, reading.detail));
            }
        }
        Ending::Swept(swept) => {
            terminal.data(&sweep_text(report, swept, terminal));
            if let Some(failure) = trouble(report, swept) {
                failure.show(terminal, outside.stop.signal());
            }
        }
    }
}

/// A sealed plan that does not fit any more.
fn refused(account: &str, refusal: &Refusal) -> Failure {
    Failure {
        what: format!("account `{account}`: the sealed plan is refused"),
        consequence: NOTHING,
        causes: vec![refusal.to_string()],
        help: refusal.help().to_owned(),
        exit: Exit::SomeFailed,
    }
}

/// Deletions that a killed run left open, and that cannot be looked at.
fn unsettled(account: &str, error: &Error) -> Failure {
    Failure {
        what: format!("account `{account}`: what a killed run left open cannot be settled"),
        consequence: NOTHING,
        causes: vec![error.cause()],
        help: format!("{}; the next run tries again", error.help()),
        exit: exit_of_call(error),
    }
}

/// What a dry run comes to.
fn dry_words(admission: &Admission) -> String {
    let count = plan_of(admission).deletions().count();
    if count == 0 && admission.is_ok() {
        return "\nDry run: there is nothing to delete.\n".to_owned();
    }
    let count = batches(count);
    if admission.is_ok() {
        format!("\nDry run: nothing was deleted. A real run would delete {count}.\n")
    } else {
        format!(
            "\nDry run: nothing was deleted. A guard would stop a real run, and none of the {count} would go:\n"
        )
    }
}

/// A run that a guard stopped.
fn guarded(report: &RunReport, readings: &[Reading]) -> Failure {
    let RunReport { account, run_id, .. } = report;
    let is_doubted = readings.iter().any(|reading| reading.tripped && reading.guard == AUDIT);
    let approve = format!(
        "; if all of them should go, `batchsweep approve {run_id}` lets exactly these go in the next run"
    );
    let tripped: Vec<_> = readings.iter().filter(|reading| reading.tripped).collect();
    let names: Vec<_> = tripped.iter().map(|reading| reading.guard).collect();
    Failure {
        what: format!(
            "account `{account}`: stopped by {} {}",
            if names.len() == 1 { "guard" } else { "guards" },
            names.join(", ")
        ),
        consequence: NOTHING,
        causes: tripped.iter().map(|reading| reading.detail.clone()).collect(),
        help: format!(
            "`batchsweep plan --account {account}` shows which batches would go, and why{}",
            if report.is_kept && !is_doubted { approve.as_str() } else { "" }
        ),
        exit: Exit::Guarded,
    }
}

/// What a sweep could not do, if it asks for another exit code than 0.
fn trouble(report: &RunReport, swept: &sweep::Report) -> Option<Failure> {
    match swept.ended {
        Ended::Whole => some_failed(report, swept).or_else(|| early_end(report, swept)),
        Ended::Stopped | Ended::TooManyFailures(_) | Ended::Hopeless(_) | Ended::StateFailed(_) => {
            early_end(report, swept)
        }
    }
}

/// A sweep that ended before every batch had its turn, or without proof.
fn early_end(report: &RunReport, swept: &sweep::Report) -> Option<Failure> {
    let error = report.error()?;
    let account = report.account.as_str();
    let deleted = |one: &&sweep::Swept| matches!(one.outcome, Outcome::Deleted(_));
    let deleted = swept.swept.iter().filter(deleted).count();
    let (what, help) = match &swept.ended {
        Ended::Hopeless(error) => ("the sweep ended early", error.help().to_owned()),
        Ended::StateFailed(error) => ("the sweep ended early", error.help()),
        Ended::TooManyFailures(_) => (
            "the sweep ended early",
            "the failures above say why; the next run makes a new plan of what is left".to_owned(),
        ),
        Ended::Stopped => {
            ("the sweep was stopped", "the next run makes a new plan of what is left".to_owned())
        }
        Ended::Whole => (
            "the deletions are not proven",
            "each was confirmed by itself; the next run's listing will show it".to_owned(),
        ),
    };
    Some(Failure {
        what: format!("account `{account}`: {what}, {} deleted", batches(deleted)),
        consequence: "",
        causes: vec![error],
        help,
        exit: report.exit(),
    })
}

/// A sweep that gave every batch its turn, and could not delete some of them.
fn some_failed(report: &RunReport, swept: &sweep::Report) -> Option<Failure> {
    let deletions: Vec<_> = swept.plan.deletions().collect();
    let failed: Vec<_> = swept.swept.iter().filter(|one| one.outcome.is_failure()).collect();
    if failed.is_empty() {
        return None;
    }
    let mut causes: Vec<_> = failed
        .iter()
        .take(CAUSES)
        .filter_map(|one| {
            let (batch, _) = deletions.get(one.position)?;
            Some(format!("{}: {}", batch.id, one.outcome.detail()))
        })
        .collect();
    if failed.len() > causes.len() {
        causes.push(format!("and {} more, in the table above", failed.len() - causes.len()));
    }
    causes.extend(report.error());
    Some(Failure {
        what: format!(
            "account `{}`: {} of {} failed",
            report.account,
            failed.len(),
            counted(swept.swept.len() as u128, "deletion", "deletions")
        ),
        consequence: "the other batches had their turn",
        causes,
        help: "the next run tries again; where the API itself says no, its support can tell why"
            .to_owned(),
        exit: report.exit(),
    })
}

/// What became of a batch, as text has it. Results that were never delivered are a reason of the
/// API's own, known before and no failure; so they are told apart from other refusals.
const fn in_words(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Undelivered { .. } => "undelivered",
        Outcome::NotReached => "not reached",
        Outcome::Deleted(_)
        | Outcome::Busy(_)
        | Outcome::Changed(_)
        | Outcome::Gone
        | Outcome::Held
        | Outcome::Refused { .. }
        | Outcome::Failed(_) => outcome.name(),
    }
}

/// The lines of a summary, in their order: outcome, what it says, in which colour.
const SUMMARY: [(&str, &str, Paint); 9] = [
    ("deleted", "deleted", Paint::Well),
    ("failed", "failed: still there, or nobody can say", Paint::Alarm),
    ("refused", "refused by the API", Paint::Alarm),
    ("undelivered", "kept by the API, since results were never delivered", Paint::Notice),
    ("busy", "busy, left for the next run", Paint::Notice),
    ("changed", "changed since the plan, left alone", Paint::Notice),
    ("held", "held by hand since the plan, left alone", Paint::Notice),
    ("gone", "already gone", Paint::Notice),
    ("not reached", "not reached", Paint::Notice),
];

/// Batches by what became of them, in words.
fn summary(swept: &sweep::Report, terminal: &Terminal) -> String {
    let mut text = String::new();
    for (name, words, paint) in SUMMARY {
        let met = swept.swept.iter().filter(|one| in_words(&one.outcome) == name).count();
        // Those that were busy when the plan was made are no part of the sweep.
        let planned = swept.plan.counts().get(name).copied().filter(|_| name == "busy");
        let count = met + planned.unwrap_or(0);
        if count > 0 || name == "deleted" {
            let line = format!("{count:>7}  {words}");
            let _infallible = writeln!(text, "{}", terminal.paint(paint, &line));
        }
    }
    text
}

/// What a sweep did, for people.
fn sweep_text(report: &RunReport, swept: &sweep::Report, terminal: &Terminal) -> String {
    let listed = swept.plan.inventory().len();
    let mut text = format!(
        "{}  {} listed, {} planned for deletion\n\n",
        terminal.paint(Paint::Strong, report.account.as_str()),
        batches(listed),
        swept.swept.len(),
    );
    text.push_str(&summary(swept, terminal));
    let rows: Vec<_> = notable(swept);
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(&["OUTCOME", "ID", "NAME", "WHY"], rows));
    }
    let proof = match report.verified() {
        Some(true) => "; verified: a last listing shows none of the deleted ones",
        Some(false) => "; NOT verified by a last listing",
        None => "",
    };
    let _infallible = writeln!(
        text,
        "\n{} in {:.1} s{proof}",
        counted(report.requests, "call", "calls"),
        report.duration.as_secs_f64()
    );
    text
}

/// Every batch that was not simply deleted.
fn notable(swept: &sweep::Report) -> Vec<Vec<String>> {
    let deletions: Vec<_> = swept.plan.deletions().collect();
    swept
        .swept
        .iter()
        .filter(|one| !one.outcome.detail().is_empty() && one.outcome != Outcome::NotReached)
        .filter_map(|one| {
            let (batch, _) = deletions.get(one.position)?;
            Some(vec![
                in_words(&one.outcome).to_owned(),
                batch.id.to_string(),
                cut(&batch.shown_name(), 40),
                cut(&one.outcome.detail(), 200),
            ])
        })
        .collect()
}

/// `once --output json`.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    version: u8,
    runs: Vec<RunDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct RunDocument<'a> {
    run_id: String,
    account: &'a str,
    outcome: &'static str,
    counts: std::collections::BTreeMap<&'static str, usize>,
    verified: Option<bool>,
    guards: &'a [Reading],
    batches: Vec<BatchDocument<'a>>,
    error: Option<String>,
    exit_code: u8,
    requests: u64,
    duration_ms: u64,
}

#[derive(Debug, Serialize)]
struct BatchDocument<'a> {
    id: &'a str,
    name: Option<&'a str>,
    rule: Option<&'a str>,
    outcome: &'static str,
    detail: String,
    attempts: u32,
}

impl<'a> Document<'a> {
    /// The document of these runs.
    pub(super) fn of(reports: &'a [RunReport], signal: Option<u8>) -> Self {
        Self { version: 1, runs: reports.iter().map(|report| of_run(report, signal)).collect() }
    }
}

fn of_run(report: &RunReport, signal: Option<u8>) -> RunDocument<'_> {
    let (guards, batches): (&[Reading], _) = match &report.ending {
        Ending::NotBegun(_)
        | Ending::Locked(_)
        | Ending::NoState(_)
        | Ending::Refused(_)
        | Ending::Unsettled(_)
        | Ending::Incomplete(_)
        | Ending::Broken => (&[], Vec::new()),
        Ending::Guarded(tripped) => (tripped.readings(), Vec::new()),
        Ending::Dry(admission) => (readings(admission), would_delete(admission)),
        Ending::Swept(swept) => (&swept.readings, of_sweep(swept)),
    };
    RunDocument {
        run_id: report.run_id.to_string(),
        account: report.account.as_str(),
        outcome: report.outcome(),
        counts: report.counts(),
        verified: report.verified(),
        guards,
        batches,
        error: report.error(),
        exit_code: report.exit().code(signal),
        requests: report.requests,
        duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
    }
}

fn would_delete(admission: &Admission) -> Vec<BatchDocument<'_>> {
    plan_of(admission)
        .deletions()
        .map(|(batch, verdict)| BatchDocument {
            id: batch.id.as_str(),
            name: batch.name.known().map(AsRef::as_ref),
            rule: verdict.selected_by().first().map(crate::batch::RuleName::as_str),
            outcome: "would_delete",
            detail: String::new(),
            attempts: 0,
        })
        .collect()
}

fn of_sweep(swept: &sweep::Report) -> Vec<BatchDocument<'_>> {
    swept
        .plan
        .deletions()
        .zip(&swept.swept)
        .map(|((batch, verdict), one)| BatchDocument {
            id: batch.id.as_str(),
            name: batch.name.known().map(AsRef::as_ref),
            rule: verdict.selected_by().first().map(crate::batch::RuleName::as_str),
            outcome: one.outcome.name(),
            detail: one.outcome.detail(),
            attempts: one.attempts,
        })
        .collect()
}
