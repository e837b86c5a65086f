//! Past runs, and one of them with what it did to each batch.

use axum::extract::{Path, State};
use axum::http::Uri;
use maud::{Markup, html};

use super::frame::{self, Here, Nav};
use super::{NoPage, Shown, plot, shown, words};
use crate::batch::{RunId, counted, escaped};
use crate::config::{Account, Config};
use crate::run::standing::counts_in_words;
use crate::server::ask::Ask;
use crate::server::sight::Sight;
use crate::state::{Deletion, DeletionFilter, Run, RunEnd, RunFilter};

/// Runs that are shown at most.
const RUNS: u32 = 100;

/// Deletions of one run that are shown at most.
const DELETIONS: u32 = 500;

pub(super) async fn show(State(sight): State<Sight>, uri: Uri) -> Shown {
    let (config, ask) = (sight.config(), Ask::of(&uri));
    let account = ask.account(&config);
    let name = account.map(|account| account.name.as_str());
    let body = match account {
        Some(account) => page(&sight, &config, account).await,
        None => Err(NoPage::Missing("There is no such account in the file.".to_owned())),
    };
    shown(&sight, Here { title: "Runs", account: name, nav: Some(Nav::Runs) }, body).await
}

async fn page(sight: &Sight, config: &Config, account: &Account) -> Result<Markup, NoPage> {
    let name = account.name.as_str();
    let filter = RunFilter { account: Some(account.name.clone()), since: None, limit: Some(RUNS) };
    let (runs, days) = match sight.state().await? {
        Some(state) => {
            (state.runs(&filter).await?, plot::days(&state, account, sight.now()).await?)
        }
        None => (Vec::new(), Vec::new()),
    };
    Ok(html! {
        h1 { "Runs of " (name) }
        (frame::accounts(config, "/runs", name))
        (plot::figure(&days, name))
        @if runs.is_empty() { p { "No run is remembered yet." } }
        @else { (table(&runs, account)) }
        p { "Every deletion, in a terminal: "
            code.command { (sight.hand().types(&format!("history --account {name}"))) } }
    })
}

fn table(runs: &[Run], account: &Account) -> Markup {
    html! {
        div.scroll {
            table.runs {
                caption.quiet { "Runs, the newest first" }
                thead { tr {
                    th scope="col" { "Began" } th scope="col" { "Outcome" } th scope="col" { "Came to" }
                    th scope="col" { "Batches left" } th scope="col" { "Took" } th scope="col" { "Calls" }
                } }
                tbody { @for run in runs { (row(run, account)) } }
            }
        }
    }
}

fn row(run: &Run, account: &Account) -> Markup {
    let began = words::instant(run.begin.began, account.zone);
    html! {
        tr {
            th scope="row" data-label="Began" { a href={ "/runs/" (run.begin.run_id) } { (began) } }
            @match &run.end {
                None => { td data-label="Outcome" { "under way, or killed" } td.none {} td.none {} td.none {} td.none {} }
                Some(end) => {
                    td data-label="Outcome" { span class=(level(end)) { (outcome(&end.outcome)) } }
                    td data-label="Came to" {
                        (counts_in_words(end))
                        @if let Some(error) = &end.error { br; span.detail { (error) } }
                    }
                    td data-label="Batches left" { (left(end)) }
                    td data-label="Took" { (took(end)) }
                    td data-label="Calls" { (end.requests) }
                }
            }
        }
    }
}

fn left(end: &RunEnd) -> String {
    end.batches.map_or_else(|| "not known".to_owned(), |count| count.to_string())
}

fn took(end: &RunEnd) -> String {
    let seconds = end.duration.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{:.1} s", end.duration.as_secs_f64()),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// An outcome as people read it.
pub(super) fn outcome(word: &str) -> String {
    word.replace('_', " ")
}

/// How well a run ended.
pub(super) const fn level(end: &RunEnd) -> &'static str {
    match end.exit_code {
        0 => "level well",
        3 => "level warn",
        _ => "level alarm",
    }
}

/// A name as the journal has it, escaped and cut.
pub(super) fn name(name: &str) -> String {
    if name.is_empty() { "(no name)".to_owned() } else { escaped(name).chars().take(256).collect() }
}

pub(super) async fn show_one(State(sight): State<Sight>, Path(id): Path<String>) -> Shown {
    let here = Here { title: "Run", account: None, nav: Some(Nav::Runs) };
    let missing = || NoPage::Missing("No run of that id is remembered.".to_owned());
    let Ok(id) = RunId::parse(&id) else { return shown(&sight, here, Err(missing())).await };
    let body = one(&sight, id).await.and_then(|body| body.ok_or_else(missing));
    shown(&sight, here, body).await
}

async fn one(sight: &Sight, id: RunId) -> Result<Option<Markup>, NoPage> {
    let (config, Some(state)) = (sight.config(), sight.state().await?) else { return Ok(None) };
    let Some(run) = state.run(id).await? else { return Ok(None) };
    let filter =
        DeletionFilter { run: Some(id), limit: Some(DELETIONS), ..DeletionFilter::default() };
    let deletions = state.deletions(&filter).await?;
    let is_its = |account: &&Account| account.name == run.begin.account;
    let zone = config.accounts.iter().find(is_its).map_or(config.zone, |account| account.zone);
    Ok(Some(html! {
        h1 { "Run of " (run.begin.account.as_str()) }
        p.quiet { code.id { (id) } }
        dl.facts {
            dt { "Began" } dd { (words::instant(run.begin.began, zone)) }
            dt { "Kind" } dd { @if run.begin.dry_run { "dry run" } @else { "real run" } }
            @match &run.end {
                None => { dt { "Outcome" } dd { "under way, or killed: the next run settles what it left open" } }
                Some(end) => (ended(end))
            }
        }
        h2 { "What it did" }
        (table_of(&deletions, &run))
    }))
}

fn ended(end: &RunEnd) -> Markup {
    html! {
        dt { "Outcome" }
        dd { span class=(level(end)) { (outcome(&end.outcome)) } ", exit code " (end.exit_code) }
        dt { "Came to" } dd { (counts_in_words(end)) }
        @if let Some(error) = &end.error { dt { "Error" } dd { (error) } }
        dt { "Proven" }
        dd { (match end.verified {
            Some(true) => "by a last listing",
            Some(false) => "not by a last listing",
            None => "nothing to prove",
        }) }
        dt { "Batches left" } dd { (left(end)) }
        dt { "Took" } dd { (took(end)) ", " (counted(end.requests, "call", "calls")) }
    }
}

fn table_of(deletions: &[Deletion], run: &Run) -> Markup {
    html! {
        @if deletions.is_empty() { p { "It meant to delete nothing." } }
        @else {
            @if deletions.len() >= DELETIONS as usize {
                p { "The first " (DELETIONS) "; `batchsweep history` has all." }
            }
            div.scroll {
                table.deletions {
                    caption.quiet { "Batches that the run meant to delete" }
                    thead { tr {
                        th scope="col" { "Batch" } th scope="col" { "Rule" }
                        th scope="col" { "Outcome" } th scope="col" { "Why" }
                    } }
                    tbody { @for deletion in deletions { (row_of(deletion, run)) } }
                }
            }
        }
    }
}

fn row_of(deletion: &Deletion, run: &Run) -> Markup {
    let entry = &deletion.entry;
    let detail = deletion.outcome.as_ref().and_then(|outcome| outcome.detail.as_deref());
    html! {
        tr {
            th scope="row" data-label="Batch" {
                a href={ "/batches/" (entry.batch) "?account=" (run.begin.account.as_str()) } {
                    (name(&entry.name))
                }
                br; code.id { (entry.batch) }
            }
            td data-label="Rule" { code { (entry.rule.as_str()) } }
            td data-label="Outcome" { (deletion.word().replace('_', " ")) }
            td data-label="Why" { (escaped(detail.unwrap_or_default())) }
        }
    }
}
