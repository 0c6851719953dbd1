//! The Sessions API of a real node: by its own document, by curl as the README has it, across
//! restarts, and with a tool that looks for what nobody thought of.

use crate::api::{Api, admin_token, exchange};
use crate::driver::{Driver, join, run};
use crate::node::{KEY, Node, SECRET, beistand, without_settings};
use crate::oracle::ms;
use crate::place::{self, Folder};
use crate::receiver::{Receiver, check_story, story};
use crate::recordings_api::staged;
use crate::{turn, wait};
use serde_json::{Value, json};
use std::process::Command;

fn booking(room: &str) -> Value {
    json!({
        "room": room,
        "participants": [
            {"identity": "erika", "role": "expert"},
            {"identity": "karl", "role": "customer"},
        ],
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Everyone who was booked joins with their token.
fn enter(driver: &mut Driver, node: &Node, booked: &Value) {
    let people = booked["participants"].as_array().cloned();
    for person in people.unwrap_or_default().iter().rev() {
        let (who, token) = (text(&person["identity"]), text(&person["token"]));
        driver.ask(&join(node, &who, &token, &["audio"]));
    }
}

fn until_state(api: &Api, id: &str, state: &str) -> Value {
    wait::until(&format!("{id} is {state}"), wait::PATIENCE, || {
        let record = api.expect(200, &format!("GET /v1/sessions/{id}"), &Value::Null);
        if record["state"] == state {
            return Ok(record);
        }
        Err(record.to_string())
    })
}

#[test]
fn a_session_is_booked_joined_paused_extended_and_ended_and_the_record_tells_it() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let api = Api::of(&node);
    let booked = api.expect(201, "POST /v1/sessions", &booking("lesson"));
    let id = text(&booked["id"]);
    let taken = api.ask("POST /v1/sessions", &booking("lesson"), "");
    assert_eq!((taken.status, &taken.body["session"]), (409, &json!(id)));
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    let live = until_state(&api, &id, "live");
    assert_eq!(live["participants"][0]["connected"], true, "{live}");
    assert_eq!(live["participants"][0]["role"], "expert", "{live}");
    driver.ask(&json!({"do": "receive", "who": ["erika", "karl"], "kinds": ["audio"]}));
    let heard = api.expect(200, &format!("GET /v1/sessions/{id}"), &Value::Null);
    let streams = heard["subscriptions"].as_array().map(Vec::len);
    assert_eq!(streams, Some(2), "each hears the other: {heard}");
    let paused = api.expect(200, &format!("POST /v1/sessions/{id}/pause"), &Value::Null);
    assert_eq!(paused["reason"], "by_request", "{paused}");
    let again = api.expect(200, &format!("POST /v1/sessions/{id}/resume"), &Value::Null);
    assert_eq!(again["state"], "live", "{again}");
    let none = api.ask(
        &format!("POST /v1/sessions/{id}/presence"),
        &Value::Null,
        "",
    );
    assert_eq!(none.status, 409, "nobody is asked: {none:?}");
    let longer = json!({"max_min": 30, "quota_s": 900});
    let more = api.expect(200, &format!("PATCH /v1/sessions/{id}"), &longer);
    assert_eq!(more["policy"]["duration"]["quota_s"], 900, "{more}");
    let guest = json!({"identity": "gustav", "role": "guest"});
    let token = api.expect(200, &format!("POST /v1/sessions/{id}/tokens"), &guest);
    driver.ask(&join(&node, "gustav", &text(&token["token"]), &[]));
    let over = api.expect(200, &format!("POST /v1/sessions/{id}/end"), &Value::Null);
    assert_eq!(over["reason"], "ended_by_api", "{over}");
    assert!(ms(&over["totals"]["accrued_ms"]) > 0.0, "{over}");
    let told = driver.ask(&json!({"do": "gone", "who": "karl"}));
    assert_eq!(told["gone"]["reason"], "ROOM_DELETED", "{told}");
    node.verify_ledger();
    assert_eq!(node.usage()[0]["session"], json!(id));
}

#[test]
fn what_the_readme_shows_by_curl_is_what_happens_and_what_billing_gets() {
    let _turn = turn::shared();
    let receiver = Receiver::start(&json!([]));
    let node = Node::with(&[&receiver]);
    let folder = Folder::new();
    let steps = shell_steps("README.md");
    let elsewhere = shell_steps("docs/contract.md");
    assert!(
        elsewhere.is_empty(),
        "the README alone shows it: {elsewhere:?}"
    );
    let [book, extend, end] = steps.as_slice() else {
        panic!("three steps: {steps:?}");
    };
    let booked = run_step(book, &node, &folder);
    assert_eq!(booked["state"], "scheduled", "{booked}");
    assert!(receiver.attempts().is_empty(), "nobody has come");
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    receiver.until_delivered("session.usage");
    let extended = run_step(extend, &node, &folder);
    assert_eq!(extended["policy"]["duration"]["quota_s"], 3600);
    assert_eq!(extended["state"], "live", "{extended}");
    let ended = run_step(end, &node, &folder);
    assert_eq!(ended["reason"], "ended_by_api", "{ended}");
    let attempts = receiver.until_delivered("session.ended");
    check_story(&attempts);
    let told = story(&attempts);
    let told: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|kind| *kind != "session.warning")
        .collect();
    let expected = [
        "session.started",
        "participant.joined",
        "participant.joined",
        "session.usage",
        "participant.left",
        "participant.left",
        "session.ended",
    ];
    assert_eq!(told, expected);
    let last = attempts.last().expect("there are attempts").data();
    assert_eq!(last["billable_ms"], ended["billable_ms"], "{last}");
}

/// The blocks of shell that call the Sessions API, in their order.
pub fn shell_steps(document: &str) -> Vec<String> {
    let path = place::driver("../../..").join(document);
    let text = std::fs::read_to_string(&path).expect("the document is there");
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.contains("/v1/"))
        .map(str::to_owned)
        .collect()
}

/// Runs a step as it stands there, but for the address of the node.
pub fn run_step(step: &str, node: &Node, folder: &Folder) -> Value {
    let binary = env!("CARGO_BIN_EXE_beistand");
    let script = step
        .replace("http://127.0.0.1:7880", &node.url())
        .replace("$(beistand ", &format!("$({binary} "));
    let output = without_settings(Command::new("bash"))
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.join(""))
        .output()
        .expect("bash runs");
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{output:?}");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("no JSON: {error}: {answer}"))
}

#[test]
fn bookings_and_idempotency_keys_survive_a_crash_and_a_booking_lapses_as_no_show() {
    let _turn = turn::shared();
    let mut node = Node::with(&[]);
    let key = "Idempotency-Key: once\r\n";
    let api = Api::of(&node);
    let first = api.ask("POST /v1/sessions", &booking("kept"), key);
    assert_eq!(first.status, 201, "{first:?}");
    let id = text(&first.body["id"]);
    let closes = unix_s() + 6;
    let short = json!({"room": "missed", "overrides": {"window": {"closes_at": closes}}});
    let missed = text(&api.expect(201, "POST /v1/sessions", &short)["id"]);
    node.kill();
    node.restart();
    let api = Api::of(&node);
    let again = api.ask("POST /v1/sessions", &booking("kept"), key);
    let tokens = |answer: &Value| -> Vec<Value> {
        let people = answer["participants"].as_array().cloned();
        let people = people.unwrap_or_default();
        people
            .iter()
            .map(|person| person["token"].clone())
            .collect()
    };
    assert_eq!(again.status, 201, "{again:?}");
    assert_eq!(again.body["id"], json!(id));
    assert_eq!(tokens(&again.body), tokens(&first.body), "the same answer");
    let other = api.ask("POST /v1/sessions", &booking("other"), key);
    assert_eq!(
        (other.status, &other.body["field"]),
        (422, &json!("Idempotency-Key"))
    );
    let over = until_state(&api, &missed, "ended");
    assert_eq!(over["reason"], "no_show", "{over}");
    let listed = api.expect(200, "GET /v1/sessions?state=scheduled", &Value::Null);
    assert_eq!(listed["sessions"][0]["id"], json!(id), "{listed}");
    let mut driver = Driver::people();
    enter(&mut driver, &node, &again.body);
    let live = until_state(&api, &id, "live");
    assert_eq!(live["id"], json!(id));
    node.verify_ledger();
}

fn unix_s() -> u64 {
    let seconds = format!("{:.0}", wait::unix_ms() / 1000.0);
    seconds.parse().expect("a number of seconds")
}

#[test]
fn outside_its_window_and_above_its_size_a_session_refuses_with_a_reason_that_sdks_show() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let api = Api::of(&node);
    let mut early = booking("early");
    early["overrides"] = json!({"window": {"opens_at": unix_s() + 3600}});
    let early = api.expect(201, "POST /v1/sessions", &early);
    let token = text(&early["participants"][0]["token"]);
    let knock = format!("GET /rtc/validate?access_token={token} HTTP/1.0\r\n\r\n");
    let refused = exchange(&node.http, &knock);
    assert_eq!(refused.status, 403, "{refused:?}");
    let mut driver = Driver::people();
    let words = driver.refused(&join(&node, "erika", &token, &[]));
    assert!(words.contains("is not open yet: it opens at 20"), "{words}");
    let mut small = booking("small");
    small["overrides"] = json!({"capacity": {"max_participants": 2}});
    let small = api.expect(201, "POST /v1/sessions", &small);
    enter(&mut driver, &node, &small);
    let guest = json!({"identity": "gustav", "role": "guest"});
    let id = text(&small["id"]);
    let token = api.expect(200, &format!("POST /v1/sessions/{id}/tokens"), &guest);
    let words = driver.refused(&join(&node, "gustav", &text(&token["token"]), &[]));
    assert!(words.contains("the room is full"), "{words}");
}

#[test]
fn a_refusal_of_what_a_token_says_reaches_sdks_in_words() {
    let turn = turn::shared();
    let node = Node::with(&[]);
    let made = |attribute: &str, value: &str| {
        let wanted =
            json!([{"identity": "karl", "room": "words", "attributes": {attribute: value}}]);
        let spec = json!({"key": KEY, "secret": SECRET, "wanted": wanted}).to_string();
        text(&run("tokens.py", &place::python(), &spec)[0]["tokens"][0])
    };
    let mut driver = Driver::people();
    let cases = [
        (
            made("role", "boss"),
            "it is one of expert, customer, guest, observer",
        ),
        (
            made("policy", "nope"),
            "names no [policies.NAME] of this node",
        ),
    ];
    for (token, words) in &cases {
        let said = driver.refused(&join(&node, "karl", token, &[]));
        assert!(said.contains(words), "the SDK of Python says: {said}");
    }
    drop((driver, turn));
    let _turn = turn::alone();
    place::chromium();
    for (token, words) in &cases {
        let spec = json!({"url": node.url(), "token": token, "do": "connect"}).to_string();
        let said = run("preflight.mjs", &place::node_js(), &spec).remove(0);
        let error = said["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "livekit-client says: {said}");
    }
}

#[test]
fn the_documents_own_examples_are_accepted_and_what_is_wrong_has_its_documented_status() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let api = Api::of(&node);
    let document = api.expect(200, "GET /openapi.json", &Value::Null);
    assert!(
        text(&document["openapi"]).starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    let example = |name: &str| document["components"]["schemas"][name]["example"].clone();
    let booked = api.expect(201, "POST /v1/sessions", &example("NewSession"));
    let id = text(&booked["id"]);
    api.expect(200, &format!("PATCH /v1/sessions/{id}"), &example("Patch"));
    api.expect(
        200,
        &format!("POST /v1/sessions/{id}/tokens"),
        &example("NewToken"),
    );
    let big = json!({"metadata": "x".repeat(70_000)});
    for (status, request, body, headers) in [
        (400, "GET /v1/sessions?limit=0", Value::Null, ""),
        (400, "GET /v1/sessions?unknown=1", Value::Null, ""),
        (404, "GET /v1/sessions/SE_nothing", Value::Null, ""),
        (404, "GET /v1/nothing", Value::Null, ""),
        (405, "DELETE /v1/sessions", Value::Null, ""),
        (413, "POST /v1/sessions", big, ""),
        (422, "POST /v1/sessions", json!({"rooom": "x"}), ""),
        (422, "POST /v1/sessions", json!([]), ""),
    ] {
        let answer = api.ask(request, &body, headers);
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        assert!(
            answer.head.contains("application/problem+json"),
            "{answer:?}"
        );
        assert_eq!(answer.body["status"], json!(status), "{answer:?}");
    }
    let bare = format!("GET /v1/sessions HTTP/1.0\r\nHost: {}\r\n\r\n", node.http);
    assert_eq!(exchange(&node.http, &bare).status, 401);
    assert!(!SECRET.is_empty() && !admin_token().is_empty());
    let one = beistand(&["token", "--dev", "--admin", "--room", "else"]).output();
    let one = one.expect("the binary runs").stdout;
    let one = String::from_utf8_lossy(&one).trim().to_owned();
    let other = format!(
        "GET /v1/sessions/{id} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {one}\r\n\r\n",
        node.http
    );
    assert_eq!(exchange(&node.http, &other).status, 403);
}

/// What schemathesis may take.
const EXAMPLES: &str = "50";
/// What neither ends a session nor deletes a recording.
const HARMLESS: &str = "files|consent|sessions/.*/recordings";

/// What the tool says that looks for what nobody thought of.
fn explored(node: &Node, folder: &Folder, paths: &str) -> String {
    let tool = place::python().with_file_name("schemathesis");
    let output = Command::new(tool)
        .args(["run", &format!("{}/openapi.json", node.url())])
        .args(["--max-examples", EXAMPLES, "--seed", "7"])
        .args(["--generation-database", "none"])
        .args(["--include-path-regex", paths])
        // What a schema cannot say (an identity only once, one bound above another) is 422. And a
        // recording that is deleted is still shown as such.
        .args([
            "--exclude-checks",
            "positive_data_acceptance,use_after_free",
        ])
        .args(["-H", &format!("Authorization: Bearer {}", admin_token())])
        .current_dir(folder.join(""))
        .env("NO_COLOR", "1")
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::write(folder.join("report.txt"), &said).expect("the report is kept");
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("Authentication failed"), "{said}");
    said
}

#[test]
fn schemathesis_finds_no_server_error_and_no_undocumented_answer() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let folder = Folder::new();
    let (settings, _people) = staged(&node);
    let file = folder.join("schemathesis.toml");
    std::fs::write(&file, settings).expect("the settings are written");
    let said = explored(&node, &folder, HARMLESS);
    assert!(said.contains("4 selected / 23 total"), "{said}");
    assert!(!said.contains("Missing test data"), "{said}");
    let said = explored(&node, &folder, ".*");
    assert!(said.contains("23 selected / 23 total"), "{said}");
    let api = Api::of(&node);
    let made = api.expect(200, "GET /v1/sessions?limit=1", &Value::Null);
    assert!(
        made["sessions"][0]["id"].is_string(),
        "it got inside: {made}"
    );
}
