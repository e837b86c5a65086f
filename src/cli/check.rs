//! `check`: validates the file(s) and prints the rules in plain words.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, Failure};
use crate::cli::output::{Paint, Terminal};
use crate::cli::session::{Session, Watch};
use crate::config::diagnose;
use crate::config::{self, Account, Config, Diagnostic, DryRun, Rejected, Replaced, Severity};
use crate::run::report::{Exit, NotBegun, exit_of_call};

/// Runs the command.
pub(super) async fn run(command: &args::Check, global: &Global, outside: &Outside) -> Exit {
    let request = config::Request {
        path: global.config.clone(),
        env: outside.env.clone(),
        dry_run: if global.dry_run { DryRun::Forced } else { DryRun::AsConfigured },
    };
    let config = match config::load(&request) {
        Ok(config) => config,
        Err(rejected) => {
            show_rejected(&rejected, global, outside);
            return Exit::Configuration;
        }
    };
    let warnings: Vec<_> =
        config.warnings.iter().cloned().chain(config.key_warnings(&outside.env)).collect();
    let strict_failure = command.strict && !warnings.is_empty();
    match global.output {
        Shape::Json => {
            let document =
                Document { ok: !strict_failure, ..Document::of_config(&config, &warnings) };
            outside.terminal.json(&document);
        }
        Shape::Text => show(&config, &warnings, &outside.terminal),
    }
    if strict_failure {
        return Exit::Configuration;
    }
    if command.online { online(config, global, outside).await } else { Exit::Done }
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

/// Shows a good configuration.
fn show(config: &Config, warnings: &[Diagnostic], terminal: &Terminal) {
    let mut text = String::new();
    for file in config.sources.names() {
        let _infallible = writeln!(text, "read {file}");
    }
    for Replaced { path, was, by } in &config.replaced {
        let _infallible = writeln!(text, "note: {path} of {was} is replaced by {by}");
    }
    for account in &config.accounts {
        text.push_str(&account_text(account, terminal));
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
    let plural = |count: usize, what: &str| {
        if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
    };
    let rules = config.accounts.iter().map(|account| account.policy.describe().len()).max();
    let _infallible = writeln!(
        text,
        "\n{}: {}, {}, {}, {}. {mode}.",
        terminal.paint(Paint::Well, "ok"),
        plural(config.accounts.len(), "account"),
        plural(rules.unwrap_or(0), "rule"),
        plural(config.tests.len(), "test"),
        plural(warnings.len(), "warning"),
    );
    terminal.data(&text);
}

fn account_text(account: &Account, terminal: &Terminal) -> String {
    let mut text = format!(
        "\naccount {}  {} at {}\n",
        terminal.paint(Paint::Strong, account.name.as_str()),
        account.api.product.title(),
        account.api.base_url.host_str().unwrap_or("?"),
    );
    for line in account.policy.describe() {
        let _infallible = writeln!(text, "  {line}");
    }
    text
}

/// Tries each key on the account's own page.
async fn online(config: Config, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::with(config, global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let tried =
        session.for_each_account(async |account: &Account| try_key(&session, account).await).await;
    let mut exit = Exit::Done;
    for result in tried {
        match result {
            Ok(line) if global.output == Shape::Text => outside.terminal.data(&line),
            Ok(_) => {}
            Err(failure) => {
                exit = exit.worse(failure.exit);
                failure.show(&outside.terminal, outside.stop.signal());
            }
        }
    }
    exit
}

async fn try_key(session: &Session<'_>, account: &Account) -> Result<String, Failure> {
    let name = account.name.as_str();
    let begin = |cause: &NotBegun| Failure { consequence: "", ..failure::of_begin(name, cause) };
    let runner = session.runner(account).map_err(|cause| begin(&cause))?;
    match runner.reader().account().await {
        Ok(answer) => {
            let count = answer
                .batches_used
                .map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
            Ok(format!("account {name}: the key is good, the account holds {count} batches\n"))
        }
        Err(error) => Err(Failure {
            what: format!("account `{name}`: the account page did not answer"),
            consequence: "",
            causes: vec![error.cause()],
            help: error.help().to_owned(),
            exit: exit_of_call(&error),
        }),
    }
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
    next_runs: [(); 0],
}

#[derive(Debug, Serialize)]
struct RuleDocument {
    account: String,
    rule: String,
}

impl<'a> Document<'a> {
    fn of_config(config: &'a Config, warnings: &'a [Diagnostic]) -> Self {
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
            next_runs: [],
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
            next_runs: [],
        }
    }
}

fn of_severity(rejected: &Rejected, severity: Severity) -> Vec<&Diagnostic> {
    rejected.diagnostics.iter().filter(|found| found.severity == severity).collect()
}
