//! The file exactly as written: one field for each key, nothing interpreted.
//!
//! Types here say what TOML type a key takes and nothing about sense; that is the work of
//! `settings` and `rules`. The second opinion (`audit`) reads rules from here, so that it starts
//! from the same text as `policy` and from nothing that `policy` made of it.
//! Invariant: no default is filled in here, and no text is parsed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// Plan and log only.
    pub dry_run: Option<bool>,
    /// When runs happen, and the zone that calendar days are counted in.
    pub schedule: RawSchedule,
    /// Accounts by name.
    pub accounts: BTreeMap<String, RawAccount>,
    /// Limits on a plan as a whole.
    pub guards: RawGuards,
    /// How a plan is carried out.
    pub sweep: RawSweep,
    /// What is remembered between runs.
    pub state: RawState,
    /// Where the daemon can be asked how it is.
    pub server: Option<RawServer>,
    /// Whom to tell, by name.
    pub notify: BTreeMap<String, RawNotify>,
    /// Keep rules by name.
    pub keep: BTreeMap<String, RawRule>,
    /// Delete rules by name.
    pub delete: BTreeMap<String, RawRule>,
    /// The file's own test cases.
    pub test: Vec<RawTest>,
}

/// `[schedule]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSchedule {
    /// Five fields, six with seconds first, or `off`.
    pub cron: Option<String>,
    /// What two restricted day fields mean: `or`, `and`.
    pub cron_days: Option<String>,
    /// An IANA zone name.
    pub timezone: Option<String>,
    /// The longest random delay of a start.
    pub jitter: Option<RawText>,
    /// What becomes of missed firings: `once`, `skip`.
    pub catch_up: Option<String>,
}

/// `[server]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawServer {
    /// Address and port, or `off`.
    pub listen: Option<String>,
    /// Names that the server is asked by, besides addresses and `localhost`.
    pub hosts: Option<Vec<String>>,
}

/// `[notify.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawNotify {
    /// `slack`, `teams`, `webhook` or `healthchecks`.
    pub kind: Option<String>,
    /// A file that holds the URL.
    pub url_file: Option<String>,
    /// An environment variable that holds the URL.
    pub url_env: Option<String>,
    /// A systemd credential that holds the URL.
    pub url_credential: Option<String>,
    /// A file that holds the secret.
    pub secret_file: Option<String>,
    /// An environment variable that holds the secret.
    pub secret_env: Option<String>,
    /// A systemd credential that holds the secret.
    pub secret_credential: Option<String>,
    /// Event classes.
    pub on: Option<OneOrMany>,
    /// Accounts.
    pub accounts: Option<OneOrMany>,
    /// From whom mail is.
    pub from: Option<String>,
    /// To whom mail goes.
    pub to: Option<OneOrMany>,
    /// Refused, and never kept: the URL itself.
    pub url: Option<de::IgnoredAny>,
    /// Refused, and never kept: the secret itself.
    pub secret: Option<de::IgnoredAny>,
}

/// `[accounts.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAccount {
    /// Which of the ten products.
    pub product: Option<String>,
    /// A file that holds the key.
    pub api_key_file: Option<String>,
    /// An environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// A systemd credential that holds the key.
    pub api_key_credential: Option<String>,
    /// Where the API is, if not at its usual place.
    pub base_url: Option<String>,
    /// How many batches this account is known to have.
    pub expect_batches: Option<RawRange>,
    /// What `[schedule]` says otherwise for this account.
    pub schedule: RawSchedule,
}

/// `[guards]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawGuards {
    /// Deletions a run may make.
    pub max_deletes: Option<RawLimit>,
    /// The same, in percent of the inventory.
    pub max_delete_percent: Option<RawLimit>,
    /// How much smaller than at its last complete listing an account may be, in percent.
    pub max_shrink_percent: Option<RawLimit>,
    /// Failures in a row that end a sweep.
    pub max_consecutive_failures: Option<RawLimit>,
    /// The floor under every rule.
    pub never_younger_than: Option<RawText>,
    /// How far our clock and the server's may differ.
    pub max_clock_skew: Option<RawText>,
    /// How long a new or edited delete rule only plans.
    pub probation: Option<RawText>,
    /// Whether `[keep]` in a batch's name protects it.
    pub name_markers: Option<bool>,
}

/// `[sweep]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSweep {
    /// Always `always`.
    pub recheck: Option<String>,
    /// How long busy batches are polled at the end.
    pub busy_wait: Option<RawText>,
    /// Gets ahead of the DELETE in flight.
    pub lookahead: Option<u32>,
    /// Calls a second, of all kinds.
    pub requests_per_second: Option<u32>,
    /// How long one call may take.
    pub request_timeout: Option<RawText>,
    /// How often one call is tried.
    pub max_attempts: Option<u32>,
}

/// `[state]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawState {
    /// Where it is.
    pub url: Option<String>,
    /// How long runs and deletions are remembered.
    pub keep_history: Option<RawText>,
}

/// `[keep.NAME]` or `[delete.NAME]`: every key that a rule of either kind may have.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRule {
    /// Globs over the whole name.
    pub name: Option<OneOrMany>,
    /// Regular expressions over the whole name.
    pub name_regex: Option<OneOrMany>,
    /// Ids.
    pub id: Option<OneOrMany>,
    /// Schedule types.
    pub schedule_type: Option<OneOrMany>,
    /// Priorities.
    pub priority: Option<OneOrMany>,
    /// Whether the schedule is on.
    pub enabled: Option<bool>,
    /// Globs over destination ids.
    pub destination: Option<OneOrMany>,
    /// Whether it never ran.
    pub never_run: Option<bool>,
    /// Whether it holds result sets.
    pub has_results: Option<bool>,
    /// How many searches it holds.
    pub searches: Option<RawRange>,
    /// Age since creation.
    pub older_than: Option<RawText>,
    /// Time since the last activity.
    pub idle_for: Option<RawText>,
    /// Created before this instant.
    pub created_before: Option<RawTime>,
    /// Created after this instant.
    pub created_after: Option<RawTime>,
    /// Which accounts the rule serves.
    pub accounts: Option<OneOrMany>,
    /// A CEL expression over `batch` and `now`.
    pub when: Option<String>,
    /// Keep rules: the first capture group names the group.
    pub group_by: Option<String>,
    /// Keep rules: the newest N of each group.
    pub last: Option<u32>,
    /// Keep rules: the newest of each of the last N days that have any.
    pub daily: Option<u32>,
    /// The same by ISO week.
    pub weekly: Option<u32>,
    /// The same by month.
    pub monthly: Option<u32>,
    /// The same by year.
    pub yearly: Option<u32>,
    /// Keep rules: everything active within this time.
    pub within: Option<RawText>,
    /// Keep rules: matching nothing is no mistake.
    pub may_be_empty: Option<bool>,
    /// Delete rules: no selector, on purpose.
    pub match_all: Option<bool>,
    /// Delete rules: no bound, on purpose.
    pub any_age: Option<bool>,
    /// Delete rules: delete even if a webhook was never delivered.
    pub force_failed_webhooks: Option<bool>,
    /// Delete rules: how long a batch must stay selected.
    pub grace: Option<RawText>,
}

/// `[[test]]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTest {
    /// Whose rules decide; default: each account's in turn.
    pub account: Option<String>,
    /// The batch.
    pub batch: RawTestBatch,
    /// The verdict it must get.
    pub expect: Option<String>,
    /// The rule that must be the cause.
    pub by: Option<String>,
}

/// The batch of a `[[test]]`; what is left out is idle, manual, enabled, and ran `age` ago.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTestBatch {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Time since creation (and since the last run, unless `idle_for` or `never_run` says other).
    pub age: Option<RawText>,
    /// Time since the last run.
    pub idle_for: Option<RawText>,
    /// Whether it never ran.
    pub never_run: Option<bool>,
    /// `idle`, `queued`, `running` or another word.
    pub status: Option<String>,
    /// Its schedule type.
    pub schedule_type: Option<String>,
    /// Its priority.
    pub priority: Option<String>,
    /// Whether its schedule is on.
    pub enabled: Option<bool>,
    /// Its destinations.
    pub destinations: Option<Vec<String>>,
    /// How many searches it holds.
    pub searches: Option<u64>,
    /// How many result sets it holds.
    pub results_count: Option<u64>,
}

/// `{ min = 1, max = 10000 }`, either end optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRange {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}

/// A text that is parsed later: a duration, or `off`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct RawText(pub String);

/// A number, or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawLimit {
    /// Switched off.
    Off,
    /// At most this much.
    At(u32),
}

impl<'de> Deserialize<'de> for RawLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Limits;
        impl Visitor<'_> for Limits {
            type Value = RawLimit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0, or \"off\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<RawLimit, E> {
                let outside = || E::invalid_value(de::Unexpected::Signed(value), &self);
                u32::try_from(value).map(RawLimit::At).map_err(|_error| outside())
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<RawLimit, E> {
                let outside = || E::invalid_value(de::Unexpected::Unsigned(value), &self);
                u32::try_from(value).map(RawLimit::At).map_err(|_error| outside())
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<RawLimit, E> {
                let off = (value == "off").then_some(RawLimit::Off);
                off.ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Limits)
    }
}

/// One text, or a list of texts that means any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![value.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                let seq = de::value::SeqAccessDeserializer::new(seq);
                Vec::deserialize(seq).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

/// An instant: an RFC 3339 text, or TOML's own date-time. Kept as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTime(pub String);

impl<'de> Deserialize<'de> for RawTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Times;
        impl<'de> Visitor<'de> for Times {
            type Value = RawTime;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2026-01-31T00:00:00Z")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<RawTime, E> {
                Ok(RawTime(value.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawTime, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                toml::value::Datetime::deserialize(map).map(|time| RawTime(time.to_string()))
            }
        }
        deserializer.deserialize_any(Times)
    }
}
