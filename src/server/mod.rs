//! The server: what an operator sees without a terminal. Probes, metrics, pages, and the same as JSON.
//!
//! It shows and does nothing: every answer is to a GET, and there is no call of the API, no key and no
//! right to delete within its reach. It has a thread of its own, so that nobody who looks delays a sweep, and
//! a hung service is found out by whoever asks. `gate` says who may ask, `sight` is what is seen, `page` and
//! `api` show it.
//! Not here: what is going on (`observe::board`), what a run would do (`run::outlook`).

mod api;
mod ask;
mod connections;
mod find;
mod gate;
pub mod health;
mod page;
mod sight;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

pub use sight::{Around, Hand, Memory, Sight};

/// Everything that can be asked for.
pub fn router(sight: Sight) -> Router {
    let shown = Router::new()
        .merge(page::routes())
        .merge(api::routes())
        .route("/metrics", get(metrics))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(sight.clone(), gate::by_name));
    let probed = Router::new().route("/livez", get(livez)).route("/readyz", get(readyz));
    shown
        .merge(probed)
        .fallback(page::not_found)
        .layer(middleware::from_fn(gate::only_sight))
        .with_state(sight)
}

/// In the text that the scraper understands best.
async fn metrics(State(sight): State<Sight>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let (text, body) = sight.metrics().text(accept);
    ([(CONTENT_TYPE, text.content_type()), (VARY, "accept")], body).into_response()
}

async fn livez(State(sight): State<Sight>) -> (StatusCode, &'static str) {
    answer(if sight.health().is_alive() {
        Ok("alive\n")
    } else {
        Err("the supervisor's loop hangs\n")
    })
}

async fn readyz(State(sight): State<Sight>) -> (StatusCode, &'static str) {
    answer(if sight.health().is_ready() {
        Ok("ready\n")
    } else {
        Err("not ready yet, or stopping\n")
    })
}

const fn answer(how: Result<&'static str, &'static str>) -> (StatusCode, &'static str) {
    match how {
        Ok(well) => (StatusCode::OK, well),
        Err(ill) => (StatusCode::SERVICE_UNAVAILABLE, ill),
    }
}

/// A server at work. It ends when this is dropped.
#[derive(Debug)]
pub struct Serving {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Listens there.
///
/// # Errors
/// When nobody can.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers, in a thread of its own.
///
/// # Errors
/// When there is no thread to be had, or what it needs.
pub fn serve(listener: TcpListener, sight: Sight) -> std::io::Result<Serving> {
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = stop.clone();
    let thread = std::thread::Builder::new().name("server".to_owned()).spawn(move || {
        // It ends only when it is told to; who asks then finds nobody.
        runtime.block_on(connections::serve(listener, sight, stopped));
    })?;
    Ok(Serving { stop, thread: Some(thread) })
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // What it may have panicked with was told by the panic.
            drop(thread.join());
        }
    }
}
