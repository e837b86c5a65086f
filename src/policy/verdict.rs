//! Verdicts: what the policy says about each batch of one inventory, each with its cause.
//!
//! Not here: how they are found (`policy::decide`), limits on the plan as a whole (`guards`).

use std::sync::Arc;

use crate::batch::{Fact, Field, RuleName, Status, Undelivered, and_list, escaped};
use crate::clock::{self, Timestamp};

/// Names of rules, in order. Shared: ten thousand verdicts of a few rules hold a few lists.
pub type Rules = Arc<[RuleName]>;

/// What the policy says about one batch. In order of precedence (the first that holds), bar the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No delete rule answers yes or unknown.
    Unmatched,
    /// Somebody protects this batch by hand.
    Held {
        /// The delete rules that select it; empty where they could only not be answered.
        selected_by: Rules,
        /// Until when.
        until: Timestamp,
        /// Why, as that person said.
        why: Arc<str>,
    },
    /// Selected, and protected by a keep rule.
    Kept {
        /// The delete rules that select it; empty where they could only not be answered.
        selected_by: Rules,
        /// The keep rules that protect it.
        by: Rules,
    },
    /// A rule, or the floor, could not be answered: so it stays.
    Unknown {
        /// The delete rules that select it; empty where they could only not be answered.
        selected_by: Rules,
        /// The field that is missing or odd.
        field: Field,
        /// The rule that asked for it; `None` for the floor `never_younger_than`.
        rule: Option<RuleName>,
    },
    /// Selected, but younger than the floor `never_younger_than`.
    TooYoung {
        /// The delete rules that select it.
        selected_by: Rules,
        /// When the floor ends.
        until: Timestamp,
    },
    /// Selected, but queued, running or in an unknown state.
    Busy {
        /// The delete rules that select it.
        selected_by: Rules,
        /// The state.
        status: Fact<Status>,
    },
    /// Selected, protected by nothing, idle and old enough.
    Delete {
        /// The delete rules that select it.
        by: Rules,
        /// Whether undelivered results stand in the way.
        undelivered: Undelivered,
    },
}

impl Verdict {
    /// Every verdict's name, in the order in which tables show them.
    pub const NAMES: [&'static str; 7] =
        ["delete", "busy", "too_young", "unknown", "kept", "held", "unmatched"];

    /// The verdict's name in the output.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delete { .. } => "delete",
            Self::Busy { .. } => "busy",
            Self::TooYoung { .. } => "too_young",
            Self::Unknown { .. } => "unknown",
            Self::Kept { .. } => "kept",
            Self::Held { .. } => "held",
            Self::Unmatched => "unmatched",
        }
    }

    /// The delete rules that select the batch.
    pub fn selected_by(&self) -> &[RuleName] {
        match self {
            Self::Delete { by, .. } => by,
            Self::Busy { selected_by, .. }
            | Self::TooYoung { selected_by, .. }
            | Self::Unknown { selected_by, .. }
            | Self::Kept { selected_by, .. }
            | Self::Held { selected_by, .. } => selected_by,
            Self::Unmatched => &[],
        }
    }

    /// The keep rules that protect the batch.
    pub fn kept_by(&self) -> &[RuleName] {
        match self {
            Self::Kept { by, .. } => by,
            Self::Delete { .. }
            | Self::Busy { .. }
            | Self::TooYoung { .. }
            | Self::Unknown { .. }
            | Self::Held { .. }
            | Self::Unmatched => &[],
        }
    }

    /// When the batch may go if nothing else changes; only where the verdict itself knows.
    pub const fn eligible_at(&self) -> Option<Timestamp> {
        match self {
            Self::TooYoung { until, .. } => Some(*until),
            Self::Delete { .. }
            | Self::Busy { .. }
            | Self::Unknown { .. }
            | Self::Kept { .. }
            | Self::Held { .. }
            | Self::Unmatched => None,
        }
    }

    /// The sentence for people: the verdict's cause.
    pub fn reason(&self) -> String {
        match self {
            Self::Delete { by, .. } => selected(by),
            Self::Busy { selected_by, status } => {
                format!("{}, but {}", selected(selected_by), busy(status))
            }
            Self::TooYoung { selected_by, until } => format!(
                "{}, but guards.never_younger_than protects it until {}",
                selected(selected_by),
                clock::shown(*until)
            ),
            // A delete rule in doubt counts only where no other one selects the batch.
            Self::Unknown { selected_by, field, rule: Some(rule) } if selected_by.is_empty() => {
                format!(
                    "delete rule `{rule}` has no answer, since {}; so it stays",
                    lacking(*field)
                )
            }
            Self::Unknown { selected_by, field, rule: Some(rule) } => format!(
                "{}, but keep rule `{rule}` has no answer, since {}; so it stays",
                selected(selected_by),
                lacking(*field)
            ),
            Self::Unknown { selected_by, field, rule: None } => format!(
                "{}, but guards.never_younger_than has no answer, since {}; so it stays",
                selected(selected_by),
                lacking(*field)
            ),
            Self::Kept { selected_by, by } if selected_by.is_empty() => protected(by),
            Self::Kept { selected_by, by } => {
                let (rules, names) = (rules("delete", selected_by), named(selected_by));
                format!("{}; otherwise {rules} {names} would delete it", protected(by))
            }
            Self::Held { until, why, .. } => {
                format!("held until {}: {}", clock::shown(*until), escaped(why))
            }
            Self::Unmatched => "no delete rule selects it".to_owned(),
        }
    }
}

/// Names in backticks: `a`, `b` and `c`.
fn named(rules: &[RuleName]) -> String {
    and_list(&rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>())
}

fn selected(by: &[RuleName]) -> String {
    let verb = if by.len() == 1 { "selects" } else { "select" };
    format!("{} {verb} it", named(by))
}

/// A keep rule and a delete rule may have one name, so each is called what it is.
pub(super) fn protected(by: &[RuleName]) -> String {
    let verb = if by.len() == 1 { "protects" } else { "protect" };
    format!("{} {} {verb} it", rules("keep", by), named(by))
}

fn rules(kind: &str, rules: &[RuleName]) -> String {
    if rules.len() == 1 { format!("{kind} rule") } else { format!("{kind} rules") }
}

/// What is wrong with a field that gives no answer.
pub(super) fn lacking(field: Field) -> String {
    match field {
        Field::CreatedAt | Field::LastRun => {
            format!("its {field} is missing, odd or in the future")
        }
        Field::Expression => "its `when` cannot be worked out for this batch".to_owned(),
        Field::Id
        | Field::Name
        | Field::Status
        | Field::ScheduleType
        | Field::Priority
        | Field::Enabled
        | Field::Destinations
        | Field::Searches
        | Field::ResultsCount
        | Field::NextResultSetId => format!("its {field} is missing or odd"),
    }
}

/// What a batch that is not idle is doing, in words.
fn busy(status: &Fact<Status>) -> String {
    match status {
        Fact::Known(Status::Other(word)) => {
            format!("its status `{}` is unknown", escaped(word))
        }
        Fact::Known(status) => format!("it is {}", status.as_str()),
        Fact::Missing => "its status is missing".to_owned(),
        Fact::Unreadable(_) => "its status is unreadable".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(names: &[&str]) -> Rules {
        names.iter().map(|name| RuleName::parse(name).unwrap()).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn every_verdict_says_its_cause() {
        let selected_by = || rules(&["old", "tmp"]);
        let until = at("2026-11-26T03:15:00Z");
        let rule = || Some(RuleName::parse("tmp").unwrap());
        let all = [
            Verdict::Delete { by: selected_by(), undelivered: Undelivered::Respect },
            Verdict::Delete { by: rules(&["tmp"]), undelivered: Undelivered::Respect },
            Verdict::Busy { selected_by: selected_by(), status: Fact::Known(Status::Running) },
            Verdict::Busy {
                selected_by: selected_by(),
                status: Fact::Known(Status::Other("par\u{1b}ked".into())),
            },
            Verdict::TooYoung { selected_by: selected_by(), until },
            Verdict::Unknown { selected_by: rules(&[]), field: Field::Name, rule: rule() },
            Verdict::Unknown { selected_by: rules(&[]), field: Field::Expression, rule: rule() },
            Verdict::Unknown { selected_by: selected_by(), field: Field::Name, rule: rule() },
            Verdict::Unknown { selected_by: selected_by(), field: Field::LastRun, rule: None },
            Verdict::Kept { selected_by: selected_by(), by: rules(&["pinned"]) },
            Verdict::Kept { selected_by: rules(&["tmp"]), by: rules(&["a", "b", "tmp"]) },
            Verdict::Kept { selected_by: rules(&[]), by: rules(&["pinned"]) },
            Verdict::Held { selected_by: selected_by(), until, why: "audit\n2026".into() },
            Verdict::Unmatched,
        ];
        let said: Vec<_> =
            all.iter().map(|verdict| format!("{}: {}", verdict.name(), verdict.reason())).collect();
        insta::assert_snapshot!(said.join("\n"));
        let named: std::collections::BTreeSet<_> = all.iter().map(Verdict::name).collect();
        assert_eq!(named, Verdict::NAMES.into(), "a verdict has no row");
    }
}
