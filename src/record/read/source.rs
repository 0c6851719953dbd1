//! Bytes of a file that may end anywhere, and the two numbers of EBML (RFC 8794, sections 4 and 5).

use super::super::matroska::ids::Id;
use std::io::{BufRead, ErrorKind, Read};

/// Why a reader goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file ends.
    End,
    /// What stands there is no element.
    Garbage,
    /// The disk says no.
    Io(std::io::Error),
}

/// An element's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ElementHead {
    pub id: Id,
    /// Bytes of its content; none: it ends where something comes that cannot be within.
    pub size: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    offset: u64,
}

impl<R: BufRead> Source<R> {
    pub const fn new(inner: R) -> Source<R> {
        Source { inner, offset: 0 }
    }

    /// Bytes read so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    fn available(&mut self) -> Result<&[u8], Stop> {
        loop {
            match self.inner.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io(error)),
            }
        }
        // What the loop above filled; asked for again since a loan cannot leave a loop.
        self.inner.fill_buf().map_err(Stop::Io)
    }

    fn consume(&mut self, bytes: usize) {
        self.inner.consume(bytes);
        self.offset += u64::try_from(bytes).unwrap_or(0);
    }

    pub fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.available()?.first().ok_or(Stop::End)?;
        self.consume(1);
        Ok(byte)
    }

    /// An id with its marker; its first byte was read already.
    fn id_after(&mut self, first: u8) -> Result<Id, Stop> {
        let more = first.leading_zeros();
        if more > 3 {
            return Err(Stop::Garbage);
        }
        let mut id = Id::from(first);
        for _ in 0..more {
            id = id << 8 | Id::from(self.byte()?);
        }
        Ok(id)
    }

    fn size(&mut self) -> Result<Option<u64>, Stop> {
        let first = self.byte()?;
        let more = first.leading_zeros();
        if more > 7 {
            return Err(Stop::Garbage);
        }
        let mut size = u64::from(first) & ((1 << (7 - more)) - 1);
        for _ in 0..more {
            size = size << 8 | u64::from(self.byte()?);
        }
        let unknown = (1 << (7 * (more + 1))) - 1;
        Ok((size != unknown).then_some(size))
    }

    /// The next element's beginning; none where the file ends before it.
    pub fn head(&mut self) -> Result<Option<ElementHead>, Stop> {
        let first = match self.byte() {
            Ok(first) => first,
            Err(Stop::End) => return Ok(None),
            Err(stop) => return Err(stop),
        };
        let id = self.id_after(first)?;
        let size = self.size()?;
        Ok(Some(ElementHead { id, size }))
    }

    /// The content of an element, at most `limit` bytes. What a file says of its size is not
    /// believed: memory is taken as the bytes come.
    pub fn content(&mut self, size: Option<u64>, limit: u64) -> Result<Vec<u8>, Stop> {
        let size = size.filter(|size| *size <= limit).ok_or(Stop::Garbage)?;
        let mut content = Vec::new();
        let read = (&mut self.inner).take(size).read_to_end(&mut content);
        let bytes = u64::try_from(content.len()).unwrap_or(0);
        self.offset += bytes;
        read.map_err(Stop::Io)?;
        if bytes < size {
            return Err(Stop::End);
        }
        Ok(content)
    }

    /// Passes over the content of an element.
    pub fn skip(&mut self, size: u64) -> Result<(), Stop> {
        let mut left = size;
        while left > 0 {
            let here = self.available()?.len();
            if here == 0 {
                return Err(Stop::End);
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(here);
            self.consume(step);
            left -= u64::try_from(step).unwrap_or(left);
        }
        Ok(())
    }

    /// Goes on until the four bytes of `id` have been read.
    pub fn seek(&mut self, id: Id) -> Result<(), Stop> {
        let mut last: Id = 0;
        loop {
            last = last << 8 | Id::from(self.byte()?);
            if last == id {
                return Ok(());
            }
        }
    }

    /// The size of an element whose id was found by [`Source::seek`].
    pub fn size_here(&mut self) -> Result<Option<u64>, Stop> {
        self.size()
    }
}

/// The elements within a content that was read whole. Ends at the first thing that is none.
pub(super) fn elements(content: &[u8]) -> impl Iterator<Item = (Id, &[u8])> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let mut source = Source::new(rest);
        let head = source.head().ok()??;
        let start = usize::try_from(source.offset()).ok()?;
        let end = start.checked_add(usize::try_from(head.size?).ok()?)?;
        let inner = rest.get(start..end)?;
        rest = &rest[end..];
        Some((head.id, inner))
    })
}

/// A number without sign.
pub(super) fn uint(content: &[u8]) -> Option<u64> {
    if content.len() > 8 {
        return None;
    }
    Some(
        content
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

/// A whole number of milliseconds that a file keeps as floating point.
pub(super) fn float_ms(content: &[u8]) -> Option<u64> {
    let value = match content.len() {
        4 => f64::from(f32::from_be_bytes(content.try_into().ok()?)),
        8 => f64::from_be_bytes(content.try_into().ok()?),
        _ => return None,
    };
    // The cast saturates, and makes zero of what is negative or no number.
    Some(value as u64)
}

/// A text; zeros at its end are padding.
pub(super) fn text(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?;
    Some(text.trim_end_matches('\0').to_owned())
}
