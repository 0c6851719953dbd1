//! Reliable data for a client whose channel is not open yet, or does not take more now.

use std::collections::VecDeque;

/// At most so many bytes (livekit-server 1.13.5); what does not fit is refused, and counted by whoever
/// sends it.
const MAX_BYTES: usize = 100_000;

/// Packets in the order in which they go out.
#[derive(Debug, Default)]
pub(in crate::node) struct WaitingData {
    packets: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl WaitingData {
    pub(in crate::node) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// False if there is too much already.
    pub(in crate::node) fn push(&mut self, packet: &[u8]) -> bool {
        let fits = self.bytes + packet.len() <= MAX_BYTES;
        if fits {
            self.bytes += packet.len();
            self.packets.push_back(packet.to_vec());
        }
        fits
    }

    /// Sends from the front as long as `send` takes it. True if anything went.
    pub(in crate::node) fn send(&mut self, mut send: impl FnMut(&[u8]) -> bool) -> bool {
        let before = self.packets.len();
        while let Some(packet) = self.packets.pop_front() {
            if !send(&packet) {
                self.packets.push_front(packet);
                break;
            }
            self.bytes -= packet.len();
        }
        self.packets.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_go_in_order_and_what_is_not_taken_stays_first() {
        let mut waiting = WaitingData::default();
        for packet in [[1_u8], [2], [3]] {
            assert!(waiting.push(&packet));
        }
        let mut sent = Vec::new();
        assert!(waiting.send(|packet| {
            sent.push(packet[0]);
            packet[0] < 2
        }));
        assert!(!waiting.send(|_| false));
        assert!(waiting.send(|packet| {
            sent.push(packet[0]);
            true
        }));
        assert_eq!(sent, [1, 2, 2, 3]);
        assert!(waiting.is_empty() && waiting.bytes == 0);
    }

    #[test]
    fn what_is_beyond_the_limit_is_refused_and_fits_once_there_is_room() {
        let mut waiting = WaitingData::default();
        let half = vec![0; MAX_BYTES / 2];
        assert!(waiting.push(&half) && waiting.push(&half));
        assert!(!waiting.push(&[0]));
        waiting.send(|_| true);
        assert!(waiting.push(&half));
    }
}
