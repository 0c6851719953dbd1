//! When an event is given up: by how long and how often it was tried, never by its age.

use super::*;

const DAY: Millis = Millis::from_secs(86_400);

/// Jumps from wake-up to wake-up until so many are dead.
fn until_dead(bench: &mut Bench, count: usize) {
    while bench.dead.len() < count {
        bench.jump().unwrap();
    }
}

/// A process that starts with what the last one left on disk, `down` later.
fn restart(bench: &mut Bench, down: Millis) {
    bench.elapsed += down;
    bench.outbox = Outbox::new(OutboxConfig::default(), [Arc::from("app")], 8);
    let left = bench.rows.iter().filter(|(_, rows)| !rows.is_empty());
    let lanes: Vec<Lane> = left.map(|(lane, _)| lane.clone()).collect();
    for lane in lanes {
        bench.outbox.handle_pending(lane);
    }
    bench.drain();
}

#[test]
fn an_event_is_given_up_after_72_hours_of_trying_and_each_behind_it_gets_its_own() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let lane = lane("app", "SE_a");
    bench.pend(&lane, 3);
    bench.answer(&lane, [code(500); 1_000]);
    bench.drain();
    for dead in 1..=2 {
        let before = bench.elapsed;
        until_dead(&mut bench, dead);
        let tried = bench.elapsed.0 - before.0;
        assert!(
            (72 * 3_600_000..73 * 3_600_000).contains(&tried),
            "event {dead}: {tried} ms"
        );
    }
    bench.answers.clear();
    while bench.jump().is_some() {}
    assert_eq!(bench.dead, ["app/SE_a/1", "app/SE_a/2"]);
    assert_eq!(bench.outbox.stats().delivered_total, 1);
}

#[test]
fn a_node_that_was_down_for_73_hours_gives_up_nothing_at_its_first_failures() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let lanes = ["SE_a", "SE_b"].map(|session| lane("app", session));
    for lane in &lanes {
        bench.answer(lane, [code(503); 3]);
        bench.pend(lane, 20);
    }
    bench.drain();
    restart(&mut bench, Millis::from_secs(73 * 3_600));
    while bench.jump().is_some() {}
    assert_eq!(bench.dead, [""; 0]);
    assert_eq!(bench.outbox.stats().delivered_total, 40);
}

#[test]
fn no_event_is_given_up_before_its_twelfth_attempt() {
    let config = OutboxConfig {
        give_up_after: Millis(1),
        ..OutboxConfig::default()
    };
    let mut bench = Bench::new(config, &["app"]);
    let lane = lane("app", "SE_a");
    bench.answer(&lane, [code(400); 100]);
    bench.pend(&lane, 1);
    bench.drain();
    until_dead(&mut bench, 1);
    assert_eq!(bench.posted.len(), 12);
}

#[test]
fn the_time_of_trying_is_carried_over_restarts_and_what_lies_between_them_is_not() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let lane = lane("app", "SE_a");
    bench.answer(&lane, std::iter::repeat_n(code(500), 10_000));
    bench.pend(&lane, 1);
    bench.drain();
    let mut ran = Millis::ZERO;
    for _ in 0..20 {
        let before = bench.elapsed;
        while bench.elapsed.0 - before.0 < 5 * 3_600_000 && bench.dead.is_empty() {
            bench.jump().unwrap();
        }
        ran += Millis(bench.elapsed.0 - before.0);
        if !bench.dead.is_empty() {
            break;
        }
        let tried = bench.rows[&lane][0].tried;
        assert!(tried <= ran, "{tried} tried in {ran}");
        assert!(
            ran.0 - tried.0 <= 3_600_000,
            "after a restart each wait counts: {tried} of {ran}"
        );
        restart(&mut bench, DAY);
    }
    let hours = ran.0 / 3_600_000;
    assert!((72..76).contains(&hours), "{hours} h of trying");
}

#[test]
fn a_wall_clock_that_is_set_neither_gives_up_nor_spares() {
    for step in [-30 * 86_400_000_i64, 30 * 86_400_000] {
        let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
        let lane = lane("app", "SE_a");
        bench.answer(&lane, [code(500); 1_000]);
        bench.pend(&lane, 1);
        bench.drain();
        for _ in 0..5 {
            bench.jump().unwrap();
        }
        bench.wall_step = step;
        for _ in 0..5 {
            bench.jump().unwrap();
        }
        assert_eq!(bench.dead, [""; 0], "set by {step} ms");
        until_dead(&mut bench, 1);
        let hours = bench.elapsed.0 / 3_600_000;
        assert!((72..74).contains(&hours), "set by {step} ms: {hours} h");
    }
}
