//! Layers: files in their order and then the environment, put over each other by `config`.
//!
//! Tables add up and a scalar replaces the one before; who replaced whom is noted, for `check`.
//! A rule stands in one file: in two it would be unclear which one is meant, and that is refused.
//! `[[test]]` of all files add up.
//! Invariant: each layer has passed the strict pass before, so nothing here is coerced.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use config::{Config, ConfigError, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnose::{Complaint, Half, Problems};
use super::environment::Environment;
use super::overrides;
use super::place::{KeyPath, Origin, Places, Step};
use super::raw::{RawConfig, RawTest};
use super::strict::{self, Sheet};

/// The configuration as all layers together say it.
#[derive(Debug, Default)]
pub(super) struct Layered {
    pub(super) raw: RawConfig,
    pub(super) places: Places,
    pub(super) replaced: Vec<Replaced>,
    /// Keys that the strict pass took out: what is missing for their sake is no second mistake.
    pub(super) removed: Vec<KeyPath>,
    /// The texts of all values but `[[test]]` by path, a list's in one.
    pub(super) leaves: BTreeMap<String, Vec<String>>,
}

/// A scalar that a later layer replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The key, such as `guards.max_deletes`.
    pub path: String,
    /// `file:line` of the value that no longer holds.
    pub was: String,
    /// `file:line` of the value that does, or the variable's name.
    pub by: String,
}

impl Layered {
    /// Whether a key at or beneath this one was taken out.
    pub(super) fn is_damaged(&self, path: &KeyPath) -> bool {
        self.removed.iter().any(|removed| removed.starts_with(path))
    }
}

/// Puts the layers over each other.
pub(super) fn merge(
    sheets: Vec<Sheet<'_>>,
    env: &Environment,
    problems: &mut Problems<'_>,
) -> Result<Layered, ConfigError> {
    let mut layered = Layered::default();
    let mut builder = Config::builder();
    for mut sheet in sheets {
        layered.removed.append(&mut sheet.removed);
        refuse_rules_in_two_files(&mut sheet, &layered.places, problems);
        let tests = take_tests(&mut sheet, &mut layered.places, layered.raw.test.len());
        layered.raw.test.extend(tests);
        note(&strict::places(&sheet), &mut layered, problems);
        builder = builder.add_source(Layer(table(sheet.tree)));
    }
    let mut tests = std::mem::take(&mut layered.raw.test);
    layered.raw = builder.build_cloned()?.try_deserialize()?;
    for (path, name, value) in overrides::read(env, &layered, problems) {
        let mut places = Places::default();
        places.set(path.clone(), Origin::Variable(name));
        note(&places, &mut layered, problems);
        builder = builder.add_source(Layer(nested(path.steps(), scalar(value))));
    }
    let merged = builder.build()?;
    leaves(&merged.cache, &KeyPath::default(), &mut layered.leaves);
    layered.raw = merged.try_deserialize()?;
    layered.raw.test.append(&mut tests);
    Ok(layered)
}

/// A rule that an earlier file has is told and left out.
fn refuse_rules_in_two_files(sheet: &mut Sheet<'_>, known: &Places, problems: &mut Problems<'_>) {
    let here = strict::places(sheet);
    for kind in ["keep", "delete"] {
        let Some(DeValue::Table(rules)) = sheet.tree.get_mut(kind).map(Spanned::get_mut) else {
            continue;
        };
        let names: Vec<_> = rules.keys().map(|name| name.get_ref().to_string()).collect();
        for name in names {
            let path = KeyPath::of([kind, &name]);
            let Some(Origin::File(first)) = known.get(&path) else { continue };
            let first = problems.sources().file_and_line(first);
            let complaint = Complaint::error(format!(
                "the rule `{kind}.{}` is in two files; the other is {first}",
                super::hide::shown(&name)
            ));
            let complaint = complaint.help("give one of them another name, or take it away");
            problems.at(&here, &path, Half::Key, complaint);
            rules.remove(name.as_str());
        }
    }
}

/// The file's tests, typed. They are no layer: `config` would let a later list replace an earlier.
fn take_tests(sheet: &mut Sheet<'_>, places: &mut Places, already: usize) -> Vec<RawTest> {
    let here = strict::places(sheet);
    for (path, origin) in here.iter() {
        if let [Step::Key(key), Step::Index(index), rest @ ..] = path.steps()
            && key == "test"
        {
            let steps = [Step::Key(key.clone()), Step::Index(already + index)];
            places.set(steps.into_iter().chain(rest.iter().cloned()).collect(), origin.clone());
        }
    }
    let Some((key, value)) = sheet.tree.remove_entry("test") else { return Vec::new() };
    let tests = std::iter::once((key, value)).collect();
    strict::typed(tests).map(|raw| raw.test).unwrap_or_default()
}

/// Notes where the keys of a layer stand, and which of them replace another.
fn note(here: &Places, layered: &mut Layered, problems: &Problems<'_>) {
    let say = |origin: &Origin| match origin {
        Origin::File(place) => problems.sources().file_and_line(place),
        Origin::Variable(name) => name.clone(),
    };
    for (path, origin) in here.iter() {
        let is_element = matches!(path.steps().last(), Some(Step::Index(_)));
        let is_table = here.has_below(path);
        if let Some(before) = layered.places.get(path)
            && !is_table
            && !is_element
        {
            let (was, by) = (say(before), say(origin));
            layered.replaced.push(Replaced { path: path.to_string(), was, by });
            layered.places.forget(path);
        }
        layered.places.set(path.clone(), origin.clone());
    }
}

/// One layer, as `config` takes it.
#[derive(Debug, Clone)]
struct Layer(HashMap<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<HashMap<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn table(table: DeTable<'_>) -> HashMap<String, Value> {
    table
        .into_iter()
        .map(|(key, value)| (key.into_inner().into_owned(), scalar(value.into_inner())))
        .collect()
}

/// A value as `config` has it. A date becomes its text, which is what `raw` makes of it too.
fn scalar(value: DeValue<'_>) -> Value {
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.into_owned()),
        DeValue::Integer(number) => {
            let (text, radix) = (number.as_str(), number.radix());
            let signed = i64::from_str_radix(text, radix).map(ValueKind::I64);
            let unsigned = || u64::from_str_radix(text, radix).map(ValueKind::U64);
            signed.or_else(|_too_big| unsigned()).unwrap_or(ValueKind::Nil)
        }
        // No key takes a fraction, so none passes the strict pass.
        DeValue::Float(_) => ValueKind::Nil,
        DeValue::Boolean(truth) => ValueKind::Boolean(truth),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(array) => {
            ValueKind::Array(array.into_iter().map(|v| scalar(v.into_inner())).collect())
        }
        DeValue::Table(inner) => ValueKind::Table(table(inner)),
    };
    Value::new(None, kind)
}

/// A table that has one value, at that path.
fn nested(steps: &[Step], value: Value) -> HashMap<String, Value> {
    let Some((Step::Key(key), rest)) = steps.split_first() else { return HashMap::new() };
    let inner = match rest {
        [] => value,
        rest => Value::new(None, ValueKind::Table(nested(rest, value))),
    };
    HashMap::from([(key.clone(), inner)])
}

/// Notes the texts of all values. A table without keys has a place too: it may be a rule.
fn leaves(value: &Value, path: &KeyPath, noted: &mut BTreeMap<String, Vec<String>>) {
    match &value.kind {
        ValueKind::Table(table) => {
            let names_a_rule_or_account = path.steps().len() == 2;
            if table.is_empty() && names_a_rule_or_account {
                noted.insert(path.to_string(), Vec::new());
            }
            // In whichever order: the map is sorted.
            #[expect(clippy::iter_over_hash_type, reason = "the notes are sorted by path")]
            for (key, value) in table {
                leaves(value, &path.then(key.as_str()), noted);
            }
        }
        ValueKind::Array(elements) => {
            noted.insert(path.to_string(), elements.iter().map(ToString::to_string).collect());
        }
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::String(_) => {
            noted.insert(path.to_string(), vec![value.to_string()]);
        }
    }
}
