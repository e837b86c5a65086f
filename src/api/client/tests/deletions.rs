//! Deleting: once, within the warrant, and believed only where it is said.

use std::time::Duration;

use super::fixture::*;
use crate::api::client::DeleteAnswer;
use crate::api::script::{Act, Server, json, reply, reply_with};
use crate::batch::Undelivered;

/// Sends one DELETE of `A1` to a server that plays this act (and would confirm a second one).
async fn answer_to(act: Act) -> DeleteAnswer {
    let server = Server::start([act, json(200, DELETED)]).await;
    let client = Fixture::of(&server);
    let deleter = client.deleter(&["A1"]);
    let turn = deleter.turn().await.unwrap();
    let answer = deleter.delete(turn, &id("A1"), Undelivered::Respect, 1).await;
    assert_eq!(server.lines(), [format!("DELETE /live/batches/A1?api_key={KEY_SENT} HTTP/1.1")]);
    assert_eq!(client.reader.requests(), 1);
    answer
}

/// The answer's kind in a word, its cause, and whether it may be resent.
fn told(answer: &DeleteAnswer) -> (&'static str, String, bool) {
    match answer {
        DeleteAnswer::Confirmed => ("confirmed", String::new(), false),
        DeleteAnswer::Refused { status, message } => {
            ("refused", format!("{status} {message}"), false)
        }
        DeleteAnswer::Unclear { error, may_resend, .. } => ("unclear", error.cause(), *may_resend),
        DeleteAnswer::Hopeless(error) => ("hopeless", error.cause(), false),
    }
}

// fault: H1, H3, H4, H8, H11, H12, H17, N3, N10
#[tokio::test(start_paused = true)]
async fn one_delete_is_sent_and_its_answer_is_told_as_it_is() {
    let text = |status| Act::Send(reply(status, "text/plain", ""));
    let gzip = "content-encoding: gzip";
    let part = b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{".to_vec();
    for (act, word, cause, may_resend) in [
        (json(200, DELETED), "confirmed", "", false),
        (refusal(400, "it is running"), "refused", "400 it is running", false),
        (refusal(200, "no\\u001b[1m"), "refused", "200 no\\u{1b}[1m", false),
        (refusal(404, "A1 not found"), "refused", "404 A1 not found", false),
        (text(200), "unclear", "status 200 with an empty body", true),
        (text(204), "unclear", "status 204 with an empty body", true),
        (text(301), "unclear", "redirect to nowhere refused (301)", false),
        (text(303), "unclear", "redirect to nowhere refused (303)", false),
        (text(307), "unclear", "redirect to nowhere refused (307)", false),
        (text(404), "unclear", "/live/batches/A1 is no path of the API", false),
        (json(500, DELETED), "unclear", "the API is failing (500)", true),
        (text(502), "unclear", "the API is failing (502)", true),
        (text(429), "unclear", "the API throttles the account (429)", true),
        (text(408), "unclear", "the API throttles the account (408)", true),
        (Act::Hang, "unclear", "no whole answer in 30 s", true),
        (Act::SendAndClose(Vec::new()), "unclear", "before its answer was whole", true),
        (Act::SendAndReset(Vec::new()), "unclear", "before its answer was whole", true),
        (Act::SendAndClose(part), "unclear", "the answer ends too early, after 1 byte", true),
        (Act::Send(reply_with(200, gzip, b"no gzip")), "unclear", "cannot be unpacked", true),
        (refusal(401, "bad key"), "hopeless", "the API refused the key (401): bad key", false),
        (refusal(403, "bad key"), "hopeless", "the API refused the key (403): bad key", false),
        (refusal(402, "pay"), "hopeless", "the API asks for payment (402): pay", false),
    ] {
        let shown = format!("{act:?}");
        let answer = answer_to(act).await;
        let (told_word, told_cause, told_resend) = told(&answer);
        assert_eq!((told_word, told_resend), (word, may_resend), "{shown}: {told_cause}");
        assert!(told_cause.ends_with(cause) || told_cause.contains(cause), "{told_cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn force_is_sent_only_where_it_is_asked_for() {
    let server = Server::start([json(200, DELETED)]).await;
    let client = Fixture::of(&server);
    let deleter = client.deleter(&["A1"]);
    let turn = deleter.turn().await.unwrap();
    let answer = deleter.delete(turn, &id("A1"), Undelivered::Force, 1).await;
    assert_eq!(answer, DeleteAnswer::Confirmed);
    let line = format!("DELETE /live/batches/A1?force=true&api_key={KEY_SENT} HTTP/1.1");
    assert_eq!(server.lines(), [line]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_outside_the_warrant_is_not_even_asked_for() {
    let server = Server::start([json(200, DELETED)]).await;
    let client = Fixture::of(&server);
    let deleter = client.deleter(&["A1"]);
    let turn = deleter.turn().await.unwrap();
    let answer = deleter.delete(turn, &id("A2"), Undelivered::Respect, 1).await;
    let DeleteAnswer::Hopeless(error) = answer else { panic!("{answer:?}") };
    assert_eq!(error.cause(), "batch A2 is not in the plan that was admitted");
    assert_eq!((client.reader.requests(), server.seen().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_drop_a_delete_in_flight_but_gives_no_further_turn() {
    let late = Act::Late(Duration::from_secs(9), reply(200, "application/json", DELETED));
    let server = Server::start([late]).await;
    let client = Fixture::of(&server);
    let deleter = client.deleter(&["A1"]);
    let turn = deleter.turn().await.unwrap();
    let batch = id("A1");
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.stop.cancel();
    };
    let (answer, ()) = tokio::join!(deleter.delete(turn, &batch, Undelivered::Respect, 1), cancel);
    assert_eq!(answer, DeleteAnswer::Confirmed);
    assert!(deleter.turn().await.is_none());
}

// fault: H3
#[tokio::test(start_paused = true)]
async fn a_key_that_was_rotated_makes_a_delete_unclear_and_the_next_carries_the_new_one() {
    let server = Server::start([refusal(401, "old"), json(200, DELETED), refusal(401, "x")]).await;
    let client = Fixture::of(&server);
    client.later_keys.lock().unwrap().push("NEWKEY");
    let deleter = client.deleter(&["A1"]);
    let mut answers = Vec::new();
    for _ in 0..3 {
        let turn = deleter.turn().await.unwrap();
        answers.push(told(&deleter.delete(turn, &id("A1"), Undelivered::Respect, 1).await));
    }
    let words: Vec<_> = answers.iter().map(|(word, _, resend)| (*word, *resend)).collect();
    assert_eq!(words, [("unclear", true), ("confirmed", false), ("hopeless", false)]);
    assert!(server.lines()[1].contains("api_key=NEWKEY "));
}

// fault: N11
#[tokio::test(start_paused = true)]
async fn a_delete_on_a_connection_that_dies_is_not_sent_again_by_itself() {
    for act in [Act::SendAndClose(Vec::new()), Act::SendAndReset(Vec::new())] {
        let server = Server::start([account(), act, json(200, DELETED)]).await;
        let client = Fixture::of(&server);
        client.reader.account().await.unwrap();
        let deleter = client.deleter(&["A1"]);
        let turn = deleter.turn().await.unwrap();
        let answer = deleter.delete(turn, &id("A1"), Undelivered::Respect, 1).await;
        assert_eq!(told(&answer).0, "unclear");
        assert_eq!((server.seen().len(), client.reader.requests()), (2, 2));
    }
}

// fault: H8, H9
#[tokio::test(start_paused = true)]
async fn a_delete_that_is_throttled_pauses_the_account_and_says_how_long() {
    let throttled = Act::Send(reply_with(429, "retry-after: 60", b""));
    let server = Server::start([throttled, account()]).await;
    let client = Fixture::of(&server);
    let deleter = client.deleter(&["A1"]);
    let turn = deleter.turn().await.unwrap();
    let answer = deleter.delete(turn, &id("A1"), Undelivered::Respect, 1).await;
    let minute = Duration::from_mins(1);
    assert!(matches!(answer, DeleteAnswer::Unclear { wait: Some(wait), .. } if wait == minute));
    assert_eq!(client.pauses(), [minute]);
    let began = tokio::time::Instant::now();
    assert!(client.reader.account().await.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(59));
}
