//! Directories and recordings for tests on real files.

use crate::base::{Actor, Consent, ConsentState, Identity, NodeId, Purpose, RecordingId};
use crate::base::{SessionId, Unix};
use crate::host::space::Disk;
use crate::host::store::fixture::running;
use crate::host::store::job::Job;
use crate::host::store::pending::Confirmed;
use crate::host::store::running::RunningStore;
use crate::record::fixture::{VP8, camera, microphone};
use crate::record::manifest::ConsentAt;
use crate::usage::ledger::fixture::recorded;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of its own for each test, removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("beistand-recordings-{process}-{number}"));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory of the temporary directory that stays behind breaks nothing.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A disk on which anything finds its place.
pub const ROOMY: Disk = Disk {
    free_bytes: u64::MAX,
    bytes: u64::MAX,
};

/// The recording of the segments in `record::fixture`.
pub fn id() -> RecordingId {
    RecordingId::new(SessionId::from("SE_abcDEF012345"), Purpose::Shared)
}

pub fn node() -> NodeId {
    NodeId::from("ND_test")
}

/// A call of two: anna comes back after a second, bert has no camera.
pub fn segments() -> Vec<Vec<u8>> {
    vec![
        camera("anna", &VP8, (0, 3_000)),
        microphone("anna", (0, 3_000)),
        microphone("bert", (500, 6_000)),
        camera("anna", &VP8, (4_000, 6_000)),
        microphone("anna", (4_000, 6_000)),
    ]
}

/// Writes segments as the recorder's thread does.
pub fn write(recordings: &Path, segments: &[Vec<u8>]) {
    let dir = recordings.join("segments").join(id().to_string());
    std::fs::create_dir_all(&dir).unwrap();
    for (number, segment) in (1..).zip(segments) {
        std::fs::write(dir.join(format!("{number:06}.mkv")), segment).unwrap();
    }
}

/// What was said about the recording.
pub fn consents() -> Vec<ConsentAt> {
    let said = |identity: &str| ConsentAt {
        at_unix_ms: Unix(1_800_000_000_000),
        consent: Consent {
            identity: Identity::from(identity),
            purpose: Purpose::Shared,
            state: ConsentState::Given,
            actor: Actor::Participant,
            wording: "v1".to_owned(),
        },
    };
    vec![said("anna"), said("bert")]
}

/// A ledger with so many entries of a life in which [`id`] is recorded, on disk.
pub fn ledger(dir: &Path, entries: usize) -> (RunningStore, Confirmed) {
    let (store, ledger, _) = running(dir);
    for append in recorded(id().session().as_str()).into_iter().take(entries) {
        store.handle().send(Job::Append(Box::new(append))).unwrap();
    }
    let flushed = ledger.send(crate::api::Work::Flush).unwrap();
    flushed.blocking_recv().unwrap();
    (store, ledger)
}
