//! A state that vanished although there were runs: how commands that only look say so, and go on.
//!
//! Not here: what a run does then (nothing, `once`), how somebody acknowledges it (`approve`).

use serde::Serialize;

use crate::cli::Outside;
use crate::cli::output::Paint;
use crate::state::StateError;

/// Says to people that what they read knows nothing of the past, if that is so.
pub(super) fn show(vanished: Option<&StateError>, outside: &Outside) {
    let Some(error) = vanished else { return };
    let stops = outside.terminal.paint(Paint::Alarm, "would stop the run:");
    outside.terminal.data(&format!(
        "\n{stops} {error}.\n\
         This is said without the past: no holds, no first sights, no last listing, no open guards.\n\
         help: {}.\n",
        error.help()
    ));
}

/// The same for programs.
#[derive(Debug, Serialize)]
pub(super) struct VanishedDocument {
    error: String,
    help: String,
}

impl VanishedDocument {
    pub(super) fn of(error: &StateError) -> Self {
        Self { error: error.sentence(), help: error.help() }
    }
}
