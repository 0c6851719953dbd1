//! Tenants of one node: for the keys of a project, what belongs to another does not exist; the keys of one
//! project are interchangeable.

use crate::api::{Answer, Api, token_of};
use crate::doors::get;
use crate::driver::{Driver, join};
use crate::node::{KEY, Node, SECRET};
use crate::place::Folder;
use crate::receiver::{self, Receiver};
use crate::{turn, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Two projects beside that of `[keys]`: one with two keys.
const KEYS: &str = "[projects.acme.keys]\nacme-1 = \"acme-one-acme-one-acme-one-acme-1\"\n\
                    acme-2 = \"acme-two-acme-two-acme-two-acme-2\"\n\
                    [projects.bolt.keys]\nbolt-1 = \"bolt-one-bolt-one-bolt-one-bolt-1\"\n";
/// Those to whom the sessions of `acme` do not exist.
const STRANGERS: [&str; 2] = [KEY, "bolt-1"];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A node with the projects, and a receiver of webhooks for each of them and for `[keys]`.
struct Scene {
    node: Node,
    receivers: [Receiver; 3],
    folder: Folder,
}

impl Scene {
    fn new() -> Scene {
        let receivers = [(); 3].map(|()| Receiver::start(&json!([])));
        let hook = |project: &str, receiver: &Receiver| {
            format!(
                "[[projects.{project}.webhooks.endpoints]]\nname = \"receiver-0\"\nurl = \"{}\"\n\
                 secret = \"{}\"\nallow_http = true\nallow_private = true\n\
                 [projects.{project}.policies.default]\ndeparture_timeout_s = 5\n",
                receiver.url(),
                receiver::SECRET
            )
        };
        let [of_keys, acme, bolt] = &receivers;
        let more = format!("{KEYS}{}{}", hook("acme", acme), hook("bolt", bolt));
        let node = Node::more(&[of_keys], &more);
        let folder = Folder::new();
        let keys =
            format!("[http]\nbind = \"127.0.0.1:7880\"\n[keys]\n{KEY} = \"{SECRET}\"\n{KEYS}");
        std::fs::write(folder.join("keys.toml"), keys).expect("the keys are written");
        Scene {
            node,
            receivers,
            folder,
        }
    }

    /// A token by this key.
    fn token(&self, key: &str, words: &[&str]) -> String {
        token_of(&self.folder.join("keys.toml"), key, words)
    }

    /// A client of the API with a token for everything by this key.
    fn api(&self, key: &str) -> Api {
        Api::with(&self.node, &self.token(key, &["--admin"]))
    }

    fn validate(&self, token: &str) -> (u16, String) {
        get(
            &self.node.http,
            &format!("/rtc/validate?access_token={token}"),
        )
    }
}

fn lesson() -> Value {
    json!({
        "room": "lesson",
        "overrides": {"duration": {"quota_s": 600}, "recording": {"mode": "on_request", "purposes": ["shared"]}},
        "participants": [
            {"identity": "erika", "role": "expert"},
            {"identity": "karl", "role": "customer"},
        ],
    })
}

fn tokens(booked: &Value) -> [String; 2] {
    [0, 1].map(|index| text(&booked["participants"][index]["token"]))
}

/// Every request about one session or recording of the document, with a body that does something, and what
/// those may expect whose it is, in an order in which each can be done.
fn requests() -> Vec<(&'static str, &'static str, Value, u16)> {
    let karl = json!({"identity": "karl", "purpose": "shared", "given": true, "wording": "1"});
    vec![
        ("GET", "/v1/sessions/{id}", Value::Null, 200),
        ("GET", "/v1/sessions/{id}/intervals", Value::Null, 200),
        ("GET", "/v1/sessions/{id}/clock", Value::Null, 200),
        ("PATCH", "/v1/sessions/{id}", json!({"max_min": 100}), 200),
        (
            "POST",
            "/v1/sessions/{id}/grants",
            json!({"seconds": 60}),
            200,
        ),
        (
            "POST",
            "/v1/sessions/{id}/tokens",
            json!({"identity": "otto", "role": "observer"}),
            200,
        ),
        ("POST", "/v1/sessions/{id}/consent", karl, 200),
        (
            "POST",
            "/v1/sessions/{id}/recordings",
            json!({"action": "start"}),
            200,
        ),
        ("POST", "/v1/sessions/{id}/pause", Value::Null, 200),
        ("POST", "/v1/sessions/{id}/resume", Value::Null, 200),
        ("POST", "/v1/sessions/{id}/presence", Value::Null, 409),
        ("POST", "/v1/sessions/{id}/end", Value::Null, 200),
        ("GET", "/v1/recordings/{id}", Value::Null, 200),
        ("DELETE", "/v1/recordings/{id}", Value::Null, 200),
    ]
}

/// Requests that are not about one thing of a project, or are held in another way below.
const OTHERS: [(&str, &str); 9] = [
    ("GET", "/v1/sessions"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/recordings"),
    ("GET", "/v1/recordings/{id}/files/{name}"),
    ("HEAD", "/v1/recordings/{id}/files/{name}"),
    ("GET", "/v1/webhooks"),
    ("GET", "/v1/webhooks/{endpoint}/dead-letters"),
    ("POST", "/v1/webhooks/{endpoint}/replay"),
    ("POST", "/v1/webhooks/{endpoint}/enable"),
];

/// The document has no request that these tests do not know.
fn every_request_of_the_document_is_known(node: &Node) {
    let (status, document) = get(&node.http, "/openapi.json");
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&document).expect("the document is JSON");
    let known: BTreeSet<(String, String)> = requests()
        .iter()
        .map(|(method, path, _, _)| (*method, *path))
        .chain(OTHERS)
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let mut there = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for method in operations.as_object().into_iter().flatten() {
            there.insert((method.0.to_ascii_uppercase(), path.clone()));
        }
    }
    assert_eq!(there, known, "a new request needs its row here");
}

/// The request with this session, or its recording, in its address.
fn ask(api: &Api, (method, path): (&str, &str), session: &str, body: &Value) -> Answer {
    let recording = format!("RC_{}_shared", session.trim_start_matches("SE_"));
    let id = match path.starts_with("/v1/recordings") {
        true => recording.as_str(),
        false => session,
    };
    // Each session's own: a grant needs one.
    let key = match path.ends_with("/grants") {
        true => "Idempotency-Key: bought\r\n",
        false => "",
    };
    api.ask(&format!("{method} {}", path.replace("{id}", id)), body, key)
}

/// Whatever a stranger asks of the session is answered as for one that never was.
fn strangers_find_nothing(scene: &Scene, session: &str, when: &str) {
    for key in STRANGERS {
        let api = scene.api(key);
        for (method, path, body, _) in requests() {
            let answer = ask(&api, (method, path), session, &body);
            let never = ask(&api, (method, path), "SE_neverwas1234", &body);
            let what = format!("{when}: {key}: {method} {path}");
            assert_eq!(answer.status, 404, "{what}: {answer:?}");
            assert_eq!(
                answer.body, never.body,
                "{what}: it is not told that it is there"
            );
        }
        for list in ["sessions?room=lesson", "sessions?state=ended", "recordings"] {
            let all = api.expect(200, &format!("GET /v1/{list}"), &Value::Null);
            let told = all.to_string();
            let id = session.trim_start_matches("SE_");
            assert!(!told.contains(id), "{when}: {key}: {list}: {told}");
        }
    }
}

fn until_ready(api: &Api, session: &str) -> Value {
    wait::until("the recording is ready", wait::PATIENCE, || {
        let shown = ask(api, ("GET", "/v1/recordings/{id}"), session, &Value::Null);
        if shown.status == 200 && shown.body["state"] == "ready" {
            return Ok(shown.body);
        }
        Err(format!("{}: {}", shown.status, shown.body))
    })
}

#[test]
fn what_belongs_to_a_project_is_not_there_for_another_and_all_of_its_keys_do_the_same() {
    let _turn = turn::shared();
    let scene = Scene::new();
    every_request_of_the_document_is_known(&scene.node);
    let (own, same) = (scene.api("acme-1"), scene.api("acme-2"));
    let once = "Idempotency-Key: once\r\n";
    let booked = own.ask("POST /v1/sessions", &lesson(), once).body;
    let session = text(&booked["id"]);
    let again = same.ask("POST /v1/sessions", &lesson(), once);
    assert_eq!(
        again.body, booked,
        "the keys of a project are interchangeable"
    );
    strangers_find_nothing(&scene, &session, "booked");

    // One name, one idempotency key, three projects: three sessions.
    let theirs = STRANGERS.map(|key| {
        let answer = scene.api(key).ask("POST /v1/sessions", &lesson(), once);
        assert_eq!(answer.status, 201, "{key}: {answer:?}");
        answer.body
    });
    let mut driver = Driver::people();
    all_meet_their_own(&mut driver, &scene, [&booked, &theirs[0], &theirs[1]]);
    strangers_find_nothing(&scene, &session, "running");
    a_token_of_another_project_joins_another_room(&scene, &session);

    for (method, path, body, expected) in requests() {
        if path.starts_with("/v1/recordings") {
            break;
        }
        let answer = ask(&same, (method, path), &session, &body);
        assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
        if path.ends_with("/recordings") {
            driver.ask(&json!({"do": "recorded", "who": "karl-0", "purposes": ["shared"]}));
            driver.ask(&json!({"do": "pass", "ms": 1_500}));
        }
    }
    let ready = until_ready(&same, &session);
    strangers_find_nothing(&scene, &session, "ended");
    files_and_experts(&scene, &session, &booked, &ready);
    let gone = ask(
        &same,
        ("DELETE", "/v1/recordings/{id}"),
        &session,
        &Value::Null,
    );
    assert_eq!(gone.status, 200, "{gone:?}");
    for (key, booked) in STRANGERS.into_iter().zip(&theirs) {
        let end = format!("POST /v1/sessions/{}/end", text(&booked["id"]));
        scene.api(key).expect(200, &end, &Value::Null);
    }
    events_and_usage_are_apart(
        &scene,
        [&theirs[0], &booked, &theirs[1]].map(|b| text(&b["id"])),
    );
    scene.node.verify_ledger();
}

/// Two people of the same identities join each of these sessions, and see each other and nobody else.
fn all_meet_their_own(driver: &mut Driver, scene: &Scene, sessions: [&Value; 3]) {
    let mut rooms = BTreeSet::new();
    for (number, booked) in sessions.into_iter().enumerate() {
        for (who, token) in ["erika", "karl"].into_iter().zip(tokens(booked)) {
            let mut command = join(&scene.node, who, &token, &["audio"]);
            command["as"] = json!(format!("{who}-{number}"));
            rooms.insert(text(&driver.ask(&command)["room_sid"]));
        }
    }
    assert_eq!(rooms.len(), 3, "three rooms: {rooms:?}");
    for number in 0..3 {
        for (who, other) in [("erika", "karl"), ("karl", "erika")] {
            let who = format!("{who}-{number}");
            driver.ask(&json!({"do": "people", "who": who, "wanted": [other]}));
        }
    }
}

/// Also where it names the session: an app may write into its tokens what it likes.
fn a_token_of_another_project_joins_another_room(scene: &Scene, session: &str) {
    let words = [
        "--room",
        "lesson",
        "--identity",
        "spy",
        "--role",
        "observer",
    ];
    let tie = format!("beistand.session={session}");
    for (key, status) in [("acme-2", 200), ("bolt-1", 403), (KEY, 403)] {
        let token = scene.token(key, &[&words[..], &["--attribute", &tie]].concat());
        let (got, why) = scene.validate(&token);
        assert_eq!(got, status, "{key}: {why}");
        let hidden = why.contains("does not know") || status == 200;
        assert!(hidden, "it is not told that the session is there: {why}");
    }
}

/// A link lets its bearer in; a room token of an expert is for their own session.
fn files_and_experts(scene: &Scene, session: &str, booked: &Value, ready: &Value) {
    let link = text(&ready["files"][0]["url"]);
    assert_eq!(get(&scene.node.http, &link).0, 200, "{link}");
    let words = [
        "--room",
        "lesson",
        "--identity",
        "erika",
        "--role",
        "expert",
    ];
    let later = scene
        .api("acme-1")
        .expect(201, "POST /v1/sessions", &lesson());
    let stranger = scene.token("bolt-1", &words);
    let emil = [&words[..3], &["emil"], &words[4..]].concat();
    for (who, token, listed, status) in [
        ("erika, by her link", tokens(booked)[0].clone(), 1, 200),
        (
            "erika, by a plain token",
            scene.token("acme-2", &words),
            1,
            200,
        ),
        (
            "the expert of a later session",
            tokens(&later)[0].clone(),
            0,
            403,
        ),
        (
            "an expert who was not there",
            scene.token("acme-2", &emil),
            0,
            403,
        ),
        ("erika of another project", stranger, 0, 404),
    ] {
        let api = Api::with(&scene.node, &token);
        let all = api.expect(200, "GET /v1/recordings", &Value::Null);
        let count = all["recordings"].as_array().map(Vec::len);
        assert_eq!(count, Some(listed), "{who}: {all}");
        let shown = ask(&api, ("GET", "/v1/recordings/{id}"), session, &Value::Null);
        assert_eq!(shown.status, status, "{who}: {shown:?}");
    }
    let end = format!("POST /v1/sessions/{}/end", text(&later["id"]));
    scene.api("acme-1").expect(200, &end, &Value::Null);
}

/// Each receiver has heard of the sessions of its own project, and `beistand usage` tells them apart.
fn events_and_usage_are_apart(scene: &Scene, sessions: [String; 3]) {
    let usage = scene.node.usage();
    for ((receiver, session), project) in scene
        .receivers
        .iter()
        .zip(&sessions)
        .zip(["default", "acme", "bolt"])
    {
        let of_project = scene.node.usage_of(project);
        let own: BTreeSet<String> = of_project.iter().map(|one| text(&one["session"])).collect();
        assert!(own.contains(session), "{project}: {of_project:?}");
        assert!(of_project.iter().all(|one| one["project"] == project));
        let all = usage.iter().filter(|one| one["project"] == project);
        assert_eq!(all.count(), own.len(), "{project}");
        let heard = wait::until("all ends are delivered", wait::PATIENCE, || {
            let attempts = receiver.attempts();
            let ended = attempts.iter().filter(|one| one.kind == "session.ended");
            let ended: BTreeSet<&String> = ended.map(|one| &one.session).collect();
            match ended.len() >= own.len() {
                true => Ok(attempts.iter().map(|one| one.session.clone()).collect()),
                false => Err(format!("{ended:?} of {own:?}")),
            }
        });
        let heard: BTreeSet<String> = heard;
        assert_eq!(heard, own, "{project} hears of its own sessions alone");
    }
}

#[test]
fn after_a_crash_each_project_goes_on_with_its_own_session_of_a_room_of_one_name() {
    let _turn = turn::shared();
    let mut scene = Scene::new();
    let mut driver = Driver::people();
    let mut booked = Vec::new();
    for key in ["acme-1", "bolt-1"] {
        let mut lesson = lesson();
        lesson["external_ref"] = json!(key);
        let one = scene.api(key).expect(201, "POST /v1/sessions", &lesson);
        for (who, token) in ["erika", "karl"].into_iter().zip(tokens(&one)) {
            let mut command = join(&scene.node, who, &token, &["audio"]);
            command["as"] = json!(format!("{who}-{key}"));
            driver.ask(&command);
        }
        booked.push((key, one));
    }
    driver.ask(&json!({"do": "live_for", "ms": 1_500}));
    scene.node.kill();
    driver.kill();
    scene.node.restart();
    let mut driver = Driver::people();
    for (key, one) in &booked {
        let token = &tokens(one)[0];
        driver.ask(&join(
            &scene.node,
            &format!("erika-{key}"),
            token,
            &["audio"],
        ));
        let api = scene.api(key);
        let all = api.expect(200, "GET /v1/sessions?state=running", &Value::Null);
        assert_eq!(all["sessions"].as_array().map(Vec::len), Some(1), "{all}");
        let id = text(&all["sessions"][0]["id"]);
        let running = api.expect(200, &format!("GET /v1/sessions/{id}"), &Value::Null);
        assert_eq!(running["continues"], one["id"], "{key}: {running}");
        assert_eq!(running["external_ref"], *key, "{running}");
    }
}

#[test]
fn an_app_marks_a_minor_in_the_tokens_that_it_has_made() {
    let _turn = turn::shared();
    let scene = Scene::new();
    let api = scene.api("acme-1");
    let mut lesson = lesson();
    lesson["participants"][1]["minor"] = json!(true);
    let booked = api.expect(201, "POST /v1/sessions", &lesson);
    let session = text(&booked["id"]);
    let more = json!({"identity": "mia", "role": "customer", "minor": true});
    let mia = ask(&api, ("POST", "/v1/sessions/{id}/tokens"), &session, &more).body;
    let wrong = json!({"identity": "mia", "role": "customer", "minor": "yes"});
    let refused = ask(&api, ("POST", "/v1/sessions/{id}/tokens"), &session, &wrong);
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("minor"))
    );
    let mut driver = Driver::people();
    let [erika, karl] = tokens(&booked);
    for (who, token) in [
        ("erika", erika),
        ("karl", karl),
        ("mia", text(&mia["token"])),
    ] {
        driver.ask(&join(&scene.node, who, &token, &["audio"]));
    }
    for (who, status) in [("erika", 200), ("karl", 403), ("mia", 403)] {
        let yes = json!({"identity": who, "purpose": "shared", "given": true, "wording": "1"});
        let said = ask(&api, ("POST", "/v1/sessions/{id}/consent"), &session, &yes);
        assert_eq!(said.status, status, "{who}: {said:?}");
    }
}

#[test]
fn a_key_is_replaced_by_another_of_its_project_and_what_it_made_stays() {
    let _turn = turn::shared();
    let mut scene = Scene::new();
    let once = "Idempotency-Key: once\r\n";
    let booked = scene
        .api("acme-1")
        .ask("POST /v1/sessions", &lesson(), once);
    assert_eq!(booked.status, 201, "{booked:?}");
    let [old, _] = tokens(&booked.body);
    assert_eq!(scene.node.terminate().code(), Some(0));
    let line = KEYS.lines().find(|line| line.starts_with("acme-1"));
    scene.node.edit(line.unwrap_or_default(), "");
    scene.node.restart();
    let session = text(&booked.body["id"]);
    let show = format!("GET /v1/sessions/{session}");
    assert_eq!(scene.api("acme-1").ask(&show, &Value::Null, "").status, 401);
    let same = scene.api("acme-2");
    same.expect(200, &show, &Value::Null);
    let again = same.ask("POST /v1/sessions", &lesson(), once);
    assert_eq!(
        (again.status, text(&again.body["id"])),
        (201, session),
        "{again:?}"
    );
    assert_eq!(
        scene.validate(&old).0,
        401,
        "its signature is worth nothing any more"
    );
    for token in tokens(&again.body) {
        let (status, why) = scene.validate(&token);
        assert_eq!(status, 200, "{why}");
    }
}
