//! What the janitor does with recordings that cannot be finished, and with those whose time has come.

use super::super::janitor::{MAX_PANICS, MAX_TRIES};
use super::*;

/// A janitor on a bed, with a clock that is moved by hand.
struct Scene {
    bed: Bed,
    book: Book,
    now_ms: Arc<AtomicU64>,
}

impl Scene {
    fn new() -> Scene {
        let book = Book::default();
        book.unfinished.lock().unwrap().push(id());
        Scene {
            bed: Bed::new(),
            book,
            now_ms: Arc::default(),
        }
    }

    fn janitor(&self, catalogue: Catalogue) -> Janitor {
        let read = self.now_ms.clone();
        let clock = move || Now {
            mono: Mono::from_millis(read.load(Relaxed)),
            unix: Unix(1_800_000_000_000),
        };
        Janitor::new(self.bed.finisher(), catalogue, Arc::new(clock))
    }

    /// One round after all waits are over.
    fn round(&self, janitor: &mut Janitor) -> bool {
        self.now_ms.fetch_add(300_000, Relaxed);
        janitor.round()
    }

    fn due(&self, settled: bool) {
        self.book.due.lock().unwrap().push(Due {
            id: id(),
            settled,
            asked: false,
        });
    }

    fn notes(&self) -> Vec<(RecordingStep, String)> {
        let notes = self.book.notes.lock().unwrap();
        let told = notes
            .iter()
            .map(|note| (note.step, note.reason.clone().unwrap_or_default()));
        told.collect()
    }

    /// Nothing of it is on the disk any more.
    fn is_empty(&self) -> bool {
        let stored = std::fs::read_dir(self.bed.stored()).map_or(0, Iterator::count);
        !self.bed.segments().exists() && stored == 0
    }
}

fn deleted() -> (RecordingStep, String) {
    (RecordingStep::Deleted, "retention".to_owned())
}

fn failed(reason: &str) -> (RecordingStep, String) {
    (RecordingStep::Failed, reason.to_owned())
}

#[test]
fn a_recording_that_failed_is_deleted_when_its_time_has_come() {
    let scene = Scene::new();
    let mut janitor = scene.janitor(scene.book.catalogue());
    for entry in std::fs::read_dir(scene.bed.segments()).unwrap() {
        std::fs::write(entry.unwrap().path(), b"").unwrap();
    }
    assert!(scene.round(&mut janitor));
    assert!(!scene.round(&mut janitor));
    assert!(scene.bed.segments().exists(), "it may still be of use");
    scene.due(true);
    assert!(scene.round(&mut janitor));
    assert!(scene.is_empty());
    let told = [failed("not one whole frame was recorded"), deleted()];
    assert_eq!(scene.notes(), told);
}

#[test]
fn a_recording_whose_time_comes_before_it_is_finished_is_deleted_and_not_finished() {
    let scene = Scene::new();
    let mut janitor = scene.janitor(scene.book.catalogue());
    *scene.book.written.lock().unwrap() = true;
    scene.due(false);
    assert!(scene.round(&mut janitor));
    assert!(scene.is_empty());
    let told = [failed("its time came before it was finished"), deleted()];
    assert_eq!(scene.notes(), told);
}

#[test]
fn a_deletion_that_the_ledger_does_not_take_is_done_again() {
    let scene = Scene::new();
    let mut catalogue = scene.book.catalogue();
    let (refuse, note) = (Arc::new(Mutex::new(true)), catalogue.note);
    let refused = refuse.clone();
    catalogue.note = Box::new(move |told| {
        let refused = *refused.lock().unwrap() && told.step == RecordingStep::Deleted;
        anyhow::ensure!(!refused, "the ledger is slow");
        note(told)
    });
    let mut janitor = scene.janitor(catalogue);
    scene.due(false);
    assert!(scene.round(&mut janitor));
    assert!(scene.is_empty());
    assert!(!janitor.round(), "it waits");
    *refuse.lock().unwrap() = false;
    assert!(scene.round(&mut janitor));
    let told = [failed("its time came before it was finished"), deleted()];
    assert_eq!(scene.notes(), told);
}

#[test]
fn a_deletion_that_someone_asked_for_and_a_kill_cut_off_is_done_and_told() {
    let scene = Scene::new();
    let mut janitor = scene.janitor(scene.book.catalogue());
    assert!(scene.round(&mut janitor));
    let place = scene.bed.finisher().place;
    place.doom(&id()).unwrap();
    std::fs::remove_file(scene.bed.stored().join("manifest.jws")).unwrap();
    assert!(scene.round(&mut janitor));
    assert!(scene.is_empty());
    let notes = scene.book.notes.lock().unwrap().clone();
    let told = (notes[1].step, notes[1].actor, notes[1].reason.clone());
    let expected = (RecordingStep::Deleted, crate::base::Actor::App, None);
    assert_eq!((notes.len(), told), (2, expected));
    assert!(!scene.round(&mut janitor), "it is done");
}

#[test]
fn what_can_never_be_finished_is_given_up_after_a_day_of_tries() {
    let scene = Scene::new();
    let mut janitor = scene.janitor(scene.book.catalogue());
    // A file in the place of its directory: it can never be stored.
    std::fs::write(scene.bed.stored(), b"").unwrap();
    for _ in 1..MAX_TRIES {
        assert!(scene.round(&mut janitor));
    }
    assert_eq!(scene.notes(), []);
    assert!(scene.round(&mut janitor));
    assert_eq!(
        scene.notes(),
        [failed("its files cannot be made or stored")]
    );
    assert!(!scene.round(&mut janitor), "it is not tried again");
    assert!(!scene.bed.segments().join("finish").exists());
    assert!(scene.bed.segments().exists());
}

#[test]
fn a_full_disk_and_a_silent_ledger_are_waited_for_however_long() {
    let full = || anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let silent = || anyhow::anyhow!("the ledger is slow");
    let scene = Scene::new();
    let mut catalogue = scene.book.catalogue();
    let (asked, note) = (Arc::new(AtomicU64::new(0)), catalogue.note);
    let (facts_asked, tries) = (asked.clone(), u64::from(MAX_TRIES) + 10);
    catalogue.facts = Box::new(move |_| {
        let full_now = facts_asked.fetch_add(1, Relaxed) < tries;
        if full_now {
            Err(full().context("a file"))
        } else {
            Ok(facts())
        }
    });
    catalogue.note = Box::new(move |told| {
        let asked = asked.fetch_add(1, Relaxed);
        if asked < 3 * tries {
            Err(silent())
        } else {
            note(told)
        }
    });
    let mut janitor = scene.janitor(catalogue);
    while scene.notes().is_empty() {
        assert!(scene.round(&mut janitor));
    }
    scene.bed.check(&scene.book.notes.lock().unwrap()[0]);
}

#[test]
fn what_panics_is_counted_and_given_up_and_the_others_are_finished() {
    let scene = Scene::new();
    let poisoned = RecordingId::new("SE_poisoned".into(), crate::base::Purpose::Qa);
    let mut catalogue = scene.book.catalogue();
    scene
        .book
        .unfinished
        .lock()
        .unwrap()
        .insert(0, poisoned.clone());
    let poison = poisoned.clone();
    catalogue.facts = Box::new(move |id| {
        assert!(id != poison, "poisoned");
        Ok(facts())
    });
    let mut janitor = scene.janitor(catalogue);
    for _ in 0..MAX_PANICS {
        assert!(scene.round(&mut janitor));
    }
    assert!(scene.round(&mut janitor));
    let notes = scene.book.notes.lock().unwrap();
    assert_eq!(
        (&notes[0].id, notes[0].step),
        (&poisoned, RecordingStep::Failed)
    );
    assert_eq!(
        notes[0].reason.as_deref(),
        Some("the making of its files crashes")
    );
    scene.bed.check(&notes[1]);
    assert_eq!(notes.len(), 2);
    assert_eq!(janitor.stats().panics.load(Relaxed), u64::from(MAX_PANICS));
}

#[test]
fn a_panic_between_recordings_does_not_end_the_thread() {
    let scene = Scene::new();
    let mut catalogue = scene.book.catalogue();
    let unfinished = catalogue.unfinished;
    let asked = AtomicU64::new(0);
    catalogue.unfinished = Box::new(move |()| {
        assert!(asked.fetch_add(1, Relaxed) > 0, "poisoned");
        unfinished(())
    });
    let note = catalogue.note;
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    catalogue.note = Box::new(move |said| {
        note(said)?;
        Ok(tell.send(())?)
    });
    let janitor = scene.janitor(catalogue).start(present()).unwrap();
    told.recv_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    assert_eq!(janitor.stats().panics.load(Relaxed), 1);
    janitor.stop();
    scene.bed.check(&scene.book.notes.lock().unwrap()[0]);
}

#[test]
fn a_recording_that_ended_early_says_so_in_its_manifest_and_when_it_is_ready() {
    let scene = Scene::new();
    let mut catalogue = scene.book.catalogue();
    catalogue.facts = Box::new(|_| {
        let mut facts = facts();
        facts.said.ended_early = Some("the disk is full".to_owned());
        Ok(facts)
    });
    let mut janitor = scene.janitor(catalogue);
    assert!(scene.round(&mut janitor));
    let told = (RecordingStep::Ready, "the disk is full".to_owned());
    assert_eq!(scene.notes(), [told]);
    let store = scene.bed.finisher().store;
    let verified = scene.bed.runtime.block_on(store.manifest(&id()));
    let manifest = verified.unwrap().unwrap().manifest;
    assert_eq!(manifest.ended_early.as_deref(), Some("the disk is full"));
}
