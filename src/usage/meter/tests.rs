//! Tables over the meters of one session.

use super::*;

const ALICE: &str = "alice";

fn ms(at: u64) -> Mono {
    Mono::from_millis(at)
}

fn meter() -> Meter {
    let now = Now {
        mono: ms(500),
        unix: crate::base::Unix(1_000_000),
    };
    let mut meter = Meter::new(Millis::ZERO, now);
    meter.handle_joined(&ALICE.into(), "PA_1".into(), Some(Role::Expert));
    meter
}

fn alice(meter: &Meter) -> ParticipantTotals {
    meter.totals().participants[&Identity::from(ALICE)].clone()
}

#[test]
fn nothing_is_counted_before_the_first_join() {
    let mut meter = meter();
    meter.settle(ms(9_000));
    assert_eq!(meter.totals(), Totals::default());
}

#[test]
fn every_millisecond_since_the_first_join_has_one_state() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    meter.handle_state(ms(1_700), SessionState::Live);
    meter.handle_state(ms(4_000), SessionState::Paused(PauseReason::Reconnecting));
    meter.handle_state(ms(4_000), SessionState::Live);
    meter.handle_state(ms(5_000), SessionState::Paused(PauseReason::CustomerAway));
    meter.settle(ms(5_250));
    let totals = meter.totals();
    assert_eq!(
        (totals.waiting_ms, totals.accrued_ms),
        (Millis(700), Millis(3_300))
    );
    assert_eq!(
        totals.paused_ms,
        [(PauseReason::CustomerAway, Millis(250))].into()
    );
    let lengths: Vec<_> = totals
        .intervals
        .iter()
        .map(|i| (i.start_unix_ms.0, i.end_unix_ms.0, i.state.as_str()))
        .collect();
    assert_eq!(
        lengths,
        [
            (1_000_500, 1_001_200, "waiting"),
            (1_001_200, 1_004_500, "live"),
            (1_004_500, 1_004_750, "paused")
        ]
    );
}

#[test]
fn an_ended_session_counts_no_more() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    meter.handle_state(ms(2_000), SessionState::Ended(crate::base::EndReason::Left));
    meter.settle(ms(9_000));
    assert_eq!(meter.totals().waiting_ms, Millis(1_000));
}

#[test]
fn less_than_the_minimum_is_not_billable() {
    let mut meter = meter();
    meter.min_billable = Millis(5_000);
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    meter.handle_state(ms(1_000), SessionState::Live);
    for (at, billable) in [(5_999, 0), (6_000, 5_000), (7_000, 6_000)] {
        meter.settle(ms(at));
        assert_eq!(meter.totals().billable_ms, Millis(billable), "at {at}");
    }
}

#[test]
fn media_is_counted_between_packets_at_most_two_seconds_apart() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    for at in [1_000, 1_020, 3_020, 5_021, 5_100] {
        meter.handle_media(&ALICE.into(), ms(at));
        meter.handle_seen(&ALICE.into(), ms(at));
    }
    assert_eq!(alice(&meter).media_ms, Millis(2_020 + 79));
}

#[test]
fn media_is_counted_no_further_than_the_presence_that_carries_it() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    for at in [1_000, 1_900, 2_600, 3_300] {
        meter.handle_media(&ALICE.into(), ms(at));
    }
    meter.handle_seen(&ALICE.into(), ms(1_500));
    assert_eq!(alice(&meter).media_ms, Millis(500));
    meter.handle_presence(ms(2_000), &ALICE.into(), false);
    meter.handle_presence(ms(2_600), &ALICE.into(), true);
    meter.handle_seen(&ALICE.into(), ms(3_300));
    assert_eq!(alice(&meter).media_ms, Millis(1_000 + 700));
}

#[test]
fn an_absence_between_two_presences_is_a_gap_and_not_connected() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    meter.handle_presence(ms(3_000), &ALICE.into(), false);
    meter.handle_seen(&ALICE.into(), ms(4_000));
    meter.handle_presence(ms(10_000), &ALICE.into(), true);
    meter.handle_seen(&ALICE.into(), ms(10_500));
    let alice = alice(&meter);
    assert_eq!(
        (alice.connected_ms, alice.reconnect_gap_ms),
        (Millis(2_500), Millis(7_000))
    );
}

#[test]
fn two_cameras_count_once_and_never_beyond_what_was_seen() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    for (at, on) in [(1_500, true), (2_000, true), (3_000, false), (4_000, false)] {
        meter.handle_published(&ALICE.into(), TrackSource::Camera, ms(at), on);
    }
    for (seen, counted) in [(1_400, None), (2_500, Some(1_000)), (9_000, Some(2_500))] {
        meter.handle_seen(&ALICE.into(), ms(seen));
        let published = alice(&meter).published_ms;
        assert_eq!(
            published.get(&TrackSource::Camera).copied(),
            counted.map(Millis)
        );
    }
}

#[test]
fn a_leave_ends_what_was_published_and_its_media() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    for on in [true, true] {
        meter.handle_published(&ALICE.into(), TrackSource::Camera, ms(1_000), on);
    }
    meter.handle_media(&ALICE.into(), ms(1_500));
    meter.handle_left(&ALICE.into(), ms(2_000));
    meter.handle_media(&ALICE.into(), ms(3_000));
    meter.handle_seen(&ALICE.into(), ms(4_000));
    let alice = alice(&meter);
    assert_eq!(alice.published_ms[&TrackSource::Camera], Millis(1_000));
    assert_eq!(alice.media_ms, Millis::ZERO);
}

#[test]
fn the_bytes_of_a_rejoin_are_added_and_a_repeated_report_is_not() {
    let mut meter = meter();
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    for (sid, bytes) in [("PA_1", (100, 10)), ("PA_1", (100, 10)), ("PA_2", (5, 7))] {
        meter.handle_bytes(&ALICE.into(), &sid.into(), bytes);
    }
    assert_eq!((alice(&meter).in_bytes, alice(&meter).out_bytes), (105, 17));
}

#[test]
fn time_below_the_floor_is_time_present_with_a_breach_and_says_what_limited_it() {
    let mut meter = meter();
    let who = Identity::from(ALICE);
    meter.handle_presence(ms(1_000), &who, true);
    meter.handle_seen(&who, ms(2_000));
    // The breach is known before the presence is: nothing counts beyond that.
    meter.handle_floor(
        ms(2_500),
        &who,
        Direction::Down,
        Some(Some(LimitedBy::Downlink)),
    );
    assert_eq!(alice(&meter).below_floor_down_ms, Millis::ZERO);
    meter.handle_seen(&who, ms(4_500));
    meter.handle_floor(ms(4_500), &who, Direction::Down, Some(None));
    meter.handle_seen(&who, ms(5_000));
    meter.handle_floor(
        ms(5_000),
        &who,
        Direction::Up,
        Some(Some(LimitedBy::Uplink)),
    );
    meter.handle_seen(&who, ms(6_000));
    meter.handle_floor(ms(6_000), &who, Direction::Down, None);
    // An absence ends every breach; the next presence begins without one.
    meter.handle_presence(ms(6_400), &who, false);
    meter.handle_presence(ms(9_000), &who, true);
    meter.handle_seen(&who, ms(10_000));
    let totals = alice(&meter);
    assert_eq!(
        (totals.below_floor_up_ms, totals.below_floor_down_ms),
        (Millis(1_400), Millis(3_500))
    );
    let limited = [
        (Direction::Up, [(LimitedBy::Uplink, Millis(1_400))].into()),
        (
            Direction::Down,
            [(LimitedBy::Downlink, Millis(2_000))].into(),
        ),
    ];
    assert_eq!(totals.limited_ms, limited.into());
}

#[test]
fn recorded_time_is_counted_by_purpose_within_the_session_and_never_twice() {
    let mut meter = meter();
    meter.handle_recording(Purpose::Qa, ms(500), true);
    meter.handle_presence(ms(1_000), &ALICE.into(), true);
    meter.handle_recording(Purpose::Shared, ms(4_000), true);
    meter.handle_recording(Purpose::Shared, ms(4_500), true);
    assert_eq!(meter.totals().recording_ms, [].into());
    meter.settle(ms(3_000));
    assert_eq!(
        meter.totals().recording_ms,
        [(Purpose::Qa, Millis(2_000))].into()
    );
    meter.handle_recording(Purpose::Qa, ms(5_000), false);
    meter.handle_recording(Purpose::Qa, ms(6_000), true);
    meter.settle(ms(7_000));
    let both = [
        (Purpose::Qa, Millis(5_000)),
        (Purpose::Shared, Millis(3_000)),
    ];
    assert_eq!(meter.totals().recording_ms, both.into());
    meter.handle_state(ms(8_000), SessionState::Ended(crate::base::EndReason::Left));
    meter.settle(ms(9_000));
    let both = [
        (Purpose::Qa, Millis(6_000)),
        (Purpose::Shared, Millis(4_000)),
    ];
    assert_eq!(meter.totals().recording_ms, both.into());
}
