//! One file in the making: whole frames gathered into clusters, and handed out piece by piece.

use super::label::source_word;
use super::matroska::ids;
use super::matroska::write::{
    self, DocType, OPEN_BLOCK_HEADER, TrackCodec, TrackEntry, put_cluster,
};
use super::output::{Output, SegmentId, TrackFacts};
use crate::base::{Millis, Mono, Now};

/// Longest frame: a keyframe of a shared screen in 4K has a few hundred kilobytes. Bounds, with what waits in
/// [`super::reorder`], the memory of a track at 2 MiB.
pub(super) const MAX_FRAME: usize = 768 << 10;
/// Frames are handed out after so long at the latest …
const HAND_OUT_AFTER: Millis = Millis(500);
/// … or once they have so many bytes.
const HAND_OUT_BYTES: usize = 64 << 10;
/// Room for the frame that goes beyond them: a piece that grew would be copied, into memory fresh from the kernel.
const BEYOND: usize = 16 << 10;
/// Longest stretch of a cluster: RFC 9559, section 25.3, recommends at most 5 s. The times of blocks are 16 bits
/// relative to it, so 32 s would be the end.
const CLUSTER: Millis = Millis(5_000);
/// From here on a keyframe begins a new one, since players seek to clusters.
const CLUSTER_AT_KEYFRAME: Millis = Millis(2_000);
/// How far the times of blocks, each a millisecond after the one before at least, may run ahead of where the frames
/// belong: farther goes only who sends over a thousand frames a second, and those are left out.
const MAX_AHEAD: Millis = Millis(1_000);
/// The only track of a segment.
const TRACK: u8 = 1;

/// What a recorder knows of its recording, for the heads of files.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentHead<'a> {
    /// Which file.
    pub(super) segment: &'a SegmentId,
    /// When the timeline begins.
    pub(super) origin: Now,
    /// Whose track it is.
    pub(super) facts: &'a TrackFacts,
}

/// A frame that is being written.
#[derive(Clone, Copy, Debug)]
struct OpenFrame {
    /// Where its block begins.
    block: usize,
    at_ms: u64,
    /// The cluster that it lies in, which may begin with it.
    cluster_ms: u64,
}

/// Frames of one file that are not handed out yet.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// The file, once it is open.
    id: Option<SegmentId>,
    /// Whole blocks, then perhaps a frame that is being written.
    bytes: Vec<u8>,
    /// Length of the whole blocks.
    whole: usize,
    frame: Option<OpenFrame>,
    cluster_ms: Option<u64>,
    last_ms: Option<u64>,
    /// When the oldest of the whole blocks was written.
    since: Option<Mono>,
}

impl Segment {
    /// True once the file is open: something of it has been handed out.
    pub(super) const fn is_open(&self) -> bool {
        self.id.is_some()
    }

    /// The file, if it is open.
    pub(super) const fn id(&self) -> Option<&SegmentId> {
        self.id.as_ref()
    }

    /// Begins a frame, if there is a place for it. Times never go back: the file says what can be played.
    pub(super) fn begin_frame(&mut self, placed_ms: u64, keyframe: bool) -> bool {
        self.drop_frame();
        let at_ms = self
            .last_ms
            .map_or(placed_ms, |last| placed_ms.max(last + 1));
        if at_ms - placed_ms > MAX_AHEAD.0 {
            return false;
        }
        let fits = self.cluster_ms.filter(|cluster| {
            let within = at_ms - cluster;
            within < CLUSTER.0 && !(keyframe && within >= CLUSTER_AT_KEYFRAME.0)
        });
        let cluster_ms = fits.unwrap_or(at_ms);
        if fits.is_none() {
            put_cluster(&mut self.bytes, at_ms);
        }
        let relative = i16::try_from(at_ms - cluster_ms).unwrap_or(i16::MAX);
        let block = write::begin_simple_block(&mut self.bytes, TRACK, relative, keyframe);
        self.frame = Some(OpenFrame {
            block,
            at_ms,
            cluster_ms,
        });
        true
    }

    /// Where the frame's bytes are appended, and nothing else is done.
    pub(super) const fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The frame that is being written, up to here.
    pub(super) fn frame(&self) -> &[u8] {
        let begin = self.frame.map(|frame| frame.block + OPEN_BLOCK_HEADER);
        begin
            .and_then(|begin| self.bytes.get(begin..))
            .unwrap_or(&[])
    }

    /// Takes the frame back, as if it had never begun.
    pub(super) fn drop_frame(&mut self) {
        self.frame = None;
        self.bytes.truncate(self.whole);
    }

    /// The frame is whole. The file must be open by then.
    pub(super) fn end_frame(&mut self, keyframe: bool, now: Mono) {
        let Some(frame) = self.frame.take() else {
            return;
        };
        write::end_simple_block(&mut self.bytes, frame.block, keyframe);
        self.cluster_ms = Some(frame.cluster_ms);
        self.last_ms = Some(frame.at_ms);
        self.whole = self.bytes.len();
        self.since = self.since.or(Some(now));
    }

    /// Opens the file.
    pub(super) fn open(&mut self, head: SegmentHead<'_>, codec: &TrackCodec) -> Output {
        self.id = Some(head.segment.clone());
        Output::Open {
            segment: head.segment.clone(),
            header: header(head, codec),
        }
    }

    /// When whole blocks are due to be handed out.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.since.map(|since| since + HAND_OUT_AFTER)
    }

    /// True if whole blocks should be handed out now.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.whole >= HAND_OUT_BYTES || self.deadline().is_some_and(|at| at <= now)
    }

    /// Hands out all whole blocks. A frame that is being written stays.
    pub(super) fn hand_out(&mut self) -> Option<Output> {
        let segment = self.id.clone().filter(|_| self.whole > 0)?;
        let rest = self.bytes.split_off(self.whole);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        self.bytes.reserve(HAND_OUT_BYTES + BEYOND);
        if let Some(frame) = &mut self.frame {
            frame.block -= self.whole;
        }
        self.whole = 0;
        self.since = None;
        Some(Output::Append { segment, bytes })
    }
}

/// All that a player must know before the first cluster, and all by which the file is found later.
fn header(head: SegmentHead<'_>, codec: &TrackCodec) -> Vec<u8> {
    let (facts, recording) = (head.facts, &head.segment.recording);
    let uid = u64::from(head.segment.number).max(1);
    let track = TrackEntry {
        number: TRACK,
        uid,
        codec,
        name: None,
        default: true,
    };
    let origin_unix_ms = head.origin.unix.0.to_string();
    let mut tags = vec![
        ("SESSION", recording.session().as_str()),
        ("PURPOSE", recording.purpose().as_str()),
        ("IDENTITY", facts.identity.as_str()),
        ("SOURCE", source_word(facts.source)),
        ("PARTICIPANT", facts.participant.as_str()),
        ("TRACK", facts.sid.as_str()),
        ("ORIGIN_UNIX_MS", &origin_unix_ms),
    ];
    if let Some(role) = facts.role {
        tags.push(("ROLE", role.as_str()));
    }
    let mut out = Vec::with_capacity(1024);
    write::put_ebml_header(&mut out, DocType::Matroska);
    write::put_unknown_size(&mut out, ids::SEGMENT);
    write::put_segment_info(&mut out, head.origin.unix.0, None);
    write::put_master(&mut out, ids::TRACKS, |out| {
        write::put_track_entry(out, &track);
    });
    write::put_tags(&mut out, Some(uid), &tags);
    out
}
