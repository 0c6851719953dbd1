//! A recording under way, for tests.

use super::{Recordings, Running};
use crate::base::{
    Identity, Now, ParticipantSid, Purpose, RecordingId, SessionId, TrackSid, TrackSource,
};
use crate::media::{Codec, Mid, Packet, StreamId};
use crate::record::{Recorder, RecorderConfig, TrackFacts, TrackKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Someone's sound is recorded: one segment is open, and told to nobody yet but this recorder.
pub(in crate::node) fn record_sound(recordings: &mut Recordings, session: SessionId, now: Now) {
    let id = RecordingId::new(session, Purpose::Shared);
    let mut recorder = Recorder::new(RecorderConfig { id, origin: now });
    let facts = TrackFacts {
        identity: Identity::from("erika"),
        role: None,
        participant: ParticipantSid::from("PA_1"),
        sid: TrackSid::from("TR_1"),
        source: TrackSource::Microphone,
    };
    recorder.handle_track(TrackKey(0), facts);
    recorder.handle_gate(TrackKey(0), true, now);
    recorder.handle_packet(TrackKey(0), &sound(), now);
    while recorder.poll_output().is_some() {}
    let running = Running {
        recorder,
        active: true,
        failed: None,
        open: BTreeSet::from([0]),
        known: BTreeMap::new(),
    };
    recordings.running.insert(Purpose::Shared, running);
}

fn sound() -> Packet {
    let stream = StreamId {
        mid: Mid::from("0"),
        rid: None,
    };
    Packet {
        marker: true,
        ..Packet::new(stream, Codec::Opus, 1, 960, Arc::from([0xfc, 1, 2]))
    }
}
