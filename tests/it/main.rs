//! Tests that cross a process, a socket or a file: the whole program against the emulator.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must say so")]

mod sweeping;
mod world;
