//! One subscriber's view of one track.

use super::publication::Rung;
use crate::base::{LimitedBy, Mono};
use crate::media::{Mid, Munger, Packet, StreamId, Temporal};
use crate::room::allocation::upgrade_backoff::UpgradeBackoff;

/// Above every temporal layer.
pub(in crate::room) const ALL_FRAMES: u8 = 7;

/// What a subscriber asks of a track (`track_setting`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackSettings {
    /// Forward at all.
    pub enabled: bool,
    /// The best layer wanted: 0 low, 1 medium, 2 high. A size says more.
    pub quality: u8,
    /// Pixels wanted: the smallest layer that fills them.
    pub size: Option<(u32, u32)>,
    /// Frames a second wanted; 0: all.
    pub fps: u32,
    /// 1 is the most important, 0 is not set (LiveKit, `UpdateTrackSettings.priority`).
    pub priority: u32,
}

impl Default for TrackSettings {
    fn default() -> TrackSettings {
        TrackSettings {
            enabled: true,
            quality: 2,
            size: None,
            fps: 0,
            priority: 0,
        }
    }
}

impl TrackSettings {
    /// The highest temporal layer for the frames wanted, of libwebrtc's three at 30 a second.
    pub(in crate::room) const fn temporal(&self) -> u8 {
        match self.fps {
            0 => ALL_FRAMES,
            1..=8 => 0,
            9..=16 => 1,
            _ => ALL_FRAMES,
        }
    }
}

/// State of a subscription.
#[derive(Debug)]
pub(in crate::room) struct Subscription {
    pub(in crate::room) settings: TrackSettings,
    /// The subscriber's media section, once negotiated; nothing flows before.
    pub(in crate::room) mid: Option<Mid>,
    pub(in crate::room) munger: Munger,
    /// Packets go out as they came.
    pub(in crate::room) unaltered: bool,
    /// The stream whose next keyframe is switched to, and when it was asked for.
    pub(in crate::room) awaited: Option<(StreamId, Mono)>,
    /// False until the first packet after a start or a pause went out.
    pub(in crate::room) flowing: bool,
    /// Best layer and temporal layer that the downlink carries; none: paused for want of it.
    pub(in crate::room) allowed: Option<(u8, u8)>,
    /// The rung it was given last.
    pub(in crate::room) rung: Option<Rung>,
    pub(in crate::room) limited_by: LimitedBy,
    pub(in crate::room) backoff: UpgradeBackoff,
    frames: Frames,
}

/// Which frames of the current stream go out.
#[derive(Debug, Default)]
struct Frames {
    /// Temporal layers above the base that go out, a bit for each.
    begun: u8,
    /// The newest picture, and whether it goes out.
    newest: Option<(u16, bool)>,
}

impl Frames {
    /// True if a frame goes out with layers up to `most`. A layer begins at a frame that builds on the
    /// base alone, other frames need all layers below theirs.
    fn passes(&mut self, temporal: Temporal, most: u8) -> bool {
        let up_to = |layer: u8| (1_u8 << layer.min(7)) - 1;
        self.begun &= up_to(most);
        if temporal.id > most {
            return false;
        }
        if temporal.sync {
            self.begun |= up_to(temporal.id) & !up_to(temporal.id.saturating_sub(1));
        }
        let needed = up_to(temporal.id);
        temporal.sync || self.begun & needed == needed
    }
}

impl Subscription {
    pub(in crate::room) fn new(first_seq: u16, unaltered: bool) -> Subscription {
        Subscription {
            settings: TrackSettings::default(),
            mid: None,
            munger: Munger::new(first_seq),
            unaltered,
            awaited: None,
            flowing: false,
            allowed: Some((2, ALL_FRAMES)),
            rung: None,
            limited_by: LimitedBy::Source,
            backoff: UpgradeBackoff::default(),
            frames: Frames::default(),
        }
    }

    /// Nothing more of the current stream: the next packet is a switch.
    pub(in crate::room) fn stop(&mut self) {
        self.flowing = false;
        self.awaited = None;
    }

    /// `packet`, a keyframe's first, is where its stream begins.
    pub(in crate::room) fn switch(&mut self, packet: &Packet, now: Mono) {
        self.munger.switch(packet, now);
        self.flowing = true;
        self.awaited = None;
        self.frames = Frames::default();
    }

    /// True if the packet's frame is among those that are allowed.
    pub(in crate::room) fn passes(&mut self, packet: &Packet) -> bool {
        let (Some(temporal), Some(picture)) = (packet.temporal, packet.picture) else {
            return true;
        };
        if let Some((_, passes)) = self.frames.newest.filter(|(id, _)| *id == picture.id) {
            return passes;
        }
        let most = self.allowed.map_or(0, |(_, temporal)| temporal);
        let passes = self.frames.passes(temporal, most);
        self.frames.newest = Some((picture.id, passes));
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_goes_out_only_with_all_that_it_builds_on() {
        let mut frames = Frames::default();
        // (layer, sync, most allowed, goes out)
        for (step, (id, sync, most, passes)) in [
            (0, false, 0, true),
            (2, true, 0, false),
            (0, false, 7, true),
            // Without a layer 1 that has begun, its frames and those above are of no use.
            (1, false, 7, false),
            (2, true, 7, true),
            (2, false, 7, false),
            (1, true, 7, true),
            (2, false, 7, true),
            (1, false, 7, true),
            // Layer 1 alone, then all again: layer 2 begins anew.
            (2, false, 1, false),
            (1, false, 1, true),
            (2, false, 7, false),
            (2, true, 7, true),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(frames.passes(Temporal { id, sync }, most), passes, "{step}");
        }
    }
}
