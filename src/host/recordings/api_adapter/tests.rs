//! The files of a finished recording, as they are listed, read and removed.

use super::super::catalogue::Facts;
use super::super::finisher::Finisher;
use super::super::fixture::{ROOMY, Scratch, consents, id, node, segments, write};
use super::super::make::ManifestFacts;
use super::super::pace::{Bell, ProgressBook};
use super::super::place::STORE;
use super::*;
use crate::base::crypto::{SigningKey, hex, sha256};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::runtime::Runtime;

struct Bed {
    scratch: Scratch,
    runtime: Runtime,
    files: RecordingFiles,
}

impl Bed {
    /// A directory with the segments of one recording.
    fn new() -> Bed {
        let scratch = Scratch::new();
        write(scratch.path(), &segments());
        let dir = Dir::open_ambient_dir(scratch.path(), ambient_authority()).unwrap();
        let place = RecordingsDir::new(&dir).unwrap();
        let store = RecordingStore::local(&scratch.path().join(STORE)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        Bed {
            scratch,
            runtime,
            files: RecordingFiles { store, place },
        }
    }

    /// Has it finished.
    fn finish(&self) {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let finisher = Finisher {
            place: self.files.place.clone(),
            store: self.files.store.clone(),
            key: Arc::new(key),
            runtime: self.runtime.handle().clone(),
            progress: ProgressBook::default(),
            bell: Bell::default(),
            clock: None,
            disk: Box::new(|| Ok(ROOMY)),
        };
        let said = ManifestFacts {
            ended_early: None,
            node: node(),
            consents: consents(),
        };
        let facts = Facts {
            said,
            expires: None,
        };
        finisher.finish(&id(), &facts).unwrap();
    }

    fn listing(&self) -> Result<Vec<FinishedFile>, Unreadable> {
        self.runtime.block_on(self.files.listing(&id()))
    }

    fn stored(&self, name: &str) -> PathBuf {
        let store = self.scratch.path().join(STORE);
        store.join(id().to_string()).join(name)
    }

    fn chunk(&self, name: &str, range: std::ops::Range<u64>) -> Result<Option<Bytes>, Unreadable> {
        let piece = Piece {
            id: id(),
            name: name.to_owned(),
            range,
        };
        self.runtime.block_on(self.files.chunk(piece))
    }
}

#[test]
fn every_file_is_listed_with_its_own_length_and_sum_and_those_of_a_person_with_their_name() {
    let bed = Bed::new();
    assert_eq!(bed.listing().unwrap(), [], "it is not finished");
    bed.finish();
    let files = bed.listing().unwrap();
    for name in ["session.webm", "manifest.json", "manifest.jws"] {
        assert!(files.iter().any(|file| file.name == name), "{files:?}");
    }
    for file in &files {
        let content = std::fs::read(bed.stored(&file.name)).unwrap();
        assert_eq!(file.bytes, u64::try_from(content.len()).unwrap());
        assert_eq!(file.sha256, hex(&sha256(&content)), "{}", file.name);
        let of_a_person = file.name.starts_with("participant-");
        assert_eq!(file.identity.is_some(), of_a_person, "{}", file.name);
    }
}

#[test]
fn a_manifest_that_was_touched_is_an_error_and_not_an_empty_recording() {
    let bed = Bed::new();
    bed.finish();
    let path = bed.stored("manifest.jws");
    let signed = std::fs::read(&path).unwrap();
    std::fs::write(&path, &signed[..signed.len() - 9]).unwrap();
    bed.listing().unwrap_err();
}

#[test]
fn a_piece_is_read_from_where_it_begins_to_where_it_ends() {
    let bed = Bed::new();
    bed.finish();
    let content = std::fs::read(bed.stored("session.webm")).unwrap();
    let read = bed.chunk("session.webm", 2..5).unwrap();
    assert_eq!(read.as_deref(), Some(&content[2..5]));
    assert_eq!(bed.chunk("session.mkv", 0..1).unwrap(), None);
    let end = u64::try_from(content.len()).unwrap();
    bed.chunk("session.webm", end + 1..end + 2).unwrap_err();
}

#[test]
fn all_files_and_segments_of_a_recording_are_removed_and_again_is_no_failure() {
    let bed = Bed::new();
    bed.finish();
    write(bed.scratch.path(), &segments());
    let other = bed.scratch.path().join("segments").join("RC_other_shared");
    std::fs::create_dir_all(&other).unwrap();
    let id = id();
    for _ in 0..2 {
        let removing = bed.files.remove(&id);
        bed.runtime.block_on(removing).unwrap();
        assert_eq!(bed.listing().unwrap(), []);
        assert!(!bed.stored("session.webm").exists());
        assert_eq!(bed.files.place.segments(&id).unwrap(), []);
    }
    assert!(other.exists(), "another one stays");
}

#[test]
fn what_a_kill_left_half_put_is_removed_with_the_rest() {
    let bed = Bed::new();
    bed.finish();
    std::fs::write(bed.stored("participant-1.webm#1"), b"half").unwrap();
    let id = id();
    let removing = bed.files.remove(&id);
    bed.runtime.block_on(removing).unwrap();
    assert!(!bed.scratch.path().join(STORE).join(id.to_string()).exists());
}

#[test]
fn a_deletion_comes_to_its_end_though_whoever_asked_for_it_has_gone() {
    let bed = Bed::new();
    bed.finish();
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let place = bed.files.place.clone();
    let note = async move {
        assert_eq!(
            place.doomed().unwrap(),
            [id()],
            "a kill before this would be noticed"
        );
        tell.send(())
            .map_err(|error| DeleteRefusal::Unable(error.to_string()))
    };
    let entered = bed.runtime.enter();
    drop(bed.files.clone().delete(id(), note));
    drop(entered);
    told.recv_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    assert!(!bed.stored("session.webm").exists());
}

#[test]
fn a_deletion_that_the_ledger_has_not_heard_of_is_remembered() {
    let bed = Bed::new();
    bed.finish();
    let at = || bed.files.clone();
    let unheard = async { Err(DeleteRefusal::Unable("the ledger is slow".to_owned())) };
    let deleting = async { at().delete(id(), unheard).await };
    bed.runtime.block_on(deleting).unwrap().unwrap_err();
    assert_eq!(bed.files.place.doomed().unwrap(), [id()]);
    let deleting = async { at().delete(id(), async { Ok(()) }).await };
    bed.runtime.block_on(deleting).unwrap().unwrap();
    assert_eq!(bed.files.place.doomed().unwrap(), []);
}
