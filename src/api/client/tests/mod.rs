//! Whole calls over sockets, against a server that plays a script, under paused time.

mod calls;
mod deletions;
mod fixture;
mod network;
mod secrecy;
