//! Tokens and join links of a session's participants.

use super::body::{NewToken, Token};
use super::fields::Fields;
use super::record::room_of;
use crate::api::caller::{Caller, Id, Json, read};
use crate::api::problem::{Always, InTheWay, OfOne, Problem, WithBody};
use crate::api::state::Doors;
use crate::base::{Identity, Now, Role, RoomName, Unix};
use crate::node::Guest;
use crate::peer::signal::token::{Claims, Duty, authorize_join, sign};
use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Validity of a token unless told otherwise, as LiveKit's SDKs have it: 6 h.
pub(super) const TTL_S: u64 = 6 * 3600;
/// Shortest and longest validity: a minute, a year.
pub(super) const TTL_RANGE_S: RangeInclusive<u64> = 60..=31_536_000;
/// Longest name and identity, in bytes (livekit-server 1.13.5).
const NAME_BYTES: usize = 256;

/// For what tokens are made.
pub(super) struct Mint<'a> {
    pub room: &'a RoomName,
    pub template: &'a str,
    /// Whose API key signs.
    pub key: &'a str,
    /// Base of the join links.
    pub base: &'a str,
    pub ttl_s: u64,
    /// From when on they are good: the same moment gives the same token.
    pub from: Unix,
}

impl Mint<'_> {
    pub fn token(&self, doors: &Doors, guest: &Guest) -> Result<Token, Problem> {
        let expires = Unix(self.from.0.saturating_add(self.ttl_s * 1000));
        let identity = guest.identity.as_str();
        let mut claims = Claims::new(self.key, identity, expires);
        claims.name.clone_from(&guest.name);
        for (name, value) in [("role", guest.role.as_str()), ("policy", self.template)] {
            let (name, value) = (name.to_owned(), value.to_owned());
            claims.attributes.insert(name, value);
        }
        claims.video.room = Some(self.room.to_string());
        claims.video.room_join = Some(true);
        authorize_join(&claims)
            .map_err(|error| Problem::body("participants", &error.to_string()))?;
        let now = Now {
            unix: self.from,
            ..(doors.clock)()
        };
        let token = sign(&claims, &doors.keys, now)
            .map_err(|error| Problem::unavailable(format!("no token can be made: {error}")))?;
        Ok(Token {
            identity: identity.to_owned(),
            name: guest.name.clone(),
            role: guest.role,
            join_url: format!("{}/join.html#token={token}", self.base),
            token,
            expires_unix_ms: expires.0,
        })
    }
}

/// Reads identity, name and role.
pub(super) fn guest(fields: &mut Fields<'_>) -> Result<Guest, Problem> {
    let needed = |field: String, allowed: &str| Problem::body(&field, allowed);
    let identity = fields.needed("identity", 1..=NAME_BYTES)?;
    let name = fields.text("name", 0..=NAME_BYTES)?.unwrap_or_default();
    let word = fields.any("role").and_then(|word| word.as_str());
    let role: Option<Role> = word.and_then(|word| word.parse().ok());
    let role =
        role.ok_or_else(|| needed(fields.place("role"), "expert, customer, guest, observer"))?;
    Ok(Guest {
        identity: Identity::from(identity),
        name: name.to_owned(),
        role,
    })
}

/// Where the client reached us: what join links begin with.
pub(super) fn base(doors: &Doors, headers: &HeaderMap) -> Result<String, Problem> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.filter(|host| !host.is_empty() && host.len() <= NAME_BYTES);
    let host = host.ok_or_else(|| Problem::malformed("the request names no host"))?;
    let scheme = if doors.tls { "https" } else { "http" };
    Ok(format!("{scheme}://{host}"))
}

/// Makes a token for one more participant of a session.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/tokens",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    request_body = NewToken,
    responses(
        (status = 200, description = "The token, and a join link with it.", body = Token),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn issue(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<JsonAnswer<Token>, Problem> {
    caller.may(Duty::Administer)?;
    let mut fields = Fields::of(&body, "")?;
    let guest = guest(&mut fields)?;
    let ttl_s = fields.whole("ttl_s", TTL_RANGE_S)?.unwrap_or(TTL_S);
    fields.finish()?;
    let known = read(&doors, move |doors| (doors.ledger.session)(id.as_str())).await?;
    let known = known.ok_or_else(crate::api::caller::no_session)?;
    let room = room_of(&known);
    caller.may(Duty::AdministerRoom(room.as_str()))?;
    if known.has_ended() {
        return Err(super::change::has_ended());
    }
    let mint = Mint {
        room: &room,
        template: known.template(),
        key: &caller.claims.key,
        base: &base(&doors, &headers)?,
        ttl_s,
        from: caller.now.unix,
    };
    mint.token(&doors, &guest).map(JsonAnswer)
}
