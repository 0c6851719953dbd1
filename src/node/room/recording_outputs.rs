//! Carries out what the recordings want done: evidence, then the announcement, then the first byte.

use super::contract_notices::ContractNotices;
use super::membership::Membership;
use super::parts::Parts;
use super::recording::{Output as Wanted, Person, RECORDED, Recordings, Source};
use crate::node::context::Context;
use crate::node::io::Output;
use crate::node::member::Member;
use crate::room::{MemberKey, Subscriber};

/// Everyone who is connected, as the recordings see them.
pub(in crate::node) fn people(members: &Membership) -> Vec<Person> {
    members.iter().map(person).collect()
}

fn person((key, member): (usize, &Member)) -> Person {
    let sources = member.tracks.iter().map(|(sid, track)| Source {
        track: track.key,
        sid: sid.clone(),
        mid: track.mid,
        source: track.source,
        encrypted: track.encrypted,
    });
    Person {
        member: MemberKey(key),
        identity: member.identity().clone(),
        sid: member.sid.clone(),
        role: member.join.role,
        hidden: member.hidden(),
        captures: member.captures(),
        sources: sources.collect(),
    }
}

/// Carries out all of it, in its order.
pub(in crate::node) fn carry_out(
    recordings: &mut Recordings,
    parts: &mut Parts,
    contract: &mut ContractNotices,
    context: &mut Context<'_>,
) {
    while let Some(wanted) = recordings.poll_output() {
        match wanted {
            Wanted::Consent(consent) => {
                parts.billing.handle_consent(consent, context.now);
                contract.drain_billing(&mut parts.billing, &mut parts.notices, context);
            }
            Wanted::Note(note) => {
                parts.billing.handle_recording(note, context.now);
                contract.drain_billing(&mut parts.billing, &mut parts.notices, context);
            }
            Wanted::Recorded(recorded) => {
                parts.notices.deliver(&mut parts.members, context);
                context.push(Output::Recorded(recorded));
            }
            Wanted::Attribute(member, value) => {
                parts.set_attribute(member.0, RECORDED, value.as_deref());
            }
            Wanted::RoomFlag(active) => parts.notices.set_recording(active),
            Wanted::TellAll(topic, json) => parts.notices.data(topic, json),
            Wanted::TellOne(member, topic, json) => parts.notices.data_to(member.0, topic, json),
            Wanted::Unsubscribe(track) => parts.room.unsubscribe(Subscriber::Recorder, track),
            Wanted::Subscribe(track, mid) => {
                if parts.room.subscribe(Subscriber::Recorder, track) {
                    parts.room.handle_section(Subscriber::Recorder, track, mid);
                }
            }
            Wanted::KeyframeWanted(mid) => parts
                .room
                .handle_keyframe_request(Subscriber::Recorder, mid),
        }
    }
}
