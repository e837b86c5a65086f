//! Defaults: each written once, with its reason; the sample file states the same, by test.

use super::duration::Span;

/// Plan and log only. Deleting must be asked for in so many words.
pub const DRY_RUN: bool = true;

/// The zone in which calendar days are counted. The one zone without surprises.
pub const TIMEZONE: &str = "UTC";

/// The longest random delay of a start. Whoever has one account has nobody to keep out of the way of.
pub const JITTER: Span = Span::of_secs(0);

/// One run makes up for all that were missed: what they would have deleted is still there.
pub const CATCH_UP: &str = "once";

/// Where the daemon can be asked how it is: on this machine only.
pub const LISTEN: &str = "127.0.0.1:9464";

/// Deletions a run may make, per account. A mistake in a rule costs at most this many batches before
/// somebody looks.
pub const MAX_DELETES: u32 = 100;

/// The same in percent of the inventory, which also protects small accounts.
pub const MAX_DELETE_PERCENT: u32 = 25;

/// How much smaller than at its last complete listing an account may be, in percent; what this program
/// deleted does not count. Half of an account gone at once is no work of a colleague.
pub const MAX_SHRINK_PERCENT: u32 = 50;

/// Failures in a row that end a sweep: one may be chance, five are not.
pub const MAX_CONSECUTIVE_FAILURES: u32 = 5;

/// The floor under every rule. Work of today is never old, whatever a rule says.
pub const NEVER_YOUNGER_THAN: Span = Span::of_secs(24 * 3_600);

/// How far our clock and the server's may differ: more, and ages cannot be trusted.
pub const MAX_CLOCK_SKEW: Span = Span::of_secs(5 * 60);

/// How long a new or edited delete rule only plans. Off, since it makes a first run do nothing.
pub const PROBATION: Span = Span::of_secs(0);

/// Whether `[keep]` in a batch's name protects it: for people who can rename a batch and cannot reach
/// the file.
pub const NAME_MARKERS: bool = true;

/// How long busy batches are polled at the end of a sweep. Most runs of a batch are shorter.
pub const BUSY_WAIT: Span = Span::of_secs(5 * 60);

/// Gets ahead of the one DELETE in flight. Four hide the latency of a Get at ten calls a second.
pub const LOOKAHEAD: u32 = 4;

/// Calls a second, of all kinds. The vendor names no limit for these; ten is polite.
pub const REQUESTS_PER_SECOND: u32 = 10;

/// How long one call may take. The slowest listings seen take a third of it.
pub const REQUEST_TIMEOUT: Span = Span::of_secs(30);

/// How often one call is tried. With full jitter this bridges about a minute.
pub const MAX_ATTEMPTS: u32 = 5;

/// Where the state is: in its usual place on this machine.
pub const STATE_URL: &str = "sqlite:";

/// How long runs and deletions are remembered: a year, and time to look back at it.
pub const KEEP_HISTORY: Span = Span::of_secs(400 * 24 * 3_600);

/// The one value of `sweep.recheck`: named in the file so that it is seen.
pub const RECHECK: &str = "always";

/// Every key that has a default, with the default as TOML writes it.
pub fn all() -> [(&'static str, String); 22] {
    let text = |text: &str| format!("\"{text}\"");
    let span = |span: Span| format!("\"{span}\"");
    [
        ("dry_run", DRY_RUN.to_string()),
        ("schedule.timezone", text(TIMEZONE)),
        ("schedule.jitter", span(JITTER)),
        ("schedule.catch_up", text(CATCH_UP)),
        ("guards.max_deletes", MAX_DELETES.to_string()),
        ("guards.max_delete_percent", MAX_DELETE_PERCENT.to_string()),
        ("guards.max_shrink_percent", MAX_SHRINK_PERCENT.to_string()),
        ("guards.max_consecutive_failures", MAX_CONSECUTIVE_FAILURES.to_string()),
        ("guards.never_younger_than", span(NEVER_YOUNGER_THAN)),
        ("guards.max_clock_skew", span(MAX_CLOCK_SKEW)),
        ("guards.probation", span(PROBATION)),
        ("guards.name_markers", NAME_MARKERS.to_string()),
        ("sweep.recheck", text(RECHECK)),
        ("sweep.busy_wait", span(BUSY_WAIT)),
        ("sweep.lookahead", LOOKAHEAD.to_string()),
        ("sweep.requests_per_second", REQUESTS_PER_SECOND.to_string()),
        ("sweep.request_timeout", span(REQUEST_TIMEOUT)),
        ("sweep.max_attempts", MAX_ATTEMPTS.to_string()),
        ("state.url", text(STATE_URL)),
        ("state.keep_history", span(KEEP_HISTORY)),
        ("server.listen", text(LISTEN)),
        ("server.hosts", "[]".to_owned()),
    ]
}
