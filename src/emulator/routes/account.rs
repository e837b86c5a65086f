//! The account as a whole: its counters, its destinations, its error logs (contract §2.10).

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::knobs::AccountKey;
use super::super::world::{Destination, World};
use super::invalid;

/// Batches that an account may hold (contract §3).
const BATCHES: usize = 10_000;
/// Destinations that an account may hold, and how many a page shows.
const DESTINATIONS: usize = 50;
const PAGE: usize = 10;

pub(super) fn account(world: &World) -> Answer {
    let noun = world.product.family().batches();
    let used = world.count();
    let mut info = json!({
        "plan": "emulated",
        "timezone": "UTC",
        "credits_used": 0,
        "credits_limit": 100_000,
        "credits_remaining": 100_000,
        format!("{noun}_used"): used,
        format!("{noun}_limit"): BATCHES,
        format!("{noun}_available"): BATCHES.saturating_sub(used),
        "destinations_used": world.destinations.len(),
        "destinations_limit": DESTINATIONS,
        "destinations_available": DESTINATIONS.saturating_sub(world.destinations.len()),
        "overage_enabled": false,
        "status": [{"component": noun, "status": "operational"}],
        "usage_history": [],
    });
    if let (Some(info), AccountKey::Shown) = (info.as_object_mut(), world.knobs.account_key) {
        info.insert("api_key".to_owned(), json!(world.key));
    }
    let mut members = Map::new();
    members.insert("account_info".to_owned(), info);
    Answer::shown(members)
}

pub(super) fn destinations(world: &World, call: &Call) -> Answer {
    let Some(from) = page_start(call) else { return invalid("no such page") };
    let term = call.parameter("search_term").unwrap_or_default().to_lowercase();
    let mut met: Vec<&Destination> = world
        .destinations
        .iter()
        .filter(|destination| destination.name.to_lowercase().contains(&term))
        .collect();
    if call.parameter("sort_by") == Some("type") {
        met.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    } else {
        met.sort_by(|a, b| a.name.cmp(&b.name));
    }
    if call.parameter("sort_direction") == Some("descending") {
        met.reverse();
    }
    let here: Vec<Value> =
        met.into_iter().skip(from).take(PAGE).map(|it| destination(world, it)).collect();
    let used = world.destinations.len();
    let mut members = Map::new();
    let available = DESTINATIONS.saturating_sub(used);
    members.insert(
        "usage".to_owned(),
        json!({"used": used, "limit": DESTINATIONS, "available": available}),
    );
    members.insert("destinations".to_owned(), json!(here));
    Answer::shown(members)
}

fn destination(world: &World, it: &Destination) -> Value {
    let used_by =
        world.records().filter(|(_, record)| record.destination_ids.contains(&it.id)).count();
    json!({"id": it.id, "name": it.name, "type": it.kind, "enabled": true, "used_by": used_by})
}

/// There are never any: the contract's error logs are of real-time calls, which are not emulated.
pub(super) fn error_logs(_world: &World, call: &Call) -> Answer {
    let Some(from) = page_start(call) else { return invalid("no such page") };
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("logs", json!([]));
    put("page", json!(from / PAGE + 1));
    put("page_count_total", json!(0));
    put("results_count", json!(0));
    put("results_count_total", json!(0));
    Answer::shown(members)
}

fn page_start(call: &Call) -> Option<usize> {
    let page: usize = call.parameter("page").unwrap_or("1").parse().ok()?;
    page.checked_sub(1)?.checked_mul(PAGE)
}
