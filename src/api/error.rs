//! What can go wrong with a call, by class.
//!
//! Invariant: no text in here holds the key, and text from a server is escaped and cut.

use std::fmt;

/// Text that a server sent: escaped, cut to [`ServerText::MAX_CHARS`] characters, the key taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerText(pub(super) String);

impl ServerText {
    /// As much of a server's text as is ever shown.
    pub const MAX_CHARS: usize = 200;
}

impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The calls that this program can make, and no others (`path` has their methods and templates).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// GET `/account`.
    Account,
    /// GET `/batches`.
    List,
    /// GET `/batches/{id}`.
    Get,
    /// GET `/batches/{id}/results`.
    ResultSets,
    /// DELETE `/batches/{id}`.
    Delete,
}

impl Operation {
    /// The operation's name in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::List => "list",
            Self::Get => "get",
            Self::ResultSets => "result_sets",
            Self::Delete => "delete",
        }
    }
}

/// A call that did not bring what it was to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Which call.
    pub operation: Operation,
    /// What went wrong the last time it was tried.
    pub kind: Kind,
    /// How often it was tried.
    pub attempts: u32,
    /// The vendor's support handle (`X-Trace-ID`), if the answer had one (contract §2.0).
    pub trace_id: Option<ServerText>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Not resolved, refused, reset, TLS refused: no answer came. Holds the sentence for people,
    /// with the host, and the proxy variable that chose the way, if one did.
    Unreachable(String),
    /// No whole answer within the time limit.
    TimedOut {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// 401 or 403.
    KeyRefused(ServerText),
    /// 402.
    PaymentRequired(ServerText),
    /// 404 where a missing batch is not the meaning: the path is wrong (contract §3).
    WrongPath,
    /// 408, 425 or 429, after the last attempt.
    Throttled {
        /// The status.
        status: u16,
    },
    /// A 5xx, after the last attempt.
    Failing {
        /// The status.
        status: u16,
    },
    /// A 3xx; never followed.
    Redirected {
        /// The status.
        status: u16,
        /// The host it points to, or what stands in its place.
        to: ServerText,
    },
    /// The body is not JSON with the envelope; an excerpt of it.
    NotAnEnvelope {
        /// The status.
        status: u16,
        /// The content type and the first 200 bytes.
        excerpt: ServerText,
    },
    /// The body ended early, or text follows its end, or it is nested too deeply.
    BrokenBody(String),
    /// The body is larger than 16 MiB after decoding.
    TooLarge,
    /// The envelope says `success: false`, or a 4xx came that means nothing else.
    Refused {
        /// The status.
        status: u16,
        /// What the API said.
        message: ServerText,
    },
    /// The answer is well-formed but not what this call answers with.
    Unexpected(String),
    /// The host speaks `collections` where `batches` was expected, or the other way round.
    WrongFamily {
        /// The word that was expected.
        expected: &'static str,
    },
    /// The HTTP client could not be built; no call was made. Holds the sentence for people.
    Setup(String),
    /// This program was told to stop.
    Stopped,
}

impl Error {
    /// The class of the failure.
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.operation.as_str())
    }
}

impl std::error::Error for Error {}
impl Error {
    /// c
    pub fn cause(&self) -> String {
        String::new()
    }
    /// h
    pub const fn help(&self) -> &'static str {
        ""
    }
}
