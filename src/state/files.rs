//! The SQLite file and those beside it: what is looked at before SQLite is asked.
//!
//! SQLite says "unable to open database file" of a read-only mount, of a missing folder and of a
//! folder in the file's place alike, and makes an empty database where one was lost. So each of
//! these is asked for here.
//! Not here: what the database holds (`schema`).

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use rustix::io::Errno;

use super::error::{Gone, Said, StateError};
use super::location::Folder;

/// "btch": in the header of every database of this program.
pub(super) const APPLICATION_ID: i32 = 0x6274_6368;

/// The files of one state.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) database: PathBuf,
}

/// Whether there is a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There never was one; an empty file is there now.
    New,
    /// There is one, and it is of this program by its header.
    There,
}

impl Files {
    /// The files of a database by the path that it really has: two ways to one database must lead to
    /// one lock.
    pub(super) fn at(path: &Path) -> Self {
        let by_folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        let real = path.canonicalize().ok().or_else(by_folder);
        Self { database: real.unwrap_or_else(|| path.to_owned()) }
    }

    /// The file that tells that there was a database.
    pub(super) fn marker(&self) -> PathBuf {
        self.beside("-marker")
    }

    /// SQLite's log: what is committed and not yet in the file.
    pub(super) fn log(&self) -> PathBuf {
        self.beside("-wal")
    }

    /// The lock of one account.
    pub(super) fn lock(&self, account: &str) -> PathBuf {
        self.beside(&format!("-lock-{account}"))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(self.database.as_os_str());
        name.push(suffix);
        name.into()
    }

    fn folder(&self) -> &Path {
        self.database.parent().unwrap_or_else(|| Path::new("/"))
    }

    /// Looks at everything that can be wrong, and makes an empty file where there never was one.
    pub(super) fn prepare(&self, folder: Folder) -> Result<Found, StateError> {
        self.prepare_folder(folder)?;
        self.refuse_network()?;
        self.refuse_mounted_alone()?;
        writable(self.folder())?;
        let found = self.look()?;
        match found {
            Found::New => self.make_empty()?,
            Found::There => writable(&self.database)?,
        }
        Ok(found)
    }

    fn prepare_folder(&self, folder: Folder) -> Result<(), StateError> {
        let path = self.folder();
        if path.is_dir() {
            return Ok(());
        }
        if folder == Folder::Chosen {
            return Err(StateError::NoFolder(path.to_owned()));
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| StateError::ReadOnly {
            path: path.to_owned(),
            why: format!("the folder cannot be made: {error}"),
        })
    }

    fn refuse_network(&self) -> Result<(), StateError> {
        match network_name(self.folder()) {
            Some(kind) => Err(StateError::NetworkFilesystem { path: self.database.clone(), kind }),
            None => Ok(()),
        }
    }

    /// A file that is mounted by itself leaves its log behind in the container.
    fn refuse_mounted_alone(&self) -> Result<(), StateError> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if is_mount(&mounts, &self.database) {
            return Err(StateError::MountedAlone(self.database.clone()));
        }
        Ok(())
    }

    /// What is there, told without SQLite.
    pub(super) fn look(&self) -> Result<Found, StateError> {
        let gone = |gone| {
            if self.marker().exists() || has_content(&self.log()) {
                Err(StateError::Vanished { path: self.database.clone(), gone })
            } else {
                Ok(Found::New)
            }
        };
        let metadata = match fs::metadata(&self.database) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return gone(Gone::Missing),
            Err(error) => return Err(self.unreadable(&error)),
        };
        if !metadata.is_file() {
            return Err(StateError::NotAFile(self.database.clone()));
        }
        if metadata.len() == 0 {
            return gone(Gone::Empty);
        }
        // A first transaction that a power cut ended: SQLite takes it back before anything is read.
        let is_unfinished = has_content(&self.beside("-journal"));
        if !is_unfinished {
            self.check_header()?;
        }
        Ok(Found::There)
    }

    fn check_header(&self) -> Result<(), StateError> {
        let mut header = Vec::with_capacity(100);
        File::open(&self.database)
            .and_then(|file| file.take(100).read_to_end(&mut header))
            .map_err(|error| self.unreadable(&error))?;
        let is_ours = header.starts_with(b"SQLite format 3\0")
            && header.get(68..72) == Some(&APPLICATION_ID.to_be_bytes()[..]);
        if !is_ours {
            return Err(StateError::Foreign(self.database.clone()));
        }
        self.check_length(header.get(16..18))
    }

    /// SQLite reads what a cut page lacks as zeros, and finds nothing wrong with it.
    fn check_length(&self, page_size: Option<&[u8]>) -> Result<(), StateError> {
        let page_size = match page_size {
            Some([0, 1]) => 65_536,
            Some([high, low]) => u64::from(*high) << 8 | u64::from(*low),
            Some(_) | None => 0,
        };
        let length = fs::metadata(&self.database).map_err(|error| self.unreadable(&error))?.len();
        // With a log beside it the file may be behind.
        let is_cut = length.checked_rem(page_size) != Some(0) && !self.has_log();
        if is_cut {
            let found = format!("its {length} bytes are no whole number of pages");
            return Err(StateError::Damaged { at: self.database.display().to_string(), found });
        }
        Ok(())
    }

    fn unreadable(&self, error: &std::io::Error) -> StateError {
        let at = self.database.display().to_string();
        StateError::Open { at, source: Said(error.to_string()) }
    }

    /// An empty file that only its owner can read: SQLite gives the files beside it the same mode.
    fn make_empty(&self) -> Result<(), StateError> {
        let options =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).clone();
        options.open(&self.database).map(drop).map_err(|error| StateError::ReadOnly {
            path: self.database.clone(),
            why: error.to_string(),
        })
    }

    /// Leaves the marker: from now on a missing database is a lost one.
    pub(super) fn mark(&self) -> std::io::Result<()> {
        if self.marker().exists() {
            return Ok(());
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.marker())?;
        file.write_all(MARKER.as_bytes())?;
        file.sync_all()?;
        File::open(self.folder())?.sync_all()
    }

    /// Takes away what tells of a lost database. Nothing that holds data is removed: the log is moved.
    /// Where to.
    pub(super) fn acknowledge(&self, suffix: &str) -> std::io::Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        for path in [self.database.clone(), self.log(), self.beside("-shm")] {
            if path.exists() {
                let mut moved = OsString::from(path.as_os_str());
                moved.push(suffix);
                fs::rename(&path, &moved)?;
                kept.push(moved.into());
            }
        }
        // What is shared between processes holds nothing by itself, and may go with the last of them.
        kept.retain(|path: &PathBuf| !path.to_string_lossy().contains("-shm."));
        // The last, so that one who is stopped half-way is asked again.
        match fs::remove_file(self.marker()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(kept),
        }
    }

    /// Whether rows may be in the log that are not in the file.
    pub(super) fn has_log(&self) -> bool {
        has_content(&self.log())
    }

    /// Whether the database can be written.
    pub(super) fn are_writable(&self) -> bool {
        self.folder_is_writable() && writable(&self.database).is_ok()
    }

    /// Whether files can be made beside the database.
    pub(super) fn folder_is_writable(&self) -> bool {
        writable(self.folder()).is_ok()
    }
}

const MARKER: &str = "The state beside this file is in use. While this file is here, batchsweep takes a missing or \
empty state for a lost one and deletes nothing. If the past is gone for good, say so:\n\
batchsweep approve --vanished-state\n";

fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

/// Asks the kernel whether a path can be written, and if not, why.
fn writable(path: &Path) -> Result<(), StateError> {
    let read_only = |why: String| StateError::ReadOnly { path: path.to_owned(), why };
    if statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return Err(read_only("it is mounted read-only".to_owned()));
    }
    match access(path, Access::WRITE_OK) {
        Ok(()) => Ok(()),
        Err(Errno::ACCESS) => {
            Err(read_only("the account that runs this program may not write there".to_owned()))
        }
        Err(error) => Err(read_only(error.to_string())),
    }
}

/// Whether a path is where something is mounted, by `/proc/self/mountinfo` (proc(5): the fifth field,
/// with blanks and the like in octal).
fn is_mount(mounts: &str, path: &Path) -> bool {
    let escaped = |c: char| match c {
        ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", u32::from(c)),
        other => other.to_string(),
    };
    let path: String = path.to_string_lossy().chars().map(escaped).collect();
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(&path))
}

/// The name of the network file system that a folder is on, if it is on one.
#[cfg(target_os = "linux")]
fn network_name(folder: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(folder).ok()?;
    // The type's width differs between machines; the numbers have 32 bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits are kept")]
    network_of(found.f_type as u32)
}

/// Elsewhere nothing tells.
#[cfg(not(target_os = "linux"))]
const fn network_name(_folder: &Path) -> Option<&'static str> {
    None
}

/// The numbers of `statfs(2)` for file systems whose memory other machines do not share.
#[cfg(target_os = "linux")]
const fn network_of(kind: u32) -> Option<&'static str> {
    match kind {
        0x6969 => Some("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => Some("SMB"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x00c3_6400 => Some("Ceph"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x7461_636f => Some("OCFS2"),
        0x0116_1970 => Some("GFS2"),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    // fault: D9
    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        for (kind, expected) in [
            (0x6969, Some("NFS")),
            (0xff53_4d42, Some("SMB")),
            (0xfe53_4d42, Some("SMB")),
            (0x00c3_6400, Some("Ceph")),
            (0xef53, None),      // ext4
            (0x0102_1994, None), // tmpfs
            (0x9123_683e, None), // btrfs
            (0x794c_7630, None), // overlay
            (0x6573_5546, None), // FUSE: may be local
        ] {
            assert_eq!(network_of(kind), expected, "{kind:x}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(network_name(folder.path()), None);
    }

    // fault: D9
    #[test]
    fn a_file_that_is_mounted_by_itself_is_known() {
        let mounts = "22 28 0:20 / /proc rw - proc proc rw\n\
            31 28 8:1 /a /state/a\\040b.db rw,relatime shared:1 - ext4 /dev/sda1 rw\n";
        assert!(is_mount(mounts, Path::new("/state/a b.db")));
        assert!(is_mount(mounts, Path::new("/proc")));
        assert!(!is_mount(mounts, Path::new("/state")));
        assert!(!is_mount("", Path::new("/state")));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(is_mount(&mounts, Path::new("/proc")), "{mounts}");
    }
}
