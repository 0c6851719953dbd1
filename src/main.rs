//! The `beistand` program.

fn main() {}
