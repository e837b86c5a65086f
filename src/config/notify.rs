//! `[notify.NAME]`: whom to tell, of what, and where the address is, which is a secret.
//!
//! Not here: what is told and how it is sent (`notify`), reading sources (`secret`).
//! Invariant: neither an address nor a secret is ever in the file or in a message.

use std::collections::BTreeSet;
use std::path::Path;

use super::accounts::{self, rule_or_account_name};
use super::check::{Check, Told};
use super::diagnose::Complaint;
use super::environment::Environment;
use super::hide;
use super::near;
use super::place::KeyPath;
use super::raw::RawNotify;
use super::secret::{KeyOrigin, KeyProblem};
use crate::batch::{AccountName, RuleName};
use crate::notify::{Address, Class, Envelope, Kind, SigningSecret, Target};

/// One `[notify.NAME]`, checked. What its sources hold is read when it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where its address is.
    pub url: KeyOrigin,
    /// Where what it is signed with is.
    pub secret: Option<KeyOrigin>,
    /// What it is told of.
    pub on: BTreeSet<Class>,
    /// Whose runs; `None`: all accounts.
    pub accounts: Option<BTreeSet<AccountName>>,
    /// From whom to whom, of mail.
    pub envelope: Option<Envelope>,
}

impl Channel {
    /// Reads address and secret.
    ///
    /// # Errors
    /// When either cannot be had, in words without what was read.
    pub fn open(&self, env: &Environment) -> Result<Target, String> {
        let text = self.url.text(env).map_err(|problem| words("URL", &problem))?;
        let parse = if self.kind.is_mail() { Address::parse_mail } else { Address::parse };
        let address = parse(&text).map_err(|bad| {
            format!("the URL in {} cannot be used: {bad}", self.url.in_words(env))
        })?;
        let secret = match &self.secret {
            None => None,
            Some(origin) => {
                let text = origin.text(env).map_err(|problem| words("secret", &problem))?;
                let secret = SigningSecret::parse(&text).map_err(|bad| {
                    format!("the secret in {} cannot be used: {bad}", origin.in_words(env))
                })?;
                Some(secret)
            }
        };
        Ok(Target {
            name: self.name.clone(),
            kind: self.kind,
            proxy: if address.is_local() || self.kind.is_mail() {
                None
            } else {
                accounts::proxy_of(env)
            },
            address,
            secret,
            on: self.on.clone(),
            accounts: self.accounts.clone(),
            envelope: self.envelope.clone(),
        })
    }
}

/// Why a source gives nothing, for people.
fn words(what: &str, problem: &KeyProblem) -> String {
    format!("its {what} cannot be read: {}", problem.of_source())
}

/// Reads all of them, in the order of their names.
pub(super) fn read_all(check: &mut Check<'_, '_>, folder: &Path) -> Vec<Channel> {
    let layered = check.layered;
    let path = KeyPath::of(["notify"]);
    let read = layered.raw.notify.iter().filter_map(|(name, raw)| {
        let path = path.then(name.as_str());
        refuse_the_url_itself(check, &path, raw);
        let kind = kind(check, &path, raw);
        let url = source(check, &path, URL.zip_with(raw.url_file.as_ref(), raw.url_env.as_ref(), raw.url_credential.as_ref()), folder);
        let secrets =
            SECRET.zip_with(raw.secret_file.as_ref(), raw.secret_env.as_ref(), raw.secret_credential.as_ref());
        let secret = source(check, &path, secrets, folder);
        if let Some(kind) = kind {
            refuse_a_useless_secret(check, &path, kind, secrets);
        }
        if url == Source::None && raw.url.is_none() && !layered.is_damaged(&path) {
            let message = "it does not say where its URL is";
            let help = "add `url_file`, `url_env` or `url_credential`: the URL is a secret, and not written here";
            check.key(&path, Complaint::error(message).help(help));
        }
        let on = classes(check, &path, raw, kind);
        let accounts = served(check, &path, raw);
        let envelope = envelope(check, &path, raw, kind);
        let name = rule_or_account_name(check, &path, name, RuleName::parse);
        let Source::At(url) = url else { return None };
        let secret = match secret {
            Source::None => None,
            Source::At(origin) => Some(origin),
            Source::Bad => return None,
        };
        let (name, kind) = (name?.to_string(), kind?);
        Some(Channel { name, kind, url, secret, on: on?, accounts: accounts.ok()?, envelope: envelope.ok()? })
    });
    read.collect()
}

/// Where a secret is said to be.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    None,
    At(KeyOrigin),
    Bad,
}

/// The three keys that say where a secret is.
struct Keys([&'static str; 3]);

const URL: Keys = Keys(["url_file", "url_env", "url_credential"]);
const SECRET: Keys = Keys(["secret_file", "secret_env", "secret_credential"]);

/// The three keys, each with what is written.
type Written<'r> = [(&'static str, Option<&'r String>); 3];

impl Keys {
    fn zip_with<'r>(
        &self,
        file: Option<&'r String>,
        env: Option<&'r String>,
        credential: Option<&'r String>,
    ) -> Written<'r> {
        let [first, second, third] = self.0;
        [(first, file), (second, env), (third, credential)]
    }
}

fn source(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    written: Written<'_>,
    folder: &Path,
) -> Source {
    let mut named = written.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let Some((key, value)) = named.next() else { return Source::None };
    if let Some((second, _)) = named.next() {
        let message = format!("it has two sources: `{key}` and `{second}`");
        check.key(&path.then(second), Complaint::error(message).help("keep one of them"));
        return Source::Bad;
    }
    let origin = if value.contains("://") || value.starts_with("whsec_") {
        let what = "this takes where the secret is, and looks like the secret itself";
        Err(Complaint::error(what).help("write it to a file of its own, and the file's path here"))
    } else {
        accounts::origin(key, value, folder)
    };
    check.take(&path.then(key), origin).map_or(Source::Bad, Source::At)
}

fn refuse_the_url_itself(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawNotify) {
    for (key, value) in [("url", raw.url), ("secret", raw.secret)] {
        if value.is_some() {
            let message = format!("a {key} is a secret, and is not written in this file");
            let help = format!(
                "write it to a file of its own, mode 0600, and name that: `{key}_file = \"/etc/batchsweep/…\"`; \
                 or use `{key}_env` or `{key}_credential`"
            );
            check.key(&path.then(key), Complaint::error(message).help(help));
        }
    }
}

fn refuse_a_useless_secret(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    kind: Kind,
    written: Written<'_>,
) {
    let named = written.into_iter().find(|(_, value)| value.is_some());
    if let Some((key, _)) = named.filter(|_| kind != Kind::Webhook) {
        let message = format!("kind \"{}\" signs nothing", kind.as_str());
        let help = "take it away; only kind \"webhook\" has a secret";
        check.key(&path.then(key), Complaint::error(message).help(help));
    }
}

fn kind(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawNotify) -> Option<Kind> {
    let path = path.then("kind");
    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let Some(name) = &raw.kind else {
        if !check.layered.is_damaged(&path) {
            let complaint = Complaint::error("it does not say what it is");
            check.key(&path, complaint.help(format!("add `kind`: {}", near::one_of(&names))));
        }
        return None;
    };
    let kind = Kind::ALL.iter().copied().find(|kind| kind.as_str() == name.as_str());
    let kind = kind.ok_or_else(|| match name.as_str() {
        "email" => Complaint::error("this program was built without e-mail").help(
            "build it with `--features mail`, or let a webhook, a chat or a health check do it",
        ),
        name => Complaint::error(format!("unknown kind `{}`", hide::shown(name)))
            .help(near::did_you_mean(name, &names)),
    });
    check.take(&path, kind)
}

/// What it is told of: as written, or as is usual for its kind.
fn classes(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawNotify,
    kind: Option<Kind>,
) -> Option<BTreeSet<Class>> {
    let Some(texts) = &raw.on else { return kind.map(Kind::default_classes) };
    let names = Class::ALL.map(Class::as_str);
    let classes = check.each(&path.then("on"), texts, |text| {
        let class = Class::ALL.into_iter().find(|class| class.as_str() == text);
        class.ok_or_else(|| {
            Complaint::error(format!("unknown event class `{}`", hide::shown(text)))
                .help(near::did_you_mean(text, &names))
        })
    });
    Some(classes?.into_iter().collect())
}

/// From whom to whom, of mail; no other kind has it.
fn envelope(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawNotify,
    kind: Option<Kind>,
) -> Result<Option<Envelope>, Told> {
    let Some(kind) = kind else { return Err(Told) };
    if !kind.is_mail() {
        for key in [("from", raw.from.is_some()), ("to", raw.to.is_some())] {
            if key.1 {
                let message = format!("kind \"{}\" has no `{}`", kind.as_str(), key.0);
                let help = "take it away; only kind \"email\" has it";
                check.key(&path.then(key.0), Complaint::error(message).help(help));
            }
        }
        return Ok(None);
    }
    let (Some(from), Some(to)) = (&raw.from, &raw.to) else {
        let help = "add `from = \"batchsweep@example.org\"` and `to = [\"ops@example.org\"]`";
        let message = "mail needs `from` and `to`";
        check.key(path, Complaint::error(message).help(help));
        return Err(Told);
    };
    let from = mailbox(check, &path.then("from"), from);
    let to = check.each(&path.then("to"), to, |text| is_mailbox(text).map(|()| text.to_owned()));
    let (from, to) = from.zip(to).ok_or(Told)?;
    Ok(Some(Envelope { from, to }))
}

fn mailbox(check: &mut Check<'_, '_>, path: &KeyPath, text: &str) -> Option<String> {
    let read = is_mailbox(text).map(|()| text.to_owned());
    check.take(path, read)
}

#[cfg(feature = "mail")]
fn is_mailbox(text: &str) -> Result<(), Complaint> {
    text.parse::<lettre::message::Mailbox>().map(drop).map_err(|_unsaid| {
        let message = format!("`{}` is no mailbox", hide::shown(text));
        Complaint::error(message).help("such as `ops@example.org` or `Ops <ops@example.org>`")
    })
}

#[cfg(not(feature = "mail"))]
#[expect(clippy::unnecessary_wraps, reason = "a build without mail has no mailbox to read")]
const fn is_mailbox(_: &str) -> Result<(), Complaint> {
    Ok(())
}

/// Whose runs it is told of: `None` is of all.
fn served(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawNotify,
) -> Result<Option<BTreeSet<AccountName>>, Told> {
    let Some(texts) = &raw.accounts else { return Ok(None) };
    let known: Vec<&str> = check.layered.raw.accounts.keys().map(String::as_str).collect();
    let accounts = check.each(&path.then("accounts"), texts, |text| {
        let is_known = known.contains(&text);
        let name = AccountName::parse(text).ok().filter(|_| is_known);
        name.ok_or_else(|| {
            Complaint::error(format!("the file has no account `{}`", hide::shown(text)))
                .help(near::did_you_mean(text, &known))
        })
    });
    accounts.map(|accounts| Some(accounts.into_iter().collect())).ok_or(Told)
}
