//! The catalogue of events: what `docs/events.md` says of each, held to the log lines that they make.
//!
//! A `match` without `_` leads from every variant to its entry, so an event without one does not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::batch::{AccountName, BatchId, RuleName, RunId};
use crate::clock::{SetClock, Timestamp};
use crate::observe::Colour;
use crate::observe::event::{Code, Event, Observer, Scope, Subject};
use crate::observe::log::{self, Format, Level, Log, Settings, SharedWriter, Stderr};
use crate::observe::pages;
use crate::observe::service::ServiceEvent;

/// What is said of one event. `fields` is as the page has it; what is in brackets is a remark.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    level: &'static str,
    fields: &'static str,
    when: &'static str,
}

const fn entry(
    name: &'static str,
    level: &'static str,
    fields: &'static str,
    when: &'static str,
) -> Entry {
    Entry { name, level, fields, when }
}

const RUN: [Entry; 19] = [
    entry("run.started", "info", "`dry_run`", "a run of one account begins"),
    entry(
        "inventory.page",
        "debug",
        "`page` `pages` `batches` `duration_ms`",
        "a page of the listing arrived",
    ),
    entry(
        "inventory.listed",
        "info",
        "`batches` `statuses` (`idle=9 running=1`; also `queued`, `other`, `unknown`) `unreadable` `duration_ms`",
        "the listing is complete and proven so",
    ),
    entry("inventory.incomplete", "error", "`error`", "it is not; nothing is deleted"),
    entry("plan.made", "info", "`counts` (`delete=3 kept=7`)", "each batch has its verdict"),
    entry(
        "guard.tripped",
        "warn",
        "`guard` `limit` `value` `detail`",
        "a guard stopped the plan; nothing is deleted",
    ),
    entry(
        "guard.approved",
        "warn",
        "`of_run` `by`",
        "this run starts on a plan that a guard had stopped and that this person let pass; told also where a guard stops it again, since it changed",
    ),
    entry(
        "journal.settled",
        "warn",
        "`rule` `batch_id` `of_run` `outcome` (`deleted` `failed`)",
        "a deletion that a killed run left open was looked at: the batch is missing, or still there. Its name is in `history`",
    ),
    entry(
        "protection.gone",
        "warn",
        "`rule`",
        "a keep rule was edited or taken away since the last run; what it protected waits for `guards.probation`",
    ),
    entry(
        "hold.expires",
        "warn",
        "`batch_id` `until` `why`",
        "a hold ends within three days; told once for each hold",
    ),
    entry("batch.would_delete", "info", "", "dry run: this one would go"),
    entry(
        "batch.deleted",
        "info",
        "`attempt` `duration_ms`",
        "the API confirmed it, or a later look proved it",
    ),
    entry(
        "batch.skipped",
        "info",
        "`outcome` (`busy` `changed` `held` `gone` `refused`) `detail`",
        "left alone",
    ),
    entry(
        "busy.waiting",
        "info",
        "`batches` `wait_ms`",
        "all others had their turn; so many are busy and are looked at again for at most so long (`sweep.busy_wait`)",
    ),
    entry(
        "batch.failed",
        "error",
        "`attempt` `detail`",
        "it should go and is still there, or nobody can say",
    ),
    entry(
        "api.called",
        "trace",
        "`operation` `code` (`2xx` `3xx` `4xx` `429` `5xx` `broken` `timeout` `unreachable`) `attempt` `duration_ms`",
        "one attempt of a call is over, whatever it brought; `-vv` shows it",
    ),
    entry(
        "api.retry",
        "warn",
        "`operation` `attempt` `wait_ms` `error`",
        "a call failed and is tried again",
    ),
    entry(
        "api.paused",
        "warn",
        "`wait_ms` `error`",
        "the API asked for quiet: all calls of the account wait",
    ),
    entry(
        "run.finished",
        "info",
        "`outcome` `counts` `verified` `requests` `duration_ms` `exit_code` `error`",
        "a run ended",
    ),
];

const SERVICE: [Entry; 17] = [
    entry(
        "service.started",
        "info",
        "`accounts` `config_hash` `version`",
        "file, keys and state are good, every account was asked for: the same moment as READY",
    ),
    entry(
        "service.stopping",
        "info",
        "`running`",
        "SIGTERM or SIGINT: calls in flight are finished",
    ),
    entry(
        "config.reloaded",
        "info",
        "`accounts` `config_hash`",
        "the files were read again; used from the next run on",
    ),
    entry(
        "config.rejected",
        "error",
        "`error`",
        "the files were read again and are not used; the old ones stay",
    ),
    entry(
        "schedule.next",
        "info",
        "`account` `at` `local`",
        "the next firing of an account, whenever it is another one; `jitter` comes on top",
    ),
    entry(
        "schedule.missed",
        "warn",
        "`account` `missed` `makes_up`",
        "firings came while nobody was there, or a run was cut off; one run makes up for them, or none (`catch_up`)",
    ),
    entry(
        "schedule.skipped",
        "warn",
        "`account` `skipped`",
        "firings came while the account's run was under way",
    ),
    entry(
        "account.standby",
        "warn",
        "`account` `by`",
        "another process has the account; this one looks twice a minute whether it still has",
    ),
    entry("account.taken", "info", "`account`", "the account is this process's now"),
    entry(
        "state.unusable",
        "error",
        "`account` `error`",
        "the account cannot be taken, for the state fails; it is tried again",
    ),
    entry(
        "alarm.late",
        "error",
        "`account` `at`",
        "the alarm did not ring; the service looks at the clock twice a minute besides",
    ),
    entry(
        "alarm.broken",
        "error",
        "`error`",
        "the alarm cannot be set; the service looks at the clock twice a minute besides",
    ),
    entry(
        "clock.set_back",
        "warn",
        "`seconds`",
        "the clock was set back by over five minutes; schedules are reckoned from now on",
    ),
    entry(
        "notify.sent",
        "debug",
        "`notify` `host` `attempts`",
        "a notification was taken by its target",
    ),
    entry(
        "notify.failed",
        "warn",
        "`notify` `host` `attempts` `error`",
        "a notification was not sent; runs go on without it. Of its address only the host is told",
    ),
    entry(
        "metrics.began_anew",
        "warn",
        "`path` `error`",
        "`once`: the file of metrics is not this program's, or cannot be read; its counters begin at zero",
    ),
    entry(
        "metrics.not_written",
        "warn",
        "`path` `error`",
        "`once`: the file of metrics could not be written; the runs and the exit code stay what they are",
    ),
];

const OF_LOG: [Entry; 3] = [
    entry(
        "log.unreachable",
        "warn",
        "`error`",
        "the journal was asked for and cannot be reached: lines go to standard error",
    ),
    entry(
        "log.lost",
        "warn",
        "`lines`",
        "the journal hung and takes lines again; so many were lost",
    ),
    entry(
        "telemetry.off",
        "warn",
        "`error`",
        "the collector of OpenTelemetry cannot be used as the variables say (builds with `otel`)",
    ),
];

/// The entry of an event of a run, by its place.
const fn of_run(event: &Event) -> &'static Entry {
    match event {
        Event::RunStarted { .. } => &RUN[0],
        Event::InventoryPage { .. } => &RUN[1],
        Event::InventoryListed { .. } => &RUN[2],
        Event::InventoryIncomplete { .. } => &RUN[3],
        Event::PlanMade { .. } => &RUN[4],
        Event::GuardTripped { .. } => &RUN[5],
        Event::GuardApproved { .. } => &RUN[6],
        Event::JournalSettled { .. } => &RUN[7],
        Event::ProtectionGone { .. } => &RUN[8],
        Event::HoldExpires { .. } => &RUN[9],
        Event::BatchWouldDelete { .. } => &RUN[10],
        Event::BatchDeleted { .. } => &RUN[11],
        Event::BatchSkipped { .. } => &RUN[12],
        Event::BusyWaiting { .. } => &RUN[13],
        Event::BatchFailed { .. } => &RUN[14],
        Event::ApiCalled { .. } => &RUN[15],
        Event::ApiRetry { .. } => &RUN[16],
        Event::ApiPaused { .. } => &RUN[17],
        Event::RunFinished { .. } => &RUN[18],
    }
}

/// The entry of an event of the service, by its place.
const fn of_service(event: &ServiceEvent) -> &'static Entry {
    match event {
        ServiceEvent::Started { .. } => &SERVICE[0],
        ServiceEvent::Stopping { .. } => &SERVICE[1],
        ServiceEvent::ConfigReloaded { .. } => &SERVICE[2],
        ServiceEvent::ConfigRejected { .. } => &SERVICE[3],
        ServiceEvent::ScheduleNext { .. } => &SERVICE[4],
        ServiceEvent::ScheduleMissed { .. } => &SERVICE[5],
        ServiceEvent::ScheduleSkipped { .. } => &SERVICE[6],
        ServiceEvent::Standby { .. } => &SERVICE[7],
        ServiceEvent::TakenOver { .. } => &SERVICE[8],
        ServiceEvent::StateUnusable { .. } => &SERVICE[9],
        ServiceEvent::AlarmLate { .. } => &SERVICE[10],
        ServiceEvent::AlarmBroken { .. } => &SERVICE[11],
        ServiceEvent::ClockSetBack { .. } => &SERVICE[12],
        ServiceEvent::NotifySent { .. } => &SERVICE[13],
        ServiceEvent::NotifyFailed { .. } => &SERVICE[14],
        ServiceEvent::MetricsBeganAnew { .. } => &SERVICE[15],
        ServiceEvent::MetricsNotWritten { .. } => &SERVICE[16],
    }
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// One of every event of a run, with all its fields, as a run of this account tells it.
pub(super) fn samples(account: &AccountName, rule: &RuleName) -> Vec<(Scope, Event)> {
    let (run_id, rule) = (RunId::new(now(), [0; 10]), rule.clone());
    let (text, id) = (|| "text".to_owned(), BatchId::parse("A1").unwrap());
    let batch = || Subject { id: id.clone(), name: text(), rule: rule.clone() };
    let (duration, wait, counts) =
        (Duration::from_secs(1), Duration::from_secs(1), BTreeMap::from([("delete", 1)]));
    let events = vec![
        Event::RunStarted { dry_run: false },
        Event::InventoryPage { page: 1, pages: 1, batches: 1, duration },
        Event::InventoryListed {
            batches: 1,
            unreadable: 0,
            statuses: BTreeMap::from([("idle", 1)]),
            duration,
        },
        Event::InventoryIncomplete { cause: text() },
        Event::PlanMade { counts: counts.clone(), busy: vec![id.clone()] },
        Event::GuardTripped { guard: "max_deletes", limit: text(), value: text(), detail: text() },
        Event::GuardApproved { of_run: run_id, by: text() },
        Event::JournalSettled {
            batch: id.clone(),
            rule: rule.clone(),
            of_run: run_id,
            outcome: "deleted",
        },
        Event::ProtectionGone { rule: rule.clone() },
        Event::HoldExpires { batch: id.clone(), until: now(), why: text() },
        Event::BatchWouldDelete { batch: batch() },
        Event::BatchDeleted { batch: batch(), attempt: 1, duration },
        Event::BatchSkipped { batch: batch(), outcome: "busy", detail: text() },
        Event::BusyWaiting { batches: 1, wait },
        Event::BatchFailed { batch: batch(), detail: text(), attempt: 1 },
        Event::ApiCalled { operation: "list", code: Code::Success, attempt: 1, duration },
        Event::ApiRetry { operation: "list", attempt: 1, wait, cause: text() },
        Event::ApiPaused { wait, cause: text() },
        Event::RunFinished {
            outcome: "swept",
            counts,
            verified: Some(true),
            requests: 1,
            duration,
            exit_code: 1,
            error: Some(text()),
        },
    ];
    let scope = Scope { account: account.clone(), run_id };
    events.into_iter().map(|event| (scope.clone(), event)).collect()
}

/// One of every event of the service.
pub(super) fn service_samples(account: &AccountName) -> Vec<ServiceEvent> {
    let (account, text) = (|| account.clone(), || "text".to_owned());
    vec![
        ServiceEvent::Started { accounts: 1, config_hash: text() },
        ServiceEvent::Stopping { running: 0 },
        ServiceEvent::ConfigReloaded { accounts: 1, config_hash: text() },
        ServiceEvent::ConfigRejected { cause: text() },
        ServiceEvent::ScheduleNext { account: account(), at: now(), local: text() },
        ServiceEvent::ScheduleMissed { account: account(), missed: 1, makes_up: true },
        ServiceEvent::ScheduleSkipped { account: account(), skipped: 1 },
        ServiceEvent::Standby { account: account(), by: text() },
        ServiceEvent::TakenOver { account: account() },
        ServiceEvent::StateUnusable { account: account(), cause: text() },
        ServiceEvent::AlarmLate { account: account(), at: now() },
        ServiceEvent::AlarmBroken { cause: text() },
        ServiceEvent::ClockSetBack { seconds: 301 },
        ServiceEvent::NotifySent { notify: text(), host: text(), attempts: 1 },
        ServiceEvent::NotifyFailed { notify: text(), host: text(), attempts: 1, error: text() },
        ServiceEvent::MetricsBeganAnew { path: text(), cause: text() },
        ServiceEvent::MetricsNotWritten { path: text(), cause: text() },
    ]
}

/// The lines that something writes to the log, as JSON.
fn lines(format: Format, work: impl FnOnce()) -> Vec<BTreeMap<String, Value>> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let stderr = Stderr::Other;
    let settings = Settings { format, stderr, level: Level::Trace, colour: Colour::Never };
    let clock = Arc::new(SetClock::starting_at(now()));
    let nowhere = Path::new("/nonexistent/journal");
    let writer = SharedWriter(Arc::clone(&written));
    let dispatch = log::dispatch_to(nowhere, &settings, clock, writer);
    tracing::dispatcher::with_default(&dispatch, work);
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Field names as an entry has them.
fn names(entry: &Entry) -> BTreeSet<String> {
    let mut plain = String::new();
    for (at, part) in entry.fields.split(['(', ')']).enumerate() {
        if at % 2 == 0 {
            plain.push_str(part);
        }
    }
    plain.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Asserts that a line is what its entry says; `common` are fields that the page names for all such events.
#[track_caller]
fn assert_line(entry: &Entry, line: &BTreeMap<String, Value>, common: &[&str]) {
    assert_eq!(line["event"], entry.name);
    assert_eq!(
        line["level"].as_str().map(str::to_lowercase).as_deref(),
        Some(entry.level),
        "{}",
        entry.name
    );
    let mut wanted = names(entry);
    let shared = ["timestamp", "level", "message", "event"];
    wanted.extend(shared.iter().chain(common).map(|&name| name.to_owned()));
    let found: BTreeSet<_> = line.keys().cloned().collect();
    assert_eq!(found, wanted, "{}", entry.name);
}

#[tokio::test(start_paused = true)]
async fn every_event_of_a_run_is_written_as_the_catalogue_says() {
    let (account, rule) = (AccountName::parse("main").unwrap(), RuleName::parse("tmp").unwrap());
    let samples = samples(&account, &rule);
    let written = lines(Format::Json, || {
        for (scope, event) in &samples {
            Log.observe(scope, event);
        }
    });
    assert_eq!(written.len(), RUN.len(), "one line for each entry");
    for (((_, event), line), place) in samples.iter().zip(&written).zip(&RUN) {
        let entry = of_run(event);
        assert_eq!(entry.name, place.name, "samples are in the order of the catalogue");
        let names_a_batch = entry.name.starts_with("batch.");
        let batch: &[&str] = &["account", "run_id", "rule", "batch_id", "batch_name"];
        assert_line(entry, line, if names_a_batch { batch } else { &["account", "run_id"] });
    }
}

#[tokio::test(start_paused = true)]
async fn every_event_of_the_service_is_written_as_the_catalogue_says() {
    let samples = service_samples(&AccountName::parse("main").unwrap());
    let written = lines(Format::Json, || {
        for event in &samples {
            Log.service(event);
        }
    });
    assert_eq!(written.len(), SERVICE.len(), "one line for each entry");
    for ((event, line), place) in samples.iter().zip(&written).zip(&SERVICE) {
        assert_eq!(of_service(event).name, place.name);
        assert_line(of_service(event), line, &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_out_of_reach_is_written_as_the_catalogue_says() {
    let written = lines(Format::Journald, || {});
    assert_eq!(written.len(), 1);
    assert_line(&OF_LOG[0], &written[0], &[]);
}

/// The table of some events.
fn table(entries: &[Entry]) -> String {
    let mut table = "| event | level | fields | when |\n|---|---|---|---|\n".to_owned();
    for Entry { name, level, fields, when } in entries {
        let fields = if fields.is_empty() { " ".to_owned() } else { format!(" {fields} ") };
        let _always = writeln!(table, "| `{name}` | {level} |{fields}| {when} |");
    }
    table
}

#[test]
fn docs_of_events_are_those_of_the_catalogue() {
    pages::hold("events.md", &[table(&RUN), table(&SERVICE), table(&OF_LOG)]);
}
