//! Participants of the Python SDK exchange pictures, sound and data; tokens by two stock SDKs.

use crate::driver::{Driver, Sdk, join, run, tokens};
use crate::node::{KEY, Node, SECRET};
use crate::{place, turn};
use serde_json::{Value, json};

const THREE: [&str; 3] = ["erika", "karl", "gustav"];

fn enter(driver: &mut Driver, node: &Node, sdk: Sdk, people: &[(&str, &str)]) {
    for ((identity, _), token) in people.iter().zip(tokens(sdk, "exchange", people)) {
        driver.ask(&join(node, identity, &token, &["video", "audio"]));
    }
}

#[test]
fn three_python_participants_exchange_everything_and_a_late_fourth_sees_all() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let mut driver = Driver::people();
    let three = [
        ("erika", "expert"),
        ("karl", "customer"),
        ("gustav", "guest"),
    ];
    enter(&mut driver, &node, Sdk::Python, &three);
    let got = driver.ask(&json!({"do": "receive", "who": THREE}));
    for (receiver, sender) in pairs(&THREE) {
        let picture = &got["counts"][receiver][format!("{sender}/video")];
        let size = (&picture["width"], &picture["height"]);
        assert_eq!(size, (&json!(320), &json!(180)), "{receiver} of {sender}");
    }
    everyone_hears_everyone(&mut driver);
    enter(&mut driver, &node, Sdk::Node, &[("lena", "observer")]);
    driver
        .ask(&json!({"do": "receive", "who": ["erika", "karl", "gustav", "lena"], "by": ["lena"]}));
    let known = driver.ask(&json!({"do": "people", "who": "lena", "wanted": THREE}));
    assert_eq!(
        known["roles"],
        json!({"erika": "expert", "karl": "customer", "gustav": "guest"})
    );
}

fn pairs<'a>(people: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let all = people
        .iter()
        .flat_map(|a| people.iter().map(move |b| (*a, *b)));
    all.filter(|(a, b)| a != b).collect()
}

/// Reliable and lossy data of each arrives at each other, with the sender that the server knows.
fn everyone_hears_everyone(driver: &mut Driver) {
    for (kind, reliable) in [("reliable", true), ("lossy", false)] {
        for sender in THREE {
            let text = format!("{kind} of {sender} ✓");
            driver.ask(&json!({"do": "send", "who": sender, "reliable": reliable, "topic": "chat", "text": text}));
        }
        for (receiver, sender) in pairs(&THREE) {
            let packet = json!({"from": sender, "kind": kind, "topic": "chat", "text": format!("{kind} of {sender} ✓")});
            let heard = driver.ask(&json!({"do": "hear", "who": receiver, "packet": packet}));
            assert_eq!(heard["times"], 1, "{receiver} hears {packet}");
        }
    }
}

#[test]
fn the_newest_of_two_with_one_identity_stays_and_the_older_is_told() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let mut driver = Driver::people();
    let two = [("karl", "customer"), ("erika", "expert")];
    let made = tokens(Sdk::Python, "twice", &two);
    driver.ask(&join(&node, "karl", &made[0], &[]));
    let first = driver.ask(&join(&node, "erika", &made[1], &["audio"]));
    let mut again = join(&node, "erika", &made[1], &["audio"]);
    again["as"] = Value::from("erika again");
    let second = driver.ask(&again);
    assert_ne!(first["sid"], second["sid"]);
    let told = driver.ask(&json!({"do": "gone", "who": "erika"}));
    assert_eq!(told["gone"]["reason"], "DUPLICATE_IDENTITY", "{told}");
    driver.ask(&json!({"do": "people", "who": "karl", "wanted": ["erika"]}));
    driver.ask(&json!({"do": "receive", "who": ["erika"], "by": ["karl"], "kinds": ["audio"]}));
}

#[test]
fn a_track_that_is_unsubscribed_from_and_wanted_again_is_heard_again() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let two = [("erika", "expert"), ("karl", "customer")];
    let made = tokens(Sdk::Python, "again", &two);
    let spec = json!({"url": node.ws_url(), "expert": made[0], "customer": made[1]});
    let said = run("resubscribe.py", &place::python(), &spec.to_string());
    assert_eq!(said[0]["rounds"], json!([true, true, true]));
}

#[test]
fn a_publisher_says_who_may_have_its_tracks_and_nobody_else_gets_any() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let people = [
        ("karl", "customer"),
        ("erika", "expert"),
        ("gustav", "guest"),
        ("lena", "observer"),
    ];
    let made = tokens(Sdk::Python, "permissions", &people);
    let names = people.map(|(identity, _)| identity);
    let made: serde_json::Map<String, Value> = names
        .iter()
        .zip(made)
        .map(|(name, token)| ((*name).to_owned(), Value::from(token)))
        .collect();
    let spec = json!({"url": node.ws_url(), "tokens": made});
    let found = &run("permissions.py", &place::python(), &spec.to_string())[0];
    let both = json!(["audio", "video"]);
    for (what, got) in [
        ("everyone", json!({"erika": both, "gustav": both})),
        ("gustav alone", json!({"erika": [], "gustav": both})),
        ("who comes later", json!({"lena": [], "gustav": both})),
        (
            "sound for erika",
            json!({"erika": ["audio"], "gustav": [], "lena": both}),
        ),
        (
            "everyone again",
            json!({"erika": both, "gustav": both, "lena": both}),
        ),
    ] {
        assert_eq!(found[what], got, "{what}: {found}");
    }
}

#[test]
fn a_client_whose_token_has_expired_comes_back_after_its_signalling_broke() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let expert = tokens(Sdk::Python, "short", &[("erika", "expert")]).remove(0);
    let spec = json!({"http": node.http, "key": KEY, "secret": SECRET, "expert": expert});
    let said = &run("short_token.py", &place::python(), &spec.to_string())[0];
    assert_eq!(said["back"], true, "{said}");
}
