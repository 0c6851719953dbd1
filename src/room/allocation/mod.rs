//! What each subscriber's downlink carries, shared among its videos.

pub(in crate::room) mod allocator;
pub(in crate::room) mod stream_allocation;
pub(in crate::room) mod upgrade_backoff;
