//! The plan of now: every batch of the last listing with its verdict and reason, to search and to order.

use axum::extract::State;
use axum::http::Uri;
use maud::{Markup, html};

use super::frame::{self, Here, Nav};
use super::words::{self, Goes, Guard};
use super::{NoPage, Shown, shown};
use crate::batch::{Batch, Fact, RuleName, batches, escaped};
use crate::config::{Account, Config};
use crate::policy::verdict::Verdict;
use crate::run::outlook::Outlook;
use crate::server::ask::{Ask, By, Choice, PAGE};
use crate::server::sight::Sight;

/// What the table is made of.
struct Table<'a> {
    account: &'a Account,
    outlook: &'a Outlook,
    choice: &'a Choice,
    /// Whether a guard holds the plan up.
    guard: Guard,
}

pub(super) async fn show(State(sight): State<Sight>, uri: Uri) -> Shown {
    let (config, ask) = (sight.config(), Ask::of(&uri));
    let account = ask.account(&config);
    let name = account.map(|account| account.name.as_str());
    let body = match account {
        Some(account) => page(&sight, &config, account, &ask.choice()).await,
        None => Err(NoPage::Missing("There is no such account in the file.".to_owned())),
    };
    shown(&sight, Here { title: "Plan", account: name, nav: Some(Nav::Plan) }, body).await
}

async fn page(
    sight: &Sight,
    config: &Config,
    account: &Account,
    choice: &Choice,
) -> Result<Markup, NoPage> {
    let name = account.name.as_str();
    let head = html! {
        h1 { "Plan of " (name) }
        (frame::accounts(config, "/plan", name))
    };
    let Some(outlook) = sight.outlook(account).await? else {
        return Ok(html! {
            (head)
            p { "No complete listing of this account is remembered yet: the first run makes one." }
        });
    };
    let table = Table { account, outlook: &outlook, choice, guard: guard(sight, account).await? };
    Ok(html! {
        (head)
        (said(config, &table))
        (form(&table))
        (table.shown())
    })
}

/// Whether a guard stops the account.
pub(super) async fn guard(sight: &Sight, account: &Account) -> Result<Guard, NoPage> {
    let Some(state) = sight.state().await? else { return Ok(Guard::Quiet) };
    Ok(state.guard_open(&account.name).await?.is_some().into())
}

fn said(config: &Config, table: &Table<'_>) -> Markup {
    let (outlook, zone) = (table.outlook, table.account.zone);
    html! {
        p {
            "What a run would make of the " (batches(outlook.batches.len())) " listed at "
            (words::instant(outlook.listed_at, zone))
            ", were it to begin now. A run lists anew, and looks at each batch again right before it deletes it."
            @if config.dry_run { " Dry run is on: nothing is deleted." }
        }
        @if table.guard == Guard::Open {
            div.notice.alarm role="alert" {
                p { "A guard stopped this account: nothing is deleted until you decide. "
                    a href="/" { "How" } }
            }
        }
    }
}

fn form(table: &Table<'_>) -> Markup {
    let choice = table.choice;
    let counts = table.outlook.counts();
    let (keep, delete) = (table.account.rules.keep.keys(), table.account.rules.delete.keys());
    let rules: Vec<&RuleName> = delete.chain(keep).collect();
    html! {
        form.search role="search" action="/plan" method="get" {
            input type="hidden" name="account" value=(table.account.name.as_str());
            input type="hidden" name="sort" value=(sort_word(choice));
            label { "Search " input type="search" name="q" value=(choice.text) placeholder="name, id or reason"; }
            label {
                "Verdict "
                select name="verdict" {
                    option value="" { "any" }
                    @for name in Verdict::NAMES {
                        @let count = counts.get(name).copied().unwrap_or(0);
                        option value=(name) selected[choice.verdict == Some(name)] {
                            (words::verdict(name)) " (" (count) ")"
                        }
                    }
                }
            }
            label {
                "Rule "
                select name="rule" {
                    option value="" { "any" }
                    @for rule in rules {
                        option value=(rule.as_str()) selected[choice.rule.as_ref() == Some(rule)] { (rule.as_str()) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn sort_word(choice: &Choice) -> String {
    let sign = if choice.order.is_descending { "-" } else { "" };
    format!("{sign}{}", choice.order.by.word())
}

impl Table<'_> {
    fn shown(&self) -> Markup {
        let places = self.choice.of(self.outlook);
        let pages = places.len().div_ceil(PAGE).max(1);
        let page = self.choice.page.min(pages);
        let first = (page - 1) * PAGE;
        let rows: Vec<_> = places.iter().skip(first).take(PAGE).collect();
        let last = first + rows.len();
        html! {
            p role="status" {
                @if places.is_empty() { "No batch is like that." }
                @else { (first + 1) "–" (last) " of " (batches(places.len())) }
            }
            @if !rows.is_empty() {
                div.scroll {
                    table.plan {
                        caption.quiet { "Batches of " (self.account.name.as_str()) ", one a row" }
                        thead { tr { @for (by, title) in COLUMNS { (self.head(by, title)) } } }
                        tbody { @for place in rows { (self.row(*place)) } }
                    }
                }
            }
            (self.pager(page, pages))
        }
    }

    /// A column's head: a link that orders by it, and the other way round where it does already.
    fn head(&self, by: Option<By>, title: &str) -> Markup {
        let Some(by) = by else { return html! { th scope="col" { (title) } } };
        let order = self.choice.order;
        let is_by = order.by == by;
        let (sorted, mark) = match (is_by, order.is_descending) {
            (true, false) => (Some("ascending"), " ▲"),
            (true, true) => (Some("descending"), " ▼"),
            (false, _) => (None, ""),
        };
        let sign = if is_by && !order.is_descending { "-" } else { "" };
        let sort = format!("{sign}{}", by.word());
        html! {
            th scope="col" aria-sort=[sorted] { a href=(self.address(&sort, 1)) { (title) (mark) } }
        }
    }

    fn row(&self, place: usize) -> Markup {
        let (account, outlook) = (self.account, self.outlook);
        let (Some(batch), Some(verdict)) =
            (outlook.batches.get(place), outlook.verdicts.get(place))
        else {
            return html! {};
        };
        let (now, zone) = (outlook.now, account.zone);
        let never = if batch.never_ran().is_some() { "never" } else { "unknown" };
        let eligible = outlook.eligible.get(place).copied().flatten();
        let goes = Goes::of(verdict, eligible, self.guard);
        html! {
            tr {
                td data-label="Verdict" {
                    span class={ "chip " (verdict.name()) } { (words::verdict(verdict.name())) }
                }
                th scope="row" data-label="Batch" {
                    a href={ "/batches/" (batch.id) "?account=" (account.name.as_str()) } {
                        (batch.shown_name())
                    }
                    br;
                    code.id { (batch.id) }
                }
                td data-label="Status" { (status(batch)) }
                td.when data-label="Created" { (words::fact(&batch.created_at, now, zone, "unknown")) }
                td.when data-label="Last run" { (words::fact(&batch.last_run, now, zone, never)) }
                td data-label="Goes" { (goes.short(account, now)) }
                td.reason data-label="Why" { (words::ticked(&verdict.reason())) }
            }
        }
    }

    fn pager(&self, page: usize, pages: usize) -> Markup {
        let sort = sort_word(self.choice);
        html! {
            @if pages > 1 {
                nav.pager aria-label="Pages of the table" {
                    @if page > 1 {
                        a rel="prev" href=(self.address(&sort, page - 1)) { "← Before" }
                    }
                    span { "Page " (page) " of " (pages) }
                    @if page < pages {
                        a rel="next" href=(self.address(&sort, page + 1)) { "After →" }
                    }
                }
            }
        }
    }

    /// The address of the same choice, otherwise ordered or on another page.
    fn address(&self, sort: &str, page: usize) -> String {
        let choice = self.choice;
        let path = "/plan?";
        let mut query = url::form_urlencoded::Serializer::for_suffix(path.to_owned(), path.len());
        query.append_pair("account", self.account.name.as_str());
        for (name, value) in [
            ("q", choice.text.as_str()),
            ("verdict", choice.verdict.unwrap_or_default()),
            ("rule", choice.rule.as_ref().map_or("", RuleName::as_str)),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("sort", sort);
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        query.finish()
    }
}

/// The table's columns; a reason is no order.
const COLUMNS: [(Option<By>, &str); 7] = [
    (Some(By::Verdict), "Verdict"),
    (Some(By::Name), "Batch"),
    (Some(By::Status), "Status"),
    (Some(By::Created), "Created"),
    (Some(By::LastRun), "Last run"),
    (Some(By::Goes), "Goes"),
    (None, "Why"),
];

/// A batch's status, escaped and short.
pub(super) fn status(batch: &Batch) -> String {
    let text = match &batch.status {
        Fact::Known(status) => escaped(status.as_str()),
        Fact::Missing => "missing".to_owned(),
        Fact::Unreadable(_) => "unreadable".to_owned(),
    };
    text.chars().take(60).collect()
}
