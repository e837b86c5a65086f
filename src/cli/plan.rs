//! `plan`: what a run would delete, keep and why. Sends only list and account GETs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use crate::batch::{Batch, RuleName, batches, counted, escaped};
use crate::cli::Outside;
use crate::cli::args::{self, Global, Shape};
use crate::cli::failure::{self, AccountFailure, Failure};
use crate::cli::once;
use crate::cli::output::{Paint, Terminal, ago, cut, table, verdict_in_words};
use crate::cli::session::{Session, Watch};
use crate::cli::vanished::{self, VanishedDocument};
use crate::clock::{self, Timestamp};
use crate::config::{Account, Config};
use crate::document::plan::{BAD_ID, BatchDocument};
use crate::guards::Reading;
use crate::inventory::IncompleteInventory;
use crate::plan::Plan;
use crate::plan::seal::{GOOD_FOR, Origin, SealedPlan, SealedPlans};
use crate::policy::verdict::Verdict;
use crate::run::fleet::Past;
use crate::run::report::{Exit, NotBegun, exit_of_listing};
use crate::run::{Admission, plan_of, readings};
use crate::state::StateError;

/// How many rows the table of deletions shows before it says "and N more".
pub(super) const ROWS: usize = 40;

/// Why an account has no plan, and its batches no explanation.
pub(super) enum NoPlan {
    NotBegun(NotBegun),
    State(StateError),
    Incomplete(IncompleteInventory),
}

impl From<NotBegun> for NoPlan {
    fn from(cause: NotBegun) -> Self {
        Self::NotBegun(cause)
    }
}

impl From<StateError> for NoPlan {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<IncompleteInventory> for NoPlan {
    fn from(cause: IncompleteInventory) -> Self {
        Self::Incomplete(cause)
    }
}

impl NoPlan {
    /// The same for people.
    pub(super) fn failure(&self, account: &Account) -> Failure {
        let name = account.name.as_str();
        match self {
            Self::NotBegun(cause) => failure::of_begin(name, cause),
            Self::State(error) => {
                failure::of_state(format!("account `{name}`: the state cannot be read"), error)
            }
            Self::Incomplete(cause) => failure::of_listing(name, cause, exit_of_listing(cause)),
        }
    }
}

/// Runs the command.
pub(super) async fn run(command: &args::Plan, global: &Global, outside: &Outside) -> Exit {
    let session = match Session::open(global, outside, Watch::Progress) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let past = match session.past().await {
        Ok(past) => past,
        Err(error) => return once::unusable(&error).end_for(global, outside),
    };
    let one = async |account: &Account| one(&session, &past, account).await;
    let made = session.for_each_account(one).await;
    past.close().await;
    session.clear_progress();
    let rows = if command.all { Rows::All } else { Rows::Deletions(ROWS) };
    let mut exit = Exit::Done;
    let mut documents = Vec::new();
    let (mut sealed, mut failures) = (Vec::new(), Vec::new());
    for (account, result) in session.config.accounts.iter().zip(&made) {
        match result {
            Ok((admission, origin)) => {
                if command.out.is_some() {
                    let (plan, origin) = (plan_of(admission), origin.clone());
                    sealed.push(SealedPlan::of(plan, origin, &session.config.hash));
                }
                match global.output {
                    Shape::Json => {
                        documents.push(PlanDocument::of(account, &session.config, admission));
                    }
                    Shape::Text => show(rows, account, admission, outside),
                }
            }
            Err(cause) => {
                let failure = cause.failure(account);
                exit = exit.worse(failure.end(outside));
                failures.push(AccountFailure::of(account.name.as_str(), &failure, outside));
            }
        }
    }
    if let Some(out) = command.out.as_ref().filter(|_| exit == Exit::Done) {
        exit = write_sealed(out, sealed, global, outside);
    }
    let vanished = past.vanished.as_ref();
    match global.output {
        Shape::Json => outside.terminal.json(&Document {
            version: 1,
            plans: documents,
            error: failure::joined(&failures),
            failures,
            exit_code: exit.code(outside.stop.signal()),
            vanished_state: vanished.map(VanishedDocument::of),
        }),
        Shape::Text => vanished::show(vanished, outside),
    }
    exit
}

/// Writes sealed plans: whole, or not at all.
fn write_sealed(out: &Path, plans: Vec<SealedPlan>, global: &Global, outside: &Outside) -> Exit {
    let text = SealedPlans::seal(plans).to_text();
    let mut beside = out.as_os_str().to_owned();
    beside.push(".new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, out));
    if let Err(problem) = written {
        return Failure {
            what: format!("cannot write the sealed plans to {}", out.display()),
            consequence: "",
            causes: vec![problem.to_string()],
            help: "choose a file in a folder that you may write".to_owned(),
            exit: Exit::State,
        }
        .end(outside);
    }
    if global.output == Shape::Text {
        outside.terminal.data(&format!(
            "\nSealed for 24 hours in {}: `batchsweep apply {}` deletes these batches and no others.\n",
            out.display(),
            out.display()
        ));
    }
    Exit::Done
}

async fn one(
    session: &Session,
    past: &Past,
    account: &Account,
) -> Result<(Admission, Origin), NoPlan> {
    let runner = session.runner(account)?;
    let recalled = session.recall(past.state.as_ref(), account).await?;
    if let Some(state) = &past.state {
        runner.restore_window(state).await?;
    }
    let admission = runner.plan(&recalled, past.notes.as_ref()).await?;
    Ok((admission, runner.origin()))
}

/// Which batches a plan's table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Every batch with its reason.
    All,
    /// So many of those that would go.
    Deletions(usize),
}

/// Shows a plan to people.
pub(super) fn show(rows: Rows, account: &Account, admission: &Admission, outside: &Outside) {
    let text = body(rows, admission, &outside.terminal) + &outlook(account, plan_of(admission));
    outside.terminal.data(&text);
}

/// What a plan says, without what to do next.
pub(super) fn body(rows: Rows, admission: &Admission, terminal: &Terminal) -> String {
    let plan = plan_of(admission);
    let mut text = summary(admission, terminal);
    text.push('\n');
    text.push_str(&match rows {
        Rows::All => all_batches(plan),
        Rows::Deletions(most) => deletions(plan, most),
    });
    text.push_str(&guards(readings(admission), terminal));
    text
}

/// The head of a plan: how many batches, and what becomes of them.
pub(super) fn summary(admission: &Admission, terminal: &Terminal) -> String {
    let plan = plan_of(admission);
    let mut text = format!(
        "{}  {} listed at {}\n\n",
        terminal.paint(Paint::Strong, plan.account().as_str()),
        batches(plan.inventory().len()),
        clock::shown(plan.made_at()),
    );
    let counts = plan.counts();
    for name in Verdict::NAMES {
        let count = counts.get(name).copied().unwrap_or(0);
        if count == 0 && name != "delete" {
            continue;
        }
        let line =
            format!("{count:>7}  {:<10} {}", verdict_in_words(name), cut(&causes(plan, name), 100));
        let painted = match name {
            "delete" => terminal.paint(Paint::Alarm, line.trim_end()),
            _ => line.trim_end().to_owned(),
        };
        let _infallible = writeln!(text, "{painted}");
    }
    text
}

/// Which rules stand behind a verdict, with their counts, the most frequent first.
fn causes(plan: &Plan, name: &str) -> String {
    if name == Verdict::Unmatched.name() {
        return "no delete rule selects them".to_owned();
    }
    let mut by_cause: BTreeMap<String, usize> = BTreeMap::new();
    for (_, verdict) in plan.entries().filter(|(_, verdict)| verdict.name() == name) {
        *by_cause.entry(cause(verdict)).or_default() += 1;
    }
    let mut causes: Vec<_> = by_cause.into_iter().collect();
    causes.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    causes
        .into_iter()
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The one rule or field that stands behind a verdict first.
fn cause(verdict: &Verdict) -> String {
    let first = |rules: &[RuleName]| rules.first().map_or_else(String::new, ToString::to_string);
    match verdict {
        Verdict::Delete { .. }
        | Verdict::Wait { .. }
        | Verdict::Busy { .. }
        | Verdict::TooYoung { .. }
        | Verdict::Held { .. } => first(verdict.selected_by()),
        Verdict::Kept { by, .. } => first(by),
        Verdict::Unknown { field, .. } => field.to_string(),
        Verdict::Unmatched => String::new(),
    }
}

/// The batches that would go.
fn deletions(plan: &Plan, most: usize) -> String {
    let rows: Vec<_> = plan
        .deletions()
        .take(most)
        .map(|(batch, verdict)| {
            let rules: Vec<_> = verdict.selected_by().iter().map(RuleName::as_str).collect();
            let mut row = row_of(batch, plan.made_at());
            row.push(rules.join(", "));
            row
        })
        .collect();
    if rows.is_empty() {
        return "  Nothing to delete.\n".to_owned();
    }
    let more = plan.deletions().count() - rows.len();
    let mut text = table(&["DELETE", "NAME", "CREATED", "LAST RUN", "RULE"], rows);
    if more > 0 {
        let _infallible = writeln!(text, "  … and {more} more (plan --all shows every batch)");
    }
    text
}

/// Every batch with its verdict and reason.
fn all_batches(plan: &Plan) -> String {
    let rows = plan.entries().map(|(batch, verdict)| {
        let mut row = row_of(batch, plan.made_at());
        row.insert(0, verdict_in_words(verdict.name()).to_owned());
        row.push(cut(&verdict.reason(), 200));
        row
    });
    let hostile = plan.inventory().hostile_ids().iter().map(|id| {
        let id = cut(&escaped(id), 20);
        let row = ["unknown", &id, "", "", "", BAD_ID];
        row.map(str::to_owned).to_vec()
    });
    table(&["VERDICT", "ID", "NAME", "CREATED", "LAST RUN", "REASON"], rows.chain(hostile))
}

fn row_of(batch: &Batch, now: Timestamp) -> Vec<String> {
    vec![
        batch.id.to_string(),
        cut(&batch.shown_name(), 40),
        ago(&batch.created_at, now, "unknown"),
        ago(&batch.last_run, now, if batch.never_ran().is_some() { "never" } else { "unknown" }),
    ]
}

/// What the table says of a guard that tripped.
const STOPS: &str = "stops the run";

/// The guards, those that tripped in full.
fn guards(readings: &[Reading], terminal: &Terminal) -> String {
    let rows = readings.iter().map(|reading| {
        let verdict = if reading.tripped { STOPS } else { "" };
        let (value, limit) = (&reading.shown.value, &reading.shown.limit);
        [reading.guard, value, limit, verdict].map(str::to_owned).to_vec()
    });
    let mut text = "\n".to_owned();
    for line in table(&["GUARD", "VALUE", "LIMIT", ""], rows).lines() {
        let stops = line.ends_with(STOPS);
        let line = if stops { terminal.paint(Paint::Alarm, line) } else { line.to_owned() };
        let _infallible = writeln!(text, "{line}");
    }
    if readings.iter().any(|reading| reading.tripped) {
        text.push('\n');
    }
    for reading in readings.iter().filter(|reading| reading.tripped) {
        let _infallible = writeln!(
            text,
            "{} {}: {}",
            terminal.paint(Paint::Alarm, "would stop the run:"),
            reading.guard,
            reading.detail
        );
    }
    text
}

/// What carrying it out would take, and where to look closer.
fn outlook(account: &Account, plan: &Plan) -> String {
    let calls = plan.requests_needed();
    if calls == 0 {
        return String::new();
    }
    let seconds = calls.div_ceil(account.api.requests_per_second as usize);
    let example = plan.deletions().next().map_or("", |(batch, _)| batch.id.as_str());
    format!(
        "\nThis command deletes nothing. A sweep of this plan takes {}, about {}.\n\
         Why one batch goes: batchsweep explain {example}\n",
        counted(calls as u128, "call", "calls"),
        about(seconds),
    )
}

/// Seconds, or minutes where there are many.
fn about(seconds: usize) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

/// `plan --output json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    plans: Vec<PlanDocument<'a>>,
    failures: Vec<AccountFailure<'a>>,
    error: Option<String>,
    exit_code: u8,
    vanished_state: Option<VanishedDocument>,
}

#[derive(Debug, Serialize)]
struct PlanDocument<'a> {
    account: &'a str,
    product: &'static str,
    run_id: String,
    made_at: Timestamp,
    expires_at: Timestamp,
    dry_run: bool,
    config_hash: &'a str,
    inventory: InventoryDocument,
    counts: BTreeMap<&'static str, usize>,
    guards: &'a [Reading],
    batches: Vec<BatchDocument<'a>>,
    requests_needed: usize,
}

#[derive(Debug, Serialize)]
struct InventoryDocument {
    batches: usize,
    hash: String,
}

impl<'a> PlanDocument<'a> {
    fn of(account: &'a Account, config: &'a Config, admission: &'a Admission) -> Self {
        let plan = plan_of(admission);
        let hostile = plan.inventory().hostile_ids().iter().map(|id| BatchDocument::of_hostile(id));
        Self {
            account: account.name.as_str(),
            product: account.api.product.as_str(),
            run_id: plan.run_id().to_string(),
            made_at: plan.made_at(),
            expires_at: plan.made_at() + GOOD_FOR,
            dry_run: config.arm().is_none(),
            config_hash: &config.hash,
            inventory: InventoryDocument {
                batches: plan.inventory().len(),
                hash: plan.inventory().hash(),
            },
            counts: plan.counts(),
            guards: readings(admission),
            batches: plan.entries().map(BatchDocument::of).chain(hostile).collect(),
            requests_needed: plan.requests_needed(),
        }
    }
}
