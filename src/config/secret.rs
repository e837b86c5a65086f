//! The API key: where it comes from, and reading it.
//!
//! The file names a source and never holds the key. It is read when a run begins, and again when the
//! API refuses it, since it may have been rotated.
//! Invariant: no error, `Debug` or message of this module holds the key or a part of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::environment::Environment;
use super::files;
use crate::api::client::{ApiKey, KeySource};

/// The credential that is tried where the file names no source.
pub const DEFAULT_CREDENTIAL: &str = "api-key";

/// The variable that is tried after it.
pub const DEFAULT_VARIABLE: &str = "BATCHSWEEP_API_KEY";

/// Where systemd puts credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The longest key that is believed; those in use have 32 characters. Bounds what is read.
const MAX_LEN: usize = 4_096;

/// Where an account's key comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyOrigin {
    /// `api_key_file`.
    File(PathBuf),
    /// `api_key_env`: a variable's name.
    Variable(String),
    /// `api_key_credential`: the name of a systemd credential.
    Credential(String),
    /// None of these: the credential `api-key` if there is one, else `BATCHSWEEP_API_KEY`.
    Default,
}

/// Why there is no key. Never holds what was read.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblem {
    /// The file is not there.
    #[error("there is no key file `{}`", files::shown(path))]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error(
        "cannot read the key file `{}`{}: {}",
        files::shown(path),
        who_and_mode,
        files::reason(cause)
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// As whom, and the file's mode and owner.
        who_and_mode: String,
        /// What the system said. Part of the message, so no `source`.
        cause: io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {variable}, which holds the key, is not set")]
    NotSet {
        /// Its name.
        variable: String,
    },
    /// The service manager gave no credentials.
    #[error("CREDENTIALS_DIRECTORY is not set, so there is no credential `{name}`")]
    NoCredentials {
        /// The credential that is wanted.
        name: String,
    },
    /// No source is named, and neither default has a key.
    #[error(
        "there is no key: the file names no source, there is no systemd credential `api-key`, and \
         BATCHSWEEP_API_KEY is not set"
    )]
    None,
    /// What was read is empty.
    #[error("the key in {place} is empty")]
    Empty {
        /// A file or a variable.
        place: String,
    },
    /// The credential is empty: so it is where the unit has `SetCredential=` and its file is missing.
    #[error(
        "the systemd credential `{name}` is empty: the file that LoadCredential= of the unit names is \
         missing or empty"
    )]
    EmptyCredential {
        /// The credential.
        name: String,
    },
    /// What was read has blanks, line ends or control characters inside.
    #[error("the key in {place} has a blank, a line end or a control character inside")]
    NotOneWord {
        /// A file or a variable.
        place: String,
    },
    /// What was read is not text.
    #[error("the key in {place} is not UTF-8 text")]
    NotText {
        /// A file or a variable.
        place: String,
    },
    /// What was read is too long to be a key.
    #[error("what is in {place} is too long for a key")]
    TooLong {
        /// A file or a variable.
        place: String,
    },
}

impl KeyProblem {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "write the key there, or correct `api_key_file`",
            Self::Unreadable { .. } => {
                "let the user that batchsweep runs as read it; in Kubernetes set `fsGroup` and \
                 `defaultMode: 0440`, under systemd use LoadCredential="
            }
            Self::NotSet { .. } => "set it, or correct `api_key_env`",
            Self::NoCredentials { .. } => "add LoadCredential= to the unit, or use `api_key_file`",
            Self::None => {
                "set `api_key_file` of the account to a file that holds the key, or set BATCHSWEEP_API_KEY"
            }
            Self::Empty { .. } => "write the key there, in one line",
            Self::EmptyCredential { .. } => {
                "write the key to that file (/etc/batchsweep/api-key, if nobody said otherwise) and start \
                 the unit again"
            }
            Self::NotOneWord { .. } | Self::NotText { .. } | Self::TooLong { .. } => {
                "it must hold the key alone; one line end after it is fine"
            }
        }
    }
}

impl KeyProblem {
    /// The same of a source that holds no key but another secret.
    pub(super) fn of_source(&self) -> String {
        match self {
            Self::Missing { path } => format!("there is no file `{}`", files::shown(path)),
            Self::Unreadable { path, who_and_mode, cause } => {
                let (path, why) = (files::shown(path), files::reason(cause));
                format!("the file `{path}` cannot be opened{who_and_mode}: {why}")
            }
            Self::NotSet { variable } => format!("the environment variable {variable} is not set"),
            Self::NoCredentials { .. } | Self::EmptyCredential { .. } => self.to_string(),
            Self::None => "no source is named".to_owned(),
            Self::Empty { place } => format!("{place} is empty"),
            Self::NotOneWord { place } => {
                format!("{place} has a blank, a line end or a control character inside")
            }
            Self::NotText { place } => format!("{place} is not UTF-8 text"),
            Self::TooLong { place } => format!("what is in {place} is too long"),
        }
    }
}

impl KeyOrigin {
    /// Reads the key.
    ///
    /// # Errors
    /// When the source is not there or cannot be read, or what it holds is not one word.
    pub fn read(&self, env: &Environment) -> Result<ApiKey, KeyProblem> {
        match self {
            Self::File(path) => read_file(path),
            Self::Variable(name) => read_variable(name, env)
                .unwrap_or_else(|| Err(KeyProblem::NotSet { variable: name.clone() })),
            Self::Credential(name) => match credential(name, env) {
                Some(path) => read_credential(name, &path),
                None => Err(KeyProblem::NoCredentials { name: name.clone() }),
            },
            Self::Default => read_default(env),
        }
    }

    /// Reads a secret that is no key: an address, or what messages are signed with.
    ///
    /// # Errors
    /// As for [`KeyOrigin::read`].
    pub(super) fn text(&self, env: &Environment) -> Result<String, KeyProblem> {
        self.read(env).map(|read| read.0.expose_secret().to_owned())
    }

    /// The source in words, never what it holds.
    pub fn in_words(&self, env: &Environment) -> String {
        match self {
            Self::File(path) => format!("the file {}", files::shown(path)),
            Self::Variable(name) => format!("the environment variable {name}"),
            Self::Credential(name) => format!("the systemd credential {name}"),
            Self::Default if credential(DEFAULT_CREDENTIAL, env).is_some_and(|at| at.exists()) => {
                format!(
                    "the systemd credential {DEFAULT_CREDENTIAL}, since the file names no source"
                )
            }
            Self::Default => format!(
                "the environment variable {DEFAULT_VARIABLE}, since the file names no source and \
                 there is no systemd credential {DEFAULT_CREDENTIAL}"
            ),
        }
    }

    /// What is wrong with who may read the key, if anything is. A group may: Kubernetes gives a mounted
    /// secret to the group `fsGroup`, mode 0440.
    pub fn exposure(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
        let by_others = mode & 0o007 != 0;
        by_others.then(|| {
            format!("every user of this machine may open {} (mode {mode:04o})", files::shown(path))
        })
    }

    /// The same source, to be asked again when the key is refused.
    pub fn source(&self, env: &Environment) -> Box<dyn KeySource> {
        Box::new(Rereader { origin: self.clone(), env: env.clone() })
    }
}

/// Reads a key again.
#[derive(Debug)]
struct Rereader {
    origin: KeyOrigin,
    env: Environment,
}

impl KeySource for Rereader {
    fn read_again(&self) -> Option<ApiKey> {
        self.origin.read(&self.env).ok()
    }
}

fn credential(name: &str, env: &Environment) -> Option<PathBuf> {
    let folder = env.get_os(CREDENTIALS_DIRECTORY).filter(|folder| !folder.is_empty())?;
    Some(Path::new(folder).join(name))
}

/// A credential that is there but not readable is a fault, not a reason to look elsewhere.
fn read_default(env: &Environment) -> Result<ApiKey, KeyProblem> {
    if let Some(path) = credential(DEFAULT_CREDENTIAL, env) {
        match read_credential(DEFAULT_CREDENTIAL, &path) {
            Err(KeyProblem::Missing { .. }) => {}
            read => return read,
        }
    }
    read_variable(DEFAULT_VARIABLE, env).unwrap_or(Err(KeyProblem::None))
}

fn read_variable(name: &str, env: &Environment) -> Option<Result<ApiKey, KeyProblem>> {
    let value = env.get_os(name)?;
    Some(judge(value.as_encoded_bytes(), &format!("the environment variable {name}")))
}

/// Nobody can write to a credential; what is wrong with it is wrong with where the unit has it from.
fn read_credential(name: &str, path: &Path) -> Result<ApiKey, KeyProblem> {
    let read = read_file(path);
    if let Err(KeyProblem::Empty { .. }) = read {
        return Err(KeyProblem::EmptyCredential { name: name.to_owned() });
    }
    read
}

fn read_file(path: &Path) -> Result<ApiKey, KeyProblem> {
    let mut bytes = Vec::new();
    let limit = (MAX_LEN + 3) as u64; // one over the limit, and a line end
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Ok(_) => judge(&bytes, &format!("`{}`", files::shown(path))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(KeyProblem::Missing { path: path.to_owned() })
        }
        Err(cause) => Err(KeyProblem::Unreadable {
            path: path.to_owned(),
            who_and_mode: files::who_and_mode(path),
            cause,
        }),
    }
}

/// Takes one line end away, since editors and `echo` add one, and refuses what is not one word.
fn judge(bytes: &[u8], place: &str) -> Result<ApiKey, KeyProblem> {
    let place = || place.to_owned();
    let text = str::from_utf8(bytes).map_err(|_bytes| KeyProblem::NotText { place: place() })?;
    let key = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if key.is_empty() {
        return Err(KeyProblem::Empty { place: place() });
    }
    if key.len() > MAX_LEN {
        return Err(KeyProblem::TooLong { place: place() });
    }
    if key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(KeyProblem::NotOneWord { place: place() });
    }
    Ok(ApiKey(SecretString::from(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::fs;

    const CANARY: &str = "C4N4RY0123456789ABCDEF0123456789";

    fn read(bytes: &[u8]) -> Result<String, KeyProblem> {
        judge(bytes, "`key`").map(|key| key.0.expose_secret().to_owned())
    }

    // fault: S1
    #[test]
    fn one_line_end_is_fine_and_anything_else_is_refused_unseen() {
        for good in ["", "\n", "\r\n"] {
            assert_eq!(read(format!("{CANARY}{good}").as_bytes()).unwrap(), CANARY);
        }
        let rows = [
            String::new(),
            "\n".to_owned(),
            "\r\n".to_owned(),
            " ".to_owned(),
            format!("{CANARY}\n\n"),
            format!(" {CANARY}"),
            format!("{CANARY} \n"),
            format!("{CANARY}\0"),
            format!("api_key = {CANARY}"),
            CANARY.repeat(200),
        ];
        let said = rows.map(|bad| {
            let problem = read(bad.as_bytes()).unwrap_err();
            assert!(!format!("{problem:?}{problem}").contains("C4N4RY"));
            format!("{problem}\n  help: {}\n", problem.help())
        });
        let not_text = read(&[0xff]).unwrap_err();
        insta::assert_snapshot!(format!("{}{not_text}", said.concat()));
    }

    // fault: Y7
    #[test]
    fn a_key_file_that_cannot_be_read_is_told_with_user_mode_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = KeyOrigin::File(folder.path().join("none"));
        let problem = missing.read(&Environment::default()).unwrap_err();
        assert!(problem.to_string().starts_with("there is no key file `/"), "{problem}");
        let path = folder.path().join("key");
        fs::write(&path, CANARY).unwrap();
        // Root reads everything, so the fault of another user is made by hand.
        let problem = KeyProblem::Unreadable {
            who_and_mode: files::who_and_mode(&path),
            path,
            cause: io::Error::from_raw_os_error(13),
        };
        assert!(problem.to_string().contains(" as user "), "{problem}");
        assert!(problem.to_string().contains("(mode 06"), "{problem}");
        assert!(problem.to_string().ends_with(": permission denied"), "{problem}");
        assert!(problem.help().contains("fsGroup"));
        let directory = KeyOrigin::File(folder.path().to_owned());
        let problem = directory.read(&Environment::default()).unwrap_err();
        assert!(problem.to_string().ends_with(": is a directory"), "{problem}");
    }

    #[test]
    fn without_a_named_source_the_credential_comes_before_the_variable() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().to_str().unwrap().to_owned();
        let key = |env: &Environment| {
            KeyOrigin::Default.read(env).map(|key| key.0.expose_secret().to_owned())
        };
        let variable = ("BATCHSWEEP_API_KEY".to_owned(), "from-env".to_owned());
        let credentials = ("CREDENTIALS_DIRECTORY".to_owned(), directory);
        assert!(matches!(key(&Environment::default()), Err(KeyProblem::None)));
        assert_eq!(key(&[variable.clone()].into_iter().collect()).unwrap(), "from-env");
        let both: Environment = [variable, credentials].into_iter().collect();
        assert_eq!(key(&both).unwrap(), "from-env");
        fs::write(folder.path().join("api-key"), "from-credential\n").unwrap();
        assert_eq!(key(&both).unwrap(), "from-credential");
        // As `SetCredential=api-key:\n` of the unit leaves it.
        fs::write(folder.path().join("api-key"), "\n").unwrap();
        let problem = key(&both).unwrap_err();
        assert!(
            problem.to_string().starts_with("the systemd credential `api-key` is empty"),
            "{problem}"
        );
        assert!(problem.help().contains("/etc/batchsweep/api-key"));
    }

    #[test]
    fn a_source_is_named_without_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        fs::write(folder.path().join("api-key"), CANARY).unwrap();
        let set = [(DEFAULT_VARIABLE.to_owned(), CANARY.to_owned())];
        let unit = [(CREDENTIALS_DIRECTORY.to_owned(), path)];
        let said = |origin: &KeyOrigin, env: &[(String, String)]| {
            origin.in_words(&env.iter().cloned().collect())
        };
        for (origin, env, words) in [
            (KeyOrigin::File("/etc/k".into()), &set, "the file /etc/k"),
            (KeyOrigin::Variable("K".into()), &set, "the environment variable K"),
            (KeyOrigin::Credential("k".into()), &set, "the systemd credential k"),
            (KeyOrigin::Default, &set, "the environment variable BATCHSWEEP_API_KEY, since"),
            (KeyOrigin::Default, &unit, "the systemd credential api-key, since"),
        ] {
            let said = said(&origin, env);
            assert!(said.starts_with(words) && !said.contains("C4N4RY"), "{said}");
        }
    }

    // fault: H3
    #[test]
    fn a_rotated_key_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "old").unwrap();
        let source = KeyOrigin::File(path.clone()).source(&Environment::default());
        fs::write(&path, "new\n").unwrap();
        assert_eq!(source.read_again().unwrap().0.expose_secret(), "new");
        fs::remove_file(&path).unwrap();
        assert!(source.read_again().is_none());
    }
}
