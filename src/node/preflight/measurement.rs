//! Counting what comes, and reading a rate, a loss and a jitter from the counts.

use super::timing::{COUNTED_UNTIL, SAMPLE_EVERY, SENDING, SETTLING};
use crate::base::{Millis, Mono};

/// Most samples that a reading is made of: ten a second, and twice the time.
pub const MAX_SAMPLES: usize = 80;
/// Shorter stretches tell no rate.
const LEAST_COUNTED: Millis = Millis(500);
/// Ticks of the video clock a millisecond (RFC 7741, section 4.1).
const TICKS_PER_MS: u64 = 90;
/// The jitter is smoothed by this (RFC 3550, section 6.4.1).
const JITTER_SHARE: u64 = 16;

/// What had come at one moment, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, on the clock of the one who counts.
    pub at_ms: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes, with IP and UDP headers.
    pub link_bytes: u64,
    /// Packets that are missing.
    pub lost: u64,
    /// Jitter at that moment.
    pub jitter_ms: u64,
}

/// What one direction carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bits of the link a second.
    pub bps: u64,
    /// Packets lost, of a thousand.
    pub loss_permille: u64,
    /// Jitter at the end.
    pub jitter_ms: u64,
}

impl Reading {
    /// Between the end of the settling and the end of what counts, seen from the first packet.
    pub fn of(samples: &[Sample]) -> Reading {
        let Some(first) = samples.iter().find(|sample| sample.packets > 0) else {
            return Reading::default();
        };
        let within = |after: Millis| {
            let until = first.at_ms.saturating_add(after.0);
            samples.iter().rfind(|sample| sample.at_ms <= until)
        };
        let (Some(from), Some(to)) = (within(SETTLING), within(COUNTED_UNTIL)) else {
            return Reading::default();
        };
        let span_ms = to.at_ms.saturating_sub(from.at_ms);
        if span_ms < LEAST_COUNTED.0 {
            return Reading::default();
        }
        let grown = |of: fn(&Sample) -> u64| of(to).saturating_sub(of(from));
        let (came, lost) = (grown(|s| s.packets), grown(|s| s.lost));
        let all = came.saturating_add(lost);
        Reading {
            bps: grown(|s| s.link_bytes).saturating_mul(8_000) / span_ms,
            loss_permille: lost.saturating_mul(1_000).checked_div(all).unwrap_or(0),
            jitter_ms: to.jitter_ms,
        }
    }
}

/// Counts one stream.
#[derive(Debug, Default)]
pub struct Measurement {
    samples: Vec<Sample>,
    sampled: Option<Mono>,
    packets: u64,
    link_bytes: u64,
    /// First and highest sequence number.
    seqs: Option<(u64, u64)>,
    /// How long the newest packet was under way, in ticks of the video clock, from an unknown zero.
    transit: Option<u64>,
    /// Jitter in ticks, times `JITTER_SHARE`.
    jitter: u64,
}

impl Measurement {
    /// A datagram of the stream came.
    pub fn handle_carried(&mut self, link_bytes: u64) {
        self.link_bytes = self.link_bytes.saturating_add(link_bytes);
    }

    /// A packet of it came.
    pub fn handle_packet(&mut self, seq: u64, timestamp: u32, now: Mono) {
        self.packets += 1;
        let (first, highest) = self.seqs.unwrap_or((seq, seq));
        self.seqs = Some((first.min(seq), highest.max(seq)));
        self.note_transit(timestamp, now);
        if self.sampled.is_none() {
            self.sample(now);
        }
    }

    /// RFC 3550, section 6.4.1, in whole numbers: timestamps wrap, and so does what is kept.
    fn note_transit(&mut self, timestamp: u32, now: Mono) {
        const WRAP: u64 = 1 << 32;
        let arrived = now.micros().saturating_mul(TICKS_PER_MS) / 1_000 % WRAP;
        let transit = (arrived + WRAP - u64::from(timestamp)) % WRAP;
        if let Some(before) = self.transit.replace(transit) {
            let ahead = (transit + WRAP - before) % WRAP;
            let difference = ahead.min(WRAP - ahead);
            self.jitter = self.jitter - self.jitter / JITTER_SHARE + difference;
        }
    }

    /// Notes what had come, once the time for it has come.
    pub fn handle_timeout(&mut self, now: Mono) {
        let due = self.poll_timeout().is_some_and(|at| at <= now);
        if due && self.samples.len() < MAX_SAMPLES {
            self.sample(now);
        }
    }

    /// When the next note is due; `None` before the first packet and once enough was seen.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let first = self.samples.first()?.at_ms;
        let last = self.samples.last()?.at_ms;
        let counting = last < first + SENDING.0;
        self.sampled
            .filter(|_| counting)
            .map(|sampled| sampled + SAMPLE_EVERY)
    }

    fn sample(&mut self, now: Mono) {
        self.sampled = Some(now);
        self.samples.push(Sample {
            at_ms: now.millis().0,
            packets: self.packets,
            link_bytes: self.link_bytes,
            lost: self.lost(),
            jitter_ms: self.jitter / JITTER_SHARE / TICKS_PER_MS,
        });
    }

    fn lost(&self) -> u64 {
        self.seqs.map_or(0, |(first, highest)| {
            (highest - first + 1).saturating_sub(self.packets)
        })
    }

    /// What was noted.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 1,000 bytes each `every_us`, of which each `lose`th is lost, each late by
    /// `late_us` in turn.
    fn watch(every_us: u64, lose: u64, late_us: u64) -> Reading {
        let mut measurement = Measurement::default();
        let end = SENDING.0 * 1_000;
        for n in 0..end / every_us {
            let sent = n * every_us;
            let now = Mono::from_micros(sent + late_us * (n % 2));
            measurement.handle_timeout(now);
            if lose > 0 && n % lose == 0 && n > 0 {
                continue;
            }
            measurement.handle_carried(1_000);
            let timestamp = u32::try_from(sent * 90 / 1_000)
                .unwrap()
                .wrapping_sub(4_000);
            measurement.handle_packet(70_000 + n, timestamp, now);
        }
        for ms in SENDING.0..SENDING.0 + 400 {
            measurement.handle_timeout(Mono::from_millis(ms));
        }
        assert_eq!(measurement.poll_timeout(), None);
        Reading::of(measurement.samples())
    }

    fn is_near(value: u64, wanted: u64) -> bool {
        value.abs_diff(wanted) * 100 <= wanted * 3
    }

    #[test]
    fn a_steady_stream_is_read_as_it_is() {
        for every_us in [2_000, 8_000, 40_000] {
            let read = watch(every_us, 0, 0);
            let bps = 8_000 * 1_000_000 / every_us;
            assert!(is_near(read.bps, bps), "{bps}: {read:?}");
            assert_eq!((read.loss_permille, read.jitter_ms), (0, 0));
        }
    }

    #[test]
    fn what_is_lost_is_counted_and_not_carried() {
        let read = watch(2_000, 4, 0);
        assert!(is_near(read.bps, 3_000_000), "{read:?}");
        assert!(is_near(read.loss_permille, 250), "{read:?}");
    }

    #[test]
    fn packets_that_come_late_in_turn_have_that_jitter() {
        assert_eq!(watch(2_000, 0, 1_500).jitter_ms, 1);
        assert_eq!(watch(20_000, 0, 10_000).jitter_ms, 10);
    }

    #[test]
    fn a_stream_that_stops_or_never_comes_has_no_more_than_came() {
        assert_eq!(Reading::of(&[]), Reading::default());
        let at = |at_ms, link_bytes| Sample {
            at_ms,
            packets: 1,
            link_bytes,
            ..Sample::default()
        };
        // 100 kB in the first quarter of what counts, then silence.
        let stopped = [
            at(0, 1),
            at(1_000, 0),
            at(1_600, 100_000),
            at(3_500, 100_000),
        ];
        assert_eq!(Reading::of(&stopped).bps, 320_000);
        let short = [at(0, 1), at(1_000, 0), at(1_400, 100_000)];
        assert_eq!(Reading::of(&short), Reading::default());
    }

    #[test]
    fn samples_that_make_no_sense_break_nothing() {
        let wild = |at_ms, link_bytes| Sample {
            at_ms,
            packets: u64::MAX,
            link_bytes,
            lost: u64::MAX,
            jitter_ms: u64::MAX,
        };
        let back = [wild(u64::MAX, u64::MAX), wild(0, 0), wild(2_000, u64::MAX)];
        let _ = Reading::of(&back);
        let read = Reading::of(&[wild(0, 0), wild(1_000, 0), wild(3_000, u64::MAX)]);
        assert_eq!(read.loss_permille, 0);
    }
}
