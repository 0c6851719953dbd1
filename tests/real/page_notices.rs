//! What the page tells of goes with its cause: notices, states and pictures of which nothing is known any more.

use crate::driver::Driver;
use crate::node::Node;
use crate::page::{page, page_of};
use crate::turn;
use serde_json::{Value, json};

/// Messages of the server, and the notices that the page shows after each.
struct Case {
    name: &'static str,
    told: Vec<(Value, Vec<&'static str>)>,
}

fn clock(state: &str, reason: Option<&str>, quota_left: Option<u64>, left: Option<u64>) -> Value {
    json!(["beistand.clock", {"session": "SE_1", "state": state, "reason": reason, "accrued_ms": 60_000,
                              "quota_left_ms": quota_left, "time_left_ms": left}])
}

fn quota(left: u64) -> Value {
    clock("live", None, Some(left), None)
}

fn time(left: u64) -> Value {
    clock("live", None, None, Some(left))
}

fn warning(kind: &str, left_s: Option<u64>, identity: Option<&str>) -> Value {
    json!(["beistand.warning", {"kind": kind, "left_s": left_s, "identity": identity, "direction": null}])
}

fn floor(identity: &str, up: &str, down: &str) -> Value {
    let side = |state| json!({"state": state, "floor_bps": 1_000_000, "measured_bps": 400_000, "limited_by": null});
    json!(["beistand.floor", {"participants": [{"identity": identity, "up": side(up), "down": side(down)}]}])
}

fn prompt(open: bool, confirmed: &[&str]) -> Value {
    let left = open.then_some(300_000);
    json!(["beistand.presence", {"open": open, "who": "each", "left_ms": left, "confirmed": confirmed}])
}

fn refused(text: &str) -> Value {
    json!(["beistand.refused", {"topic": "beistand.presence", "text": text}])
}

fn of_time() -> Vec<Case> {
    let (ten, minute) = (
        "The session ends in less than 10 minutes.",
        "The prepaid time is used up in less than 1 minute.",
    );
    vec![
        Case {
            name: "the maximum is near, and is extended",
            told: vec![
                (time(600_000), vec![]),
                (warning("duration", Some(600), None), vec![ten]),
                (time(590_000), vec![ten]),
                (time(4_000_000), vec![]),
            ],
        },
        Case {
            name: "it is no news any more",
            told: vec![
                (time(600_400), vec![ten]),
                (time(570_001), vec![ten]),
                (time(570_000), vec![]),
            ],
        },
        Case {
            name: "the prepaid time runs out, and is topped up",
            told: vec![
                (quota(60_300), vec![]),
                (warning("quota", Some(60), None), vec![minute]),
                (quota(3_600_000), vec![]),
            ],
        },
        Case {
            name: "it is used up, and topped up",
            told: vec![
                (warning("quota", Some(0), None), vec![]),
                (quota(0), vec!["The prepaid time is used up."]),
                (quota(600_000), vec![]),
            ],
        },
        Case {
            name: "the session ends first",
            told: vec![
                (quota(50_000), vec![minute]),
                (
                    clock("ended", Some("ended_by_api"), Some(50_000), None),
                    vec![],
                ),
            ],
        },
    ]
}

fn of_people() -> Vec<Case> {
    let breached = "Your connection is below the promised minimum for receiving.";
    let weak =
        "Your connection was not found good enough before joining. Sound and picture may suffer.";
    vec![
        Case {
            name: "a breach, and its end",
            told: vec![
                (floor("customer", "met", "breached"), vec![breached]),
                (floor("customer", "met", "short"), vec![]),
            ],
        },
        Case {
            name: "of somebody who is not here",
            told: vec![
                (floor("ghost", "breached", "breached"), vec![]),
                (warning("preflight", None, Some("ghost")), vec![]),
                (floor("customer", "unproven", "unproven"), vec![]),
            ],
        },
        Case {
            name: "a connection that was found weak, and holds",
            told: vec![
                (warning("preflight", None, Some("customer")), vec![weak]),
                (floor("customer", "met", "met"), vec![]),
            ],
        },
        Case {
            name: "the dialog asks, no notice does",
            told: vec![
                (clock("live", None, None, None), vec![]),
                (warning("presence", Some(60), None), vec![]),
                (prompt(true, &[]), vec![]),
                (
                    prompt(false, &["expert"]),
                    vec!["expert confirmed: the session goes on."],
                ),
                (
                    clock("paused", Some("presence_unconfirmed"), None, None),
                    vec![],
                ),
                (
                    clock("live", None, None, None),
                    vec!["expert confirmed: the session goes on."],
                ),
                (prompt(true, &[]), vec![]),
            ],
        },
        Case {
            name: "what was refused, and then granted",
            told: vec![
                (refused("Not now."), vec!["The server refused: Not now."]),
                (prompt(true, &[]), vec!["The server refused: Not now."]),
                (refused("Not you."), vec!["The server refused: Not you."]),
                (prompt(false, &["customer", "expert"]), vec![]),
            ],
        },
    ]
}

#[test]
fn a_notice_stands_as_long_as_its_cause_and_no_longer() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    for case in of_time().into_iter().chain(of_people()) {
        let messages: Vec<&Value> = case.told.iter().map(|(message, _)| message).collect();
        let told = driver.ask(&json!({"do": "tells", "who": "customer", "messages": messages}));
        for (at, (message, notices)) in case.told.iter().enumerate() {
            let shown = told["shown"][at]["notices"].as_array();
            let shown: Vec<String> = shown
                .expect("the page shows something")
                .iter()
                .filter_map(Value::as_str)
                .map(|text| text.trim_end_matches('×').to_owned())
                .collect();
            assert_eq!(&shown, notices, "{}, after {message}", case.name);
        }
    }
}

/// Waits until the page shows this.
fn until(driver: &mut Driver, field: &str, value: &Value) -> Value {
    let command = json!({"do": "recording", "who": "customer", "field": field, "value": value});
    driver.ask(&command)["shown"].take()
}

#[test]
fn a_picture_that_stands_still_is_marked_and_who_is_left_alone_is_not_told_to_wait() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    until(&mut driver, "empty", &json!(["Nobody else is here yet."]));
    page_of("expert", &node, &mut driver);
    driver.ask(
        &json!({"do": "sees", "who": "customer", "identity": "expert", "width": 640, "height": 360}),
    );
    until(&mut driver, "still", &json!([]));
    driver.ask(&json!({"do": "freeze", "who": "expert", "on": true}));
    let shown = until(&mut driver, "still", &json!(["expert"]));
    let who = shown["who"][0].as_str().unwrap_or_default();
    assert!(who.contains("picture stands still"), "{shown}");
    driver.ask(&json!({"do": "freeze", "who": "expert", "on": false}));
    until(&mut driver, "still", &json!([]));
    driver.ask(&json!({"do": "leave", "who": "expert"}));
    until(&mut driver, "empty", &json!(["Nobody else is here."]));
}

#[test]
fn after_a_loss_nothing_looks_well_of_which_the_page_hears_nothing() {
    let _turn = turn::shared();
    let mut node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    page_of("expert", &node, &mut driver);
    driver.ask(&json!({"do": "clock", "who": "customer", "state": "live"}));
    driver.ask(
        &json!({"do": "sees", "who": "customer", "identity": "expert", "width": 640, "height": 360}),
    );
    let good = json!([
        floor("customer", "met", "met"),
        clock("live", None, None, None)
    ]);
    let told = driver.ask(&json!({"do": "tells", "who": "customer", "messages": good}));
    let shown = &told["shown"][1];
    assert_eq!(shown["state"], json!(["Live"]));
    assert_eq!(shown["own"], json!(["Your connection: good"]));
    node.kill();
    let shown = until(&mut driver, "connection", &json!(["Reconnecting…"]));
    assert_eq!(shown["state"], json!([]), "no state is known: {shown}");
    assert_eq!(shown["own"], json!([]), "{shown}");
    assert_eq!(shown["floors"], json!([]), "{shown}");
    assert_eq!(shown["notices"], json!([]), "{shown}");
    until(&mut driver, "still", &json!(["expert"]));
}
