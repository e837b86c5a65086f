//! Yardsticks for `benches/e2e/run.py`: the least work that does the job, and the plainest client.
//!
//! `floor URL KEY IDS`: only the DELETEs, over one raw connection, ids from a file: what no client can
//! undercut, since deletions are one at a time.
//! `reqwest URL KEY`: list, then for each candidate Get and DELETE, as a first version would be
//! written: no retries, no guards, no reasons.
//! `ids URL KEY`: prints the ids that `floor` is given. Talks to loopback only.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Candidates are named so and older than this.
const PREFIX: &str = "tmp-";
const OLDER_THAN: chrono::TimeDelta = chrono::TimeDelta::days(7);

/// What to do with the candidates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Delete,
    PrintIds,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [_, "floor", url, key, ids] => floor(url, key, &std::fs::read_to_string(ids)?),
        [_, "reqwest", url, key] => plain(url, key, Job::Delete),
        [_, "ids", url, key] => plain(url, key, Job::PrintIds),
        _ => Err("usage: peer floor URL KEY IDS | reqwest URL KEY | ids URL KEY".into()),
    }
}

fn floor(url: &str, key: &str, ids: &str) -> Result<()> {
    let url = url::Url::parse(url)?;
    let address = (url.host_str().ok_or("no host")?, url.port().ok_or("no port")?);
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut deleted = 0;
    for id in ids.split_whitespace() {
        let path = format!("{}/batches/{id}?api_key={key}", url.path().trim_end_matches('/'));
        write!(stream, "DELETE {path} HTTP/1.1\r\nhost: {}\r\n\r\n", address.0)?;
        if read_answer(&mut answers)? {
            deleted += 1;
        }
    }
    writeln!(std::io::stdout(), "{deleted}")?;
    Ok(())
}

/// Reads one answer with a content length; whether it says success.
fn read_answer(answers: &mut impl BufRead) -> Result<bool> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        answers.read_line(&mut line)?;
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).contains("\"success\":true"))
}

#[tokio::main(flavor = "current_thread")]
async fn plain(url: &str, key: &str, job: Job) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the plainest client is the point")]
    let client = reqwest::Client::new();
    let mut candidates = Vec::new();
    let mut page = 1;
    loop {
        let list = format!("{url}/batches?api_key={key}&page={page}&page_size=1000");
        let answer: Value = serde_json::from_slice(&client.get(list).send().await?.bytes().await?)?;
        let batches = answer.get("batches").and_then(Value::as_array).ok_or("no batches")?;
        candidates.extend(batches.iter().filter(|batch| is_candidate(batch)).filter_map(id_of));
        if Some(page) >= answer.get("total_pages").and_then(Value::as_u64) {
            break;
        }
        page += 1;
    }
    let mut deleted = 0;
    for id in candidates {
        let one = format!("{url}/batches/{id}?api_key={key}");
        if job == Job::PrintIds {
            writeln!(std::io::stdout(), "{id}")?;
            continue;
        }
        let body = client.get(&one).send().await?.bytes().await?;
        let answer: Value = serde_json::from_slice(&body)?;
        if answer.pointer("/batch/status").and_then(Value::as_str) != Some("idle") {
            continue;
        }
        let body = client.delete(&one).send().await?.bytes().await?;
        let answer: Value = serde_json::from_slice(&body)?;
        if answer.pointer("/request_info/success").and_then(Value::as_bool) == Some(true) {
            deleted += 1;
        }
    }
    if job == Job::Delete {
        writeln!(std::io::stdout(), "{deleted}")?;
    }
    Ok(())
}

fn id_of(batch: &Value) -> Option<String> {
    batch.get("id").and_then(Value::as_str).map(str::to_owned)
}

fn is_candidate(batch: &Value) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the plainest client is the point")]
    let now = chrono::Utc::now();
    let text = |field| batch.get(field).and_then(Value::as_str).unwrap_or_default();
    let created = chrono::DateTime::parse_from_rfc3339(text("created_at"));
    text("name").starts_with(PREFIX)
        && text("status") == "idle"
        && created.is_ok_and(|created| now.signed_duration_since(created) > OLDER_THAN)
}
