//! What can go wrong with a call, by class, and what to do about each.
//!
//! Not here: which status or body means which class (`judge`), what is tried again (`retry`).
//! Invariant: no text in here holds the key, and text from a server is escaped and cut.

use std::fmt;

use crate::observe::event::Code;

/// Text that a server sent: escaped, cut to [`ServerText::MAX_CHARS`] characters, the key taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerText(pub(super) String);

impl ServerText {
    /// As much of a server's text as is ever shown.
    pub const MAX_CHARS: usize = 200;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Account, Self::List, Self::Get, Self::ResultSets, Self::Delete];

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

    /// What it is to do, for people.
    const fn purpose(self) -> &'static str {
        match self {
            Self::Account => "read the account",
            Self::List => "read a page of the listing",
            Self::Get => "read a batch",
            Self::ResultSets => "read a batch's result sets",
            Self::Delete => "delete a batch",
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

impl Error {
    /// The class of the failure.
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What went wrong, as a sentence for people: lower case, no full stop.
    pub fn cause(&self) -> String {
        self.kind.to_string()
    }

    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        self.kind.help()
    }

    /// How often it was tried and what support may ask for, to follow on a sentence; may be empty.
    pub fn circumstances(&self) -> String {
        let attempts = match self.attempts {
            0 | 1 => String::new(),
            many => format!(" in {many} attempts"),
        };
        match &self.trace_id {
            Some(id) => format!("{attempts} (trace id {id})"),
            None => attempts,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}{}", self.operation.purpose(), self.circumstances())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

/// How a key was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRefusal {
    /// The status.
    pub status: u16,
    /// What the API said.
    pub message: ServerText,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Not resolved, refused, reset, TLS refused: no answer came. Holds the sentence for people,
    /// with the host, and the proxy variable that chose the way, if one did.
    Unreachable(String),
    /// No connection was made, so nothing was sent. Holds the sentence for people, as above.
    NotConnected(String),
    /// No whole answer within the time limit.
    TimedOut {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// 401 or 403.
    KeyRefused(KeyRefusal),
    /// 402.
    PaymentRequired(ServerText),
    /// 404 where a missing batch is not the meaning: the path is wrong (contract §3). Holds the
    /// address, without its query.
    WrongPath(ServerText),
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

impl Kind {
    /// What an attempt that failed before its answer was judged counts as.
    pub(super) const fn code(&self) -> Code {
        match self {
            Self::Unreachable(_) | Self::NotConnected(_) | Self::Setup(_) | Self::Stopped => {
                Code::Unreachable
            }
            Self::TimedOut { .. } => Code::Timeout,
            Self::BrokenBody(_)
            | Self::TooLarge
            | Self::NotAnEnvelope { .. }
            | Self::Unexpected(_)
            | Self::WrongFamily { .. } => Code::Broken,
            Self::KeyRefused(_)
            | Self::PaymentRequired(_)
            | Self::WrongPath(_)
            | Self::Refused { .. } => Code::ClientError,
            Self::Throttled { status }
            | Self::Failing { status }
            | Self::Redirected { status, .. } => Code::of_status(*status),
        }
    }

    /// Whether the call surely changed nothing: it was not sent, or turned away before its work.
    pub const fn changed_nothing(&self) -> bool {
        match self {
            Self::NotConnected(_)
            | Self::KeyRefused(_)
            | Self::PaymentRequired(_)
            | Self::Throttled { .. }
            | Self::Setup(_)
            | Self::Stopped => true,
            Self::Unreachable(_)
            | Self::TimedOut { .. }
            | Self::WrongPath(_)
            | Self::Failing { .. }
            | Self::Redirected { .. }
            | Self::NotAnEnvelope { .. }
            | Self::BrokenBody(_)
            | Self::TooLarge
            | Self::Refused { .. }
            | Self::Unexpected(_)
            | Self::WrongFamily { .. } => false,
        }
    }

    /// What to do about it.
    const fn help(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::NotConnected(_) => {
                "check DNS, the firewall, the proxy and the CA certificates of this machine, and `base_url` if the file sets it; the next run tries again"
            }
            Self::TimedOut { .. } => {
                "the API or the network is slow; the next run tries again, `request_timeout` sets the limit"
            }
            Self::KeyRefused(_) => {
                "put the account's present key where the file says (`api_key_file`, `api_key_env`, `api_key_credential`), and check that `product` is the one it belongs to"
            }
            Self::PaymentRequired(_) => {
                "settle the payment or the credits of this account at the vendor, then run again"
            }
            Self::WrongPath(_) => {
                "check `product` and `base_url`: the address of SerpWow ends in /live, those of the other products do not"
            }
            Self::Throttled { .. } => {
                "another client may use the same account; the next run tries again, `requests_per_second` sets the pace"
            }
            Self::Failing { .. } => {
                "the fault is at the vendor, whose support asks for the trace id, if one is shown; the next run tries again"
            }
            Self::Redirected { .. } => {
                "redirects are never followed, for they could carry the key away; check `base_url`, and for a captive portal or a proxy in between"
            }
            Self::NotAnEnvelope { .. } => {
                "something else than the API answered: check `base_url`, and for a captive portal, a firewall or a proxy in between"
            }
            Self::BrokenBody(_) => {
                "the answer was damaged on its way or at the vendor; the next run tries again"
            }
            Self::TooLarge => {
                "an answer of the API is far smaller: check `base_url`, and for a proxy in between"
            }
            Self::Refused { .. } => {
                "read what the API said; the vendor's support can tell more by the trace id, if one is shown"
            }
            Self::Unexpected(_) => {
                "the API may have changed, or `base_url` is another API's; look for a newer version of this program before anything is deleted"
            }
            Self::WrongFamily { .. } => {
                "set `product` to the one this key and `base_url` belong to"
            }
            Self::Setup(_) => "mend what is named; no call was made",
            Self::Stopped => "nothing is wrong: the next run goes on from here",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(sentence)
            | Self::NotConnected(sentence)
            | Self::BrokenBody(sentence)
            | Self::Unexpected(sentence)
            | Self::Setup(sentence) => f.write_str(sentence),
            Self::TimedOut { limit_ms } => {
                let seconds = std::time::Duration::from_millis(*limit_ms).as_secs_f64();
                write!(f, "no whole answer in {seconds} s")
            }
            Self::KeyRefused(KeyRefusal { status, message }) => {
                with_saying(f, &format!("the API refused the key ({status})"), message)
            }
            Self::PaymentRequired(said) => with_saying(f, "the API asks for payment (402)", said),
            Self::WrongPath(asked) => write!(f, "status 404: {asked} is no path of the API"),
            Self::Throttled { status } => write!(f, "the API throttles the account ({status})"),
            Self::Failing { status } => write!(f, "the API is failing ({status})"),
            Self::Redirected { status, to } => write!(f, "redirect to {to} refused ({status})"),
            Self::NotAnEnvelope { status, excerpt } => {
                write!(f, "expected an answer of the API, got status {status} with {excerpt}")
            }
            Self::TooLarge => f.write_str("the answer is over 16 MiB"),
            Self::Refused { status, message } => {
                with_saying(f, &format!("the API refused the call ({status})"), message)
            }
            Self::WrongFamily { expected } => {
                let other = if *expected == "batches" { "collections" } else { "batches" };
                write!(f, "this host speaks of `{other}`, where `{expected}` was expected")
            }
            Self::Stopped => f.write_str("this program was told to stop"),
        }
    }
}

impl std::error::Error for Kind {}

/// A sentence, and what the server said, if it said something.
fn with_saying(f: &mut fmt::Formatter<'_>, sentence: &str, said: &ServerText) -> fmt::Result {
    f.write_str(sentence)?;
    if said.0.is_empty() { Ok(()) } else { write!(f, ": {said}") }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn said(text: &str) -> ServerText {
        ServerText(text.to_owned())
    }

    /// The next example after this one: the `match` does not compile when a variant has no row.
    fn next(kind: Option<&Kind>) -> Option<Kind> {
        Some(match kind {
            None => Kind::NotConnected("api.serpwow.com refused the connection".into()),
            Some(Kind::NotConnected(_)) => {
                Kind::Unreachable("api.serpwow.com closed the connection".into())
            }
            Some(Kind::Unreachable(_)) => Kind::TimedOut { limit_ms: 30_000 },
            Some(Kind::TimedOut { .. }) => {
                let message = said("Supplied api_key is not valid");
                Kind::KeyRefused(KeyRefusal { status: 401, message })
            }
            Some(Kind::KeyRefused(_)) => Kind::PaymentRequired(said("")),
            Some(Kind::PaymentRequired(_)) => {
                Kind::WrongPath(said("https://api.serpwow.com/batches"))
            }
            Some(Kind::WrongPath(_)) => Kind::Throttled { status: 429 },
            Some(Kind::Throttled { .. }) => Kind::Failing { status: 502 },
            Some(Kind::Failing { .. }) => {
                Kind::Redirected { status: 303, to: said("evil.example") }
            }
            Some(Kind::Redirected { .. }) => {
                Kind::NotAnEnvelope { status: 200, excerpt: said("text/html: <html>") }
            }
            Some(Kind::NotAnEnvelope { .. }) => {
                Kind::BrokenBody("the answer ends too early, after 17 bytes".into())
            }
            Some(Kind::BrokenBody(_)) => Kind::TooLarge,
            Some(Kind::TooLarge) => Kind::Refused { status: 400, message: said("it is running") },
            Some(Kind::Refused { .. }) => Kind::Unexpected("the answer has no `batches`".into()),
            Some(Kind::Unexpected(_)) => Kind::WrongFamily { expected: "batches" },
            Some(Kind::WrongFamily { .. }) => Kind::Setup("no CA certificates found".into()),
            Some(Kind::Setup(_)) => Kind::Stopped,
            Some(Kind::Stopped) => return None,
        })
    }

    #[test]
    fn every_kind_that_ends_an_attempt_early_counts_as_a_code() {
        let mut shown = String::new();
        let mut kind = next(None);
        while let Some(this) = kind {
            let name = format!("{this:?}");
            let name = name.split([' ', '(']).next().unwrap();
            writeln!(shown, "{name}: {}", this.code().as_str()).unwrap();
            kind = next(Some(&this));
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn every_kind_says_what_happened_and_what_to_do() {
        let mut shown = String::new();
        let mut kind = next(None);
        while let Some(this) = kind {
            let error =
                Error { operation: Operation::List, kind: this, attempts: 1, trace_id: None };
            assert!(!error.help().is_empty());
            writeln!(shown, "{}\n  help: {}", error.cause(), error.help()).unwrap();
            kind = next(Some(&error.kind));
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn an_error_names_its_call_and_leaves_the_cause_to_the_chain() {
        let mut shown = String::new();
        for operation in [
            Operation::Account,
            Operation::List,
            Operation::Get,
            Operation::ResultSets,
            Operation::Delete,
        ] {
            let kind = Kind::Failing { status: 500 };
            let error = Error { operation, kind, attempts: 1, trace_id: None };
            writeln!(shown, "{}: {error}", operation.as_str()).unwrap();
        }
        let kind = Kind::Failing { status: 500 };
        let trace_id = Some(said("abc-1"));
        let error = Error { operation: Operation::List, kind, attempts: 5, trace_id };
        let source = std::error::Error::source(&error).unwrap();
        writeln!(shown, "{error}\n  because: {source}").unwrap();
        insta::assert_snapshot!(shown);
    }
}
