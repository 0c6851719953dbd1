//! What a room counts.

use crate::node::io::Stats;
use crate::node::member::Member;
use crate::room::Drops;

/// Bytes in and out of a member so far.
pub(in crate::node) fn bytes(member: &Member) -> (u64, u64) {
    let add = |sum: (u64, u64), stats: crate::peer::transport::Stats| {
        (sum.0 + stats.in_bytes, sum.1 + stats.out_bytes)
    };
    member.connections.stats().fold((0, 0), add)
}

/// Adds what a member's connections have counted.
pub(in crate::node) fn add_member(member: &Member, stats: &mut Stats) {
    for transport in member.connections.stats() {
        stats.out_packets += transport.out_packets;
        stats.out_bytes += transport.out_bytes;
        stats.nacks_in += transport.nacks_received;
        stats.nacks_out += transport.nacks_sent;
        stats.pli_in += transport.keyframes_asked;
        stats.pli_out += transport.keyframe_requests;
        stats.pli_held += transport.keyframe_requests_held;
    }
}

/// Adds what members that are gone had counted.
pub(in crate::node) const fn add_past(past: &Stats, stats: &mut Stats) {
    stats.out_packets += past.out_packets;
    stats.out_bytes += past.out_bytes;
    stats.nacks_in += past.nacks_in;
    stats.nacks_out += past.nacks_out;
    stats.pli_in += past.pli_in;
    stats.pli_out += past.pli_out;
    stats.pli_held += past.pli_held;
}

/// Adds what was not forwarded.
pub(in crate::node) const fn add_drops(drops: Drops, stats: &mut Stats) {
    stats.drops.not_connected += drops.not_connected;
    stats.drops.disabled += drops.disabled;
    stats.drops.awaiting_keyframe += drops.awaiting_keyframe;
    stats.drops.not_allocated += drops.not_allocated;
}
