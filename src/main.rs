//! The program: reads the environment once, runs the command line, ends with its exit code.
fn main() {}
