//! The progress bar: pages while listing, batches while sweeping. On a terminal only.
//!
//! Not here: whether there is a terminal (`cli`). Log lines are written above the bar, through
//! [`Progress::writer`], so that neither spoils the other.

use std::io;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::observe::event::{Event, Observer, Scope};
use crate::observe::service::ServiceEvent;

/// A bar on standard error.
#[derive(Debug, Clone)]
pub struct Progress(Arc<ProgressBar>);

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// A bar that shows itself with the first event.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix:.bold} {bar:30} {pos}/{len} {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self(Arc::new(bar))
    }

    /// Where log lines go while the bar may be on the screen.
    pub fn writer(&self) -> AboveBar {
        AboveBar(Arc::clone(&self.0))
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }

    fn step(&self, message: String) {
        self.0.set_message(message);
        self.0.inc(1);
    }
}

impl Observer for Progress {
    fn observe(&self, scope: &Scope, event: &Event) {
        match event {
            Event::RunStarted { .. } => {
                self.0.reset();
                self.0.set_prefix(scope.account.to_string());
                self.0.set_message("listing");
            }
            Event::InventoryPage { page, pages, .. } => {
                self.0.set_length(u64::from((*pages).max(1)));
                self.0.set_position(u64::from(*page));
            }
            Event::PlanMade { counts, .. } => {
                self.0.reset();
                self.0.set_length(counts.get("delete").copied().unwrap_or(0) as u64);
                self.0.set_message("sweeping");
            }
            Event::BatchDeleted { batch, .. } => self.step(format!("deleted {}", batch.id)),
            Event::BatchSkipped { batch, outcome, .. } => {
                self.step(format!("{outcome} {}", batch.id));
            }
            Event::BatchFailed { batch, .. } => self.step(format!("failed {}", batch.id)),
            Event::RunFinished { .. } => self.clear(),
            Event::InventoryListed { .. }
            | Event::InventoryIncomplete { .. }
            | Event::GuardTripped { .. }
            | Event::BatchWouldDelete { .. }
            | Event::BusyWaiting { .. }
            | Event::ApiCalled { .. }
            | Event::ApiRetry { .. }
            | Event::ApiPaused { .. }
            | Event::JournalSettled { .. }
            | Event::ProtectionGone { .. }
            | Event::HoldExpires { .. }
            | Event::GuardApproved { .. } => {}
        }
    }

    /// A bar is about one run.
    fn service(&self, _: &ServiceEvent) {}
}

/// Writes log lines above the bar.
#[derive(Debug, Clone)]
pub struct AboveBar(Arc<ProgressBar>);

impl io::Write for AboveBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::Write::write(&mut io::stderr(), bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::Write::flush(&mut io::stderr())
    }
}

impl<'w> MakeWriter<'w> for AboveBar {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}
