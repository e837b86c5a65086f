//! When runs happen: `[schedule]`, and what an account says otherwise.
//!
//! Not here: the arithmetic (`schedule`), keeping to it (`daemon`).

use chrono_tz::{TZ_VARIANTS, Tz};

use super::check::Check;
use super::defaults;
use super::diagnose::Complaint;
use super::duration::Span;
use super::hide;
use super::near;
use super::place::KeyPath;
use super::raw::RawSchedule;
use crate::batch::AccountName;
use crate::clock::{self, Timestamp};
use crate::schedule::{CatchUp, Days, Schedule, Timing};

/// The zone and the schedule of one account.
#[derive(Debug, Clone)]
pub(super) struct Times {
    pub(super) zone: Tz,
    pub(super) timing: Timing,
}

/// A jitter beyond this would be another schedule.
const MOST_JITTER: Span = Span::of_secs(24 * 3_600);

/// Firings closer than this are told of: each is a listing of the whole account, and `* 3 * * *` is more
/// often a slip than meant.
const OFTEN: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// Firings that a warning shows.
const SHOWN: usize = 5;

/// The schedule that all accounts share, for its mistakes.
pub(super) fn shared(check: &mut Check<'_, '_>) {
    let raw = &check.layered.raw.schedule;
    let shared = KeyPath::of(["schedule"]);
    let zone = zone_of(raw).unwrap_or(Tz::UTC);
    read(check, &Places { raw, own: raw, at: &shared, shared: &shared }, zone);
}

/// The times of an account.
pub(super) fn of_account(check: &mut Check<'_, '_>, name: &AccountName) -> Times {
    let layered = check.layered;
    let (shared, at) = (KeyPath::of(["schedule"]), account_path(name));
    let nothing = RawSchedule::default();
    let own = layered.raw.accounts.get(name.as_str()).map_or(&nothing, |raw| &raw.schedule);
    let raw = merged(&layered.raw.schedule, own);
    let shared_zone = zone_of(&layered.raw.schedule).unwrap_or(Tz::UTC);
    let zone = match own.timezone {
        Some(_) => zone(check, own, &at).unwrap_or(shared_zone),
        None => shared_zone,
    };
    if *own == nothing {
        // What is wrong with the shared schedule has been told, once.
        return Times { zone, timing: quietly(&raw, zone) };
    }
    let places = Places { raw: &raw, own, at: &at, shared: &shared };
    Times { zone, timing: read(check, &places, zone) }
}

fn account_path(name: &AccountName) -> KeyPath {
    KeyPath::of(["accounts", name.as_str(), "schedule"])
}

/// The shared schedule with an account's own keys over it.
fn merged(shared: &RawSchedule, own: &RawSchedule) -> RawSchedule {
    let (own, shared) = (own.clone(), shared.clone());
    RawSchedule {
        cron: own.cron.or(shared.cron),
        cron_days: own.cron_days.or(shared.cron_days),
        timezone: own.timezone.or(shared.timezone),
        jitter: own.jitter.or(shared.jitter),
        catch_up: own.catch_up.or(shared.catch_up),
    }
}

/// A schedule, and where each of its keys was written.
struct Places<'a> {
    raw: &'a RawSchedule,
    own: &'a RawSchedule,
    at: &'a KeyPath,
    shared: &'a KeyPath,
}

impl Places<'_> {
    /// Where a key stands; `own` is what the account itself says of it.
    fn of<T>(&self, key: &str, own: Option<&T>) -> KeyPath {
        let table = if own.is_some() { self.at } else { self.shared };
        table.then(key)
    }
}

/// Reads a schedule, telling of mistakes at the key that has them.
fn read(check: &mut Check<'_, '_>, places: &Places<'_>, zone: Tz) -> Timing {
    let (raw, own) = (places.raw, places.own);
    let days = raw.cron_days.as_deref().and_then(|word| {
        let days = days(word).ok_or_else(|| {
            Complaint::error(format!("`{}` is no way to join two day fields", hide::shown(word)))
                .help("write \"or\" (either, as crontab has it) or \"and\" (both)")
        });
        check.take(&places.of("cron_days", own.cron_days.as_ref()), days)
    });
    let catch_up = raw.catch_up.as_deref().and_then(|word| {
        let catch_up = catch_up(word).ok_or_else(|| {
            Complaint::error(format!("`{}` is no way to catch up", hide::shown(word)))
                .help("write \"once\" (one run for all that were missed) or \"skip\" (none)")
        });
        check.take(&places.of("catch_up", own.catch_up.as_ref()), catch_up)
    });
    let jitter = raw.jitter.as_ref().and_then(|text| {
        let path = places.of("jitter", own.jitter.as_ref());
        let jitter = check.span(&path, text)?;
        check.within(&path, jitter, Span::of_secs(0)..=MOST_JITTER)
    });
    let path = places.of("cron", own.cron.as_ref());
    let Some(text) = raw.cron.as_deref() else { return Timing::Unset };
    if text == "off" {
        return Timing::Off;
    }
    let parsed = Schedule::parse(text, days, zone).map_err(|bad| {
        let shown = hide::shown(&bad.to_string()).into_owned();
        Complaint::error(shown).help(bad.help())
    });
    let Some(schedule) = check.take(&path, parsed) else { return Timing::Unset };
    warn_of_many(check, &path, &schedule);
    Timing::At(Box::new(with(schedule, jitter, catch_up)))
}

/// Reads a schedule whose mistakes have been told.
fn quietly(raw: &RawSchedule, zone: Tz) -> Timing {
    let days = raw.cron_days.as_deref().and_then(days);
    let jitter = raw.jitter.as_ref().and_then(|text| Span::parse(&text.0).ok());
    let catch_up = raw.catch_up.as_deref().and_then(catch_up);
    match raw.cron.as_deref() {
        None => Timing::Unset,
        Some("off") => Timing::Off,
        Some(text) => match Schedule::parse(text, days, zone) {
            Ok(schedule) => Timing::At(Box::new(with(schedule, jitter, catch_up))),
            Err(_told) => Timing::Unset,
        },
    }
}

fn with(mut schedule: Schedule, jitter: Option<Span>, catch_up: Option<CatchUp>) -> Schedule {
    schedule.jitter = jitter.unwrap_or(defaults::JITTER).duration();
    schedule.catch_up = catch_up.unwrap_or(CatchUp::Once);
    schedule
}

fn days(word: &str) -> Option<Days> {
    match word {
        "or" => Some(Days::Or),
        "and" => Some(Days::And),
        _ => None,
    }
}

fn catch_up(word: &str) -> Option<CatchUp> {
    match word {
        "once" => Some(CatchUp::Once),
        "skip" => Some(CatchUp::Skip),
        _ => None,
    }
}

/// Where no clock is at hand the year that this program is of will do.
const FROM: Timestamp = clock::RELEASED;

fn warn_of_many(check: &mut Check<'_, '_>, path: &KeyPath, schedule: &Schedule) {
    let firings: Vec<_> = schedule.firings(FROM).take(SHOWN).collect();
    let gaps = firings.iter().zip(firings.iter().skip(1)).map(|(one, next)| next.at - one.at);
    let Some(shortest) = gaps.min().filter(|gap| *gap < OFTEN) else { return };
    let times: Vec<_> =
        firings.iter().map(|firing| firing.local.format("%H:%M:%S").to_string()).collect();
    let message = format!(
        "it fires every {} seconds, such as at {}; each time the whole account is listed",
        shortest.num_seconds(),
        times.join(", ")
    );
    let help = "is it `0 3 * * *` (once, at 03:00) that is meant, not `* 3 * * *`?";
    check.value(path, Complaint::warning(message).help(help));
}

/// A time zone by its name, if one is written and known.
fn zone_of(raw: &RawSchedule) -> Option<Tz> {
    raw.timezone.as_deref()?.parse().ok()
}

/// The time zone that is written at a place, or the default.
pub(super) fn zone(check: &mut Check<'_, '_>, raw: &RawSchedule, at: &KeyPath) -> Option<Tz> {
    let name = raw.timezone.as_deref().unwrap_or(defaults::TIMEZONE);
    let parsed = name.parse::<Tz>().map_err(|_unknown| {
        let message = format!("`{}` is not a time zone", hide::shown(name));
        let zones = TZ_VARIANTS.iter().map(|zone| zone.name());
        Complaint::error(message).help(near::nearest(name, zones).map_or_else(
            || "write an IANA name, such as `Europe/Paris`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        ))
    });
    check.take(&at.then("timezone"), parsed)
}
