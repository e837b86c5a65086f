//! Statuses and envelopes, and what they mean together.

use super::*;
use crate::api::answer::Record;
use crate::api::settings::{ApiKey, KeySource};
use crate::batch::Fact;

#[derive(Debug)]
struct NoSource;

impl KeySource for NoSource {
    fn read_again(&self) -> Option<ApiKey> {
        None
    }
}

fn keys() -> Keys {
    Keys::new(ApiKey("CANARY".to_owned().into()), Box::new(NoSource))
}

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        content_type: Some("application/json".into()),
        trace_id: None,
        retry_after: None,
        points_to: None,
        asked: "http://x/batches".into(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn html(status: u16) -> Reply {
    let page = reply(status, "<html>Sign in</html>");
    Reply { content_type: Some("text/html".into()), ..page }
}

fn said(text: &str) -> ServerText {
    ServerText(text.to_owned())
}

fn key_refused(status: u16, message: ServerText) -> Kind {
    Kind::KeyRefused(KeyRefusal { status, message })
}

const OK: &str = r#"{"request_info":{"success":true,"message":"batch deleted"}}"#;
const NO: &str = r#"{"request_info":{"success":false,"message":"it is running, CANARY"}}"#;
const GONE: &str =
    r#"{"request_info":{"success":false,"message":"Batch with ID 'A1' was not found"}}"#;

fn id() -> BatchId {
    BatchId::parse("A1").unwrap()
}

// fault: H1, H2, H3, H4, H5, H8, H10, H12, N6
#[test]
fn a_success_needs_a_2xx_and_an_envelope_that_says_so() {
    let keys = keys();
    let failure = |reply: &Reply| success(reply, &keys).err();
    let no = || said("it is running, (key)");
    assert_eq!(failure(&reply(200, OK)), None);
    assert_eq!(failure(&reply(201, OK)), None);
    for (status, body, expected) in [
        (200, NO, Kind::Refused { status: 200, message: no() }),
        (400, NO, Kind::Refused { status: 400, message: no() }),
        (409, NO, Kind::Refused { status: 409, message: no() }),
        (400, OK, Kind::Refused { status: 400, message: said("batch deleted") }),
        (401, NO, key_refused(401, no())),
        (403, NO, key_refused(403, no())),
        (401, "", key_refused(401, said("an empty body"))),
        (402, NO, Kind::PaymentRequired(no())),
        (404, NO, Kind::WrongPath(said("http://x/batches"))),
        (404, GONE, Kind::WrongPath(said("http://x/batches"))),
        (404, "", Kind::WrongPath(said("http://x/batches"))),
        (408, "", Kind::Throttled { status: 408 }),
        (425, "", Kind::Throttled { status: 425 }),
        (429, OK, Kind::Throttled { status: 429 }),
        (500, OK, Kind::Failing { status: 500 }),
        (503, "", Kind::Failing { status: 503 }),
        (599, "", Kind::Failing { status: 599 }),
        (302, OK, Kind::Redirected { status: 302, to: said("nowhere") }),
        (304, "", Kind::Redirected { status: 304, to: said("nowhere") }),
        (
            100,
            OK,
            Kind::NotAnEnvelope { status: 100, excerpt: said(&format!("application/json: {OK}")) },
        ),
        (204, "", Kind::NotAnEnvelope { status: 204, excerpt: said("an empty body") }),
        (200, "[]", Kind::NotAnEnvelope { status: 200, excerpt: said("application/json: []") }),
        (200, "{", Kind::BrokenBody("the answer ends too early, after 1 byte".into())),
    ] {
        assert_eq!(failure(&reply(status, body)), Some(expected), "{status} {body}");
    }
    let excerpt = said("text/html: <html>Sign in</html>");
    assert_eq!(failure(&html(200)), Some(Kind::NotAnEnvelope { status: 200, excerpt }));
    let message = said("text/html: <html>Sign in</html>");
    assert_eq!(failure(&html(400)), Some(Kind::Refused { status: 400, message }));
}

#[test]
fn damaged_json_that_calls_itself_something_else_is_foreign() {
    let foreign = Reply { content_type: Some("text/plain".into()), ..reply(200, "{cut") };
    assert!(matches!(success(&foreign, &keys()), Err(Kind::NotAnEnvelope { .. })));
    let unnamed = Reply { content_type: None, ..reply(200, "{cut") };
    assert!(matches!(success(&unnamed, &keys()), Err(Kind::BrokenBody(_))));
}

// fault: H6, H7
#[test]
fn a_batch_is_missing_only_where_the_api_names_it() {
    let message =
        |text: &str| format!(r#"{{"request_info":{{"success":false,"message":"{text}"}}}}"#);
    for (status, body, missing) in [
        (200, GONE.to_owned(), true),
        (400, GONE.to_owned(), true),
        (404, GONE.to_owned(), true),
        (410, GONE.to_owned(), true),
        (200, message("A1 NOT FOUND"), true),
        (200, message("not found: A1"), true),
        (200, message("Batch with ID 'A12' was not found"), false),
        (200, message("Batch with ID 'BA1' was not found"), false),
        (200, message("Batch with ID 'a1' was not found"), false),
        (200, message("Batch was not found"), false),
        (200, message("A1 was deleted"), false),
        (200, GONE.replace("false", "true"), false),
        (401, GONE.to_owned(), false),
        (402, GONE.to_owned(), false),
        (403, GONE.to_owned(), false),
        (408, GONE.to_owned(), false),
        (429, GONE.to_owned(), false),
        (500, GONE.to_owned(), false),
        (302, GONE.to_owned(), false),
        (404, "A1 not found".to_owned(), false),
        (404, String::new(), false),
    ] {
        let found = lookup(&reply(status, &body), &id(), Family::Batches, &keys());
        assert_eq!(found == Ok(Lookup::Missing), missing, "{status} {body}: {found:?}");
    }
}

#[test]
fn a_get_that_answers_about_another_batch_is_not_believed() {
    let about = |id: &str| {
        format!(r#"{{"request_info":{{"success":true}},"batch":{{"id":"{id}","name":"n"}}}}"#)
    };
    let found = lookup(&reply(200, &about("A1")), &id(), Family::Batches, &keys()).unwrap();
    let Lookup::Found(batch) = found else { panic!("{found:?}") };
    assert_eq!(batch.name, Fact::Known("n".into()));
    assert!(Record::Batch(batch).is_readable());
    for other in ["A2", "a1"] {
        let found = lookup(&reply(200, &about(other)), &id(), Family::Batches, &keys());
        assert!(matches!(found, Err(Kind::Unexpected(_))), "{found:?}");
    }
}

// fault: H1, H3, H4, H8, H11, H12, N3
#[test]
fn a_delete_is_confirmed_by_nothing_less_than_a_success() {
    let keys = keys();
    let unclear = |kind, may_resend| Deletion::Unclear { kind, may_resend };
    let no = || said("it is running, (key)");
    let gone = || said("Batch with ID 'A1' was not found");
    let redirected = |status| Kind::Redirected { status, to: said("nowhere") };
    let empty = |status| Kind::NotAnEnvelope { status, excerpt: said("an empty body") };
    for (status, body, expected) in [
        (200, OK, Deletion::Confirmed),
        (202, OK, Deletion::Confirmed),
        (200, NO, Deletion::Refused { status: 200, message: no() }),
        (400, NO, Deletion::Refused { status: 400, message: no() }),
        (404, NO, Deletion::Refused { status: 404, message: no() }),
        (404, GONE, Deletion::Refused { status: 404, message: gone() }),
        (409, NO, Deletion::Refused { status: 409, message: no() }),
        (301, OK, unclear(redirected(301), false)),
        (303, OK, unclear(redirected(303), false)),
        (308, OK, unclear(redirected(308), false)),
        (404, "", unclear(Kind::WrongPath(said("http://x/batches")), false)),
        (400, "", unclear(Kind::Refused { status: 400, message: said("an empty body") }, false)),
        (
            400,
            OK,
            unclear(Kind::Unexpected("the API says success, but with status 400".into()), false),
        ),
        (408, OK, unclear(Kind::Throttled { status: 408 }, true)),
        (425, OK, unclear(Kind::Throttled { status: 425 }, true)),
        (429, NO, unclear(Kind::Throttled { status: 429 }, true)),
        (500, OK, unclear(Kind::Failing { status: 500 }, true)),
        (503, NO, unclear(Kind::Failing { status: 503 }, true)),
        (200, "", unclear(empty(200), true)),
        (204, "", unclear(empty(204), true)),
        (
            200,
            "{",
            unclear(Kind::BrokenBody("the answer ends too early, after 1 byte".into()), true),
        ),
        (401, NO, Deletion::Hopeless(key_refused(401, no()))),
        (403, NO, Deletion::Hopeless(key_refused(403, no()))),
        (402, NO, Deletion::Hopeless(Kind::PaymentRequired(no()))),
    ] {
        assert_eq!(deletion(&reply(status, body), &keys), expected, "{status} {body}");
    }
}

#[test]
fn a_wait_is_read_from_the_header_else_from_the_body() {
    let body = r#"{"message":"x","retry_after":3600}"#;
    let asked = |reply: &Reply| reply.asked_wait().map(std::borrow::Cow::into_owned);
    assert_eq!(asked(&reply(503, body)).as_deref(), Some("3600"));
    assert_eq!(asked(&reply(200, body)), None);
    let both = Reply { retry_after: Some("7".into()), ..reply(503, body) };
    assert_eq!(asked(&both).as_deref(), Some("7"));
}
