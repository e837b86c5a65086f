//! Files: found, judged and read, drop-ins in the order of their names.
//!
//! Not here: what is in them (`strict`).
//! Invariant: a file that anyone may edit, or that cannot be read whole, is not used in part.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::diagnose::{Complaint, Diagnostic, Source, Sources};
use super::hide;
use crate::batch::hex;

/// The largest file that is read. A thousand rules take a tenth of it.
const MAX_BYTES: u64 = 1024 * 1024;

/// The folder beside the file whose `*.toml` are read after it.
const DROP_INS: &str = "conf.d";

/// Reads the file and its drop-ins. What cannot be read is told, and the rest is read all the same.
pub(super) fn read_all(main: &Path) -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let mut faults = Vec::new();
    let mut paths = vec![main.to_owned()];
    match drop_ins(main) {
        Ok(found) => paths.extend(found),
        Err(fault) => faults.push(*fault),
    }
    for path in paths {
        match read(&path) {
            Ok(text) => sources.add(Source { name: shown(&path), text }),
            Err(fault) => faults.push(fault.about_file(&shown(&path))),
        }
    }
    (sources, faults)
}

/// A hash of all that is read, and of what could not be: another one, and something was edited.
pub(super) fn digest(main: &Path) -> String {
    let (sources, faults) = read_all(main);
    let mut digest = Sha256::new();
    for (_, source) in sources.iter() {
        // Lengths keep apart what stands in two files and what stands in one.
        for text in [&source.name, &source.text] {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
    }
    digest.update(format!("{faults:?}"));
    hex(&digest.finalize())
}

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    crate::batch::escaped(&path.to_string_lossy())
}

/// The drop-ins, by name. Hidden files are none: a mounted `ConfigMap` keeps its parts in such.
fn drop_ins(main: &Path) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let folder = main.parent().unwrap_or_else(|| Path::new("")).join(DROP_INS);
    let listed = listing(&folder).map_err(|fault| Box::new(fault.about_file(&shown(&folder))))?;
    let mut found: Vec<_> = listed.into_iter().filter(|path| is_drop_in(path)).collect();
    found.sort();
    Ok(found)
}

fn listing(folder: &Path) -> Result<Vec<PathBuf>, Complaint> {
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        // A link that leads nowhere is no missing folder: rules of it would be missed in silence.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(folder).is_err() =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(unreadable(folder, &error)),
    };
    if !metadata.is_dir() {
        return Err(Complaint::error("`conf.d` is not a folder")
            .help("drop-ins are files `conf.d/*.toml` beside the configuration"));
    }
    refuse_world_writable(metadata.mode(), "folder")?;
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(|error| unreadable(folder, &error)))
        .collect()
}

fn is_drop_in(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "toml")
}

/// Reads one file whole.
fn read(path: &Path) -> Result<String, Complaint> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(Complaint::error("this is a directory, not a file")
            .help("name the file itself, such as /etc/batchsweep/config.toml"));
    }
    refuse_world_writable(metadata.mode(), "file")?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Complaint::error("the file is over 1 MiB; a configuration is much smaller")
            .help("is it the right file?"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        Complaint::error(format!("the file is not UTF-8 text: byte {byte} begins no character"))
            .help("save the file as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Whoever may edit the file decides what is deleted.
fn refuse_world_writable(mode: u32, noun: &str) -> Result<(), Complaint> {
    if mode & 0o002 == 0 {
        return Ok(());
    }
    let message = format!("mode {:04o}: anyone can edit this {noun}", mode & 0o7777);
    Err(Complaint::error(message).help("take the right away: chmod o-w"))
}

fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    if error.kind() == io::ErrorKind::NotFound {
        return Complaint::error("there is no such file").help(
            "name the file with --config or BATCHSWEEP_CONFIG; `batchsweep demo` needs none",
        );
    }
    Complaint::error(format!("cannot read this{}: {}", who_and_mode(path), reason(error)))
        .help("let the user that batchsweep runs as read it")
}

/// Why, in the system's words without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let cut = text.find(" (os error").and_then(|at| text.get(..at));
    hide::shown(cut.unwrap_or(&text)).into_owned().to_lowercase()
}

/// ` as user 65532 (mode 0400, owner 0)`, as far as it can be told.
pub(super) fn who_and_mode(path: &Path) -> String {
    // Linux gives this folder the effective user of the process; elsewhere the user is not named.
    let user = fs::metadata("/proc/self").map(|own| format!(" as user {}", own.uid()));
    let mode = fs::metadata(path)
        .map(|file| format!(" (mode {:04o}, owner {})", file.mode() & 0o7777, file.uid()));
    user.unwrap_or_default() + &mode.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn messages(main: &Path) -> Vec<String> {
        read_all(main).1.into_iter().map(|fault| fault.message).collect()
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("config.toml");
        (folder, main)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    // fault: F6
    #[test]
    fn a_file_that_is_not_utf8_is_refused_with_the_byte() {
        let (_folder, main) = folder();
        fs::write(&main, [b"# a comment\n".as_slice(), &[0xff, 0xfe]].concat()).unwrap();
        assert_eq!(messages(&main), ["the file is not UTF-8 text: byte 12 begins no character"]);
    }

    // fault: F6
    #[test]
    fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
        let (_folder, main) = folder();
        let limit = usize::try_from(MAX_BYTES).unwrap();
        fs::write(&main, "#".repeat(limit)).unwrap();
        assert_eq!(messages(&main), Vec::<String>::new());
        fs::write(&main, "#".repeat(limit + 1)).unwrap();
        assert_eq!(messages(&main), ["the file is over 1 MiB; a configuration is much smaller"]);
    }

    // fault: F7
    #[test]
    fn a_missing_file_and_a_directory_are_told_apart() {
        let (folder, main) = folder();
        assert_eq!(messages(&main), ["there is no such file"]);
        assert_eq!(messages(folder.path()), ["this is a directory, not a file"]);
    }

    // fault: F7
    #[test]
    fn what_anyone_can_edit_is_refused() {
        let (folder, main) = folder();
        fs::write(&main, "").unwrap();
        set_mode(&main, 0o666);
        assert_eq!(messages(&main), ["mode 0666: anyone can edit this file"]);
        set_mode(&main, 0o664);
        assert_eq!(messages(&main), Vec::<String>::new());
        let drop_ins = folder.path().join("conf.d");
        fs::create_dir(&drop_ins).unwrap();
        set_mode(&drop_ins, 0o1777);
        assert_eq!(messages(&main), ["mode 1777: anyone can edit this folder"]);
    }

    // fault: F7
    #[test]
    fn an_unreadable_file_is_refused_with_user_and_mode() {
        let (_folder, main) = folder();
        fs::write(&main, "").unwrap();
        set_mode(&main, 0o000);
        let runs_as_root = fs::read(&main).is_ok();
        let error = io::Error::from_raw_os_error(13);
        let said = if runs_as_root {
            unreadable(&main, &error).message // root reads everything: the message alone is tested
        } else {
            messages(&main).remove(0)
        };
        assert!(said.starts_with("cannot read this as user "), "{said}");
        assert!(said.contains("(mode 0000, owner "), "{said}");
        assert!(said.ends_with(": permission denied"), "{said}");
    }

    // fault: F9
    #[test]
    fn drop_ins_come_in_the_order_of_their_names_without_hidden_ones() {
        let (folder, main) = folder();
        fs::write(&main, "main").unwrap();
        let drop_ins = folder.path().join("conf.d");
        fs::create_dir_all(drop_ins.join("..data")).unwrap();
        for name in ["20-b.toml", "10-a.toml", "readme.md", ".hidden.toml", "..data/10-c.toml"] {
            fs::write(drop_ins.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("..data/10-c.toml", drop_ins.join("10-c.toml")).unwrap();
        let (sources, faults) = read_all(&main);
        assert_eq!(faults, []);
        let texts: Vec<_> = sources.iter().map(|(_, source)| source.text.as_str()).collect();
        assert_eq!(texts, ["main", "10-a.toml", "..data/10-c.toml", "20-b.toml"]);
    }

    #[test]
    fn a_link_to_drop_ins_that_leads_nowhere_is_no_missing_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(listing(&folder.path().join("conf.d")).unwrap().is_empty());
        std::os::unix::fs::symlink("/no/such/folder", folder.path().join("conf.d")).unwrap();
        assert!(listing(&folder.path().join("conf.d")).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        let (_folder, main) = folder();
        fs::write(&main, "\u{feff}dry_run = true").unwrap();
        assert_eq!(read_all(&main).0.get(0).unwrap().text, "dry_run = true");
    }
}
