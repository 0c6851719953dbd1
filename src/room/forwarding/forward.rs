//! For each packet and subscriber: forward, drop, or wait for a keyframe.

use super::layer_selector::Selection;
use crate::base::Mono;
use crate::media::{Mid, Munged, Packet};
use crate::room::event::Event;
use crate::room::keys::Subscriber;
use crate::room::tracks::publication::Publication;
use std::collections::VecDeque;

/// A packet to be sent to one subscriber: the payload of the packet, with these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Who gets it.
    pub to: Subscriber,
    /// In which of its media sections.
    pub mid: Mid,
    /// With which numbers.
    pub numbers: Munged,
}

/// Packets that a subscriber did not get, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Its media section is not negotiated yet.
    pub not_connected: u64,
    /// It switched the track off.
    pub disabled: u64,
    /// It waits for a keyframe.
    pub awaiting_keyframe: u64,
    /// It gets another layer.
    pub not_allocated: u64,
}

/// What a step of forwarding adds to.
pub(in crate::room) struct Context<'a> {
    pub(in crate::room) now: Mono,
    /// Whom the packet goes to.
    pub(in crate::room) out: &'a mut Vec<Forward>,
    /// The keyframes that are needed.
    pub(in crate::room) events: &'a mut VecDeque<Event>,
    pub(in crate::room) drops: &'a mut Drops,
}

/// Gives `packet` to those subscribers of its track who get its stream.
pub(in crate::room) fn forward(
    publication: &mut Publication,
    packet: &Packet,
    context: &mut Context<'_>,
) {
    let now = context.now;
    let mut subscriptions = std::mem::take(&mut publication.subscriptions);
    for (subscriber, subscription) in &mut subscriptions {
        let Some(mid) = subscription.mid else {
            context.drops.not_connected += 1;
            continue;
        };
        if !subscription.settings.enabled {
            context.drops.disabled += 1;
            continue;
        }
        let Some((quality, temporal)) = subscription.allowed else {
            context.drops.not_allocated += 1;
            continue;
        };
        let quality = quality.min(publication.quality_wanted(&subscription.settings));
        let target = publication.target(quality, now);
        let (munger, selector) = (&mut subscription.munger, &mut subscription.selector);
        match selector.handle_packet(packet, munger.stream(), target, now) {
            Selection::Stay => {}
            Selection::Switch => munger.switch(packet, now),
            Selection::Ask(stream) => context.events.push_back(Event::KeyframeWanted {
                publisher: publication.publisher,
                stream,
            }),
        }
        if !selector.is_flowing() {
            context.drops.awaiting_keyframe += 1;
            continue;
        }
        let current = munger.stream() == Some(packet.stream);
        let numbers = if *subscriber == Subscriber::Recorder {
            current.then(|| Munged::unaltered(packet))
        } else if current && !selector.passes(packet, temporal) {
            munger.skip(packet);
            context.drops.not_allocated += 1;
            continue;
        } else {
            let numbers = munger.munge(packet, now);
            context.drops.not_allocated += u64::from(numbers.is_none());
            numbers
        };
        context.out.extend(numbers.map(|numbers| Forward {
            to: *subscriber,
            mid,
            numbers,
        }));
    }
    publication.subscriptions = subscriptions;
}
