//! The outbox against a disk that is a map, in virtual time.

mod chaos;
mod endpoints;
mod tries;

use super::*;

const T0: Unix = Unix(1_795_500_000_000);

/// The machine, the rows that the store would hold, and what was posted.
struct Bench {
    outbox: Outbox,
    rows: BTreeMap<Lane, Vec<OutboxRow>>,
    /// Answers of a lane, used up one by one; then 200.
    answers: BTreeMap<Lane, VecDeque<Outcome>>,
    posted: Vec<(String, u32)>,
    dead: Vec<String>,
    disabled: Vec<Arc<str>>,
    elapsed: Millis,
    /// By how much the wall clock was set, in milliseconds.
    wall_step: i64,
    most_busy: usize,
}

fn lane(endpoint: &str, session: &str) -> Lane {
    Lane {
        endpoint: Arc::from(endpoint),
        session: SessionId::from(session),
    }
}

fn code(code: u16) -> Outcome {
    Outcome::Status {
        code,
        retry_after: None,
    }
}

impl Bench {
    fn new(config: OutboxConfig, endpoints: &[&str]) -> Bench {
        Bench {
            outbox: Outbox::new(config, endpoints.iter().map(|name| Arc::from(*name)), 7),
            rows: BTreeMap::new(),
            answers: BTreeMap::new(),
            posted: Vec::new(),
            dead: Vec::new(),
            disabled: Vec::new(),
            elapsed: Millis::ZERO,
            wall_step: 0,
            most_busy: 0,
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: Mono::ZERO + self.elapsed,
            unix: Unix((T0.0 + self.elapsed.0).saturating_add_signed(self.wall_step)),
        }
    }

    /// Puts events 1..=count of the lane on the disk and tells the machine.
    fn pend(&mut self, lane: &Lane, count: u64) {
        let created = self.now().unix;
        let rows = (1..=count).map(|event_seq| OutboxRow {
            event_id: format!("{}/{}/{event_seq}", lane.endpoint, lane.session),
            lane: lane.clone(),
            event_seq,
            kind: "session.usage".to_owned(),
            body: "{}".to_owned(),
            created_unix_ms: created,
            attempts: 0,
            tried: Millis::ZERO,
            next_unix_ms: created,
        });
        self.rows.insert(lane.clone(), rows.collect());
        self.outbox.handle_pending(lane.clone());
    }

    fn answer(&mut self, lane: &Lane, outcomes: impl IntoIterator<Item = Outcome>) {
        self.answers
            .entry(lane.clone())
            .or_default()
            .extend(outcomes);
    }

    /// Does what the machine asks until it asks for nothing.
    fn drain(&mut self) {
        while let Some(output) = self.outbox.poll_output() {
            self.most_busy = self.most_busy.max(self.outbox.stats().busy);
            let now = self.now();
            match output {
                Output::LoadHead(lane) => {
                    let head = self.rows.get(&lane).and_then(|rows| rows.first()).cloned();
                    self.outbox.handle_head(&lane, head, now);
                }
                Output::Post {
                    row,
                    timestamp_secs,
                } => {
                    assert_eq!(timestamp_secs, now.unix.secs());
                    self.posted.push((row.event_id.clone(), row.attempts));
                    let next = self
                        .answers
                        .get_mut(&row.lane)
                        .and_then(VecDeque::pop_front);
                    self.outbox
                        .handle_delivered(&row.lane, next.unwrap_or(code(200)), now);
                }
                Output::Mark(mark) => self.mark(&mark),
                Output::Disabled(name) => self.disabled.push(name),
            }
        }
    }

    fn mark(&mut self, mark: &Mark) {
        let rows = self.rows.get_mut(&mark.lane).unwrap();
        assert_eq!(rows[0].event_id, mark.event_id, "only a head is marked");
        match mark.verdict {
            Verdict::Retry(next) => {
                (rows[0].attempts, rows[0].tried) = (mark.attempts, mark.tried);
                rows[0].next_unix_ms = next;
            }
            Verdict::Delivered => drop(rows.remove(0)),
            Verdict::Dead => self.dead.push(rows.remove(0).event_id),
        }
    }

    /// Jumps to the next wake-up; answers how long that was.
    fn jump(&mut self) -> Option<Millis> {
        let (at, Reason::Retry) = self.outbox.poll_timeout()?;
        let wait = at.since(Mono::ZERO + self.elapsed);
        self.elapsed += wait;
        let now = self.now();
        self.outbox.handle_timeout(now);
        self.drain();
        Some(wait)
    }

    fn ids(&self) -> Vec<&str> {
        self.posted.iter().map(|(id, _)| id.as_str()).collect()
    }
}

#[test]
fn a_lane_goes_out_in_order_one_at_a_time_and_is_then_forgotten() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    bench.pend(&lane("app", "SE_a"), 3);
    bench.drain();
    assert_eq!(bench.ids(), ["app/SE_a/1", "app/SE_a/2", "app/SE_a/3"]);
    assert_eq!(bench.most_busy, 1);
    let stats = bench.outbox.stats();
    assert_eq!(
        (stats.lanes, stats.delivered_total, stats.retried_total),
        (0, 3, 0)
    );
}

#[test]
fn only_2xx_is_success() {
    let failures = [
        code(100),
        code(301),
        code(302),
        code(400),
        code(404),
        code(429),
        code(500),
        code(503),
    ];
    for failure in failures
        .into_iter()
        .chain([Outcome::TimedOut, Outcome::Network])
    {
        let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
        let lane = lane("app", "SE_a");
        bench.answer(&lane, [failure, code(204)]);
        bench.pend(&lane, 2);
        bench.drain();
        assert_eq!(bench.posted.len(), 1, "{failure:?}");
        bench.jump().unwrap();
        let expected = [("app/SE_a/1", 0), ("app/SE_a/1", 1), ("app/SE_a/2", 0)];
        assert_eq!(
            bench.posted,
            expected.map(|(id, n)| (id.to_owned(), n)),
            "{failure:?}"
        );
    }
}

#[test]
fn waits_double_from_a_second_to_an_hour_with_jitter_over_the_upper_half() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let lane = lane("app", "SE_a");
    bench.answer(&lane, [code(500); 20]);
    bench.pend(&lane, 1);
    bench.drain();
    let mut full = 1_000;
    for attempt in 1..=20 {
        let wait = bench.jump().unwrap().0;
        assert!(
            (full / 2..=full).contains(&wait),
            "attempt {attempt}: {wait} of {full}"
        );
        full = (full * 2).min(3_600_000);
    }
    assert_eq!(bench.outbox.stats().delivered_total, 1);
}

#[test]
fn retry_after_is_a_floor_up_to_an_hour() {
    for (asked, from, to) in [
        (0, 500, 1_000),
        (120_000, 120_000, 120_000),
        (90_000_000, 3_600_000, 3_600_000),
    ] {
        let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
        let lane = lane("app", "SE_a");
        bench.answer(
            &lane,
            [Outcome::Status {
                code: 503,
                retry_after: Some(Millis(asked)),
            }],
        );
        bench.pend(&lane, 1);
        bench.drain();
        let wait = bench.jump().unwrap().0;
        assert!((from..=to).contains(&wait), "{asked}: {wait}");
    }
}

#[test]
fn a_sick_session_or_endpoint_holds_up_no_other() {
    let mut bench = Bench::new(OutboxConfig::default(), &["good", "sick"]);
    let poisoned = lane("good", "SE_a");
    bench.answer(&poisoned, [code(400); 5]);
    bench.pend(&poisoned, 1);
    for session in 0..100 {
        let sick = lane("sick", &format!("SE_{session}"));
        bench.answer(&sick, [Outcome::TimedOut; 5]);
        bench.pend(&sick, 1);
        bench.pend(&lane("good", &format!("SE_{session}x")), 2);
    }
    bench.drain();
    assert_eq!(bench.outbox.stats().delivered_total, 200);
    assert_eq!(bench.outbox.stats().waiting, 101);
}

#[test]
fn at_most_16_lanes_of_an_endpoint_and_128_in_all_are_at_work() {
    let names: Vec<String> = (0..10).map(|n| format!("e{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = Bench::new(OutboxConfig::default(), &names);
    for session in 0..40 {
        bench.pend(&lane("e0", &format!("SE_{session}")), 1);
    }
    assert_eq!(
        (bench.outbox.stats().busy, bench.outbox.stats().queued),
        (16, 24)
    );
    for name in &names[1..] {
        for session in 0..40 {
            bench.pend(&lane(name, &format!("SE_{session}")), 1);
        }
    }
    assert_eq!(bench.outbox.stats().busy, 128);
    bench.drain();
    assert_eq!(bench.outbox.stats().delivered_total, 400);
    assert_eq!((bench.most_busy, bench.outbox.stats().lanes), (128, 0));
}

#[test]
fn a_free_place_goes_to_the_endpoints_in_turn() {
    let config = OutboxConfig {
        in_all: 1,
        ..OutboxConfig::default()
    };
    let mut bench = Bench::new(config, &["a", "b"]);
    for session in ["SE_1", "SE_2", "SE_3"] {
        bench.pend(&lane("a", session), 1);
    }
    bench.pend(&lane("b", "SE_1"), 1);
    bench.drain();
    assert_eq!(
        bench.ids(),
        ["a/SE_1/1", "b/SE_1/1", "a/SE_2/1", "a/SE_3/1"]
    );
}

#[test]
fn after_a_restart_a_lane_waits_until_its_row_says_but_never_over_an_hour() {
    for (ahead, wait) in [
        (0, None),
        (90_000, Some(90_000)),
        (90_000_000, Some(3_600_000)),
    ] {
        let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
        let lane = lane("app", "SE_a");
        bench.pend(&lane, 1);
        let row = &mut bench.rows.get_mut(&lane).unwrap()[0];
        (row.next_unix_ms, row.attempts) = (Unix(T0.0 + ahead), 4);
        bench.drain();
        assert_eq!(bench.jump().map(|wait| wait.0), wait);
        assert_eq!(
            bench.posted,
            [("app/SE_a/1".to_owned(), 4)],
            "attempts are counted on"
        );
    }
}

#[test]
fn a_wall_clock_set_back_delays_nothing() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let lane = lane("app", "SE_a");
    bench.answer(&lane, [code(500)]);
    bench.pend(&lane, 1);
    bench.drain();
    let (at, Reason::Retry) = bench.outbox.poll_timeout().unwrap();
    let now = Now {
        mono: at,
        unix: Unix(T0.0 - 86_400_000),
    };
    bench.outbox.handle_timeout(now);
    let head = bench.rows[&lane][0].clone();
    assert_eq!(
        bench.outbox.poll_output(),
        Some(Output::LoadHead(lane.clone()))
    );
    bench.outbox.handle_head(&lane, Some(head), now);
    assert!(matches!(
        bench.outbox.poll_output(),
        Some(Output::Post { .. })
    ));
}

#[test]
fn an_event_written_while_the_empty_head_is_on_its_way_is_not_forgotten() {
    let mut outbox = Outbox::new(OutboxConfig::default(), [Arc::from("app")], 7);
    let now = Now {
        mono: Mono::ZERO,
        unix: T0,
    };
    let lane = lane("app", "SE_a");
    outbox.handle_pending(lane.clone());
    assert_eq!(outbox.poll_output(), Some(Output::LoadHead(lane.clone())));
    outbox.handle_pending(lane.clone());
    outbox.handle_head(&lane, None, now);
    assert_eq!(outbox.poll_output(), Some(Output::LoadHead(lane.clone())));
    outbox.handle_head(&lane, None, now);
    assert_eq!((outbox.poll_output(), outbox.stats().lanes), (None, 0));
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut outbox = Outbox::new(OutboxConfig::default(), [Arc::from("app")], 7);
    let now = Now {
        mono: Mono::ZERO,
        unix: T0,
    };
    outbox.handle_head(&lane("app", "SE_a"), None, now);
    outbox.handle_delivered(&lane("app", "SE_a"), code(200), now);
    outbox.handle_pending(lane("removed", "SE_a"));
    assert_eq!(
        (outbox.poll_output(), outbox.stats().ignored_total),
        (None, 1)
    );
}

#[test]
fn everything_arrives_within_an_hour_of_a_day_long_outage() {
    let mut bench = Bench::new(OutboxConfig::default(), &["app"]);
    let day = Millis::from_secs(24 * 3_600);
    let lanes: Vec<Lane> = (0..500).map(|n| lane("app", &format!("SE_{n}"))).collect();
    for lane in &lanes {
        bench.answer(lane, [code(500); 1_000]);
        bench.pend(lane, 5);
    }
    bench.drain();
    while bench
        .outbox
        .poll_timeout()
        .is_some_and(|(at, _)| at <= Mono::ZERO + day)
    {
        bench.jump();
    }
    bench.answers.clear();
    while bench.jump().is_some() {}
    assert_eq!(bench.outbox.stats().delivered_total, 2_500);
    assert!(
        bench.elapsed <= day + Millis::from_secs(3_600),
        "{}",
        bench.elapsed
    );
}
