//! ICE, DTLS, SDP and SCTP of one peer connection, by str0m.

use super::channel::Channel;
use super::description::{Candidates, take_candidates};
use super::sdp::{Change, Wanted, prefer};
use crate::base::{Mono, TrackKind};
use crate::media::Mid;
use crate::peer::transport::anchor::Anchor;
use crate::peer::transport::error::TransportError;
use crate::peer::transport::output::{Offered, Output};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Rtc};

/// The smallest datagram that str0m takes for DTLS.
pub const DTLS_PROBE: [u8; 14] = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Control of one peer connection.
pub struct Control {
    rtc: Rtc,
    anchor: Anchor,
    local: SocketAddr,
    deadline: Option<Mono>,
    channels: BTreeMap<Channel, ChannelId>,
    /// An offer was made: the data channels are on their way.
    has_offered: bool,
    pending: Option<SdpPendingOffer>,
    candidates: Candidates,
    connected: bool,
    closed: Closed,
    counts: DatagramCounts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    No,
    Untold,
    Told,
}

/// Datagrams of the connection, whatever is in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatagramCounts {
    pub in_bytes: u64,
    pub out_packets: u64,
    pub out_bytes: u64,
}

/// What media borrows for one step: str0m, and the time of the step in its terms and ours.
pub struct Engine<'a> {
    pub rtc: &'a mut Rtc,
    pub at: Instant,
    pub now: Mono,
}

/// What control has to say.
#[expect(
    clippy::large_enum_variant,
    reason = "it only passes on what str0m gives; a box would be an allocation per packet"
)]
pub enum Polled {
    /// To whoever drives the connection.
    Output(Output),
    /// To the media half.
    Media(Event),
}

impl Control {
    pub fn new(rtc: Rtc, anchor: Anchor, local: SocketAddr) -> Control {
        Control {
            rtc,
            anchor,
            local,
            deadline: None,
            channels: BTreeMap::new(),
            has_offered: false,
            pending: None,
            candidates: Candidates::default(),
            connected: false,
            closed: Closed::No,
            counts: DatagramCounts::default(),
        }
    }

    pub fn lend(&mut self, now: Mono) -> Engine<'_> {
        Engine {
            at: self.anchor.instant(now),
            rtc: &mut self.rtc,
            now,
        }
    }

    pub fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    pub const fn counts(&self) -> DatagramCounts {
        self.counts
    }

    /// ICE and DTLS are up.
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    pub fn is_closed(&self) -> bool {
        self.closed != Closed::No
    }

    /// STUN with valid credentials came from `source`.
    pub fn accepts_source(&self, source: SocketAddr) -> bool {
        Receive::new(Protocol::Udp, source, self.local, &DTLS_PROBE)
            .is_ok_and(|receive| self.rtc.accepts(&Input::Receive(self.anchor.0, receive)))
    }

    /// A datagram from `source`; false if it is not for this connection. Of STUN, only what has
    /// integrity is accepted.
    pub fn handle_datagram(&mut self, source: SocketAddr, bytes: &[u8], now: Mono) -> bool {
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, bytes) else {
            return false;
        };
        let input = Input::Receive(self.anchor.instant(now), receive);
        if self.is_closed() || !self.rtc.accepts(&input) {
            return false;
        }
        self.counts.in_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        self.handle_input(input);
        true
    }

    pub fn handle_timeout(&mut self, now: Mono) {
        self.handle_input(Input::Timeout(self.anchor.instant(now)));
    }

    fn handle_input(&mut self, input: Input) {
        if let Err(error) = self.rtc.handle_input(input) {
            tracing::info!(%error, "a connection broke");
            self.close();
        }
    }

    pub const fn poll_timeout(&self) -> Option<Mono> {
        self.deadline
    }

    /// An offer of the client: returns the answer, in which each section is as it is `wanted`.
    pub fn handle_offer(
        &mut self,
        sdp: &str,
        wanted: impl Fn(Mid) -> Wanted,
    ) -> Result<String, TransportError> {
        let refused = |error: &dyn std::fmt::Display| TransportError::Sdp(error.to_string());
        let (sdp, candidates) = take_candidates(sdp);
        let offer = SdpOffer::from_sdp_string(&sdp).map_err(|error| refused(&error))?;
        let answer = self.rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(|error| refused(&error))?;
        self.read_candidates(&candidates);
        Ok(prefer(&answer.to_sdp_string(), wanted))
    }

    /// Carries out `changes`, and opens the data channels with the first offer. An offer that is
    /// still open is forgotten. `None` if the client is where the changes want it already.
    pub fn offer(&mut self, changes: &[Change]) -> Option<Offered> {
        let mut api = self.rtc.sdp_api();
        if !std::mem::replace(&mut self.has_offered, true) {
            for channel in Channel::ALL {
                api.add_channel_with_config(channel.config());
            }
        }
        let mut mids = Vec::new();
        for change in changes {
            match change {
                Change::Add(kind) => {
                    let kind = match kind {
                        TrackKind::Audio => MediaKind::Audio,
                        TrackKind::Video => MediaKind::Video,
                    };
                    let mid = api.add_media(kind, Direction::SendOnly, None, None, None);
                    mids.push(Mid::from(&*mid));
                }
                Change::Activate(mid) => {
                    api.set_direction(mid.as_str().into(), Direction::SendOnly);
                }
                Change::Deactivate(mid) => {
                    api.set_direction(mid.as_str().into(), Direction::Inactive);
                }
            }
        }
        let (offer, pending) = api.apply()?;
        self.pending = Some(pending);
        Some(Offered {
            sdp: offer.to_sdp_string(),
            mids,
        })
    }

    /// The answer to the newest offer. One that does not parse leaves the offer open.
    pub fn handle_answer(&mut self, sdp: &str) -> Result<(), TransportError> {
        let refused = |error: &dyn std::fmt::Display| TransportError::Sdp(error.to_string());
        let (sdp, candidates) = take_candidates(sdp);
        let answer = SdpAnswer::from_sdp_string(&sdp).map_err(|error| refused(&error))?;
        let pending = self.pending.take().ok_or(TransportError::NoOpenOffer)?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|error| refused(&error))?;
        self.read_candidates(&candidates);
        Ok(())
    }

    /// Those of a description. One that cannot be read is no reason to refuse the others.
    fn read_candidates(&mut self, candidates: &[&str]) {
        for candidate in candidates {
            if let Err(error) = self.handle_candidate(candidate) {
                tracing::debug!(%error, "a candidate of a description is passed over");
            }
        }
    }

    /// A trickled candidate. Addresses are learnt from STUN anyway (ICE-lite), so one of a kind that
    /// we do not use (TCP, mDNS) is no error.
    pub fn handle_candidate(&mut self, candidate: &str) -> Result<(), TransportError> {
        let is_used = !candidate.is_empty() && !candidate.contains(".local ");
        if !is_used || !self.candidates.admit(candidate) {
            return Ok(());
        }
        let candidate = Candidate::from_sdp_string(candidate)
            .map_err(|error| TransportError::Candidate(error.to_string()))?;
        self.rtc.add_remote_candidate(candidate);
        Ok(())
    }

    /// Bytes of a channel that the peer has not acknowledged; none: it is not open.
    pub fn unacknowledged(&mut self, channel: Channel) -> Option<usize> {
        let id = self.channels.get(&channel)?;
        Some(self.rtc.channel(*id)?.buffered_amount())
    }

    /// False if the channel is not open or its buffer is full.
    pub fn send_data(&mut self, channel: Channel, payload: &[u8]) -> bool {
        let Some(id) = self.channels.get(&channel) else {
            return false;
        };
        let Some(mut channel) = self.rtc.channel(*id) else {
            return false;
        };
        channel.write(true, payload).unwrap_or(false)
    }

    /// Nothing is accepted afterwards.
    pub fn close(&mut self) {
        if self.closed == Closed::No {
            self.closed = Closed::Untold;
        }
    }

    /// str0m must be polled until it has nothing more to say after each input.
    pub fn poll_output(&mut self) -> Option<Polled> {
        while !self.is_closed() {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => {
                    self.deadline = Some(self.anchor.mono(at));
                    return None;
                }
                Ok(str0m::Output::Transmit(transmit)) => {
                    let bytes: Vec<u8> = transmit.contents.into();
                    self.counts.out_packets += 1;
                    self.counts.out_bytes += u64::try_from(bytes.len()).unwrap_or(0);
                    return Some(Polled::Output(Output::Datagram {
                        to: transmit.destination,
                        bytes,
                    }));
                }
                Ok(str0m::Output::Event(event)) => {
                    if let Some(polled) = self.on_event(event) {
                        return Some(polled);
                    }
                }
                Err(error) => {
                    tracing::info!(%error, "a connection broke");
                    self.close();
                }
            }
        }
        self.deadline = None;
        let told = std::mem::replace(&mut self.closed, Closed::Told) == Closed::Told;
        (!told).then_some(Polled::Output(Output::Closed))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not control's is media's, and str0m has many events"
    )]
    fn on_event(&mut self, event: Event) -> Option<Polled> {
        let output = match event {
            Event::Connected => {
                self.connected = true;
                Output::Connected
            }
            // Before the first check it only says that no candidate so far leads anywhere: the next may.
            Event::IceConnectionStateChange(IceConnectionState::Disconnected)
                if !self.connected =>
            {
                return None;
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) | Event::Closed => {
                self.close();
                return None;
            }
            Event::ChannelOpen(id, label) => {
                let channel = Channel::of_label(&label)?;
                self.channels.insert(channel, id);
                Output::ChannelOpen(channel)
            }
            Event::ChannelData(data) => {
                let mut channels = self.channels.iter();
                let (channel, _) = channels.find(|(_, id)| **id == data.id)?;
                Output::Data(*channel, data.data)
            }
            event => return Some(Polled::Media(event)),
        };
        Some(Polled::Output(output))
    }
}
