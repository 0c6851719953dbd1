//! Who calls: rate, token, body; each failure is a problem with a name.

use crate::api::address;
use crate::api::ports::ledger::Work;
use crate::api::problem::Problem;
use crate::api::sessions::refused;
use crate::api::state::{Answer, Doors, ToWorker, lock};
use crate::base::{Now, SessionId};
use crate::node::{CommandRefusal, SessionCommand, SessionView};
use crate::peer::signal::token::{self, Claims, Duty, authorize_admin};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longest body of a request: metadata of 4 KiB and 50 participants stay far below.
const BODY_BYTES: usize = 64 * 1024;
/// How long the ledger or a worker may take to answer. A commit takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest id that is looked up.
const ID_BYTES: usize = 64;

/// A caller with a good token, within the rate.
pub(in crate::api) struct Caller {
    pub claims: Claims,
    pub now: Now,
}

impl Caller {
    /// Whether the token allows this.
    pub fn may(&self, duty: Duty<'_>) -> Result<(), Problem> {
        authorize_admin(&self.claims, duty).map_err(Problem::forbidden)
    }
}

impl FromRequestParts<Arc<Doors>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Caller, Problem> {
        let Passer { now } = Passer::from_request_parts(parts, doors).await?;
        let header = parts
            .headers
            .get(header::AUTHORIZATION)
            .map(|value| value.to_str().unwrap_or(""));
        let token = token::presented(header, None).map_err(Problem::unauthorized)?;
        let claims = token::verify(token, &doors.keys, now).map_err(Problem::unauthorized)?;
        Ok(Caller { claims, now })
    }
}

/// Anybody, within the rate: what they show is looked at by whom they knock at.
pub(in crate::api) struct Passer {
    pub now: Now,
}

impl FromRequestParts<Arc<Doors>> for Passer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Passer, Problem> {
        let now = (doors.clock)();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        if let Some(ConnectInfo(peer)) = peer {
            let who = address::client(*peer, &parts.headers, &doors.is_trusted);
            let rate = doors.limits.requests;
            if !lock(&doors.callers).take(who, rate, now.mono) {
                return Err(Problem::too_many());
            }
        }
        Ok(Passer { now })
    }
}

/// The session in the address.
pub(in crate::api) struct Id(pub SessionId);

impl FromRequestParts<Arc<Doors>> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Id, Problem> {
        let found = RawPathParams::from_request_parts(parts, doors).await;
        let found = found.map_err(|_| Problem::malformed("the address cannot be decoded"))?;
        let id = found.iter().find(|(name, _)| *name == "id");
        id.filter(|(_, id)| id.len() <= ID_BYTES)
            .map(|(_, id)| Id(SessionId::from(id)))
            .ok_or_else(no_session)
    }
}

pub(in crate::api) fn no_session() -> Problem {
    Problem::absent("there is no session of this id: ask for the ids with `GET /v1/sessions`")
}

/// A body of JSON.
pub(in crate::api) struct Json(pub Value);

impl FromRequest<Arc<Doors>> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, doors: &Arc<Doors>) -> Result<Json, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let essence = kind.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::media_type());
        }
        let bytes = Bytes::from_request(request, doors)
            .await
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

/// Writes to the ledger, and waits until it is on disk: nothing is claimed before.
pub(in crate::api) async fn written(doors: &Doors, work: Work) -> Result<(), Problem> {
    let answered = (doors.ledger.write)(work);
    let Some(answered) = answered else {
        return Err(Problem::unavailable(
            "the ledger has no place: nothing was done",
        ));
    };
    match timeout(PATIENCE, answered).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Problem::unavailable(
            "the ledger does not answer: what was asked may have been done; look with a GET",
        )),
    }
}

/// Reads the ledger on a thread that may block.
pub(in crate::api) async fn read<A: Send + 'static>(
    doors: &Arc<Doors>,
    ask: impl FnOnce(&Doors) -> Result<A, crate::api::ports::ledger::Unreadable> + Send + 'static,
) -> Result<A, Problem> {
    let doors = doors.clone();
    let read = tokio::task::spawn_blocking(move || ask(&doors)).await;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the Sessions API cannot read the ledger");
        Problem::unavailable("the ledger cannot be read now")
    };
    match read {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

/// Gives a command to a running session, and waits until what it caused is on disk. None if the
/// session does not run.
pub(in crate::api) async fn command(
    doors: &Doors,
    session: &SessionId,
    command: SessionCommand,
) -> Result<Option<SessionView>, Problem> {
    let place = lock(&doors.control)
        .running(session)
        .map(|(worker, _)| worker);
    let Some(worker) = place.and_then(|worker| doors.workers.get(worker)) else {
        return Ok(None);
    };
    let changes = command != SessionCommand::Inspect;
    let (reply, answered) = oneshot::channel();
    let message = ToWorker::Command {
        session: session.clone(),
        command,
        reply,
    };
    let unanswered = || Problem::unavailable("the session does not answer now");
    let asked = async {
        let sent = worker.send(message).await;
        sent.then_some(answered.await.ok()).flatten()
    };
    let answer: Answer = timeout(PATIENCE, asked)
        .await
        .ok()
        .flatten()
        .ok_or_else(unanswered)?;
    match answer {
        Ok(view) => {
            if changes {
                written(doors, Work::Flush).await?;
            }
            Ok(Some(view))
        }
        Err(CommandRefusal::Gone) => Ok(None),
        Err(CommandRefusal::Recording(refusal)) => Err(refused(refusal)),
        Err(refusal @ (CommandRefusal::NotLive | CommandRefusal::NoPrompt)) => {
            Err(Problem::conflict(refusal, None))
        }
    }
}
