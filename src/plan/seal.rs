//! Sealed plans: what a plan deletes, in a file, for review, for two people, for those without a state.
//!
//! Not here: whether a sealed plan still fits (`run::apply`), reading and writing files (`cli`).
//! Invariant: a seal is over every byte that means something; one that is broken opens nothing.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::batch::{AccountName, hex};
use crate::clock::Timestamp;
use crate::plan::{Plan, Stamps, stamp};

/// How long a sealed plan is good for.
pub const GOOD_FOR: TimeDelta = TimeDelta::hours(24);

/// The first words of every file.
const FORMAT: &str = "batchsweep sealed plans, 1";

/// The plans of one or more accounts, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPlans {
    format: String,
    plans: Vec<SealedPlan>,
    /// SHA-256, in hex, over format and plans.
    seal: String,
}

/// One account's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPlan {
    /// The account, as the file names it.
    pub account: String,
    /// Where and with which key it was made.
    pub origin: Origin,
    /// The hash of the configuration that it was made by.
    pub config_hash: String,
    /// The hash of the inventory that it was made of.
    pub inventory_hash: String,
    /// The run that made it.
    pub run_id: String,
    /// When.
    pub made_at: Timestamp,
    /// Until when it may be applied.
    pub expires_at: Timestamp,
    /// What it deletes, oldest first.
    pub deletions: Vec<SealedDeletion>,
}

/// Which account of the vendor a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The product.
    pub product: String,
    /// Where its API is.
    pub base_url: String,
    /// The product and the key's fingerprint; not the key.
    pub key: String,
}

/// The address, the product and the key's fingerprint, as one text.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.base_url, self.key)
    }
}

/// One batch that a sealed plan deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedDeletion {
    /// Its id.
    pub id: String,
    /// Its name then, for whoever reviews the file.
    pub name: Option<String>,
    /// The rules that select it.
    pub rules: Vec<String>,
    /// Why, in words.
    pub reason: String,
    /// What it looked like.
    pub stamp: String,
}

/// Why a text opens no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSeal {
    /// It is not such a file.
    #[error("this is no file of sealed plans: {0}")]
    Form(String),
    /// It is of another version.
    #[error("this file says `{0}`; this program knows `{FORMAT}`")]
    Format(String),
    /// It was changed after it was sealed.
    #[error("the seal is broken: the file was changed after it was made")]
    Broken,
}

impl SealedPlan {
    /// A plan, to be sealed.
    pub fn of(plan: &Plan, origin: Origin, config_hash: &str) -> Self {
        let deletion =
            |(batch, verdict): (&crate::batch::Batch, &crate::policy::verdict::Verdict)| {
                SealedDeletion {
                    id: batch.id.to_string(),
                    name: batch.name.known().map(ToString::to_string),
                    rules: verdict.selected_by().iter().map(ToString::to_string).collect(),
                    reason: verdict.reason(),
                    stamp: stamp(batch),
                }
            };
        Self {
            account: plan.account().to_string(),
            origin,
            config_hash: config_hash.to_owned(),
            inventory_hash: plan.inventory().hash(),
            run_id: plan.run_id().to_string(),
            made_at: plan.made_at(),
            expires_at: plan.made_at() + GOOD_FOR,
            deletions: plan.deletions().map(deletion).collect(),
        }
    }

    /// The batches it deletes, with their stamps.
    pub fn stamps(&self) -> Stamps {
        self.deletions.iter().map(|one| (one.id.clone(), one.stamp.clone())).collect()
    }

    /// Whether it is for the account of this name.
    pub fn is_for(&self, account: &AccountName) -> bool {
        self.account == account.as_str()
    }
}

impl SealedPlans {
    /// Seals plans.
    pub fn seal(plans: Vec<SealedPlan>) -> Self {
        let format = FORMAT.to_owned();
        let seal = seal_of(&format, &plans);
        Self { format, plans, seal }
    }

    /// The file's text, for people to review.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Opens a file's text.
    ///
    /// # Errors
    /// When it is no such file, or was changed.
    pub fn open(text: &str) -> Result<Self, BadSeal> {
        let read: Self =
            serde_json::from_str(text).map_err(|problem| BadSeal::Form(problem.to_string()))?;
        if read.format != FORMAT {
            return Err(BadSeal::Format(read.format.chars().take(64).collect()));
        }
        if read.seal != seal_of(&read.format, &read.plans) {
            return Err(BadSeal::Broken);
        }
        Ok(read)
    }

    /// The plans.
    pub fn plans(&self) -> &[SealedPlan] {
        &self.plans
    }

    /// The seal, which tells one file from another.
    pub fn as_str(&self) -> &str {
        &self.seal
    }
}

/// The seal over what is sealed. White space means nothing, so that a file may be laid out anew.
fn seal_of(format: &str, plans: &[SealedPlan]) -> String {
    let text = serde_json::to_string(&(format, plans)).unwrap_or_default();
    hex(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed() -> SealedPlans {
        let plan = SealedPlan {
            account: "main".into(),
            origin: Origin {
                product: "serpwow".into(),
                base_url: "https://api.serpwow.com/live".into(),
                key: "0badc0de".into(),
            },
            config_hash: "c0".into(),
            inventory_hash: "1d".into(),
            run_id: "r".into(),
            made_at: "2026-11-27T12:00:00Z".parse().unwrap(),
            expires_at: "2026-11-28T12:00:00Z".parse().unwrap(),
            deletions: vec![SealedDeletion {
                id: "A1".into(),
                name: Some("tmp-1".into()),
                rules: vec!["tmp".into()],
                reason: "`tmp` selects it".into(),
                stamp: "0123456789abcdef".into(),
            }],
        };
        SealedPlans::seal(vec![plan])
    }

    #[test]
    fn what_was_sealed_opens_also_when_it_was_laid_out_anew() {
        let text = sealed().to_text();
        assert_eq!(SealedPlans::open(&text), Ok(sealed()));
        let compact: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(SealedPlans::open(&compact.to_string()), Ok(sealed()));
    }

    #[test]
    fn another_file_and_another_version_are_told_apart_from_a_broken_seal() {
        assert!(matches!(SealedPlans::open("{}"), Err(BadSeal::Form(_))));
        assert!(matches!(SealedPlans::open("dry_run = true"), Err(BadSeal::Form(_))));
        let newer = sealed().to_text().replace("sealed plans, 1", "sealed plans, 2");
        assert!(matches!(SealedPlans::open(&newer), Err(BadSeal::Format(_))));
        let more = sealed().to_text().replace("\"A1\"", "\"A2\"");
        assert_eq!(SealedPlans::open(&more), Err(BadSeal::Broken));
        let longer = sealed().to_text().replace("2026-11-28T12", "2026-12-28T12");
        assert_eq!(SealedPlans::open(&longer), Err(BadSeal::Broken));
    }

    proptest! {
        // fault: T5
        #[test]
        fn no_change_of_a_file_opens_another_plan(at in any::<prop::sample::Index>(), with in any::<u8>()) {
            let mut bytes = sealed().to_text().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = with;
            if let Ok(text) = String::from_utf8(bytes)
                && let Ok(opened) = SealedPlans::open(&text)
            {
                prop_assert_eq!(opened, sealed());
            }
        }
    }
}
