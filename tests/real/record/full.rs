//! A disk that gets full while it is recorded to: the call goes on, the bill goes on, and it is said.

use super::cast::{agree, enter};
use super::consent::segments;
use super::footage::Footage;
use super::studio::{ERIKA, KARL, Studio};
use crate::driver::Driver;
use crate::node::Node;
use crate::oracle::ms;
use crate::receiver::{Attempt, Receiver, check_story};
use crate::{turn, wait};
use serde_json::{Value, json};
use std::path::Path;

/// The disk, in KiB: some seconds of two small pictures.
const DISK_KIB: u32 = 96;
/// The contract: from the moment at which it is full to the event, in milliseconds.
const SAID_MS: f64 = 1_000.0;

#[test]
fn a_full_disk_ends_the_recording_and_neither_the_call_nor_the_bill() {
    let _turn = turn::shared();
    let receiver = Receiver::start(&json!([]));
    let node = Node::with_small_disk(&[&receiver], DISK_KIB);
    let recording = json!({"mode": "always", "purposes": ["shared"]});
    let studio = Studio::book(&node, "full", &recording);
    let mut people = Driver::people();
    for part in [&ERIKA, &KARL] {
        enter(&mut people, &node, &studio, part, &json!({"receive": true}));
    }
    for part in [&ERIKA, &KARL] {
        agree(&mut people, &studio, part, &["shared"]);
    }
    let (grown_ms, failed) = until_failed(&node, &studio, &receiver);
    let said_ms = failed.unix_ms() - grown_ms;
    println!("said {said_ms:.0} ms after the last byte: {}", failed.body);
    assert!(said_ms <= SAID_MS, "said after {said_ms} ms");
    the_call_goes_on(&mut people, &studio);
    the_files_play(&node, &studio);
    a_start_tries_again(&studio, &receiver);
    studio.end();
    check_story(&receiver.until_delivered("session.ended"));
    it_is_finished_once_there_is_room(&node, &studio);
    node.verify_ledger();
}

/// When the last byte was written, and the event that says that no more will be.
fn until_failed(node: &Node, studio: &Studio, receiver: &Receiver) -> (f64, Attempt) {
    let disk = node.disk();
    let (mut bytes, mut grown_ms) = (0, wait::unix_ms());
    let failed = wait::until("the recording fails", wait::PATIENCE, || {
        let now = size(&disk, studio);
        if now > bytes {
            (bytes, grown_ms) = (now, wait::unix_ms());
        }
        let attempts = receiver.attempts();
        let failed = attempts
            .into_iter()
            .find(|one| one.kind == "recording.failed");
        failed.ok_or_else(|| format!("{bytes} bytes are on the disk"))
    });
    assert!(bytes > 0, "nothing was written before");
    (grown_ms, failed)
}

fn size(disk: &Path, studio: &Studio) -> u64 {
    let all = segments(disk, &studio.id("shared"));
    let sizes = all.iter().filter_map(|path| std::fs::metadata(path).ok());
    sizes.map(|file| file.len()).sum()
}

/// Both go on to receive, and the clock goes on to run; nobody is shown as recorded.
fn the_call_goes_on(people: &mut Driver, studio: &Studio) {
    let accrued_ms = |studio: &Studio| {
        let record = studio.api.expect(
            200,
            &format!("GET /v1/sessions/{}", studio.session),
            &Value::Null,
        );
        ms(&record["totals"]["accrued_ms"])
    };
    let before_ms = accrued_ms(studio);
    people.ask(&json!({"do": "more_packets", "who": ["erika", "karl"], "packets": 150}));
    for who in ["erika", "karl"] {
        people.ask(&json!({"do": "recorded", "who": who, "purposes": []}));
    }
    wait::until("the clock runs on", wait::PATIENCE, || {
        let now_ms = accrued_ms(studio);
        if now_ms >= before_ms + 1_000.0 {
            Ok(())
        } else {
            Err(now_ms.to_string())
        }
    });
}

/// At a word it is tried once more, and it is said that the disk is still full.
fn a_start_tries_again(studio: &Studio, receiver: &Receiver) {
    let start = format!("POST /v1/sessions/{}/recordings", studio.session);
    studio.api.expect(200, &start, &json!({"action": "start"}));
    let said = |kind: &str| {
        let attempts = receiver.attempts();
        attempts.iter().filter(|one| one.kind == kind).count()
    };
    wait::until("it starts and fails again", wait::PATIENCE, || {
        let steps = ["recording.started", "recording.failed"].map(said);
        if steps == [2, 2] {
            Ok(())
        } else {
            Err(format!("{steps:?}"))
        }
    });
}

/// It cannot be finished as long as the disk is full, and then it is by itself.
fn it_is_finished_once_there_is_room(node: &Node, studio: &Studio) {
    wait::until("it is tried in vain", wait::PATIENCE, || {
        let tried = node
            .logged()
            .contains("a recording waits for room on the disk");
        tried
            .then_some(())
            .ok_or_else(|| "no word of it".to_owned())
    });
    assert_eq!(studio.shown("shared").body["state"], "finishing");
    node.enlarge_disk(64 * DISK_KIB);
    let finished = studio.finished(node, "shared");
    finished.session();
    for part in [&ERIKA, &KARL] {
        finished.participant(part.identity);
    }
    assert_eq!(finished.manifest()["ended_early"], "the disk is full");
    assert_eq!(finished.record["reason"], "the disk is full");
    let left = segments(&node.disk(), &studio.id("shared"));
    assert!(left.is_empty(), "segments are left: {left:?}");
}

/// What was written until then.
fn the_files_play(node: &Node, studio: &Studio) {
    let files = segments(&node.disk(), &studio.id("shared"));
    assert_eq!(files.len(), 4, "two tracks of two: {files:?}");
    for footage in Footage::of(&files) {
        footage.check();
    }
}
