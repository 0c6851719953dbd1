//! A picture of the recording: a keyframe of VP8 in a RIFF container is a WebP file as it stands
//! (RFC 9649, section 2.5).

/// Larger keyframes are passed over: a poster is fetched with a list.
const MAX_POSTER_BYTES: usize = 1024 * 1024;
/// Larger pictures are passed over: whoever decodes one needs memory for all of it, and its size is only claimed.
const MAX_PIXELS: u32 = 4_096 * 2_304;
/// Bytes of a keyframe before its size (RFC 6386, section 9.1): frame tag and start code.
const START: usize = 6;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// In the first byte of a frame: set where it is no keyframe.
const INTER: u8 = 0x01;
/// In the first byte of a frame: set where it is shown.
const SHOWN: u8 = 0x10;

/// A keyframe that may become the poster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How many pixels it has.
    pixels: u32,
    frame: Vec<u8>,
}

impl Candidate {
    /// True if this is the better picture: more pixels, and of as many the one that needs more bytes
    /// (a lens cover needs few).
    pub fn is_better_than(&self, other: &Candidate) -> bool {
        (self.pixels, self.frame.len()) > (other.pixels, other.frame.len())
    }

    /// The WebP file.
    pub fn webp(&self) -> Vec<u8> {
        webp(&self.frame)
    }
}

/// The frame as a candidate, if it is a keyframe, and a better one than `best`.
pub(super) fn candidate(frame: &[u8], best: Option<&Candidate>) -> Option<Candidate> {
    let pixels = pixels(frame)?;
    let rank = (pixels, frame.len());
    let better = best.is_none_or(|best| rank > (best.pixels, best.frame.len()));
    (better && frame.len() <= MAX_POSTER_BYTES).then(|| Candidate {
        pixels,
        frame: frame.to_vec(),
    })
}

fn pixels(frame: &[u8]) -> Option<u32> {
    let first = *frame.first()?;
    let code = frame.get(3..START)?;
    if first & INTER != 0 || first & SHOWN == 0 || code != START_CODE {
        return None;
    }
    let size = frame.get(START..)?.first_chunk::<4>()?;
    // The upper two bits of each are a scale that decoders do not apply.
    let [width, height] = [[size[0], size[1]], [size[2], size[3]]]
        .map(|bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff));
    Some(width * height).filter(|pixels| (1..=MAX_PIXELS).contains(pixels))
}

fn webp(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap_or(0);
    let padding = length & 1;
    let mut out = Vec::with_capacity(frame.len() + 21);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(4 + 8 + length + padding).to_le_bytes());
    out.extend_from_slice(b"WEBPVP8 ");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(frame);
    if padding == 1 {
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyframe(width: u8, height: u8, bytes: usize) -> Vec<u8> {
        let mut frame = vec![SHOWN, 0, 0, 0x9d, 0x01, 0x2a, width, 0x40, height, 0x40];
        frame.resize(bytes, 7);
        frame
    }

    /// Claims 16,383 x 16,383 pixels.
    fn vast() -> Vec<u8> {
        let mut frame = keyframe(0xff, 0xff, 100);
        (frame[7], frame[9]) = (0x3f, 0x3f);
        frame
    }

    #[test]
    fn the_largest_picture_with_the_most_in_it_is_the_poster() {
        let small = candidate(&keyframe(10, 10, 500), None).unwrap();
        assert!(candidate(&keyframe(10, 10, 400), Some(&small)).is_none());
        let rich = candidate(&keyframe(10, 10, 600), Some(&small)).unwrap();
        let large = candidate(&keyframe(20, 10, 100), Some(&rich)).unwrap();
        assert!(large.is_better_than(&rich) && rich.is_better_than(&small));
        let mut inter = keyframe(30, 30, 900);
        inter[0] |= INTER;
        for no in [
            inter,
            keyframe(0, 9, 50),
            keyframe(9, 9, 2_000_000),
            vast(),
            vec![SHOWN; 9],
        ] {
            assert!(candidate(&no, None).is_none());
        }
    }

    #[test]
    fn a_poster_is_a_webp_file_of_even_length() {
        for bytes in [100, 101] {
            let webp = candidate(&keyframe(10, 10, bytes), None).unwrap().webp();
            assert_eq!(webp.len() % 2, 0);
            assert_eq!(&webp[..4], b"RIFF");
            let riff = u32::from_le_bytes(webp[4..8].try_into().unwrap());
            assert_eq!(usize::try_from(riff).unwrap(), webp.len() - 8);
            assert_eq!(&webp[8..16], b"WEBPVP8 ");
            assert_eq!(webp[20..20 + bytes], keyframe(10, 10, bytes));
        }
    }
}
