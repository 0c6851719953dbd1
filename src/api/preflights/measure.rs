//! `POST /v1/preflights` and `GET /v1/preflights/{id}`: a participant's link is measured before the
//! join, with the token that the join will show. Verdicts are kept for admission.

use super::book::TooMany;
use crate::api::events::{ApiEvent, Preflighted};
use crate::api::idempotency::asker::Asker;
use crate::api::idempotency::once::Once;
use crate::api::limits::{BODY_BYTES, BODY_WITHIN};
use crate::api::livekit::admission::JoinRefusal;
use crate::api::livekit::join::{Entrance, UNKNOWN_POLICY, bearer};
use crate::api::locks::lock;
use crate::api::ports::ledger::Answer;
use crate::api::ports::worker::ToWorker;
use crate::api::problem::Problem;
use crate::base::{Now, PreflightId};
use crate::node::preflight::{
    PreflightAnswer, PreflightRefusal, PreflightRequest, Targets, outcome_json,
};
use crate::peer::signal::token::{self, Join, authorize_join};
use crate::peer::transport::MAX_SDP_BYTES;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A worker answers within its round.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The body of `POST /v1/preflights`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Ask {
    sdp: String,
}

/// Counts a refusal.
fn refused(entrance: &Entrance, problem: Problem) -> Problem {
    let event = ApiEvent::Preflight(Preflighted::Refused);
    entrance.counters.note(event);
    problem
}

impl From<JoinRefusal> for Problem {
    fn from(refusal: JoinRefusal) -> Problem {
        match refusal.status {
            StatusCode::SERVICE_UNAVAILABLE => Problem::unavailable(refusal.what),
            _ => Problem::forbidden(refusal.what),
        }
    }
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Problem {
        match too_many {
            TooMany::FromAddress => Problem::too_many_at_once(
                "too many measurements run from this address (limits.preflights_per_address)",
            ),
            TooMany::Here => Problem::unavailable(
                "this node runs as many measurements as it may (limits.max_preflights)",
            ),
        }
    }
}

/// `POST /v1/preflights`
pub(in crate::api) async fn begin(
    State(entrance): State<Arc<Entrance>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Answer, Problem> {
    let asked = asked(&entrance, peer, &headers, request).await;
    let asked = asked.map_err(|problem| refused(&entrance, problem))?;
    let asker = Asker::participant(&asked.join.room, &asked.join.identity);
    let body = serde_json::json!({"sdp": asked.sdp});
    let begun = once
        .answer(asker, &body, measure(entrance.clone(), asked))
        .await;
    begun.map_err(|problem| refused(&entrance, problem))
}

/// What is to be measured.
struct Asked {
    join: Join,
    sdp: String,
    address: IpAddr,
    now: Now,
}

async fn asked(
    entrance: &Entrance,
    peer: SocketAddr,
    headers: &HeaderMap,
    request: Request,
) -> Result<Asked, Problem> {
    let now = entrance.gate.now();
    let address = entrance.gate.client(peer, headers);
    if !entrance.gate.may_join(address, now) {
        return Err(Problem::too_many());
    }
    let join = allowed(entrance, headers, now)?;
    if let Some(session) = join.session.clone()
        && !entrance.admission.serves(&join, now)
    {
        return Err(Problem::from(entrance.not_here(&join.room, session).await));
    }
    // Last, so that nobody without a token has us wait for it.
    let body = timeout(BODY_WITHIN, Json::<Ask>::from_request(request, &()));
    let body = body.await.map_err(|_| Problem::slow())?;
    let Json(Ask { sdp }) = body.map_err(|error| bad_body(&error))?;
    if sdp.len() > MAX_SDP_BYTES {
        let allowed = format!("a session description of at most {MAX_SDP_BYTES} bytes");
        return Err(Problem::body("sdp", &allowed));
    }
    Ok(Asked {
        join,
        sdp,
        address,
        now,
    })
}

async fn measure(entrance: Arc<Entrance>, asked: Asked) -> Result<Response, Problem> {
    let Asked {
        join,
        sdp,
        address,
        now,
    } = asked;
    let targets = targets(&entrance, &join, now)?;
    let whose = (join.room.clone(), join.identity.clone());
    let id = lock(&entrance.preflights).open(address, whose, now.mono)?;
    let request = PreflightRequest {
        id: id.clone(),
        room: join.room,
        identity: join.identity,
        targets,
        sdp,
    };
    let answer = ask_worker(&entrance, request).await;
    let answer = answer.inspect_err(|_| lock(&entrance.preflights).close(&id))?;
    let body = serde_json::json!({
        "id": id,
        "sdp": answer.sdp,
        "up_target_bps": targets.up_bps(),
        "down_target_bps": targets.down_bps(),
        "duration_ms": answer.duration_ms,
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn ask_worker(
    entrance: &Entrance,
    request: PreflightRequest,
) -> Result<PreflightAnswer, Problem> {
    let worker = entrance.admission.near(&request.room);
    let worker = entrance.workers.doors.get(worker).ok_or_else(stopping)?;
    let (reply, answer) = oneshot::channel();
    let request = Box::new(request);
    if !worker.offer(ToWorker::Preflight { request, reply }) {
        return Err(stopping());
    }
    let answer = timeout(ANSWER_WITHIN, answer).await;
    let answer = answer.ok().and_then(Result::ok).ok_or_else(stopping)?;
    answer.map_err(|refusal| match refusal {
        PreflightRefusal::Offer(what) => {
            Problem::body("sdp", &format!("an offer that fits ({what})"))
        }
        PreflightRefusal::Full => Problem::unavailable(refusal),
    })
}

fn stopping() -> Problem {
    Problem::unavailable("this node is shutting down: use another")
}

fn bad_body(error: &JsonRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BODY_BYTES),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::media_type(),
        StatusCode::UNPROCESSABLE_ENTITY => Problem::body("sdp", "the client's offer, as text"),
        _ => Problem::malformed(error.body_text()),
    }
}

/// `GET /v1/preflights/{id}`
pub(in crate::api) async fn result(
    State(entrance): State<Arc<Entrance>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let now = entrance.gate.now();
    let join = allowed(&entrance, &headers, now);
    let join = join.map_err(|problem| refused(&entrance, problem))?;
    let id = PreflightId::from(id);
    let outcome = lock(&entrance.preflights).outcome(&id, &join, now.mono);
    let outcome = outcome.ok_or_else(|| {
        let what = "no preflight of this participant has this id, or it is over 10 minutes old";
        Problem::absent(what)
    })?;
    Ok(Json(outcome_json(&id, outcome.as_ref())).into_response())
}

/// The token must be one that joins: the same checks as at the join.
fn allowed(entrance: &Entrance, headers: &HeaderMap, now: Now) -> Result<Join, Problem> {
    let refused = |status: u16, what: String| match status {
        401 => Problem::unauthorized(what),
        _ => Problem::forbidden(what),
    };
    let token = bearer(headers, &Vec::new()).map_err(|e| refused(e.status(), e.to_string()))?;
    let claims = token::verify(&token, &entrance.gate.settings().keys, now);
    let claims = claims.map_err(|e| refused(e.status(), e.to_string()))?;
    let join = authorize_join(&claims).map_err(|e| refused(e.status(), e.to_string()))?;
    if entrance.admission.draining.load(Relaxed) {
        return Err(stopping());
    }
    Ok(join)
}

fn targets(entrance: &Entrance, join: &Join, now: Now) -> Result<Targets, Problem> {
    let floor = entrance.admission.floor_for(join, now);
    let floor = floor.ok_or_else(|| Problem::forbidden(UNKNOWN_POLICY))?;
    Ok(Targets {
        up_floor_bps: floor.up_bps,
        down_floor_bps: floor.down_bps,
    })
}

#[cfg(test)]
mod tests;
