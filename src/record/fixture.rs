//! Segments for tests, written as the recorder writes them.

use super::matroska::ids;
use super::matroska::write::{
    DocType, PixelSize, TrackCodec, TrackEntry, put_cluster, put_ebml_header, put_master,
    put_segment_info, put_simple_block, put_tags, put_track_entry, put_unknown_size,
};

/// Zero of the recordings of these tests.
pub(crate) const ORIGIN_UNIX_MS: u64 = 1_800_000_000_000;

/// The codec of a camera.
pub(crate) const VP8: TrackCodec = TrackCodec::Vp8 {
    size: PixelSize {
        width: 32,
        height: 16,
    },
};

/// An H.264 camera.
pub(crate) fn avc() -> TrackCodec {
    let size = PixelSize {
        width: 64,
        height: 32,
    };
    let config = vec![1, 0x42, 0xe0, 0x1f, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68];
    TrackCodec::Avc { size, config }
}

/// A segment of `identity` with no frame yet; `source` is the word.
pub(crate) fn begin(identity: &str, source: &str, codec: &TrackCodec) -> Vec<u8> {
    let mut out = Vec::new();
    put_ebml_header(&mut out, DocType::Matroska);
    put_unknown_size(&mut out, ids::SEGMENT);
    put_segment_info(&mut out, ORIGIN_UNIX_MS, None);
    put_master(&mut out, ids::TRACKS, |out| {
        let entry = TrackEntry {
            number: 1,
            uid: 1,
            codec,
            name: None,
            default: true,
        };
        put_track_entry(out, &entry);
    });
    let tags = [
        ("SESSION", "SE_abcDEF012345"),
        ("PURPOSE", "shared"),
        ("IDENTITY", identity),
        ("ROLE", "expert"),
        ("SOURCE", source),
        ("PARTICIPANT", "PA_x"),
        ("TRACK", "TR_x"),
        ("ORIGIN_UNIX_MS", "1800000000000"),
    ];
    put_tags(&mut out, None, &tags);
    out
}

/// Appends a stretch of frames: `(at_ms, keyframe, bytes)`.
pub(crate) fn cluster(out: &mut Vec<u8>, frames: &[(u64, bool, Vec<u8>)]) {
    let Some((start, _, _)) = frames.first() else {
        return;
    };
    put_cluster(out, *start);
    for (at, keyframe, frame) in frames {
        let relative = i16::try_from(at - start).unwrap();
        put_simple_block(out, 1, relative, *keyframe, frame);
    }
}

/// A camera of 25 pictures a second from `from` to `to`, a keyframe each second; its frames are no
/// pictures but for their headers.
pub(crate) fn camera(identity: &str, codec: &TrackCodec, (from, to): (u64, u64)) -> Vec<u8> {
    let mut out = begin(identity, "camera", codec);
    let frames: Vec<(u64, bool, Vec<u8>)> = (from..to)
        .step_by(40)
        .map(|at| {
            let keyframe = (at - from) % 1_000 == 0;
            let first = if keyframe { 0x10 } else { 0x11 };
            let mut frame = vec![first, 0, 0, 0x9d, 0x01, 0x2a, 32, 0, 16, 0];
            frame.extend_from_slice(&at.to_be_bytes());
            (at, keyframe, frame)
        })
        .collect();
    for part in frames.chunks(50) {
        cluster(&mut out, part);
    }
    out
}

/// A microphone with a packet each 20 ms from `from` to `to`.
pub(crate) fn microphone(identity: &str, (from, to): (u64, u64)) -> Vec<u8> {
    let mut out = begin(identity, "microphone", &TrackCodec::Opus);
    let frames: Vec<(u64, bool, Vec<u8>)> = (from..to)
        .step_by(20)
        .map(|at| {
            let mut packet = vec![0x78; 12];
            packet.extend_from_slice(&at.to_be_bytes());
            (at, true, packet)
        })
        .collect();
    for part in frames.chunks(100) {
        cluster(&mut out, part);
    }
    out
}
