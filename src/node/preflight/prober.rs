//! The client's side as a machine: answers pings, fills the way up, counts what comes down.

use super::filler::Filler;
use super::measurement::Measurement;
use super::message::{FromClient, ToClient};
use super::timing::DRAINING;
use crate::base::{Millis, Mono};
use crate::peer::transport::{Probe, ProbeOutput};
use std::net::SocketAddr;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// HTTP, ICE and DTLS.
    Connecting,
    /// Both directions are filled.
    Measuring,
    /// Nothing more is sent; the verdict is on its way.
    Judging,
}

/// What it has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum ProberOutput {
    /// Send this.
    Datagram {
        /// From which of our addresses.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// It has come so far.
    Progress(Progress),
    /// The node's last word, as JSON: its verdict.
    Verdict(Vec<u8>),
    /// The connection is closed.
    Closed,
}

/// The machine.
#[derive(Debug)]
pub struct Prober {
    probe: Probe,
    down: Measurement,
    up: Filler,
    report_at: Option<Mono>,
    is_sending: bool,
    told: Option<Progress>,
}

impl Prober {
    /// Of a probe whose offer was answered.
    pub fn new(probe: Probe) -> Prober {
        Prober {
            probe,
            down: Measurement::default(),
            up: Filler::new(0, Mono::ZERO, Mono::ZERO),
            report_at: None,
            is_sending: false,
            told: None,
        }
    }

    /// A datagram from `source` to our address `local`.
    pub fn handle_datagram(&mut self, way: (SocketAddr, SocketAddr), bytes: &[u8], now: Mono) {
        self.probe.handle_datagram(way, bytes, now);
    }

    /// The time of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Mono) {
        if self.probe.poll_timeout().is_some_and(|at| at <= now) {
            self.probe.handle_timeout(now);
        }
        self.down.handle_timeout(now);
        let sent = self.probe.sent();
        let weight = sent.link_bytes.checked_div(sent.packets);
        let packets = self.up.handle_timeout(now, weight);
        if packets > 0 {
            self.probe.send_filler(packets, now);
        }
        if self.is_sending && self.up.poll_timeout().is_none() {
            self.is_sending = false;
            self.told = Some(Progress::Judging);
        }
        if self.report_at.is_some_and(|at| at <= now) {
            self.report_at = None;
            let report = FromClient::report(self.down.samples());
            self.say(&report, now);
        }
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let filling = self.up.poll_timeout();
        let counting = self.down.poll_timeout();
        [self.probe.poll_timeout(), filling, counting, self.report_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// What there is to say.
    pub fn poll_output(&mut self, now: Mono) -> Option<ProberOutput> {
        loop {
            if let Some(progress) = self.told.take() {
                return Some(ProberOutput::Progress(progress));
            }
            match self.probe.poll_output()? {
                ProbeOutput::Datagram { from, to, bytes } => {
                    return Some(ProberOutput::Datagram { from, to, bytes });
                }
                ProbeOutput::Open => {}
                ProbeOutput::Message(bytes) => {
                    if let Some(verdict) = self.on_message(bytes, now) {
                        return Some(ProberOutput::Verdict(verdict));
                    }
                }
                ProbeOutput::Carried { link_bytes } => self.down.handle_carried(link_bytes),
                ProbeOutput::Packet { seq, timestamp } => {
                    self.down.handle_packet(seq, timestamp, now);
                }
                ProbeOutput::Closed => return Some(ProberOutput::Closed),
            }
        }
    }

    /// The message, if it is the node's last word.
    fn on_message(&mut self, bytes: Vec<u8>, now: Mono) -> Option<Vec<u8>> {
        match serde_json::from_slice(&bytes) {
            Ok(ToClient::Ping { n }) => self.say(&FromClient::Pong { n }, now),
            Ok(ToClient::Start { up_bps, ms }) => {
                let until = now + Millis(ms);
                self.up = Filler::new(up_bps, now, until);
                self.is_sending = true;
                self.report_at = Some(until + DRAINING);
                self.told = Some(Progress::Measuring);
            }
            Err(_) => return Some(bytes),
        }
        None
    }

    fn say(&mut self, message: &FromClient, now: Mono) {
        if let Ok(text) = serde_json::to_string(message) {
            self.probe.send_message(&text, now);
        }
    }
}
