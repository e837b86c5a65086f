//! Laws of deciding, held by made-up policies and inventories; and tables for what a law cannot say.
//!
//! More keep rules or holds, less data or an earlier `now` never add to what is deleted; order
//! changes nothing; deciding twice is equal; and a naive second implementation agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{Datelike, TimeDelta};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::batch::fixtures::{at, batch};
use crate::batch::{Batch, BatchId, Fact, Field, RuleName, Status, Undelivered, word};
use crate::clock::Timestamp;
use crate::policy::answer::Answer;
use crate::policy::verdict::{Asker, Verdict, Waiting};

const NOW: &str = "2026-03-30T12:00:00Z";
const HOUR: u64 = 3_600;

fn name(text: &str) -> RuleName {
    RuleName::parse(text).unwrap()
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * HOUR)
}

fn globs(patterns: &[&str]) -> Matcher {
    Matcher::Name(patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect())
}

fn keep(rule: &str, matchers: Vec<Matcher>, counts: Counts) -> KeepRule {
    KeepRule { name: name(rule), matchers, counts, may_be_empty: false }
}

fn delete(rule: &str, matchers: Vec<Matcher>) -> DeleteRule {
    DeleteRule {
        name: name(rule),
        matchers,
        undelivered: Undelivered::Respect,
        grace: Duration::ZERO,
    }
}

/// The terms of most tests: this floor, calendar days in this zone.
const fn terms(never_younger_than: Option<Duration>, zone: Tz) -> Terms {
    Terms { never_younger_than, probation: Duration::ZERO, name_markers: false, zone }
}

fn some(count: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(count)
}

// ---- made-up rules, as data, so that a policy can be made of them any number of times ----

#[derive(Debug, Clone)]
enum Asks {
    Name(&'static str),
    Schedule(&'static str),
    Enabled(bool),
    NeverRun(bool),
    HasResults(bool),
    Searches(u64),
    OlderThan(u64),
    IdleFor(u64),
    CreatedBefore(u64),
}

impl Asks {
    fn matcher(&self) -> Matcher {
        let now = at(NOW);
        match self {
            Self::Name(glob) => globs(&[glob]),
            Self::Schedule(kind) => Matcher::ScheduleType(vec![word(kind)]),
            Self::Enabled(wanted) => Matcher::Enabled(*wanted),
            Self::NeverRun(wanted) => Matcher::NeverRun(*wanted),
            Self::HasResults(wanted) => Matcher::HasResults(*wanted),
            Self::Searches(min) => Matcher::Searches { min: Some(*min), max: None },
            Self::OlderThan(age) => Matcher::OlderThan(hours(*age)),
            Self::IdleFor(age) => Matcher::IdleFor(hours(*age)),
            Self::CreatedBefore(ago) => {
                Matcher::CreatedBefore(now - TimeDelta::hours(i64::try_from(*ago).unwrap()))
            }
        }
    }

    /// The naive answer: `None` is unknown.
    fn holds(&self, b: &Batch, now: Timestamp) -> Option<bool> {
        let known = |fact: &Fact<Timestamp>| fact.known().copied().filter(|time| *time <= now);
        let created = known(&b.created_at);
        match self {
            Self::Name(glob) => b.name.known().map(|name| {
                glob.strip_suffix('*').map_or(**name == **glob, |start| name.starts_with(start))
            }),
            Self::Schedule(kind) => b.schedule_type.known().map(|seen| seen == kind),
            Self::Enabled(wanted) => b.enabled.known().map(|seen| seen == wanted),
            Self::NeverRun(wanted) => b.never_ran().map(|seen| seen == *wanted),
            Self::HasResults(wanted) => b.results_count.known().map(|seen| (*seen > 0) == *wanted),
            Self::Searches(min) => b.searches.known().map(|seen| seen >= min),
            Self::OlderThan(age) => {
                created.map(|at| now - at >= TimeDelta::from_std(hours(*age)).unwrap())
            }
            Self::IdleFor(age) => naive_activity(b, now)
                .map(|at| now - at >= TimeDelta::from_std(hours(*age)).unwrap()),
            Self::CreatedBefore(ago) => {
                let end = at(NOW) - TimeDelta::hours(i64::try_from(*ago).unwrap());
                created.map(|at| at < end)
            }
        }
    }

    const fn is_age(&self) -> bool {
        matches!(self, Self::OlderThan(_) | Self::IdleFor(_))
    }
}

fn naive_activity(b: &Batch, now: Timestamp) -> Option<Timestamp> {
    let created = b.created_at.known().copied().filter(|time| *time <= now)?;
    if b.never_ran()? {
        return Some(created);
    }
    let ran = b.last_run.known().copied().filter(|time| *time <= now)?;
    Some(if ran > created { ran } else { created })
}

#[derive(Debug, Clone)]
struct MadeKeep {
    asks: Vec<Asks>,
    group: bool,
    last: u32,
    daily: u32,
    within: Option<u64>,
}

#[derive(Debug, Clone)]
struct Made {
    keep: Vec<MadeKeep>,
    delete: Vec<MadeDelete>,
    floor: Option<u64>,
    probation: u64,
    name_markers: bool,
}

#[derive(Debug, Clone)]
struct MadeDelete {
    asks: Vec<Asks>,
    grace: u64,
}

impl Made {
    fn policy(&self) -> Policy {
        let keep = self.keep.iter().enumerate().map(|(n, made)| {
            let counts = Counts {
                group_by: made.group.then(|| GroupBy::parse("^([a-z]+)").unwrap()),
                last: some(made.last),
                daily: some(made.daily),
                within: made.within.map(hours),
                ..Counts::default()
            };
            keep(&format!("k{n}"), made.asks.iter().map(Asks::matcher).collect(), counts)
        });
        let delete = self.delete.iter().enumerate().map(|(n, made)| DeleteRule {
            grace: hours(made.grace),
            ..delete(&format!("d{n}"), made.asks.iter().map(Asks::matcher).collect())
        });
        let keep = keep.collect();
        Policy::new(keep, delete.collect(), self.terms())
    }

    fn terms(&self) -> Terms {
        Terms {
            never_younger_than: self.floor.map(hours),
            probation: hours(self.probation),
            name_markers: self.name_markers,
            zone: Tz::UTC,
        }
    }

    fn deletes(&self, batches: &[Batch], memory: &Memory, now: Timestamp) -> BTreeSet<BatchId> {
        let decision = self.policy().decide(batches, memory, now);
        let pairs = batches.iter().zip(&decision.verdicts);
        pairs
            .filter(|(_, verdict)| matches!(verdict, Verdict::Delete { .. }))
            .map(|(batch, _)| batch.id.clone())
            .collect()
    }

    /// Plainly, one batch at a time, everything anew for each.
    fn naively_deletes(
        &self,
        batches: &[Batch],
        memory: &Memory,
        now: Timestamp,
    ) -> BTreeSet<BatchId> {
        let over = |since: Option<&Timestamp>, wait: u64| {
            let began = since.copied().unwrap_or(now);
            wait == 0 || now - began >= TimeDelta::from_std(hours(wait)).unwrap()
        };
        let goes = |b: &&Batch| {
            let selected = self.delete.iter().enumerate().any(|(n, made)| {
                let rule = name(&format!("d{n}"));
                let since = memory.selected_since.get(&rule).and_then(|of| of.get(&b.id));
                naive_all(&made.asks, b, now) == Some(true)
                    && over(since, made.grace)
                    && over(memory.unchanged_since.get(&rule), self.probation)
            });
            let marked =
                self.name_markers && b.name.known().is_none_or(|name| name.contains("[keep]"));
            let held = memory.holds.get(&b.id).is_some_and(|hold| hold.until >= now);
            let free =
                self.keep.iter().all(|made| naive_keeps(made, b, batches, now) == Some(false));
            let old = self.floor.is_none_or(|floor| {
                naive_activity(b, now)
                    .is_some_and(|at| now - at >= TimeDelta::from_std(hours(floor)).unwrap())
            });
            selected && !marked && !held && free && old && b.status == Fact::Known(Status::Idle)
        };
        batches.iter().filter(goes).map(|b| b.id.clone()).collect()
    }
}

fn naive_all(asks: &[Asks], b: &Batch, now: Timestamp) -> Option<bool> {
    let answers: Vec<_> = asks.iter().map(|one| one.holds(b, now)).collect();
    if answers.contains(&Some(false)) {
        Some(false)
    } else if answers.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn naive_group(made: &MadeKeep, b: &Batch) -> Option<String> {
    if !made.group {
        return Some(String::new());
    }
    let name = b.name.known()?;
    Some(name.chars().take_while(char::is_ascii_lowercase).collect())
}

fn naive_keeps(made: &MadeKeep, b: &Batch, all: &[Batch], now: Timestamp) -> Option<bool> {
    if !naive_all(&made.asks, b, now)? {
        return Some(false);
    }
    if made.last == 0 && made.daily == 0 && made.within.is_none() {
        return Some(true);
    }
    let active = naive_activity(b, now)?;
    let group = naive_group(made, b)?;
    let order = |b: &Batch| {
        let created = b.created_at.known().copied();
        (std::cmp::Reverse((naive_activity(b, now), created)), b.id.clone())
    };
    let newer: Vec<_> = all
        .iter()
        .filter(|other| {
            naive_all(&made.asks, other, now) == Some(true)
                && naive_activity(other, now).is_some()
                && naive_group(made, other) == Some(group.clone())
                && order(other) < order(b)
        })
        .collect();
    let day = |at: Timestamp| at.num_days_from_ce();
    let newer_days: BTreeSet<_> =
        newer.iter().map(|other| day(naive_activity(other, now).unwrap())).collect();
    let by_last = newer.len() < made.last as usize;
    let by_day = !newer_days.contains(&day(active)) && newer_days.len() < made.daily as usize;
    let by_time = made
        .within
        .is_some_and(|within| now - active <= TimeDelta::from_std(hours(within)).unwrap());
    Some(by_last || by_day || by_time)
}

fn asks() -> impl Strategy<Value = Asks> {
    prop_oneof![
        prop::sample::select(vec!["tmp-*", "report-*", "prod-*", "*", "tmp-1"])
            .prop_map(Asks::Name),
        prop::sample::select(vec!["manual", "daily"]).prop_map(Asks::Schedule),
        any::<bool>().prop_map(Asks::Enabled),
        any::<bool>().prop_map(Asks::NeverRun),
        any::<bool>().prop_map(Asks::HasResults),
        (0..4_u64).prop_map(Asks::Searches),
        (0..200_u64).prop_map(Asks::OlderThan),
        (0..200_u64).prop_map(Asks::IdleFor),
        (0..200_u64).prop_map(Asks::CreatedBefore),
    ]
}

fn made() -> impl Strategy<Value = Made> {
    let keep = (
        prop::collection::vec(asks(), 0..3),
        any::<bool>(),
        0..3_u32,
        0..3_u32,
        prop::option::of(0..100_u64),
    )
        .prop_map(|(asks, group, last, daily, within)| MadeKeep {
            asks,
            group,
            last,
            daily,
            within,
        });
    let delete = (prop::collection::vec(asks(), 1..3), waiting())
        .prop_map(|(asks, grace)| MadeDelete { asks, grace });
    (
        prop::collection::vec(keep, 0..3),
        prop::collection::vec(delete, 1..4),
        prop::option::of(0..48_u64),
        waiting(),
        any::<bool>(),
    )
        .prop_map(|(keep, delete, floor, probation, name_markers)| Made {
            keep,
            delete,
            floor,
            probation,
            name_markers,
        })
}

/// Hours of grace or probation; mostly none.
fn waiting() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 1 => 1..48_u64]
}

/// What is remembered: first sights within three days, also some in the future; a few holds.
fn memory() -> impl Strategy<Value = Memory> {
    let hour = || (-72..5_i64).prop_map(|hours| at(NOW) + TimeDelta::hours(hours));
    let batch = || (0..14_u8).prop_map(|n| BatchId::parse(&format!("A{n}")).unwrap());
    let rule = || (0..4_u8).prop_map(|n| name(&format!("d{n}")));
    let hold = hour().prop_map(|until| Hold { until, why: "audit".into() });
    let sights = prop::collection::btree_map(batch(), hour(), 0..14);
    (
        prop::collection::btree_map(batch(), hold, 0..3),
        prop::collection::btree_map(rule(), sights, 0..4),
        prop::collection::btree_map(rule(), hour(), 0..4),
    )
        .prop_map(|(holds, selected_since, unchanged_since)| Memory {
            holds,
            selected_since,
            unchanged_since,
        })
}

fn fact<T: std::fmt::Debug + Clone>(
    known: impl Strategy<Value = T>,
) -> impl Strategy<Value = Fact<T>> {
    prop_oneof![
        8 => known.prop_map(Fact::Known),
        1 => Just(Fact::Missing),
        1 => Just(Fact::Unreadable("odd".into())),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    // Mostly whole hours of the last nine days, so that ties and equal days occur; some future.
    (-216..12_i64).prop_map(|hours| at(NOW) + TimeDelta::hours(hours))
}

fn made_batch() -> impl Strategy<Value = Batch> {
    let names = vec!["tmp-1", "tmp-2", "tmp-3 [keep]", "report-a", "report-b", "prod-x", "7"];
    (
        fact(prop::sample::select(names)),
        fact(time()),
        fact(time()),
        fact(prop_oneof![6 => Just("idle"), 1 => Just("running"), 1 => Just("parked")]),
        (fact(prop::sample::select(vec!["manual", "daily"])), fact(any::<bool>())),
        (fact(0..4_u64), fact(0..2_u64), fact(0..4_u64)),
    )
        .prop_map(
            |(name, created, last_run, status, (schedule, enabled), (searches, results, next))| {
                batch("A0")
                    .with(|b| {
                        b.name = map(name, Box::from);
                        (b.created_at, b.last_run) = (created, last_run);
                        b.status = map(status, Status::from);
                        b.schedule_type = map(schedule, word);
                        (b.enabled, b.searches) = (enabled, searches);
                        (b.results_count, b.next_result_set_id) = (results, next);
                    })
                    .build()
            },
        )
}

fn map<T, U>(fact: Fact<T>, known: impl FnOnce(T) -> U) -> Fact<U> {
    match fact {
        Fact::Known(value) => Fact::Known(known(value)),
        Fact::Missing => Fact::Missing,
        Fact::Unreadable(seen) => Fact::Unreadable(seen),
    }
}

fn inventory() -> impl Strategy<Value = Vec<Batch>> {
    prop::collection::vec(made_batch(), 1..14).prop_map(|mut batches| {
        for (n, batch) in batches.iter_mut().enumerate() {
            batch.id = BatchId::parse(&format!("A{n}")).unwrap();
        }
        batches
    })
}

/// Takes one field of a batch away. A `last_run` that is absent together with a first result set
/// still to come is itself the datum "never ran" (contract §6.1.6), so there it becomes unreadable
/// instead: that is less data, absence would be other data.
fn blur(b: &mut Batch, field: u8) {
    let never_ran_if_absent = matches!(b.next_result_set_id, Fact::Known(next) if next <= 1);
    match field {
        0 => b.name = Fact::Missing,
        1 => b.created_at = Fact::Unreadable("?".into()),
        2 if never_ran_if_absent => b.last_run = Fact::Unreadable("?".into()),
        2 => b.last_run = Fact::Missing,
        3 => b.status = Fact::Missing,
        4 => b.schedule_type = Fact::Unreadable("?".into()),
        5 => b.enabled = Fact::Missing,
        6 => b.searches = Fact::Unreadable("?".into()),
        7 => b.results_count = Fact::Missing,
        _ => b.next_result_set_id = Fact::Missing,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_naive_second_implementation_agrees(
        made in made(), batches in inventory(), memory in memory()
    ) {
        let decided = made.deletes(&batches, &memory, at(NOW));
        prop_assert_eq!(decided, made.naively_deletes(&batches, &memory, at(NOW)));
    }

    #[test]
    fn more_keep_rules_never_add_a_deletion(
        made in made(), batches in inventory(), memory in memory(), more in made()
    ) {
        let mut richer = made.clone();
        richer.keep.extend(more.keep);
        let (few, many) =
            (richer.deletes(&batches, &memory, at(NOW)), made.deletes(&batches, &memory, at(NOW)));
        prop_assert!(few.is_subset(&many));
    }

    #[test]
    fn a_hold_takes_its_batch_out_and_adds_none(
        made in made(), batches in inventory(), memory in memory(),
        held in any::<prop::sample::Index>()
    ) {
        let id = batches[held.index(batches.len())].id.clone();
        let hold = Hold { until: at(NOW), why: "audit".into() };
        let mut holding = memory.clone();
        holding.holds.insert(id.clone(), hold);
        let few = made.deletes(&batches, &holding, at(NOW));
        prop_assert!(!few.contains(&id));
        prop_assert!(few.is_subset(&made.deletes(&batches, &memory, at(NOW))));
    }

    #[test]
    fn more_patience_and_markers_never_add_a_deletion(
        made in made(), batches in inventory(), memory in memory(), more in 1..48_u64
    ) {
        let goes = made.deletes(&batches, &memory, at(NOW));
        let mut patient = made.clone();
        patient.delete[0].grace += more;
        prop_assert!(patient.deletes(&batches, &memory, at(NOW)).is_subset(&goes));
        let on_probation = Made { probation: made.probation + more, ..made.clone() };
        prop_assert!(on_probation.deletes(&batches, &memory, at(NOW)).is_subset(&goes));
        let marking = Made { name_markers: true, ..made };
        prop_assert!(marking.deletes(&batches, &memory, at(NOW)).is_subset(&goes));
    }

    /// Of first sights: an edited rule and a batch that is new to it are as new as this run. Of holds,
    /// less is no less data but another decision of a person.
    #[test]
    fn a_shorter_memory_never_adds_a_deletion(
        made in made(), batches in inventory(), memory in memory()
    ) {
        let forgetful = Memory { holds: memory.holds.clone(), ..Memory::default() };
        let few = made.deletes(&batches, &forgetful, at(NOW));
        // A sight yet to come is a clock that went back: it waits longer than one of now.
        let past = |at_: &Timestamp| *at_ <= at(NOW);
        let mut sane = memory;
        sane.selected_since.values_mut().for_each(|of| of.retain(|_, since| past(since)));
        sane.unchanged_since.retain(|_, since| past(since));
        prop_assert!(few.is_subset(&made.deletes(&batches, &sane, at(NOW))));
    }

    #[test]
    fn less_data_never_adds_a_deletion(
        made in made(), batches in inventory(), memory in memory(),
        one in any::<prop::sample::Index>(), field in 0..9_u8
    ) {
        let mut poorer = batches.clone();
        blur(&mut poorer[one.index(batches.len())], field);
        let few = made.deletes(&poorer, &memory, at(NOW));
        prop_assert!(few.is_subset(&made.deletes(&batches, &memory, at(NOW))));
    }

    /// Keep rules that ask for a minimum age protect more as time goes by, and less before; so the
    /// law holds for policies whose keep rules ask for none. (Nobody needs one: `within` and the
    /// counts protect the young.) A hold that is over by now may have held before.
    #[test]
    fn an_earlier_now_never_adds_a_deletion(
        made in made(), batches in inventory(), memory in memory(), earlier in 0..100_i64
    ) {
        let mut made = made;
        for keep in &mut made.keep {
            keep.asks.retain(|asks| !asks.is_age());
        }
        let before = at(NOW) - TimeDelta::hours(earlier);
        let few = made.deletes(&batches, &memory, before);
        let unheld = Memory { holds: BTreeMap::new(), ..memory };
        prop_assert!(few.is_subset(&made.deletes(&batches, &unheld, at(NOW))));
    }

    #[test]
    fn order_changes_nothing_and_deciding_twice_is_equal(
        made in made(), batches in inventory(), memory in memory()
    ) {
        let mut policy = made.policy();
        let first = policy.decide(&batches, &memory, at(NOW));
        prop_assert_eq!(&first, &policy.decide(&batches, &memory, at(NOW)));
        policy.keep.reverse();
        policy.delete.reverse();
        let Policy { keep, delete, terms } = policy;
        let reordered = Policy::new(keep, delete, terms);
        let backwards: Vec<_> = batches.iter().rev().cloned().collect();
        let mut second = reordered.decide(&backwards, &memory, at(NOW));
        second.verdicts.reverse();
        prop_assert_eq!(first, second);
    }

    #[test]
    fn explain_gives_the_verdict_that_decide_gives(
        made in made(), batches in inventory(), memory in memory()
    ) {
        let policy = made.policy();
        // Only what is selected is remembered.
        let mut memory = memory;
        let selected = policy.decide(&batches, &memory, at(NOW)).selected;
        memory.selected_since.retain(|rule, of| {
            of.retain(|id, _| selected.get(rule).is_some_and(|ids| ids.contains(id)));
            true
        });
        let decided = policy.decide(&batches, &memory, at(NOW)).verdicts;
        let eligible = policy.eligible_times(&batches, &decided, &memory, at(NOW));
        prop_assert_eq!(eligible.len(), decided.len());
        for (index, verdict) in decided.iter().enumerate() {
            let explained = policy.explain(&batches, index, &memory, at(NOW)).unwrap();
            prop_assert_eq!(&explained.verdict, verdict);
            prop_assert_eq!(eligible[index], explained.eligible_at);
            // What time alone makes deletable is deletable then, and not an hour before.
            if let (Verdict::Unmatched | Verdict::TooYoung { .. } | Verdict::Wait { .. }, Some(then)) =
                (verdict, explained.eligible_at)
            {
                let sooner = policy.decide(&batches, &memory, then - TimeDelta::hours(1));
                prop_assert_ne!(sooner.verdicts[index].name(), "delete");
            }
        }
    }
}

// ---- tables ----

fn verdict_of(policy: &Policy, batch: Batch, memory: &Memory) -> Verdict {
    policy.decide(&[batch], memory, at(NOW)).verdicts.remove(0)
}

fn ordinary_policy() -> Policy {
    let keep_rule = keep("pinned", vec![globs(&["*-pinned"])], Counts::default());
    let tmp = delete("tmp", vec![globs(&["tmp-*"]), Matcher::OlderThan(hours(168))]);
    let busy = delete("small", vec![Matcher::Searches { min: None, max: Some(0) }]);
    Policy::new(vec![keep_rule], vec![tmp, busy], terms(Some(hours(24)), Tz::UTC))
}

// fault: F5, H14, J8, J9
#[expect(clippy::too_many_lines, reason = "a table: one row for each verdict")]
#[test]
fn every_verdict_is_given_for_its_cause_and_the_first_that_holds_wins() {
    let policy = ordinary_policy();
    let tmp = || -> verdict::Rules { [name("tmp")].into() };
    let none = || -> verdict::Rules { [].into() };
    let id = BatchId::parse("A1").unwrap();
    let hold = Hold { until: at("2026-04-01T00:00:00Z"), why: "audit".into() };
    let memory = Memory { holds: BTreeMap::from([(id, hold)]), ..Memory::default() };
    let open = Memory::default();
    let ordinary = || batch("A1").name("tmp-1");
    let recent = at("2026-03-30T00:00:00Z");
    let rows: Vec<(&str, Batch, &Memory, Verdict)> = vec![
        ("unmatched", batch("A1").name("other").build(), &open, Verdict::Unmatched),
        (
            "held before kept",
            batch("A1").name("tmp-pinned").build(),
            &memory,
            Verdict::Held {
                selected_by: tmp(),
                until: Some(at("2026-04-01T00:00:00Z")),
                why: "audit".into(),
            },
        ),
        (
            "kept before unknown and busy",
            batch("A1").name("tmp-pinned").status(Status::Running).build(),
            &open,
            Verdict::Kept { selected_by: tmp(), by: [name("pinned")].into() },
        ),
        (
            "only unknown answers",
            batch("A1").name("tmp-1").created_at(Fact::Missing).build(),
            &open,
            Verdict::Unknown {
                selected_by: none(),
                field: Field::CreatedAt,
                asker: Asker::Rule(name("tmp")),
            },
        ),
        (
            "an unknown keep rule",
            batch("A1").with(|b| (b.name, b.searches) = (Fact::Missing, Fact::Known(0))).build(),
            &open,
            Verdict::Unknown {
                selected_by: [name("small")].into(),
                field: Field::Name,
                asker: Asker::Rule(name("pinned")),
            },
        ),
        (
            "an unknown floor",
            ordinary().with(|b| b.last_run = Fact::Unreadable("soon".into())).build(),
            &open,
            Verdict::Unknown { selected_by: tmp(), field: Field::LastRun, asker: Asker::Floor },
        ),
        (
            "too young before busy",
            ordinary().with(|b| b.last_run = Fact::Known(recent)).status(Status::Running).build(),
            &open,
            Verdict::TooYoung { selected_by: tmp(), until: at("2026-03-31T00:00:00Z") },
        ),
        (
            "a status never seen",
            ordinary().status(Status::Other("stopping".into())).build(),
            &open,
            Verdict::Busy {
                selected_by: tmp(),
                status: Fact::Known(Status::Other("stopping".into())),
            },
        ),
        (
            "a missing status",
            ordinary().with(|b| b.status = Fact::Missing).build(),
            &open,
            Verdict::Busy { selected_by: tmp(), status: Fact::Missing },
        ),
        (
            "delete, whatever another rule cannot answer",
            ordinary().with(|b| b.searches = Fact::Missing).build(),
            &open,
            Verdict::Delete { by: tmp(), undelivered: Undelivered::Respect },
        ),
    ];
    for (case, batch, memory, expected) in rows {
        assert_eq!(verdict_of(&policy, batch, memory), expected, "{case}");
    }
}

// fault: F10
#[test]
fn a_rule_waits_for_its_grace_and_its_probation_and_one_that_need_not_wait_suffices() {
    let of = |grace: u64, probation: u64, memory: &Memory, more: Vec<DeleteRule>| {
        let tmp = DeleteRule { grace: hours(grace), ..delete("tmp", vec![globs(&["tmp-*"])]) };
        let rules = std::iter::once(tmp).chain(more).collect();
        let terms = Terms { probation: hours(probation), ..terms(None, Tz::UTC) };
        verdict_of(&Policy::new(vec![], rules, terms), batch("A1").build(), memory)
    };
    let seen = |batch: &str, rule: &str| Memory {
        selected_since: BTreeMap::from([(
            name("tmp"),
            BTreeMap::from([(BatchId::parse("A1").unwrap(), at(batch))]),
        )]),
        unchanged_since: BTreeMap::from([(name("tmp"), at(rule))]),
        ..Memory::default()
    };
    let (day_ago, long_ago) = ("2026-03-29T12:00:00Z", "2025-01-01T00:00:00Z");
    let waits =
        |until, why| Verdict::Wait { selected_by: [name("tmp")].into(), until: at(until), why };
    let goes =
        |by: &str| Verdict::Delete { by: [name(by)].into(), undelivered: Undelivered::Respect };
    let nothing = Memory::default();
    assert_eq!(of(0, 0, &nothing, vec![]), goes("tmp"));
    assert_eq!(of(24, 0, &nothing, vec![]), waits("2026-03-31T12:00:00Z", Waiting::Grace));
    assert_eq!(of(0, 24, &nothing, vec![]), waits("2026-03-31T12:00:00Z", Waiting::Probation));
    assert_eq!(of(24, 24, &seen(day_ago, long_ago), vec![]), goes("tmp"));
    assert_eq!(
        of(25, 24, &seen(day_ago, long_ago), vec![]),
        waits("2026-03-30T13:00:00Z", Waiting::Grace)
    );
    assert_eq!(
        of(24, 25, &seen(day_ago, day_ago), vec![]),
        waits("2026-03-30T13:00:00Z", Waiting::Probation)
    );
    let ready = vec![delete("ready", vec![globs(&["tmp-*"])])];
    assert_eq!(of(24, 0, &nothing, ready), goes("ready"));
}

#[test]
fn a_marker_in_the_name_holds_until_its_day_is_over_and_a_name_that_is_not_known_may_have_one() {
    let of = |name: Fact<Box<str>>, name_markers| {
        let rules = vec![delete("all", vec![Matcher::Enabled(true)])];
        let policy = Policy::new(vec![], rules, Terms { name_markers, ..terms(None, Tz::UTC) });
        verdict_of(&policy, batch("A1").with(|b| b.name = name).build(), &Memory::default()).name()
    };
    let known = |name: &str| Fact::Known(name.into());
    assert_eq!(of(known("tmp [keep]"), true), "held");
    assert_eq!(of(known("tmp [keep until=2026-03-30]"), true), "held");
    assert_eq!(of(known("tmp [keep until=2026-03-29]"), true), "delete");
    assert_eq!(of(Fact::Missing, true), "unknown");
    assert_eq!(of(known("tmp [keep]"), false), "delete");
    assert_eq!(of(Fact::Missing, false), "delete");
}

#[test]
fn a_hold_that_is_over_holds_nothing() {
    let hold = Hold { until: at("2026-03-30T11:59:59Z"), why: "audit".into() };
    let memory = Memory {
        holds: BTreeMap::from([(BatchId::parse("A1").unwrap(), hold)]),
        ..Memory::default()
    };
    let verdict = verdict_of(&ordinary_policy(), batch("A1").name("tmp-1").build(), &memory);
    assert_eq!(verdict.name(), "delete");
}

#[test]
fn force_needs_every_selecting_rule() {
    let rule = |name: &str, undelivered| DeleteRule {
        undelivered,
        ..delete(name, vec![globs(&["tmp-*"])])
    };
    let of = |rules| {
        let policy = Policy::new(vec![], rules, terms(None, Tz::UTC));
        let verdict = verdict_of(&policy, batch("A1").build(), &Memory::default());
        let Verdict::Delete { undelivered, .. } = verdict else { panic!("{verdict:?}") };
        undelivered
    };
    let (force, respect) = (Undelivered::Force, Undelivered::Respect);
    assert_eq!(of(vec![rule("a", force)]), force);
    assert_eq!(of(vec![rule("a", force), rule("b", respect)]), respect);
    assert_eq!(of(vec![rule("a", force), rule("b", force)]), force);
}

/// Which of these batches, given as `(name, last run)`, a keep rule keeps, by name.
fn kept(counts: Counts, zone: Tz, batches: &[(&str, &str)]) -> Vec<String> {
    let batches: Vec<_> = batches
        .iter()
        .enumerate()
        .map(|(n, (name, ran))| {
            batch(&format!("A{n}"))
                .name(name)
                .created("2025-01-01T00:00:00Z")
                .with(|b| b.last_run = Fact::Known(at(ran)))
                .build()
        })
        .collect();
    let everything = vec![delete("all", vec![])];
    let policy = Policy::new(vec![keep("k", vec![], counts)], everything, terms(None, zone));
    let verdicts = policy.decide(&batches, &Memory::default(), at("2026-12-31T00:00:00Z")).verdicts;
    batches
        .iter()
        .zip(verdicts)
        .filter(|(_, verdict)| verdict.name() == "kept")
        .map(|(batch, _)| batch.shown_name())
        .collect()
}

#[test]
fn keep_last_counts_each_group_and_names_without_a_group_are_one() {
    let counts = Counts {
        group_by: Some(GroupBy::parse("^(report-[a-z]+)").unwrap()),
        last: some(1),
        ..Counts::default()
    };
    let batches = [
        ("report-a 1", "2026-01-01T00:00:00Z"),
        ("report-a 2", "2026-01-02T00:00:00Z"),
        ("report-b 1", "2026-01-01T00:00:00Z"),
        ("other 1", "2026-01-03T00:00:00Z"),
        ("other 2", "2026-01-04T00:00:00Z"),
    ];
    assert_eq!(kept(counts, Tz::UTC, &batches), ["report-a 2", "report-b 1", "other 2"]);
}

#[test]
fn a_day_is_a_day_of_the_zone_also_when_clocks_change() {
    let daily = || Counts { daily: some(2), ..Counts::default() };
    // 29 March 2026 has 23 hours in Paris; 23:30 UTC on the 28th is the 29th there.
    let batches = [
        ("the 28th, evening", "2026-03-28T22:30:00Z"),
        ("the 29th, first minutes", "2026-03-28T23:30:00Z"),
        ("the 29th, last minutes", "2026-03-29T21:30:00Z"),
        ("the 30th", "2026-03-29T22:30:00Z"),
    ];
    assert_eq!(
        kept(daily(), chrono_tz::Europe::Paris, &batches),
        ["the 29th, last minutes", "the 30th"]
    );
    assert_eq!(kept(daily(), Tz::UTC, &batches), ["the 29th, first minutes", "the 30th"]);
}

#[test]
fn weeks_are_iso_weeks_and_months_and_years_are_the_calendars() {
    let batches = [
        ("Mon 29 Dec 2025, week 1 of 2026", "2025-12-29T12:00:00Z"),
        ("Thu 1 Jan 2026, week 1", "2026-01-01T12:00:00Z"),
        ("Sun 4 Jan 2026, week 1", "2026-01-04T12:00:00Z"),
        ("Sun 28 Dec 2025, week 52", "2025-12-28T12:00:00Z"),
    ];
    let weekly = Counts { weekly: some(5), ..Counts::default() };
    assert_eq!(
        kept(weekly, Tz::UTC, &batches),
        ["Sun 4 Jan 2026, week 1", "Sun 28 Dec 2025, week 52"]
    );
    let monthly = Counts { monthly: some(5), ..Counts::default() };
    assert_eq!(
        kept(monthly, Tz::UTC, &batches),
        ["Mon 29 Dec 2025, week 1 of 2026", "Sun 4 Jan 2026, week 1"]
    );
    let yearly = Counts { yearly: some(1), ..Counts::default() };
    assert_eq!(kept(yearly, Tz::UTC, &batches), ["Sun 4 Jan 2026, week 1"]);
    let within = Counts { within: Some(hours(24 * 362)), ..Counts::default() };
    assert_eq!(kept(within, Tz::UTC, &batches), ["Sun 4 Jan 2026, week 1"]);
}

// fault: J4
#[test]
fn a_batch_of_unknown_time_is_kept_and_takes_no_place() {
    let counts = Counts { last: some(1), ..Counts::default() };
    let policy = Policy::new(
        vec![keep("k", vec![], counts)],
        vec![delete("all", vec![globs(&["*"])])],
        terms(None, Tz::UTC),
    );
    let batches = [
        batch("A1").with(|b| b.last_run = Fact::Known(at("2026-02-01T00:00:00Z"))).build(),
        batch("A2").created_at(Fact::Missing).build(),
        batch("A3").build(),
    ];
    let verdicts = policy.decide(&batches, &Memory::default(), at(NOW)).verdicts;
    let names: Vec<_> = verdicts.iter().map(Verdict::name).collect();
    assert_eq!(names, ["kept", "unknown", "delete"]);
}

#[test]
fn keep_matches_are_counted_before_counts() {
    let counts = Counts { last: some(1), ..Counts::default() };
    let rules = vec![
        keep("none", vec![globs(&["prodd-*"])], Counts::default()),
        keep("some", vec![globs(&["tmp-*"])], counts),
    ];
    let policy = Policy::new(rules, vec![], terms(None, Tz::UTC));
    let batches = [batch("A1").build(), batch("A2").build()];
    let matches = policy.decide(&batches, &Memory::default(), at(NOW)).keep_matches;
    let counted: Vec<_> = matches.iter().map(|one| (one.rule.as_str(), one.matched)).collect();
    assert_eq!(counted, [("none", 0), ("some", 2)]);
}

#[test]
fn an_explanation_shows_every_rule_with_what_it_wanted_and_saw() {
    let counts = Counts {
        group_by: Some(GroupBy::parse("^([a-z]+)").unwrap()),
        last: some(1),
        ..Counts::default()
    };
    let policy = Policy::new(
        vec![
            keep("pinned", vec![globs(&["prod-*"])], Counts::default()),
            keep("newest", vec![globs(&["tmp-*"])], counts),
        ],
        vec![delete("tmp", vec![globs(&["tmp-*"]), Matcher::OlderThan(hours(24 * 100))])],
        terms(Some(hours(24)), Tz::UTC),
    );
    let batches = [
        batch("A1").build(),
        batch("A2").with(|b| b.last_run = Fact::Known(at("2026-02-01T00:00:00Z"))).build(),
    ];
    let explained = policy.explain(&batches, 0, &Memory::default(), at(NOW)).unwrap();
    assert_eq!(explained.verdict, Verdict::Unmatched);
    assert_eq!(explained.eligible_at, Some(at("2026-04-11T00:00:00Z")));
    let mut text = String::new();
    for rule in &explained.rules {
        writeln!(text, "{} {}: {}", rule.kind.name(), rule.rule, rule.answer.name()).unwrap();
        for one in &rule.matchers {
            let answer = one.answer.name();
            writeln!(text, "  {} {}: saw {}: {answer}", one.matcher, one.wanted, one.seen).unwrap();
        }
    }
    insta::assert_snapshot!(text);
    assert_eq!(explained.rules[0].answer, Answer::No);
}

// The law above found it: the run to come makes `idle_for` answerable an hour from now.
#[test]
fn nobody_can_say_when_a_batch_goes_whose_last_run_is_yet_to_come() {
    let probation = hours(2);
    let idle = delete("idle", vec![Matcher::IdleFor(Duration::ZERO)]);
    let enabled = delete("enabled", vec![Matcher::Enabled(true)]);
    let policy =
        Policy::new(Vec::new(), vec![idle, enabled], Terms { probation, ..terms(None, Tz::UTC) });
    let ran_at = |time: &str| {
        let mut one = batch("A0").created(NOW).build();
        one.last_run = Fact::Known(at(time));
        one
    };
    for (last_run, expected) in
        [("2026-03-30T13:00:00Z", None), (NOW, Some(at("2026-03-30T14:00:00Z")))]
    {
        let explained =
            policy.explain(&[ran_at(last_run)], 0, &Memory::default(), at(NOW)).unwrap();
        assert_eq!(explained.verdict.name(), "wait");
        assert_eq!(explained.eligible_at, expected, "{last_run}");
    }
}

#[test]
fn rules_are_described_in_plain_words() {
    let counts = Counts {
        group_by: Some(GroupBy::parse("^(report-[a-z]+)").unwrap()),
        last: some(3),
        daily: some(7),
        within: Some(hours(48)),
        ..Counts::default()
    };
    let forced = DeleteRule {
        undelivered: Undelivered::Force,
        ..delete("never-run", vec![Matcher::NeverRun(true), Matcher::OlderThan(hours(720))])
    };
    let policy = Policy::new(
        vec![
            keep("all", vec![], Counts::default()),
            keep("reports", vec![globs(&["report-*"])], counts),
        ],
        vec![
            forced,
            delete("tmp", vec![globs(&["tmp-*", "test-*"]), Matcher::IdleFor(hours(168))]),
        ],
        terms(None, Tz::UTC),
    );
    insta::assert_snapshot!(policy.describe().join("\n"));
}
