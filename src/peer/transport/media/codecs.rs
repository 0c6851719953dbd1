//! How str0m is set up for media: codecs, congestion control, reports.

use crate::base::Bitrate;
use std::time::Duration;
use str0m::RtcConfig;

/// Payload types of our offers: (payload type, its RTX).
const VP8_PT: (u8, u8) = (96, 97);
const H264_PT: [(u8, u8, u32); 2] = [
    // Constrained baseline and baseline, level 3.1, packetization mode 1: what browsers offer.
    (108, 109, 0x42_e01f),
    (127, 121, 0x42_001f),
];

/// How often str0m tells estimate, losses and NACKs. Its own event smooths the estimate over 3 s, too
/// slow to come down at once.
const STATS_EVERY: Duration = Duration::from_millis(200);

/// What a way is believed to carry before it was measured (libwebrtc's own start).
const FIRST_ESTIMATE_BPS: u64 = 300_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Media comes in.
    Receive,
    /// Media goes out, under congestion control that begins with what was measured before.
    Send(Option<Bitrate>),
}

/// Adds what media needs to the configuration of a connection.
pub fn configure(config: RtcConfig, purpose: Purpose) -> RtcConfig {
    let mut config = config
        .set_stats_interval(Some(STATS_EVERY))
        .enable_bwe(first_estimate(purpose))
        .clear_codecs()
        .enable_opus(true, false);
    let codecs = config.codec_config();
    codecs.add_config(
        VP8_PT.0.into(),
        Some(VP8_PT.1.into()),
        str0m::format::Codec::Vp8,
        str0m::media::Frequency::NINETY_KHZ,
        None,
        str0m::format::FormatParams::default(),
    );
    for (pt, rtx, profile) in H264_PT {
        codecs.add_h264(pt.into(), Some(rtx.into()), true, profile);
    }
    for sound in codecs.iter_mut().filter(|one| one.spec().codec.is_audio()) {
        // Lost sound is asked for (`rtp::Holes`), and not sent again: str0m does that by RTX alone, which no
        // browser has for sound.
        sound.set_fb_nack(purpose == Purpose::Receive);
    }
    config
}

fn first_estimate(purpose: Purpose) -> Option<str0m::bwe::Bitrate> {
    match purpose {
        Purpose::Receive => None,
        Purpose::Send(measured) => {
            let bps = measured.map_or(FIRST_ESTIMATE_BPS, |rate| rate.0);
            Some(str0m::bwe::Bitrate::bps(bps.max(FIRST_ESTIMATE_BPS)))
        }
    }
}
