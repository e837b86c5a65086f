//! Log lines: each event as one line of text or JSON on standard error, or in the journal.
//!
//! Not here: what happened (`event`), how the journal is spoken to (`journal`). Field names are an interface: `event` first of all.
//! Invariant: text from a server reaches a line only escaped, and in text lines only inside the
//! quotes of a field, so that no batch name can forge a line or a field, or move a cursor
//! (RUSTSEC-2025-0055 is the class).

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Subscriber, debug, error, info, trace, warn};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::batch::escaped;
use crate::clock::Clock;
use crate::observe::Colour;
use crate::observe::event::{Event, Observer, Scope, Subject};
use crate::observe::journal::{self, Journal};
use crate::observe::service::{self, ServiceEvent};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal; journald where standard error is the journal; else JSON.
    Auto,
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
    /// Native fields in the systemd journal, `BATCHSWEEP_EVENT` and so on.
    Journald,
}

/// What standard error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// A terminal.
    Terminal,
    /// The systemd journal, as a stream of lines.
    Journal,
    /// A file, a pipe, anything.
    Other,
}

impl Stderr {
    /// What the process's own is: the journal if `$JOURNAL_STREAM` names the very file that it is. A
    /// variable that was inherited past a redirection does not.
    pub fn of_process(journal_stream: Option<&str>) -> Self {
        let stderr = io::stderr();
        if stderr.is_terminal() {
            return Self::Terminal;
        }
        let file = stderr.as_fd().try_clone_to_owned().map(File::from);
        let found = file.and_then(|file| file.metadata());
        match found {
            Ok(found) if journal_stream == Some(&format!("{}:{}", found.dev(), found.ino())) => {
                Self::Journal
            }
            Ok(_) | Err(_) => Self::Other,
        }
    }
}

/// A format that is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text on standard error.
    Text,
    /// JSON on standard error.
    Json,
    /// The journal.
    Journald,
}

impl Style {
    /// What is meant by a format where standard error is that.
    pub const fn of(format: Format, stderr: Stderr) -> Self {
        match (format, stderr) {
            (Format::Text, _) | (Format::Auto, Stderr::Terminal) => Self::Text,
            (Format::Json, _) | (Format::Auto, Stderr::Other) => Self::Json,
            (Format::Journald, _) | (Format::Auto, Stderr::Journal) => Self::Journald,
        }
    }

    /// What lines are written as that the journal is out of reach for.
    const fn without_journal(stderr: Stderr) -> Self {
        match stderr {
            Stderr::Terminal => Self::Text,
            Stderr::Journal | Stderr::Other => Self::Json,
        }
    }
}

/// Which lines are written, from `-q` and `-v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Errors.
    Error,
    /// Errors and warnings.
    Warn,
    /// What happened: the default.
    Info,
    /// Each page and call as well.
    Debug,
    /// Everything, that of libraries included.
    Trace,
}

impl Level {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Times on log lines come from the program's clock, like every other time.
#[derive(Debug, Clone)]
struct ClockTime(Arc<dyn Clock>);

impl FormatTime for ClockTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", self.0.now().format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

/// What a log is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The format that is asked for.
    pub format: Format,
    /// What standard error is.
    pub stderr: Stderr,
    /// Which lines.
    pub level: Level,
    /// Whether text lines are coloured.
    pub colour: Colour,
}

/// Makes the log: a dispatcher to be set for as long as the program runs. A journal that cannot be reached
/// is told of, and does without.
pub fn dispatch<W>(settings: &Settings, clock: Arc<dyn Clock>, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    dispatch_to(Path::new(journal::SOCKET), settings, clock, writer)
}

/// The same with the journal at another place.
pub(super) fn dispatch_to<W>(
    socket: &Path,
    settings: &Settings,
    clock: Arc<dyn Clock>,
    writer: W,
) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let libraries =
        if settings.level == Level::Trace { LevelFilter::TRACE } else { LevelFilter::WARN };
    let filter = Targets::new()
        .with_target("batchsweep", settings.level.filter())
        .with_default(libraries.min(settings.level.filter()));
    let registry = tracing_subscriber::registry().with(filter);
    let style = Style::of(settings.format, settings.stderr);
    let (journal, style) = match style {
        Style::Text | Style::Json => (None, style),
        Style::Journald => (Some(Journal::open(socket)), Style::without_journal(settings.stderr)),
    };
    let layer = stream_layer(style, settings.colour, clock, writer);
    match journal {
        None => Dispatch::new(registry.with(layer)),
        Some(Ok(journal)) => Dispatch::new(registry.with(journal.or(layer))),
        Some(Err(problem)) => {
            let dispatch = Dispatch::new(registry.with(layer));
            tracing::dispatcher::with_default(&dispatch, || {
                warn!(
                    event = "log.unreachable",
                    error = problem.to_string().as_str(),
                    "the systemd journal cannot be reached; log lines go to standard error"
                );
            });
            dispatch
        }
    }
}

/// Lines on a stream.
fn stream_layer<S, W>(
    style: Style,
    colour: Colour,
    clock: Arc<dyn Clock>,
    writer: W,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_timer(ClockTime(clock))
        .with_target(false)
        .with_ansi(colour == Colour::Always);
    match style {
        Style::Text => layer.fmt_fields(TextFields).boxed(),
        Style::Json | Style::Journald => layer.json().flatten_event(true).boxed(),
    }
}

/// Fields of a text line. The library would quote texts as Rust does, and so escape a second time
/// what has been escaped before it came here.
#[derive(Debug, Clone, Copy)]
struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = TextLine { writer, is_first: true, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

/// One line as it is written, field by field.
struct TextLine<'w> {
    writer: Writer<'w>,
    is_first: bool,
    written: fmt::Result,
}

impl TextLine<'_> {
    /// Writes one field; the message has no name.
    fn put(&mut self, field: &Field, value: &str) {
        let blank = if self.is_first { "" } else { " " };
        self.is_first = false;
        let written = match field.name() {
            "message" => write!(self.writer, "{blank}{value}"),
            name if self.writer.has_ansi_escapes() => {
                write!(self.writer, "{blank}\u{1b}[2m{name}=\u{1b}[0m{value}")
            }
            name => write!(self.writer, "{blank}{name}={value}"),
        };
        self.written = self.written.and(written);
    }
}

impl Visit for TextLine<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.put(field, &escaped(value)),
            _ => self.put(field, &quoted(value)),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &escaped(&format!("{value:?}")));
    }
}

/// A text in quotes. Inside, a quote has a backslash before it, and a backslash is doubled only where
/// it would otherwise seem to belong to a quote: so names stay readable, and none ends its field.
pub(super) fn quoted(text: &str) -> String {
    let text = escaped(text);
    let mut out = String::with_capacity(text.len() + 2);
    let mut backslashes = 0;
    out.push('"');
    for c in text.chars() {
        if c == '"' {
            out.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        out.push(c);
    }
    out.extend(std::iter::repeat_n('\\', backslashes));
    out.push('"');
    out
}

/// Writes to a shared writer; for logs whose destination is not a plain stream.
#[derive(Debug, Clone)]
pub struct SharedWriter<W: ?Sized>(pub Arc<std::sync::Mutex<W>>);

impl<W: io::Write + ?Sized> io::Write for SharedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A poisoned lock means a panic while writing a line: the next line may still be written.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).flush()
    }
}

impl<'w, W: io::Write + ?Sized + 'static> MakeWriter<'w> for SharedWriter<W> {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The observer that writes each event to the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

/// One line with the fields that all lines share.
macro_rules! line {
    ($level:ident, $scope:expr, $event:literal, { $($field:tt)* }, $($message:tt)+) => {
        $level!(
            event = $event,
            account = $scope.account.as_str(),
            run_id = %$scope.run_id,
            $($field)*
            $($message)+
        )
    };
}

/// One line about a batch.
macro_rules! batch_line {
    ($level:ident, $scope:expr, $event:literal, $batch:expr, { $($field:tt)* }, $($message:tt)+) => {
        line!($level, $scope, $event, {
            rule = $batch.rule.as_str(),
            batch_id = $batch.id.as_str(),
            batch_name = $batch.name.as_str(),
            $($field)*
        }, $($message)+)
    };
}

/// A time in whole milliseconds, as lines carry it.
fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Counts as one field: `delete=3 kept=7`, zeros left out.
fn counts(counts: &std::collections::BTreeMap<&'static str, usize>) -> String {
    let shown: Vec<_> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{name}={count}"))
        .collect();
    shown.join(" ")
}

impl Observer for Log {
    #[expect(
        clippy::cognitive_complexity,
        reason = "one arm for each event; the branches are those of the macros"
    )]
    fn observe(&self, scope: &Scope, event: &Event) {
        match event {
            Event::RunStarted { .. } | Event::RunFinished { .. } => run(scope, event),
            Event::InventoryPage { .. }
            | Event::InventoryListed { .. }
            | Event::InventoryIncomplete { .. } => inventory(scope, event),
            Event::PlanMade { counts: verdicts, .. } => line!(
                info, scope, "plan.made", { counts = counts(verdicts).as_str(), },
                "the plan is made"
            ),
            Event::GuardTripped { guard, limit, value, detail } => line!(
                warn, scope, "guard.tripped",
                { guard = *guard, limit = limit.as_str(), value = value.as_str(), detail = detail.as_str(), },
                "guard {guard} stopped the plan; nothing was deleted"
            ),
            Event::BatchWouldDelete { batch } => batch_line!(
                info,
                scope,
                "batch.would_delete",
                batch,
                {},
                "would delete the batch (dry run)"
            ),
            Event::BatchDeleted { batch, attempt, duration } => batch_line!(
                info, scope, "batch.deleted", batch,
                { attempt = attempt, duration_ms = ms(*duration), }, "deleted the batch"
            ),
            Event::BusyWaiting { batches, wait } => line!(
                info, scope, "busy.waiting", { batches = batches, wait_ms = ms(*wait), },
                "all others had their turn; busy batches are waited for"
            ),
            Event::BatchSkipped { batch, outcome, detail } => {
                skipped(scope, batch, outcome, detail);
            }
            Event::BatchFailed { batch, detail, attempt } => batch_line!(
                error, scope, "batch.failed", batch,
                { attempt = attempt, detail = detail.as_str(), }, "could not delete the batch"
            ),
            Event::ApiCalled { .. } | Event::ApiRetry { .. } | Event::ApiPaused { .. } => {
                api(scope, event);
            }
            Event::JournalSettled { .. }
            | Event::HoldExpires { .. }
            | Event::GuardApproved { .. } => past(scope, event),
            Event::ProtectionGone { rule } => line!(
                warn, scope, "protection.gone", { rule = rule.as_str(), },
                "a keep rule was edited or taken away; what it protected waits for guards.probation"
            ),
        }
    }

    fn service(&self, event: &ServiceEvent) {
        service::log(event);
    }
}

fn past(scope: &Scope, event: &Event) {
    if let Event::JournalSettled { batch, rule, of_run, outcome } = event {
        line!(
            warn, scope, "journal.settled",
            { rule = rule.as_str(), batch_id = batch.as_str(), of_run = %of_run, outcome = *outcome, },
            "a deletion that a killed run left open is settled: {outcome}"
        );
    }
    if let Event::HoldExpires { batch, until, why } = event {
        line!(
            warn, scope, "hold.expires",
            { batch_id = batch.as_str(), until = until.to_rfc3339().as_str(), why = why.as_str(), },
            "a hold ends within three days"
        );
    }
    if let Event::GuardApproved { of_run, by } = event {
        line!(
            warn, scope, "guard.approved", { of_run = %of_run, by = by.as_str(), },
            "this run starts on a plan that a person approved"
        );
    }
}

fn skipped(scope: &Scope, batch: &Subject, outcome: &'static str, detail: &str) {
    batch_line!(
        info, scope, "batch.skipped", batch, { outcome = outcome, detail = detail, },
        "left the batch alone: {outcome}"
    );
}

fn run(scope: &Scope, event: &Event) {
    match event {
        Event::RunStarted { dry_run } => {
            line!(info, scope, "run.started", { dry_run = dry_run, }, "a run begins");
        }
        Event::RunFinished {
            outcome,
            counts: outcomes,
            verified,
            requests,
            duration,
            exit_code,
            error: problem,
        } => line!(
            info, scope, "run.finished",
            {
                outcome = *outcome,
                counts = counts(outcomes).as_str(),
                verified = verified,
                requests = requests,
                duration_ms = ms(*duration),
                exit_code = exit_code,
                error = problem.as_deref(),
            },
            "the run ended: {outcome}"
        ),
        Event::InventoryPage { .. }
        | Event::InventoryListed { .. }
        | Event::InventoryIncomplete { .. }
        | Event::PlanMade { .. }
        | Event::GuardTripped { .. }
        | Event::BatchWouldDelete { .. }
        | Event::BatchDeleted { .. }
        | Event::BusyWaiting { .. }
        | Event::BatchSkipped { .. }
        | Event::BatchFailed { .. }
        | Event::ApiCalled { .. }
        | Event::ApiRetry { .. }
        | Event::ApiPaused { .. }
        | Event::JournalSettled { .. }
        | Event::ProtectionGone { .. }
        | Event::HoldExpires { .. }
        | Event::GuardApproved { .. } => {}
    }
}

fn inventory(scope: &Scope, event: &Event) {
    if let Event::InventoryPage { page, pages, batches, duration } = event {
        line!(
            debug, scope, "inventory.page",
            { page = page, pages = pages, batches = batches, duration_ms = ms(*duration), },
            "read a page of the listing"
        );
    }
    if let Event::InventoryListed { batches, unreadable, statuses, duration } = event {
        line!(
            info, scope, "inventory.listed",
            {
                batches = batches,
                statuses = counts(statuses).as_str(),
                unreadable = unreadable,
                duration_ms = ms(*duration),
            },
            "the listing is complete"
        );
    }
    if let Event::InventoryIncomplete { cause } = event {
        line!(
            error, scope, "inventory.incomplete", { error = cause.as_str(), },
            "the listing is not complete; nothing was deleted"
        );
    }
}

fn api(scope: &Scope, event: &Event) {
    if let Event::ApiCalled { operation, code, attempt, duration } = event {
        line!(
            trace, scope, "api.called",
            { operation = *operation, code = code.as_str(), attempt = attempt, duration_ms = ms(*duration), },
            "an attempt of a call is over"
        );
    }
    if let Event::ApiRetry { operation, attempt, wait, cause } = event {
        line!(
            warn, scope, "api.retry",
            { operation = *operation, attempt = attempt, wait_ms = ms(*wait), error = cause.as_str(), },
            "a call failed and is tried again"
        );
    }
    if let Event::ApiPaused { wait, cause } = event {
        line!(
            warn, scope, "api.paused", { wait_ms = ms(*wait), error = cause.as_str(), },
            "the API asks for quiet; all calls wait"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_not_asked_for_is_what_standard_error_reads() {
        for (format, on_terminal, in_journal, elsewhere) in [
            (Format::Auto, Style::Text, Style::Journald, Style::Json),
            (Format::Text, Style::Text, Style::Text, Style::Text),
            (Format::Json, Style::Json, Style::Json, Style::Json),
            (Format::Journald, Style::Journald, Style::Journald, Style::Journald),
        ] {
            let styles = [Stderr::Terminal, Stderr::Journal, Stderr::Other]
                .map(|stderr| Style::of(format, stderr));
            assert_eq!(styles, [on_terminal, in_journal, elsewhere], "{format:?}");
        }
    }

    #[test]
    fn standard_error_is_the_journal_only_if_the_variable_names_that_very_file() {
        let found =
            File::from(io::stderr().as_fd().try_clone_to_owned().unwrap()).metadata().unwrap();
        let own = format!("{}:{}", found.dev(), found.ino());
        if Stderr::of_process(None) == Stderr::Other {
            assert_eq!(Stderr::of_process(Some(&own)), Stderr::Journal);
        }
        for foreign in ["", "1:2", "journal", &format!("{own}0")] {
            assert_ne!(Stderr::of_process(Some(foreign)), Stderr::Journal, "{foreign}");
        }
    }

    // fault: K8
    #[test]
    fn without_a_journal_lines_go_to_standard_error_and_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let stream = Arc::new(std::sync::Mutex::new(Vec::new()));
        let settings = Settings {
            format: Format::Journald,
            stderr: Stderr::Other,
            level: Level::Info,
            colour: Colour::Never,
        };
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let writer = SharedWriter(Arc::clone(&stream));
        let log = dispatch_to(&folder.path().join("socket"), &settings, clock, writer);
        tracing::dispatcher::with_default(&log, || info!(event = "run.started", "a run begins"));
        let written = String::from_utf8(stream.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["log.unreachable", "run.started"]);
    }

    // fault: X1
    #[test]
    fn a_text_is_escaped_once_and_never_ends_its_field() {
        for (text, shown) in [
            ("tmp-1", r#""tmp-1""#),
            ("tmp-\u{1b}[31mred", r#""tmp-\u{1b}[31mred""#),
            (r"tmp-\u{1b}[31mred", r#""tmp-\u{1b}[31mred""#),
            (r#"a" event="x"#, r#""a\" event=\"x""#),
            (r#"a\" event="x"#, r#""a\\\" event=\"x""#),
            ("a\\", r#""a\\""#),
            ("a\nb", r#""a\nb""#),
            ("", r#""""#),
        ] {
            assert_eq!(quoted(text), shown, "{text:?}");
        }
    }
}
