//! Result sets: what a run leaves behind (contract §2.9).
//!
//! Not here: their routes and files (`routes::results`, `routes::files`).

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::product::Family;
use super::record::written;
use crate::clock::Timestamp;

/// How long a result set is kept (contract §3).
const KEPT: TimeDelta = TimeDelta::days(14);

/// One result set of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSet {
    /// Its number in the batch, from 1.
    pub id: u64,
    /// When the run began.
    pub started_at: Timestamp,
    /// When the run ended.
    pub ended_at: Timestamp,
    /// When the set vanishes.
    pub expires_at: Timestamp,
    /// Searches that went well.
    pub completed: u64,
    /// Searches that failed.
    pub failed: u64,
    /// What became of the webhook; `None` where there is none.
    pub webhook: Option<Delivery>,
}

impl ResultSet {
    /// A set of a run that ended at that instant, half a minute long, without a webhook.
    pub fn ended(id: u64, ended_at: Timestamp, completed: u64) -> Self {
        let started_at = ended_at.checked_sub_signed(TimeDelta::seconds(30)).unwrap_or(ended_at);
        let expires_at = ended_at.checked_add_signed(KEPT).unwrap_or(ended_at);
        Self { id, started_at, ended_at, expires_at, completed, failed: 0, webhook: None }
    }

    /// The same with a webhook that ended so.
    #[must_use]
    pub const fn webhook(mut self, delivery: Delivery) -> Self {
        self.webhook = Some(delivery);
        self
    }

    /// Whether its webhook failed.
    pub fn has_failed_webhook(&self) -> bool {
        self.webhook == Some(Delivery::Failed)
    }

    /// The pages of its files, 1000 rows each.
    pub(super) const fn pages(&self) -> u64 {
        (self.completed + self.failed).div_ceil(1000)
    }

    /// The set as the list of result sets shows it.
    pub(super) fn shown(&self, family: Family, destinations: &[String]) -> Map<String, Value> {
        let searches = family.searches();
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        put("id", json!(self.id));
        put("started_at", json!(written(self.started_at)));
        put("ended_at", json!(written(self.ended_at)));
        put("expires_at", json!(written(self.expires_at)));
        put("results_page_count", json!(self.pages()));
        put(&format!("{searches}_completed"), json!(self.completed));
        put(&format!("{searches}_failed"), json!(self.failed));
        put(&format!("{searches}_total"), json!(self.completed + self.failed));
        if let Some(delivery) = self.webhook {
            put("webhook_status", delivery.shown(self.ended_at));
        }
        if !destinations.is_empty() {
            let each =
                destinations.iter().map(|id| (id.clone(), Delivery::Sent.shown(self.ended_at)));
            put("destination_status", Value::Object(each.collect()));
        }
        map
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Somebody has the results.
    Sent,
    /// Nobody has them.
    Failed,
}

impl Delivery {
    /// The status and its log (contract §2.9). Only the word `failed` is documented.
    fn shown(self, at: Timestamp) -> Value {
        let (word, text) = match self {
            Self::Sent => ("success", "emulated: delivered"),
            Self::Failed => ("failed", "emulated: the receiver did not answer in 5 s"),
        };
        json!({"status": word, "log": [{"date_time": written(at), "text": text}]})
    }
}
