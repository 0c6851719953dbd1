//! LiveKit's doors: the checks of a join, its WebSocket, and whether there is room for it.

pub(in crate::api) mod admission;
pub(in crate::api) mod join;
pub(in crate::api) mod routes;
pub(in crate::api) mod ws;
