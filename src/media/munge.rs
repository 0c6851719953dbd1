//! Keeps sequence numbers, timestamps and VP8 picture ids continuous for one subscriber, whatever
//! stream its packets come from.

use super::{Packet, Picture, StreamId};
use crate::base::Mono;
use std::collections::VecDeque;

/// The numbers to send a packet with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Munged {
    /// Extended sequence number.
    pub seq: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// VP8 picture numbering, where it differs from the payload's own.
    pub picture: Option<Picture>,
}

impl Munged {
    /// The packet's own numbers.
    pub const fn unaltered(packet: &Packet) -> Munged {
        Munged {
            seq: packet.seq,
            timestamp: packet.timestamp,
            picture: packet.picture,
        }
    }
}

/// Offsets between what comes in and what goes out, since the last switch of streams.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    stream: StreamId,
    first_seq: u64,
    seq: u64,
    timestamp: u32,
    picture_id: u16,
    tl0: u8,
}

/// What was left out before a packet, since the last switch: a run of packets that follow each other is one.
#[derive(Clone, Copy, Debug, Default)]
struct Skipped {
    /// The first packet that this holds for.
    from: u64,
    packets: u64,
    pictures: u16,
    /// The picture that was left out last.
    picture: Option<u16>,
}

/// The newest packet that went out.
#[derive(Clone, Copy, Debug)]
struct Last {
    seq: u64,
    timestamp: u32,
    picture: Option<Picture>,
    at: Mono,
}

/// One subscriber's numbering of one track.
#[derive(Clone, Debug)]
pub struct Munger {
    first_seq: u64,
    offsets: Option<Offsets>,
    /// Oldest first, at most [`MAX_SKIPPED`].
    skipped: VecDeque<Skipped>,
    /// What was left out before this packet of the stream is not remembered: it has no number.
    forgotten: u64,
    /// The newest packet of the stream that went out, by its own number.
    newest: u64,
    last: Option<Last>,
}

/// Runs that are remembered for packets that come late: seconds of a video whose every other picture is
/// left out, and more than any reordering that NACK mends.
const MAX_SKIPPED: usize = 128;
const PICTURE_ID_MASK: u16 = 0x7fff;

impl Munger {
    /// Numbering starts at `first_seq`; below 65,536, since a receiver assumes no roll-over yet
    /// (RFC 3711, section 3.3.1).
    pub const fn new(first_seq: u16) -> Munger {
        Munger {
            first_seq: first_seq as u64,
            offsets: None,
            skipped: VecDeque::new(),
            forgotten: 0,
            newest: 0,
            last: None,
        }
    }

    /// The stream that is being sent.
    pub fn stream(&self) -> Option<StreamId> {
        self.offsets.map(|offsets| offsets.stream)
    }

    /// Starts (or starts again) with `packet`, which continues after whatever was sent before.
    pub fn switch(&mut self, packet: &Packet, now: Mono) {
        let (seq, timestamp) = match self.last {
            None => (self.first_seq, packet.timestamp),
            Some(last) => (
                last.seq + 1,
                last.timestamp.wrapping_add(elapsed(packet, last, now)),
            ),
        };
        let picture = packet.picture.unwrap_or(Picture { id: 0, tl0: None });
        let before = self.last.and_then(|last| last.picture);
        self.skipped.clear();
        (self.forgotten, self.newest) = (packet.seq, packet.seq);
        self.offsets = Some(Offsets {
            stream: packet.stream,
            first_seq: packet.seq,
            seq,
            timestamp: timestamp.wrapping_sub(packet.timestamp),
            picture_id: before.map_or(0, |last| {
                last.id.wrapping_add(1).wrapping_sub(picture.id) & PICTURE_ID_MASK
            }),
            tl0: before.and_then(|last| last.tl0).map_or(0, |last| {
                last.wrapping_add(1).wrapping_sub(picture.tl0.unwrap_or(0))
            }),
        });
    }

    /// The numbers for `packet`; `None` if it belongs to another stream, to before the switch, or is so old
    /// that its numbers are not known: others may have them.
    pub fn munge(&mut self, packet: &Packet, now: Mono) -> Option<Munged> {
        let offsets = self
            .offsets
            .filter(|offsets| offsets.stream == packet.stream)?;
        let ahead = packet.seq.checked_sub(offsets.first_seq)?;
        let skipped = self.skipped_before(packet.seq)?;
        let seq = (offsets.seq + ahead).checked_sub(skipped.packets)?;
        let timestamp = packet.timestamp.wrapping_add(offsets.timestamp);
        let picture = packet.picture.map(|picture| Picture {
            id: picture
                .id
                .wrapping_add(offsets.picture_id)
                .wrapping_sub(skipped.pictures)
                & PICTURE_ID_MASK,
            tl0: picture.tl0.map(|tl0| tl0.wrapping_add(offsets.tl0)),
        });
        self.newest = self.newest.max(packet.seq);
        if self.last.is_none_or(|last| seq > last.seq) {
            self.last = Some(Last {
                seq,
                timestamp,
                picture,
                at: now,
            });
        }
        Some(Munged {
            seq,
            timestamp,
            picture: picture.filter(|_| picture != packet.picture),
        })
    }
}

impl Munger {
    /// Leaves `packet` out: what follows takes its numbers, so that the receiver misses nothing.
    /// Whole pictures alone may be left out. A packet that comes late, behind one that went out, leaves a
    /// gap, which does no more harm than a packet asked for in vain.
    pub fn skip(&mut self, packet: &Packet) {
        let last = self.skipped.back().copied().unwrap_or_default();
        let here = self.stream() == Some(packet.stream);
        if !here || packet.seq < last.from || packet.seq <= self.newest {
            return;
        }
        let picture = packet.picture.map(|picture| picture.id);
        let new = picture.is_some() && picture != last.picture;
        let skipped = Skipped {
            from: packet.seq + 1,
            packets: last.packets + 1,
            pictures: last.pictures.wrapping_add(u16::from(new)),
            picture,
        };
        match self.skipped.back_mut() {
            Some(run) if run.from == packet.seq => *run = skipped,
            _ => self.remember(skipped),
        }
    }

    fn remember(&mut self, skipped: Skipped) {
        if self.skipped.len() == MAX_SKIPPED {
            self.skipped.pop_front();
            let oldest = self.skipped.front();
            self.forgotten = oldest.map_or(self.forgotten, |oldest| oldest.from);
        }
        self.skipped.push_back(skipped);
    }

    /// `None` if that is not remembered.
    fn skipped_before(&self, seq: u64) -> Option<Skipped> {
        if seq < self.forgotten {
            return None;
        }
        let known = self
            .skipped
            .iter()
            .rev()
            .find(|skipped| skipped.from <= seq);
        Some(known.copied().unwrap_or_default())
    }
}

/// Ticks between the last packet sent and `packet`, by their times of arrival; at least one, so
/// that a new frame never shares its timestamp with the old one.
fn elapsed(packet: &Packet, last: Last, now: Mono) -> u32 {
    let micros = now.micros().saturating_sub(last.at.micros());
    let ticks = micros.saturating_mul(u64::from(packet.codec.clock_hz())) / 1_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Mid, Rid};
    use super::*;
    use std::sync::Arc;

    fn packet(rid: &str, seq: u64, timestamp: u32, id: u16) -> Packet {
        let stream = StreamId {
            mid: Mid::from("0"),
            rid: Some(Rid::from(rid)),
        };
        Packet {
            picture: Some(Picture { id, tl0: Some(1) }),
            ..Packet::new(stream, Codec::Vp8, seq, timestamp, Arc::from([0]))
        }
    }

    #[test]
    fn a_first_stream_keeps_its_timestamps_and_picture_ids() {
        let mut munger = Munger::new(100);
        let first = packet("f", 70_000, 5_000, 9);
        munger.switch(&first, Mono::ZERO);
        let munged = munger.munge(&first, Mono::ZERO).unwrap();
        assert_eq!(
            munged,
            Munged {
                seq: 100,
                timestamp: 5_000,
                picture: None
            }
        );
    }

    #[test]
    fn a_switch_goes_on_where_the_other_stream_stopped() {
        let mut munger = Munger::new(0);
        let old = packet("q", 10, 1_000, 0x7fff);
        munger.switch(&old, Mono::ZERO);
        munger.munge(&old, Mono::ZERO).unwrap();
        let new = packet("f", 500, 77_000, 300);
        let at = Mono::from_millis(100);
        munger.switch(&new, at);
        let munged = munger.munge(&new, at).unwrap();
        assert_eq!((munged.seq, munged.timestamp), (1, 10_000));
        assert_eq!(
            munged.picture,
            Some(Picture {
                id: 0,
                tl0: Some(2)
            })
        );
        assert_eq!(munger.munge(&old, at), None);
    }

    #[test]
    fn reordered_packets_keep_their_distance_and_older_ones_than_the_switch_are_refused() {
        let mut munger = Munger::new(50);
        munger.switch(&packet("f", 10, 0, 1), Mono::ZERO);
        assert_eq!(
            munger
                .munge(&packet("f", 12, 0, 1), Mono::ZERO)
                .unwrap()
                .seq,
            52
        );
        assert_eq!(
            munger
                .munge(&packet("f", 11, 0, 1), Mono::ZERO)
                .unwrap()
                .seq,
            51
        );
        assert_eq!(munger.munge(&packet("f", 9, 0, 1), Mono::ZERO), None);
    }

    #[test]
    fn what_is_left_out_leaves_no_gap_in_sequence_and_picture_numbers() {
        let mut munger = Munger::new(0);
        munger.switch(&packet("f", 10, 0, 5), Mono::ZERO);
        let mut sent = Vec::new();
        // (sequence number, picture, left out); 16 comes after 17.
        for (seq, id, skip) in [
            (10, 5, false),
            (11, 6, true),
            (12, 6, true),
            (13, 7, false),
            (14, 8, true),
            (15, 9, false),
            (17, 10, false),
            (16, 9, false),
        ] {
            let packet = packet("f", seq, 0, id);
            if skip {
                munger.skip(&packet);
            } else {
                let munged = munger.munge(&packet, Mono::ZERO).unwrap();
                sent.push((munged.seq, munged.picture.map_or(id, |p| p.id)));
            }
        }
        assert_eq!(sent, [(0, 5), (1, 6), (2, 7), (4, 8), (3, 7)]);
    }

    #[test]
    fn a_long_picture_that_is_left_out_is_one_step_and_what_came_before_it_keeps_its_numbers() {
        let mut munger = Munger::new(0);
        munger.switch(&packet("f", 10, 0, 5), Mono::ZERO);
        munger.munge(&packet("f", 10, 0, 5), Mono::ZERO).unwrap();
        // 11 and 12 are on their way for long.
        for seq in 13..1_013 {
            munger.skip(&packet("f", seq, 0, 6));
        }
        let numbers = |munger: &mut Munger, seq, id| {
            let munged = munger.munge(&packet("f", seq, 0, id), Mono::ZERO).unwrap();
            (munged.seq, munged.picture.map_or(id, |picture| picture.id))
        };
        assert_eq!(numbers(&mut munger, 1_013, 7), (3, 6));
        assert_eq!(numbers(&mut munger, 12, 5), (2, 5));
        assert_eq!(numbers(&mut munger, 11, 5), (1, 5));
    }

    #[test]
    fn a_packet_from_before_all_that_is_remembered_is_dropped_and_takes_no_number_of_others() {
        let mut munger = Munger::new(0);
        munger.switch(&packet("f", 0, 0, 0), Mono::ZERO);
        // Every other picture is left out; 2 is late.
        let runs = u64::try_from(MAX_SKIPPED).unwrap() + 1;
        for seq in (0..2 * runs).filter(|seq| *seq != 2) {
            let packet = packet("f", seq, 0, 0);
            match seq % 2 {
                0 => assert_eq!(munger.munge(&packet, Mono::ZERO).unwrap().seq, seq / 2),
                _ => munger.skip(&packet),
            }
        }
        assert_eq!(munger.munge(&packet("f", 2, 0, 0), Mono::ZERO), None);
        let kept = munger.munge(&packet("f", 4, 0, 0), Mono::ZERO);
        assert_eq!(kept.map(|munged| munged.seq), Some(2));
    }

    #[test]
    fn whatever_is_left_out_and_however_late_it_comes_no_number_is_given_twice() {
        let mut rng = crate::base::Rng::from_seed(7);
        for _ in 0..200 {
            let mut munger = Munger::new(0);
            munger.switch(&packet("f", 50, 0, 50), Mono::ZERO);
            munger.munge(&packet("f", 50, 0, 50), Mono::ZERO).unwrap();
            // Pictures of three packets; each packet comes up to 40 places late, some never.
            let mut coming: Vec<(u64, u64)> = Vec::new();
            for seq in (40..1_200).filter(|seq| *seq != 50) {
                let late = [0, rng.below(40)][usize::from(rng.below(4) == 0)];
                if rng.below(50) > 0 {
                    coming.push((seq + late, seq));
                }
            }
            coming.sort_unstable();
            let left_out: Vec<bool> = (0..400).map(|_| rng.below(2) == 0).collect();
            let mut sent = std::collections::BTreeMap::from([(0, 50)]);
            for (_, seq) in coming {
                let picture = seq / 3;
                let packet = packet("f", seq, 0, u16::try_from(picture).unwrap());
                if left_out[usize::try_from(picture).unwrap()] {
                    munger.skip(&packet);
                } else if let Some(munged) = munger.munge(&packet, Mono::ZERO) {
                    assert_eq!(sent.insert(munged.seq, seq), None, "{seq}: {munged:?}");
                }
            }
            assert!(sent.values().is_sorted(), "they change places");
            assert!(sent.len() > 300, "{}", sent.len());
        }
    }
}
