//! Finding one batch: in the account that is asked for, or in all; also one that is gone.

use super::ask::Ask;
use super::sight::Sight;
use crate::batch::BatchId;
use crate::config::Account;
use crate::run::explained::{BatchPast, Explained};
use crate::state::StateError;

/// A batch that was found, with its account.
pub(super) enum Found<'c> {
    /// It is listed.
    Listed(&'c Account, Box<Explained>),
    /// It was, and something was done to it.
    Gone(&'c Account, BatchPast),
}

/// Looks in the account that is asked for, or in all.
pub(super) async fn find<'c>(
    sight: &Sight,
    accounts: &'c [Account],
    ask: &Ask,
    id: &BatchId,
) -> Result<Option<Found<'c>>, StateError> {
    let named = ask.get("account");
    let is_asked = |account: &&Account| named.is_none_or(|name| account.name.as_str() == name);
    for account in accounts.iter().filter(is_asked) {
        if let Some(explained) = sight.explained(account, id).await? {
            return Ok(Some(Found::Listed(account, Box::new(explained))));
        }
    }
    for account in accounts.iter().filter(is_asked) {
        let past = sight.past(account, id).await?;
        if !past.deletions.is_empty() {
            return Ok(Some(Found::Gone(account, past)));
        }
    }
    Ok(None)
}
