//! A node gives away no more than it has: sessions are opened until its bandwidth is reserved.

use crate::api::{Api, exchange};
use crate::doors::get;
use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::turn;
use serde_json::{Value, json};

/// Enough for the floors of two sessions, and not of a third: 2 Mbit/s each.
const EGRESS: &str = "[node]\negress_bps = 4500000\nmax_cpu = 100\n";
const PEOPLE: [(&str, &str); 2] = [("karl", "customer"), ("erika", "expert")];

/// The name of a participant in the driver, which knows each once.
fn called(room: &str, identity: &str) -> String {
    format!("{identity} in {room}")
}

fn open(driver: &mut Driver, node: &Node, room: &str) {
    for ((identity, _), token) in PEOPLE.iter().zip(tokens(Sdk::Python, room, &PEOPLE)) {
        let mut command = join(node, identity, &token, &["audio"]);
        command["as"] = Value::from(called(room, identity));
        driver.ask(&command);
    }
}

fn reserved(node: &Node) -> String {
    let (_, page) = get(&node.admin, "/metrics");
    let line = page
        .lines()
        .find(|line| line.starts_with("beistand_egress_reserved_bps "));
    line.unwrap_or_default().to_owned()
}

#[test]
fn sessions_are_opened_until_the_bandwidth_is_reserved_and_ending_one_admits_one() {
    let _turn = turn::shared();
    let node = Node::more(&[], EGRESS);
    let api = Api::of(&node);
    let mut driver = Driver::people();
    open(&mut driver, &node, "one");
    open(&mut driver, &node, "two");
    assert_eq!(reserved(&node), "beistand_egress_reserved_bps 4000000");
    let third = tokens(Sdk::Python, "three", &PEOPLE);
    let knock = format!(
        "GET /rtc/validate?access_token={} HTTP/1.0\r\n\r\n",
        third[0]
    );
    let refused = exchange(&node.http, &knock);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    let reason = "2000000 bit/s are needed, 4000000 of 4500000 bit/s are reserved, 500000 are free";
    assert!(
        refused
            .body
            .as_str()
            .is_some_and(|body| body.contains(reason)),
        "{refused:?}"
    );
    let words = driver.refused(&join(&node, "karl", &third[0], &[]));
    assert!(words.contains(reason), "the SDK says: {words}");
    let more = tokens(Sdk::Python, "one", &[("gustav", "guest")]);
    let words = driver.refused(&join(&node, "gustav", &more[0], &[]));
    assert!(
        words.contains("1000000 bit/s are needed"),
        "the SDK says: {words}"
    );
    let everyone = ["one", "two"].map(|room| PEOPLE.map(|(who, _)| called(room, who)));
    let going = json!({"do": "more_packets", "who": everyone.as_flattened(), "packets": 50});
    driver.ask(&going);
    let listed = api.expect(200, "GET /v1/sessions?room=two", &Value::Null);
    let id = listed["sessions"][0]["id"].as_str().unwrap_or_default();
    api.expect(200, &format!("POST /v1/sessions/{id}/end"), &Value::Null);
    open(&mut driver, &node, "three");
    assert_eq!(reserved(&node), "beistand_egress_reserved_bps 4000000");
}
