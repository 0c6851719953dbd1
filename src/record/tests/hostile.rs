//! Packets as nobody should send them: nothing panics, files stay readable, memory stays bounded.

use super::*;
use crate::base::Rng;
use crate::media::{Rid, SenderTime};

/// A good packet of some codec, to be spoiled.
fn good(rng: &mut Rng, seq: u64) -> Packet {
    match rng.below(3) {
        0 => sound(seq),
        1 => picture(seq, rng.below(10) == 0),
        _ => {
            let payloads: [&[u8]; 5] = [
                &[
                    0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x17, 0xfc, 0xb0,
                ],
                &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68],
                &[0x7c, 0x85, 1, 2, 3],
                &[0x7c, 0x45, 4, 5],
                &[0x41, 1, 2, 3],
            ];
            let timestamp = u32::try_from(seq * 1_500).unwrap();
            let index = usize::try_from(rng.below(5)).unwrap();
            packet(Codec::H264, seq, timestamp, payloads[index])
        }
    }
}

fn byte(rng: &mut Rng) -> u8 {
    rng.next_u64().to_le_bytes()[0]
}

fn spoil(packet: &mut Packet, rng: &mut Rng) {
    let mut payload = packet.payload.to_vec();
    match rng.below(8) {
        0 => payload.truncate(usize::try_from(rng.below(6)).unwrap()),
        1 => payload = (0..rng.below(40)).map(|_| byte(rng)).collect(),
        2 => payload.resize(usize::try_from(rng.below(60_000)).unwrap(), byte(rng)),
        _ => {
            for _ in 0..rng.below(4) {
                if let Some(at) = payload.len().checked_sub(1) {
                    payload[usize::try_from(rng.below(at as u64 + 1)).unwrap()] = byte(rng);
                }
            }
        }
    }
    packet.payload = Arc::from(payload);
    packet.classify();
    match rng.below(12) {
        0 => packet.timestamp = u32::try_from(rng.below(1 << 32)).unwrap(),
        1 => packet.marker = !packet.marker,
        2 => packet.seq = packet.seq.saturating_sub(rng.below(700)),
        3 => packet.seq += rng.below(700),
        4 if rng.below(50) == 0 => packet.seq = rng.next_u64(),
        5 => packet.stream.rid = [None, Some(Rid::from("q"))][usize::from(byte(rng) & 1)],
        6 => packet.keyframe = !packet.keyframe,
        7 => {
            packet.reported = Some(SenderTime {
                wall_us: rng.next_u64() >> rng.below(64),
                timestamp: u32::try_from(rng.below(1 << 32)).unwrap(),
            });
        }
        _ => {}
    }
}

#[test]
fn a_hundred_thousand_spoiled_packets_break_nothing() {
    let mut rng = Rng::from_seed(12);
    let mut rig = Rig::video();
    let mut ms = 0;
    for round in 0..200 {
        // Within a round the codec changes as well; a new round begins far away.
        for seq in 0..500 {
            let mut packet = good(&mut rng, seq + round);
            if rng.below(3) > 0 {
                spoil(&mut packet, &mut rng);
            }
            ms += rng.below(30);
            rig.packet(&packet, ms);
            if rng.below(4) == 0 {
                rig.timeout(ms);
            }
        }
        if rng.below(4) == 0 {
            rig.gate(false, ms);
            rig.gate(true, ms);
        }
    }
    let stats = rig.recorder.stats();
    assert!(
        stats.frames > 1_000 && stats.malformed > 100 && stats.late > 100,
        "{stats:?}"
    );
    let rig = rig.stop(ms);
    for (number, bytes) in &rig.files {
        let file = segment::read(bytes);
        let times: Vec<i64> = file.blocks.iter().map(|block| block.at_ms).collect();
        assert!(
            times.windows(2).all(|pair| pair[0] < pair[1]),
            "file {number}"
        );
    }
}

#[test]
fn one_codec_spoiled_all_along_breaks_nothing_either() {
    for codec in [Codec::Opus, Codec::Vp8, Codec::H264] {
        let mut rng = Rng::from_seed(13);
        let mut rig = Rig::video();
        for seq in 0..20_000 {
            let mut packet = std::iter::repeat_with(|| good(&mut rng, seq))
                .find(|packet| packet.codec == codec)
                .unwrap();
            if rng.below(10) == 0 {
                spoil(&mut packet, &mut rng);
            }
            rig.packet(&packet, seq * 10);
        }
        let rig = rig.stop(200_000);
        rig.files
            .values()
            .for_each(|bytes| drop(segment::read(bytes)));
    }
}

#[test]
fn a_frame_without_end_is_given_up_and_the_memory_stays_bounded() {
    let mut rig = Rig::video();
    rig.packet(&picture(0, true), 0);
    let mut middle = picture(1, false);
    middle.marker = false;
    rig.packet(&middle, 33);
    let mut payload = vec![0; 1_200];
    for seq in 2..5_000_u64 {
        payload[1..9].copy_from_slice(&seq.to_be_bytes());
        let mut packet = packet(Codec::Vp8, seq, middle.timestamp, &payload);
        packet.marker = false;
        rig.packet(&packet, 34);
    }
    assert_eq!(rig.recorder.stats().malformed, 1);
    rig.packet(&picture(5_000, true), 200);
    let rig = rig.stop(300);
    assert_eq!(rig.numbers(1), [0, 5_000]);
}

#[test]
fn a_track_that_changes_its_codec_with_each_packet_makes_one_file_a_second_at_most() {
    let mut rig = Rig::sound();
    for n in 0..5_000 {
        let packet = if n % 2 == 0 {
            sound(n)
        } else {
            picture(n, true)
        };
        rig.packet(&packet, n);
    }
    let rig = rig.stop(5_000);
    assert!((2..=6).contains(&rig.files.len()), "{}", rig.files.len());
    assert!(rig.recorder.stats().late > 2_000);
}

#[test]
fn a_recording_has_so_many_files_and_nobody_uses_up_those_of_others() {
    let mut rig = Rig::new();
    for who in 0..25 {
        let mut facts = facts("PA_1", TrackSource::Microphone);
        facts.identity = Identity::from(format!("person {who}").as_str());
        for n in 0..600 {
            rig.recorder.handle_track(KEY, facts.clone());
            rig.gate(true, n);
            rig.packet(&sound(n), n);
            rig.recorder.handle_track_ended(KEY, at(n));
            rig.drain();
        }
        assert_eq!(rig.files.len(), (500 * (who + 1)).min(9_999));
    }
    assert_eq!(rig.recorder.stats().frames_dropped, 15_000 - 9_999);
}

#[test]
fn sound_that_comes_a_hundred_times_too_fast_does_not_run_ahead_of_the_clock() {
    let mut rig = Rig::sound();
    for n in 0..100_000 {
        rig.packet(&sound(n), n / 5);
    }
    let rig = rig.stop(20_000);
    let last = *rig.times(1).last().unwrap();
    assert!(last < 22_000, "{last}");
    assert!(rig.recorder.stats().frames_dropped > 50_000);
}
