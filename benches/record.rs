//! What recording costs: fifty one-to-one sessions through the node's machines (SRTP in, room, SRTP out,
//! UDP with GSO), and fifty of the same that are recorded, by turns in one run. The CPU is that of the worker's
//! part and of the thread that writes to real files, per published packet; the figure to quote is the ratio.
//! The memory is the growth of the process from the start of the recordings, per recorded track.

use beistand::base::{Actor, Identity, Millis, Mono, Purpose, SessionId};
use beistand::host::recordings::{Outlet, SegmentWriter};
use beistand::host::roll::Roll;
use beistand::node::{Output, SessionCommand};
use beistand::session::ConsentAnswer;
use beistand_testing::{AUDIO, DELTA, KEYFRAME, Wire, World};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::time::{ClockId, clock_gettime};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use str0m::media::MediaKind;

const SESSIONS: usize = 50;
/// Rounds of 20 ms: a packet of sound each, and a frame of video in two rounds of three.
const ROUND: Millis = Millis(20);
/// Packets of one video frame: 720p at 1.5 Mbit/s and 30 frames a second is about six.
const BURST: usize = 6;
/// Rounds without, then with, so many times: short turns, so that both meet the same noise.
const BLOCK: usize = 50;
const BLOCKS: usize = 24;
/// Rounds until the congestion controllers and the recorders' buffers have settled.
const WARM_UP: usize = 150;

/// Sends in runs of one size to one address, as the worker does.
fn send_all(wire: &Wire, datagrams: &[(SocketAddr, Vec<u8>)]) {
    let mut run: Vec<u8> = Vec::with_capacity(64 * 1_024);
    let mut of: Option<(SocketAddr, usize)> = None;
    for (to, bytes) in datagrams {
        let this = Some((*to, bytes.len()));
        if of != this || run.len() + bytes.len() > 60_000 {
            if let Some((_, size)) = of.filter(|_| !run.is_empty()) {
                wire.send(0, &run, size);
                run.clear();
            }
            of = this;
        }
        run.extend_from_slice(bytes);
    }
    if let Some((_, size)) = of.filter(|_| !run.is_empty()) {
        wire.send(0, &run, size);
    }
}

struct Bench {
    world: World,
    wire: Wire,
    outlet: Option<Outlet>,
    /// The sessions' time in milliseconds, for the thread that writes.
    at: Arc<AtomicU64>,
    rounds: usize,
    /// Time in the worker's part, and packets published.
    worker: Duration,
    packets: u64,
}

impl Bench {
    fn new(outlet: Option<Outlet>) -> Bench {
        Bench {
            world: sessions_of_two(),
            wire: Wire::new(1),
            outlet,
            at: Arc::default(),
            rounds: 0,
            worker: Duration::ZERO,
            packets: 0,
        }
    }

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
            let at = self.world.now.mono.since(Mono::ZERO);
            self.at.store(at.0, Relaxed);
            let datagrams = self.world.depart();
            let mut out = Vec::new();
            let timed = measure(|| {
                for (source, datagram) in &datagrams {
                    self.world
                        .shard
                        .handle_datagram(*source, datagram, self.world.now);
                }
                self.world.shard.handle_timeout(self.world.now);
                drain(&mut self.world, self.outlet.as_mut(), &mut out);
                send_all(&self.wire, &out);
                if let Some(outlet) = &mut self.outlet {
                    assert!(outlet.flush().is_empty(), "the writer lives");
                }
            });
            self.worker += timed;
            for (to, bytes) in out {
                self.world.deliver(to, &bytes);
            }
        }
    }

    /// Nanoseconds per published packet, of the worker's part.
    fn block(&mut self, rounds: usize) -> f64 {
        (self.worker, self.packets) = (Duration::ZERO, 0);
        for _ in 0..rounds {
            self.round();
        }
        self.worker.as_nanos() as f64 / self.packets as f64
    }

    fn record(&mut self) {
        for session in sessions(&self.world) {
            let command = SessionCommand::Record {
                purpose: Purpose::Shared,
                on: true,
                actor: Actor::App,
            };
            self.world
                .shard
                .handle_command(&session, command, self.world.now)
                .expect("it runs");
        }
    }
}

/// What this thread has used of the processor: others who want it do not count.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(used).expect("it goes forward")
}

fn measure(work: impl FnOnce()) -> Duration {
    let start = used();
    work();
    used() - start
}

fn drain(world: &mut World, mut outlet: Option<&mut Outlet>, out: &mut Vec<(SocketAddr, Vec<u8>)>) {
    while let Some(output) = world.shard.poll_output() {
        match output {
            Output::Datagram { to, bytes } => out.push((to, bytes)),
            Output::Recorded(output) => {
                let outlet = outlet.as_deref_mut().expect("only who is asked to records");
                outlet.push(output).expect("the disk keeps up");
            }
            Output::Append(append) => world.appended.push(*append),
            Output::Signal { conn, frame } => world.hear(conn, &frame),
            Output::CloseSocket { .. }
            | Output::Checkpoints(_)
            | Output::RoomEnded(_)
            | Output::RoomNotOpened(_)
            | Output::Abandoned { .. }
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
        world.publish_all(index, &[MediaKind::Video, MediaKind::Audio]);
        world.run(Millis(20));
    }
    world.run(Millis(500));
    for session in sessions(&world) {
        for who in ["expert", "customer"] {
            let answer = ConsentAnswer {
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
    // The thread that writes lives by the time of the sessions, whose seconds take longer here or less.
    let at = Arc::new(AtomicU64::new(0));
    let clock = {
        let at = at.clone();
        Arc::new(move || Mono::from_millis(at.load(Relaxed)))
    };
    let writer = SegmentWriter::new(
        &dir,
        Box::new(|| true),
        (Box::new(lost), Box::new(|| false)),
        clock,
    )
    .expect("a writer");
    let stats = writer.stats();
    let (mut outlets, thread) = writer
        .start(1, Roll::default().enter("recordings".to_owned()))
        .expect("a thread");
    let mut plain = Bench::new(None);
    let mut recorded = Bench::new(outlets.pop());
    recorded.at = at;
    plain.block(WARM_UP);
    recorded.block(WARM_UP);
    let before = resident();
    recorded.record();
    recorded.block(WARM_UP);
    let (mut without, mut more, mut packets) = (Vec::new(), Vec::new(), 0);
    let written_before = written_for();
    for block in 1..=BLOCKS {
        let plain = plain.block(BLOCK);
        without.push(plain);
        more.push(recorded.block(BLOCK) - plain);
        packets += recorded.packets;
        eprintln!("block {block} of {BLOCKS}");
    }
    let grown = resident().saturating_sub(before);
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (without, worker) = (median(&mut without), median(&mut more));
    let writer = (written_for() - written_before).as_nanos() as f64 / packets as f64;
    let tracks = SESSIONS * 4;
    let written = stats.bytes.load(Relaxed);
    println!("{SESSIONS} one-to-one sessions, {tracks} recorded tracks, {written} bytes written");
    println!("CPU per published packet: forwarding {without:.0} ns");
    for (what, more) in [
        ("the worker's part", worker),
        ("the thread that writes", writer),
        ("in all", worker + writer),
    ] {
        let percent = more / without * 100.0;
        println!("recording, {what}: {more:.0} ns more ({percent:.1} %)");
    }
    println!(
        "memory per recorded track: {} KiB",
        grown / 1_024 / tracks as u64
    );
    drop(recorded.outlet);
    thread.join().expect("the writer ended");
}
