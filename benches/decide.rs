//! What deciding costs: reading records, verdicts, the second opinion, one expression.
//!
//! `cargo bench --bench decide` prints medians. The plain loops beside them are the floor: typed
//! fields compared in place, without reasons. `docs/performance.md` tells the figures. No timing is
//! a test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

use std::sync::{Arc, LazyLock};

use batchsweep::api::client::{ListWindow, Reader, Surroundings};
use batchsweep::audit::{self, patience::Past};
use batchsweep::batch::{Batch, BatchId, Fact, RunId, Status};
use batchsweep::clock::{Clock, SystemClock, Timestamp};
use batchsweep::config::{self, Account, Environment};
use batchsweep::emulator::{Emulator, Product, Seed};
use batchsweep::inventory::{self, Inventory};
use batchsweep::observe::event::{Scope, Silent};
use batchsweep::plan::Plan;
use batchsweep::policy::{Decision, Memory};
use chrono::TimeDelta;
use divan::Bencher;
use tokio_util::sync::CancellationToken;

const KEY: &str = "BENCHKEY0123456789";

/// As many batches as an account holds.
const FULL: usize = 10_000;

/// Ten rules of mixed kinds.
const TEN: &str = r#"
[keep.pinned]
name = ["prod-*", "golden*", "*-keep"]
[keep.scheduled]
schedule_type = ["minutes", "daily", "weekly", "monthly"]
enabled = true
[keep.young-and-big]
searches = { min = 5000 }
idle_for = "1h"
[keep.latest-of-each-type]
name_regex = 'Acme [A-Za-z]+ Batch \d{8}_\d{6}'
group_by = '^Acme ([A-Za-z]+) '
last = 3
[keep.calendar]
name = "stock-*"
daily = 7
weekly = 4
[delete.temporary]
name = ["tmp-*", "test*", "debug*"]
older_than = "7d"
[delete.orphans]
name = ["My First Batch", "My First Collection"]
idle_for = "3d"
[delete.pipeline]
name_regex = 'Acme [A-Za-z]+ Batch \d{8}_\d{6}'
idle_for = "15d"
[delete.never-run]
never_run = true
schedule_type = "manual"
older_than = "30d"
[delete.empty]
has_results = false
priority = ["low", "lowest", "normal"]
idle_for = "20d"
"#;

/// One expression that every batch is asked.
const EXPRESSION: &str = r#"
[delete.temporary]
when = "batch.name.startsWith('tmp') && batch.searches_total_count < 100 && now - batch.created_at > duration('168h')"
older_than = "7d"
"#;

/// The same with a pattern.
const PATTERN: &str = r#"
[delete.temporary]
when = "batch.name.matches('^(tmp|test|debug)[-_ ].*$')"
older_than = "7d"
"#;

fn main() {
    divan::main();
}

/// A full account, listed once from the emulator on loopback.
static LISTED: LazyLock<(Vec<Batch>, Timestamp)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let now = clock.now();
        let emulator = Emulator::new(Product::SerpWow, KEY, Arc::clone(&clock));
        emulator.plant(Seed::mixed(FULL, 1, now));
        let running = emulator.start().await.unwrap();
        let account = account(TEN, &running.base_url());
        let around = Surroundings {
            scope: Scope { account: account.name.clone(), run_id: RunId::new(now, [0; 10]) },
            clock,
            observer: Arc::new(Silent),
            lists: ListWindow::default(),
            seed: 1,
            stop: CancellationToken::new(),
        };
        let env = environment();
        let (key, source) = (account.key.read(&env).unwrap(), account.key.source(&env));
        let reader = Reader::connect(account.api.clone(), key, source, around.clone()).unwrap();
        let inventory = inventory::list(&reader, &around).await.unwrap();
        (inventory.batches().to_vec(), now)
    })
});

fn environment() -> Environment {
    Environment::from_iter([("BATCHSWEEP_API_KEY", KEY)])
}

/// An account with these rules.
fn account(rules: &str, base_url: &str) -> Account {
    let text = format!(
        "[accounts.main]\nproduct = \"serpwow\"\nbase_url = \"{base_url}\"\n\
         [sweep]\nrequests_per_second = 1000\n{rules}"
    );
    let mut config =
        config::load_text("bench.toml", &text, &environment()).unwrap_or_else(|rejected| {
            panic!("{}", rejected.render(batchsweep::observe::Colour::Never))
        });
    config.accounts.remove(0)
}

fn offline(rules: &str) -> Account {
    account(rules, "http://127.0.0.1:1")
}

/// So many batches: the full account over and over, each with an id of its own and a little older.
fn batches(count: usize) -> Vec<Batch> {
    let (listed, _) = &*LISTED;
    let copy = |(n, batch): (usize, &Batch)| {
        let older = TimeDelta::milliseconds(i64::try_from(n).unwrap());
        let mut batch = batch.clone();
        if n >= FULL {
            batch.id = BatchId::parse(&format!("C{n:07}")).unwrap();
            if let Fact::Known(created) = &mut batch.created_at {
                *created -= older;
            }
        }
        batch
    };
    listed.iter().cycle().take(count).enumerate().map(copy).collect()
}

fn decide(account: &Account, batches: &[Batch]) -> Decision {
    account.policy.decide(batches, &Memory::default(), LISTED.1)
}

/// What a script would do: typed fields, two conditions, no reasons, no doubt.
#[divan::bench(args = [FULL, 1_000_000])]
fn plain_loop(bencher: Bencher<'_, '_>, count: usize) {
    let batches = batches(count);
    let week_ago = LISTED.1 - TimeDelta::days(7);
    bencher.bench(|| {
        let selected = |batch: &&Batch| {
            let name = batch.name.known().map_or("", |name| name);
            let kept = name.starts_with("prod-") || name.starts_with("golden");
            let temporary = ["tmp-", "test", "debug"].iter().any(|start| name.starts_with(start));
            let old = batch.created_at.known().is_some_and(|created| *created <= week_ago);
            temporary && old && !kept && batch.status == Fact::Known(Status::Idle)
        };
        batches.iter().filter(selected).map(|batch| batch.id.clone()).collect::<Vec<_>>()
    });
}

/// Every record of a full account, parsed into a tree.
#[divan::bench]
fn plain_parse(bencher: Bencher<'_, '_>) {
    let (listed, _) = &*LISTED;
    bencher.bench(|| {
        let trees = listed
            .iter()
            .map(|batch| serde_json::from_str::<serde_json::Value>(batch.raw.as_str()));
        trees.flatten().count()
    });
}

#[divan::bench(args = [1_000, FULL, 100_000, 1_000_000])]
fn decide_ten_rules(bencher: Bencher<'_, '_>, count: usize) {
    let (account, batches) = (offline(TEN), batches(count));
    bencher.bench(|| decide(&account, &batches));
}

#[divan::bench]
fn decide_one_expression(bencher: Bencher<'_, '_>) {
    let (account, batches) = (offline(EXPRESSION), batches(FULL));
    bencher.bench(|| decide(&account, &batches));
}

#[divan::bench]
fn decide_one_pattern_in_an_expression(bencher: Bencher<'_, '_>) {
    let (account, batches) = (offline(PATTERN), batches(FULL));
    bencher.bench(|| decide(&account, &batches));
}

#[divan::bench]
fn second_opinion_on_ten_rules(bencher: Bencher<'_, '_>) {
    second_opinion(bencher, TEN);
}

#[divan::bench]
fn second_opinion_on_one_expression(bencher: Bencher<'_, '_>) {
    second_opinion(bencher, EXPRESSION);
}

fn second_opinion(bencher: Bencher<'_, '_>, rules: &str) {
    let account = offline(rules);
    let inventory = Inventory::of(batches(FULL));
    let verdicts = decide(&account, inventory.batches()).verdicts;
    let run = RunId::new(LISTED.1, [0; 10]);
    let plan = Plan::new(account.name.clone(), run, LISTED.1, inventory, verdicts);
    bencher.bench(|| audit::review(&plan, &account.audit_rules(Past::default())));
}

#[divan::bench]
fn compile_the_file(bencher: Bencher<'_, '_>) {
    bencher.bench(|| offline(TEN));
}
