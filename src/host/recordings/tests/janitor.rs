//! What the keeper does with recordings that cannot be finished, and with those whose time has come.

use super::super::janitor::{MAX_PANICS, MAX_TRIES};
use super::*;

/// A keeper on a bed, with a clock that is moved by hand.
struct Desk {
    bed: Bed,
    book: Book,
    now_ms: Arc<AtomicU64>,
}

impl Desk {
    fn new() -> Desk {
        let book = Book::default();
        book.unfinished.lock().unwrap().push(id());
        Desk {
            bed: Bed::new(),
            book,
            now_ms: Arc::default(),
        }
    }

    fn keeper(&self, catalogue: Catalogue) -> Keeper {
        let read = self.now_ms.clone();
        let clock = move || Now {
            mono: Mono::from_millis(read.load(Relaxed)),
            unix: Unix(1_800_000_000_000),
        };
        Keeper::new(self.bed.finisher(), catalogue, Arc::new(clock))
    }

    /// One round after all waits are over.
    fn round(&self, keeper: &mut Keeper) -> bool {
        self.now_ms.fetch_add(300_000, Relaxed);
        keeper.round()
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
    let desk = Desk::new();
    let mut keeper = desk.keeper(desk.book.catalogue());
    for entry in std::fs::read_dir(desk.bed.segments()).unwrap() {
        std::fs::write(entry.unwrap().path(), b"").unwrap();
    }
    assert!(desk.round(&mut keeper));
    assert!(!desk.round(&mut keeper));
    assert!(desk.bed.segments().exists(), "it may still be of use");
    desk.due(true);
    assert!(desk.round(&mut keeper));
    assert!(desk.is_empty());
    let told = [failed("not one whole frame was recorded"), deleted()];
    assert_eq!(desk.notes(), told);
}

#[test]
fn a_recording_whose_time_comes_before_it_is_finished_is_deleted_and_not_finished() {
    let desk = Desk::new();
    let mut keeper = desk.keeper(desk.book.catalogue());
    *desk.book.written.lock().unwrap() = true;
    desk.due(false);
    assert!(desk.round(&mut keeper));
    assert!(desk.is_empty());
    let told = [failed("its time came before it was finished"), deleted()];
    assert_eq!(desk.notes(), told);
}

#[test]
fn a_deletion_that_the_ledger_does_not_take_is_done_again() {
    let desk = Desk::new();
    let mut catalogue = desk.book.catalogue();
    let (refuse, note) = (Arc::new(Mutex::new(true)), catalogue.note);
    let refused = refuse.clone();
    catalogue.note = Box::new(move |told| {
        let refused = *refused.lock().unwrap() && told.step == RecordingStep::Deleted;
        anyhow::ensure!(!refused, "the ledger is slow");
        note(told)
    });
    let mut keeper = desk.keeper(catalogue);
    desk.due(false);
    assert!(desk.round(&mut keeper));
    assert!(desk.is_empty());
    assert!(!keeper.round(), "it waits");
    *refuse.lock().unwrap() = false;
    assert!(desk.round(&mut keeper));
    let told = [failed("its time came before it was finished"), deleted()];
    assert_eq!(desk.notes(), told);
}

#[test]
fn a_deletion_that_someone_asked_for_and_a_kill_cut_off_is_done_and_told() {
    let desk = Desk::new();
    let mut keeper = desk.keeper(desk.book.catalogue());
    assert!(desk.round(&mut keeper));
    let place = desk.bed.finisher().place;
    place.doom(&id()).unwrap();
    std::fs::remove_file(desk.bed.stored().join("manifest.jws")).unwrap();
    assert!(desk.round(&mut keeper));
    assert!(desk.is_empty());
    let notes = desk.book.notes.lock().unwrap().clone();
    let told = (notes[1].step, notes[1].actor, notes[1].reason.clone());
    let expected = (RecordingStep::Deleted, crate::base::Actor::App, None);
    assert_eq!((notes.len(), told), (2, expected));
    assert!(!desk.round(&mut keeper), "it is done");
}

#[test]
fn what_can_never_be_finished_is_given_up_after_a_day_of_tries() {
    let desk = Desk::new();
    let mut keeper = desk.keeper(desk.book.catalogue());
    // A file in the place of its directory: it can never be stored.
    std::fs::write(desk.bed.stored(), b"").unwrap();
    for _ in 1..MAX_TRIES {
        assert!(desk.round(&mut keeper));
    }
    assert_eq!(desk.notes(), []);
    assert!(desk.round(&mut keeper));
    assert_eq!(desk.notes(), [failed("its files cannot be made or stored")]);
    assert!(!desk.round(&mut keeper), "it is not tried again");
    assert!(!desk.bed.segments().join("finish").exists());
    assert!(desk.bed.segments().exists());
}

#[test]
fn a_full_disk_and_a_silent_ledger_are_waited_for_however_long() {
    let full = || anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let silent = || anyhow::anyhow!("the ledger is slow");
    let desk = Desk::new();
    let mut catalogue = desk.book.catalogue();
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
    let mut keeper = desk.keeper(catalogue);
    while desk.notes().is_empty() {
        assert!(desk.round(&mut keeper));
    }
    desk.bed.check(&desk.book.notes.lock().unwrap()[0]);
}

#[test]
fn what_panics_is_counted_and_given_up_and_the_others_are_finished() {
    let desk = Desk::new();
    let poisoned = RecordingId::new("SE_poisoned".into(), crate::base::Purpose::Qa);
    let mut catalogue = desk.book.catalogue();
    desk.book
        .unfinished
        .lock()
        .unwrap()
        .insert(0, poisoned.clone());
    let poison = poisoned.clone();
    catalogue.facts = Box::new(move |id| {
        assert!(id != poison, "poisoned");
        Ok(facts())
    });
    let mut keeper = desk.keeper(catalogue);
    for _ in 0..MAX_PANICS {
        assert!(desk.round(&mut keeper));
    }
    assert!(desk.round(&mut keeper));
    let notes = desk.book.notes.lock().unwrap();
    assert_eq!(
        (&notes[0].id, notes[0].step),
        (&poisoned, RecordingStep::Failed)
    );
    assert_eq!(
        notes[0].reason.as_deref(),
        Some("the making of its files crashes")
    );
    desk.bed.check(&notes[1]);
    assert_eq!(notes.len(), 2);
    assert_eq!(keeper.stats().panics.load(Relaxed), u64::from(MAX_PANICS));
}

#[test]
fn a_panic_between_recordings_does_not_end_the_thread() {
    let desk = Desk::new();
    let mut catalogue = desk.book.catalogue();
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
    let keeper = desk.keeper(catalogue).start().unwrap();
    told.recv_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    assert_eq!(keeper.stats().panics.load(Relaxed), 1);
    keeper.stop();
    desk.bed.check(&desk.book.notes.lock().unwrap()[0]);
}

#[test]
fn a_recording_that_ended_early_says_so_in_its_manifest_and_when_it_is_ready() {
    let desk = Desk::new();
    let mut catalogue = desk.book.catalogue();
    catalogue.facts = Box::new(|_| {
        let mut facts = facts();
        facts.said.ended_early = Some("the disk is full".to_owned());
        Ok(facts)
    });
    let mut keeper = desk.keeper(catalogue);
    assert!(desk.round(&mut keeper));
    let told = (RecordingStep::Ready, "the disk is full".to_owned());
    assert_eq!(desk.notes(), [told]);
    let shelf = desk.bed.finisher().shelf;
    let verified = desk.bed.runtime.block_on(shelf.manifest(&id()));
    let manifest = verified.unwrap().unwrap().manifest;
    assert_eq!(manifest.ended_early.as_deref(), Some("the disk is full"));
}
