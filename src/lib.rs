//! batchsweep deletes the batches nobody needs any more from a SerpWow account (and its sibling
//! products with the same API), by rules, and never one that a rule, a person or the moment protects.
//!
//! Data flows one way:
//!
//! 1. [`config`] reads the file and makes a [`policy`] and everybody's settings of it.
//! 2. [`api`] reads from the account; `inventory` proves that the listing is complete.
//! 3. [`policy`] decides, purely; `plan` holds a verdict for each batch; `audit` derives each
//!    deletion a second time, by other code; `guards` admits the plan as a whole, or stops it.
//! 4. `sweep` carries an admitted plan out, looking again before each deletion, and proves it.
//! 5. [`state`] remembers between runs: what was meant, done, held, seen.
//! 6. Every stage tells [`observe`] what happened; [`cli`] shows it, [`notify`] sends it to people.

pub mod clock;
pub mod batch;
pub mod warrant;
pub mod observe;
pub mod schedule;
pub mod policy;
pub mod api;
pub mod inventory;
pub mod plan;
pub mod audit;
pub mod guards;
pub mod state;
pub mod sweep;
pub mod notify;
pub mod config;
pub mod run;
pub mod document;
pub mod server;
pub mod daemon;
pub mod emulator;
pub mod cli;
