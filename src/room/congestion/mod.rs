//! What a link carries, and how to find out whether it is more.

pub(in crate::room) mod congestion_detector;
pub(in crate::room) mod estimate_watchdog;
pub(in crate::room) mod padding;
pub(in crate::room) mod probe_ceiling;
pub(in crate::room) mod publisher_probe;
