//! Every rule's answer for one batch, as `explain` writes it.

use serde::Serialize;

use crate::batch::{BatchId, Status};
use crate::clock::Timestamp;
use crate::config::Account;
use crate::document::deletion::DeletionDocument;
use crate::document::hold::HoldDocument;
use crate::policy::RuleTrace;
use crate::policy::answer::Answer;
use crate::run::explained::{BatchPast, Explained};

/// What one account says of the batch.
#[derive(Debug, Serialize)]
pub struct FoundDocument<'a> {
    account: &'a str,
    batch: BatchDocument<'a>,
    verdict: Option<&'static str>,
    reason: String,
    rules: Vec<RuleDocument<'a>>,
    eligible_at: Option<Timestamp>,
    holds: Vec<HoldDocument<'a>>,
    history: Vec<DeletionDocument<'a>>,
}

/// The batch itself.
#[derive(Debug, Serialize)]
struct BatchDocument<'a> {
    id: &'a str,
    name: Option<&'a str>,
    status: Option<&'a str>,
    created_at: Option<Timestamp>,
    last_run: Option<Timestamp>,
}

/// One rule's answer.
#[derive(Debug, Serialize)]
struct RuleDocument<'a> {
    rule: &'a str,
    kind: &'static str,
    answer: &'static str,
    matchers: Vec<MatcherDocument<'a>>,
}

/// One matcher's part in it.
#[derive(Debug, Serialize)]
struct MatcherDocument<'a> {
    matcher: &'a str,
    wanted: &'a str,
    seen: &'a str,
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl<'a> FoundDocument<'a> {
    /// Of a batch that is listed.
    pub fn of(account: &'a Account, explained: &'a Explained) -> Self {
        let Explained { batch, explanation, past } = explained;
        Self {
            account: account.name.as_str(),
            batch: BatchDocument {
                id: batch.id.as_str(),
                name: batch.name.known().map(AsRef::as_ref),
                status: batch.status.known().map(Status::as_str),
                created_at: batch.created_at.known().copied(),
                last_run: batch.last_run.known().copied(),
            },
            verdict: Some(explanation.verdict.name()),
            reason: explanation.verdict.reason(),
            rules: explanation.rules.iter().map(of_rule).collect(),
            eligible_at: explanation.eligible_at,
            holds: past.hold.iter().map(HoldDocument::of).collect(),
            history: past.deletions.iter().map(DeletionDocument::of).collect(),
        }
    }

    /// Of a batch that is not there any more.
    pub fn of_gone(account: &'a Account, id: &'a BatchId, past: &'a BatchPast) -> Self {
        let name = past.deletions.last().map(|deletion| deletion.entry.name.as_str());
        Self {
            account: account.name.as_str(),
            batch: BatchDocument {
                id: id.as_str(),
                name,
                status: None,
                created_at: None,
                last_run: None,
            },
            verdict: None,
            reason: "it is not in the account any more".to_owned(),
            rules: Vec::new(),
            eligible_at: None,
            holds: past.hold.iter().map(HoldDocument::of).collect(),
            history: past.deletions.iter().map(DeletionDocument::of).collect(),
        }
    }
}

fn of_rule(rule: &RuleTrace) -> RuleDocument<'_> {
    let matchers = rule.matchers.iter().map(|matcher| MatcherDocument {
        matcher: matcher.matcher,
        wanted: &matcher.wanted,
        seen: &matcher.seen,
        answer: matcher.answer.name(),
        field: match matcher.answer {
            Answer::Unknown(field) => Some(field.as_str()),
            Answer::Yes | Answer::No => None,
        },
    });
    RuleDocument {
        rule: rule.rule.as_str(),
        kind: rule.kind.name(),
        answer: rule.answer.name(),
        matchers: matchers.collect(),
    }
}
