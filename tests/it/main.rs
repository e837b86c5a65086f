//! Tests that cross a process, a socket or a file: the whole program against the emulator.

mod listing;
mod sweeping;
mod told;
mod world;
