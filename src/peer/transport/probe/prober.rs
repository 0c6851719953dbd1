//! The client's side of a probe: it offers, and leads ICE.

use super::probe::{PROBE_CHANNEL, Probe};
use crate::base::Mono;
use crate::peer::transport::error::TransportError;
use crate::peer::transport::factory::Factory;
use std::net::SocketAddr;
use str0m::Candidate;
use str0m::change::SdpAnswer;
use str0m::channel::ChannelConfig;
use str0m::media::{Direction, MediaKind};

impl Factory {
    /// The client's side, with its offer: a section to send in, one to receive in, a data channel.
    ///
    /// # Errors
    /// There is nothing to offer; our defect.
    pub fn prober(&self, now: Mono) -> Result<(Probe, String), TransportError> {
        let mut probe = Probe::new(self, false, now);
        let mut api = probe.rtc.sdp_api();
        let ours = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        api.add_channel_with_config(ChannelConfig {
            label: PROBE_CHANNEL.to_owned(),
            ..ChannelConfig::default()
        });
        let (offer, pending) = api
            .apply()
            .ok_or_else(|| TransportError::Sdp("nothing to offer".into()))?;
        probe.pending = Some(pending);
        probe.sends_in = Some(ours);
        probe.drain();
        Ok((probe, offer.to_sdp_string()))
    }
}

impl Probe {
    /// The answer to our offer; returns where the node listens.
    ///
    /// # Errors
    /// The answer does not parse or does not fit.
    pub fn handle_answer(&mut self, sdp: &str) -> Result<Vec<SocketAddr>, TransportError> {
        let pending = self.pending.take().ok_or(TransportError::NoOpenOffer)?;
        let answer =
            SdpAnswer::from_sdp_string(sdp).map_err(|e| TransportError::Sdp(e.to_string()))?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|e| TransportError::Sdp(e.to_string()))?;
        self.drain();
        Ok(candidates(sdp))
    }
}

/// The addresses of the candidates in a description.
fn candidates(sdp: &str) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = sdp
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("a=candidate:"))
        .filter_map(|line| Candidate::from_sdp_string(&format!("candidate:{line}")).ok())
        .map(|candidate| candidate.addr())
        .collect();
    found.sort();
    found.dedup();
    found
}
