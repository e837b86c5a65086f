//! Routes: what each call is answered, and what it changes (contract §2).
//!
//! Not here: faults of a script (`fault`), which act before and after.

mod account;
mod batch;
mod files;
mod list;
mod results;
mod searches;
mod settings;

use tokio::time::Instant;

use super::answer::Answer;
use super::call::{Call, KeySeen, Operation};
use super::fault::Orders;
use super::knobs::{Queued, UnknownPath};
use super::log::{Log, Seen};
use super::record::{Record, State};
use super::world::World;

/// What a call was answered, and what that means.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) answer: Answer,
    /// Whether the call changed anything.
    pub(super) changed: bool,
    /// What a Get showed.
    pub(super) saw: Option<Seen>,
}

impl Said {
    /// An answer to a call that changed nothing.
    pub(super) const fn only(answer: Answer) -> Self {
        Self { answer, changed: false, saw: None }
    }

    /// An answer to a call that changed something.
    const fn changed(answer: Answer) -> Self {
        Self { answer, changed: true, saw: None }
    }
}

/// Why a call is not even looked at: a wrong path, a wrong key, too many calls.
pub(super) fn refusal(
    world: &World,
    log: &mut Log,
    call: &Call,
    now: Instant,
    number: usize,
) -> Option<Answer> {
    if call.operation == Operation::Unknown {
        return Some(unknown_path(world.knobs.unknown_path));
    }
    // Links are fetched without a key (contract §2.9).
    if call.operation == Operation::File {
        return None;
    }
    if call.key != KeySeen::Right {
        return Some(Answer::refused(401, "Supplied api_key is not valid"));
    }
    let limit = if call.operation == Operation::List {
        world.knobs.list_limit
    } else {
        world.knobs.route_limits.get(&call.operation).copied()
    };
    let is_parallel_edit = call.operation.is_edit() && log.has_open_write_besides(number);
    let fits = log.admit(call.operation, limit, now) && !is_parallel_edit;
    (!fits).then(|| Answer::throttled(world.knobs.retry_after.as_deref()))
}

/// Carries a call out.
pub(super) fn answer(world: &mut World, call: &Call, orders: &Orders) -> Said {
    match call.operation {
        Operation::List => Said::only(list::list(world, call, &orders.lies)),
        Operation::Create => batch::create(world, call),
        Operation::Get => batch::get(world, call),
        Operation::Update => batch::update(world, call),
        Operation::Delete => batch::delete(world, call, orders),
        Operation::Start => batch::start(world, call, orders),
        Operation::Stop => batch::stop(world, call, orders),
        Operation::StopAll => batch::stop_all(world),
        Operation::Searches => Said::only(searches::page(world, call)),
        Operation::SearchLinks => Said::only(searches::links(world, call)),
        Operation::UpdateSearch => searches::update(world, call),
        Operation::DeleteSearch => searches::delete(world, call),
        Operation::DeleteSearches => searches::delete_many(world, call),
        Operation::Clear => searches::clear(world, call),
        Operation::Results => Said::only(results::list(world, call)),
        Operation::Result => Said::only(results::get(world, call)),
        Operation::ResendWebhook => results::resend(world, call),
        Operation::Account => Said::only(account::account(world)),
        Operation::Destinations => Said::only(account::destinations(world, call)),
        Operation::ErrorLogs => Said::only(account::error_logs(world, call)),
        Operation::File => Said::only(files::file(world, call)),
        Operation::Unknown => Said::only(unknown_path(world.knobs.unknown_path)),
    }
}

fn unknown_path(how: UnknownPath) -> Answer {
    match how {
        UnknownPath::Envelope => Answer::refused(404, "emulated: no such path"),
        UnknownPath::Empty => Answer::empty(404),
        UnknownPath::Html => Answer::html(404),
    }
}

/// The answer about an id that is not there (contract §2.7, seen for searches).
fn not_found(world: &World, call: &Call) -> Answer {
    let title = world.product.family().title();
    let message = format!("{title} with ID '{}' was not found", call.id());
    Answer::refused(world.knobs.unknown_batch.status(), &message)
}

fn invalid(what: &str) -> Answer {
    Answer::refused(400, &format!("emulated: {what}"))
}

/// The batch of a call, if it is there and may be changed.
///
/// # Errors
/// With the answer to give, when it is not there, runs, or is queued.
fn editable<'w>(world: &'w World, call: &Call) -> Result<&'w Record, Answer> {
    let record = world.alive(call.id()).ok_or_else(|| not_found(world, call))?;
    let status = world.knobs.running_refusal.status();
    let noun = world.product.family().batch();
    match (&record.state, world.knobs.queued) {
        (State::Idle, _) | (State::Queued, Queued::Allow) => Ok(record),
        (State::Queued, Queued::Refuse) => {
            Err(Answer::refused(status, &format!("emulated: the {noun} is queued")))
        }
        (State::Running | State::Other(_), _) => {
            Err(Answer::refused(status, &format!("emulated: the {noun} is running")))
        }
    }
}
