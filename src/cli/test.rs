//! `test`: runs the file's own `[[test]]` cases, offline.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::Outside;
use crate::cli::args::{Global, Shape};
use crate::cli::output::Paint;
use crate::cli::session::{Session, Watch};
use crate::config::{Account, TestCase};
use crate::policy::Memory;
use crate::run::report::Exit;

/// A case that was run on one account's rules.
#[derive(Debug, Serialize)]
struct Case {
    place: String,
    account: String,
    batch: String,
    expected: String,
    got: String,
    reason: String,
    passed: bool,
}

/// `test --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    passed: usize,
    failed: usize,
    cases: &'a [Case],
}

/// Runs the command.
pub(super) fn run(global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let config = &session.config;
    let cases: Vec<_> = config
        .tests
        .iter()
        .flat_map(|test| {
            config
                .accounts
                .iter()
                .filter(|account| test.account.as_ref().is_none_or(|name| *name == account.name))
                .map(|account| run_case(test, account, outside))
        })
        .collect();
    let failed = cases.iter().filter(|case| !case.passed).count();
    let passed = cases.len() - failed;
    match global.output {
        Shape::Json => {
            outside.terminal.json(&Document { version: 1, passed, failed, cases: &cases });
        }
        Shape::Text => outside.terminal.data(&text(&cases, passed, failed, outside)),
    }
    if failed == 0 { Exit::Done } else { Exit::SomeFailed }
}

fn run_case(test: &TestCase, account: &Account, outside: &Outside) -> Case {
    let now = outside.clock.now();
    let batches = [test.batch_at(now)];
    // A case is about rules, so patience is over, unless it is what the case is about.
    let memory = match test.expect {
        "wait" => Memory::default(),
        _ => account.policy.nothing_to_wait_for(&batches),
    };
    let decision = account.policy.decide(&batches, &memory, now);
    let name = batches.first().map_or_else(String::new, crate::batch::Batch::shown_name);
    let Some(verdict) = decision.verdicts.first() else {
        return Case {
            place: test.place.clone(),
            account: account.name.to_string(),
            batch: name,
            expected: expected(test),
            got: "no verdict".to_owned(),
            reason: String::new(),
            passed: false,
        };
    };
    let by = |rule: &crate::batch::RuleName| {
        verdict.selected_by().contains(rule) || verdict.kept_by().contains(rule)
    };
    let passed = verdict.name() == test.expect && test.by.as_ref().is_none_or(by);
    Case {
        place: test.place.clone(),
        account: account.name.to_string(),
        batch: name,
        expected: expected(test),
        got: verdict.name().to_owned(),
        reason: verdict.reason(),
        passed,
    }
}

/// What a case asks for, in words.
fn expected(test: &TestCase) -> String {
    match &test.by {
        Some(rule) => format!("{} by `{rule}`", test.expect),
        None => test.expect.to_owned(),
    }
}

fn text(cases: &[Case], passed: usize, failed: usize, outside: &Outside) -> String {
    let terminal = &outside.terminal;
    let mut text = String::new();
    for case in cases.iter().filter(|case| !case.passed) {
        let _infallible = writeln!(
            text,
            "{}: {}: batch `{}` in account {}: expected {}, got {}: {}",
            terminal.paint(Paint::Alarm, "failed"),
            case.place,
            case.batch,
            case.account,
            case.expected,
            case.got,
            case.reason,
        );
    }
    if cases.is_empty() {
        return "0 passed, 0 failed: the file has no [[test]] cases\n".to_owned();
    }
    let _infallible = writeln!(text, "{passed} passed, {failed} failed");
    text
}
