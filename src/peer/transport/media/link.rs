//! What is known of the way to and from one peer: what it carries, what it loses, how long it takes.

use crate::base::{Bitrate, Millis, Mono};
use crate::media::Arrival;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use str0m::bwe::BweKind;
use str0m::stats::PeerStats;

/// IPv4 and UDP headers, which the link carries too.
const LOWER_LAYERS: usize = 28;

/// The way as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkReport {
    /// What comes from the peer, over the last second, lower layers included.
    pub received: Bitrate,
    /// How long what comes waits in a queue; `None` where the peer does not tell departures.
    pub queue: Option<Millis>,
    /// Packets of the peer's that were lost over the last second, in thousandths.
    pub lost_in: u32,
    /// Packets of ours that were lost over the last second, in thousandths.
    pub lost_out: u32,
    /// There and back, as far as known.
    pub rtt: Option<Millis>,
    /// What the congestion controller believes the way to the peer to carry; `None` until the peer's
    /// first feedback.
    pub estimate: Option<Bitrate>,
}

/// Gathers it.
#[derive(Debug, Default)]
pub(super) struct Link {
    arrival: Arrival,
    /// Of the last reports, newest last: a second together.
    lost_in: VecDeque<u32>,
    lost_out: u32,
    rtt: Option<Millis>,
    /// The peer sends feedback that the congestion controller can use.
    has_feedback: bool,
    estimate: Option<Bitrate>,
}

/// Reports of str0m in a second.
const REPORTS: usize = 5;

impl Link {
    pub(super) fn handle_datagram(&mut self, bytes: usize, now: Mono) {
        self.arrival.handle_bytes(bytes + LOWER_LAYERS, now);
    }

    /// A packet that left at `sent`, by the sender's clock (abs-send-time).
    pub(super) fn handle_departure(&mut self, sent: Instant, arrived: Instant, now: Mono) {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let way = match arrived.checked_duration_since(sent) {
            Some(span) => micros(span),
            None => -micros(sent.saturating_duration_since(arrived)),
        };
        self.arrival.handle_one_way_delay(way, now);
    }

    pub(super) fn handle_stats(&mut self, stats: &PeerStats) {
        if self.lost_in.len() == REPORTS {
            self.lost_in.pop_front();
        }
        self.lost_in
            .push_back(thousandths(stats.ingress_loss_fraction));
        self.lost_out = thousandths(stats.egress_loss_fraction);
        self.estimate = stats.bwe_tx.map(|rate| Bitrate(rate.as_u64()));
        if let Some(rtt) = stats.rtt {
            self.rtt = Some(Millis(u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX)));
        }
    }

    pub(super) const fn handle_estimate(&mut self, kind: &BweKind) {
        if let BweKind::Twcc { can_probe, .. } = kind {
            self.has_feedback = *can_probe;
        }
    }

    pub(super) fn report(&mut self, now: Mono) -> LinkReport {
        LinkReport {
            received: self.arrival.rate(now),
            queue: self.arrival.queue(now),
            lost_in: self.lost_in.iter().sum::<u32>() / u32::try_from(REPORTS).unwrap_or(1),
            lost_out: self.lost_out,
            rtt: self.rtt,
            estimate: self.estimate.filter(|_| self.has_feedback),
        }
    }
}

/// A share as whole thousandths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1000 before"
)]
fn thousandths(share: Option<f32>) -> u32 {
    (share.unwrap_or(0.0) * 1000.0).round().clamp(0.0, 1000.0) as u32
}
