//! Makes peer connections that share a certificate and a configuration.

use super::{Channel, Transport, TransportError, evidence};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use str0m::channel::{ChannelConfig, Reliability};
use str0m::config::{DtlsCert, DtlsVersion};
use str0m::{Candidate, RtcConfig};

use crate::base::{Bitrate, Mono};

/// Payload types of our offers: (payload type, its RTX).
const VP8_PT: (u8, u8) = (96, 97);
const H264_PT: [(u8, u8, u32); 2] = [
    // Constrained baseline and baseline, level 3.1, packetization mode 1: what browsers offer.
    (108, 109, 0x42_e01f),
    (127, 121, 0x42_001f),
];

/// How often str0m tells estimate, losses and NACKs. Its own event smooths the estimate over 3 s, too
/// slow to come down at once.
const STATS_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

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

/// Shared by all connections of a process.
#[derive(Clone)]
pub struct Factory {
    pub(super) crypto: Arc<str0m::crypto::CryptoProvider>,
    pub(super) certificate: DtlsCert,
    pub(super) anchor: Instant,
}

impl std::fmt::Debug for Factory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Factory").finish_non_exhaustive()
    }
}

impl Factory {
    /// `anchor` is the standard library's instant of `Mono::ZERO`.
    ///
    /// # Errors
    /// No DTLS certificate could be made.
    pub fn new(anchor: Instant) -> Result<Factory, TransportError> {
        let crypto = evidence::counting(str0m::crypto::from_feature_flags());
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .ok_or_else(|| TransportError::Sdp("no DTLS certificate could be made".into()))?;
        Ok(Factory {
            crypto: Arc::new(crypto),
            certificate,
            anchor,
        })
    }

    /// A connection. `advertised` are the addresses at which the client reaches the worker's socket.
    pub fn connection(&self, purpose: Purpose, advertised: &[SocketAddr], now: Mono) -> Transport {
        let start = self.anchor + std::time::Duration::from_micros(now.micros());
        let mut config = RtcConfig::new()
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_dtls_cert(self.certificate.clone())
            // With 1.3 the client's first choice wins, and Chromium's is AES-CM: six times the cost.
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_ice_lite(true)
            .set_rtp_mode(true)
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
        let mut rtc = config.build(start);
        for address in advertised {
            if let Ok(candidate) = Candidate::host(*address, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        let local = advertised
            .first()
            .copied()
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        Transport::new(rtc, self.anchor, local)
    }
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

/// The in-band configuration of a channel that we open.
pub(super) fn channel_config(channel: Channel) -> ChannelConfig {
    let reliable = channel == Channel::Reliable;
    ChannelConfig {
        label: channel.label().to_owned(),
        ordered: reliable,
        reliability: if reliable {
            Reliability::Reliable
        } else {
            Reliability::MaxRetransmits { retransmits: 0 }
        },
        negotiated: None,
        protocol: String::new(),
    }
}
