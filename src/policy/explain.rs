//! Explaining: every rule's answer for one batch, with what each matcher wanted and saw.
//!
//! Not here: the sentence of a verdict (`verdict`), how it is shown (`cli`).
//! Invariant: the verdict shown is the one that `decide` gives.

use crate::batch::{Batch, Fact, RuleName};
use crate::clock::Timestamp;
use crate::policy::answer::Answer;
use crate::policy::decide::{Floor, Policy};
use crate::policy::keep;
use crate::policy::matcher::{Matcher, later, shown};
use crate::policy::memory::Memory;
use crate::policy::rule::{DeleteRule, KeepRule, all};
use crate::policy::subject::Subject;
use crate::policy::verdict::{Verdict, lacking, protected};

/// Whether a rule keeps or deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// Its matches stay.
    Keep,
    /// Its matches may go.
    Delete,
}

impl RuleKind {
    /// The kind's name in the file and the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
        }
    }
}

/// One matcher's part in a rule's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherTrace {
    /// Its key in the file.
    pub matcher: &'static str,
    /// What the rule asks for.
    pub wanted: String,
    /// What the batch has; text from the API, not escaped.
    pub seen: String,
    /// The answer.
    pub answer: Answer,
}

/// One rule's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrace {
    /// The rule.
    pub rule: RuleName,
    /// Whether it keeps or deletes.
    pub kind: RuleKind,
    /// The answer.
    pub answer: Answer,
    /// What it is made of.
    pub matchers: Vec<MatcherTrace>,
}

/// Everything that the policy has to say of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// Every rule, keep rules first.
    pub rules: Vec<RuleTrace>,
    /// When it may go if nothing else changes; `None` where more than time stands in the way.
    pub eligible_at: Option<Timestamp>,
}

impl Explanation {
    /// The verdict in one sentence, with what else stands in the way or does not.
    pub fn sentence(&self) -> String {
        let reason = self.verdict.reason();
        match &self.verdict {
            Verdict::Delete { .. } => format!("{reason}, and no keep rule protects it"),
            Verdict::Unmatched => {
                let keeps =
                    |rule: &&RuleTrace| rule.kind == RuleKind::Keep && rule.answer == Answer::Yes;
                let keeping: Vec<_> =
                    self.rules.iter().filter(keeps).map(|rule| rule.rule.clone()).collect();
                if keeping.is_empty() {
                    reason
                } else {
                    format!("{reason}, and {}", protected(&keeping))
                }
            }
            // The sentence stands behind the verdict's name.
            Verdict::Held { .. } => {
                reason.trim_start_matches("held").trim_start_matches([':', ' ']).to_owned()
            }
            Verdict::Wait { .. }
            | Verdict::Busy { .. }
            | Verdict::TooYoung { .. }
            | Verdict::Unknown { .. }
            | Verdict::Kept { .. } => reason,
        }
    }
}

impl Policy {
    /// Explains the batch at `index` of an inventory; `None` if there is none.
    pub fn explain(
        &self,
        batches: &[Batch],
        index: usize,
        memory: &Memory,
        now: Timestamp,
    ) -> Option<Explanation> {
        let subjects: Vec<_> = batches.iter().map(|batch| Subject::new(batch, now)).collect();
        let subject = subjects.get(index)?;
        let verdict = self.decide(batches, memory, now).verdicts.into_iter().nth(index)?;
        let keep = self.keep.iter().map(|rule| self.trace_keep(rule, &subjects, index));
        let delete = self.delete.iter().map(|rule| RuleTrace {
            rule: rule.name.clone(),
            kind: RuleKind::Delete,
            answer: all(&rule.matchers, subject),
            matchers: trace(&rule.matchers, subject),
        });
        let rules: Vec<_> = keep.chain(delete).collect();
        let stays = |rule: &RuleTrace| rule.kind == RuleKind::Keep && rule.answer != Answer::No;
        let is_protected = rules.iter().any(stays);
        let eligible_at =
            if is_protected { None } else { self.eligible_at(subject, &verdict, memory) };
        Some(Explanation { verdict, rules, eligible_at })
    }

    /// When each batch of an inventory may go if nothing else changes, given its verdict: as
    /// [`Policy::explain`] says it.
    pub fn eligible_times(
        &self,
        batches: &[Batch],
        verdicts: &[Verdict],
        memory: &Memory,
        now: Timestamp,
    ) -> Vec<Option<Timestamp>> {
        let subjects: Vec<_> = batches.iter().map(|batch| Subject::new(batch, now)).collect();
        let kept = self.keep.iter().map(|rule| keep::ask(rule, &subjects, self.terms.zone));
        let kept: Vec<_> = kept.collect();
        let of_one = |(index, (subject, verdict)): (usize, (&Subject<'_>, &Verdict))| {
            let is_protected = kept.iter().any(|kept| kept.of(index) != Answer::No);
            if is_protected { None } else { self.eligible_at(subject, verdict, memory) }
        };
        subjects.iter().zip(verdicts).enumerate().map(of_one).collect()
    }

    fn trace_keep(&self, rule: &KeepRule, subjects: &[Subject<'_>], index: usize) -> RuleTrace {
        let kept = keep::ask(rule, subjects, self.terms.zone);
        let mut matchers =
            subjects.get(index).map_or_else(Vec::new, |subject| trace(&rule.matchers, subject));
        let answer = kept.of(index);
        if !rule.counts.is_empty() {
            matchers.extend(self.trace_counts(rule, subjects, index, answer));
        }
        RuleTrace { rule: rule.name.clone(), kind: RuleKind::Keep, answer, matchers }
    }

    /// The counts, as if they were matchers: where the batch stands in its group.
    fn trace_counts(
        &self,
        rule: &KeepRule,
        subjects: &[Subject<'_>],
        index: usize,
        answer: Answer,
    ) -> Vec<MatcherTrace> {
        let place = keep::place(rule, subjects, self.terms.zone, index);
        let seen = match (&place, answer) {
            (Some(place), _) => {
                let group = place.group.as_ref();
                let group = group.map_or_else(String::new, |name| format!(" of group `{name}`"));
                format!("number {} of {}{group}, newest first", place.rank, place.of)
            }
            (None, Answer::Unknown(field)) => format!("not counted: {}", lacking(field)),
            (None, Answer::Yes | Answer::No) => "not counted: no match of the rule".to_owned(),
        };
        let numbers = rule.counts.numbers().into_iter();
        let wanted = numbers
            .filter_map(|(name, count)| Some((name, count?.to_string())))
            .chain(rule.counts.within.map(|time| ("within", shown(time))));
        wanted
            .map(|(matcher, wanted)| MatcherTrace {
                matcher,
                wanted,
                seen: seen.clone(),
                answer: match &place {
                    Some(place) => place.kept_by.contains(&matcher).into(),
                    None => answer,
                },
            })
            .collect()
    }

    /// When time alone makes it deletable: by the earliest delete rule that selects it, or of which
    /// only ages say no, and not before the floor ends.
    fn eligible_at(
        &self,
        subject: &Subject<'_>,
        verdict: &Verdict,
        memory: &Memory,
    ) -> Option<Timestamp> {
        match verdict {
            Verdict::Unmatched | Verdict::TooYoung { .. } | Verdict::Wait { .. } => {}
            Verdict::Delete { .. }
            | Verdict::Busy { .. }
            | Verdict::Unknown { .. }
            | Verdict::Kept { .. }
            | Verdict::Held { .. } => return None,
        }
        // Time makes such a field known too, and so other rules may come true sooner: nobody can say.
        let is_ahead = |time: &Fact<Timestamp>| time.known().is_some_and(|at| *at > subject.now);
        if is_ahead(&subject.batch.created_at) || is_ahead(&subject.batch.last_run) {
            return None;
        }
        let by_rule = self.delete.iter().filter_map(|rule| self.lets_go_at(rule, subject, memory));
        let by_rule = by_rule.min()?;
        match self.floor_of(subject) {
            Floor::Over => Some(by_rule),
            Floor::Until(until) => Some(by_rule.max(until)),
            Floor::Unknown(_) => None,
        }
    }

    /// When a rule lets the batch go by time alone. One that has yet to come true waits for its grace
    /// from then on, for its probation from now on.
    fn lets_go_at(
        &self,
        rule: &DeleteRule,
        subject: &Subject<'_>,
        memory: &Memory,
    ) -> Option<Timestamp> {
        if all(&rule.matchers, subject) == Answer::Yes {
            return Some(self.ready_at(rule, subject, memory).0);
        }
        let selected = later(comes_true_at(&rule.matchers, subject)?, rule.grace)?;
        let changed = memory.unchanged_since(&rule.name, subject.now);
        Some(selected.max(self.end_of_probation(changed)))
    }
}

/// When a rule comes true by time alone; `None` where another matcher says no, or nobody can say.
fn comes_true_at(matchers: &[Matcher], subject: &Subject<'_>) -> Option<Timestamp> {
    let mut latest = None;
    for matcher in matchers {
        match matcher.answer(subject) {
            Answer::Yes => {}
            Answer::Unknown(_) => return None,
            Answer::No => latest = latest.max(Some(matcher.comes_true_at(subject)?)),
        }
    }
    latest
}

fn trace(matchers: &[Matcher], subject: &Subject<'_>) -> Vec<MatcherTrace> {
    matchers
        .iter()
        .map(|matcher| MatcherTrace {
            matcher: matcher.name(),
            wanted: matcher.wanted(),
            seen: matcher.seen(subject),
            answer: matcher.answer(subject),
        })
        .collect()
}
