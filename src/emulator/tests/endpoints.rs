//! One row for each endpoint of the contract's table, and the ten products.

use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn every_product_answers_under_its_own_prefix_and_words_alone() {
    for product in Product::ALL {
        let rig = Rig::of(product).await;
        let family = product.family();
        rig.emulator.insert(batch("AAAA0001").with_searches(3));
        let (noun, one, searches) = (family.batches(), family.batch(), family.searches());
        let list = rig.get(&format!("/{noun}")).await;
        assert_eq!(list.ids(noun), ["AAAA0001"], "{product}");
        assert_eq!(list.json()[noun][0][format!("{searches}_total_count")], 3);
        assert_eq!(rig.get(&format!("/{noun}/AAAA0001")).await.json()[one]["id"], "AAAA0001");
        let other = rig.get(&format!("/{}", family.other().batches())).await;
        assert_eq!(other.status, 404, "{product}");
        let swapped = match product.prefix() {
            Some(_) => format!("/{noun}?api_key={KEY}"),
            None => format!("/live/{noun}?api_key={KEY}"),
        };
        assert_eq!(rig.raw("GET", &swapped, "", "").await.unwrap().status, 404, "{product}");
        let deleted = rig.delete(&format!("/{noun}/AAAA0001")).await;
        assert_eq!((deleted.status, deleted.message()), (200, format!("{one} deleted")));
        assert_eq!(Product::parse(product.as_str()), Some(product));
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_wrong_key_is_refused_in_the_vendors_words() {
    let rig = Rig::new().await;
    for target in ["/live/batches", "/live/batches?api_key=", "/live/batches?api_key=demo"] {
        let reply = rig.raw("GET", target, "", "").await.unwrap();
        assert_eq!(reply.status, 401);
        assert_eq!(reply.message(), "Supplied api_key is not valid");
    }
    rig.emulator.set_key("ROTATED");
    assert_eq!(rig.get("/batches").await.status, 401);
    let seen: Vec<_> = rig.emulator.log().iter().map(|entry| entry.key).collect();
    assert_eq!(seen, [KeySeen::Missing, KeySeen::Wrong, KeySeen::Wrong, KeySeen::Wrong]);
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_date_a_trace_id_and_is_not_to_be_cached() {
    let rig = Rig::new().await;
    let reply = rig.get("/account").await;
    assert_eq!(reply.header("date"), Some("Tue, 24 Nov 2026 12:00:00 GMT"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-trace-id"), Some("emulated-0"));
    rig.emulator.set_date_skew(TimeDelta::minutes(-7));
    assert_eq!(rig.get("/account").await.header("date"), Some("Tue, 24 Nov 2026 11:53:00 GMT"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_ran_has_no_last_run_and_times_end_in_milliseconds_and_z() {
    let rig = Rig::with(&["AAAA0001"]).await;
    let json = rig.get("/batches/AAAA0001").await.json();
    let record = json["batch"].as_object().unwrap();
    assert_eq!(record["created_at"], "2026-11-23T12:00:00.000Z");
    let fields: Vec<&str> = record.keys().map(String::as_str).collect();
    insta::assert_snapshot!(fields.join(" "), @"created_at credits_required destination_ids enabled id name next_result_set_id notification_as_csv notification_as_json notification_as_jsonlines priority results_count schedule_type searches_page_count searches_total_count status");
}

#[tokio::test(start_paused = true)]
async fn a_field_can_be_absent_null_wrong_or_there_twice_and_a_record_any_text() {
    let rig = Rig::new().await;
    rig.emulator.insert(
        batch("AAAA0001")
            .odd("created_at", Odd::Absent)
            .odd("status", Odd::Is(json!(null)))
            .odd("results_count", Odd::Text("1e400".to_owned()))
            .odd("name", Odd::Twice(json!("second")))
            .odd("brand_new", Odd::Is(json!([1]))),
    );
    rig.emulator.insert(batch("BBBB0002").raw(r#"{"id":7}"#));
    rig.emulator.insert(batch("../x?y"));
    let list = rig.get("/batches?sort_by=created_at").await.text();
    for part in [
        r#""status":null"#,
        r#""results_count":1e400"#,
        r#""name":"name AAAA0001","name":"second""#,
        r#""brand_new":[1]"#,
        r#"{"id":7}"#,
        r#""id":"../x?y""#,
    ] {
        assert!(list.contains(part), "{part} in {list}");
    }
    assert_eq!(list.matches("created_at").count(), 1, "only the hostile one still has it");
    assert_eq!(rig.get("/batches/..%2Fx%3Fy").await.json()["batch"]["id"], "../x?y");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_id_is_named_in_the_answer() {
    let rig = Rig::new().await;
    for (method, path) in [
        ("GET", "/batches/NOPE"),
        ("DELETE", "/batches/NOPE"),
        ("PUT", "/batches/NOPE"),
        ("GET", "/batches/NOPE/results"),
        ("GET", "/batches/NOPE/searches/1"),
        ("GET", "/batches/NOPE/start"),
    ] {
        let reply = rig.send(method, path, Some(&json!({}))).await.unwrap();
        assert_eq!(reply.status, 400, "{method} {path}");
        assert_eq!(reply.message(), "Batch with ID 'NOPE' was not found");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_verbs_and_paths_are_404() {
    let rig = Rig::with(&["AAAA0001"]).await;
    for (method, path) in [
        ("HEAD", "/batches"),
        ("PATCH", "/batches/AAAA0001"),
        ("OPTIONS", "/batches"),
        ("DELETE", "/batches"),
        ("DELETE", "/batches/"),
        ("POST", "/batches/AAAA0001"),
        ("GET", "/batches/stop_all/x/y"),
        ("GET", "/Batches"),
        ("GET", "/"),
    ] {
        // An answer to HEAD has the length of a body, but no body.
        let status = rig.send(method, path, None).await.map_or(404, |reply| reply.status);
        assert_eq!(status, 404, "{method} {path}");
    }
    assert_eq!(rig.emulator.count(), 1);
    assert_eq!(rig.emulator.violations().count(Violation::UnknownPath), 9);
}

#[tokio::test(start_paused = true)]
async fn a_slash_at_the_end_of_a_delete_still_deletes_the_batch() {
    let rig = Rig::with(&["AAAA0001"]).await;
    assert!(rig.get("/batches/AAAA0001/").await.success());
    assert!(rig.delete("/batches/AAAA0001/").await.success());
    assert_eq!(rig.emulator.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_created_updated_and_given_searches() {
    let rig = Rig::new().await;
    let created = rig
        .post(
            "/batches",
            json!({"name": "n", "schedule_hours": ["8", 9], "schedule_type": "daily",
            "notification_as_csv": "true", "searches_type": "google_web"}),
        )
        .await;
    assert_eq!(created.status, 200);
    let json = created.json();
    let id = json["batch"]["id"].as_str().unwrap();
    assert_eq!(id.len(), 8);
    assert_eq!(json["batch"]["schedule_hours"], json!([8, 9]));
    assert_eq!(json["batch"]["enabled"], true);
    assert_eq!(json["batch"]["searches_type_locked"], true);

    let path = format!("/batches/{id}");
    let added =
        rig.put(&path, json!({"searches": [{"q": "a", "custom_id": "1"}, {"q": "b"}]})).await;
    assert_eq!(added.json()["batch"]["searches_total_count"], 2);
    let again = rig.put(&path, json!({"searches": [{"q": "a", "custom_id": "1"}]})).await;
    assert_eq!(again.json()["batch"]["searches_total_count"], 3, "a blind retry appends twice");
    let renamed = rig.put(&path, json!({"name": "m", "priority": "low", "enabled": false})).await;
    assert_eq!(renamed.json()["batch"]["name"], "m");
    assert_eq!(renamed.json()["batch"]["priority"], "low");

    let page = rig.get(&format!("{path}/searches/1")).await.json();
    assert_eq!(page["searches"].as_array().unwrap().len(), 3);
    assert_eq!(page["searches_page_count"], 1);
    let found = rig.get(&format!("{path}/searches/1?q=B")).await.json();
    let search_id = found["searches"][0]["id"].as_str().unwrap().to_owned();
    let found = rig.get(&format!("{path}/searches/1?custom_id=1")).await.json();
    assert_eq!(found["searches"].as_array().unwrap().len(), 2);

    let edited = rig.put(&format!("{path}/{search_id}"), json!({"q": "c"})).await;
    assert_eq!(edited.json()["search"], json!({"q": "c"}));
    assert_eq!(rig.delete(&format!("{path}/{search_id}")).await.message(), "Search deleted");
    let missing = rig.delete(&format!("{path}/{search_id}")).await;
    let text = "was found in this Batch, please check the ID and try again";
    assert!(missing.message().ends_with(text) && missing.status == 400);
    let many = rig.send("DELETE", &format!("{path}/searches"), Some(&json!(["x"]))).await.unwrap();
    assert!(many.success());
    assert_eq!(rig.delete(&format!("{path}/clear")).await.message(), "Batch searches cleared");
    assert_eq!(rig.emulator.record(id).unwrap().searches.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_refused_and_change_nothing() {
    let rig = Rig::with(&["AAAA0001"]).await;
    let many: Vec<Value> = (0..1001).map(|n| json!({"q": n.to_string()})).collect();
    for (method, path, body) in [
        ("POST", "/batches", json!({})),
        ("POST", "/batches", json!([])),
        ("POST", "/batches", json!({"name": "x", "priority": "urgent"})),
        ("POST", "/batches", json!({"name": "x", "destination_ids": ["none"]})),
        ("PUT", "/batches/AAAA0001", json!({"schedule_hours": [24]})),
        ("PUT", "/batches/AAAA0001", json!({"searches": many})),
        ("PUT", "/batches/AAAA0001", json!([{"q": "bare list"}])),
        ("DELETE", "/batches/AAAA0001/searches", json!({})),
    ] {
        let reply = rig.send(method, path, Some(&body)).await.unwrap();
        assert_eq!(reply.status, 400, "{method} {path}");
        assert!(reply.message().starts_with("emulated: "));
    }
    let log = rig.emulator.log();
    assert!(log.iter().all(|entry| !entry.changed));
}

#[tokio::test(start_paused = true)]
async fn pages_of_searches_hold_a_thousand() {
    let rig = Rig::new().await;
    rig.emulator.insert(batch("AAAA0001").with_searches(1500));
    let page = rig.get("/batches/AAAA0001/searches/2").await.json();
    assert_eq!(page["searches"].as_array().unwrap().len(), 500);
    assert_eq!(
        (&page["searches_page_current"], &page["searches_page_count"]),
        (&json!(2), &json!(2))
    );
    let links = rig.get("/batches/AAAA0001/searches/json").await.json();
    let link = links["download_links"]["pages"][1].as_str().unwrap().to_owned();
    let target = link.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap();
    let file = rig.raw("GET", &target, "", "").await.unwrap();
    assert_eq!(file.json().as_array().unwrap().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn result_sets_are_listed_newest_first_and_their_files_need_no_key() {
    let rig = Rig::new().await;
    let early = ResultSet::ended(1, at("2026-11-20T12:00:00Z"), 1200);
    let late = ResultSet::ended(2, at("2026-11-22T12:00:00Z"), 3).webhook(Delivery::Failed);
    rig.emulator.insert(batch("AAAA0001").with_results(early).with_results(late));
    let list = rig.get("/batches/AAAA0001/results").await.json();
    assert_eq!(list["results_count"], 2);
    assert_eq!(list["results"][0]["id"], 2);
    assert_eq!(list["results"][0]["webhook_status"]["status"], "failed");
    assert_eq!(list["batch"]["id"], "AAAA0001");
    assert_eq!(list["batch_id"], "AAAA0001");
    for (format, end) in [("", ".json"), ("/jsonlines", ".jsonl"), ("/csv", ".csv")] {
        let one = rig.get(&format!("/batches/AAAA0001/results/1{format}")).await.json();
        let links = one["result"]["download_links"]["pages"].as_array().unwrap().clone();
        assert_eq!(links.len(), 2);
        let link = links[1].as_str().unwrap();
        assert!(link.ends_with(end));
        let target = link.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap();
        assert_eq!(rig.raw("GET", &target, "", "").await.unwrap().status, 200);
    }
    assert_eq!(rig.get("/batches/AAAA0001/results/9").await.status, 400);
    let resent = rig.get("/batches/AAAA0001/results/2/resendwebhook").await;
    assert_eq!(resent.message(), "Webhook POST resent successfully.");
    assert_eq!(rig.get("/batches/AAAA0001/results/1/resendwebhook").await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn an_undelivered_result_set_keeps_its_batch_until_forced() {
    let rig = Rig::new().await;
    let set = ResultSet::ended(1, at("2026-11-22T12:00:00Z"), 3).webhook(Delivery::Failed);
    rig.emulator.insert(batch("AAAA0001").with_results(set));
    let refused = rig.delete("/batches/AAAA0001").await;
    assert_eq!((refused.status, refused.success()), (400, false));
    assert!(rig.delete("/batches/AAAA0001?force=true").await.success());
    assert_eq!(rig.emulator.deleted(), ["AAAA0001"]);
}

#[tokio::test(start_paused = true)]
async fn the_account_counts_its_batches_and_destinations() {
    let rig = Rig::with(&["AAAA0001", "AAAA0002"]).await;
    for n in 0..11 {
        let (id, name) = (format!("D{n}"), format!("bucket {n:02}"));
        rig.emulator.add_destination(Destination { id, name, kind: "s3".to_owned() });
    }
    let info = rig.get("/account").await.json()["account_info"].clone();
    assert_eq!(info["batches_used"], 2);
    assert_eq!(info["batches_available"], 9998);
    assert_eq!(info["api_key"], KEY);
    let page = rig.get("/destinations?page=2&sort_direction=descending").await.json();
    assert_eq!(page["destinations"][0]["id"], "D0");
    assert_eq!(page["usage"]["used"], 11);
    assert_eq!(rig.get("/errorlogs").await.json()["logs"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_server_closes_its_port_and_its_open_connections() {
    let rig = Rig::new().await;
    let address = rig.running.address();
    let mut open = TcpStream::connect(address).await.unwrap();
    open.write_all(b"GET /live/account HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    open.read_exact(&mut first).await.unwrap();
    drop(rig);
    let mut rest = Vec::new();
    drop(open.read_to_end(&mut rest).await);
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn the_key_is_in_no_debug_output() {
    let emulator = Emulator::new(Product::SerpWow, KEY, Arc::new(crate::clock::SystemClock));
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        product: Product::SerpWow,
        key: KEY.to_owned(),
        batches: 1,
        seed: 1,
        latency: Duration::ZERO,
        kind: Kind::Mixed,
    };
    assert!(!format!("{emulator:?} {options:?}").contains(KEY));
}

#[tokio::test(start_paused = true)]
async fn the_command_serves_a_seeded_account_until_it_is_stopped() {
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        product: Product::Rainforest,
        key: KEY.to_owned(),
        batches: 40,
        seed: 1,
        latency: Duration::ZERO,
        kind: Kind::Mixed,
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let clock = Arc::new(SetClock::starting_at(noon()));
    let mut told = None;
    let ready = |emulator: &Emulator, running: &Running| {
        told = Some((emulator.count(), running.base_url()));
        stop.cancel();
    };
    run(options, clock, stop.clone(), ready).await.unwrap();
    let (count, url) = told.unwrap();
    assert_eq!(count, 40);
    assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with("/live"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_on_a_runtime_with_threads_and_a_running_clock_as_well() {
    let emulator = Emulator::new(Product::SerpWow, KEY, Arc::new(crate::clock::SystemClock));
    let running = emulator.start().await.unwrap();
    emulator.insert(batch("AAAA0001"));
    let clock = Arc::new(SetClock::starting_at(noon()));
    let rig = Rig { emulator, clock, running };
    assert!(rig.get("/batches/AAAA0001").await.success());
    assert!(rig.delete("/batches/AAAA0001").await.success());
    assert!(rig.emulator.violations().is_empty());
}
