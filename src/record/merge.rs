//! Many segments into one file, in the order of time. Holds one frame of each track.

#[cfg(test)]
mod tests;

use super::audio_fill::{Advice, AudioFill};
use super::matroska::write::TrackCodec;
use super::mux::{Frame, Muxer};
use super::plan::FilePlan;
use super::read::{Block, ReadError, Reader};
use super::survey::Survey;
use std::collections::VecDeque;
use std::io::{Read, Seek, Write};

/// Segments on their way into a file. `open` opens the segment with this place among the surveys.
#[derive(Debug)]
pub struct Merge<O, R> {
    open: O,
    /// Time of the file's beginning, on the recording's timeline.
    base_ms: u64,
    lanes: Vec<Lane<R>>,
    /// Bytes of segments that were read to their end.
    read_bytes: u64,
}

/// One track, segment after segment.
#[derive(Debug)]
struct Lane<R> {
    number: u8,
    waiting: VecDeque<Waiting>,
    reader: Option<Reader<R>>,
    next: Option<Block>,
    /// Of sound alone.
    audio_fill: Option<AudioFill>,
    last_ms: u64,
}

/// A segment that is not open yet: few files are at once.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    index: usize,
    start_ms: u64,
}

/// What was done to a track so that players keep it in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Silence that was filled in.
    pub filled_ms: u64,
    /// Sound that was left out.
    pub dropped_ms: u64,
}

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A segment cannot be read.
    #[error("a segment cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error("the file cannot be written: {0}")]
    Write(#[source] std::io::Error),
}

impl<O, R> Merge<O, R>
where
    O: FnMut(usize) -> std::io::Result<R>,
    R: Read,
{
    /// The segments of a file.
    pub fn new(file: &FilePlan, surveys: &[Survey], open: O) -> Merge<O, R> {
        let waiting = |index: &usize| {
            let start_ms = surveys.get(*index)?.span.start_ms;
            let index = *index;
            Some(Waiting { index, start_ms })
        };
        let lanes = (1..).zip(&file.tracks).map(|(number, track)| Lane {
            number,
            waiting: track.segments.iter().filter_map(waiting).collect(),
            reader: None,
            next: None,
            audio_fill: (track.codec == TrackCodec::Opus).then(AudioFill::default),
            last_ms: 0,
        });
        Merge {
            open,
            base_ms: file.span.start_ms,
            lanes: lanes.collect(),
            read_bytes: 0,
        }
    }

    /// Writes one frame, or opens or ends a segment. False: there is nothing left.
    ///
    /// # Errors
    /// The disk says no.
    pub fn step<W: Write + Seek>(&mut self, muxer: &mut Muxer<W>) -> Result<bool, MergeError> {
        let lanes = self.lanes.iter_mut().filter(|lane| !lane.is_done());
        let Some(lane) = lanes.min_by_key(|lane| lane.due_ms()) else {
            return Ok(false);
        };
        let Some(block) = lane.next.take() else {
            self.read_bytes += lane.advance(&mut self.open)?;
            return Ok(true);
        };
        let written = match lane.advise(&block) {
            Advice::Fill { at_ms, packet } => {
                lane.next = Some(block);
                let frame = lane.frame(self.base_ms, at_ms, &packet);
                muxer.write(frame)
            }
            Advice::Write => {
                let frame = lane.frame(self.base_ms, block.at_ms, &block.frame);
                muxer.write(Frame {
                    keyframe: block.keyframe,
                    ..frame
                })
            }
            Advice::Drop => Ok(()),
        };
        written.map_err(MergeError::Write)?;
        Ok(true)
    }

    /// Bytes of the segments that were read so far.
    pub fn read_bytes(&self) -> u64 {
        let open = self.lanes.iter().filter_map(|lane| lane.reader.as_ref());
        self.read_bytes + open.map(Reader::offset).sum::<u64>()
    }

    /// What was done to each track, in their order.
    pub fn kept(&self) -> Vec<Kept> {
        let kept = |lane: &Lane<R>| {
            lane.audio_fill
                .as_ref()
                .map_or(Kept::default(), |audio_fill| Kept {
                    filled_ms: audio_fill.filled_ms(),
                    dropped_ms: audio_fill.dropped_ms(),
                })
        };
        self.lanes.iter().map(kept).collect()
    }
}

impl<R: Read> Lane<R> {
    fn is_done(&self) -> bool {
        self.next.is_none() && self.reader.is_none() && self.waiting.is_empty()
    }

    /// When this track has a frame to write, or must be read to know.
    fn due_ms(&self) -> u64 {
        let at_ms = match (&self.next, &self.reader, self.waiting.front()) {
            (Some(block), _, _) => block.at_ms,
            (None, None, Some(waiting)) => waiting.start_ms,
            (None, Some(_), _) | (None, None, None) => return 0,
        };
        match &self.audio_fill {
            Some(audio_fill) => audio_fill.due_ms(at_ms),
            None => at_ms,
        }
    }

    fn advise(&mut self, block: &Block) -> Advice {
        match &mut self.audio_fill {
            Some(audio_fill) => audio_fill.advise(block.at_ms, &block.frame),
            None => Advice::Write,
        }
    }

    /// A frame of this track; its times never go back, though those of a rejoin may.
    fn frame<'a>(&mut self, base_ms: u64, at_ms: u64, bytes: &'a [u8]) -> Frame<'a> {
        self.last_ms = self.last_ms.max(at_ms.saturating_sub(base_ms));
        Frame {
            track: self.number,
            at_ms: self.last_ms,
            keyframe: true,
            bytes,
        }
    }

    /// Reads the next frame, or opens the next segment. Returns the bytes of one that has ended.
    fn advance<O>(&mut self, open: &mut O) -> Result<u64, ReadError>
    where
        O: FnMut(usize) -> std::io::Result<R>,
    {
        let Some(reader) = &mut self.reader else {
            if let Some(waiting) = self.waiting.pop_front() {
                self.reader = Some(Reader::new(open(waiting.index)?)?);
            }
            return Ok(0);
        };
        let number = reader.header().tracks.first().map(|track| track.number);
        while let Some(block) = reader.next_block()? {
            if Some(block.track) == number {
                self.next = Some(block);
                return Ok(0);
            }
        }
        let bytes = reader.offset();
        self.reader = None;
        Ok(bytes)
    }
}
