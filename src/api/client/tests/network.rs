//! A network and a server that fail in the middle.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::fixture::*;
use crate::api::client::{HiddenUrl, Proxy};
use crate::api::error::Kind;
use crate::api::script::{Act, Server, json, reply, reply_with};

// fault: N2
#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Fixture::with(settings(&format!("http://{address}/live")));
    let error = client.reader.account().await.unwrap_err();
    assert_eq!(error.cause(), format!("{address} refused the connection"));
    assert_eq!((error.attempts, client.reader.requests()), (5, 5));
}

// fault: N2, N3
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_before_the_answer_is_tried_again() {
    for act in [Act::SendAndClose(Vec::new()), Act::SendAndReset(Vec::new())] {
        let server = Server::start([act.clone(), account()]).await;
        assert!(Fixture::of(&server).reader.account().await.is_ok());
        assert_eq!(server.seen().len(), 2);
        let server = Server::start(vec![act; 5]).await;
        let error = Fixture::of(&server).reader.account().await.unwrap_err();
        let host = server.address;
        let cause = format!("{host} closed the connection before its answer was whole");
        assert_eq!(error.cause(), cause);
    }
}

// fault: J1
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_is_tried_again() {
    let whole = reply(200, "application/json", r#"{"request_info":{"success":true}}"#);
    let part = whole[..whole.len() - 5].to_vec();
    let server = Server::start([Act::SendAndClose(part.clone()), account()]).await;
    assert!(Fixture::of(&server).reader.account().await.is_ok());

    let server = Server::start(vec![Act::SendAndClose(part); 5]).await;
    let error = Fixture::of(&server).reader.account().await.unwrap_err();
    assert_eq!(error.cause(), "the answer ends too early, after 28 bytes");

    let invalid = json(200, r#"{"request_info":{"success":true}"#);
    let server = Server::start([invalid, account()]).await;
    assert!(Fixture::of(&server).reader.account().await.is_ok());
}

// fault: N9, N10
#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_time_limit_however_the_answer_drips() {
    let head = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\n".to_vec();
    let body = [head.as_slice(), b"content-length: 9999\r\n\r\n"].concat();
    for act in [Act::Hang, Act::Drip(head), Act::Drip(body)] {
        let server = Server::start([act]).await;
        let mut settings = settings(&format!("http://{}", server.address));
        settings.max_attempts = 1;
        let began = Instant::now();
        let error = Fixture::with(settings).reader.account().await.unwrap_err();
        assert_eq!(error.kind, Kind::TimedOut { limit_ms: 30_000 });
        assert_eq!(error.cause(), "no whole answer in 30 s");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(31), "{took:?}");
    }
}

// fault: N10
#[tokio::test(start_paused = true)]
async fn a_slow_answer_within_the_limit_is_an_answer() {
    let body = r#"{"request_info":{"success":true},"account_info":{}}"#;
    let late = Act::Late(Duration::from_secs(29), reply(200, "application/json", body));
    let server = Server::start([late]).await;
    assert!(Fixture::of(&server).reader.account().await.is_ok());
}

// fault: H17
#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_decoded_is_a_broken_body() {
    let headers = "content-type: application/json\r\ncontent-encoding: gzip";
    let bad = || Act::Send(reply_with(200, headers, b"this is no gzip at all, not even close"));
    let server = Server::start([bad(), account()]).await;
    assert!(Fixture::of(&server).reader.account().await.is_ok());
    let server = Server::start((0..5).map(|_| bad())).await;
    let error = Fixture::of(&server).reader.account().await.unwrap_err();
    assert_eq!(error.kind, Kind::BrokenBody("the answer cannot be unpacked after 0 bytes".into()));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

// fault: J3
#[tokio::test(start_paused = true)]
async fn a_body_is_read_to_16_mib_and_no_further() {
    let headers = "content-type: application/json\r\ncontent-encoding: gzip";
    let fits = "x".repeat(16 * 1024 * 1024);
    let over = fits.clone() + "x";
    let bomb = vec![b' '; 64 * 1024 * 1024];
    for (act, reads) in [
        (Act::Send(reply_with(200, headers, &gzip(fits.as_bytes()))), true),
        (Act::Send(reply_with(200, headers, &gzip(over.as_bytes()))), false),
        (Act::Send(reply_with(200, headers, &gzip(&bomb))), false),
        (Act::Send(reply(200, "application/json", &over)), false),
    ] {
        let server = Server::start([act]).await;
        let client = Fixture::of(&server);
        let error = client.reader.account().await.unwrap_err();
        let was_read = matches!(error.kind, Kind::NotAnEnvelope { .. });
        assert_eq!((was_read, error.kind == Kind::TooLarge), (reads, !reads), "{error:?}");
        assert_eq!(client.reader.requests(), 1);
    }
}

// fault: N4
#[tokio::test(start_paused = true)]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = Server::start_tls([account()]).await;
    let mut settings = settings(&format!("https://{}/live", server.address));
    settings.max_attempts = 1;
    let error = Fixture::with(settings).reader.account().await.unwrap_err();
    let said = format!("the certificate of {} is not valid: ", server.address);
    assert!(error.cause().starts_with(&said), "{}", error.cause());
    assert!(matches!(error.kind, Kind::NotConnected(_)));
    assert_eq!(server.seen(), [] as [&str; 0], "nothing was sent");
}

fn through(proxy: &Server) -> crate::api::client::Settings {
    let mut settings = settings("https://api.invalid/live");
    settings.max_attempts = 1;
    settings.proxy = Some(Proxy {
        variable: "HTTPS_PROXY".into(),
        url: HiddenUrl(format!("http://user:hunter2@{}", proxy.address)),
        except: None,
    });
    settings
}

// fault: N7
#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_is_named_by_its_variable() {
    for (status, cause) in [
        (407, "via the proxy from HTTPS_PROXY: 407, it wants other credentials"),
        (
            502,
            "via the proxy from HTTPS_PROXY: cannot reach api.invalid: tunnel error: unsuccessful",
        ),
    ] {
        let proxy = Server::start([Act::Send(reply_with(status, "x: y", b""))]).await;
        let error = Fixture::with(through(&proxy)).reader.account().await.unwrap_err();
        assert_eq!(error.cause(), cause);
        assert_eq!(proxy.lines(), ["CONNECT api.invalid:443 HTTP/1.1"]);
        let shown = format!("{error:?} {:?}", through(&proxy));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

// fault: N7
#[tokio::test(start_paused = true)]
async fn a_proxy_is_left_aside_where_it_must_be() {
    let proxy = Server::start([]).await;
    let server = Server::start([account()]).await;
    let mut loopback = through(&proxy);
    loopback.base_url = format!("http://{}", server.address).parse().unwrap();
    assert!(Fixture::with(loopback).reader.account().await.is_ok());

    let tls = Server::start_tls([account()]).await;
    let mut excepted = through(&proxy);
    excepted.base_url = format!("https://{}", tls.address).parse().unwrap();
    excepted.proxy.as_mut().unwrap().except = Some("example.com, 127.0.0.0/8".into());
    let error = Fixture::with(excepted).reader.account().await.unwrap_err();
    assert!(error.cause().contains("certificate"), "it went there by itself: {}", error.cause());
    assert_eq!(proxy.seen().len(), 0);
}

// fault: N7
#[tokio::test(start_paused = true)]
async fn a_proxy_address_that_is_no_url_is_a_matter_of_setup() {
    let mut settings = settings("https://api.invalid/live");
    settings.proxy = Some(Proxy {
        variable: "https_proxy".into(),
        url: HiddenUrl("http://hunter2:hunter2@ /".into()),
        except: None,
    });
    let error = Fixture::try_with(settings).err().unwrap();
    assert_eq!(error.cause(), "the proxy's address in https_proxy is not a URL");
}

// fault: N8
#[tokio::test(start_paused = true)]
async fn plain_http_goes_to_loopback_only() {
    for (base, goes) in [
        ("http://127.0.0.1:1/live", true),
        ("http://127.9.9.9/live", true),
        ("http://[::1]:1/live", true),
        ("http://localhost/live", true),
        ("http://emulator.localhost/live", true),
        ("https://api.serpwow.com/live", true),
        ("http://api.serpwow.com/live", false),
        ("http://10.0.0.1/live", false),
        ("http://0.0.0.0/live", false),
        ("http://localhost.example.com/", false),
        ("ftp://127.0.0.1/", false),
    ] {
        let made = Fixture::try_with(settings(base));
        assert_eq!(made.is_ok(), goes, "{base}");
        let Err(error) = made.map(|_| ()) else { continue };
        assert!(error.cause().starts_with("https is required"), "{}", error.cause());
    }
}

/// Runs itself again in a process whose machine has no CA certificates, and an environment that
/// names proxies: what the environment says is `main`'s business, and the key's way is ours.
// fault: N5, N7
#[tokio::test(start_paused = true)]
async fn a_machine_without_ca_certificates_is_told_so_and_loopback_needs_none() {
    const MARK: &str = "BATCHSWEEP_TEST_WITHOUT_CA";
    if std::env::var_os(MARK).is_some() {
        let error = Fixture::try_with(settings("https://api.invalid/live")).err().unwrap();
        let said = "no CA certificates found; install the package ca-certificates, or let \
                    SSL_CERT_FILE name a bundle";
        assert_eq!(error.kind, Kind::Setup(said.into()));
        let server = Server::start([account()]).await;
        assert!(Fixture::of(&server).reader.account().await.is_ok());
        return;
    }
    let name = "api::client::tests::network::\
                a_machine_without_ca_certificates_is_told_so_and_loopback_needs_none";
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(MARK, "1")
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent")
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|v| (v, "127.0.0.1:1")))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}
