//! The texts against their golden files, and the same numbers from a running node.

use super::super::store::fixture::{Dir, PATIENCE, clock, soon};
use super::super::store::{Hooks, Job, Store, StoreConfig};
use super::*;
use crate::base::{NodeId, RoomKey};
use crate::usage::ledger::fixture::{checkpoint, life};
use std::sync::mpsc::sync_channel;

/// A ledger with an ended session, one that a crash cut off, and a live one with a checkpoint.
fn with_ledger(check: impl Fn(&Dir)) {
    let dir = Dir::new();
    let node = Some(NodeId::from("ND_golden"));
    let config = StoreConfig {
        dir: dir.0.clone(),
        node,
        endpoints: vec![],
        ballast_bytes: 0,
    };
    let mut strange = life("SE_cut\u{202e}");
    strange[0].entry.facts.as_mut().unwrap().room =
        RoomKey::new(&"acme".into(), "a room \u{202e}\u{1b}[2J of a stranger");
    let first: Vec<Job> = life("SE_ended")
        .into_iter()
        .chain(strange.into_iter().take(4))
        .map(|append| Job::Append(Box::new(append)))
        .collect();
    let mut second: Vec<Job> = life("SE_live")
        .into_iter()
        .take(3)
        .map(|append| Job::Append(Box::new(append)))
        .collect();
    second.push(Job::Checkpoints(vec![checkpoint("SE_live", 5_250)]));
    let run = |jobs: Vec<Job>, check: &dyn Fn()| {
        let store = Store::open(&config, soon()).unwrap().0;
        let (reply, replies) = sync_channel(100);
        let hooks = Hooks {
            on_reply: Box::new(move |told| reply.try_send(told).unwrap()),
            on_fatal: Box::new(|told| panic!("{told}")),
            on_commit: Box::new(|_| {}),
            clock: clock(),
        };
        let running = store.start(hooks).unwrap();
        let count = jobs.len();
        jobs.into_iter()
            .for_each(|job| running.handle().send(job).unwrap());
        (0..count).for_each(|_| drop(replies.recv_timeout(PATIENCE).unwrap()));
        check();
        running.close();
    };
    run(first, &|| {});
    run(second, &|| check(&dir));
    check(&dir);
}

#[test]
fn the_table_is_that_of_the_golden_file_whether_the_node_runs_or_not() {
    with_ledger(|dir| {
        let table = usage_table(&usage(&dir.0, None, None).unwrap());
        assert_eq!(
            table,
            include_str!("../../../tests/golden/ledger/usage.txt")
        );
    });
}

#[test]
fn the_json_is_that_of_the_golden_file() {
    with_ledger(|dir| {
        let usage = usage(&dir.0, Some("SE_live"), None).unwrap();
        let json = serde_json::to_string_pretty(&usage).unwrap() + "\n";
        assert_eq!(
            json,
            include_str!("../../../tests/golden/ledger/usage.json")
        );
    });
}

#[test]
fn one_session_is_found_and_an_unknown_one_is_not() {
    with_ledger(|dir| {
        assert_eq!(usage(&dir.0, Some("SE_ended"), None).unwrap().len(), 1);
        assert_eq!(usage(&dir.0, Some("SE_none"), None).unwrap(), []);
    });
}

#[test]
fn a_whole_ledger_says_so_and_a_spoiled_one_says_where() {
    with_ledger(|dir| {
        let report = verify(&dir.0).unwrap();
        assert_eq!(
            (report.rows, report.sessions, report.open_sessions),
            (16, 3, 1)
        );
        assert!(verify_text(&report).ends_with("the ledger is whole\n"));
        let spoiled = dir.copy();
        let sql = "UPDATE entry SET body = replace(body, '70000', '90000') WHERE session = 'SE_ended' AND entry_seq = 6";
        spoiled.sqlite().execute(sql, []).unwrap();
        let text = verify_text(&verify(&spoiled.0).unwrap());
        assert_eq!(
            without_hashes(&text),
            include_str!("../../../tests/golden/ledger/verify.txt")
        );
    });
}

/// The program's version is in the boot entry, so hashes change with each release.
fn without_hashes(text: &str) -> String {
    let is_hash = |word: &str| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
    let parts = text.split_inclusive([' ', ',', '\n']);
    parts
        .map(|part| match part.trim_end_matches([' ', ',', '\n']) {
            word if is_hash(word) => part.replace(word, "(hash)"),
            _ => part.to_owned(),
        })
        .collect()
}

#[test]
fn a_missing_ledger_is_told_with_its_path() {
    let dir = Dir::new();
    for error in [usage(&dir.0, None, None).err(), verify(&dir.0).err()] {
        assert!(
            error
                .unwrap()
                .to_string()
                .contains("ledger.sqlite; name the data directory")
        );
    }
}

#[test]
fn a_project_is_chosen_by_its_name() {
    with_ledger(|dir| {
        let of = |project: &str| usage(&dir.0, None, Some(&project.into())).unwrap();
        let all = usage(&dir.0, None, None).unwrap();
        assert_eq!(of("default").len(), all.len() - 1);
        let acme = of("acme");
        assert_eq!(acme.len(), 1);
        assert_eq!(acme[0].session.as_str(), "SE_cut\u{202e}");
        assert_eq!(
            usage(&dir.0, Some("SE_ended"), Some(&"acme".into())).unwrap(),
            []
        );
        assert_eq!(of("none"), []);
    });
}
