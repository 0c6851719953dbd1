//! What a media file shows: decoded by ffmpeg, and read by the pattern that its makers sent.

use crate::driver::run;
use crate::place;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The tones that participants beep with.
pub const TONES_HZ: [u32; 4] = [1_000, 1_700, 2_500, 3_500];
/// What belongs to a flash begins at most so far from it, in seconds.
const NEAR_S: f64 = 0.4;

/// The report of a file.
#[derive(Debug)]
pub struct Footage(pub Value);

/// A track of it.
#[derive(Clone, Copy, Debug)]
pub struct Track<'a>(pub &'a Value);

impl Footage {
    /// Decodes these files.
    pub fn of(files: &[PathBuf]) -> Vec<Footage> {
        place::ffmpeg();
        let spec = json!({"files": files, "tones_hz": TONES_HZ}).to_string();
        let reports = run("footage.py", &place::python(), &spec);
        reports.into_iter().map(Footage).collect()
    }

    /// Decodes one.
    pub fn read(file: PathBuf) -> Footage {
        Footage::of(&[file]).remove(0)
    }

    /// Its tracks of `video` or of `audio`.
    pub fn tracks(&self, kind: &str) -> Vec<Track<'_>> {
        let all = self.0["tracks"].as_array().map(Vec::as_slice);
        let all = all.unwrap_or_default().iter().map(Track);
        all.filter(|track| track.0["kind"] == kind).collect()
    }

    /// Panics if a player would have anything to complain about.
    pub fn check(&self) {
        assert_eq!(self.0["problems"], json!([]), "{}", self.0);
        assert!(self.0["tracks"] != json!([]), "no track: {}", self.0);
        for track in self.0["tracks"].as_array().into_iter().flatten() {
            assert_eq!(track["backwards"], json!(0), "times go back: {}", self.0);
            assert!(track["frames"].as_u64() > Some(0), "no frame: {}", self.0);
        }
    }

    /// What the container says of its length, in seconds.
    pub fn duration_s(&self) -> f64 {
        number(&self.0["duration_s"])
    }

    /// The grounds that its pictures have, each as thirds of red, green and blue: who is seen.
    pub fn colours(&self) -> Vec<String> {
        let mut seen: Vec<String> = self
            .tracks("video")
            .iter()
            .flat_map(|track| track.colours())
            .collect();
        seen.sort();
        seen.dedup();
        seen
    }

    /// The tones that beep in it, in hertz: who is heard.
    pub fn tones(&self) -> Vec<String> {
        let mut heard: Vec<String> = self
            .tracks("audio")
            .iter()
            .flat_map(|track| track.tones())
            .collect();
        heard.sort_by_key(|hz| hz.parse::<u32>().unwrap_or(0));
        heard.dedup();
        heard
    }

    /// Each second's beep of this tone minus its flash, with the flash's time, in seconds.
    pub fn offsets_s(&self, hz: u32) -> Vec<(f64, f64)> {
        let flashes: Vec<f64> = self
            .tracks("video")
            .iter()
            .flat_map(Track::flashes_s)
            .collect();
        self.nearest_s(&flashes, hz)
    }

    /// Each of these moments with the beep that belongs to it, as the beep's distance.
    pub fn nearest_s(&self, moments: &[f64], hz: u32) -> Vec<(f64, f64)> {
        let beeps: Vec<f64> = self
            .tracks("audio")
            .iter()
            .flat_map(|track| track.beeps_s(hz))
            .collect();
        let nearest = |moment: &f64| {
            let apart = beeps.iter().map(|beep| beep - moment);
            let least = apart.min_by(|a, b| a.abs().total_cmp(&b.abs()))?;
            (least.abs() < NEAR_S).then_some((*moment, least))
        };
        moments.iter().filter_map(nearest).collect()
    }
}

impl Track<'_> {
    /// When the ground turned white.
    pub fn flashes_s(&self) -> Vec<f64> {
        numbers(&self.0["flashes_s"])
    }

    /// When a tone of this frequency began.
    pub fn beeps_s(&self, hz: u32) -> Vec<f64> {
        numbers(&self.0["beeps_s"][hz.to_string()])
    }

    /// Grounds of more than a twentieth of its pictures: those next to a flash are paler.
    pub fn colours(&self) -> Vec<String> {
        let all = || self.0["colours"].as_object().into_iter().flatten();
        let count = |count: &Value| count.as_u64().unwrap_or(0);
        let most = all().map(|(_, one)| count(one)).sum::<u64>();
        let often = all().filter(|(_, one)| count(one) * 20 > most);
        often.map(|(colour, _)| colour.clone()).collect()
    }

    /// Tones that beep.
    pub fn tones(&self) -> Vec<String> {
        let all = self.0["beeps_s"].as_object().into_iter().flatten();
        let heard =
            all.filter(|(_, beeps)| beeps.as_array().is_some_and(|beeps| !beeps.is_empty()));
        heard.map(|(hz, _)| hz.clone()).collect()
    }

    /// Stretches of a second and more in which nothing moves.
    pub fn frozen_s(&self) -> Vec<(f64, f64)> {
        let all = self.0["frozen_s"].as_array().into_iter().flatten();
        all.map(|one| (number(&one[0]), number(&one[1]))).collect()
    }

    /// Time of the first frame.
    pub fn first_s(&self) -> f64 {
        number(&self.0["first_s"])
    }

    /// Time of the last frame.
    pub fn last_s(&self) -> f64 {
        number(&self.0["last_s"])
    }

    /// The moment that the newest picture shows, in seconds within the clock's period.
    pub fn shows_s(&self) -> Option<f64> {
        self.0["clock"]["last_s"].as_f64()
    }
}

/// A number of a report.
pub fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().into_iter().flatten().map(number).collect()
}

/// The middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    assert!(!sorted.is_empty(), "nothing to take the middle of");
    sorted[sorted.len() / 2]
}
