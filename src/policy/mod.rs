//! Deciding: rules and an inventory in, a verdict for each batch out.
//!
//! Not here: limits on the plan as a whole (`guards`), the second look before a deletion
//! (`sweep::recheck`), the file's text (`config`).
//! Invariant: no I/O, no clock, no randomness. Equal arguments give equal verdicts, in any order of
//! rules and batches. Missing, odd or future data never makes a batch more deletable.

pub mod answer;
mod subject;
mod matcher;
mod rule;
mod keep;
mod memory;
pub mod day;
mod marker;
pub mod verdict;
mod decide;
mod explain;
#[cfg(test)]
mod laws;

pub use decide::{Decision, KeepMatches, Policy, Terms};
pub use explain::{Explanation, MatcherTrace, RuleKind, RuleTrace};
pub use matcher::{
    BadExpression, BadGlob, BadRegex, Glob, GroupBy, Matcher, When, WholeRegex, shown,
};
pub use memory::{Hold, Memory};
pub use rule::{Counts, DeleteRule, KeepRule};
