//! `check`: validates the file(s) and prints the rules in plain words.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use crate::batch::{batches, counted, escaped};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, AccountFailure, Failure};
use crate::cli::notify;
use crate::cli::output::Paint;
use crate::cli::schedule::{self, NextRun};
use crate::cli::session::{self, Session, Watch};
use crate::clock::Timestamp;
use crate::config::diagnose;
use crate::config::{self, Account, Config, Diagnostic, Rejected, Replaced, Severity};
use crate::guards::Limit;
use crate::policy::shown;
use crate::run::report::{Exit, NotBegun, exit_of_call};

/// Firings that are shown of each account.
const FIRINGS: usize = 5;

/// Runs the command.
pub(super) async fn run(command: &args::Check, global: &Global, outside: &Outside) -> Exit {
    let config = match config::load(&session::request(global, outside)) {
        Ok(config) => config,
        Err(rejected) => {
            show_rejected(&rejected, global, outside);
            return Exit::Configuration;
        }
    };
    let mut warnings = config.warnings.clone();
    if !command.file_only {
        warnings.extend(config.key_warnings(&outside.env));
        warnings.extend(config.memory_warnings());
        warnings.extend(config.notify_warnings(&outside.env));
    }
    let strict_failure = command.strict && !warnings.is_empty();
    if global.output == Shape::Text {
        show(&config, &warnings, outside);
    } else if strict_failure || !command.online {
        let document = Document::of_config(&config, &warnings, outside.clock.now());
        let exit = if strict_failure { Exit::Configuration } else { Exit::Done };
        let exit_code = exit.code(None);
        outside.terminal.json(&Document { ok: !strict_failure, exit_code, ..document });
    }
    if strict_failure {
        return too_strict(warnings.len(), outside);
    }
    if command.online { online(config, &warnings, global, outside).await } else { Exit::Done }
}

/// Shows a configuration that was refused: every error with its line.
pub(super) fn show_rejected(rejected: &Rejected, global: &Global, outside: &Outside) {
    let terminal = &outside.terminal;
    match global.output {
        Shape::Json => terminal.json(&Document::of_rejected(rejected)),
        Shape::Text => {}
    }
    terminal.error(&format!("{}\n", rejected.render(terminal.colour)));
    let failure = Failure {
        what: rejected.to_string(),
        consequence: "nothing was sent to any account",
        causes: Vec::new(),
        help: "mend what is shown above; `batchsweep check` reads the file again".to_owned(),
        exit: Exit::Configuration,
    };
    failure.show(terminal, None);
}

/// Warnings, where none is allowed.
fn too_strict(warnings: usize, outside: &Outside) -> Exit {
    let failure = Failure {
        what: format!(
            "{}, and --strict allows none",
            counted(warnings as u128, "warning", "warnings")
        ),
        consequence: "",
        causes: Vec::new(),
        help: "do what the warnings say, or leave --strict away".to_owned(),
        exit: Exit::Configuration,
    };
    failure.show(&outside.terminal, None);
    failure.exit
}

/// Shows a good configuration.
fn show(config: &Config, warnings: &[Diagnostic], outside: &Outside) {
    let terminal = &outside.terminal;
    let mut text = String::new();
    for file in config.sources.names() {
        let _infallible = writeln!(text, "read {file}");
    }
    for Replaced { path, was, by } in &config.replaced {
        let _infallible = writeln!(text, "note: {path} of {was} is replaced by {by}");
    }
    for account in &config.accounts {
        text.push_str(&account_text(account, outside));
    }
    if !warnings.is_empty() {
        text.push('\n');
        text.push_str(&diagnose::render(warnings, &config.sources, terminal.colour));
    }
    let mode = if config.dry_run {
        "dry_run = true: runs plan and log, and delete nothing"
    } else {
        "dry_run = false: runs delete"
    };
    let plural = |count: usize, what: &str| counted(count as u128, what, &format!("{what}s"));
    // A rule that serves several accounts is one rule.
    let rules: BTreeSet<String> =
        config.accounts.iter().flat_map(|account| account.policy.describe()).collect();
    let _infallible = writeln!(
        text,
        "\n{}: {}, {}, {}, {}. {mode}.",
        terminal.paint(Paint::Well, "ok"),
        plural(config.accounts.len(), "account"),
        plural(rules.len(), "rule"),
        plural(config.tests.len(), "test"),
        plural(warnings.len(), "warning"),
    );
    terminal.data(&text);
}

/// An account: where it is, what limits its runs, and its rules.
fn account_text(account: &Account, outside: &Outside) -> String {
    let url = &account.api.base_url;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let via = account.api.proxy.as_ref();
    let via =
        via.map_or_else(String::new, |proxy| format!(", via the proxy of {}", proxy.variable));
    let mut text = format!(
        "\naccount {}: {} at {}{port}{via}\n",
        outside.terminal.paint(Paint::Strong, account.name.as_str()),
        account.api.product.title(),
        url.host_str().unwrap_or("?"),
    );
    let lines = [
        ("key", account.key.in_words(&outside.env)),
        ("guards", guards(account)),
        ("floor", floor(&account.floor_text)),
        ("pace", pace(account)),
    ];
    for (name, words) in lines {
        let _infallible = writeln!(text, "  {name:<7} {words}");
    }
    for line in firings(account, outside) {
        let _infallible = writeln!(text, "  {line}");
    }
    for line in account.policy.describe() {
        let _infallible = writeln!(text, "  {}", escaped(&line));
    }
    text
}

/// When the account runs, in words and by its next firings.
fn firings(account: &Account, outside: &Outside) -> Vec<String> {
    let mut lines = vec![format!("{:<7} {}", "runs", schedule::in_words(&account.timing))];
    let schedule = account.timing.schedule().into_iter();
    let firings = schedule.flat_map(|one| one.firings(outside.clock.now()).take(FIRINGS));
    lines.extend(firings.map(|firing| {
        let note = firing.note.in_words().map_or_else(String::new, |note| format!(" ({note})"));
        format!("{:<7} {}{note}", "", schedule::local(&firing))
    }));
    lines
}

fn guards(account: &Account) -> String {
    let limits = &account.limits;
    let deletes = match (limits.max_deletes, limits.max_delete_percent) {
        (Limit::At(most), Limit::At(percent)) => format!(
            "a run deletes at most {} and {percent} % of the account",
            batches(most as usize)
        ),
        (Limit::At(most), Limit::Off) => {
            format!("a run deletes at most {}, of any share of the account", batches(most as usize))
        }
        (Limit::Off, Limit::At(percent)) => {
            format!("a run deletes at most {percent} % of the account, in any number")
        }
        (Limit::Off, Limit::Off) => {
            "NO LIMIT on how much a run deletes (max_deletes and max_delete_percent are off)"
                .to_owned()
        }
    };
    let failures = match account.sweep.max_consecutive_failures {
        Limit::At(0 | 1) => "the first failure ends a sweep".to_owned(),
        Limit::At(most) => format!("{most} failures in a row end a sweep"),
        Limit::Off => "failures never end a sweep".to_owned(),
    };
    let skew = match limits.max_clock_skew {
        Limit::At(most) => format!("clocks may differ by {}", shown(most)),
        Limit::Off => "clocks may differ by any time".to_owned(),
    };
    let expected = limits.expect_batches.map_or_else(String::new, |expected| {
        format!("; the account must hold {} batches", expected.in_words())
    });
    format!("{deletes}; {failures}; {skew}{expected}")
}

fn floor(text: &str) -> String {
    match text {
        "off" | "0s" => "none: any age that a rule allows is enough".to_owned(),
        text => format!("no batch goes within {text} of its creation or its last run"),
    }
}

fn pace(account: &Account) -> String {
    let (api, sweep) = (&account.api, &account.sweep);
    format!(
        "{} a second, each tried up to {} with {} for an answer; {} ahead; {}",
        counted(api.requests_per_second, "call", "calls"),
        counted(api.max_attempts, "time", "times"),
        shown(api.request_timeout),
        counted(sweep.lookahead as u64, "look", "looks"),
        if sweep.busy_wait.is_zero() {
            "busy batches are not waited for".to_owned()
        } else {
            format!("busy batches are waited for {}", shown(sweep.busy_wait))
        }
    )
}

/// Tries each key on the account's own page.
async fn online(
    config: Config,
    warnings: &[Diagnostic],
    global: &Global,
    outside: &Outside,
) -> Exit {
    let session = match Session::with(config, global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let tried =
        session.for_each_account(async |account: &Account| try_key(&session, account).await).await;
    let mut exit = Exit::Done;
    let (mut online, mut failures) = (Vec::new(), Vec::new());
    for (account, result) in session.config.accounts.iter().zip(tried) {
        let name = account.name.as_str();
        match result {
            Ok(batches) if global.output == Shape::Text => {
                outside.terminal.data(&is_good(name, batches));
            }
            Ok(batches) => online.push(GoodKey { account: name, batches }),
            Err(failure) => {
                exit = exit.worse(failure.end(outside));
                failures.push(AccountFailure::of(name, &failure, outside));
            }
        }
    }
    for (name, why) in session.config.open_channels(&outside.env).broken {
        let failure = notify::bad_setting(&name, why);
        exit = exit.worse(failure.end(outside));
    }
    if global.output == Shape::Json {
        let document = Document::of_config(&session.config, warnings, outside.clock.now());
        let (error, exit_code) = (failure::joined(&failures), exit.code(outside.stop.signal()));
        outside.terminal.json(&Document { online, failures, error, exit_code, ..document });
    }
    exit
}

/// A key that opens its account, and how many batches that holds, if it says so.
async fn try_key(session: &Session, account: &Account) -> Result<Option<u64>, Failure> {
    let name = account.name.as_str();
    let begin = |cause: &NotBegun| Failure { consequence: "", ..failure::of_begin(name, cause) };
    let runner = session.runner(account).map_err(|cause| begin(&cause))?;
    match runner.reader().account().await {
        Ok(answer) => Ok(answer.batches_used),
        Err(error) => Err(Failure {
            what: format!("account `{name}`: the key could not be proven good"),
            consequence: "",
            causes: vec![error.to_string(), error.cause()],
            help: error.help().to_owned(),
            exit: exit_of_call(&error),
        }),
    }
}

fn is_good(account: &str, batches: Option<u64>) -> String {
    let count = batches.map_or_else(
        || "an unknown number of batches".to_owned(),
        |count| counted(count, "batch", "batches"),
    );
    format!("account {account}: the key is good, the account holds {count}\n")
}

/// `check --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    ok: bool,
    errors: Vec<&'a Diagnostic>,
    warnings: Vec<&'a Diagnostic>,
    accounts: Vec<&'a str>,
    rules: Vec<RuleDocument>,
    next_runs: Vec<NextRun>,
    /// Accounts whose keys were tried, and are good.
    online: Vec<GoodKey<'a>>,
    failures: Vec<AccountFailure<'a>>,
    error: Option<String>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct GoodKey<'a> {
    account: &'a str,
    batches: Option<u64>,
}

#[derive(Debug, Serialize)]
struct RuleDocument {
    account: String,
    rule: String,
}

impl<'a> Document<'a> {
    fn of_config(config: &'a Config, warnings: &'a [Diagnostic], now: Timestamp) -> Self {
        let rules = config.accounts.iter().flat_map(|account| {
            account
                .policy
                .describe()
                .into_iter()
                .map(|rule| RuleDocument { account: account.name.to_string(), rule })
        });
        Self {
            version: 1,
            ok: true,
            errors: Vec::new(),
            warnings: warnings.iter().collect(),
            accounts: config.accounts.iter().map(|account| account.name.as_str()).collect(),
            rules: rules.collect(),
            next_runs: schedule::next_runs(&config.accounts, now, FIRINGS),
            online: Vec::new(),
            failures: Vec::new(),
            error: None,
            exit_code: Exit::Done.code(None),
        }
    }

    fn of_rejected(rejected: &'a Rejected) -> Self {
        Self {
            version: 1,
            ok: false,
            errors: of_severity(rejected, Severity::Error),
            warnings: of_severity(rejected, Severity::Warning),
            accounts: Vec::new(),
            rules: Vec::new(),
            next_runs: Vec::new(),
            online: Vec::new(),
            failures: Vec::new(),
            error: Some(rejected.to_string()),
            exit_code: Exit::Configuration.code(None),
        }
    }
}

fn of_severity(rejected: &Rejected, severity: Severity) -> Vec<&Diagnostic> {
    rejected.diagnostics.iter().filter(|found| found.severity == severity).collect()
}
