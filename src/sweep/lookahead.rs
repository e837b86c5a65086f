//! Looking ahead: a few Gets are under way or answered while one DELETE is in flight.
//!
//! Two lanes suffice (a getter and a half keep one deleter busy), and a bounded queue keeps a look
//! young: at most `ahead` DELETEs old when its turn comes.
//! Not here: what a look means (`recheck`), whether it is still fresh (`sweep`).

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::time::Instant;

use crate::api::client::Lookup;
use crate::api::error::Error;

/// Gets under way at once.
const LANES: usize = 2;

/// What a Get brought, and when.
#[derive(Debug)]
pub(super) struct Look {
    /// Its answer.
    pub(super) found: Result<Lookup, Error>,
    /// When the answer came; freshness counts from here.
    pub(super) at: Instant,
}

/// A Get under way.
pub(super) type Looking<'a> = Pin<Box<dyn Future<Output = Look> + Send + 'a>>;

/// The looks of a list of candidates, in their order, a few ahead.
pub(super) struct Lookahead<'a> {
    todo: Box<dyn Iterator<Item = Looking<'a>> + Send + 'a>,
    under_way: FuturesOrdered<Looking<'a>>,
    answered: VecDeque<Look>,
    ahead: usize,
    /// Looks that were taken and whose turn has not come: they count as ahead.
    reserved: usize,
}

impl fmt::Debug for Lookahead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookahead")
            .field("under_way", &self.under_way.len())
            .field("answered", &self.answered.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Lookahead<'a> {
    /// Looks at these, in order, at most `ahead` before their turn.
    pub(super) fn new(todo: impl Iterator<Item = Looking<'a>> + Send + 'a, ahead: usize) -> Self {
        let todo = Box::new(todo);
        let (under_way, answered) = (FuturesOrdered::new(), VecDeque::new());
        Self { todo, under_way, answered, ahead, reserved: 0 }
    }

    /// So many looks were taken and wait for their turn.
    pub(super) const fn reserve(&mut self, taken: usize) {
        self.reserved = taken;
    }

    /// The next look, if it is answered already.
    pub(super) fn answered(&mut self) -> Option<Look> {
        self.answered.pop_front()
    }

    /// The next look; waits for it. `None` when all have been taken.
    pub(super) async fn next(&mut self) -> Option<Look> {
        if let Some(look) = self.answered.pop_front() {
            return Some(look);
        }
        self.top_up();
        self.under_way.next().await
    }

    /// Drives the Gets under way; to be polled beside a DELETE. Ends when one was answered, and
    /// never where there is nothing to drive. Dropping it loses nothing.
    pub(super) async fn advance(&mut self) {
        self.top_up();
        match self.under_way.next().await {
            Some(look) => self.answered.push_back(look),
            None => pending().await,
        }
    }

    fn top_up(&mut self) {
        while self.under_way.len() < LANES
            && self.under_way.len() + self.answered.len() + self.reserved < self.ahead
            && let Some(looking) = self.todo.next()
        {
            self.under_way.push_back(looking);
        }
    }
}
