//! The policy and its second opinion, held against each other on records that nobody should write.

use batchsweep::emulator::{Odd, Record, Seed};
use proptest::prelude::*;

use super::rules::{DELETE, KEEP};
use super::{file, quiet};
use crate::world::World;

/// The fields that rules look at.
const FIELDS: [&str; 13] = [
    "name",
    "created_at",
    "last_run",
    "status",
    "schedule_type",
    "priority",
    "enabled",
    "destination_ids",
    "searches_total_count",
    "search_total_count",
    "results_count",
    "next_result_set_id",
    "no_such_field",
];

/// What may stand where a field should: every JSON type, times in all spellings, words and their likes.
const WRITTEN: [&str; 44] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "-0",
    "-1",
    "1.0",
    "1e0",
    "1E400",
    "55",
    "18446744073709551615",
    "18446744073709551616",
    "\"\"",
    "\" \"",
    "\"1\"",
    "\"true\"",
    "\"idle\"",
    "\"Idle\"",
    "\"queued\"",
    "\"running\"",
    "\"manual\"",
    "\"minutes\"",
    "\"highest\"",
    "\"normal\"",
    "\"tmp-1\"",
    "\"tmp-\\u0031\"",
    "\"tmp-\\ud800\"",
    "\"t\\u043cp-1\"",
    "\"test\\n\"",
    "\"report-daily-9\"",
    "\"Acme web Batch 20260101_000000\"",
    "\"jane@example.com\"",
    "\"2026-10-01T00:00:00.000Z\"",
    "\"2026-10-01T00:00:00Z\"",
    "\"2026-10-01T02:00:00+02:00\"",
    "\"2026-10-01 00:00:00Z\"",
    "\"2026-10-01\"",
    "\"2026-09-31T00:00:00Z\"",
    "\"2026-10-01T23:59:60Z\"",
    "\"2099-01-01T00:00:00Z\"",
    "[]",
    "[\"D1\",7]",
    "{\"a\":1}",
];

/// How one record is spoilt.
#[derive(Debug, Clone)]
enum Spoilt {
    /// A field is written so.
    Written(&'static str, &'static str),
    /// A field is left out.
    Absent(&'static str),
    /// A field comes twice: as it is, and as this text.
    Twice(&'static str, &'static str),
}

impl Spoilt {
    fn of(self, record: Record) -> Record {
        match self {
            Self::Written(field, text) => record.odd(field, Odd::Text(text.to_owned())),
            Self::Absent(field) => record.odd(field, Odd::Absent),
            Self::Twice(field, text) => {
                let value = serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
                record.odd(field, Odd::Twice(value))
            }
        }
    }
}

fn spoilt() -> impl Strategy<Value = Spoilt> {
    let field = || prop::sample::select(FIELDS.to_vec());
    let written = || prop::sample::select(WRITTEN.to_vec());
    prop_oneof![
        12 => (field(), written()).prop_map(|(field, text)| Spoilt::Written(field, text)),
        3 => field().prop_map(Spoilt::Absent),
        1 => (field(), written()).prop_map(|(field, text)| Spoilt::Twice(field, text)),
    ]
}

/// An account of spoilt records, some of the rules.
#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    spoilt: Vec<Vec<Spoilt>>,
    keep: Vec<usize>,
    delete: Vec<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    let some = |of: usize| prop::sample::subsequence((0..of).collect::<Vec<_>>(), 0..=of);
    let records = prop::collection::vec(prop::collection::vec(spoilt(), 0..4), 1..120);
    (any::<u64>(), records, some(KEEP.len()), some(DELETE.len()))
        .prop_filter("a file has delete rules", |(_, _, _, delete)| !delete.is_empty())
        .prop_map(|(seed, spoilt, keep, delete)| Case { seed, spoilt, keep, delete })
}

/// Plans one case; the second opinion agrees with every deletion, and with every batch that waits.
async fn both_agree(case: Case) {
    let world = World::new().await;
    let mut seed = Seed::mixed(case.spoilt.len(), case.seed, Seed::fixture_now());
    let records = seed.records.into_iter().zip(case.spoilt);
    seed.records = records
        .map(|(record, spoilt)| spoilt.into_iter().fold(record, |record, one| one.of(record)))
        .collect();
    world.emulator.plant(seed);
    let keep: Vec<_> = case.keep.iter().map(|n| KEEP[*n]).collect();
    let delete: Vec<_> = case.delete.iter().map(|n| DELETE[*n]).collect();
    world.file(&file(&keep, &delete));
    let ran = quiet(&world, &["plan"]).await;
    if ran.code == 4 {
        // Every record was spoilt beyond reading: that is no account.
        assert!(ran.err.contains("nothing but the id can be read"), "{ran:?}");
        return;
    }
    assert_eq!(ran.code, 0, "{ran:?}");
    let guards = ran.json()["plans"][0]["guards"].clone();
    let audit = guards.as_array().unwrap().iter().find(|guard| guard["guard"] == "audit").unwrap();
    assert_eq!(audit["tripped"], false, "{audit} {}", ran.out);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    // fault: J6, J8
    #[test]
    fn the_second_opinion_agrees_with_the_policy_on_whatever_a_record_says(case in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(both_agree(case));
    }
}
