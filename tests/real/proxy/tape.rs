//! What of RTP went over a lane, and when: its header is not encrypted. So a test measures what a
//! publisher sends and what a subscriber gets by one clock, and not by what a busy client makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

/// The payload type of Opus, which all stock clients offer and the node takes.
const OPUS: u8 = 111;
/// The payload type of VP8 as stock clients and the node have it; its repetitions have another one.
const VP8: u8 = 96;
/// Version 2, and nothing of STUN or DTLS.
const RTP_VERSION: u8 = 2;
/// The fixed part of a header (RFC 3550, section 5.1).
const HEADER_BYTES: usize = 12;
/// Second bytes of RTCP (RFC 5761, section 4).
const RTCP: std::ops::RangeInclusive<u8> = 192..=223;

/// A packet that comes again does so within so many others: some seconds of sound and pictures.
const REPEATED_WITHIN: usize = 1_000;

/// What a packet brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound, the first time.
    Sound,
    /// A part of a picture, the first time.
    Picture,
    /// A repetition, or padding that a congestion controller sends.
    Else,
}

/// A packet as its header shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// When it was there, counted from the start of the proxy.
    pub at: Duration,
    /// What it brings.
    pub kind: Kind,
    /// The stream.
    pub ssrc: u32,
    /// Its number in the stream.
    pub seq: u16,
    /// What it takes on the wire.
    pub bytes: u64,
}

/// Packets in the order in which they were there.
#[derive(Clone, Debug, Default)]
pub struct Tape(Vec<Sight>);

impl Tape {
    /// Notes a datagram if it is one of RTP; `wire_bytes` is what it takes on the wire.
    pub fn note(&mut self, datagram: &[u8], wire_bytes: u64, at: Duration) {
        let Some(header) = datagram.first_chunk::<HEADER_BYTES>() else {
            return;
        };
        let [first, second, high, low, .., a, b, c, d] = *header;
        if first >> 6 != RTP_VERSION || RTCP.contains(&second) {
            return;
        }
        let (ssrc, seq) = (
            u32::from_be_bytes([a, b, c, d]),
            u16::from_be_bytes([high, low]),
        );
        // Sound that is asked for comes again in its own stream, with its own number.
        let mut lately = self.0.iter().rev().take(REPEATED_WITHIN);
        let kind = match second & 0x7f {
            OPUS if lately.any(|sight| (sight.ssrc, sight.seq) == (ssrc, seq)) => Kind::Else,
            OPUS => Kind::Sound,
            VP8 => Kind::Picture,
            _ => Kind::Else,
        };
        self.0.push(Sight {
            at,
            kind,
            ssrc,
            seq,
            bytes: wire_bytes,
        });
    }

    /// The part of it between two moments.
    pub fn between(&self, from: Duration, to: Duration) -> Tape {
        let start = self.0.partition_point(|sight| sight.at < from);
        let end = self.0.partition_point(|sight| sight.at < to);
        Tape(self.0.get(start..end).unwrap_or_default().to_vec())
    }

    /// Sound alone or pictures alone.
    pub fn of(&self, kind: Kind) -> Tape {
        let of = self.0.iter().filter(|sight| sight.kind == kind);
        Tape(of.copied().collect())
    }

    /// Each stream by itself.
    pub fn streams(&self) -> BTreeMap<u32, Tape> {
        let mut streams: BTreeMap<u32, Tape> = BTreeMap::new();
        for sight in &self.0 {
            streams.entry(sight.ssrc).or_default().0.push(*sight);
        }
        streams
    }

    /// What it comes to over so long a time, in bits per second.
    pub fn bps(&self, over: Duration) -> u64 {
        let bits = 8_000 * self.0.iter().map(|sight| sight.bytes).sum::<u64>();
        bits / u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// How many packets it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first moment.
    pub fn first(&self) -> Option<Duration> {
        self.0.first().map(|sight| sight.at)
    }

    /// The longest time between two packets, and between them and the ends of this time.
    pub fn longest_gap(&self, from: Duration, to: Duration) -> Duration {
        let gaps = self.gaps(from, to);
        gaps.into_iter().max().unwrap_or_default()
    }

    /// For how long there was nothing altogether, in gaps that are longer than `least`.
    pub fn silent(&self, least: Duration, (from, to): (Duration, Duration)) -> Duration {
        let gaps = self.gaps(from, to);
        gaps.into_iter().filter(|gap| *gap > least).sum()
    }

    /// How many packets came with almost nothing between them and the one before: within `most`.
    pub fn crowded(&self, most: Duration, (from, to): (Duration, Duration)) -> usize {
        let gaps = self.gaps(from, to);
        gaps.into_iter().filter(|gap| *gap < most).count()
    }

    fn gaps(&self, from: Duration, to: Duration) -> Vec<Duration> {
        let mut last = from;
        let within = self.between(from, to);
        let moments = within.0.iter().map(|sight| sight.at).chain([to]);
        let gap = |at: Duration| {
            let gap = at.saturating_sub(last);
            last = at.max(last);
            gap
        };
        moments.map(gap).collect()
    }
}
