//! The emulator as a client sees it, over real sockets while tokio's time stands still.
//!
//! The client here is written by hand on a TCP stream: it must not share code with `api`.

mod endpoints;
mod faults;
mod knobs;
mod listing;
mod seeds;
mod states;
mod violations;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::SetClock;

const KEY: &str = "0123456789ABCDEF0123456789ABCDEF";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-24T12:00:00Z")
}

/// An emulator, its clock, and a client of it.
struct Rig {
    emulator: Emulator,
    clock: Arc<SetClock>,
    running: Running,
}

impl Rig {
    async fn new() -> Self {
        Self::of(Product::SerpWow).await
    }

    async fn of(product: Product) -> Self {
        let clock = Arc::new(SetClock::starting_at(noon()));
        let emulator = Emulator::new(product, KEY, clock.clone());
        let running = emulator.start().await.unwrap();
        Self { emulator, clock, running }
    }

    /// With batches of these ids, a day old.
    async fn with(ids: &[&str]) -> Self {
        let rig = Self::new().await;
        for id in ids {
            rig.emulator.insert(batch(id));
        }
        rig
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let base = self.running.base_url();
        let prefix = base.splitn(4, '/').nth(3).map_or(String::new(), |path| format!("/{path}"));
        let target = format!("{prefix}{path}{sign}api_key={KEY}");
        self.raw(method, &target, "", &body.map(Value::to_string).unwrap_or_default()).await
    }

    /// Any request at all. An answer that is shorter than announced is an error.
    async fn raw(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(self.running.address()).await?;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            self.running.address(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Reply::parse(&bytes)
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await.unwrap()
    }

    async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None).await.unwrap()
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, Some(&body)).await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, Some(&body)).await.unwrap()
    }

    /// The ids of one list call, in order.
    async fn listed(&self, query: &str) -> Vec<String> {
        let reply = self.get(&format!("/batches?{query}")).await;
        reply.ids("batches")
    }

    /// Moves the clock: tokio's and the wall's.
    async fn pass(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }
}

fn batch(id: &str) -> Record {
    Record::new(id, format!("name {id}"), at("2026-11-23T12:00:00Z"))
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let split = bytes.windows(4).position(|part| part == b"\r\n\r\n").ok_or_else(cut)?;
        let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut reply = Self { status, headers, body: bytes[split + 4..].to_vec() };
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = unchunked(&reply.body).ok_or_else(cut)?;
        }
        let announced = reply.header("content-length").and_then(|length| length.parse().ok());
        if announced.is_some_and(|length: usize| length != reply.body.len()) {
            return Err(cut());
        }
        Ok(reply)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn success(&self) -> bool {
        self.json()["request_info"]["success"].as_bool().unwrap()
    }

    fn message(&self) -> String {
        self.json()["request_info"]["message"].as_str().unwrap_or_default().to_owned()
    }

    fn ids(&self, noun: &str) -> Vec<String> {
        let json = self.json();
        let records = json[noun].as_array().unwrap();
        records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The body of chunks; nothing if the last chunk is missing.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|part| part == b"\r\n")?;
        let length = std::str::from_utf8(&rest[..end]).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 4 + length..)?;
    }
}
