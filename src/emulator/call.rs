//! Calls: a request, read into what it asks for (contract §2, table of endpoints).
//!
//! Not here: what is answered (`routes`). Invariant: paths are read segment by segment as the contract
//! lists them, its hazards included: `DELETE /batches/{id}/` deletes the batch (§6.2.1).

use axum::http::request::Parts;
use bytes::Bytes;
use url::form_urlencoded;

use super::product::Product;

/// An endpoint of the contract's table in §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// GET `/batches`.
    List,
    /// POST `/batches`.
    Create,
    /// GET `/batches/{id}`.
    Get,
    /// PUT `/batches/{id}`: settings, or more searches.
    Update,
    /// DELETE `/batches/{id}`.
    Delete,
    /// GET `/batches/{id}/start`.
    Start,
    /// GET `/batches/{id}/stop`.
    Stop,
    /// GET `/batches/stopall`.
    StopAll,
    /// GET `/batches/{id}/searches/{page}`, also to find.
    Searches,
    /// GET `/batches/{id}/searches/json` and `csv`.
    SearchLinks,
    /// PUT `/batches/{id}/{search_id}`.
    UpdateSearch,
    /// DELETE `/batches/{id}/{search_id}`.
    DeleteSearch,
    /// DELETE `/batches/{id}/searches`.
    DeleteSearches,
    /// DELETE `/batches/{id}/clear`.
    Clear,
    /// GET `/batches/{id}/results`.
    Results,
    /// GET `/batches/{id}/results/{n}` and its formats.
    Result,
    /// GET `/batches/{id}/results/{n}/resendwebhook`.
    ResendWebhook,
    /// GET `/account`.
    Account,
    /// GET `/destinations`.
    Destinations,
    /// GET `/errorlogs`.
    ErrorLogs,
    /// A file of results or searches, as a link names it.
    File,
    /// No endpoint: a wrong path or verb.
    Unknown,
}

impl Operation {
    /// Whether it changes anything.
    pub const fn is_write(self) -> bool {
        match self {
            Self::Create
            | Self::Update
            | Self::Delete
            | Self::Start
            | Self::Stop
            | Self::StopAll
            | Self::UpdateSearch
            | Self::DeleteSearch
            | Self::DeleteSearches
            | Self::Clear
            | Self::ResendWebhook => true,
            Self::List
            | Self::Get
            | Self::Searches
            | Self::SearchLinks
            | Self::Results
            | Self::Result
            | Self::Account
            | Self::Destinations
            | Self::ErrorLogs
            | Self::File
            | Self::Unknown => false,
        }
    }

    /// Whether it is a GET that changes something (contract §6.2.2).
    pub const fn is_state_changing_get(self) -> bool {
        matches!(self, Self::Start | Self::Stop | Self::StopAll | Self::ResendWebhook)
    }

    /// Whether it edits or finds searches or settings: such calls must be sequential (contract §3).
    pub(super) const fn is_edit(self) -> bool {
        matches!(
            self,
            Self::Update
                | Self::UpdateSearch
                | Self::DeleteSearch
                | Self::DeleteSearches
                | Self::Clear
        )
    }
}

/// What was seen of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySeen {
    /// The right one, in the query.
    Right,
    /// Another one.
    Wrong,
    /// None.
    Missing,
}

/// One request, read.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) method: String,
    /// The path, decoded.
    pub(super) path: String,
    /// The batch's id, as the path has it.
    pub(super) id: Option<String>,
    /// The segment after the noun: a search's id, a page, a result set's number, a file's name.
    pub(super) part: Option<String>,
    /// The last segment of a result set's path: `jsonlines`, `csv`, or nothing.
    pub(super) format: Option<String>,
    /// The query without the key.
    pub(super) query: Vec<(String, String)>,
    pub(super) key: KeySeen,
    /// Where the key was seen besides the query.
    pub(super) key_outside: Option<&'static str>,
    /// The host that the client asked, for links.
    pub(super) host: String,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Call {
    /// Reads a request to an account of that product with that key.
    pub(super) fn read(parts: &Parts, body: Bytes, product: Product, key: &str) -> Self {
        let path = decoded(parts.uri.path());
        let place = Place::find(parts.method.as_str(), parts.uri.path(), product);
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let (keys, query): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| name == "api_key");
        let seen = match keys.first() {
            Some((_, value)) if value == key => KeySeen::Right,
            Some(_) => KeySeen::Wrong,
            None => KeySeen::Missing,
        };
        let header = |name: &str| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let key_outside = key_outside(parts, &path, &query, &body, key);
        // A key in the wrong place must not get into the log by it.
        let hidden = |text: String| match key_outside {
            Some(_) => text.replace(key, "[key]"),
            None => text,
        };
        let query = query.into_iter().map(|(name, value)| (name, hidden(value))).collect();
        Self {
            operation: place.operation,
            method: parts.method.as_str().to_owned(),
            key_outside,
            path: hidden(path),
            id: place.id.map(hidden),
            part: place.part.map(hidden),
            format: place.format,
            query,
            key: seen,
            host: header("host"),
            content_type: header("content-type"),
            body,
        }
    }

    /// The first value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The id, empty where the path has none.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// The part, empty where the path has none.
    pub(super) fn part(&self) -> &str {
        self.part.as_deref().unwrap_or_default()
    }
}

/// Where else than in its place the key was seen.
fn key_outside(
    parts: &Parts,
    path: &str,
    query: &[(String, String)],
    body: &Bytes,
    key: &str,
) -> Option<&'static str> {
    let in_header = parts.headers.values().any(|value| holds(value.as_bytes(), key));
    if in_header {
        return Some("a header");
    }
    if holds(path.as_bytes(), key) {
        return Some("the path");
    }
    if query.iter().any(|(_, value)| holds(value.as_bytes(), key)) {
        return Some("another parameter");
    }
    holds(body, key).then_some("the body")
}

fn holds(text: &[u8], key: &str) -> bool {
    !key.is_empty() && text.windows(key.len()).any(|part| part == key.as_bytes())
}

/// What a path and a verb point at.
#[derive(Debug)]
struct Place {
    operation: Operation,
    id: Option<String>,
    part: Option<String>,
    format: Option<String>,
}

impl Place {
    const fn of(operation: Operation) -> Self {
        Self { operation, id: None, part: None, format: None }
    }

    fn batch(operation: Operation, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..Self::of(operation) }
    }

    fn part(operation: Operation, id: &str, part: &str) -> Self {
        Self { part: Some(part.to_owned()), ..Self::batch(operation, id) }
    }

    fn format(operation: Operation, [id, part, format]: [&str; 3]) -> Self {
        Self { format: Some(format.to_owned()), ..Self::part(operation, id, part) }
    }

    fn find(method: &str, path: &str, product: Product) -> Self {
        let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let ("GET", ["files", name]) = (method, segments.as_slice()) {
            return Self { part: Some((*name).to_owned()), ..Self::of(Operation::File) };
        }
        let rest = match (product.prefix(), segments.as_slice()) {
            (Some(prefix), [first, rest @ ..]) if *first == prefix => rest,
            (Some(_), _) => return Self::of(Operation::Unknown),
            (None, all) => all,
        };
        // A trailing slash is accepted (contract §2.3, §6.2.1).
        let rest = match rest {
            [before @ .., ""] if before.len() > 1 => before,
            _ => rest,
        };
        match rest {
            [] | [_] => Self::account_level(method, rest, product),
            [noun, below @ ..] if *noun == product.family().batches() => {
                Self::below_batches(method, below, product)
            }
            [..] => Self::of(Operation::Unknown),
        }
    }

    fn account_level(method: &str, rest: &[&str], product: Product) -> Self {
        let Some(first) = rest.first() else { return Self::of(Operation::Unknown) };
        let is_batches = *first == product.family().batches();
        Self::of(match (method, *first) {
            ("GET", _) if is_batches => Operation::List,
            ("POST", _) if is_batches => Operation::Create,
            ("GET", "account") => Operation::Account,
            ("GET", "destinations") => Operation::Destinations,
            ("GET", "errorlogs") => Operation::ErrorLogs,
            _ => Operation::Unknown,
        })
    }

    fn below_batches(method: &str, below: &[&str], product: Product) -> Self {
        let searches = product.family().searches();
        if below.iter().any(|segment| segment.is_empty()) {
            return Self::of(Operation::Unknown);
        }
        match (method, below) {
            ("GET", ["stopall"]) => Self::of(Operation::StopAll),
            ("GET", [id]) => Self::batch(Operation::Get, id),
            ("PUT", [id]) => Self::batch(Operation::Update, id),
            ("DELETE", [id]) => Self::batch(Operation::Delete, id),
            ("GET", [id, "start"]) => Self::batch(Operation::Start, id),
            ("GET", [id, "stop"]) => Self::batch(Operation::Stop, id),
            ("GET", [id, "results"]) => Self::batch(Operation::Results, id),
            ("GET", [id, "results", n]) => Self::part(Operation::Result, id, n),
            ("GET", [id, "results", n, "resendwebhook"]) => {
                Self::part(Operation::ResendWebhook, id, n)
            }
            ("GET", [id, "results", n, format @ ("jsonlines" | "csv")]) => {
                Self::format(Operation::Result, [id, n, format])
            }
            ("GET", [id, noun, kind @ ("json" | "csv")]) if *noun == searches => {
                Self::part(Operation::SearchLinks, id, kind)
            }
            ("GET", [id, noun, page]) if *noun == searches => {
                Self::part(Operation::Searches, id, page)
            }
            ("DELETE", [id, noun]) if *noun == searches => {
                Self::batch(Operation::DeleteSearches, id)
            }
            ("DELETE", [id, "clear"]) => Self::batch(Operation::Clear, id),
            ("PUT", [id, search]) => Self::part(Operation::UpdateSearch, id, search),
            ("DELETE", [id, search]) => Self::part(Operation::DeleteSearch, id, search),
            _ => Self::of(Operation::Unknown),
        }
    }
}

/// A path or a segment with its percent escapes read; what is no escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let (Some((high, low)), [_, _, further @ ..]) = (escape, after) {
            bytes.push(high * 16 + low);
            rest = further;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
