//! What the operations on a session need: what the ledger knows of it, and the worker on which it
//! runs.

use super::body::Session;
use super::links::JoinLinks;
use super::record::session;
use super::refusals::no_session;
use crate::api::caller::Caller;
use crate::api::gate::Gate;
use crate::api::locks::lock;
use crate::api::ports::ledger::{Known, Ledger, read};
use crate::api::ports::worker::{CommandFailure, Workers};
use crate::api::preflights::book::Preflights;
use crate::api::problem::Problem;
use crate::base::{Identity, SessionId, SessionState, Verdict};
use crate::node::{CommandRefusal, SessionCommand, SessionView};
use crate::peer::signal::token::Duty;
use axum::Json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{interval, timeout};

/// A state is certain once everyone was heard again, at most 5 s later, and on disk soon after.
const SETTLE: Duration = Duration::from_secs(8);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What an operation on one session answers.
pub(in crate::api) type Answered = Result<Json<Session>, Problem>;

/// The sessions of this node.
pub(in crate::api) struct Sessions {
    pub gate: Arc<Gate>,
    pub ledger: Arc<Ledger>,
    pub workers: Arc<Workers>,
    pub preflights: Arc<Mutex<Preflights>>,
    pub links: Arc<JoinLinks>,
}

impl Sessions {
    /// A session of the caller's project that the ledger knows.
    pub async fn known(&self, caller: &Caller, id: &SessionId) -> Result<Known, Problem> {
        let asked = caller.within(id.clone());
        let known = read(&self.ledger, move |ledger| (ledger.session)(&asked)).await?;
        known.ok_or_else(no_session)
    }

    /// A session that the caller may administer.
    pub async fn administered(&self, caller: &Caller, id: &SessionId) -> Result<Known, Problem> {
        caller.may(Duty::Administer)?;
        let known = self.known(caller, id).await?;
        caller.may(Duty::AdministerRoom(known.room().name.as_str()))?;
        Ok(known)
    }

    /// Gives a command to a running session, and waits until what it caused is on disk.
    pub async fn command(
        &self,
        id: &SessionId,
        command: SessionCommand,
    ) -> Result<SessionView, Problem> {
        let done = self.workers.command(&self.ledger, id, command).await;
        done.map_err(Problem::from)
    }

    /// The record as it is on disk now.
    pub async fn answer(&self, caller: &Caller, id: &SessionId) -> Answered {
        let known = self.administered(caller, id).await?;
        let view = match known.has_ended() {
            true => None,
            false => self.view(id).await?,
        };
        let room = known.room();
        let now = self.gate.now().unix;
        let verdict = |identity: &Identity| -> Option<Verdict> {
            lock(&self.preflights).verdict(&room, identity, now)
        };
        Ok(Json(session(&known, view, verdict)))
    }

    /// How a session stands on its worker; none if it does not run.
    async fn view(&self, id: &SessionId) -> Result<Option<SessionView>, Problem> {
        let inspect = SessionCommand::Inspect;
        match self.workers.command(&self.ledger, id, inspect).await {
            Ok(view) => Ok(Some(view)),
            Err(CommandFailure::Refused(CommandRefusal::Gone)) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Gives a command to a running session, and waits until the ledger says what it should.
    pub async fn settle(
        &self,
        caller: &Caller,
        id: &SessionId,
        command: SessionCommand,
        done: fn(Option<SessionState>) -> bool,
    ) -> Answered {
        let state = |view: SessionView| view.clock.map(|clock| clock.state);
        let asked = self.command(id, command).await?;
        let settled = timeout(SETTLE, async {
            let mut look = interval(LOOK);
            let mut now = state(asked);
            while !done(now) {
                look.tick().await;
                now = state(self.command(id, SessionCommand::Inspect).await?);
            }
            Ok::<(), Problem>(())
        });
        let late = "it was asked, and the ledger does not have it yet: look with a GET";
        settled.await.map_err(|_| Problem::unavailable(late))??;
        self.answer(caller, id).await
    }
}
