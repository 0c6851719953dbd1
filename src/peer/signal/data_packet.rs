//! Data packets of clients: read so that every decoder reads the same sender and topic, and stamped
//! with their true sender; everything else is passed on untouched.

use super::protobuf_fields::{Field, fields, put, put_number};
use super::topic::{Owner, owner};
use crate::base::{Identity, ParticipantSid};
use livekit_protocol::DataPacket;
use prost::Message;

/// Field numbers of `DataPacket` and its parts (livekit_models.proto, protocol 17).
const KIND: u32 = 1;
const USER: u32 = 2;
const SPEAKER: u32 = 3;
const PACKET_IDENTITY: u32 = 4;
const PACKET_DESTINATIONS: u32 = 5;
const TRANSCRIPTION: u32 = 7;
const METRICS: u32 = 8;
const STREAM_HEADER: u32 = 13;
const STREAM_TRAILER: u32 = 15;
const PACKET_SID: u32 = 17;
const USER_SID: u32 = 1;
const USER_PAYLOAD: u32 = 2;
const USER_DESTINATION_SIDS: u32 = 3;
const USER_TOPIC: u32 = 4;
const USER_IDENTITY: u32 = 5;
const USER_DESTINATIONS: u32 = 6;
const STREAM_TOPIC: u32 = 3;
const HEADER_ATTRIBUTES: u32 = 8;
const TRAILER_ATTRIBUTES: u32 = 3;
const TRANSCRIBED: u32 = 2;

/// The members of the packet's `oneof`: at most one of them may be there.
const VALUES: [u32; 13] = [2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18];

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

/// Why a client's data packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum PacketRefusal {
    /// It can be read in two ways, or in none.
    #[error("no data packet in protobuf's canonical form")]
    Malformed,
    /// Its topic looks like one of the server's and is none, or is one where the server takes none.
    #[error("its topic looks like one of the server's")]
    Topic,
    /// It says what only the server or an agent says of others.
    #[error("it speaks for somebody else")]
    Impersonation,
}

/// Who sent a packet.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Its identity.
    pub identity: &'a Identity,
    /// Its participant id.
    pub sid: &'a ParticipantSid,
    /// It is an agent, which may transcribe what others say.
    pub agent: bool,
}

/// What a packet carries, as far as the server looks into it.
#[derive(Debug)]
enum Value<'a> {
    /// Payload and topic of the app, or of the server.
    User(Vec<Field<'a>>),
    /// The start of a stream.
    Stream(Vec<Field<'a>>),
    /// What somebody is said to have said.
    Transcription(Vec<Field<'a>>),
    /// A client's own figures, which LiveKit swallows too.
    Metrics,
    /// Anything else that clients send each other.
    Other,
}

/// A data packet of a client.
#[derive(Debug)]
pub struct ClientPacket<'a> {
    fields: Vec<Field<'a>>,
    value: Value<'a>,
    owner: Owner,
}

impl<'a> ClientPacket<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// Decoders would not agree on it, or it is not for a client to say.
    pub fn read(packet: &'a [u8]) -> Result<ClientPacket<'a>, PacketRefusal> {
        let fields = fields(packet).ok_or(PacketRefusal::Malformed)?;
        let value = value_of(&fields)?;
        // Decoders need not look at the wire type of a field that they know: prost does.
        if !matches!(value, Value::Metrics) && DataPacket::decode(packet).is_err() {
            return Err(PacketRefusal::Malformed);
        }
        let packet = ClientPacket {
            owner: topic_of(&value).map_or(Owner::Clients, owner),
            fields,
            value,
        };
        match (packet.owner, &packet.value) {
            (Owner::Clients, _) | (Owner::Server, Value::User(_)) => Ok(packet),
            (Owner::Server | Owner::Nobody, _) => Err(PacketRefusal::Topic),
        }
    }

    /// Topic and payload of a packet that is for the server alone; `None` for any other.
    pub fn server_message(&self) -> Option<(&'a str, &'a [u8])> {
        let Value::User(user) = &self.value else {
            return None;
        };
        let payload = payload_of(user, USER_PAYLOAD).unwrap_or_default();
        let topic = text_of(user, USER_TOPIC)?;
        (self.owner == Owner::Server).then_some((topic, payload))
    }

    /// The topic that the receivers of this packet read, of a message or a stream.
    pub fn topic(&self) -> Option<&'a str> {
        topic_of(&self.value)
    }

    /// Whether this is a client's own figures, which nobody else gets.
    pub fn is_metrics(&self) -> bool {
        matches!(self.value, Value::Metrics)
    }

    /// Whom it is for.
    pub fn destinations(&self) -> Destinations {
        let mut all = Destinations {
            identities: texts_of(&self.fields, PACKET_DESTINATIONS),
            sids: Vec::new(),
        };
        if let Value::User(user) = &self.value {
            all.identities.extend(texts_of(user, USER_DESTINATIONS));
            all.sids.extend(texts_of(user, USER_DESTINATION_SIDS));
        }
        all
    }

    /// The packet with its true sender and channel kind.
    ///
    /// # Errors
    /// It says something in the name of somebody else.
    pub fn stamped(&self, reliable: bool, sender: Sender<'_>) -> Result<Vec<u8>, PacketRefusal> {
        self.check_speaker(sender)?;
        let Sender { identity, sid, .. } = sender;
        let (identity, sid) = (identity.as_str().as_bytes(), sid.as_str().as_bytes());
        let len: usize = self.fields.iter().map(|field| field.whole.len()).sum();
        let mut out = Vec::with_capacity(len + 2 * (identity.len() + sid.len()) + 32);
        put_number(&mut out, KIND, u64::from(!reliable));
        put(&mut out, PACKET_IDENTITY, identity);
        put(&mut out, PACKET_SID, sid);
        for field in &self.fields {
            match (field.number, &self.value) {
                (KIND | PACKET_IDENTITY | PACKET_SID, _) => {}
                (USER, Value::User(user)) => {
                    let mut stamped = Vec::with_capacity(field.whole.len() + 64);
                    put(&mut stamped, USER_SID, sid);
                    put(&mut stamped, USER_IDENTITY, identity);
                    for field in user {
                        if !matches!(field.number, USER_SID | USER_IDENTITY) {
                            stamped.extend_from_slice(field.whole);
                        }
                    }
                    put(&mut out, USER, &stamped);
                }
                _ => out.extend_from_slice(field.whole),
            }
        }
        Ok(out)
    }

    /// Clients show a transcription as the words of whom it names, whoever sent it.
    fn check_speaker(&self, sender: Sender<'_>) -> Result<(), PacketRefusal> {
        let Value::Transcription(fields) = &self.value else {
            return Ok(());
        };
        let speaker = text_of(fields, TRANSCRIBED).unwrap_or_default();
        if sender.agent || speaker == sender.identity.as_str() {
            Ok(())
        } else {
            Err(PacketRefusal::Impersonation)
        }
    }
}

/// The one value of a packet, each of its fields there once.
fn value_of<'a>(packet: &[Field<'a>]) -> Result<Value<'a>, PacketRefusal> {
    if !are_single(packet, 18, &[PACKET_DESTINATIONS]) {
        return Err(PacketRefusal::Malformed);
    }
    let mut values = packet.iter().filter(|f| VALUES.contains(&f.number));
    let (value, more) = (values.next(), values.next());
    if more.is_some() {
        return Err(PacketRefusal::Malformed);
    }
    let Some(value) = value else {
        return Ok(Value::Other);
    };
    let parts = value.payload.and_then(fields);
    let parts = parts.ok_or(PacketRefusal::Malformed)?;
    let (last, repeated): (u32, &[u32]) = match value.number {
        USER => (11, &[USER_DESTINATION_SIDS, USER_DESTINATIONS]),
        STREAM_HEADER => (12, &[HEADER_ATTRIBUTES]),
        STREAM_TRAILER => (3, &[TRAILER_ATTRIBUTES]),
        TRANSCRIPTION => (5, &[4]),
        SPEAKER => return Err(PacketRefusal::Impersonation),
        METRICS => return Ok(Value::Metrics),
        _ => return Ok(Value::Other),
    };
    let is_map = matches!(value.number, STREAM_HEADER | STREAM_TRAILER);
    let mut entries = parts
        .iter()
        .filter(|f| is_map && repeated.contains(&f.number));
    if !are_single(&parts, last, repeated) || !entries.all(is_entry) {
        return Err(PacketRefusal::Malformed);
    }
    Ok(match value.number {
        USER => Value::User(parts),
        STREAM_HEADER => Value::Stream(parts),
        TRANSCRIPTION => Value::Transcription(parts),
        _ => Value::Other,
    })
}

/// Whether a field is an entry of a map, and nothing else: not every decoder steps over more.
fn is_entry(field: &Field<'_>) -> bool {
    let parts = field.payload.and_then(fields);
    parts.is_some_and(|parts| parts.iter().all(|f| f.number <= 2) && are_single(&parts, 2, &[]))
}

/// Whether each field up to the number `last` is there at most once, but for `repeated` ones: decoders
/// take the last of several, or merge them.
fn are_single(fields: &[Field<'_>], last: u32, repeated: &[u32]) -> bool {
    let mut seen = 0u32;
    fields.iter().all(|field| {
        if field.number > last || repeated.contains(&field.number) {
            return true;
        }
        let bit = 1 << field.number;
        let is_new = seen & bit == 0;
        seen |= bit;
        is_new
    })
}

/// The topic of a message or a stream.
fn topic_of<'a>(value: &Value<'a>) -> Option<&'a str> {
    match value {
        Value::User(user) => text_of(user, USER_TOPIC),
        Value::Stream(header) => Some(text_of(header, STREAM_TOPIC).unwrap_or_default()),
        Value::Transcription(_) | Value::Metrics | Value::Other => None,
    }
}

fn payload_of<'a>(fields: &[Field<'a>], number: u32) -> Option<&'a [u8]> {
    fields.iter().find(|f| f.number == number)?.payload
}

fn text_of<'a>(fields: &[Field<'a>], number: u32) -> Option<&'a str> {
    std::str::from_utf8(payload_of(fields, number)?).ok()
}

fn texts_of(fields: &[Field<'_>], number: u32) -> Vec<String> {
    let payloads = fields.iter().filter(|f| f.number == number);
    payloads
        .filter_map(|field| std::str::from_utf8(field.payload?).ok())
        .map(str::to_owned)
        .collect()
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
mod tests;
