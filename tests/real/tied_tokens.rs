//! Tokens of a booking are for its session: after its end they let nobody in, and after a stop of the node
//! they lead to the session that continues it.

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

/// How a session comes to its end, in its booking's overrides and in what is asked of the API.
const ENDS: [(&str, &str, u64, bool); 3] = [
    (
        "quota_exhausted",
        r#"{"duration": {"quota_s": 3, "on_exhausted": "end"}}"#,
        0,
        true,
    ),
    ("no_show", r#"{"window": {"closes_at": 0}}"#, 3, false),
    ("ended_by_api", "{}", 0, false),
];

#[test]
fn after_the_end_a_token_of_a_booking_lets_nobody_in_whatever_is_in_its_room_and_says_why() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let api = Api::of(&node);
    let mut driver = Driver::people();
    for (reason, overrides, closes_s, joins) in ENDS {
        let mut overrides: Value = serde_json::from_str(overrides).expect("JSON");
        if closes_s > 0 {
            let closes = json!(unix_s() + closes_s);
            overrides["window"]["closes_at"] = closes;
        }
        let booked = book(&api, reason, &overrides);
        let (id, old) = (text(&booked["id"]), tokens(&booked));
        if joins {
            enter(&mut driver, &node, &booked);
        }
        if reason == "ended_by_api" {
            api.expect(200, &format!("POST /v1/sessions/{id}/end"), &Value::Null);
        }
        until(&api, &id, "reason", reason);
        let refused = |when: &str| {
            for token in &old {
                let (status, why) = validate(&node, token);
                let named = why.contains(&format!("has ended ({reason})"));
                assert!(status == 403 && named, "{reason}, {when}: {status} {why}");
            }
        };
        refused("the room is empty");
        // Another session of that room: booked, then with its first participant in.
        let next = book(&api, reason, &json!({}));
        refused("another is booked");
        driver.ask(&join(
            &node,
            &format!("first-{reason}"),
            &observer(&api, &next),
            &[],
        ));
        refused("another runs");
        let words = driver.refused(&join(&node, "late", &old[1], &[]));
        assert!(words.contains(reason), "what an SDK shows: {words}");
        assert_eq!(validate(&node, &tokens(&next)[0]).0, 200, "{reason}");
    }
    node.verify_ledger();
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
    let closes = unix_s() + 8;
    let booked = book(&api, "late", &json!({"window": {"closes_at": closes}}));
    let mut driver = Driver::people();
    driver.ask(&join(&node, "otto", &observer(&api, &booked), &[]));
    let [_, customer] = tokens(&booked);
    let refused = wait::until("the window is over", wait::PATIENCE, || {
        match validate(&node, &customer) {
            (403, why) => Ok(why),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(refused.contains("joins were let in until"), "{refused}");
}

#[test]
fn a_stop_of_the_node_costs_a_prepaid_session_nothing_and_its_tokens_lead_to_what_continues_it() {
    let _turn = turn::shared();
    let mut node = Node::with(&[]);
    let booked = book(
        &Api::of(&node),
        "prepaid",
        &json!({"duration": {"quota_s": 3600}, "billing": {"interim_s": 1}}),
    );
    let first = text(&booked["id"]);
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    driver.ask(&json!({"do": "live_for", "ms": 3_000}));
    assert_eq!(node.terminate().code(), Some(0));
    driver.kill();
    node.restart();
    let api = Api::of(&node);
    let ended = until(&api, &first, "reason", "node_drained");
    let used = ms(&ended["totals"]["accrued_ms"]);
    assert!(used >= 2_000.0, "{ended}");
    for token in tokens(&booked) {
        assert_eq!(validate(&node, &token).0, 200, "the link still works");
    }
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    driver.ask(&json!({"do": "live_for", "ms": 1_000}));
    let listed = api.expect(200, "GET /v1/sessions?state=running", &Value::Null);
    let second = text(&listed["sessions"][0]["id"]);
    let running = api.expect(200, &format!("GET /v1/sessions/{second}"), &Value::Null);
    assert_eq!(running["continues"], json!(first), "{running}");
    assert_eq!(running["external_ref"], "prepaid", "{running}");
    assert_eq!(running["policy"]["duration"]["quota_s"], 3600, "{running}");
    let left = ms(&running["quota_left_ms"]) + used + ms(&running["totals"]["accrued_ms"]);
    assert!(
        (3_599_500.0..=3_600_500.0).contains(&left),
        "{used} of the first: {running}"
    );
    // Both sessions are over for the old link once the second one is.
    api.expect(
        200,
        &format!("POST /v1/sessions/{second}/end"),
        &Value::Null,
    );
    let (status, why) = validate(&node, &tokens(&booked)[0]);
    assert!(
        status == 403 && why.contains("has ended (node_drained)"),
        "{status} {why}"
    );
    node.verify_ledger();
}
