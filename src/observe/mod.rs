//! What is seen from outside: events, the log lines made of them, and a progress bar.
//!
//! Not here: the output of commands (`cli::output`).
//! Invariant: an observer never changes what a run does; a line that cannot be written is lost.

pub mod board;
pub mod event;
pub mod service;
pub mod journal;
pub mod log;
pub mod metrics;
pub mod progress;
#[cfg(feature = "otel")]
pub mod telemetry;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod pages;

use std::sync::Arc;

use crate::observe::event::{Event, Observer, Scope};
use crate::observe::service::ServiceEvent;

/// Whether text that people read is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI escapes.
    Always,
}

/// Several observers as one.
#[derive(Debug)]
pub struct All(pub Vec<Arc<dyn Observer>>);

impl Observer for All {
    fn observe(&self, scope: &Scope, event: &Event) {
        for observer in &self.0 {
            observer.observe(scope, event);
        }
    }

    fn service(&self, event: &ServiceEvent) {
        for observer in &self.0 {
            observer.service(event);
        }
    }
}
