//! Files that are cut at any byte, and files with any byte changed.

use super::super::fixture::{VP8, begin, camera, cluster, microphone};
use super::super::matroska::write::{DocType, TrackCodec};
use super::*;
use crate::base::Rng;

fn all(file: &[u8]) -> Option<(Vec<Block>, Damage)> {
    let mut reader = Reader::new(file).ok()?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        blocks.push(block);
    }
    Some((blocks, reader.damage()))
}

#[test]
fn a_segment_is_read_as_it_was_written() {
    let file = camera("anna", &VP8, (500, 3_500));
    let mut reader = Reader::new(&file[..]).unwrap();
    assert_eq!(reader.header().doc_type, Some(DocType::Matroska));
    assert_eq!(reader.header().tracks[0].codec, VP8);
    assert_eq!(reader.header().tags["IDENTITY"], "anna");
    let first = reader.next_block().unwrap().unwrap();
    assert_eq!((first.track, first.at_ms, first.keyframe), (1, 500, true));
    let (blocks, damage) = all(&file).unwrap();
    assert_eq!((blocks.len(), damage), (75, Damage::default()));
    assert_eq!(blocks[74].at_ms, 500 + 74 * 40);
}

#[test]
fn a_file_cut_at_any_byte_gives_what_is_whole() {
    let file = microphone("anna", (0, 400));
    let (whole, _) = all(&file).unwrap();
    let empty = begin("anna", "microphone", &TrackCodec::Opus).len();
    let mut before = 0;
    for cut in 0..file.len() {
        let Some((blocks, _)) = all(&file[..cut]) else {
            assert!(cut < empty, "{cut}");
            continue;
        };
        assert_eq!(blocks[..], whole[..blocks.len()], "{cut}");
        assert!(blocks.len() >= before, "{cut}");
        before = blocks.len();
    }
    assert_eq!(before, whole.len() - 1);
}

#[test]
fn a_cut_within_a_frame_is_known_and_one_between_frames_is_none() {
    let file = microphone("anna", (0, 40));
    assert!(all(&file[..file.len() - 1]).unwrap().1.cut);
    assert!(!all(&file).unwrap().1.cut);
}

#[test]
fn after_garbage_the_next_cluster_is_read_again() {
    let mut file = microphone("anna", (0, 1_000));
    let middle = file.len();
    cluster(&mut file, &[(5_000, true, vec![1, 2, 3])]);
    file[middle - 400..middle - 300].fill(0);
    let (blocks, damage) = all(&file).unwrap();
    assert_eq!(blocks.last().unwrap().at_ms, 5_000);
    assert_eq!((damage.places, damage.cut), (1, false));
    assert!(blocks.len() > 25 && blocks.len() < 51);
}

#[test]
fn no_change_of_bytes_breaks_the_reader() {
    let file = camera("anna", &VP8, (0, 1_000));
    let mut rng = Rng::from_seed(12);
    for _ in 0..20_000 {
        let mut file = file.clone();
        for _ in 0..=rng.below(4) {
            let at = usize::try_from(rng.below(file.len() as u64)).unwrap();
            file[at] = u8::try_from(rng.below(256)).unwrap();
        }
        let Some((blocks, _)) = all(&file) else {
            continue;
        };
        assert!(blocks.len() <= 30, "{}", blocks.len());
    }
}

#[test]
fn a_size_that_is_claimed_takes_no_memory() {
    let mut file = microphone("anna", (0, 40));
    file.push(0xa3);
    file.extend_from_slice(&[0x01, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
    let (blocks, damage) = all(&file).unwrap();
    assert_eq!((blocks.len(), damage.places), (2, 1));
}

#[test]
fn something_else_is_no_file_of_ours() {
    for no in [
        &b""[..],
        b"RIFF....WEBP",
        &[0x1a, 0x45, 0xdf, 0xa3],
        &[0; 64],
    ] {
        assert!(matches!(Reader::new(no), Err(ReadError::NoHeader)));
    }
}
