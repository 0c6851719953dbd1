//! One peer connection as a machine: it introduces its two halves, control and media, to each other.

use super::anchor::Anchor;
use super::control::{Change, Channel, Control, Polled, Wanted};
use super::error::TransportError;
use super::held_data::HeldData;
use super::media::{Evidence, LinkReport, Media, Replays};
use super::output::{Offered, Output, Stats};
use crate::base::{Bitrate, Mono, Now};
use crate::media::{Mid, Munged, Packet, StreamId, is_rtcp, is_stun};
use std::collections::VecDeque;
use std::net::SocketAddr;
use str0m::Rtc;

/// One peer connection.
pub struct Transport {
    control: Control,
    media: Media,
    outputs: VecDeque<Output>,
    /// When `handle_timeout` is due: asked for at each step, and changed at few.
    due: Option<Mono>,
    /// When the datagram came that is being handled.
    arriving: Mono,
    replays: Replays,
    /// Where the peer is: what is no STUN goes there.
    in_use: Option<SocketAddr>,
    held: HeldData,
}

impl Transport {
    pub(super) fn new(rtc: Rtc, anchor: Anchor, local: SocketAddr) -> Transport {
        let mut transport = Transport {
            control: Control::new(rtc, anchor, local),
            media: Media::default(),
            outputs: VecDeque::new(),
            due: None,
            arriving: Mono::ZERO,
            replays: Replays::default(),
            in_use: None,
            held: HeldData::default(),
        };
        transport.update_due();
        transport
    }

    /// Our ICE user fragment: STUN for this connection names it.
    pub fn ufrag(&mut self) -> String {
        self.control.ufrag()
    }

    /// Running counts.
    pub fn stats(&self) -> Stats {
        let counts = self.control.counts();
        self.media.complete(Stats {
            in_bytes: counts.in_bytes,
            out_packets: counts.out_packets,
            out_bytes: counts.out_bytes,
            ..Stats::default()
        })
    }

    /// True once ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.control.is_connected()
    }

    /// When the newest authenticated packet (SRTP, SRTCP, or STUN with integrity) came.
    pub fn last_authenticated(&self) -> Option<Mono> {
        self.media.last_authenticated()
    }

    /// True if this connection accepts DTLS and media from `source`: STUN with valid credentials
    /// came from there.
    pub fn accepts_source(&self, source: SocketAddr) -> bool {
        self.control.accepts_source(source)
    }

    /// A datagram from `source`. False if this connection does not accept it; nothing is sent then.
    pub fn handle_datagram(&mut self, source: SocketAddr, bytes: &[u8], now: Now) -> bool {
        if is_stun(bytes) && self.replays.is_foreign(bytes, source) {
            return false;
        }
        if self.held.takes(source, bytes) {
            return true;
        }
        let evidence = Evidence::from_now();
        if !self.control.handle_datagram(source, bytes, now.mono) {
            return false;
        }
        self.arriving = now.mono;
        if self.is_evidence(source, bytes, evidence) {
            self.media.handle_authenticated(bytes.len(), now.mono);
        }
        self.drain();
        true
    }

    /// Whether a datagram that was handled shows that the peer is there now. Control has checked the
    /// integrity of STUN; str0m decrypts only what is authentic, and of RTP only what did not come before.
    fn is_evidence(&mut self, source: SocketAddr, bytes: &[u8], evidence: Evidence) -> bool {
        if is_stun(bytes) {
            let first = self.replays.handle_stun(bytes, source);
            return first && self.in_use.is_none_or(|at| at == source);
        }
        evidence.protection().is_some_and(|protection| {
            !is_rtcp(bytes) || self.replays.handle_srtcp(bytes, protection)
        })
    }

    /// The time of `poll_timeout` has come, or something was written since.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.control.is_closed() {
            return;
        }
        self.media.handle_timeout(&mut self.control.lend(now.mono));
        self.control.handle_timeout(now.mono);
        self.drain();
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.due
    }

    fn update_due(&mut self) {
        self.due = [self.control.poll_timeout(), self.media.poll_timeout()]
            .into_iter()
            .flatten()
            .min();
    }

    /// What there is to say.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// An offer of the client: returns the answer, in which each section is as it is `wanted`.
    ///
    /// # Errors
    /// The offer does not parse or does not fit.
    pub fn handle_offer(
        &mut self,
        sdp: &str,
        wanted: impl Fn(Mid) -> Wanted,
    ) -> Result<String, TransportError> {
        let answer = self.control.handle_offer(sdp, wanted)?;
        self.drain();
        Ok(answer)
    }

    /// Carries out `changes`, and opens the data channels with the first offer. An offer that is
    /// still open is forgotten. `None` if the client is where the changes want it already.
    pub fn offer(&mut self, changes: &[Change]) -> Option<Offered> {
        for change in changes {
            if let Change::Activate(mid) = change {
                self.media.handle_track(*mid);
            }
        }
        let offered = self.control.offer(changes)?;
        self.drain();
        Some(offered)
    }

    /// The answer to the newest offer. One that does not parse leaves the offer open.
    ///
    /// # Errors
    /// No offer is open, or the answer does not parse or does not fit.
    pub fn handle_answer(&mut self, sdp: &str) -> Result<(), TransportError> {
        self.control.handle_answer(sdp)?;
        self.drain();
        Ok(())
    }

    /// A trickled candidate. Addresses are learnt from STUN anyway (ICE-lite), so one of a kind that
    /// we do not use (TCP, mDNS) is no error.
    ///
    /// # Errors
    /// The text is no candidate.
    pub fn handle_candidate(&mut self, candidate: &str) -> Result<(), TransportError> {
        self.control.handle_candidate(candidate)?;
        self.drain();
        Ok(())
    }

    /// The peer's data channels wait from now on, until [`release_data`](Self::release_data). All of the
    /// connection's SCTP does, so acknowledgements of what is sent on it too: only for one that receives.
    pub fn hold_data(&mut self) {
        self.held.hold();
    }

    /// The peer's data channels go on, with what has come since.
    pub fn release_data(&mut self, now: Now) {
        for (source, bytes) in self.held.release() {
            self.handle_datagram(source, &bytes, now);
        }
    }

    /// Bytes of a channel that the peer has not acknowledged; none: it is not open.
    pub fn unacknowledged(&mut self, channel: Channel) -> Option<usize> {
        self.control.unacknowledged(channel)
    }

    /// Sends `payload` on a channel; false if the channel is not open or its buffer is full.
    pub fn send_data(&mut self, channel: Channel, payload: &[u8]) -> bool {
        self.control.send_data(channel, payload)
    }

    /// Sends the payload of `packet` with `numbers` in section `mid`; it leaves at the next
    /// `handle_timeout`. False if the section is not ready or cannot carry the codec.
    pub fn send_packet(&mut self, mid: Mid, packet: &Packet, numbers: Munged, now: Mono) -> bool {
        let mut engine = self.control.lend(now);
        self.media.send_packet(mid, packet, numbers, &mut engine)
    }

    /// Asks the peer for a keyframe, at most once per 500 ms and stream.
    pub fn request_keyframe(&mut self, stream: StreamId, now: Mono) {
        let mut engine = self.control.lend(now);
        self.media.request_keyframe(stream, &mut engine);
        self.update_due();
    }

    /// The way to and from the peer, as it is now.
    pub fn link(&mut self, now: Mono) -> LinkReport {
        self.media.link(now)
    }

    /// What the congestion controller is to look for: `desired` in all, and `minimum` to be kept
    /// flowing, by padding where there is no media, as far as the estimate allows.
    pub fn set_bandwidth(&mut self, minimum: Bitrate, desired: Bitrate) {
        let engine = self.control.lend(self.arriving);
        self.media.set_bandwidth(minimum, desired, engine.rtc);
    }

    /// Starts the congestion controller anew from `estimate`, with its first probes: one that saw its
    /// last packets wait, and sends nothing since, would wait for feedback for ever.
    pub fn restart_estimate(&mut self, estimate: Bitrate) {
        let engine = self.control.lend(self.arriving);
        Media::restart_estimate(estimate, engine.rtc);
    }

    /// Says goodbye; nothing is accepted afterwards.
    pub fn close(&mut self) {
        self.control.close();
        self.drain();
    }

    /// Gathers what control has to say, and hands media its part.
    fn drain(&mut self) {
        while let Some(polled) = self.control.poll_output() {
            let output = match polled {
                Polled::Output(output) => {
                    if let Output::Data(_, data) = &output {
                        self.media.handle_data(data.len(), self.arriving);
                    }
                    if let Output::Datagram { to, bytes } = &output
                        && !is_stun(bytes)
                    {
                        self.in_use = Some(*to);
                    }
                    Some(output)
                }
                Polled::Media(event) => {
                    let mut engine = self.control.lend(self.arriving);
                    self.media.handle_event(event, &mut engine)
                }
            };
            self.outputs.extend(output);
        }
        self.update_due();
    }
}
