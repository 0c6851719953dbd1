//! A media packet on its way out, to each subscriber that the forwarding room names.

use super::parts::Parts;
use crate::media::Packet;
use crate::node::context::Context;
use crate::node::member::Side;
use crate::room::{Forward, MemberKey, Subscriber};

/// The way of packets out of a room.
#[derive(Default)]
pub(in crate::node) struct Egress {
    /// Kept from packet to packet, for its memory.
    forwards: Vec<Forward>,
}

impl Egress {
    /// A packet of `from` goes to whoever gets it. True if the recorders are among them.
    pub(in crate::node) fn forward(
        &mut self,
        from: MemberKey,
        packet: &Packet,
        parts: &mut Parts,
        context: &mut Context<'_>,
    ) -> bool {
        let (now, stats) = (context.now.mono, &mut *context.stats);
        if let Some(publisher) = parts.members.at_mut(from.0) {
            publisher.media_at = Some(now);
        }
        if !parts
            .room
            .handle_packet(from, packet, now, &mut self.forwards)
        {
            stats.no_track += 1;
        }
        let mut recorded = false;
        for forward in self.forwards.drain(..) {
            let Subscriber::Member(to) = forward.to else {
                recorded = true;
                continue;
            };
            let Some(member) = parts.members.at_mut(to.0) else {
                continue;
            };
            // Who is not there is not billed, and gets nothing.
            if !member.connections.is_there(now) {
                stats.unheard += 1;
                continue;
            }
            let transport = member.connections.write(Side::Subscriber);
            if transport.send_packet(forward.mid, packet, forward.numbers, now) {
                stats.forwarded += 1;
            } else {
                stats.not_carried += 1;
            }
        }
        recorded
    }
}
