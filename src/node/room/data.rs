//! Data packets between clients, and those of the server.

use crate::node::room::live_room::{Context, LiveRoom};
use crate::peer::signal::{server_packet, stamp};
use crate::peer::transport::Channel;

/// Clients send at most 64,000 bytes (livekit-client 2.23, Rust core 0.10); the rest is headroom for
/// the stamped sender.
const MAX_PACKET: usize = 65_536;

impl LiveRoom {
    pub(in crate::node) fn on_data(
        &mut self,
        key: usize,
        channel: Channel,
        packet: &[u8],
        context: &mut Context<'_>,
    ) {
        if packet.len() <= MAX_PACKET && self.take_message(key, packet, context) {
            return;
        }
        let member = &self.members[key];
        let allowed = member.join.permissions.can_publish_data && packet.len() <= MAX_PACKET;
        let reliable = match channel {
            Channel::Reliable => true,
            Channel::Lossy => false,
            Channel::DataTrack => {
                context.stats.data_dropped += 1;
                return;
            }
        };
        let stamped = stamp(packet, reliable, (member.identity(), &member.sid));
        let Some((packet, destinations)) = stamped.filter(|_| allowed) else {
            context.stats.data_dropped += 1;
            return;
        };
        for other in self.keys() {
            let member = &self.members[other];
            if other != key && destinations.includes(member.identity(), &member.sid) {
                self.give(other, channel, &packet, context);
            }
        }
    }

    fn give(&mut self, key: usize, channel: Channel, packet: &[u8], context: &mut Context<'_>) {
        let member = &mut self.members[key];
        let waits = channel == Channel::Reliable && !member.queued_data.is_empty();
        if !waits && member.subscriber.send_data(channel, packet) {
            member.touched = true;
        } else if channel != Channel::Reliable || !member.queue_data(packet.to_vec()) {
            context.stats.data_dropped += 1;
        }
    }

    /// Sends what was kept for a channel that was not open, or whose buffer was full.
    pub(in crate::node) fn send_queued_data(&mut self, key: usize) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        while let Some(packet) = member.queued_data.pop_front() {
            if !member.subscriber.send_data(Channel::Reliable, &packet) {
                member.queued_data.push_front(packet);
                return;
            }
            member.touched = true;
        }
    }

    /// A packet of the server's own to one member, if its channel is open.
    pub(in crate::node) fn tell_one(&mut self, key: usize, topic: &str, json: &str) {
        let member = &mut self.members[key];
        let packet = server_packet(topic, json);
        if member.subscriber.send_data(Channel::Reliable, &packet) {
            member.touched = true;
        }
    }

    /// A packet of the server's own to everyone whose channel is open.
    pub(in crate::node) fn tell_all(&mut self, topic: &str, json: &str) {
        for key in self.keys() {
            self.tell_one(key, topic, json);
        }
    }
}
