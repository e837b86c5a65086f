//! Serving: connections that can be reset, and the way of one request through the emulator.
//!
//! Not here: what a call is answered (`routes`). Invariant: only tokio's time, no thread, so that client
//! and emulator may share one runtime whose time stands still. The lock is never held over an await.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::Emulator;
use super::answer::Answer;
use super::call::Call;
use super::delivery;
use super::fault::{Damage, Ending, Orders};
use super::log::Fate;
use super::product::Product;

/// The longest request body that is read: a chunk of 1,000 searches is far below.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An emulator that is serving. Dropped, it closes its port and every connection.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    product: Product,
    _stop: DropGuard,
    _serving: JoinSet<()>,
}

impl Running {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a client, with the product's prefix and without a trailing slash.
    pub fn base_url(&self) -> String {
        match self.product.prefix() {
            Some(prefix) => format!("http://{}/{prefix}", self.address),
            None => format!("http://{}", self.address),
        }
    }
}

impl Emulator {
    /// Serves on a free port of 127.0.0.1, in a task of the present runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(&self) -> io::Result<Running> {
        self.serve(TcpListener::bind("127.0.0.1:0").await?)
    }

    /// Serves on that listener, in a task of the present runtime.
    ///
    /// # Errors
    /// When the listener does not know its address.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Running> {
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let wires = Wires { listener, stop: stop.clone() };
        let service = Router::new()
            .fallback(handle)
            .with_state(self.clone())
            .into_make_service_with_connect_info::<Switch>();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It ends only with the task.
            drop(axum::serve(wires, service).await);
        });
        let product = self.product();
        Ok(Running { address, product, _stop: stop.drop_guard(), _serving: serving })
    }
}

/// One request, from its arrival to its answer.
async fn handle(
    State(emulator): State<Emulator>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return delivery::response(Answer::refused(400, "emulated: unreadable body"), &[]);
    };
    let call = emulator.read(&parts, body);
    let (number, mut orders) = emulator.open(&call);
    let mut open = OpenCall { emulator: &emulator, number, fate: Fate::default() };
    open.fate.faulty = orders.struck;

    let pause = emulator.latency() + orders.delay;
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let ending = open.carry_out(&call, &mut orders);
    match ending {
        Ending::Answer(answer) => open.send(answer, &orders),
        Ending::Hang => std::future::pending().await,
        Ending::Reset => {
            switch.reset();
            delivery::response(Answer::empty(500), &[])
        }
    }
}

/// A call that is not answered yet; dropped, it is closed in the log, also when its client has left.
struct OpenCall<'a> {
    emulator: &'a Emulator,
    number: usize,
    fate: Fate,
}

impl OpenCall<'_> {
    /// Changes the world as the call says, unless a fault stands in place of that.
    fn carry_out(&mut self, call: &Call, orders: &mut Orders) -> Ending {
        if let Some(ending) = orders.instead.take() {
            self.emulator.edit_all(std::mem::take(&mut orders.edits_before));
            return ending;
        }
        let answer = self.emulator.answer(self.number, call, orders, &mut self.fate);
        let Some(ending) = orders.after.take() else { return Ending::Answer(answer) };
        self.unseen();
        ending
    }

    /// The client does not learn what the true answer said.
    fn unseen(&mut self) {
        self.fate.saw = None;
        self.fate.confirmed = false;
    }

    fn send(mut self, answer: Answer, orders: &Orders) -> Response<Body> {
        self.fate.status = Some(answer.status);
        if orders.damages.iter().any(Damage::is_fatal) {
            self.unseen();
        }
        let mut answer = self.emulator.with_headers(answer, self.number);
        let own = orders.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        answer.headers.extend(own);
        delivery::response(answer, &orders.damages)
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.emulator.close(self.number, &self.fate);
    }
}

/// A listener whose connections can be reset one by one, and closed all together.
#[derive(Debug)]
struct Wires {
    listener: TcpListener,
    stop: CancellationToken,
}

impl Listener for Wires {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => return (Wire::new(stream, &self.stop), address),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Resets the connection that a request came on.
#[derive(Debug, Clone, Default)]
struct Switch(Arc<AtomicBool>);

impl Switch {
    fn reset(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_reset(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connected<IncomingStream<'_, Wires>> for Switch {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Self {
        stream.io().switch.clone()
    }
}

/// One connection.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    switch: Switch,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Wire {
    fn new(stream: TcpStream, stop: &CancellationToken) -> Self {
        // Without it, every small answer may wait for the client's acknowledgement. It is a matter of
        // speed alone, so a failure is no reason not to serve.
        drop(stream.set_nodelay(true));
        let stopped = Box::pin(stop.clone().cancelled_owned());
        Self { stream, switch: Switch::default(), stopped }
    }

    /// An error once the connection is to end.
    fn alive(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let is_over = self.switch.is_reset() || self.stopped.as_mut().poll(context).is_ready();
        if is_over { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.switch.is_reset() {
            // Closed without lingering, the socket sends a reset. If that cannot be set, the client sees
            // a plain end of the connection, which it must bear as well.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
