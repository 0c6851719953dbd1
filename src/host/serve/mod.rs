//! `beistand serve`: puts the node together, runs it until it is told to stop, and takes it apart
//! in order: rooms, workers, deliveries, ledger.

mod assemble;
mod bind;
pub(super) mod life;
mod node;
mod parts;
mod reload;
mod stop;
