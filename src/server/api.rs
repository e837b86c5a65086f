//! The same as JSON: `/api/v1`, for programs that look.
//!
//! Documents are those of the commands (docs/json.md) where there is one; described in `openapi.json`.
//! Not here: pages for people (`page`). Invariant: read-only; a list is bounded and says how much there is.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::ask::Ask;
use super::find::{Found, find};
use super::sight::Sight;
use crate::batch::BatchId;
use crate::clock::Timestamp;
use crate::config::{Account, Config};
use crate::document::explain::FoundDocument;
use crate::document::plan::BatchDocument;
use crate::document::status::{AccountDocument, RunDocument};
use crate::guards::Reading;
use crate::run::outlook::Outlook;
use crate::state::{RunFilter, StateError};

/// What can be asked for.
pub(super) fn routes() -> Router<Sight> {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/plan", get(plan))
        .route("/api/v1/runs", get(runs))
        .route("/api/v1/batches/{id}", get(batch))
        .route("/api/v1/openapi.json", get(description))
}

/// Batches or runs of one answer, where the question says nothing, and at most.
const USUAL: usize = 100;
const MOST: usize = 1_000;

/// Why there is no document.
#[derive(Debug, Serialize)]
struct Failed<'a> {
    version: u8,
    error: &'a str,
}

fn json(status: StatusCode, document: &impl Serialize) -> Response {
    match serde_json::to_vec(document) {
        Ok(text) => (status, [(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(_impossible) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn document(document: &impl Serialize) -> Response {
    json(StatusCode::OK, document)
}

/// There is no such thing.
pub(super) fn missing(error: &str) -> Response {
    json(StatusCode::NOT_FOUND, &Failed { version: 1, error })
}

async fn unread(sight: &Sight, error: &StateError) -> Response {
    sight.lost().await;
    let error = error.sentence();
    json(StatusCode::SERVICE_UNAVAILABLE, &Failed { version: 1, error: &error })
}

async fn description() -> Response {
    let text = include_str!("openapi.json");
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// `/api/v1/status`.
#[derive(Debug, Serialize)]
struct StatusDocument<'a> {
    version: u8,
    service: ServiceDocument,
    accounts: Vec<SeenDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct ServiceDocument {
    program: &'static str,
    now: Timestamp,
    alive: bool,
    ready: bool,
    started_at: Option<Timestamp>,
    dry_run: bool,
    config_hash: String,
    config_error: Option<String>,
}

/// An account as `status` writes it, and what is going on with it.
#[derive(Debug, Serialize)]
struct SeenDocument<'a> {
    #[serde(flatten)]
    standing: AccountDocument<'a>,
    product: &'static str,
    running: Option<String>,
    held_by: Option<String>,
    state_error: Option<String>,
    paused_until: Option<Timestamp>,
}

async fn status(State(sight): State<Sight>) -> Response {
    let config = sight.config();
    let standings = match sight.standings(&config).await {
        Ok(standings) => standings,
        Err(error) => return unread(&sight, &error).await,
    };
    let accounts = config.accounts.iter().zip(&standings).map(|(account, standing)| {
        let activity = sight.board().activity(&account.name);
        SeenDocument {
            standing: AccountDocument::of(standing),
            product: account.api.product.as_str(),
            running: activity.running.map(|progress| progress.run_id.to_string()),
            held_by: activity.held_by,
            state_error: activity.state_trouble,
            paused_until: activity.paused_until.filter(|until| *until > sight.now()),
        }
    });
    let accounts = accounts.collect();
    document(&StatusDocument { version: 1, service: service(&sight, &config), accounts })
}

fn service(sight: &Sight, config: &Config) -> ServiceDocument {
    let service = sight.board().service_now();
    ServiceDocument {
        program: env!("CARGO_PKG_VERSION"),
        now: sight.now(),
        alive: sight.health().is_alive(),
        ready: sight.health().is_ready(),
        started_at: service.started_at,
        dry_run: config.dry_run,
        config_hash: config.hash.clone(),
        config_error: service.rejected.map(|(_, cause)| cause),
    }
}

/// `/api/v1/plan`: what a run would make of the last listing, for one account.
#[derive(Debug, Serialize)]
struct PlanDocument<'a> {
    version: u8,
    account: &'a str,
    product: &'static str,
    listed_at: Option<Timestamp>,
    made_at: Timestamp,
    dry_run: bool,
    config_hash: &'a str,
    inventory: Option<InventoryDocument>,
    counts: std::collections::BTreeMap<&'static str, usize>,
    guards: &'a [Reading],
    matched: usize,
    offset: usize,
    batches: Vec<BatchDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct InventoryDocument {
    batches: usize,
}

async fn plan(State(sight): State<Sight>, uri: Uri) -> Response {
    let (config, ask) = (sight.config(), Ask::of(&uri));
    let Some(account) = ask.account(&config) else { return missing("no such account in the file") };
    match sight.outlook(account).await {
        Ok(outlook) => of_outlook(&config, account, outlook.as_ref(), &ask, sight.now()),
        Err(error) => unread(&sight, &error).await,
    }
}

fn of_outlook(
    config: &Config,
    account: &Account,
    outlook: Option<&Outlook>,
    ask: &Ask,
    now: Timestamp,
) -> Response {
    let (offset, limit) = window(ask);
    let places = outlook.map(|outlook| ask.choice().of(outlook)).unwrap_or_default();
    let batches = outlook.into_iter().flat_map(|outlook| {
        let shown = places.iter().skip(offset).take(limit);
        shown.filter_map(|place| {
            let entry = (outlook.batches.get(*place)?, outlook.verdicts.get(*place)?);
            let eligible = outlook.eligible.get(*place).copied().flatten();
            Some(BatchDocument::of(entry).eligible_at(eligible))
        })
    });
    document(&PlanDocument {
        version: 1,
        account: account.name.as_str(),
        product: account.api.product.as_str(),
        listed_at: outlook.map(|outlook| outlook.listed_at),
        made_at: now,
        dry_run: config.dry_run,
        config_hash: &config.hash,
        inventory: outlook.map(|outlook| InventoryDocument { batches: outlook.batches.len() }),
        counts: outlook.map(Outlook::counts).unwrap_or_default(),
        guards: outlook.map_or(&[], |outlook| &outlook.readings),
        matched: places.len(),
        offset,
        batches: batches.collect(),
    })
}

/// Which part of a list is asked for.
fn window(ask: &Ask) -> (usize, usize) {
    let limit = ask.number("limit").unwrap_or(USUAL).clamp(1, MOST);
    (ask.number("offset").unwrap_or(0), limit)
}

/// `/api/v1/runs`: newest first.
#[derive(Debug, Serialize)]
struct RunsDocument<'a> {
    version: u8,
    runs: Vec<OneRunDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct OneRunDocument<'a> {
    account: &'a str,
    #[serde(flatten)]
    run: RunDocument<'a>,
    batches_left: Option<u64>,
    requests: Option<u64>,
    duration_ms: Option<u64>,
}

async fn runs(State(sight): State<Sight>, uri: Uri) -> Response {
    let ask = Ask::of(&uri);
    let (_, limit) = window(&ask);
    let filter =
        RunFilter { account: ask.account_name(), since: None, limit: u32::try_from(limit).ok() };
    if ask.get("account").is_some() && filter.account.is_none() {
        return missing("no such account");
    }
    let read = async {
        match sight.state().await? {
            Some(state) => state.runs(&filter).await,
            None => Ok(Vec::new()),
        }
    };
    let runs = match read.await {
        Ok(runs) => runs,
        Err(error) => return unread(&sight, &error).await,
    };
    let runs = runs.iter().map(|run| {
        let end = run.end.as_ref();
        OneRunDocument {
            account: run.begin.account.as_str(),
            run: RunDocument::of(run),
            batches_left: end.and_then(|end| end.batches),
            requests: end.map(|end| end.requests),
            duration_ms: end.and_then(|end| u64::try_from(end.duration.as_millis()).ok()),
        }
    });
    document(&RunsDocument { version: 1, runs: runs.collect() })
}

/// `/api/v1/batches/ID`: as `explain` writes it.
#[derive(Debug, Serialize)]
struct ExplainDocument<'a> {
    version: u8,
    #[serde(flatten)]
    found: FoundDocument<'a>,
}

async fn batch(State(sight): State<Sight>, Path(id): Path<String>, uri: Uri) -> Response {
    const NONE: &str = "no account has a batch of that id, and none was deleted";
    let (config, ask) = (sight.config(), Ask::of(&uri));
    let Ok(id) = BatchId::parse(&id) else { return missing(NONE) };
    match find(&sight, &config.accounts, &ask, &id).await {
        Err(error) => unread(&sight, &error).await,
        Ok(None) => missing(NONE),
        Ok(Some(Found::Listed(account, explained))) => {
            let found = FoundDocument::of(account, &explained);
            document(&ExplainDocument { version: 1, found })
        }
        Ok(Some(Found::Gone(account, past))) => {
            let found = FoundDocument::of_gone(account, &id, &past);
            document(&ExplainDocument { version: 1, found })
        }
    }
}
