//! Files are made only where they leave room for the calls that are recorded meanwhile.

use super::*;
use crate::host::space::{Disk, Look};

/// A janitor on a disk of ten times the segments, and how much of it is free, in segments.
fn janitor(bed: &Bed, book: &Book, free: &Arc<AtomicU64>) -> Janitor {
    let mut finisher = bed.finisher();
    let segments = finisher.place.segments(&id()).unwrap();
    let bytes: u64 = segments.iter().map(|(_, bytes)| bytes).sum();
    let free = free.clone();
    let look: Look = Box::new(move || {
        Ok(Disk {
            free_bytes: free.load(Relaxed) * bytes,
            bytes: 10 * bytes,
        })
    });
    finisher.disk = look;
    // Each reading is behind every wait.
    let read = AtomicU64::new(0);
    let clock = move || Now {
        mono: Mono::from_millis(read.fetch_add(400_000, Relaxed)),
        unix: Unix(1_800_000_000_000),
    };
    Janitor::new(finisher, book.catalogue(), Arc::new(clock))
}

#[test]
fn a_recording_waits_until_the_disk_has_room_for_all_of_it_and_for_calls() {
    let (bed, book) = (Bed::new(), Book::default());
    book.unfinished.lock().unwrap().push(id());
    let free = Arc::new(AtomicU64::new(4));
    let mut janitor = janitor(&bed, &book, &free);
    for waits in 1..=300 {
        assert!(janitor.round());
        assert!(!bed.segments().join("finish").exists() && !bed.stored().exists());
        assert_eq!(janitor.stats().disk_waits.load(Relaxed), waits);
    }
    assert!(
        book.notes.lock().unwrap().is_empty(),
        "it is never given up"
    );
    free.store(5, Relaxed);
    assert!(janitor.round());
    bed.check(&book.notes.lock().unwrap()[0]);
}

#[test]
fn what_was_made_makes_room_again_where_it_cannot_be_stored() {
    let (bed, book) = (Bed::new(), Book::default());
    book.unfinished.lock().unwrap().push(id());
    let finisher = bed.finisher();
    let mut pace = Pace::new(&id(), &finisher.progress, &finisher.bell, None);
    finisher.make(&id(), &facts(), &mut pace).unwrap();
    drop(pace);
    let free = Arc::new(AtomicU64::new(0));
    let mut janitor = janitor(&bed, &book, &free);
    assert!(janitor.round());
    assert!(!bed.segments().join("finish").exists() && !bed.stored().exists());
    assert_eq!(janitor.stats().disk_waits.load(Relaxed), 1);
    free.store(5, Relaxed);
    assert!(janitor.round());
    bed.check(&book.notes.lock().unwrap()[0]);
}
