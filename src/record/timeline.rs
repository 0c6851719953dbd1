//! Where a packet lies on the recording's timeline. First by its arrival, then by the sender's own clocks.
//!
//! Three clocks are at work. A stream's RTP timestamps count its samples; a participant's wall clock, which
//! sender reports relate to the timestamps of each of their streams; and ours, in which the recording is
//! told. The first two are exact relative to each other, at each report. The third is related to the second by
//! what came fastest: of (arrival - sender's time) the smallest of the last seconds counts, since a network only
//! ever adds.
//!
//! A stream's place moves with its timestamps, and is pulled towards where the clocks say that it is, slowly
//! enough for nobody to see or hear. Only where that would take forever it is found anew.

use crate::base::{Millis, Mono};
use crate::media::SenderTime;

/// The smallest of one to two windows counts: long enough for a quick packet to be among them, short enough for a
/// clock that runs slower than ours (200 ppm are 2 ms in two windows), and to forget a report that was wrong.
const WINDOW_US: i64 = 5_000_000;
/// A stream that is this far from where it should be is no longer pulled: its timestamps or the sender's
/// clock have jumped.
const GROSS_US: i64 = 500_000;
/// So late a packet's timestamp has stood still while the sender sent nothing: no queue is that long.
const STALLED_US: i64 = 5_000_000;
/// A packet may be late by [`GROSS_US`] for so long: then it is not the network. Without reports…
const PATIENCE_US: i64 = 2_000_000;
/// … and with them, which come every 5 s at least (RFC 3550, 6.2) and will say where the stream is.
const PATIENCE_REPORTED_US: i64 = 6_000_000;
/// A stream's first packets come late: an encoder that starts, a keyframe that is paced. For so long its place
/// is where the fastest of them says, at once; later it is pulled.
const FINDING_US: i64 = 1_000_000;
/// How long a stream is pulled faster, after its beginning and after its first report.
const SETTLING: Millis = Millis::from_secs(10);
/// While it settles it is pulled by one part in 20 of the time that passes: 50 ms per second.
const SETTLING_PARTS: i64 = 20;
/// Afterwards by one in 200: 5 ms per second, twenty-five times the worst drift.
const SETTLED_PARTS: i64 = 200;
/// What a sender's wall clock may gain on its timestamps between two reports: crystals are off by 100 ppm each,
/// and twice as much may be reported.
const GAIN_PPM: i64 = 400;
/// Later than any true wall clock, and small enough to reckon with in nanoseconds.
const MAX_WALL_US: u64 = 1 << 52;

/// The smallest delay that was seen lately between two clocks: in the last whole window, and in the one since.
#[derive(Clone, Copy, Debug)]
struct Envelope {
    /// What to add to the sender's time.
    newest_us: i64,
    before_us: Option<i64>,
    /// When the newest window began.
    since_us: i64,
}

impl Envelope {
    const fn new(arrival_us: i64, offset_us: i64) -> Envelope {
        Envelope {
            newest_us: offset_us,
            before_us: None,
            since_us: arrival_us,
        }
    }

    fn observe(&mut self, arrival_us: i64, sender_us: i64) {
        let delay_us = arrival_us.saturating_sub(sender_us);
        if arrival_us - self.since_us >= WINDOW_US {
            self.before_us = Some(self.newest_us);
            self.newest_us = delay_us;
            self.since_us = arrival_us;
        }
        self.newest_us = self.newest_us.min(delay_us);
    }

    fn offset_us(&self) -> i64 {
        let before_us = self.before_us.unwrap_or(self.newest_us);
        self.newest_us.min(before_us)
    }
}

/// A participant's wall clock in terms of ours. Shared by all of their streams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SenderClock {
    envelope: Option<Envelope>,
    /// Counts the times that it jumped: what was known before means nothing.
    epoch: u32,
}

/// What a packet says of its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// Its RTP timestamp.
    pub(super) timestamp: u32,
    /// When it came.
    pub(super) arrival: Mono,
    /// The stream's newest sender report.
    pub(super) reported: Option<SenderTime>,
}

/// A moment of the stream in its sender's wall clock.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    wall_us: i64,
    ticks: i64,
    epoch: u32,
}

/// One stream, from its first packet.
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// Ticks of its timestamps per second.
    clock_hz: i64,
    /// Newest timestamp.
    last: u32,
    /// Timestamps since the place was found by arrival.
    ticks: i64,
    /// Where tick 0 lies, all corrections included.
    base_us: i64,
    /// Its own timestamps in terms of our clock: they count as long as there is no report.
    own: Envelope,
    /// Newest report that was looked at.
    report: Option<SenderTime>,
    anchor: Option<Anchor>,
    /// Until then its place is still looked for.
    finding_until_us: i64,
    settling_until_us: i64,
    /// Since when its packets have been late by [`GROSS_US`].
    late_since_us: Option<i64>,
    /// How far it still is from where it should be.
    error_us: i64,
}

impl Stream {
    fn new(seen: Sighting, arrival_us: i64, clock_hz: i64) -> Stream {
        Stream {
            clock_hz,
            last: seen.timestamp,
            ticks: 0,
            base_us: arrival_us,
            own: Envelope::new(arrival_us, arrival_us),
            report: seen.reported,
            anchor: None,
            finding_until_us: arrival_us + FINDING_US,
            settling_until_us: arrival_us + settling_us(),
            late_since_us: None,
            error_us: 0,
        }
    }

    const fn us(&self, ticks: i64) -> i64 {
        ticks * 1_000_000 / self.clock_hz
    }

    /// Where the newest packet lies.
    const fn at_us(&self) -> i64 {
        self.base_us + self.us(self.ticks)
    }

    /// What the newest report says, in the clock as it is known now.
    fn heard(&self, clock: &SenderClock) -> Option<Anchor> {
        let report = self.report.filter(|at| at.wall_us < MAX_WALL_US)?;
        Some(Anchor {
            wall_us: signed(report.wall_us),
            ticks: self.ticks + signed_difference(report.timestamp, self.last),
            epoch: clock.epoch,
        })
    }

    /// The sender's wall clock at the newest packet.
    const fn wall_us(&self, anchor: Anchor) -> i64 {
        anchor.wall_us + self.us(self.ticks - anchor.ticks)
    }

    /// The first packet lies where it came, unless more is known of its sender's clock. `before` is how far the
    /// stream before it was from its place.
    fn begin(&mut self, arrival_us: i64, before: Option<(i64, u32)>, clock: &mut SenderClock) {
        let Some(anchor) = self.heard(clock) else {
            return;
        };
        let wall_us = self.wall_us(anchor);
        let Some(envelope) = &mut clock.envelope else {
            clock.envelope = Some(Envelope::new(arrival_us, arrival_us - wall_us));
            self.anchor = Some(anchor);
            return;
        };
        if (wall_us + envelope.offset_us() - arrival_us).abs() > GROSS_US {
            // A report from before the timestamps stood still, perhaps. The next one will say.
            return;
        }
        envelope.observe(arrival_us, wall_us);
        let same_clock = before.filter(|(_, epoch)| *epoch == anchor.epoch);
        if let Some((error_us, _)) = same_clock {
            // It goes on where the one before it was.
            self.error_us = error_us;
            self.finding_until_us = arrival_us;
        }
        self.base_us = wall_us + envelope.offset_us() - self.error_us;
        self.anchor = Some(anchor);
    }

    /// True if the timestamps cannot be followed to here.
    fn is_lost(&mut self, arrival_us: i64, step_us: i64) -> bool {
        let late_us = arrival_us - self.at_us();
        if step_us < -GROSS_US || !(-GROSS_US..=STALLED_US).contains(&late_us) {
            return true;
        }
        if late_us <= GROSS_US {
            self.late_since_us = None;
            return false;
        }
        let patience_us = match self.anchor {
            Some(_) => PATIENCE_REPORTED_US,
            None => PATIENCE_US,
        };
        let since = *self.late_since_us.get_or_insert(arrival_us);
        arrival_us - since >= patience_us
    }

    /// The place is found anew, by arrival. The old report says nothing of the new timestamps.
    fn restart(&mut self, arrival_us: i64) {
        self.ticks = 0;
        self.base_us = arrival_us;
        self.own = Envelope::new(arrival_us, arrival_us);
        self.anchor = None;
        self.finding_until_us = arrival_us + FINDING_US;
        self.settling_until_us = arrival_us + settling_us();
        self.late_since_us = None;
        self.error_us = 0;
    }

    /// A new report: from now on it is what relates the timestamps to the sender's clock. True if something
    /// had jumped.
    fn on_report(&mut self, arrival_us: i64, clock: &mut SenderClock) -> bool {
        if self.anchor.is_none() {
            self.settling_until_us = arrival_us + settling_us();
        }
        self.late_since_us = None;
        let before = self.anchor;
        self.anchor = self
            .heard(clock)
            .map(|anchor| self.without_stall(anchor, before));
        let Some(anchor) = self.anchor else {
            return false;
        };
        let wall_us = self.wall_us(anchor);
        let known = clock.envelope.map(|envelope| envelope.offset_us());
        let agrees = known.filter(|offset| (arrival_us - wall_us - offset).abs() <= GROSS_US);
        if let Some(offset_us) = agrees {
            let error_us = wall_us + offset_us - self.at_us();
            let jumped = error_us.abs() > GROSS_US;
            // The sender's clock is what it was, so it is the timestamps that have jumped.
            self.base_us += if jumped { error_us } else { 0 };
            return jumped;
        }
        // The sender's clock has jumped, or is heard of for the first time: this stream goes on where it is, and
        // shows where the clock is. Others wait for their own next report.
        let jumped = known.is_some();
        clock.epoch = clock.epoch.wrapping_add(u32::from(jumped));
        clock.envelope = Some(Envelope::new(arrival_us, self.at_us() - wall_us));
        self.anchor = Some(Anchor {
            epoch: clock.epoch,
            ..anchor
        });
        jumped
    }

    /// Browsers report of sound when it is sent, not when it was heard: after a stall, of what waited, they
    /// report a moment that is later than the true one, never an earlier one. The report before knows better.
    fn without_stall(&self, anchor: Anchor, before: Option<Anchor>) -> Anchor {
        let Some(before) = before.filter(|before| before.epoch == anchor.epoch) else {
            return anchor;
        };
        let passed_us = self.us(anchor.ticks - before.ticks);
        let gained_us = passed_us.max(0) * GAIN_PPM / 1_000_000;
        let latest_us = before.wall_us.saturating_add(passed_us + gained_us);
        let later_us = anchor.wall_us.saturating_sub(latest_us);
        if !(1..=GROSS_US).contains(&later_us) {
            return anchor;
        }
        Anchor {
            wall_us: latest_us,
            ..anchor
        }
    }

    /// Pulls the stream towards where the clocks say that it is.
    fn pull(&mut self, arrival_us: i64, step_us: i64, clock: &mut SenderClock) {
        let own_us = self.us(self.ticks);
        self.own.observe(arrival_us, own_us);
        let target_us = match (self.anchor, &mut clock.envelope) {
            (Some(anchor), Some(envelope)) if anchor.epoch == clock.epoch => {
                let wall_us = self.wall_us(anchor);
                envelope.observe(arrival_us, wall_us);
                wall_us + envelope.offset_us()
            }
            // Its report is of a clock that is no more: it goes on by its timestamps until the next one.
            (Some(_), _) => return,
            (None, _) => own_us + self.own.offset_us(),
        };
        let parts = if arrival_us < self.settling_until_us {
            SETTLING_PARTS
        } else {
            SETTLED_PARTS
        };
        let most_us = step_us.max(0) / parts;
        let error_us = target_us - self.at_us();
        let finds = arrival_us < self.finding_until_us;
        let least_us = if finds {
            error_us.min(-most_us)
        } else {
            -most_us
        };
        let pulled_us = error_us.clamp(least_us, most_us);
        self.base_us += pulled_us;
        self.error_us = error_us - pulled_us;
    }
}

/// The places of one track's packets.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    origin: Mono,
    clock_hz: i64,
    stream: Option<Stream>,
    /// How far the stream before this one was from its place, and in which epoch of the sender's clock: so that
    /// a switch of layer is no jump.
    before: Option<(i64, u32)>,
}

impl Timeline {
    /// Of a track whose timestamps count `clock_hz`, in a recording that began at `origin`.
    pub(super) fn new(origin: Mono, clock_hz: u32) -> Timeline {
        Timeline {
            origin,
            clock_hz: i64::from(clock_hz.max(1)),
            stream: None,
            before: None,
        }
    }

    /// Another stream of the same track comes next.
    pub(super) fn switch(&mut self) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        self.before = stream.anchor.map(|anchor| (stream.error_us, anchor.epoch));
    }

    /// Where this packet lies. To be asked in the order of the sender, for the first packet of each frame.
    pub(super) fn place(&mut self, seen: Sighting, clock: &mut SenderClock) -> Placed {
        let arrival_us = signed(seen.arrival.micros()) - signed(self.origin.micros());
        let Some(stream) = &mut self.stream else {
            let mut stream = Stream::new(seen, arrival_us, self.clock_hz);
            stream.begin(arrival_us, self.before.take(), clock);
            self.stream = Some(stream);
            return Placed::new(stream.at_us(), false);
        };
        let step = signed_difference(seen.timestamp, stream.last);
        let step_us = stream.us(step);
        stream.last = seen.timestamp;
        stream.ticks += step;
        let mut restarted = stream.is_lost(arrival_us, step_us);
        if restarted {
            stream.restart(arrival_us);
        }
        if seen.reported != stream.report {
            stream.report = seen.reported;
            restarted |= stream.on_report(arrival_us, clock);
        }
        stream.pull(arrival_us, step_us, clock);
        Placed::new(stream.at_us(), restarted)
    }
}

/// Where a packet lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Milliseconds from the origin.
    pub(super) at_ms: u64,
    /// True if a clock had jumped.
    pub(super) restarted: bool,
}

impl Placed {
    fn new(at_us: i64, restarted: bool) -> Placed {
        let at_ms = u64::try_from(at_us / 1000).unwrap_or(0);
        Placed { at_ms, restarted }
    }
}

fn settling_us() -> i64 {
    signed(SETTLING.0 * 1000)
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// `a - b` on the circle of 32 bits.
fn signed_difference(a: u32, b: u32) -> i64 {
    i64::from(a.wrapping_sub(b).cast_signed())
}

#[cfg(test)]
mod tests;
