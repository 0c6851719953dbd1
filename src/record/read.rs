//! Reads our own files back: segments that a crash may have cut at any byte, and finished files.
//! Holds one block at a time, whatever the file's length. What is broken is passed over.

mod header;
mod source;
#[cfg(test)]
mod tests;

pub use header::{Header, Track};

use super::matroska::ids::{self, Id};
use source::{ElementHead, Source, Stop, uint};
use std::io::{BufReader, Read};

/// Read at once: the most that a reader holds beside one block.
const BUFFER_BYTES: usize = 64 * 1024;
/// Largest frame that is believed: a keyframe of 4K has a few megabytes.
const MAX_BLOCK_BYTES: u64 = 16 * 1024 * 1024;
/// Largest element before the first cluster that is believed: tags and tracks have a few kilobytes.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;
/// Bytes before a block's frame: its track, its time, its flags.
const BLOCK_HEADER: usize = 4;
/// The flags that say that a block holds several frames: we never write them.
const LACING: u8 = 0x06;
const KEYFRAME: u8 = 0x80;
/// A time beyond this is no time: a session has 24 hours at most.
const MAX_MS: u64 = 48 * 3_600_000;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of its track.
    pub track: u64,
    /// When, on the file's timeline.
    pub at_ms: u64,
    /// True if it can be decoded by itself.
    pub keyframe: bool,
    /// Its bytes.
    pub frame: Vec<u8>,
}

/// What a reader had to pass over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Places where something stood that does not belong there.
    pub places: u64,
    /// True if the file ends within an element.
    pub cut: bool,
}

impl Damage {
    /// True if there was none.
    pub const fn is_none(self) -> bool {
        self.places == 0 && !self.cut
    }
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk says no.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Cut off before its first frame, or something else.
    #[error("the file has no whole Matroska header with a track of VP8, H.264 or Opus")]
    NoHeader,
}

/// A file that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<BufReader<R>>,
    header: Header,
    cluster: Cluster,
    /// Where the last cluster or what follows it ends, if the file says so.
    segment_end: Option<u64>,
    damage: Damage,
    ended: bool,
}

/// The stretch of blocks that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Cluster {
    /// Its time; none before it was read.
    at_ms: Option<u64>,
    /// Where it ends, where it says so.
    end: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// Reads up to the first frame.
    ///
    /// # Errors
    /// It is no file of ours, or cut off before its first frame, or cannot be read.
    pub fn new(input: R) -> Result<Reader<R>, ReadError> {
        let mut reader = Reader {
            source: Source::new(BufReader::with_capacity(BUFFER_BYTES, input)),
            header: Header::default(),
            cluster: Cluster::default(),
            segment_end: None,
            damage: Damage::default(),
            ended: false,
        };
        match reader.read_header() {
            Err(Stop::Io(error)) => return Err(ReadError::Io(error)),
            Err(Stop::Garbage) => return Err(ReadError::NoHeader),
            // A file that ends here has no frame, and may be whole.
            Err(Stop::End) => (reader.damage.cut, reader.ended) = (true, true),
            Ok(()) => {}
        }
        if reader.header.tracks.is_empty() {
            return Err(ReadError::NoHeader);
        }
        Ok(reader)
    }

    /// What the file says of itself.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What had to be passed over so far.
    pub const fn damage(&self) -> Damage {
        self.damage
    }

    /// Bytes read so far.
    pub const fn offset(&self) -> u64 {
        self.source.offset()
    }

    fn read_header(&mut self) -> Result<(), Stop> {
        let head = self.source.head()?.ok_or(Stop::Garbage)?;
        if head.id != ids::EBML {
            return Err(Stop::Garbage);
        }
        let content = self.source.content(head.size, MAX_HEADER_BYTES)?;
        self.header.handle_ebml(&content);
        let segment = self.source.head()?.ok_or(Stop::End)?;
        if segment.id != ids::SEGMENT {
            return Err(Stop::Garbage);
        }
        self.segment_end = segment.size.map(|size| self.end_of(size));
        while let Some(head) = self.source.head()? {
            if head.id == ids::CLUSTER {
                self.on_cluster(head.size);
                return Ok(());
            }
            self.read_top(head)?;
        }
        self.ended = true;
        Ok(())
    }

    /// An element beside the clusters.
    fn read_top(&mut self, head: ElementHead) -> Result<(), Stop> {
        match head.id {
            ids::INFO | ids::TRACKS | ids::TAGS => {
                let content = self.source.content(head.size, MAX_HEADER_BYTES)?;
                self.on_top(head.id, &content)
            }
            ids::SEEK_HEAD | ids::CUES | ids::VOID => {
                self.source.skip(head.size.ok_or(Stop::Garbage)?)
            }
            _ => Err(Stop::Garbage),
        }
    }

    fn on_top(&mut self, id: Id, content: &[u8]) -> Result<(), Stop> {
        match id {
            ids::INFO if !self.header.handle_segment_info(content) => return Err(Stop::Garbage),
            ids::TRACKS => self.header.handle_tracks(content),
            ids::TAGS => self.header.handle_tags(content),
            _ => {}
        }
        Ok(())
    }

    const fn end_of(&self, size: u64) -> u64 {
        self.source.offset().saturating_add(size)
    }

    fn on_cluster(&mut self, size: Option<u64>) {
        let end = size.map(|size| self.end_of(size));
        self.cluster = Cluster { at_ms: None, end };
    }

    /// The next whole frame; none at the end of what can be read.
    ///
    /// # Errors
    /// The disk says no.
    pub fn next_block(&mut self) -> Result<Option<Block>, ReadError> {
        while !self.ended {
            match self.step() {
                Ok(Some(block)) => return Ok(Some(block)),
                Ok(None) => {}
                Err(Stop::Io(error)) => return Err(ReadError::Io(error)),
                Err(Stop::End) => (self.damage.cut, self.ended) = (true, true),
                Err(Stop::Garbage) => self.find_cluster()?,
            }
        }
        Ok(None)
    }

    /// After garbage: what follows the next beginning of a cluster can be read again.
    fn find_cluster(&mut self) -> Result<(), ReadError> {
        self.damage.places += 1;
        let found = self.source.seek(ids::CLUSTER);
        match found.and_then(|()| self.source.size_here()) {
            Ok(size) => self.on_cluster(size),
            // Not a cluster after all: the next one is looked for.
            Err(Stop::Garbage) => self.cluster = Cluster::default(),
            Err(Stop::End) => self.ended = true,
            Err(Stop::Io(error)) => return Err(ReadError::Io(error)),
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Block>, Stop> {
        let at = self.source.offset();
        let Some(head) = self.source.head()? else {
            self.ended = true;
            self.leave_cluster(at)?;
            return match self.segment_end {
                Some(end) if end > at => Err(Stop::End),
                Some(_) | None => Ok(None),
            };
        };
        match head.id {
            ids::SIMPLE_BLOCK => {
                let content = self.source.content(head.size, MAX_BLOCK_BYTES)?;
                return self.block(content).map(Some);
            }
            ids::TIMESTAMP => {
                let content = self.source.content(head.size, 8)?;
                self.cluster.at_ms = uint(&content);
            }
            ids::CLUSTER => {
                self.leave_cluster(at)?;
                self.on_cluster(head.size);
            }
            ids::BLOCK_GROUP => self.source.skip(head.size.ok_or(Stop::Garbage)?)?,
            _ => {
                self.leave_cluster(at)?;
                self.read_top(head)?;
            }
        }
        Ok(None)
    }

    /// A cluster that said where it ends must end there.
    fn leave_cluster(&mut self, at: u64) -> Result<(), Stop> {
        match self.cluster.end.take() {
            Some(end) if end > at && self.ended => Err(Stop::End),
            Some(end) if end != at => {
                self.damage.places += 1;
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn block(&self, mut content: Vec<u8>) -> Result<Block, Stop> {
        let [first, high, low, flags] =
            *content.first_chunk::<BLOCK_HEADER>().ok_or(Stop::Garbage)?;
        let track = u64::from(first & 0x7f);
        let known = first & 0x80 != 0 && self.header.tracks.iter().any(|t| t.number == track);
        if !known || flags & LACING != 0 {
            return Err(Stop::Garbage);
        }
        let cluster = self.cluster.at_ms.ok_or(Stop::Garbage)?;
        let relative = i64::from(i16::from_be_bytes([high, low]));
        let at_ms = cluster.checked_add_signed(relative);
        let at_ms = at_ms.filter(|at| *at <= MAX_MS).ok_or(Stop::Garbage)?;
        content.drain(..BLOCK_HEADER);
        Ok(Block {
            track,
            at_ms,
            keyframe: flags & KEYFRAME != 0,
            frame: content,
        })
    }
}
