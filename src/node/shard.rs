//! One worker's rooms, and the way of everything that comes in to its room.

use super::bandwidth::Links;
use super::booking::Booking;
use super::command::{CommandRefusal, SessionCommand, SessionView};
use super::control::News;
use super::demux::{Demux, Route};
use super::live_room::{Context, LiveRoom};
use super::member::Side;
use super::preflight::{
    self, Outcome, PreflightAnswer, PreflightRefusal, PreflightRequest, Preflights,
};
use crate::base::{
    ConnectionId, Identity, Inherited, Millis, Mono, NodeId, Now, PreflightId, RecordingId, Rng,
    RoomName, SessionId, SessionState, Verdict,
};
use crate::peer::signal::token::{Claims, Join, Keys};
use crate::peer::signal::{
    ClientParams, Frame, LeaveAction, LeaveReason, Response, decode, encode,
};
use crate::peer::transport::Factory;
use crate::record;
use crate::room::Drops;
use crate::session::Policy;
use crate::usage::{Append, Checkpoint, SessionFacts};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Totals are on disk at most 500 ms late; this leaves 100 ms for the commit.
const CHECKPOINT_EVERY: Millis = Millis(400);

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
    /// Policy templates by name; `default` is among them.
    pub policies: Arc<BTreeMap<String, Policy>>,
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
    /// The session that a crash cut off in this room.
    pub continues: Option<Continued>,
    /// What is booked for the room.
    pub booking: Option<Arc<Booking>>,
    /// What a preflight of the last 10 minutes measured.
    pub preflight: Option<Verdict>,
}

/// A session that a crash cut off; the next one in its room inherits its policy and its clocks.
#[derive(Clone, Debug)]
pub struct Continued {
    /// What it was.
    pub facts: SessionFacts,
    /// The clocks and terms of it and of those that it continued.
    pub inherited: Inherited,
}

impl Continued {
    /// The rules that it had at its start, if they were kept and are still understood.
    pub(super) fn policy(&self) -> Option<Policy> {
        let kept = self.facts.carried.policy.clone()?;
        let policy: Policy = serde_json::from_value(kept).ok()?;
        policy.validate().is_ok().then_some(policy)
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
    RoomEnded(RoomName),
    /// A join that was placed here opened no room.
    RoomNotOpened(RoomName),
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
    pub links: Links,
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
    /// Data packets that were malformed, forbidden or too many.
    pub data_dropped: u64,
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

/// One worker's part of the node.
pub struct Shard {
    config: ShardConfig,
    rng: Rng,
    rooms: Slab<LiveRoom>,
    names: BTreeMap<RoomName, usize>,
    connections: BTreeMap<ConnectionId, (usize, usize)>,
    demux: Demux,
    preflights: Preflights,
    outputs: VecDeque<Output>,
    stats: Stats,
    checkpointed: Mono,
}

impl Shard {
    /// A shard without rooms; `seed` decides ids and first sequence numbers.
    pub fn new(config: ShardConfig, seed: u64, now: Now) -> Shard {
        assert!(
            config.policies.contains_key("default"),
            "there is a default policy"
        );
        Shard {
            config,
            rng: Rng::from_seed(seed),
            rooms: Slab::new(),
            names: BTreeMap::new(),
            connections: BTreeMap::new(),
            demux: Demux::default(),
            preflights: Preflights::default(),
            outputs: VecDeque::new(),
            stats: Stats::default(),
            checkpointed: now.mono,
        }
    }

    /// A client joins.
    pub fn handle_join(&mut self, conn: ConnectionId, join: Box<JoinRequest>, now: Now) {
        let name = join.join.room.clone();
        if join.client.reconnect {
            // There is no resume yet; a full join is legal and costs a republish.
            self.refuse(conn, LeaveAction::Reconnect, LeaveReason::StateMismatch);
            return self.give_back(name, &join.join.identity);
        }
        let index = match self.names.get(&name) {
            Some(index) => *index,
            None => match self.open(&name, &join, now) {
                Some(index) => index,
                None => {
                    self.refuse(conn, LeaveAction::Disconnect, LeaveReason::JoinFailure);
                    return self.give_back(name, &join.join.identity);
                }
            },
        };
        self.with_room(index, now, |room, context| {
            room.handle_join(conn, *join, context)
        });
    }

    fn open(&mut self, name: &RoomName, join: &JoinRequest, now: Now) -> Option<usize> {
        let inherited = join
            .continues
            .as_ref()
            .map(|lost| lost.facts.policy.as_str());
        let booking = join.booking.as_deref();
        let template = inherited
            .filter(|name| self.config.policies.contains_key(*name))
            .or(booking.map(|booking| booking.template.as_str()))
            .or(join.join.policy.as_deref())
            .unwrap_or("default");
        let booked = booking.map(|booking| &booking.policy);
        let Some(policy) = booked.or_else(|| self.config.policies.get(template)) else {
            tracing::warn!(room = ?name, "the token names a policy that is not configured");
            return None;
        };
        let entry = self.rooms.vacant_entry();
        let index = entry.key();
        let opening = (template, policy.clone());
        entry.insert(LiveRoom::new(
            index,
            opening,
            join,
            &self.config,
            (&mut self.rng, now),
        ));
        self.names.insert(name.clone(), index);
        let session = self.rooms[index].session().clone();
        let news = News::Opened(name.clone(), session);
        self.outputs.push_back(Output::News(news));
        Some(index)
    }

    /// A refused join may have been placed here for a room that does not exist.
    fn give_back(&mut self, name: RoomName, identity: &Identity) {
        let Some(index) = self.names.get(&name) else {
            self.outputs.push_back(Output::RoomNotOpened(name));
            return;
        };
        let room = self.rooms.get(*index);
        if !room.is_some_and(|room| room.has(identity)) {
            let news = News::Left(name, identity.clone());
            self.outputs.push_back(Output::News(news));
        }
    }

    fn refuse(&mut self, conn: ConnectionId, action: LeaveAction, reason: LeaveReason) {
        let frame = encode(Response::Leave(action, reason), false);
        self.stats.signal_sent += 1;
        self.outputs.push_back(Output::Signal { conn, frame });
        self.outputs.push_back(Output::CloseSocket { conn });
    }

    /// A signalling frame came.
    pub fn handle_frame(&mut self, conn: ConnectionId, frame: &Frame, now: Now) {
        self.stats.signal_messages += 1;
        let Some((index, member)) = self.connections.get(&conn).copied() else {
            return;
        };
        match decode(frame) {
            Ok(request) => {
                let text = matches!(frame, Frame::Text(_));
                self.with_room(index, now, |room, context| {
                    room.handle_request(member, request, text, context);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a hostile or broken frame closes its socket");
                self.stats.signal_errors += 1;
                self.outputs.push_back(Output::CloseSocket { conn });
                self.handle_socket_closed(conn, now);
            }
        }
    }

    /// A socket is gone. The participant stays as long as its media connection lives.
    pub fn handle_socket_closed(&mut self, conn: ConnectionId, now: Now) {
        let Some((index, member)) = self.connections.remove(&conn) else {
            return;
        };
        self.with_room(index, now, |room, context| {
            room.handle_socket_closed(member, context)
        });
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, source: SocketAddr, bytes: &[u8], now: Now) {
        self.stats.in_packets += 1;
        self.stats.in_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        let Some(Route { room, member, side }) = self.demux.route(source, bytes) else {
            let (preflights, mut context) = self.preflights(now);
            if preflights.handle_datagram(source, bytes, &mut context) {
                return;
            }
            if crate::media::is_stun(bytes) {
                self.stats.unknown_ufrag += 1;
            } else {
                self.stats.unknown_address += 1;
            }
            return;
        };
        self.with_room(room, now, |room, context| {
            room.handle_datagram((member, side), source, bytes, context);
        });
    }

    /// A participant who wants to join has its link measured.
    ///
    /// # Errors
    /// It cannot be measured; says why.
    pub fn handle_preflight(
        &mut self,
        request: PreflightRequest,
        now: Now,
    ) -> Result<PreflightAnswer, PreflightRefusal> {
        let (preflights, mut context) = self.preflights(now);
        preflights.open(request, &mut context)
    }

    fn preflights(&mut self, now: Now) -> (&mut Preflights, preflight::Context<'_>) {
        let context = preflight::Context {
            config: &self.config,
            outputs: &mut self.outputs,
            stats: &mut self.stats,
            now,
        };
        (&mut self.preflights, context)
    }

    /// An entry or a checkpoint of the session is on disk.
    pub fn handle_committed(&mut self, session: &SessionId, now: Now) {
        let found = self
            .rooms
            .iter()
            .find(|(_, room)| room.session() == session);
        let Some(index) = found.map(|(index, _)| index) else {
            return;
        };
        self.with_room(index, now, LiveRoom::handle_committed);
    }

    /// The disk does not take a recording: it ends, and nothing else does.
    pub fn handle_recording_failed(&mut self, id: &RecordingId, reason: &str, now: Now) {
        let mut rooms = self.rooms.iter();
        let found = rooms.find(|(_, room)| room.session() == id.session());
        if let Some(index) = found.map(|(index, _)| index) {
            self.with_room(index, now, |room, context| {
                let purpose = id.purpose();
                room.with_recordings(context, |r, now| r.handle_failed(purpose, reason, now));
            });
        }
    }

    /// The Sessions API asks something of a session. Whatever it changed is among the outputs
    /// before this answer is given.
    ///
    /// # Errors
    /// The session does not run here, or cannot do that now.
    pub fn handle_command(
        &mut self,
        session: &SessionId,
        command: SessionCommand,
        now: Now,
    ) -> Result<SessionView, CommandRefusal> {
        let found = self
            .rooms
            .iter()
            .find(|(_, room)| room.session() == session);
        let index = found.map(|(index, _)| index).ok_or(CommandRefusal::Gone)?;
        let mut answer = Err(CommandRefusal::Gone);
        self.with_room(index, now, |room, context| {
            answer = room.handle_command(command, context);
        });
        self.sweep();
        answer
    }

    /// The node shuts down: everyone is told to come back elsewhere, every session ends.
    pub fn handle_drain(&mut self, now: Now) {
        for index in self.indices() {
            self.with_room(index, now, LiveRoom::handle_drain);
        }
        self.sweep();
    }

    /// Call after each batch of input, and when `poll_timeout` is due.
    pub fn handle_timeout(&mut self, now: Now) {
        for index in self.indices() {
            self.with_room(index, now, LiveRoom::handle_timeout);
        }
        let (preflights, mut context) = self.preflights(now);
        preflights.handle_timeout(&mut context);
        if now.mono.since(self.checkpointed) >= CHECKPOINT_EVERY {
            self.checkpointed = now.mono;
            let taken: Vec<Checkpoint> = self
                .rooms
                .iter_mut()
                .filter_map(|(_, room)| room.checkpoint(now))
                .collect();
            if !taken.is_empty() {
                self.outputs.push_back(Output::Checkpoints(taken));
            }
        }
        self.sweep();
    }

    /// When `handle_timeout` is due at the latest.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let rooms = self
            .rooms
            .iter()
            .filter_map(|(_, room)| room.poll_timeout())
            .min()
            .map(|rooms| rooms.min(self.checkpointed + CHECKPOINT_EVERY));
        [rooms, self.preflights.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What is to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Running counts, and what there is now.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        for (_, room) in &self.rooms {
            room.add_stats(&mut stats);
            match room.state() {
                SessionState::Waiting => stats.waiting += 1,
                SessionState::Live => stats.live += 1,
                SessionState::Paused(_) => stats.paused += 1,
                SessionState::Ended(_) => {}
            }
        }
        stats
    }

    fn indices(&self) -> Vec<usize> {
        self.rooms.iter().map(|(index, _)| index).collect()
    }

    fn with_room(
        &mut self,
        index: usize,
        now: Now,
        act: impl FnOnce(&mut LiveRoom, &mut Context<'_>),
    ) {
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        let mut context = Context {
            config: &self.config,
            outputs: &mut self.outputs,
            demux: &mut self.demux,
            connections: &mut self.connections,
            stats: &mut self.stats,
            rng: &mut self.rng,
            now,
        };
        // A panic, ours or a dependency's, ends one room and no other.
        let step = AssertUnwindSafe(|| act(room, &mut context));
        if catch_unwind(step).is_err() {
            self.abandon(index);
        }
    }

    /// Takes away a room that panicked, and closes what was recorded of it. Its session stays open in the
    /// ledger with its last checkpoint, and is closed as an estimate, and finished, at the next start.
    fn abandon(&mut self, index: usize) {
        let mut room = self.rooms.remove(index);
        tracing::error!(session = %room.session(), "a room panicked and was taken away");
        let closed = room.recordings.abandon().into_iter();
        self.outputs.extend(closed.map(Output::Recorded));
        self.stats.panics += 1;
        self.names.remove(room.name());
        self.demux.remove_room(index);
        let lost = self
            .connections
            .iter()
            .filter(|(_, (room, _))| *room == index);
        for conn in lost.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.connections.remove(&conn);
            self.refuse(conn, LeaveAction::Reconnect, LeaveReason::MediaFailure);
        }
        self.outputs
            .push_back(Output::RoomEnded(room.name().clone()));
    }

    /// Takes ended rooms away.
    fn sweep(&mut self) {
        let ended: Vec<usize> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.is_over())
            .map(|(index, _)| index)
            .collect();
        for index in ended {
            let room = self.rooms.remove(index);
            self.names.remove(room.name());
            room.add_stats_of_the_past(&mut self.stats);
            self.outputs
                .push_back(Output::RoomEnded(room.name().clone()));
        }
    }
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::Publisher, Side::Subscriber];
}

#[cfg(test)]
mod tests;
