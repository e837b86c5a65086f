//! The file: read, layered, checked, and turned into a policy and everybody's settings.
//!
//! The passes, each with its type: `files` (texts) → `strict` (one file, its form) → `layers` (all
//! files and the environment) → `settings`, `accounts`, `rules`, `cases` (their meaning). A mistake
//! is a [`Diagnostic`] with its line; all mistakes are told at once, and a file with one is not used.
//! Not here: what is done with it. Nothing is sent and nothing is written while it is read.
//! Invariant: [`Armed`] is made here alone; no secret is in a message.

pub mod raw;
mod environment;
pub mod duration;
pub mod defaults;
mod hide;
mod near;
mod place;
pub mod diagnose;
mod files;
mod strict;
mod syntax;
mod layers;
mod overrides;
mod check;
mod settings;
mod timing;
mod listen;
mod memory;
pub mod secret;
mod accounts;
mod rules;
mod notify;
mod lint;
pub mod cases;
mod fingerprint;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;

pub use self::cases::TestCase;
pub use self::diagnose::{Diagnostic, Severity, Sources};
pub use self::environment::Environment;
pub use self::layers::Replaced;
pub use self::notify::Channel;
pub use self::secret::{KeyOrigin, KeyProblem};

use self::accounts::Reached;
use self::check::Check;
use self::diagnose::{Complaint, Half, Problems};
use self::layers::Layered;
use self::place::{KeyPath, Places};
use self::raw::{RawConfig, RawRule};
use self::settings::Shared;
use crate::api;
use crate::audit;
use crate::audit::patience::{Asked, Past};
use crate::batch::{AccountName, RuleName};
use crate::guards;
use crate::notify::Opened;
use crate::observe::Colour;
use crate::policy::{Policy, RuleKind, Terms};
use crate::schedule::Timing;
use crate::state;
use crate::sweep;
use crate::warrant::Armed;

/// Where the file is if nobody says.
pub const DEFAULT_PATH: &str = "/etc/batchsweep/config.toml";

/// The variable that says where the file is.
pub const PATH_VARIABLE: &str = "BATCHSWEEP_CONFIG";

/// Whether the command line forces a dry run. Nothing there can force the opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// As the file says.
    AsConfigured,
    /// `--dry-run`.
    Forced,
}

/// What to load.
#[derive(Debug, Clone)]
pub struct Request {
    /// `--config`; else `BATCHSWEEP_CONFIG`, else [`DEFAULT_PATH`].
    pub path: Option<PathBuf>,
    /// The environment of the program.
    pub env: Environment,
    /// `--dry-run`.
    pub dry_run: DryRun,
}

impl Request {
    /// The file that is asked for.
    pub fn file(&self) -> PathBuf {
        let named = || self.env.get_os(PATH_VARIABLE).filter(|path| !path.is_empty());
        let from_env = || named().map(PathBuf::from);
        self.path.clone().or_else(from_env).unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
    }
}

/// Everything that the files and the environment say, checked.
#[derive(Debug)]
pub struct Config {
    /// The accounts, in the order of their names; at least one.
    pub accounts: Vec<Account>,
    /// The file's own tests.
    pub tests: Vec<TestCase>,
    /// SHA-256, in hex, of the effective configuration: `dry_run` and `[[test]]` do not count.
    pub hash: String,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// Scalars that a later file or a variable replaced.
    pub replaced: Vec<Replaced>,
    /// The zone that days on the command line are meant in.
    pub zone: Tz,
    /// Whom to tell, in the order of their names.
    pub channels: Vec<Channel>,
    /// Where the daemon can be asked how it is; `None` where nowhere.
    pub listen: Option<SocketAddr>,
    /// Names that it may be asked by there, in lower case, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Where what is remembered is; an error where this machine has no usual place for it.
    pub state: Result<state::Location, state::BadLocation>,
    /// How long runs and deletions are remembered.
    pub keep_history: Duration,
    /// Whether runs only plan.
    pub dry_run: bool,
    /// The files that were read.
    pub sources: Sources,
    places: Places,
}

/// One account, with all that a run of it takes.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Where and how to call.
    pub api: api::client::Settings,
    /// Where its key is.
    pub key: KeyOrigin,
    /// The rules that serve it, compiled.
    pub policy: Policy,
    /// The same rules as written.
    pub rules: RawRules,
    /// The floor `never_younger_than` as written, for the second opinion.
    pub floor_text: String,
    /// `guards.probation` as written, for the same.
    pub probation_text: String,
    /// Hashes of its rules.
    pub rule_hashes: RuleHashes,
    /// The zone that calendar days are counted in.
    pub zone: Tz,
    /// When it runs.
    pub timing: Timing,
    /// Limits on its plans.
    pub limits: guards::Limits,
    /// How its plans are carried out.
    pub sweep: sweep::Settings,
}

impl Account {
    /// The rules as the second opinion reads them.
    pub fn audit_rules<'a>(&'a self, past: Past<'a>) -> audit::Rules<'a> {
        let (keep, delete) = (&self.rules.keep, &self.rules.delete);
        let patience = Asked {
            probation: &self.probation_text,
            name_markers: self.policy.obeys_name_markers(),
        };
        audit::Rules { keep, delete, floor: &self.floor_text, zone: self.zone, patience, past }
    }

    /// Says where the account is and which key opens it, without the key: two of the file's accounts
    /// that say the same are one account of the vendor.
    pub fn identity(&self) -> String {
        format!("{} {} {:?}", self.api.product, self.api.base_url, self.key)
    }
}

/// Rules as written, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawRules {
    /// `[keep.…]`.
    pub keep: BTreeMap<RuleName, RawRule>,
    /// `[delete.…]`.
    pub delete: BTreeMap<RuleName, RawRule>,
}

/// A hash of each rule's own content, by name: it changes when the rule does.
#[derive(Debug, Clone, Default)]
pub struct RuleHashes {
    /// Of keep rules.
    pub keep: BTreeMap<RuleName, String>,
    /// Of delete rules.
    pub delete: BTreeMap<RuleName, String>,
}

impl RawRules {
    /// The rules that serve an account: those that name no account, or this one.
    fn serving(account: &AccountName, raw: &RawConfig) -> Self {
        let serves = |rule: &RawRule| {
            let named = rule.accounts.as_ref();
            named.is_none_or(|named| named.0.iter().any(|name| name == account.as_str()))
        };
        let serving = |rules: &BTreeMap<String, RawRule>| {
            let serving = rules.iter().filter(|(_, rule)| serves(rule));
            serving
                .filter_map(|(name, rule)| Some((RuleName::parse(name).ok()?, rule.clone())))
                .collect()
        };
        Self { keep: serving(&raw.keep), delete: serving(&raw.delete) }
    }
}

impl Config {
    /// The right to delete: only where the configuration says `dry_run = false` and the command line
    /// does not say `--dry-run`.
    pub const fn arm(&self) -> Option<Armed> {
        Armed::unless_dry_run(self.dry_run)
    }

    /// Leaves only these accounts; all of them where none is named.
    ///
    /// # Errors
    /// When one of them is not in the file.
    pub fn choose(&mut self, names: &[String]) -> Result<(), UnknownAccount> {
        let is = |account: &Account, name: &String| account.name.as_str() == name;
        let missing =
            names.iter().find(|name| !self.accounts.iter().any(|account| is(account, name)));
        if let Some(name) = missing {
            let known = self.accounts.iter().map(|account| account.name.clone()).collect();
            return Err(UnknownAccount { name: crate::batch::escaped(name), known });
        }
        if !names.is_empty() {
            self.accounts.retain(|account| names.iter().any(|name| is(account, name)));
        }
        Ok(())
    }

    /// Accounts whose key cannot be read, or that too many can read, as warnings at the place that names
    /// its source.
    pub fn key_warnings(&self, env: &Environment) -> Vec<Diagnostic> {
        let mut problems = Problems::new(&self.sources);
        for account in &self.accounts {
            let complaint = match (account.key.read(env), account.key.exposure()) {
                (Err(problem), _) => Complaint::warning(problem.to_string()).help(problem.help()),
                (Ok(_), Some(exposed)) => Complaint::warning(exposed).help(EXPOSED_HELP),
                (Ok(_), None) => continue,
            };
            let path = KeyPath::of(["accounts", account.name.as_str()]);
            let path = match &account.key {
                KeyOrigin::File(_) => path.then("api_key_file"),
                KeyOrigin::Variable(_) => path.then("api_key_env"),
                KeyOrigin::Credential(_) => path.then("api_key_credential"),
                KeyOrigin::Default => path,
            };
            problems.at(&self.places, &path, Half::Value, complaint);
        }
        problems.into_sorted()
    }

    /// Notifications whose address or secret cannot be had, as warnings.
    pub fn notify_warnings(&self, env: &Environment) -> Vec<Diagnostic> {
        let mut problems = Problems::new(&self.sources);
        for channel in &self.channels {
            let Err(why) = channel.open(env) else { continue };
            let complaint =
                Complaint::warning(format!("nobody is told by `{}`: {why}", channel.name))
                    .help("a run goes on without; `batchsweep notify test` tries it");
            let path = KeyPath::of(["notify", channel.name.as_str()]);
            problems.at(&self.places, &path, Half::Key, complaint);
        }
        problems.into_sorted()
    }

    /// Notifications as they can be sent: address and secret are read now.
    pub fn open_channels(&self, env: &Environment) -> Opened {
        let mut opened = Opened::default();
        for account in &self.accounts {
            opened.products.insert(account.name.clone(), account.api.product.as_str());
        }
        for channel in &self.channels {
            match channel.open(env) {
                Ok(target) => opened.targets.push(target),
                Err(why) => opened.broken.push((channel.name.clone(), why)),
            }
        }
        opened
    }

    /// A state that vanished, as a warning at the place that says where it is: until somebody
    /// acknowledges it, no run deletes anything.
    pub fn memory_warnings(&self) -> Vec<Diagnostic> {
        let vanished = self.state.as_ref().ok().and_then(state::State::vanished);
        let Some(vanished) = vanished else { return Vec::new() };
        let mut problems = Problems::new(&self.sources);
        let complaint = Complaint::warning(vanished.sentence()).help(vanished.help());
        problems.at(&self.places, &KeyPath::of(["state", "url"]), Half::Value, complaint);
        problems.into_sorted()
    }
}

/// An account that the command line names and the file does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file has no account `{name}`")]
pub struct UnknownAccount {
    /// Its name, escaped.
    pub name: String,
    /// Those that it has.
    pub known: Vec<AccountName>,
}

/// What to do about a key that everybody can read.
const EXPOSED_HELP: &str = "whoever has the key can delete everything: chmod 0600, owned by the user \
     that batchsweep runs as; in Kubernetes set `defaultMode: 0440` and `fsGroup`";

/// A configuration that is not used. Nothing was done.
#[derive(Debug)]
pub struct Rejected {
    /// What is wrong, errors first.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read.
    pub sources: Sources,
}

impl Rejected {
    /// All of it as text, each with its line and a caret.
    pub fn render(&self, colour: Colour) -> String {
        diagnose::render(&self.diagnostics, &self.sources, colour)
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors() {
            1 => f.write_str("the configuration has an error"),
            errors => write!(f, "the configuration has {errors} errors"),
        }
    }
}

impl std::error::Error for Rejected {}

/// Reads the file, its drop-ins and the environment.
///
/// # Errors
/// When any of them has a mistake, with all mistakes.
pub fn load(request: &Request) -> Result<Config, Box<Rejected>> {
    let file = request.file();
    let (sources, faults) = files::read_all(&file);
    judge(&file, sources, faults, request)
}

/// A hash of the files as they are now, good or bad: another one, and somebody edited something.
pub fn digest(request: &Request) -> String {
    files::digest(&request.file())
}

/// Where the service of these files listens, also where they have mistakes; `None` where it does not.
pub fn listen(request: &Request) -> Option<SocketAddr> {
    match load(request) {
        Ok(config) => config.listen,
        Err(rejected) => listen::of_rejected(&rejected.sources, &request.env),
    }
}

/// Reads a text that this program brings itself, as if it were a file without drop-ins.
///
/// # Errors
/// As for [`load`].
pub fn load_text(name: &str, text: &str, env: &Environment) -> Result<Config, Box<Rejected>> {
    let sources = Sources::of_text(name, text);
    let request = Request { path: None, env: env.clone(), dry_run: DryRun::AsConfigured };
    judge(Path::new(name), sources, Vec::new(), &request)
}

/// All passes over what was read.
fn judge(
    file: &Path,
    sources: Sources,
    faults: Vec<Diagnostic>,
    request: &Request,
) -> Result<Config, Box<Rejected>> {
    let mut problems = Problems::new(&sources);
    for fault in faults {
        problems.add(fault);
    }
    let read = read(file, request, &mut problems);
    let rejected = problems.has_errors();
    let diagnostics = problems.into_sorted();
    match read {
        Some(read) if !rejected => Ok(read.with(sources, diagnostics, request.dry_run)),
        Some(_) | None => Err(Box::new(Rejected { diagnostics, sources })),
    }
}

/// A configuration but for the texts it was read from.
#[derive(Debug)]
struct Read {
    accounts: Vec<Account>,
    tests: Vec<TestCase>,
    hash: String,
    zone: Tz,
    channels: Vec<Channel>,
    listen: Option<SocketAddr>,
    hosts: Vec<String>,
    state: Result<state::Location, state::BadLocation>,
    keep_history: Duration,
    dry_run: bool,
    layered: Layered,
}

impl Read {
    fn with(self, sources: Sources, warnings: Vec<Diagnostic>, dry_run: DryRun) -> Config {
        let Layered { places, replaced, .. } = self.layered;
        Config {
            accounts: self.accounts,
            tests: self.tests,
            hash: self.hash,
            warnings,
            replaced,
            zone: self.zone,
            channels: self.channels,
            listen: self.listen,
            hosts: self.hosts,
            state: self.state,
            keep_history: self.keep_history,
            dry_run: self.dry_run || dry_run == DryRun::Forced,
            sources,
            places,
        }
    }
}

/// All passes over the texts. `None` where form or meaning cannot be read at all.
fn read(file: &Path, request: &Request, problems: &mut Problems<'_>) -> Option<Read> {
    let unread = problems.has_errors();
    let sources = problems.sources();
    let sheets: Vec<_> =
        sources.iter().map(|(index, source)| strict::read(index, &source.text, problems)).collect();
    if unread || sheets.iter().any(Option::is_none) {
        // What is said in a part that cannot be read is not known, so no more is complained of.
        return None;
    }
    let sheets = sheets.into_iter().flatten().collect();
    let layered = match layers::merge(sheets, &request.env, problems) {
        Ok(layered) => layered,
        Err(error) => {
            let message =
                format!("the files do not fit together: {}", hide::shown(&error.to_string()));
            problems.add(Complaint::error(message).nowhere());
            return None;
        }
    };
    let mut check = Check::new(&layered, problems);
    let shared = settings::shared(&mut check);
    timing::shared(&mut check);
    let (listen, hosts) = (listen::read(&mut check), listen::hosts(&mut check));
    let kept = memory::read(&mut check, &request.env);
    let reached = accounts::read_all(&mut check, &request.env, file);
    let channels = notify::read_all(&mut check, file.parent().unwrap_or_else(|| Path::new("")));
    rules::judge_all(&mut check);
    let tests = cases::read_all(&mut check, &cases::Known::of(&layered.raw));
    if problems.has_errors() {
        return None;
    }
    lint::warn(&mut Check::new(&layered, problems));
    let accounts = reached.into_iter().map(|reached| account(reached, &shared, &layered));
    let Some(accounts) = accounts.collect() else {
        let broken = "a rule that was read once cannot be read again; this is a bug";
        problems.add(Complaint::error(broken).nowhere());
        return None;
    };
    Some(Read {
        accounts,
        tests,
        hash: fingerprint::of(&layered.leaves),
        zone: shared.terms.zone,
        channels,
        listen,
        hosts,
        state: kept.state,
        keep_history: kept.keep_history,
        dry_run: layered.raw.dry_run.unwrap_or(defaults::DRY_RUN),
        layered,
    })
}

/// Puts an account together. Called when nothing is wrong.
fn account(reached: Reached, shared: &Shared, layered: &Layered) -> Option<Account> {
    let Reached { name, product, base_url, proxy, key, expected, times } = reached;
    let terms = Terms { zone: times.zone, ..shared.terms.clone() };
    let rules = RawRules::serving(&name, &layered.raw);
    let (keep, delete) = rules::compile(&rules)?;
    let hashes = |kind, rules: &BTreeMap<RuleName, RawRule>| {
        let hash = |rule: &RuleName| fingerprint::of_rule(&layered.leaves, kind, rule);
        rules.keys().map(|rule| (rule.clone(), hash(rule))).collect()
    };
    let rule_hashes = RuleHashes {
        keep: hashes(RuleKind::Keep, &rules.keep),
        delete: hashes(RuleKind::Delete, &rules.delete),
    };
    Some(Account {
        api: api::client::Settings {
            product,
            base_url,
            requests_per_second: shared.requests_per_second,
            request_timeout: shared.request_timeout,
            max_attempts: shared.sweep.max_attempts,
            proxy,
        },
        key,
        policy: Policy::new(keep, delete, terms),
        rules,
        floor_text: shared.floor_text.clone(),
        probation_text: shared.probation_text.clone(),
        rule_hashes,
        zone: times.zone,
        timing: times.timing,
        limits: guards::Limits {
            max_deletes: shared.max_deletes,
            max_delete_percent: shared.max_delete_percent,
            max_shrink_percent: shared.max_shrink_percent,
            max_clock_skew: shared.max_clock_skew,
            expect_batches: expected,
        },
        sweep: shared.sweep.clone(),
        name,
    })
}

#[cfg(test)]
mod tests;
