//! One worker: a thread with a UDP socket, a queue, and the rooms of its `Shard`. It waits for
//! nothing but its own `mio::Poll`; everything it hands out goes where there is a place or is
//! counted as lost.

use super::arrivals::Arrivals;
use super::clock::Clock;
use super::recordings::writer::{Lost, Outlet};
use super::roll::Present;
use super::store::job::{Job, SendError};
use super::store::running::StoreHandle;
use super::story::tell;
use super::udp::{Datagram, Udp, UdpStats};
use crate::api::{CommandAnswer, CommandReply, Sink, ToWorker};
use crate::base::{ConnectionId, Mono, Now, PreflightId, RecordingId, RoomKey, SessionId};
use crate::node::preflight::Outcome;
use crate::node::{News, Output, Settings, Shard, Stats};
use crate::peer::signal::Frame;
use crate::usage::Stored;
use crate::usage::ledger::SessionRecord;
use mio::{Events, Poll, Token, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Messages of all sockets of a worker. A full queue makes the sockets wait: nothing is dropped.
pub const QUEUE: usize = 1_024;
/// Jobs kept while the ledger's queue is full. Checkpoints beyond are dropped at once (the next one
/// says more); an append beyond is lost (`jobs_dropped`), and its session's record ends before it.
const JOBS: usize = 16_384;
/// Jobs beyond which a checkpoint is not kept.
const CHECKPOINT_JOBS: usize = 64;
/// Receive calls in one round, each of up to 32 buffers: the rest waits for the next round, so that
/// timers and the queue have their turn under load.
const RECEIVES: usize = 4;
/// Messages of the queue in one round.
const MESSAGES: usize = 256;
/// Longest sleep, and how often the counters are published.
const PUBLISH: Duration = Duration::from_secs(1);
/// When jobs are offered again that found the ledger's queue full.
const RETRY: Duration = Duration::from_millis(20);
/// How long a worker that is told to stop tries to hand its last jobs over.
const LAST_JOBS: Duration = Duration::from_secs(1);

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);

/// What a worker publishes each second.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Of its rooms.
    pub shard: Stats,
    /// Of its socket.
    pub udp: UdpStats,
    /// Jobs lost because the ledger did not take them.
    pub jobs_dropped: u64,
}

/// Sessions with news from the ledger: a map, so it is bounded by the open sessions.
#[derive(Clone, Default)]
pub struct Committed(Arc<Mutex<BTreeMap<SessionId, Stored>>>);

impl Committed {
    fn take(&self) -> BTreeMap<SessionId, Stored> {
        std::mem::take(&mut *hold(&self.0))
    }
}

/// Settings that the worker has not taken over yet; only the newest count.
type Fresh = Arc<Mutex<Option<Settings>>>;

/// Nobody panics while holding one of these; and if, what it guards is whole.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ends that others hold.
#[derive(Clone)]
pub struct WorkerEnds {
    /// Its queue.
    pub queue: Sender<ToWorker>,
    waker: Arc<Waker>,
    committed: Committed,
    closed: Arc<Mutex<Vec<Closed>>>,
    lost: Lost,
    settings: Fresh,
    published: Arc<Mutex<Published>>,
}

/// The ledger has closed the session of a room that panicked.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The room.
    pub room: RoomKey,
    /// Its session.
    pub session: SessionId,
    /// How it ended, if the ledger had heard of it.
    pub record: Option<Box<SessionRecord>>,
}

impl WorkerEnds {
    /// Wakes the thread.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "a worker could not be woken: it wakes within a second");
        }
    }

    /// Tells what these sessions have on disk now. Never blocks for long.
    pub fn handle_committed(&self, news: &[(SessionId, Stored)]) {
        let mut committed = hold(&self.committed.0);
        for (session, stored) in news {
            let known = committed.entry(session.clone()).or_default();
            *known = known.with(*stored);
        }
        drop(committed);
        self.wake();
    }

    /// Tells that the session of a room that panicked is closed.
    pub fn handle_closed(&self, closed: Closed) {
        hold(&self.closed).push(closed);
        self.wake();
    }

    /// Tells that the disk does not take a recording.
    pub fn handle_recording_lost(&self, id: &RecordingId, reason: &str) {
        self.lost.add(id, reason);
        self.wake();
    }

    /// Tells that the configuration changed: this holds for every message that is queued from now on.
    pub fn handle_settings(&self, settings: Settings) {
        *hold(&self.settings) = Some(settings);
        self.wake();
    }

    /// What it has heard of disks.
    pub fn lost(&self) -> Lost {
        self.lost.clone()
    }

    /// The counters of the last second.
    pub fn published(&self) -> Published {
        hold(&self.published).clone()
    }
}

/// A worker that has a socket and a queue, but no rooms and no thread.
pub struct Prepared {
    poll: Poll,
    udp: Udp,
    messages: Receiver<ToWorker>,
    ends: WorkerEnds,
}

/// Told of a room that is over; false if the join that was placed here opened none.
pub type OnRoomEnded = Arc<dyn Fn(&RoomKey, bool) + Send + Sync>;

/// Told of rooms that open, and of who comes and goes.
pub type OnNews = Arc<dyn Fn(&News) + Send + Sync>;
/// Told that the session of a room that panicked is closed.
pub type OnClosed = Arc<dyn Fn(&Closed) + Send + Sync>;
/// Told how a preflight ended.
pub type OnPreflighted = Arc<dyn Fn(&PreflightId, Outcome) + Send + Sync>;

/// What a worker needs to run.
pub struct Context {
    /// Both clocks.
    pub clock: Clock,
    /// The ledger.
    pub store: StoreHandle,
    /// The way to the disk for what is recorded.
    pub recordings: Outlet,
    /// Who is told that a room is over.
    pub on_room_ended: OnRoomEnded,
    /// Who is told of rooms and people.
    pub on_news: OnNews,
    /// Who is told how a preflight ended.
    pub on_preflighted: OnPreflighted,
    /// Who is told that a room that panicked may be opened again.
    pub on_closed: OnClosed,
    /// Held for as long as the thread works.
    pub present: Present,
}

impl Prepared {
    /// Binds the socket.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub fn new(bind: SocketAddr) -> io::Result<Prepared> {
        let poll = Poll::new()?;
        let mut udp = Udp::bind(bind)?;
        udp.register(poll.registry(), SOCKET)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (queue, messages) = channel(QUEUE);
        let ends = WorkerEnds {
            queue,
            waker,
            committed: Committed::default(),
            closed: Arc::default(),
            lost: Lost::default(),
            settings: Fresh::default(),
            published: Arc::default(),
        };
        Ok(Prepared {
            poll,
            udp,
            messages,
            ends,
        })
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// The ends for others.
    pub fn ends(&self) -> WorkerEnds {
        self.ends.clone()
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(self, index: usize, shard: Shard, context: Context) -> io::Result<JoinHandle<()>> {
        let worker = Worker {
            udp: self.udp,
            messages: self.messages,
            committed: self.ends.committed,
            closed: self.ends.closed,
            lost: self.ends.lost,
            settings: self.ends.settings,
            published: self.ends.published,
            shard,
            context,
            sinks: BTreeMap::new(),
            jobs: VecDeque::new(),
            answers: Vec::new(),
            jobs_dropped: 0,
            readable: true,
            busy: false,
            publish_at: Mono::ZERO,
            arrivals: Arrivals::default(),
        };
        let poll = self.poll;
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || worker.run(poll))
    }
}

struct Worker {
    udp: Udp,
    messages: Receiver<ToWorker>,
    committed: Committed,
    closed: Arc<Mutex<Vec<Closed>>>,
    lost: Lost,
    settings: Fresh,
    published: Arc<Mutex<Published>>,
    shard: Shard,
    context: Context,
    sinks: BTreeMap<ConnectionId, Sink>,
    jobs: VecDeque<Job>,
    /// Commands that are carried out and not answered; bounded by the requests that wait for them.
    answers: Vec<(CommandReply, CommandAnswer)>,
    jobs_dropped: u64,
    /// The socket may have more: events come only when it becomes readable anew.
    readable: bool,
    /// The budget of the last round was used up.
    busy: bool,
    publish_at: Mono,
    arrivals: Arrivals,
}

/// Whether the thread goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Round,
    Stop,
}

impl Worker {
    fn run(mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(16);
        loop {
            let wait = self.wait(self.context.clock.now());
            match poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "a worker cannot wait for its socket: it ends");
                    break;
                }
            }
            self.readable |= events.iter().any(|event| event.token() == SOCKET);
            if self.round(self.context.clock.now()) == Next::Stop {
                break;
            }
        }
        self.finish();
    }

    /// Until the earliest deadline, rounded up to the millisecond that `Poll` counts in.
    fn wait(&self, now: Now) -> Duration {
        if self.readable || self.busy {
            return Duration::ZERO;
        }
        let behind = !self.jobs.is_empty() || self.context.recordings.is_behind();
        let limit = if behind { RETRY } else { PUBLISH };
        let due = self
            .shard
            .poll_timeout()
            .map(|at| Duration::from_micros(at.micros().saturating_sub(now.mono.micros())));
        due.map_or(limit, |due| due.min(limit))
    }

    /// Receive, handle, drain: one reading of the clocks for all of it.
    fn round(&mut self, now: Now) -> Next {
        let wall = self.context.clock.wall();
        for _ in 0..RECEIVES {
            if !self.readable {
                break;
            }
            let (shard, arrivals) = (&mut self.shard, &mut self.arrivals);
            self.readable = self.udp.receive(|from, bytes, stamp| {
                let waited = stamp.map_or(Duration::ZERO, |stamp| wall.saturating_sub(stamp));
                shard.handle_datagram(from, bytes, arrivals.at(now, waited));
            });
        }
        self.arrivals.handle_round(now.mono);
        for (session, stored) in self.committed.take() {
            self.shard.handle_committed(&session, stored, now);
        }
        let closed = std::mem::take(&mut *hold(&self.closed));
        for closed in closed {
            // Those who join know of it before the room may be opened.
            if self.shard.handle_closed(&closed.room, &closed.session, now) {
                (self.context.on_closed)(&closed);
            }
        }
        for (id, reason) in self.lost.take() {
            self.shard.handle_recording_failed(&id, &reason, now);
        }
        if let Some(settings) = hold(&self.settings).take() {
            self.shard.handle_settings(settings);
        }
        let next = self.take_messages(now);
        self.shard.handle_timeout(now);
        self.drain();
        self.udp.flush();
        self.send_jobs();
        self.send_recorded();
        self.send_answers();
        self.publish(now);
        next
    }

    fn take_messages(&mut self, now: Now) -> Next {
        self.busy = false;
        for _ in 0..MESSAGES {
            let Ok(message) = self.messages.try_recv() else {
                return Next::Round;
            };
            match message {
                ToWorker::Join { conn, join, sink } => {
                    self.sinks.insert(conn, sink);
                    self.shard.handle_join(conn, join, now);
                }
                ToWorker::Frame { conn, frame } => {
                    // What comes after we closed is not for the room any more.
                    if self.sinks.contains_key(&conn) {
                        self.shard.handle_frame(conn, &frame, now);
                    }
                }
                ToWorker::SocketClosed { conn } => {
                    self.sinks.remove(&conn);
                    self.shard.handle_socket_closed(conn, now);
                }
                ToWorker::Command {
                    session,
                    command,
                    reply,
                } => {
                    let answer = self.shard.handle_command(&session, command, now);
                    self.answers.push((reply, answer));
                }
                ToWorker::Preflight { request, reply } => {
                    // Whoever asked may have gone: it ends by itself.
                    drop(reply.send(self.shard.handle_preflight(*request, now)));
                }
                ToWorker::Drain => self.shard.handle_drain(now),
                ToWorker::Stop => return Next::Stop,
            }
            // A join must see what the message before it caused.
            self.drain();
        }
        self.busy = true;
        Next::Round
    }

    fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Datagram { to, bytes } => self.udp.push(Datagram { to, bytes }),
                Output::Signal { conn, frame } => self.signal(conn, frame),
                Output::CloseSocket { conn } => drop(self.sinks.remove(&conn)),
                Output::Append(append) => {
                    tell(&append);
                    self.keep(Job::Append(append));
                }
                Output::Checkpoints(checkpoints) => {
                    if self.jobs.len() < CHECKPOINT_JOBS {
                        self.jobs.push_back(Job::Checkpoints(checkpoints));
                    }
                }
                Output::Recorded(output) => {
                    if let Err(id) = self.context.recordings.push(output) {
                        self.lost.add(&id, "the disk is too slow");
                    }
                }
                Output::RoomEnded(room) => (self.context.on_room_ended)(&room, true),
                Output::RoomNotOpened(room) => (self.context.on_room_ended)(&room, false),
                Output::Abandoned { room, session } => self.keep(Job::Abandon { room, session }),
                Output::News(news) => (self.context.on_news)(&news),
                Output::Preflighted { id, outcome } => (self.context.on_preflighted)(&id, outcome),
            }
        }
    }

    /// A client that does not read loses its socket: the room hears of it by `SocketClosed`.
    fn signal(&mut self, conn: ConnectionId, frame: Frame) {
        let Some(sink) = self.sinks.get(&conn) else {
            return;
        };
        if !sink.push(frame) {
            tracing::debug!(
                conn = conn.0,
                "a client does not read: its socket is closed"
            );
            self.sinks.remove(&conn);
        }
    }

    fn keep(&mut self, job: Job) {
        if self.jobs.len() < JOBS {
            self.jobs.push_back(job);
            return;
        }
        self.jobs_dropped += 1;
        tracing::error!(
            "the ledger did not keep up: an entry is lost, its session's record ends before it"
        );
    }

    /// An answer follows what it caused on the way to the ledger: whoever has it can wait for the
    /// commit behind it.
    fn send_answers(&mut self) {
        if self.jobs.is_empty() {
            for (reply, answer) in self.answers.drain(..) {
                // Whoever asked may have gone.
                drop(reply.send(answer));
            }
        }
    }

    /// What is recorded follows the entries that allow it.
    fn send_recorded(&mut self) {
        if self.jobs.is_empty() {
            for id in self.context.recordings.flush() {
                self.lost.add(&id, "nobody writes it any more");
            }
        }
    }

    fn send_jobs(&mut self) {
        while let Some(job) = self.jobs.pop_front() {
            match self.context.store.send(job) {
                Ok(()) => {}
                Err(SendError::Full(job)) => return self.jobs.push_front(*job),
                // The process is about to exit: the store said so.
                Err(SendError::Closed) => return self.jobs.clear(),
            }
        }
    }

    fn publish(&mut self, now: Now) {
        if now.mono < self.publish_at {
            return;
        }
        self.publish_at = now.mono + PUBLISH;
        *hold(&self.published) = Published {
            shard: self.shard.stats(),
            udp: self.udp.stats(),
            jobs_dropped: self.jobs_dropped,
        };
    }

    fn finish(mut self) {
        let until = self.context.clock.now().mono + LAST_JOBS;
        self.drain();
        self.udp.flush();
        self.send_jobs();
        self.send_recorded();
        let behind =
            |worker: &Worker| !worker.jobs.is_empty() || worker.context.recordings.is_behind();
        while behind(&self) && self.context.clock.now().mono < until {
            std::thread::park_timeout(RETRY);
            self.send_jobs();
            self.send_recorded();
        }
        if !self.jobs.is_empty() {
            let jobs = self.jobs.len();
            tracing::error!(
                jobs,
                "the ledger did not take the last entries: the next start closes their sessions"
            );
            self.jobs_dropped += u64::try_from(jobs).unwrap_or(0);
        }
        self.publish_at = Mono::ZERO;
        self.publish(self.context.clock.now());
    }
}
