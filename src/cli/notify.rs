//! `notify test`: sends one target a sample, and says what was answered.
//!
//! Not here: what is sent, and how (`notify`).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::batch::RunId;
use crate::cli::Outside;
use crate::cli::args::{self, Global};
use crate::cli::failure::{self, Failure};
use crate::cli::session::{Session, Watch};
use crate::config::Channel;
use crate::notify::digest::{Digest, Ended, Gathered, GuardNote, News};
use crate::notify::{self, Class, Trial};
use crate::run::report::Exit;

/// Runs the command.
pub(super) async fn run(command: &args::NotifyTest, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Log) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let channels = &session.config.channels;
    let Some(channel) = channels.iter().find(|channel| channel.name == command.name) else {
        return unknown(&command.name, channels).end(outside);
    };
    let target = match channel.open(&outside.env) {
        Ok(target) => target,
        Err(why) => return bad_setting(&channel.name, why).end(outside),
    };
    let class = command.class.unwrap_or(Class::Success);
    let digest = sample(&session, class, outside);
    let random = fastrand::Rng::with_seed(outside.seed).u128(..).to_be_bytes();
    let random = std::array::from_fn(|n| random.get(n).copied().unwrap_or(0));
    match notify::try_once(&target, digest, outside.clock.as_ref(), random).await {
        Ok(Trial::Taken { host, status }) => {
            outside.terminal.data(&format!("`{}`: {host} answered {status}\n", channel.name));
            Exit::Done
        }
        Ok(Trial::Refused(why)) => not_taken(&channel.name, why, Exit::SomeFailed).end(outside),
        Ok(Trial::Unreachable(why)) => {
            not_taken(&channel.name, why, Exit::Unavailable).end(outside)
        }
        Err(why) => bad_setting(&channel.name, why).end(outside),
    }
}

/// A setting that cannot be used.
pub(super) fn bad_setting(name: &str, why: String) -> Failure {
    Failure {
        what: format!("notification `{name}` cannot be used"),
        consequence: "nobody is told by it; runs go on without it",
        causes: vec![why],
        help: "`batchsweep check` shows where it is set".to_owned(),
        exit: Exit::Configuration,
    }
}

fn unknown(name: &str, channels: &[Channel]) -> Failure {
    let known: Vec<_> = channels.iter().map(|channel| format!("`{}`", channel.name)).collect();
    let help = if known.is_empty() {
        "it has none; docs/notifications.md says how to set one up".to_owned()
    } else {
        format!("it has {}", crate::batch::and_list(&known))
    };
    let name = crate::batch::escaped(name);
    failure::of_usage(format!("the file has no notification `{name}`"), help)
}

fn not_taken(name: &str, why: String, exit: Exit) -> Failure {
    let help = if exit == Exit::Unavailable {
        "does a firewall or an egress policy allow it? Try again later"
    } else {
        "is the URL the one that the target gave, and not revoked?"
    };
    Failure {
        what: format!("notification `{name}` was not taken"),
        consequence: "runs go on without it",
        causes: vec![why],
        help: help.to_owned(),
        exit,
    }
}

/// Something to send of each class: made up, and marked so by whoever renders it.
fn sample(session: &Session, class: Class, outside: &Outside) -> Digest {
    let account = session.config.accounts.first().map(|account| account.name.clone());
    let run_id = RunId::new(outside.clock.now(), [0; 10]);
    let ended = |outcome, exit_code| Ended {
        run_id,
        outcome,
        gathered: Gathered::default(),
        counts: BTreeMap::new(),
        verified: None,
        duration: Duration::from_secs(12),
        exit_code,
        error: None,
    };
    let news = match class {
        Class::Start => News::Begun { run_id, dry_run: true },
        Class::Success => News::Ended(Box::new(ended("dry_run", 0))),
        Class::Deleted => {
            let rules = BTreeMap::from([("sample".to_owned(), 1)]);
            let gathered =
                Gathered { rules, names: vec!["sample-batch".to_owned()], ..Gathered::default() };
            let counts = BTreeMap::from([("deleted", 1)]);
            News::Ended(Box::new(Ended { gathered, counts, ..ended("swept", 0) }))
        }
        Class::Failure => {
            let error = Some("a made-up failure".to_owned());
            News::Ended(Box::new(Ended { error, ..ended("failed", 75) }))
        }
        Class::Guard => {
            let guards = vec![GuardNote {
                guard: "max_deletes",
                limit: "100".to_owned(),
                value: "101".to_owned(),
                detail: "a made-up plan would delete 101 batches".to_owned(),
            }];
            let gathered = Gathered { guards, ..Gathered::default() };
            News::Ended(Box::new(Ended { gathered, ..ended("guarded", 3) }))
        }
        Class::Warning => News::Notice {
            event: "config.rejected",
            sentence: "a made-up warning".to_owned(),
            help: "nothing",
        },
    };
    Digest { classes: [class].into(), account, news }
}
