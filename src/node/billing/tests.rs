//! Tables over the money of one room.

use super::*;
use crate::base::Unix;
use crate::usage::EventKind;

fn opening(policy: Policy) -> Opening {
    let facts = SessionFacts::new(
        "SE_s".into(),
        "ND_n".into(),
        crate::base::RoomKey::of_keys("room"),
        "RM_r".into(),
        "default".into(),
    );
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
    while billing.poll_output().is_some() {}
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
    while billing.poll_output().is_some() {}
    let totals = billing.checkpoint(at(4_000)).unwrap().totals;
    assert_eq!(
        (totals.accrued_ms, totals.billable_ms),
        (Millis(4_000), Millis::ZERO)
    );
}

#[test]
fn no_checkpoint_is_made_before_the_rows_that_it_counts_on_are_taken() {
    let mut billing = met(Policy::default());
    talk(&mut billing, 0, 4_000);
    assert_eq!(billing.checkpoint(at(4_000)), None);
    let rows = std::iter::from_fn(|| billing.poll_output()).last().unwrap();
    let checkpoint = billing.checkpoint(at(4_000)).unwrap();
    assert_eq!(checkpoint.entry_seq, rows.entry.entry_seq);
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

/// What the fold after a crash makes of a session whose entries and newest checkpoint were on disk.
fn crashed(billing: &mut Billing, now: Now) -> crate::usage::ledger::SessionRecord {
    use crate::usage::ledger::{Remains, fold, fold_orphan, unfold};
    billing.handle_timeout(now);
    let mut entries: Vec<_> = std::iter::from_fn(|| billing.poll_output())
        .map(|append| append.entry)
        .collect();
    let checkpoint = billing.checkpoint(now);
    let last = unfold(&entries, checkpoint.as_ref()).unwrap();
    let stop = fold_orphan(Remains {
        last: &last,
        checkpoint: checkpoint.as_ref(),
        facts: billing.facts(),
        event_seq: 0,
        death: None,
    });
    entries.push(stop.entry);
    fold(&entries).unwrap()
}

#[test]
fn a_chain_of_crashes_shares_its_clocks_terms_and_policy() {
    let json = r#"{"duration":{"quota_s":20},"presence":{"after_min":1},"external_ref":"b-1"}"#;
    let policy: Policy = serde_json::from_str(json).unwrap();
    let mut first = met(policy.clone());
    talk(&mut first, 0, 4_000);
    assert!(first.handle_extend(Some(40), None, at(4_000)));
    let bought = GrantKey::of("bought");
    assert_eq!(first.handle_grant(&bought, 60, at(4_000)), Ok(true));
    assert!(first.handle_pause_request(at(4_000)));
    talk(&mut first, 4_100, 9_000);
    let record = crashed(&mut first, at(9_000));
    let inherited = record.inherited();
    assert_eq!(
        (inherited.used, inherited.lasted),
        (Millis(4_000), Millis(9_000))
    );
    let kept: Policy = serde_json::from_value(record.facts.carried.policy.unwrap()).unwrap();
    assert_eq!(
        kept,
        Policy {
            external_ref: None,
            ..policy
        }
    );

    let next = |inherited| Opening {
        inherited,
        ..opening(kept.clone())
    };
    let mut second = Billing::new(next(inherited), at(20_000));
    assert_eq!(second.handle_grant(&bought, 60, at(20_000)), Ok(true));
    second.handle_connected(join("eve", Role::Expert), at(20_000));
    second.handle_connected(join("carl", Role::Customer), at(20_000));
    talk(&mut second, 20_000, 22_000);
    assert_eq!(second.clock().state.reason(), Some("by_request"));
    assert_eq!(second.clock().quota_left_ms, Some(Millis(96_000)));
    assert!(second.handle_resume_request(at(22_000)));
    talk(&mut second, 22_100, 25_000);
    let inherited = crashed(&mut second, at(25_000)).inherited();
    // 4 s and 3 s of live time; 9 s and 5 s since it was live.
    assert_eq!(
        (inherited.used, inherited.lasted),
        (Millis(7_000), Millis(14_000))
    );
    let terms = inherited.terms.as_ref().unwrap();
    assert_eq!((terms.quota_s, terms.paused), (Some(100), false));
    // Given once, over both sessions.
    let grant = inherited.grants.get(&bought).unwrap();
    assert_eq!((grant.seconds, grant.quota_s), (60, 100));
    assert_eq!(terms.ask_at_ms, Some(Millis(60_000)));
}

#[test]
fn a_crash_with_an_open_prompt_leaves_what_was_left_of_it() {
    let json = r#"{"presence":{"after_min":1,"grace_min":1,"who":"each"}}"#;
    let mut billing = met(serde_json::from_str(json).unwrap());
    talk(&mut billing, 0, 70_000);
    assert!(billing.handle_confirm(Some(&"eve".into()), at(70_000)));
    talk(&mut billing, 70_100, 80_000);
    assert_eq!(billing.prompt().unwrap().left, Millis(40_000));
    let inherited = crashed(&mut billing, at(80_000)).inherited();
    let prompt = inherited.terms.unwrap().prompt.unwrap();
    assert_eq!((prompt.due_ms, prompt.overdue), (Millis(40_000), false));
    assert!(prompt.confirmed.contains_key(&Identity::from("eve")));
}

#[test]
fn who_answered_and_what_was_warned_of_stand_in_the_ledger() {
    let json = r#"{"presence":{"after_min":1,"grace_min":1},"duration":{"quota_s":600}}"#;
    let mut billing = met(serde_json::from_str(json).unwrap());
    talk(&mut billing, 0, 61_000);
    assert!(billing.handle_confirm(Some(&"carl".into()), at(61_000)));
    assert!(billing.handle_extend(Some(700), None, at(61_000)));
    talk(&mut billing, 61_100, 62_000);
    let appends: Vec<_> = std::iter::from_fn(|| billing.poll_output()).collect();
    let of = |cause: &str| {
        appends
            .iter()
            .find(|append| append.entry.cause == cause)
            .unwrap()
    };
    let warning = of("warning_presence");
    assert_eq!(warning.entry.warning.as_ref().unwrap().left_s, Some(60));
    assert_eq!(warning.events[0].kind, EventKind::SessionWarning);
    let confirmed = of("presence_confirmed");
    assert_eq!(confirmed.entry.confirmed_by, Some("carl".into()));
    assert!(confirmed.events.is_empty() && of("extended").events.is_empty());
    let terms = of("extended").entry.terms.as_ref().unwrap();
    assert_eq!(terms.quota_s, Some(700));
}
