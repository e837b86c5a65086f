//! `completions`: a script with which a shell completes batchsweep's command line.

use clap::CommandFactory;
use clap_complete::generate;

use crate::cli::Outside;
use crate::cli::args::{self, Arguments};
use crate::run::report::Exit;

/// Runs the command.
pub(super) fn run(command: &args::Completions, outside: &Outside) -> Exit {
    let mut script = Vec::new();
    generate(command.shell, &mut Arguments::command(), "batchsweep", &mut script);
    outside.terminal.data(&String::from_utf8_lossy(&script));
    Exit::Done
}
