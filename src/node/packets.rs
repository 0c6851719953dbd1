//! The path of a media packet through a room, and the driving of its transports.

use super::live_room::{Context, LiveRoom};
use super::member::Side;
use super::recording::RECORDER;
use crate::media::Packet;
use crate::peer::negotiate::Sending;
use crate::peer::signal::{LeaveReason, Response};
use crate::peer::transport::{Channel, Output as Heard};
use crate::room::{Event, MemberKey, TrackKey};
use std::net::SocketAddr;

impl LiveRoom {
    pub(super) fn handle_datagram(
        &mut self,
        (key, side): (usize, Side),
        source: SocketAddr,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        let transport = member.transport(side);
        if !transport.handle_datagram(source, bytes, context.now) {
            context.stats.unauthenticated += 1;
            return;
        }
        if crate::media::is_stun(bytes) && transport.accepts_source(source) {
            let index = usize::from(side == Side::Subscriber);
            context.demux.validated(&member.ufrags[index], source);
        }
        self.hear(key, side, context);
    }

    /// Drives every transport that was written to or whose time has come.
    pub(super) fn drive_transports(&mut self, context: &mut Context<'_>) {
        for key in self.keys() {
            for side in Side::BOTH {
                let Some(member) = self.members.get_mut(key) else {
                    break;
                };
                let written = side == Side::Subscriber && std::mem::take(&mut member.touched);
                let transport = member.transport(side);
                let due = transport
                    .poll_timeout()
                    .is_some_and(|at| at <= context.now.mono);
                if written || due {
                    transport.handle_timeout(context.now);
                    self.hear(key, side, context);
                }
            }
        }
    }

    /// Acts on all that a transport has to say.
    pub(super) fn hear(&mut self, key: usize, side: Side, context: &mut Context<'_>) {
        while let Some(member) = self.members.get_mut(key) {
            let Some(heard) = member.transport(side).poll_output() else {
                break;
            };
            match heard {
                Heard::Datagram { to, bytes } => {
                    context
                        .outputs
                        .push_back(super::Output::Datagram { to, bytes });
                }
                Heard::Connected => self.on_connected(key, side, context),
                Heard::Closed => self.on_transport_closed(key, context),
                Heard::Packet(packet) => self.on_packet(key, &packet, context),
                Heard::KeyframeRequest(mid) => {
                    self.room.handle_keyframe_request(MemberKey(key), mid);
                }
                Heard::ChannelOpen(Channel::Reliable) if side == Side::Subscriber => {
                    self.send_queued_data(key);
                    self.tell_recording_to(key);
                }
                Heard::ChannelOpen(_) => {}
                Heard::Data(channel, bytes) => self.on_data(key, channel, &bytes, context),
            }
        }
        self.settle(context);
    }

    /// A client that leaves closes its connections, and says so on its socket: whichever comes first.
    /// With the socket open its word is waited for (see `Ailment::Closed`).
    fn on_transport_closed(&mut self, key: usize, context: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        if member.conn.is_none() {
            return self.remove(key, LeaveReason::MediaFailure, false, context);
        }
        member.closed.get_or_insert(context.now.mono);
    }

    fn on_packet(&mut self, key: usize, packet: &Packet, context: &mut Context<'_>) {
        let now = context.now.mono;
        self.members[key].media_at = Some(now);
        let mut forwards = std::mem::take(&mut self.forwards);
        if !self
            .room
            .handle_packet(MemberKey(key), packet, now, &mut forwards)
        {
            context.stats.no_track += 1;
        }
        let mut recorded = false;
        for forward in forwards.drain(..) {
            recorded |= forward.to == RECORDER;
            let Some(member) = self.members.get_mut(forward.to.0) else {
                continue;
            };
            if member
                .subscriber
                .send_packet(forward.mid, packet, forward.numbers, now)
            {
                member.touched = true;
                context.stats.forwarded += 1;
            } else {
                context.stats.not_carried += 1;
            }
        }
        self.forwards = forwards;
        if recorded {
            self.record(key, packet, context);
        }
    }

    /// Carries out what followed in the forwarding room from the last input.
    pub(super) fn settle(&mut self, context: &mut Context<'_>) {
        let mut changed = false;
        while let Some(event) = self.room.poll_output() {
            changed |= matches!(event, Event::Subscribed { .. } | Event::Unsubscribed { .. });
            match event {
                Event::Subscribed { member, track } => self.on_subscribed(member, track),
                Event::Unsubscribed { member, track } => {
                    if let Some(member) = self.members.get_mut(member.0) {
                        member.negotiation.remove(&track);
                    }
                }
                Event::FirstSubscribed { track } => self.on_first_subscribed(track, context),
                Event::StreamState {
                    member,
                    track,
                    paused,
                } => self.on_stream_state(member, track, paused, context),
                Event::QualityWanted { track, quality } => {
                    self.on_quality_wanted(track, quality, context);
                }
                Event::KeyframeWanted { publisher, stream } => {
                    if let Some(member) = self.members.get_mut(publisher.0) {
                        member.publisher.request_keyframe(stream, context.now.mono);
                        member.publisher.handle_timeout(context.now);
                    }
                }
            }
        }
        // Most packets change nothing: no pass over the members for them.
        let affected = if changed { self.keys() } else { Vec::new() };
        for key in affected {
            self.offer(key, context);
        }
    }

    fn on_subscribed(&mut self, member: MemberKey, track: TrackKey) {
        let Some(publication) = self.room.publication(track) else {
            return;
        };
        let Some(publisher) = self.members.get(publication.publisher.0) else {
            return;
        };
        let sending = Sending {
            track: publication.spec.sid.clone(),
            publisher: publisher.sid.clone(),
            kind: publication.spec.kind,
        };
        if let Some(member) = self.members.get_mut(member.0) {
            member.negotiation.add(sending);
        }
    }

    fn on_first_subscribed(&mut self, track: TrackKey, context: &mut Context<'_>) {
        let Some(publication) = self.room.publication(track) else {
            return;
        };
        let sid = publication.spec.sid.to_string();
        self.send(
            publication.publisher.0,
            Response::TrackSubscribed(sid),
            context,
        );
    }

    /// Sends the next subscriber offer, if one is due.
    pub(super) fn offer(&mut self, key: usize, context: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        let offer = member
            .negotiation
            .poll_offer(&mut member.subscriber, context.now);
        if let Some(offer) = offer {
            self.send(key, Response::Offer(offer), context);
        }
    }
}
