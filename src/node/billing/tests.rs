//! Tables over the money of one room.

use super::*;
use crate::base::Unix;
use crate::usage::EventKind;

fn opening(policy: Policy) -> Opening {
    let facts = SessionFacts {
        session: "SE_s".into(),
        node: "ND_n".into(),
        room: "room".into(),
        room_sid: "RM_r".into(),
        policy: "default".into(),
        min_billable_ms: Millis::ZERO,
        external_ref: None,
        metadata: None,
        continues: None,
        carried: Carried::default(),
    };
    Opening {
        facts,
        policy,
        inherited: Inherited::default(),
    }
}

fn at(ms: u64) -> Now {
    Now {
        mono: Mono::from_millis(ms),
        unix: Unix(1_000_000 + ms),
    }
}

fn join(who: &str, role: Role) -> Join {
    let sid = ParticipantSid::from(format!("PA_{who}"));
    Join {
        identity: who.into(),
        sid,
        role: Some(role),
        counts: true,
    }
}

/// Eve and Carl send media every 100 ms from `from` to `to`.
fn talk(billing: &mut Billing, from: u64, to: u64) {
    for ms in (from..=to).step_by(100) {
        billing.handle_media(&"eve".into(), at(ms).mono, at(ms));
        billing.handle_media(&"carl".into(), at(ms).mono, at(ms));
        billing.handle_timeout(at(ms));
    }
}

fn met(policy: Policy) -> Billing {
    let mut billing = Billing::new(opening(policy), at(0));
    billing.handle_connected(join("eve", Role::Expert), at(0));
    billing.handle_connected(join("carl", Role::Customer), at(0));
    billing
}

#[test]
fn ten_seconds_together_are_billed_as_ten_seconds() {
    let mut billing = met(Policy::default());
    talk(&mut billing, 0, 10_000);
    assert_eq!(billing.clock().accrued_ms, Millis(10_000));
    billing.handle_left(&"carl".into(), true, at(10_030));
    billing.handle_media(&"eve".into(), at(10_100).mono, at(10_100));
    billing.handle_timeout(at(10_100));
    let clock = billing.clock();
    assert_eq!(
        clock.state,
        SessionState::Paused(crate::base::PauseReason::CustomerAway)
    );
    assert_eq!(clock.accrued_ms, Millis(10_030));
    let totals = billing.checkpoint(at(10_100)).unwrap().totals;
    assert_eq!(
        totals.participants[&"carl".into()].connected_ms,
        Millis(10_030)
    );
    assert_eq!(totals.participants[&"carl".into()].media_ms, Millis(10_000));
    assert_eq!(
        totals.participants[&"eve".into()].connected_ms,
        Millis(10_100)
    );
}

#[test]
fn the_policys_reference_and_minimum_go_into_the_record() {
    let policy = r#"{"external_ref":"b-1","metadata":{"a":1},"billing":{"min_billable_ms":5000}}"#;
    let mut billing = met(serde_json::from_str(policy).unwrap());
    talk(&mut billing, 0, 4_000);
    let start = billing.poll_output().unwrap();
    assert_eq!(start.events[0].kind, EventKind::SessionStarted);
    let facts = start.entry.facts.unwrap();
    assert_eq!(facts.external_ref.as_deref(), Some("b-1"));
    assert_eq!(facts.metadata, Some(serde_json::json!({"a": 1})));
    let totals = billing.checkpoint(at(4_000)).unwrap().totals;
    assert_eq!(
        (totals.accrued_ms, totals.billable_ms),
        (Millis(4_000), Millis::ZERO)
    );
}

#[test]
fn an_ended_session_asks_for_nothing_and_takes_nothing_in() {
    let mut billing = met(Policy::default());
    talk(&mut billing, 0, 4_000);
    billing.handle_end(EndReason::RoomDeleted, at(4_000));
    let last = std::iter::from_fn(|| billing.poll_output()).last().unwrap();
    assert_eq!(last.entry.end_reason(), Some(EndReason::RoomDeleted));
    talk(&mut billing, 4_100, 8_000);
    billing.handle_connected(join("ede", Role::Expert), at(8_000));
    assert_eq!(
        (billing.poll_output(), billing.poll_timeout()),
        (None, None)
    );
    assert_eq!(billing.checkpoint(at(9_000)), None);
    assert_eq!(billing.clock().accrued_ms, Millis(4_000));
}
