//! The files, read again while the service runs.
//!
//! All or nothing: files with any mistake, a key that cannot be read, or a setting that only a new start can
//! change, and nothing of them is used. Not here: when they are read (`supervisor`).

use std::path::Path;

use crate::config::{self, Config, DEFAULT_PATH, Request, UnknownAccount};
use crate::run::fleet::{Fleet, Setting};
use crate::server::Hand;

/// What to read, and which of its accounts are served.
#[derive(Debug)]
pub struct Files {
    /// The file.
    pub request: Request,
    /// `--account`; all where none is named.
    pub accounts: Vec<String>,
}

/// Why files are not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// They have mistakes; where and which.
    #[error("{0}")]
    Mistakes(String),
    /// The command line asks for another account.
    #[error(transparent)]
    Account(#[from] UnknownAccount),
    /// There is no usable key.
    #[error("{0}")]
    Key(String),
    /// A setting that needs a new start.
    #[error("`{0}` was changed, and only a new start can change it")]
    NeedsStart(&'static str),
}

impl Files {
    /// How a person types a command of this service.
    pub(super) fn hand(&self) -> Hand {
        let env = &self.request.env;
        let file = self.request.file();
        let file = std::path::absolute(&file).unwrap_or(file);
        match env.get("HOSTNAME").filter(|_| env.get("KUBERNETES_SERVICE_HOST").is_some()) {
            Some(pod) => Hand::Pod(pod.to_owned()),
            None if env.get("STATE_DIRECTORY").is_some() => Hand::Unit,
            None => Hand::Shell(Some(file).filter(|file| file != Path::new(DEFAULT_PATH))),
        }
    }

    pub(super) fn digest(&self) -> String {
        config::digest(&self.request)
    }

    /// Reads them, to take the place of what is used now.
    pub(super) fn load(&self, now: &Fleet) -> Result<Fleet, Refused> {
        let mut config = config::load(&self.request).map_err(|rejected| {
            let told = rejected.diagnostics.iter().map(config::Diagnostic::in_a_line);
            Refused::Mistakes(told.collect::<Vec<_>>().join("; "))
        })?;
        config.choose(&self.accounts)?;
        if config.state != now.config.state {
            return Err(Refused::NeedsStart("state.url"));
        }
        if config.listen != now.config.listen {
            return Err(Refused::NeedsStart("server.listen"));
        }
        let setting = now.setting().clone();
        match key_problems(&config, &setting).as_slice() {
            [] => Ok(Fleet::new(config, Setting { seed: setting.seed.wrapping_add(1), ..setting })),
            problems => Err(Refused::Key(problems.join("; "))),
        }
    }
}

/// Accounts whose key cannot be read, in words.
pub(super) fn key_problems(config: &Config, setting: &Setting) -> Vec<String> {
    let accounts = config.accounts.iter();
    let problem = |account: &config::Account| {
        let problem = account.key.read(&setting.env).err()?;
        Some(format!("account `{}`: {problem}", account.name))
    };
    accounts.filter_map(problem).collect()
}
