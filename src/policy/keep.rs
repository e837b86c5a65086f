//! Keep counts: which of a keep rule's matches are among the newest.
//!
//! Ranks run over the whole inventory, newest first by last activity, ties by creation and id. A
//! batch that the rule cannot judge, or whose time is not known, is kept and takes no place: so less
//! data never pushes another batch out.
//! Not here: what makes a batch match (`rule`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Datelike};
use chrono_tz::Tz;

use crate::batch::{Fact, Field};
use crate::clock::Timestamp;
use crate::policy::answer::Answer;
use crate::policy::matcher::later;
use crate::policy::rule::{Counts, KeepRule, all};
use crate::policy::subject::Subject;

/// Where one match stands in its group, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The group's name; `None` for the one group, or for names that `group_by` does not match.
    pub(super) group: Option<String>,
    /// From 1, the newest.
    pub(super) rank: usize,
    /// Matches in the group.
    pub(super) of: usize,
    /// Which counts keep it, by their keys in the file.
    pub(super) kept_by: Vec<&'static str>,
}

/// What one keep rule says of every batch of an inventory.
#[derive(Debug)]
pub(super) struct Kept {
    /// By the batch's index.
    answers: Vec<Answer>,
    /// How many batches its matchers match, counts aside.
    pub(super) matched: usize,
}

impl Kept {
    /// What it says of one batch; in doubt, that nobody can say.
    pub(super) fn of(&self, index: usize) -> Answer {
        self.answers.get(index).copied().unwrap_or(Answer::Unknown(Field::Id))
    }
}

/// Asks one keep rule about every batch.
pub(super) fn ask(rule: &KeepRule, subjects: &[Subject<'_>], zone: Tz) -> Kept {
    let mut answers: Vec<_> = subjects.iter().map(|one| all(&rule.matchers, one)).collect();
    let matched = answers.iter().filter(|answer| **answer == Answer::Yes).count();
    if rule.counts.is_empty() {
        return Kept { answers, matched };
    }
    let mut places = Vec::with_capacity(matched);
    for group in groups(&rule.counts, subjects, &mut answers).into_values() {
        give_places(&rule.counts, subjects, zone, &group, |index, kept_by, _| {
            places.push((index, Answer::from(!kept_by.is_empty())));
        });
    }
    for (index, place) in places {
        if let Some(answer) = answers.get_mut(index) {
            *answer = place;
        }
    }
    Kept { answers, matched }
}

/// Where one batch stands with a counting rule; `None` if it takes no place.
pub(super) fn place(
    rule: &KeepRule,
    subjects: &[Subject<'_>],
    zone: Tz,
    wanted: usize,
) -> Option<Place> {
    let mut answers: Vec<_> = subjects.iter().map(|one| all(&rule.matchers, one)).collect();
    let groups = groups(&rule.counts, subjects, &mut answers);
    let (name, group) = groups.into_iter().find(|(_, group)| group.contains(&wanted))?;
    let mut found = None;
    give_places(&rule.counts, subjects, zone, &group, |index, kept_by, rank| {
        if index == wanted {
            let (group_name, of) = (name.map(str::to_owned), group.len());
            found = Some(Place { group: group_name, rank, of, kept_by: kept_by.to_vec() });
        }
    });
    found
}

/// The matches by group, each group newest first. A match whose time or group cannot be told is left
/// out, and its answer becomes unknown.
fn groups<'b>(
    counts: &Counts,
    subjects: &[Subject<'b>],
    answers: &mut [Answer],
) -> BTreeMap<Option<&'b str>, Vec<usize>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, (subject, answer)) in subjects.iter().zip(answers).enumerate() {
        if *answer != Answer::Yes {
            continue;
        }
        match standing(counts, subject) {
            Ok((group, key)) => groups.entry(group).or_default().push((key, index)),
            Err(field) => *answer = Answer::Unknown(field),
        }
    }
    groups
        .into_iter()
        .map(|(name, mut group)| {
            group.sort_unstable();
            (name, group.into_iter().map(|(_, index)| index).collect())
        })
        .collect()
}

/// What orders the matches of a group: newest first, then by id.
type Order<'b> = (Reverse<(Timestamp, Timestamp)>, &'b str);

/// A match's group and its place in the order; else the field that cannot tell.
fn standing<'b>(
    counts: &Counts,
    subject: &Subject<'b>,
) -> Result<(Option<&'b str>, Order<'b>), Field> {
    let active = subject.active?;
    let created = subject.created?;
    let group = match (&counts.group_by, &subject.batch.name) {
        (None, _) => None,
        (Some(group_by), Fact::Known(name)) => group_by.group_of(name),
        (Some(_), Fact::Missing | Fact::Unreadable(_)) => return Err(Field::Name),
    };
    Ok((group, (Reverse((active, created)), subject.batch.id.as_str())))
}

/// Walks one group, newest first, and tells of each match which counts keep it, and its rank.
fn give_places(
    counts: &Counts,
    subjects: &[Subject<'_>],
    zone: Tz,
    group: &[usize],
    mut tell: impl FnMut(usize, &[&'static str], usize),
) {
    let mut calendars = [
        ("daily", Calendar::new(counts.daily, |at| (at.num_days_from_ce(), 0))),
        (
            "weekly",
            Calendar::new(counts.weekly, |at| {
                let week = at.iso_week();
                (week.year(), week.week())
            }),
        ),
        ("monthly", Calendar::new(counts.monthly, |at| (at.year(), at.month()))),
        ("yearly", Calendar::new(counts.yearly, |at| (at.year(), 0))),
    ];
    let needs_dates = calendars.iter().any(|(_, calendar)| calendar.most > 0);
    for (place, index) in group.iter().enumerate() {
        let Some(subject) = subjects.get(*index) else { continue };
        let Ok(active) = subject.active else { continue };
        let mut kept_by = Vec::new();
        if counts.last.is_some_and(|last| place < last.get() as usize) {
            kept_by.push("last");
        }
        if needs_dates {
            let local = active.with_timezone(&zone);
            let keeping = calendars
                .iter_mut()
                .filter_map(|(name, calendar)| calendar.keeps(&local).then_some(*name));
            kept_by.extend(keeping);
        }
        if counts.within.is_some_and(|within| is_within(active, within, subject.now)) {
            kept_by.push("within");
        }
        tell(*index, &kept_by, place + 1);
    }
}

/// Whether a time is at most so long ago. Beyond the calendar's end everything is.
fn is_within(active: Timestamp, within: Duration, now: Timestamp) -> bool {
    later(active, within).is_none_or(|end| end >= now)
}

/// Buckets of the calendar, of which the newest N that have anything count. A set, not the last key
/// seen: where a clock is set back over midnight, a day can come, go and come again.
struct Calendar {
    most: usize,
    bucket: fn(&DateTime<Tz>) -> (i32, u32),
    seen: BTreeSet<(i32, u32)>,
}

impl Calendar {
    fn new(most: Option<NonZeroU32>, bucket: fn(&DateTime<Tz>) -> (i32, u32)) -> Self {
        Self { most: most.map_or(0, |most| most.get() as usize), bucket, seen: BTreeSet::new() }
    }

    /// Whether this is the first, so the newest, of a bucket that still counts.
    fn keeps(&mut self, at: &DateTime<Tz>) -> bool {
        self.seen.len() < self.most && self.seen.insert((self.bucket)(at))
    }
}
