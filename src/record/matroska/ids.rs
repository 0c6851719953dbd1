//! Ids of the elements that we write or read, with their length marker (RFC 8794, section 17; RFC 9559,
//! section 5.1).

/// An element's id as it stands in the file: one to four bytes, the marker bit included.
pub type Id = u32;

/// Which format the file has.
pub const EBML: Id = 0x1a45_dfa3;
/// Version of EBML that was written.
pub const EBML_VERSION: Id = 0x4286;
/// Lowest version of EBML that a reader must know.
pub const EBML_READ_VERSION: Id = 0x42f7;
/// Longest id in the file.
pub const EBML_MAX_ID_LENGTH: Id = 0x42f2;
/// Longest size in the file.
pub const EBML_MAX_SIZE_LENGTH: Id = 0x42f3;
/// `matroska` or `webm`.
pub const DOC_TYPE: Id = 0x4282;
/// Version of the format that was written.
pub const DOC_TYPE_VERSION: Id = 0x4287;
/// Lowest version of the format that a reader must know.
pub const DOC_TYPE_READ_VERSION: Id = 0x4285;
/// Nothing: space kept for later.
pub const VOID: Id = 0xec;

/// All that follows the header.
pub const SEGMENT: Id = 0x1853_8067;
/// Where the top elements lie.
pub const SEEK_HEAD: Id = 0x114d_9b74;
/// One of them.
pub const SEEK: Id = 0x4dbb;
/// Its id.
pub const SEEK_ID: Id = 0x53ab;
/// Its place, in bytes from the beginning of the segment's content.
pub const SEEK_POSITION: Id = 0x53ac;

/// Of the whole file.
pub const INFO: Id = 0x1549_a966;
/// Nanoseconds in a tick.
pub const TIMESTAMP_SCALE: Id = 0x2a_d7b1;
/// Ticks from the first to the end of the last frame, as floating point.
pub const DURATION: Id = 0x4489;
/// Nanoseconds since 2001.
pub const DATE_UTC: Id = 0x4461;
/// The library that wrote it.
pub const MUXING_APP: Id = 0x4d80;
/// The program that wrote it.
pub const WRITING_APP: Id = 0x5741;
/// Title of the file.
pub const TITLE: Id = 0x7ba9;

/// All tracks.
pub const TRACKS: Id = 0x1654_ae6b;
/// One of them.
pub const TRACK_ENTRY: Id = 0xae;
/// Its number in the blocks.
pub const TRACK_NUMBER: Id = 0xd7;
/// Its number in the tags.
pub const TRACK_UID: Id = 0x73c5;
/// 1 video, 2 audio.
pub const TRACK_TYPE: Id = 0x83;
/// Whether blocks may be laced.
pub const FLAG_LACING: Id = 0x9c;
/// Whether it is played unless something else is chosen.
pub const FLAG_DEFAULT: Id = 0x88;
/// Its name.
pub const NAME: Id = 0x536e;
/// Its language.
pub const LANGUAGE: Id = 0x22_b59c;
/// What it is coded with.
pub const CODEC_ID: Id = 0x86;
/// What the decoder must know before the first frame.
pub const CODEC_PRIVATE: Id = 0x63a2;
/// Delay of the codec, in nanoseconds.
pub const CODEC_DELAY: Id = 0x56aa;
/// What a decoder must have heard before it is right, in nanoseconds.
pub const SEEK_PRE_ROLL: Id = 0x56bb;
/// Of a video track.
pub const VIDEO: Id = 0xe0;
/// Width of the coded picture.
pub const PIXEL_WIDTH: Id = 0xb0;
/// Height of the coded picture.
pub const PIXEL_HEIGHT: Id = 0xba;
/// Of an audio track.
pub const AUDIO: Id = 0xe1;
/// Samples per second, as floating point.
pub const SAMPLING_FREQUENCY: Id = 0xb5;
/// How many channels.
pub const CHANNELS: Id = 0x9f;

/// A stretch of blocks.
pub const CLUSTER: Id = 0x1f43_b675;
/// Its beginning, in ticks.
pub const TIMESTAMP: Id = 0xe7;
/// Frames of one track.
pub const SIMPLE_BLOCK: Id = 0xa3;
/// Frames of one track, with more said of them.
pub const BLOCK_GROUP: Id = 0xa0;
/// The frames therein.
pub const BLOCK: Id = 0xa1;
/// How long they last, in ticks.
pub const BLOCK_DURATION: Id = 0x9b;

/// Where to find a time.
pub const CUES: Id = 0x1c53_bb6b;
/// One time.
pub const CUE_POINT: Id = 0xbb;
/// Which, in ticks.
pub const CUE_TIME: Id = 0xb3;
/// Where a track is then.
pub const CUE_TRACK_POSITIONS: Id = 0xb7;
/// Which track.
pub const CUE_TRACK: Id = 0xf7;
/// Its cluster, in bytes from the beginning of the segment's content.
pub const CUE_CLUSTER_POSITION: Id = 0xf1;

/// What is said of the file and its tracks.
pub const TAGS: Id = 0x1254_c367;
/// Something said of the same things.
pub const TAG: Id = 0x7373;
/// Of which.
pub const TARGETS: Id = 0x63c0;
/// Of which track.
pub const TAG_TRACK_UID: Id = 0x63c5;
/// One name and value.
pub const SIMPLE_TAG: Id = 0x67c8;
/// The name.
pub const TAG_NAME: Id = 0x45a3;
/// The value.
pub const TAG_STRING: Id = 0x4487;
