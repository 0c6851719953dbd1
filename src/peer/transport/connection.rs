//! One peer connection as a machine around str0m.

use super::keyframes::Keyframes;
use super::link::{Link, LinkReport};
use super::sdp::prefer;
use super::{Channel, Output, Stats, TransportError, evidence, rtp};
use crate::base::{Bitrate, Mono, Now};
use crate::media::{Codec, Mid, Munged, Packet, StreamId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Rtc};

/// One peer connection.
pub struct Transport {
    pub(super) rtc: Rtc,
    anchor: Instant,
    local: SocketAddr,
    outputs: VecDeque<Output>,
    deadline: Option<Mono>,
    pub(super) channels: BTreeMap<Channel, ChannelId>,
    pub(super) pending: Option<SdpPendingOffer>,
    pub(super) senders: BTreeMap<Mid, rtp::Sender>,
    keyframes: Keyframes,
    /// NACKs so far by stream and direction (true: sent), as str0m counts them.
    nacks: BTreeMap<(StreamId, bool), u64>,
    link: Link,
    /// When the datagram came that is being handled.
    arriving: (Instant, Mono),
    /// What the congestion controller was last told to look for.
    bandwidth: (Bitrate, Bitrate),
    last_authenticated: Option<Mono>,
    connected: bool,
    closed: bool,
    stats: Stats,
}

impl Transport {
    pub(super) fn new(rtc: Rtc, anchor: Instant, local: SocketAddr) -> Transport {
        Transport {
            rtc,
            anchor,
            local,
            outputs: VecDeque::new(),
            deadline: None,
            channels: BTreeMap::new(),
            pending: None,
            senders: BTreeMap::new(),
            keyframes: Keyframes::default(),
            nacks: BTreeMap::new(),
            link: Link::default(),
            arriving: (anchor, Mono::ZERO),
            bandwidth: (Bitrate::ZERO, Bitrate::ZERO),
            last_authenticated: None,
            connected: false,
            closed: false,
            stats: Stats::default(),
        }
    }

    /// Our ICE user fragment: STUN for this connection names it.
    pub fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Running counts.
    pub fn stats(&self) -> Stats {
        let nacks = |sent| {
            let counts = self.nacks.iter().filter(|((_, s), _)| *s == sent);
            counts.map(|(_, count)| *count).sum()
        };
        Stats {
            keyframe_requests_held: self.keyframes.held(),
            nacks_sent: nacks(true),
            nacks_received: nacks(false),
            ..self.stats
        }
    }

    /// True once ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// When the newest authenticated packet (SRTP, SRTCP, or STUN with integrity) came.
    pub fn last_authenticated(&self) -> Option<Mono> {
        self.last_authenticated
    }

    /// True if this connection accepts DTLS and media from `source`: STUN with valid credentials
    /// came from there.
    pub fn accepts_source(&self, source: SocketAddr) -> bool {
        /// The smallest datagram that str0m takes for DTLS.
        const DTLS_PROBE: [u8; 14] = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Receive::new(Protocol::Udp, source, self.local, &DTLS_PROBE)
            .is_ok_and(|receive| self.rtc.accepts(&Input::Receive(self.anchor, receive)))
    }

    /// A datagram from `source`. False if this connection does not accept it; nothing is sent then.
    pub fn handle_datagram(&mut self, source: SocketAddr, bytes: &[u8], now: Now) -> bool {
        let at = self.instant(now.mono);
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, bytes) else {
            return false;
        };
        let input = Input::Receive(at, receive);
        if self.closed || !self.rtc.accepts(&input) {
            return false;
        }
        let before = evidence::authenticated_packets();
        self.stats.in_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        self.arriving = (at, now.mono);
        if let Err(error) = self.rtc.handle_input(input) {
            tracing::debug!(%error, "the connection broke");
            self.close();
        }
        // `accepts` has checked the integrity of STUN; str0m decrypts only what is authentic.
        let stun = crate::media::is_stun(bytes);
        if stun || evidence::authenticated_packets() != before {
            self.last_authenticated = Some(now.mono);
            self.link.handle_datagram(bytes.len(), now.mono);
        }
        self.drain();
        true
    }

    /// The time of `poll_timeout` has come, or something was written since.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.closed {
            return;
        }
        for stream in self.keyframes.handle_timeout(now.mono) {
            self.send_keyframe_request(stream);
        }
        let at = self.instant(now.mono);
        if let Err(error) = self.rtc.handle_input(Input::Timeout(at)) {
            tracing::debug!(%error, "the connection broke");
            self.close();
        }
        self.drain();
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Mono> {
        [self.deadline, self.keyframes.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What there is to say.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// An offer of the client: returns the answer, in which a section's `wanted` codec comes first.
    ///
    /// # Errors
    /// The offer does not parse or does not fit.
    pub fn handle_offer(
        &mut self,
        sdp: &str,
        wanted: impl Fn(Mid) -> Option<Codec>,
    ) -> Result<String, TransportError> {
        let offer = SdpOffer::from_sdp_string(sdp)
            .map_err(|error| TransportError::Sdp(error.to_string()))?;
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|error| TransportError::Sdp(error.to_string()))?;
        self.drain();
        Ok(prefer(&answer.to_sdp_string(), wanted))
    }

    /// The client's answer to the open offer.
    ///
    /// # Errors
    /// No offer is open, or the answer does not parse or does not fit.
    pub fn handle_answer(&mut self, sdp: &str) -> Result<(), TransportError> {
        let pending = self.pending.take().ok_or(TransportError::NoOpenOffer)?;
        let answer = SdpAnswer::from_sdp_string(sdp)
            .map_err(|error| TransportError::Sdp(error.to_string()))?;
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(|error| TransportError::Sdp(error.to_string()))?;
        self.drain();
        Ok(())
    }

    /// A trickled candidate. Addresses are learnt from STUN anyway (ICE-lite), so one of a kind that
    /// we do not use (TCP, mDNS) is no error.
    ///
    /// # Errors
    /// The text is no candidate.
    pub fn handle_candidate(&mut self, candidate: &str) -> Result<(), TransportError> {
        if candidate.is_empty() || candidate.contains(".local ") {
            return Ok(());
        }
        let candidate = Candidate::from_sdp_string(candidate)
            .map_err(|error| TransportError::Candidate(error.to_string()))?;
        self.rtc.add_remote_candidate(candidate);
        self.drain();
        Ok(())
    }

    /// Sends `payload` on a channel; false if the channel is not open or its buffer is full.
    pub fn send_data(&mut self, channel: Channel, payload: &[u8]) -> bool {
        let Some(id) = self.channels.get(&channel) else {
            return false;
        };
        let Some(mut channel) = self.rtc.channel(*id) else {
            return false;
        };
        channel.write(true, payload).unwrap_or(false)
    }

    /// Sends the payload of `packet` with `numbers` in section `mid`; it leaves at the next
    /// `handle_timeout`. False if the section is not ready or cannot carry the codec.
    pub fn send_packet(&mut self, mid: Mid, packet: &Packet, numbers: Munged, now: Mono) -> bool {
        let at = self.instant(now);
        let sender = match self.senders.entry(mid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => match rtp::Sender::find(&mut self.rtc, mid) {
                Some(sender) => new.insert(sender),
                None => return false,
            },
        };
        sender.send(&mut self.rtc, packet, numbers, at)
    }

    /// Asks the peer for a keyframe, at most once per 500 ms and stream.
    pub fn request_keyframe(&mut self, stream: StreamId, now: Mono) {
        if self.keyframes.handle_request(stream, now) {
            self.send_keyframe_request(stream);
        }
    }

    /// The way to and from the peer, as it is now.
    pub fn link(&mut self, now: Mono) -> LinkReport {
        self.link.report(now)
    }

    /// What the congestion controller shall look for: `desired` in all, and `minimum` to be kept
    /// flowing, by padding where there is no media, as far as the estimate allows.
    pub fn set_bandwidth(&mut self, minimum: Bitrate, desired: Bitrate) {
        if std::mem::replace(&mut self.bandwidth, (minimum, desired)) != (minimum, desired) {
            let bps = |rate: Bitrate| str0m::bwe::Bitrate::bps(rate.0);
            self.rtc.bwe().set_bitrate(bps(minimum), bps(desired));
        }
    }

    /// Starts the congestion controller anew from `estimate`, with its first probes: one that saw its
    /// last packets wait, and sends nothing since, would wait for feedback for ever.
    pub fn restart_estimate(&mut self, estimate: Bitrate) {
        self.rtc
            .bwe()
            .reset(str0m::bwe::Bitrate::bps(estimate.0.max(1)));
    }

    /// Says goodbye; nothing is accepted afterwards.
    pub fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.outputs.push_back(Output::Closed);
        }
    }

    fn send_keyframe_request(&mut self, stream: StreamId) {
        if rtp::request_keyframe(&mut self.rtc, stream) {
            self.stats.keyframe_requests += 1;
        }
    }

    fn instant(&self, at: Mono) -> Instant {
        self.anchor + Duration::from_micros(at.micros())
    }

    /// str0m must be polled until it has nothing more to say after each input.
    pub(super) fn drain(&mut self) {
        while !self.closed {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => {
                    self.deadline = Some(Mono::ZERO + at.saturating_duration_since(self.anchor));
                    return;
                }
                Ok(str0m::Output::Transmit(transmit)) => {
                    let bytes: Vec<u8> = transmit.contents.into();
                    self.stats.out_packets += 1;
                    self.stats.out_bytes += u64::try_from(bytes.len()).unwrap_or(0);
                    self.outputs.push_back(Output::Datagram {
                        to: transmit.destination,
                        bytes,
                    });
                }
                Ok(str0m::Output::Event(event)) => self.on_event(event),
                Err(error) => {
                    tracing::debug!(%error, "the connection broke");
                    self.close();
                }
            }
        }
        self.deadline = None;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "str0m's events are many and most are not for an SFU in RTP mode"
    )]
    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                self.outputs.push_back(Output::Connected);
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) | Event::Closed => {
                self.close();
            }
            Event::RtpPacket(packet) => {
                self.stats.in_packets += 1;
                if let Some(sent) = packet.header.ext_vals.abs_send_time {
                    let (arrived, now) = self.arriving;
                    self.link.handle_departure(sent, arrived, now);
                }
                if let Some(packet) = rtp::receive(&mut self.rtc, packet) {
                    if packet.keyframe {
                        self.keyframes.handle_keyframe(packet.stream);
                    }
                    self.outputs.push_back(Output::Packet(packet));
                }
            }
            Event::KeyframeRequest(request) => {
                self.stats.keyframes_asked += 1;
                self.outputs
                    .push_back(Output::KeyframeRequest(Mid::from(&*request.mid)));
            }
            Event::EgressBitrateEstimate(kind) => self.link.handle_estimate(&kind),
            Event::PeerStats(stats) => self.link.handle_stats(&stats),
            Event::MediaIngressStats(stats) => {
                let stream = rtp::stream_id(stats.mid, stats.rid);
                self.nacks.insert((stream, true), stats.nacks);
            }
            Event::MediaEgressStats(stats) => {
                let stream = rtp::stream_id(stats.mid, stats.rid);
                self.nacks.insert((stream, false), stats.nacks);
            }
            Event::ChannelOpen(id, label) => {
                if let Some(channel) = Channel::of_label(&label) {
                    self.channels.insert(channel, id);
                    self.outputs.push_back(Output::ChannelOpen(channel));
                }
            }
            Event::ChannelData(data) => {
                // Filler that a probe asked for comes this way too.
                self.link.handle_datagram(data.data.len(), self.arriving.1);
                let channel = self.channels.iter().find(|(_, id)| **id == data.id);
                if let Some((channel, _)) = channel {
                    self.outputs.push_back(Output::Data(*channel, data.data));
                }
            }
            _ => {}
        }
    }
}
