//! Keeps the sound of a finished file where its times say that it is.
//!
//! Players that show pictures by time and play sound by counting samples drift apart wherever the
//! sound has a gap. Chromium is one (measured with 156: a pause of 3 s in a WebM's Opus brings all
//! sound after it 3 s early; a track whose times run 1 % faster than its samples sounds as if they
//! did not). So in finished files, not in segments, gaps are filled with packets that sound like
//! nothing; and where a sender's clock runs fast, a packet is left out now and then, a quiet one if
//! there is one. The manifest says how much was done. A gap in a video needs nothing: the last
//! picture stays.

use super::opus;

/// A gap is filled in steps of this.
const STEP_US: u64 = 20_000;
/// Sound may be early by this much before any packet is left out.
const MAX_EARLY_US: u64 = 25_000;
/// Sound may be early by this much before a quiet packet is left out.
const QUIET_EARLY_US: u64 = 10_000;
/// A packet of this size holds a pause or very little.
const QUIET_BYTES: usize = 8;
/// So long a gap may be a pause of speech (a sender without voice sends each 400 ms); after that
/// there is silence.
const PAUSE_US: u64 = 400_000;

/// One track's sound, by the clock of its samples.
#[derive(Clone, Debug, Default)]
pub(super) struct AudioFill {
    /// Up to where there is sound.
    sounds_until_us: Option<u64>,
    /// Where the gap began that is being filled.
    gap_from_us: u64,
    /// The newest packet's first byte.
    toc: Vec<u8>,
    filled_us: u64,
    dropped_us: u64,
}

/// What to do before a packet is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Write this first, then ask again.
    Fill { at_ms: u64, packet: Vec<u8> },
    /// Write it.
    Write,
    /// Leave it out.
    Drop,
}

impl AudioFill {
    /// A packet of this time comes next.
    pub fn advise(&mut self, at_ms: u64, packet: &[u8]) -> Advice {
        let at_us = at_ms.saturating_mul(1000);
        let until = *self.sounds_until_us.get_or_insert(at_us);
        if at_us.saturating_sub(until) >= STEP_US {
            return self.fill(until, at_us);
        }
        let early = until.saturating_sub(at_us);
        let quiet = packet.len() <= QUIET_BYTES;
        let lasts = opus::duration_us(packet).unwrap_or(0);
        if early >= MAX_EARLY_US || (quiet && early >= QUIET_EARLY_US.max(lasts / 2)) {
            self.dropped_us += lasts;
            return Advice::Drop;
        }
        self.sounds_until_us = Some(until.saturating_add(lasts));
        self.gap_from_us = until.saturating_add(lasts);
        self.toc.clear();
        self.toc.extend(packet.first());
        Advice::Write
    }

    /// When to write something, if the next packet is of this time: it, or what fills the gap
    /// before it.
    pub fn due_ms(&self, at_ms: u64) -> u64 {
        match self.sounds_until_us {
            Some(until) if at_ms.saturating_mul(1000).saturating_sub(until) >= STEP_US => {
                until / 1000
            }
            Some(_) | None => at_ms,
        }
    }

    fn fill(&mut self, until: u64, at_us: u64) -> Advice {
        let pause = opus::pause(&self.toc);
        let lasts = opus::duration_us(&pause).unwrap_or(u64::MAX);
        let fits = lasts <= at_us - until && until - self.gap_from_us < PAUSE_US;
        let (packet, lasts) = if fits {
            (pause, lasts)
        } else {
            (opus::silence(&self.toc), STEP_US)
        };
        self.filled_us += lasts;
        self.sounds_until_us = Some(until.saturating_add(lasts));
        let at_ms = until / 1000;
        Advice::Fill { at_ms, packet }
    }

    /// Milliseconds that were filled so far.
    pub const fn filled_ms(&self) -> u64 {
        self.filled_us / 1000
    }

    /// Milliseconds of packets that were left out so far.
    pub const fn dropped_ms(&self) -> u64 {
        self.dropped_us / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOICE: [u8; 40] = [0x78; 40];

    /// Plays packets at these times; returns when each one sounds, and what was filled in.
    fn play(times: impl IntoIterator<Item = u64>) -> (Vec<(u64, u64)>, AudioFill) {
        let mut audio_fill = AudioFill::default();
        let mut heard = Vec::new();
        let mut clock_us = None;
        for at_ms in times {
            let clock = clock_us.get_or_insert(at_ms * 1000);
            loop {
                match audio_fill.advise(at_ms, &VOICE) {
                    Advice::Fill { at_ms, packet } => {
                        assert!(clock.abs_diff(at_ms * 1000) < 1000);
                        *clock += opus::duration_us(&packet).unwrap();
                    }
                    Advice::Write => {
                        heard.push((at_ms, *clock / 1000));
                        *clock += 20_000;
                        break;
                    }
                    Advice::Drop => break,
                }
            }
        }
        (heard, audio_fill)
    }

    fn worst(heard: &[(u64, u64)]) -> u64 {
        let off = heard.iter().map(|(at, sounds)| at.abs_diff(*sounds));
        off.max().unwrap_or(0)
    }

    #[test]
    fn sound_without_gaps_is_left_alone() {
        let (heard, audio_fill) = play((0..500).map(|n| 7 + 20 * n));
        assert_eq!(
            (heard.len(), audio_fill.filled_ms(), audio_fill.dropped_ms()),
            (500, 0, 0)
        );
    }

    #[test]
    fn sound_after_many_odd_gaps_is_where_it_belongs() {
        let mut at = 0;
        let times = (0..300).map(|n| {
            at += 20 + if n % 3 == 0 { 333 * (n % 11) } else { 0 };
            at
        });
        let (heard, audio_fill) = play(times);
        assert_eq!((heard.len(), audio_fill.dropped_ms()), (300, 0));
        assert!(worst(&heard) < 20, "{}", worst(&heard));
    }

    #[test]
    fn clocks_that_run_fast_or_slow_are_followed() {
        for ppm in [-2_000_i64, -200, 200, 2_000] {
            let times = (0..30_000_i64).map(|n| {
                let at = 20 * n + 20 * n * ppm / 1_000_000;
                u64::try_from(at).unwrap()
            });
            let (heard, audio_fill) = play(times);
            assert!(worst(&heard) <= 25, "{ppm}: {}", worst(&heard));
            let done = audio_fill.filled_ms() + audio_fill.dropped_ms();
            let drift = u64::try_from(600_000 * ppm.abs() / 1_000_000).unwrap();
            assert!(done.abs_diff(drift) <= 40, "{ppm}: {done} of {drift}");
        }
    }

    #[test]
    fn a_long_gap_fades_out_and_is_silent_then() {
        let mut audio_fill = AudioFill::default();
        assert_eq!(audio_fill.advise(0, &VOICE), Advice::Write);
        let mut packets = Vec::new();
        while let Advice::Fill { packet, .. } = audio_fill.advise(3_020, &VOICE) {
            packets.push(packet);
        }
        assert_eq!(packets.len(), 150);
        assert_eq!(packets[0], [0x78]);
        assert_eq!(packets[149], [0xf8, 0xff, 0xfe]);
        assert_eq!(packets.iter().filter(|p| p.len() == 1).count(), 20);
    }
}
