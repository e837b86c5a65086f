//! Tests of the state. Each that is about what is remembered runs on every backend.

mod backends;
mod parts;
mod opening;
mod faults;
mod locks;
mod speed;
