//! STUB: the settings of the guards.
use std::time::Duration;

/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "stub")]
pub enum Limit<T = u32> {
    Off,
    At(T),
}
/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "stub")]
pub struct Expected {
    pub min: Option<u64>,
    pub max: Option<u64>,
}
/// Stub.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "stub")]
pub struct Limits {
    pub max_deletes: Limit,
    pub max_delete_percent: Limit,
    pub max_clock_skew: Limit<Duration>,
    pub expect_batches: Option<Expected>,
}
