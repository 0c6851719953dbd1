//! Data packets between clients, and those that are for the server alone.

use super::membership::Membership;
use super::parts::Parts;
use super::recording::Recordings;
use super::reliable_data;
use crate::node::context::Context;
use crate::node::io::DataRefused;
use crate::node::member::{Member, Unsent};
use crate::peer::signal::{ClientPacket, PacketRefusal, Sender};
use crate::peer::transport::Channel;
use crate::room::MemberKey;

/// Clients send at most 64,000 bytes (livekit-client 2.23, Rust core 0.10); the rest is headroom for
/// the stamped sender.
const MAX_PACKET: usize = 65_536;

/// What a client says in answer to the question "still there?".
#[derive(serde::Deserialize)]
struct Confirmation {
    confirm: bool,
}

/// The participant says that they are still there.
fn confirms(topic: &str, payload: &[u8]) -> bool {
    topic == "beistand.presence"
        && serde_json::from_slice(payload).is_ok_and(|answer: Confirmation| answer.confirm)
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
    let DataPacket {
        from,
        channel,
        bytes,
    } = packet;
    let refused = &mut context.stats.data_refused;
    let reliable = match channel {
        Channel::Reliable => true,
        Channel::Lossy => false,
        Channel::DataTrack => return refused.not_allowed += 1,
    };
    if bytes.len() > MAX_PACKET {
        return refused.too_large += 1;
    }
    let read = match ClientPacket::read(bytes) {
        Ok(read) if read.is_metrics() => return,
        Ok(read) => read,
        Err(why) => return refused.count(why),
    };
    if let Some((topic, payload)) = read.server_message() {
        context.stats.data_taken += 1;
        if !confirms(topic, payload) {
            recordings.handle_message(MemberKey(from), topic, payload, context.now);
        } else if let Some(member) = parts.members.at(from) {
            parts
                .billing
                .handle_confirm(Some(member.identity()), context.now);
        }
        return;
    }
    let Some(stamped) = parts.members.at(from).map(|by| stamp(&read, reliable, by)) else {
        return;
    };
    match stamped {
        Some(Ok(out)) if reliable => {
            let (packet, to) = (out.into(), read.destinations());
            let members = &mut parts.members;
            let paused = reliable_data::send(from, Unsent { packet, to }, members, context.now);
            context.stats.data_pauses += u64::from(paused);
        }
        Some(Ok(out)) => {
            let dropped = pass_on(packet, &read, &out, &mut parts.members);
            context.stats.data_dropped += dropped;
        }
        Some(Err(why)) => context.stats.data_refused.count(why),
        None => context.stats.data_refused.not_allowed += 1,
    }
}

/// The packet as others get it; none: its sender may send none.
fn stamp(
    packet: &ClientPacket<'_>,
    reliable: bool,
    by: &Member,
) -> Option<Result<Vec<u8>, PacketRefusal>> {
    let permissions = &by.join.permissions;
    let sender = Sender {
        identity: by.identity(),
        sid: &by.sid,
        agent: permissions.agent,
    };
    permissions
        .can_publish_data
        .then(|| packet.stamped(reliable, sender))
}

/// Sends a packet that may be lost, stamped as `out`, to whom it is for. How often it was.
fn pass_on(
    packet: DataPacket<'_>,
    read: &ClientPacket<'_>,
    out: &[u8],
    members: &mut Membership,
) -> u64 {
    let destinations = read.destinations();
    let mut dropped = 0;
    for (key, member) in members.iter_mut() {
        let concerned = key != packet.from && destinations.includes(member.identity(), &member.sid);
        if concerned && !member.send_lossy(packet.channel, out) {
            dropped += 1;
        }
    }
    dropped
}

impl DataRefused {
    fn count(&mut self, why: PacketRefusal) {
        match why {
            PacketRefusal::Malformed => self.malformed += 1,
            PacketRefusal::Topic => self.topic += 1,
            PacketRefusal::Impersonation => self.impersonation += 1,
        }
    }
}
