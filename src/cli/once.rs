//! `once`: one run of every account now, then exit.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::Outside;
use crate::cli::args::{Global, Shape};
use crate::cli::failure::{self, Failure, NOTHING};
use crate::cli::output::{Paint, Terminal, batches, cut, table};
use crate::cli::plan;
use crate::cli::session::{Session, Watch};
use crate::config::Account;
use crate::guards::Reading;
use crate::run::report::{Ending, Exit, RunReport, exit_of_listing};
use crate::run::{Admission, plan_of, readings};
use crate::sweep;
use crate::sweep::Ended;
use crate::sweep::outcome::Outcome;

/// Runs the command.
pub(super) async fn run(global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Progress) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let reports = sweep_all(&session).await;
    session.clear_progress();
    match global.output {
        Shape::Json => outside.terminal.json(&Document::of(&reports, outside.stop.signal())),
        Shape::Text => {
            for report in &reports {
                show(report, outside);
            }
        }
    }
    worst(&reports)
}

/// One run of each account.
pub(super) async fn sweep_all(session: &Session<'_>) -> Vec<RunReport> {
    session.for_each_account(async |account: &Account| sweep_one(session, account).await).await
}

async fn sweep_one(session: &Session<'_>, account: &Account) -> RunReport {
    match session.runner(account) {
        Ok(runner) => runner.once(session.config.arm()).await,
        Err(cause) => {
            let scope = session.surroundings(account).scope;
            RunReport {
                account: scope.account,
                run_id: scope.run_id,
                ending: Ending::NotBegun(cause),
                requests: 0,
                duration: std::time::Duration::ZERO,
            }
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
        Ending::Incomplete(cause) => {
            let exit = exit_of_listing(cause);
            failure::of_listing(account, cause, exit).show(terminal, outside.stop.signal());
        }
        Ending::Guarded(tripped) => guarded(account, tripped.readings()).show(terminal, None),
        Ending::Dry(admission) => {
            terminal.data(&plan::summary(admission, terminal));
            terminal.data(&dry_words(admission));
            for reading in readings(admission).iter().filter(|reading| reading.tripped) {
                terminal.data(&format!("  guard {}: {}\n", reading.guard, reading.detail));
            }
        }
        Ending::Swept(swept) => {
            terminal.data(&sweep_text(report, swept, terminal));
            if let Some(failure) = early_end(report, swept) {
                failure.show(terminal, outside.stop.signal());
            }
        }
    }
}

/// What a dry run comes to.
fn dry_words(admission: &Admission) -> String {
    let count = batches(plan_of(admission).deletions().count());
    if admission.is_ok() {
        format!("\nDry run: nothing was deleted; a real run would delete {count}.\n")
    } else {
        format!("\nDry run: nothing was deleted; a guard would stop a real run ({count}):\n")
    }
}

/// A run that a guard stopped.
fn guarded(account: &str, readings: &[Reading]) -> Failure {
    let tripped: Vec<_> = readings.iter().filter(|reading| reading.tripped).collect();
    let names: Vec<_> = tripped.iter().map(|reading| reading.guard).collect();
    Failure {
        what: format!("account `{account}`: stopped by guard {}", names.join(", ")),
        consequence: NOTHING,
        causes: tripped.iter().map(|reading| reading.detail.clone()).collect(),
        help: format!("`batchsweep plan --account {account}` shows the whole plan"),
        exit: Exit::Guarded,
    }
}

/// A sweep that ended before every batch had its turn, or without proof.
fn early_end(report: &RunReport, swept: &sweep::Report) -> Option<Failure> {
    let error = report.error()?;
    let account = report.account.as_str();
    let deleted = count(swept, "deleted");
    let (what, help) = match &swept.ended {
        Ended::Hopeless(error) => ("the sweep ended early", error.help().to_owned()),
        Ended::TooManyFailures(_) => (
            "the sweep ended early",
            "the failures above say why; the next run goes on where this one ended".to_owned(),
        ),
        Ended::Stopped => {
            ("the sweep was stopped", "the next run goes on where this one ended".to_owned())
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

fn count(swept: &sweep::Report, outcome: &str) -> usize {
    swept.swept.iter().filter(|one| one.outcome.name() == outcome).count()
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
    for name in Outcome::NAMES {
        let count = count(swept, name);
        if count > 0 || name == "deleted" {
            let line = format!("{count:>7}  {}", in_words(name));
            let _infallible = writeln!(text, "{}", terminal.paint(paint_of(name), &line));
        }
    }
    let rows: Vec<_> = notable(swept);
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(&["OUTCOME", "ID", "NAME", "WHY"], rows));
    }
    let proof = match report.verified() {
        Some(true) => "  verified: a last listing shows none of the deleted ones",
        Some(false) => "  NOT verified by a last listing",
        None => "",
    };
    let _infallible = writeln!(
        text,
        "\n{} calls in {:.1} s{proof}",
        report.requests,
        report.duration.as_secs_f64()
    );
    text
}

/// An outcome's name as the summary says it.
const fn in_words(name: &str) -> &str {
    match name.as_bytes() {
        b"not_reached" => "not reached",
        b"gone" => "already gone",
        b"busy" => "busy, left for the next run",
        b"changed" => "changed since the plan, kept",
        b"refused" => "refused by the API",
        _ => name,
    }
}

fn paint_of(outcome: &str) -> Paint {
    match outcome {
        "deleted" => Paint::Well,
        "failed" | "refused" => Paint::Alarm,
        _ => Paint::Notice,
    }
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
                one.outcome.name().to_owned(),
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
        Ending::NotBegun(_) | Ending::Incomplete(_) => (&[], Vec::new()),
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
