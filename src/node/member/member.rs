//! One participant of a room: its two peer connections, its negotiation, its card.

use crate::base::{ConnectionId, Millis, Mono, TrackSid, TrackSource, Verdict};
use crate::base::{Identity, Now, ParticipantSid};
use crate::media::{Codec, Mid};
use crate::node::room::bandwidth::Floors;
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
pub(in crate::node) enum Side {
    Publisher,
    Subscriber,
}

/// A track that is announced, and published once its section is negotiated.
pub(in crate::node) struct Announced {
    pub(in crate::node) sid: TrackSid,
    pub(in crate::node) request: PublishRequest,
}

/// A published track.
pub(in crate::node) struct Published {
    pub(in crate::node) key: TrackKey,
    pub(in crate::node) source: TrackSource,
    pub(in crate::node) mid: Mid,
    /// The codec that the publisher asked for and was told.
    pub(in crate::node) codec: Option<Codec>,
    /// End to end: it cannot be recorded.
    pub(in crate::node) encrypted: bool,
}

pub(in crate::node) struct Member {
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
    pub(in crate::node) publisher: Transport,
    pub(in crate::node) subscriber: Transport,
    pub(in crate::node) ufrags: [String; 2],
    pub(in crate::node) negotiation: Negotiation,
    pub(in crate::node) announced: Vec<Announced>,
    /// Sending sections of the newest offer that no announcement matched yet.
    pub(in crate::node) unmatched: Vec<Section>,
    pub(in crate::node) published: BTreeMap<TrackSid, Published>,
    pub(in crate::node) connected: bool,
    pub(in crate::node) active: bool,
    /// Something was written to the subscriber's transport since it was last driven.
    pub(in crate::node) touched: bool,
    /// One of its connections was closed.
    pub(in crate::node) closed: Option<Mono>,
    pub(in crate::node) media_at: Option<Mono>,
    pub(in crate::node) reported: Option<Mono>,
    pub(in crate::node) queued_data: VecDeque<Vec<u8>>,
    pub(in crate::node) floors: Floors,
    joined: Mono,
    refreshed: Mono,
}

/// What is wrong with a member's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Ailment {
    NeverConnected,
    Silent,
    Unanswered,
    Closed,
}

/// The parts of a new member.
pub(in crate::node) struct Arrival {
    pub(in crate::node) conn: ConnectionId,
    pub(in crate::node) claims: Claims,
    pub(in crate::node) join: Join,
    pub(in crate::node) client: ClientParams,
    pub(in crate::node) preflight: Option<Verdict>,
    pub(in crate::node) sid: ParticipantSid,
    pub(in crate::node) publisher: Transport,
    pub(in crate::node) subscriber: Transport,
}

/// The token marks a minor.
pub(in crate::node) fn is_minor(join: &Join) -> bool {
    let minor = join.attributes.get("minor");
    minor.is_some_and(|minor| minor == "true")
}

impl Member {
    pub(in crate::node) fn new(arrival: Arrival, floors: Floors, now: Now) -> Member {
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

    pub(in crate::node) fn identity(&self) -> &Identity {
        &self.join.identity
    }

    /// Nothing of what it publishes can be read.
    pub(in crate::node) fn is_encrypted(&self) -> bool {
        let mut tracks = self.published.values();
        !self.published.is_empty() && tracks.all(|track| track.encrypted)
    }

    pub(in crate::node) fn hidden(&self) -> bool {
        self.join.permissions.hidden
    }

    pub(in crate::node) fn transport(&mut self, side: Side) -> &mut Transport {
        match side {
            Side::Publisher => &mut self.publisher,
            Side::Subscriber => &mut self.subscriber,
        }
    }

    /// Which connection decides that the client is connected (LiveKit's `subscriber_primary`).
    pub(in crate::node) fn primary(&self) -> Side {
        if self.join.permissions.can_subscribe {
            Side::Subscriber
        } else {
            Side::Publisher
        }
    }

    pub(in crate::node) fn last_authenticated(&self) -> Option<Mono> {
        self.publisher
            .last_authenticated()
            .max(self.subscriber.last_authenticated())
    }

    pub(in crate::node) fn ailment(&self, now: Mono) -> Option<Ailment> {
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

    pub(in crate::node) fn refresh_is_due(&mut self, now: Mono) -> bool {
        let due = now.since(self.refreshed) >= REFRESH_EVERY;
        if due {
            self.refreshed = now;
        }
        due
    }

    /// Keeps reliable data until the channel opens; false if there is too much already.
    pub(in crate::node) fn queue_data(&mut self, packet: Vec<u8>) -> bool {
        let queued: usize = self.queued_data.iter().map(Vec::len).sum();
        let fits = queued + packet.len() <= MAX_QUEUED_DATA;
        if fits {
            self.queued_data.push_back(packet);
        }
        fits
    }

    /// Earliest time at which one of its transports must be driven.
    pub(in crate::node) fn poll_timeout(&self) -> Option<Mono> {
        [
            self.publisher.poll_timeout(),
            self.subscriber.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
