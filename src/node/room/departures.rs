//! A member's socket or connection ends, and the member leaves.

use super::evidence;
use super::membership::{Departure, Leave};
use super::parts::Parts;
use crate::base::Mono;
use crate::node::context::Context;
use crate::node::io::Output;
use crate::node::member::{DisconnectCause, Member};
use crate::peer::signal::{LeaveReason, Response, token};
use crate::room::MemberKey;

/// Gives up subscriptions to tracks that did not come in time.
pub(in crate::node) fn expire_subscriptions(parts: &mut Parts, context: &mut Context<'_>) {
    let Parts {
        subscriptions,
        notices,
        ..
    } = parts;
    let expired = subscriptions.handle_timeout(notices, context.now.mono);
    context.stats.subscriptions_expired += expired;
}

impl Parts {
    /// The socket is gone. The participant stays as long as its media connection lives.
    pub(in crate::node) fn handle_socket_closed(&mut self, key: usize) {
        let Some(member) = self.members.at_mut(key) else {
            return;
        };
        member.conn = None;
        if !member.connected {
            let leave = Leave::explicit(LeaveReason::JoinFailure);
            self.members.leave(key, leave);
        } else if member.connections.is_closed() {
            let leave = Leave::lost(LeaveReason::MediaFailure);
            self.members.leave(key, leave);
        }
    }

    /// A client that leaves closes its connections, and says so on its socket: whichever comes first.
    /// With the socket open its word is waited for (`Connections::is_lost`).
    pub(in crate::node) fn handle_closed(&mut self, key: usize, now: Mono) {
        let Some(member) = self.members.at_mut(key) else {
            return;
        };
        member.connections.handle_closed(now);
        if member.conn.is_none() {
            let leave = Leave::lost(LeaveReason::MediaFailure);
            self.members.leave(key, leave);
        }
    }

    /// Looks after each member: its connection, its token, its announcements, what waits for it.
    pub(in crate::node) fn tend_members(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        for key in self.members.keys() {
            let Some(member) = self.members.at_mut(key) else {
                continue;
            };
            if let Some(cause) = member.disconnect_cause(now.mono) {
                context.stats.offers_expired += u64::from(cause == DisconnectCause::Unanswered);
                context.stats.data_stalls += u64::from(cause == DisconnectCause::Stalled);
                self.members.leave(key, cause.into());
                continue;
            }
            if let Some(claims) = member.due_token(now) {
                match token::sign(&claims, &context.config.keys, now) {
                    Ok(token) => self.notices.tell(key, Response::RefreshToken(token)),
                    Err(error) => tracing::warn!(%error, "a token could not be refreshed"),
                }
            }
            member.send_waiting_data(now.mono);
            // Whoever is not heard has other times.
            let is_there = member.connected && member.connections.is_there(now.mono);
            member.outgoing.watch(is_there, now.mono);
            for sid in member.tracks.expire(now.mono) {
                context.stats.tracks_expired += 1;
                self.notices
                    .tell(key, Response::TrackUnpublished(sid.to_string()));
            }
        }
    }

    /// Takes a member out. What was said to it before has been delivered.
    pub(in crate::node) fn take_out(
        &mut self,
        key: usize,
        leave: Leave,
        context: &mut Context<'_>,
    ) -> Option<Member> {
        let now = context.now;
        evidence::flush(&mut self.members, &mut self.billing, now);
        let member = self.members.at(key)?;
        let explicit = match leave.departure {
            Departure::Explicit => Some(true),
            Departure::Lost => Some(false),
            Departure::Unbilled => None,
        };
        if let Some(explicit) = explicit.filter(|_| member.connected) {
            let identity = member.identity();
            self.billing.handle_left(identity, explicit, now);
        }
        evidence::bytes(member, &mut self.billing);
        for (sid, _) in member.tracks.iter() {
            evidence::published(member, (sid, false), &mut self.billing, now.mono);
        }
        self.room.handle_left(MemberKey(key));
        self.subscriptions.handle_left(key);
        let member = self.members.remove(key, now.mono)?;
        if let Some(conn) = member.conn {
            context.sockets.remove(&conn);
            let told = Response::Leave(leave.action, leave.reason);
            context.signal(conn, member.text, told);
            context.push(Output::CloseSocket { conn });
        }
        for (_, ufrag) in member.connections.ufrags() {
            context.demux.remove(ufrag);
        }
        let card = || member.card.clone().gone(leave.reason);
        let told = (!member.hidden()).then(|| Response::Gone(Box::new(card())));
        self.notices.gone(key, told);
        Some(member)
    }
}
