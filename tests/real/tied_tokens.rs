//! Tokens of a booking are for its session: its window holds for each of them, and after a stop of the node or
//! a crash they lead to the session that continues it. What they are good for after any other end is in
//! `ended_tokens.rs`.

use crate::api::Api;
use crate::doors::get;
use crate::driver::{Driver, join};
use crate::node::Node;
use crate::oracle::ms;
use crate::{turn, wait};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An expert and a customer in this room, with these overrides.
fn book(api: &Api, room: &str, overrides: &Value) -> Value {
    let booking = json!({
        "room": room, "external_ref": room, "overrides": overrides,
        "participants": [
            {"identity": "erika", "role": "expert"},
            {"identity": "karl", "role": "customer"},
        ],
    });
    api.expect(201, "POST /v1/sessions", &booking)
}

fn tokens(booked: &Value) -> [String; 2] {
    [0, 1].map(|index| text(&booked["participants"][index]["token"]))
}

fn validate(node: &Node, token: &str) -> (u16, String) {
    get(&node.http, &format!("/rtc/validate?access_token={token}"))
}

fn until(api: &Api, id: &str, field: &str, value: &str) -> Value {
    wait::until(
        &format!("{field} of {id} is {value}"),
        wait::PATIENCE,
        || {
            let record = api.expect(200, &format!("GET /v1/sessions/{id}"), &Value::Null);
            if record[field] == value {
                return Ok(record);
            }
            Err(record.to_string())
        },
    )
}

fn enter(driver: &mut Driver, node: &Node, booked: &Value) {
    for (who, token) in ["erika", "karl"].into_iter().zip(tokens(booked)) {
        driver.ask(&join(node, who, &token, &["audio"]));
    }
}

/// A token for one more participant.
fn observer(api: &Api, booked: &Value) -> String {
    let guest = json!({"identity": "otto", "role": "observer"});
    let id = text(&booked["id"]);
    text(&api.expect(200, &format!("POST /v1/sessions/{id}/tokens"), &guest)["token"])
}

fn unix_s() -> u64 {
    format!("{:.0}", wait::unix_ms() / 1000.0)
        .parse()
        .expect("a number of seconds")
}

#[test]
fn a_window_that_is_over_is_over_for_the_second_to_join_as_well() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let api = Api::of(&node);
    let closes = unix_s() + 25;
    let booked = book(&api, "late", &json!({"window": {"closes_at": closes}}));
    let late = observer(&api, &booked);
    let mut driver = Driver::people();
    // One that is live then goes on, so that it is the window that refuses, and no end.
    enter(&mut driver, &node, &booked);
    until(&api, &text(&booked["id"]), "state", "live");
    assert_eq!(validate(&node, &late).0, 200, "the window is open");
    let refused = wait::until("the window is over", wait::PATIENCE, || {
        match validate(&node, &late) {
            (403, why) => Ok(why),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(refused.contains("joins were let in until"), "{refused}");
}

#[test]
fn a_stop_of_the_node_costs_a_prepaid_session_nothing_and_its_tokens_lead_to_what_continues_it() {
    let stop = |node: &mut Node| assert_eq!(node.terminate().code(), Some(0));
    the_chain_goes_on_and_ends(stop, ("node_drained", 2_000.0));
}

#[test]
fn nor_does_a_crash_and_once_the_chain_is_over_its_tokens_let_nobody_in() {
    the_chain_goes_on_and_ends(Node::kill, ("node_lost", 1_000.0));
}

/// The first of two sessions ends so, with at least so much used; the second one by the API.
fn the_chain_goes_on_and_ends(stop: impl FnOnce(&mut Node), (reason, least_ms): (&str, f64)) {
    let _turn = turn::shared();
    let mut node = Node::with(&[]);
    let api = Api::of(&node);
    let booked = book(
        &api,
        "prepaid",
        &json!({"duration": {"quota_s": 3600}, "billing": {"interim_s": 1}}),
    );
    let first = text(&booked["id"]);
    // Of the two who come, and of one who never does.
    let [expert, customer] = tokens(&booked);
    let all = [expert, customer, observer(&api, &booked)];
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    driver.ask(&json!({"do": "live_for", "ms": 3_000}));
    stop(&mut node);
    driver.kill();
    node.restart();
    let api = Api::of(&node);
    let ended = until(&api, &first, "reason", reason);
    let used = ms(&ended["totals"]["accrued_ms"]);
    assert!(used >= least_ms, "{ended}");
    for token in &all {
        assert_eq!(validate(&node, token).0, 200, "the link still works");
    }
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    driver.ask(&json!({"do": "live_for", "ms": 1_000}));
    for token in &all {
        assert_eq!(validate(&node, token).0, 200, "and beside those who are in");
    }
    let listed = api.expect(200, "GET /v1/sessions?state=running", &Value::Null);
    let second = text(&listed["sessions"][0]["id"]);
    it_continues(&api, [&first, &second], used);
    api.expect(
        200,
        &format!("POST /v1/sessions/{second}/end"),
        &Value::Null,
    );
    // Both sessions are over for the old links once the second one is, and beside another one.
    let refused = |when: &str| {
        for token in &all {
            let (status, why) = validate(&node, token);
            let says = why.contains(&format!("has ended ({reason})"));
            assert!(status == 403 && says, "{when}: {status} {why}");
        }
    };
    refused("the room is empty");
    let next = book(&api, "prepaid", &json!({}));
    refused("another is booked");
    driver.ask(&join(&node, "otto", &observer(&api, &next), &[]));
    refused("another runs");
    node.verify_ledger();
}

/// The second session has reference and prepaid time of the first one, which used so much of it.
fn it_continues(api: &Api, [first, second]: [&str; 2], used: f64) {
    let running = api.expect(200, &format!("GET /v1/sessions/{second}"), &Value::Null);
    assert_eq!(running["continues"], json!(first), "{running}");
    assert_eq!(running["external_ref"], "prepaid", "{running}");
    assert_eq!(running["policy"]["duration"]["quota_s"], 3600, "{running}");
    let left = ms(&running["quota_left_ms"]) + used + ms(&running["totals"]["accrued_ms"]);
    assert!(
        (3_599_500.0..=3_600_500.0).contains(&left),
        "{used} of the first: {running}"
    );
}
