//! The frame of every page: head, navigation, what holds for all accounts, foot.

use maud::{DOCTYPE, Markup, html};

use super::words;
use crate::config::Config;
use crate::server::sight::Sight;

/// Where a page stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) title: &'a str,
    /// The account that it is about, if it is about one.
    pub(super) account: Option<&'a str>,
    /// The entry of the navigation that it belongs to.
    pub(super) nav: Option<Nav>,
}

/// The navigation's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nav {
    Overview,
    Plan,
    Runs,
}

impl Nav {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Overview, "/", "Overview"),
        (Self::Plan, "/plan", "Plan"),
        (Self::Runs, "/runs", "Runs"),
    ];
}

impl<'a> Here<'a> {
    pub(super) const fn of(title: &'a str) -> Self {
        Self { title, account: None, nav: None }
    }
}

pub(super) fn frame(sight: &Sight, here: Here<'_>, body: &Markup) -> Markup {
    let config = sight.config();
    let version = env!("CARGO_PKG_VERSION");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (here.title) " · batchsweep" }
                link rel="stylesheet" href={ "/style.css?v=" (version) };
                link rel="icon" type="image/svg+xml" href={ "/icon.svg?v=" (version) };
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.brand href="/" { "batchsweep" }
                    (navigation(here))
                    @if config.dry_run { strong.badge { "Dry run: nothing is deleted" } }
                }
                main #main { (service(sight)) (body) }
                footer {
                    p {
                        "batchsweep " (version) " · as of "
                        (words::instant(sight.now(), config.zone)) " · "
                        a href="/api/v1/status" { "JSON" } " · "
                        a href="/api/v1/openapi.json" { "OpenAPI" } " · "
                        a href="/metrics" { "Metrics" }
                    }
                    p { "This page only shows. What shall change, the command line or the file changes." }
                }
            }
        }
    }
}

fn navigation(here: Here<'_>) -> Markup {
    html! {
        nav aria-label="Pages" {
            @for (nav, path, title) in Nav::ALL {
                @let current = (here.nav == Some(nav)).then_some("page");
                @let account = here.account.filter(|_| nav != Nav::Overview);
                a href={ (path) @if let Some(account) = account { "?account=" (account) } }
                    aria-current=[current] { (title) }
            }
        }
    }
}

/// What holds for the service as a whole, where it is not well.
fn service(sight: &Sight) -> Markup {
    let (service, zone) = (sight.board().service_now(), sight.config().zone);
    html! {
        @if let Some((since, cause)) = &service.rejected {
            div.notice.alarm role="alert" {
                h2 { "The file was edited, and is not used" }
                p {
                    "Since " (words::instant(*since, zone)) " the configuration as it is now has mistakes; "
                    "the one before stays in use."
                }
                p { code { (cause) } }
                p { "To see each mistake at its line: " code { (sight.hand().types("check")) } }
            }
        }
        @if !sight.health().is_ready() {
            div.notice role="status" { p { "The service is starting, or stopping." } }
        }
    }
}

/// Which account a page is about, where there are several.
pub(super) fn accounts(config: &Config, path: &str, current: &str) -> Markup {
    html! {
        @if config.accounts.len() > 1 {
            nav.accounts aria-label="Accounts" {
                @for account in &config.accounts {
                    @let name = account.name.as_str();
                    a href={ (path) "?account=" (name) }
                        aria-current=[(name == current).then_some("true")] { (name) }
                }
            }
        }
    }
}
