//! As much of DER as says who issued a certificate (RFC 5280 §4.1).

/// Two names of a certificate, as they are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names<'a> {
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
}

const SEQUENCE: u8 = 0x30;
/// `[0]`, which is there but in certificates of version 1.
const VERSION: u8 = 0xa0;

/// Who issued this certificate, and whom it names; none if it is no certificate.
pub(super) fn names(certificate: &[u8]) -> Option<Names<'_>> {
    let mut outer = Reader(certificate);
    let mut body = Reader(outer.take(SEQUENCE)?.content);
    let mut fields = Reader(body.take(SEQUENCE)?.content);
    let first = fields.any()?;
    if first.tag == VERSION {
        // The serial number.
        fields.any()?;
    }
    // The algorithm of the signature.
    fields.take(SEQUENCE)?;
    let issuer = fields.take(SEQUENCE)?.content;
    // The validity.
    fields.take(SEQUENCE)?;
    let subject = fields.take(SEQUENCE)?.content;
    Some(Names { issuer, subject })
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Up to 16 MiB: the file is shorter.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Element { tag, content })
    }

    fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }
}
