//! The overview: each account with its fill, what is going on, what waits for a person.

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Here, Nav};
use super::plot::{self, Day};
use super::words::Guard;
use super::{NoPage, Shown, shown, words};
use crate::batch::{BATCH_LIMIT, batches, counted};
use crate::clock::Timestamp;
use crate::config::{Account, Config};
use crate::guards::{AUDIT, Reading};
use crate::observe::board::{Activity, Progress, Step};
use crate::plan::Stamps;
use crate::policy::verdict::Verdict;
use crate::run::outlook::Outlook;
use crate::run::standing::{Standing, counts_in_words};
use crate::server::sight::Sight;
use crate::state::{Approval, OpenGuard, Run, StateError};

/// One account, as far as it can be seen.
struct Card<'a> {
    account: &'a Account,
    standing: Standing,
    activity: Activity,
    outlook: Option<Outlook>,
    approval: Option<Approval>,
    /// How many batches the stopped plan would delete.
    stopped: Option<usize>,
    days: Vec<Day>,
}

pub(super) async fn show(State(sight): State<Sight>) -> Shown {
    let config = sight.config();
    let body = cards(&sight, &config).await.map(|cards| page(&sight, &config, &cards));
    let here = Here { title: "Overview", account: None, nav: Some(Nav::Overview) };
    shown(&sight, here, body.map_err(NoPage::from)).await
}

async fn cards<'c>(sight: &Sight, config: &'c Config) -> Result<Vec<Card<'c>>, StateError> {
    let mut cards = Vec::new();
    for (account, standing) in config.accounts.iter().zip(sight.standings(config).await?) {
        cards.push(card(sight, account, standing).await?);
    }
    Ok(cards)
}

async fn card<'c>(
    sight: &Sight,
    account: &'c Account,
    standing: Standing,
) -> Result<Card<'c>, StateError> {
    let (now, state) = (sight.now(), sight.state().await?);
    let (mut approval, mut stopped) = (None, None);
    if let (Some(open), Some(state)) = (&standing.open_guard, &state) {
        approval = state.approval(&account.name, now).await?;
        let plan = state.plan(open.run_id).await?;
        let stamps = plan.and_then(|plan| serde_json::from_slice::<Stamps>(&plan).ok());
        stopped = stamps.map(|stamps| stamps.len());
    }
    let days = match &state {
        Some(state) => plot::days(state, account, now).await?,
        None => Vec::new(),
    };
    Ok(Card {
        account,
        standing,
        activity: sight.board().activity(&account.name),
        outlook: sight.outlook(account).await?,
        approval,
        stopped,
        days,
    })
}

fn page(sight: &Sight, config: &Config, cards: &[Card<'_>]) -> Markup {
    html! {
        h1 { "Overview" }
        @for card in cards { (of_account(sight, config, card)) }
    }
}

fn of_account(sight: &Sight, config: &Config, card: &Card<'_>) -> Markup {
    let (account, now) = (card.account, sight.now());
    let name = account.name.as_str();
    let id = format!("account-{name}");
    html! {
        section.account aria-labelledby=(id) {
            h2 id=(id) { (name) " " span.product { (account.api.product.as_str()) } }
            @if let Some(open) = &card.standing.open_guard { (stopped(sight, card, open)) }
            (troubles(card, now))
            dl.facts {
                dt { "Batches" }
                dd { (fill(card, now)) }
                dt { "Now" }
                dd { (doing(&card.activity, now, account)) }
                dt { "Next run" }
                dd { (next(card, now)) }
                dt { "Last run" }
                dd { (last(card.standing.last_run.as_ref(), account, now)) }
            }
            @if let Some(outlook) = &card.outlook { (verdicts(config, card, outlook)) }
            (plot::figure(&card.days, name))
        }
    }
}

/// A plan that a guard stopped: what, why, and what a person can do.
fn stopped(sight: &Sight, card: &Card<'_>, open: &OpenGuard) -> Markup {
    let (zone, name) = (card.account.zone, card.account.name.as_str());
    let guards: Vec<_> = open.guards.iter().map(|guard| format!("`{guard}`")).collect();
    let word = if guards.len() == 1 { "Guard" } else { "Guards" };
    let is_doubted = open.guards.iter().any(|guard| guard == AUDIT);
    let readings = card.outlook.iter().flat_map(|outlook| &outlook.readings);
    let told = readings.filter(|one| one.tripped && open.guards.iter().any(|it| it == one.guard));
    html! {
        div.notice.alarm role="alert" {
            h3 { "Stopped: nothing is deleted until you decide" }
            p {
                (word) " " (words::ticked(&crate::batch::and_list(&guards))) " stopped this account, first at "
                (words::instant(open.since, zone)) ", last in run "
                a href={ "/runs/" (open.run_id) } { code { (open.run_id) } } "."
                @if let Some(count) = card.stopped {
                    " Its plan would delete " strong { (batches(count)) } "."
                }
            }
            @for reading in told { p.detail { (words::ticked(&reading.detail)) } }
            @if let Some(approval) = &card.approval {
                p.well {
                    "Approved by " (crate::batch::escaped(&approval.by)) " at "
                    (words::instant(approval.approved_at, zone))
                    ": the next run deletes these batches, unless they changed. Good until "
                    (words::instant(approval.expires_at, zone)) "."
                }
            } @else if is_doubted {
                p {
                    "The two ways in which this program decides do not agree. That is a bug, and cannot be \
                     approved; please report it with what this prints: "
                    code { (sight.hand().types(&format!("plan --account {name}"))) }
                }
            } @else {
                ol {
                    li {
                        "Look at what would go: "
                        a href={ "/plan?account=" (name) "&verdict=delete" } { "the plan of now" } "."
                    }
                    li {
                        "If all of these should go, let exactly this plan pass, once, within 24 hours: "
                        code.command { (sight.hand().types(&format!("approve {}", open.run_id))) }
                    }
                    li {
                        "If not, change the rules or the limit in the file, or hold what must stay; "
                        "the guard opens by itself as soon as a plan fits."
                    }
                }
            }
        }
    }
}

/// What else is not as it should be.
fn troubles(card: &Card<'_>, now: Timestamp) -> Markup {
    let (activity, zone) = (&card.activity, card.account.zone);
    let foreseen = card.outlook.iter().flat_map(|outlook| &outlook.readings);
    let foreseen: Vec<&Reading> = foreseen.filter(|reading| reading.tripped).collect();
    let is_stopped = card.standing.open_guard.is_some();
    html! {
        @if let Some(trouble) = &activity.state_trouble {
            div.notice.alarm role="alert" { p { "The state cannot be used: " (trouble) } }
        }
        @if let Some(by) = &activity.held_by {
            div.notice role="status" {
                p { "Another process has this account: " (crate::batch::escaped(by)) ". This one stands by." }
            }
        }
        @if let Some(until) = activity.paused_until.filter(|until| *until > now) {
            div.notice role="status" {
                p { "The API asked for quiet: all calls wait until " (words::instant(until, zone)) "." }
            }
        }
        @if let Some((at, missed)) = &activity.missed {
            div.notice role="status" {
                p { (counted(*missed as u64, "firing", "firings")) " missed, as of "
                    (words::instant(*at, zone)) "." }
            }
        }
        @if !is_stopped && !foreseen.is_empty() {
            div.notice role="status" {
                h3 { "A guard would stop the next run" }
                @for reading in foreseen { p.detail { code { (reading.guard) } ": " (words::ticked(&reading.detail)) } }
            }
        }
    }
}

fn fill(card: &Card<'_>, now: Timestamp) -> Markup {
    let Some(outlook) = &card.outlook else {
        return html! { "not known: no complete listing is remembered" };
    };
    let count = outlook.batches.len();
    let percent = count as u64 * 100 / BATCH_LIMIT;
    let level = match percent {
        90.. => "alarm",
        75.. => "warn",
        _ => "well",
    };
    let width = (count as u64 * 300 / BATCH_LIMIT).min(300);
    html! {
        strong { (count) } " of " (BATCH_LIMIT) " (" (percent) " %), listed "
        (words::from_now(outlook.listed_at, now, card.account.zone))
        svg.fill viewBox="0 0 300 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.rest x="0" y="0" width="300" height="10" rx="3" {}
            rect class=(level) x="0" y="0" width=(width) height="10" rx="3" {}
        }
    }
}

fn doing(activity: &Activity, now: Timestamp, account: &Account) -> Markup {
    match &activity.running {
        None => html! { "at rest" },
        Some(progress) => html! {
            (step(progress)) ", since " (words::from_now(progress.began, now, account.zone))
        },
    }
}

fn step(progress: &Progress) -> String {
    let kind = if progress.dry_run { "dry run: " } else { "" };
    match progress.step {
        Step::Listing { page: 0, .. } => format!("{kind}listing"),
        Step::Listing { page, pages } => format!("{kind}listing, page {page} of {pages}"),
        Step::Deciding => format!("{kind}deciding"),
        Step::Deleting { done, of } => format!("{kind}deleting, {done} of {of} done"),
        Step::Waiting { busy } => format!("{kind}waiting for {} that are busy", batches(busy)),
        Step::Proving => format!("{kind}listing once more, to prove the deletions"),
    }
}

fn next(card: &Card<'_>, now: Timestamp) -> Markup {
    let zone = card.account.zone;
    let firing = card.standing.next_run.as_ref().map(|firing| firing.at);
    let Some(at) = card.activity.next_at.filter(|at| *at > now).or(firing) else {
        return html! { "only by hand" };
    };
    html! { (words::instant(at, zone)) " (" (words::relative(at - now)) ")" }
}

fn last(run: Option<&Run>, account: &Account, now: Timestamp) -> Markup {
    let Some(run) = run else { return html! { "none is remembered" } };
    let began = run.begin.began;
    html! {
        a href={ "/runs/" (run.begin.run_id) } { (words::from_now(began, now, account.zone)) } ": "
        @match &run.end {
            None => { "under way, or killed" }
            Some(end) => {
                span class=(super::runs::level(end)) { (super::runs::outcome(&end.outcome)) }
                ", " (counts_in_words(end))
                @if let Some(error) = &end.error { br; span.detail { (error) } }
            }
        }
    }
}

/// What a run would do now.
fn verdicts(config: &Config, card: &Card<'_>, outlook: &Outlook) -> Markup {
    let counts = outlook.counts();
    let name = card.account.name.as_str();
    let guard = Guard::from(card.standing.open_guard.is_some());
    let would = if config.dry_run {
        "What a run would do if it were no dry run"
    } else {
        "What a run would do now"
    };
    html! {
        h3 { (would) }
        ul.verdicts {
            @for verdict in Verdict::NAMES {
                @let count = counts.get(verdict).copied().unwrap_or(0);
                @if count > 0 || verdict == "delete" {
                    li {
                        a class={ "chip " (verdict) } href={ "/plan?account=" (name) "&verdict=" (verdict) } {
                            strong { (count) } " " (words::verdict(verdict))
                        }
                        " " span.detail { (words::meaning(verdict, guard)) }
                    }
                }
            }
        }
    }
}
