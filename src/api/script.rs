//! A server for tests: it plays a list of acts, one for each request, and keeps what it was sent.
//!
//! Runs on the runtime of the test, so that paused time works. Not here: any idea of the API.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What to do with one request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Answer, and keep the connection.
    Send(Vec<u8>),
    /// Answer, and close the connection.
    SendAndClose(Vec<u8>),
    /// Answer, and reset the connection.
    SendAndReset(Vec<u8>),
    /// Send this, then a byte a second for ever.
    Drip(Vec<u8>),
    /// Say nothing, for ever.
    Hang,
    /// Wait, then answer.
    Late(Duration, Vec<u8>),
}

/// A running server; it ends with this value. Without acts left it answers 500.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::start_with(acts, None).await
    }

    /// The same behind TLS, with a certificate that it signed itself.
    pub(super) async fn start_tls(acts: impl IntoIterator<Item = Act>) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.into()], key)
            .unwrap();
        Self::start_with(acts, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(acts: impl IntoIterator<Item = Act>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stage = Stage {
            acts: Arc::new(Mutex::new(acts.into_iter().collect())),
            seen: Arc::new(Mutex::new(Vec::new())),
        };
        let seen = Arc::clone(&stage.seen);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(stage.clone().serve(stream, tls.clone()));
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    /// The heads of all requests so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The first lines of all requests so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    }
}

#[derive(Clone)]
struct Stage {
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    /// Plays until the client leaves; how it left is the client's business.
    async fn serve(self, mut stream: TcpStream, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else {
            if let Ok(End::Reset) = self.play(&mut stream).await {
                stream.set_zero_linger().unwrap();
            }
            return;
        };
        if let Ok(mut stream) = tls.accept(stream).await {
            self.play(&mut stream).await.ok();
        }
    }

    async fn play(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<End> {
        while let Some(head) = read_head(stream).await? {
            self.seen.lock().unwrap().push(head);
            let act = self.acts.lock().unwrap().pop_front();
            match act.unwrap_or_else(|| Act::Send(reply(500, "text/plain", "no act left"))) {
                Act::Send(bytes) => stream.write_all(&bytes).await?,
                Act::SendAndClose(bytes) => {
                    stream.write_all(&bytes).await?;
                    return Ok(End::Close);
                }
                Act::SendAndReset(bytes) => {
                    stream.write_all(&bytes).await?;
                    return Ok(End::Reset);
                }
                Act::Drip(bytes) => {
                    stream.write_all(&bytes).await?;
                    drip(stream).await?;
                }
                Act::Hang => std::future::pending().await,
                Act::Late(wait, bytes) => {
                    tokio::time::sleep(wait).await;
                    stream.write_all(&bytes).await?;
                }
            }
        }
        Ok(End::Close)
    }
}

async fn drip(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stream.write_all(b" ").await?;
    }
}

/// How the server leaves a connection.
enum End {
    Close,
    Reset,
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return Ok(None) };
        head.push(byte);
    }
    Ok(Some(String::from_utf8(head).unwrap()))
}

/// A whole answer.
pub(super) fn reply(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    reply_with(status, &format!("content-type: {content_type}"), body.as_bytes())
}

/// A whole answer with these header lines.
pub(super) fn reply_with(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A whole answer in JSON.
pub(super) fn json(status: u16, body: &str) -> Act {
    Act::Send(reply(status, "application/json; charset=utf-8", body))
}
