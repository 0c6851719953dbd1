//! One stream of a publication, and what it costs.

use super::layer_tracker::LayerTracker;
use crate::base::{Bitrate, Millis, Mono};
use crate::media::{Packet, RateMeter, Rid, StreamId};

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

/// One stream of a publication.
#[derive(Clone, Debug)]
pub(in crate::room) struct Layer {
    pub(in crate::room) stream: StreamId,
    pub(in crate::room) tracker: LayerTracker,
    first: Mono,
    /// By temporal layer.
    rates: [RateMeter<20>; TEMPORAL],
    /// Of all temporal layers together, with the time at which it was so.
    peak: (Bitrate, Mono),
}

/// What a layer costs: the rate up to each temporal layer that flows, and of all of them at its most.
pub(in crate::room) struct Costs {
    rates: Vec<(u8, Bitrate)>,
    peak: Bitrate,
    /// At most this much is believed.
    most: Option<Bitrate>,
}

impl Layer {
    pub(in crate::room) fn new(stream: StreamId, now: Mono) -> Layer {
        Layer {
            stream,
            tracker: LayerTracker::new(now),
            first: now,
            rates: Default::default(),
            peak: (Bitrate::ZERO, now),
        }
    }

    pub(in crate::room) fn quality(&self) -> u8 {
        quality(self.stream.rid)
    }

    /// True if the packet begins a new frame.
    pub(in crate::room) fn saw(&mut self, packet: &Packet, now: Mono) -> bool {
        let temporal = packet.temporal.map_or(0, |temporal| temporal.id);
        let index = usize::from(temporal).min(TEMPORAL - 1);
        self.rates[index].add(packet.payload.len() + PER_PACKET, now);
        self.tracker.handle_packet(packet, now)
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

    /// What it costs; `announced` of it is zero where nothing was announced.
    pub(in crate::room) fn costs(&mut self, announced: Bitrate, now: Mono) -> Costs {
        let young = now.since(self.first) < MEASURED_AFTER;
        let rates = if young && announced > Bitrate::ZERO {
            vec![(0, announced)]
        } else {
            self.rates(now)
        };
        Costs {
            rates,
            peak: self.peak.0,
            most: (announced > Bitrate::ZERO).then(|| announced.percent(BURST_PERCENT)),
        }
    }
}

impl Costs {
    /// The rungs up to a temporal layer, cheapest first.
    pub(in crate::room) fn rungs(&self, quality: u8, temporal: u8) -> Vec<Rung> {
        let whole = self.rates.last().map_or(Bitrate::ZERO, |(_, rate)| *rate);
        let peak = self.peak.min(self.most.unwrap_or(Bitrate::ZERO).max(whole));
        let top = self.rates.last().map_or(0, |(id, _)| *id).min(temporal);
        let up_to = self.rates.iter().filter(|(id, _)| *id <= top);
        let rungs = up_to.map(|(id, rate)| {
            let rate = self.most.map_or(*rate, |most| most.min(*rate));
            Rung {
                quality,
                // The last one also brings what begins to flow after it.
                temporal: if *id == top { temporal } else { *id },
                rate,
                // Of the peak the same share as of the whole now.
                most: rate.max(peak.share(rate, whole)),
            }
        });
        rungs.collect()
    }
}

/// LiveKit's order of simulcast layers: `q` low, `h` medium, `f` high; a stream without a rid is
/// all there is.
fn quality(rid: Option<Rid>) -> u8 {
    match rid.as_ref().map(Rid::as_str) {
        Some("q") => 0,
        Some("h") => 1,
        Some(_) | None => 2,
    }
}
