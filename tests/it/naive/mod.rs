//! The whole program against the naive model: on a large account, and on many small ones where calls go
//! wrong and a colleague is at work.

pub(crate) mod rules;
mod opinions;

use std::collections::BTreeSet;

use batchsweep::emulator::{
    Answer, Edit, Effect, Emulator, Fault, Operation, Schedule, Seed, State,
};
use proptest::prelude::*;
use serde_json::Value;

use self::rules::{DELETE, KEEP, Rule, may_go};
use crate::world::{KEY, OPEN, Ran, World};

/// The file of these rules. A small account may have no batch of some family: that trips no guard here.
fn file(keep: &[Rule], delete: &[Rule]) -> String {
    let keep = keep.iter().map(|rule| format!("{}\nmay_be_empty = true\n", rule.toml));
    let delete = delete.iter().map(|rule| format!("{}\n", rule.toml));
    OPEN.to_owned() + &keep.chain(delete).collect::<String>()
}

/// Every record as the account lists it now, asked for without the program.
async fn listed(world: &World) -> Vec<Value> {
    let all = listed_and_logged(world).await;
    world.emulator.clear_log();
    all
}

/// The same; the calls stay in the emulator's log.
pub(crate) async fn listed_and_logged(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    for page in 1.. {
        let url = format!(
            "{}/batches?api_key={KEY}&page={page}&page_size=1000&sort_by=created_at",
            world.base_url()
        );
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let records = answer["batches"].as_array().unwrap();
        all.extend(records.iter().cloned());
        if all.len() as u64 >= answer["total_count"].as_u64().unwrap() {
            break;
        }
    }
    all
}

/// When the program had its listing, in milliseconds since 1970.
fn listed_at(emulator: &Emulator) -> i64 {
    let log = emulator.log();
    let lists = log.iter().take_while(|it| it.operation != Operation::Get);
    let last = lists.filter(|it| it.operation == Operation::List).last().unwrap();
    last.at.timestamp_millis()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// The ids of an outcome (or verdict), in the JSON's list at `list`.
fn ids_of(list: &Value, key: &str, wanted: &str) -> Vec<String> {
    let all = list.as_array().unwrap().iter().filter(|batch| batch[key] == wanted);
    sorted(all.map(|batch| batch["id"].as_str().unwrap().to_owned()).collect())
}

async fn quiet(world: &World, args: &[&str]) -> Ran {
    world.run(&[args, &["--output", "json", "-q"]].concat()).await
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_batches_are_swept_as_the_model_says() {
    let world = World::new().await;
    let emulator = &world.emulator;
    // Without the two rules that select most: they are cheap to check and slow to carry out.
    let delete = &DELETE[2..];
    emulator.plant(Seed::mixed(10_000, 42, Seed::fixture_now()));
    world.file(&file(&KEEP, delete));
    let records = listed(&world).await;

    let ran = quiet(&world, &["once"]).await;
    let now = listed_at(emulator);
    let expected = may_go(&records, &KEEP, delete, now);
    assert_eq!(expected, may_go(&records, &KEEP, delete, now - 1_000), "on the edge of an age");
    assert!(expected.len() > 3_000, "a poor account for a test: {}", expected.len());
    assert_eq!(sorted(emulator.deleted()), expected);
    let run = ran.only_run();
    assert_eq!(ids_of(&run["batches"], "outcome", "deleted"), expected);
    assert_eq!((ran.code, &run["verified"]), (0, &true.into()), "{}", ran.err);
    assert_eq!(emulator.count(), 10_000 - expected.len());
    // The account; two listings; a look and a deletion for each.
    let pages = 10 + emulator.count().div_ceil(1000);
    assert_eq!(run["requests"], 1 + pages + 2 * expected.len());
    assert_eq!(emulator.log().len(), 1 + pages + 2 * expected.len());
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_plan_a_dry_run_and_a_run_agree_and_a_second_run_finds_nothing() {
    let world = World::new().await;
    let emulator = &world.emulator;
    emulator.plant(Seed::mixed(1_200, 3, Seed::fixture_now()));
    world.file(&file(&KEEP, &DELETE));
    let plan = quiet(&world, &["plan"]).await;
    let planned = ids_of(&plan.json()["plans"][0]["batches"], "verdict", "delete");
    assert!(planned.len() > 300, "a poor account for a test: {}", planned.len());
    let dry = quiet(&world, &["once", "--dry-run"]).await;
    assert_eq!(ids_of(&dry.only_run()["batches"], "outcome", "would_delete"), planned);
    assert_eq!((plan.code, dry.code, emulator.count()), (0, 0, 1_200));
    assert!(emulator.destructive().is_empty());

    let real = quiet(&world, &["once"]).await;
    assert_eq!((real.code, sorted(emulator.deleted())), (0, planned));
    emulator.clear_log();
    let again = quiet(&world, &["once"]).await;
    assert_eq!((again.code, again.only_run()["batches"].as_array().unwrap().len()), (0, 0));
    assert!(emulator.destructive().is_empty());
    world.assert_safe();
}

/// A fault at a fifth of the calls of one kind.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    on: Operation,
    what: What,
    after_commit: bool,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Reset,
    Hang,
    BadGateway,
    Empty,
    Slow,
    TooMany,
    Refused,
    SaidNo,
}

impl Trouble {
    fn fault(self) -> Fault {
        let fault = Fault::on(self.on).chance(20, self.seed).then(match self.what {
            What::Reset => Effect::Reset,
            What::Hang => Effect::Hang,
            What::BadGateway => Effect::Answer(Answer::html(502)),
            What::Empty => Effect::Answer(Answer::empty(204)),
            What::Slow => Effect::Delay(std::time::Duration::from_secs(9)),
            What::TooMany => Effect::Answer(Answer::refused(429, "emulated: too many")),
            What::Refused => Effect::Answer(Answer::refused(400, "emulated: no")),
            What::SaidNo => Effect::Answer(Answer::refused(200, "emulated: no")),
        });
        if self.after_commit { fault.after_commit() } else { fault }
    }
}

fn troubles() -> impl Strategy<Value = Vec<Trouble>> {
    let what = prop_oneof![
        3 => Just(What::Reset),
        3 => Just(What::Hang),
        3 => Just(What::BadGateway),
        3 => Just(What::TooMany),
        2 => Just(What::Empty),
        2 => Just(What::Slow),
        1 => Just(What::Refused),
        1 => Just(What::SaidNo),
    ];
    let on = prop_oneof![
        2 => Just(Operation::Get),
        4 => Just(Operation::Delete),
        1 => Just(Operation::List),
    ];
    let one = (on, what, any::<bool>(), any::<u64>())
        .prop_map(|(on, what, after_commit, seed)| Trouble { on, what, after_commit, seed });
    prop::collection::vec(one, 0..=2)
}

/// What a colleague does to one batch after the listing: right after it, or as the batch is looked at.
#[derive(Debug, Clone, Copy)]
struct Touch {
    whose: prop::sample::Index,
    how: usize,
    at_the_look: bool,
}

impl Touch {
    fn fault(self, id: &str) -> Fault {
        let id = id.to_owned();
        let edit = match self.how {
            0 => Edit::Run(id.clone()),
            1 => Edit::Rename(id.clone(), "mine now".into()),
            2 => Edit::Remove(id.clone()),
            3 => Edit::Put(id.clone(), State::Other("stopping".into())),
            4 => Edit::Finish(id.clone()),
            _ => Edit::Change(id.clone(), |record| {
                let is_daily = record.schedule.kind == "daily";
                record.schedule = if is_daily { Schedule::hourly() } else { Schedule::daily() };
            }),
        };
        if self.at_the_look {
            Fault::on(Operation::Get).id(&id).once().then(Effect::Edit(edit))
        } else {
            Fault::on(Operation::List).once().after_commit().then(Effect::Edit(edit))
        }
    }
}

fn touches() -> impl Strategy<Value = Vec<Touch>> {
    let one = (any::<prop::sample::Index>(), 0..6_usize, any::<bool>())
        .prop_map(|(whose, how, at_the_look)| Touch { whose, how, at_the_look });
    prop::collection::vec(one, 0..8)
}

/// A small account, some of the rules, and what happens in mid-run.
#[derive(Debug, Clone)]
struct Case {
    batches: usize,
    seed: u64,
    keep: Vec<usize>,
    delete: Vec<usize>,
    troubles: Vec<Trouble>,
    touches: Vec<Touch>,
}

impl Case {
    /// Whether a deletion may be carried out and then answered with a status that says it was not.
    fn has_untrue_no(&self) -> bool {
        let is_no = |what| matches!(what, What::TooMany | What::Refused | What::SaidNo);
        self.troubles.iter().any(|trouble| trouble.after_commit && is_no(trouble.what))
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let some =
        |of: usize, at_least| prop::sample::subsequence((0..of).collect::<Vec<_>>(), at_least..=of);
    (5..=40_usize, any::<u64>(), some(KEEP.len(), 0), some(DELETE.len(), 3), troubles(), touches())
        .prop_map(|(batches, seed, keep, delete, troubles, mut touches)| {
            // A page that is asked for again shows what the colleague did: then it is no change.
            if troubles.iter().any(|trouble| trouble.on == Operation::List) {
                touches.clear();
            }
            Case { batches, seed, keep, delete, troubles, touches }
        })
}

/// Runs one case.
async fn hold_against_the_model(case: &Case) {
    let world = World::new().await;
    let emulator = &world.emulator;
    emulator.plant(Seed::mixed(case.batches, case.seed, Seed::fixture_now()));
    let keep: Vec<_> = case.keep.iter().map(|n| KEEP[*n]).collect();
    let delete: Vec<_> = case.delete.iter().map(|n| DELETE[*n]).collect();
    world.file(&file(&keep, &delete));
    let records = listed(&world).await;
    let ids = emulator.ids();
    let mut touched = BTreeSet::new();
    for touch in &case.touches {
        let id = touch.whose.get(&ids);
        // One touch each: two might undo each other.
        if touched.insert(id.clone()) {
            emulator.script(touch.fault(id));
        }
    }
    for trouble in &case.troubles {
        emulator.script(trouble.fault());
    }

    let ran = world.once().await;
    assert!([0, 1, 4, 75].contains(&ran.code), "{ran:?}");
    let allowed = may_go(&records, &keep, &delete, listed_at(emulator));
    let gone = sorted(emulator.deleted());
    for id in &gone {
        assert!(allowed.contains(id), "{id} went, which the model does not allow");
        assert!(!touched.contains(id), "{id} went, which somebody had touched");
    }
    let run = ran.only_run();
    let said = ids_of(&run["batches"], "outcome", "deleted");
    assert!(said.iter().all(|id| gone.contains(id)), "{said:?} are said to be gone: {gone:?}");
    for id in gone.iter().filter(|id| !said.contains(id)) {
        let outcome = ran.outcome_of(id);
        // Every look afterwards went wrong; or a plain no, which is believed, was not true.
        let explained = outcome == "failed" || outcome == "gone" && case.has_untrue_no();
        assert!(explained, "{id} is gone, but said to be {:?}", ran.batch(id));
    }
    if case.troubles.is_empty() {
        let left = allowed.into_iter().filter(|id| !touched.contains(id));
        let is_free =
            |id: &String| emulator.record(id).is_none_or(|record| !record.has_failed_webhook());
        assert_eq!(gone, left.filter(is_free).collect::<Vec<_>>());
    }
    world.assert_safe();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    // fault: H13, N2, N3, T4
    #[test]
    fn nothing_goes_that_the_model_does_not_allow_whatever_happens(case in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(hold_against_the_model(&case));
    }
}
