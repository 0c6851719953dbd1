//! One subscriber's view of one track.

use super::layer::Rung;
use crate::base::LimitedBy;
use crate::media::{Mid, Munger};
use crate::room::allocation::upgrade_backoff::UpgradeBackoff;
use crate::room::forwarding::layer_selector::{ALL_FRAMES, LayerSelector};

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
    pub(in crate::room) selector: LayerSelector,
    /// Best layer and temporal layer that the downlink carries; none: paused for want of it.
    pub(in crate::room) allowed: Option<(u8, u8)>,
    /// The rung it was given last.
    pub(in crate::room) rung: Option<Rung>,
    pub(in crate::room) limited_by: LimitedBy,
    pub(in crate::room) backoff: UpgradeBackoff,
}

impl Subscription {
    pub(in crate::room) fn new(first_seq: u16) -> Subscription {
        Subscription {
            settings: TrackSettings::default(),
            mid: None,
            munger: Munger::new(first_seq),
            selector: LayerSelector::default(),
            allowed: Some((2, ALL_FRAMES)),
            rung: None,
            limited_by: LimitedBy::Source,
            backoff: UpgradeBackoff::default(),
        }
    }
}
