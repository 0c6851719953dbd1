//! What a token says: the claims as they travel, and as we use them.

use crate::base::{Now, Pii, ProjectId, Unix};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The claims of a verified token.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    /// The API key that signed it (`iss`).
    pub key: String,
    /// Whose key that is. It is not in the token: [`super::verify`] looks it up.
    pub project: ProjectId,
    /// Who joins (`sub`, else `jti`); empty in tokens for administration.
    pub identity: String,
    /// End of its validity (`exp`).
    pub expires: Unix,
    /// The name shown to others.
    pub name: String,
    /// What kind of participant it is.
    pub kind: ParticipantKind,
    /// Details of that kind, passed on as they are.
    pub kind_details: Vec<String>,
    /// Text of the app, passed on as it is.
    pub metadata: String,
    /// Named texts of the app; `role` and `policy` are ours.
    pub attributes: BTreeMap<String, String>,
    /// Settings of the room, used if this join creates it.
    pub room_config: RoomConfig,
    /// What the token allows.
    pub video: VideoGrant,
}

impl Claims {
    /// Claims that allow nothing yet.
    pub fn new(key: &str, identity: &str, expires: Unix) -> Claims {
        let wire = Wire {
            iss: Some(key.to_owned()),
            sub: Some(identity.to_owned()),
            ..Wire::default()
        };
        Claims {
            expires,
            ..Claims::from_wire(wire)
        }
    }

    pub(super) fn from_wire(wire: Wire) -> Claims {
        let video = wire.video.unwrap_or_default();
        let kind = if video.agent == Some(true) {
            ParticipantKind::Agent
        } else {
            wire.kind
                .as_deref()
                .map_or(ParticipantKind::Standard, ParticipantKind::from_word)
        };
        Claims {
            key: wire.iss.unwrap_or_default(),
            project: ProjectId::default(),
            identity: wire
                .sub
                .filter(|sub| !sub.is_empty())
                .or(wire.jti)
                .unwrap_or_default(),
            expires: wire.exp.unwrap_or_default().unix(),
            name: wire.name.unwrap_or_default(),
            kind,
            kind_details: wire.kind_details.unwrap_or_default(),
            metadata: wire.metadata.unwrap_or_default(),
            attributes: wire.attributes.unwrap_or_default(),
            room_config: wire.room_config.unwrap_or_default(),
            video,
        }
    }

    /// The payload to sign: as SDKs write it, without nulls and empty texts.
    pub(super) fn to_payload(&self, now: Now) -> Option<serde_json::Value> {
        let wire = Wire {
            iss: Some(self.key.clone()),
            sub: Some(self.identity.clone()),
            jti: None,
            nbf: Some(Seconds(now.unix.secs())),
            exp: Some(Seconds(self.expires.secs())),
            name: Some(self.name.clone()),
            kind: Some(self.kind.as_str().to_owned()),
            kind_details: Some(self.kind_details.clone()),
            metadata: Some(self.metadata.clone()),
            attributes: Some(self.attributes.clone()),
            room_config: Some(self.room_config.clone()),
            video: Some(self.video.clone()),
        };
        serde_json::to_value(wire).ok().map(without_blanks)
    }
}

/// Drops nulls, empty texts, lists and objects; the app's attributes stay as they are.
fn without_blanks(value: serde_json::Value) -> serde_json::Value {
    let serde_json::Value::Object(members) = value else {
        return value;
    };
    let members = members.into_iter().map(|(name, member)| {
        let member = if name == "attributes" {
            member
        } else {
            without_blanks(member)
        };
        (name, member)
    });
    serde_json::Value::Object(members.filter(|(_, member)| !is_blank(member)).collect())
}

fn is_blank(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Array(list) => list.is_empty(),
        serde_json::Value::Object(members) => members.is_empty(),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => false,
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("key", &self.key)
            .field("project", &self.project)
            .field("identity", &Pii(&self.identity))
            .field("expires", &self.expires)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What the `video` claim allows. An absent field is `None`; [`super::authorize_join`] fills in the
/// defaults.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrant {
    /// The only room that the token is good for.
    pub room: Option<String>,
    /// May join that room.
    pub room_join: Option<bool>,
    /// May create and delete rooms.
    pub room_create: Option<bool>,
    /// May list rooms.
    pub room_list: Option<bool>,
    /// May administer that room.
    pub room_admin: Option<bool>,
    /// May start and stop recordings.
    pub room_record: Option<bool>,
    /// May publish tracks; absent means yes.
    pub can_publish: Option<bool>,
    /// May subscribe to tracks; absent means yes.
    pub can_subscribe: Option<bool>,
    /// May send data; absent means as `can_publish`.
    pub can_publish_data: Option<bool>,
    /// The only sources that may be published; absent or empty means all.
    pub can_publish_sources: Option<Vec<String>>,
    /// May change its own name, metadata and attributes; absent means no.
    pub can_update_own_metadata: Option<bool>,
    /// May subscribe to metrics; absent means no.
    pub can_subscribe_metrics: Option<bool>,
    /// Is not shown to others.
    pub hidden: Option<bool>,
    /// Records the room.
    pub recorder: Option<bool>,
    /// Is an agent: the older way to say `kind`.
    pub agent: Option<bool>,
}

impl fmt::Debug for VideoGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoGrant")
            .field("room", &self.room.as_deref().map(Pii))
            .field("room_join", &self.room_join)
            .finish_non_exhaustive()
    }
}

/// Settings of a room, from the claim `roomConfig` (proto3 JSON: both spellings of a name, numbers
/// as numbers or as texts).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomConfig {
    /// Text of the app, shown to all participants.
    pub metadata: Option<String>,
    /// How long the room stays open before anybody joins, in seconds.
    #[serde(alias = "empty_timeout", deserialize_with = "proto_u32")]
    pub empty_timeout: Option<u32>,
    /// How long the room stays open after everybody left, in seconds.
    #[serde(alias = "departure_timeout", deserialize_with = "proto_u32")]
    pub departure_timeout: Option<u32>,
    /// How many may be in the room at once.
    #[serde(alias = "max_participants", deserialize_with = "proto_u32")]
    pub max_participants: Option<u32>,
}

impl fmt::Debug for RoomConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomConfig")
            .field("metadata", &self.metadata.as_deref().map(Pii))
            .field("empty_timeout", &self.empty_timeout)
            .field("departure_timeout", &self.departure_timeout)
            .field("max_participants", &self.max_participants)
            .finish()
    }
}

fn proto_u32<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Bare(u32),
        Quoted(String),
    }
    match Option::<Number>::deserialize(from)? {
        None => Ok(None),
        Some(Number::Bare(number)) => Ok(Some(number)),
        Some(Number::Quoted(text)) => text.parse().map(Some).map_err(de::Error::custom),
    }
}

/// What a participant is technically. Only `Standard` ones are people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParticipantKind {
    /// A person with a client.
    #[default]
    Standard,
    /// A stream from outside.
    Ingress,
    /// A recorder.
    Egress,
    /// A telephone.
    Sip,
    /// A program that takes part.
    Agent,
    /// A connector to another platform.
    Connector,
    /// A bridge between rooms.
    Bridge,
}

impl ParticipantKind {
    /// The word used in tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            ParticipantKind::Standard => "standard",
            ParticipantKind::Ingress => "ingress",
            ParticipantKind::Egress => "egress",
            ParticipantKind::Sip => "sip",
            ParticipantKind::Agent => "agent",
            ParticipantKind::Connector => "connector",
            ParticipantKind::Bridge => "bridge",
        }
    }

    /// A word that LiveKit does not know means `standard`, as it does there.
    fn from_word(word: &str) -> ParticipantKind {
        [
            ParticipantKind::Ingress,
            ParticipantKind::Egress,
            ParticipantKind::Sip,
            ParticipantKind::Agent,
            ParticipantKind::Connector,
            ParticipantKind::Bridge,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .unwrap_or(ParticipantKind::Standard)
    }
}

/// The one claim that is read before the signature is checked: it names the key.
#[derive(Deserialize)]
pub(super) struct Peek {
    pub(super) iss: Option<String>,
}

/// The claims as they travel. Every field may be absent or null; unknown ones are ignored, a
/// doubled one is an error.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wire {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) jti: Option<String>,
    pub(super) nbf: Option<Seconds>,
    pub(super) exp: Option<Seconds>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) kind_details: Option<Vec<String>>,
    pub(super) metadata: Option<String>,
    pub(super) attributes: Option<BTreeMap<String, String>>,
    pub(super) room_config: Option<RoomConfig>,
    pub(super) video: Option<VideoGrant>,
}

/// Seconds since 1970 (RFC 7519 `NumericDate`): a number of at least zero, fractions cut off.
/// Never a text: CVE-2026-25537 began with a string that was skipped.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Seconds(u64);

impl Seconds {
    pub(super) const fn unix(self) -> Unix {
        Unix(self.0.saturating_mul(1000))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Seconds, D::Error> {
        from.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds since 1970")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seconds, E> {
        Ok(Seconds(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Seconds, E> {
        if !number.is_finite() || number < 0.0 {
            return Err(E::custom("not a time"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be positive; the cast saturates and cuts the fraction off"
        )]
        Ok(Seconds(number as u64))
    }
}
