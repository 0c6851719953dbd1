//! Which files a recording becomes, and which segment goes into which track.

use super::label::source_word;
use super::matroska::write::{DocType, TrackCodec};
use super::mux::MuxTrack;
use super::survey::{GAP_MS, Publication, Span, Survey};
use crate::base::{Identity, Role, TrackKind, TrackSource};
use std::collections::BTreeMap;

/// A rejoin's first frames may carry times before the old track's last ones: both are clocks of
/// their own. What overlaps for longer is a second track beside the first.
const OVERLAP_MS: u64 = 1_000;
/// Tracks of one file: so many numbers have one byte in a block.
const MAX_TRACKS: usize = 127;

/// All that a recording becomes, the manifest aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who is in it, in the order of their first frames.
    pub people: Vec<Person>,
    /// Everyone's tracks.
    pub session: FilePlan,
}

/// A participant with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub identity: Identity,
    /// Their role.
    pub role: Option<Role>,
    /// Their file.
    pub file: FilePlan,
}

/// A file to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// Its tracks: number 1 comes first.
    pub tracks: Vec<TrackPlan>,
    /// From its first to the end of its last frame, on the recording's timeline.
    pub span: Span,
    /// Tracks for which it has no number any more.
    pub left_out: usize,
}

/// A track to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackPlan {
    /// Whose.
    pub identity: Identity,
    /// What it shows.
    pub source: TrackSource,
    /// Of its first segment.
    pub codec: TrackCodec,
    /// Its segments in order: their place among the surveys.
    pub segments: Vec<usize>,
    /// The publications that its segments are of.
    pub publications: Vec<Publication>,
    /// When there is something.
    pub intervals: Vec<Span>,
    /// Within the intervals: where nothing came for long.
    pub gaps: Vec<Span>,
    last_ms: u64,
}

/// What files a recording with these segments becomes.
pub fn plan(surveys: &[Survey]) -> Plan {
    let mut order: Vec<usize> = (0..surveys.len()).collect();
    order.sort_by_key(|index| surveys.get(*index).map(|s| (s.span.start_ms, s.number)));
    let mut people: Vec<Person> = Vec::new();
    let mut place: BTreeMap<Identity, usize> = BTreeMap::new();
    for index in order {
        let Some(survey) = surveys.get(index) else {
            continue;
        };
        let at = *place
            .entry(survey.label.identity.clone())
            .or_insert_with(|| {
                people.push(Person::new(survey));
                people.len() - 1
            });
        if let Some(person) = people.get_mut(at) {
            person.role = survey.label.role.or(person.role);
            add(&mut person.file.tracks, index, survey);
        }
    }
    let all = people.iter_mut().flat_map(|person| {
        person.file.arrange();
        person.file.tracks.clone()
    });
    let mut session = FilePlan::of(all.collect());
    session.cut();
    people.iter_mut().for_each(|person| person.file.cut());
    Plan { people, session }
}

fn add(tracks: &mut Vec<TrackPlan>, index: usize, survey: &Survey) {
    let fits = |track: &&mut TrackPlan| {
        track.source == survey.label.source
            && same_codec(&track.codec, &survey.codec)
            && track.last_ms <= survey.span.start_ms + OVERLAP_MS
    };
    match tracks.iter_mut().find(fits) {
        Some(track) => track.add(index, survey),
        None => tracks.push(TrackPlan::new(index, survey)),
    }
}

const fn same_codec(one: &TrackCodec, other: &TrackCodec) -> bool {
    matches!(
        (one, other),
        (TrackCodec::Vp8 { .. }, TrackCodec::Vp8 { .. })
            | (TrackCodec::Avc { .. }, TrackCodec::Avc { .. })
            | (TrackCodec::Opus, TrackCodec::Opus)
    )
}

impl Person {
    fn new(survey: &Survey) -> Person {
        Person {
            identity: survey.label.identity.clone(),
            role: survey.label.role,
            file: FilePlan::of(Vec::new()),
        }
    }
}

impl TrackPlan {
    fn new(index: usize, survey: &Survey) -> TrackPlan {
        TrackPlan {
            identity: survey.label.identity.clone(),
            source: survey.label.source,
            codec: survey.codec.clone(),
            segments: vec![index],
            publications: vec![survey.publication()],
            intervals: vec![survey.span],
            gaps: survey.gaps.clone(),
            last_ms: survey.last_ms,
        }
    }

    fn add(&mut self, index: usize, survey: &Survey) {
        self.segments.push(index);
        self.last_ms = self.last_ms.max(survey.last_ms);
        self.gaps.extend(&survey.gaps);
        let of = &survey.label.track;
        match self.publications.iter_mut().find(|one| one.track == *of) {
            Some(known) => known.span_ms.end_ms = known.span_ms.end_ms.max(survey.span.end_ms),
            None => self.publications.push(survey.publication()),
        }
        match self.intervals.last_mut() {
            // Segments that follow each other closely are one interval.
            Some(last) if survey.span.start_ms < last.end_ms + GAP_MS => {
                last.end_ms = last.end_ms.max(survey.span.end_ms);
            }
            Some(_) | None => self.intervals.push(survey.span),
        }
    }

    /// Sound or pictures.
    pub const fn kind(&self) -> TrackKind {
        match self.codec {
            TrackCodec::Vp8 { .. } | TrackCodec::Avc { .. } => TrackKind::Video,
            TrackCodec::Opus => TrackKind::Audio,
        }
    }

    /// The word for its codec.
    pub const fn codec_word(&self) -> &'static str {
        match self.codec {
            TrackCodec::Vp8 { .. } => "vp8",
            TrackCodec::Avc { .. } => "h264",
            TrackCodec::Opus => "opus",
        }
    }

    /// Players take the first of each kind: the camera before the screen, the voice before its sound.
    const fn rank(&self) -> (bool, u8) {
        let source = match self.source {
            TrackSource::Camera | TrackSource::Microphone => 0,
            TrackSource::Unknown => 1,
            TrackSource::ScreenShare | TrackSource::ScreenShareAudio => 2,
        };
        (matches!(self.kind(), TrackKind::Audio), source)
    }
}

impl FilePlan {
    fn of(tracks: Vec<TrackPlan>) -> FilePlan {
        let mut file = FilePlan {
            tracks,
            span: Span {
                start_ms: 0,
                end_ms: 0,
            },
            left_out: 0,
        };
        file.measure();
        file
    }

    fn arrange(&mut self) {
        self.tracks.sort_by_key(TrackPlan::rank);
        self.measure();
    }

    fn cut(&mut self) {
        self.left_out = self.tracks.len().saturating_sub(MAX_TRACKS);
        self.tracks.truncate(MAX_TRACKS);
        self.measure();
    }

    fn measure(&mut self) {
        let spans = || self.tracks.iter().flat_map(|track| &track.intervals);
        self.span = Span {
            start_ms: spans().map(|span| span.start_ms).min().unwrap_or(0),
            end_ms: spans().map(|span| span.end_ms).max().unwrap_or(0),
        };
    }

    /// WebM allows VP8 and Opus.
    pub fn doc_type(&self) -> DocType {
        let any_avc = self
            .tracks
            .iter()
            .any(|track| matches!(track.codec, TrackCodec::Avc { .. }));
        if any_avc {
            DocType::Matroska
        } else {
            DocType::Webm
        }
    }

    /// The end of its name.
    pub fn extension(&self) -> &'static str {
        match self.doc_type() {
            DocType::Matroska => "mkv",
            DocType::Webm => "webm",
        }
    }

    /// Its media type.
    pub fn mime(&self) -> &'static str {
        let pictures = self.tracks.iter().any(|t| t.kind() == TrackKind::Video);
        match (self.doc_type(), pictures) {
            (DocType::Matroska, true) => "video/x-matroska",
            (DocType::Matroska, false) => "audio/x-matroska",
            (DocType::Webm, true) => "video/webm",
            (DocType::Webm, false) => "audio/webm",
        }
    }

    /// From its first to the end of its last frame.
    pub const fn duration_ms(&self) -> u64 {
        self.span.end_ms.saturating_sub(self.span.start_ms)
    }

    /// Its tracks, as the container says them.
    pub fn mux_tracks(&self) -> Vec<MuxTrack> {
        let mut seen = Vec::new();
        let mut tracks = Vec::with_capacity(self.tracks.len());
        for (number, track) in (1..).zip(&self.tracks) {
            let first = !seen.contains(&track.kind());
            seen.push(track.kind());
            tracks.push(MuxTrack {
                number,
                name: format!("{} {}", track.identity, source_word(track.source)),
                codec: track.codec.clone(),
                default: first,
            });
        }
        tracks
    }
}
