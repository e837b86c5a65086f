//! Log lines in the systemd journal, by its native protocol: each field is one that `journalctl` can select.
//!
//! Not here: text and JSON (`log`); the journal of deletions (`state`), which is something else.
//! Why not tracing-journald: it waits without end where the journal hangs, loses lines without a word, and its
//! MESSAGE is only the words, so that `journalctl -u batchsweep` would say "deleted the batch", but not which.
//! Invariant: a line holds a run up for a second at most, and the next ones not at all; a lost line is counted.

use std::fmt::{self, Write};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::batch::escaped;
use crate::observe::log::quoted;

/// Where the journal listens on every machine that has one.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// How long one line waits for a journal that does not take it. Later lines do not wait until one is taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the names of our fields begin with, so that none is one that the journal itself gives a meaning
/// (`PRIORITY`, `UNIT`, …), and all are found across units.
const PREFIX: &str = "BATCHSWEEP_";

/// Writes lines to the journal, and those it cannot be reached for to another layer.
#[derive(Debug)]
pub struct Journal<L> {
    socket: UnixDatagram,
    path: PathBuf,
    /// Lines lost since the last one that was taken.
    lost: AtomicU64,
    otherwise: L,
}

/// Lines that any journal of this process lost.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many log lines this process lost, since the journal did not take them in time.
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

impl Journal<()> {
    /// Opens the way to the journal.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, PATIENCE)
    }

    fn open_with(path: &Path, patience: Duration) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(patience))?;
        // An empty line is thrown away by the journal; one that nobody takes is an error.
        socket.send_to(&[], path)?;
        Ok(Self { socket, path: path.to_owned(), lost: AtomicU64::new(0), otherwise: () })
    }

    /// Where lines go while the journal is out of reach.
    pub fn or<L>(self, otherwise: L) -> Journal<L> {
        let Self { socket, path, lost, otherwise: () } = self;
        Journal { socket, path, lost, otherwise }
    }
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The journal has it.
    Taken,
    /// The journal hangs: nobody has it. To write it elsewhere may hang too, since all of the journal does.
    Lost,
    /// The journal is gone, or the line is too long for it.
    Refused,
}

impl<L> Journal<L> {
    fn send(&self, line: &[u8]) -> Sent {
        match self.send_once(line) {
            Ok(_) => {
                self.tell_lost();
                Sent::Taken
            }
            Err(problem)
                if matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                LOST.fetch_add(1, Ordering::Relaxed);
                if self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                    // A socket that cannot be told goes on waiting, which costs only time.
                    drop(self.socket.set_nonblocking(true));
                }
                Sent::Lost
            }
            Err(_) => Sent::Refused,
        }
    }

    /// A wait that has a limit is not taken up again by the system when a signal comes.
    fn send_once(&self, line: &[u8]) -> io::Result<usize> {
        const SIGNALS: usize = 8;
        let mut sent = self.socket.send_to(line, &self.path);
        for _ in 0..SIGNALS {
            match sent {
                Err(problem) if problem.kind() == ErrorKind::Interrupted => {
                    sent = self.socket.send_to(line, &self.path);
                }
                known => return known,
            }
        }
        sent
    }

    /// Tells how many lines were lost, now that the journal takes them again.
    fn tell_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(self.socket.set_nonblocking(false));
            let mut line = Line::new(Level::WARN);
            line.message.push_str("log lines were lost: the journal did not take them in time");
            line.put("event", "log.lost", Shown::InFields);
            line.put("lines", &lost.to_string(), Shown::InBoth);
            drop(self.socket.send_to(&line.finish(), &self.path));
        }
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Journal<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Line::new(*event.metadata().level());
        event.record(&mut line);
        if self.send(&line.finish()) == Sent::Refused {
            self.otherwise.on_event(event, context);
        }
    }

    // The other layer needs to know of spans, since it shows them with an event.
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.otherwise.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.otherwise.on_record(id, values, context);
    }
}

/// Whether a field also stands in the words that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    InFields,
    InBoth,
}

/// One line as it is made: its fields, and the words for people.
struct Line {
    fields: Vec<u8>,
    message: String,
    /// What follows the words: ` rule="temporary" attempt=1`.
    details: String,
}

impl Line {
    fn new(level: Level) -> Self {
        let mut line = Self { fields: Vec::new(), message: String::new(), details: String::new() };
        line.raw("PRIORITY", priority(level));
        line.raw("SYSLOG_IDENTIFIER", "batchsweep");
        line
    }

    /// Adds a field that the journal knows, or that has its name already.
    ///
    /// In the form with a length, in which a value may hold anything and ends where it says.
    fn raw(&mut self, name: &str, value: &str) {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.fields.extend_from_slice(name.as_bytes());
        self.fields.push(b'\n');
        self.fields.extend_from_slice(&length.to_le_bytes());
        self.fields.extend_from_slice(value.as_bytes());
        self.fields.push(b'\n');
    }

    /// Adds a field of ours.
    fn put(&mut self, name: &str, value: &str, shown: Shown) {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        let name_here = name.replace('.', "_");
        let name_here: String = name_here.chars().filter(is_plain).collect();
        self.raw(&format!("{PREFIX}{}", name_here.to_ascii_uppercase()), value);
        if shown == Shown::InBoth {
            let _infallible = write!(self.details, " {name}={value}");
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let message = format!("{}{}", self.message, self.details);
        self.raw("MESSAGE", message.trim_start());
        self.fields
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let name = field.name();
        match name {
            "message" => self.message = escaped(value),
            "event" => self.put(name, &escaped(value), Shown::InFields),
            _ => {
                self.put(name, &escaped(value), Shown::InFields);
                let _infallible = write!(self.details, " {name}={}", quoted(value));
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = escaped(&format!("{value:?}"));
        match field.name() {
            "message" => self.message = value,
            // For machines: people follow a run by its account.
            "run_id" => self.put("run_id", &value, Shown::InFields),
            name => self.put(name, &value, Shown::InBoth),
        }
    }
}

/// As syslog counts.
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tempfile::TempDir;
    use tracing::{Dispatch, dispatcher, error, info, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::observe::log::SharedWriter;

    /// Something in place of the journal, and the folder that its socket is in.
    fn stand_in() -> (TempDir, PathBuf, UnixDatagram) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        (folder, path, socket)
    }

    /// A log to that socket; what it refuses is in the buffer.
    fn log_to(path: &Path) -> (Dispatch, Arc<Mutex<Vec<u8>>>) {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let layer = tracing_subscriber::fmt::layer()
            .without_time()
            .with_writer(SharedWriter(Arc::clone(&refused)));
        let journal = Journal::open_with(path, Duration::from_micros(1)).unwrap().or(layer);
        (Dispatch::new(tracing_subscriber::registry().with(journal)), refused)
    }

    /// The fields of one line, as the journal would read them.
    fn parsed(mut line: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while !line.is_empty() {
            let end = line.iter().position(|byte| *byte == b'\n').unwrap();
            let (name, rest) = line.split_at(end);
            let (length, rest) = rest[1..].split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap());
            let (value, rest) = rest.split_at(usize::try_from(length).unwrap());
            assert_eq!(rest[0], b'\n');
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let before = fields.insert(text(name), text(value));
            assert_eq!(before, None, "a field twice");
            line = &rest[1..];
        }
        fields
    }

    fn received(socket: &UnixDatagram) -> Vec<BTreeMap<String, String>> {
        let mut lines = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = socket.recv(&mut buffer) {
            // The empty one is the question whether anybody is there.
            if length > 0 {
                lines.push(parsed(&buffer[..length]));
            }
        }
        lines
    }

    #[test]
    fn every_field_is_one_of_the_journal_and_the_words_say_which() {
        let (_folder, path, socket) = stand_in();
        let (log, _) = log_to(&path);
        dispatcher::with_default(&log, || {
            info!(
                event = "batch.deleted",
                account = "main",
                run_id = %"0190",
                batch_name = "a \"b\"",
                attempt = 1,
                "deleted the batch"
            );
        });
        let lines = received(&socket);
        insta::assert_debug_snapshot!(lines, @r#"
        [
            {
                "BATCHSWEEP_ACCOUNT": "main",
                "BATCHSWEEP_ATTEMPT": "1",
                "BATCHSWEEP_BATCH_NAME": "a \"b\"",
                "BATCHSWEEP_EVENT": "batch.deleted",
                "BATCHSWEEP_RUN_ID": "0190",
                "MESSAGE": "deleted the batch account=\"main\" batch_name=\"a \\\"b\\\"\" attempt=1",
                "PRIORITY": "6",
                "SYSLOG_IDENTIFIER": "batchsweep",
            },
        ]
        "#);
    }

    #[test]
    fn levels_are_those_of_syslog() {
        for (level, expected) in [
            (Level::ERROR, "3"),
            (Level::WARN, "4"),
            (Level::INFO, "6"),
            (Level::DEBUG, "7"),
            (Level::TRACE, "7"),
        ] {
            assert_eq!(priority(level), expected);
        }
    }

    // fault: X1
    #[test]
    fn no_text_makes_a_field_or_a_line_of_its_own() {
        let (_folder, path, socket) = stand_in();
        let (log, _) = log_to(&path);
        let hostile = "x\nPRIORITY=0\nMESSAGE=forged\u{1b}[31m\u{202e}";
        dispatcher::with_default(&log, || {
            info!(event = "batch.skipped", detail = hostile, "left {hostile}");
        });
        let lines = received(&socket);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["PRIORITY"], "6");
        assert_eq!(lines[0]["BATCHSWEEP_DETAIL"], escaped(hostile));
        let all: String = lines[0].values().map(String::as_str).collect();
        assert!(!all.contains(['\n', '\u{1b}', '\u{202e}']), "{all:?}");
    }

    // fault: K8
    #[test]
    fn a_journal_that_is_gone_leaves_the_lines_to_standard_error() {
        let (folder, path, socket) = stand_in();
        let (log, refused) = log_to(&path);
        dispatcher::with_default(&log, || {
            error!(event = "batch.failed", "the first");
            drop(socket);
            drop(folder);
            error!(event = "batch.failed", "the second");
        });
        let refused = String::from_utf8(refused.lock().unwrap().clone()).unwrap();
        assert!(refused.contains("the second") && !refused.contains("the first"), "{refused}");
        assert!(Journal::open(&path).is_err());
    }

    // fault: K8
    #[test]
    fn a_journal_that_hangs_loses_lines_and_is_told_how_many() {
        let (_folder, path, socket) = stand_in();
        let (log, refused) = log_to(&path);
        // More than any queue of datagrams holds.
        let written = 5_000;
        dispatcher::with_default(&log, || {
            for _ in 0..written {
                warn!(event = "api.retry", "again");
            }
        });
        let taken = received(&socket).len();
        assert!(taken > 0 && taken < written, "{taken}");
        dispatcher::with_default(&log, || info!(event = "run.finished", "ended"));
        let lines = received(&socket);
        let events: Vec<_> = lines.iter().map(|line| line["BATCHSWEEP_EVENT"].as_str()).collect();
        assert_eq!(events, ["run.finished", "log.lost"]);
        assert_eq!(lines[1]["BATCHSWEEP_LINES"], (written - taken).to_string());
        assert_eq!(*refused.lock().unwrap(), b"", "standard error may hang as well");
    }
}
