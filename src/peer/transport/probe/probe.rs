//! A peer connection that measures its link: filler one way, counting the other way, and a data
//! channel to talk about it. The same ICE, DTLS and SRTP as a session, so that what it finds holds
//! for one; no retransmission and no estimate, which would hide what the link does.

use crate::base::Mono;
use crate::peer::transport::anchor::Anchor;
use crate::peer::transport::control::{
    Candidates, DTLS_PROBE, check_length, sections, take_candidates,
};
use crate::peer::transport::error::TransportError;
use crate::peer::transport::factory::Factory;
use crate::peer::transport::media::Evidence;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use str0m::change::{SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::format::{Codec, CodecConfig, CodecSpec, FormatParams, PayloadParams};
use str0m::media::{Frequency, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

/// The label of the data channel.
pub const PROBE_CHANNEL: &str = "beistand.preflight";

/// Payload type of what is sent: VP8, since every browser sends and takes it.
const PT: u8 = 96;
/// Payload of a filler packet: as large as media's, and with all headers below 1,200 bytes.
const FILLER_BYTES: usize = 1_100;
/// IPv4 and UDP headers, which the link carries too.
const HEADERS_BYTES: u64 = 28;
/// A browser's encoder stays a little below what it is told: it is told a tenth more.
const HEADROOM_SHARE: u64 = 10;
/// Clock of VP8, in ticks a millisecond (RFC 7741, section 4.1).
const TICKS_PER_MS: u64 = 90;

/// What a probe has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum ProbeOutput {
    /// Send this.
    Datagram {
        /// From which of our addresses.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// The data channel is open.
    Open,
    /// A message on the data channel.
    Message(Vec<u8>),
    /// An authenticated datagram of media came.
    Carried {
        /// With IP and UDP headers.
        link_bytes: u64,
    },
    /// A packet of the peer's video came.
    Packet {
        /// Its sequence number, extended.
        seq: u64,
        /// Its timestamp, in ticks of 90 kHz.
        timestamp: u32,
    },
    /// The peer closed the connection, or it broke.
    Closed,
}

/// What was sent of the filler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes, with IP and UDP headers.
    pub link_bytes: u64,
}

/// The connection.
pub struct Probe {
    pub(super) rtc: Rtc,
    anchor: Anchor,
    pub(super) pending: Option<SdpPendingOffer>,
    pub(super) sends_in: Option<Mid>,
    outputs: VecDeque<ProbeOutput>,
    deadline: Option<Mono>,
    channel: Option<ChannelId>,
    filler: Arc<[u8]>,
    seq: u64,
    sent: Sent,
    closed: bool,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Factory {
    /// The node's side, which answers.
    pub fn probe(&self, advertised: &[SocketAddr], now: Mono) -> Probe {
        let mut probe = Probe::new(self, true, now);
        for address in advertised {
            probe.add_local(*address);
        }
        probe
    }
}

impl Probe {
    pub(super) fn new(factory: &Factory, lite: bool, now: Mono) -> Probe {
        let mut config = factory.config().set_ice_lite(lite);
        *config.codec_config() = CodecConfig::new_from_payload_params(vec![vp8()]);
        Probe {
            rtc: config.build(factory.anchor.instant(now)),
            anchor: factory.anchor,
            pending: None,
            sends_in: None,
            outputs: VecDeque::new(),
            deadline: None,
            channel: None,
            filler: filler(),
            seq: 0,
            sent: Sent::default(),
            closed: false,
        }
    }

    /// One of our addresses.
    pub fn add_local(&mut self, address: SocketAddr) {
        if let Ok(candidate) = Candidate::host(address, "udp") {
            self.rtc.add_local_candidate(candidate);
        }
    }

    /// Our ICE user fragment.
    pub fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// An offer with a section in which the peer sends, and one in which we send. The answer asks
    /// for `up_bps` at once, without the seconds of ramping up that browsers take otherwise.
    ///
    /// # Errors
    /// The offer does not parse or does not fit.
    pub fn handle_offer(&mut self, sdp: &str, up_bps: u64) -> Result<String, TransportError> {
        let refused = |what: &str| TransportError::Sdp(what.to_owned());
        check_length(sdp)?;
        let (sdp, candidates) = take_candidates(sdp);
        let sdp = sdp.as_ref();
        let ours = sections(sdp)
            .into_iter()
            .find(|section| !section.sends)
            .ok_or_else(|| refused("no section in which the node may send"))?;
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|e| refused(&e.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(|e| refused(&e.to_string()))?;
        let mut known = Candidates::default();
        for candidate in candidates.iter().filter(|text| known.admit(text)) {
            if let Ok(candidate) = Candidate::from_sdp_string(candidate) {
                self.rtc.add_remote_candidate(candidate);
            }
        }
        self.sends_in = Some(Mid::from(ours.mid.as_str()));
        self.drain();
        Ok(with_bitrate(&answer.to_sdp_string(), up_bps))
    }

    /// A datagram from `source` to our address `local`. False if it is not for this connection.
    pub fn handle_datagram(
        &mut self,
        (source, local): (SocketAddr, SocketAddr),
        bytes: &[u8],
        now: Mono,
    ) -> bool {
        let Ok(receive) = Receive::new(Protocol::Udp, source, local, bytes) else {
            return false;
        };
        let input = Input::Receive(self.anchor.instant(now), receive);
        if self.closed || !self.rtc.accepts(&input) {
            return false;
        }
        let evidence = Evidence::from_now();
        if self.rtc.handle_input(input).is_err() {
            self.close();
        }
        if evidence.protection().is_some() {
            let link_bytes = link_bytes(bytes);
            self.outputs.push_back(ProbeOutput::Carried { link_bytes });
        }
        self.drain();
        true
    }

    /// True if STUN with valid credentials came from `source`.
    pub fn accepts_source(&self, source: SocketAddr, local: SocketAddr) -> bool {
        Receive::new(Protocol::Udp, source, local, &DTLS_PROBE)
            .is_ok_and(|receive| self.rtc.accepts(&Input::Receive(self.anchor.0, receive)))
    }

    /// The time of `poll_timeout` has come, or something was written since.
    pub fn handle_timeout(&mut self, now: Mono) {
        if self.closed {
            return;
        }
        let input = Input::Timeout(self.anchor.instant(now));
        if self.rtc.handle_input(input).is_err() {
            self.close();
        }
        self.drain();
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.deadline
    }

    /// What there is to say.
    pub fn poll_output(&mut self) -> Option<ProbeOutput> {
        self.outputs.pop_front()
    }

    /// Sends so many packets of filler.
    pub fn send_filler(&mut self, packets: u64, now: Mono) {
        let at = self.anchor.instant(now);
        let Some(mid) = self.sends_in else { return };
        let Some(pt) = self.payload_type(mid) else {
            return;
        };
        let ticks = now.micros().saturating_mul(TICKS_PER_MS) / 1_000;
        // A timestamp is the lowest 32 bits of a clock that never stops (RFC 3550, section 5.1).
        let timestamp = u32::try_from(ticks & u64::from(u32::MAX)).unwrap_or(0);
        for _ in 0..packets {
            let mut api = self.rtc.direct_api();
            let Some(stream) = api.stream_tx_by_mid(mid, None) else {
                return;
            };
            let payload = Arc::clone(&self.filler);
            stream.write_rtp(RtpWrite::new(pt, self.seq.into(), timestamp, at, payload));
            self.seq += 1;
        }
        self.handle_timeout(now);
    }

    /// Sends a message on the data channel; false if it is not open or full.
    pub fn send_message(&mut self, text: &str, now: Mono) -> bool {
        let channel = self.channel.and_then(|id| self.rtc.channel(id));
        let sent = channel
            .is_some_and(|mut channel| channel.write(false, text.as_bytes()).unwrap_or(false));
        self.handle_timeout(now);
        sent
    }

    /// What was sent of the filler.
    pub const fn sent(&self) -> Sent {
        self.sent
    }

    /// Nothing is accepted afterwards.
    pub fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.outputs.push_back(ProbeOutput::Closed);
        }
    }

    fn payload_type(&self, mid: Mid) -> Option<Pt> {
        self.rtc.media(mid)?.remote_pts().first().copied()
    }

    /// str0m must be polled until it has nothing more to say after each input.
    pub(super) fn drain(&mut self) {
        while !self.closed {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = Some(self.anchor.mono(at));
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    let bytes: Vec<u8> = transmit.contents.into();
                    if is_rtp(&bytes) {
                        self.sent.packets += 1;
                        self.sent.link_bytes += link_bytes(&bytes);
                    }
                    self.outputs.push_back(ProbeOutput::Datagram {
                        from: transmit.source,
                        to: transmit.destination,
                        bytes,
                    });
                }
                Ok(Output::Event(event)) => self.on_event(event),
                Err(error) => {
                    tracing::debug!(%error, "the connection of a preflight broke");
                    self.close();
                }
            }
        }
        self.deadline = None;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "str0m's events are many and a measurement needs few"
    )]
    fn on_event(&mut self, event: Event) {
        match event {
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) | Event::Closed => {
                self.close();
            }
            Event::RtpPacket(packet) => self.outputs.push_back(ProbeOutput::Packet {
                seq: *packet.seq_no,
                timestamp: packet.header.timestamp,
            }),
            Event::ChannelOpen(id, label) if label == PROBE_CHANNEL => {
                self.channel = Some(id);
                self.outputs.push_back(ProbeOutput::Open);
            }
            Event::ChannelData(data) if self.channel == Some(data.id) => {
                self.outputs.push_back(ProbeOutput::Message(data.data));
            }
            _ => {}
        }
    }
}

/// VP8 without any feedback: nothing is sent again, and nothing but the link sets the rate.
fn vp8() -> PayloadParams {
    let spec = CodecSpec {
        codec: Codec::Vp8,
        clock_rate: Frequency::NINETY_KHZ,
        channels: None,
        format: FormatParams::default(),
    };
    let mut params = PayloadParams::new(PT.into(), None, spec);
    params.set_fb_nack(false);
    params.set_fb_transport_cc(false);
    params.set_fb_remb(false);
    params
}

/// The middle of a picture that never begins (RFC 7741, section 4.2: S is 0) and never ends (no
/// marker): a browser counts it and has nothing to decode.
fn filler() -> Arc<[u8]> {
    Arc::from(vec![0; FILLER_BYTES])
}

fn link_bytes(datagram: &[u8]) -> u64 {
    u64::try_from(datagram.len()).unwrap_or(0) + HEADERS_BYTES
}

/// RTP, and neither STUN nor DTLS nor RTCP (RFC 7983, section 7; RFC 5761, section 4).
fn is_rtp(datagram: &[u8]) -> bool {
    match datagram {
        [first, second, ..] => (128..=191).contains(first) && !(64..=95).contains(&(second & 0x7f)),
        _ => false,
    }
}

/// `sdp` with the rate to start and stay at, in Chromium's words; others ignore them.
fn with_bitrate(sdp: &str, bps: u64) -> String {
    let kbps = (bps + bps / HEADROOM_SHARE).div_ceil(1_000);
    let mut out = String::with_capacity(sdp.len() + 256);
    for line in sdp.split_inclusive("\r\n") {
        out.push_str(line);
        let vp8 = line.strip_prefix("a=rtpmap:");
        if let Some((pt, rest)) = vp8.and_then(|line| line.split_once(' '))
            && rest.starts_with("VP8/")
            && kbps > 0
        {
            out.push_str(&format!(
                "a=fmtp:{pt} x-google-start-bitrate={kbps};x-google-min-bitrate={kbps};\
                 x-google-max-bitrate={kbps}\r\n"
            ));
        }
    }
    out
}
