//! The key goes into the request line and nowhere else, whatever fails.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::fixture::*;
use crate::api::client::{HiddenUrl, Proxy};
use crate::api::script::{Act, Server, json, reply, reply_with};
use crate::batch::Undelivered;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Answers that repeat the key wherever an answer can.
fn acts_that_repeat_the_key() -> Vec<Act> {
    let said = format!("key {KEY} or {KEY_SENT} or {} is bad", KEY.to_lowercase());
    let located = format!("location: https://evil.example/{KEY_SENT}?api_key={KEY_SENT}");
    let mut acts = vec![
        Act::Hang,
        Act::SendAndClose(Vec::new()),
        Act::SendAndReset(Vec::new()),
        Act::SendAndClose(b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{".to_vec()),
        Act::SendAndClose(format!("{KEY} is no HTTP\r\n\r\n").into_bytes()),
        Act::Send(reply_with(302, &located, b"")),
        Act::Send(reply_with(302, &format!("location: https://{KEY_SENT}/"), b"")),
        Act::Send(reply_with(302, "location: https://canary%2Bkey%2F0123%20456789.example/", b"")),
        Act::Send(reply_with(200, &format!("content-type: {KEY}"), KEY.as_bytes())),
        Act::Send(reply_with(429, &format!("retry-after: {KEY}"), b"")),
        Act::Send(reply_with(200, "content-encoding: gzip", KEY.as_bytes())),
        json(200, &format!(r#"{{"batches":"{KEY}"}}"#)),
        json(200, &format!(r#"{{"{KEY}":{KEY}}}"#)),
        json(200, &format!(r#"{{"request_info":{{"success":true}},"batch":"{KEY}"}}"#)),
        json(
            200,
            &format!(
                r#"{{"request_info":{{"success":true}},"account_info":{{"api_key":"{KEY}"}}}}"#
            ),
        ),
    ];
    for status in [200, 204, 400, 401, 402, 403, 404, 408, 418, 429, 500, 503] {
        let traced = format!("x-trace-id: {KEY}\r\ndate: {KEY}\r\ncontent-type: text/html");
        acts.push(Act::Send(reply_with(status, &traced, refusal_body(&said).as_bytes())));
        acts.push(Act::Send(reply_with(status, &traced, said.as_bytes())));
        acts.push(Act::Send(reply(status, "application/json", "")));
    }
    acts
}

// fault: S3, N4, N7
#[tokio::test(start_paused = true)]
async fn the_key_is_in_no_error_no_event_no_debug_and_no_trace() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::trace!("the log is being kept");
    let mut shown = String::new();
    for act in acts_that_repeat_the_key() {
        let server = Server::start([act.clone(), act.clone(), act.clone(), act.clone(), act]).await;
        let mut settings = settings(&format!("http://{}/live", server.address));
        settings.max_attempts = 1;
        show_all(&Fixture::with(settings), &mut shown).await;
        assert!(server.seen().iter().all(|head| head.matches("CANARY").count() == 1));
    }
    let tls = Server::start_tls([]).await;
    let proxy = Server::start([Act::Send(reply_with(407, "x: y", KEY.as_bytes()))]).await;
    let mut direct = settings(&format!("https://{}/live", tls.address));
    direct.max_attempts = 1;
    let mut proxied = settings("https://api.invalid/live");
    proxied.max_attempts = 2;
    proxied.proxy = Some(Proxy {
        variable: "HTTPS_PROXY".into(),
        url: HiddenUrl(format!("http://u:{KEY_SENT}@{}", proxy.address)),
        except: None,
    });
    write!(shown, "{proxied:?}").unwrap();
    show_all(&Fixture::with(direct), &mut shown).await;
    show_all(&Fixture::with(proxied), &mut shown).await;

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the log is being kept"));
    for (what, text) in [("log", logged), ("shown", shown)] {
        let text = text.to_ascii_lowercase();
        for form in [KEY, KEY_SENT, "CANARY", "canary%2Bkey%2F0123%20456789", "0123 456789"] {
            let form = form.to_ascii_lowercase();
            let hit = text.find(&form).map(|at| text.get(at.saturating_sub(200)..));
            assert_eq!(hit, None, "{form} in {what}");
        }
    }
}

/// Makes every call there is, and shows all that can be seen of what came of it.
async fn show_all(client: &Fixture, shown: &mut String) {
    let reader = &client.reader;
    let batch = id("A1");
    let errors = [
        reader.account().await.err(),
        reader.list(1).await.err(),
        reader.get(&batch).await.err(),
        reader.result_sets(&batch).await.err(),
    ];
    for error in errors.into_iter().flatten() {
        let source = std::error::Error::source(&error).unwrap();
        writeln!(shown, "{error} {error:?} {} {source} {}", error.cause(), error.help()).unwrap();
    }
    let deleter = client.deleter(&["A1"]);
    let turn = deleter.turn().await.unwrap();
    writeln!(shown, "{turn:?} {deleter:?}").unwrap();
    let answer = deleter.delete(turn, &batch, Undelivered::Force, 1).await;
    writeln!(shown, "{answer:?} {reader:?} {:?}", client.events()).unwrap();
}
