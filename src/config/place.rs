//! Places: where in which file (or in which variable) a key stands.
//!
//! A [`KeyPath`] names a key as the file's structure does; [`Places`] remembers for each key that
//! was read where it came from, so that a check that knows the path alone can point at the text.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::hide;

/// One step into the file's structure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The way to a key, from the top of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyPath(Vec<Step>);

impl KeyPath {
    pub(super) fn of<const N: usize>(keys: [&str; N]) -> Self {
        Self(keys.into_iter().map(Step::from).collect())
    }

    /// One step further.
    pub(super) fn then(&self, step: impl Into<Step>) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.into());
        Self(steps)
    }

    /// One step back; `None` at the top.
    pub(super) fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, before)| Self(before.to_vec()))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The last step that is a key.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }
}

impl FromIterator<Step> for KeyPath {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

/// As TOML writes a dotted key: `delete.temporary.name[0]`.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if at == 0 => f.write_str(&quoted(key))?,
                Step::Key(key) => write!(f, ".{}", quoted(key))?,
            }
        }
        Ok(())
    }
}

/// A key as TOML writes it: in quotes unless it is plain.
fn quoted(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let shown = hide::shown(key);
    let is_plain = !key.is_empty() && key.chars().all(plain);
    if is_plain { shown.into_owned() } else { format!("\"{shown}\"") }
}

/// Where a key and its value stand in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the files read.
    pub(super) source: usize,
    /// The key's bytes; elements of a list have none.
    pub(super) key: Option<Range<usize>>,
    /// The value's bytes.
    pub(super) value: Range<usize>,
}

/// Who set a key last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File(Place),
    /// An environment variable's name.
    Variable(String),
}

/// Who set which key.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<KeyPath, Origin>);

impl Places {
    pub(super) fn get(&self, path: &KeyPath) -> Option<&Origin> {
        self.0.get(path)
    }

    pub(super) fn set(&mut self, path: KeyPath, origin: Origin) {
        self.0.insert(path, origin);
    }

    /// Forgets a key and all beneath it.
    pub(super) fn forget(&mut self, path: &KeyPath) {
        self.0.retain(|known, _| !known.starts_with(path));
    }

    /// The key's origin, or that of the nearest key around it.
    pub(super) fn nearest(&self, path: &KeyPath) -> Option<&Origin> {
        let mut path = path.clone();
        loop {
            if let Some(origin) = self.0.get(&path) {
                return Some(origin);
            }
            path = path.parent()?;
        }
    }

    /// Whether keys beneath this one are known.
    pub(super) fn has_below(&self, path: &KeyPath) -> bool {
        let after = (std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded);
        self.0.range::<KeyPath, _>(after).next().is_some_and(|(next, _)| next.starts_with(path))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&KeyPath, &Origin)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_toml_writes_it() {
        let rule = KeyPath::of(["delete", "temporary"]);
        assert_eq!(rule.then("older_than").to_string(), "delete.temporary.older_than");
        assert_eq!(rule.then("name").then(2).to_string(), "delete.temporary.name[2]");
        assert_eq!(KeyPath::of(["keep", "a.b"]).to_string(), "keep.\"a.b\"");
        assert_eq!(KeyPath::of(["keep", "a\u{1b}"]).to_string(), "keep.\"a\\u{1b}\"");
    }
}
