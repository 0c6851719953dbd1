//! A media packet after authentication, classified once.

use super::{Codec, Picture, Temporal, Vp8};
use std::fmt;
use std::sync::Arc;

/// Longest MID or RID that is kept; longer ones are cut (RFC 8843 recommends at most 3 bytes,
/// browsers use 1 to 3).
const MAX_TAG: usize = 8;

/// Up to eight bytes of text, copied by value: cheap as a key on the packet path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Tag([u8; MAX_TAG]);

impl Tag {
    fn new(text: &str) -> Tag {
        let mut tag = [0; MAX_TAG];
        for (to, from) in tag.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Tag(tag)
    }

    fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_TAG);
        std::str::from_utf8(&self.0[..len]).unwrap_or("")
    }
}

macro_rules! tag {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Tag);

        impl $name {
            /// The tag as it appears in SDP.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(Tag::new(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

tag!(/// Identifies a media section within one peer connection (RFC 8843).
    Mid);
tag!(/// Identifies a simulcast layer within a media section (RFC 8852).
    Rid);

/// One stream of packets with its own numbering: a media section, or one layer of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The media section.
    pub mid: Mid,
    /// The simulcast layer, if any.
    pub rid: Option<Rid>,
}

/// A moment in both clocks of a stream's sender, from its newest sender report (RFC 3550, 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderTime {
    /// The sender's wall clock, in microseconds since 1970. The same clock for all streams of a
    /// sender; of use for differences alone.
    pub wall_us: u64,
    /// The same moment as RTP timestamp of the stream.
    pub timestamp: u32,
}

/// An authenticated RTP packet. The payload is shared from here on, never copied until encryption.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Which stream it belongs to.
    pub stream: StreamId,
    /// Sequence number, extended over roll-overs.
    pub seq: u64,
    /// RTP timestamp in units of the codec's clock.
    pub timestamp: u32,
    /// End of a frame (video) or start of a talk spurt (audio).
    pub marker: bool,
    /// The codec of the payload.
    pub codec: Codec,
    /// The payload, without header and padding.
    pub payload: Arc<[u8]>,
    /// Audio level in -dBov, 0 loudest (RFC 6464).
    pub audio_level: Option<i8>,
    /// RFC 6464 voice activity flag.
    pub voice_activity: Option<bool>,
    /// First packet of a keyframe; always true for audio.
    pub keyframe: bool,
    /// VP8's own numbering, if the payload carries one.
    pub picture: Option<Picture>,
    /// VP8's temporal layer, where frames of it can be left out: with picture numbering alone.
    pub temporal: Option<Temporal>,
    /// What the stream's newest sender report said, if one has come.
    pub reported: Option<SenderTime>,
}

impl Packet {
    /// A packet within its frame, classified by its payload. What its header and reports say beyond that
    /// is filled in by struct update.
    pub fn new(
        stream: StreamId,
        codec: Codec,
        seq: u64,
        timestamp: u32,
        payload: Arc<[u8]>,
    ) -> Packet {
        let mut packet = Packet {
            stream,
            seq,
            timestamp,
            marker: false,
            codec,
            payload,
            audio_level: None,
            voice_activity: None,
            keyframe: false,
            picture: None,
            temporal: None,
            reported: None,
        };
        packet.classify();
        packet
    }

    /// Fills in what the payload says: keyframe and picture numbering.
    pub fn classify(&mut self) {
        match self.codec {
            Codec::Opus => self.keyframe = true,
            Codec::H264 => self.keyframe = super::codec::h264_starts_keyframe(&self.payload),
            Codec::Vp8 => {
                let descriptor = Vp8::parse(&self.payload);
                self.keyframe = descriptor.is_some_and(|vp8| vp8.starts_keyframe);
                self.picture = descriptor.and_then(|vp8| vp8.picture);
                let temporal = descriptor.and_then(|vp8| vp8.temporal);
                self.temporal = temporal.filter(|_| self.picture.is_some());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_short_text_and_cuts_long_text() {
        assert_eq!(Mid::from("0").as_str(), "0");
        assert_eq!(Rid::from("123456789").as_str(), "12345678");
        assert_eq!(Rid::from("").as_str(), "");
    }
}
