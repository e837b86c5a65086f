//! Whether the service lives and is ready, for probes, and who asks them.
//!
//! Alive is a supervisor whose loop turned lately; the API has no part in it, since a restart mends no API.
//! Not here: what the service manager is told (`daemon::manager`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;

/// How the service is.
#[derive(Debug)]
pub struct Health {
    clock: Arc<dyn Clock>,
    began: Instant,
    /// When the loop turned last, in milliseconds since it began.
    beat_ms: AtomicU64,
    is_ready: AtomicBool,
}

/// How often a service looks at clock and files unasked.
pub const TURN: Duration = Duration::from_secs(30);

/// Turns that may be missing before the service counts as dead.
const MISSED_TURNS: u32 = 3;

impl Health {
    /// Of a service that has not begun.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let began = clock.monotonic();
        Self { clock, began, beat_ms: AtomicU64::new(0), is_ready: AtomicBool::new(false) }
    }

    /// The loop turned.
    pub fn beat(&self, now: Instant) {
        let age = now.duration_since(self.began).as_millis();
        self.beat_ms.store(u64::try_from(age).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// File, keys and state are good.
    pub fn be_ready(&self) {
        self.is_ready.store(true, Ordering::Relaxed);
    }

    /// The service ends.
    pub fn stop(&self) {
        self.is_ready.store(false, Ordering::Relaxed);
    }

    /// Whether the loop turned lately.
    pub fn is_alive(&self) -> bool {
        let beat = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed));
        let age = self.clock.monotonic().duration_since(self.began);
        age.saturating_sub(beat) <= TURN * MISSED_TURNS
    }

    /// Whether file, keys and state are good, and nobody told it to stop.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }
}

/// What a probe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether it lives.
    Alive,
    /// Whether it is ready.
    Ready,
}

/// Why a probe found nothing good.
#[derive(Debug, thiserror::Error)]
pub enum Ill {
    /// Nobody answers.
    #[error("nobody answers at {0}: {1}")]
    NoAnswer(SocketAddr, String),
    /// Somebody answers that it is not well.
    #[error("{0}")]
    Unwell(String),
}

/// How long a probe waits.
const PROBE_LIMIT: Duration = Duration::from_secs(4);

/// Asks the service that listens there.
///
/// # Errors
/// When it is not well, or nobody answers within four seconds.
pub async fn probe(listen: SocketAddr, probe: Probe) -> Result<String, Ill> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let path = match probe {
        Probe::Alive => "livez",
        Probe::Ready => "readyz",
    };
    let told = |error: reqwest::Error| Ill::NoAnswer(address, error.without_url().to_string());
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PROBE_LIMIT)
        .no_proxy()
        // No TLS will happen, so a machine without CA certificates will do.
        .tls_certs_only([])
        .build()
        .map_err(told)?;
    let reply = client.get(format!("http://{address}/{path}")).send().await.map_err(told)?;
    let is_well = reply.status().is_success();
    let text = reply.text().await.map_err(told)?;
    let text = crate::batch::escaped(text.trim());
    if is_well { Ok(text) } else { Err(Ill::Unwell(text)) }
}

/// Where one that listens everywhere is reached from here.
const fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(any) if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(any) if any.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => ip,
    }
}
