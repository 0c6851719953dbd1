//! The floor on links whose rate changes, with real congestion control, in virtual time.

use beistand::base::{Bitrate, Millis, PauseReason, SessionState};
use beistand::usage::EventKind;
use beistand_testing::{AUDIO, DELTA, KEYFRAME, World};
use str0m::media::MediaKind;

/// Breach and recovery of the default policy, and the time that the contract allows to notice.
const BREACH_MS: u64 = 10_000;
const NOTICE_MS: u64 = 2_000;
const BACK_MS: u64 = 15_000;

/// An expert with camera and microphone, a customer with a microphone, and what they were told.
struct Call {
    world: World,
    /// Milliseconds since the call began.
    at: u64,
    /// Video packets of the expert's in each 20 ms: 3 make 1.4 Mbit/s.
    video: u64,
    /// The expert speaks.
    sound: bool,
    heard: usize,
    /// Changes of the customer's floor: when, direction, state.
    changes: Vec<(u64, &'static str, String)>,
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
            sound: true,
            heard: 0,
            changes: Vec::new(),
        }
    }

    fn run(&mut self, seconds: u64) {
        for tick in 0..seconds * 50 {
            for _ in 0..self.video {
                let key = tick % 50 == 0;
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
    }

    fn listen(&mut self) {
        let packets = &self.world.clients[1].data;
        for packet in &packets[self.heard..] {
            if !packet.windows(14).any(|w| w == b"beistand.floor") {
                continue;
            }
            let start = packet.iter().position(|b| *b == b'{').expect("JSON");
            let end = packet.iter().rposition(|b| *b == b'}').expect("JSON");
            let told: serde_json::Value =
                serde_json::from_slice(&packet[start..=end]).expect("JSON");
            let me = &told["participants"][1];
            assert_eq!(me["identity"], "cu");
            for direction in ["up", "down"] {
                let state = me[direction]["state"].as_str().expect("a state").to_owned();
                let before = self.changes.iter().rev().find(|c| c.1 == direction);
                if before.is_none_or(|before| before.2 != state) {
                    self.changes.push((self.at, direction, state));
                }
            }
        }
        self.heard = packets.len();
    }

    /// When the downlink was in this state first after `from`.
    fn reached(&self, from: u64, state: &str) -> Option<u64> {
        let mut after = self.changes.iter().filter(|c| c.0 >= from && c.1 == "down");
        after.find(|c| c.2 == state).map(|c| c.0)
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
fn a_source_that_sends_little_by_choice_is_never_short_on_any_link() {
    for (kbps, seconds) in [(600, 600), (2_000, 60)] {
        let mut call = Call::new(Bitrate::kbps(kbps));
        call.video = 0;
        call.run(seconds);
        let states: Vec<&str> = call.changes.iter().map(|c| c.2.as_str()).collect();
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
