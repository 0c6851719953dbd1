//! VP8: behind the payload descriptor (RFC 7741, section 4.2) lie the bytes of the frame as they are.

use super::error::Malformed;
use crate::record::matroska::write::PixelSize;

/// What a keyframe has behind its three bytes of tag (RFC 6386, section 9.1).
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// Width and height have 14 bits; the upper two say how a player may scale.
const SIZE_BITS: u16 = 0x3fff;

/// True for the first packet of a frame: the beginning of partition 0.
pub(in crate::record) fn begins_frame(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| first & 0x17 == 0x10)
}

/// The payload without its descriptor.
pub(super) fn content(payload: &[u8]) -> Result<&[u8], Malformed> {
    let (first, mut rest) = payload.split_first().ok_or(Malformed)?;
    if first & 0x80 != 0 {
        let (flags, after) = rest.split_first().ok_or(Malformed)?;
        let mut skip = 0;
        if flags & 0x80 != 0 {
            let long = after.first().ok_or(Malformed)? & 0x80 != 0;
            skip += if long { 2 } else { 1 };
        }
        skip += usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
        rest = after.get(skip..).ok_or(Malformed)?;
    }
    if rest.is_empty() {
        return Err(Malformed);
    }
    Ok(rest)
}

/// Width and height of a keyframe.
pub(super) fn pixel_size(keyframe: &[u8]) -> Result<PixelSize, Malformed> {
    let [tag, _, _, code @ ..] = keyframe else {
        return Err(Malformed);
    };
    let size = code.strip_prefix(&START_CODE).ok_or(Malformed)?;
    let [w0, w1, h0, h1, ..] = size else {
        return Err(Malformed);
    };
    let width = u16::from_le_bytes([*w0, *w1]) & SIZE_BITS;
    let height = u16::from_le_bytes([*h0, *h1]) & SIZE_BITS;
    if tag & 0x01 != 0 || width == 0 || height == 0 {
        return Err(Malformed);
    }
    Ok(PixelSize {
        width: u32::from(width),
        height: u32::from(height),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_is_taken_off_whatever_its_shape() {
        type Case<'a> = (&'a str, &'a [u8], Result<&'a [u8], Malformed>);
        let cases: &[Case<'_>] = &[
            ("empty", &[], Err(Malformed)),
            ("plain", &[0x10, 1, 2], Ok(&[1, 2])),
            ("nothing behind it", &[0x10], Err(Malformed)),
            ("extended, no fields", &[0x90, 0x00, 1], Ok(&[1])),
            ("7-bit id", &[0x90, 0x80, 0x01, 9], Ok(&[9])),
            ("15-bit id", &[0x90, 0x80, 0x81, 0x02, 9], Ok(&[9])),
            ("all fields", &[0x90, 0xf0, 0x81, 2, 7, 0x20, 9], Ok(&[9])),
            ("K alone", &[0x90, 0x10, 0x20, 9], Ok(&[9])),
            ("cut in the fields", &[0x90, 0xf0, 0x81, 2], Err(Malformed)),
            ("cut in the id", &[0x90, 0x80], Err(Malformed)),
        ];
        for (name, payload, expected) in cases {
            assert_eq!(content(payload), *expected, "{name}");
        }
        assert!(begins_frame(&[0x90, 0x80]) && begins_frame(&[0x10]));
        assert!(!begins_frame(&[0x00]) && !begins_frame(&[0x11]) && !begins_frame(&[]));
    }

    #[test]
    fn a_keyframe_says_how_large_it_is() {
        let frame = [0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x42, 0xe0, 0x01, 7];
        let size = PixelSize {
            width: 640,
            height: 480,
        };
        assert_eq!(pixel_size(&frame), Ok(size));
        for len in 0..10 {
            assert_eq!(pixel_size(&frame[..len]), Err(Malformed), "{len} bytes");
        }
        let mut delta = frame;
        delta[0] = 0x11;
        assert_eq!(pixel_size(&delta), Err(Malformed));
    }
}
