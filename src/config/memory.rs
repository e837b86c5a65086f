//! `[state]`: where what is remembered is, for how long, and what needs it to last.
//!
//! Not here: opening it (`state`).

use std::ffi::OsString;
use std::time::Duration;

use super::check::Check;
use super::defaults;
use super::diagnose::Complaint;
use super::duration::Span;
use super::environment::Environment;
use super::place::KeyPath;
use crate::state::{BadLocation, Location};

/// `[state]`, read.
#[derive(Debug)]
pub(super) struct Kept {
    /// Where it is. Only that this machine has no usual place is no complaint: who needs none, such as
    /// `check`, works all the same.
    pub(super) state: Result<Location, BadLocation>,
    pub(super) keep_history: Duration,
}

/// Reads `[state]`, and what else of the file needs a state that lasts.
pub(super) fn read(check: &mut Check<'_, '_>, env: &Environment) -> Kept {
    let layered = check.layered;
    let raw = &layered.raw.state;
    let path = KeyPath::of(["state", "url"]);
    let url = raw.url.as_deref().unwrap_or(defaults::STATE_URL);
    let variable = |name: &str| env.get_os(name).map(OsString::from);
    let state = Location::parse(url, variable);
    if let Err(bad) = &state
        && *bad != BadLocation::NoFolder
    {
        check.value(&path, Complaint::error(bad.to_string()).help(bad.help()));
    }
    if state.as_ref().is_ok_and(|location| !location.is_durable()) {
        refuse_patience(check);
    }
    let keep_history = raw.keep_history.as_ref();
    let keep_history =
        keep_history.and_then(|text| check.span(&KeyPath::of(["state", "keep_history"]), text));
    Kept { state, keep_history: keep_history.unwrap_or(defaults::KEEP_HISTORY).duration() }
}

/// Without a memory, nothing is ever seen twice: what must stay so for a while would never go.
fn refuse_patience(check: &mut Check<'_, '_>) {
    let help = "give `[state] url` a place that lasts, such as `sqlite:` or `postgres://…`";
    let layered = check.layered;
    // What is no time at all is complained of elsewhere.
    let zero = |text: &str| Span::parse(text).is_ok_and(|span| span.duration().is_zero());
    if let Some(text) = &layered.raw.guards.probation
        && !zero(&text.0)
    {
        let message = "`probation` needs a state that lasts, and nothing is remembered";
        check.value(&KeyPath::of(["guards", "probation"]), Complaint::error(message).help(help));
    }
    for (name, rule) in &layered.raw.delete {
        let Some(text) = &rule.grace else { continue };
        if !zero(&text.0) {
            let message = "`grace` needs a state that lasts, and nothing is remembered";
            let path = KeyPath::of(["delete", name.as_str(), "grace"]);
            check.value(&path, Complaint::error(message).help(help));
        }
    }
}
