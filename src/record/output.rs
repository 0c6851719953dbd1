//! What a recorder is told of a track, and what it wants written.

use crate::base::{Identity, ParticipantSid, RecordingId, Role, TrackSid, TrackSource};
use std::fmt;

/// A track of the session, by the number that `node` has for it. Numbers are used again after a
/// track has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey(pub usize);

/// What a track is, for those who find its segment later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackFacts {
    /// Who publishes it.
    pub identity: Identity,
    /// Their role.
    pub role: Option<Role>,
    /// Their join.
    pub participant: ParticipantSid,
    /// The publication.
    pub sid: TrackSid,
    /// What it shows.
    pub source: TrackSource,
}

/// One file of one track: from its first frame until it ends, its consent is withdrawn, or its
/// publisher rejoins. Playable by itself at any moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// Of which recording.
    pub recording: RecordingId,
    /// From 1, in the order of opening.
    pub number: u32,
}

impl fmt::Display for SegmentId {
    /// The file's path below the directory of segments: nothing of it was chosen by a client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:06}.mkv", self.recording, self.number)
    }
}

/// What a recorder wants written. In order for each segment; nothing comes back but a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Make the segment's file, with these bytes at its beginning.
    Open {
        /// Which.
        segment: SegmentId,
        /// EBML header, segment info, tags and track.
        header: Vec<u8>,
    },
    /// Append to it.
    Append {
        /// Which.
        segment: SegmentId,
        /// Whole blocks: a file that ends after them plays.
        bytes: Vec<u8>,
    },
    /// Nothing more comes.
    Close {
        /// Which.
        segment: SegmentId,
    },
    /// The track cannot go on without one: ask its publisher.
    KeyframeWanted {
        /// Which.
        track: TrackKey,
    },
}
