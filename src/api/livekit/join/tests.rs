//! What is said to a token whose session is not in its room.

use super::*;
use crate::api::ports::ledger::KeyFound;
use crate::base::{EndReason, Mono, NodeId, Rng, Unix};
use crate::node::booked;
use crate::usage::ledger::{SessionRecord, fold};
use std::time::Duration;
use tokio::sync::oneshot;

/// What was written of the session `SE_lesson`, of the room `lesson`, that nobody came to.
fn record(entries: usize) -> SessionRecord {
    let now = Now {
        mono: Mono::ZERO,
        unix: Unix(5_000),
    };
    let drawn = (&NodeId::from("ND_1"), &mut Rng::from_seed(1));
    let life = booked("lesson").close(EndReason::NoShow, drawn, now);
    fold(life.iter().map(|append| &append.entry).take(entries)).unwrap()
}

fn known(record: Option<SessionRecord>) -> Known {
    Known {
        seq: 1,
        booking: Some(booked("lesson")),
        record,
    }
}

/// What a ledger answers before and after a flush.
struct Answers {
    before: Option<Known>,
    after: Option<Known>,
    /// Whether it ever has everything.
    flushes: bool,
}

impl Answers {
    async fn of(self, room: &str) -> (u16, String) {
        let Answers {
            before,
            after,
            flushes,
        } = self;
        let shown = Arc::new(Mutex::new(before));
        let (written, waiting) = (shown.clone(), Mutex::new(Vec::new()));
        let ledger = Ledger {
            write: Box::new(move |work| {
                assert_eq!(work, Work::Flush);
                let (answer, answered) = oneshot::channel();
                if flushes {
                    lock(&written).clone_from(&after);
                    assert_eq!(answer.send(()), Ok(()));
                } else {
                    lock(&waiting).push(answer);
                }
                Some(answered)
            }),
            session: Box::new(move |_| Ok(lock(&shown).clone())),
            sessions: Box::new(|_| Ok(Vec::new())),
            request: Box::new(|_| Ok(None)),
            answer: Box::new(|_| Ok(KeyFound::Free { keys: 0, bytes: 0 })),
            patience: Duration::ZERO,
        };
        let session = SessionId::from("SE_lesson");
        let refusal = not_here(&Arc::new(ledger), &RoomKey::of_keys(room), session).await;
        (refusal.status.as_u16(), refusal.what)
    }
}

#[tokio::test]
async fn a_token_is_told_why_its_session_ended_also_while_that_is_on_its_way_to_the_disk() {
    let whole = usize::MAX;
    let says = "the session of this token has ended (no_show)";
    for (before, after, flushes, expected) in [
        (whole, whole, false, (403, says)),
        (1, whole, true, (403, says)),
        (1, 1, true, (403, "the session of this token is not open")),
        (1, whole, false, (503, "the ledger does not say why yet")),
    ] {
        let answers = Answers {
            before: Some(known(Some(record(before)))),
            after: Some(known(Some(record(after)))),
            flushes,
        };
        let (status, what) = answers.of("lesson").await;
        assert_eq!(status, expected.0, "{what}");
        assert!(what.contains(expected.1), "{what}");
    }
}

#[tokio::test]
async fn a_token_for_elsewhere_waits_for_nothing() {
    for (known, expected) in [
        (None, "for a session that this node does not know"),
        (
            Some(known(None)),
            "the session of this token is in another room",
        ),
    ] {
        let answers = Answers {
            before: known,
            after: None,
            flushes: false,
        };
        let (status, what) = answers.of("other").await;
        assert_eq!(status, 403, "{what}");
        assert!(what.contains(expected), "{what}");
    }
}
