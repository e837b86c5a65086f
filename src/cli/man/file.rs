//! The page on the file, `batchsweep.toml(5)`, made of the commented sample.
//!
//! Each table of the sample becomes a heading, each comment the text of the keys that follow it. Rules and
//! tests are examples, and stand as they are.

use clap_mangen::roff::{Roff, bold, roman};

use super::{MANUAL, SOURCE, inline, see_also};

/// The sample that the page is made of.
const SAMPLE: &str = include_str!("../../../config/batchsweep.toml");

/// What a line of the sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Empty,
    /// The text of a comment; empty between two of its paragraphs.
    Comment(&'a str),
    /// The head of a table.
    Table(&'a str),
    /// A key with its value, also one that a comment gives with its default.
    Key(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let line = line.trim_end();
        let Some(comment) = line.strip_prefix('#') else {
            return match line.starts_with('[') {
                _ if line.is_empty() => Self::Empty,
                true => Self::Table(line),
                false => Self::Key(line),
            };
        };
        let comment = comment.trim_start();
        if is_key(comment) { Self::Key(line) } else { Self::Comment(comment) }
    }
}

/// Whether a comment is a key with its value, and not words that have an equals sign among them.
fn is_key(comment: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
    comment.split_once(" = ").is_some_and(|(key, _)| !key.is_empty() && key.chars().all(is_name))
}

/// The page.
pub(super) fn page() -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["batchsweep.toml", "5", "", SOURCE, MANUAL]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("batchsweep.toml - the rules and settings of batchsweep")]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold("/etc/batchsweep/config.toml")]);
    roff.control("br", []);
    roff.text([bold("/etc/batchsweep/conf.d/*.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    let (comment, keys) = (Vec::new(), Vec::new());
    let mut writer = Writer { roff, comment, keys, is_example: false, in_tables: false };
    SAMPLE.lines().for_each(|line| writer.line(Line::of(line)));
    let mut roff = writer.end();
    see_also(&mut roff, &["batchsweep(8)", "batchsweep-check(8)", "batchsweep-test(8)"]);
    roff.to_roff()
}

/// Writes the page line by line of the sample.
struct Writer<'a> {
    roff: Roff,
    /// The comment that waits for what it belongs to.
    comment: Vec<&'a str>,
    /// Keys that follow one another, and share the comment before them.
    keys: Vec<&'a str>,
    /// Whether an example is being written.
    is_example: bool,
    /// Whether a table came: what stands before is about the file.
    in_tables: bool,
}

impl<'a> Writer<'a> {
    fn line(&mut self, line: Line<'a>) {
        match line {
            Line::Key(text) if self.is_example => self.verbatim(text),
            Line::Key(text) => self.keys.push(text),
            Line::Comment(text) => {
                self.keys();
                self.comment.push(text);
            }
            Line::Table(head) => self.table(head),
            Line::Empty => {
                self.keys();
                self.end_example();
                self.heading_of_words();
                self.paragraphs();
            }
        }
    }

    /// Rules and tests are examples, everything else a heading.
    fn table(&mut self, head: &'a str) {
        self.in_tables = true;
        let name = head.trim_matches(['[', ']']);
        let is_list = head.starts_with("[[");
        let is_rule = ["keep.", "delete."].iter().any(|kind| name.starts_with(kind));
        // Of a list, the first one has the words.
        let is_next = is_list && self.comment.is_empty();
        if !(is_rule || is_next) {
            self.roff.control("SH", [head]);
        }
        self.paragraphs();
        if is_rule || is_list {
            self.roff.control("PP", []);
            self.roff.control("EX", []);
            self.is_example = true;
            self.verbatim(head);
        }
    }

    /// Writes the waiting keys, and the comment that they share.
    fn keys(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        for (n, key) in keys.iter().enumerate() {
            self.roff.control(if n == 0 { "TP" } else { "TQ" }, []);
            self.roff.text([bold(*key)]);
        }
        if !keys.is_empty() {
            let comment = std::mem::take(&mut self.comment);
            self.roff.text(inline(&comment.join(" ")));
        }
    }

    fn verbatim(&mut self, text: &str) {
        self.roff.text([roman(text)]);
    }

    /// A comment that stands alone among the tables begins with what it is about, such as `Keep rules:`.
    fn heading_of_words(&mut self) {
        let words = self.comment.first().and_then(|line| line.split_once(": "));
        if let Some((words, _)) = words.filter(|_| self.in_tables) {
            self.roff.control("SH", [words.to_uppercase().as_str()]);
        }
    }

    /// Writes the waiting comment as paragraphs of its own.
    fn paragraphs(&mut self) {
        let comment = std::mem::take(&mut self.comment);
        for paragraph in comment.split(|line| line.is_empty()) {
            self.roff.control("PP", []);
            self.roff.text(inline(&paragraph.join(" ")));
        }
    }

    fn end_example(&mut self) {
        if std::mem::take(&mut self.is_example) {
            self.roff.control("EE", []);
        }
    }

    fn end(mut self) -> Roff {
        self.line(Line::Empty);
        self.roff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text without markup, its white space made even.
    fn words(text: &str) -> String {
        let plain = text.replace("\\fB", "").replace("\\fR", "").replace("\\*(Aq", "'");
        let plain = plain.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\");
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nothing_that_the_sample_says_is_missing_on_the_page() {
        let page = words(&page());
        for line in SAMPLE.lines() {
            let said = match Line::of(line) {
                Line::Empty => continue,
                Line::Comment(text) => words(&text.replace('`', "")),
                Line::Table(text) | Line::Key(text) => words(text),
            };
            assert!(page.contains(&said), "{said}\n{page}");
        }
    }

    #[test]
    fn every_key_of_the_sample_is_a_key_on_the_page() {
        let page = page();
        let mut keys = 0;
        for line in SAMPLE.lines().filter_map(|line| line.strip_prefix("# ")) {
            let Some((key, _)) = line.split_once(" = ").filter(|_| is_key(line)) else { continue };
            assert!(page.contains(&format!("\\fB# {key} = ")), "{key}:\n{page}");
            keys += 1;
        }
        assert!(keys > 15, "only {keys} keys");
    }

    #[test]
    fn words_with_an_equals_sign_among_them_are_no_key() {
        assert_eq!(Line::of("# max_deletes = 100"), Line::Key("# max_deletes = 100"));
        assert_eq!(Line::of("# With `grace = 1` a rule"), Line::Comment("With `grace = 1` a rule"));
        assert_eq!(Line::of("#"), Line::Comment(""));
        assert_eq!(Line::of("[[test]]"), Line::Table("[[test]]"));
        assert_eq!(Line::of(""), Line::Empty);
    }
}
