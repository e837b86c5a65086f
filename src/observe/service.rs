//! What happens to the service itself, and its log lines: the other half of the closed list of events.
//!
//! Not here: what a run tells (`event`). Names and fields are an interface.

use tracing::{debug, error, info, warn};

use crate::batch::AccountName;
use crate::clock::Timestamp;

/// Something that happened to the daemon, or to when an account runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceEvent {
    /// It is ready: file, keys and state are good.
    Started {
        /// How many accounts it serves.
        accounts: usize,
        /// The hash of the configuration.
        config_hash: String,
    },
    /// It was told to stop; the call in flight is finished.
    Stopping {
        /// Runs that are under way.
        running: usize,
    },
    /// The files were read again and are used from the next run on.
    ConfigReloaded {
        /// How many accounts there are now.
        accounts: usize,
        /// The hash of the configuration.
        config_hash: String,
    },
    /// The files were read again and are not used: the old ones stay.
    ConfigRejected {
        /// Why, without what the files say.
        cause: String,
    },
    /// When an account runs next.
    ScheduleNext {
        /// The account.
        account: AccountName,
        /// When, before any jitter.
        at: Timestamp,
        /// The same on the clocks of its zone.
        local: String,
    },
    /// Firings passed while nobody was there.
    ScheduleMissed {
        /// The account.
        account: AccountName,
        /// How many; counted up to [`crate::schedule::MOST_COUNTED`].
        missed: usize,
        /// Whether one run makes up for them.
        makes_up: bool,
    },
    /// A firing passed while the account's run was under way.
    ScheduleSkipped {
        /// The account.
        account: AccountName,
        /// How many.
        skipped: usize,
    },
    /// The alarm did not ring in time; the firing is late, not lost.
    AlarmLate {
        /// The account.
        account: AccountName,
        /// When it should have.
        at: Timestamp,
    },
    /// No alarm could be set; the service looks at the clock twice a minute.
    AlarmBroken {
        /// Why.
        cause: String,
    },
    /// The wall clock was set back; schedules are reckoned from now on anew.
    ClockSetBack {
        /// How far, in seconds.
        seconds: i64,
    },
    /// Another process has the account: this one stands by.
    Standby {
        /// The account.
        account: AccountName,
        /// Who has it, for people.
        by: String,
    },
    /// The account is this process's, after it stood by.
    TakenOver {
        /// The account.
        account: AccountName,
    },
    /// A notification was sent.
    NotifySent {
        /// The target's name in the file.
        notify: String,
        /// Its host; the rest of its address is a secret.
        host: String,
        /// Which try it was, from 1.
        attempts: u32,
    },
    /// A notification was not sent. No run depends on it.
    NotifyFailed {
        /// The target's name in the file.
        notify: String,
        /// Its host; the rest of its address is a secret. Empty where there is no address.
        host: String,
        /// How often it was tried.
        attempts: u32,
        /// Why, without the address.
        error: String,
    },
    /// The account cannot be asked for: the state cannot be used. It is tried again.
    StateUnusable {
        /// The account.
        account: AccountName,
        /// Why.
        cause: String,
    },
    /// The file of metrics is not this program's, or cannot be read: counters begin at zero.
    MetricsBeganAnew {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// The file of metrics could not be written; the runs are what they are.
    MetricsNotWritten {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
}

/// One line with the fields that lines of the service share.
macro_rules! line {
    ($level:ident, $event:literal, { $($field:tt)* }, $($message:tt)+) => {
        $level!(event = $event, $($field)* $($message)+)
    };
}

/// Writes an event to the log.
#[expect(
    clippy::cognitive_complexity,
    reason = "one arm for each event; the branches are those of the macros"
)]
pub(super) fn log(event: &ServiceEvent) {
    match event {
        ServiceEvent::Started { accounts, config_hash } => line!(
            info, "service.started",
            { accounts = accounts, config_hash = config_hash.as_str(), version = env!("CARGO_PKG_VERSION"), },
            "the service is ready"
        ),
        ServiceEvent::Stopping { running } => line!(
            info, "service.stopping", { running = running, },
            "the service stops; calls in flight are finished"
        ),
        ServiceEvent::ConfigReloaded { accounts, config_hash } => line!(
            info, "config.reloaded",
            { accounts = accounts, config_hash = config_hash.as_str(), },
            "the configuration was read again and is used from the next run on"
        ),
        ServiceEvent::ConfigRejected { cause } => line!(
            error, "config.rejected", { error = cause.as_str(), },
            "the configuration was read again and is not used; the old one stays"
        ),
        ServiceEvent::StateUnusable { account, cause } => line!(
            error, "state.unusable", { account = account.as_str(), error = cause.as_str(), },
            "the account cannot be taken; nothing is deleted, and it is tried again"
        ),
        ServiceEvent::Standby { account, by } => line!(
            warn, "account.standby", { account = account.as_str(), by = by.as_str(), },
            "another process has the account; this one stands by"
        ),
        ServiceEvent::TakenOver { account } => line!(
            info, "account.taken", { account = account.as_str(), },
            "the account is this process's now"
        ),
        ServiceEvent::AlarmBroken { cause } => line!(
            error, "alarm.broken", { error = cause.as_str(), },
            "the alarm cannot be set; firings may be half a minute late"
        ),
        ServiceEvent::NotifySent { .. } | ServiceEvent::NotifyFailed { .. } => notified(event),
        ServiceEvent::MetricsBeganAnew { .. } | ServiceEvent::MetricsNotWritten { .. } => {
            counted(event);
        }
        ServiceEvent::ScheduleNext { .. }
        | ServiceEvent::ScheduleMissed { .. }
        | ServiceEvent::ScheduleSkipped { .. } => schedule(event),
        ServiceEvent::AlarmLate { account, at } => line!(
            error, "alarm.late", { account = account.as_str(), at = at.to_rfc3339().as_str(), },
            "the alarm did not ring; the firing is late, and the alarm set anew"
        ),
        ServiceEvent::ClockSetBack { seconds } => line!(
            warn, "clock.set_back", { seconds = seconds, },
            "the clock was set back; schedules are reckoned from now on"
        ),
    }
}

fn notified(event: &ServiceEvent) {
    if let ServiceEvent::NotifySent { notify, host, attempts } = event {
        line!(
            debug, "notify.sent",
            { notify = notify.as_str(), host = host.as_str(), attempts = attempts, },
            "a notification was sent"
        );
    }
    if let ServiceEvent::NotifyFailed { notify, host, attempts, error } = event {
        line!(
            warn, "notify.failed",
            { notify = notify.as_str(), host = host.as_str(), attempts = attempts, error = error.as_str(), },
            "a notification was not sent; runs go on without it"
        );
    }
}

fn counted(event: &ServiceEvent) {
    if let ServiceEvent::MetricsBeganAnew { path, cause } = event {
        line!(
            warn, "metrics.began_anew", { path = path.as_str(), error = cause.as_str(), },
            "the file of metrics cannot be gone on from; its counters begin at zero"
        );
    }
    if let ServiceEvent::MetricsNotWritten { path, cause } = event {
        line!(
            warn, "metrics.not_written", { path = path.as_str(), error = cause.as_str(), },
            "the file of metrics could not be written; the runs are not changed by it"
        );
    }
}

fn schedule(event: &ServiceEvent) {
    if let ServiceEvent::ScheduleNext { account, at, local } = event {
        line!(
            info, "schedule.next",
            { account = account.as_str(), at = at.to_rfc3339().as_str(), local = local.as_str(), },
            "the next firing"
        );
    }
    if let ServiceEvent::ScheduleMissed { account, missed, makes_up } = event {
        line!(
            warn, "schedule.missed",
            { account = account.as_str(), missed = missed, makes_up = makes_up, },
            "firings were missed; one run makes up for them where catch_up says so"
        );
    }
    if let ServiceEvent::ScheduleSkipped { account, skipped } = event {
        line!(
            warn, "schedule.skipped", { account = account.as_str(), skipped = skipped, },
            "skipped a firing: the run before it is still under way"
        );
    }
}
