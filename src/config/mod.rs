//! The file: read, layered, checked, and turned into a policy and everybody's settings.
pub mod raw;
