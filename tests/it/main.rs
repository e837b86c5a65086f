//! Tests that cross a process, a socket or a file: the whole program against the emulator.

mod model;
mod naive;
mod sweeping;
mod world;
