//! One exchange over HTTP: a call out, a whole reply back.
//!
//! Owns the HTTP client and the address; nothing else sees a type of the HTTP library. The key goes
//! onto the URL here, at the last moment, and every error of the library passes [`lost`], which
//! drops its URL.
//! Not here: waiting for a turn (`pacing`), trying again (`retry`), what a reply means (`judge`).
//! Invariant: nothing is followed, resent or decoded beyond 16 MiB by itself, and plain http goes
//! to loopback only and through no proxy.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{self, HeaderMap, HeaderName};
use tokio::time::timeout;
use url::{Host, Url};

use crate::api::error::Kind;
use crate::api::judge::Reply;
use crate::api::key::{Key, Keys};
use crate::api::path::{Call, Method};
use crate::api::product::Family;
use crate::api::settings::{Proxy, Settings};
use crate::batch::counted;
use crate::clock::Clock;

/// The largest body that is read, decoded: a page of 1000 batches has less than 1 MiB (fault J3).
const MAX_BODY: usize = 16 * 1024 * 1024;

/// How long a connection may take to stand; a whole call may take `request_timeout`.
const MAX_CONNECT: Duration = Duration::from_secs(10);

/// Idle connections that are kept: two for Gets, one for DELETEs, one to spare.
const MAX_IDLE: usize = 4;

/// The vendor's support handle (contract §2.0).
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// How calls travel.
#[derive(Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    base: Url,
    family: Family,
    limit: Duration,
    /// The host as messages name it, and the variable that named the proxy on the way.
    host: String,
    via: Option<String>,
}

/// What came back of an exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The server's clock less ours when the head came, if it said.
    pub(super) skew: Option<TimeDelta>,
    /// The whole reply, or why there is none.
    pub(super) reply: Result<Reply, Kind>,
}

impl Transport {
    /// Builds the HTTP client; makes no call.
    pub(super) fn new(settings: Settings) -> Result<Self, Kind> {
        let base = base(settings.base_url)?;
        let is_plain = base.scheme() == "http";
        let proxy = settings.proxy.filter(|_| !is_plain);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("batchsweep/", env!("CARGO_PKG_VERSION")))
            // A followed 303 turns a DELETE into a GET that ends well (fault H1).
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // The default resends refused HTTP/2 streams by itself, outside our pace (fault N11).
            .retry(reqwest::retry::never())
            .connect_timeout(MAX_CONNECT.min(settings.request_timeout))
            .https_only(!is_plain)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(MAX_IDLE)
            // The environment is read in `main` alone; what it says comes in `settings.proxy`.
            .no_proxy();
        if is_plain {
            // No TLS will happen, so a machine without CA certificates will do.
            builder = builder.tls_certs_only([]);
        }
        if let Some(proxy) = &proxy {
            builder = builder.proxy(http_proxy(proxy)?);
        }
        let client = builder.build().map_err(|error| Kind::Setup(setup_failed(error)))?;
        let host = match (base.host_str(), base.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let via = proxy.map(|proxy| proxy.variable);
        let limit = settings.request_timeout;
        Ok(Self { client, base, family: settings.product.family(), limit, host, via })
    }

    /// Makes one call. Dropping the future abandons the call.
    pub(super) async fn exchange(
        &self,
        call: &Call<'_>,
        key: &Key,
        keys: &Keys,
        clock: &dyn Clock,
    ) -> Exchange {
        let mut skew = None;
        let whole = timeout(self.limit, self.attempt(call, key, clock, &mut skew));
        let reply = match whole.await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(lost)) => Err(self.kind(lost, keys)),
            Err(_elapsed) => Err(timed_out(self.limit)),
        };
        Exchange { skew, reply }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        key: &Key,
        clock: &dyn Clock,
        skew: &mut Option<TimeDelta>,
    ) -> Result<Reply, Lost> {
        let method = match call.method() {
            Method::Get => reqwest::Method::GET,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut url = call.url(&self.base, self.family);
        let asked = without_query(&url);
        url.query_pairs_mut().append_pair("api_key", key.expose());
        let request = reqwest::Request::new(method, url);
        let mut response = self.client.execute(request).await.map_err(|error| lost(error, None))?;
        *skew = clock_skew(response.headers(), clock);
        let mut reply = self.head(response.status().as_u16(), response.headers());
        reply.asked = asked;
        let size = response.content_length().unwrap_or(0);
        let mut body = Vec::with_capacity(usize::try_from(size).unwrap_or(MAX_BODY).min(MAX_BODY));
        while let Some(chunk) =
            response.chunk().await.map_err(|error| lost(error, Some(body.len())))?
        {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Lost::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        // A page stays for as long as its records do.
        body.shrink_to_fit();
        reply.body = body.into();
        Ok(reply)
    }

    fn head(&self, status: u16, headers: &HeaderMap) -> Reply {
        let text = |name| {
            let value: Option<&header::HeaderValue> = headers.get(name);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into())
        };
        let location = (300..400).contains(&status).then(|| text(header::LOCATION)).flatten();
        Reply {
            status,
            content_type: text(header::CONTENT_TYPE),
            trace_id: text(TRACE_ID),
            retry_after: text(header::RETRY_AFTER),
            points_to: location.map(|to: Box<str>| self.host_of(&to)),
            asked: Box::default(),
            body: Bytes::new(),
        }
    }

    /// The host alone: a `Location` may repeat the key.
    fn host_of(&self, location: &str) -> Box<str> {
        let host = self.base.join(location).ok().and_then(|url| url.host_str().map(Box::from));
        host.unwrap_or_else(|| "an unreadable address".into())
    }

    fn sentence(&self, why: &Why) -> String {
        unreachable(&self.host, self.via.as_deref(), why)
    }

    fn kind(&self, lost: Lost, keys: &Keys) -> Kind {
        match lost {
            Lost::TooLarge => Kind::TooLarge,
            Lost::Broken { read, why } => {
                let bytes = counted(read as u64, "byte", "bytes");
                Kind::BrokenBody(keys.sentence(&format!("the answer {why} after {bytes}")))
            }
            Lost::NoConnectionInTime => timed_out(MAX_CONNECT.min(self.limit)),
            Lost::NotConnected(why) => Kind::NotConnected(keys.sentence(&self.sentence(&why))),
            Lost::NoAnswer(why) => Kind::Unreachable(keys.sentence(&self.sentence(&why))),
        }
    }
}

fn timed_out(limit: Duration) -> Kind {
    Kind::TimedOut { limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }
}

/// An address as messages name it: a path without what comes after its `?`.
fn without_query(url: &Url) -> Box<str> {
    let mut url = url.clone();
    url.set_query(None);
    url.as_str().into()
}

/// The address, if calls may go there (fault N8).
fn base(url: Url) -> Result<Url, Kind> {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    let may_carry_the_key = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    if !may_carry_the_key {
        let sentence = "https is required: over plain http the key would travel in clear";
        return Err(Kind::Setup(sentence.to_owned()));
    }
    let mut base = url;
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

fn http_proxy(proxy: &Proxy) -> Result<reqwest::Proxy, Kind> {
    let except = proxy.except.as_deref().and_then(reqwest::NoProxy::from_string);
    let made = reqwest::Proxy::https(&proxy.url.0).map_err(|_holds_the_url| {
        Kind::Setup(format!("the proxy's address in {} is not a URL", proxy.variable))
    })?;
    Ok(made.no_proxy(except))
}

/// Why there is no HTTP client, for people (fault N5).
fn setup_failed(error: reqwest::Error) -> String {
    let why = chain(&error.without_url());
    if why.contains("CA certificates") {
        return "no CA certificates found; install the package ca-certificates, or let SSL_CERT_FILE name a bundle".to_owned();
    }
    format!("the HTTP client cannot be built: {why}")
}

/// How an exchange ended without a reply.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    TooLarge,
    Broken { read: usize, why: &'static str },
    NoConnectionInTime,
    NotConnected(Why),
    NoAnswer(Why),
}

/// Why no answer came.
#[derive(Debug, PartialEq, Eq)]
enum Why {
    Unresolved,
    Refused,
    Closed,
    Certificate(String),
    ProxyWantsCredentials,
    Other(String),
}

/// The one place where an error of the HTTP library is looked at. Its URL is dropped first; of its
/// text only the innermost cause is kept. `read` is how much of a body had come, if the head had.
fn lost(error: reqwest::Error, read: Option<usize>) -> Lost {
    let error = error.without_url();
    let io = io_cause(&error);
    if let Some(read) = read {
        let was_reset = matches!(io, Some(io::ErrorKind::ConnectionReset));
        let why = match (error.is_decode() && io != Some(io::ErrorKind::UnexpectedEof), was_reset) {
            _ if is_incomplete(&error) => "ends too early,",
            (_, true) => return Lost::NoAnswer(Why::Closed),
            (true, false) => "cannot be unpacked",
            (false, false) => "ends too early,",
        };
        return Lost::Broken { read, why };
    }
    if error.is_connect() && error.is_timeout() {
        return Lost::NoConnectionInTime;
    }
    if error.is_connect() {
        return Lost::NotConnected(why(&error, io));
    }
    Lost::NoAnswer(why(&error, io))
}

fn why(error: &reqwest::Error, io: Option<io::ErrorKind>) -> Why {
    let text = chain(error);
    if error.is_dns() {
        return Why::Unresolved;
    }
    if text.contains("certificate") {
        return Why::Certificate(innermost(error));
    }
    if text.contains("proxy authorization required") {
        return Why::ProxyWantsCredentials;
    }
    match io {
        Some(io::ErrorKind::ConnectionRefused) => Why::Refused,
        Some(
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof,
        ) => Why::Closed,
        _ if is_incomplete(error) => Why::Closed,
        _ => Why::Other(innermost(error)),
    }
}

/// The sentence for people (faults N1, N2, N4, N7).
fn unreachable(host: &str, via: Option<&str>, why: &Why) -> String {
    let what = match why {
        Why::Unresolved => format!("cannot resolve {host}"),
        Why::Refused => format!("{host} refused the connection"),
        Why::Closed => format!("{host} closed the connection before its answer was whole"),
        Why::Certificate(text) => format!("the certificate of {host} is not valid: {text}"),
        Why::ProxyWantsCredentials => "407, it wants other credentials".to_owned(),
        Why::Other(text) => format!("cannot reach {host}: {text}"),
    };
    match via {
        Some(variable) => format!("via the proxy from {variable}: {what}"),
        None => what,
    }
}

fn io_cause(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    let mut found = None;
    while let Some(this) = cause {
        if let Some(io) = this.downcast_ref::<io::Error>() {
            found = Some(io.kind());
        }
        cause = this.source();
    }
    found
}

/// Whether the connection ended in the middle of a message. The library has no public type for it.
fn is_incomplete(error: &reqwest::Error) -> bool {
    let text = chain(error);
    text.contains("before message completed") || text.contains("end of file before message length")
}

/// The texts of an error and its causes. The error must have lost its URL.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        text.push_str(": ");
        text.push_str(&this.to_string());
        cause = this.source();
    }
    text
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(this) = cause {
        text = this.to_string();
        cause = this.source();
    }
    text
}

/// The server's clock less ours. The header counts whole seconds.
fn clock_skew(headers: &HeaderMap, clock: &dyn Clock) -> Option<TimeDelta> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let theirs = DateTime::<Utc>::from(httpdate::parse_http_date(date).ok()?);
    Some(theirs - clock.now())
}

#[cfg(test)]
mod tests;
