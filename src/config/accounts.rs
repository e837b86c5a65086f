//! Accounts: which product, where, with which key, and through which proxy.
//!
//! Not here: reading the key (`secret`), the rules that serve an account (`rules`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::check::Check;
use super::diagnose::Complaint;
use super::environment::Environment;
use super::hide;
use super::near;
use super::place::KeyPath;
use super::raw::RawAccount;
use super::secret::KeyOrigin;
use super::timing::{self, Times};
use crate::api::client::{HiddenUrl, Proxy};
use crate::api::product::Product;
use crate::batch::AccountName;
use crate::guards::Expected;

/// One `[accounts.NAME]`, read.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    pub(super) name: AccountName,
    pub(super) product: Product,
    pub(super) base_url: Url,
    pub(super) proxy: Option<Proxy>,
    pub(super) key: KeyOrigin,
    pub(super) expected: Option<Expected>,
    pub(super) times: Times,
}

/// Reads all accounts, in the order of their names.
pub(super) fn read_all(check: &mut Check<'_, '_>, env: &Environment, file: &Path) -> Vec<Reached> {
    let layered = check.layered;
    let path = KeyPath::of(["accounts"]);
    if layered.raw.accounts.is_empty() && !layered.is_damaged(&KeyPath::default()) {
        let complaint = Complaint::error("no account: there is nothing to work on");
        let help = "add `[accounts.main]` with `product = \"serpwow\"` and `api_key_file`";
        check.key(&path, complaint.help(help));
    }
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let read = layered.raw.accounts.iter().filter_map(|(name, raw)| {
        let path = path.then(name.as_str());
        let key = key_origin(check, &path, raw, folder);
        let expected = raw.expect_batches.and_then(|range| {
            let range = check.range(&path.then("expect_batches"), range)?;
            Some(Expected { min: range.min, max: range.max })
        });
        let name = rule_or_account_name(check, &path, name, AccountName::parse);
        let product = product(check, &path, raw);
        let base_url = base_url(check, &path, raw, product);
        let name = name?;
        let times = timing::of_account(check, &name);
        let (product, base_url) = (product?, base_url?);
        let proxy = proxy(&base_url, env);
        Some(Reached { name, product, base_url, proxy, key: key?, expected, times })
    });
    let read: Vec<_> = read.collect();
    warn_of_twins(check, &read);
    read
}

/// A name that the file gives.
pub(super) fn rule_or_account_name<T>(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, crate::batch::BadName>,
) -> Option<T> {
    match parse(name) {
        Ok(name) => Some(name),
        Err(bad) => {
            let message = format!("`{}`: {bad}", hide::shown(name));
            let simpler: String = name
                .to_lowercase()
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .take(64)
                .collect();
            let help = match parse_help(&simpler) {
                Some(simpler) => format!("write `{simpler}`"),
                None => "such as `main` or `old-reports`".to_owned(),
            };
            check.key(path, Complaint::error(message).help(help));
            None
        }
    }
}

/// A name made simpler, if something of it is left.
fn parse_help(simpler: &str) -> Option<&str> {
    let worth = simpler.chars().any(|c| c.is_ascii_alphanumeric());
    (worth && !hide::has_key_material(simpler)).then_some(simpler)
}

fn product(check: &mut Check<'_, '_>, path: &KeyPath, raw: &RawAccount) -> Option<Product> {
    let names = Product::ALL.map(Product::as_str);
    let path = path.then("product");
    let Some(name) = &raw.product else {
        if !check.layered.is_damaged(&path) {
            let complaint = Complaint::error("the account does not say which product it is of");
            check.key(&path, complaint.help(format!("add `product`: {}", near::one_of(&names))));
        }
        return None;
    };
    let product = Product::parse(name).ok_or_else(|| {
        Complaint::error(format!("unknown product `{}`", hide::shown(name)))
            .help(near::did_you_mean(name, &names))
    });
    check.take(&path, product)
}

fn base_url(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawAccount,
    product: Option<Product>,
) -> Option<Url> {
    let path = path.then("base_url");
    let Some(text) = &raw.base_url else { return Url::parse(product?.base_url()).ok() };
    let url = check.take(&path, parse_base_url(text))?;
    if product == Some(Product::Serpwow) && !url.path().ends_with("/live") {
        let complaint = Complaint::warning("SerpWow's API is under `/live`, and this is not");
        check.value(&path, complaint.help(format!("is it `{}/live`?", bare(&url))));
    }
    Some(url)
}

/// A URL without the slash at its end.
fn bare(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// A base URL is where the key goes: https, or this machine, and nothing that could hide a secret.
fn parse_base_url(text: &str) -> Result<Url, Complaint> {
    let mut url = Url::parse(text).map_err(|error| {
        Complaint::error(format!("this is not a URL: {error}"))
            .help("such as `https://api.serpwow.com/live`")
    })?;
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if has_credentials {
        return Err(Complaint::error("a base URL has no user and no password")
            .help("the key is sent by itself; see `api_key_file`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Complaint::error("a base URL has no `?` and no `#`")
            .help("write it up to the path, such as `https://api.serpwow.com/live`"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(Complaint::error("over plain http the key would travel in clear")
                .help("write https; plain http is for this machine only (127.0.0.1, localhost)"));
        }
        _ => return Err(Complaint::error("a base URL begins with https").help("write `https://…`")),
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Which source the account names, if it names one and not two.
fn key_origin(
    check: &mut Check<'_, '_>,
    path: &KeyPath,
    raw: &RawAccount,
    folder: &Path,
) -> Option<KeyOrigin> {
    let sources = [
        ("api_key_file", &raw.api_key_file),
        ("api_key_env", &raw.api_key_env),
        ("api_key_credential", &raw.api_key_credential),
    ];
    let mut named = sources.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let Some((key, value)) = named.next() else { return Some(KeyOrigin::Default) };
    if let Some((second, _)) = named.next() {
        let message = format!("the account has two key sources: `{key}` and `{second}`");
        check.key(&path.then(second), Complaint::error(message).help("keep one of them"));
        return None;
    }
    check.take(&path.then(key), origin(key, value, folder))
}

/// The source that a key ending in `_file`, `_env` or `_credential` names.
pub(super) fn origin(key: &str, value: &str, folder: &Path) -> Result<KeyOrigin, Complaint> {
    if key.ends_with("_file") {
        key_file(value, folder).map(KeyOrigin::File)
    } else if key.ends_with("_env") {
        variable(value).map(KeyOrigin::Variable)
    } else {
        credential(value).map(KeyOrigin::Credential)
    }
}

/// A relative path is beside the file that names it: services start in `/`.
fn key_file(value: &str, folder: &Path) -> Result<PathBuf, Complaint> {
    refuse_the_key_itself(value, "a path")?;
    if value.is_empty() || value.contains('\0') {
        return Err(
            Complaint::error("this is not a path").help("such as `/etc/batchsweep/api-key`")
        );
    }
    Ok(folder.join(value))
}

fn variable(value: &str) -> Result<String, Complaint> {
    refuse_the_key_itself(value, "the name of an environment variable")?;
    let well_formed = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if value.is_empty() || !well_formed || value.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Complaint::error("this is not the name of an environment variable")
            .help("letters, digits and `_`, such as `SERPWOW_API_KEY`"));
    }
    Ok(value.to_owned())
}

fn credential(value: &str) -> Result<String, Complaint> {
    refuse_the_key_itself(value, "the name of a credential")?;
    let well_formed = value.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if value.is_empty() || !well_formed || matches!(value, "." | "..") {
        return Err(Complaint::error("this is not the name of a credential")
            .help("the name in LoadCredential=, such as `api-key`"));
    }
    Ok(value.to_owned())
}

/// The key in place of its source is the likeliest slip, and must not be shown.
fn refuse_the_key_itself(value: &str, wanted: &str) -> Result<(), Complaint> {
    let is_path = value.contains('/');
    if !is_path && hide::has_key_material(value) {
        return Err(Complaint::error(format!("this takes {wanted}, and looks like a key itself"))
            .help("write the key to a file of its own and use `api_key_file`"));
    }
    Ok(())
}

/// The proxy that the environment asks for. Plain http is for this machine, so it needs none.
fn proxy(base_url: &Url, env: &Environment) -> Option<Proxy> {
    if base_url.scheme() == "http" { None } else { proxy_of(env) }
}

/// The proxy for what leaves this machine.
pub(super) fn proxy_of(env: &Environment) -> Option<Proxy> {
    let first = |names: &[&'static str]| {
        let set = names.iter().filter_map(|name| Some((*name, env.get(name)?)));
        set.into_iter().find(|(_, value)| !value.is_empty())
    };
    let (variable, url) = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
    let except = first(&["NO_PROXY", "no_proxy"]).map(|(_, value)| value.to_owned());
    Some(Proxy { variable: variable.to_owned(), url: HiddenUrl(url.to_owned()), except })
}

/// Two accounts with one key are one account, which is then swept twice.
fn warn_of_twins(check: &mut Check<'_, '_>, accounts: &[Reached]) {
    let mut seen: BTreeMap<(&KeyOrigin, Product), &AccountName> = BTreeMap::new();
    for account in accounts {
        let Some(first) = seen.insert((&account.key, account.product), &account.name) else {
            continue;
        };
        let message = format!("`{}` and `{first}` have one key and one product", account.name);
        let complaint = Complaint::warning(message)
            .help("they are one account, and each run of it would be made twice");
        check.key(&KeyPath::of(["accounts", account.name.as_str()]), complaint);
    }
}
