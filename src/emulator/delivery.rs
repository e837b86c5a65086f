//! Delivery: an answer on its way to the client, whole or damaged.
//!
//! Not here: when an answer is damaged (`fault`), and how a connection is reset (`serve`).

use std::io::{self, Write as _};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use super::answer::Answer;
use super::fault::Damage;

/// Bytes of one piece of a padded body.
const PIECE: usize = 64 * 1024;

/// Makes the HTTP response of an answer.
pub(super) fn response(answer: Answer, damages: &[Damage]) -> Response<Body> {
    let (mut headers, mut bytes) = (answer.headers, answer.body);
    let mut way = Way::Whole;
    for damage in damages {
        match damage {
            Damage::Cut(at) => way = Way::Cut(*at),
            Damage::Drip(piece, pause) => way = Way::Drip(*piece, *pause),
            Damage::Padded(length) => way = Way::Padded(*length),
            Damage::Shorten(at) => bytes = bytes.slice(..(*at).min(bytes.len())),
            Damage::Append(text) => bytes = [&*bytes, text.as_bytes()].concat().into(),
            Damage::Gzip => bytes = gzip(&bytes).into(),
            Damage::BrokenGzip => bytes = broken(gzip(&bytes)).into(),
            Damage::GzipBomb(length) => bytes = gzip(&vec![b' '; *length]).into(),
            Damage::FalseGzip => {}
        }
        if damage.is_labelled_gzip() {
            headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
        }
    }
    if let Way::Cut(_) = way {
        headers.push(("content-length".to_owned(), bytes.len().to_string()));
    }
    let mut response = Response::new(way.body(bytes));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    for (name, value) in headers {
        // A test's own mistake; the header that it misses will tell it.
        let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
        else {
            continue;
        };
        response.headers_mut().insert(name, value);
    }
    response
}

impl Damage {
    /// Whether a client cannot read the answer any more.
    pub(super) const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Drip(..) | Self::Gzip)
    }

    const fn is_labelled_gzip(&self) -> bool {
        matches!(self, Self::Gzip | Self::BrokenGzip | Self::FalseGzip | Self::GzipBomb(_))
    }
}

/// How the bytes of a body travel.
#[derive(Debug)]
enum Way {
    Whole,
    Cut(usize),
    Drip(usize, Duration),
    Padded(usize),
}

impl Way {
    fn body(self, bytes: Bytes) -> Body {
        match self {
            Self::Whole => Body::from(bytes),
            Self::Cut(at) => cut(bytes.slice(..at.min(bytes.len()))),
            Self::Drip(piece, pause) => drip(bytes, piece.max(1), pause),
            Self::Padded(length) => padded(length),
        }
    }
}

/// Sends these bytes and breaks the connection. The pause lets them out before it breaks.
fn cut(bytes: Bytes) -> Body {
    Body::from_stream(stream::unfold(Some(bytes), |rest| async move {
        match rest {
            Some(bytes) if !bytes.is_empty() => Some((Ok(bytes), Some(Bytes::new()))),
            Some(_) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
            None => None,
        }
    }))
}

fn drip(bytes: Bytes, piece: usize, pause: Duration) -> Body {
    Body::from_stream(stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok::<_, io::Error>(next), rest))
    }))
}

fn padded(length: usize) -> Body {
    let head = Bytes::from_static(b"{\"request_info\":{\"success\":true,\"message\":\"");
    let pieces = std::iter::once(head)
        .chain(std::iter::repeat_n(Bytes::from(vec![b'x'; PIECE]), length.div_ceil(PIECE)))
        .chain(std::iter::once(Bytes::from_static(b"\"}}")));
    Body::from_stream(stream::iter(pieces.map(Ok::<_, io::Error>)))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail; if it did, the body would come out empty and be seen.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn broken(mut gzip: Vec<u8>) -> Vec<u8> {
    let middle = gzip.len() / 2;
    for byte in gzip.iter_mut().skip(middle) {
        *byte = !*byte;
    }
    gzip
}
