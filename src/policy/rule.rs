//! Rules: a name, and matchers that must all hold.
//!
//! Not here: what several rules together make of a batch (`decide`), keep counts (`keep`).

use std::num::NonZeroU32;
use std::time::Duration;

use crate::batch::{RuleName, Undelivered, and_list};
use crate::policy::answer::Answer;
use crate::policy::matcher::{GroupBy, Matcher, shown};
use crate::policy::subject::Subject;

/// How many of its matches a keep rule keeps; with none of these, all. Several add up: a match is
/// kept if any of them keeps it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Names the group that a match belongs to; without it, the rule has one group.
    pub group_by: Option<GroupBy>,
    /// The newest N of each group.
    pub last: Option<NonZeroU32>,
    /// The newest of each of the last N days that have any.
    pub daily: Option<NonZeroU32>,
    /// The same by ISO week.
    pub weekly: Option<NonZeroU32>,
    /// The same by month.
    pub monthly: Option<NonZeroU32>,
    /// The same by year.
    pub yearly: Option<NonZeroU32>,
    /// Everything whose last activity is within this time.
    pub within: Option<Duration>,
}

impl Counts {
    /// Whether anything is counted at all.
    pub const fn is_empty(&self) -> bool {
        self.last.is_none()
            && self.daily.is_none()
            && self.weekly.is_none()
            && self.monthly.is_none()
            && self.yearly.is_none()
            && self.within.is_none()
    }

    /// The counts by number, by their keys in the file.
    pub(super) fn numbers(&self) -> [(&'static str, Option<NonZeroU32>); 5] {
        [
            ("last", self.last),
            ("daily", self.daily),
            ("weekly", self.weekly),
            ("monthly", self.monthly),
            ("yearly", self.yearly),
        ]
    }
}

/// A rule whose matches are never deleted.
#[derive(Debug)]
pub struct KeepRule {
    /// Its name.
    pub name: RuleName,
    /// What must hold; none means every batch.
    pub matchers: Vec<Matcher>,
    /// How many of its matches it keeps.
    pub counts: Counts,
    /// Matching nothing is no slip of the pen.
    pub may_be_empty: bool,
}

/// A rule that selects what may be deleted.
#[derive(Debug)]
pub struct DeleteRule {
    /// Its name.
    pub name: RuleName,
    /// What must hold.
    pub matchers: Vec<Matcher>,
    /// Whether batches go whose webhook was never delivered.
    pub undelivered: Undelivered,
    /// How long a batch must have been selected, in every complete run; zero where the file says nothing.
    pub grace: Duration,
}

/// All of them must hold. A no settles it; so the answer does not depend on their order.
pub(super) fn all(matchers: &[Matcher], subject: &Subject<'_>) -> Answer {
    let mut answer = Answer::Yes;
    for matcher in matchers {
        answer = answer.and(matcher.answer(subject));
        if answer == Answer::No {
            break;
        }
    }
    answer
}

/// The matchers in one line.
fn in_words(matchers: &[Matcher]) -> String {
    let parts: Vec<_> = matchers.iter().map(Matcher::in_words).collect();
    if parts.is_empty() { "every batch".to_owned() } else { parts.join(", ") }
}

impl Counts {
    /// What they keep, in words.
    fn in_words(&self) -> String {
        let buckets = [
            (self.daily, "a day", "days"),
            (self.weekly, "a week", "weeks"),
            (self.monthly, "a month", "months"),
            (self.yearly, "a year", "years"),
        ];
        let last = self.last.map(|last| match last.get() {
            1 => "the newest one".to_owned(),
            last => format!("the newest {last}"),
        });
        let buckets = buckets.into_iter().filter_map(|(count, each, many)| {
            let count = count?;
            Some(format!("one {each} for the last {count} {many} that have any"))
        });
        let within = self.within.map(|time| format!("all active within {}", shown(time)));
        and_list(&last.into_iter().chain(buckets).chain(within).collect::<Vec<_>>())
    }
}

impl KeepRule {
    /// The rule in plain words.
    pub fn describe(&self) -> String {
        let mut text = format!("keep `{}`: {}", self.name, in_words(&self.matchers));
        if !self.counts.is_empty() {
            text = format!("{text}; of these {}", self.counts.in_words());
        }
        if let Some(group_by) = &self.counts.group_by {
            text = format!("{text}, in each group by `{}`", group_by.as_str());
        }
        text
    }
}

impl DeleteRule {
    /// The rule in plain words.
    pub fn describe(&self) -> String {
        let mut text = format!("delete `{}`: {}", self.name, in_words(&self.matchers));
        if !self.grace.is_zero() {
            text = format!("{text}; after {} of grace", shown(self.grace));
        }
        match self.undelivered {
            Undelivered::Respect => text,
            Undelivered::Force => format!("{text}; ALSO with results that were never delivered"),
        }
    }
}
