//! Families: what is counted, by which labels, and every label set that there is.
//!
//! Not here: what an event means for them (`metrics`). Names and labels are an interface (`docs/metrics.md`).

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::{Of, Served, number, seconds};
use crate::api::error::Operation;
use crate::batch::{AccountName, RuleName};
use crate::clock::Timestamp;
use crate::guards;
use crate::observe::event::{Code, OUTCOMES, STATUSES};
use crate::policy::verdict::Verdict;
use crate::sweep::outcome::Outcome;

/// Batches that an account can hold (contract §3).
const LIMIT: f64 = 10_000.0;

/// Why a run did not happen: another one of the account was under way, or another process has it.
pub(super) const SKIPPED: [&str; 2] = ["running", "locked"];

/// Exit code of an account that no run of is known.
const NEVER: f64 = -1.0;

/// Seconds of a run: from a dry run of a small account to 10,000 deletions that wait for busy batches.
const RUN_BUCKETS: [f64; 12] =
    [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 7200.0, 10_800.0];

/// Seconds of a call: from a machine beside the API to the longest `request_timeout` that is usual.
const REQUEST_BUCKETS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The value of a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Label {
    /// A word of a closed list.
    Word(&'static str),
    /// An account's name.
    Account(AccountName),
    /// A rule's name.
    Rule(RuleName),
}

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            Self::Word(word) => word,
            Self::Account(account) => account.as_str(),
            Self::Rule(rule) => rule.as_str(),
        })
    }
}

type Labels<const N: usize> = [(&'static str, Label); N];
type Number = Gauge<f64, AtomicU64>;
type Seconds = Counter<f64, AtomicU64>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// A gauge of each account.
pub(super) type OfAccount = Family<Labels<1>, Number>;

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) last_run: OfAccount,
    pub(super) last_success: OfAccount,
    pub(super) last_exit_code: OfAccount,
    pub(super) next_run: OfAccount,
    pub(super) busy_oldest: OfAccount,
    pub(super) owned: OfAccount,
    interval: OfAccount,
    limit: OfAccount,
    inventory: Family<Labels<2>, Number>,
    plan: Family<Labels<2>, Number>,
    guard: Family<Labels<2>, Number>,
    runs: Family<Labels<2>, Counter>,
    run_duration: Histograms<1>,
    deletions: Family<Labels<3>, Counter>,
    requests: Family<Labels<3>, Counter>,
    request_duration: Histograms<2>,
    paused: Family<Labels<1>, Seconds>,
    skipped: Family<Labels<2>, Counter>,
    missed: Family<Labels<1>, Counter>,
    reload_successful: Number,
    reload_success: Number,
    lost_lines: Counter,
    notified: Family<Labels<1>, Counter>,
}

/// Where families are registered: those of a service are left out where there is none.
struct Making<'r> {
    registry: &'r mut Registry,
    of: Of,
}

impl Making<'_> {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.registry.register(name, help, metric.clone());
        metric
    }

    /// A family of its own.
    fn of_both<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add(name, help, M::default())
    }

    /// The same, which only a service shows.
    fn of_service<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        match self.of {
            Of::Service => self.of_both(name, help),
            Of::Once => M::default(),
        }
    }
}

impl Families {
    #[expect(clippy::too_many_lines, reason = "one line for each metric, with what it means")]
    pub(super) fn new(of: Of, registry: &mut Registry) -> Self {
        let mut make = Making { registry, of };
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        make.registry.register("build", "The version of this program", Info::new(version));
        let runs_of_seconds: fn() -> Histogram = || Histogram::new(RUN_BUCKETS);
        let calls_of_seconds: fn() -> Histogram = || Histogram::new(REQUEST_BUCKETS);
        Self {
            runs: make.of_both("runs", "Runs that ended, by how they ended"),
            run_duration: make.add(
                "run_duration_seconds",
                "How long runs took",
                Family::new_with_constructor(runs_of_seconds),
            ),
            last_run: make.of_both(
                "last_run_timestamp_seconds",
                "When the last run ended, however it ended; 0 where none is known",
            ),
            last_success: make.of_both(
                "last_success_timestamp_seconds",
                "When the last run ended that asked for exit code 0; 0 where none is known",
            ),
            last_exit_code: make.of_both(
                "last_run_exit_code",
                "The exit code that the last run asked for; -1 where none is known",
            ),
            next_run: make.of_service(
                "next_run_timestamp_seconds",
                "The next firing of the schedule, before jitter; 0 without a schedule",
            ),
            interval: make.of_service(
                "schedule_interval_seconds",
                "The longest time between two firings of the schedule; accounts without one have none",
            ),
            inventory: make.of_both(
                "inventory_batches",
                "Batches in the account by status, after the last sweep; all unknown after a restart, until the \
                 first listing",
            ),
            limit: make.of_both("inventory_limit", "Batches that the account can hold"),
            plan: make.of_both("plan_batches", "Batches of the last plan, by verdict"),
            guard: make.of_both(
                "guard_tripped",
                "1 while the guard is open: it stopped the last plan that was to be carried out",
            ),
            deletions: make.of_both(
                "deletions",
                "Batches that were to be deleted, by what became of them; deleted means confirmed",
            ),
            busy_oldest: make.of_service(
                "busy_oldest_seconds",
                "How long the longest-waiting batch that a rule selects has been found busy, from the first look of \
                 this process to the last",
            ),
            requests: make.of_both("api_requests", "Calls to the API, each attempt counted"),
            request_duration: make.add(
                "api_request_duration_seconds",
                "How long attempts of calls took, waits for a turn left out",
                Family::new_with_constructor(calls_of_seconds),
            ),
            paused: make.of_both(
                "api_paused_seconds",
                "For how long the API asked all calls of the account to wait",
            ),
            skipped: make.of_service("runs_skipped", "Runs that did not happen, by why"),
            missed: make.of_service(
                "firings_missed",
                "Firings that came while nobody was there, made up for or not",
            ),
            owned: make.of_service("account_owned", "1 while the account is this process's"),
            reload_successful: make.of_service(
                "config_last_reload_successful",
                "1 if the files were good when they were last read; 0: those from before are used",
            ),
            reload_success: make.of_service(
                "config_last_reload_success_timestamp_seconds",
                "When the files that are used were read",
            ),
            lost_lines: make.of_both(
                "log_lines_lost",
                "Log lines that the systemd journal did not take in time",
            ),
            notified: make.of_service("notifications", "Notifications, by what became of them"),
        }
    }

    /// Makes sure that every label set of an account is there.
    pub(super) fn set_out(&self, served: &Served) {
        let account = &served.account;
        for gauge in
            [&self.last_run, &self.last_success, &self.busy_oldest, &self.owned, &self.next_run]
        {
            self.of_account(gauge, account);
        }
        self.of_account(&self.limit, account).set(LIMIT);
        let is_new = self.last_exit_code.get(&of_account(account)).is_none();
        if is_new {
            self.of_account(&self.last_exit_code, account).set(NEVER);
        }
        match served.interval {
            Some(interval) => {
                self.of_account(&self.interval, account).set(interval.as_secs_f64());
            }
            None => drop(self.of_account(&self.next_run, account).set(0.0)),
        }
        self.inventory_of(account);
        for verdict in Verdict::NAMES {
            self.plan(account, verdict);
        }
        for guard in guards::NAMES {
            self.guard(account, guard);
        }
        for outcome in OUTCOMES {
            self.runs(account, outcome);
        }
        self.run_duration(account);
        for (rule, outcome) in
            served.rules.iter().flat_map(|rule| outcomes().map(move |it| (rule, it)))
        {
            self.deletions(account, rule, outcome);
        }
        for operation in Operation::ALL.map(Operation::as_str) {
            for code in Code::ALL {
                self.requests(account, operation, code);
            }
            self.request_duration(account, operation);
        }
        self.paused(account);
        for reason in SKIPPED {
            self.skipped(account, reason, 0);
        }
        self.missed(account, 0);
    }

    /// Takes the gauges of an account away.
    pub(super) fn forget(&self, account: &AccountName) {
        let of_account = of_account(account);
        for gauge in [
            &self.last_run,
            &self.last_success,
            &self.last_exit_code,
            &self.next_run,
            &self.busy_oldest,
            &self.owned,
            &self.interval,
            &self.limit,
        ] {
            gauge.remove(&of_account);
        }
        for (family, label, words) in [
            (&self.inventory, "status", &STATUSES[..]),
            (&self.plan, "verdict", &Verdict::NAMES[..]),
            (&self.guard, "guard", &guards::NAMES[..]),
        ] {
            for word in words {
                family.remove(&[account_label(account), (label, Label::Word(word))]);
            }
        }
    }

    /// Takes the interval away: the account may have no schedule any more.
    pub(super) fn forget_interval(&self, account: &AccountName) {
        self.interval.remove(&of_account(account));
    }

    /// One gauge of an account.
    #[expect(clippy::unused_self, reason = "reads as the others do")]
    pub(super) fn of_account(&self, gauge: &OfAccount, account: &AccountName) -> Number {
        gauge.get_or_create_owned(&of_account(account))
    }

    /// Sets the inventory of an account, status by status.
    pub(super) fn list(&self, account: &AccountName, count: impl Fn(&'static str) -> usize) {
        for status in STATUSES {
            self.status(account, status).set(number(count(status)));
        }
    }

    /// One batch less. It was idle; after a restart nobody can say what it counted as.
    pub(super) fn one_less(&self, account: &AccountName) {
        let idle = self.status(account, "idle");
        if idle.get() >= 1.0 {
            idle.dec();
        }
    }

    fn inventory_of(&self, account: &AccountName) {
        for status in STATUSES {
            self.status(account, status);
        }
    }

    fn status(&self, account: &AccountName, status: &'static str) -> Number {
        let labels = [account_label(account), ("status", Label::Word(status))];
        self.inventory.get_or_create_owned(&labels)
    }

    pub(super) fn plan(&self, account: &AccountName, verdict: &'static str) -> Number {
        let labels = [account_label(account), ("verdict", Label::Word(verdict))];
        self.plan.get_or_create_owned(&labels)
    }

    pub(super) fn guard(&self, account: &AccountName, guard: &'static str) -> Number {
        let labels = [account_label(account), ("guard", Label::Word(guard))];
        self.guard.get_or_create_owned(&labels)
    }

    pub(super) fn runs(&self, account: &AccountName, outcome: &'static str) -> Counter {
        let labels = [account_label(account), ("outcome", Label::Word(outcome))];
        self.runs.get_or_create_owned(&labels)
    }

    pub(super) fn run_duration(&self, account: &AccountName) -> Histogram {
        self.run_duration.get_or_create_owned(&of_account(account))
    }

    pub(super) fn deletions(
        &self,
        account: &AccountName,
        rule: &RuleName,
        outcome: &'static str,
    ) -> Counter {
        let rule = ("rule", Label::Rule(rule.clone()));
        let labels = [account_label(account), rule, ("outcome", Label::Word(outcome))];
        self.deletions.get_or_create_owned(&labels)
    }

    pub(super) fn requests(
        &self,
        account: &AccountName,
        operation: &'static str,
        code: Code,
    ) -> Counter {
        let operation = ("operation", Label::Word(operation));
        let labels = [account_label(account), operation, ("code", Label::Word(code.as_str()))];
        self.requests.get_or_create_owned(&labels)
    }

    pub(super) fn request_duration(
        &self,
        account: &AccountName,
        operation: &'static str,
    ) -> Histogram {
        let labels = [account_label(account), ("operation", Label::Word(operation))];
        self.request_duration.get_or_create_owned(&labels)
    }

    pub(super) fn paused(&self, account: &AccountName) -> Seconds {
        self.paused.get_or_create_owned(&of_account(account))
    }

    pub(super) fn skipped(&self, account: &AccountName, reason: &'static str, times: u64) {
        let labels = [account_label(account), ("reason", Label::Word(reason))];
        self.skipped.get_or_create_owned(&labels).inc_by(times);
    }

    pub(super) fn missed(&self, account: &AccountName, firings: u64) {
        self.missed.get_or_create_owned(&of_account(account)).inc_by(firings);
    }

    pub(super) fn config_loaded(&self, now: Timestamp) {
        self.reload_successful.set(1.0);
        self.reload_success.set(seconds(now));
    }

    pub(super) fn config_rejected(&self) {
        self.reload_successful.set(0.0);
    }

    pub(super) fn notified(&self, outcome: &'static str, times: u64) {
        let labels = [("outcome", Label::Word(outcome))];
        self.notified.get_or_create_owned(&labels).inc_by(times);
    }

    pub(super) fn set_lost_lines(&self, lines: u64) {
        self.lost_lines.inner().store(lines, Ordering::Relaxed);
    }
}

/// What may become of a batch that is to be deleted; one whose turn did not come is not told of.
pub(super) fn outcomes() -> impl Iterator<Item = &'static str> {
    Outcome::NAMES.into_iter().filter(|outcome| *outcome != "not_reached")
}

fn account_label(account: &AccountName) -> (&'static str, Label) {
    ("account", Label::Account(account.clone()))
}

fn of_account(account: &AccountName) -> Labels<1> {
    [account_label(account)]
}
