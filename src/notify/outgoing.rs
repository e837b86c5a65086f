//! What a target takes: body, headers and address of one message. Pure.
//!
//! Invariant: text that came from a server stands only where the target interprets nothing: in `plain_text`
//! of Slack with `&`, `<` and `>` escaped, in a `TextRun` of Teams, in a JSON text, in a plain body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use crate::clock::Timestamp;
use crate::notify::digest::{Digest, Ended, News};
use crate::notify::words::{self, Words};
use crate::notify::{Class, Kind, SigningSecret, Target};

/// The version of a webhook's `data`: fields may be added to it, and none changes.
const VERSION: u8 = 1;

/// Slack takes 150 characters in a header, 3000 in a section.
const SLACK_TITLE: usize = 150;
const SLACK_SECTION: usize = 2_900;

/// healthchecks.io keeps the first 100 kB of a body; nobody reads so much.
const PING_CHARS: usize = 4_000;

/// A message, whoever it goes to.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// The same over all tries, another for each message.
    pub(super) id: String,
    /// When it was made.
    pub(super) at: Timestamp,
    /// What it says.
    pub(super) digest: Digest,
    /// The account's product.
    pub(super) product: Option<&'static str>,
    /// Whether it is a sample that somebody asked for.
    pub(super) is_sample: bool,
}

/// What is posted.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// Makes of a letter what its target takes; `now` is when it is sent.
pub(super) fn of(letter: &Letter, target: &Target, now: Timestamp) -> Outgoing {
    let words = words::of(letter);
    let json = |body: Value| (body.to_string(), "application/json");
    let (url, (body, kind)) = match target.kind {
        Kind::Slack => (target.address.with("", None), json(slack(&words))),
        Kind::Teams => (target.address.with("", None), json(teams(&words, letter.digest.class()))),
        Kind::Webhook => (target.address.with("", None), json(webhook(letter))),
        Kind::Healthchecks => (ping(letter, target), (plain(&words), "text/plain; charset=utf-8")),
        #[cfg(feature = "mail")]
        Kind::Email => {
            (target.address.with("", None), (plain(&words), "text/plain; charset=utf-8"))
        }
    };
    let mut headers = vec![("content-type", kind.to_owned())];
    if target.kind.is_mail() {
        headers.push(("subject", words.title.clone()));
    }
    if target.kind == Kind::Webhook {
        headers.push(("webhook-id", letter.id.clone()));
        headers.push(("webhook-timestamp", now.timestamp().to_string()));
        let signed = target.secret.as_ref();
        let signature = signed.map(|secret| sign(secret, &letter.id, now, &body));
        headers.extend(signature.map(|signature| ("webhook-signature", signature)));
    }
    Outgoing { url, headers, body }
}

/// The signature of Standard Webhooks: over id, time and body, so that none can be swapped.
pub(super) fn sign(secret: &SigningSecret, id: &str, at: Timestamp, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.0) else {
        return String::new(); // HMAC takes keys of every length
    };
    mac.update(format!("{id}.{}.{body}", at.timestamp()).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Slack decodes these three in every text, and reads commands only where they are not escaped.
fn for_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn slack(words: &Words) -> Value {
    let text = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let title = for_slack(&words::cut(&words.title, SLACK_TITLE));
    let mut blocks = vec![json!({ "type": "header", "text": text(&title) })];
    for section in sections(&words.lines) {
        blocks.push(json!({ "type": "section", "text": text(&section) }));
    }
    // The text is what a phone's lock screen shows; it has no server's text.
    json!({ "text": title, "mrkdwn": false, "blocks": blocks })
}

/// Lines, as many in one section as Slack takes.
fn sections(lines: &[String]) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for line in lines.iter().map(|line| for_slack(line)) {
        match sections.last_mut() {
            Some(last) if last.len() + line.len() < SLACK_SECTION => {
                last.push('\n');
                last.push_str(&line);
            }
            Some(_) | None => sections.push(line),
        }
    }
    sections
}

fn teams(words: &Words, class: Class) -> Value {
    let line = |text: &str, run: Value| {
        let mut inline = json!({ "type": "TextRun", "text": text });
        if let (Some(inline), Value::Object(run)) = (inline.as_object_mut(), run) {
            inline.extend(run);
        }
        json!({ "type": "RichTextBlock", "inlines": [inline] })
    };
    let look = json!({ "weight": "Bolder", "size": "Medium", "color": words::colour(class) });
    let mut body = vec![line(&words.title, look)];
    body.extend(words.lines.iter().map(|text| line(text, json!({}))));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    json!({ "type": "message", "attachments": [attachment] })
}

fn plain(words: &Words) -> String {
    let text = [std::slice::from_ref(&words.title), &words.lines].concat().join("\n");
    words::cut(&text, PING_CHARS)
}

/// A ping is told by its address: start, success, failure, or something for the log.
fn ping(letter: &Letter, target: &Target) -> Url {
    let word = match letter.digest.class() {
        Class::Start => "start",
        Class::Success => "",
        Class::Failure | Class::Guard => "fail",
        Class::Warning | Class::Deleted => match &letter.digest.news {
            // The run that deleted or warned has ended, and well: else it would lead with that.
            News::Ended(_) => "",
            News::Begun { .. } | News::Notice { .. } => "log",
        },
    };
    let run = run_id(&letter.digest.news);
    target.address.with(word, run.as_deref().map(|run| ("rid", run)))
}

fn run_id(news: &News) -> Option<String> {
    match news {
        News::Begun { run_id, .. } => Some(run_id.to_string()),
        News::Ended(ended) => Some(ended.run_id.to_string()),
        News::Notice { .. } => None,
    }
}

fn webhook(letter: &Letter) -> Value {
    let digest = &letter.digest;
    let (kind, about) = match &digest.news {
        News::Begun { dry_run, .. } => ("run.started", json!({ "dry_run": dry_run })),
        News::Ended(ended) => ("run.finished", of_run(ended)),
        News::Notice { event, sentence, help } => {
            ("service.warning", json!({ "event": event, "message": sentence, "help": help }))
        }
    };
    let classes: Vec<_> = digest.classes.iter().map(|class| class.as_str()).collect();
    let mut data = json!({
        "version": VERSION,
        "sample": letter.is_sample,
        "classes": classes,
        "account": digest.account.as_ref().map(crate::batch::AccountName::as_str),
        "product": letter.product,
        "run_id": run_id(&digest.news),
    });
    if let (Some(data), Value::Object(about)) = (data.as_object_mut(), about) {
        data.extend(about);
    }
    let timestamp = letter.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    json!({ "type": kind, "timestamp": timestamp, "data": data })
}

fn of_run(ended: &Ended) -> Value {
    let gathered = &ended.gathered;
    let guards = gathered.guards.iter().map(|note| {
        json!({ "guard": note.guard, "limit": note.limit, "value": note.value, "detail": note.detail })
    });
    let is_approvable = words::approve(ended).is_some();
    json!({
        "dry_run": gathered.dry_run,
        "outcome": ended.outcome,
        "exit_code": ended.exit_code,
        "counts": ended.counts,
        "rules": gathered.rules,
        "names": gathered.names,
        "guards": guards.collect::<Vec<_>>(),
        "approve": is_approvable.then(|| format!("batchsweep approve {}", ended.run_id)),
        "notes": gathered.notes,
        "verified": ended.verified,
        "error": ended.error,
        "help": words::what_to_do(ended),
        "duration_ms": u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
