//! L2, one client's control: signalling, transport, negotiation.

pub mod negotiate;
pub mod signal;
pub mod transport;
