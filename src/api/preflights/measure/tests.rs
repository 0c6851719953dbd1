//! A preflight whose request is repeated, before a worker that counts.

use super::*;
use crate::api::idempotency::fixture::{Book, Disk, NOW, Noted, gate, repeats};
use crate::api::idempotency::repeats::Repeats;
use crate::api::limits::PreflightLimits;
use crate::api::livekit::admission::Admission;
use crate::api::ports::worker::{WorkerDoor, Workers};
use crate::api::preflights::book::Preflights;
use crate::base::{Mono, Unix};
use crate::node::{Capacity, Control, Settings};
use crate::peer::signal::token::{Claims, Keys, sign};
use crate::session::{Policies, Policy};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::{Request, header};
use std::collections::BTreeMap;
use std::sync::Mutex;

const AT_ONCE: PreflightLimits = PreflightLimits {
    at_once: 9,
    per_address: 9,
};

struct Bench {
    entrance: Arc<Entrance>,
    repeats: Arc<Repeats>,
    noted: Noted,
    keys: Arc<Keys>,
}

impl FromRef<Bench> for Arc<Repeats> {
    fn from_ref(bench: &Bench) -> Arc<Repeats> {
        bench.repeats.clone()
    }
}

/// A worker that answers each offer with the number that it is.
fn worker() -> WorkerDoor {
    let (queue, mut asked) = tokio::sync::mpsc::channel(9);
    tokio::task::spawn_blocking(move || {
        let mut number = 0;
        while let Some(message) = asked.blocking_recv() {
            let ToWorker::Preflight { reply, .. } = message else {
                panic!("nothing else is asked of it")
            };
            number += 1;
            let answer = PreflightAnswer {
                sdp: format!("answer {number}"),
                duration_ms: 3_600,
            };
            drop(reply.send(Ok(answer)));
        }
    });
    WorkerDoor {
        queue,
        wake: Arc::new(|| {}),
    }
}

impl Bench {
    fn new() -> Bench {
        let keys = Arc::new(Keys::new([("key", "k".repeat(32).as_str())]).unwrap());
        let policies = BTreeMap::from([("default".to_owned(), Policy::default())]);
        let gate = gate(Settings {
            keys: keys.clone(),
            policies: Arc::new(Policies::of_keys(policies)),
        });
        let (repeats, noted) = repeats(&Book::new(Disk::Prompt), gate.clone());
        let capacity = Capacity {
            max_sessions: 9,
            egress_bps: 0,
            max_cpu: 100,
        };
        let control = Arc::new(Mutex::new(Control::new(1, capacity)));
        let admission = Admission::new(control.clone(), gate.clone(), Arc::default());
        let entrance = Entrance {
            gate,
            admission: Arc::new(admission),
            workers: Arc::new(Workers::new(control, vec![worker()])),
            ledger: repeats.ledger.clone(),
            preflights: Arc::new(Mutex::new(Preflights::new(AT_ONCE, 1))),
            counters: repeats.counters.clone(),
        };
        Bench {
            entrance: Arc::new(entrance),
            repeats,
            noted,
            keys,
        }
    }

    /// Asks for a measurement of this participant's link; tells what the worker said, or the refusal.
    async fn ask(&self, who: &str, key: &str, sdp: &str) -> Result<String, u16> {
        let mut claims = Claims::new("key", who, Unix(NOW.0 + 60_000));
        claims.video.room = Some("lesson".to_owned());
        claims.video.room_join = Some(true);
        let now = Now {
            mono: Mono::ZERO,
            unix: NOW,
        };
        let token = sign(&claims, &self.keys, now).unwrap();
        let request = Request::post("/v1/preflights")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("Idempotency-Key", key);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let Ok(once) = Once::from_request_parts(&mut parts, self).await;
        let begun = begin(
            State(self.entrance.clone()),
            ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 1))),
            parts.headers,
            once,
            Request::post("/v1/preflights")
                .header(header::CONTENT_TYPE, "application/json")
                .body(serde_json::json!({"sdp": sdp}).to_string().into())
                .unwrap(),
        );
        match begun.await {
            Ok(answer) => Ok(answer.body.unwrap_or_default()),
            Err(problem) => Err(problem.into_response().status().as_u16()),
        }
    }
}

fn answered(begun: &Result<String, u16>) -> String {
    let body: serde_json::Value = serde_json::from_str(begun.as_deref().unwrap()).unwrap();
    body["sdp"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_repeated_preflight_is_measured_once_and_the_key_is_its_participants_own() {
    let bench = Bench::new();
    let first = bench.ask("karl", "k", "offer").await;
    assert_eq!(answered(&first), "answer 1");
    assert_eq!(bench.ask("karl", "k", "offer").await, first);
    assert_eq!(bench.ask("karl", "k", "another offer").await, Err(422));
    let erika = bench.ask("erika", "k", "offer").await;
    assert_eq!(answered(&erika), "answer 2");
    assert_eq!(answered(&bench.ask("karl", "l", "offer").await), "answer 3");
    assert_eq!(bench.ask("karl", "not one", "offer").await, Err(400));
    let refused = ApiEvent::Preflight(Preflighted::Refused);
    let refused = |noted: &&ApiEvent| **noted == refused;
    assert_eq!(
        bench.noted.lock().unwrap().iter().filter(refused).count(),
        2
    );
}
