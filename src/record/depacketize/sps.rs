//! The sequence parameter set of H.264 (section 7.3.2.1.1), as far as the size of the picture.

use super::error::Malformed;
use crate::record::matroska::write::PixelSize;

/// What a parameter set says that concerns a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) size: PixelSize,
    pub(super) chroma_format: u8,
    pub(super) luma_depth_minus_8: u8,
    pub(super) chroma_depth_minus_8: u8,
}

/// Profiles whose set also names chroma format, depths and scaling.
const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// Macroblocks across a picture of the highest level (8,192 pixels, with a margin): more is a lie.
const MAX_MACROBLOCKS: u32 = 1_056;
/// Longest list of reference offsets that the standard allows.
const MAX_CYCLE: u32 = 255;
/// Side of a macroblock, in pixels.
const MACROBLOCK: u32 = 16;

/// Reads bits, of which two zero bytes and a three hide one (section 7.3.1).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    zeros: u8,
    bit: u8,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<u32, Malformed> {
        if self.bit == 0 && self.zeros >= 2 && self.bytes.get(self.at) == Some(&3) {
            self.at += 1;
            self.zeros = 0;
        }
        let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
        let bit = u32::from(byte >> (7 - self.bit) & 1);
        self.bit += 1;
        if self.bit == 8 {
            self.bit = 0;
            self.at += 1;
            self.zeros = if byte == 0 {
                self.zeros.saturating_add(1)
            } else {
                0
            };
        }
        Ok(bit)
    }

    fn bits(&mut self, count: u32) -> Result<u32, Malformed> {
        (0..count).try_fold(0, |value, _| Ok(value << 1 | self.bit()?))
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        Ok(self.bit()? == 1)
    }

    /// Exp-Golomb without sign, at most 31 bits (section 9.1).
    fn ue(&mut self) -> Result<u32, Malformed> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return Err(Malformed);
            }
        }
        let rest = self.bits(zeros)?;
        ((1_u32 << zeros) - 1).checked_add(rest).ok_or(Malformed)
    }

    /// Exp-Golomb with sign.
    fn se(&mut self) -> Result<i64, Malformed> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 1 {
            code / 2 + 1
        } else {
            -code / 2
        })
    }
}

/// Reads a parameter set, its unit header included.
pub(super) fn parse(unit: &[u8]) -> Result<Sequence, Malformed> {
    let mut bits = Bits {
        bytes: unit.get(1..).ok_or(Malformed)?,
        at: 0,
        zeros: 0,
        bit: 0,
    };
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.ue()?;
    let mut sequence = Sequence {
        size: PixelSize {
            width: 0,
            height: 0,
        },
        chroma_format: 1,
        luma_depth_minus_8: 0,
        chroma_depth_minus_8: 0,
    };
    let mut planes = false;
    if HIGH.contains(&profile) {
        planes = read_chroma(&mut bits, &mut sequence)?;
    }
    skip_order(&mut bits)?;
    bits.ue()?;
    bits.bit()?;
    sequence.size = read_size(&mut bits, sequence.chroma_format, planes)?;
    Ok(sequence)
}

/// Chroma format, depths and scaling; true if the planes are coded separately.
fn read_chroma(bits: &mut Bits<'_>, sequence: &mut Sequence) -> Result<bool, Malformed> {
    let format = bits.ue()?;
    let planes = format == 3 && bits.flag()?;
    let (luma, chroma) = (bits.ue()?, bits.ue()?);
    if format > 3 || luma > 6 || chroma > 6 {
        return Err(Malformed);
    }
    let small = |value: u32| u8::try_from(value).map_err(|_| Malformed);
    sequence.chroma_format = small(format)?;
    sequence.luma_depth_minus_8 = small(luma)?;
    sequence.chroma_depth_minus_8 = small(chroma)?;
    bits.bit()?;
    if bits.flag()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if bits.flag()? {
                skip_scaling(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(planes)
}

/// A scaling list (section 7.3.2.1.1.1).
fn skip_scaling(bits: &mut Bits<'_>, len: u32) -> Result<(), Malformed> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..len {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

/// Frame numbers and the order of pictures.
fn skip_order(bits: &mut Bits<'_>) -> Result<(), Malformed> {
    bits.ue()?;
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.bit()?;
            bits.ue()?;
            bits.ue()?;
            let cycle = bits.ue()?;
            if cycle > MAX_CYCLE {
                return Err(Malformed);
            }
            for _ in 0..cycle {
                bits.ue()?;
            }
        }
        2 => {}
        _ => return Err(Malformed),
    }
    Ok(())
}

/// Macroblocks, and what is cut off at the edges.
fn read_size(bits: &mut Bits<'_>, chroma: u8, planes: bool) -> Result<PixelSize, Malformed> {
    let (columns, rows) = (bits.ue()?, bits.ue()?);
    if columns >= MAX_MACROBLOCKS || rows >= MAX_MACROBLOCKS {
        return Err(Malformed);
    }
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.bit()?;
    }
    bits.bit()?;
    let fields = if frames_only { 1 } else { 2 };
    let (unit_x, unit_y) = match (chroma, planes) {
        (1, _) => (2, 2 * fields),
        (2, _) => (2, fields),
        _ => (1, fields),
    };
    let (mut width, mut height) = ((columns + 1) * MACROBLOCK, (rows + 1) * MACROBLOCK * fields);
    if bits.flag()? {
        let mut edge = |unit: u32| bits.ue()?.checked_mul(unit).ok_or(Malformed);
        let (left, right) = (edge(unit_x)?, edge(unit_x)?);
        let (top, bottom) = (edge(unit_y)?, edge(unit_y)?);
        width = cut(width, left, right)?;
        height = cut(height, top, bottom)?;
    }
    Ok(PixelSize { width, height })
}

fn cut(size: u32, before: u32, after: u32) -> Result<u32, Malformed> {
    let edges = before.checked_add(after).ok_or(Malformed)?;
    size.checked_sub(edges)
        .filter(|left| *left > 0)
        .ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    /// Name, parameter set, size, chroma format, depth above 8 bits.
    type Case = (&'static str, &'static str, (u32, u32), u8, u8);

    /// Parameter sets as x264 writes them, and what the pictures were.
    const SETS: [Case; 9] = [
        (
            "baseline, cut at right and bottom",
            "6742c01ed900a02fea6c0440000003004000000f03c58b92",
            (638, 358),
            1,
            0,
        ),
        (
            "main, cut at the bottom",
            "674d4028eca03c0113f2e022000003000200000300781e30632c",
            (1920, 1080),
            1,
            0,
        ),
        (
            "high, interlaced",
            "67640020acd940510bbc44980880000003008000001e0f8b16cb",
            (1282, 724),
            1,
            0,
        ),
        (
            "10 bits, scaling lists",
            "676e001ea6cd940a43fe22230110000003001000000303c0f162d960",
            (642, 482),
            1,
            2,
        ),
        (
            "4:2:2",
            "677a001eb6cd940a43fe223f0110000003001000000303c0f162d960",
            (642, 482),
            2,
            2,
        ),
        (
            "4:4:4",
            "67f4001e919b281407b60220000003002000000781e2c5b2c0",
            (640, 480),
            3,
            0,
        ),
        (
            "grey",
            "6764001ef3650280f6c05b20000003002000000781e2c5b2c0",
            (640, 480),
            0,
            0,
        ),
        (
            "one macroblock",
            "6742c00ad91ec044000003000400000300f03c489920",
            (16, 16),
            1,
            0,
        ),
        (
            "8K",
            "6764003cacd9401e000876c044000003000400000300f03c20106580",
            (7680, 4320),
            1,
            0,
        ),
    ];

    fn unhex(text: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    }

    #[test]
    fn the_size_of_the_picture_is_read_from_every_profile() {
        for (name, set, (width, height), chroma, depth) in SETS {
            let expected = Sequence {
                size: PixelSize { width, height },
                chroma_format: chroma,
                luma_depth_minus_8: depth,
                chroma_depth_minus_8: depth,
            };
            assert_eq!(parse(&unhex(set)), Ok(expected), "{name}");
        }
    }

    #[test]
    fn sets_that_are_cut_or_altered_are_refused_or_read_and_nothing_panics() {
        let mut rng = Rng::from_seed(1);
        for (_, set, ..) in SETS {
            let set = unhex(set);
            for len in 0..5 {
                assert_eq!(parse(&set[..len]), Err(Malformed));
            }
            for _ in 0..5_000 {
                let mut altered = set.clone();
                for _ in 0..=rng.below(4) {
                    let at = usize::try_from(rng.below(set.len() as u64)).unwrap();
                    altered[at] = rng.next_u64().to_le_bytes()[0];
                }
                if let Ok(sequence) = parse(&altered) {
                    assert!((1..=40_000).contains(&sequence.size.width));
                    assert!((1..=40_000).contains(&sequence.size.height));
                }
            }
        }
        assert_eq!(parse(&[0; 64]), Err(Malformed));
    }
}
