//! What people and programs read: the only place that writes to standard output and error.
//!
//! Not here: which words are written (each command's file), log lines (`observe::log`).
//! Invariant: a closed or full stream never changes what a run does; what cannot be written is lost.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use comfy_table::{Cell, ContentArrangement, Table};
use serde::Serialize;

use crate::batch::Fact;
use crate::clock::Timestamp;
use crate::config::Environment;
use crate::observe::Colour;
use crate::observe::log::Stderr;

/// A stream that may be a test's buffer.
pub type Stream = Arc<Mutex<dyn Write + Send>>;

/// Standard output and error, and what is known of the terminal behind them.
#[derive(Clone)]
pub struct Terminal {
    out: Stream,
    err: Stream,
    /// What standard error is.
    pub stderr: Stderr,
    /// Whether text for people may be coloured.
    pub colour: Colour,
    /// Why data could not be written, if so; a reader that went away is none.
    lost: Arc<OnceLock<io::Error>>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("stderr", &self.stderr)
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

impl Terminal {
    /// The process's own streams. `NO_COLOR` (any value) and `TERM=dumb` switch colour off,
    /// `CLICOLOR_FORCE` (anything but 0) switches it on, else a terminal decides.
    pub fn of_process(env: &Environment) -> Self {
        let set = |name| env.get(name).is_some_and(|value| !value.is_empty());
        let forced = env.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let dumb = env.get("TERM").is_some_and(|value| value == "dumb");
        let is_terminal = io::stdout().is_terminal();
        let colour = !set("NO_COLOR") && (forced || (is_terminal && !dumb));
        Self {
            out: Arc::new(Mutex::new(BufWriter::new(io::stdout()))),
            err: Arc::new(Mutex::new(io::stderr())),
            stderr: Stderr::of_process(env.get("JOURNAL_STREAM")),
            colour: if colour { Colour::Always } else { Colour::Never },
            lost: Arc::default(),
        }
    }

    /// Streams that a test reads.
    pub fn of_streams(out: Stream, err: Stream) -> Self {
        Self { out, err, stderr: Stderr::Other, colour: Colour::Never, lost: Arc::default() }
    }

    /// Writes data for people.
    pub fn data(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        self.note(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Takes note of data that could not be written.
    fn note(&self, written: io::Result<()>) {
        if let Err(problem) = written
            && problem.kind() != io::ErrorKind::BrokenPipe
        {
            self.lost.get_or_init(|| problem);
        }
    }

    /// Why data could not be written, if so.
    pub fn lost(&self) -> Option<&io::Error> {
        self.lost.get()
    }

    /// Writes data for programs: one JSON document and a newline.
    pub fn json(&self, document: &impl Serialize) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_writer_pretty(&mut *out, document)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush());
        self.note(written);
    }

    /// Writes a message about the program's own trouble. In the journal it has the priority of an error,
    /// so that `journalctl -p err` shows why a service did not start.
    pub fn error(&self, text: &str) {
        let text = match self.stderr {
            Stderr::Journal => as_errors(text),
            Stderr::Terminal | Stderr::Other => text.to_owned(),
        };
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        let written = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        drop(written);
    }

    /// Where log lines go.
    pub fn log_stream(&self) -> Stream {
        Arc::clone(&self.err)
    }

    /// Whether standard error is a terminal.
    pub fn shows_progress(&self) -> bool {
        self.stderr == Stderr::Terminal
    }

    /// Paints a text, if it may be coloured.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        match self.colour {
            Colour::Always => format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code()),
            Colour::Never => text.to_owned(),
        }
    }
}

/// Each line with the prefix by which the journal knows an error (`sd-daemon(3)`).
fn as_errors(text: &str) -> String {
    text.split_inclusive('\n').flat_map(|line| ["<3>", line]).collect()
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// A heading.
    Strong,
    /// Something goes, or went wrong.
    Alarm,
    /// Something wants a look.
    Notice,
    /// All is well.
    Well,
    /// Beside the point.
    Dim,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Alarm => "31",
            Self::Notice => "33",
            Self::Well => "32",
            Self::Dim => "2",
        }
    }
}

/// Makes a plain table: a header, no lines, two blanks between columns.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(Cell::new));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How long ago, in whole days or smaller; `missing` where there is no date.
pub fn ago(time: &Fact<Timestamp>, now: Timestamp, missing: &str) -> String {
    let time = match time {
        Fact::Known(time) => *time,
        Fact::Missing => return missing.to_owned(),
        Fact::Unreadable(_) => return "unreadable".to_owned(),
    };
    let age = now.signed_duration_since(time);
    let (days, hours, minutes) = (age.num_days(), age.num_hours(), age.num_minutes());
    if age < chrono::TimeDelta::zero() {
        "in the future".to_owned()
    } else if days > 0 {
        format!("{days}d ago")
    } else if hours > 0 {
        format!("{hours}h ago")
    } else if minutes > 0 {
        format!("{minutes}min ago")
    } else {
        "just now".to_owned()
    }
}

/// A verdict's name as text has it.
pub const fn verdict_in_words(verdict: &str) -> &str {
    match verdict.as_bytes() {
        b"too_young" => "too young",
        _ => verdict,
    }
}

/// Cuts a text that has already been escaped to a number of characters, with an ellipsis.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_journal_every_line_of_an_error_is_one() {
        assert_eq!(as_errors("error: a\n  help: b\n"), "<3>error: a\n<3>  help: b\n");
        assert_eq!(as_errors(""), "");
    }

    // fault: X4
    #[test]
    fn a_long_name_is_cut_in_display() {
        assert_eq!(cut("short", 8), "short");
        assert_eq!(cut("exactly8", 8), "exactly8");
        assert_eq!(cut("ninechars", 8), "ninecha…");
        assert_eq!(cut(&"ü".repeat(1_000_000), 40).chars().count(), 40);
    }
}
