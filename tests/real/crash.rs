//! Ends of the node itself: killed in a live session, and asked to end.

use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::oracle::{Overlap, ms, overlap, stay};
use crate::receiver::{Receiver, check_once, check_story, story};
use crate::{turn, wait};
use serde_json::{Value, json};

/// How long the sides are together before the node ends.
const TOGETHER_MS: u64 = 6_000;
/// The contract: the error after a crash, in milliseconds, and always in the customer's favour.
const CRASH_ERROR_MS: f64 = 1_000.0;

/// An expert and a customer of the Python SDK, live for a while.
fn live_pair(node: &Node, room: &str) -> Driver {
    let people = [("karl", "customer"), ("erika", "expert")];
    let mut driver = Driver::people();
    for ((identity, _), token) in people.iter().zip(tokens(Sdk::Python, room, &people)) {
        driver.ask(&join(node, identity, &token, &["audio"]));
    }
    driver.ask(&json!({"do": "live_for", "ms": TOGETHER_MS}));
    driver
}

/// What the pair saw, had both of them gone in this span of time.
fn seen_until(driver: &mut Driver, gone: [f64; 2]) -> Overlap {
    let mut people = driver.ask(&json!({"do": "marks"}))["people"].take();
    for name in ["karl", "erika"] {
        people[name]["gone"] = json!(gone);
    }
    overlap(&[
        stay("customer", &people["karl"]),
        stay("expert", &people["erika"]),
    ])
}

fn only_session(node: &Node) -> Value {
    let usage = node.usage();
    assert_eq!(usage.len(), 1, "one session: {usage:?}");
    usage[0].clone()
}

#[test]
fn a_node_killed_in_a_live_session_bills_the_customer_at_most_what_was_delivered() {
    let _turn = turn::shared();
    let receiver = Receiver::start(&json!([]));
    let mut node = Node::with(&[&receiver]);
    let mut driver = live_pair(&node, "crash");
    let before = wait::unix_ms();
    node.kill();
    let seen = seen_until(&mut driver, [before, wait::unix_ms()]);
    // The clients would come back and open another session.
    driver.kill();
    node.restart();
    let attempts = receiver.until_delivered("session.ended");
    let session = only_session(&node);
    node.verify_ledger();
    let billed = ms(&session["billable_ms"]);
    assert_eq!(session["state"], "ended", "{session}");
    assert_eq!(session["reason"], "node_lost", "{session}");
    assert_eq!(session["estimated"], true, "{session}");
    let bound = ms(&session["bound_ms"]);
    assert!(bound <= CRASH_ERROR_MS, "{session}");
    assert!(
        billed <= seen.most && seen.off_ms(billed) <= bound,
        "billed {billed} ms of {seen:?}, at most {bound} ms off"
    );
    check_story(&attempts);
    let ended: Vec<_> = attempts
        .iter()
        .filter(|a| a.kind == "session.ended")
        .collect();
    assert_eq!(ended.len(), 1, "once per id: {ended:?}");
    let data = ended[0].data();
    assert_eq!(data["estimated"], true, "{data}");
    assert_eq!(data["reason"], "node_lost", "{data}");
    assert_eq!(data["billable_ms"], session["billable_ms"], "{data}");
}

#[test]
fn a_node_that_is_asked_to_end_tells_its_clients_and_closes_its_ledger() {
    let _turn = turn::shared();
    let receiver = Receiver::start(&json!([]));
    let mut node = Node::with(&[&receiver]);
    let mut driver = live_pair(&node, "drain");
    let before = wait::unix_ms();
    let status = node.terminate();
    assert_eq!(status.code(), Some(0), "it ends well: {status}");
    for name in ["karl", "erika"] {
        let told = driver.ask(&json!({"do": "gone", "who": name}));
        assert!(
            told["gone"].is_object() || told["reconnecting"].as_u64() > Some(0),
            "{name} is told: {told}"
        );
    }
    let seen = seen_until(&mut driver, [before, wait::unix_ms()]);
    driver.kill();
    node.verify_ledger();
    let session = only_session(&node);
    assert_eq!(session["reason"], "node_drained", "{session}");
    assert_eq!(session["estimated"], false, "{session}");
    assert!(
        ms(&session["billable_ms"]) <= seen.most + 250.0,
        "{session}, {seen:?}"
    );
    node.restart();
    let attempts = receiver.until_delivered("session.ended");
    check_story(&attempts);
    check_once(&attempts);
    assert_eq!(
        story(&attempts).first().map(String::as_str),
        Some("session.started")
    );
    let last = attempts.last().expect("there are attempts").data();
    assert_eq!(last["reason"], "node_drained", "{last}");
    node.verify_ledger();
}
