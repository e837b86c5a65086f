//! Tests that cross a process, a socket or a file: the whole program against the emulator.

mod accounts;
mod commands;
mod files;
mod guards;
mod hostile;
mod keys;
mod listing;
mod products;
mod sweeping;
mod told;
mod webhooks;
mod world;
