//! `approve`: lets exactly the deletions of a run that a guard stopped go, once, within a day.

use chrono::TimeDelta;
use serde::Serialize;

use crate::batch::{RunId, escaped};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, Failure};
use crate::cli::once;
use crate::cli::output::cut;
use crate::cli::session::{Session, Watch};
use crate::clock::{self, Timestamp};
use crate::run::report::Exit;
use crate::state::{Approving, NotApproved};

/// How long an approval may wait for its run.
const GOOD_FOR: TimeDelta = TimeDelta::hours(24);

/// Runs the command.
pub(super) async fn run(command: &args::Approve, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let Ok(run_id) = RunId::parse(&command.run_id) else {
        let what = format!("`{}` is not a run's id", cut(&escaped(&command.run_id), 64));
        let help = "`batchsweep status` names the runs that guards stopped".to_owned();
        return failure::of_usage(what, help).end(outside);
    };
    let state = match session.state().await {
        Ok(state) => state,
        Err(error) => return once::no_state(&error, outside),
    };
    let now = outside.clock.now();
    let expires_at = now + GOOD_FOR;
    let by = outside.env.get("SUDO_USER").or_else(|| outside.env.get("USER"));
    let by = by.unwrap_or("somebody").to_owned();
    match state.approve(&Approving { run_id, by, now, expires_at }).await {
        Ok(()) if global.output == Shape::Json => {
            let approved = ApprovedDocument { run_id: run_id.to_string(), until: expires_at };
            outside.terminal.json(&Document { version: 1, approved });
            Exit::Done
        }
        Ok(()) => {
            outside.terminal.data(&format!(
                "The deletions of run {run_id} are approved, once, until {}.\n\
                 The next run may carry out these and no others, of batches that have not changed since.\n",
                clock::shown(expires_at)
            ));
            Exit::Done
        }
        Err(NotApproved::State(error)) => once::no_state(&error, outside),
        Err(refused) => Failure {
            what: format!("run {run_id} cannot be approved"),
            consequence: "",
            causes: vec![refused.to_string()],
            help: refused.help(),
            exit: Exit::SomeFailed,
        }
        .end(outside),
    }
}

/// `approve --output json`.
#[derive(Debug, Serialize)]
struct Document {
    version: u8,
    approved: ApprovedDocument,
}

#[derive(Debug, Serialize)]
struct ApprovedDocument {
    run_id: String,
    until: Timestamp,
}
