//! Notifications: what people and other programs are told of a run or of the service, over HTTP.
//!
//! `digest` makes one message of a run's events (pure), `words` and `outgoing` make of it what a target
//! takes (pure), `send` makes the call, `desk` queues, tries again and gives up.
//! Not here: which targets there are (`config`), when runs happen.
//! Invariant: a notification never fails, delays or changes a run; the address and the secret of a target
//! are in no error, event or `Debug`, and the API key is nowhere near.

pub mod digest;
mod words;
mod outgoing;
mod send;
mod desk;
#[cfg(feature = "mail")]
mod mail;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use crate::api::client::Proxy;
use crate::batch::AccountName;

pub use self::desk::{Desk, Opened, try_once};
pub use self::send::Trial;

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Microsoft Teams that takes webhook requests.
    Teams,
    /// A program of one's own: JSON, signed after Standard Webhooks where there is a secret.
    Webhook,
    /// A check of healthchecks.io, or of something that speaks as it does.
    Healthchecks,
    /// A mailbox, by a mail server.
    #[cfg(feature = "mail")]
    Email,
}

impl Kind {
    /// All of them that this build has.
    pub const ALL: &'static [Self] = &[
        Self::Slack,
        Self::Teams,
        Self::Webhook,
        Self::Healthchecks,
        #[cfg(feature = "mail")]
        Self::Email,
    ];

    /// Whether it is told by mail.
    pub const fn is_mail(self) -> bool {
        match self {
            Self::Slack | Self::Teams | Self::Webhook | Self::Healthchecks => false,
            #[cfg(feature = "mail")]
            Self::Email => true,
        }
    }

    /// Its name in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Webhook => "webhook",
            Self::Healthchecks => "healthchecks",
            #[cfg(feature = "mail")]
            Self::Email => "email",
        }
    }

    /// What it is told of if the file does not say: people what wants a look, a program all, a
    /// dead-man's switch what it needs to know whether runs happen.
    pub fn default_classes(self) -> BTreeSet<Class> {
        match self {
            Self::Slack | Self::Teams => {
                BTreeSet::from([Class::Guard, Class::Failure, Class::Warning])
            }
            #[cfg(feature = "mail")]
            Self::Email => BTreeSet::from([Class::Guard, Class::Failure, Class::Warning]),
            Self::Webhook => Class::ALL.into_iter().collect(),
            Self::Healthchecks => {
                BTreeSet::from([Class::Start, Class::Success, Class::Failure, Class::Guard])
            }
        }
    }
}

/// What a message is about. A message may be of several; the first in this order leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A guard stopped a plan.
    Guard,
    /// A run ended otherwise than well.
    Failure,
    /// Something that is no run's failure and wants a look.
    Warning,
    /// A run deleted something.
    Deleted,
    /// A run ended well, also with nothing to do.
    Success,
    /// A run began.
    Start,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Guard, Self::Failure, Self::Warning, Self::Deleted, Self::Success, Self::Start];

    /// Its name in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Failure => "failure",
            Self::Warning => "warning",
            Self::Deleted => "deleted",
            Self::Success => "success",
            Self::Start => "start",
        }
    }
}

/// Where messages go. The whole of it is a secret: whoever knows it can write there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

/// Why a text is no address. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It cannot be read.
    #[error("it is not a URL")]
    NotUrl,
    /// It would travel in clear.
    #[error("it is not https; plain http is for this machine only (127.0.0.1, localhost)")]
    NotHttps,
    /// Passwords and mail would travel in clear.
    #[error(
        "it is neither `smtps://…` nor `smtp://…?tls=required`; plain smtp is for this machine only"
    )]
    NotSecure,
    /// It has a part that is not sent.
    #[error("it has a user, a password or a `#`, which are not sent")]
    NotPlain,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is no URL, or messages to it would travel in clear.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let url = Url::parse(text).map_err(|_holds_it| BadAddress::NotUrl)?;
        let is_loopback = is_loopback(&url)?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            return Err(BadAddress::NotHttps);
        }
        let has_more =
            !url.username().is_empty() || url.password().is_some() || url.fragment().is_some();
        if has_more { Err(BadAddress::NotPlain) } else { Ok(Self(url)) }
    }

    /// Reads the address of a mail server, with user and password where it asks for them.
    ///
    /// # Errors
    /// When it is no URL, or mail to it would travel in clear.
    pub fn parse_mail(text: &str) -> Result<Self, BadAddress> {
        let url = Url::parse(text).map_err(|_holds_it| BadAddress::NotUrl)?;
        // Of a scheme that URLs know nothing of, hosts are texts.
        let is_here =
            url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
        let is_secure = match url.scheme() {
            "smtps" => true,
            "smtp" => is_here || url.query() == Some("tls=required"),
            _ => false,
        };
        match (url.host_str(), is_secure) {
            (None | Some(""), _) => Err(BadAddress::NotUrl),
            (Some(_), false) => Err(BadAddress::NotSecure),
            (Some(_), true) => Ok(Self(url)),
        }
    }

    /// The only part of it that may be told.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The address with a word after its path and an argument, for pings.
    fn with(&self, word: &str, argument: Option<(&str, &str)>) -> Url {
        let mut url = self.0.clone();
        if !word.is_empty() {
            let path = format!("{}/{word}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        if let Some((name, value)) = argument {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }

    /// Whether it is on this machine, over plain http.
    pub fn is_local(&self) -> bool {
        self.0.scheme() == "http"
    }
}

/// Whether a URL of http or https leads to this machine.
fn is_loopback(url: &Url) -> Result<bool, BadAddress> {
    match url.host() {
        Some(Host::Ipv4(ip)) => Ok(ip.is_loopback()),
        Some(Host::Ipv6(ip)) => Ok(ip.is_loopback()),
        Some(Host::Domain(name)) => Ok(name == "localhost"),
        None => Err(BadAddress::NotUrl),
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What messages are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// A text that is no signing secret. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not `whsec_` and 24 to 64 bytes in base64 after it")]
pub struct BadSecret;

impl SigningSecret {
    /// Reads a secret as Standard Webhooks writes it.
    ///
    /// # Errors
    /// When it is written otherwise, or too short or long.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").ok_or(BadSecret)?);
        let bytes = bytes.map_err(|_holds_it| BadSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(BadSecret) }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Whom to tell, of what and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name in the file.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub address: Address,
    /// What messages are signed with.
    pub secret: Option<SigningSecret>,
    /// What it is told of.
    pub on: BTreeSet<Class>,
    /// Whose runs; `None`: all accounts.
    pub accounts: Option<BTreeSet<AccountName>>,
    /// What is between it and this machine.
    pub proxy: Option<Proxy>,
    /// From whom to whom, of mail.
    pub envelope: Option<Envelope>,
}

/// From whom mail is, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// One mailbox.
    pub from: String,
    /// At least one.
    pub to: Vec<String>,
}

impl Target {
    /// Whether it is told of this. What concerns no account concerns everybody.
    fn wants(&self, classes: &BTreeSet<Class>, account: Option<&AccountName>) -> bool {
        let is_served = match (&self.accounts, account) {
            (Some(accounts), Some(account)) => accounts.contains(account),
            (None, _) | (_, None) => true,
        };
        is_served && !self.on.is_disjoint(classes)
    }
}
