//! Overrides: `BATCHSWEEP__GUARDS__MAX_DELETES=10` sets `guards.max_deletes`.
//!
//! A variable sets one scalar, of the key's own type, over whatever the files say. Its text is taken
//! as a text if the key takes one, else as TOML would read it bare; nothing is coerced. It cannot
//! make a rule or an account that no file has: a slip in a name would otherwise be a second rule.
//! Names with a single underscore (`BATCHSWEEP_API_KEY`, or what Kubernetes sets for a Service of
//! that name) are not looked at, but for those that would be a setting with two: a slip there could turn
//! what was meant as a dry run into a sweep.
//! Invariant: no value is ever shown.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::defaults;
use super::diagnose::{Complaint, Problems};
use super::environment::Environment;
use super::hide;
use super::layers::Layered;
use super::near;
use super::place::{KeyPath, Step};
use super::rules;
use super::strict::{self, Mistake};

/// What a name must begin with to be an override.
pub(super) const PREFIX: &str = "BATCHSWEEP__";

/// A key, the variable that sets it, and the value.
pub(super) type Override<'e> = (KeyPath, String, DeValue<'e>);

/// Reads all overrides; what is wrong with one is told and it is left out.
pub(super) fn read<'e>(
    env: &'e Environment,
    layered: &Layered,
    problems: &mut Problems<'_>,
) -> Vec<Override<'e>> {
    let mut found: Vec<Override<'e>> = Vec::new();
    for (name, value) in env.iter() {
        let shown = name.to_string_lossy();
        if !shown.starts_with(PREFIX) {
            if let Some(complaint) = one_underscore_short(&shown) {
                problems.at_variable(&shown, complaint);
            }
            continue;
        }
        match read_one(name.to_str(), value.to_str(), layered) {
            Ok((path, value)) => match found.iter().find(|(known, ..)| *known == path) {
                Some((_, other, _)) => {
                    let message = format!("it sets the same key as {}", hide::shown(other));
                    problems.at_variable(&shown, Complaint::error(message));
                }
                None => found.push((path, shown.into_owned(), value)),
            },
            Err(complaint) => problems.at_variable(&shown, complaint),
        }
    }
    found
}

/// What is wrong with a name that is a setting but for an underscore.
fn one_underscore_short(name: &str) -> Option<Complaint> {
    let rest = name.to_lowercase();
    let rest = rest.strip_prefix("batchsweep_")?.trim_start_matches('_');
    let meant = defaults::all().into_iter().map(|(path, _)| path);
    let meant = meant.into_iter().find(|path| rest.replace("__", "_") == path.replace('.', "_"))?;
    let right = format!("{PREFIX}{}", meant.to_uppercase().replace('.', "__"));
    Some(Complaint::error("it sets nothing").help(format!("did you mean `{right}`?")))
}

fn read_one<'e>(
    name: Option<&str>,
    value: Option<&'e str>,
    layered: &Layered,
) -> Result<(KeyPath, DeValue<'e>), Complaint> {
    let not_text = || Complaint::error("it is not UTF-8 text");
    let name = name.ok_or_else(not_text)?;
    let value = value.ok_or_else(not_text)?;
    let keys = name.strip_prefix(PREFIX).unwrap_or_default().to_lowercase();
    if keys.split("__").any(str::is_empty) {
        return Err(Complaint::error("it names no key").help(format!(
            "write the key's tables and its name, such as {PREFIX}SWEEP__LOOKAHEAD"
        )));
    }
    let path: KeyPath = keys.split("__").map(Step::from).collect();
    refuse_new_names(&path, layered)?;
    if value.is_empty() {
        return Err(Complaint::error("it is empty").help("give it a value, or do not set it"));
    }
    typed(&path, value).map(|value| (path, value))
}

/// Rules and accounts must be in a file.
fn refuse_new_names(path: &KeyPath, layered: &Layered) -> Result<(), Complaint> {
    let [Step::Key(table), Step::Key(name), _, ..] = path.steps() else { return Ok(()) };
    let known: Vec<&str> = match table.as_str() {
        "accounts" => layered.raw.accounts.keys().map(String::as_str).collect(),
        "keep" => layered.raw.keep.keys().map(String::as_str).collect(),
        "delete" => layered.raw.delete.keys().map(String::as_str).collect(),
        "notify" => layered.raw.notify.keys().map(String::as_str).collect(),
        _ => return Ok(()),
    };
    if known.contains(&name.as_str()) {
        return Ok(());
    }
    let shown = hide::shown(name);
    Err(Complaint::error(format!("no file has `[{table}.{shown}]`, and a variable cannot add it"))
        .help(near::did_you_mean(name, &known)))
}

/// The value as the key's type has it: a text, or else a bare TOML scalar.
fn typed<'e>(path: &KeyPath, value: &'e str) -> Result<DeValue<'e>, Complaint> {
    let as_text = DeValue::String(value.into());
    let Some(mistake) = try_at(path, &as_text) else { return Ok(as_text) };
    if let Some(complaint) = complain_of_name(path, &mistake) {
        return Err(complaint);
    }
    match DeValue::parse(value).ok().map(Spanned::into_inner).filter(is_scalar) {
        Some(bare) if try_at(path, &bare).is_none() => Ok(bare),
        _ => Err(complain_of_value(path, &mistake)),
    }
}

const fn is_scalar(value: &DeValue<'_>) -> bool {
    matches!(
        value,
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Boolean(_) | DeValue::Datetime(_)
    )
}

/// What is wrong with a file that has this one key.
fn try_at(path: &KeyPath, value: &DeValue<'_>) -> Option<Mistake> {
    let mut value = Some(value.clone());
    let tree = path.steps().iter().rev().fold(None, |inner: Option<DeTable<'_>>, step| {
        let value = inner.map(DeValue::Table).or_else(|| value.take())?;
        let Step::Key(key) = step else { return None };
        let mut table = DeTable::new();
        table.insert(Spanned::new(0..0, key.clone().into()), Spanned::new(0..0, value));
        Some(table)
    });
    strict::first_mistake(&Spanned::new(0..0, tree.unwrap_or_default()))
}

/// An unknown name, if that is what is wrong.
fn complain_of_name(path: &KeyPath, mistake: &Mistake) -> Option<Complaint> {
    let key = mistake.path.last_key().unwrap_or_default();
    let known = rules::keys_of_kind(&mistake.path, strict::unknown_key(key, &mistake.text)?);
    let variables: Vec<_> = known.iter().map(String::as_str).collect();
    let complaint = strict::complain_of_unknown(key, &known);
    let before: Vec<_> = path
        .steps()
        .iter()
        .take(mistake.path.steps().len().saturating_sub(1))
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.to_uppercase()),
            Step::Index(_) => None,
        })
        .collect();
    Some(match near::nearest(key, variables) {
        Some(near) => {
            let names = before.into_iter().chain([near.to_uppercase()]).collect::<Vec<_>>();
            complaint.help(format!("did you mean `{PREFIX}{}`?", names.join("__")))
        }
        None => complaint,
    })
}

/// A value of another type. It is not shown, nor what it looks like.
fn complain_of_value(path: &KeyPath, mistake: &Mistake) -> Complaint {
    let table_or_list = ["struct ", "a map", "a sequence"];
    let expected = mistake.text.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    if table_or_list.iter().any(|start| expected.starts_with(start)) {
        return Complaint::error("a variable can set a text, a number, true or false only")
            .help("tables and lists are written in the file");
    }
    if mistake.path.steps().len() < path.steps().len() {
        return Complaint::error(format!("`{}` has no keys beneath it", mistake.path))
            .help("take the last part of the name away");
    }
    let key = path.last_key().unwrap_or_default();
    let (wanted, _) = strict::wanted(key, expected);
    Complaint::error(format!("`{path}` takes {wanted}, and its value is none"))
        .help("the value is typed as in the file; a text needs no quotes here")
}
