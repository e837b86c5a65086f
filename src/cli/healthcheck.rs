//! `healthcheck`: asks the service of this file how it is. For probes where there is no other client.

use crate::cli::Outside;
use crate::cli::args::{self, Global};
use crate::cli::failure::Failure;
use crate::cli::session;
use crate::config;
use crate::run::report::Exit;
use crate::server::health::{Probe, probe as ask};

/// Runs the command.
pub(super) async fn run(command: &args::Healthcheck, global: &Global, outside: &Outside) -> Exit {
    // Not the whole file: whether it is right is no matter of whether the service lives.
    let Some(listen) = config::listen(&session::request(global, outside)) else {
        return ill(
            "the file has no `[server]`, or its `listen` is off: nobody can be asked".to_owned(),
            "write `[server]`; it listens at 127.0.0.1:9464 where it says nothing else",
        )
        .end(outside);
    };
    let probe = if command.ready { Probe::Ready } else { Probe::Alive };
    match ask(listen, probe).await {
        Ok(answer) => {
            outside.terminal.data(&format!("{answer}\n"));
            Exit::Done
        }
        Err(problem) => ill(
            problem.to_string(),
            "is `batchsweep run` at work with this very file? Its log says more",
        )
        .end(outside),
    }
}

fn ill(cause: String, help: &str) -> Failure {
    Failure {
        what: "the service is not well".to_owned(),
        consequence: "",
        causes: vec![cause],
        help: help.to_owned(),
        exit: Exit::SomeFailed,
    }
}
