//! Requests that are sent twice with one `Idempotency-Key`: every POST of the document, also across a
//! `kill -9`, by whoever may, and by whoever may not.

use crate::api::{Answer, Api, token_of};
use crate::doors::get;
use crate::driver::{Driver, join};
use crate::node::{KEY, Node, SECRET};
use crate::place::Folder;
use crate::turn;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// More keys of the project of `[keys]`, and one of another.
const KEYS: &str = "\n[projects.acme.keys]\nacme-1 = \"the-secret-of-the-first-key-of-acme-1\"\n";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn lesson(room: &str) -> Value {
    json!({
        "room": room,
        "overrides": {"duration": {"quota_s": 600}, "recording": {"mode": "on_request", "purposes": ["shared"]}},
        "participants": [
            {"identity": "erika", "role": "expert"},
            {"identity": "karl", "role": "customer"},
        ],
    })
}

/// Every POST of the document, in an order in which each can be done, and what it is answered.
fn posts() -> Vec<(&'static str, Value, u16)> {
    let karl = json!({"identity": "karl", "purpose": "shared", "given": true, "wording": "1"});
    let otto = json!({"identity": "otto", "role": "observer"});
    vec![
        ("/v1/sessions", lesson("lesson"), 201),
        ("/v1/sessions/{id}/tokens", otto, 200),
        ("/v1/sessions/{id}/consent", karl, 200),
        (
            "/v1/sessions/{id}/recordings",
            json!({"action": "start"}),
            200,
        ),
        ("/v1/sessions/{id}/pause", Value::Null, 200),
        ("/v1/sessions/{id}/resume", Value::Null, 200),
        ("/v1/sessions/{id}/grants", json!({"seconds": 60}), 200),
        // Nobody is asked. `clocks.rs` has one where somebody is.
        ("/v1/sessions/{id}/presence", Value::Null, 409),
        ("/v1/sessions/{id}/end", Value::Null, 200),
    ]
}

/// These are about an endpoint, not a session: `dead_letters.rs` repeats them.
const OF_ENDPOINTS: [&str; 2] = [
    "/v1/webhooks/{endpoint}/replay",
    "/v1/webhooks/{endpoint}/enable",
];

/// Every POST of the document names the header, and is known here.
fn every_post_takes_a_key(node: &Node) {
    let (status, document) = get(&node.http, "/openapi.json");
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&document).expect("the document is JSON");
    let mut there = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        let post = &operations["post"];
        if post.is_null() {
            continue;
        }
        there.insert(path.as_str());
        let parameters = post["parameters"].as_array().cloned().unwrap_or_default();
        let header = parameters.iter().find(|one| one["in"] == "header");
        let header = header.unwrap_or_else(|| panic!("POST {path} names no header: {post}"));
        assert_eq!(header["name"], "Idempotency-Key", "POST {path}");
        // A grant is nothing without its name.
        let required = path.ends_with("/grants");
        assert_eq!(header["required"], required, "POST {path}: {header}");
        assert_eq!(header["schema"]["maxLength"], 255, "POST {path}: {header}");
        assert_eq!(
            header["schema"]["pattern"], "^[!-~]+$",
            "POST {path}: {header}"
        );
    }
    let known = posts().into_iter().map(|(path, ..)| path);
    let known: BTreeSet<&str> = known.chain(OF_ENDPOINTS).collect();
    assert_eq!(there, known, "a new POST needs its row here");
}

/// Its status, what of its head tells something, and its body.
fn told(answer: &Answer) -> (u16, Vec<String>, String) {
    let telling = ["content-type", "location", "content-length"];
    let head = answer.head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        telling.contains(&name)
    });
    let head = head.map(str::to_owned).collect();
    (answer.status, head, answer.text.clone())
}

/// Asks for each of them, each with a key of its own.
fn ask_all(api: &Api, session: &str, skip: usize) -> Vec<Answer> {
    let asked = posts().into_iter().enumerate().skip(skip);
    let each = asked.map(|(number, (path, body, expected))| {
        let answer = ask(api, path, session, (&body, &format!("key-{number}")));
        assert_eq!(answer.status, expected, "POST {path}: {answer:?}");
        answer
    });
    each.collect()
}

fn ask(api: &Api, path: &str, session: &str, (body, key): (&Value, &str)) -> Answer {
    let request = format!("POST {}", path.replace("{id}", session));
    api.ask(&request, body, &format!("Idempotency-Key: {key}\r\n"))
}

/// A node that has a token made for every occasion.
struct Scene {
    node: Node,
    folder: Folder,
}

impl Scene {
    fn new() -> Scene {
        let folder = Folder::new();
        let scene = Scene {
            node: Node::more(&[], KEYS),
            folder,
        };
        scene.keys(&format!("{KEY} = \"{SECRET}\""));
        scene
    }

    /// What tokens are made of.
    fn keys(&self, keys: &str) {
        let text = format!("[http]\nbind = \"127.0.0.1:7880\"\n[keys]\n{keys}\n{KEYS}");
        std::fs::write(self.folder.join("keys.toml"), text).expect("the keys are written");
    }

    fn token(&self, key: &str, words: &[&str]) -> String {
        token_of(&self.folder.join("keys.toml"), key, words)
    }

    fn api(&self, key: &str, words: &[&str]) -> Api {
        Api::with(&self.node, &self.token(key, words))
    }
}

#[test]
fn every_post_gets_its_first_answer_again_also_after_a_kill_and_nothing_is_done_twice() {
    let _turn = turn::shared();
    let mut scene = Scene::new();
    every_post_takes_a_key(&scene.node);
    let app = scene.api(KEY, &["--admin"]);
    let book = |api: &Api| ask(api, "/v1/sessions", "", (&lesson("lesson"), "key-0"));
    let booked = book(&app);
    let session = text(&booked.body["id"]);
    let [erika, karl] = [0, 1].map(|n| text(&booked.body["participants"][n]["token"]));
    let mut driver = Driver::people();
    driver.ask(&join(&scene.node, "erika", &erika, &["audio"]));
    driver.ask(&join(&scene.node, "karl", &karl, &["audio"]));
    let mut first = vec![booked];
    first.extend(ask_all(&app, &session, 1));
    let kept = |answers: &[Answer]| -> Vec<(u16, Vec<String>, String)> {
        let kept = answers.iter().filter(|answer| answer.status < 300);
        kept.map(told).collect()
    };
    let expected = kept(&first);
    assert_eq!(expected.len(), posts().len() - 1);
    let again = ask_all(&app, &session, 0);
    assert_eq!(kept(&again), expected, "asked again at once");

    // A second key of the project is made, and the node dies.
    let second = "second = \"the-secret-of-the-second-key-of-keys\"";
    let was = format!("{KEY} = \"{SECRET}\"");
    scene.node.edit(&was, &format!("{was}\n{second}"));
    scene.keys(&format!("{was}\n{second}"));
    scene.node.kill();
    scene.node.restart();
    for (key, words, skip) in [
        (KEY, vec!["--admin"], 0),
        ("second", vec!["--admin"], 0),
        // A token of one room books nothing.
        ("second", vec!["--admin", "--room", "lesson"], 1),
    ] {
        let api = scene.api(key, &words);
        assert_eq!(
            kept(&ask_all(&api, &session, skip)),
            expected[skip..],
            "{key} {words:?}"
        );
    }
    others_get_nothing(&scene, &session, &karl);
    a_key_is_of_one_request(&scene, &session);
    scene.node.verify_ledger();
    let usage = scene.node.usage();
    assert_eq!(usage.len(), 1, "one booking: {usage:?}");
    let (_, metrics) = get(&scene.node.admin, "/metrics");
    let answered = "beistand_idempotency_keys_total{outcome=\"answered\"} 20";
    assert!(metrics.contains(answered), "{metrics}");
}

/// No answer of an app's is given to who could not have asked for it.
fn others_get_nothing(scene: &Scene, session: &str, karl: &str) {
    let elsewhere = scene.api(KEY, &["--admin", "--room", "elsewhere"]);
    let stranger = scene.api("acme-1", &["--admin"]);
    let karl = Api::with(&scene.node, karl);
    for (number, (path, body, kept)) in posts().iter().enumerate().skip(1) {
        let key = format!("key-{number}");
        let answer = |api: &Api| ask(api, path, session, (body, &key));
        assert_eq!(answer(&elsewhere).status, 403, "POST {path}");
        assert_eq!(answer(&stranger).status, 404, "POST {path}");
        // He may consent in his own name. That is not what the app has done: the session is over.
        let own = path.ends_with("/consent");
        assert_eq!(
            answer(&karl).status,
            if own { 409 } else { 403 },
            "POST {path}"
        );
        assert!(*kept == 200 || *kept == 409);
    }
}

/// A key that was used is good for nothing else, whichever was first: the booking, or another.
fn a_key_is_of_one_request(scene: &Scene, session: &str) {
    let api = scene.api(KEY, &["--admin"]);
    let otto = json!({"identity": "otto", "role": "guest"});
    for (path, body, key) in [
        ("/v1/sessions/{id}/tokens", &otto, "key-1"),
        ("/v1/sessions/{id}/pause", &Value::Null, "key-1"),
        ("/v1/sessions/{id}/end", &Value::Null, "key-0"),
        ("/v1/sessions", &lesson("other"), "key-0"),
        ("/v1/sessions", &lesson("lesson"), "key-1"),
    ] {
        let answer = ask(&api, path, session, (body, key));
        let field = answer.body["field"].clone();
        assert_eq!(
            (answer.status, field),
            (422, json!("Idempotency-Key")),
            "{path} {key}"
        );
    }
    // Another end is as good as the first: what was asked for is so.
    let end = "/v1/sessions/{id}/end";
    let again = ask(&api, end, session, (&Value::Null, "late"));
    assert_eq!(
        (again.status, &again.body["reason"]),
        (200, &json!("ended_by_api"))
    );
    for (key, status) in [
        ("", 400),
        ("a b", 400),
        ("ü", 400),
        (&*"k".repeat(256), 400),
    ] {
        let answer = ask(&api, "/v1/sessions/{id}/end", session, (&Value::Null, key));
        assert_eq!(answer.status, status, "{key}: {answer:?}");
        assert_eq!(answer.body["field"], "Idempotency-Key", "{key}: {answer:?}");
    }
}
