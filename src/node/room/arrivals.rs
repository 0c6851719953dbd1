//! A member comes in, its datagrams come, and its connections come up.

use super::evidence;
use super::parts::Parts;
use crate::base::{Bitrate, ConnectionId, Now, ParticipantSid};
use crate::media::is_stun;
use crate::node::context::Context;
use crate::node::demux::{Datagram, Route};
use crate::node::io::{JoinRequest, Output};
use crate::node::member::{Connections, Member, NewMember, Side};
use crate::peer::signal::Response;
use crate::peer::transport::Purpose;
use crate::room::{MemberKey, MemberOptions};
use crate::session::Floor;
use std::net::SocketAddr;

/// Of what a preflight measured, the part that a congestion controller may begin with.
const MEASURED_PERCENT: u64 = 80;

/// A member as it joins, with its connections.
pub(in crate::node) fn member(
    conn: ConnectionId,
    request: JoinRequest,
    promise: &Floor,
    context: &mut Context<'_>,
) -> Member {
    let (config, now) = (context.config, context.now);
    let measured = request.preflight.map(|verdict| Bitrate(verdict.down_bps));
    let start = measured.map(|bitrate| bitrate.percent(MEASURED_PERCENT));
    let connection = |purpose| {
        let factory = &config.factory;
        factory.connection(purpose, &config.advertised, now.mono)
    };
    let new = NewMember {
        conn,
        sid: ParticipantSid::random(context.rng),
        connections: Connections::new(
            connection(Purpose::Receive),
            Some(connection(Purpose::Send(start))),
        ),
        claims: request.claims,
        join: request.join,
        client: request.client,
        preflight: request.preflight,
    };
    let mut member = Member::new(new, promise, now);
    member.card.joined();
    member
}

impl Parts {
    /// Lets a member into the room of this index, and tells everyone.
    pub(in crate::node) fn admit(
        &mut self,
        member: Member,
        room: usize,
        context: &mut Context<'_>,
    ) {
        let others = self.members.iter().filter(|(_, other)| !other.hidden());
        let counted = self.members.iter().filter(|(_, other)| other.is_counted());
        let counted = counted.count() + usize::from(member.is_counted());
        let permissions = &member.join.permissions;
        let welcome = Response::Join {
            others: others.map(|(_, other)| other.card.clone()).collect(),
            room: self.notices.room_of(counted),
            me: Box::new(member.card.clone()),
            node: context.config.node.clone(),
            subscriber_primary: permissions.can_subscribe,
            fast_publish: permissions.can_publish,
        };
        let options = MemberOptions {
            identity: member.identity().clone(),
            hidden: member.hidden(),
            auto_subscribe: member.client.auto_subscribe,
            can_subscribe: permissions.can_subscribe,
            role: member.join.role,
        };
        let key = self.members.insert(member);
        self.notices.tell(key, welcome);
        if let Some(member) = self.members.at(key) {
            for (side, ufrag) in member.connections.ufrags() {
                let route = Route {
                    room,
                    member: key,
                    side,
                };
                context.demux.add(ufrag.to_owned(), route);
            }
            if let Some(conn) = member.conn {
                context.sockets.insert(conn, (room, key));
            }
            self.notices.card(key);
        }
        self.room.handle_joined(MemberKey(key), options);
        self.subscriptions.request_offer(key);
    }

    /// A datagram for a member's connection. False if that does not accept it.
    pub(in crate::node) fn receive(
        &mut self,
        route: Route,
        Datagram { source, bytes }: Datagram<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(member) = self.members.at_mut(route.member) else {
            return false;
        };
        let transport = member.connections.transport(route.side);
        if !transport.handle_datagram(source, bytes, context.now) {
            context.stats.unauthenticated += 1;
            return false;
        }
        member.connections.handle_received();
        if route.side == Side::Subscriber {
            member.send_waiting_data(context.now.mono);
        }
        true
    }

    /// A datagram leaves. Of STUN only what has valid credentials is answered, and one that comes before the
    /// client's description not when it comes, but with that: Firefox nominates by its first check and starts
    /// DTLS upon the answer.
    pub(in crate::node) fn send(
        &mut self,
        route: Route,
        to: SocketAddr,
        bytes: Vec<u8>,
        context: &mut Context<'_>,
    ) {
        if is_stun(&bytes)
            && let Some(member) = self.members.at_mut(route.member)
            && member.connections.transport(route.side).accepts_source(to)
        {
            let ufrag = member.connections.ufrag(route.side);
            context.demux.validated(ufrag, to);
        }
        context.push(Output::Datagram { to, bytes });
    }

    /// A member's connection came up.
    pub(in crate::node) fn handle_connected(&mut self, key: usize, side: Side, now: Now) {
        let Some(member) = self.members.at_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut member.connected, true) {
            evidence::connected(member, &mut self.billing, now);
        }
        if side == member.primary() && !std::mem::replace(&mut member.active, true) {
            member.card.active();
            self.notices.card(key);
            self.room.handle_active(MemberKey(key));
        }
    }
}
