//! Reading: what is sent, what is tried again, and how long that takes.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::fixture::*;
use crate::api::client::{Account, Lookup, Record};
use crate::api::error::Kind;
use crate::api::product::Product;
use crate::api::script::{Act, Server, json, reply_with};
use crate::observe::event::{Code, Event};

#[tokio::test(start_paused = true)]
async fn every_call_carries_the_key_and_our_name_and_nothing_more() {
    let list = json(
        200,
        r#"{"request_info":{"success":true},"total_count":2,"total_pages":1,"current_page":1,
            "count_this_page":2,"batches":[{"id":"A1"},{"id":"../x"}]}"#,
    );
    let sets = json(
        200,
        r#"{"request_info":{"success":true},
            "results":[{"id":1,"webhook_status":{"status":"failed"}}]}"#,
    );
    let server = Server::start([account(), list, batch("A1"), sets]).await;
    let client = Fixture::of(&server);
    let reader = &client.reader;
    assert_eq!(reader.account().await, Ok(Account { batches_used: Some(3) }));
    let page = reader.list(1).await.unwrap();
    assert!(matches!(&page.records[0], Record::Batch(batch) if batch.id == id("A1")));
    assert_eq!(page.records[1], Record::HostileId { id: "../x".into() });
    assert!(matches!(reader.get(&id("A1")).await, Ok(Lookup::Found(_))));
    let sets = reader.result_sets(&id("A1")).await.unwrap();
    assert_eq!(sets[0].webhook_status.as_ref().unwrap().as_str(), "failed");
    assert_eq!(reader.requests(), 4);
    let lines = [
        "GET /live/account?".to_owned(),
        "GET /live/batches?page=1&page_size=1000&sort_by=created_at&sort_direction=ascending&"
            .into(),
        "GET /live/batches/A1?".to_owned(),
        "GET /live/batches/A1/results?".to_owned(),
    ];
    let expected: Vec<String> =
        lines.iter().map(|line| format!("{line}api_key={KEY_SENT} HTTP/1.1")).collect();
    assert_eq!(server.lines(), expected);
    for head in server.seen() {
        let name = concat!("user-agent: batchsweep/", env!("CARGO_PKG_VERSION"), "\r\n");
        assert!(head.contains(name), "{head}");
        assert!(!head.to_ascii_lowercase().contains("referer"), "{head}");
        assert_eq!(head.matches("CANARY").count(), 1, "{head}");
    }
}

// fault: H10
#[tokio::test(start_paused = true)]
async fn a_failing_api_is_tried_as_often_as_allowed_and_no_more() {
    for status in [500, 502, 503, 504] {
        let bad = || Act::Send(reply_with(status, "x-trace-id: T-1", b"<html>bad gateway</html>"));
        let server = Server::start([bad(), bad(), bad(), bad(), bad(), account()]).await;
        let client = Fixture::of(&server);
        let began = Instant::now();
        let error = client.reader.account().await.unwrap_err();
        assert_eq!(error.kind, Kind::Failing { status });
        assert_eq!((error.attempts, client.reader.requests()), (5, 5));
        assert_eq!(error.trace_id.unwrap().as_str(), "T-1");
        assert!(began.elapsed() <= Duration::from_secs(1 + 2 + 4 + 8) + Duration::from_millis(100));
        let attempts: Vec<_> = (1..=5).map(|n| ("account", Code::ServerError, n)).collect();
        assert_eq!(client.calls(), attempts);
        let retries = client.events();
        assert_eq!(retries.len(), 4, "{retries:?}");
        let cause = format!("the API is failing ({status})");
        assert!(
            matches!(&retries[0], Event::ApiRetry { operation: "account", attempt: 1, cause: c, .. } if *c == cause)
        );
    }
}

// fault: H8, H9
#[tokio::test(start_paused = true)]
async fn a_429_pauses_the_account_as_long_as_it_asks_within_15_minutes() {
    let minutes = |n: u64| Duration::from_mins(n);
    for (asked, paused) in [
        ("retry-after: 16", Some(Duration::from_secs(16))),
        ("retry-after: 999999", Some(minutes(15))),
        ("retry-after: Sun, 29 Mar 2026 01:02:00 GMT", Some(minutes(2))),
        ("retry-after: Sun, 29 Mar 2020 01:02:00 GMT", Some(Duration::ZERO)),
        ("retry-after: -1", None),
        ("retry-after: soon", None),
        ("x: y", None),
    ] {
        let throttled = Act::Send(reply_with(429, asked, b""));
        let server = Server::start([throttled, account(), account()]).await;
        let client = Fixture::of(&server);
        let began = Instant::now();
        let other = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            client.reader.account().await.unwrap();
            began.elapsed()
        };
        let (first, other) = tokio::join!(client.reader.account(), other);
        assert!(first.is_ok());
        let took = began.elapsed();
        let Some(paused) = paused else {
            assert!(took <= Duration::from_millis(1100), "{asked}: own backoff, {took:?}");
            continue;
        };
        assert!(took >= paused && took <= paused + Duration::from_secs(1), "{asked}: {took:?}");
        assert!(other >= paused, "{asked}: another call left during the pause");
        let told: Duration = client.pauses().iter().sum();
        assert!(told.abs_diff(paused) < Duration::from_millis(50), "{asked}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_503_may_ask_for_its_wait_in_its_body() {
    let incident = json(503, r#"{"message":"parsing incident","retry_after":600}"#);
    let server = Server::start([incident, account()]).await;
    let client = Fixture::of(&server);
    let began = Instant::now();
    assert!(client.reader.account().await.is_ok());
    assert!(began.elapsed() >= Duration::from_mins(10));
}

// fault: H3
#[tokio::test(start_paused = true)]
async fn a_refused_key_is_read_again_once() {
    let no = || refusal(401, "Supplied api_key is not valid");
    let server = Server::start([no(), account(), no(), account()]).await;
    let client = Fixture::of(&server);
    client.later_keys.lock().unwrap().extend(["NEVERREAD", "NEWKEY"]);
    assert!(client.reader.account().await.is_ok());
    let error = client.reader.account().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the account");
    assert_eq!(error.cause(), "the API refused the key (401): Supplied api_key is not valid");
    let keys: Vec<String> =
        server.lines().iter().map(|l| l.split(['=', ' ']).nth(2).unwrap().to_owned()).collect();
    assert_eq!(keys, [KEY_SENT, "NEWKEY", "NEWKEY"]);
    assert_eq!(client.later_keys.lock().unwrap().len(), 1);
}

// fault: H3, H4, H5, N6
#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_asked_once() {
    let html = Act::Send(reply_with(200, "content-type: text/html", b"<html>Sign in</html>"));
    for (act, cause) in [
        (refusal(401, "bad key"), "the API refused the key (401): bad key"),
        (refusal(403, "bad key"), "the API refused the key (403): bad key"),
        (refusal(402, "no credits"), "the API asks for payment (402): no credits"),
        (json(404, ""), "status 404: HOST/live/batches is no path of the API"),
        (refusal(404, "no route"), "status 404: HOST/live/batches is no path of the API"),
        (refusal(400, "bad page"), "the API refused the call (400): bad page"),
        (refusal(200, "bad page"), "the API refused the call (200): bad page"),
        (
            html,
            "expected an answer of the API, got status 200 with text/html: <html>Sign in</html>",
        ),
    ] {
        let server = Server::start([act, account()]).await;
        let client = Fixture::of(&server);
        let error = client.reader.list(1).await.unwrap_err();
        let shown = error.cause().replace(&format!("http://{}", server.address), "HOST");
        assert_eq!((shown.as_str(), error.attempts), (cause, 1));
        assert_eq!(client.reader.requests(), 1, "{cause}");
        assert_eq!(client.events(), []);
    }
}

// fault: H2
#[tokio::test(start_paused = true)]
async fn a_redirect_is_never_followed() {
    let elsewhere = Server::start([account()]).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("location: http://{}/live/account?api_key=x", elsewhere.address);
        let server = Server::start([Act::Send(reply_with(status, &to, b""))]).await;
        let client = Fixture::of(&server);
        let error = client.reader.list(1).await.unwrap_err();
        assert_eq!(error.cause(), format!("redirect to 127.0.0.1 refused ({status})"));
        assert_eq!((client.reader.requests(), elsewhere.seen().len()), (1, 0));
    }
    for (to, shown) in [
        ("location: https://evil.example/?api_key=x", "evil.example"),
        ("location: /other", "127.0.0.1"),
        ("location: http://[", "an unreadable address"),
        ("x: y", "nowhere"),
    ] {
        let server = Server::start([Act::Send(reply_with(302, to, b""))]).await;
        let error = Fixture::of(&server).reader.list(1).await.unwrap_err();
        assert_eq!(error.cause(), format!("redirect to {shown} refused (302)"));
    }
}

// fault: J11
#[tokio::test(start_paused = true)]
async fn a_host_of_the_other_family_is_recognised() {
    let body = r#"{"request_info":{"success":true},"total_count":0,"total_pages":0,
        "current_page":1,"count_this_page":0,"batches":[]}"#;
    let server = Server::start([json(200, body)]).await;
    let mut settings = settings(&format!("http://{}", server.address));
    settings.product = Product::Rainforest;
    let error = Fixture::with(settings).reader.list(1).await.unwrap_err();
    assert_eq!(error.kind, Kind::WrongFamily { expected: "collections" });
    assert!(server.lines()[0].starts_with("GET /collections?page=1&"));
}

// fault: H16
#[tokio::test(start_paused = true)]
async fn the_servers_clock_is_compared_with_ours() {
    let dated = |date: &str| Act::Send(reply_with(500, date, b""));
    let server = Server::start([
        dated("date: Sun, 29 Mar 2026 01:07:00 GMT"),
        dated("date: garbage"),
        dated("x: y"),
        dated("date: Sun, 29 Mar 2026 00:58:00 GMT"),
    ])
    .await;
    let mut settings = settings(&format!("http://{}", server.address));
    settings.max_attempts = 1;
    let client = Fixture::with(settings);
    assert_eq!(client.reader.clock_skew(), None);
    for minutes in [7, 7, 7, -2] {
        assert!(client.reader.account().await.is_err());
        let skew = client.reader.clock_skew().unwrap();
        let off = (skew - TimeDelta::minutes(minutes)).abs();
        assert!(off < TimeDelta::seconds(1), "{skew}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_read_a_wait_and_a_retry() {
    for act in [
        Act::Hang,
        Act::Send(reply_with(429, "retry-after: 600", b"")),
        Act::Send(reply_with(500, "retry-after: 600", b"")),
    ] {
        let server = Server::start([act]).await;
        let client = Fixture::of(&server);
        let began = Instant::now();
        let cancel = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            client.stop.cancel();
        };
        let (read, ()) = tokio::join!(client.reader.account(), cancel);
        assert_eq!(read.unwrap_err().kind, Kind::Stopped);
        assert!(began.elapsed() < Duration::from_secs(6));
        assert_eq!(client.reader.account().await.unwrap_err().kind, Kind::Stopped);
        assert_eq!(client.reader.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_and_everything_else_keep_the_pace() {
    let server = Server::start((0..21).map(|_| account())).await;
    let mut settings = settings(&format!("http://{}", server.address));
    settings.requests_per_second = 10;
    let client = Fixture::with(settings);
    let began = Instant::now();
    for _ in 0..21 {
        client.reader.account().await.unwrap();
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2040), "{took:?}");
}
