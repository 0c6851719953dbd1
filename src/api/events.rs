//! What happens at the doors, counted for metrics; and how many sockets are open.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What happens at the doors, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiEvent {
    /// A join was let in.
    Joined,
    /// A join was refused with this status.
    Refused(u16),
    /// A link was measured, or was not.
    Preflight(Preflighted),
    /// An idempotency key came again, or could not be taken.
    Repeat(Repeated),
    /// A socket was closed because the client did not read.
    SlowReader,
    /// A socket was closed because the client sent too much.
    Flood,
    /// A socket was closed because the client was silent.
    Silent,
    /// A socket was not let in.
    SocketRefused(Crowded),
}

/// Which limit of sockets is reached, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// That of one address.
    Address,
    /// That of the node.
    Node,
}

/// How a request to measure ended, for metrics.
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

/// What became of an idempotency key that was not simply taken, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// It got the first answer.
    Answered,
    /// The first request was under way.
    UnderWay,
    /// It was used with another request.
    Otherwise,
    /// Too many are kept.
    TooMany,
}

/// Who counts what happens.
pub struct Counters {
    /// WebSockets open now.
    pub connections: AtomicUsize,
    note: Box<dyn Fn(ApiEvent) + Send + Sync>,
}

impl Counters {
    /// `note` is called for everything that happens; it must not block.
    pub fn new(note: impl Fn(ApiEvent) + Send + Sync + 'static) -> Counters {
        Counters {
            connections: AtomicUsize::new(0),
            note: Box::new(note),
        }
    }

    pub(super) fn note(&self, event: ApiEvent) {
        (self.note)(event);
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// A place among the open sockets; given back when dropped.
pub(super) struct Seat(Arc<Counters>);

impl Seat {
    /// A seat, if one of `most` is free.
    pub fn take(counters: &Arc<Counters>, most: usize) -> Option<Seat> {
        let seat = Seat(counters.clone());
        (counters.connections.fetch_add(1, Relaxed) < most).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}
