//! One room as it lives: its members, its forwarding, its money, and its end.

use super::bandwidth::Floors;
use super::billing::{Billing, Clock, Join as Granted, Opening};
use super::booking::session_of;
use super::contract::override_policy;
use super::demux::{Demux, Route};
use super::member::{Ailment, Arrival, Member, Side, is_minor};
use super::recording::Recordings;
use super::shard::{JoinRequest, Output, ShardConfig, Stats};
use super::tally;
use crate::base::{
    Bitrate, ConnectionId, EndReason, Identity, Inherited, Millis, Mono, Now, ParticipantSid, Rng,
    RoomName, RoomSid, SessionId, SessionState, Verdict,
};
use crate::peer::signal::token::ParticipantKind;
use crate::peer::signal::{Card, LeaveAction, LeaveReason, Response, RoomFacts, encode, token};
use crate::peer::transport::Purpose;
use crate::room::{Forward, MemberKey, MemberOptions, Room};
use crate::session::Policy;
use crate::usage::{Carried, Checkpoint, SessionFacts};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};

/// Presence, negotiation and billing are looked at this often: far below the 5 s of presence, and
/// rare enough to cost nothing.
const TICK: Millis = Millis(50);

/// The billed clock is told once a second.
const CLOCK_EVERY: Millis = Millis(1_000);

/// Of what a preflight measured, the part that a congestion controller may begin with.
const MEASURED_PERCENT: u64 = 80;

/// Clocks on their way to the disk; with a full disk the newest are shown late, not wrong.
const MAX_TOLD: usize = 256;

/// Departed participants that are remembered for the length of the grace time.
const MAX_DEPARTED: usize = 256;

/// What a room may use of its shard.
pub(super) struct Context<'a> {
    pub(super) config: &'a ShardConfig,
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) demux: &'a mut Demux,
    pub(super) connections: &'a mut BTreeMap<ConnectionId, (usize, usize)>,
    pub(super) stats: &'a mut Stats,
    pub(super) rng: &'a mut Rng,
    pub(super) now: Now,
}

pub(super) struct LiveRoom {
    pub(super) index: usize,
    name: RoomName,
    session: SessionId,
    pub(super) facts: RoomFacts,
    pub(super) policy: Policy,
    pub(super) recordings: Recordings,
    pub(super) room: Room,
    pub(super) billing: Billing,
    pub(super) members: Slab<Member>,
    pub(super) forwards: Vec<Forward>,
    /// Counts of members that are gone.
    pub(super) past: Stats,
    ticked: Mono,
    /// What the appends and checkpoints on their way to the disk say, and the newest on it.
    told: VecDeque<Clock>,
    pub(super) shown: Option<Clock>,
    pub(super) clock_sent: Mono,
    /// What was told of the open prompt: overdue, and who has answered.
    pub(super) prompt_told: Option<(bool, Vec<Identity>)>,
    pub(super) floors_told: Mono,
    over: bool,
    /// Who left lately: their rejoin is never refused by capacity.
    departed: VecDeque<(Identity, Mono)>,
}

impl LiveRoom {
    pub(super) fn new(
        index: usize,
        (template, mut policy): (&str, Policy),
        join: &JoinRequest,
        config: &ShardConfig,
        (rng, now): (&mut Rng, Now),
    ) -> LiveRoom {
        if let Some(lost) = &join.continues {
            policy = lost.policy().unwrap_or(policy);
            policy.external_ref.clone_from(&lost.facts.external_ref);
            policy.metadata.clone_from(&lost.facts.metadata);
        }
        override_policy(&mut policy, join);
        let room_sid = RoomSid::random(rng);
        let session = session_of(join.booking.as_deref(), rng);
        let facts = SessionFacts {
            session: session.clone(),
            node: config.node.clone(),
            room: join.join.room.clone(),
            room_sid: room_sid.clone(),
            policy: template.to_owned(),
            min_billable_ms: Millis::ZERO,
            external_ref: None,
            metadata: None,
            continues: join
                .continues
                .as_ref()
                .map(|lost| lost.facts.session.clone()),
            carried: Carried::default(),
        };
        let wire = wire_facts(&room_sid, join, &policy, now);
        let opening = Opening {
            facts,
            policy: policy.clone(),
            inherited: join
                .continues
                .as_ref()
                .map_or_else(Inherited::default, |lost| lost.inherited.clone()),
        };
        LiveRoom {
            index,
            name: join.join.room.clone(),
            session,
            facts: wire,
            recordings: Recordings::new(&policy.recording, now.mono),
            policy,
            room: Room::new(rng.next_u64()),
            billing: Billing::new(opening, now),
            members: Slab::new(),
            forwards: Vec::new(),
            past: Stats::default(),
            ticked: now.mono,
            told: VecDeque::new(),
            departed: VecDeque::new(),
            shown: None,
            clock_sent: now.mono,
            floors_told: now.mono,
            prompt_told: None,
            over: false,
        }
    }

    pub(super) const fn name(&self) -> &RoomName {
        &self.name
    }

    pub(super) const fn session(&self) -> &SessionId {
        &self.session
    }

    pub(super) fn state(&self) -> SessionState {
        self.billing.clock().state
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn handle_join(
        &mut self,
        conn: ConnectionId,
        request: JoinRequest,
        context: &mut Context<'_>,
    ) {
        let identity = request.join.identity.clone();
        let minor = is_minor(&request.join);
        if minor {
            self.on_minor(&identity, context);
        }
        let returns =
            self.replace_older(&request, context) || self.left_lately(&identity, context.now.mono);
        if !returns && self.members.len() >= self.capacity() {
            context.stats.joins_full += 1;
            self.report_left(identity, context);
            let refusal = Response::Leave(LeaveAction::Disconnect, LeaveReason::JoinFailure);
            context.outputs.push_back(Output::Signal {
                conn,
                frame: encode(refusal, false),
            });
            context.outputs.push_back(Output::CloseSocket { conn });
            return;
        }
        let now = context.now;
        if !returns && request.continues.is_none() {
            self.warn_of_preflight(&request.join, request.preflight.as_ref(), now);
        }
        let (factory, advertised) = (&context.config.factory, &context.config.advertised);
        let carries = |verdict: Verdict| Bitrate(verdict.down_bps).percent(MEASURED_PERCENT);
        let measured = request.preflight.map(carries);
        let arrival = Arrival {
            conn,
            sid: ParticipantSid::random(context.rng),
            publisher: factory.connection(Purpose::Receive, advertised, now.mono),
            subscriber: factory.connection(Purpose::Send(measured), advertised, now.mono),
            claims: request.claims,
            join: request.join,
            client: request.client,
            preflight: request.preflight,
        };
        let floors = Floors::new(&self.policy.floor);
        let key = self.members.insert(Member::new(arrival, floors, now));
        let member = &self.members[key];
        for (side, ufrag) in Side::BOTH.into_iter().zip(&member.ufrags) {
            let route = Route {
                room: self.index,
                member: key,
                side,
            };
            context.demux.add(ufrag.clone(), route);
        }
        context.connections.insert(conn, (self.index, key));
        let options = MemberOptions {
            auto_subscribe: member.client.auto_subscribe,
            can_subscribe: member.join.permissions.can_subscribe,
            role: member.join.role,
        };
        self.room.handle_joined(MemberKey(key), options);
        self.recordings.handle_joined(&identity, minor);
        self.report_joined(identity, context);
        self.welcome(key, context);
        self.review_recordings(context);
        self.offer(key, context);
    }

    fn capacity(&self) -> usize {
        self.policy.capacity.max_participants
    }

    /// The newest join of an identity wins. Its presence goes on, so billing hears nothing.
    fn replace_older(&mut self, request: &JoinRequest, context: &mut Context<'_>) -> bool {
        let identity = &request.join.identity;
        let older = self
            .members
            .iter()
            .find(|(_, member)| member.identity() == identity);
        let Some(key) = older.map(|(key, _)| key) else {
            return false;
        };
        self.flush_evidence(context.now);
        let goodbye = (LeaveAction::Disconnect, LeaveReason::DuplicateIdentity);
        self.take_out(key, goodbye, context);
        true
    }

    fn welcome(&mut self, key: usize, context: &mut Context<'_>) {
        let others = self
            .members
            .iter()
            .filter(|(other, member)| *other != key && !member.hidden())
            .map(|(_, member)| member.card.clone())
            .collect();
        self.facts.num_participants = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let room = self.facts.clone();
        let member = &mut self.members[key];
        member.card.joined();
        let response = Response::Join {
            room,
            me: Box::new(member.card.clone()),
            others,
            node: context.config.node.clone(),
            subscriber_primary: member.join.permissions.can_subscribe,
            fast_publish: member.join.permissions.can_publish,
        };
        self.send(key, response, context);
        self.broadcast(key, context);
    }

    /// Sends a message to one member, if its socket is there.
    pub(super) fn send(&self, key: usize, response: Response, context: &mut Context<'_>) {
        if let Some(member) = self.members.get(key)
            && let Some(conn) = member.conn
        {
            let frame = encode(response, member.text);
            context.stats.signal_sent += 1;
            context.outputs.push_back(Output::Signal { conn, frame });
        }
    }

    /// Tells the others (and itself, once it is in) how a member is now.
    pub(super) fn broadcast(&self, key: usize, context: &mut Context<'_>) {
        let Some(member) = self.members.get(key) else {
            return;
        };
        for (other, _) in &self.members {
            if other == key || !member.hidden() {
                self.send(other, Response::Update(vec![member.card.clone()]), context);
            }
        }
    }

    pub(super) fn handle_socket_closed(&mut self, key: usize, context: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        member.conn = None;
        if !member.connected {
            self.remove(key, LeaveReason::JoinFailure, true, context);
        } else if member.closed.is_some() {
            self.remove(key, LeaveReason::MediaFailure, false, context);
        }
    }

    /// A member's connection came up.
    pub(super) fn on_connected(&mut self, key: usize, side: Side, context: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut member.connected, true) {
            let standard = member.join.kind == ParticipantKind::Standard;
            let granted = Granted {
                identity: member.join.identity.clone(),
                sid: member.sid.clone(),
                role: member.join.role,
                counts: standard && !member.hidden(),
            };
            let (who, preflight) = (granted.identity.clone(), member.preflight);
            self.billing.handle_connected(granted, context.now);
            if let Some(verdict) = preflight {
                self.billing.handle_preflight(&who, verdict);
            }
        }
        let member = &mut self.members[key];
        if side == member.primary() && !std::mem::replace(&mut member.active, true) {
            member.card.active();
            self.broadcast(key, context);
            self.room.handle_active(MemberKey(key));
            self.settle(context);
        }
    }

    /// A member is gone for good. `explicit`: it said so.
    pub(super) fn remove(
        &mut self,
        key: usize,
        reason: LeaveReason,
        explicit: bool,
        context: &mut Context<'_>,
    ) {
        if !self.members.contains(key) {
            return;
        }
        self.flush_evidence(context.now);
        let member = &self.members[key];
        if member.connected {
            let identity = member.join.identity.clone();
            self.billing.handle_left(&identity, explicit, context.now);
        }
        let action = if explicit {
            LeaveAction::Disconnect
        } else {
            LeaveAction::Reconnect
        };
        self.take_out(key, (action, reason), context);
        self.drain_billing(context);
    }

    fn take_out(
        &mut self,
        key: usize,
        (action, reason): (LeaveAction, LeaveReason),
        context: &mut Context<'_>,
    ) {
        self.report_bytes(key);
        self.send(key, Response::Leave(action, reason), context);
        for sid in self.members[key]
            .published
            .keys()
            .cloned()
            .collect::<Vec<_>>()
        {
            self.report_published(key, &sid, false, context.now.mono);
        }
        self.room.handle_left(MemberKey(key));
        let member = self.members.remove(key);
        self.report_left(member.identity().clone(), context);
        if let Some(conn) = member.conn {
            context.connections.remove(&conn);
            context.outputs.push_back(Output::CloseSocket { conn });
        }
        for ufrag in &member.ufrags {
            context.demux.remove(ufrag);
        }
        tally::add_transports(&member, &mut self.past);
        if self.departed.len() == MAX_DEPARTED {
            self.departed.pop_front();
        }
        self.review_recordings(context);
        self.departed
            .push_back((member.join.identity.clone(), context.now.mono));
        if !member.hidden() {
            let gone: Card = member.card.gone(reason);
            for (other, _) in &self.members {
                self.send(other, Response::Gone(Box::new(gone.clone())), context);
            }
        }
        self.settle(context);
    }

    pub(super) fn handle_committed(&mut self, context: &mut Context<'_>) {
        let Some(clock) = self.told.pop_front() else {
            return;
        };
        let changed = self.shown.map(|shown| shown.state) != Some(clock.state);
        self.shown = Some(clock);
        if changed {
            self.send_clock(context);
        }
    }

    pub(super) fn handle_drain(&mut self, context: &mut Context<'_>) {
        self.flush_evidence(context.now);
        for key in self.keys() {
            self.report_bytes(key);
        }
        self.billing.handle_end(EndReason::NodeDrained, context.now);
        self.drain_billing(context);
        self.end(LeaveAction::Reconnect, LeaveReason::ServerShutdown, context);
    }

    pub(super) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        self.drive_transports(context);
        let now = context.now.mono;
        if now.since(self.ticked) >= TICK {
            self.ticked = now;
            self.tick(context);
        }
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        self.flush_evidence(now);
        self.billing.handle_timeout(now);
        self.drain_billing(context);
        self.tell_contract(context);
        for key in self.keys() {
            let ailment = self
                .members
                .get(key)
                .and_then(|member| member.ailment(now.mono));
            match ailment {
                Some(Ailment::NeverConnected) => {
                    self.remove(key, LeaveReason::JoinFailure, true, context);
                }
                Some(Ailment::Silent) => {
                    self.remove(key, LeaveReason::ConnectionTimeout, false, context);
                }
                Some(Ailment::Unanswered | Ailment::Closed) => {
                    self.remove(key, LeaveReason::MediaFailure, false, context);
                }
                None => self.refresh_token(key, context),
            }
        }
        for key in self.keys() {
            self.send_queued_data(key);
        }
        self.tend_bandwidth(context);
        self.tend_recordings(context);
        if now.mono.since(self.clock_sent) >= CLOCK_EVERY {
            self.send_clock(context);
        }
        if matches!(self.state(), SessionState::Ended(_)) {
            self.end(LeaveAction::Disconnect, LeaveReason::RoomClosed, context);
        }
    }

    fn refresh_token(&mut self, key: usize, context: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        if !member.refresh_is_due(context.now.mono) {
            return;
        }
        match token::refresh(&member.claims, &context.config.keys, context.now) {
            Ok(token) => self.send(key, Response::RefreshToken(token), context),
            Err(error) => tracing::warn!(%error, "a token could not be refreshed"),
        }
    }

    /// Everyone goes, and so does the room.
    pub(super) fn end(
        &mut self,
        action: LeaveAction,
        reason: LeaveReason,
        context: &mut Context<'_>,
    ) {
        self.end_recordings(context);
        for key in self.keys() {
            self.take_out(key, (action, reason), context);
        }
        self.drain_billing(context);
        self.over = true;
    }

    pub(super) fn drain_billing(&mut self, context: &mut Context<'_>) {
        while let Some(append) = self.billing.poll_output() {
            self.tell();
            if let Some(warning) = &append.entry.warning {
                self.tell_warning(warning);
            }
            context.outputs.push_back(Output::Append(Box::new(append)));
        }
    }

    pub(super) fn checkpoint(&mut self, now: Now) -> Option<Checkpoint> {
        self.flush_evidence(now);
        for key in self.keys() {
            self.report_bytes(key);
        }
        let checkpoint = self.billing.checkpoint(now)?;
        self.tell();
        Some(checkpoint)
    }

    /// The clock of an append or checkpoint that goes out now: shown once it is on disk.
    fn tell(&mut self) {
        if self.told.len() == MAX_TOLD {
            self.told.clear();
        }
        self.told.push_back(self.billing.clock());
    }

    fn left_lately(&mut self, identity: &Identity, now: Mono) -> bool {
        let grace = Millis::from_secs(self.policy.departure_timeout_s);
        self.departed.retain(|(_, at)| now.since(*at) < grace);
        self.departed.iter().any(|(left, _)| left == identity)
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let transports = self
            .members
            .iter()
            .filter_map(|(_, member)| member.poll_timeout())
            .min();
        Some(transports.unwrap_or(Mono::MAX).min(self.ticked + TICK))
    }

    pub(super) fn keys(&self) -> Vec<usize> {
        self.members.iter().map(|(key, _)| key).collect()
    }

    /// Tells billing the newest authenticated packets.
    pub(super) fn flush_evidence(&mut self, now: Now) {
        for (_, member) in &mut self.members {
            if !member.connected {
                continue;
            }
            let identity = member.join.identity.clone();
            if let Some(at) = member.media_at.take() {
                self.billing.handle_media(&identity, at, now);
            }
            let last = member.last_authenticated();
            if let Some(at) = last.filter(|_| last > member.reported) {
                member.reported = last;
                self.billing.handle_evidence(&identity, at, now);
            }
        }
    }
}

/// The room as clients see it.
fn wire_facts(sid: &RoomSid, join: &JoinRequest, policy: &Policy, now: Now) -> RoomFacts {
    RoomFacts {
        sid: sid.to_string(),
        name: join.join.room.to_string(),
        metadata: join.join.room_config.metadata.clone().unwrap_or_default(),
        created: now.unix,
        departure_timeout_s: u32::try_from(policy.departure_timeout_s).unwrap_or(u32::MAX),
        max_participants: u32::try_from(policy.capacity.max_participants).unwrap_or(u32::MAX),
        num_participants: 0,
        active_recording: false,
    }
}
