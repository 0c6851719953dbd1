//! Sentences about recording, as tests over the whole recorder.

mod files;
mod hostile;
mod video;

use super::*;
use crate::base::{
    Identity, Mono, Now, ParticipantSid, Purpose, RecordingId, Role, SessionId, TrackSid,
    TrackSource, Unix,
};
use crate::media::{Codec, Mid, Packet, StreamId};
use beistand_testing::segment::{self, Block, File};
use std::collections::BTreeMap;
use std::sync::Arc;

const ORIGIN_MS: u64 = 10_000;
const KEY: TrackKey = TrackKey(3);

/// A time on the recording's timeline.
fn at(ms: u64) -> Now {
    Now {
        mono: Mono::from_millis(ORIGIN_MS + ms),
        unix: Unix(1_790_000_000_000 + ms),
    }
}

fn facts(participant: &str, source: TrackSource) -> TrackFacts {
    TrackFacts {
        identity: Identity::from("anna"),
        role: Some(Role::Customer),
        participant: ParticipantSid::from(participant),
        sid: TrackSid::from("TR_VC1"),
        source,
    }
}

fn packet(codec: Codec, seq: u64, timestamp: u32, payload: &[u8]) -> Packet {
    let stream = StreamId {
        mid: Mid::from("0"),
        rid: None,
    };
    Packet {
        marker: true,
        ..Packet::new(stream, codec, seq, timestamp, Arc::from(payload))
    }
}

/// An Opus packet, 20 ms after the one before it.
fn sound(seq: u64) -> Packet {
    let timestamp = u32::try_from(seq * 960).unwrap();
    packet(Codec::Opus, seq, timestamp, &seq.to_be_bytes())
}

/// A VP8 keyframe of 64 × 48 in one packet, or a delta frame; 33.3 ms after the one before it.
fn picture(seq: u64, keyframe: bool) -> Packet {
    let mut payload = vec![0x10, u8::from(!keyframe), 0, 0];
    if keyframe {
        payload.extend_from_slice(&[0x9d, 1, 0x2a, 64, 0, 48, 0]);
    }
    payload.extend_from_slice(&seq.to_be_bytes());
    let timestamp = u32::try_from(seq * 3_000).unwrap();
    packet(Codec::Vp8, seq, timestamp, &payload)
}

/// A recorder, and the files that a host would have written for it.
struct Rig {
    recorder: Recorder,
    files: BTreeMap<u32, Vec<u8>>,
    closed: Vec<u32>,
    keyframes_wanted: u64,
}

impl Rig {
    fn new() -> Rig {
        let session = SessionId::from("SE_abcDEF012345");
        let config = RecorderConfig {
            id: RecordingId::new(session, Purpose::Shared),
            origin: at(0),
        };
        Rig {
            recorder: Recorder::new(config),
            files: BTreeMap::new(),
            closed: Vec::new(),
            keyframes_wanted: 0,
        }
    }

    /// With one track whose gate is open.
    fn open(source: TrackSource) -> Rig {
        let mut rig = Rig::new();
        rig.recorder.handle_track(KEY, facts("PA_1", source));
        rig.recorder.handle_gate(KEY, true, at(0));
        rig.drain();
        rig.keyframes_wanted = 0;
        rig
    }

    fn sound() -> Rig {
        Rig::open(TrackSource::Microphone)
    }

    fn video() -> Rig {
        Rig::open(TrackSource::Camera)
    }

    fn packet(&mut self, packet: &Packet, ms: u64) {
        self.recorder.handle_packet(KEY, packet, at(ms));
        self.drain();
    }

    fn timeout(&mut self, ms: u64) {
        self.recorder.handle_timeout(at(ms));
        self.drain();
    }

    fn gate(&mut self, open: bool, ms: u64) {
        self.recorder.handle_gate(KEY, open, at(ms));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.recorder.poll_output() {
            match output {
                Output::Open { segment, header } => {
                    assert!(self.files.insert(segment.number, header).is_none());
                }
                Output::Append { segment, bytes } => {
                    assert!(!self.closed.contains(&segment.number));
                    self.files
                        .get_mut(&segment.number)
                        .unwrap()
                        .extend_from_slice(&bytes);
                }
                Output::Close { segment } => self.closed.push(segment.number),
                Output::KeyframeWanted { track } => {
                    assert_eq!(track, KEY);
                    self.keyframes_wanted += 1;
                }
            }
        }
    }

    /// The recording stops at `ms`.
    fn stop(mut self, ms: u64) -> Rig {
        self.recorder.handle_stop(at(ms));
        self.drain();
        assert_eq!(self.closed.len(), self.files.len(), "every file is closed");
        self
    }

    fn file(&self, number: u32) -> File {
        segment::read(&self.files[&number])
    }

    fn times(&self, number: u32) -> Vec<i64> {
        let blocks = self.file(number).blocks;
        blocks.iter().map(|block| block.at_ms).collect()
    }

    /// The numbers that the frames were made with.
    fn numbers(&self, number: u32) -> Vec<u64> {
        let blocks = self.file(number).blocks;
        blocks.iter().map(made_of).collect()
    }
}

fn made_of(block: &Block) -> u64 {
    u64::from_be_bytes(*block.frame.last_chunk().unwrap())
}

#[test]
fn sound_is_written_packet_by_packet_where_it_came() {
    let mut rig = Rig::sound();
    for n in 0..100 {
        rig.packet(&sound(n), 1_000 + n * 20);
    }
    let rig = rig.stop(3_100);
    let file = rig.file(1);
    assert_eq!(file.codec, "A_OPUS");
    assert_eq!(rig.numbers(1), (0..100).collect::<Vec<_>>());
    let times: Vec<i64> = (0..100).map(|n| 1_000 + n * 20).collect();
    assert_eq!(rig.times(1), times);
    let tag = |name: &str| file.tags.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!(tag("SESSION"), "SE_abcDEF012345");
    assert_eq!(tag("PURPOSE"), "shared");
    assert_eq!(tag("IDENTITY"), "anna");
    assert_eq!(tag("ROLE"), "customer");
    assert_eq!(tag("SOURCE"), "microphone");
    assert_eq!(tag("PARTICIPANT"), "PA_1");
    assert_eq!(tag("TRACK"), "TR_VC1");
    assert_eq!(tag("ORIGIN_UNIX_MS"), "1790000000000");
}

#[test]
fn video_begins_with_a_keyframe_and_is_asked_for_one() {
    let mut rig = Rig::video();
    for n in 0..10 {
        rig.packet(&picture(n, n == 4), 33 * n);
    }
    assert_eq!(rig.keyframes_wanted, 1);
    let rig = rig.stop(400);
    let file = rig.file(1);
    assert_eq!((file.codec.as_str(), file.pixels), ("V_VP8", (64, 48)));
    assert_eq!(rig.numbers(1), (4..10).collect::<Vec<_>>());
    let keys: Vec<bool> = file.blocks.iter().map(|block| block.keyframe).collect();
    assert_eq!(keys, [true, false, false, false, false, false]);
    assert_eq!(rig.recorder.stats().frames_dropped, 4);
}

#[test]
fn a_closed_gate_lets_nothing_through_and_an_open_one_closes_at_once() {
    let mut rig = Rig::new();
    rig.recorder
        .handle_track(KEY, facts("PA_1", TrackSource::Microphone));
    rig.packet(&sound(0), 0);
    assert!(rig.recorder.poll_timeout().is_none() && rig.files.is_empty());
    assert_eq!(rig.recorder.stats().refused, 1);
    rig.gate(true, 100);
    for n in 1..60 {
        rig.packet(&sound(n), 100 + n * 20);
    }
    let written = rig.files[&1].len();
    // One in the reorder buffer, and a few blocks that were not handed out.
    rig.packet(&sound(61), 1_320);
    rig.gate(false, 1_321);
    assert_eq!(
        (rig.files[&1].len(), rig.closed.as_slice()),
        (written, &[1][..])
    );
    assert_eq!(rig.recorder.poll_timeout(), None);
    for n in 60..200 {
        rig.packet(&sound(n), 100 + n * 20);
        rig.timeout(100 + n * 20);
    }
    let rig = rig.stop(5_000);
    assert_eq!((rig.files.len(), rig.files[&1].len()), (1, written));
    assert!(rig.numbers(1).into_iter().all(|n| (1..60).contains(&n)));
}
