//! Makes peer connections that share a certificate and a configuration.

use super::anchor::Anchor;
use super::connection::Transport;
use super::error::TransportError;
use super::media::{Purpose, configure, counting, extensions};
use crate::base::Mono;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use str0m::config::{DtlsCert, DtlsVersion};
use str0m::crypto::CryptoProvider;
use str0m::{Candidate, RtcConfig};

/// What may be under way on the data channels of a connection, in bytes: 40 Mbit/s over 100 ms, and as
/// much again for messages that are whole or not there.
const MAX_DATA_UNDER_WAY: usize = 1_048_576;

/// Shared by all connections of a process.
#[derive(Clone)]
pub struct Factory {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
    pub(super) anchor: Anchor,
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
        let crypto = counting(str0m::crypto::from_feature_flags());
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .ok_or_else(|| TransportError::Sdp("no DTLS certificate could be made".into()))?;
        Ok(Factory {
            crypto: Arc::new(crypto),
            certificate,
            anchor: Anchor(anchor),
        })
    }

    /// A connection. `advertised` are the addresses at which the client reaches the worker's socket.
    pub fn connection(&self, purpose: Purpose, advertised: &[SocketAddr], now: Mono) -> Transport {
        let config = configure(self.config().set_ice_lite(true), purpose);
        let mut rtc = config.build(self.anchor.instant(now));
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

    /// What all connections have in common.
    pub(super) fn config(&self) -> RtcConfig {
        RtcConfig::new()
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_dtls_cert(self.certificate.clone())
            // With 1.3 the client's first choice wins, and Chromium's is AES-CM: six times the cost.
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_extension_map(extensions())
            .set_rtp_mode(true)
            .set_sctp_max_buffered_amount(MAX_DATA_UNDER_WAY)
    }
}
