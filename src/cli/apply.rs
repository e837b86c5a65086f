//! `apply`: deletes what a sealed plan names and nothing else, each batch looked at again.

use std::path::Path;

use crate::batch::{AccountName, escaped};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{Failure, NOTHING};
use crate::cli::once::{self, Document};
use crate::cli::output::cut;
use crate::cli::session::{Session, Watch};
use crate::config::Account;
use crate::plan::seal::SealedPlans;
use crate::run::apply::Sealed;
use crate::run::report::{Exit, RunReport};
use crate::state::State;

/// The largest file that is read: a plan of a full account has some 3 MiB.
const MOST_BYTES: u64 = 64 << 20;

/// Runs the command.
pub(super) async fn run(command: &args::Apply, global: &Global, outside: &Outside) -> Exit {
    let sealed = match read(&command.file) {
        Ok(sealed) => sealed,
        Err(failure) => return failure.end(outside),
    };
    let session = match Session::open(global, outside, Watch::Runs) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    if let Err(failure) = all_known(&sealed, &session, global) {
        return failure.end(outside);
    }
    let state = match session.state().await {
        Ok(state) => state,
        Err(error) => return once::none_begun(&session, &error, global, outside).await,
    };
    let one = async |account: &Account| apply_one(&session, &state, &sealed, account).await;
    let reports: Vec<_> = session.for_each_account(one).await.into_iter().flatten().collect();
    session.clear_progress();
    // What was written is safe; a state that cannot even be closed is told by the next run.
    let _closed = state.close().await;
    match global.output {
        Shape::Json => outside.terminal.json(&Document::of(&reports, outside.stop.signal())),
        Shape::Text => reports.iter().for_each(|report| once::show(report, outside)),
    }
    session.send_rest().await;
    once::worst(&reports)
}

async fn apply_one(
    session: &Session,
    state: &State,
    sealed: &SealedPlans,
    account: &Account,
) -> Option<RunReport> {
    let plan = sealed.plans().iter().find(|plan| plan.is_for(&account.name))?;
    let sealed = Sealed { plan, seal: sealed.as_str() };
    Some(match session.runner(account) {
        Ok(runner) => runner.apply(sealed, session.config.arm(), session.memorable(state)).await,
        Err(cause) => {
            let report = RunReport::not_begun(session.surroundings(account).scope, cause);
            session.not_begun(&report);
            report
        }
    })
}

/// Reads and opens the file.
fn read(path: &Path) -> Result<SealedPlans, Failure> {
    let shown = path.display();
    let failure = |cause: String, help: &str| Failure {
        what: format!("the sealed plan {shown} cannot be used"),
        consequence: NOTHING,
        causes: vec![cause],
        help: help.to_owned(),
        exit: Exit::SomeFailed,
    };
    let make = "make one: batchsweep plan --out FILE";
    let length = std::fs::metadata(path).map_err(|error| failure(error.to_string(), make))?.len();
    if length > MOST_BYTES {
        return Err(failure(format!("it has {length} bytes, and no plan is so large"), make));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failure(error.to_string(), make))?;
    SealedPlans::open(&text).map_err(|problem| {
        failure(
            cut(&escaped(&problem.to_string()), 200),
            "make a new one: batchsweep plan --out FILE",
        )
    })
}

/// Whether the configuration has every account of the file, or those that the command line names.
fn all_known(sealed: &SealedPlans, session: &Session, global: &Global) -> Result<(), Failure> {
    let refused = |cause: String, help: &str| Failure {
        what: "the sealed plan is refused".to_owned(),
        consequence: NOTHING,
        causes: vec![cause],
        help: help.to_owned(),
        exit: Exit::SomeFailed,
    };
    let names: Vec<&AccountName> =
        session.config.accounts.iter().map(|account| &account.name).collect();
    for plan in sealed.plans().iter().filter(|_| global.accounts.is_empty()) {
        if !names.iter().any(|name| plan.is_for(name)) {
            let account = cut(&escaped(&plan.account), 64);
            let cause =
                format!("it is for account `{account}`, which the configuration does not have");
            return Err(refused(cause, "name the accounts that you mean by --account"));
        }
    }
    for name in names.into_iter().filter(|_| !global.accounts.is_empty()) {
        if !sealed.plans().iter().any(|plan| plan.is_for(name)) {
            return Err(refused(
                format!("it has no plan for account `{name}`"),
                "make a new one: batchsweep plan --out FILE",
            ));
        }
    }
    Ok(())
}
