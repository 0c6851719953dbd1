//! What a room opens with: the rules of its session, and what the ledger and clients are told of it.

use crate::base::{Millis, Now, Rng, RoomSid};
use crate::node::billing::Opening;
use crate::node::control::booking::session_of;
use crate::node::io::{Continued, JoinRequest, ShardConfig};
use crate::peer::signal::RoomFacts;
use crate::session::Policy;
use crate::usage::{Carried, SessionFacts};

/// The rules of a session that opens, and what they are called.
pub(in crate::node) struct Rules<'a> {
    pub(in crate::node) template: &'a str,
    pub(in crate::node) policy: Policy,
}

/// The session that a join opens, and the room as clients see it.
pub(in crate::node) fn open(
    Rules { template, policy }: Rules<'_>,
    join: &JoinRequest,
    config: &ShardConfig,
    rng: &mut Rng,
    now: Now,
) -> (Opening, RoomFacts) {
    let policy = inherit(policy, join);
    let room_sid = RoomSid::random(rng);
    let continues = join.continues.as_ref();
    let facts = SessionFacts {
        session: session_of(join.booking.as_deref(), rng),
        node: config.node.clone(),
        room: join.join.room.clone(),
        room_sid: room_sid.clone(),
        policy: template.to_owned(),
        min_billable_ms: Millis::ZERO,
        external_ref: None,
        metadata: None,
        continues: continues.map(|lost| lost.facts.session.clone()),
        carried: Carried {
            chain: continues.map_or_else(Vec::new, Continued::chain),
            ..Carried::default()
        },
    };
    let room = room_facts(&room_sid, join, &policy, now);
    let booked = join.booking.as_ref().map(|booking| booking.inherited());
    let inherited = continues.map(|lost| lost.inherited.clone());
    let inherited = inherited.or(booked).unwrap_or_default();
    let opening = Opening {
        facts,
        policy,
        inherited,
    };
    (opening, room)
}

/// The template or the booking, what a lost session had, and what the token says.
fn inherit(mut policy: Policy, join: &JoinRequest) -> Policy {
    if let Some(lost) = &join.continues {
        policy = lost.policy().unwrap_or(policy);
        policy.external_ref.clone_from(&lost.facts.external_ref);
        policy.metadata.clone_from(&lost.facts.metadata);
    }
    override_policy(&mut policy, join);
    policy
}

/// The token's `beistand.external_ref` and `beistand.metadata`, where they are valid. What was booked, and
/// what the session had that goes on, says it all already: nobody's rejoin moves it to another booking.
fn override_policy(policy: &mut Policy, join: &JoinRequest) {
    if join.booking.is_some() || join.continues.is_some() {
        return;
    }
    let attributes = &join.join.attributes;
    let template = policy.clone();
    if let Some(external) = attributes.get("beistand.external_ref") {
        policy.external_ref = Some(external.clone());
    }
    if let Some(text) = attributes.get("beistand.metadata") {
        let as_text = || serde_json::Value::String(text.clone());
        policy.metadata = Some(serde_json::from_str(text).unwrap_or_else(|_| as_text()));
    }
    if let Err(error) = policy.validate() {
        tracing::warn!(%error, "the token's beistand.external_ref or beistand.metadata is refused");
        *policy = template;
    }
}

fn room_facts(sid: &RoomSid, join: &JoinRequest, policy: &Policy, now: Now) -> RoomFacts {
    RoomFacts {
        sid: sid.to_string(),
        name: join.join.room.name.to_string(),
        metadata: join.join.room_config.metadata.clone().unwrap_or_default(),
        created: now.unix,
        departure_timeout_s: u32::try_from(policy.departure_timeout_s).unwrap_or(u32::MAX),
        max_participants: u32::try_from(policy.capacity.max_participants).unwrap_or(u32::MAX),
        num_participants: 0,
        active_recording: false,
    }
}
