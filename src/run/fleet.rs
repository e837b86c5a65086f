//! The accounts of a file, ready to run: grouped by key, each with what its runs work with.
//!
//! Accounts that share a key are one account of the vendor: they take turns, since deletions are one at a
//! time there, and share the window of list calls. Not here: one run (`run`), when there is one (`daemon`,
//! `cli`).

use std::path::PathBuf;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::{StreamExt, stream};
use tokio::sync::{MutexGuard, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::api::client::{ApiKey, ListWindow, Surroundings};
use crate::batch::{AccountName, RunId};
use crate::clock::Clock;
use crate::config::{Account, Config, Environment};
use crate::notify::Desk;
use crate::observe::All;
use crate::observe::event::{Observer, Scope};
use crate::observe::metrics::{Seed, Served};
use crate::run::report::NotBegun;
use crate::run::{Memorable, Recalled, Runner, Sight, last_batches, recall};
use crate::state::{BadLocation, Class, Location, State, StateError};

/// Accounts that are swept at the same time. They share nothing but this machine.
const ACCOUNTS_AT_ONCE: usize = 4;

/// What runs take from the outside.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The environment, for keys.
    pub env: Environment,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Who notifies, if anybody is to be told; one of the observers too.
    pub desk: Option<Arc<Desk>>,
    /// Seeds whatever is random.
    pub seed: u64,
    /// Cancelled when runs shall end.
    pub stop: CancellationToken,
    /// The signal that asked for it; 0 while none did.
    pub stopped_by: Arc<AtomicU8>,
}

/// The accounts of a configuration.
#[derive(Debug)]
pub struct Fleet {
    /// The configuration.
    pub config: Arc<Config>,
    setting: Setting,
    seeds: Mutex<fastrand::Rng>,
    /// Found when first asked for, since it takes every account's key.
    groups: OnceLock<Vec<Group>>,
    at_once: Semaphore,
}

/// Accounts of the file that are one account of the vendor.
#[derive(Debug)]
struct Group {
    identity: String,
    key: Option<ApiKey>,
    /// Their places in the file's order of accounts.
    members: Vec<usize>,
    /// The API counts list calls by key.
    lists: ListWindow,
    /// Whose turn it is.
    turn: tokio::sync::Mutex<()>,
}

/// The past, for somebody who asks what a run would do.
#[derive(Debug)]
pub struct Past {
    /// `None` where there is none (yet).
    pub state: Option<State>,
    /// Where list calls are written down, if that can be done.
    pub notes: Option<State>,
    /// Why there is none although there were runs.
    pub vanished: Option<StateError>,
}

impl Past {
    /// Leaves the state in good order.
    pub async fn close(&self) {
        for state in self.state.iter().chain(&self.notes) {
            // Nothing is lost with it: what was written is safe.
            let _closed = state.close().await;
        }
    }
}

/// Whether an account's inventory is known better than the state has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// It is: the state is not asked.
    Known,
    /// It is not.
    ToRecall,
}

/// The right to run now, until it is dropped.
#[derive(Debug)]
pub struct Turn<'f> {
    _group: Option<MutexGuard<'f, ()>>,
    _place: Option<SemaphorePermit<'f>>,
}

impl Group {
    fn of(identity: String, key: Option<ApiKey>) -> Self {
        let (lists, turn) = (ListWindow::default(), tokio::sync::Mutex::default());
        Self { identity, key, members: Vec::new(), lists, turn }
    }

    /// Whether both are the same account of the vendor.
    fn is_account_of(&self, other: &Self) -> bool {
        let same_key = || {
            let keys = self.key.as_ref().zip(other.key.as_ref());
            keys.is_some_and(|(key, other)| key.is_same(other))
        };
        self.identity == other.identity || same_key()
    }
}

impl Fleet {
    /// The accounts of a configuration. Makes no call and reads no key yet.
    pub fn new(config: Config, setting: Setting) -> Self {
        let seeds = Mutex::new(fastrand::Rng::with_seed(setting.seed));
        let at_once = Semaphore::new(ACCOUNTS_AT_ONCE);
        let config = Arc::new(config);
        Self { config, setting, seeds, groups: OnceLock::new(), at_once }
    }

    /// Has one more be told every event.
    pub fn tell_also(&mut self, observer: Arc<dyn Observer>) {
        let first = Arc::clone(&self.setting.observer);
        self.setting.observer = Arc::new(All(vec![first, observer]));
    }

    /// The accounts as metrics know them.
    pub fn served(&self) -> Vec<Served> {
        let now = self.setting.clock.now();
        let accounts = self.config.accounts.iter();
        let served = accounts.map(|account| Served {
            account: account.name.clone(),
            rules: account.rule_hashes.delete.keys().cloned().collect(),
            interval: account.timing.schedule().and_then(|schedule| schedule.interval(now)),
        });
        served.collect()
    }

    /// What metrics begin with: what the state has of an account.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn seed(
        &self,
        state: &State,
        account: &AccountName,
        listed: Listed,
    ) -> Result<Seed, StateError> {
        let last = state.last_runs().await?.remove(account).and_then(|run| run.end);
        let open = state.guard_open(account).await?;
        let batches = match listed {
            Listed::Known => None,
            Listed::ToRecall => last_batches(state, account).await?,
        };
        Ok(Seed {
            last_run: last.map(|end| (end.ended, end.exit_code)),
            last_success: state.last_success(account).await?,
            guards: open.map(|open| open.guards).unwrap_or_default(),
            batches,
        })
    }

    /// What runs take from the outside.
    pub const fn setting(&self) -> &Setting {
        &self.setting
    }

    /// Opens the state for runs.
    ///
    /// # Errors
    /// When it cannot be relied on.
    pub async fn state(&self) -> Result<State, StateError> {
        match self.location() {
            Ok(location) => State::open(&location, self.setting.clock.now()).await,
            Err(bad) => Err(StateError::NoPlace(bad)),
        }
    }

    /// Opens the state for somebody who only looks; `None` where there is none yet.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub async fn state_to_read(&self) -> Result<Option<State>, StateError> {
        let Ok(location) = self.location() else { return Ok(None) };
        match State::open_read_only(&location).await {
            Ok(state) => Ok(Some(state)),
            Err(StateError::None { .. }) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The past for somebody who asks what a run would do: where it vanished, they go on without it.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub async fn past(&self) -> Result<Past, StateError> {
        match self.state_to_read().await {
            Ok(state) => {
                let location = self.location().ok().filter(|_| state.is_some());
                let notes = match location {
                    Some(location) => State::open_to_note(&location).await,
                    None => None,
                };
                Ok(Past { state, notes, vanished: None })
            }
            Err(error) if error.class() == Class::Vanished => {
                Ok(Past { state: None, notes: None, vanished: Some(error) })
            }
            Err(problem) => Err(problem),
        }
    }

    /// Takes it that the past is gone for good. Where the rest of it was moved; `None` where it is not
    /// gone.
    ///
    /// # Errors
    /// When the files cannot be moved.
    pub fn acknowledge_vanished(&self) -> Result<Option<Vec<PathBuf>>, StateError> {
        let location = self.location().map_err(StateError::NoPlace)?;
        State::acknowledge_vanished(&location, self.setting.clock.now())
    }

    fn location(&self) -> Result<Location, BadLocation> {
        let location = self.config.state.clone()?;
        let may_be_paused = self.setting.clock.may_be_paused();
        Ok(if may_be_paused { location.holding_paused_time() } else { location })
    }

    /// Where runs write what they did.
    pub fn memorable<'m>(&'m self, state: &'m State) -> Memorable<'m> {
        Memorable {
            state,
            config_hash: &self.config.hash,
            keep_history: self.config.keep_history,
            stopped_by: &self.setting.stopped_by,
            // For later commands; where nothing outlives the process there are none.
            keeps_records: state.is_durable(),
        }
    }

    /// What is known of an account, for somebody who only looks.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn recall(
        &self,
        state: Option<&State>,
        account: &Account,
    ) -> Result<Recalled, StateError> {
        let Some(state) = state else { return Ok(Recalled::default()) };
        let (rules, now) = (&account.rule_hashes, self.setting.clock.now());
        recall(state, &account.name, rules, now, Sight::LooksOnly).await
    }

    /// Prepares a run of one account: reads its key, makes its client.
    ///
    /// # Errors
    /// When there is no usable key, or no usable client.
    pub fn runner<'c>(&self, account: &'c Account) -> Result<Runner<'c>, NotBegun> {
        self.runner_in(account, self.surroundings(account))
    }

    /// The same, in given surroundings.
    ///
    /// # Errors
    /// When there is no usable key, or no usable client.
    pub fn runner_in<'c>(
        &self,
        account: &'c Account,
        around: Surroundings,
    ) -> Result<Runner<'c>, NotBegun> {
        let env = &self.setting.env;
        let key = account.key.read(env).map_err(NotBegun::Key)?;
        let source = account.key.source(env);
        Runner::new(account, key, source, around).map_err(NotBegun::Client)
    }

    /// What a run of this account works with. Each call is another run.
    pub fn surroundings(&self, account: &Account) -> Surroundings {
        let mut seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        let random = seeds.u128(..).to_be_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(random.first_chunk::<10>().unwrap_or(&[0; 10]));
        Surroundings {
            scope: Scope {
                account: account.name.clone(),
                run_id: RunId::new(self.setting.clock.now(), tail),
            },
            clock: Arc::clone(&self.setting.clock),
            observer: Arc::clone(&self.setting.observer),
            lists: self.lists_of(account),
            seed: seeds.u64(..),
            stop: self.setting.stop.clone(),
        }
    }

    /// A delay between nothing and `most`.
    pub fn jitter(&self, most: std::time::Duration) -> std::time::Duration {
        let mut seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        most.mul_f64(seeds.f64())
    }

    /// Waits until an account may run: no other one of the same key does, and not too many at once.
    pub async fn turn(&self, account: &Account) -> Turn<'_> {
        let group = self.group_of(account);
        let group = match group {
            Some(group) => Some(group.turn.lock().await),
            None => None,
        };
        // Nobody closes it.
        Turn { _group: group, _place: self.at_once.acquire().await.ok() }
    }

    /// Does something for each account: several at once, but accounts that share a key one after
    /// the other. Results come in the order of the names.
    pub async fn for_each_account<'s, T, F>(&'s self, work: F) -> Vec<T>
    where
        F: AsyncFn(&'s Account) -> T,
    {
        let work = &work;
        let mut done: Vec<(usize, T)> = stream::iter(self.groups())
            .map(|group| async move {
                let mut results = Vec::with_capacity(group.members.len());
                for (place, account) in self.members(group) {
                    results.push((place, work(account).await));
                }
                results
            })
            .buffer_unordered(ACCOUNTS_AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .flatten()
            .collect();
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// The accounts by key, wherever each reads it from.
    fn groups(&self) -> &[Group] {
        self.groups.get_or_init(|| by_key(&self.config.accounts, &self.setting.env))
    }

    /// The accounts of a group, with their places.
    fn members<'s>(&'s self, group: &'s Group) -> impl Iterator<Item = (usize, &'s Account)> {
        group.members.iter().filter_map(|at| Some((*at, self.config.accounts.get(*at)?)))
    }

    fn group_of(&self, account: &Account) -> Option<&Group> {
        let has_it = |group: &&Group| self.members(group).any(|(_, it)| it.name == account.name);
        self.groups().iter().find(has_it)
    }

    /// The list calls of the vendor's account that this one is.
    fn lists_of(&self, account: &Account) -> ListWindow {
        self.group_of(account).map_or_else(ListWindow::default, |group| group.lists.clone())
    }
}

/// Accounts by key.
fn by_key(accounts: &[Account], env: &Environment) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (place, account) in accounts.iter().enumerate() {
        let mut new = Group::of(account.identity(), account.key.read(env).ok());
        if let Some(known) = groups.iter_mut().find(|group| new.is_account_of(group)) {
            known.members.push(place);
            continue;
        }
        new.members.push(place);
        groups.push(new);
    }
    groups
}
