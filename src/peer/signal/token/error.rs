//! What can be wrong with a token, a key or a join: each with its HTTP status and plain words.

use super::claims::{RoomConfig, Seconds, VideoGrant};
use super::limits::{MAX_TOKEN_BYTES, MIN_SECRET_BYTES};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A key or secret that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key has no name.
    #[error("an API key has an empty name: give it one")]
    EmptyName,
    /// The secret is too short to be safe.
    #[error(
        "the secret of API key `{key}` has {bytes} bytes, at least {MIN_SECRET_BYTES} are needed: \
         make one with `openssl rand -hex 32`"
    )]
    ShortSecret {
        /// The name of the key.
        key: String,
        /// The length of its secret.
        bytes: usize,
    },
    /// The key is of two projects.
    #[error(
        "the API key `{0}` is of two projects, and a token names its key alone: give it another name \
         in one of them"
    )]
    TwoProjects(String),
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error(
        "no access token: send the header `Authorization: Bearer TOKEN` or the query parameter \
         `access_token`"
    )]
    Missing,
    /// The header is something else.
    #[error("the header `Authorization` must be `Bearer` and the access token")]
    NotBearer,
    /// More than [`MAX_TOKEN_BYTES`].
    #[error(
        "the access token is longer than {MAX_TOKEN_BYTES} bytes: put less into metadata and \
         attributes"
    )]
    TooLong,
    /// Not a JWT at all.
    #[error("the access token is not a JWT of three base64url parts: send it as it was made")]
    Malformed,
    /// Anything but plain HS256.
    #[error("the header of the access token is not that of a plain HS256 JWT: sign it with HS256")]
    Algorithm,
    /// The claim `iss` is missing.
    #[error("the access token names no API key: put it into the claim `iss`")]
    NoIssuer,
    /// The claim `iss` names a key that this node does not have.
    #[error(
        "the API key in claim `iss` is not known here: use a key from the section [keys] (or \
         [projects.NAME.keys]) of this server's configuration"
    )]
    UnknownKey,
    /// Signed with another secret.
    #[error("the signature does not fit: sign the access token with the secret of its API key")]
    Signature,
    /// A claim has the wrong type.
    #[error("the claim `{claim}` of the access token must be {allowed}")]
    Claim {
        /// The name of the claim.
        claim: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// A claim is there twice, or the claims are no object.
    #[error("the claims of the access token must be one JSON object with each name once")]
    Claims,
    /// The claim `exp` is missing.
    #[error("the access token never expires: give it the claim `exp`")]
    NoExpiry,
    /// Its time is over.
    #[error("the access token has expired: get a new one from the app, or check the clocks")]
    Expired,
    /// Its time has not come.
    #[error("the access token is not valid yet (claim `nbf`): try later, or check the clocks")]
    NotYetValid,
    /// A token could not be made.
    #[error("the access token could not be signed")]
    Unsigned,
}

impl TokenError {
    /// The HTTP status of the refusal.
    pub const fn status(&self) -> u16 {
        401
    }
}

/// Why a good token does not let its bearer administer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefusal {
    /// The grant `roomCreate` is not true.
    #[error("the access token does not allow this: set the grant `roomCreate` to true")]
    NoCreate,
    /// The grant `roomList` is not true.
    #[error("the access token does not allow this: set the grant `roomList` to true")]
    NoList,
    /// The grant `roomAdmin` is not true.
    #[error("the access token does not allow this: set the grant `roomAdmin` to true")]
    NoAdmin,
    /// Neither the grant `roomRecord` nor `roomAdmin` is true.
    #[error(
        "the access token does not allow this: set the grant `roomRecord` or `roomAdmin` to true"
    )]
    NoRecord,
    /// An expert sees what is for the participants of their own sessions.
    #[error("the room token of an expert is good for the recordings of their own sessions alone")]
    OtherSession,
    /// An expert sees what is for the participants.
    #[error("the room token of an expert is good for recordings with the purpose `shared` alone")]
    OtherPurpose,
    /// It is good for another room.
    #[error("the access token administers another room: leave the grant `room` out for all rooms")]
    OtherRoom,
}

/// Why a good token does not let its bearer in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// The grant `roomJoin` is not true.
    #[error("the access token does not allow to join: set the grant `roomJoin` to true")]
    NotAllowed,
    /// Neither `sub` nor `jti`.
    #[error("the access token has no identity: put the participant's into the claim `sub`")]
    NoIdentity,
    /// The grant `room` is empty.
    #[error("the access token names no room: put its name into the grant `room`")]
    NoRoom,
    /// The identity begins with U+FEFF: clients in JavaScript would take it for another's.
    #[error("the identity begins with a byte order mark (U+FEFF): leave it out")]
    MarkedIdentity,
    /// The identity is too long.
    #[error("the identity has {bytes} bytes, at most 256 are allowed: use a shorter one")]
    LongIdentity {
        /// Its length.
        bytes: usize,
    },
    /// The room's name is too long.
    #[error("the room's name has {bytes} bytes, at most 256 are allowed: use a shorter one")]
    LongRoom {
        /// Its length.
        bytes: usize,
    },
    /// The identity or the room's name has many characters that JSON escapes.
    #[error(
        "the identity or the room's name takes {bytes} bytes in JSON, at most 384 are allowed: use fewer control characters and quotes"
    )]
    Escaped {
        /// The length of the longer one there.
        bytes: usize,
    },
    /// The attribute `role` is none of the four.
    #[error(
        "the attribute `role` of the access token is not known: it is one of expert, customer, \
         guest, observer"
    )]
    UnknownRole,
    /// The attribute `minor` is neither true nor false.
    #[error("the attribute `minor` of the access token is not known: it is `true` or `false`")]
    UnknownMinor,
    /// The grant `canPublishSources` names something else.
    #[error(
        "the grant `canPublishSources` has an unknown entry: each is one of camera, microphone, \
         screen_share, screen_share_audio"
    )]
    UnknownSource,
}

impl JoinRefusal {
    /// The HTTP status of the refusal: livekit-client (2.23) shows the text of a 401 or 403 alone, and
    /// takes any other for a broken connection.
    pub const fn status(&self) -> u16 {
        match self {
            JoinRefusal::NotAllowed => 401,
            JoinRefusal::NoIdentity
            | JoinRefusal::NoRoom
            | JoinRefusal::MarkedIdentity
            | JoinRefusal::LongIdentity { .. }
            | JoinRefusal::LongRoom { .. }
            | JoinRefusal::Escaped { .. }
            | JoinRefusal::UnknownRole
            | JoinRefusal::UnknownMinor
            | JoinRefusal::UnknownSource => 403,
        }
    }
}

type Fits = fn(&Value) -> bool;

/// The typed claims: name, what is allowed, and the test for it.
const CLAIMS: [(&str, &str, Fits); 12] = [
    ("iss", "a text", fits::<String>),
    ("sub", "a text", fits::<String>),
    ("jti", "a text", fits::<String>),
    (
        "exp",
        "a number of seconds since 1970, not a text",
        fits::<Seconds>,
    ),
    (
        "nbf",
        "a number of seconds since 1970, not a text",
        fits::<Seconds>,
    ),
    ("name", "a text", fits::<String>),
    ("kind", "a text", fits::<String>),
    ("kindDetails", "a list of texts", fits::<Vec<String>>),
    ("metadata", "a text", fits::<String>),
    (
        "attributes",
        "an object of texts",
        fits::<BTreeMap<String, String>>,
    ),
    (
        "roomConfig",
        "an object; its timeouts and limits are whole numbers",
        fits::<RoomConfig>,
    ),
    (
        "video",
        "an object; its grants are true or false without quotes",
        fits::<VideoGrant>,
    ),
];

fn fits<T: for<'de> Deserialize<'de>>(value: &Value) -> bool {
    Option::<T>::deserialize(value).is_ok()
}

/// Which claim made the whole unreadable.
pub(super) fn misfit(claims: &Map<String, Value>) -> TokenError {
    CLAIMS
        .iter()
        .find(|(claim, _, fits)| claims.get(*claim).is_some_and(|value| !fits(value)))
        .map_or(TokenError::Claims, |(claim, allowed, _)| {
            TokenError::Claim { claim, allowed }
        })
}
