//! The supervisor at work on a crew that only notes what it is asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use croner::Cron;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::agenda::LastRun;
use super::files::{Files, Refused};
use super::manager::Manager;
use super::supervisor::{Around, Asked, Supervisor, Taken, Work};
use crate::batch::AccountName;
use crate::clock::{Clock, SetClock, SystemClock, Timestamp};
use crate::config::{self, DryRun, Environment, Request};
use crate::emulator::{Emulator, Product, Record, Running};
use crate::observe::event::{Event, Observer, Scope};
use crate::observe::metrics::{Metrics, Of};
use crate::observe::service::ServiceEvent;
use crate::run::fleet::{Fleet, Listed, Setting};
use crate::run::report::Exit;
use crate::schedule::{Schedule, Timing};
use crate::server::health::Health;
use crate::state::State;

const START: &str = "2026-01-01T00:00:00Z";

/// A crew that notes when it was asked to run what.
#[derive(Clone)]
struct Crew(Rc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    timings: RefCell<Vec<(AccountName, Timing)>>,
    runs: RefCell<BTreeMap<AccountName, Vec<Timestamp>>>,
    at_once: Cell<u32>,
    /// How long a run takes.
    lasts: Cell<Duration>,
    /// Runs that panic, by number.
    panics: RefCell<Vec<usize>>,
    exit: Cell<Exit>,
    last: Cell<Option<LastRun>>,
    held: Cell<bool>,
    owned: RefCell<Vec<AccountName>>,
    digest: RefCell<String>,
    /// What the files say when they are read again.
    files: RefCell<Option<Vec<(AccountName, Timing)>>>,
}

impl Work for Crew {
    type Loaded = Vec<(AccountName, Timing)>;

    fn timings(&self) -> Vec<(AccountName, Timing)> {
        self.0.timings.borrow().clone()
    }

    async fn take(&self, account: &AccountName) -> Taken {
        if self.0.held.get() {
            return Taken::Held { by: "pid 1".to_owned() };
        }
        self.0.owned.borrow_mut().push(account.clone());
        Taken::Owned { last: self.0.last.get() }
    }

    fn give_up(&self, account: &AccountName) {
        self.0.owned.borrow_mut().retain(|owned| owned != account);
    }

    fn is_owned(&self, account: &AccountName) -> bool {
        self.0.owned.borrow().contains(account)
    }

    async fn run(&self, account: &AccountName) -> Exit {
        let number = {
            let mut runs = self.0.runs.borrow_mut();
            let runs = runs.entry(account.clone()).or_default();
            runs.push(self.0.clock.now());
            runs.len()
        };
        assert!(!self.0.panics.borrow().contains(&number), "the run breaks, as the test wants");
        self.0.at_once.set(self.0.at_once.get() + 1);
        assert_eq!(self.0.at_once.get(), 1, "two runs at once");
        if !self.0.lasts.get().is_zero() {
            tokio::time::sleep(self.0.lasts.get()).await;
        }
        self.0.at_once.set(self.0.at_once.get() - 1);
        self.0.exit.get()
    }

    fn digest(&self) -> String {
        self.0.digest.borrow().clone()
    }

    fn load(&self) -> Result<Self::Loaded, Refused> {
        let files = self.0.files.borrow().clone();
        files.ok_or_else(|| Refused::Mistakes("line 1".to_owned()))
    }

    fn about(loaded: &Self::Loaded) -> (usize, String) {
        (loaded.len(), "hash".to_owned())
    }

    fn adopt(&self, loaded: Self::Loaded) {
        assert_eq!(self.0.at_once.get(), 0, "new files are used while nothing runs");
        *self.0.timings.borrow_mut() = loaded;
    }

    fn config_hash(&self) -> String {
        "hash".to_owned()
    }
}

#[derive(Debug, Default)]
struct Events(Mutex<Vec<ServiceEvent>>);

impl Observer for Events {
    fn observe(&self, _: &Scope, _: &Event) {}

    fn service(&self, event: &ServiceEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A supervisor with what it works with, to be served.
struct Stage {
    crew: Crew,
    clock: Arc<dyn Clock>,
    events: Arc<Events>,
    stop: CancellationToken,
    asked: Asked,
    health: Arc<Health>,
    turn: Duration,
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn every(cron: &str, zone: Tz) -> Timing {
    Timing::At(Box::new(Schedule::parse(cron, None, zone).unwrap()))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Stage {
    fn new(timings: &[(&str, Timing)]) -> (Self, Arc<SetClock>) {
        let clock = Arc::new(SetClock::starting_at(at(START)));
        (Self::by(Arc::clone(&clock) as Arc<dyn Clock>, timings), clock)
    }

    fn by(clock: Arc<dyn Clock>, timings: &[(&str, Timing)]) -> Self {
        let timings = timings.iter().map(|(account, timing)| (name(account), timing.clone()));
        let inner = Inner {
            clock: Arc::clone(&clock),
            timings: RefCell::new(timings.collect()),
            runs: RefCell::default(),
            at_once: Cell::new(0),
            lasts: Cell::new(Duration::ZERO),
            panics: RefCell::default(),
            exit: Cell::new(Exit::Done),
            last: Cell::new(None),
            held: Cell::new(false),
            owned: RefCell::default(),
            digest: RefCell::default(),
            files: RefCell::new(None),
        };
        Self {
            crew: Crew(Rc::new(inner)),
            health: Arc::new(Health::new(Arc::clone(&clock))),
            clock,
            events: Arc::default(),
            stop: CancellationToken::new(),
            asked: Asked::default(),
            turn: Duration::from_secs(30),
        }
    }

    /// Serves until `script` is through, then stops.
    async fn serve(&self, script: impl Future<Output = ()>) {
        let around = Around {
            clock: Arc::clone(&self.clock),
            observer: Arc::clone(&self.events) as Arc<dyn Observer>,
            stop: self.stop.clone(),
            asked: self.asked.clone(),
            health: Arc::clone(&self.health),
            manager: Manager::of_process(),
            turn: self.turn,
        };
        let local = LocalSet::new();
        let served = local.run_until(async {
            let supervisor = Supervisor::new(around, self.crew.clone()).await.unwrap();
            tokio::join!(supervisor.serve(), async {
                script.await;
                self.stop.cancel();
            })
        });
        served.await;
    }

    fn runs(&self, account: &str) -> Vec<Timestamp> {
        self.crew.0.runs.borrow().get(&name(account)).cloned().unwrap_or_default()
    }

    fn told(&self) -> Vec<ServiceEvent> {
        self.events.0.lock().unwrap().clone()
    }

    fn count(&self, wanted: impl Fn(&ServiceEvent) -> bool) -> usize {
        self.told().iter().filter(|event| wanted(event)).count()
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

/// What croner itself says of a year.
fn year(cron: &str, zone: Tz) -> Vec<Timestamp> {
    let cron: Cron = cron.parse().unwrap();
    let (from, until) = (at(START).with_timezone(&zone), at(START) + TimeDelta::days(365));
    let instants = cron.iter_after(from).map(|instant| instant.to_utc());
    instants.take_while(|instant| *instant < until).collect()
}

// fault: C3
#[tokio::test(start_paused = true)]
async fn a_year_in_four_zones_fires_as_croner_says_with_no_firing_twice_or_lost() {
    let zones = [
        ("paris", Tz::Europe__Paris),
        ("new-york", Tz::America__New_York),
        ("lord-howe", Tz::Australia__Lord_Howe),
        ("utc", Tz::UTC),
    ];
    let crons = [("daily", "15 2 * * *"), ("hourly", "45 * * * *")];
    let accounts = zones
        .iter()
        .flat_map(|(zone, tz)| crons.map(|(often, cron)| (format!("{zone}-{often}"), cron, *tz)));
    let accounts: Vec<_> = accounts.collect();
    let timings: Vec<_> =
        accounts.iter().map(|(name, cron, tz)| (name.as_str(), every(cron, *tz))).collect();
    let (mut stage, _clock) = Stage::new(&timings);
    stage.turn = Duration::from_hours(1);
    stage.serve(pass(Duration::from_secs(365 * 86_400 - 1))).await;
    for (account, cron, zone) in &accounts {
        let expected = year(cron, *zone);
        assert!(expected.len() >= 365, "{account}");
        assert_eq!(stage.runs(account), expected, "{account}");
    }
    let amiss = stage.count(|event| {
        !matches!(
            event,
            ServiceEvent::ScheduleNext { .. }
                | ServiceEvent::Started { .. }
                | ServiceEvent::Stopping { .. }
        )
    });
    assert_eq!(amiss, 0, "nothing was missed, skipped or late");
}

// fault: C6
#[tokio::test(start_paused = true)]
async fn a_run_that_outlasts_its_interval_is_never_joined_by_another() {
    let (stage, _clock) = Stage::new(&[("main", every("0 * * * *", Tz::UTC))]);
    stage.crew.0.lasts.set(Duration::from_mins(210));
    stage.serve(pass(Duration::from_mins(12 * 60 - 1))).await;
    let hours: Vec<_> =
        stage.runs("main").iter().map(|run| (*run - at(START)).num_hours()).collect();
    assert_eq!(hours, [1, 5, 9]);
    let skipped = ServiceEvent::ScheduleSkipped { account: name("main"), skipped: 1 };
    assert_eq!(stage.count(|event| *event == skipped), 8);
}

// fault: K6
#[tokio::test(start_paused = true)]
async fn a_panic_is_one_failed_run_and_the_next_firing_comes() {
    let (stage, _clock) = Stage::new(&[("main", every("0 * * * *", Tz::UTC))]);
    stage.crew.0.panics.borrow_mut().extend([2, 3]);
    stage.serve(pass(Duration::from_mins(5 * 60 + 1))).await;
    assert_eq!(stage.runs("main").len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_person_may_ask_for_a_run_between_firings() {
    let (stage, _clock) =
        Stage::new(&[("main", every("0 3 * * *", Tz::UTC)), ("off", Timing::Off)]);
    stage
        .serve(async {
            pass(Duration::from_mins(10)).await;
            stage.asked.run_now.notify_one();
            pass(Duration::from_mins(10)).await;
        })
        .await;
    let ten_past = at("2026-01-01T00:10:00Z");
    assert_eq!((stage.runs("main"), stage.runs("off")), (vec![ten_past], vec![ten_past]));
}

// fault: C4
#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_over_firings_runs_once() {
    let (stage, clock) = Stage::new(&[("main", every("0 * * * *", Tz::UTC))]);
    stage
        .serve(async {
            pass(Duration::from_mins(90)).await;
            clock.advance(Duration::from_mins(3 * 60 + 20));
            pass(Duration::from_mins(2)).await;
        })
        .await;
    let minutes: Vec<_> =
        stage.runs("main").iter().map(|run| (*run - at(START)).num_minutes()).collect();
    assert_eq!(minutes, [60, 290], "noticed at the next turn");
    let missed = ServiceEvent::ScheduleMissed { account: name("main"), missed: 3, makes_up: true };
    assert_eq!(stage.count(|event| *event == missed), 1, "{:?}", stage.told());
}

// fault: C4
#[tokio::test(start_paused = true)]
async fn what_was_missed_while_the_service_was_down_is_made_up_for_at_its_start() {
    let (stage, _clock) = Stage::new(&[("main", every("0 3 * * *", Tz::UTC))]);
    let began = at("2025-12-28T03:00:00Z");
    stage.crew.0.last.set(Some(LastRun { began, ended: true }));
    stage.serve(pass(Duration::from_mins(1))).await;
    assert_eq!(stage.runs("main"), [at(START)]);
    let missed = ServiceEvent::ScheduleMissed { account: name("main"), missed: 3, makes_up: true };
    assert_eq!(stage.count(|event| *event == missed), 1, "{:?}", stage.told());
}

// fault: C1, C2
#[tokio::test(start_paused = true)]
async fn a_clock_that_leaps_ahead_and_comes_back_neither_floods_nor_silences() {
    let (stage, clock) = Stage::new(&[("main", every("0 3 * * *", Tz::UTC))]);
    let year = i64::try_from(days(365).as_millis()).unwrap();
    stage
        .serve(async {
            pass(Duration::from_hours(1)).await;
            clock.move_by_ms(year);
            pass(Duration::from_mins(1)).await;
            clock.move_by_ms(-year);
            pass(days(2)).await;
        })
        .await;
    let runs = stage.runs("main");
    assert_eq!(runs.len(), 3, "{runs:?}");
    assert_eq!(runs[1..], [at("2026-01-01T03:00:00Z"), at("2026-01-02T03:00:00Z")]);
    assert_eq!(stage.count(|event| matches!(event, ServiceEvent::ClockSetBack { .. })), 1);
}

// fault: Y2
#[tokio::test(start_paused = true)]
async fn a_run_that_could_not_reach_the_api_is_tried_again_before_the_next_firing() {
    let (stage, _clock) = Stage::new(&[("main", every("0 3 * * *", Tz::UTC))]);
    stage.crew.0.exit.set(Exit::Unavailable);
    stage
        .serve(async {
            pass(Duration::from_mins(3 * 60 + 10)).await;
            stage.crew.0.exit.set(Exit::Done);
            pass(Duration::from_hours(12)).await;
        })
        .await;
    let minutes: Vec<_> = stage
        .runs("main")
        .iter()
        .map(|run| (*run - at("2026-01-01T03:00:00Z")).num_minutes())
        .collect();
    assert_eq!(minutes, [0, 1, 3, 7, 15]);
}

// fault: F8, F9
#[tokio::test(start_paused = true)]
async fn an_edited_file_is_seen_by_its_content_and_a_bad_one_changes_nothing() {
    let (stage, _clock) = Stage::new(&[("main", every("0 3 * * *", Tz::UTC))]);
    stage
        .serve(async {
            pass(Duration::from_mins(5)).await;
            *stage.crew.0.digest.borrow_mut() = "bad".to_owned();
            pass(Duration::from_mins(5)).await;
            *stage.crew.0.files.borrow_mut() =
                Some(vec![(name("main"), every("0 4 * * *", Tz::UTC))]);
            *stage.crew.0.digest.borrow_mut() = "good".to_owned();
            pass(Duration::from_hours(5)).await;
        })
        .await;
    assert_eq!(stage.count(|event| matches!(event, ServiceEvent::ConfigRejected { .. })), 1);
    assert_eq!(stage.count(|event| matches!(event, ServiceEvent::ConfigReloaded { .. })), 1);
    assert_eq!(stage.runs("main"), [at("2026-01-01T04:00:00Z")]);
}

// fault: K5
#[tokio::test(start_paused = true)]
async fn files_read_during_a_run_are_used_after_it_for_all_accounts_at_once() {
    let timing = every("0 3 * * *", Tz::UTC);
    let (stage, _clock) = Stage::new(&[("gone", timing)]);
    stage.crew.0.lasts.set(Duration::from_mins(30));
    stage
        .serve(async {
            pass(Duration::from_mins(3 * 60 + 10)).await;
            *stage.crew.0.files.borrow_mut() =
                Some(vec![(name("new"), every("15 3 * * *", Tz::UTC))]);
            stage.asked.reload.notify_one();
            pass(Duration::from_mins(10)).await;
            assert_eq!(stage.crew.timings()[0].0, name("gone"), "the run is under way");
            pass(days(1)).await;
        })
        .await;
    assert_eq!(stage.runs("gone"), [at("2026-01-01T03:00:00Z")]);
    assert_eq!(stage.runs("new"), [at("2026-01-02T03:15:00Z")]);
}

// fault: T1
#[tokio::test(start_paused = true)]
async fn who_finds_the_account_taken_stands_by_and_takes_over() {
    let (stage, _clock) = Stage::new(&[("main", every("0 * * * *", Tz::UTC))]);
    stage.crew.0.held.set(true);
    stage
        .serve(async {
            pass(Duration::from_mins(130)).await;
            stage.crew.0.held.set(false);
            // The other one ran at one o'clock, and died.
            let began = at("2026-01-01T01:00:00Z");
            stage.crew.0.last.set(Some(LastRun { began, ended: true }));
            pass(Duration::from_hours(1)).await;
        })
        .await;
    let minutes: Vec<_> =
        stage.runs("main").iter().map(|run| (*run - at(START)).num_minutes()).collect();
    assert_eq!(minutes, [130, 180], "what the other one missed, and the next firing");
    assert_eq!(stage.count(|event| matches!(event, ServiceEvent::Standby { .. })), 1);
    assert_eq!(stage.count(|event| matches!(event, ServiceEvent::TakenOver { .. })), 1);
}

// fault: Y3
#[tokio::test(start_paused = true)]
async fn the_supervisor_shows_life_while_a_run_waits_for_hours() {
    let (stage, clock) = Stage::new(&[("main", every("0 * * * *", Tz::UTC))]);
    stage.crew.0.lasts.set(Duration::from_hours(3));
    stage
        .serve(async {
            for _ in 0..200 {
                pass(Duration::from_mins(1)).await;
                assert!(stage.health.is_alive());
            }
        })
        .await;
    let later = clock.monotonic() + Duration::from_mins(2);
    tokio::time::sleep_until(later).await;
    assert!(!stage.health.is_alive(), "a loop that does not turn is dead");
}

/// Real seconds: whether the alarm that the machine's clock drives rings at all, and no later than it may.
#[tokio::test]
async fn the_real_alarm_rings_every_second() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let began = clock.now();
    let stage = Stage::by(Arc::clone(&clock), &[("main", every("* * * * * *", Tz::UTC))]);
    stage
        .serve(async {
            while stage.runs("main").len() < 3 {
                pass(Duration::from_millis(20)).await;
                assert!(clock.now() - began < TimeDelta::seconds(60), "it does not ring");
            }
        })
        .await;
    let runs = stage.runs("main");
    assert!(runs.windows(2).all(|pair| pair[0].timestamp() < pair[1].timestamp()), "{runs:?}");
}

/// Alarms are set and cleared by the thousand, reloads and firings besides: nothing of them stays.
#[tokio::test]
async fn a_thousand_firings_and_reloads_leave_no_task_behind() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stage = Stage::by(clock, &[("main", every("0 3 1 1 *", Tz::UTC))]);
    *stage.crew.0.files.borrow_mut() = Some(stage.crew.timings());
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    stage
        .serve(async {
            let reloaded =
                |event: &ServiceEvent| matches!(event, ServiceEvent::ConfigReloaded { .. });
            let mut seen = Vec::new();
            for round in 1..=1_000 {
                stage.asked.run_now.notify_one();
                until(|| stage.runs("main").len() == round).await;
                stage.asked.reload.notify_one();
                until(|| stage.count(reloaded) > 0).await;
                stage.events.0.lock().unwrap().clear();
                seen.push(tasks());
            }
            let (early, late) = (seen[10], seen[999]);
            assert!(late <= early + 20, "{late} tasks; {early} after ten rounds");
        })
        .await;
}

/// Panics at the first deletion it is told of.
#[derive(Debug)]
struct Tripwire(std::sync::atomic::AtomicBool);

impl Observer for Tripwire {
    fn observe(&self, _: &Scope, event: &Event) {
        let is_deletion = matches!(event, Event::BatchDeleted { .. });
        let springs = is_deletion && self.0.swap(false, std::sync::atomic::Ordering::SeqCst);
        assert!(!springs, "the run breaks, as the test wants");
    }

    fn service(&self, _: &ServiceEvent) {}
}

/// A crew of one account with three batches to delete, and what is around it.
struct Ashore {
    emulator: Emulator,
    crew: super::crew::Crew,
    metrics: Arc<Metrics>,
    state: State,
    folder: tempfile::TempDir,
    _running: Running,
}

impl Ashore {
    async fn new(observer: Arc<dyn Observer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = at(START) + TimeDelta::days(360);
        let clock: Arc<dyn Clock> = Arc::new(SetClock::starting_at(now));
        let emulator = Emulator::new(Product::SerpWow, "KEY0", Arc::clone(&clock));
        for n in 0..3 {
            let long_ago = now - TimeDelta::days(30);
            let record = Record::new(format!("AA00000{n}"), "tmp", long_ago).ran_at(long_ago);
            emulator.insert(record);
        }
        let running = emulator.start().await.unwrap();
        let text = format!(
            "dry_run = false\n[guards]\nmax_delete_percent = \"off\"\n[accounts.main]\nproduct = \
             \"serpwow\"\nbase_url = \"{}\"\n[state]\nurl = \"sqlite:{}\"\n[delete.tmp]\nname = \
             \"tmp\"\nolder_than = \"7d\"\n",
            running.base_url(),
            folder.path().join("state.db").display(),
        );
        let env = Environment::from_iter([("BATCHSWEEP_API_KEY", "KEY0")]);
        let config = config::load_text("test.toml", &text, &env).unwrap();
        let stop = CancellationToken::new();
        let stopped_by = Arc::default();
        let setting =
            Setting { env: env.clone(), clock, observer, desk: None, seed: 1, stop, stopped_by };
        let mut fleet = Fleet::new(config, setting);
        let clock = Arc::clone(&fleet.setting().clock);
        let metrics = Arc::new(Metrics::new(Of::Service, clock, fleet.served()));
        fleet.tell_also(Arc::<Metrics>::clone(&metrics));
        let state = fleet.state().await.unwrap();
        let request = Request { path: None, env, dry_run: DryRun::AsConfigured };
        let files = Files { request, accounts: Vec::new() };
        let crew = super::crew::Crew::new(fleet, files, state.clone(), Arc::clone(&metrics), None);
        Self { emulator, crew, metrics, state, folder, _running: running }
    }
}

// fault: K6
#[tokio::test(start_paused = true)]
async fn a_run_that_panics_is_written_down_as_failed_and_the_next_one_settles_it() {
    let Ashore { emulator, crew, state, folder: _folder, _running, .. } =
        Ashore::new(Arc::new(Tripwire(true.into()))).await;
    let main = name("main");
    assert!(matches!(crew.take(&main).await, Taken::Owned { last: None }));
    assert_eq!(crew.run(&main).await, Exit::Internal);
    let broken = state.last_runs().await.unwrap().remove(&main).unwrap().end.unwrap();
    assert_eq!((broken.exit_code, broken.outcome.as_str()), (70, "failed"));
    assert_eq!(emulator.count(), 2, "one went before it broke");
    assert!(!crew.is_owned(&main), "the account was given up");
    assert!(matches!(
        crew.take(&main).await,
        Taken::Owned { last: Some(LastRun { ended: true, .. }) }
    ));
    assert_eq!(crew.run(&main).await, Exit::Done);
    assert_eq!(emulator.count(), 0);
    let open = state.open_intents(&main).await.unwrap();
    assert!(open.is_empty(), "{open:?}");
    crew.leave().await;
}

// fault: T3
#[tokio::test(start_paused = true)]
async fn a_right_that_was_lost_between_two_runs_is_asked_for_anew() {
    let Ashore { emulator, crew, state: _state, folder, _running, .. } =
        Ashore::new(Arc::new(Events::default())).await;
    let main = name("main");
    assert!(matches!(crew.take(&main).await, Taken::Owned { .. }));
    let locks = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let locks: Vec<_> =
        locks.filter(|path| path.to_string_lossy().ends_with("-lock-main")).collect();
    assert_eq!(locks.len(), 1, "{locks:?}");
    std::fs::remove_file(&locks[0]).unwrap();
    assert_eq!(crew.run(&main).await, Exit::Done);
    assert_eq!(emulator.count(), 0);
    crew.leave().await;
}

#[tokio::test(start_paused = true)]
async fn metrics_are_seeded_from_the_state_so_that_a_restart_trips_no_alert() {
    let Ashore { emulator, crew, metrics, state, folder: _folder, _running } =
        Ashore::new(Arc::new(Events::default())).await;
    let main = name("main");
    let mut kept = Record::new("BB000001", "kept", at("2025-01-01T00:00:00Z"));
    kept = kept.ran_at(at("2025-01-01T00:00:00Z"));
    emulator.insert(kept);
    assert!(matches!(crew.take(&main).await, Taken::Owned { .. }));
    assert_eq!(crew.run(&main).await, Exit::Done);
    let (fleet, text) = (crew.fleet(), metrics.classic());
    let again = Metrics::new(Of::Service, Arc::clone(&fleet.setting().clock), fleet.served());
    let seed = fleet.seed(&state, &main, Listed::ToRecall).await.unwrap();
    again.recall(&main, &seed);
    let seeded = again.classic();
    let lines = |text: &str, name: &str| -> Vec<String> {
        let named = text.lines().filter(|line| line.starts_with(name)).map(str::to_owned);
        let mut named: Vec<_> = named.collect();
        named.sort_unstable();
        named
    };
    for name in ["batchsweep_last_run_", "batchsweep_last_success_", "batchsweep_guard_tripped"] {
        assert_eq!(lines(&seeded, name), lines(&text, name), "{name}");
    }
    assert!(text.contains("batchsweep_account_owned{account=\"main\"} 1.0\n"), "{text}");
    assert!(text.contains("batchsweep_inventory_batches{account=\"main\",status=\"idle\"} 1.0\n"));
    assert!(
        seeded.contains("batchsweep_inventory_batches{account=\"main\",status=\"unknown\"} 1.0\n"),
        "{seeded}"
    );
    let deleted =
        "batchsweep_deletions_total{account=\"main\",rule=\"tmp\",outcome=\"deleted\"} 3\n";
    assert!(text.contains(deleted), "{text}");
    assert!(
        text.contains(
            "batchsweep_api_requests_total{account=\"main\",operation=\"delete\",code=\"2xx\"} 3\n"
        ),
        "{text}"
    );
    crew.leave().await;
    assert!(metrics.classic().contains("batchsweep_account_owned{account=\"main\"} 0.0\n"));
}
