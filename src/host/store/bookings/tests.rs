//! Bookings, requests and the index of sessions, on real files and across restarts.

use super::*;
use crate::api::{SessionFilter, Within, Work};
use crate::base::{EndReason, Grants, NodeId, Rng, RoomKey, SessionId};
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
        room: RoomKey::of_keys(room),
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
        grants: Grants::default(),
        first: None,
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
    listed_of(dir, &ProjectId::default(), filter)
}

fn listed_of(dir: &Dir, project: &ProjectId, filter: SessionFilter) -> Vec<String> {
    let found = LedgerReader::open(&dir.0)
        .unwrap()
        .sessions(&Within::new(project, (filter, 10)))
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
    let request = |project: &str, key: &str| {
        let asked = Within::new(&ProjectId::from(project), key.to_owned());
        reader.request(&asked).unwrap()
    };
    let made = Some(("digest".to_owned(), longer));
    assert_eq!(request("default", "app:once"), made);
    assert_eq!(request("default", "app:other"), None);
    assert_eq!(request("acme", "app:once"), None);
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
    dir.age(1);
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

#[test]
fn what_is_of_one_project_is_not_there_for_another_and_its_rooms_are_others() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    let projects = ["default", "acme", "bolt"].map(ProjectId::from);
    for project in &projects {
        let booking = Booking {
            session: SessionId::from(format!("SE_{project}")),
            room: RoomKey::new(project, "lesson"),
            ..booked("lesson")
        };
        bench.done(Work::Book(Box::new(booking), None));
    }
    let mut life = life("SE_begun");
    life[0].entry.facts.as_mut().unwrap().room = RoomKey::new(&projects[1], "lesson");
    let job = Job::Append(Box::new(life[0].clone()));
    bench.store.handle().send(job).unwrap();
    bench.done(Work::Flush);
    let of_room = || SessionFilter {
        room: Some("lesson".to_owned()),
        ..SessionFilter::default()
    };
    let seen = |project| listed_of(&dir, project, of_room());
    assert_eq!(seen(&projects[0]), ["SE_default"]);
    assert_eq!(seen(&projects[1]), ["SE_acme", "SE_begun"]);
    assert_eq!(seen(&projects[2]), ["SE_bolt"]);
    let reader = LedgerReader::open(&dir.0).unwrap();
    for session in ["SE_default", "SE_acme", "SE_begun", "SE_bolt"] {
        let there = |project: &&ProjectId| {
            let asked = Within::new(project, SessionId::from(session));
            reader.session(&asked).unwrap().is_some()
        };
        assert_eq!(projects.iter().filter(there).count(), 1, "{session}");
    }
    // Pages are filled with what is theirs, whatever others have made in between.
    let (mut pages, mut after) = (Vec::new(), 0);
    loop {
        let filter = SessionFilter {
            after,
            ..SessionFilter::default()
        };
        let page = reader.sessions(&Within::new(&projects[1], (filter, 1)));
        let Some(known) = page.unwrap().pop() else {
            break;
        };
        after = known.seq;
        pages.push(known.booking.map_or("begun", |_| "booked"));
    }
    assert_eq!(pages, ["booked", "begun"]);
    drop(reader);
    bench.store.close();
    let (_, kept) = start(&dir);
    let rooms: Vec<&RoomKey> = kept.iter().map(|booking| &booking.room).collect();
    let same = projects
        .each_ref()
        .map(|project| RoomKey::new(project, "lesson"));
    assert_eq!(rooms, same.each_ref(), "three rooms of one name");
}

#[test]
fn a_ledger_of_version_3_is_of_the_default_project_once_it_was_opened() {
    let dir = Dir::new();
    let (bench, _) = start(&dir);
    bench.done(book("a", Some("app:once")));
    for append in &life("SE_old") {
        let job = Job::Append(Box::new(append.clone()));
        bench.store.handle().send(job).unwrap();
    }
    bench.store.close();
    dir.age(3);
    let old = LedgerReader::open(&dir.0).unwrap();
    assert_eq!(old.records(None).unwrap().len(), 1, "it is read as it is");
    drop(old);
    let (bench, kept) = start(&dir);
    assert_eq!(kept, [booked("a")]);
    assert_eq!(listed(&dir, SessionFilter::default()), ["SE_a", "SE_old"]);
    assert_eq!(
        listed_of(&dir, &"acme".into(), SessionFilter::default()),
        [""; 0]
    );
    let asked = Within::new(&ProjectId::default(), "app:once".to_owned());
    let reader = LedgerReader::open(&dir.0).unwrap();
    assert!(reader.request(&asked).unwrap().is_some());
    bench.store.close();
    assert_eq!(dir.verify().faults, []);
}
