//! Tables over the account: entries, events, numbering.

mod changes;

use super::*;
use crate::base::{Actor, EndReason, Purpose, RecordingId, Unix};
use crate::usage::Event;

const EVE: &str = "eve";
const CARL: &str = "carl";

fn facts() -> SessionFacts {
    SessionFacts::new(
        "SE_s".into(),
        "ND_n".into(),
        crate::base::RoomKey::of_keys("room"),
        "RM_r".into(),
        "default".into(),
    )
}

fn ms(at: u64) -> Mono {
    Mono::from_millis(at)
}

fn open() -> Account {
    Account::new(
        facts(),
        crate::base::Terms::default(),
        Now {
            mono: Mono::ZERO,
            unix: Unix(1_000_000),
        },
    )
}

#[test]
fn labels_follow_a_clock_that_is_set_and_durations_and_intervals_do_not() {
    for (step, expected) in [
        (900_000, 1_906_000),
        (-900_000, 106_000),
        (86_400_000, 87_406_000),
        (499, 1_006_000),
    ] {
        let mut account = live();
        let unix = Unix((1_005_000_i64 + step).try_into().unwrap());
        account.handle_clock(Now {
            mono: ms(5_000),
            unix,
        });
        account.handle_interim(ms(6_000));
        let last = std::iter::from_fn(|| account.poll_output()).last().unwrap();
        assert_eq!(last.entry.at_unix_ms, Unix(expected), "{step}");
        let totals = &last.entry.totals;
        assert_eq!(totals.accrued_ms, Millis(5_000), "{step}");
        let ends: Vec<u64> = totals.intervals.iter().map(|i| i.end_unix_ms.0).collect();
        assert_eq!(ends, [1_001_000, 1_006_000], "{step}");
    }
}

#[test]
fn the_least_that_is_billed_counts_for_the_whole_chain() {
    for (before, expected) in [(0, 0), (39_999, 0), (40_000, 20_000), (3_600_000, 20_000)] {
        let mut facts = facts();
        facts.min_billable_ms = Millis(60_000);
        facts.carried.used_ms = Millis(before);
        let start = Now {
            mono: Mono::ZERO,
            unix: Unix(1_000_000),
        };
        let mut account = Account::new(facts, crate::base::Terms::default(), start);
        account.handle_joined(&EVE.into(), "PA_e".into(), Some(Role::Expert));
        account.handle_presence(ms(0), &EVE.into(), true);
        account.handle_state(ms(0), SessionState::Live);
        account.settle(ms(20_000));
        let billable = account.checkpoint(start).map(|c| c.totals.billable_ms);
        assert_eq!(billable, Some(Millis(expected)), "{before} ms before");
    }
}

/// Eve from 0, Carl from 1 s, live from then on.
fn live() -> Account {
    let mut account = open();
    account.handle_joined(&EVE.into(), "PA_e".into(), Some(Role::Expert));
    account.handle_presence(ms(0), &EVE.into(), true);
    account.handle_joined(&CARL.into(), "PA_c".into(), Some(Role::Customer));
    account.handle_presence(ms(1_000), &CARL.into(), true);
    account.handle_overlap(ms(1_000), true);
    account.handle_state(ms(1_000), SessionState::Live);
    account
}

fn appends(account: &mut Account) -> Vec<Append> {
    std::iter::from_fn(|| account.poll_output()).collect()
}

/// One line an entry: number, cause, moment, accrued, its events.
fn told(appends: &[Append]) -> Vec<String> {
    let line = |append: &Append| {
        let Entry {
            entry_seq,
            cause,
            at_unix_ms,
            totals,
            ..
        } = &append.entry;
        let kinds: Vec<_> = append
            .events
            .iter()
            .map(|e: &Event| e.kind.as_str())
            .collect();
        let (at, accrued) = (at_unix_ms.0 - 1_000_000, totals.accrued_ms.0);
        format!("{entry_seq} {at} {cause} {accrued} {}", kinds.join(","))
    };
    appends.iter().map(line).collect()
}

/// The moment at which a checkpoint is taken.
fn at(millis: u64) -> Now {
    Now {
        mono: ms(millis),
        unix: Unix(1_000_000 + millis),
    }
}

#[test]
fn a_session_is_told_from_its_creation_to_its_end() {
    let mut account = live();
    let away = SessionState::Paused(PauseReason::CustomerAway);
    account.handle_interim(ms(61_000));
    account.handle_presence(ms(70_000), &CARL.into(), false);
    account.handle_gone(ms(70_000), &CARL.into());
    account.handle_overlap(ms(70_000), false);
    account.handle_state(ms(70_000), away);
    account.handle_presence(ms(80_000), &CARL.into(), true);
    account.handle_state(ms(80_000), SessionState::Live);
    account.handle_seen(&EVE.into(), ms(90_000));
    account.handle_state(ms(90_000), SessionState::Ended(EndReason::EndedByApi));
    let appends = appends(&mut account);
    assert_eq!(
        told(&appends),
        [
            "1 0 created 0 session.started",
            "2 0 participant_joined 0 participant.joined",
            "3 1000 participant_joined 0 participant.joined",
            "4 1000 live 0 session.usage",
            "5 61000 interim 60000 session.usage",
            "6 70000 participant_left 69000 participant.left",
            "7 70000 customer_away 69000 session.paused",
            "8 80000 participant_joined 69000 participant.joined",
            "9 80000 resumed 69000 session.resumed",
            "10 80000 participant_left 79000 participant.left",
            "11 90000 participant_left 79000 participant.left",
            "12 90000 ended_by_api 79000 session.ended",
        ]
    );
    let seqs: Vec<_> = appends
        .iter()
        .flat_map(|a| &a.events)
        .map(|e| e.event_seq)
        .collect();
    assert_eq!(seqs, (1..=12).collect::<Vec<_>>());
    assert_eq!(appends[0].entry.facts, Some(facts()));
    assert_eq!(account.checkpoint(at(2_500)), None);
}

#[test]
fn a_return_within_the_grace_time_tells_nothing() {
    let mut account = live();
    appends(&mut account);
    account.handle_presence(ms(10_000), &CARL.into(), false);
    account.handle_presence(ms(16_000), &CARL.into(), true);
    assert_eq!(told(&appends(&mut account)), [""; 0]);
    let checkpoint = account.checkpoint(at(2_500)).unwrap();
    assert_eq!(
        checkpoint.totals.participants[&CARL.into()].reconnect_gap_ms,
        Millis(6_000)
    );
}

#[test]
fn one_who_vanished_is_told_to_have_left_at_their_last_packet() {
    let mut account = live();
    account.handle_presence(ms(10_000), &CARL.into(), false);
    account.settle(ms(30_000));
    assert!(account.checkpoint(at(2_500)).unwrap().totals.participants[&CARL.into()].present);
    account.handle_gone(ms(10_000), &CARL.into());
    let told = told(&appends(&mut account));
    assert_eq!(
        told.last().unwrap(),
        "5 10000 participant_left 29000 participant.left"
    );
}

#[test]
fn a_checkpoint_is_made_only_when_something_changed() {
    let mut account = live();
    account.settle(ms(2_000));
    let checkpoint = account.checkpoint(at(2_500)).unwrap();
    assert_eq!((checkpoint.entry_seq, checkpoint.event_seq), (4, 4));
    assert_eq!(checkpoint.settled_unix_ms, Unix(1_002_000));
    assert_eq!(checkpoint.totals.accrued_ms, Millis(1_000));
    assert_eq!(checkpoint.open_ms, Millis(500));
    assert_eq!(account.checkpoint(at(2_500)), None);
    account.settle(ms(2_001));
    assert!(account.checkpoint(at(2_500)).is_some());
}

fn consent(state: ConsentState) -> Consent {
    Consent {
        identity: CARL.into(),
        purpose: Purpose::Qa,
        state,
        actor: Actor::Participant,
        wording: "2026-11".to_owned(),
    }
}

fn note(purpose: Purpose, step: RecordingStep) -> RecordingNote {
    RecordingNote {
        id: RecordingId::new("SE_s".into(), purpose),
        step,
        actor: Actor::App,
        reason: None,
        result: None,
    }
}

#[test]
fn consents_and_recordings_are_written_at_once_and_counted_when_their_turn_comes() {
    let mut account = live();
    appends(&mut account);
    account.settle(ms(2_000));
    assert!(account.handle_consent(consent(ConsentState::Given), at(5_000)));
    assert!(account.handle_recording(note(Purpose::Qa, RecordingStep::Started), at(6_000)));
    assert!(account.handle_recording(note(Purpose::Shared, RecordingStep::Started), at(8_000)));
    account.settle(ms(9_000));
    let both = [
        (Purpose::Qa, Millis(3_000)),
        (Purpose::Shared, Millis(1_000)),
    ]
    .into();
    assert_eq!(
        account.checkpoint(at(9_000)).unwrap().totals.recording_ms,
        both
    );
    assert!(account.handle_recording(note(Purpose::Qa, RecordingStep::Stopped), at(10_000)));
    assert!(account.handle_recording(note(Purpose::Qa, RecordingStep::Started), at(11_000)));
    assert!(account.handle_recording(note(Purpose::Qa, RecordingStep::Failed), at(12_000)));
    assert!(account.handle_consent(consent(ConsentState::Withdrawn), at(13_000)));
    account.handle_state(ms(20_000), SessionState::Ended(EndReason::EndedByApi));
    let appends = appends(&mut account);
    assert_eq!(
        told(&appends),
        [
            "5 5000 consent_given 1000 consent.changed",
            "6 6000 recording_started 1000 recording.started",
            "7 8000 recording_started 1000 recording.started",
            "8 10000 recording_stopped 8000 ",
            "9 11000 recording_started 8000 recording.started",
            "10 12000 recording_failed 8000 recording.failed",
            "11 13000 consent_withdrawn 8000 consent.changed",
            "12 1000 participant_left 19000 participant.left",
            "13 0 participant_left 19000 participant.left",
            "14 20000 ended_by_api 19000 session.ended",
        ]
    );
    let both = [
        (Purpose::Qa, Millis(5_000)),
        (Purpose::Shared, Millis(12_000)),
    ]
    .into();
    assert_eq!(appends.last().unwrap().entry.totals.recording_ms, both);
}

#[test]
fn a_step_out_of_order_or_after_the_end_is_not_taken() {
    let mut account = live();
    for step in [
        RecordingStep::Stopped,
        RecordingStep::Failed,
        RecordingStep::Ready,
    ] {
        assert!(!account.handle_recording(note(Purpose::Qa, step), at(5_000)));
    }
    let mut other = note(Purpose::Qa, RecordingStep::Started);
    other.id = RecordingId::new("SE_other".into(), Purpose::Qa);
    assert!(!account.handle_recording(other, at(5_000)));
    assert!(account.handle_recording(note(Purpose::Qa, RecordingStep::Started), at(5_000)));
    assert!(!account.handle_recording(note(Purpose::Qa, RecordingStep::Started), at(6_000)));
    account.handle_state(ms(20_000), SessionState::Ended(EndReason::EndedByApi));
    assert!(!account.handle_recording(note(Purpose::Qa, RecordingStep::Stopped), at(21_000)));
    assert!(!account.handle_consent(consent(ConsentState::Refused), at(21_000)));
}
