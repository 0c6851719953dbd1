//! What could not be delivered is listed, and delivered again, by the API and at the command line.

use crate::api::Api;
use crate::node::{Node, beistand};
use crate::receiver::{Receiver, check_once};
use crate::reload::{cancel, reload, until_attempts, until_metric};
use crate::turn;
use serde_json::{Value, json};

/// The second endpoint of the node.
const LATE: &str = "receiver-1";

/// `beistand webhooks …`: its exit code, and what it says on standard output and standard error.
fn webhooks(arguments: &[&str], node: &Node) -> (i32, String, String) {
    let place = match arguments {
        ["list", ..] => ["--data".to_owned(), node.data().display().to_string()],
        _ => ["--admin".to_owned(), node.admin.clone()],
    };
    let mut command = beistand(&["webhooks"]);
    let output = command.args(arguments).args(place).output();
    let output = output.expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.status.code().expect("it ended by itself");
    (code, text(output.stdout), text(output.stderr))
}

fn listed(node: &Node) -> Vec<Value> {
    let (code, told, error) = webhooks(&["list", "--json"], node);
    assert_eq!(code, 0, "{error}");
    let listed: Value = serde_json::from_str(&told).expect("it is JSON");
    listed.as_array().cloned().expect("it is a list")
}

/// How the second endpoint stands: state, and how many dead letters.
fn standing(api: &Api) -> (Value, Value) {
    let all = api.expect(200, "GET /v1/webhooks", &Value::Null);
    let endpoints = all["endpoints"].as_array().into_iter().flatten();
    let late = endpoints
        .into_iter()
        .find(|endpoint| endpoint["name"] == LATE);
    let late = late.unwrap_or_else(|| panic!("{all}"));
    (late["state"].clone(), late["dead_letters"].clone())
}

/// A session of two events, whose second endpoint is taken out of the configuration before it has them.
fn buried(node: &Node, late: &Receiver) -> String {
    cancel(&Api::of(node), 0);
    until_attempts(late, "the attempt that hangs", |attempts| {
        !attempts.is_empty()
    });
    let mut whole = String::new();
    node.reconfigure(|text| {
        let at = text.rfind("[[webhooks.endpoints]]").expect("two endpoints");
        whole.clone_from(&text);
        text[..at].to_owned()
    });
    assert_eq!(reload(node).status, 200);
    until_metric(node, "beistand_dead_letters_total", "2");
    whole
}

#[test]
fn dead_letters_are_listed_and_go_out_again_in_order_once_their_endpoint_is_there() {
    let _turn = turn::shared();
    let late = Receiver::start(&json!(["hang"]));
    let other = Receiver::start(&json!([]));
    let node = Node::with(&[&other, &late]);
    let api = Api::of(&node);
    assert!(listed(&node).is_empty());
    let whole = buried(&node, &late);
    assert_eq!(standing(&api), (json!("removed"), json!(2)));
    let letters = listed(&node);
    let told = letters
        .iter()
        .map(|l| (&l["endpoint"], &l["reason"], &l["event_seq"]));
    let (endpoint, removed) = (json!(LATE), json!("removed"));
    assert!(told.eq([
        (&endpoint, &removed, &json!(1)),
        (&endpoint, &removed, &json!(2))
    ]));
    let (code, _, error) = webhooks(&["replay", LATE, "--all"], &node);
    assert_eq!(code, 1);
    assert!(
        error.contains("the configuration names no endpoint"),
        "{error}"
    );
    let replay = format!("POST /v1/webhooks/{LATE}/replay");
    api.expect(404, &replay, &json!({}));

    node.reconfigure(|_| whole);
    assert_eq!(reload(&node).status, 200);
    assert_eq!(standing(&api), (json!("active"), json!(2)));
    let page = |query: &str| {
        let request = format!("GET /v1/webhooks/{LATE}/dead-letters?{query}");
        api.expect(200, &request, &Value::Null)
    };
    let first = page("limit=1");
    let next = first["next"].as_str().expect("there is a second page");
    let second = page(&format!("cursor={next}"));
    assert_eq!(
        (&second["dead_letters"][0]["event_seq"], &second["next"]),
        (&json!(2), &Value::Null)
    );

    // By the API the second one alone, twice with one key; by the command line the rest.
    let event = &second["dead_letters"][0]["event"];
    let once = "Idempotency-Key: again\r\n";
    for _ in 0..2 {
        let answer = api.ask(&replay, &json!({"events": [event]}), once);
        assert_eq!(
            (answer.status, &answer.body),
            (200, &json!({"replayed": 1, "more": false}))
        );
    }
    until_attempts(&late, "the second event", |attempts| {
        attempts.iter().any(|a| a.delivered() && a.event_seq == 2)
    });
    let (code, told, error) = webhooks(&["replay", LATE, "--all", "--json"], &node);
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{error}"));
    assert_eq!((code, told), (0, json!({"endpoint": LATE, "replayed": 1})));
    let attempts = until_attempts(&late, "the first event", |attempts| {
        attempts.iter().any(|a| a.delivered() && a.event_seq == 1)
    });
    check_once(&attempts);
    assert!(listed(&node).is_empty());
    node.verify_ledger();
}

#[test]
fn whoever_looks_after_webhooks_administers_the_whole_project_and_what_is_wrong_is_told() {
    let _turn = turn::shared();
    let receiver = Receiver::start(&json!([]));
    let node = Node::with(&[&receiver]);
    let api = Api::of(&node);
    let made = beistand(&["token", "--dev", "--admin", "--room", "lesson"]).output();
    let made = made.expect("the binary runs").stdout;
    let of_room = Api::with(&node, String::from_utf8_lossy(&made).trim());
    let nobody = Api::with(&node, "none");
    for (request, body) in [
        ("GET /v1/webhooks", Value::Null),
        ("GET /v1/webhooks/receiver-0/dead-letters", Value::Null),
        ("POST /v1/webhooks/receiver-0/replay", json!({})),
        ("POST /v1/webhooks/receiver-0/enable", Value::Null),
    ] {
        of_room.expect(403, request, &body);
        nobody.expect(401, request, &body);
        api.expect(200, request, &body);
        if let Some((head, tail)) = request.split_once("receiver-0") {
            api.expect(404, &format!("{head}nobody{tail}"), &body);
        }
    }
    let replay = "POST /v1/webhooks/receiver-0/replay";
    api.expect(404, replay, &json!({"events": ["evt_none"]}));
    api.expect(422, replay, &json!({"events": vec!["evt"; 101]}));
    api.expect(422, replay, &json!({"all": true}));
    api.expect(
        400,
        "GET /v1/webhooks/receiver-0/dead-letters?limit=101",
        &Value::Null,
    );
    api.expect(405, "DELETE /v1/webhooks", &Value::Null);
    for (arguments, code, says) in [
        (&["enable", "receiver-0"][..], 0, ""),
        (&["enable", "nobody"], 1, "names no endpoint \"nobody\""),
        (&["enable", "acme/receiver-0"], 1, "names no endpoint"),
        (&["enable", "a/../b"], 1, "is no endpoint"),
        (&["replay", "receiver-0"], 2, "--all"),
        (
            &["replay", "receiver-0", "--event", "evt_none"],
            1,
            "no dead letter",
        ),
        (&["list", "--limit", "0"], 2, "--limit"),
    ] {
        let (ended, _, error) = webhooks(arguments, &node);
        assert_eq!(ended, code, "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    // Nobody is there at the port of an ended listener.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let unused = unused.expect("a port").to_string();
    let asked = beistand(&["webhooks", "enable", "receiver-0", "--admin", &unused]).output();
    let asked = asked.expect("the binary runs");
    assert_eq!(asked.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&asked.stderr).contains("no node answers"),
        "{asked:?}"
    );
}

#[test]
fn an_endpoint_that_is_not_on_the_public_internet_is_refused_with_what_to_set() {
    let _turn = turn::shared();
    let receiver = Receiver::start(&json!([]));
    let node = Node::with(&[&receiver]);
    node.reconfigure(|text| {
        text.replace("allow_private = true\n", "")
            .replace("http://127.0.0.1", "http://localhost")
    });
    let answer = reload(&node);
    assert!(answer.status >= 400, "{answer:?}");
    assert!(answer.text.contains("allow_private = true"), "{answer:?}");
    let file = node.config().display().to_string();
    let checked = beistand(&["config", "check", &file]).output();
    let checked = checked.expect("the binary runs");
    let told = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(2), "{told}");
    assert!(told.contains("127.0.0.1 (loopback, 127.0.0.0/8)"), "{told}");
    // What was configured before still holds.
    cancel(&Api::of(&node), 0);
    receiver.until_delivered("session.ended");
}
