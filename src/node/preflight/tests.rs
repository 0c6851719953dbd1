//! Both sides of a preflight in virtual time, over a link with a rate and a queue.

use super::*;
use crate::base::{Mono, NodeId, Now, RoomKey, Unix};
use crate::node::{Output, Shard, ShardConfig};
use crate::peer::signal::token::Keys;
use crate::peer::transport::Factory;
use crate::session::{Policies, Policy};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// IPv4 and UDP headers.
const HEADERS: usize = 28;
/// What the queue before a slow link holds.
const QUEUE_MS: u64 = 200;
const FLOORS: Targets = Targets {
    up_floor_bps: 1_000_000,
    down_floor_bps: 1_000_000,
};

/// One direction: a rate, a delay, a queue that drops at its tail.
struct Line {
    bps: u64,
    delay_us: u64,
    free_us: u64,
    on_its_way: VecDeque<(u64, Vec<u8>)>,
}

impl Line {
    fn new(bps: u64, delay_ms: u64) -> Line {
        Line {
            bps,
            delay_us: delay_ms * 1_000,
            free_us: 0,
            on_its_way: VecDeque::new(),
        }
    }

    fn push(&mut self, bytes: Vec<u8>, now: Mono) {
        let start = self.free_us.max(now.micros());
        if start - now.micros() > QUEUE_MS * 1_000 {
            return;
        }
        let bits = u64::try_from((bytes.len() + HEADERS) * 8).unwrap();
        self.free_us = start + bits * 1_000_000 / self.bps;
        self.on_its_way
            .push_back((self.free_us + self.delay_us, bytes));
    }

    fn due(&self) -> Option<Mono> {
        let (at, _) = self.on_its_way.front()?;
        Some(Mono::from_micros(*at))
    }

    fn pop(&mut self, now: Mono) -> Option<Vec<u8>> {
        let arrived = self.due().is_some_and(|at| at <= now);
        let first = arrived.then(|| self.on_its_way.pop_front()).flatten();
        first.map(|(_, bytes)| bytes)
    }
}

struct World {
    now: Mono,
    shard: Shard,
    prober: Prober,
    up: Line,
    down: Line,
    outcome: Option<Outcome>,
    verdict: Option<Vec<u8>>,
}

fn node() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 7882))
}

fn client() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 40_000))
}

fn shard(factory: &Factory) -> Shard {
    let secret = "0123456789abcdef0123456789abcdef";
    let config = ShardConfig {
        factory: factory.clone(),
        advertised: vec![node()],
        node: NodeId::from("ND_test"),
        keys: Arc::new(Keys::new([("key", secret)]).unwrap()),
        policies: Arc::new(Policies::of_keys(
            [("default".to_owned(), Policy::default())].into(),
        )),
    };
    Shard::new(config, 1, at(Mono::ZERO))
}

fn at(mono: Mono) -> Now {
    Now {
        mono,
        unix: Unix(1_700_000_000_000 + mono.millis().0),
    }
}

fn request(sdp: String, targets: Targets) -> PreflightRequest {
    PreflightRequest {
        id: "PF_test".into(),
        room: RoomKey::of_keys("room"),
        identity: "karl".into(),
        targets,
        sdp,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "str0m wants an instant to count from"
)]
fn factory() -> Factory {
    Factory::new(Instant::now()).unwrap()
}

impl World {
    fn new(targets: Targets, up: Line, down: Line) -> World {
        let factory = factory();
        let mut shard = shard(&factory);
        let (mut probe, offer) = factory.prober(Mono::ZERO).unwrap();
        let answer = shard.handle_preflight(request(offer, targets), at(Mono::ZERO));
        let answer = answer.unwrap();
        assert_eq!(probe.handle_answer(&answer.sdp).unwrap(), [node()]);
        probe.add_local(client());
        probe.handle_timeout(Mono::ZERO);
        World {
            now: Mono::ZERO,
            shard,
            prober: Prober::new(probe),
            up,
            down,
            outcome: None,
            verdict: None,
        }
    }

    fn step(&mut self) {
        while let Some(output) = self.prober.poll_output(self.now) {
            match output {
                ProberOutput::Datagram { bytes, .. } => self.up.push(bytes, self.now),
                ProberOutput::Progress(_) | ProberOutput::Closed => {}
                ProberOutput::Verdict(json) => self.verdict = Some(json),
            }
        }
        while let Some(output) = self.shard.poll_output() {
            if let Output::Preflighted { outcome, .. } = output {
                assert!(self.outcome.replace(outcome).is_none(), "told twice");
            } else if let Output::Datagram { bytes, .. } = output {
                self.down.push(bytes, self.now);
            }
        }
        let wakes = [
            self.prober.poll_timeout(),
            self.shard.poll_timeout(),
            self.up.due(),
            self.down.due(),
        ];
        let next = wakes.into_iter().flatten().min().unwrap_or(self.now);
        self.now = next.max(self.now);
        while let Some(bytes) = self.up.pop(self.now) {
            self.shard.handle_datagram(client(), &bytes, at(self.now));
        }
        while let Some(bytes) = self.down.pop(self.now) {
            self.prober
                .handle_datagram((node(), client()), &bytes, self.now);
        }
        self.prober.handle_timeout(self.now);
        self.shard.handle_timeout(at(self.now));
    }

    fn until(&mut self, ms: u64) {
        let mut steps = 0;
        while self.now < Mono::from_millis(ms) && self.shard.poll_timeout().is_some() {
            self.step();
            steps += 1;
            assert!(steps < 200_000, "a deadline is never met");
        }
    }
}

/// The outcome over a link with these rates, and when it was there.
fn measure(targets: Targets, up_bps: u64, down_bps: u64) -> (crate::base::Verdict, Mono) {
    let mut world = World::new(targets, Line::new(up_bps, 15), Line::new(down_bps, 15));
    while world.verdict.is_none() && world.now < Mono::from_millis(15_000) {
        world.step();
    }
    let end = world.now;
    let Some(Outcome::Done(verdict)) = world.outcome else {
        panic!("{up_bps} up, {down_bps} down: {:?}", world.outcome)
    };
    let told: serde_json::Value = serde_json::from_slice(&world.verdict.unwrap()).unwrap();
    assert_eq!(told["up_bps"], verdict.up_bps);
    assert_eq!(told["passed"], verdict.passed);
    (verdict, end)
}

fn is_within_15_percent(measured: u64, link: u64) -> bool {
    let wanted = link.min(FLOORS.up_bps());
    measured.abs_diff(wanted) * 100 <= wanted * 15
}

#[test]
fn each_direction_is_measured_alone_and_judged_by_its_floor() {
    const FAST: u64 = 100_000_000;
    for (link, enough) in [
        (300_000, false),
        (800_000, false),
        (1_200_000, true),
        (3_000_000, true),
    ] {
        for (up, down) in [(link, FAST), (FAST, link), (link, link)] {
            let (verdict, end) = measure(FLOORS, up, down);
            let context = format!("{up} up, {down} down: {verdict:?}");
            assert!(is_within_15_percent(verdict.up_bps, up), "{context}");
            assert!(is_within_15_percent(verdict.down_bps, down), "{context}");
            assert_eq!(verdict.passed, enough, "{context}");
            assert!((30..80).contains(&verdict.rtt_ms), "{context}");
            let lossy = link < FLOORS.up_bps();
            assert_eq!(
                verdict.up_loss_permille > 50,
                lossy && up == link,
                "{context}"
            );
            assert_eq!(
                verdict.down_loss_permille > 50,
                lossy && down == link,
                "{context}"
            );
            assert!(end <= Mono::from_millis(6_000), "{end:?}: {context}");
        }
    }
}

#[test]
fn a_floor_of_nothing_sends_nothing_and_passes() {
    let targets = Targets {
        up_floor_bps: 0,
        down_floor_bps: 0,
    };
    let (verdict, _) = measure(targets, 300_000, 300_000);
    assert!(verdict.passed);
    assert_eq!((verdict.up_bps, verdict.down_bps), (0, 0));
}

#[test]
fn a_high_floor_is_measured_too() {
    let targets = Targets {
        up_floor_bps: 20_000_000,
        down_floor_bps: 20_000_000,
    };
    let (verdict, _) = measure(targets, 100_000_000, 22_000_000);
    assert!(
        verdict.up_bps.abs_diff(30_000_000) < 1_500_000,
        "{verdict:?}"
    );
    assert!(
        verdict.down_bps.abs_diff(22_000_000) < 1_500_000,
        "{verdict:?}"
    );
    assert!(verdict.passed);
}

#[test]
fn a_client_that_never_connects_fails_after_5_s_and_leaves_nothing() {
    let mut world = World::new(FLOORS, Line::new(1, 0), Line::new(1, 0));
    while world.shard.poll_timeout().is_some() {
        world.now = world.shard.poll_timeout().unwrap().max(world.now);
        world.shard.handle_timeout(at(world.now));
        while let Some(output) = world.shard.poll_output() {
            if let Output::Preflighted { outcome, .. } = output {
                world.outcome = Some(outcome);
                assert_eq!(world.now, Mono::from_millis(5_000));
            }
        }
    }
    assert_eq!(
        world.outcome,
        Some(Outcome::Failed(Failure::NeverConnected))
    );
    assert_eq!(world.now, Mono::from_millis(6_000));
}

#[test]
fn a_client_that_falls_silent_while_it_is_measured_fails_and_leaves_nothing() {
    let mut world = World::new(FLOORS, Line::new(10_000_000, 5), Line::new(10_000_000, 5));
    world.until(2_000);
    world.up = Line::new(1, 1_000_000);
    world.until(20_000);
    assert_eq!(world.outcome, Some(Outcome::Failed(Failure::NoReport)));
    assert_eq!(world.shard.poll_timeout(), None);
}

#[test]
fn an_offer_that_is_none_is_refused_and_a_worker_has_a_last_place() {
    let factory = factory();
    let mut shard = shard(&factory);
    let now = at(Mono::ZERO);
    for bad in [
        "",
        "v=0",
        "v=0\r\nm=video 9 x 96\r\na=mid:0\r\na=recvonly\r\n",
    ] {
        let refused = shard.handle_preflight(request(bad.to_owned(), FLOORS), now);
        assert!(
            matches!(refused, Err(PreflightRefusal::Offer(_))),
            "{bad}: {refused:?}"
        );
    }
    let (_, offer) = factory.prober(Mono::ZERO).unwrap();
    for _ in 0..256 {
        assert!(
            shard
                .handle_preflight(request(offer.clone(), FLOORS), now)
                .is_ok()
        );
    }
    let full = shard.handle_preflight(request(offer, FLOORS), now);
    assert_eq!(full, Err(PreflightRefusal::Full));
}
