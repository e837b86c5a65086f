//! Tests that cross a process, a socket or a file.
