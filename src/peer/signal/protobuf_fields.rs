//! Protobuf at the byte level: rewriting a few fields without losing those that our types do not
//! know (`prost` drops them).

/// One field of a message, with its bytes as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    /// Tag and value.
    pub(super) whole: &'a [u8],
    /// The payload of a length-delimited field.
    pub(super) payload: Option<&'a [u8]>,
    /// The value of a varint field.
    pub(super) varint: Option<u64>,
}

/// The fields of a message in order; `None` if it is malformed.
pub(super) fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let start = bytes;
        let tag = varint(&mut bytes)?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0)?;
        let mut field = Field {
            number,
            whole: start,
            payload: None,
            varint: None,
        };
        match tag & 7 {
            0 => field.varint = Some(varint(&mut bytes)?),
            1 => bytes = bytes.get(8..)?,
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                field.payload = Some(bytes.get(..len)?);
                bytes = &bytes[len..];
            }
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
        field.whole = &start[..start.len() - bytes.len()];
        fields.push(field);
    }
    Some(fields)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
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
        assert_eq!((got[1].number, got[1].varint), (16, Some(300)));
        let whole: Vec<u8> = got.iter().flat_map(|field| field.whole).copied().collect();
        assert_eq!(whole, bytes);
        assert_eq!(fields(&bytes[..3]), None);
        assert_eq!(fields(&[0xff; 11]), None);
    }
}
