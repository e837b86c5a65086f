//! Errors for people: what happened, where, the consequence, the causes, what to do.
//!
//! Not here: the sentences (each error has its own), exit codes (`run::report`).

use std::fmt::Write;

use serde::Serialize;

use crate::cli::Outside;
use crate::cli::args::{Global, Shape};
use crate::cli::output::{Paint, Terminal};
use crate::inventory::IncompleteInventory;
use crate::run::report::{Exit, NotBegun, exit_of_state};
use crate::state::StateError;

/// An error, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, and where.
    pub what: String,
    /// What follows from it.
    pub consequence: &'static str,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub help: String,
    /// The exit code it asks for.
    pub exit: Exit,
}

impl Failure {
    /// Writes it to standard error.
    pub fn show(&self, terminal: &Terminal, signal: Option<u8>) {
        let mut text = format!("{}: {}", terminal.paint(Paint::Alarm, "error"), self.what);
        if !self.consequence.is_empty() {
            let _infallible = write!(text, "; {}", self.consequence);
        }
        text.push('\n');
        for cause in &self.causes {
            let _infallible = writeln!(text, "  because: {cause}");
        }
        let code = self.exit.code(signal);
        if self.help.is_empty() {
            let _infallible = writeln!(text, "  exit code {code}");
        } else {
            let _infallible = writeln!(text, "  help: {}. Exit code {code}.", self.help);
        }
        terminal.error(&text);
    }
}

impl Failure {
    /// What happened and why, in one line.
    pub(super) fn sentence(&self) -> String {
        std::iter::once(self.what.as_str())
            .chain(self.causes.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(": ")
    }

    /// The same as [`Failure::end`]; for programs also as a document, where nothing else is written.
    pub(super) fn end_for(&self, global: &Global, outside: &Outside) -> Exit {
        if global.output == Shape::Json {
            let (error, exit_code) = (self.sentence(), self.exit.code(outside.stop.signal()));
            outside.terminal.json(&FailureDocument { version: 1, error, exit_code });
        }
        self.end(outside)
    }

    /// Writes it to standard error, and gives the exit code it asks for.
    pub(super) fn end(&self, outside: &Outside) -> Exit {
        self.show(&outside.terminal, outside.stop.signal());
        self.exit
    }
}

/// A command that came to nothing, as JSON.
#[derive(Debug, Serialize)]
struct FailureDocument {
    version: u8,
    error: String,
    exit_code: u8,
}

/// What one account could not do, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct AccountFailure<'a> {
    account: &'a str,
    error: String,
    exit_code: u8,
}

impl<'a> AccountFailure<'a> {
    pub(super) fn of(account: &'a str, failure: &Failure, outside: &Outside) -> Self {
        let exit_code = failure.exit.code(outside.stop.signal());
        Self { account, error: failure.sentence(), exit_code }
    }
}

/// The errors of several accounts as one; `None` where there is none.
pub(super) fn joined(failures: &[AccountFailure<'_>]) -> Option<String> {
    let errors: Vec<_> = failures.iter().map(|failure| failure.error.as_str()).collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}

/// What is true of every run that ended before it could delete.
pub const NOTHING: &str = "nothing was deleted";

/// A listing that could not be proven complete.
pub fn of_listing(account: &str, cause: &IncompleteInventory, exit: Exit) -> Failure {
    let (what, causes) = match cause {
        IncompleteInventory::Page { source, .. } => (
            format!("account `{account}`: the account could not be listed"),
            vec![format!("{cause}{}", source.circumstances()), source.cause()],
        ),
        IncompleteInventory::Flawed(flaw) => {
            (format!("account `{account}`: the listing is not complete"), vec![flaw.to_string()])
        }
    };
    Failure { what, consequence: NOTHING, causes, help: cause.help().to_owned(), exit }
}

/// A state that cannot be relied on.
pub fn of_state(what: String, error: &StateError) -> Failure {
    let said = std::error::Error::source(error).map(ToString::to_string);
    Failure {
        what,
        consequence: NOTHING,
        causes: std::iter::once(error.to_string()).chain(said).collect(),
        help: error.help(),
        exit: exit_of_state(error),
    }
}

/// A run that could not begin.
pub fn of_begin(account: &str, cause: &NotBegun) -> Failure {
    let (causes, help) = match cause {
        NotBegun::Key(problem) => (vec![problem.to_string()], problem.help().to_owned()),
        NotBegun::Client(error) => (vec![error.cause()], error.help().to_owned()),
    };
    Failure {
        what: format!("account `{account}`: {cause}"),
        consequence: NOTHING,
        causes,
        help,
        exit: Exit::Configuration,
    }
}

/// A wrong word on the command line that only the file could tell.
pub fn of_usage(what: String, help: String) -> Failure {
    Failure { what, consequence: "", causes: Vec::new(), help, exit: Exit::Usage }
}

/// A bug: no outcome that a user could have brought about.
pub fn of_bug(what: String, causes: Vec<String>) -> Failure {
    Failure {
        what,
        consequence: "nothing more is deleted",
        causes,
        help: "please report it, with the log; the next run settles what was left open".to_owned(),
        exit: Exit::Internal,
    }
}
