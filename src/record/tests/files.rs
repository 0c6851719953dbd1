//! What the host is told to write, and when.

use super::*;

#[test]
fn what_came_is_handed_out_within_half_a_second_and_not_packet_by_packet() {
    let mut rig = Rig::sound();
    let (mut pieces, mut oldest) = (0, None);
    for ms in 0..10_000 {
        if ms % 20 == 0 {
            rig.recorder.handle_packet(KEY, &sound(ms / 20), at(ms));
            oldest = oldest.or(Some(ms));
        }
        if rig
            .recorder
            .poll_timeout()
            .is_some_and(|due| due <= at(ms).mono)
        {
            rig.recorder.handle_timeout(at(ms));
        }
        while let Some(output) = rig.recorder.poll_output() {
            if let Output::Append { bytes, .. } = output {
                pieces += 1;
                oldest = None;
                let _ = segment::read(&bytes);
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
    let mut rig = Rig::video();
    let mut packet = picture(0, true);
    let mut payload = packet.payload.to_vec();
    payload.resize(70_000, 7);
    packet.payload = Arc::from(payload);
    rig.packet(&packet, 0);
    assert!(rig.files[&1].len() > 70_000);
}

#[test]
fn a_file_cut_anywhere_shows_all_frames_up_to_there() {
    let mut rig = Rig::sound();
    for n in 0..400 {
        rig.packet(&sound(n), n * 20);
    }
    let rig = rig.stop(8_000);
    let bytes = &rig.files[&1];
    let whole = rig.file(1).blocks;
    for cut in 0..bytes.len() {
        let blocks = segment::read(&bytes[..cut]).blocks;
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
    let mut rig = Rig::sound();
    for n in 0..10 {
        rig.packet(&sound(n), n * 20);
    }
    rig.gate(false, 200);
    rig.gate(true, 1_000);
    for n in 50..60 {
        rig.packet(&sound(n), n * 20);
    }
    rig.recorder.handle_track_ended(KEY, at(1_300));
    rig.drain();
    assert_eq!(rig.closed, [1, 2]);
    rig.recorder
        .handle_track(KEY, facts("PA_2", TrackSource::Microphone));
    rig.packet(&sound(100), 2_000);
    assert_eq!(rig.files.len(), 2, "a new track has a closed gate");
    rig.gate(true, 3_000);
    rig.packet(&sound(200), 4_000);
    let rig = rig.stop(4_100);
    assert_eq!((rig.times(2)[0], rig.times(3)[0]), (1_000, 4_000));
    let who = rig
        .file(3)
        .tags
        .into_iter()
        .find(|(name, _)| name == "PARTICIPANT");
    assert_eq!(who.unwrap().1, "PA_2");
}

#[test]
fn an_end_keeps_all_that_came_and_a_withdrawal_nothing_that_was_not_handed_out() {
    let all = |end: fn(&mut Rig)| {
        let mut rig = Rig::sound();
        // A hole, and one behind it. Nothing but the head has been handed out.
        for n in [0, 1, 2, 4] {
            rig.packet(&sound(n), n * 20);
        }
        end(&mut rig);
        rig.drain();
        assert_eq!(rig.recorder.poll_timeout(), None);
        format!("{:?}", rig.numbers(1))
    };
    assert_eq!(all(|rig| rig.recorder.handle_stop(at(90))), "[0, 1, 2, 4]");
    let ended = all(|rig| rig.recorder.handle_track_ended(KEY, at(90)));
    assert_eq!(ended, "[0, 1, 2, 4]");
    assert_eq!(all(|rig| rig.gate(false, 90)), "[]");
    assert_eq!(all(|rig| rig.recorder.handle_failed()), "[]");
}

#[test]
fn a_withdrawal_takes_back_what_nobody_has_fetched() {
    let mut rig = Rig::sound();
    for n in 0..100 {
        rig.recorder.handle_packet(KEY, &sound(n), at(n * 20));
    }
    rig.recorder.handle_gate(KEY, false, at(2_000));
    assert_eq!(rig.recorder.poll_output(), None, "as if it had never been");
}

#[test]
fn after_a_failure_nothing_is_written_whatever_comes() {
    let mut rig = Rig::sound();
    rig.packet(&sound(0), 0);
    rig.recorder.handle_failed();
    let before = rig.files.clone();
    for n in 1..200 {
        rig.packet(&sound(n), n * 20);
        rig.gate(n % 2 == 0, n * 20);
        rig.timeout(n * 20);
    }
    rig.recorder.handle_stop(at(5_000));
    rig.drain();
    assert_eq!((rig.files, rig.recorder.poll_timeout()), (before, None));
    assert_eq!(
        rig.closed,
        [1],
        "that it ends is told, for a disk that was only slow"
    );
}

#[test]
fn after_a_failure_it_goes_on_in_a_new_file_if_it_is_told_to() {
    let mut rig = Rig::sound();
    rig.packet(&sound(0), 0);
    rig.recorder.handle_failed();
    rig.gate(true, 20);
    rig.packet(&sound(1), 20);
    rig.recorder.handle_again();
    rig.packet(&sound(2), 40);
    rig.gate(true, 60);
    rig.packet(&sound(3), 60);
    rig.recorder.handle_stop(at(80));
    rig.drain();
    assert_eq!(format!("{:?}", rig.numbers(2)), "[3]");
    assert_eq!(rig.closed, [1, 2]);
}

#[test]
fn tracks_that_nobody_knows_and_keys_that_are_none_do_nothing() {
    let mut rig = Rig::new();
    for key in [0, 7, 4_096, usize::MAX] {
        let key = TrackKey(key);
        rig.recorder.handle_gate(key, true, at(0));
        rig.recorder.handle_packet(key, &sound(0), at(0));
        rig.recorder.handle_track_ended(key, at(0));
    }
    rig.recorder
        .handle_track(TrackKey(usize::MAX), facts("PA_1", TrackSource::Camera));
    rig.recorder.handle_gate(TrackKey(usize::MAX), true, at(0));
    assert_eq!(rig.recorder.poll_output(), None);
    assert_eq!(rig.recorder.stats().refused, 4);
}

#[test]
fn two_people_at_the_same_time_are_two_files() {
    let mut rig = Rig::new();
    for key in 0..2 {
        let who = ["PA_1", "PA_2"][key];
        rig.recorder
            .handle_track(TrackKey(key), facts(who, TrackSource::Microphone));
        rig.recorder.handle_gate(TrackKey(key), key == 1, at(0));
    }
    for n in 0..50 {
        for key in 0..2 {
            rig.recorder
                .handle_packet(TrackKey(key), &sound(n), at(n * 20));
        }
        rig.drain();
    }
    rig.recorder.handle_stop(at(1_000));
    rig.drain();
    assert_eq!(rig.files.len(), 1, "only one of them consents");
    let tags = rig.file(1).tags;
    assert!(tags.contains(&("PARTICIPANT".to_owned(), "PA_2".to_owned())));
    assert_eq!(rig.recorder.stats().refused, 50);
}
