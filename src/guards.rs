//! Guards: limits on a plan as a whole. One that trips stops everything.
//!
//! `Plan` → [`admit`] → [`AdmittedPlan`], or [`Tripped`] with every guard's reading. Pure.
//! Not here: rules about single batches (`policy`), failures during a sweep (`sweep`).
//! Invariant: an [`AdmittedPlan`] exists only where no guard tripped; nothing else can be swept.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;

use crate::audit::Finding;
use crate::batch::BatchId;
use crate::plan::Plan;
use crate::policy::KeepMatches;
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
    /// Where the second opinion differs.
    pub findings: Vec<Finding>,
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
}

/// A plan that every guard lets pass.
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
        ArmedPlan { plan: self.plan, readings: self.readings, warrant: armed.warrant(ids) }
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
        clock_skew(evidence.clock_skew, limits.max_clock_skew),
        keep_matches_nothing(&evidence.keep_matches, batches),
        audit(&evidence.findings),
    ];
    readings.extend(limits.expect_batches.map(|expected| expect_batches(batches, expected)));
    if readings.iter().any(|reading| reading.tripped) {
        return Err(Box::new(Tripped { plan, readings }));
    }
    Ok(AdmittedPlan { plan, readings })
}

/// A reading that stops nothing.
const fn quiet(guard: &'static str, limit: String, value: String) -> Reading {
    Reading { guard, limit, value, tripped: false, detail: String::new() }
}

/// A reading that stops the plan where `detail` has something to say.
fn reading(guard: &'static str, limit: String, value: String, detail: Option<String>) -> Reading {
    let tripped = detail.is_some();
    Reading { guard, limit, value, tripped, detail: detail.unwrap_or_default() }
}

fn max_deletes(deletions: usize, limit: Limit) -> Reading {
    let guard = "max_deletes";
    let Limit::At(limit) = limit else {
        return quiet(guard, "off".to_owned(), deletions.to_string());
    };
    let detail = (deletions as u64 > u64::from(limit)).then(|| {
        format!(
            "the plan deletes {deletions} batches, {limit} are allowed; look at it with \
             `batchsweep plan`, then raise guards.max_deletes if it is right"
        )
    });
    reading(guard, limit.to_string(), deletions.to_string(), detail)
}

fn max_delete_percent(deletions: usize, batches: usize, limit: Limit) -> Reading {
    let guard = "max_delete_percent";
    let value = percent(deletions, batches);
    let Limit::At(limit) = limit else {
        return quiet(guard, "off".to_owned(), value);
    };
    let over = deletions as u128 * 100 > u128::from(limit) * batches as u128;
    let detail = over.then(|| {
        format!(
            "the plan deletes {deletions} of {batches} batches ({value} %), {limit} % are allowed; \
             look at it with `batchsweep plan`, then raise guards.max_delete_percent if it is right"
        )
    });
    reading(guard, limit.to_string(), value, detail)
}

/// A share in percent with one decimal, rounded up: 25.04 is not shown as 25.0.
fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "0.0".to_owned();
    }
    let tenths = (part as u128 * 1_000).div_ceil(whole as u128);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn clock_skew(skew: Option<TimeDelta>, limit: Limit<Duration>) -> Reading {
    let guard = "max_clock_skew";
    let value =
        skew.map_or_else(|| "unknown".to_owned(), |skew| format!("{}s", skew.num_seconds()));
    let Limit::At(limit) = limit else {
        return quiet(guard, "off".to_owned(), value);
    };
    let apart = skew.map_or(TimeDelta::zero(), |skew| skew.abs());
    let allowed = TimeDelta::from_std(limit).unwrap_or(TimeDelta::MAX);
    let detail = (apart > allowed).then(|| {
        format!(
            "the server's clock and this machine's are {} apart, so ages cannot be trusted; set the \
             machine's clock (timedatectl, chronyc)",
            rough(apart)
        )
    });
    reading(guard, format!("{}s", limit.as_secs()), value, detail)
}

/// A time in its largest fitting unit.
fn rough(time: TimeDelta) -> String {
    let (days, hours, minutes) = (time.num_days(), time.num_hours(), time.num_minutes());
    if days > 1 {
        format!("{days} days")
    } else if hours > 1 {
        format!("{hours} hours")
    } else if minutes > 1 {
        format!("{minutes} minutes")
    } else {
        format!("{} seconds", time.num_seconds())
    }
}

fn keep_matches_nothing(matches: &[KeepMatches], batches: usize) -> Reading {
    let guard = "keep_matches_nothing";
    let empty: Vec<_> = matches
        .iter()
        .filter(|rule| batches > 0 && rule.matched == 0 && !rule.may_be_empty)
        .map(|rule| format!("`{}`", rule.rule))
        .collect();
    let detail = (!empty.is_empty()).then(|| {
        format!(
            "keep rule {} matches none of the {batches} batches: a slip of the pen would look just \
             so. Correct it, or say `may_be_empty = true` in it",
            empty.join(", ")
        )
    });
    reading(guard, "0".to_owned(), empty.len().to_string(), detail)
}

fn audit(findings: &[Finding]) -> Reading {
    let detail = findings.first().map(|first| {
        format!(
            "the second opinion differs for {} batches, first {first}; this is a bug of batchsweep: \
             please report it with the output of `batchsweep explain {}`",
            findings.len(),
            first.id
        )
    });
    reading("audit", "0".to_owned(), findings.len().to_string(), detail)
}

fn expect_batches(batches: usize, expected: Expected) -> Reading {
    let shown = |end: Option<u64>| end.map_or_else(|| "any".to_owned(), |end| end.to_string());
    let count = batches as u64;
    let outside =
        expected.min.is_some_and(|min| count < min) || expected.max.is_some_and(|max| count > max);
    let limit = format!("{} to {}", shown(expected.min), shown(expected.max));
    let detail = outside.then(|| {
        format!(
            "the account holds {batches} batches, expect_batches says {limit}: is this the key of \
             another account? If not, correct expect_batches"
        )
    });
    reading("expect_batches", limit, batches.to_string(), detail)
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
        Evidence { keep_matches: vec![], clock_skew: None, findings: vec![] }
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
}
