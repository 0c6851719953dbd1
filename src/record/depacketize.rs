//! From the payloads of RTP to the frames of a file. Pure: bytes in, bytes out. What makes no sense is
//! [`Malformed`], and costs its frame alone.

mod error;
pub(super) mod h264;
mod sps;
pub(super) mod vp8;

pub(super) use error::Malformed;

use super::matroska::write::TrackCodec;
use crate::media::Codec;

/// Puts the payloads of one frame together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Depacketizer {
    /// Payloads are frames.
    Opus,
    /// Payloads are pieces, behind a descriptor.
    Vp8,
    /// Payloads are units, several of them, or pieces of one.
    H264(h264::Fragment),
}

impl Depacketizer {
    pub(super) const fn new(codec: Codec) -> Depacketizer {
        match codec {
            Codec::Opus => Depacketizer::Opus,
            Codec::Vp8 => Depacketizer::Vp8,
            Codec::H264 => Depacketizer::H264(h264::Fragment::new()),
        }
    }

    /// True if a frame may begin with this payload, of which it is not known whether one before it was lost.
    pub(super) fn begins_frame(&self, payload: &[u8], after_gap: bool) -> bool {
        match self {
            Depacketizer::Opus => true,
            Depacketizer::Vp8 => vp8::begins_frame(payload),
            // Units do not say whether they are the first ones of their picture. But encoders put the parameter
            // sets before each keyframe.
            Depacketizer::H264(_) => !after_gap || h264::begins_with_parameters(payload),
        }
    }

    /// A frame begins.
    pub(super) const fn begin(&mut self) {
        if let Depacketizer::H264(fragment) = self {
            *fragment = h264::Fragment::new();
        }
    }

    /// Appends what the payload holds of the frame.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, payload: &[u8]) -> Result<(), Malformed> {
        match self {
            Depacketizer::Opus => out.extend_from_slice(payload),
            Depacketizer::Vp8 => out.extend_from_slice(vp8::content(payload)?),
            Depacketizer::H264(fragment) => return fragment.append(out, payload),
        }
        Ok(())
    }

    /// True if nothing is missing at the end.
    pub(super) const fn is_whole(&self) -> bool {
        match self {
            Depacketizer::Opus | Depacketizer::Vp8 => true,
            Depacketizer::H264(fragment) => fragment.is_whole(),
        }
    }

    /// What a decoder must know before this frame, which is a keyframe.
    pub(super) fn describe(&self, keyframe: &[u8]) -> Result<TrackCodec, Malformed> {
        match self {
            Depacketizer::Opus => Ok(TrackCodec::Opus),
            Depacketizer::Vp8 => {
                let size = vp8::pixel_size(keyframe)?;
                Ok(TrackCodec::Vp8 { size })
            }
            Depacketizer::H264(_) => h264::describe(keyframe),
        }
    }
}
