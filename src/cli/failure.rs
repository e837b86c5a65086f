//! Errors for people: what happened, where, the consequence, the causes, what to do.
//!
//! Not here: the sentences (each error has its own), exit codes (`run::report`).

use std::fmt::Write;

use crate::cli::Outside;
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
    /// Writes it to standard error, and gives the exit code it asks for.
    pub(super) fn end(&self, outside: &Outside) -> Exit {
        self.show(&outside.terminal, outside.stop.signal());
        self.exit
    }
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
