//! The writer on real directories.

use super::*;
use crate::base::{Purpose, SessionId};
use crate::host::roll::present;
use crate::host::store::fixture::Dir as Scratch;
use cap_std::ambient_authority;

struct Bench {
    dir: Scratch,
    outlet: Outlet,
    thread: JoinHandle<()>,
    writing: Writing,
    lost: Receiver<String>,
}

/// A writer on a real directory; `flush` is what the ledger answers.
fn bench(flush: impl Fn() -> bool + Send + 'static) -> Bench {
    let dir = Scratch::new();
    std::fs::create_dir_all(&dir.0).unwrap();
    let root = Dir::open_ambient_dir(&dir.0, ambient_authority()).unwrap();
    let (tell, lost) = sync_channel::<String>(8);
    let on_lost = move |id: &RecordingId, why: &str| tell.send(format!("{id}: {why}")).unwrap();
    let writer = SegmentWriter::new(
        &root,
        Box::new(flush),
        (Box::new(on_lost), Box::new(|| false)),
        Arc::new(|| Mono::ZERO),
    )
    .unwrap();
    let writing = writer.writing();
    let (mut outlets, thread) = writer.start(1, present()).unwrap();
    Bench {
        dir,
        outlet: outlets.pop().unwrap(),
        thread,
        writing,
        lost,
    }
}

fn segment_of(number: u32) -> SegmentId {
    SegmentId {
        recording: RecordingId::new(SessionId::from("SE_abc"), Purpose::Shared),
        number,
    }
}

fn open(number: u32) -> Output {
    Output::Open {
        segment: segment_of(number),
        header: b"head".to_vec(),
    }
}

fn append(number: u32, bytes: &[u8]) -> Output {
    Output::Append {
        segment: segment_of(number),
        bytes: bytes.to_vec(),
    }
}

fn close(number: u32) -> Output {
    Output::Close {
        segment: segment_of(number),
    }
}

#[test]
fn what_is_handed_out_is_in_the_file_in_order() {
    let mut bench = bench(|| true);
    for output in [open(1), append(1, b"one"), append(1, b"two"), close(1)] {
        bench.outlet.push(output).unwrap();
    }
    assert!(bench.writing.is(&segment_of(1).recording));
    assert!(bench.outlet.flush().is_empty());
    drop(bench.outlet);
    bench.thread.join().unwrap();
    let path = bench.dir.0.join("segments/RC_abc_shared/000001.mkv");
    assert_eq!(std::fs::read(path).unwrap(), b"headonetwo");
    assert!(!bench.writing.is(&segment_of(1).recording));
    assert!(bench.lost.try_recv().is_err());
}

#[test]
fn without_the_ledgers_word_nothing_is_written() {
    let mut bench = bench(|| false);
    for output in [open(1), append(1, b"one"), close(1)] {
        bench.outlet.push(output).unwrap();
    }
    assert!(bench.outlet.flush().is_empty());
    drop(bench.outlet);
    bench.thread.join().unwrap();
    let why = bench.lost.recv().unwrap();
    assert!(why.contains("does not confirm the consents"), "{why}");
    let segments = bench.dir.0.join("segments");
    assert_eq!(std::fs::read_dir(segments).unwrap().count(), 0);
    assert!(!bench.writing.is(&segment_of(1).recording));
}

#[test]
fn a_ledger_that_stands_still_is_asked_once_and_not_for_each_file() {
    let asked = Arc::new(AtomicU64::new(0));
    let counted = asked.clone();
    let mut bench = bench(move || counted.fetch_add(1, Relaxed) > 1_000);
    for number in 1..=5 {
        bench.outlet.push(open(number)).unwrap();
    }
    assert!(bench.outlet.flush().is_empty());
    drop(bench.outlet);
    bench.thread.join().unwrap();
    assert_eq!((asked.load(Relaxed), bench.lost.iter().count()), (1, 5));
}

#[test]
fn a_file_that_is_there_already_is_never_written_over() {
    let mut bench = bench(|| true);
    let parent = bench.dir.0.join("segments/RC_abc_shared");
    std::fs::create_dir_all(&parent).unwrap();
    std::fs::write(parent.join("000002.mkv"), b"old").unwrap();
    for output in [open(1), open(2), append(1, b"one"), close(1), close(2)] {
        bench.outlet.push(output).unwrap();
    }
    assert!(bench.outlet.flush().is_empty());
    drop(bench.outlet);
    bench.thread.join().unwrap();
    assert!(bench.lost.recv().unwrap().contains("RC_abc_shared"));
    assert_eq!(std::fs::read(parent.join("000002.mkv")).unwrap(), b"old");
    // The recording is lost as a whole: what came after is not written.
    assert_eq!(std::fs::read(parent.join("000001.mkv")).unwrap(), b"head");
    assert!(!bench.writing.is(&segment_of(1).recording));
}

#[test]
fn a_disk_that_stands_still_loses_the_recording_and_holds_no_more_than_its_share() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = Mutex::new(wait);
    let mut bench = bench(move || wait.lock().unwrap().recv().is_ok());
    bench.outlet.push(open(1)).unwrap();
    let piece = vec![0; 64 * 1024];
    let taken = (0..1_000).take_while(|_| {
        let taken = bench.outlet.push(append(1, &piece)).is_ok();
        assert!(bench.outlet.flush().is_empty());
        taken
    });
    let bytes = taken.count() * piece.len();
    assert!((MAX_HELD_BYTES - 2 * piece.len()..=MAX_HELD_BYTES).contains(&bytes));
    // Its end always has a place.
    bench.outlet.push(close(1)).unwrap();
    assert!(bench.outlet.flush().is_empty());
    go.send(()).unwrap();
    drop(bench.outlet);
    bench.thread.join().unwrap();
    assert!(!bench.writing.is(&segment_of(1).recording));
}

#[test]
fn a_recording_that_nobody_writes_any_more_is_lost_and_not_silent() {
    let (queue, pieces) = sync_channel(8);
    let mut outlet = Outlet {
        queue,
        waiting: VecDeque::new(),
        counts: BTreeMap::new(),
        writing: Writing::default(),
        stats: Arc::default(),
    };
    drop(pieces);
    outlet.push(open(1)).unwrap();
    outlet.push(append(1, b"one")).unwrap();
    assert_eq!(outlet.flush(), BTreeSet::from([segment_of(1).recording]));
    assert!(outlet.flush().is_empty() && !outlet.is_behind());
}

#[test]
fn why_a_recording_was_lost_is_known_until_it_is_finished() {
    let (lost, id) = (Lost::default(), segment_of(1).recording);
    lost.add(&id, "the disk is full");
    lost.add(&id, "nobody writes it any more");
    assert_eq!(lost.take().len(), 1);
    assert!(lost.take().is_empty(), "the worker has heard of it");
    assert_eq!(lost.of(&id).as_deref(), Some("the disk is full"));
    lost.forget(&id);
    assert_eq!(lost.of(&id), None);
}

#[test]
fn whoever_finishes_it_sees_it_written_until_its_loss_is_told() {
    let dir = Scratch::new();
    std::fs::create_dir_all(&dir.0).unwrap();
    let root = Dir::open_ambient_dir(&dir.0, ambient_authority()).unwrap();
    let (tell, told) = sync_channel(1);
    let seen: Arc<Mutex<Option<Writing>>> = Arc::default();
    let asked = seen.clone();
    let on_lost = move |id: &RecordingId, _: &str| {
        let writing = asked.lock().unwrap().clone().unwrap();
        tell.send(writing.is(id)).unwrap();
    };
    let clock = Arc::new(|| Mono::ZERO);
    let writer = SegmentWriter::new(
        &root,
        Box::new(|| false),
        (Box::new(on_lost), Box::new(|| false)),
        clock,
    )
    .unwrap();
    *seen.lock().unwrap() = Some(writer.writing());
    let (mut outlets, thread) = writer.start(1, present()).unwrap();
    outlets[0].push(open(1)).unwrap();
    assert!(outlets[0].flush().is_empty());
    assert!(told.recv().unwrap());
    drop(outlets);
    thread.join().unwrap();
}

#[test]
fn nothing_is_recorded_in_the_space_that_is_kept_for_the_ledger() {
    let dir = Scratch::new();
    std::fs::create_dir_all(&dir.0).unwrap();
    let root = Dir::open_ambient_dir(&dir.0, ambient_authority()).unwrap();
    let (tell, lost) = sync_channel::<String>(8);
    let on_lost = move |id: &RecordingId, why: &str| tell.send(format!("{id}: {why}")).unwrap();
    let full = (Box::new(on_lost) as _, Box::new(|| true) as _);
    let clock = Arc::new(|| Mono::ZERO);
    let writer = SegmentWriter::new(&root, Box::new(|| true), full, clock).unwrap();
    let (mut outlets, thread) = writer.start(1, present()).unwrap();
    outlets[0].push(open(1)).unwrap();
    assert!(outlets[0].flush().is_empty());
    let told = lost.recv().unwrap();
    assert!(told.ends_with("the disk is full"), "{told}");
    drop(outlets);
    thread.join().unwrap();
    let made = std::fs::read_dir(dir.0.join(SEGMENTS)).unwrap().count();
    assert_eq!(made, 0, "not even a file");
}
