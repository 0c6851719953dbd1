//! Recordings from handmade segments to files, cut off at every step, and given back to the disk.

use super::catalogue::{Catalogue, Due, Facts};
use super::check::{Checked, Expected, check};
use super::export::export;
use super::finisher::Finisher;
use super::fixture::{ROOMY, Scratch, consents, id, node, segments, write};
use super::janitor::Janitor;
use super::make::{ManifestFacts, Trouble};
use super::object_store::{RecordingStore, StoredFile};
use super::pace::{Bell, Pace, ProgressBook};
use super::place::{RecordingsDir, STORE};
use crate::base::crypto::SigningKey;
use crate::base::{Mono, Now, RecordingId, RecordingNote, RecordingStep, Unix};
use crate::host::roll::present;
use crate::record::read::Reader;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

mod janitor;
mod room;

/// A directory of recordings, and all that finishes them.
struct Bed {
    scratch: Scratch,
    runtime: Runtime,
    key: Arc<SigningKey>,
}

impl Bed {
    fn new() -> Bed {
        let scratch = Scratch::new();
        write(scratch.path(), &segments());
        std::fs::create_dir_all(scratch.path().join(STORE)).unwrap();
        Bed {
            scratch,
            runtime: tokio::runtime::Builder::new_multi_thread().build().unwrap(),
            key: Arc::new(SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()),
        }
    }

    fn finisher(&self) -> Finisher {
        let dir = Dir::open_ambient_dir(self.scratch.path(), ambient_authority()).unwrap();
        Finisher {
            place: RecordingsDir::new(&dir).unwrap(),
            store: RecordingStore::local(&self.scratch.path().join(STORE)).unwrap(),
            key: self.key.clone(),
            runtime: self.runtime.handle().clone(),
            progress: ProgressBook::default(),
            bell: Bell::default(),
            clock: None,
            disk: Box::new(|| Ok(ROOMY)),
        }
    }

    fn finish(&self) -> Result<RecordingNote, Trouble> {
        self.finisher().finish(&id(), &facts())
    }

    fn segments(&self) -> PathBuf {
        self.scratch.path().join("segments").join(id().to_string())
    }

    fn stored(&self) -> PathBuf {
        self.scratch.path().join(STORE).join(id().to_string())
    }

    /// Name and content of every finished file, but for the signature, which holds the key's name.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.stored())
            .unwrap()
            .map(Result::unwrap);
        let named = entries.map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        });
        let mut files: Vec<_> = named.filter(|(name, _)| name != "manifest.jws").collect();
        files.sort();
        files
    }

    /// Everything is as it is after one attempt without any disturbance.
    fn check(&self, note: &RecordingNote) {
        assert_eq!(note.step, RecordingStep::Ready);
        assert!(!self.segments().exists());
        let names: Vec<String> = self.files().into_iter().map(|(name, _)| name).collect();
        let all = [
            "manifest.json",
            "participant-1.webm",
            "participant-2.webm",
            "poster.webp",
            "session.webm",
        ];
        assert_eq!(names, all);
        let store = self.finisher().store;
        let finished = self.runtime.block_on(store.finished(&id()));
        let (_, files) = finished.unwrap().unwrap();
        for file in &files {
            let bytes = std::fs::read(self.stored().join(&file.name)).unwrap();
            assert_eq!(*file, StoredFile::of(&file.name, &bytes));
        }
        let result = note.result.as_ref().unwrap();
        let media = files
            .iter()
            .filter(|file| !file.name.starts_with("manifest"));
        assert_eq!(
            (result.bytes, result.files),
            (media.map(|file| file.bytes).sum(), 4)
        );
        assert_eq!(result.duration_ms.0, 6_000);
        assert_eq!(result.expires_unix_ms, Some(Unix(1_900_000_000_000)));
        assert_eq!(result.manifest_sha256, files[4].sha256);
    }
}

fn facts() -> Facts {
    let said = ManifestFacts {
        node: node(),
        ended_early: None,
        consents: consents(),
    };
    let expires = Some(Unix(1_900_000_000_000));
    Facts { said, expires }
}

#[test]
fn segments_become_files_with_a_signed_manifest() {
    let bed = Bed::new();
    let note = bed.finish().unwrap();
    bed.check(&note);
    let store = bed.finisher().store;
    let verified = bed
        .runtime
        .block_on(store.manifest(&id()))
        .unwrap()
        .unwrap();
    assert_eq!(verified.public, bed.key.public());
    let manifest = verified.manifest;
    assert_eq!(
        (manifest.node.clone(), manifest.consents.clone()),
        (node(), consents())
    );
    let people: Vec<(&str, &str, u64)> = manifest
        .participants
        .iter()
        .map(|p| (p.identity.as_str(), p.file.as_str(), p.offset_ms.0))
        .collect();
    let expected = [
        ("anna", "participant-1.webm", 0),
        ("bert", "participant-2.webm", 500),
    ];
    assert_eq!(people, expected);
    let camera = &manifest.participants[0].tracks[0];
    let [published] = &camera.publications[..] else {
        panic!("one publication: {:?}", camera.publications);
    };
    let [first, last] = &camera.intervals_ms[..] else {
        panic!("two intervals: {:?}", camera.intervals_ms);
    };
    assert_eq!(
        (published.span_ms.start_ms, published.span_ms.end_ms),
        (first.start_ms, last.end_ms)
    );
    assert!(published.track.as_str().starts_with("TR_"), "{published:?}");
    assert!(
        published.participant.as_str().starts_with("PA_"),
        "{published:?}"
    );
    assert_eq!(manifest.participants[0].tracks[1].filled_ms.0, 1_000);
    for (name, bytes) in bed
        .files()
        .iter()
        .filter(|(name, _)| name.ends_with("webm"))
    {
        let mut reader = Reader::new(&bytes[..]).unwrap();
        while reader.next_block().unwrap().is_some() {}
        assert!(reader.damage().is_none(), "{name}");
    }
}

#[test]
fn what_is_cut_off_anywhere_is_done_by_the_next_attempt() {
    let whole = Bed::new();
    whole.check(&whole.finish().unwrap());
    // A clock that is read at every point at which work may stop, and that rings at the n-th.
    let mut cut_off = 0;
    for stop_at in 0..2_000 {
        let bed = Bed::new();
        let mut finisher = bed.finisher();
        let (bell, read) = (finisher.bell.clone(), AtomicU64::new(0));
        finisher.clock = Some(Arc::new(move || {
            if read.fetch_add(1, Relaxed) == stop_at {
                bell.stop();
            }
            Mono::ZERO
        }));
        match finisher.finish(&id(), &facts()) {
            Err(Trouble::Interrupted(_)) => cut_off += 1,
            Ok(note) => {
                bed.check(&note);
                break;
            }
            Err(trouble) => panic!("{trouble:#}"),
        }
        let note = bed.finish().unwrap();
        bed.check(&note);
        let (ours, theirs) = (bed.files(), whole.files());
        assert_eq!(ours, theirs, "cut off at {stop_at}");
    }
    assert!(cut_off > 20, "{cut_off}");
}

#[test]
fn a_kill_between_the_steps_leaves_nothing_that_is_not_repaired() {
    type Damage = fn(&Bed);
    let after_made: &[Damage] = &[
        // Killed amid a file: there is no manifest.
        |bed| {
            let finish = bed.segments().join("finish");
            std::fs::remove_file(finish.join("manifest.jws")).unwrap();
            std::fs::write(finish.join("session.webm"), b"half").unwrap();
        },
        // Killed amid the manifest.
        |bed| std::fs::write(bed.segments().join("finish/manifest.jws"), b"e30.e").unwrap(),
        // Killed amid storing: the first file is there, the second is half there.
        |bed| {
            std::fs::create_dir_all(bed.stored()).unwrap();
            let finish = bed.segments().join("finish");
            let name = "participant-1.webm";
            std::fs::copy(finish.join(name), bed.stored().join(name)).unwrap();
            std::fs::write(bed.stored().join("participant-2.webm"), b"half").unwrap();
        },
        // Killed amid a file that has no name yet.
        |bed| {
            std::fs::create_dir_all(bed.stored()).unwrap();
            for name in ["participant-1.webm#1", "session.webm#12"] {
                std::fs::write(bed.stored().join(name), b"half").unwrap();
            }
        },
        |_| {},
    ];
    for damage in after_made {
        let bed = Bed::new();
        let finisher = bed.finisher();
        let mut pace = Pace::new(&id(), &finisher.progress, &finisher.bell, None);
        finisher.make(&id(), &facts(), &mut pace).unwrap();
        damage(&bed);
        bed.check(&bed.finish().unwrap());
    }
    let after_shelved: &[Damage] = &[
        // Killed before the first segment is removed, amid that, and before the ledger is told.
        |_| {},
        |bed| std::fs::remove_file(bed.segments().join("000001.mkv")).unwrap(),
        |bed| std::fs::remove_dir_all(bed.segments().join("finish")).unwrap(),
        |bed| std::fs::remove_dir_all(bed.segments()).unwrap(),
    ];
    for damage in after_shelved {
        let bed = Bed::new();
        let finisher = bed.finisher();
        let mut pace = Pace::new(&id(), &finisher.progress, &finisher.bell, None);
        let verified = finisher.make(&id(), &facts(), &mut pace).unwrap();
        finisher.store_all(&id(), &verified, &mut pace).unwrap();
        damage(&bed);
        bed.check(&bed.finish().unwrap());
    }
}

#[test]
fn of_broken_segments_what_can_be_read_is_kept_and_the_rest_is_told() {
    let bed = Bed::new();
    let dir = bed.segments();
    let cut = std::fs::read(dir.join("000001.mkv")).unwrap();
    std::fs::write(dir.join("000001.mkv"), &cut[..cut.len() - 5]).unwrap();
    std::fs::write(dir.join("000002.mkv"), b"garbage").unwrap();
    std::fs::write(dir.join("000006.mkv"), b"").unwrap();
    assert_eq!(bed.finish().unwrap().step, RecordingStep::Ready);
    let store = bed.finisher().store;
    let verified = bed
        .runtime
        .block_on(store.manifest(&id()))
        .unwrap()
        .unwrap();
    let losses = verified.manifest.losses;
    assert_eq!((losses.segments, losses.cut, losses.places), (2, 1, 0));
}

#[test]
fn what_belongs_to_another_recording_is_left_out() {
    let bed = Bed::new();
    let path = bed.segments().join("000003.mkv");
    let bert = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("shared");
    assert!(bert);
    let other: Vec<u8> = std::fs::read(&path).unwrap();
    let at = other.windows(6).position(|w| w == b"shared").unwrap();
    let mut other = other;
    other[at..at + 6].copy_from_slice(b"qa\0\0\0\0");
    std::fs::write(&path, other).unwrap();
    bed.finish().unwrap();
    assert!(!bed.stored().join("participant-2.webm").exists());
}

#[test]
fn without_one_whole_frame_it_has_failed() {
    let bed = Bed::new();
    for entry in std::fs::read_dir(bed.segments()).unwrap() {
        std::fs::write(entry.unwrap().path(), b"").unwrap();
    }
    let note = bed.finish().unwrap();
    assert_eq!(note.step, RecordingStep::Failed);
    assert_eq!(
        note.reason.as_deref(),
        Some("not one whole frame was recorded")
    );
}

/// A ledger of closures.
#[derive(Clone, Default)]
struct Book {
    unfinished: Arc<Mutex<Vec<RecordingId>>>,
    due: Arc<Mutex<Vec<Due>>>,
    notes: Arc<Mutex<Vec<RecordingNote>>>,
    written: Arc<Mutex<bool>>,
}

impl Book {
    fn catalogue(&self) -> Catalogue {
        let [one, two, three] = [self.clone(), self.clone(), self.clone()];
        let written = self.written.clone();
        Catalogue {
            unfinished: Box::new(move |()| Ok(one.unfinished.lock().unwrap().clone())),
            facts: Box::new(|_| Ok(facts())),
            due: Box::new(move |_| Ok(two.due.lock().unwrap().clone())),
            note: Box::new(move |note| {
                three.unfinished.lock().unwrap().retain(|id| *id != note.id);
                let mut due = three.due.lock().unwrap();
                due.retain(|due| due.id != note.id || note.step != RecordingStep::Deleted);
                due.iter_mut()
                    .for_each(|due| due.settled |= due.id == note.id);
                three.notes.lock().unwrap().push(note);
                Ok(())
            }),
            is_written: Box::new(move |_| *written.lock().unwrap()),
            forget: Box::new(|_| {}),
        }
    }
}

#[test]
fn the_janitor_finishes_what_is_written_to_its_end_tries_again_and_deletes_in_time() {
    let bed = Bed::new();
    let (book, now_ms) = (Book::default(), Arc::new(AtomicU64::new(0)));
    let read = now_ms.clone();
    let clock = move || Now {
        mono: Mono::from_millis(read.load(Relaxed)),
        unix: Unix(1_800_000_000_000),
    };
    let mut janitor = Janitor::new(bed.finisher(), book.catalogue(), Arc::new(clock));
    book.unfinished.lock().unwrap().push(id());
    *book.written.lock().unwrap() = true;
    assert!(!janitor.round(), "the writer is not done with it");
    *book.written.lock().unwrap() = false;
    // A file in the place of its directory: it cannot be stored.
    std::fs::write(bed.stored(), b"").unwrap();
    assert!(janitor.round());
    assert!(!janitor.round(), "it waits");
    assert!(bed.segments().exists() && !bed.segments().join("finish").exists());
    std::fs::remove_file(bed.stored()).unwrap();
    now_ms.store(5_000, Relaxed);
    assert!(janitor.round());
    bed.check(&book.notes.lock().unwrap()[0]);
    assert!(!janitor.round());
    book.due.lock().unwrap().push(Due {
        id: id(),
        settled: true,
        asked: false,
    });
    assert!(janitor.round());
    let notes = book.notes.lock().unwrap().clone();
    assert_eq!((notes.len(), notes[1].step), (2, RecordingStep::Deleted));
    assert_eq!(notes[1].reason.as_deref(), Some("retention"));
    assert!(!bed.stored().join("session.webm").exists());
}

#[test]
fn a_keeper_that_is_stopped_stops() {
    let bed = Bed::new();
    let book = Book::default();
    book.unfinished.lock().unwrap().push(id());
    let clock = || Now {
        mono: Mono::ZERO,
        unix: Unix(0),
    };
    let janitor = Janitor::new(bed.finisher(), book.catalogue(), Arc::new(clock));
    janitor.start(present()).unwrap().stop();
    // However far it came: the next one does the rest, or it was done.
    let note = bed.finish().unwrap();
    bed.check(&note);
}

/// Checks what is in the store against the key of the node.
fn checked(bed: &Bed) -> Checked {
    let known = Expected {
        public: Some(bed.key.public().to_vec()),
        id: Some(id()),
        manifest_sha256: None,
    };
    check(&bed.stored(), &known, &mut |_| {}).unwrap()
}

#[test]
fn a_flipped_byte_in_any_file_is_found_and_named() {
    let bed = Bed::new();
    bed.finish().unwrap();
    let mut read = 0;
    let known = Expected::default();
    let whole = check(&bed.stored(), &known, &mut |bytes| read += bytes).unwrap();
    assert!(whole.is_whole() && !whole.key_known, "{:?}", whole.faults);
    assert!(checked(&bed).key_known);
    assert_eq!(whole.good.len(), 4);
    assert_eq!(read, whole.good.iter().map(|good| good.bytes).sum::<u64>());
    let mut names: Vec<String> = bed.files().into_iter().map(|(name, _)| name).collect();
    names.push("manifest.jws".to_owned());
    for name in names {
        let path = bed.stored().join(&name);
        let before = std::fs::read(&path).unwrap();
        for at in [0, before.len() / 2, before.len() - 1] {
            let mut bytes = before.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let faults = checked(&bed).faults;
            assert_eq!(
                (faults.len(), &faults[0].file),
                (1, &name),
                "{at}: {faults:?}"
            );
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(checked(&bed).faults[0].file, name);
        std::fs::write(&path, before).unwrap();
    }
    assert!(checked(&bed).is_whole());
}

#[test]
fn another_key_another_recording_and_another_manifest_are_found() {
    let bed = Bed::new();
    let note = bed.finish().unwrap();
    let right = Expected {
        public: Some(bed.key.public().to_vec()),
        id: Some(id()),
        manifest_sha256: note.result.map(|result| result.manifest_sha256),
    };
    let faults = |known: &Expected| check(&bed.stored(), known, &mut |_| {}).unwrap().faults;
    assert_eq!(faults(&right), []);
    let (session, purpose) = (id().session().clone(), crate::base::Purpose::Qa);
    for wrong in [
        Expected {
            public: Some(vec![7; 32]),
            ..right.clone()
        },
        Expected {
            id: Some(RecordingId::new(session, purpose)),
            ..right.clone()
        },
        Expected {
            manifest_sha256: Some("00".repeat(32)),
            ..right.clone()
        },
    ] {
        let found = faults(&wrong);
        assert_eq!((found.len(), found[0].file.as_str()), (1, "manifest.jws"));
    }
}

#[test]
fn an_export_is_a_whole_copy_and_overwrites_nothing() {
    let bed = Bed::new();
    bed.finish().unwrap();
    let out = Scratch::new();
    let to = out.path().join("evidence").join(id().to_string());
    let copy = |force| export(&bed.stored(), &to, force, &Expected::default(), &mut |_| {});
    assert!(copy(false).unwrap().is_whole());
    let refused = format!("{:#}", copy(false).unwrap_err());
    assert!(refused.contains("--force"), "{refused}");
    std::fs::write(to.join("session.webm"), b"changed").unwrap();
    assert!(
        !check(&to, &Expected::default(), &mut |_| {})
            .unwrap()
            .is_whole()
    );
    assert!(copy(true).unwrap().is_whole());
    let names = std::fs::read_dir(&to).unwrap().count();
    assert_eq!(names, 6);
}
