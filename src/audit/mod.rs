//! The second opinion on a plan: each deletion derived again, plainly and slowly, from the record as
//! the API sent it and the rule as the file says it.
//!
//! Not here: what a finding leads to (`guards` stops the plan), how the policy decides: nothing here calls it, not its matchers, dates or globs. The
//! two only meet in the verdict, so one mistake has to be made twice to delete a batch.
//! Invariant: no I/O, no clock. What cannot be read is unknown, and unknown never lets a batch go.

use std::collections::BTreeMap;
use std::fmt;

use crate::batch::{Batch, BatchId, Fact, RuleName, escaped};
use crate::config::raw::RawRule;
use crate::plan::Plan;

mod moment;
mod glob;
mod object;
mod record;
mod expression;
mod rule;
mod rank;
pub mod patience;

use expression::Ground;
use moment::{Nanos, SECOND};
use patience::{Asked, Past};
use rank::{Contest, Standing};
use record::Record;
use rule::{Opinion, Rule};

/// The rules that serve the plan's account, as the file says them.
#[derive(Debug, Clone)]
pub struct Rules<'a> {
    /// Keep rules by name.
    pub keep: &'a BTreeMap<RuleName, RawRule>,
    /// Delete rules by name.
    pub delete: &'a BTreeMap<RuleName, RawRule>,
    /// The floor `never_younger_than`: a duration such as `24h`, or `off`.
    pub floor: &'a str,
    /// The zone whose calendar `daily`, `weekly`, `monthly` and `yearly` count in.
    pub zone: chrono_tz::Tz,
    /// What the file says of patience.
    pub patience: Asked<'a>,
    /// What is remembered.
    pub past: Past<'a>,
}

/// One batch on which the plan and the second opinion differ: the first difference found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The batch that the plan would delete.
    pub id: BatchId,
    /// The rule they differ on; `None` where it is the record, the status or the floor.
    pub rule: Option<RuleName>,
    /// What the second opinion says. Text of the server in it is escaped and cut.
    pub ours: String,
    /// What the plan says.
    pub theirs: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {}: the plan says {}", self.id, self.theirs)?;
        if let Some(rule) = &self.rule {
            write!(f, " (rule `{rule}`)")?;
        }
        write!(f, ", but the second opinion says {}", self.ours)
    }
}

/// Derives every verdict `delete` and `busy` of the plan again, for the plan's own instant, and
/// returns the differences, in the plan's order; none when both agree. `busy` is checked like
/// `delete`, except that the batch need not be idle.
#[must_use]
pub fn review(plan: &Plan, rules: &Rules<'_>) -> Vec<Finding> {
    if !plan.entries().any(|(_, verdict)| is_claim(verdict.name())) {
        return Vec::new();
    }
    let reviewer = Reviewer::new(plan, rules);
    let mut contests: Vec<_> =
        reviewer.keep.iter().filter_map(|(name, rule)| Contest::of(name, rule)).collect();
    let mut judged = Vec::new();
    for (place, (batch, verdict)) in plan.entries().enumerate() {
        let is_claim = is_claim(verdict.name());
        if !is_claim && contests.is_empty() {
            continue;
        }
        let record = Record::read(batch.raw.as_str());
        for contest in &mut contests {
            contest.enter(batch, &record, &reviewer.ground);
        }
        if is_claim {
            let idle = verdict.name() == "delete";
            let claim = Claim { batch, selected_by: verdict.selected_by(), idle };
            judged.push((place, batch, reviewer.difference(&claim, &record)));
        }
    }
    let now = reviewer.ground.now();
    let standings: Vec<_> =
        contests.into_iter().map(|contest| contest.settle(now, rules.zone)).collect();
    judged
        .into_iter()
        .filter_map(|(place, batch, found)| found.or_else(|| winner(place, batch, &standings)))
        .collect()
}

/// Whether a verdict says that every rule lets the batch go.
fn is_claim(verdict: &str) -> bool {
    verdict == "delete" || verdict == "busy"
}

/// What the plan says of one batch.
struct Claim<'p> {
    batch: &'p Batch,
    selected_by: &'p [RuleName],
    /// Whether the plan takes it for idle.
    idle: bool,
}

/// The rules, read once for all batches.
struct Reviewer<'a> {
    rules: &'a Rules<'a>,
    ground: Ground,
    keep: Vec<(&'a RuleName, Rule<'a>)>,
    delete: BTreeMap<&'a RuleName, Rule<'a>>,
    floor: Floor,
}

/// The floor under every rule, as the file says it.
enum Floor {
    Off,
    At(Nanos),
    Illegible,
}

impl<'a> Reviewer<'a> {
    fn new(plan: &Plan, rules: &'a Rules<'a>) -> Self {
        let floor = match rules.floor {
            "off" => Floor::Off,
            text => moment::duration(text).map_or(Floor::Illegible, Floor::At),
        };
        Self {
            rules,
            ground: Ground::at(plan.made_at()),
            keep: rules.keep.iter().map(|(name, raw)| (name, Rule::read(raw))).collect(),
            delete: rules.delete.iter().map(|(name, raw)| (name, Rule::read(raw))).collect(),
            floor,
        }
    }

    /// The first difference between the plan and what the record says, if there is one. Places of
    /// keep rules that count are not known yet.
    fn difference(&self, claim: &Claim<'_>, record: &Record<'_>) -> Option<Finding> {
        let finding = |rule, ours, theirs| Some(finding(claim.batch, rule, ours, theirs));
        if let Some(ours) = stranger(record, claim.batch) {
            return finding(None, ours, "this is its record");
        }
        if claim.selected_by.is_empty() {
            return finding(None, "nothing selects it".to_owned(), "it may be deleted");
        }
        for name in claim.selected_by {
            if let Some(ours) = self.not_selected(name, record) {
                return finding(Some(name), ours, "selected");
            }
        }
        for (name, rule) in self.keep.iter().filter(|(_, rule)| rule.counts.is_none()) {
            if let Some(ours) = protection(rule.opinion(record, &self.ground)) {
                return finding(Some(name), ours, NOT_PROTECTED);
            }
        }
        if let Some(ours) = self.kept_by_people(claim, record) {
            return finding(None, ours, NOT_PROTECTED);
        }
        if let Some((rule, ours)) = self.must_wait(claim) {
            return finding(Some(rule), ours, "no rule has to wait");
        }
        if claim.idle
            && let Some(ours) = not_idle(record)
        {
            return finding(None, ours, "idle");
        }
        self.too_young(record).and_then(|ours| finding(None, ours, "old enough for the floor"))
    }

    /// Who protects the batch by hand; `None` where nobody does.
    fn kept_by_people(&self, claim: &Claim<'_>, record: &Record<'_>) -> Option<String> {
        let now = self.ground.now();
        let marked = || {
            let asks = self.rules.patience.name_markers;
            patience::marked(record, now, self.rules.zone).filter(|_| asks)
        };
        patience::held(&self.rules.past, &claim.batch.id, now).or_else(marked)
    }

    /// The rule that still has to wait, and why; `None` where none has to. A busy batch may wait.
    fn must_wait<'c>(&self, claim: &Claim<'c>) -> Option<(&'c RuleName, String)> {
        claim.selected_by.iter().filter(|_| claim.idle).find_map(|name| {
            let rule = (name, self.rules.delete.get(name));
            let (past, asked) = (&self.rules.past, self.rules.patience);
            let ours = patience::waits(rule, &claim.batch.id, past, asked, self.ground.now())?;
            Some((name, ours))
        })
    }

    /// Why this delete rule does not select the record; `None` where it does.
    fn not_selected(&self, name: &RuleName, record: &Record<'_>) -> Option<String> {
        let Some(rule) = self.delete.get(name) else {
            return Some("the file has no such delete rule".to_owned());
        };
        match rule.opinion(record, &self.ground) {
            Opinion::Yes => None,
            Opinion::No(matcher) => Some(format!("not selected, by `{matcher}`")),
            Opinion::Unknown(matcher) => Some(format!("unknown, by `{matcher}`")),
        }
    }

    /// Why the record is not known to be older than the floor; `None` where it is.
    fn too_young(&self, record: &Record<'_>) -> Option<String> {
        let floor = match self.floor {
            Floor::Off => return None,
            Floor::Illegible => return Some("the floor cannot be read".to_owned()),
            Floor::At(floor) => floor,
        };
        let Some(activity) = record.activity(self.ground.now()) else {
            return Some("unknown when it was last active".to_owned());
        };
        let rest = floor - (self.ground.now() - activity);
        (rest > 0).then(|| format!("too young by {} s", (rest + SECOND - 1) / SECOND))
    }
}

/// What the plan says of a batch that a keep rule protects after all.
const NOT_PROTECTED: &str = "not protected";

fn finding(batch: &Batch, rule: Option<&RuleName>, ours: String, theirs: &str) -> Finding {
    Finding { id: batch.id.clone(), rule: rule.cloned(), ours, theirs: theirs.to_owned() }
}

/// The finding that the batch holds a place of a keep rule that counts, or may hold one.
fn winner(place: usize, batch: &Batch, standings: &[Standing<'_>]) -> Option<Finding> {
    standings.iter().find_map(|standing| {
        let ours = protection(standing.of(place))?;
        Some(finding(batch, Some(standing.rule), ours, NOT_PROTECTED))
    })
}

/// Why this is not the record of that batch; `None` where it is.
fn stranger(record: &Record<'_>, batch: &Batch) -> Option<String> {
    match &record.id {
        Fact::Known(id) if id == batch.id.as_str() => None,
        Fact::Known(id) => Some(format!("the record has the id `{}`", short(id))),
        Fact::Missing => Some("the record has no id".to_owned()),
        Fact::Unreadable(why) => Some(format!("the record cannot be read: {}", short(why))),
    }
}

/// Why a keep rule protects the batch, or may; `None` where it does not.
fn protection(opinion: Opinion) -> Option<String> {
    match opinion {
        Opinion::No(_) => None,
        Opinion::Yes => Some("protected".to_owned()),
        Opinion::Unknown(matcher) => Some(format!("unknown, so protected, by `{matcher}`")),
    }
}

/// What the batch does instead of resting; `None` where it is idle.
fn not_idle(record: &Record<'_>) -> Option<String> {
    match &record.status {
        Fact::Known(status) if status == "idle" => None,
        Fact::Known(status) => Some(format!("its status is `{}`", short(status))),
        Fact::Missing => Some("it has no status".to_owned()),
        Fact::Unreadable(_) => Some("its status cannot be read".to_owned()),
    }
}

/// Text of the server as a message may hold it.
fn short(text: &str) -> String {
    const SHOWN: usize = 80;
    let cut: String = text.chars().take(SHOWN).collect();
    escaped(&cut)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::fixtures::of_record;
    use crate::batch::{AccountName, RunId, Status, Undelivered};
    use crate::clock::Timestamp;
    use crate::inventory::Inventory;
    use crate::policy::verdict::Verdict;

    /// The instant of every plan here.
    const NOW: &str = "2026-02-01T00:00:00Z";

    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        keep: BTreeMap<String, RawRule>,
        #[serde(default)]
        delete: BTreeMap<String, RawRule>,
    }

    const FILE: &str = r#"
        [keep.pinned]
        name = ["prod-*", "[[]keep]*"]
        [keep.latest-reports]
        name = "report-*"
        group_by = '^(report-[a-z]+)'
        last = 1
        [keep.low]
        name = "tmp-low-*"
        priority = "low"
        [delete.temporary]
        name = "tmp-*"
        older_than = "7d"
        [delete.reports]
        name = "*report*"
        idle_for = "7d"
        [delete.everything]
        match_all = true
        any_age = true
    "#;

    fn named(rules: BTreeMap<String, RawRule>) -> BTreeMap<RuleName, RawRule> {
        rules.into_iter().map(|(name, raw)| (RuleName::parse(&name).unwrap(), raw)).collect()
    }

    /// A record's text: these fields, and the usual ones in place of those left out.
    fn record(fields: &str) -> String {
        let usual = [
            ("id", "\"A1\""),
            ("name", "\"tmp-1\""),
            ("status", "\"idle\""),
            ("created_at", "\"2026-01-01T00:00:00.000Z\""),
            ("last_run", "\"2026-01-02T00:00:00.000Z\""),
        ];
        let is_left_out = |key: &str| !fields.contains(&format!("\"{key}\""));
        let filled = usual.into_iter().filter(|(key, _)| is_left_out(key));
        let filled = filled.map(|(key, value)| format!("\"{key}\":{value}"));
        let given = (!fields.is_empty()).then(|| fields.to_owned());
        let all: Vec<_> = given.into_iter().chain(filled).collect();
        format!("{{{}}}", all.join(","))
    }

    fn batch(id: &str, raw: &str) -> Batch {
        of_record(id, raw)
    }

    fn delete(rule: &str) -> Verdict {
        let by = Arc::from([RuleName::parse(rule).unwrap()]);
        Verdict::Delete { by, undelivered: Undelivered::Respect }
    }

    fn busy(rule: &str) -> Verdict {
        Verdict::Busy {
            selected_by: Arc::from([RuleName::parse(rule).unwrap()]),
            status: Fact::Known(Status::Running),
        }
    }

    fn plan(entries: Vec<(Batch, Verdict)>) -> Plan {
        let now: Timestamp = NOW.parse().unwrap();
        let (batches, verdicts) = entries.into_iter().unzip();
        let account = AccountName::parse("main").unwrap();
        Plan::new(account, RunId::new(now, [0; 10]), now, Inventory::of(batches), verdicts)
    }

    fn findings(file: &str, floor: &str, entries: Vec<(Batch, Verdict)>) -> Vec<String> {
        let File { keep, delete } = toml::from_str(file).unwrap();
        let (keep, delete) = (named(keep), named(delete));
        let patience = Asked { probation: "0s", name_markers: true };
        let (zone, past) = (chrono_tz::Europe::Paris, Past::default());
        let rules = Rules { keep: &keep, delete: &delete, floor, zone, patience, past };
        review(&plan(entries), &rules).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_plan_that_is_right_has_no_findings() {
        let entries = vec![
            (batch("A1", &record("")), delete("temporary")),
            (batch("A2", &record(r#""id":"A2","status":"running""#)), busy("temporary")),
            (batch("A3", &record(r#""id":"A3","name":"prod-1""#)), Verdict::Unmatched),
            (
                batch(
                    "A4",
                    &record(r#""id":"A4","name":"report-a-2","last_run":"2026-01-20T00:00:00Z""#),
                ),
                Verdict::Unmatched,
            ),
            (batch("A5", &record(r#""id":"A5","name":"report-a-1""#)), delete("reports")),
            (
                batch("A6", &record(r#""id":"A6","last_run":null,"next_result_set_id":1"#)),
                delete("everything"),
            ),
            (batch("A7", "no record"), Verdict::Unmatched),
        ];
        assert_eq!(findings(FILE, "24h", entries), [""; 0]);
        assert_eq!(findings(FILE, "24h", vec![]), [""; 0]);
    }

    /// What the plan gets wrong: the record's fields, the verdict and the rule it names; then the rule,
    /// the plan's word and ours in the one finding.
    type Wrong = (
        &'static str,
        fn(&str) -> Verdict,
        &'static str,
        Option<&'static str>,
        &'static str,
        &'static str,
    );

    const SELECTED: &str = "selected";
    const OPEN: &str = "not protected";
    const OLD: &str = "old enough for the floor";
    const OWN: &str = "this is its record";
    const TEMP: &str = "temporary";

    #[rustfmt::skip]
    const WRONG: [Wrong; 18] = [
        // A rule that does not select it, or not for certain, or is not there.
        (r#""name":"x""#, delete, TEMP, Some(TEMP), SELECTED, "not selected, by `name`"),
        (r#""created_at":"2026-01-30T00:00:00Z""#, delete, TEMP, Some(TEMP), SELECTED, "not selected, by `older_than`"),
        (r#""created_at":null"#, delete, TEMP, Some(TEMP), SELECTED, "unknown, by `older_than`"),
        (r#""name":1"#, busy, TEMP, Some(TEMP), SELECTED, "unknown, by `name`"),
        ("", delete, "nobody", Some("nobody"), SELECTED, "the file has no such delete rule"),
        // A keep rule that protects it, for certain or not, by itself or by a place.
        (r#""name":"[keep] me""#, delete, "everything", Some("pinned"), OPEN, "protected"),
        (r#""name":"tmp-low-1""#, delete, TEMP, Some("low"), OPEN, "unknown, so protected, by `priority`"),
        (r#""name":"report-a-1""#, delete, "reports", Some("latest-reports"), OPEN, "protected"),
        // It is at work, or may be.
        (r#""status":"running""#, delete, TEMP, None, "idle", "its status is `running`"),
        (r#""status":"\u001b[2J""#, delete, TEMP, None, "idle", "its status is `\\u{1b}[2J`"),
        (r#""status":null"#, delete, TEMP, None, "idle", "it has no status"),
        (r#""status":true"#, delete, TEMP, None, "idle", "its status cannot be read"),
        // It is too young, or may be.
        (r#""last_run":"2026-01-31T00:00:00.001Z""#, delete, TEMP, None, OLD, "too young by 1 s"),
        (r#""last_run":"2026-01-31T12:00:00Z","status":"running""#, busy, TEMP, None, OLD, "too young by 43200 s"),
        (r#""last_run":null,"next_result_set_id":2"#, delete, TEMP, None, OLD, "unknown when it was last active"),
        // It is not its record.
        (r#""id":"A2""#, delete, TEMP, None, OWN, "the record has the id `A2`"),
        (r#""id":null"#, delete, TEMP, None, OWN, "the record has no id"),
        (r#""x":1,"x":1"#, delete, TEMP, None, OWN, "the record cannot be read: a key comes twice"),
    ];

    // fault: H14
    #[test]
    fn each_kind_of_wrong_verdict_is_one_finding() {
        for (fields, verdict, named, rule, theirs, ours) in WRONG {
            let entries = vec![(batch("A1", &record(fields)), verdict(named))];
            let expected = Finding {
                id: BatchId::parse("A1").unwrap(),
                rule: rule.map(|rule| RuleName::parse(rule).unwrap()),
                ours: ours.to_owned(),
                theirs: theirs.to_owned(),
            };
            assert_eq!(findings(FILE, "24h", entries), [expected.to_string()], "{fields}");
        }
    }

    #[test]
    fn a_deletion_that_no_rule_asks_for_is_a_finding() {
        let nobody = Verdict::Delete { by: Arc::from([]), undelivered: Undelivered::Respect };
        assert_eq!(
            findings(FILE, "24h", vec![(batch("A1", &record("")), nobody)]),
            ["batch A1: the plan says it may be deleted, but the second opinion says nothing \
                selects it"]
        );
    }

    #[test]
    fn a_batch_that_may_hold_a_place_is_protected() {
        let unknown = record(r#""name":"report-a-1","created_at":"?""#);
        assert_eq!(
            findings(FILE, "off", vec![(batch("A1", &unknown), delete("everything"))]),
            ["batch A1: the plan says not protected (rule `latest-reports`), but the second \
                opinion says unknown, so protected, by `last activity`"]
        );
    }

    #[test]
    fn a_finding_reads_as_a_sentence() {
        let entries = vec![(batch("A1", &record(r#""name":"x""#)), delete(TEMP))];
        assert_eq!(
            findings(FILE, "24h", entries),
            ["batch A1: the plan says selected (rule `temporary`), but the second opinion says \
                not selected, by `name`"]
        );
    }

    #[test]
    fn the_floor_is_what_the_file_says() {
        let young = || {
            vec![(
                batch("A1", &record(r#""last_run":"2026-01-31T23:59:59Z""#)),
                delete("temporary"),
            )]
        };
        assert_eq!(findings(FILE, "off", young()).len(), 0);
        assert_eq!(findings(FILE, "1s", young()).len(), 0);
        assert_eq!(findings(FILE, "2s", young()).len(), 1);
        assert_eq!(findings(FILE, "1", young()).len(), 1);
        let unknown = || vec![(batch("A1", &record(r#""last_run":"?""#)), delete("temporary"))];
        assert_eq!(findings(FILE, "0s", unknown()).len(), 1);
        assert_eq!(findings(FILE, "off", unknown()).len(), 0);
    }

    #[test]
    fn a_place_among_the_newest_is_counted_over_the_whole_inventory() {
        let report = |id: &str, ran: &str| {
            let fields = format!(r#""id":"{id}","name":"report-a-{id}","last_run":"{ran}""#);
            batch(id, &record(&fields))
        };
        let entries = vec![
            (report("A1", "2026-01-10T00:00:00Z"), delete("reports")),
            (report("A2", "2026-01-11T00:00:00Z"), delete("reports")),
            (report("A3", "2026-01-12T00:00:00Z"), Verdict::Unmatched),
        ];
        assert_eq!(findings(FILE, "24h", entries), [""; 0]);
    }

    // fault: X4, J2
    #[test]
    fn huge_names_and_deep_records_are_judged_like_others() {
        let name = "a".repeat(1_000_000);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let fields = format!(r#""name":"tmp-{name}","x":{deep}"#);
        let entries = vec![(batch("A1", &record(&fields)), delete("temporary"))];
        assert_eq!(findings(FILE, "24h", entries), [""; 0]);
    }

    /// Values as they come, and as they should not.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("\"idle\"".to_owned()),
            Just("\"A1\"".to_owned()),
            Just("\"2026-01-05T00:00:00Z\"".to_owned()),
            Just("\"2027-01-05T00:00:00.123+02:00\"".to_owned()),
            Just("[\"D1\",{}]".to_owned()),
            "\"[a-z]{1,3}-[^\"\\\\\\x00-\\x1f]{0,6}\"",
            "-?[0-9]{1,25}(\\.[0-9])?(e[0-9]{1,3})?",
            "[\\[\\]{}\",:a0\\\\]{0,8}",
        ]
    }

    fn key() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "id",
            "name",
            "status",
            "created_at",
            "last_run",
            "enabled",
            "priority",
            "schedule_type",
            "destination_ids",
            "results_count",
            "next_result_set_id",
            "searches_total_count",
            "request_total_count",
            "other",
        ])
        .prop_map(str::to_owned)
    }

    const MATCHERS: &str = r#"
        [keep.a]
        when = "batch.searches_total_count > 3 && batch.created_at < now"
        [keep.b]
        group_by = "(a+)"
        last = 1
        daily = 2
        within = "3d"
        [delete.c]
        name = "*"
        name_regex = ".*"
        id = "A1"
        schedule_type = "idle"
        priority = "idle"
        enabled = true
        destination = "*"
        never_run = false
        has_results = true
        searches = { min = 1 }
        older_than = "1d"
        idle_for = "1d"
        created_before = 2026-02-01T00:00:00Z
        created_after = 2020-02-01T00:00:00Z
        when = "batch.other == 1 || size(batch.name) > 2"
        [delete.d]
        match_all = true
        any_age = true
    "#;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn no_record_makes_the_review_fall_over(records in prop::collection::vec(prop::collection::vec((key(), value()), 0..9), 1..5)) {
            let entries = records.iter().enumerate().map(|(n, fields)| {
                let fields: Vec<_> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                let rule = if n % 2 == 0 { "c" } else { "d" };
                (batch(&format!("A{n}"), &format!("{{{}}}", fields.join(","))), delete(rule))
            }).collect();
            let found = findings(MATCHERS, "24h", entries);
            prop_assert!(found.len() <= records.len());
        }

        #[test]
        fn a_record_with_a_field_less_never_has_fewer_findings(without in 0_usize..7, with_keep in any::<bool>()) {
            let fields = [
                r#""id":"A1""#, r#""name":"tmp-1""#, r#""status":"idle""#, r#""created_at":"2026-01-01T00:00:00Z""#,
                r#""last_run":"2026-01-02T00:00:00Z""#, r#""priority":"low""#, r#""next_result_set_id":2"#,
            ];
            let less: Vec<_> = fields.iter().enumerate().filter(|(n, _)| *n != without).map(|(_, field)| *field).collect();
            let file = if with_keep { FILE } else { "[delete.temporary]\nname = 'tmp-*'\nidle_for = '7d'" };
            let of = |fields: &[&str]| findings(file, "24h", vec![(batch("A1", &format!("{{{}}}", fields.join(","))), delete("temporary"))]).len();
            prop_assert_eq!(of(&fields), 0);
            prop_assert!(of(&less) >= of(&fields));
        }
    }
}
