//! `simulate`: what runs would do over the coming days, on the last listing or on a plan that was
//! written as JSON. Asks the API nothing and changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::TimeDelta;
use serde::Serialize;

use crate::batch::{Batch, batches};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::inventories::{self, Nothing};
use crate::cli::output::{Paint, Terminal, table};
use crate::cli::session::{Session, Watch};
use crate::clock::{self, Timestamp};
use crate::config::Account;
use crate::run::report::Exit;
use crate::run::simulation::{Day, Period, simulate};

/// What comes to one account.
struct Course<'a> {
    account: &'a Account,
    listed_at: Timestamp,
    batches: usize,
    days: Vec<Day>,
}

/// Runs the command.
pub(super) async fn run(command: &args::Simulate, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let courses = match courses(&session, command).await {
        Ok(courses) => courses,
        Err(cause) => return cause.failure().end_for(global, outside),
    };
    match global.output {
        Shape::Json => outside.terminal.json(&Document::of(&courses)),
        Shape::Text => {
            for course in &courses {
                outside.terminal.data(&text(course, &outside.terminal));
            }
        }
    }
    Exit::Done
}

async fn courses<'s>(
    session: &'s Session,
    command: &args::Simulate,
) -> Result<Vec<Course<'s>>, Nothing> {
    let listings =
        inventories::read(session, &session.config.accounts, command.inventory.as_deref()).await?;
    let state = session.state_to_read().await?;
    let from = session.setting().clock.now();
    let span = TimeDelta::from_std(command.span.duration()).unwrap_or(TimeDelta::days(366));
    let period = Period { from, until: from.checked_add_signed(span).unwrap_or(from) };
    let mut courses = Vec::new();
    for account in &session.config.accounts {
        let of_account =
            |one: &&crate::document::inventory::Inventory| one.account == account.name.as_str();
        let Some(listing) = listings.iter().find(of_account) else { continue };
        let memory = session.recall(state.as_ref(), account).await?.memory;
        let all: &[Batch] = &listing.batches;
        courses.push(Course {
            account,
            listed_at: listing.made_at,
            batches: all.len(),
            days: simulate(account, all, &memory, period),
        });
    }
    if courses.is_empty() {
        return Err(Nothing::no_listing(&session.config.accounts));
    }
    Ok(courses)
}

fn text(course: &Course<'_>, terminal: &Terminal) -> String {
    let days = &course.days;
    let (deleted, expired): (usize, usize) = days
        .iter()
        .fold((0, 0), |(deleted, expired), day| (deleted + day.deleted(), expired + day.expired));
    let left = days.last().map_or(course.batches, |day| day.left);
    let mut text = format!(
        "{}  {} listed at {}; {} days on {left} are left: {deleted} deleted, {expired} expired\n\n",
        terminal.paint(Paint::Strong, course.account.name.as_str()),
        batches(course.batches),
        clock::shown(course.listed_at),
        days.len().saturating_sub(1),
    );
    let most = days.iter().map(Day::deleted).max().unwrap_or(0);
    let rows: Vec<_> =
        days.iter().filter(|day| is_notable(day)).map(|day| row(day, most)).collect();
    if rows.is_empty() {
        text.push_str("  Nothing would be deleted, and nothing expires.\n");
        return text;
    }
    text.push_str(&table(&["DAY", "DELETED", "", "BY RULE", "EXPIRED", "LEFT", "GUARD"], rows));
    if days.iter().any(|day| !day.guards.is_empty()) {
        let _infallible = writeln!(
            text,
            "\n{} on days with a guard nothing is deleted until a plan fits or a person approves it.",
            terminal.paint(Paint::Alarm, "stopped:")
        );
    }
    text.push_str(
        "\nThis command deletes nothing. New batches, and what people do, are not in it; batches on a\n\
         schedule of their own are taken to go on running.\n",
    );
    text
}

fn is_notable(day: &Day) -> bool {
    day.deleted() > 0 || day.expired > 0 || !day.guards.is_empty()
}

fn row(day: &Day, most: usize) -> Vec<String> {
    let rules: Vec<_> =
        day.deletions.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    let guards: Vec<_> = day.guards.iter().copied().collect();
    let number = |count: usize| if count == 0 { String::new() } else { count.to_string() };
    vec![
        day.date.format("%a %Y-%m-%d").to_string(),
        number(day.deleted()),
        bar(day.deleted(), most),
        rules.join(" · "),
        number(day.expired),
        day.left.to_string(),
        guards.join(", "),
    ]
}

/// The widest bar, in characters.
const WIDTH: usize = 24;

/// A bar in eighths of a character.
fn bar(part: usize, most: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if most == 0 {
        return String::new();
    }
    let eighths = (part * WIDTH * 8).div_ceil(most);
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat(eighths / 8))
}

/// `simulate --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    days: Vec<DayDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct DayDocument<'a> {
    account: &'a str,
    date: String,
    runs: usize,
    deletions: BTreeMap<&'a str, usize>,
    expired: usize,
    left: usize,
    guards: Vec<&'static str>,
}

impl<'a> Document<'a> {
    fn of(courses: &'a [Course<'a>]) -> Self {
        let days = courses.iter().flat_map(|course| {
            course.days.iter().map(|day| DayDocument {
                account: course.account.name.as_str(),
                date: day.date.to_string(),
                runs: day.runs,
                deletions: day.deletions.iter().map(|(rule, n)| (rule.as_str(), *n)).collect(),
                expired: day.expired,
                left: day.left,
                guards: day.guards.iter().copied().collect(),
            })
        });
        Self { version: 1, days: days.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        for (part, most, expected) in [
            (0, 10, ""),
            (10, 10, "████████████████████████"),
            (5, 10, "████████████"),
            (1, 1_000, "▏"),
            (0, 0, ""),
        ] {
            assert_eq!(bar(part, most), expected, "{part} of {most}");
        }
    }
}
