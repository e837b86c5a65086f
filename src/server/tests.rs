//! The server on sockets: what slow, greedy and many visitors come to. What pages say is in `tests/it/pages.rs`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::health::Health;
use super::{Around, Hand, Memory, Sight, connections, listen, serve};
use crate::clock::{Clock, SetClock};
use crate::config::{self, DryRun, Request};
use crate::observe::board::Board;
use crate::observe::metrics::{Metrics, Of};
use crate::state::{Location, State};

async fn sight() -> Sight {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "[accounts.main]\nproduct = \"serpwow\"\n").unwrap();
    let env = [("BATCHSWEEP__STATE__URL", "memory:")].into_iter().collect();
    let config = config::load(&Request { path: Some(path), env, dry_run: DryRun::AsConfigured });
    let clock: Arc<dyn Clock> =
        Arc::new(SetClock::starting_at("2026-11-24T12:00:00Z".parse().unwrap()));
    let location = Location::parse("memory:", |_| None).unwrap();
    let state = State::open(&location, clock.now()).await.unwrap();
    let health = Arc::new(Health::new(Arc::clone(&clock)));
    let board = Board::new(Arc::clone(&clock));
    let metrics = Arc::new(Metrics::new(Of::Service, Arc::clone(&clock), Vec::new()));
    let (memory, hand) = (Memory::Shared(state), Hand::Shell(None));
    Sight::new(Arc::new(config.unwrap()), Around { clock, board, metrics, health, memory, hand })
}

/// A server on this thread, under time that tests move.
async fn served() -> (SocketAddr, CancellationToken, JoinSet<()>) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let mut serving = JoinSet::new();
    serving.spawn(connections::serve(listener, sight().await, stop.clone()));
    (address, stop, serving)
}

/// Says something, and takes whatever comes until the other side ends.
async fn told(address: SocketAddr, said: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut answer, mut wrote) = (Vec::new(), stream.write_all(said.as_bytes()).await);
    if wrote.is_ok() {
        wrote = stream.read_to_end(&mut answer).await.map(drop);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(wrote.is_ok() || !answer.contains("200 OK"), "{wrote:?}: {answer}");
    answer
}

// fault: X8
#[tokio::test(start_paused = true)]
async fn whoever_is_slow_says_too_much_or_says_nonsense_is_let_go() {
    let (address, stop, mut serving) = served().await;
    let began = tokio::time::Instant::now();
    let slow = told(address, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
    assert!(!slow.contains("200 OK"), "{slow}");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(10), "{waited:?}");
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1 << 20));
    assert!(!told(address, &long).await.contains("200 OK"));
    let headers = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(1_000));
    assert!(!told(address, &headers).await.contains("200 OK"));
    let nonsense = told(address, "\u{16}\u{3}\u{1} hello\r\n\r\n").await;
    assert!(nonsense.starts_with("HTTP/1.1 400") || nonsense.is_empty(), "{nonsense}");
    // Who asks once and then holds the line is let go as well; who asks well is answered.
    let idle = told(address, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200 OK") && idle.ends_with("alive\n"), "{idle}");
    stop.cancel();
    serving.join_next().await.unwrap().unwrap();
}

// fault: X8, K9
#[tokio::test(start_paused = true)]
async fn many_idle_visitors_keep_nobody_out_for_long() {
    let (address, stop, mut serving) = served().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let answer =
        told(address, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not ready yet"), "{answer}");
    stop.cancel();
    serving.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_has_a_thread_of_its_own_and_is_gone_when_it_is_dropped() {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve(listener, sight().await).unwrap();
    // This thread does nothing else meanwhile: it is not the one that answers.
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    drop(serving);
    assert!(TcpListener::bind(address).is_ok(), "nobody listens there any more");
}
