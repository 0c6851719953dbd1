//! Kept answers on real files: across restarts, for a day, each project's own.

use super::*;
use crate::api::{Request, Work};
use crate::base::ProjectId;
use crate::host::store::fixture::{Dir, running};
use crate::host::store::schema;

const DAY: u64 = 24 * 3_600_000;
const NOW: Unix = Unix(1_800_000_000_000);

fn kept(project: &str, key: &str, payer: &str) -> KeptAnswer {
    KeptAnswer {
        project: ProjectId::from(project),
        payer: payer.to_owned(),
        request: Request {
            key: format!("{project} {key}"),
            digest: format!("digest of {key}"),
        },
        answer: Answer {
            status: 201,
            media_type: Some("application/json".to_owned()),
            location: Some("/v1/x".to_owned()),
            body: Some(format!("{{\"of\":\"{key}ü\"}}")),
        },
    }
}

fn lookup(of: &KeptAnswer, now: Unix) -> Within<KeyLookup> {
    let asked = KeyLookup {
        key: of.request.key.clone(),
        payer: of.payer.clone(),
        since: Unix(now.0.saturating_sub(REMEMBERED.0)),
    };
    Within::new(&of.project, asked)
}

fn looked(dir: &Dir, of: &KeptAnswer, now: Unix) -> KeyFound {
    let reader = LedgerReader::open(&dir.0).unwrap();
    reader.answer(&lookup(of, now)).unwrap()
}

fn found(of: &KeptAnswer) -> KeyFound {
    KeyFound::Answer(of.request.digest.clone(), of.answer.clone())
}

const fn free(keys: u64, bytes: u64) -> KeyFound {
    KeyFound::Free { keys, bytes }
}

/// A file with the tables, and nobody who writes.
fn file(dir: &Dir) -> Connection {
    let (lock, conn) = schema::open(&dir.0).unwrap();
    drop(lock);
    conn
}

#[test]
fn an_answer_is_there_after_a_restart_as_it_was_and_for_its_project_alone() {
    let dir = Dir::new();
    let (store, ledger, boot) = running(&dir.0);
    drop(boot);
    let mut long = kept("default", "long", "");
    long.answer.body = None;
    long.answer.location = None;
    for answer in [&kept("default", "a", ""), &long] {
        let written = ledger.send(Work::Answer(Box::new(answer.clone())));
        written.unwrap().blocking_recv().unwrap();
    }
    store.close();
    let (store, _, _) = running(&dir.0);
    let epoch = Unix(0);
    let a = kept("default", "a", "");
    assert_eq!(looked(&dir, &a, epoch), found(&a));
    assert_eq!(looked(&dir, &long, epoch), found(&long));
    let bytes = a.answer.body.as_ref().unwrap().len() as u64;
    assert_eq!(
        looked(&dir, &kept("default", "b", ""), epoch),
        free(2, bytes)
    );
    assert_eq!(looked(&dir, &kept("acme", "a", ""), epoch), free(0, 0));
    let mut stolen = kept("acme", "a", "");
    stolen.request.key = a.request.key;
    assert_eq!(
        looked(&dir, &stolen, epoch),
        free(0, 0),
        "the name alone is not enough"
    );
    store.close();
    assert_eq!(dir.verify().faults, []);
}

#[test]
fn an_answer_is_found_for_a_day_and_then_its_key_may_be_used_again() {
    let dir = Dir::new();
    let conn = file(&dir);
    let first = kept("default", "a", "");
    keep(&conn, &first, NOW).unwrap();
    let after = |ms| Unix(NOW.0 + ms);
    assert_eq!(looked(&dir, &first, after(DAY)), found(&first));
    assert_eq!(looked(&dir, &first, after(DAY + 1)), free(0, 0));
    // A wall clock that was set back forgets nothing.
    assert_eq!(looked(&dir, &first, Unix(NOW.0 - DAY)), found(&first));
    let mut second = first;
    second.request.digest = "of another request".to_owned();
    keep(&conn, &second, after(DAY + 1)).unwrap();
    assert_eq!(looked(&dir, &second, after(2 * DAY)), found(&second));
}

#[test]
fn keys_are_counted_for_each_payer_of_a_project_and_those_of_the_last_day_alone() {
    let dir = Dir::new();
    let conn = file(&dir);
    let later = Unix(NOW.0 + DAY);
    for (project, payer, at) in [
        ("default", "", NOW),
        ("default", "", Unix(NOW.0 + 1)),
        ("default", "", later),
        ("default", "[\"lesson\",\"karl\"]", later),
        ("acme", "", later),
    ] {
        let key = format!("{payer}{}", at.0);
        keep(&conn, &kept(project, &key, payer), at).unwrap();
    }
    // The same again is one.
    for _ in 0..3 {
        let again = kept("acme", &later.0.to_string(), "");
        keep(&conn, &again, later).unwrap();
    }
    let counted = |project, payer, now| match looked(&dir, &kept(project, "new", payer), now) {
        KeyFound::Free { keys, bytes } => (keys, bytes > 0),
        KeyFound::Answer(..) => panic!("it is new"),
    };
    assert_eq!(counted("default", "", later), (3, true));
    assert_eq!(counted("default", "", Unix(later.0 + 1)), (2, true));
    assert_eq!(counted("default", "", Unix(later.0 + DAY + 1)), (0, false));
    assert_eq!(
        counted("default", "[\"lesson\",\"karl\"]", later),
        (1, true)
    );
    assert_eq!(
        counted("default", "[\"lesson\",\"erika\"]", later),
        (0, false)
    );
    assert_eq!(counted("acme", "", later), (1, true));
}

#[test]
fn what_is_over_a_day_old_is_removed_by_what_is_kept_or_booked_later_a_part_at_a_time() {
    let dir = Dir::new();
    let conn = file(&dir);
    for n in 0..300 {
        keep(&conn, &kept("default", &n.to_string(), ""), NOW).unwrap();
    }
    let rows = || -> i64 {
        conn.query_row("SELECT count(*) FROM answer", [], |row| row.get(0))
            .unwrap()
    };
    forget(&conn, Unix(NOW.0 + DAY)).unwrap();
    assert_eq!(rows(), 300);
    let late = Unix(NOW.0 + DAY + 1);
    keep(&conn, &kept("default", "new", ""), late).unwrap();
    assert_eq!(rows(), 300 - FORGOTTEN_AT_ONCE + 1);
    forget(&conn, late).unwrap();
    assert_eq!(rows(), 1);
}

#[test]
fn a_ledger_of_version_5_keeps_answers_once_it_was_opened() {
    let dir = Dir::new();
    drop(file(&dir));
    dir.age(5);
    let a = kept("default", "a", "");
    let conn = file(&dir);
    keep(&conn, &a, NOW).unwrap();
    assert_eq!(looked(&dir, &a, NOW), found(&a));
    assert_eq!(schema::version(&conn).unwrap(), schema::SCHEMA);
}
