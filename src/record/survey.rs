//! What is in a segment: read once before anything is made of it.

use super::label::Label;
use super::matroska::write::TrackCodec;
use super::opus;
use super::poster::{Candidate, candidate};
use super::read::{Block, Damage, Header};
use crate::base::{ParticipantSid, TrackSid};
use serde::{Deserialize, Serialize};

/// A silence of this length is said in the manifest.
pub const GAP_MS: u64 = 1_000;

/// A stretch of the recording's timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "[u64; 2]", from = "[u64; 2]")]
pub struct Span {
    /// Its beginning.
    pub start_ms: u64,
    /// Its end.
    pub end_ms: u64,
}

impl From<Span> for [u64; 2] {
    fn from(span: Span) -> [u64; 2] {
        [span.start_ms, span.end_ms]
    }
}

impl From<[u64; 2]> for Span {
    fn from([start_ms, end_ms]: [u64; 2]) -> Span {
        Span { start_ms, end_ms }
    }
}

/// A segment, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Its number within the recording.
    pub number: u32,
    /// Whose it is.
    pub label: Label,
    /// What it is coded with.
    pub codec: TrackCodec,
    /// From its first frame to the end of its last.
    pub span: Span,
    /// Time of its last frame.
    pub last_ms: u64,
    /// Where nothing came for [`GAP_MS`] or longer.
    pub gaps: Vec<Span>,
    /// What had to be passed over.
    pub damage: Damage,
    /// So far it can be read: whoever reads it again stops there.
    pub bytes: u64,
    /// Its best picture.
    pub picture: Option<Candidate>,
}

/// A track of the session, as its participants knew it. One that was published anew is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Which (`TR_…`).
    pub track: TrackSid,
    /// In which join of the participant (`PA_…`).
    pub participant: ParticipantSid,
    /// From its first frame to the end of its last, on the recording's timeline.
    pub span_ms: Span,
}

impl Survey {
    /// The track that it is of, as far as this segment goes.
    pub(super) fn publication(&self) -> Publication {
        Publication {
            track: self.label.track.clone(),
            participant: self.label.participant.clone(),
            span_ms: self.span,
        }
    }
}

/// Reads a segment's blocks for a [`Survey`].
#[derive(Debug)]
pub struct Surveyor {
    number: u32,
    label: Label,
    track: u64,
    codec: TrackCodec,
    seen: Option<Seen>,
    gaps: Vec<Span>,
    picture: Option<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    first_ms: u64,
    last_ms: u64,
    end_ms: u64,
}

impl Surveyor {
    /// A segment with this beginning; none if it does not say whose it is.
    pub fn new(number: u32, header: &Header) -> Option<Surveyor> {
        let track = header.tracks.first()?;
        Some(Surveyor {
            number,
            label: Label::from_tags(&header.tags)?,
            track: track.number,
            codec: track.codec.clone(),
            seen: None,
            gaps: Vec::new(),
            picture: None,
        })
    }

    /// The next block.
    pub fn handle_block(&mut self, block: &Block) {
        if block.track != self.track {
            return;
        }
        let lasts_ms = match self.codec {
            TrackCodec::Opus => opus::duration_us(&block.frame).unwrap_or(0) / 1000,
            TrackCodec::Vp8 { .. } | TrackCodec::Avc { .. } => 0,
        };
        let seen = self.seen.get_or_insert(Seen {
            first_ms: block.at_ms,
            last_ms: block.at_ms,
            end_ms: block.at_ms,
        });
        if block.at_ms.saturating_sub(seen.last_ms) >= GAP_MS {
            self.gaps.push(Span {
                start_ms: seen.last_ms,
                end_ms: block.at_ms,
            });
        }
        seen.last_ms = seen.last_ms.max(block.at_ms);
        seen.end_ms = seen.end_ms.max(block.at_ms + lasts_ms);
        if let TrackCodec::Vp8 { .. } = self.codec {
            let better = candidate(&block.frame, self.picture.as_ref());
            self.picture = better.or_else(|| self.picture.take());
        }
    }

    /// So many bytes, and all blocks in them, have been read; none if there was no block.
    pub fn finish(self, damage: Damage, bytes: u64) -> Option<Survey> {
        let seen = self.seen?;
        Some(Survey {
            number: self.number,
            label: self.label,
            codec: self.codec,
            span: Span {
                start_ms: seen.first_ms,
                end_ms: seen.end_ms,
            },
            last_ms: seen.last_ms,
            gaps: self.gaps,
            damage,
            bytes,
            picture: self.picture,
        })
    }
}
