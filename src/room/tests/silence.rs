//! Layers that stop, and layers that are only slow, late or lost.

use super::*;
use crate::base::{Bitrate, Rng};
use std::collections::BTreeMap;
use std::ops::Range;

/// The way to the publisher and back, in milliseconds.
const ROUND_TRIP: u64 = 40;
const LAYERS: [&str; 3] = ["q", "h", "f"];
const SIZES: [usize; 3] = [150, 500, 20_000];
const ALWAYS: Range<u64> = 0..0;

/// A camera of three layers whose frames are one packet each, so that each loss is a whole frame.
struct Camera {
    room: Room,
    rng: Rng,
    at: u64,
    every: u64,
    jitter: u64,
    lost_percent: u64,
    /// When a layer sends nothing, by its index.
    off: [Range<u64>; 3],
    captured: u64,
    /// By the time of arrival.
    sky: BTreeMap<(u64, u64), Packet>,
    /// From when on the next frame of a layer is a keyframe.
    keyframe_from: [Option<u64>; 3],
    /// When a keyframe was asked for, and of which layer.
    asked: Vec<(u64, &'static str)>,
    /// What went to the subscriber: when, of which layer, and whether it begins a keyframe.
    got: Vec<(u64, &'static str, bool)>,
}

impl Camera {
    fn new(seed: u64, every: u64) -> Camera {
        let (room, _) = room_with_subscriber();
        Camera {
            room,
            rng: Rng::from_seed(seed),
            at: 1_000,
            every,
            jitter: 0,
            lost_percent: 0,
            off: [ALWAYS; 3],
            captured: 0,
            sky: BTreeMap::new(),
            keyframe_from: [Some(0); 3],
            asked: Vec::new(),
            got: Vec::new(),
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            if self.at.is_multiple_of(self.every) {
                self.capture();
            }
            while let Some(entry) = self.sky.first_entry()
                && entry.key().0 <= self.at
            {
                let packet = entry.remove();
                self.arrive(&packet);
            }
            if self.at.is_multiple_of(100) {
                let budget = Budget {
                    estimate: Bitrate::kbps(90_000),
                    congested: false,
                    calm: true,
                    may_pause: false,
                    floor: Bitrate::ZERO,
                };
                self.room.allocate(BOB, budget, Mono::from_millis(self.at));
            }
            self.at += 1;
        }
    }

    fn capture(&mut self) {
        self.captured += 1;
        for (index, rid) in LAYERS.into_iter().enumerate() {
            if self.off[index].contains(&self.at) {
                continue;
            }
            let keyframe = self.keyframe_from[index].is_some_and(|from| from <= self.at);
            if keyframe {
                self.keyframe_from[index] = None;
            }
            let mut packet = packet(Some(rid), self.captured, keyframe);
            packet.payload = Arc::from(vec![0; SIZES[index]]);
            packet.timestamp = u32::try_from(self.at * 90).unwrap();
            let late = self.rng.below(self.jitter + 1);
            if self.rng.below(100) >= self.lost_percent {
                let way = (
                    self.at + ROUND_TRIP / 2 + late,
                    self.captured * 3 + index as u64,
                );
                self.sky.insert(way, packet);
            }
        }
    }

    fn arrive(&mut self, packet: &Packet) {
        let rid = packet.stream.rid.unwrap();
        let rid = *LAYERS.iter().find(|one| **one == rid.as_str()).unwrap();
        if sent(&mut self.room, packet, self.at) > 0 {
            self.got.push((self.at, rid, packet.keyframe));
        }
        while let Some(event) = self.room.poll_output() {
            let Event::KeyframeWanted { stream, .. } = event else {
                continue;
            };
            let of = |rid: &&str| stream.rid.is_some_and(|wanted| wanted.as_str() == *rid);
            let index = LAYERS.iter().position(|rid| of(&rid)).unwrap();
            self.asked.push((self.at, LAYERS[index]));
            self.keyframe_from[index] = Some(self.at + ROUND_TRIP / 2);
        }
    }

    /// The longest time without a picture since `from`.
    fn gap(&self, from: u64) -> u64 {
        let times = self.got.iter().map(|one| one.0).filter(|at| *at >= from);
        let times: Vec<u64> = times.collect();
        times.windows(2).map(|two| two[1] - two[0]).max().unwrap()
    }

    /// The layers that were shown one after the other since `from`.
    fn shown(&self, from: u64) -> Vec<&'static str> {
        let since = self.got.iter().filter(|one| one.0 >= from);
        let mut shown: Vec<&str> = since.map(|one| one.1).collect();
        shown.dedup();
        shown
    }

    fn asked(&self, from: u64) -> Vec<&'static str> {
        let since = self.asked.iter().filter(|one| one.0 >= from);
        since.map(|one| one.1).collect()
    }
}

#[test]
fn a_top_layer_that_stops_leaves_no_gap_of_600_ms_and_its_lower_one_is_asked_once() {
    for (every, jitter) in [(33, 0), (33, 40), (40, 0), (66, 0), (16, 0)] {
        let mut camera = Camera::new(every, every);
        camera.jitter = jitter;
        camera.run(5_000);
        let stop = camera.at;
        assert_eq!(camera.shown(stop - 2_000), ["f"]);
        camera.off[2] = stop..stop + 5_000;
        camera.run(3_000);
        let gap = camera.gap(stop - 500);
        assert!(gap < 600, "{gap} ms at a frame each {every} ms");
        assert_eq!(camera.asked(stop), ["h"], "a frame each {every} ms");
        let down = camera.got.iter().find(|one| one.1 == "h").unwrap();
        assert!(down.2, "the lower layer begins with a keyframe");
    }
}

#[test]
fn all_upper_layers_that_stop_together_leave_no_gap_of_600_ms() {
    let mut camera = Camera::new(1, 33);
    camera.run(5_000);
    let stop = camera.at;
    camera.off[1] = stop..u64::MAX;
    camera.off[2] = stop..u64::MAX;
    camera.run(3_000);
    assert!(camera.gap(stop - 500) < 600, "{}", camera.gap(stop - 500));
    assert_eq!(camera.shown(stop - 500), ["f", "q"]);
}

#[test]
fn a_layer_that_starts_again_is_switched_to_once_without_a_gap() {
    let mut camera = Camera::new(1, 33);
    camera.run(5_000);
    for _ in 0..4 {
        let stop = camera.at;
        camera.off[2] = stop..stop + 4_000;
        camera.run(4_000);
        camera.keyframe_from[2] = Some(0);
        camera.run(4_000);
        assert_eq!(camera.shown(stop - 500), ["f", "h", "f"]);
        let gap = camera.gap(stop - 500);
        assert!(gap < 600, "{gap} ms");
    }
}

#[test]
fn slow_late_and_lossy_layers_are_not_taken_for_silent() {
    for (every, jitter, lost_percent, seeds) in [
        (200, 100, 5, 300),
        (33, 100, 5, 60),
        (66, 100, 5, 60),
        (500, 100, 0, 60),
        (1_000, 100, 0, 60),
    ] {
        for seed in 0..seeds {
            let mut camera = Camera::new(seed, every);
            camera.run(20 * every);
            camera.jitter = jitter;
            camera.lost_percent = lost_percent;
            let from = camera.at;
            camera.run(60_000);
            let all = (camera.shown(from), camera.asked(from));
            assert_eq!(all, (vec!["f"], vec![]), "seed {seed}, each {every} ms");
        }
    }
}

#[test]
fn a_layer_with_fewer_frames_than_its_siblings_is_not_silent() {
    let mut camera = Camera::new(1, 33);
    let mut from = 0;
    for frame in 0..60 {
        // A frame each 495 ms.
        camera.off[2] = camera.at + 33..camera.at + 495;
        camera.run(495);
        if frame == 2 {
            from = camera.at;
        }
    }
    assert_eq!(camera.shown(from), ["f"]);
    assert_eq!(camera.asked(from), [""; 0]);
}

#[test]
fn a_source_that_pauses_its_top_layer_now_and_then_changes_the_picture_six_times_a_minute_at_most()
{
    let mut camera = Camera::new(1, 33);
    camera.run(5_000);
    let from = camera.at;
    for _ in 0..30 {
        camera.off[2] = camera.at..camera.at + 700;
        camera.run(2_000);
    }
    let downs = camera.asked(from).into_iter().filter(|rid| *rid == "h");
    let downs = downs.count();
    assert!((1..=6).contains(&downs), "{:?}", camera.asked);
}

#[test]
fn a_link_that_stalls_and_brings_the_lower_layers_first_afterwards_shows_no_layer_off() {
    let mut camera = Camera::new(1, 33);
    camera.run(5_000);
    let from = camera.at;
    let held: Vec<Packet> = {
        camera.run(1);
        let mut room = std::mem::replace(&mut camera.room, Room::new(1));
        let before = camera.at;
        for at in before..before + 1_000 {
            camera.at = at;
            if at.is_multiple_of(camera.every) {
                camera.capture();
            }
        }
        std::mem::swap(&mut room, &mut camera.room);
        let mut held: Vec<Packet> = std::mem::take(&mut camera.sky).into_values().collect();
        held.sort_by_key(|packet| (packet.stream.rid != Some(Rid::from("q")), packet.seq));
        held
    };
    for packet in &held {
        camera.arrive(packet);
    }
    camera.run(1_000);
    assert_eq!(camera.shown(from), ["f"]);
    assert_eq!(camera.asked(from), [""; 0]);
}

#[test]
fn what_comes_late_of_a_layer_that_stopped_is_no_sign_of_life() {
    let mut camera = Camera::new(1, 33);
    camera.run(5_000);
    let stop = camera.at;
    camera.off[2] = stop..u64::MAX;
    camera.run(300);
    let mut late = packet(Some("f"), camera.captured - 12, false);
    late.timestamp = 1;
    camera.arrive(&late);
    camera.run(2_000);
    assert!(camera.gap(stop - 500) < 600, "{}", camera.gap(stop - 500));
}

#[test]
fn a_layer_that_is_numbered_anew_flows() {
    let mut camera = Camera::new(1, 33);
    camera.captured = 9_000;
    camera.run(5_000);
    camera.captured = 100;
    camera.run(5_000);
    assert_eq!(camera.shown(4_000), ["f"]);
    assert!(camera.gap(4_000) < 100, "{}", camera.gap(4_000));
}
