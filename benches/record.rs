//! What recording costs: fifty one-to-one sessions through the node's machines (SRTP in, room, SRTP out,
//! UDP with GSO), recorded and not recorded in turn, in one run. The CPU is that of the worker's part and
//! of the thread that writes to real files, per published packet; the figure to quote is the ratio.
//! The memory is the growth of the process, per recorded track.

#[path = "../tests/sim/pair.rs"]
#[allow(dead_code, reason = "shared with the simulation, which uses the rest")]
mod pair;

use beistand::base::{Actor, Identity, Millis, Mono, Purpose, SessionId};
use beistand::host::recordings::{Outlet, Writer};
use beistand::node::{Output, SessionCommand};
use beistand::session::Answer;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use pair::{AUDIO, DELTA, KEYFRAME, World};
use quinn_udp::{Transmit, UdpSocketState};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::media::MediaKind;

const SESSIONS: usize = 50;
/// Rounds of 20 ms: a packet of sound each, and a frame of video in two rounds of three.
const ROUND: Millis = Millis(20);
/// Packets of one video frame: 720p at 1.5 Mbit/s and 30 frames a second is about six.
const BURST: usize = 6;
/// Rounds without, then with, so many times.
const BLOCK: usize = 150;
const BLOCKS: usize = 8;
/// Rounds until the congestion controllers and the recorders' buffers have settled.
const WARM_UP: usize = 150;

/// A socket that sends to one that nobody reads: the kernel drops.
struct Wire {
    socket: UdpSocket,
    state: UdpSocketState,
    sink: SocketAddr,
    _receiver: UdpSocket,
}

impl Wire {
    fn new() -> Wire {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Wire {
            state: UdpSocketState::new((&socket).into()).expect("socket options"),
            socket,
            sink: receiver.local_addr().expect("an address"),
            _receiver: receiver,
        }
    }

    fn send(&self, contents: &[u8], segment: usize) {
        let transmit = Transmit {
            destination: self.sink,
            ecn: None,
            contents,
            segment_size: (segment < contents.len()).then_some(segment),
            src_ip: None,
        };
        self.state
            .try_send((&self.socket).into(), &transmit)
            .expect("sent");
    }

    /// In runs of one size to one address, as the worker does.
    fn send_all(&self, datagrams: &[(SocketAddr, Vec<u8>)]) {
        let mut run: Vec<u8> = Vec::with_capacity(64 * 1_024);
        let mut of: Option<(SocketAddr, usize)> = None;
        for (to, bytes) in datagrams {
            let this = Some((*to, bytes.len()));
            if of != this || run.len() + bytes.len() > 60_000 {
                if let Some((_, size)) = of.filter(|_| !run.is_empty()) {
                    self.send(&run, size);
                    run.clear();
                }
                of = this;
            }
            run.extend_from_slice(bytes);
        }
        if let Some((_, size)) = of.filter(|_| !run.is_empty()) {
            self.send(&run, size);
        }
    }
}

struct Bench {
    world: World,
    wire: Wire,
    outlet: Outlet,
    rounds: usize,
    /// Time in the worker's part, and packets published.
    worker: Duration,
    packets: u64,
}

impl Bench {
    /// One round: all clients send, the node forwards, the clients answer.
    fn round(&mut self) {
        self.rounds += 1;
        let frame = !self.rounds.is_multiple_of(3);
        let video: &[u8] = if self.rounds % 150 == 1 {
            &KEYFRAME
        } else {
            &DELTA
        };
        let clients = self.world.clients.len();
        for index in 0..clients {
            self.world.send_media(index, &AUDIO);
            self.packets += 1;
            if frame {
                self.world.send_frame(index, video, BURST);
                self.packets += BURST as u64;
            }
        }
        for _ in 0..ROUND.0 {
            self.world.tick();
            let datagrams = self.world.depart();
            let mut out = Vec::new();
            let timed = measure(|| {
                for (source, datagram) in &datagrams {
                    self.world
                        .shard
                        .handle_datagram(*source, datagram, self.world.now);
                }
                self.world.shard.handle_timeout(self.world.now);
                drain(&mut self.world, &mut self.outlet, &mut out);
                self.wire.send_all(&out);
                assert!(self.outlet.flush().is_empty(), "the writer lives");
            });
            self.worker += timed;
            for (to, bytes) in out {
                self.world.deliver(to, &bytes);
            }
        }
    }

    /// Nanoseconds per published packet: of the worker's part, and of the thread that writes.
    fn block(&mut self, rounds: usize) -> [f64; 2] {
        (self.worker, self.packets) = (Duration::ZERO, 0);
        let before = written_for();
        for _ in 0..rounds {
            self.round();
        }
        let writer = written_for() - before;
        [self.worker, writer].map(|part| part.as_nanos() as f64 / self.packets as f64)
    }

    fn record(&mut self, on: bool) {
        for session in sessions(&self.world) {
            let command = SessionCommand::Record {
                purpose: Purpose::Shared,
                on,
                actor: Actor::App,
            };
            self.world
                .shard
                .handle_command(&session, command, self.world.now)
                .expect("it runs");
        }
    }
}

fn measure(work: impl FnOnce()) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
    let start = Instant::now();
    work();
    start.elapsed()
}

fn drain(world: &mut World, outlet: &mut Outlet, out: &mut Vec<(SocketAddr, Vec<u8>)>) {
    while let Some(output) = world.shard.poll_output() {
        match output {
            Output::Datagram { to, bytes } => out.push((to, bytes)),
            Output::Recorded(output) => outlet.push(output).expect("the disk keeps up"),
            Output::Append(append) => world.appended.push(*append),
            Output::Signal { conn, frame } => world.hear(conn, &frame),
            Output::CloseSocket { .. }
            | Output::Checkpoints(_)
            | Output::RoomEnded(_)
            | Output::RoomNotOpened(_)
            | Output::News(_)
            | Output::Preflighted { .. } => {}
        }
    }
}

fn sessions(world: &World) -> Vec<SessionId> {
    let mut sessions: Vec<SessionId> = world
        .appended
        .iter()
        .filter(|append| append.entry.facts.is_some())
        .map(|append| append.entry.session.clone())
        .collect();
    sessions.dedup();
    sessions
}

/// Fifty rooms of an expert and a customer, each with picture and sound, all of whom have said yes.
fn sessions_of_two() -> World {
    let mut world = World::new(1);
    for room in 0..SESSIONS {
        let room = format!("room{room}");
        for role in ["expert", "customer"] {
            let attributes = [("role", role), ("policy", "on_request_wide")];
            world.join_with(&room, role, &attributes);
        }
    }
    world.run(Millis(500));
    for index in 0..world.clients.len() {
        world.publish_all(index, &[(MediaKind::Video, ""), (MediaKind::Audio, "")]);
        world.run(Millis(20));
    }
    world.run(Millis(500));
    for session in sessions(&world) {
        for who in ["expert", "customer"] {
            let answer = Answer {
                identity: Identity::from(who),
                purpose: Purpose::Shared,
                given: true,
                actor: Actor::App,
                wording: "bench".to_owned(),
            };
            let command = SessionCommand::Consent(answer);
            world
                .shard
                .handle_command(&session, command, world.now)
                .expect("taken");
        }
    }
    world.run(Millis(20));
    world
}

/// What the thread that writes has used of the processor.
fn written_for() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.flatten().filter_map(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let used = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let used = used.split_whitespace().next()?.parse::<u64>().ok()?;
        (name.trim() == "recordings").then_some(used)
    });
    Duration::from_nanos(nanos.sum())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).expect("a short run")
}

/// Resident memory of the process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split_whitespace().nth(1).expect("a second field");
    pages.parse::<u64>().expect("a number") * 4_096
}

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let scratch = std::env::temp_dir().join(format!("beistand-bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a directory");
    run(&scratch);
    std::fs::remove_dir_all(&scratch).expect("removed");
}

fn run(scratch: &PathBuf) {
    let dir = Dir::open_ambient_dir(scratch, ambient_authority()).expect("a directory");
    let lost = |id: &_, reason: &str| eprintln!("{id}: {reason}");
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark has a clock of its own"
    )]
    let start = Instant::now();
    let clock = Arc::new(move || Mono::from_millis(millis(start.elapsed())));
    let writer = Writer::new(&dir, Box::new(|| true), Box::new(lost), clock).expect("a writer");
    let stats = writer.stats();
    let (mut outlets, thread) = writer.start(1).expect("a thread");
    let mut bench = Bench {
        world: sessions_of_two(),
        wire: Wire::new(),
        outlet: outlets.pop().expect("one outlet"),
        rounds: 0,
        worker: Duration::ZERO,
        packets: 0,
    };
    bench.block(WARM_UP);
    let before = resident();
    let (mut without, mut with, mut writers) = (Vec::new(), Vec::new(), Vec::new());
    let mut grown = 0;
    for block in 1..=BLOCKS {
        without.push(bench.block(BLOCK)[0]);
        bench.record(true);
        let [worker, writer] = bench.block(BLOCK);
        with.push(worker);
        writers.push(writer);
        grown = grown.max(resident().saturating_sub(before));
        bench.record(false);
        eprintln!("block {block} of {BLOCKS}");
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (without, with) = (median(&mut without), median(&mut with));
    let writer = median(&mut writers);
    let tracks = SESSIONS * 4;
    let written = stats.bytes.load(std::sync::atomic::Ordering::Relaxed);
    println!("{SESSIONS} one-to-one sessions, {tracks} recorded tracks, {written} bytes written");
    println!("CPU per published packet: forwarding {without:.0} ns");
    for (what, more) in [
        ("the worker's part", with - without),
        ("the thread that writes", writer),
        ("in all", with - without + writer),
    ] {
        let percent = more / without * 100.0;
        println!("recording, {what}: {more:.0} ns more ({percent:.1} %)");
    }
    println!(
        "memory per recorded track: {} KiB",
        grown / 1_024 / tracks as u64
    );
    drop(bench.outlet);
    thread.join().expect("the writer ended");
}
