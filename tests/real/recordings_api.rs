//! Recordings over HTTP: as the document for apps shows it by curl, and who may do what.

use crate::api::{Answer, Api, transfer};
use crate::driver::{Driver, join};
use crate::node::{Node, beistand};
use crate::place::Folder;
use crate::sessions::{run_step, shell_steps};
use crate::{turn, wait};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Everyone who was booked joins with sound.
fn enter(driver: &mut Driver, node: &Node, booked: &Value) {
    let people = booked["participants"].as_array().cloned();
    for person in people.unwrap_or_default() {
        let (who, token) = (text(&person["identity"]), text(&person["token"]));
        driver.ask(&join(node, &who, &token, &["audio"]));
    }
}

fn until_state(api: &Api, recording: &str, state: &str) -> Value {
    wait::until(&format!("{recording} is {state}"), wait::PATIENCE, || {
        let request = format!("GET /v1/recordings/{recording}");
        let shown = api.ask(&request, &Value::Null, "");
        if shown.status == 200 && shown.body["state"] == state {
            return Ok(shown.body);
        }
        Err(format!("{}: {}", shown.status, shown.body))
    })
}

fn recording_of(session: &str, purpose: &str) -> String {
    format!("RC_{}_{purpose}", session.trim_start_matches("SE_"))
}

fn pass(driver: &mut Driver, ms: u64) {
    driver.ask(&json!({"do": "pass", "ms": ms}));
}

#[test]
fn what_the_document_for_apps_shows_by_curl_records_a_session_and_fetches_it() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let folder = Folder::new();
    let steps = shell_steps("docs/embed.md");
    let [book, record, end, fetch] = steps.as_slice() else {
        panic!("four steps: {steps:?}");
    };
    let booked = run_step(book, &node, &folder);
    let kept = &booked["policy"]["recording"]["retention_h"];
    assert_eq!(kept, &json!({"qa": 72, "shared": 720}), "{booked}");
    let mut driver = Driver::people();
    enter(&mut driver, &node, &booked);
    let recorded = run_step(record, &node, &folder);
    let now = &recorded["recordings"][0];
    assert_eq!(now["requested"], true, "{recorded}");
    for person in now["participants"].as_array().into_iter().flatten() {
        assert_eq!(person["consent"], "given", "{recorded}");
    }
    pass(&mut driver, 2_000);
    run_step(end, &node, &folder);
    let id = recording_of(&text(&booked["id"]), "shared");
    let ready = until_state(&Api::of(&node), &id, "ready");
    let hours = 720 * 3_600_000;
    let kept = ready["expires_unix_ms"].as_u64().unwrap_or(0);
    let ended = ready["ended_unix_ms"].as_u64().unwrap_or(0);
    assert!((hours..hours + 60_000).contains(&(kept - ended)), "{ready}");
    let shown = run_step(fetch, &node, &folder);
    let files = shown["files"].as_array().cloned().unwrap_or_default();
    let told = files.iter().find(|file| file["kind"] == "session");
    let fetched = std::fs::metadata(folder.join("session.webm")).expect("the file was fetched");
    assert_eq!(
        told.map(|file| &file["bytes"]),
        Some(&json!(fetched.len())),
        "{shown}"
    );
    node.verify_ledger();
}

/// A session that is recorded for both purposes, with a client for each who may ask.
struct Scene {
    node: Node,
    app: Api,
    erika: Api,
    karl: Api,
    session: String,
    driver: Driver,
}

impl Scene {
    fn new() -> Scene {
        let node = Node::with(&[]);
        let app = Api::of(&node);
        let wanted = json!({
            "room": "lesson",
            "overrides": {"recording": {"mode": "on_request", "purposes": ["qa", "shared"]}},
            "participants": [
                {"identity": "erika", "role": "expert"},
                {"identity": "karl", "role": "customer"},
            ],
        });
        let booked = app.expect(201, "POST /v1/sessions", &wanted);
        let person = |index: usize| {
            let token = text(&booked["participants"][index]["token"]);
            Api::with(&node, &token)
        };
        let (erika, karl) = (person(0), person(1));
        let session = text(&booked["id"]);
        let early = consent(&app, &session, "karl", "shared");
        assert_eq!(early.status, 409, "nobody has come: {early:?}");
        let mut driver = Driver::people();
        enter(&mut driver, &node, &booked);
        Scene {
            node,
            app,
            erika,
            karl,
            session,
            driver,
        }
    }

    fn order(&self, api: &Api, body: &Value) -> Answer {
        let request = format!("POST /v1/sessions/{}/recordings", self.session);
        api.ask(&request, body, "")
    }
}

fn consent(api: &Api, session: &str, who: &str, purpose: &str) -> Answer {
    let body = json!({"identity": who, "purpose": purpose, "given": true, "wording": "test-1"});
    api.ask(&format!("POST /v1/sessions/{session}/consent"), &body, "")
}

fn get(api: &Api, address: &str) -> Answer {
    api.ask(&format!("GET {address}"), &Value::Null, "")
}

#[test]
fn who_may_say_start_list_read_and_delete_is_as_documented_and_each_change_is_in_the_ledger() {
    let _turn = turn::shared();
    let mut scene = Scene::new();
    consents_are_ones_own_or_the_apps(&scene);
    recordings_are_the_apps_to_start(&scene);
    pass(&mut scene.driver, 1_500);
    let shared = recording_of(&scene.session, "shared");
    let address = format!("/v1/recordings/{shared}");
    let running = scene
        .app
        .expect(200, &format!("GET {address}"), &Value::Null);
    assert_eq!(running["state"], "recording", "{running}");
    assert_eq!(running["files"], json!([]), "{running}");
    let early = scene
        .app
        .ask(&format!("DELETE {address}"), &Value::Null, "");
    assert_eq!(early.status, 409, "{early:?}");
    let stopped = scene.order(&scene.app, &json!({"action": "stop"}));
    assert_eq!(
        stopped.body["recordings"][0]["active"], false,
        "{stopped:?}"
    );
    let request = format!("POST /v1/sessions/{}/end", scene.session);
    scene.app.expect(200, &request, &Value::Null);
    let over = scene.order(&scene.app, &json!({"action": "start"}));
    assert_eq!(over.status, 409, "{over:?}");
    for purpose in ["qa", "shared"] {
        until_state(&scene.app, &recording_of(&scene.session, purpose), "ready");
    }
    lists_hold_what_a_token_reaches(&scene);
    let good = files_are_served_in_parts(&scene, &address);
    let refused = scene
        .erika
        .ask(&format!("DELETE {address}"), &Value::Null, "");
    assert_eq!(refused.status, 403, "{refused:?}");
    for _ in 0..2 {
        let gone = scene
            .app
            .expect(200, &format!("DELETE {address}"), &Value::Null);
        assert_eq!(gone["state"], "deleted", "{gone}");
    }
    let (head, _) = transfer(&scene.node.http, &bare("GET", &good, &scene.node, ""));
    assert!(head.contains(" 404 "), "{head}");
    let listed = get(&scene.app, "/v1/recordings?state=deleted").body;
    assert_eq!(listed["recordings"][0]["id"], json!(shared), "{listed}");
    scene.node.verify_ledger();
    let page = format!(
        "GET /metrics HTTP/1.0\r\nHost: {}\r\n\r\n",
        scene.node.admin
    );
    let (_, metrics) = transfer(&scene.node.admin, &page);
    let metrics = String::from_utf8_lossy(&metrics);
    for line in [
        "beistand_recordings{state=\"ready\"} 1",
        "beistand_recordings_total{outcome=\"ready\"} 2",
        "beistand_recordings_total{outcome=\"deleted\"} 1",
    ] {
        assert!(metrics.lines().any(|other| other == line), "no {line}");
    }
    let written = metrics
        .lines()
        .find_map(|line| line.strip_prefix("beistand_recording_bytes_total "));
    assert_ne!(written, Some("0"), "what was recorded was written");
}

fn consents_are_ones_own_or_the_apps(scene: &Scene) {
    let say = |api: &Api, who: &str, purpose: &str| consent(api, &scene.session, who, purpose);
    let own = say(&scene.karl, "karl", "shared");
    assert_eq!(own.body["state"], "given", "{own:?}");
    let others = say(&scene.karl, "erika", "shared");
    assert_eq!(others.status, 403, "{others:?}");
    let by_app = say(&scene.app, "erika", "shared");
    assert_eq!(by_app.body["recorded"], false, "nothing runs: {by_app:?}");
    let nobody = say(&scene.app, "nobody", "shared");
    assert_eq!(nobody.status, 409, "{nobody:?}");
    let quality = say(&scene.erika, "erika", "qa");
    assert_eq!(quality.status, 200, "{quality:?}");
    let none = consent(&scene.app, "SE_nothing", "karl", "shared");
    assert_eq!(none.status, 404, "{none:?}");
}

fn recordings_are_the_apps_to_start(scene: &Scene) {
    let start = json!({"action": "start"});
    for api in [&scene.erika, &scene.karl] {
        assert_eq!(scene.order(api, &start).status, 403);
    }
    let started = scene.order(&scene.app, &start);
    let ids: Vec<String> = started.body["recordings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|recording| text(&recording["id"]))
        .collect();
    let all = ["qa", "shared"].map(|purpose| recording_of(&scene.session, purpose));
    assert_eq!(ids, all, "{started:?}");
    let record = get(&scene.app, &format!("/v1/sessions/{}", scene.session)).body;
    assert_eq!(record["recordings"][1]["requested"], true, "{record}");
}

fn lists_hold_what_a_token_reaches(scene: &Scene) {
    let ids = |api: &Api, query: &str| -> Vec<String> {
        let listed = get(api, &format!("/v1/recordings{query}"));
        assert_eq!(listed.status, 200, "{query}: {listed:?}");
        let all = listed.body["recordings"].as_array().cloned();
        all.unwrap_or_default()
            .iter()
            .map(|one| text(&one["id"]))
            .collect()
    };
    let [qa, shared] = ["qa", "shared"].map(|purpose| recording_of(&scene.session, purpose));
    assert_eq!(ids(&scene.app, "").len(), 2);
    assert_eq!(ids(&scene.app, "?purpose=qa"), [qa.as_str()]);
    assert_eq!(ids(&scene.erika, ""), [shared.as_str()]);
    let of = format!("?session={}&state=ready", scene.session);
    assert_eq!(ids(&scene.erika, &of), [shared.as_str()]);
    let first = get(&scene.app, "/v1/recordings?limit=1").body;
    let next = format!("?limit=1&cursor={}", text(&first["next"]));
    let rest = ids(&scene.app, &next);
    assert_eq!(rest.len(), 1);
    assert_ne!(json!(rest[0]), first["recordings"][0]["id"]);
    let elsewhere = beistand(&["token", "--dev", "--admin", "--room", "else"]).output();
    let elsewhere = elsewhere.expect("the binary runs").stdout;
    let elsewhere = Api::with(&scene.node, String::from_utf8_lossy(&elsewhere).trim());
    assert!(ids(&elsewhere, "").is_empty());
    for (api, address, status) in [
        (&scene.erika, format!("/v1/recordings/{shared}"), 200),
        (&scene.erika, format!("/v1/recordings/{qa}"), 403),
        (&scene.erika, "/v1/recordings?purpose=qa".to_owned(), 403),
        (&scene.karl, "/v1/recordings".to_owned(), 403),
        (&scene.karl, format!("/v1/recordings/{shared}"), 403),
        (&elsewhere, format!("/v1/recordings/{shared}"), 403),
        (&scene.app, "/v1/recordings/RC_none_qa".to_owned(), 404),
        (&scene.app, "/v1/recordings/..%2fx_qa".to_owned(), 404),
        (&scene.app, "/v1/recordings?limit=101".to_owned(), 400),
    ] {
        let answer = get(api, &address);
        assert_eq!(answer.status, status, "{address}: {answer:?}");
    }
}

/// A request with a link alone.
fn bare(method: &str, link: &str, node: &Node, headers: &str) -> String {
    format!(
        "{method} {link} HTTP/1.0\r\nHost: {}\r\n{headers}\r\n",
        node.http
    )
}

/// The link is good for the whole and for parts; answers with it.
fn files_are_served_in_parts(scene: &Scene, address: &str) -> String {
    let shown = get(&scene.erika, address).body;
    let files = shown["files"].as_array().cloned().unwrap_or_default();
    let told = files.iter().find(|file| file["kind"] == "session");
    let told = told.unwrap_or_else(|| panic!("a file of the session: {shown}"));
    let link = text(&told["url"]);
    let length = told["bytes"].as_u64().unwrap_or(0);
    let ask = |method: &str, headers: &str| {
        let request = bare(method, &link, &scene.node, headers);
        let (head, body) = transfer(&scene.node.http, &request);
        (head.to_ascii_lowercase(), body)
    };
    let (head, whole) = ask("GET", "");
    assert!(head.contains(" 200 "), "{head}");
    assert_eq!(u64::try_from(whole.len()).ok(), Some(length));
    let tag = format!("etag: \"{}\"", text(&told["sha256"]));
    for expected in [
        tag.as_str(),
        "accept-ranges: bytes",
        "x-content-type-options: nosniff",
        "cache-control: private",
        "content-type: video/webm",
    ] {
        assert!(head.contains(expected), "{expected}: {head}");
    }
    let (head, none) = ask("HEAD", "");
    let length_told = format!("content-length: {length}");
    assert!(head.contains(&length_told) && none.is_empty(), "{head}");
    let (head, part) = ask("GET", "Range: bytes=-100\r\n");
    assert!(head.contains(" 206 "), "{head}");
    assert_eq!(part, whole[whole.len() - 100..]);
    let (head, _) = ask("GET", &format!("Range: bytes={length}-\r\n"));
    assert!(head.contains(" 416 "), "{head}");
    assert!(
        head.contains(&format!("content-range: bytes */{length}")),
        "{head}"
    );
    link
}

/// What a tool that explores the API needs to get inside: a session that is recorded, another whose
/// recordings are ready, and who is in them; as a configuration of schemathesis. The driver holds the
/// session open.
pub fn staged(node: &Node) -> (String, Driver) {
    let app = Api::of(node);
    let mut driver = Driver::people();
    let mut book = |room: &str| {
        let wanted = json!({
            "room": room,
            "overrides": {"recording": {"mode": "always", "purposes": ["qa", "shared"]}},
            "participants": [{"identity": room, "role": "expert"}],
        });
        let booked = app.expect(201, "POST /v1/sessions", &wanted);
        enter(&mut driver, node, &booked);
        let session = text(&booked["id"]);
        for purpose in ["qa", "shared"] {
            let said = consent(&app, &session, room, purpose);
            assert_eq!(said.status, 200, "{said:?}");
        }
        pass(&mut driver, 1_500);
        session
    };
    let (live, over) = (book("live"), book("over"));
    app.expect(200, &format!("POST /v1/sessions/{over}/end"), &Value::Null);
    let [shown, fetched] = ["qa", "shared"].map(|purpose| recording_of(&over, purpose));
    until_state(&app, &shown, "ready");
    let ready = until_state(&app, &fetched, "ready");
    let files = ready["files"].as_array().cloned().unwrap_or_default();
    let file = files.iter().find(|file| file["kind"] == "session");
    let link = file.map(|file| text(&file["url"])).unwrap_or_default();
    let (_, ticket) = link.split_once("?expires=").expect("a link");
    let (expires, signature) = ticket.split_once("&signature=").expect("a link");
    let settings = format!(
        r#"
[dictionaries]
running = {{ values = ["{live}"] }}
person = {{ values = ["live"] }}
shown = {{ values = ["{shown}"] }}
fetched = {{ values = ["{fetched}"] }}
name = {{ values = ["session.webm"] }}
expires = {{ values = [{expires}] }}
signature = {{ values = ["{signature}"] }}

[[operations]]
include-path = ["/v1/sessions/{{id}}/consent", "/v1/sessions/{{id}}/recordings"]
[operations.parameters]
"path.id" = {{ dictionary = "running", probability = 0.8 }}
"body.identity" = {{ dictionary = "person", probability = 0.5 }}

[[operations]]
include-path = "/v1/recordings/{{id}}"
[operations.parameters]
"path.id" = {{ dictionary = "shown", probability = 0.8 }}

[[operations]]
include-path = "/v1/recordings/{{id}}/files/{{name}}"
[operations.parameters]
"path.id" = {{ dictionary = "fetched", probability = 0.9 }}
"path.name" = {{ dictionary = "name", probability = 0.9 }}
"query.expires" = {{ dictionary = "expires", probability = 0.9 }}
"query.signature" = {{ dictionary = "signature", probability = 0.9 }}
"#
    );
    (settings, driver)
}
