//! Right and wrong directories, mounted and not.

use super::super::fixture::{Scratch, ledger};
use super::super::start::open;
use super::*;
use crate::host::store::fixture::Dir as Data;

/// The data directory of a stopped node, with so many entries of a life in which one is recorded.
fn data(entries: usize) -> Data {
    let dir = Data::new();
    drop(ledger(&dir.0, entries));
    dir
}

fn refused(data: &Data, recordings: &Path, says: &[&str]) {
    let error = recognise(&data.0, recordings).unwrap_err().to_string();
    let at = recordings.to_str().unwrap();
    for word in says.iter().chain(&[at, data.0.to_str().unwrap()]) {
        assert!(error.contains(word), "{word}: {error}");
    }
    let made = std::fs::read_dir(recordings).map_or(0, Iterator::count);
    assert_eq!(made, 0, "an empty mount point stays empty");
}

#[test]
fn a_directory_is_marked_at_the_first_start_and_known_from_then_on() {
    let (data, disk) = (data(0), Scratch::new());
    for _ in 0..2 {
        recognise(&data.0, disk.path()).unwrap();
        mark(&data.0, &open(disk.path()).unwrap()).unwrap();
    }
    // Nothing is recorded yet: another directory may be named.
    recognise(&data.0, Scratch::new().path()).unwrap();
    recognise(Path::new("/nonexistent"), Scratch::new().path()).unwrap();
}

#[test]
fn an_empty_mount_point_is_refused_where_the_ledger_has_recordings() {
    let (data, disk) = (data(12), Scratch::new());
    let marked = Scratch::new();
    refused(
        &data,
        disk.path(),
        &["recordings (1)", "not mounted", "mkdir"],
    );
    refused(&data, &disk.path().join("deeper"), &["not mounted"]);
    mark(&data.0, &open(marked.path()).unwrap()).unwrap();
    recognise(&data.0, marked.path()).unwrap();
    refused(
        &data,
        disk.path(),
        &["recordings (1)", "not mounted", "cp "],
    );
    // As it is told: they are lost for good.
    std::fs::copy(data.0.join(MARK), disk.path().join(MARK)).unwrap();
    recognise(&data.0, disk.path()).unwrap();
}

#[test]
fn the_directory_of_another_ledger_is_refused() {
    let (one, other, disk) = (data(0), data(0), Scratch::new());
    mark(&one.0, &open(disk.path()).unwrap()).unwrap();
    let error = recognise(&other.0, disk.path()).unwrap_err().to_string();
    assert!(error.contains("another ledger"), "{error}");
    mark(&other.0, &open(Scratch::new().path()).unwrap()).unwrap();
    let error = recognise(&other.0, disk.path()).unwrap_err().to_string();
    assert!(error.contains("another ledger"), "{error}");
    std::fs::copy(disk.path().join(MARK), other.0.join(MARK)).unwrap();
    recognise(&other.0, disk.path()).unwrap();
}

#[test]
fn a_directory_that_was_used_before_there_were_marks_is_taken() {
    let (data, disk) = (data(12), Scratch::new());
    for name in USED {
        std::fs::create_dir(disk.path().join(name)).unwrap();
    }
    recognise(&data.0, disk.path()).unwrap();
    mark(&data.0, &open(disk.path()).unwrap()).unwrap();
    recognise(&data.0, disk.path()).unwrap();
}
