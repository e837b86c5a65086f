//! Tests that cross a process, a socket or a file: the whole program against the emulator.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must say so"
)]

mod naive;
mod process;
mod samples;
mod sweeping;
mod world;
