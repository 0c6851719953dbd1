//! What clients send each other, and what they try.

use super::*;
use beistand_testing::{BentPackets, FORGED};
use livekit_protocol::data_packet::Value as Wire;
use livekit_protocol::data_stream::Header;
use livekit_protocol::{ActiveSpeakerUpdate, ChatMessage, MetricsBatch, Transcription, UserPacket};

fn alice(agent: bool) -> (Identity, ParticipantSid, bool) {
    (
        Identity::from("alice"),
        ParticipantSid::from("PA_true"),
        agent,
    )
}

fn stamped(packet: &[u8], agent: bool) -> Result<Vec<u8>, PacketRefusal> {
    let (identity, sid, agent) = alice(agent);
    let sender = Sender {
        identity: &identity,
        sid: &sid,
        agent,
    };
    ClientPacket::read(packet)?.stamped(true, sender)
}

fn packet(value: Wire) -> Vec<u8> {
    let packet = DataPacket {
        participant_identity: FORGED.into(),
        participant_sid: "PA_eve".into(),
        value: Some(value),
        ..DataPacket::default()
    };
    packet.encode_to_vec()
}

fn message(topic: &str) -> Vec<u8> {
    packet(Wire::User(UserPacket {
        payload: b"hi".to_vec(),
        topic: Some(topic.into()),
        ..UserPacket::default()
    }))
}

/// A packet with a user packet of these bytes.
fn with_user(user: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, USER, user);
    out
}

#[test]
fn a_forged_sender_is_overwritten_and_unknown_fields_survive() {
    #[expect(deprecated, reason = "older clients still read the sender there")]
    let user = UserPacket {
        participant_sid: "PA_forged".into(),
        payload: b"hi".to_vec(),
        topic: Some("t".into()),
        ..UserPacket::default()
    };
    let forged = DataPacket {
        participant_identity: FORGED.into(),
        destination_identities: vec!["bob".into()],
        sequence: 7,
        value: Some(Wire::User(user)),
        ..DataPacket::default()
    };
    let mut bytes = forged.encode_to_vec();
    put(&mut bytes, 99, b"from the future");
    let read = ClientPacket::read(&bytes).unwrap();
    assert_eq!(read.destinations().identities, ["bob"]);
    let out = stamped(&bytes, false).unwrap();
    let got = DataPacket::decode(out.as_slice()).unwrap();
    assert_eq!(got.participant_identity, "alice");
    assert_eq!((got.participant_sid.as_str(), got.sequence), ("PA_true", 7));
    assert!(fields(&out).unwrap().iter().any(|field| field.number == 99));
    let Some(Wire::User(user)) = got.value else {
        panic!("no user packet")
    };
    #[expect(deprecated, reason = "older clients still read the sender there")]
    let stamped = user.participant_sid;
    assert_eq!(stamped, "PA_true");
}

#[test]
fn no_cut_of_a_packet_panics() {
    let bytes = server_packet("beistand.clock", "{}");
    for len in 0..bytes.len() {
        let _ = stamped(&bytes[..len], false);
    }
}

#[test]
fn what_decoders_could_read_in_two_ways_is_refused() {
    let good = message("chat");
    assert!(stamped(&good, false).is_ok());
    let with = |more: &[u8]| [good.as_slice(), more].concat();
    let mut user = Vec::new();
    put(&mut user, USER_TOPIC, b"chat");
    let user_with = |more: &[u8]| with_user(&[user.as_slice(), more].concat());
    let refused = [
        ("field 4 above 2^29", with(b"\xa2\x80\x80\x80\x10\x03eve")),
        (
            "field 4 folded",
            with(b"\xa2\x80\x80\x80\x80\x80\x01\x03eve"),
        ),
        ("a padded tag", with(b"\xa2\x00\x03eve")),
        ("a padded length", with(b"\x22\x83\x00eve")),
        ("the sender as a number", with(b"\x20\x07")),
        ("a group", with(b"\x9b\x06\x22\x03eve\x9c\x06")),
        ("the sender twice", with(b"\x22\x03eve")),
        ("two values", with(b"\x4a\x00")),
        ("a second user packet", with(&with_user(&user))),
        ("a topic twice", user_with(b"\x22\x0ebeistand.clock")),
        (
            "a folded topic",
            user_with(b"\xa2\x80\x80\x80\x10\x0ebeistand.clock"),
        ),
        ("a topic as a number", with_user(b"\x20\x07")),
        ("a topic that is no text", with_user(b"\x22\x02\xff\xfe")),
        ("a user packet as a number", b"\x10\x07".to_vec()),
        (
            "a text of a chat that is none",
            b"\x4a\x03\x0a\x01\xff".to_vec(),
        ),
        (
            "more in an entry of a map",
            b"\x7a\x05\x1a\x03\x22\x01a".to_vec(),
        ),
        ("a group inside a value", b"\x4a\x02\x0b\x0c".to_vec()),
    ];
    for (what, bytes) in refused {
        assert_eq!(
            stamped(&bytes, false),
            Err(PacketRefusal::Malformed),
            "{what}"
        );
    }
}

#[test]
fn topics_of_the_server_go_to_the_server_alone_and_their_likenesses_nowhere() {
    let clock = message("beistand.clock");
    let clock = ClientPacket::read(&clock).unwrap();
    let expected: (&str, &[u8]) = ("beistand.clock", b"hi");
    assert_eq!(clock.server_message(), Some(expected));
    let chat = message("chat");
    let chat = ClientPacket::read(&chat).unwrap();
    assert_eq!((chat.topic(), chat.server_message()), (Some("chat"), None));
    assert!(ClientPacket::read(&[]).unwrap().server_message().is_none());
    for topic in [
        "\u{feff}beistand.clock",
        "beistand\u{200b}.clock",
        "\u{feff}chat",
    ] {
        let refused = stamped(&message(topic), false);
        assert_eq!(refused, Err(PacketRefusal::Topic), "{topic:?}");
    }
    let stream = |topic: &str| {
        packet(Wire::StreamHeader(Header {
            topic: topic.into(),
            ..Header::default()
        }))
    };
    assert!(stamped(&stream("files"), false).is_ok());
    for topic in ["beistand.clock", "\u{feff}beistand.clock"] {
        let refused = stamped(&stream(topic), false);
        assert_eq!(refused, Err(PacketRefusal::Topic), "{topic:?}");
    }
}

#[test]
fn nobody_says_who_speaks_nor_what_others_said_but_an_agent() {
    let words_of = |identity: &str| {
        packet(Wire::Transcription(Transcription {
            transcribed_participant_identity: identity.into(),
            ..Transcription::default()
        }))
    };
    assert!(stamped(&words_of("alice"), false).is_ok());
    assert!(stamped(&words_of("bob"), true).is_ok());
    let refused = stamped(&words_of("bob"), false);
    assert_eq!(refused, Err(PacketRefusal::Impersonation));
    #[expect(deprecated, reason = "clients still show it")]
    let speakers = packet(Wire::Speaker(ActiveSpeakerUpdate::default()));
    assert_eq!(stamped(&speakers, true), Err(PacketRefusal::Impersonation));
}

#[test]
fn a_chat_message_is_passed_on_and_metrics_are_swallowed() {
    let chat = packet(Wire::ChatMessage(ChatMessage::default()));
    let metrics = packet(Wire::Metrics(MetricsBatch::default()));
    assert!(!ClientPacket::read(&chat).unwrap().is_metrics());
    assert!(ClientPacket::read(&metrics).unwrap().is_metrics());
}

/// `protobuf-es` and Python's decoder get the same packets in `tests/real/packets.rs`.
#[test]
fn prost_reads_of_every_bent_packet_that_goes_on_the_true_sender_and_the_checked_topic() {
    let count: u64 = std::env::var("BEISTAND_PACKETS").map_or(50_000, |count| {
        count.parse().expect("BEISTAND_PACKETS is a number")
    });
    let mut packets = BentPackets::new(1);
    let mut passed = 0;
    for number in 0..count {
        let bytes = packets.packet();
        // Metrics are swallowed, and not looked into.
        let Some(read) = ClientPacket::read(&bytes)
            .ok()
            .filter(|read| !read.is_metrics())
        else {
            continue;
        };
        let topic = read.topic();
        let decode = |bytes: &[u8]| {
            DataPacket::decode(bytes).unwrap_or_else(|e| panic!("packet {number}: {e}: {bytes:x?}"))
        };
        let before = decode(&bytes);
        assert_eq!(topic_by_prost(&before), topic, "{number}: {bytes:x?}");
        let Ok(out) = stamped(&bytes, false) else {
            continue;
        };
        passed += 1;
        let after = decode(&out);
        assert_eq!(topic_by_prost(&after), topic, "{number}: {bytes:x?}");
        let senders = senders_by_prost(&after);
        assert_eq!(senders, [("alice", "PA_true")], "{number}: {bytes:x?}");
    }
    let tenth = count / 10;
    assert!((tenth..9 * tenth).contains(&passed), "{passed} of {count}");
}

fn topic_by_prost(packet: &DataPacket) -> Option<&str> {
    if let Wire::StreamHeader(header) = packet.value.as_ref()? {
        return Some(&header.topic);
    }
    let Some(Wire::User(user)) = &packet.value else {
        return None;
    };
    user.topic.as_deref()
}

/// All pairs of identity and id that are there, each once.
#[expect(
    deprecated,
    reason = "older clients still read the sender of a user packet"
)]
fn senders_by_prost(packet: &DataPacket) -> Vec<(&str, &str)> {
    let mut all = vec![(
        packet.participant_identity.as_str(),
        packet.participant_sid.as_str(),
    )];
    if let Some(Wire::User(user)) = &packet.value {
        all.push((&user.participant_identity, &user.participant_sid));
    }
    all.dedup();
    all
}
