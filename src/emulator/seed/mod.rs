//! Seeds: accounts to start from. Equal arguments, equal accounts, on every machine.
//!
//! Not here: what the names mean to rules. They are those that users of these APIs really give.

mod names;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::json;

use self::names::Kind;
use super::answer::Answer;
use super::call::Operation;
use super::dice::Dice;
use super::edit::Edit;
use super::fault::Fault;
use super::record::{Odd, Record, State, id_text};
use super::results::{Delivery, ResultSet};
use super::world::Destination;
use crate::clock::Timestamp;

/// The batch of the fixture that a job names by its id.
pub const FIXTURE_PROTECTED: &str = "FAD29CE5";
/// The batch of the demo that turns running when a sweep looks at it again.
pub const DEMO_BUSY: &str = "DE300001";
/// The batch of the demo whose first deletion ends in a 502.
pub const DEMO_FLAKY: &str = "DE300002";

const FIXTURE_SIZE: usize = 2000;
const FIXTURE_SEED: u64 = 0x5EED;
const DEMO_SIZE: usize = 300;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// The oldest batch; older ones the platform deletes by itself (contract §3).
const OLDEST: i64 = 60 * DAY;

/// What an account is planted with.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// Its batches.
    pub records: Vec<Record>,
    /// What happens to them, and when.
    pub events: Vec<(Timestamp, Edit)>,
    /// Its destinations.
    pub destinations: Vec<Destination>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Ids that no client may delete.
    pub protected: Vec<String>,
}

impl Seed {
    /// An account of `n` batches in all families of names: 0 to 60 days old, most of them idle, some
    /// scheduled, some that never ran, some whose webhook failed, and a few with odd fields.
    pub fn mixed(n: usize, seed: u64, now: Timestamp) -> Self {
        let mut dice = Dice::new(seed);
        let mut ids = BTreeSet::from([FIXTURE_PROTECTED.to_owned()]);
        let kinds = Kind::ALL.into_iter().cycle().take(n).enumerate();
        let records = kinds
            .map(|(place, kind)| {
                let id = free_id(&mut ids, &mut dice);
                let record = record(kind, (place, id), &mut dice, now);
                oddly(record, &mut dice, now)
            })
            .collect();
        Self { records, destinations: destinations(), ..Self::default() }
    }

    /// The instant at which [`Self::fixture`] is looked at: 2026-11-24T12:00:00Z.
    pub fn fixture_now() -> Timestamp {
        at_ms(1_795_521_600_000)
    }

    /// 2,000 batches, always the same, for golden plans; [`FIXTURE_PROTECTED`] is among them.
    pub fn fixture() -> Self {
        let now = Self::fixture_now();
        let mut seed = Self::mixed(FIXTURE_SIZE - 1, FIXTURE_SEED, now);
        let named = Record::new(FIXTURE_PROTECTED, "My First Batch", back(now, 40 * DAY))
            .ran_at(back(now, 35 * DAY))
            .with_searches(12);
        seed.records.push(named);
        seed.protected.push(FIXTURE_PROTECTED.to_owned());
        seed
    }

    /// Some 300 batches for a visible sweep. [`DEMO_BUSY`] turns running in its middle; the first
    /// deletion of [`DEMO_FLAKY`] fails.
    pub fn demo(now: Timestamp) -> Self {
        let mut seed = Self::mixed(DEMO_SIZE - 2, 7, now);
        let old = |id: &str, name: &str, days: i64| {
            Record::new(id, name, back(now, days * DAY))
                .ran_at(back(now, days * DAY - DAY / 24))
                .with_searches(40)
        };
        let mut busy = old(DEMO_BUSY, "tmp-price-check", 21);
        busy.runs_when_read = true;
        seed.records.extend([busy, old(DEMO_FLAKY, "tmp-import-retry", 19)]);
        let bad_gateway = Answer::new(502, "text/html", "<html><h1>502 Bad Gateway</h1></html>");
        seed.faults.push(Fault::on(Operation::Delete).id(DEMO_FLAKY).once().answer(bad_gateway));
        seed
    }

    /// `n` plain batches, cheap to make: a quarter named `tmp-…`, last active more than 7 days ago and
    /// idle in a listing; every 33rd of those turns running when a Get looks at it.
    pub fn bench(n: u32, now: Timestamp) -> Self {
        let records = (0..n).map(|i| {
            let is_candidate = i % 4 == 0;
            let hours =
                if is_candidate { 8 * 24 + i64::from(i) % 1200 } else { i64::from(i) % 1400 };
            // Odd factor: a permutation, so that no id comes twice. The milliseconds order them.
            let id = id_text(i.wrapping_mul(0x9E37_79B1));
            let created_at = back(now, hours * DAY / 24 + i64::from(i % 1000));
            let name = if is_candidate { format!("tmp-{i}") } else { format!("prod-{i}") };
            let ran_at = back(now, hours * DAY / 24 - DAY / 48);
            let mut record = Record::new(id, name, created_at).with_searches(10);
            if ran_at < now {
                record = record.ran_at(ran_at);
            }
            record.runs_when_read = is_candidate && (i / 4) % 33 == 32;
            record
        });
        Self { records: records.collect(), ..Self::default() }
    }
}

fn record(kind: Kind, (place, id): (usize, String), dice: &mut Dice, now: Timestamp) -> Record {
    let created_at = back(now, below(dice, OLDEST));
    let mut record = kind.record(id, created_at, place, dice);
    let has_run = !dice.percent(8);
    let age = (now - created_at).num_milliseconds();
    if has_run {
        // Most run soon after they were made; those in steady use ran of late.
        let span = if kind.is_in_use() {
            below(dice, age.min(4 * DAY))
        } else {
            age - below(dice, age.min(DAY / 4))
        };
        let last_run = back(now, span);
        record.last_run = Some(last_run);
        record.next_result_set_id = if kind.is_in_use() { 2 + dice.below(30) } else { 2 };
        let mut set =
            ResultSet::ended(record.next_result_set_id - 1, last_run, record.searches.count());
        if record.notify.webhook.is_some() {
            let failed = dice.percent(15);
            set = set.webhook(if failed { Delivery::Failed } else { Delivery::Sent });
        }
        if set.expires_at > now {
            record.result_sets.push(set);
        }
    }
    record.state = match dice.below(100) {
        0..=1 => State::Running,
        2..=4 => State::Queued,
        _ => State::Idle,
    };
    record
}

/// Makes some three in a hundred odd: what a field says is missing, wrong or from the future.
fn oddly(record: Record, dice: &mut Dice, now: Timestamp) -> Record {
    if !dice.percent(3) {
        return record;
    }
    let tomorrow = super::record::written(back(now, -DAY));
    match dice.below(8) {
        0 => record.odd("created_at", Odd::Is(json!(null))),
        1 => record.odd("created_at", Odd::Is(json!(tomorrow))),
        2 => record.odd("last_run", Odd::Is(json!("soon"))),
        3 => record.odd("status", Odd::Is(json!("stopping"))),
        4 => record.odd("priority", Odd::Absent),
        5 => record.odd("next_result_set_id", Odd::Absent),
        6 => record.odd("results_count", Odd::Is(json!("0"))),
        _ => record.odd("destination_ids", Odd::Is(json!(null))),
    }
}

fn destinations() -> Vec<Destination> {
    let new = |id: &str, name: &str, kind: &str| Destination {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
    };
    vec![new("D0000001", "warehouse", "s3"), new("D0000002", "lake", "gcs")]
}

fn free_id(ids: &mut BTreeSet<String>, dice: &mut Dice) -> String {
    loop {
        let id = id_text(dice.half());
        if ids.insert(id.clone()) {
            return id;
        }
    }
}

/// A number of milliseconds below `n`.
fn below(dice: &mut Dice, n: i64) -> i64 {
    let n = u64::try_from(n).unwrap_or(0);
    i64::try_from(dice.below(n)).unwrap_or(0)
}

fn back(now: Timestamp, ms: i64) -> Timestamp {
    now.checked_sub_signed(TimeDelta::milliseconds(ms)).unwrap_or(now)
}

fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(ms).unwrap_or_default()
}
