//! Answers: status, headers and body, before they are sent.
//!
//! Not here: how an answer is damaged on its way (`delivery`).

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// An HTTP answer with a body that is there as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers beside those that every answer has; a later one replaces an earlier one.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Any body under that status.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// A JSON text under that status.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json; charset=utf-8", body)
    }

    /// A status without a body.
    pub const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// An envelope with `success: false` and a message (contract §2.0).
    pub fn refused(status: u16, message: &str) -> Self {
        let body = json!({"request_info": {"success": false, "message": message}});
        Self::json(status, body.to_string())
    }

    /// 200 and an envelope with `success: true` and a message.
    pub fn done(message: &str) -> Self {
        let body = json!({"request_info": {"success": true, "message": message}});
        Self::json(200, body.to_string())
    }

    /// 200, an envelope with `success: true`, and these members beside it.
    pub(super) fn shown(members: Map<String, Value>) -> Self {
        let mut body = Map::new();
        body.insert("request_info".to_owned(), json!({"success": true}));
        body.extend(members);
        Self::json(200, Value::Object(body).to_string())
    }

    /// A page for people, as a proxy or a portal sends it.
    pub fn html(status: u16) -> Self {
        let page = "<!DOCTYPE html><html><head><title>Sign in</title></head>\
                    <body><h1>Please sign in to this network</h1></body></html>";
        Self::new(status, "text/html; charset=utf-8", page)
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::empty(status).header("location", location)
    }

    /// 429 with an envelope and, if given, a `Retry-After` of any text (contract §6.3).
    pub fn throttled(retry_after: Option<&str>) -> Self {
        let answer = Self::refused(429, "emulated: too many requests");
        match retry_after {
            Some(text) => answer.header("retry-after", text),
            None => answer,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}
