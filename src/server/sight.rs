//! The sight: what the server can see, and nothing that could change anything.
//!
//! The configuration in use, the board, how the service is, and the state, which it reads by a connection of
//! its own. Not here: how that is shown (`page`, `api`).
//! Invariant: no key, no runner and no right to delete is within reach; the state is open for reading only,
//! bar where it is in this process's memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::health::Health;
use crate::batch::{AccountName, BatchId};
use crate::clock::{Clock, Timestamp};
use crate::config::{Account, Config};
use crate::observe::board::Board;
use crate::observe::metrics::Metrics;
use crate::run::explained::{BatchPast, Explained};
use crate::run::outlook::{LastListing, Outlook, outlook};
use crate::run::standing::{Standing, standings};
use crate::state::{Location, State, StateError};

/// What the server sees. A clone sees the same.
#[derive(Debug, Clone)]
pub struct Sight {
    seen: Arc<Seen>,
}

#[derive(Debug)]
struct Seen {
    around: Around,
    config: Mutex<Arc<Config>>,
    read: tokio::sync::Mutex<Read>,
}

/// What the server is given.
#[derive(Debug)]
pub struct Around {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What is going on.
    pub board: Board,
    /// What happened, counted.
    pub metrics: Arc<Metrics>,
    /// How the service is.
    pub health: Arc<Health>,
    /// Where the past is.
    pub memory: Memory,
    /// How a person reaches the service's commands.
    pub hand: Hand,
}

/// Where the past is read from.
#[derive(Debug)]
pub enum Memory {
    /// In this process's memory alone: the service's own connection.
    Shared(State),
    /// In a file or on a server: a connection of the server's own.
    At(Location),
}

/// How a person types a command of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hand {
    /// `batchsweep …`, with this file where it is not the usual one.
    Shell(Option<PathBuf>),
    /// `batchsweepctl …`: the state is that of a unit of systemd.
    Unit,
    /// `kubectl exec POD -- batchsweep …`
    Pod(String),
}

/// What was read and may serve again.
#[derive(Debug, Default)]
struct Read {
    state: Option<State>,
    listings: BTreeMap<AccountName, LastListing>,
    used: Option<Instant>,
}

/// After so long without a question, what was read is given up: nobody looks.
const IDLE: Duration = Duration::from_mins(2);

impl Hand {
    /// A command as it is typed: `arguments` as they follow the program's name.
    pub fn types(&self, arguments: &str) -> String {
        match self {
            Self::Shell(None) => format!("batchsweep {arguments}"),
            Self::Shell(Some(file)) => {
                format!("batchsweep --config {} {arguments}", quoted(&file.to_string_lossy()))
            }
            Self::Unit => format!("sudo batchsweepctl {arguments}"),
            Self::Pod(pod) => format!("kubectl exec {pod} -- batchsweep {arguments}"),
        }
    }
}

/// A word of a shell, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Sight {
    /// Of a service that obeys `config`.
    pub fn new(config: Arc<Config>, around: Around) -> Self {
        let seen = Seen { around, config: Mutex::new(config), read: tokio::sync::Mutex::default() };
        Self { seen: Arc::new(seen) }
    }

    /// The configuration was read again and is in use.
    pub fn follow(&self, config: Arc<Config>) {
        *self.seen.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Gives up what was read, if nobody has asked for a while. For whoever has a moment.
    pub async fn tidy(&self) {
        let mut read = self.seen.read.lock().await;
        if read.used.is_some_and(|used| used.elapsed() > IDLE) {
            *read = Read::default();
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.seen.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn health(&self) -> &Health {
        &self.seen.around.health
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.seen.around.metrics
    }

    pub(super) fn board(&self) -> &Board {
        &self.seen.around.board
    }

    pub(super) fn hand(&self) -> &Hand {
        &self.seen.around.hand
    }

    pub(super) fn now(&self) -> Timestamp {
        self.seen.around.clock.now()
    }

    /// The state, for reading; `None` where nothing has been remembered yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn state(&self) -> Result<Option<State>, StateError> {
        let mut read = self.seen.read.lock().await;
        read.used = Some(Instant::now());
        let location = match &self.seen.around.memory {
            Memory::Shared(state) => return Ok(Some(state.clone())),
            Memory::At(location) => location,
        };
        if read.state.is_none() {
            read.state = match State::open_read_only(location).await {
                Ok(state) => Some(state),
                Err(StateError::None { .. }) => None,
                Err(error) => return Err(error),
            };
        }
        Ok(read.state.clone())
    }

    /// Takes note that reading failed: the next one begins anew.
    pub(super) async fn lost(&self) {
        self.seen.read.lock().await.state = None;
    }

    /// How the accounts stand.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) async fn standings(&self, config: &Config) -> Result<Vec<Standing>, StateError> {
        let state = self.state().await?;
        standings(state.as_ref(), &config.accounts, self.now()).await
    }

    /// What a run of an account would do; `None` where no complete listing is remembered.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) async fn outlook(&self, account: &Account) -> Result<Option<Outlook>, StateError> {
        let Some(state) = self.state().await? else { return Ok(None) };
        let known = self.seen.read.lock().await.listings.get(&account.name).cloned();
        let Some(listing) = LastListing::read(&state, account, known).await? else {
            return Ok(None);
        };
        let outlook = outlook(&state, account, &listing, self.now()).await?;
        self.seen.read.lock().await.listings.insert(account.name.clone(), listing);
        Ok(Some(outlook))
    }

    /// A batch explained, of those that are listed.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) async fn explained(
        &self,
        account: &Account,
        id: &BatchId,
    ) -> Result<Option<Explained>, StateError> {
        let Some(outlook) = self.outlook(account).await? else { return Ok(None) };
        let Some(index) = outlook.batches.iter().position(|batch| batch.id == *id) else {
            return Ok(None);
        };
        let explanation =
            account.policy.explain(&outlook.batches, index, &outlook.memory, outlook.now);
        let (Some(explanation), Some(batch)) = (explanation, outlook.batches.get(index)) else {
            return Ok(None);
        };
        let past = self.past(account, id).await?;
        Ok(Some(Explained { batch: batch.clone(), explanation, past }))
    }

    /// What is remembered of a batch.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) async fn past(
        &self,
        account: &Account,
        id: &BatchId,
    ) -> Result<BatchPast, StateError> {
        let state = self.state().await?;
        BatchPast::of(state.as_ref(), &account.name, id, self.now()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_typed_where_the_service_is() {
        let pod = Hand::Pod("batchsweep-7d9".to_owned());
        for (hand, expected) in [
            (Hand::Shell(None), "batchsweep approve R"),
            (Hand::Shell(Some("/etc/b.toml".into())), "batchsweep --config /etc/b.toml approve R"),
            (
                Hand::Shell(Some("/home/it's mine/b.toml".into())),
                r"batchsweep --config '/home/it'\''s mine/b.toml' approve R",
            ),
            (Hand::Unit, "sudo batchsweepctl approve R"),
            (pod, "kubectl exec batchsweep-7d9 -- batchsweep approve R"),
        ] {
            assert_eq!(hand.types("approve R"), expected);
        }
    }
}
