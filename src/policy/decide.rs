//! Deciding: a verdict for each batch, from every rule's answer.
//!
//! Not here: single answers (`matcher`, `rule`, `keep`). Order of precedence, first that holds:
//! unmatched, held, kept, unknown, too young, busy, delete.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use crate::batch::{Batch, Fact, Field, RuleName, Status, Undelivered};
use crate::clock::Timestamp;
use crate::policy::answer::Answer;
use crate::policy::keep;
use crate::policy::matcher::{is_past, later};
use crate::policy::memory::Memory;
use crate::policy::rule::{DeleteRule, KeepRule, all};
use crate::policy::subject::Subject;
use crate::policy::verdict::{Rules, Verdict};

/// The validated rules of one account.
#[derive(Debug)]
pub struct Policy {
    pub(super) keep: Vec<KeepRule>,
    pub(super) delete: Vec<DeleteRule>,
    pub(super) floor: Option<Duration>,
    pub(super) zone: Tz,
}

/// How many batches a keep rule's matchers match; a typo must not mean permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepMatches {
    /// The rule.
    pub rule: RuleName,
    /// How many, counts aside.
    pub matched: usize,
    /// Whether none is no mistake.
    pub may_be_empty: bool,
}

/// What the policy says of one inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// By the batch's index.
    pub verdicts: Vec<Verdict>,
    /// By rule, in the order of names.
    pub keep_matches: Vec<KeepMatches>,
}

impl Policy {
    /// Puts rules together. `never_younger_than` is the floor under every delete rule, `None` where
    /// it is off; calendar days are counted in `zone`. The order of rules does not matter.
    pub fn new(
        mut keep: Vec<KeepRule>,
        mut delete: Vec<DeleteRule>,
        never_younger_than: Option<Duration>,
        zone: Tz,
    ) -> Self {
        keep.sort_by(|a, b| a.name.cmp(&b.name));
        delete.sort_by(|a, b| a.name.cmp(&b.name));
        Self { keep, delete, floor: never_younger_than, zone }
    }

    /// Each rule in plain words, keep rules first.
    pub fn describe(&self) -> Vec<String> {
        let keep = self.keep.iter().map(KeepRule::describe);
        keep.chain(self.delete.iter().map(DeleteRule::describe)).collect()
    }

    /// A verdict for each batch of an inventory, at an instant.
    pub fn decide(&self, batches: &[Batch], memory: &Memory, now: Timestamp) -> Decision {
        let subjects: Vec<_> = batches.iter().map(|batch| Subject::new(batch, now)).collect();
        let kept: Vec<_> =
            self.keep.iter().map(|rule| keep::ask(rule, &subjects, self.zone)).collect();
        let mut lists = Lists::new(self);
        let verdicts = subjects
            .iter()
            .enumerate()
            .map(|(index, subject)| {
                let answers = || kept.iter().map(|kept| kept.of(index)).collect();
                self.judge(subject, answers, memory, &mut lists)
            })
            .collect();
        let keep_matches = self.keep.iter().zip(&kept).map(|(rule, kept)| KeepMatches {
            rule: rule.name.clone(),
            matched: kept.matched,
            may_be_empty: rule.may_be_empty,
        });
        Decision { verdicts, keep_matches: keep_matches.collect() }
    }

    /// What the delete rules say of one batch.
    fn select(&self, subject: &Subject<'_>) -> Selection {
        let mut selection = Selection::default();
        for (rule, at) in self.delete.iter().zip(0..) {
            match all(&rule.matchers, subject) {
                Answer::Yes => selection.by.push(at),
                Answer::Unknown(field) => {
                    selection.in_doubt.get_or_insert_with(|| (field, rule.name.clone()));
                }
                Answer::No => {}
            }
        }
        selection
    }

    /// The verdict of one batch. `kept` is what each keep rule says of it.
    fn judge(
        &self,
        subject: &Subject<'_>,
        kept: impl Fn() -> Vec<Answer>,
        memory: &Memory,
        lists: &mut Lists<'_>,
    ) -> Verdict {
        let Selection { by, in_doubt } = self.select(subject);
        if by.is_empty() && in_doubt.is_none() {
            return Verdict::Unmatched;
        }
        let selected_by = lists.delete(&by);
        let hold = memory.holds.get(&subject.batch.id).filter(|hold| hold.until >= subject.now);
        if let Some(hold) = hold {
            return Verdict::Held { selected_by, until: hold.until, why: hold.why.clone() };
        }
        let kept = kept();
        let is_yes = |(answer, at): (&Answer, u16)| (*answer == Answer::Yes).then_some(at);
        let keeping: Vec<u16> = kept.iter().zip(0..).filter_map(is_yes).collect();
        if !keeping.is_empty() {
            return Verdict::Kept { selected_by, by: lists.keep(&keeping) };
        }
        // A doubtful delete rule counts only where no other selects the batch.
        let in_doubt = in_doubt.filter(|_| by.is_empty()).or_else(|| self.keep_in_doubt(&kept));
        if let Some((field, rule)) = in_doubt {
            return Verdict::Unknown { selected_by, field, rule: Some(rule) };
        }
        self.judge_selected(subject, &by, selected_by)
    }

    /// The first keep rule that could not be answered, and the field that it lacked.
    fn keep_in_doubt(&self, kept: &[Answer]) -> Option<(Field, RuleName)> {
        self.keep.iter().zip(kept).find_map(|(rule, answer)| match answer {
            Answer::Unknown(field) => Some((*field, rule.name.clone())),
            Answer::Yes | Answer::No => None,
        })
    }

    /// The verdict of a batch that is selected and not protected: old enough, and at rest?
    fn judge_selected(&self, subject: &Subject<'_>, selecting: &[u16], by: Rules) -> Verdict {
        match self.floor_of(subject) {
            Floor::Unknown(field) => {
                return Verdict::Unknown { selected_by: by, field, rule: None };
            }
            Floor::Until(until) => return Verdict::TooYoung { selected_by: by, until },
            Floor::Over => {}
        }
        if subject.batch.status != Fact::Known(Status::Idle) {
            return Verdict::Busy { selected_by: by, status: subject.batch.status.clone() };
        }
        let forces = |at: &u16| {
            self.delete
                .get(usize::from(*at))
                .is_some_and(|rule| rule.undelivered == Undelivered::Force)
        };
        let undelivered =
            if selecting.iter().all(forces) { Undelivered::Force } else { Undelivered::Respect };
        Verdict::Delete { by, undelivered }
    }

    /// What the floor says of a batch.
    pub(super) fn floor_of(&self, subject: &Subject<'_>) -> Floor {
        let Some(floor) = self.floor else { return Floor::Over };
        match subject.active {
            Err(field) => Floor::Unknown(field),
            Ok(active) if is_past(active, floor, subject.now) => Floor::Over,
            Ok(active) => Floor::Until(later(active, floor).unwrap_or(Timestamp::MAX_UTC)),
        }
    }
}

/// What the delete rules say of a batch.
#[derive(Debug, Default)]
struct Selection {
    /// The rules that select it, by their place.
    by: Vec<u16>,
    /// The first rule that could not be answered, and the field that it lacked.
    in_doubt: Option<(Field, RuleName)>,
}

/// What the floor `never_younger_than` says of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Floor {
    /// It is old enough.
    Over,
    /// It is not, until then.
    Until(Timestamp),
    /// This field cannot tell.
    Unknown(Field),
}

/// Lists of rule names, made once for each combination that occurs.
struct Lists<'p> {
    policy: &'p Policy,
    delete: BTreeMap<Vec<u16>, Rules>,
    keep: BTreeMap<Vec<u16>, Rules>,
}

impl<'p> Lists<'p> {
    const fn new(policy: &'p Policy) -> Self {
        Self { policy, delete: BTreeMap::new(), keep: BTreeMap::new() }
    }

    fn delete(&mut self, rules: &[u16]) -> Rules {
        let names = self.policy.delete.iter().map(|rule| &rule.name);
        named(&mut self.delete, names, rules)
    }

    fn keep(&mut self, rules: &[u16]) -> Rules {
        let names = self.policy.keep.iter().map(|rule| &rule.name);
        named(&mut self.keep, names, rules)
    }
}

/// The list of the names at these places.
fn named<'n>(
    known: &mut BTreeMap<Vec<u16>, Rules>,
    names: impl Iterator<Item = &'n RuleName>,
    rules: &[u16],
) -> Rules {
    if let Some(list) = known.get(rules) {
        return list.clone();
    }
    let chosen = names.zip(0..).filter(|(_, at)| rules.contains(at));
    let list: Rules = chosen.map(|(name, _)| name.clone()).collect();
    known.insert(rules.to_vec(), list.clone());
    list
}
