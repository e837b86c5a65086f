//! What is seen from outside: events, and the log lines made of them.
//!
//! Not here: the output of commands (`cli::output`).

pub mod event;
