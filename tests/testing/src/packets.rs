//! Data packets that somebody bent: sound ones of every kind, of which a seed changes tags, lengths, order,
//! topics and bytes. What a node lets through of them, all decoders have to read alike.

use beistand::base::Rng;

/// Names that only a forger gives itself.
pub const FORGED: &str = "eve";

/// An endless row of packets; the same seed gives the same row.
#[derive(Debug)]
pub struct BentPackets {
    rng: Rng,
}

/// A message as its encoded fields.
type Fields = Vec<Vec<u8>>;

const TOPICS: [&[u8]; 16] = [
    b"chat",
    b"chat",
    b"",
    b"beistand.clock",
    b"beistand.presence",
    "\u{feff}beistand.clock".as_bytes(),
    "\u{feff}chat".as_bytes(),
    "bei\u{200b}stand.clock".as_bytes(),
    "\u{202e}beistand.clock".as_bytes(),
    " beistand.clock".as_bytes(),
    "ｂｅｉｓｔａｎｄ.clock".as_bytes(),
    "beistand\u{2024}clock".as_bytes(),
    "Größe 🙂".as_bytes(),
    b"beistand.clock\0",
    b"\xffbeistand.clock",
    b"\xed\xa0\x80chat",
];

/// `User`, and every other value of a packet.
const VALUES: [u64; 13] = [2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18];

impl BentPackets {
    pub fn new(seed: u64) -> BentPackets {
        BentPackets {
            rng: Rng::from_seed(seed),
        }
    }

    /// The next packet.
    pub fn packet(&mut self) -> Vec<u8> {
        let bends = self.below(4);
        let inner = self.below(3) < 2;
        let (value, mut parts) = self.value();
        let mut fields = vec![
            number(1, self.below(2)),
            text(4, FORGED.as_bytes()),
            text(17, b"PA_eve"),
        ];
        if self.one_in(3) {
            fields.push(text(5, b"bob"));
        }
        if self.one_in(3) {
            fields.push(number(16, self.rng.next_u64() & 0xffff_ffff));
        }
        if self.one_in(8) {
            fields.push(text(99, b"from the future"));
        }
        if inner {
            (0..bends).for_each(|_| self.bend(&mut parts, &[1, 2, 3, 4, 5, 6]));
        }
        fields.push(text(value, &parts.concat()));
        if !inner {
            (0..bends).for_each(|_| self.bend(&mut fields, &[1, 2, 4, 5, 13, 17]));
        }
        let mut bytes = fields.concat();
        if self.one_in(4) {
            self.scratch(&mut bytes);
        }
        bytes
    }

    /// The number of a value, and its fields.
    fn value(&mut self) -> (u64, Fields) {
        let chosen = VALUES[self.at(VALUES.len())];
        let topic = self.topic();
        match chosen {
            7 => (7, vec![text(2, FORGED.as_bytes()), text(3, b"TR_a")]),
            9 => (9, vec![text(1, b"id"), number(2, 7), text(4, b"hello")]),
            10 => (10, vec![text(1, b"id"), text(2, b"method"), number(4, 9)]),
            13 => (
                13,
                vec![text(1, b"id"), text(3, topic), text(4, b"text/plain")],
            ),
            14 => (14, vec![text(1, b"id"), number(2, 1), text(3, b"content")]),
            other if self.one_in(2) => (other, Vec::new()),
            _ => {
                let mut user = vec![
                    text(1, b"PA_eve"),
                    text(5, FORGED.as_bytes()),
                    text(2, b"payload"),
                    text(4, topic),
                ];
                if self.one_in(2) {
                    user.extend([text(8, b"id"), number(9, u64::MAX), text(6, b"bob")]);
                }
                (2, user)
            }
        }
    }

    fn topic(&mut self) -> &'static [u8] {
        TOPICS[self.at(TOPICS.len())]
    }

    /// One change of a message, of which `targets` are the fields worth forging.
    fn bend(&mut self, fields: &mut Fields, targets: &[u64]) {
        let at = self.at(fields.len().max(1)).min(fields.len());
        match self.below(8) {
            0 if at < fields.len() => {
                let again = fields[at].clone();
                fields.push(again);
            }
            1 if at < fields.len() => {
                let moved = fields.remove(at);
                fields.insert(0, moved);
            }
            2 if at < fields.len() => {
                fields.remove(at);
            }
            3 if at < fields.len() => {
                let group = 8 * targets[self.at(targets.len())];
                let (start, end) = (self.varint(group | 3), self.varint(group | 4));
                fields[at] = [start, fields[at].clone(), end].concat();
            }
            _ => {
                let forged = self.forged(targets);
                fields.insert(at, forged);
            }
        }
    }

    /// A field that some decoder may take for one of `targets`.
    fn forged(&mut self, targets: &[u64]) -> Vec<u8> {
        let target = targets[self.at(targets.len())];
        let payload = match self.below(3) {
            0 => FORGED.as_bytes(),
            1 => self.topic(),
            _ => b"\x22\x0ebeistand.clock",
        };
        let wire = if self.one_in(6) { self.below(8) } else { 2 };
        let mut out = self.varint(target << 3 | wire);
        match wire {
            0 => out.extend(self.varint(7)),
            1 => out.extend([7; 8]),
            5 => out.extend([7; 4]),
            _ => {
                out.extend(self.varint(payload.len() as u64));
                out.extend(payload);
            }
        }
        out
    }

    /// A varint that some decoder may take for `value`.
    fn varint(&mut self, value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        match self.below(6) {
            0 => {
                put_varint(&mut out, value);
                pad(&mut out, self.below(10));
            }
            1 => put_varint(&mut out, value | (1 + self.below(15)) << 32),
            2 => put_varint(&mut out, value | (1 + self.below(7)) << 29),
            3 => put_varint(&mut out, value | self.rng.next_u64() << 35),
            4 => {
                put_varint(&mut out, value | 1 << 63);
                if let Some(last) = out.last_mut() {
                    *last = 2;
                }
            }
            _ => put_varint(&mut out, value),
        }
        out
    }

    /// Changes, drops and inserts a few bytes.
    fn scratch(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.at(bytes.len() + 1);
            match self.below(4) {
                0 => bytes.insert(at, self.byte()),
                1 => bytes.truncate(at),
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ if at < bytes.len() => bytes[at] = self.byte(),
                _ => bytes.push(self.byte()),
            }
        }
    }

    fn byte(&mut self) -> u8 {
        self.rng.next_u64().to_le_bytes()[0]
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    fn at(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

fn text(field: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, field << 3 | 2);
    put_varint(&mut out, payload.len() as u64);
    out.extend(payload);
    out
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, field << 3);
    put_varint(&mut out, value);
    out
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Makes a varint longer by zeros that add nothing.
fn pad(varint: &mut Vec<u8>, zeros: u64) {
    for _ in 0..zeros {
        if let Some(last) = varint.last_mut() {
            *last |= 0x80;
        }
        varint.push(0);
    }
}
