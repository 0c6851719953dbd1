//! A receiver of webhooks as an app would run it, and what billing holds against what it got.

use crate::child::Child;
use crate::place::{self, Folder};
use crate::wait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::UNIX_EPOCH;

/// What receivers verify with: `whsec_` and the base64 of 32 bytes.
pub const SECRET: &str = "whsec_cmVhbC1jbGllbnRzLW9mLWJlaXN0YW5kLTIwMjYtMTE=";
/// The receiver.
#[derive(Debug)]
pub struct Receiver {
    child: Child,
    port: u64,
    _folder: Folder,
}

/// One attempt to deliver, as the receiver saw and answered it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Header `webhook-id`.
    pub id: String,
    /// Type of the event.
    pub kind: String,
    /// Its number in the session.
    pub event_seq: u64,
    /// The session.
    pub session: String,
    /// What it was answered: a status or `hang`.
    pub answered: Value,
    /// The body, byte for byte.
    pub body: String,
    /// The whole line.
    pub line: Value,
}

impl Attempt {
    /// Whether it was answered with success.
    pub fn delivered(&self) -> bool {
        self.answered
            .as_u64()
            .is_some_and(|status| (200..300).contains(&status))
    }

    /// When it happened as the node has it, in milliseconds since 1970.
    pub fn unix_ms(&self) -> f64 {
        let event: Value = serde_json::from_str(&self.body).expect("the body is JSON");
        unix_ms(event["time"].as_str().unwrap_or_default())
    }

    /// `data` of the event.
    pub fn data(&self) -> Value {
        let event: Value = serde_json::from_str(&self.body).expect("the body is JSON");
        event["data"].clone()
    }
}

impl Receiver {
    /// A receiver that answers as the script says (JSON list of statuses, `"hang"`, and pairs of a status
    /// and a `Retry-After`), then 200.
    pub fn start(script: &Value) -> Receiver {
        Receiver::with_secrets(&[SECRET], script)
    }

    /// The same for an app that knows several secrets.
    pub fn with_secrets(secrets: &[&str], script: &Value) -> Receiver {
        let folder = Folder::new();
        let mut command = Command::new(place::python());
        command
            .arg(place::driver("receiver.py"))
            .arg(secrets.join(","))
            .arg(script.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child = Child::start("the receiver", &mut command, &folder.join("receiver.log"));
        let line = child.line("its port", wait::PATIENCE);
        let first: Value = serde_json::from_str(&line).expect("the receiver says its port");
        let port = first["port"]
            .as_u64()
            .expect("the receiver's port is a number");
        Receiver {
            child,
            port,
            _folder: folder,
        }
    }

    /// Where to post.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks", self.port)
    }

    /// All attempts so far.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.child
            .lines()
            .iter()
            .skip(1)
            .map(|line| attempt(line))
            .collect()
    }

    /// Waits until an event of this type was delivered; returns all attempts until then.
    pub fn until_delivered(&self, kind: &str) -> Vec<Attempt> {
        wait::until(&format!("{kind} is delivered"), wait::PATIENCE, || {
            let attempts = self.attempts();
            if attempts.iter().any(|a| a.kind == kind && a.delivered()) {
                return Ok(attempts);
            }
            let seen: Vec<_> = attempts
                .iter()
                .map(|a| format!("{} {}", a.kind, a.answered))
                .collect();
            Err(seen.join(", "))
        })
    }
}

/// A moment of RFC 3339 in milliseconds since 1970.
pub fn unix_ms(text: &str) -> f64 {
    let time = humantime::parse_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let since = time.duration_since(UNIX_EPOCH).expect("it is after 1970");
    since.as_secs_f64() * 1_000.0
}

fn attempt(line: &str) -> Attempt {
    let line: Value = serde_json::from_str(line).expect("the receiver writes JSON");
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    Attempt {
        id: text("id"),
        kind: text("type"),
        event_seq: line["event_seq"].as_u64().unwrap_or_default(),
        session: text("session"),
        answered: line["status"].clone(),
        body: text("body"),
        line,
    }
}

/// Every attempt is signed and well-formed; the events of each session come in order, without a
/// gap from 1 on; an id always brings the same body.
pub fn check_story(attempts: &[Attempt]) {
    let mut bodies: BTreeMap<&str, &str> = BTreeMap::new();
    let mut newest: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
    for attempt in attempts {
        let line = &attempt.line;
        assert_eq!(
            line["verified"], true,
            "a signature does not verify: {line}"
        );
        assert_eq!(line["body_id"], line["id"], "two ids of one event: {line}");
        let sorts = format!("{:020}", attempt.event_seq);
        assert_eq!(line["sequence"].as_str(), Some(sorts.as_str()), "{line}");
        let data = attempt.data();
        assert_eq!(data["external_ref"], "booking-4711", "{line}");
        assert_eq!(data["metadata"]["product"], "lesson", "{line}");
        let body = bodies.entry(&attempt.id).or_insert(&attempt.body);
        assert_eq!(
            *body, attempt.body,
            "one id with two bodies: {}",
            attempt.id
        );
        let (seq, delivered) = newest.entry(&attempt.session).or_insert((0, true));
        // The next event goes out only after the one before was answered with success.
        let again = attempt.event_seq == *seq && *seq > 0;
        let next = attempt.event_seq == *seq + 1 && *delivered;
        assert!(
            again || next,
            "event {} after event {seq} (delivered: {delivered}) of {}",
            attempt.event_seq,
            attempt.session
        );
        *delivered = attempt.delivered() || (again && *delivered);
        *seq = attempt.event_seq;
    }
}

/// Each id was answered with success exactly once.
pub fn check_once(attempts: &[Attempt]) {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for attempt in attempts {
        *counts.entry(&attempt.id).or_insert(0) += u32::from(attempt.delivered());
    }
    assert!(
        counts.values().all(|count| *count == 1),
        "delivered once each: {counts:?}"
    );
}

/// The types in order of their numbers, each once.
pub fn story(attempts: &[Attempt]) -> Vec<String> {
    let by_seq: BTreeMap<u64, String> = attempts
        .iter()
        .map(|a| (a.event_seq, a.kind.clone()))
        .collect();
    by_seq.into_values().collect()
}
