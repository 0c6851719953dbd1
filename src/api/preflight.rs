//! `POST /v1/preflights` and `GET /v1/preflights/{id}`: a participant's link is measured before the
//! join, with the token that the join will show. Verdicts are kept for admission.

use super::doors::{Doors, Happening, ToWorker, lock};
use super::join::{Refusal, bearer, unknown_policy};
use super::problem::Problem;
use super::router::BODY_BYTES;
use super::{address, limit};
use crate::base::{Identity, Millis, Mono, Now, PreflightId, Rng, RoomName, Unix, Verdict};
use crate::node::preflight::{Outcome, PreflightRequest, Targets, outcome_json};
use crate::peer::signal::token::{self, Join, authorize_join};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longest offer: two sections of video and a data channel of any browser take less than 16 KiB.
const MAX_SDP_BYTES: usize = 64 * 1024;
/// A worker answers within its round.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A preflight that told no outcome after this never will: its worker lost it.
const RUNS_FOR: Millis = Millis::from_secs(20);
/// What came of it can be asked for so long.
const KEPT_FOR: Millis = Millis::from_secs(600);
/// Preflights that are remembered; the oldest is forgotten.
const MAX_KEPT: usize = 4_096;
/// Verdicts that are remembered; the oldest is forgotten, and its participant measures again.
const MAX_VERDICTS: usize = 16_384;

/// How many at once.
#[derive(Clone, Copy, Debug)]
pub struct PreflightLimits {
    /// On this node.
    pub at_once: usize,
    /// From one address.
    pub per_address: usize,
}

/// One preflight, running or over.
#[derive(Debug)]
struct Run {
    address: IpAddr,
    whose: (RoomName, Identity),
    since: Mono,
    outcome: Option<Outcome>,
}

/// The preflights of the node, and the verdicts of those who passed or failed.
#[derive(Debug)]
pub struct Preflights {
    rng: Rng,
    limits: PreflightLimits,
    runs: BTreeMap<PreflightId, Run>,
    verdicts: BTreeMap<(RoomName, Identity), Verdict>,
}

/// There are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TooMany {
    Here,
    FromAddress,
}

impl TooMany {
    fn problem(self) -> Problem {
        match self {
            TooMany::FromAddress => Problem::too_many_at_once(
                "too many measurements run from this address (limits.preflights_per_address)",
            ),
            TooMany::Here => Problem::unavailable(
                "this node runs as many measurements as it may (limits.max_preflights)",
            ),
        }
    }
}

impl Preflights {
    /// None yet; `seed` decides their ids.
    pub const fn new(limits: PreflightLimits, seed: u64) -> Preflights {
        Preflights {
            rng: Rng::from_seed(seed),
            limits,
            runs: BTreeMap::new(),
            verdicts: BTreeMap::new(),
        }
    }

    fn open(
        &mut self,
        address: IpAddr,
        whose: (RoomName, Identity),
        now: Mono,
    ) -> Result<PreflightId, TooMany> {
        self.forget(now);
        let address = limit::network(address);
        let running = |run: &&Run| run.outcome.is_none() && now.since(run.since) < RUNS_FOR;
        let (mut here, mut from_address) = (0, 0);
        for run in self.runs.values().filter(running) {
            here += 1;
            from_address += usize::from(run.address == address);
        }
        if from_address >= self.limits.per_address {
            return Err(TooMany::FromAddress);
        }
        if here >= self.limits.at_once {
            return Err(TooMany::Here);
        }
        let id = PreflightId::random(&mut self.rng);
        let run = Run {
            address,
            whose,
            since: now,
            outcome: None,
        };
        self.runs.insert(id.clone(), run);
        Ok(id)
    }

    fn close(&mut self, id: &PreflightId) {
        self.runs.remove(id);
    }

    fn handle_outcome(&mut self, id: &PreflightId, outcome: Outcome) {
        let Some(run) = self.runs.get_mut(id) else {
            return;
        };
        run.outcome = Some(outcome);
        let Outcome::Done(verdict) = outcome else {
            return;
        };
        let whose = run.whose.clone();
        if !self.verdicts.contains_key(&whose) && self.verdicts.len() >= MAX_VERDICTS {
            let oldest = self.verdicts.iter().min_by_key(|(_, v)| v.at_unix_ms);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.verdicts.remove(&oldest);
            }
        }
        self.verdicts.insert(whose, verdict);
    }

    fn verdict(&self, room: &RoomName, identity: &Identity, now: Unix) -> Option<Verdict> {
        let found = self.verdicts.get(&(room.clone(), identity.clone()))?;
        found.is_fresh(now).then_some(*found)
    }

    /// What came of one of this participant's; the inner `None`: it runs.
    fn outcome(&self, id: &PreflightId, join: &Join, now: Mono) -> Option<Option<Outcome>> {
        let run = self.runs.get(id)?;
        let (room, identity) = &run.whose;
        let own = *room == join.room && *identity == join.identity;
        let kept = now.since(run.since) < KEPT_FOR;
        let lost = run.outcome.is_none() && now.since(run.since) >= RUNS_FOR;
        (own && kept && !lost).then_some(run.outcome)
    }

    fn forget(&mut self, now: Mono) {
        self.runs.retain(|_, run| now.since(run.since) < KEPT_FOR);
        if self.runs.len() >= MAX_KEPT {
            let over = self.runs.iter().filter(|(_, run)| run.outcome.is_some());
            let oldest = over.min_by_key(|(_, run)| run.since);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.runs.remove(&oldest);
            }
        }
    }
}

impl Doors {
    /// What a preflight of the last 10 minutes measured of this participant.
    pub fn verdict(&self, room: &RoomName, identity: &Identity) -> Option<Verdict> {
        let now = (self.clock)().unix;
        lock(&self.preflights).verdict(room, identity, now)
    }

    /// A worker tells what came of a preflight.
    pub fn handle_preflighted(&self, id: &PreflightId, outcome: Outcome) {
        self.counters.note(match outcome {
            Outcome::Done(verdict) if verdict.passed => Happening::Preflight(Preflighted::Passed),
            Outcome::Done(_) => Happening::Preflight(Preflighted::Below),
            Outcome::Failed(_) => Happening::Preflight(Preflighted::Failed),
        });
        lock(&self.preflights).handle_outcome(id, outcome);
    }
}

/// What came of a request to measure, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preflighted {
    /// Both floors are reached.
    Passed,
    /// One is not.
    Below,
    /// It could not be measured.
    Failed,
    /// It did not begin.
    Refused,
}

/// The body of `POST /v1/preflights`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    sdp: String,
}

fn problem(doors: &Doors, problem: Problem) -> Problem {
    doors
        .counters
        .note(Happening::Preflight(Preflighted::Refused));
    problem
}

/// `POST /v1/preflights`
pub(super) async fn begin(
    State(doors): State<Arc<Doors>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Json<Ask>, JsonRejection>,
) -> Result<Response, Problem> {
    let now = (doors.clock)();
    let address = address::client(peer, &headers, &doors.is_trusted);
    if !lock(&doors.addresses).take(address, doors.limits.joins, now.mono) {
        return Err(problem(&doors, Problem::too_many()));
    }
    let join = allowed(&doors, &headers, now)?;
    let Json(Ask { sdp }) = body.map_err(|error| problem(&doors, bad_body(&error)))?;
    if sdp.len() > MAX_SDP_BYTES {
        let allowed = format!("a session description of at most {MAX_SDP_BYTES} bytes");
        return Err(problem(&doors, Problem::body("sdp", &allowed)));
    }
    let targets = targets(&doors, &join, now)?;
    let whose = (join.room.clone(), join.identity.clone());
    let opened = lock(&doors.preflights).open(address, whose, now.mono);
    let id = opened.map_err(|too_many| problem(&doors, too_many.problem()))?;
    let request = PreflightRequest {
        id: id.clone(),
        room: join.room,
        identity: join.identity,
        targets,
        sdp,
    };
    let answer = ask_worker(&doors, request).await;
    let answer = answer.inspect_err(|_| lock(&doors.preflights).close(&id))?;
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
    doors: &Doors,
    request: PreflightRequest,
) -> Result<crate::node::preflight::PreflightAnswer, Problem> {
    use crate::node::preflight::PreflightRefusal::{Full, Offer};
    let worker = lock(&doors.control).near(&request.room);
    let gone = || problem(doors, stopping());
    let worker = doors.workers.get(worker).ok_or_else(gone)?;
    let (reply, answer) = oneshot::channel();
    let request = Box::new(request);
    if !worker.offer(ToWorker::Preflight { request, reply }) {
        return Err(gone());
    }
    let answer = timeout(ANSWER_WITHIN, answer).await;
    let answer = answer.ok().and_then(Result::ok).ok_or_else(gone)?;
    answer.map_err(|refusal| {
        let found = match refusal {
            Offer(what) => Problem::body("sdp", &format!("an offer that fits ({what})")),
            Full => Problem::unavailable(refusal),
        };
        problem(doors, found)
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
pub(super) async fn result(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let now = (doors.clock)();
    let join = allowed(&doors, &headers, now)?;
    let id = PreflightId::from(id);
    let outcome = lock(&doors.preflights).outcome(&id, &join, now.mono);
    let outcome = outcome.ok_or_else(|| {
        let what = "no preflight of this participant has this id, or it is over 10 minutes old";
        Problem::absent(what)
    })?;
    Ok(Json(outcome_json(&id, outcome.as_ref())).into_response())
}

/// The token must be one that joins: the same checks as at the join.
fn allowed(doors: &Doors, headers: &HeaderMap, now: Now) -> Result<Join, Problem> {
    let refused = |status: u16, what: String| {
        let found = match status {
            401 => Problem::unauthorized(what),
            _ => Problem::forbidden(what),
        };
        problem(doors, found)
    };
    let token = bearer(headers, &Vec::new()).map_err(|e| refused(e.status(), e.to_string()))?;
    let claims = token::verify(&token, &doors.keys, now);
    let claims = claims.map_err(|e| refused(e.status(), e.to_string()))?;
    let join = authorize_join(&claims).map_err(|e| refused(e.status(), e.to_string()))?;
    if doors.draining.load(Relaxed) {
        return Err(problem(doors, stopping()));
    }
    Ok(join)
}

fn targets(doors: &Doors, join: &Join, now: Now) -> Result<Targets, Problem> {
    let floor = doors.floor_for(join, now).ok_or_else(|| {
        let Refusal(_, what) = unknown_policy();
        problem(doors, Problem::forbidden(what))
    })?;
    Ok(Targets {
        up_floor_bps: floor.up_bps,
        down_floor_bps: floor.down_bps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::preflight::Failure;

    const LIMITS: PreflightLimits = PreflightLimits {
        at_once: 3,
        per_address: 2,
    };

    fn passed(at_unix_ms: u64) -> Outcome {
        let verdict = Verdict::new(1_500_000, 1_500_000, Unix(at_unix_ms));
        Outcome::Done(verdict.against(1_000_000, 1_000_000))
    }

    fn whose(identity: &str) -> (RoomName, Identity) {
        ("room".into(), identity.into())
    }

    #[test]
    fn so_many_run_at_once_from_an_address_and_in_all_until_they_end_or_are_lost() {
        let mut book = Preflights::new(LIMITS, 1);
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut open = |n, ms| book.open(address(n), whose("karl"), Mono::from_millis(ms));
        let first = open(1, 0).unwrap();
        assert!(open(1, 0).is_ok());
        assert_eq!(open(1, 0), Err(TooMany::FromAddress));
        assert!(open(2, 0).is_ok());
        assert_eq!(open(3, 0), Err(TooMany::Here));
        book.handle_outcome(&first, Outcome::Failed(Failure::Gone));
        let mut open = |n, ms| book.open(address(n), whose("karl"), Mono::from_millis(ms));
        assert!(open(3, 0).is_ok());
        assert_eq!(open(4, 19_999), Err(TooMany::Here));
        assert!(open(4, 20_000).is_ok());
    }

    #[test]
    fn a_verdict_belongs_to_room_and_identity_and_the_newest_counts() {
        let mut book = Preflights::new(LIMITS, 1);
        let verdict = |book: &Preflights, identity: &str, now| {
            book.verdict(&"room".into(), &identity.into(), Unix(now))
        };
        for at in [1_000, 2_000] {
            let address = IpAddr::from([192, 0, 2, 1]);
            let id = book.open(address, whose("karl"), Mono::ZERO).unwrap();
            book.handle_outcome(&id, passed(at));
        }
        let found = verdict(&book, "karl", 3_000).unwrap();
        assert_eq!(found.at_unix_ms, Unix(2_000));
        assert_eq!(verdict(&book, "erika", 3_000), None);
        assert_eq!(verdict(&book, "karl", 602_000), None);
    }

    #[test]
    fn memory_is_bounded_by_forgetting_the_oldest() {
        let limits = PreflightLimits {
            at_once: 10,
            per_address: 10,
        };
        let mut book = Preflights::new(limits, 1);
        for n in 0..20_000_u64 {
            let address = IpAddr::from([192, 0, 2, 1]);
            let now = Mono::from_micros(n);
            let id = book.open(address, whose(&n.to_string()), now).unwrap();
            book.handle_outcome(&id, passed(n));
        }
        assert!(book.runs.len() <= MAX_KEPT);
        assert_eq!(book.verdicts.len(), MAX_VERDICTS);
        let first = book.verdict(&"room".into(), &"0".into(), Unix(0));
        let last = book.verdict(&"room".into(), &"19999".into(), Unix(0));
        assert!(first.is_none() && last.is_some());
    }
}
