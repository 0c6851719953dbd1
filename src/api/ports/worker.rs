//! The ways to the workers: what they are told, and commands to running sessions, which are answered.

use super::ledger::{Ledger, Work};
use super::sink::Sink;
use crate::api::locks::lock;
use crate::base::{ConnectionId, SessionId};
use crate::node::preflight::{PreflightAnswer, PreflightRefusal, PreflightRequest};
use crate::node::{CommandRefusal, Control, JoinRequest, SessionCommand, SessionView};
use crate::peer::signal::Frame;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a worker may take to answer; it does within its round.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a session answers to a command.
pub type CommandAnswer = Result<SessionView, CommandRefusal>;
/// The way back to whoever gave the command.
pub type CommandReply = oneshot::Sender<CommandAnswer>;

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
    /// A running session is to do something.
    Command {
        /// Which.
        session: SessionId,
        /// What.
        command: SessionCommand,
        /// The way back: answered once all that it caused is on its way to the ledger.
        reply: CommandReply,
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

/// Why a command did not do what it should.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) enum CommandFailure {
    /// The worker does not answer in time.
    Silent,
    /// The session refuses it, or does not run.
    Refused(CommandRefusal),
    /// It was done, and the ledger does not confirm it.
    Unwritten,
}

/// All workers, and which of them has which room.
pub struct Workers {
    /// Which room is where.
    pub control: Arc<Mutex<Control>>,
    /// The workers, in the order of `Control::place`.
    pub doors: Vec<WorkerDoor>,
    /// The newest socket.
    last_connection: AtomicU64,
}

impl Workers {
    /// The workers behind these doors; no socket is open yet.
    pub const fn new(control: Arc<Mutex<Control>>, doors: Vec<WorkerDoor>) -> Workers {
        Workers {
            control,
            doors,
            last_connection: AtomicU64::new(0),
        }
    }

    /// The next socket's id.
    pub(in crate::api) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Relaxed) + 1)
    }

    /// Gives a command to a running session, and waits until what it caused is on disk.
    ///
    /// # Errors
    /// The session refuses it or does not run, its worker does not answer, or the ledger does not
    /// confirm.
    pub(in crate::api) async fn command(
        &self,
        ledger: &Ledger,
        session: &SessionId,
        command: SessionCommand,
    ) -> Result<SessionView, CommandFailure> {
        let place = lock(&self.control)
            .running(session)
            .map(|(worker, _)| worker);
        let worker = place.and_then(|worker| self.doors.get(worker));
        let gone = CommandFailure::Refused(CommandRefusal::Gone);
        let worker = worker.ok_or(gone)?;
        let changes = command != SessionCommand::Inspect;
        let (reply, answered) = oneshot::channel();
        let message = ToWorker::Command {
            session: session.clone(),
            command,
            reply,
        };
        let asked = async {
            let sent = worker.send(message).await;
            sent.then_some(answered.await.ok()).flatten()
        };
        let answer = timeout(PATIENCE, asked).await.ok().flatten();
        let answer: CommandAnswer = answer.ok_or(CommandFailure::Silent)?;
        let view = answer.map_err(CommandFailure::Refused)?;
        if changes {
            let written = ledger.written(Work::Flush).await;
            written.map_err(|_| CommandFailure::Unwritten)?;
        }
        Ok(view)
    }
}
