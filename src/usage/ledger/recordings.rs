//! How far a session's recordings are, as its entries tell it: the order in which their steps may come,
//! and the entry that tells a step after the session's end.

use crate::base::{
    Grants, Identity, Millis, RecordingId, RecordingNote, RecordingResult, RecordingStep, RoomKey,
    SessionId, Unix,
};
use crate::usage::event::event;
use crate::usage::{Append, Entry, EntryKind, EventKind, SessionFacts};
use std::collections::BTreeMap;

/// Where a recording stands after a step. One that failed while its session ran is `Broken`: what is
/// there is still finished. One that failed afterwards cannot be finished, and stays `Failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Somebody is recorded, or was when the session ended.
    Recording,
    /// Nobody is recorded.
    Stopped,
    /// It could not go on (a full or slow disk).
    Broken,
    /// Its files are finished.
    Ready,
    /// It cannot be finished.
    Failed,
    /// Its files are gone.
    Deleted,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 6] = [
        Stage::Recording,
        Stage::Stopped,
        Stage::Broken,
        Stage::Ready,
        Stage::Failed,
        Stage::Deleted,
    ];

    /// The word used in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Recording => "recording",
            Stage::Stopped => "stopped",
            Stage::Broken => "broken",
            Stage::Ready => "ready",
            Stage::Failed => "failed",
            Stage::Deleted => "deleted",
        }
    }

    /// The stage of this word.
    pub fn parse(word: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.as_str() == word)
    }

    /// The stage after a step; none where the step may not come then. Recordings start and stop while
    /// their session runs, and are finished and deleted once it is `over`.
    pub const fn after(before: Option<Stage>, step: RecordingStep, over: bool) -> Option<Stage> {
        use RecordingStep as Step;
        use Stage::{Broken, Deleted, Failed, Ready, Recording, Stopped};
        match (step, over, before) {
            (Step::Started, false, None | Some(Stopped | Broken)) => Some(Recording),
            (Step::Stopped, false, Some(Recording)) => Some(Stopped),
            (Step::Failed, false, Some(Recording | Stopped)) => Some(Broken),
            (Step::Ready, true, Some(Recording | Stopped | Broken)) => Some(Ready),
            (Step::Failed, true, Some(Recording | Stopped | Broken)) => Some(Failed),
            (Step::Deleted, true, Some(Ready | Failed)) => Some(Deleted),
            (
                Step::Started | Step::Stopped | Step::Failed | Step::Ready | Step::Deleted,
                true | false,
                _,
            ) => None,
        }
    }
}

/// The stages of a session's recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stages(BTreeMap<RecordingId, Stage>);

impl Stages {
    /// Takes a step. False, and nothing changes, where it may not come now.
    pub fn handle_step(&mut self, id: &RecordingId, step: RecordingStep, over: bool) -> bool {
        let after = Stage::after(self.stage(id), step, over);
        if let Some(stage) = after {
            self.0.insert(id.clone(), stage);
        }
        after.is_some()
    }

    /// Where a recording stands; none before it first started.
    pub fn stage(&self, id: &RecordingId) -> Option<Stage> {
        self.0.get(id).copied()
    }
}

/// Why a step after the session's end is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteRefusal {
    /// The session still runs.
    #[error("its session still runs")]
    Running,
    /// There is no such recording.
    #[error("there is no such recording")]
    Unknown,
    /// What the ledger holds of its session cannot be read.
    #[error("its session cannot be read; `beistand ledger verify` says why")]
    Unreadable,
    /// This step may not come now.
    #[error("that cannot follow: the recording is {}", .0.as_str())]
    Order(Stage),
}

/// The entry of a step of a recording after the session's end, with its event. State and totals are
/// those of `last`, the newest entry: the money of the session is closed, and no list is told again.
pub fn after_stop(
    facts: &SessionFacts,
    last: &Entry,
    last_event_seq: u64,
    note: RecordingNote,
    at: Unix,
) -> Append {
    let kind = EventKind::of_step(note.step);
    let entry = Entry {
        entry_seq: last.entry_seq + 1,
        kind: EntryKind::Recording,
        cause: note.step.cause().to_owned(),
        at_unix_ms: at.max(last.at_unix_ms),
        totals: last.totals.meters(),
        intervals_from: Some(last.intervals_from.unwrap_or(0) + last.totals.intervals.len()),
        facts: None,
        warning: None,
        confirmed_by: None,
        grants: Grants::default(),
        consent: None,
        recording: Some(note),
        ..last.clone()
    };
    let about: Option<&Identity> = None;
    let events = kind
        .map(|kind| event(facts, kind, last_event_seq + 1, &entry, about))
        .into_iter()
        .collect();
    Append { entry, events }
}

/// A recording as the store knows it: what its notes told, and of which session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRecord {
    /// Which.
    pub id: RecordingId,
    /// Its place in the order in which recordings first started.
    pub seq: u64,
    /// The room of its session.
    pub room: RoomKey,
    /// The app's own booking id of its session.
    pub external_ref: Option<String>,
    /// Where it stands.
    pub stage: Stage,
    /// When it first started.
    pub started_unix_ms: Unix,
    /// When it last stopped, at the latest with its session; none while it runs.
    pub stopped_unix_ms: Option<Unix>,
    /// When its newest step was.
    pub changed_unix_ms: Unix,
    /// When its session ended; none while it runs.
    pub ended_unix_ms: Option<Unix>,
    /// When it is deleted, once its session is over; none: it is kept.
    pub expires_unix_ms: Option<Unix>,
    /// Why it failed or was deleted, in words; that of a failure stays when it is finished after all.
    pub reason: Option<String>,
    /// Its result, once it is ready; kept when it is deleted.
    pub result: Option<RecordingResult>,
}

impl RecordingRecord {
    /// Its session.
    pub const fn session(&self) -> &SessionId {
        self.id.session()
    }

    /// From its first to its last frame, once it is known.
    pub fn duration_ms(&self) -> Option<Millis> {
        self.result.as_ref().map(|result| result.duration_ms)
    }

    /// How it stands, in the word that the world is told: `recording`, `stopped`, `failed`, `finishing`,
    /// `ready` or `deleted`.
    pub const fn state(&self) -> &'static str {
        match (self.stage, self.ended_unix_ms) {
            (Stage::Recording | Stage::Stopped | Stage::Broken, Some(_)) => "finishing",
            (Stage::Recording, None) => "recording",
            (Stage::Stopped, None) => "stopped",
            (Stage::Broken, None) | (Stage::Failed, _) => "failed",
            (Stage::Ready, _) => "ready",
            (Stage::Deleted, _) => "deleted",
        }
    }
}
