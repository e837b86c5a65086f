//! The command line: arguments, one file per command, what is shown.
//!
//! Not here: the work itself. Data goes to standard output, logs and errors to standard error.
//! Exit codes: `run::report::Exit`.

pub mod args;
mod check;
mod demo;
mod emulator;
mod diff;
mod inventories;
mod simulate;
mod explain;
mod hold;
mod approve;
mod apply;
mod completions;
mod status;
mod history;
mod man;
pub mod failure;
mod once;
mod run;
mod schedule;
mod healthcheck;
mod notify;
pub mod output;
mod plan;
mod session;
mod test;
mod textfile;
mod vanished;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::Parser;
use tokio_util::sync::CancellationToken;

use crate::cli::args::{Arguments, Command, Notify};
use crate::cli::output::Terminal;
use crate::clock::Clock;
use crate::config::Environment;
use crate::daemon::Asked;
use crate::run::report::Exit;

/// How the program is told to stop, and by which signal.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Cancelled with the first signal.
    pub token: CancellationToken,
    number: Arc<AtomicU8>,
}

impl Stop {
    /// Asks for an end: the call in flight is finished, no other is begun.
    pub fn by_signal(&self, number: u8) {
        self.number.store(number, Ordering::SeqCst);
        self.token.cancel();
    }

    /// The number of the signal that asked for it; 0 while none did.
    pub fn number(&self) -> Arc<AtomicU8> {
        Arc::clone(&self.number)
    }

    /// The signal that asked for it, if one did.
    pub fn signal(&self) -> Option<u8> {
        let number = self.number.load(Ordering::SeqCst);
        (number != 0).then_some(number)
    }
}

/// What the program gets from the outside, taken once.
#[derive(Debug)]
pub struct Outside {
    /// The environment.
    pub env: Environment,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Standard output and error.
    pub terminal: Terminal,
    /// Seeds whatever is random: run ids, the jitter of waits.
    pub seed: u64,
    /// How the program is told to stop.
    pub stop: Stop,
    /// What a running service is asked for.
    pub asked: Asked,
}

/// Runs one command and returns its exit code.
pub async fn run(args: Vec<OsString>, outside: &Outside) -> u8 {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(problem) => return usage(&problem, outside),
    };
    let command = &arguments.command;
    let exit = match command {
        Command::Plan(command) => plan::run(command, &arguments.global, outside).await,
        // The only future that is large, and the only one that lasts.
        Command::Run => Box::pin(run::run(&arguments.global, outside)).await,
        Command::Once(command) => once::run(command, &arguments.global, outside).await,
        Command::Explain(command) => explain::run(command, &arguments.global, outside).await,
        Command::Apply(command) => apply::run(command, &arguments.global, outside).await,
        Command::Hold(command) => hold::hold(command, &arguments.global, outside).await,
        Command::Release(command) => hold::release(command, &arguments.global, outside).await,
        Command::Holds => hold::list(&arguments.global, outside).await,
        Command::Approve(command) => approve::run(command, &arguments.global, outside).await,
        Command::Status => status::run(&arguments.global, outside).await,
        Command::History(command) => history::run(command, &arguments.global, outside).await,
        Command::Check(command) => check::run(command, &arguments.global, outside).await,
        Command::Test => test::run(&arguments.global, outside),
        Command::Simulate(command) => {
            Box::pin(simulate::run(command, &arguments.global, outside)).await
        }
        Command::Diff(command) => Box::pin(diff::run(command, &arguments.global, outside)).await,
        Command::Schedule(command) => schedule::run(command, &arguments.global, outside),
        Command::Healthcheck(command) => {
            healthcheck::run(command, &arguments.global, outside).await
        }
        Command::Notify(Notify::Test(command)) => {
            notify::run(command, &arguments.global, outside).await
        }
        Command::Emulator(command) => emulator::run(command, &arguments.global, outside).await,
        Command::Demo => demo::run(&arguments.global, outside).await,
        Command::Completions(command) => completions::run(command, outside),
        Command::Man(command) => man::run(command, &arguments.global, outside),
    };
    let exit = if told(outside) { exit } else { exit.worse(Exit::State) };
    exit.code(outside.stop.signal())
}

/// Whether all data was written. What was done is done all the same; only nobody was told.
fn told(outside: &Outside) -> bool {
    let Some(problem) = outside.terminal.lost() else { return true };
    let failure = failure::Failure {
        what: "standard output could not be written".to_owned(),
        consequence: "what the command did is done all the same",
        causes: vec![problem.to_string()],
        help: "`batchsweep status` and `batchsweep history` tell what runs did".to_owned(),
        exit: Exit::State,
    };
    failure.show(&outside.terminal, None);
    false
}

/// Help and version go to standard output and are no error; wrong usage is.
fn usage(problem: &clap::Error, outside: &Outside) -> u8 {
    let text = format!("{}\n", problem.render().to_string().trim_end());
    if problem.use_stderr() {
        outside.terminal.error(&text);
        Exit::Usage.code(None)
    } else {
        outside.terminal.data(&text);
        Exit::Done.code(None)
    }
}
