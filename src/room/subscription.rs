//! One subscriber's view of one track.

use crate::media::{Mid, Munger, StreamId};

/// What a subscriber asks of a track (`track_setting`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Forward at all.
    pub enabled: bool,
    /// The best layer wanted: 0 low, 1 medium, 2 high.
    pub quality: u8,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            enabled: true,
            quality: 2,
        }
    }
}

/// State of a subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) wish: Wish,
    /// The subscriber's media section, once negotiated; nothing flows before.
    pub(super) mid: Option<Mid>,
    pub(super) munger: Munger,
    /// The stream whose next keyframe is switched to.
    pub(super) awaited: Option<StreamId>,
    /// False until the first packet after a start or a pause went out.
    pub(super) flowing: bool,
}

impl Subscription {
    pub(super) fn new(first_seq: u16) -> Subscription {
        Subscription {
            wish: Wish::default(),
            mid: None,
            munger: Munger::new(first_seq),
            awaited: None,
            flowing: false,
        }
    }

    /// Nothing more of the current stream: the next packet is a switch.
    pub(super) fn stop(&mut self) {
        self.flowing = false;
        self.awaited = None;
    }
}
