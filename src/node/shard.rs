//! One worker's rooms, and the way of everything that comes in to its room.

use super::abandoned::Abandoned;
use super::context::{Context, Sockets};
use super::control::News;
use super::demux::{Datagram, Demux};
use super::fence::fence;
use super::io::{
    CommandRefusal, Continued, JoinRequest, Output, SessionCommand, SessionView, Settings,
    ShardConfig, Stats,
};
use super::preflight::{PreflightAnswer, PreflightRefusal, PreflightRequest, Preflights};
use super::room::{LiveRoom, opening};
use crate::base::{
    ConnectionId, Identity, Millis, Mono, Now, RecordingId, Rng, RoomKey, SessionId, SessionState,
};
use crate::peer::signal::{Frame, LeaveAction, LeaveReason, decode};
use crate::usage::{Checkpoint, Stored};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Totals are on disk at most 500 ms late; this leaves 100 ms for the commit.
const CHECKPOINT_EVERY: Millis = Millis(400);

/// One worker's part of the node.
pub struct Shard {
    config: ShardConfig,
    rng: Rng,
    rooms: Slab<LiveRoom>,
    names: BTreeMap<RoomKey, usize>,
    abandoned: Abandoned,
    sockets: Sockets,
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
            config.policies.are_whole(),
            "there is a default policy for each project"
        );
        Shard {
            config,
            rng: Rng::from_seed(seed),
            rooms: Slab::new(),
            names: BTreeMap::new(),
            abandoned: Abandoned::default(),
            sockets: Sockets::new(),
            demux: Demux::default(),
            preflights: Preflights::default(),
            outputs: VecDeque::new(),
            stats: Stats::default(),
            checkpointed: now.mono,
        }
    }

    /// The configuration changed: this holds for whoever joins from now on. A session that runs keeps
    /// the policy that it began with.
    pub fn handle_settings(&mut self, settings: Settings) {
        (self.config.keys, self.config.policies) = (settings.keys, settings.policies);
    }

    /// A client joins.
    pub fn handle_join(&mut self, conn: ConnectionId, join: Box<JoinRequest>, now: Now) {
        let name = join.join.room.clone();
        if join.client.reconnect {
            // There is no resume yet; a full join is legal and costs a republish.
            self.split(now)
                .2
                .dismiss(conn, LeaveAction::Reconnect, LeaveReason::StateMismatch);
            return self.give_back(name, &join.join.identity);
        }
        if self
            .abandoned
            .holds(&name, join.continues.as_ref(), now.mono)
        {
            // It comes again, and then knows which session it continues.
            let mut context = self.split(now).2;
            context.dismiss(conn, LeaveAction::Reconnect, LeaveReason::StateMismatch);
            let news = News::Left(name, join.join.identity.clone());
            return self.outputs.push_back(Output::News(news));
        }
        let index = match self.names.get(&name) {
            Some(index) if self.serves(*index, &join) => *index,
            Some(_) => {
                // The session for which the token is ended while the join was on its way.
                let mut context = self.split(now).2;
                context.dismiss(conn, LeaveAction::Disconnect, LeaveReason::JoinFailure);
                return self.give_back(name, &join.join.identity);
            }
            None => match self.open(&name, &join, now) {
                Some(index) => index,
                None => {
                    self.split(now).2.dismiss(
                        conn,
                        LeaveAction::Disconnect,
                        LeaveReason::JoinFailure,
                    );
                    return self.give_back(name, &join.join.identity);
                }
            },
        };
        self.with_room(index, now, |room, context| {
            room.handle_join(conn, *join, context)
        });
    }

    fn serves(&self, index: usize, join: &JoinRequest) -> bool {
        let room = self.rooms.get(index);
        room.is_some_and(|room| room.facts().serves(join.join.session.as_ref()))
    }

    fn open(&mut self, name: &RoomKey, join: &JoinRequest, now: Now) -> Option<usize> {
        let inherited = join
            .continues
            .as_ref()
            .map(|lost| lost.facts.policy.as_str());
        let booking = join.booking.as_deref();
        let own = |template: &str| self.config.policies.get(&name.project, template);
        let kept = join.continues.as_ref().and_then(Continued::policy);
        let template = inherited
            .filter(|name| kept.is_some() || own(name).is_some())
            .or(booking.map(|booking| booking.template.as_str()))
            .or(join.join.policy.as_deref())
            .unwrap_or("default");
        let booked = booking.map(|booking| &booking.policy);
        let Some(policy) = booked.or_else(|| own(template)).or(kept.as_ref()) else {
            tracing::warn!(room = ?name, "the token names a policy that is not configured");
            return None;
        };
        let rules = opening::Rules {
            template,
            policy: policy.clone(),
        };
        let (opening, facts) = opening::open(rules, join, &self.config, &mut self.rng, now);
        if !opening.facts.serves(join.join.session.as_ref()) {
            return None;
        }
        let news = News::Opened {
            room: name.clone(),
            session: opening.facts.session.clone(),
            continues: opening.facts.carried.chain.clone(),
        };
        let entry = self.rooms.vacant_entry();
        let index = entry.key();
        let seed = self.rng.next_u64();
        let Some(room) = fence(|| LiveRoom::new(index, opening, facts, seed, now)) else {
            tracing::error!(room = ?name, "a room panicked before it was open");
            self.stats.panics += 1;
            return None;
        };
        entry.insert(room);
        self.names.insert(name.clone(), index);
        self.outputs.push_back(Output::News(news));
        Some(index)
    }

    /// A refused join may have been placed here for a room that does not exist.
    fn give_back(&mut self, name: RoomKey, identity: &Identity) {
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

    /// A signalling frame came.
    pub fn handle_frame(&mut self, conn: ConnectionId, frame: &Frame, now: Now) {
        self.stats.signal_messages += 1;
        let Some((index, member)) = self.sockets.get(&conn).copied() else {
            return;
        };
        match decode(frame) {
            Ok(request) => {
                let text = matches!(frame, Frame::Text(_));
                self.with_room(index, now, |room, context| {
                    room.handle_request(member, (request, text), context);
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
        let Some((index, member)) = self.sockets.remove(&conn) else {
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
        let Some(route) = self.demux.route(source, bytes) else {
            let (_, preflights, mut context) = self.split(now);
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
        let datagram = Datagram { source, bytes };
        self.with_room(route.room, now, |room, context| {
            room.handle_datagram(route, datagram, context);
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
        let (_, preflights, mut context) = self.split(now);
        preflights.open(request, &mut context)
    }

    /// So much of the session is on disk.
    pub fn handle_committed(&mut self, session: &SessionId, stored: Stored, now: Now) {
        let found = self
            .rooms
            .iter()
            .find(|(_, room)| room.session() == session);
        let Some(index) = found.map(|(index, _)| index) else {
            return;
        };
        self.with_room(index, now, |room, context| {
            room.handle_committed(stored, context);
        });
    }

    /// The disk does not take a recording: it ends, and nothing else does.
    pub fn handle_recording_failed(&mut self, id: &RecordingId, reason: &str, now: Now) {
        let mut rooms = self.rooms.iter();
        let found = rooms.find(|(_, room)| room.session() == id.session());
        if let Some(index) = found.map(|(index, _)| index) {
            self.with_room(index, now, |room, context| {
                room.handle_recording_failed(id.purpose(), reason, context);
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
        let answer = self.with_room(index, now, |room, context| {
            room.handle_command(command, context)
        });
        self.sweep();
        answer.unwrap_or(Err(CommandRefusal::Gone))
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
        let (_, preflights, mut context) = self.split(now);
        preflights.handle_timeout(&mut context);
        if now.mono.since(self.checkpointed) >= CHECKPOINT_EVERY {
            self.checkpointed = now.mono;
            let taken: Vec<Checkpoint> = self
                .indices()
                .into_iter()
                .filter_map(|index| self.with_room(index, now, LiveRoom::checkpoint)?)
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

    /// The rooms, the preflights, and what a step of theirs may use of the rest.
    fn split(&mut self, now: Now) -> (&mut Slab<LiveRoom>, &mut Preflights, Context<'_>) {
        let context = Context {
            config: &self.config,
            outputs: &mut self.outputs,
            demux: &mut self.demux,
            sockets: &mut self.sockets,
            stats: &mut self.stats,
            rng: &mut self.rng,
            now,
        };
        (&mut self.rooms, &mut self.preflights, context)
    }

    fn indices(&self) -> Vec<usize> {
        self.rooms.iter().map(|(index, _)| index).collect()
    }

    /// A step of a room. None if there is no such room, or it panicked.
    fn with_room<T>(
        &mut self,
        index: usize,
        now: Now,
        act: impl FnOnce(&mut LiveRoom, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let (rooms, _, mut context) = self.split(now);
        let room = rooms.get_mut(index)?;
        let done = fence(|| act(room, &mut context));
        if done.is_none() {
            self.abandon(index, now);
        }
        done
    }

    /// Takes away a room that panicked, and closes what was recorded of it. Its session is closed as an
    /// estimate, from the last checkpoint, as a crash of the whole node would have it.
    fn abandon(&mut self, index: usize, now: Now) {
        let mut room = self.rooms.remove(index);
        tracing::error!(session = %room.session(), "a room panicked and was taken away");
        let closed = fence(|| room.abandon()).unwrap_or_default();
        self.outputs
            .extend(closed.into_iter().map(Output::Recorded));
        self.stats.panics += 1;
        let (name, session) = (room.name().clone(), room.session().clone());
        // What is broken may break once more as it is taken apart.
        fence(|| drop(room));
        self.names.remove(&name);
        self.demux.remove_room(index);
        let lost = self.sockets.iter().filter(|(_, (room, _))| *room == index);
        for conn in lost.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.sockets.remove(&conn);
            self.split(now)
                .2
                .dismiss(conn, LeaveAction::Reconnect, LeaveReason::StateMismatch);
        }
        self.abandoned.insert(name.clone(), session.clone());
        self.outputs.push_back(Output::Abandoned {
            room: name,
            session,
        });
    }

    /// The ledger has the end of the session of a room that panicked, or knew nothing of it. True if the
    /// room was here.
    pub fn handle_closed(&mut self, room: &RoomKey, session: &SessionId, now: Now) -> bool {
        self.abandoned.handle_closed(room, session, now.mono)
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

#[cfg(test)]
mod tests;
