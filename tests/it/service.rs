//! The service as a process: signals, reloads, the service manager, and what stops it from beginning.
//!
//! Not here: schedules and the supervisor's loop under a clock that tests move (`daemon`).

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use batchsweep::clock::{Clock, SetClock, Timestamp};
use batchsweep::emulator::{Answer, Effect, Fault, Operation};

use crate::crash::assert_same;
use crate::told::{assert_nothing_deleted, assert_told};
use crate::victim::{Site, Victim, still};
use crate::world::{KEY, NOW, OPEN, TMP, World, id};

/// A service that runs when it is asked to, and never by itself.
const BY_HAND: &str = "[schedule]\ncron = \"0 3 29 2 *\"\n[server]\nlisten = \"off\"\n";

/// An account with so many batches to delete, and a service for it.
async fn site(batches: usize, schedule: &str) -> Site {
    let site = Site::new().await;
    for n in 0..batches {
        site.insert(n, &format!("tmp-{n}"));
    }
    site.file(&format!("{schedule}{}", site.account("main", KEY)));
    site
}

async fn ready(service: &mut Victim) {
    let path = service.log();
    service.until("it is ready", || path.events("service.started") == 1).await;
}

async fn until_event(service: &mut Victim, name: &str, count: usize) {
    let log = service.log();
    service.until(name, || log.events(name) >= count).await;
}

#[test]
fn a_service_fires_on_time_and_ends_well_at_a_signal() {
    for signal in ["TERM", "INT"] {
        still(async {
            let every_second = "[schedule]\ncron = \"* * * * * *\"\n[server]\nlisten = \"off\"\n";
            let site = site(3, every_second).await;
            let mut service = site.serve(&[]);
            until_event(&mut service, "run.finished", 2).await;
            assert_eq!(site.emulator.count(), 0);
            service.signal(signal);
            let done = service.end().await;
            assert_eq!(done.status.code(), Some(0), "{signal}: {done:?}");
            assert!(done.err.contains("service.stopping"), "{done:?}");
            assert_same(&site.history().await, &site.emulator);
        });
    }
}

// fault: K3
#[test]
fn a_signal_in_mid_sweep_finishes_the_deletion_in_flight_and_begins_no_other() {
    still(async {
        let site = site(10, BY_HAND).await;
        let late = Duration::from_secs(1);
        site.emulator.script(Fault::on(Operation::Delete).then(Effect::Delay(late)));
        let mut service = site.serve(&[]);
        ready(&mut service).await;
        service.signal("USR1");
        service.until("a DELETE", || site.calls(Operation::Delete).0 == 1).await;
        service.signal("TERM");
        until_event(&mut service, "service.stopping", 1).await;
        tokio::time::advance(late).await;
        let done = service.end().await;
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        assert_eq!((site.emulator.deleted().len(), site.emulator.count()), (1, 9));
        assert_same(&site.history().await, &site.emulator);
        site.emulator.clear_script();
        let next = site.once().end().await;
        assert_eq!(
            (next.status.code(), next.settled()),
            (Some(0), 0),
            "nothing was open: {next:?}"
        );
    });
}

// fault: K4
#[test]
fn a_second_signal_ends_the_service_at_once_and_the_next_start_settles() {
    still(async {
        let site = site(3, BY_HAND).await;
        site.emulator.script(Fault::on(Operation::Delete).once().then(Effect::Hang).after_commit());
        let mut service = site.serve(&[]);
        ready(&mut service).await;
        service.signal("USR1");
        service.until("a DELETE", || site.calls(Operation::Delete).0 == 1).await;
        service.signal("TERM");
        until_event(&mut service, "service.stopping", 1).await;
        service.signal("TERM");
        let done = service.end().await;
        assert_eq!(done.status.code(), Some(143), "{done:?}");
        // The run that was cut off counts as missed: it is made up for without being asked.
        let mut again = site.serve(&[]);
        until_event(&mut again, "run.finished", 1).await;
        assert!(again.settled() > 0, "{}", again.told());
        again.signal("TERM");
        assert_eq!(again.end().await.status.code(), Some(0));
        assert_eq!(site.emulator.count(), 0);
        assert_same(&site.history().await, &site.emulator);
    });
}

// fault: K5, F8
#[test]
fn a_reload_is_used_from_the_next_run_on_and_a_bad_file_never() {
    still(async {
        let site = site(2, BY_HAND).await;
        let late = Duration::from_secs(1);
        site.emulator.script(Fault::on(Operation::Delete).once().then(Effect::Delay(late)));
        let mut service = site.serve(&[]);
        ready(&mut service).await;
        service.signal("USR1");
        service.until("a DELETE", || site.calls(Operation::Delete).0 == 1).await;

        let kept = "[keep.all]\nname = \"tmp-*\"\nmay_be_empty = true\n";
        let account = site.account("main", KEY);
        site.file(&format!("{BY_HAND}{kept}{account}"));
        service.signal("HUP");
        until_event(&mut service, "config.reloaded", 1).await;
        tokio::time::advance(late).await;
        until_event(&mut service, "run.finished", 1).await;
        assert_eq!(site.emulator.count(), 0, "the run went on as it began");

        site.insert(7, "tmp-7");
        service.signal("USR1");
        until_event(&mut service, "run.finished", 2).await;
        assert_eq!(site.emulator.count(), 1, "kept by the new rule");

        site.file(&format!("{BY_HAND}[keep.all]\nnam = \"tmp-*\"\n{account}"));
        service.signal("HUP");
        until_event(&mut service, "config.rejected", 1).await;
        let told = service.told();
        let line = told.lines().find(|line| line.contains("config.rejected")).unwrap();
        assert!(line.contains("unknown key `nam`") && line.contains("config.toml:"), "{line}");
        service.signal("USR1");
        until_event(&mut service, "run.finished", 3).await;
        assert_eq!(site.emulator.count(), 1, "the rules that were good stay");
        service.signal("TERM");
        assert_eq!(service.end().await.status.code(), Some(0));
    });
}

#[test]
fn what_only_a_new_start_can_change_is_refused_by_name() {
    still(async {
        let site = site(0, BY_HAND).await;
        let mut service = site.serve(&[]);
        ready(&mut service).await;
        let account = site.account("main", KEY);
        site.file(&format!("{}{account}", BY_HAND.replace("off", "127.0.0.1:1")));
        service.signal("HUP");
        until_event(&mut service, "config.rejected", 1).await;
        assert!(service.told().contains("`server.listen` was changed"), "{}", service.told());
        site.file(&format!("{BY_HAND}# an edit\n{account}"));
        std::fs::remove_file(site.folder.path().join("main")).unwrap();
        service.signal("HUP");
        until_event(&mut service, "config.rejected", 2).await;
        assert!(service.told().contains("account `main`: "), "{}", service.told());
        service.signal("TERM");
        assert_eq!(service.end().await.status.code(), Some(0));
    });
}

// fault: K8
#[test]
fn a_service_whose_log_nobody_reads_goes_on() {
    still(async {
        let site = site(3, BY_HAND).await;
        let mut command = site.command(&[], &["run", "-vv"]);
        let piped = || std::process::Stdio::piped();
        let mut child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
        drop(child.stdout.take());
        // Read until it is ready, and never again.
        let mut reader = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("service.started") {
            line.clear();
            std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
        }
        drop(reader);
        let signal = |name: &str| {
            let script = r#"kill -s "$1" "$2""#;
            let pid = child.id().to_string();
            let args = ["-c", script, "sh", name, &pid];
            assert!(std::process::Command::new("sh").args(args).status().unwrap().success());
        };
        signal("USR1");
        while site.emulator.count() > 0 {
            tokio::task::yield_now().await;
        }
        signal("TERM");
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_same(&site.history().await, &site.emulator);
    });
}

/// A service manager that notes what it is told.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn new(site: &Site) -> Self {
        let path = site.folder.path().join("notify").display().to_string();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path }
    }

    fn heard(&self) -> Option<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    /// The next message that begins so.
    async fn until(&self, start: &str) -> String {
        loop {
            match self.heard() {
                Some(message) if message.starts_with(start) => return message,
                Some(_) => {}
                None => tokio::task::yield_now().await,
            }
        }
    }
}

#[test]
fn the_service_manager_is_told_of_readiness_reloads_and_the_end() {
    still(async {
        let site = site(0, BY_HAND).await;
        let manager = Manager::new(&site);
        let service = site.serve(&[("NOTIFY_SOCKET", &manager.path)]);
        let ready = manager.until("READY=1").await;
        assert!(ready.contains("STATUS=next: main at 2028-02-29 03:00:00 UTC"), "{ready}");
        service.signal("HUP");
        let reloading = manager.until("RELOADING=1").await;
        assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
        manager.until("READY=1").await;
        service.signal("TERM");
        manager.until("STOPPING=1").await;
        assert_eq!(service.end().await.status.code(), Some(0));
    });
}

// fault: Y3
#[test]
fn the_watchdog_is_fed_while_the_api_asks_for_a_long_pause() {
    still(async {
        let site = site(1, BY_HAND).await;
        let manager = Manager::new(&site);
        let asks = Answer::refused(429, "emulated").header("retry-after", "900");
        site.emulator.script(Fault::on(Operation::List).first(1).then(Effect::Answer(asks)));
        let env = [("NOTIFY_SOCKET", manager.path.as_str()), ("WATCHDOG_USEC", "200000")];
        let mut service = site.serve(&env);
        ready(&mut service).await;
        service.signal("USR1");
        until_event(&mut service, "api.paused", 1).await;
        while manager.heard().is_some() {}
        for _ in 0..5 {
            manager.until("WATCHDOG=1").await;
        }
        // A program that hangs says nothing.
        service.signal("STOP");
        while manager.heard().is_some() {}
        service.signal("CONT");
        service.signal("TERM");
        assert_eq!(service.end().await.status.code(), Some(0));
    });
}

#[test]
fn probes_are_answered_while_it_serves_and_nobody_answers_after() {
    still(async {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listens = BY_HAND.replace("off", &format!("127.0.0.1:{port}"));
        let site = site(0, &listens).await;
        let mut service = site.serve(&[]);
        ready(&mut service).await;
        for (args, answer) in
            [(&["healthcheck"][..], "alive\n"), (&["healthcheck", "--ready"], "ready\n")]
        {
            let asked = site.run(args).await;
            assert_eq!((asked.status.code(), asked.out.as_str()), (Some(0), answer), "{asked:?}");
        }
        // Another one cannot listen there, and says so before it does anything.
        let second = site.serve(&[]).end().await;
        assert_eq!(second.status.code(), Some(78), "{second:?}");
        assert!(second.err.contains("nothing can listen at 127.0.0.1:"), "{second:?}");
        service.signal("TERM");
        assert_eq!(service.end().await.status.code(), Some(0));
        let asked = site.run(&["healthcheck"]).await;
        assert_eq!(asked.status.code(), Some(1), "{asked:?}");
        assert!(asked.err.contains("nobody answers at 127.0.0.1:"), "{asked:?}");
    });
}

#[test]
fn without_a_server_in_the_file_nothing_listens() {
    still(async {
        let quiet = BY_HAND.replace("[server]\nlisten = \"off\"\n", "");
        let site = site(0, &quiet).await;
        let mut service = site.serve(&[]);
        ready(&mut service).await;
        let sockets = service.listening();
        assert_eq!(sockets, 0, "nothing listens");
        let asked = site.run(&["healthcheck"]).await;
        assert_eq!(asked.status.code(), Some(1), "{asked:?}");
        assert!(asked.err.contains("the file has no `[server]`"), "{asked:?}");
        service.signal("TERM");
        assert_eq!(service.end().await.status.code(), Some(0));
    });
}

#[test]
fn the_page_shows_what_a_run_did_also_where_nothing_outlives_the_process() {
    still(async {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listens = BY_HAND.replace("off", &format!("127.0.0.1:{port}"));
        for url in [None, Some("memory:")] {
            let site = site(3, &listens).await;
            site.insert(7, "prod-1");
            let env = url.map(|url| ("BATCHSWEEP__STATE__URL", url));
            let mut service = site.serve(env.as_slice());
            ready(&mut service).await;
            assert_eq!(service.listening(), 1);
            service.signal("USR1");
            until_event(&mut service, "run.finished", 1).await;
            let page = page(port, "/plan").await;
            assert!(page.contains("1–1 of 1 batch") && page.contains("prod-1"), "{url:?}: {page}");
            let page = self::page(port, "/runs").await;
            assert!(page.contains("3 deleted") && !page.contains(KEY), "{url:?}: {page}");
            service.signal("TERM");
            assert_eq!(service.end().await.status.code(), Some(0));
        }
    });
}

/// A page of a service, as a browser without any comfort gets it.
async fn page(port: u16, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    answer
}

// fault: T1
#[test]
fn a_second_service_stands_by_and_takes_over_when_the_first_is_gone() {
    still(async {
        let site = site(2, BY_HAND).await;
        let mut first = site.serve(&[]);
        ready(&mut first).await;
        // Signs of life every tenth of a second: it looks as often whether the first is gone.
        let manager = Manager::new(&site);
        let env = [("NOTIFY_SOCKET", manager.path.as_str()), ("WATCHDOG_USEC", "200000")];
        let mut second = site.serve(&env);
        ready(&mut second).await;
        assert_eq!(second.events("account.standby"), 1, "{}", second.told());
        // `once` does not stand by.
        let once = site.once().end().await;
        assert_eq!(once.status.code(), Some(5), "{once:?}");
        second.signal("USR1");
        assert!(first.kill());
        let log = second.log();
        let heard = |name: &str| {
            while manager.heard().is_some() {}
            log.events(name) > 0
        };
        second.until("it takes over", || heard("account.taken")).await;
        second.signal("USR1");
        second.until("its run", || heard("run.finished")).await;
        assert_eq!(site.emulator.count(), 0);
        second.signal("TERM");
        assert_eq!(second.end().await.status.code(), Some(0));
    });
}

/// A service that must not begin: the case, its exit code, words of the error, and what is wrong.
type Beginning<'a> = (&'a str, u8, &'a [&'a str], &'a dyn Fn(&mut World));

// fault: Y1, Y4, Y7
#[tokio::test(start_paused = true)]
async fn what_stops_a_service_from_beginning_is_told_before_anything_is_sent() {
    let scheduled = format!("{OPEN}{TMP}{BY_HAND}");
    let cases: [Beginning<'_>; 5] = [
        ("a bad file", 78, &["unknown key `cronn`"], &|world| {
            world.file("[schedule]\ncronn = \"1\"\n");
        }),
        ("no schedule", 78, &["there is no schedule for `main`", "cron = "], &|world| {
            world.file(&format!("{OPEN}{TMP}"));
        }),
        ("no key", 78, &["account `main`: there is no key", "nothing was deleted"], &|world| {
            world.set("BATCHSWEEP_API_KEY", None);
        }),
        ("a state nowhere", 74, &["folder /proc/nowhere", "nothing was deleted"], &|world| {
            world.set("BATCHSWEEP__STATE__URL", Some("sqlite:/proc/nowhere/state.db"));
        }),
        (
            "an address of another machine",
            78,
            &["nothing can listen at 192.0.2.1:9464"],
            &|world| {
                world.set("BATCHSWEEP__SERVER__LISTEN", Some("192.0.2.1:9464"));
            },
        ),
    ];
    for (case, code, words, spoil) in cases {
        let mut world = World::with_tmp(2).await;
        world.file(&scheduled);
        spoil(&mut world);
        let ran = world.run(&["run"]).await;
        assert_told(case, &ran, code, words);
        assert!(world.emulator.log().is_empty(), "{case}: something was sent");
    }
}

/// A service in this very process, until a script is through.
async fn serving(
    world: &World,
    clock: &Arc<dyn Clock>,
    script: impl Future<Output = ()>,
) -> String {
    let args = ["run", "--log-format", "json"];
    let served = async {
        tokio::join!(Box::pin(world.run_by(Arc::clone(clock), &args)), async {
            script.await;
            world.stop.by_signal(15);
        })
    };
    let (ran, ()) = served.await;
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.err
}

fn events(log: &str, name: &str) -> usize {
    let event = format!("\"event\":\"{name}\"");
    log.lines().filter(|line| line.contains(&event)).count()
}

const DAILY: &str = "[schedule]\ncron = \"0 3 * * *\"\n[server]\nlisten = \"off\"\n";

async fn daily(batches: usize) -> World {
    let world = World::with_tmp(batches).await.remembering();
    world.file(&format!("{OPEN}{TMP}{DAILY}"));
    world
}

// fault: Y2
#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_reach_the_api_is_ready_and_tries_again() {
    let mut world = daily(2).await;
    let base_url = world.base_url();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = format!("http://{closed}/live");
    world.set("BATCHSWEEP__ACCOUNTS__MAIN__BASE_URL", Some(&away));
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let log = serving(&world, &clock, tokio::time::sleep(Duration::from_hours(16))).await;
    assert_eq!(events(&log, "service.started"), 1, "{log}");
    assert!(events(&log, "run.finished") > 2, "tried again: {log}");
    assert!(log.contains("\"exit_code\":75"), "{log}");
    assert_ne!(base_url, away);
    assert!(world.emulator.log().is_empty());
}

// fault: C1
#[tokio::test(start_paused = true)]
async fn a_clock_that_leaps_a_year_ahead_deletes_nothing_and_the_schedule_survives_it() {
    let world = daily(2).await;
    let program = Arc::new(SetClock::starting_at(NOW.parse().unwrap()));
    let clock = Arc::clone(&program) as Arc<dyn Clock>;
    let year_ms = 365 * 86_400_000;
    let log = serving(&world, &clock, async {
        tokio::time::sleep(Duration::from_hours(1)).await;
        program.move_by_ms(year_ms);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert!(world.emulator.destructive().is_empty(), "a year ahead of the server");
        program.move_by_ms(-year_ms);
        tokio::time::sleep(Duration::from_hours(24)).await;
    })
    .await;
    assert!(log.contains("max_clock_skew"), "{log}");
    assert_eq!(world.emulator.count(), 0, "what was due went when the clock was right: {log}");
    world.assert_safe();
}

// fault: C2
#[tokio::test(start_paused = true)]
async fn a_clock_behind_the_last_listing_or_the_making_of_the_program_deletes_nothing() {
    for (case, time) in [("behind", "2026-11-24T10:00:00Z"), ("ages ago", "1970-01-02T00:00:00Z")] {
        let world = daily(0).await;
        assert_eq!(world.run(&["once"]).await.code, 0, "{case}");
        let late = [("BATCHSWEEP__GUARDS__NEVER_YOUNGER_THAN", "0s")];
        world.emulator.insert(world.old(&id(1), "tmp-1"));
        // The server's clock went the same way, so that the two agree.
        let back: Timestamp = time.parse().unwrap();
        let by = back - world.clock.now();
        world.clock.move_by_ms(by.num_milliseconds());
        let ran = world.run_with(&late, &["once"]).await;
        let words = ["max_clock_skew", "behind an instant that has passed"];
        assert_nothing_deleted(case, &world, &ran, 3, &words);
    }
}

/// What a child of the test below is told by.
const CHILD: &str = "BATCHSWEEP_TEST_SERVICE_CHILD";

/// How many rounds, if somebody asks for more than these.
const ROUNDS: (&str, usize) = ("BATCHSWEEP_TEST_ROUNDS", 200);

/// Growth that is allowed after the first quarter of the rounds, of memory as the kernel counts it: the
/// emulator and the allocator live in the same process.
const GROWTH_KIB: u64 = 2 * 1024;

/// In a process of its own, since other tests grow too.
#[test]
fn firings_and_reloads_without_end_grow_neither_memory_nor_open_files() {
    if std::env::var_os(CHILD).is_some() {
        return many_rounds();
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "service::firings_and_reloads_without_end_grow_neither_memory_nor_open_files";
    let ran = child.args(["--exact", "--nocapture", name]).env(CHILD, "1").output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn many_rounds() {
    let rounds = std::env::var_os(ROUNDS.0)
        .map_or(ROUNDS.1, |rounds| rounds.to_str().unwrap().parse().unwrap());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::with_tmp(0).await.remembering();
        for n in 0..20 {
            world.emulator.insert(world.old(&id(n), "prod"));
        }
        let minutely = "[schedule]\ncron = \"* * * * *\"\n[server]\nlisten = \"off\"\n";
        let file = |round: usize| world.file(&format!("{OPEN}{TMP}{minutely}# edit {round}\n"));
        file(0);
        let script = async {
            let (mut seen, mut runs) = (Vec::new(), 0);
            for round in 1..=rounds {
                file(round);
                tokio::time::sleep(Duration::from_mins(1)).await;
                runs += world.emulator.count_of(Operation::List);
                world.emulator.clear_log();
                seen.push(used());
            }
            let (before, after) = (seen[rounds / 4], seen[rounds - 1]);
            // The last firing may not have begun yet.
            assert!(runs + 1 >= rounds, "{runs} runs");
            let told = format!("KiB and open files: {before:?}, then {after:?}\n");
            std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
            assert!(after.0 <= before.0 + GROWTH_KIB, "KiB in memory: {before:?}, then {after:?}");
            assert_eq!(before.1, after.1, "open files");
            world.stop.by_signal(15);
        };
        let (ran, ()) = tokio::join!(Box::pin(world.run(&["run", "-qq"])), script);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    });
}

/// Memory in KiB and open files of this process.
fn used() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (kib, std::fs::read_dir("/proc/self/fd").unwrap().count())
}
