//! What a room counts.

use crate::node::member::Member;
use crate::node::room::live_room::LiveRoom;
use crate::node::shard::Stats;

impl LiveRoom {
    pub(in crate::node) fn report_bytes(&mut self, key: usize) {
        let member = &self.members[key];
        let (publisher, subscriber) = (member.publisher.stats(), member.subscriber.stats());
        let bytes = (
            publisher.in_bytes + subscriber.in_bytes,
            publisher.out_bytes + subscriber.out_bytes,
        );
        self.billing
            .handle_bytes(&member.join.identity, &member.sid, bytes);
    }

    pub(in crate::node) fn add_stats(&self, stats: &mut Stats) {
        stats.participants += u64::try_from(self.members.len()).unwrap_or(0);
        self.add_links(&mut stats.links);
        self.add_stats_of_the_past(stats);
        for (_, member) in &self.members {
            add_transports(member, stats);
        }
    }

    pub(in crate::node) fn add_stats_of_the_past(&self, stats: &mut Stats) {
        stats.out_packets += self.past.out_packets;
        stats.out_bytes += self.past.out_bytes;
        stats.pli_in += self.past.pli_in;
        stats.pli_out += self.past.pli_out;
        stats.pli_held += self.past.pli_held;
        stats.nacks_in += self.past.nacks_in;
        stats.nacks_out += self.past.nacks_out;
        stats.recorders += self.recordings.stats();
        let drops = self.room.drops();
        stats.drops.not_connected += drops.not_connected;
        stats.drops.disabled += drops.disabled;
        stats.drops.awaiting_keyframe += drops.awaiting_keyframe;
        stats.drops.not_allocated += drops.not_allocated;
    }
}

pub(in crate::node) fn add_transports(member: &Member, stats: &mut Stats) {
    for transport in [member.publisher.stats(), member.subscriber.stats()] {
        stats.out_packets += transport.out_packets;
        stats.out_bytes += transport.out_bytes;
        stats.nacks_in += transport.nacks_received;
        stats.nacks_out += transport.nacks_sent;
        stats.pli_in += transport.keyframes_asked;
        stats.pli_out += transport.keyframe_requests;
        stats.pli_held += transport.keyframe_requests_held;
    }
}
