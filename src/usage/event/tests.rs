//! Golden bodies in `tests/golden/events`: `BEISTAND_BLESS=1 cargo test` writes them anew.

use super::*;
use crate::base::{
    ConsentState, EndReason, Grants, RecordingResult, RecordingStep, RoomKey, WarningKind,
};
use crate::usage::EntryKind;
use std::path::Path;

fn facts() -> SessionFacts {
    SessionFacts {
        external_ref: Some("booking-7".into()),
        metadata: Some(serde_json::json!({"price": 1900})),
        ..SessionFacts::new(
            "SE_abcDEF012345".into(),
            "ND_node00000001".into(),
            crate::base::RoomKey::of_keys("help-42"),
            "RM_room00000001".into(),
            "default".into(),
        )
    }
}

fn alice(present: bool) -> ParticipantTotals {
    ParticipantTotals {
        sid: "PA_alice0000001".into(),
        role: Some(Role::Expert),
        preflight: None,
        present,
        connected_ms: Millis(61_250),
        media_ms: Millis(60_980),
        reconnect_gap_ms: Millis(7_000),
        published_ms: [(TrackSource::Camera, Millis(50_000))].into(),
        below_floor_up_ms: Millis::ZERO,
        below_floor_down_ms: Millis::ZERO,
        limited_ms: BTreeMap::new(),
        in_bytes: 9_000_000,
        out_bytes: 8_000_000,
    }
}

fn bob() -> ParticipantTotals {
    ParticipantTotals {
        sid: "PA_bob000000001".into(),
        role: None,
        preflight: None,
        present: false,
        published_ms: BTreeMap::new(),
        ..alice(false)
    }
}

fn entry(kind: EntryKind, cause: &str, state: SessionState) -> Entry {
    let interval = |start: u64, end: u64, state| Interval {
        start_unix_ms: Unix(1_763_964_000_000 + start),
        end_unix_ms: Unix(1_763_964_000_000 + end),
        state,
    };
    let away = SessionState::Paused(PauseReason::CustomerAway);
    Entry {
        session: facts().session,
        entry_seq: 9,
        kind,
        cause: cause.into(),
        at_unix_ms: Unix(1_763_964_066_250),
        state,
        totals: Totals {
            accrued_ms: Millis(60_250),
            billable_ms: Millis(60_250),
            overlap_ms: Millis(60_250),
            waiting_ms: Millis(1_000),
            paused_ms: [(PauseReason::CustomerAway, Millis(5_000))].into(),
            recording_ms: BTreeMap::new(),
            intervals: vec![
                interval(0, 1_000, SessionState::Waiting),
                interval(1_000, 61_250, SessionState::Live),
                interval(61_250, 66_250, away),
            ],
            participants: [("alice".into(), alice(true)), ("bob".into(), bob())].into(),
        },
        intervals_from: None,
        facts: None,
        terms: None,
        warning: None,
        confirmed_by: None,
        grants: Grants::default(),
        consent: None,
        recording: None,
        estimated: false,
        bound_ms: None,
    }
}

fn check(name: &str, event: &Event) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/events/{name}.json"));
    if std::env::var_os("BEISTAND_BLESS").is_some() {
        std::fs::write(&path, format!("{}\n", event.body)).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    assert_eq!(
        event.body,
        golden.trim_end(),
        "{name}: BEISTAND_BLESS=1 writes it anew"
    );
}

#[test]
fn every_kind_has_the_golden_body() {
    let away = SessionState::Paused(PauseReason::CustomerAway);
    let ended = SessionState::Ended(EndReason::Left);
    let alice = Identity::from("alice");
    for (kind, entry_kind, cause, state, who) in [
        (
            EventKind::SessionStarted,
            EntryKind::Start,
            "created",
            SessionState::Waiting,
            None,
        ),
        (
            EventKind::SessionPaused,
            EntryKind::Transition,
            "customer_away",
            away,
            None,
        ),
        (
            EventKind::SessionResumed,
            EntryKind::Transition,
            "resumed",
            SessionState::Live,
            None,
        ),
        (
            EventKind::SessionUsage,
            EntryKind::Interim,
            "interim",
            SessionState::Live,
            None,
        ),
        (
            EventKind::SessionEnded,
            EntryKind::Stop,
            "left",
            ended,
            None,
        ),
        (
            EventKind::ParticipantJoined,
            EntryKind::Transition,
            "participant_joined",
            away,
            Some(&alice),
        ),
        (
            EventKind::ParticipantLeft,
            EntryKind::Transition,
            "participant_left",
            away,
            Some(&alice),
        ),
    ] {
        let mut entry = entry(entry_kind, cause, state);
        if kind != EventKind::SessionEnded {
            entry.intervals_from = Some(1);
            entry.totals.intervals.remove(0);
        }
        let event = event(&facts(), kind, 12, &entry, who);
        assert_eq!(event.id, "evt_abcDEF012345_12");
        check(kind.as_str(), &event);
    }
}

#[test]
fn an_estimate_says_so_and_an_absent_fact_is_null() {
    let mut entry = entry(
        EntryKind::Stop,
        "node_lost",
        SessionState::Ended(EndReason::NodeLost),
    );
    entry.estimated = true;
    entry.bound_ms = Some(Millis(1_000));
    let mut facts = facts();
    facts.external_ref = None;
    facts.metadata = None;
    facts.continues = Some("SE_before000001".into());
    let event = event(&facts, EventKind::SessionEnded, 13, &entry, None);
    check("session.ended.estimated", &event);
    let body: Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!(
        (&body["data"]["estimated"], &body["data"]["bound_ms"]),
        (&true.into(), &1000.into())
    );
    assert!(body["data"]["metadata"].is_null() && body["data"]["external_ref"].is_null());
}

#[test]
fn a_warning_says_what_its_kind_has() {
    let who = Identity::from("alice");
    let report = crate::base::FloorReport {
        state: FloorState::Breached,
        measured_bps: Some(412_000),
        floor_bps: 1_000_000,
        limited_by: Some(LimitedBy::Downlink),
    };
    let text = "was not checked: no preflight of the last 10 minutes".to_owned();
    for (name, warning) in [
        ("quota", Warning::left(WarningKind::Quota, Millis(60_000))),
        ("floor", Warning::floor(&who, Direction::Down, report)),
        ("preflight", Warning::preflight(&who, false, text)),
    ] {
        let mut entry = entry(EntryKind::Transition, warning.cause(), SessionState::Live);
        entry.warning = Some(warning);
        let event = event(&facts(), EventKind::SessionWarning, 14, &entry, None);
        check(&format!("session.warning.{name}"), &event);
    }
}

#[test]
fn a_session_that_was_never_live_says_who_waited_how_long() {
    let ended = SessionState::Ended(EndReason::NoShow);
    let mut entry = entry(EntryKind::Stop, "no_show", ended);
    let mut bob = bob();
    bob.connected_ms = Millis(90_000);
    entry.totals = Totals {
        waiting_ms: Millis(91_000),
        intervals: vec![Interval {
            start_unix_ms: Unix(1_763_964_000_000),
            end_unix_ms: Unix(1_763_964_091_000),
            state: SessionState::Waiting,
        }],
        participants: [("alice".into(), alice(false)), ("bob".into(), bob)].into(),
        ..Totals::default()
    };
    let event = event(&facts(), EventKind::SessionEnded, 4, &entry, None);
    check("session.ended.no_show", &event);
    let body: Value = serde_json::from_str(&event.body).unwrap();
    let waited = &body["data"]["waited"];
    assert_eq!(
        (&waited[0]["identity"], &waited[0]["waited_ms"]),
        (&"bob".into(), &90_000.into())
    );
}

#[test]
fn every_number_is_an_integer() {
    fn look(value: &Value) {
        match value {
            Value::Number(number) => assert!(number.is_u64(), "{number}"),
            Value::Array(list) => list.iter().for_each(look),
            Value::Object(map) => map.values().for_each(look),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let entry = entry(EntryKind::Interim, "interim", SessionState::Live);
    let event = event(&facts(), EventKind::SessionUsage, 3, &entry, None);
    look(&serde_json::from_str(&event.body).unwrap());
}

/// A note of the recording for this purpose.
fn note(purpose: Purpose, step: RecordingStep, reason: Option<&str>) -> RecordingNote {
    RecordingNote {
        id: RecordingId::new(facts().session, purpose),
        step,
        actor: Actor::Node,
        reason: reason.map(str::to_owned),
        result: None,
    }
}

#[test]
fn a_consent_is_told_with_who_said_it_by_whose_hand_and_to_which_wording() {
    let mut entry = entry(EntryKind::Consent, "consent_withdrawn", SessionState::Live);
    entry.consent = Some(Consent {
        identity: "alice".into(),
        purpose: Purpose::Shared,
        state: ConsentState::Withdrawn,
        actor: Actor::Participant,
        wording: "2026-11".into(),
    });
    let event = event(&facts(), EventKind::ConsentChanged, 15, &entry, None);
    check("consent.changed", &event);
}

#[test]
fn each_step_of_a_recording_is_told_with_what_is_known_of_it() {
    let ended = SessionState::Ended(EndReason::Left);
    let disk = Some("the disk is full");
    let kept = Some("kept for 72 hours");
    for (kind, step, purpose, state, reason) in [
        (
            EventKind::RecordingStarted,
            RecordingStep::Started,
            Purpose::Shared,
            SessionState::Live,
            None,
        ),
        (
            EventKind::RecordingFailed,
            RecordingStep::Failed,
            Purpose::Shared,
            SessionState::Live,
            disk,
        ),
        (
            EventKind::RecordingReady,
            RecordingStep::Ready,
            Purpose::Qa,
            ended,
            None,
        ),
        (
            EventKind::RecordingDeleted,
            RecordingStep::Deleted,
            Purpose::Qa,
            ended,
            kept,
        ),
    ] {
        let mut note = note(purpose, step, reason);
        note.result = (step == RecordingStep::Ready).then(|| RecordingResult {
            duration_ms: Millis(59_960),
            bytes: 7_654_321,
            files: 4,
            manifest_sha256: "ab".repeat(32),
            expires_unix_ms: Some(Unix(1_764_223_266_250)),
        });
        let mut entry = entry(EntryKind::Recording, step.cause(), state);
        entry.totals.recording_ms = [(purpose, Millis(58_000))].into();
        entry.recording = Some(note);
        assert_eq!(EventKind::of_step(step), Some(kind));
        let event = event(&facts(), kind, 16, &entry, None);
        check(kind.as_str(), &event);
    }
}

/// The longest names that a token may have: 256 bytes that JSON writes as six each.
fn long(n: usize) -> String {
    format!("{n:04}{}", "\u{1}".repeat(252))
}

/// What a session may have at most of all that an event repeats.
fn longest(intervals: usize, people: usize) -> (SessionFacts, Entry) {
    let facts = SessionFacts {
        room: RoomKey::of_keys(long(0)),
        external_ref: Some(long(1)),
        metadata: Some(serde_json::json!({"note": "x".repeat(4_085)})),
        continues: Some("SE_abcDEF012344".into()),
        ..facts()
    };
    let mut entry = entry(
        EntryKind::Stop,
        "left",
        SessionState::Ended(EndReason::Left),
    );
    let pair = [
        SessionState::Live,
        SessionState::Paused(PauseReason::PresenceUnconfirmed),
    ];
    entry.totals.intervals = (0..u64::try_from(intervals).unwrap())
        .zip(pair.into_iter().cycle())
        .map(|(n, state)| Interval {
            start_unix_ms: Unix(1_763_964_000_000 + n),
            end_unix_ms: Unix(1_763_964_000_001 + n),
            state,
        })
        .collect();
    entry.totals.participants = (0..people).map(|n| (long(n).into(), alice(true))).collect();
    (facts, entry)
}

#[test]
fn no_event_has_20_kb_however_many_intervals_and_people_there_were() {
    let kinds = [EventKind::SessionUsage, EventKind::SessionEnded];
    for (intervals, people) in [
        (0, 0),
        (0, 50),
        (1, 2),
        (60, 2),
        (100, 4),
        (120, 5),
        (10_000, 1),
        (10_000, 50),
    ] {
        let (facts, mut entry) = longest(intervals, people);
        for kind in kinds {
            let body = event(&facts, kind, 12, &entry, None).body;
            assert!(
                body.len() < MAX_EVENT_BYTES,
                "{} bytes at {intervals} intervals of {people}",
                body.len()
            );
        }
        // Never live: all who waited are named once more.
        for interval in &mut entry.totals.intervals {
            interval.state = SessionState::Waiting;
        }
        let body = event(&facts, EventKind::SessionEnded, 12, &entry, None).body;
        assert!(body.len() < MAX_EVENT_BYTES, "{} bytes", body.len());
    }
    let (facts, entry) = longest(10_000, 50);
    let who = Identity::from(long(7));
    let body = event(&facts, EventKind::ParticipantLeft, 12, &entry, Some(&who)).body;
    assert!(body.len() < MAX_EVENT_BYTES, "{} bytes", body.len());
}

#[test]
fn a_list_that_is_too_long_has_its_count_its_hash_and_its_place() {
    let (_, entry) = longest(10_000, 2);
    let ended = event(&facts(), EventKind::SessionEnded, 12, &entry, None);
    let data = &serde_json::from_str::<Value>(&ended.body).unwrap()["data"];
    assert_eq!(data.get("intervals"), None);
    assert_eq!(data["participants"].as_object().unwrap().len(), 2);
    let list = serde_json::to_string(&entry.totals.intervals).unwrap();
    let named = serde_json::json!({
        "count": 10_000,
        "sha256": hex(&sha256(list.as_bytes())),
        "path": "/v1/sessions/SE_abcDEF012345/intervals",
    });
    assert_eq!(data["intervals_elsewhere"], named);
    let (_, entry) = longest(3, 50);
    let ended = event(&facts(), EventKind::SessionEnded, 12, &entry, None);
    let data = &serde_json::from_str::<Value>(&ended.body).unwrap()["data"];
    assert_eq!(data.get("participants"), None);
    assert_eq!(data["participants_elsewhere"]["count"], 50);
    assert_eq!(
        data["participants_elsewhere"]["path"],
        "/v1/sessions/SE_abcDEF012345"
    );
}
