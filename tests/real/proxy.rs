//! Links between clients and a node: a UDP proxy that has a rate, a queue, delay, jitter and loss for
//! each direction of each link.
//!
//! Clients send to its one public port. Each source address is a client of its own, gets a socket
//! of its own towards the node, and stays on the link that was current when it was heard first. So
//! both connections of a participant share a link, if it is assigned before the participant joins.
//!
//! A thread for each socket stamps what arrives; one thread keeps the lanes, and sleeps until the next
//! packet comes or is due. Times of departure are computed, so that a late wake-up delays one packet
//! and does not slow the link.
//!
//! Both ends of each lane keep a tape of the RTP that went over it, by which tests measure.

mod lane;
mod tape;
#[cfg(test)]
mod tests;

pub use lane::{Counters, Shape};
pub use tape::{Kind, Tape};

use crate::wait;
use lane::{HEADER_BYTES, Lane};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Largest datagram on loopback.
const DATAGRAM_BYTES: usize = 65_536;
/// Datagrams between the sockets and the lanes; beyond, they wait in the kernel's buffers.
const INBOX: usize = 4_096;
/// How often a thread that hears nothing looks whether it shall end.
const LOOK: Duration = Duration::from_millis(200);
/// Nothing came in that time, or a port that we sent to is closed.
const NOTHING: [ErrorKind; 4] = [
    ErrorKind::WouldBlock,
    ErrorKind::TimedOut,
    ErrorKind::Interrupted,
    ErrorKind::ConnectionRefused,
];
/// Longest rest while nothing is due.
const REST: Duration = Duration::from_secs(1);

/// A packet on its way, with the socket and the address to send it by.
#[derive(Debug)]
struct Packet {
    by: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// One direction of a link, with what came to it and what it brought.
#[derive(Debug)]
struct Way {
    lane: Lane<Packet>,
    sent: Tape,
    arrived: Tape,
}

impl Way {
    fn new(seed: u64) -> Way {
        Way {
            lane: Lane::new(seed),
            sent: Tape::default(),
            arrived: Tape::default(),
        }
    }

    fn handle_packet(&mut self, packet: Packet, at: Duration) {
        let size = packet.bytes.len();
        self.sent.note(&packet.bytes, wire_bytes(size), at);
        self.lane.handle_packet(size, packet, at);
    }

    fn poll_packet(&mut self, now: Duration) -> Option<Packet> {
        let (packet, at) = self.lane.poll_packet(now)?;
        let size = packet.bytes.len();
        self.arrived.note(&packet.bytes, wire_bytes(size), at);
        Some(packet)
    }
}

fn wire_bytes(payload_bytes: usize) -> u64 {
    payload_bytes as u64 + HEADER_BYTES
}

/// Both directions of a link.
#[derive(Debug)]
struct Lanes {
    up: Mutex<Way>,
    down: Mutex<Way>,
}

/// What the lanes' thread is told.
#[derive(Debug)]
enum Told {
    FromClient(SocketAddr, Vec<u8>, Duration),
    FromNode(SocketAddr, Vec<u8>, Duration),
    /// A lane was changed: when to wake is to be thought over.
    Changed,
}

#[derive(Debug, Default)]
struct Plan {
    node: Option<SocketAddr>,
    current: Option<Arc<Lanes>>,
    links: BTreeMap<String, Arc<Lanes>>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    seed: u64,
    plan: Mutex<Plan>,
    ends: AtomicBool,
}

impl Shared {
    fn now(&self) -> Duration {
        wait::now().saturating_duration_since(self.start)
    }
}

/// A link; a handle that can be copied.
#[derive(Clone, Debug)]
pub struct Link {
    lanes: Arc<Lanes>,
    shared: Arc<Shared>,
    inbox: SyncSender<Told>,
}

impl Link {
    /// Changes the direction from the client to the node.
    pub fn set_up(&self, shape: Shape) {
        self.set(&self.lanes.up, shape);
    }

    /// Changes the direction from the node to the client.
    pub fn set_down(&self, shape: Shape) {
        self.set(&self.lanes.down, shape);
    }

    /// What went from the client to the node.
    pub fn up(&self) -> Counters {
        lock(&self.lanes.up).lane.counters()
    }

    /// What went from the node to the client.
    pub fn down(&self) -> Counters {
        lock(&self.lanes.down).lane.counters()
    }

    /// What the client sent since then, whatever the link made of it.
    pub fn sent_up(&self, from: Duration) -> Tape {
        lock(&self.lanes.up).sent.between(from, Duration::MAX)
    }

    /// What reached the client since then.
    pub fn arrived_down(&self, from: Duration) -> Tape {
        lock(&self.lanes.down).arrived.between(from, Duration::MAX)
    }

    fn set(&self, way: &Mutex<Way>, shape: Shape) {
        lock(way).lane.set(shape, self.shared.now());
        // A full inbox wakes the thread as well.
        drop(self.inbox.try_send(Told::Changed));
    }
}

/// The proxy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    start_unix_ms: f64,
    shared: Arc<Shared>,
    inbox: SyncSender<Told>,
    threads: Vec<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a port of its own. Its losses and jitter come from the seed.
    pub fn start(seed: u64) -> Proxy {
        let front = Arc::new(socket());
        let port = front.local_addr().expect("a bound socket").port();
        let start_unix_ms = wait::unix_ms();
        let shared = Arc::new(Shared {
            start: wait::now(),
            seed,
            plan: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let (inbox, told) = sync_channel(INBOX);
        let hears = reader(&shared, &front, &inbox, Told::FromClient);
        let keeper = Keeper {
            shared: shared.clone(),
            front,
            inbox: inbox.clone(),
            clients: BTreeMap::new(),
            threads: Vec::new(),
        };
        let keeps = std::thread::spawn(move || keeper.run(&told));
        Proxy {
            port,
            start_unix_ms,
            shared,
            inbox,
            threads: vec![hears, keeps],
        }
    }

    /// Time since its start: the clock of all tapes.
    pub fn now(&self) -> Duration {
        self.shared.now()
    }

    /// A moment of its clock in milliseconds since 1970, as drivers and the node count them.
    pub fn unix_ms(&self, at: Duration) -> f64 {
        self.start_unix_ms + at.as_secs_f64() * 1_000.0
    }

    /// `127.0.0.1:PORT` as clients are to be told.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Where the node's worker is. Until then what clients send is lost.
    pub fn forward_to(&self, node: SocketAddr) {
        lock(&self.shared.plan).node = Some(node);
    }

    /// The link of this name, without any limit if it is new.
    pub fn link(&self, name: &str) -> Link {
        let mut plan = lock(&self.shared.plan);
        let seed = self.shared.seed.wrapping_add(2 * plan.links.len() as u64);
        let lanes = plan.links.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Lanes {
                up: Mutex::new(Way::new(seed)),
                down: Mutex::new(Way::new(seed.wrapping_add(1))),
            })
        });
        Link {
            lanes: lanes.clone(),
            shared: self.shared.clone(),
            inbox: self.inbox.clone(),
        }
    }

    /// Puts clients that are heard for the first time from now on onto this link.
    pub fn assign(&self, name: &str) -> Link {
        let link = self.link(name);
        lock(&self.shared.plan).current = Some(link.lanes.clone());
        link
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        drop(self.inbox.try_send(Told::Changed));
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

#[derive(Debug)]
struct Client {
    upstream: Arc<UdpSocket>,
    lanes: Arc<Lanes>,
}

/// The thread that keeps the lanes.
#[derive(Debug)]
struct Keeper {
    shared: Arc<Shared>,
    front: Arc<UdpSocket>,
    inbox: SyncSender<Told>,
    clients: BTreeMap<SocketAddr, Client>,
    threads: Vec<JoinHandle<()>>,
}

impl Keeper {
    fn run(mut self, told: &Receiver<Told>) {
        while !self.shared.ends.load(Ordering::Relaxed) {
            let now = self.shared.now();
            let due = self.send_due(now).unwrap_or(now + REST);
            match told.recv_timeout(due.saturating_sub(self.shared.now()).min(REST)) {
                Ok(first) => {
                    self.handle(first);
                    for next in told.try_iter().take(INBOX) {
                        self.handle(next);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for thread in self.threads {
            drop(thread.join());
        }
    }

    /// Sends what has come through, and says when the next will have.
    fn send_due(&mut self, now: Duration) -> Option<Duration> {
        let plan = lock(&self.shared.plan);
        let ways = plan.links.values().flat_map(|link| [&link.up, &link.down]);
        ways.filter_map(|way| {
            let mut way = lock(way);
            while let Some(packet) = way.poll_packet(now) {
                // A client that has gone refuses; its packet is lost, as on any network.
                drop(packet.by.send_to(&packet.bytes, packet.to));
            }
            way.lane.poll_timeout()
        })
        .min()
    }

    fn handle(&mut self, told: Told) {
        match told {
            Told::FromClient(from, bytes, at) => self.handle_client(from, bytes, at),
            Told::FromNode(to, bytes, at) => {
                if let Some(client) = self.clients.get(&to) {
                    let by = self.front.clone();
                    lock(&client.lanes.down).handle_packet(Packet { by, to, bytes }, at);
                }
            }
            Told::Changed => {}
        }
    }

    fn handle_client(&mut self, from: SocketAddr, bytes: Vec<u8>, at: Duration) {
        let (node, current) = {
            let plan = lock(&self.shared.plan);
            (plan.node, plan.current.clone())
        };
        let (Some(to), Some(current)) = (node, current) else {
            return;
        };
        let client = self.clients.entry(from).or_insert_with(|| {
            let upstream = Arc::new(socket());
            let told = move |_node, bytes, at| Told::FromNode(from, bytes, at);
            let hears = reader(&self.shared, &upstream, &self.inbox, told);
            self.threads.push(hears);
            Client {
                upstream,
                lanes: current,
            }
        });
        let by = client.upstream.clone();
        lock(&client.lanes.up).handle_packet(Packet { by, to, bytes }, at);
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback is free");
    let limit = socket.set_read_timeout(Some(LOOK));
    limit.expect("a socket takes a limit of time");
    socket
}

/// A thread that stamps what a socket hears and passes it on.
fn reader(
    shared: &Arc<Shared>,
    socket: &Arc<UdpSocket>,
    inbox: &SyncSender<Told>,
    told: impl Fn(SocketAddr, Vec<u8>, Duration) -> Told + Send + 'static,
) -> JoinHandle<()> {
    let (shared, socket, inbox) = (shared.clone(), socket.clone(), inbox.clone());
    std::thread::spawn(move || {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        while !shared.ends.load(Ordering::Relaxed) {
            match socket.recv_from(&mut buffer) {
                Ok((len, from)) => {
                    let bytes = buffer[..len].to_vec();
                    if inbox.send(told(from, bytes, shared.now())).is_err() {
                        return;
                    }
                }
                Err(error) if NOTHING.contains(&error.kind()) => {}
                Err(error) => panic!("the proxy cannot receive: {error}"),
            }
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
