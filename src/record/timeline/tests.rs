//! Sentences about time: one stream, or two of one sender, packet by packet.

use super::*;

const WALL_US: u64 = 1_790_000_000_000_000;

/// One stream of a sender, 50 packets a second, and where the timeline places them.
struct Play {
    timeline: Timeline,
    hz: u64,
    first_timestamp: u32,
    reported: Option<SenderTime>,
    /// What the sender's wall clock shows at 0.
    wall_us: u64,
    restarts: u64,
}

impl Play {
    fn new(hz: u32) -> Play {
        Play {
            timeline: Timeline::new(Mono::from_millis(7), hz),
            hz: u64::from(hz),
            first_timestamp: 4_000_000_000,
            reported: None,
            wall_us: WALL_US,
            restarts: 0,
        }
    }

    fn timestamp(&self, ms: u64) -> u32 {
        let ticks = u32::try_from(ms * self.hz / 1000).unwrap();
        self.first_timestamp.wrapping_add(ticks)
    }

    /// A report of the moment `ms` comes.
    fn report(&mut self, ms: u64) {
        self.reported = Some(SenderTime {
            wall_us: self.wall_us + ms * 1000,
            timestamp: self.timestamp(ms),
        });
    }

    /// What was captured at `ms` comes `delay_ms` later. Where is it?
    fn place(&mut self, ms: u64, delay_ms: u64, clock: &mut SenderClock) -> u64 {
        let seen = Sighting {
            timestamp: self.timestamp(ms),
            arrival: Mono::from_millis(7 + ms + delay_ms),
            reported: self.reported,
        };
        let placed = self.timeline.place(seen, clock);
        self.restarts += u64::from(placed.restarted);
        placed.at_ms
    }

    /// Packets from `from_ms` until `until_ms`, all with the same delay, with a report each second. The last place.
    fn steady(
        &mut self,
        (from_ms, until_ms): (u64, u64),
        delay: u64,
        clock: &mut SenderClock,
    ) -> u64 {
        let mut at = 0;
        for ms in (from_ms..until_ms).step_by(20) {
            if ms % 1000 == 0 {
                self.report(ms);
            }
            at = self.place(ms, delay, clock);
        }
        at
    }
}

#[test]
fn the_first_packet_lies_where_it_came_and_the_next_where_their_timestamps_say() {
    let (mut play, mut clock) = (Play::new(48_000), SenderClock::default());
    assert_eq!(play.place(1_000, 30, &mut clock), 1_030);
    // One that took longer is not placed later.
    assert_eq!(play.place(1_020, 70, &mut clock), 1_050);
    assert_eq!(play.place(1_080, 45, &mut clock), 1_110);
}

#[test]
fn a_first_packet_that_took_long_is_corrected_by_the_first_that_took_less() {
    let (mut play, mut clock) = (Play::new(48_000), SenderClock::default());
    assert_eq!(play.place(0, 100, &mut clock), 100);
    for ms in (20..10_000).step_by(20) {
        let at = play.place(ms, 20, &mut clock);
        assert!((ms + 19..=ms + 21).contains(&at), "{ms} at {at}");
    }
}

#[test]
fn after_its_first_second_a_stream_is_corrected_slowly() {
    let (mut play, mut clock) = (Play::new(48_000), SenderClock::default());
    play.steady((0, 1_140), 100, &mut clock);
    let mut last = 1_220;
    for ms in (1_140..10_000).step_by(20) {
        let at = play.place(ms, 20, &mut clock);
        assert!((18..=20).contains(&(at - last)), "{last} to {at}");
        last = at;
    }
    assert!((9_999..=10_001).contains(&last), "{last}");
}

#[test]
fn corrections_are_bounded_at_first_and_later() {
    let mut clock = SenderClock::default();
    let (mut sound, mut video) = (Play::new(48_000), Play::new(90_000));
    assert_eq!(sound.place(0, 0, &mut clock), 0);
    sound.report(0);
    sound.steady((0, 60_000), 0, &mut clock);
    // The picture takes 300 ms, and its first report comes after a second and a half.
    assert_eq!(video.place(60_000, 300, &mut clock), 60_300);
    let mut off = Vec::new();
    for ms in (60_020..100_000).step_by(20) {
        if ms == 61_500 {
            video.report(ms);
        }
        if ms == 80_000 {
            video.wall_us -= 100_000;
            video.report(ms);
        }
        sound.place(ms, 0, &mut clock);
        let at = video.place(ms, 300, &mut clock);
        if ms % 1_000 == 0 {
            off.push(i64::try_from(at).unwrap() - i64::try_from(ms).unwrap());
        }
    }
    // 50 ms a second for 10 s, then 5.
    for (second, expected) in [
        (0, 300),
        (1, 275),
        (3, 175),
        (6, 25),
        (8, 0),
        (18, 0),
        (20, -5),
        (28, -45),
    ] {
        let off = off[second];
        assert!(
            (off - expected).abs() <= 2,
            "second {second}: {off} ms, not {expected}"
        );
    }
    assert_eq!(video.restarts + sound.restarts, 0);
}

#[test]
fn timestamps_that_begin_anew_are_placed_by_arrival() {
    for jump in [-100_000_000_i32, -48_000, 48_000, 100_000_000] {
        let (mut play, mut clock) = (Play::new(48_000), SenderClock::default());
        play.report(0);
        play.steady((0, 5_000), 10, &mut clock);
        play.first_timestamp = play.first_timestamp.wrapping_add_signed(jump);
        assert_eq!(play.place(5_000, 10, &mut clock), 5_010, "{jump}");
        assert_eq!(play.place(5_020, 10, &mut clock), 5_030, "{jump}");
        assert_eq!(play.steady((5_040, 9_000), 10, &mut clock), 8_990, "{jump}");
        assert_eq!(play.restarts, 1, "{jump}");
    }
}

#[test]
fn timestamps_that_stood_still_while_nothing_was_sent_are_caught_up() {
    for (still_ms, reports, within_ms) in [
        (30_000, true, 20),
        (30_000, false, 20),
        (3_000, true, 1_020),
        (3_000, false, 2_040),
    ] {
        let (mut play, mut clock) = (Play::new(48_000), SenderClock::default());
        play.steady((if reports { 0 } else { 20 }, 900), 10, &mut clock);
        let back = u32::try_from(still_ms * 48).unwrap();
        play.first_timestamp = play.first_timestamp.wrapping_sub(back);
        let begin = 900 + still_ms;
        for ms in (begin..begin + 8_000).step_by(20) {
            if reports && ms % 1_000 == 0 {
                play.report(ms);
            }
            let at = play.place(ms, 10, &mut clock);
            if ms >= begin + within_ms {
                assert!(
                    at.abs_diff(ms + 10) <= 1,
                    "{still_ms} {reports}: {ms} at {at}"
                );
            }
        }
        assert_eq!(play.restarts, 1, "{still_ms} {reports}");
    }
}

#[test]
fn a_network_that_stands_still_for_a_while_moves_nothing() {
    for reports in [true, false] {
        let (mut play, mut clock) = (Play::new(48_000), SenderClock::default());
        play.steady((if reports { 0 } else { 20 }, 10_000), 10, &mut clock);
        // Three seconds come within a few milliseconds.
        for ms in (10_000..13_000).step_by(20) {
            let at = play.place(ms, 13_010 - ms, &mut clock);
            assert!(at.abs_diff(ms + 10) <= 3, "{ms} at {at}");
        }
        let at = play.steady((13_000, 20_000), 10, &mut clock);
        assert!(at.abs_diff(19_990) <= 3, "{at}");
        assert_eq!(play.restarts, 0);
    }
}

#[test]
fn a_senders_clock_that_jumps_moves_neither_of_their_streams() {
    for jump_us in [-3_600_000_000_i64, -600_000, 600_000, 3_600_000_000] {
        let mut clock = SenderClock::default();
        let (mut sound, mut video) = (Play::new(48_000), Play::new(90_000));
        let mut both = |from: u64, until: u64, sound: &mut Play, video: &mut Play| {
            for ms in (from..until).step_by(20) {
                if ms % 1_000 == 0 {
                    video.report(ms);
                }
                if ms % 5_000 == 0 {
                    sound.report(ms);
                }
                for (play, delay) in [(&mut *sound, 10), (video, 15)] {
                    let at = play.place(ms, delay, &mut clock);
                    assert!(at.abs_diff(ms + 10) <= 6, "{jump_us}: {ms} at {at}");
                }
            }
        };
        both(0, 12_000, &mut sound, &mut video);
        sound.wall_us = sound.wall_us.checked_add_signed(jump_us).unwrap();
        video.wall_us = sound.wall_us;
        both(12_000, 60_000, &mut sound, &mut video);
        assert!(
            sound.restarts + video.restarts <= 2,
            "counted, and not again and again"
        );
    }
}

#[test]
fn a_report_of_sound_that_had_waited_moves_neither_of_a_senders_streams() {
    let mut clock = SenderClock::default();
    let (mut sound, mut video) = (Play::new(48_000), Play::new(90_000));
    for ms in (0..120_000).step_by(20) {
        if ms % 1_000 == 0 {
            video.report(ms);
        }
        if ms % 5_000 == 0 {
            // Every fourth report is made while sound is sent that waited for 160 ms.
            let stall_ms = if ms % 20_000 == 15_000 { 160 } else { 0 };
            sound.wall_us += stall_ms * 1_000;
            sound.report(ms);
            sound.wall_us -= stall_ms * 1_000;
        }
        for (play, delay) in [(&mut sound, 10), (&mut video, 15)] {
            let at = play.place(ms, delay, &mut clock);
            assert!(at.abs_diff(ms + 10) <= 6, "{ms} at {at}");
        }
    }
    assert_eq!(sound.restarts + video.restarts, 0);
}

#[test]
fn another_layer_goes_on_where_the_first_one_was() {
    let mut clock = SenderClock::default();
    let mut play = Play::new(90_000);
    // The first second took 220 ms longer, so at 2 s there is still an error to be pulled out slowly.
    play.report(0);
    play.steady((0, 1_240), 220, &mut clock);
    let before = play.steady((1_240, 2_000), 20, &mut clock);
    assert!((2_150..2_170).contains(&before), "{before}");
    play.first_timestamp = 77;
    play.report(1_900);
    play.timeline.switch();
    let after = play.place(2_000, 20, &mut clock);
    assert!(after.abs_diff(before + 20) <= 1, "{before} then {after}");
    // One of which nothing is known lies where it comes, until its first report.
    play.steady((2_020, 30_000), 20, &mut clock);
    play.first_timestamp = 99;
    play.reported = None;
    play.timeline.switch();
    assert_eq!(play.place(30_000, 45, &mut clock), 30_045);
    let at = play.steady((30_020, 33_000), 20, &mut clock);
    assert!(at.abs_diff(33_000) <= 1, "{at}");
}

#[test]
fn reports_that_make_no_sense_move_nothing_and_break_nothing() {
    for wall_us in [0, 1, MAX_WALL_US - 1, MAX_WALL_US, u64::MAX] {
        for timestamp in [0, 1 << 31, u32::MAX] {
            let (mut play, mut clock) = (Play::new(48_000), SenderClock::default());
            play.reported = Some(SenderTime { wall_us, timestamp });
            for ms in (0..5_000).step_by(20) {
                let at = play.place(ms, 0, &mut clock);
                assert!(at.abs_diff(ms) <= 1, "{wall_us} {timestamp}: {ms} at {at}");
            }
            play.reported = Some(SenderTime {
                wall_us: wall_us / 2,
                timestamp: !timestamp,
            });
            for ms in (5_000..9_000).step_by(20) {
                let at = play.place(ms, 0, &mut clock);
                assert!(at.abs_diff(ms) <= 2, "{wall_us} {timestamp}: {ms} at {at}");
            }
        }
    }
}
