//! Every knob: its default is the contract's (§6.3), and turning it makes a difference.

use serde_json::json;

use super::*;

#[test]
fn the_defaults_are_those_of_the_contract() {
    assert_eq!(
        Knobs::default(),
        Knobs {
            running_refusal: Refusal::BadRequest,
            webhook_refusal: Refusal::BadRequest,
            queued: Queued::Refuse,
            unknown_batch: UnknownBatch::BadRequest,
            unknown_path: UnknownPath::Envelope,
            list_limit: Some(60),
            route_limits: std::collections::BTreeMap::new(),
            retry_after: None,
            invalid_parameter: InvalidParameter::Refuse,
            empty_total_pages: 0,
            empty_searches: EmptySearches::ServerError,
            never_run_in_date_filter: NeverRun::Excluded,
            date_bounds: DateBounds::Strict,
            word_order: WordOrder::Rank,
            null_order: NullOrder::First,
            dead_links: DeadLinks::AtOnce,
            lag: Duration::ZERO,
            added_searches: AddedSearches::Append,
            default_enabled: true,
            default_schedule_type: "manual".to_owned(),
            get_spelling: GetSpelling::Plural,
            get_last_run: LastRunInGet::Shown,
            last_run_moves: LastRunMoves::AtEnd,
            webhooks: Webhooks::Delivered,
            account_key: AccountKey::Shown,
            queued_for: Duration::from_secs(1),
            runs_for: Duration::from_secs(30),
        }
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_come_with_the_status_that_the_knob_says() {
    for (refusal, status) in
        [(Refusal::BadRequest, 400), (Refusal::Ok, 200), (Refusal::Conflict, 409)]
    {
        let rig = Rig::new().await;
        let set = ResultSet::ended(1, noon(), 1).webhook(Delivery::Failed);
        rig.emulator.insert(batch("HOOK").with_results(set));
        rig.emulator.insert(batch("BUSY").in_state(State::Running));
        rig.emulator.turn(|knobs| {
            knobs.running_refusal = refusal;
            knobs.webhook_refusal = refusal;
        });
        let busy = rig.delete("/batches/BUSY").await;
        assert_eq!((busy.status, busy.success()), (status, false));
        assert_eq!(busy.message(), "emulated: the batch is running");
        let hook = rig.delete("/batches/HOOK").await;
        assert_eq!((hook.status, hook.success()), (status, false));
        assert!(hook.message().starts_with("emulated: "));
        assert_eq!(rig.emulator.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn queued_batches_may_be_deleted_if_the_knob_says_so() {
    let rig = Rig::new().await;
    rig.emulator.insert(batch("A").in_state(State::Queued));
    assert_eq!(rig.delete("/batches/A").await.status, 400);
    assert_eq!(rig.put("/batches/A", json!({"name": "x"})).await.status, 400);
    rig.emulator.turn(|knobs| knobs.queued = Queued::Allow);
    assert_eq!(rig.put("/batches/A", json!({"name": "x"})).await.status, 200);
    assert_eq!(rig.put("/batches/A", json!({"priority": "low"})).await.status, 400);
    assert!(rig.delete("/batches/A").await.success());
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_is_answered_as_the_knobs_say() {
    let rig = Rig::new().await;
    for (knob, status) in
        [(UnknownBatch::BadRequest, 400), (UnknownBatch::NotFound, 404), (UnknownBatch::Ok, 200)]
    {
        rig.emulator.turn(|knobs| knobs.unknown_batch = knob);
        let reply = rig.get("/batches/A").await;
        assert_eq!((reply.status, reply.success()), (status, false));
    }
    for (knob, start) in [
        (UnknownPath::Envelope, "{\"request_info\""),
        (UnknownPath::Empty, ""),
        (UnknownPath::Html, "<!DOCTYPE"),
    ] {
        rig.emulator.turn(|knobs| knobs.unknown_path = knob);
        let reply = rig.get("/nowhere").await;
        assert_eq!(reply.status, 404);
        assert!(reply.text().starts_with(start) && reply.text().is_empty() == start.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_sixty_first_list_call_in_a_minute_is_throttled() {
    let rig = Rig::new().await;
    for _ in 0..60 {
        assert_eq!(rig.get("/batches").await.status, 200);
    }
    let throttled = rig.get("/batches").await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, None));
    assert!(!throttled.success());
    rig.emulator.turn(|knobs| knobs.retry_after = Some("soon".to_owned()));
    assert_eq!(rig.get("/batches").await.header("retry-after"), Some("soon"));
    rig.pass(60).await;
    assert_eq!(rig.get("/batches").await.status, 200);
    rig.emulator.turn(|knobs| {
        knobs.list_limit = None;
        knobs.route_limits.insert(Operation::Account, 1);
    });
    for _ in 0..61 {
        assert_eq!(rig.get("/batches").await.status, 200);
    }
    assert_eq!(rig.get("/account").await.status, 200);
    assert_eq!(rig.get("/account").await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn parameters_and_empty_pages_follow_their_knobs() {
    let rig = Rig::with(&["A", "B"]).await;
    rig.emulator.turn(|knobs| {
        knobs.invalid_parameter = InvalidParameter::Clamp;
        knobs.empty_total_pages = 1;
        knobs.empty_searches = EmptySearches::EmptyList;
    });
    assert_eq!(rig.listed("page_size=5000&page=0&status=paused&sort_by=id").await, ["A", "B"]);
    assert_eq!(rig.get("/batches?search_term=none").await.json()["total_pages"], 1);
    let empty = rig.get("/batches/A/searches/1").await;
    assert_eq!((empty.status, &empty.json()["searches"]), (200, &json!([])));
    rig.emulator.turn(|knobs| knobs.empty_searches = EmptySearches::ServerError);
    assert_eq!(rig.get("/batches/A/searches/1").await.status, 500);
}

#[tokio::test(start_paused = true)]
async fn filters_and_orders_follow_their_knobs() {
    let rig = Rig::with(&["NEVER"]).await;
    let mut ran = batch("RAN").ran_at(noon());
    ran.priority = Priority::Highest;
    rig.emulator.insert(ran);
    let mut low = batch("LOW").ran_at(noon());
    low.priority = Priority::High;
    rig.emulator.insert(low);
    assert_eq!(rig.listed("sort_by=last_run").await[0], "NEVER");
    assert_eq!(rig.listed("sort_by=priority").await, ["RAN", "LOW", "NEVER"]);
    let until_noon = "last_run_before=2026-11-24T12:00:00Z";
    assert!(rig.listed(until_noon).await.is_empty());
    rig.emulator.turn(|knobs| {
        knobs.never_run_in_date_filter = NeverRun::Included;
        knobs.date_bounds = DateBounds::Inclusive;
        knobs.word_order = WordOrder::Alphabet;
        knobs.null_order = NullOrder::Last;
    });
    assert_eq!(rig.listed(until_noon).await.len(), 3);
    assert_eq!(rig.listed("sort_by=last_run").await[2], "NEVER");
    assert_eq!(rig.listed("sort_by=priority").await, ["LOW", "RAN", "NEVER"]);
}

#[tokio::test(start_paused = true)]
async fn result_links_die_with_their_batch_unless_the_knob_says_otherwise() {
    for (knob, status) in [(DeadLinks::AtOnce, 404), (DeadLinks::AtExpiry, 200)] {
        let rig = Rig::new().await;
        rig.emulator.turn(|knobs| knobs.dead_links = knob);
        rig.emulator.insert(batch("A").with_results(ResultSet::ended(1, noon(), 2)));
        let target = "/files/Batch_Results_A_1_Page_1.json";
        assert_eq!(rig.raw("GET", target, "", "").await.unwrap().status, 200);
        rig.delete("/batches/A").await;
        assert_eq!(rig.raw("GET", target, "", "").await.unwrap().status, status);
        rig.clock.advance(Duration::from_hours(14 * 24));
        assert_eq!(rig.raw("GET", target, "", "").await.unwrap().status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lag_shows_old_states_for_a_while() {
    let rig = Rig::with(&["A", "B"]).await;
    rig.emulator.turn(|knobs| knobs.lag = Duration::from_secs(5));
    assert!(rig.delete("/batches/A").await.success());
    assert!(rig.get("/batches/B/start").await.success());
    assert_eq!(rig.listed("status=idle").await, ["A", "B"]);
    assert!(rig.get("/batches/A").await.success());
    assert_eq!(rig.delete("/batches/A").await.message(), "Batch with ID 'A' was not found");
    rig.pass(5).await;
    assert_eq!(rig.listed("status=all").await, ["B"]);
    assert_eq!(rig.listed("status=queued").await, ["B"]);
    assert_eq!(rig.emulator.deleted(), ["A"]);
}

#[tokio::test(start_paused = true)]
async fn creation_and_adding_follow_their_knobs() {
    let rig = Rig::new().await;
    rig.emulator.turn(|knobs| {
        knobs.default_enabled = false;
        knobs.default_schedule_type = "daily".to_owned();
        knobs.added_searches = AddedSearches::Dedupe;
    });
    let json = rig.post("/batches", json!({"name": "x"})).await.json();
    assert_eq!(
        (&json["batch"]["enabled"], &json["batch"]["schedule_type"]),
        (&json!(false), &json!("daily"))
    );
    let path = format!("/batches/{}", json["batch"]["id"].as_str().unwrap());
    for _ in 0..2 {
        let added = rig.put(&path, json!({"searches": [{"q": "same"}]})).await;
        assert_eq!(added.json()["batch"]["searches_total_count"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn get_is_spelt_and_shortened_as_the_knobs_say() {
    let rig = Rig::new().await;
    rig.emulator.insert(batch("A").ran_at(noon()));
    rig.emulator.turn(|knobs| {
        knobs.get_spelling = GetSpelling::Singular;
        knobs.get_last_run = LastRunInGet::Omitted;
    });
    let got = rig.get("/batches/A").await.json();
    assert_eq!(got["batch"]["search_total_count"], 0);
    assert!(got["batch"].get("searches_total_count").is_none());
    assert!(got["batch"].get("last_run").is_none());
    let listed = rig.get("/batches").await.json();
    assert_eq!(listed["batches"][0]["searches_total_count"], 0);
    assert_eq!(listed["batches"][0]["last_run"], "2026-11-24T12:00:00.000Z");
}

#[tokio::test(start_paused = true)]
async fn runs_follow_their_knobs() {
    let rig = Rig::new().await;
    let mut record = batch("A");
    record.notify.webhook = Some("https://dev.example".to_owned());
    rig.emulator.insert(record);
    rig.emulator.turn(|knobs| {
        knobs.last_run_moves = LastRunMoves::AtStart;
        knobs.webhooks = Webhooks::Failed;
        knobs.account_key = AccountKey::Hidden;
        knobs.queued_for = Duration::from_secs(10);
        knobs.runs_for = Duration::from_secs(100);
    });
    rig.get("/batches/A/start").await;
    rig.pass(9).await;
    assert_eq!(rig.emulator.record("A").unwrap().state, State::Queued);
    rig.pass(1).await;
    assert_eq!(rig.emulator.record("A").unwrap().last_run, Some(at("2026-11-24T12:00:10Z")));
    rig.pass(100).await;
    let record = rig.emulator.record("A").unwrap();
    assert_eq!((&record.state, record.has_failed_webhook()), (&State::Idle, true));
    assert!(rig.get("/account").await.json()["account_info"].get("api_key").is_none());
}
