//! The vendor's API: the calls this program may make, and what their answers mean.
//!
//! A call is expressed (`path`), waits for its turn (`pacing`), leaves with the key (`transport`),
//! and its reply is read (`wire`), judged (`judge`) and perhaps tried again (`retry`).
//! Not here: whether a listing is complete (`inventory`), whether a DELETE may be sent (`sweep`).
//! Invariant: only `transport` sees the HTTP library, only `wire` the vendor's spellings, and no
//! error, event or log line holds the key or a URL with it.

pub mod product;
pub mod settings;
pub mod error;
pub mod answer;
mod path;
mod key;
mod pacing;
mod retry;
mod wire;
mod judge;
mod transport;
pub mod client;
pub mod kept;
#[cfg(test)]
mod script;
