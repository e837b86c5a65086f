//! Cases: the file's own `[[test]]`, each a batch and the verdict it must get.
//!
//! Not here: deciding them (`batchsweep test`). A case's batch is made for a given `now`, as the API
//! would describe it; what the case leaves out is idle, manual, enabled, and ran `age` ago.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::json;

use super::check::{Check, Told, complaint_of};
use super::diagnose::Complaint;
use super::duration::Span;
use super::hide;
use super::near;
use super::place::{KeyPath, Origin};
use super::raw::{RawConfig, RawRule, RawTest, RawTestBatch};
use crate::batch::{AccountName, Batch, BatchId, Fact, Raw, RuleName, Status, word};
use crate::clock::Timestamp;
use crate::policy::verdict::Verdict;

/// One `[[test]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// Whose rules decide; `None`: each account's in turn.
    pub account: Option<AccountName>,
    /// The verdict that the batch must get, by its name in the output.
    pub expect: &'static str,
    /// The rule that must be the cause.
    pub by: Option<RuleName>,
    /// `file:line`, for the report.
    pub place: String,
    batch: Described,
}

/// The batch of a case, by ages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Described {
    id: BatchId,
    name: String,
    age: Duration,
    idle_for: Option<Duration>,
    status: String,
    schedule_type: String,
    priority: String,
    enabled: bool,
    destinations: Vec<String>,
    searches: u64,
    results_count: u64,
}

impl TestCase {
    /// The batch as the API would describe it at `now`.
    pub fn batch_at(&self, now: Timestamp) -> Batch {
        self.batch.at(now)
    }
}

impl Described {
    fn at(&self, now: Timestamp) -> Batch {
        let created_at = before(now, self.age);
        let last_run = self.idle_for.map(|idle_for| before(now, idle_for));
        // A batch that ran has had a result set at least; those it holds now may be fewer.
        let ran = u64::from(last_run.is_some());
        let next_result_set_id = self.results_count.max(ran).saturating_add(1);
        Batch {
            id: self.id.clone(),
            name: Fact::Known(self.name.as_str().into()),
            created_at: Fact::Known(created_at),
            last_run: last_run.map_or(Fact::Missing, Fact::Known),
            status: Fact::Known(Status::from(self.status.as_str())),
            schedule_type: Fact::Known(word(&self.schedule_type)),
            priority: Fact::Known(word(&self.priority)),
            enabled: Fact::Known(self.enabled),
            destinations: Fact::Known(
                self.destinations.iter().map(|d| d.as_str().into()).collect(),
            ),
            searches: Fact::Known(self.searches),
            results_count: Fact::Known(self.results_count),
            next_result_set_id: Fact::Known(next_result_set_id),
            raw: self.record(created_at, last_run, next_result_set_id),
        }
    }

    /// The record that an answer would have, in the batches spelling.
    fn record(
        &self,
        created_at: Timestamp,
        last_run: Option<Timestamp>,
        next_result_set_id: u64,
    ) -> Raw {
        let written = |time: Timestamp| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut record = json!({
            "id": self.id.as_str(),
            "name": self.name,
            "created_at": written(created_at),
            "status": self.status,
            "schedule_type": self.schedule_type,
            "priority": self.priority,
            "enabled": self.enabled,
            "destination_ids": self.destinations,
            "searches_total_count": self.searches,
            "results_count": self.results_count,
            "next_result_set_id": next_result_set_id,
        });
        if let (Some(last_run), Some(fields)) = (last_run, record.as_object_mut()) {
            fields.insert("last_run".to_owned(), written(last_run).into());
        }
        record.to_string().as_str().into()
    }
}

/// An instant that long before `now`, in whole milliseconds as the API writes times. Durations of
/// the file end at 100 years, so this stays in range.
fn before(now: Timestamp, age: Duration) -> Timestamp {
    let now = chrono::DurationRound::duration_trunc(now, TimeDelta::milliseconds(1)).unwrap_or(now);
    TimeDelta::from_std(age).ok().and_then(|age| now.checked_sub_signed(age)).unwrap_or(now)
}

/// The names that a case may mention.
#[derive(Debug)]
pub(super) struct Known<'n> {
    pub(super) accounts: Vec<&'n str>,
    pub(super) keep: Vec<&'n str>,
    pub(super) delete: Vec<&'n str>,
}

impl<'n> Known<'n> {
    pub(super) fn of(raw: &'n RawConfig) -> Self {
        let names =
            |rules: &'n BTreeMap<String, RawRule>| rules.keys().map(String::as_str).collect();
        let accounts = raw.accounts.keys().map(String::as_str).collect();
        Self { accounts, keep: names(&raw.keep), delete: names(&raw.delete) }
    }
}

/// Reads all cases.
pub(super) fn read_all(check: &mut Check<'_, '_>, known: &Known<'_>) -> Vec<TestCase> {
    let layered = check.layered;
    let tests = layered.raw.test.iter().enumerate();
    tests
        .filter_map(|(index, raw)| {
            let path = KeyPath::of(["test"]).then(index);
            let described = describe(check, &path.then("batch"), &raw.batch, index);
            let account = account(check, &path, raw, known);
            let expect = expect(check, &path, raw);
            let by = by(check, &path, raw, known);
            Some(TestCase {
                account: account.ok()?,
                expect: expect?,
                by: by.ok()?,
                place: place(check, &path),
                batch: described?,
            })
        })
        .collect()
}

fn place(check: &Check<'_, '_>, path: &KeyPath) -> String {
    match check.layered.places.nearest(path) {
        Some(Origin::File(place)) => check.sources().file_and_line(place),
        Some(Origin::Variable(name)) => name.clone(),
        None => String::new(),
    }
}

/// The account, if one is named.
fn account(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawTest,
    known: &Known<'_>,
) -> Result<Option<AccountName>, Told> {
    let Some(name) = &raw.account else { return Ok(None) };
    let parsed = AccountName::parse(name).ok().filter(|_| known.accounts.contains(&name.as_str()));
    let parsed = parsed.ok_or_else(|| {
        Complaint::error(format!("there is no account `{}`", hide::shown(name)))
            .help(near::did_you_mean(name, &known.accounts))
    });
    check.take(&path.then("account"), parsed).ok_or(Told).map(Some)
}

fn expect(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawTest) -> Option<&'static str> {
    let Some(word) = &raw.expect else {
        if !check.layered.is_damaged(path) {
            let complaint = Complaint::error("the test does not say what it expects");
            let help = format!("add `expect`: {}", near::one_of(&Verdict::NAMES));
            check.value(path, complaint.help(help));
        }
        return None;
    };
    let verdict = Verdict::NAMES.into_iter().find(|name| name == word).ok_or_else(|| {
        Complaint::error(format!("`{}` is not a verdict", hide::shown(word)))
            .help(near::did_you_mean(word, &Verdict::NAMES))
    });
    check.take(&path.then("expect"), verdict)
}

/// The rule of a case: a keep rule is the cause of `kept`, a delete rule of what is selected, and of
/// `unknown` either.
fn by(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawTest,
    known: &Known<'_>,
) -> Result<Option<RuleName>, Told> {
    let Some(name) = &raw.by else { return Ok(None) };
    let path = path.then("by");
    let rules: Vec<&str> = match raw.expect.as_deref() {
        Some("kept") => known.keep.clone(),
        Some("delete" | "busy" | "too_young") => known.delete.clone(),
        Some("unmatched") => {
            let complaint = Complaint::error("no rule is the cause of `unmatched`");
            check.value(&path, complaint.help("take `by` away"));
            return Err(Told);
        }
        Some(_) | None => known.keep.iter().chain(&known.delete).copied().collect(),
    };
    let parsed = RuleName::parse(name).ok().filter(|_| rules.contains(&name.as_str()));
    let parsed = parsed.ok_or_else(|| {
        Complaint::error(format!("no rule `{}` can be the cause", hide::shown(name)))
            .help(near::did_you_mean(name, &rules))
    });
    check.take(&path, parsed).ok_or(Told).map(Some)
}

fn describe(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawTestBatch,
    index: usize,
) -> Option<Described> {
    let id = match &raw.id {
        Some(id) => BatchId::parse(id),
        None => BatchId::parse(&format!("CASE{:04}", index + 1)),
    };
    let id = id.map_err(|bad| {
        let help = "such as `9E867FAA`; without `id` the test has one of its own";
        complaint_of(raw.id.as_deref().unwrap_or_default(), &bad).help(help)
    });
    let id = check.take(&path.then("id"), id);
    let age = age(check, path, raw);
    let never_ran = raw.never_run == Some(true);
    let idle_for = idle_for(check, path, raw, age);
    let text = |text: &Option<String>, default: &str| text.as_deref().unwrap_or(default).to_owned();
    Some(Described {
        id: id?,
        name: text(&raw.name, ""),
        age: age?.duration(),
        idle_for: idle_for.ok()?.map(Span::duration),
        status: text(&raw.status, "idle"),
        schedule_type: text(&raw.schedule_type, "manual"),
        priority: text(&raw.priority, "normal"),
        enabled: raw.enabled.unwrap_or(true),
        destinations: raw.destinations.clone().unwrap_or_default(),
        searches: raw.searches.unwrap_or(1),
        results_count: raw.results_count.unwrap_or_else(|| u64::from(!never_ran)),
    })
}

fn age(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawTestBatch) -> Option<Span> {
    if let Some(text) = &raw.age {
        return check.span(&path.then("age"), text);
    }
    if !check.layered.is_damaged(path) {
        let complaint = Complaint::error("the test's batch has no age");
        check.value(path, complaint.help("add `age`, such as `age = \"8d\"`"));
    }
    None
}

/// Time since the last run, if it ever ran.
fn idle_for(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawTestBatch,
    age: Option<Span>,
) -> Result<Option<Span>, Told> {
    let key = path.then("idle_for");
    let Some(text) = &raw.idle_for else {
        return if raw.never_run == Some(true) { Ok(None) } else { age.ok_or(Told).map(Some) };
    };
    let idle_for = check.span(&key, text).ok_or(Told)?;
    if raw.never_run == Some(true) {
        let complaint = Complaint::error("a batch that never ran has no last run");
        check.value(&key, complaint.help("take `idle_for` or `never_run` away"));
        return Err(Told);
    }
    if age.is_some_and(|age| idle_for > age) {
        let complaint = Complaint::error("the batch ran before it was created");
        check.value(&key, complaint.help("`idle_for` is at most `age`"));
        return Err(Told);
    }
    Ok(Some(idle_for))
}
