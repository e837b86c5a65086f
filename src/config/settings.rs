//! Settings: what `[guards]` and `[sweep]` mean, in the types of their owners.
//!
//! Not here: the accounts themselves (`accounts`), rules (`rules`), when runs happen (`timing`).

use std::time::Duration;

use chrono_tz::Tz;

use super::check::{Check, SpanOrOff};
use super::defaults;
use super::diagnose::Complaint;
use super::duration::Span;
use super::place::KeyPath;
use super::raw::{RawLimit, RawText};
use super::timing;
use crate::guards::Limit;
use crate::policy::Terms;
use crate::sweep;

/// What all accounts share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) max_deletes: Limit,
    pub(super) max_delete_percent: Limit,
    pub(super) max_shrink_percent: Limit,
    pub(super) max_clock_skew: Limit<Duration>,
    pub(super) terms: Terms,
    pub(super) floor_text: String,
    pub(super) probation_text: String,
    pub(super) sweep: sweep::Settings,
    pub(super) requests_per_second: u32,
    pub(super) request_timeout: Duration,
}

/// Reads the shared settings. After a complaint the value is a default, which nobody uses.
pub(super) fn shared(check: &mut Check<'_, '_>) -> Shared {
    let terms = terms(check);
    let max_clock_skew = max_clock_skew(check);
    Shared {
        max_deletes: limit(check.layered.raw.guards.max_deletes, defaults::MAX_DELETES),
        max_delete_percent: percent(check, "max_delete_percent"),
        max_shrink_percent: percent(check, "max_shrink_percent"),
        max_clock_skew,
        terms,
        floor_text: floor_text(check),
        probation_text: probation_text(check),
        requests_per_second: requests_per_second(check),
        request_timeout: request_timeout(check).duration(),
        sweep: sweep_settings(check),
    }
}

/// What holds for every rule.
fn terms(check: &mut Check<'_, '_>) -> Terms {
    let layered = check.layered;
    let guards = &layered.raw.guards;
    let never_younger_than = match floor(check) {
        SpanOrOff::Off => None,
        SpanOrOff::Span(span) => Some(span.duration()),
    };
    let probation = guards.probation.as_ref();
    let probation = probation.and_then(|text| check.span(&guard("probation"), text));
    Terms {
        never_younger_than,
        probation: probation.unwrap_or(defaults::PROBATION).duration(),
        name_markers: guards.name_markers.unwrap_or(defaults::NAME_MARKERS),
        zone: timing::zone(check, &check.layered.raw.schedule, &KeyPath::of(["schedule"]))
            .unwrap_or(Tz::UTC),
    }
}

/// A number of `[guards]`, or off.
const fn limit(written: Option<RawLimit>, default: u32) -> Limit {
    match written {
        None => Limit::At(default),
        Some(RawLimit::Off) => Limit::Off,
        Some(RawLimit::At(number)) => Limit::At(number),
    }
}

/// A share of the inventory in percent, or off.
fn percent(check: &mut Check<'_, '_>, key: &str) -> Limit {
    let guards = &check.layered.raw.guards;
    let limit = match key {
        "max_shrink_percent" => limit(guards.max_shrink_percent, defaults::MAX_SHRINK_PERCENT),
        _ => limit(guards.max_delete_percent, defaults::MAX_DELETE_PERCENT),
    };
    if let Limit::At(percent) = limit
        && percent > 100
    {
        let message = format!("{percent} percent is more than all");
        let help = "from 0 to 100; `\"off\"` switches this guard off";
        check.value(&guard(key), Complaint::error(message).help(help));
    }
    limit
}

fn max_clock_skew(check: &mut Check<'_, '_>) -> Limit<Duration> {
    let layered = check.layered;
    let read = layered.raw.guards.max_clock_skew.as_ref();
    let read = read.and_then(|text| check.span_or_off(&guard("max_clock_skew"), text));
    match read.unwrap_or(SpanOrOff::Span(defaults::MAX_CLOCK_SKEW)) {
        SpanOrOff::Off => Limit::Off,
        SpanOrOff::Span(span) => Limit::At(span.duration()),
    }
}

fn floor(check: &mut Check<'_, '_>) -> SpanOrOff {
    let layered = check.layered;
    let read = layered.raw.guards.never_younger_than.as_ref();
    read.and_then(|text| check.span_or_off(&guard("never_younger_than"), text))
        .unwrap_or(SpanOrOff::Span(defaults::NEVER_YOUNGER_THAN))
}

/// The floor as the file says it.
fn floor_text(check: &Check<'_, '_>) -> String {
    let written = check.layered.raw.guards.never_younger_than.as_ref();
    written.map_or_else(|| defaults::NEVER_YOUNGER_THAN.to_string(), |text| text.0.clone())
}

/// The probation as the file says it.
fn probation_text(check: &Check<'_, '_>) -> String {
    let written = check.layered.raw.guards.probation.as_ref();
    written.map_or_else(|| defaults::PROBATION.to_string(), |text| text.0.clone())
}

fn sweep_settings(check: &mut Check<'_, '_>) -> sweep::Settings {
    let layered = check.layered;
    let raw = &layered.raw.sweep;
    if let Some(word) = &raw.recheck
        && word != defaults::RECHECK
    {
        let complaint = Complaint::error("a batch is always looked at again before it is deleted");
        check.value(&sweep("recheck"), complaint.help("the one value is `\"always\"`"));
    }
    let lookahead = raw.lookahead.unwrap_or(defaults::LOOKAHEAD);
    let attempts = raw.max_attempts.unwrap_or(defaults::MAX_ATTEMPTS);
    let lookahead = check.within(&sweep("lookahead"), lookahead, 1..=16);
    sweep::Settings {
        busy_wait: span(check, "busy_wait", raw.busy_wait.as_ref(), defaults::BUSY_WAIT).duration(),
        lookahead: lookahead.and_then(|n| usize::try_from(n).ok()).unwrap_or(1),
        max_attempts: check.within(&sweep("max_attempts"), attempts, 1..=20).unwrap_or(1),
        max_consecutive_failures: limit(
            layered.raw.guards.max_consecutive_failures,
            defaults::MAX_CONSECUTIVE_FAILURES,
        ),
    }
}

fn requests_per_second(check: &mut Check<'_, '_>) -> u32 {
    let given = check.layered.raw.sweep.requests_per_second;
    let given = given.unwrap_or(defaults::REQUESTS_PER_SECOND);
    check.within(&sweep("requests_per_second"), given, 1..=100_000).unwrap_or(1)
}

fn request_timeout(check: &mut Check<'_, '_>) -> Span {
    let layered = check.layered;
    let written = layered.raw.sweep.request_timeout.as_ref();
    let given = span(check, "request_timeout", written, defaults::REQUEST_TIMEOUT);
    let bounds = Span::of_secs(1)..=Span::of_secs(600);
    check.within(&sweep("request_timeout"), given, bounds).unwrap_or(given)
}

/// A duration of `[sweep]`, or its default.
fn span(check: &mut Check<'_, '_>, key: &str, written: Option<&RawText>, default: Span) -> Span {
    written.and_then(|text| check.span(&sweep(key), text)).unwrap_or(default)
}

fn guard(key: &str) -> KeyPath {
    KeyPath::of(["guards", key])
}

fn sweep(key: &str) -> KeyPath {
    KeyPath::of(["sweep", key])
}
