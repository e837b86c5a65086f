//! The gate: who may ask, and what every answer says of itself.
//!
//! A web site can have its own name point at this machine and make a browser here read what listens
//! (DNS rebinding); so pages are shown only to those who ask by an address, by `localhost` or by a name of
//! `[server] hosts`. Not here: how long anybody may take (`connections`).

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::sight::Sight;

/// What a browser may do with a page: show it, with this server's own style. No script, nothing from
/// elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What every answer says of itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets only GET and HEAD pass, and puts the headers on every answer.
pub(super) async fn only_sight(request: Request, next: Next) -> Response {
    let may = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if may {
        next.run(request).await
    } else {
        let allowed = [(ALLOW, "GET, HEAD")];
        let text =
            "this server only shows: what shall change, the command line or the file changes\n";
        (StatusCode::METHOD_NOT_ALLOWED, allowed, text).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets only those pass who ask by a name that is this server's.
pub(super) async fn by_name(
    State(sight): State<Sight>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let asked = asked_name(request.uri(), request.headers());
    if asked.as_deref().is_some_and(|name| is_ours(name, &sight.config().hosts)) {
        return next.run(request).await;
    }
    let text = "this server does not go by that name; ask it by its address, or add the name to \
                `hosts` of `[server]`\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// The name that is asked for, without a port, in lower case.
fn asked_name(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    // A request for a whole URL means that one; two Host headers mean nothing good.
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (uri.host(), hosts.next(), hosts.next()) {
        (Some(host), ..) => host.to_owned(),
        (None, Some(host), None) => host.to_str().ok()?.to_owned(),
        (None, ..) => return None,
    };
    let authority: axum::http::uri::Authority = host.parse().ok()?;
    let has_user = authority.as_str().contains('@');
    (!has_user).then(|| authority.host().to_ascii_lowercase())
}

fn is_ours(name: &str, hosts: &[String]) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || hosts.iter().any(|host| host == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    // fault: X8
    #[test]
    fn only_addresses_localhost_and_names_of_the_file_are_ours() {
        let hosts = ["sweep.example".to_owned()];
        for (host, expected) in [
            ("127.0.0.1:9464", true),
            ("10.1.2.3", true),
            ("[::1]:9464", true),
            ("localhost:9464", true),
            ("LocalHost", true),
            ("sweep.example", true),
            ("Sweep.Example:80", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("sweep.example.evil", false),
            ("user@localhost", false),
            ("localhost/", false),
            ("", false),
            ("a b", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            let name = asked_name(&Uri::from_static("/"), &headers);
            assert_eq!(name.is_some_and(|name| is_ours(&name, &hosts)), expected, "{host}");
        }
        assert_eq!(asked_name(&Uri::from_static("/"), &HeaderMap::new()), None, "HTTP/1.0");
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("localhost"));
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(asked_name(&Uri::from_static("/"), &two), None);
        assert_eq!(
            asked_name(&Uri::from_static("http://evil.example/"), &two).as_deref(),
            Some("evil.example")
        );
    }
}
