//! What the service manager is told (systemd's notification protocol), where there is one.
//!
//! Not here: what is true (`supervisor`). Invariant: a message that cannot be sent changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::batch::{AccountName, counted};
use crate::clock::Timestamp;

/// The service manager.
#[derive(Debug)]
pub(super) struct Manager {
    watchdog: Option<Duration>,
    told: BTreeMap<AccountName, Timestamp>,
    status: String,
}

/// What people may want to know at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) nexts: Vec<Next>,
    /// Accounts that are not this process's.
    pub(super) held: usize,
    /// Whether an account's last run could not reach the API.
    pub(super) is_unreachable: bool,
}

/// When an account runs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) account: AccountName,
    pub(super) at: Timestamp,
    /// The same on the clocks of its zone.
    pub(super) local: String,
}

impl Manager {
    pub(super) fn of_process() -> Self {
        let watchdog = sd_notify::watchdog_enabled();
        Self { watchdog, told: BTreeMap::new(), status: String::new() }
    }

    /// Within which time a sign of life is wanted; `None` where none is.
    pub(super) const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready, NotifyState::Status(&self.status)]);
    }

    /// Without the time, a manager that waits for the end of a reload would wait for ever.
    pub(super) fn reloading() {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, now]);
        }
    }

    pub(super) fn stopping() {
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status("stopping: calls in flight are finished"),
        ]);
    }

    pub(super) fn beat(&self) {
        if self.watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// Shows what comes next; returns what has changed since it was shown last.
    pub(super) fn show(&mut self, status: &Status) -> Vec<Next> {
        let (nexts, words) = (&status.nexts, status.in_words());
        if words != self.status {
            self.status = words;
            tell(&[NotifyState::Status(&self.status)]);
        }
        let is_new = |next: &&Next| self.told.get(&next.account) != Some(&next.at);
        let new: Vec<_> = nexts.iter().filter(is_new).cloned().collect();
        self.told = nexts.iter().map(|next| (next.account.clone(), next.at)).collect();
        new
    }
}

impl Status {
    fn in_words(&self) -> String {
        let soonest = self.nexts.iter().min_by_key(|next| (next.at, &next.account));
        let next = soonest.map_or_else(
            || "no firing ahead".to_owned(),
            |next| format!("next: {} at {}", next.account, next.local),
        );
        let held = match self.held {
            0 => String::new(),
            held => format!("; {} not this process's", counted(held as u64, "account", "accounts")),
        };
        let unreachable =
            if self.is_unreachable { "; API unreachable at the last run" } else { "" };
        format!("{next}{held}{unreachable}")
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // Nobody listens, or nobody can be reached: the service goes on all the same.
    drop(sd_notify::notify(states));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(account: &str, at: &str) -> Next {
        let at: Timestamp = at.parse().unwrap();
        let account = AccountName::parse(account).unwrap();
        Next { account, at, local: at.format("%Y-%m-%d %H:%M:%S UTC").to_string() }
    }

    fn status(nexts: &[Next], held: usize) -> Status {
        Status { nexts: nexts.to_vec(), held, is_unreachable: held > 0 }
    }

    #[test]
    fn the_status_names_the_soonest_firing_and_what_is_amiss() {
        let nexts = [next("b", "2026-11-25T04:00:00Z"), next("a", "2026-11-25T03:00:00Z")];
        assert_eq!(status(&nexts, 0).in_words(), "next: a at 2026-11-25 03:00:00 UTC");
        assert_eq!(
            status(&nexts, 1).in_words(),
            "next: a at 2026-11-25 03:00:00 UTC; 1 account not this process's; API unreachable at \
             the last run"
        );
        assert_eq!(status(&[], 0).in_words(), "no firing ahead");
    }

    #[test]
    fn a_firing_is_told_once() {
        let mut manager = Manager { watchdog: None, told: BTreeMap::new(), status: String::new() };
        let nexts = [next("a", "2026-11-25T03:00:00Z")];
        assert_eq!(manager.show(&status(&nexts, 0)), nexts);
        assert_eq!(manager.show(&status(&nexts, 0)), []);
        let later = [next("a", "2026-11-26T03:00:00Z")];
        assert_eq!(manager.show(&status(&later, 0)), later);
    }
}
