//! What the recordings are told of a room, and what they want done in it.

use crate::base::{Consent, Identity, ParticipantSid, RecordingNote, Role, TrackSid, TrackSource};
use crate::media::Mid;
use crate::record;
use crate::room::{MemberKey, TrackKey};

/// The attribute that shows for what a participant is recorded.
pub(in crate::node) const RECORDED: &str = "recording";

/// Someone who is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) struct Person {
    pub(in crate::node) member: MemberKey,
    pub(in crate::node) identity: Identity,
    /// This join's id.
    pub(in crate::node) sid: ParticipantSid,
    pub(in crate::node) role: Option<Role>,
    /// Nobody sees them, so they are not recorded.
    pub(in crate::node) hidden: bool,
    /// They get what others publish, and others cannot see that, or what they do with it.
    pub(in crate::node) captures: bool,
    /// What they publish.
    pub(in crate::node) sources: Vec<Source>,
}

/// A published track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) struct Source {
    /// Its place in the room; used again after it has ended.
    pub(in crate::node) track: TrackKey,
    pub(in crate::node) sid: TrackSid,
    /// The publisher's section that carries it.
    pub(in crate::node) mid: Mid,
    pub(in crate::node) source: TrackSource,
    /// End to end: it cannot be recorded.
    pub(in crate::node) encrypted: bool,
}

impl Person {
    /// Nothing of what they publish can be read.
    pub(super) fn is_encrypted(&self) -> bool {
        let mut sources = self.sources.iter();
        !self.sources.is_empty() && sources.all(|source| source.encrypted)
    }
}

/// What is to be done. The order counts: evidence before the announcement, the announcement before the first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) enum Output {
    /// For the ledger: a consent has changed.
    Consent(Consent),
    /// For the ledger: a recording made a step.
    Note(RecordingNote),
    /// To be written.
    Recorded(record::Output),
    /// For which purposes a member is recorded, separated by commas: the attribute [`RECORDED`]; none: for none.
    Attribute(MemberKey, Option<String>),
    /// The room's `active_recording`.
    RoomFlag(bool),
    /// A data message to everyone: its topic, its JSON.
    TellAll(&'static str, String),
    /// A data message to one member: its topic, its JSON.
    TellOne(MemberKey, &'static str, String),
    /// The recorders no longer take a track.
    Unsubscribe(TrackKey),
    /// The recorders take a track, in a section of this name.
    Subscribe(TrackKey, Mid),
    /// The recorders cannot go on with the section without a keyframe.
    KeyframeWanted(Mid),
}
