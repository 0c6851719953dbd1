//! Data packets between clients, and those that are for the server alone.

use super::membership::Membership;
use super::parts::Parts;
use super::recording::Recordings;
use crate::node::context::Context;
use crate::node::io::Stats;
use crate::peer::signal::{stamp, user_message};
use crate::peer::transport::Channel;
use crate::room::MemberKey;

/// Clients send at most 64,000 bytes (livekit-client 2.23, Rust core 0.10); the rest is headroom for
/// the stamped sender.
const MAX_PACKET: usize = 65_536;

/// Topics that start with this are between a client and the server alone.
const RESERVED: &str = "beistand.";

/// What a client says in answer to the question "still there?".
#[derive(serde::Deserialize)]
struct Confirmation {
    confirm: bool,
}

/// A client's packet that is for the server alone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ServerMessage {
    topic: String,
    payload: Vec<u8>,
}

impl ServerMessage {
    /// None if the packet is for other clients.
    fn of(packet: &[u8]) -> Option<ServerMessage> {
        let (topic, payload) = user_message(packet).filter(|_| packet.len() <= MAX_PACKET)?;
        topic.starts_with(RESERVED).then(|| ServerMessage {
            topic: topic.to_string(),
            payload: payload.to_vec(),
        })
    }

    /// The participant says that they are still there.
    fn confirms(&self) -> bool {
        self.topic == "beistand.presence"
            && serde_json::from_slice(&self.payload)
                .is_ok_and(|answer: Confirmation| answer.confirm)
    }
}

/// A packet that came on a data channel.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct DataPacket<'a> {
    pub(in crate::node) from: usize,
    pub(in crate::node) channel: Channel,
    pub(in crate::node) bytes: &'a [u8],
}

/// A client's data packet: to whom it is for, or taken by the server.
pub(in crate::node) fn handle(
    packet: DataPacket<'_>,
    parts: &mut Parts,
    recordings: &mut Recordings,
    context: &mut Context<'_>,
) {
    let from = packet.from;
    let Some(message) = ServerMessage::of(packet.bytes) else {
        return pass_on(packet, &mut parts.members, context.stats);
    };
    context.stats.data_taken += 1;
    if !message.confirms() {
        let ServerMessage { topic, payload } = message;
        recordings.handle_message(MemberKey(from), &topic, &payload, context.now);
    } else if let Some(member) = parts.members.at(from) {
        parts
            .billing
            .handle_confirm(Some(member.identity()), context.now);
    }
}

/// Passes a packet of `from` on to whom it is for.
fn pass_on(packet: DataPacket<'_>, members: &mut Membership, stats: &mut Stats) {
    let DataPacket {
        from,
        channel,
        bytes,
    } = packet;
    let stamped = members.at(from).and_then(|member| {
        let allowed = member.join.permissions.can_publish_data && bytes.len() <= MAX_PACKET;
        let reliable = match channel {
            Channel::Reliable => true,
            Channel::Lossy => false,
            Channel::DataTrack => return None,
        };
        let sender = (member.identity(), &member.sid);
        stamp(bytes, reliable, sender).filter(|_| allowed)
    });
    let Some((packet, destinations)) = stamped else {
        stats.data_dropped += 1;
        return;
    };
    for (key, member) in members.iter_mut() {
        let concerned = key != from && destinations.includes(member.identity(), &member.sid);
        if concerned && !member.send_data(channel, &packet) {
            stats.data_dropped += 1;
        }
    }
}
