//! STUB: the settings of a sweep.
use std::time::Duration;

use crate::guards;

/// Stub.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "stub")]
pub struct Settings {
    pub busy_wait: Duration,
    pub lookahead: usize,
    pub max_attempts: u32,
    pub max_consecutive_failures: guards::Limit,
}
