//! L5, all that touches the operating system: command line, configuration, clock, log, sockets,
//! threads, the ledger's file, deliveries, metrics. Assembles the node and runs it.

pub mod address;
mod admission;
mod arrivals;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deliver;
mod descriptors;
mod gauges;
mod hooks;
mod ledger;
pub mod logs;
pub mod metrics;
mod print;
pub mod recordings;
pub mod report;
pub mod roll;
mod run;
mod serve;
mod shutdown;
pub mod space;
mod special_use;
pub mod store;
mod story;
pub mod tls;
pub mod udp;
mod webhooks;
pub mod worker;

pub use run::run;
