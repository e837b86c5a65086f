//! OpenTelemetry: a trace of each run, and a few metrics, to a collector. Only in builds with the feature
//! `otel`, and only where the standard's variables name an endpoint.
//!
//! Like log lines, both are functions of the closed events. The SDK sends from threads of its own, by a client
//! that knows no API key. Not here: `/metrics` (`metrics`).
//! Invariant: whatever becomes of what is sent, no run waits for it or fails by it; a run has one open span.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider as _};
use opentelemetry::trace::{Span as _, Status, TraceContextExt, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::batch::RunId;
use crate::clock::Clock;
use crate::observe::event::{Event, Observer, Scope, Subject};
use crate::observe::service::ServiceEvent;

/// How long the end of the program waits for what is still to be sent.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What the service is called where `OTEL_SERVICE_NAME` says nothing.
const NAME: &str = "batchsweep";

/// The observer that tells a collector.
pub struct Telemetry {
    clock: Arc<dyn Clock>,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    tracer: SdkTracer,
    instruments: Instruments,
    /// Runs under way, each with its span.
    runs: Mutex<BTreeMap<RunId, Context>>,
}

struct Instruments {
    runs: Counter<u64>,
    run_duration: Histogram<f64>,
    deletions: Counter<u64>,
    batches: Gauge<u64>,
    guards: Counter<u64>,
}

/// A variable of the environment, if it says something.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Opens it, if the environment asks for it; or says why that cannot be, without what variables hold.
///
/// # Errors
/// When the SDK refuses what the variables say.
pub fn open(env: Variable<'_>, clock: Arc<dyn Clock>) -> Result<Option<Telemetry>, &'static str> {
    let is_off = env("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let endpoints = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    ];
    if is_off || !endpoints.iter().any(|name| env(name).is_some()) {
        return Ok(None);
    }
    let resource = match env("OTEL_SERVICE_NAME") {
        Some(_) => Resource::builder().build(),
        None => Resource::builder().with_service_name(NAME).build(),
    };
    let spans = SpanExporter::builder().with_http().build();
    let spans = spans
        .map_err(|_may_hold_a_header| "traces cannot be exported as the OTEL_ variables say")?;
    let points = MetricExporter::builder().with_http().build();
    let points = points
        .map_err(|_may_hold_a_header| "metrics cannot be exported as the OTEL_ variables say")?;
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(spans)
        .with_resource(resource.clone())
        .build();
    let metrics =
        SdkMeterProvider::builder().with_periodic_exporter(points).with_resource(resource).build();
    Ok(Some(Telemetry::new(clock, traces, metrics)))
}

impl Telemetry {
    fn new(clock: Arc<dyn Clock>, traces: SdkTracerProvider, metrics: SdkMeterProvider) -> Self {
        let meter = metrics.meter(NAME);
        let instruments = Instruments {
            runs: meter.u64_counter("batchsweep.runs").build(),
            run_duration: meter.f64_histogram("batchsweep.run.duration").with_unit("s").build(),
            deletions: meter.u64_counter("batchsweep.deletions").build(),
            batches: meter.u64_gauge("batchsweep.inventory.batches").build(),
            guards: meter.u64_counter("batchsweep.guards.tripped").build(),
        };
        Self {
            clock,
            tracer: traces.tracer(NAME),
            traces,
            metrics,
            instruments,
            runs: Mutex::default(),
        }
    }

    fn now(&self) -> SystemTime {
        self.clock.now().into()
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, Context>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, scope: &Scope, kind: KeyValue) {
        let mut span = self
            .tracer
            .span_builder("run")
            .with_start_time(self.now())
            .start_with_context(&self.tracer, &Context::new());
        span.set_attribute(KeyValue::new("batchsweep.account", scope.account.to_string()));
        span.set_attribute(KeyValue::new("batchsweep.run_id", scope.run_id.to_string()));
        span.set_attribute(kind);
        self.runs().insert(scope.run_id, Context::new().with_span(span));
    }

    /// A part of the run that has just ended and took so long.
    fn part(&self, scope: &Scope, name: &'static str, took: Duration, with: Vec<KeyValue>) {
        let Some(run) = self.runs().get(&scope.run_id).cloned() else { return };
        let end = self.now();
        let began = end.checked_sub(took).unwrap_or(end);
        let mut span = self
            .tracer
            .span_builder(name)
            .with_start_time(began)
            .with_attributes(with)
            .start_with_context(&self.tracer, &run);
        span.end_with_timestamp(end);
    }

    /// Something that happened during the run.
    fn note(&self, scope: &Scope, name: &'static str, with: Vec<KeyValue>) {
        if let Some(run) = self.runs().get(&scope.run_id) {
            run.span().add_event_with_timestamp(name, self.now(), with);
        }
    }

    fn end(&self, scope: &Scope, outcome: &'static str, exit_code: u8, error: Option<&str>) {
        let Some(run) = self.runs().remove(&scope.run_id) else { return };
        let span = run.span();
        span.set_attribute(KeyValue::new("batchsweep.outcome", outcome));
        span.set_attribute(KeyValue::new("batchsweep.exit_code", i64::from(exit_code)));
        if exit_code != 0 {
            span.set_status(Status::error(error.unwrap_or(outcome).to_owned()));
        }
        span.end_with_timestamp(self.now());
    }

    fn count_deletion(&self, scope: &Scope, batch: &Subject, outcome: &'static str) {
        let labels = [
            KeyValue::new("account", scope.account.to_string()),
            KeyValue::new("rule", batch.rule.to_string()),
            KeyValue::new("outcome", outcome),
        ];
        self.instruments.deletions.add(1, &labels);
    }
}

/// A batch as spans name it.
fn of_batch(batch: &Subject, outcome: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("batchsweep.batch_id", batch.id.to_string()),
        KeyValue::new("batchsweep.rule", batch.rule.to_string()),
        KeyValue::new("batchsweep.outcome", outcome),
    ]
}

impl Observer for Telemetry {
    fn observe(&self, scope: &Scope, event: &Event) {
        let account = || KeyValue::new("account", scope.account.to_string());
        match event {
            Event::RunStarted { dry_run } => {
                self.begin(scope, KeyValue::new("batchsweep.dry_run", *dry_run));
            }
            Event::InventoryListed { batches, duration, .. } => {
                let count = i64::try_from(*batches).unwrap_or(i64::MAX);
                let with = vec![KeyValue::new("batchsweep.batches", count)];
                self.part(scope, "listing", *duration, with);
                self.instruments.batches.record(*batches as u64, &[account()]);
            }
            Event::GuardTripped { guard, .. } => {
                let with = vec![KeyValue::new("batchsweep.guard", *guard)];
                self.note(scope, "guard.tripped", with);
                self.instruments.guards.add(1, &[account(), KeyValue::new("guard", *guard)]);
            }
            Event::BatchDeleted { batch, duration, .. } => {
                self.part(scope, "delete", *duration, of_batch(batch, "deleted"));
                self.count_deletion(scope, batch, "deleted");
            }
            Event::BatchSkipped { batch, outcome, .. } => {
                self.note(scope, "batch.skipped", of_batch(batch, outcome));
                self.count_deletion(scope, batch, outcome);
            }
            Event::BatchFailed { batch, .. } => {
                self.note(scope, "batch.failed", of_batch(batch, "failed"));
                self.count_deletion(scope, batch, "failed");
            }
            Event::ApiRetry { operation, .. } => {
                self.note(scope, "api.retry", vec![KeyValue::new("operation", *operation)]);
            }
            Event::ApiPaused { .. } => self.note(scope, "api.paused", Vec::new()),
            Event::RunFinished { outcome, duration, exit_code, error, .. } => {
                self.end(scope, outcome, *exit_code, error.as_deref());
                let labels = [account(), KeyValue::new("outcome", *outcome)];
                self.instruments.runs.add(1, &labels);
                self.instruments.run_duration.record(duration.as_secs_f64(), &labels);
            }
            Event::InventoryPage { .. }
            | Event::InventoryIncomplete { .. }
            | Event::PlanMade { .. }
            | Event::BatchWouldDelete { .. }
            | Event::BusyWaiting { .. }
            | Event::JournalSettled { .. }
            | Event::ProtectionGone { .. }
            | Event::HoldExpires { .. }
            | Event::GuardApproved { .. }
            | Event::ApiCalled { .. } => {}
        }
    }

    fn service(&self, _: &ServiceEvent) {}
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Threads of the SDK send what is left. What they cannot send is lost.
        let _best_effort = self.traces.shutdown_with_timeout(LAST_WAIT);
        let _best_effort = self.metrics.shutdown_with_timeout(LAST_WAIT);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::SpanId;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::SpanData;

    use super::*;
    use crate::batch::{AccountName, BatchId, RuleName};
    use crate::clock::SetClock;

    /// Keeps spans.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl opentelemetry_sdk::trace::SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_one_trace_with_its_parts() {
        let kept = Kept::default();
        let clock = Arc::new(SetClock::starting_at("2026-11-24T12:00:00Z".parse().unwrap()));
        let traces = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
        let metrics = SdkMeterProvider::builder().build();
        let telemetry = Telemetry::new(clock.clone(), traces, metrics);
        let run_id = RunId::new(clock.now(), [1; 10]);
        let scope = Scope { account: AccountName::parse("main").unwrap(), run_id };
        let batch = Subject {
            id: BatchId::parse("A1").unwrap(),
            name: "tmp-1".to_owned(),
            rule: RuleName::parse("tmp").unwrap(),
        };
        telemetry.observe(&scope, &Event::RunStarted { dry_run: false });
        tokio::time::advance(Duration::from_secs(9)).await;
        let deleted = Event::BatchDeleted { batch, attempt: 1, duration: Duration::from_secs(2) };
        telemetry.observe(&scope, &deleted);
        let finished = Event::RunFinished {
            outcome: "swept",
            counts: BTreeMap::new(),
            verified: Some(true),
            requests: 1,
            duration: Duration::from_secs(9),
            exit_code: 1,
            error: Some("1 of 2 failed".to_owned()),
        };
        telemetry.observe(&scope, &finished);
        let spans = kept.0.lock().unwrap().clone();
        let [delete, run] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!((delete.name.as_ref(), run.name.as_ref()), ("delete", "run"));
        assert_eq!(delete.span_context.trace_id(), run.span_context.trace_id());
        assert_eq!(delete.parent_span_id, run.span_context.span_id());
        assert_eq!(run.parent_span_id, SpanId::INVALID);
        let took = |span: &SpanData| span.end_time.duration_since(span.start_time).unwrap();
        assert_eq!((took(delete), took(run)), (Duration::from_secs(2), Duration::from_secs(9)));
        assert_eq!(run.status, Status::error("1 of 2 failed"));
        assert!(telemetry.runs().is_empty(), "nothing is kept of a run that is over");
    }

    #[test]
    fn without_an_endpoint_nothing_is_opened() {
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x")],
            &[("OTEL_SDK_DISABLED", "True"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")],
        ] {
            let env = |name: &str| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, text)| (*text).to_owned())
            };
            assert!(open(&env, Arc::clone(&clock)).unwrap().is_none(), "{variables:?}");
        }
    }
}
