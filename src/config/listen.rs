//! `[server]`: where the service listens, and by which names. Without the table, nowhere.
//!
//! Also of files with mistakes: a service that runs keeps what was right before, and a probe that read such
//! files as "dead" would have it restarted into them. Not here: listening, asking (`daemon`).

use std::net::{AddrParseError, SocketAddr};

use toml::de::DeTable;

use super::check::Check;
use super::defaults;
use super::diagnose::{Complaint, Sources};
use super::environment::Environment;
use super::hide;
use super::place::KeyPath;

/// The variable that overrides it.
const VARIABLE: &str = "BATCHSWEEP__SERVER__LISTEN";

/// What switches it off.
const OFF: &str = "off";

/// Reads where; `None` where nowhere.
pub(super) fn read(check: &mut Check<'_, '_>) -> Option<SocketAddr> {
    let layered = check.layered;
    let server = layered.raw.server.as_ref()?;
    let text = server.listen.as_deref().unwrap_or(defaults::LISTEN);
    let by_port = || text.strip_prefix(':')?.parse::<u16>().ok();
    let parsed = parse(text).map_err(|_bad| {
        let help = match by_port() {
            Some(port) => format!("for every address of this machine: `0.0.0.0:{port}`"),
            None => "an address and a port, such as `127.0.0.1:9464` or `[::1]:9464`; or \"off\""
                .to_owned(),
        };
        Complaint::error(format!("`{}` is nowhere to listen", hide::shown(text))).help(help)
    });
    check.take(&KeyPath::of(["server", "listen"]), parsed).flatten()
}

/// Names that the server may be asked by, in lower case; addresses and `localhost` always may.
pub(super) fn hosts(check: &mut Check<'_, '_>) -> Vec<String> {
    let layered = check.layered;
    let server = layered.raw.server.as_ref();
    let written = server.and_then(|server| server.hosts.as_deref()).unwrap_or_default();
    let path = KeyPath::of(["server", "hosts"]);
    let mut hosts = Vec::with_capacity(written.len());
    for (index, host) in written.iter().enumerate() {
        let at = check.element(&path, index);
        let host = if is_name(host) {
            Ok(host.to_ascii_lowercase())
        } else {
            let help = "a name alone, such as `batchsweep.example`: no scheme, port or path";
            let message = format!("`{}` is no host name", hide::shown(host));
            Err(Complaint::error(message).help(help.to_owned()))
        };
        hosts.extend(check.take(&at, host));
    }
    hosts
}

fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=253).contains(&text.len()) && text.chars().all(is_plain)
}

/// What files say that have mistakes somewhere; the default where they say nothing that can be read, for
/// those before them may have.
pub(super) fn of_rejected(sources: &Sources, env: &Environment) -> Option<SocketAddr> {
    let said = sources.iter().filter_map(|(_, source)| in_text(&source.text)).last();
    let text = env.get(VARIABLE).map(str::to_owned).or(said);
    text.and_then(|text| parse(&text).ok())
        .unwrap_or_else(|| parse(defaults::LISTEN).ok().flatten())
}

fn in_text(text: &str) -> Option<String> {
    let (tree, _mistakes) = DeTable::parse_recoverable(text);
    let server = tree.get_ref().get("server")?.get_ref().as_table()?;
    server.get("listen")?.get_ref().as_str().map(str::to_owned)
}

fn parse(text: &str) -> Result<Option<SocketAddr>, AddrParseError> {
    if text == OFF { Ok(None) } else { text.parse().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_also_where_its_files_have_mistakes() {
        for (text, variable, expected) in [
            ("dry_rnu = true", None, Some("127.0.0.1:9464")),
            ("dry_rnu = true", Some("127.0.0.1:81"), Some("127.0.0.1:81")),
            ("[server]\ndry_rnu = true", None, Some("127.0.0.1:9464")),
            ("[server]\nlisten = \"0.0.0.0:80\"\nlitsen = 1", None, Some("0.0.0.0:80")),
            ("[server]\nlisten = \"[::1]:80\"\n[delete.x", None, Some("[::1]:80")),
            ("[server]\nlisten = \"off\"\ndry_rnu = true", None, None),
            ("[server]\nlisten = \"nowhere\"", None, Some("127.0.0.1:9464")),
            ("[server]\nlisten = 80", None, Some("127.0.0.1:9464")),
            ("[server]\nlisten = \"0.0.0.0:80\"", Some("127.0.0.1:81"), Some("127.0.0.1:81")),
        ] {
            let env: Environment = variable.map(|value| (VARIABLE, value)).into_iter().collect();
            let found = of_rejected(&Sources::of_text("config.toml", text), &env);
            assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{text}");
        }
    }
}
