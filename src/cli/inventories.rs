//! Inventories for commands that ask the API nothing: the last listings of the state, or a plan that was
//! written as JSON.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::once;
use crate::cli::session::Session;
use crate::config::Account;
use crate::document::inventory::{self, Inventory};
use crate::run::outlook::LastListing;
use crate::run::report::Exit;
use crate::state::StateError;

/// Why there are none.
pub(super) enum Nothing {
    /// The state cannot be read.
    State(StateError),
    /// No listing is remembered of any of these accounts.
    NoListing(Vec<String>),
    /// The file of `--inventory` cannot be used: its path, and why.
    File(String, String),
}

impl From<StateError> for Nothing {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl Nothing {
    /// There is none for these accounts.
    pub(super) fn no_listing(accounts: &[Account]) -> Self {
        let names = accounts.iter().map(|account| format!("`{}`", account.name));
        Self::NoListing(names.collect())
    }

    /// The same for people.
    pub(super) fn failure(self) -> Failure {
        let (what, causes, help) = match self {
            Self::State(error) => return once::unusable(&error),
            Self::NoListing(accounts) => (
                "there is no listing to look at".to_owned(),
                vec![format!("none is remembered of {}", crate::batch::and_list(&accounts))],
                "`batchsweep once --dry-run` makes one, or write one elsewhere with `batchsweep plan \
                 --output json` and name it with --inventory",
            ),
            Self::File(path, cause) => (
                format!("the inventory in {path} cannot be used"),
                vec![cause],
                "`batchsweep plan --output json` writes one",
            ),
        };
        Failure { what, consequence: "", causes, help: help.to_owned(), exit: Exit::SomeFailed }
    }
}

/// Inventories of a file, or the last listings of these accounts.
pub(super) async fn read<'a>(
    session: &Session,
    accounts: impl IntoIterator<Item = &'a Account>,
    file: Option<&Path>,
) -> Result<Vec<Inventory>, Nothing> {
    match file {
        Some(path) => of_file(path),
        None => Ok(of_state(session, accounts).await?),
    }
}

fn of_file(path: &Path) -> Result<Vec<Inventory>, Nothing> {
    let told = |cause: String| Nothing::File(path.display().to_string(), cause);
    let text = std::fs::read_to_string(path).map_err(|problem| told(problem.to_string()))?;
    inventory::read(&text).map_err(|problem| {
        let source = std::error::Error::source(&problem).map(|source| format!(": {source}"));
        told(format!("{problem}{}", source.unwrap_or_default()))
    })
}

async fn of_state<'a>(
    session: &Session,
    accounts: impl IntoIterator<Item = &'a Account>,
) -> Result<Vec<Inventory>, StateError> {
    let Some(state) = session.state_to_read().await? else { return Ok(Vec::new()) };
    let mut listings = Vec::new();
    for account in accounts {
        let Some(listing) = LastListing::read(&state, account, None).await? else { continue };
        listings.push(Inventory {
            account: account.name.to_string(),
            made_at: listing.listed_at,
            batches: listing.batches.to_vec(),
        });
    }
    Ok(listings)
}
