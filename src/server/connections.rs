//! Connections: how many, and for how long. Whoever is slow, or says too much, is let go.
//!
//! Not here: what is answered. Invariant: every wait, head and number of connections is bounded.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::sight::Sight;

/// Connections at once. A browser opens six, a Prometheus one.
const CONNECTIONS: usize = 128;

/// How long the head of a request may take, and how long a connection may wait for one.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection may last in all, whoever reads ever so slowly.
const LIMIT: Duration = Duration::from_mins(2);

/// The head of a request, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

/// After a failed accept (out of file descriptors), so as not to spin.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// How often it is looked at whether anybody has asked lately.
const TIDY: Duration = Duration::from_mins(2);

/// Answers until it is told to stop.
pub(super) async fn serve(listener: TcpListener, sight: Sight, stop: CancellationToken) {
    let router = super::router(sight.clone());
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut quiet = tokio::time::interval(TIDY);
    quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => {}
            _ = quiet.tick() => sight.tidy().await,
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, place)) => {
                    connections.spawn(connection(stream, router.clone(), place));
                }
                Err(_out_of_something) => tokio::time::sleep(AFTER_FAILURE).await,
            },
        }
    }
}

/// A place first: who finds none waits in the kernel's queue.
async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _peer) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(stream: TcpStream, router: Router, _place: OwnedSemaphorePermit) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever ends it, only who asked is concerned.
    drop(tokio::time::timeout(LIMIT, connection).await);
}
