//! Tables over the room's machine.

use super::*;
use crate::base::{Identity, Mono, TrackKind, TrackSid, TrackSource};
use crate::media::{Codec, Mid, Packet, Rid, StreamId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const ALICE: MemberKey = MemberKey(0);
const BOB: MemberKey = MemberKey(1);

fn packet(rid: Option<&str>, seq: u64, keyframe: bool) -> Packet {
    let stream = StreamId {
        mid: Mid::from("0"),
        rid: rid.map(Rid::from),
    };
    Packet {
        marker: true,
        keyframe,
        ..Packet::new(stream, Codec::Vp8, seq, 0, Arc::from([0]))
    }
}

fn options(identity: &str) -> MemberOptions {
    MemberOptions {
        identity: Identity::from(identity),
        hidden: false,
        auto_subscribe: true,
        can_subscribe: true,
        role: None,
    }
}

fn room_with_subscriber() -> (Room, TrackKey) {
    let mut room = Room::new(1);
    for (member, name) in [(ALICE, "alice"), (BOB, "bob")] {
        room.handle_joined(member, options(name));
        room.handle_active(member);
    }
    let spec = PublicationSpec {
        sid: TrackSid::from("TR_VC1"),
        kind: TrackKind::Video,
        source: TrackSource::Camera,
        layers: Vec::new(),
    };
    let track = room.publish(ALICE, spec);
    room.bind(track, Mid::from("0"));
    assert_eq!(
        room.poll_output(),
        Some(Event::Subscribed { member: BOB, track })
    );
    assert_eq!(room.poll_output(), Some(Event::FirstSubscribed { track }));
    room.handle_section(BOB, track, Mid::from("1"));
    (room, track)
}

fn sent(room: &mut Room, packet: &Packet, at: u64) -> usize {
    let mut out = Vec::new();
    room.handle_packet(ALICE, packet, Mono::from_millis(at), &mut out);
    out.len()
}

#[test]
fn video_waits_for_a_keyframe_and_asks_for_it_once() {
    let (mut room, _) = room_with_subscriber();
    assert_eq!(sent(&mut room, &packet(None, 1, false), 0), 0);
    assert_eq!(sent(&mut room, &packet(None, 2, false), 1), 0);
    assert!(matches!(
        room.poll_output(),
        Some(Event::KeyframeWanted {
            publisher: ALICE,
            ..
        })
    ));
    assert_eq!(room.poll_output(), None);
    assert_eq!(sent(&mut room, &packet(None, 3, true), 2), 1);
    assert_eq!(sent(&mut room, &packet(None, 4, false), 3), 1);
}

#[test]
fn a_higher_layer_takes_over_on_its_keyframe_and_the_lower_one_when_it_falls_silent() {
    let (mut room, _) = room_with_subscriber();
    assert_eq!(sent(&mut room, &packet(Some("q"), 1, true), 0), 1);
    assert_eq!(sent(&mut room, &packet(Some("f"), 1, false), 1), 0);
    assert_eq!(sent(&mut room, &packet(Some("q"), 2, false), 2), 1);
    assert_eq!(sent(&mut room, &packet(Some("f"), 2, true), 3), 1);
    assert_eq!(sent(&mut room, &packet(Some("q"), 3, false), 4), 0);
    assert_eq!(sent(&mut room, &packet(Some("q"), 4, true), 2_000), 1);
}

#[test]
fn a_disabled_track_is_not_forwarded_and_comes_back_with_a_keyframe() {
    let (mut room, track) = room_with_subscriber();
    assert_eq!(sent(&mut room, &packet(None, 1, true), 0), 1);
    room.handle_track_settings(
        BOB,
        track,
        TrackSettings {
            enabled: false,
            ..TrackSettings::default()
        },
    );
    assert_eq!(sent(&mut room, &packet(None, 2, false), 1), 0);
    room.handle_track_settings(BOB, track, TrackSettings::default());
    assert_eq!(sent(&mut room, &packet(None, 3, false), 2), 0);
    assert_eq!(sent(&mut room, &packet(None, 4, true), 3), 1);
}

#[test]
fn nobody_gets_what_the_token_forbids_or_what_they_publish_themselves() {
    let (mut room, track) = room_with_subscriber();
    assert!(!room.subscribe(ALICE, track));
    let mute = MemberKey(2);
    room.handle_joined(
        mute,
        MemberOptions {
            can_subscribe: false,
            ..options("mute")
        },
    );
    room.handle_active(mute);
    assert!(!room.subscribe(mute, track));
    assert_eq!(room.poll_output(), None);
}

/// What is told of the track to a member who wants it.
fn admitted(member: MemberKey, track: TrackKey, admitted: bool) -> Event {
    Event::Admitted {
        member,
        track,
        admitted,
    }
}

#[test]
fn who_is_not_admitted_any_more_gets_not_one_packet_more_and_waits_to_be_admitted_again() {
    let (mut room, track) = room_with_subscriber();
    let carol = MemberKey(2);
    assert_eq!(sent(&mut room, &packet(None, 1, true), 0), 1);
    room.handle_audience(ALICE, Audience::Only(BTreeMap::new()));
    assert_eq!(sent(&mut room, &packet(None, 2, true), 1), 0);
    let sid = TrackSid::from("TR_VC1");
    let lost = Event::Unsubscribed {
        member: BOB,
        track: sid.clone(),
    };
    assert_eq!(room.poll_output(), Some(lost));
    assert_eq!(room.poll_output(), Some(admitted(BOB, track, false)));
    // Neither by asking nor by joining is it to be had, and a track that comes later is not either.
    assert!(!room.subscribe(BOB, track));
    assert_eq!(room.poll_output(), None, "told once");
    room.handle_joined(carol, options("carol"));
    room.handle_active(carol);
    assert_eq!(room.poll_output(), Some(admitted(carol, track, false)));
    let tracks = Share::Tracks(BTreeSet::from([sid]));
    let bob = Audience::Only(BTreeMap::from([(Identity::from("bob"), tracks)]));
    room.handle_audience(ALICE, bob);
    assert_eq!(room.poll_output(), Some(admitted(BOB, track, true)));
    let again = Event::Subscribed { member: BOB, track };
    assert_eq!(room.poll_output(), Some(again));
    // Who asked no more does not get it by being admitted.
    room.unsubscribe(carol, track);
    room.handle_audience(ALICE, Audience::Everyone);
    assert_eq!(room.poll_output(), None);
    assert_eq!(room.subscribed(carol), []);
}

#[test]
fn the_tracks_of_who_is_hidden_are_nobodys_and_go_by_no_id() {
    let mut room = Room::new(1);
    let hidden = MemberOptions {
        hidden: true,
        ..options("alice")
    };
    room.handle_joined(ALICE, hidden);
    room.handle_joined(BOB, options("bob"));
    for member in [ALICE, BOB] {
        room.handle_active(member);
    }
    let spec = PublicationSpec {
        sid: TrackSid::from("TR_VC1"),
        kind: TrackKind::Video,
        source: TrackSource::Camera,
        layers: Vec::new(),
    };
    let track = room.publish(ALICE, spec);
    room.bind(track, Mid::from("0"));
    assert!(!room.subscribe(BOB, track));
    assert_eq!(room.poll_output(), None);
    assert_eq!(room.track_for(BOB, "TR_VC1"), None);
    assert_eq!(room.track_for(ALICE, "TR_VC1"), Some(track));
}

#[test]
fn a_member_that_leaves_takes_its_tracks_along() {
    let (mut room, track) = room_with_subscriber();
    assert_eq!(room.handle_left(ALICE), vec![track]);
    assert_eq!(
        room.poll_output(),
        Some(Event::Unsubscribed {
            member: BOB,
            track: TrackSid::from("TR_VC1")
        })
    );
    assert_eq!(sent(&mut room, &packet(None, 1, true), 0), 0);
}

#[test]
fn a_fifth_stream_of_one_track_is_refused() {
    let (mut room, _) = room_with_subscriber();
    for rid in ["q", "h", "f", "x"] {
        sent(&mut room, &packet(Some(rid), 1, true), 0);
    }
    let mut out = Vec::new();
    assert!(!room.handle_packet(ALICE, &packet(Some("y"), 1, true), Mono::ZERO, &mut out));
}

#[test]
fn a_keyframe_that_does_not_come_is_asked_for_again_each_second() {
    let (mut room, _) = room_with_subscriber();
    let mut asked = Vec::new();
    for at in (0..3_500).step_by(100) {
        sent(&mut room, &packet(None, at / 100, false), at);
        while let Some(event) = room.poll_output() {
            assert!(matches!(event, Event::KeyframeWanted { .. }), "{event:?}");
            asked.push(at);
        }
    }
    assert_eq!(asked, [0, 1_000, 2_000, 3_000]);
}

mod layers;
mod silence;
mod uplink;

#[test]
fn the_recorder_puts_packets_in_order_itself_and_gets_all_of_its_layer_late_and_repeated_ones_too()
{
    let (mut room, track) = room_with_subscriber();
    assert!(room.subscribe(Subscriber::Recorder, track));
    room.handle_section(Subscriber::Recorder, track, Mid::from("9"));
    assert_eq!(room.poll_output(), None);
    let mut numbers = Vec::new();
    for (seq, keyframe) in [
        (9, false),
        (10, true),
        (13, false),
        (11, false),
        (11, false),
    ] {
        let mut out = Vec::new();
        room.handle_packet(
            ALICE,
            &packet(None, seq, keyframe),
            Mono::from_millis(seq),
            &mut out,
        );
        let recorded = out
            .iter()
            .filter(|forward| forward.to == Subscriber::Recorder);
        numbers.extend(recorded.map(|forward| forward.numbers.seq));
    }
    assert_eq!(numbers, [10, 13, 11, 11]);
}
