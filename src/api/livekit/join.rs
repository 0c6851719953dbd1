//! The checks of a join, the same for `/rtc` and `/rtc/validate`, each failure with its status and
//! plain words.

use super::admission::{Admission, JoinRefusal};
use crate::api::events::{ApiEvent, Counters};
use crate::api::gate::Gate;
use crate::api::locks::lock;
use crate::api::ports::ledger::{Known, Ledger, Unreadable, Within, Work, read};
use crate::api::ports::worker::Workers;
use crate::api::preflights::book::Preflights;
use crate::api::problem::retry_after;
use crate::base::{Identity, Now, RoomKey, SessionId, Verdict};
use crate::node::JoinRequest;
use crate::peer::signal::ClientParams;
use crate::peer::signal::token::{self, authorize_join};
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

impl IntoResponse for JoinRefusal {
    fn into_response(self) -> Response {
        let exactly = self.after_s.map(HeaderValue::from);
        let after = exactly.or_else(|| retry_after(self.status));
        let mut response = (self.status, self.what).into_response();
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

/// Why the checks let no one in.
enum Refused {
    /// For this reason.
    Because(JoinRefusal),
    /// The session that the token is for is not in the room: the ledger knows why.
    NotHere(RoomKey, SessionId),
}

impl From<JoinRefusal> for Refused {
    fn from(refusal: JoinRefusal) -> Refused {
        Refused::Because(refusal)
    }
}

/// What a join, and the measurement before it, is held against; and where it goes.
pub(in crate::api) struct Entrance {
    pub gate: Arc<Gate>,
    pub admission: Arc<Admission>,
    pub workers: Arc<Workers>,
    pub ledger: Arc<Ledger>,
    pub preflights: Arc<Mutex<Preflights>>,
    pub counters: Arc<Counters>,
}

type Pairs = Vec<(String, String)>;

impl Entrance {
    /// What a preflight of the last 10 minutes measured of this participant.
    fn verdict(&self, room: &RoomKey, identity: &Identity, now: Now) -> Option<Verdict> {
        lock(&self.preflights).verdict(room, identity, now.unix)
    }

    /// Checks rate, token and grants; changes nothing but the rate's bucket.
    pub async fn check(&self, knock: &Knock<'_>) -> Result<JoinRequest, JoinRefusal> {
        let refusal = match self.checked(knock, self.gate.now()) {
            Ok(request) => return Ok(request),
            Err(Refused::Because(refusal)) => refusal,
            Err(Refused::NotHere(room, session)) => self.not_here(&room, session).await,
        };
        Err(self.refused(refusal))
    }

    /// Why the session of a token is not in the room of the token.
    pub async fn not_here(&self, room: &RoomKey, session: SessionId) -> JoinRefusal {
        not_here(&self.ledger, room, session).await
    }

    fn checked(&self, knock: &Knock<'_>, now: Now) -> Result<JoinRequest, Refused> {
        let client = self.gate.client(knock.peer, knock.headers);
        if !self.gate.may_join(client, now) {
            let what = "too many joins from this address: try again in a few seconds";
            return Err(refusal(429, what).into());
        }
        let pairs = Query::<Pairs>::try_from_uri(knock.uri).map(|Query(pairs)| pairs);
        let undecoded = |_| refusal(400, "the query of the address cannot be decoded");
        let pairs = pairs.map_err(undecoded)?;
        let token = bearer(knock.headers, &pairs).map_err(|e| refusal(e.status(), e))?;
        let claims = token::verify(&token, &self.gate.settings().keys, now);
        let claims = claims.map_err(|e| refusal(e.status(), e))?;
        let join = authorize_join(&claims).map_err(|e| refusal(e.status(), e))?;
        if !self.admission.has_rules(&join, now) {
            return Err(refusal(403, UNKNOWN_POLICY).into());
        }
        if self.admission.draining.load(Relaxed) {
            return Err(refusal(503, "this node is shutting down: join another").into());
        }
        if let Some(session) = join.session.clone()
            && !self.admission.serves(&join, now)
        {
            return Err(Refused::NotHere(join.room, session));
        }
        let client = ClientParams::from_query(
            pairs
                .iter()
                .map(|(key, value)| (key.as_str().into(), value.as_str().into())),
        );
        let request = JoinRequest {
            continues: self.admission.continues(&join.room, now),
            preflight: self.verdict(&join.room, &join.identity, now),
            claims,
            join,
            client,
            booking: None,
        };
        self.admission.may_join(&request, now)?;
        let join = &request.join;
        let again = self.gate.may_come_again(&join.room, &join.identity, now);
        again.map_err(too_often)?;
        Ok(request)
    }

    /// The participant joins, and that is counted, if they did not join too often.
    pub fn come(&self, request: &JoinRequest, now: Now) -> Result<(), JoinRefusal> {
        let join = &request.join;
        let comes = self.gate.comes(&join.room, &join.identity, now);
        comes.map_err(|after_s| self.refused(too_often(after_s)))
    }

    /// Counts a refusal, and logs it with its reason.
    pub fn refused(&self, refusal: JoinRefusal) -> JoinRefusal {
        let status = refusal.status.as_u16();
        self.counters.note(ApiEvent::Refused(status));
        if let Some(unlogged) = self.gate.may_log(self.gate.now()) {
            tracing::info!(status, why = %refusal.what, unlogged, "a join was refused");
        }
        refusal
    }

    /// Refuses for want of room.
    pub fn unavailable(&self, what: &str) -> JoinRefusal {
        self.refused(refusal(503, what))
    }
}

fn refusal(status: u16, what: impl ToString) -> JoinRefusal {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
    JoinRefusal::new(status, what.to_string())
}

/// Each join is paid for with lines in the ledger: see `api/limits`.
fn too_often(after_s: u32) -> JoinRefusal {
    let what = format!(
        "this participant joined this room too often: one join more is let in in {after_s} s; \
         stay in the session, or leave more time between two joins"
    );
    JoinRefusal {
        after_s: Some(after_s),
        ..JoinRefusal::new(StatusCode::TOO_MANY_REQUESTS, what)
    }
}

async fn not_here(ledger: &Arc<Ledger>, room: &RoomKey, session: SessionId) -> JoinRefusal {
    let look = || {
        let asked = Within::new(&room.project, session.clone());
        read(ledger, move |ledger| (ledger.session)(&asked))
    };
    let mut known = look().await;
    if is_closing(room, &known) {
        if ledger.written(Work::Flush).await.is_err() {
            let what = "the session of this token is over, and the ledger does not say why yet: \
                        try again in a few seconds";
            return refusal(503, what);
        }
        known = look().await;
    }
    match known {
        Ok(known) => refusal(403, why_not_here(room, known.as_ref())),
        Err(_) => refusal(503, "the ledger cannot be read: try again in a few seconds"),
    }
}

/// A room closes, and its people are told, before the end of its session is on disk.
fn is_closing(room: &RoomKey, known: &Result<Option<Known>, Unreadable>) -> bool {
    let Ok(Some(known)) = known else {
        return false;
    };
    known.end_reason().is_none() && known.room() == *room
}

/// What is said to a token whose session is not in the token's room.
fn why_not_here(room: &RoomKey, known: Option<&Known>) -> String {
    let ask = "ask the app for a new link";
    let Some(known) = known else {
        return format!("this token is for a session that this node does not know: {ask}");
    };
    match known.end_reason() {
        Some(reason) => {
            let reason = reason.as_str();
            format!("the session of this token has ended ({reason}): {ask}")
        }
        None if known.room() != *room => {
            format!("the session of this token is in another room: {ask}")
        }
        None => format!("the session of this token is not open: {ask}"),
    }
}

/// The token asks for rules that are not configured.
pub(in crate::api) const UNKNOWN_POLICY: &str = "the token's attribute `policy` names no [policies.NAME] of this node: leave it out for the \
     default one, or ask the operator for the names";

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

#[cfg(test)]
mod tests;
