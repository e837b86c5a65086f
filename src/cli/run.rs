//! `run`: the service. Every account on its schedule until SIGTERM or SIGINT.
//!
//! Not here: the service itself (`daemon`), SIGTERM and SIGINT (`main`).

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Outside;
use crate::cli::args::Global;
use crate::cli::failure::{self, Failure, NOTHING};
use crate::cli::session::{self, Session, Watch};
use crate::daemon::{self, Asked, Files, NotBegun};
use crate::run::report::Exit;

/// How long the service waits when it stops for notifications that are still to be sent: service managers
/// have patience for the calls in flight, and not for much more.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) async fn run(global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Service) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    // Before the service is ready: unhandled, either signal would kill it.
    let (Ok(hangup), Ok(user)) =
        (signal(SignalKind::hangup()), signal(SignalKind::user_defined1()))
    else {
        return failure::of_bug("signals cannot be listened for".to_owned(), Vec::new())
            .end(outside);
    };
    let files =
        Files { request: session::request(global, outside), accounts: global.accounts.clone() };
    let (fleet, _log) = session.into_parts();
    let desk = fleet.setting().desk.clone();
    let service = daemon::serve(fleet, files, outside.asked.clone());
    let ended = tokio::select! {
        ended = service => ended,
        () = forward(hangup, user, &outside.asked) => Ok(()),
    };
    if let Some(desk) = desk {
        desk.close(LAST_WAIT).await;
    }
    match ended {
        Ok(()) => Exit::Done,
        Err(cause) => not_begun(&cause).end(outside),
    }
}

/// Hands signals on, for ever.
async fn forward(mut hangup: Signal, mut user: Signal, asked: &Asked) {
    loop {
        tokio::select! {
            Some(()) = hangup.recv() => asked.reload.notify_one(),
            Some(()) = user.recv() => asked.run_now.notify_one(),
            else => return std::future::pending().await,
        }
    }
}

/// A service that did not begin.
fn not_begun(cause: &NotBegun) -> Failure {
    let what = "the service did not begin".to_owned();
    let (causes, help, exit) = match cause {
        NotBegun::State(error) => return failure::of_state(what, error),
        NotBegun::NoSchedule(_) => (
            vec![cause.to_string()],
            "say when in `[schedule]`, such as `cron = \"15 3 * * *\"`, or `cron = \"off\"`; `once` \
             runs without a schedule",
            Exit::Configuration,
        ),
        NotBegun::Keys(problems) => (
            problems.clone(),
            "`batchsweep check` says where each key is looked for",
            Exit::Configuration,
        ),
        NotBegun::Listen { source, .. } => (
            vec![cause.to_string(), source.to_string()],
            "is another `batchsweep run` at work? `[server] listen` names another address, or \"off\"",
            Exit::Configuration,
        ),
        NotBegun::Alarm(_) => {
            return failure::of_bug(what, vec![cause.to_string()]);
        }
    };
    Failure { what, consequence: NOTHING, causes, help: help.to_owned(), exit }
}
