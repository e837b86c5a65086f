//! The status page and the same as JSON: what an operator finds there, and what nobody can do there.
//!
//! The router is asked as a socket would, against the state that runs of the whole program left. A real
//! browser looks in `tests/browser`. Not here: single functions of the server (beside them).

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use batchsweep::clock::Clock;
use batchsweep::config::{self, DryRun};
use batchsweep::emulator::Seed;
use batchsweep::observe::board::Board;
use batchsweep::observe::metrics::{Metrics, Of};
use batchsweep::server::health::Health;
use batchsweep::server::{self, Hand, Memory, Sight};
use batchsweep::state::{Location, State};
use serde_json::Value;
use tower::ServiceExt;

use crate::world::{KEY, OPEN, TMP, World, id};

/// Rules of the tests: what is kept, what goes, and what goes later.
const RULES: &str = r#"
[schedule]
cron = "15 3 * * *"
timezone = "Europe/Paris"
[keep.pinned]
name = "prod-*"
may_be_empty = true
[delete.old]
name = ["prod-*", "old-*"]
older_than = "90d"
"#;

/// What somebody who looks sees.
struct Look {
    sight: Sight,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Look {
    /// Of a service with the file and the state of this world.
    async fn at(world: &World) -> Self {
        let env = world.env();
        let url = env.get("BATCHSWEEP__STATE__URL").unwrap().to_owned();
        let location = Location::parse(&url, |_| None).unwrap();
        let memory = match url.as_str() {
            "memory:" => Memory::Shared(State::open(&location, world.clock.now()).await.unwrap()),
            _ => Memory::At(location),
        };
        let request =
            config::Request { path: Some(world.path()), env, dry_run: DryRun::AsConfigured };
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let health = Arc::new(Health::new(Arc::clone(&clock)));
        health.be_ready();
        let around = server::Around {
            board: Board::new(Arc::clone(&clock)),
            metrics: Arc::new(Metrics::new(Of::Service, Arc::clone(&clock), Vec::new())),
            clock,
            health,
            memory,
            hand: Hand::Shell(None),
        };
        Self { sight: Sight::new(Arc::new(config::load(&request).unwrap()), around) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).header("host", "127.0.0.1:9464")).await
    }

    async fn ask(&self, request: axum::http::request::Builder) -> Answer {
        let request = request.body(Body::empty()).unwrap();
        let response = server::router(self.sight.clone()).oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 16 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        // fault: S3
        assert!(!text.contains(KEY), "the key is shown: {text}");
        Answer { status, headers, text }
    }

    /// A page that is there.
    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.text
    }

    /// A document, held to the description of its path.
    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        let document = serde_json::from_str(&answer.text).unwrap();
        assert_described(path, answer.status, &document);
        document
    }
}

/// Asserts that a document is as the server's own description says.
fn assert_described(path: &str, status: StatusCode, document: &Value) {
    let description: Value =
        serde_json::from_str(include_str!("../../src/server/openapi.json")).unwrap();
    let route = path.split('?').next().unwrap();
    let route = if route.starts_with("/api/v1/batches/") { "/api/v1/batches/{id}" } else { route };
    let code = status.as_u16().to_string();
    let answer = &description["paths"][route]["get"]["responses"][&code];
    let schema = &answer["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{path}: {code} is not described");
    let mut whole = schema.clone();
    whole["components"] = description["components"].clone();
    let strict = jsonschema::draft202012::new(&closed(whole)).unwrap();
    let problems: Vec<_> = strict.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{path}: {problems:?}\n{document:#}");
}

/// The same schema, in which fields that it does not describe are wrong.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = closed(field.take());
            }
            let is_object = fields.get("type").is_some_and(|kind| kind == "object");
            if is_object && fields.contains_key("properties") {
                fields.entry("unevaluatedProperties").or_insert(false.into());
            }
        }
        Value::Array(elements) => {
            for element in elements {
                *element = closed(element.take());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}

/// The text of a page, without its tags.
fn words(page: &str) -> String {
    let mut words = String::new();
    let mut in_tag = false;
    for c in page.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            c if !in_tag => words.push(c),
            _ => {}
        }
    }
    words.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// An account with batches to delete, one that is kept and one that goes later.
async fn world() -> World {
    let world = World::with_tmp(3).await.remembering();
    world.emulator.insert(world.old("BB000001", "prod-stock"));
    world.emulator.insert(world.old("BB000002", "old-list"));
    world.file(&format!("{OPEN}{TMP}{RULES}"));
    world
}

#[tokio::test(start_paused = true)]
async fn before_the_first_run_every_page_says_so() {
    let world = world().await;
    for world in [world, World::with_tmp(1).await] {
        let look = Look::at(&world).await;
        assert!(words(&look.page("/").await).contains("no complete listing is remembered"));
        assert!(words(&look.page("/plan").await).contains("the first run makes one"));
        assert!(words(&look.page("/runs").await).contains("No run is remembered yet"));
        assert_eq!(look.json("/api/v1/plan").await["inventory"], Value::Null);
        assert_eq!(look.json("/api/v1/status").await["accounts"][0]["last_run"], Value::Null);
        assert_eq!(look.json("/api/v1/runs").await["runs"], Value::Array(Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_batch_says_why_it_is_kept_and_when_it_goes() {
    let world = world().await;
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let look = Look::at(&world).await;
    let kept = words(&look.page("/batches/BB000001").await);
    assert!(kept.contains("keep rule pinned protects it"), "{kept}");
    assert!(kept.contains("It stays"), "{kept}");
    let later = words(&look.page("/batches/BB000002").await);
    // Created 2026-10-25 12:00 UTC: 90 days on it is 13:00 in Paris, and the run is at 03:15.
    assert!(later.contains("it may go from Sat 2027-01-23 13:00 CET on"), "{later}");
    assert!(later.contains("in the run of Sun 2027-01-24 03:15 CET at the earliest"), "{later}");
    let next = words(&look.page(&format!("/batches/{}", id(0))).await);
    assert!(next.contains("It goes in the next run, Wed 2026-11-25 03:15 CET"), "{next}");
    let plan = look.page("/plan?q=old-").await;
    assert!(words(&plan).contains("1–1 of 1 batch"), "{plan}");
    assert!(words(&plan).contains("in 61 days") || words(&plan).contains("in 60 days"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_plan_is_approved_by_the_very_command_of_the_page() {
    let world = world().await;
    let tight = OPEN.replace("max_deletes = \"off\"", "max_deletes = 2");
    world.file(&format!("{tight}{TMP}{RULES}"));
    assert_eq!(world.run(&["once"]).await.code, 3);
    let look = Look::at(&world).await;
    let page = look.page("/").await;
    let text = words(&page);
    assert!(text.contains("Stopped: nothing is deleted until you decide"), "{text}");
    assert!(text.contains("would delete 3 batches"), "{text}");
    assert!(text.contains("the limit is 2"), "{text}");
    let command = page.split("batchsweep approve ").nth(1).unwrap().split('<').next().unwrap();
    assert!(words(&look.page("/plan").await).contains("waits for your decision"));
    assert_eq!(world.run(&["approve", command]).await.code, 0);
    let approved = words(&look.page("/").await);
    assert!(approved.contains("the next run deletes these batches"), "{approved}");
    assert_eq!(world.run(&["once"]).await.code, 0);
    let open = words(&look.page("/").await);
    assert!(!open.contains("Stopped"), "{open}");
    assert!(open.contains("3 deleted"), "{open}");
    assert_eq!(world.emulator.count(), 2);
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn what_a_run_deleted_is_gone_from_the_plan_and_found_in_its_past() {
    let world = world().await;
    assert_eq!(world.run(&["once"]).await.code, 0);
    let look = Look::at(&world).await;
    let plan = look.json("/api/v1/plan").await;
    assert_eq!(plan["inventory"]["batches"], 2);
    assert_eq!(plan["matched"], 2);
    let runs = look.json("/api/v1/runs").await;
    assert_eq!(runs["runs"][0]["batches_left"], 2);
    let page = words(&look.page(&format!("/batches/{}", id(1))).await);
    assert!(page.contains("tmp-1") && page.contains("not in the last listing"), "{page}");
    assert!(page.contains("deleted, by rule tmp"), "{page}");
    let gone = look.json(&format!("/api/v1/batches/{}", id(1))).await;
    assert_eq!(gone["verdict"], Value::Null);
    assert_eq!(gone["history"][0]["outcome"], "deleted");
    let run = runs["runs"][0]["run_id"].as_str().unwrap();
    let page = words(&look.page(&format!("/runs/{run}")).await);
    assert!(page.contains("by a last listing") && page.contains("tmp-2"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_seen_at_once() {
    let world = world().await;
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let look = Look::at(&world).await;
    let path = format!("/api/v1/batches/{}", id(0));
    assert_eq!(look.json(&path).await["verdict"], "delete");
    let held = world.run(&["hold", &id(0), "--until", "2027-01-01", "--why", "<b>audit</b>"]).await;
    assert_eq!(held.code, 0, "{held:?}");
    assert_eq!(look.json(&path).await["verdict"], "held");
    let page = look.page(&format!("/batches/{}", id(0))).await;
    assert!(words(&page).contains("Held by hand until") && !page.contains("<b>audit"), "{page}");
    assert!(words(&page).contains("batchsweep release AA000000 --account main"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn the_plan_of_now_is_that_of_the_command() {
    let world = World::planted(Seed::mixed(400, 7, Seed::fixture_now())).await.remembering();
    world.file(&format!(
        "{OPEN}{TMP}{RULES}[delete.never]\nnever_run = true\nolder_than = \"3d\"\n"
    ));
    let mut dry = world.run(&["once", "--dry-run", "--output", "json"]).await.json();
    assert_eq!(dry["runs"][0].take()["outcome"], "dry_run");
    let command = world.run(&["plan", "--output", "json"]).await.json();
    let look = Look::at(&world).await;
    let mut shown = Vec::new();
    while shown.len() < 400 {
        let page = look.json(&format!("/api/v1/plan?limit=150&offset={}", shown.len())).await;
        assert_eq!(page["counts"], command["plans"][0]["counts"]);
        shown.extend(page["batches"].as_array().unwrap().clone());
    }
    let by_id = |batches: &[Value]| {
        let mut batches = batches.to_vec();
        for batch in &mut batches {
            batch["eligible_at"] = Value::Null;
        }
        batches.sort_by_key(|batch| batch["id"].as_str().unwrap().to_owned());
        batches
    };
    assert_eq!(by_id(&shown), by_id(command["plans"][0]["batches"].as_array().unwrap()));
    for batch in shown.iter().step_by(29) {
        let id = batch["id"].as_str().unwrap();
        let told = world.run(&["explain", id, "--output", "json"]).await.json();
        let seen = look.json(&format!("/api/v1/batches/{id}")).await;
        for field in ["verdict", "reason", "rules", "eligible_at", "holds", "history"] {
            assert_eq!(seen[field], told[field], "{field} of {id}");
        }
        assert_eq!(batch["eligible_at"], told["eligible_at"], "{id}");
    }
}

// fault: X1, X2
#[tokio::test(start_paused = true)]
async fn names_do_nothing_on_any_page() {
    let world = world().await;
    let names = [
        "tmp-<script>alert(1)</script>",
        "tmp-\"><img src=x onerror=alert(1)>",
        "tmp-' onmouseover='x",
        "tmp-a\nb\u{1b}[31m\u{202e}c\u{0}",
        "tmp-&lt;b&gt; {{7*7}} ${x}",
        "tmp-`<i>`",
    ];
    for (n, name) in (0x10..).zip(names) {
        world.emulator.insert(world.old(&format!("CC0000{n:02X}"), name));
    }
    world.emulator.insert(world.old("CC0000FF", &format!("tmp-{}", "x".repeat(100_000))));
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let before = Look::at(&world).await;
    let mut pages = vec![before.page("/").await, before.page("/plan").await];
    pages.push(before.page("/plan?q=%3Cscript%3E%22%27").await);
    pages.push(before.page("/batches/CC000010").await);
    assert_eq!(world.run(&["once"]).await.code, 0);
    let run = before.json("/api/v1/runs").await["runs"][0]["run_id"].as_str().unwrap().to_owned();
    pages.push(before.page(&format!("/runs/{run}")).await);
    pages.push(before.page("/batches/CC000011").await);
    pages.push(before.get("/plan?account=%3Cscript%3E").await.text);
    pages.push(before.get("/%3Cscript%3E").await.text);
    for page in pages {
        for evil in ["<script", "<img", "onerror=alert(1)>", "<i>", "\u{1b}", "\u{202e}", "\0"] {
            assert!(!page.contains(evil), "{evil:?} in {page}");
        }
        assert!(page.len() < 100_000, "a long name is cut: {}", page.len());
    }
    let json = before.json("/api/v1/batches/CC000013").await;
    assert_eq!(json["history"][0]["outcome"], "deleted");
}

// fault: X8
#[tokio::test(start_paused = true)]
async fn nothing_can_be_done_there_and_only_those_may_look_who_ask_by_its_name() {
    let world = world().await;
    world.file(&format!("{OPEN}{TMP}{RULES}[server]\nhosts = [\"sweep.example\"]\n"));
    let look = Look::at(&world).await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for path in ["/", "/plan", "/api/v1/status", "/livez", "/nothing"] {
            let request =
                Request::builder().method(method.clone()).uri(path).header("host", "[::1]");
            let answer = look.ask(request).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.headers["allow"], "GET, HEAD");
        }
    }
    for (host, path, expected) in [
        ("evil.example", "/", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example", "/api/v1/plan", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example", "/style.css", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example", "/livez", StatusCode::OK),
        ("evil.example", "/readyz", StatusCode::OK),
        ("sweep.example:9464", "/", StatusCode::OK),
        ("localhost", "/api/v1/status", StatusCode::OK),
        ("10.0.0.7:9464", "/api/v1/status", StatusCode::OK),
    ] {
        let answer = look.ask(Request::get(path).header("host", host)).await;
        assert_eq!(answer.status, expected, "{host} {path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    }
    let head = look.ask(Request::head("/").header("host", "localhost")).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said_to_be_missing() {
    let world = world().await;
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let look = Look::at(&world).await;
    for path in [
        "/nothing",
        "/plan?account=other",
        "/runs?account=other",
        "/runs/01a21da0-4b3c-7f93-8238-61b49503afae",
        "/runs/x",
        "/batches/NOSUCH",
        "/batches/..%2f..%2fetc",
        "/batches/stopall",
        "/batches/BB000001?account=other",
    ] {
        let answer = look.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text.contains("<h1>Not found</h1>"), "{path}: {}", answer.text);
    }
    for path in ["/api/v1/plan?account=other", "/api/v1/batches/NOSUCH", "/api/v1/runs?account=%20"]
    {
        let document = look.json(path).await;
        assert!(document["error"].is_string(), "{path}");
    }
    let nothing = look.get("/api/v1/nothing").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(serde_json::from_str::<Value>(&nothing.text).is_ok(), "{}", nothing.text);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_read_is_told_and_tried_again() {
    let world = world().await;
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let whole = std::fs::read(world.state_file()).unwrap();
    std::fs::write(world.state_file(), "no database at all, but long enough to look at").unwrap();
    let look = Look::at(&world).await;
    let page = look.get("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(words(&page.text).contains("What to do"), "{}", page.text);
    let document = look.json("/api/v1/status").await;
    assert!(document["error"].is_string());
    assert_eq!(look.get("/livez").await.status, StatusCode::OK, "a restart would not mend it");
    std::fs::write(world.state_file(), whole).unwrap();
    assert!(words(&look.page("/").await).contains("3 delete"));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_batches_come_in_pages_that_a_phone_can_load() {
    let world = World::planted(Seed::mixed(10_000, 3, Seed::fixture_now())).await.remembering();
    world.file(&format!("{OPEN}{TMP}{RULES}"));
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let look = Look::at(&world).await;
    let page = look.page("/plan").await;
    assert!(words(&page).contains("1–100 of 10000 batches"));
    assert!(page.len() < 300 * 1024, "{}", page.len());
    let small = Request::get("/plan").header("host", "localhost").header("accept-encoding", "gzip");
    let small =
        server::router(look.sight.clone()).oneshot(small.body(Body::empty()).unwrap()).await;
    let small = small.unwrap();
    assert_eq!(small.headers()["content-encoding"], "gzip");
    let bytes = axum::body::to_bytes(small.into_body(), 1 << 20).await.unwrap();
    assert!(bytes.len() < 30 * 1024, "{}", bytes.len());
    let last = look.page("/plan?page=100").await;
    assert!(words(&last).contains("9901–10000 of 10000"));
    assert_eq!(words(&look.page("/plan?page=99999").await), words(&last), "the last page");
    let most = look.json("/api/v1/plan?limit=99999").await;
    assert_eq!(most["batches"].as_array().unwrap().len(), 1_000, "a list is bounded");
}

#[tokio::test(start_paused = true)]
async fn the_plan_is_ordered_and_narrowed_as_it_is_asked() {
    let world = World::planted(Seed::mixed(300, 9, Seed::fixture_now())).await.remembering();
    world.file(&format!("{OPEN}{TMP}{RULES}"));
    assert_eq!(world.run(&["once", "--dry-run"]).await.code, 0);
    let look = Look::at(&world).await;
    let batches = async |query: &str| -> Vec<Value> {
        let plan = look.json(&format!("/api/v1/plan?limit=1000&{query}")).await;
        assert_eq!(plan["matched"], plan["batches"].as_array().unwrap().len());
        plan["batches"].as_array().unwrap().clone()
    };
    let text = |batch: &Value, field: &str| batch[field].as_str().unwrap_or_default().to_owned();
    for (sort, field) in [
        ("name", "name"),
        ("status", "status"),
        ("created", "created_at"),
        ("last_run", "last_run"),
    ] {
        let up: Vec<_> =
            batches(&format!("sort={sort}")).await.iter().map(|one| text(one, field)).collect();
        let down: Vec<_> =
            batches(&format!("sort=-{sort}")).await.iter().map(|one| text(one, field)).collect();
        assert!(up.is_sorted() && up.iter().any(|one| one != &up[0]), "{sort}");
        assert!(down.iter().rev().is_sorted(), "-{sort}");
    }
    // What goes now comes first, then what time alone lets go, soonest first.
    let goes = batches("sort=goes").await;
    let ranks: Vec<_> = goes
        .iter()
        .map(|one| {
            (one["verdict"] != "delete", one["eligible_at"].is_null(), text(one, "eligible_at"))
        })
        .map(
            |(later, never, at)| if later { (1 + u8::from(never), at) } else { (0, String::new()) },
        )
        .collect();
    assert!(ranks.is_sorted() && ranks.iter().any(|(rank, _)| *rank == 1), "{ranks:?}");
    assert_eq!(batches("sort=nonsense&page=x&limit=1000").await, goes, "what is odd is as usual");
    let of_verdict = batches("verdict=delete").await;
    assert!(!of_verdict.is_empty() && of_verdict.iter().all(|one| one["verdict"] == "delete"));
    let of_rule = batches("rule=pinned").await;
    assert!(of_rule.iter().all(|one| one["kept_by"] == serde_json::json!(["pinned"])));
    let named = batches("q=TMP-").await;
    assert!(!named.is_empty() && named.iter().all(|one| text(one, "name").contains("tmp-")));
    let id = text(&goes[0], "id");
    assert_eq!(batches(&format!("q={}", id.to_lowercase())).await.len(), 1, "by id");
    assert_eq!(batches("q=no-such-thing").await.len(), 0);
}
