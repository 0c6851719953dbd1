//! The floor on links whose rate changes, with real congestion control, in virtual time.

use beistand::base::{Bitrate, Millis, PauseReason, SessionState};
use beistand::usage::EventKind;
use beistand_testing::{AUDIO, DELTA, KEYFRAME, World};
use str0m::media::MediaKind;

/// Breach and recovery of the default policy, and the time that the contract allows to notice.
const BREACH_MS: u64 = 10_000;
const NOTICE_MS: u64 = 2_000;
const BACK_MS: u64 = 15_000;
/// Of it, the time after which an end of the evidence ends a breach.
const RESTORE_MS: u64 = 5_000;
/// Within this time a picture is back, whenever its link becomes wide again.
const BACK_AT_WORST_MS: u64 = 30_000;

/// What a data packet carries.
fn json(packet: &[u8]) -> serde_json::Value {
    let start = packet.iter().position(|b| *b == b'{').expect("JSON");
    let end = packet.iter().rposition(|b| *b == b'}').expect("JSON");
    serde_json::from_slice(&packet[start..=end]).expect("JSON")
}

/// An expert with camera and microphone, a customer with a microphone, and what they were told.
struct Call {
    world: World,
    /// Milliseconds since the call began.
    at: u64,
    /// Video packets of the expert's at once, and after how many times 20 ms the next come: 3 each time
    /// make 1.4 Mbit/s.
    video: u64,
    every: u64,
    /// The expert speaks.
    sound: bool,
    heard: usize,
    /// Changes of the floors: when, whose, direction, state.
    changes: Vec<(u64, &'static str, &'static str, String)>,
}

impl Call {
    fn new(down: Bitrate) -> Call {
        let mut world = World::new(7);
        world.join("help", "ex", Some("expert"));
        world.join("help", "cu", Some("customer"));
        world.run(Millis(500));
        world.clients[1].down.rate = Some(down);
        world.publish_all(0, &[MediaKind::Video, MediaKind::Audio]);
        world.publish(1, MediaKind::Audio);
        world.run(Millis(1_000));
        Call {
            world,
            at: 0,
            video: 3,
            every: 1,
            sound: true,
            heard: 0,
            changes: Vec::new(),
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 50 {
            self.tick();
        }
    }

    /// 20 ms pass.
    fn tick(&mut self) {
        let tick = self.at / 20;
        let video = if tick.is_multiple_of(self.every) {
            self.video
        } else {
            0
        };
        for _ in 0..video {
            let key = tick.is_multiple_of(50);
            self.world
                .send_media(0, if key { &KEYFRAME } else { &DELTA });
        }
        if self.sound {
            self.world.send_media(0, &AUDIO);
        }
        self.world.send_media(1, &AUDIO);
        self.world.run(Millis(20));
        self.at += 20;
        self.listen();
    }

    fn listen(&mut self) {
        let packets = &self.world.clients[1].data[self.heard..];
        let of_the_floor = |packet: &&Vec<u8>| packet.windows(14).any(|w| w == b"beistand.floor");
        let words: Vec<serde_json::Value> = packets
            .iter()
            .filter(of_the_floor)
            .map(|packet| json(packet))
            .collect();
        self.heard += packets.len();
        for told in words {
            for (index, who) in ["ex", "cu"].into_iter().enumerate() {
                let told = &told["participants"][index];
                assert_eq!(told["identity"], who);
                for direction in ["up", "down"] {
                    let state = told[direction]["state"].as_str().expect("a state");
                    self.note(who, direction, state);
                }
            }
        }
    }

    fn note(&mut self, who: &'static str, direction: &'static str, state: &str) {
        let same = |change: &&(u64, &str, &str, String)| (change.1, change.2) == (who, direction);
        let before = self.changes.iter().rev().find(same);
        if before.is_none_or(|before| before.3 != state) {
            self.changes
                .push((self.at, who, direction, state.to_owned()));
        }
    }

    /// When the customer's downlink was in this state first after `from`.
    fn reached(&self, from: u64, state: &str) -> Option<u64> {
        self.reached_by(("cu", "down"), from, state)
    }

    /// When the expert's uplink was.
    fn uplink_reached(&self, from: u64, state: &str) -> Option<u64> {
        self.reached_by(("ex", "up"), from, state)
    }

    fn reached_by(&self, which: (&str, &str), from: u64, state: &str) -> Option<u64> {
        let mut after = self.changes.iter().filter(|change| change.0 >= from);
        let found = after.find(|change| (change.1, change.2) == which && change.3 == state);
        found.map(|change| change.0)
    }

    /// Bits a second that the customer got of pictures in the last second of `seconds`.
    fn got(&mut self, seconds: u64) -> u64 {
        self.run(seconds - 1);
        let before = self.world.clients[1].received_bytes;
        self.run(1);
        (self.world.clients[1].received_bytes - before) * 8
    }

    /// The pause in the ledger is the breach, to a tenth of a second, and billing is told in order.
    fn the_pause_is_the_breach(&mut self, breached: u64, restored: u64) {
        self.run(2);
        let below = SessionState::Paused(PauseReason::BelowFloor);
        let totals = self
            .world
            .appended
            .iter()
            .map(|append| &append.entry.totals);
        let last = totals
            .flat_map(|totals| totals.intervals.iter())
            .rfind(|interval| interval.state == below);
        let pause = last.map(|i| i.end_unix_ms.0 - i.start_unix_ms.0);
        let told = restored - breached;
        assert!(
            pause.is_some_and(|ms| ms.abs_diff(told) <= 100),
            "{pause:?} of {told}"
        );
        let events = self.world.appended.iter().flat_map(|append| &append.events);
        let of_the_floor = events.filter(|event| !event.body.contains(r#""kind":"preflight""#));
        let kinds = of_the_floor.map(|event| event.kind);
        let story = kinds.filter(|kind| {
            [
                EventKind::SessionWarning,
                EventKind::SessionPaused,
                EventKind::SessionResumed,
            ]
            .contains(kind)
        });
        assert_eq!(
            story.collect::<Vec<_>>(),
            [
                EventKind::SessionWarning,
                EventKind::SessionPaused,
                EventKind::SessionWarning,
                EventKind::SessionResumed,
            ]
        );
    }

    fn up(&mut self, kbps: u64) {
        self.world.clients[0].up.rate = Some(Bitrate::kbps(kbps));
    }

    fn down(&mut self, kbps: u64) {
        self.world.clients[1].down.rate = Some(Bitrate::kbps(kbps));
    }
}

#[test]
fn a_downlink_below_the_floor_is_breached_in_time_and_the_picture_comes_back() {
    let mut call = Call::new(Bitrate::kbps(2_000));
    assert!(call.got(20) > 1_300_000);
    let step = call.at;
    call.down(400);
    call.run(25);
    let breached = call.reached(step, "breached").expect("a breach");
    let limit = step + BREACH_MS + NOTICE_MS;
    assert!(
        breached <= limit,
        "{breached} of {limit}: {:?}",
        call.changes
    );
    let heard = call.got(5);
    assert!(
        (31_000..60_000).contains(&heard),
        "sound alone, {heard} bit/s"
    );
    let back = call.at;
    call.down(2_000);
    assert!(call.got(BACK_MS / 1_000) > 1_300_000, "{:?}", call.changes);
    let restored = call.reached(back, "met");
    call.the_pause_is_the_breach(breached, restored.unwrap_or_default());
    assert!(
        restored.is_some_and(|at| at <= back + BACK_MS),
        "{:?}",
        call.changes
    );
}

#[test]
fn a_picture_alone_that_was_paused_comes_back_too() {
    let mut call = Call::new(Bitrate::kbps(2_000));
    call.sound = false;
    call.run(15);
    assert!(call.got(15) > 1_200_000);
    call.down(300);
    assert_eq!(call.got(15), 0);
    call.down(2_000);
    assert!(call.got(BACK_MS / 1_000) > 1_200_000, "{:?}", call.changes);
}

#[test]
fn a_picture_comes_back_whenever_its_link_becomes_wide_again() {
    for (phase, sound) in (0..6).flat_map(|phase| [(phase, true), (phase, false)]) {
        let mut call = Call::new(Bitrate::kbps(2_000));
        call.sound = sound;
        call.run(20);
        call.down(300);
        call.run(15);
        for _ in 0..phase * 97 {
            call.tick();
        }
        call.down(2_000);
        let wide = call.at;
        let seconds = 1..=BACK_AT_WORST_MS / 1_000;
        let is_back = seconds.into_iter().any(|_| {
            let before = call.world.clients[1].received_bytes;
            call.run(1);
            (call.world.clients[1].received_bytes - before) * 8 > 1_200_000
        });
        let took = call.at - wide;
        println!("phase {phase}, sound {sound}: {took} ms");
        assert!(is_back, "phase {phase}, sound {sound}: {:?}", call.changes);
    }
}

#[test]
fn a_source_that_sends_little_by_choice_is_never_short_on_any_link() {
    for (kbps, seconds) in [(600, 600), (2_000, 60)] {
        let mut call = Call::new(Bitrate::kbps(kbps));
        call.video = 0;
        call.run(seconds);
        let customers = call.changes.iter().filter(|change| change.1 == "cu");
        let states: Vec<&str> = customers.map(|change| change.3.as_str()).collect();
        assert!(
            states
                .iter()
                .all(|state| ["unproven", "met"].contains(state)),
            "{kbps} kbit/s: {:?}",
            call.changes
        );
    }
}

#[test]
fn a_link_that_carries_the_floor_but_no_more_is_met() {
    let mut call = Call::new(Bitrate::kbps(1_300));
    call.video = 2;
    call.run(60);
    assert!(call.reached(0, "met").is_some(), "{:?}", call.changes);
    assert_eq!(call.reached(0, "short"), None, "{:?}", call.changes);
}

#[test]
fn an_uplink_that_loss_alone_speaks_against_is_asked_for_filler_once() {
    let mut call = Call::new(Bitrate::kbps(3_000));
    call.run(5);
    call.video = 1;
    call.world.clients[0].up.lost = Some(5);
    call.run(15);
    let told = call.world.clients[0].data.iter();
    let asked = told.filter(|p| p.windows(14).any(|w| w == b"beistand.probe"));
    assert_eq!(asked.count(), 1);
    let expert = call.world.clients[1].data.last().expect("messages");
    assert!(!expert.windows(14).any(|w| w == b"beistand.probe"));
}

/// The expert's link gets narrow, and its congestion control bends to it: too much is sent for two
/// seconds, then far less than the link carries. Returns when the link got narrow.
fn narrow(call: &mut Call) -> u64 {
    call.up(2_000);
    call.run(15);
    assert!(
        call.uplink_reached(0, "met").is_some(),
        "{:?}",
        call.changes
    );
    let step = call.at;
    call.up(400);
    call.run(2);
    // 150 kbit/s.
    (call.video, call.every) = (1, 3);
    step
}

#[test]
fn an_uplink_below_the_floor_is_breached_in_time_though_its_publisher_bends_to_it() {
    let mut call = Call::new(Bitrate::kbps(3_000));
    let step = narrow(&mut call);
    call.run(23);
    let breached = call.uplink_reached(step, "breached").expect("a breach");
    let limit = step + BREACH_MS + NOTICE_MS;
    assert!(
        breached <= limit,
        "{breached} of {limit}: {:?}",
        call.changes
    );
    // Wide again: it climbs, first to what the narrow link carried, then to all.
    let back = call.at;
    call.up(2_000);
    (call.video, call.every) = (1, 2);
    call.run(3);
    (call.video, call.every) = (3, 1);
    call.run(8);
    let restored = call.uplink_reached(back, "met").unwrap_or_default();
    let limit = back + 3_000 + RESTORE_MS + NOTICE_MS;
    assert!(
        (back + 3_000 + RESTORE_MS..=limit).contains(&restored),
        "{restored} of {limit}: {:?}",
        call.changes
    );
    call.the_pause_is_the_breach(breached, restored);
}

#[test]
fn a_publisher_that_sends_little_after_a_shortage_shows_by_filler_that_its_link_is_wide_again() {
    let mut call = Call::new(Bitrate::kbps(3_000));
    let step = narrow(&mut call);
    call.run(18);
    assert!(call.uplink_reached(step, "breached").is_some());
    call.up(2_000);
    let asked = |call: &Call| {
        let told = call.world.clients[0].data.iter();
        told.filter(|p| p.windows(14).any(|w| w == b"beistand.probe"))
            .count()
    };
    while asked(&call) == 0 && call.at < step + 60_000 {
        call.run(1);
    }
    assert!(
        call.uplink_reached(step, "met").is_none(),
        "{:?}",
        call.changes
    );
    // A second of what is asked for, 1 Mbit/s, beside what is sent anyway.
    let answered = call.at;
    for _ in 0..50 {
        for _ in 0..3 {
            call.world.send_data(0, &[0; 850]);
        }
        call.tick();
    }
    call.run(8);
    let restored = call.uplink_reached(answered, "met").unwrap_or_default();
    let limit = answered + 1_000 + RESTORE_MS + NOTICE_MS;
    assert!(
        (answered + RESTORE_MS..=limit).contains(&restored),
        "{restored} of {limit}: {:?}",
        call.changes
    );
    assert_eq!(asked(&call), 1);
}
