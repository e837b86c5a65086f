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
        /// Until when; `None` without end.
        until: Option<Timestamp>,
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
        /// Who asked for it.
        asker: Asker,
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
    /// Selected, idle and old enough, but every selecting rule still has to wait.
    Wait {
        /// The delete rules that select it.
        selected_by: Rules,
        /// When the first of them need wait no longer.
        until: Timestamp,
        /// What that one waits for.
        why: Waiting,
    },
    /// Selected, protected by nothing, idle and old enough.
    Delete {
        /// The delete rules that select it and need not wait.
        by: Rules,
        /// Whether undelivered results stand in the way.
        undelivered: Undelivered,
    },
}

/// Who asked for a field that has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// A rule.
    Rule(RuleName),
    /// The floor `never_younger_than`.
    Floor,
    /// Markers in names: `[keep]`.
    Marker,
}

/// What a delete rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// Its own `grace`: the batch must stay selected.
    Grace,
    /// `guards.probation`: the rule is new or was edited.
    Probation,
}

impl Verdict {
    /// Every verdict's name, in the order in which tables show them.
    pub const NAMES: [&'static str; 8] =
        ["delete", "wait", "busy", "too_young", "unknown", "kept", "held", "unmatched"];

    /// The verdict's name in the output.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delete { .. } => "delete",
            Self::Wait { .. } => "wait",
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
            Self::Wait { selected_by, .. }
            | Self::Busy { selected_by, .. }
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
            | Self::Wait { .. }
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
            Self::TooYoung { until, .. } | Self::Wait { until, .. } => Some(*until),
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
            Self::Wait { selected_by, until, why } => {
                let (selected, until) = (selected(selected_by), clock::shown(*until));
                match why {
                    Waiting::Grace => {
                        format!("{selected}, and must go on doing so until {until} (grace)")
                    }
                    Waiting::Probation => format!(
                        "{selected}, but is new or edited and only plans until {until} \
                         (guards.probation)"
                    ),
                }
            }
            Self::Unknown { selected_by, field, asker } => {
                let cause = asker.has_no_answer(*field, selected_by);
                if selected_by.is_empty() {
                    return cause;
                }
                format!("{}, but {cause}", selected(selected_by))
            }
            Self::Kept { selected_by, by } if selected_by.is_empty() => protected(by),
            Self::Kept { selected_by, by } => {
                let (rules, names) = (rules("delete", selected_by), named(selected_by));
                format!("{}; otherwise {rules} {names} would delete it", protected(by))
            }
            Self::Held { until: Some(until), why, .. } => {
                format!("held until {}: {}", clock::shown(*until), escaped(why))
            }
            Self::Held { until: None, why, .. } => format!("held: {}", escaped(why)),
            Self::Unmatched => "no delete rule selects it".to_owned(),
        }
    }
}

impl Asker {
    fn has_no_answer(&self, field: Field, selected_by: &[RuleName]) -> String {
        let asker = match self {
            // A delete rule in doubt counts only where no other one selects the batch.
            Self::Rule(rule) if selected_by.is_empty() => format!("delete rule `{rule}`"),
            Self::Rule(rule) => format!("keep rule `{rule}`"),
            Self::Floor => "guards.never_younger_than".to_owned(),
            Self::Marker => "guards.name_markers".to_owned(),
        };
        format!("{asker} has no answer, since {}; so it stays", lacking(field))
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
        let rule = || Asker::Rule(RuleName::parse("tmp").unwrap());
        let all = [
            Verdict::Delete { by: selected_by(), undelivered: Undelivered::Respect },
            Verdict::Delete { by: rules(&["tmp"]), undelivered: Undelivered::Respect },
            Verdict::Busy { selected_by: selected_by(), status: Fact::Known(Status::Running) },
            Verdict::Busy {
                selected_by: selected_by(),
                status: Fact::Known(Status::Other("par\u{1b}ked".into())),
            },
            Verdict::TooYoung { selected_by: selected_by(), until },
            Verdict::Unknown { selected_by: rules(&[]), field: Field::Name, asker: rule() },
            Verdict::Unknown { selected_by: rules(&[]), field: Field::Expression, asker: rule() },
            Verdict::Unknown { selected_by: selected_by(), field: Field::Name, asker: rule() },
            Verdict::Unknown {
                selected_by: selected_by(),
                field: Field::LastRun,
                asker: Asker::Floor,
            },
            Verdict::Kept { selected_by: selected_by(), by: rules(&["pinned"]) },
            Verdict::Kept { selected_by: rules(&["tmp"]), by: rules(&["a", "b", "tmp"]) },
            Verdict::Kept { selected_by: rules(&[]), by: rules(&["pinned"]) },
            Verdict::Unknown {
                selected_by: selected_by(),
                field: Field::Name,
                asker: Asker::Marker,
            },
            Verdict::Held {
                selected_by: selected_by(),
                until: Some(until),
                why: "audit\n2026".into(),
            },
            Verdict::Held {
                selected_by: selected_by(),
                until: None,
                why: "its name says so".into(),
            },
            Verdict::Wait { selected_by: selected_by(), until, why: Waiting::Grace },
            Verdict::Wait { selected_by: rules(&["tmp"]), until, why: Waiting::Probation },
            Verdict::Unmatched,
        ];
        let said: Vec<_> =
            all.iter().map(|verdict| format!("{}: {}", verdict.name(), verdict.reason())).collect();
        insta::assert_snapshot!(said.join("\n"));
        let named: std::collections::BTreeSet<_> = all.iter().map(Verdict::name).collect();
        assert_eq!(named, Verdict::NAMES.into(), "a verdict has no row");
    }
}
