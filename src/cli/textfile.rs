//! The metrics of `once`, in a file for `node_exporter`'s collector.
//!
//! Not here: what is counted (`observe::metrics`). Invariant: what goes wrong with the file is told and changes
//! nothing else; a file is there whole or as it was.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::session::Session;
use super::{Outside, args};
use crate::batch::escaped;
use crate::observe::event::{Observer, Scope};
use crate::observe::metrics::{Metrics, Of, carried};
use crate::observe::service::ServiceEvent;
use crate::run::fleet::Listed;
use crate::run::report::RunReport;
use crate::state::State;

/// Names the file where `--metrics-file` does not.
const VARIABLE: &str = "BATCHSWEEP_METRICS_FILE";

/// As much as is read of a file from before; this program's own has some kilobytes for each account.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The collector shows a file to whoever asks it; it holds nothing secret.
const MODE: u32 = 0o644;

/// Metrics of this process, and where they go.
pub(super) struct Textfile {
    path: PathBuf,
    metrics: Arc<Metrics>,
}

impl Textfile {
    /// Begins to count, if a file is asked for.
    pub(super) fn begin(
        command: &args::Once,
        outside: &Outside,
        session: &mut Session,
    ) -> Option<Self> {
        let named = outside.env.get_os(VARIABLE).filter(|path| !path.is_empty());
        let path = command.metrics_file.clone().or_else(|| named.map(PathBuf::from))?;
        let clock = Arc::clone(&session.setting().clock);
        let metrics = Arc::new(Metrics::new(Of::Once, clock, session.served()));
        session.tell_also(Arc::<Metrics>::clone(&metrics));
        Some(Self { path, metrics })
    }

    /// Takes over what the state has of earlier runs. What cannot be read is not known.
    pub(super) async fn recall(&self, session: &Session, state: &State) {
        for account in &session.config.accounts {
            if let Ok(seed) = session.seed(state, &account.name, Listed::ToRecall).await {
                self.metrics.recall(&account.name, &seed);
            }
        }
    }

    /// Writes the file. Runs that could not begin told nothing by themselves.
    pub(super) fn end<'r>(
        &self,
        untold: impl IntoIterator<Item = &'r RunReport>,
        session: &Session,
    ) {
        for report in untold {
            let scope = Scope { account: report.account.clone(), run_id: report.run_id };
            self.metrics.observe(&scope, &report.finished());
        }
        let observer = &session.setting().observer;
        let path = escaped(&self.path.to_string_lossy());
        let text = match self.with_those_before() {
            Ok(text) => text,
            Err(cause) => {
                let path = path.clone();
                observer.service(&ServiceEvent::MetricsBeganAnew { path, cause: escaped(&cause) });
                self.metrics.classic()
            }
        };
        if let Err(problem) = write(&self.path, &text) {
            let cause = problem.to_string();
            observer.service(&ServiceEvent::MetricsNotWritten { path, cause });
        }
    }

    /// What this process counted, on top of what the file says.
    fn with_those_before(&self) -> Result<String, String> {
        let text = self.metrics.classic();
        match read(&self.path) {
            Ok(before) => carried::onto(&text, &before).map_err(|cause| cause.to_string()),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(text),
            Err(problem) => Err(problem.to_string()),
        }
    }
}

/// Reads a plain file; a link or a device is none.
fn read(path: &Path) -> io::Result<String> {
    if !path.symlink_metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut text = String::new();
    let read = File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    if read as u64 == LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    Ok(text)
}

/// Writes beside, then renames: a reader sees the old file or the new one, and a link is replaced, not followed.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The collector reads what ends in `.prom`.
    let mut making = tempfile::Builder::new();
    let making = making.prefix(".batchsweep-").suffix(".tmp");
    let mut beside = making.tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().set_permissions(Permissions::from_mode(MODE))?;
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // fault: K2
    #[test]
    fn a_file_is_replaced_whole_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("batchsweep.prom"), folder.path().join("other"));
        std::fs::write(&other, "theirs").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "it is no plain file");
        write(&path, "ours\n").unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
        assert_eq!(read(&path).unwrap(), "ours\n");
        let metadata = path.symlink_metadata().unwrap();
        assert_eq!((metadata.is_file(), metadata.permissions().mode() & 0o777), (true, MODE));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside");
    }
}
