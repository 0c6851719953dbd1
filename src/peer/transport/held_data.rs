//! Back-pressure on what a peer sends over its data channels. str0m takes whatever comes, so what the peer
//! sends is kept from it: it is not acknowledged, and the peer's SCTP waits (RFC 9260, 6.1).

use std::collections::VecDeque;
use std::net::SocketAddr;

/// Datagrams that are kept. SCTP has no more than its window under way, 1 MiB (`sctp-proto` 0.10); it
/// sends again what does not fit.
const MAX_DATAGRAMS: usize = 1_024;

/// Content type of DTLS records that carry data, which is SCTP alone (RFC 6347, 4.3.1; RFC 8261).
const APPLICATION_DATA: u8 = 23;

/// What has come and is kept, while it is kept at all.
#[derive(Debug, Default)]
pub(super) struct HeldData {
    datagrams: Option<VecDeque<(SocketAddr, Vec<u8>)>>,
}

impl HeldData {
    /// From now on data is kept.
    pub(super) fn hold(&mut self) {
        self.datagrams.get_or_insert_default();
    }

    /// Takes a datagram if it is one to be kept.
    pub(super) fn takes(&mut self, source: SocketAddr, bytes: &[u8]) -> bool {
        let Some(datagrams) = &mut self.datagrams else {
            return false;
        };
        let is_data = bytes.first() == Some(&APPLICATION_DATA);
        if is_data && datagrams.len() < MAX_DATAGRAMS {
            datagrams.push_back((source, bytes.to_vec()));
        }
        is_data
    }

    /// What was kept, in its order; nothing is kept from now on.
    pub(super) fn release(&mut self) -> VecDeque<(SocketAddr, Vec<u8>)> {
        self.datagrams.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_kept_in_order_within_a_bound_and_nothing_else_is() {
        let source = SocketAddr::from(([192, 0, 2, 1], 7));
        let mut held = HeldData::default();
        assert!(!held.takes(source, &[APPLICATION_DATA]), "nothing is held");
        held.hold();
        for first in [0_u8, 20, 21, 22, 24, 63, 128] {
            assert!(!held.takes(source, &[first]), "{first}");
        }
        assert!(!held.takes(source, &[]));
        for number in 0..=u8::MAX {
            assert!(held.takes(source, &[APPLICATION_DATA, number]));
        }
        held.hold();
        for _ in 0..MAX_DATAGRAMS {
            assert!(held.takes(source, &[APPLICATION_DATA, 0]));
        }
        let released = held.release();
        assert_eq!(released.len(), MAX_DATAGRAMS);
        let in_order = (0..=u8::MAX).zip(&released);
        assert!(
            in_order
                .into_iter()
                .all(|(number, (_, bytes))| bytes[1] == number)
        );
        assert!(!held.takes(source, &[APPLICATION_DATA]));
    }
}
