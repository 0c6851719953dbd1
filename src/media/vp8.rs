//! The VP8 payload descriptor (RFC 7741, section 4.2).

/// Picture numbering that a receiver expects to be continuous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// PictureID, 15 bits.
    pub id: u16,
    /// TL0PICIDX, if present.
    pub tl0: Option<u8>,
}

/// A frame's place among the temporal layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    /// TID: 0 is the base, on which all else builds.
    pub id: u8,
    /// Y: builds on the base alone, so that a receiver may begin with this layer here.
    pub sync: bool,
}

/// What the descriptor and the first payload byte say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8 {
    /// First packet of a keyframe.
    pub starts_keyframe: bool,
    /// Picture numbering with a 15-bit PictureID; shorter ids cannot be continued and count as none.
    pub picture: Option<Picture>,
    /// The temporal layer, if the stream has them.
    pub temporal: Option<Temporal>,
}

impl Vp8 {
    /// Parses an RTP payload; `None` where it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Vp8> {
        let mut bytes = payload.iter().copied();
        let first = bytes.next()?;
        let (extended, starts_partition) = (first & 0x80 != 0, first & 0x10 != 0);
        let partition_zero = first & 0x07 == 0;
        let (mut picture, mut temporal) = (None, None);
        if extended {
            let flags = bytes.next()?;
            let mut id = None;
            if flags & 0x80 != 0 {
                let high = bytes.next()?;
                if high & 0x80 != 0 {
                    id = Some(u16::from_be_bytes([high & 0x7f, bytes.next()?]));
                }
            }
            let tl0 = if flags & 0x40 != 0 {
                Some(bytes.next()?)
            } else {
                None
            };
            if flags & 0x30 != 0 {
                let byte = bytes.next()?;
                temporal = (flags & 0x20 != 0).then_some(Temporal {
                    id: byte >> 6,
                    sync: byte & 0x20 != 0,
                });
            }
            picture = id.map(|id| Picture { id, tl0 });
        }
        let key = bytes.next()? & 0x01 == 0;
        Some(Vp8 {
            starts_keyframe: starts_partition && partition_zero && key,
            picture,
            temporal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporal_layer_is_read_where_its_flag_says_so() {
        let temporal = |payload: &[u8]| Vp8::parse(payload).unwrap().temporal;
        let two = Some(Temporal { id: 2, sync: true });
        assert_eq!(temporal(&[0x90, 0xe0, 0x81, 0x02, 0x07, 0xa0, 0x01]), two);
        let base = Some(Temporal { id: 0, sync: false });
        assert_eq!(temporal(&[0x90, 0xe0, 0x81, 0x02, 0x07, 0x00, 0x01]), base);
        // K alone: the byte is there, its TID is not.
        assert_eq!(temporal(&[0x90, 0x90, 0x81, 0x02, 0xa0, 0x01]), None);
        assert_eq!(temporal(&[0x10, 0x01]), None);
    }

    #[test]
    fn descriptors_of_every_shape_are_read_and_none_panics() {
        let picture = |id, tl0| Some(Picture { id, tl0 });
        type Expected = Option<(bool, Option<Picture>)>;
        let cases: &[(&str, &[u8], Expected)] = &[
            ("empty", &[], None),
            ("plain keyframe", &[0x10, 0x00], Some((true, None))),
            ("plain delta frame", &[0x10, 0x01], Some((false, None))),
            ("middle of a keyframe", &[0x00, 0x00], Some((false, None))),
            ("partition 1", &[0x11, 0x00], Some((false, None))),
            (
                "15-bit id",
                &[0x90, 0x80, 0x81, 0x02, 0x00],
                Some((true, picture(0x0102, None))),
            ),
            ("7-bit id", &[0x90, 0x80, 0x01, 0x00], Some((true, None))),
            (
                "all fields",
                &[0x90, 0xf0, 0x81, 0x02, 0x07, 0x20, 0x00],
                Some((true, picture(0x0102, Some(7)))),
            ),
            ("cut in the extension", &[0x90], None),
            ("cut in the id", &[0x90, 0x80, 0x81], None),
            ("no payload after the descriptor", &[0x10], None),
        ];
        for (name, payload, expected) in cases {
            let got = Vp8::parse(payload).map(|vp8| (vp8.starts_keyframe, vp8.picture));
            assert_eq!(got, *expected, "{name}");
        }
    }
}
