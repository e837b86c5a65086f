//! Fault scripts: which calls go wrong, and how.
//!
//! A [`Fault`] is a condition and what then happens; the emulator asks its script once for each call.
//! Not here: how a damaged answer gets onto the wire (`delivery`).

use std::time::Duration;

use super::answer::Answer;
use super::call::{Call, Operation};
use super::dice::Dice;
use super::edit::Edit;

/// What goes wrong, and when.
#[derive(Debug, Clone)]
pub struct Fault {
    operation: Option<Operation>,
    id: Option<String>,
    page: Option<u64>,
    hits: Hits,
    stage: Stage,
    effects: Vec<Effect>,
    met: u64,
}

#[derive(Debug, Clone)]
enum Hits {
    Every,
    First(u64),
    Nth(u64),
    Chance(u64, Dice),
}

/// Whether the request is carried out before its answer is lost, replaced or held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Instead,
    AfterCommit,
}

impl Fault {
    /// At each call of that kind, unless narrowed; with no effect yet.
    pub fn on(operation: Operation) -> Self {
        Self { operation: Some(operation), ..Self::on_any() }
    }

    /// At each call of any kind, unless narrowed; with no effect yet.
    pub const fn on_any() -> Self {
        Self {
            operation: None,
            id: None,
            page: None,
            hits: Hits::Every,
            stage: Stage::Instead,
            effects: Vec::new(),
            met: 0,
        }
    }

    /// Only at calls about that batch.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Only at list calls for that page.
    #[must_use]
    pub const fn page(mut self, page: u64) -> Self {
        self.page = Some(page);
        self
    }

    /// Only at the first of the calls that match otherwise.
    #[must_use]
    pub fn once(self) -> Self {
        self.first(1)
    }

    /// Only at the first `n` of the calls that match otherwise.
    #[must_use]
    pub fn first(mut self, n: u64) -> Self {
        self.hits = Hits::First(n);
        self
    }

    /// Only at the `n`th, from 1, of the calls that match otherwise.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.hits = Hits::Nth(n);
        self
    }

    /// At that many percent of the calls that match otherwise; the same ones for the same seed.
    #[must_use]
    pub fn chance(mut self, percent: u64, seed: u64) -> Self {
        self.hits = Hits::Chance(percent, Dice::new(seed));
        self
    }

    /// The request is carried out first: then its answer is replaced, lost or never sent. Edits happen
    /// after it as well.
    #[must_use]
    pub const fn after_commit(mut self) -> Self {
        self.stage = Stage::AfterCommit;
        self
    }

    /// Adds an effect.
    #[must_use]
    pub fn then(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// Adds the effect of an answer.
    #[must_use]
    pub fn answer(self, answer: Answer) -> Self {
        self.then(Effect::Answer(answer))
    }

    fn strikes(&mut self, call: &Call) -> bool {
        let page = || call.parameter("page").unwrap_or("1").parse().ok();
        let meant = self.operation.is_none_or(|operation| operation == call.operation)
            && self.id.as_deref().is_none_or(|id| call.id.as_deref() == Some(id))
            && self.page.is_none_or(|wanted| page() == Some(wanted));
        if !meant {
            return false;
        }
        self.met += 1;
        match &mut self.hits {
            Hits::Every => true,
            Hits::First(n) => self.met <= *n,
            Hits::Nth(n) => self.met == *n,
            Hits::Chance(percent, dice) => dice.percent(*percent),
        }
    }
}

/// One thing that goes wrong. Those that end a call (`Answer`, `Reset`, `Hang`) stand in place of
/// carrying the request out, unless [`Fault::after_commit`]; the others go with the true answer.
#[derive(Debug, Clone)]
pub enum Effect {
    /// This answer instead of the true one.
    Answer(Answer),
    /// The connection is reset without an answer.
    Reset,
    /// There is never an answer; the connection stays open.
    Hang,
    /// The request is looked at that much later.
    Delay(Duration),
    /// Somebody does this: before the request is carried out, or after it.
    Edit(Edit),
    /// The listing is wrong in this way.
    Lie(Lie),
    /// A deletion is acknowledged, but the batch stays.
    AckOnly,
    /// What this call changes is seen that much later.
    Lag(Duration),
    /// One more header, or another text for one.
    Header(&'static str, String),
    /// The body is damaged in this way.
    Damage(Damage),
}

/// How a listing can be wrong (contract §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// `total_count` is off by so many.
    Total(i64),
    /// `count_this_page` is off by so many.
    Count(i64),
    /// `total_pages` is off by so many.
    Pages(i64),
    /// The records of that page, under the number of the page that was asked for.
    RecordsOfPage(u64),
    /// The records begin that many places later (or, with a negative number, earlier).
    Shift(i64),
    /// There is always one more page; after the last, the pages come again.
    Endless,
    /// The record at that place of the page, from 0, is left out; the counts stay.
    Without(usize),
    /// The sort order is ignored.
    Unsorted,
    /// The list has the other family's key.
    OtherFamily,
}

/// How a body can be damaged on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// So many bytes are sent of the length that was announced; then the connection ends.
    Cut(usize),
    /// A whole HTTP answer, but its text ends after so many bytes.
    Shorten(usize),
    /// This text follows the JSON.
    Append(String),
    /// So many bytes at a time, with that pause before each.
    Drip(usize, Duration),
    /// The body is compressed, and says so.
    Gzip,
    /// The body is said to be compressed, and its compressed form is broken in the middle.
    BrokenGzip,
    /// The body is said to be compressed, and is not.
    FalseGzip,
    /// An envelope that goes on for so many bytes, in pieces.
    Padded(usize),
    /// The same, compressed: small on the wire.
    GzipBomb(usize),
}

/// How a call ends otherwise than with its true answer.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Answer(Answer),
    Reset,
    Hang,
}

/// What the script says about one call.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) delay: Duration,
    pub(super) edits_before: Vec<Edit>,
    pub(super) edits_after: Vec<Edit>,
    pub(super) instead: Option<Ending>,
    pub(super) after: Option<Ending>,
    pub(super) lies: Vec<Lie>,
    pub(super) ack_only: bool,
    pub(super) lag: Option<Duration>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) damages: Vec<Damage>,
    pub(super) struck: bool,
}

impl Orders {
    /// Asks every fault of a script about a call.
    pub(super) fn of(script: &mut [Fault], call: &Call) -> Self {
        let mut orders = Self::default();
        for fault in script.iter_mut().filter_map(|fault| fault.strikes(call).then_some(fault)) {
            orders.struck = true;
            for effect in &fault.effects {
                orders.add(fault.stage, effect.clone());
            }
        }
        orders
    }

    fn add(&mut self, stage: Stage, effect: Effect) {
        match effect {
            Effect::Answer(answer) => self.end(stage, Ending::Answer(answer)),
            Effect::Reset => self.end(stage, Ending::Reset),
            Effect::Hang => self.end(stage, Ending::Hang),
            Effect::Delay(by) => self.delay += by,
            Effect::Edit(edit) => match stage {
                Stage::Instead => self.edits_before.push(edit),
                Stage::AfterCommit => self.edits_after.push(edit),
            },
            Effect::Lie(lie) => self.lies.push(lie),
            Effect::AckOnly => self.ack_only = true,
            Effect::Lag(by) => self.lag = Some(by),
            Effect::Header(name, value) => self.headers.push((name, value)),
            Effect::Damage(damage) => self.damages.push(damage),
        }
    }

    /// The first fault that ends a call wins.
    fn end(&mut self, stage: Stage, ending: Ending) {
        let place = match stage {
            Stage::Instead => &mut self.instead,
            Stage::AfterCommit => &mut self.after,
        };
        place.get_or_insert(ending);
    }
}
