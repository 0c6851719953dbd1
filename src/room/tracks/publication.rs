//! One published track: its streams (simulcast layers) and its subscriptions.

use super::layer_tracker::LayerTracker;
use super::subscription::{Subscription, TrackSettings};
use crate::base::{Bitrate, Millis, Mono, TrackKind, TrackSid, TrackSource};
use crate::media::{Mid, Packet, RateMeter, Rid, StreamId};
use crate::room::room::MemberKey;
use std::collections::BTreeMap;

/// A publisher that sends nothing at all for so long has stopped.
const STALL: Millis = Millis::from_secs(5);

/// Streams of one publication; more are refused (a publisher has at most three layers).
pub(in crate::room) const MAX_STREAMS: usize = 4;

/// RTP header with extensions, and the tag of SRTP: what a packet costs beside its payload.
const PER_PACKET: usize = 40;

/// Temporal layers that are told apart; what is above counts as the last.
const TEMPORAL: usize = 3;

/// A layer dearer than announced by more than this is taken for a burst: a keyframe after a switch.
const BURST_PERCENT: u64 = 130;

/// A layer that is younger costs what was announced: its first packets say nothing, or too much.
const MEASURED_AFTER: Millis = Millis(400);

/// What a layer cost at its most is remembered for so long: encoders waver within seconds.
const PEAK: Millis = Millis::from_secs(15);

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
    /// What it shows.
    pub source: TrackSource,
    /// Its layers as announced, lowest first; may be empty.
    pub layers: Vec<LayerSpec>,
}

/// One layer as the publisher announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// 0 low, 1 medium, 2 high.
    pub quality: u8,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// At most this much.
    pub bitrate: Bitrate,
}

/// What a subscriber can get of a video: a layer, and how many of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The spatial layer: 0 low, 1 medium, 2 high.
    pub quality: u8,
    /// The highest temporal layer.
    pub temporal: u8,
    /// What it costs now.
    pub rate: Bitrate,
    /// What it cost at its most, lately.
    pub most: Bitrate,
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
    /// Its publisher sends nothing of it.
    pub(in crate::room) muted: bool,
    /// True once somebody subscribed (LiveKit tells the publisher once).
    pub(in crate::room) was_subscribed: bool,
    pub(in crate::room) layers: Vec<Layer>,
    /// The best layer that the publisher was told to be wanted, and since when less is wanted.
    pub(in crate::room) wanted: Option<Option<u8>>,
    pub(in crate::room) wanted_less_since: Option<Mono>,
    pub(in crate::room) subscriptions: BTreeMap<MemberKey, Subscription>,
}

/// One stream of a publication.
#[derive(Clone, Debug)]
pub(in crate::room) struct Layer {
    pub(in crate::room) stream: StreamId,
    tracker: LayerTracker,
    first: Mono,
    /// By temporal layer.
    rates: [RateMeter<20>; TEMPORAL],
    /// Of all temporal layers together, with the time at which it was so.
    peak: (Bitrate, Mono),
}

impl Layer {
    fn new(stream: StreamId, now: Mono) -> Layer {
        Layer {
            stream,
            tracker: LayerTracker::new(now),
            first: now,
            rates: Default::default(),
            peak: (Bitrate::ZERO, now),
        }
    }

    /// True if the packet begins a new frame.
    fn saw(&mut self, packet: &Packet, now: Mono) -> bool {
        let temporal = packet.temporal.map_or(0, |temporal| temporal.id);
        let index = usize::from(temporal).min(TEMPORAL - 1);
        self.rates[index].add(packet.payload.len() + PER_PACKET, now);
        self.tracker
            .handle_packet((packet.seq, packet.timestamp), now)
    }

    /// The rate up to each temporal layer that flows.
    fn rates(&mut self, now: Mono) -> Vec<(u8, Bitrate)> {
        let mut sum = Bitrate::ZERO;
        let mut rates = Vec::with_capacity(TEMPORAL);
        for (temporal, meter) in (0..).zip(&mut self.rates) {
            let rate = meter.rate(now);
            sum += rate;
            if temporal == 0 || rate > Bitrate::ZERO {
                rates.push((temporal, sum));
            }
        }
        let whole = rates.last().map_or(Bitrate::ZERO, |(_, rate)| *rate);
        if whole >= self.peak.0 || now.since(self.peak.1) >= PEAK {
            self.peak = (whole, now);
        }
        rates
    }
}

impl Publication {
    pub(in crate::room) fn new(spec: PublicationSpec, publisher: MemberKey) -> Publication {
        Publication {
            spec,
            publisher,
            mid: None,
            muted: false,
            was_subscribed: false,
            layers: Vec::new(),
            wanted: None,
            wanted_less_since: None,
            subscriptions: BTreeMap::new(),
        }
    }

    /// Notes that a packet of a stream came; false if the publisher sends too many streams.
    pub(in crate::room) fn saw(&mut self, packet: &Packet, now: Mono) -> bool {
        let Some(index) = self.index(packet.stream, now) else {
            return false;
        };
        if self.layers[index].saw(packet, now) {
            for layer in &mut self.layers {
                if layer.stream != packet.stream {
                    layer.tracker.handle_sibling(index, now);
                }
            }
        }
        true
    }

    /// Where a stream stands among the layers: a new one takes its place, if there is one.
    fn index(&mut self, stream: StreamId, now: Mono) -> Option<usize> {
        let known = |layer: &Layer| layer.stream == stream;
        if let Some(index) = self.layers.iter().position(known) {
            return Some(index);
        }
        if self.layers.len() == MAX_STREAMS {
            return None;
        }
        self.layers.push(Layer::new(stream, now));
        self.layers.sort_by_key(|layer| quality(layer.stream.rid));
        for layer in &mut self.layers {
            layer.tracker.forget();
        }
        self.layers.iter().position(known)
    }

    /// When the newest packet of any layer came, or now if that was long ago: a publisher that stalls
    /// for a moment, as after a large keyframe, has switched no layer off.
    fn newest(&self, now: Mono) -> Mono {
        let last = self.layers.iter().map(|layer| layer.tracker.last()).max();
        last.filter(|last| now.since(*last) < STALL).unwrap_or(now)
    }

    /// The best stream that flows and is not above `limit`; if all above it, the lowest.
    pub(in crate::room) fn target(&self, limit: u8, now: Mono) -> Option<StreamId> {
        let newest = self.newest(now);
        let flowing = || {
            self.layers
                .iter()
                .filter(|layer| layer.tracker.flows(newest))
        };
        flowing()
            .rev()
            .find(|layer| quality(layer.stream.rid) <= limit)
            .or_else(|| flowing().next())
            .map(|layer| layer.stream)
    }

    /// What a subscriber can get up to `limit`, cheapest first: of the lowest layer every temporal
    /// layer, of the others all frames, since fewer of them are worth no more than a smaller
    /// picture. Empty if nothing flows.
    pub(in crate::room) fn rungs(&mut self, limit: u8, temporal: u8, now: Mono) -> Vec<Rung> {
        let announced = self.spec.layers.clone();
        let mut rungs: Vec<Rung> = Vec::new();
        let newest = self.newest(now);
        for layer in self
            .layers
            .iter_mut()
            .filter(|layer| layer.tracker.flows(newest))
        {
            let quality = quality(layer.stream.rid);
            let lowest = rungs.is_empty();
            if quality > limit && !lowest {
                break;
            }
            let most = announced.iter().find(|spec| spec.quality == quality);
            let most = most.map_or(Bitrate::ZERO, |spec| spec.bitrate);
            let young = now.since(layer.first) < MEASURED_AFTER;
            let rates = if young && most > Bitrate::ZERO {
                vec![(0, most)]
            } else {
                layer.rates(now)
            };
            let whole = rates.last().map_or(Bitrate::ZERO, |(_, rate)| *rate);
            let peak = layer.peak.0.min(most.percent(BURST_PERCENT).max(whole));
            let top = rates.last().map_or(0, |(id, _)| *id).min(temporal);
            for (id, rate) in rates.into_iter().filter(|(id, _)| *id <= top) {
                let rate = if most > Bitrate::ZERO {
                    rate.min(most.percent(BURST_PERCENT))
                } else {
                    rate
                };
                let dearer = rungs.last().is_none_or(|last| rate > last.rate);
                if dearer && (lowest || id == top) {
                    // The last one also brings what begins to flow after it.
                    let temporal = if id == top { temporal } else { id };
                    rungs.push(Rung {
                        quality,
                        temporal,
                        rate,
                        // Of the peak the same share as of the whole now.
                        most: rate.max(peak.share(rate, whole)),
                    });
                }
            }
        }
        rungs
    }

    /// The best layer that a subscriber asks for.
    pub(in crate::room) fn quality_wanted(&self, settings: &TrackSettings) -> u8 {
        settings
            .size
            .map_or(settings.quality, |size| self.quality_for(size))
    }

    /// The smallest announced layer that fills `size`; the best one if none does, or none is announced.
    fn quality_for(&self, size: (u32, u32)) -> u8 {
        let fills = |spec: &&LayerSpec| spec.width >= size.0 && spec.height >= size.1;
        self.spec
            .layers
            .iter()
            .find(fills)
            .map_or(2, |spec| spec.quality)
    }
}

/// LiveKit's order of simulcast layers: `q` low, `h` medium, `f` high; a stream without a rid is
/// all there is.
pub(in crate::room) fn quality(rid: Option<Rid>) -> u8 {
    match rid.as_ref().map(Rid::as_str) {
        Some("q") => 0,
        Some("h") => 1,
        Some(_) | None => 2,
    }
}
