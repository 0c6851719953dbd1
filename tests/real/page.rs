//! The page and the schemas of the data messages: it understands what they say, shows it, and
//! ignores whatever else bears such a topic.

use crate::api::Api;
use crate::doors::get;
use crate::driver::Driver;
use crate::node::Node;
use crate::turn;
use serde_json::{Value, json};

/// The messages from the server to clients: each has a schema, and a decoder in the page.
const MESSAGES: [&str; 7] = [
    "beistand.clock",
    "beistand.floor",
    "beistand.presence",
    "beistand.probe",
    "beistand.recording",
    "beistand.refused",
    "beistand.warning",
];

/// The page of the customer, connected and alone.
pub fn page(node: &Node, driver: &mut Driver) {
    page_of("customer", node, driver);
}

/// The page of one side, connected.
pub fn page_of(who: &str, node: &Node, driver: &mut Driver) {
    let (status, body) = get(&node.http, "/dev/links?room=page");
    assert_eq!(status, 200, "{body}");
    let links: Value = serde_json::from_str(&body).expect("the links are JSON");
    driver.ask(&json!({"do": "open", "who": who, "link": links[who], "size": "640x360"}));
}

/// The schema of a data message.
pub fn schema(topic: &str) -> Value {
    let file = format!("{}/config/schemas/{topic}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file} is no JSON: {error}"))
}

/// Hands the page a message as if the server had sent it: whether it understands, and what it shows.
pub fn receive(driver: &mut Driver, topic: &str, message: &Value) -> Value {
    driver.ask(&json!({"do": "receive", "who": "customer", "topic": topic, "message": message}))
}

#[test]
fn the_page_understands_every_example_of_the_schemas_and_ignores_every_mangled_one() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    for topic in MESSAGES {
        let schema = schema(topic);
        let examples = schema["examples"].as_array().expect("there are examples");
        let fields = schema["required"].as_array().expect("there are fields");
        assert!(!examples.is_empty() && !fields.is_empty(), "{topic}");
        for example in examples {
            let answer = receive(&mut driver, topic, example);
            assert_eq!(answer["understood"], true, "{topic}: {example}");
            for field in fields.iter().filter_map(Value::as_str) {
                let mut mangled = example.clone();
                mangled[field] = json!({"wrong": true});
                let answer = receive(&mut driver, topic, &mangled);
                assert_eq!(answer["understood"], false, "{topic}: {mangled}");
            }
        }
    }
    for (topic, message) in [
        ("beistand.clock", json!([])),
        ("beistand.floor", Value::Null),
        ("beistand.unknown", json!({})),
    ] {
        let answer = receive(&mut driver, topic, &message);
        assert_eq!(answer["understood"], false, "{topic}: {message}");
    }
}

#[test]
fn the_page_says_in_words_what_is_left_and_whose_connection_is_below_the_floor() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let clock = json!({"session": "SE_1", "state": "paused", "reason": "below_floor", "accrued_ms": 60_000,
                       "quota_left_ms": 240_000, "time_left_ms": 600_000});
    let shown = receive(&mut driver, "beistand.clock", &clock)["shown"].take();
    assert_eq!(
        shown["state"][0],
        "Paused: the connection is below the promised minimum"
    );
    assert_eq!(shown["left"][0], "Prepaid: 04:00 left · Ends in 10:00");
    let met = json!({"state": "met", "floor_bps": 1_000_000, "measured_bps": 1_400_000, "limited_by": null});
    let breached = json!({"state": "breached", "floor_bps": 1_000_000, "measured_bps": 400_000, "limited_by": "downlink"});
    let floor = json!({"participants": [{"identity": "customer", "up": met, "down": breached}]});
    let shown = receive(&mut driver, "beistand.floor", &floor)["shown"].take();
    assert_eq!(
        shown["own"][0],
        "Your connection: below the promised minimum (400 kbit/s of 1 Mbit/s down)"
    );
    let warning =
        json!({"kind": "floor", "left_s": null, "identity": "customer", "direction": "down"});
    let shown = receive(&mut driver, "beistand.warning", &warning)["shown"].take();
    let notice = shown["notices"][0].as_str().unwrap_or_default();
    assert!(
        notice.starts_with("Your connection is below the promised minimum"),
        "{shown}"
    );
}

#[test]
fn the_page_says_that_a_session_has_ended_and_why_and_offers_no_way_back() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    driver.ask(&json!({"do": "clock", "who": "customer", "state": "waiting"}));
    let api = Api::of(&node);
    let open = api.expect(200, "GET /v1/sessions?state=running", &Value::Null);
    let id = open["sessions"][0]["id"].as_str().expect("it is open");
    api.expect(200, &format!("POST /v1/sessions/{id}/end"), &Value::Null);
    let shown = driver.ask(&json!({"do": "farewell", "who": "customer", "clock": "Billed: "}));
    assert_eq!(shown["title"], "The session has ended", "{shown}");
    assert_eq!(shown["text"], "It was closed by its organiser.", "{shown}");
    assert_eq!(shown["rejoin"], false, "{shown}");
    assert_eq!(shown["connection"], "Ended", "{shown}");
    assert_eq!(shown["clock"], "Billed: 00:00", "{shown}");
}

#[test]
fn the_page_takes_a_message_of_the_server_from_nobody_else_be_they_seen_or_not() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    for (identity, taken) in [("eve", false), ("", true)] {
        let told = driver
            .ask(&json!({"do": "refusal", "who": "customer", "identity": identity, "text": "No."}));
        let text = told["took"]["text"].as_str();
        assert_eq!(text, taken.then_some("No."), "from {identity:?}: {told}");
    }
}

#[test]
fn the_prompt_takes_the_focus_and_gives_it_back() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let mut prompt = json!({"open": true, "who": "any", "left_ms": 300_000, "confirmed": []});
    let shown = receive(&mut driver, "beistand.presence", &prompt)["shown"].take();
    assert_eq!(
        (&shown["prompt"], &shown["focus"]),
        (&json!(true), &json!("presence-yes"))
    );
    prompt["open"] = json!(false);
    prompt["left_ms"] = Value::Null;
    prompt["confirmed"] = json!(["expert"]);
    let shown = receive(&mut driver, "beistand.presence", &prompt)["shown"].take();
    assert_eq!(
        (&shown["prompt"], &shown["focus"]),
        (&json!(false), &json!("mic"))
    );
    let notice = shown["notices"][0].as_str().unwrap_or_default();
    assert!(notice.starts_with("expert confirmed"), "{shown}");
}
