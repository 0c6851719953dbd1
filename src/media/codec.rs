//! The codecs that are forwarded, and where an H.264 keyframe starts.

use crate::base::TrackKind;

/// A codec of the forwarding path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Audio, RFC 7587.
    Opus,
    /// Video, RFC 7741.
    Vp8,
    /// Video, RFC 6184.
    H264,
}

impl Codec {
    /// Ticks of the RTP timestamp per second.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            Codec::Vp8 | Codec::H264 => 90_000,
        }
    }

    /// The codec of a name in an SDP or in the words of a client, in any case; `None` if it is not forwarded.
    pub fn named(name: &str) -> Option<Codec> {
        [Codec::Opus, Codec::Vp8, Codec::H264]
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Its name in the words of LiveKit's clients.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::Vp8 => "vp8",
            Codec::H264 => "h264",
        }
    }

    /// The MIME type as LiveKit writes it.
    pub const fn mime(self) -> &'static str {
        match self {
            Codec::Opus => "audio/opus",
            Codec::Vp8 => "video/VP8",
            Codec::H264 => "video/H264",
        }
    }

    /// Audio or video.
    pub const fn kind(self) -> TrackKind {
        match self {
            Codec::Opus => TrackKind::Audio,
            Codec::Vp8 | Codec::H264 => TrackKind::Video,
        }
    }
}

/// NAL unit types of RFC 6184, table 1, and of H.264, table 7-1.
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;

/// True if `payload` holds the first packet of an H.264 keyframe: a sequence parameter set, or an
/// IDR slice that does not go on from an earlier packet.
pub(super) fn h264_starts_keyframe(payload: &[u8]) -> bool {
    let Some(first) = payload.first() else {
        return false;
    };
    match first & 0x1f {
        NAL_SPS | NAL_IDR => true,
        NAL_STAP_A => stap_a_holds_keyframe(&payload[1..]),
        NAL_FU_A => payload.get(1).is_some_and(|header| {
            let starts = header & 0x80 != 0;
            starts && matches!(header & 0x1f, NAL_SPS | NAL_IDR)
        }),
        _ => false,
    }
}

fn stap_a_holds_keyframe(mut units: &[u8]) -> bool {
    while let [high, low, rest @ ..] = units {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(unit) = rest.get(..len).filter(|unit| !unit.is_empty()) else {
            return false;
        };
        if matches!(unit[0] & 0x1f, NAL_SPS | NAL_IDR) {
            return true;
        }
        units = &rest[len..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_keyframes_are_found_in_every_packetization() {
        let cases: &[(&str, &[u8], bool)] = &[
            ("empty", &[], false),
            ("single IDR", &[0x65, 1], true),
            ("single SPS", &[0x67, 1], true),
            ("single non-IDR slice", &[0x41, 1], false),
            ("STAP-A with SPS", &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], true),
            ("STAP-A without", &[0x78, 0, 1, 0x41], false),
            ("STAP-A whose length lies", &[0x78, 0xff, 0xff, 0x67], false),
            (
                "STAP-A with an empty unit",
                &[0x78, 0, 0, 0, 1, 0x67],
                false,
            ),
            ("FU-A start of IDR", &[0x7c, 0x85], true),
            ("FU-A middle of IDR", &[0x7c, 0x05], false),
            ("FU-A cut short", &[0x7c], false),
        ];
        for (name, payload, expected) in cases {
            assert_eq!(h264_starts_keyframe(payload), *expected, "{name}");
        }
    }
}
