//! What is asked of the ledger, in words of our own: the host answers.

use crate::base::{EndReason, Millis, ProjectId, RoomKey, SessionId, SessionState, Unix};
use crate::node::Booking;
use crate::usage::Append;
use crate::usage::ledger::SessionRecord;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long it is remembered which request made what, and what it was answered.
pub const REMEMBERED: Millis = Millis::from_secs(24 * 3600);

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing: answered when all that was sent before is on disk.
    Flush,
    /// A new booking, and which request made it.
    Book(Box<Booking>, Option<Request>),
    /// What has changed in a booking.
    Rebook(Box<Booking>),
    /// Dead letters are pending again.
    Replay(Box<Replay>),
    /// What a request with an idempotency key is answered.
    Answer(Box<KeptAnswer>),
    /// The wall clock was set, by so many milliseconds.
    ClockStep(i64),
    /// The whole life of a session to which nobody came.
    Close(Vec<Append>),
}

/// Dead letters that are delivered again. What is none any more is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The endpoint, as the node calls it: with its project.
    pub endpoint: String,
    /// The events.
    pub events: Vec<String>,
}

/// Something that is asked of what belongs to a project; whatever is of another is not there. A port that
/// takes it cannot be asked without saying for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within<Q> {
    /// The project.
    pub project: ProjectId,
    /// The question.
    pub asked: Q,
}

impl<Q> Within<Q> {
    /// A question of this project.
    pub fn new(project: &ProjectId, asked: Q) -> Within<Q> {
        Within {
            project: project.clone(),
            asked,
        }
    }
}

/// Which request made a booking, or had an answer: asked again, it gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The project, and the app's own idempotency key: [`request_key`].
    pub key: String,
    /// Of the body; of method and path as well where it made no booking.
    pub digest: String,
}

/// What a request with an idempotency key is answered, and among whose keys that one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Whose it is.
    pub project: ProjectId,
    /// Who pays for it within the project: the number of keys of each is limited. Empty: the project.
    pub payer: String,
    /// The request.
    pub request: Request,
    /// The answer.
    pub answer: Answer,
}

/// What an app or a participant is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub media_type: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The body; none if it was too long to be kept.
    pub body: Option<String>,
}

/// An idempotency key that is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLookup {
    /// As in [`Request`].
    pub key: String,
    /// As in [`KeptAnswer`].
    pub payer: String,
    /// What is older is forgotten.
    pub since: Unix,
}

/// What is kept under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFound {
    /// This answer, of the request with this digest.
    Answer(String, Answer),
    /// None yet. The payer has so many others.
    Free {
        /// Keys.
        keys: u64,
        /// Bytes of their answers' bodies.
        bytes: u64,
    },
}

/// What a request is called in the ledger. Neither a project's name nor an idempotency key has a space.
pub(in crate::api) fn request_key(project: &ProjectId, key: &str) -> String {
    format!("{project} {key}")
}

/// Which sessions are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// After this place in the index.
    pub after: u64,
    /// `scheduled`, `running` or `ended`.
    pub state: Option<String>,
    /// Of this room.
    pub room: Option<String>,
    /// With this booking id of the app.
    pub external_ref: Option<String>,
}

/// A session that the ledger knows.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its place in the index of all sessions.
    pub seq: u64,
    /// What was booked, if it was.
    pub booking: Option<Booking>,
    /// What was counted, once it has begun.
    pub record: Option<SessionRecord>,
}

impl Known {
    /// Over for good.
    pub(in crate::api) fn has_ended(&self) -> bool {
        self.end_reason().is_some()
    }

    /// Why it is over; none if it is not.
    pub(in crate::api) fn end_reason(&self) -> Option<EndReason> {
        match self.record.as_ref()?.state {
            SessionState::Ended(reason) => Some(reason),
            SessionState::Waiting | SessionState::Live | SessionState::Paused(_) => None,
        }
    }

    /// Its room.
    pub(in crate::api) fn room(&self) -> RoomKey {
        let recorded = self.record.as_ref().map(|record| &record.facts.room);
        let booked = self.booking.as_ref().map(|booking| &booking.room);
        recorded
            .or(booked)
            .cloned()
            .unwrap_or_else(|| RoomKey::of_keys(""))
    }

    /// Whether a token for `session` is for this one; one that names none is for any.
    pub(in crate::api) fn serves(&self, session: Option<&SessionId>) -> bool {
        let recorded = self
            .record
            .as_ref()
            .map(|record| record.facts.serves(session));
        let booked = self.booking.as_ref().map(|booking| &booking.session);
        recorded.unwrap_or_else(|| session.is_none_or(|session| Some(session) == booked))
    }

    /// Name of its policy template.
    pub(in crate::api) fn template(&self) -> &str {
        let recorded = self.record.as_ref().map(|r| r.facts.policy.as_str());
        let booked = self.booking.as_ref().map(|b| b.template.as_str());
        recorded.or(booked).unwrap_or("default")
    }
}

/// The ledger cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the ledger cannot be read: {0}")]
pub struct Unreadable(pub String);

/// Answered when something that was handed to the writer is on disk.
pub type Writing = oneshot::Receiver<()>;
/// Writes. None if the writer has no place for it.
pub type Write = Box<dyn Fn(Work) -> Option<Writing> + Send + Sync>;
/// Reads; blocks, so it is called off the threads of the control plane.
pub type Read<Q, A> = Box<dyn for<'a> Fn(&'a Q) -> Result<A, Unreadable> + Send + Sync>;

/// The ways to the ledger.
pub struct Ledger {
    /// Writes.
    pub write: Write,
    /// One session, by its id.
    pub session: Read<Within<SessionId>, Option<Known>>,
    /// Sessions in the order in which they were made, and how many at most.
    pub sessions: Read<Within<(SessionFilter, u64)>, Vec<Known>>,
    /// What a request has made, with its digest.
    pub request: Read<Within<String>, Option<(String, Booking)>>,
    /// What is kept under an idempotency key that made no booking.
    pub answer: Read<Within<KeyLookup>, KeyFound>,
    /// How long a request waits for the answer to what it wrote.
    pub patience: Duration,
}

impl Ledger {
    /// Writes, and waits until it is on disk: nothing is claimed before.
    pub(in crate::api) async fn written(&self, work: Work) -> Result<(), Unwritten> {
        self.written_holding(work, ()).await
    }

    /// Writes likewise. What is `held` stays so until it is on disk, or lost, however long that takes, and
    /// whether or not somebody still waits: who asked may hang up.
    pub(in crate::api) async fn written_holding<T: Send + 'static>(
        &self,
        work: Work,
        held: T,
    ) -> Result<(), Unwritten> {
        let answered = self.begin(work)?;
        self.confirmed(answered, held).await
    }

    /// Hands it to the writer: whatever is handed over later is written later.
    pub(in crate::api) fn begin(&self, work: Work) -> Result<Writing, Unwritten> {
        (self.write)(work).ok_or(Unwritten::NoPlace)
    }

    /// Waits until what was handed over is on disk, and holds what is `held` as `written_holding` does.
    pub(in crate::api) async fn confirmed<T: Send + 'static>(
        &self,
        answered: Writing,
        held: T,
    ) -> Result<(), Unwritten> {
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends when the writer has answered, or has ended"
        )]
        let written = tokio::spawn(async move {
            let written = answered.await;
            drop(held);
            written
        });
        match timeout(self.patience, written).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => Err(Unwritten::Silent),
        }
    }
}

/// Why nobody can say that it is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::api) enum Unwritten {
    /// The writer takes nothing now.
    #[error("the ledger has no place: nothing was done")]
    NoPlace,
    /// It does not answer in time.
    #[error("the ledger does not answer: what was asked may have been done; look with a GET")]
    Silent,
}

/// Reads through a port, on a thread that may block.
pub(in crate::api) async fn read<P, A>(
    port: &Arc<P>,
    ask: impl FnOnce(&P) -> Result<A, Unreadable> + Send + 'static,
) -> Result<A, Unreadable>
where
    P: Send + Sync + 'static,
    A: Send + 'static,
{
    let port = port.clone();
    let read = tokio::task::spawn_blocking(move || ask(&port)).await;
    let read = read.unwrap_or_else(|error| Err(Unreadable(error.to_string())));
    read.inspect_err(|error| tracing::error!(%error, "the Sessions API cannot read the ledger"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test]
    async fn what_is_held_stays_so_until_it_is_on_disk_though_the_caller_goes_away() {
        let waiting = Arc::new(Mutex::new(Vec::new()));
        let writer = waiting.clone();
        let ledger = Ledger {
            write: Box::new(move |_| {
                let (answer, answered) = oneshot::channel();
                writer.lock().unwrap().push(answer);
                Some(answered)
            }),
            session: Box::new(|_| Ok(None)),
            sessions: Box::new(|_| Ok(Vec::new())),
            request: Box::new(|_| Ok(None)),
            answer: Box::new(|_| Ok(KeyFound::Free { keys: 0, bytes: 0 })),
            patience: Duration::from_secs(5),
        };
        let held = Arc::new(());
        let gone = timeout(
            Duration::ZERO,
            ledger.written_holding(Work::Flush, held.clone()),
        );
        assert!(gone.await.is_err(), "the caller waits no more");
        assert_eq!(Arc::strong_count(&held), 2, "the ledger has not answered");
        let answer = waiting.lock().unwrap().pop().unwrap();
        answer.send(()).unwrap();
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
