//! One preflight as a machine: connect, ask for the round trip, fill both directions, hear what
//! came, judge.

use super::filler::Filler;
use super::measurement::{MAX_SAMPLES, Measurement, Reading, Sample};
use super::message::{FromClient, ReportedSample, ToClient};
use super::timing::SENDING;
use crate::base::{Identity, Millis, Mono, Now, PreflightId, RoomKey, Verdict};
use crate::peer::transport::{Probe, ProbeOutput};
use std::net::SocketAddr;

/// ICE, DTLS and the data channel must be up within this.
const CONNECT_WITHIN: Millis = Millis::from_secs(5);
/// Round trips that are asked for: the shortest counts.
const PINGS: u64 = 3;
/// After this the round trips that there are must do…
const PING_FOR: Millis = Millis(600);
/// …and if there is none after this, nobody is there.
const PING_WITHIN: Millis = Millis::from_secs(2);
/// The report must be there so long after the sending ended: a slow link has a queue to empty.
const REPORT_WITHIN: Millis = Millis::from_secs(4);
/// The verdict has this long to reach the client.
const LINGER: Millis = Millis::from_secs(1);

/// A preflight that the door has checked.
#[derive(Clone, Debug)]
pub struct PreflightRequest {
    /// Its id.
    pub id: PreflightId,
    /// Which room the participant wants to join.
    pub room: RoomKey,
    /// Who.
    pub identity: Identity,
    /// The floors, and so what is measured.
    pub targets: Targets,
    /// The client's offer.
    pub sdp: String,
}

/// What is needed, and what is measured at most: half as much again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Needed upwards.
    pub up_floor_bps: u64,
    /// Needed downwards.
    pub down_floor_bps: u64,
}

impl Targets {
    /// Sent upwards.
    pub const fn up_bps(self) -> u64 {
        self.up_floor_bps / 2 * 3
    }

    /// Sent downwards.
    pub const fn down_bps(self) -> u64 {
        self.down_floor_bps / 2 * 3
    }
}

/// How a preflight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was measured.
    Done(Verdict),
    /// It could not be measured.
    Failed(Failure),
}

/// Why it could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// ICE, DTLS or the data channel did not come up.
    #[error("no connection over UDP came up within 5 s: a firewall may block it")]
    NeverConnected,
    /// No ping was answered.
    #[error("the connection came up, but the client answered no ping")]
    Silent,
    /// The client did not say what came.
    #[error("the client did not report what arrived")]
    NoReport,
    /// The client says that more came than was sent.
    #[error("the client reports more than was sent")]
    Implausible,
    /// The client went away.
    #[error("the client closed the connection before the end")]
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Pinging { since: Mono, n: u64, asked: Mono },
    Sending { since: Mono },
    Over { since: Mono },
}

/// The machine.
pub(super) struct Attempt {
    pub(super) request: PreflightRequest,
    pub(super) ufrag: String,
    probe: Probe,
    phase: Phase,
    made: Mono,
    up: Measurement,
    down: Filler,
    report: Option<Reading>,
    implausible: bool,
    rtt: Option<Millis>,
    /// Not told yet.
    outcome: Option<Outcome>,
}

impl Attempt {
    pub(super) fn new(request: PreflightRequest, mut probe: Probe, now: Mono) -> Attempt {
        Attempt {
            request,
            ufrag: probe.ufrag(),
            probe,
            phase: Phase::Connecting,
            made: now,
            up: Measurement::default(),
            down: Filler::new(0, now, now),
            report: None,
            implausible: false,
            rtt: None,
            outcome: None,
        }
    }

    /// A datagram from `source` to `local`. `None` if it is not for it; true if STUN validated the
    /// source.
    pub(super) fn handle_datagram(
        &mut self,
        way: (SocketAddr, SocketAddr),
        bytes: &[u8],
        now: Now,
    ) -> Option<bool> {
        if !self.probe.handle_datagram(way, bytes, now.mono) {
            return None;
        }
        self.probe_in_time(now.mono);
        let stun = crate::media::is_stun(bytes);
        Some(stun && self.probe.accepts_source(way.0, way.1))
    }

    /// SRTP is sent and answered within `handle_datagram`; str0m's own deadlines come later.
    fn probe_in_time(&mut self, now: Mono) {
        if self.probe.poll_timeout().is_some_and(|at| at <= now) {
            self.probe.handle_timeout(now);
        }
    }

    /// The next datagram to send. Whatever else the connection says is acted on.
    pub(super) fn poll_datagram(&mut self, now: Now) -> Option<(SocketAddr, Vec<u8>)> {
        while let Some(output) = self.probe.poll_output() {
            match output {
                ProbeOutput::Datagram { to, bytes, .. } => return Some((to, bytes)),
                ProbeOutput::Open => self.ping(0, now.mono, now.mono),
                ProbeOutput::Message(bytes) => self.on_message(&bytes, now),
                ProbeOutput::Carried { link_bytes } if self.is_sending() => {
                    self.up.handle_carried(link_bytes);
                }
                ProbeOutput::Packet { seq, timestamp } if self.is_sending() => {
                    self.up.handle_packet(seq, timestamp, now.mono);
                }
                ProbeOutput::Carried { .. } | ProbeOutput::Packet { .. } => {}
                ProbeOutput::Closed => self.finish(Outcome::Failed(Failure::Gone), now.mono),
            }
        }
        None
    }

    pub(super) fn handle_timeout(&mut self, now: Now) {
        let mono = now.mono;
        self.probe_in_time(mono);
        if self.is_sending() {
            self.up.handle_timeout(mono);
            let packets = self.down.handle_timeout(mono, self.packet_link_bytes());
            if packets > 0 {
                self.probe.send_filler(packets, mono);
            }
        }
        match self.phase {
            Phase::Connecting if mono >= self.made + CONNECT_WITHIN => {
                self.finish(Outcome::Failed(Failure::NeverConnected), mono);
            }
            Phase::Pinging { since, .. } if self.rtt.is_some() && mono >= since + PING_FOR => {
                self.start(mono);
            }
            Phase::Pinging { since, .. } if mono >= since + PING_WITHIN => {
                self.finish(Outcome::Failed(Failure::Silent), mono);
            }
            Phase::Sending { since } if mono >= since + SENDING + REPORT_WITHIN => {
                self.finish(Outcome::Failed(Failure::NoReport), mono);
            }
            Phase::Sending { .. } => self.judge(now),
            Phase::Connecting | Phase::Pinging { .. } | Phase::Over { .. } => {}
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let due = match self.phase {
            Phase::Connecting => self.made + CONNECT_WITHIN,
            Phase::Pinging { since, .. } if self.rtt.is_some() => since + PING_FOR,
            Phase::Pinging { since, .. } => since + PING_WITHIN,
            Phase::Sending { since } if self.report.is_none() => since + SENDING + REPORT_WITHIN,
            Phase::Sending { .. } => self.up.poll_timeout().unwrap_or(Mono::ZERO),
            Phase::Over { since } => since + LINGER,
        };
        let sending = self.is_sending();
        let counting = self.up.poll_timeout().filter(|_| sending);
        let filling = self.down.poll_timeout().filter(|_| sending);
        [Some(due), self.probe.poll_timeout(), counting, filling]
            .into_iter()
            .flatten()
            .min()
    }

    /// How it ended, once.
    pub(super) fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    /// True once the client has had time to hear the verdict.
    pub(super) fn is_over(&self, now: Mono) -> bool {
        matches!(self.phase, Phase::Over { since } if now >= since + LINGER)
    }

    const fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::Sending { .. })
    }

    fn packet_link_bytes(&self) -> Option<u64> {
        let sent = self.probe.sent();
        sent.link_bytes.checked_div(sent.packets)
    }

    fn say(&mut self, message: &ToClient, now: Mono) {
        if let Ok(text) = serde_json::to_string(message) {
            self.probe.send_message(&text, now);
        }
    }

    fn ping(&mut self, n: u64, since: Mono, now: Mono) {
        self.phase = Phase::Pinging {
            since,
            n,
            asked: now,
        };
        self.say(&ToClient::Ping { n }, now);
    }

    fn start(&mut self, now: Mono) {
        self.phase = Phase::Sending { since: now };
        let up_bps = self.request.targets.up_bps();
        let ms = SENDING.0;
        self.say(&ToClient::Start { up_bps, ms }, now);
        self.down = Filler::new(self.request.targets.down_bps(), now, now + SENDING);
    }

    fn on_message(&mut self, bytes: &[u8], now: Now) {
        match (FromClient::decode(bytes), self.phase) {
            (
                Some(FromClient::Pong { n }),
                Phase::Pinging {
                    since,
                    n: asked_n,
                    asked,
                },
            ) if n == asked_n => {
                let took = now.mono.since(asked);
                self.rtt = Some(self.rtt.map_or(took, |rtt| rtt.min(took)));
                if n + 1 == PINGS {
                    self.start(now.mono);
                } else {
                    self.ping(n + 1, since, now.mono);
                }
            }
            (Some(FromClient::Down { samples }), Phase::Sending { .. }) => {
                self.on_report(&samples);
                self.judge(now);
            }
            // A pong that is late, a report out of turn, or noise.
            (Some(_) | None, _) => {}
        }
    }

    fn on_report(&mut self, samples: &[ReportedSample]) {
        let weight = self.packet_link_bytes().unwrap_or(0);
        let sample = |reported: &ReportedSample| Sample {
            at_ms: reported.at_ms,
            packets: reported.packets,
            link_bytes: reported.packets.saturating_mul(weight),
            lost: reported.lost,
            jitter_ms: reported.jitter_ms,
        };
        let samples: Vec<Sample> = samples.iter().take(MAX_SAMPLES).map(sample).collect();
        let sent = self.probe.sent().packets;
        self.implausible = samples.iter().any(|sample| sample.packets > sent);
        self.report = Some(Reading::of(&samples));
    }

    /// The verdict, once both directions are counted.
    fn judge(&mut self, now: Now) {
        let counting = self.up.poll_timeout().is_some();
        let Some(down) = self.report.filter(|_| !counting) else {
            return;
        };
        if self.implausible {
            return self.finish(Outcome::Failed(Failure::Implausible), now.mono);
        }
        let up = Reading::of(self.up.samples());
        let targets = self.request.targets;
        let up_bps = up.bps.min(targets.up_bps());
        let down_bps = down.bps.min(targets.down_bps());
        let verdict = Verdict {
            rtt_ms: self.rtt.unwrap_or(Millis::ZERO).0,
            jitter_ms: up.jitter_ms.max(down.jitter_ms),
            up_loss_permille: up.loss_permille,
            down_loss_permille: down.loss_permille,
            ..Verdict::new(up_bps, down_bps, now.unix)
        };
        let verdict = verdict.against(targets.up_floor_bps, targets.down_floor_bps);
        self.finish(Outcome::Done(verdict), now.mono);
    }

    fn finish(&mut self, outcome: Outcome, now: Mono) {
        if matches!(self.phase, Phase::Over { .. }) {
            return;
        }
        self.phase = Phase::Over { since: now };
        self.outcome = Some(outcome);
        let text = outcome_json(&self.request.id, Some(&outcome)).to_string();
        self.probe.send_message(&text, now);
    }
}

/// What everyone is told of a preflight; no outcome: it still runs.
pub fn outcome_json(id: &PreflightId, outcome: Option<&Outcome>) -> serde_json::Value {
    let verdict = match outcome {
        Some(Outcome::Done(verdict)) => Some(verdict),
        Some(Outcome::Failed(_)) | None => None,
    };
    let (state, text) = match outcome {
        None => ("running", "the measurement runs".to_owned()),
        Some(Outcome::Done(verdict)) => ("done", verdict.text()),
        Some(Outcome::Failed(failure)) => ("failed", failure.to_string()),
    };
    serde_json::json!({
        "id": id,
        "state": state,
        "up_bps": verdict.map(|v| v.up_bps),
        "down_bps": verdict.map(|v| v.down_bps),
        "up_floor_bps": verdict.map(|v| v.up_floor_bps),
        "down_floor_bps": verdict.map(|v| v.down_floor_bps),
        "rtt_ms": verdict.map(|v| v.rtt_ms),
        "jitter_ms": verdict.map(|v| v.jitter_ms),
        "up_loss_permille": verdict.map(|v| v.up_loss_permille),
        "down_loss_permille": verdict.map(|v| v.down_loss_permille),
        "passed": verdict.map(|v| v.passed),
        "at_unix_ms": verdict.map(|v| v.at_unix_ms),
        "text": text,
    })
}
