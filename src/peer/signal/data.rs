//! Data packets: the server stamps the sender and passes everything else on untouched.

use super::protobuf_fields::{fields, put, put_number};
use crate::base::{Identity, ParticipantSid};

/// Field numbers of `DataPacket` and `UserPacket` (livekit_models.proto, protocol 17).
const KIND: u32 = 1;
const USER: u32 = 2;
const PACKET_IDENTITY: u32 = 4;
const PACKET_DESTINATIONS: u32 = 5;
const METRICS: u32 = 9;
const PACKET_SID: u32 = 17;
const USER_SID: u32 = 1;
const USER_DESTINATION_SIDS: u32 = 3;
const USER_IDENTITY: u32 = 5;
const USER_DESTINATIONS: u32 = 6;
const USER_PAYLOAD: u32 = 2;
const USER_TOPIC: u32 = 4;

/// Whom a packet is for; everyone if both are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// By identity.
    pub identities: Vec<String>,
    /// By participant id (older clients).
    pub sids: Vec<String>,
}

impl Destinations {
    /// True if the participant is meant.
    pub fn includes(&self, identity: &Identity, sid: &ParticipantSid) -> bool {
        let everyone = self.identities.is_empty() && self.sids.is_empty();
        everyone
            || self
                .identities
                .iter()
                .any(|wanted| wanted == identity.as_str())
            || self.sids.iter().any(|wanted| wanted == sid.as_str())
    }
}

/// The packet with its true sender and channel kind, and whom it is for. `None` if it is malformed,
/// or is client metrics, which LiveKit swallows.
pub fn stamp(
    packet: &[u8],
    reliable: bool,
    sender: (&Identity, &ParticipantSid),
) -> Option<(Vec<u8>, Destinations)> {
    let (identity, sid) = sender;
    let mut out = Vec::with_capacity(packet.len() + 64);
    let mut destinations = Destinations::default();
    put_number(&mut out, KIND, u64::from(!reliable));
    put(&mut out, PACKET_IDENTITY, identity.as_str().as_bytes());
    put(&mut out, PACKET_SID, sid.as_str().as_bytes());
    for field in fields(packet)? {
        match (field.number, field.payload) {
            (METRICS, _) => return None,
            (KIND | PACKET_IDENTITY | PACKET_SID, _) => {}
            (PACKET_DESTINATIONS, Some(payload)) => {
                destinations.identities.push(text(payload));
                out.extend_from_slice(field.whole);
            }
            (USER, Some(payload)) => {
                let user = stamp_user(payload, sender, &mut destinations)?;
                put(&mut out, USER, &user);
            }
            _ => out.extend_from_slice(field.whole),
        }
    }
    Some((out, destinations))
}

fn stamp_user(
    user: &[u8],
    (identity, sid): (&Identity, &ParticipantSid),
    destinations: &mut Destinations,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(user.len() + 64);
    put(&mut out, USER_SID, sid.as_str().as_bytes());
    put(&mut out, USER_IDENTITY, identity.as_str().as_bytes());
    for field in fields(user)? {
        match (field.number, field.payload) {
            (USER_SID | USER_IDENTITY, _) => continue,
            (USER_DESTINATION_SIDS, Some(payload)) => destinations.sids.push(text(payload)),
            (USER_DESTINATIONS, Some(payload)) => destinations.identities.push(text(payload)),
            _ => {}
        }
        out.extend_from_slice(field.whole);
    }
    Some(out)
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

/// The topic and payload of a user packet; `None` for any other, or where it has no topic.
pub fn user_message(packet: &[u8]) -> Option<(String, Vec<u8>)> {
    let payloads = |bytes, wanted| -> Option<Vec<&[u8]>> {
        let all = fields(bytes)?.into_iter();
        Some(
            all.filter(|f| f.number == wanted)
                .filter_map(|f| f.payload)
                .collect(),
        )
    };
    // Readers merge a message that comes twice, and of its fields take the last one.
    let user = payloads(packet, USER)?.concat();
    let topic = text(payloads(&user, USER_TOPIC)?.pop()?);
    let payload = payloads(&user, USER_PAYLOAD)?.pop().unwrap_or_default();
    Some((topic, payload.to_vec()))
}

/// A packet of the server's own, without a sender.
pub fn server_packet(topic: &str, json: &str) -> Vec<u8> {
    let mut user = Vec::new();
    put(&mut user, USER_PAYLOAD, json.as_bytes());
    put(&mut user, USER_TOPIC, topic.as_bytes());
    let mut out = Vec::new();
    put(&mut out, USER, &user);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_protocol::{DataPacket, UserPacket, data_packet};
    use prost::Message;

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
            participant_identity: "eve".into(),
            destination_identities: vec!["bob".into()],
            sequence: 7,
            value: Some(data_packet::Value::User(user)),
            ..DataPacket::default()
        };
        let mut bytes = forged.encode_to_vec();
        put(&mut bytes, 99, b"from the future");
        let sender = (&Identity::from("alice"), &ParticipantSid::from("PA_true"));
        let (out, destinations) = stamp(&bytes, true, sender).unwrap();
        let got = DataPacket::decode(out.as_slice()).unwrap();
        assert_eq!(got.participant_identity, "alice");
        assert_eq!((got.participant_sid.as_str(), got.sequence), ("PA_true", 7));
        assert_eq!(destinations.identities, ["bob"]);
        assert!(fields(&out).unwrap().iter().any(|field| field.number == 99));
        let Some(data_packet::Value::User(user)) = got.value else {
            panic!("no user packet")
        };
        #[expect(deprecated, reason = "older clients still read the sender there")]
        let stamped = user.participant_sid;
        assert_eq!(stamped, "PA_true");
    }

    #[test]
    fn no_cut_of_a_packet_panics() {
        let bytes = server_packet("beistand.clock", "{}");
        let sender = (&Identity::from("a"), &ParticipantSid::from("PA_a"));
        for len in 0..bytes.len() {
            let _ = stamp(&bytes[..len], false, sender);
            let _ = user_message(&bytes[..len]);
        }
    }

    #[test]
    fn topic_and_payload_are_those_that_any_client_would_read() {
        let packet = server_packet("beistand.presence", r#"{"confirm":true}"#);
        let (topic, payload) = user_message(&packet).unwrap();
        assert_eq!(topic, "beistand.presence");
        assert_eq!(payload, br#"{"confirm":true}"#);
        let (mut user, mut twice) = (Vec::new(), Vec::new());
        put(&mut user, USER_TOPIC, b"chat");
        put(&mut user, USER_TOPIC, b"beistand.clock");
        put(&mut twice, USER, &user);
        put(&mut twice, USER, &[]);
        let read = DataPacket::decode(twice.as_slice()).unwrap();
        let Some(data_packet::Value::User(read)) = read.value else {
            panic!("no user packet")
        };
        assert_eq!(read.topic.as_deref(), Some("beistand.clock"));
        assert_eq!(user_message(&twice).unwrap().0, "beistand.clock");
        assert_eq!(user_message(&[]), None);
    }
}
