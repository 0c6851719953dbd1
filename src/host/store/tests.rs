//! The store on real files: what is acknowledged is there after a crash, once, in order.

use super::bookings::SCHEDULED;
use super::boot::CUT;
use super::check::Look;
use super::columns::{ENTRIES, STOP};
use super::dead_letters::DEAD;
use super::fixture::{Dir, PATIENCE, at, clock, soon};
use super::job::Lanes;
use super::outbox::{LANES_AT_ONCE, NEXT_LANE, REMOVED};
use super::read::LedgerReader;
use super::writer::Writer;
use super::*;
use crate::base::{EndReason, Millis, Now, ProjectId, RoomKey, SessionId, SessionState, Unix};
use crate::node::LedgerTrouble;
use crate::usage::ledger::fixture::{START, checkpoint, facts, life};
use crate::usage::ledger::{ClockEntry, FaultKind};
use crate::usage::outbox::{Lane, Mark, Verdict};
use crate::usage::{Append, EntryKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

fn config(dir: &Path) -> StoreConfig {
    let endpoints = vec![Arc::from("app"), Arc::from("audit")];
    StoreConfig {
        dir: dir.to_path_buf(),
        node: None,
        endpoints,
        ballast_bytes: 0,
    }
}

/// A running store and what it tells.
struct Bench {
    store: RunningStore,
    replies: Receiver<StoreReply>,
    fatal: Receiver<String>,
    commits: Receiver<Duration>,
}

fn start(store: Store) -> Bench {
    let (reply, replies) = sync_channel(10_000);
    let (fatality, fatal) = sync_channel(10);
    let (commit, commits) = sync_channel(10_000);
    let hooks = Hooks {
        on_reply: Box::new(move |told| drop(reply.try_send(told))),
        on_fatal: Box::new(move |told| drop(fatality.try_send(told.to_string()))),
        on_commit: Box::new(move |took| assert!(commit.try_send(took).is_ok())),
        clock: clock(),
    };
    Bench {
        store: store.start(hooks).unwrap(),
        replies,
        fatal,
        commits,
    }
}

fn open(dir: &Dir, now: Now) -> (Store, Boot) {
    Store::open(&config(&dir.0), now).unwrap()
}

impl Bench {
    fn send(&self, job: Job) {
        self.store.handle().send(job).unwrap();
    }

    fn append(&self, appends: &[Append]) {
        appends
            .iter()
            .for_each(|append| self.send(Job::Append(Box::new(append.clone()))));
    }

    fn reply(&self) -> StoreReply {
        self.replies.recv_timeout(PATIENCE).unwrap()
    }

    fn appended(&self, appends: &[Append]) {
        self.append(appends);
        for append in appends {
            let expected = StoreReply::Appended {
                session: append.entry.session.clone(),
                project: ProjectId::default(),
                entry_seq: append.entry.entry_seq,
                events: append.events.len(),
            };
            assert_eq!(self.reply(), expected);
        }
    }

    fn head(&self, lane: &Lane) -> Option<crate::usage::outbox::OutboxRow> {
        self.send(Job::Head(lane.clone()));
        let StoreReply::Head { lane: of, row } = self.reply() else {
            panic!("no head");
        };
        assert_eq!(of, *lane);
        row
    }

    /// The lanes behind this one, of which there are few.
    fn lanes(&self, after: Option<Lane>) -> Vec<Lane> {
        let named = self.named(after);
        assert_eq!(named.next, None, "there are few");
        named.lanes
    }

    fn named(&self, after: Option<Lane>) -> Lanes {
        self.send(Job::Lanes { after });
        let StoreReply::Lanes(named) = self.reply() else {
            panic!("no lanes");
        };
        named
    }

    /// Waits until `holds`, a reply at a time: each job that is answered is a commit.
    fn until(&self, holds: impl Fn(&StoreStats) -> bool) {
        let handle = self.store.handle();
        for _ in 0..2_000 {
            if holds(handle.stats()) {
                return;
            }
            drop(self.replies.recv_timeout(Duration::from_millis(10)));
        }
        panic!("{:?}", handle.stats());
    }
}

fn lane(endpoint: &str, session: &str) -> Lane {
    Lane {
        endpoint: Arc::from(endpoint),
        session: SessionId::from(session),
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_clean_restart() {
    let dir = Dir::new();
    let (store, first) = open(&dir, soon());
    let bench = start(store);
    bench.appended(&life("SE_a"));
    assert!(bench.commits.try_iter().count() >= 1);
    bench.store.close();
    assert!(
        !dir.0.join("ledger.sqlite-wal").exists(),
        "a clean close leaves no WAL"
    );
    let (store, second) = open(&dir, soon());
    assert_eq!((first.epoch, second.epoch), (1, 2));
    assert_eq!(first.node, second.node);
    assert!(second.closed.is_empty() && second.recent.is_empty());
    drop(store);
    let report = dir.verify();
    assert_eq!(
        (report.rows, report.faults.len(), report.chain_heads.len()),
        (8, 0, 2)
    );
    let records = LedgerReader::open(&dir.0).unwrap().records(None).unwrap();
    assert_eq!(records[0].totals, life("SE_a")[5].entry.totals);
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_at_any_moment() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    for (done, append) in (1..).zip(life("SE_a")) {
        bench.appended(std::slice::from_ref(&append));
        let crashed = dir.copy();
        let (_, boot) = open(&crashed, soon());
        assert_eq!(
            boot.closed.len(),
            usize::from(done < 6),
            "after entry {done}"
        );
        let report = crashed.verify();
        assert_eq!(report.faults, []);
        let stop = u64::from(done < 6);
        assert_eq!(report.rows, 2 + done + stop, "two boots and {done} entries");
    }
}

#[test]
fn an_orphan_is_closed_once_from_its_checkpoint_and_told_to_every_endpoint() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a")[..3]);
    bench.send(Job::Checkpoints(vec![
        checkpoint("SE_a", 5_000),
        checkpoint("SE_unknown", 1),
    ]));
    let stored = StoreReply::CheckpointsStored {
        sessions: vec![(SessionId::from("SE_a"), 0)],
    };
    assert_eq!(bench.reply(), stored);
    bench.send(Job::Checkpoints(vec![checkpoint("SE_a", 5_250)]));
    assert_eq!(bench.reply(), stored);

    let crashed = dir.copy();
    let (store, boot) = open(&crashed, soon());
    assert_eq!(boot.closed, [facts("SE_a")]);
    let record = &LedgerReader::open(&crashed.0)
        .unwrap()
        .records(Some("SE_a"))
        .unwrap()[0];
    assert_eq!(record.totals.accrued_ms, Millis(5_250));
    assert!(record.estimated);
    assert_eq!(boot.recent.get(&record.facts.room), Some(record));
    let told = |endpoint: &str| -> Vec<String> {
        let sql = "SELECT type FROM outbox WHERE endpoint = ?1 ORDER BY event_seq";
        let conn = crashed.sqlite();
        let mut select = conn.prepare(sql).unwrap();
        let types = select.query_map([endpoint], |row| row.get(0)).unwrap();
        types.map(Result::unwrap).skip(3).collect()
    };
    let expected = ["participant.left", "participant.left", "session.ended"];
    assert_eq!(
        (told("app"), told("audit")),
        (
            expected.map(str::to_owned).to_vec(),
            expected.map(str::to_owned).to_vec()
        )
    );

    // The next crash comes before anything else happens: nothing is closed a second time.
    let again = crashed.copy();
    drop(store);
    let (_, boot) = open(&again, soon());
    assert!(boot.closed.is_empty());
    assert_eq!(boot.recent.len(), 1, "a rejoin still continues it");
    assert_eq!(
        (again.verify().faults, again.verify().open_sessions),
        (vec![], 0)
    );
}

#[test]
fn a_crash_within_the_boot_changes_nothing() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a")[..3]);
    bench.appended(&life("SE_b")[..4]);
    let crashed = dir.copy();
    // The second stop entry fails: its event is there already.
    let event = "INSERT INTO outbox SELECT 'evt_b_7', endpoint, session, 7, type, body, 0, 'pending', 0, 0, NULL, NULL, 0, NULL
                 FROM outbox WHERE session = 'SE_b' AND event_seq = 1 AND endpoint = 'app'";
    crashed.sqlite().execute(event, []).unwrap();
    assert!(matches!(
        Store::open(&config(&crashed.0), soon()),
        Err(OpenError::Sqlite { .. })
    ));
    assert_eq!(
        (crashed.verify().rows, crashed.verify().open_sessions),
        (8, 2)
    );
    crashed
        .sqlite()
        .execute("DELETE FROM outbox WHERE event_id = 'evt_b_7'", [])
        .unwrap();
    let (_, boot) = open(&crashed, soon());
    assert_eq!((boot.epoch, boot.closed.len()), (2, 2));
    assert_eq!(crashed.verify().faults, []);
}

#[test]
fn a_session_is_continued_within_ten_minutes_and_only_once() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a")[..3]);
    let crashed = dir.copy();
    drop(open(&crashed, soon()));
    let ended = START.0 + 1_000;
    for (now, recent) in [
        (ended + 599_000, 1),
        (ended + 601_000, 0),
        (ended - 3_600_000, 1),
    ] {
        assert_eq!(
            open(&crashed.copy(), at(now)).1.recent.len(),
            recent,
            "{now}"
        );
    }
    let bench = start(open(&crashed, soon()).0);
    let mut next = life("SE_b")[0].clone();
    next.entry.facts.as_mut().unwrap().continues = Some(SessionId::from("SE_a"));
    next.entry.at_unix_ms = soon().unix;
    bench.appended(&[next]);
    let boot = open(&crashed.copy(), soon()).1;
    let rooms: Vec<&str> = boot.recent.keys().map(|room| room.name.as_str()).collect();
    assert_eq!(rooms, ["room-SE_b"], "SE_a was continued by SE_b");
}

#[test]
fn each_project_goes_on_with_its_own_session_of_a_room_and_its_endpoints_alone_hear_of_it() {
    let dir = Dir::new();
    let endpoints = ["app", "acme/app", "bolt/app"].map(Arc::from).to_vec();
    let config = StoreConfig {
        endpoints,
        ..config(&dir.0)
    };
    let projects = ["default", "acme", "bolt"].map(ProjectId::from);
    let bench = start(Store::open(&config, soon()).unwrap().0);
    for project in &projects {
        let session = format!("SE_{project}");
        let mut begun = life(&session)[..3].to_vec();
        begun[0].entry.facts.as_mut().unwrap().room = RoomKey::new(project, "lesson");
        bench.append(&begun);
        for append in &begun {
            let StoreReply::Appended {
                session,
                project: whose,
                ..
            } = bench.reply()
            else {
                panic!("not an append");
            };
            assert_eq!((&session, &whose), (&append.entry.session, project));
        }
        for other in &projects {
            let head = bench.head(&lane(&other.endpoint("app"), &session));
            assert_eq!(head.is_some(), other == project, "{session} for {other}");
        }
    }
    let crashed = dir.copy();
    let (_, boot) = Store::open(
        &StoreConfig {
            dir: crashed.0.clone(),
            ..config
        },
        soon(),
    )
    .unwrap();
    let kept: Vec<(&RoomKey, &str)> = boot
        .recent
        .iter()
        .map(|(room, record)| (room, record.facts.session.as_str()))
        .collect();
    let rooms = ["acme", "bolt", "default"].map(|name| RoomKey::new(&name.into(), "lesson"));
    let sessions = ["SE_acme", "SE_bolt", "SE_default"];
    assert_eq!(kept, rooms.iter().zip(sessions).collect::<Vec<_>>());
    let sql = "SELECT count(*) FROM outbox WHERE endpoint = 'acme/app' AND session <> 'SE_acme'";
    let strange: i64 = crashed
        .sqlite()
        .query_row(sql, [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        strange, 0,
        "the ends that the start wrote go to their own as well"
    );
    let sql = "SELECT count(*) FROM outbox WHERE endpoint = 'acme/app' AND type = 'session.ended'";
    let ended: i64 = crashed
        .sqlite()
        .query_row(sql, [], |row| row.get(0))
        .unwrap();
    assert_eq!(ended, 1);
}

#[test]
fn a_wall_clock_that_was_set_is_a_row_of_no_session_and_the_chain_goes_on() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a")[..2]);
    for (number, step_ms) in [(1, 900_000), (2, -86_400_000)] {
        let work = crate::api::Work::ClockStep(step_ms);
        bench.send(Job::Write { number, work });
        assert_eq!(bench.reply(), StoreReply::Written(number));
    }
    bench.appended(&life("SE_a")[2..]);
    let stored = dir.copy();
    assert_eq!(stored.verify().faults, []);
    let sql = "SELECT body FROM entry WHERE kind = 'clock' AND session IS NULL ORDER BY chain_seq";
    let conn = stored.sqlite();
    let mut select = conn.prepare(sql).unwrap();
    let bodies = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let steps: Vec<i64> = bodies
        .map(|body| serde_json::from_str::<ClockEntry>(&body.unwrap()).unwrap())
        .map(|entry| entry.step_ms)
        .collect();
    assert_eq!(steps, [900_000, -86_400_000]);
    let sessions = LedgerReader::open(&stored.0)
        .unwrap()
        .records(None)
        .unwrap();
    assert_eq!(sessions.len(), 1, "the session is whole");
}

#[test]
fn a_session_that_ended_with_an_orderly_stop_is_continued_and_one_that_ended_itself_is_not() {
    for (reason, continued) in [
        (EndReason::NodeDrained, 1),
        (EndReason::Left, 0),
        (EndReason::QuotaExhausted, 0),
    ] {
        let dir = Dir::new();
        let bench = start(open(&dir, soon()).0);
        let mut whole = life("SE_a");
        whole.last_mut().unwrap().entry.state = SessionState::Ended(reason);
        bench.appended(&whole);
        let (_, boot) = open(&dir.copy(), soon());
        assert!(boot.closed.is_empty(), "{reason:?}: it was closed in order");
        assert_eq!(boot.recent.len(), continued, "{reason:?}");
    }
}

#[test]
fn the_session_of_a_room_that_panicked_is_closed_at_once_and_can_be_continued() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a")[..2]);
    bench.appended(&life("SE_b")[..2]);
    let abandon = |session: &str| {
        bench.send(Job::Abandon {
            room: RoomKey::of_keys("help"),
            session: SessionId::from(session),
        });
        let mut replies = std::iter::from_fn(|| Some(bench.reply()));
        replies.find_map(|reply| {
            let StoreReply::Abandoned { record, .. } = reply else {
                return None;
            };
            Some(record)
        })
    };
    let record = abandon("SE_a").unwrap().expect("the ledger knows it");
    assert_eq!(record.state, SessionState::Ended(EndReason::NodeLost));
    assert!(record.estimated, "from the last that is certain");
    assert_eq!(abandon("SE_a"), Some(None), "once");
    assert_eq!(abandon("SE_unheard_of"), Some(None));
    bench.appended(&life("SE_b")[2..]);

    let stored = dir.copy();
    assert_eq!(stored.verify().faults, []);
    let (_, boot) = open(&stored, soon());
    assert!(boot.closed.is_empty(), "nothing is left for the next start");
    let sql = "SELECT count(*) FROM outbox WHERE session = 'SE_a' AND type = 'session.ended'";
    let told: i64 = dir.sqlite().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(told, 2, "each endpoint is told");
}

#[test]
fn jobs_that_wait_together_share_a_commit_and_are_answered_in_order() {
    let dir = Dir::new();
    let (store, _) = open(&dir, soon());
    let (reply, replies) = sync_channel(10_000);
    let (gate, opened) = sync_channel::<()>(1);
    let (first, clock) = (std::sync::Once::new(), clock());
    let hooks = Hooks {
        on_reply: Box::new(move |told| drop(reply.try_send(told))),
        on_fatal: Box::new(|told| panic!("{told}")),
        on_commit: Box::new(|_| {}),
        // The writer's first look at the clock waits until all jobs are queued; others look as well.
        clock: {
            let opened = std::sync::Mutex::new(opened);
            Arc::new(move || {
                if std::thread::current().name() == Some("ledger-writer") {
                    first.call_once(|| opened.lock().unwrap().recv().unwrap());
                }
                clock()
            })
        },
    };
    let running = store.start(hooks).unwrap();
    let handle = running.handle();
    let lives: Vec<Vec<Append>> = (0..50).map(|n| life(&format!("SE_{n}"))).collect();
    for step in 0..6 {
        lives.iter().for_each(|life| {
            handle
                .send(Job::Append(Box::new(life[step].clone())))
                .unwrap()
        });
    }
    gate.send(()).unwrap();
    let expected = (0..6).flat_map(|step| lives.iter().map(move |life| life[step].entry.clone()));
    for entry in expected {
        let StoreReply::Appended {
            session, entry_seq, ..
        } = replies.recv_timeout(PATIENCE).unwrap()
        else {
            panic!("not an append");
        };
        assert_eq!((session, entry_seq), (entry.session, entry.entry_seq));
    }
    assert!(handle.stats().commits_total() <= 2, "{:?}", handle.stats());
    assert_eq!(
        (
            handle.stats().entries_total(),
            handle.stats().open_sessions()
        ),
        (300, 0)
    );
    running.close();
    assert_eq!((dir.verify().faults, dir.verify().rows), (vec![], 301));
}

#[test]
fn what_is_done_to_the_file_behind_our_back_is_found() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a"));
    bench.store.close();
    let table = [
        ("UPDATE entry SET body = replace(body, '\"accrued_ms\":70000', '\"accrued_ms\":71000') WHERE entry_seq = 5",
         vec![FaultKind::HashDiffers, FaultKind::NotConserved, FaultKind::TotalWentDown]),
        ("UPDATE entry SET body = body || ' ' WHERE entry_seq = 2", vec![FaultKind::HashDiffers]),
        ("DELETE FROM entry WHERE entry_seq = 3", vec![FaultKind::ChainGap, FaultKind::ChainBroken, FaultKind::EntryGap]),
        ("UPDATE entry SET chain_seq = 99 WHERE entry_seq = 4; UPDATE entry SET chain_seq = 5 WHERE entry_seq = 3;
          UPDATE entry SET chain_seq = 4 WHERE chain_seq = 99", vec![FaultKind::HashDiffers, FaultKind::ChainBroken, FaultKind::EntryGap]),
        ("UPDATE entry SET hash = zeroblob(32) WHERE entry_seq = 6", vec![FaultKind::HashDiffers]),
        ("UPDATE entry SET hash = zeroblob(3) WHERE entry_seq = 6", vec![FaultKind::HashDiffers]),
        ("UPDATE entry SET session = 'SE_z' WHERE entry_seq = 6", vec![FaultKind::ColumnsDiffer]),
        ("UPDATE entry SET kind = 'interim' WHERE kind = 'stop'", vec![FaultKind::ColumnsDiffer]),
        ("UPDATE entry SET at_unix_ms = at_unix_ms + 1 WHERE kind = 'start'", vec![FaultKind::ColumnsDiffer]),
        ("UPDATE entry SET event_seq = event_seq + 3 WHERE kind = 'stop'", vec![FaultKind::ColumnsDiffer]),
        ("PRAGMA foreign_keys = OFF; UPDATE boot SET node = 'ND_other'", vec![FaultKind::HashDiffers, FaultKind::ColumnsDiffer]),
    ];
    for (sql, expected) in table {
        let spoiled = dir.copy();
        spoiled.sqlite().execute_batch(sql).unwrap();
        let found: Vec<FaultKind> = spoiled
            .verify()
            .faults
            .iter()
            .map(|fault| fault.fault)
            .collect();
        assert!(
            expected.iter().all(|kind| found.contains(kind)),
            "{sql}: {found:?}"
        );
    }
    assert_eq!(dir.verify().faults, []);
}

#[test]
fn an_entry_that_does_not_follow_is_refused_and_the_ledger_stays_whole() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    let life_a = life("SE_a");
    bench.appended(&life_a[..2]);
    bench.append(&life_a[..1]); // a second start
    bench.append(&life_a[1..2]); // twice
    bench.append(&life_a[3..4]); // a gap
    bench.append(&life("SE_b")[1..2]); // no start
    let mut event_gap = life_a[2].clone();
    event_gap.events[0].event_seq = 9;
    bench.append(&[event_gap]);
    bench.appended(&life_a[2..]);
    bench.append(&life_a[5..]); // after the stop
    bench.append(&life_a[..1]); // a session that is over starts again
    bench.appended(&life("SE_c"));
    assert_eq!(bench.store.handle().stats().refused_total(), 7);
    bench.store.close();
    let report = dir.verify();
    assert_eq!((report.faults, report.rows), (vec![], 13));
}

#[test]
fn a_checkpoint_after_the_stop_brings_nothing_back() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a"));
    bench.send(Job::Checkpoints(vec![checkpoint("SE_a", 5_250)]));
    assert_eq!(
        bench.reply(),
        StoreReply::CheckpointsStored { sessions: vec![] }
    );
    assert!(open(&dir.copy(), soon()).1.closed.is_empty());
}

#[test]
fn a_lane_is_read_in_order_and_its_outcomes_survive_a_restart() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a"));
    let (app, stats) = (lane("app", "SE_a"), bench.store.handle());
    assert_eq!(
        stats.stats().outbox_depth(),
        14,
        "seven events for each of two endpoints"
    );
    let oldest = stats.stats().oldest_pending_unix_ms().unwrap();
    assert!(oldest >= soon().unix.0);
    let head = bench.head(&app).unwrap();
    assert_eq!(
        (head.event_id.as_str(), head.event_seq, head.attempts),
        ("evt_a_1", 1, 0)
    );
    assert_eq!(head.body, life("SE_a")[0].events[0].body, "byte for byte");
    let mark = |verdict, attempts| {
        let at_unix_ms = soon().unix;
        let event_id = "evt_a_1".to_owned();
        Job::Mark(Mark {
            event_id,
            lane: app.clone(),
            verdict,
            attempts,
            tried: Millis(5_000),
            last_status: Some(500),
            last_failure: Some("status"),
            at_unix_ms,
        })
    };
    bench.send(mark(Verdict::Retry(Unix(START.0 + 200_000)), 3));
    let marked = StoreReply::Marked {
        lane: app.clone(),
        event_id: "evt_a_1".to_owned(),
    };
    assert_eq!(bench.reply(), marked);
    assert_eq!(bench.head(&app).unwrap().attempts, 3);

    let bench = start(open(&dir.copy(), soon()).0);
    let head = bench.head(&app).unwrap();
    assert_eq!(
        (head.attempts, head.tried, head.next_unix_ms),
        (3, Millis(5_000), Unix(START.0 + 200_000))
    );
    assert_eq!(bench.lanes(None), [app.clone(), lane("audit", "SE_a")]);
    bench.send(mark(Verdict::Delivered, 4));
    bench.send(mark(Verdict::Dead, 5)); // too late: it is delivered
    assert_eq!((bench.reply(), bench.reply()), (marked.clone(), marked));
    assert_eq!(bench.head(&app).unwrap().event_seq, 2);
    assert_eq!(bench.store.handle().stats().outbox_depth(), 13);
    assert_eq!(
        bench.head(&lane("audit", "SE_a")).unwrap().event_seq,
        1,
        "lanes are apart"
    );
    assert_eq!(bench.head(&lane("app", "SE_none")), None);
}

#[test]
fn endpoints_change_between_entries_and_rows_of_a_removed_one_become_dead_letters() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a"));
    let named = ["app", "new"].map(Arc::from).to_vec();
    bench.send(Job::Endpoints(named));
    bench.appended(&life("SE_b"));
    bench.send(Job::Bury);
    let buried = StoreReply::Buried(Some((Arc::from("audit"), 7)));
    assert_eq!(bench.reply(), buried, "one lane of the endpoint `audit`");
    bench.send(Job::Bury);
    assert_eq!(bench.reply(), StoreReply::Buried(None), "there are no more");
    let lanes = ["app", "new"].map(|endpoint| lane(endpoint, "SE_b"));
    let [app, new] = lanes;
    let pending = vec![lane("app", "SE_a"), app, new];
    assert_eq!(bench.lanes(None), pending);
    assert_eq!(bench.head(&lane("audit", "SE_a")), None);
    assert_eq!(bench.store.handle().stats().outbox_depth(), 21);
    bench.store.close();
    let dead = "SELECT count(*) FROM outbox WHERE state = 'dead' AND endpoint = 'audit'";
    let dead: i64 = dir.sqlite().query_row(dead, [], |row| row.get(0)).unwrap();
    assert_eq!(dead, 7, "they are kept");
}

#[test]
fn dead_letters_of_a_removed_endpoint_are_written_a_part_at_a_time() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    for n in 0..300 {
        bench.appended(&life(&format!("SE_{n}")));
    }
    bench.send(Job::Endpoints(vec![Arc::from("app")]));
    bench.send(Job::Bury);
    bench.send(Job::Bury);
    let part = |count| StoreReply::Buried(Some((Arc::from("audit"), count)));
    assert_eq!((bench.reply(), bench.reply()), (part(2_000), part(100)));
    assert_eq!(bench.store.handle().stats().outbox_depth(), 2_100);
}

#[test]
fn a_ledger_of_version_4_keeps_what_was_tried_so_far() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a"));
    bench.store.close();
    dir.age(4);
    let bench = start(open(&dir, soon()).0);
    let head = bench.head(&lane("app", "SE_a")).unwrap();
    assert_eq!((head.event_seq, head.tried), (1, Millis::ZERO));
}

#[test]
fn a_full_disk_keeps_everything_in_order_until_there_is_space() {
    let dir = Dir::new();
    let (store, _) = open(&dir, soon());
    dir.sqlite()
        .execute_batch("CREATE TABLE ballast (x); INSERT INTO ballast VALUES (zeroblob(2000000))")
        .unwrap();
    let pages: i64 = store
        .conn
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    store
        .conn
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
    let bench = start(store);
    let lives: Vec<Vec<Append>> = (0..60).map(|n| life(&format!("SE_{n}"))).collect();
    lives.iter().for_each(|life| bench.append(&life[..3]));
    bench.send(Job::Checkpoints(vec![checkpoint("SE_59", 5_000)]));
    bench.until(StoreStats::full);
    lives.iter().for_each(|life| bench.append(&life[3..4]));
    bench.send(Job::Checkpoints(vec![checkpoint("SE_59", 5_250)]));
    bench.until(|stats| stats.held() > 60);
    assert!(bench.fatal.try_recv().is_err());
    dir.sqlite().execute_batch("DROP TABLE ballast").unwrap();
    bench.until(|stats| !stats.full() && stats.entries_total() == 240);
    let stats = bench.store.handle();
    assert_eq!(
        (
            stats.stats().held(),
            stats.stats().dropped_total(),
            stats.stats().refused_total()
        ),
        (0, 0, 0)
    );
    assert_eq!(
        stats.stats().checkpoints_total(),
        1,
        "only the newest of a session is kept"
    );
    bench.store.close();
    assert_eq!((dir.verify().faults, dir.verify().rows), (vec![], 241));
}

#[test]
fn a_disk_full_for_too_long_cuts_a_session_at_an_entry_and_leaves_no_gap() {
    let dir = Dir::new();
    let (store, _) = open(&dir, soon());
    let mut writer = Writer::new(
        store,
        Hooks {
            on_reply: Box::new(|_| {}),
            on_fatal: Box::new(|told| panic!("{told}")),
            on_commit: Box::new(|_| {}),
            clock: clock(),
        },
    );
    let (a, b) = (life("SE_a"), life("SE_b"));
    writer.test_overflow(
        2,
        [&a[0], &a[1], &a[2], &b[0]].map(|append| Job::Append(Box::new(append.clone()))),
    );
    writer.test_settle([&a[3], &b[1]].map(|append| Job::Append(Box::new(append.clone()))));
    drop(writer);
    let report = dir.verify();
    assert_eq!(
        (report.rows, report.faults, report.open_sessions),
        (3, vec![], 1)
    );
}

#[test]
fn a_failed_write_is_fatal_told_once_and_never_retried() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    dir.sqlite().execute_batch("DROP TABLE outbox").unwrap();
    bench.append(&life("SE_a"));
    let told = bench.fatal.recv_timeout(PATIENCE).unwrap();
    assert!(
        told.contains("does not retry") && told.contains("check the disk"),
        "{told}"
    );
    assert!(
        bench.replies.recv_timeout(PATIENCE).is_err(),
        "nothing is acknowledged"
    );
    assert!(bench.fatal.try_recv().is_err());
    let handle = bench.store.handle();
    bench.store.close();
    assert!(matches!(handle.send(Job::Bury), Err(SendError::Closed)));
    assert_eq!(dir.verify().rows, 1);
}

#[test]
fn a_second_process_is_refused_and_readers_are_not() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    let second = Store::open(&config(&dir.0), soon()).err().unwrap();
    assert!(
        second.to_string().contains("another beistand process"),
        "{second}"
    );
    bench.appended(&life("SE_a")[..3]);
    let reader = LedgerReader::open(&dir.0).unwrap();
    assert_eq!(reader.records(None).unwrap()[0].entry_seq, 3);
    bench.appended(&life("SE_a")[3..]);
    assert_eq!(
        reader.records(None).unwrap()[0].entry_seq,
        3,
        "as it was when it was opened"
    );
    assert_eq!(
        LedgerReader::open(&dir.0).unwrap().records(None).unwrap()[0].entry_seq,
        6
    );
    bench.store.close();
    assert_eq!(open(&dir, soon()).1.epoch, 2, "the lock is free again");
}

#[test]
fn a_foreign_lock_is_waited_for_with_an_alarm_and_loses_nothing() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a")[..2]);
    let foreign = dir.sqlite();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    bench.append(&life("SE_a")[2..]);
    bench.until(StoreStats::locked);
    let handle = bench.store.handle();
    assert_eq!(handle.stats().trouble(), Some(LedgerTrouble::Locked));
    foreign.execute_batch("ROLLBACK").unwrap();
    for append in &life("SE_a")[2..] {
        let StoreReply::Appended { entry_seq, .. } = bench.reply() else {
            panic!("an entry");
        };
        assert_eq!(entry_seq, append.entry.entry_seq);
    }
    bench.until(|stats| stats.trouble().is_none());
    assert!(
        bench.fatal.try_recv().is_err(),
        "nothing is wrong with the disk"
    );
    assert!(bench.store.close(), "everything is written");
    assert_eq!(dir.verify().faults, []);
}

#[test]
fn a_long_ledger_is_looked_at_row_by_row_from_its_end_and_a_changed_one_is_found() {
    let dir = Dir::new();
    for session in ["SE_a", "SE_b"] {
        let bench = start(open(&dir, soon()).0);
        bench.appended(&life(session));
        bench.store.close();
    }
    let looked = || {
        let conn = dir.sqlite();
        let mut look = Look::new(&conn).unwrap();
        assert_eq!(look.left, 14, "two boots, and two lives of six entries");
        while look.step(&conn).unwrap() {}
        (look.left, look.finding)
    };
    assert_eq!(looked(), (0, None));
    let spoil = "UPDATE entry SET body = replace(body, 'live', 'evil')
                 WHERE boot_epoch = 1 AND chain_seq = 4";
    assert_eq!(dir.sqlite().execute(spoil, []).unwrap(), 1);
    let (left, finding) = looked();
    let finding = finding.expect("it is not what was written");
    assert_eq!((left, finding.contains("row 1/4")), (0, true), "{finding}");
}

#[test]
fn what_the_start_and_one_session_need_is_read_by_an_index_however_many_there_are() {
    let dir = Dir::new();
    drop(open(&dir, soon()));
    let conn = dir.sqlite();
    for (sql, table) in [
        (STOP, "entry"),
        (ENTRIES, "entry"),
        (CUT, "session"),
        (SCHEDULED, "booking"),
        (NEXT_LANE, "outbox"),
        (REMOVED, "outbox"),
        (&format!("SELECT rowid {DEAD}"), "outbox"),
    ] {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let mut select = conn.prepare(&explain).unwrap();
        let mut steps = select.raw_query();
        let mut plan: Vec<String> = Vec::new();
        while let Some(step) = steps.next().unwrap() {
            plan.push(step.get(3).unwrap());
        }
        let has = |what: &str| plan.iter().any(|step| step.contains(what));
        let (search, scan) = (format!("SEARCH {table}"), format!("SCAN {table}"));
        assert!(has(&search) && !has(&scan), "{plan:?}");
    }
}

#[test]
fn a_file_that_is_no_ledger_is_refused_with_what_to_do() {
    let told = |spoil: &dyn Fn(&Dir)| {
        let dir = Dir::new();
        drop(open(&dir, soon()));
        spoil(&dir);
        let error = Store::open(&config(&dir.0), soon()).err().unwrap();
        error.to_string()
    };
    let garbage = told(&|dir| std::fs::write(dir.0.join("ledger.sqlite"), [b'x'; 9_000]).unwrap());
    assert!(
        garbage.contains("damaged") && garbage.contains("copy the whole directory"),
        "{garbage}"
    );
    let newer = told(&|dir| dir.sqlite().pragma_update(None, "user_version", 9).unwrap());
    assert!(newer.contains("schema 9"), "{newer}");
    let orphan = told(&|dir| {
        dir.sqlite()
            .execute("INSERT INTO checkpoint VALUES ('SE_x', NULL)", [])
            .map(drop)
            .unwrap();
    });
    assert!(
        orphan.contains("SE_x") && orphan.contains("ledger verify"),
        "{orphan}"
    );
    let other = Dir::new();
    drop(open(&other, soon()));
    let named = StoreConfig {
        node: Some(crate::base::NodeId::from("ND_named")),
        ..config(&other.0)
    };
    let refused = Store::open(&named, soon()).err().unwrap().to_string();
    assert!(refused.contains("ND_named"), "{refused}");
    let missing = LedgerReader::open(Path::new("/nonexistent"))
        .err()
        .unwrap()
        .to_string();
    assert!(
        missing.contains("/nonexistent/ledger.sqlite") && missing.contains("--data"),
        "{missing}"
    );
}

#[test]
fn a_named_node_keeps_its_name() {
    let dir = Dir::new();
    let named = StoreConfig {
        node: Some(crate::base::NodeId::from("ND_named")),
        ..config(&dir.0)
    };
    assert_eq!(
        Store::open(&named, soon()).unwrap().1.node.as_str(),
        "ND_named"
    );
    assert_eq!(open(&dir, soon()).1.node.as_str(), "ND_named");
}

#[test]
fn the_wal_is_emptied_into_the_file_as_it_grows() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    for round in 0..6 {
        let lives: Vec<Append> = (0..60)
            .flat_map(|n| life(&format!("SE_{round}x{n}")))
            .collect();
        bench.appended(&lives);
    }
    let size = |file: &str| std::fs::metadata(dir.0.join(file)).unwrap().len();
    assert!(
        size("ledger.sqlite") > 1_000_000,
        "{}",
        size("ledger.sqlite")
    );
    assert_eq!(bench.store.handle().stats().open_sessions(), 0);
    assert!(matches!(life("SE_a")[5].entry.kind, EntryKind::Stop));
}

#[test]
fn lanes_are_named_a_part_at_a_time_in_order() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    let sessions: Vec<String> = (0..700).map(|n| format!("SE_{n:03}")).collect();
    let starts: Vec<Append> = sessions.iter().map(|s| life(s).remove(0)).collect();
    bench.appended(&starts);
    let all = ["app", "audit"].map(|endpoint| sessions.iter().map(move |s| lane(endpoint, s)));
    let all: Vec<Lane> = all.into_iter().flatten().collect();
    let first = bench.named(None);
    assert_eq!(first.lanes, all[..LANES_AT_ONCE]);
    assert_eq!(first.next.as_ref(), all[..LANES_AT_ONCE].last());
    // One between them is removed, as is the endpoint that a part ended at: the order holds.
    bench.send(Job::Endpoints(vec![Arc::from("zeta"), Arc::from("app")]));
    assert_eq!(bench.lanes(first.next), [], "`audit` is not configured");
    let last = &all[600];
    assert_eq!(bench.lanes(Some(last.clone())), all[601..700]);
}

#[test]
fn what_is_pending_is_known_without_counting_it_whoever_changes_the_rows() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_a"));
    bench.store.close();
    let depth = |dir: &Dir| open(dir, soon()).0.stats.outbox_depth();
    assert_eq!(depth(&dir), 14);
    for (sql, left) in [
        ("UPDATE outbox SET state = 'dead' WHERE event_seq < 3", 10),
        (
            "UPDATE outbox SET state = 'dead', attempts = 9 WHERE event_seq = 1",
            10,
        ),
        (
            "UPDATE outbox SET state = 'pending' WHERE event_seq = 2",
            12,
        ),
        ("DELETE FROM outbox WHERE event_seq < 4", 8),
    ] {
        dir.sqlite().execute(sql, []).unwrap();
        assert_eq!(depth(&dir), left, "{sql}");
    }
    dir.age(6);
    assert_eq!(depth(&dir), 8, "counted once");
}

#[test]
fn a_ledger_of_version_6_knows_which_sessions_go_on() {
    let dir = Dir::new();
    let bench = start(open(&dir, soon()).0);
    bench.appended(&life("SE_whole"));
    let ended = |session: &str, reason| {
        let mut whole = life(session);
        whole.last_mut().unwrap().entry.state = SessionState::Ended(reason);
        bench.appended(&whole);
    };
    ended("SE_drained", EndReason::NodeDrained);
    ended("SE_continued", EndReason::NodeDrained);
    let mut next = life("SE_next")[0].clone();
    next.entry.facts.as_mut().unwrap().continues = Some(SessionId::from("SE_continued"));
    bench.appended(&[next]);
    bench.store.close();
    dir.age(6);
    let (_, boot) = open(&dir, soon());
    let rooms: Vec<&str> = boot.recent.keys().map(|room| room.name.as_str()).collect();
    assert_eq!(rooms, ["room-SE_drained", "room-SE_next"]);
}
