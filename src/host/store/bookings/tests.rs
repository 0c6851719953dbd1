//! Bookings, requests and the index of sessions, on real files and across restarts.

use super::*;
use crate::api::{SessionFilter, Work};
use crate::base::{EndReason, NodeId, Rng, RoomName, SessionId};
use crate::host::store::fixture::{Dir, running, soon};
use crate::host::store::job::Job;
use crate::host::store::pending::Confirmed;
use crate::host::store::read::LedgerReader;
use crate::host::store::running::RunningStore;
use crate::session::Policy;
use crate::usage::ledger::fixture::life;

struct Bench {
    store: RunningStore,
    ledger: Confirmed,
}

fn start(dir: &Dir) -> (Bench, Vec<Booking>) {
    let (store, ledger, boot) = running(&dir.0);
    (Bench { store, ledger }, boot.bookings)
}

impl Bench {
    /// Hands work over, and waits until it is on disk.
    fn done(&self, work: Work) {
        let answered = self.ledger.send(work);
        answered.unwrap().blocking_recv().unwrap();
    }
}

fn booked(room: &str) -> Booking {
    Booking {
        session: SessionId::from(format!("SE_{room}")),
        room: RoomName::from(room),
        template: "default".to_owned(),
        policy: Policy {
            external_ref: Some(format!("ref-{room}")),
            ..Policy::default()
        },
        participants: Vec::new(),
        key: "key".to_owned(),
        base: "http://node".to_owned(),
        token_ttl_s: 60,
        created_unix_ms: Unix(1_000),
    }
}

fn book(room: &str, request: Option<&str>) -> Work {
    let request = request.map(|key| Request {
        key: key.to_owned(),
        digest: "digest".to_owned(),
    });
    Work::Book(Box::new(booked(room)), request)
}

fn listed(dir: &Dir, filter: SessionFilter) -> Vec<String> {
    let found = LedgerReader::open(&dir.0)
        .unwrap()
        .sessions(&filter, 10)
        .unwrap();
    let id = |known: &crate::api::Known| {
        let booked = known.booking.as_ref().map(|b| b.session.to_string());
        let record = known.record.as_ref();
        record.map_or(booked, |r| Some(r.facts.session.to_string()))
    };
    found.iter().filter_map(id).collect()
}

fn in_state(dir: &Dir, state: &str) -> Vec<String> {
    listed(
        dir,
        SessionFilter {
            state: Some(state.to_owned()),
            ..SessionFilter::default()
        },
    )
}

#[test]
fn a_booking_is_there_after_a_restart_with_its_request_until_it_is_closed() {
    let dir = Dir::new();
    let (bench, none) = start(&dir);
    assert_eq!(none, []);
    bench.done(book("a", Some("app:once")));
    bench.done(book("b", None));
    let mut longer = booked("a");
    longer.policy.duration.max_min = 7;
    bench.done(Work::Rebook(Box::new(longer.clone())));
    bench.store.close();
    let (bench, kept) = start(&dir);
    assert_eq!(kept, [longer.clone(), booked("b")]);
    let reader = LedgerReader::open(&dir.0).unwrap();
    let request = reader.request("app:once").unwrap();
    assert_eq!(request, Some(("digest".to_owned(), longer)));
    assert_eq!(reader.request("app:other").unwrap(), None);
    drop(reader);
    assert_eq!(in_state(&dir, "scheduled"), ["SE_a", "SE_b"]);
    let node = NodeId::from("ND_1");
    let life = booked("b").close(EndReason::NoShow, (&node, &mut Rng::from_seed(1)), soon());
    bench.done(Work::Close(life));
    assert_eq!(in_state(&dir, "scheduled"), ["SE_a"]);
    assert_eq!(in_state(&dir, "ended"), ["SE_b"]);
    bench.store.close();
    let report = dir.verify();
    assert!(report.faults.is_empty(), "{report:?}");
}

#[test]
fn the_index_follows_the_entries_and_finds_by_room_reference_and_place() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    bench.done(book("a", None));
    let life = life("SE_lived");
    for append in &life[..life.len() - 1] {
        let job = Job::Append(Box::new(append.clone()));
        bench.store.handle().send(job).unwrap();
    }
    bench.done(Work::Flush);
    assert_eq!(in_state(&dir, "running"), ["SE_lived"]);
    let last = life.last().unwrap().clone();
    let job = Job::Append(Box::new(last));
    bench.store.handle().send(job).unwrap();
    bench.done(Work::Flush);
    assert_eq!(in_state(&dir, "ended"), ["SE_lived"]);
    let by_room = SessionFilter {
        room: Some("a".to_owned()),
        ..SessionFilter::default()
    };
    assert_eq!(listed(&dir, by_room), ["SE_a"]);
    let by_ref = SessionFilter {
        external_ref: Some("ref-a".to_owned()),
        ..SessionFilter::default()
    };
    assert_eq!(listed(&dir, by_ref), ["SE_a"]);
    let after = SessionFilter {
        after: 1,
        ..SessionFilter::default()
    };
    assert_eq!(listed(&dir, after), ["SE_lived"]);
    bench.store.close();
}

#[test]
fn a_ledger_of_version_1_gets_its_index_and_keeps_its_chain() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    for append in &life("SE_old") {
        let job = Job::Append(Box::new(append.clone()));
        bench.store.handle().send(job).unwrap();
    }
    bench.store.close();
    dir.sqlite()
        .execute_batch(
            "DROP TABLE session; DROP TABLE booking; DROP TABLE request; DROP TABLE recording;
             DROP INDEX entry_stop; DROP INDEX entry_consent;
             ALTER TABLE outbox DROP COLUMN tried_ms; PRAGMA user_version = 1;",
        )
        .unwrap();
    assert_eq!(
        LedgerReader::open(&dir.0)
            .unwrap()
            .records(None)
            .unwrap()
            .len(),
        1
    );
    let (bench, _) = start(&dir);
    assert_eq!(in_state(&dir, "ended"), ["SE_old"]);
    bench.done(book("new", None));
    assert_eq!(listed(&dir, SessionFilter::default()), ["SE_old", "SE_new"]);
    bench.store.close();
    let report = dir.verify();
    assert!(report.faults.is_empty(), "{report:?}");
}
