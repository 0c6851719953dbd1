//! What the writer does, and what it answers once that is on disk.

use crate::api::Work;
use crate::base::{ProjectId, RecordingNote, RoomKey, SessionId};
use crate::usage::ledger::{NoteRefusal, SessionRecord};
use crate::usage::outbox::{Lane, Mark, OutboxRow};
use crate::usage::{Append, Checkpoint};
use std::sync::Arc;

/// Work for the writer; done in the order of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// An entry and one outbox row per event and endpoint: one transaction.
    Append(Box<Append>),
    /// Close a session whose room panicked, from what is on disk of it.
    Abandon {
        /// Its room.
        room: RoomKey,
        /// The session.
        session: SessionId,
    },
    /// Running totals of live sessions. One that is over, or unknown, is passed over.
    Checkpoints(Vec<Checkpoint>),
    /// Read the oldest pending row of a lane.
    Head(Lane),
    /// Name lanes with something pending (for endpoints that are configured), so many at once: the entries
    /// of live sessions do not wait for all of them.
    Lanes {
        /// Those behind this one; all for none.
        after: Option<Lane>,
    },
    /// Write the outcome of an attempt to its row.
    Mark(Mark),
    /// From here on each event gets one outbox row for each of these endpoints.
    Endpoints(Vec<Arc<str>>),
    /// Make dead letters of what is pending for an endpoint that is not among those, so many at once:
    /// the entries of live sessions do not wait for all of it.
    Bury,
    /// Write for the Sessions API; answered by number.
    Write {
        /// The number.
        number: u64,
        /// What to write.
        work: Work,
    },
    /// Write a step of a recording whose session is over; answered by number.
    Note {
        /// The number.
        number: u64,
        /// The step.
        note: Box<RecordingNote>,
    },
}

/// What the writer tells, after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreReply {
    /// The entry is on disk: outward claims may be made.
    Appended {
        /// The session.
        session: SessionId,
        /// Whose it is: its endpoints alone have something to deliver.
        project: ProjectId,
        /// The entry.
        entry_seq: u64,
        /// How many events it put into the outbox.
        events: usize,
    },
    /// The session of a room that panicked is closed.
    Abandoned {
        /// Its room.
        room: RoomKey,
        /// The session.
        session: SessionId,
        /// How it ended; none if the ledger had not heard of it, or cannot read it.
        record: Option<Box<SessionRecord>>,
    },
    /// The checkpoints are on disk.
    CheckpointsStored {
        /// Of these sessions, with their numbers.
        sessions: Vec<(SessionId, u64)>,
    },
    /// The oldest pending row of a lane.
    Head {
        /// The lane.
        lane: Lane,
        /// Its head; none when all is delivered.
        row: Option<OutboxRow>,
    },
    /// Lanes with something pending.
    Lanes(Lanes),
    /// So many rows of this endpoint, which is not configured any more, are dead letters now. There may
    /// be more; none where there were none left.
    Buried(Option<(Arc<str>, u64)>),
    /// A dead letter of each of these lanes is pending again.
    Replayed(Vec<Lane>),
    /// The work of this number is on disk.
    Written(u64),
    /// The step of this number is on disk, with its event; or it may not come now.
    Noted {
        /// The number.
        number: u64,
        /// Whether it is.
        outcome: Result<(), NoteRefusal>,
    },
    /// The outcome is on disk.
    Marked {
        /// The lane.
        lane: Lane,
        /// The event.
        event_id: String,
    },
}

/// Lanes with something pending, by endpoint and session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// There may be more behind this one.
    pub next: Option<Lane>,
}

/// A job that was not queued.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The disk is slower than the sessions; the job comes back.
    #[error("the ledger's queue is full: the disk is too slow; keep the job and send it again")]
    Full(Box<Job>),
    /// The writer has ended.
    #[error("the ledger is closed")]
    Closed,
}

/// What travels to the thread.
pub(super) enum Message {
    Job(Box<Job>),
    Close,
}
