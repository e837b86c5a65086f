//! One call to a target, and what its answer means.
//!
//! The client is its own: it knows no API key, follows nothing and resends nothing by itself.
//! Invariant: an error names the host and nothing else of the address; no text of the HTTP library or of the
//! target is in it, since either may repeat the address.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::notify::Target;
use crate::notify::outgoing::Outgoing;

/// How long a connection may take to stand.
pub(super) const MAX_CONNECT: Duration = Duration::from_secs(5);

/// How long a whole call may take.
const MAX_CALL: Duration = Duration::from_secs(10);

/// How much of an answer is read, so that the connection can be used again.
const MAX_BODY: usize = 64 * 1024;

/// The longest that a target may ask for patience.
const MAX_PATIENCE: Duration = Duration::from_mins(1);

/// What came of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was taken, with this status.
    Taken(u16),
    /// It may be taken later; perhaps the target said when.
    Later { why: String, after: Option<Duration> },
    /// It is not taken.
    Refused { why: String },
}

/// What came of a sample that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// It was taken.
    Taken {
        /// By whom.
        host: String,
        /// With which status.
        status: u16,
    },
    /// The target could not be reached, or asks for patience.
    Unreachable(String),
    /// The target refused it.
    Refused(String),
}

/// Speaks to one target.
#[derive(Debug)]
pub(super) struct Sender {
    way: Way,
    host: String,
}

/// How a target is spoken to.
#[derive(Debug)]
enum Way {
    Http(reqwest::Client),
    #[cfg(feature = "mail")]
    Mail(Box<super::mail::Mailer>),
}

impl Sender {
    /// Prepares it; makes no call.
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        #[cfg(feature = "mail")]
        if target.kind.is_mail() {
            let mailer = Box::new(super::mail::Mailer::new(target)?);
            return Ok(Self { way: Way::Mail(mailer), host: target.address.host() });
        }
        Ok(Self { way: Way::Http(client(target)?), host: target.address.host() })
    }

    /// Makes one call. `now` is for dates in the answer.
    pub(super) async fn send(&self, outgoing: &Outgoing, now: Timestamp) -> Answer {
        match &self.way {
            Way::Http(client) => self.post(client, outgoing, now).await,
            #[cfg(feature = "mail")]
            Way::Mail(mailer) => {
                let sent = timeout(MAX_CALL, mailer.send(&self.host, outgoing)).await;
                sent.unwrap_or_else(|_late| Answer::Later { why: self.silent(), after: None })
            }
        }
    }

    async fn post(&self, client: &reqwest::Client, outgoing: &Outgoing, now: Timestamp) -> Answer {
        match timeout(MAX_CALL, attempt(client, outgoing)).await {
            Ok(Ok((status, headers))) => judge(&self.host, status, &headers, now),
            Ok(Err(error)) => Answer::Later { why: self.lost(&error), after: None },
            Err(_elapsed) => Answer::Later { why: self.silent(), after: None },
        }
    }

    fn silent(&self) -> String {
        format!("{} gave no answer in {} s", self.host, MAX_CALL.as_secs())
    }

    fn lost(&self, error: &reqwest::Error) -> String {
        let host = &self.host;
        if error.is_dns() {
            format!("cannot resolve {host}")
        } else if error.is_connect() && error.is_timeout() {
            format!("{host} took no connection in {} s", MAX_CONNECT.as_secs())
        } else if error.is_connect() {
            format!("cannot connect to {host}")
        } else {
            format!("{host} closed the connection without an answer")
        }
    }
}

/// The client for a target on the web.
fn client(target: &Target) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("batchsweep/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(MAX_CONNECT)
        .https_only(!target.address.is_local())
        .pool_max_idle_per_host(1)
        .no_proxy();
    if target.address.is_local() {
        builder = builder.tls_certs_only([]);
    }
    if let Some(proxy) = target.proxy.as_ref().filter(|_| !target.address.is_local()) {
        let except = proxy.except.as_deref().and_then(reqwest::NoProxy::from_string);
        let made = reqwest::Proxy::https(&proxy.url.0)
            .map_err(|_holds_it| format!("the proxy in {} is not a URL", proxy.variable))?;
        builder = builder.proxy(made.no_proxy(except));
    }
    builder.build().map_err(|_may_hold_a_path| {
        "the HTTP client cannot be built; are there CA certificates?".to_owned()
    })
}

/// One call: status and headers of the answer.
async fn attempt(
    client: &reqwest::Client,
    outgoing: &Outgoing,
) -> Result<(u16, HeaderMap), reqwest::Error> {
    let mut request = client.post(outgoing.url.clone());
    for (name, value) in &outgoing.headers {
        request = request.header(*name, value);
    }
    let mut response = request.body(outgoing.body.clone()).send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    // What it says is of no use, and may be the address again. A status has come, so a body that does
    // not end changes nothing.
    let _late = timeout(MAX_CONNECT, drain(&mut response)).await;
    Ok((status, headers))
}

/// Reads what an answer says, up to a limit, so that the connection serves again.
async fn drain(response: &mut reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_BODY {
            return;
        }
    }
}

/// What a status means: 408, 425, 429 and 5xx pass; a redirect is not followed, it would carry names of
/// batches to somebody else.
fn judge(host: &str, status: u16, headers: &HeaderMap, now: Timestamp) -> Answer {
    let why = format!("{host} answered {status}");
    match status {
        200..=299 => Answer::Taken(status),
        408 | 425 | 429 | 500..=599 => Answer::Later { why, after: patience(headers, now) },
        300..=399 => Answer::Refused { why: format!("{why}, and a redirect is not followed") },
        _ => Answer::Refused { why },
    }
}

/// `Retry-After`, in seconds or as a date, at most [`MAX_PATIENCE`].
fn patience(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_no_number) => {
            let at = Timestamp::from(httpdate::parse_http_date(text).ok()?);
            at.signed_duration_since(now).to_std().unwrap_or_default()
        }
    };
    Some(asked.min(MAX_PATIENCE))
}
