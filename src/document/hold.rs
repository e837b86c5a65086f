//! A hold, as `holds` and `explain` write it.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::state::Hold;

/// One hold.
#[derive(Debug, Serialize)]
pub struct HoldDocument<'a> {
    account: &'a str,
    batch_id: &'a str,
    until: Timestamp,
    why: &'a str,
}

impl<'a> HoldDocument<'a> {
    /// Of a hold.
    pub fn of(hold: &'a Hold) -> Self {
        Self {
            account: hold.account.as_str(),
            batch_id: hold.batch.as_str(),
            until: hold.until,
            why: &hold.why,
        }
    }
}
