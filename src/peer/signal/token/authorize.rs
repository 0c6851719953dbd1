//! From claims to a join: what the bearer may do, and in which role.

use super::{AdminRefusal, Claims, JoinRefusal, ParticipantKind, RoomConfig};
use crate::base::{
    Identity, MAX_JSON_BYTES, Pii, Purpose, Role, RoomKey, SessionId, TrackSource, json_len,
};
use std::collections::BTreeMap;
use std::fmt;

/// The attribute that ties a token to a session. Who signs the token sets it, and nobody else.
pub const SESSION: &str = "beistand.session";

/// Longest room name and identity, in bytes (livekit-server 1.13.5).
const MAX_NAME_BYTES: usize = 256;

/// A join that a token allows.
#[derive(Clone, PartialEq, Eq)]
pub struct Join {
    /// Which room, of the project whose key signed the token.
    pub room: RoomKey,
    /// Who.
    pub identity: Identity,
    /// The name shown to others.
    pub name: String,
    /// The role, where the token gives one.
    pub role: Option<Role>,
    /// The policy that the token names for a new session.
    pub policy: Option<String>,
    /// The session that it is for, and no other, with those that continue it; none: whichever is in the
    /// room.
    pub session: Option<SessionId>,
    /// Named texts of the app, `role` and `policy` among them.
    pub attributes: BTreeMap<String, String>,
    /// Text of the app.
    pub metadata: String,
    /// Person, recorder, agent…
    pub kind: ParticipantKind,
    /// Details of that kind.
    pub kind_details: Vec<String>,
    /// What the participant may do.
    pub permissions: Permissions,
    /// Settings of the room, used if this join creates it.
    pub room_config: RoomConfig,
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("room", &self.room)
            .field("identity", &self.identity)
            .field("name", &Pii(&self.name))
            .field("role", &self.role)
            .field("policy", &self.policy)
            .field("kind", &self.kind)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

/// What a participant may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "LiveKit's ParticipantPermission is this list"
)]
pub struct Permissions {
    /// May publish tracks.
    pub can_publish: bool,
    /// May subscribe to tracks.
    pub can_subscribe: bool,
    /// May send data.
    pub can_publish_data: bool,
    /// The only sources that may be published; empty means all.
    pub can_publish_sources: Vec<TrackSource>,
    /// May change its own name, metadata and attributes.
    pub can_update_own_metadata: bool,
    /// May subscribe to metrics.
    pub can_subscribe_metrics: bool,
    /// Is not shown to others.
    pub hidden: bool,
    /// Records the room.
    pub recorder: bool,
    /// Is an agent.
    pub agent: bool,
}

impl Permissions {
    /// Whether a track of this source may be published.
    pub fn allows_source(&self, source: TrackSource) -> bool {
        self.can_publish
            && (self.can_publish_sources.is_empty() || self.can_publish_sources.contains(&source))
    }
}

/// Whether the server owns an attribute: it comes from the token alone, and a client's update of
/// it is refused.
pub fn is_server_owned(attribute: &str) -> bool {
    matches!(attribute, "role" | "policy" | "minor" | "recording")
        || attribute.starts_with("beistand.")
}

/// What a token lets its bearer join. The order of the checks is LiveKit's: it decides the status.
///
/// # Errors
/// The token allows no join, or names something that cannot be.
pub fn authorize_join(claims: &Claims) -> Result<Join, JoinRefusal> {
    if claims.video.room_join != Some(true) {
        return Err(JoinRefusal::NotAllowed);
    }
    let room = claims.video.room.as_deref().unwrap_or_default();
    check_names(room, &claims.identity)?;
    check_minor(claims)?;
    Ok(Join {
        room: RoomKey::new(&claims.project, room),
        identity: Identity::from(claims.identity.as_str()),
        name: claims.name.clone(),
        role: role(claims)?,
        policy: claims
            .attributes
            .get("policy")
            .filter(|name| !name.is_empty())
            .cloned(),
        session: session_of(claims),
        attributes: claims.attributes.clone(),
        metadata: claims.metadata.clone(),
        kind: claims.kind,
        kind_details: claims.kind_details.clone(),
        permissions: permissions(claims)?,
        room_config: claims.room_config.clone(),
    })
}

/// The one room that a token is good for; none: it names none, and is good for all where it administers.
pub fn room_of(claims: &Claims) -> Option<&str> {
    let room = claims.video.room.as_deref();
    room.filter(|room| !room.is_empty())
}

/// What someone administers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty<'a> {
    /// Makes sessions.
    Create,
    /// Lists them.
    List,
    /// Administers some room: whether this one, is asked once it is known.
    Administer,
    /// Administers this room.
    AdministerRoom(&'a str),
}

/// Whether a token lets its bearer administer. The grant `roomAdmin` is good for the room that the
/// token names, or for all if it names none.
///
/// # Errors
/// The grant is missing.
pub fn authorize_admin(claims: &Claims, duty: Duty<'_>) -> Result<(), AdminRefusal> {
    let grant = &claims.video;
    let own = room_of(claims);
    let (held, missing) = match duty {
        Duty::Create => (grant.room_create, AdminRefusal::NoCreate),
        Duty::List => (grant.room_list, AdminRefusal::NoList),
        Duty::Administer => (grant.room_admin, AdminRefusal::NoAdmin),
        Duty::AdministerRoom(room) if own.is_some_and(|own| own != room) => {
            return Err(AdminRefusal::OtherRoom);
        }
        Duty::AdministerRoom(_) => (grant.room_admin, AdminRefusal::NoAdmin),
    };
    (held == Some(true)).then_some(()).ok_or(missing)
}

/// Which recordings of their project a token lets its bearer see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// All, and it may start, stop and delete them.
    All,
    /// Those of this room, likewise.
    Room(&'a str),
    /// Those of some sessions of this room that are for their participants; they may be read, and nothing
    /// more.
    Shared(&'a str, Part),
}

/// Of which sessions an expert sees the recordings. A room's name is used again and again, so it says
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of the session that their token is for, and of those that continue it.
    Named(SessionId),
    /// Of those in which this identity was an expert: their token names none.
    Taken(Identity),
}

/// Which recordings a token lets its bearer see: the grants `roomRecord` and `roomAdmin` are good for
/// the room that the token names, or for all if it names none; an expert sees what is shared of their own
/// sessions in the room that their token lets them join.
///
/// # Errors
/// None at all.
pub fn authorize_recordings(claims: &Claims) -> Result<Reach<'_>, AdminRefusal> {
    let grant = &claims.video;
    let own = room_of(claims);
    if grant.room_admin == Some(true) || grant.room_record == Some(true) {
        return Ok(own.map_or(Reach::All, Reach::Room));
    }
    let expert = matches!(role(claims), Ok(Some(Role::Expert)));
    let joins = expert && grant.room_join == Some(true);
    let own = own.filter(|_| joins).ok_or(AdminRefusal::NoRecord)?;
    let taken = || Part::Taken(Identity::from(claims.identity.as_str()));
    let part = session_of(claims).map_or_else(taken, Part::Named);
    Ok(Reach::Shared(own, part))
}

/// The session that a token is for; none: it is tied to none.
pub fn session_of(claims: &Claims) -> Option<SessionId> {
    let id = claims.attributes.get(SESSION);
    id.map(|id| SessionId::from(id.as_str()))
}

impl Reach<'_> {
    /// Whether a recording of this room and purpose may be seen, as far as they tell: with a part, only
    /// what is of that part.
    ///
    /// # Errors
    /// It may not.
    pub fn see(&self, room: &str, purpose: Purpose) -> Result<Option<&Part>, AdminRefusal> {
        match self {
            Reach::All => Ok(None),
            Reach::Room(own) | Reach::Shared(own, _) if *own != room => {
                Err(AdminRefusal::OtherRoom)
            }
            Reach::Room(_) => Ok(None),
            Reach::Shared(_, part) if purpose == Purpose::Shared => Ok(Some(part)),
            Reach::Shared(..) => Err(AdminRefusal::OtherPurpose),
        }
    }

    /// Whether recordings of this room may be started, stopped and deleted.
    ///
    /// # Errors
    /// They may not.
    pub fn direct(&self, room: &str) -> Result<(), AdminRefusal> {
        match self {
            Reach::All => Ok(()),
            Reach::Room(own) if *own == room => Ok(()),
            Reach::Room(_) => Err(AdminRefusal::OtherRoom),
            Reach::Shared(..) => Err(AdminRefusal::NoRecord),
        }
    }
}

fn check_names(room: &str, identity: &str) -> Result<(), JoinRefusal> {
    if identity.is_empty() {
        return Err(JoinRefusal::NoIdentity);
    }
    if room.is_empty() {
        return Err(JoinRefusal::NoRoom);
    }
    if identity.starts_with('\u{feff}') {
        return Err(JoinRefusal::MarkedIdentity);
    }
    if identity.len() > MAX_NAME_BYTES {
        return Err(JoinRefusal::LongIdentity {
            bytes: identity.len(),
        });
    }
    if room.len() > MAX_NAME_BYTES {
        return Err(JoinRefusal::LongRoom { bytes: room.len() });
    }
    let longest = json_len(identity).max(json_len(room));
    if longest > MAX_JSON_BYTES {
        return Err(JoinRefusal::Escaped { bytes: longest });
    }
    Ok(())
}

/// A word that is not understood must not make a grown-up of a minor.
fn check_minor(claims: &Claims) -> Result<(), JoinRefusal> {
    match claims.attributes.get("minor").map(String::as_str) {
        None | Some("" | "true" | "false") => Ok(()),
        Some(_) => Err(JoinRefusal::UnknownMinor),
    }
}

fn role(claims: &Claims) -> Result<Option<Role>, JoinRefusal> {
    let word = claims
        .attributes
        .get("role")
        .filter(|word| !word.is_empty());
    word.map(|word| word.parse().map_err(|_| JoinRefusal::UnknownRole))
        .transpose()
}

fn permissions(claims: &Claims) -> Result<Permissions, JoinRefusal> {
    let grant = &claims.video;
    let can_publish = grant.can_publish.unwrap_or(true);
    let sources = grant.can_publish_sources.as_deref().unwrap_or_default();
    Ok(Permissions {
        can_publish,
        can_subscribe: grant.can_subscribe.unwrap_or(true),
        can_publish_data: grant.can_publish_data.unwrap_or(can_publish),
        can_publish_sources: sources
            .iter()
            .map(|word| source(word))
            .collect::<Result<_, _>>()?,
        can_update_own_metadata: grant.can_update_own_metadata.unwrap_or(false),
        can_subscribe_metrics: grant.can_subscribe_metrics.unwrap_or(false),
        hidden: grant.hidden.unwrap_or(false),
        recorder: grant.recorder.unwrap_or(false),
        agent: claims.kind == ParticipantKind::Agent,
    })
}

/// An unknown word is refused rather than skipped: a list that becomes empty would allow all.
fn source(word: &str) -> Result<TrackSource, JoinRefusal> {
    match word.to_ascii_lowercase().as_str() {
        "camera" => Ok(TrackSource::Camera),
        "microphone" => Ok(TrackSource::Microphone),
        "screen_share" => Ok(TrackSource::ScreenShare),
        "screen_share_audio" => Ok(TrackSource::ScreenShareAudio),
        _ => Err(JoinRefusal::UnknownSource),
    }
}
