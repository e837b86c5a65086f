//! The plot of an account's days: batches that were kept, and batches that were deleted.
//!
//! A picture of its own (SVG in the page), with the same as a table beneath for those who read.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use maud::{Markup, html};

use crate::clock::Timestamp;
use crate::config::Account;
use crate::state::{Run, RunFilter, State, StateError};

/// One day, in the account's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) date: NaiveDate,
    /// Batches that were left at the end of its last run that knew; `None` where none did.
    pub(super) kept: Option<u64>,
    pub(super) deleted: u64,
}

/// How many days are shown.
const DAYS: u64 = 30;

/// The picture, in its own units.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 140;
const STEP: u64 = WIDTH / DAYS;

/// The last thirty days of an account, the oldest first; none where nothing is remembered of them.
///
/// # Errors
/// When the state cannot be read.
pub(super) async fn days(
    state: &State,
    account: &Account,
    now: Timestamp,
) -> Result<Vec<Day>, StateError> {
    let today = now.with_timezone(&account.zone).date_naive();
    let Some(first) = today.checked_sub_days(Days::new(DAYS - 1)) else { return Ok(Vec::new()) };
    let filter = RunFilter {
        account: Some(account.name.clone()),
        since: now.checked_sub_days(Days::new(DAYS + 1)),
        limit: None,
    };
    let runs = state.runs(&filter).await?;
    let date = |run: &Run| run.begin.began.with_timezone(&account.zone).date_naive();
    Ok(of_runs(&runs, first, date))
}

/// Runs come newest first.
fn of_runs(runs: &[Run], first: NaiveDate, date: impl Fn(&Run) -> NaiveDate) -> Vec<Day> {
    let mut by_date: BTreeMap<NaiveDate, Day> = BTreeMap::new();
    for run in runs {
        let Some(end) = &run.end else { continue };
        let date = date(run);
        let day = by_date.entry(date).or_insert(Day { date, kept: None, deleted: 0 });
        day.kept = day.kept.or(end.batches);
        day.deleted += end.counts.get("deleted").copied().unwrap_or(0);
    }
    let days: Vec<_> = by_date.into_values().filter(|day| day.date >= first).collect();
    if days.is_empty() {
        return days;
    }
    let mut known = days.into_iter().peekable();
    let all = (0..DAYS).filter_map(|day| first.checked_add_days(Days::new(day)));
    all.map(|date| {
        known.next_if(|day| day.date == date).unwrap_or(Day { date, kept: None, deleted: 0 })
    })
    .collect()
}

/// The plot, or nothing where there is nothing to see.
pub(super) fn figure(days: &[Day], account: &str) -> Markup {
    let known: Vec<_> = days.iter().filter(|day| day.kept.is_some() || day.deleted > 0).collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return html! {} };
    if known.is_empty() {
        return html! {};
    }
    let most_deleted = days.iter().map(|day| day.deleted).max().unwrap_or(0);
    let most_kept = days.iter().filter_map(|day| day.kept).max().unwrap_or(0);
    let id = format!("plot-{account}");
    html! {
        figure.plot {
            figcaption id=(id) {
                "The last " (DAYS) " days: "
                span.key.kept { "batches kept (at most " (most_kept) ")" } ", "
                span.key.deleted { "deleted a day (at most " (most_deleted) ")" }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby=(id) {
                @for (place, day) in (0..).zip(days) { (bar(place, day, most_deleted)) }
                (line(days, most_kept))
                line.axis x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            }
            p.dates { span { (first.date) } span { (last.date) } }
            details {
                summary { "The same as a table" }
                table {
                    thead { tr { th scope="col" { "Day" } th scope="col" { "Kept" } th scope="col" { "Deleted" } } }
                    tbody {
                        @for day in known {
                            tr {
                                th scope="row" { (day.date) }
                                td { @if let Some(kept) = day.kept { (kept) } @else { "not known" } }
                                td { (day.deleted) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Parts of `whole` in the picture's height.
fn height(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (part * (HEIGHT - 10)).div_ceil(whole) }
}

fn bar(place: u64, day: &Day, most: u64) -> Markup {
    let tall = height(day.deleted, most);
    html! {
        @if tall > 0 {
            rect.deleted x=(place * STEP + 4) y=(HEIGHT - tall) width=(STEP - 8) height=(tall) {
                title { (day.date) ": " (day.deleted) " deleted" }
            }
        }
    }
}

/// A point for each day that is known, joined; days that are not are passed over.
fn line(days: &[Day], most: u64) -> Markup {
    let points: Vec<_> = (0..)
        .zip(days)
        .filter_map(|(place, day): (u64, &Day)| {
            let y = HEIGHT - height(day.kept?, most);
            Some((place * STEP + STEP / 2, y, day))
        })
        .collect();
    let path: Vec<_> = points.iter().map(|(x, y, _)| format!("{x},{y}")).collect();
    html! {
        polyline.kept points=(path.join(" ")) {}
        @for (x, y, day) in &points {
            circle.kept cx=(x) cy=(y) r="3" {
                title { (day.date) ": " (day.kept.unwrap_or(0)) " kept" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batch::{AccountName, RunId};
    use crate::state::{RunBegin, RunEnd};

    fn run(at: &str, deleted: u64, batches: Option<u64>) -> Run {
        let at: Timestamp = at.parse().unwrap();
        let run_id = RunId::new(at, [1; 10]);
        let begin = RunBegin {
            run_id,
            account: AccountName::parse("main").unwrap(),
            began: at,
            dry_run: false,
            config_hash: String::new(),
            origin: String::new(),
        };
        let end = RunEnd {
            run_id,
            ended: at,
            outcome: "swept".to_owned(),
            exit_code: 0,
            counts: [("deleted".to_owned(), deleted)].into(),
            verified: None,
            requests: 1,
            duration: Duration::ZERO,
            error: None,
            batches,
        };
        Run { begin, end: Some(end) }
    }

    fn days_of(runs: &[Run]) -> Vec<Day> {
        let first = "2026-11-01".parse().unwrap();
        of_runs(runs, first, |run| run.begin.began.date_naive())
    }

    #[test]
    fn a_day_has_the_sum_of_its_deletions_and_what_its_last_run_left() {
        let days = days_of(&[
            run("2026-11-03T18:00:00Z", 2, None),
            run("2026-11-03T12:00:00Z", 3, Some(95)),
            run("2026-11-03T06:00:00Z", 1, Some(98)),
            run("2026-11-01T06:00:00Z", 0, Some(99)),
            run("2026-10-31T06:00:00Z", 50, Some(99)),
            Run { end: None, ..run("2026-11-30T06:00:00Z", 9, Some(1)) },
        ]);
        assert_eq!(days.len(), 30, "every day has its place");
        let shown: Vec<_> = days.iter().take(4).map(|day| (day.kept, day.deleted)).collect();
        assert_eq!(shown, [(Some(99), 0), (None, 0), (Some(95), 6), (None, 0)]);
        assert!(days[4..].iter().all(|day| day.kept.is_none() && day.deleted == 0));
    }

    #[test]
    fn the_picture_says_in_words_what_it_shows() {
        let runs =
            [run("2026-11-03T12:00:00Z", 3, Some(95)), run("2026-11-02T12:00:00Z", 10, Some(98))];
        let shown = figure(&days_of(&runs), "main").into_string();
        insta::assert_snapshot!(shown.replace("><", ">\n<"));
        assert_eq!(figure(&days_of(&[]), "main").into_string(), "", "nothing to see");
    }
}
