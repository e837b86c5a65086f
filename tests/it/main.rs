//! Tests that cross a process, a socket or a file: the whole program against the emulator.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on must say so"
)]

mod source;
mod architecture;
mod faults;
mod accounts;
mod commands;
mod crash;
mod cut;
mod diff;
mod disk;
mod files;
mod guards;
mod histories;
mod holds;
mod hostile;
mod keys;
mod listing;
mod locks;
mod machines;
mod monitoring;
mod memory;
mod naive;
mod notify;
mod packaging;
mod pages;
mod policies;
mod process;
mod products;
mod samples;
mod sealed;
mod service;
mod settling;
mod simulate;
mod sweeping;
mod told;
mod vanished;
mod victim;
mod webhooks;
mod world;
