//! What billing is told of the members: who was heard when, what they published, how much went.

use super::counts;
use super::membership::Membership;
use crate::base::{Mono, Now, TrackSid};
use crate::node::billing::{Billing, Join as Granted};
use crate::node::member::Member;

/// Tells billing the newest authenticated packets.
pub(in crate::node) fn flush(members: &mut Membership, billing: &mut Billing, now: Now) {
    for (_, member) in members.iter_mut().filter(|(_, member)| member.connected) {
        let identity = member.join.identity.clone();
        if let Some(at) = member.media_at.take() {
            billing.handle_media(&identity, at, now);
        }
        let last = member.connections.last_authenticated();
        if let Some(at) = last.filter(|_| last > member.reported) {
            member.reported = last;
            billing.handle_evidence(&identity, at, now);
        }
    }
}

/// A member's first connection is up.
pub(in crate::node) fn connected(member: &Member, billing: &mut Billing, now: Now) {
    let granted = Granted {
        identity: member.identity().clone(),
        sid: member.sid.clone(),
        role: member.join.role,
        counts: member.counts(),
    };
    billing.handle_connected(granted, now);
    if let Some(verdict) = member.preflight {
        billing.handle_preflight(member.identity(), verdict);
    }
}

/// Whether an unmuted track of this source is there.
pub(in crate::node) fn published(
    member: &Member,
    (sid, on): (&TrackSid, bool),
    billing: &mut Billing,
    at: Mono,
) {
    if let Some(track) = member.tracks.get(sid) {
        billing.handle_published(member.identity(), track.source, at, on);
    }
}

/// A member's bytes so far.
pub(in crate::node) fn bytes(member: &Member, billing: &mut Billing) {
    billing.handle_bytes(member.identity(), &member.sid, counts::bytes(member));
}

/// Everyone's bytes so far.
pub(in crate::node) fn all_bytes(members: &Membership, billing: &mut Billing) {
    for (_, member) in members.iter() {
        bytes(member, billing);
    }
}
