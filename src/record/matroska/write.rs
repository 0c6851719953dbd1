//! Writes elements at the end of a buffer. Nothing here fails: what is written is ours.

use super::ids::{self, Id};

/// Nanoseconds in a tick of our files: all times are milliseconds.
pub const TIMESTAMP_SCALE_NS: u64 = 1_000_000;
/// What every file says that it was made by.
pub const APP: &str = "beistand";
/// Milliseconds from 1970 to 2001, where the dates of Matroska begin.
const EPOCH_UNIX_MS: u64 = 978_307_200_000;
/// What an Opus decoder must have heard before it is right (RFC 7845, section 4.6).
const OPUS_PRE_ROLL_NS: u64 = 80_000_000;
/// Opus is always decoded at this rate.
const OPUS_HZ: u32 = 48_000;
/// WebRTC's Opus is stereo in its SDP always; a decoder makes two channels of a mono frame.
const OPUS_CHANNELS: u8 = 2;
/// Bytes of the unknown size, and of a size that is known only later.
pub const WIDE_SIZE: usize = 8;
/// The size that says "until something comes that cannot be within".
const UNKNOWN_SIZE: [u8; WIDE_SIZE] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/// Bytes of a block's size that is known only later.
const BLOCK_SIZE_BYTES: usize = 4;
/// Bytes of a block's own header: track, time, flags.
const BLOCK_HEADER: usize = 4;
/// Largest content of a block: what four bytes of size can say.
pub const MAX_BLOCK: usize = (1 << 28) - 2;

/// `matroska` or `webm`: the same elements, of which the latter allows fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocType {
    /// Any codec.
    Matroska,
    /// VP8 and Opus.
    Webm,
}

/// What a track is coded with, and all that its decoder must know beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackCodec {
    /// Video, VP8.
    Vp8 {
        /// Of the first keyframe.
        size: PixelSize,
    },
    /// Video, H.264 with length-prefixed units.
    Avc {
        /// Of the first keyframe.
        size: PixelSize,
        /// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3).
        config: Vec<u8>,
    },
    /// Audio, Opus.
    Opus,
}

/// Pixels of a picture as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelSize {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// One track of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackEntry<'a> {
    /// Its number in blocks: 1 to 127.
    pub number: u8,
    /// Its number in tags: not zero.
    pub uid: u64,
    /// What it is coded with.
    pub codec: &'a TrackCodec,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// Whether it is played unless something else is chosen.
    pub default: bool,
}

/// Appends an element's id.
pub fn put_id(out: &mut Vec<u8>, id: Id) {
    let bytes = id.to_be_bytes();
    let zeros = usize::try_from(id.leading_zeros() / 8).unwrap_or(0).min(3);
    out.extend_from_slice(&bytes[zeros..]);
}

/// Appends a size, in as few bytes as it needs.
pub fn put_size(out: &mut Vec<u8>, size: u64) {
    let mut bytes = 1;
    // All ones would say that the size is unknown.
    while bytes < WIDE_SIZE && size >= (1 << (7 * bytes)) - 1 {
        bytes += 1;
    }
    let marked = size | 1 << (7 * bytes);
    out.extend_from_slice(&marked.to_be_bytes()[WIDE_SIZE - bytes..]);
}

/// Appends a size in eight bytes, so that it can be written over later.
pub fn put_wide_size(out: &mut Vec<u8>, size: u64) {
    out.extend_from_slice(&wide_size(size));
}

/// A size in eight bytes.
pub fn wide_size(size: u64) -> [u8; WIDE_SIZE] {
    (size & ((1 << 56) - 1) | 1 << 56).to_be_bytes()
}

/// Appends the beginning of an element that ends where something comes that cannot be within it.
pub fn put_unknown_size(out: &mut Vec<u8>, id: Id) {
    put_id(out, id);
    out.extend_from_slice(&UNKNOWN_SIZE);
}

/// Appends an element with these bytes as its content.
pub fn put_binary(out: &mut Vec<u8>, id: Id, content: &[u8]) {
    put_id(out, id);
    put_size(out, u64::try_from(content.len()).unwrap_or(0));
    out.extend_from_slice(content);
}

/// Appends a text.
pub fn put_string(out: &mut Vec<u8>, id: Id, text: &str) {
    put_binary(out, id, text.as_bytes());
}

/// Appends a number without sign, in as few bytes as it needs (at least one).
pub fn put_uint(out: &mut Vec<u8>, id: Id, value: u64) {
    let bytes = value.to_be_bytes();
    let zeros = usize::try_from(value.leading_zeros() / 8)
        .unwrap_or(0)
        .min(7);
    put_binary(out, id, &bytes[zeros..]);
}

/// Appends a number without sign in eight bytes, so that it can be written over later.
pub fn put_wide_uint(out: &mut Vec<u8>, id: Id, value: u64) {
    put_binary(out, id, &value.to_be_bytes());
}

/// Appends a floating-point number.
pub fn put_float(out: &mut Vec<u8>, id: Id, value: f64) {
    put_binary(out, id, &value.to_be_bytes());
}

/// Appends a date.
pub fn put_date(out: &mut Vec<u8>, id: Id, unix_ms: u64) {
    let since = i128::from(unix_ms) - i128::from(EPOCH_UNIX_MS);
    let nanos = i64::try_from(since * 1_000_000).unwrap_or(0);
    put_binary(out, id, &nanos.to_be_bytes());
}

/// Appends an element that holds what `content` appends. For small ones: the content is moved once.
pub fn put_master(out: &mut Vec<u8>, id: Id, content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    content(&mut inner);
    put_binary(out, id, &inner);
}

/// Appends the header with which each file begins.
pub fn put_ebml_header(out: &mut Vec<u8>, doc_type: DocType) {
    let name = match doc_type {
        DocType::Matroska => "matroska",
        DocType::Webm => "webm",
    };
    put_master(out, ids::EBML, |out| {
        put_uint(out, ids::EBML_VERSION, 1);
        put_uint(out, ids::EBML_READ_VERSION, 1);
        put_uint(out, ids::EBML_MAX_ID_LENGTH, 4);
        put_uint(out, ids::EBML_MAX_SIZE_LENGTH, 8);
        put_string(out, ids::DOC_TYPE, name);
        put_uint(out, ids::DOC_TYPE_VERSION, 4);
        put_uint(out, ids::DOC_TYPE_READ_VERSION, 2);
    });
}

/// Appends what is said of the whole file; `duration_ms` only where it is known.
pub fn put_segment_info(out: &mut Vec<u8>, date_unix_ms: u64, duration_ms: Option<f64>) {
    put_master(out, ids::INFO, |out| {
        put_uint(out, ids::TIMESTAMP_SCALE, TIMESTAMP_SCALE_NS);
        put_string(out, ids::MUXING_APP, APP);
        put_string(out, ids::WRITING_APP, APP);
        put_date(out, ids::DATE_UTC, date_unix_ms);
        if let Some(duration) = duration_ms {
            put_float(out, ids::DURATION, duration);
        }
    });
}

/// Appends one track: goes into an element `TRACKS`.
pub fn put_track_entry(out: &mut Vec<u8>, track: &TrackEntry<'_>) {
    let (kind, codec_id) = match track.codec {
        TrackCodec::Vp8 { .. } => (1, "V_VP8"),
        TrackCodec::Avc { .. } => (1, "V_MPEG4/ISO/AVC"),
        TrackCodec::Opus => (2, "A_OPUS"),
    };
    put_master(out, ids::TRACK_ENTRY, |out| {
        put_uint(out, ids::TRACK_NUMBER, u64::from(track.number));
        put_uint(out, ids::TRACK_UID, track.uid);
        put_uint(out, ids::TRACK_TYPE, kind);
        put_uint(out, ids::FLAG_DEFAULT, u64::from(track.default));
        put_uint(out, ids::FLAG_LACING, 0);
        put_string(out, ids::LANGUAGE, "und");
        if let Some(name) = track.name {
            put_string(out, ids::NAME, name);
        }
        put_string(out, ids::CODEC_ID, codec_id);
        put_codec(out, track.codec);
    });
}

fn put_codec(out: &mut Vec<u8>, codec: &TrackCodec) {
    match codec {
        TrackCodec::Vp8 { size } => put_video(out, *size),
        TrackCodec::Avc { size, config } => {
            put_binary(out, ids::CODEC_PRIVATE, config);
            put_video(out, *size);
        }
        TrackCodec::Opus => {
            put_binary(out, ids::CODEC_PRIVATE, &opus_head());
            put_uint(out, ids::CODEC_DELAY, 0);
            put_uint(out, ids::SEEK_PRE_ROLL, OPUS_PRE_ROLL_NS);
            put_master(out, ids::AUDIO, |out| {
                put_float(out, ids::SAMPLING_FREQUENCY, f64::from(OPUS_HZ));
                put_uint(out, ids::CHANNELS, u64::from(OPUS_CHANNELS));
            });
        }
    }
}

fn put_video(out: &mut Vec<u8>, size: PixelSize) {
    put_master(out, ids::VIDEO, |out| {
        put_uint(out, ids::PIXEL_WIDTH, u64::from(size.width));
        put_uint(out, ids::PIXEL_HEIGHT, u64::from(size.height));
    });
}

/// The head of an Opus stream (RFC 7845, section 5.1): no pre-skip, since a recording begins amid one.
fn opus_head() -> [u8; 19] {
    let mut head = [0; 19];
    head[..8].copy_from_slice(b"OpusHead");
    head[8] = 1;
    head[9] = OPUS_CHANNELS;
    head[12..16].copy_from_slice(&OPUS_HZ.to_le_bytes());
    head
}

/// Appends tags: of one track if `track_uid` names it, else of the file.
pub fn put_tags(out: &mut Vec<u8>, track_uid: Option<u64>, tags: &[(&str, &str)]) {
    put_master(out, ids::TAGS, |out| put_tag(out, track_uid, tags));
}

/// Appends one tag with its names and values: goes into an element `TAGS`.
pub fn put_tag(out: &mut Vec<u8>, track_uid: Option<u64>, tags: &[(&str, &str)]) {
    put_master(out, ids::TAG, |out| {
        put_master(out, ids::TARGETS, |out| {
            if let Some(uid) = track_uid {
                put_uint(out, ids::TAG_TRACK_UID, uid);
            }
        });
        for (name, value) in tags {
            put_master(out, ids::SIMPLE_TAG, |out| {
                put_string(out, ids::TAG_NAME, name);
                put_string(out, ids::TAG_STRING, value);
            });
        }
    });
}

/// Appends the beginning of a cluster of unknown size.
pub fn put_cluster(out: &mut Vec<u8>, timestamp_ms: u64) {
    put_unknown_size(out, ids::CLUSTER);
    put_uint(out, ids::TIMESTAMP, timestamp_ms);
}

/// Appends a frame to the cluster, `relative_ms` after the cluster's own time.
pub fn put_simple_block(
    out: &mut Vec<u8>,
    track: u8,
    relative_ms: i16,
    keyframe: bool,
    frame: &[u8],
) {
    put_id(out, ids::SIMPLE_BLOCK);
    put_size(
        out,
        u64::try_from(BLOCK_HEADER + frame.len()).unwrap_or(u64::MAX),
    );
    put_block_header(out, track, relative_ms, keyframe);
    out.extend_from_slice(frame);
}

fn put_block_header(out: &mut Vec<u8>, track: u8, relative_ms: i16, keyframe: bool) {
    let [high, low] = relative_ms.to_be_bytes();
    let flags = if keyframe { 0x80 } else { 0 };
    out.extend_from_slice(&[0x80 | track, high, low, flags]);
}

/// Begins a frame whose length is not known yet; returns where it stands, for [`end_simple_block`].
pub fn begin_simple_block(out: &mut Vec<u8>, track: u8, relative_ms: i16, keyframe: bool) -> usize {
    let at = out.len();
    put_id(out, ids::SIMPLE_BLOCK);
    out.extend_from_slice(&[0; BLOCK_SIZE_BYTES]);
    put_block_header(out, track, relative_ms, keyframe);
    at
}

/// Bytes before the frame of a block that [`begin_simple_block`] began.
pub const OPEN_BLOCK_HEADER: usize = 1 + BLOCK_SIZE_BYTES + BLOCK_HEADER;

/// Ends a frame that began at `at`: all that was appended since then. `keyframe` may be known only now.
/// At most [`MAX_BLOCK`] bytes.
pub fn end_simple_block(out: &mut [u8], at: usize, keyframe: bool) {
    let Some(block) = out.get_mut(at + 1..).filter(|b| b.len() >= 8) else {
        return;
    };
    let size = u32::try_from((block.len() - BLOCK_SIZE_BYTES).min(MAX_BLOCK)).unwrap_or(0);
    block[..BLOCK_SIZE_BYTES].copy_from_slice(&(size | 1 << 28).to_be_bytes());
    block[7] = if keyframe { 0x80 } else { 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out);
        out
    }

    #[test]
    fn ids_have_their_own_length() {
        let cases: &[(Id, &[u8])] = &[
            (ids::SIMPLE_BLOCK, &[0xa3]),
            (ids::DOC_TYPE, &[0x42, 0x82]),
            (ids::TIMESTAMP_SCALE, &[0x2a, 0xd7, 0xb1]),
            (ids::CLUSTER, &[0x1f, 0x43, 0xb6, 0x75]),
        ];
        for (id, bytes) in cases {
            assert_eq!(&written(|out| put_id(out, *id)), bytes, "{id:x}");
        }
    }

    #[test]
    fn sizes_are_short_and_never_look_unknown() {
        let cases: &[(u64, &[u8])] = &[
            (0, &[0x80]),
            (126, &[0xfe]),
            (127, &[0x40, 0x7f]),
            (16_382, &[0x7f, 0xfe]),
            (16_383, &[0x20, 0x3f, 0xff]),
            ((1 << 28) - 2, &[0x1f, 0xff, 0xff, 0xfe]),
            (
                (1 << 56) - 2,
                &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
            ),
        ];
        for (size, bytes) in cases {
            assert_eq!(&written(|out| put_size(out, *size)), bytes, "{size}");
        }
        assert_eq!(wide_size(5), [1, 0, 0, 0, 0, 0, 0, 5]);
    }

    #[test]
    fn numbers_take_the_bytes_that_they_need() {
        let uint = |value| written(|out| put_uint(out, ids::TIMESTAMP, value));
        assert_eq!(uint(0), [0xe7, 0x81, 0]);
        assert_eq!(uint(255), [0xe7, 0x81, 255]);
        assert_eq!(uint(256), [0xe7, 0x82, 1, 0]);
        let date = written(|out| put_date(out, ids::DATE_UTC, EPOCH_UNIX_MS + 1));
        assert_eq!(date, [0x44, 0x61, 0x88, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40]);
    }

    #[test]
    fn a_block_written_at_once_and_one_written_in_parts_hold_the_same() {
        let whole = written(|out| put_simple_block(out, 1, -2, true, &[7, 8, 9]));
        assert_eq!(whole, [0xa3, 0x87, 0x81, 0xff, 0xfe, 0x80, 7, 8, 9]);
        let mut parts = vec![1, 2];
        let at = begin_simple_block(&mut parts, 1, -2, false);
        assert_eq!(parts.len() - at, OPEN_BLOCK_HEADER);
        parts.extend_from_slice(&[7, 8, 9]);
        end_simple_block(&mut parts, at, true);
        assert_eq!(
            parts[2..],
            [0xa3, 0x10, 0, 0, 7, 0x81, 0xff, 0xfe, 0x80, 7, 8, 9]
        );
    }
}
