//! The strict pass: one file's text against the types of `raw`, all mistakes at once.
//!
//! Each mistake is told, the key that has it is taken out, and the rest is tried again. Nothing is
//! coerced: `"12"` is not 12. What is left is merged by `layers`.
//! Not here: what the values mean (`settings`, `rules`, `cases`).

use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnose::{Complaint, Half, Problems};
use super::hide;
use super::near;
use super::place::{KeyPath, Origin, Place, Places, Step};
use super::raw::RawConfig;
use super::rules;
use super::syntax;

/// Keys that take an instant.
const TIMES: [&str; 2] = ["created_before", "created_after"];

/// As many mistakes of one file as are told: who has more reads them after these are mended.
const MAX_MISTAKES: usize = 50;

/// One file that is free of mistakes of form, by having lost the keys that had some.
#[derive(Debug)]
pub(super) struct Sheet<'s> {
    pub(super) source: usize,
    pub(super) tree: DeTable<'s>,
    /// Keys that were taken out.
    pub(super) removed: Vec<KeyPath>,
}

/// Reads one file; `None` where it is not TOML.
pub(super) fn read<'s>(
    source: usize,
    text: &'s str,
    problems: &mut Problems<'_>,
) -> Option<Sheet<'s>> {
    let mut tree = match DeTable::parse_recoverable(text) {
        (tree, errors) if errors.is_empty() => tree,
        (_, errors) => {
            for mistake in syntax::mistakes(text, &errors).into_iter().take(MAX_MISTAKES) {
                problems.at_span(source, mistake.span, None, mistake.complaint);
            }
            return None;
        }
    };
    let mut removed = Vec::new();
    while let Some(mistake) = first_mistake(&tree) {
        let key = tree.get_mut();
        let Some(path) = deepest(key, &mistake.path).filter(|path| !path.steps().is_empty()) else {
            problems.at_span(source, 0..0, None, Complaint::error(mistake.text));
            return None;
        };
        let (half, complaint) = complain(key, &path, &mistake);
        let place = place_of(key, &path, source);
        let span = match (half, place.key) {
            (Half::Key, Some(key)) => key,
            (Half::Key, None) | (Half::Value, _) => place.value,
        };
        problems.at_span(source, span, Some(&path), complaint);
        take_out(key, path.steps());
        removed.push(path);
        if removed.len() == MAX_MISTAKES {
            let more = format!("there may be more: the first {MAX_MISTAKES} mistakes are shown");
            problems.at_span(source, 0..0, None, Complaint::error(more));
            return None;
        }
    }
    Some(Sheet { source, tree: tree.into_inner(), removed })
}

/// What serde found first, and where.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) path: KeyPath,
    pub(super) text: String,
}

/// Tries a tree against the types.
pub(super) fn first_mistake(tree: &Spanned<DeTable<'_>>) -> Option<Mistake> {
    if let Some(path) = list_for_table(tree.get_ref()) {
        return Some(Mistake { path, text: "invalid type: list, expected a map".to_owned() });
    }
    let deserializer = toml::de::Deserializer::from(tree.clone());
    let error = serde_path_to_error::deserialize::<_, RawConfig>(deserializer).err()?;
    let mut steps = Vec::new();
    for segment in error.path() {
        steps.extend(match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        // Inside a date is only how `toml` hands it over.
        if matches!(steps.last(), Some(Step::Key(key)) if TIMES.contains(&key.as_str())) {
            break;
        }
    }
    Some(Mistake { path: steps.into_iter().collect(), text: error.inner().message().to_owned() })
}

/// The first list in a table's place. Serde would take its elements for the table's values, in the
/// order of the fields, which nobody means.
fn list_for_table(tree: &DeTable<'_>) -> Option<KeyPath> {
    let mut places = Places::default();
    note_table(tree, &KeyPath::default(), 0, &mut places);
    let paths = places.iter().map(|(path, _)| path);
    let is_list = |path: &KeyPath| {
        matches!(value_at(tree, path.steps()).map(Spanned::get_ref), Some(DeValue::Array(_)))
    };
    paths.filter(|path| is_table(path.steps())).find(|path| is_list(path)).cloned()
}

/// Whether the file has a table with known keys there.
fn is_table(steps: &[Step]) -> bool {
    let keys: Vec<&str> = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::Index(_) => "0",
        })
        .collect();
    matches!(
        keys[..],
        ["schedule" | "guards" | "sweep"]
            | ["accounts" | "keep" | "delete", _]
            | ["accounts", _, "expect_batches"]
            | ["keep" | "delete", _, "searches"]
            | ["test", "0"]
            | ["test", "0", "batch"]
    )
}

/// The longest part of a path that the tree has.
fn deepest(tree: &DeTable<'_>, path: &KeyPath) -> Option<KeyPath> {
    let mut path = path.clone();
    loop {
        if path.steps().is_empty() || value_at(tree, path.steps()).is_some() {
            return Some(path);
        }
        path = path.parent()?;
    }
}

fn value_at<'t, 's>(tree: &'t DeTable<'s>, steps: &[Step]) -> Option<&'t Spanned<DeValue<'s>>> {
    let (first, rest) = steps.split_first()?;
    let Step::Key(key) = first else { return None };
    rest.iter().try_fold(tree.get(key.as_str())?, |value, step| match (step, value.get_ref()) {
        (Step::Key(key), DeValue::Table(table)) => table.get(key.as_str()),
        (Step::Index(index), DeValue::Array(array)) => array.get(*index),
        (Step::Key(_) | Step::Index(_), _) => None,
    })
}

fn place_of(tree: &DeTable<'_>, path: &KeyPath, source: usize) -> Place {
    let value = value_at(tree, path.steps()).map_or(0..0, Spanned::span);
    let parent = path.parent().unwrap_or_default();
    let table = match value_at(tree, parent.steps()).map(Spanned::get_ref) {
        Some(DeValue::Table(table)) => Some(table),
        Some(_) => None,
        None => Some(tree),
    };
    let key = table.zip(path.steps().last()).and_then(|(table, step)| match step {
        Step::Key(key) => table.get_key_value(key.as_str()).map(|(key, _)| key.span()),
        Step::Index(_) => None,
    });
    Place { source, key, value }
}

fn take_out(tree: &mut DeTable<'_>, steps: &[Step]) {
    match steps {
        [] | [Step::Index(_), ..] => {}
        [Step::Key(key)] => drop(tree.remove(key.as_str())),
        [Step::Key(key), rest @ ..] => {
            if let Some(value) = tree.get_mut(key.as_str()) {
                take_out_of_value(value.get_mut(), rest);
            }
        }
    }
}

fn take_out_of_value(value: &mut DeValue<'_>, steps: &[Step]) {
    match (value, steps) {
        (DeValue::Table(table), steps) => take_out(table, steps),
        (DeValue::Array(array), [Step::Index(index)]) => {
            #[expect(clippy::mem_replace_with_default, reason = "only `DeArray<'static>` has one")]
            let elements = std::mem::replace(array, DeArray::default()).into_iter().enumerate();
            *array = elements.filter(|(at, _)| at != index).map(|(_, element)| element).collect();
        }
        (DeValue::Array(array), [Step::Index(index), rest @ ..]) => {
            if let Some(value) = array.get_mut(*index) {
                take_out_of_value(value.get_mut(), rest);
            }
        }
        _ => {}
    }
}

/// A mistake in words, and whether the key or its value has it.
fn complain(tree: &DeTable<'_>, path: &KeyPath, mistake: &Mistake) -> (Half, Complaint) {
    let key = path.last_key().unwrap_or_default();
    if let Some(known) = unknown_key(key, &mistake.text) {
        let known = rules::keys_of_kind(path, known);
        return (Half::Key, complain_of_unknown(key, &known));
    }
    let found = value_at(tree, path.steps()).map_or("something else", |v| kind(v.get_ref()));
    (Half::Value, complain_of_value(key, found, &mistake.text))
}

/// The keys that there are, if serde says that `key` is none of them.
pub(super) fn unknown_key(key: &str, text: &str) -> Option<Vec<String>> {
    let known = text.strip_prefix(&format!("unknown field `{key}`"))?;
    Some(known.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// A key that is not one: near words, and where a secret belongs.
pub(super) fn complain_of_unknown(key: &str, known: &[String]) -> Complaint {
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let is_of_account = known.contains(&"api_key_file");
    if hide::is_telling(key) && (is_of_account || key.to_lowercase().contains("key")) {
        return Complaint::error("the API key does not belong in the configuration").help(
            "write it to a file of its own, mode 0400, and use `api_key_file = \"/path/to/it\"` \
             (or `api_key_env`, `api_key_credential`)",
        );
    }
    let message = format!("unknown key `{}`", hide::shown(key));
    Complaint::error(message).help(near::did_you_mean(key, &known))
}

/// A value of the wrong type or out of range.
pub(super) fn complain_of_value(key: &str, found: &str, text: &str) -> Complaint {
    let key = hide::shown(key);
    let (problem, expected) = match text.rsplit_once(", expected ") {
        Some(split) => split,
        None if TIMES.contains(&&*key) => ("", "a time such as 2026-01-31T00:00:00Z"),
        None => return Complaint::error(format!("`{key}`: {}", hide::shown(text))),
    };
    let (wanted, help) = wanted(&key, expected);
    let right_kind = wanted.contains("number") && found == "a number";
    let help = match found {
        "a number" if right_kind => Some(match expected {
            "u64" => "write digits alone, without a sign",
            _ => "write digits alone, without a sign, 4294967295 at most",
        }),
        "a fraction" if wanted.contains("whole number") => Some("write it without a fraction"),
        _ => help,
    };
    let complaint = if right_kind || problem.starts_with("invalid value") {
        Complaint::error(format!("`{key}` takes {wanted}, not this {}", bare(found)))
    } else {
        Complaint::error(format!("`{key}` takes {wanted}; this is {found}"))
    };
    match help {
        Some(help) => complaint.help(help),
        None => complaint,
    }
}

/// A kind of value without its article.
fn bare(found: &str) -> &str {
    found.split_once(' ').map_or(found, |(_, noun)| noun)
}

/// What serde expected, in the words of the file, and how to write it.
pub(super) fn wanted<'e>(key: &str, expected: &'e str) -> (&'e str, Option<&'static str>) {
    const DIGITS: &str = "a number is written in digits, without quotes";
    const DURATIONS: [&str; 9] = [
        "jitter",
        "never_younger_than",
        "max_clock_skew",
        "busy_wait",
        "request_timeout",
        "older_than",
        "idle_for",
        "within",
        "age",
    ];
    match expected {
        "a string" if DURATIONS.contains(&key) => {
            ("a duration", Some("a duration stands in quotes, such as `\"7d\"` or `\"30min\"`"))
        }
        "a string" => ("a text", Some("a text stands in quotes")),
        "a boolean" => ("true or false", Some("write `true` or `false`, without quotes")),
        "u32" => ("a whole number from 0 to 4294967295", Some(DIGITS)),
        "u64" => ("a whole number from 0", Some(DIGITS)),
        "a string, or a list of strings" => {
            ("a text or a list of texts", Some("such as `\"tmp-*\"` or `[\"tmp-*\", \"test-*\"]`"))
        }
        "a sequence" => ("a list", Some("a list stands in brackets, such as `[\"a\", \"b\"]`")),
        _ if expected.starts_with("a whole number") => (expected, Some(DIGITS)),
        _ if expected.starts_with("struct ") || expected == "a map" => {
            ("a table", Some("a table is `[name]` with its keys below, or `{ key = value }`"))
        }
        _ => (expected, None),
    }
}

/// What kind of value it is.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Where each key of a sheet stands.
pub(super) fn places(sheet: &Sheet<'_>) -> Places {
    let mut places = Places::default();
    note_table(&sheet.tree, &KeyPath::default(), sheet.source, &mut places);
    places
}

fn note_table(table: &DeTable<'_>, path: &KeyPath, source: usize, places: &mut Places) {
    for (key, value) in table {
        let path = path.then(key.get_ref().as_ref());
        let place = Place { source, key: Some(key.span()), value: value.span() };
        places.set(path.clone(), Origin::File(place));
        note_value(value.get_ref(), &path, source, places);
    }
}

fn note_value(value: &DeValue<'_>, path: &KeyPath, source: usize, places: &mut Places) {
    match value {
        DeValue::Table(table) => note_table(table, path, source, places),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                let path = path.then(index);
                let place = Place { source, key: None, value: element.span() };
                places.set(path.clone(), Origin::File(place));
                note_value(element.get_ref(), &path, source, places);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// The whole file as the types have it, for one that is known to be free of mistakes.
pub(super) fn typed(tree: DeTable<'_>) -> Result<RawConfig, toml::de::Error> {
    RawConfig::deserialize(toml::de::Deserializer::from(Spanned::new(0..0, tree)))
}
