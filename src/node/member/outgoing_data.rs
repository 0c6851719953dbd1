//! Reliable data on its way to one client. Nothing of it is dropped: what does not fit is not taken, and
//! its sender waits; a client that does not take it is told to join anew.

use super::send_window::SendWindow;
use crate::base::{Millis, Mono};
use crate::peer::signal::Destinations;
use std::collections::VecDeque;
use std::sync::Arc;

/// Waits for one client at most, in bytes.
pub(in crate::node) const MAX_WAITING: usize = 8 * 1_024 * 1_024;
/// A sender that waits goes on once there is no more than this: a short pause, not a long one, since SCTP
/// gives up what is not acknowledged for minutes.
pub(in crate::node) const RESUME_AT: usize = 7 * 1_024 * 1_024;
/// Of the server's own messages, in bytes: thousands of them.
const MAX_OWN: usize = 256 * 1_024;
/// A client that takes nothing for this long is told to join anew.
const STALLED_FOR: Millis = Millis::from_secs(10);
/// While others wait for a client it takes at least so much in that time: 52 kbit/s.
const LEAST_WHILE_FULL: u64 = 64 * 1_024;

/// A packet of a client's for which others have no place yet.
#[derive(Debug)]
pub(in crate::node) struct Unsent {
    /// As others get it.
    pub(in crate::node) packet: Arc<[u8]>,
    /// Whom it is for.
    pub(in crate::node) to: Destinations,
}

/// What waits for one client, and what is under way to it.
#[derive(Debug, Default)]
pub(in crate::node) struct OutgoingData {
    /// The server's own, which go first.
    own: VecDeque<Arc<[u8]>>,
    own_bytes: usize,
    others: VecDeque<Arc<[u8]>>,
    bytes: usize,
    window: SendWindow,
    /// The client's channel is open.
    open: bool,
    /// Since when the client has not taken what it should, and what it had taken then.
    mark: Option<(Mono, u64)>,
}

impl OutgoingData {
    /// Nothing waits and nothing is under way.
    pub(in crate::node) fn is_idle(&self) -> bool {
        self.own.is_empty() && self.others.is_empty() && self.window.under_way() == 0
    }

    /// Bytes that wait, the server's own not among them.
    pub(in crate::node) const fn waiting(&self) -> usize {
        self.bytes
    }

    /// A packet of another client's; whoever calls has looked at [`waiting`](Self::waiting).
    pub(in crate::node) fn push(&mut self, packet: Arc<[u8]>) {
        self.bytes += packet.len();
        self.others.push_back(packet);
    }

    /// A packet of the server's own. A client that never opens its channel is told the newest of them if
    /// it does at last.
    pub(in crate::node) fn push_own(&mut self, packet: Arc<[u8]>) {
        self.own_bytes += packet.len();
        self.own.push_back(packet);
        while !self.open && self.own_bytes > MAX_OWN {
            let oldest = self.own.pop_front();
            self.own_bytes -= oldest.map_or(0, |packet| packet.len());
        }
    }

    /// The packet that may go now.
    pub(in crate::node) fn next(&self) -> Option<&[u8]> {
        let first = self.own.front().or_else(|| self.others.front());
        first.map(AsRef::as_ref).filter(|_| self.window.is_open())
    }

    /// It went.
    pub(in crate::node) fn handle_sent(&mut self, now: Mono) {
        let sent = if let Some(packet) = self.own.pop_front() {
            self.own_bytes -= packet.len();
            packet.len()
        } else if let Some(packet) = self.others.pop_front() {
            self.bytes -= packet.len();
            packet.len()
        } else {
            return;
        };
        self.window.handle_sent(sent, now);
    }

    /// The channel is open, and this much of what went is not acknowledged now.
    pub(in crate::node) fn handle_unacknowledged(&mut self, bytes: usize, now: Mono) {
        self.open = true;
        self.window.handle_unacknowledged(bytes, now);
    }

    /// Looks at whether the client takes what there is; one that is not there is not expected to.
    pub(in crate::node) fn watch(&mut self, is_there: bool, now: Mono) {
        let taken = self.window.taken();
        let full = self.bytes > RESUME_AT;
        let least = if full { LEAST_WHILE_FULL } else { 1 };
        let (_, before) = *self.mark.get_or_insert((now, taken));
        let nothing_asked = self.is_idle() || (!self.open && self.others.is_empty());
        if !is_there || nothing_asked || taken - before >= least {
            self.mark = Some((now, taken));
        }
    }

    /// The client does not take what there is, and is to join anew.
    pub(in crate::node) fn is_stalled(&self, now: Mono) -> bool {
        let since = self.mark.map_or(now, |(since, _)| since);
        now.since(since) >= STALLED_FOR || self.own_bytes > MAX_OWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(byte: u8) -> Arc<[u8]> {
        Arc::from(vec![byte; 1_000])
    }

    /// Sends what may go now: the first bytes of the packets.
    fn go(data: &mut OutgoingData, now: Mono) -> Vec<u8> {
        let mut went = Vec::new();
        while let Some(packet) = data.next() {
            went.push(packet[0]);
            data.handle_sent(now);
        }
        went
    }

    #[test]
    fn packets_go_in_order_as_far_as_the_window_and_the_servers_own_first() {
        let mut data = OutgoingData::default();
        assert!(data.is_idle());
        for byte in 0..30 {
            data.push(packet(byte));
        }
        assert_eq!(go(&mut data, Mono::ZERO), (0..17).collect::<Vec<u8>>());
        data.push_own(packet(100));
        data.push_own(packet(101));
        assert!(go(&mut data, Mono::ZERO).is_empty(), "the window is full");
        assert_eq!(data.waiting(), 13_000);
        data.handle_unacknowledged(13_400, Mono::from_millis(20));
        assert_eq!(go(&mut data, Mono::from_millis(20))[..3], [100, 101, 17]);
        data.handle_unacknowledged(0, Mono::from_millis(40));
        assert!(!data.is_idle() || data.waiting() == 0);
        go(&mut data, Mono::from_millis(40));
        data.handle_unacknowledged(0, Mono::from_millis(60));
        assert!(data.is_idle());
    }

    #[test]
    fn whoever_takes_nothing_for_ten_seconds_is_stalled_and_whoever_is_not_there_is_not() {
        let at = |ms: u64| Mono::from_millis(ms);
        for (name, is_there, taken_at, stalled_at) in [
            ("nothing is taken", true, None, Some(10_000)),
            ("something is taken", true, Some(6_000), Some(16_000)),
            ("not there", false, None, None),
        ] {
            let mut data = OutgoingData::default();
            data.handle_unacknowledged(0, at(0));
            for byte in 0..20 {
                data.push(packet(byte));
            }
            go(&mut data, at(0));
            let mut stalled = None;
            for ms in (0..30_000).step_by(50) {
                if taken_at == Some(ms) {
                    data.handle_unacknowledged(16_000, at(ms));
                }
                data.watch(is_there, at(ms));
                if stalled.is_none() && data.is_stalled(at(ms)) {
                    stalled = Some(ms);
                }
            }
            assert_eq!(stalled, stalled_at, "{name}");
        }
    }

    /// The client takes so much in each second while it is this full.
    fn is_stalled_by(a_second: usize, waiting: usize) -> bool {
        let mut data = OutgoingData::default();
        while data.waiting() < waiting {
            data.push(Arc::from(vec![0; 60_000]));
        }
        let mut under_way = 0;
        for ms in (0..60_000).step_by(50) {
            let now = Mono::from_millis(ms);
            if ms % 1_000 == 0 {
                under_way -= a_second.min(under_way);
                data.handle_unacknowledged(under_way, now);
                while let Some(packet) = data.next() {
                    under_way += packet.len();
                    data.handle_sent(now);
                    data.push(Arc::from(vec![0; 60_000]));
                }
            }
            data.watch(true, now);
            if data.is_stalled(now) {
                return true;
            }
        }
        false
    }

    #[test]
    fn a_trickle_is_enough_while_nobody_waits_for_it() {
        assert!(!is_stalled_by(1_000, 1_000_000));
        assert!(is_stalled_by(1_000, MAX_WAITING), "others wait");
        assert!(!is_stalled_by(7_000, MAX_WAITING));
    }

    #[test]
    fn a_client_that_never_opens_its_channel_is_told_the_newest_if_it_does() {
        let mut data = OutgoingData::default();
        for number in 0..=u8::MAX {
            data.push_own(Arc::from(vec![number; 2_000]));
            data.watch(true, Mono::from_millis(u64::from(number) * 1_000));
            assert!(!data.is_stalled(Mono::from_millis(u64::from(number) * 1_000)));
        }
        data.handle_unacknowledged(0, Mono::from_millis(300_000));
        assert_eq!(data.next().map(|packet| packet[0]), Some(125));
    }

    #[test]
    fn a_client_that_the_server_can_tell_no_more_is_stalled() {
        let mut data = OutgoingData::default();
        data.handle_unacknowledged(0, Mono::ZERO);
        for _ in 0..262 {
            data.push_own(packet(0));
        }
        assert!(!data.is_stalled(Mono::ZERO));
        data.push_own(packet(0));
        assert!(data.is_stalled(Mono::ZERO));
    }
}
