//! What a shard is told, and what it wants done.

use super::billing::Clock;
use super::control::News;
use super::control::booking::Booking;
use super::preflight::Outcome;
use crate::base::{
    Actor, ConnectionId, ConsentState, EndReason, FloorReport, GrantKey, GrantRefusal, Identity,
    Inherited, LimitedBy, NodeId, ParticipantSid, PreflightId, Purpose, RecordingId, Role, RoomKey,
    SessionId, TrackSid, TrackSource, Verdict,
};
use crate::peer::signal::token::{Claims, Join, Keys};
use crate::peer::signal::{ClientParams, Frame};
use crate::peer::transport::Factory;
use crate::record;
use crate::room::Drops;
use crate::session::{
    Changed, ConsentAnswer, Extension, Policies, Policy, Prompt, RecordingRefusal,
};
use crate::usage::{Append, Checkpoint, SessionFacts};
use std::net::SocketAddr;
use std::sync::Arc;

/// What a shard needs to know.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Makes peer connections.
    pub factory: Factory,
    /// Where clients reach this worker's socket.
    pub advertised: Vec<SocketAddr>,
    /// This node.
    pub node: NodeId,
    /// Signs refreshed tokens.
    pub keys: Arc<Keys>,
    /// Policy templates; `default` is among those of each project.
    pub policies: Arc<Policies>,
}

/// What may change while the node runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may sign tokens.
    pub keys: Arc<Keys>,
    /// Policy templates; `default` is among those of each project.
    pub policies: Arc<Policies>,
}

/// A join that `api` has checked.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The token's claims, for refreshing it.
    pub claims: Claims,
    /// What the token allows.
    pub join: Join,
    /// What the client says of itself.
    pub client: ClientParams,
    /// The session that a crash or a stop of the node cut off in this room.
    pub continues: Option<Continued>,
    /// What is booked for the room.
    pub booking: Option<Arc<Booking>>,
    /// What a preflight of the last 10 minutes measured.
    pub preflight: Option<Verdict>,
}

/// A session that a crash or a stop of the node cut off; the next one in its room inherits its policy
/// and its clocks.
#[derive(Clone, Debug)]
pub struct Continued {
    /// What it was.
    pub facts: SessionFacts,
    /// The clocks and terms of it and of those that it continued.
    pub inherited: Inherited,
}

impl Continued {
    /// The rules that it had at its start, if they were kept and are still understood.
    pub fn policy(&self) -> Option<Policy> {
        let kept = self.facts.carried.policy.clone()?;
        let policy: Policy = serde_json::from_value(kept).ok()?;
        policy.validate().is_ok().then_some(policy)
    }

    /// The sessions that count as one with whichever continues it, oldest first.
    pub fn chain(&self) -> Vec<SessionId> {
        let mut chain = self.facts.carried.chain.clone();
        chain.push(self.facts.session.clone());
        chain
    }
}

/// What a shard wants done.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Send a signalling frame.
    Signal {
        /// On which socket.
        conn: ConnectionId,
        /// What.
        frame: Frame,
    },
    /// Close a socket after what was sent on it.
    CloseSocket {
        /// Which.
        conn: ConnectionId,
    },
    /// Write to the ledger; answered by `handle_committed`.
    Append(Box<Append>),
    /// Write to the ledger; answered by `handle_committed`.
    Checkpoints(Vec<Checkpoint>),
    /// Write to a recording, after the entries before it are on disk; a disk that does not take it is
    /// told by `handle_recording_failed`.
    Recorded(record::Output),
    /// A room is over.
    RoomEnded(RoomKey),
    /// A room panicked and is gone: close its session from what the ledger has of it; answered by
    /// `handle_closed`.
    Abandoned {
        /// The room.
        room: RoomKey,
        /// Its session.
        session: SessionId,
    },
    /// A join that was placed here opened no room.
    RoomNotOpened(RoomKey),
    /// For admission.
    News(News),
    /// A preflight is over.
    Preflighted {
        /// Which.
        id: PreflightId,
        /// What came of it.
        outcome: Outcome,
    },
}

/// Running counts, and what there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Participants now.
    pub participants: u64,
    /// Sessions now, by state.
    pub waiting: u64,
    /// Sessions whose clock runs.
    pub live: u64,
    /// Sessions whose clock stands.
    pub paused: u64,
    /// What subscriptions get now, and how floors stand.
    pub links: LinkCounts,
    /// Datagrams received.
    pub in_packets: u64,
    /// Bytes received.
    pub in_bytes: u64,
    /// Datagrams sent.
    pub out_packets: u64,
    /// Bytes sent.
    pub out_bytes: u64,
    /// Media packets handed to a subscriber.
    pub forwarded: u64,
    /// STUN that names nobody here.
    pub unknown_ufrag: u64,
    /// Anything else from an address that STUN has not validated.
    pub unknown_address: u64,
    /// Refused by the connection that it was for.
    pub unauthenticated: u64,
    /// Joins refused because the room is full.
    pub joins_full: u64,
    /// Packets that a subscriber did not get, by reason.
    pub drops: Drops,
    /// What the recorders have seen and done.
    pub recorders: record::Stats,
    /// NACKs received from subscribers.
    pub nacks_in: u64,
    /// NACKs sent to publishers.
    pub nacks_out: u64,
    /// Media packets without a published track.
    pub no_track: u64,
    /// Media packets that a subscriber's section could not carry.
    pub not_carried: u64,
    /// Media packets that were not sent to a subscriber who was not heard for five seconds.
    pub unheard: u64,
    /// Tracks that were announced and never came.
    pub tracks_expired: u64,
    /// Subscriptions to tracks that did not come in time.
    pub subscriptions_expired: u64,
    /// Offers of ours that were not answered in time: the client joins anew.
    pub offers_expired: u64,
    /// Data packets that may be lost, and were, since a client's channel was full or not open.
    pub data_dropped: u64,
    /// How often a sender of reliable data was made to wait, since a receiver's queue was full.
    pub data_pauses: u64,
    /// Clients that did not take the reliable data that there was for them: they join anew.
    pub data_stalls: u64,
    /// Data packets of clients that went nowhere, by reason.
    pub data_refused: DataRefused,
    /// Data packets that clients sent to the server itself (topics `beistand.*`), filler of uplink
    /// probes among them; they go no further.
    pub data_taken: u64,
    /// Keyframe requests from subscribers.
    pub pli_in: u64,
    /// Keyframe requests to publishers.
    pub pli_out: u64,
    /// Keyframe requests held back by the throttle.
    pub pli_held: u64,
    /// Signalling messages received.
    pub signal_messages: u64,
    /// Signalling messages sent.
    pub signal_sent: u64,
    /// Rooms that panicked and were taken away.
    pub panics: u64,
    /// Signalling frames that were no message, or asked for the impossible.
    pub signal_errors: u64,
}

/// Data packets of clients that went nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataRefused {
    /// Not in protobuf's canonical form, so that decoders would not agree on it.
    pub malformed: u64,
    /// The topic looks like one of the server's.
    pub topic: u64,
    /// It speaks for somebody else.
    pub impersonation: u64,
    /// The token does not allow to send data, or the channel is none for packets.
    pub not_allowed: u64,
    /// It has more bytes than a client may send.
    pub too_large: u64,
}

/// How many subscriptions and floors are in each state now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Video subscriptions paused for want of downlink.
    pub paused: u64,
    /// Video subscriptions in which nothing flows for another reason.
    pub off: u64,
    /// Video subscriptions by layer: low, medium, high.
    pub layers: [u64; 3],
    /// Video subscriptions by what limits them, in the order of [`LimitedBy::ALL`].
    pub limited: [u64; 5],
    /// Floors upwards, in the order of [`FloorState::ALL`].
    pub up: [u64; 4],
    /// Floors downwards, likewise.
    pub down: [u64; 4],
}

/// What is asked of a running session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCommand {
    /// Stop the billing clock.
    Pause,
    /// Let it run again.
    Resume,
    /// The session is over.
    End(EndReason),
    /// Someone is still there; none: the app says so for all.
    Confirm(Option<Identity>),
    /// New totals of what the session may use.
    Extend(Extension),
    /// More prepaid time, once under this key.
    Grant {
        /// What the app calls it.
        key: GrantKey,
        /// How much.
        seconds: u64,
    },
    /// Someone may be recorded, or may not.
    Consent(ConsentAnswer),
    /// Start or stop the recording for a purpose.
    Record {
        /// For what.
        purpose: Purpose,
        /// Run.
        on: bool,
        /// By whose hand.
        actor: Actor,
    },
    /// Nothing: only how it stands.
    Inspect,
}

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// The session has ended, or never ran here.
    #[error("the session does not run any more")]
    Gone,
    /// The clock does not run, and does not stand by a pause.
    #[error("the session is neither live nor paused: there is no clock to stop or to start")]
    NotLive,
    /// There is nothing to confirm.
    #[error("nobody is asked whether they are still there: there is nothing to confirm")]
    NoPrompt,
    /// Someone else has changed the totals.
    #[error(transparent)]
    Changed(#[from] Changed),
    /// No time can be added, or not this.
    #[error(transparent)]
    Grant(#[from] GrantRefusal),
    /// The policy, or what is known of the participant, forbids it.
    #[error(transparent)]
    Recording(#[from] RecordingRefusal),
}

/// How a running session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// Its room.
    pub room: RoomKey,
    /// Its rules, as they hold now.
    pub policy: Policy,
    /// State, billed time and what is left, as the ledger has them; none before its first commit.
    pub clock: Option<Clock>,
    /// The question "still there?", while it is open.
    pub prompt: Option<Prompt>,
    /// Who is connected, in the order of joining.
    pub participants: Vec<ParticipantView>,
    /// Who gets what, and what limits it.
    pub subscriptions: Vec<SubscriptionView>,
    /// What is recorded, one for each purpose of the policy; none where it records nothing.
    pub recordings: Vec<RecordingView>,
}

/// How the recording for a purpose stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingView {
    /// The recording.
    pub id: RecordingId,
    /// It is to run.
    pub requested: bool,
    /// Someone is recorded now.
    pub active: bool,
    /// Why it cannot go on.
    pub failed: Option<String>,
    /// Everyone connected, in the order of joining.
    pub people: Vec<RecordedView>,
}

/// How a participant stands to a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedView {
    /// Who.
    pub identity: Identity,
    /// What they said; none: they have not answered.
    pub consent: Option<ConsentState>,
    /// Never recorded.
    pub minor: bool,
    /// All that they publish is encrypted end to end, which cannot be recorded.
    pub encrypted: bool,
    /// Recorded now.
    pub recorded: bool,
}

/// A connected participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantView {
    /// Who.
    pub identity: Identity,
    /// This join's id.
    pub sid: ParticipantSid,
    /// From the token.
    pub role: Option<Role>,
    /// How the promised bandwidth stands, up and down.
    pub floor: [FloorReport; 2],
}

/// What a subscriber gets of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Who gets it.
    pub subscriber: Identity,
    /// Who publishes it.
    pub publisher: Identity,
    /// The track.
    pub track: TrackSid,
    /// What it shows.
    pub source: TrackSource,
    /// The spatial layer: 0 low, 1 medium, 2 high; none where nothing flows.
    pub layer: Option<u8>,
    /// The temporal layer, where the codec tells.
    pub temporal: Option<u8>,
    /// What keeps it from more.
    pub limited_by: LimitedBy,
    /// Nothing flows for want of bandwidth.
    pub paused: bool,
}
