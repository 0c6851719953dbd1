//! One room as it lives. It introduces its parts to each other: each owns its state and knows none of
//! the others, and what one of them has to say is carried to the next here.
//!
//! A step is one input and all that follows from it. Whoever has to leave, what clients are told and
//! what is offered to them is queued, and carried out in `finish`, at the end of the step, alone. A join
//! that replaces an older one is two steps: the older one leaves, then the newer one comes.

use super::bandwidth::{self, Bandwidth};
use super::contract_notices::ContractNotices;
use super::data::DataPacket;
use super::egress::Egress;
use super::membership::{Leave, Membership};
use super::notices::Notices;
use super::parts::Parts;
use super::recording::Recordings;
use super::recording_outputs::{carry_out, people};
use super::subscriptions::Subscriptions;
use super::{arrivals, commands, counts, data, departures, evidence, reliable_data, requests};
use crate::base::{
    ConnectionId, EndReason, Identity, Millis, Mono, Now, Purpose, RoomKey, SessionId, SessionState,
};
use crate::node::billing::{Billing, Opening};
use crate::node::context::Context;
use crate::node::control::{News, verdicts};
use crate::node::demux::{Datagram, Route};
use crate::node::io::{CommandRefusal, JoinRequest, Output, SessionCommand, SessionView, Stats};
use crate::node::member::{Side, is_minor};
use crate::peer::signal::{LeaveAction, LeaveReason, Request, RoomFacts};
use crate::peer::transport::{Channel, Output as Heard};
use crate::record;
use crate::room::{MemberKey, Room};
use crate::session::Policy;
use crate::usage::{Checkpoint, SessionFacts, Stored};

/// Presence, negotiation and billing are looked at this often: far below the 5 s of presence, and
/// rare enough to cost nothing.
const TICK: Millis = Millis(50);

/// One room as it lives.
pub(in crate::node) struct LiveRoom {
    index: usize,
    name: RoomKey,
    session: SessionId,
    policy: Policy,
    parts: Parts,
    egress: Egress,
    bandwidth: Bandwidth,
    pub(in crate::node) recordings: Recordings,
    contract: ContractNotices,
    /// Counts of members that are gone.
    past: Stats,
    ticked: Mono,
    /// Who is here, what they publish or what they said has changed since the recordings were reviewed.
    review_is_due: bool,
    over: bool,
    #[cfg(test)]
    pub(in crate::node) panics_at_its_checkpoint: bool,
}

impl LiveRoom {
    pub(in crate::node) fn new(
        index: usize,
        opening: Opening,
        facts: RoomFacts,
        seed: u64,
        now: Now,
    ) -> LiveRoom {
        let policy = opening.policy.clone();
        let session = opening.facts.session.clone();
        let grace = Millis::from_secs(policy.departure_timeout_s);
        LiveRoom {
            index,
            name: opening.facts.room.clone(),
            egress: Egress::default(),
            bandwidth: Bandwidth::new(session.clone(), now.mono),
            contract: ContractNotices::new(session.clone(), policy.presence.who),
            recordings: Recordings::new(&policy.recording, session.clone(), now.mono),
            parts: Parts {
                members: Membership::new(grace),
                room: Room::new(seed),
                subscriptions: Subscriptions::default(),
                notices: Notices::new(facts),
                billing: Billing::new(opening, now),
            },
            session,
            policy,
            past: Stats::default(),
            ticked: now.mono,
            review_is_due: false,
            over: false,
            #[cfg(test)]
            panics_at_its_checkpoint: false,
        }
    }

    pub(in crate::node) const fn name(&self) -> &RoomKey {
        &self.name
    }

    pub(in crate::node) const fn session(&self) -> &SessionId {
        &self.session
    }

    pub(in crate::node) fn state(&self) -> SessionState {
        self.parts.billing.state()
    }

    pub(in crate::node) const fn facts(&self) -> &SessionFacts {
        self.parts.billing.facts()
    }

    pub(in crate::node) const fn is_over(&self) -> bool {
        self.over
    }

    /// Whether someone of this identity is in the room.
    pub(in crate::node) fn has(&self, identity: &Identity) -> bool {
        self.parts.members.find(identity).is_some()
    }

    pub(in crate::node) fn handle_join(
        &mut self,
        conn: ConnectionId,
        request: JoinRequest,
        context: &mut Context<'_>,
    ) {
        let (identity, now) = (request.join.identity.clone(), context.now);
        let minor = is_minor(&request.join);
        if minor {
            // Before anyone leaves by it: nothing more of what they agreed to is written.
            self.recordings.handle_minor(&identity, now);
        }
        let older = self.parts.members.find(&identity);
        if let Some(older) = older {
            // The newest join of an identity wins. Its presence goes on, so billing hears nothing.
            let reason = LeaveReason::DuplicateIdentity;
            self.parts
                .members
                .leave(older, Leave::unbilled(LeaveAction::Disconnect, reason));
            self.finish(context);
        }
        let returns = older.is_some() || self.parts.members.left_lately(&identity, now.mono);
        if !returns && self.parts.members.len() >= self.policy.capacity.max_participants {
            context.stats.joins_full += 1;
            context.push(Output::News(News::Left(self.name.clone(), identity)));
            context.dismiss(conn, LeaveAction::Disconnect, LeaveReason::JoinFailure);
            return;
        }
        if !returns && request.continues.is_none() {
            let warned = verdicts::warning(&request.join, request.preflight, &self.policy.floor);
            if let Some(warning) = warned {
                self.parts.billing.handle_warning(warning, now);
            }
        }
        self.recordings.handle_joined(&identity, minor, now);
        let member = arrivals::member(conn, request, &self.policy.floor, context);
        let index = self.index;
        self.parts.admit(member, index, context);
        context.push(Output::News(News::Joined(self.name.clone(), identity)));
        self.review_is_due = true;
        self.finish(context);
    }

    pub(in crate::node) fn handle_request(
        &mut self,
        key: usize,
        (request, text): (Request, bool),
        context: &mut Context<'_>,
    ) {
        let Some(member) = self.parts.members.at_mut(key) else {
            return;
        };
        member.text = text;
        if let Some(pong) = request.pong(context.now.unix) {
            self.parts.notices.tell(key, pong);
        } else if !requests::handle(&mut self.parts, key, request, context) {
            context.stats.signal_errors += 1;
        }
        self.review_is_due = true;
        for side in self.sides(key) {
            self.hear(key, *side, context);
        }
        self.finish(context);
    }

    pub(in crate::node) fn handle_socket_closed(&mut self, key: usize, context: &mut Context<'_>) {
        self.parts.handle_socket_closed(key);
        self.finish(context);
    }

    pub(in crate::node) fn handle_datagram(
        &mut self,
        route: Route,
        datagram: Datagram<'_>,
        context: &mut Context<'_>,
    ) {
        if self.parts.receive(route, datagram, context) {
            self.hear(route.member, route.side, context);
        }
        self.finish(context);
    }

    /// The sides of a member that have a connection of their own.
    fn sides(&self, key: usize) -> &'static [Side] {
        let member = self.parts.members.at(key);
        member.map_or(&[], |member| member.connections.sides())
    }

    /// Acts on all that a transport has to say.
    fn hear(&mut self, key: usize, side: Side, context: &mut Context<'_>) {
        let route = Route::new(self.index, key, side);
        while let Some(member) = self.parts.members.at_mut(key) {
            let Some(heard) = member.connections.transport(side).poll_output() else {
                break;
            };
            match heard {
                Heard::Datagram { to, bytes } => self.parts.send(route, to, bytes, context),
                Heard::Connected => self.parts.handle_connected(key, side, context.now),
                Heard::Closed => self.parts.handle_closed(key, context.now.mono),
                Heard::Packet(packet) => {
                    let from = MemberKey(key);
                    if self.egress.forward(from, &packet, &mut self.parts, context) {
                        self.recordings.handle_packet(from, &packet, context.now);
                    }
                }
                Heard::KeyframeRequest(mid) => {
                    self.parts.room.handle_keyframe_request(MemberKey(key), mid);
                }
                Heard::ChannelOpen(Channel::Reliable) if side == Side::Subscriber => {
                    member.send_waiting_data(context.now.mono);
                    self.recordings.handle_channel_open(MemberKey(key));
                }
                Heard::ChannelOpen(_) => {}
                Heard::Data(channel, bytes) => {
                    let (parts, recordings) = (&mut self.parts, &mut self.recordings);
                    let packet = DataPacket {
                        from: key,
                        channel,
                        bytes: &bytes,
                    };
                    data::handle(packet, parts, recordings, context);
                }
            }
        }
    }

    /// An entry or a checkpoint is on disk.
    pub(in crate::node) fn handle_committed(&mut self, stored: Stored, context: &mut Context<'_>) {
        self.parts.billing.handle_committed(stored);
        if self.parts.billing.shown().has_news() {
            self.tell_clock(context.now.mono);
        }
        self.finish(context);
    }

    fn tell_clock(&mut self, now: Mono) {
        let Parts {
            billing, notices, ..
        } = &mut self.parts;
        self.contract.handle_timeout(billing, notices, now);
    }

    /// The disk does not take a recording.
    pub(in crate::node) fn handle_recording_failed(
        &mut self,
        purpose: Purpose,
        reason: &str,
        context: &mut Context<'_>,
    ) {
        self.recordings.handle_failed(purpose, reason, context.now);
        self.finish(context);
    }

    /// Carries out a command, and says how the session stands then.
    pub(in crate::node) fn handle_command(
        &mut self,
        command: SessionCommand,
        context: &mut Context<'_>,
    ) -> Result<SessionView, CommandRefusal> {
        if matches!(self.state(), SessionState::Ended(_)) {
            return Err(CommandRefusal::Gone);
        }
        let now = context.now;
        evidence::flush(&mut self.parts.members, &mut self.parts.billing, now);
        let done = if let SessionCommand::End(reason) = command {
            let leave = Leave::unbilled(LeaveAction::Disconnect, LeaveReason::RoomDeleted);
            self.end(reason, leave, now);
            Ok(())
        } else {
            let (parts, recordings) = (&mut self.parts, &mut self.recordings);
            commands::handle(command, parts, recordings, now)
        };
        self.parts.billing.handle_timeout(now);
        self.finish(context);
        done.map(|()| self.view())
    }

    fn view(&self) -> SessionView {
        SessionView {
            session: self.session.clone(),
            room: self.name.clone(),
            policy: self.parts.billing.allowance().applied_to(&self.policy),
            clock: self.parts.billing.shown().newest(),
            prompt: self.parts.billing.prompt(),
            participants: commands::participants(&self.parts.members),
            subscriptions: commands::subscriptions(&self.parts.room, &self.parts.members),
            recordings: self.recordings.views(),
        }
    }

    pub(in crate::node) fn handle_drain(&mut self, context: &mut Context<'_>) {
        let leave = Leave::unbilled(LeaveAction::Reconnect, LeaveReason::ServerShutdown);
        self.end(EndReason::NodeDrained, leave, context.now);
        self.finish(context);
    }

    /// The session ends now, and everyone goes.
    fn end(&mut self, reason: EndReason, leave: Leave, now: Now) {
        evidence::flush(&mut self.parts.members, &mut self.parts.billing, now);
        evidence::all_bytes(&self.parts.members, &mut self.parts.billing);
        self.parts.billing.handle_end(reason, now);
        self.close(leave, now);
    }

    /// The session has ended: everyone goes, and so does the room.
    fn close(&mut self, leave: Leave, now: Now) {
        self.recordings.handle_end(now);
        self.parts.leave_all(leave);
        self.over = true;
    }

    pub(in crate::node) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        for key in self.parts.members.keys() {
            for side in self.sides(key) {
                let member = self.parts.members.at_mut(key);
                if member.is_some_and(|member| member.connections.drive(*side, context.now)) {
                    self.hear(key, *side, context);
                }
            }
        }
        if context.now.mono.since(self.ticked) >= TICK {
            self.ticked = context.now.mono;
            self.tick(context);
        }
        self.finish(context);
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        evidence::flush(&mut self.parts.members, &mut self.parts.billing, now);
        self.parts.billing.handle_timeout(now);
        self.drain_billing(context);
        let prompt = self.parts.billing.prompt();
        self.contract.handle_prompt(
            prompt.as_ref(),
            &mut self.parts.members,
            &mut self.parts.notices,
        );
        self.parts.tend_members(context);
        for key in reliable_data::resume(&mut self.parts.members, now) {
            self.hear(key, Side::Publisher, context);
        }
        departures::expire_subscriptions(&mut self.parts, context);
        self.bandwidth.handle_timeout(&mut self.parts, now);
        if self
            .recordings
            .poll_timeout()
            .is_some_and(|due| due <= now.mono)
        {
            self.recordings.handle_timeout(now);
        }
        self.tell_clock(now.mono);
    }

    /// The end of a step: all that follows from it is carried out here, and nowhere else. The room of a
    /// session that has ended closes before the ledger hears of it: nobody is let into it any more.
    fn finish(&mut self, context: &mut Context<'_>) {
        if !self.over && matches!(self.state(), SessionState::Ended(_)) {
            let leave = Leave::unbilled(LeaveAction::Disconnect, LeaveReason::RoomClosed);
            self.close(leave, context.now);
        }
        loop {
            if std::mem::take(&mut self.review_is_due) {
                if matches!(self.state(), SessionState::Ended(_)) {
                    self.recordings.handle_end(context.now);
                }
                self.recordings
                    .review(people(&self.parts.members), context.now);
            }
            let (recordings, contract) = (&mut self.recordings, &mut self.contract);
            carry_out(recordings, &mut self.parts, contract, context);
            self.parts.drain_events(context.now.mono);
            self.drain_billing(context);
            let Some((key, leave)) = self.parts.members.poll_leaving() else {
                break;
            };
            self.parts.notices.flush(&mut self.parts.members, context);
            if let Some(gone) = self.parts.take_out(key, leave, context) {
                counts::add_member(&gone, &mut self.past);
                let left = News::Left(self.name.clone(), gone.identity().clone());
                context.push(Output::News(left));
                self.review_is_due = true;
            }
        }
        self.parts.subscriptions.offer(
            &mut self.parts.members,
            &mut self.parts.notices,
            context.now,
        );
        self.parts.notices.deliver(&mut self.parts.members, context);
    }

    fn drain_billing(&mut self, context: &mut Context<'_>) {
        let Parts {
            billing, notices, ..
        } = &mut self.parts;
        self.contract.drain_billing(billing, notices, context);
    }

    /// The room panicked: what is open of its recordings ends as it is.
    pub(in crate::node) fn abandon(&mut self) -> Vec<record::Output> {
        self.recordings.abandon()
    }

    /// The running totals; the rows that they count on go out before them.
    pub(in crate::node) fn checkpoint(&mut self, context: &mut Context<'_>) -> Option<Checkpoint> {
        let now = context.now;
        evidence::flush(&mut self.parts.members, &mut self.parts.billing, now);
        evidence::all_bytes(&self.parts.members, &mut self.parts.billing);
        #[cfg(test)]
        assert!(!self.panics_at_its_checkpoint, "a room that is wrong");
        self.parts.billing.handle_timeout(now);
        self.finish(context);
        self.parts.billing.checkpoint(now)
    }

    pub(in crate::node) fn poll_timeout(&self) -> Option<Mono> {
        let members = self.parts.members.iter();
        let transports = members.filter_map(|(_, member)| member.connections.poll_timeout());
        let first = transports.min().unwrap_or(Mono::MAX);
        Some(first.min(self.ticked + TICK))
    }

    pub(in crate::node) fn add_stats(&self, stats: &mut Stats) {
        stats.participants += u64::try_from(self.parts.members.len()).unwrap_or(0);
        bandwidth::add_links(&self.parts.room, &self.parts.members, &mut stats.links);
        self.add_stats_of_the_past(stats);
        for (_, member) in self.parts.members.iter() {
            counts::add_member(member, stats);
        }
    }

    pub(in crate::node) fn add_stats_of_the_past(&self, stats: &mut Stats) {
        counts::add_past(&self.past, stats);
        stats.recorders += self.recordings.stats();
        counts::add_drops(self.parts.room.drops(), stats);
    }
}

#[cfg(test)]
mod tests;
