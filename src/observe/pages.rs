//! Tables of the documentation that are made of code, held to the committed page.
//!
//! With `BATCHSWEEP_WRITE_DOCS=1` in the environment the tests write the tables anew instead. The prose around them
//! is by hand.

use std::fs;
use std::path::Path;

/// Asserts that the tables of a page under `docs/` are these, in their order; or writes them.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "a test that is asked to write has no other way to be asked"
)]
pub(super) fn hold(page: &str, tables: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let committed = fs::read_to_string(&path).unwrap();
    let renewed = with_tables(&committed, tables);
    if std::env::var("BATCHSWEEP_WRITE_DOCS").is_ok() {
        fs::write(&path, &renewed).unwrap();
        return;
    }
    assert!(
        committed == renewed,
        "docs/{page} differs from the code; BATCHSWEEP_WRITE_DOCS=1 cargo test --lib docs_ writes it anew"
    );
}

/// The page with these tables in place of its own.
fn with_tables(page: &str, tables: &[String]) -> String {
    let (mut out, mut tables, mut is_table) = (String::new(), tables.iter(), false);
    for line in page.lines() {
        let was_table = std::mem::replace(&mut is_table, line.starts_with('|'));
        if is_table && !was_table {
            out.push_str(tables.next().expect("the page has a table that the code does not make"));
        }
        if !is_table {
            out.push_str(line);
            out.push('\n');
        }
    }
    assert_eq!(tables.next(), None, "the page lacks a table");
    out
}

#[test]
fn tables_are_replaced_and_prose_stays() {
    let page = "# A\n\n| a |\n|---|\n| old |\n\nprose\n\n| b |\n";
    let tables = ["| new |\n".to_owned(), "| b2 |\n".to_owned()];
    assert_eq!(with_tables(page, &tables), "# A\n\n| new |\n\nprose\n\n| b2 |\n");
}
