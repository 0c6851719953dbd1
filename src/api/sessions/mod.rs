//! The Sessions API: sessions are booked, listed, read, extended, paused and ended over HTTP.

mod administered;
pub(super) mod body;
pub(super) mod bookings;
pub(super) mod change;
pub(super) mod clock;
pub(super) mod create;
mod etag;
mod fields;
pub(super) mod grants;
mod id;
pub(super) mod intervals;
pub(super) mod links;
pub(super) mod list;
pub(super) mod policy;
mod record;
pub(super) mod recorded;
pub(super) mod recorded_body;
mod refusals;
pub(super) mod routes;
pub(super) mod running;
pub(super) mod show;
pub(super) mod tokens;
