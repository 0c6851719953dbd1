//! Which stream of a track one subscriber gets, and which of its frames.

use crate::base::{Millis, Mono};
use crate::media::{Packet, StreamId, Temporal};

/// Above every temporal layer.
pub(in crate::room) const ALL_FRAMES: u8 = 7;

/// A keyframe that does not come is asked for again after so long: the request is a datagram too.
const ASK_AGAIN: Millis = Millis::from_secs(1);

/// What a packet means for the choice of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::room) enum Selection {
    /// Nothing changes.
    Stay,
    /// The subscriber gets the packet's stream from this packet on.
    Switch,
    /// A keyframe of this stream is needed.
    Ask(StreamId),
}

/// Chooses for one subscription. A stream begins with a keyframe.
#[derive(Debug, Default)]
pub(in crate::room) struct LayerSelector {
    /// The stream whose next keyframe is switched to, and when it was asked for.
    awaited: Option<(StreamId, Mono)>,
    /// False until the first packet after a start or a pause went out.
    flowing: bool,
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

impl LayerSelector {
    /// The packets of a stream go out.
    pub(in crate::room) const fn is_flowing(&self) -> bool {
        self.flowing
    }

    /// Nothing more of the current stream: the next packet is a switch.
    pub(in crate::room) const fn stop(&mut self) {
        self.flowing = false;
        self.awaited = None;
    }

    /// A packet came while `current` goes out and `target` is wanted: switches to `packet`'s stream if it
    /// is the wanted one and a keyframe starts here; else says, at times, whose keyframe is needed.
    pub(in crate::room) fn handle_packet(
        &mut self,
        packet: &Packet,
        current: Option<StreamId>,
        target: Option<StreamId>,
        now: Mono,
    ) -> Selection {
        let Some(target) = target else {
            return Selection::Stay;
        };
        if self.flowing && current == Some(target) {
            self.awaited = None;
            return Selection::Stay;
        }
        if packet.stream == target && packet.keyframe {
            *self = LayerSelector {
                flowing: true,
                ..LayerSelector::default()
            };
            return Selection::Switch;
        }
        let asked = |(stream, at): (StreamId, Mono)| stream == target && now.since(at) < ASK_AGAIN;
        if self.awaited.is_some_and(asked) {
            return Selection::Stay;
        }
        self.awaited = Some((target, now));
        Selection::Ask(target)
    }

    /// True if the packet's frame is among those up to the temporal layer `most`.
    pub(in crate::room) fn passes(&mut self, packet: &Packet, most: u8) -> bool {
        let (Some(temporal), Some(picture)) = (packet.temporal, packet.picture) else {
            return true;
        };
        if let Some((_, passes)) = self.frames.newest.filter(|(id, _)| *id == picture.id) {
            return passes;
        }
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
