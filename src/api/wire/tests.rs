//! Answers as they come, good, odd and broken.

use super::*;
use crate::batch::{BatchId, Fact, Raw, Status};

/// The contract's own example of a record (§2.1), with every field that is read.
const WHOLE: &str = r#"{"id":"2A6F94BB","created_at":"2020-01-01T00:00:01.000Z",
 "last_run":"2020-02-01T00:00:00Z","name":"Example","schedule_type":"weekly","priority":"normal",
 "destination_ids":["D1","D2"],"enabled":true,"status":"idle","searches_total_count":7,
 "searches_page_count":1,"next_result_set_id":3,"results_count":2,"schedule_days_of_week":[0,3],
 "notification_email":"ops@example.com","a_field_of_tomorrow":{"x":[1,2,{"y":null}]}}"#;

fn envelope(rest: &str) -> String {
    format!(r#"{{"request_info":{{"success":true}},{rest}}}"#)
}

fn listing(records: &str) -> String {
    envelope(&format!(
        r#""total_count":1,"total_pages":1,"current_page":1,"count_this_page":1,"batches":[{records}]"#
    ))
}

fn page(body: &str, family: Family) -> Result<Page, Kind> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Envelope::read(&body).unwrap().page(family, &body)
}

fn record(raw: &str) -> Record {
    let page = page(&listing(raw), Family::Batches).unwrap();
    assert_eq!(page.records.len(), 1);
    page.records.into_iter().next().unwrap()
}

fn batch(raw: &str) -> Batch {
    match record(raw) {
        Record::Batch(batch) => *batch,
        other @ (Record::HostileId { .. } | Record::NoId) => panic!("{other:?}"),
    }
}

/// The batch of a record that has an id and these fields.
fn with(fields: &str) -> Batch {
    batch(&format!(r#"{{"id":"A1",{fields}}}"#))
}

fn unreadable<T>(text: &str) -> Fact<T> {
    Fact::Unreadable(text.into())
}

#[test]
fn a_record_is_a_part_of_its_page_and_no_copy() {
    let body = Bytes::from(listing(WHOLE));
    let page = Envelope::read(&body).unwrap().page(Family::Batches, &body).unwrap();
    let Some(Record::Batch(batch)) = page.records.first() else { panic!("{page:?}") };
    let raw = batch.raw.as_str();
    assert_eq!(raw, WHOLE);
    assert!(body.as_ptr_range().contains(&raw.as_ptr()));
    assert_eq!(Raw::of("elsewhere", &body).as_str(), "elsewhere");
}

#[test]
fn a_whole_record_is_read_whole() {
    let batch = batch(WHOLE);
    let expected = Batch {
        id: BatchId::parse("2A6F94BB").unwrap(),
        name: Fact::Known("Example".into()),
        created_at: Fact::Known("2020-01-01T00:00:01Z".parse().unwrap()),
        last_run: Fact::Known("2020-02-01T00:00:00Z".parse().unwrap()),
        status: Fact::Known(Status::Idle),
        schedule_type: Fact::Known("weekly".into()),
        priority: Fact::Known("normal".into()),
        enabled: Fact::Known(true),
        destinations: Fact::Known(["D1".into(), "D2".into()].into()),
        searches: Fact::Known(7),
        results_count: Fact::Known(2),
        next_result_set_id: Fact::Known(3),
        raw: WHOLE.into(),
    };
    assert_eq!(batch, expected);
}

// fault: J8, J9
#[test]
fn absent_and_null_are_missing() {
    for raw in [
        r#"{"id":"A1"}"#,
        r#"{"id":"A1","name":null,"created_at":null,"last_run":null,"status":null,
            "schedule_type":null,"priority":null,"enabled":null,"destination_ids":null,
            "searches_total_count":null,"results_count":null,"next_result_set_id":null}"#,
    ] {
        let batch = batch(raw);
        let texts = [batch.name.is_missing(), batch.schedule_type.is_missing()];
        let times = [batch.created_at.is_missing(), batch.last_run.is_missing()];
        let counts = [batch.searches.is_missing(), batch.results_count.is_missing()];
        assert_eq!((texts, times, counts), ([true; 2], [true; 2], [true; 2]), "{raw}");
        assert!(batch.status.is_missing() && batch.priority.is_missing());
        assert!(batch.enabled.is_missing() && batch.destinations.is_missing());
        assert!(batch.next_result_set_id.is_missing());
    }
}

// fault: J4, J7, J8
#[test]
fn an_odd_field_is_unreadable_and_spoils_no_other() {
    let batch = with(
        r#""name":12,"created_at":"yesterday","last_run":1577836801,"status":true,
           "schedule_type":["daily"],"priority":{},"enabled":"true","destination_ids":"D1",
           "searches_total_count":-1,"results_count":3.0,"next_result_set_id":1e400,"x":1"#,
    );
    assert_eq!(batch.name, unreadable("12"));
    assert_eq!(batch.created_at, unreadable("a text of another kind"));
    assert_eq!(batch.last_run, unreadable("1577836801"));
    assert_eq!(batch.status, unreadable("true"));
    assert_eq!(batch.schedule_type, unreadable("a list of another kind"));
    assert_eq!(batch.priority, unreadable("an object"));
    assert_eq!(batch.enabled, unreadable("a text of another kind"));
    assert_eq!(batch.destinations, unreadable("a text of another kind"));
    assert_eq!(batch.searches, unreadable("-1"));
    assert_eq!(batch.results_count, unreadable("3.0"));
    assert_eq!(batch.next_result_set_id, unreadable("1e400"));

    let batch =
        with(r#""name":"ok","searches_total_count":"7","created_at":"0001-01-01T00:00:00Z""#);
    assert_eq!(batch.name, Fact::Known("ok".into()));
    assert_eq!(batch.searches, unreadable("\"7\""));
    assert_eq!(batch.created_at, unreadable("\"0001-01-01T00:00:00Z\""));

    let huge = format!(r#""results_count":1{}"#, "0".repeat(400));
    assert!(matches!(with(&huge).results_count, Fact::Unreadable(_)));
}

#[test]
fn a_lone_surrogate_spoils_the_name_alone() {
    let batch = with(r#""name":"\ud800","status":"running""#);
    assert_eq!(batch.name, unreadable("a text that is not Unicode"));
    assert_eq!(batch.status, Fact::Known(Status::Running));
}

#[test]
fn both_spellings_of_a_count_are_read_in_either_family() {
    for (family, list, fields, expected) in [
        (Family::Batches, "batches", r#""searches_total_count":5"#, Fact::Known(5)),
        (Family::Batches, "batches", r#""search_total_count":5"#, Fact::Known(5)),
        (Family::Batches, "batches", r#""requests_total_count":5"#, Fact::Missing),
        (Family::Collections, "collections", r#""requests_total_count":5"#, Fact::Known(5)),
        (Family::Collections, "collections", r#""request_total_count":5"#, Fact::Known(5)),
        (Family::Collections, "collections", r#""search_total_count":5"#, Fact::Missing),
        (
            Family::Batches,
            "batches",
            r#""search_total_count":5,"searches_total_count":5"#,
            Fact::Known(5),
        ),
        (
            Family::Batches,
            "batches",
            r#""search_total_count":null,"searches_total_count":5"#,
            Fact::Known(5),
        ),
        (
            Family::Batches,
            "batches",
            r#""search_total_count":4,"searches_total_count":5"#,
            unreadable("two spellings that disagree"),
        ),
        (
            Family::Batches,
            "batches",
            r#""search_total_count":-4,"searches_total_count":5"#,
            unreadable("two spellings that disagree"),
        ),
    ] {
        let body = listing(&format!(r#"{{"id":"A1",{fields}}}"#)).replace("batches", list);
        let records = page(&body, family).unwrap().records;
        let [Record::Batch(batch)] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!(batch.searches, expected, "{fields}");
    }
}

// fault: J4, J6
#[test]
fn a_record_with_a_key_twice_has_no_readable_field_but_its_id() {
    for fields in [
        r#""name":"keep-me","name":"tmp-1""#,
        r#""name":"keep-me","n\u0061me":"tmp-1""#,
        r#""status":"running","x":1,"status":"running""#,
        r#""name":"a","unknown":1,"unknown":2"#,
        r#""name":"a","\ud800":1"#,
    ] {
        let batch = with(fields);
        assert_eq!(batch.id.as_str(), "A1");
        assert!(matches!(batch.name, Fact::Unreadable(_)), "{fields}");
        assert!(matches!(batch.created_at, Fact::Unreadable(_)), "{fields}");
        assert!(matches!(batch.status, Fact::Unreadable(_)), "{fields}");
        assert!(matches!(batch.next_result_set_id, Fact::Unreadable(_)), "{fields}");
    }
}

// fault: J5, J6
#[test]
fn a_record_without_a_text_as_its_only_id_has_none() {
    for raw in [
        "{}",
        r#"{"name":"x"}"#,
        r#"{"id":123456}"#,
        r#"{"id":null}"#,
        r#"{"id":["A1"]}"#,
        r#"{"id":"\ud800"}"#,
        r#"{"id":"A1","id":"A1"}"#,
        r#"{"id":"A1","i\u0064":"A2"}"#,
        "null",
        "1e400",
        "\"A1\"",
        "[]",
        r#"["id","A1"]"#,
    ] {
        assert_eq!(record(raw), Record::NoId, "{raw}");
    }
}

// fault: X3
#[test]
fn a_hostile_id_is_told_and_never_becomes_one() {
    let long = "A".repeat(10_000);
    for id in ["", "stopall", "..", "a/b", "%2e", "é", "clear", long.as_str()] {
        let hostile = Record::HostileId { id: id.into() };
        assert_eq!(record(&format!(r#"{{"id":"{id}","name":"x"}}"#)), hostile);
        assert!(!hostile.is_readable());
    }
}

#[test]
fn an_id_keeps_its_zeros_and_its_exponent() {
    for id in ["00123456", "1E5"] {
        assert_eq!(batch(&format!(r#"{{"id":"{id}"}}"#)).id.as_str(), id);
    }
}

// fault: J1
#[test]
fn an_answer_that_is_cut_anywhere_is_refused() {
    let body = listing(WHOLE);
    for end in 0..body.len() {
        let read = Envelope::read(&body.as_bytes()[..end]);
        let is_refused = match read {
            Err(Unread::Broken(sentence)) => {
                sentence
                    == format!(
                        "the answer ends too early, after {}",
                        counted(end as u64, "byte", "bytes")
                    )
            }
            Err(Unread::NotAnEnvelope) => end == 0,
            Err(Unread::Odd(_)) | Ok(_) => false,
        };
        assert!(is_refused, "cut at {end}");
    }
}

// fault: J1
#[test]
fn text_after_the_end_is_refused() {
    for tail in ["x", "{}", ",", "\0", "]"] {
        let read = Envelope::read((listing("") + tail).as_bytes()).unwrap_err();
        assert!(matches!(read, Unread::Broken(_)), "{tail}: {read:?}");
    }
    assert!(Envelope::read((listing("") + " \r\n\t").as_bytes()).is_ok());
}

#[test]
fn an_answer_that_is_no_unicode_is_refused() {
    let mut body = listing(r#"{"id":"A1","name":"?"}"#).into_bytes();
    let at = body.iter().position(|b| *b == b'?').unwrap();
    body[at] = 0xff;
    let sentence = format!("the answer is no UTF-8 at byte {at}");
    assert_eq!(Envelope::read(&body).unwrap_err(), Unread::Broken(sentence));
    let cut = Envelope::read("{\"é".as_bytes().get(..3).unwrap()).unwrap_err();
    assert_eq!(cut, Unread::Broken("the answer ends too early, after 3 bytes".into()));
}

// fault: J2
#[test]
fn nesting_is_refused_at_its_depth_and_overflows_nothing() {
    let nested =
        |depth: usize| format!(r#"{{"id":"A1","x":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(page(&listing(&nested(127)), Family::Batches).is_ok());
    for depth in [128, 100_000] {
        let error = page(&listing(&nested(depth)), Family::Batches).unwrap_err();
        assert_eq!(error, Kind::BrokenBody("the answer is nested more than 128 deep".into()));
    }
    let objects = format!(r#"{{"id":"A1","x":{}1{}}}"#, r#"{"a":"#.repeat(500), "}".repeat(500));
    assert!(page(&listing(&objects), Family::Batches).is_err());
    for place in ["request_info", "x", "batches", "batch", "total_count"] {
        let body = format!(r#"{{"{place}":{}"#, "[".repeat(100_000));
        assert!(Envelope::read(body.as_bytes()).is_err(), "{place}");
    }
    // Brackets inside a text are no nesting.
    let flat = format!(r#"{{"id":"A1","name":"\"{}"}}"#, "[{".repeat(500));
    assert!(page(&listing(&flat), Family::Batches).is_ok());
}

#[test]
fn only_an_object_with_a_success_is_an_envelope() {
    for body in [
        "",
        "  ",
        "null",
        "true",
        "[]",
        "<html></html>",
        "{}",
        r#"{"message":"x"}"#,
        r#"{"request_info":null}"#,
        r#"{"request_info":[true,"x"]}"#,
        r#"{"request_info":{}}"#,
        r#"{"request_info":{"success":"true"}}"#,
        r#"{"request_info":{"success":1}}"#,
        r#"{"request_info":{"success":null}}"#,
        r#"{"request_info":{"success":false,"success":true}}"#,
    ] {
        assert_eq!(Envelope::read(body.as_bytes()).unwrap_err(), Unread::NotAnEnvelope, "{body}");
    }
    let twice = r#"{"request_info":{"success":false},"request_info":{"success":true}}"#;
    assert!(matches!(Envelope::read(twice.as_bytes()), Err(Unread::Odd(_))));
}

#[test]
fn an_error_about_a_body_holds_nothing_of_it() {
    for body in [r#"{"batches":"CANARY"}"#, r#"{"CANARY"#, r#"{"a":CANARY}"#, "{\"CANARY\":1}}"] {
        let shown = format!("{:?}", Envelope::read(body.as_bytes()).unwrap_err());
        assert!(!shown.contains("CANARY"), "{shown}");
    }
}

// fault: J11
#[test]
fn the_other_family_is_recognised() {
    let body = listing("");
    let theirs = body.replace("batches", "collections");
    assert_eq!(page(&theirs, Family::Batches), Err(Kind::WrongFamily { expected: "batches" }));
    assert_eq!(
        page(&body, Family::Collections),
        Err(Kind::WrongFamily { expected: "collections" })
    );
    let got = envelope(r#""collection":{"id":"A1"}"#);
    let error =
        Envelope::read(got.as_bytes()).unwrap().batch(Family::Batches, &Bytes::new()).unwrap_err();
    assert_eq!(error, Kind::WrongFamily { expected: "batches" });
    let neither = envelope(r#""x":1"#);
    let error = page(&neither, Family::Batches).unwrap_err();
    assert_eq!(error, Kind::Unexpected("the answer has no `batches`".into()));
}

#[test]
fn a_listing_must_say_how_much_it_holds() {
    let body = listing("");
    for (from, to, sentence) in [
        (r#""total_count":1"#, r#""x":1"#, "the answer has no `total_count`"),
        (r#""total_pages":1"#, r#""total_pages":-1"#, "`total_pages` is -1"),
        (r#""current_page":1"#, r#""current_page":"1""#, "`current_page` is \"1\""),
        (r#""count_this_page":1"#, r#""count_this_page":1.0"#, "`count_this_page` is 1.0"),
        (r#""total_count":1"#, r#""total_count":null"#, "the answer has no `total_count`"),
    ] {
        let error = page(&body.replace(from, to), Family::Batches).unwrap_err();
        assert_eq!(error, Kind::Unexpected(sentence.into()));
    }
    let odd = body.replace(r#""batches":[]"#, r#""batches":{}"#);
    assert!(matches!(Envelope::read(odd.as_bytes()), Err(Unread::Odd(_))));
}

#[test]
fn a_get_needs_an_object_with_an_id() {
    let get = |inner: &str| {
        let body = envelope(&format!(r#""batch":{inner}"#));
        Envelope::read(body.as_bytes()).unwrap().batch(Family::Batches, &Bytes::new())
    };
    assert_eq!(get(r#"{"id":"A1"}"#).unwrap().id.as_str(), "A1");
    for inner in ["{}", r#"{"id":1}"#, r#"{"id":"stopall"}"#, "[]", "null"] {
        assert!(matches!(get(inner), Err(Kind::Unexpected(_))), "{inner}");
    }
}

#[test]
fn result_sets_say_what_became_of_their_webhook() {
    let read = |inner: &str| {
        let body = envelope(&format!(r#""results":[{inner}]"#));
        Envelope::read(body.as_bytes()).unwrap().result_sets().map(|sets| {
            sets.into_iter()
                .map(|set| (set.id, set.webhook_status.map(Cow::into_owned)))
                .collect::<Vec<_>>()
        })
    };
    let failed = Some("failed".to_owned());
    assert_eq!(
        read(r#"{"id":2,"webhook_status":{"status":"failed","log":[]}},{"id":1}"#).unwrap(),
        [(2, failed), (1, None)]
    );
    assert_eq!(read(r#"{"id":2,"webhook_status":{}}"#).unwrap(), [(2, None)]);
    assert_eq!(read(r#"{"id":2,"webhook_status":null}"#).unwrap(), [(2, None)]);
    for odd in ["1", "{}", r#"{"id":"2"}"#, r#"{"id":2,"webhook_status":"failed"}"#] {
        assert!(read(odd).is_err(), "{odd}");
    }
}

#[test]
fn the_account_says_how_many_batches_it_holds_if_it_does() {
    let read = |inner: &str, family| {
        let body = envelope(&format!(r#""account_info":{inner}"#));
        Envelope::read(body.as_bytes()).unwrap().account(family).map(|a| a.batches_used)
    };
    let both = r#"{"batches_used":3,"collections_used":4,"api_key":"CANARY"}"#;
    assert_eq!(read(both, Family::Batches), Ok(Some(3)));
    assert_eq!(read(both, Family::Collections), Ok(Some(4)));
    assert_eq!(read("{}", Family::Batches), Ok(None));
    assert_eq!(read(r#"{"batches_used":"3"}"#, Family::Batches), Ok(None));
    assert!(read("[]", Family::Batches).is_err());
    assert!(
        Envelope::read(envelope("\"x\":1").as_bytes()).unwrap().account(Family::Batches).is_err()
    );
}

#[test]
fn a_wait_may_be_asked_for_in_a_body_without_envelope() {
    for (body, expected) in [
        (r#"{"message":"x","retry_after":3600}"#, Some(3600)),
        (r#"{"retry_after":"3600"}"#, None),
        (r#"{"retry_after":-1}"#, None),
        ("{}", None),
        ("", None),
        ("<html>", None),
    ] {
        assert_eq!(retry_after(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn a_record_is_not_larger_than_what_it_must_hold() {
    // 10,000 of these and their raw texts of about 700 bytes stay under 12 MiB.
    let size = size_of::<Batch>();
    assert!(size <= 320, "{size}");
}
