//! Diagnostics: what is wrong with the file, where, and what to write instead.
//!
//! `Problems` collects them while the file is read, so that all mistakes are told at once; they
//! are shown as rustc shows its own, or as JSON.
//! Invariant: no secret of the file is in a diagnostic or in a rendering of one (`hide`).

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::hide;
use super::place::{KeyPath, Origin, Place, Places};
use crate::observe::Colour;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs with this file.
    Error,
    /// It is allowed, and probably not meant.
    Warning,
}

/// One thing that is wrong with the configuration. As JSON:
/// `{file, line, column, path, message, help}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is; not in the JSON, which has a list for each.
    #[serde(skip)]
    pub severity: Severity,
    /// The file; `None` for what no file says.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column, in characters, from 1.
    pub column: Option<usize>,
    /// The key, such as `delete.temporary.older_than`, or a variable's name.
    pub path: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The bytes of the file that are wrong.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
    /// Which of the [`Sources`].
    #[serde(skip)]
    source: Option<usize>,
}

impl Diagnostic {
    /// Where and what, for a log: `/etc/batchsweep/config.toml:7:1: unknown key …`.
    pub fn in_a_line(&self) -> String {
        let place = match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
            (Some(file), _, _) => format!("{file}: "),
            (None, _, _) => String::new(),
        };
        let help = self.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        format!("{place}{}{help}", self.message)
    }
}

/// One file, as read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Its path, as it may be shown.
    pub(super) name: String,
    /// Its text, without a byte-order mark.
    pub(super) text: String,
}

/// The files that were read, for showing lines of them. `Debug` shows names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// One text.
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self(vec![Source { name: name.to_owned(), text: text.to_owned() }])
    }

    pub(super) fn add(&mut self, source: Source) {
        self.0.push(source);
    }

    pub(super) fn get(&self, index: usize) -> Option<&Source> {
        self.0.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Source)> {
        self.0.iter().enumerate()
    }

    /// The names of the files, in the order read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|source| source.name.as_str())
    }

    /// `file:line`, as messages name a place.
    pub(super) fn file_and_line(&self, place: &Place) -> String {
        let span = place.key.as_ref().unwrap_or(&place.value);
        self.get(place.source).map_or_else(String::new, |source| {
            format!("{}:{}", source.name, line_and_column(&source.text, span.start).0)
        })
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Line and column, from 1, of a byte.
fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let in_line = before.get(line_start..).unwrap_or_default();
    (before.matches('\n').count() + 1, in_line.chars().count() + 1)
}

/// Which half of `key = value` is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Key,
    Value,
}

/// Collects what is wrong.
#[derive(Debug)]
pub(super) struct Problems<'s> {
    sources: &'s Sources,
    list: Vec<Diagnostic>,
}

/// What is wrong and what to do, before it is known where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Complaint {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), help: None }
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The complaint about something that is in no file.
    pub(super) fn nowhere(self) -> Diagnostic {
        Diagnostic {
            severity: self.severity,
            file: None,
            line: None,
            column: None,
            path: None,
            message: self.message,
            help: self.help,
            span: None,
            source: None,
        }
    }

    /// The complaint about a file as a whole.
    pub(super) fn about_file(self, name: &str) -> Diagnostic {
        Diagnostic { file: Some(name.to_owned()), ..self.nowhere() }
    }
}

impl<'s> Problems<'s> {
    pub(super) const fn new(sources: &'s Sources) -> Self {
        Self { sources, list: Vec::new() }
    }

    pub(super) const fn sources(&self) -> &'s Sources {
        self.sources
    }

    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(|found| found.severity == Severity::Error)
    }

    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// At these bytes of a file.
    pub(super) fn at_span(
        &mut self,
        source: usize,
        span: Range<usize>,
        path: Option<&KeyPath>,
        what: Complaint,
    ) {
        let Some(file) = self.sources.get(source) else { return self.add(what.nowhere()) };
        let (line, column) = line_and_column(&file.text, span.start);
        self.add(Diagnostic {
            line: Some(line),
            column: Some(column),
            path: path.map(ToString::to_string),
            span: Some(span),
            source: Some(source),
            ..what.about_file(&file.name)
        });
    }

    /// At a key, by what is known of where it came from.
    pub(super) fn at(&mut self, places: &Places, path: &KeyPath, half: Half, what: Complaint) {
        match places.nearest(path) {
            Some(Origin::File(place)) => {
                // Of a key that is not there, the table around it is shown by its name.
                let exact = places.get(path).is_some();
                let half = if exact { half } else { Half::Key };
                let span = match (half, &place.key) {
                    (Half::Key, Some(key)) => key.clone(),
                    (Half::Key, None) | (Half::Value, _) => place.value.clone(),
                };
                self.at_span(place.source, span, Some(path), what);
            }
            Some(Origin::Variable(name)) => self.at_variable(name, what),
            None => {
                let file = self.sources.names().next().map(str::to_owned);
                self.add(Diagnostic { file, path: Some(path.to_string()), ..what.nowhere() });
            }
        }
    }

    /// In an environment variable.
    pub(super) fn at_variable(&mut self, name: &str, what: Complaint) {
        let name = hide::shown(name).into_owned();
        let message = format!("environment variable {name}: {}", what.message);
        self.add(Diagnostic { path: Some(name), message, ..what.nowhere() });
    }

    /// All that was found, errors first, then in the order of the files and lines.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|found| {
            (
                found.severity,
                found.source.unwrap_or(usize::MAX),
                found.span.clone().map(|s| s.start),
            )
        });
        self.list.dedup();
        self.list
    }
}

/// Diagnostics as text, each with its line and a caret, as rustc shows its own.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&renderer.render(&[group(diagnostic, sources)]));
        out.push_str("\n\n");
    }
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()));
    let frame = frame(diagnostic, sources);
    let framed = frame.is_some();
    if let Some(frame) = frame {
        group = group.element(frame);
    } else if let Some(file) = &diagnostic.file {
        group = group.element(annotate_snippets::Origin::path(file.as_str()));
    }
    if framed && let Some(path) = &diagnostic.path {
        group = group.element(Level::NOTE.message(format!("in `{path}`")));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// The one line that is shown, with its caret. Of a value over several lines, the first.
fn frame<'a>(
    diagnostic: &Diagnostic,
    sources: &'a Sources,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let source = sources.get(diagnostic.source?)?;
    let (span, number) = (diagnostic.span.as_ref()?, diagnostic.line?);
    let (line, secret) = hide::lines(&source.text).into_iter().nth(number - 1)?;
    let before = source.text.get(..span.start)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let from = (span.start - line_start).min(line.len());
    let to = (span.end.saturating_sub(line_start)).clamp(from, line.len());
    let (text, span) = if secret { blanked(line, from..to) } else { (line.to_owned(), from..to) };
    Some(
        Snippet::source(text)
            .line_start(number)
            .path(source.name.as_str())
            .annotation(AnnotationKind::Primary.span(span)),
    )
}

/// A line of which only the key is shown, if it is a plain key, and where the caret then points.
fn blanked(line: &str, span: Range<usize>) -> (String, Range<usize>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    let key = line.split_once('=').map(|(key, _)| key.trim_end());
    let key = key.filter(|key| key.chars().all(plain) && !hide::has_key_material(key));
    let kept = key.map_or_else(String::new, |key| format!("{key} = "));
    let in_key = key.is_some_and(|key| span.end <= key.len());
    let hidden = kept.len()..kept.len() + hide::HIDDEN.len();
    (kept + hide::HIDDEN, if in_key { span } else { hidden })
}
