//! What the ledger costs: from an append to the disk, in bytes an entry, and at the start of a node and for
//! `beistand usage --session` with many entries. The last two are measured on the binary, with nothing of the
//! file in memory and all events pending for an endpoint that the node knows; the figures of a ledger of a
//! thousand entries stand beside them.
//!
//! `cargo bench --bench ledger -- --entries 10000000` (1,000,000 without; ten million take a quarter of an hour to
//! make, and 20 GB of disk).

use beistand::base::{Identity, Millis, Mono, Now, Role, SessionId, Unix};
use beistand::base::{Inherited, Rng};
use beistand::host::clock::Clock;
use beistand::host::store::{Hooks, Job, RunningStore, Store, StoreConfig, StoreReply};
use beistand::node::billing::{Billing, Join, Opening};
use beistand::session::Policy;
use beistand::usage::{Append, SessionFacts};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Appends whose way to the disk is measured, one after the other.
const APPENDS: usize = 1_000;
/// Entries of a small ledger, to compare with.
const FEW: u64 = 1_000;
/// Leaves and joins of a session of the long ledger.
const ROUNDS: u64 = 8;
/// Jobs that are queued at most while a ledger is made.
const QUEUED: usize = 2_000;

/// How long something took.
struct Stopwatch(Clock);

impl Stopwatch {
    fn new() -> Stopwatch {
        Stopwatch(Clock::new())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.now().mono.micros())
    }
}

/// A session in virtual time.
struct Life {
    billing: Billing,
    now: Now,
}

impl Life {
    fn new(session: &str, unix: u64) -> Life {
        let now = Now {
            mono: Mono::from_millis(1),
            unix: Unix(unix),
        };
        let facts = SessionFacts::new(
            SessionId::from(session),
            "ND_bench0000001".into(),
            beistand::base::RoomKey::of_keys("bench"),
            "RM_bench0000001".into(),
            "default".into(),
        );
        let opening = Opening {
            facts,
            policy: Policy::default(),
            inherited: Inherited::default(),
        };
        let mut life = Life {
            billing: Billing::new(opening, now),
            now,
        };
        life.join("erika", Role::Expert);
        life.join("karl", Role::Customer);
        life.pass(1_000);
        life
    }

    fn join(&mut self, who: &str, role: Role) {
        let join = Join {
            identity: Identity::from(who),
            sid: format!("PA_{who}").into(),
            role: Some(role),
            counts: true,
        };
        self.billing.handle_connected(join, self.now);
    }

    /// Both are heard all the time.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 200 {
            self.now.mono = self.now.mono + Millis(200);
            self.now.unix.0 += 200;
            for who in ["erika", "karl"] {
                let at = self.now.mono;
                self.billing.handle_evidence(&who.into(), at, self.now);
            }
            self.billing.handle_timeout(self.now);
        }
    }

    /// The customer goes and comes back: two intervals more.
    fn round(&mut self) {
        self.billing.handle_left(&"karl".into(), true, self.now);
        self.pass(400);
        self.join("karl", Role::Customer);
        self.pass(400);
    }

    fn appends(&mut self) -> Vec<Append> {
        std::iter::from_fn(|| self.billing.poll_output()).collect()
    }
}

/// A ledger that runs, and what it answers.
struct Ledger {
    store: RunningStore,
    replies: Receiver<StoreReply>,
}

impl Ledger {
    fn open(dir: &Path) -> Ledger {
        let clock = Clock::new();
        let read = Arc::new(move || clock.now());
        let config = StoreConfig {
            dir: dir.to_path_buf(),
            node: None,
            endpoints: vec![Arc::from("app")],
            ballast_bytes: 0,
        };
        let (store, _) = Store::open(&config, clock.now()).expect("a ledger");
        let (reply, replies) = sync_channel(1_000_000);
        let store = store.start(Hooks {
            on_reply: Box::new(move |told| reply.send(told).expect("someone listens")),
            on_fatal: Box::new(|fatal| panic!("{fatal}")),
            on_commit: Box::new(|_| {}),
            clock: read,
        });
        Ledger {
            store: store.expect("a thread"),
            replies,
        }
    }

    fn append(&self, append: Append) {
        let job = Job::Append(Box::new(append));
        self.store.handle().send(job).expect("there is a place");
    }
}

fn main() {
    let mut words = std::env::args().skip_while(|word| word != "--entries");
    let asked = words
        .nth(1)
        .map(|n| n.parse().expect("--entries is a number"));
    let quick = std::env::args().any(|word| word == "--test");
    let entries: u64 = asked.unwrap_or(if quick { 2_000 } else { 1_000_000 });
    let home = std::env::temp_dir().join(format!("beistand-bench-ledger-{}", std::process::id()));
    let dirs = ["few", "many"].map(|name| home.join(name));
    bytes_an_entry(if quick { 100 } else { 10_000 });
    way_to_the_disk(&home.join("way"));
    let sessions = [make(&dirs[0], FEW), make(&dirs[1], entries)];
    for (dir, (session, count)) in dirs.iter().zip(&sessions) {
        let bytes = std::fs::metadata(dir.join("ledger.sqlite")).map_or(0, |file| file.len());
        forget(dir);
        let usage = usage(dir, session);
        forget(dir);
        let starts = ["app", "other"].map(|endpoint| start(dir, endpoint));
        println!(
            "{count} entries, {} MB: usage --session {usage:.0?}, start {:.0?}, again with another endpoint {:.0?}",
            bytes / 1_000_000,
            starts[0],
            starts[1],
        );
    }
    std::fs::remove_dir_all(&home).expect("it was made here");
}

/// Of a session with more and more intervals.
fn bytes_an_entry(most: u64) {
    let mut life = Life::new("SE_bench", 1_800_000_000_000);
    let mut intervals = 0;
    let mut next = 10;
    while intervals < most {
        drop(life.appends());
        life.round();
        intervals += 2;
        if intervals >= next {
            let sizes = life.appends().into_iter().flat_map(|append| {
                let entry = serde_json::to_vec(&append.entry).expect("JSON").len();
                let events = append.events.iter().map(|event| event.body.len());
                [(entry, events.max().unwrap_or(0))]
            });
            let (entry, event) = sizes.fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
            println!("{intervals} intervals: at most {entry} bytes an entry, {event} an event");
            next *= 10;
        }
    }
}

/// From the queue to the disk, one at a time.
fn way_to_the_disk(dir: &Path) {
    let ledger = Ledger::open(dir);
    let mut took: Vec<Duration> = Vec::new();
    let mut number = 0;
    while took.len() < APPENDS {
        let mut life = Life::new(&format!("SE_way{number}"), 1_800_000_000_000);
        life.round();
        for append in life.appends() {
            let asked = Stopwatch::new();
            ledger.append(append);
            ledger.replies.recv().expect("it is written");
            took.push(asked.elapsed());
        }
        number += 1;
    }
    took.sort_unstable();
    let (half, most) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("append to durable: median {half:.1?}, p99 {most:.1?} (10 ms of it wait for company)");
    ledger.store.close();
}

/// A ledger of so many entries; answers one of its sessions, and how many there are.
fn make(dir: &Path, entries: u64) -> (String, u64) {
    let ledger = Ledger::open(dir);
    let (mut made, mut written, mut number) = (0_u64, 0_u64, 0_u64);
    let mut rng = Rng::from_seed(1);
    let mut session = String::new();
    while made < entries {
        session = format!("SE_{}", rng.alphanumeric(12));
        let mut life = Life::new(&session, 1_790_000_000_000 + number * 20_000);
        (0..ROUNDS).for_each(|_| life.round());
        let end = beistand::base::EndReason::EndedByApi;
        life.billing.handle_end(end, life.now);
        for append in life.appends() {
            ledger.append(append);
            made += 1;
            while made - written > QUEUED as u64 {
                ledger.replies.recv().expect("it is written");
                written += 1;
            }
        }
        number += 1;
    }
    ledger.store.close();
    (session, made)
}

fn binary(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beistand"));
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command.current_dir(dir);
    command
}

fn usage(dir: &Path, session: &str) -> Duration {
    let asked = Stopwatch::new();
    let mut command = binary(dir);
    let data = dir.display().to_string();
    command.args(["usage", "--json", "--session", session, "--data", &data]);
    let told = command.output().expect("the binary runs").stdout;
    assert!(
        String::from_utf8_lossy(&told).contains(session),
        "it knows the session"
    );
    asked.elapsed()
}

/// Drops what the operating system keeps of the file in memory.
fn forget(dir: &Path) {
    let file = format!("if={}", dir.join("ledger.sqlite").display());
    let mut dd = Command::new("dd");
    dd.args([file.as_str(), "iflag=nocache", "count=0"])
        .stderr(Stdio::null());
    assert!(dd.status().expect("dd runs").success());
}

/// From its start, with this endpoint for events, to the line that says where it is.
fn start(dir: &Path, endpoint: &str) -> Duration {
    let config = dir.join("beistand.toml");
    let text = format!(
        "[data]\ndir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\n\
         [rtc]\nudp_bind = \"127.0.0.1:0\"\n[keys]\nbench = \"{}\"\n\
         [[webhooks.endpoints]]\nname = {endpoint:?}\nurl = \"http://127.0.0.1:1/\"\nallow_http = true\n\
         allow_private = true\n\
         secret = \"whsec_{}\"\n",
        dir.display(),
        "k".repeat(40),
        "a".repeat(44),
    );
    std::fs::write(&config, text).expect("it is written");
    let asked = Stopwatch::new();
    let mut command = binary(dir);
    command.args(["serve", "--print-ports", "json", "--config"]);
    let mut node = command
        .arg(config)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = node.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let took = asked.elapsed();
    assert!(line.contains("http"), "it is ready: {line}");
    node.kill().expect("it runs");
    node.wait().expect("it has ended");
    took
}
