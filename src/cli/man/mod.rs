//! `man`: the manual pages, made of what the program says about itself, so that none can drift from it.
//!
//! Not here: how the page on the file is made of the commented sample (`file`).

mod file;

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::cli::Outside;
use crate::cli::args::{self, Arguments, EXIT_CODES, Global};
use crate::cli::failure::{self, Failure};
use crate::run::report::Exit;

/// The section of the manual for those who run a machine.
const SECTION: &str = "8";
/// Where all pages say they are from.
const SOURCE: &str = concat!("batchsweep ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "batchsweep";

/// One page.
#[derive(Debug)]
struct Page {
    /// Its name without the section, such as `batchsweep-once`.
    name: String,
    section: &'static str,
    text: String,
}

impl Page {
    fn file_name(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// Whether a person means this page: `once`, `batchsweep-once` and `batchsweep-once.8` are one.
    fn is_called(&self, name: &str) -> bool {
        name == self.name
            || name == self.file_name()
            || self.name.strip_prefix("batchsweep-") == Some(name)
    }
}

/// Runs the command.
pub(super) fn run(command: &args::Man, _global: &Global, outside: &Outside) -> Exit {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(problem) => return unwritten("the manual pages", &problem).end(outside),
    };
    if let Some(out) = &command.out {
        return match write_all(out, &pages) {
            Ok(()) => Exit::Done,
            Err(problem) => {
                unwritten(&format!("the manual pages to {}", out.display()), &problem).end(outside)
            }
        };
    }
    let name = command.page.as_deref().unwrap_or("batchsweep");
    let Some(page) = pages.iter().find(|page| page.is_called(name)) else {
        let known: Vec<_> = pages.iter().map(|page| page.name.as_str()).collect();
        let what = format!("there is no manual page `{}`", crate::batch::escaped(name));
        return failure::of_usage(what, format!("the pages are {}", known.join(", "))).end(outside);
    };
    outside.terminal.data(&page.text);
    Exit::Done
}

fn unwritten(what: &str, problem: &io::Error) -> Failure {
    Failure {
        what: format!("cannot write {what}"),
        consequence: "",
        causes: vec![problem.to_string()],
        help: "choose a folder that you may write".to_owned(),
        exit: Exit::State,
    }
}

fn write_all(out: &Path, pages: &[Page]) -> io::Result<()> {
    std::fs::create_dir_all(out)?;
    pages.iter().try_for_each(|page| std::fs::write(out.join(page.file_name()), &page.text))
}

/// Every page: the program, each of its commands, the file.
fn pages() -> io::Result<Vec<Page>> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let mut pages = vec![of_command(&program)?];
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages.push(of_command(command)?);
    }
    pages.push(Page { name: "batchsweep.toml".to_owned(), section: "5", text: file::page() });
    Ok(pages)
}

/// The page of the program or of one of its commands.
fn of_command(command: &clap::Command) -> io::Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone())
        .title(name.as_str())
        .section(SECTION)
        .source(SOURCE)
        .manual(MANUAL);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let ending = if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
        of_program()
    } else {
        of_its_command()
    };
    ending.to_writer(&mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Page { name, section: SECTION, text })
}

/// How the page of a command ends: the program's says what holds for all of them.
fn of_its_command() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman("As "), bold("batchsweep"), roman("(8) says.")]);
    see_also(&mut roff, &["batchsweep(8)", "batchsweep.toml(5)"]);
    roff
}

/// How the program's page ends: with what holds for all commands.
fn of_program() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit_codes() {
        item(&mut roff, code, &meaning);
    }
    for (heading, items) in
        [("SIGNALS", &SIGNALS[..]), ("FILES", &FILES), ("ENVIRONMENT", &ENVIRONMENT)]
    {
        roff.control("SH", [heading]);
        for (name, what) in items {
            item(&mut roff, name, what);
        }
    }
    see_also(&mut roff, &["batchsweep.toml(5)", "systemd.service(5)", "journalctl(1)"]);
    roff
}

const SIGNALS: [(&str, &str); 3] = [
    (
        "SIGTERM, SIGINT",
        "The call in flight is finished and recorded, no other is begun. A second one ends at once; what is \
         open then, the next run settles.",
    ),
    ("SIGHUP", "`run` reads the file again; a bad one is refused, and the old one stays."),
    ("SIGUSR1", "`run` runs every account now."),
];

const FILES: [(&str, &str); 4] = [
    ("/etc/batchsweep/config.toml", "The rules; see batchsweep.toml(5)."),
    ("/etc/batchsweep/conf.d/*.toml", "Drop-ins, read after it in the order of their names."),
    (
        "/etc/batchsweep/api-key",
        "The key and nothing else. The systemd unit hands it to the service as the credential `api-key`.",
    ),
    ("/var/lib/batchsweep", "Where the systemd unit keeps the state, state.db."),
];

const ENVIRONMENT: [(&str, &str); 7] = [
    ("BATCHSWEEP_CONFIG", "The file, where --config does not name one."),
    ("BATCHSWEEP_METRICS_FILE", "Where once writes metrics, if --metrics-file names no file."),
    (
        "BATCHSWEEP_API_KEY",
        "The key of an account that says nowhere where its key is, and has no credential.",
    ),
    ("BATCHSWEEP__GUARDS__MAX_DELETES", "Overrides one value of the file; any other alike."),
    (
        "STATE_DIRECTORY, XDG_STATE_HOME, HOME",
        "The first of them that is set says where the state is, if the file does not.",
    ),
    ("CREDENTIALS_DIRECTORY", "Where systemd puts credentials."),
    ("NO_COLOR, CLICOLOR_FORCE, TERM", "Whether text for people is coloured."),
];

/// The exit codes as `--help` lists them.
fn exit_codes() -> Vec<(&'static str, String)> {
    let mut codes: Vec<(&str, String)> = Vec::new();
    for line in EXIT_CODES.lines().skip(1).map(str::trim) {
        let first = line.split_once(' ').filter(|(code, _)| code.parse::<u8>().is_ok());
        match (first, codes.last_mut()) {
            (Some((code, meaning)), _) => codes.push((code, meaning.trim().to_owned())),
            (None, Some((_, meaning))) => {
                meaning.push(' ');
                meaning.push_str(line);
            }
            (None, None) => {}
        }
    }
    codes
}

/// A paragraph with a heading.
fn item(roff: &mut Roff, heading: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(heading)]);
    roff.text(inline(text));
}

fn see_also(roff: &mut Roff, pages: &[&str]) {
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(pages.join(", "))]);
}

/// A text with what stands in backticks in bold.
fn inline(text: &str) -> Vec<Inline> {
    let part = |(n, part): (usize, &str)| if n % 2 == 1 { bold(part) } else { roman(part) };
    text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_it() {
        let pages = pages().unwrap();
        for command in Arguments::command().get_subcommands() {
            let name = format!("batchsweep-{}", command.get_name());
            let page = pages.iter().find(|page| page.name == name).unwrap();
            let about = command.get_about().unwrap().to_string();
            let text = page.text.replace("\\-", "-").replace("\\*(Aq", "'");
            assert!(text.contains(about.lines().next().unwrap()), "{name}: {text}");
        }
    }

    #[test]
    fn every_exit_code_is_on_the_page_with_all_its_words() {
        let codes = exit_codes();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let joined: Vec<_> =
            codes.iter().flat_map(|(code, text)| words(&format!("{code} {text}"))).collect();
        let said = EXIT_CODES.split_once(":\n").unwrap().1;
        assert_eq!(joined, words(said));
        assert_eq!(codes.len(), 13);
    }

    #[test]
    fn a_page_is_found_by_its_command_its_name_and_its_file() {
        let pages = pages().unwrap();
        let found =
            |name: &str| pages.iter().find(|page| page.is_called(name)).map(Page::file_name);
        for (name, file) in [
            ("batchsweep", Some("batchsweep.8")),
            ("once", Some("batchsweep-once.8")),
            ("batchsweep-once", Some("batchsweep-once.8")),
            ("batchsweep-once.8", Some("batchsweep-once.8")),
            ("batchsweep.toml", Some("batchsweep.toml.5")),
            ("sweep", None),
        ] {
            assert_eq!(found(name).as_deref(), file, "{name}");
        }
    }
}
