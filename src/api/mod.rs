//! The vendor's API: the calls this program may make, and what their answers mean.
pub mod product;
pub mod error;
pub mod client;
