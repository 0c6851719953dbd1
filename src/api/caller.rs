//! Who calls: rate, token, body; each failure is a problem with a name.

use super::gate::Gate;
use super::limits::BODY_WITHIN;
use super::ports::ledger::Within;
use super::problem::Problem;
use crate::base::{Now, ProjectId};
use crate::peer::signal::token::{self, Claims, Duty, Keys, authorize_admin};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, FromRef, FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::timeout;

/// Longest body of a request: metadata of 4 KiB and 50 participants stay far below.
const BODY_BYTES: usize = 64 * 1024;

/// A caller with a good token, within the rate.
pub(super) struct Caller {
    pub claims: Claims,
    pub now: Now,
}

impl Caller {
    /// Whether the token allows this.
    pub fn may(&self, duty: Duty<'_>) -> Result<(), Problem> {
        authorize_admin(&self.claims, duty).map_err(Problem::forbidden)
    }

    /// Whose they are: nothing of another project is shown to them, nor that it is there.
    pub const fn project(&self) -> &ProjectId {
        &self.claims.project
    }

    /// The API key that signs again what this one signed first: itself, or theirs once it is gone. The keys
    /// of a project are interchangeable.
    pub fn signer<'a>(&'a self, first: &'a str, keys: &Keys) -> &'a str {
        let there = keys.project(first) == Some(self.project());
        if there { first } else { &self.claims.key }
    }

    /// What they ask, of what is theirs.
    pub fn within<Q>(&self, asked: Q) -> Within<Q> {
        Within::new(self.project(), asked)
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Arc<Gate>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Caller, Problem> {
        let Passer { now } = Passer::from_request_parts(parts, state).await?;
        let header = parts
            .headers
            .get(header::AUTHORIZATION)
            .map(|value| value.to_str().unwrap_or(""));
        let token = token::presented(header, None).map_err(Problem::unauthorized)?;
        let settings = Arc::<Gate>::from_ref(state).settings();
        let claims = token::verify(token, &settings.keys, now).map_err(Problem::unauthorized)?;
        Ok(Caller { claims, now })
    }
}

/// Anybody, within the rate: what they show is looked at by whom they knock at.
pub(super) struct Passer {
    pub now: Now,
}

impl<S> FromRequestParts<S> for Passer
where
    Arc<Gate>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Passer, Problem> {
        let gate = Arc::<Gate>::from_ref(state);
        let now = gate.now();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        if let Some(ConnectInfo(peer)) = peer
            && !gate.may_ask(gate.client(*peer, &parts.headers), now)
        {
            return Err(Problem::too_many());
        }
        Ok(Passer { now })
    }
}

/// What stands in the address in these places, decoded.
pub(super) async fn placed<const N: usize>(
    parts: &mut Parts,
    names: [&str; N],
) -> Result<[Option<String>; N], Problem> {
    let found = RawPathParams::from_request_parts(parts, &()).await;
    let found = found.map_err(|_| Problem::malformed("the address cannot be decoded"))?;
    Ok(names.map(|wanted| {
        let mut pairs = found.iter();
        let pair = pairs.find(|(name, _)| *name == wanted);
        pair.map(|(_, value)| value.to_owned())
    }))
}

/// A body of JSON.
pub(super) struct Json(pub Value);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Json, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let essence = kind.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::media_type());
        }
        let bytes = timeout(BODY_WITHIN, Bytes::from_request(request, state))
            .await
            .map_err(|_| Problem::slow())?
            .map_err(|rejection| unread(&rejection))?;
        if bytes.len() > BODY_BYTES {
            return Err(Problem::too_large(BODY_BYTES));
        }
        serde_json::from_slice(&bytes)
            .map(Json)
            .map_err(|error| Problem::malformed(format!("the body is no JSON: {error}")))
    }
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large(BODY_BYTES);
    }
    Problem::malformed("the body did not come to its end")
}
