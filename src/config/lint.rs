//! Lint: rules that are well-formed and cannot do what they seem to.
//!
//! Letters that only look like those of a name, a delete rule that can never select, one whose whole
//! selection a keep rule protects, one that another delete rule makes superfluous. Pure; warnings only.
//! Not here: mistakes (`rules`), two dates that cross (`rules`).
//! Invariant: a rule is called covered only where that follows from the rules alone, whatever the
//! batches are. In doubt nothing is said.

use std::collections::{BTreeMap, BTreeSet};

use super::RawRules;
use super::check::Check;
use super::diagnose::Complaint;
use super::hide;
use super::near;
use super::place::KeyPath;
use super::raw::{OneOrMany, RawConfig, RawRule};
use super::rules;
use crate::batch::{RuleName, Undelivered, and_list};
use crate::policy::{DeleteRule, Glob, KeepRule, Matcher};

/// Looks at every rule of files that have no mistake.
pub(super) fn warn(check: &mut Check<'_, '_>) {
    let layered = check.layered;
    for (kind, rules) in [("keep", &layered.raw.keep), ("delete", &layered.raw.delete)] {
        for (name, rule) in rules {
            warn_of_letters(check, &KeyPath::of([kind, name]), rule);
        }
    }
    let Some((keep, delete)) = rules::compile(&every_rule(&layered.raw)) else { return };
    let keeping = keep.iter().map(|rule| ("keep", &rule.name, &rule.matchers));
    let deleting = delete.iter().map(|rule| ("delete", &rule.name, &rule.matchers));
    for (kind, name, matchers) in keeping.chain(deleting) {
        for complaint in matchers.iter().filter_map(mistyped_field) {
            check.value(&KeyPath::of([kind, name.as_str(), "when"]), complaint);
        }
    }
    let rules = keep.len() + delete.len();
    let among_keep = Candidates::of(keep.iter().map(|rule| names(&rule.matchers)), rules);
    let among_delete = Candidates::of(delete.iter().map(|rule| names(&rule.matchers)), rules);
    for rule in &delete {
        let complaint = never(rule)
            .or_else(|| protected(rule, (&keep, &among_keep), &layered.raw))
            .or_else(|| superfluous(rule, (&delete, &among_delete), &layered.raw));
        if let Some(complaint) = complaint {
            check.key(&KeyPath::of(["delete", rule.name.as_str()]), complaint);
        }
    }
}

/// The rules of all accounts.
fn every_rule(raw: &RawConfig) -> RawRules {
    let named = |rules: &BTreeMap<String, RawRule>| {
        let named = rules.iter();
        named.filter_map(|(name, rule)| Some((RuleName::parse(name).ok()?, rule.clone()))).collect()
    };
    RawRules { keep: named(&raw.keep), delete: named(&raw.delete) }
}

/// The fields of a record that the API is known to send, under the spelling that `when` has (contract
/// §1.3, §2.2).
const FIELDS: [&str; 26] = [
    "created_at",
    "credits_required",
    "destination_ids",
    "enabled",
    "id",
    "last_run",
    "name",
    "next_result_set_id",
    "notification_as_csv",
    "notification_as_json",
    "notification_as_jsonlines",
    "notification_csv_fields",
    "notification_email",
    "notification_webhook",
    "priority",
    "results_count",
    "schedule_days_of_month",
    "schedule_days_of_week",
    "schedule_hours",
    "schedule_minutes",
    "schedule_type",
    "searches_page_count",
    "searches_total_count",
    "searches_type",
    "searches_type_locked",
    "status",
];

/// A field of `batch` in an expression that is almost one that is known. One that is like none may be a
/// field that the vendor added: nothing is said of it.
fn mistyped_field(matcher: &Matcher) -> Option<Complaint> {
    let Matcher::When(when) = matcher else { return None };
    let mut unknown = when.fields().filter(|field| !FIELDS.contains(field));
    let (field, meant) =
        unknown.find_map(|field| Some((field, near::nearest(field, FIELDS.iter().copied())?)))?;
    let message = format!(
        "no batch is known to have a field `{}`: the expression would be unknown of every batch",
        hide::shown(field)
    );
    Some(Complaint::warning(message).help(format!("did you mean `batch.{meant}`?")))
}

/// The patterns of a rule's `name`.
fn names(matchers: &[Matcher]) -> Option<&[Glob]> {
    matchers.iter().find_map(|matcher| {
        if let Matcher::Name(globs) = matcher { Some(globs.as_slice()) } else { None }
    })
}

/// Which rules may cover another, so that thousands are not compared each with each: a name can only be
/// within a pattern that begins as it does.
struct Candidates {
    /// By the text before a pattern's first `*`, `?` or `[`; the places of the rules.
    by_start: BTreeMap<String, Vec<usize>>,
    /// Rules without `name`.
    nameless: Vec<usize>,
    /// As many are looked at for one rule; in doubt nothing is said.
    most: usize,
}

/// As many pairs of rules are compared, and for each rule at least the second number: it takes well under
/// a second.
const MOST_PAIRS: (usize, usize) = (1_000_000, 100);

impl Candidates {
    fn of<'r>(rules: impl Iterator<Item = Option<&'r [Glob]>>, count: usize) -> Self {
        let (pairs, least) = MOST_PAIRS;
        let most = (pairs / count.max(1)).max(least);
        let mut candidates = Self { by_start: BTreeMap::new(), nameless: Vec::new(), most };
        for (place, names) in rules.enumerate() {
            let Some(names) = names else {
                candidates.nameless.push(place);
                continue;
            };
            for glob in names {
                let start = start(glob.as_str()).to_owned();
                candidates.by_start.entry(start).or_default().push(place);
            }
        }
        candidates
    }

    /// The places of the rules that may cover one with that name, in their order.
    fn covering(&self, name: Option<&Glob>) -> Vec<usize> {
        let text = name.map_or("", |glob| start(glob.as_str()));
        let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let starts = ends.filter_map(|end| self.by_start.get(text.get(..end)?));
        // Each list is in order, so the first of all are among the first of each.
        let lists = starts.chain([&self.nameless]).map(|list| list.iter().take(self.most));
        let mut places: Vec<_> = lists.flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places.truncate(self.most);
        places
    }
}

/// The text with which every name of a pattern begins.
fn start(glob: &str) -> &str {
    glob.find(['*', '?', '[']).and_then(|at| glob.get(..at)).unwrap_or(glob)
}

/// A name that no regular expression of the same rule matches.
fn never(rule: &DeleteRule) -> Option<Complaint> {
    let globs = names(&rule.matchers)?;
    let regexes = rule.matchers.iter().find_map(|matcher| {
        if let Matcher::NameRegex(regexes) = matcher { Some(regexes) } else { None }
    })?;
    let can_be = globs
        .iter()
        .map(Glob::as_str)
        .any(|glob| !is_literal(glob) || regexes.iter().any(|regex| regex.matches(glob)));
    (!can_be).then(|| {
        Complaint::warning(format!("the rule `{}` can never select a batch", rule.name))
            .help("`name` and `name_regex` must both match, and none of these names matches")
    })
}

/// A delete rule of which every batch is protected.
fn protected(
    rule: &DeleteRule,
    (keep, candidates): (&[KeepRule], &Candidates),
    raw: &RawConfig,
) -> Option<Complaint> {
    let total = |keep: &&KeepRule| {
        // One without matchers keeps every batch, which has its own warning.
        keep.counts.is_empty()
            && !keep.matchers.is_empty()
            && serves_all_of(
                raw.keep.get(keep.name.as_str()),
                raw.delete.get(rule.name.as_str()),
                raw,
            )
    };
    let mut protecting = BTreeSet::new();
    for part in parts(rule) {
        let name = part.iter().find_map(|part| part.name());
        let candidates = candidates.covering(name).into_iter().filter_map(|place| keep.get(place));
        let found = candidates.filter(total).find(|keep| covers(&keep.matchers, &part))?;
        protecting.insert(&found.name);
    }
    let names: Vec<_> = protecting.into_iter().map(|name| format!("`{name}`")).collect();
    let (rules, protect) =
        if names.len() == 1 { ("keep rule", "protects") } else { ("keep rules", "protect") };
    let message = format!(
        "the rule `{}` can never delete: {rules} {} {protect} all that it selects",
        rule.name,
        and_list(&names)
    );
    Some(
        Complaint::warning(message)
            .help("keep always wins: narrow the one, or take the other away"),
    )
}

/// A delete rule of which every batch is selected by another one too.
fn superfluous(
    rule: &DeleteRule,
    (all, candidates): (&[DeleteRule], &Candidates),
    raw: &RawConfig,
) -> Option<Complaint> {
    let raw_of = |rule: &DeleteRule| raw.delete.get(rule.name.as_str());
    let holds = |small: &DeleteRule, large: &DeleteRule| {
        // Results that were never delivered go only where all rules say so: then the smaller one,
        // by not saying it, still protects some.
        let is_stricter =
            small.undelivered == Undelivered::Respect && large.undelivered == Undelivered::Force;
        let small_parts: Vec<_> = small.matchers.iter().map(Part::Whole).collect();
        !is_stricter
            && large.grace <= small.grace
            && serves_all_of(raw_of(large), raw_of(small), raw)
            && covers(&large.matchers, &small_parts)
    };
    let name = names(&rule.matchers).and_then(<[Glob]>::first);
    let mut candidates = candidates.covering(name).into_iter().filter_map(|place| all.get(place));
    let larger = candidates.find(|other| {
        // Of two that say the same, the one with the later name is told.
        other.name != rule.name
            && holds(rule, other)
            && (rule.name > other.name || !holds(other, rule))
    })?;
    let message = format!(
        "the rule `{}` adds nothing: the rule `{}` selects all that it selects",
        rule.name, larger.name
    );
    let help = match (rule.undelivered, larger.undelivered) {
        (Undelivered::Force, Undelivered::Respect) => {
            "take it away, or make it select what the other one does not; its \
             `force_failed_webhooks` counts only where all rules that select a batch say it"
        }
        (_, _) => "take it away, or make it select what the other one does not",
    };
    Some(Complaint::warning(message).help(help))
}

/// Whether the first rule serves every account that the second one serves.
fn serves_all_of(large: Option<&RawRule>, small: Option<&RawRule>, raw: &RawConfig) -> bool {
    let (Some(large), Some(small)) = (large, small) else { return false };
    let Some(served) = &large.accounts else { return true };
    match &small.accounts {
        Some(names) => names.0.iter().all(|name| served.0.contains(name)),
        None => raw.accounts.keys().all(|name| served.0.contains(name)),
    }
}

/// A condition of a rule, or one of the alternatives of its `name`.
#[derive(Debug, Clone, Copy)]
enum Part<'r> {
    Whole(&'r Matcher),
    Name(&'r Glob),
}

/// A rule as several, one for each of its names: together they select what it selects.
fn parts(rule: &DeleteRule) -> Vec<Vec<Part<'_>>> {
    let others = rule.matchers.iter().filter(|matcher| !matches!(matcher, Matcher::Name(_)));
    let others: Vec<_> = others.map(Part::Whole).collect();
    let Some(globs) = names(&rule.matchers) else { return vec![others] };
    let with = |glob| [Part::Name(glob)].into_iter().chain(others.iter().copied()).collect();
    globs.iter().map(with).collect()
}

/// Whether whatever fulfils all conditions of the smaller one fulfils all of the larger one.
fn covers(larger: &[Matcher], smaller: &[Part<'_>]) -> bool {
    larger.iter().all(|wanted| smaller.iter().any(|given| given.implies(wanted)))
}

impl<'r> Part<'r> {
    /// The pattern, where it is one of `name`.
    const fn name(self) -> Option<&'r Glob> {
        match self {
            Self::Whole(_) => None,
            Self::Name(glob) => Some(glob),
        }
    }

    fn implies(self, wanted: &Matcher) -> bool {
        match self {
            Self::Whole(given) => implies(given, wanted),
            Self::Name(glob) => name_implies(std::slice::from_ref(glob), wanted),
        }
    }
}

/// Whether a batch for which `given` is yes must be one for which `wanted` is yes.
fn implies(given: &Matcher, wanted: &Matcher) -> bool {
    use Matcher as M;
    match (given, wanted) {
        (M::Name(globs), _) => name_implies(globs, wanted),
        (M::NameRegex(_), M::Name(wider)) => wider.iter().any(Glob::is_everything),
        (M::NameRegex(few), M::NameRegex(many)) => {
            few.iter().all(|one| many.iter().any(|other| one.as_str() == other.as_str()))
        }
        (M::Id(few), M::Id(many)) => few.iter().all(|one| many.contains(one)),
        (M::ScheduleType(few), M::ScheduleType(many)) | (M::Priority(few), M::Priority(many)) => {
            few.iter().all(|one| many.contains(one))
        }
        (M::Destination(globs), M::Destination(wider)) => all_within(globs, wider),
        (M::Enabled(one), M::Enabled(other))
        | (M::NeverRun(one), M::NeverRun(other))
        | (M::HasResults(one), M::HasResults(other)) => one == other,
        (M::Searches { min, max }, M::Searches { min: low, max: high }) => {
            low.is_none_or(|low| min.is_some_and(|min| min >= low))
                && high.is_none_or(|high| max.is_some_and(|max| max <= high))
        }
        // The last activity is never before the creation.
        (M::OlderThan(age) | M::IdleFor(age), M::OlderThan(least))
        | (M::IdleFor(age), M::IdleFor(least)) => age >= least,
        (M::CreatedBefore(at), M::CreatedBefore(end)) => at <= end,
        (M::CreatedAfter(at), M::CreatedAfter(start)) => at >= start,
        (M::When(one), M::When(other)) => one.as_str() == other.as_str(),
        _ => false,
    }
}

fn name_implies(globs: &[Glob], wanted: &Matcher) -> bool {
    if let Matcher::Name(wider) = wanted {
        return all_within(globs, wider);
    }
    let Matcher::NameRegex(regexes) = wanted else { return false };
    let fits = |glob: &str| is_literal(glob) && regexes.iter().any(|regex| regex.matches(glob));
    globs.iter().map(Glob::as_str).all(fits)
}

fn all_within(globs: &[Glob], wider: &[Glob]) -> bool {
    globs.iter().all(|glob| wider.iter().any(|wide| is_within(glob, wide)))
}

/// Whether every name of the first pattern is one of the second. Knows literal names and patterns
/// with one `*` at an end; of others it says no.
fn is_within(glob: &Glob, wide: &Glob) -> bool {
    let (text, wide_text) = (glob.as_str(), wide.as_str());
    if text == wide_text || wide.is_everything() {
        return true;
    }
    if is_literal(text) {
        return wide.matches(text);
    }
    let start = start(text);
    let end = text.rfind(['*', '?', ']']).and_then(|at| text.get(at + 1..)).unwrap_or(text);
    let begins = |prefix| is_literal(prefix) && start.starts_with(prefix);
    let ends = |suffix| is_literal(suffix) && end.ends_with(suffix);
    wide_text.strip_suffix('*').is_some_and(begins) || wide_text.strip_prefix('*').is_some_and(ends)
}

/// Whether a pattern is one name.
fn is_literal(glob: &str) -> bool {
    !glob.contains(['*', '?', '['])
}

/// Patterns over names in which a letter only looks like an ASCII one.
fn warn_of_letters(check: &mut Check<'_, '_>, path: &KeyPath, rule: &RawRule) {
    for (key, texts) in [("name", &rule.name), ("name_regex", &rule.name_regex)] {
        let Some(OneOrMany(texts)) = texts else { continue };
        for (index, text) in texts.iter().enumerate() {
            let Some(complaint) = odd_letters(text) else { continue };
            let place = check.element(&path.then(key), index);
            check.value(&place, complaint);
        }
    }
}

fn odd_letters(text: &str) -> Option<Complaint> {
    let odd =
        text.split(|c: char| !c.is_alphanumeric() && looks_like(c).is_none()).find_map(odd_of);
    let (c, plain) = odd?;
    let code = u32::from(c);
    let message = format!(
        "`{c}` (U+{code:04X}) looks like `{plain}`, and only names with that very character match"
    );
    let plain_text: String = text.chars().map(|c| looks_like(c).unwrap_or(c)).collect();
    let help = format!("if the names are written plainly, write `{}`", hide::shown(&plain_text));
    Some(Complaint::warning(message).help(help))
}

/// The first character of a word that looks like another, unless the word has letters of its own
/// script that do not: then it is a word of that language.
fn odd_of(word: &str) -> Option<(char, char)> {
    let foreign = word.chars().any(|c| !c.is_ascii() && looks_like(c).is_none());
    if foreign {
        return None;
    }
    word.chars().find_map(|c| Some((c, looks_like(c)?)))
}

/// The ASCII character that looks the same: the common ones of Cyrillic and Greek, full-width forms,
/// dashes and blanks as word processors write them.
fn looks_like(c: char) -> Option<char> {
    const SAME: [(&str, &str); 3] = [
        // Cyrillic.
        (
            "\u{430}\u{441}\u{435}\u{4bb}\u{456}\u{458}\u{43e}\u{440}\u{51b}\u{455}\u{51d}\u{445}\u{443}\
             \u{410}\u{412}\u{421}\u{415}\u{41d}\u{406}\u{408}\u{41a}\u{41c}\u{41e}\u{420}\u{405}\u{422}\u{425}",
            "acehijopqswxyABCEHIJKMOPSTX",
        ),
        // Greek.
        (
            "\u{3bf}\u{3bd}\u{391}\u{392}\u{395}\u{396}\u{397}\u{399}\u{39a}\u{39c}\u{39d}\u{39f}\u{3a1}\
             \u{3a4}\u{3a5}\u{3a7}",
            "ovABEZHIKMNOPTYX",
        ),
        // Dashes and blanks.
        (
            "\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2212}\u{a0}\u{2007}\u{202f}\u{3000}",
            "------    ",
        ),
    ];
    if let full_width @ 0xff01..=0xff5e = u32::from(c) {
        return char::from_u32(full_width - 0xfee0);
    }
    SAME.iter().find_map(|(odd, plain)| {
        let at = odd.chars().position(|other| other == c)?;
        plain.chars().nth(at)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::fixtures::{at, batch};
    use crate::batch::{Batch, BatchId, Fact, word};
    use crate::policy::verdict::Verdict;
    use crate::policy::{Counts, Memory, Policy, Terms, When, WholeRegex};

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap()
    }

    /// Candidates among rules with one name each, or none.
    fn among(names: &[Option<Glob>]) -> Candidates {
        let each = names.iter().map(|name| name.as_ref().map(std::slice::from_ref));
        Candidates::of(each, names.len())
    }

    #[test]
    fn every_rule_that_may_cover_another_is_a_candidate() {
        let texts = ["*", "tmp-*", "tmp-1-*", "tmp-1", "?mp-*", "[t]mp-1", "*-1", "tmp-ü*", "x"];
        let mut names: Vec<_> = texts.into_iter().map(glob).map(Some).collect();
        names.push(None);
        let candidates = among(&names);
        for narrow in names.iter().flatten() {
            let found = candidates.covering(Some(narrow));
            for (place, wide) in names.iter().enumerate() {
                let may_cover = wide.as_ref().is_none_or(|wide| is_within(narrow, wide));
                assert!(!may_cover || found.contains(&place), "{narrow:?} {wide:?}");
            }
        }
        assert_eq!(candidates.covering(None), [0, 4, 5, 6, 9], "a regular expression, for one");
    }

    #[test]
    fn thousands_of_rules_are_not_compared_each_with_each() {
        let customers: Vec<_> = (0..20_000).map(|n| Some(glob(&format!("cust-{n}-*")))).collect();
        assert_eq!(among(&customers).covering(customers[7].as_ref()), [7]);
        let ends: Vec<_> = (0..20_000).map(|n| Some(glob(&format!("*-{n}")))).collect();
        assert_eq!(among(&ends).covering(ends[7].as_ref()).len(), 100);
        assert_eq!(among(&ends[..1_000]).covering(ends[7].as_ref()).len(), 1_000, "all of them");
        assert_eq!(among(&vec![None; 20_000]).covering(None).len(), 100);
    }

    #[test]
    fn one_pattern_is_within_another_only_where_that_is_sure() {
        for (narrow, wide, expected) in [
            ("tmp-*", "tmp-*", true),
            ("tmp-1", "tmp-*", true),
            ("tmp-a-*", "tmp-*", true),
            ("tmp-[0-9]", "tmp-*", true),
            ("tmp-?", "*", true),
            ("*-old", "*old", true),
            ("[*]-old", "*-old", true),
            ("a*b", "a*", true),
            ("a*b", "*b", true),
            ("[[]x]", "[[]x]", true),
            ("tmp-*", "tmp-1", false),
            ("tmp*", "tmp-*", false),
            ("t?p-1", "tmp-*", false),
            ("TMP-1", "tmp-*", false),
            ("[ab]*", "a*", false),
            ("a[*]", "*]", false),
            ("a*", "a[*]", false),
            ("*old", "*-old", false),
        ] {
            assert_eq!(is_within(&glob(narrow), &glob(wide)), expected, "{narrow} in {wide}");
        }
    }

    // fault: X5
    #[test]
    fn letters_that_look_like_others_are_told_and_words_of_a_language_are_not() {
        for (text, odd) in [
            ("prod-*", None),
            ("pr\u{43e}d-*", Some('\u{43e}')),
            ("\u{420}ROD-*", Some('\u{420}')),
            ("prod\u{2013}*", Some('\u{2013}')),
            ("my\u{a0}batch", Some('\u{a0}')),
            ("\u{ff50}rod", Some('\u{ff50}')),
            ("\u{43e}\u{442}\u{447}\u{451}\u{442}-*", None),
            ("\u{39f}\u{3b4}\u{3cc}\u{3c2} prod", None),
            ("\u{43e}\u{442}\u{447}\u{451}\u{442} pr\u{43e}d", Some('\u{43e}')),
            ("日本-*", None),
            ("\u{e9}t\u{e9}", None),
        ] {
            let message = odd_letters(text).map(|complaint| complaint.message);
            let code = odd.map(|c| format!("U+{:04X}", u32::from(c)));
            assert_eq!(message.is_some(), odd.is_some(), "{text}: {message:?}");
            assert!(code.is_none_or(|code| message.unwrap().contains(&code)), "{text}");
        }
    }

    /// A small pool of conditions, several of each kind.
    fn matcher(n: usize) -> Matcher {
        let names = |texts: &[&str]| Matcher::Name(texts.iter().map(|text| glob(text)).collect());
        let regexes = |texts: &[&str]| {
            Matcher::NameRegex(texts.iter().map(|text| WholeRegex::parse(text).unwrap()).collect())
        };
        let days = |days: u64| Duration::from_secs(days * 86_400);
        match n {
            0 => names(&["tmp-*"]),
            1 => names(&["tmp-1", "tmp-2"]),
            2 => names(&["tmp-1", "*-old"]),
            3 => names(&["*"]),
            4 => regexes(&["tmp-.*"]),
            5 => regexes(&["tmp-.*", "x"]),
            6 => Matcher::Id(vec![BatchId::parse("A1").unwrap()]),
            7 => Matcher::Id(["A1", "A2"].map(|id| BatchId::parse(id).unwrap()).to_vec()),
            8 => Matcher::ScheduleType(vec![word("manual")]),
            9 => Matcher::ScheduleType(vec![word("manual"), word("daily")]),
            10 => Matcher::Enabled(true),
            11 => Matcher::Enabled(false),
            12 => Matcher::NeverRun(true),
            13 => Matcher::NeverRun(false),
            14 => Matcher::Searches { min: Some(2), max: Some(5) },
            15 => Matcher::Searches { min: Some(1), max: None },
            16 => Matcher::OlderThan(days(7)),
            17 => Matcher::OlderThan(days(20)),
            18 => Matcher::IdleFor(days(7)),
            19 => Matcher::IdleFor(days(20)),
            20 => Matcher::CreatedBefore(at("2026-01-10T00:00:00Z")),
            21 => Matcher::CreatedBefore(at("2026-01-20T00:00:00Z")),
            22 => Matcher::CreatedAfter(at("2026-01-10T00:00:00Z")),
            23 => Matcher::CreatedAfter(at("2026-01-20T00:00:00Z")),
            24 => Matcher::Destination(vec![glob("D*")]),
            25 => Matcher::Destination(vec![glob("D1")]),
            26 => Matcher::HasResults(true),
            27 => Matcher::Priority(vec![word("low")]),
            _ => Matcher::When(Box::new(When::parse("batch.searches_total_count > 1").unwrap())),
        }
    }

    const POOL: usize = 29;

    /// Batches that differ in every field that the pool asks for.
    fn batches() -> Vec<Batch> {
        (0..49).map(|n| one(n / 7, n % 7)).collect()
    }

    fn one(n: usize, m: usize) -> Batch {
        let name = ["tmp-1", "tmp-2", "tmp-a", "a-old", "tmp-old", "x", "prod"][n];
        let created = ["01", "09", "10", "11", "20", "21", "28"][m];
        let is_odd = (n + m) % 2 == 1;
        let made = batch(&format!("A{}", (n * 7 + m) % 4)).name(name);
        let change = move |b: &mut Batch| {
            b.enabled = Fact::Known(is_odd);
            b.searches = Fact::Known((n + 2 * m) as u64 % 7);
            b.schedule_type = Fact::Known(word(if is_odd { "daily" } else { "manual" }));
            b.priority = Fact::Known(word(if m == 2 { "low" } else { "high" }));
            b.results_count = Fact::Known(m as u64 % 2);
            b.destinations = match n % 3 {
                0 => Fact::Known(["D1".into()].into()),
                1 => Fact::Known(["D2".into(), "E".into()].into()),
                _ => Fact::Missing,
            };
            b.last_run = match m % 3 {
                0 => Fact::Missing,
                1 => Fact::Known(at("2026-01-29T00:00:00Z")),
                _ => b.created_at.clone(),
            };
            b.next_result_set_id = Fact::Known(if m.is_multiple_of(3) { 1 } else { 4 });
        };
        made.created(&format!("2026-01-{created}T00:00:00Z")).with(change).build()
    }

    fn rule(name: &str, matchers: &[usize]) -> DeleteRule {
        let matchers = matchers.iter().copied().map(matcher).collect();
        let undelivered = Undelivered::Respect;
        let grace = Duration::ZERO;
        DeleteRule { name: RuleName::parse(name).unwrap(), matchers, undelivered, grace }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn what_is_called_covered_is_covered_whatever_the_batches(
            small in prop::collection::btree_set(0..POOL, 1..4),
            large in prop::collection::btree_set(0..POOL, 1..3),
        ) {
            // A rule has one list of names.
            prop_assume!(small.range(..4).count() <= 1);
            let small: Vec<_> = small.into_iter().collect();
            let large: Vec<_> = large.into_iter().collect();
            let parts = rule("s", &small);
            let wide = rule("l", &large);
            let whole: Vec<_> = parts.matchers.iter().map(Part::Whole).collect();
            let split = super::parts(&parts);
            let said = covers(&wide.matchers, &whole);
            prop_assert!(!said || split.iter().all(|part| covers(&wide.matchers, part)));
            let keep = KeepRule {
                name: RuleName::parse("k").unwrap(),
                matchers: rule("k", &large).matchers,
                counts: Counts::default(),
                may_be_empty: true,
            };
            let covered = split.iter().all(|part| covers(&wide.matchers, part));
            let terms = Terms {
                never_younger_than: None,
                probation: Duration::ZERO,
                name_markers: false,
                zone: chrono_tz::Tz::UTC,
            };
            let policy = Policy::new(vec![keep], vec![parts], terms);
            let decision = policy.decide(&batches(), &Memory::default(), at("2026-02-01T00:00:00Z"));
            let goes = decision.verdicts.iter().any(|v| matches!(v, Verdict::Delete { .. }));
            prop_assert!(!(covered && goes), "{small:?} in {large:?}");
        }
    }
}
