//! The doors of the node, knocked at by bare clients.

use crate::driver::{Sdk, run, tokens};
use crate::node::{Node, beistand};
use crate::{place, turn, wait};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Status and body of a GET.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the node accepts connections");
    let limit = Some(wait::PATIENCE);
    stream
        .set_read_timeout(limit)
        .expect("a limit of time can be set");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer is read");
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    (status.unwrap_or(0), body.to_owned())
}

/// The head of the answer to a join over a WebSocket, and the WebSocket itself.
pub fn join(address: &str, token: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).expect("the node accepts connections");
    let limit = Some(wait::PATIENCE);
    stream
        .set_read_timeout(limit)
        .expect("a limit of time can be set");
    write!(
        stream,
        "GET /rtc?access_token={token} HTTP/1.1\r\nHost: {address}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .expect("the request is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the answer is read");
        head.push(byte[0]);
    }
    (String::from_utf8_lossy(&head).into_owned(), stream)
}

/// Runs the driver of bare clients against a node of its own.
fn knock() -> Value {
    let node = Node::with(&[]);
    let people = [("karl", "customer"), ("erika", "expert")];
    let made = tokens(Sdk::Python, "doors", &people);
    let spec = json!({"base": node.url(), "token": made[0], "again": made[1]});
    run("refusals.py", &place::python(), &spec.to_string())[0].clone()
}

#[test]
fn v1_is_a_true_404_with_cors_and_the_other_doors_answer_as_clients_expect() {
    let _turn = turn::shared();
    let found = knock();
    let doors = &found["doors"];
    for (door, status) in [
        ("v1", 404),
        ("v1_upgrade", 404),
        ("v1_validate", 404),
        ("rtc_without_upgrade", 404),
        ("regions", 404),
        ("validate", 200),
        ("validate_double_slash", 200),
        ("head", 200),
        ("get", 200),
    ] {
        assert_eq!(doors[door]["status"], status, "{door}: {}", doors[door]);
    }
    for door in ["v1", "v1_validate", "validate", "head"] {
        assert_eq!(doors[door]["cors"], "*", "{door}: {}", doors[door]);
    }
    // These words would make a browser give up instead of falling back to v0.
    for door in ["v1", "v1_validate"] {
        let body = doors[door]["body"].as_str().unwrap_or_default();
        assert!(
            !body.contains("requested room does not exist"),
            "{door}: {body}"
        );
    }
    assert_eq!(doors["validate"]["body"], "success");
    let preflight = &doors["preflight"];
    assert!(
        preflight["status"] == 200 || preflight["status"] == 204,
        "{preflight}"
    );
    assert_eq!(preflight["cors"], "*", "{preflight}");
    resumes_are_refused(&found["resume"]);
    let twice = &found["duplicate"];
    let told = json!({"action": "DISCONNECT", "reason": "DUPLICATE_IDENTITY"});
    assert_eq!(twice["told"], told, "{twice}");
    assert_eq!(twice["other_sid"], true, "{twice}");
    assert_eq!(twice["newer_answers"], true, "{twice}");
}

/// A resume gets `leave` as its first message, and never a join.
fn resumes_are_refused(resumes: &Value) {
    let told = json!({"action": "RECONNECT", "reason": "STATE_MISMATCH"});
    for case in ["unknown", "living", "no_sid"] {
        assert_eq!(resumes[case]["leave"], told, "{case}: {}", resumes[case]);
    }
}

#[test]
fn health_and_metrics_answer_at_the_admin_door_alone() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(&node.admin, path).0, 200, "{path}");
    }
    let (_, metrics) = get(&node.admin, "/metrics");
    assert!(metrics.contains("beistand_"), "{metrics}");
    assert_eq!(get(&node.http, "/metrics").0, 404);
}

#[test]
fn the_binary_explains_itself_and_refuses_what_it_cannot_do() {
    let help = beistand(&["--help"]).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success(), "{help:?}");
    for word in ["serve", "token", "usage", "ledger"] {
        assert!(text.contains(word), "the help does not name {word}: {text}");
    }
    let folder = place::Folder::new();
    let file = folder.join("short.toml");
    std::fs::write(&file, "[keys]\nmyapp = \"short\"\n").expect("the file is written");
    let path = file.display().to_string();
    for arguments in [
        vec!["serve", "--config", path.as_str()],
        vec!["serve", "--dev", "--http", "0.0.0.0:0"],
        vec!["serve", "--no-such-flag"],
        vec!["no-such-command"],
    ] {
        let refused = beistand(&arguments).output().expect("the binary runs");
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{arguments:?} is accepted");
        assert!(
            !words.trim().is_empty(),
            "{arguments:?}: refused without a word"
        );
    }
}

#[test]
fn a_token_of_the_command_line_opens_the_door_of_its_node() {
    let _turn = turn::shared();
    let node = Node::dev();
    for role in ["expert", "customer", "guest", "observer"] {
        let arguments = [
            "token",
            "--dev",
            "--room",
            "lesson",
            "--identity",
            "anna",
            "--role",
            role,
        ];
        let made = beistand(&arguments).output().expect("the binary runs");
        assert!(made.status.success(), "{made:?}");
        let token = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let (status, body) = get(&node.http, &format!("/rtc/validate?access_token={token}"));
        assert_eq!((status, body.as_str()), (200, "success"), "{role}");
    }
    let boss = [
        "token",
        "--dev",
        "--room",
        "lesson",
        "--identity",
        "anna",
        "--role",
        "boss",
    ];
    let refused = beistand(&boss).output().expect("the binary runs");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

/// Each join and leave is paid for with lines in the ledger.
#[test]
fn a_participant_who_joins_all_the_time_is_told_when_to_come_back_and_others_join_on() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let made = tokens(
        Sdk::Python,
        "flap",
        &[("karl", "customer"), ("erika", "expert")],
    );
    let (mut joins, mut refused) = (0, String::new());
    while joins < 200 && refused.is_empty() {
        let (head, _) = join(&node.http, &made[0]);
        if head.starts_with("HTTP/1.1 101 ") {
            joins += 1;
        } else {
            refused = head;
        }
    }
    // A join more each 20 s, on a busy machine too.
    assert!((120..130).contains(&joins), "{joins} joins");
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    let after = refused
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: ")?.parse::<u32>().ok());
    assert!(after.is_some_and(|after| after <= 20), "{refused}");
    let validate = format!("/rtc/validate?access_token={}", made[0]);
    let (status, body) = get(&node.http, &validate);
    assert_eq!(status, 429, "{body}");
    assert!(body.contains("joined this room too often"), "{body}");
    let (head, _erika) = join(&node.http, &made[1]);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let (_, metrics) = get(&node.admin, "/metrics");
    let counted = "beistand_joins_total{outcome=\"rate_limited\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
}
