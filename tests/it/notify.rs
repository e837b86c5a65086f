//! Notifications end to end: the whole program, the emulated account, and a target on loopback that writes
//! down what it gets and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::world::{KEY, OPEN, Ran, TMP, World};

/// What is in the address, and must be nowhere else.
const TOKEN: &str = "N0T1FY-C4N4RY";

/// What the target signs with, likewise.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// One call that came.
#[derive(Debug, Clone)]
struct Got {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
    at: Instant,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer to give.
#[derive(Debug, Clone)]
enum Reply {
    Status(u16),
    RetryAfter(u16, &'static str),
    RedirectTo(String),
    Hang,
    Endless,
}

#[derive(Debug, Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    serving: Arc<JoinSet<()>>,
}

impl Receiver {
    /// Begins to listen; where none of the replies is left, it says 200.
    async fn start(replies: impl IntoIterator<Item = Reply>) -> (Self, String) {
        let mut receiver = Self::default();
        receiver.replies.lock().unwrap().extend(replies);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/{TOKEN}", listener.local_addr().unwrap());
        let app = Router::new().fallback(take).with_state(receiver.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        receiver.serving = Arc::new(tasks);
        (receiver, url)
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn take(
    State(receiver): State<Receiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let at = Instant::now();
    receiver.got.lock().unwrap().push(Got { method, uri, headers, body, at });
    let reply = receiver.replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(200));
    let status = |code| StatusCode::from_u16(code).unwrap();
    match reply {
        Reply::Status(code) => status(code).into_response(),
        Reply::RetryAfter(code, when) => (status(code), [("retry-after", when)]).into_response(),
        Reply::RedirectTo(url) => (status(302), [("location", url)]).into_response(),
        Reply::Hang => std::future::pending().await,
        Reply::Endless => {
            let chunk = Bytes::from_static(&[b'x'; 4096]);
            let chunks = futures_util::stream::repeat_with(move || {
                Ok::<_, std::convert::Infallible>(chunk.clone())
            });
            axum::body::Body::from_stream(chunks).into_response()
        }
    }
}

/// A world with ten old batches and one target.
async fn world(kind: &str, url: &str, more: &str) -> World {
    let mut world = World::with_tmp(10).await;
    world.set("OPS_URL", Some(url));
    world.set("OPS_SECRET", Some(SECRET));
    world.file(&format!(
        "{OPEN}{TMP}\n[notify.ops]\nkind = \"{kind}\"\nurl_env = \"OPS_URL\"\n{more}"
    ));
    world
}

/// Runs `once` at the most talkative level, and holds all that was written against token and secret.
async fn once(world: &World) -> Ran {
    let ran = world.once().await;
    assert_hidden(&ran);
    world.assert_safe();
    ran
}

fn assert_hidden(ran: &Ran) {
    for secret in [TOKEN, SECRET, "MDEyMzQ1"] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{secret}: {ran:?}");
    }
}

fn failed(ran: &Ran) -> Vec<Value> {
    ran.events().into_iter().filter(|event| event["event"] == "notify.failed").collect()
}

// fault: S5
#[tokio::test(start_paused = true)]
async fn every_kind_is_told_of_a_run_and_neither_key_nor_address_is_anywhere() {
    for (kind, messages) in [("slack", 1), ("teams", 1), ("webhook", 2), ("healthchecks", 2)] {
        let (receiver, url) = Receiver::start([]).await;
        let more = match kind {
            "webhook" => "secret_env = \"OPS_SECRET\"\n",
            "healthchecks" => "",
            _ => "on = \"deleted\"\n",
        };
        let ran = once(&world(kind, &url, more).await).await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 10), "{kind}: {ran:?}");
        let got = receiver.got();
        assert_eq!(got.len(), messages, "{kind}: {got:?}");
        assert_eq!(failed(&ran), [Value::Null; 0], "{kind}");
        let sent = ran.events().into_iter().filter(|event| event["event"] == "notify.sent");
        assert_eq!(sent.count(), messages, "{kind}");
        for got in got {
            assert_eq!(got.method, Method::POST);
            assert!(got.uri.path().starts_with(&format!("/{TOKEN}")), "{kind}: {}", got.uri);
            let all = format!("{}{:?}{}", got.uri, got.headers, got.body);
            assert!(!all.contains(KEY), "the API key was sent to a target: {all}");
            assert!(!all.contains("MDEyMzQ1"), "the secret was sent: {all}");
            assert_eq!(got.header("referer"), "");
        }
        assert!(receiver.got().last().unwrap().body.contains("tmp-0"), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_has_type_data_and_headers_of_standard_webhooks() {
    let (receiver, url) = Receiver::start([]).await;
    let ran = once(&world("webhook", &url, "secret_env = \"OPS_SECRET\"\n").await).await;
    let got = receiver.got();
    let run_id = ran.only_run()["run_id"].clone();
    let [start, end] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!(start.json()["type"], "run.started");
    assert_eq!(end.json()["type"], "run.finished");
    let data = &end.json()["data"];
    assert_eq!(data["run_id"], run_id);
    assert_eq!(data["counts"]["deleted"], 10);
    assert_eq!(data["rules"]["tmp"], 10);
    assert_eq!(data["classes"], serde_json::json!(["deleted", "success"]));
    for got in [start, end] {
        assert_eq!(got.header("content-type"), "application/json");
        assert!(got.header("webhook-id").starts_with("msg_"));
        assert!(got.header("webhook-signature").starts_with("v1,"));
        got.header("webhook-timestamp").parse::<i64>().unwrap();
    }
    assert_ne!(start.header("webhook-id"), end.header("webhook-id"));
}

#[tokio::test(start_paused = true)]
async fn a_guard_tells_people_the_very_command_that_approves_the_plan() {
    let (receiver, url) = Receiver::start([]).await;
    let world = world("slack", &url, "").await.remembering();
    let text = std::fs::read_to_string(world.path()).unwrap();
    world.raw_file(&text.replacen("max_deletes = \"off\"\n", "max_deletes = 3\n", 1));
    let ran = once(&world).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let run_id = ran.only_run()["run_id"].as_str().unwrap().to_owned();
    let [got] = receiver.got().try_into().unwrap();
    assert!(got.body.contains(&format!("batchsweep approve {run_id}")), "{}", got.body);
    assert!(got.body.contains("limit 3, value 10"), "{}", got.body);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_fails_is_tried_again_with_the_same_id_and_its_patience() {
    let replies = [Reply::RetryAfter(429, "5"), Reply::Status(503)];
    let (receiver, url) = Receiver::start(replies).await;
    let ran = once(&world("webhook", &url, "on = \"deleted\"\n").await).await;
    assert_eq!(ran.code, 0);
    let got = receiver.got();
    let [first, second, third] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!(first.header("webhook-id"), third.header("webhook-id"));
    assert_eq!(first.body, third.body);
    assert!(second.at.duration_since(first.at) >= Duration::from_secs(5));
    assert_eq!(failed(&ran), [Value::Null; 0]);
}

// fault: Y9
#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_reached_changes_no_run() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = closed.local_addr().unwrap();
    drop(closed);
    let ran =
        once(&world("slack", &format!("http://{host}/{TOKEN}"), "on = \"deleted\"\n").await).await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 10), "{ran:?}");
    let [event] = failed(&ran).try_into().unwrap();
    assert_eq!((&event["notify"], &event["attempts"]), (&"ops".into(), &4.into()));
    assert_eq!(event["error"], format!("cannot connect to {host}"));
}

// fault: S5
#[tokio::test(start_paused = true)]
async fn a_refusal_or_a_redirect_is_final_and_names_the_host_alone() {
    let (elsewhere, other) = Receiver::start([]).await;
    for (reply, words) in [
        (Reply::Status(410), "answered 410"),
        (Reply::Status(404), "answered 404"),
        (Reply::RedirectTo(other), "answered 302, and a redirect is not followed"),
    ] {
        let (receiver, url) = Receiver::start([reply]).await;
        let ran = once(&world("slack", &url, "on = \"deleted\"\n").await).await;
        assert_eq!(ran.code, 0);
        assert_eq!(receiver.got().len(), 1, "not tried again");
        let [event] = failed(&ran).try_into().unwrap();
        assert!(event["error"].as_str().unwrap().ends_with(words), "{event}");
    }
    assert!(elsewhere.got().is_empty(), "a redirect was followed");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_holds_the_end_of_a_run_up_for_fifteen_seconds_at_most() {
    let (_receiver, url) = Receiver::start([Reply::Hang, Reply::Hang, Reply::Hang]).await;
    let world = world("slack", &url, "on = \"deleted\"\n").await;
    let began = Instant::now();
    let ran = once(&world).await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 10), "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let [event] = failed(&ran).try_into().unwrap();
    assert!(event["error"].as_str().unwrap().starts_with("not sent within 15 s"), "{event}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_is_not_read_to_its_end() {
    let (receiver, url) = Receiver::start([Reply::Endless]).await;
    let ran = once(&world("slack", &url, "on = \"deleted\"\n").await).await;
    assert_eq!((ran.code, receiver.got().len()), (0, 1));
    assert_eq!(failed(&ran), [Value::Null; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_url_is_a_warning_of_check_and_an_event_of_a_run() {
    let mut world = world("slack", "", "").await;
    world.set("OPS_URL", None);
    let checked = world.run(&["check"]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.out.contains("OPS_URL is not set"), "{checked:?}");
    assert_eq!(world.run(&["check", "--online"]).await.code, 78);
    assert_eq!(world.run(&["notify", "test", "ops"]).await.code, 78);
    let ran = once(&world).await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 10));
    assert_eq!(failed(&ran).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_begin_is_told_too() {
    let (receiver, url) = Receiver::start([]).await;
    let mut world = world("slack", &url, "").await;
    world.set("BATCHSWEEP_API_KEY", None);
    let ran = once(&world).await;
    assert_eq!(ran.code, 78, "{ran:?}");
    let [got] = receiver.got().try_into().unwrap();
    assert!(got.body.contains("exit code 78"), "{}", got.body);
}

#[tokio::test(start_paused = true)]
async fn notify_test_sends_a_marked_sample_of_each_class_and_says_what_was_answered() {
    let classes = ["start", "success", "failure", "guard", "deleted", "warning"];
    for kind in ["slack", "teams", "webhook", "healthchecks"] {
        let (receiver, url) = Receiver::start([]).await;
        let world = world(kind, &url, "").await;
        for class in classes {
            let ran = world.run(&["-vv", "notify", "test", "ops", "--class", class]).await;
            assert_hidden(&ran);
            assert!(ran.code == 0 && ran.out.contains("answered 200"), "{kind} {class}: {ran:?}");
        }
        for got in receiver.got() {
            let is_marked = got.body.contains("[test]") || got.body.contains("\"sample\":true");
            assert!(is_marked, "{}", got.body);
        }
        assert_eq!(receiver.got().len(), classes.len());
    }
    for (reply, code) in [(Reply::Status(404), 1), (Reply::Status(503), 75), (Reply::Hang, 75)] {
        let (_receiver, url) = Receiver::start([reply]).await;
        let ran = world("slack", &url, "").await.run(&["notify", "test", "ops"]).await;
        assert_hidden(&ran);
        assert_eq!(ran.code, code, "{ran:?}");
    }
    let (_receiver, url) = Receiver::start([]).await;
    let ran = world("slack", &url, "").await.run(&["notify", "test", "opps"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
}

// fault: S5
#[tokio::test(start_paused = true)]
async fn a_mistake_in_the_file_is_found_with_its_line_and_no_secret_is_shown() {
    let url = format!("https://hooks.example/{TOKEN}");
    let mut all = String::new();
    for (more, words) in [
        (format!("kind = \"slack\"\nurl = \"{url}\""), "a url is a secret"),
        (format!("kind = \"slack\"\nurl_file = \"{url}\""), "looks like the secret itself"),
        (
            format!("kind = \"webhook\"\nurl_env = \"U\"\nsecret = \"{SECRET}\""),
            "a secret is a secret",
        ),
        (
            format!("kind = \"webhook\"\nurl_env = \"U\"\nsecret_env = \"{SECRET}\""),
            "looks like the",
        ),
        ("kind = \"slack\"\nurl_env = \"U\"\nurl_file = \"u\"".to_owned(), "two sources"),
        ("kind = \"slack\"\nurl_env = \"U\"\nsecret_env = \"S\"".to_owned(), "signs nothing"),
        ("kind = \"slakc\"\nurl_env = \"U\"".to_owned(), "did you mean `slack`?"),
        #[cfg(not(feature = "mail"))]
        ("kind = \"email\"\nurl_env = \"U\"".to_owned(), "built without e-mail"),
        ("kind = \"slack\"\nurl_env = \"U\"\nto = \"a@example.org\"".to_owned(), "has no `to`"),
        ("kind = \"slack\"".to_owned(), "does not say where its URL is"),
        ("url_env = \"U\"".to_owned(), "does not say what it is"),
        ("kind = \"slack\"\nurl_env = \"U\"\non = \"failures\"".to_owned(), "mean `failure`?"),
        ("kind = \"slack\"\nurl_env = \"U\"\naccounts = [\"mian\"]".to_owned(), "mean `main`?"),
        ("kind = \"slack\"\nurl_env = \"U\"\ncolour = \"red\"".to_owned(), "colour"),
    ] {
        let world = World::new().await;
        world.file(&format!("{OPEN}{TMP}\n[notify.ops]\n{more}\n"));
        let ran = world.run(&["check"]).await;
        assert_hidden(&ran);
        assert_eq!(ran.code, 78, "{more}: {ran:?}");
        assert!(ran.err.contains(words), "{more}: {}", ran.err);
        all.push_str(&ran.err.lines().take(7).collect::<Vec<_>>().join("\n"));
        all.push('\n');
    }
    if cfg!(feature = "mail") {
        // There the kinds that are named are others.
        return;
    }
    let all = all.lines().map(|line| match line.split_once("/config.toml") {
        Some((_, rest)) => format!("  --> config.toml{rest}"),
        None => line.to_owned(),
    });
    insta::assert_snapshot!(all.collect::<Vec<_>>().join("\n"));
}

/// Mails that were taken.
#[cfg(feature = "mail")]
type Mails = Arc<Mutex<Vec<String>>>;

/// A mail server that takes one message after the other, in clear, and keeps them; `sender` is what it
/// says to who sends.
#[cfg(feature = "mail")]
async fn mail_server(sender: &'static str) -> (Mails, String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (got, mut tasks) = (Mails::default(), JoinSet::new());
    let kept = Arc::clone(&got);
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mail = take_mail(stream, sender).await;
            kept.lock().unwrap().extend(mail);
        }
    });
    (got, url, tasks)
}

/// One conversation; the mail, if one was taken.
#[cfg(feature = "mail")]
async fn take_mail(stream: tokio::net::TcpStream, sender: &str) -> Option<String> {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here\r\n").await.unwrap();
    let (mut mail, mut is_data, mut taken) = (String::new(), false, None);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let said = std::mem::take(&mut line).trim_end().to_owned();
        if is_data && said != "." {
            mail.push_str(&said);
            mail.push('\n');
            continue;
        }
        let answer = match said.split([' ', ':']).next().unwrap() {
            "MAIL" => sender,
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 well",
        };
        taken = taken.or_else(|| (said == ".").then(|| std::mem::take(&mut mail)));
        is_data = said == "DATA";
        if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            break;
        }
    }
    taken
}

#[cfg(feature = "mail")]
const MAILBOXES: &str =
    "from = \"batchsweep@example.org\"\nto = [\"Ops <ops@example.org>\"]\non = \"deleted\"\n";

#[cfg(feature = "mail")]
#[tokio::test(start_paused = true)]
async fn mail_tells_of_a_run_what_a_chat_tells() {
    let (got, url, _server) = mail_server("250 well").await;
    let world = world("email", &url, MAILBOXES).await;
    world.emulator.insert(world.old("BB000001", "tmp-a\r\nBcc: evil@example.org\r\n.\r\n"));
    let ran = once(&world).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let mails = got.lock().unwrap().clone();
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(mail.contains("From: batchsweep@example.org"), "{mail}");
    assert!(mail.contains("To: Ops <ops@example.org>"), "{mail}");
    assert!(mail.contains("Subject: batchsweep: account main (serpwow)"), "{mail}");
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(body.contains("11 deleted") || body.contains("deleted 11"), "{mail}");
    assert!(!head.contains("Bcc") && !mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
}

#[cfg(feature = "mail")]
#[tokio::test(start_paused = true)]
async fn mail_that_is_refused_changes_no_run_and_shows_nothing_of_what_was_said() {
    let (got, url, _server) = mail_server("550 not from you, CANARY").await;
    let ran = once(&world("email", &url, MAILBOXES).await).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(got.lock().unwrap().is_empty());
    let failed: Vec<_> =
        ran.events().into_iter().filter(|event| event["event"] == "notify.failed").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0]["error"].as_str().unwrap().contains("said 550"), "{failed:?}");
    for (url, words) in [
        ("smtp://mail.example.org", "neither"),
        ("https://mail.example.org", "neither"),
        ("smtps://", "not a URL"),
    ] {
        let world = world("email", url, MAILBOXES).await;
        let ran = world.run(&["notify", "test", "ops"]).await;
        assert_eq!(ran.code, 78, "{url}: {ran:?}");
        assert!(ran.err.contains(words), "{url}: {}", ran.err);
    }
    for (more, words) in [
        ("from = \"ops@example.org\"\n", "mail needs `from` and `to`"),
        ("from = \"nobody\"\nto = \"ops@example.org\"\n", "is no mailbox"),
    ] {
        let ran = world("email", "smtps://mail.example.org", more).await.run(&["check"]).await;
        assert_eq!(ran.code, 78, "{more}: {ran:?}");
        assert!(ran.err.contains(words), "{more}: {}", ran.err);
    }
}
