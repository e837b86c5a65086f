//! Violations: what a safe client never does, counted while it works.
//!
//! Not here: what the API refuses. A refusal is an answer; a violation is the client's fault even where
//! the answer was a yes.

use std::collections::BTreeMap;
use std::fmt;

/// One thing that a safe client never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// A call that changes something, while another such call was not answered (contract §6.2.12).
    ParallelWrites,
    /// A GET that changes something: start, stop, stopall, resendwebhook (contract §6.2.2).
    StateChangingGet,
    /// More than 60 list calls in 60 seconds (contract §3).
    ListRate,
    /// A deletion although the last Get of that batch said that it was not idle. A batch that started
    /// after that Get is a race that no client can win, and not a violation.
    BusyDelete,
    /// A deletion of a protected batch.
    ProtectedDelete,
    /// A deletion of what the API had confirmed as deleted.
    RepeatedDelete,
    /// A deletion without a Get since the last deletion of that id, one that showed the batch.
    DeleteWithoutGet,
    /// A deletion more than ten seconds after the answer of that id's last Get.
    StaleDelete,
    /// The key in a header, in the path, in the body or in another parameter, or on a link's file.
    KeyOutOfPlace,
    /// A path or verb that is no endpoint.
    UnknownPath,
}

/// All violations so far: how many of each, with a description of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations(BTreeMap<Violation, Vec<String>>);

impl Violations {
    /// Whether the client was safe.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of that kind.
    pub fn count(&self, kind: Violation) -> usize {
        self.of(kind).len()
    }

    /// The descriptions of that kind, in order.
    pub fn of(&self, kind: Violation) -> &[String] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The kinds that were seen.
    pub fn kinds(&self) -> Vec<Violation> {
        self.0.keys().copied().collect()
    }

    pub(super) fn add(&mut self, kind: Violation, what: String) {
        self.0.entry(kind).or_default().push(what);
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, all) in &self.0 {
            for what in all {
                writeln!(f, "{kind:?}: {what}")?;
            }
        }
        Ok(())
    }
}
