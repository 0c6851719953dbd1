//! What the host is told to write, and when.

use super::*;

#[test]
fn what_came_is_handed_out_within_half_a_second_and_not_packet_by_packet() {
    let mut desk = Desk::sound();
    let (mut pieces, mut oldest) = (0, None);
    for ms in 0..10_000 {
        if ms % 20 == 0 {
            desk.recorder.handle_packet(KEY, &sound(ms / 20), at(ms));
            oldest = oldest.or(Some(ms));
        }
        if desk
            .recorder
            .poll_timeout()
            .is_some_and(|due| due <= at(ms).mono)
        {
            desk.recorder.handle_timeout(at(ms));
        }
        while let Some(output) = desk.recorder.poll_output() {
            if let Output::Append { bytes, .. } = output {
                pieces += 1;
                oldest = None;
                let _ = blocks::read(&bytes);
            }
        }
        assert!(
            oldest.is_none_or(|since| ms - since <= 500),
            "{oldest:?} at {ms}"
        );
    }
    assert!((19..=20).contains(&pieces), "{pieces}");
}

#[test]
fn large_frames_are_handed_out_at_once() {
    let mut desk = Desk::video();
    let mut packet = picture(0, true);
    let mut payload = packet.payload.to_vec();
    payload.resize(70_000, 7);
    packet.payload = Arc::from(payload);
    desk.packet(&packet, 0);
    assert!(desk.files[&1].len() > 70_000);
}

#[test]
fn a_file_cut_anywhere_shows_all_frames_up_to_there() {
    let mut desk = Desk::sound();
    for n in 0..400 {
        desk.packet(&sound(n), n * 20);
    }
    let desk = desk.stop(8_000);
    let bytes = &desk.files[&1];
    let whole = desk.file(1).blocks;
    for cut in 0..bytes.len() {
        let blocks = blocks::read(&bytes[..cut]).blocks;
        assert_eq!(blocks, whole[..blocks.len()]);
        assert!(
            blocks.len() * 21 + 700 > cut,
            "{} blocks in {cut} bytes",
            blocks.len()
        );
    }
}

#[test]
fn a_track_that_comes_back_or_may_be_recorded_again_gets_another_file_on_the_same_timeline() {
    let mut desk = Desk::sound();
    for n in 0..10 {
        desk.packet(&sound(n), n * 20);
    }
    desk.gate(false, 200);
    desk.gate(true, 1_000);
    for n in 50..60 {
        desk.packet(&sound(n), n * 20);
    }
    desk.recorder.handle_track_ended(KEY, at(1_300));
    desk.drain();
    assert_eq!(desk.closed, [1, 2]);
    desk.recorder
        .handle_track(KEY, facts("PA_2", TrackSource::Microphone));
    desk.packet(&sound(100), 2_000);
    assert_eq!(desk.files.len(), 2, "a new track has a closed gate");
    desk.gate(true, 3_000);
    desk.packet(&sound(200), 4_000);
    let desk = desk.stop(4_100);
    assert_eq!((desk.times(2)[0], desk.times(3)[0]), (1_000, 4_000));
    let who = desk
        .file(3)
        .tags
        .into_iter()
        .find(|(name, _)| name == "PARTICIPANT");
    assert_eq!(who.unwrap().1, "PA_2");
}

#[test]
fn an_end_keeps_all_that_came_and_a_withdrawal_nothing_that_was_not_handed_out() {
    let all = |end: fn(&mut Desk)| {
        let mut desk = Desk::sound();
        // A hole, and one behind it. Nothing but the head has been handed out.
        for n in [0, 1, 2, 4] {
            desk.packet(&sound(n), n * 20);
        }
        end(&mut desk);
        desk.drain();
        assert_eq!(desk.recorder.poll_timeout(), None);
        format!("{:?}", desk.numbers(1))
    };
    assert_eq!(
        all(|desk| desk.recorder.handle_stop(at(90))),
        "[0, 1, 2, 4]"
    );
    let ended = all(|desk| desk.recorder.handle_track_ended(KEY, at(90)));
    assert_eq!(ended, "[0, 1, 2, 4]");
    assert_eq!(all(|desk| desk.gate(false, 90)), "[]");
    assert_eq!(all(|desk| desk.recorder.handle_failed()), "[]");
}

#[test]
fn a_withdrawal_takes_back_what_nobody_has_fetched() {
    let mut desk = Desk::sound();
    for n in 0..100 {
        desk.recorder.handle_packet(KEY, &sound(n), at(n * 20));
    }
    desk.recorder.handle_gate(KEY, false, at(2_000));
    assert_eq!(desk.recorder.poll_output(), None, "as if it had never been");
}

#[test]
fn after_a_failure_nothing_is_written_whatever_comes() {
    let mut desk = Desk::sound();
    desk.packet(&sound(0), 0);
    desk.recorder.handle_failed();
    let before = desk.files.clone();
    for n in 1..200 {
        desk.packet(&sound(n), n * 20);
        desk.gate(n % 2 == 0, n * 20);
        desk.timeout(n * 20);
    }
    desk.recorder.handle_stop(at(5_000));
    desk.drain();
    assert_eq!((desk.files, desk.recorder.poll_timeout()), (before, None));
    assert_eq!(
        desk.closed,
        [1],
        "that it ends is told, for a disk that was only slow"
    );
}

#[test]
fn after_a_failure_it_goes_on_in_a_new_file_if_it_is_told_to() {
    let mut desk = Desk::sound();
    desk.packet(&sound(0), 0);
    desk.recorder.handle_failed();
    desk.gate(true, 20);
    desk.packet(&sound(1), 20);
    desk.recorder.handle_again();
    desk.packet(&sound(2), 40);
    desk.gate(true, 60);
    desk.packet(&sound(3), 60);
    desk.recorder.handle_stop(at(80));
    desk.drain();
    assert_eq!(format!("{:?}", desk.numbers(2)), "[3]");
    assert_eq!(desk.closed, [1, 2]);
}

#[test]
fn tracks_that_nobody_knows_and_keys_that_are_none_do_nothing() {
    let mut desk = Desk::new();
    for key in [0, 7, 4_096, usize::MAX] {
        let key = TrackKey(key);
        desk.recorder.handle_gate(key, true, at(0));
        desk.recorder.handle_packet(key, &sound(0), at(0));
        desk.recorder.handle_track_ended(key, at(0));
    }
    desk.recorder
        .handle_track(TrackKey(usize::MAX), facts("PA_1", TrackSource::Camera));
    desk.recorder.handle_gate(TrackKey(usize::MAX), true, at(0));
    assert_eq!(desk.recorder.poll_output(), None);
    assert_eq!(desk.recorder.stats().refused, 4);
}

#[test]
fn two_people_at_the_same_time_are_two_files() {
    let mut desk = Desk::new();
    for key in 0..2 {
        let who = ["PA_1", "PA_2"][key];
        desk.recorder
            .handle_track(TrackKey(key), facts(who, TrackSource::Microphone));
        desk.recorder.handle_gate(TrackKey(key), key == 1, at(0));
    }
    for n in 0..50 {
        for key in 0..2 {
            desk.recorder
                .handle_packet(TrackKey(key), &sound(n), at(n * 20));
        }
        desk.drain();
    }
    desk.recorder.handle_stop(at(1_000));
    desk.drain();
    assert_eq!(desk.files.len(), 1, "only one of them consents");
    let tags = desk.file(1).tags;
    assert!(tags.contains(&("PARTICIPANT".to_owned(), "PA_2".to_owned())));
    assert_eq!(desk.recorder.stats().refused, 50);
}
