//! Every effect of a fault script, as the client meets it.

use std::io::Read as _;

use super::*;

fn on_get() -> Fault {
    Fault::on(Operation::Get)
}

#[tokio::test(start_paused = true)]
async fn a_fault_strikes_the_calls_it_is_meant_for() {
    let rig = Rig::with(&["A", "B"]).await;
    let teapot = || Answer::empty(418);
    rig.emulator.script(on_get().id("A").nth(2).answer(teapot()));
    let mut seen = Vec::new();
    for path in ["/batches/B", "/batches/A", "/batches/A", "/batches/A"] {
        seen.push(rig.get(path).await.status);
    }
    assert_eq!(seen, [200, 200, 418, 200]);
    let faulty: Vec<bool> = rig.emulator.log().iter().map(|entry| entry.faulty).collect();
    assert_eq!(faulty, [false, false, true, false]);

    rig.emulator.clear_script();
    rig.emulator.script(Fault::on_any().first(2).answer(teapot()));
    assert_eq!(rig.get("/batches/A").await.status, 418);
    assert_eq!(rig.get("/account").await.status, 418);
    assert_eq!(rig.get("/account").await.status, 200);

    rig.emulator.clear_script();
    rig.emulator.script(Fault::on(Operation::List).page(2).answer(teapot()));
    assert_eq!(rig.get("/batches").await.status, 200);
    assert_eq!(rig.get("/batches?page=2").await.status, 418);
}

#[tokio::test(start_paused = true)]
async fn chances_are_the_same_for_the_same_seed() {
    let rig = Rig::with(&["A"]).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        rig.emulator.clear_script();
        rig.emulator.script(on_get().chance(30, 7).answer(Answer::empty(503)));
        let mut struck = Vec::new();
        for _ in 0..50 {
            struck.push(rig.get("/batches/A").await.status == 503);
        }
        runs.push(struck);
    }
    assert_eq!(runs[0], runs[1]);
    let n = runs[0].iter().filter(|struck| **struck).count();
    assert!((5..30).contains(&n), "{n} of 50");
}

#[tokio::test(start_paused = true)]
async fn any_answer_can_stand_in_place_of_the_true_one() {
    let rig = Rig::with(&["A"]).await;
    for (answer, status, header, start) in [
        (Answer::refused(500, "no"), 500, None, "{\"request_info\""),
        (Answer::empty(204), 204, None, ""),
        (Answer::html(200), 200, Some(("content-type", "text/html; charset=utf-8")), "<!DOCTYPE"),
        (
            Answer::redirect(303, "http://evil.example/"),
            303,
            Some(("location", "http://evil.example/")),
            "",
        ),
        (Answer::throttled(None), 429, None, "{"),
        (Answer::throttled(Some("999999")), 429, Some(("retry-after", "999999")), "{"),
        (Answer::throttled(Some("né")), 429, None, "{"),
        (Answer::json(200, "[".repeat(100_000)), 200, None, "[[[["),
    ] {
        rig.emulator.clear_script();
        rig.emulator.script(Fault::on(Operation::Delete).answer(answer));
        let reply = rig.delete("/batches/A").await;
        assert_eq!(reply.status, status);
        assert!(reply.text().starts_with(start));
        if let Some((name, value)) = header {
            assert_eq!(reply.header(name), Some(value));
        }
    }
    assert_eq!(rig.emulator.count(), 1, "none of them was carried out");
}

#[tokio::test(start_paused = true)]
async fn a_reset_before_or_after_the_commit_shows_nothing_of_which_it_was() {
    let rig = Rig::with(&["A", "B"]).await;
    rig.emulator.script(Fault::on(Operation::Delete).id("A").then(Effect::Reset));
    rig.emulator.script(Fault::on(Operation::Delete).id("B").after_commit().then(Effect::Reset));
    for id in ["A", "B"] {
        let error = rig.send("DELETE", &format!("/batches/{id}"), None).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{id}");
    }
    assert_eq!(rig.emulator.ids(), ["A"]);
    let log = rig.emulator.destructive();
    assert_eq!((log[0].status, log[0].changed), (None, false));
    assert_eq!((log[1].status, log[1].changed), (None, true));
}

#[tokio::test(start_paused = true)]
async fn a_hang_before_or_after_the_commit_never_ends() {
    let rig = Rig::with(&["A", "B"]).await;
    rig.emulator.script(Fault::on(Operation::Delete).id("A").then(Effect::Hang));
    rig.emulator.script(Fault::on(Operation::Delete).id("B").after_commit().then(Effect::Hang));
    for id in ["A", "B"] {
        let path = format!("/batches/{id}");
        let call = rig.send("DELETE", &path, None);
        let waited = tokio::time::timeout(Duration::from_hours(1), call).await;
        assert!(waited.is_err(), "{id}");
    }
    assert_eq!(rig.emulator.deleted(), ["B"]);
    // The server has noticed that the client left: the next write is not parallel to the hung ones.
    rig.get("/batches/A").await;
    rig.emulator.clear_script();
    rig.delete("/batches/A").await;
    assert_eq!(rig.emulator.violations().count(Violation::ParallelWrites), 0);
}

#[tokio::test(start_paused = true)]
async fn delays_and_drips_take_their_time() {
    let rig = Rig::with(&["A"]).await;
    let whole = rig.get("/batches/A").await.text();
    rig.emulator.script(on_get().once().then(Effect::Delay(Duration::from_secs(20))));
    let began = tokio::time::Instant::now();
    assert_eq!(rig.get("/batches/A").await.text(), whole);
    assert_eq!(began.elapsed().as_secs(), 20);
    let drip = Damage::Drip(1, Duration::from_secs(1));
    rig.emulator.script(on_get().then(Effect::Damage(drip)));
    assert_eq!(rig.get("/batches/A").await.text(), whole);
    assert!(began.elapsed().as_secs() >= 20 + u64::try_from(whole.len()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn bodies_can_be_cut_shortened_or_continued() {
    let rig = Rig::with(&["A"]).await;
    let whole = rig.get("/batches/A").await.text();
    rig.emulator.script(on_get().nth(1).then(Effect::Damage(Damage::Cut(40))));
    rig.emulator.script(on_get().nth(2).then(Effect::Damage(Damage::Shorten(40))));
    rig.emulator
        .script(on_get().nth(3).then(Effect::Damage(Damage::Append(" and more".to_owned()))));
    let error = rig.send("GET", "/batches/A", None).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(rig.get("/batches/A").await.body, whole.as_bytes()[..40]);
    assert_eq!(rig.get("/batches/A").await.text(), format!("{whole} and more"));
}

#[tokio::test(start_paused = true)]
async fn a_cut_body_arrives_as_far_as_it_goes() {
    let rig = Rig::with(&["A"]).await;
    rig.emulator.script(on_get().then(Effect::Damage(Damage::Cut(40))));
    let mut stream = TcpStream::connect(rig.running.address()).await.unwrap();
    let request = format!("GET /live/batches/A?api_key={KEY} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes).await);
    let text = String::from_utf8(bytes).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn bodies_can_be_compressed_well_badly_or_only_in_name() {
    let rig = Rig::with(&["A"]).await;
    let whole = rig.get("/batches/A").await.text();
    let unzipped = |reply: &Reply| {
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&*reply.body).read_to_end(&mut text).map(|_| text)
    };
    for (n, damage) in (1..).zip([
        Damage::Gzip,
        Damage::BrokenGzip,
        Damage::FalseGzip,
        Damage::GzipBomb(17 * 1024 * 1024),
    ]) {
        rig.emulator.script(on_get().nth(n).then(Effect::Damage(damage)));
    }
    assert_eq!(unzipped(&rig.get("/batches/A").await).unwrap(), whole.as_bytes());
    assert!(unzipped(&rig.get("/batches/A").await).is_err());
    assert!(unzipped(&rig.get("/batches/A").await).is_err());
    let bomb = rig.get("/batches/A").await;
    assert!(bomb.body.len() < 100_000);
    assert_eq!(unzipped(&bomb).unwrap().len(), 17 * 1024 * 1024);
}

#[tokio::test(start_paused = true)]
async fn a_padded_body_is_as_long_as_is_said() {
    let rig = Rig::with(&["A"]).await;
    rig.emulator.script(on_get().then(Effect::Damage(Damage::Padded(17 * 1024 * 1024))));
    assert!(rig.get("/batches/A").await.body.len() > 17 * 1024 * 1024);
}

#[tokio::test(start_paused = true)]
async fn headers_can_be_replaced() {
    let rig = Rig::new().await;
    let odd = Effect::Header("date", "some day".to_owned());
    rig.emulator.script(Fault::on_any().then(odd));
    assert_eq!(rig.get("/account").await.header("date"), Some("some day"));
}

#[tokio::test(start_paused = true)]
async fn listings_can_lie_in_every_way() {
    let ids: Vec<String> = (0..6).map(|n| format!("ID{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let rig = Rig::with(&ids).await;
    let (page_1, page_2, all) = ("page=1&page_size=3", "page=2&page_size=3", "page_size=6");
    for (lie, query, wanted, [total, pages, count]) in [
        (Lie::Total(-2), all, "012345", [4, 1, 6]),
        (Lie::Count(1), all, "012345", [6, 1, 7]),
        (Lie::Pages(3), all, "012345", [6, 4, 6]),
        (Lie::RecordsOfPage(1), page_2, "012", [6, 2, 3]),
        (Lie::Shift(1), page_1, "123", [6, 2, 3]),
        (Lie::Shift(-1), page_2, "234", [6, 2, 3]),
        (Lie::Endless, "page=5&page_size=3", "012", [6, 6, 3]),
        (Lie::Without(1), page_1, "02", [6, 2, 3]),
    ] {
        rig.emulator.clear_script();
        rig.emulator.script(Fault::on(Operation::List).then(Effect::Lie(lie)));
        let reply = rig.get(&format!("/batches?{query}")).await;
        let json = reply.json();
        let shown: String =
            reply.ids("batches").iter().map(|id| id.trim_start_matches("ID")).collect();
        assert_eq!(shown, wanted, "{lie:?}");
        let counts = ["total_count", "total_pages", "count_this_page"]
            .map(|name| json[name].as_u64().unwrap());
        assert_eq!(counts, [total, pages, count], "{lie:?}");
    }
    rig.emulator.clear_script();
    rig.emulator.script(Fault::on(Operation::List).nth(1).then(Effect::Lie(Lie::Unsorted)));
    rig.emulator.script(Fault::on(Operation::List).nth(2).then(Effect::Lie(Lie::OtherFamily)));
    let mut unsorted = rig.listed(all).await;
    assert_ne!(unsorted, ids);
    unsorted.sort();
    assert_eq!(unsorted, ids);
    assert_eq!(rig.get("/batches").await.ids("collections").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn deletions_can_be_acknowledged_and_not_done_or_done_and_denied() {
    let rig = Rig::with(&["A", "B", "C"]).await;
    let on = |id: &str| Fault::on(Operation::Delete).id(id);
    rig.emulator.script(on("A").then(Effect::AckOnly));
    rig.emulator.script(on("B").after_commit().answer(Answer::refused(200, "no")));
    rig.emulator.script(on("C").after_commit().answer(Answer::empty(204)));
    assert!(rig.delete("/batches/A").await.success());
    assert!(!rig.delete("/batches/B").await.success());
    assert_eq!(rig.delete("/batches/C").await.status, 204);
    assert_eq!(rig.emulator.ids(), ["A"]);
    assert_eq!(rig.emulator.deleted(), ["B", "C"]);
}

#[tokio::test(start_paused = true)]
async fn a_lag_of_one_call_leaves_the_batch_to_be_seen_for_a_while() {
    let rig = Rig::with(&["A"]).await;
    let lag = Effect::Lag(Duration::from_secs(3));
    rig.emulator.script(Fault::on(Operation::Delete).then(lag));
    assert!(rig.delete("/batches/A").await.success());
    assert!(rig.get("/batches/A").await.success());
    rig.pass(3).await;
    assert!(!rig.get("/batches/A").await.success());
}

#[tokio::test(start_paused = true)]
async fn somebody_else_can_act_before_or_after_a_certain_call() {
    let rig = Rig::with(&["A", "B"]).await;
    let run = Effect::Edit(Edit::Run("A".to_owned()));
    rig.emulator.script(on_get().id("A").nth(2).then(run));
    let rename = Effect::Edit(Edit::Rename("B".to_owned(), "renamed".to_owned()));
    rig.emulator.script(on_get().id("B").after_commit().then(rename));
    let remove = Effect::Edit(Edit::Remove("B".to_owned()));
    rig.emulator.script(Fault::on(Operation::List).page(1).after_commit().then(remove));
    let status = |reply: Reply| reply.json()["batch"]["status"].clone();
    assert_eq!(status(rig.get("/batches/A").await), "idle");
    assert_eq!(status(rig.get("/batches/A").await), "running");
    assert_eq!(rig.get("/batches/B").await.json()["batch"]["name"], "name B");
    assert_eq!(rig.emulator.record("B").unwrap().name, "renamed");
    assert_eq!(rig.listed("page=1").await, ["A", "B"]);
    assert_eq!(rig.emulator.ids(), ["A"]);
}
