//! Near words: what somebody probably meant to write.

/// The known word nearest to `word`, if one is near enough to be meant.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    // One slip in three letters: `older_then` for `older_than`, and not `name` for `when`.
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the words that there are.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => one_of(known),
    }
}

/// The words that there are, as a sentence.
pub(super) fn one_of(known: &[&str]) -> String {
    match known {
        [] => "there is none".to_owned(),
        [only] => format!("there is only `{only}`"),
        many => format!("one of `{}`", many.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["older_than", "idle_for", "name", "when"];
        for (word, near) in [
            ("older_then", Some("older_than")),
            ("OLDER_THAN", Some("older_than")),
            ("odler_than", Some("older_than")),
            ("nmae", Some("name")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
    }
}
