//! A digest in words: a title and plain lines, for targets that people read.
//!
//! Names of batches come escaped and stand on lines of their own; a target must show lines as they are and
//! interpret nothing in them (`outgoing`). Pure.

use crate::batch::batches;
use crate::notify::Class;
use crate::notify::digest::{Ended, GuardNote, News};
use crate::notify::outgoing::Letter;

/// Characters of a line: a name may have thousands.
const MOST_CHARS: usize = 300;

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// One line. Holds no server's text.
    pub(super) title: String,
    /// What more there is to say.
    pub(super) lines: Vec<String>,
}

/// Puts a letter in words.
pub(super) fn of(letter: &Letter) -> Words {
    let (digest, product, is_sample) = (&letter.digest, letter.product, letter.is_sample);
    let who = match (&digest.account, product) {
        (Some(account), Some(product)) => format!("account {account} ({product})"),
        (Some(account), None) => format!("account {account}"),
        (None, _) => "the service".to_owned(),
    };
    let (what, lines) = match &digest.news {
        News::Begun { run_id, dry_run: true } => {
            ("a dry run began".to_owned(), vec![format!("run {run_id}")])
        }
        News::Begun { run_id, dry_run: false } => {
            ("a run began".to_owned(), vec![format!("run {run_id}")])
        }
        News::Ended(ended) => (headline(ended), of_run(ended)),
        News::Notice { sentence, help, .. } => {
            ("a warning".to_owned(), vec![sentence.clone(), format!("what to do: {help}")])
        }
    };
    let sample = if is_sample { "[test] " } else { "" };
    let first =
        is_sample.then(|| "a sample by batchsweep notify test; nothing happened".to_owned());
    Words {
        title: format!("{sample}batchsweep: {who}: {what}"),
        lines: first.into_iter().chain(lines).map(|line| cut(&line, MOST_CHARS)).collect(),
    }
}

/// A run's end in a few words.
fn headline(ended: &Ended) -> String {
    let deleted = ended.counts.get("deleted").copied().unwrap_or(0);
    match ended.outcome {
        "guarded" => "stopped by a guard, nothing was deleted".to_owned(),
        "dry_run" if ended.exit_code == 0 => "dry run, nothing was deleted".to_owned(),
        _ if ended.exit_code != 0 && deleted == 0 => {
            format!("failed, nothing was deleted (exit code {})", ended.exit_code)
        }
        _ if ended.exit_code != 0 => {
            let code = ended.exit_code;
            format!("not all well, deleted {} (exit code {code})", batches(deleted))
        }
        _ if deleted == 0 => "nothing was deleted".to_owned(),
        _ => format!("deleted {}", batches(deleted)),
    }
}

fn of_run(ended: &Ended) -> Vec<String> {
    let gathered = &ended.gathered;
    let mut lines = Vec::new();
    lines.extend(ended.error.as_ref().map(|error| format!("why: {error}")));
    lines.extend(gathered.guards.iter().map(of_guard));
    lines.extend(approve(ended));
    lines.extend(what_to_do(ended).map(|help| format!("what to do: {help}")));
    let counts: Vec<_> =
        ended.counts.iter().map(|(name, count)| format!("{} {count}", spaced(name))).collect();
    if !counts.is_empty() {
        lines.push(format!("batches: {}", counts.join(", ")));
    }
    let verb = if gathered.dry_run { "would be deleted" } else { "deleted" };
    lines.extend(gathered.rules.iter().map(|(rule, count)| format!("rule {rule}: {count} {verb}")));
    lines.extend(gathered.names.iter().map(|name| format!("- {name}")));
    let all: usize = gathered.rules.values().sum();
    let unnamed = all.saturating_sub(gathered.names.len());
    if unnamed > 0 {
        lines.push(format!("- and {unnamed} more"));
    }
    lines.extend(gathered.notes.iter().map(|note| format!("note: {note}")));
    if gathered.more_notes > 0 {
        lines.push(format!("note: and {} more", gathered.more_notes));
    }
    if ended.verified == Some(false) {
        lines.push("the deletions are NOT verified by a last listing".to_owned());
    }
    lines.push(format!(
        "took {:.1} s, exit code {}, run {}",
        ended.duration.as_secs_f64(),
        ended.exit_code,
        ended.run_id
    ));
    lines
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

fn of_guard(note: &GuardNote) -> String {
    let GuardNote { guard, limit, value, detail } = note;
    format!("guard {guard}: limit {limit}, value {value}: {detail}")
}

/// The very command that lets a plan pass. What the second opinion doubts is not approved.
pub(super) fn approve(ended: &Ended) -> Option<String> {
    let is_doubted = ended.gathered.guards.iter().any(|note| note.guard == "audit");
    (ended.outcome == "guarded" && !is_doubted).then(|| {
        let run = ended.run_id;
        format!("if all of them should go, this lets exactly these go: batchsweep approve {run}")
    })
}

/// What to do about an end, by its exit code (README has the table).
pub(super) fn what_to_do(ended: &Ended) -> Option<&'static str> {
    Some(match ended.exit_code {
        0 => return None,
        1 => "batchsweep history shows what failed; the next run tries again",
        3 => "batchsweep plan shows which batches would go, and why",
        4 => "the next run lists again; if it stays so, batchsweep check --online",
        5 => "nothing, if another run is meant to be at work; batchsweep status shows it",
        74 => "the state cannot be relied on: look at its disk or database",
        75 => "the API cannot be reached or fails; the next run tries again",
        77 => "the API refuses the key: put a valid one where the file says it is",
        78 => "batchsweep check says what is wrong with the configuration",
        130 | 143 => "it was told to stop; the next run makes a new plan of what is left",
        _ => "the log of this run says more",
    })
}

/// The first so many characters, with an ellipsis where there were more.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A colour for a class, as Teams names them.
pub(super) const fn colour(class: Class) -> &'static str {
    match class {
        Class::Guard | Class::Warning => "Warning",
        Class::Failure => "Attention",
        Class::Deleted | Class::Success => "Good",
        Class::Start => "Default",
    }
}
