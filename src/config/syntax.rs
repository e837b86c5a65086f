//! Syntax: what is no TOML, in this program's words, and what to write instead.
//!
//! Not here: TOML of which a key or a value is not known (`strict`).
//! Invariant: of the file's text, only names of keys and tables are in a message, and those through
//! `hide`.

use std::ops::Range;

use super::diagnose::Complaint;
use super::hide;

/// One mistake, and which bytes have it.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) span: Range<usize>,
    pub(super) complaint: Complaint,
}

/// The mistakes of a file, in the order of its lines: one a line, since what follows the first is
/// mostly its echo, and one for a table that comes twice, whose keys come twice with it.
pub(super) fn mistakes(text: &str, errors: &[toml::de::Error]) -> Vec<Mistake> {
    let mut found: Vec<Mistake> = Vec::new();
    if let Some(mistake) = errors.first().and_then(|first| another_language(text, first)) {
        return vec![mistake];
    }
    let mut last_line = None;
    let mut in_table_of_before = 0..0;
    for error in errors {
        let span = on_characters(text, error.span().unwrap_or(text.len()..text.len()));
        let line = Line::around(text, span.start);
        let is_twice = error.message().starts_with("duplicate key");
        if last_line == Some(line.number) || (is_twice && in_table_of_before.contains(&line.start))
        {
            continue;
        }
        last_line = Some(line.number);
        let complaint = if is_twice && line.is_header() {
            in_table_of_before = line.start..line.next_header(text);
            table_twice(text, &line)
        } else if is_twice {
            key_twice(text, &line, text.get(span.clone()).unwrap_or_default())
        } else {
            let begins_a_key = line.begins_a_key(span.start, text);
            in_words(error.message(), &line, if begins_a_key { At::Key } else { At::Value })
        };
        found.push(Mistake { span, complaint });
    }
    found
}

/// A file in another language has one mistake.
fn another_language(text: &str, first: &toml::de::Error) -> Option<Mistake> {
    let span = on_characters(text, first.span()?);
    let line = Line::around(text, span.start).text;
    let (name, help) = if line.starts_with('{') {
        ("JSON", "write `key = value` for `\"key\": value`, and `[table]` for `\"table\": {`")
    } else if !line.contains('=') && (line.ends_with(':') || line.contains(": ")) {
        ("YAML", "write `key = value` for `key: value`, and `[table]` for `table:`")
    } else {
        return None;
    };
    let complaint = Complaint::error(format!("this is {name}, and the file is TOML")).help(help);
    Some(Mistake { span, complaint })
}

/// A span whose ends are between characters.
fn on_characters(text: &str, span: Range<usize>) -> Range<usize> {
    let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let end = (span.end.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at));
    let start = start.unwrap_or(0);
    start..end.unwrap_or(text.len()).max(start)
}

/// A line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line<'t> {
    /// From 1.
    number: usize,
    /// Its first byte.
    start: usize,
    /// Without blanks around it and a comment after a table's name.
    text: &'t str,
}

impl<'t> Line<'t> {
    fn around(text: &'t str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        Self { number: before.matches('\n').count() + 1, start, text: line.trim() }
    }

    fn all(text: &'t str) -> impl Iterator<Item = Self> {
        let mut start = 0;
        text.split_inclusive('\n').zip(1..).map(move |(line, number)| {
            let this = Self { number, start, text: line.trim() };
            start += line.len();
            this
        })
    }

    fn is_header(&self) -> bool {
        self.text.starts_with('[')
    }

    /// A table's name with its brackets, without a comment after it.
    fn header(&self) -> &'t str {
        let end = self.text.rfind(']').map_or(self.text.len(), |bracket| bracket + 1);
        self.text.get(..end).unwrap_or(self.text)
    }

    /// Where the next table begins, or the file ends.
    fn next_header(&self, text: &str) -> usize {
        let next = Line::all(text).find(|line| line.number > self.number && line.is_header());
        next.map_or(text.len(), |line| line.start)
    }

    /// Whether a key and its value stand here, seen from the first byte after the blanks.
    fn begins_a_key(&self, byte: usize, text: &str) -> bool {
        let before = text.get(self.start..byte).unwrap_or_default();
        before.trim().is_empty() && self.text.contains('=')
    }
}

fn table_twice(text: &str, line: &Line<'_>) -> Complaint {
    let header = line.header();
    let first = Line::all(text)
        .find(|other| other.number < line.number && other.is_header() && other.header() == header);
    let complaint = Complaint::error(format!("`{}` comes twice", hide::shown(header)));
    complaint.help(match first {
        Some(first) => format!(
            "the first is in line {}: put all keys there, or give one of the two another name",
            first.number
        ),
        None => "put all its keys in one place, or give one of the two another name".to_owned(),
    })
}

fn key_twice(text: &str, line: &Line<'_>, key: &str) -> Complaint {
    let sets_it = |other: &Line<'_>| {
        other.text.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let of_table = Line::all(text).take_while(|other| other.number < line.number);
    let of_table = of_table.fold(Vec::new(), |mut lines, other| {
        if other.is_header() {
            lines.clear();
        }
        lines.push(other);
        lines
    });
    let complaint = Complaint::error(format!("the key `{}` comes twice", hide::shown(key)));
    complaint.help(match of_table.into_iter().find(sets_it) {
        Some(first) => format!("the first is in line {}: take one of them away", first.number),
        None => "take one of them away".to_owned(),
    })
}

/// Where on its line a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Where a line's key begins.
    Key,
    /// Anywhere else.
    Value,
}

/// What the parser says, in words of the file, and what to write instead.
fn in_words(said: &str, line: &Line<'_>, at: At) -> Complaint {
    let (message, help) = match said.split_once(", expected ").map_or(said, |(what, _)| what) {
        "invalid basic string" if said.ends_with("expected `\"`") => {
            ("this text is not closed", "end it with `\"` in the same line")
        }
        "invalid literal string" if said.ends_with("expected `'`") => {
            ("this text is not closed", "end it with `'` in the same line")
        }
        "missing escaped value" => (
            "in double quotes a backslash begins an escape, and this is none",
            "put the text in single quotes, such as '^report-\\d+$', or double the backslash",
        ),
        "string values must be quoted" if line.text.ends_with('=') => {
            ("this key has no value", "write a value after the `=`, or take the key away")
        }
        "string values must be quoted" | "invalid boolean" => (
            "this is no value that TOML knows",
            "texts and durations stand in quotes, such as `\"tmp-*\"` and `\"7d\"`; numbers, `true` and \
             `false` do not",
        ),
        "key with no value" => {
            ("this is no `key = value`", "write `key = value`; a table begins with `[name]`")
        }
        "invalid unquoted key" => (
            "this cannot be in a key",
            "a key has letters, digits, `_` and `-`; one with anything else stands in quotes",
        ),
        "unclosed array" => ("this list is not closed", "end it with `]`"),
        "unclosed inline table" => ("this table is not closed", "end it with `}`"),
        "unclosed table" => ("the name of this table is not closed", "end it with `]`"),
        "unclosed array table" => ("the name of this table is not closed", "end it with `]]`"),
        "missing comma between array elements" if at == At::Key => {
            ("the list before this line is not closed", "end it with `]`")
        }
        "missing comma between key-value pairs" if at == At::Key => {
            ("the table before this line is not closed", "end it with `}`")
        }
        "missing comma between array elements" => {
            ("a comma is missing in this list", "put `,` between two elements")
        }
        "missing comma between key-value pairs" => {
            ("a comma is missing in this table", "put `,` between two keys")
        }
        "unexpected content" | "unexpected key or value" => (
            "this is too much for the line",
            "write one `key = value` a line; a text with quotes in it stands in the other quotes",
        ),
        "unexpected leading zero"
        | "redundant numeric sign"
        | "redundant integer number prefix" => (
            "this is no number that TOML knows",
            "write digits alone, without a zero or a `+` before them",
        ),
        _ => (
            said,
            "write one `key = value` a line, texts in quotes, and `[table]` in a line of its own",
        ),
    };
    Complaint::error(message).help(help)
}
