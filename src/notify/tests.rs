//! What is sent, for every target, with names that try to be more than names.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use super::digest::{Digest, News, of_service};
use super::outgoing::{self, Letter, Outgoing, sign};
use super::*;
use crate::batch::{BatchId, RuleName, RunId, escaped};
use crate::notify::digest::Gathering;
use crate::observe::event::{Event, Scope, Subject};
use crate::observe::service::ServiceEvent;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn scope() -> Scope {
    let run_id = RunId::parse("019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071").unwrap();
    Scope { account: AccountName::parse("main").unwrap(), run_id }
}

fn target(kind: Kind) -> Target {
    Target {
        name: "ops".to_owned(),
        kind,
        address: Address::parse("https://hooks.example/C4N4RY").unwrap(),
        secret: (kind == Kind::Webhook).then(|| SigningSecret::parse(SECRET).unwrap()),
        on: Class::ALL.into_iter().collect(),
        accounts: None,
        proxy: None,
        envelope: None,
    }
}

fn batch(name: &str) -> Subject {
    let rule = RuleName::parse("temporary").unwrap();
    // As every stage makes them: `Batch::shown_name`.
    Subject { id: BatchId::parse("AA000001").unwrap(), name: escaped(name), rule }
}

fn finished(outcome: &'static str, exit_code: u8, deleted: usize) -> Event {
    Event::RunFinished {
        outcome,
        counts: BTreeMap::from([("deleted", deleted), ("busy", 0)]),
        verified: (deleted > 0).then_some(true),
        requests: 9,
        duration: Duration::from_millis(12_345),
        exit_code,
        error: (exit_code != 0).then(|| "made up".to_owned()),
    }
}

/// The message that the end of a run makes, which told these events.
fn told(events: &[Event]) -> Digest {
    let mut gathering = Gathering::default();
    let mut last = None;
    for event in events {
        last = gathering.take(&scope(), event).or(last);
    }
    last.unwrap()
}

const HOSTILE: [&str; 8] = [
    "a\nb",
    "\u{1b}[31mred",
    "</script><script>alert(1)</script>",
    "<!channel> <@U123> &amp;",
    "[x](http://e) *b* _i_ `c`",
    "\u{202e}cod.exe",
    "```\n> quote",
    "\"}],\"text\":\"x",
];

fn hostile() -> Digest {
    let mut events = vec![Event::RunStarted { dry_run: false }];
    events.extend(HOSTILE.map(|name| Event::BatchDeleted {
        batch: batch(name),
        attempt: 1,
        duration: Duration::ZERO,
    }));
    events.push(finished("swept", 0, HOSTILE.len()));
    told(&events)
}

fn sent(kind: Kind, digest: Digest) -> Outgoing {
    let at = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    let product = Some("serpwow");
    let letter = Letter { id: "msg_1".to_owned(), at, digest, product, is_sample: false };
    outgoing::of(&letter, &target(kind), at)
}

fn shown(outgoing: &Outgoing) -> String {
    let headers: Vec<_> =
        outgoing.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let body = serde_json::from_str::<Value>(&outgoing.body)
        .map_or_else(|_| outgoing.body.clone(), |body| format!("{body:#}"));
    format!("{}\n{}\n\n{body}\n", outgoing.url, headers.join("\n"))
}

/// Every text of a JSON value, with the type that stands beside it.
fn texts(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            let kind = object.get("type").and_then(Value::as_str).unwrap_or("").to_owned();
            for (key, value) in object {
                if let Some(text) = value.as_str().filter(|_| key == "text") {
                    found.push((kind.clone(), text.to_owned()));
                }
                texts(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

// fault: X2
#[test]
fn a_hostile_name_is_text_and_nothing_else_in_every_target() {
    for kind in Kind::ALL.iter().copied() {
        let outgoing = sent(kind, hostile());
        insta::assert_snapshot!(format!("hostile_{}", kind.as_str()), shown(&outgoing));
    }
}

// fault: X2
#[test]
fn server_text_stands_only_where_a_chat_interprets_nothing() {
    for (kind, inert) in [(Kind::Slack, "plain_text"), (Kind::Teams, "TextRun")] {
        let body: Value = serde_json::from_str(&sent(kind, hostile()).body).unwrap();
        let mut found = Vec::new();
        texts(&body, &mut found);
        let with_names: Vec<_> =
            found.iter().filter(|(_, text)| text.contains("channel")).collect();
        assert!(!with_names.is_empty(), "{kind:?}: {found:?}");
        for (kind, text) in with_names {
            assert_eq!(kind, inert, "{text}");
        }
        if kind == Kind::Slack {
            let raw = found.iter().find(|(_, text)| text.contains(['<', '>']));
            assert_eq!(raw, None);
        }
    }
}

#[test]
fn a_guard_is_told_with_limit_value_and_the_command_that_approves_it() {
    let tripped = |guard| Event::GuardTripped {
        guard,
        limit: "100".to_owned(),
        value: "240".to_owned(),
        detail: "240 batches would go".to_owned(),
    };
    let start = Event::RunStarted { dry_run: false };
    let guarded = told(&[start.clone(), tripped("max_deletes"), finished("guarded", 3, 0)]);
    assert_eq!(guarded.class(), Class::Guard);
    insta::assert_snapshot!("guard_healthchecks", shown(&sent(Kind::Healthchecks, guarded)));
    // What the second opinion doubts is not to be approved.
    let doubted = told(&[start, tripped("audit"), finished("guarded", 3, 0)]);
    let body = sent(Kind::Webhook, doubted).body;
    assert!(!body.contains("batchsweep approve"), "{body}");
}

#[test]
fn each_end_of_a_run_is_of_its_class_and_a_dry_run_says_so() {
    let start = |dry_run| Event::RunStarted { dry_run };
    let gone = Event::ProtectionGone { rule: RuleName::parse("pinned").unwrap() };
    let would = Event::BatchWouldDelete { batch: batch("tmp-1") };
    let rows: Vec<(Vec<Event>, &[Class], &str, &str)> = vec![
        (vec![finished("swept", 0, 0)], &[Class::Success], "nothing was deleted", ""),
        (vec![finished("swept", 0, 1)], &[Class::Deleted, Class::Success], "deleted 1 batch", ""),
        (vec![would, finished("dry_run", 0, 0)], &[Class::Success], "dry run, nothing", ""),
        (vec![finished("guarded", 3, 0)], &[Class::Guard], "stopped by a guard", "fail"),
        (vec![finished("swept", 1, 2)], &[Class::Failure, Class::Deleted], "not all well", "fail"),
        (vec![finished("failed", 75, 0)], &[Class::Failure], "failed, nothing was", "fail"),
        (vec![gone, finished("swept", 0, 0)], &[Class::Warning, Class::Success], "nothing", ""),
    ];
    for (mut events, classes, words, ping) in rows {
        events.insert(0, start(true));
        let digest = told(&events);
        assert_eq!(digest.classes.iter().copied().collect::<Vec<_>>(), classes);
        let outgoing = sent(Kind::Healthchecks, digest);
        assert!(outgoing.body.contains(words), "{}", outgoing.body);
        let path = if ping.is_empty() { "/C4N4RY".to_owned() } else { format!("/C4N4RY/{ping}") };
        assert_eq!(outgoing.url.path(), path);
        assert_eq!(outgoing.url.query(), Some("rid=019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071"));
    }
    let begun = sent(Kind::Healthchecks, told(&[start(false)]));
    assert_eq!(begun.url.path(), "/C4N4RY/start");
}

#[test]
fn a_run_of_ten_thousand_deletions_makes_one_small_message() {
    let mut events = vec![Event::RunStarted { dry_run: false }];
    let name = "n".repeat(5_000);
    events.extend((0..10_000).map(|_| Event::BatchDeleted {
        batch: batch(&name),
        attempt: 1,
        duration: Duration::ZERO,
    }));
    events.push(finished("swept", 0, 10_000));
    let digest = told(&events);
    let News::Ended(ended) = &digest.news else { panic!("{digest:?}") };
    assert_eq!(ended.gathered.names.len(), digest::MOST_NAMES);
    assert_eq!(ended.gathered.rules.get("temporary"), Some(&10_000));
    let body = sent(Kind::Slack, digest).body;
    assert!(body.len() < 6_000 && body.contains("and 9990 more"), "{}", body.len());
}

#[test]
fn a_webhook_is_signed_as_standard_webhooks_says() {
    // Computed with Python's hmac, hashlib and base64.
    let secret = SigningSecret::parse(SECRET).unwrap();
    let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
    let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
    assert_eq!(signature, "v1,hK4CWvngkaAwjY1pABLuUbOIkEJjW9tAapq1no4ojG0=");
}

#[test]
fn a_bad_secret_or_address_is_refused_unseen() {
    for bad in ["", "whsec_", "whsec_C4N4RY", "C4N4RY", "whsec_C4N4RY!!"] {
        let said = format!("{:?} {}", SigningSecret::parse(bad).unwrap_err(), BadSecret);
        assert!(!said.contains("C4N4RY"), "{said}");
    }
    for (bad, why) in [
        ("C4N4RY", BadAddress::NotUrl),
        ("http://hooks.example/C4N4RY", BadAddress::NotHttps),
        ("ftp://hooks.example/C4N4RY", BadAddress::NotHttps),
        ("file:///C4N4RY", BadAddress::NotUrl),
        ("https://u:C4N4RY@hooks.example/", BadAddress::NotPlain),
        ("https://hooks.example/#C4N4RY", BadAddress::NotPlain),
    ] {
        let found = Address::parse(bad).unwrap_err();
        assert_eq!(found, why, "{bad}");
        assert!(!found.to_string().contains("C4N4RY"));
    }
    for good in
        ["https://h.example/x", "http://127.0.0.1:9/x", "http://[::1]/x", "http://localhost/"]
    {
        let address = Address::parse(good).unwrap();
        assert_eq!(format!("{address:?}"), "(hidden)");
    }
    assert!(!format!("{:?}", target(Kind::Webhook)).contains("C4N4RY"));
}

#[test]
fn what_happens_to_the_service_is_a_warning_where_it_wants_a_look() {
    let account = AccountName::parse("main").unwrap();
    let standby = ServiceEvent::Standby { account, by: "pid 7".to_owned() };
    let digest = of_service(&standby).unwrap();
    insta::assert_snapshot!("warning_webhook", shown(&sent(Kind::Webhook, digest)));
    let (notify, host) = ("ops".to_owned(), String::new());
    let failed = ServiceEvent::NotifyFailed { notify, host, attempts: 4, error: String::new() };
    assert_eq!(of_service(&failed), None, "a failed message must not make another");
}

#[test]
fn a_target_is_told_of_its_accounts_and_classes_alone() {
    let [main, other] = ["main", "other"].map(|name| AccountName::parse(name).unwrap());
    let on = BTreeSet::from([Class::Guard]);
    let ops = Target { on, accounts: Some([main.clone()].into()), ..target(Kind::Slack) };
    assert!(ops.wants(&[Class::Guard, Class::Success].into(), Some(&main)));
    assert!(!ops.wants(&[Class::Success].into(), Some(&main)));
    assert!(!ops.wants(&[Class::Guard].into(), Some(&other)));
    assert!(ops.wants(&[Class::Guard].into(), None));
}
