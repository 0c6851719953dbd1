//! RTP and RTCP of one peer connection, both ways.

use super::keyframes::Keyframes;
use super::link::{Link, LinkReport};
use super::rtp;
use crate::base::{Bitrate, Mono};
use crate::media::{Mid, Munged, Packet, StreamId};
use crate::peer::transport::control::Engine;
use crate::peer::transport::output::{Output, Stats};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use str0m::rtp::RtpPacket;
use str0m::{Event, Rtc};

/// Media of one peer connection.
#[derive(Debug, Default)]
pub struct Media {
    senders: BTreeMap<Mid, rtp::Sender>,
    keyframes: Keyframes,
    /// NACKs so far by stream and direction (true: sent), as str0m counts them.
    nacks: BTreeMap<(StreamId, bool), u64>,
    link: Link,
    holes: rtp::Holes,
    /// What the congestion controller was last told to look for.
    bandwidth: (Bitrate, Bitrate),
    last_authenticated: Option<Mono>,
    in_packets: u64,
    keyframe_requests: u64,
    keyframes_asked: u64,
}

impl Media {
    /// Completes the counts of a connection.
    pub fn complete(&self, stats: Stats) -> Stats {
        let nacks = |sent| {
            let counts = self.nacks.iter().filter(|((_, s), _)| *s == sent);
            counts.map(|(_, count)| *count).sum()
        };
        Stats {
            in_packets: self.in_packets,
            nacks_sent: nacks(true),
            nacks_received: nacks(false),
            keyframe_requests: self.keyframe_requests,
            keyframe_requests_held: self.keyframes.held(),
            keyframes_asked: self.keyframes_asked,
            ..stats
        }
    }

    /// When the newest authenticated packet came.
    pub const fn last_authenticated(&self) -> Option<Mono> {
        self.last_authenticated
    }

    /// An authenticated datagram of `bytes` came.
    pub fn handle_authenticated(&mut self, bytes: usize, now: Mono) {
        self.last_authenticated = Some(now);
        self.link.handle_datagram(bytes, now);
    }

    /// A message on a data channel came: filler that a probe asked for comes this way too. It is no
    /// evidence of presence.
    pub fn handle_data(&mut self, bytes: usize, now: Mono) {
        self.link.handle_datagram(bytes, now);
    }

    /// What str0m says, most of it of the datagram that is being handled.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "str0m's events are many and most are not for an SFU in RTP mode"
    )]
    pub fn handle_event(&mut self, event: Event, engine: &mut Engine<'_>) -> Option<Output> {
        match event {
            Event::RtpPacket(packet) => return self.on_packet(packet, engine),
            Event::KeyframeRequest(request) => {
                self.keyframes_asked += 1;
                return Some(Output::KeyframeRequest(Mid::from(&*request.mid)));
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
            _ => {}
        }
        None
    }

    fn on_packet(&mut self, packet: RtpPacket, engine: &mut Engine<'_>) -> Option<Output> {
        self.in_packets += 1;
        if let Some(sent) = packet.header.ext_vals.abs_send_time {
            self.link.handle_departure(sent, engine.at, engine.now);
        }
        let packet = rtp::receive(engine.rtc, packet, &mut self.holes, engine.now)?;
        if packet.keyframe {
            self.keyframes.handle_keyframe(packet.stream);
        }
        Some(Output::Packet(packet))
    }

    /// Sends the keyframe requests whose time has come.
    pub fn handle_timeout(&mut self, engine: &mut Engine<'_>) {
        for stream in self.keyframes.handle_timeout(engine.now) {
            self.send_keyframe_request(stream, engine);
        }
    }

    pub fn poll_timeout(&self) -> Option<Mono> {
        self.keyframes.poll_timeout()
    }

    /// Another track has the section from now on.
    pub fn handle_track(&mut self, mid: Mid) {
        if let Some(sender) = self.senders.get_mut(&mid) {
            sender.handle_track();
        }
    }

    /// False if the section is not ready or cannot carry the codec.
    pub fn send_packet(
        &mut self,
        mid: Mid,
        packet: &Packet,
        numbers: Munged,
        engine: &mut Engine<'_>,
    ) -> bool {
        let sender = match self.senders.entry(mid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => match rtp::Sender::find(engine.rtc, mid) {
                Some(sender) => new.insert(sender),
                None => return false,
            },
        };
        sender.send(engine.rtc, packet, numbers, engine.at)
    }

    /// Asks the peer for a keyframe, at most once per 500 ms and stream.
    pub fn request_keyframe(&mut self, stream: StreamId, engine: &mut Engine<'_>) {
        if self.keyframes.handle_request(stream, engine.now) {
            self.send_keyframe_request(stream, engine);
        }
    }

    fn send_keyframe_request(&mut self, stream: StreamId, engine: &mut Engine<'_>) {
        if rtp::request_keyframe(engine.rtc, stream) {
            self.keyframe_requests += 1;
        }
    }

    pub fn link(&mut self, now: Mono) -> LinkReport {
        self.link.report(now)
    }

    pub fn set_bandwidth(&mut self, minimum: Bitrate, desired: Bitrate, rtc: &mut Rtc) {
        if std::mem::replace(&mut self.bandwidth, (minimum, desired)) != (minimum, desired) {
            let bps = |rate: Bitrate| str0m::bwe::Bitrate::bps(rate.0);
            rtc.bwe().set_bitrate(bps(minimum), bps(desired));
        }
    }

    pub fn restart_estimate(estimate: Bitrate, rtc: &mut Rtc) {
        rtc.bwe().reset(str0m::bwe::Bitrate::bps(estimate.0.max(1)));
    }
}
