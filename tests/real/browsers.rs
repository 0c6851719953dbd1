//! Two pages in Chromium: they see and hear each other, and what they were together is billed.

use crate::doors::get;
use crate::driver::{Driver, Sdk, tokens};
use crate::node::Node;
use crate::oracle::{ms, overlap, stay};
use crate::receiver::{Receiver, check_once, check_story, story};
use crate::{turn, wait};
use serde_json::{Value, json};

/// The contract of a delivered session: what is billed is this close to what was, in milliseconds.
const CLOSE_MS: f64 = 250.0;

fn open(driver: &mut Driver, who: &str, link: &str, size: (u32, u32)) -> Value {
    let size = format!("{}x{}", size.0, size.1);
    driver.ask(&json!({"do": "open", "who": who, "link": link, "size": size}))["identity"].take()
}

fn see_and_hear_each_other(width: u32, height: u32) {
    let _turn = turn::alone();
    let node = Node::dev();
    let links = links(&node);
    let mut driver = Driver::browsers();
    let sides = ["customer", "expert"];
    let identities = sides.map(|who| {
        let link = links[who].as_str().unwrap_or_default();
        open(&mut driver, who, link, (width, height))
    });
    for (who, identity) in [(sides[0], &identities[1]), (sides[1], &identities[0])] {
        driver.ask(&json!({"do": "self", "who": who}));
        let seen = driver.ask(
            &json!({"do": "sees", "who": who, "identity": identity, "width": width, "height": height}),
        );
        let heard = driver.ask(&json!({"do": "hears", "who": who, "identity": identity}));
        println!("{who}: {seen} {heard}");
    }
    for who in sides {
        driver.ask(&json!({"do": "billed", "who": who, "ms": 2_000}));
    }
    for who in sides {
        let told = driver.ask(&json!({"do": "console", "who": who}));
        assert_eq!(
            told["sockets"],
            json!(["/rtc"]),
            "it knocks at one door: {told}"
        );
        let lines = told["lines"].to_string();
        let link = links[who].as_str().unwrap_or_default();
        let token = link.rsplit("#token=").next().unwrap_or_default();
        for word in [token, "Content Security Policy"] {
            assert!(!lines.contains(word), "{word} in the console: {lines}");
        }
    }
    for who in sides {
        driver.ask(&json!({"do": "leave", "who": who}));
    }
    the_dev_receiver_verifies(&node);
}

fn links(node: &Node) -> Value {
    let (status, body) = get(&node.http, "/dev/links?room=browsers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("the links are JSON")
}

/// The receiver within a dev node lists what was delivered, with its signature verified.
fn the_dev_receiver_verifies(node: &Node) {
    let listed = wait::until("a delivery is listed", wait::PATIENCE, || {
        let (status, body) = get(&node.http, "/dev/webhooks");
        assert_eq!(status, 200, "{body}");
        let listed: Vec<Value> = serde_json::from_str(&body).expect("the deliveries are JSON");
        let has_start = listed
            .iter()
            .any(|event| event["type"] == "session.started");
        if has_start { Ok(listed) } else { Err(body) }
    });
    assert!(
        listed.iter().all(|event| event["verified"] == true),
        "{listed:?}"
    );
}

#[test]
fn two_browsers_see_and_hear_each_other_at_640x360() {
    see_and_hear_each_other(640, 360);
}

#[test]
fn two_browsers_see_and_hear_each_other_at_1280x720() {
    see_and_hear_each_other(1280, 720);
}

/// A session of two browsers from its start to its webhooks. The receiver fails at first, so each
/// of its first events comes twice. `silent`: the customer says and shows nothing for so long.
fn bill(silent_ms: Option<u64>) {
    let turn = turn::alone();
    let receiver = Receiver::start(&json!([500, 200, 500]));
    let node = Node::with(&[&receiver]);
    let mut driver = Driver::browsers();
    let people = [("karl", "customer"), ("erika", "expert")];
    let made = tokens(Sdk::Node, "billed", &people);
    for ((identity, _), token) in people.iter().zip(&made) {
        let link = format!("{}/join.html#token={token}", node.url());
        open(&mut driver, identity, &link, (640, 360));
        driver.ask(&json!({"do": "sends", "who": identity}));
    }
    if silent_ms.is_some() {
        for button in ["mic", "camera"] {
            driver.ask(&json!({"do": "press", "who": "karl", "button": button}));
        }
        driver.ask(&json!({"do": "silent", "who": "karl"}));
    }
    let together = silent_ms.unwrap_or(4_000);
    driver.ask(&json!({"do": "billed", "who": "erika", "ms": together}));
    let stays = [("karl", "customer"), ("erika", "expert")].map(|(identity, role)| {
        let left = driver.ask(&json!({"do": "leave", "who": identity}));
        stay(role, &left["marks"])
    });
    let seen = overlap(&stays);
    drop((driver, turn));
    let attempts = receiver.until_delivered("session.ended");
    check_story(&attempts);
    check_once(&attempts);
    assert!(
        attempts[0].id == attempts[1].id,
        "a redelivery keeps its id"
    );
    let story = story(&attempts);
    assert_eq!(story.first().map(String::as_str), Some("session.started"));
    assert_eq!(story.last().map(String::as_str), Some("session.ended"));
    let data = attempts.last().expect("there are attempts").data();
    let billed = ms(&data["billable_ms"]);
    assert!(
        seen.off_ms(billed) <= CLOSE_MS && billed >= ms(&json!(together)),
        "billed {billed} ms of {seen:?}: {data}"
    );
    assert_eq!(data["reason"], "left", "{data}");
    node.verify_ledger();
}

#[test]
fn a_session_of_two_browsers_is_billed_as_long_as_they_were_together() {
    bill(None);
}

#[test]
fn a_customer_who_is_muted_dark_and_silent_for_20_s_is_still_billed() {
    bill(Some(20_000));
}
