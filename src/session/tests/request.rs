//! Pauses by request, and the order of precedence of all reasons.

use super::*;

#[test]
fn a_pause_by_request_stops_the_clock_at_that_moment_and_twice_is_once() {
    let mut play = met("{}");
    play.until(10_000);
    assert!(play.pause());
    play.until(11_000);
    assert!(play.pause());
    play.until(30_000);
    assert!(play.resume());
    play.until(31_000);
    assert!(play.resume());
    play.until(40_000)
        .check(&["1000 live", "10000 paused by_request", "30000 live"]);
}

#[test]
fn a_pause_before_it_was_live_and_after_the_end_is_refused() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT).until(500);
    assert!(!play.pause() && !play.resume());
    play.until(1_000).talk("carl", CUSTOMER).until(2_000);
    play.session.handle_end(EndReason::EndedByApi, play.clock());
    assert!(!play.pause() && !play.resume());
    play.until(3_000)
        .check(&["1000 live", "2000 ended ended_by_api"]);
}

#[test]
fn a_request_holds_at_its_own_moment_although_one_side_is_heard_rarely() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT)
        .listen_only("carl", CUSTOMER)
        .until(6_100);
    assert!(play.pause());
    // Carl's last packet was at 5 s: nothing later is certain yet.
    play.until(7_400).check(&["0 live"]);
    play.until(9_000)
        .check(&["0 live", "6100 paused by_request"]);
}

#[test]
fn one_who_vanished_before_the_request_was_away_before_it() {
    let mut play = met("{}");
    play.until(10_000).lose("carl").until(12_000);
    assert!(play.pause());
    play.until(20_000);
    play.check(&[
        "1000 live",
        "10000 paused reconnecting",
        "12000 paused by_request",
    ]);
}

#[test]
fn by_request_comes_before_everything_and_what_else_holds_shows_afterwards() {
    let mut play = met("{}");
    play.until(5_000);
    play.pause();
    play.until(10_000).leave("carl").until(15_000);
    play.resume();
    play.until(20_000).talk("carl", CUSTOMER).until(21_000);
    play.check(&[
        "1000 live",
        "5000 paused by_request",
        "15000 paused customer_away",
        "20000 live",
    ]);
}

#[test]
fn a_session_paused_by_request_still_ends_by_its_other_rules() {
    let mut play = met(r#"{"duration":{"max_min":1}}"#);
    play.until(5_000);
    play.pause();
    play.until(70_000);
    play.check(&[
        "1000 live",
        "5000 paused by_request",
        "61000 ended max_duration",
    ]);

    let mut alone = met("{}");
    alone.until(5_000);
    alone.pause();
    alone.until(10_000).leave("carl").until(320_000);
    alone.check(&[
        "1000 live",
        "5000 paused by_request",
        "310000 ended abandoned",
    ]);
}

/// Each reason hides those after it, and shows once those before it are gone.
#[test]
fn exactly_one_reason_holds_in_the_order_of_precedence() {
    let json = r#"{"duration":{"quota_s":60,"on_exhausted":"pause_billing"},"departure_timeout_s":20,
        "presence":{"after_min":1,"grace_min":1,"repeat_min":0},"abandon_after_s":3600}"#;
    let mut play = met(json);
    // Live for 60 s: the quota is used up and, at the same moment, the prompt opens only when it is
    // live again.
    play.until(61_000)
        .check(&["1000 live", "61000 paused quota_exhausted"]);
    play.until(70_000).extend(Some(600), None).until(70_001);
    // The prompt opens at once; nobody answers for a minute.
    play.until(131_000).hush();
    assert_eq!(play.session.state().reason(), Some("presence_unconfirmed"));
    play.floor("carl", Direction::Down, FloorState::Breached);
    play.until(132_000).lose("carl").until(138_000);
    play.pause();
    play.until(139_000).extend(Some(60), None).until(140_000);
    play.resume();
    play.until(141_000).extend(Some(600), None).until(142_000);
    assert!(play.confirm("eve"));
    play.until(143_000).lose("eve").until(160_000);
    play.send("carl", 20, true).until(161_000);
    play.send("eve", 20, true).until(162_000);
    play.floor("carl", Direction::Down, FloorState::Breached)
        .until(163_000);
    play.check(&[
        "131000 warning_floor",
        "138000 paused by_request",
        "139000 extended",
        "140000 paused quota_exhausted",
        "141000 extended",
        "141000 paused presence_unconfirmed",
        "142000 eve is there",
        "142000 paused reconnecting",
        "161000 live",
        "162000 warning_floor",
        "162000 paused below_floor",
    ]);
}
