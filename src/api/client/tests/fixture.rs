//! A client of a scripted server, and everything it says.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use url::Url;

use crate::api::client::{ApiKey, Deleter, KeySource, ListWindow, Reader, Settings, Surroundings};
use crate::api::error::Error;
use crate::api::product::Product;
use crate::api::script::{Act, Server, json};
use crate::batch::{AccountName, BatchId, RunId};
use crate::clock::{SetClock, Timestamp};
use crate::observe::event::{Code, Event, Observer, Scope};
use crate::observe::service::ServiceEvent;
use crate::warrant::Armed;

/// The key of all tests. It has characters that are encoded in a URL.
pub(super) const KEY: &str = "CANARY+KEY/0123 456789";
/// The key as it travels.
pub(super) const KEY_SENT: &str = "CANARY%2BKEY%2F0123+456789";

pub(super) const START: &str = "2026-03-29T01:00:00Z";

#[derive(Debug, Default)]
pub(super) struct Events(pub(super) Mutex<Vec<Event>>);

impl Observer for Events {
    fn observe(&self, _: &Scope, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }

    fn service(&self, _: &ServiceEvent) {}
}

/// Gives these keys, one for each time it is asked.
#[derive(Debug, Default)]
pub(super) struct Source(pub(super) Arc<Mutex<Vec<&'static str>>>);

impl KeySource for Source {
    fn read_again(&self) -> Option<ApiKey> {
        self.0.lock().unwrap().pop().map(key)
    }
}

pub(super) fn key(text: &str) -> ApiKey {
    ApiKey(text.to_owned().into())
}

pub(super) fn id(text: &str) -> BatchId {
    BatchId::parse(text).unwrap()
}

pub(super) struct Fixture {
    pub(super) reader: Reader,
    pub(super) events: Arc<Events>,
    pub(super) stop: CancellationToken,
    pub(super) later_keys: Arc<Mutex<Vec<&'static str>>>,
}

pub(super) fn settings(base_url: &str) -> Settings {
    Settings {
        product: Product::Serpwow,
        base_url: Url::parse(base_url).unwrap(),
        requests_per_second: 100_000,
        request_timeout: Duration::from_secs(30),
        max_attempts: 5,
        proxy: None,
    }
}

impl Fixture {
    pub(super) fn try_with(settings: Settings) -> Result<Self, Error> {
        let events = Arc::new(Events::default());
        let stop = CancellationToken::new();
        let source = Source::default();
        let later_keys = Arc::clone(&source.0);
        let start: Timestamp = START.parse().unwrap();
        let around = Surroundings {
            scope: Scope {
                account: AccountName::parse("main").unwrap(),
                run_id: RunId::new(start, [0; 10]),
            },
            clock: Arc::new(SetClock::starting_at(start)),
            observer: Arc::clone(&events) as Arc<dyn Observer>,
            lists: ListWindow::default(),
            seed: 7,
            stop: stop.clone(),
        };
        let reader = Reader::connect(settings, key(KEY), Box::new(source), around)?;
        Ok(Self { reader, events, stop, later_keys })
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self::try_with(settings).unwrap()
    }

    pub(super) fn of(server: &Server) -> Self {
        Self::with(settings(&format!("http://{}/live", server.address)))
    }

    pub(super) fn deleter(&self, ids: &[&str]) -> Deleter<'_> {
        let ids: BTreeSet<BatchId> = ids.iter().map(|text| id(text)).collect();
        Deleter::new(&self.reader, Armed::unless_dry_run(false).unwrap().warrant(ids))
    }

    /// What was told so far, but for the attempts themselves.
    pub(super) fn events(&self) -> Vec<Event> {
        let told = self.events.0.lock().unwrap().clone();
        told.into_iter().filter(|event| !matches!(event, Event::ApiCalled { .. })).collect()
    }

    /// The attempts that were told so far: operation, what came of it, number.
    pub(super) fn calls(&self) -> Vec<(&'static str, Code, u32)> {
        let told = self.events.0.lock().unwrap();
        let call = |event: &Event| {
            let Event::ApiCalled { operation, code, attempt, .. } = event else { return None };
            Some((*operation, *code, *attempt))
        };
        told.iter().filter_map(call).collect()
    }

    /// The waits of all pauses so far.
    pub(super) fn pauses(&self) -> Vec<Duration> {
        let wait =
            |event| if let Event::ApiPaused { wait, .. } = event { Some(wait) } else { None };
        self.events().into_iter().filter_map(wait).collect()
    }
}

pub(super) const DELETED: &str = r#"{"request_info":{"success":true,"message":"batch deleted"}}"#;

pub(super) fn account() -> Act {
    json(200, r#"{"request_info":{"success":true},"account_info":{"batches_used":3}}"#)
}

pub(super) fn batch(id: &str) -> Act {
    json(200, &format!(r#"{{"request_info":{{"success":true}},"batch":{{"id":"{id}"}}}}"#))
}

pub(super) fn refusal(status: u16, message: &str) -> Act {
    json(status, &refusal_body(message))
}

pub(super) fn refusal_body(message: &str) -> String {
    format!(r#"{{"request_info":{{"success":false,"message":"{message}"}}}}"#)
}
