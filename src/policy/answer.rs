//! Answers: what one rule, or one matcher, says about one batch.
//!
//! Three-valued: a question that the data cannot answer is answered `Unknown`, with the field that
//! would have answered it. Unknown in a delete rule selects nothing; unknown in a keep rule keeps.

use crate::batch::Field;

/// Yes, no, or not to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// The field is missing or odd.
    Unknown(Field),
}

impl Answer {
    /// Both must hold: one no is no, whatever the other; of two unknowns the first is named.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(field), _) | (_, Self::Unknown(field)) => Self::Unknown(field),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// One suffices: one yes is yes, whatever the other; of two unknowns the first is named.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown(field), _) | (_, Self::Unknown(field)) => Self::Unknown(field),
            (Self::No, Self::No) => Self::No,
        }
    }

    /// The answer's name in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer::{No, Unknown, Yes};
    use super::*;

    const NAME: Answer = Unknown(Field::Name);
    const AGE: Answer = Unknown(Field::CreatedAt);

    #[test]
    fn three_valued_tables_hold_for_every_pair() {
        for (a, b, and, or) in [
            (Yes, Yes, Yes, Yes),
            (Yes, No, No, Yes),
            (Yes, NAME, NAME, Yes),
            (No, Yes, No, Yes),
            (No, No, No, No),
            (No, NAME, No, NAME),
            (NAME, Yes, NAME, Yes),
            (NAME, No, No, NAME),
            (NAME, AGE, NAME, NAME),
        ] {
            assert_eq!(a.and(b), and, "{a:?} and {b:?}");
            assert_eq!(a.or(b), or, "{a:?} or {b:?}");
        }
    }
}
