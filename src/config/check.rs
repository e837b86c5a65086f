//! Checks of single values: the shared steps of `settings`, `accounts`, `rules` and `cases`.
//!
//! A check that fails tells so, at the value, and answers `None`; reading goes on, so that all
//! mistakes are told at once. Nothing is used of a file that had one.

use chrono::{DateTime, Utc};

use super::diagnose::{Complaint, Half, Problems, Sources};
use super::duration::Span;
use super::hide;
use super::layers::Layered;
use super::place::KeyPath;
use super::raw::{OneOrMany, RawRange, RawText, RawTime};
use crate::clock::Timestamp;

/// What a check works with.
#[derive(Debug)]
pub(super) struct Check<'a, 's> {
    pub(super) layered: &'a Layered,
    problems: &'a mut Problems<'s>,
}

/// What an optional value is that was wrong: the mistake has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told;

/// A duration, or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpanOrOff {
    Off,
    Span(Span),
}

impl<'a, 's> Check<'a, 's> {
    pub(super) const fn new(layered: &'a Layered, problems: &'a mut Problems<'s>) -> Self {
        Self { layered, problems }
    }

    /// Tells that a value is wrong.
    pub(super) fn value(&mut self, path: &KeyPath, what: Complaint) {
        self.problems.at(&self.layered.places, path, Half::Value, what);
    }

    /// Tells that a key, or the name of a table, is wrong.
    pub(super) fn key(&mut self, path: &KeyPath, what: Complaint) {
        self.problems.at(&self.layered.places, path, Half::Key, what);
    }

    /// Whether anything is wrong so far.
    pub(super) fn has_errors(&self) -> bool {
        self.problems.has_errors()
    }

    /// The files, for naming places in them.
    pub(super) const fn sources(&self) -> &'s Sources {
        self.problems.sources()
    }

    /// Takes the value of a result, or tells its error at the value.
    pub(super) fn take<T>(&mut self, path: &KeyPath, result: Result<T, Complaint>) -> Option<T> {
        result.map_err(|complaint| self.value(path, complaint)).ok()
    }

    /// A duration that cannot be switched off.
    pub(super) fn span(&mut self, path: &KeyPath, text: &RawText) -> Option<Span> {
        if text.0 == "off" {
            let message = "this cannot be \"off\"";
            self.value(path, Complaint::error(message).help("write a duration; `0s` is zero"));
            return None;
        }
        let parsed = Span::parse(&text.0);
        self.take(path, parsed.map_err(|bad| Complaint::error(bad.to_string()).help(bad.help())))
    }

    /// A duration, or `"off"`.
    pub(super) fn span_or_off(&mut self, path: &KeyPath, text: &RawText) -> Option<SpanOrOff> {
        if text.0 == "off" {
            return Some(SpanOrOff::Off);
        }
        self.span(path, text).map(SpanOrOff::Span)
    }

    /// An instant with its offset.
    pub(super) fn time(&mut self, path: &KeyPath, text: &RawTime) -> Option<Timestamp> {
        let parsed = DateTime::parse_from_rfc3339(&text.0).map(|time| time.with_timezone(&Utc));
        let complaint = |_error| {
            let message = format!("`{}` is not an instant with an offset", hide::shown(&text.0));
            Complaint::error(message)
                .help("write date, time and `Z` or an offset, such as 2026-01-31T00:00:00Z")
        };
        self.take(path, parsed.map_err(complaint))
    }

    /// A range with at least one end, and the ends in order.
    pub(super) fn range(&mut self, path: &KeyPath, range: RawRange) -> Option<RawRange> {
        if range == RawRange::default() && !self.layered.is_damaged(path) {
            let message = "a range needs `min`, `max` or both";
            self.value(path, Complaint::error(message).help("write `{ min = 1, max = 100 }`"));
            return None;
        }
        if let (Some(min), Some(max)) = (range.min, range.max)
            && min > max
        {
            let message = format!("`min` ({min}) is over `max` ({max}): no number is in between");
            self.value(&path.then("min"), Complaint::error(message).help("swap them"));
            return None;
        }
        Some(range)
    }

    /// A whole number between two bounds.
    pub(super) fn within<T: Copy + PartialOrd + std::fmt::Display>(
        &mut self,
        path: &KeyPath,
        value: T,
        bounds: std::ops::RangeInclusive<T>,
    ) -> Option<T> {
        if bounds.contains(&value) {
            return Some(value);
        }
        let (low, high) = (bounds.start(), bounds.end());
        let message = format!("{value} is out of range");
        self.value(path, Complaint::error(message).help(format!("from {low} to {high}")));
        None
    }

    /// The path of a list's element; of a single text in place of a list, its own.
    pub(super) fn element(&self, path: &KeyPath, index: usize) -> KeyPath {
        let element = path.then(index);
        if self.layered.places.get(&element).is_some() { element } else { path.clone() }
    }

    /// Each text of a list, parsed. `None` where the list is empty or one of them is wrong.
    pub(super) fn each<T>(
        &mut self,
        path: &KeyPath,
        texts: &OneOrMany,
        mut parse: impl FnMut(&str) -> Result<T, Complaint>,
    ) -> Option<Vec<T>> {
        if texts.0.is_empty() {
            if !self.layered.is_damaged(path) {
                let message = "an empty list matches nothing";
                let help = "write what it shall match, or take the key away";
                self.value(path, Complaint::error(message).help(help));
            }
            return None;
        }
        let mut parsed = Vec::new();
        for (index, text) in texts.0.iter().enumerate() {
            let result = if text.is_empty() {
                Err(Complaint::error("an empty text matches nothing")
                    .help("write what it shall match, or take it away"))
            } else {
                parse(text)
            };
            parsed.extend(self.take(&self.element(path, index), result));
        }
        (parsed.len() == texts.0.len()).then_some(parsed)
    }
}

/// An error of another module as a complaint, with what was written.
pub(super) fn complaint_of(text: &str, error: &dyn std::error::Error) -> Complaint {
    let said = error.to_string();
    if hide::has_key_material(text) {
        return Complaint::error("this cannot be read");
    }
    let said = crate::batch::escaped(&said);
    let shown = hide::shown(text);
    if said.contains(&*shown) {
        return Complaint::error(said);
    }
    Complaint::error(format!("`{shown}`: {said}"))
}
