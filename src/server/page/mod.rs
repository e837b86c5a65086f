//! The status page: accounts, the plan of now, runs, and one page for each batch.
//!
//! Made on the server, without a script; searching and ordering are links and forms. Not here: what is shown
//! (`sight`), who may look (`gate`).
//! Invariant: whatever the API said is shown escaped: as text of HTML by `maud`, and control and
//! direction characters by [`crate::batch::escaped`].

mod batch;
mod frame;
mod overview;
mod plan;
mod plot;
mod runs;
mod words;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::sight::Sight;
use crate::state::StateError;
use frame::{Here, frame};

/// The pages.
pub(super) fn routes() -> Router<Sight> {
    Router::new()
        .route("/", get(overview::show))
        .route("/plan", get(plan::show))
        .route("/runs", get(runs::show))
        .route("/runs/{id}", get(runs::show_one))
        .route("/batches/{id}", get(batch::show))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("style.css"))
}

async fn icon() -> Response {
    asset("image/svg+xml", include_str!("icon.svg"))
}

/// The same until the next version: its address has the version in it.
fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=3600")], text).into_response()
}

/// Why there is no page.
pub(super) enum NoPage {
    /// There is no such thing: what, and where it may be found.
    Missing(String),
    /// The state cannot be read.
    State(StateError),
}

impl From<StateError> for NoPage {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// A page, or why there is none.
type Shown = Result<Html<String>, Response>;

/// Puts a page into its frame.
async fn shown(sight: &Sight, here: Here<'_>, body: Result<Markup, NoPage>) -> Shown {
    let (title, body, status) = match body {
        Ok(body) => return Ok(Html(frame(sight, here, &body).into_string())),
        Err(NoPage::Missing(what)) => ("Not found", missing(&what), StatusCode::NOT_FOUND),
        Err(NoPage::State(error)) => {
            sight.lost().await;
            ("The state cannot be read", unread(&error), StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    let page = frame(sight, Here { title, ..here }, &body);
    Err((status, Html(page.into_string())).into_response())
}

fn missing(what: &str) -> Markup {
    html! { h1 { "Not found" } p { (what) } p { a href="/" { "To the overview" } } }
}

fn unread(error: &StateError) -> Markup {
    html! {
        h1 { "The state cannot be read" }
        div.notice.alarm role="alert" {
            p { (error.sentence()) }
            p { "What to do: " (error.help()) "." }
        }
    }
}

/// For any other address.
pub(super) async fn not_found(State(sight): State<Sight>, uri: Uri) -> Response {
    let path = crate::batch::escaped(uri.path());
    let path: String = path.chars().take(200).collect();
    if path.starts_with("/api/") {
        return super::api::missing(&format!("there is no `{path}`; see /api/v1/openapi.json"));
    }
    let body = Err(NoPage::Missing(format!("There is no page {path} here.")));
    match shown(&sight, Here::of("Not found"), body).await {
        Ok(page) => page.into_response(),
        Err(response) => response,
    }
}
