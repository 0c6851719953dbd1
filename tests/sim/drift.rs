//! Recording in virtual time: two people whose clocks drift, over a network that delays, reorders and loses; and
//! the times in the files against the truth.

use beistand::base::{
    Identity, Mono, Now, ParticipantSid, Purpose, RecordingId, Rng, Role, SessionId, TrackSid,
    TrackSource, Unix,
};
use beistand::media::{Codec, Mid, Packet, Rid, SenderTime, StreamId};
use beistand::record::{Output, Recorder, RecorderConfig, Stats, TrackFacts, TrackKey};
use beistand_testing::segment;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

const MINUTE_US: u64 = 60_000_000;
/// What every packet needs at least: no clock can know that, so the truth is taken behind it.
const WAY_US: u64 = 20_000;
/// And at most on top of it.
const JITTER_US: u64 = 30_000;
/// Of 1,000 packets so many are lost, of which some are sent again.
const LOST_PER_MILLE: u64 = 10;
const ORIGIN_US: u64 = 3_000_000;

/// One stream as its sender makes it.
struct Source {
    key: usize,
    codec: Codec,
    rid: Option<Rid>,
    /// How much faster the sender's wall clock, and the stream's own, run than the truth, in millionths.
    wall_ppm: i64,
    clock_ppm: i64,
    /// What wall clock and timestamps show at the true 0.
    wall_at_0_us: u64,
    timestamp_at_0: u32,
    /// Microseconds of its own clock between two frames.
    every_us: u64,
    report_every_us: u64,
    /// True times without anything.
    mute: std::ops::Range<u64>,
    frame: u64,
    seq: u64,
    next_report_us: u64,
    reported: Option<SenderTime>,
    keyframe_at_us: Option<u64>,
}

/// `us` by a clock that runs `ppm` faster.
fn drifted(us: u64, ppm: i64) -> u64 {
    let scaled = i128::from(us) * i128::from(1_000_000 + ppm) / 1_000_000;
    u64::try_from(scaled).unwrap()
}

impl Source {
    fn new(key: usize, codec: Codec, (wall_ppm, clock_ppm): (i64, i64)) -> Source {
        let (every_us, report_every_us) = match codec {
            Codec::Opus => (20_000, 5_000_000),
            Codec::Vp8 | Codec::H264 => (33_333, 1_000_000),
        };
        Source {
            key,
            codec,
            rid: None,
            wall_ppm,
            clock_ppm,
            wall_at_0_us: 1_790_000_000_000_000 + 77_000 * u64::try_from(wall_ppm + 300).unwrap(),
            // Both kinds of stream go over the end of the 32 bits within the first minutes.
            timestamp_at_0: u32::MAX - 90_000 * 100 - u32::try_from(key).unwrap() * 7_777,
            every_us,
            report_every_us,
            mute: 0..0,
            frame: 0,
            seq: 1_000,
            next_report_us: 400_000,
            reported: None,
            keyframe_at_us: Some(0),
        }
    }

    /// When a frame is captured, in truth.
    fn captured_us(&self, frame: u64) -> u64 {
        drifted(frame * self.every_us, -self.clock_ppm)
    }

    fn timestamp(&self, true_us: u64) -> u32 {
        let own_us = u128::from(drifted(true_us, self.clock_ppm));
        let ticks = own_us * u128::from(self.codec.clock_hz()) / 1_000_000;
        self.timestamp_at_0
            .wrapping_add(u32::try_from(ticks & u128::from(u32::MAX)).unwrap())
    }

    fn report(&self, true_us: u64) -> SenderTime {
        SenderTime {
            wall_us: self.wall_at_0_us + drifted(true_us, self.wall_ppm),
            timestamp: self.timestamp(true_us),
        }
    }

    fn packet(&mut self, frame: u64, true_us: u64, keyframe: bool) -> Packet {
        let mut payload = match self.codec {
            Codec::Opus => Vec::new(),
            Codec::Vp8 | Codec::H264 if keyframe => {
                vec![0x10, 0, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0]
            }
            Codec::Vp8 | Codec::H264 => vec![0x10, 1],
        };
        payload.extend_from_slice(&frame.to_be_bytes());
        self.seq += 1;
        let stream = StreamId {
            mid: Mid::from(if self.codec == Codec::Opus { "0" } else { "1" }),
            rid: self.rid,
        };
        let (seq, timestamp) = (self.seq, self.timestamp(true_us));
        Packet {
            marker: true,
            ..Packet::new(stream, self.codec, seq, timestamp, Arc::from(payload))
        }
    }
}

/// Something on its way to the node.
enum Flying {
    Packet(Packet),
    Report(SenderTime),
}

/// What is flying, by source, in the order of arrival.
type Sky = BTreeMap<(u64, u64), (usize, Flying)>;

struct World {
    rng: Rng,
    recorder: Recorder,
    sources: Vec<Source>,
    /// When each source captures next.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    sky: Sky,
    sent: u64,
    files: BTreeMap<u32, Vec<u8>>,
}

impl World {
    fn new(seed: u64, sources: Vec<Source>) -> World {
        let config = RecorderConfig {
            id: RecordingId::new(SessionId::from("SE_abcDEF012345"), Purpose::Qa),
            origin: now(0),
        };
        let mut recorder = Recorder::new(config);
        for source in &sources {
            let person = if source.key < 2 { "a" } else { "b" };
            let sound = source.codec == Codec::Opus;
            let facts = TrackFacts {
                identity: Identity::from(person),
                role: Some(Role::Expert),
                participant: ParticipantSid::from(person),
                sid: TrackSid::from(format!("TR_{}", source.key)),
                source: if sound {
                    TrackSource::Microphone
                } else {
                    TrackSource::Camera
                },
            };
            recorder.handle_track(TrackKey(source.key), facts);
            recorder.handle_gate(TrackKey(source.key), true, now(0));
        }
        World {
            rng: Rng::from_seed(seed),
            recorder,
            due: (0..sources.len())
                .map(|index| Reverse((0, index)))
                .collect(),
            sources,
            sky: BTreeMap::new(),
            sent: 0,
            files: BTreeMap::new(),
        }
    }

    fn run(&mut self, until_us: u64) {
        loop {
            let capture = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let arrival = self.sky.keys().next().map_or(u64::MAX, |(at, _)| *at);
            let timeout = self
                .recorder
                .poll_timeout()
                .map_or(u64::MAX, |at| at.micros().saturating_sub(ORIGIN_US));
            let next = capture.min(arrival).min(timeout);
            if next >= until_us {
                break;
            }
            if timeout <= next {
                self.recorder.handle_timeout(now(next));
            } else if arrival <= next {
                self.arrive();
            } else {
                self.capture();
            }
            self.drain(next);
        }
    }

    fn fly(&mut self, at_us: u64, source: usize, what: Flying) {
        self.sent += 1;
        self.sky.insert((at_us, self.sent), (source, what));
    }

    fn delay(&mut self) -> u64 {
        WAY_US + self.rng.below(JITTER_US + 1)
    }

    fn capture(&mut self) {
        let Some(Reverse((true_us, index))) = self.due.pop() else {
            return;
        };
        let source = &mut self.sources[index];
        let frame = source.frame;
        source.frame += 1;
        let next = source.captured_us(frame + 1);
        self.due.push(Reverse((next, index)));
        if source.mute.contains(&true_us) {
            return;
        }
        let keyframe = source.keyframe_at_us.is_some_and(|at| at <= true_us);
        if keyframe {
            source.keyframe_at_us = None;
        }
        let packet = source.packet(frame, true_us, keyframe);
        let report = (true_us >= source.next_report_us).then(|| source.report(true_us));
        if let Some(report) = report {
            source.next_report_us += source.report_every_us;
            let at = true_us + self.delay();
            self.fly(at, index, Flying::Report(report));
        }
        let at = true_us + self.delay();
        match self.rng.below(1_000) {
            luck if luck >= LOST_PER_MILLE => self.fly(at, index, Flying::Packet(packet)),
            // Most of what is lost is sent again.
            luck if luck >= LOST_PER_MILLE / 10 => {
                self.fly(at + 120_000, index, Flying::Packet(packet));
            }
            _ => {}
        }
    }

    fn arrive(&mut self) {
        let Some(((at_us, _), (index, what))) = self.sky.pop_first() else {
            return;
        };
        let source = &mut self.sources[index];
        match what {
            Flying::Report(report) => source.reported = Some(report),
            Flying::Packet(mut packet) => {
                packet.reported = source.reported;
                // What belongs to a layer that was left is not forwarded.
                if packet.stream.rid == source.rid {
                    let key = TrackKey(source.key);
                    self.recorder.handle_packet(key, &packet, now(at_us));
                }
            }
        }
    }

    fn drain(&mut self, true_us: u64) {
        while let Some(output) = self.recorder.poll_output() {
            match output {
                Output::Open { segment, header } => {
                    self.files.insert(segment.number, header);
                }
                Output::Append { segment, bytes } => {
                    let file = self.files.get_mut(&segment.number).unwrap();
                    file.extend_from_slice(&bytes);
                }
                Output::Close { .. } => {}
                Output::KeyframeWanted { track } => {
                    let source = self.sources.iter_mut().find(|source| source.key == track.0);
                    source.unwrap().keyframe_at_us = Some(true_us + 150_000);
                }
            }
        }
    }

    /// Another layer of a video: other numbers, other timestamps, the same clock. It has been sent for a while, so
    /// that a report of it is known.
    fn switch_layer(&mut self, key: usize, true_us: u64) {
        let source = self.sources.iter_mut().find(|source| source.key == key);
        let source = source.unwrap();
        source.rid = Some(Rid::from("q"));
        source.seq = 40_000;
        source.timestamp_at_0 = 12_345;
        source.reported = Some(source.report(true_us - 700_000));
        source.next_report_us = true_us + 300_000;
        source.keyframe_at_us = Some(true_us);
    }

    /// Errors of all blocks by track: (true time, how much too late the file says that it was), microseconds.
    fn errors(&self) -> BTreeMap<usize, Vec<(u64, i64)>> {
        let mut errors = BTreeMap::new();
        for bytes in self.files.values() {
            let file = segment::read(bytes);
            let (_, track) = file.tags.iter().find(|(name, _)| name == "TRACK").unwrap();
            let key: usize = track.strip_prefix("TR_").unwrap().parse().unwrap();
            let source = self.sources.iter().find(|s| s.key == key).unwrap();
            let error = |block: &segment::Block| {
                let frame = u64::from_be_bytes(*block.frame.last_chunk().unwrap());
                let truth = source.captured_us(frame);
                let error = block.at_ms * 1_000 - i64::try_from(truth + WAY_US).unwrap();
                (truth, error)
            };
            assert!(
                file.blocks
                    .windows(2)
                    .all(|pair| pair[0].at_ms < pair[1].at_ms),
                "times never go back"
            );
            errors.insert(key, file.blocks.iter().map(error).collect());
        }
        errors
    }
}

fn now(true_us: u64) -> Now {
    let mono = Mono::from_micros(ORIGIN_US + true_us);
    Now {
        mono,
        unix: Unix(1_790_000_000_000 + mono.millis().0),
    }
}

/// The median error of each 10 s, so that one frame's rounding is not taken for a drift.
fn course(errors: &[(u64, i64)]) -> BTreeMap<u64, i64> {
    let mut stretches: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for (truth, error) in errors {
        stretches
            .entry(truth / 10_000_000)
            .or_default()
            .push(*error);
    }
    let median = |mut of: Vec<i64>| {
        of.sort_unstable();
        of[of.len() / 2]
    };
    stretches
        .into_iter()
        .map(|(at, of)| (at, median(of)))
        .collect()
}

fn largest_difference(a: &[(u64, i64)], b: &[(u64, i64)]) -> i64 {
    let (a, b) = (course(a), course(b));
    let common = a.iter().filter_map(|(at, a)| Some((a - b.get(at)?).abs()));
    common.max().unwrap()
}

fn two_people(first_ppm: i64, second_ppm: i64) -> Vec<Source> {
    vec![
        // A sound card has a clock of its own.
        Source::new(0, Codec::Opus, (first_ppm, first_ppm - 40)),
        Source::new(1, Codec::Vp8, (first_ppm, first_ppm)),
        Source::new(2, Codec::Opus, (second_ppm, second_ppm + 30)),
        Source::new(3, Codec::Vp8, (second_ppm, second_ppm)),
    ]
}

fn check_two_hours(seed: u64, (first_ppm, second_ppm): (i64, i64), minutes: u64) -> Stats {
    let mut world = World::new(seed, two_people(first_ppm, second_ppm));
    world.sources[2].mute = 20 * MINUTE_US..31 * MINUTE_US;
    world.run(minutes / 2 * MINUTE_US);
    world.switch_layer(1, minutes / 2 * MINUTE_US);
    world.run(minutes * MINUTE_US);
    world.recorder.handle_stop(now(minutes * MINUTE_US));
    world.drain(minutes * MINUTE_US);
    let stats = world.recorder.stats();
    println!("{stats:?}");
    let errors = world.errors();
    assert_eq!(errors.len(), 4, "a file for each track");
    // Up to the first reports nothing but arrivals is known, and then it takes a moment.
    let settled = |key: usize| -> Vec<(u64, i64)> {
        let of = errors[&key].iter().filter(|(at, _)| *at > 15_000_000);
        of.copied().collect()
    };
    let tracks: Vec<Vec<(u64, i64)>> = (0..4).map(settled).collect();
    for (key, track) in tracks.iter().enumerate() {
        let worst = track.iter().map(|(_, error)| error.abs()).max().unwrap();
        let early = errors[&key].iter().map(|(_, error)| error.abs()).max();
        println!(
            "track {key}: {} frames, worst {worst} us, from the start {early:?}",
            track.len()
        );
        assert!(worst <= 20_000, "track {key} is off by {worst} us");
    }
    for (name, (a, b), most) in [
        ("sound and picture of a", (0, 1), 10_000),
        ("sound and picture of b", (2, 3), 10_000),
        ("a and b, sound", (0, 2), 10_000),
        ("a and b, pictures", (1, 3), 10_000),
    ] {
        let apart = largest_difference(&tracks[a], &tracks[b]);
        println!("{name}: {apart} us apart");
        assert!(apart <= most, "{name}: {apart} us apart");
    }
    stats
}

#[test]
fn two_hours_with_clocks_200_ppm_apart_drift_less_than_20_ms_in_the_files() {
    let stats = check_two_hours(1, (200, 0), 120);
    assert_eq!(
        (stats.clock_restarts, stats.malformed, stats.refused),
        (0, 0, 0)
    );
    assert!(
        stats.holes > 500 && stats.keyframes_wanted > 200,
        "{stats:?}"
    );
    assert!(stats.frames > 1_100_000, "{stats:?}");
}

#[test]
fn clocks_that_run_slow_are_followed_as_well() {
    for (seed, ppm) in [(2, (-200, 0)), (3, (0, -200)), (4, (-200, 200))] {
        check_two_hours(seed, ppm, 40);
    }
}
