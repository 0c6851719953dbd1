//! Puts the packets of one stream into order. Who comes in order passes at once and is not kept; what
//! comes after a hole waits for it, bounded in time, packets and bytes.

use crate::base::{Millis, Mono};
use crate::media::Packet;
use std::collections::VecDeque;

/// How long a hole is waited for: retransmissions take a round trip or two (the bound).
pub(super) const HOLE_WAIT: Millis = Millis(500);
/// Farthest packet that waits for a hole: half a second of 10 Mbit/s in packets of 1,200 bytes.
const MAX_AHEAD: u64 = 512;
/// Most payload that waits: half a second of 6 Mbit/s. With [`super::segment::MAX_FRAME`] it bounds the
/// memory of a track.
const MAX_HELD_BYTES: usize = 384 << 10;

/// A packet that waits for an earlier one.
#[derive(Debug)]
pub(super) struct Held {
    /// It.
    pub(super) packet: Packet,
    /// When it came.
    pub(super) arrival: Mono,
}

/// What is to be done with a packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the next one: use it, then [`Reorder::poll`].
    Next,
    /// It was kept: [`Reorder::poll`], since there may be no room for all that waits.
    Kept,
    /// It came twice, or too late.
    Late,
}

/// What comes next in the order of the sender.
#[derive(Debug)]
pub(super) enum Step {
    /// A packet that has waited.
    Packet(Box<Held>),
    /// So many packets are not waited for any longer.
    Gap(u64),
}

/// The packets of one stream between the network and the frames.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    /// The number that comes next; none before the first packet.
    next: Option<u64>,
    /// From `next` on. Unless something is to be polled, the first one is missing or this is empty.
    held: VecDeque<Option<Box<Held>>>,
    held_bytes: usize,
    /// When the oldest of those came.
    since: Option<Mono>,
    /// One beyond the bound: all that waits is given up for it.
    far: Option<Box<Held>>,
}

impl Reorder {
    /// A packet came.
    pub(super) fn handle_packet(&mut self, packet: &Packet, now: Mono) -> Place {
        let next = *self.next.get_or_insert(packet.seq);
        if packet.seq == next {
            self.next = Some(next.saturating_add(1));
            self.held.pop_front();
            self.since = None;
            return Place::Next;
        }
        let Some(ahead) = packet.seq.checked_sub(next) else {
            return Place::Late;
        };
        if ahead < MAX_AHEAD {
            return self.hold(packet, usize::try_from(ahead).unwrap_or(0), now);
        }
        self.far = Some(held(packet, now));
        Place::Kept
    }

    fn hold(&mut self, packet: &Packet, index: usize, now: Mono) -> Place {
        if self.held.len() <= index {
            self.held.resize_with(index + 1, || None);
        }
        let slot = &mut self.held[index];
        if slot.is_some() {
            return Place::Late;
        }
        *slot = Some(held(packet, now));
        self.held_bytes += packet.payload.len();
        self.since = self.since.or(Some(now));
        Place::Kept
    }

    /// True if nothing waits: the rule, in which there is nothing to poll.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty() && self.far.is_none()
    }

    /// What comes next, if it is there or will not be waited for.
    pub(super) fn poll(&mut self, now: Mono) -> Option<Step> {
        if let Some(first) = self.held.front_mut() {
            if let Some(held) = first.take() {
                self.held.pop_front();
                return Some(self.release(held));
            }
            let since = *self.since.get_or_insert_with(|| oldest(&self.held, now));
            let due = since + HOLE_WAIT <= now;
            let full = self.held_bytes > MAX_HELD_BYTES || self.far.is_some();
            return (due || full).then(|| self.give_up());
        }
        self.since = None;
        let far = self.far.take()?;
        let missing = far.packet.seq.saturating_sub(self.next.unwrap_or(0));
        if missing == 0 {
            return Some(self.release(far));
        }
        self.next = Some(far.packet.seq);
        self.far = Some(far);
        Some(Step::Gap(missing))
    }

    fn release(&mut self, held: Box<Held>) -> Step {
        self.held_bytes = self.held_bytes.saturating_sub(held.packet.payload.len());
        self.next = Some(held.packet.seq.saturating_add(1));
        self.since = None;
        Step::Packet(held)
    }

    /// The first hole is given up, whose end is a packet that waits.
    fn give_up(&mut self) -> Step {
        let missing = self.held.iter().take_while(|slot| slot.is_none()).count();
        self.held.drain(..missing);
        self.since = None;
        let missing = u64::try_from(missing).unwrap_or(0);
        self.next = self.next.map(|next| next.saturating_add(missing));
        Step::Gap(missing)
    }

    /// When the first hole is given up, if nothing comes.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.since.map(|since| since + HOLE_WAIT)
    }

    /// Forgets all that waits, and where the stream was.
    pub(super) fn clear(&mut self) {
        *self = Reorder::default();
    }
}

fn held(packet: &Packet, arrival: Mono) -> Box<Held> {
    let packet = packet.clone();
    Box::new(Held { packet, arrival })
}

fn oldest(held: &VecDeque<Option<Box<Held>>>, now: Mono) -> Mono {
    let arrivals = held.iter().flatten().map(|held| held.arrival);
    arrivals.min().unwrap_or(now)
}
