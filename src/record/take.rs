//! A track while its gate is open: from packets to a file. All that is kept of a track lies in here, so that
//! closing the gate is dropping this.

use super::depacketize::{Depacketizer, Malformed};
use super::output::{Output, SegmentId, TrackFacts, TrackKey};
use super::reorder::{Disposition, Reorder, Step};
use super::segment::{MAX_FRAME, Segment, SegmentHead};
use super::stats::Stats;
use super::timeline::{SenderClock, Sighting, Timeline};
use crate::base::{Identity, Millis, Mono, Now, RecordingId, TrackKind};
use crate::media::{Codec, Packet, StreamId};
use std::collections::{BTreeMap, VecDeque};

/// After a loss frames are left out until a keyframe comes, since they would show smears; but not longer: then a
/// smear is better than a picture that stands still. The publisher is asked, and answers within a round trip and
/// the 500 ms of its throttle.
const WAIT_FOR_KEYFRAME: Millis = Millis(2_000);
/// A keyframe that does not come is asked for again.
const ASK_AGAIN: Millis = Millis(1_000);
/// Most files of a recording …
const MAX_SEGMENTS: u32 = 9_999;
/// … and of one participant, so that nobody uses up what others need: sixteen tracks that are published anew
/// thirty times.
const MAX_SEGMENTS_EACH: u32 = 500;
/// A layer that was left without a word has been silent for so long.
const SILENT: Millis = Millis(1_000);

/// What a take needs of its recorder.
pub(super) struct Context<'a> {
    pub(super) key: TrackKey,
    pub(super) recording: &'a RecordingId,
    pub(super) origin: Now,
    pub(super) facts: &'a TrackFacts,
    pub(super) clock: &'a mut SenderClock,
    pub(super) segments: &'a mut Segments,
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) stats: &'a mut Stats,
}

/// The files of a recording so far.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Number of the newest.
    newest: u32,
    each: BTreeMap<Identity, u32>,
}

impl Segments {
    pub(super) const fn new() -> Segments {
        Segments {
            newest: 0,
            each: BTreeMap::new(),
        }
    }

    /// The number of one more; none if that would be too many.
    fn open(&mut self, whose: &Identity) -> Option<u32> {
        let theirs = self.each.get(whose).copied().unwrap_or(0);
        if self.newest >= MAX_SEGMENTS || theirs >= MAX_SEGMENTS_EACH {
            return None;
        }
        self.newest += 1;
        self.each.insert(whose.clone(), theirs + 1);
        Some(self.newest)
    }
}

/// A picture of the stream.
#[derive(Clone, Copy, Debug)]
struct PartialFrame {
    timestamp: u32,
    at_ms: u64,
    keyframe: bool,
    /// It goes into the file, unless something is missing.
    written: bool,
    /// Something is missing: only what is surely its very beginning could save it.
    spoiled: bool,
}

/// A keyframe is waited for.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Mono,
    asked: Mono,
}

/// One codec's packets on their way into one file.
#[derive(Debug)]
pub(super) struct Take {
    codec: Codec,
    since: Mono,
    stream: StreamId,
    /// When its newest packet came.
    heard: Mono,
    reorder: Reorder,
    timeline: Timeline,
    depacketizer: Depacketizer,
    frame: Option<PartialFrame>,
    /// The packet before the next one is missing, or unknown.
    after_gap: bool,
    wait: Option<Wait>,
    segment: Segment,
}

impl Take {
    /// Begins with the first packet.
    pub(super) fn new(packet: &Packet, now: Now, origin: Now) -> Take {
        Take {
            codec: packet.codec,
            since: now.mono,
            stream: packet.stream,
            heard: now.mono,
            reorder: Reorder::default(),
            timeline: Timeline::new(origin.mono, packet.codec.clock_hz()),
            depacketizer: Depacketizer::new(packet.codec),
            frame: None,
            after_gap: true,
            wait: None,
            segment: Segment::default(),
        }
    }

    /// What it is coded with: another codec is another take.
    pub(super) const fn codec(&self) -> Codec {
        self.codec
    }

    /// When it began.
    pub(super) const fn since(&self) -> Mono {
        self.since
    }

    /// The file, if it is open.
    pub(super) const fn segment(&self) -> Option<&SegmentId> {
        self.segment.id()
    }

    /// A packet of the track.
    pub(super) fn handle_packet(&mut self, packet: &Packet, now: Mono, context: &mut Context<'_>) {
        if packet.stream != self.stream && !self.switch(packet, now, context) {
            context.stats.late += 1;
            return;
        }
        self.heard = now;
        match self.reorder.handle_packet(packet, now) {
            Disposition::Next => self.on_packet(packet, now, context),
            Disposition::Kept => {}
            Disposition::Late => {
                context.stats.late += 1;
                return;
            }
        }
        if !self.reorder.is_idle() {
            self.on_released(now, context);
        }
        if self.segment.is_due(now) {
            self.hand_out(context);
        }
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Mono, context: &mut Context<'_>) {
        self.on_released(now, context);
        if self.segment.is_due(now) {
            self.hand_out(context);
        }
    }

    /// When time matters next.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match (self.reorder.deadline(), self.segment.deadline()) {
            (Some(hole), Some(piece)) => Some(hole.min(piece)),
            (hole, piece) => hole.or(piece),
        }
    }

    /// Nothing more comes: what is whole is handed out.
    pub(super) fn finish(&mut self, now: Mono, context: &mut Context<'_>) {
        self.end_stream(now, context);
        self.hand_out(context);
    }

    /// Another layer, from its keyframe on. False for a packet that is no beginning: it is of a layer that was left.
    fn switch(&mut self, packet: &Packet, now: Mono, context: &mut Context<'_>) -> bool {
        if !packet.keyframe && now.since(self.heard) < SILENT {
            return false;
        }
        self.end_stream(now, context);
        self.stream = packet.stream;
        self.reorder.clear();
        self.timeline.switch();
        self.after_gap = true;
        self.wait = None;
        if !packet.keyframe {
            self.want_keyframe(now, context);
        }
        true
    }

    /// What waits behind a hole is used, if it is of use without what is missing.
    fn end_stream(&mut self, now: Mono, context: &mut Context<'_>) {
        if self.codec.kind() == TrackKind::Audio {
            self.on_released(now + super::reorder::HOLE_WAIT, context);
        }
        self.drop_frame(context);
    }

    /// Uses all that need not wait.
    fn on_released(&mut self, now: Mono, context: &mut Context<'_>) {
        while let Some(step) = self.reorder.poll(now) {
            match step {
                Step::Packet(held) => self.on_packet(&held.packet, held.arrival, context),
                Step::Gap(missing) => {
                    context.stats.holes = context.stats.holes.saturating_add(missing);
                    self.on_damage(now, context);
                    self.after_gap = true;
                }
            }
        }
    }

    /// The next packet in the order of the sender. Those without content only keep a path warm.
    fn on_packet(&mut self, packet: &Packet, arrival: Mono, context: &mut Context<'_>) {
        if !packet.payload.is_empty() {
            match self.codec {
                Codec::Opus => self.on_sound(packet, arrival, context),
                Codec::Vp8 | Codec::H264 => self.on_picture(packet, arrival, context),
            }
        }
        self.after_gap = false;
    }

    fn on_sound(&mut self, packet: &Packet, arrival: Mono, context: &mut Context<'_>) {
        let at_ms = self.place(packet, arrival, context);
        // Each is a keyframe, so none is a better place for a new cluster than another.
        if !self.segment.begin_frame(at_ms, false) {
            context.stats.frames_dropped += 1;
            return;
        }
        self.segment.bytes_mut().extend_from_slice(&packet.payload);
        self.end_frame(true, arrival, context);
    }

    fn on_picture(&mut self, packet: &Packet, arrival: Mono, context: &mut Context<'_>) {
        if self
            .frame
            .is_some_and(|frame| frame.timestamp != packet.timestamp)
        {
            self.complete(arrival, context);
        }
        let mut frame = match self.frame {
            Some(frame) => frame,
            None => PartialFrame {
                timestamp: packet.timestamp,
                at_ms: self.place(packet, arrival, context),
                keyframe: false,
                written: false,
                spoiled: self.after_gap,
            },
        };
        if !frame.written && (packet.keyframe || self.frame.is_none()) {
            frame.written = self.may_begin(packet, frame.spoiled, arrival, context)
                && self.segment.begin_frame(frame.at_ms, packet.keyframe);
            frame.spoiled |= packet.keyframe;
            if frame.written {
                self.depacketizer.begin();
            }
        }
        frame.keyframe |= packet.keyframe;
        self.frame = Some(frame);
        if frame.written && self.append(&packet.payload).is_err() {
            context.stats.malformed += 1;
            self.on_damage(arrival, context);
        }
        if packet.marker {
            self.complete(arrival, context);
        }
    }

    /// True if a frame that begins here can be shown.
    fn may_begin(
        &mut self,
        packet: &Packet,
        spoiled: bool,
        now: Mono,
        context: &mut Context<'_>,
    ) -> bool {
        let begins = self.depacketizer.begins_frame(&packet.payload, spoiled);
        if packet.keyframe {
            return begins;
        }
        let waited = self.wait.map(|wait| now.since(wait.since));
        let patient = waited.is_some_and(|waited| waited < WAIT_FOR_KEYFRAME);
        if !self.segment.is_open() || patient {
            self.ask(now, context);
            return false;
        }
        self.wait = None;
        begins || self.codec == Codec::H264
    }

    fn append(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        if self.segment.frame().len() + payload.len() > MAX_FRAME {
            return Err(Malformed);
        }
        self.depacketizer.append(self.segment.bytes_mut(), payload)
    }

    /// No more comes of the frame.
    fn complete(&mut self, now: Mono, context: &mut Context<'_>) {
        let Some(frame) = self.frame else {
            return;
        };
        let whole = frame.written && self.depacketizer.is_whole();
        if !whole {
            let damaged = frame.written;
            self.drop_frame(context);
            if damaged {
                self.want_keyframe(now, context);
            }
            return;
        }
        if frame.keyframe {
            self.wait = None;
        }
        self.frame = None;
        self.end_frame(frame.keyframe, now, context);
    }

    /// Something is missing or makes no sense: of sound only that, of pictures all until the next keyframe.
    fn on_damage(&mut self, now: Mono, context: &mut Context<'_>) {
        if self.codec.kind() == TrackKind::Audio {
            return;
        }
        if let Some(frame) = &mut self.frame {
            frame.written = false;
            frame.spoiled = true;
            self.segment.drop_frame();
        }
        self.want_keyframe(now, context);
    }

    fn want_keyframe(&mut self, now: Mono, context: &mut Context<'_>) {
        if self.wait.is_none() {
            self.ask(now, context);
        }
    }

    /// Asks for a keyframe, unless that was done a moment ago.
    fn ask(&mut self, now: Mono, context: &mut Context<'_>) {
        let wait = match self.wait {
            Some(wait) if now.since(wait.asked) < ASK_AGAIN => return,
            Some(wait) => Wait { asked: now, ..wait },
            None => Wait {
                since: now,
                asked: now,
            },
        };
        self.wait = Some(wait);
        context.want_keyframe();
    }

    fn drop_frame(&mut self, context: &mut Context<'_>) {
        if self.frame.take().is_some() {
            context.stats.frames_dropped += 1;
        }
        self.segment.drop_frame();
    }

    /// A whole frame stands in the segment's memory. The first one opens its file.
    fn end_frame(&mut self, keyframe: bool, now: Mono, context: &mut Context<'_>) {
        if !self.segment.is_open() {
            match self.depacketizer.describe(self.segment.frame()) {
                Ok(codec) => {
                    let Some(segment) = context.next_segment() else {
                        context.stats.frames_dropped += 1;
                        return self.segment.drop_frame();
                    };
                    let head = context.head(&segment);
                    let opened = self.segment.open(head, &codec);
                    context.put(opened);
                }
                Err(Malformed) => {
                    context.stats.malformed += 1;
                    context.stats.frames_dropped += 1;
                    self.segment.drop_frame();
                    self.want_keyframe(now, context);
                    return;
                }
            }
        }
        self.segment.end_frame(keyframe, now);
        context.stats.frames += 1;
    }

    fn place(&mut self, packet: &Packet, arrival: Mono, context: &mut Context<'_>) -> u64 {
        let seen = Sighting {
            timestamp: packet.timestamp,
            arrival,
            reported: packet.reported,
        };
        let placed = self.timeline.place(seen, context.clock);
        context.stats.clock_restarts += u64::from(placed.restarted);
        placed.at_ms
    }

    fn hand_out(&mut self, context: &mut Context<'_>) {
        if let Some(output) = self.segment.hand_out() {
            context.put(output);
        }
    }
}

impl Context<'_> {
    /// Asks for a keyframe.
    pub(super) fn want_keyframe(&mut self) {
        self.stats.keyframes_wanted += 1;
        self.put(Output::KeyframeWanted { track: self.key });
    }

    fn next_segment(&mut self) -> Option<SegmentId> {
        let number = self.segments.open(&self.facts.identity)?;
        self.stats.segments += 1;
        Some(SegmentId {
            recording: self.recording.clone(),
            number,
        })
    }

    fn head<'a>(&'a self, segment: &'a SegmentId) -> SegmentHead<'a> {
        SegmentHead {
            segment,
            origin: self.origin,
            facts: self.facts,
        }
    }

    fn put(&mut self, output: Output) {
        self.stats.bytes += match &output {
            Output::Open { header, .. } => u64::try_from(header.len()).unwrap_or(0),
            Output::Append { bytes, .. } => u64::try_from(bytes.len()).unwrap_or(0),
            Output::Close { .. } | Output::KeyframeWanted { .. } => 0,
        };
        self.outputs.push_back(output);
    }
}
