//! A recording under way, for tests.

use super::{Person, Recordings, Source};
use crate::base::{
    Actor, Identity, Now, ParticipantSid, Purpose, SessionId, TrackSid, TrackSource,
};
use crate::media::{Codec, Mid, Packet, StreamId};
use crate::room::{MemberKey, TrackKey};
use crate::session::{ConsentAnswer, Mode, Recording};
use std::sync::Arc;

/// Someone's sound is recorded: one segment is open, and nobody has heard of it yet but this recorder.
pub(in crate::node) fn record_sound(recordings: &mut Recordings, session: SessionId, now: Now) {
    let rules = Recording {
        mode: Mode::Always,
        ..Recording::default()
    };
    *recordings = Recordings::new(&rules, session, now.mono);
    let erika = person(0, "erika");
    recordings.handle_joined(&erika.identity, false, now);
    recordings.review(vec![erika], now);
    let agreed = recordings.handle_consent(answer("erika", Purpose::Shared, true), now);
    agreed.expect("the policy records");
    recordings.handle_packet(MemberKey(0), &sound("m0"), now);
    while recordings.poll_output().is_some() {}
}

/// A participant who publishes a microphone in section `m{member}`, as track `member`.
pub(super) fn person(member: usize, who: &str) -> Person {
    Person {
        member: MemberKey(member),
        identity: Identity::from(who),
        sid: ParticipantSid::from(format!("PA_{who}")),
        role: None,
        hidden: false,
        captures: false,
        sources: vec![Source {
            track: TrackKey(member),
            sid: TrackSid::from(format!("TR_{who}")),
            mid: Mid::from(format!("m{member}").as_str()),
            source: TrackSource::Microphone,
            encrypted: false,
        }],
    }
}

pub(super) fn answer(who: &str, purpose: Purpose, given: bool) -> ConsentAnswer {
    ConsentAnswer {
        identity: Identity::from(who),
        purpose,
        given,
        actor: Actor::Participant,
        wording: "test-1".to_owned(),
    }
}

/// A packet of sound in a section.
pub(super) fn sound(mid: &str) -> Packet {
    Packet {
        stream: StreamId {
            mid: Mid::from(mid),
            rid: None,
        },
        seq: 1,
        timestamp: 960,
        marker: true,
        codec: Codec::Opus,
        payload: Arc::from([0xfc, 1, 2]),
        audio_level: None,
        voice_activity: None,
        keyframe: true,
        picture: None,
        temporal: None,
        reported: None,
    }
}
