//! One published track: its streams (simulcast layers) and its subscriptions.

use super::room::MemberKey;
use super::subscription::Subscription;
use crate::base::{Millis, Mono, TrackKind, TrackSid};
use crate::media::{Mid, Packet, Rid, StreamId};
use std::collections::BTreeMap;

/// A layer without a packet for this long is taken for switched off by its publisher. Browsers
/// drop a simulcast layer within a second when bandwidth falls.
const LAYER_SILENT_AFTER: Millis = Millis(1_500);

/// Streams of one publication; more are refused (a publisher has at most three layers).
const MAX_STREAMS: usize = 4;

/// Index of a publication within its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey(pub usize);

/// What a publisher announces.
#[derive(Clone, Debug)]
pub struct PublicationSpec {
    /// The id that everyone uses for it.
    pub sid: TrackSid,
    /// Audio or video.
    pub kind: TrackKind,
}

/// A published track.
#[derive(Debug)]
pub struct Publication {
    /// What the publisher announced.
    pub spec: PublicationSpec,
    /// Who publishes it.
    pub publisher: MemberKey,
    /// The publisher's media section, once negotiated.
    pub mid: Option<Mid>,
    /// True once somebody subscribed (LiveKit tells the publisher once).
    pub(super) was_subscribed: bool,
    pub(super) layers: Vec<Layer>,
    pub(super) subscriptions: BTreeMap<MemberKey, Subscription>,
}

/// One stream of a publication.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub(super) stream: StreamId,
    pub(super) last: Mono,
}

impl Publication {
    pub(super) fn new(spec: PublicationSpec, publisher: MemberKey) -> Publication {
        Publication {
            spec,
            publisher,
            mid: None,
            was_subscribed: false,
            layers: Vec::new(),
            subscriptions: BTreeMap::new(),
        }
    }

    /// Notes that a packet of a stream came; false if the publisher sends too many streams.
    pub(super) fn saw(&mut self, packet: &Packet, now: Mono) -> bool {
        if let Some(layer) = self
            .layers
            .iter_mut()
            .find(|layer| layer.stream == packet.stream)
        {
            layer.last = now;
            return true;
        }
        if self.layers.len() == MAX_STREAMS {
            return false;
        }
        self.layers.push(Layer {
            stream: packet.stream,
            last: now,
        });
        self.layers.sort_by_key(|layer| quality(layer.stream.rid));
        true
    }

    /// The best stream that flows and is not above `limit`; if all above it, the lowest.
    pub(super) fn target(&self, limit: u8, now: Mono) -> Option<StreamId> {
        let flowing = || {
            self.layers
                .iter()
                .filter(|layer| now.since(layer.last) <= LAYER_SILENT_AFTER)
        };
        flowing()
            .rev()
            .find(|layer| quality(layer.stream.rid) <= limit)
            .or_else(|| flowing().next())
            .map(|layer| layer.stream)
    }
}

/// LiveKit's order of simulcast layers: `q` low, `h` medium, `f` high; a stream without a rid is
/// all there is.
pub(super) fn quality(rid: Option<Rid>) -> u8 {
    match rid.as_ref().map(Rid::as_str) {
        Some("q") => 0,
        Some("h") => 1,
        Some(_) | None => 2,
    }
}
