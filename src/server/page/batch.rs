//! One batch: what becomes of it and why, when, and what was done to it before.

use axum::extract::{Path, State};
use axum::http::Uri;
use maud::{Markup, html};

use super::frame::{Here, Nav};
use super::words::{self, Goes, Kind};
use super::{NoPage, Shown, plan, shown};
use crate::batch::{BatchId, escaped};
use crate::config::Account;
use crate::policy::{RuleKind, RuleTrace};
use crate::run::explained::{BatchPast, Explained};
use crate::server::ask::Ask;
use crate::server::find::{Found, find};
use crate::server::sight::Sight;
use crate::state::Deletion;

pub(super) async fn show(State(sight): State<Sight>, Path(id): Path<String>, uri: Uri) -> Shown {
    let (config, ask) = (sight.config(), Ask::of(&uri));
    let here = Here { title: "Batch", account: ask.get("account"), nav: Some(Nav::Plan) };
    let missing =
        || NoPage::Missing("No account has a batch of that id, and none was deleted.".to_owned());
    let Ok(id) = BatchId::parse(&id) else { return shown(&sight, here, Err(missing())).await };
    let body = match find(&sight, &config.accounts, &ask, &id).await {
        Err(error) => Err(error.into()),
        Ok(None) => Err(missing()),
        Ok(Some(Found::Listed(account, explained))) => listed(&sight, account, &explained).await,
        Ok(Some(Found::Gone(account, past))) => Ok(gone(&sight, account, &id, &past)),
    };
    shown(&sight, here, body).await
}

async fn listed(sight: &Sight, account: &Account, explained: &Explained) -> Result<Markup, NoPage> {
    let Explained { batch, explanation, past } = explained;
    let name = account.name.as_str();
    let verdict = explanation.verdict.name();
    let guard = plan::guard(sight, account).await?;
    let goes = Goes::of(&explanation.verdict, explanation.eligible_at, guard);
    let kind = if sight.config().dry_run { Kind::Dry } else { Kind::Real };
    Ok(html! {
        h1 { (batch.shown_name()) }
        p.quiet { code.id { (batch.id) } " in account "
            a href={ "/plan?account=" (name) } { (name) } }
        p.verdict {
            span class={ "chip " (verdict) } { (words::verdict(verdict)) } " "
            (words::ticked(&explanation.sentence())) "."
        }
        p { (goes.sentence(account, sight.now(), kind)) }
        (hold(account, past))
        (facts(explained, account, sight))
        h2 { "What each rule says" }
        (rules(&explanation.rules))
        h2 { "What was done to it" }
        (deletions(&past.deletions, account))
        (commands(sight, account, &batch.id, past))
    })
}

fn gone(sight: &Sight, account: &Account, id: &BatchId, past: &BatchPast) -> Markup {
    let name = past.deletions.last().map(|deletion| deletion.entry.name.as_str());
    html! {
        h1 { (super::runs::name(name.unwrap_or_default())) }
        p.quiet { code.id { (id) } " in account "
            a href={ "/plan?account=" (account.name.as_str()) } { (account.name.as_str()) } }
        p { "It is not in the last listing of this account any more." }
        h2 { "What was done to it" }
        (deletions(&past.deletions, account))
        p { "The same in a terminal: "
            code.command { (sight.hand().types(&format!("history --batch {id}"))) } }
    }
}

fn hold(account: &Account, past: &BatchPast) -> Markup {
    html! {
        @if let Some(hold) = &past.hold {
            div.notice.well {
                p {
                    "Held by hand until " (words::instant(hold.until, account.zone)) ": "
                    (escaped(&hold.why).chars().take(200).collect::<String>())
                }
            }
        }
    }
}

fn facts(explained: &Explained, account: &Account, sight: &Sight) -> Markup {
    let (batch, now, zone) = (&explained.batch, sight.now(), account.zone);
    let never = if batch.never_ran().is_some() { "never" } else { "unknown" };
    let number = |fact: &crate::batch::Fact<u64>| {
        fact.known().map_or_else(|| "unknown".to_owned(), ToString::to_string)
    };
    html! {
        dl.facts {
            dt { "Status" } dd { (plan::status(batch)) }
            dt { "Created" } dd { (words::fact(&batch.created_at, now, zone, "unknown")) }
            dt { "Last run" } dd { (words::fact(&batch.last_run, now, zone, never)) }
            dt { "Searches" } dd { (number(&batch.searches)) }
            dt { "Result sets" } dd { (number(&batch.results_count)) }
        }
    }
}

fn rules(rules: &[RuleTrace]) -> Markup {
    html! {
        @if rules.is_empty() { p { "No rule serves this account." } }
        @else {
            div.scroll {
                table.rules {
                    caption.quiet { "Each rule, and what it asks for" }
                    thead { tr {
                        th scope="col" { "Rule" } th scope="col" { "Answer" }
                        th scope="col" { "Asks for" } th scope="col" { "Wanted" } th scope="col" { "Seen" }
                    } }
                    @for rule in rules { (of_rule(rule)) }
                }
            }
        }
    }
}

fn of_rule(rule: &RuleTrace) -> Markup {
    let kind = match rule.kind {
        RuleKind::Keep => "keep",
        RuleKind::Delete => "delete",
    };
    let cut = |text: &str| escaped(text).chars().take(120).collect::<String>();
    html! {
        tbody {
            tr.rule {
                th scope="rowgroup" data-label="Rule" { (kind) " " (rule.rule.as_str()) }
                td data-label="Answer" { strong class={ "answer " (rule.answer.name()) } { (rule.answer.name()) } }
                td.none {} td.none {} td.none {}
            }
            @for matcher in &rule.matchers {
                tr {
                    td.none {}
                    td data-label="Answer" { span class={ "answer " (matcher.answer.name()) } { (matcher.answer.name()) } }
                    td data-label="Asks for" { code { (matcher.matcher) } }
                    td data-label="Wanted" { (cut(&matcher.wanted)) }
                    td data-label="Seen" { (words::ticked(&cut(&matcher.seen))) }
                }
            }
        }
    }
}

fn deletions(deletions: &[Deletion], account: &Account) -> Markup {
    html! {
        @if deletions.is_empty() { p { "Nothing yet." } }
        @else {
            ul.past {
                @for deletion in deletions {
                    li {
                        (words::instant(deletion.at(), account.zone)) ": "
                        strong { (deletion.word().replace('_', " ")) } ", by rule "
                        code { (deletion.entry.rule.as_str()) } ", in run "
                        a href={ "/runs/" (deletion.entry.run_id) } { code { (deletion.entry.run_id) } }
                        @if let Some(detail) = deletion.outcome.as_ref().and_then(|outcome| outcome.detail.as_deref()) {
                            " (" (escaped(detail)) ")"
                        }
                    }
                }
            }
        }
    }
}

fn commands(sight: &Sight, account: &Account, id: &BatchId, past: &BatchPast) -> Markup {
    let hand = sight.hand();
    let of_account = |command: &str| hand.types(&format!("{command} --account {}", account.name));
    html! {
        h2 { "From a terminal" }
        dl.commands {
            dt { "The same, asked of the API now" }
            dd { code.command { (of_account(&format!("explain {id}"))) } }
            @if past.hold.is_some() {
                dt { "Protect it no longer" }
                dd { code.command { (of_account(&format!("release {id}"))) } }
            } @else {
                dt { "Protect it by hand" }
                dd { code.command { (of_account(&format!("hold {id} --until DATE --why TEXT"))) } }
            }
        }
    }
}
