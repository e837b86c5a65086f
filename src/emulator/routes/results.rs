//! Result sets: the list, one of them with its links, the webhook again (contract §2.9).

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::record::json_text;
use super::super::results::{Delivery, ResultSet};
use super::super::world::World;
use super::batch::part_of;
use super::{Said, files, invalid, not_found};

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let family = world.product.family();
    let Some(record) = world.record(call.id()) else { return not_found(world, call) };
    let newest_first = record.result_sets.iter().rev();
    let sets: Vec<Map<String, Value>> =
        newest_first.map(|set| set.shown(family, &record.destination_ids)).collect();
    let mut members = part_of(world, call.id());
    members.insert("results_count".to_owned(), json!(sets.len()));
    members.insert("results".to_owned(), json!(sets));
    let answer = Answer::shown(members);
    // The record may be any text, and is put in as it is.
    let text = world.listed_text(call.id());
    let noun = json_text(family.batch());
    let Some(rest) = answer.body.strip_prefix(b"{") else { return answer };
    let mut body = format!("{{{noun}:{text},").into_bytes();
    body.extend_from_slice(rest);
    Answer { body: body.into(), ..answer }
}

/// The result set of a call.
fn set_of<'w>(world: &'w World, call: &Call) -> Result<&'w ResultSet, Answer> {
    let record = world.record(call.id()).ok_or_else(|| not_found(world, call))?;
    let number = call.part().parse::<u64>().ok();
    let set = record.result_sets.iter().find(|set| Some(set.id) == number);
    set.ok_or_else(|| invalid("no such result set"))
}

pub(super) fn get(world: &World, call: &Call) -> Answer {
    let set = match set_of(world, call) {
        Ok(set) => set,
        Err(answer) => return answer,
    };
    let destinations = world.record(call.id()).map_or(&[][..], |record| &record.destination_ids);
    let mut shown = set.shown(world.product.family(), destinations);
    shown.insert("download_links".to_owned(), files::result_links(world, call, set));
    let mut members = part_of(world, call.id());
    members.insert("result".to_owned(), Value::Object(shown));
    Answer::shown(members)
}

pub(super) fn resend(world: &mut World, call: &Call) -> Said {
    let number = match set_of(world, call) {
        Ok(set) if set.webhook.is_some() => set.id,
        Ok(_) => return Said::only(invalid("it has no webhook")),
        Err(answer) => return Said::only(answer),
    };
    world.change(call.id(), |record| {
        for set in record.result_sets.iter_mut().filter(|set| set.id == number) {
            set.webhook = Some(Delivery::Sent);
        }
    });
    Said::changed(Answer::done("Webhook POST resent successfully."))
}
