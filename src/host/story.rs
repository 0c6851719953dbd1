//! The log's story of a session: a line for what operators ask for, from what billing is told anyway. Names
//! are told as tags (`base::pii`), and what is in between stands at debug.

use crate::base::Identity;
use crate::usage::{Append, Event, EventKind};
use serde_json::Value;

/// Logs what this entry tells the world.
pub fn tell(append: &Append) {
    append.events.iter().for_each(|event| line(append, event));
}

fn line(append: &Append, event: &Event) {
    let (entry, kind) = (&append.entry, event.kind.as_str());
    let session = &entry.session;
    match event.kind {
        EventKind::SessionStarted => {
            let facts = entry.facts.as_ref();
            tracing::info!(%session, room = facts.map(|facts| tracing::field::debug(&facts.room.name)),
                policy = facts.map(|facts| facts.policy.as_str()),
                continues = facts.and_then(|facts| facts.continues.as_ref()).map(tracing::field::display),
                "a session started");
        }
        EventKind::SessionEnded => {
            let totals = &entry.totals;
            tracing::info!(%session, reason = entry.end_reason().map(|reason| reason.as_str()),
                billable_ms = totals.billable_ms.0, accrued_ms = totals.accrued_ms.0,
                overlap_ms = totals.overlap_ms.0, waiting_ms = totals.waiting_ms.0,
                paused_ms = totals.paused_ms.values().map(|paused| paused.0).sum::<u64>(),
                participants = totals.participants.len(), estimated = entry.estimated,
                "a session ended");
        }
        EventKind::ParticipantJoined => {
            let who = Person::of(event);
            tracing::info!(%session, participant = who.sid, identity = who.identity.as_ref().map(tracing::field::debug), role = who.role,
                "a participant joined");
        }
        EventKind::RecordingStarted => {
            let note = entry.recording.as_ref();
            tracing::info!(%session, recording = note.map(|note| tracing::field::display(&note.id)),
                purpose = note.map(|note| note.id.purpose().as_str()), "a recording started");
        }
        EventKind::RecordingFailed => {
            let note = entry.recording.as_ref();
            tracing::info!(%session, recording = note.map(|note| tracing::field::display(&note.id)),
                reason = note.and_then(|note| note.reason.as_deref()), "a recording failed");
        }
        EventKind::SessionPaused
        | EventKind::SessionResumed
        | EventKind::SessionUsage
        | EventKind::SessionWarning
        | EventKind::ParticipantLeft
        | EventKind::ConsentChanged
        | EventKind::RecordingReady
        | EventKind::RecordingDeleted => {
            tracing::debug!(%session, cause = %entry.cause, kind, "an event");
        }
    }
}

/// Whom an event speaks of.
#[derive(Default)]
struct Person {
    identity: Option<Identity>,
    sid: Option<String>,
    role: Option<String>,
}

impl Person {
    fn of(event: &Event) -> Person {
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        let text = |field: &str| {
            body["data"]["participant"][field]
                .as_str()
                .map(str::to_owned)
        };
        Person {
            identity: text("identity").map(|name| Identity::from(name.as_str())),
            sid: text("sid"),
            role: text("role"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        Actor, EndReason, Grants, Millis, Purpose, RecordingId, RecordingNote, RecordingStep,
        SessionId, SessionState, Unix,
    };
    use crate::usage::{Entry, EntryKind, Totals};
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn append(kind: EventKind, body: &str) -> Append {
        let session = SessionId::from("SE_abcDEF012345");
        let recording = RecordingNote {
            id: RecordingId::new(session.clone(), Purpose::Qa),
            step: RecordingStep::Started,
            actor: Actor::App,
            reason: Some("the disk is full".to_owned()),
            result: None,
        };
        let entry = Entry {
            session,
            entry_seq: 1,
            kind: EntryKind::Transition,
            cause: "cause".to_owned(),
            at_unix_ms: Unix(1),
            state: SessionState::Ended(EndReason::Left),
            totals: Totals {
                billable_ms: Millis(4_711),
                ..Totals::default()
            },
            intervals_from: None,
            facts: None,
            terms: None,
            warning: None,
            confirmed_by: None,
            grants: Grants::default(),
            consent: None,
            recording: Some(recording),
            estimated: false,
            bound_ms: None,
        };
        let event = Event {
            event_seq: 1,
            id: "evt".to_owned(),
            kind,
            body: body.to_owned(),
        };
        Append {
            entry,
            events: vec![event],
        }
    }

    fn told(kind: EventKind) -> String {
        let lines = Lines::default();
        let to = lines.clone();
        let body = r#"{"data":{"participant":{"identity":"karl","sid":"PA_1","role":"customer"}}}"#;
        let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone());
        tracing::subscriber::with_default(subscriber.with_ansi(false).finish(), || {
            tell(&append(kind, body));
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_start_a_join_an_end_and_a_recording_have_one_line_each_and_name_nobody() {
        for (kind, says) in [
            (EventKind::SessionStarted, vec!["a session started"]),
            (
                EventKind::SessionEnded,
                vec!["a session ended", "billable_ms=4711", "left"],
            ),
            (
                EventKind::ParticipantJoined,
                vec!["a participant joined", "PA_1", "customer", "pii:"],
            ),
            (
                EventKind::RecordingStarted,
                vec!["a recording started", "RC_abcDEF012345_qa", "qa"],
            ),
            (
                EventKind::RecordingFailed,
                vec!["a recording failed", "the disk is full"],
            ),
        ] {
            let line = told(kind);
            assert_eq!(line.lines().count(), 1, "{line}");
            assert!(says.iter().all(|word| line.contains(word)), "{line}");
            assert!(
                line.contains("SE_abcDEF012345") && !line.contains("karl"),
                "{line}"
            );
        }
        for quiet in [
            EventKind::SessionUsage,
            EventKind::SessionPaused,
            EventKind::ParticipantLeft,
        ] {
            assert_eq!(told(quiet), "", "{quiet:?}");
        }
    }
}
