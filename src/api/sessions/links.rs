//! Tokens of participants, and the links with which a browser joins by them.

use super::body::Token;
use crate::api::caller::Caller;
use crate::api::gate::Gate;
use crate::api::problem::Problem;
use crate::api::reached::Reached;
use crate::api::site::Site;
use crate::base::{Now, RoomName, Unix};
use crate::node::Guest;
use crate::peer::signal::token::{Claims, SESSION, authorize_join, sign};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use std::sync::Arc;

/// Makes tokens and join links.
pub(in crate::api) struct JoinLinks {
    gate: Arc<Gate>,
}

/// A caller who is given links, and what these begin with.
pub(crate) struct LinkMaker {
    pub caller: Caller,
    pub base: String,
}

impl<S> FromRequestParts<S> for LinkMaker
where
    Arc<Gate>: FromRef<S>,
    Arc<Site>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<LinkMaker, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Reached(base) = Reached::from_request_parts(parts, state).await?;
        Ok(LinkMaker { caller, base })
    }
}

/// For what tokens are made.
pub(super) struct Mint<'a> {
    pub room: &'a RoomName,
    /// The session that the token is for.
    pub session: &'a str,
    pub template: &'a str,
    /// Whose API key signs.
    pub key: &'a str,
    /// Base of the join links.
    pub base: &'a str,
    pub ttl_s: u64,
    /// From when on they are good: the same moment gives the same token.
    pub from: Unix,
}

impl JoinLinks {
    pub const fn new(gate: Arc<Gate>) -> JoinLinks {
        JoinLinks { gate }
    }

    /// A participant's token, and the link with it.
    pub(super) fn token(&self, mint: &Mint<'_>, guest: &Guest) -> Result<Token, Problem> {
        let expires = Unix(mint.from.0.saturating_add(mint.ttl_s * 1000));
        let identity = guest.identity.as_str();
        let mut claims = Claims::new(mint.key, identity, expires);
        claims.name.clone_from(&guest.name);
        for (name, value) in [
            ("role", guest.role.as_str()),
            ("policy", mint.template),
            (SESSION, mint.session),
        ] {
            let (name, value) = (name.to_owned(), value.to_owned());
            claims.attributes.insert(name, value);
        }
        if guest.minor {
            let minor = ("minor".to_owned(), "true".to_owned());
            claims.attributes.extend([minor]);
        }
        claims.video.room = Some(mint.room.to_string());
        claims.video.room_join = Some(true);
        authorize_join(&claims)
            .map_err(|error| Problem::body("participants", &error.to_string()))?;
        let now = Now {
            unix: mint.from,
            ..self.gate.now()
        };
        let token = sign(&claims, &self.gate.settings().keys, now)
            .map_err(|error| Problem::unavailable(format!("no token can be made: {error}")))?;
        Ok(Token {
            identity: identity.to_owned(),
            name: guest.name.clone(),
            role: guest.role,
            join_url: format!("{}/join.html#token={token}", mint.base),
            token,
            expires_unix_ms: expires.0,
        })
    }
}
