//! What of a video is written, and what is left out.

use super::*;
use crate::media::Rid;

/// Frame `n` of a layer of VP8 with numbers of its own, in `parts` packets.
fn layer(rid: &str, n: u64, keyframe: bool, parts: u64) -> Vec<Packet> {
    let whole = picture(n, keyframe);
    (0..parts)
        .map(|part| {
            let mut packet = whole.clone();
            packet.stream.rid = Some(Rid::from(rid));
            packet.seq = n * parts + part;
            packet.marker = part + 1 == parts;
            if part > 0 {
                let mut payload = vec![0x00];
                payload.extend_from_slice(&n.to_be_bytes());
                packet.payload = Arc::from(payload);
                packet.classify();
            }
            packet
        })
        .collect()
}

#[test]
fn a_frame_in_several_packets_is_one_block() {
    let mut rig = Rig::video();
    for n in 0..3 {
        for packet in layer("q", n, n == 0, 4) {
            rig.packet(&packet, n * 33);
        }
    }
    let rig = rig.stop(200);
    assert_eq!(rig.numbers(1), [0, 1, 2]);
    let lengths: Vec<usize> = rig.file(1).blocks.iter().map(|b| b.frame.len()).collect();
    assert_eq!(lengths, [18 + 24, 11 + 24, 11 + 24]);
}

#[test]
fn a_frame_without_marker_ends_where_the_next_begins() {
    let mut rig = Rig::video();
    for n in 0..4 {
        let mut packet = picture(n, n == 0);
        packet.marker = false;
        rig.packet(&packet, n * 33);
    }
    let rig = rig.stop(200);
    assert_eq!(rig.numbers(1), [0, 1, 2], "the last one may not be whole");
}

#[test]
fn after_a_loss_frames_are_left_out_until_the_keyframe_that_was_asked_for() {
    let mut rig = Rig::video();
    for n in (0..60).filter(|n| *n != 10) {
        rig.packet(&picture(n, n == 0 || n == 40), n * 33);
        rig.timeout(n * 33);
    }
    assert_eq!(rig.keyframes_wanted, 1);
    let rig = rig.stop(2_000);
    let expected: Vec<u64> = (0..10).chain(40..60).collect();
    assert_eq!(rig.numbers(1), expected);
    let stats = rig.recorder.stats();
    assert_eq!((stats.holes, stats.frames_dropped), (1, 29));
}

#[test]
fn a_keyframe_that_does_not_come_is_waited_for_two_seconds_and_asked_for_each_second() {
    let mut rig = Rig::video();
    for n in (0..120).filter(|n| *n != 10) {
        rig.packet(&picture(n, n == 0), n * 33);
        rig.timeout(n * 33);
    }
    assert_eq!(rig.keyframes_wanted, 2);
    let rig = rig.stop(4_000);
    // Given up 500 ms after the hole was seen (n = 11): at n = 27, then 2 s.
    let expected: Vec<u64> = (0..10).chain(88..120).collect();
    assert_eq!(rig.numbers(1), expected);
}

#[test]
fn what_is_sent_again_in_time_leaves_no_trace() {
    let mut rig = Rig::video();
    for n in (0..30).filter(|n| *n != 10) {
        rig.packet(&picture(n, n == 0), n * 100 / 3);
        if n == 20 {
            rig.packet(&picture(10, false), n * 100 / 3);
        }
    }
    let rig = rig.stop(1_000);
    assert_eq!(rig.numbers(1), (0..30).collect::<Vec<_>>());
    let times: Vec<i64> = (0..30).map(|n| n * 100 / 3).collect();
    let off = rig.times(1).into_iter().zip(times);
    assert!(
        off.clone().all(|(at, expected)| (at - expected).abs() <= 1),
        "{off:?}"
    );
    let stats = rig.recorder.stats();
    assert_eq!((stats.holes, stats.late, stats.keyframes_wanted), (0, 0, 1));
}

#[test]
fn a_switch_of_layer_stays_in_the_file_and_begins_with_its_keyframe() {
    let mut rig = Rig::video();
    let send = |rig: &mut Rig, rid: &str, n: u64, keyframe: bool, ms: u64| {
        for packet in layer(rid, n, keyframe, 2) {
            rig.packet(&packet, ms);
        }
    };
    for n in 0..10 {
        send(&mut rig, "q", n, n == 0, n * 33);
    }
    // The last frame of the old layer is not whole, and one of its packets comes after the switch.
    let last = layer("q", 10, false, 2);
    rig.packet(&last[0], 330);
    for n in 700..710 {
        send(&mut rig, "f", n, n == 700, 363 + (n - 700) * 33);
        if n == 700 {
            rig.packet(&last[1], 365);
        }
    }
    assert_eq!(rig.recorder.stats().late, 1);
    let rig = rig.stop(1_000);
    let expected: Vec<u64> = (0..10).chain(700..710).collect();
    assert_eq!((rig.numbers(1), rig.files.len()), (expected, 1));
    let times = rig.times(1);
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!((360..=366).contains(&times[10]), "{times:?}");
}

#[test]
fn a_layer_that_fell_silent_is_left_without_a_keyframe() {
    let mut rig = Rig::video();
    for n in 0..3 {
        rig.packet(&layer("q", n, n == 0, 1)[0], n * 33);
    }
    rig.packet(&layer("f", 50, false, 1)[0], 900);
    assert_eq!((rig.recorder.stats().late, rig.keyframes_wanted), (1, 0));
    // From now on it is asked for one.
    rig.packet(&layer("f", 51, false, 1)[0], 1_200);
    assert_eq!(rig.keyframes_wanted, 1);
    rig.packet(&layer("f", 52, true, 1)[0], 1_300);
    assert_eq!(rig.stop(1_400).numbers(1), [0, 1, 2, 52]);
}

#[test]
fn another_codec_is_another_file() {
    let mut rig = Rig::video();
    for n in 0..3 {
        rig.packet(&picture(n, n == 0), n * 33);
    }
    for packet in h264::keyframe(3) {
        rig.packet(&packet, 1_100);
    }
    assert_eq!(rig.closed, [1]);
    let rig = rig.stop(1_200);
    assert_eq!(rig.file(1).codec, "V_VP8");
    let file = rig.file(2);
    assert_eq!(
        (file.codec.as_str(), file.pixels),
        ("V_MPEG4/ISO/AVC", (640, 360))
    );
    assert_eq!(file.codec_private[..6], [1, 0x42, 0xc0, 0x1f, 0xff, 0xe1]);
}

#[test]
fn clusters_are_short_and_begin_with_keyframes_where_there_are_any() {
    let mut rig = Rig::video();
    for n in 0..600 {
        rig.packet(&picture(n, n % 90 == 0), n * 100 / 3);
    }
    let file = rig.stop(20_000).file(1);
    // A keyframe every 3 s: each begins a cluster.
    let expected: Vec<i64> = (0..7).map(|n| n * 3_000).collect();
    let rounded: Vec<i64> = file.clusters.iter().map(|at| (at + 5) / 10 * 10).collect();
    assert_eq!(rounded, expected);
    let mut rig = Rig::sound();
    for n in 0..1_000 {
        rig.packet(&sound(n), n * 20);
    }
    let expected: Vec<i64> = (0..4).map(|n| n * 5_000).collect();
    assert_eq!(rig.stop(20_000).file(1).clusters, expected);
}

/// H.264 as Chromium sends it, and what others may do.
mod h264 {
    use super::*;

    const SPS: [u8; 15] = [
        0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x17, 0xfc, 0xb0, 0x0f, 0x08, 0x84, 0x6a,
    ];
    const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

    /// One frame of these payloads, which are the packets from `n` × 8 on.
    fn frame(n: u64, payloads: &[&[u8]]) -> Vec<Packet> {
        let timestamp = u32::try_from(n * 3_000).unwrap();
        let one = |(index, payload): (usize, &&[u8])| {
            let mut packet = packet(Codec::H264, n * 8 + index as u64, timestamp, payload);
            packet.marker = index + 1 == payloads.len();
            packet
        };
        payloads.iter().enumerate().map(one).collect()
    }

    fn parameters() -> Vec<u8> {
        let mut stap = vec![0x78, 0, 15];
        stap.extend_from_slice(&SPS);
        stap.extend_from_slice(&[0, 4]);
        stap.extend_from_slice(&PPS);
        stap
    }

    /// Parameter sets, and a slice in two pieces.
    pub(super) fn keyframe(n: u64) -> Vec<Packet> {
        frame(n, &[&parameters(), &[0x7c, 0x85, 1], &[0x7c, 0x45, 2]])
    }

    /// The numbers of a stream without holes between its frames.
    fn send(rig: &mut Rig, frames: &[Vec<Packet>], lost: &[(usize, usize)]) {
        let mut seq = 0;
        for (n, packets) in frames.iter().enumerate() {
            for (index, packet) in packets.iter().enumerate() {
                let packet = Packet {
                    seq,
                    ..packet.clone()
                };
                seq += 1;
                let ms = n as u64 * 33;
                if !lost.contains(&(n, index)) {
                    rig.packet(&packet, ms);
                }
                rig.timeout(ms);
            }
        }
    }

    fn delta(n: u64) -> Vec<Packet> {
        frame(n, &[&[0x41, u8::try_from(n).unwrap()]])
    }

    #[test]
    fn units_are_written_behind_their_lengths_with_the_parameter_sets_among_them() {
        let mut rig = Rig::video();
        send(&mut rig, &[keyframe(0), delta(1)], &[]);
        let file = rig.stop(100).file(1);
        let mut expected = vec![0, 0, 0, 15];
        expected.extend_from_slice(&SPS);
        expected.extend_from_slice(&[0, 0, 0, 4]);
        expected.extend_from_slice(&PPS);
        expected.extend_from_slice(&[0, 0, 0, 3, 0x65, 1, 2]);
        assert_eq!(
            (file.blocks[0].frame.clone(), file.blocks[0].keyframe),
            (expected, true)
        );
        assert_eq!(file.blocks[1].frame, [0, 0, 0, 2, 0x41, 1]);
        assert!(!file.blocks[1].keyframe);
    }

    #[test]
    fn a_keyframe_is_whole_or_not_written() {
        let split: &[&[u8]] = &[&SPS, &PPS, &[0x65, 1], &[0x65, 2]];
        let delimited: &[&[u8]] = &[&[0x09, 0xf0], &SPS, &PPS, &[0x65, 1], &[0x65, 2]];
        for (name, payloads) in [("split", split), ("delimited", delimited)] {
            for lost in 0..=payloads.len() {
                let mut rig = Rig::video();
                let mut frames = vec![keyframe(0), delta(1), frame(2, payloads)];
                frames.extend((3..20).map(delta));
                frames.push(keyframe(20));
                frames.extend((21..40).map(delta));
                let nothing_lost = lost == payloads.len();
                let lost = [(2, lost)];
                send(&mut rig, &frames, if nothing_lost { &[] } else { &lost });
                let file = rig.stop(2_000).file(1);
                let keys = file.blocks.iter().filter(|block| block.keyframe).count();
                let (frames, expected) = match (nothing_lost, name, lost[0].1) {
                    (true, _, _) => (40, 3),
                    // Only the delimiter is missing, which is no part of the picture. Its bits do not say so.
                    (false, "delimited", 0) => (2 + 38, 3),
                    (false, _, _) => (2 + 20, 2),
                };
                assert_eq!(
                    (file.blocks.len(), keys),
                    (frames, expected),
                    "{name} {lost:?}"
                );
            }
        }
    }

    #[test]
    fn a_keyframe_without_parameter_sets_opens_no_file() {
        let mut rig = Rig::video();
        send(
            &mut rig,
            &[frame(0, &[&[0x65, 1]]), delta(1), keyframe(2)],
            &[],
        );
        let rig = rig.stop(200);
        assert_eq!(rig.file(1).blocks.len(), 1);
        assert!(rig.keyframes_wanted >= 1);
    }
}
