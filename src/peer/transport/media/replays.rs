//! Datagrams that came before: one that was captured and is sent again is authentic, and proves nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// STUN transactions that are remembered: those of 11 hours, at one check each 2.5 s.
const TRANSACTIONS: usize = 16_384;
/// Packets of SRTCP that may come late (RFC 3711, section 3.3.2: at least 64).
const WINDOW: u32 = 128;
/// Senders of SRTCP that are remembered; a client has one for each track.
const SENDERS: usize = 256;

/// Where a protected RTCP packet has its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// AES in counter mode: before ten bytes of tag (RFC 3711, section 3.4).
    CounterMode,
    /// AES-GCM: at the end (RFC 7714, section 9).
    Gcm,
}

impl Protection {
    const fn trailer(self) -> usize {
        match self {
            Protection::CounterMode => 14,
            Protection::Gcm => 4,
        }
    }
}

type Transaction = [u8; 12];

/// What came on one connection.
#[derive(Debug, Default)]
pub struct Replays {
    /// Each with the address that it came from first.
    transactions: BTreeMap<Transaction, SocketAddr>,
    order: VecDeque<Transaction>,
    senders: BTreeMap<u32, Window>,
}

impl Replays {
    /// A STUN message that came before, from another address: nobody who owns it sends it from there.
    pub fn is_foreign(&self, stun: &[u8], source: SocketAddr) -> bool {
        let first = transaction(stun).and_then(|id| self.transactions.get(&id));
        first.is_some_and(|first| *first != source)
    }

    /// An authentic STUN message: true if it is the first one of its transaction.
    pub fn handle_stun(&mut self, stun: &[u8], source: SocketAddr) -> bool {
        let Some(id) = transaction(stun) else {
            return false;
        };
        if self.transactions.contains_key(&id) {
            return false;
        }
        if self.order.len() == TRANSACTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.transactions.remove(&oldest);
        }
        self.order.push_back(id);
        self.transactions.insert(id, source);
        true
    }

    /// An authentic SRTCP packet: true if it is none that came before, nor too old to tell.
    pub fn handle_srtcp(&mut self, packet: &[u8], protection: Protection) -> bool {
        let sender = word(packet, 4);
        let trailer = packet.len().checked_sub(protection.trailer());
        let index = trailer.and_then(|at| word(packet, at));
        let (Some(sender), Some(index)) = (sender, index) else {
            return false;
        };
        if !self.senders.contains_key(&sender) && self.senders.len() == SENDERS {
            return false;
        }
        // The first bit says whether it is encrypted.
        let window = self.senders.entry(sender).or_default();
        window.handle_index(index & 0x7fff_ffff)
    }
}

fn transaction(stun: &[u8]) -> Option<Transaction> {
    stun.get(8..20)?.try_into().ok()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*word))
}

/// The newest index of a sender, and which of those before it came: bit 0 is the newest.
#[derive(Debug, Default)]
struct Window {
    newest: Option<u32>,
    came: u128,
}

impl Window {
    fn handle_index(&mut self, index: u32) -> bool {
        let Some(newest) = self.newest else {
            (self.newest, self.came) = (Some(index), 1);
            return true;
        };
        if index > newest {
            let shift = index - newest;
            self.came = self.came.checked_shl(shift).unwrap_or(0) | 1;
            self.newest = Some(index);
            return true;
        }
        let age = newest - index;
        let bit = 1_u128.checked_shl(age).filter(|_| age < WINDOW);
        let fresh = bit.is_some_and(|bit| self.came & bit == 0);
        self.came |= bit.unwrap_or(0);
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(id: u16) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([0; 10]);
        bytes.extend(id.to_be_bytes());
        bytes
    }

    #[test]
    fn a_transaction_counts_once_and_only_where_it_came_from() {
        let mut replays = Replays::default();
        let [here, there] = [1, 2].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        assert!(!replays.is_foreign(&stun(1), here));
        assert!(replays.handle_stun(&stun(1), here));
        assert!(!replays.handle_stun(&stun(1), here), "sent again");
        assert!(!replays.is_foreign(&stun(1), here));
        assert!(replays.is_foreign(&stun(1), there));
        assert!(replays.handle_stun(&stun(2), there), "another address");
        assert!(!replays.handle_stun(&stun(3)[..19], here), "cut off");
    }

    #[test]
    fn so_many_transactions_are_remembered() {
        let mut replays = Replays::default();
        let here = SocketAddr::from(([192, 0, 2, 1], 1));
        let most = u16::try_from(TRANSACTIONS).unwrap();
        for id in 0..most {
            assert!(replays.handle_stun(&stun(id), here));
        }
        assert!(!replays.handle_stun(&stun(0), here));
        assert!(replays.handle_stun(&stun(most), here));
        assert!(!replays.handle_stun(&stun(1), here));
        assert_eq!(replays.transactions.len(), TRANSACTIONS);
        assert_eq!(replays.order.len(), TRANSACTIONS);
    }

    fn srtcp(sender: u32, index: u32, protection: Protection) -> Vec<u8> {
        let mut bytes = vec![0x80, 201, 0, 1];
        bytes.extend(sender.to_be_bytes());
        bytes.extend((index | 0x8000_0000).to_be_bytes());
        bytes.extend(vec![0; protection.trailer() - 4]);
        bytes
    }

    #[test]
    fn srtcp_counts_once_in_any_order_within_the_window() {
        for protection in [Protection::CounterMode, Protection::Gcm] {
            let mut replays = Replays::default();
            let mut fresh =
                |sender, index| replays.handle_srtcp(&srtcp(sender, index, protection), protection);
            for (sender, index, expected) in [
                (7, 1_000, true),
                (7, 1_000, false),
                (7, 1_003, true),
                (7, 1_001, true),
                (7, 1_001, false),
                (7, 1_000, false),
                (8, 1_000, true),
                (7, 1_130, true),
                (7, 1_003, false),
                (7, 1_002, false),
                (7, 1_004, true),
                (7, 9_000, true),
                (7, 1_130, false),
                (7, 8_872, false),
                (7, 8_873, true),
            ] {
                assert_eq!(fresh(sender, index), expected, "{sender} {index}");
            }
        }
        let mut replays = Replays::default();
        assert!(
            !replays.handle_srtcp(&[0x80; 7], Protection::Gcm),
            "cut off"
        );
    }

    #[test]
    fn so_many_senders_are_remembered() {
        let mut replays = Replays::default();
        let gcm = Protection::Gcm;
        let most = u32::try_from(SENDERS).unwrap();
        for sender in 0..most {
            assert!(replays.handle_srtcp(&srtcp(sender, 1, gcm), gcm));
        }
        assert!(!replays.handle_srtcp(&srtcp(most, 1, gcm), gcm));
        assert!(replays.handle_srtcp(&srtcp(0, 2, gcm), gcm));
    }
}
