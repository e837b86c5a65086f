//! Applying a sealed plan: what refuses it, before and after the listing.
//!
//! Not here: the file (`plan::seal`), the run itself (`run`).
//! Invariant: a sealed plan only ever narrows what the rules of now would delete.

use crate::batch::AccountName;
use crate::clock::{self, Timestamp};
use crate::plan::seal::{Origin, SealedPlan};
use crate::plan::{Plan, stamp};

/// A plan that was made before, and its seal.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// The plan.
    pub plan: &'a SealedPlan,
    /// The seal of its file.
    pub seal: &'a str,
}

/// Why a sealed plan is not applied. Nothing was deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is for another product or place.
    #[error("it was made for {what} `{sealed}`, and account `{account}` is at `{present}`")]
    Elsewhere {
        /// `product` or `base_url`.
        what: &'static str,
        /// What the plan says.
        sealed: String,
        /// Whose.
        account: AccountName,
        /// What the configuration says.
        present: String,
    },
    /// It was made with another key, and none of its batches is listed.
    #[error("it was made with another key, and the account lists none of its batches as they were")]
    AnotherAccount,
    /// It is too old.
    #[error("it expired at {}", clock::shown(*.0))]
    Expired(Timestamp),
    /// It says that it was made later than now.
    #[error("it was made at {}, and that is yet to come", clock::shown(*.0))]
    NotYet(Timestamp),
    /// It was applied before.
    #[error("it was applied before")]
    Replayed,
    /// The configuration is another one, and its rules do not select all of its batches any more.
    #[error("the configuration was changed since, and no delete rule selects batch `{0}` any more")]
    NotSelected(String),
}

impl Refusal {
    /// What to do.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Elsewhere { .. } | Self::AnotherAccount => {
                "use the configuration that it was made with, or make a new plan: batchsweep plan --out FILE"
            }
            Self::Expired(_) | Self::Replayed | Self::NotSelected(_) => {
                "make a new plan: batchsweep plan --out FILE"
            }
            Self::NotYet(_) => "one of the two machines' clocks is wrong: set it",
        }
    }
}

/// What can be told before any call.
///
/// # Errors
/// [`Refusal`].
pub fn check(
    sealed: &SealedPlan,
    account: &AccountName,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), Refusal> {
    for (what, was, is) in [
        ("product", &sealed.origin.product, &origin.product),
        ("base_url", &sealed.origin.base_url, &origin.base_url),
    ] {
        if was != is {
            return Err(Refusal::Elsewhere {
                what,
                sealed: crate::batch::escaped(was),
                account: account.clone(),
                present: is.clone(),
            });
        }
    }
    if sealed.made_at > now {
        return Err(Refusal::NotYet(sealed.made_at));
    }
    if sealed.expires_at < now {
        return Err(Refusal::Expired(sealed.expires_at));
    }
    Ok(())
}

/// What only the listing can tell. `plan` is the whole plan of now.
///
/// # Errors
/// [`Refusal`].
pub fn check_listed(
    sealed: &SealedPlan,
    plan: &Plan,
    origin: &Origin,
    config_hash: &str,
) -> Result<(), Refusal> {
    let stamps = sealed.stamps();
    let listed = || plan.entries().filter(|(batch, _)| stamps.contains_key(batch.id.as_str()));
    let as_it_was = listed().any(|(batch, _)| stamps.get(batch.id.as_str()) == Some(&stamp(batch)));
    if sealed.origin.key != origin.key && !as_it_was {
        return Err(Refusal::AnotherAccount);
    }
    if sealed.config_hash == config_hash {
        return Ok(());
    }
    let not_selected = listed().find(|(_, verdict)| verdict.selected_by().is_empty());
    not_selected.map_or(Ok(()), |(batch, _)| Err(Refusal::NotSelected(batch.id.to_string())))
}
