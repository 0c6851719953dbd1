//! Webhooks against a ledger and a delivery in memory.

use super::body::EndpointState;
use super::hooks::{Hooks, REPLAYED_AT_ONCE, named};
use crate::api::ports::ledger::{KeyFound, Ledger, Within, Work};
use crate::api::ports::webhooks::{Configured, DeadLetter, EndpointTally, Webhooks};
use crate::base::{ProjectId, Unix};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

fn letter(seq: u64) -> DeadLetter {
    DeadLetter {
        seq,
        event_id: format!("evt_a_{seq}"),
        session: "SE_a".to_owned(),
        event_seq: seq,
        kind: "session.ended".to_owned(),
        created_unix_ms: Unix(1),
        dead_unix_ms: Unix(2),
        attempts: 12,
        last_status: Some(500),
        reason: Some("status".to_owned()),
    }
}

/// `default` has `app` with so many dead letters and the disabled `gone`; `old` is not configured any more.
struct Bench {
    hooks: Hooks,
    written: Arc<Mutex<Vec<Work>>>,
    enabled: Arc<Mutex<Vec<String>>>,
}

fn bench(dead: u64) -> Bench {
    let written = Arc::<Mutex<Vec<Work>>>::default();
    let enabled = Arc::<Mutex<Vec<String>>>::default();
    let (works, names) = (written.clone(), enabled.clone());
    let ledger = Ledger {
        write: Box::new(move |work| {
            works.lock().unwrap().push(work);
            let (answer, answered) = oneshot::channel();
            answer.send(()).unwrap();
            Some(answered)
        }),
        session: Box::new(|_| Ok(None)),
        sessions: Box::new(|_| Ok(Vec::new())),
        request: Box::new(|_| Ok(None)),
        answer: Box::new(|_| Ok(KeyFound::Free { keys: 0, bytes: 0 })),
        patience: Duration::from_secs(5),
    };
    let configured = |name: &str, is_disabled| Configured {
        name: name.to_owned(),
        is_disabled,
    };
    let port = Webhooks {
        configured: Box::new(move |project| match project.is_default() {
            true => vec![configured("app", false), configured("gone", true)],
            false => Vec::new(),
        }),
        tallies: Box::new(move |project| {
            let tally = |name: &str, pending, dead_letters| EndpointTally {
                name: name.to_owned(),
                pending,
                dead_letters,
            };
            Ok(match project.is_default() {
                true => vec![tally("app", 0, dead), tally("old", 0, 3)],
                false => Vec::new(),
            })
        }),
        dead_letters: Box::new(move |of| {
            let filter = &of.asked;
            assert_eq!(
                (of.project.is_default(), filter.endpoint.as_str()),
                (true, "app")
            );
            let asked = |letter: &DeadLetter| {
                filter.events.is_empty() || filter.events.contains(&letter.event_id)
            };
            let most = usize::try_from(filter.limit).unwrap();
            Ok((1..=dead).map(letter).filter(asked).take(most).collect())
        }),
        enable: Box::new(move |of| names.lock().unwrap().push(of.asked.clone())),
    };
    Bench {
        hooks: Hooks::new(Arc::new(port), Arc::new(ledger)),
        written,
        enabled,
    }
}

fn of(endpoint: &str) -> Within<String> {
    Within::new(&ProjectId::default(), endpoint.to_owned())
}

impl Bench {
    fn replayed(&self) -> Vec<Vec<String>> {
        let works = self.written.lock().unwrap();
        let events = works.iter().map(|work| {
            let Work::Replay(replay) = work else {
                panic!("{work:?}");
            };
            assert_eq!(replay.endpoint, "app");
            replay.events.clone()
        });
        events.collect()
    }
}

fn status(problem: crate::api::problem::Problem) -> Value {
    serde_json::to_value(problem).unwrap()["status"].clone()
}

#[tokio::test]
async fn endpoints_are_listed_with_what_waits_and_those_that_are_gone_or_removed() {
    let bench = bench(7);
    let all = bench.hooks.endpoints(&ProjectId::default()).await.unwrap();
    let told = all
        .iter()
        .map(|now| (now.name.as_str(), now.state, now.dead_letters));
    let expected = [
        ("app", EndpointState::Active, 7),
        ("gone", EndpointState::Disabled, 0),
        ("old", EndpointState::Removed, 3),
    ];
    assert!(told.eq(expected), "{all:?}");
    assert!(
        bench
            .hooks
            .endpoints(&ProjectId::from("acme"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_replay_takes_the_oldest_hundred_and_says_that_there_are_more() {
    for (dead, replayed, more) in [
        (0, 0, false),
        (7, 7, false),
        (100, 100, false),
        (101, 100, true),
    ] {
        let bench = bench(dead);
        let done = bench.hooks.replay(of("app"), Vec::new()).await.unwrap();
        assert_eq!((done.replayed, done.more), (replayed, more), "{dead}");
        let written = bench.replayed();
        assert_eq!(written.len(), usize::from(dead > 0));
        assert!(
            written
                .iter()
                .all(|events| events.len() as u64 == replayed && events[0] == "evt_a_1")
        );
    }
}

#[tokio::test]
async fn a_replay_of_what_is_no_dead_letter_or_of_no_endpoint_does_nothing() {
    let bench = bench(7);
    let events = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    for (endpoint, ids) in [
        ("app", &["evt_a_1", "evt_a_9"][..]),
        ("old", &[]),
        ("nobody", &["evt_a_1"]),
        ("", &[]),
    ] {
        let refused = bench.hooks.replay(of(endpoint), events(ids)).await;
        assert_eq!(status(refused.unwrap_err()), 404, "{endpoint}");
    }
    assert!(bench.replayed().is_empty());
    let acme = Within::new(&ProjectId::from("acme"), "app".to_owned());
    assert_eq!(
        status(bench.hooks.replay(acme.clone(), vec![]).await.unwrap_err()),
        404
    );
    assert_eq!(status(bench.hooks.enable(acme).await.unwrap_err()), 404);
    let two = events(&["evt_a_2", "evt_a_5"]);
    assert_eq!(
        bench
            .hooks
            .replay(of("app"), two.clone())
            .await
            .unwrap()
            .replayed,
        2
    );
    assert_eq!(bench.replayed(), [two]);
}

#[tokio::test]
async fn an_endpoint_that_is_configured_is_enabled_and_no_other() {
    let bench = bench(0);
    let now = bench.hooks.enable(of("gone")).await.unwrap();
    assert_eq!(
        (now.name.as_str(), now.state),
        ("gone", EndpointState::Active)
    );
    assert_eq!(
        status(bench.hooks.enable(of("old")).await.unwrap_err()),
        404
    );
    assert_eq!(*bench.enabled.lock().unwrap(), ["gone"]);
}

#[test]
fn the_events_of_a_body_are_one_to_a_hundred_ids_or_nothing() {
    for nothing in [json!({}), json!({"events": null})] {
        assert!(named(&nothing).unwrap().is_empty());
    }
    assert_eq!(
        named(&json!({"events": ["b", "a", "b"]})).unwrap(),
        ["a", "b"]
    );
    let many = vec!["x"; REPLAYED_AT_ONCE + 1];
    let long = "x".repeat(129);
    for (body, field) in [
        (json!([]), "body"),
        (json!({"events": []}), "events"),
        (json!({"events": many}), "events"),
        (json!({"events": [1]}), "events"),
        (json!({"events": [""]}), "events"),
        (json!({"events": [long]}), "events"),
        (json!({"events": "evt_a_1"}), "events"),
        (json!({"event": "evt_a_1"}), "event"),
    ] {
        let refused = serde_json::to_value(named(&body).unwrap_err()).unwrap();
        assert_eq!(
            (&refused["status"], &refused["field"]),
            (&json!(422), &json!(field)),
            "{body}"
        );
    }
}
