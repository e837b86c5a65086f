//! What most commands begin with: the file, the log, the chosen accounts, a runner for each.
//!
//! Not here: what a command then does.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tracing::dispatcher::DefaultGuard;

use crate::api::client::{ApiKey, ListWindow, Surroundings};
use crate::batch::{RunId, and_list};
use crate::cli::Outside;
use crate::cli::args::Global;
use crate::cli::failure::{self, Failure};
use crate::config::{self, Account, Config, DryRun};
use crate::observe::event::{Observer, Scope};
use crate::observe::log::{self, Json, Level, Log, SharedWriter};
use crate::observe::progress::Progress;
use crate::observe::{All, Colour};
use crate::run::report::NotBegun;
use crate::run::{Memorable, Recalled, Runner, Sight, recall};
use crate::state::{BadLocation, Location, State, StateError};

/// Accounts that are swept at the same time. They share nothing but this machine.
const ACCOUNTS_AT_ONCE: usize = 4;

/// A command under way.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) config: Config,
    outside: &'a Outside,
    observer: Arc<dyn Observer>,
    progress: Option<Progress>,
    seeds: std::sync::Mutex<fastrand::Rng>,
    /// Found when first asked for, since it takes every account's key.
    groups: std::sync::OnceLock<Vec<Group>>,
    _log: DefaultGuard,
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
}

impl Group {
    fn of(identity: String, key: Option<ApiKey>) -> Self {
        Self { identity, key, members: Vec::new(), lists: ListWindow::default() }
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

/// Which observers a command wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Log lines only.
    Log,
    /// A progress bar too, where there is a terminal.
    Progress,
}

impl<'a> Session<'a> {
    /// Reads the file and sets up the log.
    ///
    /// # Errors
    /// When the file is bad, or an account on the command line is not in it. Has been shown.
    pub(super) fn open(
        global: &Global,
        outside: &'a Outside,
        watch: Watch,
    ) -> Result<Self, crate::run::report::Exit> {
        let request = config::Request {
            path: global.config.clone(),
            env: outside.env.clone(),
            dry_run: if global.dry_run { DryRun::Forced } else { DryRun::AsConfigured },
        };
        let config = config::load(&request).map_err(|rejected| {
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
        outside: &'a Outside,
        watch: Watch,
    ) -> Result<Self, crate::run::report::Exit> {
        choose_accounts(&mut config, global).map_err(|failure| {
            failure.show(&outside.terminal, None);
            failure.exit
        })?;
        let one = config.accounts.len() == 1;
        let progress = (watch == Watch::Progress && one && outside.terminal.shows_progress())
            .then(Progress::new);
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Log)];
        observers.extend(progress.clone().map(|bar| Arc::new(bar) as Arc<dyn Observer>));
        Ok(Self {
            _log: open_log(global, outside, progress.as_ref()),
            config,
            outside,
            observer: Arc::new(All(observers)),
            progress,
            seeds: std::sync::Mutex::new(fastrand::Rng::with_seed(outside.seed)),
            groups: std::sync::OnceLock::new(),
        })
    }

    /// Takes the progress bar off the screen.
    pub(super) fn clear_progress(&self) {
        if let Some(progress) = &self.progress {
            progress.clear();
        }
    }

    /// Opens the state for runs.
    ///
    /// # Errors
    /// When it cannot be relied on.
    pub(super) async fn state(&self) -> Result<State, StateError> {
        match self.location() {
            Ok(location) => State::open(&location, self.outside.clock.now()).await,
            Err(bad) => Err(StateError::NoPlace(bad)),
        }
    }

    /// Opens the state for somebody who only looks; `None` where there is none yet.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub(super) async fn state_to_read(&self) -> Result<Option<State>, StateError> {
        let Ok(location) = self.location() else { return Ok(None) };
        match State::open_read_only(&location).await {
            Ok(state) => Ok(Some(state)),
            Err(StateError::None { .. }) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    fn location(&self) -> Result<Location, BadLocation> {
        let location = self.config.state.clone()?;
        let may_be_paused = self.outside.clock.may_be_paused();
        Ok(if may_be_paused { location.holding_paused_time() } else { location })
    }

    /// Where runs write what they did.
    pub(super) fn memorable<'m>(&'m self, state: &'m State) -> Memorable<'m> {
        Memorable { state, config_hash: &self.config.hash, keep_history: self.config.keep_history }
    }

    /// What is known of an account, for somebody who only looks.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) async fn recall(
        &self,
        state: Option<&State>,
        account: &Account,
    ) -> Result<Recalled, StateError> {
        let Some(state) = state else { return Ok(Recalled::default()) };
        let (rules, now) = (&account.rule_hashes, self.outside.clock.now());
        recall(state, &account.name, rules, now, Sight::LooksOnly).await
    }

    /// Prepares a run of one account: reads its key, makes its client.
    ///
    /// # Errors
    /// When there is no usable key, or no usable client.
    pub(super) fn runner<'c>(&self, account: &'c Account) -> Result<Runner<'c>, NotBegun> {
        let around = self.surroundings(account);
        let key = account.key.read(&self.outside.env).map_err(NotBegun::Key)?;
        let source = account.key.source(&self.outside.env);
        Runner::new(account, key, source, around).map_err(NotBegun::Client)
    }

    /// What a run of this account works with.
    pub(super) fn surroundings(&self, account: &Account) -> Surroundings {
        let mut seeds = self.seeds.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let random = seeds.u128(..).to_be_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(random.first_chunk::<10>().unwrap_or(&[0; 10]));
        Surroundings {
            scope: Scope {
                account: account.name.clone(),
                run_id: RunId::new(self.outside.clock.now(), tail),
            },
            clock: Arc::clone(&self.outside.clock),
            observer: Arc::clone(&self.observer),
            lists: self.lists_of(account),
            seed: seeds.u64(..),
            stop: self.outside.stop.token.clone(),
        }
    }

    /// Does something for each account: several at once, but accounts that share a key one after
    /// the other, since deletions are one at a time for each account of the vendor. Results come in
    /// the order of the names.
    pub(super) async fn for_each_account<'s, T, F>(&'s self, work: F) -> Vec<T>
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
        self.groups.get_or_init(|| by_key(&self.config.accounts, self.outside))
    }

    /// The accounts of a group, with their places.
    fn members<'s>(&'s self, group: &'s Group) -> impl Iterator<Item = (usize, &'s Account)> {
        group.members.iter().filter_map(|at| Some((*at, self.config.accounts.get(*at)?)))
    }

    /// The list calls of the vendor's account that this one is.
    fn lists_of(&self, account: &Account) -> ListWindow {
        let has_it = |group: &&Group| self.members(group).any(|(_, it)| it.name == account.name);
        let group = self.groups().iter().find(has_it);
        group.map_or_else(ListWindow::default, |group| group.lists.clone())
    }
}

/// Accounts by key.
fn by_key(accounts: &[Account], outside: &Outside) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (place, account) in accounts.iter().enumerate() {
        let mut new = Group::of(account.identity(), account.key.read(&outside.env).ok());
        if let Some(known) = groups.iter_mut().find(|group| new.is_account_of(group)) {
            known.members.push(place);
            continue;
        }
        new.members.push(place);
        groups.push(new);
    }
    groups
}

/// Leaves only the accounts that the command line names.
fn choose_accounts(config: &mut Config, global: &Global) -> Result<(), Failure> {
    let known: Vec<_> = config.accounts.iter().map(|account| account.name.to_string()).collect();
    let quoted: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    if let Some(unknown) = global.accounts.iter().find(|name| !known.contains(name)) {
        let unknown = crate::batch::escaped(unknown);
        return Err(failure::of_usage(
            format!("the file has no account `{unknown}`"),
            match quoted.as_slice() {
                [only] => format!("its only account is {only}"),
                all => format!("its accounts are {}", and_list(all)),
            },
        ));
    }
    if !global.accounts.is_empty() {
        config
            .accounts
            .retain(|account| global.accounts.iter().any(|name| name == account.name.as_str()));
    }
    Ok(())
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
    let tty = outside.terminal.shows_progress();
    let json = match global.log_format {
        log::Format::Text => Json::No,
        log::Format::Json => Json::Yes,
        log::Format::Auto => {
            if tty {
                Json::No
            } else {
                Json::Yes
            }
        }
    };
    let colour = if tty { outside.terminal.colour } else { Colour::Never };
    let settings = log::Settings { json, level: level(global), colour };
    let clock = Arc::clone(&outside.clock);
    let dispatch = match progress {
        Some(progress) => log::dispatch(&settings, clock, progress.writer()),
        None => log::dispatch(&settings, clock, SharedWriter(outside.terminal.log_stream())),
    };
    tracing::dispatcher::set_default(&dispatch)
}
