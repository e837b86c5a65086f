//! JSON documents that programs read, where more than one place writes them: commands and the server.
//!
//! Fields are an interface (docs/json.md): they may be added, and none is renamed, removed or given
//! another meaning under one version. Not here: documents of one command alone (`cli`), who asks for them.
//! Invariant: text of the API is as it was sent; JSON escapes it.

pub mod plan;
pub mod inventory;
pub mod hold;
pub mod deletion;
pub mod explain;
pub mod status;
