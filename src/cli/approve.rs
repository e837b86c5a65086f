//! `approve`: lets exactly the deletions of a run that a guard stopped go, once, within a day; or lets
//! runs go on although the past has vanished.

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
    match &command.run_id {
        Some(run_id) => run_of(run_id, &session, global, outside).await,
        // One of the two is given: the command line sees to it.
        None => vanished_state(&session, global, outside),
    }
}

/// Approves the deletions of a run.
async fn run_of(text: &str, session: &Session, global: &Global, outside: &Outside) -> Exit {
    let Ok(run_id) = RunId::parse(text) else {
        let what = format!("`{}` is not a run's id", cut(&escaped(text), 64));
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
    let approved = state.approve(&Approving { run_id, by, now, expires_at }).await;
    let _closed = state.close().await;
    match approved {
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

/// Takes it that the past is gone for good.
fn vanished_state(session: &Session, global: &Global, outside: &Outside) -> Exit {
    let kept = match session.acknowledge_vanished() {
        Ok(Some(kept)) => kept,
        Ok(None) => return nothing_vanished(outside),
        Err(error) => return once::no_state(&error, outside),
    };
    let kept: Vec<_> = kept.iter().map(|path| path.display().to_string()).collect();
    match global.output {
        Shape::Json => {
            let approved = VanishedDocument { vanished_state: true, kept };
            outside.terminal.json(&Document { version: 1, approved });
        }
        Shape::Text => {
            let kept: Vec<_> = kept.iter().map(|path| format!("Kept: {path}\n")).collect();
            outside.terminal.data(&format!("{ANEW}{}", kept.concat()));
        }
    }
    Exit::Done
}

/// What follows when the past is gone for good.
const ANEW: &str = "\
The past is given up; the next run begins as on the first day.
What was held by `batchsweep hold` is not protected any more: hold it again before that.
`grace` and `probation` begin anew; shrinkage is measured from the next listing on.
";

fn nothing_vanished(outside: &Outside) -> Exit {
    Failure {
        what: "the state has not vanished".to_owned(),
        consequence: "nothing was changed",
        causes: Vec::new(),
        help: "`batchsweep status` shows what it holds; `[state] url` says where it is".to_owned(),
        exit: Exit::SomeFailed,
    }
    .end(outside)
}

/// `approve --output json`.
#[derive(Debug, Serialize)]
struct Document<T> {
    version: u8,
    approved: T,
}

#[derive(Debug, Serialize)]
struct ApprovedDocument {
    run_id: String,
    until: Timestamp,
}

#[derive(Debug, Serialize)]
struct VanishedDocument {
    vanished_state: bool,
    /// Where what was left of the files is now.
    kept: Vec<String>,
}
