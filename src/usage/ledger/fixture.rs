//! One life of a session, for the tests of the ledger, the store and the reports.

use super::after_stop;
use crate::base::{
    Actor, Consent, ConsentState, EndReason, Grants, Identity, Millis, Mono, NodeId, Now,
    ParticipantSid, PauseReason, Purpose, RecordingId, RecordingNote, RecordingResult,
    RecordingStep, Role, RoomKey, RoomSid, SessionId, SessionState, Terms, Unix,
};
use crate::usage::event::event;
use crate::usage::{
    Account, Append, Checkpoint, Entry, EntryKind, EventKind, Interval, ParticipantTotals,
    SessionFacts, Totals,
};
use std::collections::BTreeMap;

/// The wall-clock label at which every life starts.
pub const START: Unix = Unix(1_795_500_000_000);

/// Facts of a session in the room `room-` and its id.
pub fn facts(session: &str) -> SessionFacts {
    let room = RoomKey::of_keys(format!("room-{session}"));
    SessionFacts {
        external_ref: Some("booking-7".to_owned()),
        metadata: Some(serde_json::json!({"note": "Grüße ✓"})),
        ..SessionFacts::new(
            SessionId::from(session),
            NodeId::from("ND_test"),
            room,
            RoomSid::from("RM_test"),
            "default".to_owned(),
        )
    }
}

/// Totals after so much waiting, living and then pausing, with an expert and perhaps a customer.
pub fn totals(waiting: u64, live: u64, paused: u64) -> Totals {
    let away = PauseReason::CustomerAway;
    let spans = [
        (waiting, SessionState::Waiting),
        (live, SessionState::Live),
        (paused, SessionState::Paused(away)),
    ];
    let mut at = START.0;
    let mut intervals = Vec::new();
    for (length, state) in spans.into_iter().filter(|(length, _)| *length > 0) {
        let (start_unix_ms, end_unix_ms) = (Unix(at), Unix(at + length));
        intervals.push(Interval {
            start_unix_ms,
            end_unix_ms,
            state,
        });
        at += length;
    }
    let expert = participant("PA_expert", Role::Expert, waiting + live + paused, true);
    let mut participants = BTreeMap::from([(Identity::from("erika"), expert)]);
    if live > 0 {
        let customer = participant("PA_customer", Role::Customer, live, paused == 0);
        participants.insert(Identity::from("karl"), customer);
    }
    Totals {
        accrued_ms: Millis(live),
        billable_ms: Millis(live),
        overlap_ms: Millis(live),
        waiting_ms: Millis(waiting),
        paused_ms: (paused > 0)
            .then_some((away, Millis(paused)))
            .into_iter()
            .collect(),
        recording_ms: BTreeMap::new(),
        intervals,
        participants,
    }
}

fn participant(sid: &str, role: Role, connected: u64, present: bool) -> ParticipantTotals {
    ParticipantTotals {
        sid: ParticipantSid::from(sid),
        role: Some(role),
        preflight: None,
        present,
        connected_ms: Millis(connected),
        media_ms: Millis(connected),
        reconnect_gap_ms: Millis::ZERO,
        published_ms: BTreeMap::new(),
        below_floor_up_ms: Millis::ZERO,
        below_floor_down_ms: Millis::ZERO,
        limited_ms: BTreeMap::new(),
        in_bytes: connected * 10,
        out_bytes: connected * 20,
    }
}

/// What happens at a step of a life: kind, cause, state, (waiting, live, paused), events.
type Step = (
    EntryKind,
    &'static str,
    SessionState,
    (u64, u64, u64),
    Vec<EventKind>,
);

fn steps() -> [Step; 6] {
    use EntryKind::{Interim, Start, Stop, Transition};
    use EventKind::{
        ParticipantJoined, ParticipantLeft, SessionEnded, SessionPaused, SessionStarted,
        SessionUsage,
    };
    let (waiting, live) = (SessionState::Waiting, SessionState::Live);
    let away = SessionState::Paused(PauseReason::CustomerAway);
    let left = SessionState::Ended(EndReason::Left);
    let end = vec![ParticipantLeft, SessionEnded];
    [
        (Start, "created", waiting, (0, 0, 0), vec![SessionStarted]),
        (
            Transition,
            "participant_joined",
            waiting,
            (1, 0, 0),
            vec![ParticipantJoined],
        ),
        (Transition, "live", live, (1_000, 0, 0), vec![SessionUsage]),
        (
            Interim,
            "interim",
            live,
            (1_000, 60_000, 0),
            vec![SessionUsage],
        ),
        (
            Transition,
            "customer_away",
            away,
            (1_000, 70_000, 0),
            vec![SessionPaused],
        ),
        (Stop, "left", left, (1_000, 70_000, 10_000), end),
    ]
}

/// Whom a participant's event is about.
fn about(kind: EventKind) -> Option<Identity> {
    let of_one = matches!(
        kind,
        EventKind::ParticipantJoined | EventKind::ParticipantLeft
    );
    of_one.then(|| Identity::from("erika"))
}

/// Start, join, live, interim, pause, stop: six entries and seven events.
pub fn life(session: &str) -> Vec<Append> {
    let facts = facts(session);
    let mut event_seq = 0;
    (1..)
        .zip(steps())
        .map(
            |(entry_seq, (kind, cause, state, (waiting, live, paused), events))| {
                let entry = Entry {
                    session: facts.session.clone(),
                    entry_seq,
                    kind,
                    cause: cause.to_owned(),
                    at_unix_ms: Unix(START.0 + waiting + live + paused),
                    state,
                    totals: totals(waiting, live, paused),
                    intervals_from: None,
                    facts: (kind == EntryKind::Start).then(|| facts.clone()),
                    terms: None,
                    warning: None,
                    confirmed_by: None,
                    grants: Grants::default(),
                    consent: None,
                    recording: None,
                    estimated: false,
                    bound_ms: None,
                };
                let numbered = events.into_iter().map(|kind| {
                    event_seq += 1;
                    event(&facts, kind, event_seq, &entry, about(kind).as_ref())
                });
                let events = numbered.collect();
                Append { entry, events }
            },
        )
        .collect()
}

/// A life with a recording, made by the account itself: both agree, one takes it back, and what was
/// recorded becomes ready and is deleted after the end. Fourteen entries.
pub fn recorded(session: &str) -> Vec<Append> {
    use RecordingStep::{Deleted, Ready, Started, Stopped};
    let opened = at(0);
    let mut account = Account::new(facts(session), Terms::default(), opened);
    for (who, sid, role) in [
        ("erika", "PA_expert", Role::Expert),
        ("karl", "PA_customer", Role::Customer),
    ] {
        account.handle_joined(&who.into(), sid.into(), Some(role));
        account.handle_presence(opened.mono, &who.into(), true);
    }
    account.handle_state(opened.mono, SessionState::Live);
    account.handle_consent(consent("erika", ConsentState::Given), at(1_000));
    account.handle_consent(consent("karl", ConsentState::Given), at(2_000));
    account.handle_recording(note(session, Started), at(3_000));
    account.handle_consent(consent("karl", ConsentState::Withdrawn), at(8_000));
    account.handle_recording(note(session, Stopped), at(9_000));
    let over = SessionState::Ended(EndReason::EndedByApi);
    account.handle_state(at(20_000).mono, over);
    let mut life: Vec<Append> = std::iter::from_fn(|| account.poll_output()).collect();
    for (step, moment) in [(Ready, 60_000), (Deleted, 90_000)] {
        life.push(later(&life, note(session, step), at(moment).unix));
    }
    life
}

/// A step of a recording after the end of a life.
pub fn later(life: &[Append], note: RecordingNote, moment: Unix) -> Append {
    let events = life.iter().map(|append| append.events.len() as u64).sum();
    let last = &life.last().unwrap().entry;
    after_stop(&facts(last.session.as_str()), last, events, note, moment)
}

/// So long after the start of every life.
pub fn at(millis: u64) -> Now {
    Now {
        mono: Mono::from_millis(millis),
        unix: Unix(START.0 + millis),
    }
}

/// What someone says of the shared recording.
pub fn consent(who: &str, state: ConsentState) -> Consent {
    Consent {
        identity: who.into(),
        purpose: Purpose::Shared,
        state,
        actor: Actor::Participant,
        wording: "2026-11".to_owned(),
    }
}

/// A step of a session's shared recording, with its result where it is ready.
pub fn note(session: &str, step: RecordingStep) -> RecordingNote {
    let ready = step == RecordingStep::Ready;
    RecordingNote {
        id: RecordingId::new(session.into(), Purpose::Shared),
        step,
        actor: Actor::Node,
        reason: (step == RecordingStep::Deleted).then(|| "kept for so long".to_owned()),
        result: ready.then(|| RecordingResult {
            duration_ms: Millis(5_980),
            bytes: 123_456,
            files: 4,
            manifest_sha256: "0f".repeat(32),
            expires_unix_ms: Some(Unix(START.0 + 80_000)),
        }),
    }
}

/// A checkpoint of a life after its third entry, so much time after going live.
pub fn checkpoint(session: &str, live: u64) -> Checkpoint {
    Checkpoint {
        number: 0,
        facts: facts(session),
        entry_seq: 3,
        event_seq: 3,
        settled_unix_ms: Unix(START.0 + 1_000 + live),
        open_ms: Millis::ZERO,
        taken: Some(Mono::from_millis(live)),
        state: SessionState::Live,
        totals: totals(1_000, live, 0),
        intervals_from: None,
        terms: None,
    }
}
