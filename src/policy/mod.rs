//! Deciding: rules and an inventory in, a verdict for each batch out.
//!
//! Not here: limits on the plan as a whole (`guards`), the second look before a deletion
//! (`sweep::recheck`), the file's text (`config`).
//! Invariant: no I/O, no clock, no randomness. Equal arguments give equal verdicts, in any order of
//! rules and batches. Missing, odd or future data never makes a batch more deletable.

pub mod answer;
pub mod verdict;
mod stub;
pub use stub::*;
