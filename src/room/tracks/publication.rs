//! One published track: its streams (simulcast layers) and its subscriptions.

use super::layer::{Layer, LayerSpec, Rung};
use super::layer_tracker::MAX_STREAMS;
use super::subscription::{Subscription, TrackSettings};
use crate::base::{Bitrate, Millis, Mono, TrackKind, TrackSid, TrackSource};
use crate::media::{Mid, Packet, StreamId};
use crate::room::dynacast::Dynacast;
use crate::room::keys::{MemberKey, Subscriber};
use std::collections::{BTreeMap, BTreeSet};

/// A publisher that sends nothing at all for so long has stopped.
const STALL: Millis = Millis::from_secs(5);

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
    layers: Vec<Layer>,
    /// What its publisher was told to send.
    pub(in crate::room) dynacast: Dynacast,
    pub(in crate::room) subscriptions: BTreeMap<Subscriber, Subscription>,
    /// Members who want it and whom its publisher does not admit: they get it as soon as it does.
    pub(in crate::room) denied: BTreeSet<MemberKey>,
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
            dynacast: Dynacast::default(),
            subscriptions: BTreeMap::new(),
            denied: BTreeSet::new(),
        }
    }

    /// Who lost it and who is admitted, by what each may have now: the latter do not wait any more.
    pub(in crate::room) fn revise(
        &mut self,
        may: impl Fn(MemberKey) -> bool,
    ) -> (Vec<MemberKey>, Vec<MemberKey>) {
        let subscribers = self.subscriptions.keys();
        let subscribers = subscribers.filter_map(|subscriber| subscriber.member());
        let lost = subscribers.filter(|member| !may(*member)).collect();
        let waiting = self.denied.iter().copied();
        let admitted: Vec<MemberKey> = waiting.filter(|member| may(*member)).collect();
        self.denied.retain(|member| !admitted.contains(member));
        (lost, admitted)
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
        self.layers.sort_by_key(Layer::quality);
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
            let layers = self.layers.iter();
            layers.filter(|layer| layer.tracker.flows(newest))
        };
        flowing()
            .rev()
            .find(|layer| layer.quality() <= limit)
            .or_else(|| flowing().next())
            .map(|layer| layer.stream)
    }

    /// What a subscriber can get up to `limit`, cheapest first: of the lowest layer every temporal
    /// layer, of the others all frames, since fewer of them are worth no more than a smaller
    /// picture. Empty if nothing flows.
    pub(in crate::room) fn rungs(&mut self, limit: u8, temporal: u8, now: Mono) -> Vec<Rung> {
        let newest = self.newest(now);
        let mut rungs: Vec<Rung> = Vec::new();
        let layers = self.layers.iter_mut();
        for layer in layers.filter(|layer| layer.tracker.flows(newest)) {
            let quality = layer.quality();
            let lowest = rungs.is_empty();
            if quality > limit && !lowest {
                break;
            }
            let mut specs = self.spec.layers.iter();
            let announced = specs.find(|spec| spec.quality == quality);
            let announced = announced.map_or(Bitrate::ZERO, |spec| spec.bitrate);
            for rung in layer.costs(announced, now).rungs(quality, temporal) {
                let dearer = rungs.last().is_none_or(|last| rung.rate > last.rate);
                if dearer && (lowest || rung.temporal == temporal) {
                    rungs.push(rung);
                }
            }
        }
        rungs
    }

    /// The best layer that anyone wants of it; none: nobody wants any.
    pub(in crate::room) fn most_wanted(&self) -> Option<u8> {
        let subscriptions = self.subscriptions.values();
        let enabled = subscriptions.filter(|subscription| subscription.settings.enabled);
        let wanted = enabled.map(|subscription| self.quality_wanted(&subscription.settings));
        wanted.max()
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

    /// What would come of it if everything that is wanted of it reached us: the announced rates of
    /// its layers up to the best one wanted.
    pub(in crate::room) fn demand(&self) -> Bitrate {
        if self.muted {
            return Bitrate::ZERO;
        }
        let wanted = self.dynacast.lasting().unwrap_or(Some(2));
        let layers = self.spec.layers.iter();
        let up_to = layers.filter(|layer| Some(layer.quality) <= wanted);
        up_to.map(|layer| layer.bitrate).sum()
    }
}
