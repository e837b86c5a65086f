//! Random histories against a naive model of the memory: runs, dry runs, plans, edits of the file, clocks
//! that move, colleagues at work, holds, approvals and kills, in any order on one account.
//!
//! The model keeps its own books. After a kill nobody can say what was written, so each of its books is a
//! set of what may stand there: what the most lenient of them forbids must not go, what the strictest
//! allows must be planned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use batchsweep::clock::{Clock, Timestamp};
use batchsweep::emulator::{Edit, Operation, Record, Seed};
use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::naive::listed_and_logged;
use crate::naive::rules::{DELETE, KEEP, Rule, may_go, selected};
use crate::world::{Ran, World};

const HOUR: i64 = 3_600_000;

/// How far apart the model's and the program's looks at the clock may be, at most.
const SLACK: i64 = 2_000;

/// What the file says: places in the lists of rules, a delete rule with the hours of its grace.
#[derive(Debug, Clone)]
struct File {
    keep: BTreeSet<usize>,
    delete: BTreeMap<usize, i64>,
    probation: i64,
    max_deletes: Option<usize>,
}

#[derive(Debug, Clone)]
enum Step {
    Once,
    Dry,
    Plan,
    File(File),
    /// Hours.
    Pass(i64),
    /// Minutes.
    SetBack(i64),
    Remove(Index),
    RemoveMost,
    Rename(Index, usize),
    Create(usize, i64),
    Start(Index),
    /// Days.
    Hold(Index, i64),
    Release(Index),
    Approve,
    /// At the nth call of a kind, so many polls later.
    Kill(Operation, usize, usize),
}

fn file() -> impl Strategy<Value = File> {
    let keep = prop::sample::subsequence((0..KEEP.len()).collect::<Vec<_>>(), 0..=2);
    let grace = prop_oneof![4 => Just(0_i64), 1 => Just(5), 1 => Just(24), 1 => Just(49)];
    let delete = prop::collection::btree_map(0..DELETE.len(), grace, 7..=DELETE.len());
    let probation = prop_oneof![5 => Just(0_i64), 1 => Just(6), 1 => Just(30)];
    let max_deletes = prop_oneof![3 => Just(None), 2 => (0..5_usize).prop_map(Some)];
    (keep, delete, probation, max_deletes).prop_map(|(keep, delete, probation, max_deletes)| File {
        keep: keep.into_iter().collect(),
        delete,
        probation,
        max_deletes,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<Index>;
    let call = prop_oneof![
        2 => Just(Operation::Account),
        2 => Just(Operation::List),
        3 => Just(Operation::Get),
        4 => Just(Operation::Delete),
    ];
    prop_oneof![
        8 => Just(Step::Once),
        2 => Just(Step::Dry),
        3 => Just(Step::Plan),
        4 => file().prop_map(Step::File),
        8 => (1..60_i64).prop_map(Step::Pass),
        1 => (1..90_i64).prop_map(Step::SetBack),
        2 => which().prop_map(Step::Remove),
        1 => Just(Step::RemoveMost),
        3 => (which(), 0..NAMES.len()).prop_map(|(which, name)| Step::Rename(which, name)),
        3 => (0..NAMES.len(), 1..60_i64).prop_map(|(name, days)| Step::Create(name, days)),
        2 => which().prop_map(Step::Start),
        3 => (which(), 0..5_i64).prop_map(|(which, days)| Step::Hold(which, days)),
        1 => which().prop_map(Step::Release),
        3 => Just(Step::Approve),
        7 => (call, 1..4_usize, prop_oneof![0..12_usize, 0..100_usize]).prop_map(|(on, nth, polls)| Step::Kill(on, nth, polls)),
    ]
}

/// One step, or a few that matter in this order.
fn passage() -> impl Strategy<Value = Vec<Step>> {
    let approved = (step(), 1..40_i64).prop_map(|(between, hours)| {
        vec![Step::Once, Step::Approve, between, Step::Pass(hours), Step::Once]
    });
    let on = prop::sample::select(vec![Operation::Get, Operation::Delete]);
    let killed = (1..60_i64, on, 1..3_usize, 0..30_usize, step());
    let killed = killed.prop_map(|(hours, on, nth, polls, between)| {
        let kill = Step::Kill(on, nth, polls);
        vec![Step::Create(0, 30), Step::Create(4, 30), Step::Pass(hours), kill, between, Step::Once]
    });
    let shrunk = Just(vec![Step::Once, Step::RemoveMost, Step::Once, Step::Approve, Step::Once]);
    prop_oneof![
        10 => step().prop_map(|step| vec![step]),
        2 => approved,
        2 => killed,
        1 => shrunk,
    ]
}

/// What batches are called by colleagues.
const NAMES: [&str; 10] = [
    "tmp-7",
    "tmp-of mine [keep]",
    "tmp-of mine [keep until=2026-11-27]",
    "report-daily-2 [Keep until=2026-12-05]",
    "My First Batch",
    "report-sales-1",
    "test 7",
    "prod-p9",
    "Collection12",
    "jane@example.com",
];

/// A book that may say different things: `None` is no entry, else the earliest and the latest instant.
type Entries = BTreeSet<Option<(i64, i64)>>;

/// Whether something is so; `None` where the clock's hands are on the edge.
type Is = Option<bool>;

fn stepped(before: &Entries, is: Is, (early, late): (i64, i64)) -> Entries {
    let noted = |entry: &Option<(i64, i64)>| Some(entry.unwrap_or((early, late)));
    match is {
        Some(true) => before.iter().map(noted).collect(),
        Some(false) => BTreeSet::from([None]),
        None => before.iter().map(noted).chain([None]).collect(),
    }
}

/// The earliest that an entry may say.
fn lenient(entries: &Entries, now: i64) -> i64 {
    entries.iter().map(|entry| entry.map_or(now, |(early, _)| early)).min().unwrap_or(now)
}

/// The latest.
fn strict(entries: &Entries, now: i64) -> i64 {
    entries.iter().map(|entry| entry.map_or(now, |(_, late)| late)).max().unwrap_or(now)
}

/// The same of a rule: with the grace that it had.
type Versions = BTreeSet<Option<(i64, i64, i64)>>;

/// Keep rules, and when one of them last went.
type Kept = (BTreeSet<usize>, Option<(i64, i64)>);

/// The last listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Baseline {
    /// There was none.
    #[default]
    None,
    Of(BTreeSet<String>),
    /// Nobody can say.
    Unclear,
}

/// What the model knows of the state.
#[derive(Debug, Clone, Default)]
struct Books {
    /// By delete rule and batch: selected since. Absent is `{None}`.
    marks: BTreeMap<(usize, String), Entries>,
    /// By delete rule: unchanged since, with the grace that it had.
    rules: BTreeMap<usize, Versions>,
    /// The keep rules as seen, and when one of them last went.
    keep: BTreeSet<Kept>,
    holds: BTreeMap<String, i64>,
    baseline: Baseline,
    guard: Option<String>,
    approved: Option<Approved>,
    /// Deletions that somebody else may have made while an intent was open.
    doubtful: BTreeSet<String>,
}

/// A plan that may pass: each batch as it was.
#[derive(Debug, Clone)]
struct Approved {
    batches: BTreeMap<String, Value>,
    expires: i64,
    is_sure: bool,
}

/// What is there when the program looks.
struct Sight {
    records: Vec<Value>,
    before: i64,
    after: i64,
}

impl Sight {
    fn ids(&self) -> BTreeSet<String> {
        self.records.iter().map(|raw| raw["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Books {
    fn new() -> Self {
        Self { keep: BTreeSet::from([(BTreeSet::new(), None)]), ..Self::default() }
    }

    /// Takes over the rules, as a run does when it begins.
    fn see_rules(&mut self, file: &File, (early, late): (i64, i64)) {
        for rule in 0..DELETE.len() {
            let before = self.rules.entry(rule).or_insert_with(|| BTreeSet::from([None]));
            *before = match file.delete.get(&rule) {
                None => BTreeSet::from([None]),
                Some(grace) => before
                    .iter()
                    .map(|was| {
                        was.filter(|(_, _, had)| had == grace).or(Some((early, late, *grace)))
                    })
                    .collect(),
            };
        }
        let exposed = |(kept, since): &Kept| {
            let since = if kept.is_subset(&file.keep) { *since } else { Some((early, late)) };
            (file.keep.clone(), since)
        };
        self.keep = self.keep.iter().map(exposed).collect();
    }

    /// Takes over what is selected, as a run does when it has listed.
    fn see_batches(&mut self, file: &File, sight: &Sight) {
        let mut marks = BTreeMap::new();
        for (rule, _) in file.delete.iter().filter(|(_, grace)| **grace > 0) {
            let early = selected(&sight.records, &DELETE[*rule], sight.before - SLACK);
            let late = selected(&sight.records, &DELETE[*rule], sight.after + SLACK);
            for id in early.union(&late) {
                let key = (*rule, id.clone());
                let none = Entries::from([None]);
                let before = self.marks.get(&key).unwrap_or(&none);
                let is = (early.contains(id) == late.contains(id)).then_some(true);
                marks.insert(key, stepped(before, is, (sight.before, sight.after)));
            }
        }
        self.marks = marks;
    }

    /// Nobody knows how far a run came: all that stood in the books before may stand there still.
    fn or(&mut self, before: &Self) {
        for (key, entries) in &mut self.marks {
            let none = Entries::from([None]);
            entries.extend(before.marks.get(key).unwrap_or(&none));
        }
        for (key, entries) in &before.marks {
            let mut either = entries.clone();
            either.insert(None);
            self.marks.entry(key.clone()).or_insert(either);
        }
        for (rule, entries) in &mut self.rules {
            match before.rules.get(rule) {
                Some(was) => entries.extend(was),
                None => drop(entries.insert(None)),
            }
        }
        self.keep.extend(before.keep.iter().cloned());
        if self.baseline != before.baseline {
            self.baseline = Baseline::Unclear;
        }
    }

    /// Whether a delete rule lets a batch go by its patience: surely, and perhaps.
    fn patient(&self, file: &File, rule: usize, id: &str, sight: &Sight) -> (bool, bool) {
        let (grace, probation) = (file.delete[&rule] * HOUR, file.probation * HOUR);
        let none = Entries::from([None]);
        let marks = self.marks.get(&(rule, id.to_owned())).unwrap_or(&none);
        let rules: Entries = self.rules[&rule].iter().map(|it| it.map(|it| (it.0, it.1))).collect();
        let exposed = |pick: fn((i64, i64)) -> i64| {
            self.keep.iter().map(move |(_, since)| since.map_or(i64::MIN, pick))
        };
        let (early, late) = (sight.before - SLACK, sight.after + SLACK);
        let is_over = |wait: i64, since: i64, now: i64| wait == 0 || now - since >= wait;
        let perhaps_changed = lenient(&rules, sight.before).max(exposed(|it| it.0).min().unwrap());
        let surely_changed = strict(&rules, sight.after).max(exposed(|it| it.1).max().unwrap());
        let perhaps = is_over(grace, lenient(marks, sight.before), late)
            && is_over(probation, perhaps_changed, late);
        let surely = is_over(grace, strict(marks, sight.after), early)
            && is_over(probation, surely_changed, early);
        (surely, perhaps)
    }

    /// What surely may go, and what perhaps may.
    fn may_go(&self, file: &File, sight: &Sight) -> (BTreeSet<String>, BTreeSet<String>) {
        let keep: Vec<Rule> = file.keep.iter().map(|at| KEEP[*at]).collect();
        let delete: Vec<Rule> = file.delete.keys().map(|at| DELETE[*at]).collect();
        let at = |now: i64| {
            may_go(&sight.records, &keep, &delete, now).into_iter().collect::<BTreeSet<_>>()
        };
        let by = |now: i64| -> Vec<_> {
            let select = |rule: &usize| (*rule, selected(&sight.records, &DELETE[*rule], now));
            file.delete.keys().map(select).collect()
        };
        let (early, late) = (sight.before - SLACK, sight.after + SLACK);
        let (early_by, late_by) = (by(early), by(late));
        let is_held = |id: &String, now: i64| {
            let name = sight.records.iter().find(|raw| raw["id"] == id.as_str());
            let name = name.and_then(|raw| raw["name"].as_str()).unwrap_or("[keep]");
            self.holds.get(id).is_some_and(|until| now < *until) || is_marked(name, now)
        };
        let some = |rules: &[(usize, BTreeSet<String>)], id: &String, surely: bool| {
            let selecting = rules.iter().filter(|(_, ids)| ids.contains(id));
            let mut patience = selecting.map(|(rule, _)| self.patient(file, *rule, id, sight));
            patience.any(|(sure, perhaps)| if surely { sure } else { perhaps })
        };
        let (sure, perhaps) = (at(early), at(late));
        let surely = sure
            .intersection(&perhaps)
            .filter(|id| some(&early_by, id, true) && !is_held(id, early) && !is_held(id, late));
        let surely = surely.cloned().collect();
        let perhaps = sure.union(&perhaps);
        let perhaps = perhaps.filter(|id| some(&late_by, id, false) && !is_held(id, late));
        (surely, perhaps.cloned().collect())
    }

    /// Whether too much of the last listing is gone; `None` where nobody can say.
    fn has_shrunk(&self, world: &World, sight: &Sight) -> Is {
        let baseline = match &self.baseline {
            Baseline::None => return Some(false),
            Baseline::Unclear => return None,
            Baseline::Of(ids) => ids,
        };
        let ours: BTreeSet<_> = world.emulator.deleted().into_iter().collect();
        let left: BTreeSet<_> = baseline.difference(&ours).cloned().collect();
        if !self.doubtful.is_disjoint(&left) {
            return None;
        }
        let gone = left.difference(&sight.ids()).count();
        Some(gone * 100 > left.len() * 50)
    }
}

/// Whether a batch's own name protects it. Only what [`NAMES`] and the seeds have.
fn is_marked(name: &str, now: i64) -> bool {
    let name = name.to_lowercase();
    let Some((_, rest)) = name.split_once("[keep") else { return false };
    let Some(day) = rest.strip_prefix(" until=").and_then(|rest| rest.split(']').next()) else {
        return rest.starts_with(']');
    };
    let begins: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
    now < begins.timestamp_millis() + 24 * HOUR
}

/// How a run ended, as far as the model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Was {
    Whole,
    Killed,
}

/// One account on its way through a history.
struct History {
    world: World,
    _folder: tempfile::TempDir,
    books: Books,
    file: File,
    created: usize,
    /// Since the last whole run.
    was_killed: bool,
    newest_run: String,
}

impl History {
    async fn new(batches: usize, seed: u64, file: File) -> Self {
        let mut world = World::new().await;
        // Thousands of commits: where there is a folder in memory, no disk is waited for.
        let in_memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = in_memory.unwrap();
        let url = format!("sqlite:{}", folder.path().join("state.db").display());
        world.set("BATCHSWEEP__STATE__URL", Some(&url));
        world.emulator.plant(Seed::mixed(batches, seed, Seed::fixture_now()));
        let mut history = Self {
            world,
            _folder: folder,
            books: Books::new(),
            file: file.clone(),
            created: 0,
            was_killed: false,
            newest_run: String::new(),
        };
        history.write(file);
        history
    }

    fn write(&mut self, file: File) {
        let limit = file.max_deletes.map_or_else(|| "\"off\"".to_owned(), |most| most.to_string());
        let mut text = format!(
            "dry_run = false\n[guards]\nmax_deletes = {limit}\nmax_delete_percent = \"off\"\n\
             max_clock_skew = \"off\"\n\
             probation = \"{}h\"\n[sweep]\nrequests_per_second = 1000\nbusy_wait = \"0s\"\n",
            file.probation
        );
        for at in &file.keep {
            writeln!(text, "{}\nmay_be_empty = true", KEEP[*at].toml).unwrap();
        }
        for (at, grace) in &file.delete {
            writeln!(text, "{}\ngrace = \"{grace}h\"", DELETE[*at].toml).unwrap();
        }
        self.world.file(&text);
        self.file = file;
    }

    fn now(&self) -> i64 {
        self.world.clock.now().timestamp_millis()
    }

    fn pick(&self, which: Index) -> Option<String> {
        let ids = self.world.emulator.ids();
        (!ids.is_empty()).then(|| which.get(&ids).clone())
    }

    async fn look(&self) -> Sight {
        let records = listed_and_logged(&self.world).await;
        Sight { records, before: self.now(), after: self.now() }
    }

    async fn take(&mut self, step: &Step) {
        // No step is about the limit on list calls, and the model lists too.
        self.world.pass(Duration::from_secs(62)).await;
        let emulator = &self.world.emulator;
        match step {
            Step::Once => self.once().await,
            Step::Dry => self.dry().await,
            Step::Plan => self.plan().await,
            Step::File(file) => self.write(file.clone()),
            Step::Pass(hours) => {
                self.world.pass(Duration::from_hours(hours.unsigned_abs())).await;
            }
            Step::SetBack(minutes) => self.world.clock.move_by_ms(-minutes * 60_000),
            Step::Remove(which) => {
                if let Some(id) = self.pick(*which) {
                    self.remove(&id).await;
                }
            }
            Step::RemoveMost => {
                for id in emulator.ids().into_iter().skip(3) {
                    self.remove(&id).await;
                }
            }
            Step::Rename(which, name) => {
                if let Some(id) = self.pick(*which) {
                    emulator.edit(Edit::Rename(id, NAMES[*name].to_owned()));
                }
            }
            Step::Create(name, days) => {
                for days in [*days, days / 2 + 1, days / 3 + 8] {
                    self.create(NAMES[*name], days);
                }
            }
            Step::Start(which) => {
                if let Some(id) = self.pick(*which) {
                    emulator.edit(Edit::Start(id));
                }
            }
            Step::Hold(which, days) => self.hold(*which, *days).await,
            Step::Release(which) => {
                let held: Vec<_> = self.books.holds.keys().cloned().collect();
                if !held.is_empty() {
                    let id = which.get(&held);
                    let ran = self.world.run(&["release", id, "-q"]).await;
                    // One that has ended may have been pruned.
                    assert!(ran.code < 2, "{ran:?}");
                    self.books.holds.remove(id);
                }
            }
            Step::Approve => self.approve().await,
            Step::Kill(on, nth, polls) => self.kill(*on, *nth, *polls).await,
        }
        self.world.assert_safe();
    }

    fn create(&mut self, name: &str, days: i64) {
        self.created += 1;
        let (id, made) = (format!("NEW{:05}", self.created), self.world.ago_days(days));
        let record = Record::new(id, name, made).with_searches(10);
        let record = if days % 3 == 0 { record } else { record.ran_at(made + TimeDelta::hours(1)) };
        self.world.emulator.insert(record);
    }

    async fn remove(&mut self, id: &str) {
        let rows = if self.was_killed { self.rows().await } else { Vec::new() };
        let is_open = |(row, outcome): &(String, String)| row == id && outcome == "open";
        if rows.iter().any(is_open) {
            // Nobody can tell any more whose doing it was.
            self.books.doubtful.insert(id.to_owned());
        }
        self.world.emulator.edit(Edit::Remove(id.to_owned()));
    }

    async fn hold(&mut self, which: Index, days: i64) {
        let Some(id) = self.pick(which) else { return };
        let day = (self.world.clock.now() + TimeDelta::days(days)).date_naive();
        let day_text = day.to_string();
        let ran = self.world.run(&["hold", &id, "--until", &day_text, "--why", "x", "-q"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let end = day.succ_opt().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        self.books.holds.insert(id, end.timestamp_millis());
    }

    async fn approve(&mut self) {
        let Some(run_id) = self.books.guard.clone() else { return };
        let ran = self.world.run(&["approve", &run_id, "-q"]).await;
        if ran.code == 1 {
            // Spent, or by a killed run: that an approval is refused is never unsafe.
            return;
        }
        assert_eq!(ran.code, 0, "{ran:?}");
        if let Some(approved) = &mut self.books.approved {
            approved.expires = self.world.clock.now().timestamp_millis() + 24 * HOUR;
            approved.is_sure = true;
        }
    }

    /// Every record of the history: batch and outcome.
    async fn rows(&self) -> Vec<(String, String)> {
        let ran = self.world.run(&["history", "--limit", "100000", "--output", "json", "-q"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let json = ran.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = json["deletions"].as_array().unwrap().iter();
        rows.map(|row| (text(&row["batch_id"]), text(&row["outcome"]))).collect()
    }

    async fn once(&mut self) {
        let mut sight = self.look().await;
        let gone_before = self.world.emulator.deleted().len();
        let shrunk = self.books.has_shrunk(&self.world, &sight);
        let ran = self.world.run(&["once", "--output", "json", "-q"]).await;
        sight.after = self.now();
        self.books.see_rules(&self.file, (sight.before, sight.after));
        let (surely, perhaps) = self.books.may_go(&self.file, &sight);
        let gone: BTreeSet<_> =
            self.world.emulator.deleted().split_off(gone_before).into_iter().collect();
        assert!(gone.is_subset(&perhaps), "{gone:?} went, and only {perhaps:?} may: {ran:?}");
        let run = ran.only_run();
        let planned = match run["outcome"].as_str().unwrap() {
            "swept" => Some(self.after_sweep(&ran, &sight, shrunk, &gone)),
            "guarded" => {
                self.after_guard(&ran, shrunk, (&surely, &perhaps), &sight);
                None
            }
            other => panic!("{other}: {ran:?}"),
        };
        if let Some(planned) = planned {
            assert!(surely.is_subset(&planned), "{surely:?} should go: {ran:?}");
            assert!(
                planned.is_subset(&perhaps),
                "{planned:?} is planned, and only {perhaps:?} may go"
            );
        }
        self.remember(&sight, &run);
        self.agree(&run, Was::Whole).await;
    }

    /// Takes over what a whole run remembers.
    fn remember(&mut self, sight: &Sight, run: &Value) {
        self.books.see_batches(&self.file, sight);
        let doubted = run["guards"]
            .as_array()
            .unwrap()
            .iter()
            .any(|guard| guard["guard"] == "max_shrink_percent" && guard["tripped"] == true);
        if !doubted || run["outcome"] == "swept" {
            self.books.baseline = Baseline::Of(sight.ids());
        }
    }

    /// What was planned in a run that was not stopped; a guard's limit passed only by approval.
    fn after_sweep(
        &mut self,
        ran: &Ran,
        sight: &Sight,
        shrunk: Is,
        gone: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let run = ran.only_run();
        let batches = run["batches"].as_array().unwrap();
        let id = |batch: &Value| batch["id"].as_str().unwrap().to_owned();
        let planned: BTreeSet<_> = batches.iter().map(id).collect();
        for batch in batches {
            let (id, outcome) = (id(batch), batch["outcome"].as_str().unwrap());
            match outcome {
                "deleted" => assert!(gone.contains(&id), "{id} is said to be gone"),
                "refused" => assert!(self.world.emulator.record(&id).unwrap().has_failed_webhook()),
                other => panic!("{other} of {id}: {ran:?}"),
            }
        }
        assert_eq!(ran.count("deleted"), gone.len() as u64, "{ran:?}");
        let is_over = self.file.max_deletes.is_some_and(|most| planned.len() > most);
        if is_over || shrunk == Some(true) {
            let approved = self
                .books
                .approved
                .clone()
                .unwrap_or_else(|| panic!("nobody approved it: {ran:?}"));
            assert!(sight.before < approved.expires, "the approval has expired");
            for id in &planned {
                let now = sight.records.iter().find(|raw| raw["id"] == id.as_str());
                assert_eq!(approved.batches.get(id), now, "not approved as it is");
            }
        }
        (self.books.guard, self.books.approved) = (None, None);
        planned
    }

    /// A run that was stopped: rightly so. What it planned is not told, only how much.
    fn after_guard(
        &mut self,
        ran: &Ran,
        shrunk: Is,
        (surely, perhaps): (&BTreeSet<String>, &BTreeSet<String>),
        sight: &Sight,
    ) {
        let run = ran.only_run();
        let count = usize::try_from(run["counts"]["delete"].as_u64().unwrap()).unwrap();
        assert!((surely.len()..=perhaps.len()).contains(&count), "{count}, {surely:?}: {ran:?}");
        let is_over = self.file.max_deletes.is_some_and(|most| count > most);
        assert!(is_over || shrunk != Some(false), "stopped for nothing: {ran:?}");
        let record = |id: &String| {
            sight.records.iter().find(|raw| raw["id"] == id.as_str()).unwrap().clone()
        };
        if let Some(approved) = &self.books.approved
            && approved.is_sure
            && sight.after < approved.expires
        {
            let same = |id: &String| approved.batches.get(id) == Some(&record(id));
            assert!(!perhaps.iter().all(same), "it was approved: {ran:?}");
        }
        self.books.guard = Some(run["run_id"].as_str().unwrap().to_owned());
        // What may be approved from now on.
        self.books.approved = Some(Approved {
            batches: perhaps.iter().map(|id| (id.clone(), record(id))).collect(),
            expires: i64::MIN,
            is_sure: false,
        });
    }

    /// The history, the status and the emulator's log tell the same.
    async fn agree(&mut self, run: &Value, was: Was) {
        let rows = self.rows().await;
        let mut said: Vec<_> =
            rows.iter().filter(|row| row.1 == "deleted").map(|row| &row.0).collect();
        said.sort();
        let gone: BTreeSet<_> = self.world.emulator.deleted().into_iter().collect();
        for id in &said {
            let is_ours = gone.contains(*id) || self.books.doubtful.contains(*id);
            assert!(is_ours, "{id} was never deleted by us");
        }
        assert!(said.windows(2).all(|two| two[0] != two[1]), "one is deleted twice: {said:?}");
        for id in &gone {
            let known = rows.iter().any(|(row, outcome)| {
                row == id && (outcome == "deleted" || was == Was::Killed && outcome == "open")
            });
            assert!(known, "the deletion of {id} is lost: {rows:?}");
        }
        for call in self.world.emulator.destructive() {
            let id = call.id.unwrap();
            assert!(rows.iter().any(|row| row.0 == id), "no record of the DELETE of {id}");
        }
        let status = self.world.run(&["status", "--output", "json", "-q"]).await.json();
        let account = &status["accounts"][0];
        self.was_killed = was == Was::Killed;
        if was == Was::Killed {
            return;
        }
        assert!(rows.iter().all(|row| row.1 != "open"), "left open: {rows:?}");
        // Runs go by their time; one after a clock was set back is not the newest.
        let run_id = run["run_id"].as_str().unwrap();
        if run_id > self.newest_run.as_str() {
            run_id.clone_into(&mut self.newest_run);
            for key in ["run_id", "outcome", "exit_code", "verified"] {
                assert_eq!(account["last_run"][key], run[key], "{key}: {status}");
            }
            assert_eq!(account["last_run"]["counts"], run["counts"], "{status}");
        }
        let open = account["guards"][0]["run_id"].as_str().map(str::to_owned);
        assert_eq!(open, self.books.guard, "{status}");
    }

    async fn dry(&mut self) {
        let mut sight = self.look().await;
        let shrunk = self.books.has_shrunk(&self.world, &sight);
        let ran = self.world.run(&["once", "--dry-run", "--output", "json", "-q"]).await;
        sight.after = self.now();
        assert_eq!(ran.code, 0, "{ran:?}");
        self.books.see_rules(&self.file, (sight.before, sight.after));
        let run = ran.only_run();
        let planned = ids(&run["batches"], |batch| batch["outcome"] == "would_delete");
        self.hold_plan_against(&planned, &run["guards"], &sight, shrunk);
        self.remember(&sight, &run);
        self.agree(&run, Was::Whole).await;
    }

    async fn plan(&mut self) {
        let mut sight = self.look().await;
        let shrunk = self.books.has_shrunk(&self.world, &sight);
        let ran = self.world.run(&["plan", "--output", "json", "-q"]).await;
        sight.after = self.now();
        assert_eq!(ran.code, 0, "{ran:?}");
        // A plan sees the rules as a run would, and keeps nothing of it.
        let books = self.books.clone();
        self.books.see_rules(&self.file, (sight.before, sight.after));
        let plan = ran.json()["plans"][0].clone();
        let planned = ids(&plan["batches"], |batch| batch["verdict"] == "delete");
        let shrunk = shrunk.filter(|_| !self.was_killed);
        self.hold_plan_against(&planned, &plan["guards"], &sight, shrunk);
        self.books = books;
    }

    fn hold_plan_against(
        &self,
        planned: &BTreeSet<String>,
        guards: &Value,
        sight: &Sight,
        shrunk: Is,
    ) {
        let (surely, perhaps) = self.books.may_go(&self.file, sight);
        assert!(surely.is_subset(planned), "{surely:?} should be in {planned:?}");
        assert!(planned.is_subset(&perhaps), "{planned:?} should be in {perhaps:?}");
        let tripped = |name: &str| {
            let all = guards.as_array().unwrap().iter();
            all.filter(|guard| guard["guard"] == name).any(|guard| guard["tripped"] == true)
        };
        let is_over = self.file.max_deletes.is_some_and(|most| planned.len() > most);
        assert_eq!(tripped("max_deletes"), is_over);
        assert!(!tripped("audit"), "{guards}");
        if let Some(shrunk) = shrunk {
            assert_eq!(tripped("max_shrink_percent"), shrunk, "{guards}");
        }
    }

    /// Drops a run so many polls after the nth call of a kind; what it did by then must be allowed.
    async fn kill(&mut self, on: Operation, nth: usize, polls: usize) {
        let mut sight = self.look().await;
        let emulator = self.world.emulator.clone();
        let gone_before = emulator.deleted().len();
        let calls = emulator.count_of(on) + nth;
        let ran = unless_killed(
            self.world.run(&["once", "--output", "json", "-q"]),
            || emulator.count_of(on) >= calls,
            polls,
        )
        .await;
        // What the client sent before it went may still arrive.
        tokio::time::sleep(Duration::from_millis(50)).await;
        sight.after = self.now();
        let before = self.books.clone();
        self.books.see_rules(&self.file, (sight.before, sight.after));
        let (_, perhaps) = self.books.may_go(&self.file, &sight);
        let gone: BTreeSet<_> = emulator.deleted().split_off(gone_before).into_iter().collect();
        assert!(gone.is_subset(&perhaps), "{gone:?} went, and only {perhaps:?} may");
        self.books.see_batches(&self.file, &sight);
        self.books.baseline = Baseline::Of(sight.ids());
        self.books.or(&before);
        let status = self.world.run(&["status", "--output", "json", "-q"]).await.json();
        let open = status["accounts"][0]["guards"][0]["run_id"].as_str().map(str::to_owned);
        self.settle_guard(open, &sight, &perhaps);
        let last = status["accounts"][0]["last_run"].clone();
        if let Some(run_id) = last["run_id"].as_str().filter(|id| *id > self.newest_run.as_str()) {
            run_id.clone_into(&mut self.newest_run);
        }
        let run = ran.map_or(Value::Null, |ran| ran.only_run());
        self.agree(&run, Was::Killed).await;
    }

    /// What a killed run left of guards and approvals.
    fn settle_guard(&mut self, open: Option<String>, sight: &Sight, perhaps: &BTreeSet<String>) {
        if let Some(approved) = &mut self.books.approved {
            approved.is_sure = false;
        }
        if open == self.books.guard {
            return;
        }
        self.books.guard = open;
        let record = |id: &String| {
            sight.records.iter().find(|raw| raw["id"] == id.as_str()).unwrap().clone()
        };
        self.books.approved = self.books.guard.as_ref().map(|_| Approved {
            batches: perhaps.iter().map(|id| (id.clone(), record(id))).collect(),
            expires: i64::MIN,
            is_sure: false,
        });
    }
}

/// Drops a run so many polls after that comes true, as a kill does; `None` unless it ended before.
async fn unless_killed<T>(
    run: impl Future<Output = T>,
    is_time: impl Fn() -> bool,
    polls: usize,
) -> Option<T> {
    let (mut run, mut left) = (pin!(run), polls);
    poll_fn(|context| {
        let is_time = is_time();
        left = left.saturating_sub(usize::from(is_time));
        if is_time && left == 0 {
            return Poll::Ready(None);
        }
        run.as_mut().poll(context).map(Some)
    })
    .await
}

fn ids(batches: &Value, is_meant: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let meant = batches.as_array().unwrap().iter().filter(|batch| is_meant(batch));
    meant.map(|batch| batch["id"].as_str().unwrap().to_owned()).collect()
}

async fn go_through(batches: usize, seed: u64, file: File, steps: &[Step]) {
    let mut history = History::new(batches, seed, file).await;
    for step in steps {
        history.take(step).await;
    }
    // Whatever came before, a last run settles it.
    history.take(&Step::Once).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    // fault: K1, P3
    #[test]
    fn no_history_makes_anything_go_that_the_model_forbids_and_no_record_is_lost_or_made_up(
        batches in 12..50_usize,
        seed in any::<u64>(),
        file in file(),
        passages in prop::collection::vec(passage(), 3..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(go_through(batches, seed, file, &passages.concat()));
    }
}

/// Few, since each is a long story; `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    let asked = std::env::var_os("PROPTEST_CASES");
    asked.and_then(|cases| cases.to_str()?.parse().ok()).unwrap_or(32)
}
