//! A recording from the ledger's stop entry to the command line, on real files.

use super::super::catalogue::Catalogue;
use super::super::finisher::Finisher;
use super::super::fixture::{ROOMY, id, ledger, segments, write};
use super::super::janitor::Janitor;
use super::super::key::NodeKey;
use super::super::object_store::RecordingStore;
use super::super::pace::{Bell, ProgressBook};
use super::super::place::{RecordingsDir, STORE};
use super::super::start::open;
use super::super::writer::Writing;
use super::inspect;
use crate::base::Mono;
use crate::base::crypto::hex;
use crate::host::cli::{Command, Exit};
use crate::host::clock::Clock;
use crate::host::store::fixture::Dir;
use crate::host::store::pending::Confirmed;
use crate::host::store::running::RunningStore;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A node's data, with a ledger that is open.
struct Bench {
    dir: Dir,
    /// Runs as long as the bench stands.
    _store: RunningStore,
    ledger: Confirmed,
    runtime: Runtime,
}

impl Bench {
    /// A session is over in which the segments of the fixture were recorded.
    fn new() -> Bench {
        let dir = Dir::new();
        let (store, ledger) = ledger(&dir.0, 12);
        write(&dir.0.join("recordings"), &segments());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_time()
            .build()
            .unwrap();
        Bench {
            dir,
            _store: store,
            ledger,
            runtime,
        }
    }

    /// A janitor does all that there is to do.
    fn keep(&self) {
        let _inside = self.runtime.enter();
        let at = self.dir.0.join("recordings");
        let place = RecordingsDir::new(&open(&at).unwrap()).unwrap();
        let finisher = Finisher {
            place,
            store: RecordingStore::local(&at.join(STORE)).unwrap(),
            key: Arc::new(NodeKey::open(&self.dir.0).unwrap().signing),
            runtime: self.runtime.handle().clone(),
            progress: ProgressBook::default(),
            bell: Bell::default(),
            clock: Some(Arc::new(|| Mono::ZERO)),
            disk: Box::new(|| Ok(ROOMY)),
        };
        let ledger = self.ledger.clone();
        let catalogue = Catalogue::of(self.dir.0.clone(), ledger, Writing::default(), Vec::new());
        let clock = Clock::new();
        let mut janitor = Janitor::new(finisher, catalogue, Arc::new(move || clock.now()));
        // In a test on a thread of a runtime the ledger could not be waited for.
        std::thread::spawn(move || while janitor.round() {})
            .join()
            .unwrap();
    }

    fn say(&self, words: &[&str]) -> anyhow::Result<(String, Exit)> {
        let data = self.dir.0.to_str().unwrap();
        let line = [&["beistand", "recordings"], words, &["--data", data]].concat();
        let command = crate::host::cli::parse(line).unwrap();
        let Command::Recordings(command) = command else {
            panic!("{words:?}");
        };
        inspect(&command)
    }
}

#[test]
fn a_recording_is_finished_listed_shown_checked_and_exported() {
    let bench = Bench::new();
    let id = id().to_string();
    let (listed, _) = bench.say(&["list"]).unwrap();
    assert!(
        listed.contains(&format!("{id}  room-")) && listed.contains("finishing"),
        "{listed}"
    );
    let refused = format!("{:#}", bench.say(&["verify", &id]).unwrap_err());
    assert!(
        refused.contains("is finishing: it has no files"),
        "{refused}"
    );
    bench.keep();

    let (listed, _) = bench.say(&["list", "--json"]).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["state"], &listed[0]["duration_ms"]),
        (&"ready".into(), &6_000.into())
    );
    assert_eq!(
        bench
            .say(&["list", "--session", "SE_other", "--json"])
            .unwrap()
            .0,
        "[]\n"
    );
    let (shown, _) = bench.say(&["show", &id]).unwrap();
    for says in [
        "participant-2.webm",
        "erika  given by participant",
        "in it     anna (expert)",
    ] {
        assert!(shown.contains(says), "{says}: {shown}");
    }
    assert!(!shown.contains('\x1b'), "no colours but in a terminal");

    let (checked, exit) = bench.say(&["verify", &id]).unwrap();
    assert_eq!(exit, Exit::Ok, "{checked}");
    let key = NodeKey::read(&bench.dir.0)
        .unwrap()
        .unwrap()
        .signing
        .public();
    assert!(checked.contains("the key that was expected") && checked.contains(&hex(&key)));
    let out = Dir::new();
    let to = out.0.to_str().unwrap();
    let (exported, exit) = bench.say(&["export", &id, "--to", to]).unwrap();
    assert_eq!(exit, Exit::Ok, "{exported}");
    assert!(
        bench.say(&["export", &id, "--to", to]).is_err(),
        "it overwrites nothing"
    );
    let copy = out.0.join(&id);
    let given = ["verify", copy.to_str().unwrap(), "--public-key", &hex(&key)];
    assert_eq!(bench.say(&given).unwrap().1, Exit::Ok);
    std::fs::write(copy.join("poster.webp"), b"other").unwrap();
    let (checked, exit) = bench.say(&given).unwrap();
    assert_eq!(exit, Exit::Failed);
    assert!(
        checked.contains("FAULT  poster.webp: it has 5 bytes"),
        "{checked}"
    );
}

#[test]
fn what_is_no_recording_is_said_in_words() {
    let bench = Bench::new();
    for (words, says) in [
        (&["show", "RC_x"][..], "is no id of a recording"),
        (&["show", "RC_x_qa"], "has no recording RC_x_qa"),
        (&["verify", "/nonexistent"], "is no directory"),
        (
            &["verify", "/", "--public-key", "abc"],
            "64 hexadecimal digits",
        ),
    ] {
        let refused = format!("{:#}", bench.say(words).unwrap_err());
        assert!(refused.contains(says), "{refused}");
    }
}
