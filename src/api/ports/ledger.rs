//! What the Sessions API asks of the ledger, in words of its own: the host answers.

use crate::node::Booking;
use crate::usage::Append;
use crate::usage::ledger::SessionRecord;
use tokio::sync::oneshot;

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing: answered when all that was sent before is on disk.
    Flush,
    /// A new booking, and which request made it.
    Book(Box<Booking>, Option<Request>),
    /// What has changed in a booking.
    Rebook(Box<Booking>),
    /// The whole life of a session to which nobody came.
    Close(Vec<Append>),
}

/// Which request made a booking: asked again, it gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose API key, and the app's own idempotency key.
    pub key: String,
    /// Of the body.
    pub digest: String,
}

/// Which sessions are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
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

/// The ledger cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the ledger cannot be read: {0}")]
pub struct Unreadable(pub String);

/// Writes; answers when it is on disk. None if the writer has no place for it.
pub type Write = Box<dyn Fn(Work) -> Option<oneshot::Receiver<()>> + Send + Sync>;
/// Reads; blocks, so it is called off the threads of the control plane.
pub type Read<Q, A> = Box<dyn for<'a> Fn(&'a Q) -> Result<A, Unreadable> + Send + Sync>;

/// The ways to the ledger.
pub struct Ledger {
    /// Writes.
    pub write: Write,
    /// One session, by its id.
    pub session: Read<str, Option<Known>>,
    /// Sessions in the order in which they were made, and how many at most.
    pub sessions: Read<(Filter, u64), Vec<Known>>,
    /// What a request has made, with its digest.
    pub request: Read<str, Option<(String, Booking)>>,
}
