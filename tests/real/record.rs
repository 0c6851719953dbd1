//! Recordings, as real clients make them and players play them.

mod cast;
mod consent;
mod crash;
mod footage;
mod full;
mod links;
mod studio;
mod sync;
mod tests;
mod upright;
