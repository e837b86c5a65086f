//! What most commands begin with: the file, the log, the chosen accounts.
//!
//! Not here: what a command then does, the accounts themselves (`run::fleet`).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use tracing::dispatcher::DefaultGuard;

use crate::batch::and_list;
use crate::cli::Outside;
use crate::cli::args::Global;
use crate::cli::failure::{self, Failure};
use crate::config::{self, Config, DryRun, Request};
use crate::notify::Desk;
use crate::observe::event::{Observer, Scope};
use crate::observe::log::{self, Level, Log, SharedWriter};
use crate::observe::progress::Progress;
use crate::observe::{All, Colour};
use crate::run::fleet::{Fleet, Setting};
use crate::run::report::RunReport;

/// A command under way: the accounts that it is about, and its log.
#[derive(Debug)]
pub(super) struct Session {
    fleet: Fleet,
    progress: Option<Progress>,
    /// The log is open as long as this lives.
    log: DefaultGuard,
}

impl Deref for Session {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        &self.fleet
    }
}

/// Which observers a command wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Log lines only.
    Log,
    /// A progress bar too, where there is a terminal.
    Progress,
    /// The same, and whoever is to be told of runs.
    Runs,
    /// Log lines, and whoever is to be told of runs.
    Service,
}

/// How long a command waits at its end for notifications that are still to be sent.
const LAST_WAIT: Duration = Duration::from_secs(15);
impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Fleet {
        &mut self.fleet
    }
}

impl Session {
    /// Reads the file and sets up the log.
    ///
    /// # Errors
    /// When the file is bad, or an account on the command line is not in it. Has been shown.
    pub(super) fn open(
        global: &Global,
        outside: &Outside,
        watch: Watch,
    ) -> Result<Self, crate::run::report::Exit> {
        let config = config::load(&request(global, outside)).map_err(|rejected| {
            super::check::show_rejected(&rejected, global, outside);
            crate::run::report::Exit::Configuration
        })?;
        Self::with(config, global, outside, watch)
    }

    /// The same with a configuration at hand.
    ///
    /// # Errors
    /// When an account on the command line is not in it. Has been shown.
    pub(super) fn with(
        mut config: Config,
        global: &Global,
        outside: &Outside,
        watch: Watch,
    ) -> Result<Self, crate::run::report::Exit> {
        choose_accounts(&mut config, global).map_err(|failure| {
            failure.show(&outside.terminal, None);
            failure.exit
        })?;
        let one = config.accounts.len() == 1;
        let has_bar = matches!(watch, Watch::Progress | Watch::Runs);
        let progress = (has_bar && one && outside.terminal.shows_progress()).then(Progress::new);
        // Before the desk is opened, which may have something to say.
        let log = open_log(global, outside, progress.as_ref());
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Log)];
        observers.extend(progress.clone().map(|bar| Arc::new(bar) as Arc<dyn Observer>));
        let notifies = matches!(watch, Watch::Runs | Watch::Service);
        let desk = notifies.then(|| open_desk(&config, outside));
        observers.extend(desk.clone().map(|desk| desk as Arc<dyn Observer>));
        observers.extend(notifies.then(|| open_telemetry(outside)).flatten());
        let setting = Setting {
            env: outside.env.clone(),
            clock: Arc::clone(&outside.clock),
            observer: Arc::new(All(observers)),
            desk,
            seed: outside.seed,
            stop: outside.stop.token.clone(),
            stopped_by: outside.stop.number(),
        };
        Ok(Self { fleet: Fleet::new(config, setting), progress, log })
    }

    /// The accounts by themselves; the log goes on for as long as the other half lives.
    pub(super) fn into_parts(self) -> (Fleet, DefaultGuard) {
        (self.fleet, self.log)
    }

    /// Tells of a run that could not begin, and so told nothing itself.
    pub(super) fn not_begun(&self, report: &RunReport) {
        if let Some(desk) = &self.setting().desk {
            let scope = Scope { account: report.account.clone(), run_id: report.run_id };
            desk.observe(&scope, &report.finished());
        }
    }

    /// Waits for notifications that are still to be sent, for a while.
    pub(super) async fn send_rest(&self) {
        if let Some(desk) = &self.setting().desk {
            desk.close(LAST_WAIT).await;
        }
    }

    /// Takes the progress bar off the screen.
    pub(super) fn clear_progress(&self) {
        if let Some(progress) = &self.progress {
            progress.clear();
        }
    }
}

/// Whoever is to be told of runs.
fn open_desk(config: &Config, outside: &Outside) -> Arc<Desk> {
    let opened = config.open_channels(&outside.env);
    Arc::new(Desk::open(opened, Arc::clone(&outside.clock), Arc::new(Log), outside.seed))
}

/// A collector of OpenTelemetry, where the environment names one.
#[cfg(feature = "otel")]
fn open_telemetry(outside: &Outside) -> Option<Arc<dyn Observer>> {
    use crate::observe::telemetry;
    let env = |name: &str| outside.env.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    match telemetry::open(&env, Arc::clone(&outside.clock)) {
        Ok(telemetry) => telemetry.map(|telemetry| Arc::new(telemetry) as Arc<dyn Observer>),
        Err(why) => {
            tracing::warn!(
                event = "telemetry.off",
                error = why,
                "runs go on without OpenTelemetry"
            );
            None
        }
    }
}

#[cfg(not(feature = "otel"))]
const fn open_telemetry(_: &Outside) -> Option<Arc<dyn Observer>> {
    None
}

/// The files that the command line asks for.
pub(super) fn request(global: &Global, outside: &Outside) -> Request {
    Request {
        path: global.config.clone(),
        env: outside.env.clone(),
        dry_run: if global.dry_run { DryRun::Forced } else { DryRun::AsConfigured },
    }
}

/// Leaves only the accounts that the command line names.
fn choose_accounts(config: &mut Config, global: &Global) -> Result<(), Failure> {
    config.choose(&global.accounts).map_err(|unknown| {
        let quoted: Vec<_> = unknown.known.iter().map(|name| format!("`{name}`")).collect();
        let help = match quoted.as_slice() {
            [only] => format!("its only account is {only}"),
            all => format!("its accounts are {}", and_list(all)),
        };
        failure::of_usage(unknown.to_string(), help)
    })
}

/// Which lines the command line asks for.
fn level(global: &Global) -> Level {
    match (global.quiet, global.verbose) {
        (2.., _) => Level::Error,
        (1, _) => Level::Warn,
        (0, 0) => Level::Info,
        (0, 1) => Level::Debug,
        (0, 2..) => Level::Trace,
    }
}

/// Sets the log up for as long as the guard lives.
fn open_log(global: &Global, outside: &Outside, progress: Option<&Progress>) -> DefaultGuard {
    let terminal = &outside.terminal;
    let colour = if terminal.shows_progress() { terminal.colour } else { Colour::Never };
    let (format, stderr) = (global.log_format, terminal.stderr);
    let settings = log::Settings { format, stderr, level: level(global), colour };
    let clock = Arc::clone(&outside.clock);
    let dispatch = match progress {
        Some(progress) => log::dispatch(&settings, clock, progress.writer()),
        None => log::dispatch(&settings, clock, SharedWriter(outside.terminal.log_stream())),
    };
    tracing::dispatcher::set_default(&dispatch)
}
