//! Protobuf at the byte level: rewriting a few fields without losing those that our types do not
//! know (`prost` drops them). Only the canonical form is read: decoders cut off what does not fit
//! their integers, each in its own way, so that another form is read as another field elsewhere.

/// Highest number of a field (protobuf's language guide); a tag is five bytes then.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// Most fields of one message. A real one has 20 and its destinations.
pub(super) const MAX_FIELDS: usize = 1_024;

/// One field of a message, with its bytes as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    /// Tag and value.
    pub(super) whole: &'a [u8],
    /// The payload of a length-delimited field.
    pub(super) payload: Option<&'a [u8]>,
}

/// The fields of a message in order; `None` if it is not in canonical form, or has groups, which
/// proto3 does not know.
pub(super) fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        if fields.len() == MAX_FIELDS {
            return None;
        }
        let start = bytes;
        let tag = varint(&mut bytes)?;
        let number = Some(tag >> 3).filter(|number| (1..=MAX_NUMBER).contains(number))?;
        let mut payload = None;
        match tag & 7 {
            0 => {
                varint(&mut bytes)?;
            }
            1 => bytes = bytes.get(8..)?,
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                payload = Some(bytes.get(..len)?);
                bytes = &bytes[len..];
            }
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
        fields.push(Field {
            number: u32::try_from(number).ok()?,
            whole: &start[..start.len() - bytes.len()],
            payload,
        });
    }
    Some(fields)
}

/// A varint in its shortest form.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let is_padding = shift > 0 && bits == 0;
            return (!is_padding).then_some(value);
        }
    }
    None
}

/// Appends a length-delimited field.
pub(super) fn put(out: &mut Vec<u8>, number: u32, payload: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// Appends a varint field.
pub(super) fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_and_cuts_are_refused() {
        let mut bytes = Vec::new();
        put(&mut bytes, 4, b"alice");
        put_number(&mut bytes, 16, 300);
        let got = fields(&bytes).unwrap();
        assert_eq!(got[0].payload, Some(b"alice".as_slice()));
        assert_eq!((got[1].number, got[1].payload), (16, None));
        let whole: Vec<u8> = got.iter().flat_map(|field| field.whole).copied().collect();
        assert_eq!(whole, bytes);
        assert_eq!(fields(&bytes[..3]), None);
        assert_eq!(fields(&[0xff; 11]), None);
    }

    #[test]
    fn only_the_shortest_form_of_tags_lengths_and_numbers_is_read() {
        let good: [&[u8]; 5] = [
            &[0x22, 1, b'a'],
            &[0x80, 1, 0x7f],
            &[0xf8, 0xff, 0xff, 0xff, 0x0f, 0],
            &[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x25, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8],
        ];
        for bytes in good {
            assert!(fields(bytes).is_some(), "{bytes:x?}");
        }
        let bad: [(&[u8], &str); 10] = [
            (&[0xa2, 0, 1, b'a'], "a padded tag"),
            (
                &[0xa2, 0x80, 0x80, 0x80, 0x80, 0, 1, b'a'],
                "one of six bytes",
            ),
            (&[0xa2, 0x80, 0x80, 0x80, 0x10, 1, b'a'], "field 2^29 + 4"),
            (
                &[0xa2, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 1, b'a'],
                "a tag that folds onto field 4",
            ),
            (&[0x22, 0x81, 0, b'a'], "a padded length"),
            (&[0x80, 1, 0x80, 0], "a padded number"),
            (
                &[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                "a number of 65 bits",
            ),
            (&[0x23, 0x22, 1, b'a', 0x24], "a group"),
            (&[2, 1, b'a'], "field 0"),
            (&[0x26, 1, b'a'], "wire type 6"),
        ];
        for (bytes, what) in bad {
            assert_eq!(fields(bytes), None, "{what}");
        }
    }

    #[test]
    fn a_message_of_more_fields_than_anyone_sends_is_refused() {
        assert!(fields(&[8, 0].repeat(MAX_FIELDS)).is_some());
        assert_eq!(fields(&[8, 0].repeat(MAX_FIELDS + 1)), None);
    }
}
