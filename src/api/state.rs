//! What every handler shares: the ways to the workers, the limits, the counters.

use super::dev::Dev;
use super::limits::{Addresses, Rate};
use super::livekit::Sink;
use super::ports::ledger::Ledger;
use super::ports::recordings::Recordings;
use super::preflights::{Preflighted, Preflights};
use crate::base::{ConnectionId, NodeId, Now, Rng, RoomName, SessionId, Unix};
use crate::node::preflight::{PreflightAnswer, PreflightRefusal, PreflightRequest};
use crate::node::{
    CommandRefusal, Continued, Control, JoinRequest, News, SessionCommand, SessionView,
};
use crate::peer::signal::Frame;
use crate::peer::signal::token::Keys;
use crate::session::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// What a session answers to a command.
pub type Answer = Result<SessionView, CommandRefusal>;
/// The way back to whoever gave the command.
pub type Reply = oneshot::Sender<Answer>;

/// What the doors and the host tell a worker.
pub enum ToWorker {
    /// A WebSocket is open and its token lets it in.
    Join {
        /// The socket.
        conn: ConnectionId,
        /// Who joins what.
        join: Box<JoinRequest>,
        /// The way back. Dropping it closes the socket once what is queued is written.
        sink: Sink,
    },
    /// A message of the client.
    Frame {
        /// From this socket.
        conn: ConnectionId,
        /// The message.
        frame: Frame,
    },
    /// The socket is gone.
    SocketClosed {
        /// This one.
        conn: ConnectionId,
    },
    /// The Sessions API asks something of a running session.
    Command {
        /// Which.
        session: SessionId,
        /// What.
        command: SessionCommand,
        /// The way back: answered once all that it caused is on its way to the ledger.
        reply: Reply,
    },
    /// A participant has its link measured.
    Preflight {
        /// Whose, and how much.
        request: Box<PreflightRequest>,
        /// The way back.
        reply: oneshot::Sender<Result<PreflightAnswer, PreflightRefusal>>,
    },
    /// The node shuts down: say goodbye to all.
    Drain,
    /// End the thread, once the ledger has everything.
    Stop,
}

/// The way to one worker.
#[derive(Clone)]
pub struct WorkerDoor {
    /// Its queue.
    pub queue: Sender<ToWorker>,
    /// Wakes its thread; called after each send.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

impl WorkerDoor {
    /// Queues a message, waiting for a place. False if the worker has ended.
    pub async fn send(&self, message: ToWorker) -> bool {
        let sent = self.queue.send(message).await.is_ok();
        (self.wake)();
        sent
    }

    /// Queues a message if there is a place.
    pub fn offer(&self, message: ToWorker) -> bool {
        let sent = self.queue.try_send(message).is_ok();
        (self.wake)();
        sent
    }
}

/// What strangers and clients may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// WebSockets at once.
    pub connections: usize,
    /// Joins from one address.
    pub joins: Rate,
    /// Requests to the Sessions API from one address.
    pub requests: Rate,
    /// Messages on one socket.
    pub messages: Rate,
    /// Longest message, in bytes.
    pub message_bytes: usize,
    /// Most bytes that wait for a client that does not read.
    pub queue_bytes: usize,
    /// Time for a handshake and for the first request.
    pub handshake: Duration,
}

/// What happens at the doors, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A join was let in.
    Joined,
    /// A join was refused with this status.
    Refused(u16),
    /// A link was measured, or was not.
    Preflight(Preflighted),
    /// A socket was closed because the client did not read.
    SlowReader,
    /// A socket was closed because the client sent too much.
    Flood,
    /// A socket was closed because the client was silent.
    Silent,
}

/// Who counts what happens.
pub struct Counters {
    /// WebSockets open now.
    pub connections: AtomicUsize,
    note: Box<dyn Fn(Happening) + Send + Sync>,
}

impl Counters {
    /// `note` is called for everything that happens; it must not block.
    pub fn new(note: impl Fn(Happening) + Send + Sync + 'static) -> Counters {
        Counters {
            connections: AtomicUsize::new(0),
            note: Box::new(note),
        }
    }

    pub(super) fn note(&self, happening: Happening) {
        (self.note)(happening);
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// The state behind the router.
pub struct Doors {
    /// Who may sign tokens.
    pub keys: Arc<Keys>,
    /// Both clocks.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
    /// Which room is where.
    pub control: Arc<Mutex<Control>>,
    /// The workers, in the order of `Control::place`.
    pub workers: Vec<WorkerDoor>,
    /// What strangers may cost.
    pub limits: Limits,
    /// Whether a peer is a proxy whose `X-Forwarded-For` is believed.
    pub is_trusted: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// The built web page.
    pub web_dir: Option<PathBuf>,
    /// This node.
    pub node: NodeId,
    /// The policy templates; `default` is among them.
    pub policies: BTreeMap<String, Policy>,
    /// The ways to the ledger.
    pub ledger: Ledger,
    /// The ways to the recordings.
    pub recordings: Recordings,
    /// Idempotency keys of requests that are not answered yet.
    pub asking: Mutex<BTreeSet<String>>,
    /// Draws names and ids.
    pub rng: Mutex<Rng>,
    /// Set with `--dev`.
    pub dev: Option<Arc<Dev>>,
    /// Whether the page is served over TLS by us.
    pub tls: bool,
    /// Sessions that a crash ended, by room: a rejoin before the label continues them.
    pub lost: Mutex<BTreeMap<RoomName, (Continued, Unix)>>,
    /// No new joins.
    pub draining: AtomicBool,
    /// What happened.
    pub counters: Arc<Counters>,
    /// Joins by address.
    pub addresses: Mutex<Addresses>,
    /// Requests to the Sessions API by address.
    pub callers: Mutex<Addresses>,
    /// Measurements before a join, and their verdicts.
    pub preflights: Mutex<Preflights>,
    /// The newest `ConnectionId`.
    pub last_connection: AtomicU64,
}

impl Doors {
    /// The next socket's id.
    pub fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Relaxed) + 1)
    }

    /// The session that a join of the room goes on with.
    pub fn continues(&self, room: &RoomName, now: Now) -> Option<Continued> {
        let lost = lock(&self.lost);
        let (session, until) = lost.get(room)?;
        (now.unix < *until).then(|| session.clone())
    }

    /// A worker tells of a room.
    pub fn handle_news(&self, news: &News) {
        let now = (self.clock)().mono;
        lock(&self.control).handle_news(news, now);
    }

    /// A room is over: whoever comes next starts anew. A room that was never opened (`lived` is
    /// false) leaves a lost session to be continued.
    pub fn handle_room_ended(&self, room: &RoomName, lived: bool) {
        if lived {
            lock(&self.lost).remove(room);
        }
        lock(&self.control).handle_room_ended(room);
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

/// Nobody panics while holding one of these; and if, what it guards is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
