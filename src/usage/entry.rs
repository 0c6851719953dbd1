//! What the ledger keeps: entries with cumulative totals, the events they cause, and checkpoints.

use crate::base::{
    Consent, Direction, EndReason, Grants, Identity, LimitedBy, Millis, Mono, NodeId,
    ParticipantSid, PauseReason, Purpose, RecordingNote, RecordingStep, Role, RoomKey, RoomSid,
    SessionId, SessionState, Terms, TrackSource, Unix, Verdict, Warning,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is fixed when a session starts; repeated in its `start` entry and in every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// The session.
    pub session: SessionId,
    /// The node that runs it.
    pub node: NodeId,
    /// The room, with the project whose it is.
    #[serde(flatten)]
    pub room: RoomKey,
    /// The room's id on the wire.
    pub room_sid: RoomSid,
    /// Name of the policy template.
    pub policy: String,
    /// Sessions with less accrued, those that they continue included, report `billable_ms: 0`.
    pub min_billable_ms: Millis,
    /// The app's own booking id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub external_ref: Option<String>,
    /// The app's own JSON, at most 4 KiB.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metadata: Option<serde_json::Value>,
    /// The session that a crash or a stop of the node cut off and this one goes on with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continues: Option<SessionId>,
    /// The rules, and what was used before it began. Not in events.
    #[serde(skip_serializing_if = "Carried::is_empty", default)]
    pub carried: Carried,
}

impl SessionFacts {
    /// A session that goes on with no other and has nothing of the app's own.
    pub fn new(
        session: SessionId,
        node: NodeId,
        room: RoomKey,
        room_sid: RoomSid,
        policy: String,
    ) -> SessionFacts {
        SessionFacts {
            session,
            node,
            room,
            room_sid,
            policy,
            min_billable_ms: Millis::ZERO,
            external_ref: None,
            metadata: None,
            continues: None,
            carried: Carried::default(),
        }
    }
}

impl SessionFacts {
    /// Whether a token for `session` is for this one; one that names none is for any.
    pub fn serves(&self, session: Option<&SessionId>) -> bool {
        session.is_none_or(|id| *id == self.session || self.carried.chain.contains(id))
    }
}

/// What a session that goes on with this one, after a crash or a stop of the node, must know of its
/// beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The whole policy at the start, but for `external_ref` and `metadata`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<serde_json::Value>,
    /// Live time of the sessions that it continues.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub used_ms: Millis,
    /// What they used of `duration.max_min`.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub lasted_ms: Millis,
    /// The sessions that it continues, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub chain: Vec<SessionId>,
    /// What was added to its prepaid time before it began.
    #[serde(skip_serializing_if = "Grants::is_empty", default)]
    pub grants: Grants,
}

impl Carried {
    fn is_empty(&self) -> bool {
        *self == Carried::default()
    }
}

fn is_zero(millis: &Millis) -> bool {
    *millis == Millis::ZERO
}

/// One ledger row. Totals are cumulative, so a lost or repeated interim is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The session.
    pub session: SessionId,
    /// Gap-free per session, from 1.
    pub entry_seq: u64,
    /// What kind of row.
    pub kind: EntryKind,
    /// Why: `created`, `live`, `customer_away`, `participant_joined`, `warning_quota`, `interim`, `left`…
    pub cause: String,
    /// Wall-clock label of the moment the entry speaks of.
    pub at_unix_ms: Unix,
    /// The state from that moment on.
    #[serde(flatten)]
    pub state: SessionState,
    /// Running totals when the entry was made. That can be after its moment: whoever vanished is told
    /// to have left at their last packet, once the grace time is over.
    pub totals: Totals,
    /// Set where the totals name only what changed since the entry before: so many intervals stand in
    /// entries before this one, and whoever is not named is as they were told last. None: they are whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intervals_from: Option<usize>,
    /// Set in the `start` entry alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub facts: Option<SessionFacts>,
    /// The terms from that moment on; left out where they are those of the entry before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub terms: Option<Terms>,
    /// What it warns of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warning: Option<Warning>,
    /// Who said to be there, where the cause is `presence_confirmed`; nobody where the app did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirmed_by: Option<Identity>,
    /// What was added to the prepaid time: by this entry, where the cause is `granted`; by all of the
    /// session's, in the last one.
    #[serde(skip_serializing_if = "Grants::is_empty", default)]
    pub grants: Grants,
    /// Whose consent changed, in a `consent` entry alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consent: Option<Consent>,
    /// Which step a recording made, in a `recording` entry alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recording: Option<RecordingNote>,
    /// True where a crash cut the session off: the truth is at most `bound_ms` more.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub estimated: bool,
    /// Largest possible error of an estimate, always in the customer's favour; none where it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound_ms: Option<Millis>,
}

/// The kinds of ledger rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// First row of a session.
    Start,
    /// The state changed, or a participant came or went.
    Transition,
    /// Nothing changed but the totals.
    Interim,
    /// Somebody said whether they may be recorded. Written at once, so its moment is later than what the
    /// totals speak of.
    Consent,
    /// A recording made a step. Written at once; the only kind that may come after the `stop` entry.
    Recording,
    /// Last row of a session; only steps of its recordings follow.
    Stop,
    /// A process started; belongs to no session. First row of each chain.
    Boot,
    /// The wall clock was set; belongs to no session.
    Clock,
}

/// Running totals of a session, up to the last moment that is known for certain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Both sides present (or, by policy, anyone): what the billing clock shows.
    pub accrued_ms: Millis,
    /// `accrued_ms`, or 0 below the policy's minimum.
    pub billable_ms: Millis,
    /// An expert and a customer both present, paused or not.
    pub overlap_ms: Millis,
    /// Before the two sides met.
    pub waiting_ms: Millis,
    /// Paused time by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub paused_ms: BTreeMap<PauseReason, Millis>,
    /// Time recorded, by purpose: with somebody recorded, and counted in the session.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub recording_ms: BTreeMap<Purpose, Millis>,
    /// Every interval since the first join; neighbours touch.
    pub intervals: Vec<Interval>,
    /// Per participant, by identity.
    pub participants: BTreeMap<Identity, ParticipantTotals>,
}

impl Totals {
    /// The same without the lists.
    #[must_use]
    pub fn meters(&self) -> Totals {
        Totals {
            accrued_ms: self.accrued_ms,
            billable_ms: self.billable_ms,
            overlap_ms: self.overlap_ms,
            waiting_ms: self.waiting_ms,
            paused_ms: self.paused_ms.clone(),
            recording_ms: self.recording_ms.clone(),
            intervals: Vec::new(),
            participants: BTreeMap::new(),
        }
    }

    /// Takes in newer ones, of which so many intervals were left out where a number is named; whoever they
    /// do not name stays then.
    pub fn take(&mut self, newer: &Totals, intervals_from: Option<usize>) {
        let mut before = std::mem::replace(self, newer.clone());
        if let Some(from) = intervals_from {
            before.intervals.truncate(from);
            before.intervals.append(&mut self.intervals);
            self.intervals = before.intervals;
            before.participants.append(&mut self.participants);
            self.participants = before.participants;
        }
    }
}

/// A stretch of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Wall-clock label of its start.
    pub start_unix_ms: Unix,
    /// Wall-clock label of its end: the start plus its monotonic length.
    pub end_unix_ms: Unix,
    /// `waiting`, `live` or `paused` with its reason.
    #[serde(flatten)]
    pub state: SessionState,
}

/// Running totals of one participant (one identity, however many joins).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantTotals {
    /// The newest join's id.
    pub sid: ParticipantSid,
    /// From the token; `null` where the token names none.
    pub role: Option<Role>,
    /// What a preflight measured before the newest join that had one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub preflight: Option<Verdict>,
    /// Joined and not left, as the world was told: also during the grace time of a lost connection.
    pub present: bool,
    /// Time present.
    pub connected_ms: Millis,
    /// Time with authenticated media in the last 2 s.
    pub media_ms: Millis,
    /// Time absent between two presences.
    pub reconnect_gap_ms: Millis,
    /// Time with an unmuted published track, by source.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub published_ms: BTreeMap<TrackSource, Millis>,
    /// Time present with the promise of their uplink breached.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub below_floor_up_ms: Millis,
    /// Time present with the promise of their downlink breached.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub below_floor_down_ms: Millis,
    /// What held them below the floor for how much of that time, where it is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub limited_ms: BTreeMap<Direction, BTreeMap<LimitedBy, Millis>>,
    /// Bytes received from them on the media port.
    pub in_bytes: u64,
    /// Bytes sent to them on the media port.
    pub out_bytes: u64,
}

/// An event for billing, ready to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Gap-free per session, from 1.
    pub event_seq: u64,
    /// Derived from session and `event_seq`: the same for ever.
    pub id: String,
    /// Its type.
    pub kind: EventKind,
    /// The CloudEvents JSON document: exactly these bytes are signed and posted.
    pub body: String,
}

/// The event types of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `session.started`: the session was created.
    SessionStarted,
    /// `session.paused`.
    SessionPaused,
    /// `session.resumed`.
    SessionResumed,
    /// `session.usage`: interim totals; the first one says that the clock started.
    SessionUsage,
    /// `session.ended`: final totals.
    SessionEnded,
    /// `participant.joined`.
    ParticipantJoined,
    /// `session.warning`: see [`Warning`].
    SessionWarning,
    /// `participant.left`.
    ParticipantLeft,
    /// `consent.changed`: someone said whether they may be recorded, or took that back.
    ConsentChanged,
    /// `recording.started`: somebody is recorded from now on.
    RecordingStarted,
    /// `recording.ready`: its files may be fetched.
    RecordingReady,
    /// `recording.failed`: it could not go on, or cannot be finished.
    RecordingFailed,
    /// `recording.deleted`: its files are gone.
    RecordingDeleted,
}

impl EventKind {
    /// The CloudEvents `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::SessionStarted => "session.started",
            EventKind::SessionPaused => "session.paused",
            EventKind::SessionResumed => "session.resumed",
            EventKind::SessionUsage => "session.usage",
            EventKind::SessionEnded => "session.ended",
            EventKind::SessionWarning => "session.warning",
            EventKind::ParticipantJoined => "participant.joined",
            EventKind::ParticipantLeft => "participant.left",
            EventKind::ConsentChanged => "consent.changed",
            EventKind::RecordingStarted => "recording.started",
            EventKind::RecordingReady => "recording.ready",
            EventKind::RecordingFailed => "recording.failed",
            EventKind::RecordingDeleted => "recording.deleted",
        }
    }

    /// What a step of a recording tells the world; a stop tells nothing, the end of the session does.
    pub(super) const fn of_step(step: RecordingStep) -> Option<EventKind> {
        match step {
            RecordingStep::Started => Some(EventKind::RecordingStarted),
            RecordingStep::Stopped => None,
            RecordingStep::Failed => Some(EventKind::RecordingFailed),
            RecordingStep::Ready => Some(EventKind::RecordingReady),
            RecordingStep::Deleted => Some(EventKind::RecordingDeleted),
        }
    }
}

/// An entry and its events: one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The row.
    pub entry: Entry,
    /// What it tells the world, in order.
    pub events: Vec<Event>,
}

/// The running totals of a live session, kept at most 500 ms old on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which checkpoint of its session, from 1; counted by the process alone.
    #[serde(skip)]
    pub number: u64,
    /// What the session is.
    pub facts: SessionFacts,
    /// The newest entry at the time.
    pub entry_seq: u64,
    /// The newest event at the time.
    pub event_seq: u64,
    /// The wall-clock label up to which the totals are certain.
    pub settled_unix_ms: Unix,
    /// How long before the checkpoint was taken that was: a side that is heard rarely is only certain
    /// to be here up to its last packet.
    pub open_ms: Millis,
    /// When it was taken, by the clock of its process. None in those of older versions.
    #[serde(default)]
    pub taken: Option<Mono>,
    /// The state at that moment.
    #[serde(flatten)]
    pub state: SessionState,
    /// The totals at that moment.
    pub totals: Totals,
    /// Set where so many intervals are left out of the totals: they stand in the entries so far.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intervals_from: Option<usize>,
    /// The terms at that moment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub terms: Option<Terms>,
}

/// What of a session is on disk, or on its way there: the newest entry and the newest checkpoint, by
/// their numbers; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// `entry_seq` of the entry.
    pub entry_seq: u64,
    /// `number` of the checkpoint.
    pub checkpoint: u64,
}

impl Stored {
    /// This entry.
    pub const fn entry(entry_seq: u64) -> Stored {
        Stored {
            entry_seq,
            checkpoint: 0,
        }
    }

    /// This checkpoint.
    pub const fn checkpoint(number: u64) -> Stored {
        Stored {
            entry_seq: 0,
            checkpoint: number,
        }
    }

    /// Whether `other` is among what is stored.
    pub const fn covers(self, other: Stored) -> bool {
        other.entry_seq <= self.entry_seq && other.checkpoint <= self.checkpoint
    }

    /// Both together.
    pub fn with(self, other: Stored) -> Stored {
        Stored {
            entry_seq: self.entry_seq.max(other.entry_seq),
            checkpoint: self.checkpoint.max(other.checkpoint),
        }
    }
}

impl Entry {
    /// The end reason, in a `stop` entry.
    pub fn end_reason(&self) -> Option<EndReason> {
        match self.state {
            SessionState::Ended(reason) => Some(reason),
            SessionState::Waiting | SessionState::Live | SessionState::Paused(_) => None,
        }
    }
}
