//! Guards: limits on a plan as a whole. One that trips stops everything.
//!
//! `Plan` → [`admit`] → [`AdmittedPlan`], or [`Tripped`] with every guard's reading. Pure.
//! Not here: rules about single batches (`policy`), failures during a sweep (`sweep`).
//! Invariant: an [`AdmittedPlan`] exists only where no guard tripped; nothing else can be swept.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;

use crate::audit::Finding;
use crate::batch::{BatchId, and_list, batches as n_batches, counted};
use crate::clock::Timestamp;
use crate::plan::{Plan, Stamps};
use crate::policy::{self, KeepMatches};
use crate::warrant::{Armed, Warrant};

/// A limit that may be switched off. `At(0)` is zero, never "no limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit<T = u32> {
    /// No limit, said in so many words.
    Off,
    /// At most this.
    At(T),
}

/// How many batches an account is known to have: a pin against the key of another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}

/// The limits of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Deletions a run may make.
    pub max_deletes: Limit,
    /// The same, in percent of the inventory, 0 to 100.
    pub max_delete_percent: Limit,
    /// How much smaller than at its last complete listing the account may be, in percent, 0 to 100.
    pub max_shrink_percent: Limit,
    /// How far the server's clock and ours may differ, either way.
    pub max_clock_skew: Limit<Duration>,
    /// How many batches the account is known to have.
    pub expect_batches: Option<Expected>,
}

/// What a guard needs to know besides the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// How many batches each keep rule matched.
    pub keep_matches: Vec<KeepMatches>,
    /// The server's clock less ours, if any answer told it.
    pub clock_skew: Option<TimeDelta>,
    /// An instant that has certainly passed, such as that of the last complete listing.
    pub passed: Timestamp,
    /// Where the second opinion differs.
    pub findings: Vec<Finding>,
    /// Of the batches of the last complete listing that this program did not delete since; `None`
    /// where no listing is remembered.
    pub since_last: Option<SinceLast>,
    /// The deletions of a stopped plan that a person approved, and that this run starts on.
    pub approved: Option<Stamps>,
}

/// What became of the batches of the last complete listing, but for those that this program deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinceLast {
    /// How many there were.
    pub batches: usize,
    /// How many of them are not listed any more.
    pub vanished: usize,
}

/// What one guard saw.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reading {
    /// The guard's name: its setting, or `keep_matches_nothing`, `audit`.
    pub guard: &'static str,
    /// What is allowed.
    pub limit: String,
    /// What the plan has.
    pub value: String,
    /// Whether it stops the plan.
    pub tripped: bool,
    /// The sentence for people, where it tripped: what, and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// `value` and `limit` with their units, for people.
    #[serde(skip)]
    pub shown: Shown,
}

/// A guard's value and limit as a table shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What the plan has.
    pub value: String,
    /// What is allowed.
    pub limit: String,
}

/// Every guard's name.
pub const NAMES: [&str; 7] = [
    "max_deletes",
    "max_delete_percent",
    SHRINK,
    CLOCK,
    "keep_matches_nothing",
    AUDIT,
    "expect_batches",
];

/// The guard of the second opinion.
pub(crate) const AUDIT: &str = "audit";

/// The guard against a clock that is wrong.
const CLOCK: &str = "max_clock_skew";

/// The guard against another account, and other people's deletions.
const SHRINK: &str = "max_shrink_percent";

/// A plan that every guard lets pass, or a person.
#[derive(Debug)]
pub struct AdmittedPlan {
    plan: Plan,
    readings: Vec<Reading>,
}

/// A plan that a guard stopped. It can be shown, and nothing else.
#[derive(Debug)]
pub struct Tripped {
    plan: Plan,
    readings: Vec<Reading>,
}

/// An admitted plan together with the right to carry it out.
#[derive(Debug)]
pub struct ArmedPlan {
    /// The plan.
    pub plan: Plan,
    /// The guards' readings.
    pub readings: Vec<Reading>,
    /// The right to delete what it names.
    pub warrant: Warrant,
}

impl AdmittedPlan {
    /// The plan.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the guards saw.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Adds the right to delete: for the batches with verdict `delete`, and no others.
    pub fn arm(self, armed: Armed) -> ArmedPlan {
        let ids: BTreeSet<BatchId> =
            self.plan.deletions().map(|(batch, _)| batch.id.clone()).collect();
        let plan = self.plan.without_records();
        ArmedPlan { plan, readings: self.readings, warrant: armed.warrant(ids) }
    }
}

impl Tripped {
    /// The plan.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the guards saw.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }
}

impl Tripped {
    /// Whether the listing itself may be that of another account.
    pub fn doubts_the_listing(&self) -> bool {
        self.stops(SHRINK)
    }

    /// Whether this machine's clock may be wrong, so that nothing may be dated by it.
    pub fn doubts_the_clock(&self) -> bool {
        self.stops(CLOCK)
    }

    fn stops(&self, guard: &str) -> bool {
        self.readings.iter().any(|reading| reading.tripped && reading.guard == guard)
    }
}

/// Lets a plan pass, or stops it.
///
/// # Errors
/// [`Tripped`] when at least one guard stops it; every guard has been read all the same.
pub fn admit(
    plan: Plan,
    evidence: &Evidence,
    limits: &Limits,
) -> Result<AdmittedPlan, Box<Tripped>> {
    let deletions = plan.deletions().count();
    let batches = plan.inventory().len();
    let mut readings = vec![
        max_deletes(deletions, limits.max_deletes),
        max_delete_percent(deletions, batches, limits.max_delete_percent),
        max_shrink_percent(evidence.since_last, limits.max_shrink_percent),
        clock_skew(evidence.clock_skew, evidence.passed - plan.made_at(), limits.max_clock_skew),
        keep_matches_nothing(&evidence.keep_matches, batches),
        audit(&evidence.findings),
    ];
    readings.extend(limits.expect_batches.map(|expected| expect_batches(batches, expected)));
    let tripped = || readings.iter().filter(|reading| reading.tripped);
    // What a person looked at may pass, and nothing beyond it. A bug of this program nobody can approve.
    let is_approved = || {
        let within = evidence.approved.as_ref().is_some_and(|stamps| plan.is_within(stamps));
        within && tripped().all(|reading| reading.guard != AUDIT)
    };
    if tripped().next().is_some() && !is_approved() {
        return Err(Box::new(Tripped { plan, readings }));
    }
    Ok(AdmittedPlan { plan, readings })
}

/// What the guards would say of a plan that is not made: those alone that need no fresh listing.
pub fn foresee(
    deletions: usize,
    batches: usize,
    keep_matches: &[KeepMatches],
    limits: &Limits,
) -> Vec<Reading> {
    let mut readings = vec![
        max_deletes(deletions, limits.max_deletes),
        max_delete_percent(deletions, batches, limits.max_delete_percent),
        keep_matches_nothing(keep_matches, batches),
    ];
    readings.extend(limits.expect_batches.map(|expected| expect_batches(batches, expected)));
    readings
}

impl Reading {
    /// A reading that stops the plan where `detail` has something to say.
    fn new(guard: &'static str, value: String, limit: String, detail: Option<String>) -> Self {
        let shown = Shown { value: value.clone(), limit: limit.clone() };
        let tripped = detail.is_some();
        Self { guard, limit, value, tripped, detail: detail.unwrap_or_default(), shown }
    }

    /// The same, shown to people otherwise than to programs.
    fn shown_as(self, value: impl Into<String>, limit: impl Into<String>) -> Self {
        Self { shown: Shown { value: value.into(), limit: limit.into() }, ..self }
    }
}

/// A limit that is switched off.
const OFF: &str = "off";

fn max_deletes(deletions: usize, limit: Limit) -> Reading {
    let (guard, value) = ("max_deletes", deletions.to_string());
    let Limit::At(limit) = limit else {
        return Reading::new(guard, value, OFF.to_owned(), None);
    };
    let detail = (deletions as u64 > u64::from(limit)).then(|| {
        format!(
            "the plan deletes {}, and the limit is {limit}; if all of them should go, raise \
             guards.max_deletes to at least {deletions}",
            n_batches(deletions)
        )
    });
    Reading::new(guard, value, limit.to_string(), detail)
}

fn max_delete_percent(deletions: usize, batches: usize, limit: Limit) -> Reading {
    let guard = "max_delete_percent";
    let value = percent(deletions, batches);
    let with_sign = format!("{value} %");
    let Limit::At(limit) = limit else {
        return Reading::new(guard, value, OFF.to_owned(), None).shown_as(with_sign, OFF);
    };
    let (part, whole) = (deletions as u128 * 100, batches as u128);
    let detail = (part > u128::from(limit) * whole).then(|| {
        format!(
            "the plan deletes {deletions} of {} ({value} %), and the limit is {limit} %; if all of \
             them should go, raise guards.max_delete_percent to at least {}",
            n_batches(batches),
            part.div_ceil(whole.max(1)),
        )
    });
    Reading::new(guard, value, limit.to_string(), detail).shown_as(with_sign, format!("{limit} %"))
}

fn max_shrink_percent(since: Option<SinceLast>, limit: Limit) -> Reading {
    let guard = SHRINK;
    let Some(SinceLast { batches, vanished }) = since else {
        let limit = match limit {
            Limit::Off => OFF.to_owned(),
            Limit::At(limit) => limit.to_string(),
        };
        let shown = if limit == OFF { limit.clone() } else { format!("{limit} %") };
        return Reading::new(guard, "unknown".to_owned(), limit, None)
            .shown_as("no earlier listing", shown);
    };
    let value = percent(vanished, batches);
    let with_sign = format!("{value} %");
    let Limit::At(limit) = limit else {
        return Reading::new(guard, value, OFF.to_owned(), None).shown_as(with_sign, OFF);
    };
    let over = vanished as u128 * 100 > u128::from(limit) * batches as u128;
    let detail = over.then(|| {
        format!(
            "{vanished} of the {} of the last complete listing are gone ({value} %), and this \
             program did not delete them; the limit is {limit} %. Is this the key of another account, \
             or does somebody else delete? If it is right, approve this run or raise \
             guards.max_shrink_percent",
            n_batches(batches),
        )
    });
    Reading::new(guard, value, limit.to_string(), detail).shown_as(with_sign, format!("{limit} %"))
}

/// A share in percent with one decimal, rounded up: 25.04 is not shown as 25.0.
fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "0.0".to_owned();
    }
    let tenths = (part as u128 * 1_000).div_ceil(whole as u128);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `behind`: how far our clock is before an instant that has certainly passed.
fn clock_skew(skew: Option<TimeDelta>, behind: TimeDelta, limit: Limit<Duration>) -> Reading {
    let guard = CLOCK;
    let value =
        skew.map_or_else(|| "unknown".to_owned(), |skew| format!("{}s", skew.num_seconds()));
    let apart = skew.map_or(TimeDelta::zero(), |skew| skew.abs());
    // A fraction of a second is below what the header can tell.
    let whole = TimeDelta::seconds(apart.num_seconds());
    let shown = skew.map_or_else(|| "unknown".to_owned(), |_| in_two_units(whole));
    let Limit::At(limit) = limit else {
        return Reading::new(guard, value, OFF.to_owned(), None).shown_as(shown, OFF);
    };
    let allowed = TimeDelta::from_std(limit).unwrap_or(TimeDelta::MAX);
    let limit_shown = policy::shown(limit);
    let went_back = (behind > allowed).then(|| {
        format!(
            "this machine's clock is {} behind an instant that has passed (the last listing, or the \
             making of this program): ages cannot be trusted; set the machine's clock (timedatectl, \
             chronyc)",
            in_two_units(behind)
        )
    });
    let detail = (apart > allowed).then(|| {
        format!(
            "the server's clock and this machine's are {} apart, and the limit is {limit_shown}: \
             ages cannot be trusted; set the machine's clock (timedatectl, chronyc)",
            in_two_units(apart)
        )
    });
    let detail = detail.or(went_back);
    Reading::new(guard, value, format!("{}s", limit.as_secs()), detail).shown_as(shown, limit_shown)
}

/// A time in its largest unit and the next smaller one, rounded up: `5min 1s`, `2d 3h`.
fn in_two_units(time: TimeDelta) -> String {
    let whole = time.num_seconds() + i64::from(time.subsec_nanos() > 0);
    let units = [(86_400, "d", 3_600), (3_600, "h", 60), (60, "min", 1), (1, "s", 1)];
    let fits = |(size, _, _): &(i64, &str, i64)| whole >= *size;
    let Some((size, unit, next)) = units.into_iter().find(fits) else { return "0s".to_owned() };
    let whole = (whole + next - 1) / next * next;
    let below = units.into_iter().find(|(smaller, _, _)| *smaller == next && next < size);
    match (whole % size, below) {
        (rest, Some((below, name, _))) if rest > 0 => {
            format!("{}{unit} {}{name}", whole / size, rest / below)
        }
        (_, _) => format!("{}{unit}", whole / size),
    }
}

fn keep_matches_nothing(matches: &[KeepMatches], batches: usize) -> Reading {
    let empty: Vec<_> = matches
        .iter()
        .filter(|rule| batches > 0 && rule.matched == 0 && !rule.may_be_empty)
        .map(|rule| format!("`{}`", rule.rule))
        .collect();
    let count = empty.len();
    let detail = (count > 0).then(|| {
        let (rules, matches, each) = match count {
            1 => ("rule", "matches", "it"),
            _ => ("rules", "match", "each"),
        };
        format!(
            "keep {rules} {} {matches} nothing among {}: a mistyped pattern looks just like this. \
             Correct {each}, or say `may_be_empty = true` in {each}",
            and_list(&empty),
            n_batches(batches),
        )
    });
    Reading::new("keep_matches_nothing", count.to_string(), "0".to_owned(), detail)
        .shown_as(counted(count as u128, "rule", "rules"), "none")
}

fn audit(findings: &[Finding]) -> Reading {
    let count = findings.len();
    let detail = findings.first().map(|first| {
        format!(
            "the second opinion differs for {}, first {first}; this is a bug of batchsweep: please \
             report it with the output of `batchsweep explain {}`",
            n_batches(count),
            first.id
        )
    });
    Reading::new(AUDIT, count.to_string(), "0".to_owned(), detail)
        .shown_as(counted(count as u128, "difference", "differences"), "none")
}

fn expect_batches(batches: usize, expected: Expected) -> Reading {
    let shown = |end: Option<u64>| end.map_or_else(|| "any".to_owned(), |end| end.to_string());
    let count = batches as u64;
    let outside =
        expected.min.is_some_and(|min| count < min) || expected.max.is_some_and(|max| count > max);
    let limit = format!("{} to {}", shown(expected.min), shown(expected.max));
    let in_words = expected.in_words();
    let detail = outside.then(|| {
        format!(
            "the account holds {}, and expect_batches says {in_words}: is this the key of another \
             account? If not, correct expect_batches",
            n_batches(batches)
        )
    });
    Reading::new("expect_batches", batches.to_string(), limit, detail)
        .shown_as(batches.to_string(), in_words)
}

impl Expected {
    /// The range in words: `1 to 10000`, `at least 1`.
    pub fn in_words(self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, Some(max)) => format!("at most {max}"),
            (None, None) => "any number".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::{at, batch};
    use crate::batch::{AccountName, RuleName, RunId, Undelivered};
    use crate::inventory::Inventory;
    use crate::policy::verdict::Verdict;

    const OPEN: Limits = Limits {
        max_deletes: Limit::Off,
        max_delete_percent: Limit::Off,
        max_shrink_percent: Limit::Off,
        max_clock_skew: Limit::Off,
        expect_batches: None,
    };

    /// A plan that deletes so many of so many batches.
    fn plan(deletions: usize, batches: usize) -> Plan {
        let now = at("2026-11-25T12:00:00Z");
        let inventory =
            Inventory::of((0..batches).map(|n| batch(&format!("A{n:05}")).build()).collect());
        let by: std::sync::Arc<[RuleName]> = [RuleName::parse("tmp").unwrap()].into();
        let delete = Verdict::Delete { by, undelivered: Undelivered::Respect };
        let verdicts = (0..batches)
            .map(|n| if n < deletions { delete.clone() } else { Verdict::Unmatched })
            .collect();
        let account = AccountName::parse("main").unwrap();
        Plan::new(account, RunId::new(now, [0; 10]), now, inventory, verdicts)
    }

    fn evidence() -> Evidence {
        Evidence {
            keep_matches: vec![],
            clock_skew: None,
            passed: Timestamp::UNIX_EPOCH,
            findings: vec![],
            since_last: None,
            approved: None,
        }
    }

    #[test]
    fn every_guard_is_among_the_names_in_the_order_of_its_reading() {
        let expected = Some(Expected { min: None, max: None });
        let admitted = admit(plan(0, 1), &evidence(), &Limits { expect_batches: expected, ..OPEN });
        let admitted = admitted.unwrap();
        let names: Vec<_> = admitted.readings().iter().map(|reading| reading.guard).collect();
        assert_eq!(names, NAMES);
    }

    fn tripped(plan: Plan, evidence: &Evidence, limits: &Limits) -> Vec<&'static str> {
        match admit(plan, evidence, limits) {
            Ok(_) => Vec::new(),
            Err(stopped) => stopped
                .readings()
                .iter()
                .filter(|reading| reading.tripped)
                .map(|reading| reading.guard)
                .collect(),
        }
    }

    #[test]
    fn counts_trip_above_their_limit_and_not_at_it() {
        let deletes = |limit| Limits { max_deletes: limit, ..OPEN };
        let percent = |limit| Limits { max_delete_percent: limit, ..OPEN };
        let rows: [(&str, usize, usize, Limits, &[&str]); 11] = [
            ("below", 9, 100, deletes(Limit::At(10)), &[]),
            ("at", 10, 100, deletes(Limit::At(10)), &[]),
            ("above", 11, 100, deletes(Limit::At(10)), &["max_deletes"]),
            // fault: F3
            ("zero means zero", 1, 100, deletes(Limit::At(0)), &["max_deletes"]),
            ("zero allows nothing to do", 0, 100, deletes(Limit::At(0)), &[]),
            ("off", 100, 100, deletes(Limit::Off), &[]),
            ("percent at", 25, 100, percent(Limit::At(25)), &[]),
            ("percent just above", 251, 1000, percent(Limit::At(25)), &["max_delete_percent"]),
            ("zero percent", 1, 100_000, percent(Limit::At(0)), &["max_delete_percent"]),
            ("hundred percent", 7, 7, percent(Limit::At(100)), &[]),
            ("nothing of nothing", 0, 0, percent(Limit::At(0)), &[]),
        ];
        for (case, deletions, batches, limits, expected) in rows {
            assert_eq!(tripped(plan(deletions, batches), &evidence(), &limits), expected, "{case}");
        }
    }

    // fault: H16
    #[test]
    fn clocks_that_differ_too_much_trip_either_way() {
        let limits = Limits { max_clock_skew: Limit::At(Duration::from_mins(5)), ..OPEN };
        for (seconds, expected) in [
            (0, vec![]),
            (300, vec![]),
            (-300, vec![]),
            (301, vec!["max_clock_skew"]),
            (-301, vec!["max_clock_skew"]),
        ] {
            let skew = Some(TimeDelta::seconds(seconds));
            let evidence = Evidence { clock_skew: skew, ..evidence() };
            assert_eq!(tripped(plan(0, 1), &evidence, &limits), expected, "{seconds}");
        }
        assert!(tripped(plan(0, 1), &evidence(), &limits).is_empty(), "an untold skew");
    }

    // fault: C2
    #[test]
    fn a_clock_behind_what_has_passed_trips_whatever_the_server_says() {
        let limits = Limits { max_clock_skew: Limit::At(Duration::from_mins(5)), ..OPEN };
        for (seconds, expected) in [(-1, vec![]), (300, vec![]), (301, vec!["max_clock_skew"])] {
            let passed = plan(0, 1).made_at() + TimeDelta::seconds(seconds);
            let evidence = Evidence { passed, ..evidence() };
            assert_eq!(tripped(plan(0, 1), &evidence, &limits), expected, "{seconds}");
        }
    }

    // fault: F4
    #[test]
    fn a_keep_rule_that_matches_nothing_trips_unless_it_may() {
        let matches = |matched, may_be_empty| {
            let rule = RuleName::parse("pinned").unwrap();
            Evidence {
                keep_matches: vec![KeepMatches { rule, matched, may_be_empty }],
                ..evidence()
            }
        };
        let guard = vec!["keep_matches_nothing"];
        assert_eq!(tripped(plan(0, 1), &matches(0, false), &OPEN), guard);
        assert!(tripped(plan(0, 1), &matches(0, true), &OPEN).is_empty());
        assert!(tripped(plan(0, 1), &matches(1, false), &OPEN).is_empty());
        assert!(tripped(plan(0, 0), &matches(0, false), &OPEN).is_empty(), "an empty account");
    }

    #[test]
    fn an_approval_lets_exactly_the_stopped_deletions_pass_as_they_were() {
        let limits = Limits { max_deletes: Limit::At(1), ..OPEN };
        let approve = |plan: &Plan| Evidence { approved: Some(plan.stamps()), ..evidence() };
        let approved = approve(&plan(3, 9));
        assert!(tripped(plan(3, 9), &approved, &limits).is_empty());
        assert!(tripped(plan(2, 9), &approved, &limits).is_empty(), "fewer than approved");
        assert_eq!(tripped(plan(4, 9), &approved, &limits), ["max_deletes"], "one beyond it");
        let mut changed = approved.clone();
        changed.approved.as_mut().unwrap().insert("A00001".into(), "0000000000000000".into());
        assert_eq!(tripped(plan(3, 9), &changed, &limits), ["max_deletes"], "one that changed");
        let doubted = Evidence {
            findings: vec![Finding {
                id: BatchId::parse("A00001").unwrap(),
                rule: None,
                ours: "protected".into(),
                theirs: "not protected".into(),
            }],
            ..approved
        };
        assert!(tripped(plan(3, 9), &doubted, &limits).contains(&"audit"), "a bug");
    }

    // fault: P3, T2
    #[test]
    fn an_account_that_shrank_trips_above_the_limit() {
        for (batches, vanished, limit, expected) in [
            (100, 50, Limit::At(50), false),
            (100, 51, Limit::At(50), true),
            (1, 1, Limit::At(50), true),
            (1, 1, Limit::At(100), false),
            (100, 1, Limit::At(0), true),
            (0, 0, Limit::At(0), false),
            (100, 100, Limit::Off, false),
        ] {
            let evidence =
                Evidence { since_last: Some(SinceLast { batches, vanished }), ..evidence() };
            let limits = Limits { max_shrink_percent: limit, ..OPEN };
            let tripped = tripped(plan(0, 1), &evidence, &limits);
            let guards = if expected { vec!["max_shrink_percent"] } else { vec![] };
            assert_eq!(tripped, guards, "{vanished} of {batches}, {limit:?}");
        }
        let limits = Limits { max_shrink_percent: Limit::At(0), ..OPEN };
        assert!(tripped(plan(0, 1), &evidence(), &limits).is_empty(), "nothing is remembered");
    }

    // fault: P4
    #[test]
    fn the_key_of_another_account_trips_the_pin() {
        let expect = |min, max| Limits { expect_batches: Some(Expected { min, max }), ..OPEN };
        let guard = vec!["expect_batches"];
        assert_eq!(tripped(plan(0, 9), &evidence(), &expect(Some(10), None)), guard);
        assert_eq!(tripped(plan(0, 11), &evidence(), &expect(None, Some(10))), guard);
        assert!(tripped(plan(0, 10), &evidence(), &expect(Some(10), Some(10))).is_empty());
    }

    #[test]
    fn an_armed_plan_covers_its_deletions_and_no_other_batch() {
        let admitted = admit(plan(2, 4), &evidence(), &OPEN).unwrap();
        let armed = admitted.arm(Armed::unless_dry_run(false).unwrap());
        let covered: Vec<_> =
            armed.plan.entries().map(|(batch, _)| armed.warrant.covers(&batch.id)).collect();
        assert_eq!(covered, [true, true, false, false]);
    }

    #[test]
    fn shares_are_rounded_up_so_that_a_limit_is_never_shown_as_kept() {
        assert_eq!(percent(2_504, 10_000), "25.1");
        assert_eq!(percent(1, 100_000), "0.1");
        assert_eq!(percent(25, 100), "25.0");
        assert_eq!(percent(0, 0), "0.0");
    }

    #[test]
    fn what_trips_says_by_how_much_and_what_to_write() {
        let limits = |max_deletes, percent, skew| Limits {
            max_deletes: Limit::At(max_deletes),
            max_delete_percent: Limit::At(percent),
            max_shrink_percent: Limit::At(50),
            max_clock_skew: Limit::At(Duration::from_secs(skew)),
            expect_batches: Some(Expected { min: Some(20), max: None }),
        };
        let rule = |name| {
            let rule = RuleName::parse(name).unwrap();
            KeepMatches { rule, matched: 0, may_be_empty: false }
        };
        let mut said = Vec::new();
        let shrunk = |batches, vanished| Some(SinceLast { batches, vanished });
        for (deletions, batches, rules, seconds, since_last) in [
            (4, 11, vec![rule("pinned"), rule("typo")], -301, None),
            (1, 1, vec![rule("typo")], 90_000, shrunk(9_000, 4_501)),
        ] {
            let evidence = Evidence {
                keep_matches: rules,
                clock_skew: Some(TimeDelta::seconds(seconds)),
                passed: Timestamp::UNIX_EPOCH,
                findings: vec![],
                since_last,
                approved: None,
            };
            let stopped = admit(plan(deletions, batches), &evidence, &limits(0, 25, 300));
            for reading in stopped.unwrap_err().readings() {
                let (value, limit) = (&reading.shown.value, &reading.shown.limit);
                said.push(format!("{}: {value}, {limit}: {}", reading.guard, reading.detail));
            }
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_raised_limit_as_advised_lets_the_plan_pass() {
        for (deletions, batches, least) in [(4, 11, 37), (1, 100, 1), (7, 7, 100), (1, 3, 34)] {
            let percent = |limit| Limits { max_delete_percent: Limit::At(limit), ..OPEN };
            assert!(tripped(plan(deletions, batches), &evidence(), &percent(least)).is_empty());
            let stopped = admit(plan(deletions, batches), &evidence(), &percent(least - 1));
            let advice = format!("to at least {least}");
            let stopped = stopped.unwrap_err();
            assert!(stopped.readings().iter().any(|reading| reading.detail.contains(&advice)));
        }
    }

    #[test]
    fn a_skew_is_shown_in_two_units_and_never_as_less_than_it_is() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1s"),
            (59_000, "59s"),
            (300_000, "5min"),
            (300_001, "5min 1s"),
            (301_000, "5min 1s"),
            (3_599_500, "1h"),
            (3_600_000, "1h"),
            (7_200_001, "2h 1min"),
            (90_000_000, "1d 1h"),
            (180_000_001, "2d 3h"),
        ] {
            assert_eq!(in_two_units(TimeDelta::milliseconds(ms)), text, "{ms}");
        }
    }
}
