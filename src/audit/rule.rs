//! One rule, read from the file's own text, and what it says of one record.
//!
//! Not here: places of keep rules that count (`rank`), which account a rule serves (the caller
//! chose), whether the rule makes sense (`config` refused what does not).
//! Invariant: a text that cannot be read makes the rule unknown, in both kinds of rule.

use cel::Program;
use regex::Regex;

use crate::batch::Fact;
use crate::config::raw::{OneOrMany, RawRange, RawRule, RawText, RawTime};

use super::expression::Ground;
use super::glob::Glob;
use super::moment::{self, Nanos};
use super::record::Record;

/// What a rule says of a record, and by which of its matchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opinion {
    /// Every matcher holds.
    Yes,
    /// This matcher does not.
    No(&'static str),
    /// None fails, but this one cannot be answered.
    Unknown(&'static str),
}

/// A rule of either kind.
pub(super) struct Rule<'r> {
    matchers: Vec<Named<'r>>,
    /// What of the matching batches a keep rule keeps; all of them where it does not count.
    pub(super) counts: Option<Counts>,
}

/// A matcher with its name in the file.
type Named<'r> = (&'static str, Matcher<'r>);

/// One condition.
enum Matcher<'r> {
    Name(Vec<Glob>),
    NameRegex(Vec<Regex>),
    Id(&'r [String]),
    ScheduleType(&'r [String]),
    Priority(&'r [String]),
    Enabled(bool),
    Destination(Vec<Glob>),
    NeverRun(bool),
    HasResults(bool),
    Searches(RawRange),
    OlderThan(Nanos),
    IdleFor(Nanos),
    CreatedBefore(Nanos),
    CreatedAfter(Nanos),
    When(Program),
    /// The file's text could not be read.
    Illegible,
}

/// What a keep rule that counts keeps of each group.
#[derive(Default)]
pub(super) struct Counts {
    /// `group_by`; one group where absent.
    pub(super) group_by: Option<Regex>,
    pub(super) last: Option<u32>,
    pub(super) daily: Option<u32>,
    pub(super) weekly: Option<u32>,
    pub(super) monthly: Option<u32>,
    pub(super) yearly: Option<u32>,
    pub(super) within: Option<Nanos>,
}

impl<'r> Rule<'r> {
    /// Reads a rule.
    pub(super) fn read(raw: &'r RawRule) -> Self {
        let mut matchers = matchers(raw);
        let (counts, is_legible) = counts(raw);
        if !is_legible {
            matchers.push(("within or group_by", Matcher::Illegible));
        }
        Self { matchers, counts }
    }

    /// What the matchers say; a keep rule's counts are not asked.
    pub(super) fn opinion(&self, record: &Record<'_>, ground: &Ground) -> Opinion {
        let mut unknown = None;
        for (name, matcher) in &self.matchers {
            match matcher.holds(record, ground) {
                Some(true) => {}
                Some(false) => return Opinion::No(name),
                None => unknown = unknown.or(Some(name)),
            }
        }
        unknown.map_or(Opinion::Yes, |name| Opinion::Unknown(name))
    }
}

impl Matcher<'_> {
    /// Whether it holds; nothing where the record, or the file, does not say.
    fn holds(&self, record: &Record<'_>, ground: &Ground) -> Option<bool> {
        let now = ground.now();
        match self {
            Self::Name(globs) => {
                record.name.known().map(|name| globs.iter().any(|glob| glob.matches(name)))
            }
            Self::NameRegex(regexes) => {
                record.name.known().map(|name| regexes.iter().any(|regex| regex.is_match(name)))
            }
            Self::Id(ids) => is_one_of(&record.id, ids),
            Self::ScheduleType(types) => is_one_of(&record.schedule_type, types),
            Self::Priority(priorities) => is_one_of(&record.priority, priorities),
            Self::Enabled(wanted) => record.enabled.known().map(|enabled| enabled == wanted),
            Self::Destination(globs) => record.destinations.known().map(|destinations| {
                destinations.iter().any(|id| globs.iter().any(|glob| glob.matches(id)))
            }),
            Self::NeverRun(wanted) => record.never_ran().map(|never_ran| never_ran == *wanted),
            Self::HasResults(wanted) => record.results_count.known().map(|n| (*n > 0) == *wanted),
            Self::Searches(RawRange { min, max }) => record
                .searches
                .known()
                .map(|n| min.is_none_or(|min| *n >= min) && max.is_none_or(|max| *n <= max)),
            Self::OlderThan(age) => record.creation(now).map(|at| now - at >= *age),
            Self::IdleFor(age) => record.activity(now).map(|at| now - at >= *age),
            Self::CreatedBefore(end) => record.creation(now).map(|at| at < *end),
            Self::CreatedAfter(start) => record.creation(now).map(|at| at > *start),
            Self::When(program) => ground.holds(program, record),
            Self::Illegible => None,
        }
    }
}

fn is_one_of(fact: &Fact<std::borrow::Cow<'_, str>>, texts: &[String]) -> Option<bool> {
    fact.known().map(|value| texts.iter().any(|text| text == value))
}

/// The rule's conditions, the dearest last. Taken apart key by key, so that a new key of the file
/// does not compile until its meaning stands here too.
fn matchers(raw: &RawRule) -> Vec<Named<'_>> {
    let RawRule {
        name,
        name_regex,
        id,
        schedule_type,
        priority,
        enabled,
        destination,
        never_run,
        has_results,
        searches,
        older_than,
        idle_for,
        created_before,
        created_after,
        when,
        // Which accounts it serves was the caller's choice; the others are no conditions.
        accounts: _,
        group_by: _,
        last: _,
        daily: _,
        weekly: _,
        monthly: _,
        yearly: _,
        within: _,
        may_be_empty: _,
        match_all: _,
        any_age: _,
        force_failed_webhooks: _,
        // Not of the record (`patience`).
        grace: _,
    } = raw;
    [
        ("id", id.as_ref().map(|ids| Matcher::Id(&ids.0))),
        ("schedule_type", schedule_type.as_ref().map(|types| Matcher::ScheduleType(&types.0))),
        ("priority", priority.as_ref().map(|texts| Matcher::Priority(&texts.0))),
        ("enabled", enabled.map(Matcher::Enabled)),
        ("never_run", never_run.map(Matcher::NeverRun)),
        ("has_results", has_results.map(Matcher::HasResults)),
        ("searches", searches.map(Matcher::Searches)),
        ("older_than", older_than.as_ref().map(|text| age(text, Matcher::OlderThan))),
        ("idle_for", idle_for.as_ref().map(|text| age(text, Matcher::IdleFor))),
        ("created_before", created_before.as_ref().map(|at| time(at, Matcher::CreatedBefore))),
        ("created_after", created_after.as_ref().map(|at| time(at, Matcher::CreatedAfter))),
        ("name", name.as_ref().map(|texts| globs(texts, Matcher::Name))),
        ("destination", destination.as_ref().map(|texts| globs(texts, Matcher::Destination))),
        ("name_regex", name_regex.as_ref().map(regexes)),
        ("when", when.as_deref().map(expression)),
    ]
    .into_iter()
    .filter_map(|(name, matcher)| Some((name, matcher?)))
    .collect()
}

/// What a keep rule counts, if it counts, and whether all of that could be read.
fn counts(raw: &RawRule) -> (Option<Counts>, bool) {
    let &RawRule { last, daily, weekly, monthly, yearly, .. } = raw;
    let within = raw.within.as_ref().map(|RawText(text)| moment::duration(text));
    let counts_places = [last, daily, weekly, monthly, yearly].iter().any(Option::is_some);
    if !counts_places && within.is_none() {
        return (None, true);
    }
    let group_by = raw.group_by.as_deref().map(Regex::new);
    let is_legible = within != Some(None) && !matches!(group_by, Some(Err(_)));
    let group_by = group_by.and_then(Result::ok);
    let within = within.flatten();
    (Some(Counts { group_by, last, daily, weekly, monthly, yearly, within }), is_legible)
}

fn age<'r>(RawText(text): &RawText, matcher: fn(Nanos) -> Matcher<'r>) -> Matcher<'r> {
    moment::duration(text).map_or(Matcher::Illegible, matcher)
}

fn time<'r>(RawTime(text): &RawTime, matcher: fn(Nanos) -> Matcher<'r>) -> Matcher<'r> {
    moment::of_file(text).map_or(Matcher::Illegible, matcher)
}

fn globs<'r>(texts: &OneOrMany, matcher: fn(Vec<Glob>) -> Matcher<'r>) -> Matcher<'r> {
    let globs: Option<_> = texts.0.iter().map(|text| Glob::read(text)).collect();
    globs.map_or(Matcher::Illegible, matcher)
}

fn regexes<'r>(texts: &OneOrMany) -> Matcher<'r> {
    let whole = |text: &String| Regex::new(&format!(r"\A(?:{text})\z"));
    let regexes: Result<_, _> = texts.0.iter().map(whole).collect();
    regexes.map_or_else(|_illegible| Matcher::Illegible, Matcher::NameRegex)
}

fn expression<'r>(text: &str) -> Matcher<'r> {
    Program::compile(text).map_or_else(|_illegible| Matcher::Illegible, Matcher::When)
}

#[cfg(test)]
mod tests {
    use super::Opinion::{No, Unknown, Yes};
    use super::*;
    use crate::clock::Timestamp;

    /// 2026-02-01T00:00:00Z.
    fn ground() -> Ground {
        Ground::at(Timestamp::from_timestamp(1_769_904_000, 0).unwrap())
    }

    fn opinion(rule: &str, record: &str) -> Opinion {
        let raw: RawRule = toml::from_str(rule).unwrap();
        Rule::read(&raw).opinion(&Record::read(record), &ground())
    }

    /// For each matcher: a rule, a record that it selects, one that it does not, and some of which it
    /// cannot say.
    const TABLE: [(&str, &str, &str, &str, &[&str]); 15] = [
        (
            "id",
            "id = ['A1', 'A2']",
            r#"{"id":"A2"}"#,
            r#"{"id":"a2"}"#,
            &["{}", r#"{"id":null}"#, r#"{"id":2}"#],
        ),
        (
            "name",
            "name = ['tmp-*', '[[]x]?']",
            r#"{"name":"[x]1"}"#,
            r#"{"name":"atmp-"}"#,
            &["{}", r#"{"name":null}"#, r#"{"name":1}"#, r#"{"name":["tmp-1"]}"#],
        ),
        (
            "name_regex",
            "name_regex = ['a|ab', '(?i:x)\\d+']",
            r#"{"name":"ab"}"#,
            r#"{"name":"ab\n"}"#,
            &["{}", r#"{"name":false}"#],
        ),
        (
            "schedule_type",
            "schedule_type = 'manual'",
            r#"{"schedule_type":"manual"}"#,
            r#"{"schedule_type":"Manual"}"#,
            &["{}", r#"{"schedule_type":0}"#],
        ),
        (
            "priority",
            "priority = ['low', 'lowest']",
            r#"{"priority":"low"}"#,
            r#"{"priority":"high"}"#,
            &["{}", r#"{"priority":{}}"#],
        ),
        (
            "enabled",
            "enabled = false",
            r#"{"enabled":false}"#,
            r#"{"enabled":true}"#,
            &["{}", r#"{"enabled":0}"#, r#"{"enabled":"false"}"#],
        ),
        (
            "destination",
            "destination = 'D*'",
            r#"{"destination_ids":["X","D1"]}"#,
            r#"{"destination_ids":[]}"#,
            &["{}", r#"{"destination_ids":null}"#, r#"{"destination_ids":["D1",2]}"#],
        ),
        (
            "never_run",
            "never_run = true",
            r#"{"next_result_set_id":1}"#,
            r#"{"last_run":"2026-01-01T00:00:00Z"}"#,
            &["{}", r#"{"next_result_set_id":2}"#, r#"{"last_run":"?","next_result_set_id":1}"#],
        ),
        (
            "has_results",
            "has_results = true",
            r#"{"results_count":1}"#,
            r#"{"results_count":0}"#,
            &["{}", r#"{"results_count":-1}"#, r#"{"results_count":1.0}"#],
        ),
        (
            "searches",
            "searches = { min = 1, max = 2 }",
            r#"{"requests_total_count":2}"#,
            r#"{"searches_total_count":3}"#,
            &["{}", r#"{"searches_total_count":"2"}"#],
        ),
        (
            "older_than",
            "older_than = '7d'",
            r#"{"created_at":"2026-01-25T00:00:00Z"}"#,
            r#"{"created_at":"2026-01-25T00:00:00.001Z"}"#,
            &["{}", r#"{"created_at":"2026-02-01T00:00:01Z"}"#, r#"{"created_at":1}"#],
        ),
        (
            "idle_for",
            "idle_for = '7d'",
            r#"{"created_at":"2026-01-01T00:00:00Z","last_run":"2026-01-25T00:00:00Z"}"#,
            r#"{"created_at":"2026-01-26T00:00:00Z","next_result_set_id":1}"#,
            &[
                "{}",
                r#"{"created_at":"2026-01-01T00:00:00Z"}"#,
                r#"{"last_run":"2026-01-01T00:00:00Z"}"#,
                r#"{"created_at":"2026-01-01T00:00:00Z","last_run":"2027-01-01T00:00:00Z"}"#,
            ],
        ),
        (
            "created_before",
            "created_before = 2026-01-25T00:00:00Z",
            r#"{"created_at":"2026-01-24T23:59:59.999Z"}"#,
            r#"{"created_at":"2026-01-25T01:00:00+01:00"}"#,
            &["{}", r#"{"created_at":"2026-01-24"}"#],
        ),
        (
            "created_after",
            "created_after = '2026-01-25T00:00:00Z'",
            r#"{"created_at":"2026-01-25T00:00:00.001Z"}"#,
            r#"{"created_at":"2026-01-25T00:00:00Z"}"#,
            &["{}", r#"{"created_at":"2099-01-01T00:00:00Z"}"#],
        ),
        (
            "when",
            "when = 'batch.searches_total_count * 2 > 10'",
            r#"{"request_total_count":6}"#,
            r#"{"searches_total_count":5}"#,
            &["{}", r#"{"searches_total_count":"6"}"#],
        ),
    ];

    #[test]
    fn every_matcher_says_yes_no_and_that_it_does_not_know() {
        for (matcher, rule, selected, passed_over, unknown) in TABLE {
            assert_eq!(opinion(rule, selected), Yes, "{rule} on {selected}");
            assert_eq!(opinion(rule, passed_over), No(matcher), "{rule} on {passed_over}");
            for record in unknown {
                assert_eq!(opinion(rule, record), Unknown(matcher), "{rule} on {record}");
            }
        }
    }

    #[test]
    fn every_matcher_of_the_file_has_a_row() {
        for (matcher, rule, ..) in TABLE {
            let raw: RawRule = toml::from_str(rule).unwrap();
            let names: Vec<_> = matchers(&raw).iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [matcher], "{rule}");
        }
        let whole = TABLE.map(|(_, rule, ..)| rule).join("\n");
        let raw: RawRule = toml::from_str(&whole).unwrap();
        assert_eq!(matchers(&raw).len(), TABLE.len());
    }

    #[test]
    fn all_matchers_must_hold_and_one_no_outweighs_what_is_unknown() {
        let rule = "name = 'tmp-*'\nenabled = false\npriority = 'low'";
        for (record, expected) in [
            (r#"{"name":"tmp-1","enabled":false,"priority":"low"}"#, Yes),
            (r#"{"name":"tmp-1","enabled":true,"priority":"low"}"#, No("enabled")),
            (r#"{"name":"tmp-1","enabled":false}"#, Unknown("priority")),
            (r#"{"name":"x","enabled":false}"#, No("name")),
            (r#"{"enabled":true}"#, No("enabled")),
            ("{}", Unknown("priority")),
        ] {
            assert_eq!(opinion(rule, record), expected, "{record}");
        }
        assert_eq!(opinion("match_all = true\nany_age = true", "{}"), Yes);
    }

    #[test]
    fn opposites_of_flags_are_told_apart() {
        let never = r#"{"next_result_set_id":1,"results_count":0,"enabled":true}"#;
        assert_eq!(opinion("never_run = false", never), No("never_run"));
        assert_eq!(opinion("has_results = false", never), Yes);
        assert_eq!(opinion("enabled = true", never), Yes);
    }

    #[test]
    fn a_text_that_cannot_be_read_makes_the_rule_unknown() {
        let record = r#"{"name":"a","created_at":"2026-01-01T00:00:00Z","next_result_set_id":1}"#;
        for rule in [
            "name = ['a', '[']",
            "name_regex = '('",
            "name_regex = '(?:a'",
            "older_than = '30m'",
            "idle_for = '1.5h'",
            "created_before = '2026-01-25'",
            "created_after = 2026-01-25",
            "when = 'batch.'",
            "within = 'off'",
            "last = 1\ngroup_by = '('",
        ] {
            assert!(matches!(opinion(rule, record), Unknown(_)), "{rule}");
        }
    }

    #[test]
    fn a_record_that_repeats_a_key_is_unknown_to_every_matcher() {
        for (matcher, rule, ..) in TABLE {
            assert_eq!(opinion(rule, r#"{"x":1,"x":1}"#), Unknown(matcher));
        }
    }
}
