//! What a link carries: a report of it in, one decision out (`docs/congestion.md`).

mod capacity_bound;
mod congestion_detector;
pub(in crate::room) mod downlink;
mod estimate_watchdog;
mod padding;
mod probe_ceiling;
mod publisher_probe;
pub(in crate::room) mod uplink;
