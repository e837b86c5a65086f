//! Digests: one message of all that a run tells, and one of each thing that the service does.
//!
//! Pure but for what [`Gathering`] holds between the start and the end of a run: counts, and at most
//! [`MOST_NAMES`] names. Not here: how a message looks (`words`, `outgoing`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::batch::{AccountName, RunId};
use crate::notify::Class;
use crate::observe::event::{Event, Scope, Subject};
use crate::observe::service::ServiceEvent;

/// Names, guards and notes that a message shows of each; of more it tells the number.
pub const MOST_NAMES: usize = 10;

/// What a message is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// What it is about.
    pub classes: BTreeSet<Class>,
    /// Whom it is about; `None`: the service.
    pub account: Option<AccountName>,
    /// What is told.
    pub news: News,
}

impl Digest {
    /// The class that leads.
    pub fn class(&self) -> Class {
        self.classes.first().copied().unwrap_or(Class::Warning)
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A run began.
    Begun {
        /// Which.
        run_id: RunId,
        /// Whether it can delete.
        dry_run: bool,
    },
    /// A run ended.
    Ended(Box<Ended>),
    /// Something happened to the service.
    Notice {
        /// The event's name.
        event: &'static str,
        /// The sentence for people.
        sentence: String,
        /// What to do.
        help: &'static str,
    },
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub run_id: RunId,
    /// `swept`, `dry_run`, `guarded`, `incomplete`, `locked` or `failed`.
    pub outcome: &'static str,
    /// What was gathered on the way.
    pub gathered: Gathered,
    /// Batches by what became of them, without zeros.
    pub counts: BTreeMap<&'static str, usize>,
    /// Whether a last listing proved the deletions.
    pub verified: Option<bool>,
    /// How long it took.
    pub duration: Duration,
    /// The exit code that it asks for.
    pub exit_code: u8,
    /// What went wrong.
    pub error: Option<String>,
}

/// What a run told before its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Whether it could delete.
    pub dry_run: bool,
    /// Batches deleted (in a dry run: that would be) by rule.
    pub rules: BTreeMap<String, usize>,
    /// Some of their names, escaped.
    pub names: Vec<String>,
    /// Guards that stopped it.
    pub guards: Vec<GuardNote>,
    /// What else wants a look.
    pub notes: Vec<String>,
    /// Notes beyond those.
    pub more_notes: usize,
}

/// A guard that stopped a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardNote {
    /// Its name: its setting.
    pub guard: &'static str,
    /// What is allowed.
    pub limit: String,
    /// What the plan has.
    pub value: String,
    /// The sentence for people.
    pub detail: String,
}

impl Gathered {
    fn note(&mut self, note: String) {
        if self.notes.len() < MOST_NAMES { self.notes.push(note) } else { self.more_notes += 1 }
    }

    fn batch(&mut self, batch: &Subject) {
        *self.rules.entry(batch.rule.to_string()).or_default() += 1;
        if self.names.len() < MOST_NAMES {
            self.names.push(batch.name.clone());
        }
    }

    /// Takes note of one event.
    fn take(&mut self, event: &Event) {
        match event {
            Event::RunStarted { dry_run } => self.dry_run = *dry_run,
            Event::GuardTripped { guard, limit, value, detail } => {
                if self.guards.len() < MOST_NAMES {
                    let (limit, value, detail) = (limit.clone(), value.clone(), detail.clone());
                    self.guards.push(GuardNote { guard, limit, value, detail });
                }
            }
            Event::BatchWouldDelete { batch } | Event::BatchDeleted { batch, .. } => {
                self.batch(batch);
            }
            Event::ProtectionGone { rule } => self.note(format!(
                "keep rule {rule} was edited or taken away; what it protected waits for guards.probation"
            )),
            Event::HoldExpires { batch, until, why } => self.note(format!(
                "the hold on batch {batch} ends at {}: {why}",
                crate::clock::shown(*until)
            )),
            Event::InventoryPage { .. }
            | Event::InventoryListed { .. }
            | Event::InventoryIncomplete { .. }
            | Event::PlanMade { .. }
            | Event::BusyWaiting { .. }
            | Event::BatchSkipped { .. }
            | Event::BatchFailed { .. }
            | Event::JournalSettled { .. }
            | Event::GuardApproved { .. }
            | Event::ApiCalled { .. }
            | Event::ApiRetry { .. }
            | Event::ApiPaused { .. }
            | Event::RunFinished { .. } => {}
        }
    }
}

/// Runs under way.
#[derive(Debug, Default)]
pub struct Gathering(BTreeMap<RunId, Gathered>);

impl Gathering {
    /// Takes note of an event, and makes a message of it where it begins or ends a run.
    pub fn take(&mut self, scope: &Scope, event: &Event) -> Option<Digest> {
        let gathered = self.0.entry(scope.run_id).or_default();
        gathered.take(event);
        if let Event::RunStarted { dry_run } = event {
            let news = News::Begun { run_id: scope.run_id, dry_run: *dry_run };
            let account = Some(scope.account.clone());
            return Some(Digest { classes: BTreeSet::from([Class::Start]), account, news });
        }
        let ended = ended(scope.run_id, gathered, event)?;
        self.0.remove(&scope.run_id);
        let classes = classes(&ended);
        let news = News::Ended(Box::new(ended));
        Some(Digest { classes, account: Some(scope.account.clone()), news })
    }
}

fn ended(run_id: RunId, gathered: &Gathered, event: &Event) -> Option<Ended> {
    let Event::RunFinished { outcome, counts, verified, duration, exit_code, error, .. } = event
    else {
        return None;
    };
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    Some(Ended {
        run_id,
        outcome,
        gathered: gathered.clone(),
        counts: counts.map(|(name, count)| (*name, *count)).collect(),
        verified: *verified,
        duration: *duration,
        exit_code: *exit_code,
        error: error.clone(),
    })
}

/// What the end of a run is about.
fn classes(ended: &Ended) -> BTreeSet<Class> {
    let end = match ended.outcome {
        "guarded" => Class::Guard,
        _ if ended.exit_code == 0 => Class::Success,
        _ => Class::Failure,
    };
    let deleted = ended.counts.contains_key("deleted").then_some(Class::Deleted);
    let warning = (!ended.gathered.notes.is_empty()).then_some(Class::Warning);
    [Some(end), deleted, warning].into_iter().flatten().collect()
}

/// What happened to the service, where it wants a look.
pub fn of_service(event: &ServiceEvent) -> Option<Digest> {
    let (account, event, sentence, help) = match event {
        ServiceEvent::ConfigRejected { cause } => (
            None,
            "config.rejected",
            format!("the configuration was read again and is not used; the old one stays: {cause}"),
            "mend the file; batchsweep check says what is wrong",
        ),
        ServiceEvent::ScheduleMissed { account, missed, makes_up } => (
            Some(account),
            "schedule.missed",
            format!(
                "{missed} firings were missed; {}",
                if *makes_up { "one run makes up for them" } else { "no run makes up for them" }
            ),
            "was the service down, or the machine asleep? batchsweep history shows the runs",
        ),
        ServiceEvent::ScheduleSkipped { account, skipped } => (
            Some(account),
            "schedule.skipped",
            format!("{skipped} firings were skipped: the run before was still under way"),
            "let runs be further apart, or raise sweep.requests_per_second",
        ),
        ServiceEvent::StateUnusable { account, cause } => (
            Some(account),
            "state.unusable",
            format!("the account cannot be taken, and nothing is deleted: {cause}"),
            "it is tried again; the state's database wants a look",
        ),
        ServiceEvent::Standby { account, by } => (
            Some(account),
            "account.standby",
            format!("another process has the account; this one stands by: {by}"),
            "nothing, if two are meant to run; else stop one of them",
        ),
        ServiceEvent::AlarmBroken { cause } => (
            None,
            "alarm.broken",
            format!("the alarm cannot be set; firings may be half a minute late: {cause}"),
            "a new start sets it anew",
        ),
        ServiceEvent::ClockSetBack { seconds } => (
            None,
            "clock.set_back",
            format!("the clock was set back by {seconds} s; schedules are reckoned from now on"),
            "look at this machine's time service",
        ),
        ServiceEvent::MetricsBeganAnew { .. }
        | ServiceEvent::MetricsNotWritten { .. }
        | ServiceEvent::Started { .. }
        | ServiceEvent::Stopping { .. }
        | ServiceEvent::ConfigReloaded { .. }
        | ServiceEvent::ScheduleNext { .. }
        | ServiceEvent::AlarmLate { .. }
        | ServiceEvent::TakenOver { .. }
        | ServiceEvent::NotifySent { .. }
        | ServiceEvent::NotifyFailed { .. } => return None,
    };
    let classes = BTreeSet::from([Class::Warning]);
    let news = News::Notice { event, sentence, help };
    Some(Digest { classes, account: account.cloned(), news })
}
