//! Rules: `[keep.NAME]` and `[delete.NAME]` as the policy has them.
//!
//! Not here: what a rule decides (`policy`). What is refused here could never be meant (an empty
//! pattern, a count of zero) or could delete far more than meant (no selector, no bound).

use std::num::NonZeroU32;
use std::time::Duration;

use super::RawRules;
use super::accounts::rule_or_account_name;
use super::check::{Check, complaint_of};
use super::diagnose::{Complaint, Problems, Sources};
use super::duration::Span;
use super::hide;
use super::layers::Layered;
use super::near;
use super::place::{KeyPath, Step};
use super::raw::{OneOrMany, RawRule};
use crate::batch::{BatchId, RuleName, Undelivered, word};
use crate::policy::{Counts, DeleteRule, Glob, GroupBy, KeepRule, Matcher, When, WholeRegex};

/// Schedule types that the vendor has (contract §2.2). The list is open.
const SCHEDULE_TYPES: [&str; 6] = ["manual", "minutes", "daily", "weekly", "monthly", "yearly"];

const REGEX_HELP: &str =
    "regular expressions are those of Rust's `regex`; single quotes keep the backslashes";

/// Priorities that the vendor has (contract §2.2). The list is open.
const PRIORITIES: [&str; 5] = ["highest", "high", "normal", "low", "lowest"];

/// Keys that only keep rules have.
const OF_KEEP: [&str; 8] =
    ["group_by", "last", "daily", "weekly", "monthly", "yearly", "within", "may_be_empty"];

/// Keys that only delete rules have.
const OF_DELETE: [&str; 4] = ["match_all", "any_age", "force_failed_webhooks", "grace"];

/// Of all keys of rules, those of the kind of rule that the path is in.
pub(super) fn keys_of_kind(path: &KeyPath, mut keys: Vec<String>) -> Vec<String> {
    let others: &[&str] = match path.steps() {
        [Step::Key(kind), _, _] if kind == "keep" => &OF_DELETE,
        [Step::Key(kind), _, _] if kind == "delete" => &OF_KEEP,
        _ => &[],
    };
    keys.retain(|key| !others.contains(&key.as_str()));
    keys
}

/// Reads every rule, to tell what is wrong with it.
pub(super) fn judge_all(check: &mut Check<'_, '_>) {
    let layered = check.layered;
    for (kind, rules) in [("keep", &layered.raw.keep), ("delete", &layered.raw.delete)] {
        for (name, raw) in rules {
            let path = KeyPath::of([kind, name]);
            serves(check, &path, raw);
            let Some(name) = rule_or_account_name(check, &path, name, RuleName::parse) else {
                continue;
            };
            match kind {
                "keep" => drop(keep(check, &name, raw)),
                _ => drop(delete(check, &name, raw)),
            }
        }
    }
    warn_of_idle_accounts(check);
}

/// Compiles rules that were judged before. `None` if one of them has a mistake all the same: a rule
/// left out, a keep rule above all, would change what is deleted.
pub(super) fn compile(rules: &RawRules) -> Option<(Vec<KeepRule>, Vec<DeleteRule>)> {
    let (layered, sources) = (Layered::default(), Sources::default());
    let mut problems = Problems::new(&sources);
    let mut check = Check::new(&layered, &mut problems);
    let keep_rules = rules.keep.iter().map(|(name, raw)| keep(&mut check, name, raw));
    let keep_rules: Option<Vec<_>> = keep_rules.collect();
    let delete_rules = rules.delete.iter().map(|(name, raw)| delete(&mut check, name, raw));
    let delete_rules: Option<Vec<_>> = delete_rules.collect();
    if problems.has_errors() { None } else { keep_rules.zip(delete_rules) }
}

/// Which accounts a rule serves: each must be there.
fn serves(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawRule) {
    let Some(names) = &raw.accounts else { return };
    let layered = check.layered;
    let known: Vec<&str> = layered.raw.accounts.keys().map(String::as_str).collect();
    // An account whose table was taken out for a mistake of form is not known, and is no mistake here.
    let accounts_are_known = !layered.removed.iter().any(|removed| removed.steps().len() <= 2);
    check.each(&path.then("accounts"), names, |name| {
        if known.contains(&name) || !accounts_are_known {
            return Ok(());
        }
        Err(Complaint::error(format!("there is no account `{}`", hide::shown(name)))
            .help(near::did_you_mean(name, &known)))
    });
}

/// An account that no delete rule serves is listed and never cleaned.
fn warn_of_idle_accounts(check: &mut Check<'_, '_>) {
    let layered = check.layered;
    if layered.is_damaged(&KeyPath::default()) || check.has_errors() {
        return;
    }
    for name in layered.raw.accounts.keys() {
        let served =
            layered.raw.delete.values().any(|rule| {
                rule.accounts.as_ref().is_none_or(|accounts| accounts.0.contains(name))
            });
        if !served {
            let message = format!("no delete rule serves `{}`", hide::shown(name));
            let complaint = Complaint::warning(message).help("nothing will be deleted there");
            check.key(&KeyPath::of(["accounts", name]), complaint);
        }
    }
}

/// Reads a keep rule.
fn keep(check: &mut Check<'_, '_>, name: &RuleName, raw: &RawRule) -> Option<KeepRule> {
    let path = KeyPath::of(["keep", name.as_str()]);
    let given = [
        raw.match_all.is_some(),
        raw.any_age.is_some(),
        raw.force_failed_webhooks.is_some(),
        raw.grace.is_some(),
    ];
    let foreign = OF_DELETE.into_iter().zip(given);
    refuse_foreign_keys(check, &path, foreign, "a keep rule deletes nothing");
    let matchers = matchers(check, &path, raw);
    let counts = counts(check, &path, raw);
    let (matchers, counts) = (matchers?, counts?);
    if !check.layered.is_damaged(&path) {
        warn_of_odd_keep(check, &path, &matchers, &counts);
    }
    Some(KeepRule {
        name: name.clone(),
        matchers,
        counts,
        may_be_empty: raw.may_be_empty.unwrap_or(false),
    })
}

/// Reads a delete rule.
fn delete(check: &mut Check<'_, '_>, name: &RuleName, raw: &RawRule) -> Option<DeleteRule> {
    let path = KeyPath::of(["delete", name.as_str()]);
    let given = [
        raw.group_by.is_some(),
        raw.last.is_some(),
        raw.daily.is_some(),
        raw.weekly.is_some(),
        raw.monthly.is_some(),
        raw.yearly.is_some(),
        raw.within.is_some(),
        raw.may_be_empty.is_some(),
    ];
    let foreign = OF_KEEP.into_iter().zip(given);
    let help = "a delete rule only selects; what is to stay, a `[keep.…]` rule says";
    refuse_foreign_keys(check, &path, foreign, help);
    let grace = raw.grace.as_ref().map(|text| check.span(&path.then("grace"), text));
    let matchers = matchers(check, &path, raw)?;
    if !check.layered.is_damaged(&path) {
        require_selector(check, &path, raw, &matchers);
        require_bound(check, &path, raw, &matchers);
    }
    let forced = raw.force_failed_webhooks == Some(true);
    let undelivered = if forced { Undelivered::Force } else { Undelivered::Respect };
    let grace = grace.map_or(Some(Duration::ZERO), |grace| grace.map(Span::duration))?;
    Some(DeleteRule { name: name.clone(), matchers, undelivered, grace })
}

/// Keys that only the other kind of rule has, each with whether it is given.
fn refuse_foreign_keys(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    keys: impl Iterator<Item = (&'static str, bool)>,
    help: &str,
) {
    let owner = if path.starts_with(&KeyPath::of(["keep"])) { "delete" } else { "keep" };
    for (key, _) in keys.filter(|(_, given)| *given) {
        let message = format!("`{key}` is a key of {owner} rules");
        check.key(&path.then(key), Complaint::error(message).help(help));
    }
}

/// A delete rule that says nothing but ages would take everything that is old.
fn require_selector(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawRule, has: &[Matcher]) {
    if raw.match_all == Some(true) || has.iter().any(is_selector) {
        return;
    }
    let rule = path.last_key().unwrap_or_default();
    let help = "add a selector, such as `name = \"tmp-*\"`; to mean every batch, write \
                `match_all = true`";
    let Some((key, index)) = has.iter().find_map(matches_everything) else {
        let message = format!("the rule `{rule}` has no selector: it would take any batch");
        return check.key(path, Complaint::error(message).help(help));
    };
    let message = format!("this is no selector: the rule `{rule}` would take any batch");
    let place = check.element(&path.then(key), index);
    check.value(&place, Complaint::error(message).help(help));
}

/// The element of a list of names that matches everything, and so makes the list do. A pattern that
/// also matches nothing at all (`a*`) is a slip for one that must match something.
fn matches_everything(matcher: &Matcher) -> Option<(&'static str, usize)> {
    match matcher {
        Matcher::Name(globs) => Some(("name", globs.iter().position(Glob::is_everything)?)),
        Matcher::NameRegex(regexes) => {
            let any = |regex: &WholeRegex| regex.is_everything() || regex.matches_empty();
            Some(("name_regex", regexes.iter().position(any)?))
        }
        Matcher::Id(_)
        | Matcher::ScheduleType(_)
        | Matcher::Priority(_)
        | Matcher::Enabled(_)
        | Matcher::Destination(_)
        | Matcher::NeverRun(_)
        | Matcher::HasResults(_)
        | Matcher::Searches { .. }
        | Matcher::OlderThan(_)
        | Matcher::IdleFor(_)
        | Matcher::CreatedBefore(_)
        | Matcher::CreatedAfter(_)
        | Matcher::When(_) => None,
    }
}

/// Whether a matcher says which batches are meant, not only how old they are.
fn is_selector(matcher: &Matcher) -> bool {
    match matcher {
        Matcher::Name(_) | Matcher::NameRegex(_) => matches_everything(matcher).is_none(),
        Matcher::Searches { min, max } => max.is_some() || min.is_some_and(|min| min > 0),
        Matcher::Id(_)
        | Matcher::ScheduleType(_)
        | Matcher::Priority(_)
        | Matcher::Enabled(_)
        | Matcher::Destination(_)
        | Matcher::NeverRun(_)
        | Matcher::HasResults(_)
        | Matcher::When(_) => true,
        Matcher::OlderThan(_)
        | Matcher::IdleFor(_)
        | Matcher::CreatedBefore(_)
        | Matcher::CreatedAfter(_) => false,
    }
}

/// A delete rule without an age would take what was made a moment ago, but for the floor.
fn require_bound(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawRule, has: &[Matcher]) {
    if raw.any_age == Some(true) {
        return;
    }
    let rule = path.last_key().unwrap_or_default();
    if !has.iter().any(is_bound) {
        let message = format!("the rule `{rule}` has no bound: it would take batches of any age");
        let help = "add `older_than`, `idle_for`, `created_before` or `when`; to mean any age, \
                    write `any_age = true`";
        check.key(path, Complaint::error(message).help(help));
    } else if !has.iter().filter(|matcher| is_bound(matcher)).any(is_real_bound) {
        let key = if raw.older_than.is_some() { "older_than" } else { "idle_for" };
        let message = format!("zero bounds nothing: the rule `{rule}` takes batches of any age");
        let help = "if that is meant, `any_age = true` says it in so many words";
        check.value(&path.then(key), Complaint::warning(message).help(help));
    }
}

fn is_real_bound(matcher: &Matcher) -> bool {
    !matches!(matcher, Matcher::OlderThan(age) | Matcher::IdleFor(age) if age.is_zero())
}

const fn is_bound(matcher: &Matcher) -> bool {
    match matcher {
        Matcher::OlderThan(_)
        | Matcher::IdleFor(_)
        | Matcher::CreatedBefore(_)
        | Matcher::When(_) => true,
        Matcher::Name(_)
        | Matcher::NameRegex(_)
        | Matcher::Id(_)
        | Matcher::ScheduleType(_)
        | Matcher::Priority(_)
        | Matcher::Enabled(_)
        | Matcher::Destination(_)
        | Matcher::NeverRun(_)
        | Matcher::HasResults(_)
        | Matcher::Searches { .. }
        | Matcher::CreatedAfter(_) => false,
    }
}

/// Allowed, and seldom meant.
fn warn_of_odd_keep(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    matchers: &[Matcher],
    counts: &Counts,
) {
    let rule = path.last_key().unwrap_or_default();
    let counted = counts.last.is_some()
        || counts.daily.is_some()
        || counts.weekly.is_some()
        || counts.monthly.is_some()
        || counts.yearly.is_some()
        || counts.within.is_some();
    if matchers.is_empty() && !counted {
        let message = format!("the rule `{rule}` keeps every batch: nothing is ever deleted");
        let help = "add what it shall keep, such as `name = \"prod-*\"`";
        check.key(path, Complaint::warning(message).help(help));
    }
    if counts.group_by.is_some() && !counted {
        let message = format!("`group_by` counts nothing: the rule `{rule}` keeps all it matches");
        let help = "add `last`, `daily` or another count, or take `group_by` away";
        check.key(&path.then("group_by"), Complaint::warning(message).help(help));
    }
}

/// Reads one matcher after another, so that each mistake is told.
fn matchers(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawRule) -> Option<Vec<Matcher>> {
    let mut all = Found { matchers: Vec::new(), complete: true };
    all.add(raw.name.as_ref(), |globs| list(check, path, "name", globs, glob).map(Matcher::Name));
    all.add(raw.name_regex.as_ref(), |texts| {
        list(check, path, "name_regex", texts, regex).map(Matcher::NameRegex)
    });
    all.add(raw.id.as_ref(), |ids| list(check, path, "id", ids, id).map(Matcher::Id));
    all.add(raw.schedule_type.as_ref(), |words| {
        let path = path.then("schedule_type");
        vendor_words(check, &path, words, &SCHEDULE_TYPES).map(Matcher::ScheduleType)
    });
    all.add(raw.priority.as_ref(), |words| {
        let path = path.then("priority");
        vendor_words(check, &path, words, &PRIORITIES).map(Matcher::Priority)
    });
    all.add(raw.enabled.as_ref(), |on| Some(Matcher::Enabled(*on)));
    all.add(raw.destination.as_ref(), |globs| {
        list(check, path, "destination", globs, glob).map(Matcher::Destination)
    });
    all.add(raw.never_run.as_ref(), |never| Some(Matcher::NeverRun(*never)));
    all.add(raw.has_results.as_ref(), |has| Some(Matcher::HasResults(*has)));
    all.add(raw.searches.as_ref(), |range| {
        let range = check.range(&path.then("searches"), *range)?;
        Some(Matcher::Searches { min: range.min, max: range.max })
    });
    times(check, path, raw, &mut all);
    all.add(raw.when.as_ref(), |text| {
        check.take(&path.then("when"), when(text)).map(|when| Matcher::When(Box::new(when)))
    });
    all.complete.then_some(all.matchers)
}

/// The matchers of ages and dates.
fn times(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawRule, all: &mut Found) {
    all.add(raw.older_than.as_ref(), |text| {
        let span = check.span(&path.then("older_than"), text)?;
        Some(Matcher::OlderThan(span.duration()))
    });
    all.add(raw.idle_for.as_ref(), |text| {
        let span = check.span(&path.then("idle_for"), text)?;
        Some(Matcher::IdleFor(span.duration()))
    });
    let (mut before, mut after) = (None, None);
    all.add(raw.created_before.as_ref(), |text| {
        before = check.time(&path.then("created_before"), text);
        before.map(Matcher::CreatedBefore)
    });
    all.add(raw.created_after.as_ref(), |text| {
        after = check.time(&path.then("created_after"), text);
        after.map(Matcher::CreatedAfter)
    });
    if let (Some(before), Some(after)) = (before, after)
        && after >= before
    {
        let message = "no batch is created after this and before `created_before`";
        let complaint = Complaint::warning(message).help("is one of the two dates wrong?");
        check.value(&path.then("created_after"), complaint);
    }
}

/// Matchers as they are found, and whether each that is written could be read.
#[derive(Debug)]
struct Found {
    matchers: Vec<Matcher>,
    complete: bool,
}

impl Found {
    fn add<R>(&mut self, raw: Option<&R>, read: impl FnOnce(&R) -> Option<Matcher>) {
        let Some(raw) = raw else { return };
        match read(raw) {
            Some(matcher) => self.matchers.push(matcher),
            None => self.complete = false,
        }
    }
}

fn list<T>(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    key: &str,
    texts: &OneOrMany,
    parse: impl Fn(&str) -> Result<T, Complaint>,
) -> Option<Vec<T>> {
    check.each(&path.then(key), texts, parse)
}

fn glob(text: &str) -> Result<Glob, Complaint> {
    let help = "`*`, `?` and `[...]` over the whole name; a `[` itself is written `[[]`";
    Glob::parse(text).map_err(|bad| complaint_of(text, &bad).help(help))
}

fn regex(text: &str) -> Result<WholeRegex, Complaint> {
    WholeRegex::parse(text).map_err(|bad| complaint_of(text, &bad).help(REGEX_HELP))
}

fn when(text: &str) -> Result<When, Complaint> {
    let help =
        "a CEL expression over `batch` and `now`, such as `batch.searches_total_count > 100`";
    When::parse(text).map_err(|bad| complaint_of(text, &bad).help(help))
}

fn group_by(text: &str) -> Result<GroupBy, Complaint> {
    if text.is_empty() {
        return Err(Complaint::error("an empty pattern names no group")
            .help("without `group_by` the rule's matches are one group"));
    }
    GroupBy::parse(text).map_err(|bad| complaint_of(text, &bad).help(REGEX_HELP))
}

fn id(text: &str) -> Result<BatchId, Complaint> {
    BatchId::parse(text)
        .map_err(|bad| complaint_of(text, &bad).help("copy the id from the dashboard or a listing"))
}

/// Words of an open list: one that is not known may be new, or a slip.
fn vendor_words(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    words: &OneOrMany,
    known: &[&str],
) -> Option<Vec<crate::batch::Word>> {
    for (index, text) in words.0.iter().enumerate() {
        if !text.is_empty() && !known.contains(&text.as_str()) {
            let message = format!("`{}` is a word that the API has not had", hide::shown(text));
            let complaint = Complaint::warning(message).help(near::did_you_mean(text, known));
            check.value(&check.element(path, index), complaint);
        }
    }
    check.each(path, words, |text| Ok(word(text)))
}

fn counts(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawRule) -> Option<Counts> {
    let group_by = match &raw.group_by {
        None => None,
        Some(text) => Some(check.take(&path.then("group_by"), group_by(text))?),
    };
    let mut complete = true;
    let mut count = |key: &str, number: Option<u32>| {
        let number = number?;
        let counted = NonZeroU32::new(number);
        if counted.is_none() {
            let message = format!("`{key} = 0` keeps nothing");
            let help = "write how many to keep, or take the key away";
            check.value(&path.then(key), Complaint::error(message).help(help));
            complete = false;
        }
        counted
    };
    let counts = Counts {
        group_by,
        last: count("last", raw.last),
        daily: count("daily", raw.daily),
        weekly: count("weekly", raw.weekly),
        monthly: count("monthly", raw.monthly),
        yearly: count("yearly", raw.yearly),
        within: None,
    };
    let within = match &raw.within {
        None => None,
        Some(text) => Some(check.span(&path.then("within"), text)?.duration()),
    };
    complete.then_some(Counts { within, ..counts })
}
