//! What one reply means: by its status first, then by its envelope.
//!
//! Pure: a [`Reply`] in, an answer or a [`Kind`] out. Not here: how bodies are read (`wire`), what
//! is tried again (`retry`).
//! Invariant: a success needs a 2xx and `success: true`, both (contract §2.0), and a batch counts
//! as missing only where the API names it (contract §6.2.4).

use std::time::Duration;

use bytes::Bytes;

use crate::api::answer::{DeleteAnswer, Lookup};
use crate::api::error::{Error, KeyRefusal, Kind, Operation, ServerText};
use crate::api::key::Keys;
use crate::api::product::Family;
use crate::api::wire::{self, Envelope, Unread};
use crate::batch::BatchId;

/// A whole answer, with what is used of its head.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: Option<Box<str>>,
    pub(super) trace_id: Option<Box<str>>,
    pub(super) retry_after: Option<Box<str>>,
    /// The host of `Location`, or what stands in its place.
    pub(super) points_to: Option<Box<str>>,
    /// The address that was asked, without its query.
    pub(super) asked: Box<str>,
    pub(super) body: Bytes,
}

impl Reply {
    const fn is_2xx(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// How long the answer asks to wait: the header as sent, else the body's seconds.
    pub(super) fn asked_wait(&self) -> Option<std::borrow::Cow<'_, str>> {
        if let Some(header) = self.retry_after.as_deref() {
            return Some(header.into());
        }
        if !matches!(self.status, 425 | 429 | 503) {
            return None;
        }
        wire::retry_after(&self.body).map(|seconds| seconds.to_string().into())
    }
}

/// The envelope of a success, or why the reply is none.
pub(super) fn success<'r>(reply: &'r Reply, keys: &Keys) -> Result<Envelope<'r>, Kind> {
    if let Some(kind) = by_status(reply, keys) {
        return Err(kind);
    }
    match Envelope::read(&reply.body) {
        Ok(envelope) if envelope.success && reply.is_2xx() => Ok(envelope),
        Ok(envelope) => Err(refused(reply, &envelope, keys)),
        Err(_) if !reply.is_2xx() => {
            Err(Kind::Refused { status: reply.status, message: excerpt(reply, keys) })
        }
        Err(unread) => Err(not_read(unread, reply, keys)),
    }
}

/// The batch of a Get, or the proof that there is none.
pub(super) fn lookup(
    reply: &Reply,
    id: &BatchId,
    family: Family,
    keys: &Keys,
) -> Result<Lookup, Kind> {
    if says_not_found(reply, id) {
        return Ok(Lookup::Missing);
    }
    let batch = success(reply, keys)?.batch(family, &reply.body)?;
    if batch.id != *id {
        return Err(Kind::Unexpected("the answer is about another batch".to_owned()));
    }
    Ok(Lookup::Found(batch))
}

/// Whether a reply proves that this very batch does not exist.
pub(super) fn says_not_found(reply: &Reply, id: &BatchId) -> bool {
    // These statuses have a meaning of their own, whatever the text.
    if !matches!(reply.status, 200..=299 | 400..=499)
        || matches!(reply.status, 401..=403 | 408 | 425 | 429)
    {
        return false;
    }
    Envelope::read(&reply.body).is_ok_and(|envelope| {
        !envelope.success
            && names(&envelope.message, id)
            && envelope.message.to_ascii_lowercase().contains("not found")
    })
}

/// Whether the id stands in the text by itself, not as a part of a longer word.
fn names(text: &str, id: &BatchId) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| word == id.as_str())
}

/// What a reply to a DELETE means. A key that was refused is settled by the caller.
pub(super) fn deletion(reply: &Reply, keys: &Keys) -> Deletion {
    let status = reply.status;
    match by_status(reply, keys) {
        Some(kind @ (Kind::KeyRefused(_) | Kind::PaymentRequired(_))) => {
            return Deletion::Hopeless(kind);
        }
        Some(kind @ (Kind::Throttled { .. } | Kind::Failing { .. })) => {
            return Deletion::Unclear { kind, may_resend: true };
        }
        // A 404 with an envelope is the API's own refusal; it is told apart below.
        Some(Kind::WrongPath(_)) | None => {}
        Some(kind) => return Deletion::Unclear { kind, may_resend: false },
    }
    match Envelope::read(&reply.body) {
        Ok(envelope) if envelope.success && reply.is_2xx() => Deletion::Confirmed,
        Ok(envelope) if envelope.success => {
            let sentence = format!("the API says success, but with status {status}");
            Deletion::Unclear { kind: Kind::Unexpected(sentence), may_resend: false }
        }
        Ok(envelope) => Deletion::Refused { status, message: message(&envelope, keys) },
        Err(_) if status == 404 => {
            Deletion::Unclear { kind: wrong_path(reply, keys), may_resend: false }
        }
        Err(unread) if reply.is_2xx() => {
            Deletion::Unclear { kind: not_read(unread, reply, keys), may_resend: true }
        }
        Err(_) => {
            let kind = Kind::Refused { status, message: excerpt(reply, keys) };
            Deletion::Unclear { kind, may_resend: false }
        }
    }
}

/// What became of a DELETE that was answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deletion {
    Confirmed,
    Refused { status: u16, message: ServerText },
    Unclear { kind: Kind, may_resend: bool },
    Hopeless(Kind),
}

impl Deletion {
    /// The answer for the caller.
    pub(super) fn answer(
        self,
        trace_id: Option<ServerText>,
        wait: Option<Duration>,
    ) -> DeleteAnswer {
        let error = |kind| Error { operation: Operation::Delete, kind, attempts: 1, trace_id };
        match self {
            Self::Confirmed => DeleteAnswer::Confirmed,
            Self::Refused { status, message } => DeleteAnswer::Refused { status, message },
            Self::Unclear { kind, may_resend } => {
                DeleteAnswer::Unclear { error: error(kind), may_resend, wait }
            }
            Self::Hopeless(kind) => DeleteAnswer::Hopeless(error(kind)),
        }
    }
}

/// What a status means whatever the body says; `None` where the envelope decides.
fn by_status(reply: &Reply, keys: &Keys) -> Option<Kind> {
    let status = reply.status;
    match status {
        300..=399 => {
            let host = reply.points_to.as_deref().unwrap_or("nowhere");
            Some(Kind::Redirected { status, to: keys.server_text(host.as_bytes()) })
        }
        401 | 403 => Some(Kind::KeyRefused(KeyRefusal { status, message: saying(reply, keys) })),
        402 => Some(Kind::PaymentRequired(saying(reply, keys))),
        404 => Some(wrong_path(reply, keys)),
        408 | 425 | 429 => Some(Kind::Throttled { status }),
        500..=599 => Some(Kind::Failing { status }),
        200..=299 | 400..=499 => None,
        _ => Some(Kind::NotAnEnvelope { status, excerpt: excerpt(reply, keys) }),
    }
}

fn wrong_path(reply: &Reply, keys: &Keys) -> Kind {
    Kind::WrongPath(keys.server_text(reply.asked.as_bytes()))
}

/// What the envelope says, or the start of a body that has none.
fn saying(reply: &Reply, keys: &Keys) -> ServerText {
    match Envelope::read(&reply.body) {
        Ok(envelope) => message(&envelope, keys),
        Err(_no_envelope) => excerpt(reply, keys),
    }
}

fn refused(reply: &Reply, envelope: &Envelope<'_>, keys: &Keys) -> Kind {
    Kind::Refused { status: reply.status, message: message(envelope, keys) }
}

fn message(envelope: &Envelope<'_>, keys: &Keys) -> ServerText {
    keys.server_text(envelope.message.as_bytes())
}

fn not_read(unread: Unread, reply: &Reply, keys: &Keys) -> Kind {
    match unread {
        Unread::NotAnEnvelope => {
            Kind::NotAnEnvelope { status: reply.status, excerpt: excerpt(reply, keys) }
        }
        // A page that calls itself something else than JSON was never the API's.
        Unread::Broken(_) if !calls_itself_json(reply) => {
            Kind::NotAnEnvelope { status: reply.status, excerpt: excerpt(reply, keys) }
        }
        Unread::Broken(sentence) => Kind::BrokenBody(sentence),
        Unread::Odd(sentence) => Kind::Unexpected(sentence),
    }
}

fn calls_itself_json(reply: &Reply) -> bool {
    reply.content_type.as_deref().is_none_or(|kind| kind.to_ascii_lowercase().contains("json"))
}

/// The content type and the first bytes, so that a foreign page can be recognised.
fn excerpt(reply: &Reply, keys: &Keys) -> ServerText {
    if reply.body.trim_ascii().is_empty() {
        return ServerText("an empty body".to_owned());
    }
    let kind = reply.content_type.as_deref().unwrap_or("no content type");
    if wire::is_nested_too_deeply(&reply.body) {
        return keys.server_text(&[kind.as_bytes(), b": brackets nested too deeply"].concat());
    }
    let start = reply.body.get(..LOOKED_AT).unwrap_or(&reply.body);
    keys.server_text(&[kind.as_bytes(), b": ", start].concat())
}

/// As much of a body as an excerpt is cut from; more than is shown, so that the cut finds no key in
/// halves.
const LOOKED_AT: usize = 8192;

#[cfg(test)]
mod tests;
