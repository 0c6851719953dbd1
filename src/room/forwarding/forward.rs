//! For each packet and subscriber: forward, drop, or wait for a keyframe.

use crate::base::{Millis, Mono};
use crate::media::{Mid, Munged, Packet, StreamId};
use crate::room::room::{Event, MemberKey};
use crate::room::tracks::publication::Publication;
use crate::room::tracks::subscription::Subscription;

/// A keyframe that does not come is asked for again after so long: the request is a datagram too.
const ASK_AGAIN: Millis = Millis::from_secs(1);

/// A packet to be sent to one subscriber: the payload of the packet, with these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Who gets it.
    pub to: MemberKey,
    /// In which of their media sections.
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

/// Appends to `out` whom `packet` goes to, and to `events` the keyframes that are needed.
pub(in crate::room) fn forward(
    publication: &mut Publication,
    packet: &Packet,
    now: Mono,
    out: &mut Vec<Forward>,
    (events, drops): (&mut Vec<Event>, &mut Drops),
) {
    let mut subscriptions = std::mem::take(&mut publication.subscriptions);
    for (member, subscription) in &mut subscriptions {
        let Some(mid) = subscription.mid else {
            drops.not_connected += 1;
            continue;
        };
        if !subscription.settings.enabled {
            drops.disabled += 1;
            continue;
        }
        let Some((quality, _)) = subscription.allowed else {
            drops.not_allocated += 1;
            continue;
        };
        let quality = quality.min(publication.quality_wanted(&subscription.settings));
        let target = publication.target(quality, now);
        if let Some(stream) = choose(subscription, packet, target, now) {
            events.push(Event::KeyframeWanted {
                publisher: publication.publisher,
                stream,
            });
        }
        if !subscription.flowing {
            drops.awaiting_keyframe += 1;
        } else if subscription.unaltered {
            if subscription.munger.stream() == Some(packet.stream) {
                out.push(Forward {
                    to: *member,
                    mid,
                    numbers: Munged::unaltered(packet),
                });
            }
        } else if subscription.munger.stream() == Some(packet.stream)
            && !subscription.passes(packet)
        {
            subscription.munger.skip(packet);
            drops.not_allocated += 1;
        } else if let Some(numbers) = subscription.munger.munge(packet, now) {
            out.push(Forward {
                to: *member,
                mid,
                numbers,
            });
        } else {
            drops.not_allocated += 1;
        }
    }
    publication.subscriptions = subscriptions;
}

/// Switches to `packet`'s stream if it is the wanted one and a keyframe starts here; else returns
/// the stream whose keyframe is needed, at times.
fn choose(
    subscription: &mut Subscription,
    packet: &Packet,
    target: Option<StreamId>,
    now: Mono,
) -> Option<StreamId> {
    let target = target?;
    if subscription.flowing && subscription.munger.stream() == Some(target) {
        subscription.awaited = None;
        return None;
    }
    if packet.stream == target && packet.keyframe {
        subscription.switch(packet, now);
        return None;
    }
    let asked = subscription
        .awaited
        .is_some_and(|(stream, at)| stream == target && now.since(at) < ASK_AGAIN);
    if asked {
        return None;
    }
    subscription.awaited = Some((target, now));
    Some(target)
}
