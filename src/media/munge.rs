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

/// What was left out before a packet, since the last switch.
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
    last: Option<Last>,
}

/// Steps that are remembered for packets that come late: more than any reordering that NACK mends.
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

    /// The numbers for `packet`; `None` if it belongs to another stream or to before the switch.
    pub fn munge(&mut self, packet: &Packet, now: Mono) -> Option<Munged> {
        let offsets = self
            .offsets
            .filter(|offsets| offsets.stream == packet.stream)?;
        let ahead = packet.seq.checked_sub(offsets.first_seq)?;
        let skipped = self.skipped_before(packet.seq);
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
    /// Whole pictures alone may be left out. A packet that comes late leaves a gap, which does no
    /// more harm than a packet asked for in vain.
    pub fn skip(&mut self, packet: &Packet) {
        let last = self.skipped.back().copied().unwrap_or_default();
        let here = self.stream() == Some(packet.stream);
        if !here || packet.seq < last.from {
            return;
        }
        let picture = packet.picture.map(|picture| picture.id);
        let new = picture.is_some() && picture != last.picture;
        if self.skipped.len() == MAX_SKIPPED {
            self.skipped.pop_front();
        }
        self.skipped.push_back(Skipped {
            from: packet.seq + 1,
            packets: last.packets + 1,
            pictures: last.pictures.wrapping_add(u16::from(new)),
            picture,
        });
    }

    fn skipped_before(&self, seq: u64) -> Skipped {
        let known = self
            .skipped
            .iter()
            .rev()
            .find(|skipped| skipped.from <= seq);
        known.copied().unwrap_or_default()
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
}
