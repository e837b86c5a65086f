//! `schedule`: the next firings, in local time and UTC, with what a change of the clocks does to them.

use std::fmt::Write;

use chrono::TimeDelta;
use serde::Serialize;

use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::output::{Paint, table};
use crate::cli::session::{Session, Watch};
use crate::clock::Timestamp;
use crate::config::Account;
use crate::policy::shown;
use crate::run::report::Exit;
use crate::schedule::{CatchUp, Firing, MOST_COUNTED, Note, Schedule, Timing};

/// Runs the command.
pub(super) fn run(command: &args::Schedule, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let (accounts, now) = (&session.config.accounts, outside.clock.now());
    let count = usize::from(command.count);
    match global.output {
        Shape::Json => {
            let next_runs = next_runs(accounts, now, count);
            outside.terminal.json(&Document { version: 1, next_runs });
        }
        Shape::Text => {
            for account in accounts {
                outside.terminal.data(&text(account, now, count, outside));
            }
        }
    }
    Exit::Done
}

fn text(account: &Account, now: Timestamp, count: usize, outside: &Outside) -> String {
    let name = outside.terminal.paint(Paint::Strong, account.name.as_str());
    let mut text = format!("{name}  {}\n", in_words(&account.timing));
    let Some(schedule) = account.timing.schedule() else { return text };
    let row = |firing: Firing| {
        let note = firing.note.in_words().unwrap_or_default().to_owned();
        vec![local(&firing), utc(&firing), note]
    };
    let mut rows: Vec<_> = schedule.firings(now).take(count).map(row).collect();
    let later: Vec<_> = odd_ones(schedule, now, count).map(row).collect();
    if !later.is_empty() {
        rows.push(vec!["…".to_owned(), String::new(), String::new()]);
        rows.extend(later);
    }
    let _infallible = write!(text, "{}", table(&["LOCAL", "UTC", ""], rows));
    text
}

/// Firings of a year, beyond those shown, that a change of the clocks does something to: the first few.
fn odd_ones(
    schedule: &Schedule,
    now: Timestamp,
    shown: usize,
) -> impl Iterator<Item = Firing> + '_ {
    let a_year_on = now + TimeDelta::days(366);
    let of_a_year = schedule.firings(now).take(MOST_COUNTED).skip(shown);
    let of_a_year = of_a_year.take_while(move |firing| firing.at < a_year_on);
    of_a_year.filter(|firing| firing.note != Note::None).take(ODD_ONES)
}

/// A year has one gap and one fold, which may come twice.
const ODD_ONES: usize = 3;

/// When an account runs, in one line.
pub(super) fn in_words(timing: &Timing) -> String {
    match timing {
        Timing::Unset => "no schedule: `once` and a person's hand only".to_owned(),
        Timing::Off => "off: only by hand".to_owned(),
        Timing::At(schedule) => of_schedule(schedule),
    }
}

fn of_schedule(schedule: &Schedule) -> String {
    let jitter = if schedule.jitter.is_zero() {
        String::new()
    } else {
        format!(", up to {} later", shown(schedule.jitter))
    };
    let missed = match schedule.catch_up {
        CatchUp::Once => "one run makes up for those missed",
        CatchUp::Skip => "those missed are skipped",
    };
    let words = schedule.describe();
    format!("`{}`, {}: {words}{jitter}; {missed}", schedule.text(), schedule.zone())
}

/// The next firings of all accounts, soonest first.
pub(super) fn next_runs(accounts: &[Account], now: Timestamp, count: usize) -> Vec<NextRun> {
    let of_account = |account: &Account| {
        let name = account.name.to_string();
        let firings = account.timing.schedule().into_iter();
        let firings: Vec<_> =
            firings.flat_map(|schedule| schedule.firings(now).take(count)).collect();
        firings.into_iter().map(move |firing| NextRun::of(name.clone(), &firing))
    };
    let mut runs: Vec<_> = accounts.iter().flat_map(of_account).collect();
    runs.sort_by(|one, other| (one.utc, &one.account).cmp(&(other.utc, &other.account)));
    runs
}

/// A firing on the clocks of its zone.
pub(super) fn local(firing: &Firing) -> String {
    firing.local.format("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}

fn utc(firing: &Firing) -> String {
    firing.at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `schedule --output json`.
#[derive(Debug, Serialize)]
struct Document {
    version: u8,
    next_runs: Vec<NextRun>,
}

/// One firing.
#[derive(Debug, Serialize)]
pub(super) struct NextRun {
    account: String,
    /// RFC 3339 with the zone's offset.
    local: String,
    utc: Timestamp,
    note: Option<&'static str>,
}

impl NextRun {
    fn of(account: String, firing: &Firing) -> Self {
        let (local, note) = (firing.local.to_rfc3339(), firing.note.in_words());
        Self { account, local, utc: firing.at, note }
    }
}
