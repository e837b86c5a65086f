//! The key in use: read again once when it is refused, and taken out of every text.
//!
//! Not here: where keys are kept (`config` makes the [`KeySource`]), the URL that carries it
//! (`transport`).
//! Invariant: the key leaves this file only through [`Key::expose`], which `transport` alone calls.

use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

use crate::api::error::ServerText;
use crate::api::settings::{ApiKey, KeySource};
use crate::batch::escaped;

/// What stands where the key stood.
const HIDDEN: &str = "(key)";

/// As much of a server's text as is looked at, in bytes: far more than is shown.
const LOOKED_AT: usize = 4096;

/// One key, and the forms in which a server could repeat it.
#[derive(Debug)]
pub(super) struct Key {
    secret: SecretString,
    /// Lower case, longest first; the key itself and what it looks like in a URL.
    forms: Vec<SecretString>,
}

impl Key {
    fn new(key: ApiKey) -> Self {
        let plain = key.0.expose_secret();
        let in_query: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        let in_path = in_query.replace('+', "%20");
        let mut forms = vec![plain.to_owned(), in_query, in_path];
        for form in &mut forms {
            form.make_ascii_lowercase();
        }
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        forms.retain(|form| !form.is_empty());
        let forms = forms.into_iter().map(SecretString::from).collect();
        Self { secret: key.0, forms }
    }

    /// The key, to be sent.
    pub(super) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    fn scrub(&self, text: &str) -> String {
        self.forms.iter().fold(text.to_owned(), |text, form| hide(&text, form.expose_secret()))
    }

    fn longest_form(&self) -> usize {
        self.forms.first().map_or(0, |form| form.expose_secret().len())
    }
}

/// Puts [`HIDDEN`] wherever `form` (lower case, not empty) stands in the text, in any ASCII case.
fn hide(text: &str, form: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(form) {
        // ASCII lower-casing keeps every byte where it was, so these are boundaries of `text` too.
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(HIDDEN);
        from = at + form.len();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// The keys of one account: the one in use and, after a renewal, the one before.
#[derive(Debug)]
pub(super) struct Keys {
    source: Box<dyn KeySource>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<Key>,
    former: Option<Arc<Key>>,
    read_again: bool,
}

impl Keys {
    pub(super) fn new(key: ApiKey, source: Box<dyn KeySource>) -> Self {
        let current = Arc::new(Key::new(key));
        Self { source, state: Mutex::new(State { current, former: None, read_again: false }) }
    }

    /// The key to send now.
    pub(super) fn current(&self) -> Arc<Key> {
        Arc::clone(&self.lock().current)
    }

    /// Called when `refused` was: whether there is another key to try now. Reads the source once in
    /// the life of this value, so the answer is `true` at most once for each key that was in use.
    pub(super) fn renew(&self, refused: &Arc<Key>) -> bool {
        let mut state = self.lock();
        if !Arc::ptr_eq(&state.current, refused) {
            return true;
        }
        if state.read_again {
            return false;
        }
        state.read_again = true;
        let Some(key) = self.source.read_again().map(Key::new) else { return false };
        if key.expose() == refused.expose() {
            return false;
        }
        state.former = Some(Arc::clone(refused));
        state.current = Arc::new(key);
        true
    }

    /// A server's text as it may be shown: without the key, escaped, cut.
    pub(super) fn server_text(&self, text: &[u8]) -> ServerText {
        let looked_at = text.get(..LOOKED_AT).unwrap_or(text);
        let is_cut = looked_at.len() < text.len();
        let mut shown = self.scrub(&String::from_utf8_lossy(looked_at));
        if is_cut {
            // The cut may have gone through a key; its first part must not stay.
            let longest = self.longest_form();
            let keep = shown.floor_char_boundary(shown.len().saturating_sub(longest));
            shown.truncate(keep);
        }
        ServerText(escaped(&shown).chars().take(ServerText::MAX_CHARS).collect())
    }

    /// A sentence for people in which a library's or a server's words stand: the same treatment.
    pub(super) fn sentence(&self, text: &str) -> String {
        self.server_text(text.as_bytes()).0
    }

    fn scrub(&self, text: &str) -> String {
        let state = self.lock();
        let text = state.current.scrub(text);
        state.former.as_ref().map_or_else(|| text.clone(), |former| former.scrub(&text))
    }

    fn longest_form(&self) -> usize {
        let state = self.lock();
        let former = state.former.as_ref().map_or(0, |key| key.longest_form());
        former.max(state.current.longest_form())
    }

    /// A panic elsewhere leaves this state whole: it is only ever replaced field by field.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Source(Option<&'static str>);

    impl KeySource for Source {
        fn read_again(&self) -> Option<ApiKey> {
            self.0.map(api_key)
        }
    }

    fn api_key(text: &str) -> ApiKey {
        ApiKey(text.to_owned().into())
    }

    fn keys(key: &str, next: Option<&'static str>) -> Keys {
        Keys::new(api_key(key), Box::new(Source(next)))
    }

    // fault: S3
    #[test]
    fn the_key_is_taken_out_in_every_form_a_server_could_repeat() {
        let keys = keys("AB+c d/9", None);
        for (sent, shown) in [
            ("key AB+c d/9 is bad", "key (key) is bad"),
            ("AB%2Bc+d%2F9", "(key)"),
            ("x=ab%2bc+d%2f9&y", "x=(key)&y"),
            ("/AB%2Bc%20d%2F9/", "/(key)/"),
            ("ab+C D/9AB+c d/9", "(key)(key)"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(keys.server_text(sent.as_bytes()).as_str(), shown);
        }
    }

    // fault: S3
    #[test]
    fn a_cut_leaves_no_part_of_the_key() {
        let keys = keys("CANARY0123456789", None);
        for before in LOOKED_AT - 20..LOOKED_AT + 2 {
            // A text full of keys shrinks, so that the cut could come into view.
            let text = "CANARY0123456789".repeat(before / 16)
                + &"x".repeat(before % 16)
                + "CANARY0123456789";
            assert!(!keys.server_text(text.as_bytes()).as_str().contains("CANA"), "{before}");
        }
    }

    #[test]
    fn what_a_server_sends_is_escaped_and_cut() {
        let keys = keys("K", None);
        assert_eq!(keys.server_text(b"a\x1b[1m\nb\xff").as_str(), "a\\u{1b}[1m\\nb\u{fffd}");
        assert_eq!(keys.server_text("é".repeat(9000).as_bytes()).as_str().chars().count(), 200);
    }

    // fault: H3
    #[test]
    fn the_key_is_read_again_once() {
        let keys = keys("OLD", Some("NEW"));
        let old = keys.current();
        assert!(keys.renew(&old), "the file holds another key");
        assert!(keys.renew(&old), "a second call that still had the old one may try the new one");
        let new = keys.current();
        assert_eq!(new.expose(), "NEW");
        assert!(!keys.renew(&new), "and that is all");
        assert_eq!(keys.server_text(b"OLD NEW").as_str(), "(key) (key)");
    }

    #[test]
    fn the_same_key_or_none_is_no_renewal() {
        for next in [Some("SAME"), None] {
            let keys = keys("SAME", next);
            assert!(!keys.renew(&keys.current()));
        }
    }

    // fault: S3
    #[test]
    fn a_key_does_not_show_in_debug() {
        let keys = keys("CANARY", Some("CANARY2"));
        assert!(keys.renew(&keys.current()));
        let shown = format!("{keys:?} {:?} {:?}", keys.current(), api_key("CANARY"));
        let shown = shown.replace("Source(Some(\"CANARY2\"))", "");
        assert!(!shown.to_ascii_uppercase().contains("CANARY"), "{shown}");
    }
}
