//! What an error must say, whichever it is: what, where, the consequence, what to do, the exit code.

use crate::world::{Ran, World};

/// Asserts that a run ended before it could delete anything, with that exit code, and said so to
/// people: with these words, the account, the consequence and what to do.
#[track_caller]
pub(crate) fn assert_nothing_deleted(
    case: &str,
    world: &World,
    ran: &Ran,
    code: u8,
    words: &[&str],
) {
    assert_told(case, ran, code, words);
    for word in ["account `main`", "nothing was deleted"] {
        assert!(ran.err.contains(word), "{case}: no `{word}` in: {}", ran.err);
    }
    assert!(world.emulator.destructive().is_empty(), "{case}");
    world.assert_safe();
}

/// Asserts the exit code, these words on standard error, and what to do.
#[track_caller]
pub(crate) fn assert_told(case: &str, ran: &Ran, code: u8, words: &[&str]) {
    assert_eq!(ran.code, code, "{case}: {ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "{case}: no `{word}` in: {}", ran.err);
    }
    for word in ["error: ", "help: ", &format!("xit code {code}")] {
        assert!(ran.err.contains(word), "{case}: no `{word}` in: {}", ran.err);
    }
    assert_printable(case, ran);
}

/// Asserts that nothing written could steer a terminal or fake a line.
#[track_caller]
pub(crate) fn assert_printable(case: &str, ran: &Ran) {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    for (stream, text) in [("out", &ran.out), ("err", &ran.err)] {
        let found = text.chars().find(|c| steers(*c));
        assert_eq!(found, None, "{case}: in std{stream}: {text:?}");
    }
}
