//! One room as it lives: [`LiveRoom`] introduces the parts that stand beside it here.

mod arrivals;
mod audience;
mod awaited_tracks;
mod bandwidth;
mod cards;
mod commands;
mod contract_notices;
mod counts;
mod data;
mod departures;
mod egress;
mod events;
mod evidence;
mod live_room;
mod membership;
mod metadata;
mod notices;
pub(super) mod opening;
mod parts;
mod publishing;
pub(super) mod recording;
mod recording_outputs;
mod reliable_data;
mod requests;
mod subscriptions;

pub(super) use live_room::LiveRoom;
