//! Globs: `*`, `?` and `[...]` over a whole name.
//!
//! Case-sensitive, by characters. Braces, backslashes and `**` mean nothing special here. Not here:
//! regular expressions (`pattern`).

use std::iter::Peekable;
use std::str::Chars;

/// Why a text is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadGlob {
    /// It is empty, and would match only the empty name.
    #[error("an empty pattern matches nothing")]
    Empty,
    /// A `[` has no `]`.
    #[error("`[` has no closing `]`; a literal bracket is written `[[]`")]
    Unclosed,
    /// A range runs backwards.
    #[error("the range `{0}-{1}` runs backwards")]
    Reversed(char, char),
}

/// A pattern over a whole name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

/// What one position of the pattern takes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This character.
    One(char),
    /// Any character.
    Any,
    /// One of these ranges, or none of them.
    Class { ranges: Vec<(char, char)>, negated: bool },
    /// Any run of characters, also none.
    Run,
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::One(one) => *one == c,
            Self::Any => true,
            Self::Class { ranges, negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
            Self::Run => false,
        }
    }
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty, a `[` is not closed, or a range runs backwards.
    pub fn parse(text: &str) -> Result<Self, BadGlob> {
        if text.is_empty() {
            return Err(BadGlob::Empty);
        }
        let mut chars = text.chars().peekable();
        let mut parts = Vec::new();
        while let Some(c) = chars.next() {
            let part = match c {
                '*' => Part::Run,
                '?' => Part::Any,
                '[' => class(&mut chars)?,
                c => Part::One(c),
            };
            // Runs next to each other are one: this also keeps matching linear in them.
            if part != Part::Run || parts.last() != Some(&Part::Run) {
                parts.push(part);
            }
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Whether it matches every name, so that it selects nothing in particular.
    pub fn is_everything(&self) -> bool {
        self.parts == [Part::Run]
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole name. Walks back only to the last run, so the time is bounded
    /// by the lengths of name and pattern multiplied.
    pub fn matches(&self, name: &str) -> bool {
        let mut walk = Walk { parts: &self.parts, rest: name.chars(), last_run: None };
        loop {
            match walk.step() {
                Step::On => {}
                Step::Whole => return true,
                Step::Stuck if walk.back() => {}
                Step::Stuck => return false,
            }
        }
    }
}

/// A pattern and a name, as far as they have not been matched yet.
struct Walk<'g, 'n> {
    parts: &'g [Part],
    rest: Chars<'n>,
    /// What follows the last run, and where in the name it is tried next.
    last_run: Option<(&'g [Part], Chars<'n>)>,
}

enum Step {
    On,
    Whole,
    Stuck,
}

impl Walk<'_, '_> {
    /// Takes one part of the pattern.
    fn step(&mut self) -> Step {
        let Some((part, after)) = self.parts.split_first() else {
            return if self.rest.as_str().is_empty() { Step::Whole } else { Step::Stuck };
        };
        if *part == Part::Run {
            self.parts = after;
            self.last_run = Some((after, self.rest.clone()));
            return if after.is_empty() { Step::Whole } else { Step::On };
        }
        match self.rest.clone().next() {
            Some(c) if part.takes(c) => {
                self.rest.next();
                self.parts = after;
                Step::On
            }
            Some(_) | None => Step::Stuck,
        }
    }

    /// Lets the last run take one character more; whether it could.
    fn back(&mut self) -> bool {
        let Some((after, mut from)) = self.last_run.take() else { return false };
        let could = from.next().is_some();
        (self.parts, self.rest) = (after, from.clone());
        self.last_run = Some((after, from));
        could
    }
}

/// Reads a class, after its `[`. A `]` that comes first is literal; `!` or `^` first negates.
fn class(chars: &mut Peekable<Chars<'_>>) -> Result<Part, BadGlob> {
    let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match chars.next().ok_or(BadGlob::Unclosed)? {
            ']' if !ranges.is_empty() => return Ok(Part::Class { ranges, negated }),
            c => c,
        };
        let mut ahead = chars.clone();
        let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']');
        if !is_range {
            ranges.push((from, from));
            continue;
        }
        chars.next();
        let to = chars.next().ok_or(BadGlob::Unclosed)?;
        if from > to {
            return Err(BadGlob::Reversed(from, to));
        }
        ranges.push((from, to));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("tmp-*", "tmp-1", true),
            ("tmp-*", "tmp-", true),
            ("tmp-*", "TMP-1", false),
            ("tmp-*", "a tmp-1", false),
            ("tmp", "tmp-1", false),
            ("*", "", true),
            ("*", "a\nb", true),
            ("?", "ü", true),
            ("?", "", false),
            ("??", "日本", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("[[]keep]*", "[keep] x", true),
            ("[[]keep]*", "keep] x", false),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[!a-c]1", "d1", true),
            ("[^a-c]1", "b1", false),
            ("[]a]", "]", true),
            ("[]a]", "a", true),
            ("[a-]", "-", true),
            ("[!]]", "]", false),
            ("{a,b}", "a", false),
            ("{a,b}", "{a,b}", true),
            (r"\*", r"\x", true),
            ("Product Reviews Collection (*)", "Product Reviews Collection (reviews_v2)", true),
            ("**", "anything", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    // fault: F2
    #[test]
    fn a_pattern_that_cannot_be_meant_is_refused() {
        assert_eq!(Glob::parse(""), Err(BadGlob::Empty));
        assert_eq!(Glob::parse("a["), Err(BadGlob::Unclosed));
        assert_eq!(Glob::parse("[]"), Err(BadGlob::Unclosed));
        assert_eq!(Glob::parse("[a-"), Err(BadGlob::Unclosed));
        assert_eq!(Glob::parse("[z-a]"), Err(BadGlob::Reversed('z', 'a')));
    }

    #[test]
    fn only_stars_are_everything() {
        for (pattern, expected) in [("*", true), ("***", true), ("?*", false), ("a*", false)] {
            assert_eq!(Glob::parse(pattern).unwrap().is_everything(), expected, "{pattern}");
        }
    }

    // fault: X4
    #[test]
    fn a_name_of_a_megabyte_is_matched_in_bounded_time() {
        let name = "a".repeat(1_000_000);
        assert!(!Glob::parse("*a*a*a*a*b").unwrap().matches(&name));
    }

    fn as_range((from, to): (char, char)) -> String {
        format!(r"\x{{{:x}}}-\x{{{:x}}}", from as u32, to as u32)
    }

    /// The same language by another engine.
    fn as_regex(glob: &Glob) -> regex::Regex {
        let mut text = String::from(r"(?s)\A");
        for part in &glob.parts {
            match part {
                Part::One(c) => text += &regex::escape(&c.to_string()),
                Part::Any => text.push('.'),
                Part::Run => text += ".*",
                Part::Class { ranges, negated } => {
                    let not = ["", "^"][usize::from(*negated)];
                    let ranges: String = ranges.iter().copied().map(as_range).collect();
                    text.extend(["[", not, &ranges, "]"]);
                }
            }
        }
        regex::Regex::new(&(text + r"\z")).unwrap()
    }

    proptest! {
        #[test]
        fn globs_agree_with_the_same_regular_expression(
            pattern in r"[ab\*\?\[\]\-!]{1,8}", name in "[ab\\-!\\]\\[]{0,8}"
        ) {
            if let Ok(glob) = Glob::parse(&pattern) {
                prop_assert_eq!(glob.matches(&name), as_regex(&glob).is_match(&name));
            }
        }
    }
}
