//! Simulation: what runs would do over the coming days to the batches of one listing, if nobody made,
//! changed or started any but the schedules of the batches themselves.
//!
//! Pure: a clock is stepped from firing to firing. Grace, probation, holds and guards count as in a run; the
//! platform's own expiry (contract §3: batches that were not started for two months) takes batches away as
//! well. What is busy now is taken to be idle from the first run on.
//! Not here: where the batches come from, how it is shown (`cli`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Months, NaiveDate, TimeDelta};

use crate::batch::{Batch, BatchId, Fact, RuleName, Status};
use crate::clock::Timestamp;
use crate::config::Account;
use crate::guards;
use crate::policy::Memory;
use crate::policy::verdict::Verdict;

/// One day, in the account's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Its date.
    pub date: NaiveDate,
    /// Runs on it.
    pub runs: usize,
    /// Deletions by rule: the first, by name, that selects a batch.
    pub deletions: BTreeMap<RuleName, usize>,
    /// Batches that the platform took away.
    pub expired: usize,
    /// Guards that would stop a run of the day.
    pub guards: BTreeSet<&'static str>,
    /// Batches that are left at its end.
    pub left: usize,
}

impl Day {
    fn new(date: NaiveDate, left: usize) -> Self {
        let (deletions, guards) = (BTreeMap::new(), BTreeSet::new());
        Self { date, runs: 0, deletions, expired: 0, guards, left }
    }

    /// Deletions of all rules.
    pub fn deleted(&self) -> usize {
        self.deletions.values().sum()
    }
}

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Runs after this.
    pub from: Timestamp,
    /// Runs up to this.
    pub until: Timestamp,
}

/// Runs the coming days: one entry for each, also where nothing happens.
pub fn simulate(account: &Account, batches: &[Batch], memory: &Memory, period: Period) -> Vec<Day> {
    let mut world = World::new(account, batches, memory);
    let date = |at: Timestamp| at.with_timezone(&account.zone).date_naive();
    let mut days: Vec<Day> = date(period.from)
        .iter_days()
        .take_while(|day| *day <= date(period.until))
        .map(|day| Day::new(day, 0))
        .collect();
    let mut firings = firings(account, period).into_iter().peekable();
    for day in &mut days {
        while let Some(at) = firings.next_if(|at| date(*at) == day.date) {
            world.run(at, day);
        }
        day.left = world.batches.len();
    }
    days
}

/// When runs are: by the schedule; without one, once a day from the beginning on.
fn firings(account: &Account, period: Period) -> Vec<Timestamp> {
    let is_within = |at: &Timestamp| *at <= period.until;
    match account.timing.schedule() {
        Some(schedule) => {
            schedule.firings(period.from).map(|firing| firing.at).take_while(is_within).collect()
        }
        None => (0..)
            .map_while(|days| period.from.checked_add_signed(TimeDelta::days(days)))
            .take_while(is_within)
            .collect(),
    }
}

/// What is left of the listing, and what is remembered of it.
struct World<'a> {
    account: &'a Account,
    batches: Vec<Batch>,
    memory: Memory,
}

/// How long the platform keeps a batch that is not started (contract §3).
const KEPT: Months = Months::new(2);

impl<'a> World<'a> {
    fn new(account: &'a Account, batches: &[Batch], memory: &Memory) -> Self {
        let mut batches = batches.to_vec();
        for batch in &mut batches {
            if matches!(batch.status, Fact::Known(Status::Queued | Status::Running)) {
                batch.status = Fact::Known(Status::Idle);
            }
        }
        Self { account, batches, memory: memory.clone() }
    }

    fn run(&mut self, at: Timestamp, day: &mut Day) {
        day.runs += 1;
        self.start_scheduled(at);
        day.expired += self.expire(at);
        let rules = self.account.rule_hashes.delete.keys();
        for rule in rules {
            self.memory.unchanged_since.entry(rule.clone()).or_insert(at);
        }
        let decision = self.account.policy.decide(&self.batches, &self.memory, at);
        let entries = self.batches.iter().zip(&decision.verdicts);
        let doomed: BTreeMap<BatchId, RuleName> = entries
            .filter_map(|(batch, verdict)| match verdict {
                Verdict::Delete { by, .. } => Some((batch.id.clone(), by.first()?.clone())),
                Verdict::Unmatched
                | Verdict::Held { .. }
                | Verdict::Kept { .. }
                | Verdict::Unknown { .. }
                | Verdict::TooYoung { .. }
                | Verdict::Busy { .. }
                | Verdict::Wait { .. } => None,
            })
            .collect();
        let (count, limits) = (self.batches.len(), &self.account.limits);
        let readings = guards::foresee(doomed.len(), count, &decision.keep_matches, limits);
        let tripped: Vec<_> =
            readings.iter().filter(|one| one.tripped).map(|one| one.guard).collect();
        self.remember(decision.selected, at);
        if !tripped.is_empty() {
            day.guards.extend(tripped);
            return;
        }
        self.batches.retain(|batch| !doomed.contains_key(&batch.id));
        for rule in doomed.into_values() {
            *day.deletions.entry(rule).or_default() += 1;
        }
    }

    /// Batches on a schedule of their own are started again and again.
    fn start_scheduled(&mut self, at: Timestamp) {
        for batch in self.batches.iter_mut().filter(|batch| is_scheduled(batch)) {
            batch.last_run = Fact::Known(at);
        }
    }

    /// How many the platform takes away.
    fn expire(&mut self, at: Timestamp) -> usize {
        let before = self.batches.len();
        self.batches.retain(|batch| {
            let started = batch.last_run.known().or_else(|| batch.created_at.known());
            let ends = started.and_then(|started| started.checked_add_months(KEPT));
            ends.is_none_or(|ends| ends > at)
        });
        before - self.batches.len()
    }

    /// Since when each rule with a grace has selected each batch.
    fn remember(&mut self, selected: BTreeMap<RuleName, BTreeSet<BatchId>>, at: Timestamp) {
        for (rule, ids) in selected {
            let known = self.memory.selected_since.entry(rule).or_default();
            known.retain(|id, _| ids.contains(id));
            for id in ids {
                known.entry(id).or_insert(at);
            }
        }
    }
}

fn is_scheduled(batch: &Batch) -> bool {
    let is_on = batch.enabled.known().is_some_and(|enabled| *enabled);
    is_on && batch.schedule_type.known().is_some_and(|kind| kind != "manual")
}
