//! What each part remembers, on every backend.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;

use super::backends::{
    account, all, begin, durable, guard, hold, id, intent, journal, main_account, now, rule,
    run_at, settled,
};
use crate::clock::Timestamp;
use crate::state::{
    Approval, Approving, Deletion, DeletionFilter, Entry, Listing, Marks, NotApproved, Outcome,
    RunBegin, RunEnd, RunFilter, State, StateError,
};

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

fn end(began: Timestamp) -> RunEnd {
    RunEnd {
        run_id: run_at(began),
        ended: began + hours(1),
        outcome: "swept".into(),
        exit_code: 1,
        counts: [("deleted".to_owned(), 7), ("failed".to_owned(), 1)].into(),
        verified: Some(true),
        requests: 31,
        duration: Duration::from_hours(1),
        error: Some("1 deletion failed".into()),
        batches: Some(41),
    }
}

#[tokio::test]
async fn a_run_is_remembered_with_its_end_and_without_one() {
    for place in all().await {
        let state = place.open().await;
        let (first, second) = (now(), now() + hours(24));
        state.begin_run(&begin(first)).await.unwrap();
        state.end_run(&end(first)).await.unwrap();
        state.begin_run(&begin(second)).await.unwrap();
        let other = RunBegin { account: account("b"), dry_run: true, ..begin(first + hours(1)) };
        state.begin_run(&other).await.unwrap();

        let runs = state.runs(&RunFilter::default()).await.unwrap();
        let begins: Vec<_> = runs.iter().map(|run| run.begin.clone()).collect();
        assert_eq!(begins, [begin(second), other.clone(), begin(first)], "{}", place.name);
        assert_eq!(runs[0].end, None);
        assert_eq!(runs[2].end, Some(end(first)));
        let origin = state.origin_of(run_at(first)).await.unwrap();
        assert_eq!(origin, Some(begin(first).origin));
        assert_eq!(state.origin_of(run_at(first - hours(1))).await.unwrap(), None);

        let last = state.last_runs().await.unwrap();
        let ids: Vec<_> = last.values().map(|run| run.begin.run_id).collect();
        assert_eq!(ids, [other.run_id, run_at(second)]);

        let filter =
            RunFilter { account: Some(main_account()), since: Some(first), limit: Some(1) };
        assert_eq!(state.runs(&filter).await.unwrap(), [runs[0].clone()]);
        let filter = RunFilter { since: Some(second), ..RunFilter::default() };
        assert_eq!(state.runs(&filter).await.unwrap().len(), 1);

        let main = main_account();
        assert_eq!(state.last_success(&main).await.unwrap(), None, "neither has ended well");
        let well = RunEnd { exit_code: 0, ..end(second) };
        state.end_run(&well).await.unwrap();
        assert_eq!(state.last_success(&main).await.unwrap(), Some(well.ended));
        place.remove().await;
    }
}

#[tokio::test]
async fn a_run_that_is_not_under_way_does_not_end() {
    for place in all().await {
        let state = place.open().await;
        let refused = Err(StateError::NotUnderWay(run_at(now())));
        assert_eq!(state.end_run(&end(now())).await, refused);
        state.begin_run(&begin(now())).await.unwrap();
        state.end_run(&end(now())).await.unwrap();
        let other = RunEnd { outcome: "failed".into(), ..end(now()) };
        assert_eq!(state.end_run(&other).await, refused);
        let runs = state.runs(&RunFilter::default()).await.unwrap();
        assert_eq!(runs[0].end, Some(end(now())));
        assert!(state.begin_run(&begin(now())).await.is_err(), "one id, two runs");
        place.remove().await;
    }
}

#[tokio::test]
async fn outcomes_and_intents_are_written_together() {
    for place in all().await {
        let state = place.open().await;
        let run = run_at(now());
        let nothing = state.record(&[], &[]).await.unwrap();
        assert!(nothing.held.is_empty());
        let first = [intent(run, "A1", now()), intent(run, "A2", now())];
        assert!(state.record(&[], &first).await.unwrap().held.is_empty());
        let outcome = settled(run, "A1", "deleted", now() + hours(1));
        let next = [intent(run, "A3", now() + hours(1))];
        assert!(state.record(&[outcome], &next).await.unwrap().held.is_empty());

        let open = state.open_intents(&main_account()).await.unwrap();
        assert_eq!(open, [first[1].clone(), next[0].clone()], "{}", place.name);
        assert_eq!(state.open_intents(&account("other")).await.unwrap(), []);
        let expected = [("A3", None), ("A1", Some("deleted")), ("A2", None)];
        let expected = expected.map(|(batch, outcome)| (batch.into(), outcome.map(Into::into)));
        assert_eq!(journal(&state).await, expected);
        place.remove().await;
    }
}

#[tokio::test]
async fn neither_an_intent_nor_an_outcome_is_ever_overwritten() {
    for place in all().await {
        let state = place.open().await;
        let (run_id, batch) = (run_at(now()), id("A1"));
        let never = StateError::NeverIntended { run_id, batch: batch.clone() };
        let deleted = settled(run_id, "A1", "deleted", now());
        assert_eq!(state.record(std::slice::from_ref(&deleted), &[]).await, Err(never));
        assert!(state.record(&[], &[intent(run_id, "A1", now())]).await.is_ok());
        let twice = StateError::IntendedTwice { run_id, batch: batch.clone() };
        assert_eq!(state.record(&[], &[intent(run_id, "A1", now())]).await, Err(twice));
        assert!(state.record(&[deleted], &[]).await.is_ok());
        let again = StateError::SettledTwice { run_id, batch: batch.clone() };
        let failed = settled(run_id, "A1", "failed", now());
        // What else was written with it counts: an intent too many is settled by a look.
        let both = state.record(&[failed], &[intent(run_id, "A2", now())]).await;
        assert_eq!(both, Err(again));
        let expected = [("A1", Some("deleted")), ("A2", None)];
        let expected = expected.map(|(batch, outcome)| (batch.into(), outcome.map(Into::into)));
        assert_eq!(journal(&state).await, expected);
        // Another run may mean the same batch.
        let later = run_at(now() + hours(1));
        assert!(state.record(&[], &[intent(later, "A1", now() + hours(1))]).await.is_ok());
        let past = state.past_of(&main_account(), &batch).await.unwrap();
        let runs: Vec<_> = past.iter().map(|row| row.entry.run_id).collect();
        assert_eq!(runs, [run_id, later]);
        place.remove().await;
    }
}

#[tokio::test]
async fn a_batch_that_is_held_gets_no_intent() {
    for place in all().await {
        let state = place.open().await;
        let run = run_at(now());
        state.hold(&hold("A1", now() + hours(1))).await.unwrap();
        let intents = [intent(run, "A1", now()), intent(run, "A2", now())];
        let recorded = state.record(&[], &intents).await.unwrap();
        assert_eq!(recorded.held, BTreeSet::from([id("A1")]), "{}", place.name);
        assert_eq!(state.open_intents(&main_account()).await.unwrap(), [intents[1].clone()]);
        // Its end is its end, and another account's hold is another batch's.
        let after = [intent(run, "A1", now() + hours(1))];
        assert!(state.record(&[], &after).await.unwrap().held.is_empty());
        place.remove().await;
    }
}

#[tokio::test]
async fn deletions_are_found_by_account_batch_and_time_with_all_their_fields() {
    for place in all().await {
        let state = place.open().await;
        let (first, second) = (run_at(now()), run_at(now() + hours(24)));
        // fault: X3
        let strange = Entry {
            name: "a\nb\u{202e}\0'); DROP TABLE batchsweep_runs; --".into(),
            ..intent(first, "A1", now())
        };
        let other = Entry { account: account("b"), ..intent(second, "A2", now() + hours(24)) };
        assert!(state.record(&[], &[strange.clone(), other.clone()]).await.is_ok());
        let outcome = Outcome {
            outcome: "refused".into(),
            detail: Some("it says „no“".into()),
            attempts: 3,
            at: now() + hours(1),
        };
        let one =
            crate::state::Settled { run_id: first, batch: id("A1"), outcome: outcome.clone() };
        assert!(state.record(&[one], &[]).await.is_ok());

        let stored = Entry { name: strange.name.replace('\0', "\u{fffd}"), ..strange };
        let mine = Deletion { entry: stored, outcome: Some(outcome) };
        let theirs = Deletion { entry: other, outcome: None };
        let any = DeletionFilter::default();
        let by_account = DeletionFilter { account: Some(main_account()), ..any.clone() };
        let by_batch = DeletionFilter { batch: Some(id("A2")), ..any.clone() };
        let since = DeletionFilter { since: Some(now() + hours(24)), ..any.clone() };
        let newest = DeletionFilter { limit: Some(1), ..any.clone() };
        let by_run = DeletionFilter { run: Some(first), ..any.clone() };
        for (filter, expected) in [
            (any, vec![theirs.clone(), mine.clone()]),
            (by_account, vec![mine.clone()]),
            (by_batch, vec![theirs.clone()]),
            (since, vec![theirs.clone()]),
            (newest, vec![theirs]),
            (by_run, vec![mine.clone()]),
        ] {
            assert_eq!(state.deletions(&filter).await.unwrap(), expected, "{filter:?}");
        }
        assert_eq!(state.past_of(&main_account(), &id("A1")).await.unwrap(), [mine]);
        assert_eq!(state.past_of(&account("b"), &id("A1")).await.unwrap(), []);
        place.remove().await;
    }
}

fn listing(hash: &str, ids: &[&str], run: Timestamp) -> Listing {
    Listing {
        account: main_account(),
        run_id: run_at(run),
        listed_at: run,
        hash: hash.into(),
        ids: ids.iter().map(|text| id(text)).collect(),
    }
}

#[tokio::test]
async fn the_last_inventory_comes_back_as_it_was() {
    for place in all().await {
        let state = place.open().await;
        assert_eq!(state.last_listing(&main_account()).await.unwrap(), None);
        assert!(state.last_records(&main_account()).await.unwrap().is_empty());
        let first = listing("h1", &["A1", "A2"], now());
        state.store_inventory(&first, ["{\"id\":\"A1\"}", "{\n\"id\": \"A2\"}"]).await.unwrap();
        assert_eq!(state.last_listing(&main_account()).await.unwrap(), Some(first.clone()));
        let records = state.last_records(&main_account()).await.unwrap();
        assert_eq!(records.iter().map(|text| &**text).collect::<Vec<_>>().len(), 2);
        assert_eq!(&*records[1], "{\n\"id\": \"A2\"}", "{}", place.name);

        // The same hash: only the run and the time are new; the records are not even looked at.
        let again = listing("h1", &["A1", "A2"], now() + hours(1));
        state.store_inventory(&again, ["never"]).await.unwrap();
        assert_eq!(state.last_listing(&main_account()).await.unwrap(), Some(again));
        assert_eq!(state.last_records(&main_account()).await.unwrap(), records);

        // Large, then small, then empty: no part of an earlier one is left.
        let big = "x".repeat(200 * 1024);
        let large = listing("h2", &["A1", "A2", "A3", "A4"], now() + hours(2));
        state.store_inventory(&large, [&*big, &*big, &*big, &*big]).await.unwrap();
        assert_eq!(state.last_records(&main_account()).await.unwrap().len(), 4);
        let small = listing("h3", &["A1"], now() + hours(3));
        state.store_inventory(&small, ["{}"]).await.unwrap();
        assert_eq!(state.last_records(&main_account()).await.unwrap(), ["{}".into()]);
        let empty = listing("h4", &[], now() + hours(4));
        state.store_inventory(&empty, []).await.unwrap();
        assert_eq!(state.last_listing(&main_account()).await.unwrap(), Some(empty));
        assert!(state.last_records(&main_account()).await.unwrap().is_empty());
        place.remove().await;
    }
}

#[tokio::test]
async fn a_plan_is_kept_until_the_next_one_bar_that_of_an_open_guard_or_approval() {
    for place in all().await {
        let state = place.open().await;
        let runs: Vec<_> = (0..5).map(|n| run_at(now() + hours(n))).collect();
        let name = main_account();
        state.begin_run(&begin(now())).await.unwrap();
        state.store_plan(runs[0], &name, now(), b"zero").await.unwrap();
        state.store_plan(runs[0], &name, now(), b"zero again").await.unwrap();
        assert_eq!(state.plan(runs[0]).await.unwrap().unwrap(), b"zero again");
        state.open_guard(&guard(runs[0], now())).await.unwrap();
        state.store_plan(runs[1], &name, now(), b"one").await.unwrap();
        state.store_plan(runs[2], &name, now(), b"two").await.unwrap();
        state.store_plan(runs[2], &account("b"), now(), b"").await.unwrap();
        assert_eq!(state.plan(runs[1]).await.unwrap(), None, "{}", place.name);
        assert!(state.plan(runs[0]).await.unwrap().is_some(), "an open guard's");

        let expires_at = now() + hours(24);
        let approving = Approving { run_id: runs[0], by: "ops".into(), now: now(), expires_at };
        state.approve(&approving).await.unwrap();
        assert!(state.close_guard(&name).await.unwrap());
        state.store_plan(runs[3], &name, now(), b"three").await.unwrap();
        assert!(state.plan(runs[0]).await.unwrap().is_some(), "a live approval's");
        state.store_plan(runs[4], &name, expires_at, b"four").await.unwrap();
        assert_eq!(state.plan(runs[0]).await.unwrap(), None, "an expired approval's");
        assert_eq!(state.plan(runs[4]).await.unwrap().unwrap(), b"four");
        place.remove().await;
    }
}

/// Rules and the batches that each selects; marks as rule, batch and hour; rules and their hashes; rules
/// and since which hour each is as it is.
type Selected = &'static [(&'static str, &'static [&'static str])];
type Marked = &'static [(&'static str, &'static str, i64)];
type Rules = &'static [(&'static str, &'static str)];
type Seen = &'static [(&'static str, i64)];

fn selected(
    rows: &[(&str, &[&str])],
) -> BTreeMap<crate::batch::RuleName, BTreeSet<crate::batch::BatchId>> {
    rows.iter().map(|(name, ids)| (rule(name), ids.iter().map(|text| id(text)).collect())).collect()
}

fn marked(rows: Marked) -> Marks {
    let mut marks = Marks::new();
    for (name, batch, hour) in rows {
        marks.entry(rule(name)).or_default().insert(id(batch), now() + hours(*hour));
    }
    marks
}

#[tokio::test]
async fn a_mark_lasts_as_long_as_its_batch_is_selected_and_a_break_begins_anew() {
    for place in all().await {
        let state = place.open().await;
        let name = main_account();
        let at = |n| now() + hours(n);
        let steps: [(Selected, Marked); 6] = [
            (
                &[("t", &["A1", "A2"]), ("u", &["A1"])],
                &[("t", "A1", 0), ("t", "A2", 0), ("u", "A1", 0)],
            ),
            (
                &[("t", &["A1", "A2", "A3"]), ("u", &["A1"])],
                &[("t", "A1", 0), ("t", "A2", 0), ("t", "A3", 1), ("u", "A1", 0)],
            ),
            (&[("t", &["A2", "A3"]), ("u", &[])], &[("t", "A2", 0), ("t", "A3", 1)]),
            (&[("t", &["A2", "A3"])], &[("t", "A2", 0), ("t", "A3", 1)]),
            (
                &[("t", &["A1", "A2"]), ("u", &["A1"])],
                &[("t", "A1", 4), ("t", "A2", 0), ("u", "A1", 4)],
            ),
            (&[], &[]),
        ];
        let other = selected(&[("t", &["B1"])]);
        state.update_marks(&account("b"), now(), &other).await.unwrap();
        for (hour, (rows, expected)) in (0..).zip(steps) {
            let marks = state.update_marks(&name, at(hour), &selected(rows)).await.unwrap();
            let expected = marked(expected);
            assert_eq!(marks, expected, "{} hour {hour}", place.name);
            assert_eq!(state.marks(&name).await.unwrap(), expected);
        }
        assert_eq!(state.marks(&account("b")).await.unwrap().len(), 1);
        place.remove().await;
    }
}

#[tokio::test]
async fn a_rule_that_changes_or_comes_back_begins_anew() {
    for place in all().await {
        let state = place.open().await;
        let at = |n| now() + hours(n);
        let steps: [(Rules, Seen); 5] = [
            (&[("a", "1"), ("b", "1")], &[("a", 0), ("b", 0)]),
            (&[("a", "1"), ("b", "1")], &[("a", 0), ("b", 0)]),
            (&[("a", "2"), ("b", "1"), ("c", "1")], &[("a", 2), ("b", 0), ("c", 2)]),
            (&[("a", "2"), ("c", "1")], &[("a", 2), ("c", 2)]),
            (&[("a", "1"), ("b", "1")], &[("a", 4), ("b", 4)]),
        ];
        for (hour, (rules, expected)) in (0..).zip(steps) {
            let rules = rules.iter().map(|(name, hash)| (rule(name), (*hash).to_owned())).collect();
            let seen = state.see_rules(&main_account(), at(hour), &rules).await.unwrap();
            let expected = expected.iter().map(|(name, hour)| (rule(name), at(*hour))).collect();
            assert_eq!(seen, expected, "{} hour {hour}", place.name);
        }
        place.remove().await;
    }
}

#[tokio::test]
async fn a_hold_protects_until_its_end_or_its_release() {
    for place in all().await {
        let state = place.open().await;
        let name = main_account();
        let (early, late) = (hold("A1", now() + hours(1)), hold("A2", now() + hours(2)));
        for hold in [&late, &early] {
            state.hold(hold).await.unwrap();
        }
        assert_eq!(state.holds(Some(&name)).await.unwrap(), [early.clone(), late.clone()]);
        assert_eq!(state.holds(None).await.unwrap().len(), 2);
        assert_eq!(state.holds(Some(&account("b"))).await.unwrap(), []);
        assert_eq!(state.held(&name, &id("A1"), now()).await.unwrap(), Some(early.clone()));
        assert_eq!(
            state.held(&name, &id("A1"), early.until).await.unwrap(),
            None,
            "{}",
            place.name
        );
        assert!(early.protects(now()) && !early.protects(early.until));
        let longer = crate::state::Hold { until: now() + hours(9), why: "audit".into(), ..early };
        state.hold(&longer).await.unwrap();
        assert_eq!(state.holds(None).await.unwrap(), [late, longer]);
        assert!(state.release(&name, &id("A1")).await.unwrap());
        assert!(!state.release(&name, &id("A1")).await.unwrap());
        assert_eq!(state.held(&name, &id("A1"), now()).await.unwrap(), None);
        place.remove().await;
    }
}

#[tokio::test]
async fn the_end_of_a_hold_is_announced_once_three_days_ahead() {
    for place in all().await {
        let state = place.open().await;
        let name = main_account();
        let (soon, later) = (hold("A1", now() + hours(72)), hold("A2", now() + hours(73)));
        for hold in [&soon, &later, &hold("A3", now())] {
            state.hold(hold).await.unwrap();
        }
        assert_eq!(state.announce_holds(&name, now()).await.unwrap(), std::slice::from_ref(&soon));
        assert_eq!(state.announce_holds(&name, now()).await.unwrap(), [], "{}", place.name);
        assert_eq!(state.announce_holds(&name, now() + hours(1)).await.unwrap(), [later]);
        state.hold(&soon).await.unwrap();
        assert_eq!(state.announce_holds(&name, now()).await.unwrap(), [soon], "held anew");
        place.remove().await;
    }
}

#[tokio::test]
async fn a_guard_stays_open_until_it_is_closed() {
    for place in all().await {
        let state = place.open().await;
        let name = main_account();
        assert_eq!(state.guard_open(&name).await.unwrap(), None);
        assert!(!state.close_guard(&name).await.unwrap());
        let (first, second) = (run_at(now()), run_at(now() + hours(24)));
        state.open_guard(&guard(first, now())).await.unwrap();
        assert_eq!(state.guard_open(&name).await.unwrap(), Some(guard(first, now())));
        let mut again = guard(second, now() + hours(24));
        again.guards.push("audit".into());
        state.open_guard(&again).await.unwrap();
        again.since = now();
        assert_eq!(state.guard_open(&name).await.unwrap(), Some(again), "{}", place.name);
        assert_eq!(state.guard_open(&account("b")).await.unwrap(), None);
        assert!(state.close_guard(&name).await.unwrap());
        assert_eq!(state.guard_open(&name).await.unwrap(), None);
        place.remove().await;
    }
}

#[tokio::test]
async fn an_approval_is_for_the_stopped_run_and_is_spent_once() {
    for place in all().await {
        let state = place.open().await;
        let (name, expires_at) = (main_account(), now() + hours(24));
        let (run, later) = (run_at(now()), run_at(now() + hours(1)));
        let approving = |run_id| Approving { run_id, by: "ops".into(), now: now(), expires_at };
        let approve = async |run_id| state.approve(&approving(run_id)).await.unwrap_err();
        assert_eq!(approve(run).await, NotApproved::UnknownRun(run), "{}", place.name);
        state.begin_run(&begin(now())).await.unwrap();
        assert_eq!(approve(run).await, NotApproved::NothingOpen { account: name.clone() });
        state.open_guard(&guard(later, now())).await.unwrap();
        let superseded = NotApproved::Superseded { account: name.clone(), open: later };
        assert_eq!(approve(run).await, superseded);
        state.open_guard(&guard(run, now())).await.unwrap();
        assert_eq!(approve(run).await, NotApproved::NoPlan(run));
        assert_eq!(state.spend_approval(&name, later, now()).await.unwrap(), None);

        state.store_plan(run, &name, now(), b"plan").await.unwrap();
        state.approve(&approving(run)).await.unwrap();
        state.approve(&approving(run)).await.unwrap();
        assert_eq!(state.spend_approval(&account("b"), later, now()).await.unwrap(), None);
        assert_eq!(state.spend_approval(&name, later, expires_at).await.unwrap(), None, "expired");
        let spent = state.spend_approval(&name, later, expires_at - hours(1)).await.unwrap();
        let expected = Approval { run_id: run, by: "ops".into(), approved_at: now(), expires_at };
        assert_eq!(spent, Some(expected));
        assert_eq!(state.spend_approval(&name, later, now()).await.unwrap(), None, "once");
        assert_eq!(approve(run).await, NotApproved::Spent { run_id: run, by: later });
        place.remove().await;
    }
}

#[tokio::test]
async fn an_approval_does_not_outlive_its_guard() {
    for place in all().await {
        let state = place.open().await;
        let (name, run) = (main_account(), run_at(now()));
        state.begin_run(&begin(now())).await.unwrap();
        state.store_plan(run, &name, now(), b"plan").await.unwrap();
        state.open_guard(&guard(run, now())).await.unwrap();
        let expires_at = now() + hours(24);
        let approving = Approving { run_id: run, by: "ops".into(), now: now(), expires_at };
        state.approve(&approving).await.unwrap();
        state.open_guard(&guard(run_at(now() + hours(1)), now())).await.unwrap();
        let spent = state.spend_approval(&name, run_at(now() + hours(2)), now()).await.unwrap();
        assert_eq!(spent, None, "{}: a later run was stopped by another plan", place.name);
        place.remove().await;
    }
}

#[tokio::test]
async fn list_calls_are_remembered_as_long_as_they_matter() {
    for place in all().await {
        let state = place.open().await;
        let second = |n| now() + TimeDelta::seconds(n);
        state.add_list_calls("k", &[second(0), second(1), second(1)], second(0)).await.unwrap();
        state.add_list_calls("other", &[second(0)], second(0)).await.unwrap();
        state.add_list_calls("k", &[second(61), second(0)], second(1)).await.unwrap();
        let calls = state.list_calls("k", second(0)).await.unwrap();
        assert_eq!(calls, [second(1), second(1), second(61)], "{}", place.name);
        assert_eq!(state.list_calls("k", second(2)).await.unwrap(), [second(61)]);
        place.remove().await;
    }
}

// fault: D11
#[tokio::test]
async fn pruning_takes_what_is_old_and_nothing_that_still_counts() {
    for place in all().await {
        let state = place.open().await;
        let name = main_account();
        let day = |n| now() + TimeDelta::days(n);
        let keep = Duration::from_hours(24 * 10);
        for n in [0, 1, 2, 30, 31] {
            state.begin_run(&begin(day(n))).await.unwrap();
        }
        let others = RunBegin { account: account("b"), ..begin(day(0) + hours(1)) };
        state.begin_run(&others).await.unwrap();
        let intents: Vec<_> = [("A0", 0), ("A1", 0), ("A2", 2), ("A3", 30)]
            .map(|(b, n)| intent(run_at(day(n)), b, day(n)))
            .into();
        assert!(state.record(&[], &intents).await.unwrap().held.is_empty());
        let outcomes =
            [("A0", 0), ("A3", 30)].map(|(b, n)| settled(run_at(day(n)), b, "deleted", day(n)));
        assert!(state.record(&outcomes, &[]).await.unwrap().held.is_empty());
        // A1 was settled late, and that is what counts.
        let late = [settled(run_at(day(0)), "A1", "gone", day(29))];
        assert!(state.record(&late, &[]).await.unwrap().held.is_empty());
        state.open_guard(&guard(run_at(day(1)), day(1))).await.unwrap();
        for hold in [hold("H1", day(20)), hold("H2", day(22)), hold("H3", day(99))] {
            state.hold(&hold).await.unwrap();
        }
        state.update_marks(&name, day(0), &selected(&[("t", &["A1"])])).await.unwrap();
        state.store_inventory(&listing("h", &["A1"], day(0)), ["{}"]).await.unwrap();

        let pruned = state.prune(day(31), keep).await.unwrap();
        assert_eq!((pruned.deletions, pruned.runs, pruned.others), (1, 1, 1), "{}", place.name);
        let left: Vec<_> = journal(&state).await.into_iter().map(|(batch, _)| batch).collect();
        assert_eq!(left, ["A3", "A2", "A1"], "A2 is open");
        let runs = state.runs(&RunFilter::default()).await.unwrap();
        let left: Vec<_> = runs.iter().map(|run| run.begin.began).collect();
        assert_eq!(left, [day(31), day(30), day(2), day(1), day(0) + hours(1)]);
        assert_eq!(state.holds(None).await.unwrap().len(), 2);
        assert_eq!(state.marks(&name).await.unwrap().len(), 1);
        assert!(state.last_listing(&name).await.unwrap().is_some());
        assert_eq!(state.prune(day(31), keep).await.unwrap(), crate::state::Pruned::default());
        let never = state.prune(day(31), Duration::MAX).await.unwrap();
        assert_eq!(never, crate::state::Pruned::default());
        place.remove().await;
    }
}

#[tokio::test]
async fn pruning_goes_on_beyond_one_piece() {
    for place in all().await {
        let state = place.open().await;
        let run = run_at(now());
        let names: Vec<_> = (0..2_345).map(|n| format!("B{n}")).collect();
        let intents: Vec<_> = names.iter().map(|name| intent(run, name, now())).collect();
        let outcomes: Vec<_> =
            names.iter().map(|name| settled(run, name, "deleted", now())).collect();
        assert!(state.record(&[], &intents).await.is_ok());
        assert!(state.record(&outcomes, &[]).await.is_ok());
        let pruned = state.prune(now() + hours(2), Duration::from_hours(1)).await.unwrap();
        assert_eq!(pruned.deletions, 2_345, "{}", place.name);
        place.remove().await;
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_leaves_nothing_half_done() {
    for place in all().await {
        let state = place.open().await;
        {
            let mut work = state.write().await.unwrap();
            let sql = "INSERT INTO batchsweep_meta (name, value) VALUES ('x', 'y')";
            work.run(sql, &[]).await.unwrap();
        }
        let mut work = state.write().await.unwrap();
        let row =
            work.row("SELECT value FROM batchsweep_meta WHERE name = 'x'", &[]).await.unwrap();
        assert!(row.is_none(), "{}", place.name);
        drop(row);
        drop(work);
        // Nor does it keep others from writing.
        state.hold(&hold("A1", now() + hours(1))).await.unwrap();
        place.remove().await;
    }
}

#[tokio::test]
async fn what_is_written_is_there_for_the_next_process() {
    for place in durable().await {
        let state = place.open().await;
        assert!(state.is_durable());
        assert!(state.record(&[], &[intent(run_at(now()), "A1", now())]).await.is_ok());
        state.close().await.unwrap();
        if place.name == "sqlite" {
            let closed = state.holds(None).await.unwrap_err();
            assert!(matches!(closed, StateError::Open { .. }), "{closed:?}");
        }
        let state = place.open().await;
        assert_eq!(state.open_intents(&main_account()).await.unwrap().len(), 1, "{}", place.name);
        // Also where it was only dropped.
        state.hold(&hold("A2", now() + hours(1))).await.unwrap();
        drop(state);
        let state = State::open_read_only(&place.location).await.unwrap();
        assert_eq!(state.holds(None).await.unwrap().len(), 1);
        let refused = state.hold(&hold("A3", now())).await;
        assert!(matches!(refused, Err(StateError::OpenForReading { .. })), "{refused:?}");
        state.close().await.unwrap();
        place.remove().await;
    }
}

#[tokio::test]
async fn memory_outlives_nothing() {
    let place = crate::state::Location::parse("memory:", |_| None).unwrap();
    let state = State::open(&place, now()).await.unwrap();
    assert!(!state.is_durable());
    state.hold(&hold("A1", now() + hours(1))).await.unwrap();
    assert_eq!(state.clone().holds(None).await.unwrap().len(), 1, "a clone is the same state");
    let other = State::open(&place, now()).await.unwrap();
    assert_eq!(other.holds(None).await.unwrap(), []);
    let refused = State::open_read_only(&place).await;
    assert!(matches!(refused, Err(StateError::None { .. })));
}

#[tokio::test(start_paused = true)]
async fn paused_time_stands_still_while_the_database_works() {
    let mut places = Vec::new();
    for place in all().await {
        let location = place.location.clone().holding_paused_time();
        let state = State::open(&location, now()).await.unwrap();
        let began = tokio::time::Instant::now();
        let timer = tokio::time::sleep(Duration::from_hours(1));
        tokio::pin!(timer);
        for n in 0..20 {
            let one = hold(&format!("A{n}"), now());
            tokio::select! {
                biased;
                () = &mut timer => panic!("{}: the clock jumped", place.name),
                held = state.hold(&one) => held.unwrap(),
            }
        }
        state.own(&[main_account()], now()).await.unwrap().check().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO, "{}", place.name);
        state.close().await.unwrap();
        places.push(place);
    }
    tokio::time::resume();
    for place in places {
        place.remove().await;
    }
}

/// Does not compile where a call cannot be made from a task of its own.
#[expect(dead_code, reason = "it is compiled, not called")]
fn calls_can_be_made_from_any_task(state: &State, account: &crate::batch::AccountName) {
    fn is_send(_: impl Send) {}
    is_send(State::open(&crate::state::Location::parse("memory:", |_| None).unwrap(), now()));
    is_send(state.record(&[], &[]));
    is_send(state.store_inventory(&listing("h", &[], now()), [""]));
    is_send(state.update_marks(account, now(), &BTreeMap::new()));
    is_send(state.prune(now(), Duration::ZERO));
    is_send(state.own(&[], now()));
    is_send(state.close());
}
