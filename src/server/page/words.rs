//! Words of the pages: instants, spans, verdicts, when a batch goes.

use chrono::TimeDelta;
use chrono_tz::Tz;
use maud::{Markup, html};

use crate::batch::{Fact, counted};
use crate::clock::Timestamp;
use crate::config::Account;
use crate::policy::verdict::Verdict;

/// An instant on the clocks of a zone; the machine-readable one in UTC beside it.
pub(super) fn instant(at: Timestamp, zone: Tz) -> Markup {
    let local = at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string();
    let utc = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    html! { time datetime=(utc) title=(utc) { (local) } }
}

/// The same, short, for tables: how long ago or how far ahead.
pub(super) fn from_now(at: Timestamp, now: Timestamp, zone: Tz) -> Markup {
    let local = at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string();
    let utc = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    html! { time datetime=(utc) title=(local) { (relative(at - now)) } }
}

/// A time of the API in a table.
pub(super) fn fact(time: &Fact<Timestamp>, now: Timestamp, zone: Tz, missing: &str) -> Markup {
    match time {
        Fact::Known(at) => from_now(*at, now, zone),
        Fact::Missing => html! { (missing) },
        Fact::Unreadable(_) => html! { "unreadable" },
    }
}

/// `3 days ago`, `in 11 hours`.
pub(super) fn relative(away: TimeDelta) -> String {
    let span = span(away.abs());
    if away.abs() < TimeDelta::minutes(1) {
        "just now".to_owned()
    } else if away < TimeDelta::zero() {
        format!("{span} ago")
    } else {
        format!("in {span}")
    }
}

/// A span in its largest whole unit; hours up to two days, so that `in 30 hours` stays that.
fn span(span: TimeDelta) -> String {
    let in_unit = |count: i64, one: &str, many: &str| counted(count.unsigned_abs(), one, many);
    match (span.num_days(), span.num_hours(), span.num_minutes()) {
        (days @ 2.., ..) => in_unit(days, "day", "days"),
        (_, hours @ 1.., _) => in_unit(hours, "hour", "hours"),
        (_, _, minutes) => in_unit(minutes, "minute", "minutes"),
    }
}

/// A sentence in which what stands between two backticks is code.
pub(super) fn ticked(text: &str) -> Markup {
    let parts: Vec<_> = text.split('`').collect();
    if parts.len() % 2 == 0 {
        return html! { (text) };
    }
    html! {
        @for (place, part) in parts.iter().enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A verdict as people read it.
pub(super) const fn verdict(name: &str) -> &str {
    match name.as_bytes() {
        b"too_young" => "too young",
        _ => name,
    }
}

/// What a verdict means, for those who read it first.
pub(super) const fn meaning(name: &str, guard: Guard) -> &str {
    match (name.as_bytes(), guard) {
        (b"delete", Guard::Quiet) => "go in the next run",
        (b"delete", Guard::Open) => "go once you have decided",
        (b"wait", _) => "are selected, and wait for a grace or a probation",
        (b"busy", _) => "are selected, and queued or running now",
        (b"too_young", _) => "are selected, and younger than the floor",
        (b"unknown", _) => "stay, since something about them is not known",
        (b"kept", _) => "are selected, and protected by a keep rule",
        (b"held", _) => "are held by a person or by their own name",
        _ => "are selected by no delete rule",
    }
}

/// Whether an open guard holds plans up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// One does.
    Open,
    /// None does.
    Quiet,
}

impl From<bool> for Guard {
    fn from(is_open: bool) -> Self {
        if is_open { Self::Open } else { Self::Quiet }
    }
}

/// What runs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They delete.
    Real,
    /// They plan only.
    Dry,
}

/// When a batch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// In the next run.
    NextRun,
    /// In the next run, were no guard in the way.
    Stopped,
    /// By time alone, from then on.
    From(Timestamp),
    /// More than time stands in the way.
    Stays,
}

impl Goes {
    pub(super) const fn of(verdict: &Verdict, from: Option<Timestamp>, guard: Guard) -> Self {
        match (verdict, from) {
            (Verdict::Delete { .. }, _) => match guard {
                Guard::Open => Self::Stopped,
                Guard::Quiet => Self::NextRun,
            },
            (_, Some(from)) => Self::From(from),
            (_, None) => Self::Stays,
        }
    }

    /// In a table.
    pub(super) fn short(self, account: &Account, now: Timestamp) -> Markup {
        match self {
            Self::NextRun => html! { strong { "next run" } },
            Self::Stopped => html! { "waits for your decision" },
            Self::From(from) => {
                let run = first_run(account, from.max(now));
                html! { (from_now(run.unwrap_or(from), now, account.zone)) }
            }
            Self::Stays => html! { "stays" },
        }
    }

    /// In a sentence.
    pub(super) fn sentence(self, account: &Account, now: Timestamp, kind: Kind) -> Markup {
        let zone = account.zone;
        let goes = match kind {
            Kind::Dry => "It would go",
            Kind::Real => "It goes",
        };
        match self {
            Self::NextRun => html! {
                (goes) " in the next run, "
                @if let Some(run) = first_run(account, now) {
                    (instant(run, zone)) " (" (relative(run - now)) "), "
                }
                "if it is idle and unchanged then."
            },
            Self::Stopped => html! {
                (goes) " once the guard is open: the plan waits for your decision ("
                a href="/" { "overview" } ")."
            },
            Self::From(from) => html! {
                "If nothing else changes, it may go from " (instant(from, zone)) " on"
                @if let Some(run) = first_run(account, from.max(now)) {
                    ": in the run of " (instant(run, zone)) " at the earliest"
                    " (" (relative(run - now)) ")"
                }
                "."
            },
            Self::Stays => html! { "It stays: time alone does not change that." },
        }
    }
}

/// The first firing then or later; `None` without a schedule.
fn first_run(account: &Account, from: Timestamp) -> Option<Timestamp> {
    account.timing.schedule()?.next_after(from - TimeDelta::milliseconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_one_unit() {
        for (seconds, expected) in [
            (0, "just now"),
            (-59, "just now"),
            (60, "in 1 minute"),
            (-3_600, "1 hour ago"),
            (47 * 3_600, "in 47 hours"),
            (48 * 3_600, "in 2 days"),
            (-400 * 86_400, "400 days ago"),
        ] {
            assert_eq!(relative(TimeDelta::seconds(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn every_verdict_has_words() {
        let said: Vec<_> = Verdict::NAMES
            .iter()
            .map(|name| (verdict(name), meaning(name, Guard::Quiet)))
            .collect();
        insta::assert_debug_snapshot!(said);
    }
}
