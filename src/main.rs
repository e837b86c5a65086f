//! The program: takes the environment and the signals, runs the command line, ends with its code.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;

use batchsweep::cli::output::Terminal;
use batchsweep::cli::{self, Outside, Stop};
use batchsweep::clock::SystemClock;
use batchsweep::config::Environment;
use batchsweep::daemon::Asked;
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> ExitCode {
    // A bug must not look like any ordinary outcome: nothing more is deleted, and the code says so.
    let ended = std::panic::catch_unwind(AssertUnwindSafe(start));
    ExitCode::from(ended.unwrap_or(70))
}

fn start() -> u8 {
    // One thread: a sweep is one flow of control, and crossing threads would cost half its CPU time.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return no_runtime(&problem),
    };
    runtime.block_on(run())
}

fn no_runtime(problem: &std::io::Error) -> u8 {
    let env = Environment::of_process();
    let text = format!("error: cannot start: {problem}; nothing was deleted. Exit code 74.\n");
    Terminal::of_process(&env).error(&text);
    74
}

async fn run() -> u8 {
    let env = Environment::of_process();
    let terminal = Terminal::of_process(&env);
    let stop = Stop::default();
    let outside = Outside {
        env,
        clock: Arc::new(SystemClock),
        terminal,
        seed: fastrand::u64(..),
        stop: stop.clone(),
        asked: Asked::default(),
    };
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        outside.terminal.error("error: cannot listen for signals; nothing was deleted\n");
        return 70;
    };
    let work = cli::run(std::env::args_os().collect(), &outside);
    tokio::pin!(work);
    loop {
        let number = tokio::select! {
            code = &mut work => return code,
            number = next(&mut interrupt, &mut terminate) => number,
        };
        // The first signal asks for an end, the second one is the end.
        if stop.signal().is_some() {
            let code = 128 + number;
            outside.terminal.error(&format!(
                "stopped at once by a second signal; a deletion under way stays open, and the next run \
                 settles it. Exit code {code}.\n"
            ));
            return code;
        }
        stop.by_signal(number);
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    }
}
