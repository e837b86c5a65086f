//! What `batchsweep emulator` runs. Printing is the command's.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Emulator, Product, Running, Seed};
use crate::clock::Clock;

/// What the command line says.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What to serve.
    pub product: Product,
    /// The key that is accepted.
    pub key: String,
    /// How many batches there are at the start.
    pub batches: usize,
    /// What they are made of: equal seeds, equal batches.
    pub seed: u64,
    /// How much later every call is answered.
    pub latency: Duration,
    /// What kind of account it is.
    pub kind: Kind,
}

/// What kind of account is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All sorts of names, ages and states.
    Mixed,
    /// Plain batches for measuring.
    Bench,
}

impl std::fmt::Debug for Options {
    /// Leaves out the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("product", &self.product)
            .field("batches", &self.batches)
            .field("seed", &self.seed)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// Serves an account until it is stopped; `ready` is told once where it listens.
///
/// # Errors
/// When the address cannot be bound.
pub async fn run(
    options: Options,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    ready: impl FnOnce(&Emulator, &Running),
) -> io::Result<()> {
    let now = clock.now();
    let emulator = Emulator::new(options.product, &options.key, clock);
    emulator.plant(match options.kind {
        Kind::Mixed => Seed::mixed(options.batches, options.seed, now),
        Kind::Bench => Seed::bench(u32::try_from(options.batches).unwrap_or(u32::MAX), now),
    });
    emulator.set_latency(options.latency);
    let running = emulator.serve(TcpListener::bind(options.listen).await?)?;
    ready(&emulator, &running);
    stop.cancelled().await;
    Ok(())
}
