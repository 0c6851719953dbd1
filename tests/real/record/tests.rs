//! The analysis of footage is right about files whose truth is known.

use super::footage::{Footage, TONES_HZ, median};
use crate::place::{self, Folder};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Length of the files, in seconds.
const LENGTH_S: u32 = 8;
/// Times in Matroska are whole milliseconds, and a beep's onset is that of its mean's middle.
const EXACT_S: f64 = 0.002;
/// ffmpeg 5 writes Opus by its 6.5 ms of lead-in early.
const OPUS_S: f64 = 0.010;

/// The pattern as a graph of ffmpeg's filters: blue ground, bar, flash, clock.
fn picture() -> String {
    let mut graph = format!(
        "color=c=0x0000ff:s=480x270:r=20:d={LENGTH_S},\
         drawbox=x='mod(t*200,480)':y=0:w=40:h=203:t=fill:color=0x303030,\
         drawbox=y=0:h=203:w=480:x=0:t=fill:color=white:enable='lt(mod(t+0.001,1),0.1)',\
         drawbox=x=0:y=203:w=480:h=67:t=fill:color=black"
    );
    for bit in 0..16 {
        let _ = write!(
            graph,
            ",drawbox=x={}:y=203:w=30:h=67:t=fill:color=white:\
             enable='gt(mod(floor((floor(t*20+0.01)+5)/pow(2,{bit})),2),0.5)'",
            bit * 30
        );
    }
    graph
}

/// A file whose beeps come so long after its flashes, with more of ffmpeg's arguments.
fn made(folder: &Folder, name: &str, delay_s: f64, more: &[&str]) -> PathBuf {
    let sound = format!(
        "aevalsrc='0.4*sin(2*PI*1000*t)*lt(mod(t-{delay_s},1),0.1)*gte(t,{delay_s})':s=48000:d={LENGTH_S}"
    );
    let file = folder.join(name);
    let mut ffmpeg = Command::new(place::ffmpeg());
    ffmpeg.args(["-y", "-v", "error", "-f", "lavfi", "-i", &picture()]);
    ffmpeg.args(["-f", "lavfi", "-i", &sound]);
    ffmpeg.args("-c:v libvpx -b:v 600k -g 60 -deadline realtime -cpu-used 8".split(' '));
    ffmpeg.args(["-avoid_negative_ts", "disabled"]).args(more);
    let done = ffmpeg.arg(&file).output().expect("ffmpeg runs");
    assert!(done.status.success(), "{done:?}");
    file
}

#[test]
fn the_distance_of_beeps_from_flashes_is_measured_to_two_milliseconds() {
    let folder = Folder::new();
    for delay_ms in [0_u32, 35, 120] {
        let delay_s = f64::from(delay_ms) / 1000.0;
        let file = made(
            &folder,
            &format!("{delay_ms}.mkv"),
            delay_s,
            &["-c:a", "flac"],
        );
        let footage = Footage::read(file);
        footage.check();
        let offsets = footage.offsets_s(1_000);
        assert!(offsets.len() >= 7, "{offsets:?}");
        for (flash_s, offset_s) in offsets {
            let wrong = (offset_s - delay_s).abs();
            assert!(
                wrong <= EXACT_S,
                "{delay_ms} ms: {offset_s} s at {flash_s} s"
            );
        }
    }
}

#[test]
fn a_gap_in_the_sound_is_found_and_shifts_nothing_after_it() {
    let folder = Folder::new();
    let gap = [
        "-c:a",
        "libopus",
        "-bsf:a",
        "noise=drop=between(n\\,165\\,230)",
    ];
    let footage = Footage::read(made(&folder, "gap.mkv", 0.0, &gap));
    footage.check();
    let [sound] = footage.tracks("audio")[..] else {
        panic!("one track of sound: {footage:?}");
    };
    let gaps = sound.0["gaps_s"].to_string();
    assert!(
        gaps.starts_with("[[3.2") && gaps.matches('[').count() == 2,
        "{gaps}"
    );
    let beeps = sound.beeps_s(1_000);
    let missing = beeps.iter().any(|beep| (beep - 4.0).abs() < 0.1);
    assert!(!missing && beeps.len() >= 6, "{beeps:?}");
    let after = footage
        .offsets_s(1_000)
        .into_iter()
        .filter(|one| one.0 > 4.6);
    let after: Vec<f64> = after.map(|one| one.1).collect();
    assert!(after.len() >= 3, "{after:?}");
    assert!(median(after.into_iter()).abs() <= OPUS_S, "{footage:?}");
}

#[test]
fn it_is_told_who_is_seen_and_heard_when_and_where_the_picture_stands() {
    let folder = Folder::new();
    let frozen = [
        "-c:a",
        "flac",
        "-bsf:v",
        "noise=drop=between(pts*tb\\,4.05\\,5.9)*not(key)",
    ];
    let footage = Footage::read(made(&folder, "frozen.mkv", 0.0, &frozen));
    assert_eq!(footage.colours(), ["003"], "blue is seen");
    assert_eq!(footage.tones(), ["1000"], "one is heard");
    let [picture] = footage.tracks("video")[..] else {
        panic!("one picture: {footage:?}");
    };
    let frozen = picture.frozen_s();
    let [(from, to)] = frozen[..] else {
        panic!("one stretch: {frozen:?}");
    };
    assert!(
        (from - 4.0).abs() < 0.06 && (to - 5.95).abs() < 0.06,
        "{frozen:?}"
    );
    // The clock began with 5 ticks of 50 ms.
    let shows_s = picture.shows_s().unwrap_or_default();
    assert!(
        (shows_s - picture.last_s() - 0.25).abs() < 0.01,
        "{footage:?}"
    );
    // The one after the gap lacks its ground.
    assert!(picture.0["unread"].as_u64() <= Some(1), "{footage:?}");
}

/// A file of this sound alone, a function of `t`, for three seconds.
fn sounding(folder: &Folder, name: &str, sound: &str) -> PathBuf {
    let file = folder.join(name);
    let source = format!("aevalsrc='{sound}':s=48000:d=3");
    let mut ffmpeg = Command::new(place::ffmpeg());
    ffmpeg.args(["-y", "-v", "error", "-f", "lavfi", "-i", &source]);
    let done = ffmpeg.args(["-c:a", "flac"]).arg(&file).output();
    let done = done.expect("ffmpeg runs");
    assert!(done.status.success(), "{done:?}");
    file
}

#[test]
fn a_beep_that_clips_is_heard_as_its_own_tone_alone() {
    let folder = Folder::new();
    let files = TONES_HZ.map(|hz| {
        // What an Opus decoder makes of a file's first frames: it swells, and is cut off.
        let sound = format!("clip((4-30*mod(t,1))*sin(2*PI*{hz}*t),-1,1)*lt(mod(t,1),0.1)");
        sounding(&folder, &format!("{hz}.mkv"), &sound)
    });
    for (footage, hz) in Footage::of(&files).iter().zip(TONES_HZ) {
        assert_eq!(footage.tones(), [hz.to_string()]);
    }
}

#[test]
fn a_quiet_tone_below_a_loud_one_is_heard_as_well() {
    let folder = Folder::new();
    let sound = "(0.8*sin(2*PI*1700*t)+0.06*sin(2*PI*1000*t))*lt(mod(t,1),0.1)";
    let footage = Footage::read(sounding(&folder, "both.mkv", sound));
    assert_eq!(footage.tones(), ["1000", "1700"]);
}

#[test]
fn a_file_that_ends_in_the_middle_of_a_frame_has_problems() {
    let folder = Folder::new();
    let whole = made(&folder, "whole.mkv", 0.0, &["-c:a", "flac"]);
    let bytes = std::fs::read(&whole).expect("the file is there");
    let cut = folder.join("cut.mkv");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("half of it is written");
    let footage = Footage::read(cut);
    assert!(problems(&footage) > 0, "{footage:?}");
    let none = Footage::read(Path::new("/does/not/exist.mkv").to_owned());
    assert!(problems(&none) > 0, "{none:?}");
}

fn problems(footage: &Footage) -> usize {
    footage.0["problems"].as_array().map_or(0, Vec::len)
}
