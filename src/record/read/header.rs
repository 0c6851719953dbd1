//! What a file says of itself before its first frame.

use super::super::matroska::ids::{self, Id};
use super::super::matroska::write::{DocType, PixelSize, TIMESTAMP_SCALE_NS, TrackCodec};
use super::source::{elements, float_ms, text, uint};
use std::collections::BTreeMap;

/// Most tracks of a file: so many numbers have one byte in a block.
const MAX_TRACKS: usize = 127;

/// A file's beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Which format it says that it has.
    pub doc_type: Option<DocType>,
    /// From the first to the end of the last frame, where it is known.
    pub duration_ms: Option<u64>,
    /// Its tracks.
    pub tracks: Vec<Track>,
    /// What is said of the whole file.
    pub tags: BTreeMap<String, String>,
}

/// A track that we can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its number in blocks.
    pub number: u64,
    /// Its name.
    pub name: Option<String>,
    /// What it is coded with.
    pub codec: TrackCodec,
}

impl Header {
    pub(super) fn handle_ebml(&mut self, content: &[u8]) {
        let name = elements(content).find(|(id, _)| *id == ids::DOC_TYPE);
        self.doc_type = match name {
            Some((_, b"webm")) => Some(DocType::Webm),
            Some((_, b"matroska")) => Some(DocType::Matroska),
            Some(_) | None => None,
        };
    }

    /// False if the times of the file are no milliseconds: we did not write it.
    pub(super) fn handle_segment_info(&mut self, content: &[u8]) -> bool {
        let mut scale = Some(TIMESTAMP_SCALE_NS);
        for (id, content) in elements(content) {
            match id {
                ids::TIMESTAMP_SCALE => scale = uint(content),
                ids::DURATION => self.duration_ms = float_ms(content),
                _ => {}
            }
        }
        scale == Some(TIMESTAMP_SCALE_NS)
    }

    pub(super) fn handle_tracks(&mut self, content: &[u8]) {
        let entries = elements(content).filter(|(id, _)| *id == ids::TRACK_ENTRY);
        let tracks = entries.filter_map(|(_, entry)| track(entry));
        let room = MAX_TRACKS.saturating_sub(self.tracks.len());
        self.tracks.extend(tracks.take(room));
    }

    /// Tags of the whole file and of its only track are the same to us.
    pub(super) fn handle_tags(&mut self, content: &[u8]) {
        let tags = elements(content).filter(|(id, _)| *id == ids::TAG);
        let simple = tags.flat_map(|(_, tag)| elements(tag));
        for (_, simple) in simple.filter(|(id, _)| *id == ids::SIMPLE_TAG) {
            let value = |wanted: Id| elements(simple).find(|(id, _)| *id == wanted);
            let name = value(ids::TAG_NAME).and_then(|(_, content)| text(content));
            let string = value(ids::TAG_STRING).and_then(|(_, content)| text(content));
            if let (Some(name), Some(string)) = (name, string) {
                self.tags.entry(name).or_insert(string);
            }
        }
    }
}

fn track(entry: &[u8]) -> Option<Track> {
    let mut number = None;
    let (mut name, mut codec_id, mut private) = (None, None, Vec::new());
    let mut size = PixelSize {
        width: 0,
        height: 0,
    };
    for (id, content) in elements(entry) {
        match id {
            ids::TRACK_NUMBER => number = uint(content),
            ids::NAME => name = text(content),
            ids::CODEC_ID => codec_id = text(content),
            ids::CODEC_PRIVATE => private = content.to_vec(),
            ids::VIDEO => size = pixels(content),
            _ => {}
        }
    }
    let codec = match codec_id?.as_str() {
        "V_VP8" => TrackCodec::Vp8 { size },
        "V_MPEG4/ISO/AVC" => TrackCodec::Avc {
            size,
            config: private,
        },
        "A_OPUS" => TrackCodec::Opus,
        _ => return None,
    };
    Some(Track {
        number: number?,
        name,
        codec,
    })
}

fn pixels(video: &[u8]) -> PixelSize {
    let value = |wanted: Id| {
        let found = elements(video).find(|(id, _)| *id == wanted);
        let value = found.and_then(|(_, content)| uint(content));
        value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(0)
    };
    PixelSize {
        width: value(ids::PIXEL_WIDTH),
        height: value(ids::PIXEL_HEIGHT),
    }
}
