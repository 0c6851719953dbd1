//! Layers by what a downlink carries, and what publishers are told to send.

use super::*;
use crate::base::{Bitrate, LimitedBy, Role};
use crate::media::{Picture, Temporal};

const CAROL: MemberKey = MemberKey(2);

/// Bytes of a packet of each layer: 20 packets a second make about 90, 250 and 890 kbit/s.
const SIZES: [(&str, usize); 3] = [("q", 520), ("h", 1_500), ("f", 5_500)];

/// A camera of three layers, its subscribers, and a clock.
struct Stage {
    room: Room,
    track: TrackKey,
    at: u64,
    seq: u64,
    /// The newest stream that each packet to BOB came from is told by its size.
    sent: Vec<usize>,
}

impl Stage {
    fn new() -> Stage {
        let mut room = Room::new(1);
        for (member, role) in [
            (ALICE, Role::Expert),
            (BOB, Role::Customer),
            (CAROL, Role::Guest),
        ] {
            let options = MemberOptions {
                auto_subscribe: member == BOB,
                role: Some(role),
                ..options("someone")
            };
            room.handle_joined(member, options);
            room.handle_active(member);
        }
        let layer = |(quality, width, kbps)| LayerSpec {
            quality,
            width,
            height: width * 9 / 16,
            bitrate: Bitrate::kbps(kbps),
        };
        let spec = PublicationSpec {
            sid: TrackSid::from("TR_VC1"),
            kind: TrackKind::Video,
            source: TrackSource::Camera,
            layers: [(0, 160, 100), (1, 320, 300), (2, 640, 1_000)]
                .map(layer)
                .to_vec(),
        };
        let track = room.publish(ALICE, spec);
        room.bind(track, Mid::from("0"));
        room.handle_section(BOB, track, Mid::from("1"));
        let mut stage = Stage {
            room,
            track,
            at: 1_000,
            seq: 0,
            sent: Vec::new(),
        };
        stage.events();
        stage
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.room.poll_output()).collect()
    }

    /// The publisher sends its layers for so long, each packet a keyframe; the downlink is shared
    /// ten times a second.
    fn run(&mut self, ms: u64, kbps: u64) {
        for _ in 0..ms / 50 {
            self.seq += 1;
            for (rid, size) in SIZES {
                let mut packet = packet(Some(rid), self.seq, true);
                packet.payload = Arc::from(vec![0; size]);
                let mut out = Vec::new();
                let now = Mono::from_millis(self.at);
                self.room.handle_packet(ALICE, &packet, now, &mut out);
                self.sent.extend(out.iter().map(|_| size));
            }
            if self.at.is_multiple_of(100) {
                self.share(kbps);
            }
            self.at += 50;
        }
    }

    fn share(&mut self, kbps: u64) -> Allocated {
        let budget = Budget {
            estimate: Bitrate::kbps(kbps),
            congested: true,
            calm: false,
            may_pause: true,
            floor: Bitrate::kbps(1_000),
        };
        self.room.allocate(BOB, budget, Mono::from_millis(self.at))
    }

    fn layer(&self) -> Option<&'static str> {
        let last = self.sent.last()?;
        SIZES
            .iter()
            .find(|(_, size)| size == last)
            .map(|(rid, _)| *rid)
    }

    fn view(&self) -> View {
        self.room.views().remove(0)
    }

    fn set(&mut self, settings: TrackSettings) {
        self.room.handle_track_settings(BOB, self.track, settings);
    }
}

#[test]
fn each_downlink_gets_the_layer_that_fits_it_and_says_what_limits_it() {
    for (kbps, layer, limited_by) in [
        (200, "q", LimitedBy::Downlink),
        (600, "h", LimitedBy::Downlink),
        (4_000, "f", LimitedBy::Source),
    ] {
        let mut stage = Stage::new();
        stage.run(8_000, kbps);
        assert_eq!(stage.layer(), Some(layer), "{kbps} kbit/s");
        assert_eq!(stage.view().limited_by, limited_by, "{kbps} kbit/s");
        let settled = stage.view().switches;
        stage.run(60_000, kbps);
        assert_eq!(stage.view().switches, settled, "{kbps} kbit/s");
    }
}

#[test]
fn a_fall_is_answered_at_once_and_a_climb_that_failed_waits() {
    let mut stage = Stage::new();
    stage.run(15_000, 1_400);
    stage.run(200, 600);
    assert_eq!(stage.layer(), Some("h"));
    stage.run(3_000, 1_400);
    assert_eq!(stage.layer(), Some("h"));
    stage.run(1_500, 1_400);
    assert_eq!(stage.layer(), Some("f"));
    stage.run(200, 600);
    stage.run(7_000, 1_400);
    assert_eq!(stage.layer(), Some("h"));
}

#[test]
fn a_link_that_carries_not_even_the_lowest_layer_pauses_the_video_and_tells_so() {
    let mut stage = Stage::new();
    stage.run(15_000, 600);
    stage.events();
    stage.run(2_500, 50);
    let paused = |paused| Event::StreamState {
        member: BOB,
        track: stage.track,
        paused,
    };
    let (stopped, resumed) = (paused(true), paused(false));
    assert!(stage.events().contains(&stopped));
    assert!(stage.view().paused);
    let before = stage.sent.len();
    stage.run(1_000, 50);
    assert_eq!(stage.sent.len(), before);
    stage.run(5_000, 600);
    assert!(stage.events().contains(&resumed));
    assert_eq!(stage.layer(), Some("h"));
}

#[test]
fn a_smaller_window_gets_the_smallest_layer_that_fills_it() {
    for (size, layer) in [
        ((160, 90), "q"),
        ((161, 90), "h"),
        ((640, 360), "f"),
        ((9_000, 9_000), "f"),
    ] {
        let mut stage = Stage::new();
        stage.set(TrackSettings {
            size: Some(size),
            ..TrackSettings::default()
        });
        stage.run(8_000, 4_000);
        assert_eq!(stage.layer(), Some(layer), "{size:?}");
    }
    let mut stage = Stage::new();
    stage.set(TrackSettings {
        quality: 0,
        ..TrackSettings::default()
    });
    stage.run(8_000, 4_000);
    assert_eq!(
        (stage.layer(), stage.view().limited_by),
        (Some("q"), LimitedBy::Request)
    );
}

#[test]
fn the_congestion_controller_is_asked_for_the_floor_and_for_what_is_wanted() {
    let mut stage = Stage::new();
    stage.run(5_000, 600);
    let sums = stage.share(600);
    assert!(
        sums.demand > Bitrate::kbps(800) && sums.carried < Bitrate::kbps(300),
        "{sums:?}"
    );
    assert!(
        sums.desired >= Bitrate::kbps(1_250) && sums.minimum > sums.demand,
        "{sums:?}"
    );
    stage.run(8_000, 4_000);
    let sums = stage.share(4_000);
    assert_eq!((sums.carried, sums.minimum), (sums.demand, Bitrate::ZERO));
}

#[test]
fn publishers_send_what_is_wanted_more_at_once_and_less_after_five_seconds() {
    let mut stage = Stage::new();
    let told = |stage: &mut Stage, after: u64| {
        stage.at += after;
        stage.room.handle_timeout(Mono::from_millis(stage.at));
        let wanted = stage.events().into_iter().filter_map(|event| match event {
            Event::QualityWanted { quality, .. } => Some(quality),
            Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::Admitted { .. }
            | Event::FirstSubscribed { .. }
            | Event::StreamState { .. }
            | Event::KeyframeWanted { .. } => None,
        });
        wanted.collect::<Vec<_>>()
    };
    let quality = |quality| TrackSettings {
        quality,
        ..TrackSettings::default()
    };
    assert_eq!(told(&mut stage, 0), [Some(2)]);
    stage.set(quality(0));
    assert_eq!(told(&mut stage, 100), []);
    assert_eq!(told(&mut stage, 4_900), []);
    assert_eq!(told(&mut stage, 100), [Some(0)]);
    stage.set(quality(1));
    assert_eq!(told(&mut stage, 0), [Some(1)]);
    stage.room.subscribe(CAROL, stage.track);
    assert_eq!(told(&mut stage, 0), [Some(2)]);
    stage.room.unsubscribe(CAROL, stage.track);
    stage.set(TrackSettings {
        enabled: false,
        ..TrackSettings::default()
    });
    assert_eq!(told(&mut stage, 0), []);
    stage.set(quality(2));
    assert_eq!(told(&mut stage, 6_000), []);
    stage.set(TrackSettings {
        enabled: false,
        ..TrackSettings::default()
    });
    assert_eq!(told(&mut stage, 0), []);
    assert_eq!(told(&mut stage, 5_000), [None]);
}

#[test]
fn frames_of_temporal_layers_are_left_out_without_a_gap() {
    let (mut room, track) = room_with_subscriber();
    let settings = TrackSettings {
        fps: 8,
        ..TrackSettings::default()
    };
    // Three layers at 40 frames a second: 0 2 1 2.
    let frame = |index: u64| {
        let id = [0, 2, 1, 2][usize::try_from(index % 4).unwrap()];
        let mut frame = packet(None, index, index == 0);
        frame.timestamp = u32::try_from(index).unwrap() * 2_250;
        frame.picture = Some(Picture {
            id: u16::try_from(index).unwrap(),
            tl0: Some(0),
        });
        frame.temporal = Some(Temporal { id, sync: id > 0 });
        frame
    };
    let mut got = Vec::new();
    for index in 0..400 {
        let now = Mono::from_millis(1_000 + index * 25);
        if index == 200 {
            room.handle_track_settings(BOB, track, settings);
        }
        let mut out = Vec::new();
        room.handle_packet(ALICE, &frame(index), now, &mut out);
        got.extend(out.into_iter().map(|forward| (index, forward.numbers)));
        let budget = Budget {
            estimate: Bitrate::kbps(9_000),
            congested: true,
            calm: false,
            may_pause: true,
            floor: Bitrate::ZERO,
        };
        room.allocate(BOB, budget, now);
    }
    let (full, base) = got.split_at(got.iter().position(|(index, _)| *index >= 204).unwrap());
    assert_eq!(full.len(), 201);
    assert!(base.iter().all(|(index, _)| index % 4 == 0) && base.len() == 49);
    let steps = got.windows(2).map(|pair| pair[1].1.seq - pair[0].1.seq);
    assert!(steps.into_iter().all(|step| step == 1));
    let last = base.last().unwrap();
    assert_eq!(
        last.1.picture.unwrap().id,
        u16::try_from(got.len()).unwrap() - 1
    );
}
