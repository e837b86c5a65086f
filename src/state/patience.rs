//! Waiting for a database: how long, and how a paused clock is kept still meanwhile.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use super::location::{Kind, Location};

/// How to wait for the database of one location.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// A local file has no limit: a call into the kernel cannot be taken back.
    limit: Option<Duration>,
    holds_paused_time: bool,
}

/// How long a statement on a server may take.
const SERVER_LIMIT: Duration = Duration::from_secs(30);

impl Location {
    pub(super) fn patience(&self) -> Patience {
        let is_server = matches!(self.kind, Kind::Postgres(_));
        Patience {
            limit: is_server.then_some(SERVER_LIMIT),
            holds_paused_time: self.holds_paused_time,
        }
    }
}

impl Patience {
    /// The same, with less time for a server.
    pub(super) fn at_most(self, limit: Duration) -> Self {
        Self { limit: self.limit.map(|_longer| limit), ..self }
    }

    /// Waits.
    pub(super) async fn wait<T>(
        self,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Result<T, sqlx::Error> {
        let work = self.with_time_held(work);
        let Some(limit) = self.limit else { return work.await };
        let timed_out = || {
            let text = format!("no answer in {} s", limit.as_secs());
            sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
        };
        let ended = tokio::time::timeout(limit, work).await;
        ended.unwrap_or_else(|_elapsed| Err(timed_out()))
    }

    /// Where a paused clock is to stand still, the runtime always has something to do.
    async fn with_time_held<T>(self, work: impl Future<Output = T> + Send) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            let polled = work.as_mut().poll(context);
            if self.holds_paused_time && polled.is_pending() {
                context.waker().wake_by_ref();
            }
            polled
        })
        .await
    }
}
