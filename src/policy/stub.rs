//! STUB: just enough of the policy's types for `config` to compile against.
use std::num::NonZeroU32;
use std::time::Duration;

use crate::batch::{BatchId, RuleName, Undelivered, Word};
use crate::clock::Timestamp;

macro_rules! text_type {
    ($name:ident, $err:ident, $fails:expr) => {
        /// Stub.
        #[derive(Debug, Clone)]
        pub struct $name(pub String);
        impl $name {
            /// Stub.
            ///
            /// # Errors
            /// Stub.
            pub fn parse(text: &str) -> Result<Self, $err> {
                let fails: fn(&str) -> Option<String> = $fails;
                match fails(text) {
                    Some(why) => Err($err(why)),
                    None => Ok(Self(text.to_owned())),
                }
            }
        }
    };
}
/// Stub.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadGlob(String);
/// Stub.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadRegex(String);
/// Stub.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadExpression(String);

fn bad_regex(text: &str) -> Option<String> {
    regex::Regex::new(text).err().map(|_| "the regular expression is not valid".to_owned())
}
text_type!(Glob, BadGlob, |t| (t.matches('[').count() > t.matches(']').count())
    .then(|| "a `[` is not closed".to_owned()));
text_type!(WholeRegex, BadRegex, bad_regex);
text_type!(GroupBy, BadRegex, bad_regex);
text_type!(When, BadExpression, |t| cel::Program::compile(t)
    .err()
    .map(|_| "the expression is not valid CEL".to_owned()));

impl Glob {
    /// Stub.
    pub fn is_everything(&self) -> bool {
        !self.0.is_empty() && self.0.chars().all(|c| c == '*')
    }
}
impl WholeRegex {
    /// Stub.
    pub fn matches_empty(&self) -> bool {
        regex::Regex::new(&format!("^(?:{})$", self.0)).is_ok_and(|r| r.is_match(""))
    }
    /// Stub.
    pub fn is_everything(&self) -> bool {
        matches!(self.0.as_str(), ".*" | ".+")
    }
}

/// Stub.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "stub")]
pub enum Matcher {
    Name(Vec<Glob>),
    NameRegex(Vec<WholeRegex>),
    Id(Vec<BatchId>),
    ScheduleType(Vec<Word>),
    Priority(Vec<Word>),
    Enabled(bool),
    Destination(Vec<Glob>),
    NeverRun(bool),
    HasResults(bool),
    Searches { min: Option<u64>, max: Option<u64> },
    OlderThan(Duration),
    IdleFor(Duration),
    CreatedBefore(Timestamp),
    CreatedAfter(Timestamp),
    When(When),
}

/// Stub.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "stub")]
pub struct Counts {
    pub group_by: Option<GroupBy>,
    pub last: Option<NonZeroU32>,
    pub daily: Option<NonZeroU32>,
    pub weekly: Option<NonZeroU32>,
    pub monthly: Option<NonZeroU32>,
    pub yearly: Option<NonZeroU32>,
    pub within: Option<Duration>,
}
/// Stub.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "stub")]
pub struct KeepRule {
    pub name: RuleName,
    pub matchers: Vec<Matcher>,
    pub counts: Counts,
    pub may_be_empty: bool,
}
/// Stub.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "stub")]
pub struct DeleteRule {
    pub name: RuleName,
    pub matchers: Vec<Matcher>,
    pub undelivered: Undelivered,
}
/// Stub.
#[derive(Debug)]
#[expect(missing_docs, reason = "stub")]
pub struct Policy {
    pub keep: Vec<KeepRule>,
    pub delete: Vec<DeleteRule>,
    pub floor: Option<Duration>,
    pub zone: chrono_tz::Tz,
}
impl Policy {
    /// Stub.
    pub fn new(
        keep: Vec<KeepRule>,
        delete: Vec<DeleteRule>,
        never_younger_than: Option<Duration>,
        zone: chrono_tz::Tz,
    ) -> Self {
        Self { keep, delete, floor: never_younger_than, zone }
    }
}
