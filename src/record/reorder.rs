//! Puts the packets of one stream into order. Who comes in order passes at once and is not kept; what
//! comes after a hole waits for it, bounded in time, packets and bytes.

use crate::base::{Millis, Mono};
use crate::media::Packet;
use std::collections::VecDeque;

/// How long to wait for a hole to be filled: retransmissions take a round trip or two, so half a second outlasts
/// all that still helps.
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

/// What to do with a packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
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
    /// From `next` on. Unless there is something to poll, the first one is missing or this is empty.
    held: VecDeque<Option<Box<Held>>>,
    held_bytes: usize,
    /// When the oldest of those came.
    since: Option<Mono>,
    /// One beyond the bound: all that waits is given up for it.
    far: Option<Box<Held>>,
}

impl Reorder {
    /// A packet came.
    pub(super) fn handle_packet(&mut self, packet: &Packet, now: Mono) -> Disposition {
        let next = *self.next.get_or_insert(packet.seq);
        if packet.seq == next {
            self.next = Some(next.saturating_add(1));
            self.held.pop_front();
            self.since = None;
            return Disposition::Next;
        }
        let Some(ahead) = packet.seq.checked_sub(next) else {
            return Disposition::Late;
        };
        if ahead < MAX_AHEAD {
            return self.hold(packet, usize::try_from(ahead).unwrap_or(0), now);
        }
        self.far = Some(held(packet, now));
        Disposition::Kept
    }

    fn hold(&mut self, packet: &Packet, index: usize, now: Mono) -> Disposition {
        if self.held.len() <= index {
            self.held.resize_with(index + 1, || None);
        }
        let slot = &mut self.held[index];
        if slot.is_some() {
            return Disposition::Late;
        }
        *slot = Some(held(packet, now));
        self.held_bytes += packet.payload.len();
        self.since = self.since.or(Some(now));
        Disposition::Kept
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, Mid, StreamId};
    use std::sync::Arc;

    fn packet(seq: u64, bytes: usize) -> Packet {
        let stream = StreamId {
            mid: Mid::from("0"),
            rid: None,
        };
        Packet::new(stream, Codec::Opus, seq, 0, Arc::from(vec![0; bytes]))
    }

    /// A line for each thing that comes out: a number, or `-n` for a gap.
    fn drain(reorder: &mut Reorder, now_ms: u64) -> Vec<String> {
        std::iter::from_fn(|| reorder.poll(Mono::from_millis(now_ms)))
            .map(|step| match step {
                Step::Packet(held) => held.packet.seq.to_string(),
                Step::Gap(missing) => format!("-{missing}"),
            })
            .collect()
    }

    fn play(packets: &[(u64, u64)]) -> (Reorder, Vec<String>) {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        for (ms, seq) in packets {
            match reorder.handle_packet(&packet(*seq, 100), Mono::from_millis(*ms)) {
                Disposition::Next => out.push(seq.to_string()),
                Disposition::Kept => {}
                Disposition::Late => out.push(format!("late {seq}")),
            }
            out.extend(drain(&mut reorder, *ms));
        }
        (reorder, out)
    }

    #[test]
    fn packets_come_out_in_order_and_holes_are_waited_for() {
        type Case<'a> = (&'a str, &'a [(u64, u64)], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            ("in order", &[(0, 7), (1, 8), (2, 9)], &["7", "8", "9"]),
            ("swapped", &[(0, 7), (1, 9), (2, 8)], &["7", "8", "9"]),
            (
                "two holes",
                &[(0, 1), (1, 3), (2, 5), (3, 2), (4, 4)],
                &["1", "2", "3", "4", "5"],
            ),
            (
                "twice",
                &[(0, 1), (1, 1), (2, 3), (3, 3), (4, 2)],
                &["1", "late 1", "late 3", "2", "3"],
            ),
            ("before the first", &[(0, 5), (1, 4)], &["5", "late 4"]),
            (
                "a hole is given up after 500 ms",
                &[(0, 1), (1, 3), (400, 4), (501, 5), (502, 2)],
                &["1", "-1", "3", "4", "5", "late 2"],
            ),
            (
                "the second hole has its own time",
                &[(0, 1), (100, 3), (300, 6), (601, 7), (799, 8), (800, 9)],
                &["1", "-1", "3", "-2", "6", "7", "8", "9"],
            ),
            (
                "a jump is not waited for",
                &[(0, 1), (1, 3), (2, 5_000), (3, 5_001)],
                &["1", "-1", "3", "-4996", "5000", "5001"],
            ),
            (
                "a jump with nothing waiting",
                &[(0, 1), (1, 514), (2, 2)],
                &["1", "-512", "514", "late 2"],
            ),
        ];
        for (name, packets, expected) in cases {
            assert_eq!(play(packets).1, *expected, "{name}");
        }
    }

    #[test]
    fn the_deadline_is_that_of_the_oldest_packet_that_waits() {
        let (mut reorder, _) = play(&[(0, 1), (100, 6), (300, 3)]);
        assert_eq!(reorder.deadline(), Some(Mono::from_millis(600)));
        assert!(drain(&mut reorder, 599).is_empty());
        assert_eq!(drain(&mut reorder, 600), ["-1", "3", "-2", "6"]);
        assert_eq!((reorder.deadline(), reorder.is_idle()), (None, true));
    }

    #[test]
    fn no_more_waits_than_the_bounds_allow() {
        let mut reorder = Reorder::default();
        for seq in (0..400).filter(|seq| *seq != 1) {
            reorder.handle_packet(&packet(seq, 1_200), Mono::ZERO);
            drain(&mut reorder, 0);
            assert!(reorder.held_bytes <= MAX_HELD_BYTES);
        }
        assert_eq!((reorder.next, reorder.held_bytes), (Some(400), 0));
        for seq in (401..5_000).filter(|seq| seq % 2 == 0) {
            reorder.handle_packet(&packet(seq, 1), Mono::ZERO);
            drain(&mut reorder, 0);
            assert!(reorder.held.len() <= 512);
        }
    }
}
