//! The pace: how soon the next call may leave.
//!
//! [`Pace`] is the pure part: it takes `now` and says *now* or *not before*. [`Pacer`] is the thin
//! part that waits. Three things hold a call back: the list window (contract §3), the even spacing
//! of all calls, and a pause of the whole account.
//! Not here: what is tried again (`retry`).
//! Invariant: at most 54 list calls leave in any 61 s, and at most `requests_per_second` calls in
//! any second, whatever the callers do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};

/// List calls in a window. The API allows 60 a minute; the rest is for a person at the dashboard.
const LISTS: usize = 54;

/// The window: a minute, and a second for what a call's way may add or take.
const LIST_WINDOW: Duration = Duration::from_secs(61);

/// The runtime's timers count milliseconds, so a wait shorter than that would cost more than it is.
const TIMER: Duration = Duration::from_millis(1);

/// How far behind its slot a call may leave without moving the slots after it. Timers fire up to a
/// millisecond late; without this, ten calls a second would be 1 % slow.
const CATCH_UP: Duration = Duration::from_millis(2);

/// Slots are this much wider than the rate says: what [`TIMER`] and [`CATCH_UP`] can squeeze out of
/// a second, so that no second ever holds a call too many.
const WIDER: f64 = 1.003;

/// The slowest pace that throttling leads to, in calls a second: the vendor's own strictest limit
/// is 60 a minute. What must be slower than that is a pause, not a pace.
const SLOWEST: f64 = 1.0;

/// After this long without a 429, the pace rises by [`STEP`] of what is set, and so on.
const RECOVERY: Duration = Duration::from_secs(30);

/// See [`RECOVERY`].
const STEP: f64 = 0.1;

/// The list calls of one account of the vendor that still count. Shared by all clients that use its
/// key, since the API counts by key; a clone is the same window.
#[derive(Debug, Clone, Default)]
pub struct ListWindow(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<VecDeque<ListCall>>,
    /// A call was counted that is not written down yet.
    called: Notify,
}

/// A list call that still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ListCall {
    left: Instant,
    /// The time by which it is written down, for other processes and for those who begin later.
    noted: Option<Timestamp>,
}

impl ListWindow {
    /// Counts calls that are written down, by whomever, as far as it does not count them already.
    pub fn remember(&self, noted: &[Timestamp], clock: &dyn Clock) {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let mut calls = self.lock();
        let mut known: Vec<_> = calls.iter().filter_map(|call| call.noted).collect();
        for at in noted {
            if let Some(same) = known.iter().position(|known| known == at) {
                known.swap_remove(same);
                continue;
            }
            let age = now.signed_duration_since(*at).to_std().unwrap_or_default();
            let left = monotonic.checked_sub(age);
            calls.extend(left.map(|left| ListCall { left, noted: Some(*at) }));
        }
        calls.make_contiguous().sort_unstable();
    }

    /// When each call left that still counts and was not given by this before.
    pub fn to_note(&self, clock: &dyn Clock) -> Vec<Timestamp> {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let mut calls = self.lock();
        let new = calls.iter_mut().filter(|call| call.noted.is_none());
        let times = new.filter_map(|call| {
            let age = monotonic.saturating_duration_since(call.left);
            let at = now.checked_sub_signed(TimeDelta::from_std(age).ok()?)?;
            // As it is written: whoever reads it back must know it again.
            let at = at.trunc_subsecs(3);
            call.noted = Some(at);
            (age < LIST_WINDOW).then_some(at)
        });
        times.collect()
    }

    /// Waits for a call that is not written down yet.
    pub async fn called(&self) {
        self.0.called.notified().await;
    }

    /// Whether there is room for a call. Counts nothing.
    fn room(&self, now: Instant) -> Leave {
        Self::room_among(&self.lock(), now)
    }

    /// Counts a call, if there is room for it.
    fn take(&self, now: Instant) -> Leave {
        let mut calls = self.lock();
        let room = Self::room_among(&calls, now);
        if room == Leave::Now {
            calls.push_back(ListCall { left: now, noted: None });
            while calls.len() > LISTS {
                calls.pop_front();
            }
            self.0.called.notify_one();
        }
        room
    }

    fn room_among(calls: &VecDeque<ListCall>, now: Instant) -> Leave {
        let nth_last = calls.len().checked_sub(LISTS).and_then(|at| calls.get(at));
        match nth_last.map(|call| call.left + LIST_WINDOW) {
            Some(free) if now < free => Leave::At(free),
            Some(_) | None => Leave::Now,
        }
    }

    /// Every change is complete before a panic could come, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, VecDeque<ListCall>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which limits a call falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// The list window, and what holds for all.
    List,
    /// What holds for all.
    Other,
}

/// Whether a call may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// Now; it is counted.
    Now,
    /// Not before this instant. Ask again then: a pause may have come.
    At(Instant),
}

/// The pace of one account.
#[derive(Debug)]
pub(super) struct Pace {
    /// Calls a second: as set, and as throttled.
    set: f64,
    rate: f64,
    /// The slot of the next call.
    slot: Instant,
    paused_until: Instant,
    lists: ListWindow,
    /// The last 429 that slowed the pace, and the last change of it.
    slowed_at: Option<Instant>,
    changed_at: Instant,
    /// 429s since the last answer that was none.
    strikes: u32,
}

impl Pace {
    pub(super) fn new(requests_per_second: u32, lists: ListWindow, now: Instant) -> Self {
        let set = f64::from(requests_per_second.max(1));
        Self {
            set,
            rate: set,
            slot: now,
            paused_until: now,
            lists,
            slowed_at: None,
            changed_at: now,
            strikes: 0,
        }
    }

    /// Lets one call leave, or says when to ask again.
    pub(super) fn take(&mut self, line: Line, now: Instant) -> Leave {
        self.recover(now);
        let spacing = self.spacing();
        let early = if spacing < TIMER { TIMER } else { Duration::ZERO };
        if now < self.paused_until {
            return Leave::At(self.paused_until);
        }
        if now + early < self.slot {
            return Leave::At(self.slot);
        }
        if line == Line::List
            && let Leave::At(then) = self.lists.take(now)
        {
            return Leave::At(then);
        }
        let kept_up = now.checked_sub(CATCH_UP).map_or(self.slot, |at| at.max(self.slot));
        self.slot = kept_up + spacing;
        Leave::Now
    }

    /// A 429 came for a call that left at `left`. Halves the pace, unless it was halved since that
    /// call left: three calls in flight that meet the same limit are one reason, not three.
    pub(super) fn throttled(&mut self, left: Instant, now: Instant) -> u32 {
        self.recover(now);
        let news = self.slowed_at.is_none_or(|slowed| left > slowed);
        if news {
            self.rate = (self.rate / 2.0).max(SLOWEST);
            self.slowed_at = Some(now);
        }
        self.changed_at = now;
        self.strikes = self.strikes.saturating_add(1);
        self.strikes
    }

    /// An answer came that was no 429.
    pub(super) const fn answered(&mut self) {
        self.strikes = 0;
    }

    /// Holds every call back for this long.
    pub(super) fn pause(&mut self, wait: Duration, now: Instant) {
        self.paused_until = self.paused_until.max(now + wait);
    }

    fn spacing(&self) -> Duration {
        Duration::from_secs_f64(WIDER / self.rate)
    }

    fn recover(&mut self, now: Instant) {
        while self.rate < self.set && now.saturating_duration_since(self.changed_at) >= RECOVERY {
            self.rate = self.set.min(self.set.mul_add(STEP, self.rate));
            self.changed_at += RECOVERY;
        }
    }
}

/// Leave to make one call now: when it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left(pub(super) Instant);

/// Makes callers wait for their turn, first come, first served.
#[derive(Debug)]
pub(super) struct Pacer {
    clock: Arc<dyn Clock>,
    pace: Mutex<Pace>,
    /// One caller at a time is next; the others queue in order. List calls queue among themselves
    /// first, so that one that waits for its window holds nobody else back.
    door: Semaphore,
    list_door: Semaphore,
}

impl Pacer {
    pub(super) fn new(requests_per_second: u32, lists: ListWindow, clock: Arc<dyn Clock>) -> Self {
        let pace = Mutex::new(Pace::new(requests_per_second, lists, clock.monotonic()));
        Self { clock, pace, door: Semaphore::new(1), list_door: Semaphore::new(1) }
    }

    /// Waits for leave to call. `None` when the program is to stop.
    pub(super) async fn turn(&self, line: Line, stop: &CancellationToken) -> Option<Left> {
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            left = self.wait(line) => left,
        }
    }

    /// Dropping it half-way gives its place in the queue back; nothing was counted.
    async fn wait(&self, line: Line) -> Option<Left> {
        let _list_place = match line {
            Line::List => {
                let place = self.list_door.acquire().await.ok()?;
                self.until(|pace, now| pace.lists.room(now)).await;
                Some(place)
            }
            Line::Other => None,
        };
        let _place = self.door.acquire().await.ok()?;
        Some(Left(self.until(|pace, now| pace.take(line, now)).await))
    }

    async fn until(&self, ask: impl Fn(&mut Pace, Instant) -> Leave) -> Instant {
        loop {
            let now = self.clock.monotonic();
            let leave = ask(&mut self.lock(), now);
            match leave {
                Leave::Now => return now,
                Leave::At(then) => sleep_until(then).await,
            }
        }
    }

    /// A 429 came: how many in a row now.
    pub(super) fn throttled(&self, left: Left) -> u32 {
        let now = self.clock.monotonic();
        self.lock().throttled(left.0, now)
    }

    /// An answer came that was no 429.
    pub(super) fn answered(&self) {
        self.lock().answered();
    }

    /// Holds every call of the account back.
    pub(super) fn pause(&self, wait: Duration) {
        let now = self.clock.monotonic();
        self.lock().pause(wait, now);
    }

    /// Every change is complete before a panic could come, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::batch::fixtures::at;
    use crate::clock::SetClock;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Calls that come `gaps` apart and whose timers fire `late`; when each left.
    fn departures(pace: &mut Pace, line: Line, from: Instant, gaps: &[(u64, u64)]) -> Vec<Instant> {
        let mut now = from;
        let mut left = Vec::new();
        for (gap_us, late_us) in gaps {
            now += Duration::from_micros(*gap_us);
            while let Leave::At(then) = pace.take(line, now) {
                assert!(then > now, "a wait that does not wait never ends");
                now = then + Duration::from_micros(*late_us);
            }
            left.push(now);
        }
        left
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_second_holds_more_calls_than_are_allowed(
            rate in 1_u32..3000,
            gaps in prop::collection::vec((0_u64..3000, 0_u64..2500), 1..400),
            rest in 0_u64..5_000_000,
        ) {
            let start = Instant::now();
            let mut pace = Pace::new(rate, ListWindow::default(), start);
            let mut left = departures(&mut pace, Line::Other, start, &gaps);
            let resumed = *left.last().unwrap() + Duration::from_micros(rest);
            left.extend(departures(&mut pace, Line::Other, resumed, &gaps));
            let rate = usize::try_from(rate).unwrap();
            for window in left.windows(rate + 1) {
                prop_assert!(window[rate] - window[0] >= Duration::from_secs(1));
            }
        }

        #[test]
        fn no_61_seconds_hold_more_than_54_list_calls(
            gaps in prop::collection::vec((0_u64..3_000_000, 0_u64..1500), 1..200),
        ) {
            let start = Instant::now();
            let mut pace = Pace::new(1000, ListWindow::default(), start);
            let left = departures(&mut pace, Line::List, start, &gaps);
            for window in left.windows(LISTS + 1) {
                prop_assert!(window[LISTS] - window[0] >= LIST_WINDOW);
            }
        }

        #[test]
        fn whatever_comes_the_pace_stays_between_its_bounds(
            rate in 1_u32..200,
            steps in prop::collection::vec((0_u64..60_000, any::<bool>()), 0..60),
        ) {
            let mut now = Instant::now();
            let mut pace = Pace::new(rate, ListWindow::default(), now);
            for (gap, throttled) in steps {
                now += ms(gap);
                if throttled { pace.throttled(now, now); } else { pace.take(Line::Other, now); }
                prop_assert!(pace.rate >= SLOWEST && pace.rate <= f64::from(rate));
            }
            now += Duration::from_mins(10);
            pace.take(Line::Other, now);
            prop_assert!((pace.rate - f64::from(rate)).abs() < 1e-9);
        }
    }

    #[test]
    fn late_timers_do_not_slow_the_pace() {
        for (rate, calls) in [(1_u32, 50_usize), (10, 1000), (100, 5000), (900, 9000)] {
            let start = Instant::now();
            let mut pace = Pace::new(rate, ListWindow::default(), start);
            let left = departures(&mut pace, Line::Other, start, &vec![(0, 999); calls]);
            let took = (*left.last().unwrap() - left[0]).as_secs_f64();
            let ideal = (f64::from(u32::try_from(calls).unwrap()) - 1.0) / f64::from(rate);
            assert!(took >= ideal * 0.999, "{rate}/s: {took} s for {ideal} s");
            assert!(took <= ideal * 1.01, "{rate}/s: {took} s for {ideal} s");
        }
    }

    #[test]
    fn a_pace_that_is_never_reached_never_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(100_000, ListWindow::default(), start);
        for call in 0..10_000_u64 {
            let now = start + Duration::from_micros(call * 20);
            assert_eq!(pace.take(Line::Other, now), Leave::Now);
        }
    }

    #[test]
    fn a_rest_earns_no_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(10, ListWindow::default(), start);
        let later = start + Duration::from_hours(1);
        assert_eq!(pace.take(Line::Other, later), Leave::Now);
        assert!(matches!(pace.take(Line::Other, later + ms(90)), Leave::At(_)));
    }

    #[test]
    fn a_listing_may_come_in_one_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(100_000, ListWindow::default(), start);
        for _ in 0..LISTS {
            assert_eq!(pace.take(Line::List, start), Leave::Now);
        }
        assert_eq!(pace.take(Line::List, start), Leave::At(start + LIST_WINDOW));
        assert_eq!(pace.take(Line::Other, start), Leave::Now, "others do not wait for the window");
    }

    // fault: H8
    #[test]
    fn a_429_halves_the_pace_and_quiet_brings_it_back() {
        let start = Instant::now();
        let mut pace = Pace::new(10, ListWindow::default(), start);
        let rate = |pace: &Pace| (pace.rate * 100.0).round() / 100.0;
        assert_eq!(pace.throttled(start, start), 1);
        assert!((rate(&pace) - 5.0).abs() < 1e-9);
        assert_eq!(pace.throttled(start, start + ms(5)), 2, "it had left before the first came");
        assert!((rate(&pace) - 5.0).abs() < 1e-9);
        for (n, expected) in [(1, 2.5), (2, 1.25), (3, 1.0), (4, 1.0)] {
            let now = start + ms(n * 100);
            pace.throttled(now, now + ms(5));
            assert!((rate(&pace) - expected).abs() < 1e-9, "{n}");
        }
        let quiet = start + ms(405);
        for (seconds, expected) in [(29, 1.0), (30, 2.0), (65, 3.0), (300, 10.0)] {
            pace.take(Line::Other, quiet + Duration::from_secs(seconds));
            assert!((rate(&pace) - expected).abs() < 1e-9, "{seconds} s");
        }
    }

    #[test]
    fn an_answer_ends_a_row_of_429s() {
        let start = Instant::now();
        let mut pace = Pace::new(10, ListWindow::default(), start);
        pace.throttled(start, start);
        pace.answered();
        assert_eq!(pace.throttled(start, start), 1);
    }

    // fault: H9
    #[test]
    fn a_pause_holds_everybody_and_the_longer_one_counts() {
        let start = Instant::now();
        let mut pace = Pace::new(100, ListWindow::default(), start);
        pace.pause(Duration::from_secs(9), start);
        pace.pause(Duration::from_secs(2), start);
        let end = start + Duration::from_secs(9);
        assert_eq!(pace.take(Line::Other, start), Leave::At(end));
        assert_eq!(pace.take(Line::List, start), Leave::At(end));
        assert_eq!(pace.take(Line::Other, end), Leave::Now);
        assert!(matches!(pace.take(Line::Other, end), Leave::At(_)), "no burst after it");
    }

    fn pacer(rate: u32) -> Pacer {
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        Pacer::new(rate, ListWindow::default(), Arc::new(SetClock::starting_at(start)))
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_given_in_the_order_they_were_asked_for() {
        let pacer = pacer(10);
        let order = Mutex::new(Vec::new());
        let stop = CancellationToken::new();
        let ask = async |name: u32| {
            pacer.turn(Line::Other, &stop).await.unwrap();
            order.lock().unwrap().push(name);
        };
        tokio::join!(biased; ask(0), ask(1), ask(2), ask(3), ask(4));
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_call_that_waits_for_its_window_holds_nobody_back() {
        let pacer = pacer(100_000);
        let stop = CancellationToken::new();
        for _ in 0..LISTS {
            pacer.turn(Line::List, &stop).await.unwrap();
        }
        let began = Instant::now();
        let list = async {
            pacer.turn(Line::List, &stop).await.unwrap();
            began.elapsed()
        };
        let other = async {
            pacer.turn(Line::Other, &stop).await.unwrap();
            began.elapsed()
        };
        let (list, other) = tokio::join!(biased; list, other);
        assert!(list >= Duration::from_mins(1) && other < Duration::from_secs(1), "{list:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_shell_keeps_ten_a_second_within_a_percent() {
        let pacer = pacer(10);
        let stop = CancellationToken::new();
        let began = Instant::now();
        for _ in 0..501 {
            pacer.turn(Line::Other, &stop).await.unwrap();
        }
        let took = began.elapsed().as_secs_f64();
        assert!((50.0..50.5).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_caller_stops_at_once() {
        let pacer = pacer(1);
        let stop = CancellationToken::new();
        pacer.turn(Line::Other, &stop).await.unwrap();
        pacer.pause(Duration::from_mins(15));
        let began = Instant::now();
        let cancel = async {
            tokio::time::sleep(ms(50)).await;
            stop.cancel();
        };
        let (turn, ()) = tokio::join!(pacer.turn(Line::Other, &stop), cancel);
        assert!(turn.is_none() && began.elapsed() < Duration::from_secs(1));
        let fresh = CancellationToken::new();
        assert!(pacer.turn(Line::Other, &fresh).await.is_some(), "its place went to the next");
    }

    #[tokio::test(start_paused = true)]
    async fn two_clients_of_one_window_and_calls_of_an_earlier_program_count_together() {
        let clock = SetClock::starting_at(at("2026-11-25T12:00:00Z"));
        let ago = |ms| clock.now() - TimeDelta::milliseconds(ms);
        let earlier = [ago(60_000), ago(1_000), ago(70_000)];
        let (start, window) = (clock.monotonic(), ListWindow::default());
        window.remember(&earlier, &clock);
        window.remember(&earlier, &clock);
        let mut one = Pace::new(100_000, window.clone(), start);
        let mut other = Pace::new(100_000, window.clone(), start);
        for n in 0..26 {
            let now = start + ms(n);
            assert_eq!(one.take(Line::List, now), Leave::Now, "{n}");
            assert_eq!(other.take(Line::List, now), Leave::Now, "{n}");
        }
        // Two of the three earlier calls still count, once each; the first of them is over in a second.
        let now = start + ms(30);
        assert_eq!(other.take(Line::List, now), Leave::At(start + ms(1_000)));
        assert_eq!(one.take(Line::Other, now), Leave::Now);
        tokio::time::advance(ms(30)).await;
        window.called().await;
        let noted = window.to_note(&clock);
        assert_eq!(noted.len(), 52, "what was remembered is noted already");
        assert_eq!(window.to_note(&clock).len(), 0, "each is given once");
        window.remember(&noted, &clock);
        assert_eq!(other.take(Line::List, start + ms(1_000)), Leave::Now, "none counts twice");
        assert_eq!(other.take(Line::List, start + ms(1_000)), Leave::At(start + ms(60_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_another_process_makes_meanwhile_count_too() {
        let clock = SetClock::starting_at(at("2026-11-25T12:00:00.000400Z"));
        let window = ListWindow::default();
        let mut pace = Pace::new(100_000, window.clone(), clock.monotonic());
        for _ in 0..50 {
            assert_eq!(pace.take(Line::List, clock.monotonic()), Leave::Now);
        }
        let mut all = window.to_note(&clock);
        assert_eq!(all.len(), 50);
        all.extend([all[0]; 4]);
        window.remember(&all, &clock);
        let begun = clock.monotonic();
        assert!(matches!(pace.take(Line::List, begun), Leave::At(_)), "four of somebody else");
    }
}
