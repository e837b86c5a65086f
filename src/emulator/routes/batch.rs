//! One batch: create, get, update, delete, start, stop (contract §2.3 to §2.8).

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::dice::Dice;
use super::super::edit::Edit;
use super::super::fault::Orders;
use super::super::log::Seen;
use super::super::record::{Record, Schedule, State, id_text, json_text};
use super::super::world::World;
use super::{Said, editable, invalid, not_found, searches, settings};

/// Batches that an account may hold (contract §3).
const MAX_BATCHES: usize = 10_000;

pub(super) fn get(world: &mut World, call: &Call) -> Said {
    let turns_busy = world
        .record(call.id())
        .is_some_and(|record| record.runs_when_read && record.state == State::Idle);
    if turns_busy {
        world.edit(Edit::Run(call.id().to_owned()));
    }
    let Some(record) = world.record(call.id()) else {
        return Said { saw: Some(Seen::Absent), ..Said::only(not_found(world, call)) };
    };
    let saw = Some(if record.state == State::Idle { Seen::Idle } else { Seen::Busy });
    Said { saw, ..Said::only(shown(world, record)) }
}

pub(super) fn create(world: &mut World, call: &Call) -> Said {
    match created(world, call) {
        Ok(record) => {
            let answer = shown(world, &record);
            world.insert(record);
            Said::changed(answer)
        }
        Err(answer) => Said::only(answer),
    }
}

fn created(world: &World, call: &Call) -> Result<Record, Answer> {
    if world.count() >= MAX_BATCHES {
        return Err(invalid("the account holds 10000 already"));
    }
    let fields = settings::body(call).map_err(invalid)?;
    if !fields.contains_key("name") {
        return Err(invalid("a name is required"));
    }
    let kind = world.knobs.default_schedule_type.clone();
    let schedule = Schedule { kind, ..Schedule::default() };
    let mut record = Record::new(free_id(world), "", world.now).on(schedule);
    record.enabled = world.knobs.default_enabled;
    settings::apply(&fields, &mut record)
        .map_err(|name| invalid(&format!("{name} is not valid")))?;
    let known = |id: &String| world.destinations.iter().any(|destination| destination.id == *id);
    if !record.destination_ids.iter().all(known) {
        return Err(invalid("no such destination"));
    }
    if let Some(added) = fields.get(world.product.family().searches()) {
        let added = added.as_array().ok_or_else(|| invalid("the searches are not a list"))?;
        searches::append(&mut record, added, &world.knobs);
    }
    Ok(record)
}

/// An id that no batch has.
fn free_id(world: &World) -> String {
    let mut dice = Dice::new(world.version());
    loop {
        let id = id_text(dice.half());
        if world.record(&id).is_none() {
            return id;
        }
    }
}

pub(super) fn update(world: &mut World, call: &Call) -> Said {
    match updated(world, call) {
        Ok(record) => {
            world.change(call.id(), |old| *old = record);
            Said::changed(
                world
                    .record(call.id())
                    .map_or_else(|| not_found(world, call), |record| shown(world, record)),
            )
        }
        Err(answer) => Said::only(answer),
    }
}

fn updated(world: &World, call: &Call) -> Result<Record, Answer> {
    let mut record = editable(world, call)?.clone();
    let mut fields = settings::body(call).map_err(invalid)?;
    if let Some(added) = fields.remove(world.product.family().searches()) {
        let added = added.as_array().ok_or_else(|| invalid("the searches are not a list"))?;
        searches::check(&record, added)?;
        searches::append(&mut record, added, &world.knobs);
    }
    // The type cannot change after creation, the priority only while idle (contract §2.2).
    fields.retain(|name, _| !name.ends_with("_type") || name == "schedule_type");
    if record.state != State::Idle && fields.contains_key("priority") {
        return Err(invalid("the priority is fixed while queued"));
    }
    settings::apply(&fields, &mut record)
        .map_err(|name| invalid(&format!("{name} is not valid")))?;
    Ok(record)
}

pub(super) fn delete(world: &mut World, call: &Call, orders: &Orders) -> Said {
    let record = match editable(world, call) {
        Ok(record) => record,
        Err(answer) => return Said::only(answer),
    };
    let is_forced = call.parameter("force") == Some("true");
    if record.has_failed_webhook() && !is_forced {
        let status = world.knobs.webhook_refusal.status();
        return Said::only(Answer::refused(status, "emulated: a result set was not delivered"));
    }
    let done = Answer::done(&format!("{} deleted", world.product.family().batch()));
    if orders.ack_only {
        return Said::only(done);
    }
    let lag = orders.lag.unwrap_or(world.knobs.lag);
    world.delete(call.id(), lag);
    Said::changed(done)
}

pub(super) fn start(world: &mut World, call: &Call, orders: &Orders) -> Said {
    let Some(record) = world.alive(call.id()) else {
        return Said::only(not_found(world, call));
    };
    if record.state != State::Idle {
        let status = world.knobs.running_refusal.status();
        return Said::only(Answer::refused(status, "emulated: it is queued or running already"));
    }
    let lag = orders.lag.unwrap_or(world.knobs.lag);
    world.edit_after(lag, Edit::Start(call.id().to_owned()));
    Said::changed(Answer::done("emulated: started"))
}

pub(super) fn stop(world: &mut World, call: &Call, orders: &Orders) -> Said {
    let Some(record) = world.alive(call.id()) else {
        return Said::only(not_found(world, call));
    };
    if record.state == State::Idle {
        return Said::only(invalid("it is neither queued nor running"));
    }
    let lag = orders.lag.unwrap_or(world.knobs.lag);
    world.edit_after(lag, Edit::Stop(call.id().to_owned()));
    Said::changed(Answer::done("emulated: stopped"))
}

pub(super) fn stop_all(world: &mut World) -> Said {
    let busy: Vec<String> = world
        .records()
        .filter(|(_, record)| record.state != State::Idle)
        .map(|(id, _)| id.to_string())
        .collect();
    let stopped = busy.len();
    for id in busy {
        // Not `Stop`, which would give each slot to the next in the queue.
        world.edit(Edit::Put(id, State::Idle));
    }
    let body = json!({
        "request_info": {"success": true, "message": format!("{stopped} Batches stopped")},
        format!("{}_stopped", world.product.family().batches()): stopped,
        format!("{}_failed_to_stop", world.product.family().batches()): 0,
    });
    Said { changed: stopped > 0, ..Said::only(Answer::json(200, body.to_string())) }
}

/// `{request_info, batch}` (contract §2.3). Put together as text, since a record may be any text.
fn shown(world: &World, record: &Record) -> Answer {
    let family = world.product.family();
    let text = record.got(family, &world.knobs);
    let noun = json_text(family.batch());
    Answer::json(200, format!("{{\"request_info\":{{\"success\":true}},{noun}:{text}}}"))
}

/// The members that every answer about a part of a batch has.
pub(super) fn part_of(world: &World, id: &str) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert(format!("{}_id", world.product.family().batch()), json!(id));
    members
}
