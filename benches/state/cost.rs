//! What the state costs: prints the time of each call that a run makes, on a SQLite file in a folder
//! and, where a URL is given, on PostgreSQL.
//!
//! `cargo run --release --example state-cost -- FOLDER [POSTGRES-URL]`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it measures, and a measurement that cannot go on must say so"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use batchsweep::batch::{AccountName, BatchId, RuleName, RunId};
use batchsweep::clock::Timestamp;
use batchsweep::state::{Entry, Listing, Location, Outcome, Settled, State};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = format!("sqlite:{}/state.db", arguments[0]);
    for url in [file].iter().chain(arguments.get(1)) {
        runtime.block_on(measure(url));
    }
}

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn told(what: &str, began: Instant) {
    println!("  {what}: {:.2} ms", began.elapsed().as_secs_f64() * 1_000.0);
}

async fn measure(url: &str) {
    let location = Location::parse(url, |_| None).unwrap();
    println!("{location}");
    let began = Instant::now();
    let state = State::open(&location, now()).await.unwrap();
    told("open, first time", began);
    state.close().await.unwrap();
    let began = Instant::now();
    let state = State::open(&location, now()).await.unwrap();
    told("open, again", began);
    let account = AccountName::parse("main").unwrap();
    let owned = state.own(std::slice::from_ref(&account), now()).await.unwrap();
    let began = Instant::now();
    for _ in 0..100 {
        owned.check().await.unwrap();
    }
    told("100 checks of the lock", began);
    list_calls(&state).await;
    journal(&state, &account).await;
    inventory(&state, &account).await;
    marks(&state, &account).await;
    many_deletions(&state, &account).await;
    owned.release().await;
    state.close().await.unwrap();
    let began = Instant::now();
    let state = State::open(&location, now()).await.unwrap();
    told("open with 100,000 deletions and an inventory", began);
    let began = Instant::now();
    let pruned = state.prune(now() + chrono::TimeDelta::days(9), Duration::from_hours(1)).await;
    println!("  {:?}", pruned.unwrap());
    told("prune all of it", began);
}

fn entry(account: &AccountName, run_id: RunId, number: u32) -> Entry {
    Entry {
        run_id,
        account: account.clone(),
        batch: BatchId::parse(&format!("{number:08X}")).unwrap(),
        name: format!("tmp-report-{number}"),
        rule: RuleName::parse("temporary").unwrap(),
        intended_at: now(),
    }
}

fn settled(entry: &Entry) -> Settled {
    let outcome = Outcome { outcome: "deleted".into(), detail: None, attempts: 1, at: now() };
    Settled { run_id: entry.run_id, batch: entry.batch.clone(), outcome }
}

async fn journal(state: &State, account: &AccountName) {
    let run = RunId::new(now(), [1; 10]);
    let mut times = Vec::new();
    let mut before: Vec<Settled> = Vec::new();
    for number in 0..3_000 {
        let entry = entry(account, run, number);
        let began = Instant::now();
        let recorded = state.record(&before, std::slice::from_ref(&entry)).await.unwrap();
        times.push(began.elapsed());
        assert!(recorded.held.is_empty());
        before = vec![settled(&entry)];
    }
    times.sort();
    println!(
        "  record (an outcome and an intent): median {:?}, 99 of 100 under {:?}, sum {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times.iter().sum::<Duration>()
    );
}

/// As a run of a full account notes its calls: each when it has left, and then those of others.
async fn list_calls(state: &State) {
    let began = Instant::now();
    for call in 0..10 {
        let at = now() + chrono::TimeDelta::seconds(call);
        state.add_list_calls("serpwow 0badcafe", &[at], now()).await.unwrap();
        state.list_calls("serpwow 0badcafe", now()).await.unwrap();
    }
    told("10 list calls, noted one by one", began);
}

/// A record as long as the API's, with what does not repeat where it does not there.
fn record(number: u32) -> String {
    let mut record = format!(
        "{{\"id\":\"{:08X}\",\"created_at\":\"2026-0{}-1{}T0{}:2{}:43.{:03}Z\",\"name\":\"tmp-report-{number}\",",
        fastrand::u32(..),
        number % 9 + 1,
        number % 10,
        number % 7,
        number % 8,
        number % 1_000
    );
    for field in 0..24 {
        let _infallible =
            write!(record, "\"some_field_of_a_record_{field}\":\"{}\",", fastrand::u16(..));
    }
    record + "\"status\":\"idle\",\"searches_total_count\":100}"
}

async fn inventory(state: &State, account: &AccountName) {
    let records: Vec<_> = (0..10_000).map(record).collect();
    let bytes: usize = records.iter().map(String::len).sum();
    let ids = (0..10_000).map(|_| BatchId::parse(&format!("{:08X}", fastrand::u32(..))).unwrap());
    let listing = Listing {
        account: account.clone(),
        run_id: RunId::new(now(), [1; 10]),
        listed_at: now(),
        hash: "one".into(),
        ids: ids.collect(),
    };
    for (what, hash) in [("first", "one"), ("unchanged", "one"), ("changed", "two")] {
        let listing = Listing { hash: hash.into(), ..listing.clone() };
        let began = Instant::now();
        state.store_inventory(&listing, records.iter().map(String::as_str)).await.unwrap();
        told(&format!("store an inventory of {} KiB, {what}", bytes / 1_024), began);
    }
    if let (Ok(file), Ok(log)) =
        (std::fs::metadata(state.at()), std::fs::metadata(format!("{}-wal", state.at())))
    {
        println!("  the file and its log now: {} + {} KiB", file.len() / 1_024, log.len() / 1_024);
    }
    let began = Instant::now();
    state.last_listing(account).await.unwrap();
    told("its summary and ids", began);
    let began = Instant::now();
    assert_eq!(state.last_records(account).await.unwrap().len(), 10_000);
    told("its records", began);
    let plan = records.concat();
    let began = Instant::now();
    state.store_plan(listing.run_id, account, now(), &plan.as_bytes()[..2_000_000]).await.unwrap();
    told("store a plan of 2 MB", began);
}

async fn marks(state: &State, account: &AccountName) {
    let ids = (0..10_000_u32).map(|number| BatchId::parse(&format!("{number:08X}")).unwrap());
    let selected = BTreeMap::from([(RuleName::parse("temporary").unwrap(), ids.collect())]);
    for what in ["first", "unchanged"] {
        let began = Instant::now();
        state.update_marks(account, now(), &selected).await.unwrap();
        told(&format!("10,000 marks, {what}"), began);
    }
}

async fn many_deletions(state: &State, account: &AccountName) {
    let run = RunId::new(now(), [2; 10]);
    for chunk in 0..100 {
        let entries: Vec<_> =
            (0..1_000).map(|number| entry(account, run, chunk * 1_000 + number)).collect();
        assert!(state.record(&[], &entries).await.is_ok());
        let outcomes: Vec<_> = entries.iter().map(settled).collect();
        assert!(state.record(&outcomes, &[]).await.is_ok());
    }
}
