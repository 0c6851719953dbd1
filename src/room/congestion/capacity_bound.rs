//! What an uplink has shown to carry at most: the evidence of a shortage that its publisher has bent
//! to. A publisher's congestion control backs off to what the link carries; then nothing is lost and
//! nothing waits, and the link is as narrow as before.

use crate::base::{Bitrate, Millis, Mono};

/// A publisher's controller fills the queue every few seconds and drains it in between: fillings no
/// further apart count together.
const PRESSED: Millis = Millis::from_secs(6);
/// Pressed for so long while too little came, a link has shown what it carries: all of the last second
/// came while it was full, and no jitter, keyframe or hand-over lasts as long.
const SHOWN_AFTER: Millis = Millis::from_secs(1);
/// So many hundredths of the bound refute it: what comes in a second wavers, with keyframes and with
/// a queue that drains, by less.
const MORE_PERCENT: u64 = 120;

/// One look at the uplink.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// What came in the last second.
    pub(super) received: Bitrate,
    /// What would be enough: for the floor, or for the demand where that is less.
    pub(super) needed: Bitrate,
    /// Packets are lost in numbers, or wait in a queue.
    pub(super) pressed: bool,
}

/// The bound of one uplink.
#[derive(Clone, Debug, Default)]
pub(super) struct CapacityBound {
    /// When it was pressed last while too little came, and whether the last look was such a one.
    pressed: Option<(Mono, bool)>,
    /// For how long it was, in fillings no further apart than [`PRESSED`].
    pressed_for: Millis,
    /// The most that came while it was.
    most: Option<Bitrate>,
}

impl CapacityBound {
    /// True while the link carries less than is needed, by what it has shown.
    pub(super) fn handle_look(&mut self, look: Look, now: Mono) -> bool {
        let carries = |most: Bitrate| look.received >= most.percent(MORE_PERCENT);
        if look.received >= look.needed {
            // The floor is carried, or all that is asked for.
            *self = CapacityBound::default();
        } else if look.pressed {
            self.on_pressed(look.received, now);
        } else if self.most.is_some_and(carries) {
            *self = CapacityBound::default();
        } else if let Some((_, running)) = &mut self.pressed {
            *running = false;
        }
        self.most.is_some()
    }

    fn on_pressed(&mut self, received: Bitrate, now: Mono) {
        match self.pressed {
            Some((before, true)) => self.pressed_for += now.since(before),
            Some((before, false)) if now.since(before) <= PRESSED => {}
            Some(_) | None => self.pressed_for = Millis::ZERO,
        }
        self.pressed = Some((now, true));
        if self.pressed_for >= SHOWN_AFTER {
            // A link that carries still less for a while does not carry the floor once that is over:
            // the bound rises with what comes, and falls only with its end.
            self.most = self.most.max(Some(received));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For how long, what comes, and `#` where it is pressed.
    type Stretch = (u64, u64, char);

    /// Looks ten times a second while 950 kbit/s are needed; the times, in milliseconds, from which on
    /// a bound holds or does not any more.
    fn story(stretches: &[Stretch]) -> Vec<u64> {
        let mut bound = CapacityBound::default();
        let (mut at, mut held, mut changes) = (0, false, Vec::new());
        for (ms, kbps, pressed) in stretches {
            for _ in 0..ms / 100 {
                let look = Look {
                    received: Bitrate::kbps(*kbps),
                    needed: Bitrate::kbps(950),
                    pressed: *pressed == '#',
                };
                let now_held = bound.handle_look(look, Mono::from_millis(at));
                if now_held != held {
                    changes.push(at);
                    held = now_held;
                }
                at += 100;
            }
        }
        changes
    }

    #[test]
    fn what_is_shown_holds_until_it_is_refuted() {
        let cases: [(&str, &[Stretch], &[u64]); 10] = [
            ("never pressed", &[(60_000, 150, '.')], &[]),
            ("a moment", &[(900, 150, '#'), (60_000, 150, '.')], &[]),
            (
                "a second",
                &[(1_100, 400, '#'), (60_000, 150, '.')],
                &[1_000],
            ),
            (
                "in fillings",
                &[(600, 400, '#'), (5_900, 300, '.'), (600, 400, '#')],
                &[7_000],
            ),
            (
                "in fillings too far apart",
                &[(600, 400, '#'), (6_000, 300, '.'), (600, 400, '#')],
                &[],
            ),
            (
                "up to a fifth more is the same",
                &[(1_100, 400, '#'), (9_900, 479, '.'), (100, 480, '.')],
                &[1_000, 11_000],
            ),
            (
                "a later filling with more raises it",
                &[
                    (1_100, 400, '#'),
                    (900, 450, '#'),
                    (9_000, 530, '.'),
                    (100, 540, '.'),
                ],
                &[1_000, 11_000],
            ),
            (
                "a later filling with less does not lower it",
                &[
                    (1_100, 400, '#'),
                    (900, 200, '#'),
                    (9_000, 479, '.'),
                    (100, 480, '.'),
                ],
                &[1_000, 11_000],
            ),
            (
                "the floor, or all that is asked for, comes",
                &[
                    (1_100, 900, '#'),
                    (900, 949, '.'),
                    (100, 950, '#'),
                    (9_000, 900, '.'),
                ],
                &[1_000, 2_000],
            ),
            (
                "what is refuted must be shown anew",
                &[
                    (1_100, 400, '#'),
                    (900, 500, '.'),
                    (1_000, 500, '#'),
                    (100, 500, '#'),
                ],
                &[1_000, 1_100, 3_000],
            ),
        ];
        for (name, stretches, changes) in cases {
            assert_eq!(story(stretches), changes, "{name}");
        }
    }
}
