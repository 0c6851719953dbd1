//! Hosts that may not be posted to, and those that may.

use super::super::reach::Lookup;
use super::super::target::{Attempt, Target};
use super::*;
use crate::base::{SessionId, Unix};
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;

fn row() -> OutboxRow {
    OutboxRow {
        event_id: "evt_a_1".to_owned(),
        lane: Lane {
            endpoint: Arc::from("app"),
            session: SessionId::from("SE_a"),
        },
        event_seq: 1,
        kind: "session.usage".to_owned(),
        body: "{}".to_owned(),
        created_unix_ms: Unix(0),
        attempts: 0,
        tried: Millis::ZERO,
        next_unix_ms: Unix(0),
    }
}

/// A name server that gives these answers one after the other, the last one for ever; and how often it
/// was asked.
fn name_server(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let parsed = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
    let answers: Vec<Vec<IpAddr>> = answers.iter().map(parsed).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |host| {
        assert_eq!(host, "app.example");
        let number = count.fetch_add(1, Relaxed).min(answers.len() - 1);
        let found = answers[number].clone();
        Box::pin(async move { Ok(found) })
    });
    (lookup, asked)
}

async fn attempt(url: &str, allow_private: bool, lookup: Lookup) -> Attempt {
    let endpoint = Endpoint {
        allow_private,
        ..endpoint("app", url)
    };
    let target = Target::with(&endpoint, lookup).unwrap();
    target.post(row(), 1_795_500_000, PATIENCE).await
}

#[tokio::test]
async fn a_name_with_one_address_that_is_not_public_is_not_connected_to() {
    let mut server = Server::start(&[]).await;
    let url = server.url.replace("127.0.0.1", "app.example");
    for (answers, says) in [
        (
            &["127.0.0.1"][..],
            "app.example is at 127.0.0.1 (loopback, 127.0.0.0/8)",
        ),
        (&["93.184.215.14", "127.0.0.1"], "127.0.0.1 (loopback"),
        (&["127.0.0.1", "2606:4700::1111"], "127.0.0.1 (loopback"),
        (&["::ffff:127.0.0.1"], "::ffff:127.0.0.1 (loopback"),
        (&["64:ff9b::7f00:1"], "64:ff9b::7f00:1 (loopback"),
        (&["169.254.169.254"], "(link local, 169.254.0.0/16)"),
    ] {
        let (lookup, _) = name_server(&[answers]);
        let attempt = attempt(&url, false, lookup).await;
        assert_eq!(attempt.outcome, Outcome::Refused, "{answers:?}");
        let why = attempt.refused.unwrap().to_string();
        assert!(why.contains(says) && why.contains("allow_private"), "{why}");
    }
    let (lookup, asked) = name_server(&[&["1.1.1.1"]]);
    for host in ["2130706433", "0x7f.1", "[::ffff:7f00:1]", "localhost"] {
        let url = server.url.replace("127.0.0.1", host);
        let attempt = attempt(&url, false, lookup.clone()).await;
        assert_eq!(attempt.outcome, Outcome::Refused, "{host}");
    }
    assert_eq!(asked.load(Relaxed), 0);
    assert!(server.requests.try_recv().is_err(), "nothing was posted");
}

#[tokio::test]
async fn an_attempt_connects_to_the_addresses_that_were_checked_whatever_the_name_says_next() {
    let mut server = Server::start(&[]).await;
    let url = server.url.replace("127.0.0.1", "app.example");
    // 127.0.0.2 would not answer: nobody listens there.
    let (lookup, asked) = name_server(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let attempt = attempt(&url, true, lookup).await;
    assert!(matches!(attempt.outcome, Outcome::Status { code: 200, .. }));
    assert_eq!(server.ids(1).await, ["evt_a_1"]);
    assert_eq!(asked.load(Relaxed), 1);
}

#[tokio::test]
async fn a_refused_target_is_tried_again_and_in_the_end_a_dead_letter() {
    let dir = Dir::new();
    let mut server = Server::start(&[]).await;
    let refused = Endpoint {
        allow_private: false,
        ..endpoint("app", &server.url.replace("127.0.0.1", "localhost"))
    };
    let outbox = OutboxConfig {
        give_up_after: Millis::ZERO,
        give_up_attempts: 2,
        ..OutboxConfig::default()
    };
    let bench = start_with(&dir, vec![refused], outbox);
    bench.append_life("SE_a");
    until("they are dead letters", || {
        bench.stats.dead.load(Relaxed) == 7
    })
    .await;
    let stats = bench.stop().await;
    assert_eq!(
        (stats.refused.load(Relaxed), stats.ok.load(Relaxed)),
        (14, 0)
    );
    let dead = |(_, state, attempts): &(String, String, u32)| state == "dead" && *attempts == 2;
    assert!(states(&dir).iter().all(dead));
    assert!(server.requests.try_recv().is_err(), "nothing was posted");
}
