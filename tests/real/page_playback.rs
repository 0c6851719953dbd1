//! Two pages record a session and the expert watches it: from the question to the end of the film.

use crate::driver::{Driver, Sdk, tokens};
use crate::node::Node;
use crate::turn;
use serde_json::{Value, json};

/// What the policy of these sessions adds.
const RECORDING: &str = "[policies.default.recording]\nmode = \"on_request\"\n";

fn press(driver: &mut Driver, who: &str, button: &str) {
    driver.ask(&json!({"do": "press", "who": who, "button": button}));
}

/// Waits until a page shows this of recording.
fn until(driver: &mut Driver, who: &str, field: &str, value: &Value) -> Value {
    let command = json!({"do": "recording", "who": who, "field": field, "value": value});
    driver.ask(&command)["shown"]["recording"].take()
}

fn agree(driver: &mut Driver, who: &str) {
    until(driver, who, "asks", &json!(true));
    press(driver, who, "consent-shared-yes");
    press(driver, who, "consent-send");
    until(driver, who, "asks", &json!(false));
}

/// Both sides are here, and see each other.
fn enter(node: &Node, driver: &mut Driver) {
    let people = [("erika", "expert"), ("karl", "customer")];
    for ((who, _), token) in people.iter().zip(tokens(Sdk::Node, "playback", &people)) {
        let link = format!("{}/join.html#token={token}", node.url());
        driver.ask(&json!({"do": "open", "who": who, "link": link, "size": "640x360"}));
        driver.ask(&json!({"do": "sends", "who": who}));
    }
    driver.ask(
        &json!({"do": "sees", "who": "erika", "identity": "karl", "width": 640, "height": 360}),
    );
}

#[test]
fn a_session_is_recorded_with_consent_and_watched_by_the_expert_afterwards() {
    let _turn = turn::shared();
    let node = Node::more(&[], RECORDING);
    let mut driver = Driver::browsers();
    enter(&node, &mut driver);
    until(&mut driver, "karl", "control", &json!(["Recording: no"]));
    press(&mut driver, "erika", "record");
    press(&mut driver, "erika", "recording-request-shared");
    agree(&mut driver, "karl");
    agree(&mut driver, "erika");
    for (who, now) in [
        ("karl", "You and erika are being recorded for the expert."),
        ("erika", "You and karl are being recorded for the expert."),
    ] {
        let shown = until(&mut driver, who, "now", &json!([now]));
        let marks = (&shown["marks"], &shown["self"]);
        assert_eq!(marks, (&json!(["recorded"]), &json!(["recorded"])), "{who}");
    }
    driver.ask(&json!({"do": "billed", "who": "erika", "ms": 4_000}));
    press(&mut driver, "karl", "record");
    press(&mut driver, "karl", "consent-none");
    let now = "Erika is being recorded for the expert.";
    let shown = until(&mut driver, "karl", "now", &json!([now]));
    assert_eq!(
        (&shown["own"][0], &shown["self"]),
        (&json!("You are not recorded."), &json!([]))
    );
    driver.ask(&json!({"do": "billed", "who": "erika", "ms": 3_000}));
    for who in ["karl", "erika"] {
        driver.ask(&json!({"do": "leave", "who": who}));
    }
    watch(&mut driver);
}

/// The expert's last panel: the files are finished, and each plays to its end.
fn watch(driver: &mut Driver) {
    let ready = json!({"do": "recordings", "who": "erika", "words": "Ready to watch"});
    let panel = driver.ask(&ready);
    let text = panel["text"].as_str().unwrap_or_default();
    for words in [
        "For the expert",
        "Download",
        "It is kept until somebody deletes it.",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for (name, least_s) in [("The whole session", 6.0), ("erika", 6.0), ("karl", 3.0)] {
        let played = driver.ask(&json!({"do": "plays", "who": "erika", "name": name}));
        let length = played["duration"].as_f64().unwrap_or_default();
        assert!(length >= least_s, "{name} is {length} s long: {played}");
        assert_eq!(
            played["names"].as_array().map(Vec::len),
            Some(3),
            "{played}"
        );
        let poster = played["poster"].as_str().unwrap_or_default();
        assert!(poster.contains("/poster.webp?"), "{played}");
    }
}
