//! The parts of a JSON object: its keys, and the text of each value.
//!
//! Found by hand in one pass over the text, without recursion: ten thousand records are looked through
//! for a dozen fields each, and a general reader took most of the review's time.
//! Not here: what a value means (`record`, `expression` read the few they need, strictly).

use std::borrow::Cow;

/// A key with its value's text.
pub(super) type Part<'a> = (Cow<'a, str>, &'a str);

/// Why a text is no object that can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is no JSON object, or not only one.
    Shape,
    /// A key comes twice.
    Repeated,
}

impl Broken {
    /// The reason in words.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Shape => "it is no JSON object",
            Self::Repeated => "a key comes twice",
        }
    }
}

/// The parts of an object, in the order of the text.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, Broken> {
    let parts = Scanner { text, at: 0 }.object().ok_or(Broken::Shape)?;
    if repeats(&parts) { Err(Broken::Repeated) } else { Ok(parts) }
}

/// The text that a JSON string stands for, borrowed where it has no escapes.
pub(super) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = !inner.bytes().any(|b| b < 0x20 || b == b'\\');
    if is_plain {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(text).ok().map(Cow::Owned)
}

/// Whether a key comes twice. Only keys of one length are compared with each other, and where there
/// are too many for that, they are sorted.
fn repeats(parts: &[Part<'_>]) -> bool {
    if parts.len() > 64 {
        let mut keys: Vec<_> = parts.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        return keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
    }
    // For each length (modulo 32): which of the parts seen so far have it, one bit each.
    let mut seen = [0_u64; 32];
    parts.iter().enumerate().any(|(n, (key, _))| {
        let Some(alike) = seen.get_mut(key.len() % 32) else {
            return true;
        };
        let others = *alike;
        *alike |= 1 << n;
        places(others).any(|n| parts.get(n).is_some_and(|(other, _)| other == key))
    })
}

/// The places of the bits that are set.
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros();
        bits &= bits.checked_sub(1)?;
        usize::try_from(place).ok()
    })
}

/// A place in a text.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The whole text, as one object.
    fn object(mut self) -> Option<Vec<Part<'a>>> {
        let mut parts = Vec::with_capacity(32);
        self.mark(b'{')?;
        if self.peek() == Some(b'}') {
            self.mark(b'}')?;
            return self.ends().then_some(parts);
        }
        loop {
            self.skip_blanks();
            let key = string(self.quoted()?)?;
            self.mark(b':')?;
            parts.push((key, self.value()?));
            if self.peek()? == b'}' {
                self.mark(b'}')?;
                return self.ends().then_some(parts);
            }
            self.mark(b',')?;
        }
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.text.as_bytes().get(self.at).copied()
    }

    fn mark(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn skip_blanks(&mut self) {
        let is_blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().iter().take_while(is_blank).count();
    }

    fn ends(&mut self) -> bool {
        self.peek().is_none()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// A value of any kind.
    fn value(&mut self) -> Option<&'a str> {
        match self.peek()? {
            b'"' => self.quoted(),
            b'{' | b'[' => self.nested(),
            _ => self.word(),
        }
    }

    /// A string with its quotes.
    fn quoted(&mut self) -> Option<&'a str> {
        let from = self.at;
        if self.rest().first() != Some(&b'"') {
            return None;
        }
        self.at += 1;
        loop {
            let ahead = self.rest();
            let here = memchr::memchr2(b'"', b'\\', ahead)?;
            if ahead.get(here) == Some(&b'"') {
                self.at += here + 1;
                break;
            }
            self.at += here + 2;
        }
        self.text.get(from..self.at)
    }

    /// An object or an array, to the bracket that closes it.
    fn nested(&mut self) -> Option<&'a str> {
        let from = self.at;
        let mut open = Vec::new();
        loop {
            match self.rest().first()? {
                b'{' => open.push(b'}'),
                b'[' => open.push(b']'),
                b'"' => {
                    self.quoted()?;
                    continue;
                }
                close @ (b'}' | b']') => {
                    open.pop().filter(|wanted| wanted == close)?;
                }
                _ => {}
            }
            self.at += 1;
            if open.is_empty() {
                return self.text.get(from..self.at);
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<&'a str> {
        let from = self.at;
        let is_part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        self.at += self.rest().iter().take_while(is_part).count();
        let word = self.text.get(from..self.at)?;
        let is_number = || word.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        (matches!(word, "true" | "false" | "null") || is_number()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_object_falls_into_keys_and_the_text_of_values() {
        let text =
            " {\"a\" : 1 ,\n\"b\":\"x\\\"}\",\"c\\u0061\":[{\"]\":1},\"}\"],\"d\":{},\"e\":null}\t";
        let expected = [
            ("a", "1"),
            ("b", "\"x\\\"}\""),
            ("ca", "[{\"]\":1},\"}\"]"),
            ("d", "{}"),
            ("e", "null"),
        ];
        assert_eq!(parts(text).unwrap(), expected.map(|(key, value)| (key.into(), value)));
        assert_eq!(parts("{}").unwrap(), []);
    }

    // fault: J1
    #[test]
    fn what_is_no_object_or_more_than_one_is_broken() {
        for text in [
            "",
            "[]",
            "null",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{,}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":1}{",
            "{\"a\":1} x",
            "{\"a\":x}",
            "{\"a\":}",
            "{\"a\":[}",
            "{\"a\":[}]}",
            "{\"a\":\"x}",
            "{\"a\":\"x\\",
            "{\"a\nb\":1}",
            "{\"\\ud800\":1}",
            "\u{feff}{}",
        ] {
            assert_eq!(parts(text), Err(Broken::Shape), "{text}");
        }
    }

    // fault: J6
    #[test]
    fn a_key_may_come_once_however_it_is_spelt() {
        assert_eq!(parts(r#"{"a":1,"b":2,"a":1}"#), Err(Broken::Repeated));
        assert_eq!(parts(r#"{"a":1,"\u0061":1}"#), Err(Broken::Repeated));
        let many: Vec<_> = (0..100_000).map(|n| format!("\"k{n}\":1")).collect();
        assert_eq!(parts(&format!("{{{}}}", many.join(","))).unwrap().len(), many.len());
        let repeated = format!("{{{},\"k7\":1}}", many.join(","));
        assert_eq!(parts(&repeated), Err(Broken::Repeated));
    }

    // fault: J2
    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(parts(&deep).unwrap().len(), 1);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_parts_are_those_that_a_general_reader_finds(object in prop::collection::btree_map(".{0,4}", json(), 0..6), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
            let found: BTreeMap<String, Value> = parts(&text).unwrap().into_iter()
                .map(|(key, value)| (key.into_owned(), serde_json::from_str(value).unwrap()))
                .collect();
            let general: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(found, general);
        }

        #[test]
        fn a_text_that_was_cut_is_broken(object in prop::collection::btree_map("[a-c\"\\\\é]{0,4}", json(), 1..4), cut in 1_usize..40) {
            let text = serde_json::to_string(&object).unwrap();
            let end = (0..=text.len().saturating_sub(cut)).rev().find(|end| text.is_char_boundary(*end)).unwrap();
            prop_assert_eq!(parts(text.get(..end).unwrap()), Err(Broken::Shape));
        }
    }
}
