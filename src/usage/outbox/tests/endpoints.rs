//! Endpoints that ask for a rest, that are gone, that get well, that are named anew or no more.

use super::*;

const MINUTE: Millis = Millis::from_secs(60);

fn after(code: u16, secs: u64) -> Outcome {
    Outcome::Status {
        code,
        retry_after: Some(Millis::from_secs(secs)),
    }
}

/// A bench with so many lanes of one event each, at the endpoint `app`.
fn crowd(lanes: usize, answers: &[Outcome]) -> (Bench, Vec<Lane>) {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let lanes: Vec<Lane> = (0..lanes)
        .map(|n| lane("app", &format!("SE_{n:03}")))
        .collect();
    for lane in &lanes {
        bench.answer(lane, answers.iter().copied());
        bench.pend(lane, 1);
    }
    bench.drain();
    (bench, lanes)
}

/// Runs until nothing is due within so long.
fn run(bench: &mut Bench, span: Millis) {
    let until = Mono::ZERO + bench.elapsed + span;
    while bench
        .outbox
        .poll_timeout()
        .is_some_and(|(at, _)| at <= until)
    {
        bench.jump();
    }
    bench.elapsed = until.since(Mono::ZERO);
}

fn named(names: &[(&str, bool)]) -> BTreeMap<Arc<str>, bool> {
    names
        .iter()
        .map(|(name, is_other)| (Arc::from(*name), *is_other))
        .collect()
}

#[test]
fn retry_after_holds_for_the_whole_endpoint_and_one_lane_probes_after_it() {
    for asks in [503, 429, 302] {
        let (mut bench, _) = crowd(1_000, &[after(asks, 60)]);
        // Those that were under way when the first answer came.
        let first = bench.posted.len();
        assert!((1..=16).contains(&first), "{asks}: {first} requests");
        run(&mut bench, Millis(59_999));
        assert_eq!(bench.posted.len(), first, "{asks}: within the rest");
        assert_eq!(bench.outbox.stats().resting, 1);
        for probes in 1..=5 {
            run(&mut bench, MINUTE);
            assert_eq!(bench.posted.len(), first + probes, "{asks}: one a minute");
        }
        bench.answers.clear();
        let before = bench.elapsed;
        while bench.outbox.stats().delivered_total < 1_000 {
            bench.jump().unwrap();
        }
        assert!(bench.elapsed.0 - before.0 <= 60_000, "success wakes all");
        assert_eq!(bench.outbox.stats().resting, 0);
    }
}

#[test]
fn an_endpoint_that_rests_holds_up_no_other() {
    let mut bench = Bench::new(OutboxConfig::default(), &["good", "tired"]);
    bench.answer(&lane("tired", "SE_a"), [after(503, 600); 9]);
    bench.pend(&lane("tired", "SE_a"), 1);
    bench.drain();
    for n in 0..100 {
        bench.pend(&lane("tired", &format!("SE_{n}")), 1);
        bench.pend(&lane("good", &format!("SE_{n}")), 1);
    }
    bench.drain();
    assert_eq!(bench.outbox.stats().delivered_total, 100);
    assert_eq!(bench.posted.len(), 101);
}

#[test]
fn what_comes_of_the_probe_decides() {
    let trouble = [
        code(500),
        code(429),
        code(408),
        Outcome::TimedOut,
        Outcome::Network,
    ];
    for (outcome, goes_on) in trouble.into_iter().map(|outcome| (outcome, false)).chain([
        (code(400), true),
        (code(404), true),
        (code(200), true),
    ]) {
        let (mut bench, lanes) = crowd(40, &[]);
        assert_eq!(bench.posted.len(), 40);
        bench.answer(&lanes[0], [after(503, 60)]);
        lanes.iter().for_each(|lane| bench.pend(lane, 1));
        bench.drain();
        // Whichever lane probes, this is what it gets.
        let first = bench.posted.len();
        for lane in &lanes {
            bench
                .answers
                .insert(lane.clone(), VecDeque::from([outcome]));
        }
        run(&mut bench, MINUTE);
        let probes = bench.posted.len() - first;
        assert_eq!(probes > 1, goes_on, "{outcome:?}: {probes} requests");
    }
}

#[test]
fn probes_that_fail_come_ever_more_seldom_and_each_by_another_lane() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let asks = lane("app", "SE_asks");
    bench.answer(&asks, [after(503, 1)]);
    bench.pend(&asks, 1);
    for n in 0..100 {
        let lane = lane("app", &format!("SE_{n}"));
        bench.answer(&lane, [code(503); 10]);
        bench.pend(&lane, 1);
    }
    bench.drain();
    let first = bench.posted.len();
    run(&mut bench, Millis::from_secs(3_600));
    let probes: Vec<&str> = bench.posted[first..]
        .iter()
        .map(|(id, _)| id.as_str())
        .collect();
    assert!((8..=14).contains(&probes.len()), "{probes:?}");
    let others: BTreeSet<&str> = probes.iter().copied().collect();
    assert_eq!(
        others.len(),
        probes.len(),
        "each by another lane: {probes:?}"
    );
}

#[test]
fn a_lane_without_anything_to_post_gives_the_probe_to_the_next() {
    let (mut bench, lanes) = crowd(3, &[]);
    bench.answer(&lanes[0], [after(503, 60)]);
    bench.pend(&lanes[0], 1);
    bench.drain();
    bench.pend(&lanes[1], 0);
    bench.pend(&lanes[2], 1);
    run(&mut bench, MINUTE);
    assert_eq!(bench.outbox.stats().delivered_total, 5);
}

#[test]
fn a_success_under_way_does_not_end_a_rest() {
    let mut outbox = Outbox::new(OutboxConfig::default(), [Arc::from("app")], 7);
    let now = Bench::new(OutboxConfig::default(), &[]).now();
    let lanes = ["SE_a", "SE_b", "SE_c"].map(|session| lane("app", session));
    for lane in &lanes[..2] {
        outbox.handle_pending(lane.clone());
        outbox.handle_head(lane, Some(row(lane)), now);
    }
    outbox.handle_delivered(&lanes[0], after(429, 60), now);
    outbox.handle_delivered(&lanes[1], code(200), now);
    while outbox.poll_output().is_some() {}
    outbox.handle_pending(lanes[2].clone());
    assert_eq!(outbox.poll_output(), None, "it rests");
}

fn row(lane: &Lane) -> OutboxRow {
    OutboxRow {
        event_id: format!("evt_{}", lane.session),
        lane: lane.clone(),
        event_seq: 1,
        kind: String::new(),
        body: String::new(),
        created_unix_ms: T0,
        attempts: 0,
        tried: Millis::ZERO,
        next_unix_ms: T0,
    }
}

#[test]
fn after_an_outage_the_first_success_wakes_all_lanes() {
    let (mut bench, _) = crowd(500, &[Outcome::Network; 100]);
    run(&mut bench, Millis::from_secs(24 * 3_600));
    assert_eq!(bench.outbox.stats().waiting, 500);
    bench.answers.clear();
    bench.jump().unwrap();
    assert_eq!(
        bench.outbox.stats().delivered_total,
        500,
        "at the moment of the first success"
    );
}

#[test]
fn a_success_does_not_make_an_event_be_tried_faster_whose_fault_is_its_own() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let poisoned = lane("app", "SE_poison");
    bench.answer(&poisoned, [code(400); 1_000]);
    bench.pend(&poisoned, 1);
    bench.drain();
    for n in 0..1_000 {
        bench.pend(&lane("app", &format!("SE_{n}")), 1);
        bench.drain();
    }
    let tries = bench
        .ids()
        .iter()
        .filter(|id| id.contains("poison"))
        .count();
    assert_eq!(tries, 2, "one more, at the first success after it");
    assert_eq!(bench.outbox.stats().delivered_total, 1_000);
}

#[test]
fn three_410s_over_ten_minutes_disable_an_endpoint_and_fewer_do_not() {
    let (mut bench, lanes) = crowd(100, &[code(410); 12]);
    let first = bench.posted.len();
    assert!((1..=16).contains(&first), "{first} requests at once");
    run(&mut bench, Millis(599_999));
    assert!(bench.disabled.is_empty(), "not before ten minutes");
    let probes = [1, 2, 4, 8, 16, 32, 64, 128, 256].len();
    assert_eq!(bench.posted.len(), first + probes, "after 1 s, doubling");
    run(&mut bench, Millis(1));
    assert_eq!(bench.disabled, [Arc::from("app")]);
    assert_eq!(bench.posted.len(), first + probes + 1);
    let stats = bench.outbox.stats();
    assert_eq!((stats.disabled, stats.lanes, stats.busy), (1, 0, 0));
    assert_eq!(bench.outbox.poll_timeout(), None, "it is left alone");
    bench.outbox.handle_pending(lanes[0].clone());
    bench.drain();
    assert_eq!(bench.outbox.stats().ignored_total, 1);
    assert!(
        bench.rows.values().all(|rows| rows.len() == 1),
        "all stay pending"
    );
    assert_eq!(bench.dead, [""; 0]);
}

#[test]
fn one_410_holds_up_nobody_for_longer_than_another_failure_would() {
    let (mut bench, _) = crowd(100, &[code(410)]);
    bench.answers.clear();
    run(&mut bench, Millis(1_000));
    assert_eq!(bench.outbox.stats().delivered_total, 100);
    assert!(bench.disabled.is_empty());
}

#[test]
fn a_success_between_410s_counts_them_anew_and_other_failures_do_not() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app", "other"]);
    let (well, gone) = (lane("app", "SE_a"), lane("other", "SE_a"));
    bench.answer(
        &well,
        [code(410), code(410), code(200), code(410), code(410)],
    );
    bench.answer(&gone, [code(410), code(500)].repeat(15));
    bench.pend(&well, 2);
    bench.pend(&gone, 2);
    bench.drain();
    run(&mut bench, Millis::from_secs(7_200));
    assert_eq!(bench.disabled, [Arc::from("other")]);
    assert!(bench.rows[&well].is_empty());
}

#[test]
fn a_410_while_other_lanes_post_lets_them_end_and_raises_one_alarm() {
    let config = OutboxConfig {
        gone_answers: 1,
        gone_after: Millis::ZERO,
        ..OutboxConfig::default()
    };
    let mut outbox = Outbox::new(config, [Arc::from("gone")], 7);
    let now = Bench::new(config, &[]).now();
    let lanes = ["SE_a", "SE_b", "SE_c"].map(|session| lane("gone", session));
    for lane in &lanes {
        outbox.handle_pending(lane.clone());
        outbox.handle_head(lane, Some(row(lane)), now);
    }
    outbox.handle_delivered(&lanes[0], code(410), now);
    outbox.handle_delivered(&lanes[1], code(200), now);
    outbox.handle_delivered(&lanes[2], code(410), now);
    let outputs: Vec<Output> = std::iter::from_fn(|| outbox.poll_output()).collect();
    let count = |which: fn(&Output) -> bool| outputs.iter().filter(|out| which(out)).count();
    assert_eq!(count(|out| matches!(out, Output::Disabled(_))), 1);
    assert_eq!(count(|out| matches!(out, Output::Mark(_))), 3);
    assert_eq!((outbox.stats().lanes, outbox.stats().busy), (0, 0));
}

#[test]
fn an_endpoint_is_enabled_alone_and_nothing_is_held_against_it() {
    let (mut bench, lanes) = crowd(20, &[code(410); 12]);
    run(&mut bench, Millis::from_secs(600));
    assert_eq!(bench.disabled.len(), 1);
    bench.answers.clear();
    bench.outbox.handle_enabled(&Arc::from("nobody"));
    assert_eq!(bench.outbox.stats().disabled, 1);
    bench.outbox.handle_enabled(&Arc::from("app"));
    assert_eq!(bench.outbox.stats().disabled, 0);
    for lane in lanes {
        bench.outbox.handle_pending(lane);
    }
    bench.drain();
    run(&mut bench, Millis::ZERO);
    // The event that was answered 410 last waits for its own next attempt.
    assert_eq!(bench.outbox.stats().delivered_total, 19);
    run(&mut bench, Millis::from_secs(3_600));
    assert_eq!(bench.outbox.stats().delivered_total, 20);
}

#[test]
fn an_endpoint_named_anew_is_enabled_and_nothing_is_held_against_it() {
    let (mut bench, lanes) = crowd(20, &[code(410); 12]);
    run(&mut bench, Millis::from_secs(600));
    assert_eq!(bench.disabled.len(), 1);
    bench.answers.clear();
    bench.outbox.handle_endpoints(&named(&[("app", false)]));
    assert_eq!(bench.outbox.stats().disabled, 0);
    for lane in lanes {
        bench.outbox.handle_pending(lane);
    }
    bench.drain();
    run(&mut bench, Millis::from_secs(3_600));
    assert_eq!(bench.outbox.stats().delivered_total, 20);
}

#[test]
fn an_endpoint_that_said_it_is_gone_and_is_named_anew_need_not_wait_for_its_probe() {
    let (mut bench, _) = crowd(20, &[code(410)]);
    bench.answers.clear();
    bench.outbox.handle_endpoints(&named(&[("app", false)]));
    bench.drain();
    assert_eq!(bench.outbox.stats().delivered_total, 20);
}

#[test]
fn naming_an_endpoint_anew_ends_its_rest_only_where_it_is_another() {
    for is_other in [false, true] {
        let (mut bench, _) = crowd(100, &[after(503, 600)]);
        let first = bench.posted.len();
        bench.answers.clear();
        bench.outbox.handle_endpoints(&named(&[("app", is_other)]));
        bench.drain();
        let more = if is_other { 100 } else { 0 };
        assert_eq!(bench.posted.len() - first, more, "is another: {is_other}");
    }
}

#[test]
fn an_endpoint_that_is_named_no_more_gets_nothing_and_what_is_under_way_ends() {
    let mut outbox = Outbox::new(OutboxConfig::default(), ["app", "old"].map(Arc::from), 7);
    let now = Bench::new(OutboxConfig::default(), &[]).now();
    let lanes = ["SE_a", "SE_b"].map(|session| lane("old", session));
    outbox.handle_pending(lanes[0].clone());
    outbox.handle_head(&lanes[0], Some(row(&lanes[0])), now);
    outbox.handle_pending(lanes[1].clone());
    while outbox.poll_output().is_some() {}
    outbox.handle_endpoints(&named(&[("app", false)]));
    outbox.handle_pending(lanes[1].clone());
    outbox.handle_head(&lanes[1], Some(row(&lanes[1])), now);
    assert_eq!(outbox.poll_output(), None);
    // Named again while its attempt is still under way: places are counted right.
    outbox.handle_endpoints(&named(&[("app", false), ("old", false)]));
    outbox.handle_delivered(&lanes[0], code(500), now);
    assert!(matches!(outbox.poll_output(), Some(Output::Mark(_))));
    outbox.handle_endpoints(&named(&[("app", false)]));
    let stats = outbox.stats();
    assert_eq!((stats.lanes, stats.busy, stats.waiting), (0, 0, 0));
    assert_eq!(outbox.poll_timeout(), None);
}

#[test]
fn one_that_is_new_gets_its_events_at_once() {
    let mut bench = Bench::new(OutboxConfig::default(), &[]);
    bench.outbox.handle_endpoints(&named(&[("new", true)]));
    bench.pend(&lane("new", "SE_a"), 3);
    bench.drain();
    assert_eq!(bench.outbox.stats().delivered_total, 3);
}
