//! What a request asks for: which account, which batches, in which order, which page.
//!
//! Not here: answering. Invariant: any text is a question; what is odd falls back to what is usual, and a
//! page is bounded.

use std::cmp::Ordering;

use axum::http::Uri;

use crate::batch::{AccountName, Batch, Fact, RuleName};
use crate::clock::Timestamp;
use crate::config::{Account, Config};
use crate::policy::verdict::Verdict;
use crate::run::outlook::Outlook;

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ask {
    pairs: Vec<(String, String)>,
}

/// Which batches of an outlook are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// A text in the name, the id or the reason, in whatever case.
    pub(super) text: String,
    /// One verdict only.
    pub(super) verdict: Option<&'static str>,
    /// One rule only, keeping or deleting.
    pub(super) rule: Option<RuleName>,
    /// The order.
    pub(super) order: Order,
    /// Which page, from 1.
    pub(super) page: usize,
}

/// By what batches are ordered, and which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) by: By,
    pub(super) is_descending: bool,
}

/// By what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum By {
    /// When it may go: what goes next comes first.
    #[default]
    Goes,
    Name,
    Status,
    Created,
    LastRun,
    Verdict,
}

/// Rows of a page.
pub(super) const PAGE: usize = 100;

/// The longest text that is looked for.
const LONGEST: usize = 256;

impl Ask {
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Self { pairs: pairs.into_owned().collect() }
    }

    /// A parameter; the first, where it is there more than once.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// The account that is asked for; the first one where none is. `None` where there is no such one.
    pub(super) fn account<'c>(&self, config: &'c Config) -> Option<&'c Account> {
        match self.get("account") {
            None => config.accounts.first(),
            Some(name) => config.accounts.iter().find(|one| one.name.as_str() == name),
        }
    }

    /// The account by its name, if one is named.
    pub(super) fn account_name(&self) -> Option<AccountName> {
        self.get("account").and_then(|name| AccountName::parse(name).ok())
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.get(name)?.parse().ok()
    }

    pub(super) fn choice(&self) -> Choice {
        let verdict = self.get("verdict");
        let (by, is_descending) = match self.get("sort").unwrap_or_default() {
            text if text.starts_with('-') => (By::parse(text.trim_start_matches('-')), true),
            text => (By::parse(text), false),
        };
        Choice {
            text: self.get("q").unwrap_or_default().trim().chars().take(LONGEST).collect(),
            verdict: verdict.and_then(|name| Verdict::NAMES.into_iter().find(|one| *one == name)),
            rule: self.get("rule").and_then(|name| RuleName::parse(name).ok()),
            order: Order { by: by.unwrap_or_default(), is_descending },
            page: self.number("page").unwrap_or(1).max(1),
        }
    }
}

impl By {
    pub(super) const ALL: [Self; 6] =
        [Self::Verdict, Self::Name, Self::Status, Self::Created, Self::LastRun, Self::Goes];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Goes => "goes",
            Self::Name => "name",
            Self::Status => "status",
            Self::Created => "created",
            Self::LastRun => "last_run",
            Self::Verdict => "verdict",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }
}

impl Choice {
    /// The places of the batches that are chosen, in order: all pages.
    pub(super) fn of(&self, outlook: &Outlook) -> Vec<usize> {
        let text = self.text.to_lowercase();
        let entries = outlook.batches.iter().zip(&outlook.verdicts).enumerate();
        let chosen = entries.filter(|(_, (batch, verdict))| self.takes(batch, verdict, &text));
        let mut places: Vec<_> = chosen.map(|(place, _)| place).collect();
        // Stable, and batches come oldest first.
        places.sort_by(|a, b| {
            let order = self.order.by.compare(outlook, *a, *b);
            if self.order.is_descending { order.reverse() } else { order }
        });
        places
    }

    fn takes(&self, batch: &Batch, verdict: &Verdict, text: &str) -> bool {
        let is_of_rule = |rule: &RuleName| {
            verdict.selected_by().contains(rule) || verdict.kept_by().contains(rule)
        };
        let says = || {
            let name = batch.name.known().is_some_and(|name| name.to_lowercase().contains(text));
            name || batch.id.as_str().to_lowercase().contains(text)
                || verdict.reason().to_lowercase().contains(text)
        };
        self.verdict.is_none_or(|wanted| wanted == verdict.name())
            && self.rule.as_ref().is_none_or(is_of_rule)
            && (text.is_empty() || says())
    }
}

impl By {
    fn compare(self, outlook: &Outlook, a: usize, b: usize) -> Ordering {
        let batch = |at: usize| outlook.batches.get(at);
        let by_batch =
            |of: fn(&Batch) -> Option<Timestamp>| batch(a).and_then(of).cmp(&batch(b).and_then(of));
        match self {
            Self::Goes => goes(outlook, a).cmp(&goes(outlook, b)),
            Self::Name => batch(a).map(name).cmp(&batch(b).map(name)),
            Self::Status => batch(a).map(status).cmp(&batch(b).map(status)),
            Self::Created => by_batch(|batch| batch.created_at.known().copied()),
            Self::LastRun => by_batch(|batch| batch.last_run.known().copied()),
            Self::Verdict => rank(outlook, a).cmp(&rank(outlook, b)),
        }
    }
}

fn name(batch: &Batch) -> &str {
    batch.name.known().map_or("", AsRef::as_ref)
}

fn status(batch: &Batch) -> &str {
    match &batch.status {
        Fact::Known(status) => status.as_str(),
        Fact::Missing | Fact::Unreadable(_) => "",
    }
}

/// What goes now first, then what goes by time alone, then the rest by verdict.
fn goes(outlook: &Outlook, at: usize) -> (u8, Option<Timestamp>, usize) {
    let when = outlook.eligible.get(at).copied().flatten();
    match (outlook.verdicts.get(at), when) {
        (Some(Verdict::Delete { .. }), _) => (0, None, 0),
        (_, Some(when)) => (1, Some(when), 0),
        (_, None) => (2, None, rank(outlook, at)),
    }
}

fn rank(outlook: &Outlook, at: usize) -> usize {
    let name = outlook.verdicts.get(at).map(Verdict::name);
    Verdict::NAMES.iter().position(|one| Some(*one) == name).unwrap_or(Verdict::NAMES.len())
}
