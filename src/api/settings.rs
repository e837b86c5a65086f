//! What a client is made of: where to call, how fast, with which key, and what surrounds it.
//!
//! Not here: where the values come from (`config` fills them in).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::api::pacing::ListWindow;
use crate::api::product::Product;
use crate::batch::hex;
use crate::clock::Clock;
use crate::observe::event::{Observer, Scope};

/// Where and how to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which product.
    pub product: Product,
    /// Where its API is: https, or plain http to loopback (`config` sees to that).
    pub base_url: Url,
    /// Calls a second, of all kinds; at least 1.
    pub requests_per_second: u32,
    /// How long one call may take, from its first byte to the last of its answer.
    pub request_timeout: Duration,
    /// How often one call is tried; at least 1.
    pub max_attempts: u32,
    /// The proxy for https, and the environment variable that named it.
    pub proxy: Option<Proxy>,
}

/// A proxy that the environment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The variable's name, for messages.
    pub variable: String,
    /// Its value; may hold credentials, so it is never shown.
    pub url: HiddenUrl,
    /// `NO_PROXY`, as written.
    pub except: Option<String>,
}

/// A URL that may hold credentials: shown as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenUrl(pub String);

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The key of an account.
#[derive(Debug, Clone)]
pub struct ApiKey(pub SecretString);

impl ApiKey {
    /// Whether both are the same key: then they open the same account of the vendor.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }

    /// Says which key it is without saying it: the first 8 hex digits of HMAC-SHA-256 of a fixed label.
    pub fn fingerprint(&self) -> String {
        let key = self.0.expose_secret().as_bytes();
        // Every length of key is taken; without one, there is nothing to tell.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
        mac.update(b"batchsweep key fingerprint");
        let mut digits = hex(&mac.finalize().into_bytes());
        digits.truncate(8);
        digits
    }
}

/// Where the key comes from, so that it can be read again when it is refused: it may have been
/// rotated since (fault H3).
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The key as it is now; `None` where it cannot be read.
    fn read_again(&self) -> Option<ApiKey>;
}

/// What a client works with besides its settings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Whose events it emits.
    pub scope: Scope,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who is told of retries and pauses.
    pub observer: Arc<dyn Observer>,
    /// The account's list calls so far.
    pub lists: ListWindow,
    /// Seeds the jitter of waits.
    pub seed: u64,
    /// Cancelled when the program is to stop: waits and reads end early, a DELETE in flight does not.
    pub stop: CancellationToken,
}
