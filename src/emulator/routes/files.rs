//! Files: what the download links of searches and results point at (contract §2.7, §2.9).
//!
//! They are served by the emulator itself and without a key. The zip files of whole result sets are named
//! in the links, as the vendor does, but not made.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::record::{Searches, json_text};
use super::super::results::ResultSet;
use super::super::world::World;
use super::searches::PAGE;

fn url(call: &Call, name: &str) -> String {
    format!("http://{}/files/{name}", call.host)
}

pub(super) fn searches_url(world: &World, call: &Call, page: u64) -> String {
    let (title, id) = (world.product.family().title(), call.id());
    let noun = if title == "Batch" { "Searches" } else { "Requests" };
    url(call, &format!("{title}_{noun}_{id}_Page_{page}.{}", call.part()))
}

pub(super) fn result_links(world: &World, call: &Call, set: &ResultSet) -> Value {
    let start = format!("{}_Results_{}_{}", world.product.family().title(), call.id(), set.id);
    let (end, all) = match call.format.as_deref() {
        Some("jsonlines") => ("jsonl", "All_Pages_jsonlines.zip"),
        Some(_) => ("csv", "All_Pages.csv"),
        None => ("json", "All_Pages.zip"),
    };
    let pages: Vec<String> =
        (1..=set.pages()).map(|page| url(call, &format!("{start}_Page_{page}.{end}"))).collect();
    json!({"pages": pages, "all_pages": url(call, &format!("{start}_{all}"))})
}

pub(super) fn file(world: &World, call: &Call) -> Answer {
    let gone = || Answer::new(404, "application/xml", "<Error><Code>NoSuchKey</Code></Error>");
    let Some((stem, end)) = call.part().rsplit_once('.') else { return gone() };
    let parts: Vec<&str> = stem.split('_').collect();
    match parts.as_slice() {
        [_, "Results", id, number, "Page", page] => {
            result_page(world, id, [number, page], end).unwrap_or_else(gone)
        }
        [_, "Results", id, number, "All", "Pages"] if end == "csv" => {
            result_page(world, id, [number, "1"], end).unwrap_or_else(gone)
        }
        [_, "Searches" | "Requests", id, "Page", page] => {
            searches_page(world, id, page, end).unwrap_or_else(gone)
        }
        _ => gone(),
    }
}

fn result_page(world: &World, id: &str, [number, page]: [&str; 2], end: &str) -> Option<Answer> {
    let number: u64 = number.parse().ok()?;
    let page: u64 = page.parse().ok()?;
    let set = world.files_of(id).iter().find(|set| set.id == number)?;
    let from = page.checked_sub(1)?.checked_mul(PAGE)?;
    let rows = Searches::Made(set.completed + set.failed).slice(from, PAGE);
    let noun = world.product.family().search();
    let row = |(search, n): (&Value, u64)| {
        json!({"success": n < set.completed, "id": search.get("id"), noun: search,
               "result": {"emulated": true}})
    };
    let rows: Vec<Value> = rows.iter().zip(from..).map(row).collect();
    (!rows.is_empty()).then(|| written(&rows, end))
}

fn searches_page(world: &World, id: &str, page: &str, end: &str) -> Option<Answer> {
    let page: u64 = page.parse().ok()?;
    let from = page.checked_sub(1)?.checked_mul(PAGE)?;
    let rows = world.record(id)?.searches.slice(from, PAGE);
    (!rows.is_empty()).then(|| written(&rows, end))
}

fn written(rows: &[Value], end: &str) -> Answer {
    match end {
        "json" => Answer::json(200, json_text(rows)),
        "jsonl" => {
            let lines: Vec<String> = rows.iter().map(json_text).collect();
            Answer::new(200, "application/x-ndjson", lines.join("\n") + "\n")
        }
        _ => {
            let ids = rows.iter().filter_map(|row| row.get("id").and_then(Value::as_str));
            let lines: Vec<&str> = std::iter::once("id").chain(ids).collect();
            Answer::new(200, "text/csv", lines.join("\n") + "\n")
        }
    }
}
