//! Notes of recordings on real files: in the session, behind its end, and across restarts.

use super::*;
use crate::base::{Actor, ConsentState, EndReason, SessionState};
use crate::host::store::fixture::{Dir, clock, soon};
use crate::host::store::job::{Job, StoreReply};
use crate::host::store::open::Store;
use crate::host::store::parts::{Boot, Hooks, StoreConfig};
use crate::host::store::pending::{Confirmed, Pending};
use crate::host::store::running::RunningStore;
use crate::usage::ledger::fixture::{START, consent, note, recorded};
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

struct Bench {
    store: RunningStore,
    ledger: Confirmed,
    appended: Receiver<(SessionId, usize)>,
}

fn start(dir: &Dir) -> (Bench, Boot) {
    let config = StoreConfig {
        dir: dir.0.clone(),
        node: None,
        endpoints: vec![Arc::from("app")],
        ballast_bytes: 0,
    };
    let (store, boot) = Store::open(&config, soon()).unwrap();
    let pending = Pending::default();
    let told = pending.clone();
    let (tell, appended) = sync_channel(1_000);
    let on_reply = move |reply| {
        told.handle_reply(&reply);
        if let StoreReply::Appended {
            session, events, ..
        } = reply
        {
            drop(tell.try_send((session, events)));
        }
    };
    let hooks = Hooks {
        on_reply: Box::new(on_reply),
        on_fatal: Box::new(|_| {}),
        on_commit: Box::new(|_| {}),
        clock: clock(),
    };
    let store = store.start(hooks).unwrap();
    let ledger = Confirmed {
        store: store.handle(),
        pending,
    };
    (
        Bench {
            store,
            ledger,
            appended,
        },
        boot,
    )
}

impl Bench {
    fn append(&self, appends: &[Append]) {
        for append in appends {
            let job = Job::Append(Box::new(append.clone()));
            self.store.handle().send(job).unwrap();
        }
        let work = crate::api::Work::Flush;
        let answered = self.ledger.send(work);
        answered.unwrap().blocking_recv().unwrap();
    }

    fn note(&self, note: RecordingNote) -> Result<(), NoteRefusal> {
        let answered = self.ledger.note(note);
        answered.unwrap().blocking_recv().unwrap()
    }
}

/// The life of the fixture up to its stop entry, which comes twelfth.
fn lived(session: &str) -> Vec<Append> {
    recorded(session)[..12].to_vec()
}

fn reader(dir: &Dir) -> LedgerReader {
    LedgerReader::open(&dir.0).unwrap()
}

fn shared(session: &str) -> RecordingId {
    RecordingId::new(session.into(), Purpose::Shared)
}

fn state(dir: &Dir, session: &str) -> Option<&'static str> {
    let found = reader(dir).recording(&shared(session)).unwrap();
    found.map(|found| found.state())
}

fn ids(found: Vec<RecordingRecord>) -> Vec<String> {
    let id = |record: &RecordingRecord| record.session().to_string();
    found.iter().map(id).collect()
}

#[test]
fn a_recording_follows_its_notes_from_the_first_to_the_last() {
    use RecordingStep::{Deleted, Failed, Ready, Started, Stopped};
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    let life = lived("SE_a");
    assert_eq!(bench.note(note("SE_a", Ready)), Err(NoteRefusal::Unknown));
    bench.append(&life[..6]);
    assert_eq!(state(&dir, "SE_a"), None);
    assert_eq!(bench.note(note("SE_a", Ready)), Err(NoteRefusal::Running));
    bench.append(&life[6..7]);
    assert_eq!(state(&dir, "SE_a"), Some("recording"));
    bench.append(&life[7..11]);
    assert_eq!(state(&dir, "SE_a"), Some("stopped"));
    assert_eq!(bench.note(note("SE_a", Ready)), Err(NoteRefusal::Running));
    assert_eq!(reader(&dir).unfinished().unwrap(), []);
    bench.append(&life[11..]);
    assert_eq!(state(&dir, "SE_a"), Some("finishing"));
    assert_eq!(ids(reader(&dir).unfinished().unwrap()), ["SE_a"]);
    for step in [Started, Stopped, Deleted] {
        let refused = bench.note(note("SE_a", step));
        assert_eq!(refused, Err(NoteRefusal::Order(Stage::Stopped)), "{step:?}");
    }
    assert_eq!(bench.note(note("SE_a", Ready)), Ok(()));
    assert_eq!(reader(&dir).unfinished().unwrap(), []);
    let again = bench.note(note("SE_a", Failed));
    assert_eq!(again, Err(NoteRefusal::Order(Stage::Ready)));
    let ready = reader(&dir).recording(&shared("SE_a")).unwrap().unwrap();
    assert_eq!(ready.state(), "ready");
    assert_eq!(ready.room.name.as_str(), "room-SE_a");
    assert_eq!(ready.external_ref.as_deref(), Some("booking-7"));
    assert_eq!(ready.started_unix_ms, Unix(START.0 + 3_000));
    assert_eq!(ready.stopped_unix_ms, Some(Unix(START.0 + 9_000)));
    assert_eq!(ready.ended_unix_ms, Some(Unix(START.0 + 20_000)));
    assert_eq!(ready.result, note("SE_a", Ready).result);
    let due = |at| ids(reader(&dir).due(Unix(START.0 + at)).unwrap());
    assert_eq!(
        (due(79_999), due(80_000)),
        (vec![], vec!["SE_a".to_owned()])
    );
    assert_eq!(bench.note(note("SE_a", Deleted)), Ok(()));
    assert_eq!(due(80_000), [""; 0]);
    let gone = reader(&dir).recording(&shared("SE_a")).unwrap().unwrap();
    assert_eq!((gone.state(), gone.result), ("deleted", ready.result));
    assert_eq!(gone.reason.as_deref(), Some("kept for so long"));
    bench.store.close();
    let report = dir.verify();
    assert_eq!(report.faults, []);
    assert_eq!((report.rows, report.open_sessions), (15, 0));
}

#[test]
fn a_note_behind_the_end_tells_the_outbox_and_leaves_the_record_as_it_was() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    bench.append(&lived("SE_a"));
    let before = reader(&dir).record_of(&"SE_a".into()).unwrap().unwrap();
    bench.appended.try_iter().for_each(drop);
    assert_eq!(bench.note(note("SE_a", RecordingStep::Ready)), Ok(()));
    assert_eq!(bench.appended.try_recv(), Ok(("SE_a".into(), 1)));
    assert_eq!(bench.note(note("SE_a", RecordingStep::Deleted)), Ok(()));
    let after = reader(&dir).record_of(&"SE_a".into()).unwrap().unwrap();
    assert_eq!(after, before);
    assert_eq!(after.at_unix_ms, Unix(START.0 + 20_000));
    assert_eq!(after.state, SessionState::Ended(EndReason::EndedByApi));
    let outbox: Vec<(i64, String)> = dir
        .sqlite()
        .prepare("SELECT event_seq, type FROM outbox WHERE session = 'SE_a' ORDER BY event_seq")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(outbox.len(), 13);
    let last: Vec<_> = outbox[10..]
        .iter()
        .map(|(seq, kind)| (*seq, kind.as_str()))
        .collect();
    let told = [
        (11, "session.ended"),
        (12, "recording.ready"),
        (13, "recording.deleted"),
    ];
    assert_eq!(last, told);
    bench.store.close();
}

#[test]
fn what_was_said_is_read_in_its_order_with_its_moment() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    bench.append(&lived("SE_a"));
    bench.append(&lived("SE_b")[..5]);
    let said = reader(&dir).consents(&"SE_a".into()).unwrap();
    let expected = [
        (1_000, consent("erika", ConsentState::Given)),
        (2_000, consent("karl", ConsentState::Given)),
        (8_000, consent("karl", ConsentState::Withdrawn)),
    ];
    assert_eq!(said, expected.map(|(at, said)| (Unix(START.0 + at), said)));
    assert_eq!(reader(&dir).consents(&"SE_b".into()).unwrap().len(), 1);
    assert_eq!(reader(&dir).consents(&"SE_c".into()).unwrap(), []);
    bench.store.close();
}

#[test]
fn a_crash_leaves_what_was_recorded_to_be_finished() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    bench.append(&lived("SE_a")[..7]);
    let mut broken = lived("SE_b")[..9].to_vec();
    let full = RecordingNote {
        reason: Some("the disk is full".to_owned()),
        ..note("SE_b", RecordingStep::Failed)
    };
    broken[8].entry.recording = Some(full);
    broken[8].entry.cause = RecordingStep::Failed.cause().to_owned();
    bench.append(&broken);
    bench.append(&lived("SE_c"));
    assert_eq!(state(&dir, "SE_b"), Some("failed"));
    let crashed = dir.copy();
    bench.store.close();
    let (bench, boot) = start(&crashed);
    let closed: Vec<_> = boot
        .closed
        .iter()
        .map(|facts| facts.session.as_str())
        .collect();
    assert_eq!(closed, ["SE_a", "SE_b"]);
    let mut unfinished = ids(reader(&crashed).unfinished().unwrap());
    unfinished.sort();
    assert_eq!(unfinished, ["SE_a", "SE_b", "SE_c"]);
    for session in ["SE_a", "SE_b"] {
        assert_eq!(state(&crashed, session), Some("finishing"));
    }
    assert_eq!(bench.note(note("SE_a", RecordingStep::Ready)), Ok(()));
    assert_eq!(bench.note(note("SE_b", RecordingStep::Ready)), Ok(()));
    let given_up = RecordingNote {
        reason: Some("no frame".to_owned()),
        ..note("SE_c", RecordingStep::Failed)
    };
    assert_eq!(bench.note(given_up), Ok(()));
    let b = reader(&crashed)
        .recording(&shared("SE_b"))
        .unwrap()
        .unwrap();
    assert_eq!(
        (b.state(), b.reason.as_deref()),
        ("ready", Some("the disk is full"))
    );
    assert_eq!(state(&crashed, "SE_c"), Some("failed"));
    bench.store.close();
    let (bench, boot) = start(&crashed);
    assert_eq!(boot.closed, []);
    assert_eq!(reader(&crashed).unfinished().unwrap(), []);
    let app = RecordingNote {
        actor: Actor::App,
        ..note("SE_c", RecordingStep::Deleted)
    };
    assert_eq!(bench.note(app), Ok(()));
    bench.store.close();
    assert_eq!(crashed.verify().faults, []);
}

#[test]
fn the_time_of_a_recording_comes_from_the_end_of_its_session_whatever_became_of_it() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    for (session, policy) in [
        (
            "SE_short",
            json!({"recording": {"retention_h": {"shared": 1}}}),
        ),
        ("SE_kept", json!({"recording": {"mode": "always"}})),
        (
            "SE_failed",
            json!({"recording": {"retention_h": {"shared": 2}}}),
        ),
        (
            "SE_runs",
            json!({"recording": {"retention_h": {"shared": 1}}}),
        ),
    ] {
        let mut life = lived(session);
        let facts = life[0].entry.facts.as_mut().unwrap();
        facts.carried.policy = Some(policy);
        let entries = if session == "SE_runs" { 7 } else { 12 };
        bench.append(&life[..entries]);
    }
    let given_up = RecordingNote {
        reason: Some("no frame".to_owned()),
        ..note("SE_failed", RecordingStep::Failed)
    };
    assert_eq!(bench.note(given_up), Ok(()));
    let due = |after_ms| {
        let ended = START.0 + 20_000;
        ids(reader(&dir).due(Unix(ended + after_ms)).unwrap())
    };
    const HOUR_MS: u64 = 3_600_000;
    assert_eq!(due(HOUR_MS - 1), [""; 0]);
    assert_eq!(due(HOUR_MS), ["SE_short"]);
    assert_eq!(due(2 * HOUR_MS), ["SE_short", "SE_failed"]);
    assert_eq!(due(1_000_000 * HOUR_MS), ["SE_short", "SE_failed"]);
    assert_eq!(
        bench.note(note("SE_failed", RecordingStep::Deleted)),
        Ok(())
    );
    assert_eq!(due(2 * HOUR_MS), ["SE_short"]);
    bench.store.close();
}

#[test]
fn recordings_are_found_by_what_they_are_and_page_by_page() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    bench.append(&lived("SE_a"));
    bench.append(&lived("SE_b")[..7]);
    bench.append(&lived("SE_c")[..10]);
    assert_eq!(bench.note(note("SE_a", RecordingStep::Ready)), Ok(()));
    let found = |filter: RecordingQuery| ids(reader(&dir).recordings(&filter, 10).unwrap());
    let all = RecordingQuery::default;
    assert_eq!(found(all()), ["SE_a", "SE_b", "SE_c"]);
    let page = reader(&dir).recordings(&all(), 2).unwrap();
    let after = page[1].seq;
    assert_eq!(found(RecordingQuery { after, ..all() }), ["SE_c"]);
    for (word, expected) in [
        ("ready", "SE_a"),
        ("recording", "SE_b"),
        ("stopped", "SE_c"),
    ] {
        let state = Some(word.to_owned());
        assert_eq!(found(RecordingQuery { state, ..all() }), [expected]);
    }
    let session = Some("SE_b".into());
    assert_eq!(found(RecordingQuery { session, ..all() }), ["SE_b"]);
    let room = Some("room-SE_c".into());
    assert_eq!(found(RecordingQuery { room, ..all() }), ["SE_c"]);
    let purpose = Some(Purpose::Qa);
    assert_eq!(found(RecordingQuery { purpose, ..all() }), [""; 0]);
    bench.store.close();
}

#[test]
fn a_ledger_of_version_2_is_read_as_it_is_and_can_record_once_it_was_opened() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    let life = crate::usage::ledger::fixture::life("SE_old");
    bench.append(&life);
    bench.store.close();
    dir.age(2);
    let read = reader(&dir);
    assert_eq!(read.recordings(&RecordingQuery::default(), 9).unwrap(), []);
    assert_eq!(read.unfinished().unwrap(), []);
    assert!(read.record_of(&"SE_old".into()).unwrap().is_some());
    drop(read);
    let (bench, _) = start(&dir);
    bench.append(&lived("SE_new"));
    assert_eq!(bench.note(note("SE_new", RecordingStep::Ready)), Ok(()));
    assert_eq!(
        bench.note(note("SE_old", RecordingStep::Ready)),
        Err(NoteRefusal::Unknown)
    );
    bench.store.close();
    assert_eq!(dir.verify().faults, []);
}
