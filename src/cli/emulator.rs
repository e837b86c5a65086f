//! `emulator`: serves a stand-in of the API on this machine, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::batches;
use crate::cli::Outside;
use crate::cli::args::{self, Global};
use crate::cli::failure::{self, Failure};
use crate::emulator::{self, Emulator, Kind, Options, Product, Running};
use crate::run::report::Exit;

/// The key that the emulator accepts. No secret: it opens nothing but a made-up account.
pub(super) const KEY: &str = "emulator";

/// Runs the command.
pub(super) async fn run(command: &args::Emulator, _global: &Global, outside: &Outside) -> Exit {
    let options = match options(command) {
        Ok(options) => options,
        Err(failure) => {
            failure.show(&outside.terminal, None);
            return failure.exit;
        }
    };
    let (clock, stop) = (Arc::clone(&outside.clock), outside.stop.token.clone());
    let ready = |emulator: &Emulator, running: &Running| {
        outside.terminal.data(&greeting(emulator, running));
    };
    match emulator::run(options, clock, stop, ready).await {
        Ok(()) => Exit::Done,
        Err(problem) => {
            let failure = Failure {
                what: format!("cannot listen on {}", command.listen),
                consequence: "",
                causes: vec![problem.to_string()],
                help: "another port may be free: --listen 127.0.0.1:0 takes one that is".to_owned(),
                exit: Exit::SomeFailed,
            };
            failure.show(&outside.terminal, None);
            failure.exit
        }
    }
}

fn options(command: &args::Emulator) -> Result<Options, Failure> {
    if !command.listen.ip().is_loopback() {
        return Err(failure::of_usage(
            format!("{} is not an address of this machine alone", command.listen.ip()),
            "listen on a loopback address such as 127.0.0.1:8080".to_owned(),
        ));
    }
    let Some(product) = Product::parse(&command.product) else {
        let known: Vec<_> = Product::ALL.into_iter().map(Product::as_str).collect();
        return Err(failure::of_usage(
            format!("there is no product `{}`", crate::batch::escaped(&command.product)),
            format!("the products are {}", known.join(", ")),
        ));
    };
    Ok(Options {
        listen: command.listen,
        product,
        key: KEY.to_owned(),
        batches: command.batches,
        seed: command.seed,
        latency: Duration::from_millis(command.latency_ms),
        kind: if command.bench { Kind::Bench } else { Kind::Mixed },
    })
}

fn greeting(emulator: &Emulator, running: &Running) -> String {
    let (product, url) = (emulator.product().as_str(), running.base_url());
    format!(
        "serving {product} with {} at {url} until Ctrl-C\n\n\
         To try rules on it, write them to a file with this account:\n\n\
         [accounts.main]\n\
         product = \"{product}\"\n\
         base_url = \"{url}\"\n\n\
         and give the emulator's key, which is no secret:\n\n\
         BATCHSWEEP_API_KEY={KEY} batchsweep --config FILE plan\n",
        batches(emulator.count()),
    )
}
