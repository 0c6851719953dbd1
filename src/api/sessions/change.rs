//! What changes a session: more time, a pause, a confirmation, the end.

use super::body::{Patch, Session};
use super::expire::close;
use super::fields::Fields;
use super::record::{administered, session};
use crate::api::caller::{Caller, Id, Json, command, written};
use crate::api::ports::ledger::{Known, Work};
use crate::api::problem::{Always, InTheWay, OfOne, Problem, WithBody};
use crate::api::state::{Doors, lock};
use crate::base::{EndReason, PauseReason, SessionId, SessionState};
use crate::node::{Booking, SessionCommand};
use axum::Json as JsonAnswer;
use axum::extract::State;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{interval, timeout};

/// A state is certain once everyone was heard again, at most 5 s later, and on disk soon after.
const SETTLE: Duration = Duration::from_secs(8);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);

fn is_paused(state: Option<SessionState>) -> bool {
    state == Some(SessionState::Paused(PauseReason::ByRequest))
}

type Answered = Result<JsonAnswer<Session>, Problem>;

/// The answer to what only a session that has not ended takes.
pub(super) fn has_ended() -> Problem {
    Problem::conflict("the session has ended: book a new one", None)
}

/// A booking that is just about to begin, or a session that is just about to end.
pub(super) fn between() -> Problem {
    Problem::unavailable("the session is just changing: ask again")
}

/// The record as it is on disk now.
async fn answer(doors: &Arc<Doors>, caller: &Caller, id: &SessionId) -> Answered {
    let known = administered(doors, caller, id).await?;
    let view = match known.has_ended() {
        true => None,
        false => command(doors, id, SessionCommand::Inspect).await?,
    };
    Ok(JsonAnswer(session(doors, &known, view)))
}

/// Gives a command to a session that has begun and has not ended, and waits until the ledger says
/// what it should.
async fn to_running(
    doors: &Arc<Doors>,
    caller: &Caller,
    (id, asked): (&SessionId, SessionCommand),
    done: fn(Option<SessionState>) -> bool,
) -> Answered {
    let known = administered(doors, caller, id).await?;
    if known.has_ended() {
        return Err(has_ended());
    }
    if known.record.is_none() {
        let what = "the session has not begun: it begins when the first participant joins";
        return Err(Problem::conflict(what, None));
    }
    let view = command(doors, id, asked).await?.ok_or_else(between)?;
    let settled = timeout(SETTLE, async {
        let mut look = interval(LOOK);
        let mut state = view.clock.map(|clock| clock.state);
        while !done(state) {
            look.tick().await;
            let view = command(doors, id, SessionCommand::Inspect).await?;
            let view = view.ok_or_else(between)?;
            state = view.clock.map(|clock| clock.state);
        }
        Ok(())
    });
    let late = "it was asked, and the ledger does not have it yet: look with a GET";
    settled.await.map_err(|_| Problem::unavailable(late))??;
    answer(doors, caller, id).await
}

/// Changes what a session may use: new totals, more or less than before. Media goes on.
#[utoipa::path(
    patch,
    path = "/v1/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    request_body = Patch,
    responses(
        (status = 200, description = "The record, with the new policy.", body = Session),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn extend(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Id(id): Id,
    Json(body): Json,
) -> Answered {
    let known = administered(&doors, &caller, &id).await?;
    let mut fields = Fields::of(&body, "")?;
    let quota_s = fields.whole("quota_s", 1..=31_536_000)?;
    let max_min = fields.whole("max_min", 1..=1_440)?;
    fields.finish()?;
    if known.has_ended() {
        return Err(has_ended());
    }
    let change = |booking: &mut Booking| {
        let duration = &mut booking.policy.duration;
        duration.quota_s = quota_s.or(duration.quota_s);
        duration.max_min = max_min.unwrap_or(duration.max_min);
    };
    let changed = lock(&doors.control).rebook(&id, change);
    if let Some(booking) = changed {
        written(&doors, Work::Rebook(Box::new(Booking::clone(&booking)))).await?;
        return answer(&doors, &caller, &id).await;
    }
    let asked = SessionCommand::Extend { quota_s, max_min };
    command(&doors, &id, asked).await?.ok_or_else(between)?;
    remember(&doors, known, change).await?;
    answer(&doors, &caller, &id).await
}

/// What was booked is kept as it holds now: a session that goes on after a crash takes it over.
async fn remember(
    doors: &Doors,
    known: Known,
    change: impl FnOnce(&mut Booking),
) -> Result<(), Problem> {
    let Some(mut booking) = known.booking else {
        return Ok(());
    };
    change(&mut booking);
    written(doors, Work::Rebook(Box::new(booking))).await
}

/// Ends a session. One that has not begun is begun and ended in one step, so that billing knows.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/end",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The final record.", body = Session),
        Always, OfOne, InTheWay
    ),
    security(("token" = []))
)]
pub(crate) async fn end(State(doors): State<Arc<Doors>>, caller: Caller, Id(id): Id) -> Answered {
    let known = administered(&doors, &caller, &id).await?;
    if known.has_ended() {
        return Err(has_ended());
    }
    let cancelled = lock(&doors.control).cancel(&id);
    if let Some(booking) = cancelled {
        close(&doors, booking, EndReason::EndedByApi).await?;
    } else {
        let asked = SessionCommand::End(EndReason::EndedByApi);
        command(&doors, &id, asked).await?.ok_or_else(between)?;
    }
    answer(&doors, &caller, &id).await
}

/// Lets the billing clock stand (`paused`, `by_request`). Media goes on.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/pause",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The record.", body = Session),
        Always, OfOne, InTheWay
    ),
    security(("token" = []))
)]
pub(crate) async fn pause(State(doors): State<Arc<Doors>>, caller: Caller, Id(id): Id) -> Answered {
    let asked = (&id, SessionCommand::Pause);
    to_running(&doors, &caller, asked, is_paused).await
}

/// Takes the pause back.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/resume",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The record.", body = Session),
        Always, OfOne, InTheWay
    ),
    security(("token" = []))
)]
pub(crate) async fn resume(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Id(id): Id,
) -> Answered {
    let asked = (&id, SessionCommand::Resume);
    to_running(&doors, &caller, asked, |state| !is_paused(state)).await
}

/// Confirms for all that they are still there, while they are asked.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/presence",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The record.", body = Session),
        Always, OfOne, InTheWay
    ),
    security(("token" = []))
)]
pub(crate) async fn confirm(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Id(id): Id,
) -> Answered {
    let asked = (&id, SessionCommand::Confirm(None));
    to_running(&doors, &caller, asked, |_| true).await
}
