//! The searches of a batch: pages, links, adding, editing, deleting (contract §2.5, §2.7).

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::dice::Dice;
use super::super::knobs::{AddedSearches, EmptySearches, Knobs};
use super::super::record::Record;
use super::super::world::World;
use super::batch::part_of;
use super::{Said, editable, files, invalid, not_found, settings};

/// Searches on one page.
pub(super) const PAGE: u64 = 1000;
/// Searches that one call may add, and that a batch may hold (contract §3).
const MAX_ADDED: usize = 1000;
const MAX_HELD: u64 = 15_000;

pub(super) fn page(world: &World, call: &Call) -> Answer {
    let Some(record) = world.record(call.id()) else { return not_found(world, call) };
    let Some(page) = call.part().parse::<u64>().ok().filter(|page| *page > 0) else {
        return invalid("no such page");
    };
    let met = found(record, call);
    let total = met.as_ref().map_or_else(
        || record.searches.count(),
        |met| u64::try_from(met.len()).unwrap_or(u64::MAX),
    );
    let pages = total.div_ceil(PAGE);
    if page > pages && world.knobs.empty_searches == EmptySearches::ServerError {
        return Answer::refused(500, "emulated: no such page of searches");
    }
    let from = (page - 1).saturating_mul(PAGE);
    let here: Vec<Value> = match met {
        None => record.searches.slice(from, PAGE),
        Some(met) => {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            met.into_iter().skip(from).take(MAX_ADDED).collect()
        }
    };
    let noun = world.product.family().searches();
    let mut members = part_of(world, call.id());
    members.insert(format!("{noun}_page_current"), json!(page));
    members.insert(format!("{noun}_page_count"), json!(pages));
    members.insert(noun.to_owned(), json!(here));
    Answer::shown(members)
}

/// What a find call means; nothing where the call finds nothing in particular.
fn found(record: &Record, call: &Call) -> Option<Vec<Value>> {
    let term = call.parameter("q").map(str::to_lowercase);
    let custom_id = call.parameter("custom_id");
    if term.is_none() && custom_id.is_none() {
        return None;
    }
    let text = |search: &Value, name: &str| {
        search.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let meant = |search: &Value| {
        term.as_ref().is_none_or(|term| text(search, "q").to_lowercase().contains(term))
            && custom_id.is_none_or(|id| text(search, "custom_id") == id)
    };
    let mut all = record.searches.slice(0, record.searches.count());
    all.retain(meant);
    Some(all)
}

pub(super) fn links(world: &World, call: &Call) -> Answer {
    let Some(record) = world.record(call.id()) else { return not_found(world, call) };
    let noun = world.product.family().searches();
    let total = record.searches.count();
    let pages = total.div_ceil(PAGE);
    let urls: Vec<String> =
        (1..=pages).map(|page| files::searches_url(world, call, page)).collect();
    let mut members = part_of(world, call.id());
    members.insert(format!("{noun}_total_count"), json!(total));
    members.insert(format!("{noun}_page_count"), json!(pages));
    members.insert("download_links".to_owned(), json!({"pages": urls}));
    Answer::shown(members)
}

/// Whether so many may be added.
///
/// # Errors
/// With the answer to give, when they are too many.
pub(super) fn check(record: &Record, added: &[Value]) -> Result<(), Answer> {
    if added.len() > MAX_ADDED {
        return Err(invalid("more than 1000 searches in one call"));
    }
    let after = record.searches.count() + u64::try_from(added.len()).unwrap_or(u64::MAX);
    if after > MAX_HELD {
        return Err(invalid("more than 15000 searches in one batch"));
    }
    Ok(())
}

/// Adds searches, each with an id of its own.
pub(super) fn append(record: &mut Record, added: &[Value], knobs: &Knobs) {
    let mut dice = Dice::new(record.searches.count() + 1);
    record.searches.edit(|all| {
        for search in added {
            let is_there = all.iter().any(|old| without_id(old) == without_id(search));
            if is_there && knobs.added_searches == AddedSearches::Dedupe {
                continue;
            }
            let mut search = search.clone();
            if let Value::Object(map) = &mut search {
                map.insert("id".to_owned(), json!(format!("{:016X}", dice.next())));
            }
            all.push(search);
        }
    });
}

fn without_id(search: &Value) -> Map<String, Value> {
    let mut map = search.as_object().cloned().unwrap_or_default();
    map.remove("id");
    map
}

pub(super) fn update(world: &mut World, call: &Call) -> Said {
    let fields = match editable(world, call).map(|_| settings::body(call)) {
        Ok(Ok(fields)) => fields,
        Ok(Err(why)) => return Said::only(invalid(why)),
        Err(answer) => return Said::only(answer),
    };
    let changed = world.change(call.id(), |record| {
        record.searches.edit(|all| {
            let search = all.iter_mut().find(|search| has_id(search, call.part()));
            let map = search.and_then(Value::as_object_mut)?;
            map.extend(fields.clone());
            Some(())
        })
    });
    if changed.flatten().is_none() {
        return Said::only(no_search(world, call));
    }
    let mut members = Map::new();
    members.insert(world.product.family().search().to_owned(), Value::Object(fields));
    Said::changed(Answer::shown(members))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Said {
    if let Err(answer) = editable(world, call) {
        return Said::only(answer);
    }
    let deleted = remove(world, call, |search| has_id(search, call.part()));
    if deleted == 0 {
        return Said::only(no_search(world, call));
    }
    Said::changed(Answer::done(&format!("{} deleted", world.product.family().search_title())))
}

pub(super) fn delete_many(world: &mut World, call: &Call) -> Said {
    if let Err(answer) = editable(world, call) {
        return Said::only(answer);
    }
    if !call.content_type.starts_with("application/json") {
        return Said::only(invalid("Content-Type must be application/json"));
    }
    let Ok(ids) = serde_json::from_slice::<Vec<String>>(&call.body) else {
        return Said::only(invalid("the body is not a list of ids"));
    };
    let deleted = remove(world, call, |search| ids.iter().any(|id| has_id(search, id)));
    let answer = Answer::done("emulated: searches deleted");
    Said { changed: deleted > 0, ..Said::only(answer) }
}

pub(super) fn clear(world: &mut World, call: &Call) -> Said {
    if let Err(answer) = editable(world, call) {
        return Said::only(answer);
    }
    remove(world, call, |_| true);
    let family = world.product.family();
    Said::changed(Answer::done(&format!("{} {} cleared", family.title(), family.searches())))
}

/// Removes searches; says how many.
fn remove(world: &mut World, call: &Call, which: impl Fn(&Value) -> bool) -> usize {
    let removed = world.change(call.id(), |record| {
        record.searches.edit(|all| {
            let before = all.len();
            all.retain(|search| !which(search));
            before - all.len()
        })
    });
    removed.unwrap_or(0)
}

fn has_id(search: &Value, id: &str) -> bool {
    search.get("id").and_then(Value::as_str) == Some(id)
}

fn no_search(world: &World, call: &Call) -> Answer {
    let family = world.product.family();
    let message = format!(
        "No {} with ID '{}' was found in this {}, please check the ID and try again",
        family.search_title(),
        call.part(),
        family.title()
    );
    Answer::refused(world.knobs.unknown_batch.status(), &message)
}
