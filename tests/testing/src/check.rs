//! A connectivity check as some clients send it: made of one of str0m's, which nominates later.

use str0m::crypto::from_feature_flags;

const HEADER: usize = 20;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const USE_CANDIDATE: [u8; 4] = [0, 0x25, 0, 0];
/// Type, length and HMAC-SHA1.
const INTEGRITY_BYTES: usize = 24;

/// `check` with USE-CANDIDATE, signed anew (RFC 8445, section 7.1.2; RFC 8489, section 14.5): Firefox nominates by its
/// first check where the peer is ICE-lite.
///
/// # Panics
/// It is no STUN with integrity.
pub fn nominating(check: &[u8], password: &str) -> Vec<u8> {
    let mut bytes = check[..HEADER].to_vec();
    let mut rest = &check[HEADER..];
    while u16::from_be_bytes([rest[0], rest[1]]) != MESSAGE_INTEGRITY {
        let value = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let (attribute, more) = rest.split_at(4 + value.next_multiple_of(4));
        bytes.extend(attribute);
        rest = more;
    }
    bytes.extend(USE_CANDIDATE);
    let length = u16::try_from(bytes.len() - HEADER + INTEGRITY_BYTES).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    let crypto = from_feature_flags();
    let hmac = crypto
        .sha1_hmac_provider
        .sha1_hmac(password.as_bytes(), &[&bytes]);
    bytes.extend([0, 8, 0, 20]);
    bytes.extend(hmac);
    bytes
}
