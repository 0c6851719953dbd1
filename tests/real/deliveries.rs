//! Webhooks to receivers that fail in every way before they succeed.

use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::receiver::{Receiver, check_once, check_story, story};
use crate::turn;
use serde_json::{Value, json};

/// Short enough to see an attempt time out, and long enough for a receiver that has to wait for a core.
const TIMEOUT_MS: u64 = 3_000;

#[test]
fn each_event_arrives_in_order_and_once_whatever_the_receiver_did_first() {
    let turn = turn::shared();
    let sick = Receiver::start(&json!([500, "hang", 404]));
    // It fails again in the middle of the session's events.
    let flaky = Receiver::start(&json!([200, 503, 200, "hang", 200, 301]));
    let node = Node::configured(&[&sick, &flaky], TIMEOUT_MS);
    let mut driver = Driver::people();
    let people = [("karl", "customer"), ("erika", "expert")];
    for ((identity, _), token) in people.iter().zip(tokens(Sdk::Python, "hooks", &people)) {
        driver.ask(&join(&node, identity, &token, &["audio"]));
    }
    driver.ask(&json!({"do": "live_for", "ms": 2_000}));
    for (identity, _) in people {
        driver.ask(&json!({"do": "leave", "who": identity}));
    }
    drop((driver, turn));
    let at_sick = sick.until_delivered("session.ended");
    let at_flaky = flaky.until_delivered("session.ended");
    let answered: Vec<Value> = at_sick.iter().take(4).map(|a| a.answered.clone()).collect();
    assert_eq!(
        answered,
        [json!(500), json!("hang"), json!(404), json!(200)]
    );
    assert!(
        at_sick.iter().take(4).all(|a| a.id == at_sick[0].id),
        "the first event is repeated with its id until it is delivered"
    );
    for attempts in [&at_sick, &at_flaky] {
        check_story(attempts);
        check_once(attempts);
        let story = story(attempts);
        assert_eq!(story.first().map(String::as_str), Some("session.started"));
        assert_eq!(story.last().map(String::as_str), Some("session.ended"));
        let joins = story.iter().filter(|kind| *kind == "participant.joined");
        assert_eq!(joins.count(), 2, "{story:?}");
        let leaves = story.iter().filter(|kind| *kind == "participant.left");
        assert_eq!(leaves.count(), 2, "{story:?}");
    }
    assert_eq!(story(&at_sick), story(&at_flaky));
}
