//! Prepaid time that several buy at once: nothing is lost, and nothing is given twice.

use crate::api::{Answer, Api};
use crate::driver::{Driver, join};
use crate::node::Node;
use crate::turn;
use serde_json::{Value, json};
use std::thread;

/// Buyers at once.
const BUYERS: usize = 8;
const BOOKED_S: u64 = 600;
const GRANT_S: u64 = 60;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn book(api: &Api, room: &str) -> Value {
    let booking = json!({
        "room": room, "overrides": {"duration": {"quota_s": BOOKED_S}},
        "participants": [
            {"identity": "erika", "role": "expert"},
            {"identity": "karl", "role": "customer"},
        ],
    });
    api.expect(201, "POST /v1/sessions", &booking)
}

fn enter(driver: &mut Driver, node: &Node, booked: &Value) {
    for index in [0, 1] {
        let person = &booked["participants"][index];
        let (who, token) = (text(&person["identity"]), text(&person["token"]));
        driver.ask(&join(node, &who, &token, &["audio"]));
    }
}

fn grant(api: &Api, id: &str, key: &str, seconds: u64) -> Answer {
    let request = format!("POST /v1/sessions/{id}/grants");
    let header = format!("Idempotency-Key: {key}\r\n");
    api.ask(&request, &json!({ "seconds": seconds }), &header)
}

fn quota(api: &Api, id: &str) -> Value {
    let record = api.expect(200, &format!("GET /v1/sessions/{id}"), &Value::Null);
    record["policy"]["duration"]["quota_s"].clone()
}

fn at_once<T: Send>(each: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> = (0..BUYERS)
            .map(|number| scope.spawn(move || each(number)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|one| one.expect("no panic")).collect()
    })
}

/// Each buys twice with one key. The answers of each.
fn all_buy(api: &Api, id: &str, name: &str) -> Vec<[Answer; 2]> {
    at_once(|number| [0, 1].map(|_| grant(api, id, &format!("{name}-{number}"), GRANT_S)))
}

fn bought(answers: &[[Answer; 2]], before_s: u64) {
    let mut totals = Vec::new();
    for [first, repeat] in answers {
        assert_eq!(first.status, 200, "{first:?}");
        assert_eq!(first.body, repeat.body, "a repeat gets the first answer");
        totals.push(first.body["quota_s"].as_u64().expect("a total"));
    }
    totals.sort_unstable();
    let each = (1..=BUYERS as u64).map(|number| before_s + number * GRANT_S);
    assert_eq!(totals, each.collect::<Vec<_>>());
}

#[test]
fn grants_add_up_in_a_booking_and_in_a_running_session_and_over_a_crash() {
    let _turn = turn::shared();
    let mut node = Node::with(&[]);
    let api = Api::of(&node);
    let booked = book(&api, "grants");
    let id = text(&booked["id"]);
    let all_s = BUYERS as u64 * GRANT_S;
    let ahead = all_buy(&api, &id, "ahead");
    bought(&ahead, BOOKED_S);
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    driver.ask(&json!({"do": "live_for", "ms": 1_000}));
    assert_eq!(quota(&api, &id), json!(BOOKED_S + all_s));
    let live = all_buy(&api, &id, "live");
    bought(&live, BOOKED_S + all_s);
    let repeat = grant(&api, &id, "ahead-0", GRANT_S);
    assert_eq!(repeat.body, ahead[0][0].body, "bought before it began");
    let other = grant(&api, &id, "live-0", GRANT_S + 1);
    assert_eq!(
        (other.status, &other.body["field"]),
        (422, &json!("seconds"))
    );
    let nameless = api.ask(
        &format!("POST /v1/sessions/{id}/grants"),
        &json!({ "seconds": GRANT_S }),
        "",
    );
    assert_eq!(nameless.status, 400, "{nameless:?}");
    node.kill();
    driver.kill();
    node.restart();
    let api = Api::of(&node);
    // Of the session that was cut off, and of the one that goes on with it.
    let repeat = grant(&api, &id, "live-0", GRANT_S);
    assert_eq!(repeat.body, live[0][0].body);
    assert_eq!(grant(&api, &id, "new", GRANT_S).status, 409, "it is over");
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    driver.ask(&json!({"do": "live_for", "ms": 1_000}));
    let running = api.expect(200, "GET /v1/sessions?state=running", &Value::Null);
    let next = text(&running["sessions"][0]["id"]);
    for key in ["ahead-0", "live-0"] {
        assert_eq!(grant(&api, &next, key, GRANT_S).status, 200, "{key}");
    }
    assert_eq!(quota(&api, &next), json!(BOOKED_S + 2 * all_s));
    let more = grant(&api, &next, "new", GRANT_S);
    assert_eq!(more.body["quota_s"], json!(BOOKED_S + 2 * all_s + GRANT_S));
    node.verify_ledger();
}

#[test]
fn of_those_who_change_the_totals_at_once_one_is_let_through_and_the_others_are_told() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let api = Api::of(&node);
    let booked = book(&api, "totals");
    let id = text(&booked["id"]);
    let mut driver = Driver::people();
    for stage in ["scheduled", "running"] {
        if stage == "running" {
            enter(&mut driver, &node, &booked);
            driver.ask(&json!({"do": "live_for", "ms": 1_000}));
        }
        let get = api.ask(&format!("GET /v1/sessions/{id}"), &Value::Null, "");
        let tag = etag(&get);
        let request = format!("PATCH /v1/sessions/{id}");
        let answers = at_once(|number| {
            let total = json!({ "quota_s": 1_000 + number });
            api.ask(&request, &total, &format!("If-Match: {tag}\r\n"))
        });
        let (through, told): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 200);
        assert_eq!(through.len(), 1, "{stage}: {answers:?}");
        assert!(
            told.iter().all(|one| one.status == 412),
            "{stage}: {told:?}"
        );
        let total = &through[0].body["policy"]["duration"]["quota_s"];
        assert_eq!(&quota(&api, &id), total, "{stage}");
        let get = api.ask(&format!("GET /v1/sessions/{id}"), &Value::Null, "");
        assert_eq!(etag(&get), etag(through[0]), "{stage}");
        // Without the header the last one holds, as before.
        api.expect(200, &request, &json!({"quota_s": BOOKED_S}));
    }
    let bare = api.ask(
        &format!("PATCH /v1/sessions/{id}"),
        &json!({"quota_s": 1}),
        "If-Match: 600-480\r\n",
    );
    assert_eq!(
        (bare.status, &bare.body["field"]),
        (400, &json!("if-match"))
    );
}

fn etag(answer: &Answer) -> String {
    let lines = answer.head.lines();
    let found = lines.filter_map(|line| line.strip_prefix("etag: ")).next();
    found
        .unwrap_or_else(|| panic!("no tag: {answer:?}"))
        .to_owned()
}
