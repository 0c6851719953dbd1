//! What a recorder has seen and done.

use std::ops::AddAssign;

/// Counters of one recorder, from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets that were offered.
    pub offered: u64,
    /// Of these: packets that the gate refused. Nothing else is known of them.
    pub refused: u64,
    /// Packets that came after their place was given up, twice, of a layer that was left, or of a codec that
    /// came too soon after another.
    pub late: u64,
    /// Packets that never came.
    pub holes: u64,
    /// Packets whose payload made no sense.
    pub malformed: u64,
    /// Frames in the files.
    pub frames: u64,
    /// Frames that were left out: damaged, in want of a keyframe, or more than there is a place for.
    pub frames_dropped: u64,
    /// Bytes handed out to be written.
    pub bytes: u64,
    /// Keyframes that were asked for.
    pub keyframes_wanted: u64,
    /// Times that a track's place on the timeline was found anew, since a clock of the sender had jumped.
    pub clock_restarts: u64,
    /// Segments that were opened.
    pub segments: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Stats) {
        self.offered += other.offered;
        self.refused += other.refused;
        self.late += other.late;
        self.holes += other.holes;
        self.malformed += other.malformed;
        self.frames += other.frames;
        self.frames_dropped += other.frames_dropped;
        self.bytes += other.bytes;
        self.keyframes_wanted += other.keyframes_wanted;
        self.clock_restarts += other.clock_restarts;
        self.segments += other.segments;
    }
}
