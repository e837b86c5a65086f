//! The repository's own Rust files and test scripts, as text, for the tests that read them.

use std::path::{Path, PathBuf};

/// A file: its path from the repository's root, with `/`, and its text.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under these folders of the repository, in order of their paths.
pub(crate) fn rust_files(folders: &[&str]) -> Vec<Source> {
    let root = root();
    let mut open: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(read(&root, &path));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The scripts `tests/*/run`, which test what needs more than one process of Rust.
pub(crate) fn test_scripts() -> Vec<Source> {
    let root = root();
    let folders = std::fs::read_dir(root.join("tests")).unwrap();
    let scripts = folders.map(|folder| folder.unwrap().path().join("run"));
    scripts.filter(|path| path.is_file()).map(|path| read(&root, &path)).collect()
}

fn read(root: &Path, path: &Path) -> Source {
    let relative = path.strip_prefix(root).unwrap();
    let steps: Vec<_> = relative.iter().map(|step| step.to_str().unwrap()).collect();
    Source { path: steps.join("/"), text: std::fs::read_to_string(path).unwrap() }
}
