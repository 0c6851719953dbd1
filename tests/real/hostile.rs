//! Bad tokens and hostile signalling, each with its exact answer, next to a session that must not
//! notice.

use crate::driver::{Driver, Sdk, join, run, tokens};
use crate::node::{KEY, Node, SECRET};
use crate::{place, turn};
use serde_json::{Value, json};

/// The promise: so many bad tokens, so many hostile frames at least.
const LEAST_TOKENS: usize = 40;
const LEAST_FRAMES: usize = 50;
/// Enough sockets for every case of the driver.
const SOCKETS: usize = 64;
/// Names of the session that must not notice.
const PAIR: [(&str, &str); 2] = [("karl", "customer"), ("erika", "expert")];

/// Starts the running session, and returns what each of the pair has received until now.
fn running_session(node: &Node) -> (Driver, Value) {
    let mut driver = Driver::people();
    for ((identity, _), token) in PAIR.iter().zip(tokens(Sdk::Python, "quiet", &PAIR)) {
        driver.ask(&join(node, identity, &token, &["video", "audio"]));
    }
    driver.ask(&json!({"do": "receive", "who": ["karl", "erika"]}));
    let stats = driver.ask(&json!({"do": "stats", "who": ["karl", "erika"]}));
    (driver, stats)
}

/// Not a packet was lost, nothing was muted, and it goes on.
fn nobody_noticed(driver: &mut Driver, before: &Value) {
    let pair = ["karl", "erika"];
    driver.ask(&json!({"do": "more_packets", "who": pair, "packets": 100}));
    let after = driver.ask(&json!({"do": "stats", "who": pair}));
    for name in pair {
        let (then, now) = (&before["stats"][name], &after["stats"][name]);
        // Below zero: a packet came twice.
        assert!(
            now["lost"].as_i64() <= Some(0),
            "{name}: {now}, before: {then}"
        );
        assert_eq!(now["muted"], 0, "{name}: {now}");
        assert_eq!(now["interrupted"], 0, "{name}: {now}");
        assert_eq!(now["tracks"], 2, "{name}: {now}");
        assert!(
            now["received"].as_u64() > then["received"].as_u64(),
            "{name}: {now}"
        );
    }
}

fn numbered(name: &str, role: &'static str) -> Vec<(String, &'static str)> {
    (0..SOCKETS)
        .map(|n| (format!("{name}-{n}"), role))
        .collect()
}

fn many(room: &str, people: &[(String, &str)]) -> Vec<String> {
    let borrowed: Vec<(&str, &str)> = people.iter().map(|(n, r)| (n.as_str(), *r)).collect();
    tokens(Sdk::Python, room, &borrowed)
}

/// What is wrong with a row of the table of tokens.
fn wrong(row: &Value) -> Option<String> {
    let granted = row["want"] == 200;
    let upgrade = if granted {
        json!(101)
    } else {
        row["want"].clone()
    };
    let fits = row["validate"] == row["want"]
        && row["upgrade"] == upgrade
        && row["validate_cors"] == "*"
        && (granted || row["upgrade_cors"] == "*")
        && row["validate_leaks"] == false
        && row["upgrade_leaks"] == false;
    (!fits).then(|| row.to_string())
}

#[test]
fn every_bad_token_gets_its_exact_status_at_both_doors() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let (mut driver, before) = running_session(&node);
    let spec = json!({"base": node.url(), "key": KEY, "secret": SECRET});
    let rows = run("bad_tokens.py", &place::python(), &spec.to_string());
    assert!(rows.len() > LEAST_TOKENS, "only {} rows", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(wrong).collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    nobody_noticed(&mut driver, &before);
}

#[test]
fn every_hostile_frame_is_answered_or_closes_its_own_socket_alone() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let (mut driver, before) = running_session(&node);
    let spec = json!({
        "base": node.url(),
        "outsiders": many("elsewhere", &numbered("mallory", "observer")),
        "guests": many("quiet", &numbered("guest", "guest")),
    });
    let mut rows = run("hostile.py", &place::python(), &spec.to_string());
    let end = rows.pop();
    assert_eq!(end, Some(json!({"done": true})));
    assert!(rows.len() >= LEAST_FRAMES, "only {} rows", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| {
            let closed_or_answered = row["got"] == "answers" || row["got"] == "closes";
            !(row["got"] == row["want"] || row["want"] == "either" && closed_or_answered)
        })
        .map(Value::to_string)
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    nobody_noticed(&mut driver, &before);
}
