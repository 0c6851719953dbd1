//! Writes a finished file: all sizes and the duration known, and an index of the keyframes.

use super::matroska::ids::{self, Id};
use super::matroska::write::{
    DocType, TrackCodec, TrackEntry, put_binary, put_ebml_header, put_id, put_master,
    put_segment_info, put_simple_block, put_size, put_tags, put_track_entry, put_uint,
    put_wide_size, put_wide_uint,
};
use std::io::{Seek, SeekFrom, Write};

/// Longest stretch of a cluster: a player that seeks reads from its beginning.
const CLUSTER_MS: u64 = 5_000;
/// A keyframe begins a new cluster once the old one has this length.
const KEYFRAME_CLUSTER_MS: u64 = 1_000;
/// Largest cluster: it is held in memory until it is whole.
const CLUSTER_BYTES: usize = 4 * 1024 * 1024;
/// Least time between two places of the index, for each track; doubled when it is full.
const CUE_EVERY_MS: u64 = 500;
/// Sound alone has a place in the index this often.
const SOUND_CUE_EVERY_MS: u64 = 5_000;
/// Places in the index: they are held in memory.
const MAX_CUES: usize = 16_384;

/// A track of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuxTrack {
    /// Its number: 1 to 127.
    pub number: u8,
    /// Its name.
    pub name: String,
    /// What it is coded with.
    pub codec: TrackCodec,
    /// Whether it is played unless something else is chosen.
    pub default: bool,
}

/// What the file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuxConfig {
    /// Its format.
    pub doc_type: DocType,
    /// When its first frame was made.
    pub date_unix_ms: u64,
    /// From its first to the end of its last frame.
    pub duration_ms: u64,
    /// Its tracks.
    pub tracks: Vec<MuxTrack>,
    /// What is said of the whole file.
    pub tags: Vec<(String, String)>,
}

/// A frame to write.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Number of its track.
    pub track: u8,
    /// When, from the beginning of the file. Not before the frame that came before.
    pub at_ms: u64,
    /// True if it can be decoded by itself.
    pub keyframe: bool,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A file in the making.
#[derive(Debug)]
pub struct Muxer<W> {
    out: W,
    config: MuxConfig,
    /// Where the segment's content begins.
    content_at: u64,
    /// Bytes of the content so far, the open cluster not among them.
    content: u64,
    cluster: Vec<u8>,
    /// Time of the open cluster.
    cluster_ms: Option<u64>,
    cues: Cues,
}

/// Where the elements lie that a reader looks for, from the beginning of the content.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    info: u64,
    tracks: u64,
    tags: u64,
    cues: u64,
    /// Bytes of the content.
    all: u64,
}

impl<W: Write + Seek> Muxer<W> {
    /// Writes the beginning of the file.
    ///
    /// # Errors
    /// The disk says no.
    pub fn new(mut out: W, config: MuxConfig) -> std::io::Result<Muxer<W>> {
        let (head, content_at) = head(&config, Places::default());
        out.write_all(&head)?;
        let cues = Cues::new(&config.tracks);
        Ok(Muxer {
            out,
            config,
            content_at,
            content: length(&head) - content_at,
            cluster: Vec::new(),
            cluster_ms: None,
            cues,
        })
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// The disk says no.
    pub fn write(&mut self, frame: Frame<'_>) -> std::io::Result<()> {
        let since = |start: u64| frame.at_ms.saturating_sub(start);
        let keyframe = frame.keyframe && self.is_video(frame.track);
        if let Some(start) = self.cluster_ms {
            let long = since(start) >= CLUSTER_MS;
            let apt = keyframe && since(start) >= KEYFRAME_CLUSTER_MS;
            if long || apt || self.cluster.len() >= CLUSTER_BYTES {
                self.end_cluster()?;
            }
        }
        let start = *self.cluster_ms.get_or_insert_with(|| {
            put_uint(&mut self.cluster, ids::TIMESTAMP, frame.at_ms);
            frame.at_ms
        });
        self.cues.handle_frame(frame, self.content);
        // A cluster has 5 s at most, and times do not go back.
        let relative = i16::try_from(since(start)).unwrap_or(i16::MAX);
        put_simple_block(
            &mut self.cluster,
            frame.track,
            relative,
            frame.keyframe,
            frame.bytes,
        );
        Ok(())
    }

    fn is_video(&self, number: u8) -> bool {
        let track = self.config.tracks.iter().find(|t| t.number == number);
        track.is_some_and(|track| track.codec != TrackCodec::Opus)
    }

    fn end_cluster(&mut self) -> std::io::Result<()> {
        if self.cluster_ms.take().is_none() {
            return Ok(());
        }
        let mut start = Vec::new();
        put_id(&mut start, ids::CLUSTER);
        put_size(&mut start, length(&self.cluster));
        self.put(&start)?;
        let cluster = std::mem::take(&mut self.cluster);
        self.put(&cluster)?;
        // Its memory serves the next one.
        self.cluster = cluster;
        self.cluster.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.out.write_all(bytes)?;
        self.content += length(bytes);
        Ok(())
    }

    /// Writes what is left, and the sizes into the beginning. Whoever owns the file flushes it.
    ///
    /// # Errors
    /// The disk says no.
    pub fn finish(mut self) -> std::io::Result<W> {
        self.end_cluster()?;
        let (_, places) = content_head(&self.config, Places::default());
        let cues_at = self.content;
        let cues = self.cues.encode();
        self.put(&cues)?;
        let places = Places {
            cues: cues_at,
            all: self.content,
            ..places
        };
        let (head, _) = head(&self.config, places);
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&head)?;
        self.out
            .seek(SeekFrom::Start(self.content_at + self.content))?;
        Ok(self.out)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// All before the first cluster, as long whatever `places` says; and where the content begins.
fn head(config: &MuxConfig, places: Places) -> (Vec<u8>, u64) {
    let mut out = Vec::new();
    put_ebml_header(&mut out, config.doc_type);
    put_id(&mut out, ids::SEGMENT);
    put_wide_size(&mut out, places.all);
    let content_at = length(&out);
    out.extend(content_head(config, places).0);
    (out, content_at)
}

fn content_head(config: &MuxConfig, known: Places) -> (Vec<u8>, Places) {
    let mut out = Vec::new();
    put_master(&mut out, ids::SEEK_HEAD, |out| {
        for (id, at) in [
            (ids::INFO, known.info),
            (ids::TRACKS, known.tracks),
            (ids::TAGS, known.tags),
            (ids::CUES, known.cues),
        ] {
            put_seek(out, id, at);
        }
    });
    let info = length(&out);
    // Whole milliseconds fit into a floating-point number for 285,000 years.
    // A single picture lasts no time, which a duration cannot be (RFC 9559, section 5.1.2.10).
    let duration = config.duration_ms.max(1) as f64;
    put_segment_info(&mut out, config.date_unix_ms, Some(duration));
    let tracks = length(&out);
    put_master(&mut out, ids::TRACKS, |out| {
        for track in &config.tracks {
            put_track_entry(
                out,
                &TrackEntry {
                    number: track.number,
                    uid: u64::from(track.number),
                    codec: &track.codec,
                    name: Some(&track.name),
                    default: track.default,
                },
            );
        }
    });
    let tags = length(&out);
    let pairs: Vec<(&str, &str)> = config
        .tags
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    put_tags(&mut out, None, &pairs);
    let places = Places {
        info,
        tracks,
        tags,
        ..known
    };
    (out, places)
}

fn put_seek(out: &mut Vec<u8>, id: Id, at: u64) {
    put_master(out, ids::SEEK, |out| {
        let mut bytes = Vec::new();
        put_id(&mut bytes, id);
        put_binary(out, ids::SEEK_ID, &bytes);
        put_wide_uint(out, ids::SEEK_POSITION, at);
    });
}

/// The index: where each video's keyframes are, or the sound if there are no pictures.
#[derive(Debug)]
struct Cues {
    /// Tracks that are in it.
    tracks: Vec<u8>,
    /// False: there is sound alone.
    pictures: bool,
    every_ms: u64,
    points: Vec<Cue>,
}

#[derive(Clone, Copy, Debug)]
struct Cue {
    track: u8,
    at_ms: u64,
    /// Its cluster, from the beginning of the content.
    cluster: u64,
}

impl Cues {
    fn new(tracks: &[MuxTrack]) -> Cues {
        let numbers = |video: bool| -> Vec<u8> {
            let some = tracks
                .iter()
                .filter(|t| (t.codec != TrackCodec::Opus) == video);
            some.map(|track| track.number).collect()
        };
        let videos = numbers(true);
        let pictures = !videos.is_empty();
        Cues {
            tracks: if pictures { videos } else { numbers(false) },
            pictures,
            every_ms: if pictures {
                CUE_EVERY_MS
            } else {
                SOUND_CUE_EVERY_MS
            },
            points: Vec::new(),
        }
    }

    fn handle_frame(&mut self, frame: Frame<'_>, cluster: u64) {
        let wanted = frame.keyframe || !self.pictures;
        if !wanted || !self.tracks.contains(&frame.track) {
            return;
        }
        let last = self.points.iter().rev().find(|p| p.track == frame.track);
        if last.is_some_and(|last| frame.at_ms < last.at_ms + self.every_ms) {
            return;
        }
        self.points.push(Cue {
            track: frame.track,
            at_ms: frame.at_ms,
            cluster,
        });
        if self.points.len() >= MAX_CUES {
            self.thin();
        }
    }

    /// Keeps about every second place.
    fn thin(&mut self) {
        self.every_ms *= 2;
        let mut last = [None::<u64>; 128];
        let every_ms = self.every_ms;
        self.points.retain(|point| {
            let Some(last) = last.get_mut(usize::from(point.track)) else {
                return false;
            };
            let keep = last.is_none_or(|last| point.at_ms >= last + every_ms);
            if keep {
                *last = Some(point.at_ms);
            }
            keep
        });
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_master(&mut out, ids::CUES, |out| {
            for point in &self.points {
                put_master(out, ids::CUE_POINT, |out| {
                    put_uint(out, ids::CUE_TIME, point.at_ms);
                    put_master(out, ids::CUE_TRACK_POSITIONS, |out| {
                        put_uint(out, ids::CUE_TRACK, u64::from(point.track));
                        put_uint(out, ids::CUE_CLUSTER_POSITION, point.cluster);
                    });
                });
            }
        });
        out
    }
}
