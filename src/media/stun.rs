//! Just enough of STUN (RFC 8489) to find the peer that a packet is for, before it is authenticated.

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const ATTRIBUTE_USERNAME: u16 = 0x0006;

/// True for the first byte and cookie of STUN (RFC 7983, section 7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 2 && datagram[4..8] == MAGIC_COOKIE
}

/// True for the packet types of RTCP (RFC 5761, section 4) in what is no STUN and no DTLS.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

/// A look at an unauthenticated STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StunPeek<'a> {
    /// A Binding request; anything else is not for an ICE-lite agent.
    pub is_binding_request: bool,
    /// Our own fragment: the part of USERNAME before the colon (RFC 8445, section 7.2.2).
    pub local_ufrag: Option<&'a str>,
}

impl<'a> StunPeek<'a> {
    /// `None` if `datagram` is not STUN or its lengths lie.
    pub fn parse(datagram: &'a [u8]) -> Option<StunPeek<'a>> {
        if !is_stun(datagram) {
            return None;
        }
        let kind = u16::from_be_bytes([datagram[0], datagram[1]]);
        let len = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        let mut attributes = datagram.get(HEADER..HEADER.checked_add(len)?)?;
        let mut local_ufrag = None;
        while let [k1, k2, l1, l2, rest @ ..] = attributes {
            let len = usize::from(u16::from_be_bytes([*l1, *l2]));
            let value = rest.get(..len)?;
            if u16::from_be_bytes([*k1, *k2]) == ATTRIBUTE_USERNAME {
                let name = std::str::from_utf8(value).ok()?;
                local_ufrag = name.split_once(':').map(|(local, _)| local);
            }
            attributes = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        }
        Some(StunPeek {
            is_binding_request: kind == BINDING_REQUEST,
            local_ufrag,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, u8::try_from(attributes.len()).unwrap()];
        bytes.extend(MAGIC_COOKIE);
        bytes.extend([0; 12]);
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn our_fragment_is_found_before_the_colon() {
        let bytes = message(&[0, 6, 0, 5, b'a', b'b', b':', b'c', b'd', 0, 0, 0]);
        let peek = StunPeek::parse(&bytes).unwrap();
        assert_eq!(
            (peek.is_binding_request, peek.local_ufrag),
            (true, Some("ab"))
        );
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        let mut longer = message(&[0, 6, 0, 5, b'a']);
        assert_eq!(StunPeek::parse(&longer), None);
        longer[3] = 200;
        assert_eq!(StunPeek::parse(&longer), None);
        assert_eq!(StunPeek::parse(&[0; 19]), None);
        assert_eq!(StunPeek::parse(&[0x80; 40]), None);
    }

    #[test]
    fn no_cut_of_a_message_panics() {
        let bytes = message(&[
            0, 6, 0, 5, b'a', b'b', b':', b'c', b'd', 0, 0, 0, 0x80, 0x28, 0, 4, 1, 2, 3, 4,
        ]);
        for len in 0..bytes.len() {
            let _ = StunPeek::parse(&bytes[..len]);
        }
    }
}
