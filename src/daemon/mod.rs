//! The service: every account on its schedule, until it is told to stop.
//!
//! `supervisor` is one loop: alarms, signals, reloads and the ends of runs pass through it. `agenda` is what
//! a look at the clock means (pure), `alarm` rings, `crew` takes accounts and runs them, `files` reads the
//! configuration again, `manager` tells the service manager.
//! Not here: a run (`run`), the arithmetic of schedules (`schedule`), what is shown to whoever asks (`server`),
//! arguments and messages (`cli`).

mod agenda;
mod alarm;
mod files;
mod crew;
mod manager;
mod supervisor;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::LocalSet;

pub use files::Files;
pub use supervisor::Asked;

use self::crew::Crew;
use self::manager::Manager;
use self::supervisor::{Around, Supervisor};
use crate::batch::AccountName;
use crate::observe::board::Board;
use crate::observe::metrics::{Metrics, Of};
use crate::run::fleet::Fleet;
use crate::schedule::Timing;
use crate::server::health::{Health, TURN};
use crate::server::{self, Memory, Serving, Sight};
use crate::state::{State, StateError};

/// Why the service did not begin. Nothing was sent to any account.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// Accounts that nobody says when to run.
    #[error("there is no schedule for {}", names(.0))]
    NoSchedule(Vec<AccountName>),
    /// Accounts without a usable key.
    #[error("{}", .0.join("; "))]
    Keys(Vec<String>),
    /// The state cannot be used.
    #[error("the state cannot be used")]
    State(#[from] StateError),
    /// Nobody can listen there.
    #[error("nothing can listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The alarm does not work at all.
    #[error("{0}")]
    Alarm(String),
}

fn names(accounts: &[AccountName]) -> String {
    let quoted: Vec<_> = accounts.iter().map(|account| format!("`{account}`")).collect();
    crate::batch::and_list(&quoted)
}

/// Serves until `fleet`'s stop is cancelled, then ends after the calls in flight.
///
/// # Errors
/// When it cannot begin. Once it has begun, what goes wrong is told by events, and it goes on.
pub async fn serve(mut fleet: Fleet, files: Files, asked: Asked) -> Result<(), NotBegun> {
    let unset = |timing: &Timing| matches!(timing, Timing::Unset);
    let accounts = fleet.config.accounts.iter();
    let unset: Vec<_> = accounts.filter(|account| unset(&account.timing)).collect();
    if !unset.is_empty() {
        let names = unset.into_iter().map(|account| account.name.clone()).collect();
        return Err(NotBegun::NoSchedule(names));
    }
    let problems = files::key_problems(&fleet.config, fleet.setting());
    if !problems.is_empty() {
        return Err(NotBegun::Keys(problems));
    }
    let state = fleet.state().await?;
    let (clock, served) = (Arc::clone(&fleet.setting().clock), fleet.served());
    let health = Arc::new(Health::new(Arc::clone(&clock)));
    let board = Board::new(Arc::clone(&clock));
    let metrics = Arc::new(Metrics::new(Of::Service, clock, served));
    let counting = Arc::clone(&metrics);
    fleet.tell_also(counting);
    fleet.tell_also(Arc::new(board.clone()));
    let setting = fleet.setting().clone();
    let sight = fleet.config.listen.map(|address| {
        let around =
            sight(&fleet, &state, &files, (board, Arc::clone(&metrics), Arc::clone(&health)));
        (address, Sight::new(Arc::clone(&fleet.config), around))
    });
    let _serving = match &sight {
        Some((address, sight)) => Some(listen(*address, sight.clone())?),
        None => None,
    };
    let around = Around {
        clock: setting.clock,
        observer: setting.observer,
        stop: setting.stop,
        asked,
        health,
        manager: Manager::of_process(),
        turn: TURN,
    };
    let crew = Crew::new(fleet, files, state, metrics, sight.map(|(_, sight)| sight));
    let local = LocalSet::new();
    let work = local.run_until(async {
        let supervisor = Supervisor::new(around, crew).await;
        let supervisor = supervisor.map_err(|broken| NotBegun::Alarm(broken.to_string()))?;
        Ok::<_, NotBegun>(supervisor.serve().await)
    });
    work.await?.leave().await;
    Ok(())
}

fn listen(address: SocketAddr, sight: Sight) -> Result<Serving, NotBegun> {
    let serving = server::listen(address).and_then(|listener| server::serve(listener, sight));
    serving.map_err(|source| NotBegun::Listen { address, source })
}

/// What the server sees. A state on a disk it reads by a connection of its own.
fn sight(
    fleet: &Fleet,
    state: &State,
    files: &Files,
    (board, metrics, health): (Board, Arc<Metrics>, Arc<Health>),
) -> server::Around {
    let location = fleet.config.state.as_ref().ok().filter(|location| location.is_durable());
    let memory =
        location.map_or_else(|| Memory::Shared(state.clone()), |at| Memory::At(at.clone()));
    let clock = Arc::clone(&fleet.setting().clock);
    server::Around { clock, board, metrics, health, memory, hand: files.hand() }
}
