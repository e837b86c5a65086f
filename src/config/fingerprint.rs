//! The configuration's hash: the same for the same meaning, so that a sealed plan can say under which
//! rules it was made.
//!
//! Defaults count as if they were written, a single text as a list of one, and a duration by its
//! seconds. `dry_run` does not count (a plan made dry is applied with it off), nor do `[[test]]`, nor who
//! is shown or told what happens.
//! Secrets cannot count: none is in the configuration.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::defaults;
use super::duration::Span;
use crate::batch::{RuleName, hex};
use crate::policy::RuleKind;

/// The hash of one rule of a kind, in hex: of what it says itself, whatever its defaults.
pub(super) fn of_rule(
    written: &BTreeMap<String, Vec<String>>,
    kind: RuleKind,
    rule: &RuleName,
) -> String {
    let prefix = format!("{}.{rule}.", kind.name());
    let own = written.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
    hash(own.map(|(path, values)| (path.clone(), values.clone())).collect())
}

/// The hash of leaf values by path, in hex.
pub(super) fn of(written: &BTreeMap<String, Vec<String>>) -> String {
    let mut effective: BTreeMap<String, Vec<String>> = defaults::all()
        .into_iter()
        .map(|(path, value)| (path.to_owned(), vec![value.trim_matches('"').to_owned()]))
        .collect();
    effective.extend(written.iter().map(|(path, values)| (path.clone(), values.clone())));
    effective.remove("dry_run");
    effective.retain(|path, _| !NO_PART.iter().any(|table| path.starts_with(table)));
    hash(effective)
}

/// Tables that have no part in what a run does.
const NO_PART: [&str; 2] = ["server.", "notify."];

fn hash(leaves: BTreeMap<String, Vec<String>>) -> String {
    let mut hash = Sha256::new();
    for (path, values) in leaves {
        hash.update(path.len().to_le_bytes());
        hash.update(path);
        for value in values {
            let value = Span::parse(&value).map_or(value, |span| format!("{}s", seconds(span)));
            hash.update(value.len().to_le_bytes());
            hash.update(value);
        }
    }
    hex(&hash.finalize())
}

const fn seconds(span: Span) -> u64 {
    span.duration().as_secs()
}
