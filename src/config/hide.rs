//! Hiding: no message and no snippet shows what may be a secret.
//!
//! A key belongs in a file of its own, but people write it into this one; a message that quotes the
//! line would then carry it into the log. So text is blanked by what stands around it (a key with a
//! telling name, credentials in a URL) and by what it looks like (a long run of letters and digits).
//! Too much is hidden rather than too little: a blanked line costs a look into the file.

use std::borrow::Cow;

use crate::batch::escaped;

/// What stands in place of hidden text.
pub(super) const HIDDEN: &str = "(hidden)";

/// As much of a text from the file as a message shows.
const SHOWN_CHARS: usize = 80;

/// Words in a key's name that say that its value is a secret.
const TELLING: [&str; 9] = [
    "api_key",
    "apikey",
    "api-key",
    "token",
    "password",
    "passwd",
    "secret",
    "credentials",
    "authorization",
];

/// Keys with such a word whose value only says where the secret is.
const POINTERS: [&str; 6] = [
    "api_key_file",
    "api_key_env",
    "api_key_credential",
    "secret_file",
    "secret_env",
    "secret_credential",
];

/// A text as a message may show it: escaped, cut, and hidden if it looks like a key.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if has_key_material(text) {
        return Cow::Borrowed(HIDDEN);
    }
    let long = text.chars().count() > SHOWN_CHARS;
    let cut: String = text.chars().take(SHOWN_CHARS).collect();
    Cow::Owned(format!("{}{}", escaped(&cut), if long { "…" } else { "" }))
}

/// Whether a key's name says that its value is a secret.
pub(super) fn is_telling(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    !POINTERS.contains(&key.as_str()) && TELLING.iter().any(|word| key.contains(word))
}

/// Whether a text holds something that looks like a key: 20 or more ASCII letters and digits in a
/// row, of both kinds. Keys in use are 32 hex digits.
pub(super) fn has_key_material(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        run.len() >= 20
            && run.bytes().any(|b| b.is_ascii_digit())
            && run.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

/// The lines of a file (without their ends), each with whether it must not be shown.
pub(super) fn lines(text: &str) -> Vec<(&str, bool)> {
    let mut carry = Carry::Nothing;
    text.split('\n')
        .map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let secret = carry.covers(line) || is_secret_line(line);
            carry = if secret { carry.after_secret(line) } else { Carry::Nothing };
            (line, secret)
        })
        .collect()
}

/// How a secret goes on into the next line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carry {
    Nothing,
    /// Inside a multi-line text that began on a secret line, until this delimiter.
    Text(&'static str),
    /// Perhaps inside a list or a text broken by mistake, until a line that begins something new.
    Perhaps,
}

impl Carry {
    fn covers(self, line: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Text(_) => true,
            Self::Perhaps => !begins_something(line),
        }
    }

    fn after_secret(self, line: &str) -> Self {
        if let Self::Text(end) = self {
            return if line.contains(end) { Self::Perhaps } else { self };
        }
        let opened = ["\"\"\"", "'''"].into_iter().find(|q| line.matches(q).count() % 2 == 1);
        opened.map_or(Self::Perhaps, Self::Text)
    }
}

/// Whether a line surely begins a new key or table, or is empty or a comment.
fn begins_something(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['[', '#']) {
        return true;
    }
    let Some((key, value)) = line.split_once('=') else { return false };
    let in_key = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '-' | '.' | ' ');
    key.chars().all(in_key) && value.starts_with(' ')
}

fn is_secret_line(line: &str) -> bool {
    has_key_material(line) || has_credentials(line) || has_telling_key(line) || has_address(line)
}

/// Whether a line may hold the address of a notification, which is a secret: a URL that no `base_url`
/// announces, or anything behind a `url` but what `[state]` takes.
fn has_address(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    lower.match_indices('=').any(|(at, _)| {
        let before = lower.get(..at).unwrap_or_default();
        let before = before.trim_end().trim_end_matches(['"', '\'']);
        let name = before.get(before.trim_end_matches(is_name).len()..).unwrap_or_default();
        let value = lower.get(at + 1..).unwrap_or_default();
        let value = value.trim_start_matches(['"', '\'', ' ', '\t']);
        let is_state = ["sqlite", "memory", "postgres"].iter().any(|kind| value.starts_with(kind));
        let is_url = ["http", "smtp"].iter().any(|scheme| value.starts_with(scheme));
        match name {
            "base_url" => false,
            "url" => !is_state && value.contains(['/', '.']),
            _ => is_url && value.contains("://"),
        }
    })
}

/// Whether a URL in the line has a user or a password.
fn has_credentials(line: &str) -> bool {
    line.split("//").skip(1).any(|rest| {
        let authority = rest.split(['/', '"', '\'', ' ', '?', '#']).next().unwrap_or(rest);
        authority.contains('@')
    })
}

/// Whether a telling word in the line is a key, or may be one: it stands left of the first `=`, or an
/// `=` or `:` follows it, or there is no `=` at all.
fn has_telling_key(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let equals = lower.find('=').unwrap_or(lower.len());
    TELLING.into_iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let before = lower.get(..at).unwrap_or_default();
            let start = before.trim_end_matches(is_name).len();
            let from = lower.get(start..).unwrap_or_default();
            let rest = from.trim_start_matches(is_name);
            let name = from.strip_suffix(rest).unwrap_or(from);
            let follows = rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with(['=', ':']);
            !POINTERS.contains(&name) && (at < equals || follows)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // fault: S2
    #[test]
    fn a_line_that_may_hold_a_secret_is_hidden() {
        for line in [
            r#"api_key = "short""#,
            r#"api_key "short""#,
            "api_key: short",
            r#"API_KEY = "short"#,
            r#""api_key" = "short""#,
            r#"accounts.main = { product = "serpwow", api_key = "short" }"#,
            r#"apikey="short""#,
            r#"webhook_token = "short""#,
            "db_password = 'short'",
            r#"base_url = "https://user:short@api.serpwow.com""#,
            r#"base_url = "https://short@api.serpwow.com""#,
            r#"base_url = "https://api.serpwow.com/live?api_key=short""#,
            "C4N4RY0123456789ABCDEF0123456789",
            r#"api_key_env = "C4N4RY0123456789ABCDEF0123456789""#,
            r#"# api_key = "short""#,
        ] {
            assert!(lines(line)[0].1, "{line}");
        }
    }

    #[test]
    fn a_plain_line_is_shown() {
        for line in [
            r#"api_key_file = "/etc/batchsweep/api-key""#,
            r#"api_key_env = "SERPWOW_KEY""#,
            r#"name = "secret-*""#,
            r#"base_url = "https://api.serpwow.com/live""#,
            "name_regex = '.+_[0-9a-f]{8}-[0-9a-f]{4}'",
            "older_than = \"7d\"",
        ] {
            assert!(!lines(line)[0].1, "{line}");
        }
    }

    #[test]
    fn a_secret_over_several_lines_is_hidden_whole() {
        let hidden = |text: &str| lines(text).into_iter().map(|l| l.1).collect::<Vec<_>>();
        assert_eq!(
            hidden("api_key = \"\"\"\nab = 1\ncd\"\"\"\nname = 1"),
            [true, true, true, false]
        );
        assert_eq!(hidden("token = [\n\"ab\",\n]\nname = \"x\""), [true, true, true, false]);
        assert_eq!(hidden("api_key = \"ab\nCD==\"\n\nname = \"x\""), [true, true, false, false]);
    }

    #[test]
    fn a_text_is_shown_escaped_and_cut() {
        assert_eq!(shown("tmp\u{1b}[31m"), "tmp\\u{1b}[31m");
        assert_eq!(shown(&"a".repeat(100)).chars().count(), 81);
        assert_eq!(shown("C4N4RY0123456789ABCDEF"), HIDDEN);
    }
}
