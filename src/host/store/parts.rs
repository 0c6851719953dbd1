//! Where the ledger lies, whom it tells, and what start-up found.

use super::error::Fatal;
use super::job::StoreReply;
use crate::api::ReadClock;
use crate::base::{NodeId, RoomKey};
use crate::node::Booking;
use crate::usage::SessionFacts;
use crate::usage::ledger::SessionRecord;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where the ledger lies and whom it tells.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The data directory; made if missing.
    pub dir: PathBuf,
    /// The node's id, if the config names one. Otherwise the one in the ledger, or a new one.
    pub node: Option<NodeId>,
    /// What the webhook endpoints are called: each event gets one outbox row for each of its project.
    pub endpoints: Vec<Arc<str>>,
    /// How much space is kept for the ledger when the disk is full; 0: none.
    pub ballast_bytes: u64,
}

/// What start-up found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// This node, the same at every start.
    pub node: NodeId,
    /// Which start this is, from 1.
    pub epoch: u64,
    /// The sessions that a crash left open; their stop entries and events are written.
    pub closed: Vec<SessionFacts>,
    /// By room, the sessions that a crash or a stop of the node ended less than 10 minutes ago and that
    /// were not continued since: a rejoin of the room opens a session that `continues` this one.
    pub recent: BTreeMap<RoomKey, SessionRecord>,
    /// What is booked and has not begun.
    pub bookings: Vec<Booking>,
}

/// Whom the writer thread calls. All are called on that thread, and must not block it.
pub struct Hooks {
    /// A job is on disk (or read).
    pub on_reply: Box<dyn Fn(StoreReply) + Send>,
    /// The file can no longer be written: the process must exit, non-zero, within a second. The
    /// thread has stopped; nothing is retried.
    pub on_fatal: Box<dyn Fn(Fatal) + Send>,
    /// How long a commit took, its fsync included.
    pub on_commit: Box<dyn Fn(Duration) + Send>,
    /// Both clocks.
    pub clock: ReadClock,
}
