//! Metrics as events make them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Metrics, Of, Owned, Seed, Served, families};
use crate::api::error::Operation;
use crate::batch::{AccountName, BatchId, RuleName, RunId};
use crate::clock::{Clock, SetClock, Timestamp};
use crate::guards;
use crate::observe::event::{Code, Event, OUTCOMES, Observer, STATUSES, Scope, Subject};
use crate::observe::pages;
use crate::observe::service::ServiceEvent;
use crate::policy::verdict::Verdict;

const START: &str = "2026-11-24T12:00:00Z";

fn account(name: &str) -> AccountName {
    AccountName::parse(name).unwrap()
}

fn rule(name: &str) -> RuleName {
    RuleName::parse(name).unwrap()
}

fn served(name: &str, rules: &[&str]) -> Served {
    let rules = rules.iter().map(|name| rule(name)).collect();
    Served { account: account(name), rules, interval: Some(Duration::from_hours(24)) }
}

fn scope(name: &str) -> Scope {
    let now: Timestamp = START.parse().unwrap();
    Scope { account: account(name), run_id: RunId::new(now, [0; 10]) }
}

fn batch(id: &str) -> Subject {
    Subject { id: BatchId::parse(id).unwrap(), name: id.to_owned(), rule: rule("tmp") }
}

struct Stage {
    clock: Arc<SetClock>,
    metrics: Metrics,
}

impl Stage {
    fn new(of: Of) -> Self {
        let clock = Arc::new(SetClock::starting_at(START.parse().unwrap()));
        let same: Arc<dyn Clock> = Arc::<SetClock>::clone(&clock);
        Self { clock, metrics: Metrics::new(of, same, vec![served("main", &["tmp"])]) }
    }

    fn tell(&self, event: &Event) {
        self.metrics.observe(&scope("main"), event);
    }

    fn tell_service(&self, event: &ServiceEvent) {
        self.metrics.service(event);
    }

    fn begin(&self) {
        self.tell(&Event::RunStarted { dry_run: false });
    }

    fn begin_dry(&self) {
        self.tell(&Event::RunStarted { dry_run: true });
    }

    fn plan(&self, busy: &[&str]) {
        let busy = busy.iter().map(|id| BatchId::parse(id).unwrap()).collect();
        self.tell(&Event::PlanMade { counts: BTreeMap::from([("delete", 2), ("busy", 1)]), busy });
    }

    fn trip(&self) {
        self.tell(&Event::GuardTripped {
            guard: "max_deletes",
            limit: "1".to_owned(),
            value: "2".to_owned(),
            detail: String::new(),
        });
    }

    fn end(&self, outcome: &'static str, exit_code: u8) {
        self.tell(&Event::RunFinished {
            outcome,
            counts: BTreeMap::new(),
            verified: None,
            requests: 1,
            duration: Duration::from_secs(2),
            exit_code,
            error: None,
        });
    }

    /// The value of one line of the text; `None` where there is none.
    fn value(&self, line: &str) -> Option<f64> {
        let text = self.metrics.classic();
        let found = text.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(' '))?;
        Some(found.parse().unwrap())
    }

    #[track_caller]
    fn assert(&self, line: &str, value: f64) {
        let found = self.value(line);
        assert!(
            found.is_some_and(|found| (found - value).abs() < 1e-6),
            "{line}: {found:?}, not {value}"
        );
    }
}

/// Lines in an order of their own: a family's come in the order of a hash.
fn sorted(text: &str) -> String {
    // Lines are lost by the whole process, and so by other tests. The bounds of buckets are written in two ways.
    let is_own = |line: &&str| !line.starts_with('#') && !line.contains("_lost_total");
    let mut lines: Vec<_> = text.lines().filter(is_own).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[tokio::test(start_paused = true)]
async fn every_label_set_is_there_from_the_start() {
    let stage = Stage::new(Of::Service);
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(
        sorted(&stage.metrics.classic()).replace(&version, "version=\"0.0.0\"")
    );
}

#[tokio::test(start_paused = true)]
async fn events_add_no_series_that_was_not_there_from_the_start() {
    let stage = Stage::new(Of::Service);
    let names = |text: &str| -> Vec<String> {
        let series = text.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        let mut series: Vec<_> = series.collect();
        series.sort_unstable();
        series
    };
    let before = names(&stage.metrics.classic());
    for (scope, event) in crate::observe::catalogue::samples(&account("main"), &rule("tmp")) {
        stage.metrics.observe(&scope, &event);
    }
    for event in crate::observe::catalogue::service_samples(&account("main")) {
        stage.tell_service(&event);
    }
    assert_eq!(names(&stage.metrics.classic()), before);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_counted_and_dated() {
    let stage = Stage::new(Of::Service);
    stage.begin();
    stage.end("swept", 1);
    stage.assert("batchsweep_runs_total{account=\"main\",outcome=\"swept\"}", 1.0);
    stage.assert("batchsweep_run_duration_seconds_sum{account=\"main\"}", 2.0);
    stage.assert("batchsweep_last_run_timestamp_seconds{account=\"main\"}", 1_795_521_600.0);
    stage.assert("batchsweep_last_run_exit_code{account=\"main\"}", 1.0);
    stage.assert("batchsweep_last_success_timestamp_seconds{account=\"main\"}", 0.0);
    stage.begin();
    stage.end("swept", 0);
    stage.assert("batchsweep_last_success_timestamp_seconds{account=\"main\"}", 1_795_521_600.0);
    stage.begin();
    stage.end("locked", 5);
    stage.assert("batchsweep_runs_skipped_total{account=\"main\",reason=\"locked\"}", 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_guard_is_open_until_a_plan_that_was_to_be_carried_out_passes_it() {
    let stage = Stage::new(Of::Service);
    let guard = "batchsweep_guard_tripped{account=\"main\",guard=\"max_deletes\"}";
    stage.begin();
    stage.trip();
    stage.assert(guard, 1.0);
    stage.end("guarded", 3);
    stage.assert(guard, 1.0);
    stage.begin();
    stage.end("incomplete", 4);
    stage.assert(guard, 1.0);
    stage.begin_dry();
    stage.end("dry_run", 0);
    stage.assert(guard, 1.0);
    // An approved plan trips it, and is carried out.
    stage.begin();
    stage.trip();
    stage.end("swept", 0);
    stage.assert(guard, 0.0);
    stage.begin_dry();
    stage.trip();
    stage.end("dry_run", 0);
    stage.assert(guard, 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_inventory_is_that_after_the_sweep() {
    let stage = Stage::new(Of::Service);
    stage.tell(&Event::InventoryListed {
        batches: 4,
        unreadable: 0,
        statuses: BTreeMap::from([("idle", 3), ("running", 1)]),
        duration: Duration::ZERO,
    });
    let (attempt, duration) = (1, Duration::ZERO);
    stage.tell(&Event::BatchDeleted { batch: batch("A1"), attempt, duration });
    stage.tell(&Event::BatchSkipped { batch: batch("A2"), outcome: "gone", detail: String::new() });
    stage.tell(&Event::BatchFailed { batch: batch("A3"), detail: String::new(), attempt: 2 });
    stage.assert("batchsweep_inventory_batches{account=\"main\",status=\"idle\"}", 1.0);
    stage.assert("batchsweep_inventory_batches{account=\"main\",status=\"running\"}", 1.0);
    for outcome in ["deleted", "gone", "failed"] {
        let line = format!(
            "batchsweep_deletions_total{{account=\"main\",rule=\"tmp\",outcome=\"{outcome}\"}}"
        );
        stage.assert(&line, 1.0);
    }
}

// fault: H13
#[tokio::test(start_paused = true)]
async fn the_age_of_a_busy_batch_counts_from_the_first_look_to_the_last() {
    let stage = Stage::new(Of::Service);
    let age = "batchsweep_busy_oldest_seconds{account=\"main\"}";
    stage.plan(&["A1", "A2"]);
    stage.assert(age, 0.0);
    stage.clock.advance(Duration::from_hours(24));
    stage.assert(age, 0.0);
    stage.plan(&["A2", "A3"]);
    stage.assert(age, 86_400.0);
    stage.clock.advance(Duration::from_hours(1));
    stage.plan(&["A3"]);
    stage.assert(age, 3600.0);
    stage.plan(&[]);
    stage.assert(age, 0.0);
    // Idle in the plan, busy when its turn came.
    stage.tell(&Event::BatchSkipped { batch: batch("A4"), outcome: "busy", detail: String::new() });
    stage.clock.advance(Duration::from_hours(2));
    stage.plan(&["A4"]);
    stage.assert(age, 7200.0);
}

#[tokio::test(start_paused = true)]
async fn busy_batches_are_remembered_up_to_a_bound() {
    let stage = Stage::new(Of::Service);
    let ids: Vec<_> = (0..super::MOST_BUSY + 5).map(|n| format!("A{n}")).collect();
    stage.plan(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(stage.metrics.book(&account("main")).busy.len(), super::MOST_BUSY);
}

#[tokio::test(start_paused = true)]
async fn a_pause_within_a_pause_is_counted_once() {
    let stage = Stage::new(Of::Service);
    let pause =
        |seconds| Event::ApiPaused { wait: Duration::from_secs(seconds), cause: String::new() };
    stage.tell(&pause(60));
    stage.tell(&pause(30));
    tokio::time::advance(Duration::from_secs(40)).await;
    stage.tell(&pause(30));
    stage.assert("batchsweep_api_paused_seconds_total{account=\"main\"}", 70.0);
}

// fault: F8 Y7
#[tokio::test(start_paused = true)]
async fn files_that_are_not_used_are_told_and_dated() {
    let stage = Stage::new(Of::Service);
    let dated = "batchsweep_config_last_reload_success_timestamp_seconds";
    stage.assert("batchsweep_config_last_reload_successful", 1.0);
    stage.clock.advance(Duration::from_hours(1));
    stage.tell_service(&ServiceEvent::ConfigRejected { cause: String::new() });
    stage.assert("batchsweep_config_last_reload_successful", 0.0);
    stage.assert(dated, 1_795_521_600.0);
    let config_hash = String::new();
    stage.tell_service(&ServiceEvent::ConfigReloaded { accounts: 1, config_hash });
    stage.assert("batchsweep_config_last_reload_successful", 1.0);
    stage.assert(dated, 1_795_525_200.0);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_gone_is_no_gauge_and_a_new_one_is_there_at_zero() {
    let stage = Stage::new(Of::Service);
    stage.begin();
    stage.end("swept", 0);
    stage.metrics.follow(vec![served("main", &["new"]), served("other", &["tmp"])]);
    stage.assert("batchsweep_last_run_exit_code{account=\"main\"}", 0.0);
    stage.assert("batchsweep_last_run_exit_code{account=\"other\"}", -1.0);
    stage.assert(
        "batchsweep_deletions_total{account=\"main\",rule=\"new\",outcome=\"deleted\"}",
        0.0,
    );
    stage.metrics.follow(vec![served("other", &["tmp"])]);
    stage.metrics.own(&account("main"), Owned::Elsewhere);
    stage.metrics.recall(&account("main"), &Seed::default());
    let gauge_left = |text: &str| {
        let mut gauges = text.lines().filter(|line| line.contains("account=\"main\""));
        gauges
            .find(|line| !line.contains("_total{") && !line.contains("_duration_seconds"))
            .map(str::to_owned)
    };
    assert_eq!(gauge_left(&stage.metrics.classic()), None);
    stage.assert("batchsweep_runs_total{account=\"main\",outcome=\"swept\"}", 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_a_schedule_has_no_interval_and_no_next_run() {
    let stage = Stage::new(Of::Service);
    let at = START.parse().unwrap();
    let event = ServiceEvent::ScheduleNext { account: account("main"), at, local: String::new() };
    stage.tell_service(&event);
    stage.assert("batchsweep_next_run_timestamp_seconds{account=\"main\"}", 1_795_521_600.0);
    stage.assert("batchsweep_schedule_interval_seconds{account=\"main\"}", 86_400.0);
    stage.metrics.follow(vec![Served { interval: None, ..served("main", &["tmp"]) }]);
    stage.assert("batchsweep_next_run_timestamp_seconds{account=\"main\"}", 0.0);
    assert_eq!(stage.value("batchsweep_schedule_interval_seconds{account=\"main\"}"), None);
}

#[tokio::test(start_paused = true)]
async fn a_single_run_shows_nothing_that_only_a_service_knows() {
    let text = Stage::new(Of::Once).metrics.classic();
    for name in [
        "next_run",
        "schedule_interval",
        "account_owned",
        "busy_oldest",
        "config_",
        "firings",
        "skipped",
    ] {
        assert!(!text.contains(&format!("batchsweep_{name}")), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn both_texts_have_the_same_samples() {
    let stage = Stage::new(Of::Service);
    let event = Event::ApiCalled {
        operation: "list",
        code: Code::TooMany,
        attempt: 1,
        duration: Duration::from_millis(20),
    };
    stage.tell(&event);
    let (open, classic) = (stage.metrics.openmetrics(), stage.metrics.classic());
    let plain = |text: &str| -> Vec<String> {
        let text = sorted(text);
        text.lines().filter(|line| !line.contains("_bucket")).map(str::to_owned).collect()
    };
    assert!(plain(&open) == plain(&classic), "{open}\n{classic}");
    assert!(plain(&open).len() > 90);
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE batchsweep_build info\n"));
    assert!(!classic.contains("# EOF") && !classic.contains("# UNIT"));
    assert!(classic.contains("# TYPE batchsweep_build_info gauge\n"), "{classic}");
    assert!(classic.contains("# TYPE batchsweep_runs_total counter\n"));
}

// fault: X6
#[tokio::test(start_paused = true)]
async fn no_label_holds_text_from_outside() {
    let stage = Stage::new(Of::Service);
    let evil = "evil\"}\n1";
    let subject = Subject { name: evil.to_owned(), ..batch("EV1L") };
    stage.tell(&Event::BatchFailed { batch: subject, detail: evil.to_owned(), attempt: 1 });
    stage.tell(&Event::ApiPaused { wait: Duration::ZERO, cause: evil.to_owned() });
    stage.plan(&["EV1L"]);
    for text in [stage.metrics.classic(), stage.metrics.openmetrics()] {
        assert!(!text.contains("evil") && !text.contains("EV1L"));
    }
}

/// The names of a family's labels, as its first sample has them, without those of a histogram's buckets.
fn labels_of(text: &str, name: &str) -> Vec<String> {
    let rest = |line: &str| {
        let rest =
            line.strip_prefix(name)?.trim_start_matches("_bucket").trim_start_matches("_info");
        (rest.starts_with(['{', ' '])).then(|| rest.to_owned())
    };
    let Some(sample) = text.lines().find_map(rest) else { return Vec::new() };
    let inner = sample.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let keys =
        inner.map_or("", |(inner, _)| inner).split(',').filter_map(|one| one.split_once('='));
    keys.map(|(key, _)| key.to_owned()).filter(|key| key != "le").collect()
}

/// The table of all metrics.
fn table() -> String {
    let classic = Stage::new(Of::Service).metrics.classic();
    let once = Stage::new(Of::Once).metrics.classic();
    let mut rows: Vec<_> = classic
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| {
            let head = format!("# HELP {name} ");
            let help = classic.lines().find_map(|line| line.strip_prefix(&head)).unwrap();
            let labels = labels_of(&classic, name);
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}` ")).collect();
            let labels = labels.concat();
            let has = once.contains(&format!("# TYPE {name} "));
            let by = if has { "both" } else { "`run`" };
            format!("| `{name}` | {kind} | {}| {by} | {} |\n", labels, help.trim_end_matches('.'))
        })
        .collect();
    rows.sort_unstable();
    format!("| metric | type | labels | by | meaning |\n|---|---|---|---|---|\n{}", rows.concat())
}

#[tokio::test(start_paused = true)]
async fn docs_of_metrics_are_those_of_the_code() {
    let row = |label: &str, words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
        format!("| {label} | {} |\n", words.join(" "))
    };
    let outcomes: Vec<_> = families::outcomes().collect();
    let values = [
        "| label | values |\n|---|---|\n| `account` `rule` | names of the file |\n".to_owned(),
        row("`outcome` of runs", &OUTCOMES),
        row("`outcome` of deletions", &outcomes),
        row("`status`", &STATUSES),
        row("`verdict`", &Verdict::NAMES),
        row("`guard`", &guards::NAMES),
        row("`operation`", &Operation::ALL.map(Operation::as_str)),
        row("`code`", &Code::ALL.map(Code::as_str)),
        row("`reason`", &families::SKIPPED),
    ];
    pages::hold("metrics.md", &[table(), values.concat()]);
}
