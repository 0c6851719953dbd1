//! The checks of a join, the same for `/rtc` and `/rtc/validate`, each failure with its status and
//! plain words (`livekit-protocol.md` §1).

use crate::api::address;
use crate::api::problem::retry_after;
use crate::api::state::{Doors, Happening, lock};
use crate::node::JoinRequest;
use crate::peer::signal::ClientParams;
use crate::peer::signal::token::{self, authorize_join};
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

/// A join that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api) struct Refusal(pub StatusCode, pub String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let after = retry_after(self.0);
        let mut response = (self.0, self.1).into_response();
        if let Some(after) = after {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

/// A request as the checks see it.
pub(in crate::api) struct Knock<'a> {
    pub peer: SocketAddr,
    pub headers: &'a HeaderMap,
    pub uri: &'a Uri,
}

type Pairs = Vec<(String, String)>;

/// Checks rate, token and grants; changes nothing but the rate's bucket.
pub(in crate::api) fn check(doors: &Doors, knock: &Knock<'_>) -> Result<JoinRequest, Refusal> {
    let now = (doors.clock)();
    let who = address::client(knock.peer, knock.headers, &doors.is_trusted);
    if !lock(&doors.addresses).take(who, doors.limits.joins, now.mono) {
        doors.counters.note(Happening::Refused(429));
        let what = "too many joins from this address: try again in a few seconds";
        return Err(Refusal(StatusCode::TOO_MANY_REQUESTS, what.to_owned()));
    }
    let refused = |status: u16, what: String| {
        doors.counters.note(Happening::Refused(status));
        Refusal(
            StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED),
            what,
        )
    };
    let pairs = Query::<Pairs>::try_from_uri(knock.uri).map(|Query(pairs)| pairs);
    let pairs =
        pairs.map_err(|_| refused(400, "the query of the address cannot be decoded".to_owned()))?;
    let token = bearer(knock.headers, &pairs).map_err(|e| refused(e.status(), e.to_string()))?;
    let claims =
        token::verify(&token, &doors.keys, now).map_err(|e| refused(e.status(), e.to_string()))?;
    let join = authorize_join(&claims).map_err(|e| refused(e.status(), e.to_string()))?;
    let policy = join.policy.as_deref().unwrap_or("default");
    if !doors.policies.contains_key(policy) {
        doors.counters.note(Happening::Refused(400));
        return Err(unknown_policy());
    }
    if doors.draining.load(Relaxed) {
        return Err(unavailable(
            doors,
            "this node is shutting down: join another",
        ));
    }
    let client = ClientParams::from_query(
        pairs
            .iter()
            .map(|(key, value)| (key.as_str().into(), value.as_str().into())),
    );
    let continues = doors.continues(&join.room, now);
    let preflight = doors.verdict(&join.room, &join.identity);
    let request = JoinRequest {
        claims,
        join,
        client,
        continues,
        booking: None,
        preflight,
    };
    doors
        .may_join(&request, now)
        .map_err(|Refusal(status, what)| refused(status.as_u16(), what))?;
    Ok(request)
}

/// The token asks for rules that are not configured.
pub(in crate::api) fn unknown_policy() -> Refusal {
    let what = "the token's attribute `policy` names no [policies.NAME] of this node: leave it \
                out for the default one, or ask the operator for the names";
    Refusal(StatusCode::BAD_REQUEST, what.to_owned())
}

/// The token of the request. A header that is no text is no `Bearer` either.
pub(in crate::api) fn bearer(
    headers: &HeaderMap,
    pairs: &Pairs,
) -> Result<String, token::TokenError> {
    let header = headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or(""));
    let query = pairs
        .iter()
        .find(|(key, _)| key == "access_token")
        .map(|(_, value)| value);
    token::presented(header, query.map(String::as_str)).map(str::to_owned)
}

pub(in crate::api) fn unavailable(doors: &Doors, what: impl ToString) -> Refusal {
    doors.counters.note(Happening::Refused(503));
    Refusal(StatusCode::SERVICE_UNAVAILABLE, what.to_string())
}
