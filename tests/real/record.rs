//! Recordings, as real clients make them and players play them.

mod footage;
mod tests;
