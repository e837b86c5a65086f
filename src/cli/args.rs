//! Arguments. No key among them: a command line is visible to everyone on the machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::duration::Span;
use crate::notify::Class;
use crate::observe::log;

/// Deletes the batches nobody needs any more from a SerpWow account and its sibling products, by
/// rules, and never one that a rule, a person or the moment protects.
#[derive(Debug, Parser)]
#[command(name = "batchsweep", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the exit codes mean, as `--help` and the manual list them.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    done, also with nothing to do or in a dry run
  1    some deletions failed, or what was asked for is not there;
       a test case failed
  2    wrong usage
  3    a guard stopped it, or the state has vanished; nothing was
       deleted
  4    the listing could not be proven complete, nothing was deleted
  5    another process is at work on the account, nothing was deleted
  70   internal error: a bug; nothing more is deleted
  74   the state cannot be read or written; nothing more is deleted
  75   the API is not reachable, or failing
  77   the key was refused, or payment is due
  78   bad configuration
  130  stopped by SIGINT with work left
  143  stopped by SIGTERM with work left";

/// Options of every command.
#[derive(Debug, Args, Clone)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file [default: `$BATCHSWEEP_CONFIG`, else /etc/batchsweep/config.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Only this account (may be given several times)
    #[arg(long = "account", value_name = "NAME", global = true)]
    pub accounts: Vec<String>,
    /// How data is written to standard output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Shape::Text, global = true)]
    pub output: Shape,
    /// How log lines are written to standard error
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = log::Format::Auto, global = true)]
    pub log_format: log::Format,
    /// Delete nothing, whatever the file says
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// More log lines (-v: each page and call, -vv: everything)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Fewer log lines (-q: warnings and errors, -qq: errors)
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "verbose")]
    pub quiet: u8,
}

impl Global {
    /// The same without a file, accounts or `--dry-run`: for a command that brings its own.
    #[must_use]
    pub fn plain(&self) -> Self {
        Self {
            config: None,
            accounts: Vec::new(),
            output: Shape::Text,
            log_format: match self.log_format {
                log::Format::Auto => log::Format::Text,
                chosen @ (log::Format::Text | log::Format::Json | log::Format::Journald) => chosen,
            },
            dry_run: false,
            verbose: 0,
            quiet: self.quiet,
        }
    }
}

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// For people.
    Text,
    /// For programs; see docs/json.md.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every account on its schedule until SIGTERM: the service
    Run,
    /// Show what a run would delete, keep and why; deletes nothing
    Plan(Plan),
    /// One run of every account now, then exit
    Once(Once),
    /// Delete what a sealed plan names and nothing else, each batch looked at again
    Apply(Apply),
    /// Show every rule's answer for one batch
    Explain(Explain),
    /// Protect a batch by hand until a day
    Hold(Hold),
    /// Give up the protection of a batch
    Release(Release),
    /// List the batches that are protected by hand
    Holds,
    /// Let the deletions of a stopped run go, once; or go on without a vanished state
    Approve(Approve),
    /// Show each account's last run and open guards
    Status,
    /// Show past deletions, also of batches long gone
    History(History),
    /// Validate the file(s); show rules and limits in plain words
    Check(Check),
    /// Run the file's own [[test]] cases, offline
    Test,
    /// Show what an edit of the rules changes, on the last listing
    Diff(Diff),
    /// Show what runs would do over the coming days, on the last listing
    Simulate(Simulate),
    /// Show the next firings, in local time and UTC
    Schedule(Schedule),
    /// Ask a running service how it is, for a container's probe
    Healthcheck(Healthcheck),
    /// Try whoever is told of runs
    #[command(subcommand)]
    Notify(Notify),
    /// Serve a stand-in of the API on this machine
    Emulator(Emulator),
    /// See a sweep of a made-up account; needs no key, no file and no network
    Demo,
    /// Print a script with which a shell completes the command line
    Completions(Completions),
    /// Print a manual page, or write them all to a folder
    Man(Man),
}

/// What `once` leaves behind.
#[derive(Debug, clap::Args)]
pub struct Once {
    /// Write metrics to this file, for the textfile collector of Prometheus [env: `BATCHSWEEP_METRICS_FILE`]
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Show every batch, also those that stay
    #[arg(long)]
    pub all: bool,
    /// Also write the plans to this file, sealed, for `apply`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The file that `plan --out` wrote
    pub file: PathBuf,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The batch's id, as `plan --all` and the vendor's dashboard show it
    pub id: String,
}

/// `hold`.
#[derive(Debug, Args)]
pub struct Hold {
    /// The batch's id
    pub id: String,
    /// Until and including this day of the schedule's time zone, or until this RFC 3339 instant
    #[arg(long, value_name = "DATE")]
    pub until: String,
    /// Why, for whoever finds it later
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}

/// `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// The batch's id
    pub id: String,
}

/// `approve`.
#[derive(Debug, Args)]
#[command(override_usage = "batchsweep approve [OPTIONS] <RUN_ID>\n       \
    batchsweep approve [OPTIONS] --vanished-state")]
pub struct Approve {
    /// The run that a guard stopped
    #[arg(required_unless_present = "vanished_state")]
    pub run_id: Option<String>,
    /// Say that the past is gone for good, where the state has vanished: history, holds, grace and
    /// open guards begin anew; what is left of the old files is kept beside
    #[arg(long, conflicts_with = "run_id")]
    pub vanished_state: bool,
}

/// `history`.
#[derive(Debug, Args)]
pub struct History {
    /// Since this day of the schedule's time zone, or this RFC 3339 instant
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Of this batch only
    #[arg(long, value_name = "ID")]
    pub batch: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Also try each key: reads the account's own page, and nothing else
    #[arg(long)]
    pub online: bool,
    /// End with an error where there is a warning
    #[arg(long)]
    pub strict: bool,
    /// Look at the file alone, not for keys and state: systemd gives no keys to the commands of a
    /// reload
    #[arg(long, conflicts_with = "online")]
    pub file_only: bool,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The file as it was
    pub old: PathBuf,
    /// The file as it is
    pub new: PathBuf,
    /// Compare on this inventory, as `plan --output json` wrote it, rather than on the last listing
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// End with 1 where more than so many batches are newly deleted
    #[arg(long, value_name = "N")]
    pub max_new: Option<usize>,
}

/// `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How long, such as 60d; at most 366d
    #[arg(long = "for", value_name = "DURATION", default_value = "30d", value_parser = up_to_a_year)]
    pub span: Span,
    /// Begin with this inventory, as `plan --output json` wrote it, rather than with the last listing
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
}

/// `schedule`.
#[derive(Debug, Args)]
pub struct Schedule {
    /// So many firings of each account
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
}

/// `healthcheck`.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Whether it is ready, not only alive
    #[arg(long)]
    pub ready: bool,
}

/// `notify`.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// Send a sample, marked as such, and print what was answered
    Test(NotifyTest),
}

/// `notify test`.
#[derive(Debug, Args)]
pub struct NotifyTest {
    /// Its name in the file: `[notify.NAME]`
    pub name: String,
    /// What the sample is about: start, success, failure, guard, deleted or warning [default: success]
    #[arg(long, value_parser = class)]
    pub class: Option<Class>,
}

fn class(text: &str) -> Result<Class, String> {
    let class = Class::ALL.into_iter().find(|class| class.as_str() == text);
    class.ok_or_else(|| format!("one of {}", Class::ALL.map(Class::as_str).join(", ")))
}

/// `emulator`.
#[derive(Debug, Args)]
pub struct Emulator {
    /// Where to listen; only loopback addresses
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// How many batches the account holds
    #[arg(long, value_name = "N", default_value = "300", value_parser = up_to_a_million)]
    pub batches: usize,
    /// Which made-up account: the same number makes the same one
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Which of the ten products to stand in for
    #[arg(long, value_name = "PRODUCT", default_value = "serpwow")]
    pub product: String,
    /// Answer each call that many milliseconds late
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Plain batches, a quarter of them to be deleted: for measuring
    #[arg(long)]
    pub bench: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Which page, such as `once` or `batchsweep.toml` [default: batchsweep]
    #[arg(conflicts_with = "out")]
    pub page: Option<String>,
    /// Write all pages to this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// An account of more than this takes more memory than a machine has to spare.
/// A duration of the file's own form.
fn up_to_a_year(text: &str) -> Result<Span, String> {
    const MOST: Span = Span::of_secs(366 * 86_400);
    match Span::parse(text) {
        Ok(span) if span.duration().is_zero() => Err("nothing happens in no time".to_owned()),
        Ok(span) if span <= MOST => Ok(span),
        Ok(_) => Err("at most 366d".to_owned()),
        Err(problem) => Err(problem.to_string()),
    }
}

fn up_to_a_million(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= 1_000_000 => Ok(count),
        Ok(_) => Err("at most 1000000".to_owned()),
        Err(problem) => Err(std::num::ParseIntError::to_string(&problem)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_on_the_command_line_takes_a_key() {
        let command = Arguments::command();
        let names = command
            .get_subcommands()
            .chain([&command])
            .flat_map(clap::Command::get_arguments)
            .map(|argument| argument.get_id().as_str().to_owned());
        assert!(!names.into_iter().any(|name| name.contains("key")));
    }
}
