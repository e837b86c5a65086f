//! Globs over a whole text: `*`, `?` and `[...]`, case-sensitive, character by character.
//!
//! Every place of the pattern that the text read so far can have reached is followed at once, so the
//! cost is at most the product of both lengths and nothing is ever tried twice.
//! Not here: which texts are matched (`rule`).

/// A pattern, read.
#[derive(Debug)]
pub(super) struct Glob {
    /// The plain characters that it begins with: most texts differ there already.
    head: String,
    /// What follows.
    parts: Vec<Part>,
}

/// What one place of a pattern stands for.
#[derive(Debug)]
enum Part {
    /// `*`: any characters, also none.
    Any,
    /// `?`: one character.
    One,
    /// This character.
    Just(char),
    /// `[...]`: a character in one of these ranges, or in none of them.
    Among { ranges: Vec<(char, char)>, negated: bool },
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Just(own) => *own == c,
            Self::Among { ranges, negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }

    const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

impl Glob {
    /// Reads a pattern; nothing where a bracket is not closed.
    pub(super) fn read(pattern: &str) -> Option<Self> {
        let (head, tail) = pattern.split_at(pattern.find(['*', '?', '[']).unwrap_or(pattern.len()));
        let mut rest = tail.chars().peekable();
        let mut parts = Vec::new();
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' => Part::Any,
                '?' => Part::One,
                '[' => bracket(&mut rest)?,
                other => Part::Just(other),
            });
        }
        Some(Self { head: head.to_owned(), parts })
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(text) = text.strip_prefix(self.head.as_str()) else {
            return false;
        };
        if matches!(self.parts.as_slice(), [Part::Any]) {
            return true;
        }
        // `reached[i]`: what was read so far may be what the first `i` parts stand for.
        let mut reached = vec![false; self.parts.len() + 1];
        self.start(&mut reached);
        for c in text.chars() {
            if !self.step(&mut reached, c) {
                return false;
            }
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Before any character: only leading `*` can be passed.
    fn start(&self, reached: &mut [bool]) {
        let stars = self.parts.iter().take_while(|part| part.is_any()).count();
        for place in reached.iter_mut().take(stars + 1) {
            *place = true;
        }
    }

    /// Reads one character; false when no place is left.
    fn step(&self, reached: &mut [bool], c: char) -> bool {
        let mut alive = false;
        let mut before = false; // whether the previous place was reached before this character
        let mut behind = false; // whether the previous place is reached after it
        let parts = std::iter::once(None).chain(self.parts.iter().map(Some));
        for (place, part) in reached.iter_mut().zip(parts) {
            let was = *place;
            *place = part.is_some_and(|part| match part {
                Part::Any => was || before || behind,
                Part::One | Part::Just(_) | Part::Among { .. } => before && part.takes(c),
            });
            alive |= *place;
            (before, behind) = (was, *place);
        }
        alive
    }
}

/// Reads what follows a `[`: an optional `!` or `^`, then characters and ranges up to a `]` that is
/// not the first of them.
fn bracket(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = rest.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let from = rest.next()?;
        if from == ']' && !ranges.is_empty() {
            return Some(Part::Among { ranges, negated });
        }
        // A hyphen before the closing bracket is a character, not a range.
        let mut ahead = rest.clone();
        let to = (ahead.next() == Some('-')).then(|| ahead.next()).flatten().filter(|c| *c != ']');
        if to.is_some() {
            *rest = ahead;
        }
        ranges.push((from, to.unwrap_or(from)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_stands_for_the_whole_text() {
        for (pattern, text, expected) in [
            ("tmp-*", "tmp-1", true),
            ("tmp-*", "tmp-", true),
            ("tmp-*", "Tmp-1", false),
            ("tmp-*", "a tmp-1", false),
            ("*-tmp", "a-tmp", true),
            ("*-tmp", "a-tmp2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("*", "a\nb/c", true),
            ("**", "", true),
            ("**a**", "bab", true),
            ("?", "ü", true),
            ("?", "", false),
            ("?", "ab", false),
            ("?*", "a", true),
            ("a?c", "abc", true),
            ("[abc]", "b", true),
            ("[abc]", "d", false),
            ("[a-c]", "b", true),
            ("[a-c]", "B", false),
            ("[!a-c]", "d", true),
            ("[!a-c]", "b", false),
            ("[^a-c]", "d", true),
            ("[!a-c]", "", false),
            ("[a^]", "^", true),
            ("[[]keep]*", "[keep] me", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[!]]", "a", true),
            ("[]-a]", "^", true),
            ("[a-]", "-", true),
            ("[a-]", "b", false),
            ("[-a]", "-", true),
            ("[a-c-e]", "d", false),
            ("[a-c-e]", "-", true),
            ("[z-a]", "m", false),
            ("a]", "a]", true),
            ("a\\*", "a\\b", true),
            ("(*)", "(reviews_v2)", true),
            ("", "", true),
            ("", "a", false),
        ] {
            let glob = Glob::read(pattern).unwrap();
            assert_eq!(glob.matches(text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn an_open_bracket_is_no_pattern() {
        for pattern in ["[", "[a", "[]", "[!", "[!]", "a[b-", "[a-"] {
            assert!(Glob::read(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn a_long_name_costs_the_product_of_the_lengths_and_no_more() {
        let name = "a".repeat(200_000);
        assert!(!Glob::read("*a*a*a*a*b").unwrap().matches(&name));
    }

    proptest! {
        #[test]
        fn literal_text_between_stars_is_found_in_order(parts in prop::collection::vec("[a-c]{0,3}", 1..5), text in "[a-c]{0,12}") {
            let pattern = format!("*{}*", parts.join("*"));
            let mut rest = Some(text.as_str());
            for part in &parts {
                rest = rest.and_then(|rest| rest.split_once(part.as_str()).map(|(_, after)| after));
            }
            prop_assert_eq!(Glob::read(&pattern).unwrap().matches(&text), rest.is_some());
        }

        #[test]
        fn any_pattern_on_any_text_comes_to_an_end(pattern in "[a\\[\\]!^*?-]{0,12}", text in "[a\\[\\]!^-]{0,12}") {
            if let Some(glob) = Glob::read(&pattern) {
                let _answer = glob.matches(&text);
            }
        }
    }
}
