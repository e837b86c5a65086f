//! `demo`: a visible sweep of a made-up account, on the built-in emulator. Needs no key, no file and
//! no network.

use std::fmt::Write;
use std::sync::Arc;

use crate::batch::batches;
use crate::cli::Outside;
use crate::cli::args::Global;
use crate::cli::emulator::KEY;
use crate::cli::failure::Failure;
use crate::cli::output::{Paint, Terminal};
use crate::cli::session::{Session, Watch};
use crate::cli::{once, plan};
use crate::config::{self, Account, Environment};
use crate::emulator::{Emulator, Product, Running, Seed};
use crate::run::Recalled;
use crate::run::report::{Ending, Exit, RunReport};
use crate::sweep::outcome::{Outcome, Proof};

/// The file of the demonstration, as a user would write it.
const FILE: &str = r#"dry_run = false

[accounts.demo]
product = "serpwow"
base_url = "BASE_URL"

[guards]
max_deletes = 150
max_delete_percent = 50

[state]
url = "memory:"

[sweep]
requests_per_second = 60
busy_wait = "0s"

[keep.production]
name = "prod-*"

[keep.scheduled]
schedule_type = ["minutes", "daily", "weekly", "monthly"]
enabled = true

[keep.latest-of-each-type]
name_regex = 'Acme [A-Za-z]+ Batch \d{8}_\d{6}'
group_by = '^Acme ([A-Za-z]+) '
last = 3

[delete.temporary]
name = ["tmp-*", "test*", "debug*"]
older_than = "7d"

[delete.orphans]
name = ["My First Batch", "My First Collection"]
idle_for = "3d"

[delete.pipeline]
name = "Acme * Batch *"
idle_for = "15d"
"#;

/// Rows of the plan's table: enough to see what it is like.
const ROWS: usize = 10;

/// Runs the command.
pub(super) async fn run(global: &Global, outside: &Outside) -> Exit {
    match show(global, outside).await {
        Ok(exit) => exit,
        Err(failure) => {
            failure.show(&outside.terminal, outside.stop.signal());
            failure.exit
        }
    }
}

async fn show(global: &Global, outside: &Outside) -> Result<Exit, Failure> {
    let terminal = &outside.terminal;
    let emulator = Emulator::new(Product::SerpWow, KEY, Arc::clone(&outside.clock));
    emulator.plant(Seed::demo(outside.clock.now()));
    let running = emulator.start().await.map_err(|problem| broken(&problem.to_string()))?;
    terminal.data(&introduction(&emulator, &running, terminal));

    let inner = Outside {
        env: Environment::from_iter([("BATCHSWEEP_API_KEY", KEY)]),
        clock: Arc::clone(&outside.clock),
        terminal: terminal.clone(),
        seed: outside.seed,
        stop: outside.stop.clone(),
        asked: outside.asked.clone(),
    };
    let file = FILE.replace("BASE_URL", &running.base_url());
    let config = config::load_text("demo.toml", &file, &inner.env)
        .map_err(|rejected| broken(&rejected.to_string()))?;
    let quiet = Global { quiet: global.quiet.max(1), ..global.plain() };
    let session = Session::with(config, &quiet, &inner, Watch::Progress)
        .map_err(|_shown| broken("its own file was refused"))?;
    let account = session.config.accounts.first().ok_or_else(|| broken("it has no account"))?;

    terminal.data(&rules(account, terminal));
    show_plan(&session, account, terminal).await?;
    terminal.data(&format!(
        "{}\n\n",
        terminal.paint(Paint::Strong, "3. The sweep: one look and one deletion at a time")
    ));
    let state = session.state().await.map_err(|problem| broken(&problem.to_string()))?;
    let reports = once::sweep_all(&session, &state).await;
    session.clear_progress();
    for report in &reports {
        once::show(report, &inner);
        terminal.data(&in_short(report, &emulator, terminal));
    }
    Ok(once::worst(&reports))
}

/// A demonstration that could not be given.
fn broken(why: &str) -> Failure {
    Failure {
        what: "the demonstration could not be given".to_owned(),
        consequence: "",
        causes: vec![why.to_owned()],
        help: "please report this".to_owned(),
        exit: Exit::Internal,
    }
}

fn introduction(emulator: &Emulator, running: &Running, terminal: &Terminal) -> String {
    format!(
        "{}\n\nA made-up SerpWow account with {} is served at {}.\n\
         Nothing leaves this machine. While the sweep is at work, somebody starts one of the batches,\n\
         and one deletion gets a 502 from a proxy.\n\n",
        terminal.paint(Paint::Strong, "batchsweep demo"),
        batches(emulator.count()),
        running.base_url(),
    )
}

fn rules(account: &Account, terminal: &Terminal) -> String {
    let mut text = terminal.paint(Paint::Strong, "1. The rules, in plain words");
    text.push_str("\n\n");
    for rule in account.policy.describe() {
        let _infallible = writeln!(text, "  {rule}");
    }
    text.push('\n');
    text
}

async fn show_plan(
    session: &Session,
    account: &Account,
    terminal: &Terminal,
) -> Result<(), Failure> {
    terminal.data(&format!(
        "{}\n\n",
        terminal.paint(Paint::Strong, "2. The plan: what would go, and why (batchsweep plan)")
    ));
    let runner = session.runner(account).map_err(|cause| broken(&cause.to_string()))?;
    let admission = runner
        .plan(&Recalled::default(), None)
        .await
        .map_err(|cause| broken(&cause.to_string()))?;
    session.clear_progress();
    terminal.data(&plan::body(plan::Rows::Deletions(ROWS), &admission, terminal));
    terminal.data("\n");
    Ok(())
}

/// What it came to, for somebody who sees it for the first time.
fn in_short(report: &RunReport, emulator: &Emulator, terminal: &Terminal) -> String {
    let Ending::Swept(swept) = &report.ending else { return String::new() };
    let of = |wanted: fn(&Outcome) -> bool| {
        swept.swept.iter().filter(|one| wanted(&one.outcome)).count()
    };
    let deleted = of(|outcome| matches!(outcome, Outcome::Deleted(_)));
    let by_look = of(|outcome| *outcome == Outcome::Deleted(Proof::Absent));
    let again = swept
        .swept
        .iter()
        .filter(|one| one.attempts > 1 && matches!(one.outcome, Outcome::Deleted(_)))
        .count();
    let busy = of(|outcome| matches!(outcome, Outcome::Busy(_)));
    let mut text = format!("\n{}\n\n", terminal.paint(Paint::Strong, "4. In short"));
    let mut line = |sentence: String| {
        let _infallible = writeln!(text, "  {sentence}");
    };
    line(format!("{} deleted, {} left in the account.", batches(deleted), emulator.count()));
    if again + by_look > 0 {
        line(format!(
            "{} got no clear answer at first: batchsweep looked again before it did anything else.",
            batches(again + by_look)
        ));
    }
    if busy > 0 {
        line(format!("{} began to run after the plan was made, and stayed.", batches(busy)));
    }
    line(
        "Every deletion was preceded by a look at most ten seconds old, and one more listing"
            .into(),
    );
    line(
        "proved them all. What no rule selects, or a keep rule protects, was never touched.".into(),
    );
    text.push_str(
        "\nNext: README.md, \"The first real run\". Try your own rules on a made-up account with\n\
         `batchsweep emulator`.\n",
    );
    text
}
