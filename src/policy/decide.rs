//! Deciding: a verdict for each batch, from every rule's answer.
//!
//! Not here: single answers (`matcher`, `rule`, `keep`). Order of precedence, first that holds:
//! unmatched, held, kept, unknown, too young, busy, wait, delete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono_tz::Tz;

use crate::batch::{Batch, BatchId, Fact, Field, RuleName, Status, Undelivered};
use crate::clock::Timestamp;
use crate::policy::answer::Answer;
use crate::policy::keep;
use crate::policy::marker::{self, Marked};
use crate::policy::matcher::{is_past, later};
use crate::policy::memory::Memory;
use crate::policy::rule::{DeleteRule, KeepRule, all};
use crate::policy::subject::Subject;
use crate::policy::verdict::{Asker, Rules, Verdict, Waiting};

/// The validated rules of one account.
#[derive(Debug)]
pub struct Policy {
    pub(super) keep: Vec<KeepRule>,
    pub(super) delete: Vec<DeleteRule>,
    pub(super) terms: Terms,
}

/// What holds for every rule.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The floor under every delete rule; `None` where it is off.
    pub never_younger_than: Option<Duration>,
    /// How long a new or edited delete rule only plans.
    pub probation: Duration,
    /// Whether `[keep]` in a batch's name protects it.
    pub name_markers: bool,
    /// The zone that calendar days are counted in.
    pub zone: Tz,
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
    /// What each delete rule with a `grace` selects, whatever else protects it.
    pub selected: BTreeMap<RuleName, BTreeSet<BatchId>>,
}

impl Policy {
    /// Puts rules together. The order of rules does not matter.
    pub fn new(mut keep: Vec<KeepRule>, mut delete: Vec<DeleteRule>, terms: Terms) -> Self {
        keep.sort_by(|a, b| a.name.cmp(&b.name));
        delete.sort_by(|a, b| a.name.cmp(&b.name));
        Self { keep, delete, terms }
    }

    /// A memory in which every grace and every probation is over for these batches.
    pub fn nothing_to_wait_for(&self, batches: &[Batch]) -> Memory {
        let long_ago =
            || batches.iter().map(|batch| (batch.id.clone(), Timestamp::MIN_UTC)).collect();
        Memory {
            holds: BTreeMap::new(),
            selected_since: self
                .delete
                .iter()
                .map(|rule| (rule.name.clone(), long_ago()))
                .collect(),
            unchanged_since: self
                .delete
                .iter()
                .map(|rule| (rule.name.clone(), Timestamp::MIN_UTC))
                .collect(),
        }
    }

    /// Whether `[keep]` in a batch's name protects it.
    pub const fn obeys_name_markers(&self) -> bool {
        self.terms.name_markers
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
            self.keep.iter().map(|rule| keep::ask(rule, &subjects, self.terms.zone)).collect();
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
        let selected = self.selected(&subjects);
        Decision { verdicts, keep_matches: keep_matches.collect(), selected }
    }

    /// What each delete rule with a grace selects.
    fn selected(&self, subjects: &[Subject<'_>]) -> BTreeMap<RuleName, BTreeSet<BatchId>> {
        let with_grace = self.delete.iter().filter(|rule| !rule.grace.is_zero());
        let selected = |rule: &DeleteRule| {
            let its = subjects.iter().filter(|one| all(&rule.matchers, one) == Answer::Yes);
            its.map(|subject| subject.batch.id.clone()).collect()
        };
        with_grace.map(|rule| (rule.name.clone(), selected(rule))).collect()
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
        if let Some((until, why)) = self.hold(subject, memory) {
            return Verdict::Held { selected_by, until, why };
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
            return Verdict::Unknown { selected_by, field, asker: Asker::Rule(rule) };
        }
        if self.terms.name_markers && subject.batch.name.known().is_none() {
            return Verdict::Unknown { selected_by, field: Field::Name, asker: Asker::Marker };
        }
        if let Some(verdict) = self.judge_moment(subject, &selected_by) {
            return verdict;
        }
        self.judge_waiting(subject, &by, memory, lists)
    }

    /// What holds a batch by hand: a hold, or else its own name. Until when, and why.
    fn hold(
        &self,
        subject: &Subject<'_>,
        memory: &Memory,
    ) -> Option<(Option<Timestamp>, Arc<str>)> {
        static NAMED: LazyLock<Arc<str>> =
            LazyLock::new(|| "its own name says so, by `[keep …]`".into());
        let by_hand = memory.holds.get(&subject.batch.id);
        if let Some(hold) = by_hand.filter(|hold| hold.until >= subject.now) {
            return Some((Some(hold.until), hold.why.clone()));
        }
        let name = subject.batch.name.known().filter(|_| self.terms.name_markers)?;
        match marker::read(name, self.terms.zone) {
            Marked::Always => Some((None, NAMED.clone())),
            Marked::Until(until) if until >= subject.now => Some((Some(until), NAMED.clone())),
            Marked::Until(_) | Marked::No => None,
        }
    }

    /// The first keep rule that could not be answered, and the field that it lacked.
    fn keep_in_doubt(&self, kept: &[Answer]) -> Option<(Field, RuleName)> {
        self.keep.iter().zip(kept).find_map(|(rule, answer)| match answer {
            Answer::Unknown(field) => Some((*field, rule.name.clone())),
            Answer::Yes | Answer::No => None,
        })
    }

    /// Of a batch that is selected and not protected: is it old enough, and at rest? `None` if so.
    fn judge_moment(&self, subject: &Subject<'_>, by: &Rules) -> Option<Verdict> {
        let selected_by = by.clone();
        match self.floor_of(subject) {
            Floor::Unknown(field) => {
                return Some(Verdict::Unknown { selected_by, field, asker: Asker::Floor });
            }
            Floor::Until(until) => return Some(Verdict::TooYoung { selected_by, until }),
            Floor::Over => {}
        }
        let status = &subject.batch.status;
        (*status != Fact::Known(Status::Idle))
            .then(|| Verdict::Busy { selected_by, status: status.clone() })
    }

    /// Of a batch that may go but for its rules' own patience: may it go now?
    fn judge_waiting(
        &self,
        subject: &Subject<'_>,
        selecting: &[u16],
        memory: &Memory,
        lists: &mut Lists<'_>,
    ) -> Verdict {
        let rules = || {
            let rule = |at: &u16| Some((*at, self.delete.get(usize::from(*at))?));
            selecting.iter().filter_map(rule)
        };
        let waits = rules().map(|(at, rule)| (self.ready_at(rule, subject, memory), at));
        let waits: Vec<_> = waits.collect();
        let ready: Vec<u16> =
            waits.iter().filter(|((then, _), _)| *then <= subject.now).map(|(_, at)| *at).collect();
        if let Some(((until, why), _)) = waits.iter().min().filter(|_| ready.is_empty()) {
            return Verdict::Wait {
                selected_by: lists.delete(selecting),
                until: *until,
                why: *why,
            };
        }
        let all_force = rules().all(|(_, rule)| rule.undelivered == Undelivered::Force);
        let undelivered = if all_force { Undelivered::Force } else { Undelivered::Respect };
        Verdict::Delete { by: lists.delete(&ready), undelivered }
    }

    /// When a rule that selects a batch need wait no longer, and what for. A wait beyond the
    /// calendar's end never ends.
    pub(super) fn ready_at(
        &self,
        rule: &DeleteRule,
        subject: &Subject<'_>,
        memory: &Memory,
    ) -> (Timestamp, Waiting) {
        let now = subject.now;
        let id = &subject.batch.id;
        let grace = end_of(rule.grace, memory.selected_since(&rule.name, id, now));
        let probation = self.end_of_probation(memory.unchanged_since(&rule.name, now));
        if probation > grace { (probation, Waiting::Probation) } else { (grace, Waiting::Grace) }
    }

    /// When the probation of a rule ends that has been what it is since then.
    pub(super) fn end_of_probation(&self, since: Timestamp) -> Timestamp {
        end_of(self.terms.probation, since)
    }

    /// What the floor says of a batch.
    pub(super) fn floor_of(&self, subject: &Subject<'_>) -> Floor {
        let Some(floor) = self.terms.never_younger_than else { return Floor::Over };
        match subject.active {
            Err(field) => Floor::Unknown(field),
            Ok(active) if is_past(active, floor, subject.now) => Floor::Over,
            Ok(active) => Floor::Until(later(active, floor).unwrap_or(Timestamp::MAX_UTC)),
        }
    }
}

/// When a wait ends that began at that instant; a wait of nothing is always over.
fn end_of(wait: Duration, since: Timestamp) -> Timestamp {
    if wait.is_zero() {
        return Timestamp::MIN_UTC;
    }
    later(since, wait).unwrap_or(Timestamp::MAX_UTC)
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
