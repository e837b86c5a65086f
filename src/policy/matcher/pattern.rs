//! Regular expressions: over a whole name, or to find the group that a name belongs to.
//!
//! The engine is linear in the name's length; the compiled size is bounded. Not here: globs.

use regex::{Regex, RegexBuilder};

/// The largest compiled expression, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// Why a text is no usable regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRegex {
    /// It is empty.
    #[error("an empty expression matches only the empty name")]
    Empty,
    /// It cannot be read; the engine's own sentence, in one line.
    #[error("{0}")]
    Syntax(String),
    /// It compiles to too much.
    #[error("it is too large: it compiles to over {} bytes", SIZE_LIMIT)]
    TooLarge,
    /// It has no group to take the group's name from.
    #[error("it needs a capture group `( … )`: what the first one finds is the group's name")]
    NoGroup,
}

/// Compiles an expression; it may match anywhere.
pub(super) fn compile(pattern: &str) -> Result<Regex, BadRegex> {
    RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|problem| {
        if matches!(problem, regex::Error::CompiledTooBig(_)) {
            return BadRegex::TooLarge;
        }
        BadRegex::Syntax(last_line(&problem.to_string()))
    })
}

/// The engine explains itself over several lines; the last one says what is wrong.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or(text);
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// An expression over the whole name.
#[derive(Debug, Clone)]
pub struct WholeRegex {
    text: String,
    regex: Regex,
}

impl WholeRegex {
    /// Reads an expression; it must match from the name's first character to its last.
    ///
    /// # Errors
    /// When it is empty, not a regular expression, or too large.
    pub fn parse(text: &str) -> Result<Self, BadRegex> {
        if text.is_empty() {
            return Err(BadRegex::Empty);
        }
        // By itself first, so that `a)(b` cannot pass by closing the group around it.
        compile(text)?;
        // The line break ends a comment, should the expression say `(?x)`; else it would be literal.
        let end = if text.contains('#') && text.contains("(?x") { "\n" } else { "" };
        let regex = compile(&format!(r"\A(?:{text}{end})\z"))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole name.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }

    /// Whether it matches the empty name.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// Whether it matches whatever a name may be, so that it selects nothing in particular: held
    /// against names that have nothing in common.
    pub fn is_everything(&self) -> bool {
        const UNLIKE: [&str; 6] =
            ["a", "Z9", "0", "prod-2026 (x)", "jane@example.com", "\u{65e5}\u{672c} -_!"];
        UNLIKE.iter().all(|name| self.matches(name))
    }
}

/// An expression that finds a name's group: what its first capture group finds.
#[derive(Debug, Clone)]
pub struct GroupBy {
    text: String,
    regex: Regex,
}

impl GroupBy {
    /// Reads an expression; it is searched for anywhere in the name.
    ///
    /// # Errors
    /// When it is empty, not a regular expression, too large, or has no capture group.
    pub fn parse(text: &str) -> Result<Self, BadRegex> {
        if text.is_empty() {
            return Err(BadRegex::Empty);
        }
        let regex = compile(text)?;
        if regex.captures_len() < 2 {
            return Err(BadRegex::NoGroup);
        }
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The group's name; `None` for the one group of all names that it does not match.
    pub fn group_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        self.regex.captures(name)?.get(1).map(|found| found.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_whole_names() {
        for (pattern, name, expected) in [
            (r"Collection\d+", "Collection12", true),
            (r"Collection\d+", "My Collection12", false),
            (r"Collection\d+", "Collection12 b", false),
            ("a|bc", "bc", true),
            ("a|bc", "ac", false),
            (r"(?i:test|tmp)\b.*", "TEST 17", true),
            (r"a$", "a\n", false),
            ("a.c", "a\nc", false),
        ] {
            let regex = WholeRegex::parse(pattern).unwrap();
            assert_eq!(regex.matches(name), expected, "{pattern} {name:?}");
        }
    }

    // fault: F2, F6
    #[test]
    fn what_matches_anything_or_is_none_is_known_as_such() {
        for pattern in [".*", "(?s).*", ".+", "^.*$", "(.*)", ".*.*", r"[\s\S]*"] {
            assert!(WholeRegex::parse(pattern).unwrap().is_everything(), "{pattern}");
        }
        for pattern in ["a.*", r"\d+", "[^@]+@.+"] {
            assert!(!WholeRegex::parse(pattern).unwrap().is_everything(), "{pattern}");
        }
        assert!(WholeRegex::parse("(abc)?").unwrap().matches_empty());
        assert_eq!(WholeRegex::parse("").unwrap_err(), BadRegex::Empty);
        assert_eq!(WholeRegex::parse(r"\w{1000}{1000}").unwrap_err(), BadRegex::TooLarge);
        for broken in ["(", "a)(b", "[z-a]", r"\p{Nope}", "(?=x)", r"(a)\1"] {
            let problem = WholeRegex::parse(broken).unwrap_err();
            assert!(matches!(problem, BadRegex::Syntax(_)), "{broken}: {problem}");
            assert!(!problem.to_string().contains('\n'), "{broken}: {problem}");
        }
    }

    #[test]
    fn a_group_is_what_the_first_capture_finds() {
        let by = GroupBy::parse("^(report-[a-z]+)").unwrap();
        assert_eq!(by.group_of("report-daily-7"), Some("report-daily"));
        assert_eq!(by.group_of("other"), None);
        assert_eq!(GroupBy::parse("^report").unwrap_err(), BadRegex::NoGroup);
    }
}
