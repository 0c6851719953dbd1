//! One participant of a room.

use super::connections::{Connections, Side};
use super::links::Links;
use super::outgoing_data::{OutgoingData, Unsent};
use super::token_refresh::TokenRefresh;
use super::tracks::Tracks;
use crate::base::{ConnectionId, Identity, Millis, Mono, Now, ParticipantSid, Verdict};
use crate::peer::negotiate::Negotiation;
use crate::peer::signal::server_packet;
use crate::peer::signal::token::{Claims, Join, ParticipantKind, refreshed};
use crate::peer::signal::{Card, ClientParams};
use crate::peer::transport::Channel;
use crate::session::Floor as Promise;
use std::collections::VecDeque;
use std::sync::Arc;

/// Never connected for this long: removed. Clients give up after 15 s themselves, and a session
/// with nobody present ends after 20 s anyway.
const CONNECT_WITHIN: Millis = Millis::from_secs(20);

/// No authenticated packet for this long: removed (livekit-server 1.13.5: 10 + 5 + 5 s).
const SILENT_FOR: Millis = Millis::from_secs(20);

/// One participant of a room.
pub(in crate::node) struct Member {
    /// Its signalling socket, while that is open.
    pub(in crate::node) conn: Option<ConnectionId>,
    /// The client last spoke JSON, so it is answered in JSON.
    pub(in crate::node) text: bool,
    pub(in crate::node) claims: Claims,
    pub(in crate::node) join: Join,
    pub(in crate::node) client: ClientParams,
    /// What a preflight measured before this join.
    pub(in crate::node) preflight: Option<Verdict>,
    pub(in crate::node) sid: ParticipantSid,
    pub(in crate::node) card: Card,
    pub(in crate::node) connections: Connections,
    pub(in crate::node) negotiation: Negotiation,
    pub(in crate::node) tracks: Tracks,
    pub(in crate::node) links: Links,
    /// One of its connections has been up.
    pub(in crate::node) connected: bool,
    /// Its primary connection has been up: it takes part.
    pub(in crate::node) active: bool,
    /// When its newest media packet came, until billing is told.
    pub(in crate::node) media_at: Option<Mono>,
    /// The newest authenticated packet of which billing was told.
    pub(in crate::node) reported: Option<Mono>,
    /// Reliable data for the client.
    pub(in crate::node) outgoing: OutgoingData,
    /// Reliable packets of the client's for which others have no place now, in their order.
    pub(in crate::node) unsent: VecDeque<Unsent>,
    joined: Mono,
    token: TokenRefresh,
}

/// Why a member's connection is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum DisconnectCause {
    NeverConnected,
    Silent,
    /// An offer of ours was not answered in time.
    Unanswered,
    Closed,
    /// It does not take the reliable data that there is for it.
    Stalled,
}

/// The parts of a new member.
pub(in crate::node) struct NewMember {
    pub(in crate::node) conn: ConnectionId,
    pub(in crate::node) claims: Claims,
    pub(in crate::node) join: Join,
    pub(in crate::node) client: ClientParams,
    pub(in crate::node) preflight: Option<Verdict>,
    pub(in crate::node) sid: ParticipantSid,
    pub(in crate::node) connections: Connections,
}

/// The token marks a minor.
pub(in crate::node) fn is_minor(join: &Join) -> bool {
    let minor = join.attributes.get("minor");
    minor.is_some_and(|minor| minor == "true")
}

impl Member {
    pub(in crate::node) fn new(new: NewMember, promise: &Promise, now: Now) -> Member {
        let NewMember {
            conn,
            claims,
            join,
            client,
            preflight,
            sid,
            connections,
        } = new;
        let negotiation = Negotiation::new(client.reuses_sections());
        Member {
            conn: Some(conn),
            text: false,
            claims,
            card: Card::new(&sid, &join, &client, now),
            join,
            client,
            preflight,
            sid,
            connections,
            negotiation,
            tracks: Tracks::default(),
            links: Links::new(promise),
            connected: false,
            active: false,
            media_at: None,
            reported: None,
            outgoing: OutgoingData::default(),
            unsent: VecDeque::new(),
            joined: now.mono,
            token: TokenRefresh::at_join(now.unix),
        }
    }

    pub(in crate::node) fn identity(&self) -> &Identity {
        &self.join.identity
    }

    pub(in crate::node) fn hidden(&self) -> bool {
        self.join.permissions.hidden
    }

    /// Whether they get what others publish while others cannot see that, or what they do with it: LiveKit's
    /// grants `hidden` and `recorder`, and its kind `egress`. Everyone is told as of a recording.
    pub(in crate::node) fn captures(&self) -> bool {
        let granted = &self.join.permissions;
        let egress = self.join.kind == ParticipantKind::Egress;
        granted.can_subscribe && (granted.hidden || granted.recorder || egress)
    }

    /// A visible participant who is no program: one for whom time is billed.
    pub(in crate::node) fn counts(&self) -> bool {
        self.join.kind == ParticipantKind::Standard && !self.hidden()
    }

    /// One of the room's participants as clients count them: as in LiveKit neither programs that serve it
    /// (agents, egress, recorders) nor, since nobody is told of them, hidden ones.
    pub(in crate::node) fn is_counted(&self) -> bool {
        let granted = &self.join.permissions;
        let serves = granted.agent || granted.recorder || self.join.kind == ParticipantKind::Egress;
        !serves && !granted.hidden
    }

    /// Which connection decides that the client is connected (LiveKit's `subscriber_primary`).
    pub(in crate::node) fn primary(&self) -> Side {
        if self.join.permissions.can_subscribe {
            Side::Subscriber
        } else {
            Side::Publisher
        }
    }

    pub(in crate::node) fn disconnect_cause(&self, now: Mono) -> Option<DisconnectCause> {
        if self.connections.is_lost(now) {
            return Some(DisconnectCause::Closed);
        }
        if self.negotiation.is_overdue(now) && self.conn.is_some() {
            return Some(DisconnectCause::Unanswered);
        }
        if !self.connected {
            let late = now.since(self.joined) >= CONNECT_WITHIN;
            return (late || self.conn.is_none()).then_some(DisconnectCause::NeverConnected);
        }
        let last = self.connections.last_authenticated();
        let silent = now.since(last.unwrap_or(self.joined)) >= SILENT_FOR;
        if silent {
            return Some(DisconnectCause::Silent);
        }
        let stalled = self.outgoing.is_stalled(now);
        stalled.then_some(DisconnectCause::Stalled)
    }

    /// The claims of a token that the client is to be given now.
    pub(in crate::node) fn due_token(&mut self, now: Now) -> Option<Claims> {
        if !self.token.is_due(now.unix) {
            return None;
        }
        let claims = refreshed(&self.claims, now);
        self.token.give(claims.expires, now.unix);
        Some(claims)
    }

    /// Sends data that may be lost. False if it is.
    pub(in crate::node) fn send_lossy(&mut self, channel: Channel, packet: &[u8]) -> bool {
        let transport = self.connections.write(Side::Subscriber);
        transport.send_data(channel, packet)
    }

    /// A packet of another client's, for which there is place.
    pub(in crate::node) fn send_reliable(&mut self, packet: Arc<[u8]>, now: Mono) {
        self.outgoing.push(packet);
        self.send_waiting_data(now);
    }

    /// Sends what waits, as far as the channel is open and the client takes it.
    pub(in crate::node) fn send_waiting_data(&mut self, now: Mono) {
        if self.outgoing.is_idle() {
            return;
        }
        let transport = self.connections.transport(Side::Subscriber);
        if let Some(bytes) = transport.unacknowledged(Channel::Reliable) {
            self.outgoing.handle_unacknowledged(bytes, now);
        }
        let mut sent = false;
        while let Some(packet) = self.outgoing.next() {
            if !transport.send_data(Channel::Reliable, packet) {
                break;
            }
            self.outgoing.handle_sent(now);
            sent = true;
        }
        if sent {
            self.connections.write(Side::Subscriber);
        }
    }

    /// A packet of the server's own, before those of others.
    pub(in crate::node) fn tell(&mut self, topic: &str, json: &str, now: Mono) {
        self.outgoing.push_own(server_packet(topic, json).into());
        self.send_waiting_data(now);
    }
}
