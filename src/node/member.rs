//! One participant of a room: its two peer connections, its negotiation, its card.

use super::bandwidth::Floors;
use crate::base::{ConnectionId, Millis, Mono, TrackSid, TrackSource, Verdict};
use crate::base::{Identity, Now, ParticipantSid};
use crate::media::{Codec, Mid};
use crate::peer::negotiate::Negotiation;
use crate::peer::signal::token::{Claims, Join};
use crate::peer::signal::{Card, ClientParams, PublishRequest};
use crate::peer::transport::{Section, Transport};
use crate::room::TrackKey;
use std::collections::{BTreeMap, VecDeque};

/// Never connected for this long: removed. Clients give up after 15 s themselves, and a session
/// with nobody present ends after 20 s anyway.
const CONNECT_WITHIN: Millis = Millis::from_secs(20);

/// No authenticated packet for this long: removed (livekit-server 1.13.5: 10 + 5 + 5 s).
const SILENT_FOR: Millis = Millis::from_secs(20);

/// A connection was closed, but the socket is open: time for the goodbye that comes on it.
const GOODBYE_WITHIN: Millis = Millis::from_secs(1);

/// A new token this often, so that a client can always come back (livekit-server 1.13.5).
const REFRESH_EVERY: Millis = Millis::from_secs(300);

/// Reliable data kept for a client whose channel is not open yet, in bytes (livekit-server 1.13.5).
const MAX_QUEUED_DATA: usize = 100_000;

/// Which of a client's peer connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    Publisher,
    Subscriber,
}

/// A track that is announced, and published once its section is negotiated.
pub(super) struct Announced {
    pub(super) sid: TrackSid,
    pub(super) request: PublishRequest,
}

/// A published track.
pub(super) struct Published {
    pub(super) key: TrackKey,
    pub(super) source: TrackSource,
    pub(super) mid: Mid,
    /// The codec that the publisher asked for and was told.
    pub(super) codec: Option<Codec>,
    /// End to end: it cannot be recorded.
    pub(super) encrypted: bool,
}

pub(super) struct Member {
    pub(super) conn: Option<ConnectionId>,
    /// The client last spoke JSON, so it is answered in JSON.
    pub(super) text: bool,
    pub(super) claims: Claims,
    pub(super) join: Join,
    pub(super) client: ClientParams,
    /// What a preflight measured before this join.
    pub(super) preflight: Option<Verdict>,
    pub(super) sid: ParticipantSid,
    pub(super) card: Card,
    pub(super) publisher: Transport,
    pub(super) subscriber: Transport,
    pub(super) ufrags: [String; 2],
    pub(super) negotiation: Negotiation,
    pub(super) announced: Vec<Announced>,
    /// Sending sections of the newest offer that no announcement matched yet.
    pub(super) unmatched: Vec<Section>,
    pub(super) published: BTreeMap<TrackSid, Published>,
    pub(super) connected: bool,
    pub(super) active: bool,
    /// Something was written to the subscriber's transport since it was last driven.
    pub(super) touched: bool,
    /// One of its connections was closed.
    pub(super) closed: Option<Mono>,
    pub(super) media_at: Option<Mono>,
    pub(super) reported: Option<Mono>,
    pub(super) queued_data: VecDeque<Vec<u8>>,
    pub(super) floors: Floors,
    joined: Mono,
    refreshed: Mono,
}

/// What is wrong with a member's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ailment {
    NeverConnected,
    Silent,
    Unanswered,
    Closed,
}

/// The parts of a new member.
pub(super) struct Arrival {
    pub(super) conn: ConnectionId,
    pub(super) claims: Claims,
    pub(super) join: Join,
    pub(super) client: ClientParams,
    pub(super) preflight: Option<Verdict>,
    pub(super) sid: ParticipantSid,
    pub(super) publisher: Transport,
    pub(super) subscriber: Transport,
}

/// The token marks a minor.
pub(super) fn is_minor(join: &Join) -> bool {
    let minor = join.attributes.get("minor");
    minor.is_some_and(|minor| minor == "true")
}

impl Member {
    pub(super) fn new(arrival: Arrival, floors: Floors, now: Now) -> Member {
        let Arrival {
            conn,
            claims,
            join,
            client,
            preflight,
            sid,
            mut publisher,
            mut subscriber,
        } = arrival;
        Member {
            conn: Some(conn),
            text: false,
            claims,
            card: Card::new(&sid, &join, &client, now),
            join,
            client,
            preflight,
            sid,
            ufrags: [publisher.ufrag(), subscriber.ufrag()],
            publisher,
            subscriber,
            negotiation: Negotiation::default(),
            announced: Vec::new(),
            unmatched: Vec::new(),
            published: BTreeMap::new(),
            connected: false,
            active: false,
            touched: false,
            closed: None,
            media_at: None,
            reported: None,
            queued_data: VecDeque::new(),
            floors,
            joined: now.mono,
            refreshed: now.mono,
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.join.identity
    }

    pub(super) fn hidden(&self) -> bool {
        self.join.permissions.hidden
    }

    pub(super) fn transport(&mut self, side: Side) -> &mut Transport {
        match side {
            Side::Publisher => &mut self.publisher,
            Side::Subscriber => &mut self.subscriber,
        }
    }

    /// Which connection decides that the client is connected (LiveKit's `subscriber_primary`).
    pub(super) fn primary(&self) -> Side {
        if self.join.permissions.can_subscribe {
            Side::Subscriber
        } else {
            Side::Publisher
        }
    }

    pub(super) fn last_authenticated(&self) -> Option<Mono> {
        self.publisher
            .last_authenticated()
            .max(self.subscriber.last_authenticated())
    }

    pub(super) fn ailment(&self, now: Mono) -> Option<Ailment> {
        if self
            .closed
            .is_some_and(|at| now.since(at) >= GOODBYE_WITHIN)
        {
            return Some(Ailment::Closed);
        }
        if self.negotiation.is_overdue(now) && self.conn.is_some() {
            return Some(Ailment::Unanswered);
        }
        if !self.connected {
            let late = now.since(self.joined) >= CONNECT_WITHIN;
            return (late || self.conn.is_none()).then_some(Ailment::NeverConnected);
        }
        let last = self.last_authenticated().unwrap_or(self.joined);
        (now.since(last) >= SILENT_FOR).then_some(Ailment::Silent)
    }

    pub(super) fn refresh_is_due(&mut self, now: Mono) -> bool {
        let due = now.since(self.refreshed) >= REFRESH_EVERY;
        if due {
            self.refreshed = now;
        }
        due
    }

    /// Keeps reliable data until the channel opens; false if there is too much already.
    pub(super) fn queue_data(&mut self, packet: Vec<u8>) -> bool {
        let queued: usize = self.queued_data.iter().map(Vec::len).sum();
        let fits = queued + packet.len() <= MAX_QUEUED_DATA;
        if fits {
            self.queued_data.push_back(packet);
        }
        fits
    }

    /// Earliest time at which one of its transports must be driven.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        [
            self.publisher.poll_timeout(),
            self.subscriber.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
